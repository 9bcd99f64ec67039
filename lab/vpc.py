"""A VPC in which `penstock doctor` runs as the task: Amazon's resolver at its addresses, the company's name servers, S3 by
each of its ways, the registry, the metadata endpoint and an AWS account, each in a network namespace of its own and
healthy until a scenario breaks it. heal() puts everything back.

Name servers, and what stands there:
    AMAZON, AMAZON6, PLUS2, INBOUND   unbound: .253, fd00:ec2::253, the VPC's address plus two, an inbound endpoint
    CORP (CORP6, MORE), CORP2         unbound, the company's; they forward AWS names and the stack's to INBOUND
    REFUSING, FAILING                 BIND that refuses what it does not have, or answers it with SERVFAIL
    SINKHOLE                          dnsmasq with a block list
    SLOW                              a relay before CORP that takes more than a second
    SCRIPTED                          lab/dns.py, for what no server does (REFUSED without its question)
    INTERNET                          unbound with public answers alone
    NO_ROUTE, NO_ROUTE6               addresses to which the task has no route"""

import contextlib
import json
import os
import shutil
import subprocess

import jsonschema

from lab import ecs_metadata, net
from lab.aws_account import REGION, Account
from lab.ca import CA
from lab.dns import Scripted
from lab.penstock import ROOT, binary
from lab.registry import Registry
from lab.s3_stub import S3Stub
from lab.vpc_dns import RefusingBind, Relay, Resolver, SinkholeDnsmasq

TASK, TASK6, OLD_TASK = "10.0.1.20", "fd00:1::20", "10.0.1.19"
AMAZON, AMAZON6, PLUS2, INBOUND = "169.254.169.253", "fd00:ec2::253", "10.0.0.2", "10.0.1.253"
CORP, CORP2, MORE = "10.9.0.53", "10.9.0.54", ("10.9.0.55", "10.9.0.56")
REFUSING, FAILING, SINKHOLE, SLOW, SCRIPTED = "10.9.0.60", "10.9.0.61", "10.9.0.62", "10.9.0.63", "10.9.0.64"
CORP6 = "fd00:9::53"
NO_ROUTE, NO_ROUTE6 = "10.66.0.53", "fd00:66::53"
INTERNET = "9.9.9.9"
S3_PUBLIC, S3_PRIVATE, S3_HUB, S3_DUAL6, S3_NAT64 = (
    "52.218.104.10", "10.0.3.10", "10.200.3.10", "2a05:d050:8000::10", "64:ff9b::34da:680a")
OTHER_REGION = "52.216.10.10"  # s3.us-east-1
APIS = "10.0.7.10"
REGISTRY, REGISTRY6 = "10.0.4.10", "fd00:4::10"
SERVICES = ("logs", "api.ecr", "dkr.ecr", "secretsmanager", "ssmmessages", "ecs", "ecs-a", "ecs-t", "sts", "kms", "ec2",
            "servicediscovery", "data-servicediscovery", "route53resolver", "monitoring")
S3_NAME = f"s3.{REGION}.amazonaws.com"
OWN = {"files.corp.test": ["10.9.0.99"]}
N_CODES = 57
BUCKETS = {"lab-bucket": REGION, "photos": REGION, "far-bucket": "us-east-1"}
AWS_ZONES = ("amazonaws.com", "aws.amazon.com", "api.aws", "compute.internal")
FORWARDED = {zone: INBOUND for zone in (*AWS_ZONES, "stk")}


def public_names():
    """What the whole world knows."""
    table = {f"*.{S3_NAME}": [S3_PUBLIC], f"*.s3.dualstack.{REGION}.amazonaws.com": [S3_PUBLIC, S3_DUAL6],
             "*.s3.us-east-1.amazonaws.com": [OTHER_REGION], "*.s3.amazonaws.com": [OTHER_REGION],
             "route53.amazonaws.com": [APIS], "sts.amazonaws.com": [APIS], "*.example.com": ["93.184.215.14"]}
    return table | {f"*.{s}.{REGION}.amazonaws.com": [APIS] for s in SERVICES}


def amazon_names(s3=(S3_PUBLIC,), registry=(REGISTRY,), **more):
    """What Amazon's resolver knows in this VPC. s3, registry: addresses, or a kind of zone."""
    table = public_names()
    table[f"*.{S3_NAME}"] = s3 if isinstance(s3, str) else list(s3)
    table["registry.stk"] = registry if isinstance(registry, str) else list(registry)
    return table | more


class Vpc:
    def __init__(self, folder):
        self.folder = folder = os.path.abspath(folder)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        with self._apart():
            n = self.net = net.Net()
        self.task = n.host("task", TASK + "/16", OLD_TASK + "/16", TASK6 + "/64")
        self.task6 = n.host("task6", "fd00:1::26/64")
        self.amazon_host = n.host("amazon", AMAZON + "/16", PLUS2 + "/16", INBOUND + "/16", AMAZON6 + "/64")
        self.corp_host = n.host("corp", *(a + "/16" for a in (CORP, CORP2, *MORE)), CORP6 + "/64")
        self.odd_host = n.host("odd", *(a + "/16" for a in (REFUSING, FAILING, SINKHOLE, SLOW, SCRIPTED)))
        self.internet_host = n.host("internet", INTERNET + "/32")
        self.s3_host = n.host("s3", *(a + "/32" for a in (S3_PUBLIC, S3_PRIVATE, S3_HUB, OTHER_REGION)),
                              S3_DUAL6 + "/128", S3_NAT64 + "/128")
        self.registry_host = n.host("registry", REGISTRY + "/16", REGISTRY6 + "/64")
        # The instance metadata service is there, and refuses: a task on Fargate has none.
        self.metadata_host = n.host("metadata", ecs_metadata.ADDRESS + "/16", "169.254.169.254/16")
        self.apis_host = n.host("apis", APIS + "/16")
        for host in n.hosts.values():
            host.run("ip", "-6", "route", "add", "default", "dev", "eth0")
        self.task.run("ip", "route", "add", "unreachable", "10.66.0.0/16")
        self.task6.run("ip", "route", "del", "default")
        self.task.run("ip", "-6", "route", "add", "unreachable", "fd00:66::/32")
        self._servers()
        self.heal()

    @contextlib.contextmanager
    def _apart(self):
        """A namespace for the bridge: another lab's may be where we stand."""
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo up; exec sleep infinity"],
                                       stdout=subprocess.PIPE)
        self.holder.stdout.readline()
        fd = os.open(f"/proc/{self.holder.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        with net.entered(fd):
            yield
        os.close(fd)

    def _servers(self):
        self.ca = CA(self.folder)
        stranger = CA(self.folder, "lab stranger CA")
        names = ["s3.amazonaws.com", "*.s3.amazonaws.com"]
        for region in (REGION, "us-east-1"):
            for base in (f"s3.{region}", f"s3.dualstack.{region}"):
                names += [f"{base}.amazonaws.com", f"*.{base}.amazonaws.com"]
        services = [f"{s}.{REGION}.amazonaws.com" for s in SERVICES] + ["route53.amazonaws.com", "sts.amazonaws.com"]
        contexts = {"good": self.ca.context("s3", names), "expired": self.ca.context("s3-expired", names, (-30, -2)),
                    "other name": self.ca.context("s3-other", ["firewall.corp.test"]),
                    "stranger": stranger.context("s3-stranger", names)}
        self.account = Account(self.apis_host, self.folder, self.ca.context("apis", services))
        self.amazon = Resolver(self.amazon_host, self.folder, [AMAZON, AMAZON6, PLUS2])
        self.inbound = Resolver(self.amazon_host, self.folder, [INBOUND], 1)
        self.corp = Resolver(self.corp_host, self.folder, [CORP, CORP6, *MORE])
        self.corp2 = Resolver(self.corp_host, self.folder, [CORP2], 1)
        self.internet = Resolver(self.internet_host, self.folder, [INTERNET])
        self.bind = RefusingBind(self.odd_host, self.folder, REFUSING, FAILING, "corp.test", (*AWS_ZONES, "stk"))
        self.dnsmasq = SinkholeDnsmasq(self.odd_host, self.folder, SINKHOLE, ["amazonaws.com"], INBOUND)
        self.slow = Relay(self.odd_host, SLOW, CORP, 1.2)
        self.scripted = Scripted(self.odd_host, SCRIPTED)
        self.s3 = S3Stub(self.s3_host, contexts, REGION, BUCKETS)
        self.registry = Registry(self.registry_host, "::")
        self.metadata = ecs_metadata.Metadata(self.metadata_host)
        self.account.wait()
        self.internet.say(public_names())
        self.account_dirty = True

    def heal(self):
        """Everything as it should be. The account is built anew only when the scenario before had touched it."""
        for host in self.net.hosts.values():
            host.nft("flush chain inet lab in; flush chain inet lab out")
        for server in (self.amazon, self.inbound):
            server.say(amazon_names())
        for server in (self.corp, self.corp2):
            server.say(OWN, closed=False, forward={**FORWARDED, ".": INTERNET})
        self.scripted.behave = Scripted.refused_bare
        self.s3.heal()
        self.registry.reset_hooks()
        if self.account_dirty:
            self.account.build()
            self.account_dirty = False
        self.in_task([AMAZON])

    @contextlib.contextmanager
    def rebuilding(self):
        """The account, to be changed: what a scenario does to it before moto guards it, and after which it is built
        anew for the next."""
        self.account_dirty = True
        self.account._moto("reset-auth", b"inf")
        yield self.account
        self.account.guard()

    def in_task(self, servers, search=(), options="", metadata=True, extra=""):
        """The task's resolv.conf. metadata: its ECS metadata says the same, or names these servers, or is not there."""
        text = "".join(f"nameserver {s}\n" for s in servers)
        text += f"search {' '.join(search)}\n" * bool(search) + f"options {options}\n" * bool(options) + extra
        self.resolv_conf = self.write("resolv.conf", text)
        self.hosts_file = self.write("hosts", "127.0.0.1 localhost\n")
        told = servers if metadata is True else metadata or ()
        self.metadata.describe(TASK, told, self.account.mac, search=search, task_arn=self.account.task,
                               cluster=self.account.task.replace(":task/", ":cluster/").rsplit("/", 1)[0])
        self.env = dict(ecs_metadata.ENV) if metadata else {}

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def environment(self, credentials=False, **more):
        """What ECS and the template give the container; None takes one away."""
        env = {"PATH": os.environ["PATH"], "AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true",
               "PENSTOCK_RESOLV_CONF": self.resolv_conf, "PENSTOCK_HOSTS_FILE": self.hosts_file,
               "PENSTOCK_CA_FILE": self.ca.path, "INTERNAL_REGISTRY_URL": "http://registry.stk", **self.env}
        if credentials:
            env |= {"AWS_ENDPOINT_URL": f"http://{APIS}", **self.account.credentials}
        env |= {name: os.environ[name] for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}
        return {k: v for k, v in {**env, **more}.items() if v is not None}

    def drop(self, host, rule):
        """host's firewall drops what comes in and fits the rule."""
        host.nft(f"add rule inet lab in {rule} drop")

    def close(self):
        for process in (self.amazon, self.inbound, self.corp, self.corp2, self.internet, self.bind, self.dnsmasq):
            process.stop()
        self.account.close()
        self.net.close()
        self.holder.kill()
        self.holder.wait()


def doctor(vpc, *args, host=None, credentials=False, wrap=(), timeout=30, **env):
    """`penstock doctor` in the task's namespace as it was asked for: (exit status, stdout, stderr)."""
    command = [*wrap, binary(), "doctor", *args]
    with (host or vpc.task).enter():
        done = subprocess.run(command, env=vpc.environment(credentials, **env), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, cwd="/", check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def ns_doctor(vpc, *args, bucket="lab-bucket", registry="http://registry.stk", **how):
    """The same, with the usual arguments and as JSON: (exit status, document, stderr). The document has the shape
    that was promised, or this fails."""
    usual = ["-o", "json", "--region", REGION]
    usual += ["--bucket", bucket] if bucket else []
    usual += ["--registry", registry] if registry else []
    code, out, err = doctor(vpc, *usual, *args, **how)
    assert code in (0, 1, 2), f"exit {code}\n{out}\n{err}"
    document = json.loads(out)
    check_shape(document)
    return code, document, err


def check_shape(document):
    """As docs/doctor.schema.json has it, and with every check."""
    with open(os.path.join(ROOT, "docs", "doctor.schema.json")) as f:
        jsonschema.validate(document, json.load(f))
    assert len(document["checks"]) == N_CODES, len(document["checks"])


if __name__ == "__main__":
    net.reexec(["python3", "-m", "lab.vpc"])
    world = Vpc(os.path.join(ROOT, "build", "vpc"))
    with world.task.enter():
        subprocess.call([os.environ.get("SHELL", "/bin/sh")], env={**os.environ, **world.environment(True)})
    world.close()

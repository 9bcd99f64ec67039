"""The whole lab: who stands where, and what the names mean."""

import os
import shutil
import subprocess

from lab import net
from lab.ca import CA
from lab.dns import Bind, Scripted, Unbound
from lab.origin import Origin
from lab.penstock import ROOT, Penstock
from lab.registry import Registry
from lab.s3 import Moto, S3rver

CLIENT, PENSTOCK = "10.0.1.2", "10.0.1.10"
CORP, CORP2, CORP3 = "10.0.2.53", "10.0.2.54", "10.0.2.55"
AWS, AWS6 = "169.254.169.253", "fd00:ec2::253"
S3RVER, MOTO, ORIGIN = "10.0.3.10", "10.0.3.11", "10.0.3.12"
PRIVATE = "10.0.5.10"  # an interface endpoint's address that only a healthy corporate server knows
CLOSED, BLACKHOLE, NOBODY = "10.0.3.98", "10.0.3.97", "10.0.3.99"
REGISTRY = "10.0.4.10"
SINKHOLE = "10.0.9.9"

# Region -> addresses. What stands there is chosen by the name that a test uses.
REGIONS = {
    "us-east-1": [S3RVER], "us-west-2": [MOTO], "eu-west-1": [ORIGIN],
    "eu-west-2": [BLACKHOLE, ORIGIN],       # one address of two is dead
    "eu-west-3": [CLOSED],                  # nobody listens
    "eu-north-1": [BLACKHOLE],              # packets vanish
    "eu-central-1": ["127.0.0.1"], "eu-central-2": ["169.254.169.254"], "eu-south-1": ["0.0.0.0"],
    "eu-south-2": ["224.0.0.1"], "ca-central-1": [PENSTOCK], "ca-west-1": ["169.254.170.2"],
    "ap-northeast-1": [ORIGIN],             # its certificate does not have this name
    "ap-northeast-2": ["127.0.0.1", ORIGIN],  # one refused, one good
}
V6_REGIONS = {"sa-east-1": "::ffff:127.0.0.1", "sa-east-2": "::1", "sa-east-3": "fe80::1",
              "sa-east-4": "64:ff9b::7f00:1", "sa-east-5": "64:ff9b::a9fe:a9fe", "sa-east-6": "2002:7f00:1::1",
              "sa-east-7": "fd00:ec2::254", "sa-east-8": "ff02::1", "sa-east-9": "::"}
NO_CERTIFICATE = {"ap-northeast-1"}
BUCKETS = ("lab-bucket", "photos")


def s3_name(region):
    return f"s3.{region}.amazonaws.com"


def zones():
    amazon = [f"s3 A {S3RVER}", f"*.s3 A {S3RVER}"]
    for region, addrs in REGIONS.items():
        for addr in addrs:
            amazon += [f"s3.{region} A {addr}", f"*.s3.{region} A {addr}"]
    for region, addr in V6_REGIONS.items():
        amazon += [f"s3.{region} AAAA {addr}"]
    amazon += ["s3.ap-south-1 CNAME s3-r-w.ap-south-1.amazonaws.com.", f"s3-r-w.ap-south-1 A {ORIGIN}",
               f"s3.dualstack.eu-west-1 A {ORIGIN}", "s3.dualstack.eu-west-1 AAAA fd00:3::12",
               f"*.s3.dualstack.eu-west-1 A {ORIGIN}", f"sts A {ORIGIN}", f"execute-api.eu-west-1 A {ORIGIN}",
               f"ec2.eu-west-1 A {ORIGIN}"]
    stk = [f"registry A {REGISTRY}"]
    return {"amazonaws.com": amazon, "stk": stk,
            "test": [f"minio A {ORIGIN}", f"evil A {ORIGIN}"]}


def certificate_names():
    names = ["s3.amazonaws.com", "*.s3.amazonaws.com", "minio.test"]
    for region in [*REGIONS, *V6_REGIONS, "ap-south-1"]:
        if region not in NO_CERTIFICATE:
            names += [s3_name(region), f"*.{s3_name(region)}", f"s3.dualstack.{region}.amazonaws.com"]
    return names


class World:
    def __init__(self, folder=None):
        self.folder = folder or os.environ.get("LAB_DIR") or os.path.join(ROOT, "build", "lab")
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self._private_files()
        n = self.net = net.Net()
        self.client = n.host("client", CLIENT + "/16", "fd00:1::2/64")
        self.penstock_host = n.host("penstock", PENSTOCK + "/16", "fd00:1::10/64")
        self.corp_host = n.host("corp", CORP + "/16", CORP2 + "/16", CORP3 + "/16")
        self.aws_host = n.host("aws", AWS + "/16", "10.0.6.2/16", AWS6 + "/64")
        self.s3_host = n.host("s3", S3RVER + "/16", "fd00:3::10/64")
        self.moto_host = n.host("moto", MOTO + "/16")
        self.origin_host = n.host("origin", ORIGIN + "/16", "fd00:3::12/64", PRIVATE + "/16")
        self.dead_host = n.host("dead", CLOSED + "/16", BLACKHOLE + "/16", SINKHOLE + "/16")
        self.dead_host.nft(f"add rule inet lab in ip daddr {BLACKHOLE} drop")
        self.registry_host = n.host("registry", REGISTRY + "/16")
        self.bare_host = n.host("bare", "10.0.1.66/16")
        self.bare_host.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")
        self.instances = []
        self._servers()

    def _private_files(self):
        """Our own /run, hosts and resolv.conf: no client may ask the machine's name servers."""
        net.run("mount", "--make-rprivate", "/")
        net.run("mount", "-t", "tmpfs", "tmpfs", "/run")
        for name, text in (("hosts", f"127.0.0.1 localhost\n{PENSTOCK} penstock\n"),
                           ("resolv.conf", f"nameserver {CORP}\noptions timeout:1 attempts:1\n")):
            path = os.path.join(self.folder, name)
            with open(path, "w") as f:
                f.write(text)
            target = os.path.realpath("/etc/" + name)
            if not os.path.exists(target) and target.startswith("/run/"):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                open(target, "w").close()
            if os.path.exists(target):
                net.run("mount", "--bind", path, target)

    def _servers(self):
        self.ca = CA(self.folder)
        self.context = self.ca.context("s3", certificate_names())
        self.s3rver = S3rver(self.s3_host, "", self.context, self.folder, BUCKETS)
        self.moto = Moto(self.moto_host, "", self.context, self.folder)
        self.origin = Origin(self.origin_host, "", 443, self.context)
        self.registry = Registry(self.registry_host, "")
        self.aws = Bind(self.aws_host, self.folder, AWS, zones(), AWS6)
        self.corp = Unbound(self.corp_host, self.folder, CORP, data=(f"files.corp.test. A {REGISTRY}",))
        self.corp.say("always_nxdomain")
        self.scripted = Scripted(self.corp_host, CORP2)
        self.scripted2 = Scripted(self.corp_host, CORP3)
        self.s3rver.wait()
        self.moto.wait()

    def resolv_conf(self, *servers, name="penstock-resolv.conf"):
        """Written as a whole under a new inode, as an agent would."""
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w") as f:
            f.write("".join(f"nameserver {s}\n" for s in servers))
        os.rename(path + ".new", path)
        return path

    def start_penstock(self, servers=(CORP,), port=80, wait=True, args=("serve",), wrap=(), **settings):
        """Settings by their names without PENSTOCK_ in front; None takes one of the usual ones away."""
        hosts = os.path.join(self.folder, "penstock-hosts")
        with open(hosts, "w") as f:
            f.write("127.0.0.1 localhost\n")
        env = {"DNS_AWS": "on", "CA_FILE": self.ca.path, "HOSTS_FILE": hosts, "LISTEN": f":{port}",
               "RESOLV_CONF": self.resolv_conf(*servers, name=f"resolv-{len(self.instances)}.conf"), **settings}
        registry = env.pop("INTERNAL_REGISTRY_URL", "http://registry.stk")
        env = {f"PENSTOCK_{k}": str(v) for k, v in env.items() if v is not None}
        if registry is not None:
            env["INTERNAL_REGISTRY_URL"] = registry
        instance = Penstock(self.penstock_host, self.folder, env, port, args, wait, wrap)
        self.instances.append(instance)
        return instance

    def heal(self):
        """Every server back to its usual state."""
        for host in (self.corp_host, self.aws_host, self.s3_host, self.origin_host, self.registry_host):
            host.hear()
        self.corp.say("always_nxdomain")
        self.scripted.behave = self.scripted2.behave = Scripted.nxdomain
        self.origin.reset_hooks()
        self.registry.reset_hooks()

    def close(self):
        for instance in self.instances:
            instance.stop()
        for server in (self.s3rver.process, self.moto.process, self.aws.process, self.corp.process):
            server.kill()
            server.wait()
        self.net.close()


def shell(world, argv):
    with world.client.enter():
        return subprocess.call(argv)

"""The article from beginning to end: a VPC whose DHCP options name a server on-premises that knows nothing of AWS. nginx, as
the replaced container has it, answers 502; the doctor says why, from wherever it is asked; and either way that it names
(the option set mended, or the server on-premises told to forward) ends in a doctor that has nothing to say and an nginx
that works. Servers, nginx and penstock are real; AWS's APIs are moto's."""

import json
import os
import re
import subprocess
from types import SimpleNamespace

import pytest

import cli
from lab import http
from lab import vpc as v
from lab.aws_account import READ, WRITE, policy
from lab.corporate import KINDS, OWN_ADDRESS, OWN_NAME
from lab.nginx import NGINX, Nginx
from lab.penstock import Penstock, binary
from test_doctor_aws import OUTSIDE

OBJECT = f"/{v.S3_NAME}/lab-bucket/key?X-Amz-Signature=5ec7e7"
PORT, ADMIN = 8080, "127.0.0.1:9901"
INTERNET = SimpleNamespace(ip=v.INTERNET, dnskey=str)  # which nobody validates here
ports = iter(range(8100, 8900, 2))


class Journey:
    def __init__(self, vpc):
        self.vpc, self.account = vpc, vpc.account
        self.nginx_host = vpc.net.host("nginx", NGINX + "/16")
        self.office = {kind: vpc.net.host("office-" + kind, f"10.9.1.{n}/16") for n, kind in enumerate(KINDS, 53)}
        with vpc.rebuilding() as account:
            self.before = account.dhcp(v.CORP, domain_name="corp.test")
            self.keys = account.user("operator", policy(READ, WRITE))
            network = {"awsvpcConfiguration": {"subnets": [account.subnet], "securityGroups": [account.group]}}
            account.ecs.create_service(cluster="stk", serviceName="s3-proxy", taskDefinition="s3-proxy", desiredCount=1,
                                       launchType="FARGATE", networkConfiguration=network)
            account.ecs.run_task(cluster="stk", taskDefinition="s3-proxy", launchType="FARGATE", group="service:s3-proxy",
                                 networkConfiguration=network)
            account.forward_rule("corp.test.", endpoint=account.resolver_endpoint("OUTBOUND", "out"))
        vpc.account_dirty = False  # it has to last for all of it

    def start(self):
        """Every server as it is when the article begins: the one on-premises knows the company's names alone."""
        self.vpc.heal()
        self.vpc.s3.override = lambda request: (200, []) if request.method == "GET" else None
        self.vpc.corp.say(v.OWN)

    def task(self, *servers):
        """A task that was started with these servers."""
        self.vpc.in_task(servers)

    def doctor(self, *args, credentials=False, **env):
        code, document, _ = v.ns_doctor(self.vpc, *args, credentials=credentials, **env)
        return code, document

    def nginx(self, *paths):
        """(statuses, error log) of the replaced container, with the servers of the task."""
        with open(self.vpc.resolv_conf) as f:
            nginx = Nginx(self.nginx_host, self.vpc.folder, str(port := next(ports)), f.read(), self.vpc.ca.path, port)
        try:
            assert nginx.wait()
            return [nginx.get(path) for path in paths], os.path.join(nginx.run, "error.log")
        finally:
            nginx.stop()

    def option_set(self):
        """What the next task gets: the set in force, as DHCP hands it out."""
        with self.vpc.rebuilding() as account:
            in_force = account.ec2.describe_vpcs(VpcIds=[account.vpc])["Vpcs"][0]["DhcpOptionsId"]
            found = account.ec2.describe_dhcp_options(DhcpOptionsIds=[in_force])["DhcpOptions"][0]
        self.vpc.account_dirty = False
        options = {c["Key"]: [x["Value"] for x in c["Values"]] for c in found["DhcpConfigurations"]}
        return in_force, [v.AMAZON if s == "AmazonProvidedDNS" else s for s in options["domain-name-servers"]]


@pytest.fixture(scope="module")
def built(vpc_lab):
    vpc_lab.account_dirty = True
    vpc_lab.heal()
    yield Journey(vpc_lab)
    vpc_lab.account_dirty = True


@pytest.fixture
def journey(built):
    built.start()
    built.task(v.CORP)
    return built


def root(document):
    """The only root cause."""
    roots = [f for f in document["findings"] if f["rank"] == "root"]
    assert len(roots) == 1 and roots[0] is document["findings"][0], document["findings"]
    return roots[0]


def all_is_well(code, document):
    assert code == 0 and document["findings"] == [], (code, document["findings"])
    return True


def works(journey):
    statuses, log = journey.nginx(OBJECT, "/browse/")
    with open(log) as f:
        assert "could not be resolved" not in f.read()
    assert statuses[0] == 200 and statuses[1] not in (None, 502, 504), statuses
    return True


def test_the_symptom_and_what_the_task_says(journey):
    statuses, _ = journey.nginx(OBJECT, "/browse/")
    assert statuses == [502, 502]
    code, document = journey.doctor()
    found = root(document)
    assert code == 1 and (found["code"], found["cause"], found["subject"]) == ("PS1001", "1", v.CORP)
    told = " ".join(found["evidence"])
    for word in (v.CORP, "NXDOMAIN", v.S3_NAME, "registry.stk", v.AMAZON, v.REGISTRY):
        assert word in told, (word, told)
    assert "AmazonProvidedDNS" in " ".join(found["fix"])
    assert all(f["because"] == "PS1001" for f in document["findings"] if f["rank"] == "consequence")


def test_penstock_there_is_not_affected_and_the_doctor_says_so(journey):
    env = {"PENSTOCK_LISTEN": f"{v.TASK}:{PORT}", "PENSTOCK_ADMIN": ADMIN}
    penstock = Penstock(journey.vpc.task, journey.vpc.folder, journey.vpc.environment(**env), PORT)
    try:
        with journey.vpc.task.connect((v.TASK, PORT)) as sock:
            sock.sendall(f"GET {OBJECT} HTTP/1.1\r\nHost: proxy.stk\r\nConnection: close\r\n\r\n".encode())
            assert http.read_response(http.Wire(sock)).status == 200
        code, document = journey.doctor(**env)
        found = root(document)
        assert code == 1 and found["code"] == "PS1001"
        assert any("not affected" in n and v.AMAZON in n for n in found["notes"]), found["notes"]
    finally:
        assert penstock.stop() == 0


def test_from_the_log_alone(journey):
    """No network at all: what nginx wrote is enough for a first word."""
    _, log = journey.nginx(OBJECT, "/browse/")
    done = subprocess.run(["unshare", "--net", binary(), "doctor", "--log", log, "--no-probe", "-o", "json"],
                          env={"PATH": os.environ["PATH"]}, capture_output=True, check=False)
    document = json.loads(done.stdout)
    found = root(document)
    assert done.returncode == 1 and (found["code"], found["cause"]) == ("PS1001", "1")
    assert v.S3_NAME in " ".join(found["evidence"]) and "a log hints at" in " ".join(found["notes"])
    assert b"5ec7e7" not in done.stdout


def test_from_outside_with_credentials(journey):
    """With what AWS says it is the option set, and the log's lines follow from that."""
    _, log = journey.nginx(OBJECT)
    code, document = journey.doctor("--vpc", journey.account.vpc, "--log", log, credentials=True, **OUTSIDE)
    found = root(document)
    assert code == 1 and (found["code"], found["cause"], found["subject"]) == ("PS2003", "1", journey.before)
    assert f"penstock fix dhcp --vpc {journey.account.vpc} --region {v.REGION}" in found["fix"]
    assert {f["code"] for f in document["findings"] if f["rank"] == "consequence"} == {"PS1001"}


def test_the_option_set_is_mended(journey):
    """fix dhcp, a new task, and an old one that still has its servers."""
    fix = cli.run(journey.vpc.task, journey.vpc.environment(**{"AWS_ENDPOINT_URL": f"http://{v.APIS}", **journey.keys}),
                  "fix", "dhcp", "--vpc", journey.account.vpc, "--apply", "--replace-tasks")
    assert fix.code == 0 and "started for 1 of 1 services" in fix.out, fix
    in_force, servers = journey.option_set()
    assert in_force == re.search(r"^made (\S+)$", fix.out, re.M)[1] and servers == [v.AMAZON]
    # The task of before: the option set is right, and it does not know.
    code, document = journey.doctor(credentials=True)
    found = root(document)
    assert code == 1 and found["code"] == "PS1001"
    assert "PS1018" in [f["code"] for f in document["findings"] if f.get("because") == "PS1001"], document["findings"]
    assert any(in_force in n and "new tasks" in n for n in found["notes"]), found["notes"]
    # The task of after.
    journey.task(*servers)
    assert all_is_well(*journey.doctor())
    assert all_is_well(*journey.doctor(credentials=True))
    assert all_is_well(*journey.doctor("--cluster", "stk", "--task", journey.account.task, credentials=True, **OUTSIDE))
    assert works(journey)


@pytest.mark.parametrize("kind", KINDS)
def test_the_server_on_premises_forwards(journey, kind):
    """Instead: `penstock forwarding`, its text taken as it is. Before that the server knows what the internet knows."""
    host = journey.office[kind]

    def server(text):
        return KINDS[kind](host, os.path.join(journey.vpc.folder, "bare" if text is None else "told"), INTERNET, text)

    journey.task(host.ip)
    bare = server(None)
    try:
        code, document = journey.doctor()
        found = root(document)
        assert code == 1 and (found["code"], found["subject"]) == ("PS1001", host.ip), document["findings"]
        assert journey.nginx("/browse/")[0] == [502]
    finally:
        bare.stop()
    written = cli.run(journey.vpc.task, journey.vpc.environment(), "forwarding", "--for", kind, "--to", v.INBOUND)
    assert written.code == 0, written
    told = server(written.out)
    try:
        assert all_is_well(*journey.doctor())
        assert works(journey)
        with journey.vpc.task.enter():
            own = cli.run(journey.vpc.task, journey.vpc.environment(), "lookup", OWN_NAME, "--server", host.ip)
        assert OWN_ADDRESS in own.out, own
    finally:
        told.stop()

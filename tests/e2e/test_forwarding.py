"""penstock forwarding: real BIND, Unbound and dnsmasq take the text as it is, and AWS names then resolve through them.

The inbound endpoint is two knot servers that know the private answers; the internet is a signed root that has public
ones, and proves that there is no such top-level domain as the stack's. What CoreDNS and PowerShell would read is held
against their grammars, written down here: neither program can be had from Debian, PyPI or npm."""

import gzip
import ipaddress
import itertools
import json
import os
import re
import subprocess

import botocore
import dns.flags
import pytest

import cli
from lab import dnsclient
from lab.capture import Capture
from lab.corporate import KINDS, OWN_ADDRESS, OWN_NAME, SignedRoot
from lab.dnsclient import addresses, rcode
from lab.peers import Knot

ENDPOINTS = ("10.0.8.10", "10.0.8.11")
# Only ever in answers. dnsmasq drops those of documentation (RFC 5737) where it drops private ones.
PUBLIC, ELSEWHERE = "52.94.1.3", "52.94.1.80"
S3, API, CONSOLE, REGISTRY = ("s3.eu-west-1.amazonaws.com", "sts.eu-west-1.api.aws", "console.aws.amazon.com",
                              "registry.stk")
FUNCTION = "abc.lambda-url.eu-west-1.on.aws"
PRIVATE = {S3: "10.0.5.10", API: "10.0.5.11", CONSOLE: "10.0.5.12", REGISTRY: "10.0.4.10", FUNCTION: "10.0.5.13",
           "web.corp.test": "10.0.5.14"}
NAMES = ("--namespace", "stk", "--zone", "corp.test")
SERVERS = ("bind", "unbound", "dnsmasq", "coredns", "windows")


def zones():
    out = {z: [] for z in ("amazonaws.com", "api.aws", "aws.amazon.com", "on.aws", "stk", "corp.test")}
    for name, address in PRIVATE.items():
        zone = next(z for z in out if name.endswith("." + z))
        out[zone].append(f"{name}. A {address}")
    return out


@pytest.fixture(scope="module")
def network(world):
    hosts = {ip: world.net.host(f"inbound{n}", ip + "/16") for n, ip in enumerate(ENDPOINTS)}
    inbound = [Knot(hosts[ip], world.folder, ip, zones()) for ip in ENDPOINTS]
    internet = SignedRoot(world.net.host("internet", "10.0.8.1/16"), world.folder, "10.0.8.1",
                          [f"{S3}. A {PUBLIC}", f"www.example.org. A {ELSEWHERE}", f"trap.example.org. A {OWN_ADDRESS}"])
    network = type("Network", (), {"world": world, "inbound": inbound, "internet": internet, "hosts": hosts})
    yield network
    for server in (*inbound, internet):
        server.stop()


numbers = itertools.count(20)


@pytest.fixture
def corporate(network):
    """corporate(kind, text, ...) -> a server of that kind on a host of its own."""
    started = []

    def start(kind, text=None, **kw):
        n = next(numbers)
        host = network.world.net.host(f"onprem{n}", f"10.0.8.{n}/16")
        started.append(KINDS[kind](host, network.world.folder, network.internet, text, **kw))
        return started[-1]
    yield start
    for server in started:
        server.stop()


def forwarding(world, *args, **env):
    return cli.run(world.penstock_host, {"PATH": os.environ["PATH"], **env}, "forwarding", *args)


def generate(world, kind, *args):
    ran = forwarding(world, "--for", kind, "--to", ",".join(ENDPOINTS), *(args or NAMES))
    assert ran.code == 0 and "warning" not in ran.err, ran
    return ran


def notes_for_options(ran):
    """The statements that the notes give for BIND's options, with the range of private addresses added."""
    return (re.search(r"validate-except \{[^}]*\};", ran.err)[0],
            "deny-answer-addresses { 10.0.0.0/8; } " + re.search(r"except-from \{[^}]*\};", ran.err)[0])


def ask(server, name, **kw):
    return dnsclient.ask(server.ip, name, **kw)


def all_resolve(server):
    for name, address in PRIVATE.items():
        for tcp in (False, True):
            reply = ask(server, name, tcp=tcp)
            assert addresses(reply) == [address], (server.kind, name, tcp, reply)
    assert rcode(ask(server, "none.stk")) == "NXDOMAIN"
    assert addresses(ask(server, OWN_NAME)) == [OWN_ADDRESS]
    assert addresses(ask(server, "www.example.org")) == [ELSEWHERE]
    assert rcode(ask(server, "none.example.org")) == "NXDOMAIN"


@pytest.mark.parametrize("kind", KINDS)
def test_the_server_takes_the_text_and_aws_names_resolve(world, network, corporate, kind):
    before = corporate(kind)
    assert addresses(ask(before, S3)) == [PUBLIC] and rcode(ask(before, REGISTRY)) == "NXDOMAIN"
    assert addresses(ask(before, OWN_NAME)) == [OWN_ADDRESS]

    after = corporate(kind, generate(world, kind).out)
    checked = subprocess.run(after.check(after), capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked
    all_resolve(after)


@pytest.mark.parametrize("kind", KINDS)
def test_one_address_of_the_endpoint_may_die(world, network, corporate, kind):
    server = corporate(kind, generate(world, kind).out)
    for ip in ENDPOINTS:
        network.hosts[ip].silence(53)
        try:
            for name in (S3, API, CONSOLE):
                replies = [ask(server, name) for _ in range(2)]
                assert [PRIVATE[name]] in [addresses(r) for r in replies], (kind, ip, replies)
        finally:
            network.hosts[ip].hear()


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_else_is_asked_although_the_endpoint_is_silent(world, network, corporate, kind):
    server = corporate(kind, generate(world, kind).out)
    for ip in ENDPOINTS:
        network.hosts[ip].silence(53)
    try:
        with Capture(server.host) as capture:
            for name in (S3, REGISTRY):
                assert addresses(ask(server, name)) == []
            assert addresses(ask(server, "www.example.org")) == [ELSEWHERE]
        asked = {(p.dst, p.qname) for p in capture.packets if p.dport == 53}
        assert (network.internet.ip, "www.example.org") in asked, asked
        aws = {dst for dst, name in asked if name.endswith(("amazonaws.com", "stk"))}
        assert aws and aws <= set(ENDPOINTS), asked
    finally:
        for ip in ENDPOINTS:
            network.hosts[ip].hear()


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_validates_and_drops_private_addresses(world, corporate, kind):
    ran = generate(world, kind)
    more = " ".join(notes_for_options(ran)) if kind == "bind" else ""
    server = corporate(kind, ran.out, strict=True, more=more)
    reply = ask(server, "www.example.org", edns=0, want_dnssec=True)
    assert reply.flags & dns.flags.AD, reply  # it does validate
    assert addresses(ask(server, "trap.example.org")) == []  # and it does drop
    # The proof that it caches now says that there is nothing behind the last name of the root, "stk" neither.
    assert rcode(ask(server, "zzz", edns=0, want_dnssec=True)) == "NXDOMAIN"
    all_resolve(server)


def without(kind, ran, what):
    """(text, statements for options) without one protection."""
    if kind == "bind":
        validates, guards = notes_for_options(ran)
        return ran.out, {"dnssec": guards, "rebinding": f"{validates} deny-answer-addresses {{ 10.0.0.0/8; }};"}[what]
    word = {"unbound": {"dnssec": "domain-insecure", "rebinding": "private-domain"},
            "dnsmasq": {"rebinding": "rebind-domain-ok"}}[kind][what]
    lines = ran.out.splitlines(keepends=True)
    assert any(word in line for line in lines)
    return "".join(line for line in lines if word not in line), ""


@pytest.mark.parametrize("kind,what,says", [
    ("bind", "dnssec", "SERVFAIL"), ("bind", "rebinding", "SERVFAIL"),
    ("unbound", "dnssec", "SERVFAIL"), ("unbound", "rebinding", None), ("dnsmasq", "rebinding", None)])
def test_each_protection_that_the_text_lifts_would_take_the_names_away(world, corporate, kind, what, says):
    text, more = without(kind, generate(world, kind), what)
    server = corporate(kind, text, strict=True, more=more)
    reply = ask(server, REGISTRY)
    assert addresses(reply) == [], reply
    assert says is None or rcode(reply) == says, reply


# CoreDNS: the Corefile's lexer and blocks, as its manual describes them.

def corefile_tokens(text):
    for number, line in enumerate(text.splitlines()):
        for token in line.split():
            if token.startswith("#"):
                break
            assert not set(token) & set("\"'`\\$"), token
            yield number, token


def corefile_blocks(text):
    """[(zones, [directive with its arguments])]"""
    blocks, keys, lines, depth = [], [], {}, 0
    for number, token in corefile_tokens(text):
        if token == "{":
            depth += 1
            assert depth == 1 and keys
        elif token == "}":
            depth -= 1
            assert depth == 0
            blocks.append((keys, list(lines.values())))
            keys, lines = [], {}
        elif depth == 0:
            keys.append(token)
        else:
            lines.setdefault(number, []).append(token)
    assert depth == 0 and not keys
    return blocks


ZONE = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$")


def test_coredns_form(world):
    (zones_, directives), = corefile_blocks(generate(world, "coredns").out)
    assert zones_ == ["amazonaws.com", "aws.amazon.com", "api.aws", "on.aws", "stk", "corp.test"]
    assert all(ZONE.match(z) for z in zones_)
    by_name = {d[0]: d[1:] for d in directives}
    assert len(by_name) == len(directives) == 3
    assert by_name["errors"] == [] and 0 < int(by_name["cache"][0]) <= 60
    assert by_name["forward"] == [".", *ENDPOINTS] and len(ENDPOINTS) <= 15
    six = forwarding(world, "--for", "coredns", "--to", "10.0.8.10,fd12::5", *NAMES)
    to = {d[0]: d[1:] for d in corefile_blocks(six.out)[0][1]}["forward"][1:]
    assert [ipaddress.ip_address(a).version for a in to] == [4, 6]


# Windows: comments, and commands of one cmdlet with parameters of the types that its reference gives.

STRING = r"'[^'\r\n\u2018-\u201b]*'"
COMMAND = re.compile(rf"Add-DnsServerConditionalForwarderZone -Name ({STRING}) -MasterServers ({STRING}(?:,{STRING})*)$")


def test_windows_form(world):
    ran = generate(world, "windows")
    commands = [line for line in ran.out.splitlines() if line and not line.startswith("#")]
    parsed = [COMMAND.match(line) for line in commands]
    assert all(parsed), commands
    names = [m[1].strip("'") for m in parsed]
    assert names == ["amazonaws.com", "aws.amazon.com", "api.aws", "on.aws", "stk", "corp.test"]
    for m in parsed:
        assert [str(ipaddress.ip_address(a.strip("'"))) for a in m[2].split(",")] == list(ENDPOINTS)
    assert "UseRecursion" not in ran.out  # a switch: given, the server would ask others


def zones_of(kind, text):
    patterns = {"bind": r'^zone "([^"]+)"', "unbound": r'^    name: "([^"]+)"', "dnsmasq": r"^server=/([^/]+)/",
                "windows": r"-Name '([^']+)'"}
    if kind == "coredns":
        return corefile_blocks(text)[0][0]
    return list(dict.fromkeys(re.findall(patterns[kind], text, re.M)))


@pytest.mark.parametrize("kind", SERVERS)
def test_the_region_decides_about_the_zones(world, kind):
    """What botocore knows of partitions."""
    path = os.path.join(os.path.dirname(botocore.__file__), "data", "partitions.json")
    opener = open if os.path.exists(path) else gzip.open
    with opener(path if os.path.exists(path) else path + ".gz", "rb") as f:
        partitions = json.load(f)["partitions"]
    assert len(partitions) >= 8
    for partition in partitions:
        suffixes = {partition["outputs"]["dnsSuffix"], partition["outputs"]["dualStackDnsSuffix"]}
        regions = [r for r in partition["regions"] if not r.endswith("-global")]
        for region in regions if kind == "bind" else regions[:1]:
            zones_ = zones_of(kind, generate(world, kind, "--region", region, *NAMES).out)
            assert suffixes <= set(zones_) and {"stk", "corp.test"} <= set(zones_), (region, zones_)
            assert ("aws.amazon.com" in zones_) == ("amazonaws.com" in zones_), (region, zones_)


def test_where_the_namespace_comes_from(world):
    to = ("--for", "dnsmasq", "--to", ",".join(ENDPOINTS))
    bare = forwarding(world, *to)
    assert bare.code == 0 and "No Cloud Map namespace" in bare.err
    for url, want in (("http://registry.stk", ["stk"]), ("https://registry.My-Stack:8080/x", ["my-stack"]),
                      ("http://10.0.4.10", []), ("http://registry", []), ("http://minio.test", [])):
        ran = forwarding(world, *to, INTERNAL_REGISTRY_URL=url)
        assert ran.code == 0 and zones_of("dnsmasq", ran.out)[4:] == want, (url, ran)
        assert ("No Cloud Map namespace" in ran.err) == (want == []), (url, ran)
    ran = forwarding(world, *to, "--namespace", "other", INTERNAL_REGISTRY_URL="http://registry.stk")
    assert zones_of("dnsmasq", ran.out)[4:] == ["other"], ran
    ran = forwarding(world, *to, AWS_REGION="cn-north-1")
    assert "amazonaws.com.cn" in zones_of("dnsmasq", ran.out), ran
    ran = forwarding(world, *to, "--region", "eu-west-1", AWS_REGION="nonsense")
    assert ran.code == 0 and "amazonaws.com" in zones_of("dnsmasq", ran.out), ran


@pytest.mark.parametrize("args,reason", [
    (("--for", "bind", "--to", "10.0.0.2,10.0.1.10"), "VPC+2 of a VPC that begins at 10.0.0.0"),
    (("--for", "bind", "--to=10.0.4.2,10.0.4.9", "--vpc-cidr", "10.0.4.0/22"), "VPC+2 of 10.0.4.0/22"),
    (("--for", "bind", "--to", "169.254.169.253"), "Amazon's resolver as instances and tasks see it"),
    (("--for", "bind", "--to", "fd00:ec2::253"), "Amazon's resolver as instances and tasks see it"),
    (("--for", "bind", "--to", "127.0.0.1"), "loopback"),
    (("--for", "bind", "--to", "8.8.8.8"), "public address"),
    (("--for", "bind", "--to", "10.0.1.10\"; };"), "is no IP address"),
    (("--for", "bind", "--to", "10.0.1.10", "--to", "10.0.1.10"), "twice"),
    (("--for", "bind", "--for", "unbound", "--to", "10.0.1.10"), "twice: --for"),
    (("--for", "bind", "--to", "10.0.1.10", "--namespace", "a\nb"), "a\\x0ab is no name of a zone"),
    (("--for", "bind", "--to", "10.0.1.10", "--zone", "a\"; };"), "is no name of a zone"),
    (("--for", "bind", "--to", "10.0.1.10", "--namespace", "stk", "--zone", "STK"), "is there twice"),
    (("--for", "bind", "--to", "10.0.1.10", "--zone", "api.aws"), "is forwarded anyway"),
    (("--for", "djbdns", "--to", "10.0.1.10"), "is no server of"),
    (("--for", "bind", "--to", "10.0.1.10", "--region", "Ireland"), "is no name of a region"),
    (("--for", "bind"), "--to is missing"), (("--to", "10.0.1.10"), "--for is missing"),
    (("--for",), "no value behind --for"), (("bind",), "unexpected bind"),
    (("--for", "bind", "--to", "10.0.1.10", "--vpc-cidr", "10.0.0.0/8"), "is no VPC's")])
def test_what_cannot_be_right_is_refused(world, args, reason):
    ran = forwarding(world, *args)
    assert ran.code == 64 and ran.out == "" and reason in ran.err, ran


def test_a_namespace_of_the_settings_that_is_no_zone(world):
    ran = forwarding(world, "--for", "bind", "--to", "10.0.1.10", INTERNAL_REGISTRY_URL="http://registry.localhost")
    assert ran.code == 64 and ran.out == "" and "(the namespace of INTERNAL_REGISTRY_URL)" in ran.err, ran


def test_it_needs_no_network(world):
    ran = subprocess.run(["unshare", "--net", cli.binary(), "forwarding", "--for", "bind", "--to", "10.0.1.10"],
                         capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    assert ran.returncode == 0 and 'zone "amazonaws.com"' in ran.stdout, ran

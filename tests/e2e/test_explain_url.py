"""penstock explain-url: what it says of a URL is what the running proxy then does with it."""

import random
import re

import pytest

import cli
from helpers import ORIGIN, Conn, fetch
from lab import world as w
from lab.capture import Capture

SECRETS = "X-Amz-Signature=5e4c&X-Amz-Credential=AKIAEXAMPLE%2F1&x-amz-security-%74oken=tok3n&partNumber=2"
TARGETS = [
    "/", "/robots.txt", f"/{ORIGIN}", f"/{ORIGIN}/", f"/{ORIGIN}?", f"/{ORIGIN}?list-type=2", f"/{ORIGIN}/b/k", f"/{ORIGIN}//k",
    f"/{ORIGIN}/b/a%2Fb/../c//d+e%zz?x=/../y", f"/bucket.{ORIGIN}/k", "/S3.EU-West-1.amazonAWS.com/b/k", f"/{ORIGIN}/b/k?{SECRETS}",
    f"/{ORIGIN}/B_1/k", f"/{ORIGIN}/b%41/k", "/ec2.eu-west-1.amazonaws.com/k", "/evil.test%3F.amazonaws.com/k",
    f"/{ORIGIN}:443/k", f"/user@{ORIGIN}/k", "/169.254.169.254/latest", "//x", "/favicon.ico", "/..", "/example.com/x",
    "/example.com/x?token=tok3n", "/plain.example/k", "/b.minio.internal/k",
]


def explain(instance, *args, **more):
    return cli.ask(instance, "explain-url", *args, **more)


@pytest.fixture(scope="module")
def strict(world):
    """Buckets are narrowed, a host is added: every kind of rule takes part."""
    instance = world.start_penstock(port=8078, ADMIN="127.0.0.1:18078", ALLOW_BUCKETS="b,bucket",
                                    ALLOW_HOSTS="plain.example=http,*.minio.internal:9000=http")
    yield instance
    assert instance.stop() == 0


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "PUT"])
@pytest.mark.parametrize("target", TARGETS)
def test_what_it_says_is_what_happens(world, proxy, strict, target, method):
    for instance in (proxy, strict):
        world.origin.reset_hooks()
        told = explain(instance, "--json", "--no-lookup", "--method", method, target)
        assert told.err == "" and "tok3n" not in told.out and "AKIA" not in told.out, told
        told = told.json()
        got = fetch(instance, method, target, body=b"" if method == "PUT" else None)
        if told["verdict"] == "refused":
            refusal = told["refusal"]
            assert told["exit"] == 1 and refusal["status"] == got.status
            assert refusal["body"] == re.sub("(?<=<RequestId>)[0-9A-F]+", "0" * 16, got.body.decode())
            assert world.origin.requests == []
        elif told["verdict"] == "answered here":
            assert told["exit"] == 0 and got.status == 200 and world.origin.requests == []
        else:
            assert told["exit"] == 0 and told["verdict"] == "passed on"
            if told["upstream"]["host"] in ("plain.example", "b.minio.internal"):
                assert got.status == 502 and told["upstream"]["scheme"] == "http"
                assert told["upstream"]["port"] == {"p": 80, "b": 9000}[told["upstream"]["host"][0]]
                continue
            sent, = world.origin.requests
            masked = re.sub(r"(Signature|Credential|%74oken)=[^&]*", r"\1=***", sent.target)
            assert (told["upstream"]["target"], told["upstream"]["host_field"]) == (masked, sent.headers.get("host"))
            assert told["upstream"]["tls_name"].lower() == sent.headers.get("host").lower()


PIECES = ["/", "//", "/.", "/..", "%2F", "%00", "%", "?", "&", "#", "@", ":", ":443", ";", "*", "+", "[", "]", "\\", "|", "{", "<", "\"", "'", "ä",
          "\u202e", "\udcff", ".", "..", "-", "_", "s3", "s3-", "amazonaws.com", ".amazonaws.com", "eu-west-1", "dualstack.", "s3-fips", "b", "B_1",
          "bucket", "robots.txt", "/zip", "/browse", "zip/", "http://x", "http:", "plain.example", ".minio.internal", "127.0.0.1", "[::1]", "xn--ls8h",
          "A" * 64, "a" * 300, ".cn", ORIGIN, f"bucket.{ORIGIN}", ORIGIN.upper(), f"{ORIGIN}.", "b.s3.dualstack.eu-west-1.amazonaws.com",
          "s3.amazonaws.com", "b.s3-accelerate.amazonaws.com", "s3.cn-north-1.amazonaws.com.cn", "s3express-use1-az1"]


def nasty_targets(dice, n):
    for _ in range(n):
        host = dice.choice(["", "", f"/{ORIGIN}/", f"/bucket.{ORIGIN}/", "/plain.example/"])
        yield host + "/" + "".join(dice.choice(PIECES) for _ in range(dice.choice([1, 1, 2, 3, 3, 4, 8])))


def status_of(instance, method, target):
    with Conn(instance) as conn:
        conn.send(b"%s %s HTTP/1.1\r\nHost: p\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                  % (method.encode(), target.encode("utf-8", "surrogateescape")))
        return conn.response(method).status


@pytest.mark.limit(120)
def test_of_many_nasty_ones_too(world, proxy, strict):
    """Pieces thrown together: what is refused, answered or passed on by the one is by the other."""
    world.origin.reset_hooks()
    dice, verdicts = random.Random(6), {}
    for target in nasty_targets(dice, 200):
        for instance in (proxy, strict):
            method = dice.choice(["GET", "GET", "HEAD", "PUT", "OPTIONS", "TRACE"])
            world.origin.requests.clear()
            told = explain(instance, "--json", "--no-lookup", "--method", method, target).json()
            status = status_of(instance, method, target)
            reached = [(r.target.encode("latin-1"), r.headers.get("host")) for r in world.origin.requests]
            where = (instance.port, method, target, told["verdict"], status)
            verdicts[told["verdict"]] = verdicts.get(told["verdict"], 0) + 1
            if told["verdict"] == "refused":
                assert status == told["refusal"]["status"] and not reached, where
            elif told["verdict"] == "answered here":
                assert status == 200 and not reached, where
            elif reached:
                to = told["upstream"]
                assert reached == [(to["target"].encode("utf-8", "surrogateescape"), to["host_field"])], where
            else:  # no server of the lab, or one whose requests are not seen here
                assert status in (502, 504) or told["upstream"]["host"] not in (ORIGIN, f"bucket.{ORIGIN}"), where
    assert min(verdicts.values()) > 10 and len(verdicts) == 3, verdicts


def test_the_rules_are_named(strict):
    told = explain(strict, "--no-lookup", "/plain.example/b/k").out
    assert "row 1 of PENSTOCK_ALLOW_HOSTS, plain.example" in told and "http://plain.example, port 80\n" in told
    told = explain(strict, "--no-lookup", f"/bucket.{ORIGIN}/k")
    assert "bucket, of the host: row 2 of PENSTOCK_ALLOW_BUCKETS, bucket" in told.out and "regional endpoint" in told.out
    told = explain(strict, "--no-lookup", f"/{ORIGIN}/other/k")
    assert told.code == 1 and "other, of the path: in no row of PENSTOCK_ALLOW_BUCKETS" in told.out
    assert "refused: 403 AccessDenied" in told.out
    told = explain(strict, "--no-lookup", "/my.bucket.s3.eu-west-1.amazonaws.com/k", ALLOW_BUCKETS=None)
    assert "certificate is not for a bucket with dots" in told.out


@pytest.mark.parametrize("url, args, target", [
    (f"https://proxy.example/{ORIGIN}/b/k?x", (), f"/{ORIGIN}/b/k?x"),
    ("http://proxy.example:8080", (), "/"),
    (f"https://bkt.{ORIGIN}/k/?x", (), f"/bkt.{ORIGIN}/k/?x"),
    (f"HTTPS://bkt.{ORIGIN}:443?list-type=2#top", (), f"/bkt.{ORIGIN}?list-type=2"),
    ("https://lb-1.eu-west-1.elb.amazonaws.com/x", (), "/x"),
    ("http://plain.example/b/k", (), "/plain.example/b/k"),
    ("s3://bucket/a b/+?", ("--region", "eu-west-1"), f"/bucket.{ORIGIN}/a%20b/%2B%3F"),
    ("s3://my.bucket/k", ("--region", "eu-west-1"), f"/{ORIGIN}/my.bucket/k"),
    ("s3://bucket", ("--region", "cn-north-1"), "/bucket.s3.cn-north-1.amazonaws.com.cn/"),
])
def test_every_form_of_url(strict, url, args, target):
    told = explain(strict, "--json", "--no-lookup", *args, url)
    assert told.json()["target"] == target, told


def test_region_of_the_environment(strict):
    env = {**cli.settings(strict), "AWS_REGION": "eu-west-1"}
    told = cli.run(strict.host, env, "explain-url", "--json", "--no-lookup", "s3://bucket/k")
    assert told.json()["host"]["name"] == f"bucket.{ORIGIN}"


def test_addresses_by_the_running_process(world, proxy):
    told = explain(proxy, f"/{ORIGIN}/b/k")
    assert told.code == 0 and f"by the running penstock (127.0.0.1:9901)" in told.out, told
    assert f"{w.ORIGIN} is dialled\n" in told.out and told.out.endswith("passed on\n")
    assert re.search(rf"servers +system: {w.CORP}\n +then +vpc: {w.AWS}[,\n]", told.out), told
    alone = explain(proxy, f"/{ORIGIN}/b/k", ADMIN="off")
    assert alone.code == 0 and "by this command: no penstock runs here" in alone.out
    assert f"{w.ORIGIN} is dialled\n" in alone.out


def test_addresses_that_are_refused(world, proxy, tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 {ORIGIN}\n169.254.169.254 {ORIGIN}\n")
    told = explain(proxy, f"/{ORIGIN}/b/k", ADMIN="off", HOSTS_FILE=str(hosts))
    assert told.code == 2 and told.out.endswith("no address of the host is dialled\n"), told
    assert "127.0.0.1 is refused: loopback, and not in PENSTOCK_ALLOW_ADDRESSES" in told.out
    assert "169.254.169.254 is refused: link-local, and not in" in told.out
    allowed = explain(proxy, f"/{ORIGIN}/b/k", ADMIN="off", HOSTS_FILE=str(hosts), ALLOW_ADDRESSES="10.0.0.0/8,127.0.0.0/8")
    assert allowed.code == 0 and "127.0.0.1 is dialled: loopback, row 2 of PENSTOCK_ALLOW_ADDRESSES" in allowed.out


def test_a_name_that_nobody_knows(proxy):
    told = explain(proxy, "/s3.ap-east-9.amazonaws.com/b/k")
    assert told.code == 2 and "A: no such name (NXDOMAIN)" in told.out or "NXDOMAIN" in told.out, told
    assert told.code == 2 and told.out.endswith("the host has no address\n")


def test_our_own_listener(world, proxy):
    told = explain(proxy, "/browse/x", INTERNAL_REGISTRY_URL=None)
    env = {**cli.settings(proxy), "INTERNAL_REGISTRY_URL": f"http://{w.PENSTOCK}:80"}
    told = cli.run(proxy.host, env, "explain-url", "/browse/x")
    assert told.code == 2 and f"{w.PENSTOCK} is refused: penstock itself listens there" in told.out, told


def test_no_request_goes_out(world, proxy):
    """Only the name is asked for, and with --no-lookup not even that."""
    world.origin.reset_hooks()
    with Capture(world.penstock_host) as capture:
        assert explain(proxy, "--no-lookup", f"/{ORIGIN}/b/k", ADMIN="off").code == 0
    assert not [p for p in capture.packets if p.dport != 53 or p.qname == ORIGIN]  # the proxy beside it has names of its own to ask for
    with Capture(world.penstock_host) as capture:
        assert explain(proxy, f"/{ORIGIN}/b/k", ADMIN="off").code == 0
    assert capture.packets and {p.dport for p in capture.packets} == {53}
    assert world.origin.requests == []


@pytest.mark.parametrize("args, says", [
    ((), "which URL?"), (("a", "b"), "unexpected b"), (("ftp://a/b",), "neither http://"), (("host/key",), "neither http://"),
    (("http://u:p@h/k",), "user name"), (("https:///k",), "no host"), (("s3://b/k",), "--region"),
    (("--region", "nowhere", "s3://b/k"), "no region"), (("--region", "eu-west-1", "s3:///k"), "no bucket"),
    (("/" + "k" * 20000,), "too long"), (("--region",), "no REGION"),
])
def test_wrong_arguments(proxy, args, says):
    ran = explain(proxy, *args)
    assert ran.code == 64 and says in ran.err and "usage: penstock explain-url" in ran.err and ran.out == "", ran


@pytest.mark.parametrize("target", [
    f"/{ORIGIN}/b/a b", f"/{ORIGIN}/b/\t", f"/{ORIGIN}/b/k HTTP/1.1\r\nHost: x\r\n\r\nGET /", f"/{ORIGIN}/b/k#f", f"/{ORIGIN}/b/\x1b[2J",
    f"/{ORIGIN}/b/\udcff\udcfe", "/\n",
])
def test_hostile_targets(proxy, target):
    for args in ((), ("--json",)):
        told = explain(proxy, "--no-lookup", *args, target)
        assert told.code in (0, 1) and "\x1b" not in told.out, told
    assert told.json()["exit"] == told.code

"""What nginx writes when it is really broken, in each way, and what penstock's doctor makes of every line of that."""

import json
import os
import re
import struct
import subprocess
import time
import types

import dns.rcode
import pytest

from lab.dns import Scripted
from lab.penstock import binary, is_sanitized
from lab.nginx import NGINX, OTHER_ROUTE, S3, Nginx, Raw, contexts, end, reset, slow, stall
from lab.world import AWS, BLACKHOLE, CLOSED, CORP2, NOBODY, ROOT

REGISTRY_NAME = "registry.stk"
PEER = "10.0.3.40"
OBJECT = f"/{S3}/bucket/key?X-Amz-Signature=5ec7e7&X-Amz-Security-Token=5ec7e7"
LEVEL = re.compile(r"\[(debug|info|notice|warn|error|crit|alert|emerg)\]")


def read_log():
    path = os.environ.get("PENSTOCK_READ_LOG") or os.path.join(ROOT, "build-asan-gcc", "tests", "tools", "read-log")
    assert os.access(path, os.X_OK), f"no {path}: build with -Dtests=true first (PENSTOCK_READ_LOG names another)"
    return path


def classify(lines):
    """(kind, name, server) of each line."""
    done = subprocess.run([read_log(), "lines"], input="".join(line + "\n" for line in lines), text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    out = [tuple(line.split("\t")) for line in done.stdout.splitlines()]
    assert len(out) == len(lines)
    return out


def doctor_command(log):
    return [binary(), "doctor", "--log", log, "--no-probe", "-o", "json"]


def doctor(text):
    """`penstock doctor` on that log alone."""
    done = subprocess.run(doctor_command("-"), input=text.encode(), capture_output=True, check=False,
                          env={"PATH": os.environ["PATH"]})
    assert done.returncode in (0, 1, 2), (done.returncode, done.stderr[-4000:])
    return json.loads(done.stdout)


def bare(code):
    """A reply that is a header alone, without the question."""
    return lambda query, transport: struct.pack("!HHHHHH", query.id, 0x8180 | code, 0, 0, 0, 0)


def to(*addresses):
    return Scripted.addresses(*addresses)


def short(query, transport):
    return struct.pack("!H", query.id) + b"\x81"


def wrong_id(query, transport):
    reply = Scripted.addresses(PEER)(query, transport)
    reply.id = query.id ^ 1
    return reply


# name -> (what DNS does, the path, {(kind, name or server) of what nginx must have written}). Everything that nginx
# writes at level warn and above is one of these, and each of these is written.
DNS = {
    "NXDOMAIN": (Scripted.nxdomain, OBJECT, {("name_unknown", S3)}),
    "NXDOMAIN for the registry": (Scripted.nxdomain, "/browse/x", {("name_unknown", REGISTRY_NAME)}),
    "NODATA": (Scripted.nodata, OBJECT, {("name_unknown", S3)}),
    "SERVFAIL": (Scripted.servfail, OBJECT, {("server_failure", S3)}),
    "REFUSED": (Scripted.refused, OBJECT, {("refused", S3)}),
    "FORMERR": (Scripted.rcode(dns.rcode.FORMERR), OBJECT, {("format_error", S3), ("dns_timeout", S3)}),
    "NOTIMP": (Scripted.rcode(dns.rcode.NOTIMP), OBJECT, {("not_implemented", S3)}),
    "NOTAUTH": (Scripted.rcode(dns.rcode.NOTAUTH), OBJECT, {("bad_reply", "-"), ("dns_timeout", S3)}),
    "silent": (Scripted.silent, OBJECT, {("dns_timeout", S3)}),
    "REFUSED without a question": (bare(5), OBJECT, {("no_question", "-"), ("dns_timeout", S3)}),
    "SERVFAIL without a question": (bare(2), OBJECT, {("no_question", "-"), ("dns_timeout", S3)}),
    "NXDOMAIN without a question": (bare(3), OBJECT, {("no_question", "-"), ("dns_timeout", S3)}),
    "a reply cut short": (short, OBJECT, {("bad_reply", "-"), ("dns_timeout", S3)}),
    "another ID": (wrong_id, OBJECT, {("bad_reply", S3), ("dns_timeout", S3)}),
    "a sinkhole": (to("0.0.0.0"), OBJECT, {("sinkhole", S3)}),
    "the loopback": (to("127.0.0.1"), OBJECT, {("sinkhole", S3)}),
}

CONNECTIONS = {
    "refused": (to(CLOSED), OBJECT, {("connect_refused", S3)}),
    "refused by the registry": (to(CLOSED), "/browse/x", {("connect_refused", CLOSED + ":80")}),
    "no reply": (to(BLACKHOLE), OBJECT, {("connect_timeout", S3)}),
    "no such host on the link": (to(NOBODY), OBJECT, {("connect_unreachable", S3)}),
    "no route": (to(OTHER_ROUTE), OBJECT, {("connect_unreachable", S3)}),
}

# name -> (which certificate or None for no TLS, what the peer does, the kind)
PEERS = {
    "not valid yet": ("9", end, "cert_date"),
    "expired": ("10", end, "cert_date"),
    "self-signed": ("18", end, "cert_untrusted"),
    "self-signed in the chain": ("19", end, "cert_untrusted"),
    "unknown issuer": ("20", end, "cert_untrusted"),
    "unknown issuer that is not sent": ("21", end, "cert_untrusted"),
    "another name": ("name", end, "cert_name"),
    "handshake cut by FIN": (None, Raw.cut("fin"), "tls_cut"),
    "handshake cut by RST": (None, Raw.cut("rst"), "tls_cut"),
    "handshake held": (None, Raw.hold, "tls_timeout"),
    "no TLS": (None, Raw.plain, "tls_failed"),
    "closed without a response": ("good", end, "closed"),
    "reset without a response": ("good", reset, "closed"),
    "slow": ("good", slow, "slow"),
    "stalled in the body": ("good", stall, "slow"),
}

NOT_DNS = {"connect_refused", "connect_unreachable", "connect_timeout", "connect_failed", "tls_cut", "tls_timeout",
           "tls_failed", "cert_date", "cert_untrusted", "cert_name", "closed", "slow", "no_live_upstreams", "own_hop"}


@pytest.fixture(scope="module")
def place(world):
    host = world.net.host("nginx", NGINX + "/16")
    host.run("ip", "route", "del", "default")
    return types.SimpleNamespace(host=host, world=world, ports=iter(range(8000, 9000, 2)),
                                 peer=world.net.host("peer", PEER + "/16"), contexts=contexts(world.folder, world.ca))


@pytest.fixture
def nginx(place):
    started = []

    def start(servers=(CORP2,), **kw):
        port = next(place.ports)
        text = "search corp.test\n" + "".join(f"nameserver {s}\n" for s in servers)
        started.append(Nginx(place.host, place.world.folder, str(port), text, place.world.ca.path, port, **kw))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def judge(lines, expected):
    """Every line that is a complaint has one of the expected (kind, subject), and all of them are there."""
    seen = set()
    for line, (kind, name, server) in zip(lines, classify(lines)):
        level = LEVEL.search(line)
        if level is None or level.group(1) in ("debug", "info", "notice"):
            assert kind == "none", (kind, line)
            continue
        fits = {(kind, subject) for subject in (name, server, server.rsplit(":", 1)[0])} & expected
        assert fits, (kind, name, server, line)
        seen |= fits
    assert seen == expected, (expected - seen, lines)
    found = doctor("".join(line + "\n" for line in lines))
    groups = found["facts"]["log"].get("groups", [])
    assert {g["kind"] for g in groups} == {kind for kind, _ in expected}
    for group in groups:
        assert group["is_dns"] == (group["kind"] not in NOT_DNS), group
        assert group["first"] and group["count"] > 0 and group["sample"], group
    if not any(g["is_dns"] for g in groups):
        assert not [f["code"] for f in found["findings"] if f["code"].startswith(("PS1", "PS2"))], found["findings"]
    assert "5ec7e7" not in json.dumps(found)
    return groups


@pytest.mark.parametrize("name", DNS)
def test_nginx_and_dns(place, nginx, name):
    behave, path, expected = DNS[name]
    place.world.scripted.behave = behave
    server = nginx()
    assert server.wait()
    assert server.get(path) in (502, 504)
    judge(server.lines(), expected)


@pytest.mark.parametrize("name, server, kind", [
    ("nobody listens", CLOSED, "dns_port_closed"),
    ("no route", OTHER_ROUTE, "dns_no_route"),
    ("Amazon's, which this network does not lead to", AWS, "dns_no_route"),
])
def test_nginx_and_the_way_to_dns(place, nginx, name, server, kind):
    instance = nginx(servers=(server,))
    assert instance.wait()
    assert instance.get(OBJECT) == 502
    judge(instance.lines(), {(kind, server), ("dns_timeout", S3)})


def test_a_dns_server_that_no_machine_is_looks_silent_to_nginx(place, nginx):
    """The kernel knows after three seconds; nginx does not say it."""
    instance = nginx(servers=(NOBODY,), resolver_timeout="5s", front_timeout="9s")
    assert instance.wait()
    assert instance.get(OBJECT) == 502
    judge(instance.lines(), {("dns_timeout", S3)})


@pytest.mark.parametrize("name, start, expected", [
    ("resolv.conf names no server", {"servers": ()}, {("resolver_empty", "-")}),
    ("an IPv6 server without brackets", {"servers": ("fd00:ec2::253",)}, {("resolver_address", "fd00:ec2::253")}),
    ("a server's name that is none", {"resolver": "resolver dns.nowhere.test;"}, {("resolver_address", "dns.nowhere.test")}),
    ("a fixed upstream", {"locations": f"location /fixed {{ proxy_pass http://{REGISTRY_NAME}:8080; }}"},
     {("unresolved_at_start", REGISTRY_NAME)}),
    ("a fixed upstream block", {"more": f"upstream registry {{ server {REGISTRY_NAME}; }}"},
     {("unresolved_at_start", REGISTRY_NAME)}),
])
def test_nginx_that_does_not_start(place, nginx, name, start, expected):
    server = nginx(**start)
    assert not server.wait(), "it started"
    judge(server.lines(), expected)


def test_nginx_without_a_resolver(place, nginx):
    server = nginx(resolver="")
    assert server.wait()
    assert server.get(OBJECT) == 502
    assert server.get("/browse/x") == 502
    judge(server.lines(), {("no_resolver", S3), ("no_resolver", REGISTRY_NAME)})


@pytest.mark.parametrize("name", CONNECTIONS)
def test_nginx_and_connections(place, nginx, name):
    behave, path, expected = CONNECTIONS[name]
    place.world.scripted.behave = behave
    # The kernel takes three seconds to find that nobody has an address.
    server = nginx(connect_timeout="5s" if "link" in name else "1s", front_timeout="9s")
    assert server.wait()
    assert server.get(path) in (502, 504)
    judge(server.lines(), expected)


@pytest.mark.parametrize("name", PEERS)
def test_nginx_and_its_peer(place, nginx, name):
    certificate, then, kind = PEERS[name]
    place.world.scripted.behave = to(PEER)
    peer = Raw(place.peer, PEER, 443, Raw.tls(place.contexts[certificate], then) if certificate else then)
    try:
        server = nginx()
        assert server.wait()
        assert server.get(OBJECT) in (502, 504, None)
        judge(server.lines(), {(kind, S3)} | ({("own_hop", S3)} if name.startswith("stalled") else set()))
        if certificate and certificate.isdigit():
            assert any(f"verify error: ({certificate}:" in line for line in server.lines())
    finally:
        peer.close()


def test_the_registry_resets(place, nginx):
    place.world.scripted.behave = to(PEER)
    peer = Raw(place.peer, PEER, 80, Raw.cut("rst"))
    try:
        server = nginx()
        assert server.wait()
        assert server.get("/browse/x") == 502
        judge(server.lines(), {("closed", PEER)})
    finally:
        peer.close()


def test_no_live_upstreams_is_a_consequence(place, nginx):
    server = nginx(more=f"upstream two {{ server {CLOSED}:80; server {CLOSED}:81; }}", registry="http://two")
    assert server.wait()
    assert [server.get("/browse/x") for _ in range(3)] == [502, 502, 502]
    groups = judge(server.lines(), {("connect_refused", CLOSED + ":80"), ("connect_refused", CLOSED + ":81"),
                                    ("no_live_upstreams", CLOSED + ":80"), ("no_live_upstreams", CLOSED + ":81"),
                                    ("no_live_upstreams", "two")})
    assert {g["kind"] for g in groups if g["is_consequence"]} == {"no_live_upstreams"}


def test_the_front_hop_that_waits_for_the_back_hop(place, nginx):
    place.world.scripted.behave = to(BLACKHOLE)
    server = nginx(front_timeout="500ms")
    assert server.wait()
    assert server.get(OBJECT) == 504
    groups = judge(server.lines(), {("own_hop", S3)})
    assert [g["is_consequence"] for g in groups] == [True]


def test_a_healthy_nginx_writes_nothing_that_means_something(place, nginx):
    place.world.scripted.behave = to(PEER)
    peer = Raw(place.peer, PEER, 443,
               Raw.tls(place.contexts["good"], lambda self, s: s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")))
    try:
        server = nginx()
        assert server.wait()
        assert server.get(OBJECT) == 200
        assert server.get("/") == 200
        assert server.get("/elsewhere could not be resolved (3: Host not found)") == 400
        judge(server.lines(), set())
    finally:
        peer.close()


def test_a_slow_or_untrusted_peer_beside_dns_stays_apart(place, nginx):
    """One log, two troubles: each is named for what it is, with its own count."""
    place.world.scripted.behave = to(CLOSED)
    server = nginx()
    assert server.wait()
    for _ in range(3):
        server.get(OBJECT)
    place.world.scripted.behave = Scripted.refused
    server.get("/browse/x")
    groups = judge(server.lines(), {("connect_refused", S3), ("refused", REGISTRY_NAME)})
    assert [(g["kind"], g["count"]) for g in groups] == [("connect_refused", 3), ("refused", 1)]


# Large logs

NOISE = (b'10.0.7.1 - - [02/Jan/2024:03:04:05 +0000] "GET /s3.eu-west-1.amazonaws.com/bucket/key?X-Amz-Signature='
         + b"5" * 64 + b' HTTP/1.1" 200 81920 "-" "Mozilla/5.0 (X11; Linux x86_64)" "-"\n'
         b'{"time":"2024-01-02T03:04:05.678Z","event":"access","id":"0123456789ABCDEF","client":"10.0.1.2:4000",'
         b'"method":"GET","host":"s3.eu-west-1.amazonaws.com","bucket":"b","path":"/b/k?X-Amz-Signature=***",'
         b'"status":200,"bytes_in":0,"bytes_out":81920,"upstream":"52.218.1.2:443","dns_ms":0.012,'
         b'"connect_ms":1.002,"tls_ms":3.456,"first_byte_ms":12.345,"reused":false,"total_ms":45.678,"end":"ok"}\n')
COMPLAINT = (b'2024/01/02 03:04:05 [error] 29#29: *7 s3.eu-west-1.amazonaws.com could not be resolved (%s), client: '
             b'10.0.1.2, server: , request: "GET /s3.eu-west-1.amazonaws.com/b/key?X-Amz-Signature='
             + b"5" * 64 + b' HTTP/1.1", host: "proxy.stk"\n')


LARGE = pytest.mark.parametrize("name, block", [
    ("one line in a hundred complains", NOISE * 50 + COMPLAINT % b"3: Host not found"),
    ("every line complains", (COMPLAINT % b"3: Host not found" + COMPLAINT % b"110: Operation timed out") * 100),
])
MEGABYTES = int(os.environ.get("LAB_LOG_MB", "200"))


def check_counts(answer, n, block):
    log = answer["facts"]["log"]
    assert log["lines"] == n * block.count(b"\n")
    assert log["recognised"] == sum(g["count"] for g in log["groups"]) == n * block.count(b"[error]")


@LARGE
def test_a_large_file_takes_a_second_for_100_megabytes(world, name, block, record_property):
    path, n = os.path.join(world.folder, "large.log"), (MEGABYTES << 20) // len(block) + 1
    try:
        with open(path, "wb") as f:
            for _ in range(n):
                f.write(block)
        began = time.monotonic()
        done = subprocess.run(doctor_command(path), capture_output=True, check=False, env={"PATH": os.environ["PATH"]})
        seconds = time.monotonic() - began
    finally:
        os.unlink(path)
    check_counts(json.loads(done.stdout), n, block)
    speed = n * len(block) / seconds / 1e6
    record_property("megabytes_per_second", round(speed))
    print(f"{name}: {n * len(block) / 1e6:.0f} MB in {seconds:.1f} s, {speed:.0f} MB/s")
    assert speed > 100 or is_sanitized()


def resident_kib(pid):
    """The most that it ever was."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return int(next(line for line in f if line.startswith("VmHWM:")).split()[1])


@LARGE
def test_memory_does_not_grow_with_the_log(world, name, block, record_property):
    with subprocess.Popen(doctor_command("-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env={"PATH": os.environ["PATH"]}) as process:
        seen, n = [], 0
        for megabytes in (2, MEGABYTES):
            while n * len(block) < megabytes << 20:
                process.stdin.write(block)
                n += 1
            process.stdin.flush()
            seen.append(resident_kib(process.pid))
        answer, _ = process.communicate()
    check_counts(json.loads(answer), n, block)
    record_property("resident_kib", seen[1])
    print(f"{name}: {seen[0]} KiB resident after 2 MB, {seen[1]} KiB after {MEGABYTES} MB")
    assert seen[1] - seen[0] < 256
    assert seen[1] < 32 * 1024 or is_sanitized()

"""Hostile input: smuggling, host tricks, addresses that are never dialled, slow peers, aborted requests."""

import random
import threading
import time

import pytest

from helpers import ORIGIN, Conn, check_cors, error_of, eventually, fetch, request_bytes
from lab import http
from lab import world as w
from lab.capture import Capture
from lab.penstock import is_sanitized
from smuggling import CHUNKED, CHUNKS, HEADS, SECOND

MIB = 1 << 20
PREFIX = b"/" + ORIGIN.encode()


@pytest.fixture
def origin(world, proxy):
    world.origin.reset_hooks()
    return world.origin


def fire(proxy, data):
    """Send; then read everything until the end. Returns (first status or None, all bytes, closed)."""
    with Conn(proxy, timeout=5) as conn:
        try:
            conn.send(data)
        except OSError:
            pass
        got = b""
        try:
            while piece := conn.sock.recv(65536):
                got += piece
            closed = True
        except TimeoutError:
            closed = False
        except OSError:
            closed = True
    status = int(got.split(b" ", 2)[1]) if got.startswith(b"HTTP/1.1 ") else None
    return status, got, closed


@pytest.mark.parametrize("name", HEADS)
def test_smuggling_in_the_head(proxy, origin, name):
    data, allowed = HEADS[name]
    status, got, closed = fire(proxy, (data + SECOND).replace(b"@", PREFIX))
    assert status in allowed, got[:500]
    assert closed, "the connection must end: what follows has no known beginning"
    assert got.count(b"HTTP/1.1 ") == 1, got
    assert origin.requests == []


@pytest.mark.parametrize("name", CHUNKS)
def test_smuggling_in_the_chunks(proxy, origin, name):
    status, got, closed = fire(proxy, (CHUNKED + CHUNKS[name] + SECOND).replace(b"@", PREFIX))
    assert status in (400, 413, 431) or (status is None and got == b""), got[:500]
    assert closed and got.count(b"HTTP/1.1 ") <= 1
    assert not any("smuggled" in r.target for r in origin.requests)
    assert not any(r.complete for r in origin.requests), "S3 must not take the broken upload for whole"


BODIES = {
    "OPTIONS (CL.0)": b"OPTIONS @/x HTTP/1.1\r\nHost: p\r\n%s\r\n",
    "root (CL.0)": b"GET / HTTP/1.1\r\nHost: p\r\n%s\r\n",
    "robots (CL.0)": b"POST /robots.txt HTTP/1.1\r\nHost: p\r\n%s\r\n",
    "refused host (CL.0)": b"GET /evil.test/x HTTP/1.1\r\nHost: p\r\n%s\r\n",
    "unknown route (CL.0)": b"GET //x HTTP/1.1\r\nHost: p\r\n%s\r\n",
    "S3 GET (CL.0)": b"GET @/x HTTP/1.1\r\nHost: p\r\n%s\r\n",
    "S3 HEAD (CL.0)": b"HEAD @/x HTTP/1.1\r\nHost: p\r\n%s\r\n",
    "S3 DELETE (CL.0)": b"DELETE @/x HTTP/1.1\r\nHost: p\r\n%s\r\n",
}


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_never_the_next_request(proxy, origin, name, framing):
    """Routes that are answered here must not leave the body in the stream (CL.0, TE.0)."""
    inner = SECOND.replace(b"@", PREFIX)
    if framing == "length":
        head, body = b"Content-Length: %d\r\n" % len(inner), inner
    else:
        head, body = b"Transfer-Encoding: chunked\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner)
    data = (BODIES[name] % head).replace(b"@", PREFIX) + body
    with Conn(proxy, timeout=5) as conn:
        conn.send(data)
        conn.response(BODIES[name].split(b" ")[0].decode())
        try:
            conn.send(request_bytes("GET", "/robots.txt"))
            assert b"User-agent" in conn.response().body
        except (OSError, EOFError):
            pass  # closing instead is as safe
    assert not any("smuggled" in r.target for r in origin.requests)


RESPONSES = {
    "CL and TE": b"HTTP/1.1 200 X\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two CL": b"HTTP/1.1 200 X\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "CL minus": b"HTTP/1.1 200 X\r\nContent-Length: -3\r\n\r\nabc",
    "bare LF": b"HTTP/1.1 200 X\nContent-Length: 3\n\nabc",
    "fold": b"HTTP/1.1 200 X\r\nX: a\r\n b\r\nContent-Length: 3\r\n\r\nabc",
    "space before colon": b"HTTP/1.1 200 X\r\nContent-Length : 3\r\n\r\nabc",
    "unknown coding": b"HTTP/1.1 200 X\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    "no status": b"HTTP/1.1 X\r\nContent-Length: 3\r\n\r\nabc",
    "status 99": b"HTTP/1.1 99 X\r\nContent-Length: 3\r\n\r\nabc",
    "101": b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 X\r\nContent-Length: 3\r\n\r\nabc",
    "NUL in a value": b"HTTP/1.1 200 X\r\nX: a\x00b\r\nContent-Length: 3\r\n\r\nabc",
    "endless 1xx": b"HTTP/1.1 103 X\r\n\r\n" * 5000,
}


@pytest.mark.parametrize("name", RESPONSES)
def test_hostile_answers_of_an_origin(proxy, origin, name):
    def respond(request, wire):
        wire.sock.sendall(RESPONSES[name])
        return True
    origin.respond = respond
    resp = fetch(proxy, "GET", f"/{ORIGIN}/x")
    assert resp.status == 502, resp
    check_cors(resp)


def test_bytes_after_an_answer_are_nobodys(proxy, origin):
    """A second answer that nobody asked for must not be given to the next client."""
    def respond(request, wire):
        if request.target == "/poison":
            wire.sock.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 X\r\nContent-Length: 6\r\n\r\npoison")
            return True
        return False
    origin.respond = respond
    origin.put("/clean", b"clean")
    for _ in range(20):
        assert fetch(proxy, "GET", f"/{ORIGIN}/poison").body == b"ok"
        assert fetch(proxy, "GET", f"/{ORIGIN}/clean").body == b"clean"


S3 = "s3.eu-west-1.amazonaws.com"
HOSTS = [
    "evil.test%3F.amazonaws.com", f"evil.test%2F.{S3}", f"evil.test%23.{S3}", f"evil.test%40{S3}", f"evil.test@{S3}",
    f"user:pw@{S3}", f"{S3}:443", f"{S3}:80", f"{S3}%3A443", f"{S3}.", f"{S3}..", f".{S3}", f"a..{S3}", f"{S3}%00", f"{S3}%20",
    f"{S3}%2e", f"evil.test\\.{S3}", f"evil.test;.{S3}", "[::1]", "[::ffff:169.254.169.254]", "127.0.0.1", "169.254.169.254", "10.0.3.12",
    "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.169.254.nip.io", "localhost", "metadata", "penstock",
    "registry.stk", "evil.test", "amazonaws.com", "s3.amazonaws.com.evil.test", f"{S3}.evil.test",
    "evils3.amazonaws.com", "execute-api.eu-west-1.amazonaws.com", "abc.execute-api.eu-west-1.amazonaws.com",
    "ec2.eu-west-1.amazonaws.com", "sts.amazonaws.com", "elb.eu-west-1.amazonaws.com", "s3.ec2.amazonaws.com",
    "s3-elb.amazonaws.com", "s3-website-us-east-1.amazonaws.com", "b.s3-website.eu-west-1.amazonaws.com",
    "1.s3-control.eu-west-1.amazonaws.com", "s3-control.eu-west-1.amazonaws.com", "xn--s3-eu.amazonaws.com", "ѕ3.eu-west-1.amazonaws.com",
    "s3.eu-west-1.amazonaws。com", f"-bad.{S3}", f"bad-.{S3}", f"under_score.{S3}", f"{'a' * 64}.{S3}", f"{'a.' * 130}{S3}",
    f"b b.{S3}".replace(" ", "%20"), f"b\t.{S3}".replace("\t", "%09"), f"{S3}'", f'"{S3}"', f"<{S3}>", f"*.{S3}", f"{S3},evil.test", f"${{x}}.{S3}",
    "s3.eu-west-1.notamazonaws.com", "s3.eu-west-1.amazonaws.com.cn.evil.test", "s3.eu-west-1.amazonaws.co",
]


def test_host_tricks_are_refused_without_a_packet(world, start, origin):
    """400 (or 404), at once, and nothing but the answer leaves the machine: no DNS, no connection. A penstock of
    its own: one that has resolved names before refreshes them now and then."""
    proxy = start()
    wrong = []
    with Capture(world.penstock_host) as wire:
        for host in HOSTS:
            for rest in ("/b/k", "/b/k?x=1"):
                target = "/" + host.encode().decode("latin-1") + rest
                status, got, _ = fire_once(proxy, target)
                if status not in (400, 404):
                    wrong.append((host, status, got[:80]))
    assert not wrong, wrong
    sent = {p for p in wire.opened() if p[1] != world.client.ip and not p[1].startswith("ff02")}
    assert not sent, sent
    assert origin.requests == []


def fire_once(proxy, target):
    with Conn(proxy, timeout=5) as conn:
        conn.send(f"GET {target} HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n".encode("latin-1"))
        try:
            got = conn.wire.rest()
        except OSError:
            got = b""
    return (int(got.split(b" ", 2)[1]) if got.startswith(b"HTTP/1.1 ") else None), got, True


def test_refused_host_is_named_printably(proxy):
    resp = fetch(proxy, "GET", "/evil\xff\x80<script>.com/x")
    assert resp.status == 400 and resp.body.startswith(b"Unexpected host: ") and resp.body.rstrip().isascii()
    assert "\x1b" not in resp.body.decode()


# Region -> the address that DNS gives; none may be dialled.
@pytest.mark.parametrize("region", [
    "eu-central-1", "eu-central-2", "eu-south-1", "eu-south-2", "ca-west-1", *w.V6_REGIONS])
def test_addresses_that_are_never_dialled(world, proxy, region):
    """Metadata services, loopback, ourselves, multicast, and those inside IPv6, although DNS names them for S3."""
    with Capture(world.penstock_host) as wire:
        resp = fetch(proxy, "GET", f"/s3.{region}.amazonaws.com/latest/meta-data/")
    assert resp.status == 403, resp
    assert error_of(resp)[0] == "AccessDenied"
    check_cors(resp)
    assert not [p for p in wire.opened() if p[0] == "tcp" and p[2] != 53], wire.opened()


def test_our_own_listener_is_never_dialled(world, start):
    """DNS names penstock itself for S3, and it listens on 443: no loop."""
    proxy = start(port=443)
    with Capture(world.penstock_host) as wire:
        resp = fetch(proxy, "GET", "/s3.ca-central-1.amazonaws.com/b/k")
    assert resp.status == 403 and error_of(resp)[0] == "AccessDenied"
    assert not [p for p in wire.opened() if p[0] == "tcp" and p[2] == 443]
    assert len(proxy.access()) <= 1


def test_only_the_good_address_of_a_mixed_answer(world, proxy, origin):
    origin.put("/b/k", b"good")
    assert fetch(proxy, "GET", "/s3.ap-northeast-2.amazonaws.com/b/k").body == b"good"


def test_allow_addresses(world, start):
    """What the operator allows is dialled: here loopback, where nobody listens on 443."""
    proxy = start(ALLOW_ADDRESSES="127.0.0.0/8")
    with Capture(world.penstock_host) as wire:
        resp = fetch(proxy, "GET", "/s3.eu-central-1.amazonaws.com/b/k")
    assert resp.status == 502 and error_of(resp)[0] == "ConnectFailure"
    assert ("tcp", "127.0.0.1", 443) in wire.opened()


# Slow peers, with the times made short by settings.

def test_slow_head(start):
    """One deadline for the whole head, however slowly it drips."""
    proxy = start(HEAD_TIMEOUT_MS="700")
    began = time.monotonic()
    with Conn(proxy) as conn:
        drip = request_bytes("GET", "/", [("x-slow", "y" * 200)])
        try:
            for i in range(len(drip)):
                conn.sock.settimeout(0.05)
                conn.sock.send(drip[i:i + 1])
                try:
                    if conn.wire.fill() == 0 or conn.wire.buf:
                        break
                except TimeoutError:
                    pass
        except OSError:
            pass
        seconds = time.monotonic() - began
        assert 0.5 < seconds < 2.0
        assert not conn.wire.buf or bytes(conn.wire.buf).startswith(b"HTTP/1.1 408")


def test_slow_upload(world, start):
    world.origin.reset_hooks()
    proxy = start(BODY_TIMEOUT_MS="500")
    began = time.monotonic()
    with Conn(proxy) as conn:
        conn.send(b"PUT %s/slow HTTP/1.1\r\nHost: p\r\nContent-Length: 1000\r\n\r\nabc" % PREFIX)
        assert conn.response("PUT").status == 408 and 0.4 < time.monotonic() - began < 3
    eventually(lambda: not world.origin.open, 5, "the upstream request ends")
    assert not any(r.complete for r in world.origin.requests)


def test_steady_drip_upload_is_not_cut(world, start):
    """Slow is not stalled: a byte now and then keeps it alive."""
    world.origin.reset_hooks()
    proxy = start(BODY_TIMEOUT_MS="500")
    with Conn(proxy) as conn:
        conn.send(b"PUT %s/drip HTTP/1.1\r\nHost: p\r\nContent-Length: 10\r\n\r\n" % PREFIX)
        for _ in range(10):
            conn.send(b"x")
            time.sleep(0.15)
        assert conn.response("PUT").status == 200


def test_reader_that_stopped(world, start):
    world.origin.reset_hooks()
    world.origin.put("/big", bytes(60 * MIB))
    proxy = start(BODY_TIMEOUT_MS="700")
    with Conn(proxy, rcvbuf=4096) as conn:
        conn.send(request_bytes("GET", f"/{ORIGIN}/big"))
        eventually(lambda: not world.origin.open, 8, "the stalled download's upstream connection goes")
    line = proxy.access_with("/big")
    assert line["end"] != "ok"


def test_idle_client_times_out(start):
    proxy = start(IDLE_TIMEOUT_MS="300")
    with Conn(proxy) as conn:
        assert conn.ask("GET", "/").status == 200
        began = time.monotonic()
        assert conn.ended(3) and time.monotonic() - began > 0.2


def test_slow_clients_do_not_stop_the_others(proxy):
    slow = [Conn(proxy) for _ in range(500)]
    for conn in slow:
        conn.send(b"GET /slow HTT")
    times = []
    for _ in range(20):
        resp = fetch(proxy, "GET", "/")
        assert resp.status == 200
        times.append(resp.seconds)
    assert sorted(times)[10] < 0.1
    for conn in slow:
        conn.sock.close()


def test_ten_thousand_aborted_requests(world, start, table):
    """Clients that vanish at every stage leave nothing behind: no descriptor, no memory, no DNS socket."""
    from lab.dns import Scripted
    world.scripted.behave = lambda q, t: (Scripted.silent if "us-gov" in q.question[0].name.to_text()
                                          else Scripted.addresses(w.ORIGIN))(q, t)
    world.origin.reset_hooks()
    world.origin.put("/abort/big", bytes(4 * MIB))
    proxy = start(servers=(w.CORP2,), DNS_AWS="off", UPSTREAM_IDLE_MS="200", LOG_LEVEL="error")
    rng = random.Random(10_000)
    kinds = [
        (45, b"GET %s/abort/big HT" % PREFIX, 0),                                         # inside the head
        (20, b"GET /evil.test/x HTTP/1.1\r\nHost: p\r\n\r\n", 1),                          # a refused host
        (10, b"PUT %s/up HTTP/1.1\r\nHost: p\r\nContent-Length: 900000\r\n\r\n%s" % (PREFIX, b"u" * 20000), 0),
        (10, b"GET %s/abort/big HTTP/1.1\r\nHost: p\r\n\r\n" % PREFIX, 1),                  # inside the body
        (10, b"GET /s3.us-gov-west-1.amazonaws.com/x HTTP/1.1\r\nHost: p\r\n\r\n", 0),       # waiting for DNS
        (5, b"GET %s/abort/big HTTP/1.1\r\nHost: p\r\n\r\n" % PREFIX, 0),                   # perhaps connecting
    ]
    weights = [k[0] for k in kinds]

    def abort():
        _, data, reads = rng.choices(kinds, weights)[0]
        conn = Conn(proxy, timeout=5)
        try:
            conn.send(data)
            if reads:
                conn.sock.recv(1000)
        except OSError:
            pass
        if rng.random() < 0.5:
            http.reset(conn.sock)
        else:
            conn.sock.close()

    def settle():
        for _ in range(4):
            assert fetch(proxy, "GET", "/").status == 200
        eventually(lambda: not world.origin.open, 20, "idle upstream")
        eventually(lambda: proxy.n_fds() <= base_fds + 2, 20, f"descriptors given back: {proxy.sockets()}")

    fetch(proxy, "GET", "/")
    base_fds = proxy.n_fds()

    def many(n):
        threads = [threading.Thread(target=lambda: [abort() for _ in range(n // 4)]) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        settle()
    many(2000)
    warm = proxy.rss_kib()
    began = time.monotonic()
    many(10_000)
    grown = proxy.rss_kib() - warm
    table.setdefault(("Aborted requests", "requests", "seconds", "RSS before", "grown", "descriptors"), []).append(
        (10_000, f"{time.monotonic() - began:.1f}", f"{warm} KiB", f"{grown} KiB", proxy.n_fds()))
    assert grown < 2048 or is_sanitized(), f"{grown} KiB more after 10,000 aborted requests"



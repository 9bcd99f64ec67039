"""Sizes, framing and the flow of bytes both ways."""

import threading
import time

import pytest

import helpers
from helpers import ORIGIN, Conn, error_of, eventually, fetch, request_bytes
from lab import http
from lab import origin as o
from lab.penstock import is_sanitized

MIB = 1 << 20
UP = f"/{ORIGIN}/limits/up"


@pytest.fixture
def origin(world, proxy):
    world.origin.reset_hooks()
    world.origin.put("/limits/object", b"0123456789")
    return world.origin


# Sizes

def test_body_limit_declared(world, start):
    world.origin.reset_hooks()
    proxy = start(MAX_BODY="10K")
    assert fetch(proxy, "PUT", UP, body=b"x" * 10240).status == 200
    world.origin.reset_hooks()
    resp = fetch(proxy, "PUT", UP, body=b"x" * 10241)
    assert resp.status == 413 and error_of(resp)[0] == "EntityTooLarge"
    assert world.origin.requests == []


def test_body_limit_chunked(world, start):
    """Nobody says the length before: 413 when it is passed, and S3 never gets a whole request."""
    world.origin.reset_hooks()
    proxy = start(MAX_BODY="10K")
    with Conn(proxy) as conn:
        conn.send(b"PUT %s HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\n" % UP.encode())
        for _ in range(3):
            conn.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        resp = conn.response()
    assert resp.status == 413
    assert not any(r.complete for r in world.origin.requests)


def test_10_gib_is_the_default(proxy, origin):
    with Conn(proxy) as conn:
        conn.send(b"PUT %s HTTP/1.1\r\nHost: p\r\nContent-Length: %d\r\n\r\n" % (UP.encode(), 10 * 1024 * MIB + 1))
        assert conn.response().status == 413
    assert origin.requests == []
    with Conn(proxy) as conn:
        conn.send(b"PUT %s HTTP/1.1\r\nHost: p\r\nContent-Length: %d\r\n\r\nx" % (UP.encode(), 10 * 1024 * MIB))
        eventually(lambda: origin.requests, 5, "the upload of just 10 GiB begins")


def test_head_limits(proxy, origin):
    ok = [(f"x-{i}", "v") for i in range(98)]
    assert fetch(proxy, "GET", f"/{ORIGIN}/limits/object", ok).status == 200
    many = [(f"x-{i}", "v") for i in range(101)]
    assert fetch(proxy, "GET", f"/{ORIGIN}/limits/object", many).status == 431
    assert fetch(proxy, "GET", f"/{ORIGIN}/limits/object", [("x", "v" * 30000)]).status == 200
    assert fetch(proxy, "GET", f"/{ORIGIN}/limits/object", [("x", "v" * 33000)]).status == 431
    assert fetch(proxy, "GET", f"/{ORIGIN}/limits/" + "k" * 20000).status == 404
    assert fetch(proxy, "GET", f"/{ORIGIN}/limits/" + "k" * 40000).status == 414


def test_response_head_up_to_64_kib(proxy, origin):
    size = {}

    def respond(request, wire):
        wire.sock.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 0\r\nx-amz-meta-long: %s\r\n\r\n" % (b"m" * size["n"]))
        return True
    origin.respond = respond
    size["n"] = 60_000
    resp = fetch(proxy, "GET", UP)
    assert resp.status == 200 and len(resp.headers.get("x-amz-meta-long")) == 60_000
    size["n"] = 70_000
    assert fetch(proxy, "GET", UP).status == 502


# Framing

def test_pipelining(proxy, origin):
    with Conn(proxy) as conn:
        conn.send(request_bytes("GET", f"/{ORIGIN}/limits/object") + request_bytes("GET", "/")
                  + request_bytes("PUT", UP, body=b"abc") + request_bytes("OPTIONS", UP)
                  + request_bytes("HEAD", f"/{ORIGIN}/limits/object") + request_bytes("GET", "/robots.txt"))
        got = [conn.response(m) for m in ("GET", "GET", "PUT", "OPTIONS", "HEAD", "GET")]
    assert [r.status for r in got] == [200] * 6
    assert got[0].body == b"0123456789" and got[1].body == b"S3 Proxy" and got[5].body.startswith(b"User-agent")
    assert got[4].headers.get("content-length") == "10"


def test_500_pipelined(proxy, origin):
    with Conn(proxy) as conn:
        conn.send(request_bytes("GET", "/") * 500)
        assert all(conn.response().body == b"S3 Proxy" for _ in range(500))


@pytest.mark.parametrize("headers, stays", [(b"", False), (b"Connection: keep-alive\r\n", True)])
def test_http_1_0(proxy, origin, headers, stays):
    with Conn(proxy) as conn:
        conn.send(b"GET /%s/limits/object HTTP/1.0\r\n%s\r\n" % (ORIGIN.encode(), headers))
        resp = conn.response()
        assert resp.status == 200 and resp.body == b"0123456789"
        if stays:
            assert (resp.headers.get("connection") or "").lower() == "keep-alive"
            assert conn.ask("GET", "/").status == 200
        else:
            assert conn.ended()


def test_chunked_answer_to_http_1_0(proxy, origin):
    def respond(request, wire):
        wire.sock.sendall(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        return True
    origin.respond = respond
    with Conn(proxy) as conn:
        conn.send(b"GET %s HTTP/1.0\r\n\r\n" % UP.encode())
        resp = conn.response()
    assert "transfer-encoding" not in resp.headers and resp.body == b"abcde"


def test_chunked_both_ways(proxy, origin):
    def respond(request, wire):
        for _ in request.pieces(wire):
            pass
        wire.sock.sendall(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b"a" * 70000, b"b", b"c" * 5):
            wire.sock.sendall(b"%X;ext=1\r\n%s\r\n" % (len(piece), piece))
        wire.sock.sendall(b"0\r\nx-trailer: t\r\n\r\n")
        return True
    origin.respond = respond
    body = b"4;ext=\"q;\"\r\nwiki\r\nA\r\n0123456789\r\n0\r\nx-amz-checksum-crc32: AAAAAA==\r\n\r\n"
    with Conn(proxy) as conn:
        conn.send(b"PUT %s HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: Chunked\r\n\r\n" % UP.encode() + body)
        resp = conn.response("PUT")
        assert resp.status == 200 and resp.body == b"a" * 70000 + b"b" + b"c" * 5
        assert conn.ask("GET", "/").status == 200
    assert bytes(origin.requests[0].body) == b"wiki0123456789"


def test_absolute_form(proxy, origin):
    for prefix in ("http://penstock", "http://anything.test:8080", "HTTP://x"):
        resp = fetch(proxy, "GET", f"{prefix}/{ORIGIN}/limits/object?a=%2F")
        assert resp.status == 200 and resp.body == b"0123456789"
    assert {r.target for r in origin.requests} == {"/limits/object?a=%2F"}
    assert fetch(proxy, "GET", "http://penstock/").body == b"S3 Proxy"


@pytest.mark.parametrize("status", [200, 204, 304])
def test_answers_without_body(proxy, origin, status):
    def respond(request, wire):
        wire.sock.sendall(b"HTTP/1.1 %d X\r\n%s\r\n" % (status, b"Content-Length: 0\r\n" if status == 200 else
                                                     b"Content-Length: 99\r\n" if status == 304 else b""))
        return True
    origin.respond = respond
    with Conn(proxy) as conn:
        for _ in range(3):
            assert conn.ask("GET", UP).status == status


def test_head_has_length_and_no_body(proxy, origin):
    with Conn(proxy) as conn:
        for _ in range(3):
            resp = conn.ask("HEAD", f"/{ORIGIN}/limits/object")
            assert resp.headers.get("content-length") == "10" and resp.clean


def test_interim_answers(proxy, origin):
    """A 103 of the origin passes or is dropped; the final answer comes either way, to the right request."""
    def respond(request, wire):
        wire.sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nok")
        return True
    origin.respond = respond
    with Conn(proxy) as conn:
        for _ in range(3):
            resp = conn.ask("GET", UP)
            assert resp.status == 200 and resp.body == b"ok"


# Expect, early answers, and who goes when

def test_expect_100_continue(proxy, origin):
    with Conn(proxy) as conn:
        conn.send(b"PUT %s HTTP/1.1\r\nHost: p\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n" % UP.encode())
        assert conn.wire.head().startswith(b"HTTP/1.1 100 ")
        conn.send(b"hello")
        assert conn.response("PUT").status == 200
        assert conn.ask("GET", "/").status == 200
    assert bytes(origin.requests[0].body) == b"hello"


def test_expect_refused_before_the_body(proxy, origin):
    def respond(request, wire):
        o.Origin.send(wire, 403, b"<Error><Code>AccessDenied</Code></Error>")
        return True
    origin.on_head = lambda request: request.headers.raw.__setitem__(slice(None), [
        h for h in request.headers.raw if h[0].lower() != b"expect"])
    origin.respond = respond
    with Conn(proxy) as conn:
        conn.send(b"PUT %s HTTP/1.1\r\nHost: p\r\nExpect: 100-continue\r\nContent-Length: 500000000\r\n\r\n" % UP.encode())
        interim = []
        resp = conn.response("PUT", interim)
        assert resp.status == 403 and resp.clean


def test_expect_for_a_refused_host_sends_no_100(proxy):
    with Conn(proxy) as conn:
        conn.send(b"PUT /evil.test/k HTTP/1.1\r\nHost: p\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert conn.wire.head().startswith(b"HTTP/1.1 400 ")


def test_s3_sees_the_request_before_its_body_is_complete(proxy, origin):
    head_seen, first_bytes = threading.Event(), threading.Event()

    def respond(request, wire):
        wire.exactly(10)
        first_bytes.set()
        return False
    origin.on_head = lambda request: head_seen.set()
    origin.respond = respond
    with Conn(proxy) as conn:
        conn.send(b"PUT %s HTTP/1.1\r\nHost: p\r\nContent-Length: 1000000\r\n\r\n" % UP.encode())
        assert head_seen.wait(5)
        conn.send(b"0123456789")
        assert first_bytes.wait(5)


def test_early_answer_during_upload(proxy, origin):
    """S3 says no after the first megabyte; the client reads that although it is still sending."""
    def respond(request, wire):
        wire.exactly(MIB)
        o.Origin.send(wire, 403, b"<Error><Code>QuotaExceeded</Code></Error>")
        time.sleep(0.3)  # as a server that lingers, so that its answer is not lost to a reset
        raise o.Cut("fin")
    origin.respond = respond
    with Conn(proxy) as conn:
        conn.send(b"PUT %s HTTP/1.1\r\nHost: p\r\nContent-Length: %d\r\n\r\n" % (UP.encode(), 100 * MIB))
        conn.sock.settimeout(0.2)
        sent = 0
        try:
            for _ in range(100 * 16):
                sent += conn.sock.send(b"u" * 65536)
        except OSError:
            pass
        conn.sock.settimeout(10)
        resp = conn.response("PUT")
    assert resp.status == 403 and b"QuotaExceeded" in resp.body
    assert sent < 100 * MIB


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("when", ["waiting for the head", "inside the body", "uploading"])
def test_client_that_leaves_ends_the_upstream_request(proxy, origin, how, when):
    ended, reached = threading.Event(), threading.Event()

    def respond(request, wire):
        try:
            if when == "uploading":
                wire.exactly(MIB)
                reached.set()
                while True:
                    wire.some(MIB)
            if when == "inside the body":
                wire.sock.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 900000000\r\n\r\n")
                reached.set()
                while True:
                    wire.sock.sendall(b"x" * 65536)
            reached.set()
            wire.fill()
            raise EOFError
        except (EOFError, OSError):
            ended.set()
            raise
    origin.respond = respond
    conn = Conn(proxy)
    if when == "uploading":
        conn.send(b"PUT %s HTTP/1.1\r\nHost: p\r\nContent-Length: %d\r\n\r\n" % (UP.encode(), 50 * MIB) + b"u" * 2 * MIB)
    else:
        conn.send(request_bytes("GET", UP))
    assert reached.wait(5)
    if how == "rst":
        http.reset(conn.sock)
    else:
        conn.sock.close()
    assert ended.wait(5), "the upstream request went on"


def test_slow_reader_holds_s3_back(proxy, origin):
    """Backpressure: a client that does not read makes the origin wait, and penstock keeps little of the body."""
    origin.put("/limits/big", o.random_bytes(100 * MIB, seed=3))
    sent = {"n": 0}
    view = memoryview(origin.objects["/limits/big"].data)

    def respond(request, wire):
        wire.sock.sendall(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n" % len(view))
        for at in range(0, len(view), 65536):
            wire.sock.sendall(view[at:at + 65536])
            sent["n"] = at + 65536
        return True
    origin.respond = respond
    before = proxy.rss_kib()
    with Conn(proxy, rcvbuf=65536) as conn:
        conn.send(request_bytes("GET", f"/{ORIGIN}/limits/big"))
        eventually(lambda: sent["n"] > 0, what="the first bytes")

        def stands():
            now = sent["n"]
            time.sleep(0.3)
            return now == sent["n"]
        eventually(stands, 15, "backpressure at the origin")
        assert sent["n"] < 40 * MIB
        assert proxy.rss_kib() - before < 8 * 1024 or is_sanitized()
        into = http.read_response(conn.wire)
        assert into.clean and into.body == bytes(view)


def test_slow_origin_holds_the_client_back(proxy, origin):
    """The other way: an origin that does not read makes the uploading client wait."""
    go = threading.Event()

    def respond(request, wire):
        go.wait(20)
        return False
    origin.respond = respond
    before = proxy.rss_kib()
    with Conn(proxy, timeout=1.0) as conn:
        conn.send(b"PUT %s HTTP/1.1\r\nHost: p\r\nContent-Length: %d\r\n\r\n" % (UP.encode(), 60 * MIB))
        sent = 0
        try:
            while sent < 60 * MIB:
                sent += conn.sock.send(b"u" * min(65536, 60 * MIB - sent))
        except TimeoutError:
            pass
        assert sent < 60 * MIB, "nothing held the client back"
        assert proxy.rss_kib() - before < 8 * 1024 or is_sanitized()
        go.set()
        conn.sock.settimeout(20)
        while sent < 60 * MIB:
            sent += conn.sock.send(b"u" * min(65536, 60 * MIB - sent))
        assert conn.response("PUT").status == 200
    assert len(origin.requests[0].body) == 60 * MIB


def test_connections_per_client(start):
    proxy = start(MAX_CONNECTIONS_PER_CLIENT="3")
    conns = helpers.occupy(proxy, 3)
    assert fetch(proxy, "GET", "/").status == 503
    for conn in conns:
        conn.sock.close()
    eventually(lambda: fetch(proxy, "GET", "/").status == 200, what="room again")


def test_upstream_head_timeout(world, start):
    world.origin.reset_hooks()
    hang = threading.Event()
    world.origin.respond = lambda request, wire: hang.wait(10)
    proxy = start(UPSTREAM_HEAD_TIMEOUT_MS="500")
    resp = fetch(proxy, "GET", UP)
    hang.set()
    assert resp.status == 504 and 0.4 < resp.seconds < 2
    helpers.check_cors(resp)


def test_upstream_body_stall_is_cut(world, start):
    world.origin.reset_hooks()
    hang = threading.Event()

    def respond(request, wire):
        wire.sock.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\nhalf")
        return hang.wait(10)
    world.origin.respond = respond
    proxy = start(BODY_TIMEOUT_MS="500")
    began = time.monotonic()
    resp = fetch(proxy, "GET", UP)
    hang.set()
    assert resp.status == 200 and not resp.clean and time.monotonic() - began < 5

"""Connections to S3 that die: inside a download, before an answer, during an upload."""

import random
import threading
import time

import pytest

import helpers
from helpers import ORIGIN, Conn, fetch, request_bytes
from lab import http
from lab import origin as o

MIB = 1 << 20
BIG = 100 * MIB


@pytest.fixture(scope="module")
def big():
    return o.random_bytes(BIG, seed=100)


@pytest.fixture
def origin(world, proxy):
    world.origin.reset_hooks()
    return world.origin


def download(proxy, target, headers=(), into=None):
    """GET; returns (response without body, number of body bytes that came). They go into `into`."""
    with Conn(proxy) as conn:
        conn.send(request_bytes("GET", target, headers))
        resp = http.Response(conn.wire.head())
        view = memoryview(into)
        have = len(conn.wire.buf)
        view[:have] = conn.wire.buf
        length = int(resp.headers.get("content-length"))
        try:
            while have < length:
                n = conn.sock.recv_into(view[have:length])
                if n == 0:
                    break
                have += n
        except OSError:
            pass
    return resp, have


def first_byte_of(request):
    """N of the Range header bytes=N-..."""
    return int(request.headers.get("range")[6:].partition("-")[0])


def cut_once(at):
    """The first response of each object dies at byte `at` of the object."""
    state = {"left": 1}

    def hook(request, start, end):
        if state["left"] and start <= at < end:
            state["left"] -= 1
            return at
        return None
    return hook


def test_fifty_cuts_of_100_mib(proxy, origin, big):
    blob = origin.put("/resume/big", big)
    into = bytearray(BIG)
    rng = random.Random(50)
    began = time.monotonic()
    for n in range(50):
        at = rng.randrange(BIG)
        origin.requests.clear()
        origin.cut_at = cut_once(at)
        into[at:at + 1000] = bytes(len(into[at:at + 1000]))
        resp, have = download(proxy, f"/{ORIGIN}/resume/big", into=into)
        assert resp.status == 200 and have == BIG, f"round {n}, cut at {at}: {have} bytes came"
        assert into == big, f"round {n}, cut at {at}: the body differs"
        first, *more = origin.requests
        assert more, "the cut did not happen"
        assert more[-1].headers.get("if-match") == blob.etag
        assert first_byte_of(more[-1]) <= at
    print(f"50 cuts: {50 * BIG / (time.monotonic() - began) / 1e6:.0f} MB/s")
    assert sum(line.get("resumes", 0) for line in proxy.access()) >= 50


def test_several_cuts_in_one_download(proxy, origin, big):
    origin.put("/resume/big", big)
    into = bytearray(BIG)
    cuts = sorted(random.Random(4).sample(range(MIB, BIG), 4))
    origin.cut_at = lambda request, start, end: next((c for c in cuts if start < c < end), None)
    resp, have = download(proxy, f"/{ORIGIN}/resume/big", into=into)
    assert have == BIG and into == big
    assert len(origin.requests) >= 5


def test_range_is_resumed_by_offset(proxy, origin, big):
    origin.put("/resume/big", big)
    first, last, at = 12_345, 40_000_000, 20_000_000
    origin.cut_at = cut_once(at)
    into = bytearray(last - first + 1)
    resp, have = download(proxy, f"/{ORIGIN}/resume/big", [("Range", f"bytes={first}-{last}")], into)
    assert resp.status == 206 and resp.headers.get("content-range") == f"bytes {first}-{last}/{BIG}"
    assert have == len(into) and into == big[first:last + 1]
    assert len(origin.requests) == 2
    assert origin.requests[1].headers.get("range").endswith(f"-{last}")


@pytest.mark.parametrize("honest", [True, False], ids=["412", "If-Match ignored"])
def test_object_replaced_meanwhile_is_cut_never_mixed(proxy, origin, big, honest):
    old, new = big[:20 * MIB], big[20 * MIB:40 * MIB]
    origin.put("/resume/replaced", old, '"old"')

    def cut(request, start, end):
        if start == 0:
            origin.put("/resume/replaced", new, '"new"')
            return 7 * MIB
        return None

    def respond(request, wire):
        if not honest and request.headers.get("if-match"):
            start = first_byte_of(request)
            wire.sock.sendall(b'HTTP/1.1 206 X\r\nETag: "new"\r\nContent-Range: bytes %d-%d/%d\r\n'
                              b"Content-Length: %d\r\n\r\n" % (start, len(new) - 1, len(new), len(new) - start)
                              + new[start:])
            return True
        return False
    origin.cut_at, origin.respond = cut, respond
    into = bytearray(len(old))
    resp, have = download(proxy, f"/{ORIGIN}/resume/replaced", into=into)
    assert resp.status == 200 and have < len(old), "the truncation must show"
    assert into[:have] == old[:have], "not one byte of the new object"


NOT_RESUMED = {
    "weak etag": ({"etag": 'W/"weak"'}, []),
    "no etag": ({"etag": None}, []),
    "Range signed by the client": ({}, [
        ("Range", "bytes=0-"), ("Authorization", "AWS4-HMAC-SHA256 Credential=A/20260101/eu-west-1/s3/aws4_request,"
                                " SignedHeaders=host;range;x-amz-date, Signature=" + "a" * 64)]),
    "If-Match signed by the client": ({}, [
        ("If-Match", '"e"'), ("Authorization", "AWS4-HMAC-SHA256 Credential=A/20260101/eu-west-1/s3/aws4_request,"
                              " SignedHeaders=host;if-match;x-amz-date, Signature=" + "a" * 64)]),
}


@pytest.mark.parametrize("case", NOT_RESUMED)
def test_what_may_not_be_resumed_is_cut(proxy, origin, case):
    options, headers = NOT_RESUMED[case]
    etag = options.get("etag", '"e"')

    def respond(request, wire):
        line = f"ETag: {etag}\r\n".encode() if etag else b""
        status = b"206 X\r\nContent-Range: bytes 0-99999/100000" if request.headers.get("range") else b"200 X"
        wire.sock.sendall(b"HTTP/1.1 %s\r\nContent-Length: 100000\r\n%s\r\n" % (status, line) + b"x" * 50000)
        raise o.Cut("fin")
    origin.respond = respond
    resp = fetch(proxy, "GET", f"/{ORIGIN}/resume/x", headers)
    assert resp.status in (200, 206) and not resp.clean and len(resp.body) <= 50000
    assert len(origin.requests) == 1


@pytest.mark.parametrize("framing", ["chunked", "close-delimited without close_notify"])
def test_truncated_without_length_is_cut(proxy, origin, framing):
    def respond(request, wire):
        if framing == "chunked":
            wire.sock.sendall(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n" + b"x" * 100)
        else:
            wire.sock.sendall(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n" + b"x" * 100)
        raise o.Cut("fin")
    origin.respond = respond
    with Conn(proxy) as conn:
        conn.send(request_bytes("GET", f"/{ORIGIN}/resume/x"))
        resp = http.Response(conn.wire.head())
        if "chunked" in (resp.headers.get("transfer-encoding") or ""):
            with pytest.raises((EOFError, OSError)):
                list(conn.wire.chunks())
        else:  # close-delimited to the client too: only a reset tells
            with pytest.raises(OSError):
                conn.wire.rest()


def test_close_delimited_with_close_notify_is_whole(proxy, origin):
    def respond(request, wire):
        wire.sock.sendall(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n" + b"x" * 100)
        wire.sock.unwrap()
        return True
    origin.respond = respond
    resp = fetch(proxy, "GET", f"/{ORIGIN}/resume/x")
    assert resp.clean and resp.body == b"x" * 100


def test_no_progress_ends(proxy, origin, big):
    """An origin that dies at the same byte for ever: bounded tries, then the client is cut."""
    origin.put("/resume/stuck", big[:MIB])
    origin.cut_at = lambda request, start, end: max(start, 100_000)
    into = bytearray(MIB)
    began = time.monotonic()
    resp, have = download(proxy, f"/{ORIGIN}/resume/stuck", into=into)
    assert have < MIB and into[:have] == big[:have]
    assert len(origin.requests) < 20 and time.monotonic() - began < 15


def test_reused_connection_dies_before_the_answer(proxy, origin):
    """The idle-close race: every second request of a connection meets its end. None is lost, none seen twice."""
    origin.put("/resume/small", b"small")
    seen = {}
    lock = threading.Lock()

    def respond(request, wire):
        with lock:
            seen[request.conn] = seen.get(request.conn, 0) + 1
            if seen[request.conn] == 2:
                raise o.Cut(random.choice(("rst", "fin")))
        return False
    origin.respond = respond
    bad = []

    def worker():
        with Conn(proxy) as conn:
            for _ in range(50):
                resp = conn.ask("GET", f"/{ORIGIN}/resume/small")
                if resp.status != 200 or resp.body != b"small":
                    bad.append(resp)
    threads = [threading.Thread(target=worker) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not bad, bad[:3]
    assert sum(1 for n in seen.values() if n == 2) >= 50, "the race was not met"


def test_idle_connections_closed_under_our_feet(proxy, origin):
    """S3 closes idle connections when it likes: 200 requests, closed at random moments between them."""
    origin.put("/resume/small", b"small")
    rng = random.Random(1)
    with Conn(proxy) as conn:
        for _ in range(200):
            resp = conn.ask("GET", f"/{ORIGIN}/resume/small")
            assert resp.status == 200 and resp.body == b"small"
            if rng.random() < 0.5:
                threading.Thread(target=origin.drop_all).start()


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_small_upload_is_sent_again_when_a_reused_connection_died(proxy, origin, method):
    dead = []
    bodies = []

    def respond(request, wire):
        if request.method != method:
            return False
        for _ in request.pieces(wire):
            pass
        if not dead:
            dead.append(request.conn)
            raise o.Cut("fin")
        bodies.append(bytes(request.body))
        o.Origin.send(wire, 200, b"done")
        return True
    origin.put("/resume/warm", b"w")
    origin.respond = respond
    with Conn(proxy) as conn:
        assert conn.ask("GET", f"/{ORIGIN}/resume/warm").status == 200
        resp = conn.ask(method, f"/{ORIGIN}/resume/up?x=1", body=b"b" * 60_000)
    first_put = next(r for r in origin.requests if r.method == method)
    if first_put.conn == next(r for r in origin.requests if r.method == "GET").conn:
        assert resp.status == 200 and bodies == [b"b" * 60_000]
    else:
        pytest.fail("the warm connection was not reused")


def upload(proxy, target, total, chunk=65536):
    """PUT `total` bytes; reads what comes back while sending. Returns (response or None, bytes sent)."""
    with Conn(proxy, timeout=15) as conn:
        conn.send(b"PUT %s HTTP/1.1\r\nHost: p\r\nContent-Length: %d\r\n\r\n" % (target.encode(), total))
        sent = 0
        try:
            while sent < total:
                sent += conn.sock.send(b"u" * min(chunk, total - sent))
        except OSError:
            pass
        try:
            return conn.response("PUT"), sent
        except (EOFError, OSError):
            return None, sent


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_upload_whose_server_dies(proxy, origin, how):
    def respond(request, wire):
        wire.exactly(3 * MIB)
        raise o.Cut(how)
    origin.respond = respond
    resp, sent = upload(proxy, f"/{ORIGIN}/resume/up", 40 * MIB)
    assert resp is None or resp.status in (502, 504), resp
    assert resp is not None, "the client should be able to read why"
    assert len(origin.requests) == 1, "a body that is gone cannot be sent again"


def test_server_killed_during_upload_and_back(world, proxy, origin):
    began = threading.Event()

    def respond(request, wire):
        wire.exactly(MIB)
        began.set()
        return False
    origin.respond = respond
    results = []
    thread = threading.Thread(target=lambda: results.append(upload(proxy, f"/{ORIGIN}/resume/up", 400 * MIB)))
    thread.start()
    assert began.wait(10)
    origin.stop()
    thread.join(20)
    assert not thread.is_alive()
    resp, _ = results[0]
    assert resp is None or resp.status in (502, 504)
    assert fetch(proxy, "GET", f"/{ORIGIN}/resume/gone").status in (502, 504)
    origin.start()
    origin.reset_hooks()
    origin.put("/resume/alive", b"again")
    helpers.eventually(lambda: fetch(proxy, "GET", f"/{ORIGIN}/resume/alive").status == 200, 10, "the origin again")

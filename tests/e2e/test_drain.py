"""SIGTERM while hundreds of requests are in flight: what was sent is answered whole, whoever comes later is refused."""

import asyncio
import threading
import time
import zlib

import pytest

from helpers import ORIGIN, Conn, eventually, fetch, request_bytes
from keepalive import Load
from lab import origin as o
from lab.registry import entry

SMALL, LARGE = o.random_bytes(2000, 1), o.random_bytes(600000, 2)
N_CLIENTS = 200


def expect(status, body):
    def check(got, _, data):
        if got != status:
            return f"status {got}: {data[:200]!r}"
        return None if body is None or data == body else f"{len(data)} bytes, not {len(body)}"
    return check


def mixed(i, k):
    """What a client asks next: small ones, ranges, large ones, uploads, archives."""
    kind = (i + k) % 8
    if kind == 0:
        return request_bytes("PUT", f"/{ORIGIN}/drain/up-{i}", [], SMALL), expect(200, None)
    if kind == 1:
        return request_bytes("GET", f"/{ORIGIN}/drain/large"), expect(200, LARGE)
    if kind == 2:
        return request_bytes("GET", f"/{ORIGIN}/drain/large", [("Range", "bytes=100-2099")]), expect(206, LARGE[100:2100])
    if kind == 3:
        return request_bytes("GET", "/zip/drain.zip"), lambda status, headers, body: None if (
            status == 200 and body[:2] == b"PK" and len(body) == int(headers["content-length"])) else f"status {status}"
    return request_bytes("GET", f"/{ORIGIN}/drain/small"), expect(200, SMALL)


@pytest.fixture
def origin(world):
    world.origin.reset_hooks()
    world.registry.reset_hooks()
    world.origin.put("/drain/small", SMALL)
    world.origin.put("/drain/large", LARGE)
    world.registry.put_archive("/zip/drain.zip", *(entry(SMALL, f"/{ORIGIN}/drain/small", f"{i}.bin", zlib.crc32(SMALL)) for i in range(5)))
    return world.origin


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("pause", [0.0, 0.3])
def test_none_lost(origin, start, workers, pause):
    """Keep-alive clients without a pause, and with one: then most connections are idle between two requests."""
    proxy = start(WORKERS=str(workers))
    load = Load(proxy.ip, proxy.port, N_CLIENTS, mixed, pause)
    at = {}

    async def scene():
        async def term():
            await asyncio.sleep(1.5)
            at.update(busy=load.busy, standing=load.counts["connected"] - load.counts["closed"], answered=load.counts["answered"], when=time.monotonic())
            proxy.term()
        await asyncio.wait_for(asyncio.gather(load.run(), term()), 30)
    asyncio.run(scene())
    assert load.lost == [], (len(load.lost), load.lost[:5])
    assert at["busy"] >= 100 if not pause else at["standing"] - at["busy"] >= 20, at
    assert load.counts["answered"] > at["answered"]
    assert load.counts["refused"] == N_CLIENTS, "each client ends because nobody listens any more"
    assert load.last_connected - at["when"] < 1.0
    assert proxy.process.wait(5) == 0
    answered = [x for x in proxy.access() if x["end"] == "ok"]
    assert len(answered) == load.counts["answered"]
    assert {x["end"] for x in proxy.access()} == {"ok"}


def test_connected_and_silent_is_served(origin, start):
    """Its first request may be on the way: a connection that has asked nothing yet gets its answer, and the end with it."""
    proxy = start()
    fresh = [Conn(proxy) for _ in range(20)]
    used = Conn(proxy)
    assert used.ask("GET", "/").status == 200
    proxy.term()
    eventually(lambda: any(x.get("event") == "drain" for x in proxy.lines()), what="the drain")
    for conn in [*fresh, used]:
        resp = conn.ask("GET", f"/{ORIGIN}/drain/small")
        assert resp.body == SMALL and resp.headers.get("connection") == "close" and conn.ended(2)
    assert proxy.process.wait(5) == 0


def test_head_in_pieces_is_served(origin, start):
    proxy = start()
    assert fetch(proxy, "GET", "/").status == 200, "it runs"
    conn = Conn(proxy)
    data = request_bytes("GET", f"/{ORIGIN}/drain/small")
    conn.send(data[:30])
    time.sleep(0.1)
    proxy.term()
    time.sleep(0.3)
    conn.send(data[30:])
    assert conn.response().body == SMALL and conn.ended(2)
    assert proxy.process.wait(5) == 0


def test_pipelined_are_served(origin, start):
    """Those behind an answer that promised keep-alive before the signal came."""
    go, reached = threading.Event(), threading.Event()

    def respond(request, wire):
        if request.target == "/drain/slow":
            wire.sock.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 4\r\n\r\nsl")
            reached.set()
            go.wait(10)
            wire.sock.sendall(b"ow")
            return True
        return False
    origin.respond = respond
    proxy = start()
    conn = Conn(proxy)
    conn.send(request_bytes("GET", f"/{ORIGIN}/drain/slow") + request_bytes("GET", f"/{ORIGIN}/drain/small"))
    assert reached.wait(10)
    time.sleep(0.1)  # the head goes on to the client, with keep-alive
    proxy.term()
    eventually(lambda: any(x.get("event") == "drain" for x in proxy.lines()), what="the drain")
    go.set()
    first, second = conn.response(), conn.response()
    assert first.body == b"slow" and first.headers.get("connection") != "close"
    assert second.body == SMALL and second.headers.get("connection") == "close" and conn.ended(2)
    assert proxy.process.wait(5) == 0


def test_long_idle_closes_at_once(origin, start):
    proxy = start()
    conn = Conn(proxy)
    assert conn.ask("GET", "/").status == 200
    time.sleep(1.3)
    began = time.monotonic()
    proxy.term()
    assert conn.ended(2) and time.monotonic() - began < 0.3
    assert proxy.process.wait(2) == 0

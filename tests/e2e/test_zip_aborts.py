"""Archives that end from outside: clients that leave, at any moment and ten thousand times, clients that are slow, and a
penstock that is told to end."""

import contextlib
import http.client
import random
import threading
import time

import pytest

from helpers import Conn, eventually, fetch, request_bytes
from lab import http as wires
from lab.generated import Generated
from lab.origin import Cut, random_bytes
from lab.penstock import is_sanitized
from zip_faults import MIB, Good, entries_of, mute, say, well
from zips import Listing, in_parallel

KIB = 1 << 10
pytestmark = pytest.mark.usefixtures("no_hang")


@pytest.fixture
def wide(world):
    """A listing of 80 MiB: more than all buffers on the way."""
    listing = Listing(world, "/zip/faults/wide")
    for i in range(4):
        listing.add(f"part {i}", Generated(20 * MIB, seed=i))
    listing.publish()
    return listing


def forget_others(world):
    """Connections that another penstock keeps for later."""
    world.origin.drop_all()
    world.registry.drop_all()


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_client_gone(world, start, wide, how):
    """At once, behind the first bytes, and far into the archive."""
    proxy = start(UPSTREAM_IDLE_MS="200")
    forget_others(world)
    fetch(proxy, "GET", "/")
    base = proxy.n_fds()
    for n, n_read in enumerate((0, 1, 100_000, 10 * MIB)):
        conn = Conn(proxy)
        conn.send(request_bytes("GET", wide.path))
        while n_read > 0:
            n_read -= len(conn.wire.some(65536))
        (wires.reset if how == "rst" else wires.hard_close)(conn.sock)
        eventually(lambda: not world.origin.open and not world.registry.open, 6, "upstream connections end")
        eventually(lambda: proxy.n_fds() <= base, 5, f"descriptors: {proxy.sockets()}")
        assert sum(r.sent for r in world.origin.requests) < 60 * MIB
        world.origin.requests.clear()
        eventually(lambda n=n: len([x for x in proxy.access() if x["end"] == "client_gone"]) == n + 1, 5, "access line")


@pytest.mark.parametrize("stage", ["registry", "first part", "pause"])
def test_client_gone_while_nothing_comes(world, start, script, stage):
    """While the registry thinks, while S3 does, and between two tries."""
    proxy = start(UPSTREAM_IDLE_MS="200")
    forget_others(world)
    good = Good(world, proxy, "/zip/faults/gone", entries_of(big=5000, seed=80))
    reached = threading.Event()

    def thinks(request, wire, blob=None):
        reached.set()
        mute(request, wire)

    def busy(request, wire, blob):
        reached.set()
        return say(503)(request, wire, blob)
    def mute_registry(request, wire):
        with contextlib.suppress(Cut):
            thinks(request, wire)
        raise EOFError
    if stage == "registry":
        world.registry.respond = mute_registry
    script.on(good.target["first"], thinks if stage == "first part" else busy)
    with Conn(proxy) as conn:
        conn.send(request_bytes("GET", good.path))
        assert reached.wait(5)
        time.sleep(0.1)
    eventually(lambda: not world.origin.open and not world.registry.open, 3, "upstream connections end")
    n = len(world.origin.requests)
    time.sleep(0.7 if stage == "pause" else 0)
    assert len(world.origin.requests) == n, "the next try was for nobody"


def test_a_slow_client_is_no_stall(world, start, wide):
    """Parts that wait for their turn, and one that is read slowly, for longer than S3 may say nothing."""
    proxy = start(BODY_TIMEOUT_MS="400")
    into, step = 0, 5 * MIB
    with Conn(proxy, rcvbuf=65536) as conn:
        conn.send(request_bytes("GET", wide.path))
        resp = wires.Response(conn.wire.head())
        total = int(resp.headers.get("content-length"))
        while into < total:
            into += len(conn.wire.exactly(min(step, total - into)))
            time.sleep(0.1)
    assert into == total > 80 * MIB


@pytest.mark.limit(150)
def test_ten_thousand_aborted_archives(world, start, script, table):
    """At every stage: nothing is left behind, no descriptor, no memory. One worker, because each keeps the blocks
    that it has used, up to a bound."""
    proxy = start(UPSTREAM_IDLE_MS="200", LOG_LEVEL="error", WORKERS="1")
    forget_others(world)
    good = Good(world, proxy, "/zip/faults/aborted", [(str(i), random_bytes(n, seed=i)) for i, n in
                                                     enumerate((1000, 0, 100_000))])
    large = Listing(world, "/zip/faults/aborted-large")
    for i in range(2):
        large.add(str(i), Generated(400 * KIB, seed=i))
    large.publish()
    cut = Listing(world, "/zip/faults/aborted-cut").add("a", b"a" * 1000).add("b", b"b" * 1000)
    world.registry.put_archive(cut.path, *cut.lines, cut_at=50)
    refused = Listing(world, "/zip/faults/aborted-404").add("a", b"a" * 10).add("b", b"b" * 10, is_there=False)
    refused.publish()
    get = "GET {} HTTP/1.1\r\nHost: p\r\n{}\r\n"
    kinds = [  # weight, request, bytes that are read before the client goes
        (25, get.format(good.path, ""), 0), (15, get.format(good.path, ""), 1),
        (10, get.format(good.path, "Range: bytes=100-100000,5-9\r\n"), 1),
        (10, get.format(large.path, ""), 1), (10, get.format(large.path, ""), 100_000), (10, get.format(cut.path, ""), 1),
        (10, get.format(refused.path, ""), 1), (5, f"POST {good.path} HTTP/1.1\r\nContent-Length: 100\r\n\r\ntoken=", 0),
        (5, f"POST {good.path} HTTP/1.1\r\nHost: p\r\nContent-Length: 100000\r\n\r\ntoken=", 0)]
    weights = [k[0] for k in kinds]

    def abort(rng):
        _, text, n = rng.choices(kinds, weights)[0]
        conn = Conn(proxy, timeout=5)
        try:
            conn.send(text.encode())
            while n > 0 and (data := conn.sock.recv(min(n, 65536))):
                n -= len(data)
        except OSError:
            pass
        if rng.random() < 0.2:
            time.sleep(rng.random() * 0.02)
        (wires.reset if rng.random() < 0.5 else wires.hard_close)(conn.sock)

    def settle():
        assert fetch(proxy, "GET", good.path).body == good.body
        eventually(lambda: not world.origin.open and not world.registry.open, 20, "idle upstream")
        eventually(lambda: proxy.n_fds() <= base, 20, f"descriptors given back: {proxy.sockets()}")
        world.origin.requests.clear()
        world.registry.requests.clear()

    def many(n, seed):
        in_parallel(*[lambda i=i: [abort(rng) for rng in [random.Random(seed + i)] for _ in range(n // 4)]
                      for i in range(4)])
        settle()
    fetch(proxy, "GET", "/")
    base = proxy.n_fds() + 2
    many(1500, 1)
    warm, began = proxy.rss_kib(), time.monotonic()
    many(10_000, 100)
    grown = proxy.rss_kib() - warm
    table.setdefault(("Aborted archives", "requests", "seconds", "RSS before", "grown", "descriptors"), []).append(
        (10_000, f"{time.monotonic() - began:.1f}", f"{warm} KiB", f"{grown} KiB", proxy.n_fds()))
    assert grown < 2048 or is_sanitized(), f"{grown} KiB more after 10,000 aborted archives"


def test_sigterm_in_the_middle(world, start, wide):
    """What is on its way is brought to its end, and then the process ends well."""
    proxy = start()
    want = fetch(proxy, "GET", wide.path).body
    with Conn(proxy) as conn:
        conn.send(request_bytes("GET", wide.path))
        resp = wires.Response(conn.wire.head())
        total = int(resp.headers.get("content-length"))
        got = conn.wire.exactly(100_000)
        proxy.term()
        eventually(lambda: not listens(proxy), 3, "no new connections")
        time.sleep(0.3)
        assert proxy.process.poll() is None
        got += conn.wire.exactly(total - len(got))
    assert got == want
    assert proxy.process.wait(5) == 0
    assert [x["end"] for x in proxy.access() if x["path"] == wide.path] == ["ok", "ok"]


def test_sigterm_between_two_tries(world, start, script):
    proxy = start()
    good = Good(world, proxy, "/zip/faults/term", entries_of(big=5000, seed=90))
    script.on(good.target["first"], say(503), well)
    with Conn(proxy) as conn:
        conn.send(request_bytes("GET", good.path))
        eventually(lambda: script.n(good.target["first"]) == 1)
        proxy.term()
        resp = conn.response()
    assert resp.clean and resp.body == good.body and resp.headers.get("connection") == "close"
    assert proxy.process.wait(5) == 0


def listens(proxy):
    try:
        http.client.HTTPConnection(proxy.ip, proxy.port, timeout=1).connect()
        return True
    except OSError:
        return False

"""SIGHUP under load, over and over: nobody notices, and nothing is left behind."""

import asyncio
import os
import resource
import signal
import threading
import time
import zlib

import pytest

import reloads
from helpers import ORIGIN, Conn, eventually, fetch, request_bytes
from keepalive import Load
from lab import world as w
from lab.dnsclient import ask, rcode
from lab.generated import Generated
from lab.penstock import is_sanitized
from reloads import LARGE, SMALL, authorities, get


@pytest.fixture
def origin(world):
    return reloads.fill(world)


def expect(status, body):
    def check(got, _, data):
        if got != status:
            return f"status {got}: {data[:200]!r}"
        return None if body is None or data == body else f"{len(data)} bytes, not {len(body)}"
    return check


def mixed(i, k):
    kind = (i + k) % 8
    if kind == 0:
        return request_bytes("PUT", f"/{ORIGIN}/lab/up-{i}", [], SMALL), expect(200, None)
    if kind == 1:
        return request_bytes("GET", f"/{ORIGIN}/lab/large"), expect(200, LARGE)
    if kind == 2:
        return request_bytes("GET", f"/{ORIGIN}/lab/large", [("Range", "bytes=100-2099")]), expect(206, LARGE[100:2100])
    if kind == 3:
        return request_bytes("GET", "/zip/lab.zip"), lambda status, headers, body: None if (
            status == 200 and body[:2] == b"PK" and len(body) == int(headers["content-length"])) else f"status {status}"
    return request_bytes("GET", f"/{ORIGIN}/lab/small"), expect(200, SMALL)


class Versions:
    """Two versions of settings that differ in all that a request may notice and none may suffer from."""

    def __init__(self, world, another_ca, listen, more):
        self.world, self.another_ca = world, another_ca
        self.texts = [
            f"PENSTOCK_LISTEN: ':{listen}'\nPENSTOCK_ALLOW_BUCKETS: [lab]\nPENSTOCK_EXPOSE_HEADERS: x-one\n"
            f"PENSTOCK_DNS_SERVERS: {w.CORP}\nPENSTOCK_DNS_BUDGET: 90000\nPENSTOCK_DNS_CLIENT_RATE: 90000\nPENSTOCK_UPSTREAM_IDLE_MS: 4000\n",
            f"PENSTOCK_LISTEN: [':{listen}', ':{more}']\nPENSTOCK_ALLOW_BUCKETS: ['l*', photos]\nPENSTOCK_EXPOSE_HEADERS: [x-two, x-three]\n"
            f"PENSTOCK_DNS_SERVERS: [{w.CORP}, {w.CORP2}]\nPENSTOCK_DNS_ROUTES: [b.test={w.CORP}]\nPENSTOCK_UPSTREAM_IDLE_MS: 1000\n"
            f"PENSTOCK_MAX_CONNECTIONS: 5000\nPENSTOCK_MAX_CONNECTIONS_PER_CLIENT: 4000\nPENSTOCK_ARCHIVE_AHEAD: 4M\n"
            f"PENSTOCK_DNS_BUDGET: 100000\nPENSTOCK_DNS_ALLOW: [10.0.0.0/8]\nPENSTOCK_DNS_CLIENT_RATE: 100000\nPENSTOCK_LOG_LEVEL: debug\n",
        ]
        self.n = 0
        self.next()

    def next(self):
        self.n += 1
        authorities(self.world, *([self.world.ca] if self.n % 2 else [self.another_ca, self.world.ca]))
        return self.texts[self.n % 2]


class Questions:
    """Clients of the forwarder, each with one question after the other."""

    def __init__(self, port, n=4):
        self.port, self.is_over, self.n_answered, self.wrong = port, False, 0, []
        self.threads = [threading.Thread(target=self._ask, args=(i,), daemon=True) for i in range(n)]
        for t in self.threads:
            t.start()

    def _ask(self, i):
        k = 0
        while not self.is_over:
            k += 1
            name = "files.corp.test" if k % 2 else f"n{i}-{k}.corp.test"
            got = rcode(ask(w.PENSTOCK, name, port=self.port, tcp=k % 5 == 0, timeout=5))
            if got == ("NOERROR" if k % 2 else "NXDOMAIN"):
                self.n_answered += 1
            else:
                self.wrong.append((name, got))
            time.sleep(0.005)

    def stop(self):
        self.is_over = True
        for t in self.threads:
            t.join(10)


@pytest.mark.limit(120)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_hundred_times_under_load(world, settings, origin, another_ca, workers):
    """Settings and authorities really change each time; nobody notices, and nothing is left behind."""
    port, more, dns_port = 20030 + workers, 20040 + workers, 5394 + workers
    versions = Versions(world, another_ca, port, more)
    s = settings(versions.texts[1], LISTEN=None, port=port, WORKERS=workers, RESOLV_CONF="/dev/null", DNS_LISTEN=f"{w.PENSTOCK}:{dns_port}",
                 CA_FILE=os.path.join(world.folder, "authorities.pem"))
    huge = world.origin.put("/lab/huge", Generated(48 << 20))
    load, questions = Load(w.PENSTOCK, port, 40, mixed, pause=0.03), Questions(dns_port)
    for _ in range(5):
        s.hup(versions.next())
    before, took, sipped = len(s.events()), [], bytearray()

    def n_reloads():
        return s.penstock.output().count('"event":"reload')

    async def hups():
        for _ in range(100):
            n = n_reloads()
            s.write(versions.next())
            began = time.monotonic()
            s.penstock.process.send_signal(signal.SIGHUP)
            while n_reloads() == n:
                assert time.monotonic() - began < 10
                await asyncio.sleep(0.02)
            took.append(time.monotonic() - began)
            sipped.extend(slow.wire.some(16384))
            await asyncio.sleep(0.02)
        load.stop()

    async def scene():
        await asyncio.wait_for(asyncio.gather(load.run(), hups()), 100)

    with Conn(s.penstock, rcvbuf=8192, timeout=60) as slow:
        slow.send(request_bytes("GET", f"/{ORIGIN}/lab/huge"))
        slow.wire.head()
        asyncio.run(scene())
        questions.stop()
        while len(sipped) < 48 << 20:
            sipped += slow.wire.some((48 << 20) - len(sipped))
    assert zlib.crc32(sipped) == huge.crc
    events = s.events()[before:]
    assert [e["event"] for e in events] == ["reload"] * 100, [e for e in events if e["event"] != "reload"][:3]
    assert all("PENSTOCK_EXPOSE_HEADERS" in e["changed"] for e in events)
    assert load.lost == [], (len(load.lost), load.lost[:5])
    assert questions.wrong == [], questions.wrong[:5]
    assert load.counts["answered"] > 500 and questions.n_answered > 200 and load.counts["connected"] == 40
    failed = [x for x in s.penstock.access() if x["end"] != "ok"]
    assert not failed, failed[:3]
    print(f"\n{load.counts['answered']} requests, {questions.n_answered} questions; a reload took {sorted(took)[50]:.3f} s, {max(took):.3f} s at most")


@pytest.mark.limit(120)
def test_ten_thousand_idle_connections(world, settings, origin):
    """They stay, whatever is read again, and none of them waits long for what it asks meanwhile."""
    n = min(10000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 500)
    limits = f"PENSTOCK_MAX_CONNECTIONS: {n + 500}\nPENSTOCK_MAX_CONNECTIONS_PER_CLIENT: {n + 500}\n"
    s = settings(limits, WORKERS=2)
    held = []
    try:
        while len(held) < n:
            conn = Conn(s.penstock)
            conn.send(request_bytes("GET", "/"))
            held.append(conn)
        assert all(conn.response().status == 200 for conn in held)
        ask, longest, is_over = held[0], [], threading.Event()

        def measure():
            while not is_over.is_set():
                began = time.monotonic()
                assert ask.ask("GET", "/").status == 200
                longest.append(time.monotonic() - began)
                time.sleep(0.002)
        thread = threading.Thread(target=measure)
        thread.start()
        for i in range(10):
            [e] = s.hup(limits + f"PENSTOCK_EXPOSE_HEADERS: x-{i}\n")
            assert e["event"] == "reload"
        [e] = s.hup(f"PENSTOCK_MAX_CONNECTIONS: {n - 10}\n")
        assert e["event"] == "reload"
        is_over.set()
        thread.join()
        print(f"\n{n} idle connections, 10 reloads: the longest of {len(longest)} waits {max(longest) * 1000:.0f} ms")
        assert len(longest) > 20 and (max(longest) < 0.5 or is_sanitized())
        for conn in held[:: len(held) // 200]:
            assert conn.ask("GET", "/").status == 200, "a lower limit cuts nobody"
        assert fetch(s.penstock, "GET", "/").status == 503, "but lets nobody more in"
    finally:
        for conn in held:
            conn.sock.close()


@pytest.mark.limit(120)
def test_nothing_is_left_behind(world, settings, origin, another_ca):
    port, more = 20051, 20052
    versions = Versions(world, another_ca, port, more)
    s = settings(versions.texts[1], LISTEN=None, port=port, WORKERS=2, RESOLV_CONF="/dev/null", DNS_LISTEN=f"{w.PENSTOCK}:5397",
                 CA_FILE=os.path.join(world.folder, "authorities.pem"), UPSTREAM_IDLE_MS=None)

    def some(n):
        for _ in range(n):
            s.hup(versions.next())
            assert get(s.penstock, "/lab/small").status == 200

    some(30)
    time.sleep(1.2)
    fds, kib = s.penstock.n_fds(), s.penstock.rss_kib()
    some(120)
    eventually(lambda: s.penstock.n_fds() <= fds, 5, f"as few descriptors as before: {fds}, not {s.penstock.sockets()}")
    grown = s.penstock.rss_kib() - kib
    print(f"\n120 reloads: {grown} KiB more of {kib}")
    assert grown < 400 or is_sanitized()

"""Ten replicas behind HAProxy, as deploy/haproxy/haproxy.cfg has it, one after the other replaced under load: clients lose nothing."""

import asyncio
import os
import subprocess
import time
import zlib
from collections import Counter

import pytest

from helpers import ORIGIN, Conn, eventually, request_bytes
from keepalive import Load
from lab import origin as o
from lab.penstock import ROOT
from lab.registry import Page, entry
from lab.world import CLIENT
from test_drain import LARGE, SMALL, expect

CONFIG = os.path.join(ROOT, "deploy", "haproxy", "haproxy.cfg")
PORT, FIRST, N = 7100, 7101, 10
BODY = o.random_bytes(100000, 4)
PARTS = [o.random_bytes(70000, 10 + i) for i in range(12)]


class At:
    """What Conn needs to know of a proxy."""

    def __init__(self, world, ip, port):
        self.host, self.ip, self.port = world.penstock_host, ip, port


def mixed(i, k):
    """Reads, ranges, uploads that HAProxy's buffer cannot hold, posts, archives; S3 must have got every upload whole."""
    kind = (i + k) % 7
    if kind == 0:
        return request_bytes("PUT", f"/{ORIGIN}/replicas/up-{i}", [], BODY), expect(200, None)
    if kind == 1:
        return request_bytes("GET", f"/{ORIGIN}/drain/large"), expect(200, LARGE)
    if kind == 2:
        return request_bytes("GET", f"/{ORIGIN}/drain/large", [("Range", "bytes=5000-99999")]), expect(206, LARGE[5000:100000])
    if kind == 3:
        return request_bytes("GET", "/zip/replicas.zip"), lambda status, headers, body: None if (
            status == 200 and body[:2] == b"PK" and len(body) == int(headers["content-length"])) else f"status {status}"
    if kind == 4:
        return request_bytes("POST", "/browse/page", [], b"form=1"), expect(200, None)
    return request_bytes("GET", f"/{ORIGIN}/drain/small"), expect(200, SMALL)


@pytest.fixture
def origin(world):
    world.origin.reset_hooks()
    world.registry.reset_hooks()
    for i, part in enumerate(PARTS):
        world.origin.put(f"/replicas/part-{i}", part)
    world.origin.put("/drain/small", SMALL)
    world.origin.put("/drain/large", LARGE)
    world.registry.put_archive("/zip/replicas.zip", *(
        entry(part, f"/{ORIGIN}/replicas/part-{i}", f"{i}.bin", zlib.crc32(part)) for i, part in enumerate(PARTS)),
        headers=[("ETag", '"list-1"'), ("Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT")])
    world.registry.pages["/browse/page"] = Page(b"page")
    return world.origin


@pytest.fixture
def replicas(world, origin, start):
    return [start(port=FIRST + i) for i in range(N)]


@pytest.fixture
def haproxy(world, replicas):
    log = os.path.join(world.folder, "haproxy.log")
    with open(log, "wb") as out:
        process = world.client.popen(["haproxy", "-db", "-f", CONFIG], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    at = At(world, CLIENT, PORT)

    def up():
        try:
            with Conn(at, 1) as conn:
                return conn.ask("GET", "/").body == b"S3 Proxy"
        except OSError:
            assert process.poll() is None, open(log).read()
            return False
    eventually(up, 5, "HAProxy")
    yield at
    process.terminate()
    process.wait(5)


def replace(start, old):
    """As an orchestrator that keeps the address does: the signal, the end, the new one, until it is well."""
    old.term()
    assert old.process.wait(15) == 0
    new = start(port=old.port)
    with Conn(new) as conn:
        assert conn.ask("GET", "/").status == 200
    return new


@pytest.mark.limit(60)
def test_one_after_the_other_none_lost(world, replicas, haproxy, start):
    load = Load(CLIENT, PORT, 40, mixed, pause=0.02)
    load.refused_is_end = False
    news = []

    async def scene():
        loop = asyncio.get_running_loop()
        running = asyncio.ensure_future(load.run())
        await asyncio.sleep(0.5)
        for old in replicas:
            before = load.counts["answered"]
            news.append(await loop.run_in_executor(None, replace, start, old))
            await asyncio.sleep(0.6)  # HAProxy sees it come back
            assert load.counts["answered"] > before
        load.stop()
        await running
    asyncio.run(scene())
    assert load.lost == [], (len(load.lost), load.lost[:5])
    assert load.counts["answered"] > 500 and load.counts["refused"] == 0
    served = Counter()
    for instance in [*replicas, *news]:
        ends = Counter(x["end"] for x in instance.access())
        assert set(ends) == {"ok"}, ends
        served[instance.port] += ends["ok"]
    assert len(served) == N and all(served.values())
    uploads = [r for r in world.origin.requests if r.method == "PUT"]
    assert uploads and all(bytes(r.body) == BODY for r in uploads)


def read_some(conn, n):
    """The head and n bytes of the body of a response that is not read to its end."""
    head = conn.wire.head()
    return head, conn.wire.exactly(n)


def test_archive_goes_on_elsewhere(world, origin, replicas, haproxy, start):
    """Begun on one replica, which then dies without a word; the rest comes from others, byte for byte the same archive."""
    with Conn(At(world, replicas[9].ip, replicas[9].port)) as conn:
        whole = conn.ask("GET", "/zip/replicas.zip")
    assert whole.status == 200 and whole.clean and len(whole.body) > 12 * 70000
    got = b""
    with Conn(replicas[0], rcvbuf=20000) as conn:
        conn.send(request_bytes("GET", "/zip/replicas.zip"))
        head, got = read_some(conn, 200000)
        start.instances.remove(replicas[0])  # its end is not 0
        replicas[0].process.kill()
        replicas[0].process.wait(5)
    assert b'"list-1"' in head
    for size in (100000, 250000):  # two more interruptions, each on whichever replica HAProxy takes
        with Conn(haproxy, rcvbuf=20000) as conn:
            conn.send(request_bytes("GET", "/zip/replicas.zip", [("Range", f"bytes={len(got)}-"), ("If-Range", '"list-1"')]))
            head, more = read_some(conn, size)
            assert head.startswith(b"HTTP/1.1 206"), head
            got += more
    with Conn(haproxy) as conn:
        rest = conn.ask("GET", "/zip/replicas.zip", [("Range", f"bytes={len(got)}-"), ("If-Range", '"list-1"')])
    assert rest.status == 206 and rest.clean and got + rest.body == whole.body


def test_download_finishes_on_the_one_that_goes(world, origin, replicas, haproxy):
    """A slow reader through HAProxy keeps its replica until the last byte, while new requests go elsewhere."""
    with Conn(haproxy, rcvbuf=4096) as conn:
        big = o.random_bytes(8 << 20, 9)
        origin.put("/replicas/big", big)
        conn.send(request_bytes("GET", f"/{ORIGIN}/replicas/big"))
        head, got = read_some(conn, 10000)
        for replica in replicas[:5]:
            replica.term()
        time.sleep(1.0)
        with Conn(haproxy) as other:
            for _ in range(10):
                assert other.ask("GET", f"/{ORIGIN}/drain/small").body == SMALL
        got += conn.wire.exactly(len(big) - len(got))
    assert got == big
    assert [replica.process.wait(10) for replica in replicas[:5]] == [0] * 5

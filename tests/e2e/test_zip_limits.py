"""What many archives and page requests hold together, while their clients or S3 stall: bounded, and shared so that
something is left for who comes next."""

import contextlib
import itertools
import threading
import zlib

import pytest

from helpers import ORIGIN, Conn, error_of, eventually, fetch, request_bytes
from lab.generated import Blob
from lab.origin import Flag, random_bytes
from lab.registry import Session
from zips import Listing, check_all

KIB = 1 << 10


@pytest.fixture
def registry(world):
    world.registry.reset_hooks()
    world.origin.reset_hooks()
    yield world.registry
    world.registry.archives.clear()
    world.registry.sessions.clear()
    world.origin.families = []


def list_of(n_bytes, target):
    """So much text for one byte of data and many directories."""
    text = b"- 1 /%s%s a\r\n" % (ORIGIN.encode(), target.encode())
    line = b"0 0 @directory some/folder/%06d\r\n"
    return text + b"".join(line % i for i in range((n_bytes - len(text)) // len(line % 0)))


def test_lists_of_all_archives(world, start, registry):
    """Of 3 MB: while one of 900 KB is held, another such finds no room, a shorter one does."""
    proxy = start(MAX_MANIFEST_TOTAL=3000 * 1000, MAX_MANIFEST=1000 * 1000, WORKERS=1)
    go_on = Flag()
    world.origin.put("/limits/now", b"x")
    world.origin.put("/limits/later", b"x")
    world.origin.respond = lambda request, wire: go_on.wait() if request.target == "/limits/later" else None
    for name, size, target in (("held", 900, "later"), ("long", 900, "now"), ("short", 600, "now"),
                               ("alone", 1020, "now")):
        registry.put_archive(f"/zip/limits-{name}", list_of(size * 1000, f"/limits/{target}"))
    resp = fetch(proxy, "GET", "/zip/limits-alone")
    assert resp.status == 502 and "PENSTOCK_MAX_MANIFEST, 1000000 bytes" in error_of(resp)[1]
    with Conn(proxy) as conn:
        conn.send(request_bytes("GET", "/zip/limits-held"))
        eventually(lambda: [r for r in world.origin.requests if r.target == "/limits/later"], what="the part's request")
        resp = fetch(proxy, "GET", "/zip/limits-long")
        assert (resp.status, error_of(resp)[0], resp.headers.get("retry-after")) == (503, "SlowDown", "1")
        assert "PENSTOCK_MAX_MANIFEST_TOTAL" in error_of(resp)[1]
        assert proxy.access_with("limits-long")["end"] == "busy"
        assert fetch(proxy, "GET", "/zip/limits-short").status == 200
        go_on.set()
        assert conn.response().clean
    assert fetch(proxy, "GET", "/zip/limits-long").status == 200


def test_bodies_that_are_kept(world, start, registry):
    """One that found no room reaches the registry; only its redirect cannot be followed."""
    proxy = start(BROWSE_BODIES_TOTAL=300 * KIB, WORKERS=1)
    registry.sessions["s"] = Session(f"https://{ORIGIN}/limits/", "", 307, needs_cookie=False)
    world.origin.respond = lambda request, wire: [*request.pieces(wire)] and world.origin.send(wire, 200, b"") is None
    for size, path, status in ((90, "s/x", 200), (110, "s/x", 503), (110, "unknown", 404), (90, "s/x", 200)):
        body = b"b" * (size * KIB)
        resp = fetch(proxy, "POST", f"/browse/{path}", body=body)
        assert resp.status == status, (size, path, resp)
        assert registry.requests[-1].body == body
        if status == 503:
            assert error_of(resp)[0] == "SlowDown" and resp.headers.all("access-control-allow-origin") == ["*"]
    assert [len(r.body) for r in world.origin.requests] == [90 * KIB, 90 * KIB]


def test_clients_that_stall_leave_read_ahead_for_others(world, start, registry):
    """Five that take all they may, a third of what is left each, leave 8 MiB * (2/3)^5. A third of that is for the
    sixth: five blocks of 68 KiB, so that five parts are asked for beside the one that is its client's turn."""
    proxy = start(ARCHIVE_AHEAD="4M", ARCHIVE_AHEAD_TOTAL="8M", WORKERS=1)
    large, small = random_bytes(2 << 20), random_bytes(64 * KIB)

    class Many:
        @staticmethod
        def find(path):
            return Blob(large if path.startswith("/large/") else small)
    world.origin.families = [Many]
    for kind, data in (("large", large), ("small", small)):
        lines = [b"%08x %d /%s/%s/%d %d\r\n" % (zlib.crc32(data), len(data), ORIGIN.encode(), kind.encode(), i, i)
                 for i in range(12)]
        registry.put_archive(f"/zip/share-{kind}", *lines)
    at_once = 6
    together, arrivals = threading.Barrier(at_once), itertools.count()

    def respond(request, wire):
        # Only the first wait for each other: later, parts that came wait with their memory for the client's next.
        if request.target.startswith("/small/") and next(arrivals) < at_once:
            with contextlib.suppress(threading.BrokenBarrierError):
                together.wait(5)
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            conn = stack.enter_context(Conn(proxy, rcvbuf=4096))
            conn.send(request_bytes("GET", "/zip/share-large"))
            assert conn.wire.fill(1)
        eventually(lambda: len({r.target for r in world.origin.requests}) > 4, what="parts ahead")
        world.origin.respond = respond
        resp = fetch(proxy, "GET", "/zip/share-small")
        assert resp.status == 200 and resp.clean
        assert not together.broken, f"fewer than {at_once} parts were asked for at once"


def test_folder_markers(world, start, registry, tmp_path):
    """S3 has folders as empty objects whose keys end in a slash: whoever unpacks them can enter what they made."""
    listing = Listing(world, "/zip/markers")
    listing.add("marker/", b"").add("marker/file", b"inside").add("marker/deeper/", b"", crc=None)
    listing.expected = [(name, data or None) for name, data in listing.expected]
    listing.publish()
    resp = fetch(start(), "GET", "/zip/markers")
    assert resp.status == 200
    check_all(resp.body, listing.expected, str(tmp_path))


def test_read_ahead_leaves_descriptors(world, start, registry):
    """40 archives under a limit of 200 open files: each needs but two to go on, and 32 more would be of use."""
    proxy = start(WORKERS=1, wrap=("sh", "-c", 'ulimit -n 200; exec "$@"', "sh"))
    listing = Listing(world, "/zip/files")
    for i in range(60):
        listing.add(f"{i}", random_bytes(2000, i))
    listing.publish()
    whole = fetch(proxy, "GET", "/zip/files").body
    with contextlib.ExitStack() as stack:
        conns = [stack.enter_context(Conn(proxy)) for _ in range(40)]
        for conn in conns:
            conn.send(request_bytes("GET", "/zip/files"))
        assert [conn.response().body == whole for conn in conns] == [True] * 40

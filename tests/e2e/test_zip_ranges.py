"""Ranges of archives: each kind against the whole archive, and what S3 was asked for them."""

import io
import json
import random
import re
import time
import zipfile

import pytest

from helpers import Conn, fetch, request_bytes
from lab import http
from lab.generated import Generated
from zips import ETAG, FIELDS, MODIFIED, Listing

MIB, GIB = 1 << 20, 1 << 30
LATER = "Tue, 15 Nov 1994 08:12:32 GMT"


class Archive:
    """What is known of one: its bytes, and where in them the objects stand, read from its own records."""

    def __init__(self, path, source, total, targets):
        self.path, self.total = path, total
        self.parts = []  # (target, first byte in the archive, size)
        targets = iter(targets)
        with zipfile.ZipFile(source) as z:
            self.infos = z.infolist()
            self.central = z.start_dir
        for info in self.infos:
            source.seek(info.header_offset)
            head = source.read(30)
            start = info.header_offset + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
            if info.file_size:
                self.parts.append((next(targets), start, info.file_size))
        assert not list(targets)

    def needed(self, windows):
        """[(target, first, last)]: all that S3 must be asked for these ranges."""
        out = []
        for first, last in windows:
            for target, start, size in self.parts:
                a, b = max(first, start), min(last + 1, start + size)
                if a < b:
                    out.append((target, a - start, b - start - 1, size))
        return sorted(out)

    def places(self):
        """Where something begins or ends."""
        out = {0, 1, self.central, self.total - 1, self.total - 22}
        for info in self.infos:
            out.add(info.header_offset)
        for _, start, size in self.parts:
            out |= {start, start + size}
        return sorted(out)


def check_asked(origin, archive, windows):
    """S3 sent the bytes of these ranges and no others. Its side counts a moment later than we."""
    want = archive.needed(windows)
    deadline = time.monotonic() + 3
    while True:
        got = []
        for r in list(origin.requests):
            size = next(size for target, _, size in archive.parts if target == r.target)
            m = re.fullmatch(r"bytes=(\d+)-(\d+)", r.headers.get("range") or f"bytes=0-{size - 1}")
            first, last = int(m[1]), int(m[2])
            got.append((r.target, first, last, size, r.sent))
        if sorted(got) == [(*w, w[2] - w[1] + 1) for w in want]:
            return
        assert time.monotonic() < deadline, f"for {windows}: S3 was asked {sorted(got)}, needed was {want}"
        time.sleep(0.0003)


def multipart(resp, total):
    """[(first, last, bytes)] of a multipart/byteranges body, by the letter of RFC 9110 section 14.6 and RFC 2046."""
    kind = re.fullmatch(r'multipart/byteranges; ?boundary="?([A-Za-z0-9\'()+_,./:=?-]{1,70})"?',
                        resp.headers.get("content-type"))
    assert kind, resp.head
    assert "content-range" not in resp.headers
    dash = b"--" + kind[1].encode()
    body, at, out = resp.body, 0, []
    if body.startswith(b"\r\n"):
        at = 2
    assert body.startswith(dash, at)
    at += len(dash)
    while body[at:at + 2] != b"--":
        assert body[at:at + 2] == b"\r\n", body[at:at + 20]
        end = body.index(b"\r\n\r\n", at)
        fields = http.Headers(body[at:end + 2])
        assert fields.all("content-type") == ["application/zip"], body[at:end]
        spec, = fields.all("content-range")
        m = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", spec)
        first, last = int(m[1]), int(m[2])
        assert int(m[3]) == total and first <= last < total
        at = end + 4
        out.append((first, last, body[at:at + last - first + 1]))
        at += last - first + 1
        assert body.startswith(b"\r\n" + dash, at), "a delimiter behind the part"
        at += 2 + len(dash)
    assert body[at + 2:] in (b"", b"\r\n")
    return out


def check(resp, archive, windows, bytes_of, etag=ETAG):
    """windows: None for the whole, [] for 416, else what comes."""
    assert resp.clean, resp
    if windows == []:
        assert resp.status == 416 and resp.headers.all("content-range") == [f"bytes */{archive.total}"], resp.head
        return
    assert resp.headers.all("etag") == [etag], resp.head
    if windows is None:
        assert resp.status == 200 and "content-range" not in resp.headers, resp.head
        assert resp.headers.get("content-type") == "application/zip"
        assert resp.body == bytes_of(0, archive.total)
        return
    assert resp.status == 206, resp.head
    assert resp.headers.get("content-length") == str(len(resp.body))
    if len(windows) > 1:
        got = multipart(resp, archive.total)
        assert [(first, last) for first, last, _ in got] == windows
        assert all(data == bytes_of(first, last + 1) for first, last, data in got)
        return
    (first, last), = windows
    assert resp.headers.all("content-range") == [f"bytes {first}-{last}/{archive.total}"], resp.head
    assert resp.headers.get("content-type") == "application/zip"
    assert resp.body == bytes_of(first, last + 1)


class Asker:
    """Makes up ranges, most of them about places where something begins or ends."""

    def __init__(self, seed, archive, longest):
        self.rng, self.archive, self.longest = random.Random(seed), archive, longest
        self.places = archive.places()

    def place(self):
        if self.rng.random() < 0.6:
            at = self.rng.choice(self.places) + self.rng.randint(-3, 3)
        else:
            at = self.rng.randrange(self.archive.total)
        return min(max(at, 0), self.archive.total - 1)

    def one(self):
        """(text, window or None when it is behind the end)"""
        total, rng = self.archive.total, self.rng
        kind = rng.random()
        if kind < 0.6:
            first = self.place()
            n = min(self.longest, int(10 ** rng.uniform(0, 7)))
            last = first + rng.randrange(n)
            return f"{first}-{last}", (first, min(last, total - 1))
        if kind < 0.75:
            n = rng.randint(1, min(total + total // 10, self.longest))
            return f"-{n}", (max(0, total - n), total - 1)
        if kind < 0.9:
            first = max(self.place(), total - self.longest)
            return f"{first}-", (first, total - 1)
        if kind < 0.95:
            first = total + rng.randrange(1000)
            return rng.choice((f"{first}-", f"{first}-{first + rng.randrange(9)}")), None
        return f"{rng.randrange(total)}-99999999999999999999", "tail"

    def ranges(self):
        """(field, windows)"""
        total = self.archive.total
        n = 1 if self.rng.random() < 0.7 else self.rng.randint(2, 8)
        texts, windows = [], []
        while len(texts) < n:
            text, window = self.one()
            if window == "tail":
                first = int(text.split("-")[0])
                if total - first > self.longest:
                    continue
                window = first, total - 1
            texts.append(text)
            windows += [window] if window else []
        field = "bytes=" + self.rng.choice((",", ", ", " ,\t")).join(texts)
        if sum(b - a + 1 for a, b in windows) > total:
            return field, None
        return field, windows


@pytest.fixture(scope="module")
def small(world, proxy):
    """(archive, its bytes)"""
    listing = Listing(world, "/zip/ranges/small")
    rng = random.Random(11)
    sizes = [0, 1, 3, 100, 1000, 4096, 65536, 65537, 0, 30000, 140000, 7, 20000]
    for i, size in enumerate(sizes):
        listing.add(f"folder/{i} ÄÖÜ €.bin" if i % 3 else f"{i}.bin", rng.randbytes(size))
        if i % 5 == 0:
            listing.add_directory(f"empty {i}")
    listing.publish(headers=FIELDS)
    resp = fetch(proxy, "GET", listing.path)
    assert resp.status == 200 and resp.clean
    with zipfile.ZipFile(io.BytesIO(resp.body)) as z:
        assert z.testzip() is None
        assert [i.filename for i in z.infolist()] == [name for name, _ in listing.expected]
    world.origin.reset_hooks()
    return Archive(listing.path, io.BytesIO(resp.body), len(resp.body), listing.targets), resp.body


@pytest.fixture
def ask(world, proxy, small):
    """ask(headers, method, body) -> the response for the small archive, over one connection."""
    world.origin.reset_hooks()
    world.registry.reset_hooks()
    with Conn(proxy) as conn:
        yield lambda *headers, method="GET", body=None: conn.ask(method, small[0].path, headers, body)


def test_thousands_of_ranges(world, small, ask, table):
    archive, whole = small
    asker = Asker(3000, archive, 400_000)
    began, n_bytes, kinds = time.monotonic(), 0, {}
    for _ in range(3000):
        field, windows = asker.ranges()
        world.origin.requests.clear()
        resp = ask(("Range", field))
        try:
            check(resp, archive, windows, lambda a, b: whole[a:b])
            check_asked(world.origin, archive, [(0, archive.total - 1)] if windows is None else windows)
        except AssertionError as error:
            raise AssertionError(f"Range: {field}: {error}") from error
        n_bytes += sum(r.sent for r in world.origin.requests)
        kind = "whole" if windows is None else ("416", "206", "206, multipart")[min(len(windows), 2)]
        kinds[kind] = kinds.get(kind, 0) + 1
    assert len(kinds) == 4 and min(kinds.values()) >= 5, kinds
    table.setdefault(("Ranges of an archive, each compared", "answers", "bytes from S3", "seconds"), []).append(
        (json.dumps(kinds), n_bytes, f"{time.monotonic() - began:.1f}"))


def test_every_byte_alone_about_the_records(small, ask):
    """Header, name and end records are made in pieces of any size."""
    archive, whole = small
    for at in [*range(0, 120), *range(archive.total - 300, archive.total)]:
        check(ask(("Range", f"bytes={at}-{at}")), archive, [(at, at)], lambda a, b: whole[a:b])


SATISFIABLE = {
    "first byte": ("bytes=0-0", [(0, 0)]),
    "unit in capitals": ("BYTES=5-9", [(5, 9)]),
    "zeros in front": ("bytes=0005-0000000000000000000000009", [(5, 9)]),
    "last byte": ("bytes=-1", [(-1, -1)]),
    "all by length": ("bytes=0-", "all"),
    "all by suffix": ("bytes=-99999999", "all"),
    "a suffix longer than any number": ("bytes=-99999999999999999999999", "all"),
    "last beyond the end": ("bytes=10-99999999999999999999999", "from 10"),
    "one of two behind the end": ("bytes=5-9,99999999-", [(5, 9)]),
    "overlapping": ("bytes=0-9,5-14", [(0, 9), (5, 14)]),
    "in the order asked for": ("bytes=100-109,0-9", [(100, 109), (0, 9)]),
    "twice the same": ("bytes=7-7,7-7", [(7, 7), (7, 7)]),
    "behind the end": ("bytes=99999999-", []),
    "behind the end, several": ("bytes=99999999-,88888888-88888889", []),
    "a suffix of none": ("bytes=-0", []),
    "first beyond any number": ("bytes=99999999999999999999999-", []),
}


@pytest.mark.parametrize("name", SATISFIABLE)
def test_ranges_by_the_letter(world, small, ask, name):
    archive, whole = small
    field, windows = SATISFIABLE[name]
    if windows == "all":
        windows = [(0, archive.total - 1)]
    elif windows == "from 10":
        windows = [(10, archive.total - 1)]
    windows = [(a % archive.total, b % archive.total) for a, b in windows]
    check(ask(("Range", field)), archive, windows, lambda a, b: whole[a:b])
    check_asked(world.origin, archive, windows)


BROKEN = ["bytes", "bytes=", "bytes= ", "bytes=-", "bytes=a-b", "bytes=9-5", "bytes=5", "bytes=0-4,9-5", "bytes=0-4;5-9",
          "bytes 0-4", "bytes =0-4", "bytes=0 -4", "bytes=0- 4", "bytes=+0-4", "bytes=0x0-4", "bytes=--5", "bytes=-5-",
          "bytes=0-4-9", "items=0-4", "none", "0-4", "bytes=0.0-4", "bytes=0-4 5-9"]


def test_broken_ranges_are_ignored(small, ask):
    archive, whole = small
    for field in BROKEN:
        try:
            check(ask(("Range", field)), archive, None, lambda a, b: whole[a:b])
        except AssertionError as error:
            raise AssertionError(f"Range: {field}: {error}") from error


def test_many_tiny_ranges_are_not_worth_it(small, ask):
    """Thousands of ranges in one field are an attack (RFC 9110 section 17.15), not a wish."""
    archive, whole = small
    field = "bytes=" + ",".join("0-0" for _ in range(2000))
    resp = ask(("Range", field))
    check(resp, archive, None, lambda a, b: whole[a:b])


def test_a_hundred_ranges(world, small, ask):
    archive, whole = small
    windows = [(at, at + 99) for at in range(0, archive.total - 100, archive.total // 100)][:100]
    assert len(windows) == 100
    for wanted in (windows, windows[::-1]):
        world.origin.requests.clear()
        field = "bytes=" + ",".join(f"{a}-{b}" for a, b in wanted)
        check(ask(("Range", field)), archive, wanted, lambda a, b: whole[a:b])
        check_asked(world.origin, archive, wanted)


def test_two_fields_are_ignored_or_joined(small, ask):
    archive, whole = small
    resp = ask(("Range", "bytes=0-4"), ("Range", "bytes=9-10"))
    check(resp, archive, [(0, 4), (9, 10)] if resp.status == 206 else None, lambda a, b: whole[a:b])


CONDITIONS = {
    "the ETag": (ETAG, True), "another ETag": ('"archive-8"', False), "the ETag, weak": ("W/" + ETAG, False),
    "the ETag without quotes": ("archive-7", False), "a list of ETags": (f'{ETAG}, "x"', False), "a star": ("*", False),
    "the date": (MODIFIED, True), "a later date": (LATER, False),
    "an earlier date": ("Tue, 15 Nov 1994 08:12:30 GMT", False),
    "the date, RFC 850": ("Tuesday, 15-Nov-94 08:12:31 GMT", True),
    "the date, asctime": ("Tue Nov 15 08:12:31 1994", True),
    "no date": ("yesterday", False), "nothing": ("", False),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_if_range(world, small, ask, name):
    archive, whole = small
    value, holds = CONDITIONS[name]
    windows = [(1000, 50_000)] if holds else None
    check(ask(("Range", "bytes=1000-50000"), ("If-Range", value)), archive, windows, lambda a, b: whole[a:b])
    check(ask(("Range", "bytes=99999999-"), ("If-Range", value)), archive, [] if holds else None, lambda a, b: whole[a:b])
    check(ask(("If-Range", value)), archive, None, lambda a, b: whole[a:b])
    assert not any("if-range" in r.headers or "range" in r.headers for r in world.registry.requests)


@pytest.mark.parametrize("fields, condition", [
    ([("ETag", "W/" + ETAG)], "W/" + ETAG), ([("ETag", "W/" + ETAG)], ETAG), ([], ETAG), ([], MODIFIED), ([("ETag", ETAG)], MODIFIED),
    ([("Last-Modified", MODIFIED)], ETAG)])
def test_if_range_where_the_registry_has_no_such_validator(world, proxy, fields, condition):
    listing = Listing(world, "/zip/ranges/weak").add("a", b"a" * 1000)
    listing.publish(headers=fields)
    resp = fetch(proxy, "GET", listing.path, [("Range", "bytes=0-99"), ("If-Range", condition)])
    assert resp.status == 200 and resp.clean and zipfile.ZipFile(io.BytesIO(resp.body)).testzip() is None
    whole = resp.body
    resp = fetch(proxy, "GET", listing.path, [("Range", "bytes=0-99")])
    assert resp.status == 206 and resp.body == whole[:100]


def test_range_is_ignored_where_a_crc_is_unknown(world, proxy):
    listing = Listing(world, "/zip/ranges/unknown").add("known", b"k" * 1000).add("unknown", b"u" * 1000, crc=None)
    listing.publish(headers=FIELDS)
    for headers in ([("Range", "bytes=5-9")], [("Range", "bytes=99999999-")], [("Range", "bytes=0-0"), ("If-Range", ETAG)]):
        resp = fetch(proxy, "GET", listing.path, headers)
        assert resp.status == 200 and resp.clean and "content-range" not in resp.headers
        assert (resp.headers.get("accept-ranges") or "none") == "none", "nobody shall count on ranges"
        assert zipfile.ZipFile(io.BytesIO(resp.body)).testzip() is None


def test_an_unknown_crc_of_no_bytes_is_known(world, proxy):
    listing = Listing(world, "/zip/ranges/empty").add("nothing", b"", crc=None).add("k", b"k" * 10)
    listing.publish(headers=FIELDS)
    resp = fetch(proxy, "GET", listing.path, [("Range", "bytes=0-3")])
    assert resp.status == 206 and resp.body == b"PK\x03\x04"


@pytest.mark.parametrize("method", ["POST", "PUT", "QUERY"])
def test_range_of_any_method_and_what_stays_here(world, small, ask, method):
    archive, whole = small
    resp = ask(("Range", "bytes=100-70000"), ("If-Range", ETAG), ("Content-Type", "application/x-www-form-urlencoded"),
               ("Cookie", "c=1"), ("Authorization", "Basic eA=="), method=method, body=b"token=secret&x=1")
    check(resp, archive, [(100, 70_000)], lambda a, b: whole[a:b])
    check_asked(world.origin, archive, [(100, 70_000)])
    seen, = world.registry.requests
    assert seen.method == method and bytes(seen.body) == b"token=secret&x=1"
    assert "range" not in seen.headers and "if-range" not in seen.headers
    for r in world.origin.requests:
        assert r.method == "GET" and b"secret" not in r.head and r.headers.get("content-length") in (None, "0")
        assert not any(n in r.headers for n in ("cookie", "authorization", "if-range", "content-type")), r.head


def test_head_has_no_range(world, small, ask):
    resp = ask(("Range", "bytes=0-9"), method="HEAD")
    assert resp.status == 200 and "content-range" not in resp.headers
    assert resp.headers.get("content-length") is None
    assert world.origin.requests == []


def test_one_behind_the_other_and_http_1_0(proxy, small):
    archive, whole = small
    with Conn(proxy) as conn:
        conn.send(request_bytes("GET", archive.path) * 2 + request_bytes("GET", archive.path, [("Range", "bytes=5-9,-1")])
                  + request_bytes("HEAD", archive.path) + request_bytes("GET", archive.path, [("Range", "bytes=5-9")]))
        for windows in (None, None, [(5, 9), (archive.total - 1, archive.total - 1)]):
            check(conn.response(), archive, windows, lambda a, b: whole[a:b])
        assert conn.response("HEAD").status == 200
        check(conn.response(), archive, [(5, 9)], lambda a, b: whole[a:b])
    with Conn(proxy) as conn:
        conn.send(b"GET %s HTTP/1.0\r\nRange: bytes=-7\r\n\r\n" % archive.path.encode())
        check(conn.response(), archive, [(archive.total - 7, archive.total - 1)], lambda a, b: whole[a:b])
        assert conn.ended()


def test_range_of_an_empty_archive(world, proxy):
    world.registry.put_archive("/zip/ranges/none", headers=FIELDS)
    whole = fetch(proxy, "GET", "/zip/ranges/none").body
    assert len(whole) == 22
    assert fetch(proxy, "GET", "/zip/ranges/none", [("Range", "bytes=4-")]).body == whole[4:]
    resp = fetch(proxy, "GET", "/zip/ranges/none", [("Range", "bytes=22-")])
    assert resp.status == 416 and resp.headers.get("content-range") == "bytes */22"


# Past 4 GiB

class Remote(io.RawIOBase):
    """An archive that is read by its ranges."""

    def __init__(self, conn, path):
        super().__init__()
        self.conn, self.path, self.at = conn, path, 0
        self.total = int(self.part(0, 0).headers.get("content-range").split("/")[1])

    def part(self, first, last):
        resp = self.conn.ask("GET", self.path, [("Range", f"bytes={first}-{last}")])
        assert resp.status == 206 and resp.clean, resp
        return resp

    def seekable(self):
        return True

    def readable(self):
        return True

    def tell(self):
        return self.at

    def seek(self, offset, whence=io.SEEK_SET):
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.total}[whence]
        return self.at

    def readinto(self, into):
        n = min(len(into), self.total - self.at)
        if n:
            into[:n] = self.part(self.at, self.at + n - 1).body
            self.at += n
        return n


@pytest.fixture(scope="module")
def large(world, proxy):
    """(archive of 5.5 GiB, its bytes by place, [(name, object)])"""
    listing = Listing(world, "/zip/ranges/large")
    objects = [("3 GiB", Generated(3 * GIB, seed=3)), ("five", Generated(5, seed=4)),
               ("1.5 GiB", Generated(3 * GIB // 2 + 17, seed=5)), ("behind 4 GiB", Generated(100_000, seed=6)),
               ("1 GiB", Generated(GIB, seed=7)), ("last", Generated(9, seed=8))]
    for name, thing in objects:
        listing.add(name, thing)
    listing.publish(headers=FIELDS)
    with Conn(proxy) as conn:
        remote = Remote(conn, listing.path)
        archive = Archive(listing.path, remote, remote.total, listing.targets)
        with zipfile.ZipFile(remote) as z:  # its headers are read and checked; small members by their CRC
            for (name, thing), info in zip(objects, z.infolist(), strict=True):
                assert (info.filename, info.file_size, info.CRC) == (name, thing.size, thing.crc)
                with z.open(info) as f:
                    assert f.read(MIB) == thing.read(0, min(thing.size, MIB))
        records, at = {}, 0  # place -> bytes of what is no object's
        for _, start, size in [*archive.parts, ("", archive.total, 0)]:
            records[at] = remote.part(at, start - 1).body
            at = start + size
    world.origin.reset_hooks()

    def bytes_of(first, end):
        pieces = [(at, at + len(data), lambda a, b, data=data: data[a:b]) for at, data in records.items()]
        pieces += [(start, start + size, thing.read)
                   for (_, start, size), (_, thing) in zip(archive.parts, objects, strict=True)]
        out = b""
        for start, stop, read in sorted(pieces, key=lambda p: p[0]):
            a, b = max(first, start), min(end, stop)
            out += read(a - start, b - start) if a < b else b""
        return out
    return archive, bytes_of


def test_ranges_past_4_gib(world, proxy, large, table):
    archive, bytes_of = large
    assert archive.total > 5.5 * GIB
    asker = Asker(5, archive, 150_000)
    asker.places += [4 * GIB, 4 * GIB - 1] * 3
    began, n_bytes, n = time.monotonic(), 0, 0
    with Conn(proxy) as conn:
        for n in range(400):
            field, windows = asker.ranges()
            world.origin.requests.clear()
            resp = conn.ask("GET", archive.path, [("Range", field)])
            try:
                check(resp, archive, windows, bytes_of)
                check_asked(world.origin, archive, windows)
            except AssertionError as error:
                raise AssertionError(f"Range: {field}: {error}") from error
            n_bytes += sum(r.sent for r in world.origin.requests)
    table.setdefault(("Ranges of an archive, each compared", "answers", "bytes from S3", "seconds"), []).append(
        (f"{n + 1} of 5.5 GiB", n_bytes, f"{time.monotonic() - began:.1f}"))

"""Ranges of archives: each kind against the whole archive, what S3 was asked for them, and downloads that were
interrupted and are finished by curl and Chromium."""

import hashlib
import io
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
import zipfile

import pytest

from helpers import Conn, fetch, request_bytes
from lab import http
from lab.generated import Generated
from lab.origin import random_bytes
from lab.s3 import NODE
from zips import Listing

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
ETAG = '"archive-7"'
MODIFIED, LATER = "Tue, 15 Nov 1994 08:12:31 GMT", "Tue, 15 Nov 1994 08:12:32 GMT"
FIELDS = [("ETag", ETAG), ("Last-Modified", MODIFIED)]


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


# Interrupted downloads

@pytest.fixture(scope="module")
def film(world, proxy):
    """A listing of some 24 MiB and the digest of its archive."""
    listing = Listing(world, "/zip/ranges/film")
    for i, size in enumerate([9 * MIB, 100, 6 * MIB + 1, 0, 300 * KIB, 8 * MIB]):
        listing.add(f"reel {i}", random_bytes(size, seed=i))
    listing.publish(headers=[*FIELDS, ("Content-Disposition", 'attachment; filename="film.zip"')])
    resp = fetch(proxy, "GET", listing.path)
    assert resp.clean and zipfile.ZipFile(io.BytesIO(resp.body)).testzip() is None
    world.origin.reset_hooks()
    world.registry.reset_hooks()
    return listing, len(resp.body), hashlib.sha256(resp.body).hexdigest()


def digest_of(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


@pytest.mark.parametrize("form", [None, "token=secret&name=film"], ids=["GET", "POST"])
def test_curl_finishes_what_was_interrupted(world, start, proxy, film, tmp_path, form):
    """Killed five times on the way; each time another replica goes on. With -d, curl's -C and -r mean
    the upload: there the field is written out."""
    listing, total, digest = film
    replicas = [proxy, start()]
    path = str(tmp_path / "film.zip")
    rng = random.Random(7)
    kills = sorted(rng.randrange(total // 20, total - total // 10) for _ in range(5))
    begins = []

    def curl(replica, rate):
        begins.append(os.path.getsize(path) if os.path.exists(path) else 0)
        how = ["-d", form, "-H", f"Range: bytes={begins[-1]}-"] if form else ["-C", "-", "-o", path]
        url = f"http://{replica.ip}:{replica.port}{listing.path}"
        with open(path, "ab") as out:
            return subprocess.Popen(["curl", "-sS", "--max-time", "60", "--limit-rate", rate, *how, url],
                                    stdout=out if form else None)
    for n, at in enumerate(kills):
        with curl(replicas[n % 2], "30M") as process:
            while process.poll() is None and os.path.getsize(path) <= max(at, begins[-1]):
                time.sleep(0.002)
            assert process.poll() is None, f"curl ended by itself: {process.returncode}"
            process.send_signal(signal.SIGKILL)
    with curl(proxy, "1G") as process:
        assert process.wait(60) == 0
    assert begins == sorted(begins) and os.path.getsize(path) == total
    assert digest_of(path) == digest
    asked = world.registry.asked(listing.path)
    assert len(asked) == len(kills) + 1
    if form:
        assert {bytes(r.body) for r in asked} == {form.encode()}
        assert not any(b"secret" in r.head for r in world.origin.requests)


class Cutter:
    """A way to penstock whose connections are reset after a number of bytes of the responses, one number each."""

    def __init__(self, proxy, port, cuts):
        self.proxy, self.cuts = proxy, list(cuts)
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(http.Wire(sock),), daemon=True).start()

    def _serve(self, wire):
        try:
            while head := wire.head():
                request = http.Request(head, 0)
                self.requests.append(request)
                with Conn(self.proxy) as conn:
                    conn.send(head.replace(b"keep-alive", b"close"))
                    left = self.cuts.pop(0) if "/film" in request.target and self.cuts else 1 << 60
                    while left and (data := conn.sock.recv(min(left, 65536))):
                        wire.sock.sendall(data)
                        left -= len(data)
                break
            time.sleep(0 if left else 0.3)  # what was sent arrives before the reset
            (http.hard_close if left else http.reset)(wire.sock)
        except (OSError, EOFError):
            http.reset(wire.sock)

    def close(self):
        self.listener.close()


def test_chromium_finishes_what_was_interrupted(world, proxy, film, tmp_path):
    """By GET. A download that began as a form is resumed by Chromium with GET as well."""
    listing, total, digest = film
    cuts = [5 * MIB, 2 * MIB, 10 * MIB]
    cutter = Cutter(proxy, 8095, cuts)
    out = str(tmp_path / "film.zip")
    argument = {"page": "http://127.0.0.1:8095/", "url": f"http://127.0.0.1:8095{listing.path}", "to": out,
                "profile": str(tmp_path / "profile"), "chromium": "/usr/bin/chromium", "patience": len(cuts)}
    env = {"PATH": os.environ["PATH"], "HOME": world.folder, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(["node", os.path.join(NODE, "download.js"), json.dumps(argument)], env=env, cwd=NODE,
                              capture_output=True, timeout=90, check=False)
    finally:
        cutter.close()
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    steps = json.loads(done.stdout)
    assert [s.get("canResume") for s in steps] == [True] * len(cuts) + [None], steps
    assert steps[-1] == {"complete": total} and digest_of(out) == digest
    asked = [r for r in cutter.requests if r.target == listing.path]
    assert len(asked) == len(cuts) + 1
    received = [s["received"] for s in steps[:-1]]
    assert [r.headers.get("range") for r in asked] == [None, *(f"bytes={n}-" for n in received)]
    assert [r.headers.get("if-range") for r in asked[1:]] == [ETAG] * len(cuts)
    assert received == sorted(received) and received[-1] > sum(cuts) - MIB


def test_a_replaced_archive_is_not_continued(world, proxy, film, tmp_path):
    """The registry's ETag changes between the pieces: with If-Range the whole new one comes."""
    listing = Listing(world, "/zip/ranges/changes").add("a", b"old" * 1000)
    listing.publish(headers=[("ETag", '"one"')])
    old = fetch(proxy, "GET", listing.path).body
    listing = Listing(world, "/zip/ranges/changes").add("a", b"new" * 1000)
    listing.publish(headers=[("ETag", '"two"')])
    resp = fetch(proxy, "GET", listing.path, [("Range", "bytes=2000-"), ("If-Range", '"one"')])
    assert resp.status == 200 and len(resp.body) == len(old) and resp.body != old
    assert zipfile.ZipFile(io.BytesIO(resp.body)).read("a") == b"new" * 1000

"""Archives beyond 4 GiB and 65,535 entries: ZIP64, in every reader. The origin makes the objects up; files that
keep them have holes."""

import io
import os
import struct
import zipfile
import zlib

import pytest

import zips
from helpers import ORIGIN
from lab.generated import Family, Generated
from lab.registry import directory, entry
from zips import Body, Libarchive

GIB = 1 << 30
N_ENTRIES = 70_000


@pytest.fixture
def origin(world, proxy):
    world.origin.reset_hooks()
    return world.origin


@pytest.fixture(scope="module")
def place(world):
    """A folder on the disk of the build, which is emptied."""
    folder = os.path.join(world.folder, "zip-large")
    os.makedirs(folder, exist_ok=True)
    yield folder
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))


def check_5_gib_by_python(path, objects):
    with zipfile.ZipFile(path) as z:
        infos = z.infolist()
        assert [(i.filename, i.file_size, i.CRC) for i in infos] == [(n, o.size, o.crc) for n, o in objects]
        assert [i.extract_version for i in infos] == [45, 45, 45] and infos[1].header_offset > 5 * GIB
        big, small = infos[0], infos[1]
        assert z.read(small) == objects[1][1].read(0, small.file_size)
        with z.open(big) as f:
            for at in (0, GIB - 7, 4 * GIB - 5, 5 * GIB - 100):
                f.seek(at)
                assert f.read(100) == objects[0][1].read(at, at + 100), at


def check_by_libarchive(path, kind, objects):
    with Libarchive(path, kind) as archive:
        assert [(n, size, seen) for n, _, size, seen in archive.entries()] == [
            (n, o.size, (o.crc, o.size)) for n, o in objects]


def test_5_gib_entry_and_what_stands_behind(proxy, world, origin, place):
    """The central directory, and a local header, lie past 4 GiB; CRCs known."""
    objects = [("five.bin", Generated(5 * GIB + 12345, seed=5, sparse=True)),
               ("behind.txt", Generated(70_001, seed=6)), ("last.txt", Generated(1, seed=7))]
    lines = []
    for name, obj in objects:
        origin.put("/zip-large/" + name, obj)
        lines.append(entry(obj, f"/{ORIGIN}/zip-large/{name}", name))
    world.registry.put_archive("/zip/large-5g", *lines)
    path = os.path.join(place, "five.zip")
    with Body(proxy, "GET", "/zip/large-5g") as body:
        assert body.status == 200 and body.length > 5 * GIB
        body.save(path)
    assert os.path.getsize(path) == body.length
    zips.in_parallel(
        lambda: check_by_7z(path), lambda: check_by_unzip(path), lambda: check_5_gib_by_python(path, objects),
        lambda: check_by_libarchive(path, "zip_streamable", objects),
        lambda: zips.run("bsdtar", "-tf", path))
    os.unlink(path)


def check_by_7z(path):
    out = zips.run("7z", "t", "-bd", path)
    assert "Everything is Ok" in out and "arning" not in out, out


def check_by_unzip(path):
    out = zips.run("unzip", "-tq", path)
    assert "No errors detected" in out and "warning" not in out.lower(), out


def test_more_than_4_gib_with_an_unknown_crc(proxy, world, origin):
    """The descriptor has 24 bytes and comes behind the data; checked as it streams, against every record."""
    obj = Generated(4 * GIB + 1, seed=8)
    small = Generated(100, seed=9)
    origin.put("/zip-large/unknown", obj)
    origin.put("/zip-large/small", small)
    world.registry.put_archive("/zip/large-unknown", entry(obj, f"/{ORIGIN}/zip-large/unknown", "u", crc=None),
                               entry(small, f"/{ORIGIN}/zip-large/small", "s", crc=None))
    with Body(proxy, "GET", "/zip/large-unknown") as body:
        read = Reader(body)
        head = read.local()
        assert head["name"] == b"u" and head["version"] == 45 and head["flags"] & 8
        assert head["size"] == obj.size and head["crc"] == 0
        assert read.data(obj.size) == obj.crc
        assert read.exactly(24) == struct.pack("<IIQQ", 0x08074B50, obj.crc, obj.size, obj.size)
        head = read.local()
        assert head["name"] == b"s" and head["flags"] & 8
        assert read.data(small.size) == small.crc
        assert read.exactly(16) == struct.pack("<IIII", 0x08074B50, small.crc, small.size, small.size)
        rest = read.rest()
    assert rest[:4] == b"PK\1\2" and struct.unpack_from("<I", rest, 16)[0] == obj.crc
    assert b"PK\6\6" in rest and b"PK\6\7" in rest and rest[-22:-18] == b"PK\5\6"


class Reader:
    """An archive's records, from front to back."""

    def __init__(self, body):
        self.source = body.pieces()
        self.buf = b""

    def exactly(self, n):
        while len(self.buf) < n:
            self.buf += bytes(next(self.source))
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def local(self):
        sig, version, flags, method, _, crc, packed, size, n_name, n_extra = struct.unpack(
            "<IHHHIIIIHH", self.exactly(30))
        assert sig == 0x04034B50 and method == 0
        name, extra = self.exactly(n_name), self.exactly(n_extra)
        if size == 0xFFFFFFFF:
            assert packed == 0xFFFFFFFF and struct.unpack_from("<HH", extra) == (1, 16)
            size, packed = struct.unpack_from("<QQ", extra, 4)
        assert size == packed
        return {"version": version, "flags": flags, "crc": crc, "size": size, "name": name}

    def data(self, n):
        """The CRC of the next n bytes."""
        first, self.buf = self.buf[:n], self.buf[n:]
        crc = zlib.crc32(first)
        n -= len(first)
        while n:
            piece = next(self.source)
            if len(piece) > n:
                self.buf = bytes(piece[n:])
                piece = piece[:n]
            crc = zlib.crc32(piece, crc)
            n -= len(piece)
        return crc

    def rest(self):
        return self.buf + b"".join(bytes(p) for p in self.source)


@pytest.mark.parametrize("size", [0xFFFFFFFE, 0xFFFFFFFF])
def test_head_of_the_sizes_around_the_limit(proxy, world, origin, size):
    """0xFFFFFFFE still fits; 0xFFFFFFFF is ZIP64's own mark. The first record is enough to tell."""
    obj = Generated(size, seed=11, sparse=True)
    origin.put("/zip-large/limit", obj)
    world.registry.put_archive("/zip/large-limit", entry(obj, f"/{ORIGIN}/zip-large/limit", "limit"))
    with Body(proxy, "GET", "/zip/large-limit") as body:
        head = Reader(body).local()
        is_zip64 = size == 0xFFFFFFFF
        assert head["size"] == size and head["version"] == (45 if is_zip64 else 10) and head["crc"] == obj.crc
        # local header, data, central record (8 bytes of extra field for each of the two sizes), ends
        small_end = 30 + 5 + size + 46 + 5 + 22
        assert body.length == (small_end + 20 + 20 + 56 + 20 if is_zip64 else small_end + 56 + 20)


@pytest.mark.parametrize("n", [65534, 65535, N_ENTRIES])
def test_many_entries(proxy, world, origin, place, n):
    """Each tenth has bytes and is fetched."""
    family = Family("/zip-many/", N_ENTRIES)
    origin.families.append(family)
    expected, lines = [], []
    for i in range(n):
        name = f"d{i % 100}/f{i}"
        data = family.of(i) if i % 10 == 0 else None if i % 1000 == 1 else b""
        expected.append((name + ("/" if data is None else ""), data))
        lines.append(directory(name) if data is None else entry(data, f"/{ORIGIN}{family.path(i)}", name))
    world.registry.put_archive("/zip/large-many", *lines)
    path = os.path.join(place, "many.zip")
    try:
        with Body(proxy, "GET", "/zip/large-many") as body:
            assert body.status == 200
            body.save(path)
    finally:
        origin.families.remove(family)
    assert len(origin.requests) == (n + 9) // 10
    with open(path, "rb") as f:
        f.seek(-22 - 20 - 56, os.SEEK_END)
        assert (f.read(4) == b"PK\6\6") == (n >= 0xFFFF)
    check_many_by_python(path, expected)
    if n != 0xFFFF - 1:  # that one is an archive like others
        zips.in_parallel(lambda: check_by_unzip(path), lambda: check_by_7z(path),
                         lambda: check_many_by_libarchive(path, expected))
    os.unlink(path)


@pytest.mark.parametrize("places", [(150_000,), (0, 40_001, 199_999)])
def test_long_stretches_without_data(proxy, world, origin, places):
    """What comes next to be fetched is looked for in turns, so that others are served meanwhile: it is found
    all the same, be it the first, the last or the only one."""
    family = Family("/zip-far/", 200_000)
    origin.families.append(family)
    lines = [entry(family.of(i) if i in places else b"", f"/{ORIGIN}{family.path(i)}", f"f{i}")
             for i in range(family.n)]
    world.registry.put_archive("/zip/large-far", *lines)
    try:
        with Body(proxy, "GET", "/zip/large-far") as body:
            data = b"".join(bytes(p) for p in body.pieces())
    finally:
        origin.families.remove(family)
    assert {r.target for r in origin.requests} == {family.path(i) for i in places}
    assert len(origin.requests) == len(places)
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        infos = z.infolist()
        assert [i.filename for i in infos] == [f"f{i}" for i in range(family.n)]
        assert [(i, z.read(x)) for i, x in enumerate(infos) if x.file_size] == [(i, family.of(i)) for i in places]


def check_many_by_python(path, expected):
    with zipfile.ZipFile(path) as z:
        assert z.testzip() is None
        infos = z.infolist()
        assert [(i.filename, i.CRC, i.file_size) for i in infos] == [
            (name, zlib.crc32(data or b""), len(data or b"")) for name, data in expected]


def check_many_by_libarchive(path, expected):
    want = [(n, len(d or b""), (zlib.crc32(d or b""), len(d or b""))) for n, d in expected]
    for kind in ("zip_streamable", "zip_seekable"):
        with Libarchive(path, kind) as archive:
            found = [(n, size, seen) for n, _, size, seen in archive.entries()]
        # the seekable reader goes by offset, which is the same order
        assert found == want, kind

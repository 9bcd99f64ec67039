"""Archives for the tests: what the registry lists, how it comes through penstock, and who reads it. Every reader
must take the archive without a warning, and find the bytes that were put there."""

import ctypes
import ctypes.util
import os
import shutil
import stat
import subprocess
import threading
import zipfile
import zlib

from helpers import ORIGIN, Conn, request_bytes
from lab import http
from lab.registry import KNOWN, directory, entry

ENV = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
ETAG = '"archive-7"'
MODIFIED = "Tue, 15 Nov 1994 08:12:31 GMT"
FIELDS = [("ETag", ETAG), ("Last-Modified", MODIFIED)]  # of a response that may be continued
FILE, FOLDER = 0o100644, 0o040755
PIECE = 1 << 18
HOLE = 16384
ZERO = bytes(HOLE)


class Listing:
    """A manifest under way, and what must be in the archive: [(name, bytes or None for a directory)]."""

    def __init__(self, world, path):
        self.world, self.path = world, path
        self.lines, self.expected, self.targets = [], [], []

    def add(self, name, data=b"", target=None, crc=KNOWN, host=ORIGIN, is_there=True):
        """target: as S3 shall see it, query included. Its object is put there under the path alone."""
        target = f"{self.path}/{len(self.lines)}" if target is None else target
        if is_there:
            self.world.origin.put(target.split("?")[0], data)
        self.lines.append(entry(data, f"/{host}{target}", name, crc))
        self.expected.append((name, data))
        self.targets += [target] if data else []
        return self

    def add_directory(self, name):
        self.lines.append(directory(name))
        self.expected.append((name if name.endswith("/") else name + "/", None))
        return self

    def publish(self, **how):
        return self.world.registry.put_archive(self.path, *self.lines, **how)

    def asked(self):
        """What S3 was asked for this archive, in order."""
        return [r.target for r in self.world.origin.requests]


class Body:
    """A response whose body was not read yet."""

    def __init__(self, proxy, method, target, headers=(), body=None, timeout=60.0):
        self.conn = Conn(proxy, timeout)
        self.conn.send(request_bytes(method, target, headers, body))
        self.resp = http.Response(self.conn.wire.head())
        self.status, self.headers = self.resp.status, self.resp.headers
        self.length = int(self.headers.get("content-length", -1))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.conn.sock.close()

    def pieces(self):
        """All of it, as it comes. The view is good until the next one."""
        left = self.length
        have = bytes(self.conn.wire.buf)
        assert len(have) <= left
        if have:
            left -= len(have)
            yield memoryview(have)
        buf = memoryview(bytearray(PIECE))
        while left:
            n = self.conn.sock.recv_into(buf[:min(left, PIECE)])
            assert n, f"cut with {left} of {self.length} bytes to come"
            left -= n
            yield buf[:n]

    def save(self, path):
        """To a file that has holes where there is nothing but zeros."""
        with open(path, "wb", buffering=0) as f:
            for piece in self.pieces():
                for at in range(0, len(piece), HOLE):
                    part = bytes(piece[at:at + HOLE])
                    if part == ZERO:
                        f.seek(HOLE, os.SEEK_CUR)
                    else:
                        f.write(part)
            f.truncate(f.tell())
        return path


def run(*args, code=0, **kw):
    """A reader's run; its output. Any other exit code is the test's failure."""
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENV, check=False,
                          timeout=120, **kw)
    out = done.stdout.decode(errors="replace")
    assert done.returncode == code, f"{' '.join(args)}: exit {done.returncode}\n{out[-3000:]}"
    return out


def last_of_each(expected):
    """What a tree of files shows: of entries with one name, the last."""
    return {name.rstrip("/"): data for name, data in expected}


def check_tree(folder, expected):
    """The folder has exactly these files, with these bytes and these rights."""
    want = last_of_each(expected)
    for name, data in want.items():
        path = os.path.join(folder, name)
        mode = os.stat(path).st_mode
        if data is None:
            assert stat.S_ISDIR(mode), name
        else:
            assert stat.S_ISREG(mode), name
            with open(path, "rb") as f:
                assert f.read() == data, name
    found = {os.path.relpath(os.path.join(base, f), folder) for base, _, files in os.walk(folder) for f in files}
    assert found == {n for n, data in want.items() if data is not None}


def by_unzip(path, expected, folder):
    if not expected:
        assert "zipfile is empty" in run("unzip", "-t", path, code=1)
        return
    out = run("unzip", "-t", path)
    assert "No errors detected" in out and "warning" not in out.lower() and "error:" not in out, out
    out = run("unzip", "-o", path, "-d", folder)
    assert "warning" not in out.lower(), out
    check_tree(folder, expected)


def by_7z(path, expected, folder):
    out = run("7z", "t", "-bd", path)
    assert "Everything is Ok" in out and "arning" not in out and "rror" not in out, out
    if expected:
        out = run("7z", "x", "-bd", "-y", "-aoa", "-o" + folder, path)
        assert "arning" not in out and "rror" not in out, out
        check_tree(folder, expected)


def by_bsdtar(path, expected, folder):
    assert run("bsdtar", "-xf", path, "-C", folder) == ""
    check_tree(folder, expected)


def by_bsdtar_streamed(path, expected, folder):
    """A pipe: only what stands before the data can be known."""
    with open(path, "rb") as f, subprocess.Popen(["cat"], stdin=f, stdout=subprocess.PIPE) as cat:
        assert run("bsdtar", "-xf", "-", "-C", folder, stdin=cat.stdout) == ""
    check_tree(folder, expected)


def by_python(path, expected, _folder):
    with zipfile.ZipFile(path) as z:
        assert z.testzip() is None
        assert [i.filename for i in z.infolist()] == [name for name, _ in expected]
        for info, (name, data) in zip(z.infolist(), expected, strict=True):
            assert z.read(info) == (data or b""), name
            check_info(info, data is None)


def check_info(info, is_directory):
    assert info.is_dir() == is_directory
    assert info.external_attr >> 16 == (FOLDER if is_directory else FILE), oct(info.external_attr >> 16)
    assert bool(info.external_attr & 0x10) == is_directory
    assert info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size
    assert info.filename.isascii() or info.flag_bits & 0x800, "the name must be marked as UTF-8"


class Libarchive:
    """The library itself, where a warning is a failure. kind: what reads the format, zip_streamable or
    zip_seekable; each is the only one that may."""

    _lib = ctypes.CDLL(ctypes.util.find_library("archive") or "libarchive.so.13")
    for _name in ("archive_read_new", "archive_error_string", "archive_entry_pathname_utf8"):
        getattr(_lib, _name).restype = ctypes.c_void_p
    _lib.archive_read_data.restype = ctypes.c_ssize_t
    _lib.archive_entry_size.restype = ctypes.c_int64

    def __init__(self, path, kind):
        self.handle = ctypes.c_void_p(self._lib.archive_read_new())
        self._ok(getattr(self._lib, f"archive_read_support_format_{kind}")(self.handle))
        self._ok(self._lib.archive_read_open_filename(self.handle, path.encode(), ctypes.c_size_t(PIECE)))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._lib.archive_read_free(self.handle)

    def _ok(self, code):
        if code < 0:
            error = self._lib.archive_error_string(self.handle)
            raise AssertionError(f"libarchive: {code}: {ctypes.string_at(error) if error else ''}")
        return code

    def entries(self):
        """(name, mode, size, CRC and length of the data that came) of each."""
        item = ctypes.c_void_p()
        buf = ctypes.create_string_buffer(PIECE)
        view = memoryview(buf)
        while self._ok(self._lib.archive_read_next_header(self.handle, ctypes.byref(item))) == 0:
            name = ctypes.string_at(self._lib.archive_entry_pathname_utf8(item)).decode()
            mode, size = self._lib.archive_entry_mode(item), self._lib.archive_entry_size(item)
            crc = length = 0
            while n := self._ok(self._lib.archive_read_data(self.handle, buf, ctypes.c_size_t(PIECE))):
                crc = zlib.crc32(view[:n], crc)
                length += n
            yield name, mode, size, (crc, length)


def by_libarchive(kind):
    def read(path, expected, _folder):
        if kind == "zip_seekable" and not expected:
            return  # it knows no archive without a central directory
        with Libarchive(path, kind) as archive:
            found = [(name, mode if kind == "zip_seekable" else 0, size, seen)
                     for name, mode, size, seen in archive.entries()]
        want = [(name, 0 if kind != "zip_seekable" else FOLDER if data is None else FILE, len(data or b""),
                 (zlib.crc32(data or b""), len(data or b""))) for name, data in expected]
        assert found == want
    return read


READERS = {"unzip": by_unzip, "7z": by_7z, "python": by_python, "bsdtar": by_bsdtar,
           "bsdtar streamed": by_bsdtar_streamed, "libarchive seekable": by_libarchive("zip_seekable"),
           "libarchive streamed": by_libarchive("zip_streamable")}


def check_all(data, expected, folder, readers=READERS):
    """data: the archive. folder: of the test, empty."""
    path = os.path.join(folder, "archive.zip")
    with open(path, "wb") as f:
        f.write(data)
    for name in readers:
        out = os.path.join(folder, "out")
        os.mkdir(out)
        try:
            READERS[name](path, expected, out)
        except Exception as error:
            raise AssertionError(f"{name}: {error}") from error
        shutil.rmtree(out)


def in_parallel(*jobs):
    """Runs each; the first failure is raised."""
    failures = []

    def one(job):
        try:
            job()
        except BaseException as error:  # pylint: disable=broad-except
            failures.append(error)
    threads = [threading.Thread(target=one, args=(job,)) for job in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]

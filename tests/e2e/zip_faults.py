"""An origin that does wrong, by a script for each object, and an archive of which all bytes are known: what came of it is
whole, refused, or visibly cut."""

import contextlib
import io
import time
import zipfile
from types import SimpleNamespace

from helpers import error_of, eventually, fetch
from lab.origin import Cut, Origin, random_bytes
from zips import Listing

MIB = 1 << 20
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


# What an origin may do wrong

def answer(request, wire, blob, stop=None, how="fin", etag=None, announced=None, chunked=False, pace=None, plain=False):
    """blob as an S3 server sends it, ranges too, but for: stop: so many bytes, then the connection ends (how);
    etag: another line, b"" for none; announced: another Content-Length; pace: (bytes, seconds); plain: no range."""
    first, last, status, extra = 0, blob.size - 1, 200, b""
    if (field := request.headers.get("range")) and not plain:
        first, last = (int(n) for n in field[6:].split("-"))
        if first >= blob.size:
            Origin.send(wire, 416, b"<Error><Code>InvalidRange</Code></Error>")
            return True
        last = min(last, blob.size - 1)
        status, extra = 206, b"Content-Range: bytes %d-%d/%d\r\n" % (first, last, blob.size)
    data = b"".join(blob.pieces(first, last + 1))
    line = b"ETag: %s\r\n" % blob.etag.encode() if etag is None else etag
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (announced or len(data))
    wire.sock.sendall(b"HTTP/1.1 %d X\r\n%s%s%s\r\n\r\n" % (status, extra, line, length))
    part = data[:stop]
    step, seconds = pace or (len(part) or 1, 0)
    for at in range(0, len(part), step):
        piece = part[at:at + step]
        wire.sock.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        time.sleep(seconds)
    if stop is not None:
        raise Cut(how)
    wire.sock.sendall(b"0\r\n\r\n" if chunked else b"")
    return True


def say(status, *headers, body=SLOW_DOWN):
    def act(request, wire, blob):
        Origin.send(wire, status, body, *headers)
        return True
    return act


def send(blob=None, **how):
    """answer(), of another object where one is given."""
    return lambda request, wire, own: answer(request, wire, blob or own, **how)


def well(request, wire, blob):
    return answer(request, wire, blob)


def stall(request, wire, blob):
    """Half of what is asked for, and then nothing for a long time."""
    with contextlib.suppress(Cut):
        answer(request, wire, blob, stop=min(blob.size // 2, 100_000), how="wait")
    mute(request, wire)


def mute_body(request, wire, blob):
    """A head, and nothing behind it."""
    with contextlib.suppress(Cut):
        answer(request, wire, blob, stop=0, how="wait")
    mute(request, wire)


def mute(request, wire, blob=None):
    """Not a byte, until the other side has enough."""
    wire.sock.settimeout(12)
    wire.fill()
    raise Cut("rst")


class Script:
    """What the origin does for each target, try by try; the last act is for ever."""

    def __init__(self, origin, **acts_of):
        self.origin, self.acts = origin, {}
        self.times = {}
        origin.respond = self.respond

    def on(self, target, *acts):
        self.acts[target] = list(acts)
        self.times[target] = []
        return self

    def respond(self, request, wire):
        acts = self.acts.get(request.target)
        if not acts:
            return False
        self.times[request.target].append(time.monotonic())
        act = acts.pop(0) if len(acts) > 1 else acts[0]
        return act(request, wire, self.origin.find(request.target))

    def n(self, target):
        return len(self.times[target])


CUT = SimpleNamespace(status=None, clean=False, body=b"")


class Good:
    """An archive whose parts are all right so far; its bytes are kept to compare with."""

    def __init__(self, world, proxy, path, entries, **unknown):
        self.world, self.proxy, self.path = world, proxy, path
        self.listing = Listing(world, path)
        self.target = {}
        for name, data in entries:
            self.listing.add(name, data, **({"crc": None} if name in unknown else {}))
            self.target[name] = f"{path}/{len(self.target)}"
        self.listing.publish(headers=[("ETag", '"good"')])
        self.n_lines = len([x for x in proxy.access() if x.get("path") == path])
        resp, _ = self.take()
        assert resp.status == 200 and resp.clean, resp
        self.body = resp.body
        with zipfile.ZipFile(io.BytesIO(self.body)) as z:
            assert z.testzip() is None
            self.infos = {i.filename: i for i in z.infolist()}

    def data_of(self, name):
        """[first, end) of the entry's data in the archive."""
        at = self.infos[name].header_offset
        n = int.from_bytes(self.body[at + 26:at + 28], "little") + int.from_bytes(self.body[at + 28:at + 30], "little")
        return at + 30 + n, at + 30 + n + self.infos[name].file_size

    def take(self, headers=()):
        """(response, access line). A reset may overtake the head: then status is None."""
        try:
            resp = fetch(self.proxy, "GET", self.path, headers)
        except ConnectionResetError:
            resp = CUT
        lines = eventually(lambda: [x for x in self.proxy.access() if x.get("path") == self.path][self.n_lines:],
                           5, "the access line")
        self.n_lines += 1
        assert len(lines) == 1
        return resp, lines[0]

    def is_whole(self, headers=()):
        resp, line = self.take(headers)
        assert resp.status == 200 and resp.clean and resp.body == self.body, (resp, line)
        assert line["end"] == "ok", line
        return line

    def is_refused(self, name, *words, ends, status=502):
        """A real error before any 200: the reason and the entry's name are in it."""
        resp, line = self.take()
        assert resp.status == status and resp.clean, (resp, line)
        message = error_of(resp)[1]
        for word in (name, *words):
            assert word in message, message
        assert line["end"] in ends and line["status"] == status and name in line["detail"], line
        return line

    def is_cut(self, name, *words, ends, headers=(), is_prefix=True):
        """A 200 that ends too early: what came is right as far as it goes."""
        resp, line = self.take(headers)
        assert resp.status in (200, 206, None) and not resp.clean, (resp, line)
        assert not is_prefix or self.body.startswith(resp.body), "wrong bytes before the cut"
        assert line["end"] in ends, line
        for word in (name, *words):
            assert word in line["detail"], line
        return line


def entries_of(big=3 * MIB, seed=1):
    return [("first", random_bytes(1000, seed)), ("big file", random_bytes(big, seed + 1)), ("none", b""),
            ("middle", random_bytes(70_000, seed + 2)), ("last", random_bytes(700, seed + 3))]


def damaged(data, at):
    out = bytearray(data)
    out[at] ^= 1
    return bytes(out)

"""What S3 and the registry say to the requests of swap_requests.py. Everything that they say is the same each time, so that
answers through two proxies can be compared byte for byte; what they are asked is kept raw."""

import gzip
import re
from dataclasses import dataclass

from lab import http
from lab.generated import Blob
from lab.origin import Cut, random_bytes

TEXT = b"some words of a page, again and again. " * 100
BIG = random_bytes(300000)
OBJECTS = {"plain.txt": (b"plain words", "text/plain"), "page.html": (b"<html>" + TEXT, "text/html"), "data.json": (b'{"a": "' + TEXT + b'"}', "application/json"),
           "style.css": (TEXT, "text/css"), "code.js": (TEXT, "application/javascript"), "empty": (b"", "binary/octet-stream"),
           "1k.bin": (random_bytes(1000, 2), "binary/octet-stream"), "large.bin": (BIG, "binary/octet-stream"), "a%20b+c": (b"odd", "text/plain"), "a//b": (b"odder", "text/plain")}
BASE = [("Date", "Thu, 01 Jan 2026 00:00:00 GMT"), ("Server", "AmazonS3"), ("x-amz-request-id", "0123456789ABCDEF"), ("x-amz-id-2", "abc/def=")]
XML = ("Content-Type", "application/xml")
ERROR = b"<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>no</Message></Error>"


@dataclass
class Seen:
    """A request as it came: its line and fields, the body without transfer coding, and the fields behind it."""

    line: str
    fields: list
    body: bytes
    trailers: bytes


def read(request, wire):
    """The body, trailers too (lab/http.py drops them)."""
    body, trailers = b"", b""
    if "chunked" in (request.headers.get("transfer-encoding") or "").lower():
        while size := int(wire.line().split(b";")[0], 16):
            body += wire.exactly(size)
            wire.exactly(2)
        while line := wire.line():
            trailers += line + b"\n"
    else:
        body = wire.exactly(int(request.headers.get("content-length") or 0))
    return Seen(request.head.split(b"\r\n", 1)[0].decode("latin-1"),
                [(n.decode("latin-1"), v.decode("latin-1")) for n, v in request.headers.raw], body, trailers)


def say(wire, request, status, body=b"", *headers, base=BASE, reason="Reason", framing="length"):
    lines = [f"HTTP/1.1 {status} {reason}".rstrip() if reason else f"HTTP/1.1 {status} "] + [f"{n}: {v}" for n, v in [*base, *headers]]
    if framing == "length" and status not in (204, 304):
        lines.append(f"Content-Length: {len(body)}")
    lines += {"chunked": ["Transfer-Encoding: chunked"], "close": ["Connection: close"]}.get(framing, [])
    wire.sock.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
    if request.method == "HEAD" or status in (204, 304):
        return
    wire.sock.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if framing == "chunked" and body else
                      b"0\r\n\r\n" if framing == "chunked" else body)
    if framing == "close":
        raise EOFError("said that it would close")


def unwrap(wire):
    """An end that TLS tells of: what came is whole."""
    try:
        wire.sock.unwrap()
    except OSError:
        pass  # the other side closed first


class S3:
    """respond() is the hook of lab/origin.py."""

    def __init__(self):
        self.seen = []

    def respond(self, request, wire):
        self.seen.append(read(request, wire))
        path, _, query = request.target.partition("?")
        key = re.sub("^/photos/", "/", path)[1:]
        if request.method in ("GET", "HEAD") and key in OBJECTS:
            self._object(request, wire, *OBJECTS[key])
        elif found := re.match(r"status-(\d+)$", key):
            self._status(request, wire, int(found[1]))
        elif key.startswith("answer-"):
            self._odd(request, wire, key[len("answer-"):])
        elif key.startswith("broken-"):
            self._broken(wire, key[len("broken-"):])
        elif request.method in ("GET", "HEAD") and key not in ("", "photos"):
            say(wire, request, 404, ERROR % b"NoSuchKey", XML)
        elif request.method in ("GET", "HEAD"):
            say(wire, request, 200, b"<ListBucketResult>" + query.encode("latin-1").replace(b"&", b"&amp;") + b"</ListBucketResult>", XML, framing="chunked")
        elif request.method == "DELETE":
            say(wire, request, 204)
        else:
            say(wire, request, 200, b"<Done/>" if request.method == "POST" else b"", XML, ("ETag", '"e7a6"'))
        return True

    @staticmethod
    def _object(request, wire, data, kind):
        blob = Blob(data)
        tags = [("ETag", blob.etag), ("Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT"), ("Accept-Ranges", "bytes")]
        h = request.headers
        if h.get("if-match") not in (None, blob.etag) or h.get("if-unmodified-since", "").endswith("2015 00:00:00 GMT"):
            say(wire, request, 412, ERROR % b"PreconditionFailed", XML)
            return
        if h.get("if-none-match") in (blob.etag, "*") or "if-modified-since" in h:
            say(wire, request, 304, b"", *tags)
            return
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", h.get("range") or "")
        if not found or not any(found.groups()) or h.get("if-range") not in (None, blob.etag):
            say(wire, request, 200, data, *tags, ("Content-Type", kind), ("x-amz-version-id", "null"))
            return
        first, last = found.groups()
        start = int(first) if first else max(0, len(data) - int(last))
        end = min(len(data), int(last) + 1) if first and last else len(data)
        if start >= end:
            say(wire, request, 416, ERROR % b"InvalidRange", XML, ("Content-Range", f"bytes */{len(data)}"))
            return
        say(wire, request, 206, data[start:end], *tags, ("Content-Type", kind), ("Content-Range", f"bytes {start}-{end - 1}/{len(data)}"))

    @staticmethod
    def _status(request, wire, status):
        more = [("Location", "https://photos.s3.eu-west-1.amazonaws.com/moved?a=b"), ("x-amz-bucket-region", "eu-west-1")] if 300 < status < 309 and status != 304 else []
        say(wire, request, status, b"" if status in (204, 304) else ERROR % b"Status%d" % status, XML, *more)

    @staticmethod
    def _odd(request, wire, key):
        more = {"cors": [("Access-Control-Allow-Origin", "https://x.example"), ("Access-Control-Allow-Methods", "GET"), ("Access-Control-Max-Age", "5"),
                         ("Access-Control-Expose-Headers", "ETag"), ("Access-Control-Allow-Credentials", "true"), ("Vary", "Origin, Access-Control-Request-Headers")],
                "cookies": [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Path=/")],
                "odd-headers": [("x_amz_odd", "1"), ("x-amz-meta-a", "b  c"), ("x-amz-meta-u", "\xc3\xbc"), ("X-Empty", "")],
                "many-headers": [(f"x-amz-meta-{i}", "v") for i in range(60)], "big-header": [("x-amz-meta-big", "v" * 20000)],
                "gzip": [("Content-Encoding", "gzip"), ("Content-Type", "text/plain")], "interim-103": [], "cache": [("Cache-Control", "max-age=5"), ("Expires", "0"), ("Age", "3")],
                "link": [("Link", "</x>; rel=next"), ("Content-Location", "/elsewhere")], "accel": [("X-Accel-Redirect", "/robots.txt"), ("X-Accel-Expires", "5")],
                "upgrade": [("Upgrade", "h2c")], "auth": [("WWW-Authenticate", "AWS x")], "hop": [("Keep-Alive", "timeout=5"), ("Connection", "keep-alive, x-hop"), ("x-hop", "1"), ("Proxy-Authenticate", "Basic")],
                "server": [("X-Powered-By", "s3"), ("Via", "1.1 x")]}.get(key, [])
        body = gzip.compress(TEXT, mtime=0) if key == "gzip" else b'{"a":"' + TEXT * 5 + b'"}' if key == "json-large" else TEXT[:200]
        more += [] if key in ("no-type", "gzip") else [("Content-Type", "application/json" if key == "json-large" else "text/plain")]
        if key == "interim-103":
            wire.sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        if key == "chunked-trailers":
            wire.sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-t\r\n\r\n4\r\ndata\r\n0\r\nx-t: 1\r\n\r\n")
            return
        framing = "close" if key == "close" else "chunked" if key in ("chunked", "json-large", "chunked-empty") else "length"
        if key == "close-notify":
            wire.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nuntil the end")
            unwrap(wire)
            raise EOFError("ended by close")
        say(wire, request, {"unknown-status": 299, "auth": 401}.get(key, 200), b"" if key in ("chunked-empty", "content-length-0") else body, *more,
            reason=None if key == "empty-reason" else "Reason", framing=framing, base=[b for b in BASE if key != "date" or b[0] != "Date"])

    @staticmethod
    def _broken(wire, key):
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
        data = {"truncated": head + b"Content-Length: 100\r\n\r\npart", "truncated-chunked": head + b"Transfer-Encoding: chunked\r\n\r\n64\r\npart",
                "reset": b"", "garbage": b"this is no HTTP\r\n\r\n", "nothing": b"", "huge-header": head + b"X: " + b"v" * 100000 + b"\r\n\r\n",
                "two-lengths": head + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\ndata1", "http-1.0": b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end"}[key]
        wire.sock.sendall(data)
        if key == "http-1.0":
            unwrap(wire)
            raise EOFError("ended by close")
        raise Cut("rst" if key == "reset" else "fin")


class Catalog:
    """The registry: respond() is the hook of lab/registry.py, behind on_head."""

    def __init__(self, host):
        self.host = host
        self.seen = []

    def respond(self, request, wire):
        self.seen.append(Seen(request.head.split(b"\r\n", 1)[0].decode("latin-1"),
                              [(n.decode("latin-1"), v.decode("latin-1")) for n, v in request.headers.raw], bytes(request.body), b""))
        path = request.target.split("?")[0]
        base = [("Server", "gunicorn"), ("Date", "Thu, 01 Jan 2026 00:00:00 GMT")]
        cors = [("Access-Control-Allow-Origin", request.headers.get("origin") or "null"), ("Access-Control-Allow-Credentials", "true")]
        if found := re.match(r"/browse/go/(\d+)(/.*)", path):
            location = f"https://{self.host}{found[2]}?X-Amz-Signature=0a"
            say(wire, request, int(found[1]), b"moved", ("Location", location), ("Set-Cookie", "seen=1"), base=base)
        elif found := re.match("/browse/bad/(.*)", path):
            say(wire, request, 302, b"", *[("Location", x) for x in self._bad(found[1])], base=base)
        elif found := re.search(r"/status-(\d+)$", path):
            say(wire, request, int(found[1]), b"no", ("Content-Type", "text/plain"), *cors, base=base)
        elif path == "/zip/refused":
            say(wire, request, 403, b"no", ("X-Archive-Files", "zip"), ("Content-Type", "text/plain"), base=base)
        elif path == "/zip/archive":
            line = b"- 11 /%s/photos/plain.txt words.txt\r\n" % self.host.encode()
            say(wire, request, 200, line, ("X-Archive-Files", "zip"), ("Content-Disposition", 'attachment; filename="a.zip"'), base=base)
        else:
            more = [("Set-Cookie", "browse=2; Path=/browse; HttpOnly")] if "cookie" in path else []
            say(wire, request, 200, b"registry " + request.target.encode("latin-1"), ("Content-Type", "text/plain"), *more, *cors, base=base)
        return True

    def _bad(self, name):
        at = self.host
        return {"relative": ["/elsewhere"], "missing": [], "foreign": ["https://evil.test/photos/plain.txt"], "userinfo": [f"https://u:p@{at}/photos/plain.txt"], "plain": [f"http://{at}/photos/plain.txt"],
                "port": [f"https://{at}:443/photos/plain.txt"], "fragment": [f"https://{at}/photos/plain.txt#there"], "two": [f"https://{at}/photos/plain.txt", f"https://{at}/photos/1k.bin"],
                "nowhere": ["https://s3.nowhere-9.amazonaws.com/k"]}[name]

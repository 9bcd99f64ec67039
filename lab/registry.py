"""The catalog's registry as the proxy's contract describes it: manifests of archives, redirects of pages to
presigned places, the cookie that they need, and plain answers for all else. It notes what it is asked."""

import secrets
import time
import urllib.parse
import zlib
from dataclasses import dataclass, field

from lab import http

KNOWN = "known"


def entry(content, location, name, crc=KNOWN):
    """A manifest's line. content: bytes, an object of lab/generated.py, or a size; crc: None writes "-",
    a number is written as it is."""
    if isinstance(content, int):
        size = content
        if crc == KNOWN:
            assert size == 0, "the CRC of a bare size is not known"
            crc = 0
    elif isinstance(content, bytes):
        size, crc = len(content), zlib.crc32(content) if crc == KNOWN else crc
    else:
        size, crc = content.size, content.crc if crc == KNOWN else crc
    name = name.encode() if isinstance(name, str) else name
    location = location.encode() if isinstance(location, str) else location
    return b"%s %d %s %s\r\n" % (b"-" if crc is None else b"%08x" % crc, size, location, name)


def directory(name):
    return b"0 0 @directory %s\r\n" % (name.encode() if isinstance(name, str) else name)


@dataclass
class Archive:
    """What the registry says at one path under /zip, to any method. framing: length, chunked or close.
    delay: seconds before the first byte. cut_at: the connection ends after so many bytes of the manifest
    (cut_how: rst or fin). per_request(request) -> other lines, when given."""

    manifest: bytes = b""
    headers: list = field(default_factory=list)
    status: int = 200
    pass_headers: str | None = None
    framing: str = "length"
    delay: float = 0
    cut_at: int | None = None
    cut_how: str = "rst"
    per_request: object = None
    is_archive: bool = True


@dataclass
class Session:
    """/browse/SESSION/PATH is sent on to location + PATH + query, where the client has the cookie."""

    location: object  # https://HOST/PREFIX, or a function of PATH that gives the whole URL
    query: str = "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=900&X-Amz-Signature=0123abcd"
    status: int = 302
    needs_cookie: bool = True
    headers: list = field(default_factory=list)


@dataclass
class Page:
    body: bytes
    status: int = 200
    headers: list = field(default_factory=lambda: [("Content-Type", "text/html; charset=utf-8")])


def form(request):
    """The fields of a form that came: name -> last value."""
    return {k: v[-1] for k, v in urllib.parse.parse_qs(bytes(request.body).decode()).items()}


class Registry(http.Server):
    """archives, sessions and pages: by path (archives, pages) or name (sessions); tests put them there.
    respond(request, wire) -> True when it has answered itself; raise EOFError to end the connection.
    on_head(request, wire): the same, before the body of the request is read; it is read afterwards."""

    COOKIE = "browse"

    def __init__(self, host, ip, port=80, context=None):
        self.archives = {}
        self.sessions = {}
        self.pages = {}
        self.cookies = set()
        self.cookie_attributes = "Path=/browse; HttpOnly"
        self.reset_hooks()
        super().__init__(host, ip, port, context)

    def reset_hooks(self):
        self.requests = []
        self.respond = None
        self.on_head = None

    def put_archive(self, path, *lines, **how):
        self.archives[path] = Archive(b"".join(lines), **how)
        return self.archives[path]

    def asked(self, path):
        """The requests for this path, whatever their query."""
        return [r for r in self.requests if r.target.split("?")[0] == path]

    def serve(self, wire, number):
        while head := wire.head():
            request = http.Request(head, number)
            self.requests.append(request)
            if "100-continue" in (request.headers.get("expect") or ""):
                wire.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            is_answered = self.on_head and self.on_head(request, wire)
            for _ in request.pieces(wire):
                pass
            if is_answered:
                continue
            if self.respond and self.respond(request, wire):
                continue
            self._answer(request, wire)

    def _answer(self, request, wire):
        path = request.target.split("?")[0]
        if path in self.archives:
            self._archive(request, wire, self.archives[path])
        elif path in self.pages:
            page = self.pages[path]
            send(wire, request, page.status, page.body, *page.headers)
        elif path == "/browse/set_browse_cookie":
            self._set_cookie(request, wire)
        elif path.startswith("/browse/"):
            self._browse(request, wire, path)
        else:
            send(wire, request, 200, b"registry " + request.target.encode("latin-1"),
                 ("Content-Type", "application/xml"))

    def _archive(self, request, wire, archive):
        body = archive.per_request(request) if archive.per_request else archive.manifest
        headers = [("X-Archive-Files", "zip")] if archive.is_archive else []
        if archive.pass_headers is not None:
            headers.append(("X-Archive-Pass-Headers", archive.pass_headers))
        time.sleep(archive.delay)
        send(wire, request, archive.status, body, *headers, *archive.headers, framing=archive.framing,
             cut_at=archive.cut_at, cut_how=archive.cut_how)

    def _set_cookie(self, request, wire):
        """A page of another origin asks with credentials: it must be named, a star does not do."""
        cors = [("Access-Control-Allow-Origin", request.headers.get("origin") or "null"),
                ("Access-Control-Allow-Credentials", "true"), ("Vary", "Origin")]
        if request.method == "OPTIONS":
            for asked, allowed in (("Method", "Methods"), ("Headers", "Headers")):
                if wanted := request.headers.get(f"access-control-request-{asked}"):
                    cors.append((f"Access-Control-Allow-{allowed}", wanted))
            send(wire, request, 200, b"", *cors)
        elif request.method == "POST":
            value = secrets.token_hex(8)
            self.cookies.add(value)
            cookie = f"{self.COOKIE}={value}; {self.cookie_attributes}"
            send(wire, request, 200, b"{}", ("Content-Type", "application/json"), ("Set-Cookie", cookie), *cors)
        else:
            send(wire, request, 405, b"", *cors)

    def _browse(self, request, wire, path):
        name, _, rest = path[len("/browse/"):].partition("/")
        session = self.sessions.get(name)
        if session is None:
            send(wire, request, 404, b"no such session")
        elif session.needs_cookie and not self._has_cookie(request):
            send(wire, request, 403, b"the cookie is missing")
        else:
            whole = session.location(rest) if callable(session.location) else session.location + rest + session.query
            send(wire, request, session.status, b"", ("Location", whole), *session.headers)

    def _has_cookie(self, request):
        pairs = "; ".join(request.headers.all("cookie")).split("; ")
        return any(p == f"{self.COOKIE}={v}" for p in pairs for v in self.cookies)


def send(wire, request, status, body, *headers, framing="length", cut_at=None, cut_how="rst"):
    """An answer in one of the three framings; none has a body to HEAD. Ends the connection where told."""
    lines = [b"HTTP/1.1 %d X" % status] + [f"{n}: {v}".encode("latin-1") for n, v in headers]
    if not any(n.lower() == "content-type" for n, _ in headers):
        lines.append(b"Content-Type: text/plain")
    lines.append({"length": b"Content-Length: %d" % len(body), "chunked": b"Transfer-Encoding: chunked",
                  "close": b"Connection: close"}[framing])
    wire.sock.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
    if request.method != "HEAD":
        part = body if cut_at is None else body[:cut_at]
        if framing == "chunked":
            for at in range(0, len(part), 65521):
                piece = part[at:at + 65521]
                wire.sock.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            wire.sock.sendall(b"0\r\n\r\n" if cut_at is None else b"")
        else:
            wire.sock.sendall(part)
        if cut_at is not None and cut_how == "rst":
            http.reset(wire.sock)
        if cut_at is not None or framing == "close":
            raise EOFError("ended here, as told")
    elif framing == "close":
        raise EOFError("said that it would close")

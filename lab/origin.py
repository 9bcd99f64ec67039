"""An S3-like TLS origin that does what it is told: objects from memory, and faults on request."""

import random
import threading

from lab import http
from lab.generated import Blob


def random_bytes(n, seed=1):
    return random.Random(seed).randbytes(n)


class Cut(Exception):
    """Raised in a hook: end the connection now. how: 'rst' or 'fin' (without close_notify)."""

    def __init__(self, how="rst"):
        self.how = how


class Origin(http.Server):
    """objects: path -> Blob or Generated; families: rules for many (lab/generated.py). A request's `sent` counts
    the body bytes that went out for it. Hooks, all optional and replaced by tests:
    respond(request, wire) -> True when it has answered itself (raise Cut to end the connection);
    cut_at(request, start, end) -> offset in the object at which the connection dies, or None;
    on_head(request): runs before the body of a request is read."""

    def __init__(self, host, ip, port=443, context=None):
        self.objects = {}
        self.families = []
        self.reset_hooks()
        super().__init__(host, ip, port, context)

    def reset_hooks(self):
        self.requests = []
        self.respond = None
        self.cut_at = None
        self.on_head = None

    def put(self, path, data, etag=None):
        """data: bytes, or an object."""
        self.objects[path] = Blob(data, etag) if isinstance(data, (bytes, bytearray)) else data
        return self.objects[path]

    def find(self, path):
        found = self.objects.get(path)
        for family in self.families:
            found = found or family.find(path)
        return found

    def serve(self, wire, number):
        try:
            while head := wire.head():
                request = http.Request(head, number)
                self.requests.append(request)
                if self.on_head:
                    self.on_head(request)
                if "100-continue" in (request.headers.get("expect") or ""):
                    wire.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                if self.respond and self.respond(request, wire):
                    continue
                for _ in request.pieces(wire):
                    pass
                self._answer(request, wire)
        except Cut as cut:
            if cut.how == "rst":
                http.reset(wire.sock)
            else:
                http.hard_close(wire.sock)

    def _answer(self, request, wire):
        path = request.target.split("?")[0]
        if request.method == "PUT":
            blob = self.put(path, bytes(request.body))
            self.send(wire, 200, b"", ("ETag", blob.etag))
            return
        blob = self.find(path)
        if request.method not in ("GET", "HEAD") or blob is None:
            body = b"<Error><Code>NoSuchKey</Code><Message>%s</Message></Error>" % path.encode("latin-1")
            self.send(wire, 404, body if request.method != "HEAD" else b"")
            return
        if self._precondition_failed(request, blob, wire):
            return
        self._send_blob(request, blob, wire)

    def _precondition_failed(self, request, blob, wire):
        match = request.headers.get("if-match")
        if match and match != blob.etag:
            self.send(wire, 412, b"<Error><Code>PreconditionFailed</Code></Error>")
            return True
        none = request.headers.get("if-none-match")
        if none and none == blob.etag:
            wire.sock.sendall(b"HTTP/1.1 304 Not Modified\r\nETag: %s\r\n\r\n" % blob.etag.encode())
            return True
        return False

    def _send_blob(self, request, blob, wire):
        start, end, status, extra = 0, blob.size, 200, b""
        spec = request.headers.get("range")
        if spec and spec.startswith("bytes="):
            first, _, last = spec[6:].partition("-")
            start = int(first) if first else max(0, end - int(last))
            end = min(end, int(last) + 1) if first and last else end
            if start >= blob.size:
                self.send(wire, 416, b"<Error><Code>InvalidRange</Code></Error>")
                return
            status, extra = 206, b"Content-Range: bytes %d-%d/%d\r\n" % (start, end - 1, blob.size)
        head = (b"HTTP/1.1 %d OK\r\nContent-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\n"
                b"ETag: %s\r\nx-amz-request-id: ORIGIN%06d\r\nContent-Length: %d\r\n%s\r\n"
                % (status, blob.etag.encode(), len(self.requests), end - start, extra))
        wire.sock.sendall(head)
        if request.method == "HEAD":
            return
        cut = self.cut_at(request, start, end) if self.cut_at else None
        for piece in blob.pieces(start, end if cut is None else min(cut, end)):
            wire.sock.sendall(piece)
            request.sent += len(piece)
        if cut is not None:
            raise Cut(random.choice(("rst", "fin")))

    @staticmethod
    def send(wire, status, body, *headers):
        lines = b"".join(f"{n}: {v}\r\n".encode() for n, v in headers)
        wire.sock.sendall(b"HTTP/1.1 %d X\r\nContent-Type: application/xml\r\n%sContent-Length: %d\r\n\r\n%s"
                          % (status, lines, len(body), body))


class Flag:
    """A condition that threads set and tests wait for."""

    def __init__(self):
        self.event = threading.Event()

    def set(self):
        self.event.set()

    def wait(self, timeout=10.0):
        assert self.event.wait(timeout), "the expected moment did not come"

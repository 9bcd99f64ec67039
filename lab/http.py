"""Just enough HTTP/1.1 for servers and clients that must see, and send, the very bytes on the wire."""

import socket
import ssl
import struct
import threading


class Wire:
    """A socket with a read buffer."""

    def __init__(self, sock):
        self.sock = sock
        self.buf = bytearray()
        self.before_fill = None

    def fill(self, n=262144):
        if self.before_fill:
            self.before_fill()
        data = self.sock.recv(n)
        self.buf += data
        return len(data)

    def head(self):
        """The bytes up to and with the empty line; b'' at a clean end. EOFError inside a head."""
        start = 0
        while True:
            at = self.buf.find(b"\r\n\r\n", start)
            if at >= 0:
                out = bytes(self.buf[:at + 4])
                del self.buf[:at + 4]
                return out
            start = max(0, len(self.buf) - 3)
            if not self.fill():
                if self.buf:
                    raise EOFError("inside a head: %r" % bytes(self.buf[:200]))
                return b""

    def line(self):
        while (at := self.buf.find(b"\r\n")) < 0:
            if not self.fill():
                raise EOFError("inside a line")
        out = bytes(self.buf[:at])
        del self.buf[:at + 2]
        return out

    def some(self, limit):
        if not self.buf and not self.fill(min(limit, 262144)):
            raise EOFError("inside a body")
        out = bytes(self.buf[:limit])
        del self.buf[:limit]
        return out

    def exactly(self, n):
        parts = []
        while n:
            parts.append(self.some(n))
            n -= len(parts[-1])
        return b"".join(parts)

    def chunks(self):
        """A chunked body's data, piece by piece, without the framing; the trailer section is dropped."""
        while size := int(self.line().split(b";")[0], 16):
            while size:
                piece = self.some(size)
                size -= len(piece)
                yield piece
            self.exactly(2)
        while self.line():
            pass

    def rest(self):
        out = bytes(self.buf)
        self.buf.clear()
        parts = [out]
        while data := self.sock.recv(262144):
            parts.append(data)
        return b"".join(parts)


def fields(head):
    """[(name, value)] as bytes, in order, untouched but for the white space around the value."""
    out = []
    for line in head.split(b"\r\n")[1:]:
        if line:
            name, _, value = line.partition(b":")
            out.append((name, value.strip(b" \t")))
    return out


class Headers:
    def __init__(self, head):
        self.raw = fields(head)

    def all(self, name):
        return [v.decode("latin-1") for n, v in self.raw if n.decode("latin-1").lower() == name.lower()]

    def get(self, name, default=None):
        found = self.all(name)
        return found[0] if found else default

    def __contains__(self, name):
        return bool(self.all(name))


class Request:
    """A request as a server saw it. `body` fills while it arrives, without transfer coding; `sent` is for servers
    that count the body bytes of their answer."""

    def __init__(self, head, conn):
        self.head = head
        self.conn = conn
        line = head.split(b"\r\n", 1)[0]
        self.method, self.target, self.version = (p.decode("latin-1") for p in line.split(b" "))
        self.headers = Headers(head)
        self.body = bytearray()
        self.complete = False
        self.verdict = None
        self.sent = 0

    def pieces(self, wire):
        """The body's pieces; also kept in self.body."""
        if "chunked" in (self.headers.get("transfer-encoding") or "").lower():
            source = wire.chunks()
        else:
            left = int(self.headers.get("content-length") or 0)

            def counted():
                nonlocal left
                while left:
                    piece = wire.some(left)
                    left -= len(piece)
                    yield piece
            source = counted()
        for piece in source:
            self.body += piece
            yield piece
        self.complete = True


class Response:
    """A response as a client saw it. `clean` is False when the connection died inside it."""

    def __init__(self, head):
        self.head = head
        self.status = int(head.split(b" ", 2)[1])
        self.headers = Headers(head)
        self.body = b""
        self.clean = False

    def __repr__(self):
        return f"<{self.status} {len(self.body)} bytes {self.body[:300]!r}>"


def read_response(wire, method="GET", interim=None):
    """The next final response. Interim ones go into the list `interim`. A cut is told by clean=False."""
    while True:
        head = wire.head()
        if not head:
            raise EOFError("closed without a response")
        resp = Response(head)
        if resp.status >= 200:
            break
        if interim is not None:
            interim.append(resp)
    parts = []
    try:
        if method == "HEAD" or resp.status in (204, 304):
            pass
        elif "chunked" in (resp.headers.get("transfer-encoding") or ""):
            for piece in wire.chunks():
                parts.append(piece)
        elif "content-length" in resp.headers:
            left = int(resp.headers.get("content-length"))
            while left:
                parts.append(wire.some(left))
                left -= len(parts[-1])
        else:
            parts.append(wire.rest())
        resp.clean = True
    except (EOFError, OSError) as error:
        resp.error = error
    resp.body = b"".join(parts)
    return resp


def reset(sock):
    """Close with RST."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    hard_close(sock)


def hard_close(sock):
    """Close the TCP connection as it is, without close_notify."""
    if isinstance(sock, ssl.SSLSocket):
        try:
            sock = socket.socket(fileno=sock.detach())
        except OSError:
            return
    sock.close()


class Server:
    """A threaded server, TLS if it is given a context. Subclasses write `serve(wire, number)`."""

    def __init__(self, host, ip, port, context=None):
        self.host, self.ip, self.port, self.context = host, ip, port, context
        self.lock = threading.Lock()
        self.open = {}
        self.reached = {}  # connection number -> the address of ours that was dialled
        self.n_accepted = 0
        self.refusing = False
        self.listener = host.listen(port, ip)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            if self.refusing:
                reset(sock)
                continue
            with self.lock:
                self.n_accepted += 1
                number = self.n_accepted
                self.reached[number] = sock.getsockname()[0]
            threading.Thread(target=self._run, args=(sock, number), daemon=True).start()

    def _run(self, sock, number):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                sock.settimeout(30)
                sock = self.context.wrap_socket(sock, server_side=True)
                sock.settimeout(None)
            with self.lock:
                self.open[number] = sock
            self.serve(Wire(sock), number)
        except (OSError, EOFError, ValueError):
            pass
        finally:
            with self.lock:
                self.open.pop(number, None)
            try:
                sock.close()
            except OSError:
                pass

    def drop_all(self):
        """Reset every open connection."""
        with self.lock:
            socks = list(self.open.values())
        for sock in socks:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        """Stop listening and reset every connection: the server is dead."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.drop_all()

    def start(self):
        self.listener = self.host.listen(self.port, self.ip)
        threading.Thread(target=self._accept, daemon=True).start()

"""Small things that many tests use."""

import time

from lab import http, sigv4

S3RVER = "s3.us-east-1.amazonaws.com"
MOTO = "s3.us-west-2.amazonaws.com"
ORIGIN = "s3.eu-west-1.amazonaws.com"
EXPOSED = ("Content-Length, Content-Range, ETag, x-amz-meta-helium, x-amz-bucket-region, x-amz-delete-marker, "
           "x-amz-request-id, x-amz-version-id, x-amz-storage-class, x-amz-restore")


class Conn:
    """A client's connection to penstock on which exact bytes are sent."""

    def __init__(self, proxy, timeout=20.0, ip=None, rcvbuf=None):
        host = proxy.host.net.hosts["client"]
        self.sock = host.connect((ip or proxy.ip, proxy.port), timeout, rcvbuf)
        self.wire = http.Wire(self.sock)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def ask(self, method, target, headers=(), body=None):
        self.send(request_bytes(method, target, headers, body))
        return self.response(method)

    def response(self, method="GET", interim=None):
        return http.read_response(self.wire, method, interim)

    def ended(self, timeout=5.0):
        """True when the peer closed (either way) within the time, without sending more."""
        self.sock.settimeout(timeout)
        try:
            return self.sock.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True


def request_bytes(method, target, headers=(), body=None):
    lines = [f"{method} {target} HTTP/1.1".encode("latin-1")]
    names = {n.lower() for n, _ in headers}
    if "host" not in names:
        lines.append(b"Host: penstock")
    lines += [f"{n}: {v}".encode("latin-1") for n, v in headers]
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def fetch(proxy, method, target, headers=(), body=None, timeout=20.0):
    """One request on a connection of its own. resp.seconds is what the client waited."""
    began = time.monotonic()
    with Conn(proxy, timeout) as conn:
        resp = conn.ask(method, target, headers, body)
    resp.seconds = time.monotonic() - began
    return resp


def eventually(condition, timeout=10.0, what="the condition"):
    """Poll until condition() is true; returns its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come true within {timeout} s"
        time.sleep(0.01)


def occupy(proxy, n):
    """n connections that have been served and stay open. Earlier ones may still be counted for a moment."""
    conns = []

    def one_more():
        conn = Conn(proxy)
        if conn.ask("GET", "/").status == 200:
            conns.append(conn)
        else:
            conn.sock.close()
        return len(conns) == n
    eventually(one_more, 5, f"{n} connections")
    return conns


def check_cors(resp, allow_headers=None, allow_method=None):
    """Exactly one of each CORS header, as the contract has them."""
    h = resp.headers
    assert h.all("access-control-allow-origin") == ["*"], resp.head
    assert h.all("access-control-expose-headers") == [EXPOSED], resp.head
    assert h.all("access-control-max-age") == ["3000"], resp.head
    assert h.all("access-control-allow-headers") == ([allow_headers] if allow_headers else []), resp.head
    assert h.all("access-control-allow-methods") == ([allow_method] if allow_method else []), resp.head


def error_of(resp):
    """(Code, Message) of an S3-shaped XML error."""
    import xml.etree.ElementTree as tree
    root = tree.fromstring(resp.body)
    assert root.tag == "Error", resp.body
    return root.findtext("Code"), root.findtext("Message")


def signed_right(requests, kinds=("header",)):
    """All of these requests arrived complete, with signatures and payload digests that hold."""
    assert requests
    for r in requests:
        assert r.verdict.error is None and r.verdict.kind in kinds, (r.head, r.verdict.kind, r.verdict.error)
        assert r.complete, r.head
        sigv4.payload_of(r)
    return requests

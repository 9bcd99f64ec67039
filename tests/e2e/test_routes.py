"""The route table of the contract, methods, and which headers travel."""

import pytest

import helpers
from helpers import ORIGIN, Conn, fetch
from lab import origin as o


@pytest.fixture
def origin(world, proxy):
    world.origin.reset_hooks()
    world.origin.put("/routes/object", b"here")
    return world.origin


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "ANY-TOKEN"])
def test_root_by_any_method(proxy, method):
    resp = fetch(proxy, method, "/", body=b"" if method in ("POST", "PUT") else None)
    assert resp.status == 200
    assert resp.headers.get("content-type").startswith("text/plain")
    assert resp.body == (b"" if method == "HEAD" else b"S3 Proxy")


def test_robots(proxy):
    resp = fetch(proxy, "GET", "/robots.txt")
    assert resp.status == 200 and resp.headers.get("content-type").startswith("text/plain")
    assert resp.body == b"User-agent: *\nDisallow: /\n"


def test_root_while_everything_is_down(world, start):
    from lab.dns import Scripted
    world.scripted.behave = Scripted.silent
    world.aws_host.silence()
    proxy = start(servers=("10.0.2.54",))
    resp = fetch(proxy, "GET", "/")
    assert resp.status == 200 and resp.seconds < 0.2


@pytest.mark.parametrize("target, seen", [
    (f"/{ORIGIN}", "/"), (f"/{ORIGIN}/", "/"), (f"/{ORIGIN}?a=b", "/?a=b"), (f"/{ORIGIN}?", "/?"),
    (f"/{ORIGIN}/routes/object?x=/../y", "/routes/object?x=/../y"),
    ("/S3.EU-West-1.amazonAWS.com/routes/object", "/routes/object"),
    (f"/bucket.{ORIGIN}//k", "//k"),
])
def test_s3_targets(proxy, origin, target, seen):
    resp = fetch(proxy, "GET", target)
    assert resp.status in (200, 404) and resp.clean
    assert [r.target for r in origin.requests] == [seen]
    host = target.split("/")[1].split("?")[0]
    assert [h.lower() for h in origin.requests[0].headers.all("host")] == [host.lower()]


@pytest.mark.parametrize("target, status", [
    ("//x", 404), ("/favicon.ico", 404), ("//" + ORIGIN + "/k", 404), ("/.", 404), ("/..", 404),
    ("/example.com/x", 400), ("/robots.txt/x", 400), ("/s3.eu-west-1.example.com/x", 400)])
def test_everything_else(world, proxy, origin, target, status):
    resp = fetch(proxy, "GET", target)
    assert resp.status == status, resp
    assert origin.requests == []


METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "PROPFIND", "M-SEARCH", "get", "X!#$%&'*+.^_`|~0"]


@pytest.mark.parametrize("method", METHODS)
def test_methods_pass(proxy, origin, method):
    def respond(request, wire):
        for _ in request.pieces(wire):
            pass
        wire.sock.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n" + (b"" if method == "HEAD" else b"ok"))
        return True
    origin.respond = respond
    resp = fetch(proxy, method, f"/{ORIGIN}/routes/x")
    assert resp.status == 200 and resp.clean
    assert [r.method for r in origin.requests] == [method]


def test_trace_and_connect(proxy, origin):
    assert fetch(proxy, "TRACE", f"/{ORIGIN}/k").status == 405
    assert fetch(proxy, "TRACE", "/").status == 405
    with Conn(proxy) as conn:
        conn.send(f"CONNECT {ORIGIN}:443 HTTP/1.1\r\nHost: {ORIGIN}:443\r\n\r\n".encode())
        assert conn.response().status == 400
    assert origin.requests == []


def test_request_headers(proxy, origin):
    """Hop-by-hop ones, those that Connection names and cookies stay behind; all others arrive, untouched and in
    order, names with underscores and repeated ones too."""
    send = [("X-First", "1"), ("x_under_score", "kept"), ("Authorization", "AWS4 x=y, z"), ("X-Amz-Meta-Ü", "ü"),
            ("Cookie", "secret=1"), ("Connection", "keep-alive, X-Named"), ("X-Named", "gone"), ("Keep-Alive", "300"),
            ("TE", "trailers"), ("Proxy-Authorization", "Basic x"), ("Proxy-Connection", "keep-alive"),
            ("Upgrade", "websocket"), ("X-Twice", "a"), ("X-Forwarded-For", "192.0.2.1"), ("X-Twice", "b"),
            ("X-Amzn-Trace-Id", "Root=1"), ("traceparent", "00-1-2-01"), ("X-Spaces", "a  b"), ("X-Empty", ""),
            ("Range", "bytes=0-1"), ("If-None-Match", '"x"'), ("Accept-Encoding", "gzip"), ("User-Agent", "e2e")]
    send = [(n.encode().decode("latin-1") if n.isascii() else "X-Amz-Meta-U", v.encode().decode("latin-1"))
            for n, v in send]
    fetch(proxy, "GET", f"/{ORIGIN}/routes/object", send)
    request, = origin.requests
    gone = {"cookie", "x-named", "keep-alive", "te", "proxy-authorization", "proxy-connection", "upgrade"}
    want = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in send
            if n.lower() not in gone | {"connection"}]
    got = [(n, v) for n, v in request.headers.raw if n.lower() not in (b"host", b"connection")]
    assert got == want
    assert request.headers.all("host") == [ORIGIN]
    assert "x-named" not in (request.headers.get("connection") or "").lower()


def test_response_headers(proxy, origin):
    """What S3 says passes, but for hop-by-hop headers; its encoding is not touched."""
    def respond(request, wire):
        wire.sock.sendall(b"HTTP/1.1 200 Fine\r\nContent-Length: 4\r\nContent-Encoding: gzip\r\nETag: \"e\"\r\n"
                          b"x_amz_odd: 1\r\nx-amz-meta-a: b  c\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
                          b"Connection: keep-alive, x-hop\r\nx-hop: gone\r\nKeep-Alive: timeout=5\r\n"
                          b"Proxy-Authenticate: gone\r\nServer: AmazonS3\r\nLocation: /x\r\n\r\n\x1f\x8b\x00\x00")
        return True
    origin.respond = respond
    resp = fetch(proxy, "GET", f"/{ORIGIN}/routes/x", [("Accept-Encoding", "gzip")])
    names = [n.lower() for n, _ in resp.headers.raw]
    for name in (b"x-hop", b"keep-alive", b"proxy-authenticate"):
        assert name not in names
    assert resp.body == b"\x1f\x8b\x00\x00" and resp.headers.get("content-encoding") == "gzip"
    assert resp.headers.get("x_amz_odd") == "1" and resp.headers.get("x-amz-meta-a") == "b  c"
    assert resp.headers.get("server") == "AmazonS3" and resp.headers.get("location") == "/x"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_relayed_not_followed(proxy, origin, status):
    def respond(request, wire):
        o.Origin.send(wire, status, b"<Error/>", ("Location", f"https://bucket.{ORIGIN}/moved"))
        return True
    origin.respond = respond
    resp = fetch(proxy, "GET", f"/{ORIGIN}/routes/x")
    assert resp.status == status and resp.headers.get("location") == f"https://bucket.{ORIGIN}/moved"
    assert len(origin.requests) == 1


def test_allow_hosts(world, start):
    world.origin.reset_hooks()
    world.origin.put("/routes/object", b"here")
    from lab.dns import Scripted
    world.scripted.behave = Scripted.addresses("10.0.3.12")
    proxy = start(servers=("10.0.2.54",), ALLOW_HOSTS="minio.test")
    resp = fetch(proxy, "GET", "/minio.test/routes/object")
    assert resp.status == 200 and resp.body == b"here"
    assert world.origin.requests[-1].headers.all("host") == ["minio.test"]
    assert fetch(proxy, "GET", "/evil.test/routes/object").status == 400
    assert fetch(proxy, "GET", "/xminio.test/routes/object").status == 400


def test_allow_hosts_over_http(world, start):
    """pattern:port=http: no TLS there; the Host header stays as in the path."""
    from lab.dns import Scripted
    world.scripted.behave = Scripted.addresses("10.0.4.10")
    world.registry.requests.clear()
    proxy = start(servers=("10.0.2.54",), ALLOW_HOSTS="*.ceph.test:80=http")
    resp = fetch(proxy, "GET", "/b.ceph.test/k?x")
    assert resp.status == 200 and resp.body == b"registry /k?x"
    assert world.registry.requests[-1].headers.all("host") == ["b.ceph.test"]


@pytest.mark.parametrize("target, allowed", [
    (f"/{ORIGIN}/photos/k", True), (f"/photos.{ORIGIN}/k", True), (f"/{ORIGIN}/data-1/k", True),
    (f"/{ORIGIN}/secret/k", False), (f"/secret.{ORIGIN}/k", False), (f"/{ORIGIN}/", False), (f"/{ORIGIN}", False),
    (f"/{ORIGIN}/photo%73/k", False), (f"/{ORIGIN}//photos/k", False), (f"/{ORIGIN}/photos%2Fk", False),
    (f"/{ORIGIN}/photos/../secret/k", True),
    (f"/{ORIGIN}/Photos/k", False),
])
def test_allow_buckets(world, start, target, allowed):
    world.origin.reset_hooks()
    proxy = start(ALLOW_BUCKETS="photos,data-*")
    resp = fetch(proxy, "GET", target)
    assert (resp.status != 403) == allowed, resp
    assert bool(world.origin.requests) == allowed


def test_access_line(proxy, origin):
    fetch(proxy, "GET", f"/{ORIGIN}/routes/object?X-Amz-Signature=abc123&X-Amz-Credential=KEY%2F1&token=t0k&q=line-x",
          [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")])
    line = proxy.access_with("line-x")
    text = str(line)
    assert "abc123" not in text and "KEY%2F1" not in text and "t0k" not in text
    assert line["method"] == "GET" and line["status"] == 200 and line["host"] == ORIGIN
    assert line["bytes_out"] == 4 and line["bytes_in"] == 0 and line["end"] == "ok"
    assert line["client"].startswith("10.0.1.2") or "10.0.1.2" in line["client"]
    assert "0af7651916cd43dd8448eb211c80319c" in line["traceparent"]
    assert line["x_amz_request_id"].startswith("ORIGIN") and line["upstream"].startswith("10.0.3.12")
    assert line["id"] and line["total_ms"] >= 0 and line["bucket"] == "routes"


def test_access_line_escapes(proxy):
    fetch(proxy, "GET", "/evil\xff\"\\\x80.com/line-y")
    line = proxy.access_with("line-y")
    assert line["status"] == 400
    assert proxy.output().isascii() or "\xff" not in proxy.output()


def test_unsigned_s3_lists_through(world, proxy):
    resp = fetch(proxy, "GET", f"/{helpers.S3RVER}/lab-bucket?list-type=2")
    assert resp.status == 200 and b"<ListBucketResult" in resp.body

"""What reaches the registry and what comes back from it: all of it, untouched, whatever it is."""

import os
import time

import pytest

from helpers import Conn, error_of, fetch, request_bytes
from lab import world as w
from lab.registry import send

LIMIT = 100_000


@pytest.fixture(scope="module")
def mine(world):
    """A penstock for this file: small bodies, little patience."""
    port = 8978
    proxy = world.start_penstock(port=port, MAX_REGISTRY_BODY=LIMIT, UPSTREAM_HEAD_TIMEOUT_MS="400",
                                 ADMIN=f"127.0.0.1:{port + 10000}")
    yield proxy
    assert proxy.stop() == 0


@pytest.fixture(autouse=True)
def echo(world):
    def respond(request, wire):
        send(wire, request, 200, b"registry " + request.target.encode("latin-1"))
        return True
    world.registry.reset_hooks()
    world.registry.respond = respond
    return world.registry


TARGETS = ["/", "//a//b", "/a%2Fb/%2e%2e/../c", "/./x/..", "/a;b=1;c", "/?",
           "/a?b=c&d=%zz&e=?/", "/%00%", "/+%20", "/\"'[]{}|\\^`",
           "/\xc3\xbc", "/http://other.test/", "/" + "l" * 8000]


@pytest.mark.parametrize("route", ["/zip", "/browse"])
def test_targets_are_raw(mine, echo, route):
    with Conn(mine) as conn:
        for target in TARGETS:
            resp = conn.ask("GET", route + target)
            assert resp.status == 200 and resp.body == b"registry " + (route + target).encode("latin-1"), target
            assert echo.requests[-1].headers.all("host") == ["registry.stk"]
        absolute = conn.ask("GET", f"http://penstock{route}/a%2Fb?c")
        assert absolute.body == f"registry {route}/a%2Fb?c".encode()


@pytest.mark.parametrize("target", ["/zip", "/browse", "/Zip/x", "/browse?x", "//zip/x", "/zip%2Fx"])
def test_neighbours_do_not_reach_it(mine, echo, target):
    assert fetch(mine, "GET", target).status in (400, 404)
    assert echo.requests == []


@pytest.mark.parametrize("route", ["/zip", "/browse"])
def test_any_method(mine, echo, route):
    """OPTIONS too: it is the registry that answers the preflight."""
    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "M-SEARCH", "x"]
    with Conn(mine) as conn:
        for method in methods:
            body = b"b" if method in ("POST", "PUT", "PATCH") else None
            resp = conn.ask(method, route + "/m", body=body)
            assert resp.status == 200 and resp.body == (b"" if method == "HEAD" else f"registry {route}/m".encode())
            assert resp.headers.get("access-control-allow-origin") is None
        assert conn.ask("TRACE", route + "/m").status == 405
    assert [r.method for r in echo.requests] == methods
    assert {x["method"] for x in mine.access() if x["path"] == route + "/m" and x["end"] == "ok"} == set(methods)


@pytest.mark.parametrize("route", ["/zip", "/browse"])
@pytest.mark.parametrize("size", [0, 1, 15_000, LIMIT])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_bodies(mine, echo, route, size, chunked):
    body = os.urandom(size)
    target = f"{route}/form/{size}/{chunked}"
    with Conn(mine) as conn:
        if chunked:
            conn.send(request_bytes("POST", target, [("Transfer-Encoding", "chunked")]))
            for at in range(0, size, 7777):
                piece = body[at:at + 7777]
                conn.send(b"%x;ext\r\n%s\r\n" % (len(piece), piece))
            conn.send(b"0\r\n\r\n")
        else:
            conn.send(request_bytes("POST", target, body=body))
        assert conn.response("POST").status == 200
    request = echo.requests[-1]
    assert bytes(request.body) == body and request.complete
    assert request.headers.all("transfer-encoding") == (["chunked"] if chunked else [])
    assert request.headers.all("content-length") == ([] if chunked else [str(size)])
    line = mine.access_with(target)
    assert line["bytes_in"] == size and line["bytes_out"] == len("registry " + target)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_too_large_a_body(mine, echo, chunked):
    """By its length: refused unasked. Chunked: at the byte where it is known."""
    with Conn(mine) as conn:
        if chunked:
            conn.send(request_bytes("POST", "/zip/large", [("Transfer-Encoding", "chunked")]))
            conn.send(b"%x\r\n%s\r\n" % (LIMIT, b"x" * LIMIT) + b"1\r\ny\r\n")
        else:
            conn.send(request_bytes("POST", "/zip/large", [("Content-Length", LIMIT + 1)]))
        resp = conn.response("POST")
    assert resp.status == 413 and error_of(resp)[0] == "EntityTooLarge"
    assert resp.headers.get("access-control-allow-origin") == "*"
    assert not any(r.complete for r in echo.requests) and (chunked or not echo.requests)
    assert mine.access_with("/zip/large")["end"] == "body_too_large"


def test_100_continue(mine, echo):
    """The registry's own, before a byte of the body was sent."""
    interim = []
    with Conn(mine) as conn:
        conn.send(request_bytes("POST", "/zip/expects", [("Expect", "100-continue"), ("Content-Length", "4")]))
        assert conn.wire.head().startswith(b"HTTP/1.1 100 ")
        conn.send(b"body")
        assert conn.response("POST", interim).status == 200 and not interim
    assert bytes(echo.requests[-1].body) == b"body" and echo.requests[-1].headers.all("expect") == ["100-continue"]


SENT = [("Cookie", "a=1; b=2"), ("Cookie", "c=3"), ("Authorization", "Bearer x.y"), ("Origin", "https://catalog.test"),
        ("Access-Control-Request-Method", "POST"), ("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https"),
        ("X-Amzn-Trace-Id", "Root=1-2"), ("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"),
        ("under_score", "kept"), ("X-Odd-CASE", "kept"), ("User-Agent", "catalog/1"), ("If-None-Match", '"e"'),
        ("X-Twice", "1"), ("X-Twice", "2")]
HOP = [("Connection", "keep-alive, X-Named"), ("X-Named", "1"), ("Keep-Alive", "timeout=5"), ("TE", "trailers"),
       ("Proxy-Authorization", "Basic eA=="), ("Upgrade", "websocket")]
ANSWERED = [("Set-Cookie", "browse=1; Path=/browse; HttpOnly"), ("Set-Cookie", "other=2"),
            ("Access-Control-Allow-Origin", "https://catalog.test"), ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Expose-Headers", "X-Mine"), ("Vary", "Origin"), ("ETag", '"e"'), ("X-Odd-CASE", "back"),
            ("WWW-Authenticate", "Bearer"), ("Content-Encoding", "gzip"),
            ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")]


@pytest.mark.parametrize("route", ["/zip", "/browse"])
@pytest.mark.parametrize("status", [200, 401, 404, 500])
def test_headers_pass_both_ways(mine, echo, route, status):
    """Cookies, credentials, CORS: the registry's own business. What belongs to one connection stays on it."""
    def respond(request, wire):
        send(wire, request, status, b"said", *ANSWERED, ("Connection", "X-Gone"), ("X-Gone", "1"),
             ("Keep-Alive", "timeout=5"))
        return True
    echo.respond = respond
    target = f"{route}/headers/{status}"
    resp = fetch(mine, "GET", target, SENT + HOP)
    assert resp.status == status and resp.body == b"said"
    came = [(n.decode(), v.decode()) for n, v in echo.requests[-1].headers.raw]
    assert [x for x in came if x[0] not in ("Host", "Connection")] == SENT, came
    back = [(n.decode(), v.decode()) for n, v in resp.headers.raw]
    assert [x for x in back if x[0] not in ("Content-Type", "Content-Length", "Date")] == ANSWERED, back
    line = mine.access_with(target)
    assert line["status"] == status and line["end"] == "ok" and line["upstream"] == f"{w.REGISTRY}:80"
    assert line["traceparent"].startswith("00-a") and "catalog" not in str(line) and "x.y" not in str(line)


def test_a_token_in_the_form_is_in_no_log(mine, echo):
    form = b"token=SECRET-IN-THE-FORM&x=1"
    fetch(mine, "POST", "/zip/secret?token=SECRET-IN-THE-QUERY",
          [("Content-Type", "application/x-www-form-urlencoded")], form)
    assert bytes(echo.requests[-1].body) == form
    assert mine.access_with("/zip/secret")["path"] == "/zip/secret?token=***"
    assert "SECRET" not in mine.output()


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_framings_of_answers(mine, echo, framing):
    body = os.urandom(50_000)

    def respond(request, wire):
        send(wire, request, 200, body, framing=framing)
        return True
    echo.respond = respond
    for route in ("/zip", "/browse"):
        with Conn(mine) as conn:
            for _ in range(2):
                resp = conn.ask("POST", route + "/framed", body=b"x")
                assert resp.clean and resp.body == body


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_cut_answer_is_cut(mine, echo, framing):
    def respond(request, wire):
        send(wire, request, 200, b"x" * 1000, framing=framing, cut_at=500)
        return True
    echo.respond = respond
    resp = fetch(mine, "POST", f"/browse/cut/{framing}", body=b"x")
    assert not resp.clean and len(resp.body) <= 500
    assert mine.access_with(f"/browse/cut/{framing}")["end"] in ("upstream_reset", "upstream_closed")


def test_not_http(mine, echo):
    def respond(request, wire):
        wire.sock.sendall(b"SSH-2.0-dropbear\r\n\r\n")
        raise EOFError
    echo.respond = respond
    resp = fetch(mine, "GET", "/zip/ssh")
    assert resp.status == 502 and error_of(resp)[0] == "UpstreamProtocolError"
    assert mine.access_with("/zip/ssh")["end"] == "upstream_protocol"


def test_slow_first_byte(mine, echo):
    """A list of files takes its time; a page does not."""
    def respond(request, wire):
        time.sleep(0.8)
        send(wire, request, 200, b"at last")
        return True
    echo.respond = respond
    resp = fetch(mine, "GET", "/zip/slow")
    line = mine.access_with("/zip/slow")
    assert resp.status == 200 and resp.body == b"at last" and line["first_byte_ms"] > 700
    resp = fetch(mine, "GET", "/browse/slow")
    line = mine.access_with("/browse/slow")
    assert resp.status == 504 and error_of(resp)[0] == "UpstreamTimeout" and resp.seconds < 0.7
    assert line["end"] == "upstream_head_timeout" and line["upstream"] == f"{w.REGISTRY}:80"


def test_archive_timeout(world, start, echo):
    """The other way round: it is this time that counts on /zip."""
    def respond(request, wire):
        time.sleep(0.8)
        send(wire, request, 200, b"at last")
        return True
    echo.respond = respond
    proxy = start(ARCHIVE_TIMEOUT_MS="300")
    assert fetch(proxy, "GET", "/zip/slow").status == 504
    assert "300 ms" in proxy.access_with("/zip/slow")["detail"]
    assert fetch(proxy, "GET", "/browse/slow").status == 200

"""CORS on every response of the S3 route, errors included, as docs/PROXY.md has it."""

import time

import pytest

import helpers
from helpers import ORIGIN, Conn, check_cors, error_of, fetch
from lab import origin as o

ASK = [("Origin", "https://catalog.test"), ("Access-Control-Request-Headers", "x-amz-date,authorization"),
       ("Access-Control-Request-Method", "PUT")]
ECHO = ("x-amz-date,authorization", "PUT")


@pytest.fixture
def origin(world, proxy):
    world.origin.reset_hooks()
    world.origin.put("/cors/object", b"0123456789", '"etag"')
    return world.origin


@pytest.mark.parametrize("asked", [True, False], ids=["echoed", "absent"])
@pytest.mark.parametrize("status, method, path, headers", [
    (200, "GET", "/cors/object", []),
    (200, "HEAD", "/cors/object", []),
    (206, "GET", "/cors/object", [("Range", "bytes=2-4")]),
    (304, "GET", "/cors/object", [("If-None-Match", '"etag"')]),
    (404, "GET", "/cors/missing", []),
    (412, "GET", "/cors/object", [("If-Match", '"other"')]),
    (416, "GET", "/cors/object", [("Range", "bytes=99-")]),
], ids=lambda v: str(v) if isinstance(v, (int, str)) else "")
def test_on_what_s3_answers(proxy, origin, status, method, path, headers, asked):
    resp = fetch(proxy, method, f"/{ORIGIN}{path}", headers + (ASK if asked else []))
    assert resp.status == status and resp.clean
    check_cors(resp, *(ECHO if asked else (None, None)))


@pytest.mark.parametrize("status", [200, 301, 307, 403, 404, 500, 503])
def test_replaces_what_s3_says_of_cors(proxy, origin, status):
    """S3's own five headers go; ours come once. Everything else of S3's stays."""
    def respond(request, wire):
        o.Origin.send(wire, status, b"<Error/>", ("Access-Control-Allow-Origin", "https://other.test"),
                      ("access-control-allow-headers", "theirs"), ("Access-Control-Allow-Methods", "THEIRS"),
                      ("ACCESS-CONTROL-EXPOSE-HEADERS", "theirs"), ("Access-Control-Max-Age", "1"),
                      ("Access-Control-Allow-Credentials", "true"), ("x-amz-request-id", "R1"),
                      ("Location", "https://other.s3.eu-west-1.amazonaws.com/x"), ("x-amz-bucket-region", "eu-west-1"))
        return True
    origin.respond = respond
    resp = fetch(proxy, "GET", f"/{ORIGIN}/b/k", ASK)
    assert resp.status == status
    check_cors(resp, *ECHO)
    assert resp.headers.all("x-amz-request-id") == ["R1"]
    assert resp.headers.all("location") == ["https://other.s3.eu-west-1.amazonaws.com/x"]


def test_preflight_asks_nobody(world, proxy, origin):
    from lab.capture import Capture
    host = f"preflight-only.{ORIGIN}"
    with Capture(world.penstock_host) as wire:
        for path in (f"/{host}/k", f"/{host}", f"/{host}/a%2Fb//c?x=1"):
            resp = fetch(proxy, "OPTIONS", path, ASK)
            assert resp.status == 200 and resp.body == b"" and resp.headers.get("content-length") == "0"
            check_cors(resp, *ECHO)
    # It may ask for other names meanwhile, by itself: names in use, and servers that failed before.
    assert not [p for p in wire.packets if p.qname.endswith(host) or (p.syn and p.dst != world.client.ip)]
    assert origin.requests == []


def test_private_network_preflight(proxy):
    resp = fetch(proxy, "OPTIONS", f"/{ORIGIN}/b/k", ASK + [("Access-Control-Request-Private-Network", "true")])
    assert resp.status == 200
    assert resp.headers.all("access-control-allow-private-network") == ["true"]
    resp = fetch(proxy, "OPTIONS", f"/{ORIGIN}/b/k", ASK)
    assert resp.headers.all("access-control-allow-private-network") == []


def test_403_of_s3_and_of_the_gate(proxy, origin):
    resp = fetch(proxy, "GET", f"/{helpers.S3RVER}/lab-bucket/k", ASK + [
        ("Authorization", "AWS4-HMAC-SHA256 Credential=S3RVER/20200101/us-east-1/s3/aws4_request, "
                          "SignedHeaders=host, Signature=" + "0" * 64), ("x-amz-date", "20200101T000000Z")])
    assert resp.status == 403 and error_of(resp)[0] == "SignatureDoesNotMatch"
    check_cors(resp, *ECHO)
    resp = fetch(proxy, "GET", "/s3.eu-central-2.amazonaws.com/b/k", ASK)  # resolves to a metadata address
    assert resp.status == 403
    check_cors(resp, *ECHO)
    error_of(resp)


def test_403_bucket(start):
    proxy = start(ALLOW_BUCKETS="photos,data-*")
    resp = fetch(proxy, "GET", f"/{ORIGIN}/secret/k", ASK)
    assert resp.status == 403
    error_of(resp)
    check_cors(resp, *ECHO)


def test_413(start):
    proxy = start(MAX_BODY="1K")
    resp = fetch(proxy, "PUT", f"/{ORIGIN}/b/k", ASK, b"x" * 1025)
    assert resp.status == 413
    error_of(resp)
    check_cors(resp, *ECHO)


def test_431_and_400_before_routing(proxy):
    resp = fetch(proxy, "GET", f"/{ORIGIN}/b/k", [("x-long", "a" * 33000)])
    assert resp.status == 431
    assert resp.headers.all("access-control-allow-origin") == ["*"]
    with Conn(proxy) as conn:
        conn.send(b"GET /%s/b/k HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" % ORIGIN.encode())
        resp = conn.response()
        assert resp.status == 400 and conn.ended()
        assert resp.headers.all("access-control-allow-origin") == ["*"]


def test_502_connect(proxy):
    resp = fetch(proxy, "GET", "/s3.eu-west-3.amazonaws.com/b/k", ASK)
    assert resp.status == 502
    code, message = error_of(resp)
    assert message
    check_cors(resp, *ECHO)


def test_502_tls_name(proxy):
    resp = fetch(proxy, "GET", "/s3.ap-northeast-1.amazonaws.com/b/k", ASK)
    assert resp.status == 502
    assert any(w in error_of(resp)[1].lower() for w in ("certificate", "tls"))
    check_cors(resp, *ECHO)


def test_502_unknown_name(proxy):
    resp = fetch(proxy, "GET", "/s3.us-gov-west-1.amazonaws.com/b/k", ASK)
    assert resp.status == 502 and resp.seconds < 5
    assert "NXDOMAIN" in error_of(resp)[1].upper()
    check_cors(resp, *ECHO)


def test_503_overload(start):
    proxy = start(MAX_CONNECTIONS="4")
    idle = helpers.occupy(proxy, 4)
    resp = fetch(proxy, "GET", f"/{ORIGIN}/b/k")
    assert resp.status == 503 and resp.headers.get("retry-after")
    assert resp.headers.all("access-control-allow-origin") == ["*"]
    for conn in idle:
        conn.sock.close()
    helpers.eventually(lambda: fetch(proxy, "GET", "/").status == 200, what="room again")


def test_504_connect(proxy):
    """Packets to the address vanish: 3 s for one address, then the honest answer."""
    began = time.monotonic()
    resp = fetch(proxy, "GET", "/s3.eu-north-1.amazonaws.com/b/k", ASK)
    assert resp.status == 504 and time.monotonic() - began < 11
    error_of(resp)
    check_cors(resp, *ECHO)


def test_502_not_http(proxy, origin):
    def respond(request, wire):
        wire.sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        raise o.Cut("fin")
    origin.respond = respond
    resp = fetch(proxy, "GET", f"/{ORIGIN}/b/k", ASK)
    assert resp.status == 502
    check_cors(resp, *ECHO)


def test_expose_headers_can_be_added(start):
    proxy = start(EXPOSE_HEADERS="x-amz-meta-one,x-amz-meta-two")
    resp = fetch(proxy, "OPTIONS", f"/{ORIGIN}/b/k", ASK)
    assert resp.headers.get("access-control-expose-headers") == helpers.EXPOSED + ", x-amz-meta-one, x-amz-meta-two"


def test_400_unexpected_host(proxy):
    resp = fetch(proxy, "GET", "/example.com/x", ASK)
    assert resp.status == 400 and resp.body.rstrip() == b"Unexpected host: example.com"
    assert resp.headers.get("content-type").startswith("text/plain")

"""/browse: the registry's redirects to S3 are followed once; all else of the registry passes as it is."""

import threading

import pytest

import helpers
from clients import through
from helpers import ORIGIN, Conn, check_cors, error_of, eventually, fetch, request_bytes, signed_right
from lab import origin as o
from lab.registry import Page, Registry, Session, send
from lab.world import s3_name

MIB = 1 << 20
SECRET = "5ec4e7"
SIGNED = f"?X-Amz-Credential={SECRET}&X-Amz-Signature={SECRET}"
ASK = [("Origin", "https://catalog.test"), ("Access-Control-Request-Headers", "range"),
       ("Access-Control-Request-Method", "GET")]
ECHO = ("range", "GET")


@pytest.fixture
def origin(world, proxy):
    world.origin.reset_hooks()
    world.origin.put("/pages/index.html", b"<h1>hello</h1>", '"page"')
    return world.origin


@pytest.fixture
def registry(world, origin):
    world.registry.reset_hooks()
    world.registry.sessions["s"] = Session(f"https://{ORIGIN}/pages/", SIGNED, needs_cookie=False,
                                           headers=[("Set-Cookie", "seen=1; Path=/browse"), ("set-cookie", "b=2")])
    yield world.registry
    world.registry.sessions.clear()
    world.registry.pages.clear()


def redirects(location, status=302, body=b"", **how):
    """A hook: the registry answers with this Location (None: without one)."""
    def respond(request, wire):
        send(wire, request, status, body, *([("Location", location)] if location is not None else []), **how)
        return True
    return respond


# What is followed

def test_the_catalogs_way(world, proxy, registry, origin):
    """A page of another origin gets its cookie, and then what the registry leads to."""
    page = [("Origin", "https://catalog.test")]
    registry.sessions["mine"] = Session(f"https://{ORIGIN}/pages/", SIGNED)
    assert fetch(proxy, "GET", "/browse/mine/index.html", page).status == 403
    asked = fetch(proxy, "OPTIONS", "/browse/set_browse_cookie",
                  [*page, ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "content-type")])
    given = fetch(proxy, "POST", "/browse/set_browse_cookie", page, body=b"token=t")
    for resp in (asked, given):
        assert resp.status == 200
        assert resp.headers.all("access-control-allow-origin") == ["https://catalog.test"]
        assert resp.headers.all("access-control-allow-credentials") == ["true"]
        assert "access-control-expose-headers" not in resp.headers and resp.headers.all("vary") == ["Origin"]
    assert asked.headers.all("access-control-allow-methods") == ["POST"]
    assert bytes(registry.asked("/browse/set_browse_cookie")[-1].body) == b"token=t"
    cookie = given.headers.get("set-cookie").split(";")[0]
    resp = fetch(proxy, "GET", "/browse/mine/index.html", [*page, ("Cookie", cookie)])
    assert (resp.status, resp.body) == (200, b"<h1>hello</h1>")
    check_cors(resp)


@pytest.mark.parametrize("status", [301, 302, 307])
def test_followed(proxy, registry, origin, status):
    registry.sessions["s"].status = status
    resp = fetch(proxy, "GET", "/browse/s/index.html", [
        *ASK, ("Cookie", "c=1"), ("Authorization", "Bearer t"), ("X-Amz-Date", "now"), ("Referer", "r"),
        ("User-Agent", "ua"), ("Accept", "text/html"), ("If-None-Match", '"other"'), ("X-Forwarded-For", "1.2.3.4")])
    assert (resp.status, resp.body) == (200, b"<h1>hello</h1>")
    check_cors(resp, *ECHO)
    assert resp.headers.all("set-cookie") == ["seen=1; Path=/browse", "b=2"]
    asked, = registry.requests
    assert asked.headers.all("cookie") == ["c=1"] and asked.headers.all("authorization") == ["Bearer t"]
    got, = origin.requests
    assert got.target == "/pages/index.html" + SIGNED
    assert sorted(got.headers.raw) == sorted([(b"Host", ORIGIN.encode()), (b"User-Agent", b"ua"),
                                              (b"Accept", b"text/html"), (b"If-None-Match", b'"other"')])


@pytest.mark.parametrize("status", [200, 204, 303, 304, 308, 404, 500])
def test_other_answers_pass_untouched(proxy, registry, origin, status):
    registry.respond = redirects(f"https://{ORIGIN}/pages/index.html", status)
    resp = fetch(proxy, "GET", "/browse/s/index.html", ASK)
    assert resp.status == status and resp.headers.all("location") == [f"https://{ORIGIN}/pages/index.html"]
    assert "access-control-allow-origin" not in resp.headers
    assert origin.requests == []


@pytest.mark.parametrize("method, headers, status", [
    ("HEAD", [], 200), ("GET", [("Range", "bytes=4-8")], 206), ("GET", [("If-None-Match", '"page"')], 304),
    ("GET", [("If-Match", '"other"')], 412), ("OPTIONS", [], 404), ("DELETE", [], 404)])
def test_s3_answers_as_on_its_own_route(proxy, registry, origin, method, headers, status):
    resp = fetch(proxy, method, "/browse/s/index.html", headers + ASK)
    assert resp.status == status and resp.clean
    check_cors(resp, *ECHO)
    assert [r.method for r in registry.requests] == [r.method for r in origin.requests] == [method]
    if status == 206:
        assert resp.body == b"hello"


def test_s3s_redirect_is_relayed(proxy, registry, origin):
    def respond(request, wire):
        o.Origin.send(wire, 307, b"<Error/>", ("Location", f"https://{ORIGIN}/elsewhere"),
                      ("Access-Control-Allow-Origin", "https://other.test"), ("Set-Cookie", "s3=1"))
        return True
    origin.respond = respond
    resp = fetch(proxy, "GET", "/browse/s/index.html")
    assert resp.status == 307 and resp.headers.all("location") == [f"https://{ORIGIN}/elsewhere"]
    check_cors(resp)
    assert len(origin.requests) == 1


def test_raw_target(proxy, registry, origin):
    raw = "/b//a/../%2F+%zz'\"[\\\xc3\xa4@:?a=%20+&b=\\"
    registry.respond = redirects(f"HTTPS://{ORIGIN}:443{raw}#fragment?x")
    fetch(proxy, "GET", "/browse/x")
    got, = origin.requests
    assert got.target == raw and got.headers.all("host") == [ORIGIN]


@pytest.mark.parametrize("behind, target", [("", "/"), ("?list", "/?list"), (":443?q=1#f", "/?q=1")])
def test_empty_path(proxy, registry, origin, behind, target):
    registry.respond = redirects(f"https://{ORIGIN}{behind}")
    fetch(proxy, "GET", "/browse/x")
    assert origin.requests[0].target == target


def test_presigned_by_an_sdk(proxy, registry, moto, bucket):
    """The signature that the registry made for S3 holds."""
    s3 = through.client("us-west-2")
    s3.put_object(Bucket=bucket, Key="browse/a b+ü.txt", Body=b"signed")
    url = direct_url("get_object", bucket, "browse/a b+ü.txt")
    moto.requests.clear()
    registry.respond = redirects(url)
    resp = fetch(proxy, "GET", "/browse/x", [("Cookie", "c=1"), ("Range", "bytes=0-2")])
    assert (resp.status, resp.body) == (206, b"sig")
    got, = signed_right(moto.requests, ("presigned",))
    assert "cookie" not in got.headers
    registry.respond = redirects(direct_url("put_object", bucket, "browse/put"), 307)
    assert fetch(proxy, "PUT", "/browse/x", body=b"y" * 100_000).status == 200
    assert s3.get_object(Bucket=bucket, Key="browse/put")["Body"].read() == b"y" * 100_000


def direct_url(operation, bucket, key):
    """As the registry presigns: for S3 itself, nobody is asked."""
    import botocore.session
    from botocore.config import Config
    session = botocore.session.Session()
    session.set_credentials("S3RVER", "S3RVER")
    client = session.create_client("s3", region_name="us-west-2", endpoint_url=f"https://{helpers.MOTO}",
                                   config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    return client.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": key})


# What is not

@pytest.mark.parametrize("location, why", [
    (None, "no Location"), ("", "empty"), ("/pages/index.html" + SIGNED, "relative /pages/index.html"),
    (f"//{ORIGIN}/pages/index.html", "relative"), ("https://evil.test/x" + SIGNED, "evil.test"),
    (f"https://{ORIGIN}.evil.test/x", "not allowed"), (f"https://evil.test/{ORIGIN}/x", "evil.test"),
    (f"https://{SECRET}:{SECRET}@{ORIGIN}/x", "user name"), (f"https://{ORIGIN}@evil.test/x", "user name"),
    (f"http://{ORIGIN}/pages/index.html" + SIGNED, "not https"), (f"ftp://{ORIGIN}/x", "neither https nor http"),
    (f"https://{ORIGIN}:8443/x", "port"), ("https://169.254.169.254/latest", "not allowed"),
    ("https://sts.amazonaws.com/", "not allowed"), (f"https://{ORIGIN}/a b", "space"),
    (f"https://{ORIGIN}/{'a' * 24 * 1024}", "too long"),
], ids=lambda v: None if v is None else v.replace("/", "_")[:40])
def test_where_it_may_not_lead(proxy, registry, origin, location, why):
    registry.respond = redirects(location)
    n = origin.n_accepted
    resp = fetch(proxy, "GET", "/browse/s/index.html", ASK)
    assert resp.status == 502
    check_cors(resp, *ECHO)
    code, message = error_of(resp)
    assert code == "InvalidRedirect" and why in message and SECRET.encode() not in resp.body
    assert origin.requests == [] and origin.n_accepted == n


def test_two_locations(proxy, registry, origin):
    def respond(request, wire):
        send(wire, request, 302, b"", *[("Location", f"https://{ORIGIN}/{k}") for k in "ab"])
        return True
    registry.respond = respond
    assert fetch(proxy, "GET", "/browse/x").status == 502
    assert origin.requests == []


@pytest.mark.parametrize("region, status, code", [
    ("eu-west-3", 502, "ConnectFailure"), ("eu-north-1", 504, "ConnectTimeout"), ("ap-northeast-1", 502, "TlsFailure"),
    ("af-south-1", 502, "DnsFailure"), ("eu-central-1", 403, "AccessDenied"), ("eu-central-2", 403, "AccessDenied")])
def test_s3_cannot_be_had(proxy, registry, region, status, code):
    """The same as on the S3 route; metadata services and loopback are not dialled."""
    registry.respond = redirects(f"https://{s3_name(region)}/b/{region}-followed{SIGNED}")
    resp = fetch(proxy, "GET", f"/browse/{region}", ASK)
    assert (resp.status, error_of(resp)[0]) == (status, code)
    check_cors(resp, *ECHO)
    line = proxy.access_with(f"/browse/{region}")
    assert line["followed_host"] == s3_name(region) and line["status"] == status and line["end"] != "ok"


def test_the_registry_may_be_on_loopback_but_s3_may_not(world, start, origin):
    near = Registry(world.penstock_host, "127.0.0.1", 9091)
    try:
        proxy = start(INTERNAL_REGISTRY_URL="http://127.0.0.1:9091")
        near.respond = redirects(f"https://{ORIGIN}/pages/index.html")
        assert fetch(proxy, "GET", "/browse/x").body == b"<h1>hello</h1>"
        near.respond = redirects(f"https://{s3_name('eu-central-1')}/b/k")
        assert fetch(proxy, "GET", "/browse/x").status == 403
    finally:
        near.stop()


def test_not_to_penstock_itself(world, start, registry, origin):
    proxy = start(port=443, ALLOW_ADDRESSES="0.0.0.0/0")
    registry.respond = redirects(f"https://{s3_name('ca-central-1')}/b/k")
    resp = fetch(proxy, "GET", "/browse/x")
    assert (resp.status, error_of(resp)[0]) == (403, "AccessDenied")
    check_cors(resp)


@pytest.mark.parametrize("path, allowed", [
    ("/pages/index.html", True), ("/secret/k", False), ("/page%73/k", False), ("/", False)])
def test_allow_buckets(start, registry, origin, path, allowed):
    proxy = start(ALLOW_BUCKETS="pages")
    registry.respond = redirects(f"https://{ORIGIN}{path}{SIGNED}")
    resp = fetch(proxy, "GET", "/browse/x")
    assert resp.status == (200 if allowed else 403)
    check_cors(resp)
    assert len(origin.requests) == allowed and SECRET.encode() not in resp.body


# Bodies

@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("n", [0, 1, 65536, 65537, MIB])
def test_a_body_goes_to_both(proxy, registry, origin, n, framing):
    body = o.random_bytes(n, seed=n)
    resp = put(proxy, "/browse/s/put", body, framing, [("Content-Type", "text/x"), ("Content-Encoding", "gzip")])
    assert resp.status == 200
    asked, = registry.requests
    got, = origin.requests
    assert bytes(asked.body) == bytes(got.body) == body
    assert got.headers.all("content-length") == [str(n)] and "transfer-encoding" not in got.headers
    assert got.headers.all("content-type") == ["text/x"] and got.headers.all("content-encoding") == ["gzip"]


def put(proxy, target, body, framing, headers=()):
    if framing == "length":
        return fetch(proxy, "PUT", target, headers, body)
    with Conn(proxy) as conn:
        conn.send(request_bytes("PUT", target, [*headers, ("Transfer-Encoding", "chunked")]))
        for at in range(0, len(body), 7000):
            piece = body[at:at + 7000]
            conn.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        conn.send(b"0\r\n\r\n")
        return conn.response()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_one_byte_more_is_413_where_it_leads_on(proxy, registry, origin, framing):
    body = o.random_bytes(MIB + 1, seed=7)
    resp = put(proxy, "/browse/s/put", body, framing, ASK)
    assert resp.status == 413 and error_of(resp)[0] == "EntityTooLarge"
    check_cors(resp, *ECHO)
    assert origin.requests == []
    registry.pages["/browse/page"] = Page(b"taken")
    resp = put(proxy, "/browse/page", body * 4, framing)
    assert (resp.status, resp.body) == (200, b"taken")
    assert bytes(registry.requests[-1].body) == body * 4


def test_expect_100(start, registry, origin):
    """A client that waits to be told is told so where the registry leads on without its body."""
    proxy = start()
    respond = redirects(f"https://{ORIGIN}/pages/put", 307)
    registry.serve, usual = early(registry, respond), registry.serve
    interim = []
    try:
        with Conn(proxy) as conn:
            conn.send(request_bytes("PUT", "/browse/x", [("Expect", "100-continue"), ("Content-Length", "5")]))
            assert conn.wire.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
            assert origin.requests == []
            conn.send(b"hello")
            assert conn.response("PUT", interim).status == 200 and interim == []
            assert bytes(origin.requests[0].body) == b"hello" and "expect" not in origin.requests[0].headers
            assert conn.ask("GET", "/").body == b"S3 Proxy"
    finally:
        registry.serve = usual


def early(registry, respond):
    """A registry that answers heads and never reads a body."""
    from lab import http

    def serve(wire, number):
        request = http.Request(wire.head(), number)
        registry.requests.append(request)
        respond(request, wire)
        wire.fill()
    return serve


def test_redirect_while_the_body_comes(world, start, registry, origin):
    proxy = start()
    body = o.random_bytes(300_000, seed=3)
    registry.serve, usual = early(registry, redirects(f"https://{ORIGIN}/pages/put", 307)), registry.serve
    try:
        with Conn(proxy) as conn:
            conn.send(request_bytes("PUT", "/browse/x", [("Content-Length", str(len(body)))]) + body[:1000])
            eventually(lambda: registry.requests, what="the registry is asked")
            for at in range(1000, len(body), 50_000):
                conn.send(body[at:at + 50_000])
            assert conn.response("PUT").status == 200
    finally:
        registry.serve = usual
    assert bytes(origin.requests[-1].body) == body


# Connections

def test_resumed(proxy, registry, origin):
    """S3's connection dies inside the page, twice."""
    data = o.random_bytes(4 * MIB, seed=9)
    origin.put("/pages/large", data)
    cuts = [3 * MIB, MIB]
    origin.cut_at = lambda request, start, end: cuts.pop() if cuts else None
    resp = fetch(proxy, "GET", "/browse/s/large", [("Cookie", "c=1")])
    assert resp.clean and resp.body == data
    first, *rest = [r.headers.get("range") for r in origin.requests]
    assert first is None and len(rest) == 2 and all(r.endswith(f"-{4 * MIB - 1}") for r in rest)
    assert {r.headers.get("if-match") for r in origin.requests[1:]} == {origin.objects["/pages/large"].etag}
    assert {r.target for r in origin.requests} == {"/pages/large" + SIGNED}
    assert not any("cookie" in r.headers for r in origin.requests)
    assert resp.headers.all("set-cookie") == ["seen=1; Path=/browse", "b=2"]
    assert len(registry.requests) == 1
    assert proxy.access_with("/browse/s/large")["resumes"] == 2


def test_connections_of_both_are_kept(start, registry, origin):
    """With a redirect that has a body, too; and one that is closed behind it is followed all the same."""
    proxy = start(WORKERS=1)
    registry.respond = redirects(f"https://{ORIGIN}/pages/index.html", body=b"moved " * 100)
    before = registry.n_accepted, origin.n_accepted
    with Conn(proxy) as conn:
        for _ in range(5):
            assert conn.ask("GET", "/browse/x").body == b"<h1>hello</h1>"
        assert (registry.n_accepted, origin.n_accepted) == (before[0] + 1, before[1] + 1)
        registry.respond = redirects(f"https://{ORIGIN}/pages/index.html", body=b"bye", framing="close")
        for _ in range(2):
            assert conn.ask("GET", "/browse/x").body == b"<h1>hello</h1>"


def test_pipelined(proxy, registry, origin):
    with Conn(proxy) as conn:
        conn.send(request_bytes("GET", "/browse/s/index.html") + request_bytes("PUT", "/browse/s/put", body=b"abc")
                  + request_bytes("GET", "/"))
        assert conn.response().body == b"<h1>hello</h1>"
        assert conn.response("PUT").status == 200
        assert conn.response().body == b"S3 Proxy"


def test_a_client_that_leaves_ends_it(proxy, registry, origin):
    gate, left = threading.Event(), o.Flag()

    def respond(request, wire):
        gate.set()
        if not wire.sock.recv(1):
            left.set()
        return True
    origin.respond = respond
    with Conn(proxy) as conn:
        conn.send(request_bytes("GET", "/browse/s/leaves"))
        assert gate.wait(10)
    left.wait()
    assert proxy.access_with("/browse/s/leaves")["end"] == "client_gone"


def test_access_line(proxy, registry, origin):
    fetch(proxy, "GET", "/browse/s/index.html?token=" + SECRET + "&line=1")
    line = proxy.access_with("line=1")
    assert line["upstream"].startswith(registry.host.ip) and line["host"] == "registry.stk"
    assert line["followed_upstream"].startswith(origin.host.ip + ":443")
    assert line["followed_host"] == ORIGIN and line["followed_bucket"] == "pages"
    assert line["followed_path"] == "/pages/index.html?X-Amz-Credential=***&X-Amz-Signature=***"
    assert line["followed_first_byte_ms"] > line["first_byte_ms"] > 0
    assert line["x_amz_request_id"].startswith("ORIGIN") and line["end"] == "ok" and line["status"] == 200
    assert SECRET not in proxy.output()

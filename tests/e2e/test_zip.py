"""Archives: opened by every reader that people have, asked for in every way, and what the registry and S3 see."""

import random
import zipfile

import pytest

import helpers
import zips
from helpers import ORIGIN, Conn, eventually, fetch
from lab import http
from lab import origin as o
from lab.registry import Page, directory, entry, form
from zips import Listing

SMALL = [("a.txt", b"hello\n"), ("b.bin", random.Random(7).randbytes(70000))]


@pytest.fixture
def origin(world, proxy):
    world.origin.reset_hooks()
    return world.origin


@pytest.fixture
def registry(world, origin):
    world.registry.reset_hooks()
    return world.registry


@pytest.fixture
def listing(world, registry, request):
    """An empty one at a path of the test's own."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)
    return Listing(world, f"/zip/{name}")


def small(listing, **how):
    for name, data in SMALL:
        listing.add(name, data)
    listing.publish(**how)
    return listing


def get_archive(proxy, target, method="GET", headers=(), body=None):
    resp = fetch(proxy, method, target, headers, body, timeout=60)
    assert resp.status == 200, resp
    check_head(resp)
    assert resp.clean and len(resp.body) == int(resp.headers.get("content-length"))
    return resp


def check_head(resp):
    assert resp.headers.all("content-type") == ["application/zip"]
    assert not [n for n, _ in resp.headers.raw if n.lower().startswith(b"x-archive")], resp.head
    assert "transfer-encoding" not in resp.headers


# What is in it


def make_none(_listing):
    pass


def make_one(listing):
    listing.add("one.txt", b"1")


def make_many(listing):
    rng = random.Random(300)
    for i in range(300):
        size = rng.choice((0, 1, 100, 16384, 65536, rng.randrange(200000)))
        listing.add(f"f{i % 7}/file-{i:04}.bin", rng.randbytes(size), crc=None if i % 3 == 0 else "known")


def make_names(listing):
    for i, name in enumerate(("plain.txt", "Größe/übermäßig.txt", "日本語/写真 2.jpg", "emoji 😀.txt", "a b  c.txt",
                              "trails .txt", "x" * 255, "deep/" * 20 + "leaf", "quote's \"and\" <more>.txt",
                              "C.txt", ".hidden", "..two", "a..b", "100%.txt", "%20 + %2B")):
        listing.add(name, b"%d" % i, crc=None if i % 2 else "known")


def make_directories(listing):
    listing.add_directory("top").add_directory("top/with slash/").add("top/with slash/f", b"f")
    listing.add("other/file", b"2").add_directory("größe").add("marker/").add("marker/f", b"3")
    listing.expected[-2] = ("marker/", None)  # an empty object that stands for a folder


def make_duplicates(listing):
    listing.add("same", b"first").add("other", b"other").add("same", b"second, longer").add("same", b"third")


def make_unknown(listing):
    rng = random.Random(4)
    for i, size in enumerate((1, 70000, 300000, 16384)):
        listing.add(f"u{i}", rng.randbytes(size), crc=None)
    listing.add("empty", b"", crc=None).add("tricky", b"PK\x07\x08PK\x01\x02PK\x05\x06" * 100, crc=None)


def make_empty_ones(listing):
    listing.add("e1").add("e2", b"", crc=None).add("full", b"full").add("e3", host="s3.eu-west-3.amazonaws.com")


CONTENTS = {f.__name__[5:]: f for f in (make_none, make_one, make_many, make_names, make_directories,
                                        make_duplicates, make_unknown, make_empty_ones)}


@pytest.mark.parametrize("kind", CONTENTS)
def test_opens_everywhere(proxy, listing, tmp_path, kind):
    """One request for each entry that has bytes, none for the others."""
    CONTENTS[kind](listing)
    listing.publish()
    resp = get_archive(proxy, listing.path)
    assert sorted(listing.asked()) == sorted(listing.targets)
    if kind == "none":
        assert len(resp.body) == 22
    zips.check_all(resp.body, listing.expected, str(tmp_path))


def test_decomposed_letters(proxy, listing, tmp_path):
    """As a Mac makes names; libarchive composes them itself."""
    listing.add("e\u0301te\u0301/nai\u0308f.txt", b"1")
    listing.publish()
    zips.check_all(get_archive(proxy, listing.path).body, listing.expected, str(tmp_path), ("unzip", "7z", "python"))


def test_without_requests_to_s3(proxy, listing, origin, tmp_path):
    """Directories and empty entries alone: S3 need not be there."""
    make_empty_ones(listing)
    listing.lines.pop(2)
    listing.expected.pop(2)
    listing.add_directory("d")
    listing.publish()
    origin.refusing = True
    try:
        resp = get_archive(proxy, listing.path)
    finally:
        origin.refusing = False
    zips.check_all(resp.body, listing.expected, str(tmp_path))


def test_times(proxy, listing, registry):
    """The registry's Last-Modified, else 1980: never the hour at which it was asked."""
    small(listing)
    for headers, want in (([], (1980, 1, 1, 0, 0, 0)),
                          ([("Last-Modified", "Tue, 14 Jul 2020 10:20:30 GMT")], (2020, 7, 14, 10, 20, 30)),
                          ([("Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT")], (1980, 1, 1, 0, 0, 0)),
                          ([("Last-Modified", "yesterday")], (1980, 1, 1, 0, 0, 0))):
        registry.archives[listing.path].headers = headers
        with open_zip(get_archive(proxy, listing.path).body) as z:
            assert {i.date_time for i in z.infolist()} == {want}


def open_zip(data):
    import io
    return zipfile.ZipFile(io.BytesIO(data))


# Locations


TARGETS = ["/zip-loc/a%20b+c%2Bd%20+%20%2B", "/zip-loc//double//slash", "/zip-loc/./dot/../dots",
           "/zip-loc/%2e%2e/%2F%zz%", "/zip-loc/quote'\"()[]{}|\\^`<>", "/zip-loc/" + "k" * 1000,
           "/zip-loc/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20260101%2Feu-west-1%2Fs3%2F"
           "aws4_request&X-Amz-Signature=ab&response-content-disposition=attachment%3B+x%3D%22y%22",
           "/zip-loc/version?versionId=null", "/zip-loc/empty?", "/zip-loc/two?a?b=?", "/zip-loc/"]


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_locations_arrive_as_they_are(proxy, listing, framing):
    for i, target in enumerate(TARGETS):
        listing.add(f"n{i}", b"bytes of %d" % (i if "?" not in target else 0), target)
    listing.publish(framing=framing)
    resp = get_archive(proxy, listing.path)
    assert sorted(listing.asked()) == sorted(TARGETS)
    with open_zip(resp.body) as z:
        assert {n: z.read(n) for n in z.namelist()} == dict(listing.expected)


def test_location_of_raw_utf8(proxy, listing, origin):
    path = "/zip-loc/größe 1".replace(" ", "")
    raw = path.encode().decode("latin-1")
    listing.add("utf8", b"there", raw)
    listing.lines = [entry(b"there", f"/{ORIGIN}{path}".encode(), "utf8")]
    listing.publish()
    get_archive(proxy, listing.path)
    assert [r.target for r in origin.requests] == [raw]


@pytest.mark.parametrize("tail, seen", [("", "/"), ("?list-type=2", "/?list-type=2"), ("?", "/?"), ("/", "/")])
def test_location_of_a_host_alone(proxy, listing, origin, tail, seen):
    host = f"zip-root.{ORIGIN}"
    before = origin.objects.pop("/", None)
    origin.put("/", b"<list/>")
    try:
        listing.lines = [entry(b"<list/>", f"/{host}{tail}", "list.xml")]
        listing.publish()
        get_archive(proxy, listing.path)
    finally:
        origin.objects.pop("/")
        if before:
            origin.objects["/"] = before
    request, = origin.requests
    assert request.target == seen and request.headers.all("host") == [host]


@pytest.mark.parametrize("region, bucket_name", [("us-west-2", "e2e"), ("us-east-1", "lab-bucket")])
def test_presigned_locations_of_real_servers(world, proxy, bucket, listing, region, bucket_name, tmp_path):
    """Signed by botocore, checked by the server's gate: one byte changed in the target and it would say 403."""
    from clients import through
    assert bucket == "e2e"
    server = {"us-west-2": world.moto, "us-east-1": world.s3rver}[region]
    s3 = through.client(region, request_checksum_calculation="when_required")
    keys = ["zip/plain.txt", "zip/a b+c.txt", "zip/ü/日本.txt", "zip/100%25.txt", "zip/(1)='x'&y.txt"]
    for i, key in enumerate(keys):
        s3.put_object(Bucket=bucket_name, Key=key, Body=b"%d" % i * 5000)
        url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket_name, "Key": key}, ExpiresIn=900)
        listing.lines.append(entry(b"%d" % i * 5000, url.removeprefix("https:/"), key))
        listing.expected.append((key, b"%d" % i * 5000))
    listing.publish()
    server.requests.clear()
    zips.check_all(get_archive(proxy, listing.path).body, listing.expected, str(tmp_path))
    assert len(helpers.signed_right(server.requests, ("presigned",))) == len(keys)


def test_locations_at_hosts_that_were_allowed(world, start, registry):
    """Over plain HTTP where the setting says so; the client's cookie does not go there either."""
    from lab.dns import Scripted
    world.scripted.behave = Scripted.addresses("10.0.4.10")
    registry.pages["/zip-part"] = Page(b"over http")
    registry.put_archive("/zip/allowed", entry(b"over http", "/b.ceph.test/zip-part?x", "a"))
    proxy = start(servers=("10.0.2.54",), ALLOW_HOSTS="*.ceph.test:80=http", INTERNAL_REGISTRY_URL="http://10.0.4.10")
    with open_zip(get_archive(proxy, "/zip/allowed", headers=[("Cookie", "a=1")]).body) as z:
        assert z.read("a") == b"over http"
    request, = registry.asked("/zip-part")
    assert request.target == "/zip-part?x" and request.headers.all("host") == ["b.ceph.test"]
    assert "cookie" not in request.headers


def test_line_ends_and_spaces(proxy, listing, origin):
    """CR LF, LF and CR end lines; blank ones do not count; CRCs may have zeros in front, or none."""
    origin.put("/zip-lines/x", b"x")
    line = entry(b"x", f"/{ORIGIN}/zip-lines/x", "NAME").rstrip(b"\r\n")
    crc, rest = line.split(b" ", 1)
    lines = [line + b"\n", b"\r\n", line + b"\r", b"   \r\n", line.replace(b" ", b"    ") + b"\r\n", b"\n\n\r\r",
             b"00000000" + crc + b" " + rest + b"\r\n", crc.upper() + b" " + rest + b"\n",
             b"0 0   @directory   NAME \r\n"]
    listing.lines = [x.replace(b"NAME", b"n%d" % i) for i, x in enumerate(lines)]
    listing.publish()
    with open_zip(get_archive(proxy, listing.path).body) as z:
        assert z.testzip() is None
        assert z.namelist() == ["n0", "n2", "n4", "n6", "n7", "n8 /"]


def test_crc_without_zeros(proxy, listing, origin):
    data = next(b"%d" % i for i in range(10000) if zips.zlib.crc32(b"%d" % i) < 0x100000)
    origin.put("/zip-crc", data)
    listing.lines = [b"%x %d /%s/zip-crc n\r\n" % (zips.zlib.crc32(data), len(data), ORIGIN.encode())]
    listing.publish()
    with open_zip(get_archive(proxy, listing.path).body) as z:
        assert z.testzip() is None


# The same bytes


def test_identical_on_repetition_and_from_another_instance(proxy, start, listing, registry):
    make_many(listing)
    listing.publish(headers=[("Last-Modified", "Tue, 14 Jul 2020 10:20:30 GMT"), ("ETag", '"same"')])
    first = get_archive(proxy, listing.path).body
    assert get_archive(proxy, listing.path, "POST", body=b"token=other").body == first
    other = start(WORKERS=1, ARCHIVE_AHEAD="0")
    assert get_archive(other, listing.path).body == first
    registry.archives[listing.path].framing = "chunked"
    assert get_archive(other, listing.path).body == first


def test_connection_lives_on(proxy, listing):
    """The length is exact: the next response follows at once, HEAD's too."""
    small(listing)
    with Conn(proxy) as conn:
        first = conn.ask("GET", listing.path)
        assert first.clean and first.headers.get("content-length") == str(len(first.body))
        head = conn.ask("HEAD", listing.path)
        assert head.status == 200
        assert conn.ask("POST", listing.path, body=b"a=b").body == first.body
        assert conn.ask("GET", "/").body == b"S3 Proxy"


def test_head(proxy, listing, origin):
    small(listing, headers=[("Content-Disposition", "attachment"), ("ETag", '"e"')])
    with Conn(proxy) as conn:
        resp = conn.ask("HEAD", listing.path)
        assert resp.status == 200
        check_head(resp)
        assert "content-length" not in resp.headers
        assert resp.headers.all("etag") == ['"e"'] and resp.headers.all("content-disposition") == ["attachment"]
        assert conn.ended(0.3) is False and conn.wire.buf == b""
    assert origin.requests == []


def test_http_1_0(proxy, listing):
    small(listing)
    want = get_archive(proxy, listing.path).body
    with Conn(proxy) as conn:
        conn.send(f"GET {listing.path} HTTP/1.0\r\n\r\n".encode())
        resp = conn.response()
        assert resp.status == 200 and resp.clean and resp.body == want
        assert resp.headers.get("content-length") == str(len(want))
        assert conn.ended()


# Headers and methods, both ways


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "X-ANY"])
def test_methods(proxy, listing, registry, method):
    small(listing)
    body = b"x" * 1000 if method in ("POST", "PUT", "PATCH") else None
    get_archive(proxy, listing.path + "?q=%41", method, body=body)
    request, = registry.asked(listing.path)
    assert (request.method, request.target, bytes(request.body)) == (method, listing.path + "?q=%41", body or b"")


@pytest.mark.parametrize("status", [200, 201, 203])
def test_answer_headers(proxy, listing, status):
    small(listing, status=status, headers=[
        ("Content-Disposition", 'attachment; filename="x.zip"'), ("ETag", '"tag"'), ("Set-Cookie", "a=1; Path=/"),
        ("Last-Modified", "Tue, 14 Jul 2020 10:20:30 GMT"), ("Set-Cookie", "b=2"), ("Vary", "Origin"),
        ("Access-Control-Allow-Origin", "https://catalog.test"), ("X-Archive-Charset", "utf-8"),
        ("X-Request-Id", "r1"), ("Connection", "X-Hop"), ("X-Hop", "1"), ("Keep-Alive", "timeout=5")])
    resp = get_archive(proxy, listing.path)
    h = resp.headers
    assert h.all("content-disposition") == ['attachment; filename="x.zip"'] and h.all("etag") == ['"tag"']
    assert h.all("last-modified") == ["Tue, 14 Jul 2020 10:20:30 GMT"] and h.all("x-request-id") == ["r1"]
    assert h.all("set-cookie") == ["a=1; Path=/", "b=2"] and h.all("vary") == ["Origin"]
    assert h.all("access-control-allow-origin") == ["https://catalog.test"]
    assert h.all("cache-control") == ["max-age=0"]
    assert "x-hop" not in h and "keep-alive" not in h


def test_cache_control_of_the_registry_stays(proxy, listing):
    small(listing, headers=[("Cache-Control", "private, max-age=60")])
    assert get_archive(proxy, listing.path).headers.all("cache-control") == ["private, max-age=60"]


def test_what_the_registry_sees(proxy, listing, registry):
    small(listing)
    send = [("Cookie", "session=1; other=2"), ("Authorization", "Bearer abc"), ("X-Custom", "kept"),
            ("Content-Type", "application/x-www-form-urlencoded"), ("If-None-Match", '"x"'), ("User-Agent", "e2e"),
            ("Origin", "https://catalog.test"), ("Referer", "https://catalog.test/b"), ("Accept", "*/*"),
            ("X-Forwarded-For", "192.0.2.1"), ("under_score", "kept")]
    drop = [("Accept-Encoding", "gzip, br"), ("Range", "bytes=0-9"), ("If-Range", '"x"'), ("TE", "trailers"),
            ("Connection", "X-Named"), ("X-Named", "gone"), ("Keep-Alive", "5"), ("Upgrade", "h2c")]
    fetch(proxy, "POST", listing.path + "?token=q", send + drop, b"token=secret&files=%5B%5D")
    request, = registry.asked(listing.path)
    for name, value in send:
        assert request.headers.all(name) == [value], name
    for name in {n for n, _ in drop} - {"Connection"}:
        assert name not in request.headers, name
    assert "x-named" not in (request.headers.get("connection") or "").lower()
    assert request.headers.all("host") == ["registry.stk"]
    assert form(request) == {"token": "secret", "files": "[]"}


def test_nothing_of_the_client_reaches_s3(proxy, listing, origin):
    small(listing)
    mark = "mark-4d1c"
    names = ["Authorization", "Cookie", "X-Custom", "User-Agent", "Referer", "Origin", "Accept", "X-Amz-Meta-A",
             "X-Amz-Security-Token", "If-None-Match", "Accept-Language", "X-Forwarded-For", "traceparent",
             "Content-Type", "Accept-Encoding"]
    get_archive(proxy, listing.path + "?" + mark, "POST", [(n, mark) for n in names], mark.encode() * 10)
    assert len(origin.requests) == 2
    for request in origin.requests:
        assert mark.encode() not in request.head and not request.body
        assert request.method == "GET" and request.headers.all("host") == [ORIGIN]
        seen = {n.decode().lower() for n, _ in request.headers.raw}
        assert seen <= {"host", "connection", "accept", "user-agent", "accept-encoding"}, request.head
        assert request.headers.get("accept-encoding", "identity") == "identity"


def test_headers_that_the_registry_names_reach_s3(proxy, listing, origin):
    small(listing, pass_headers="x-amz-request-payer:Authorization:AUTHORIZATION: X-Twice :X-Absent:Cookie:Host:"
          "Range:If-Range:Connection:TE:Content-Length:Transfer-Encoding:Keep-Alive:Upgrade:Expect:X-Named::"
          "Proxy-Authorization")
    send = [("Authorization", "AWS4 abc"), ("X-Amz-Request-Payer", "requester"), ("X-Twice", "1"), ("X-Twice", "2"),
            ("Cookie", "c=1"), ("X-Other", "o"), ("TE", "trailers"), ("Keep-Alive", "5"), ("Upgrade", "x"),
            ("Connection", "X-Named"), ("X-Named", "n"), ("Proxy-Authorization", "p")]
    get_archive(proxy, listing.path, "POST", send, b"token=1")
    assert len(origin.requests) == 2
    for request in origin.requests:
        h = request.headers
        assert h.all("authorization") == ["AWS4 abc"] and h.all("x-amz-request-payer") == ["requester"]
        assert h.all("x-twice") == ["1", "2"] and h.all("host") == [ORIGIN]
        for name in ("cookie", "range", "if-range", "te", "content-length", "transfer-encoding", "keep-alive",
                     "upgrade", "expect", "x-other", "x-absent", "x-named", "proxy-authorization"):
            assert name not in h, request.head


def test_token_stays_between_client_and_registry(start, world, listing):
    """Neither a line of the log, with every level on, nor a request to S3 has it."""
    proxy = start(LOG_LEVEL="debug")
    small(listing)
    body, query = "form-4f1d-token", "query-77aa-token"
    resp = fetch(proxy, "POST", f"{listing.path}?token={query}&x=1", [], f"token={body}&a=b".encode())
    assert resp.status == 200
    line = proxy.access_with(listing.path)
    assert line["status"] == 200
    listing.world.registry.put_archive(listing.path, b"broken\r\n")
    assert fetch(proxy, "POST", f"{listing.path}?token={query}&x=2", [], f"token={body}&a=b".encode()).status == 502
    proxy.access_with("x=2")
    assert {form(r)["token"] for r in world.registry.asked(listing.path)} == {body}
    assert body not in proxy.output() and query not in proxy.output()
    for request in world.origin.requests:
        assert body.encode() not in request.head and query.encode() not in request.head and not request.body


# Answers that are no archives


def test_other_answers_pass(proxy, registry, origin):
    registry.pages["/zip/other"] = Page(b'{"error": "no such package"}', 404, [
        ("Content-Type", "application/json"), ("Set-Cookie", "a=1"), ("Access-Control-Allow-Origin", "https://c.test"),
        ("X-Archive-Files", "zip"), ("X-Archive-Pass-Headers", "Authorization"), ("Retry-After", "7")])
    resp = fetch(proxy, "POST", "/zip/other", body=b"token=1")
    assert resp.status == 404 and resp.clean and resp.body == b'{"error": "no such package"}'
    h = resp.headers
    assert h.all("content-type") == ["application/json"] and h.all("set-cookie") == ["a=1"]
    assert h.all("access-control-allow-origin") == ["https://c.test"] and h.all("retry-after") == ["7"]
    assert not [n for n, _ in h.raw if n.lower().startswith(b"x-archive")]
    registry.pages["/zip/other"] = Page(b"<p>fine</p>", 200, [("Content-Type", "text/html"), ("ETag", '"h"')])
    resp = fetch(proxy, "GET", "/zip/other")
    assert (resp.status, resp.body) == (200, b"<p>fine</p>")
    assert resp.headers.all("content-type") == ["text/html"] and resp.headers.all("etag") == ['"h"']
    assert "cache-control" not in resp.headers
    for status in (302, 304, 401, 500, 503):
        registry.pages["/zip/other"] = Page(b"", status, [("X-Archive-Files", "zip"), ("Location", "/login")])
        resp = fetch(proxy, "GET", "/zip/other")
        assert resp.status == status and resp.headers.all("location") == ["/login"]
        assert "x-archive-files" not in resp.headers
    assert origin.requests == []


def test_another_kind_of_archive_passes(proxy, registry, origin):
    registry.pages["/zip/tar"] = Page(b"not a manifest", 200, [("X-Archive-Files", "tar")])
    resp = fetch(proxy, "GET", "/zip/tar")
    assert resp.status == 200 and resp.body == b"not a manifest"


def test_options_goes_to_the_registry(proxy, registry):
    def respond(request, wire):
        wire.sock.sendall(b"HTTP/1.1 204 X\r\nAccess-Control-Allow-Origin: https://c.test\r\nAllow: POST\r\n\r\n")
        return True
    registry.respond = respond
    resp = fetch(proxy, "OPTIONS", "/zip/opt", [("Origin", "https://c.test"),
                                                ("Access-Control-Request-Method", "POST")])
    assert resp.status == 204 and resp.headers.all("access-control-allow-origin") == ["https://c.test"]
    assert resp.headers.all("allow") == ["POST"] and "access-control-allow-methods" not in resp.headers
    request, = registry.asked("/zip/opt")
    assert request.method == "OPTIONS" and request.headers.all("access-control-request-method") == ["POST"]


def test_slow_registry(proxy, listing):
    """The client is kept; other requests go on meanwhile."""
    small(listing, delay=1.5)
    with Conn(proxy) as conn:
        conn.send(f"GET {listing.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert fetch(proxy, "GET", "/").seconds < 0.5
        resp = http.read_response(conn.wire)
    assert resp.status == 200 and resp.clean
    with open_zip(resp.body) as z:
        assert z.testzip() is None and len(z.namelist()) == 2


def test_registry_that_answers_before_the_form_is_there(proxy, listing, registry):
    """The archive comes whole; what becomes of the connection is told."""
    small(listing)
    want = get_archive(proxy, listing.path).body
    text = registry.archives[listing.path].manifest
    answered = o.Flag()

    def on_head(request, wire):
        if request.method == "POST":
            wire.sock.sendall(b"HTTP/1.1 200 OK\r\nX-Archive-Files: zip\r\nContent-Length: %d\r\n\r\n%s"
                              % (len(text), text))
            answered.set()
            return True
        return False
    registry.on_head = on_head
    with Conn(proxy) as conn:
        conn.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" % listing.path.encode()
                  + b"x" * 100000)
        resp = conn.response()
        answered.wait()
        assert resp.status == 200 and resp.clean and resp.body == want
        if "close" in (resp.headers.get("connection") or ""):
            assert conn.ended()
        else:
            conn.send(b"x" * 200000)
            assert conn.ask("GET", "/").body == b"S3 Proxy"
    assert get_archive(proxy, listing.path).body == want


def test_client_that_reads_when_it_has_sent_all(proxy, listing, registry):
    """The registry has answered and reads no more; the archive waits for a client that still writes."""
    data = random.Random(2).randbytes(20_000_000)
    listing.add("big", data)
    listing.publish()
    text = registry.archives[listing.path].manifest

    def on_head(request, wire):
        wire.sock.sendall(b"HTTP/1.1 200 OK\r\nX-Archive-Files: zip\r\nContent-Length: %d\r\n\r\n%s"
                          % (len(text), text))
        raise EOFError
    registry.on_head = on_head
    with Conn(proxy, 20) as conn:
        conn.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 40000000\r\n\r\n" % listing.path.encode())
        conn.send(bytes(40_000_000))
        resp = conn.response()
    assert resp.status == 200 and resp.clean
    with open_zip(resp.body) as z:
        assert z.read("big") == data


def test_access_line(proxy, listing):
    make_many(listing)
    listing.publish()
    resp = get_archive(proxy, listing.path)
    line = proxy.access_with(listing.path)
    assert (line["status"], line["end"], line["bytes_out"]) == (200, "ok", len(resp.body))
    assert (line["entries"], line["parts"]) == (len(listing.lines), len(listing.targets))
    assert "part_tries" not in line and line["upstream"].endswith(":80")


def test_draining_lets_an_archive_finish(start, listing):
    proxy = start()
    data = random.Random(1).randbytes(20_000_000)
    for i in range(3):
        listing.add(f"n{i}", data, f"{listing.path}/same")
    listing.publish()
    with zips.Body(proxy, "GET", listing.path) as body:
        proxy.term()
        eventually(lambda: not listens(proxy), what="the end of listening")
        whole = b"".join(bytes(p) for p in body.pieces())
    with open_zip(whole) as z:
        assert z.testzip() is None and len(z.namelist()) == 3
    assert proxy.process.wait(10) == 0


def listens(proxy):
    try:
        Conn(proxy, 1).sock.close()
    except OSError:
        return False
    return True


def test_many_at_once(proxy, listing, start):
    make_many(listing)
    listing.lines.append(directory("end"))
    listing.publish()
    want = get_archive(proxy, listing.path).body
    zips.in_parallel(*[lambda: same(get_archive(proxy, listing.path).body, want) for _ in range(8)])


def same(a, b):
    assert a == b

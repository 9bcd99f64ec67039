"""The requests that the replaced container and penstock are both asked: what SDKs really sent (recorded/sdk.jsonl) and tables by
what a request is. A case is the bytes of one connection and the methods whose answers are awaited on it."""

import base64
import json
import os
from dataclasses import dataclass

import smuggling

HOST = "s3.eu-west-1.amazonaws.com"
AT = "/" + HOST
VIRTUAL = "/photos." + HOST
BROWSER = [("User-Agent", "Mozilla/5.0"), ("Accept", "*/*"), ("Origin", "https://catalog.example"), ("Accept-Encoding", "gzip, deflate, br"),
           ("Referer", "https://catalog.example/"), ("Sec-Fetch-Mode", "cors")]
SIGNED = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20260101%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Signature=0a1b"


@dataclass
class Case:
    name: str
    data: bytes
    methods: tuple = ("GET",)
    probed: bool = False  # is a second answer looked for, which would tell of a request smuggled?


def wire(method, target, headers=(), body=None, version="1.1", host="proxy.example"):
    def raw(text):
        return text if isinstance(text, bytes) else text.encode("utf-8")
    lines = [raw(method) + b" " + raw(target) + b" HTTP/" + raw(version)]
    lines += [b"Host: " + raw(host)] if host else []
    lines += [raw(n) + b": " + raw(v) for n, v in headers]
    names = {n.lower() for n, _ in headers}
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def chunked(data, size=1000, trailer=b""):
    pieces = [data[i:i + size] for i in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n" + trailer + b"\r\n"


def one(name, method, target, headers=(), body=None, **how):
    return Case(name, wire(method, target, headers, body, **how), (method,))


def sdk():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "recorded", "sdk.jsonl")
    with open(path, encoding="utf-8") as f:
        for line in f:
            r = json.loads(line)
            body = base64.b64decode(r["body"])
            # botocore waits a moment for 100; the body may follow at once.
            if any(n.lower() == "transfer-encoding" for n, _ in r["headers"]):
                body = chunked(body)
            yield one(r["name"], r["method"], r["target"], r["headers"], body or None)


def health():
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        yield one(method, method, "/", body=b"" if method in ("POST", "PUT") else None)
    yield one("the balancer's", "GET", "/", [("User-Agent", "ELB-HealthChecker/2.0"), ("Connection", "close")], host="10.0.1.10")
    for name, target in (("query", "/?x=1"), ("empty query", "/?"), ("robots", "/robots.txt"), ("robots, query", "/robots.txt?x")):
        yield one(name, "GET", target)
    yield one("robots HEAD", "HEAD", "/robots.txt")
    yield one("HTTP/1.0", "GET", "/", version="1.0", host=None)
    yield one("with Origin", "GET", "/", BROWSER)
    for target in ("/favicon.ico", "/livez", "/metrics", "/index.html", "/zip", "/browse"):
        yield one("none: " + target, "GET", target)


def catalog():
    """What the catalog's pages do: presigned, with the browser's headers."""
    for key in ("plain.txt", "page.html", "data.json", "style.css", "code.js", "empty", "1k.bin", "large.bin", "missing", "compressed"):
        yield one(f"{key}, path", "GET", f"{AT}/photos/{key}?{SIGNED}", BROWSER)
        yield one(f"{key}, virtual host", "GET", f"{VIRTUAL}/{key}?{SIGNED}", BROWSER)
        yield one(f"{key}, no encodings", "GET", f"{VIRTUAL}/{key}?{SIGNED}")
    for host in ("s3.dualstack.eu-west-1.amazonaws.com", "S3.EU-WEST-1.amazonaws.com"):
        yield one("host " + host, "GET", f"/{host}/photos/plain.txt", BROWSER)
    for name, extra in (("version", "&versionId=a.b_c"), ("disposition", "&response-content-disposition=attachment%3B%20filename%3D%22a%20b%22"),
                        ("token", "&X-Amz-Security-Token=a%2Bb%2Fc%3D%3D"), ("raw", "&x=[a]|{b}\"c'"), ("question", "&a=?b?"), ("empty", "&&="),
                        ("plus", "&a=b+c"), ("slashes", "&p=/a//b/../c"), ("at", "&e=a@b:c")):
        yield one(f"query: {name}", "GET", f"{VIRTUAL}/plain.txt?{SIGNED}{extra}", BROWSER)


def ranges():
    for spec in ("bytes=0-0", "bytes=0-9", "bytes=10-", "bytes=-5", "bytes=1000-1999", "bytes=999999-", "bytes=0-999999999", "bytes=-0",
                 "bytes=5-2", "bytes=0-1,5-9", "bytes=a-b", "items=0-5", "bytes = 0-5", "BYTES=0-5", "bytes=", ""):
        yield one(f"GET {spec}", "GET", f"{AT}/photos/1k.bin", [("Range", spec)])
    for spec in ("bytes=0-9", "bytes=-5", "bytes=999999-"):
        yield one(f"HEAD {spec}", "HEAD", f"{AT}/photos/1k.bin", [("Range", spec)])
        yield one(f"If-Range {spec}", "GET", f"{AT}/photos/1k.bin", [("Range", spec), ("If-Range", '"other"')])
        yield one(f"browser {spec}", "GET", f"{AT}/photos/page.html", [*BROWSER, ("Range", spec)])


def conditional():
    for key in ("plain.txt", "page.html"):
        for name, value in (("If-None-Match", '"zzz"'), ("If-None-Match", "*"), ("If-None-Match", "ETAG"), ("If-Match", "ETAG"), ("If-Match", '"no"'),
                            ("If-Modified-Since", "Thu, 01 Jan 2026 00:00:00 GMT"), ("If-Unmodified-Since", "Thu, 01 Jan 2015 00:00:00 GMT")):
            for method in ("GET", "HEAD"):
                yield one(f"{method} {key} {name} {value[:5]}", method, f"{AT}/photos/{key}", [(name, value)])


def heads():
    for key in ("plain.txt", "page.html", "data.json", "empty", "1k.bin", "large.bin", "missing", "compressed", "status-403", "status-301"):
        yield one(key, "HEAD", f"{AT}/photos/{key}")
        yield one(f"{key}, browser", "HEAD", f"{VIRTUAL}/{key}?{SIGNED}", BROWSER)


def listings():
    for query in ("list-type=2", "list-type=2&prefix=a%2Fb%20c&delimiter=%2F", "list-type=2&prefix=a+b", "prefix=&delimiter=/&max-keys=0", "versions",
                  "versions&prefix=%E6%97%A5", "uploads", "location", "versioning", "acl", "cors", "policyStatus", "list-type=2&continuation-token=1%2Fa%2Bb%3D%3D",
                  "list-type=2&start-after=a%00b", "delete", "encoding-type=url&list-type=2&fetch-owner=true", "x-id=ListObjectsV2&list-type=2"):
        yield one("path " + query, "GET", f"{AT}/photos/?{query}", BROWSER)
        yield one("virtual " + query, "GET", f"{VIRTUAL}/?{query}")
    yield one("bucket alone", "GET", f"{AT}/photos")
    yield one("buckets", "GET", f"{AT}/")
    yield one("host alone", "GET", AT)
    yield one("host and query", "GET", VIRTUAL + "?list-type=2")


def writes():
    for size in (0, 1, 1000, 20000, 300000):
        body = bytes(range(256)) * (size // 256 + 1)
        yield one(f"PUT {size}", "PUT", f"{AT}/photos/put-{size}", [("Content-Type", "text/plain"), ("x-amz-acl", "private")], body[:size])
        yield one(f"PUT chunked {size}", "PUT", f"{AT}/photos/put-{size}", [("Transfer-Encoding", "chunked")], chunked(body[:size]))
    for name, method, target, body in (
            ("create upload", "POST", "/big?uploads", b""), ("create upload, no length", "POST", "/big?uploads", None),
            ("part", "PUT", "/big?partNumber=1&uploadId=a%2Bb", b"p" * 5000), ("complete", "POST", "/big?uploadId=a%2Bb", b"<CompleteMultipartUpload/>"),
            ("abort", "DELETE", "/big?uploadId=a%2Bb", None), ("delete", "DELETE", "/gone", None), ("delete with body", "DELETE", "/gone", b"why"),
            ("delete many", "POST", "/?delete", b"<Delete/>"), ("tagging", "PUT", "/k?tagging", b"<Tagging/>"), ("select", "POST", "/k?select&select-type=2", b"<S/>"),
            ("restore", "POST", "/k?restore", b"<R/>"), ("GET with body", "GET", "/plain.txt", b"odd"), ("PUT without length", "PUT", "/nolength", None)):
        yield one(name, method, VIRTUAL + target, BROWSER, body)
    form = (b"--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n"
            + b"x" * 500 + b"\r\n--b--\r\n")
    yield one("browser form", "POST", VIRTUAL + "/", [*BROWSER, ("Content-Type", "multipart/form-data; boundary=b")], form)
    yield one("copy", "PUT", VIRTUAL + "/copy", [("x-amz-copy-source", "/photos/a%20b%2Bc"), ("x-amz-metadata-directive", "COPY")], b"")
    yield one("metadata", "PUT", VIRTUAL + "/meta", [("x-amz-meta-helium", '{"a": "b"}'), ("x-amz-meta-under_score", "v"), ("Content-MD5", "eA==")], b"x")


def aws_chunked():
    for name, trailer in (("signed", b""), ("trailer", b"x-amz-checksum-crc32:AAAAAA==\r\n")):
        for size in (0, 10, 70000):
            data = (b"%x;chunk-signature=%s\r\n%s\r\n" % (size, b"0" * 64, b"d" * size) if size else b"") + b"0;chunk-signature=" + b"0" * 64 + b"\r\n" + trailer + b"\r\n"
            headers = [("Content-Encoding", "aws-chunked"), ("x-amz-decoded-content-length", str(size)), ("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")]
            headers += [("x-amz-trailer", "x-amz-checksum-crc32")] if trailer else []
            yield one(f"{name} {size}, length", "PUT", f"{AT}/photos/chunks", headers, data)
            yield one(f"{name} {size}, chunked", "PUT", f"{AT}/photos/chunks", [*headers, ("Transfer-Encoding", "chunked")], chunked(data, 8192))
    yield one("HTTP trailers", "PUT", f"{AT}/photos/trailers", [("Transfer-Encoding", "chunked"), ("Trailer", "x-amz-checksum-crc32")],
              chunked(b"data", trailer=b"x-amz-checksum-crc32: AAAAAA==\r\n"))
    yield one("chunk extensions", "PUT", f"{AT}/photos/extensions", [("Transfer-Encoding", "chunked")], b"4;a=b\r\ndata\r\n0;c\r\n\r\n")


def preflights():
    for method in ("GET", "PUT", "POST", "DELETE", "HEAD"):
        yield one(method, "OPTIONS", f"{VIRTUAL}/plain.txt", [*BROWSER, ("Access-Control-Request-Method", method)])
        yield one(f"{method} with headers", "OPTIONS", f"{AT}/photos/plain.txt", [
            *BROWSER, ("Access-Control-Request-Method", method), ("Access-Control-Request-Headers", "authorization,x-amz-date,x-amz-content-sha256")])
    for name, target in (("of a listing", VIRTUAL + "/?list-type=2"), ("of buckets", AT + "/"), ("of a host", AT), ("of a foreign host", "/example.com/x")):
        yield one(name, "OPTIONS", target, [*BROWSER, ("Access-Control-Request-Method", "GET")])
    yield one("private network", "OPTIONS", VIRTUAL + "/k", [*BROWSER, ("Access-Control-Request-Method", "GET"), ("Access-Control-Request-Private-Network", "true")])
    yield one("plain OPTIONS", "OPTIONS", VIRTUAL + "/k")
    yield one("OPTIONS with a body", "OPTIONS", VIRTUAL + "/k", BROWSER, b"body")
    yield one("CORS of a GET", "GET", VIRTUAL + "/plain.txt", [("Origin", "https://a.example"), ("Access-Control-Request-Headers", "x-a"), ("Access-Control-Request-Method", "PUT")])


KEYS = ["a%20b", "a+b", "a%2Bb", "a%2Fb", "a%2fb", "%2F", "a//b", "//a", "a/./b", "./a", "a/../b", "../a", "../../a", "a/..", "a/.", ".", "..", "%2e%2e/a", "a/%2E%2E/b",
        "%2e", "...", "a%25b", "%", "a%", "a%2", "a%zz", "%00", "a%00b", "%0a", "%0d%0ax", "%7F", "%FF", "ünï", "日本語", "%E6%97%A5", "%C3", "a'b", 'a"b', "a<b>", "a[b]", "a{b}",
        "a|b", "a^b", "a`b", "a\\b", "..\\a", "a~b", "a!b", "a*b", "a(b)", "a;b=c", "a,b", "a:b", "a@b", "a$b", "a&b", "a=b", "%3F", "a%3Fb=c", "a?", "a??b", "a%23b", "a/", "a//",
        "https://x", "zip/x", "browse/x", "k" * 1000, "%F0%9F%98%80", "a%20%20b", "+", "%2B+%20", "~user", "-", "_", "%5C", "index.html", "a.b.c", "con", "CAPS", "%41"]


def odd_keys():
    for key in KEYS:
        yield one(key[:40], "GET", f"{VIRTUAL}/{key}")
    for key in KEYS[:24]:
        yield one("PUT " + key[:40], "PUT", f"{AT}/photos/{key}", [("Origin", "https://a.example")], b"data")


def answers():
    """What S3 may say (swap_origin.py knows the names)."""
    for status in (200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 409, 411, 412, 413, 416, 429, 500, 501, 503):
        yield one(f"status {status}", "GET", f"{AT}/photos/status-{status}", BROWSER)
    for key in ("cors", "cookies", "odd-headers", "many-headers", "big-header", "close", "chunked", "chunked-trailers", "gzip", "no-type", "json-large", "interim-103", "date",
                "cache", "link", "accel", "upgrade", "unknown-status", "empty-reason", "auth", "hop", "chunked-empty", "close-notify", "content-length-0", "server"):
        yield one("answer " + key, "GET", f"{AT}/photos/answer-{key}", BROWSER)
    for key in ("truncated", "truncated-chunked", "reset", "garbage", "nothing", "huge-header", "two-lengths", "http-1.0"):
        yield one("broken " + key, "GET", f"{AT}/photos/broken-{key}", BROWSER)
        yield one("broken " + key + ", PUT", "PUT", f"{AT}/photos/broken-{key}", BROWSER, b"data")


def hosts():
    for host in ("example.com", "s3.eu-west-1.amazonaws.com.evil.test", "evil.test", "evil.test%3F.amazonaws.com", "evil.test%2F.amazonaws.com", "a@s3.eu-west-1.amazonaws.com",
                 "s3.eu-west-1.amazonaws.com:443", "s3.eu-west-1.amazonaws.com:8443", "s3.eu-west-1.amazonaws.com.", "s3%2eeu-west-1.amazonaws.com", "execute-api.eu-west-1.amazonaws.com",
                 "ec2.eu-west-1.amazonaws.com", "sts.amazonaws.com", "amazonaws.com", ".amazonaws.com", "127.0.0.1", "169.254.169.254", "localhost", "[::1]", "10.0.3.12",
                 "evil.test%23.amazonaws.com", "-.s3.eu-west-1.amazonaws.com", "b_.s3.eu-west-1.amazonaws.com", "a.b.s3.eu-west-1.amazonaws.com", "xs3.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com%00",
                 "s3.nowhere-9.amazonaws.com", "s3.ap-northeast-1.amazonaws.com", "s3.eu-west-3.amazonaws.com", "s3.eu-central-1.amazonaws.com", "s3.ap-south-1.amazonaws.com",
                 "%73%33.eu-west-1.amazonaws.com", "s3.eu-west-1.AMAZONAWS.COM", "registry.stk", "bücher.amazonaws.com", "s3.eu-west-2.amazonaws.com.cn"):
        yield one(host[:50], "GET", f"/{host}/photos/plain.txt", BROWSER)
    for target in ("//x", "//s3.eu-west-1.amazonaws.com/k", "/./s3.eu-west-1.amazonaws.com/k", "/x/../s3.eu-west-1.amazonaws.com/k", "/..", "/.", "/%2F", "/%2e%2e/x", "/?/x", "/#x", "/a%00/x", "/%/x"):
        yield one("target " + target, "GET", target)


def methods():
    for method in ("PATCH", "PROPFIND", "LINK", "get", "M-SEARCH", "TRACE", "X_Y", "MKCOL", "LOCK", "PURGE"):
        yield one(method, method, f"{AT}/photos/any-method")
    yield one("POST without a body", "POST", f"{AT}/photos/any-method", [("Content-Length", "0")])
    yield Case("CONNECT", wire("CONNECT", HOST + ":443"), ("GET",))
    yield one("OPTIONS *", "OPTIONS", "*")


def headers():
    for name, value in (("Cookie", "session=secret"), ("Authorization", "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=b"), ("x_under_score", "v"), ("X-Amz-Meta-A", "a  b"),
                        ("X-Empty", ""), ("X-Forwarded-For", "192.0.2.1, 10.0.0.1"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Port", "443"), ("X-Amzn-Trace-Id", "Root=1-2"),
                        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("Connection", "keep-alive"), ("Connection", "close"), ("Connection", "X-Named, keep-alive"), ("Keep-Alive", "300"),
                        ("TE", "trailers"), ("Upgrade", "websocket"), ("Upgrade-Insecure-Requests", "1"), ("Proxy-Authorization", "Basic eA=="), ("Proxy-Connection", "keep-alive"), ("Via", "1.1 cache"),
                        ("Accept-Encoding", "gzip"), ("Accept-Encoding", "identity"), ("Cache-Control", "no-cache"), ("Pragma", "no-cache"), ("Max-Forwards", "0"), ("X-Long", "v" * 4000),
                        ("X-Long", "v" * 7900), ("X-Long", "v" * 8200), ("X-Long", "v" * 20000), ("X-Long", "v" * 40000), ("X-Tab", "a\tb"), ("X-Utf8", "ü日本"), ("Content-Type", "text/plain"), ("Forwarded", "for=192.0.2.1")):
        yield one(f"{name}: {value[:20]} ({len(value)})", "GET", f"{AT}/photos/plain.txt", [(name, value), ("X-Named", "here")])
    yield one("90 fields", "GET", f"{AT}/photos/plain.txt", [(f"X-Field-{i}", "v") for i in range(90)])
    yield one("120 fields", "GET", f"{AT}/photos/plain.txt", [(f"X-Field-{i}", "v") for i in range(120)])
    yield one("repeated", "GET", f"{AT}/photos/plain.txt", [("X-Twice", "a"), ("X-Other", "o"), ("x-twice", "b")])
    for size in (4000, 7900, 8300, 20000, 30000):
        yield one(f"query of {size}", "GET", f"{AT}/photos/plain.txt?q=" + "q" * size)


def protocol():
    get = f"{AT}/photos/plain.txt"
    yield one("HTTP/1.0", "GET", get, version="1.0")
    yield one("HTTP/1.0, no Host", "GET", get, version="1.0", host=None)
    yield one("HTTP/1.0 keep-alive", "GET", get, [("Connection", "keep-alive")], version="1.0")
    yield one("HTTP/1.0, chunked answer", "GET", f"{AT}/photos/answer-chunked", version="1.0")
    yield one("HTTP/1.0 PUT", "PUT", f"{AT}/photos/old", body=b"data", version="1.0")
    yield one("absolute form", "GET", "http://proxy.example" + get)
    yield one("absolute form, https", "GET", "https://proxy.example" + get)
    yield one("absolute form, root", "GET", "http://proxy.example/")
    yield one("absolute form, no path", "GET", "http://proxy.example")
    for n in (2, 5, 20):
        yield Case(f"pipelined {n}", wire("GET", get) * n, ("GET",) * n)
    yield Case("pipelined, mixed", wire("GET", get) + wire("HEAD", get) + wire("PUT", f"{AT}/photos/p", body=b"data") + wire("GET", "/") + wire("GET", "/example.com/x"),
               ("GET", "HEAD", "PUT", "GET", "GET"))
    yield Case("pipelined errors", wire("GET", f"{AT}/photos/missing") * 2 + wire("OPTIONS", get) + wire("GET", get), ("GET", "GET", "OPTIONS", "GET"))
    yield Case("close, then more", wire("GET", get, [("Connection", "close")]) + wire("GET", get), ("GET",))
    yield one("Expect: 100-continue", "PUT", f"{AT}/photos/expect", [("Expect", "100-continue")], b"data")
    yield one("Expect: other", "PUT", f"{AT}/photos/expect", [("Expect", "200-ok")], b"data")
    yield one("Expect on GET", "GET", get, [("Expect", "100-continue")])
    yield Case("empty line first", b"\r\n" + wire("GET", get))
    yield Case("lower-case names", wire("GET", get).replace(b"Host:", b"host:"))
    yield Case("no space after the colon", wire("GET", get).replace(b"Host: ", b"Host:"))
    yield one("Host with a port", "GET", get, host="proxy.example:8080")
    yield one("Host: an address", "GET", get, host="10.0.1.10")
    yield one("Host: empty", "GET", get, [("Host", "")], host=None)
    yield one("HTTP/1.2", "GET", get, version="1.2")
    yield one("HTTP/2.0", "GET", get, version="2.0")


def hostile():
    for name, (data, _) in smuggling.HEADS.items():
        if name not in UNJUDGED:
            yield Case(name, data.replace(b"@", AT.encode() + b"/photos"), probed=True)
    for name, data in smuggling.CHUNKS.items():
        if len(data) < 6000:
            yield Case("chunks: " + name, (smuggling.CHUNKED + data).replace(b"@", AT.encode() + b"/photos"), ("POST",), probed=True)


# What is no whole head yet: penstock waits for the rest of it.
UNJUDGED = {"bare CR ends a line"}


def browse():
    for status in (301, 302, 303, 307, 308):
        yield one(f"redirect {status}", "GET", f"/browse/go/{status}/photos/plain.txt", BROWSER)
    for key in ("page.html", "data.json", "1k.bin", "missing", "a%20b+c", "a//b", "answer-cors", "answer-cookies", "status-403", "status-301"):
        yield one(f"to {key}", "GET", f"/browse/go/302/photos/{key}", BROWSER)
    yield one("range", "GET", "/browse/go/302/photos/1k.bin", [("Range", "bytes=5-9")])
    yield one("HEAD", "HEAD", "/browse/go/302/photos/1k.bin")
    yield one("with cookie and token", "GET", "/browse/go/302/photos/plain.txt", [("Cookie", "browse=1"), ("Authorization", "Bearer t"), ("X-Other", "o")])
    yield one("POST, redirected", "POST", "/browse/go/307/photos/posted", [("Content-Type", "text/plain")], b"data")
    yield one("OPTIONS", "OPTIONS", "/browse/set_browse_cookie", [*BROWSER, ("Access-Control-Request-Method", "POST")])
    yield one("cookie", "POST", "/browse/cookie", [*BROWSER, ("Cookie", "a=b"), ("Content-Type", "application/json")], b"{}")
    for name in ("relative", "missing", "foreign", "userinfo", "plain", "port", "fragment", "two", "nowhere"):
        yield one(f"Location: {name}", "GET", f"/browse/bad/{name}", BROWSER)
    for target in ("/browse/page", "/browse/", "/browse/a%20b//c/../d?x=%2F", "/browse/status-404", "/browse/status-500"):
        yield one("plain " + target, "GET", target, BROWSER)


def archives():
    """Without mod_zip nginx passes the list on: what the registry is asked can be compared, and all that is no archive."""
    for target in ("/zip/none", "/zip/", "/zip/a%20b//c/../d?x=%2F", "/zip/status-403", "/zip/status-500", "/zip/page"):
        yield one("plain " + target, "GET", target, BROWSER)
    yield one("POST form", "POST", "/zip/page", [*BROWSER, ("Content-Type", "application/x-www-form-urlencoded")], b"token=t&x=y")
    yield one("POST large form", "POST", "/zip/page", [("Content-Type", "text/plain")], b"f" * 200000)
    yield one("cookie and token", "GET", "/zip/page", [("Cookie", "a=b"), ("Authorization", "Bearer t"), ("Range", "bytes=0-4"), ("Accept-Encoding", "gzip")])
    yield one("OPTIONS", "OPTIONS", "/zip/page", [*BROWSER, ("Access-Control-Request-Method", "POST")])
    yield one("archive", "GET", "/zip/archive", BROWSER)
    yield one("archive by POST", "POST", "/zip/archive", BROWSER, b"token=t")
    yield one("archive, HEAD", "HEAD", "/zip/archive")
    yield one("archive, range", "GET", "/zip/archive", [("Range", "bytes=0-9")])
    yield one("archive, refused", "GET", "/zip/refused")


GROUPS = {f.__name__: f for f in (sdk, health, catalog, ranges, conditional, heads, listings, writes, aws_chunked, preflights, odd_keys, answers, hosts, methods, headers,
                                  protocol, hostile, browse, archives)}


def all_cases():
    """(group, Case), every name once."""
    seen = set()
    for group, make in GROUPS.items():
        for case in make():
            key = (group, case.name)
            assert key not in seen, key
            seen.add(key)
            yield group, case

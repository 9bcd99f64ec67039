"""The catalog's pages and the registry's routes, in headless Chromium: a form that downloads an archive, and a frame
whose page and assets come through redirects to presigned places in S3. Catalog and proxy are two hosts of one site,
as they are deployed, so that the browse cookie is no third party's."""

import json
import os
import struct
import subprocess
import threading
import urllib.parse
import zipfile
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from botocore.config import Config

from lab import origin
from lab import world as w
from lab.registry import Session, directory, entry, form
from lab.s3 import NODE

CATALOG, PROXY = "http://catalog.stack.test:8091", "http://proxy.stack.test"
S3 = "s3.us-west-2.amazonaws.com"
TOKEN = "TOKEN-OF-THE-FORM"
FIELDS_TO_S3 = {"host", "user-agent", "accept", "accept-encoding", "accept-language"}


def png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + b"\x20\x40\x80" * width for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


SITE = {  # key below the session's prefix -> (type, content)
    "page.html": ("text/html; charset=utf-8", """<!doctype html><meta charset=utf-8><title>report</title>
<link rel=stylesheet href=css/style.css><h1>ein Bericht</h1><img src="img/%C3%BC%20b%2B1.png">
<script src=js/app.js></script>""".encode()),
    "css/style.css": ("text/css", b"@import 'more/deep.css'; h1 { font-weight: 400 }"),
    "css/more/deep.css": ("text/css", b"h1 { color: rgb(1, 2, 3) }"),
    "img/\u00fc b+1.png": ("image/png", png(37, 5)),
    "js/app.js": ("text/javascript", b"""addEventListener('load', async () => {
  const data = await (await fetch('data/rows.json?x=1')).json();
  const missing = await fetch('data/none.json');
  const part = await fetch('js/app.js', { headers: { Range: 'bytes=0-15' } });
  parent.postMessage({ rows: data.length, missing: missing.status, part: [part.status, await part.text()],
                       cookie: document.cookie }, '*');
});"""),
    "data/rows.json": ("application/json", json.dumps(list(range(1000))).encode()),
}
FILES = {"notes/lies mich.txt": b"read me", "notes/\u00fcber uns.txt": b"", "data/table.bin": origin.random_bytes(3 << 20)}


@pytest.fixture(scope="module")
def catalog(world):
    class Site(BaseHTTPRequestHandler):
        def do_GET(self):
            body = b"<!doctype html><meta charset=utf-8><title>catalog</title><body>" if self.path == "/" else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with open(os.path.join(world.folder, "hosts"), "a") as f:
        f.write(f"127.0.0.1 catalog.stack.test\n{w.PENSTOCK} proxy.stack.test\n")
    site = ThreadingHTTPServer(("127.0.0.1", 8091), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield CATALOG + "/"
    site.shutdown()
    site.server_close()


@pytest.fixture(scope="module")
def presign():
    """As the registry has it: a URL of S3's own for a key, with its own signature."""
    s3 = boto3.client("s3", region_name="us-west-2", aws_access_key_id="S3RVER", aws_secret_access_key="S3RVER",
                      endpoint_url=f"https://{S3}", config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    return lambda key: s3.generate_presigned_url("get_object", Params={"Bucket": "e2e", "Key": key}, ExpiresIn=900)


@pytest.fixture(scope="module")
def seen(world, proxy, catalog, bucket, presign):
    """Everything in one run of the browser."""
    from clients import through
    s3 = through.client("us-west-2")
    for key, (kind, body) in SITE.items():
        s3.put_object(Bucket=bucket, Key="site/" + key, Body=body, ContentType=kind)
    for name, body in FILES.items():
        s3.put_object(Bucket=bucket, Key="files/" + name, Body=body)
    world.registry.reset_hooks()
    world.registry.sessions["S1"] = Session(lambda path: presign("site/" + urllib.parse.unquote(path)))
    world.registry.put_archive(
        "/zip/package/one", directory("notes/"),
        *(entry(body, "/" + presign("files/" + name).removeprefix("https://"), name) for name, body in FILES.items()),
        headers=[("Content-Disposition", 'attachment; filename="one.zip"')])
    world.moto.requests.clear()
    lines = len(proxy.access())
    save = os.path.join(world.folder, "one.zip")
    argument = {"page": catalog, "proxy": PROXY, "browse": f"{PROXY}/browse/S1", "action": f"{PROXY}/zip/package/one",
                "token": TOKEN, "save": save, "chromium": "/usr/bin/chromium"}
    env = {"PATH": os.environ["PATH"], "HOME": world.folder, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["node", os.path.join(NODE, "registry.js"), json.dumps(argument)], env=env, cwd=NODE,
                          capture_output=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    out = json.loads(done.stdout)
    out.update(save=save, registry=list(world.registry.requests), s3=list(world.moto.requests),
               access=proxy.access()[lines:], console=done.stderr.decode())
    return out


def test_frame_needs_the_cookie(seen):
    assert seen["before"] == {"status": 403, "told": None}


def test_cookie_by_a_credentialed_post_of_another_origin(seen, world):
    """With a preflight, both answered by the registry; the cookie is the browser's alone."""
    assert seen["cookie"] == {"status": 200, "body": "{}", "visible": ""}, seen["console"]
    methods = [(r.method, r.headers.get("origin")) for r in seen["registry"] if r.target == "/browse/set_browse_cookie"]
    assert methods == [("OPTIONS", CATALOG), ("POST", CATALOG)]


def test_frame_with_relative_assets_renders(seen):
    """Page, style sheet in a style sheet, picture with an odd name, script, data: all through redirects."""
    assert seen["after"]["status"] == 200, seen["console"]
    assert seen["after"]["told"] == {"rows": 1000, "missing": 404, "part": [206, SITE["js/app.js"][1][:16].decode()],
                                     "cookie": ""}, seen["console"]
    assert seen["frame"] == {"color": "rgb(1, 2, 3)", "text": "ein Bericht", "width": 37, "origin": PROXY}


def test_what_s3_was_asked_for_the_frame(seen):
    """Signatures hold; no cookie, no credentials, nothing of the page gets there."""
    asked = [r for r in seen["s3"] if r.target.startswith("/e2e/site/")]
    names = {urllib.parse.unquote(r.target.split("?")[0]).removeprefix("/e2e/site/") for r in asked}
    assert names == set(SITE) | {"data/none.json"}
    for r in asked:
        assert r.verdict.error is None and r.verdict.kind == "presigned", (r.head, r.verdict.error)
        fields = {n.decode().lower() for n, _ in r.headers.raw}
        assert fields <= FIELDS_TO_S3 | {"range", "if-none-match", "if-modified-since"}, r.head
    cookies = [r.headers.get("cookie") for r in seen["registry"] if r.target.startswith("/browse/S1/")]
    assert cookies[0] is None and all(c and c.startswith("browse=") for c in cookies[1:])


def test_form_downloads_an_archive(seen):
    assert seen["download"] == {"name": "one.zip", "failure": None, "page": CATALOG + "/"}, seen["console"]
    tested = subprocess.run(["unzip", "-t", seen["save"]], capture_output=True, text=True, check=False)
    assert tested.returncode == 0 and "No errors" in tested.stdout, tested
    with zipfile.ZipFile(seen["save"]) as z:
        assert z.testzip() is None
        assert z.namelist() == ["notes/", *FILES]
        assert {name: z.read(name) for name in FILES} == FILES


def test_token_of_the_form_reaches_the_registry_alone(seen, proxy):
    posts = [r for r in seen["registry"] if r.target == "/zip/package/one"]
    assert [(r.method, form(r)) for r in posts] == [("POST", {"token": TOKEN})]
    assert posts[0].headers.get("content-type") == "application/x-www-form-urlencoded"
    parts = [r for r in seen["s3"] if r.target.startswith("/e2e/files/")]
    assert len(parts) == 2, "empty files are not fetched"
    assert all(r.verdict.error is None and r.method == "GET" for r in parts)
    assert not any(TOKEN.encode() in r.head + bytes(r.body) for r in seen["s3"])
    assert TOKEN not in proxy.output() and "of-the-page" not in proxy.output()


def test_access_lines(seen):
    assert {x["end"] for x in seen["access"]} == {"ok"}
    paths = [x["path"] for x in seen["access"] if x["path"].startswith("/zip/")]
    assert paths == ["/zip/package/one"]

"""Headless Chromium on a page of another origin: the catalog's way, aws-sdk v2, signed for the real host and then
rewritten to /HOST/KEY; and what a script may read of answers and errors."""

import base64
import hashlib
import json
import os
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

import helpers
from helpers import signed_right
from lab import origin
from lab.s3 import NODE

PAGE = b"""<!doctype html><meta charset=utf-8><title>catalog</title>
<script src=/aws-sdk.js></script><script src=/through.js></script><script src=/page.js></script>"""


@pytest.fixture(scope="module")
def catalog(world):
    """The catalog's own site, http://catalog.test:8090, on the client's loopback."""
    files = {"/": (PAGE, "text/html")}
    for path, file in (("/aws-sdk.js", "node_modules/aws-sdk/dist/aws-sdk.min.js"), ("/through.js", "through.js"),
                       ("/page.js", "page.js")):
        with open(os.path.join(NODE, file), "rb") as f:
            files[path] = (f.read(), "text/javascript")

    class Site(SimpleHTTPRequestHandler):
        def do_GET(self):
            body, kind = files.get(self.path, (b"", "text/plain"))
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with open(os.path.join(world.folder, "hosts"), "a") as f:
        f.write("127.0.0.1 catalog.test\n")
    site = ThreadingHTTPServer(("127.0.0.1", 8090), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield "http://catalog.test:8090/"
    site.shutdown()
    site.server_close()


@pytest.fixture(scope="module")
def over_tls(world):
    """penstock with a TLS listener on its port 443; and the one certificate that the browser shall trust."""
    certificate = world.ca.issue("browsed", ["penstock"])
    with open(certificate, "rb") as f:
        key = load_pem_x509_certificate(f.read()).public_key()
    pin = base64.b64encode(hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()).decode()
    instance = world.start_penstock(port=7084, ADMIN="off", TLS_LISTEN=":443", TLS_CERT=certificate, TLS_KEY=certificate)
    yield instance, [f"--ignore-certificate-errors-spki-list={pin}"]
    assert instance.stop() == 0


@pytest.fixture(scope="module", params=["plain", "tls"])
def seen(request, world, proxy, catalog, bucket):
    """Everything in one run of the browser: what the page's script saw. Once through each listener."""
    instance, args = request.getfixturevalue("over_tls") if request.param == "tls" else (proxy, [])
    world.origin.reset_hooks()
    world.moto.requests.clear()
    world.origin.put("/cors/object", origin.random_bytes(1000, seed=2), '"etag"')

    def respond(request, wire):
        for status in (403, 413, 503):
            if request.target == f"/cors/{status}":
                origin.Origin.send(wire, status, b"<Error><Code>Code%d</Code></Error>" % status,
                                   ("x-amz-request-id", f"R{status}"))
                return True
        if request.target == "/cors/cut":
            wire.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            raise origin.Cut("fin")
        return False
    world.origin.respond = respond
    argument = {"page": catalog, "proxy": "https://penstock" if args else "http://penstock", "args": args, "region": "us-west-2", "bucket": bucket,
                "origin": helpers.ORIGIN, "chromium": "/usr/bin/chromium"}
    env = {"PATH": os.environ["PATH"], "HOME": world.folder, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["node", os.path.join(NODE, "browser.js"), json.dumps(argument)], env=env, cwd=NODE,
                          capture_output=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    out = json.loads(done.stdout)
    out["requests"] = list(world.moto.requests)
    out["spoken"] = {line.get("tls") for line in instance.access() if line.get("host")}
    out["is_tls"] = bool(args)
    return out


def test_each_listener_was_the_one_asked(seen):
    """Chromium takes the best that is offered."""
    assert seen["spoken"] == ({"TLSv1.3"} if seen["is_tls"] else {None})


def test_sdk_v2_in_the_page(seen):
    sdk = seen["sdk"]
    assert sdk == {"body": True, "etagSame": True, "range": "lo", "helium": "meta", "listed": True,
                   "missing": "NoSuchKey 404", "multipart": True, "tags": [{"Key": "k", "Value": "v+w"}],
                   "deleted": True, "presigned": True}


def test_signatures_from_the_page_hold(seen):
    requests = signed_right(seen["requests"], ("header", "presigned"))
    assert any(b"Mozilla" in r.head for r in requests)
    assert all("cookie" not in r.headers for r in requests)
    assert not any(r.method == "OPTIONS" for r in requests)


@pytest.mark.parametrize("name, status", [
    ("ok", 200), ("partial", 206), ("forbidden", 403), ("missing", 404), ("tooLarge", 413), ("slowDown", 503),
    ("refusedConnect", 502), ("unknownName", 502), ("vanishes", 504)])
def test_script_reads_status_headers_and_body(seen, name, status):
    got = seen["fetches"][name]
    assert got["status"] == status, got
    assert got["body"], "a script reads the error's body"
    if status >= 500 and name != "slowDown":
        assert "<Error>" in got["body"] and "<Message>" in got["body"]
    if name in ("ok", "partial"):
        assert got["headers"]["etag"] == '"etag"'
        assert got["headers"]["content-length"] == ("1000" if name == "ok" else "10")
        assert got["headers"]["x-amz-request-id"]
    if name == "partial":
        assert got["headers"]["content-range"] == "bytes 5-14/1000"


def test_304_read_by_script(seen):
    """With a condition of its own, a script sees 304 itself."""
    assert seen["fetches"]["notModified"]["status"] == 304


def test_cut_body_is_an_error_in_the_page(seen):
    assert seen["fetches"]["cut"]["error"], "a truncated body must not look complete"

"""Downloads of archives that were interrupted and are finished by curl and Chromium."""

import hashlib
import io
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
import zipfile

import pytest

from helpers import Conn, fetch
from lab import http
from lab.origin import random_bytes
from lab.s3 import NODE
from zips import ETAG, FIELDS, Listing

KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture(scope="module")
def film(world, proxy):
    """A listing of some 24 MiB and the digest of its archive."""
    listing = Listing(world, "/zip/ranges/film")
    for i, size in enumerate([9 * MIB, 100, 6 * MIB + 1, 0, 300 * KIB, 8 * MIB]):
        listing.add(f"reel {i}", random_bytes(size, seed=i))
    listing.publish(headers=[*FIELDS, ("Content-Disposition", 'attachment; filename="film.zip"')])
    resp = fetch(proxy, "GET", listing.path)
    assert resp.clean and zipfile.ZipFile(io.BytesIO(resp.body)).testzip() is None
    world.origin.reset_hooks()
    world.registry.reset_hooks()
    return listing, len(resp.body), hashlib.sha256(resp.body).hexdigest()


def digest_of(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


@pytest.mark.parametrize("form", [None, "token=secret&name=film"], ids=["GET", "POST"])
def test_curl_finishes_what_was_interrupted(world, start, proxy, film, tmp_path, form):
    """Killed five times on the way; each time another replica goes on. With -d, curl's -C and -r mean
    the upload: there the field is written out."""
    listing, total, digest = film
    replicas = [proxy, start()]
    path = str(tmp_path / "film.zip")
    rng = random.Random(7)
    kills = sorted(rng.randrange(total // 20, total - total // 10) for _ in range(5))
    begins = []

    def curl(replica, rate):
        begins.append(os.path.getsize(path) if os.path.exists(path) else 0)
        how = ["-d", form, "-H", f"Range: bytes={begins[-1]}-"] if form else ["-C", "-", "-o", path]
        url = f"http://{replica.ip}:{replica.port}{listing.path}"
        with open(path, "ab") as out:
            return subprocess.Popen(["curl", "-sS", "--max-time", "60", "--limit-rate", rate, *how, url],
                                    stdout=out if form else None)
    for n, at in enumerate(kills):
        with curl(replicas[n % 2], "30M") as process:
            while process.poll() is None and os.path.getsize(path) <= max(at, begins[-1]):
                time.sleep(0.002)
            assert process.poll() is None, f"curl ended by itself: {process.returncode}"
            process.send_signal(signal.SIGKILL)
    with curl(proxy, "1G") as process:
        assert process.wait(60) == 0
    assert begins == sorted(begins) and os.path.getsize(path) == total
    assert digest_of(path) == digest
    asked = world.registry.asked(listing.path)
    assert len(asked) == len(kills) + 1
    if form:
        assert {bytes(r.body) for r in asked} == {form.encode()}
        assert not any(b"secret" in r.head for r in world.origin.requests)


class Cutter:
    """A way to penstock whose connections are reset after a number of bytes of the responses, one number each."""

    def __init__(self, proxy, port, cuts):
        self.proxy, self.cuts = proxy, list(cuts)
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(http.Wire(sock),), daemon=True).start()

    def _serve(self, wire):
        try:
            while head := wire.head():
                request = http.Request(head, 0)
                self.requests.append(request)
                with Conn(self.proxy) as conn:
                    conn.send(head.replace(b"keep-alive", b"close"))
                    left = self.cuts.pop(0) if "/film" in request.target and self.cuts else 1 << 60
                    while left and (data := conn.sock.recv(min(left, 65536))):
                        wire.sock.sendall(data)
                        left -= len(data)
                break
            time.sleep(0 if left else 0.3)  # what was sent arrives before the reset
            (http.hard_close if left else http.reset)(wire.sock)
        except (OSError, EOFError):
            http.reset(wire.sock)

    def close(self):
        self.listener.close()


def test_chromium_finishes_what_was_interrupted(world, proxy, film, tmp_path):
    """By GET. A download that began as a form is resumed by Chromium with GET as well."""
    listing, total, digest = film
    cuts = [5 * MIB, 2 * MIB, 10 * MIB]
    cutter = Cutter(proxy, 8095, cuts)
    out = str(tmp_path / "film.zip")
    argument = {"page": "http://127.0.0.1:8095/", "url": f"http://127.0.0.1:8095{listing.path}", "to": out,
                "profile": str(tmp_path / "profile"), "chromium": "/usr/bin/chromium", "patience": len(cuts)}
    env = {"PATH": os.environ["PATH"], "HOME": world.folder, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(["node", os.path.join(NODE, "download.js"), json.dumps(argument)], env=env, cwd=NODE,
                              capture_output=True, timeout=90, check=False)
    finally:
        cutter.close()
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    steps = json.loads(done.stdout)
    assert [s.get("canResume") for s in steps] == [True] * len(cuts) + [None], steps
    assert steps[-1] == {"complete": total} and digest_of(out) == digest
    asked = [r for r in cutter.requests if r.target == listing.path]
    assert len(asked) == len(cuts) + 1
    received = [s["received"] for s in steps[:-1]]
    assert [r.headers.get("range") for r in asked] == [None, *(f"bytes={n}-" for n in received)]
    assert [r.headers.get("if-range") for r in asked[1:]] == [ETAG] * len(cuts)
    assert received == sorted(received) and received[-1] > sum(cuts) - MIB


def test_a_replaced_archive_is_not_continued(world, proxy, film, tmp_path):
    """The registry's ETag changes between the pieces: with If-Range the whole new one comes."""
    listing = Listing(world, "/zip/ranges/changes").add("a", b"old" * 1000)
    listing.publish(headers=[("ETag", '"one"')])
    old = fetch(proxy, "GET", listing.path).body
    listing = Listing(world, "/zip/ranges/changes").add("a", b"new" * 1000)
    listing.publish(headers=[("ETag", '"two"')])
    resp = fetch(proxy, "GET", listing.path, [("Range", "bytes=2000-"), ("If-Range", '"one"')])
    assert resp.status == 200 and len(resp.body) == len(old) and resp.body != old
    assert zipfile.ZipFile(io.BytesIO(resp.body)).read("a") == b"new" * 1000

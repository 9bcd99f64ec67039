"""`penstock demo` as a reader meets it: start it, run what it prints, see what it says, Ctrl-C. It needs nothing of
the lab: loopback is enough."""

import http.client
import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from urllib.parse import quote

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from lab import net  # noqa: E402
from lab.penstock import binary  # noqa: E402

ARCHIVE = "/zip/demo.zip"
HOST = "s3.us-east-1.amazonaws.com"
INTRO_END = "Below: each DNS decision"


@pytest.fixture(scope="module", autouse=True)
def loopback():
    """The namespaces that pytest runs in begin without any network, loopback included."""
    if net.inside():
        net.run("ip", "link", "set", "lo", "up")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Demo:
    """One running demo; what it printed so far is in .text."""

    def __init__(self, *args, env=None):
        self.text = ""
        self.process = subprocess.Popen([binary(), "demo", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, env={**os.environ, **(env or {})})
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.wait_for(INTRO_END)
        self.port = int(re.search(r"^  127\.0\.0\.1:(\d+) +penstock, the proxy$", self.text, re.M)[1])

    def _read(self):
        for line in self.process.stdout:
            self.text += line

    def wait_for(self, what, seconds=5.0):
        deadline = time.monotonic() + seconds
        while not re.search(what, self.text):
            assert time.monotonic() < deadline, f"no {what!r} in:\n{self.text}"
            time.sleep(0.02)

    def ask(self, method, target, body=None, headers=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        c.request(method, target, body=body, headers=headers or {})
        r = c.getresponse()
        r.body = r.read()
        c.close()
        return r

    def stop(self, signum=signal.SIGINT):
        self.process.send_signal(signum)
        code = self.process.wait(10)
        self.reader.join(5)
        return code


@pytest.fixture
def demo(request, tmp_path):
    tmp = tmp_path / "tmp"
    tmp.mkdir()
    d = Demo(*getattr(request, "param", ["--listen", f"127.0.0.1:{free_port()}"]), env={"TMPDIR": str(tmp)})
    d.tmp = tmp
    yield d
    if d.process.poll() is None:
        d.process.kill()
        d.process.wait()


def run_printed(line, folder):
    args = shlex.split(line)
    args += ["-sS", "--noproxy", "*"] if args[0] == "curl" else []
    return subprocess.run(args, capture_output=True, text=True, timeout=20, check=True, cwd=folder).stdout


def test_printed_commands(demo, tmp_path):
    """Every line of curl runs as it is printed, and does what its place in the text says."""
    assert re.search(rf"^  {HOST} +-> 127\.0\.0\.1:\d+ NXDOMAIN in ", demo.text, re.M)
    assert re.search(r"^  intranet\.corp\.demo +-> 127\.0\.0\.1:\d+ answered in ", demo.text, re.M)
    lines = re.findall(r"^  ((?:curl|truncate) .*)$", demo.text, re.M)
    assert [line.split()[0] for line in lines] == ["curl"] * 7 + ["truncate"] + ["curl"] * 4
    got, sizes = [], []
    for line in lines:
        got.append(run_printed(line, tmp_path))
        sizes.append((tmp_path / "demo.zip").stat().st_size if (tmp_path / "demo.zip").exists() else 0)
    assert got[0] == "Hello from S3, through penstock.\n"
    assert got[1].startswith("HTTP/1.1 206 ") and got[1].endswith("\n\nHello from")
    assert "<Key>hello.txt</Key>" in got[2] and "<Prefix>data/</Prefix>" in got[2]
    assert (got[3], got[4], got[5]) == ("", "written through penstock", "")
    assert sizes[5] == 0 and sizes[7] == sizes[6] - 20 and sizes[8] == sizes[6]
    with zipfile.ZipFile(tmp_path / "demo.zip") as archive:
        assert archive.testzip() is None and archive.read("hello.txt") == b"Hello from S3, through penstock.\n"
    assert got[9].startswith("HTTP/1.1 200 ") and got[9].endswith("\n\nHello from S3, through penstock.\n")
    assert got[9].count("Set-Cookie: demo_browse=") == 1
    assert got[10].startswith("HTTP/1.1 502 ") and got[10].count("NXDOMAIN") == 2
    assert got[11].startswith("HTTP/1.1 400 ") and "Unexpected host: example.test" in got[11]
    assert demo.stop() == 0
    access = [json.loads(line) for line in demo.text.splitlines() if line.startswith("{")]
    assert [a["status"] for a in access if a["event"] == "access"] == [200, 206, 200, 200, 200, 204, 200, 206,
                                                                              200, 502, 400]


def test_decisions_are_told(demo):
    """The failure and the cure: first the corporate server's NXDOMAIN, then the answer that was used."""
    assert demo.ask("GET", f"/{HOST}/demo-bucket/hello.txt").status == 200
    demo.wait_for('"event":"access"')
    told = re.search(rf"^DNS    {HOST}: .*\n((?:  .*\n)+)", demo.text, re.M)
    tries = [line.split() for line in told[1].splitlines()]
    by_server = {(" ".join(t[1:3]), t[3]): t[4] for t in tries}
    assert by_server["corporate DNS", "A"] == "NXDOMAIN"
    assert by_server["Amazon-like DNS", "A"] == "answered"
    assert [t[1] for t in tries].index("corporate") < [t[1] for t in tries].index("Amazon-like")
    assert demo.text.index("DNS    ") < demo.text.index('"event":"access"')


def test_browser_page(demo):
    url = re.search(r"^In a browser:\n  http://127\.0\.0\.1:\d+(/\S+)$", demo.text, re.M)[1]
    page = demo.ask("GET", url)
    assert page.status == 200 and page.getheader("Content-Type").startswith("text/html")
    for link in re.findall(r'href="([^"]+)"', page.body.decode()):
        target = link if link.startswith("/") else os.path.normpath(os.path.dirname(url) + "/" + link)
        expected = {"no-such-key": 404, "hello.txt": 200}.get(os.path.basename(link), 200)
        expected = 502 if "eu-west-1" in link else 400 if "example.test" in link else expected
        r = demo.ask("GET", target)
        assert r.status == expected, link
        assert r.getheader("Access-Control-Allow-Origin") == "*"


def test_form_of_the_page(demo):
    """Its button brings all that the bucket has, and the form's token goes to the registry alone."""
    page = demo.ask("GET", f"/{HOST}/demo-bucket/index.html").body.decode()
    assert re.search(r'<form method="post" action="([^"]+)">', page)[1] == ARCHIVE
    assert 'name="token"' in page
    reply = demo.ask("POST", ARCHIVE, "token=SECRET", {"Content-Type": "application/x-www-form-urlencoded"})
    assert reply.status == 200 and reply.getheader("Content-Type") == "application/zip"
    assert reply.getheader("Content-Disposition") == 'attachment; filename="demo-bucket.zip"'
    assert reply.getheader("X-Archive-Files") is None
    with zipfile.ZipFile(io.BytesIO(reply.body)) as archive:
        names = archive.namelist()
        assert "data/odd names/a b+c%d ä.txt" in names and len(names) == 6
        for name in names:
            assert archive.read(name) == demo.ask("GET", f"/{HOST}/demo-bucket/{quote(name)}").body, name
    assert demo.stop() == 0
    assert '"entries":6,"parts":6' in demo.text and "SECRET" not in demo.text


def test_registry_is_found_by_the_second_group(demo):
    assert "INTERNAL_REGISTRY_URL=http://registry.demo:" in demo.text
    assert demo.ask("GET", "/browse/no-such-page").status == 404
    demo.wait_for('"event":"access"')
    told = re.search(r"^DNS    registry\.demo: .*\n((?:  .*\n)+)", demo.text, re.M)[1]
    assert re.search(r"corporate DNS +A +NXDOMAIN", told) and re.search(r"Amazon-like DNS +A +answered", told)


def test_ranges_of_the_archive(demo):
    whole = demo.ask("GET", ARCHIVE)
    n = len(whole.body)
    for text, part in (("0-99", slice(0, 100)), ("-22", slice(n - 22, n)), (f"{n // 2}-", slice(n // 2, n))):
        r = demo.ask("GET", ARCHIVE, headers={"Range": f"bytes={text}", "If-Range": whole.getheader("ETag")})
        assert r.status == 206 and r.body == whole.body[part], text
    assert demo.ask("GET", ARCHIVE, headers={"Range": f"bytes={n}-"}).status == 416
    assert demo.ask("PUT", f"/{HOST}/demo-bucket/zz", b"more").status == 200
    changed = demo.ask("GET", ARCHIVE, headers={"Range": "bytes=0-99", "If-Range": whole.getheader("ETag")})
    assert changed.status == 200 and zipfile.ZipFile(io.BytesIO(changed.body)).read("zz") == b"more"


def test_browse(demo):
    """The registry's redirect is followed, its cookie kept; a page's parts have the page's address in front."""
    page = demo.ask("GET", "/browse/demo/index.html")
    assert page.status == 200 and page.body == demo.ask("GET", f"/{HOST}/demo-bucket/index.html").body
    assert page.getheader("Location") is None
    assert page.headers.get_all("Access-Control-Allow-Origin") == ["*"]
    assert page.headers.get_all("Set-Cookie") == ["demo_browse=seen; Path=/browse/; HttpOnly"]
    part = demo.ask("GET", "/browse/demo/data/numbers.txt", headers={"Range": "bytes=16-31"})
    assert (part.status, part.body) == (206, b"line 0000000001\n")
    odd = demo.ask("GET", "/browse/demo/" + quote("data/odd names/a b+c%d ä.txt"))
    assert (odd.status, odd.body) == (200, b"A key with odd characters.\n")
    assert demo.ask("GET", "/browse/demo/no-such-key").status == 404
    cookie = demo.ask("POST", "/browse/set_browse_cookie", headers={"Origin": "http://catalog.test"})
    assert cookie.status == 200 and "demo_session=" in cookie.getheader("Set-Cookie")
    assert cookie.headers.get_all("Access-Control-Allow-Origin") == ["http://catalog.test"]
    assert cookie.getheader("Access-Control-Allow-Credentials") == "true"


def test_large_upload_to_the_registry(demo):
    """A body that nobody reads is read all the same: the next request on the connection is understood."""
    c = http.client.HTTPConnection("127.0.0.1", demo.port, timeout=20)
    for body in (b"token=" + b"x" * (5 << 20), b"token=short"):
        c.request("POST", ARCHIVE, body=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert zipfile.ZipFile(io.BytesIO(c.getresponse().read())).testzip() is None
    c.close()


def test_samples_go_away(demo):
    assert os.listdir(demo.tmp)
    assert demo.stop(signal.SIGTERM) == 0
    assert os.listdir(demo.tmp) == []


def test_large_objects_whole(demo):
    body = os.urandom(1 << 20) * 20
    target = f"/{HOST}/demo-bucket/large/object.bin"
    assert demo.ask("PUT", target, body).status == 200
    assert demo.ask("GET", target).body == body
    part = demo.ask("GET", target, headers={"Range": "bytes=1048570-2097200"})
    assert part.status == 206 and part.body == body[1048570:2097201]


def test_default_address_or_another(tmp_path):
    """Two at once without arguments: neither is in the other's way."""
    demos = [Demo(env={"TMPDIR": str(tmp_path)}) for _ in range(2)]
    try:
        assert demos[0].port != demos[1].port
        for d in demos:
            assert d.ask("GET", f"/{HOST}/demo-bucket/hello.txt").status == 200
    finally:
        assert [d.stop() for d in demos] == [0, 0]


def test_own_directory(tmp_path):
    served = tmp_path / "served"
    (served / "folder").mkdir(parents=True)
    (served / "folder" / "a b+ü.txt").write_text("mine")
    (tmp_path / "secret.txt").write_text("secret")
    (served / "link.txt").symlink_to(tmp_path / "secret.txt")
    d = Demo("--dir", str(served), "--listen", f"127.0.0.1:{free_port()}")
    try:
        first = re.search(r"^  (curl .*)$", d.text, re.M)[1]
        said = subprocess.run([*shlex.split(first), "-sS", "--noproxy", "*"], capture_output=True, text=True,
                              timeout=20, check=True).stdout
        assert said == "mine"
        for name in ("C:drive", " space", "back\\slash"):
            (served / name).write_text("no archive may hold this name")
        (served / "large").touch()
        os.truncate(served / "large", 65 << 20)
        with zipfile.ZipFile(io.BytesIO(d.ask("GET", ARCHIVE).body)) as archive:
            assert archive.namelist() == ["folder/a b+ü.txt", "large"] and archive.testzip() is None
            assert archive.read("folder/a b+ü.txt") == b"mine"
        for name in ("C:drive", " space", "back\\slash", "large"):
            (served / name).unlink()
        for key in ("../secret.txt", "%2e%2e/secret.txt", "folder/../../secret.txt", "..%2Fsecret.txt", "link.txt",
                    "/secret.txt", "folder"):
            r = d.ask("GET", f"/{HOST}/demo-bucket/{key}")
            assert r.status == 404 and b"secret\n" not in r.body, key
            assert d.ask("PUT", f"/{HOST}/demo-bucket/{key}", b"x").status in (200, 400)
        assert (tmp_path / "secret.txt").read_text() == "secret"
        assert d.ask("PUT", f"/{HOST}/demo-bucket/new/file.txt", b"written").status == 200
        assert (served / "new" / "file.txt").read_text() == "written"
    finally:
        assert d.stop() == 0
    assert sorted(os.listdir(served)) == ["folder", "link.txt", "new"]


@pytest.mark.parametrize("args, code, said", [
    (["--nonsense"], 64, "usage: penstock demo"), (["extra"], 64, "usage: penstock demo"),
    (["--dir"], 64, "usage: penstock demo"), (["--listen", "nonsense"], 64, "no address: nonsense"),
    (["--dir", "/no/such/directory"], 1, "/no/such/directory: No such file or directory"),
    (["--help"], 0, "usage: penstock demo")])
def test_arguments(args, code, said):
    done = subprocess.run([binary(), "demo", *args], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == code
    assert said in done.stdout + done.stderr


def test_address_taken(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        at = "127.0.0.1:%d" % s.getsockname()[1]
        done = subprocess.run([binary(), "demo", "--listen", at], capture_output=True, text=True, timeout=10,
                              check=False, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and at in done.stderr
    assert os.listdir(tmp_path) == []

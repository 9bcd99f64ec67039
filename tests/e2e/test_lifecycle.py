"""Start, settings, drain."""

import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from helpers import ORIGIN, Conn, eventually, fetch, request_bytes
from lab import http
from lab import origin as o
from lab.penstock import binary, is_sanitized

MIB = 1 << 20


def run(world, *args, env=None, timeout=10):
    base = {"PATH": os.environ["PATH"]}
    with world.penstock_host.enter():
        return subprocess.run([binary(), *args], env={**base, **(env or {})}, capture_output=True, text=True,
                              timeout=timeout, check=False, cwd="/")


@pytest.mark.parametrize("value", [
    None, "", "registry.stk", "ftp://registry.stk", "http://", "http:///x", "http://user:pw@registry.stk",
    "http://registry.stk:99999", "http://reg istry", "//registry.stk", "http://registry.stk:x"])
def test_registry_url_wrong(world, value):
    env = {"PENSTOCK_LISTEN": ":8070", "PENSTOCK_ADMIN": "off"}
    if value is not None:
        env["INTERNAL_REGISTRY_URL"] = value
    done = run(world, "serve", env=env)
    assert done.returncode == 1
    said = (done.stdout + done.stderr).strip()
    assert len(said.splitlines()) == 1 and "INTERNAL_REGISTRY_URL" in said, said
    assert "pw" not in said.replace("://", "")


@pytest.mark.parametrize("value", ["http://registry.stk/", "http://registry.stk///", "https://registry.stk:8443/base",
                                   "http://10.0.4.10", "http://[fd00::1]:80", "http://not-there-yet.stk"])
def test_registry_url_right(start, value):
    proxy = start(INTERNAL_REGISTRY_URL=value)
    assert fetch(proxy, "GET", "/").body == b"S3 Proxy"


@pytest.mark.parametrize("key, value", [
    ("PENSTOCK_LISTEN", "nonsense"), ("PENSTOCK_MAX_BODY", "10X"), ("PENSTOCK_DNS_AWS", "maybe"),
    ("PENSTOCK_CA_FILE", "/nowhere.pem"), ("PENSTOCK_DNS_SERVERS", "not-an-address"),
    ("PENSTOCK_ALLOW_ADDRESSES", "10.0.0.0/99"), ("PENSTOCK_NO_SUCH_SETTING", "x")])
def test_settings_wrong(world, key, value):
    env = {"INTERNAL_REGISTRY_URL": "http://registry.stk", "PENSTOCK_LISTEN": ":8070", "PENSTOCK_ADMIN": "off",
           key: value}
    done = run(world, "serve", env=env)
    assert done.returncode == 1
    said = (done.stdout + done.stderr).strip()
    assert len(said.splitlines()) == 1 and (key in said or value in said), said


def test_port_taken(world):
    with world.penstock_host.listen(8060):
        done = run(world, "serve", env={"INTERNAL_REGISTRY_URL": "http://registry.stk", "PENSTOCK_LISTEN": ":8060",
                                        "PENSTOCK_ADMIN": "off"})
    assert done.returncode == 1
    said = (done.stdout + done.stderr).strip()
    assert len(said.splitlines()) == 1 and "8060" in said and "in use" in said.lower(), said
    assert "PENSTOCK_LISTEN" in said


def test_admin_port_taken(world):
    """Two containers of a task share loopback: the second one is told which setting to change."""
    with world.penstock_host.listen(8061):
        done = run(world, "dns", env={"PENSTOCK_DNS_LISTEN": "127.0.0.1:8062", "PENSTOCK_DNS_AWS": "off",
                                      "PENSTOCK_ADMIN": ":8061"})
    assert done.returncode == 1
    said = (done.stdout + done.stderr).strip()
    assert len(said.splitlines()) == 1 and "8061" in said and "PENSTOCK_ADMIN to another address or port, or to off" in said


def test_config_check_and_show(world, tmp_path):
    env = {"INTERNAL_REGISTRY_URL": "http://registry.stk/", "PENSTOCK_MAX_BODY": "1G"}
    assert run(world, "config", "check", env=env).returncode == 0
    shown = run(world, "config", "show", env=env)
    assert shown.returncode == 0 and "http://registry.stk" in shown.stdout and "PENSTOCK_LISTEN" in shown.stdout
    assert run(world, "config", "check", env={}).returncode == 1
    wrong = run(world, "config", "check", env={**env, "PENSTOCK_CA_FILE": "/etc/passwd"})
    assert wrong.returncode == 1 and "PENSTOCK_CA_FILE" in wrong.stderr and "PEM" in wrong.stderr


def test_config_show_in_its_forms(world, tmp_path):
    path = tmp_path / "penstock.yaml"
    path.write_text("\nPENSTOCK_MAX_BODY: 1G\nPENSTOCK_DNS_SERVERS: [192.0.2.1, 192.0.2.2]\n")
    env = {"INTERNAL_REGISTRY_URL": "http://registry.stk", "PENSTOCK_WORKERS": "2"}
    shown = run(world, "config", "show", "--changed", "--config", str(path), env=env)
    assert shown.stdout.splitlines() == [
        "INTERNAL_REGISTRY_URL=http://registry.stk   # environment", "PENSTOCK_WORKERS=2   # environment",
        f"PENSTOCK_MAX_BODY=1G   # {path}:2", f"PENSTOCK_DNS_SERVERS=192.0.2.1,192.0.2.2   # {path}:3"]
    told = json.loads(run(world, "config", "show", "--json", "--changed", "--config", str(path), env=env).stdout)["settings"]
    assert told[3] == {"key": "PENSTOCK_DNS_SERVERS", "value": "192.0.2.1,192.0.2.2", "from": "file", "file": str(path), "line": 3}
    assert told[1] == {"key": "PENSTOCK_WORKERS", "value": "2", "from": "environment", "here": 2}
    every = {s["key"]: s for s in json.loads(run(world, "config", "show", "--json", env=env).stdout)["settings"]}
    helped = run(world, "config", "help").stdout
    assert list(every) == re.findall(r"^([A-Z_]+)", helped, re.M)
    assert every["PENSTOCK_CA_FILE"] == {"key": "PENSTOCK_CA_FILE", "value": None, "from": "default"}


def test_config_of_the_forwarder(world):
    assert run(world, "config", "check", "--dns", env={}).stdout == "ok\n"
    shown = run(world, "config", "show", "--dns", env={}).stdout
    assert "PENSTOCK_DNS_LISTEN=[::]:53   # default\n" in shown
    assert run(world, "config", "check", "--dns", env={"PENSTOCK_DNS_LISTEN": "nowhere"}).returncode == 1


@pytest.mark.parametrize("args, says", [
    ((), "which check|show|help?"), (("what",), "no such action: what"), (("check", "--json"), "unexpected --json"),
    (("help", "--changed"), "unexpected --changed"), (("show", "--markdown"), "unexpected --markdown"), (("show", "x"), "unexpected x"),
])
def test_config_wrong_arguments(world, args, says):
    done = run(world, "config", *args, env={"INTERNAL_REGISTRY_URL": "http://registry.stk"})
    assert (done.returncode, done.stdout) == (64, "") and says in done.stderr


@pytest.mark.parametrize("key, meant", [("PENSTOCK_DNS_SERVER", "PENSTOCK_DNS_SERVERS"), ("PENSTOCK_LISTN", "PENSTOCK_LISTEN"),
                                        ("penstock_max_body", "PENSTOCK_MAX_BODY"), ("PENSTOCK_WHATEVER", None)])
def test_misspelt_settings(world, tmp_path, key, meant):
    path = tmp_path / "penstock.yaml"
    path.write_text(f"INTERNAL_REGISTRY_URL: http://registry.stk\n{key}: 1\n")
    done = run(world, "config", "check", "--config", str(path))
    wanted = f"{path}:2:1: unknown setting {key}" + (f"; did you mean {meant}?" if meant else "")
    assert done.returncode == 1 and done.stderr == wanted + "\n", done


def test_config_file(world, start, tmp_path):
    good = tmp_path / "good.yaml"
    good.write_text("PENSTOCK_MAX_BODY: 2K\nINTERNAL_REGISTRY_URL: http://registry.stk\n")
    bad = tmp_path / "bad.yaml"
    bad.write_text("INTERNAL_REGISTRY_URL: http://registry.stk\nPENSTOCK_MAX_BODIES: 2K\n")
    assert run(world, "config", "check", "--config", str(good)).returncode == 0
    wrong = run(world, "config", "check", "--config", str(bad))
    said = (wrong.stdout + wrong.stderr).strip()
    assert wrong.returncode == 1 and "PENSTOCK_MAX_BODIES" in said and "2" in said and len(said.splitlines()) == 1
    proxy = start(args=("serve", "--config", str(good)))
    assert fetch(proxy, "PUT", f"/{ORIGIN}/life/x", body=b"x" * 2049).status == 413
    proxy = start(args=("serve", "--config", str(good)), MAX_BODY="1K")
    assert fetch(proxy, "PUT", f"/{ORIGIN}/life/x", body=b"x" * 1025).status == 413, "the environment comes first"


def test_ipv6_and_ipv4(world, proxy):
    for ip in ("fd00:1::10", "10.0.1.10"):
        with Conn(proxy, ip=ip) as conn:
            assert conn.ask("GET", "/").body == b"S3 Proxy"


def test_without_ipv6_it_listens_on_ipv4(world, start):
    usual, world.penstock_host = world.penstock_host, world.bare_host
    try:
        proxy = start()
        assert fetch(proxy, "GET", "/").body == b"S3 Proxy"
    finally:
        world.penstock_host = usual


def test_listen_on_several(world, start):
    proxy = start(LISTEN="10.0.1.10:8061,[fd00:1::10]:8062", port=8061)
    assert fetch(proxy, "GET", "/").status == 200
    proxy.port = 8062
    with Conn(proxy, ip="fd00:1::10") as conn:
        assert conn.ask("GET", "/").status == 200
    with pytest.raises(OSError):
        Conn(proxy, ip="10.0.1.10")


def test_livez(world, start):
    proxy = start()
    ip, port = proxy.env["PENSTOCK_ADMIN"].split(":")
    with world.penstock_host.connect((ip, int(port))) as sock:
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert http.read_response(http.Wire(sock)).status == 200
    with pytest.raises(OSError):
        world.client.connect((proxy.ip, int(port)), timeout=1)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_drain(world, start, sig):
    """Idle connections and listeners close at once; what is in flight finishes, downloads and uploads."""
    world.origin.reset_hooks()
    world.origin.put("/life/object", b"x" * 1000)
    go, reached = threading.Event(), threading.Barrier(3)

    def respond(request, wire):
        if request.method == "GET":
            wire.sock.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
            reached.wait(10)
            go.wait(10)
            wire.sock.sendall(b"x" * 500)
            return True
        reached.wait(10)
        return False
    world.origin.respond = respond
    proxy = start()
    idle = Conn(proxy)
    assert idle.ask("GET", "/").status == 200
    down, up = Conn(proxy), Conn(proxy)
    down.send(request_bytes("GET", f"/{ORIGIN}/life/object"))
    up.send(b"PUT /%s/life/up HTTP/1.1\r\nHost: p\r\nContent-Length: 10\r\n\r\nhello" % ORIGIN.encode())
    reached.wait(10)
    proxy.process.send_signal(sig)
    assert idle.ended(2)

    def refused():
        try:
            Conn(proxy, timeout=1).sock.close()
            return False
        except OSError:
            return True
    eventually(refused, 3, "the listener closes")
    assert proxy.process.poll() is None
    go.set()
    up.send(b"world")
    assert down.response().clean
    assert up.response("PUT").status == 200
    assert down.ended(3) and up.ended(3)
    assert proxy.process.wait(5) == 0


def test_drain_has_an_end(world, start):
    world.origin.reset_hooks()
    hang = threading.Event()
    world.origin.respond = lambda request, wire: hang.wait(20)
    proxy = start(DRAIN_TIMEOUT_MS="500")
    conn = Conn(proxy)
    conn.send(request_bytes("GET", f"/{ORIGIN}/life/object"))
    eventually(lambda: world.origin.requests, what="the request at S3")
    began = time.monotonic()
    proxy.term()
    assert proxy.process.wait(5) == 0 and time.monotonic() - began < 3
    hang.set()
    assert conn.response("GET").status == 503 and conn.ended()


def test_fast_stop_when_idle(start):
    proxy = start()
    assert fetch(proxy, "GET", "/").status == 200
    began = time.monotonic()
    proxy.term()
    assert proxy.process.wait(5) == 0 and time.monotonic() - began < 1


def test_every_log_line_is_json(proxy):
    fetch(proxy, "GET", "/")
    for line in proxy.output().splitlines()[:200]:
        json.loads(line)


def test_no_nameserver_is_told_at_once(start):
    proxy = start(RESOLV_CONF="/nowhere", DNS_AWS="off")
    resp = fetch(proxy, "GET", f"/{ORIGIN}/life/x")
    assert resp.status == 502 and b"no DNS server is known" in resp.body
    warning = next(x for x in proxy.lines() if x["event"] == "dns_no_server")
    assert "/nowhere" in warning["message"] and "PENSTOCK_DNS_SERVERS" in warning["message"]


READ_ONLY = ("unshare", "-m", "sh", "-c", "mount -o bind,remount,ro / && exec setpriv --inh-caps=-all "
             "--ambient-caps=-all --bounding-set=-all --no-new-privs \"$@\"", "sh")


def test_read_only_root_and_no_rights(world, start):
    """On a read-only root, without any capability. It writes nothing anywhere: no file of its own is open for
    writing but stdout."""
    proxy = start(wrap=READ_ONLY)
    pid = proxy.process.pid
    with open(f"/proc/{pid}/status") as f:
        assert "CapEff:\t0000000000000000\n" in f.read()
    with open(f"/proc/{pid}/mountinfo") as f:
        root = [line.split() for line in f if line.split()[4] == "/"][-1]
    assert "ro" in root[5].split(",")
    assert fetch(proxy, "PUT", f"/{ORIGIN}/life/ro", body=b"x" * MIB).status == 200
    folder = f"/proc/{proxy.process.pid}/fd"
    for fd in os.listdir(folder):
        try:
            target = os.readlink(f"{folder}/{fd}")
        except OSError:
            continue
        if target.startswith("/") and target not in ("/dev/null", proxy.log):
            with open(f"/proc/{proxy.process.pid}/fdinfo/{fd}") as f:
                flags = int(next(x for x in f if x.startswith("flags")).split()[1], 8)
            assert flags & 3 == os.O_RDONLY, target


def test_large_upload_leaves_no_temporary_file(world, start):
    world.origin.reset_hooks()
    proxy = start()
    data = o.random_bytes(40 * MIB, seed=40)
    assert fetch(proxy, "PUT", f"/{ORIGIN}/life/big", body=data).status == 200
    assert world.origin.objects["/life/big"].data == data
    assert proxy.rss_kib() < 64 * 1024 or is_sanitized()

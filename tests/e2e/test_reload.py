"""SIGHUP: what has changed is told, what is wrong changes nothing, and no moment is a bad one."""

import contextlib
import os
import shutil
import signal
import threading
import time

import pytest

import reloads
from helpers import ORIGIN, Conn, eventually, fetch, request_bytes
from lab import world as w
from reloads import SMALL, get, metric, settled, status_page

PORTS = iter(range(20100, 20200))


@pytest.fixture
def origin(world):
    return reloads.fill(world)


def test_what_has_changed_is_said(settings, origin):
    s = settings("PENSTOCK_EXPOSE_HEADERS: x-one\n", WORKERS=2)
    [e] = s.hup()
    assert (e["event"], e["level"], e["changed"], e["needs_restart"]) == ("reload", "info", "", "")
    assert "x-one" in get(s.penstock, "/lab/small").headers.get("access-control-expose-headers")
    [e] = s.hup("PENSTOCK_EXPOSE_HEADERS: x-two\nPENSTOCK_MAX_BODY: 1K\n")
    assert e["changed"] == "PENSTOCK_EXPOSE_HEADERS, PENSTOCK_MAX_BODY"
    exposed = get(s.penstock, "/lab/small").headers.get("access-control-expose-headers")
    assert "x-two" in exposed and "x-one" not in exposed
    assert fetch(s.penstock, "PUT", f"/{ORIGIN}/lab/up", body=SMALL).status == 413


def test_what_needs_a_restart_stays(settings):
    s = settings("PENSTOCK_DNS_CACHE: 1M\n")
    [e] = s.hup("PENSTOCK_DNS_CACHE: 2M\nPENSTOCK_MAX_BODY: 5K\n")
    assert (e["level"], e["changed"], e["needs_restart"]) == ("warning", "PENSTOCK_MAX_BODY", "PENSTOCK_DNS_CACHE")
    assert status_page(s.penstock)["dns"]["cache"]["max_bytes"] == 1048576
    [e] = s.hup("PENSTOCK_DNS_CACHE: 1M\n")
    assert (e["changed"], e["needs_restart"]) == ("PENSTOCK_MAX_BODY", "")


@pytest.mark.parametrize("text, said", [
    ("PENSTOCK_ALLOW_BUCKETS: [lab]\nPENSTOCK_ALOW_HOSTS: x\n", ":2:1: unknown setting PENSTOCK_ALOW_HOSTS"),
    ("PENSTOCK_ALLOW_BUCKETS: [lab]\nPENSTOCK_MAX_BODY: much\n", ":2:20: PENSTOCK_MAX_BODY"),
    ("PENSTOCK_ALLOW_BUCKETS: [lab\n", ":2:1: "),
    ("PENSTOCK_ALLOW_BUCKETS: [lab]\nPENSTOCK_CA_FILE: /nowhere.pem\n", "/nowhere.pem: No such file"),
    ("PENSTOCK_ALLOW_BUCKETS: [lab]\nPENSTOCK_CA_FILE: /etc/hosts\n", "no certificate in PEM form"),
    ("PENSTOCK_ALLOW_BUCKETS: [lab]\nPENSTOCK_CA_FILE: /dev/null\n", "not a regular file"),
    ("PENSTOCK_ALLOW_BUCKETS: [lab]\nPENSTOCK_LISTEN: 'off'\n", "PENSTOCK_LISTEN"),
    ("PENSTOCK_ALLOW_BUCKETS: [lab]\nPENSTOCK_DNS_LISTEN: '192.0.2.1:99'\n", "192.0.2.1:99: Cannot assign requested address"),
    ("PENSTOCK_ALLOW_BUCKETS: [lab]\nPENSTOCK_RESOLV_CONF: /nowhere\n", "/nowhere names no DNS server"),
    ("PENSTOCK_ALLOW_BUCKETS: [lab]\nPENSTOCK_TLS_LISTEN: ':8999'\n", "PENSTOCK_TLS_CERT is not set"),
])
def test_a_wrong_file_changes_nothing(world, settings, origin, text, said):
    usual = f"PENSTOCK_ALLOW_BUCKETS: [photos]\nPENSTOCK_CA_FILE: {world.ca.path}\n"
    usual += f"PENSTOCK_RESOLV_CONF: {world.resolv_conf(w.CORP, name='reload-resolv.conf')}\n"
    s = settings(usual, CA_FILE=None, RESOLV_CONF=None)
    assert get(s.penstock, "/lab/small").status == 403
    s.write(text)
    failed = s.hup()
    assert all(e["event"] == "reload_failed" and e["level"] == "error" for e in failed)
    assert said in failed[0]["message"]
    assert get(s.penstock, "/lab/small").status == 403
    page = status_page(s.penstock)
    assert page["reload"]["n"] == 1 and not page["reload"]["ok"] and said in page["reload"]["problem"]
    assert page["state"] == "warning" and page["reload"]["problem"] in page["sentence"]
    assert metric(s.penstock, "penstock_config_last_reload_successful") == 0
    [e] = s.hup(usual.replace("photos", "lab"))
    assert e["event"] == "reload"
    assert get(s.penstock, "/lab/small").status == 200
    page = status_page(s.penstock)
    assert (page["reload"]["n"], page["reload"]["ok"], page["reload"]["problem"]) == (2, True, None)
    assert metric(s.penstock, "penstock_config_last_reload_successful") == 1
    assert metric(s.penstock, 'penstock_reloads_total{result="failed"}') == 1


def make_huge(path):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    os.truncate(path, 1 << 33)


NO_FILES = {
    "deleted": (lambda path: None, "No such file or directory"),
    "directory": (os.mkdir, "not a regular file"),
    "pipe": (os.mkfifo, "not a regular file"),
    "endless": (lambda path: os.symlink("/dev/zero", path), "not a regular file"),
    "loop": (lambda path: os.symlink(path, path), "Too many levels of symbolic links"),
    "huge": (make_huge, ""),
    "unreadable": (lambda path: os.close(os.open(path, os.O_CREAT, 0)), "Permission denied"),
}
NOT_ALL_POWERFUL = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]


@pytest.mark.parametrize("which", ["settings", "authorities", "resolv.conf", "certificate", "key"])
def test_no_file_where_one_was(world, settings, origin, tmp_path, which):
    """Whatever stands there: told at once, nothing changes, nobody waits for it, and the end is as usual."""
    pem = world.ca.issue("no-file", ["penstock.test"])
    files = {name: str(tmp_path / name) for name in ("authorities", "certificate", "key", "resolv.conf")}
    for name, source in (("authorities", world.ca.path), ("certificate", pem), ("key", pem),
                         ("resolv.conf", world.resolv_conf(w.CORP, name="no-file.conf"))):
        shutil.copy(source, files[name])
    port = next(PORTS)
    text = (f"PENSTOCK_CA_FILE: {files['authorities']}\nPENSTOCK_TLS_LISTEN: ':{port + 100}'\nPENSTOCK_TLS_CERT: {files['certificate']}\n"
            f"PENSTOCK_TLS_KEY: {files['key']}\nPENSTOCK_RESOLV_CONF: {files['resolv.conf']}\n")
    s = settings(text, CA_FILE=None, RESOLV_CONF=None, wrap=NOT_ALL_POWERFUL, port=port, WORKERS=2)
    path = s.path if which == "settings" else files[which]
    for kind, (make, said) in NO_FILES.items():
        os.rename(path, path + ".before")
        make(path)
        [e] = s.hup()
        if which == "resolv.conf":  # what it said before still holds
            assert e["event"] == "reload", kind
        else:
            assert e["event"] == "reload_failed" and path in e["message"] and said in e["message"], (kind, e["message"])
        assert get(s.penstock, "/lab/small").status == 200
        with contextlib.suppress(FileNotFoundError):
            (os.rmdir if kind == "directory" else os.unlink)(path)
        os.rename(path + ".before", path)
        [e] = s.hup(text + f"PENSTOCK_EXPOSE_HEADERS: x-{kind}\n")
        assert (e["event"], e["changed"]) == ("reload", "PENSTOCK_EXPOSE_HEADERS"), kind
        assert f"x-{kind}" in get(s.penstock, "/lab/small").headers.get("access-control-expose-headers")


def test_a_pipe_that_was_read_up(world, start, origin):
    """Started from one; a reload does not take it for an empty file, and the end does not wait for it."""
    path = os.path.join(world.folder, f"pipe-{time.monotonic_ns()}")
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: open(path, "w", encoding="ascii").write("PENSTOCK_ALLOW_BUCKETS: [photos]\n"))
    writer.start()
    penstock = start(args=("serve", "--config", path))
    writer.join()
    for _ in range(2):
        penstock.process.send_signal(signal.SIGHUP)
    eventually(lambda: [x for x in penstock.lines() if x.get("event") == "reload_failed" and "not a regular file" in x["message"]], 5)
    assert get(penstock, "/lab/small").status == 403
    assert penstock.stop() == 0


def test_an_address_in_use_changes_nothing(world, settings, origin):
    port, taken, free = (20001, 20002, 20003)
    with contextlib.closing(world.penstock_host.listen(taken, w.PENSTOCK)):
        for workers in (1, 2):
            s = settings(f"PENSTOCK_LISTEN: ':{port}'\n", LISTEN=None, port=port, WORKERS=workers)
            failed = s.hup(f"PENSTOCK_LISTEN: [':{port}', ':{free}', '{w.PENSTOCK}:{taken}']\nPENSTOCK_ALLOW_BUCKETS: [photos]\n")
            assert failed[0]["event"] == "reload_failed" and f"{w.PENSTOCK}:{taken}: Address already in use" in failed[0]["message"]
            assert get(s.penstock, "/lab/small").status == 200
            with pytest.raises(OSError):
                world.client.connect((w.PENSTOCK, free), 1)
            assert s.penstock.stop() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_signals_that_come_together(settings, origin, workers):
    """However they fall, what was written before the last one holds in the end, and each reload is whole."""
    s = settings("PENSTOCK_EXPOSE_HEADERS: x-0\n", WORKERS=workers)
    for i in range(1, 60):
        s.write(f"PENSTOCK_EXPOSE_HEADERS: x-{i}-end\n")
        s.penstock.process.send_signal(signal.SIGHUP)
        time.sleep(0.003 * (i % 4))

    def exposed():
        return get(s.penstock, "/lab/small").headers.get("access-control-expose-headers")
    eventually(lambda: "x-59-end" in exposed(), 5, "the last one")
    n = eventually(lambda: settled(lambda: len(s.events())), 5)
    assert {e["event"] for e in s.events()} == {"reload"} and 2 <= n <= 59
    assert all("x-59-end" in exposed() for _ in range(10))
    assert status_page(s.penstock)["reload"]["n"] == n


def test_signals_that_come_early(world, start):
    """From the first moment on none of them ends the process in another way than it is meant to."""
    for delay in (0.0, 0.002, 0.005, 0.01, 0.02):
        penstock = start(wait=False, WORKERS=2, args=("serve", "--config", "/dev/null"))
        deadline = time.monotonic() + 5
        while blocked(penstock) >> (signal.SIGHUP - 1) & 1 == 0 and time.monotonic() < deadline:
            pass
        time.sleep(delay)
        penstock.process.send_signal(signal.SIGHUP)
        penstock.wait_ready()
        eventually(lambda p=penstock: any(x.get("event") == "start" for x in p.lines()), 5)
        assert fetch(penstock, "GET", "/").status == 200


def blocked(penstock):
    """The mask of signals that its main thread holds back."""
    with open(f"/proc/{penstock.process.pid}/status", encoding="ascii", errors="replace") as f:
        return int(next(line for line in f if line.startswith("SigBlk:")).split()[1], 16)


def test_not_while_it_ends(origin, settings):
    s = settings("")
    with Conn(s.penstock, rcvbuf=4096) as conn:
        conn.send(request_bytes("GET", f"/{ORIGIN}/lab/large"))
        conn.sock.recv(100)
        s.penstock.term()
        eventually(lambda: any(x.get("event") == "drain" for x in s.penstock.lines()), 5)
        s.penstock.process.send_signal(signal.SIGHUP)
        eventually(lambda: any("about to end" in e["message"] for e in s.events()), 5)
        while conn.sock.recv(65536):
            pass
    assert s.penstock.process.wait(5) == 0

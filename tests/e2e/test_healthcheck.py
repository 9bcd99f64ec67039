"""penstock healthcheck: one line, 0 or 1, of whatever listens here; nothing goes to another host."""

import socket
import threading
import time

import pytest

import cli
from helpers import eventually
from lab import world as w
from lab.capture import Capture


def check(instance, *args, **more):
    return cli.ask(instance, "healthcheck", *args, **more)


def running(instance):
    """Its admin port answers, so the other listeners do."""
    def served():
        try:
            return cli.page(instance, "/livez")[0] == 200
        except OSError:
            return False
    eventually(served, what="the admin port")
    return instance


@pytest.mark.parametrize("listen, at", [
    ("127.0.0.1:{}", "127.0.0.1:{}"), ("0.0.0.0:{}", "127.0.0.1:{}"), (":{}", "127.0.0.1:{}"), ("[::]:{}", "127.0.0.1:{}"),
    ("[::1]:{}", "[::1]:{}"), (f"{w.PENSTOCK}:{{}}", f"{w.PENSTOCK}:{{}}"),
])
def test_wherever_it_listens(start, listen, at):
    port, dns = next(start.ports), next(start.ports)
    proxy = running(start(wait=False, port=port, LISTEN=listen.format(port), DNS_LISTEN=listen.format(dns)))
    ran = check(proxy)
    assert (ran.code, ran.out, ran.err) == (0, f"well: {at.format(port)}/: answered 200: S3 Proxy\n", "")
    assert check(proxy, "--live").code == 0
    ran = check(proxy, "--dns")
    assert (ran.code, ran.out) == (0, f"well: {at.format(dns)}: localhost: NOERROR, 1 records\n"), ran
    assert cli.run(proxy.host.net.hosts["client"], cli.settings(proxy), "healthcheck").code == 1, "another host has no penstock"


def test_ready_and_live(start):
    proxy = running(start())
    ready = check(proxy, "--ready")
    status = cli.page(proxy, "/readyz")[0]
    assert (ready.code == 0) == (status == 200) and f"/readyz: answered {status}" in ready.out + ready.err, ready
    live = check(proxy, "--live")
    assert (live.code, live.out) == (0, f"well: {proxy.env['PENSTOCK_ADMIN']}/livez: answered 200: ok\n")
    off = check(proxy, "--live", ADMIN="off")
    assert (off.code, off.err) == (1, "not well: PENSTOCK_ADMIN is off\n")


def test_a_name(world, forward):
    forwarder = running(forward(wait=False))
    ran = check(forwarder, "--dns", "--name", "files.corp.test")
    assert ran.code == 0 and "files.corp.test: NOERROR, " in ran.out, ran
    ran = check(forwarder, "--dns", "--name", "nothing.corp.test")
    assert ran.code == 1 and ran.err.endswith("nothing.corp.test: NXDOMAIN, 0 records\n"), ran
    # Of a forwarder alone: no registry is needed, and the live check is the same.
    assert check(forwarder, "--live").code == 0
    refused = forwarder.env | {"PENSTOCK_DNS_LISTEN": "off"}
    assert cli.run(forwarder.host, refused, "healthcheck", "--dns").err == "not well: PENSTOCK_DNS_LISTEN is off\n"


def test_stopped_processes_are_not_well(start):
    proxy = running(start(DNS_LISTEN="127.0.0.1:18059"))
    assert check(proxy).code == check(proxy, "--dns").code == 0
    proxy.stop()
    for args in ((), ("--dns",), ("--live",)):
        ran = check(proxy, *args)
        assert ran.code == 1 and ran.err.startswith("not well: ") and "nobody answers there" in ran.err, ran
        assert ran.err.count("\n") == 1 and ran.out == ""


class Odd:
    """A listener that says `text` and no more, or nothing at all, on loopback of penstock's host."""

    def __init__(self, host, text):
        self.text = text
        with host.enter():
            self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        kept = []
        try:
            while True:
                peer, _ = self.sock.accept()
                kept.append(peer)
                peer.recv(4096)
                if self.text is not None:
                    peer.sendall(self.text)
                    peer.close()
        except OSError:
            pass


@pytest.mark.parametrize("text, says", [
    (None, "no whole answer in time"), (b"", "is no penstock"), (b"nonsense\r\n\r\n", "is no penstock"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwelcome", "answered 200: welcome"),
    (b"HTTP/1.1 503 No\r\nContent-Length: 11\r\n\r\nS3 Proxy\x1b[1", "answered 503: S3 Proxy\\x1b[1"),
])
def test_other_programs_are_not_well(world, text, says):
    odd = Odd(world.penstock_host, text)
    began = time.monotonic()
    ran = cli.run(world.penstock_host, {"INTERNAL_REGISTRY_URL": "http://r.example", "PENSTOCK_LISTEN":
                                        f"127.0.0.1:{odd.port}"}, "healthcheck", "--timeout", "1")
    odd.sock.close()
    assert ran.code == 1 and says in ran.err and ran.out == "" and ran.err.count("\n") == 1, ran
    assert time.monotonic() - began < 4


def test_no_other_host_is_asked(world):
    """A listener's address that is not this host's is a wrong setting, not a place to send to."""
    env = {"INTERNAL_REGISTRY_URL": "http://r.example", "PENSTOCK_LISTEN": f"{w.ORIGIN}:443",
           "PENSTOCK_DNS_LISTEN": f"{w.AWS}:53"}
    with Capture(world.penstock_host) as capture:
        for args in ((), ("--dns",)):
            ran = cli.run(world.penstock_host, env, "healthcheck", *args)
            assert ran.code == 1 and "nobody answers there" in ran.err, ran
    assert not capture.packets


@pytest.mark.parametrize("args, says", [
    (("x",), "unexpected x"), (("--what",), "unexpected --what"), (("--timeout", "0"), "1 to 60 seconds, not 0"),
    (("--timeout", "61"), "not 61"), (("--timeout", "soon"), "not soon"), (("--timeout",), "no SECONDS behind"),
    (("--ready", "--live"), "exclude each other"), (("--dns", "--live"), "another listener"), (("--name", "a"), "--dns"),
    (("--dns", "--name", "a..b"), "no name"),
])
def test_wrong_arguments(world, args, says):
    ran = cli.run(world.penstock_host, {"INTERNAL_REGISTRY_URL": "http://r.example"}, "healthcheck", *args)
    assert ran.code == 64 and says in ran.err and "usage: penstock healthcheck" in ran.err and ran.out == "", ran


def test_wrong_settings_are_told(world):
    ran = cli.run(world.penstock_host, {"PENSTOCK_LISTEN": "nonsense"}, "healthcheck")
    assert ran.code == 1 and "PENSTOCK_LISTEN" in ran.err, ran

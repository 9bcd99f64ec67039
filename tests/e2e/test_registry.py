"""The registry moves, dies and returns, and its name is not always known: requests go on, or fail at once with
the reason, and the access line tells what happened. What it is asked passes untouched: test_registry_pass.py."""

import os
import re
import threading
import time

import pytest

from helpers import Conn, error_of, eventually, fetch
from lab import http
from lab import world as w
from lab.dns import Scripted
from lab.registry import Registry, send

PORT = 8100
OLD, NEW, V6 = "10.0.4.10", "10.0.4.11", "fd00:4::10"
GONE, GONE6 = "10.0.4.99", "fd00:4::99"  # nobody has these
URL = f"http://registry.stk:{PORT}"
REFUSED = f"{OLD}:{PORT} "


def echo(request, wire):
    send(wire, request, 200, b"registry " + request.target.encode("latin-1"))
    return True


class Echo(Registry):
    """Says what it was asked for, whatever that is; respond goes before that."""

    def _answer(self, request, wire):
        echo(request, wire)


def at(ip):
    return f"[{ip}]:{PORT}" if ":" in ip else f"{ip}:{PORT}"


@pytest.fixture(scope="module")
def places(world):
    """Where the registry may stand: by address. Each notes when it was asked."""
    host = world.registry_host
    for addr in (NEW + "/16", V6 + "/64"):
        host.run("ip", "addr", "add", addr, "dev", "eth0", *(["nodad"] if ":" in addr else []))
    yield {ip: Echo(host, ip, PORT) for ip in (OLD, NEW, V6)}


@pytest.fixture(autouse=True)
def usual(world, places):
    for place in places.values():
        place.reset_hooks()
    yield
    for place in places.values():
        if place.listener.fileno() < 0:
            place.start()


@pytest.fixture
def start_with(start):
    """start_with(behaviour of the corporate server ...) -> penstock; alone unless DNS_AWS is given."""
    def begin(world, behave, **settings):
        world.scripted.behave = behave
        settings.setdefault("DNS_AWS", "off")
        settings.setdefault("INTERNAL_REGISTRY_URL", URL)
        return start(servers=(w.CORP2,), **settings)
    return begin


def ask(proxy, path, place=None, method="GET", body=None):
    """A good answer, from that place, and its access line."""
    resp = fetch(proxy, method, path, body=body)
    line = proxy.access_with(path)
    assert resp.status == 200 and resp.body == b"registry " + path.encode(), (resp, line)
    assert line["end"] == "ok" and line["status"] == 200 and line["method"] == method
    if place:
        assert line["upstream"] == at(place), line
    if not line["reused"]:
        assert line["dns_ms"] >= 0 and line["connect_ms"] >= 0
    resp.line = line
    return resp


def sleep_until(moment):
    eventually(lambda: time.monotonic() >= moment, max(0.1, moment - time.monotonic() + 1), "the moment")


class Asking:
    """Clients that ask all the time, each on a connection of its own."""

    def __init__(self, proxy, n=4):
        self.bad, self.ends = [], threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(proxy, i)) for i in range(n)]

    def _run(self, proxy, number):
        count = 0
        with Conn(proxy) as conn:
            while not self.ends.wait(0.02):
                resp = conn.ask("GET", f"/browse/asking/{number}/{count}")
                count += 1
                if resp.status != 200:
                    self.bad.append(resp)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *exc):
        self.ends.set()
        for t in self.threads:
            t.join()


def test_moves_within_its_ttl(world, places, start_with):
    """The old host stays up, and busy and idle connections lead to it: it gets nothing once the TTL is over,
    not even from an idle connection that nobody has used since."""
    ttl, asked = 2, []
    places[OLD].respond = lambda request, wire: asked.append(time.monotonic())
    proxy = start_with(world, Scripted.addresses(OLD, ttl=ttl), WORKERS="2", UPSTREAM_IDLE_MS="60000")
    with Asking(proxy) as asking:
        # Connections of both workers, of which no one makes use for as long as the TTL.
        conns = [Conn(proxy) for _ in range(8)]
        for i, conn in enumerate(conns):
            conn.send(b"GET /browse/idle/%d HTTP/1.1\r\nHost: p\r\n\r\n" % i)
        assert all(conn.response().status == 200 for conn in conns)
        world.scripted.behave = Scripted.addresses(NEW, ttl=ttl)
        moved = time.monotonic()
        eventually(lambda: places[NEW].requests, ttl + 2, "a request at the new address")
        sleep_until(moved + ttl + 1)
        n = len(asked)
        for conn in conns:
            assert conn.ask("GET", "/browse/later").status == 200
            conn.sock.close()
        sleep_until(moved + ttl + 1.5)
    assert not asking.bad, asking.bad[:3]
    assert asked and len(asked) == n and max(asked) < moved + ttl + 0.5, max(asked) - moved
    assert not places[OLD].open, "connections to where it was are closed"
    line = ask(proxy, "/zip/after", NEW).line
    assert "dns" not in line, "a first server that answers itself is not told of"


@pytest.mark.parametrize("how, seconds", [("refuses", 0.3), ("vanishes", 1.5), ("vanishes under idle connections", 2.6)])
def test_moves_and_the_old_host_dies_at_once(world, places, start_with, how, seconds):
    """Long before its TTL is over: the name is asked for anew, and the next request works. A host that vanished
    does not say that its connections are gone: that it acknowledges nothing must do."""
    proxy = start_with(world, Scripted.addresses(OLD, ttl=300), CONNECT_TIMEOUT_MS="1000", WORKERS="1")
    ask(proxy, "/zip/before", OLD)
    known = time.monotonic()
    world.scripted.behave = Scripted.addresses(NEW, ttl=300)
    sleep_until(known + 1.1)
    if how == "refuses":
        places[OLD].stop()
    else:
        if how == "vanishes":
            places[OLD].drop_all()
        world.registry_host.nft(f"add rule inet lab in ip daddr {OLD} drop")
    resp = ask(proxy, "/zip/moved", NEW)
    assert resp.seconds < seconds
    assert resp.line.get("retries", 0) == (1 if "idle" in how else 0)
    assert resp.line["dns"].startswith("system: "), resp.line
    assert f"{w.CORP2} gave addresses that do not accept a connection; {w.CORP2} answered" in resp.line["dns"]
    assert ask(proxy, "/zip/again", NEW).seconds < 0.3


def test_vanishes_while_it_is_asked(world, places, start_with):
    """A fresh connection's request without an acknowledgement, of a kind that may not be sent twice: 502 that
    says so, long before the 1001 s that a list of files may take."""
    proxy = start_with(world, Scripted.addresses(OLD), CONNECT_TIMEOUT_MS="1000", WORKERS="1")
    with Conn(proxy) as conn:
        conn.send(b"POST /zip/silent HTTP/1.1\r\nHost: p\r\nContent-Length: 100001\r\n\r\n" + b"x" * 100_000)
        eventually(lambda: places[OLD].requests and len(places[OLD].requests[-1].body) == 100_000, 5, "the body")
        world.registry_host.nft(f"add rule inet lab in ip daddr {OLD} drop")
        began = time.monotonic()
        conn.send(b"x")
        resp = conn.response("POST")
    assert resp.status == 502 and 0.9 < time.monotonic() - began < 2.5
    line = proxy.access_with("/zip/silent")
    assert line["end"] == "upstream_reset" and "nothing was acknowledged within 1000 ms" in line["detail"]


def test_a_slow_host_that_acknowledges_is_waited_for(world, places, start_with):
    """It thinks for three times as long as an address has to connect. Its kernel is asked every half minute."""
    sockets = []

    def respond(request, wire):
        time.sleep(0.9)
        sockets.append(world.penstock_host.run("ss", "-Htno", "dst", OLD, "dport", f"= {PORT}"))
    places[OLD].respond = respond
    proxy = start_with(world, Scripted.addresses(OLD), CONNECT_TIMEOUT_MS="300")
    resp = ask(proxy, "/zip/thinks", OLD)
    assert resp.seconds > 0.9 and "retries" not in resp.line
    assert "timer:(keepalive,29sec" in sockets[0], sockets


WORDS = {"NXDOMAIN": Scripted.nxdomain, "SERVFAIL": Scripted.servfail, "REFUSED": Scripted.refused,
         "no reply": Scripted.silent, "NODATA": Scripted.nodata}


@pytest.mark.parametrize("word", WORDS)
def test_name_vanishes_from_the_first_server(world, places, start_with, word):
    """It was known there; Amazon's server still knows it (single-label private zone)."""
    proxy = start_with(world, Scripted.addresses(NEW, ttl=1), DNS_AWS="on", UPSTREAM_IDLE_MS="0")
    assert "dns" not in ask(proxy, "/zip/before", NEW).line
    known = time.monotonic()
    world.scripted.behave = WORDS[word]
    sleep_until(known + 1.05)
    resp = ask(proxy, "/zip/vanished", OLD)
    assert resp.seconds < 0.6
    said = resp.line["dns"]
    assert said.startswith("vpc: ") and f"{w.CORP2} {word}" in said and f"{w.AWS} answered" in said, said
    # The group that worked is asked first now, and that is told too.
    assert ask(proxy, "/browse/remembered", OLD).line["dns"].startswith("vpc, from the cache")


def test_all_servers_die_after_it_was_known(world, places, start_with):
    proxy = start_with(world, Scripted.addresses(NEW, ttl=1), DNS_AWS="on", UPSTREAM_IDLE_MS="0")
    ask(proxy, "/zip/before", NEW)
    known = time.monotonic()
    world.scripted.behave = Scripted.silent
    world.aws_host.silence(53)
    sleep_until(known + 1.05)
    resp = ask(proxy, "/zip/stale", NEW)
    assert resp.seconds < 2.5
    said = resp.line["dns"]
    assert re.match("system, [12] s beyond its TTL: ", said) and f"{w.CORP2} no reply" in said, said
    assert f"{w.AWS} no reply" in said, said


@pytest.mark.parametrize("addrs, place", [
    ((V6,), V6),                # corp says NODATA for A
    ((OLD,), OLD),
    ((V6, w.CLOSED), V6),       # IPv4 refuses
    ((V6, w.BLACKHOLE), V6),    # packets to it vanish
    ((GONE6, OLD), OLD),        # nobody has the IPv6 address
    ((V6, OLD), None)], ids=["AAAA", "A", "A refuses", "A vanishes", "AAAA vanishes", "both"])
def test_address_families(world, places, start_with, addrs, place):
    proxy = start_with(world, Scripted.addresses(*addrs))
    resp = ask(proxy, "/zip/family", place)
    assert resp.seconds < 0.6 and "dns" not in resp.line, resp.line


def test_ipv6_alone_by_the_second_group(world, places, start_with):
    """The corporate server denies it, the other one knows an IPv6 address and no other."""
    world.scripted2.behave = Scripted.addresses(V6)
    proxy = start_with(world, Scripted.nxdomain, DNS_AWS="on", DNS_AWS_SERVERS=w.CORP3)
    said = ask(proxy, "/zip/v6", V6).line["dns"]
    assert said.startswith("vpc: ") and f"{w.CORP2} NXDOMAIN" in said, said


def test_restarts(world, places, start_with):
    """Refused meanwhile: 502 at once, with the reason. Then it works again, at once and for ever."""
    proxy = start_with(world, Scripted.addresses(OLD))
    ask(proxy, "/zip/before", OLD)
    places[OLD].stop()
    for path in ("/zip/down", "/browse/down"):
        resp = fetch(proxy, "GET", path)
        assert resp.status == 502 and resp.seconds < 0.3
        code, message = error_of(resp)
        line = proxy.access_with(path)
        assert code == "ConnectFailure" and REFUSED in message
        assert line["end"] == "connect_refused" and line["status"] == 502 and REFUSED in line["detail"]
        assert f"{w.CORP2} " in line["detail"], "what DNS said belongs to it"
    places[OLD].start()
    assert ask(proxy, "/zip/up", OLD).seconds < 0.3


def warm(proxy, place):
    """A connection to the place is idle in the pool, and every one of now dies at its next request."""
    ask(proxy, "/browse/warm", None)
    seen = set(r.conn for r in place.requests)

    def respond(request, wire):
        if request.conn in seen:
            http.reset(wire.sock)
            raise EOFError("restarting")
        return False
    place.respond = respond


@pytest.mark.parametrize("route", ["/zip", "/browse"])
@pytest.mark.parametrize("method, size", [("GET", None), ("POST", 4000), ("POST", 60_000)])
def test_idle_connections_die_with_a_restart(world, places, start_with, route, method, size):
    """The request meets the end of its connection: it is sent again, and nobody notices."""
    proxy = start_with(world, Scripted.addresses(OLD), WORKERS="1")
    warm(proxy, places[OLD])
    body = os.urandom(size) if size else None
    resp = ask(proxy, route + "/again", OLD, method, body)
    assert resp.line["retries"] == 1 and not resp.line["reused"]
    assert [bytes(r.body) for r in places[OLD].asked(route + "/again")] == [body or b""] * 2


def test_large_body_is_not_sent_twice(world, places, start_with):
    """More than is held: 502 that says what happened, and one request only."""
    proxy = start_with(world, Scripted.addresses(OLD), WORKERS="1")
    warm(proxy, places[OLD])
    resp = fetch(proxy, "POST", "/browse/large", body=os.urandom(300_000))
    line = proxy.access_with("/browse/large")
    assert resp.status == 502 and error_of(resp)[0] == "UpstreamClosed"
    assert line["end"] in ("upstream_reset", "upstream_closed") and line["reused"] and "retries" not in line
    assert len(places[OLD].asked("/browse/large")) == 1
    assert fetch(proxy, "POST", "/browse/larger", body=os.urandom(300_000)).status == 200


@pytest.mark.parametrize("behave, end", [(Scripted.nxdomain, "dns_failed"), (Scripted.silent, "dns_timeout")],
                         ids=["NXDOMAIN", "silent"])
def test_name_does_not_exist_yet(world, places, start_with, behave, end):
    """It starts, says so within 5 s, and works when the name does."""
    proxy = start_with(world, behave)
    resp = fetch(proxy, "GET", "/zip/early")
    line = proxy.access_with("/zip/early")
    code, message = error_of(resp)
    assert resp.status == 502 and resp.seconds < 5 and code == "DnsFailure" and w.CORP2 in message
    assert line["end"] == end and w.CORP2 in line["detail"] and "upstream" not in line
    assert fetch(proxy, "GET", "/").status == 200, "the load balancer's check does not depend on it"
    world.scripted.behave = Scripted.addresses(OLD)
    began = time.monotonic()
    eventually(lambda: fetch(proxy, "GET", "/zip/poll").status == 200, 6, "the registry")
    assert time.monotonic() - began < 5.5
    ask(proxy, "/zip/late", OLD)


@pytest.mark.parametrize("url, host, prefix", [
    (f"http://{OLD}:{PORT}", f"{OLD}:{PORT}", ""),
    (f"http://{OLD}:{PORT}/stack/one/", f"{OLD}:{PORT}", "/stack/one"),
    (f"http://[{V6}]:{PORT}", f"[{V6}]:{PORT}", ""),
    (f"http://[{V6}]:{PORT}/p%20q/", f"[{V6}]:{PORT}", "/p%20q"),
    (f"http://Registry.STK:{PORT}/p", None, "/p"),
    ("http://registry.stk", "registry.stk", "")])
def test_its_url(world, places, start_with, url, host, prefix):
    """Literals need no server; a path goes before the raw target; the Host field is the URL's authority."""
    literal = "stk" not in url.lower()
    world.registry.respond = echo
    proxy = start_with(world, Scripted.silent if literal else Scripted.addresses(OLD), INTERNAL_REGISTRY_URL=url)
    target = "/browse//a%2Fb/../c?x=%zz&/zip/"
    resp = fetch(proxy, "GET", target)
    assert resp.status == 200 and resp.body == b"registry " + (prefix + target).encode() and resp.seconds < 0.5
    place = places[V6] if V6 in url else world.registry if url.endswith("stk") else places[OLD]
    assert place.requests[-1].headers.all("host") == [host or f"Registry.STK:{PORT}"]


def test_https_with_a_private_authority(world, start_with):
    secure = Echo(world.registry_host, OLD, 8443, world.ca.context("registry", ["registry.stk"]))
    try:
        url = {"INTERNAL_REGISTRY_URL": "https://registry.stk:8443"}
        line = ask(start_with(world, Scripted.addresses(OLD), **url), "/zip/tls").line
        assert line["upstream"] == f"{OLD}:8443" and line["tls_ms"] > 0
        proxy = start_with(world, Scripted.addresses(OLD), CA_FILE=None, **url)
        assert fetch(proxy, "GET", "/zip/untrusted").status == 502
        assert proxy.access_with("/zip/untrusted")["end"] == "tls_untrusted"
        proxy = start_with(world, Scripted.addresses(OLD), INTERNAL_REGISTRY_URL=f"https://{OLD}:8443")
        assert fetch(proxy, "GET", "/zip/name").status == 502
        assert proxy.access_with("/zip/name")["end"] == "tls_name"
        assert len(secure.requests) == 1
    finally:
        secure.stop()


@pytest.mark.parametrize("by", ["name", "literal", "loopback"])
def test_own_listener_is_refused(world, start_with, by):
    """The registry is the operator's choice, but not ourselves: that would be a loop."""
    port = 8977
    host = {"name": "registry.stk", "literal": w.PENSTOCK, "loopback": "127.0.0.1"}[by]
    proxy = start_with(world, Scripted.addresses(w.PENSTOCK), port=port,
                       INTERNAL_REGISTRY_URL=f"http://{host}:{port}")
    resp = fetch(proxy, "GET", "/zip/loop")
    assert resp.status == 403 and error_of(resp)[0] == "AccessDenied"
    assert proxy.access_with("/zip/loop")["end"] == "address_denied"
    assert len(proxy.access()) == 1, "it never asked itself"


def test_loopback_and_link_local_are_the_operators_choice(world, start_with):
    """Refused for S3, fine for the registry: a sidecar may be it."""
    beside = Echo(world.penstock_host, "127.0.0.1", PORT)
    try:
        proxy = start_with(world, Scripted.addresses("127.0.0.1"))
        assert ask(proxy, "/zip/sidecar").line["upstream"] == f"127.0.0.1:{PORT}"
    finally:
        beside.stop()

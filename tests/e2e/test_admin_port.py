"""The admin port under whoever means it ill, or is just clumsy: other sites' pages in a browser, floods, slow clients, rubbish.
It must not disturb the proxy. Liveness and readiness in every state."""

import re
import signal
import threading
import time

import pytest

import cli
import test_admin_pages
from helpers import ORIGIN, Conn, eventually, fetch, request_bytes
from lab import http
from lab import world as w
from lab.browser import Browser
from lab.dns import Scripted
from lab.dnsclient import ask, rcode
from lab.penstock import is_sanitized

pytestmark = pytest.mark.usefixtures("no_hang")
PAGES = ("/livez", "/readyz", "/metrics", "/status.json", "/dns/routes", "/dns/lookup?name=a.corp.test", "/")


@pytest.fixture(scope="module")
def proxy(world):
    """The one that tests share which only ask."""
    instance = world.start_penstock(port=7083, ADMIN="127.0.0.1:17083", servers=(w.CORP,))
    yield instance
    assert instance.stop() == 0


class Admin(Conn):
    """A connection to an admin port, on which exact bytes are sent."""

    def __init__(self, instance, timeout=10.0, rcvbuf=None):
        ip, port = instance.env["PENSTOCK_ADMIN"].rsplit(":", 1)
        self.sock = instance.host.connect((ip, int(port)), timeout, rcvbuf)
        self.wire = http.Wire(self.sock)


def asked(instance, target, *headers, method="GET"):
    with Admin(instance) as conn:
        return conn.ask(method, target, headers or [("Host", "localhost")])


# -- other sites' pages ---------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9901", "127.0.0.1.evil.example", "localhost.evil.example",
                                  "penstock"])
def test_a_name_made_to_mean_loopback_reads_nothing(proxy, host):
    for target in PAGES[1:]:
        resp = asked(proxy, target, ("Host", host))
        assert resp.status == 403 and b"other" in resp.body and b"dns" not in resp.body, (target, resp.body)
        assert resp.headers.all("access-control-allow-origin") == []
    assert asked(proxy, "/livez", ("Host", host)).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9901", "[::1]:9901", "localhost:8080", "a.localhost", "10.0.0.1:9901"])
def test_addresses_and_localhost_read_all(proxy, host):
    for target in PAGES:
        assert asked(proxy, target, ("Host", host)).status in (200, 503), target


def test_beyond_loopback_any_name_is_taken(start):
    """Prometheus, load balancers and service discovery use names."""
    proxy = start(port=8085, ADMIN=f"{w.PENSTOCK}:18085")
    assert asked(proxy, "/metrics", ("Host", "penstock.internal:9901")).status == 200
    assert asked(proxy, "/metrics", ("Host", "x"), ("Sec-Fetch-Site", "cross-site")).status == 403
    assert asked(proxy, "/metrics", ("Host", "x:1"), ("Origin", "http://x:1")).status == 200
    assert asked(proxy, "/metrics", ("Host", "x:1"), ("Origin", "http://x:2")).status == 403


@pytest.fixture(scope="module")
def browser(world):
    browser = Browser(world.folder, world.penstock_host)
    yield browser
    browser.close()


@pytest.mark.limit(60)
def test_another_site_s_page_in_chromium(browser, start):
    """The attacker's page is on another port of localhost, the nearest that another site can be."""
    victim, attacker = start(servers=(w.CORP,)), start(servers=(w.CORP,))
    admin = f"http://{victim.env['PENSTOCK_ADMIN']}"
    browser.goto(url=f"http://localhost:{attacker.env['PENSTOCK_ADMIN'].rsplit(':', 1)[1]}/livez")
    for target in ("/status.json", "/dns/lookup?name=attack.corp.test"):
        for mode in ("cors", "no-cors"):
            said = browser.eval(js="""async ([url, mode]) => { try { const r = await fetch(url, { mode });
                return [r.type, (await r.text()).length]; } catch (e) { return [String(e), 0]; } }""", arg=[admin + target, mode])
            assert said[1] == 0, said
    lines = eventually(lambda: [x for x in victim.access() if x.get("end") == "other_site"], what="the refusals")
    assert {x["status"] for x in lines} == {403}
    assert set(test_admin_pages.metrics(victim)["penstock_dns_route_lookups_total"].values()) == {0}
    # Who follows a link, or types the address in, sees the page.
    browser.eval(js="(url) => { const a = document.createElement('a'); a.href = url; a.id = 'go'; document.body.append(a); }", arg=admin + "/")
    browser.eval(js="() => document.getElementById('go').click()")
    for path in ("/", "/page.js", "/status.json"):
        eventually(lambda: [x for x in victim.access() if x["path"] == path and x["status"] == 200], what=path)


# -- abuse -------------------------------------------------------------------------------


RUBBISH = [b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n", b"GET  / HTTP/1.1\r\n\r\n", b"\x00" * 100 + b"\r\n\r\n",
           b"GET /status.json HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
           b"GET /status.json HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
           b"GET /" + b"a" * 30000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
           b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 40000 + b"\r\n\r\n",
           b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n"]
PATHS = ["/../status.json", "//status.json", "/status.json/", "/STATUS.JSON", "/%73tatus.json", "/metrics/..", "/status.json%00", "/dns",
         "/.git/config", "/" + "x/" * 5000, "/s3.amazonaws.com/bucket/key"]


def test_rubbish_is_refused(proxy):
    usual = proxy.n_fds()
    for data in RUBBISH:
        with Admin(proxy) as conn:
            conn.send(data)
            resp = conn.response()
            assert 400 <= resp.status < 600 and resp.status != 502, (data[:60], resp.status)
            assert data.startswith(b"CONNECT") or conn.ended()
    for path in PATHS:
        assert asked(proxy, path).status == 404, path
    eventually(lambda: proxy.n_fds() <= usual, what="closed descriptors")


def test_methods_and_bodies(proxy):
    for target in PAGES:
        head, get = asked(proxy, target, method="HEAD"), asked(proxy, target)
        assert (head.status, head.body) == (get.status, b"") and head.headers.all("content-type") == get.headers.all("content-type")
        assert get.headers.all("cache-control") == ["no-store"], target
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            with Admin(proxy) as conn:
                resp = conn.ask(method, target, [("Host", "localhost")], b"x" * 100)
                assert resp.status == 405 and resp.headers.all("allow") == ["GET, HEAD"]
    with Admin(proxy) as conn:  # a body where none is wanted is read, and the connection goes on
        assert conn.ask("GET", "/livez", [("Host", "localhost")], b"x" * 1000).status == 200
        assert conn.ask("GET", "/metrics", [("Host", "localhost")]).status == 200


def test_pipelined_pages_come_in_order(proxy):
    with Admin(proxy) as conn:
        targets = ["/livez", "/metrics", "/nothing", "/status.json"] * 10
        conn.send(b"".join(request_bytes("GET", t, [("Host", "localhost")]) for t in targets))
        assert [conn.response().status for _ in targets] == [200, 200, 404, 200] * 10


def test_a_full_port_still_takes_health_checks(proxy):
    """Connections that say nothing, that stop in the middle of a head, that do not read."""
    usual, conns = proxy.n_fds(), []
    try:
        for n in range(200):
            conns.append(Admin(proxy, rcvbuf=4096))
            if n % 3 == 1:
                conns[-1].send(b"GET /status.json HTTP/1.1\r\nHos")
            elif n % 3 == 2:
                conns[-1].send(request_bytes("GET", "/status.json", [("Host", "localhost")]) * 20)
            if n % 20 == 0:
                assert asked(proxy, "/livez").status == 200 and asked(proxy, "/metrics").status == 200
        assert cli.ask(proxy, "healthcheck", "--live").code == 0
        assert proxy.n_fds() <= usual + 70
        assert fetch(proxy, "GET", "/").status == 200
    finally:
        for conn in conns:
            conn.sock.close()
    eventually(lambda: proxy.n_fds() <= usual, what="closed descriptors")


def test_a_head_that_never_ends_is_given_up(start):
    proxy = start(HEAD_TIMEOUT_MS=500)
    with Admin(proxy) as conn:
        conn.send(b"GET /metrics HTTP/1.1\r\n")
        assert conn.response().status == 408 and conn.ended()


def test_lookups_have_a_pace(world, start):
    """Clients' questions share the DNS servers' budgets with these."""
    world.scripted.behave = Scripted.addresses("198.51.100.7")
    proxy = start(servers=(w.CORP2,), DNS_AWS="off")
    began, got = time.monotonic(), []
    with Admin(proxy) as conn:
        while len(got) < 1000 and 429 not in got:
            got.append(conn.ask("GET", f"/dns/lookup?name=n{len(got)}.test&type=A", [("Host", "localhost")]).status)
    n = got.count(200)
    assert got[n:] == [429] and 100 <= n <= 101 + 20 * (time.monotonic() - began)
    asked = {name for _, _, name, _ in world.scripted.log}
    assert f"n{n - 1}.test." in asked and f"n{n}.test." not in asked
    eventually(lambda: cli.page(proxy, "/dns/lookup?name=late.test&type=A")[0] == 200, what="the next one's turn")


@pytest.mark.limit(60)
def test_the_proxy_does_not_feel_a_flood(world, start, table):
    proxy = start(WORKERS=1, servers=(w.CORP,))

    def typical(seconds):
        took, until = [], time.monotonic() + seconds
        with Conn(proxy) as conn:
            while time.monotonic() < until:
                began = time.monotonic()
                assert conn.ask("GET", "/").status == 200
                took.append(time.monotonic() - began)
                time.sleep(0.001)
        return 1000 * sorted(took)[len(took) // 2]
    quiet, stop, n_pages = typical(1), threading.Event(), [0]

    def flood():
        data = request_bytes("GET", "/metrics", [("Host", "localhost")]) * 500
        while not stop.is_set():
            with Admin(proxy) as conn:
                conn.sock.settimeout(0.2)
                try:
                    conn.send(data)
                    while not stop.is_set() and (got := conn.sock.recv(1 << 20)):
                        n_pages[0] += got.count(b"HTTP/1.1 200")
                except OSError:
                    pass
    floods = [threading.Thread(target=flood) for _ in range(24)]
    for one in floods:
        one.start()
    time.sleep(0.3)
    try:
        loud = typical(3)
    finally:
        stop.set()
        for one in floods:
            one.join()
    table.setdefault(("a flood of 24 connections at the admin port", "proxy, median ms: quiet", "during it", "pages made"), []).append(
        (proxy.port, f"{quiet:.2f}", f"{loud:.2f}", n_pages[0]))
    assert n_pages[0] > 20
    assert is_sanitized() or loud < quiet + 5


# -- figures --------------------------------------------------------------------------------


def test_clients_make_no_labels(world, start):
    """Whatever they send, there are as many series as before."""
    proxy = start(servers=(w.CORP,), DNS_LISTEN=f"{w.PENSTOCK}:5311")
    fetch(proxy, "GET", f"/{ORIGIN}/a/b")
    ask(proxy.ip, "first.corp.test", port=5311)

    def series():
        return {(name, labels) for name, found in test_admin_pages.metrics(proxy).items() for labels in found}
    before = series()
    for n in range(20):
        with Conn(proxy) as conn:
            conn.ask(f"METHOD{n}", f"/bucket{n}.s3.eu-west-1.amazonaws.com/k{n}\"}}?q={n}", [("Host", f"host{n}"), ("User-Agent", f"ua{n}")])
        fetch(proxy, "GET", f"/host{n}.test/k")
        asked(proxy, f"/path{n}", ("Host", f"name{n}"))
        ask(proxy.ip, f"n{n}.zone{n}.test", port=5311)
    assert series() == before
    assert not re.search(r"host1|bucket1|zone1|METHOD", cli.page(proxy, "/metrics")[2].decode())


def test_counters_never_go_back(start):
    proxy = start(servers=(w.CORP,), WORKERS=2, DNS_ROUTES=f"corp.test={w.CORP3}")

    def counters():
        text = cli.page(proxy, "/metrics")[2].decode()
        kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
        found = {}
        for name, labels, value in re.findall(r"^(\w+)(\{.*\})? (\S+)$", text, re.M):
            family = re.sub("_(bucket|sum|count)$", "", name) if name not in kinds else name
            if kinds[family] != "gauge":
                found[name + labels] = float(value)
        return found
    before = counters()
    for n in range(10):
        fetch(proxy, "GET", f"/{ORIGIN}/a/{n}")
        cli.page(proxy, f"/dns/lookup?name=n{n}.corp.test")
        proxy.process.send_signal(signal.SIGHUP)
        now = counters()
        assert set(before) <= set(now)
        assert not [k for k in before if now[k] < before[k]]
        before = now
    assert eventually(lambda: counters()['penstock_reloads_total{result="ok"}'] >= 1, what="a reload")


def test_histograms_agree_with_themselves(start):
    proxy = start(servers=(w.CORP,))
    for n in range(5):
        fetch(proxy, "GET", f"/{ORIGIN}/a/{n}")
    found = test_admin_pages.metrics(proxy)
    n_series = 0
    for name in (n for n in found if n.endswith("_bucket")):
        series = {}
        for labels, value in found[name].items():
            rest, le = re.fullmatch(r'(.*?),?le="([^"]+)"', labels).groups()
            series.setdefault(rest, []).append((float(le.replace("+Inf", "inf")), value))
        for rest, buckets in series.items():
            n_series += 1
            assert buckets == sorted(buckets) and [v for _, v in buckets] == sorted(v for _, v in buckets)
            assert buckets[-1] == (float("inf"), found[name.replace("_bucket", "_count")][rest])
            total = found[name.replace("_bucket", "_sum")][rest]
            assert (total > 0) == (buckets[-1][1] > 0)
    assert n_series == 8


# -- liveness and readiness -----------------------------------------------------------------


def ready(instance):
    status, headers, body = cli.page(instance, "/readyz")
    assert headers["Cache-Control"] == "no-store"
    first, *layers = body.decode().splitlines()
    assert first == ("ready" if status == 200 else "not ready")
    return status, dict(re.match(r"(\w+): (\w+)", line).groups() for line in layers)


def test_at_the_start_it_is_ready(start):
    """At once: what is not known counts as ready, and nobody is asked."""
    proxy = start(servers=(w.CORP,))
    assert ready(proxy) == (200, {"drain": "ok", "dns": "unknown", "registry": "unknown", "s3": "unknown"})
    assert cli.page(proxy, "/livez")[0] == 200


def test_no_dns_at_all(world, start):
    """Three failures of each server, and lookups that failed: only then."""
    world.scripted.behave = Scripted.silent
    proxy = start(servers=(w.CORP2,), DNS_AWS="off")
    assert fetch(proxy, "GET", f"/{ORIGIN}/a/b").status == 502
    status, layers = eventually(lambda: (lambda r: r[0] == 503 and r)(ready(proxy)), what="not ready")
    assert (layers["dns"], layers["drain"]) == ("failing", "ok")
    assert cli.page(proxy, "/livez")[0] == 200
    world.scripted.behave = Scripted.addresses(w.ORIGIN)
    eventually(lambda: fetch(proxy, "GET", f"/{ORIGIN}/a/b").status != 502, what="the repair")
    eventually(lambda: ready(proxy)[0] == 200, what="ready again")


def test_s3_is_dead(world, start):
    """Five requests that reach nobody; one client's wrong bucket is no such thing, nor a host that nobody asked for."""
    world.scripted.behave = Scripted.addresses(w.PENSTOCK)  # nobody listens on 443 there
    proxy = start(servers=(w.CORP2,), DNS_AWS="off", ALLOW_ADDRESSES="0.0.0.0/0")
    for n in range(4):
        fetch(proxy, "GET", f"/{ORIGIN}/a/{n}")
        fetch(proxy, "GET", "/no-such-host.test/a")
    assert ready(proxy)[0] == 200
    assert fetch(proxy, "GET", f"/{ORIGIN}/a/b").status in (502, 504)
    status, layers = ready(proxy)
    assert (status, layers["s3"], layers["dns"]) == (503, "failing", "ok") and cli.page(proxy, "/livez")[0] == 200
    assert cli.ask(proxy, "healthcheck", "--ready").code == 1 and cli.ask(proxy, "healthcheck", "--live").code == 0


def test_while_it_drains(start):
    proxy = start(servers=(w.CORP,))
    with Conn(proxy) as conn:
        conn.send(f"PUT /{ORIGIN}/admin/held HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc".encode())
        eventually(lambda: test_admin_pages.metrics(proxy)["penstock_requests_in_flight"][""] == 1, what="the request")
        proxy.term()
        status, layers = eventually(lambda: (lambda r: r[0] == 503 and r)(ready(proxy)), what="the drain")
        assert layers["drain"] == "failing" and cli.page(proxy, "/livez")[0] == 200
        conn.send(b"defghij")
        assert conn.response().status < 500
    assert proxy.process.wait(10) == 0
    with pytest.raises(OSError):
        cli.page(proxy, "/livez")


def test_the_forwarder_alone(world, forward):
    world.scripted.behave = Scripted.silent
    alone = forward(servers=(w.CORP2,), DNS_AWS="off")
    assert ready(alone) == (200, {"drain": "ok", "dns": "unknown", "registry": "unknown", "s3": "unknown"})
    for n in range(4):
        assert rcode(ask(alone.ip, f"n{n}.s3.amazonaws.com", timeout=6)) == "SERVFAIL"
    eventually(lambda: ready(alone)[0] == 503, what="not ready")
    assert cli.page(alone, "/livez")[0] == 200

"""The admin port's pages, and penstock routes, which shows one of them. Who abuses it: test_admin_port."""

import json
import re

import pytest

import cli
from helpers import ORIGIN, eventually, fetch
from lab import world as w
from lab.dns import Scripted

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*)\})? (-?[0-9.]+)')
PARTS = {"counter": [""], "gauge": [""], "summary": ["_sum", "_count"], "histogram": ["_bucket", "_sum", "_count"]}


def metrics(proxy):
    """Checks the exposition format and returns {name: {labels: value}}."""
    status, headers, body = cli.page(proxy, "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = body.decode("ascii")
    assert text.endswith("\n")
    families, samples = {}, {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped = line.split(" ")[2]
        elif line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family == helped and family not in families, line
            assert kind in PARTS, line
            families[family] = kind
        else:
            name, labels, value = SAMPLE.fullmatch(line).groups()
            assert name in [family + part for part in PARTS[kind]], f"{line} is not in {family}"
            assert (labels or "") not in samples.setdefault(name, {}), line
            samples[name][labels or ""] = float(value)
            assert kind != "counter" or name.endswith("_total")
    return samples


def routes(proxy):
    status, headers, body = cli.page(proxy, "/dns/routes")
    assert status == 200 and headers["Content-Type"] == "application/json"
    return json.loads(body)


def server(table, ip):
    return next(s for s in table["servers"] if s["address"] == f"{ip}:53")


def test_metrics_count_each_server_and_route(world, start):
    world.scripted.behave = Scripted.servfail
    proxy = start(servers=(w.CORP2, w.CORP))
    before = metrics(proxy)
    assert fetch(proxy, "GET", f"/{ORIGIN}/x").status in (200, 404)
    after = metrics(proxy)

    def moved(name, labels):
        return after[name][labels] - before.get(name, {}).get(labels, 0)
    assert moved("penstock_dns_server_answers_total", f'server="{w.CORP2}:53",rcode="SERVFAIL"') >= 1
    assert moved("penstock_dns_server_answers_total", f'server="{w.CORP}:53",rcode="NXDOMAIN"') >= 1
    assert moved("penstock_dns_server_answers_total", f'server="{w.AWS}:53",rcode="NOERROR"') >= 1
    assert moved("penstock_dns_server_queries_total", f'server="{w.AWS}:53",transport="udp"') >= 1
    assert moved("penstock_dns_route_lookups_total", 'zone="amazonaws.com"') == 1
    assert moved("penstock_dns_route_results_total", 'zone="amazonaws.com",result="answered"') == 1
    assert moved("penstock_dns_lookups_total", "") == 1
    assert 0 < after["penstock_dns_server_rtt_seconds"][f'server="{w.CORP}:53"'] < 1
    assert after["penstock_dns_server_suspect"][f'server="{w.CORP}:53"'] == 0


def test_counts_outlive_a_new_resolv_conf(world, start):
    world.scripted.behave = Scripted.addresses(w.ORIGIN)
    proxy = start(servers=(w.CORP2,), DNS_AWS="off")
    assert cli.ask(proxy, "lookup", ORIGIN, "A").code == 0
    path = proxy.env["PENSTOCK_RESOLV_CONF"]
    world.resolv_conf(w.CORP, w.CORP2, name=path.rsplit("/", 1)[1])
    eventually(lambda: len(routes(proxy)["routes"][0]["groups"][0]["servers"]) == 2, what="the new table")
    now = metrics(proxy)
    assert now["penstock_dns_route_lookups_total"]['zone="amazonaws.com"'] == 1
    assert now["penstock_dns_server_queries_total"][f'server="{w.CORP2}:53",transport="udp"'] >= 1


def test_the_table_says_why_each_row_is_there(world, start):
    proxy = start(servers=(w.CORP, w.CORP2), DNS_ROUTES=f"corp.test={w.CORP3}|{w.CORP}")
    table = routes(proxy)
    by_zone = {r["zone"]: r for r in table["routes"]}
    assert {z: by_zone[z]["from"] for z in ("corp.test", ".", "amazonaws.com", "registry.stk")} == {
        "corp.test": "setting", ".": "built in", "amazonaws.com": "built in", "registry.stk": "registry"}
    system, vpc = by_zone["amazonaws.com"]["groups"]
    assert system["from"] == "resolv.conf" and system["where"] == proxy.env["PENSTOCK_RESOLV_CONF"]
    assert system["servers"] == [{"address": f"{w.CORP}:53", "line": 1}, {"address": f"{w.CORP2}:53", "line": 2}]
    assert vpc["from"] == "PENSTOCK_DNS_AWS_SERVERS" and vpc["where"] == "default"
    own = by_zone["corp.test"]["groups"]
    assert [g["from"] for g in own] == ["PENSTOCK_DNS_ROUTES"] * 2 and own[0]["where"] == "environment"
    assert server(table, w.CORP)["health"] == "not asked yet"


def test_health_is_told(world, start):
    world.scripted.behave = Scripted.silent
    proxy = start(servers=(w.CORP2,), DNS_AWS="off", DNS_ROUTES=f"corp.test={w.CORP}")
    assert cli.ask(proxy, "lookup", "files.corp.test", "A").code == 0
    assert cli.ask(proxy, "lookup", "x.test", "A").code == 1
    eventually(lambda: server(routes(proxy), w.CORP2)["health"] == "suspect", what="three failures in a row")
    table = routes(proxy)
    down, well = server(table, w.CORP2), server(table, w.CORP)
    assert down["failures_in_a_row"] >= 3 and down["rtt_ms"] is None and down["counts"]["timeouts"] >= 3
    assert well["health"] == "well" and 0 < well["rtt_ms"] < 1000 and well["used_ms_ago"] < 60000
    shown = cli.ask(proxy, "routes")
    assert shown.code == 0, shown
    assert re.search(rf"^{w.CORP2} +down .*failures in a row", shown.out, re.M), shown
    assert re.search(rf"^{w.CORP} +well +[\d.]+ ms", shown.out, re.M), shown
    assert metrics(proxy)["penstock_dns_server_suspect"][f'server="{w.CORP2}:53"'] == 1

    world.scripted.behave = Scripted.refused
    eventually(lambda: server(routes(proxy), w.CORP2)["health"] == "well", what="the repair")
    cli.ask(proxy, "lookup", "--no-cache", "other.test", "A")
    assert [a["zone"] for a in server(routes(proxy), w.CORP2)["avoided"]] == ["."]
    assert "not first for everything else" in cli.ask(proxy, "routes").out


def test_penstock_routes_on_one_screen(world, start):
    proxy = start(servers=(w.CORP, w.CORP2), DNS_ROUTES=f"corp.test={w.CORP3}")
    running = cli.ask(proxy, "routes")
    assert running.code == 0 and "from the running penstock" in running.out
    assert re.search(rf"^corp\.test +{w.CORP3} +PENSTOCK_DNS_ROUTES \(environment\)$", running.out, re.M), running
    assert re.search(rf"^everything else +{w.CORP}, {w.CORP2} +.* lines 1, 2$", running.out, re.M), running
    assert len(running.out.splitlines()) <= 30
    alone = cli.ask(proxy, "routes", ADMIN="off")
    assert alone.code == 0 and "from the settings alone: no penstock runs here (the admin port is off)" in alone.out
    assert "not asked yet" not in alone.out and w.CORP3 in alone.out
    both = [cli.ask(proxy, "routes", "--json").json(), cli.ask(proxy, "routes", "--json", ADMIN="off").json()]
    assert [t["by"]["what"] for t in both] == ["process", "command"]
    assert cli.ask(proxy, "routes", "what").code == 64


def test_our_own_address_is_left_out(world, start):
    port = 18053
    proxy = start(servers=(f"{w.PENSTOCK}:{port}", w.CORP), port=port)
    table = routes(proxy)
    assert [(r["address"], r["line"]) for r in table["left_out"]] == [(f"{w.PENSTOCK}:{port}", 1)]
    assert "is left out: penstock's own address" in cli.ask(proxy, "routes").out


BAD = ["/dns/lookup", "/dns/lookup?name=", "/dns/lookup?name=a..b", "/dns/lookup?name=%zz", "/dns/lookup?type=A",
       "/dns/lookup?name=a&type=", "/dns/lookup?name=a&type=AXFR", "/dns/lookup?name=a&type=NO",
       "/dns/lookup?name=" + "a" * 64, "/dns/lookup?name=" + "a." * 1000]


@pytest.mark.parametrize("target", BAD, ids=[b[:40] for b in BAD])
def test_lookups_that_cannot_be_asked(world, proxy, target):
    env = {"PENSTOCK_ADMIN": "127.0.0.1:9901"}

    class Admin:
        host, ip = proxy.host, proxy.ip
    Admin.env = env
    status, _, body = cli.page(Admin, target)
    assert status == 400 and json.loads(body)["error"]


def test_pages_are_for_get_on_the_admin_port(world, start):
    proxy = start()
    for target in ("/metrics", "/dns/routes", "/dns/lookup?name=a.test"):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"):
            status, headers, _ = cli.page(proxy, target, method)
            assert status == 405 and headers["Allow"] == "GET, HEAD", (method, target)
        assert cli.page(proxy, target, port=proxy.port)[0] in (400, 404)
    assert cli.page(proxy, "/livez")[0] == 200 and cli.page(proxy, "/dns")[0] == 404


def test_a_client_that_leaves_takes_its_lookup_along(world, start):
    proxy = start(servers=(w.CORP2,), DNS_AWS="off")
    assert cli.page(proxy, "/dns/lookup?name=first.test")[0] == 200
    usual = proxy.n_fds()
    world.scripted.behave = Scripted.silent
    address, port = proxy.env["PENSTOCK_ADMIN"].rsplit(":", 1)
    for n in range(20):
        sock = proxy.host.connect((address, int(port)))
        sock.sendall(b"GET /dns/lookup?name=gone%d.test HTTP/1.1\r\nHost: localhost\r\n\r\n" % n)
        eventually(lambda: any(f"gone{n}." in e[2] for e in world.scripted.log), what="the query")
        sock.close()
    assert cli.page(proxy, "/livez")[0] == 200
    eventually(lambda: proxy.n_fds() <= usual, what=f"closed descriptors ({proxy.sockets()})")


def test_many_lookups_at_once(world, start):
    proxy = start()
    address, port = proxy.env["PENSTOCK_ADMIN"].rsplit(":", 1)
    socks = [proxy.host.connect((address, int(port))) for _ in range(40)]
    for n, sock in enumerate(socks):
        sock.sendall(b"GET /dns/lookup?name=n%d.corp.test HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % n)
    for n, sock in enumerate(socks):
        body = b""
        while more := sock.recv(65536):
            body += more
        sock.close()
        assert f'"name":"n{n}.corp.test"'.encode() in body and body.startswith(b"HTTP/1.1 200 ")

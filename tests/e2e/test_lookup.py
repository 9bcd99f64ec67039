"""penstock lookup: each decision is told as it was, by the running process or without one."""

import re
import subprocess
import threading

import dns.message
import dns.rrset
import pytest

import cli
from helpers import ORIGIN, eventually
from lab import world as w
from lab.capture import Capture
from lab.dns import Scripted


def question(ran, at=0):
    return ran.json()["questions"][at]


def tried(q):
    return [(t["server"].rsplit(":", 1)[0], t["type"], t["result"]) for t in q["tries"]]


def addresses(q):
    return sorted(r["data"] for r in q["records"])


def ready(instance):
    """Its loop runs: what the command does next is not asked of a process that is still starting."""
    assert cli.page(instance, "/livez")[0] == 200
    return instance


def test_the_running_process_tells_route_servers_and_group(world, start):
    proxy = start()
    ran = cli.ask(proxy, "lookup", ORIGIN)
    assert ran.code == 0 and ran.err == "", ran
    assert f"asked of the running penstock ({proxy.env['PENSTOCK_ADMIN']}, process {proxy.process.pid})" in ran.out
    assert f"{ORIGIN} A: answered" in ran.out and f"A {w.ORIGIN}" in ran.out
    assert "amazonaws.com: the longest zone that the name is in (built in)" in ran.out
    assert re.search(rf"{w.CORP} +the system's servers +A +NXDOMAIN +[\d.]+ ms", ran.out), ran
    assert re.search(rf"{w.AWS} +Amazon's servers +A +answered +[\d.]+ ms", ran.out), ran
    assert f"{ORIGIN} AAAA: the name exists, without this type (NODATA)" in ran.out
    assert "\033" not in ran.out

    q = question(cli.ask(proxy, "lookup", "--json", ORIGIN, "A"))
    assert q["answered"] and addresses(q) == [w.ORIGIN]
    assert q["route"] == {"zone": "amazonaws.com", "from": "built in"} and q["group"] == "vpc"


def test_the_forwarder_alone_is_asked_too(world, start):
    forwarder = start(args=("dns",), wait=False, DNS_LISTEN="127.0.0.1:18054", INTERNAL_REGISTRY_URL=None)

    def served():
        try:
            return ready(forwarder)
        except OSError:
            return None
    eventually(served, what="the admin port")
    answer = forwarder.host.run("dig", "@127.0.0.1", "-p", "18054", "+time=2", "+tries=1", ORIGIN, "A")
    assert w.ORIGIN in answer
    ran = cli.ask(forwarder, "lookup", ORIGIN, "A")
    assert ran.code == 0 and f"process {forwarder.process.pid})" in ran.out and "fresh, for" in ran.out, ran


def test_the_cache_of_the_process_shows(world, start):
    proxy = start()
    first = question(cli.ask(proxy, "lookup", "--json", ORIGIN, "A"))
    with Capture(world.penstock_host) as wire:
        second = question(cli.ask(proxy, "lookup", "--json", ORIGIN, "A"))
        assert "fresh, for" in cli.ask(proxy, "lookup", ORIGIN, "A").out
    assert (first["cache"], second["cache"]) == ("no", "fresh")
    assert addresses(first) == addresses(second) and second["ttl_s"] <= first["ttl_s"]
    assert not wire.dns_to(w.CORP, w.AWS)

    with Capture(world.penstock_host) as wire:
        third = question(cli.ask(proxy, "lookup", "--json", "--no-cache", ORIGIN, "A"))
    assert third["cache"] == "no" and (w.AWS, "A", "answered") in tried(third)
    assert wire.dns_to(w.CORP) and wire.dns_to(w.AWS)


def test_stale_negative_and_failed_a_moment_ago(world, start):
    world.scripted.behave = Scripted.addresses(w.ORIGIN, ttl=1)
    proxy = start(servers=(w.CORP2,), DNS_AWS="off")
    assert question(cli.ask(proxy, "lookup", "--json", ORIGIN, "A"))["answered"]
    world.scripted.behave = Scripted.servfail

    def stale():
        q = question(cli.ask(proxy, "lookup", "--json", ORIGIN, "A"))
        return q["cache"] == "stale" and q
    q = eventually(stale, what="the end of the TTL")
    assert q["answered"] and addresses(q) == [w.ORIGIN] and q["source"] == "stale"
    assert "past its time" in cli.ask(proxy, "lookup", ORIGIN, "A").out

    cold = cli.ask(proxy, "lookup", "--json", "cold.test", "A")
    again = cli.ask(proxy, "lookup", "--json", "cold.test", "A")
    assert cold.code == again.code == 1
    assert (question(cold)["result"], question(cold)["cache"]) == ("SERVFAIL", "no")
    assert (question(again)["result"], question(again)["cache"]) == ("SERVFAIL", "failed")
    assert all(t["known"] and "dig" not in t for t in question(again)["tries"])

    world.scripted.behave = Scripted.nxdomain
    for cache in ("no", "negative"):
        ran = cli.ask(proxy, "lookup", "--json", "nothing.test", "A")
        assert ran.code == 1 and (question(ran)["result"], question(ran)["cache"]) == ("NXDOMAIN", cache)


def test_without_a_process_the_command_asks_itself(world, start):
    proxy = start()
    env = cli.settings(proxy, ADMIN="127.0.0.1:1", INTERNAL_REGISTRY_URL=None)
    with Capture(world.penstock_host) as wire:
        ran = cli.run(proxy.host, env, "lookup", ORIGIN, "A")
    assert ran.code == 0 and wire.dns_to(w.AWS), ran
    assert "with an empty cache: no penstock runs here (127.0.0.1:1: nobody answers there)" in ran.out
    assert f"A {w.ORIGIN}" in ran.out and "Amazon's servers" in ran.out
    off = cli.run(proxy.host, {**env, "PENSTOCK_ADMIN": "off"}, "lookup", "files.corp.test")
    assert off.code == 0 and "the admin port is off" in off.out and w.REGISTRY in off.out


@pytest.mark.parametrize("says", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"by\":\"envoy\"}",
    b"220 ready\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"by\":{}}",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n{\"by\":{}}",
])
def test_a_stranger_at_the_admin_address_is_not_believed(world, start, says):
    proxy = ready(start())
    listener = proxy.host.listen(0, "127.0.0.1")

    def serve():
        sock, _ = listener.accept()
        sock.recv(65536)
        sock.sendall(says)
        sock.close()
    threading.Thread(target=serve, daemon=True).start()
    ran = cli.ask(proxy, "lookup", "files.corp.test", "A", ADMIN=f"127.0.0.1:{listener.getsockname()[1]}")
    listener.close()
    assert ran.code == 0 and "what answers there is no penstock" in ran.out and w.REGISTRY in ran.out, ran


def test_an_admin_address_of_another_host_is_not_contacted(world, start):
    proxy = ready(start())
    with Capture(world.penstock_host) as wire:
        ran = cli.ask(proxy, "lookup", "files.corp.test", "A", ADMIN=f"{w.REGISTRY}:80")
    assert "nobody answers there" in ran.out and ran.code == 0
    assert not [p for p in wire.opened() if w.REGISTRY in p], wire.opened()


def test_one_server_alone(world, start):
    world.scripted.behave = Scripted.addresses(w.SINKHOLE)
    proxy = start()
    before = len(world.scripted.log)
    with Capture(world.penstock_host) as wire:
        ran = cli.ask(proxy, "lookup", "--server", w.CORP2, "--json", ORIGIN, "A")
    assert ran.code == 0 and addresses(question(ran)) == [w.SINKHOLE]
    assert tried(question(ran)) == [(w.CORP2, "A", "answered")]
    assert ran.json()["by"]["what"] == "command"
    assert len(world.scripted.log) == before + 1 and not wire.dns_to(w.CORP, w.AWS, w.AWS6)
    assert "one server asked by this command, alone" in cli.ask(proxy, "lookup", f"--server={w.CORP2}:53", ORIGIN).out


def test_tcp_at_once(world, start):
    world.scripted.behave = Scripted.addresses(w.ORIGIN)
    proxy = ready(start())
    before = len(world.scripted.log)
    ran = cli.ask(proxy, "lookup", "--tcp", "--server", w.CORP2, ORIGIN, "A")
    assert ran.code == 0 and f"{w.CORP2}  A/tcp  answered" in ran.out, ran
    assert f"dig @{w.CORP2} +tcp -q {ORIGIN} -t A" in ran.out
    assert {entry[1] for entry in world.scripted.log[before:]} == {"tcp"}


@pytest.fixture
def corp_knows_origin(world):
    """This name alone: the proxy that all tests share must not learn others from it."""
    world.corp.say("redirect", zones=(ORIGIN,), data=[f"{ORIGIN} 60 A {w.ORIGIN}"])
    yield
    world.corp.ctl("local_data_remove", ORIGIN)
    world.corp.ctl("local_zone_remove", ORIGIN)


def test_compare_marks_the_liar(world, start, corp_knows_origin):
    world.scripted.behave = Scripted.addresses(w.SINKHOLE, ttl=7)
    world.scripted2.behave = Scripted.silent
    proxy = start(servers=(w.CORP, w.CORP2, w.CORP3))
    ran = cli.ask(proxy, "lookup", "--compare", ORIGIN, "A")
    assert ran.code == 0, ran
    rows = {line.split()[0]: line for line in ran.out.splitlines() if re.match(r" +[\da-f.:]+ +[\d.]+ ms ", line)}
    assert {w.CORP, w.CORP2, w.CORP3, w.AWS} <= set(rows), ran
    assert "differs" in rows[w.CORP2] and w.SINKHOLE in rows[w.CORP2] and " 7 s " in rows[w.CORP2]
    assert "differs" in rows[w.CORP3] and "no reply" in rows[w.CORP3]
    assert "differs" not in rows[w.CORP] + rows[w.AWS]
    assert "They do not say the same." in ran.out

    both = cli.ask(proxy, "lookup", "--compare", "--json", ORIGIN, "A").json()["servers"]
    said = {s["address"]: s["questions"][0] for s in both}
    assert addresses(said[f"{w.CORP2}:53"]) == [w.SINKHOLE] and addresses(said[f"{w.AWS}:53"]) == [w.ORIGIN]
    world.scripted.behave = world.scripted2.behave = Scripted.addresses(w.ORIGIN)
    alike = cli.ask(proxy, "lookup", "--compare", ORIGIN, "A", DNS_AWS="off")
    assert "All say the same." in alike.out and "differs" not in alike.out


NOWHERE = (f"{w.CORP2}:5998", f"{w.CORP2}:5999")


@pytest.mark.parametrize("servers, first, second, marked", [
    # Silence and errors are no majority: who answers is not the one to be looked at.
    ((w.CORP2, w.CORP3), Scripted.silent, Scripted.addresses(w.ORIGIN), [True, False]),
    ((w.CORP2, w.CORP3), Scripted.servfail, Scripted.addresses(w.ORIGIN), [True, False]),
    ((*NOWHERE, w.CORP3), Scripted.silent, Scripted.addresses(w.ORIGIN), [True, True, False]),
    # One against one: nobody knows who is right.
    ((w.CORP2, w.CORP3), Scripted.nxdomain, Scripted.addresses(w.ORIGIN), [True, True]),
    ((w.CORP2, w.CORP3), Scripted.servfail, Scripted.servfail, [False, False]),
], ids=["silence", "an error", "two are not there", "one to one", "errors alone"])
def test_compare_blames_nobody_wrongly(world, servers, first, second, marked):
    world.scripted.behave, world.scripted2.behave = first, second
    env = {"PENSTOCK_DNS_SERVERS": ",".join(servers), "PENSTOCK_DNS_AWS": "off"}
    ran = cli.run(world.penstock_host, env, "lookup", "--compare", ORIGIN, "A")
    rows = [line for line in ran.out.splitlines() if line.startswith("  " + "10.0.2.")]
    assert [" differs " in row for row in rows] == marked, ran


def test_aliases_into_another_route(world, start):
    def alias(query, transport):
        reply = dns.message.make_response(query)
        reply.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "CNAME", ORIGIN + "."))
        return reply
    world.scripted.behave = alias
    proxy = start(DNS_ROUTES=f"corp.test={w.CORP2}")
    ran = cli.ask(proxy, "lookup", "www.corp.test", "A")
    assert ran.code == 0 and f"alias of {ORIGIN}" in ran.out
    assert "corp.test: the longest zone that the name is in (from PENSTOCK_DNS_ROUTES)" in ran.out
    assert f"{ORIGIN} by the route of amazonaws.com (built in)" in ran.out
    q = question(cli.ask(proxy, "lookup", "--json", "--no-cache", "www.corp.test", "A"))
    assert [a["data"] for a in q["aliases"]] == [ORIGIN] and addresses(q) == [w.ORIGIN]
    by_name = {(t["server"].rsplit(":", 1)[0], t["name"]) for t in q["tries"]}
    assert {(w.CORP2, "www.corp.test"), (w.CORP, ORIGIN), (w.AWS, ORIGIN)} <= by_name


def test_dig_lines_ask_the_same(world, start):
    proxy = start()
    ran = cli.ask(proxy, "lookup", ORIGIN, "A")
    lines = [line.strip() for line in ran.out.splitlines() if line.startswith("    dig ")]
    said = {}
    for line in lines:
        said[line] = proxy.host.run("sh", "-c", line + " +time=2 +tries=1")
    assert "NXDOMAIN" in said[f"dig @{w.CORP} -q {ORIGIN} -t A"]
    assert w.ORIGIN in said[f"dig @{w.AWS} -q {ORIGIN} -t A"]


def test_names_that_a_shell_would_read(world, start):
    world.scripted.behave = Scripted.addresses(w.ORIGIN)
    proxy = start(servers=(w.CORP2,), DNS_AWS="off")
    for name in ("$(id).test", "a'b.test", "-x.test", "a;b.test", "a b.test", "\\027[2J.test"):
        q = question(cli.ask(proxy, "lookup", "--json", "--", name, "A"))
        before = len(world.scripted.log)
        done = subprocess.run(["sh", "-c", "for word in " + q["tries"][0]["dig"] + "; do printf '%s\\n' \"$word\"; done"],
                              stdout=subprocess.PIPE, check=True, text=True)
        assert done.stdout.splitlines()[3] == q["name"], (name, q["tries"][0]["dig"])
        proxy.host.run("sh", "-c", q["tries"][0]["dig"] + " +time=2 +tries=1")
        assert world.scripted.log[-1][2] == world.scripted.log[before - 1][2], name


def test_an_address_means_its_reverse_name(world, start):
    proxy = start()
    q = question(cli.ask(proxy, "lookup", "--json", "192.0.2.1"))
    assert (q["name"], q["type"]) == ("1.2.0.192.in-addr.arpa", "PTR")
    q = question(cli.ask(proxy, "lookup", "--json", "2001:db8::1", "NS"))
    assert q["type"] == "NS" and q["name"].endswith("8.b.d.0.1.0.0.2.ip6.arpa")


def test_link_local_servers_are_asked_only_when_told(world, start):
    proxy = start(DNS_AWS="off")
    with Capture(world.penstock_host) as wire:
        assert cli.ask(proxy, "lookup", ORIGIN, "A").code == 1
        assert cli.ask(proxy, "lookup", "--no-cache", ORIGIN, ADMIN="off").code == 1
        assert cli.ask(proxy, "lookup", "--compare", ORIGIN).code == 1
        assert w.AWS not in cli.ask(proxy, "routes", ADMIN="off").out
    assert not wire.dns_to(w.AWS, w.AWS6)
    told = cli.ask(proxy, "lookup", "--server", w.AWS, ORIGIN, "A")
    assert told.code == 0 and w.ORIGIN in told.out


def test_colours_on_a_terminal_alone(world, start):
    proxy = start()
    env = {**cli.settings(proxy), "TERM": "xterm"}
    for command in (("lookup", "files.corp.test"), ("routes",)):
        shown = cli.on_terminal(proxy.host, env, *command)
        assert shown.code == 0 and "\033[" in shown.out, shown
        for plain in ({**env, "NO_COLOR": "1"}, {**env, "TERM": "dumb"}, cli.settings(proxy)):
            assert "\033" not in cli.on_terminal(proxy.host, plain, *command).out
        assert "\033" not in cli.run(proxy.host, env, *command).out
        assert "\033[" in cli.on_terminal(proxy.host, {**env, "NO_COLOR": ""}, *command).out


WRONG = [
    ((), "which NAME?"), (("a", "A", "b"), "unexpected b"), (("a..b",), "no name"), (("x" * 64,), "no name"),
    (("a", "NOTYPE"), "no type"), (("a", "AXFR"), "no type"), (("a", "OPT"), "no type"), (("a", "TYPE65536"), "no type"),
    (("a", "--server"), "no ADDR"), (("a", "--server", "nowhere"), "no address"), (("a", "--what"), "unexpected --what"),
    (("a", "--server=192.0.2.1", "--compare"), "not one"), (("a", "--config"), "no FILE"),
]


@pytest.mark.parametrize("args, says", WRONG, ids=[" ".join(a) or "nothing" for a, _ in WRONG])
def test_wrong_arguments(world, args, says):
    ran = cli.run(world.penstock_host, {"PENSTOCK_DNS_SERVERS": w.CORP, "PENSTOCK_DNS_AWS": "off"}, "lookup", *args)
    assert ran.code == 64 and says in ran.err and "usage: penstock lookup" in ran.err and ran.out == "", ran


def test_no_server_is_known(world):
    env = {"PENSTOCK_RESOLV_CONF": "/nowhere", "PENSTOCK_DNS_AWS": "off", "PENSTOCK_ADMIN": "off"}
    ran = cli.run(world.penstock_host, env, "lookup", "a.test", "A")
    assert ran.code == 1 and "a.test A: no server to ask" in ran.out, ran
    assert "No DNS server is known." in cli.run(world.penstock_host, env, "lookup", "--compare", "a.test").out
    routes = cli.run(world.penstock_host, env, "routes").out
    assert "nobody: no server is known" in routes
    assert "/nowhere names no server that can be asked, and PENSTOCK_DNS_SERVERS is not set" in routes


def test_wrong_settings(world):
    ran = cli.run(world.penstock_host, {"PENSTOCK_DNS_SERVERS": "nowhere"}, "lookup", "a")
    assert ran.code == 1 and "PENSTOCK_DNS_SERVERS" in ran.err

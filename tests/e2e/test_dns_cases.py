"""`penstock dns`, live: which server is asked, what happens when servers fail, what is kept.

The scripted servers of the corporate network give addresses by which one sees who answered."""

import contextlib
import signal
import time

import dns.flags
import dns.message
import dns.rrset
import pytest

from lab import dnsclient
from lab import world as w
from lab.capture import Capture
from lab.dns import Bind, Scripted
from lab.dnsclient import Stream, addresses, ask, many, query, rcode
from lab.peers import DnsmasqForwarder, Knot, Kresd, UnboundForwarder

FIRST, SECOND = "198.51.100.1", "198.51.100.2"  # what the first and the second scripted server say of every name


@pytest.fixture(autouse=True)
def servers(world):
    world.scripted.behave = Scripted.addresses(FIRST)
    world.scripted2.behave = Scripted.addresses(SECOND)
    world.scripted.log.clear()
    world.scripted2.log.clear()


@pytest.fixture
def two(forward):
    """A forwarder with two servers and nothing else."""
    return forward(servers=(w.CORP2, w.CORP3), DNS_AWS="off")


def asked(world, name=None):
    """How many questions the scripted servers have had, for a name or at all."""
    entries = world.scripted.log + world.scripted2.log
    return len([e for e in entries if name is None or e[2] == name.lower() + "."])


def sent(wire, name):
    """Which servers were sent a question for the name, in that order."""
    return [p.dst for p in wire.packets if p.dport == 53 and p.dst != w.PENSTOCK and p.qname == name]


# Routing


def test_only_the_routed_server_is_asked(world, forward):
    penstock = forward(servers=(w.CORP2,), DNS_ROUTES=f"amazonaws.com={w.CORP3}")
    with Capture(world.penstock_host) as wire:
        reply = ask(penstock.ip, "asked-once.s3.eu-west-1.amazonaws.com")
    assert addresses(reply) == [SECOND]
    assert sent(wire, "asked-once.s3.eu-west-1.amazonaws.com") == [w.CORP3]


@pytest.mark.parametrize("name", ["notamazonaws.com", "amazonaws.com.evil.org", "s3.eu-west-1.amazonaws.com.corp.test",
                                  "xamazonaws.com", "amazonaws.co", "com"])
def test_zones_match_whole_labels_from_the_right(world, forward, name):
    penstock = forward(servers=(w.CORP2,), DNS_ROUTES=f"amazonaws.com={w.CORP3}")
    with Capture(world.penstock_host) as wire:
        assert addresses(ask(penstock.ip, name)) == [FIRST]
    assert sent(wire, name) == [w.CORP2]


def test_longest_zone_wins(forward):
    penstock = forward(servers=(w.CORP,), DNS_AWS="off",
                       DNS_ROUTES=f"amazonaws.com={w.CORP2};eu-west-1.amazonaws.com={w.CORP3}")
    assert addresses(ask(penstock.ip, "s3.eu-west-2.amazonaws.com")) == [FIRST]
    assert addresses(ask(penstock.ip, "s3.eu-west-1.amazonaws.com")) == [SECOND]
    assert addresses(ask(penstock.ip, "eu-west-1.amazonaws.com")) == [SECOND]


def test_case_is_folded_and_echoed(world, forward):
    """The question comes back in the very bytes of the client (0x20), from the cache too; the zone matches anyway."""
    penstock = forward(servers=(w.CORP2,), DNS_ROUTES=f"amazonaws.com={w.CORP3}")
    for name in ("S3.Eu-WEST-1.AmazonAWS.cOm", "s3.eU-west-1.aMAZONaws.COM", "s3.eu-west-1.amazonaws.com"):
        wire = query(name).to_wire()
        reply = dnsclient.raw(penstock.ip, wire)
        end = 12 + len(name) + 2 + 4
        assert reply[12:end] == wire[12:end]
        assert addresses(dns.message.from_wire(reply)) == [SECOND]
    assert asked(world) == 1


@pytest.mark.parametrize("tail", ["none", "forged"])
def test_cname_into_an_aws_zone_goes_on_through_its_route(world, forward, tail):
    """The corporate server knows the alias and nothing behind it, or says something of its own."""
    def behave(q, transport):
        name = q.question[0].name
        if name.to_text() != "alias.corp.test.":
            return Scripted.nxdomain(q, transport)
        reply = dns.message.make_response(q)
        reply.answer.append(dns.rrset.from_text(name, 5, "IN", "CNAME", "s3.eu-west-1.amazonaws.com."))
        if tail == "forged":
            reply.answer.append(dns.rrset.from_text("s3.eu-west-1.amazonaws.com.", 5, "IN", "A", "203.0.113.66"))
        return reply
    world.scripted.behave = behave
    penstock = forward(servers=(w.CORP2,), DNS_AWS="on")
    reply = ask(penstock.ip, "alias.corp.test")
    assert rcode(reply) == "NOERROR" and addresses(reply) == [w.ORIGIN]
    assert reply.answer[0].to_text().startswith("alias.corp.test.") and len(reply.answer) == 2


def test_aws_names_move_on_and_others_do_not(world, forward):
    world.scripted.behave = Scripted.nxdomain
    penstock = forward(servers=(w.CORP2,), DNS_AWS="on")
    assert addresses(ask(penstock.ip, "s3.eu-west-1.amazonaws.com")) == [w.ORIGIN]
    with Capture(world.penstock_host) as wire:
        assert rcode(ask(penstock.ip, "minio.test")) == "NXDOMAIN"
    assert not wire.dns_to(w.AWS, w.AWS6)


def test_reload_under_load_loses_nothing(world, forward):
    penstock = forward(servers=(w.CORP2,), DNS_AWS="off", DNS_CLIENT_RATE=0)
    file = penstock.env["PENSTOCK_RESOLV_CONF"].rsplit("/", 1)[1]
    with Stream(penstock.ip, 200, lambda n: (f"n{n}.corp.test", "A")) as stream:
        for i in range(10):
            time.sleep(0.25)
            world.resolv_conf(w.CORP3 if i % 2 == 0 else w.CORP2, name=file)
    bad = [(name, rcode(reply), seconds) for _, name, reply, seconds in stream.results
           if not addresses(reply) or seconds > 1]
    assert len(stream.results) >= 450 and not bad, bad[:5]
    assert {addresses(reply)[0] for _, _, reply, _ in stream.results} == {FIRST, SECOND}


# Failover


def test_first_server_silent(world, two, table):
    """Cold, and again with names that nobody has asked for."""
    world.scripted.behave = Scripted.silent
    for n in range(8):
        reply = ask(two.ip, f"n{n}.corp.test")
        note(table, f"first of two silent, name {n + 1}", reply)
        assert addresses(reply) == [SECOND] and reply.time < 0.5


def note(table, what, reply, said=""):
    rows = table.setdefault(("penstock dns: what the client saw", "what breaks", "rcode", "time", "note"), [])
    rows.append((what, rcode(reply), f"{reply.time * 1000:.0f} ms" if reply else "", said))


def first_after(stream, moment, good):
    """Seconds from the moment to the first result that was asked after it and is good; None without one."""
    for asked_at, _, reply, seconds in sorted(stream.results, key=lambda r: r[0] + r[3]):
        if asked_at + seconds > moment and good(reply):
            return asked_at + seconds - moment
    return None


def test_first_server_is_used_again_after_its_repair(world, two, table):
    world.scripted.behave = Scripted.silent
    with Stream(two.ip, 20, lambda n: (f"n{n}.corp.test", "A")) as stream:
        time.sleep(1.5)
        repaired = time.monotonic()
        world.scripted.behave = Scripted.addresses(FIRST)
        time.sleep(5.5)
    assert all(addresses(reply) for _, _, reply, _ in stream.results)
    back = first_after(stream, repaired, lambda reply: addresses(reply) == [FIRST])
    rows = table.setdefault(("penstock dns: seconds from a repair to the first good answer", "what", "s"), [])
    rows.append(("first server again", f"{back:.2f}" if back else "never"))
    assert back is not None and back < 5


def test_all_dead_and_then_one_is_back(world, two, table):
    """Asked all the time for one name and for new ones."""
    world.scripted.behave = world.scripted2.behave = Scripted.silent
    with Stream(two.ip, 10, lambda n: ("same.corp.test", "A")) as same, \
            Stream(two.ip, 10, lambda n: (f"n{n}.corp.test", "A")) as new:
        time.sleep(6.5)
        repaired = time.monotonic()
        world.scripted2.behave = Scripted.addresses(SECOND)
        time.sleep(5.2)
    for what, stream in (("one name", same), ("new names", new)):
        back = first_after(stream, repaired, addresses)
        rows = table.setdefault(("penstock dns: seconds from a repair to the first good answer", "what", "s"), [])
        rows.append((f"all dead, {what}", f"{back:.2f}" if back else "never"))
        assert back is not None and back < 5
        assert all(reply is not None for _, _, reply, _ in stream.results), "every question has a reply, if SERVFAIL"
        assert max(seconds for _, _, _, seconds in stream.results) < 5


def test_port_unreachable_goes_to_the_next_at_once(forward, table):
    penstock = forward(servers=(w.CLOSED, w.CORP3), DNS_AWS="off")
    reply = ask(penstock.ip, "a.corp.test")
    note(table, "ICMP: port unreachable", reply)
    assert addresses(reply) == [SECOND] and reply.time < 0.1


def test_1000_equal_questions_to_dead_servers(world, two):
    """10 s: at most ten packets upstream, and everybody is told within the total."""
    world.scripted.behave = world.scripted2.behave = Scripted.silent
    with Capture(world.penstock_host) as wire, contextlib.ExitStack() as streams:
        clients = [streams.enter_context(Stream(two.ip, 25, lambda n: ("same.corp.test", "A"))) for _ in range(4)]
        time.sleep(10)
        # Not those of the proxy that all tests share, to the servers of its own.
        n_packets = len(wire.dns_to(w.CORP2, w.CORP3))
    results = [r for client in clients for r in client.results]
    assert len(results) >= 990
    assert {rcode(reply) for _, _, reply, _ in results} == {"SERVFAIL"}
    assert 4 <= n_packets <= 10


# Cache


def test_ttl_counts_down(world, two):
    assert ask(two.ip, "a.corp.test").answer[0].ttl == 5
    began = time.monotonic()
    time.sleep(4.2 - (time.monotonic() - began))
    assert ask(two.ip, "a.corp.test").answer[0].ttl == 1
    assert asked(world, "a.corp.test") == 1


def test_servfail_never_replaces_an_answer(world, two):
    world.scripted.behave = Scripted.addresses(FIRST, ttl=1)
    assert addresses(ask(two.ip, "a.corp.test")) == [FIRST]
    world.scripted.behave = world.scripted2.behave = Scripted.servfail
    time.sleep(1.2)
    for _ in range(3):
        reply = ask(two.ip, "a.corp.test")
        assert addresses(reply) == [FIRST] and reply.answer[0].ttl <= 30, reply
    assert asked(world, "a.corp.test") >= 2


def test_nxdomain_replaces_an_answer(world, two):
    world.scripted.behave = Scripted.addresses(FIRST, ttl=1)
    assert addresses(ask(two.ip, "a.corp.test")) == [FIRST]
    world.scripted.behave = Scripted.nxdomain
    time.sleep(1.2)
    assert rcode(ask(two.ip, "a.corp.test")) == "NXDOMAIN"
    world.scripted.behave = world.scripted2.behave = Scripted.servfail
    assert rcode(ask(two.ip, "a.corp.test")) == "NXDOMAIN"
    time.sleep(5.2)  # past the negative answer's life: what it replaced must not come back
    assert not addresses(ask(two.ip, "a.corp.test"))


@pytest.mark.parametrize("negative", [Scripted.nodata, Scripted.servfail])
def test_one_type_does_not_hide_another(world, two, negative):
    def behave(q, transport):
        return negative(q, transport) if q.question[0].rdtype == 28 else Scripted.addresses(FIRST)(q, transport)
    world.scripted.behave = world.scripted2.behave = behave
    assert not addresses(ask(two.ip, "a.corp.test", "AAAA"))
    assert addresses(ask(two.ip, "a.corp.test")) == [FIRST]
    assert not addresses(ask(two.ip, "a.corp.test", "AAAA"))


def test_1000_concurrent_misses_are_one_question(world, forward):
    """On four workers, whose sockets the kernel chooses by the clients' ports."""
    def slowly(q, transport):
        time.sleep(0.1)
        return Scripted.addresses(FIRST)(q, transport)
    world.scripted.behave = slowly
    penstock = forward(servers=(w.CORP2, w.CORP3), DNS_AWS="off", WORKERS=4, DNS_CLIENT_RATE=0)
    wires = [query("miss.corp.test", id=n).to_wire() for n in range(1000)]
    replies = many(penstock.ip, wires, sockets=40, window=1000)
    assert len(replies) == 1000
    assert {tuple(addresses(dns.message.from_wire(data))) for data, _ in replies.values()} == {(FIRST,)}
    assert asked(world, "miss.corp.test") == 1


def test_foreign_records_are_not_kept(world, two):
    """An address of another name in the answer and in the additional section: neither is given out later."""
    def behave(q, transport):
        reply = Scripted.addresses(FIRST)(q, transport)
        name = q.question[0].name.to_text()
        if name.startswith("a."):
            reply.answer.append(dns.rrset.from_text("victim1.corp.test.", 300, "IN", "A", "203.0.113.66"))
            reply.additional.append(dns.rrset.from_text("victim2.corp.test.", 300, "IN", "A", "203.0.113.66"))
        return reply
    world.scripted.behave = behave
    assert addresses(ask(two.ip, "a.corp.test")) == [FIRST]
    for victim in ("victim1.corp.test", "victim2.corp.test"):
        assert addresses(ask(two.ip, victim)) == [FIRST]
        assert asked(world, victim) == 1


def test_random_names_do_not_evict_names_in_use(world, forward):
    penstock = forward(servers=(w.CORP2,), DNS_AWS="off", DNS_CACHE="256K", DNS_CLIENT_RATE=0, DNS_BUDGET=100000)
    world.scripted.behave = Scripted.addresses(FIRST, ttl=300)
    hot = [f"hot{n}.corp.test" for n in range(20)]
    for name in hot * 3:
        assert addresses(ask(penstock.ip, name)) == [FIRST]
    flood = [query(f"x{n:06}.flood.test", id=n).to_wire() for n in range(4000)]
    assert len(many(penstock.ip, flood, window=50)) == 4000
    for name in hot:
        assert addresses(ask(penstock.ip, name)) == [FIRST]
    assert [asked(world, name) for name in hot] == [1] * len(hot)


# Real servers

ZONE = {"real.test": ["www A 192.0.2.10", "www A 192.0.2.11", "www AAAA 2001:db8::10", "alias CNAME www",
                      "alias2 CNAME alias", "mail MX 10 www", "_s._tcp SRV 1 2 3 www",
                      "big TXT " + " ".join('"%s"' % (c * 200) for c in "abcdefghij"), "*.wild A 192.0.2.12",
                      "ent.empty A 192.0.2.13", "sub DNAME other.real.test.", "x.other A 192.0.2.14",
                      "type1 TYPE65400 \\# 4 0a000001"]}
QUESTIONS = {("www", "A"): "NOERROR www A 192.0.2.10, www A 192.0.2.11",
             ("www", "AAAA"): "NOERROR www AAAA 2001:db8::10",
             ("alias2", "A"): "NOERROR alias CNAME www, alias2 CNAME alias, www A 192.0.2.10, www A 192.0.2.11",
             ("mail", "MX"): "NOERROR mail MX 10 www", ("_s._tcp", "SRV"): "NOERROR _s._tcp SRV 1 2 3 www",
             ("mail", "A"): "NOERROR", ("none", "A"): "NXDOMAIN", ("q.wild", "A"): "NOERROR q.wild A 192.0.2.12",
             ("empty", "A"): "NOERROR",
             ("x.sub", "A"): "NOERROR sub DNAME other, x.other A 192.0.2.14, x.sub CNAME x.other",
             ("type1", "TYPE65400"): "NOERROR type1 TYPE65400 \\# 4 0a000001"}


@pytest.fixture(scope="module")
def real(world):
    """Debian's servers: two that are authoritative, three that forward to one of these."""
    hosts = {n: world.net.host(f"real{n}", f"10.0.7.{n}/16") for n in range(1, 6)}
    knot = Knot(hosts[1], world.folder, "10.0.7.1", ZONE)
    bind = Bind(hosts[2], world.folder, "10.0.7.2", ZONE)
    probe = "www.real.test"
    servers = {"knot": knot, "bind": bind, "kresd": Kresd(hosts[3], world.folder, "10.0.7.3", ["10.0.7.1"], probe),
               "unbound": UnboundForwarder(hosts[4], world.folder, "10.0.7.4", ["10.0.7.1"], probe),
               "dnsmasq": DnsmasqForwarder(hosts[5], world.folder, "10.0.7.5", ["10.0.7.1"], probe)}
    yield servers
    for server in servers.values():
        server.process.kill()
        server.process.wait()


def plain(reply):
    """An answer as one line, in any order, without the zone's own name."""
    records = sorted(f"{rrset.name.to_text()} {line.split(' ', 4)[3]} {line.split(' ', 4)[4]}"
                     for rrset in reply.answer for line in rrset.to_text().split("\n"))
    return f"{rcode(reply)} {', '.join(records)}".replace(".real.test.", "").strip()


@pytest.mark.parametrize("kind", ["knot", "bind", "kresd", "unbound", "dnsmasq"])
def test_real_upstream(real, forward, kind):
    penstock = forward(servers=(real[kind].ip,), DNS_AWS="off")
    for (name, rdtype), wanted in QUESTIONS.items():
        assert plain(ask(penstock.ip, f"{name}.real.test", rdtype)) == wanted, (name, rdtype)
    cut = ask(penstock.ip, "big.real.test", "TXT", edns=False)
    assert cut.flags & dns.flags.TC and len(cut.to_wire()) <= 512
    whole = ask(penstock.ip, "big.real.test", "TXT", tcp=True)
    assert not whole.flags & dns.flags.TC and len(whole.to_wire()) > 2000


@pytest.mark.parametrize("first, second", [("knot", "bind"), ("bind", "kresd"), ("unbound", "knot"),
                                           ("dnsmasq", "bind"), ("kresd", "bind")])
def test_real_upstream_freezes_and_wakes(real, forward, table, first, second):
    """Stopped, as a machine that hangs: the port is open and nobody answers; later its late replies come."""
    penstock = forward(servers=(real[first].ip, real[second].ip), DNS_AWS="off")
    assert rcode(ask(penstock.ip, "www.real.test")) == "NOERROR"
    real[first].process.send_signal(signal.SIGSTOP)
    try:
        for n in range(5):
            reply = ask(penstock.ip, f"{n}.wild.real.test")
            assert addresses(reply) == ["192.0.2.12"] and reply.time < 0.5
    finally:
        real[first].process.send_signal(signal.SIGCONT)
    assert addresses(ask(penstock.ip, "after.wild.real.test")) == ["192.0.2.12"]

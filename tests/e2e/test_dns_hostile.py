"""A name server that does wrong on purpose, behind penstock, unbound and dnsmasq: what each of them makes of it, side
by side in a table at the end of the run. Asserted is what penstock does; the peers are there to compare with.

Each behaviour has an address and a zone of its own, so that what one makes of a server's health hits no other."""

import concurrent.futures
import time

import dns.flags
import pytest

from lab import dnsclient
from lab.hostile_dns import FORGED, GENUINE, ZONE, Hostile
from lab.hostile_replies import BEHAVIOURS
from lab.peers import DnsmasqForwarder, UnboundForwarder

CLIENT_TIMEOUT = 6.0
PEERS = ("penstock", "unbound", "dnsmasq")

# What penstock does where that is not the genuine address within a second: outcome, most seconds.
EXPECTED = {
    "drop-all": ("SERVFAIL", 5.0),
    "delay-1500": ("genuine", 2.0),
    "wrong-id-only": ("SERVFAIL", 5.0),
    "tc-silent": ("SERVFAIL", 5.0),
    "tc-closed": ("SERVFAIL", 5.0),
    "tc-cut-short": ("SERVFAIL", 5.0),
    "tc-wrong-length": ("SERVFAIL", 3.0),
    "tc-always": ("SERVFAIL", 1.0),
    "pointer-loop": ("SERVFAIL", 1.0),
    "pointer-pair": ("SERVFAIL", 1.0),
    "pointer-forward": ("SERVFAIL", 1.0),
    "pointer-outside": ("SERVFAIL", 1.0),
    "pointer-to-header": ("SERVFAIL", 1.0),
    "long-name": ("SERVFAIL", 1.0),
    "label-types": ("SERVFAIL", 1.0),
    "count-bomb": ("SERVFAIL", 1.0),
    "count-bombs": ("SERVFAIL", 5.0),  # two questions: nobody's reply, so the wait goes on
    "additional-bomb": ("SERVFAIL", 1.0),
    "rdlength-past-end": ("SERVFAIL", 1.0),
    "rdlength-of-a": ("SERVFAIL", 1.0),
    "two-opts": ("SERVFAIL", 1.0),
    "opt-as-answer": ("SERVFAIL", 1.0),
    "opt-of-a-name": ("SERVFAIL", 1.0),
    "opt-cut": ("SERVFAIL", 1.0),
    "trailing-junk": ("SERVFAIL", 1.0),
    "edns-dropped": ("genuine", 2.0),
    "says-formerr": ("SERVFAIL", 1.0),
    "says-servfail": ("SERVFAIL", 1.0),
    "says-nxdomain": ("NXDOMAIN", 1.0),
    "says-notimp": ("NOTIMP", 1.0),
    "says-refused": ("REFUSED", 1.0),
    "says-yxdomain": ("SERVFAIL", 1.0),
    "says-notauth": ("SERVFAIL", 1.0),
    "says-rcode-13": ("SERVFAIL", 1.0),
    "says-servfail-bare": ("SERVFAIL", 1.0),
    "says-refused-bare": ("REFUSED", 1.0),
    "says-nxdomain-bare": ("SERVFAIL", 5.0),  # a "no" without a question is nobody's reply
    "nxdomain-with-answer": ("NXDOMAIN", 1.0),
    "servfail-with-answer": ("SERVFAIL", 1.0),
    "only-foreign": ("no address", 1.0),
    "foreign-soa": ("NXDOMAIN", 1.0),
    "cname-to-itself": ("SERVFAIL", 1.0),
    "cname-loop": ("SERVFAIL", 1.0),
    "cname-chain-20": ("SERVFAIL", 1.0),
    "cname-endless": ("SERVFAIL", 1.0),
    "referral": ("SERVFAIL", 1.0),
    "nodata-without-soa": ("no address", 1.0),
}


@pytest.fixture(scope="module")
def hostile(world):
    return Hostile(world.net, "hostile", "10.0.20")


@pytest.fixture(scope="module")
def peers(world, hostile):
    servers = [make(world.net.host("peer" + ip, ip + "/16"), world.folder, ip, hostile.routes(), f"honest.{ZONE}")
               for make, ip in ((UnboundForwarder, "10.0.8.1"), (DnsmasqForwarder, "10.0.8.2"))]
    yield servers
    for server in servers:
        server.stop()


def outcome(reply):
    """In a word what the client was told."""
    if reply is None:
        return "no reply"
    found = dnsclient.addresses(reply)
    if FORGED in found:
        return "FORGED"
    if reply.rcode() == 0:
        return "genuine" if GENUINE in found else "no address"
    return dnsclient.rcode(reply) + (" + genuine" if GENUINE in found else "")


def run(server, name, delay):
    time.sleep(delay)
    began = time.monotonic()
    try:
        reply = dnsclient.ask(server, f"ask.{name}.{ZONE}", timeout=CLIENT_TIMEOUT)
        if reply and reply.flags & dns.flags.TC:  # as every client does
            reply = dnsclient.ask(server, f"ask.{name}.{ZONE}", timeout=CLIENT_TIMEOUT, tcp=True)
        said = outcome(reply)
    except Exception as error:  # what it forwarded cannot be read: that is a finding about it
        said = f"unreadable ({type(error).__name__})"
    return said, time.monotonic() - began


@pytest.fixture(scope="module")
def asked(world, hostile, peers):
    """(peer, behaviour) -> (outcome, seconds, UDP questions, TCP questions). All at once: most of it is waiting."""
    routes = ";".join(f"{zone}={ips[0]}" for zone, ips in hostile.routes().items())
    penstock = world.start_penstock(args=("dns",), port=53, INTERNAL_REGISTRY_URL=None, LISTEN=None,
                                    DNS_LISTEN=f"{world.penstock_host.ip}:53", DNS_AWS="off", DNS_ROUTES=routes,
                                    ADMIN="off")
    ips = dict(zip(PEERS, (penstock.ip, "10.0.8.1", "10.0.8.2")))
    hostile.log.clear()
    with concurrent.futures.ThreadPoolExecutor(300) as pool:
        jobs = {(peer, name): pool.submit(run, ips[peer], name, 0.01 * i + 0.003 * j)
                for i, name in enumerate(BEHAVIOURS) for j, peer in enumerate(PEERS)}
        out = {key: job.result() for key, job in jobs.items()}
    out = {(peer, name): (*told, *hostile.packets(name, ips[peer])) for (peer, name), told in out.items()}
    yield out, ips, penstock
    assert penstock.stop() == 0, penstock.output()[-4000:]


def cell(result):
    said, seconds, n_udp, n_tcp = result
    packets = f"{n_udp}" + (f"+{n_tcp} TCP" if n_tcp else "")
    return f"{said}, {packets}" + (f", {seconds:.1f} s" if seconds > 0.1 else "")


def test_table(asked, hostile, table):
    rows = table.setdefault(("Hostile name server: outcome, packets, time when above 0.1 s", "the server", *PEERS), [])
    rows += [(BEHAVIOURS[name].__doc__, *(cell(asked[0][peer, name]) for peer in PEERS)) for name in BEHAVIOURS]
    assert not hostile.errors


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_penstock(asked, name):
    said, seconds, n_udp, n_tcp = asked[0]["penstock", name]
    wanted, limit = EXPECTED.get(name, ("genuine", 1.0))
    assert said == wanted, cell((said, seconds, n_udp, n_tcp))
    assert seconds < limit
    # Six, and one more to a silent server: does it send our questions back to ourselves?
    assert n_udp <= (9 if name == "cname-endless" else 7) and n_tcp <= 6, (n_udp, n_tcp)


@pytest.mark.parametrize("name", ["foreign-additional", "foreign-answer", "only-foreign"])
def test_foreign_records_are_not_kept(asked, hostile, name):
    """The neighbour's address that came unasked is never given to who asks for the neighbour."""
    reply = dnsclient.ask(asked[1]["penstock"], f"victim.{name}.{ZONE}")
    assert name == "only-foreign" or dnsclient.addresses(reply) == [GENUINE]
    assert any(e[1] == name and e[4].lower().startswith("victim.") and e[2] == asked[1]["penstock"]
               for e in hostile.log), "the neighbour was never asked for: its address came from the cache"


def test_a_neighbour_of_a_bad_answer(asked):
    """SERVFAIL or NXDOMAIN for AAAA leave A alone."""
    for name, wanted in (("aaaa-servfail", "SERVFAIL"), ("aaaa-nxdomain", "NXDOMAIN")):
        server = asked[1]["penstock"]
        assert dnsclient.rcode(dnsclient.ask(server, f"b.{name}.{ZONE}", "AAAA")) == wanted
        assert outcome(dnsclient.ask(server, f"b.{name}.{ZONE}", "A")) == "genuine"


def test_out_of_order_over_tcp(asked):
    """Two questions at the same time, the upstream's answers over TCP in reverse order."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda n: dnsclient.ask(asked[1]["penstock"], f"o{n}.tc-out-of-order.{ZONE}"), (1, 2)))
    assert [outcome(r) for r in replies] == ["genuine", "genuine"]
    assert [r.question[0].name.to_text() for r in replies] == [f"o{n}.tc-out-of-order.{ZONE}." for n in (1, 2)]


def test_still_well(asked):
    assert outcome(dnsclient.ask(asked[1]["penstock"], f"after.honest.{ZONE}")) == "genuine"

"""Several thousand questions about one frozen set of zones, through penstock, unbound and dnsmasq, all of which forward
to the same knot: what penstock says is compared with what each of the others says, and with knot itself.

Every difference falls under a reason below, or fails the test."""

import collections

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from lab import dnsclient, zoneset
from lab.dnsclient import query
from lab.peers import DnsmasqForwarder, Knot, UnboundForwarder

TTL_TOLERANCE_S = 5
CAP_S = 3600  # of penstock's cache

Said = collections.namedtuple("Said", "rcode answer ttls has_soa flags n_cnames")


@pytest.fixture(scope="module")
def said(world):
    """name of server -> question -> Said."""
    zones, questions = zoneset.generate()
    hosts = [world.net.host(f"diff{n}", f"10.0.9.{n + 20}/16") for n in range(3)]
    # Knot gets the questions of three forwarders at once, and its own.
    upstream = Knot(hosts[0], world.folder, hosts[0].ip, zones, ttl=300)
    probe = f"n0.{zoneset.ZONE}"
    unbound = UnboundForwarder(hosts[1], world.folder, hosts[1].ip, [upstream.ip], probe,
                               more=" cache-max-negative-ttl: 300\n")
    dnsmasq = DnsmasqForwarder(hosts[2], world.folder, hosts[2].ip, [upstream.ip], probe)
    penstock = world.start_penstock(args=("dns",), port=53, INTERNAL_REGISTRY_URL=None, LISTEN=None, ADMIN="off",
                                    DNS_LISTEN=f"{world.penstock_host.ip}:53", DNS_AWS="off", servers=(upstream.ip,),
                                    DNS_BUDGET=100000, DNS_CLIENT_RATE=0)
    servers = {"penstock": penstock.ip, "knot": upstream.ip, "unbound": unbound.ip, "dnsmasq": dnsmasq.ip}
    yield {name: ask_all(ip, questions) for name, ip in servers.items()}
    for server in (unbound, dnsmasq, upstream):
        server.stop()
    assert penstock.stop() == 0, penstock.output()[-4000:]


def ask_all(ip, questions):
    wires = [query(name, rdtype, id=n % 65536).to_wire() for n, (name, rdtype) in enumerate(questions)]
    replies = dnsclient.many(ip, wires, window=60)
    assert len(replies) == len(questions), (ip, len(replies))
    out = {}
    for n, question in enumerate(questions):
        reply = dns.message.from_wire(replies[n][0])
        if reply.flags & dns.flags.TC:  # as every client does
            reply = dnsclient.ask(ip, *question, tcp=True)
        out[question] = said_of(reply)
    return out


def said_of(reply):
    records, ttls = set(), {}
    for rrset in reply.answer:
        owner = rrset.name.to_text().lower()
        for rd in rrset:
            key = (owner, dns.rdatatype.to_text(rrset.rdtype), rd.to_digestable())
            records.add(key)
            ttls[key] = rrset.ttl
    soa = any(rrset.rdtype == dns.rdatatype.SOA for rrset in reply.authority)
    flags = dns.flags.to_text(reply.flags & (dns.flags.RA | dns.flags.AD | dns.flags.TC))
    return Said(dns.rcode.to_text(reply.rcode()), frozenset(records), ttls, soa, flags,
                sum(key[1] == "CNAME" for key in records))


def differences(mine, other):
    """What two servers say differently of one question, in words."""
    if mine.rcode != other.rcode:
        yield f"rcode {mine.rcode}, not {other.rcode}"
    if mine.answer != other.answer:
        missing, more = other.answer - mine.answer, mine.answer - other.answer
        yield (f"answer: {'/'.join(sorted({k[1] for k in missing})) or 'nothing'} missing, "
               f"{'/'.join(sorted({k[1] for k in more})) or 'nothing'} more")
    if any(abs(mine.ttls[key] - other.ttls[key]) > TTL_TOLERANCE_S for key in mine.ttls.keys() & other.ttls.keys()):
        yield "TTL"
    if not mine.answer and not other.answer and mine.has_soa != other.has_soa:
        yield f"SOA of a negative answer {'there' if mine.has_soa else 'missing'}"
    if mine.flags != other.flags:
        yield f"flags {mine.flags}, not {other.flags}"


def chain_goes_on(question, what, mine, other, truth):
    """The other's answer is a part of penstock's: a chain without its end."""
    return (mine.n_cnames > 0 and other.answer <= mine.answer and what.startswith(("answer", "rcode"))
            and {key[1] for key in other.answer} <= {"CNAME", "DNAME"})


def ttls_that_differ(mine, other):
    return [(key, mine.ttls[key], other.ttls[key]) for key in mine.ttls.keys() & other.ttls.keys()
            if abs(mine.ttls[key] - other.ttls[key]) > TTL_TOLERANCE_S]


def ttls_are(applies):
    return lambda question, what, mine, other, truth: what == "TTL" and all(
        applies(question, mine, *entry) for entry in ttls_that_differ(mine, other))


REASONS = [  # (peer, or None for all; when it applies; why)
    ("knot", lambda question, what, mine, other, truth: what == "flags RA, not ",
     "knot does not recurse, and says so"),
    ("knot", chain_goes_on,
     "knot ends a reply after 5 CNAMEs and at its zone's end: penstock asks on, as unbound does"),
    ("dnsmasq", chain_goes_on, "dnsmasq hands on the chain that knot cut: penstock asks on, as unbound does"),
    (None, ttls_are(lambda question, mine, key, ours, theirs: ours <= CAP_S < theirs),
     "nothing is kept for more than an hour"),
    (None, ttls_are(lambda question, mine, key, ours, theirs: ours <= 5 < theirs and question[1] != "CNAME"
                    and {k[1] for k in mine.answer} <= {"CNAME", "DNAME"}),
     "a chain that ends in nothing is kept no longer than that nothing: the SOA's 5 s"),
    ("dnsmasq", ttls_are(lambda question, mine, key, ours, theirs: key[1] == "SOA" and theirs <= 5 < ours),
     "dnsmasq keeps the SOA of a negative answer, and answers with it"),
    ("unbound", ttls_are(lambda question, mine, key, ours, theirs: key[1] == "CNAME" and theirs == 0 < ours
                         and any(k[1] == "DNAME" for k in mine.answer)),
     "the CNAME made of a DNAME has the DNAME's TTL (RFC 6672), in unbound 0"),
]


def reason(peer, question, what, mine, other, truth):
    for who, applies, why in REASONS:
        if who in (None, peer) and applies(question, what, mine, other, truth):
            return why
    return None


def test_differential(said, table):
    rows = table.setdefault(("Differential: where penstock and others differ, of "
                             f"{len(said['penstock'])} questions", "penstock and", "difference", "n", "reason"), [])
    unexplained = []
    for peer in ("knot", "unbound", "dnsmasq"):
        counts = collections.Counter()
        for question, mine in said["penstock"].items():
            for what in differences(mine, said[peer][question]):
                why = reason(peer, question, what, mine, said[peer][question], said["knot"][question])
                counts[what, why or "UNEXPLAINED"] += 1
                if why is None:
                    unexplained.append((peer, question, what))
        rows += [(peer, what, n, why) for (what, why), n in sorted(counts.items())]
    assert len(said["penstock"]) > 4000
    assert not unexplained, (len(unexplained), unexplained[:10])

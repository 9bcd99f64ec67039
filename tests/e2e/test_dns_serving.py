"""`penstock dns` as its clients meet it: what it answers to odd questions, many clients, restarts, loops."""

import socket
import struct
import time

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from helpers import eventually
from lab import dnsclient
from lab import world as w
from lab.capture import Capture
from lab.dns import Scripted
from lab.dnsclient import addresses, ask, query, rcode
from lab.peers import UnboundForwarder

ANSWER = "198.51.100.1"


@pytest.fixture(autouse=True)
def servers(world):
    world.scripted.behave = Scripted.addresses(ANSWER)
    world.scripted.log.clear()


@pytest.fixture
def one(forward):
    return forward(servers=(w.CORP2,), DNS_AWS="off")


def tcp_ask(sock, wire):
    sock.sendall(struct.pack("!H", len(wire)) + wire)
    return tcp_read(sock)


def tcp_read(sock):
    with sock.makefile("rb") as stream:
        return stream.read(struct.unpack("!H", stream.read(2))[0])


# Odd questions


def header(*counts, opcode=0, flags=0x0100):
    return struct.pack("!HHHHHH", 77, flags | opcode << 11, *counts)


QUESTION = b"\1a\4corp\4test\0\0\1\0\1"


@pytest.mark.parametrize("what, wire, wanted", [
    ("no question", header(0, 0, 0, 0), "FORMERR"),
    ("two questions", header(2, 0, 0, 0) + QUESTION * 2, "FORMERR"),
    ("question cut", header(1, 0, 0, 0) + QUESTION[:-2], "FORMERR"),
    ("65535 questions", header(65535, 0, 0, 0) + QUESTION, "FORMERR"),
    ("pointer loop", header(1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", "FORMERR"),
    ("two OPTs", header(1, 0, 0, 2) + QUESTION + (b"\0\0\x29\x04\xd0" + b"\0" * 6) * 2, "FORMERR"),
    ("EDNS version 1", header(1, 0, 0, 1) + QUESTION + b"\0\0\x29\x04\xd0\0\1" + b"\0" * 4, "BADVERS"),
    ("NOTIFY", header(1, 0, 0, 0, opcode=4) + QUESTION, "NOTIMP"),
    ("UPDATE", header(1, 0, 0, 0, opcode=5) + QUESTION, "NOTIMP"),
    ("AXFR", header(1, 0, 0, 0) + QUESTION[:-4] + b"\0\xfc\0\1", "REFUSED"),
    ("IXFR", header(1, 0, 0, 0) + QUESTION[:-4] + b"\0\xfb\0\1", "REFUSED"),
])
def test_odd_question(world, one, what, wire, wanted):
    reply = dns.message.from_wire(dnsclient.raw(one.ip, wire), ignore_trailing=True)
    assert reply.id == 77 and reply.flags & dns.flags.QR and rcode(reply) == wanted
    assert not world.scripted.log
    assert addresses(ask(one.ip, "after.corp.test")) == [ANSWER]


@pytest.mark.parametrize("wire", [b"", b"\0", header(1, 0, 0, 0)[:11], header(1, 1, 0, 0, flags=0x8180) + QUESTION])
def test_no_question_at_all_gets_no_reply(one, wire):
    """What is no question may be somebody's reply: two servers must not talk to each other for ever."""
    assert dnsclient.raw(one.ip, wire, timeout=0.3) is None


def test_any(world, one):
    """RFC 8482: something small, and nobody is asked."""
    reply = ask(one.ip, "a.corp.test", "ANY")
    assert rcode(reply) in ("NOERROR", "NOTIMP") and len(reply.to_wire()) < 200
    assert not [e for e in world.scripted.log if e[3] == dns.rdatatype.ANY]


def test_strangers_are_refused(world, forward):
    penstock = forward(servers=(w.CORP2,), DNS_AWS="off", DNS_ALLOW="10.0.1.66/32,127.0.0.1")
    assert rcode(ask(penstock.ip, "a.corp.test")) == "REFUSED"
    with world.bare_host.enter():
        assert addresses(ask(penstock.ip, "a.corp.test")) == [ANSWER]
    assert len(world.scripted.log) == 1


@pytest.mark.parametrize("edns, limit", [(False, 512), (600, 600), (1232, 1232), (4096, 4096)])
def test_large_answers_fit_the_client(world, one, edns, limit):
    """TC and no more than the client takes; whole over TCP."""
    def behave(q, transport):
        reply = dns.message.make_response(q)
        if transport == "udp":
            reply.flags |= dns.flags.TC
        else:
            reply.answer.append(dns.rrset.from_text(q.question[0].name, 60, "IN", "TXT",
                                                    *['"%d%s"' % (i, "x" * 100) for i in range(13)]))
        return reply
    world.scripted.behave = behave
    options = {"edns": False} if edns is False else {"edns": 0, "payload": edns}
    wire = dnsclient.raw(one.ip, query("a.corp.test", "TXT", **options).to_wire())
    reply = dns.message.from_wire(wire)
    assert len(wire) <= limit
    if not reply.flags & dns.flags.TC:
        assert len(reply.answer[0]) == 13 and limit > 1400
    whole = ask(one.ip, "a.corp.test", "TXT", tcp=True)
    assert len(whole.answer[0]) == 13 and not whole.flags & dns.flags.TC


def test_do_and_cd_pass_and_ad_is_cleared(world, one):
    seen = []

    def behave(q, transport):
        seen.append((bool(q.ednsflags & dns.flags.DO), bool(q.flags & dns.flags.CD)))
        reply = Scripted.addresses(ANSWER)(q, transport)
        reply.flags |= dns.flags.AD
        return reply
    world.scripted.behave = behave
    for do, cd in ((False, False), (True, False), (True, True)):
        reply = ask(one.ip, "a.corp.test", want_dnssec=do, flags=dns.flags.RD | (dns.flags.CD if cd else 0))
        assert addresses(reply) == [ANSWER] and not reply.flags & dns.flags.AD
        assert bool(reply.flags & dns.flags.CD) == cd
    assert seen == [(False, False), (True, False), (True, True)]


# Many clients


def test_idle_and_slow_tcp_clients_do_not_stop_others(world, one):
    idle = []
    for _ in range(512):
        try:
            idle.append(world.client.connect((one.ip, 53), timeout=1))
        except OSError:
            break  # it may stop accepting; it must go on answering
    slow = world.client.connect((one.ip, 53))
    wire = query("slow.corp.test").to_wire()
    drip = iter(struct.pack("!H", len(wire)) + wire)
    for n in range(20):
        byte = next(drip, None)
        if byte is not None:
            slow.sendall(bytes([byte]))
        began = time.monotonic()
        assert addresses(ask(one.ip, f"u{n}.corp.test", timeout=1)) == [ANSWER]
        assert addresses(ask(one.ip, f"t{n}.corp.test", tcp=True, timeout=1)) == [ANSWER]
        assert time.monotonic() - began < 0.5
    slow.sendall(bytes(drip))
    slow.settimeout(3)
    assert addresses(dns.message.from_wire(tcp_read(slow))) == [ANSWER]
    for sock in (slow, *idle):
        sock.close()


def test_tcp_pipelined_and_one_byte_at_a_time(world, one):
    """Several questions at once on one connection, each answered as soon as it can be."""
    def behave(q, transport):
        return None if q.question[0].name.to_text().startswith("never") else Scripted.addresses(ANSWER)(q, transport)
    world.scripted.behave = behave
    wires = [query(name, id=i).to_wire() for i, name in enumerate(("never.corp.test", "a.corp.test", "b.corp.test"))]
    stream = b"".join(struct.pack("!H", len(x)) + x for x in wires)
    with world.client.connect((one.ip, 53), timeout=4) as sock:
        for byte in stream:
            sock.sendall(bytes([byte]))
        replies = [dns.message.from_wire(tcp_read(sock)) for _ in range(2)]
        assert sorted(r.id for r in replies) == [1, 2] and all(addresses(r) == [ANSWER] for r in replies)
        sock.settimeout(6)
        last = dns.message.from_wire(tcp_read(sock))
    assert last.id == 0 and rcode(last) == "SERVFAIL"


def test_reply_comes_from_the_address_that_was_asked(world, forward):
    """One socket for all addresses of a host with several; a connected client hears nobody else."""
    world.penstock_host.run("sh", "-c", "ip addr add 10.0.1.12/16 dev eth0 2>/dev/null; "
                                        "ip addr add fd00:1::12/64 dev eth0 nodad 2>/dev/null; true")
    penstock = forward(servers=(w.CORP2,), DNS_AWS="off", DNS_LISTEN="[::]:53")
    for n, ip in enumerate((penstock.ip, "10.0.1.12", "fd00:1::10", "fd00:1::12")):
        data = dnsclient.raw(ip, query(f"n{n}.corp.test").to_wire())
        assert data is not None and addresses(dns.message.from_wire(data)) == [ANSWER], ip


# Starting, and who it stands next to


def test_killed_and_started_again(world, forward):
    """kill -9 with clients connected and questions under way; on the same port it answers within a second."""
    def late(q, transport):
        return None if q.question[0].name.to_text().startswith("never") else Scripted.addresses(ANSWER)(q, transport)
    world.scripted.behave = late
    settings = dict(servers=(w.CORP2,), args=("dns",), port=53, INTERNAL_REGISTRY_URL=None, LISTEN=None,
                    DNS_LISTEN="[::]:53", DNS_AWS="off", ADMIN="off")
    first = world.start_penstock(**settings)
    with world.client.connect((first.ip, 53)) as held:
        assert tcp_ask(held, query("a.corp.test").to_wire())
        held.sendall(struct.pack("!H", 33) + query("never.corp.test").to_wire()[:20])
        began = time.monotonic()
        first.process.kill()
        first.process.wait()
        second = world.start_penstock(wait=False, **settings)
        try:
            eventually(lambda: addresses(quick(second.ip, tcp=False)) == [ANSWER], 5, "an answer over UDP")
            eventually(lambda: addresses(quick(second.ip, tcp=True)) == [ANSWER], 5, "an answer over TCP")
            assert time.monotonic() - began < 1
        finally:
            assert second.stop() == 0


def quick(ip, tcp):
    try:
        return ask(ip, "b.corp.test", tcp=tcp, timeout=0.1)
    except OSError:
        return None


def test_without_the_right_to_bind_the_error_names_the_fix(world):
    """Port 53 belongs to root or to who has CAP_NET_BIND_SERVICE."""
    penstock = world.start_penstock(
        servers=(w.CORP2,), args=("dns",), port=53, INTERNAL_REGISTRY_URL=None, LISTEN=None, DNS_AWS="off",
        ADMIN="off", wait=False, wrap=("setpriv", "--inh-caps=-all", "--bounding-set=-net_bind_service"))
    code = penstock.process.wait(5)
    said = penstock.output()
    assert code != 0 and "53" in said
    assert "CAP_NET_BIND_SERVICE" in said and "PENSTOCK_DNS_LISTEN" in said, said


def test_port_taken(world, one):
    """The error says that somebody else is there, and where."""
    other = world.start_penstock(servers=(w.CORP2,), args=("dns",), port=53, INTERNAL_REGISTRY_URL=None, LISTEN=None,
                                 DNS_LISTEN=f"{one.ip}:53", DNS_AWS="off", ADMIN="off", wait=False)
    assert other.process.wait(5) != 0
    assert f"{one.ip}:53" in other.output() and "PENSTOCK_DNS_LISTEN" in other.output(), other.output()


def test_loop_through_the_corporate_server(world, forward):
    """The corporate server forwards amazonaws.com to penstock, whose system group is that server: Amazon's answers
    anyway, and the packets do not go round."""
    host = world.net.hosts.get("loop") or world.net.host("loop", "10.0.2.56/16")
    corp = UnboundForwarder(host, world.folder, host.ip, {"amazonaws.com": [w.PENSTOCK], ".": [w.CORP2]},
                            "x.corp.test")
    try:
        penstock = forward(servers=(host.ip,), DNS_AWS="on")
        with Capture(world.penstock_host) as wire, Capture(host) as theirs:
            for n in range(5):
                reply = ask(penstock.ip, f"b{n}.s3.eu-west-1.amazonaws.com")
                assert addresses(reply) == [w.ORIGIN] and reply.time < 1
            time.sleep(2)
        out = [p for p in wire.packets if p.dport == 53 and p.dst != penstock.ip]
        back = [p for p in theirs.packets if p.dport == 53 and p.dst == penstock.ip]
        assert len(out) <= 40 and len(back) <= 40, (len(out), len(back))
        # And who asks the corporate server gets the answer through penstock.
        assert addresses(ask(host.ip, "c.s3.eu-west-1.amazonaws.com")) == [w.ORIGIN]
    finally:
        corp.stop()


def test_over_the_clients_rate(world, forward):
    """Misses beyond the rate are told why; the cache goes on answering."""
    penstock = forward(servers=(w.CORP2,), DNS_AWS="off", DNS_CLIENT_RATE=20)
    assert addresses(ask(penstock.ip, "hot.corp.test")) == [ANSWER]
    replies = dnsclient.many(penstock.ip, [query(f"n{n}.corp.test", id=n).to_wire() for n in range(300)])
    codes = [rcode(dns.message.from_wire(data)) for data, _ in replies.values()]
    assert len(codes) == 300 and 10 <= codes.count("NOERROR") <= 60 and codes.count("SERVFAIL") >= 240, codes
    refused = next(m for m in (dns.message.from_wire(d) for d, _ in replies.values()) if m.rcode() == 2)
    assert any(o.otype == 15 for o in refused.options), "an extended error says why"
    assert addresses(ask(penstock.ip, "hot.corp.test")) == [ANSWER]
    with world.bare_host.enter():
        assert addresses(ask(penstock.ip, "other-client.corp.test")) == [ANSWER]

"""The behaviours of the hostile name server, in groups: when, from where, how over TCP, what bytes, what records."""

import struct
import threading

import dns.flags
import dns.name
import dns.rrset

from lab.hostile_dns import (A, AAAA, BEHAVIOURS, CNAME, FORGED, OPT, OPT_RR, QNAME, SOA, ZONE, address,
                             behaviour, labels, later, rr)

# When


@behaviour
def honest(x):
    """nothing wrong"""
    x.send(x.good())


@behaviour
def drop_first(x):
    """the first packet is dropped"""
    if x.nth > 1:
        x.send(x.good())


@behaviour
def drop_all(x):
    """never a reply"""


@behaviour
def delay_250(x):
    """replies after 250 ms"""
    later(0.25)
    x.send(x.good())


@behaviour
def delay_1500(x):
    """replies after 1.5 s"""
    later(1.5)
    x.send(x.good())


@behaviour
def duplicate(x):
    """every reply three times, the last one later and forged"""
    x.send(x.good(), x.good())
    later(0.05)
    x.send(x.good(FORGED))


# From where, and to what question


def before_good(x, *forged):
    x.send(*forged)
    later(0.03)
    x.send(x.good())


@behaviour
def wrong_id(x):
    """forged with a wrong ID first, the genuine one later"""
    forged = x.good(FORGED)
    forged.id ^= 1
    before_good(x, forged)


@behaviour
def wrong_id_only(x):
    """wrong IDs, nothing else"""
    forged = x.good(FORGED)
    forged.id ^= 1
    x.send(forged)


@behaviour
def wrong_port(x):
    """forged from another port first"""
    if x.is_udp:
        x.send_from(x.local, 5353, x.good(FORGED))
    later(0.03)
    x.send(x.good())


@behaviour
def wrong_address(x):
    """forged from another address first"""
    if x.is_udp:
        x.send_from(x.server.elsewhere, 53, x.good(FORGED))
    later(0.03)
    x.send(x.good())


@behaviour
def wrong_question(x):
    """forged for another name first"""
    forged = x.good(FORGED)
    forged.question = [dns.rrset.from_text(f"other.{ZONE}.", 0, "IN", "A")]
    before_good(x, forged)


@behaviour
def wrong_type(x):
    """forged for another type first"""
    forged = x.good(FORGED)
    forged.question = [dns.rrset.from_text(x.name, 0, "IN", "TXT")]
    before_good(x, forged)


@behaviour
def wrong_class(x):
    """forged for class CH first"""
    before_good(x, x.made(x.a(FORGED), question=x.question[:-2] + b"\0\3"))


@behaviour
def no_question(x):
    """an answer without its question first"""
    before_good(x, x.made(x.a(FORGED, owner=x.question[:-4]), counts=(0, 1, 0, 0), question=b""))


@behaviour
def two_questions(x):
    """a reply with two questions first"""
    before_good(x, x.made(x.question + x.a(FORGED), counts=(2, 1, 0, 0)))


@behaviour
def a_query_back(x):
    """a packet without QR first"""
    before_good(x, x.made(x.a(FORGED), flags=0x0100))


@behaviour
def wrong_opcode(x):
    """opcode NOTIFY first"""
    before_good(x, x.made(x.a(FORGED), flags=0x8580 | 4 << 11))


@behaviour
def short_packets(x):
    """0, 1 and 11 bytes first"""
    before_good(x, b"", b"\0", x.made()[:11])


@behaviour
def case_lost(x):
    """the question comes back in lower case"""
    question = x.question[:-4].lower() + x.question[-4:]
    x.send(x.made(x.a(), question=question))


# How over TCP


def truncated(x, then):
    """TC=1 and nothing else over UDP; `then` over TCP."""
    if x.is_udp:
        reply = x.good()
        reply.answer.clear()
        reply.flags |= dns.flags.TC
        x.send(reply)
    else:
        then()


@behaviour
def tc(x):
    """TC=1, genuine over TCP"""
    truncated(x, lambda: x.send(x.good()))


@behaviour
def tc_with_data(x):
    """TC=1 with a forged record in it"""
    if x.is_udp:
        x.send(x.made(x.a(FORGED), flags=0x8780))
    else:
        x.send(x.good())


@behaviour
def tc_cut(x):
    """TC=1, cut in the middle of a record"""
    if x.is_udp:
        x.send(x.made(x.a(FORGED)[:9], flags=0x8780))
    else:
        x.send(x.good())


@behaviour
def tc_one_byte_writes(x):
    """TC=1, TCP one byte at a time"""
    def slowly():
        wire = x.good().to_wire()
        for byte in struct.pack("!H", len(wire)) + wire:
            x.reply(bytes([byte]))
            later(0.001)
    truncated(x, slowly)


@behaviour
def tc_silent(x):
    """TC=1, silence over TCP"""
    truncated(x, lambda: later(8))


@behaviour
def tc_closed(x):
    """TC=1, TCP closed without a word"""
    def close():
        raise EOFError
    truncated(x, close)


@behaviour
def tc_cut_short(x):
    """TC=1, TCP closed in the middle"""
    def cut():
        wire = x.good().to_wire()
        x.reply(struct.pack("!H", len(wire)) + wire[:-3])
        raise EOFError
    truncated(x, cut)


@behaviour
def tc_wrong_length(x):
    """TC=1, TCP with a length of 3"""
    truncated(x, lambda: x.reply(b"\0\3abc"))


@behaviour
def tc_wrong_id(x):
    """TC=1, TCP wrong ID, then genuine"""
    def both():
        forged = x.good(FORGED)
        forged.id ^= 1
        x.send(forged, x.good())
    truncated(x, both)


@behaviour
def tc_always(x):
    """TC=1 over TCP as well"""
    reply = x.good(FORGED)
    reply.flags |= dns.flags.TC
    x.send(reply)


@behaviour
def tc_out_of_order(x):
    """TC=1, two answers over TCP in reverse order"""
    def alone(first):
        if held.pop(first, None):
            first.send(first.good())

    def reverse():
        if held:
            first, _ = held.popitem()
            x.send(x.good())
            later(0.02)
            first.send(first.good())
        else:
            held[x] = True
            threading.Timer(0.3, alone, (x,)).start()
    held = x.server.state.setdefault(("held", x.client[0]), {})
    truncated(x, reverse)


# What bytes


@behaviour
def pointer_loop(x):
    """the owner is a pointer to itself"""
    at = 12 + len(x.question)
    x.send(x.made(x.a(FORGED, owner=struct.pack("!H", 0xC000 | at))))


@behaviour
def pointer_pair(x):
    """two pointers at each other"""
    at = 12 + len(x.question)
    x.send(x.made(x.a(FORGED, owner=struct.pack("!HH", 0xC000 | at + 2, 0xC000 | at))))


@behaviour
def pointer_forward(x):
    """the owner is a pointer forward"""
    at = 12 + len(x.question)
    x.send(x.made(x.a(FORGED, owner=struct.pack("!H", 0xC000 | at + 16)) + x.question[:-4]))


@behaviour
def pointer_outside(x):
    """a pointer past the end"""
    x.send(x.made(x.a(FORGED, owner=b"\xff\xff")))


@behaviour
def pointer_to_header(x):
    """a pointer into the header"""
    x.send(x.made(x.a(FORGED, owner=b"\xc0\x00")))


@behaviour
def long_name(x):
    """an owner of more than 255 bytes"""
    x.send(x.made(x.a(FORGED, owner=(b"\x3f" + b"x" * 63) * 5 + b"\0")))


@behaviour
def label_types(x):
    """a label of type 01"""
    x.send(x.made(x.a(FORGED, owner=b"\x41\x08" + QNAME)))


@behaviour
def count_bomb(x):
    """ANCOUNT 65535, one record"""
    x.send(x.made(x.a(FORGED), counts=(1, 65535, 0, 0)))


@behaviour
def count_bombs(x):
    """all counts 65535"""
    x.send(x.made(x.a(FORGED), counts=(65535,) * 4))


@behaviour
def additional_bomb(x):
    """ARCOUNT 65535, a good answer before it"""
    x.send(x.made(x.a(FORGED), counts=(1, 1, 0, 65535)))


@behaviour
def rdlength_past_end(x):
    """RDLENGTH past the end"""
    x.send(x.made(x.a(FORGED, rdlength=400)))


@behaviour
def rdlength_of_a(x):
    """an A record of 5 bytes"""
    x.send(x.made(rr(QNAME, A, address(FORGED) + b"\0")))


@behaviour
def two_opts(x):
    """two OPT records"""
    x.send(x.made(x.a() + OPT_RR + OPT_RR, counts=(1, 1, 0, 2)))


@behaviour
def opt_as_answer(x):
    """an OPT record as an answer"""
    x.send(x.made(OPT_RR + x.a(), counts=(1, 2, 0, 0)))


@behaviour
def opt_of_a_name(x):
    """an OPT record with a name"""
    x.send(x.made(x.a() + rr(QNAME, OPT, b""), counts=(1, 1, 0, 1)))


@behaviour
def opt_cut(x):
    """an option longer than its OPT"""
    x.send(x.made(x.a() + rr(b"\0", OPT, b"\0\x0a\0\xff\0"), counts=(1, 1, 0, 1)))


@behaviour
def trailing_junk(x):
    """junk after the message"""
    x.send(x.made(x.a()) + b"junk" * 8)


@behaviour
def large_udp(x):
    """4000 bytes over UDP, unasked for"""
    reply = x.good()
    reply.additional.append(dns.rrset.from_text(f"pad.{ZONE}.", 60, "IN", "TXT", " ".join(['"%s"' % ("p" * 250)] * 15)))
    x.send(reply)


# EDNS, rcodes


@behaviour
def edns_dropped(x):
    """silent to EDNS, answers without"""
    if x.query.edns < 0:
        x.send(x.good())


@behaviour
def edns_formerr(x):
    """FORMERR to EDNS, answers without"""
    x.send(x.good() if x.query.edns < 0 else x.error(1, bare=True))


@behaviour
def edns_notimp(x):
    """NOTIMP to EDNS, answers without"""
    if x.query.edns < 0:
        x.send(x.good())
    else:
        x.send(x.made(counts=(1, 0, 0, 0), flags=0x8184))


@behaviour
def edns_badvers(x):
    """BADVERS to EDNS, answers without"""
    if x.query.edns < 0:
        x.send(x.good())
    else:
        x.send(x.made(b"\0" + struct.pack("!HHIH", OPT, 1232, 1 << 24, 0), counts=(1, 0, 0, 1), flags=0x8180))


def says(name, rcode, bare=False):
    def function(x):
        x.send(x.error(rcode, bare))
    function.__doc__ = f"{name}{', a bare header' if bare else ''}"
    word = name.lower().replace(" ", "-")
    BEHAVIOURS[f"says-{word}{'-bare' if bare else ''}"] = function


for _name, _code in (("FORMERR", 1), ("SERVFAIL", 2), ("NXDOMAIN", 3), ("NOTIMP", 4), ("REFUSED", 5), ("YXDOMAIN", 6),
                     ("NOTAUTH", 9), ("rcode 13", 13)):
    says(_name, _code)
says("SERVFAIL", 2, bare=True)
says("REFUSED", 5, bare=True)
says("NXDOMAIN", 3, bare=True)


@behaviour
def nxdomain_with_answer(x):
    """NXDOMAIN with an address beside it"""
    x.send(x.made(x.a(FORGED), flags=0x8583))


@behaviour
def servfail_with_answer(x):
    """SERVFAIL with an address beside it"""
    x.send(x.made(x.a(FORGED), flags=0x8582))


@behaviour
def aaaa_servfail(x):
    """SERVFAIL for AAAA alone"""
    x.send(x.error(2) if x.rdtype == AAAA else x.good())


@behaviour
def aaaa_nxdomain(x):
    """NXDOMAIN for AAAA alone"""
    reply = x.good()
    if x.rdtype == AAAA:
        reply.set_rcode(3)
    x.send(reply)


# What records


def soa_rdata():
    return labels("ns." + ZONE) + labels("h." + ZONE) + struct.pack("!IIIII", 1, 2, 3, 4, 60)


def neighbour(x):
    """A forged address of victim.ZONE, for x.ZONE; None when the victim itself is asked for."""
    if x.question[1:7].lower() == b"victim":
        return None
    return x.a(FORGED, owner=b"\6victim" + b"\xc0" + bytes([12 + x.question[0] + 1]))


@behaviour
def foreign_additional(x):
    """a forged address of a neighbour beside it"""
    other = neighbour(x)
    x.send(x.made(x.a() + other, counts=(1, 1, 0, 1)) if other else x.good())


@behaviour
def foreign_answer(x):
    """a forged address of a neighbour in the answer"""
    other = neighbour(x)
    x.send(x.made(other + x.a(), counts=(1, 2, 0, 0)) if other else x.good())


@behaviour
def only_foreign(x):
    """nothing but a neighbour's address"""
    x.send(x.made(x.a(FORGED, owner=labels("victim.only-foreign." + ZONE))))


@behaviour
def foreign_authority(x):
    """a name server for the whole of test."""
    x.send(x.made(x.a() + rr(b"\4test\0", 2, labels("ns.evil.example")) + x.a(FORGED, owner=labels("ns.evil.example")),
                  counts=(1, 1, 1, 1)))


@behaviour
def foreign_soa(x):
    """NXDOMAIN with the SOA of another zone"""
    x.send(x.made(rr(labels("example"), SOA, soa_rdata(), ttl=86400), counts=(1, 0, 1, 0), flags=0x8583))


@behaviour
def class_hs(x):
    """an address of class HS beside it"""
    x.send(x.made(x.a(FORGED, rdclass=4) + x.a(), counts=(1, 2, 0, 0)))


@behaviour
def cname_to_itself(x):
    """a CNAME to itself"""
    x.send(x.made(rr(QNAME, CNAME, QNAME)))


@behaviour
def cname_loop(x):
    """two CNAMEs in a ring"""
    one, other = x.question[:-4], labels("other.cname-loop." + ZONE)
    x.send(x.made(rr(one, CNAME, other) + rr(other, CNAME, one), counts=(1, 2, 0, 0)))


def chain(x, n):
    names = [x.question[:-4]] + [labels(f"c{i}.cname-chain-{n}.{ZONE}") for i in range(1, n + 1)]
    body = b"".join(rr(names[i], CNAME, names[i + 1]) for i in range(n))
    x.send(x.made(body + x.a(owner=names[n]), counts=(1, n + 1, 0, 0)))


@behaviour
def cname_chain_8(x):
    """a chain of 8 CNAMEs"""
    chain(x, 8)


@behaviour
def cname_chain_20(x):
    """a chain of 20 CNAMEs"""
    chain(x, 20)


@behaviour
def cname_unordered(x):
    """a CNAME after the address it leads to"""
    end = labels("end.cname-unordered." + ZONE)
    x.send(x.made(x.a(owner=end) + rr(QNAME, CNAME, end), counts=(1, 2, 0, 0)))


@behaviour
def cname_endless(x):
    """every name is a CNAME to a new one"""
    first = x.query.question[0].name.labels[0]
    n = int(first[1:]) + 1 if first[:1] == b"e" and first[1:].isdigit() else 1
    x.send(x.made(rr(QNAME, CNAME, labels(f"e{n}.cname-endless.{ZONE}"))))


@behaviour
def cname_and_address(x):
    """a CNAME and an address for one name"""
    end = labels("end.cname-and-address." + ZONE)
    x.send(x.made(rr(QNAME, CNAME, end) + x.a(FORGED) + x.a(owner=end), counts=(1, 3, 0, 0)))


@behaviour
def two_cnames(x):
    """two CNAMEs for one name"""
    ends = [labels(f"end{i}.two-cnames." + ZONE) for i in (1, 2)]
    x.send(x.made(rr(QNAME, CNAME, ends[0]) + rr(QNAME, CNAME, ends[1]) + x.a(owner=ends[0]), counts=(1, 3, 0, 0)))


@behaviour
def huge_ttl(x):
    """a TTL with the highest bit set"""
    x.send(x.made(x.a(ttl=0xFFFFFFFF)))


@behaviour
def referral(x):
    """a referral instead of an answer"""
    x.send(x.made(rr(labels(ZONE), 2, labels("ns." + ZONE)), counts=(1, 0, 1, 0), flags=0x8180))


@behaviour
def nodata_without_soa(x):
    """no address and no SOA"""
    x.send(x.made(counts=(1, 0, 0, 0)))


@behaviour
def repeated_record(x):
    """one address 60 times"""
    x.send(x.made(x.a() * 60, counts=(1, 60, 0, 0)))

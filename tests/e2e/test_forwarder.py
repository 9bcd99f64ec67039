"""The forwarder as part of a process: beside the proxy, with several workers, while it ends."""

import socket
import struct
import time

import dns.message
import dns.rdatatype
import pytest

from helpers import eventually, fetch
from lab import world as w
from lab.dns import Scripted
from lab.dnsclient import addresses, ask, query, rcode
from lab.penstock import Penstock

ANSWER = "198.51.100.7"
ALONE = {"args": ("dns",), "LISTEN": None, "INTERNAL_REGISTRY_URL": None, "DNS_AWS": "off", "servers": (w.CORP2,)}


@pytest.fixture(autouse=True)
def servers(world):
    world.scripted.behave = Scripted.addresses(ANSWER)
    world.scripted.log.clear()


def alone(start, **settings):
    """`penstock dns`, on one port for HTTP's and DNS's sake."""
    port = next(start.ports)
    return start(port=port, ADMIN="off", **{**ALONE, "DNS_LISTEN": f"{w.PENSTOCK}:{port}", **settings})


def lands(reply):
    return addresses(reply) == [ANSWER]


def started(penstock):
    return eventually(lambda: [x["message"] for x in penstock.lines() if x.get("event") == "start"], 5)[0]


def test_beside_the_proxy(start):
    penstock = start(DNS_LISTEN=f"{w.PENSTOCK}:5301", servers=(w.CORP2,))
    assert f" and DNS on {w.PENSTOCK}:5301," in started(penstock)
    assert lands(ask(penstock.ip, "a.corp.test", port=5301))
    assert fetch(penstock, "GET", "/").status == 200


def test_alone_it_proxies_nothing(start):
    penstock = start(port=5302, ADMIN=f"{w.PENSTOCK}:5303", **{**ALONE, "DNS_LISTEN": f"{w.PENSTOCK}:5302"})
    assert lands(ask(penstock.ip, "a.corp.test", port=5302))
    penstock.port = 5303
    assert fetch(penstock, "GET", "/livez").status == 200
    assert fetch(penstock, "GET", "/s3/s3.us-east-1.amazonaws.com/").status == 404
    page = fetch(penstock, "GET", "/metrics").body.decode()
    assert 'penstock_dns_forwarder_questions_total{transport="udp"} 1' in page
    assert 'penstock_dns_forwarder_answers_total{rcode="NOERROR"} 1' in page
    assert "penstock_dns_forwarder_connections_open " in page


def test_its_own_address_is_no_server(world, start):
    """resolv.conf names the forwarder first, as it does where the host's clients are to use it."""
    port = next(start.ports)
    penstock = start(port=port, ADMIN="off", **{**ALONE, "DNS_LISTEN": f"[::]:53,[::]:{port}",
                                                "servers": (w.PENSTOCK, w.CORP2)})
    reply = ask(penstock.ip, "a.corp.test")
    assert lands(reply) and reply.time < 0.2
    assert {e[3] for e in world.scripted.log} == {dns.rdatatype.A} and len(world.scripted.log) == 1


def test_workers_share_the_address_and_nobody_else_does(world, start):
    penstock = alone(start, WORKERS=2)
    for n in range(40):  # each from a port of its own, so both have some
        assert lands(ask(penstock.ip, f"n{n % 4}.corp.test", port=penstock.port, tcp=n % 2 == 1))
    assert len(world.scripted.log) == 4
    other = world.start_penstock(port=penstock.port, ADMIN="off", WORKERS=2, wait=False,
                                 **{**ALONE, "DNS_LISTEN": f"{w.PENSTOCK}:{penstock.port}"})
    assert other.process.wait(5) == 1
    assert "address already in use" in other.output() and "PENSTOCK_DNS_LISTEN" in other.output()


def test_without_ipv6(world):
    """[::] is all of IPv4 where there is no IPv6."""
    env = {"PENSTOCK_DNS_SERVERS": w.CORP2, "PENSTOCK_DNS_AWS": "off", "PENSTOCK_ADMIN": "off",
           "PENSTOCK_RESOLV_CONF": world.resolv_conf(w.CORP2), "PENSTOCK_HOSTS_FILE": "/dev/null"}
    instance = Penstock(world.bare_host, world.folder, env, 53, ("dns",))
    try:
        assert lands(ask(instance.ip, "a.corp.test"))
        assert "serves DNS on" in started(instance)
    finally:
        assert instance.stop() == 0


def test_off_is_an_error(world):
    instance = world.start_penstock(wait=False, ADMIN="off", **{**ALONE, "DNS_LISTEN": "off"})
    assert instance.process.wait(5) == 1
    assert "PENSTOCK_DNS_LISTEN is off" in instance.output()


def test_what_is_asked_is_answered_before_it_ends(world, start):
    slow = Scripted.addresses(ANSWER)

    def behave(q, transport):
        time.sleep(0.3)
        return slow(q, transport)
    world.scripted.behave = behave
    penstock = alone(start)
    with world.client.connect((penstock.ip, penstock.port)) as tcp, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(3)
        udp.connect((penstock.ip, penstock.port))
        udp.send(query("u.corp.test").to_wire())
        wire = query("u.corp.test").to_wire()
        tcp.sendall(struct.pack("!H", len(wire)) + wire)
        eventually(lambda: world.scripted.log, 2, "the question")
        penstock.term()
        assert lands(dns.message.from_wire(udp.recv(4096)))
        with tcp.makefile("rb") as stream:
            assert lands(dns.message.from_wire(stream.read(struct.unpack("!H", stream.read(2))[0])))
            assert stream.read() == b""
    assert penstock.process.wait(2) == 0


def test_a_silent_server_holds_the_end_up_for_a_second(world, start):
    world.scripted.behave = lambda q, transport: None
    penstock = alone(start)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.connect((penstock.ip, penstock.port))
        udp.send(query("u.corp.test").to_wire())
        eventually(lambda: world.scripted.log, 2, "the question")
        began = time.monotonic()
        penstock.term()
        assert penstock.process.wait(5) == 0
        assert time.monotonic() - began < 1.6


def test_idle_tcp_ends_after_ten_seconds(world, start):
    penstock = alone(start)
    with world.client.connect((penstock.ip, penstock.port)) as idle, \
            world.client.connect((penstock.ip, penstock.port)) as half:
        half.sendall(b"\0\x40half a question")
        began = time.monotonic()
        for sock in (idle, half):
            sock.settimeout(15)
            assert sock.recv(1) == b""
            assert 9 < time.monotonic() - began < 12


def test_why_there_is_no_answer(world, start):
    """The extended error says what each server did."""
    world.scripted.behave = lambda q, transport: None
    penstock = alone(start)
    reply = ask(penstock.ip, "a.corp.test", port=penstock.port)
    assert rcode(reply) == "SERVFAIL" and reply.time < 5
    assert [(int(o.code), w.CORP2 in o.text) for o in reply.options if o.otype == 15] == [(22, True)]
    again = ask(penstock.ip, "a.corp.test", port=penstock.port)
    assert [int(o.code) for o in again.options if o.otype == 15] == [13] and again.time < 0.1


def test_any_bytes_get_at_most_one_reply(start):
    """Datagrams of noise: never more replies than datagrams, and it goes on answering."""
    import random
    noise = random.Random(7)
    penstock = alone(start)
    good = query("a.corp.test").to_wire()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(0.05)
        udp.connect((penstock.ip, penstock.port))
        for _ in range(300):
            wire = bytearray(good)
            for _ in range(noise.randrange(1, 6)):
                wire[noise.randrange(len(wire))] = noise.randrange(256)
            udp.send(wire[:noise.randrange(1, len(wire) + 1)] if noise.random() < 0.3 else bytes(wire))
            try:
                reply = udp.recv(4096)
            except TimeoutError:
                continue
            assert reply[:2] == wire[:2] and reply[2] & 0x80
    assert lands(ask(penstock.ip, "b.corp.test", port=penstock.port))

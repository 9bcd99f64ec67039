"""Every way in which DNS breaks, live, each with the time that the client saw (a table at the end of the run).

penstock's resolv.conf names one corporate server (or two); Amazon's at 169.254.169.253 stands behind it by the AWS
policy. Each row starts a penstock of its own: nothing is cached, no server is known."""

import time

import pytest

from helpers import ORIGIN, error_of, eventually, fetch
from lab import world as w
from lab.capture import Capture
from lab.dns import Scripted

NAME = ORIGIN
TARGET = f"/{NAME}/dns/object"


@pytest.fixture(autouse=True)
def object_there(world):
    world.origin.put("/dns/object", b"resolved")


def note(table, what, server, resp, said=""):
    rows = table.setdefault(("DNS failures", "what breaks", "server", "status", "client saw", "note"), [])
    rows.append((what, server, resp.status, f"{resp.seconds * 1000:.0f} ms", said))


# what is said about AWS names -> (how unbound says it where it can, how the scripted server does, most seconds)
BREAKAGES = {
    "silent": (("always_deny", ()), Scripted.silent, 1.0),
    "NXDOMAIN": (("always_nxdomain", ()), Scripted.nxdomain, 0.5),
    "SERVFAIL": (None, Scripted.servfail, 0.5),
    "REFUSED": (("always_refuse", ()), Scripted.refused, 0.5),
    "REFUSED without question": (None, Scripted.refused_bare, 0.5),
    "NODATA": (("always_nodata", ()), Scripted.nodata, 0.5),
    "sinkhole 0.0.0.0": (("redirect", ("A 0.0.0.0",)), Scripted.addresses("0.0.0.0", "::"), 0.5),
    "sinkhole 127.0.0.1": (("redirect", ("A 127.0.0.1",)), Scripted.addresses("127.0.0.1", "::1"), 0.5),
    "wrong address, refuses": (("redirect", (f"A {w.SINKHOLE}",)), Scripted.addresses(w.SINKHOLE), 1.0),
    "wrong address, vanishes": (("redirect", (f"A {w.BLACKHOLE}",)), Scripted.addresses(w.BLACKHOLE), 4.5),
    "truncated, TCP dead": (None, Scripted.truncated(Scripted.silent), 4.5),
}


@pytest.mark.parametrize("what, server", [(b, s) for b in BREAKAGES for s in ("unbound", "scripted")
                                          if s == "scripted" or BREAKAGES[b][0]])
def test_first_server_broken(world, start, table, what, server):
    unbound, scripted, limit = BREAKAGES[what]
    if server == "unbound":
        kind, data = unbound
        world.corp.say(kind, zones=("amazonaws.com",), data=[f"amazonaws.com 5 {d}" for d in data])
        proxy = start(servers=(w.CORP,))
    else:
        world.scripted.behave = scripted
        proxy = start(servers=(w.CORP2,))
    first = fetch(proxy, "GET", TARGET)
    note(table, what, server, first)
    assert first.status == 200 and first.body == b"resolved", first
    assert first.seconds < limit
    # The group that worked is remembered: the next name of the zone is not slow again.
    again = fetch(proxy, "GET", f"/bucket.{NAME}/dns/object")
    note(table, what + ", next name", server, again)
    assert again.status == 200 and again.seconds < 0.5


def test_second_server_of_the_group(world, start, table):
    """resolv.conf has two servers; the first is silent, the second knows: Amazon's is never needed, and all of
    resolv.conf counts, not only its first line."""
    world.scripted.behave = Scripted.silent
    world.scripted2.behave = Scripted.addresses(w.ORIGIN)
    proxy = start(servers=(w.CORP2, w.CORP3), DNS_AWS="off")
    resp = fetch(proxy, "GET", TARGET)
    note(table, "first of two silent", "scripted", resp)
    assert resp.status == 200 and resp.seconds < 0.5


def test_truncated_is_asked_again_over_tcp(world, start, table):
    world.scripted.behave = Scripted.truncated(Scripted.addresses(w.ORIGIN))
    with Capture(world.penstock_host) as wire:
        proxy = start(servers=(w.CORP2,))
        resp = fetch(proxy, "GET", TARGET)
    note(table, "truncated over UDP", "scripted", resp)
    assert resp.status == 200 and resp.seconds < 0.5
    assert "tcp" in {entry[1] for entry in world.scripted.log[-6:]}
    assert not wire.dns_to(w.AWS, w.AWS6)


@pytest.mark.parametrize("server", ["unbound", "scripted"])
def test_healthy_corporate_server_is_used_and_amazons_is_not_asked(world, start, table, server):
    """It alone knows the private endpoint's address: going straight to Amazon's would break this deployment."""
    world.corp.say("redirect", zones=("amazonaws.com",), data=[f"amazonaws.com 5 A {w.PRIVATE}"])
    world.scripted.behave = Scripted.addresses(w.PRIVATE)
    world.origin.reset_hooks()
    asked = len(world.aws.queries())
    with Capture(world.penstock_host) as wire:
        proxy = start(servers=(w.CORP if server == "unbound" else w.CORP2,))
        for n in range(5):
            resp = fetch(proxy, "GET", f"/bucket{n}.{NAME}/dns/object")
            assert resp.status == 200
    note(table, "healthy, private address", server, resp)
    assert {world.origin.reached[r.conn] for r in world.origin.requests} == {w.PRIVATE}
    assert not wire.dns_to(w.AWS, w.AWS6)
    assert len(world.aws.queries()) == asked


def test_all_dead_and_cold(world, start, table):
    world.scripted.behave = Scripted.silent
    world.aws_host.silence(53)
    proxy = start(servers=(w.CORP2,))
    resp = fetch(proxy, "GET", TARGET)
    code, message = error_of(resp)
    note(table, "all dead, cold", "scripted", resp, message)
    assert resp.status == 502 and resp.seconds < 5.0
    assert w.CORP2 in message and w.AWS in message, message


def test_each_server_said_what(world, start, table):
    """The error tells them apart."""
    world.scripted.behave = Scripted.servfail
    world.scripted2.behave = Scripted.refused
    world.aws_host.silence(53)
    proxy = start(servers=(w.CORP2, w.CORP3))
    resp = fetch(proxy, "GET", TARGET)
    message = error_of(resp)[1]
    note(table, "all fail differently", "scripted", resp, message)
    assert resp.status == 502 and resp.seconds < 5.0
    assert "SERVFAIL" in message and "REFUSED" in message and w.CORP2 in message and w.CORP3 in message, message


def test_error_detail_can_be_hidden(world, start):
    world.scripted.behave = Scripted.refused
    proxy = start(servers=(w.CORP2,), DNS_AWS="off", ERROR_DETAIL="off")
    resp = fetch(proxy, "GET", TARGET)
    assert resp.status == 502 and w.CORP2 not in resp.body.decode() and "REFUSED" not in resp.body.decode()


def test_all_dead_after_success_is_answered_from_stale(world, start, table):
    world.scripted.behave = Scripted.addresses(w.ORIGIN, ttl=1)
    proxy = start(servers=(w.CORP2,))
    assert fetch(proxy, "GET", TARGET).status == 200
    world.scripted.behave = Scripted.silent
    world.aws_host.silence(53)
    answered = time.monotonic()
    eventually(lambda: time.monotonic() - answered > 1.3, what="the TTL's end")
    world.origin.drop_all()  # so that a new connection, and therefore the name, is needed
    resp = fetch(proxy, "GET", TARGET)
    note(table, "all dead after a success", "scripted", resp, "stale")
    assert resp.status == 200 and resp.seconds < 2.5


def until_answered(proxy, target=TARGET, timeout=15.0):
    began = time.monotonic()
    resp = eventually(lambda: (lambda r: r if r.status == 200 else None)(fetch(proxy, "GET", target)), timeout,
                      "a good answer")
    resp.seconds = time.monotonic() - began
    return resp


@pytest.mark.parametrize("which", ["corporate", "amazon"])
def test_repaired(world, start, table, which):
    """All dead and cold for a while, asked all the time; then one comes back."""
    world.scripted.behave = Scripted.silent
    world.aws_host.silence(53)
    proxy = start(servers=(w.CORP2,))
    for _ in range(3):
        assert fetch(proxy, "GET", TARGET).status == 502
    if which == "corporate":
        world.scripted.behave = Scripted.addresses(w.ORIGIN)
    else:
        world.aws_host.hear()
    resp = until_answered(proxy)
    note(table, f"repaired: {which}", "scripted", resp, "since the repair")
    assert resp.seconds < 5.0


def test_preferred_group_is_taken_again(world, start, table):
    """Amazon's answers while the corporate server is silent; when that one is back, it is used again."""
    world.scripted.behave = Scripted.silent
    world.origin.reset_hooks()
    proxy = start(servers=(w.CORP2,))
    assert fetch(proxy, "GET", TARGET).status == 200
    assert world.origin.reached[world.origin.requests[-1].conn] == w.ORIGIN
    world.scripted.behave = Scripted.addresses(w.PRIVATE)

    def back():
        world.origin.drop_all()
        resp = fetch(proxy, "GET", TARGET)
        assert resp.status == 200
        return resp if world.origin.reached[world.origin.requests[-1].conn] == w.PRIVATE else None
    began = time.monotonic()
    resp = eventually(back, 40.0, "the preferred group's answer")
    resp.seconds = time.monotonic() - began
    note(table, "preferred group back", "scripted", resp, "since the repair")
    assert resp.seconds < 6.0


def test_fallback_dies_while_in_use(world, start, table):
    """Amazon's was in use; it falls silent, and the corporate server, repaired meanwhile, takes over."""
    world.scripted.behave = Scripted.refused
    proxy = start(servers=(w.CORP2,))
    assert fetch(proxy, "GET", TARGET).status == 200
    world.aws_host.silence(53)
    world.scripted.behave = Scripted.addresses(w.ORIGIN)
    resp = fetch(proxy, "GET", f"/other.{NAME}/dns/object")
    note(table, "fallback dies in use", "scripted", resp)
    assert resp.status == 200 and resp.seconds < 2.0


@pytest.mark.parametrize("setting", ["off", None], ids=["off", "auto outside AWS"])
def test_nothing_is_sent_to_link_local_unless_asked_for(world, start, setting):
    with Capture(world.penstock_host) as wire:
        proxy = start(servers=(w.CORP,), DNS_AWS=setting)
        resp = fetch(proxy, "GET", TARGET)
    assert resp.status == 502 and "NXDOMAIN" in error_of(resp)[1].upper()
    assert not [p for p in wire.packets if p.dst.startswith("169.254.") or p.dst == w.AWS6]


def test_names_outside_aws_have_no_fallback(world, start):
    """For other names NXDOMAIN is final: an allowed MinIO is looked up where the operator said, and only there."""
    with Capture(world.penstock_host) as wire:
        proxy = start(servers=(w.CORP,), ALLOW_HOSTS="minio.test")
        resp = fetch(proxy, "GET", "/minio.test/dns/object")
    assert resp.status == 502
    assert not wire.dns_to(w.AWS, w.AWS6)


def test_hosts_file_comes_first(world, start):
    world.scripted.behave = Scripted.silent
    world.aws_host.silence(53)
    import os
    path = os.path.join(world.folder, "hosts-with-s3")
    with open(path, "w") as f:
        f.write(f"{w.ORIGIN} {NAME}\n")
    proxy = start(servers=(w.CORP2,), HOSTS_FILE=path)
    assert fetch(proxy, "GET", TARGET).status == 200


def test_new_resolv_conf_is_read(world, start, table):
    world.scripted.behave = Scripted.silent
    world.scripted2.behave = Scripted.addresses(w.ORIGIN)
    proxy = start(servers=(w.CORP2,), DNS_AWS="off")
    assert fetch(proxy, "GET", TARGET).status == 502
    world.resolv_conf(w.CORP3, name=proxy.env["PENSTOCK_RESOLV_CONF"].rsplit("/", 1)[1])
    resp = until_answered(proxy)
    note(table, "resolv.conf replaced", "scripted", resp, "since the change")
    assert resp.seconds < 7.0


def test_one_dead_address_of_two(world, start, table):
    """Happy Eyeballs: packets to one address vanish; the other is tried beside it."""
    proxy = start(servers=(w.CORP,))
    world.origin.put("/dns/object", b"resolved")
    slow = 0.0
    for _ in range(4):
        world.origin.drop_all()
        resp = fetch(proxy, "GET", "/s3.eu-west-2.amazonaws.com/dns/object")
        assert resp.status == 200
        slow = max(slow, resp.seconds)
    resp.seconds = slow
    note(table, "one address of two vanishes", "BIND", resp, "slowest of four")
    assert slow < 1.0


def test_cname_from_the_corporate_server_without_a_tail(world, start):
    """A CNAME that ends in an AWS zone is finished by that zone's route."""
    import dns.message
    import dns.rrset

    def behave(query, transport):
        reply = dns.message.make_response(query)
        name = query.question[0].name
        if name.to_text().startswith("s3.ap-south-1"):
            reply.answer.append(dns.rrset.from_text(name, 5, "IN", "CNAME", "s3-r-w.ap-south-1.amazonaws.com."))
            return reply
        return Scripted.refused(query, transport)
    world.scripted.behave = behave
    proxy = start(servers=(w.CORP2,))
    assert fetch(proxy, "GET", "/s3.ap-south-1.amazonaws.com/dns/object").status == 200

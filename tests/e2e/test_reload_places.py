"""SIGHUP: authorities, DNS servers and addresses change over in place; what is in flight ends as it began."""

import contextlib
import os
import socket
import ssl
import struct
import time
import zlib

import pytest

import reloads
from helpers import ORIGIN, Conn, eventually, fetch, request_bytes
from lab import http
from lab import world as w
from lab.dns import Scripted
from lab.dnsclient import addresses, ask, query, rcode
from lab.generated import Generated
from reloads import OTHER_PORT, SMALL, Settings, authorities, get, metric, status_page


@pytest.fixture
def origin(world):
    return reloads.fill(world)


def serial(penstock, port):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    with penstock.host.net.hosts["client"].connect((w.PENSTOCK, port), 5) as raw, ctx.wrap_socket(raw) as s:
        return s.getpeercert(True)


@pytest.mark.parametrize("workers", [1, 2])
def test_tls_goes_on_and_off(world, settings, origin, workers):
    name = "penstock_client_tls_certificate_not_after_timestamp_seconds"
    port = 20060 + workers
    certs = [world.ca.issue(f"on-off-{i}", ["penstock.test"], days=(-1, 20 + i)) for i in range(2)]
    s = settings("", WORKERS=workers)
    assert not metric(s.penstock, name)
    shown, ends = [], []
    for i in range(4):
        pem = certs[i % 2]
        [e] = s.hup(f"PENSTOCK_TLS_LISTEN: ':{port}'\nPENSTOCK_TLS_CERT: {pem}\nPENSTOCK_TLS_KEY: {pem}\n")
        assert e["changed"] == "PENSTOCK_TLS_LISTEN, PENSTOCK_TLS_CERT, PENSTOCK_TLS_KEY", e
        shown.append({serial(s.penstock, port) for _ in range(6)})
        ends.append(metric(s.penstock, name))
        kept = tls_conn(world, s.penstock, port)
        assert tls_get(kept, "/lab/small") == SMALL
        [e] = s.hup("")
        assert e["event"] == "reload"
        with pytest.raises(OSError):
            world.client.connect((w.PENSTOCK, port), 1)
        assert not metric(s.penstock, name)
        assert tls_get(kept, "/lab/small") == SMALL, "who was in stays"
        kept.close()
    assert all(len(x) == 1 for x in shown) and shown[0] == shown[2] and shown[1] == shown[3] != shown[0]
    assert ends[0] == ends[2] and ends[1] == ends[3] and 86000 < ends[1] - ends[0] < 87000
    assert abs(ends[0] - time.time() - 20 * 86400) < 86400
    [e] = s.hup(f"PENSTOCK_TLS_LISTEN: ':{port}'\n")
    assert e["event"] == "reload_failed" and "all three or none" in e["message"]


def tls_conn(world, penstock, port):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    return ctx.wrap_socket(world.client.connect((w.PENSTOCK, port), 5))


def tls_get(sock, path):
    sock.sendall(request_bytes("GET", f"/{ORIGIN}{path}"))
    return http.read_response(http.Wire(sock)).body


def test_the_pages_move(world, settings, origin):
    """The admin port goes elsewhere and back; off, nothing answers there, and the process goes on."""
    ports = 20071, 20072
    s = settings(f"PENSTOCK_ADMIN: 127.0.0.1:{ports[0]}\n", ADMIN=None)

    def answers(port):
        with contextlib.suppress(OSError), world.penstock_host.connect(("127.0.0.1", port), 1) as sock:
            sock.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return sock.recv(4096).startswith(b"HTTP/1.1 200")
        return False
    assert [answers(p) for p in ports] == [True, False]
    s.hup(f"PENSTOCK_ADMIN: 127.0.0.1:{ports[1]}\n")
    assert [answers(p) for p in ports] == [False, True]
    s.hup("PENSTOCK_ADMIN: 'off'\n")
    assert [answers(p) for p in ports] == [False, False]
    s.hup(f"PENSTOCK_ADMIN: [127.0.0.1:{ports[0]}, 127.0.0.1:{ports[1]}]\n")
    assert [answers(p) for p in ports] == [True, True]
    assert get(s.penstock, "/lab/small").status == 200


def test_another_authority(world, settings, origin, another_ca):
    path = authorities(world, world.ca)
    s = settings("", CA_FILE=path, ALLOW_HOSTS=f"minio.test:{OTHER_PORT}=https", DNS_ROUTES=f"test={w.AWS}", WORKERS=2)
    huge = world.origin.put("/lab/huge", Generated(32 << 20))
    good, foreign = f"/{ORIGIN}/lab/small", "/minio.test/lab/small"
    with Conn(s.penstock) as kept, Conn(s.penstock, rcvbuf=4096) as slow:
        assert kept.ask("GET", good).status == 200
        refused = kept.ask("GET", foreign)
        assert refused.status == 502 and b"certificate" in refused.body
        slow.send(request_bytes("GET", f"/{ORIGIN}/lab/huge"))
        slow.sock.recv(1, socket.MSG_PEEK)
        authorities(world, another_ca)
        assert [e["event"] for e in s.hup()] == ["reload"]
        assert kept.ask("GET", foreign).body == SMALL
        refused = kept.ask("GET", good)
        assert refused.status == 502 and b"certificate" in refused.body
        resp = slow.response()
        assert resp.clean and zlib.crc32(resp.body) == huge.crc, "a download goes on over the connection that it began on"
        assert world.origin.requests[-1].headers.get("range") is None, "and was not resumed"
    authorities(world, world.ca, another_ca)
    s.hup()
    assert get(s.penstock, "/lab/small").status == get(s.penstock, "/lab/small", "minio.test").status == 200


def test_other_dns_servers(world, settings):
    world.scripted.behave, world.scripted2.behave = Scripted.addresses("198.51.100.1"), Scripted.addresses("198.51.100.2")
    port = 5391
    s = settings(f"PENSTOCK_DNS_SERVERS: {w.CORP2}\n", DNS_LISTEN=f"{w.PENSTOCK}:{port}", WORKERS=2, DNS_AWS="off")
    assert addresses(ask(w.PENSTOCK, "a.corp.test", port=port)) == ["198.51.100.1"]
    s.hup(f"PENSTOCK_DNS_SERVERS: {w.CORP3}\n")
    for _ in range(8):
        assert addresses(ask(w.PENSTOCK, "a.corp.test", port=port)) == ["198.51.100.2"]
    s.hup(f"PENSTOCK_DNS_SERVERS: {w.CORP3}\nPENSTOCK_DNS_ROUTES: [b.test={w.CORP2}]\n")
    assert addresses(ask(w.PENSTOCK, "a.b.test", port=port)) == ["198.51.100.1"]
    s.hup("")
    eventually(lambda: rcode(ask(w.PENSTOCK, "files.corp.test", port=port)) == "NOERROR", 5, "resolv.conf's server")


def test_files_that_are_watched_follow(world, settings):
    world.scripted.behave, world.scripted2.behave = Scripted.addresses("198.51.100.1"), Scripted.addresses("198.51.100.2")
    one, two = (world.resolv_conf(server, name=f"reload-{i}.conf") for i, server in enumerate((w.CORP2, w.CORP3)))
    port = 5392
    s = settings(f"PENSTOCK_RESOLV_CONF: {one}\n", RESOLV_CONF=None, DNS_LISTEN=f"{w.PENSTOCK}:{port}", DNS_AWS="off")
    assert addresses(ask(w.PENSTOCK, "a.corp.test", port=port)) == ["198.51.100.1"]
    s.hup(f"PENSTOCK_RESOLV_CONF: {two}\n")
    assert addresses(ask(w.PENSTOCK, "a.corp.test", port=port)) == ["198.51.100.2"]
    world.resolv_conf(w.CORP2, name=os.path.basename(two))
    eventually(lambda: addresses(ask(w.PENSTOCK, "a.corp.test", port=port)) == ["198.51.100.1"], 2, "what is watched")
    world.resolv_conf(w.CORP3, name=os.path.basename(one))
    time.sleep(0.5)
    assert addresses(ask(w.PENSTOCK, "a.corp.test", port=port)) == ["198.51.100.1"], "the one before is not"


@pytest.mark.parametrize("workers", [1, 2])
def test_addresses_come_and_go(world, settings, origin, workers):
    port, more = 20010 + workers, 20020 + workers
    both = f"PENSTOCK_LISTEN: [':{port}', ':{more}']\n"
    s = settings(both, LISTEN=None, port=port, WORKERS=workers)
    with Conn(s.penstock) as kept:
        kept.sock.close()
        kept.sock = world.client.connect((w.PENSTOCK, more))
        kept.wire.sock = kept.sock
        assert kept.ask("GET", f"/{ORIGIN}/lab/small").body == SMALL
        s.hup(f"PENSTOCK_LISTEN: ':{port}'\n")
        with pytest.raises(OSError):
            world.client.connect((w.PENSTOCK, more), 1)
        assert kept.ask("GET", f"/{ORIGIN}/lab/small").body == SMALL, "who was in stays"
        for _ in range(5):
            s.hup(both)
            world.client.connect((w.PENSTOCK, more), 1).close()
            s.hup(f"PENSTOCK_LISTEN: ':{port}'\n")
        assert get(s.penstock, "/lab/small").body == SMALL


def test_the_forwarders_addresses_come_and_go(world, settings):
    world.scripted.behave = Scripted.addresses("198.51.100.1")
    port = 5393
    on = f"PENSTOCK_DNS_LISTEN: '{w.PENSTOCK}:{port}'\n"
    s = settings("", WORKERS=2, DNS_AWS="off", servers=(w.CORP2,))
    for _ in range(3):
        s.hup(on)
        for tcp in (False, True):
            assert addresses(ask(w.PENSTOCK, "a.corp.test", port=port, tcp=tcp)) == ["198.51.100.1"]
        with socket.create_connection((w.PENSTOCK, port)) as kept:
            s.hup("")
            with pytest.raises(OSError):
                socket.create_connection((w.PENSTOCK, port), 1)
            s.hup("")
            wire = query("a.corp.test").to_wire()
            kept.settimeout(5)
            kept.sendall(struct.pack("!H", len(wire)) + wire)
            assert kept.recv(4096), "who is connected stays"


def test_the_forwarder_alone(world, start):
    world.scripted.behave = Scripted.addresses("198.51.100.1")
    port = next(start.ports)
    on = f"PENSTOCK_DNS_LISTEN: '{w.PENSTOCK}:{port}'\n"
    s = Settings(world, start, on, args=("dns",), port=port, ADMIN="off", LISTEN=None, INTERNAL_REGISTRY_URL=None,
                 DNS_AWS="off", servers=(w.CORP2,))
    assert addresses(ask(w.PENSTOCK, "a.corp.test", port=port)) == ["198.51.100.1"]
    [e] = s.hup(on + "PENSTOCK_DNS_ALLOW: [192.0.2.0/24]\n")
    assert e["changed"] == "PENSTOCK_DNS_ALLOW"
    assert rcode(ask(w.PENSTOCK, "a.corp.test", port=port)) == "REFUSED"
    [e] = s.hup("PENSTOCK_DNS_LISTEN: off\n")
    assert e["event"] == "reload_failed"
    assert rcode(ask(w.PENSTOCK, "a.corp.test", port=port)) == "REFUSED"
    s.hup(on)
    assert addresses(ask(w.PENSTOCK, "a.corp.test", port=port)) == ["198.51.100.1"]


def test_a_request_is_judged_once(world, settings, origin):
    """A download that began goes on though its bucket is refused by now; the next one is 403."""
    world.origin.put("/lab/huge", Generated(64 << 20))
    huge = world.origin.find("/lab/huge")
    s = settings("PENSTOCK_ALLOW_BUCKETS: [lab, photos]\n")
    with Conn(s.penstock, rcvbuf=8192) as slow, Conn(s.penstock) as kept:
        assert kept.ask("GET", f"/{ORIGIN}/lab/small").status == 200
        slow.send(request_bytes("GET", f"/{ORIGIN}/lab/huge"))
        slow.sock.recv(1, socket.MSG_PEEK)
        s.hup("PENSTOCK_ALLOW_BUCKETS: [photos]\n")
        assert kept.ask("GET", f"/{ORIGIN}/lab/small").status == 403
        resp = slow.response()
        assert resp.status == 200 and resp.clean and zlib.crc32(resp.body) == huge.crc
        assert slow.ask("GET", f"/{ORIGIN}/lab/small").status == 403


def test_the_self_check_goes_on_and_off(world, settings):
    s = settings("PENSTOCK_SELF_CHECK: off\n", SELF_CHECK="", servers=(w.CORP,), DNS_AWS="off")
    time.sleep(0.5)
    assert not [x for x in s.penstock.lines() if x.get("event") == "self_check"]
    s.hup("PENSTOCK_SELF_CHECK: on\n")
    eventually(lambda: [x for x in s.penstock.lines() if x.get("event") == "self_check"], 15)
    s.hup("PENSTOCK_SELF_CHECK: off\n")
    assert not status_page(s.penstock)["self_check"]["is_on"]

"""The way to S3: certificates, handshakes, DNS routes of the operator's own."""

import threading

import pytest

import helpers
from helpers import ORIGIN, Conn, error_of, eventually, fetch, request_bytes
from lab import origin as o
from lab import world as w
from lab.capture import Capture
from lab.dns import Scripted

TARGET = f"/{ORIGIN}/upstream/object"


def test_unknown_authority_is_refused(world, start):
    proxy = start(CA_FILE=None)
    resp = fetch(proxy, "GET", TARGET)
    code, message = error_of(resp)
    assert resp.status == 502 and code == "TlsFailure" and "penstock lab CA" in message
    helpers.check_cors(resp)
    assert world.origin.requests == []


def test_handshake_that_does_not_end(world, start):
    """A port that accepts and says nothing: 504 that says so."""
    world.scripted.behave = Scripted.addresses(w.REGISTRY)
    with world.registry_host.listen(443):
        proxy = start(servers=(w.CORP2,), DNS_AWS="off", TLS_TIMEOUT_MS="500")
        resp = fetch(proxy, "GET", TARGET)
    assert resp.status == 504 and 0.4 < resp.seconds < 2 and error_of(resp)[0] == "TlsTimeout"


def test_sessions_are_resumed(world, start):
    world.origin.put("/upstream/object", b"there")
    proxy = start(UPSTREAM_IDLE_MS="0", WORKERS="1")
    for _ in range(3):
        assert fetch(proxy, "GET", TARGET).body == b"there"
    lines = eventually(lambda: proxy.access() if len(proxy.access()) == 3 else None, 5, "three access lines")
    assert [(x["reused"], x.get("tls_resumed", False)) for x in lines] == [(False, False), (False, True), (False, True)]


def test_explicit_route_is_exclusive(world, start):
    """The zone's own server alone is asked, although resolv.conf has one that knows and Amazon's is on."""
    world.scripted.behave = Scripted.addresses(w.ORIGIN)
    world.scripted2.behave = Scripted.nxdomain
    proxy = start(servers=(w.CORP2,), DNS_ROUTES=f"eu-west-1.amazonaws.com={w.CORP3}")
    with Capture(world.penstock_host) as wire:
        resp = fetch(proxy, "GET", TARGET)
    assert resp.status == 502 and w.CORP3 in error_of(resp)[1]
    # The penstock that all tests share may refresh a name of its own meanwhile, at its own servers.
    asked = {p[1] for p in wire.opened() if p[2] == 53}
    assert w.CORP3 in asked and not asked & {w.CORP2, w.AWS, w.AWS6}


def test_explicit_route_with_a_fallback(world, start):
    world.origin.put("/upstream/object", b"there")
    world.scripted.behave = Scripted.refused
    world.scripted2.behave = Scripted.addresses(w.ORIGIN)
    proxy = start(servers=(w.CORP,), DNS_AWS="off", DNS_ROUTES=f"amazonaws.com={w.CORP2}|{w.CORP3}")
    assert fetch(proxy, "GET", TARGET).body == b"there"


def test_error_detail_off_hides_addresses(world, start):
    """In the certificate's stage, the policy's and the connection's."""
    proxy = start(ERROR_DETAIL="off")
    for region, status in (("ap-northeast-1", 502), ("eu-central-2", 403), ("eu-west-3", 502)):
        resp = fetch(proxy, "GET", f"/s3.{region}.amazonaws.com/b/k")
        assert resp.status == status and error_of(resp)[1]
        assert not any(x in resp.body.decode() for x in ("10.0.", "169.254.", "lab")), resp.body


def test_drain_that_cuts_is_logged(world, start):
    world.origin.reset_hooks()
    hang = threading.Event()
    world.origin.respond = lambda request, wire: hang.wait(10)
    proxy = start(DRAIN_TIMEOUT_MS="300")
    with Conn(proxy) as conn:
        conn.send(request_bytes("GET", TARGET))
        eventually(lambda: world.origin.requests, what="the request at S3")
        proxy.term()
        resp = conn.response("GET")
        assert resp.status == 503 and resp.headers.get("retry-after")
        assert proxy.process.wait(5) == 0
    hang.set()
    assert proxy.access_with("/upstream/object")["end"] == "draining"


@pytest.mark.parametrize("method, again", [("GET", True), ("PUT", True), ("DELETE", True), ("POST", False)])
def test_fresh_connection_reset_before_an_answer(world, start, method, again):
    """Idempotent requests go to another address, once; others are told honestly."""
    world.origin.reset_hooks()
    world.scripted.behave = Scripted.addresses(w.ORIGIN, w.PRIVATE)

    def respond(request, wire):
        if len(world.origin.requests) == 1:
            raise o.Cut("rst")
        for _ in request.pieces(wire):
            pass
        o.Origin.send(wire, 200, b"done")
        return True
    world.origin.respond = respond
    proxy = start(servers=(w.CORP2,), DNS_AWS="off")
    resp = fetch(proxy, method, TARGET, body=b"small" if method in ("PUT", "POST") else None)
    assert resp.status == (200 if again else 502), resp
    reached = [world.origin.reached[r.conn] for r in world.origin.requests]
    assert len(reached) == len(set(reached)) == (2 if again else 1), reached

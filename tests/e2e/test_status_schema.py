"""/status.json against docs/status.schema.json: of processes in all states that there are."""

import copy
import json
import os
import signal

import jsonschema
import pytest

import cli
import status_fixture
from helpers import ORIGIN, Conn, eventually, fetch
from lab import world as w
from lab.dns import Scripted
from lab.dnsclient import ask
from lab.penstock import ROOT

pytestmark = pytest.mark.usefixtures("no_hang")


@pytest.fixture(scope="module")
def schema():
    with open(os.path.join(ROOT, "docs", "status.schema.json")) as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture
def status(schema):
    """status(instance): its /status.json, valid, with what no schema can say."""
    def read(instance, code=200):
        got, headers, body = cli.page(instance, "/status.json")
        assert got == code and headers["Content-Type"] == "application/json" and len(body) <= 1024 * 1024
        d = json.loads(body)
        schema.validate(d)
        assert d["ready"]["is_ready"] == all(x["state"] != "failing" or not x["is_vital"] for x in d["ready"]["layers"])
        assert d["requests"]["total"] >= sum(d["requests"]["responses"].values())
        assert d["started"] <= d["time"] == d["history"]["end"]
        assert [x["name"] for x in d["ready"]["layers"]] == ["drain", "dns", "registry", "s3"]
        assert (d["reload"]["problem"] is None) == d["reload"]["ok"]
        return d
    return read


def layers(d):
    return {x["name"]: x["state"] for x in d["ready"]["layers"]}


def objects(schema):
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects(part)


def test_every_object_of_the_schema_is_closed(schema):
    found = list(objects(schema.schema))
    assert len(found) > 20
    for one in found:
        assert one["additionalProperties"] is False and set(one["required"]) == set(one["properties"]), one


def test_just_started(status, start):
    d = status(start(servers=(w.CORP,)))
    assert (d["state"], d["faults"], d["failures"], d["reload"]["n"]) == ("well", [], [], 0)
    assert layers(d) == {"drain": "ok", "dns": "unknown", "registry": "unknown", "s3": "unknown"}
    assert {s["state"] for s in d["dns"]["servers"]} == {"untried"} and d["reload"]["time"] is None
    assert d["self_check"] == {"is_on": False, "runs": 0, "ended": None, "is_well": True, "findings": []}


def test_healthy(world, status, start):
    proxy = start(servers=(w.CORP,), WORKERS=2, DNS_ROUTES=f"corp.test={w.CORP3}")
    for _ in range(3):
        assert fetch(proxy, "GET", f"/{ORIGIN}/status/object").status in (200, 404)
    proxy.process.send_signal(signal.SIGHUP)
    eventually(lambda: status(proxy)["reload"]["n"] == 1, what="the reload")
    d = status(proxy)
    assert (d["workers"], d["reload"]["ok"], d["state"]) == (2, True, "well")
    assert (layers(d)["dns"], layers(d)["s3"]) == ("ok", "ok")
    assert {r["from"] for r in d["dns"]["routes"]} == {"built in", "registry", "setting"}
    assert ORIGIN in [e["name"] for e in d["dns"]["endpoints"]]
    assert sum(filter(None, d["requests"]["history"]["requests"])) == d["requests"]["total"] == 3


def test_broken(world, status, start):
    """Two servers that say nothing or what is useless, a client who sends rubbish."""
    world.scripted.behave = Scripted.silent
    proxy = start(servers=(w.CORP2, f"{w.PENSTOCK}:5999"), SELF_CHECK="on", DNS_AWS="off",
                  DNS_LISTEN=f"{w.PENSTOCK}:5999")
    for n in range(3):
        assert fetch(proxy, "GET", f"/s3.eu-west-{n + 1}.amazonaws.com/bucket/k%22?X-Amz-Signature=secret").status == 502
    assert fetch(proxy, "GET", "/no-such-host.test/k").status == 400
    with Conn(proxy) as conn:
        conn.send(b"\x16\x03\x01\x00\xff\xfe rubbish \xc3(\r\n\r\n")
        assert conn.response().status == 400
    eventually(lambda: status(proxy)["self_check"]["findings"], 15, what="a finding")
    d = status(proxy)
    assert d["state"] == "error" and d["dns"]["left_out"][0]["address"] == f"{w.PENSTOCK}:5999"
    assert "suspect" in {s["state"] for s in d["dns"]["servers"]}
    assert {f["is_clients"] for f in d["faults"]} == {True, False} and len(d["failures"]) >= 5
    assert not any("secret" in json.dumps(f) for f in d["failures"])


def test_no_dns_server_at_all(status, start):
    proxy = start(servers=(), DNS_AWS="off")
    assert fetch(proxy, "GET", f"/{ORIGIN}/a/b").status == 502
    d = status(proxy)
    assert d["dns"]["servers"] == [] and {len(r["groups"]) for r in d["dns"]["routes"]} <= {0, 1}


def test_draining(world, status, start):
    proxy = start(servers=(w.CORP,))
    with Conn(proxy) as conn:
        # A body that does not come holds the drain up.
        conn.send(f"PUT /{ORIGIN}/status/held HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc".encode())
        eventually(lambda: status(proxy)["requests"]["in_flight"] == 1, what="the request")
        proxy.term()
        d = eventually(lambda: (lambda d: d["is_draining"] and d)(status(proxy)), what="the drain")
        assert d["state"] == "warning" and layers(d)["drain"] == "failing" and not d["ready"]["is_ready"]
        conn.send(b"defghij")
        assert conn.response().status < 500
    assert proxy.process.wait(10) == 0


def test_the_forwarder_alone(world, status, forward):
    alone = forward(servers=(w.CORP2,), DNS_AWS="off")
    assert status(alone)["requests"]["total"] == 0
    world.scripted.behave = Scripted.addresses("198.51.100.7")
    assert ask(alone.ip, "a.corp.test") is not None
    d = status(alone)
    assert d["state"] == "well" and d["ready"]["is_ready"] and {layers(d)[x] for x in ("registry", "s3")} == {"unknown"}
    assert sum(s["queries"] for s in d["dns"]["servers"]) >= 1 and "registry" not in {r["from"] for r in d["dns"]["routes"]}


def test_what_the_page_is_tried_with_is_no_dream(schema):
    """status_fixture's states have the keys that there are."""
    known = schema.schema["$defs"]
    for make in (status_fixture.healthy, status_fixture.broken):
        d = make()
        assert set(d) == set(schema.schema["required"])
        for failure in d["failures"]:
            assert set(failure) == set(known["failure"]["required"])
        for server in d["dns"]["servers"]:
            assert set(server) <= set(known["dns_server"]["required"])
        for route in d["dns"]["routes"]:
            assert set(route) == set(known["route"]["required"])


def test_the_schema_can_fail(schema, status, start):
    d = status(start(servers=(w.CORP,)))
    for change in (lambda x: x.update(more=1), lambda x: x.pop("upstream"), lambda x: x.update(time="yesterday"),
                   lambda x: x["requests"]["history"]["errors"].pop(), lambda x: x["dns"]["routes"][0].update(zone=""),
                   lambda x: x["dns"]["servers"][0].update(address="nowhere"), lambda x: x["ready"]["layers"].pop()):
        wrong = copy.deepcopy(d)
        change(wrong)
        assert not schema.is_valid(wrong)

"""The light self-check of `penstock serve` and `penstock dns`: what the doctor would find, in the log, by itself."""

import threading
import time

import pytest

import cli
from helpers import ORIGIN, eventually, fetch
from lab import dnsclient
from lab import world as w
from lab.capture import Capture
from lab.dns import Scripted

TARGET = f"/{ORIGIN}/self-check/object"
REGION = ("env", "AWS_REGION=eu-west-1")
REGISTRY = f"http://{w.REGISTRY}"  # the corporate server of the lab is silent on names that it does not have
MOST_PACKETS = 12


@pytest.fixture(autouse=True)
def object_there(world):
    world.origin.put("/self-check/object", b"fetched")


def said(proxy):
    return [x for x in proxy.lines() if x["event"] == "self_check"]


def codes(proxy):
    return [x["code"] for x in said(proxy) if "code" in x]


def is_link_local(address):
    return address.startswith(("169.254.", "fd00:ec2:", "fe80:"))


def metrics(proxy):
    status, _, body = cli.page(proxy, "/metrics")
    assert status == 200
    return {k: float(v) for k, _, v in (x.rpartition(" ") for x in body.decode().splitlines() if not x.startswith("#"))}


def has_run(proxy):
    return metrics(proxy)["penstock_self_checks_total"] == 1


def test_a_server_that_denies_aws_names_is_told_of_at_start(world, start):
    with Capture(world.penstock_host) as wire:
        proxy = start(servers=(w.CORP,), SELF_CHECK="on", wrap=REGION, INTERNAL_REGISTRY_URL=REGISTRY)
        line = eventually(lambda: said(proxy), 2, "a line")[0]
        time.sleep(0.5)
    assert (line["level"], line["code"], line["severity"]) == ("error", "PS1001", "error")
    assert w.CORP in line["evidence"] and "NXDOMAIN" in line["evidence"] and ORIGIN in line["evidence"]
    assert "AmazonProvidedDNS" in line["fix"] and line["sentence"] in line["message"]
    assert codes(proxy) == ["PS1001"]
    questions = [p for p in wire.packets if p.dport == 53]
    assert 0 < len(questions) <= MOST_PACKETS
    assert any(p.dst == w.AWS for p in questions), "Amazon's resolver is asked where the settings allow it"
    counted = metrics(proxy)
    assert counted['penstock_self_check_findings{severity="error"}'] == 1
    assert counted['penstock_self_check_findings{severity="warning"}'] == 0
    resp = fetch(proxy, "GET", TARGET)
    assert resp.status == 200 and resp.body == b"fetched"
    assert fetch(proxy, "GET", "/livez").status != 503


def test_nothing_is_said_where_all_is_well(world, start):
    def right(query, transport):
        is_registry = query.question[0].name.to_text() == "registry.stk."
        return Scripted.addresses(w.REGISTRY if is_registry else w.ORIGIN)(query, transport)
    world.scripted.behave = right
    with Capture(world.penstock_host) as wire:
        proxy = start(servers=(w.CORP2,), SELF_CHECK="on", wrap=REGION)
        eventually(lambda: has_run(proxy), 10, "a run")
    assert not said(proxy)
    assert 0 < len([p for p in wire.packets if p.dport == 53]) <= MOST_PACKETS


def test_link_local_addresses_are_left_alone_without_the_setting(world, start):
    """Not Amazon's resolver, not a listed server, not ECS's metadata, not a registry that resolves to one."""
    world.scripted.behave = Scripted.addresses("169.254.170.2")
    with Capture(world.penstock_host) as wire:
        proxy = start(servers=(w.CORP2, w.AWS), SELF_CHECK="on", DNS_AWS="off",
                      wrap=(*REGION, "ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/x"))
        eventually(lambda: has_run(proxy), 10, "a run")
    assert wire.packets
    assert not [p for p in wire.packets if is_link_local(p.dst)]
    assert "PS1020" in codes(proxy)


def test_off(world, start):
    with Capture(world.penstock_host) as wire:
        proxy = start(servers=(w.CORP,), SELF_CHECK="off", wrap=REGION)
        time.sleep(1)
    assert not said(proxy) and not [p for p in wire.packets if p.dport == 53]
    assert metrics(proxy)["penstock_self_checks_total"] == 0


def test_the_forwarder_checks_itself_too(world, forward):
    proxy = forward(servers=(w.CORP2,), SELF_CHECK="on", wrap=REGION)
    assert eventually(lambda: said(proxy), 2, "a line")[0]["code"] == "PS1001"


@pytest.mark.parametrize("after", [0.0, 0.3, 1.5])
def test_the_end_does_not_wait_for_a_run(world, start, after):
    world.scripted.behave = world.scripted2.behave = Scripted.silent
    asked = len(world.scripted.log)
    proxy = start(servers=(w.CORP2, w.CORP3), SELF_CHECK="on", DNS_AWS="off", wrap=REGION)
    eventually(lambda: len(world.scripted.log) > asked, 5, "a question")
    time.sleep(after)
    began = time.monotonic()
    proxy.term()
    assert proxy.process.wait(3) == 0
    assert time.monotonic() - began < 1
    assert not said(proxy), "half a run proves nothing"


def test_once_a_minute_after_repeated_failures_and_well_again(world, start, forward):
    """Four at once, since it takes more than a minute: one fails all the time; one is mended; one breaks; and a
    forwarder that answers others breaks."""
    world.scripted.behave = Scripted.nxdomain
    world.scripted2.behave = Scripted.addresses(w.ORIGIN)
    settings = {"SELF_CHECK": "on", "DNS_AWS": "off", "wrap": REGION, "INTERNAL_REGISTRY_URL": REGISTRY}
    failing = start(servers=(w.CORP,), **settings)
    mended = start(servers=(w.CORP2,), **settings)
    breaking = start(servers=(w.CORP3,), **settings)
    forwarder = forward(servers=(w.CORP3,), SELF_CHECK="on", DNS_AWS="off", wrap=REGION)
    instances, over = (failing, mended, breaking, forwarder), threading.Event()
    for proxy in instances:
        eventually(lambda proxy=proxy: has_run(proxy), 5, "the first run")
    began = time.monotonic()
    assert codes(failing) == codes(mended) == ["PS1001"] and not said(breaking) + said(forwarder)
    world.scripted.behave = Scripted.addresses(w.ORIGIN)
    world.scripted2.behave = Scripted.servfail

    def fail(proxy):
        while not over.wait(0.5):
            fetch(proxy, "GET", TARGET)

    def ask():
        n = 0
        while not over.wait(0.5):
            n += 1
            dnsclient.ask(w.PENSTOCK, f"b{n}.{ORIGIN}")
    threads = [threading.Thread(target=fail, args=(p,)) for p in (failing, breaking)] + [threading.Thread(target=ask)]
    for t in threads:
        t.start()
    try:
        while time.monotonic() < began + 57:
            assert not any(metrics(p)["penstock_self_checks_total"] > 1 for p in instances), "sooner than in a minute"
            time.sleep(1)
        eventually(lambda: len(codes(failing)) == 2 and codes(breaking) and codes(forwarder) and len(said(mended)) == 2,
                   12, "the second runs")
    finally:
        over.set()
        for t in threads:
            t.join()
    assert codes(failing) == ["PS1001"] * 2
    assert codes(breaking) == codes(forwarder) == ["PS1003"] and w.CORP3 in said(breaking)[0]["evidence"]
    assert said(mended)[1]["message"].startswith("well") and "code" not in said(mended)[1]
    assert metrics(mended)['penstock_self_check_findings{severity="error"}'] == 0
    assert metrics(breaking)['penstock_self_check_findings{severity="error"}'] == 1

"""Where nothing works: the doctor ends in time, asks little, and says what it could not see."""

import json
import subprocess
import time

import pytest

from lab import ecs_metadata
from lab import vpc as v
from lab.capture import Capture
from lab.penstock import binary
from lab.vpc import doctor, ns_doctor

READ_ONLY = ("unshare", "--mount", "sh", "-c",
             'mount -o remount,bind,ro / && ! touch /penstock-was-here 2>/dev/null && exec "$@"', "sh")


@pytest.fixture(scope="module")
def island(vpc_lab):
    """A host on whose interface packets leave and none come."""
    host = vpc_lab.net.host("island", "10.0.1.99/16", "fd00:1::99/64")
    host.run("ip", "-6", "route", "add", "default", "dev", "eth0")
    return host


def run(vpc, island, **more):
    vpc.in_task([v.CORP, v.CORP2], metadata=None)
    began = time.monotonic()
    with Capture(island) as wire:
        done = ns_doctor(vpc, host=island, wrap=READ_ONLY, **ecs_metadata.ENV, **more)
    assert time.monotonic() - began < 15
    assert sum(p.proto == "udp" and p.dport == 53 or p.syn and p.dport == 53 for p in wire.packets) <= 40
    return done


def look(code, document):
    assert code in (1, 2), code
    told = {c["code"]: c for c in document["checks"]}
    assert told["PS6001"]["state"] in ("fail", "skipped") and document["facts"]["dns_packets"] <= 40
    for name in ("PS2001", "PS2003", "PS3007", "PS4003"):  # neither good nor bad
        assert told[name]["state"] in ("unknown", "skipped") and told[name]["why"], told[name]
    assert document["facts"]["metadata"]["error"]


def test_packets_vanish(vpc, island):
    island.silence()
    code, document, _ = run(vpc, island)
    look(code, document)
    assert "PS1004" in {f["code"] for f in document["findings"]}, document["summary"]


def test_interface_is_down(vpc, island):
    island.run("ip", "link", "set", "eth0", "down")
    try:
        code, document, _ = run(vpc, island)
    finally:
        island.run("ip", "link", "set", "eth0", "up")
        island.run("ip", "route", "add", "default", "dev", "eth0")
    look(code, document)
    assert {"PS1004", "PS1011"} & {f["code"] for f in document["findings"]}, document["summary"]


def test_with_credentials_that_cannot_be_used(vpc, island):
    island.silence()
    code, document, _ = run(vpc, island, credentials=True)
    look(code, document)
    assert {c["outcome"] for c in document["facts"]["calls"]} == {"unreachable"}
    access = next(f for f in document["findings"] if f["code"] == "PS6001")
    assert "unreachable" in str(access["evidence"]) and access["fix"]


@pytest.mark.parametrize("servers", [(v.CORP,), (v.CORP, v.CORP2, *v.MORE)])
def test_from_outside_with_apis_that_have_names(vpc, island, servers):
    """There the names of the APIs are all that is looked up."""
    island.silence()
    vpc.in_task(servers, metadata=None)
    began = time.monotonic()
    with Capture(island) as wire:
        code, document, _ = ns_doctor(vpc, "--vpc", vpc.account.vpc, "--no-probe", host=island, credentials=True,
                                      AWS_ENDPOINT_URL=None)
    assert time.monotonic() - began < 15 and code == 2, document["summary"]
    assert 0 < sum(p.dport == 53 and (p.proto == "udp" or p.syn) for p in wire.packets) <= 40


@pytest.mark.parametrize("rule", ["udp dport 53 drop", "udp dport 53 reject with icmpx admin-prohibited"])
def test_a_firewall_of_the_host_itself(vpc, rule):
    """Sending fails then, at once: no reason to say that all is well."""
    vpc.task.nft("add rule inet lab out " + rule)
    code, document, _ = ns_doctor(vpc)
    assert code == 1 and document["findings"][0]["code"] == "PS1004", document["findings"]


@pytest.mark.parametrize("files", [10, 11, 12, 13, 14, 16, 20])
def test_few_descriptors(vpc, files):
    """What was not seen for want of them is neither good nor bad."""
    wrap = ("sh", "-c", f'ulimit -n {files} && exec "$@"', "sh")
    code, out, err = doctor(vpc, "-o", "json", wrap=wrap)
    if not out:
        assert code == 70 and "descriptor" in err
        return
    document = json.loads(out)
    assert document["findings"] == [], document["findings"]
    is_blind = not document["facts"]["questions"][0].get("addresses")
    assert code == (2 if is_blind else 0), document["checks"]


def test_a_log_that_comes_slowly_leaves_the_probes_their_time(vpc):
    with vpc.task.enter():
        process = subprocess.Popen([binary(), "doctor", "--log", "-", "-o", "json"], env=vpc.environment(),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    time.sleep(10.5)  # what there is for probes where calls may follow
    document = json.loads(process.communicate(b"no failure\n", 30)[0])
    assert process.returncode == 0, document["summary"]
    assert document["facts"]["connections"] and document["facts"]["dns_packets"] > 10, document["facts"]


def test_says_so_to_a_person(vpc, island):
    island.silence()
    vpc.in_task([v.CORP], metadata=None)
    code, out, _ = doctor(vpc, "--bucket", "lab-bucket", host=island, wrap=READ_ONLY, **ecs_metadata.ENV)
    assert code in (1, 2) and v.CORP in out

"""The task definition stays, the image is swapped: the nginx container and penstock get the same environment, resolv.conf, S3 and
registry, and are asked the same requests. Every difference is one of swap_classes.py and stands in recorded/differences.jsonl;
docs/DIFFERENCES.md is made of both. SWAP_WRITE=1 writes them anew."""

import json
import os

import pytest

import swap_compare
import swap_origin
import swap_requests
from lab import world as w
from lab.generated import Blob
from lab.penstock import ROOT
from lab.replaced import Replaced
from swap_classes import KINDS, kind_of

HERE = os.path.dirname(os.path.abspath(__file__))
RECORD = os.path.join(HERE, "recorded", "differences.jsonl")
PAGE = os.path.join(ROOT, "docs", "DIFFERENCES.md")
REGISTRY = "http://registry.stk"


def with_etag(case):
    key = "page.html" if b"page.html" in case.data else "plain.txt"
    case.data = case.data.replace(b"ETAG", Blob(swap_origin.OBJECTS[key][0]).etag.encode())
    return case


@pytest.fixture(scope="module")
def found(world):
    """[("group/name", [(what, nginx's, penstock's)])] of all cases; both proxies were asked on connections of their own."""
    world.heal()
    resolv_conf = world.resolv_conf(w.AWS, name="swap-resolv.conf")
    nginx = Replaced(world.penstock_host, world.folder, resolv_conf, REGISTRY, world.ca.path)
    penstock = world.start_penstock(port=7090, INTERNAL_REGISTRY_URL=REGISTRY, RESOLV_CONF=resolv_conf, ADMIN="127.0.0.1:17090")
    s3, catalog = swap_origin.S3(), swap_origin.Catalog(swap_requests.HOST)
    world.origin.respond, world.registry.respond = s3.respond, catalog.respond
    try:
        out = []
        for group, case in swap_requests.all_cases():
            with_etag(case)
            a, b = (swap_compare.ask(world.client, (p.ip, p.port), case, s3, catalog) for p in (nginx, penstock))
            if case.name.startswith("broken") and len(b.s3) == 2 and b.s3[0].line == b.s3[1].line:
                del b.s3[1]  # the connection had been used before: its death may have nothing to do with this request
            out.append((f"{group}/{case.name}", swap_compare.differences(a, b)))
        return out
    finally:
        world.heal()
        nginx.stop()
        assert penstock.stop() == 0


def as_lines(found):
    """The record: one line for each case that differs in more than Server and Date."""
    for case, differences in found:
        rest = [list(d) for d in differences if d[0] != "server and date"]
        if rest:
            yield json.dumps({"case": case, "differs": rest}, ensure_ascii=True)


def cell(text):
    return text.replace("|", "\\|")


def page(found):
    """docs/DIFFERENCES.md."""
    groups, kinds, examples, equal = {}, {}, {}, 0
    for case, differences in found:
        group = case.split("/")[0]
        groups.setdefault(group, []).append(not [d for d in differences if d[0] != "server and date"])
        equal += groups[group][-1]
        for what, a, b in differences:
            kind = kind_of(case, what)
            kinds.setdefault(kind.name, set()).add(case)
            examples.setdefault(kind.name, (case, what, a, b))
    n = len(found)
    out = ["# Differences from the nginx container", "",
           "Made by `tests/e2e/test_swap.py`, which fails when a difference appears that is not here or one that is here vanishes.", "",
           f"{n} requests were sent to both: nginx from Debian with the container's configuration (`lab/replaced.py`) and penstock, with the same",
           "`INTERNAL_REGISTRY_URL`, the same resolv.conf, the same S3-like TLS origin and the same registry, and, for penstock, the settings that a lab needs: ports, authority, files. Compared are",
           "status, fields, framing, body, whether the connection goes on, and every request that S3 and the registry got: line, order,",
           f"spelling and values of fields, body, trailers. {equal} of {n} are equal in all of this but Server and Date.", "",
           "| requests | sent | equal |", "| --- | --- | --- |"]
    out += [f"| {name} | {len(same)} | {sum(same)} |" for name, same in groups.items()]
    out += ["", "`sdk` was recorded from botocore (`tests/e2e/recorded/`); the others are tables (`tests/e2e/swap_requests.py`).", "",
            "## Each kind, and why", "", "| what | requests | nginx container | penstock | why |", "| --- | --- | --- | --- | --- |"]
    out += [cell(f"{k.name}\0{len(kinds[k.name])}\0{k.nginx}\0{k.penstock}\0{k.why}").replace("\0", " | ").join(("| ", " |")) for k in KINDS if k.name in kinds]
    out += ["", "## One example of each", "", "| what | request | differs | nginx container | penstock |", "| --- | --- | --- | --- | --- |"]
    out += [cell("\0".join((k.name, *examples[k.name]))).replace("\0", " | ").join(("| ", " |")) for k in KINDS if k.name in examples]
    out += ["", "All of them, request by request: `tests/e2e/recorded/differences.jsonl`.", "", "## What is not compared", "",
            "* Archives: Debian has no mod_zip, so nginx passes the registry's list on here. What the registry is asked is compared.",
            "* Whether penstock asks S3 once or twice for an answer that breaks before its first byte: twice where the connection had been used before.",
            "* Times, load and broken networks: `docs/BENCHMARKS.md`, `docs/DNS.md`.",
            "* The lab's nginx is 1.22; the container's version may be another. Its configuration is an equal one, not the container's own file.", ""]
    return "\n".join(out)


def test_enough_and_every_difference_is_meant(found):
    assert len(found) >= 400
    unknown = [(case, d) for case, differences in found for d in differences if not kind_of(case, d[0])]
    assert not unknown, unknown[:20]


def test_no_kind_is_without_a_case(found):
    seen = {kind_of(case, d[0]).name for case, differences in found for d in differences if kind_of(case, d[0])}
    assert {k.name for k in KINDS} - seen == set()


def test_differences_are_those_recorded(found):
    lines = list(as_lines(found))
    if os.environ.get("SWAP_WRITE"):
        with open(RECORD, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
        with open(PAGE, "w", encoding="utf-8") as f:
            f.write(page(found))
    with open(RECORD, encoding="utf-8") as f:
        recorded = f.read().splitlines()
    assert sorted(set(lines) - set(recorded)) == [], "differences that are not recorded"
    assert sorted(set(recorded) - set(lines)) == [], "recorded differences that have vanished"


def test_page_is_up_to_date(found):
    with open(PAGE, encoding="utf-8") as f:
        assert f.read() == page(found)


def test_most_requests_are_equal(found):
    """What catalogs and SDKs send is served the same: no difference at all at S3 or the registry, but for those that are listed."""
    groups = {}
    for case, differences in found:
        at_s3 = [d for d in differences if d[0].startswith(("status", "answers", "body", "S3 line", "S3 body", "S3 asked", "registry"))]
        groups.setdefault(case.split("/")[0], []).append((case, at_s3))
    for group in ("sdk", "catalog", "ranges", "conditional", "heads", "writes", "aws_chunked", "health"):
        assert [case for case, at_s3 in groups[group] if at_s3] == []

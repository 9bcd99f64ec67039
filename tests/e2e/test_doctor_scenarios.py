"""Every finding of the doctor in a world that has just this fault: the finding comes first, its evidence is true, the
exit status is right, and nothing else is called a root cause."""

import re

import pytest

from doctor_scenarios import SCENARIOS
from lab.vpc import ns_doctor


def ids(s):
    return f"{s.code}-{s.run.__name__}"


@pytest.mark.parametrize("s", SCENARIOS, ids=ids)
def test_scenario(vpc, s):
    how = s.run(vpc) or {}
    code, document, err = ns_doctor(vpc, *how.pop("args", ()), **how)
    told = [(f["rank"], f["code"], f["subject"], f["evidence"]) for f in document["findings"]]
    print(*told, sep="\n")
    found = next((f for f in document["findings"] if f["code"] == s.code), None)
    assert found, (told, [c for c in document["checks"] if c["code"] == s.code])
    assert document["findings"][0]["code"] == s.code, told
    roots = {f["code"] for f in document["findings"] if f["rank"] == "root"}
    assert roots == (set() if s.severity == "information" else {s.code}), told
    text = "\n".join([found["subject"], *found["evidence"]])
    for pattern in s.evidence:
        assert re.search(pattern, text, re.IGNORECASE), (pattern, text)
    assert (found["cause"], found["severity"]) == (s.cause, s.severity) and found["fix"], found
    assert code == s.exit_code, (code, told)
    assert document["facts"].get("dns_packets", 0) <= 40
    everything = str(document) + err
    for secret in ("hunter2", vpc.account.credentials["AWS_SECRET_ACCESS_KEY"], "Signature="):
        assert secret not in everything


def test_every_code_has_its_scenario():
    from lab.vpc import N_CODES
    assert len({s.code for s in SCENARIOS}) == N_CODES

"""deploy/monitoring: the rules by promtool, with its unit tests; rules, dashboard and the queries of docs/METRICS.md by a
real Prometheus that watches a real penstock."""

import json
import os
import re
import subprocess
import time
import urllib.parse

import pytest
import yaml

import cli
from helpers import ORIGIN, eventually, fetch
from lab.dns import Scripted
from lab.penstock import ROOT
from lab.world import CORP, CORP2

HERE = os.path.join(ROOT, "deploy", "monitoring")
RULES = os.path.join(HERE, "alerts.yaml")

pytestmark = pytest.mark.usefixtures("no_hang")


def promtool(*args, **kw):
    done = subprocess.run(["promtool", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **kw)
    assert done.returncode == 0, done.stdout
    return done.stdout


def rules():
    with open(RULES) as f:
        return [rule for group in yaml.safe_load(f)["groups"] for rule in group["rules"]]


def panels():
    """(title, PromQL, labels of the legend) of each line of the dashboard, Grafana's variables replaced."""
    with open(os.path.join(HERE, "dashboard.json")) as f:
        for panel in json.load(f)["panels"]:
            for target in panel.get("targets", []):
                text = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
                assert "$" not in text, text
                yield panel["title"], text, set(re.findall(r"{{(\w+)}}", target["legendFormat"]))


def documented():
    """The queries of docs/METRICS.md, as panels() has those of the dashboard."""
    with open(os.path.join(ROOT, "docs", "METRICS.md")) as f:
        for text in re.findall(r"^```promql\n(.+?)^```$", f.read(), re.M | re.S):
            yield "docs/METRICS.md", text.strip().replace("[5m]", "[1m]"), set()


class Prometheus:
    """Watches one penstock from its own network, once a second."""

    def __init__(self, host, folder, admin):
        os.makedirs(folder, exist_ok=True)
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [RULES],
                  "scrape_configs": [{"job_name": "penstock", "static_configs": [{"targets": [admin]}]}]}
        path = os.path.join(folder, "prometheus.yml")
        with open(path, "w") as f:
            yaml.safe_dump(config, f)
        self.host, self.log = host, os.path.join(folder, "prometheus.log")
        with open(self.log, "wb") as out:
            self.process = host.popen(
                ["prometheus", f"--config.file={path}", f"--storage.tsdb.path={folder}/data", "--storage.tsdb.retention.time=1h",
                 "--web.listen-address=127.0.0.1:9090"], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=folder)

    def get(self, path, **query):
        import http.client
        connection = http.client.HTTPConnection("prometheus")
        try:
            connection.sock = self.host.connect(("127.0.0.1", 9090), 5)
            connection.request("GET", f"/api/v1/{path}?{urllib.parse.urlencode(query)}")
            reply = json.load(connection.getresponse())
        finally:
            connection.close()
        assert reply["status"] == "success", reply
        return reply["data"]

    def query(self, text):
        """What it answers: (labels, value) of each series, numbers only."""
        found = [(s["metric"], float(s["value"][1])) for s in self.get("query", query=text)["result"]]
        return [(labels, value) for labels, value in found if value == value]

    def is_up(self):
        try:
            return bool(self.query("up == 1"))
        except (OSError, ValueError):
            assert self.process.poll() is None, open(self.log).read()[-2000:]
            return False

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def watched(world, start, tmp_path):
    cert = world.ca.issue("monitored", ["monitored.test"])
    proxy = start(servers=(CORP2, CORP), SELF_CHECK="on", TLS_LISTEN=":17443", TLS_CERT=cert, TLS_KEY=cert)
    prometheus = Prometheus(world.penstock_host, str(tmp_path), proxy.env["PENSTOCK_ADMIN"])
    yield proxy, prometheus
    prometheus.stop()


def test_promtool_takes_the_rules_and_each_alert_comes_when_it_should():
    assert "SUCCESS" in promtool("check", "rules", RULES)
    assert "SUCCESS" in promtool("test", "rules", os.path.join(HERE, "alerts_test.yaml"))
    with open(os.path.join(HERE, "alerts_test.yaml")) as f:
        tried = {t["alertname"] for case in yaml.safe_load(f)["tests"] for t in case["alert_rule_test"] if t.get("exp_alerts")}
    assert tried == {rule["alert"] for rule in rules()}


def test_each_alert_names_its_section_of_the_runbook_which_has_no_other():
    with open(os.path.join(HERE, "RUNBOOK.md")) as f:
        sections = re.findall(r"^## (\w+)$", f.read(), re.M)
    assert sections == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["annotations"]["runbook"] == f"deploy/monitoring/RUNBOOK.md#{rule['alert'].lower()}"


def test_promtool_has_nothing_to_say_of_the_metrics(start):
    proxy = start()
    fetch(proxy, "GET", f"/{ORIGIN}/lab-bucket/k")
    assert promtool("check", "metrics", input=cli.page(proxy, "/metrics")[2].decode()) == ""


def test_nor_of_a_forwarder_s(world, forward):
    alone = forward(servers=(CORP,), DNS_ROUTES=f"_odd.Zone.test={CORP}")
    text = cli.page(alone, "/metrics")[2].decode()
    assert promtool("check", "metrics", input=text) == ""
    assert 'zone="_odd.zone.test"' in text and "penstock_dns_forwarder_questions_total" in text


def test_the_documented_queries_name_what_there_is():
    with open(os.path.join(ROOT, "docs", "METRICS.md")) as f:
        known = set(re.findall(r"^\| `(\w+)` \| ", f.read(), re.M))
    for _, text, _ in documented():
        for name in re.findall(r"\b((?:penstock|process)_\w+)", text):
            assert name in known or re.sub("_(bucket|sum|count)$", "", name) in known, name


@pytest.mark.limit(60)
def test_prometheus_answers_every_query_and_raises_an_alert_for_a_silent_server(world, watched):
    proxy, prometheus = watched
    eventually(prometheus.is_up, timeout=20, what="Prometheus")
    world.scripted.behave = Scripted.silent
    lines = [*panels(), *documented()]
    assert len(lines) > 45

    def unanswered():
        for n, target in enumerate((f"/{ORIGIN}/lab-bucket/k", "/not-allowed.test/k")):
            fetch(proxy, "GET", target)
            cli.page(proxy, f"/dns/lookup?name=none-{time.monotonic_ns()}.{n}.corp.lab&type=A")
        return [(title, text) for title, text, _ in lines if not prometheus.query(text)]
    deadline = time.monotonic() + 25
    while left := unanswered():
        assert time.monotonic() < deadline, left
        time.sleep(0.5)
    for title, text, legend in lines:
        for labels, _ in prometheus.query(text):
            assert legend <= set(labels), f"{title}: {legend} of {labels}"
    # What the rules look at is there as well, labels included, and each is evaluated without an error.
    for rule in rules():
        for selector in re.findall(r"penstock_\w+(?:{[^}]*})?", rule["expr"]):
            assert prometheus.query(f"count({selector})"), f"{rule['alert']}: {selector}"
    known = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert [(r["name"], r["health"], r.get("lastError")) for r in known] == [(r["alert"], "ok", None) for r in rules()]
    raised = {(a["labels"]["alertname"], a["labels"].get("server")) for a in prometheus.get("alerts")["alerts"]}
    assert ("PenstockDnsServerSuspect", f"{CORP2}:53") in raised and "PenstockAbsent" not in {name for name, _ in raised}

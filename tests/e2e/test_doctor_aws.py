"""`penstock doctor` with read-only credentials, from outside and in the task, against moto with authentication on. What
moto never says (throttling, empty pages, a service out of order, a clock that is wrong) its front says."""

import email.utils
import json
import time

import pytest

from lab import vpc as v
from lab.aws_account import READ, policy

OUTSIDE = {"ECS_CONTAINER_METADATA_URI_V4": None}
GROUP = "/quilt/stk/s3-proxy"
REASON = ("CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref "
          "123456789012.dkr.ecr.eu-west-1.amazonaws.com/penstock:1: lookup api.ecr.eu-west-1.amazonaws.com on "
          "10.9.0.53:53: no such host")
LINE = ("2026/01/02 10:00:00 [error] 7#7: *1 s3.eu-west-1.amazonaws.com could not be resolved (3: Host not found), client: "
        "10.0.0.1, server: , request: \"GET / HTTP/1.1\"")
BROKEN = (500, b'{"__type": "InternalServiceErrorException", "message": "An internal error has occurred"}')
THROTTLED = (400, b'{"__type": "ThrottlingException", "message": "Rate exceeded"}')
EC2_THROTTLED = (503, b"<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit exceeded."
                      b"</Message></Error></Errors><RequestID>r</RequestID></Response>")
DENIED = (400, b'{"__type": "AccessDeniedException", "message": "not authorized"}')


class Account:
    """The account as it stands for tests that do not change it, with users who may do less."""

    def __init__(self, vpc):
        self.vpc = vpc
        with vpc.rebuilding() as account:
            self.users = {a: account.user(a.replace(":", "-"), policy(READ, without=(a,))) for a in LACKING}
            account.log_lines(LINE, "an ordinary line")
        vpc.account_dirty = False  # it stays as it is while the servers are healed
        self.id, self.task = account.vpc, account.task

    def doctor(self, *args, inside=False, credentials=True, **env):
        self.vpc.account.front.actions.clear()
        self.vpc.account.front.requests.clear()
        env = {**({} if inside else OUTSIDE), **env}
        began = time.monotonic()
        code, self.document, self.err = v.ns_doctor(self.vpc, *args, credentials=credentials, **env)
        self.took = time.monotonic() - began
        return code

    @property
    def findings(self):
        return {f["code"]: f for f in self.document["findings"]}

    @property
    def troubles(self):
        """Findings that are more than information."""
        return [f["code"] for f in self.document["findings"] if f["severity"] != "information"]

    @property
    def unknown(self):
        return {c["code"]: c.get("actions", []) for c in self.document["checks"] if c["state"] == "unknown"}

    @property
    def missing(self):
        return {a for actions in self.unknown.values() for a in actions}

    @property
    def by_task(self):
        return ["--cluster", "stk", "--task", self.task]

    def calls(self, action):
        return self.vpc.account.front.actions.count(action)


# Actions whose lack leaves something unjudged, and where: by the task, or by its cluster alone.
LACKING = {a: "task" for a in (
    "ec2:DescribeVpcs", "ec2:DescribeVpcAttribute", "ec2:DescribeDhcpOptions", "ec2:DescribeVpcEndpoints",
    "ec2:DescribeRouteTables", "ecs:DescribeTasks", "ecs:DescribeTaskDefinition", "servicediscovery:ListNamespaces",
    "servicediscovery:ListServices", "servicediscovery:ListInstances", "servicediscovery:GetInstancesHealthStatus",
    "route53resolver:ListResolverEndpoints", "route53resolver:ListResolverRules",
    "route53resolver:ListResolverRuleAssociations", "route53:ListHostedZonesByVPC")}
LACKING |= {"ec2:DescribeSubnets": "vpc", "ec2:DescribeNetworkInterfaces": "vpc", "ecs:ListTasks": "cluster"}


@pytest.fixture(scope="module")
def built(vpc_lab):
    vpc_lab.account_dirty = True
    vpc_lab.heal()
    return Account(vpc_lab)


@pytest.fixture
def account(built):
    built.vpc.account.front.said.clear()
    yield built
    built.vpc.account.front.said.clear()


@pytest.mark.parametrize("how", ["vpc", "cluster", "task"])
def test_from_outside_all_is_well(account, how):
    args = {"vpc": ["--vpc", account.id], "cluster": ["--cluster", "stk"], "task": account.by_task}[how]
    assert account.doctor(*args) == 0, account.document
    assert account.document["findings"] == [] and account.unknown == {}
    facts = account.document["facts"]
    assert facts["vpc"]["id"] == account.id and facts["identity"]["arn"].endswith(":user/doctor")
    # What was asked for has its names, though nobody asked a server for them.
    assert [n["name"] for n in facts["names"]] == [v.S3_NAME, "registry.stk", "lab-bucket." + v.S3_NAME]
    assert facts.get("questions", []) == [] and facts["surroundings"]["registry_url"] == "http://registry.stk"


def test_inside_with_credentials(account):
    assert account.doctor(inside=True) == 0, account.document
    assert account.document["facts"]["vpc"]["id"] == account.id and account.document["facts"]["questions"]


@pytest.mark.parametrize("action", LACKING)
def test_a_permission_is_missing(account, action):
    """Its checks are unknown and name it, and nothing else does; nothing is called a failure."""
    args = {"vpc": ["--vpc", account.id], "cluster": ["--cluster", "stk"], "task": account.by_task}[LACKING[action]]
    code = account.doctor(*args, **account.users[action])
    assert code == 2 and account.troubles == [], account.document
    assert account.missing == {action} and all(account.unknown.values()), account.unknown
    assert any(action in line for line in account.findings["PS6001"]["fix"]), account.findings


def test_dns_firewall_that_nobody_may_see(account):
    account.vpc.account.front.said["ListFirewallRuleGroupAssociations"] = [DENIED]
    assert account.doctor("--vpc", account.id) == 2 and account.troubles == [], account.document
    assert account.missing == {"route53resolver:ListFirewallRuleGroupAssociations"}


def test_a_service_that_is_out_of_order(account):
    """As moto's DNS Firewall is: tried again, then unknown, and the rest is not kept waiting."""
    account.vpc.account.front.said["ListFirewallRuleGroupAssociations"] = [BROKEN] * 9
    assert account.doctor("--vpc", account.id) == 2 and account.troubles == [], account.document
    assert account.missing == {"route53resolver:ListFirewallRuleGroupAssociations"}
    assert account.calls("ListFirewallRuleGroupAssociations") == 3 and account.took < 4
    assert "PS2006" not in account.unknown  # which is asked for behind it


@pytest.mark.parametrize("action, answer, permission", [
    ("DescribeVpcs", EC2_THROTTLED, "ec2:DescribeVpcs"), ("ListNamespaces", THROTTLED, "servicediscovery:ListNamespaces")])
@pytest.mark.parametrize("times", [1, 9])
def test_throttled(account, action, answer, permission, times):
    account.vpc.account.front.said[action] = [answer] * times
    code = account.doctor("--vpc", account.id)
    assert account.troubles == [] and account.took < 5
    if times == 1:
        assert code == 0 and account.calls(action) == 2
        return
    assert code == 2 and account.calls(action) == 3 and account.missing == {permission}, account.unknown
    # It is no matter of permissions, and none is asked for.
    assert "throttled" in " ".join(account.findings["PS6001"]["evidence"])
    assert "Statement" not in " ".join(account.findings["PS6001"]["fix"])


def test_a_wrong_key(account):
    code = account.doctor("--vpc", account.id, AWS_SECRET_ACCESS_KEY="x" * 40)
    assert code == 2 and account.troubles == [] and account.vpc.account.front.actions == ["GetCallerIdentity"]
    assert "xxxx" not in json.dumps(account.document) + account.err


def test_no_key(account):
    code = account.doctor("--vpc", account.id, credentials=False, AWS_CONFIG_FILE="/nonexistent",
                          AWS_SHARED_CREDENTIALS_FILE="/nonexistent", AWS_ENDPOINT_URL=f"http://{v.APIS}")
    assert code == 2 and account.troubles == [] and account.vpc.account.front.actions == []
    assert account.document["facts"]["identity"]["error"] and "ec2:DescribeVpcs" in account.missing


def test_a_vpc_that_is_not_there(account):
    assert account.doctor("--vpc", "vpc-0123456789abcdef0") == 2 and account.troubles == [], account.document
    assert "ec2:DescribeVpcs" in account.missing
    assert "does not exist" in " ".join(account.findings["PS6001"]["evidence"])


def test_a_task_that_is_not_there(account):
    assert account.doctor("--cluster", "stk", "--task", "0" * 32) in (0, 2) and account.troubles == [], account.document


@pytest.mark.parametrize("offset", [-7200, 3600])
def test_the_clock_is_wrong(account, offset):
    """As AWS says it, to the second: its clock is so far from ours."""
    at = [("Date", email.utils.formatdate(time.time() + offset, usegmt=True))]
    account.vpc.account.front.said["*"] = [
        (403, b"<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>Signature expired: too old</Message>"
              b"</Error></ErrorResponse>", at)] * 99
    assert account.doctor("--vpc", account.id) == 1 and account.troubles == ["PS3013"], account.document
    skews = [c["skew_s"] for c in account.document["facts"]["calls"] if "skew_s" in c]
    assert skews and all(abs(s - offset) <= 3 for s in skews)
    assert account.findings["PS3013"]["rank"] == "root"


# -- CloudWatch --------------------------------------------------------------------------------------------------------

def test_a_log_of_cloudwatch(account):
    assert account.doctor("--log", f"cloudwatch:{GROUP}") == 1
    assert account.troubles == ["PS1001"] and account.findings["PS1001"]["rank"] == "root"
    log = account.document["facts"]["log"]
    assert (log["lines"], log["recognised"], log["source"]) == (2, 1, f"cloudwatch:{GROUP}") and "error" not in log
    assert log["groups"][0]["name"] == v.S3_NAME


def page(events, token=None):
    at = int(time.time() * 1000)
    events = [{"timestamp": at, "message": m, "eventId": "1", "logStreamName": "s"} for m in events]
    return 200, json.dumps({"events": events, **({"nextToken": token} if token else {})}).encode()


def test_pages_and_empty_ones(account):
    pages = [page([], "1"), page(["x"], "2"), *(page([], f"e{i}") for i in range(70)), page([LINE], "3"), page([])]
    account.vpc.account.front.said["FilterLogEvents"] = pages
    assert account.doctor("--log", f"cloudwatch:{GROUP}") == 1 and account.calls("FilterLogEvents") == 74
    log = account.document["facts"]["log"]
    assert (log["lines"], log["recognised"]) == (2, 1) and "error" not in log


def test_a_log_that_breaks_off(account):
    """What was read counts, and what was not is told."""
    account.vpc.account.front.said["FilterLogEvents"] = [page([LINE], "1"), *[BROKEN] * 9]
    assert account.doctor("--log", f"cloudwatch:{GROUP}") == 1 and account.troubles == ["PS1001"]
    assert account.document["facts"]["log"]["error"].startswith("not all of it was read: ")
    assert account.missing == {"logs:FilterLogEvents"}


@pytest.mark.parametrize("args, why", [((f"cloudwatch:{GROUP}",), "denied"), (("cloudwatch:/none",), "not_found")])
def test_a_log_that_cannot_be_read(account, args, why):
    if why == "denied":
        account.vpc.account.front.said["FilterLogEvents"] = [DENIED]
    assert account.doctor("--log", *args) == 2 and account.troubles == [], account.document
    assert account.missing == {"logs:FilterLogEvents"}
    assert why in " ".join(account.findings["PS6001"]["evidence"])


# -- The way to the APIs while DNS is broken ---------------------------------------------------------------------------

@pytest.mark.parametrize("servers, inside, aws", [
    ((v.CORP, v.AMAZON), True, "auto"), ((v.CORP,), True, "auto"), ((v.CORP, v.AMAZON), False, "auto"),
    ((v.CORP,), False, "on")])
def test_the_apis_are_found_by_penstocks_own_resolver(account, servers, inside, aws):
    """The first server denies AWS's names; .253 stands second in the list, or nowhere."""
    vpc = account.vpc
    vpc.corp.say(v.OWN)
    vpc.in_task(servers)
    try:
        args = () if inside else ("--vpc", account.id)
        code = account.doctor(*args, inside=inside, AWS_ENDPOINT_URL=None, PENSTOCK_DNS_AWS=aws)
        outcomes = {c["action"]: c["outcome"] for c in account.document["facts"]["calls"]}
        assert len(outcomes) > 12 and set(outcomes.values()) == {"ok"}, outcomes
        assert account.document["facts"]["vpc"]["id"] == account.id
        assert code == (1 if inside else 0) and account.document["facts"].get("dns_packets", 0) <= 40
    finally:
        vpc.heal()


def test_nobody_knows_the_apis(account):
    vpc = account.vpc
    vpc.corp.say(v.OWN)
    vpc.in_task([v.CORP])
    try:
        code = account.doctor("--vpc", account.id, AWS_ENDPOINT_URL=None, PENSTOCK_DNS_AWS="off")
        assert code == 2 and account.troubles == [] and account.took < 15, account.document
        assert "ec2:DescribeVpcs" in account.missing
    finally:
        vpc.heal()


def test_the_apis_are_silent(account):
    """It ends in time, and says what could not be asked."""
    vpc = account.vpc
    vpc.drop(vpc.apis_host, "tcp dport { 80, 443 }")
    try:
        code = account.doctor("--vpc", account.id)
        assert code == 2 and account.troubles == [] and account.took < 15.5, (account.took, account.document)
        assert "unreachable" in " ".join(account.findings["PS6001"]["evidence"])
    finally:
        vpc.heal()


@pytest.mark.parametrize("times, chosen", [
    ({"never": (100, None), "running": (200, 210)}, "running"),
    ({"never": (200, None), "running": (100, 110)}, "never"),
    ({"never": (100, None), "running": (200, None)}, "running"),
    ({"stopped": (300, 310), "running": (200, 210)}, "running"),
    ({"stopped": (300, 310), "never": (100, None)}, "stopped"),
    ({"never": (100, None), "other": (200, 210)}, "never")])
def test_which_task_of_a_cluster(account, times, chosen):
    """The one that does not start, unless its service has a newer one that did; else one that runs. moto tells no times."""
    front = account.vpc.account.front
    tasks = [{"taskArn": f"arn:aws:ecs:eu-west-1:123456789012:task/stk/{name}", "createdAt": created,
              "lastStatus": "RUNNING" if name in ("running", "other") else "STOPPED", "group": "service:" +
              ("other" if name == "other" else "s3-proxy"), **({"startedAt": started} if started else {})}
             for name, (created, started) in times.items()]
    front.said["DescribeTasks"] = [(200, json.dumps({"tasks": tasks}).encode())]
    account.doctor("--cluster", "stk", "--vpc", account.id)
    assert account.document["facts"]["task"]["arn"].endswith("/" + chosen)
    asked = json.loads(dict(front.requests)["DescribeTasks"])
    assert len(asked["tasks"]) == 2 and asked["cluster"] == "stk"


# -- A task that never started; these change the account ---------------------------------------------------------------

def roots(document):
    return [f["code"] for f in document["findings"] if f["rank"] == "root"]


def test_never_started_though_the_option_set_is_right_by_now(vpc):
    with vpc.rebuilding() as made:
        made.stop(REASON)
    for args in (("--cluster", "stk", "--task", made.task), ("--cluster", "stk")):
        code, document, _ = v.ns_doctor(vpc, *args, credentials=True, **OUTSIDE)
        assert code == 1 and roots(document) == ["PS5001"], document["findings"]
        found = document["findings"][0]
        assert found["cause"] == "1" and "api.ecr.eu-west-1.amazonaws.com" in found["title"]
        assert "10.9.0.53" in " ".join(found["evidence"]) and "no such host" in " ".join(found["evidence"])


def test_never_started_because_of_the_option_set(vpc):
    with vpc.rebuilding() as made:
        made.dhcp(v.CORP, domain_name="corp.test")
        made.stop(REASON)
    code, document, _ = v.ns_doctor(vpc, "--cluster", "stk", "--task", made.task, credentials=True, **OUTSIDE)
    assert code == 1 and roots(document) == ["PS2003"], document["findings"]
    assert {f["code"]: f["because"] for f in document["findings"] if f["rank"] == "consequence"} == {"PS5001": "PS2003"}
    assert f"penstock fix dhcp --vpc {made.vpc} --region {v.REGION}" in document["findings"][0]["fix"]


@pytest.mark.parametrize("everywhere", [True, False])
def test_a_vpc_of_several_subnets(vpc, everywhere):
    """Which of them the task is in does not matter where the gateway endpoint is in every table."""
    with vpc.rebuilding() as made:
        made.ec2.create_subnet(VpcId=made.vpc, CidrBlock="10.0.2.0/24", AvailabilityZone=v.REGION + "b")
        if everywhere:
            tables = made.ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [made.vpc]}])["RouteTables"]
            made.remove_endpoint(made.s3_endpoint)
            made.gateway_endpoint([t["RouteTableId"] for t in tables])
    code, document, _ = v.ns_doctor(vpc, "--vpc", made.vpc, credentials=True, **OUTSIDE)
    unknown = {c["code"]: c["why"] for c in document["checks"] if c["state"] == "unknown"}
    if everywhere:
        assert code == 0 and unknown == {}, document
    else:
        assert code == 2 and list(unknown) == ["PS3004"] and "--task" in unknown["PS3004"], document

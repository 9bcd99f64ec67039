"""`penstock fix dhcp` against moto, which asks who it is and what they may. What it was asked stands in lab/aws_front.py's
list: that is where a call that changes something would show."""

import re
import subprocess
import sys
import urllib.parse

import pytest

import cli
from lab import vpc as v
from lab.aws_account import READ, WRITE, policy

CHANGING = {"CreateDhcpOptions", "AssociateDhcpOptions", "CreateTags", "DeleteDhcpOptions", "UpdateService",
            "CreateResolverRule", "AssociateResolverRule", "CreateResolverEndpoint", "ModifyVpcAttribute"}
CORPORATE = {"domain_name": "corp.test", "ntp_servers": "10.9.0.123"}
DENIED = (403, b"<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized to perform "
               b"this operation.</Message></Error></Errors><RequestID>r</RequestID></Response>")
OUT_OF_ORDER = (503, b"<Response><Errors><Error><Code>InternalError</Code><Message>An internal error has occurred"
                     b"</Message></Error></Errors><RequestID>r</RequestID></Response>")


class Fix:
    """The account with a corporate option set, and who may mend it."""

    def __init__(self, vpc):
        self.vpc, self.account = vpc, vpc.account
        with vpc.rebuilding() as account:
            account.ecs.create_service(cluster="stk", serviceName="s3-proxy", taskDefinition="s3-proxy", desiredCount=1,
                                       launchType="FARGATE", networkConfiguration={"awsvpcConfiguration": {
                                           "subnets": [account.subnet], "securityGroups": [account.group]}})
            account.ecs.run_task(cluster="stk", taskDefinition="s3-proxy", launchType="FARGATE", group="service:s3-proxy",
                                 networkConfiguration={"awsvpcConfiguration": {
                                     "subnets": [account.subnet], "securityGroups": [account.group]}})
            self.keys = account.user("fixer", policy(READ, WRITE, {"ec2": ("DeleteDhcpOptions",)}))
            for action in ("ec2:DescribeVpcs", "ec2:DescribeDhcpOptions", "ec2:CreateDhcpOptions", "ec2:AssociateDhcpOptions",
                           "ecs:UpdateService", "route53resolver:ListResolverRuleAssociations", "ecs:ListTasks"):
                name = action.replace(":", "-")
                setattr(self, name.replace("-", "_"), account.user(name, policy(READ, WRITE, without=(action,))))
            self.endpoint = account.resolver_endpoint("OUTBOUND", "out")
        self.has_rule = False

    def begin(self, servers=(v.CORP,), rule=False, **options):
        """An option set in force, and nothing asked yet."""
        with self.vpc.rebuilding() as account:
            self.before = account.dhcp(*servers, **(options or CORPORATE))
            if rule and not self.has_rule:
                account.forward_rule("corp.test.", endpoint=self.endpoint)
                self.has_rule = True
        account.front.said.clear()
        self.forget()
        return self

    def forget(self):
        self.account.front.actions.clear()
        self.account.front.requests.clear()

    def run(self, *args, keys=None, vpc=None, **env):
        environment = self.vpc.environment(**{"AWS_ENDPOINT_URL": f"http://{v.APIS}", **(keys or self.keys), **env})
        return cli.run(self.vpc.task, environment, "fix", "dhcp", "--vpc", vpc or self.account.vpc, *args)

    @property
    def changed(self):
        """Calls that change something, in their order."""
        return [a for a in self.account.front.actions if a in CHANGING]

    def sets(self):
        with self.vpc.rebuilding() as account:
            return {s["DhcpOptionsId"]: s for s in account.ec2.describe_dhcp_options()["DhcpOptions"]}

    def in_force(self):
        with self.vpc.rebuilding() as account:
            return account.ec2.describe_vpcs(VpcIds=[account.vpc])["Vpcs"][0]["DhcpOptionsId"]

    def options(self, set_id):
        return {c["Key"]: [x["Value"] for x in c["Values"]] for c in self.sets()[set_id]["DhcpConfigurations"]}


@pytest.fixture(scope="module")
def fixable(vpc_lab):
    vpc_lab.account_dirty = True  # its rules and services are to be nobody else's
    vpc_lab.heal()
    yield Fix(vpc_lab)
    vpc_lab.account_dirty = True


def made(ran):
    return re.search(r"^made (dopt-[0-9a-f]+)$", ran.out, re.M)[1]


def shell(fix, text):
    """Lines that penstock wrote for sh, by the AWS CLI itself."""
    env = {**fix.vpc.environment(**{"AWS_ENDPOINT_URL": f"http://{v.APIS}", **fix.keys}),
           "PATH": f"{sys.prefix}/bin:/usr/bin:/bin", "HOME": "/nonexistent"}
    with fix.vpc.task.enter():
        return subprocess.run(["sh", "-e"], input=text, env=env, text=True, timeout=60, capture_output=True, check=False)


def after(ran, headline):
    """The lines behind a headline."""
    return ran.out.split(headline + "\n", 1)[1].split("\n\n")[0] + "\n"


def test_shows_and_changes_nothing(fixable):
    fix = fixable.begin()
    ran = fix.run()
    assert ran.code == 0 and ran.err == "", ran
    assert f"in force in {fix.account.vpc}: {fix.before}" in ran.out
    assert re.search(r"proposed: AWS DNS\n(.*\n)* +domain-name-servers +AmazonProvidedDNS\n", ran.out), ran
    assert re.search(r"corporate zones.*\n    corp\.test\n", ran.out), ran
    assert "a new deployment: 1; tasks without a service, to be started anew by you: 2" in " ".join(ran.out.split()), ran
    assert f"associate-dhcp-options --region {v.REGION} --vpc-id {fix.account.vpc} --dhcp-options-id {fix.before}" in ran.out
    assert fix.changed == [] and fix.in_force() == fix.before


def test_apply_makes_and_associates(fixable):
    fix = fixable.begin(rule=True)
    ran = fix.run("--apply")
    assert ran.code == 0 and ran.err == "", ran
    assert fix.changed == ["CreateDhcpOptions", "AssociateDhcpOptions"]
    new = made(ran)
    assert new != fix.before and fix.in_force() == new
    # Everything else of the set in force is kept.
    assert fix.options(new) == {"domain-name": ["corp.test"], "ntp-servers": ["10.9.0.123"],
                                "domain-name-servers": ["AmazonProvidedDNS"]}
    # moto takes no tags when a set is made.
    asked = urllib.parse.parse_qs(dict(fix.account.front.requests)["CreateDhcpOptions"])
    tag = {k.removeprefix("TagSpecification.1."): x for k, x in asked.items() if k.startswith("TagSpecification")}
    assert tag == {"ResourceType": ["dhcp-options"], "Tag.1.Key": ["Name"], "Tag.1.Value": ["AWS DNS"]}
    assert "start new ones" in ran.out
    # The second time there is nothing to do.
    fix.forget()
    again = fix.run("--apply")
    assert again.code == 0 and "nothing to do: " in again.out and fix.changed == [], again


def test_what_was_done_is_taken_back_by_the_lines_that_it_wrote(fixable):
    fix = fixable.begin(rule=True)
    ran = fix.run("--apply")
    new = made(ran)
    assert fix.in_force() == new
    done = shell(fix, after(ran, "to take it back:"))
    assert done.returncode == 0, (done, ran)
    assert fix.in_force() == fix.before and new not in fix.sets()
    assert fix.changed == ["CreateDhcpOptions", "AssociateDhcpOptions", "AssociateDhcpOptions", "UpdateService",
                           "DeleteDhcpOptions"]


def test_the_commands_do_what_apply_does(fixable):
    fix = fixable.begin(rule=True)
    ran = fix.run()
    done = shell(fix, after(ran, "the commands:"))
    assert done.returncode == 0, (done, ran)
    assert fix.changed == ["CreateDhcpOptions", "AssociateDhcpOptions", "UpdateService"]
    assert fix.options(fix.in_force())["domain-name-servers"] == ["AmazonProvidedDNS"]
    assert "nothing to do" in fix.run().out


def test_aws_first_keeps_the_corporate_servers(fixable):
    fix = fixable.begin(servers=(v.CORP, v.CORP2))
    ran = fix.run("--aws-first", "--apply")
    assert ran.code == 0, ran
    assert fix.options(made(ran))["domain-name-servers"] == [v.PLUS2, v.CORP, v.CORP2]


@pytest.mark.parametrize("args, said", [
    ((), "no Resolver rule for other.test"), (("--zone", "third.test"), "no Resolver rule for third.test"),
    (("--zone=bad_.-",), "1 words are no zones")])
def test_refuses_to_lose_corporate_names(fixable, args, said):
    fix = fixable.begin(domain_name="other.test")
    ran = fix.run("--apply", *args)
    assert ran.code == 1 and said in ran.err and "nothing was changed" in ran.err, ran
    assert fix.changed == [] and fix.in_force() == fix.before
    assert fix.run("--apply", "--without-rules", *args).code == 0
    assert fix.changed == ["CreateDhcpOptions", "AssociateDhcpOptions"]


def test_refuses_when_it_knows_no_zone(fixable):
    fix = fixable.begin(ntp_servers="10.9.0.123")
    if fix.has_rule:  # which says what is the company's
        fix.account.front.said["ListResolverRuleAssociations"] = [(200, b'{"ResolverRuleAssociations": []}')]
    ran = fix.run("--apply")
    assert ran.code == 1 and "name them with --zone" in ran.err and fix.changed == [], ran


def test_a_zone_that_has_a_rule(fixable):
    fix = fixable.begin(rule=True)
    ran = fix.run("--zone", "deep.corp.test", "--apply")
    assert ran.code == 0, ran
    assert re.search(r"    deep\.corp\.test +\(there is a rule already\)", ran.out), ran
    assert "create-resolver-rule" not in ran.out


def test_replaces_tasks(fixable):
    fix = fixable.begin(rule=True)
    ran = fix.run("--apply", "--replace-tasks")
    assert ran.code == 0 and "new tasks are being started for 1 of 1 services" in ran.out, ran
    assert fix.changed == ["CreateDhcpOptions", "AssociateDhcpOptions", "UpdateService"]
    body = [b for a, b in fix.account.front.requests if a == "UpdateService"][0]
    assert '"forceNewDeployment"' in body and "true" in body and "s3-proxy" in body and "cluster/stk" in body, body


def test_replaces_no_tasks_that_it_cannot_see(fixable):
    fix = fixable.begin(rule=True)
    ran = fix.run("--apply", "--replace-tasks", keys=fix.ecs_ListTasks)
    assert ran.code == 1 and "which tasks run in the VPC is not known" in ran.err and fix.changed == [], ran


@pytest.mark.parametrize("answer, uncertain", [(DENIED, False), (OUT_OF_ORDER, True)])
def test_the_second_step_fails(fixable, answer, uncertain):
    """The VPC is as it was, or it is said that nobody knows; nothing follows."""
    fix = fixable.begin(rule=True)
    fix.account.front.said["AssociateDhcpOptions"] = [answer] * 5
    ran = fix.run("--apply", "--replace-tasks")
    assert ran.code == 1, ran
    assert "ec2:AssociateDhcpOptions did not succeed; nothing further was done" in ran.err
    assert "UpdateService" not in fix.changed and set(fix.changed) == {"CreateDhcpOptions", "AssociateDhcpOptions"}
    assert fix.in_force() == fix.before
    new = made(ran)
    if uncertain:
        assert "not known" in ran.out and "the VPC is as it was;" not in ran.out, ran
        clean = ran.out.split("as it was:\n", 1)[1]
    else:
        assert "the VPC is as it was; delete the set that nobody uses:" in ran.out, ran
        clean = ran.out.split("nobody uses:\n", 1)[1]
    assert new in fix.sets()
    fix.account.front.said.clear()
    done = shell(fix, clean)
    assert done.returncode == 0, (done, ran)
    assert new not in fix.sets() and fix.in_force() == fix.before


def test_whether_the_first_step_was_done_is_not_known(fixable):
    """Then a line of its own, as it is to be copied, tells how to see it."""
    fix = fixable.begin(rule=True)
    fix.account.front.said["CreateDhcpOptions"] = [OUT_OF_ORDER] * 5
    ran = fix.run("--apply")
    fix.account.front.said.clear()
    assert ran.code == 1 and set(fix.changed) == {"CreateDhcpOptions"} and fix.in_force() == fix.before, ran
    assert "whether the set was made is not known. See:\naws ec2 describe-dhcp-options --filters '" in ran.out, ran


@pytest.mark.parametrize("user, action, steps", [
    ("ec2_CreateDhcpOptions", "ec2:CreateDhcpOptions", ["CreateDhcpOptions"]),
    ("ec2_AssociateDhcpOptions", "ec2:AssociateDhcpOptions", ["CreateDhcpOptions", "AssociateDhcpOptions"]),
    ("ecs_UpdateService", "ecs:UpdateService", ["CreateDhcpOptions", "AssociateDhcpOptions", "UpdateService"])])
def test_a_permission_to_change_is_missing(fixable, user, action, steps):
    fix = fixable.begin(rule=True)
    ran = fix.run("--apply", "--replace-tasks", keys=getattr(fix, user))
    assert ran.code == 1 and f"{action} did not succeed" in ran.err and f"{action} failed: " in ran.err, ran
    assert fix.changed == steps
    assert (fix.in_force() == fix.before) == (len(steps) < 3)
    if len(steps) == 3:
        assert "0 of 1 services" in ran.out and "to take it back:" in ran.out, ran


@pytest.mark.parametrize("user, action", [("ec2_DescribeVpcs", "ec2:DescribeVpcs"),
                                          ("ec2_DescribeDhcpOptions", "ec2:DescribeDhcpOptions")])
def test_a_permission_to_look_is_missing(fixable, user, action):
    fix = fixable.begin()
    ran = fix.run("--apply", "--without-rules", keys=getattr(fix, user))
    assert ran.code == 1 and f"{action}: denied" in ran.err and "nothing is proposed" in ran.err, ran
    assert fix.changed == [] and ran.out == ""


def test_rules_that_nobody_may_see_count_as_missing(fixable):
    fix = fixable.begin(rule=True)
    ran = fix.run("--apply", keys=fix.route53resolver_ListResolverRuleAssociations)
    assert ran.code == 1 and "no Resolver rule for corp.test" in ran.err and fix.changed == [], ran
    assert "route53resolver:ListResolverRuleAssociations: denied" in ran.err


def test_without_credentials(fixable):
    fix = fixable.begin()
    ran = fix.run("--apply", AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None, AWS_CONFIG_FILE="/nonexistent",
                  AWS_SHARED_CREDENTIALS_FILE="/nonexistent")
    assert ran.code == 1 and "no AWS credentials" in ran.err and ran.out == "" and fix.account.front.actions == [], ran


def test_a_key_that_nobody_knows(fixable):
    fix = fixable.begin()
    ran = fix.run("--apply", AWS_SECRET_ACCESS_KEY="x" * 40)
    assert ran.code == 1 and fix.account.front.actions == ["GetCallerIdentity"] and ran.out == "", ran


def test_a_vpc_that_is_not_there(fixable):
    fix = fixable.begin()
    ran = fix.run("--apply", vpc="vpc-0123456789abcdef0")
    assert ran.code == 1 and "ec2:DescribeVpcs: not_found" in ran.err and fix.changed == [] and ran.out == "", ran


def test_throttled_it_comes_again(fixable):
    fix = fixable.begin(rule=True)
    busy = (503, b"<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit exceeded.</Message>"
                 b"</Error></Errors><RequestID>r</RequestID></Response>")
    fix.account.front.said.update({"CreateDhcpOptions": [busy], "DescribeVpcs": [busy]})
    ran = fix.run("--apply")
    assert ran.code == 0 and fix.changed == ["CreateDhcpOptions", "CreateDhcpOptions", "AssociateDhcpOptions"], ran


@pytest.mark.parametrize("args", [(), ("dns",), ("dhcp",), ("dhcp", "--vpc"), ("dhcp", "--vpc", "v", "--replace-tasks"),
                                  ("dhcp", "--vpc", "v", "--aply"), ("dhcp", "--vpc", "v", "--zone="),
                                  ("dhcp", "--vpc", "v", "--region", "eu-west1")])
def test_usage(vpc_lab, args):
    ran = cli.run(vpc_lab.task, vpc_lab.environment(), "fix", *args)
    assert ran.code == 64 and ran.out == "" and "usage" in ran.err.lower(), ran

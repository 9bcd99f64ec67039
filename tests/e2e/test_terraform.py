"""deploy/terraform: validated and planned by Terraform itself, against the AWS provider's schema, and compared with what
moto makes of the CloudFormation template."""

import json
import os
import re
import shutil
import subprocess

import pytest

import cloudformation
from lab.aws_account import READ
from lab.penstock import ROOT

MODULE = os.path.join(ROOT, "deploy", "terraform")

pytestmark = [pytest.mark.usefixtures("no_hang"), pytest.mark.filterwarnings("ignore:Tried to parse AWS::"),
              pytest.mark.skipif(not shutil.which("terraform"), reason="no terraform: it is no package of Debian's or PyPI's")]


@pytest.fixture(scope="module")
def account():
    with cloudformation.account() as stacks:
        yield stacks


class Terraform:
    """A copy of the module with a provider beside it."""

    def __init__(self, folder):
        from terraform_provider import Provider
        self.folder = str(folder / "module")
        shutil.copytree(MODULE, self.folder)
        self.provider = Provider(str(folder))
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder), "CHECKPOINT_DISABLE": "1", **self.provider.environment()}

    def run(self, *args, ok=True):
        done = subprocess.run(["terraform", *args], cwd=self.folder, env=self.env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        assert (done.returncode == 0) is ok, done.stdout
        return done.stdout

    def plan(self, **variables):
        """(values of each resource by its address, outputs)."""
        given = {"name": "tf", "vpc_id": "vpc-1", "subnet_ids": ["s-1", "s-2"], "load_balancer_subnet_ids": ["s-3", "s-4"],
                 "image": "penstock:0.1.0", **variables}
        with open(os.path.join(self.folder, "terraform.tfvars.json"), "w") as f:
            json.dump(given, f)
        self.run("plan", "-input=false", "-no-color", "-out=plan")
        made = json.loads(self.run("show", "-json", "plan"))["planned_values"]
        return ({r["address"]: r["values"] for r in made["root_module"]["resources"] if r["mode"] == "managed"},
                {name: out.get("value") for name, out in made["outputs"].items()})


@pytest.fixture(scope="module")
def terraform(tmp_path_factory):
    made = Terraform(tmp_path_factory.mktemp("terraform"))
    yield made
    made.provider.stop()


EVERYTHING = {"custom_dns_servers": ["10.0.2.53", "10.0.2.54"], "registry_namespace": "stk", "registry_port": 8080,
              "create_registry_namespace": True, "create_vpc_endpoints": True, "route_table_ids": ["rtb-1"],
              "allow_buckets": ["lab-bucket", "data-*"], "certificate_arn": "arn:c", "alarm_topic_arn": "arn:t"}


def test_it_is_formatted_and_valid_and_uses_what_it_declares(terraform):
    terraform.run("fmt", "-check", "-diff", MODULE)
    assert "The configuration is valid" in terraform.run("validate", "-no-color")
    text = ""
    for name in os.listdir(MODULE):
        with open(os.path.join(MODULE, name)) as f:
            text += f.read()
    for what, used in ((r'^variable "(\w+)"', r"\bvar\.(\w+)"), (r'^data "(\w+)"', r"\bdata\.(\w+)")):
        assert set(re.findall(what, text, re.M)) == set(re.findall(used, text))


@pytest.mark.parametrize("wrong", ['resource "aws_lb" "b" { idle_timeoutt = 1 }', 'resource "aws_ecs_service" "b" {}',
                                   'resource "aws_lb" "b" { idle_timeout = "long" }',
                                   'output "b" { value = aws_lb.this.dns_names }',
                                   'resource "aws_lb" "b" {\n  idle_timeout {}\n}'])
def test_what_the_provider_would_refuse_is_not_valid(terraform, wrong):
    path = os.path.join(terraform.folder, "wrong.tf")
    with open(path, "w") as f:
        f.write(wrong)
    try:
        assert "Error" in terraform.run("validate", "-no-color", ok=False)
    finally:
        os.remove(path)


CONTAINERS = (("TaskDefinition", "aws_ecs_task_definition.this"), ("DoctorTaskDefinition", "aws_ecs_task_definition.doctor"))


def trimmed(container, names):
    """What a container definition says, without defaults, nulls and orders that do not matter."""
    out = {k: v for k, v in container.items() if v not in (None, [], {}, 0)}
    out["environment"] = {e["name"]: e["value"] for e in out["environment"] if e}
    text = json.dumps(out, sort_keys=True)
    for name, to in names.items():
        text = text.replace(name, to)
    return json.loads(text)


@pytest.mark.parametrize("stack, variables, parameters", [
    ("tfplain", {}, lambda account: {}),
    ("tfcustom", {"custom_dns_servers": ["10.0.2.53", "10.0.2.54"], "registry_namespace": "stk"}, lambda a: cloudformation.CUSTOM),
    ("tflarge", {"cpu": 2048, "memory": 4096}, lambda a: {"Cpu": "2048", "Memory": "4096"}),
    ("tfwhole", EVERYTHING, cloudformation.everything)])
def test_containers_are_the_templates(terraform, account, stack, variables, parameters):
    planned, _ = terraform.plan(**{**variables, "name": stack})
    resources = account.create(stack, **parameters(account))
    for logical, address in CONTAINERS:
        theirs = trimmed(account.container(resources, logical), {account.vpc: "vpc-1"})
        ours = trimmed(json.loads(planned[address]["container_definitions"])[0], {})
        for ports in theirs.get("portMappings", []):
            ports.pop("hostPort", None)
        assert ours == theirs, address


# Each of the template's resources, and what stands for it in the module. Rules of security groups are resources of their own
# there.
SAME = {
    "LogGroup": "aws_cloudwatch_log_group.this", "Cluster": "aws_ecs_cluster.this",
    "Namespace": "aws_service_discovery_private_dns_namespace.this[0]",
    "RegistryService": "aws_service_discovery_service.registry[0]",
    "ExecutionRole": "aws_iam_role.execution", "TaskRole": "aws_iam_role.task", "DoctorRole": "aws_iam_role.doctor",
    "LoadBalancerGroup": "aws_security_group.load_balancer", "TaskGroup": "aws_security_group.task",
    "TasksFromLoadBalancer": "aws_vpc_security_group_ingress_rule.from_load_balancer",
    "LoadBalancer": "aws_lb.this", "TargetGroup": "aws_lb_target_group.this", "Listener": "aws_lb_listener.this",
    "TaskDefinition": "aws_ecs_task_definition.this", "DoctorTaskDefinition": "aws_ecs_task_definition.doctor",
    "Service": "aws_ecs_service.this", "ScalableTarget": "aws_appautoscaling_target.this",
    "ScaleOnCpu": 'aws_appautoscaling_policy.this["cpu"]', "ScaleOnRequests": 'aws_appautoscaling_policy.this["requests"]',
    "ErrorAlarm": 'aws_cloudwatch_metric_alarm.load_balancer["errors"]',
    "UnhealthyAlarm": 'aws_cloudwatch_metric_alarm.load_balancer["unhealthy"]',
    "AbsentAlarm": 'aws_cloudwatch_metric_alarm.load_balancer["absent"]',
    "BalancerErrorAlarm": 'aws_cloudwatch_metric_alarm.load_balancer["balancer_errors"]',
    "SelfCheckFilter": "aws_cloudwatch_log_metric_filter.self_check", "SelfCheckAlarm": "aws_cloudwatch_metric_alarm.self_check",
    "EndpointGroup": "aws_security_group.endpoints[0]", "S3Endpoint": "aws_vpc_endpoint.s3[0]",
    "EcrApiEndpoint": 'aws_vpc_endpoint.interface["ecr.api"]', "EcrDkrEndpoint": 'aws_vpc_endpoint.interface["ecr.dkr"]',
    "LogsEndpoint": 'aws_vpc_endpoint.interface["logs"]',
}
ONLY_HERE = {"aws_iam_role_policy_attachment.execution", "aws_iam_role_policy.doctor",
             "aws_vpc_security_group_ingress_rule.clients", "aws_vpc_security_group_egress_rule.to_tasks",
             "aws_vpc_security_group_ingress_rule.endpoints[0]",
             *(f'aws_vpc_security_group_egress_rule.out["{to}"]' for to in ("S3 and AWS APIs", "DNS", "DNS over TCP", "the registry"))}
# The names of the two languages where they are not the same word.
OTHER_WORDS = {
    "LogGroup": {"log_group_name": "name"},
    "LoadBalancerGroup": {"group_description": "description"}, "TaskGroup": {"group_description": "description"},
    "EndpointGroup": {"group_description": "description"},
    "LoadBalancer": {"type": "load_balancer_type"},
    "TargetGroup": {"health_check_path": "path", "health_check_interval_seconds": "interval",
                    "health_check_timeout_seconds": "timeout", "healthy_threshold_count": "healthy_threshold",
                    "unhealthy_threshold_count": "unhealthy_threshold", "http_code": "matcher"},
    "Service": {"minimum_healthy_percent": "deployment_minimum_healthy_percent", "enable_ecsmanaged_tags": "enable_ecs_managed_tags",
                "maximum_percent": "deployment_maximum_percent"},
    "SelfCheckFilter": {"filter_pattern": "pattern", "metric_name": "name", "metric_namespace": "namespace", "metric_value": "value"},
}
# Looked at by other tests, or written as something else: a flag, a rule that is a resource, what Terraform has by default.
OTHERWISE = {"ContainerDefinitions", "AssumeRolePolicyDocument", "Policies", "ManagedPolicyArns", "SecurityGroupIngress",
             "SecurityGroupEgress", "LoadBalancerAttributes", "TargetGroupAttributes", "Scheme", "AssignPublicIp", "Dimensions"}


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def leaves(value, name=""):
    """(name, value) of what is written out in a tree of properties; not what a tag makes."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in OTHERWISE:
                yield from leaves(inner, snake(key))
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, name)
    elif not (isinstance(value, str) and value.startswith("!")):
        yield name, value


def plain(value):
    text = str(value).lower()
    return text.removesuffix(".0") if re.fullmatch(r"[0-9]+\.0", text) else text


def test_every_resource_of_the_template_has_its_like(terraform):
    planned, outputs = terraform.plan(**EVERYTHING)
    made = cloudformation.template()
    assert set(SAME) == set(made)
    assert set(planned) == set(SAME.values()) | ONLY_HERE
    assert all(outputs[name] for name in ("url", "task_security_group_id", "registry_service_arn", "doctor_command"))
    n = 0
    for logical, properties in made.items():
        words = OTHER_WORDS.get(logical, {})
        ours = {}
        for name, value in leaves(planned[SAME[logical]]):
            ours.setdefault(name, set()).add(plain(value))
        for name, value in leaves(properties):
            name = words.get(name, name)
            assert plain(value) in ours.get(name, set()), f"{logical} {name}: {value}, here {ours.get(name)}"
            n += 1
    assert n > 80


def test_what_is_written_otherwise(terraform):
    planned, _ = terraform.plan(**EVERYTHING)
    balancer, group = planned["aws_lb.this"], planned["aws_lb_target_group.this"]
    attributes = {a["Key"]: a["Value"] for name, of in (("LoadBalancer", "LoadBalancerAttributes"), ("TargetGroup", "TargetGroupAttributes"))
                  for a in cloudformation.template()[name][of]}
    assert balancer["internal"] and balancer["idle_timeout"] == int(attributes["idle_timeout.timeout_seconds"])
    assert plain(balancer["drop_invalid_header_fields"]) == attributes["routing.http.drop_invalid_header_fields.enabled"]
    assert group["load_balancing_algorithm_type"] == attributes["load_balancing.algorithm.type"]
    assert int(group["deregistration_delay"]) == cloudformation.written()["Parameters"]["DrainSeconds"]["Default"]
    for alarm, target in (("errors", True), ("unhealthy", True), ("absent", True), ("balancer_errors", False)):
        assert planned[f'aws_cloudwatch_metric_alarm.load_balancer["{alarm}"]']["dimensions"] == {
            "LoadBalancer": "pnstk-.arn_suffix", **({"TargetGroup": "pnstk-.arn_suffix"} if target else {})}
    assert planned["aws_cloudwatch_log_group.this"]["skip_destroy"] and cloudformation.written()["Resources"]["LogGroup"]["DeletionPolicy"].startswith("Retain")
    assert planned["aws_ecs_service.this"]["network_configuration"][0]["assign_public_ip"] is False
    written = cloudformation.template()["TaskGroup"]
    theirs = {(r["Description"], r["IpProtocol"], r["CidrIp"]) for r in written["SecurityGroupEgress"]}
    out = [v for a, v in planned.items() if a.startswith("aws_vpc_security_group_egress_rule.out")]
    assert {(r["description"], r["ip_protocol"], r["cidr_ipv4"]) for r in out} == theirs
    assert {r["description"]: (r["from_port"], r["to_port"]) for r in out} == {
        "S3 and AWS APIs": (443, 443), "DNS": (53, 53), "DNS over TCP": (53, 53), "the registry": (8080, 8080)}
    inward = planned["aws_vpc_security_group_ingress_rule.from_load_balancer"]
    assert (inward["referenced_security_group_id"], inward["security_group_id"]) == ("tf-lb-.id", "tf-task-.id")
    assert inward["from_port"] == inward["to_port"] == 8080
    outward = planned["aws_vpc_security_group_egress_rule.to_tasks"]
    assert (outward["referenced_security_group_id"], outward["security_group_id"]) == ("tf-task-.id", "tf-lb-.id")
    assert outward["from_port"] == outward["to_port"] == 8080
    clients = planned["aws_vpc_security_group_ingress_rule.clients"]
    assert (clients["from_port"], clients["to_port"], clients["cidr_ipv4"]) == (443, 443, "10.0.0.0/8")


def test_the_doctors_role_may_read_what_it_judges_and_nothing_else():
    with open(os.path.join(MODULE, "main.tf")) as f:
        text = f.read()
    document = text[text.index('data "aws_iam_policy_document" "doctor"'):text.index('resource "aws_iam_role_policy" "doctor"')]
    wanted = [f"{service}:{name}" for service, names in READ.items() for name in names]
    assert sorted(re.findall(r'"(\w+:[A-Z]\w+)"', document)) == sorted(wanted)


@pytest.mark.parametrize("wrong", [{"name": "a-name-of-more-than-27-letters"}, {"name": "a.b"}, {"container_port": 80}, {"drain_seconds": 3601},
                                   {"cpu_architecture": "arm64"}])
def test_values_that_could_not_work_are_told_before_anything_is_made(terraform, wrong):
    terraform.plan()
    with pytest.raises(AssertionError, match="Invalid value for variable"):
        terraform.plan(**wrong)


def test_the_service_waits_for_what_its_first_tasks_need():
    """A rule or a role's policy that comes later makes the first tasks fail, and the circuit breaker gives up."""
    with open(os.path.join(MODULE, "main.tf")) as f:
        service = f.read().split('resource "aws_ecs_service" "this"')[1].split("\n}\n")[0]
    waited = set(re.findall(r"\baws_\w+\.\w+", service.split("depends_on")[1]))
    with open(os.path.join(MODULE, "network.tf")) as f:
        rules = {f"{kind}.{name}" for kind, name in re.findall(r'^resource "(aws_vpc_\w+)" "(\w+)"', f.read(), re.M)}
    assert waited == rules - {"aws_vpc_security_group_ingress_rule.clients"} | {"aws_lb_listener.this", "aws_iam_role_policy_attachment.execution"}

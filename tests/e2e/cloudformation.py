"""deploy/cloudformation/penstock.yaml: as it is written, and stacks of it in moto."""

import contextlib
import os

import pytest
import yaml

from lab.penstock import ROOT
from lab.world import CORP, CORP2

TEMPLATE = os.path.join(ROOT, "deploy", "cloudformation", "penstock.yaml")


@contextlib.contextmanager
def account():
    """Stacks in moto, in this process: create(name, Parameter=value ...) -> what it has."""
    import boto3
    from moto import mock_aws
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "eu-west-1"}
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for key, value in keys.items():
            patch.setenv(key, value)
        yield Stacks(boto3)


class Stacks:
    def __init__(self, boto3):
        self.client = boto3.client
        ec2 = boto3.client("ec2")
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"eu-west-1{zone}")
                   for n, zone in enumerate("ab")]
        self.subnets = ",".join(s["Subnet"]["SubnetId"] for s in subnets)
        self.table = ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        self.certificate = boto3.client("acm").request_certificate(DomainName="s3.corp.test")["CertificateArn"]

    def create(self, name, **parameters):
        """Parameters that are not given keep the template's defaults."""
        cfn = self.client("cloudformation")
        given = {"VpcId": self.vpc, "SubnetIds": self.subnets, "LoadBalancerSubnetIds": self.subnets,
                 "Image": "penstock:0.1.0", **parameters}
        cfn.create_stack(StackName=name, TemplateBody=open(TEMPLATE).read(), Capabilities=["CAPABILITY_IAM"],
                         Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()])
        assert cfn.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
        return {r["LogicalResourceId"]: r["PhysicalResourceId"]
                for r in cfn.describe_stack_resources(StackName=name)["StackResources"] if "PhysicalResourceId" in r}

    def container(self, resources, of="TaskDefinition"):
        task = self.client("ecs").describe_task_definition(taskDefinition=resources[of])["taskDefinition"]
        return task["containerDefinitions"][0]

    def environment(self, resources):
        # moto leaves a null where CloudFormation takes what is AWS::NoValue out of a list.
        return {e["name"]: e["value"] for e in self.container(resources)["environment"] if e}


def written():
    """The template as it is written; of what a tag makes, the tag."""
    class Loader(yaml.SafeLoader):
        pass
    Loader.add_multi_constructor("!", lambda loader, tag, node: "!" + tag)
    with open(TEMPLATE) as f:
        return yaml.load(f, Loader)


def template():
    return {name: r["Properties"] for name, r in written()["Resources"].items()}


CUSTOM = {"CustomDnsServers": f"{CORP},{CORP2}", "RegistryNamespace": "stk"}


def everything(account):
    return {**CUSTOM, "CreateRegistryNamespace": "yes", "CreateVpcEndpoints": "yes", "RouteTableIds": account.table,
            "AllowBuckets": "lab-bucket,data-*", "RegistryPort": "8080", "CertificateArn": account.certificate,
            "AlarmTopicArn": "arn:aws:sns:eu-west-1:123456789012:alarms"}

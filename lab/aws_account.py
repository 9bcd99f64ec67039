"""An AWS account in moto: a VPC with the proxy's task and the registry in it, all as it should be, and the ways to break
it. moto checks signatures and policies; only building goes around them."""

import json
import os
import subprocess
import sys
import time
import urllib.request

from lab.aws_front import MOTO, Front
from lab.net import entered
from lab.s3 import wait_port

REGION = "eu-west-1"
CIDR, STACK = "10.0.0.0/16", "stk"
SERVICES = ("ec2", "ecs", "servicediscovery", "route53", "route53resolver", "logs", "iam")
READ = {"ec2": ("DescribeVpcs", "DescribeVpcAttribute", "DescribeDhcpOptions", "DescribeVpcEndpoints", "DescribeSubnets",
                "DescribeNetworkInterfaces", "DescribeRouteTables", "DescribeManagedPrefixLists", "DescribeSecurityGroups"),
        "logs": ("FilterLogEvents", "DescribeLogGroups"),
        "ecs": ("DescribeTasks", "ListTasks", "DescribeTaskDefinition", "DescribeServices", "ListServices",
                "DescribeClusters", "ListClusters"),
        "servicediscovery": ("ListNamespaces", "ListServices", "ListInstances", "GetInstancesHealthStatus",
                             "GetNamespace", "GetService", "DiscoverInstances"),
        "route53resolver": ("ListResolverEndpoints", "ListResolverRules", "ListResolverRuleAssociations",
                            "ListResolverEndpointIpAddresses", "ListFirewallRuleGroupAssociations", "ListFirewallRules",
                            "ListFirewallDomains", "ListFirewallConfigs", "GetFirewallConfig"),
        "route53": ("ListHostedZonesByVPC", "ListResourceRecordSets", "GetHostedZone"),
        "sts": ("GetCallerIdentity",)}
WRITE = {"ec2": ("CreateDhcpOptions", "AssociateDhcpOptions", "CreateTags"), "ecs": ("UpdateService",)}


def policy(*parts, without=()):
    actions = [f"{service}:{name}" for part in parts for service, names in part.items() for name in names]
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": [a for a in actions if a not in without], "Resource": "*"}]})


class Account:
    def __init__(self, host, folder, context):
        self.host = host
        self.next_ip = os.path.join(folder, "next-task-address")
        self.place("10.0.1.20")
        log = open(os.path.join(folder, "moto-account.log"), "w")
        env = dict(os.environ, AWS_EC2_METADATA_DISABLED="true",
                   PYTHONPATH=os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        self.process = host.popen([sys.executable, "-m", "lab.moto_server", self.next_ip, "-H", MOTO[0], "-p", str(MOTO[1])],
                                  stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env)
        self.front = Front(host)
        self.front_tls = Front(host, 443, context, share=self.front)
        self.clients = {}

    def place(self, ip):
        """The next task gets this address."""
        with open(self.next_ip, "w") as f:
            f.write(ip)

    def wait(self):
        wait_port(self.host, *MOTO, self.process)

    def __getattr__(self, name):
        """account.ec2 and so on: boto3's clients, in moto's own namespace."""
        if name not in SERVICES:
            raise AttributeError(name)
        if name not in self.clients:
            import boto3
            self.clients[name] = Inside(self.host, boto3.client(
                name, region_name=REGION, endpoint_url=f"http://{MOTO[0]}:{MOTO[1]}", aws_access_key_id="builder",
                aws_secret_access_key="builder"))
        return self.clients[name]

    def _moto(self, path, body=b""):
        request = urllib.request.Request(f"http://{MOTO[0]}:{MOTO[1]}/moto-api/{path}", data=body, method="POST",
                                         headers={"Content-Type": "application/json" if body[:1] == b"{" else "text/plain"})
        with self.host.enter():
            urllib.request.urlopen(request, timeout=30).close()

    def build(self):
        """Everything anew, healthy. Ids are attributes: vpc, subnet, table, s3_endpoint, namespace, service ..."""
        self._moto("reset-auth", b"inf")
        self._moto("reset")
        # Left alone, moto's tasks come nearer to their end with every look at them.
        self._moto("state-manager/set-transition", b'{"model_name": "ecs::task", "transition":'
                   b' {"progression": "manual", "times": 1000000}}')
        self.front.reset()
        self._network()
        self._cluster()
        self._discovery()
        self.logs.create_log_group(logGroupName="/quilt/stk/s3-proxy")
        self.credentials = self.user("doctor", policy(READ))

    def user(self, name, document):
        """Keys, as environment variables, of a new user who may do what the policy says."""
        self.iam.create_user(UserName=name)
        self.iam.put_user_policy(UserName=name, PolicyName="lab", PolicyDocument=document)
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def guard(self):
        """From now on moto asks who it is."""
        self._moto("reset-auth", b"0")

    def _network(self):
        ec2 = self.ec2
        self.vpc = ec2.create_vpc(CidrBlock=CIDR)["Vpc"]["VpcId"]
        ec2.modify_vpc_attribute(VpcId=self.vpc, EnableDnsSupport={"Value": True})
        ec2.modify_vpc_attribute(VpcId=self.vpc, EnableDnsHostnames={"Value": True})
        self.dhcp("AmazonProvidedDNS")
        self.subnet = ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.0.1.0/24",
                                        AvailabilityZone=REGION + "a")["Subnet"]["SubnetId"]
        self.table = ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        ec2.associate_route_table(RouteTableId=self.table, SubnetId=self.subnet)
        self.group = ec2.create_security_group(GroupName="tasks", Description="tasks", VpcId=self.vpc)["GroupId"]
        self.s3_endpoint = self.gateway_endpoint()
        self.endpoints = {name: self.interface_endpoint(name) for name in (
            "logs", "ecr.api", "ecr.dkr", "secretsmanager", "ssmmessages", "ecs", "ecs-agent", "ecs-telemetry", "sts",
            "kms", "ec2", "servicediscovery")}

    def dhcp(self, *servers, **options):
        """A new option set for the VPC; options by their names with _ for -."""
        configurations = [{"Key": "domain-name-servers", "Values": list(servers)}] if servers else []
        configurations += [{"Key": k.replace("_", "-"), "Values": [v]} for k, v in options.items()]
        made = self.ec2.create_dhcp_options(DhcpConfigurations=configurations)
        self.options = made["DhcpOptions"]["DhcpOptionsId"]
        self.ec2.associate_dhcp_options(DhcpOptionsId=self.options, VpcId=self.vpc)
        return self.options

    def attribute(self, name, value):
        self.ec2.modify_vpc_attribute(VpcId=self.vpc, **{name: {"Value": value}})

    def gateway_endpoint(self, tables=None):
        return self.ec2.create_vpc_endpoint(
            VpcId=self.vpc, ServiceName=f"com.amazonaws.{REGION}.s3", VpcEndpointType="Gateway",
            RouteTableIds=[self.table] if tables is None else tables)["VpcEndpoint"]["VpcEndpointId"]

    def interface_endpoint(self, service, private_dns=True, inbound_only=None):
        made = self.ec2.create_vpc_endpoint(
            VpcId=self.vpc, ServiceName=f"com.amazonaws.{REGION}.{service}", VpcEndpointType="Interface",
            SubnetIds=[self.subnet], SecurityGroupIds=[self.group], PrivateDnsEnabled=private_dns)
        endpoint = made["VpcEndpoint"]["VpcEndpointId"]
        if inbound_only is not None:
            self.front.inbound_only[endpoint] = inbound_only
        return endpoint

    def remove_endpoint(self, *endpoints):
        self.ec2.delete_vpc_endpoints(VpcEndpointIds=list(endpoints))

    def s3_by_interface(self, private_dns=True, inbound_only=None):
        """An interface endpoint for S3 instead of the gateway."""
        self.remove_endpoint(self.s3_endpoint)
        self.s3_endpoint = self.interface_endpoint("s3", private_dns, inbound_only)

    def nat(self):
        """A way to the internet."""
        allocation = self.ec2.allocate_address(Domain="vpc")["AllocationId"]
        gateway = self.ec2.create_nat_gateway(SubnetId=self.subnet, AllocationId=allocation)["NatGateway"]["NatGatewayId"]
        self.ec2.create_route(RouteTableId=self.table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=gateway)

    def _cluster(self):
        """The proxy's task and the registry's."""
        self.ecs.create_cluster(clusterName=STACK)
        self.define("registry")
        self.run("10.0.4.10")
        self.define()
        self.run()
        self.exec_command()

    def define(self, family="s3-proxy", **container):
        """A revision of a task definition, of the proxy's where no other is named; fields of its container by keyword."""
        made = self.ecs.register_task_definition(
            family=family, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
            taskRoleArn="arn:aws:iam::123456789012:role/task", executionRoleArn="arn:aws:iam::123456789012:role/execution",
            containerDefinitions=[{"name": family, "image": "penstock:lab", "memory": 512, "essential": True, **container}])
        self.definition = made["taskDefinition"]["taskDefinitionArn"]

    def run(self, ip="10.0.1.20"):
        """Runs a task and remembers it: task (ARN), eni, mac."""
        self.place(ip)
        made = self.ecs.run_task(
            cluster=STACK, taskDefinition=self.definition, launchType="FARGATE", networkConfiguration={
                "awsvpcConfiguration": {"subnets": [self.subnet], "securityGroups": [self.group]}})["tasks"][0]
        details = {d["name"]: d["value"] for d in made["attachments"][0]["details"]}
        self.task, self.eni, self.mac = made["taskArn"], details["networkInterfaceId"], details["macAddress"]

    def run_defined(self, **container):
        """The proxy's task anew, from a definition with these fields."""
        self.define(**container)
        self.run()

    def stop(self, reason):
        self.ecs.stop_task(cluster=STACK, task=self.task, reason=reason)

    def _discovery(self):
        cloud_map = self.servicediscovery
        operation = cloud_map.create_private_dns_namespace(Name=STACK, Vpc=self.vpc)["OperationId"]
        self.namespace = cloud_map.get_operation(OperationId=operation)["Operation"]["Targets"]["NAMESPACE"]
        self.service = cloud_map.create_service(
            Name="registry", NamespaceId=self.namespace, HealthCheckCustomConfig={"FailureThreshold": 1},
            DnsConfig={"DnsRecords": [{"Type": "A", "TTL": 10}]})["Service"]["Id"]
        self.register("registry-1", "10.0.4.10")

    def register(self, instance, ip, health="HEALTHY"):
        self.servicediscovery.register_instance(ServiceId=self.service, InstanceId=instance,
                                                Attributes={"AWS_INSTANCE_IPV4": ip, "AWS_INSTANCE_PORT": "80"})
        self.health(instance, health)

    def health(self, instance, health):
        self.servicediscovery.update_instance_custom_health_status(ServiceId=self.service, InstanceId=instance, Status=health)

    def deregister(self, instance):
        self.servicediscovery.deregister_instance(ServiceId=self.service, InstanceId=instance)

    def delete_namespace(self):
        """With the zone behind it, which moto leaves."""
        self.servicediscovery.delete_namespace(Id=self.namespace)
        for zone in self.route53.list_hosted_zones_by_vpc(VPCId=self.vpc, VPCRegion=REGION)["HostedZoneSummaries"]:
            if zone["Name"] == STACK + ".":
                self.route53.delete_hosted_zone(Id=zone["HostedZoneId"])

    def hosted_zone(self, name):
        """A private zone of this VPC."""
        return self.route53.create_hosted_zone(Name=name, CallerReference=name, HostedZoneConfig={"PrivateZone": True},
                                               VPC={"VPCRegion": REGION, "VPCId": self.vpc})["HostedZone"]["Id"]

    def resolver_endpoint(self, direction, name="lab"):
        second = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.0.2.0/24",
                                        AvailabilityZone=REGION + "b")["Subnet"]["SubnetId"]
        return self.route53resolver.create_resolver_endpoint(
            CreatorRequestId=name, Name=name, Direction=direction, SecurityGroupIds=[self.group],
            IpAddresses=[{"SubnetId": self.subnet}, {"SubnetId": second}])["ResolverEndpoint"]["Id"]

    def forward_rule(self, domain, target="10.9.0.53", endpoint=None):
        rule = self.route53resolver.create_resolver_rule(
            CreatorRequestId=domain, Name="forward", RuleType="FORWARD", DomainName=domain,
            TargetIps=[{"Ip": target, "Port": 53}],
            ResolverEndpointId=endpoint or self.resolver_endpoint("OUTBOUND", "out"))["ResolverRule"]["Id"]
        self.route53resolver.associate_resolver_rule(ResolverRuleId=rule, VPCId=self.vpc, Name="forward")
        return rule

    def firewall(self, *domains, response="NXDOMAIN", fail_open="ENABLED"):
        """DNS Firewall with one group of one blocking rule; see lab/aws_front.py on who answers."""
        self.front.state["firewall"] = {
            "associations": [{"Id": "rslvr-frgassoc-1", "FirewallRuleGroupId": "rslvr-frg-1", "VpcId": self.vpc,
                              "Name": "block", "Priority": 101, "MutationProtection": "DISABLED", "Status": "COMPLETE"}],
            "rules": [{"FirewallRuleGroupId": "rslvr-frg-1", "FirewallDomainListId": "rslvr-fdl-1", "Name": "block",
                       "Priority": 100, "Action": "BLOCK", "BlockResponse": response}] if domains else [],
            "domains": {"rslvr-fdl-1": list(domains)},
            "config": {"Id": "rslvr-fc-1", "OwnerId": "123456789012", "ResourceId": self.vpc, "FirewallFailOpen": fail_open}}

    def exec_command(self, enabled=True, agent="RUNNING"):
        self.front.state["exec_command"] = {
            "task": {"enableExecuteCommand": enabled},
            "container": {"managedAgents": [{"name": "ExecuteCommandAgent", "lastStatus": agent}]} if enabled else {}}

    def log_lines(self, *lines, stream="s3-proxy/1"):
        """Events of just now; CloudWatch takes none that are weeks old."""
        at = int(time.time() * 1000)
        self.logs.create_log_stream(logGroupName="/quilt/stk/s3-proxy", logStreamName=stream)
        self.logs.put_log_events(logGroupName="/quilt/stk/s3-proxy", logStreamName=stream, logEvents=[
            {"timestamp": at + i, "message": line} for i, line in enumerate(lines)])

    def close(self):
        self.process.kill()
        self.process.wait()


class Inside:
    """A boto3 client whose calls are made in a host's namespace."""

    def __init__(self, host, client):
        self.host, self.client = host, client

    def __getattr__(self, name):
        method = getattr(self.client, name)

        def call(**kw):
            with entered(self.host.fd):
                return method(**kw)
        return call

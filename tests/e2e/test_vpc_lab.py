"""The VPC in which the doctor is judged is as lab/vpc.py says: a wrong lab would make wrong findings right."""

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from lab import http
from lab import vpc as v


def ask(vpc, server, name, rdtype="A", tcp=False):
    query = dns.message.make_query(name, rdtype)
    with vpc.task.enter():
        return (dns.query.tcp if tcp else dns.query.udp)(query, server, timeout=3)


def addresses(reply):
    return sorted(str(record) for rrset in reply.answer for record in rrset)


@pytest.mark.parametrize("server, s3, registry", [
    (v.AMAZON, [v.S3_PUBLIC], [v.REGISTRY]), (v.AMAZON6, [v.S3_PUBLIC], [v.REGISTRY]),
    (v.PLUS2, [v.S3_PUBLIC], [v.REGISTRY]), (v.INBOUND, [v.S3_PUBLIC], [v.REGISTRY]),
    (v.CORP, [v.S3_PUBLIC], [v.REGISTRY]), (v.CORP2, [v.S3_PUBLIC], [v.REGISTRY]), (v.CORP6, [v.S3_PUBLIC], [v.REGISTRY]),
    (v.SLOW, [v.S3_PUBLIC], [v.REGISTRY]), (v.INTERNET, [v.S3_PUBLIC], dns.rcode.NXDOMAIN),
    (v.REFUSING, dns.rcode.REFUSED, dns.rcode.REFUSED), (v.FAILING, dns.rcode.SERVFAIL, dns.rcode.SERVFAIL),
    (v.SINKHOLE, ["0.0.0.0"], [v.REGISTRY])])
def test_each_server_says_what_it_should(vpc, server, s3, registry):
    names = ((v.S3_NAME, s3), ("lab-bucket." + v.S3_NAME, s3), ("registry.stk", registry))
    for name, expected in names[:1] if server == v.SLOW else names:
        for tcp in (False, True):
            reply = ask(vpc, server, name, tcp=tcp)
            assert (addresses(reply) if isinstance(expected, list) else reply.rcode()) == expected, (name, reply)


def test_a_server_changes_at_once(vpc):
    assert addresses(ask(vpc, v.CORP, v.S3_NAME)) == [v.S3_PUBLIC]
    vpc.corp.say({"*.amazonaws.com": "always_nodata", "stk": "always_refuse"})
    assert ask(vpc, v.CORP, v.S3_NAME).answer == [] and ask(vpc, v.CORP, "registry.stk").rcode() == dns.rcode.REFUSED
    vpc.corp2.say({"*.amazonaws.com": [v.S3_HUB]})
    vpc.corp.say({"*.amazonaws.com": [v.S3_PRIVATE]})
    assert addresses(ask(vpc, v.CORP, v.S3_NAME)) == [v.S3_PRIVATE]
    assert addresses(ask(vpc, v.CORP2, v.S3_NAME)) == [v.S3_HUB]
    vpc.heal()
    assert addresses(ask(vpc, v.CORP, v.S3_NAME)) == [v.S3_PUBLIC]


def head(vpc, address, host):
    import ssl
    context = ssl.create_default_context(cafile=vpc.ca.path)
    with context.wrap_socket(vpc.task.connect((address, 443)), server_hostname=host) as sock:
        sock.sendall(f"HEAD / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return http.read_response(http.Wire(sock), "HEAD")


def test_s3_tells_regions(vpc):
    ours = head(vpc, v.S3_PUBLIC, "lab-bucket." + v.S3_NAME)
    assert ours.status == 403 and ours.headers.get("x-amz-bucket-region") == v.REGION
    far = head(vpc, v.S3_PRIVATE, "far-bucket." + v.S3_NAME)
    assert far.status == 301 and far.headers.get("x-amz-bucket-region") == "us-east-1"


def test_account_checks_who_asks_and_what_they_may(vpc):
    import boto3
    import botocore.exceptions
    from botocore.config import Config

    def client(service, **keys):
        keys = {k.lower(): value for k, value in (vpc.account.credentials | keys).items()}
        return boto3.client(service, region_name=v.REGION, endpoint_url=f"http://{v.APIS}",
                            config=Config(retries={"total_max_attempts": 1}, inject_host_prefix=False), **keys)

    with vpc.rebuilding() as account:
        account.forward_rule("amazonaws.com")
        account.firewall("*.amazonaws.com.")
        account.exec_command()
    with vpc.task.enter():
        assert client("ec2").describe_vpcs(VpcIds=[account.vpc])["Vpcs"][0]["CidrBlock"] == "10.0.0.0/16"
        assert client("sts").get_caller_identity()["Arn"].endswith(":user/doctor")
        zones = client("route53").list_hosted_zones_by_vpc(VPCId=account.vpc, VPCRegion=v.REGION)
        assert [z["Name"] for z in zones["HostedZoneSummaries"]] == ["stk."]
        assert client("servicediscovery").discover_instances(NamespaceName="stk", ServiceName="registry")["Instances"]
        firewall = client("route53resolver").list_firewall_rule_group_associations(VpcId=account.vpc)
        assert firewall["FirewallRuleGroupAssociations"][0]["VpcId"] == account.vpc
        task = client("ecs").describe_tasks(cluster="stk", tasks=[account.task])["tasks"][0]
        assert task["lastStatus"] == "RUNNING" and task["enableExecuteCommand"] is True
        with pytest.raises(botocore.exceptions.ClientError, match="not authorized to perform"):
            client("ec2").create_dhcp_options(DhcpConfigurations=[])
        with pytest.raises(botocore.exceptions.ClientError, match="SignatureDoesNotMatch"):
            client("sts", AWS_SECRET_ACCESS_KEY="wrong").get_caller_identity()

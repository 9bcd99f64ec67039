"""Ten networks in which nothing is wrong: the doctor finds nothing in them."""

import pytest

from doctor_scenarios import no_public_s3, with_account
from lab import vpc as v
from lab.registry import Registry
from lab.vpc import ns_doctor

# Information that is true of the network, and harmless.
KNOWN = {"inbound_only_private_dns": {"PS3003"}}


def amazon_provided(vpc):
    """AmazonProvidedDNS, and who runs it has no credentials"""


def custom_servers(vpc):
    """the company's server alone, which forwards to an inbound endpoint"""
    vpc.in_task([v.CORP])
    return with_account(vpc, change=lambda a: (a.dhcp(v.CORP), a.resolver_endpoint("INBOUND")))


def gateway_endpoint(vpc):
    """a gateway endpoint: the addresses are public"""
    return with_account(vpc)


def interface_endpoint(vpc):
    """an interface endpoint with private DNS; public addresses are out of reach"""
    no_public_s3(vpc)
    vpc.amazon.say(v.amazon_names([v.S3_PRIVATE]))
    return with_account(vpc, change=lambda a: a.s3_by_interface())


def inbound_only_private_dns(vpc):
    """private DNS for inbound resolvers only: the company sees private addresses, the VPC public ones"""
    vpc.inbound.say(v.amazon_names([v.S3_PRIVATE]))
    return with_account(vpc, change=lambda a: a.interface_endpoint("s3", True, inbound_only=True))


def hub(vpc):
    """the endpoints are another VPC's: their zones are associated with this one, which has a way there alone"""
    no_public_s3(vpc)
    vpc.amazon.say(v.amazon_names([v.S3_HUB]))

    def change(account):
        account.remove_endpoint(account.s3_endpoint, *account.endpoints.values())
        account.hosted_zone(v.S3_NAME)
        account.ec2.create_route(RouteTableId=account.table, DestinationCidrBlock="10.200.0.0/16",
                                 TransitGatewayId=account.ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"])
    return with_account(vpc, change=change)


def ipv6_only(vpc):
    """a task without IPv4: S3 by DNS64, the registry by its own address"""
    vpc.amazon.say(v.amazon_names([v.S3_PUBLIC, v.S3_NAT64], [v.REGISTRY6]))
    vpc.in_task([v.AMAZON6], metadata=None)
    return {"host": vpc.task6}


def service_connect(vpc):
    """Service Connect: the registry's name is in the hosts file and leads to the proxy beside the task"""
    vpc.amazon.say(v.amazon_names(registry="always_nxdomain"))
    vpc.hosts_file = vpc.write("hosts", "127.0.0.1 localhost\n127.255.0.2 registry.stk\n")


def two_servers(vpc):
    """two servers of the company, both good"""
    vpc.in_task([v.CORP, v.CORP2])


def plain_internet(vpc):
    """a machine on the internet: no AWS around it, no registry"""
    vpc.in_task([v.INTERNET], metadata=None)
    return {"registry": None, "INTERNAL_REGISTRY_URL": None}


NETWORKS = (amazon_provided, custom_servers, gateway_endpoint, interface_endpoint, inbound_only_private_dns, hub, ipv6_only,
            service_connect, two_servers, plain_internet)


@pytest.fixture(scope="module")
def envoy(vpc_lab):
    """What listens where Service Connect sends the registry's name."""
    return Registry(vpc_lab.task, "127.255.0.2")


@pytest.mark.parametrize("network", NETWORKS, ids=lambda f: f.__name__)
def test_healthy(vpc, envoy, network):
    how = network(vpc) or {}
    code, document, err = ns_doctor(vpc, "--fail-on", "warning", *how.pop("args", ()), **how)
    told = [(f["rank"], f["code"], f["subject"], f["evidence"]) for f in document["findings"]]
    assert code == 0, (told, document["summary"], err)
    assert {f["code"] for f in document["findings"]} <= KNOWN.get(network.__name__, set()), told
    # It did look: names were asked for and S3 was reached.
    assert any(q["outcome"] == "answer" for q in document["facts"]["questions"])
    assert any(c["outcome"] == "ok" and c.get("tls") == "ok" for c in document["facts"]["connections"])

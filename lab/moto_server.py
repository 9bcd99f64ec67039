"""moto's server with four things set right: the address that the next task's network interface gets is told, which moto
would choose at random; a GET has no body: where signatures are checked, moto takes the query for one and finds every
signature wrong; the zone behind a private namespace has the namespace's name, belongs to its VPC, and its ID is bare; and
an option set that its VPC no longer has can be deleted.
`python3 -m lab.moto_server FILE ARGUMENTS OF MOTO`: the file has the address."""

import sys

import moto.ecs.models
from moto.ec2.models.dhcp_options import DHCPOptionsSetBackend
from moto.iam.access_control import IAMRequestBase
from moto.route53 import route53_backends
from moto.server import main
from moto.servicediscovery.models import ServiceDiscoveryBackend

create_request = IAMRequestBase._create_aws_request
associate = DHCPOptionsSetBackend.associate_dhcp_options
create_namespace = ServiceDiscoveryBackend.create_private_dns_namespace


def next_address():
    with open(sys.argv[1]) as f:
        return f.read().strip()


def request_without_body(self):
    if self._method == "GET":
        self._data = None
    return create_request(self)


def namespace_with_zone(self, name, **kw):
    operation = create_namespace(self, name=name, **kw)
    for zone in route53_backends[self.account_id]["aws"].zones.values():
        if zone.name.rstrip(".") == name + "-hz":
            zone.name = name + "."
            zone.vpcs = []
            zone.add_vpc(kw["vpc"], self.region_name)
            for namespace in self.namespaces.values():
                if namespace.name == name:
                    namespace.dns_properties["HostedZoneId"] = zone.resource_id
    return operation


def associate_dhcp_options(self, dhcp_options, vpc):
    self.disassociate_dhcp_options(vpc)
    associate(self, dhcp_options, vpc)


if __name__ == "__main__":
    moto.ecs.models.random_private_ip = next_address
    IAMRequestBase._create_aws_request = request_without_body
    ServiceDiscoveryBackend.create_private_dns_namespace = namespace_with_zone
    DHCPOptionsSetBackend.associate_dhcp_options = associate_dhcp_options
    main(sys.argv[2:])

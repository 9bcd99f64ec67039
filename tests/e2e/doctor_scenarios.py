"""One world for each finding: what is broken, and what the doctor must say of it. A scenario breaks the healthy VPC of
lab/vpc.py and returns how the doctor is run: arguments of ns_doctor."""

from collections import namedtuple

from lab import vpc as v

Scenario = namedtuple("Scenario", "code what run evidence cause made_by severity exit_code")
SCENARIOS = []
REAL, STUB = "real servers", "stub"


# What the table says where a scenario does not say otherwise; all others are errors.
WARNINGS = ("PS1006", "PS1007", "PS1008", "PS1009", "PS1012", "PS1013", "PS1014", "PS1016", "PS1017", "PS1018", "PS1021",
            "PS2009", "PS2010", "PS3011", "PS3012", "PS3014", "PS3015", "PS4005", "PS5003")
INFORMATION = ("PS1015", "PS1019", "PS2004", "PS3003", "PS5002", "PS6001")


def scenario(code, *evidence, cause="o", made_by=REAL, severity=None, exit_code=None):
    """evidence: patterns that the finding's subject and evidence must have, ignoring case. exit_code: errors give 1,
    warnings and information 0, unless a consequence is an error or something could not be judged."""
    severity = severity or ("warning" if code in WARNINGS else "information" if code in INFORMATION else "error")
    exit_code = exit_code if exit_code is not None else int(severity == "error")

    def add(run):
        SCENARIOS.append(Scenario(code, run.__doc__, run, evidence, cause, made_by, severity, exit_code))
        return run
    return add


def lose(vpc, host, match, one_of):
    """Every so-manieth packet."""
    host.nft(f"add rule inet lab in {match} numgen inc mod {one_of} == 0 drop")


# -- DNS servers and resolv.conf ---------------------------------------------------------------------------------------

@scenario("PS1001", v.CORP, "NXDOMAIN", v.S3_NAME, v.AMAZON, cause="1")
def corporate_server_knows_no_aws(vpc):
    """the company's server denies every AWS name and the stack's"""
    vpc.corp.say(v.OWN)
    vpc.in_task([v.CORP])


@scenario("PS1001", v.CORP, "NXDOMAIN", "registry.stk", v.REGISTRY, cause="1")
def corporate_server_asks_the_internet(vpc):
    """the company's server knows what the internet knows: S3's public addresses, not the registry"""
    vpc.corp.say(v.OWN, closed=False, forward={".": v.INTERNET})
    vpc.in_task([v.CORP])


@scenario("PS1002", v.REFUSING, "REFUSED", v.AMAZON, cause="1")
def refuses(vpc):
    """BIND refuses what it has no zone for"""
    vpc.in_task([v.REFUSING])


@scenario("PS1002", v.SCRIPTED, "REFUSED", v.AMAZON, cause="1", made_by=STUB)
def refuses_without_question(vpc):
    """a firewall answers REFUSED with a bare header, without the question"""
    vpc.in_task([v.SCRIPTED])


@scenario("PS1003", v.FAILING, "SERVFAIL", v.AMAZON, cause="1")
def fails(vpc):
    """BIND whose copies of the zones are broken"""
    vpc.in_task([v.FAILING])


@scenario("PS1004", v.CORP, "no (answer|reply)|timeout|silent", cause="1")
def is_silent(vpc):
    """a firewall drops what goes to the only server"""
    vpc.drop(vpc.corp_host, "meta l4proto { tcp, udp } th dport 53")
    vpc.in_task([v.CORP])


@scenario("PS1005", v.CORP, "no address|NODATA|nodata", v.AMAZON, cause="1")
def has_no_address(vpc):
    """the company's server has the zones without addresses in them"""
    vpc.corp.say({"amazonaws.com": "always_nodata", "stk": "always_nodata"})
    vpc.in_task([v.CORP])


@scenario("PS1006", "registry.stk", v.CORP, v.REGISTRY, v.CORP2, "10.0.4.99", cause="1")
def split_views(vpc):
    """two servers of the company give different addresses for the registry; the second one's leads nowhere"""
    vpc.corp2.say({**v.amazon_names(registry=["10.0.4.99"]), **v.OWN})
    vpc.in_task([v.CORP, v.CORP2])


@scenario("PS1007", v.CORP, v.AMAZON, cause="1")
def amazon_second(vpc):
    """Amazon's server stands second, behind the company's"""
    vpc.in_task([v.CORP, v.AMAZON])


@scenario("PS1008", v.AMAZON, v.CORP, cause="1")
def mixed(vpc):
    """Amazon's server first, the company's behind it"""
    vpc.in_task([v.AMAZON, v.CORP])


@scenario("PS1009", v.MORE[1])
def four_servers(vpc):
    """four servers, all of them good"""
    vpc.in_task([v.CORP, v.CORP2, *v.MORE])


@scenario("PS1010", "resolv.conf")
def no_server(vpc):
    """resolv.conf lists nobody"""
    vpc.in_task([], search=["corp.test"])


@scenario("PS1010", "/nothing", "no such file")
def no_file(vpc):
    """resolv.conf is not there"""
    vpc.in_task([])
    return {"PENSTOCK_RESOLV_CONF": vpc.folder + "/nothing"}


@scenario("PS1011", v.NO_ROUTE, "route|unreachable")
def no_route(vpc):
    """the only server is in a network to which there is no route"""
    vpc.in_task([v.NO_ROUTE])


@scenario("PS1012", v.NO_ROUTE6, "route|unreachable")
def ipv6_without_route(vpc):
    """the second server has an IPv6 address without a route"""
    vpc.in_task([v.CORP, v.NO_ROUTE6])


@scenario("PS1012", "fd00:ec2::253:53")
def ipv6_without_brackets(vpc):
    """a setting has an IPv6 address and a port without brackets"""
    return {"PENSTOCK_DNS_AWS_SERVERS": "169.254.169.253,fd00:ec2::253:53"}


@scenario("PS1013", v.CORP, "TCP")
def no_tcp(vpc):
    """a firewall refuses DNS over TCP"""
    vpc.corp_host.nft("add rule inet lab in tcp dport 53 reject with tcp reset")
    vpc.in_task([v.CORP])


@scenario("PS1014", v.CORP, "EDNS")
def no_edns(vpc):
    """a firewall drops queries that have an OPT record"""
    vpc.drop(vpc.corp_host, f"ip saddr {v.TASK} udp dport 53 @th,144,16 1")
    vpc.in_task([v.CORP])


@scenario("PS1015", "registry.stk", "ndots", "corp.test")
def search_list(vpc):
    """three search domains, and ndots that has each of them asked first"""
    vpc.in_task([v.AMAZON], search=["corp.test", "lan.corp.test", "example.com"], options="ndots:5")


@scenario("PS1015", "registry.stk.corp.test", "10.9.0.99", severity="warning")
def search_domain_answers(vpc):
    """a wildcard under the search domain answers before the registry's own name"""
    vpc.amazon.say({**v.amazon_names(), "*.corp.test": ["10.9.0.99"]})
    vpc.in_task([v.AMAZON], search=["corp.test"], options="ndots:5")


@scenario("PS1016", v.CORP, r"\d+ of \d+")
def loses(vpc):
    """every third query to the company's server gets lost"""
    lose(vpc, vpc.corp_host, f"ip saddr {v.TASK} udp dport 53", 3)
    vpc.in_task([v.CORP])


@scenario("PS1017", v.AMAZON, r"\d+ of \d+")
def rate_limit(vpc):
    """Amazon's server takes some queries at once and drops what comes above its rate"""
    vpc.drop(vpc.amazon_host, f"ip saddr {v.TASK} udp dport 53 limit rate over 2/second burst 3 packets")


@scenario("PS1018", v.CORP, "AmazonProvidedDNS", cause="1")
def older_than_the_option_set(vpc):
    """the option set says AmazonProvidedDNS by now, the task has the company's servers"""
    vpc.in_task([v.CORP])
    return with_account(vpc)


@scenario("PS1019", v.SLOW, r"\d{4} ms|1\.\d s")
def slow(vpc):
    """the server is far away: 1.2 s"""
    vpc.in_task([v.SLOW])


@scenario("PS1020", v.SINKHOLE, v.S3_NAME, r"0\.0\.0\.0", cause="1")
def sinkhole(vpc):
    """dnsmasq has AWS on its block list"""
    vpc.in_task([v.SINKHOLE])


@scenario("PS1021", v.CORP, v.AMAZON)
def edited(vpc):
    """resolv.conf names the company's server; ECS gave the task Amazon's"""
    vpc.in_task([v.CORP], metadata=[v.AMAZON])


# -- what Amazon's DNS is told -----------------------------------------------------------------------------------------

def with_account(vpc, *args, change=None, **more):
    """With credentials; change(account) breaks the account first."""
    with vpc.rebuilding() as account:
        if change:
            change(account)
    return {"args": args, "credentials": True, **more}


def from_outside(vpc, change=None, **more):
    """The same from a workstation: nothing is probed."""
    how = with_account(vpc, change=change, **more)
    return {**how, "args": ("--no-probe", "--vpc", vpc.account.vpc, "--cluster", "stk", "--task", vpc.account.task)}


@scenario("PS2001", "enableDnsSupport", cause="2")
def dns_support_off(vpc):
    """enableDnsSupport is off: Amazon's server is silent"""
    vpc.drop(vpc.amazon_host, "meta l4proto { tcp, udp } th dport 53")
    return with_account(vpc, change=lambda a: a.attribute("EnableDnsSupport", False))


@scenario("PS2002", "enableDnsHostnames", cause="2")
def dns_hostnames_off(vpc):
    """enableDnsHostnames is off: private zones do not hold"""
    vpc.amazon.say(v.amazon_names(registry="always_nxdomain"))
    return with_account(vpc, change=lambda a: a.attribute("EnableDnsHostnames", False))


@scenario("PS2003", v.REFUSING, "domain-name-servers", cause="1")
def option_set_without_amazon(vpc):
    """the option set names the company's server alone; looked at from outside"""
    return from_outside(vpc, lambda a: a.dhcp(v.REFUSING))


@scenario("PS2004", v.PLUS2, v.AMAZON)
def one_address_silent(vpc):
    """.253 answers, the VPC's address plus two does not"""
    vpc.drop(vpc.amazon_host, f"ip daddr {v.PLUS2}")
    return {"args": ("--dns", v.PLUS2)}


@scenario("PS2005", "amazonaws.com", v.REFUSING, "SERVFAIL")
def forward_rule(vpc):
    """a FORWARD rule sends AWS names to a server that refuses them"""
    table = {k: a for k, a in v.amazon_names().items() if "amazonaws" not in k}
    vpc.amazon.say(table, closed=False, forward={"amazonaws.com": v.REFUSING})
    return with_account(vpc, change=lambda a: a.forward_rule("amazonaws.com", v.REFUSING))


@scenario("PS2006", "eu-west-1.amazonaws.com", v.S3_NAME)
def hosted_zone(vpc):
    """a private hosted zone without the record hides the name"""
    table = {k: a for k, a in v.amazon_names().items() if "eu-west-1" not in k}
    vpc.amazon.say({**table, "eu-west-1.amazonaws.com": "always_nxdomain"})
    return with_account(vpc, change=lambda a: a.hosted_zone("eu-west-1.amazonaws.com"))


@scenario("PS2007", "block", v.S3_NAME, made_by=STUB)
def firewall_blocks(vpc):
    """DNS Firewall blocks S3 with NXDOMAIN"""
    vpc.amazon.say(v.amazon_names(s3="always_nxdomain"))
    return with_account(vpc, change=lambda a: a.firewall("*.eu-west-1.amazonaws.com.", v.S3_NAME + "."))


@scenario("PS2008", "FirewallFailOpen", "SERVFAIL", made_by=STUB)
def firewall_fails_closed(vpc):
    """DNS Firewall has failed and lets nothing through"""
    vpc.amazon.say({}, closed=False, forward={".": v.REFUSING})
    return with_account(vpc, change=lambda a: a.firewall("bad.example.", fail_open="DISABLED"))


@scenario("PS2009", v.CORP, v.S3_NAME, cause="1", severity="error")
def forwards_to_plus_two(vpc):
    """the company's server forwards AWS names to the VPC's address plus two, which is silent to it"""
    vpc.drop(vpc.amazon_host, f"ip saddr {v.CORP} ip daddr {v.PLUS2}")
    vpc.corp.say(v.OWN, closed=False, forward={**{z: v.PLUS2 for z in v.AWS_ZONES}, "stk": v.INBOUND, ".": v.INTERNET})
    vpc.in_task([v.CORP])
    return {}


@scenario("PS2010", "ACTION_NEEDED", made_by=STUB)
def resolver_endpoint_down(vpc):
    """an inbound endpoint needs attention"""
    def change(account):
        account.resolver_endpoint("INBOUND")
        account.front.state["endpoint_status"] = ("ACTION_NEEDED", "an interface of this endpoint was deleted")
    return with_account(vpc, change=change)


# -- the way to S3 -----------------------------------------------------------------------------------------------------

def no_public_s3(vpc):
    vpc.drop(vpc.s3_host, f"ip daddr {v.S3_PUBLIC}")


@scenario("PS3001", v.S3_PUBLIC, cause="2")
def no_way(vpc):
    """neither an endpoint nor NAT"""
    no_public_s3(vpc)
    return with_account(vpc, change=lambda a: a.remove_endpoint(a.s3_endpoint))


@scenario("PS3002", v.S3_PUBLIC, "vpce-", cause="2")
def no_private_dns(vpc):
    """an interface endpoint without private DNS"""
    no_public_s3(vpc)
    return with_account(vpc, change=lambda a: a.s3_by_interface(private_dns=False))


@scenario("PS3003", "vpce-", v.S3_PUBLIC, cause="2", made_by=STUB)
def inbound_only(vpc):
    """private DNS for inbound resolvers only, and a gateway endpoint beside it"""
    return with_account(vpc, change=lambda a: a.interface_endpoint("s3", True, inbound_only=True))


@scenario("PS3004", "rtb-", "vpce-", cause="2")
def gateway_in_other_tables(vpc):
    """the gateway endpoint is in no route table of this subnet"""
    no_public_s3(vpc)

    def change(account):
        account.remove_endpoint(account.s3_endpoint)
        other = account.ec2.create_route_table(VpcId=account.vpc)["RouteTable"]["RouteTableId"]
        account.gateway_endpoint([other])
    return with_account(vpc, change=change)


@scenario("PS3005", v.S3_PUBLIC, "time")
def times_out(vpc):
    """a firewall drops TCP 443 to S3"""
    vpc.drop(vpc.s3_host, "tcp dport 443")


@scenario("PS3006", v.S3_PUBLIC, "refused")
def refused(vpc):
    """a firewall refuses TCP 443 to S3"""
    vpc.s3_host.nft("add rule inet lab in tcp dport 443 reject with tcp reset")


@scenario("PS3007", "lab stranger CA", v.S3_PUBLIC)
def intercepted(vpc):
    """somebody in between signs S3's certificate with an authority of his own"""
    vpc.s3.present("stranger")


@scenario("PS3007", "expired", v.S3_PUBLIC)
def expired(vpc):
    """the certificate has expired"""
    vpc.s3.present("expired")


@scenario("PS3008", v.S3_PUBLIC, "reset|handshake")
def reset_in_handshake(vpc):
    """a firewall resets connections when it has seen the name"""
    vpc.s3.at_handshake = "reset"


@scenario("PS3009", "firewall.corp.test", v.S3_NAME)
def other_certificate(vpc):
    """the certificate is another host's"""
    vpc.s3.present("other name")


@scenario("PS3010", "far-bucket", "us-east-1", v.REGION)
def wrong_region(vpc):
    """the bucket is in us-east-1"""
    return {"bucket": "far-bucket"}


@scenario("PS3011", "403", "lab-bucket")
def denied(vpc):
    """S3 denies the bucket"""
    vpc.s3.override = lambda request: (403, []) if vpc.s3.bucket_of(request) else None


@scenario("PS3012", "s3.amazonaws.com", cause="2")
def legacy_name(vpc):
    """the settings allow S3's global name"""
    return {"PENSTOCK_ALLOW_HOSTS": "s3.amazonaws.com,*.s3.amazonaws.com,s3.eu-west-1.amazonaws.com"}


@scenario("PS3013", r"3\d\d\d|1 h|60 min|59 min")
def clock(vpc):
    """S3's clock is an hour ahead"""
    vpc.s3.skew = 3600


@scenario("PS3014", "HTTPS_PROXY", "proxy.corp.test")
def proxy_variable(vpc):
    """all requests are sent to the company's proxy"""
    return {"HTTPS_PROXY": "http://user:hunter2@proxy.corp.test:3128", "HTTP_PROXY": "http://proxy.corp.test:3128"}


@scenario("PS3015", "logs", cause="2")
def endpoint_missing(vpc):
    """no NAT, and no endpoint for logs"""
    return with_account(vpc, change=lambda a: a.remove_endpoint(a.endpoints["logs"]))


@scenario("PS3016", v.S3_HUB, v.S3_PUBLIC, v.CORP, cause="2")
def hub_by_own_servers(vpc):
    """the company's server knows the hub's endpoint; Amazon's gives public addresses, and these do not connect"""
    no_public_s3(vpc)
    vpc.corp.say({**v.OWN, **v.amazon_names([v.S3_HUB])})
    vpc.in_task([v.CORP])


# -- the registry ------------------------------------------------------------------------------------------------------

def forget_registry(vpc):
    vpc.amazon.say(v.amazon_names(registry="always_nxdomain"))


@scenario("PS4001", "stk", cause="3")
def no_namespace(vpc):
    """the namespace is not there"""
    forget_registry(vpc)

    def change(account):
        account.deregister("registry-1")
        account.servicediscovery.delete_service(Id=account.service)
        account.delete_namespace()
    return with_account(vpc, change=change)


@scenario("PS4001", "stk", cause="3")
def no_service(vpc):
    """the namespace has no service of that name"""
    forget_registry(vpc)

    def change(account):
        account.deregister("registry-1")
        account.servicediscovery.delete_service(Id=account.service)
    return with_account(vpc, change=change)


@scenario("PS4002", "registry.stk", v.AMAZON, "NXDOMAIN", cause="3")
def registered_not_resolvable(vpc):
    """Cloud Map has the registry, the DNS server has not"""
    forget_registry(vpc)
    return with_account(vpc)


@scenario("PS4003", "registry", cause="3")
def no_instance(vpc):
    """the service has no instance"""
    vpc.amazon.say(v.amazon_names(registry=[]))
    return with_account(vpc, change=lambda a: a.deregister("registry-1"))


@scenario("PS4004", "registry", "unhealthy", cause="3")
def all_unhealthy(vpc):
    """the only instance is unhealthy; Cloud Map then gives its address all the same"""
    vpc.registry_host.nft("add rule inet lab in tcp dport 80 reject with tcp reset")
    return with_account(vpc, change=lambda a: a.health("registry-1", "UNHEALTHY"))


@scenario("PS4005", "10.0.4.77", cause="3", exit_code=1)
def stale(vpc):
    """the address belongs to no task any more"""
    vpc.amazon.say(v.amazon_names(registry=["10.0.4.77"]))

    def change(account):
        account.deregister("registry-1")
        account.register("registry-2", "10.0.4.77")
    return with_account(vpc, change=change)


@scenario("PS4006", v.REGISTRY, "80", "refused")
def registry_refuses(vpc):
    """nobody listens at the registry's port"""
    vpc.registry_host.nft("add rule inet lab in tcp dport 80 reject with tcp reset")


# -- the task ----------------------------------------------------------------------------------------------------------

REASON = ("CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref "
          "123456789012.dkr.ecr.eu-west-1.amazonaws.com/penstock:lab: dial tcp: lookup "
          "123456789012.dkr.ecr.eu-west-1.amazonaws.com on 10.9.0.53:53: no such host")


@scenario("PS5001", "dkr.ecr.eu-west-1.amazonaws.com", "10.9.0.53", "no such host", cause="1")
def never_started(vpc):
    """the image's registry could not be resolved; the option set has been repaired since"""
    return from_outside(vpc, lambda a: a.stop(REASON))


@scenario("PS5002", v.CORP)
def dns_servers_of_the_definition(vpc):
    """the definition of an awsvpc task has dnsServers"""
    return with_task(vpc, dnsServers=[v.CORP])


@scenario("PS5003", "readonlyRootFilesystem|read-only")
def no_exec(vpc):
    """the container's root is read-only"""
    return with_task(vpc, readonlyRootFilesystem=True)


def with_task(vpc, **container):
    """The task anew, with these fields in its definition; its metadata tells the new one."""
    how = with_account(vpc, change=lambda a: a.run_defined(**container))
    vpc.in_task([v.AMAZON])
    return how


@scenario("PS6001", "ec2:DescribeVpcs", exit_code=2)
def permission_missing(vpc):
    """the role may not describe VPCs"""
    from lab.aws_account import READ, policy
    keys = {}
    how = with_account(vpc, change=lambda a: keys.update(a.user("poor", policy(READ, without=("ec2:DescribeVpcs",)))))
    return {**how, **keys}

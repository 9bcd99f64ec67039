"""The task metadata endpoint, version 4, as far as a program in the task reads it: GET of a document by its path."""

import json

from lab import http

ADDRESS = "169.254.170.2"
CONTAINER = "/v4/0123456789abcdef0123456789abcdef-3456789012"
ENV = {"ECS_CONTAINER_METADATA_URI_V4": f"http://{ADDRESS}{CONTAINER}"}


class Metadata(http.Server):
    """documents: path -> what is sent as JSON. requests: the targets that were asked for."""

    def __init__(self, host):
        self.documents = {}
        self.requests = []
        super().__init__(host, ADDRESS, 80)

    def describe(self, ip, servers, mac, subnet="10.0.1.0/24", gateway="10.0.1.1", search=(), ip6=None,
                 task_arn=None, cluster=None, family="s3-proxy", log_group="/quilt/stk/s3-proxy", region="eu-west-1"):
        """The container's document and the task's, for one interface."""
        task_arn = task_arn or f"arn:aws:ecs:{region}:123456789012:task/stk/8f03a1c2d3e4f5061728394a5b6c7d8e"
        cluster = cluster or f"arn:aws:ecs:{region}:123456789012:cluster/stk"
        network = {"NetworkMode": "awsvpc", "AttachmentIndex": 0, "MACAddress": mac,
                   "DomainNameServers": list(servers), "PrivateDNSName": f"ip-{(ip or 'none').replace('.', '-')}.ec2.internal"}
        if ip:
            network |= {"IPv4Addresses": [ip], "IPv4SubnetCIDRBlock": subnet, "SubnetGatewayIpv4Address": gateway + "/24"}
        if ip6:
            network |= {"IPv6Addresses": [ip6], "IPv6SubnetCIDRBlock": "fd00:1::/64"}
        if search:
            network["DomainNameSearchList"] = list(search)
        container = {
            "DockerId": "0123456789abcdef0123456789abcdef-3456789012", "Name": "s3-proxy", "DockerName": "s3-proxy",
            "Image": "penstock:lab", "KnownStatus": "RUNNING", "DesiredStatus": "RUNNING", "Type": "NORMAL",
            "Labels": {"com.amazonaws.ecs.cluster": cluster, "com.amazonaws.ecs.container-name": "s3-proxy",
                       "com.amazonaws.ecs.task-arn": task_arn, "com.amazonaws.ecs.task-definition-family": family,
                       "com.amazonaws.ecs.task-definition-version": "1"},
            "LogDriver": "awslogs",
            "LogOptions": {"awslogs-group": log_group, "awslogs-region": region,
                           "awslogs-stream": f"s3-proxy/{task_arn.rsplit('/', 1)[1]}"},
            "ContainerARN": task_arn.replace(":task/", ":container/") + "/0206b271-b33f-47ab-86c6-a0ba208a70a9",
            "Networks": [network]}
        task = {"Cluster": cluster, "TaskARN": task_arn, "Family": family, "Revision": "1", "DesiredStatus": "RUNNING",
                "KnownStatus": "RUNNING", "LaunchType": "FARGATE", "AvailabilityZone": region + "a", "ServiceName": family,
                "Containers": [container]}
        self.documents = {CONTAINER: container, CONTAINER + "/task": task}

    def serve(self, wire, number):
        while head := wire.head():
            request = http.Request(head, number)
            self.requests.append(request.target)
            for _ in request.pieces(wire):
                pass
            found = self.documents.get(request.target)
            body = json.dumps(found).encode() if found is not None else b"404 page not found\n"
            wire.sock.sendall(b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                              % (b"200 OK" if found is not None else b"404 Not Found", len(body)) + body)

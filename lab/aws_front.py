"""What stands before moto: it hands every request on as it came, notes its action, and makes up for what moto has not.

moto has no DNS Firewall (ListFirewallRuleGroupAssociations, ListFirewallRules, ListFirewallDomains, ListFirewallConfigs,
GetFirewallConfig): those are answered here, from `firewall`. DescribeTasks has neither enableExecuteCommand nor the
containers' managedAgents, DescribeVpcEndpoints no dnsOptions, and a Resolver endpoint is always OPERATIONAL: those are
put into moto's answers, from `exec_command`, `inbound_only` and `endpoint_status`. What moto never says (throttling, empty
pages, a service that is out of order) is said here, from `said`. Everything else is moto's own."""

import http.client
import json
import re
import urllib.parse

from lab import http as labhttp

MOTO = ("127.0.0.1", 5000)


class Front(labhttp.Server):
    def __init__(self, host, port=80, context=None, share=None):
        """share: another front whose state this one shows on a second port."""
        if share:
            self.state = share.state
        else:
            self.state = {}
            self.reset()
        super().__init__(host, "", port, context)

    def reset(self):
        """actions: what was asked, in order; errors: (action, status, body). firewall: {"associations", "rules",
        "domains", "config"}; exec_command: fields of tasks and of their containers, or None;
        inbound_only: endpoint -> its privateDnsOnlyForInboundResolverEndpoint; endpoint_status: (status, message) of Resolver endpoints.
        said: action ("*": any) -> [(status, body, headers)] for its next requests; None in its place is moto's own answer.
        requests: (action, body) of all."""
        self.state.update(actions=[], errors=[], firewall={}, exec_command=None, inbound_only={}, endpoint_status=None,
                          said={}, requests=[])

    def __getattr__(self, name):
        if name in ("actions", "errors", "firewall", "exec_command", "inbound_only",
                    "endpoint_status", "said", "requests"):
            return self.state[name]
        raise AttributeError(name)

    @staticmethod
    def action_of(request):
        target = request.headers.get("x-amz-target")
        if target:
            return target.split(".")[-1]
        form = urllib.parse.parse_qs(bytes(request.body).decode("utf-8", "replace"))
        return form["Action"][0] if "Action" in form else f"{request.method} {request.target.split('?')[0]}"

    def serve(self, wire, number):
        while head := wire.head():
            request = labhttp.Request(head, number)
            for _ in request.pieces(wire):
                pass
            action = self.action_of(request)
            self.actions.append(action)
            self.requests.append((action, bytes(request.body).decode("utf-8", "replace")))
            waiting = self.said.get(action) or self.said.get("*")
            said = waiting.pop(0) if waiting else None
            made = (said[0], said[2] if len(said) > 2 else [], said[1]) if said else self._firewall(action, request)
            status, headers, body = made or self._from_moto(request)
            if status >= 400:
                self.errors.append((action, status, body))
            if made is None and status == 200:
                body = self._completed(action, body)
            lines = [f"{n}: {v}".encode("latin-1") for n, v in headers
                     if n.lower() not in ("content-length", "connection", "transfer-encoding")]
            wire.sock.sendall(b"\r\n".join([b"HTTP/1.1 %d X" % status, *lines, b"Content-Length: %d" % len(body)])
                              + b"\r\n\r\n" + (b"" if request.method == "HEAD" else body))

    def _from_moto(self, request):
        connection = http.client.HTTPConnection(*MOTO)
        connection.sock = self.host.connect(MOTO, timeout=30)
        connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.raw:
            if name.lower() not in (b"connection", b"transfer-encoding", b"expect"):
                connection.putheader(name, value)
        connection.endheaders(bytes(request.body) or None)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, response.getheaders(), body

    def _firewall(self, action, request):
        config = self.firewall.get("config", {"Id": "rslvr-fc-1", "OwnerId": "123456789012",
                                              "FirewallFailOpen": "DISABLED"})
        answers = {
            "ListFirewallRuleGroupAssociations": {"FirewallRuleGroupAssociations": self.firewall.get("associations", [])},
            "ListFirewallRules": {"FirewallRules": self.firewall.get("rules", [])},
            "ListFirewallDomains": {"Domains": self.firewall.get("domains", [])},
            "ListFirewallConfigs": {"FirewallConfigs": [config] if self.firewall else []},
            "GetFirewallConfig": {"FirewallConfig": config}}
        if action not in answers:
            return None
        headers = [("Content-Type", "application/x-amz-json-1.1")]
        if "Credential=" not in (request.headers.get("authorization") or ""):
            return 400, headers, b'{"__type": "MissingAuthenticationTokenException", "message": "not signed"}'
        if action == "ListFirewallDomains":
            wanted = json.loads(bytes(request.body) or b"{}").get("FirewallDomainListId")
            answers[action]["Domains"] = self.firewall.get("domains", {}).get(wanted, [])
        return 200, headers, json.dumps(answers[action]).encode()

    def _completed(self, action, body):
        if action == "DescribeTasks" and self.exec_command:
            found = json.loads(body)
            for task in found["tasks"]:
                task.update(self.exec_command.get("task", {}))
                for container in task["containers"]:
                    container.update(self.exec_command.get("container", {}))
            return json.dumps(found).encode()
        if action == "ListResolverEndpoints" and self.endpoint_status:
            found = json.loads(body)
            for endpoint in found["ResolverEndpoints"]:
                endpoint["Status"], endpoint["StatusMessage"] = self.endpoint_status
            return json.dumps(found).encode()
        if action == "DescribeVpcEndpoints":
            for endpoint, only in self.inbound_only.items():
                options = ("<dnsOptions><dnsRecordIpType>ipv4</dnsRecordIpType><privateDnsOnlyForInboundResolverEndpoint>"
                           f"{str(only).lower()}</privateDnsOnlyForInboundResolverEndpoint></dnsOptions>")
                body = re.sub(rf"(<vpcEndpointId>{endpoint}</vpcEndpointId>)".encode(), rb"\1" + options.encode(), body)
        return body

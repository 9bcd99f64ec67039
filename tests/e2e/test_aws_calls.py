"""AWS calls (tests/tools/aws_call.c, the room src/aws) against moto, which checks signatures and permissions here.

moto knows no clock, no throttling and no empty pages, and its own host is none of AWS's: a relay before it (Relay) looks
at the date as AWS does, and says what a test told it to say; everything else is moto's answer. The agents of ECS and
EC2 at their link-local addresses are small servers in this namespace."""

import base64
import datetime
import http.client
import http.server
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from lab import net
from lab.ca import CA
from test_sigv4 import driver

REGION, PORT = "eu-west-1", 5571
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEX64 = re.compile("[0-9a-fA-F]{64}")


class Relay(http.server.ThreadingHTTPServer):
    """Before moto. answers: (status, headers, body) for the next requests, or None for moto's own answer."""

    daemon_threads = True

    def __init__(self, address, context=None):
        self.answers, self.seen, self.offset = [], [], 0
        super().__init__(address, Handler)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def too_old(self):
        """AWS's check: five minutes either way."""
        date = self.headers.get("X-Amz-Date")
        if not date:
            return False
        when = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        return abs(time.time() - when.timestamp()) > 300

    def own(self):
        if self.too_old():
            if "json" in (self.headers.get("Content-Type") or ""):
                return 400, {}, b'{"__type":"InvalidSignatureException","message":"Signature expired: too old"}'
            return 403, {}, (b"<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>Signature expired"
                             b"</Message></Error></ErrorResponse>")
        return self.server.answers.pop(0) if self.server.answers else None

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        status, headers, said = self.own() or self.from_moto(body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PUT = answer

    def from_moto(self, body):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "content-length"):
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, {}, response.read()


def moto_api(path, body):
    urllib.request.urlopen(urllib.request.Request(
        f"http://127.0.0.1:{PORT}/moto-api/{path}", data=body, method="POST", headers={"Content-Type": "text/plain"}),
        timeout=30).close()


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    """Users with keys; from then on moto asks who it is. Stands in this namespace, whichever it is."""
    import boto3
    net.run("ip", "link", "set", "lo", "up")
    folder = tmp_path_factory.mktemp("moto")
    address = folder / "next"
    address.write_text("10.0.1.20")
    log = open(folder / "log", "w")
    process = subprocess.Popen(
        [sys.executable, "-m", "lab.moto_server", str(address), "-H", "127.0.0.1", "-p", str(PORT)], stdout=log,
        stderr=log, stdin=subprocess.DEVNULL, env=dict(os.environ, PYTHONPATH=ROOT, AWS_EC2_METADATA_DISABLED="true"))
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", PORT), 1).close()
            break
        except OSError:
            assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.1)

    def client(name):
        return boto3.client(name, region_name=REGION, endpoint_url=f"http://127.0.0.1:{PORT}",
                            aws_access_key_id="b", aws_secret_access_key="b")
    iam = client("iam")
    users = {}
    for name, actions in {"reader": ["ec2:*", "ecs:*", "logs:*", "servicediscovery:*", "route53resolver:*",
                                     "route53:*", "sts:*"], "nobody": ["s3:ListBuckets"]}.items():
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        users[name] = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"},
                                                     "Action": "sts:AssumeRole"}]}
    iam.create_role(RoleName="task", AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName="task", PolicyName="p", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]}))
    client("logs").create_log_group(logGroupName="/g")
    client("ecs").create_cluster(clusterName="c")
    assumed = client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/task", RoleSessionName="lab")
    users["role"] = assumed["Credentials"]
    moto_api("reset-auth", b"0")
    yield users
    process.terminate()
    process.wait(10)


@pytest.fixture
def relay(moto):
    server = Relay(("127.0.0.1", 0))
    yield server
    server.shutdown()
    server.server_close()


def ask(env, *lines, base=True):
    """Answers, one a line. The environment is the session's: nothing of this process's own goes in."""
    given = {"AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"} if base else {}
    given.update(env)
    done = subprocess.run([driver("aws-call")], input="".join(json.dumps(line) + "\n" for line in lines).encode(),
                          capture_output=True, env=given, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-4000:]
    answers = [json.loads(line) for line in done.stdout.decode("utf-8").splitlines()]
    assert len(answers) == len(lines)
    for name, value in env.items():
        if "SECRET" in name or "TOKEN" in name and "FILE" not in name:
            assert value not in done.stdout.decode(), f"{name} shows in the output"
    for answer in answers:
        told = json.dumps([answer.get("error"), answer.get("sources")] if isinstance(answer, dict) else answer)
        assert not HEX64.search(told), told
    return answers if len(answers) > 1 else answers[0]


def call(service, operation, params=(), **more):
    return {"service": service, "operation": operation, "params": [list(p) for p in params], **more}


VPC = [("vpcid", "vpc-1"), ("vpcregion", REGION)]
EACH = [call("ec2", "DescribeVpcs"), call("ec2", "DescribeDhcpOptions"),
        call("ec2", "DescribeSubnets", [("Filter.1.Name", "cidr-block"), ("Filter.1.Value.1", "10.0.0.0/16 & x")]),
        call("sts", "GetCallerIdentity"), call("ecs", "ListTasks", body={"cluster": "c"}),
        call("logs", "FilterLogEvents", body={"logGroupName": "/g", "filterPattern": "\u00e9\"&"}),
        call("servicediscovery", "ListNamespaces"), call("route53resolver", "ListResolverRules"),
        call("route53", "ListHostedZonesByVPC", VPC, path="/2013-04-01/hostedzonesbyvpc")]


def test_good_key(moto, relay, table):
    answers = ask({**moto["reader"], "AWS_ENDPOINT_URL": relay.url}, *EACH)
    for line, answer in zip(EACH, answers):
        assert answer["error"]["kind"] == "ok" and answer["reply"] is not None, (line, answer)
        assert answer["error"]["tries"] == 1 and answer["has_skew"] and abs(answer["skew"]) <= 2
    assert len({a["error"]["action"].split(":")[0] for a in answers}) == 7
    table.setdefault(("AWS calls", "against moto with authentication on", "calls", "ok"), []).append(
        ["good key", len(EACH), len(answers)])


def test_the_key_of_a_role_with_its_token(moto, relay):
    keys = moto["role"]
    env = {"AWS_ACCESS_KEY_ID": keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
           "AWS_SESSION_TOKEN": keys["SessionToken"], "AWS_ENDPOINT_URL": relay.url}
    good, denied = ask(env, EACH[0], EACH[4])
    assert good["error"]["kind"] == "ok", good
    assert denied["error"]["kind"] == "denied" and denied["error"]["action"] == "ecs:ListTasks", denied


def test_wrong_key(moto, relay):
    """A secret that is another's, and an id that nobody has: each in the words of its service."""
    wrong = {**moto["reader"], "AWS_SECRET_ACCESS_KEY": moto["nobody"]["AWS_SECRET_ACCESS_KEY"]}
    unknown = {"AWS_ACCESS_KEY_ID": "AKIANOBODYHASTHISONE", "AWS_SECRET_ACCESS_KEY": "x" * 40}
    for env in (wrong, unknown):
        for line, answer in zip(EACH, ask({**env, "AWS_ENDPOINT_URL": relay.url}, *EACH)):
            assert answer["error"]["kind"] == "bad_key" and answer["reply"] is None, (line, answer)
            assert answer["error"]["code"] and answer["error"]["tries"] == 1


def test_missing_permission(moto, relay):
    for line, answer in zip(EACH, ask({**moto["nobody"], "AWS_ENDPOINT_URL": relay.url}, *EACH)):
        if line["operation"] == "GetCallerIdentity":  # which nobody can be denied, at AWS; moto's answer is its own
            continue
        prefix = {"ec2": "ec2", "ecs": "ecs"}.get(line["service"], line["service"])
        assert answer["error"]["kind"] == "denied", (line, answer)
        assert answer["error"]["action"] == f"{prefix}:{line['operation']}"


@pytest.mark.parametrize("offset", [-7200, -301, 301, 86400])
def test_stale_date(moto, relay, offset):
    env = {**moto["reader"], "AWS_ENDPOINT_URL": relay.url, "AWS_CALL_OFFSET_S": str(offset * 2)}
    for answer in ask(env, EACH[0], EACH[3], EACH[4]):
        assert answer["error"]["kind"] == "clock", answer
        assert abs(answer["error"]["skew"] - offset * 2) <= 2 and answer["error"]["tries"] == 1


def test_a_clock_that_is_nearly_right(moto, relay):
    answer = ask({**moto["reader"], "AWS_ENDPOINT_URL": relay.url, "AWS_CALL_OFFSET_S": "-120"}, EACH[0])
    assert answer["error"]["kind"] == "ok" and abs(answer["skew"] + 120) <= 2


THROTTLED = {
    "ec2": (503, {}, b"<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit exceeded."
                     b"</Message></Error></Errors><RequestID>r</RequestID></Response>"),
    "ecs": (400, {"x-amzn-ErrorType": "ThrottlingException"}, b'{"__type":"ThrottlingException","message":"Rate"}'),
    "route53": (400, {}, b"<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error>"
                         b"</ErrorResponse>"),
}


@pytest.mark.parametrize("times", [1, 2, 5])
def test_throttling(moto, relay, times):
    """moto cannot: the relay says what AWS says, then moto answers."""
    for line in (EACH[0], EACH[4], EACH[8]):
        relay.answers = [THROTTLED[line["service"]]] * times
        relay.seen.clear()
        began = time.monotonic()
        answer = ask({**moto["reader"], "AWS_ENDPOINT_URL": relay.url}, line)
        assert answer["error"]["kind"] == ("ok" if times < 3 else "throttled"), answer
        assert len(relay.seen) == answer["error"]["tries"] == min(times + 1, 3)
        # It waits before it comes again, longer each time, and signs anew.
        assert time.monotonic() - began > (0.25 if times == 1 else 0.75)
        assert len({h["Authorization"] for _, _, h, _ in relay.seen}) >= min(times, 2)


def test_pages_and_empty_ones(moto, relay):
    """Cloud Map's namespaces out of moto in pages; CloudWatch's empty pages, which moto never has, by the relay."""
    def page(events, token):
        body = {"events": events, **({"nextToken": token} if token else {})}
        return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(body).encode()
    relay.answers = [page([], "a/1"), page([], "b=2"), page([{"message": "x"}], "c"), page([], None)]
    line = call("logs", "FilterLogEvents", body={"logGroupName": "/g"}, pages=50)
    answer = ask({**moto["reader"], "AWS_ENDPOINT_URL": relay.url}, line)
    assert answer["error"]["kind"] == "ok" and [len(p["events"]) for p in answer["pages"]] == [0, 0, 1, 0]
    assert [json.loads(b).get("nextToken") for _, _, _, b in relay.seen] == [None, "a/1", "b=2", "c"]
    relay.answers = [page([], "a"), page([], "b"), page([], "a")]
    answer = ask({**moto["reader"], "AWS_ENDPOINT_URL": relay.url}, line)
    assert answer["error"]["kind"] == "protocol" and len(answer["pages"]) == 2


def test_pages_of_moto(moto, relay):
    """moto's own pages: log groups, one by one."""
    keys = {**moto["reader"], "AWS_ENDPOINT_URL": relay.url}
    made = ask(keys, *[call("logs", "CreateLogGroup", body={"logGroupName": f"/page/{i}"}) for i in range(5)])
    assert all(a["error"]["kind"] == "ok" for a in made), made
    line = call("logs", "DescribeLogGroups", body={"logGroupNamePrefix": "/page", "limit": 2}, pages=10)
    whole = ask(keys, line)
    assert [g["logGroupName"] for p in whole["pages"] for g in p["logGroups"]] == [f"/page/{i}" for i in range(5)]
    assert len(whole["pages"]) == 3 and not whole["cut"]
    cut = ask(keys, {**line, "pages": 2})
    assert cut["cut"] and len(cut["pages"]) == 2 and cut["error"]["kind"] == "ok"


def test_hosts_and_regions_are_those_of_boto3():
    """Where calls would go without any endpoint given, and what they would be signed for, in every partition."""
    import boto3
    services = ["ec2", "ecs", "logs", "servicediscovery", "route53resolver", "route53", "sts"]
    for region in ("us-east-1", "eu-west-1", "ap-southeast-2", "cn-north-1", "cn-northwest-1", "us-gov-west-1",
                   "us-gov-east-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1",
                   "eusc-de-east-1"):
        asked = [{"hosts": [s]} for s in services]
        ours = ask({"AWS_REGION": region}, *asked)
        theirs = [boto3.client(s, region_name=region, aws_access_key_id="a", aws_secret_access_key="b")
                  .meta.endpoint_url.removeprefix("https://") for s in services]
        assert [a[0] for a in ours] == theirs, region
    assert ask({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, {"hosts": services}) == []
    assert ask({"AWS_ENDPOINT_URL_ROUTE_53": "https://r53.example:8443", "AWS_WEB_IDENTITY_TOKEN_FILE": "/t"},
               {"hosts": ["route53"]}) == ["r53.example", f"sts.{REGION}.amazonaws.com"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return CA(str(tmp_path_factory.mktemp("ca")))


def https(moto, authority, name, **more):
    """A call to EC2's own name, which resolves to loopback here, where a server has a certificate for `name`."""
    server = Relay(("127.0.0.1", 443), authority.context("tls-" + name, [name], **more))
    try:
        return ask({**moto["reader"], "AWS_CALL_CA": authority.path, "AWS_CALL_HOSTS": EC2 + "=127.0.0.1"}, EACH[0])
    finally:
        server.shutdown()
        server.server_close()


EC2 = f"ec2.{REGION}.amazonaws.com"


def test_tls(moto, authority):
    assert https(moto, authority, EC2)["error"]["kind"] == "ok"
    for name, more in (("ec2.us-east-1.amazonaws.com", {}), (EC2, {"days": (-9, -1)})):
        error = https(moto, authority, name, **more)["error"]
        assert (error["kind"], error["reach"], error["tries"]) == ("unreachable", "tls", 1), error
    other = CA(os.path.dirname(authority.path), "another CA")
    server = Relay(("127.0.0.1", 443), other.context("other", [EC2]))
    error = ask({**moto["reader"], "AWS_CALL_CA": authority.path, "AWS_CALL_HOSTS": EC2 + "=127.0.0.1"},
                EACH[0])["error"]
    server.shutdown()
    server.server_close()
    assert (error["kind"], error["reach"]) == ("unreachable", "tls"), error
    error = ask({**moto["reader"], "AWS_CALL_CA": "/nowhere.pem", "AWS_CALL_HOSTS": EC2 + "=127.0.0.1"},
                EACH[0])["error"]
    assert (error["kind"], error["reach"]) == ("unreachable", "connect"), error


def test_unreachable(moto):
    """Each way not to get there, told apart, within its time."""
    silent = socket.create_server(("127.0.0.2", 443), backlog=5)
    for hosts, reach, most_s in (("", "dns", 2), (EC2 + "=127.0.0.3", "connect", 4), (EC2 + "=127.0.0.2", "tls", 9),
                                 (EC2 + "=169.254.169.254", "forbidden", 2)):
        began = time.monotonic()
        answer = ask({**moto["reader"], "AWS_CALL_HOSTS": hosts}, EACH[0])
        assert (answer["error"]["kind"], answer["error"]["reach"]) == ("unreachable", reach), answer
        assert time.monotonic() - began < most_s
    began = time.monotonic()
    answers = ask({**moto["reader"], "AWS_CALL_HOSTS": EC2 + "=127.0.0.2", "AWS_CALL_TIMEOUT_MS": "1500"},
                  *[EACH[0]] * 4)
    assert all(a["error"]["kind"] == "unreachable" for a in answers) and time.monotonic() - began < 2.5
    assert answers[-1]["error"]["reach"] == "no_time"
    silent.close()


def test_nothing_resolves_by_itself(moto, relay, tmp_path):
    """With a resolv.conf that leads here, no packet comes to port 53: names are the callback's alone."""
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    net.run("mount", "--bind", str(tmp_path / "resolv.conf"), "/etc/resolv.conf")
    watch = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    watch.bind(("127.0.0.1", 53))
    watch.settimeout(5)
    try:
        subprocess.run(["getent", "ahosts", "canary.example"], check=False, capture_output=True)
        while b"canary" not in watch.recv(512):  # what asks the system is seen
            pass
        env = {**moto["reader"], "AWS_CALL_HOSTS": "moto.example=127.0.0.1"}
        good, bad = (ask({**env, "AWS_ENDPOINT_URL": url}, EACH[0])["error"]
                     for url in (f"http://moto.example:{relay.server_address[1]}", "http://unknown.example"))
        assert good["kind"] == "ok" and (bad["kind"], bad["reach"]) == ("unreachable", "dns"), (good, bad)
        watch.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                assert b"canary" in watch.recv(512)
    finally:
        watch.close()
        net.run("umount", "/etc/resolv.conf")


class Agent(http.server.ThreadingHTTPServer):
    """ECS's agent or EC2's metadata: replies by path."""

    daemon_threads = True

    def __init__(self, address, replies):
        self.replies, self.seen = replies, []
        super().__init__(address, AgentHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class AgentHandler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def answer(self):
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        needed, body = self.server.replies.get((self.command, self.path), (None, None))
        ok = body is not None and (needed is None or needed.items() <= {n.lower(): v for n, v in self.headers.items()}.items())
        self.send_response(200 if ok else 401)
        self.end_headers()
        self.wfile.write(body if ok else b"")

    do_GET = do_PUT = answer


def document(keys):
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    return json.dumps({"Code": "Success", "AccessKeyId": keys["AWS_ACCESS_KEY_ID"],
                       "SecretAccessKey": keys["AWS_SECRET_ACCESS_KEY"], "Token": "",
                       "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ")}).encode()


@pytest.fixture
def link_local(moto):
    """The agents' addresses, in this namespace."""
    addresses = ("169.254.170.2", "169.254.169.254")
    for address in addresses:
        net.run("ip", "addr", "add", address + "/32", "dev", "lo")
    where = "/latest/meta-data/iam/security-credentials/"
    token = {"x-aws-ec2-metadata-token": "imds"}
    agents = [Agent((addresses[0], 80), {("GET", "/v2/credentials/1"): (None, document(moto["reader"]))}),
              Agent((addresses[1], 80), {
                  ("PUT", "/latest/api/token"): ({"x-aws-ec2-metadata-token-ttl-seconds": "300"}, b"imds"),
                  ("GET", where): (token, b"role"), ("GET", where + "role"): (token, document(moto["reader"]))})]
    yield agents
    for agent, address in zip(agents, addresses):
        agent.shutdown()
        agent.server_close()
        net.run("ip", "addr", "del", address + "/32", "dev", "lo")


def test_the_task_and_the_instance(link_local, moto, relay):
    ecs, imds = link_local
    own = {"AWS_REGION": REGION, "AWS_ENDPOINT_URL": relay.url, "AWS_CALL_LINK_LOCAL": "1"}
    task = {**own, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1"}
    for env, source in ((task, "container"), (own, "instance")):
        look, vpcs, again = ask(env, {"look": True}, EACH[0], EACH[4], base=False)
        assert look["ok"] and look["source"] == source and look["sources"][source][0] == "gave", look
        assert vpcs["error"]["kind"] == again["error"]["kind"] == "ok"
    assert len(ecs.seen) == 1 and [s[0] for s in imds.seen] == ["PUT", "GET", "GET"]  # fetched once, used three times
    assert moto["reader"]["AWS_SECRET_ACCESS_KEY"] not in json.dumps(look)


def test_link_local_is_left_alone_where_it_is_not_allowed(link_local, relay):
    own = {"AWS_REGION": REGION, "AWS_ENDPOINT_URL": relay.url}
    for env in (own, {**own, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1"},
                {**own, "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://imds.example",
                 "AWS_CALL_HOSTS": "imds.example=169.254.169.254"}):
        look, vpcs = ask(env, {"look": True}, EACH[0], base=False)
        assert not look["ok"] and vpcs["error"]["kind"] == "no_credentials", look
        assert vpcs["error"]["action"] == "ec2:DescribeVpcs"
    own["AWS_CALL_LINK_LOCAL"] = "1"
    look = ask({**own, "AWS_EC2_METADATA_DISABLED": "true"}, {"look": True}, base=False)
    assert look["sources"]["instance"] == ["absent", "AWS_EC2_METADATA_DISABLED is true"], look
    assert not any(agent.seen for agent in link_local)


def test_web_identity_and_roles_of_profiles(moto, relay, tmp_path):
    """STS as moto has it: unsigned with a token, and signed with another profile's keys."""
    claims = base64.urlsafe_b64encode(b'{"sub":"penstock"}').decode().rstrip("=")
    (tmp_path / "jwt").write_text(f"e30.{claims}.c2ln")
    (tmp_path / "credentials").write_text(
        f"[base]\naws_access_key_id={moto['reader']['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key={moto['reader']['AWS_SECRET_ACCESS_KEY']}\n")
    (tmp_path / "config").write_text(
        f"[profile task]\nregion = {REGION}\nrole_arn = arn:aws:iam::123456789012:role/task\nsource_profile = base\n")
    moto_api("reset-auth", b"inf")
    web = ask({"AWS_ENDPOINT_URL": relay.url, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "jwt"),
               "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/task"}, {"look": True})
    moto_api("reset-auth", b"0")
    assert web["ok"] and web["source"] == "web identity" and web["expires"] > time.time() + 3000, web
    assert "Authorization" not in relay.seen[0][2]
    look, vpcs, tasks = ask({"AWS_ENDPOINT_URL": relay.url, "AWS_PROFILE": "task", "AWS_EC2_METADATA_DISABLED": "true",
                             "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
                             "AWS_CONFIG_FILE": str(tmp_path / "config")}, {"look": True}, EACH[0], EACH[4], base=False)
    assert look["ok"] and look["source"] == "profile" and look["id"].startswith("ASIA"), look
    assert vpcs["error"]["kind"] == "ok" and tasks["error"]["kind"] == "denied", (vpcs, tasks)

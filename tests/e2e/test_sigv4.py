"""Our signatures (tests/tools/sign.c) beside botocore's signer, on generated requests: paths, queries, headers,
tokens, services and dates. Every request must have the same headers added, the signature among them."""

import datetime
import json
import os
import random
import subprocess
import urllib.parse

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEED, N_REQUESTS = 4, 6000
SERVICES = ["s3", "ec2", "ecs", "logs", "servicediscovery", "route53resolver", "route53", "sts"]
REGIONS = ["us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1", "ap-southeast-2"]
LETTERS = "abcXYZ019-_.~"
ODD = " !\"#$%&'()*+,/:;<=>?@[]^`{|}\t\u00e9\u20ac\U0001f600"


def driver(name="sign"):
    path = os.path.join(os.environ.get("PENSTOCK_TEST_TOOLS") or
                        os.path.join(ROOT, "build-asan-gcc", "tests", "tools"), name)
    assert os.access(path, os.X_OK), f"no {path}: build with -Dtests=true first (PENSTOCK_TEST_TOOLS names a folder)"
    return path


def signed(requests):
    done = subprocess.run([driver()], input="".join(json.dumps(r) + "\n" for r in requests).encode(),
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-4000:]
    lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert len(lines) == len(requests)
    return lines


def word(rng, most, odd=ODD):
    return "".join(rng.choice(LETTERS + odd if rng.random() < 0.4 else LETTERS) for _ in range(rng.randint(0, most)))


def a_path(rng):
    """As it goes out: encoded, with the segments that only some services take away."""
    parts = []
    for _ in range(rng.randint(0, 6)):
        parts.append(rng.choice([".", "..", "", urllib.parse.quote(word(rng, 12), safe=""), word(rng, 8, ""),
                                 urllib.parse.quote(word(rng, 8), safe="!$&'()*+,;=:@")]))
    return "/" + "/".join(parts)


def a_query(rng):
    """Pairs; names come twice, values are empty, the order is any."""
    names = [word(rng, 6) or "n" for _ in range(rng.randint(0, 4))]
    return [(rng.choice(names), word(rng, 10)) for _ in range(rng.randint(0, 8)) if names]


def some_headers(rng, host):
    headers = [("Host", host)]
    for _ in range(rng.randint(0, 6)):
        name = rng.choice(["Content-Type", "X-Amz-Target", "x-amz-meta-A", "X-Amz-Acl", "Range", "X-Zed", "accept"])
        # Two of one name differ in letter case at most; white space in values is folded.
        value = rng.choice(["", " ", "  "]) + " ".join(
            word(rng, 6, ",;=/*\"") + rng.choice(["", " ", "\t", "   "]) for _ in range(rng.randint(1, 4)))
        headers.append((name, value.replace("\n", "") or "x"))
    rng.shuffle(headers)
    return headers


def a_request(rng):
    service = rng.choice(SERVICES)
    region = rng.choice(REGIONS)
    host = rng.choice([f"{service}.{region}.amazonaws.com", "127.0.0.1:5000", "bucket.s3.amazonaws.com"])
    query = "&".join(urllib.parse.quote(n, safe="") + "=" + urllib.parse.quote(v, safe="") for n, v in a_query(rng))
    return {
        "method": rng.choice(["GET", "PUT", "POST", "DELETE", "HEAD"]),
        "path": a_path(rng), "query": query, "headers": some_headers(rng, host),
        "body": rng.randbytes(rng.choice([0, 0, 1, 63, 64, 500])).hex(),
        "unsigned": service == "s3" and rng.random() < 0.3,
        "id": "AKIA" + word(rng, 12, "").upper(), "secret": word(rng, 40, "+/=") or "s",
        "token": word(rng, 200, "+/=") if rng.random() < 0.5 else "",
        "region": region, "service": service, "time": rng.randrange(0, 4102444800),
    }


def botocores(monkeypatch, request):
    """The headers that botocore adds."""
    when = datetime.datetime.fromtimestamp(request["time"], datetime.timezone.utc)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: when)
    host = dict((n.lower(), v) for n, v in request["headers"])["host"].strip()
    url = f"https://{host}{request['path']}" + ("?" + request["query"] if request["query"] else "")
    theirs = AWSRequest(method=request["method"], url=url, data=bytes.fromhex(request["body"]))
    for name, value in request["headers"]:
        theirs.headers.add_header(name, value)
    theirs.context["payload_signing_enabled"] = not request["unsigned"]
    if request["unsigned"]:
        theirs.context["client_config"] = Unsigned
    kind = botocore.auth.S3SigV4Auth if request["service"] == "s3" else botocore.auth.SigV4Auth
    kind(Credentials(request["id"], request["secret"], request["token"] or None), request["service"],
         request["region"]).add_auth(theirs)
    added = {}
    for name in ("X-Amz-Date", "X-Amz-Content-SHA256", "X-Amz-Security-Token", "Authorization"):
        if name in theirs.headers:
            added[name.lower()] = theirs.headers[name]
    return added


class Unsigned:
    s3 = {"payload_signing_enabled": False}


def test_same_as_botocore(monkeypatch, table):
    rng = random.Random(SEED)
    requests = [a_request(rng) for _ in range(N_REQUESTS)]
    differ = []
    for request, lines in zip(requests, signed(requests)):
        assert lines is not None, request
        ours = dict((n.lower(), v) for n, v in (line.split(": ", 1) for line in lines.split("\r\n") if line))
        theirs = botocores(monkeypatch, request)
        if ours != theirs:
            differ.append((request, ours, theirs))
    assert not differ, (len(differ), differ[0])
    # What was generated is what it claims to be.
    assert sum(r["service"] == "s3" for r in requests) > 300 and sum(r["unsigned"] for r in requests) > 100
    assert sum("//" in r["path"] or "/.." in r["path"] for r in requests) > 1000
    assert sum(bool(r["token"]) for r in requests) > 1000 and len({r["time"] for r in requests}) > 5000
    table.setdefault(("Signatures", "signer", "requests", "same"), []).append(["botocore", N_REQUESTS, N_REQUESTS])


def test_one_bit_makes_another_signature():
    """The comparison above can fail: whatever of the request changes, the signature does."""
    rng = random.Random(SEED + 1)
    base = a_request(rng)
    base.update(method="GET", path="/a", query="b=c", service="ec2", unsigned=False, body="00", token="t")
    changed = [{**base, **change} for change in (
        {}, {"method": "PUT"}, {"path": "/A"}, {"query": "b=d"}, {"body": "01"}, {"secret": base["secret"] + "x"},
        {"token": "u"}, {"region": "xx-east-1"}, {"service": "ecs"}, {"time": base["time"] + 1},
        {"headers": [*base["headers"], ["x-more", "1"]]})]
    signatures = [lines.rsplit("Signature=", 1)[1] for lines in signed(changed)]
    assert len(set(signatures)) == len(changed)


def test_what_is_refused():
    rng = random.Random(SEED + 2)
    base = a_request(rng)
    host = [["Host", "h"]]
    for change in ({"headers": []}, {"headers": [*host, ["X-Amz-Date", "x"]]}, {"headers": [*host, ["a b", "x"]]},
                   {"headers": [*host, ["a", "x\r\nb: c"]]}, {"path": "a"}, {"path": "/a b"}, {"query": "a b"},
                   {"method": "GET /"}, {"id": ""}, {"token": "a\nb"}, {"region": ""}, {"service": ""},
                   {"time": -10**14}, {"headers": [["Host", "h"]] * 65}, {"query": "&".join("ab" for _ in range(300))}):
        assert signed([{**base, **change}]) == [None], change

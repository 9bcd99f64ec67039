"""Real S3 clients through penstock. Signatures are checked by the gate before the S3 servers (lab/s3.py), which
also keeps what arrived, so that it can be compared with what was sent."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import urllib.parse
import zlib

import pytest

import helpers
from clients import through
from helpers import signed_right
from lab import origin, sigv4
from lab.s3 import NODE

HERE = os.path.dirname(os.path.abspath(__file__))
MIB = 1 << 20
KEYS = {"AWS_ACCESS_KEY_ID": "S3RVER", "AWS_SECRET_ACCESS_KEY": "S3RVER", "AWS_EC2_METADATA_DISABLED": "true"}


def tool(*args, env=None, **kw):
    base = {"PATH": os.environ["PATH"], "HOME": "/run", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(args, env={**base, **KEYS, **(env or {})}, capture_output=True, timeout=120, check=False, **kw)
    assert done.returncode == 0, f"{args}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_boto3_day(world, proxy, bucket, region, style):
    """boto3: everything that a catalog does with objects, on both servers, in both styles."""
    server = world.s3rver if region == "us-east-1" else world.moto
    name = "lab-bucket" if region == "us-east-1" else bucket
    server.requests.clear()
    checks = {} if region == "us-west-2" else {"request_checksum_calculation": "when_required"}
    s3 = through.client(region, style, **checks)
    data = origin.random_bytes(300_000, seed=7)
    key = f"day-{style}/object.bin"
    etag = s3.put_object(Bucket=name, Key=key, Body=data, ContentType="image/png",
                         Metadata={"helium": "yes"})["ETag"]
    got = s3.get_object(Bucket=name, Key=key)
    assert got["Body"].read() == data and got["ETag"] == etag and got["ContentType"] == "image/png"
    assert got["Metadata"] == {"helium": "yes"}
    head = s3.head_object(Bucket=name, Key=key)
    assert head["ContentLength"] == len(data) and head["ETag"] == etag
    ranges = [("bytes=10-19", data[10:20]), ("bytes=299990-", data[299990:])]
    if region == "us-west-2":  # s3rver reads a suffix range wrongly
        ranges.append(("bytes=-5", data[-5:]))
    for spec, want in ranges:
        part = s3.get_object(Bucket=name, Key=key, Range=spec)
        assert part["Body"].read() == want and part["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert key in [o["Key"] for o in s3.list_objects(Bucket=name, Prefix="day-")["Contents"]]
    assert key in [o["Key"] for o in s3.list_objects_v2(Bucket=name, Prefix="day-")["Contents"]]
    tags = [{"Key": "a b", "Value": "c+d/ü"}]
    s3.put_object_tagging(Bucket=name, Key=key, Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket=name, Key=key)["TagSet"] == tags
    with pytest.raises(s3.exceptions.ClientError) as error:
        s3.get_object(Bucket=name, Key=key, IfNoneMatch=etag)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 304
    s3.delete_object(Bucket=name, Key=key)
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=name, Key=key)
    with pytest.raises(s3.exceptions.ClientError) as error:
        s3.head_object(Bucket=name, Key=key)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    requests = signed_right(server.requests)
    put = next(r for r in requests if r.method == "PUT" and r.target.endswith("object.bin"))
    assert sigv4.payload_of(put)[0] == data
    host = f"{name}.s3.{region}.amazonaws.com" if style == "virtual" else f"s3.{region}.amazonaws.com"
    assert {r.headers.get("host") for r in requests} == {host}


def test_multipart_200_mib(world, moto, bucket, tmp_path):
    """200 MiB in 8 MiB parts, four at a time; every part compared byte for byte, then read back."""
    from boto3.s3.transfer import TransferConfig
    data = origin.random_bytes(200 * MIB, seed=200)
    path = tmp_path / "big.bin"
    path.write_bytes(data)
    s3 = through.client("us-west-2", max_pool_connections=8)
    s3.upload_file(str(path), bucket, "big.bin", Config=TransferConfig(
        multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=4))
    parts = {}
    for r in signed_right(moto.requests):
        if r.method == "PUT":
            number = int(urllib.parse.parse_qs(r.target.partition("?")[2])["partNumber"][0])
            parts[number] = sigv4.payload_of(r)[0]
    assert len(parts) == 25
    assert all(parts[i + 1] == data[i * 8 * MIB:(i + 1) * 8 * MIB] for i in range(25))
    moto.requests.clear()
    parts.clear()
    digest = hashlib.sha256()
    for piece in s3.get_object(Bucket=bucket, Key="big.bin")["Body"].iter_chunks(MIB):
        digest.update(piece)
    assert digest.digest() == hashlib.sha256(data).digest()
    s3.delete_object(Bucket=bucket, Key="big.bin")


def test_chunked_upload_with_trailing_checksum(moto, bucket):
    """boto3's default upload: aws-chunked in chunked, the checksum in a trailer, all of it arriving as sent."""
    data = origin.random_bytes(3 * MIB + 17, seed=3)
    s3 = through.client("us-west-2")
    s3.put_object(Bucket=bucket, Key="trailer.bin", Body=data)
    put, = signed_right(moto.puts("trailer.bin"))
    assert put.headers.get("content-encoding") == "aws-chunked"
    assert put.headers.get("x-amz-content-sha256") == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    payload, trailers = sigv4.payload_of(put)
    assert payload == data
    assert trailers == {"x-amz-checksum-crc32": base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()}
    assert s3.get_object(Bucket=bucket, Key="trailer.bin")["Body"].read() == data


HARD_KEYS = {
    "space": "a b c", "plus": "a+b", "percent": "100%", "escaped": "a%2Fb%20c", "double slash": "a//b///c",
    "dot dot": "a/../b", "only dots": "../../x", "dot": "./a/./b", "hash": "a#b", "question": "a?b=c&d",
    "quotes": "it's \"quoted\"", "utf-8": "ünï/日本語/😀", "1024 bytes": "é" * 512, "ends in slash": "folder/",
    "starts with slash": "/rooted", "backslash": "a\\b", "brackets": "[a]{b}<c>|^`", "sub-delims": "!$&()*,;=:@",
    "tilde": "~a-_.b", "spaces around": " a ",
}


@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize("key", HARD_KEYS.values(), ids=HARD_KEYS.keys())
def test_hard_keys(moto, bucket, key, style):
    """The signature covers the path, and what arrived is what was signed: put, head, get, range, delete."""
    s3 = through.client("us-west-2", style)
    data = key.encode() * 3
    s3.put_object(Bucket=bucket, Key=key, Body=data)
    path = moto.requests[-1].target
    raw = ("/" if style == "virtual" else f"/{bucket}/") + urllib.parse.quote(key, safe="/~")
    assert path == raw
    signed_right(moto.requests)
    if key != "../../x" and key != "a/../b":  # werkzeug under moto resolves dots itself
        assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(data)
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == data
        assert s3.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")["Body"].read() == data[:1]
        s3.delete_object(Bucket=bucket, Key=key)
    assert all(r.target == raw for r in signed_right(moto.requests))


RAW_TARGETS = [
    "/b/a//b", "/b/./a", "/b/../c", "/b/%2F%2f", "/b/a+b%20c", "/b/%zz%", "/b/'q'\"", "/b/[x]{y}|^`", "/b/a\\b",
    "/b/\xc3\xbc\xff", "/b/k?", "/b/k?a=b?c=/../d", "/b/k??", "/?list-type=2&prefix=a%2Fb", "//", "/b/k?x=%23y",
    "/b/%00%0d%0a", "/b/" + "k" * 1024, "/b/k?versionId=null&x-id=GetObject", "/b/;p=1,2:3@4!$&()*=~",
]


@pytest.mark.parametrize("target", RAW_TARGETS)
def test_raw_targets_arrive_byte_for_byte(world, proxy, target):
    world.origin.reset_hooks()
    resp = helpers.fetch(proxy, "GET", "/" + helpers.ORIGIN + target)
    assert resp.clean and resp.status in (200, 404)
    assert [r.target for r in world.origin.requests] == [target]
    assert world.origin.requests[0].headers.all("host") == [helpers.ORIGIN]


def test_presigned_get_and_put_with_curl(moto, bucket, tmp_path):
    s3 = through.client("us-west-2", "virtual")
    body = tmp_path / "body"
    body.write_bytes(origin.random_bytes(MIB, seed=9))
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "pre signed+.bin"})
    get = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "pre signed+.bin"})
    tool("curl", "-fsS", "-T", body, through.through(put))
    assert tool("curl", "-fsS", through.through(get)) == body.read_bytes()
    assert tool("curl", "-fsS", "-r", "5-9", through.through(get)) == body.read_bytes()[5:10]
    requests = signed_right(moto.requests, ("presigned",))
    assert bytes(requests[0].body) == body.read_bytes()
    assert len({r.verdict.signature for r in requests}) == 2
    # And the check bites: one changed letter of the key is refused.
    done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}",
                           through.through(get).replace("signed", "sighed")], capture_output=True, check=True)
    assert done.stdout == b"403"


def test_curl_plain(s3rver, tmp_path):
    """Anonymous curl: PUT, HEAD, GET, Range, If-None-Match, DELETE, list."""
    url = f"http://penstock/{helpers.S3RVER}/lab-bucket/curl.txt"
    body = tmp_path / "body"
    body.write_bytes(b"hello " * 1000)
    tool("curl", "-fsS", "-T", body, url)
    head = tool("curl", "-fsSI", url)
    assert b"content-length: 6000" in head.lower()
    etag = next(x for x in head.decode().splitlines() if x.lower().startswith("etag:"))[5:].strip()
    assert tool("curl", "-fsS", url) == body.read_bytes()
    assert tool("curl", "-fsS", "-r", "6-11", url) == b"hello "
    code = tool("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"If-None-Match: {etag}", url)
    assert code == b"304"
    assert b"curl.txt" in tool("curl", "-fsS", f"http://penstock/{helpers.S3RVER}/lab-bucket?prefix=curl")
    tool("curl", "-fsS", "-X", "DELETE", url)
    assert bytes(s3rver.puts("curl.txt")[0].body) == body.read_bytes()


def test_boto3_with_the_proxy_as_its_endpoint(world, proxy, moto, bucket):
    """The path form as an SDK's endpoint: unsigned requests work; signed ones cover the wrong host and path,
    which is why the catalog signs for the real host and rewrites afterwards."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config
    url = f"http://penstock/{helpers.MOTO}"
    through.client("us-west-2").put_object(Bucket=bucket, Key="public.txt", Body=b"public", ACL="public-read")
    through.client("us-west-2").put_bucket_acl(Bucket=bucket, ACL="public-read")
    plain = boto3.client("s3", endpoint_url=url, region_name="us-west-2",
                         config=Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}))
    assert plain.get_object(Bucket=bucket, Key="public.txt")["Body"].read() == b"public"
    assert plain.list_objects_v2(Bucket=bucket)["KeyCount"] >= 1
    signed = boto3.client("s3", endpoint_url=url, region_name="us-west-2", aws_access_key_id="S3RVER",
                          aws_secret_access_key="S3RVER", config=Config(retries={"max_attempts": 0}))
    with pytest.raises(signed.exceptions.ClientError, match="SignatureDoesNotMatch"):
        signed.get_object(Bucket=bucket, Key="public.txt")


def awscli(*args, style="path", tmp_path=None):
    config = tmp_path / "config"
    config.write_text(f"[default]\nregion = us-west-2\ns3 =\n  addressing_style = {style}\n"
                      f"[plugins]\nthrough = awscli_through\n")
    return tool(sys.executable, "-m", "awscli", "--endpoint-url", f"https://{helpers.MOTO}", *args, env={
        "AWS_CONFIG_FILE": str(config), "PYTHONPATH": os.path.join(HERE, "clients")})


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_awscli(moto, bucket, tmp_path, style):
    data = origin.random_bytes(20 * MIB, seed=20)
    source, back = tmp_path / "source.bin", tmp_path / "back.bin"
    source.write_bytes(data)
    url = f"s3://{bucket}/cli {style}/source+1.bin"
    awscli("s3", "cp", "--no-progress", str(source), url, style=style, tmp_path=tmp_path)
    assert b"source+1.bin" in awscli("s3", "ls", f"s3://{bucket}/cli {style}/", style=style, tmp_path=tmp_path)
    awscli("s3api", "put-object-tagging", "--bucket", bucket, "--key", f"cli {style}/source+1.bin", "--tagging",
           "TagSet=[{Key=k,Value=v}]", style=style, tmp_path=tmp_path)
    awscli("s3", "cp", "--no-progress", url, str(back), style=style, tmp_path=tmp_path)
    assert back.read_bytes() == data
    awscli("s3", "rm", url, style=style, tmp_path=tmp_path)
    requests = signed_right(moto.requests)
    parts = {r.target: sigv4.payload_of(r)[0] for r in requests if r.method == "PUT" and "partNumber" in r.target}
    assert len(parts) == 3 and sum(map(len, parts.values())) == len(data)


def node(script, *args):
    return json.loads(tool("node", os.path.join(NODE, script), *args, cwd=NODE))


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_aws_sdk_v2_in_node(moto, bucket, style):
    """The catalog's way: sign for the real host, then rewrite to /HOST/KEY."""
    out = node("v2.js", "http://penstock", "us-west-2", bucket, style)
    assert out == {"etagSame": True, "body": True, "range": "lo", "listed": True, "listedV2": True,
                   "tags": [{"Key": "k", "Value": "v w"}], "multipart": True, "missing": "NoSuchKey",
                   "presigned": True, "deleted": True}
    signed_right(moto.requests, ("header", "presigned"))


def test_aws_sdk_v3_in_node(moto, bucket):
    """Version 3 sends streams as aws-chunked with a trailing checksum."""
    out = node("v3.mjs", "http://penstock", "us-west-2", bucket)
    assert out == {"body": True, "stream": True, "range": "lo", "listed": True, "missing": "NoSuchKey"}
    requests = signed_right(moto.requests)
    put = next(r for r in requests if r.method == "PUT" and "stream" in r.target)
    payload, trailers = sigv4.payload_of(put)
    assert "x-amz-checksum-crc32" in trailers and len(payload) == 2 * MIB


SHIM = """
user root; daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 256; }}
http {{
  access_log off; client_max_body_size 0;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:80;
    location / {{ proxy_pass http://{proxy}/$host$request_uri; proxy_http_version 1.1;
                  proxy_request_buffering off; proxy_buffering off; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def shim(world, proxy, tmp_path_factory):
    """For clients that cannot rewrite after signing: an nginx on the client's own loopback that does it, under
    the S3 names (in the client's hosts file)."""
    from lab.s3 import wait_port
    folder = tmp_path_factory.mktemp("shim")
    conf = folder / "nginx.conf"
    conf.write_text(SHIM.format(folder=folder, proxy=proxy.ip))
    with open(os.path.join(world.folder, "hosts"), "a") as f:
        f.write(f"127.0.0.1 {helpers.S3RVER} lab-bucket.{helpers.S3RVER} {helpers.MOTO} e2e.{helpers.MOTO}\n")
    process = world.client.popen(["nginx", "-c", str(conf), "-p", str(folder)], stderr=subprocess.DEVNULL)
    wait_port(world.client, "127.0.0.1", 80, process)
    yield
    process.terminate()
    process.wait()


@pytest.mark.parametrize("version", ["4", "2"])
def test_s3cmd(s3rver, shim, tmp_path, version):
    """s3cmd, with version 4 signatures (checked by the gate) and version 2 (checked by s3rver)."""
    data = origin.random_bytes(6 * MIB, seed=6)
    source, back = tmp_path / "source.bin", tmp_path / "back.bin"
    source.write_bytes(data)
    conf = tmp_path / "s3cfg"
    conf.write_text("[default]\naccess_key = S3RVER\nsecret_key = S3RVER\nuse_https = False\n"
                    f"host_base = {helpers.S3RVER}\nhost_bucket = %(bucket)s.{helpers.S3RVER}\n"
                    f"bucket_location = us-east-1\nsignature_v2 = {version == '2'}\n")
    s3cmd = ["s3cmd", "-c", str(conf), "--no-progress"]
    tool(*s3cmd, "put", "--multipart-chunk-size-mb=5", str(source), "s3://lab-bucket/s3cmd.bin")
    if version == "4":  # s3rver computes a list's version 2 signature wrongly
        assert b"s3cmd.bin" in tool(*s3cmd, "ls", "s3://lab-bucket/")
    tool(*s3cmd, "get", "s3://lab-bucket/s3cmd.bin", str(back))
    assert back.read_bytes() == data
    tool(*s3cmd, "del", "s3://lab-bucket/s3cmd.bin")
    requests = signed_right(s3rver.requests, ("header",) if version == "4" else ("v2",))
    assert b"".join(bytes(r.body) for r in sorted(s3rver.puts("s3cmd.bin"), key=lambda r: r.target)) == data
    assert len(requests) >= 5


def test_rclone(moto, bucket, shim, tmp_path):
    data = origin.random_bytes(11 * MIB, seed=11)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "rclone ü+.bin").write_bytes(data)
    env = {"RCLONE_CONFIG_LAB_TYPE": "s3", "RCLONE_CONFIG_LAB_PROVIDER": "Other", "RCLONE_CONFIG": "/dev/null",
           "RCLONE_CONFIG_LAB_ENV_AUTH": "true", "RCLONE_CONFIG_LAB_ENDPOINT": f"http://{helpers.MOTO}",
           "RCLONE_CONFIG_LAB_REGION": "us-west-2", "RCLONE_S3_UPLOAD_CUTOFF": "5M", "RCLONE_S3_CHUNK_SIZE": "5M"}
    tool("rclone", "copy", str(tmp_path / "in"), f"lab:{bucket}/rc", env=env)
    assert "rclone ü+.bin".encode() in tool("rclone", "ls", f"lab:{bucket}/rc", env=env)
    tool("rclone", "check", "--download", str(tmp_path / "in"), f"lab:{bucket}/rc", env=env)
    tool("rclone", "delete", f"lab:{bucket}/rc", env=env)
    signed_right(moto.requests)

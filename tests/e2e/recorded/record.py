"""Records what SDKs really send: botocore signs and serialises, and nothing is sent. Writes sdk.jsonl beside this file, one
request a line, as they reach the proxy. Run it again only to change what is recorded: times and signatures become new ones.

    build/venv/bin/python tests/e2e/recorded/record.py"""

import base64
import io
import json
import os
import urllib.parse

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

REGION = "eu-west-1"
HERE = os.path.dirname(os.path.abspath(__file__))
KEYS = ["plain.txt", "with space", "plus+sign", "percent%", "slash//double", "dots/../up", "ünï-cödé", "q?mark", "hash#", "a=b&c",
        "quotes'\"", "(brackets)[x]{y}", "tilde~", "star*", "comma,semi;colon:", "back\\slash", "日本語/キー", "dollar$@!", "trailing/"]
SEEN = []


class Raw(io.BytesIO):
    def stream(self, **_):
        return iter([self.read()])


def keep(what):
    """A handler that writes the request down and answers 200 in S3's place."""
    def before_send(request, **_):
        parts = urllib.parse.urlsplit(request.url)
        target = "/" + parts.netloc + request.url.split(parts.netloc, 1)[1]
        body = request.body or b""
        body = body.read() if hasattr(body, "read") else body.encode() if isinstance(body, str) else bytes(body)
        headers = [(k, v.decode() if isinstance(v, bytes) else str(v)) for k, v in request.headers.items()]
        SEEN.append({"name": f"{what[0]} {len(SEEN) + 1:03}", "method": request.method, "target": target, "headers": headers,
                     "body": base64.b64encode(body).decode()})
        answer = b"<X xmlns=''><UploadId>up</UploadId></X>"
        return AWSResponse(request.url, 200, {"ETag": '"e"'}, Raw(b"" if what[0] in ("get", "head") else answer))
    return before_send


def client(style, what, **config):
    s3 = boto3.client("s3", region_name=REGION, aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="example",
                      endpoint_url=f"https://s3.{REGION}.amazonaws.com",
                      config=Config(signature_version="s3v4", user_agent="Boto3/1 Botocore/1", s3={"addressing_style": style}, **config))
    s3.meta.events.register("before-send.s3", keep(what))
    return s3


def presigned(s3, operation, key, **more):
    url = s3.generate_presigned_url(operation, {"Bucket": "photos", "Key": key, **more}, ExpiresIn=900)
    SEEN.append({"name": f"presigned {operation} {len(SEEN) + 1:03}", "method": "PUT" if "put" in operation else "GET",
                 "target": "/" + url[len("https://"):], "headers": [], "body": ""})


def objects(s3, what):
    for key in KEYS:
        what[0] = "get"
        s3.get_object(Bucket="photos", Key=key)
        presigned(s3, "get_object", key)
    for key in KEYS[:6]:
        what[0] = "head"
        s3.head_object(Bucket="photos", Key=key)
        what[0] = "put"
        s3.put_object(Bucket="photos", Key=key, Body=b"body of " + key.encode(), Metadata={"helium": "{}"})
        what[0] = "put stream"
        s3.put_object(Bucket="photos", Key=key, Body=io.BytesIO(b"streamed " * 100), ChecksumAlgorithm="CRC32")
        presigned(s3, "put_object", key)


def rest(s3, what):
    calls = {
        "list": lambda: s3.list_objects_v2(Bucket="photos", Prefix="a b/ü+", Delimiter="/"),
        "list on": lambda: s3.list_objects_v2(Bucket="photos", ContinuationToken="1/a+b=="),
        "versions": lambda: s3.list_object_versions(Bucket="photos"),
        "location": lambda: s3.get_bucket_location(Bucket="photos"),
        "delete": lambda: s3.delete_object(Bucket="photos", Key="gone + away"),
        "delete many": lambda: s3.delete_objects(Bucket="photos", Delete={"Objects": [{"Key": k} for k in KEYS]}),
        "copy": lambda: s3.copy_object(Bucket="photos", Key="copy", CopySource={"Bucket": "photos", "Key": "with space+ü"}),
        "tagging": lambda: s3.put_object_tagging(Bucket="photos", Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b c"}]}),
        "create upload": lambda: s3.create_multipart_upload(Bucket="photos", Key="big file"),
        "upload part": lambda: s3.upload_part(Bucket="photos", Key="big file", UploadId="u+/=", PartNumber=1, Body=b"p" * 5000),
        "complete upload": lambda: s3.complete_multipart_upload(
            Bucket="photos", Key="big file", UploadId="u+/=", MultipartUpload={"Parts": [{"ETag": '"e"', "PartNumber": 1}]}),
        "abort upload": lambda: s3.abort_multipart_upload(Bucket="photos", Key="big file", UploadId="u+/="),
        "range": lambda: s3.get_object(Bucket="photos", Key="plain.txt", Range="bytes=2-5"),
        "if match": lambda: s3.get_object(Bucket="photos", Key="plain.txt", IfNoneMatch='"zzz"'),
        "version": lambda: s3.get_object(Bucket="photos", Key="plain.txt", VersionId="abc.def_1"),
        "ssec": lambda: s3.get_object(Bucket="photos", Key="plain.txt", SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 32),
        "acl": lambda: s3.get_object_acl(Bucket="photos", Key="plain.txt"),
        "restore": lambda: s3.restore_object(Bucket="photos", Key="plain.txt", RestoreRequest={"Days": 1}),
    }
    for name, call in calls.items():
        what[0] = name
        try:
            call()
        except Exception as error:  # the answer is a stand-in; what was sent is what counts
            print(name, "answer not understood:", type(error).__name__)


def main():
    what = [""]
    objects(client("path", what), what)
    virtual = client("virtual", what)
    rest(virtual, what)
    with open(os.path.join(HERE, "sdk.jsonl"), "w", encoding="utf-8") as f:
        for request in SEEN:
            f.write(json.dumps(request, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(len(SEEN), "requests")


if __name__ == "__main__":
    main()

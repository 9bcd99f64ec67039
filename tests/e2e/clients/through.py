"""botocore through penstock: the request is signed for the real host, then sent to the proxy as /HOST/KEY."""

import os
import urllib.parse

import boto3
from botocore.config import Config

PROXY = os.environ.get("PENSTOCK_URL", "http://10.0.1.10")


def rewrite(request, **_):
    parts = urllib.parse.urlsplit(request.url)
    rest = request.url.split(parts.netloc, 1)[1]
    request.url = f"{PROXY}/{parts.netloc}{rest}"


def client(region, style="path", **config):
    s3 = boto3.client(
        "s3", region_name=region, aws_access_key_id="S3RVER", aws_secret_access_key="S3RVER",
        endpoint_url=f"https://s3.{region}.amazonaws.com",
        config=Config(signature_version="s3v4", s3={"addressing_style": style}, retries={"max_attempts": 0}, read_timeout=60, **config))
    s3.meta.events.register_last("before-send.s3", rewrite)
    return s3


def through(url):
    """A presigned URL, as a browser or curl would be given it."""
    host = urllib.parse.urlsplit(url).netloc
    return url.replace(f"https://{host}", f"{PROXY}/{host}", 1)

"""AWS Signature Version 4 as S3 checks it, from the bytes that arrived: headers, presigned URLs, and the
chunk and trailer signatures of aws-chunked bodies."""

import hashlib
import hmac
import re
import urllib.parse

ACCESS_KEY, SECRET_KEY = "S3RVER", "S3RVER"
EMPTY = hashlib.sha256(b"").hexdigest()


def _mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256)


def _encode(raw, safe):
    return urllib.parse.quote(urllib.parse.unquote_to_bytes(raw), safe=safe + "-_.~")


def _key(scope):
    key = ("AWS4" + SECRET_KEY).encode()
    for part in scope.split("/"):
        key = _mac(key, part).digest()
    return key


def _canonical(request, signed, payload):
    path, _, query = request.target.partition("?")
    pairs = []
    for item in query.split("&"):
        name, _, value = item.partition("=")
        if item and name != "X-Amz-Signature":
            pairs.append((_encode(name.replace("+", " "), ""), _encode(value.replace("+", " "), "")))
    lines = [request.method, _encode(path, "/"), "&".join(f"{n}={v}" for n, v in sorted(pairs))]
    for name in signed.split(";"):
        values = request.headers.all(name)
        if not values:
            raise ValueError(f"signed header {name} did not arrive")
        lines.append(name + ":" + ",".join(re.sub(" +", " ", v.strip()) for v in values))
    return "\n".join(lines + ["", signed, payload])


class Verdict:
    """kind: 'header', 'presigned', 'v2' or 'anonymous'; error: None when the signature is right."""

    def __init__(self, kind, error=None):
        self.kind, self.error = kind, error
        self.signature = self.date = self.scope = self.payload = None


def _check(request, kind, access, scope, signed, date, payload, signature):
    verdict = Verdict(kind)
    verdict.signature, verdict.date, verdict.scope, verdict.payload = signature, date, scope, payload
    if access != ACCESS_KEY:
        verdict.error = f"unknown access key {access}"
        return verdict
    try:
        text = _canonical(request, signed, payload)
    except ValueError as error:
        verdict.error = str(error)
        return verdict
    to_sign = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(text.encode("latin-1")).hexdigest()])
    if _mac(_key(scope), to_sign).hexdigest() != signature:
        verdict.error = "signature differs for:\n" + text
    return verdict


def verify(request):
    """The head's signature."""
    auth = request.headers.get("authorization")
    if auth and auth.startswith("AWS "):
        return Verdict("v2")
    if auth:
        match = re.match(r"AWS4-HMAC-SHA256 +Credential=([^/]+)/([^,]+), *SignedHeaders=([^,]+), *"
                         r"Signature=([0-9a-f]{64})$", auth)
        if not match:
            return Verdict("header", "malformed Authorization: " + auth)
        payload = request.headers.get("x-amz-content-sha256") or EMPTY
        date = request.headers.get("x-amz-date") or ""
        return _check(request, "header", match[1], match[2], match[3], date, payload, match[4])
    query = dict(urllib.parse.parse_qsl(request.target.partition("?")[2], keep_blank_values=True))
    if "X-Amz-Signature" in query:
        access, _, scope = query["X-Amz-Credential"].partition("/")
        payload = query.get("X-Amz-Content-Sha256") or "UNSIGNED-PAYLOAD"
        return _check(request, "presigned", access, scope, query["X-Amz-SignedHeaders"],
                      query["X-Amz-Date"], payload, query["X-Amz-Signature"])
    if "Signature" in query:
        return Verdict("v2")
    return Verdict("anonymous")


def payload_of(request):
    """The object's bytes in a complete request; ValueError when a digest or chunk signature is wrong."""
    verdict, body = request.verdict, bytes(request.body)
    mode = verdict.payload or "UNSIGNED-PAYLOAD"
    if "aws-chunked" in (request.headers.get("content-encoding") or "") or mode.startswith("STREAMING-"):
        return _unchunk(body, verdict, mode)
    if re.fullmatch("[0-9a-f]{64}", mode) and hashlib.sha256(body).hexdigest() != mode:
        raise ValueError("x-amz-content-sha256 differs from the body")
    return body, {}


def _chain(verdict, previous, label, *digests):
    text = "\n".join([label, verdict.date, verdict.scope, previous, *digests])
    return _mac(_key(verdict.scope), text).hexdigest()


def _unchunk(body, verdict, mode):
    out, at, previous = [], 0, verdict.signature
    signed = mode.startswith("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
    while True:
        end = body.index(b"\r\n", at)
        size_hex, _, extension = body[at:end].decode().partition(";")
        size = int(size_hex, 16)
        data = body[end + 2:end + 2 + size]
        if signed:
            previous = _chain(verdict, previous, "AWS4-HMAC-SHA256-PAYLOAD", EMPTY,
                              hashlib.sha256(data).hexdigest())
            if extension != "chunk-signature=" + previous:
                raise ValueError("chunk signature differs")
        at = end + 2 + size
        if size == 0:
            break
        out.append(data)
        at += 2
    trailers = {}
    for line in body[at:].decode().replace("\r\n", "\n").split("\n"):
        if line:
            name, _, value = line.partition(":")
            trailers[name.lower()] = value.strip()
    if signed and mode.endswith("-TRAILER"):
        given = trailers.pop("x-amz-trailer-signature", None)
        text = "".join(f"{n}:{v}\n" for n, v in trailers.items())
        if given != _chain(verdict, previous, "AWS4-HMAC-SHA256-TRAILER",
                           hashlib.sha256(text.encode()).hexdigest()):
            raise ValueError("trailer signature differs")
    return b"".join(out), trailers

"""Asks one proxy and writes down all that can be seen of it: at the client, at S3, at the registry; and tells two of those apart."""

import re
import zlib
from dataclasses import dataclass, field

from lab import http

EMPTY = "-"


@dataclass
class Answer:
    status: int
    fields: list
    framing: str
    body: bytes
    clean: bool
    closes: bool


@dataclass
class Seen:
    answers: list = field(default_factory=list)
    end: str = ""          # why there are fewer answers than awaited, or more
    s3: list = field(default_factory=list)
    registry: list = field(default_factory=list)


def framing(resp, method):
    if "chunked" in (resp.headers.get("transfer-encoding") or ""):
        return "chunked"
    if "content-length" in resp.headers:
        return "length"
    return "none" if method == "HEAD" or resp.status in (204, 304) else "until close"


def ask(host, address, case, s3, registry, patience=5.0):
    """One connection, its bytes, its answers. patience: seconds without a byte before there is no answer."""
    s3.seen, registry.seen = [], []
    out = Seen()
    with host.connect(address, patience) as sock:
        wire = http.Wire(sock)
        try:
            sock.sendall(case.data)
        except OSError:
            pass  # refused before all was sent: the answer tells
        try:
            for method in case.methods:
                resp = http.read_response(wire, method)
                closes = "close" in (resp.headers.get("connection") or "").lower()
                out.answers.append(Answer(resp.status, resp.headers.raw, framing(resp, method), resp.body, resp.clean, closes))
                if closes or not resp.clean:
                    break
            out.end = more(sock, wire) if not out.answers[-1].closes and case.probed else ""
        except TimeoutError:
            out.end = "waits for more"
        except (EOFError, OSError, ValueError, IndexError) as error:
            out.end = "closed" if isinstance(error, (EOFError, OSError)) else "not HTTP/1.1"
    out.s3, out.registry = list(s3.seen), list(registry.seen)
    return out


def more(sock, wire):
    sock.settimeout(0.05)
    try:
        head = wire.head()
        return f"another answer, {head.split()[1].decode()}" if head else ""
    except (OSError, EOFError, ValueError):
        return ""


def short(value):
    """Fit for a table, and the same in every run: of errors their name, of ids that they are some."""
    if isinstance(value, bytes) and (found := re.search(rb"<Code>(\w+)</Code>", value)):
        return "XML error " + found[1].decode()
    if isinstance(value, bytes) and (found := re.search(rb"<title>(.*)</title>.*nginx", value, re.S)):
        return "page of nginx: " + found[1].decode()
    text = value if isinstance(value, str) else value.decode("latin-1")
    text = "".join(c if " " <= c <= "~" else "?" for c in text)
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} bytes)"


def by_name(fields):
    out = {}
    for name, value in fields:
        name, value = (x if isinstance(x, str) else x.decode("latin-1") for x in (name, value))
        out.setdefault(name.lower(), []).append(value)
    return out


OURS = re.compile("[0-9A-F]{16}")
SKIPPED = {"content-length", "transfer-encoding", "connection", "keep-alive"}


def field_differences(where, a, b):
    a, b = by_name(a), by_name(b)
    for name in sorted((a.keys() | b.keys()) - SKIPPED):
        if a.get(name) != b.get(name):
            values = [short(" | ".join(x[name])) if name in x else EMPTY for x in (a, b)]
            if name == "x-amz-request-id" and values[0] == EMPTY and OURS.fullmatch(values[1]):
                values[1] = "an id of its own"
            yield f"{where} field {name}", *values


def answer_differences(a, b):
    if a.status != b.status:
        yield "status", str(a.status), str(b.status)
        return
    fields_a, fields_b = by_name(a.fields), by_name(b.fields)
    if fields_a.get("server") != fields_b.get("server") or fields_a.get("date") != fields_b.get("date"):
        yield "server and date", "nginx's", "S3's" if "server" in fields_b else "none"
    if b"<center>nginx" in a.body and b"<RequestId>" in b.body:
        yield "own error", short(a.body), short(b.body)
        return
    dropped = {"server", "date"}
    if "content-encoding" in fields_a and "content-encoding" not in fields_b:
        whole = zlib.decompressobj(31).decompress(a.body) if a.body else b.body
        yield "compressed", "gzip", "as S3 sent it" if whole == b.body else "another body"
        dropped |= {"content-encoding", "etag", "accept-ranges", "vary"}
        a = Answer(a.status, a.fields, b.framing, b.body, a.clean, a.closes)
    yield from field_differences("answer", *([f for f in x.fields if f[0].decode("latin-1").lower() not in dropped] for x in (a, b)))
    for what in ("framing", "clean", "closes"):
        if getattr(a, what) != getattr(b, what):
            yield what, str(getattr(a, what)), str(getattr(b, what))
    if a.framing == b.framing == "length" and len(a.body) == len(b.body):
        lengths = [fields.get("content-length", [EMPTY])[0] for fields in (fields_a, fields_b)]
        if lengths[0] != lengths[1] and EMPTY not in lengths:
            yield "answer length", *lengths
    if a.body != b.body:
        yield "body", short(a.body), short(b.body)


def request_differences(where, many_a, many_b):
    if len(many_a) != len(many_b):
        yield f"{where} asked", *(str(len(x)) + " times: " + short(x[0].line) if x else "no" for x in (many_a, many_b))
        return
    for a, b in zip(many_a, many_b):
        if a.line != b.line:
            yield f"{where} line", short(a.line), short(b.line)
        yield from field_differences(where, a.fields, b.fields)
        both = {n.lower() for n, _ in a.fields} & {n.lower() for n, _ in b.fields} - SKIPPED - {"host"}
        order_a, order_b = ([n.lower() for n, _ in x.fields if n.lower() in both] for x in (a, b))
        if order_a != order_b:
            yield f"{where} order", short(" ".join(order_a)), short(" ".join(order_b))
        names_a, names_b = ({n for n, _ in x.fields if n.lower() in both} for x in (a, b))
        if names_a != names_b:
            yield f"{where} spelling", short(" ".join(sorted(names_a - names_b))), short(" ".join(sorted(names_b - names_a)))
        lengths = [("chunked" if "chunked" in x.get("transfer-encoding", [""])[0] else x.get("content-length", [EMPTY])[0]) for x in (by_name(r.fields) for r in (a, b))]
        if lengths[0] != lengths[1]:
            yield f"{where} framing", *lengths
        if a.body != b.body:
            yield f"{where} body", short(a.body), short(b.body)
        if a.trailers != b.trailers:
            yield f"{where} trailers", short(a.trailers) or EMPTY, short(b.trailers) or EMPTY


def differences(a, b):
    """[(what, nginx's, penstock's)], each once."""
    out = []
    if len(a.answers) != len(b.answers) or a.end != b.end:
        out.append(("answers", *(" ".join(str(x.status) for x in s.answers) + (f" ({s.end})" if s.end else "") for s in (a, b))))
    else:
        for x, y in zip(a.answers, b.answers):
            out += answer_differences(x, y)
    out += request_differences("S3", a.s3, b.s3)
    out += request_differences("registry", a.registry, b.registry)
    return list(dict.fromkeys(out))

"""The access log: its fields and codes are those of docs/ACCESS-LOG.md, and every line is JSON whatever came in."""

import json
import os
import pty
import random
import re
import time

import pytest

from helpers import ORIGIN, Conn, eventually, fetch, request_bytes
from lab.penstock import ROOT, is_sanitized


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


DOCS = read("docs", "ACCESS-LOG.md")
FIELD_ROWS = re.findall(r"^\| (`[^|]*`[^|]*) \|([^|]*)\|", DOCS.split("## Fields")[1].split("## Termination")[0], re.M)
FIELDS = [name for row, _ in FIELD_ROWS for name in re.findall(r"`([a-z_0-9]+)`", row) if name not in ("followed_",)]
ALWAYS = [name for row, when in FIELD_ROWS if not when.strip() for name in re.findall(r"`([a-z_0-9]+)`", row)]


def test_codes_are_those_of_the_table():
    faults = re.findall(r'^FAULT\((\w+), "([a-z_]+)", (\d+), "[^"]*", "[^"]*", "([^"]*)"\)', read("src", "base", "fault.def"), re.M)
    told = re.findall(r"^\| `([a-z_]+)` \| (\d+) \| ([^|]*) \|$", DOCS.split("## Termination")[1], re.M)
    assert len(faults) > 30
    # "config" ends the start: no request sees it.
    assert told == [(name, status, text) for id_, name, status, text in faults if id_ not in ("NONE", "CONFIG")]


def test_fields_are_those_of_the_program():
    source = read("src", "proxy", "access_log.c")
    written = set(re.findall(r'\\"([a-z_0-9]+)\\":', source)) | set(re.findall(r'\\"" prefix "([a-z_0-9]+)\\":', source))
    assert written == set(FIELDS) - {f for f in FIELDS if f == "followed_upstream"}
    assert {"time", "id", "client", "status", "bytes_in", "bytes_out", "total_ms", "end"} <= set(ALWAYS)


def lines_of(instance):
    """Every line of stdout, whole or not."""
    with open(instance.log, "rb") as f:
        return f.read().split(b"\n")[:-1]


def access_lines(instance):
    out = []
    for line in lines_of(instance):
        # Strict: UTF-8, JSON, no key twice, nothing that a terminal would act on.
        text = line.decode("utf-8")
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text), line
        pairs = json.loads(text, object_pairs_hook=lambda p: p)
        assert isinstance(pairs, list) and len({k for k, _ in pairs}) == len(pairs), line
        entry = dict(pairs)
        if entry.get("event") == "access":
            out.append(entry)
            assert [k for k, _ in pairs if k in ALWAYS] == ALWAYS, line
            assert set(entry) - {"followed_" + f for f in FIELDS} <= set(FIELDS), line
    return out


ODD = [b'"', b"\\", b"\\u0000", b"</script>", b"\xff\xfe", b"\xc3\x28", b"\xe2\x80\xae", "\N{SNOWMAN}".encode(), b"%00%0a", b"\x7f", b"'", b"{}[]",
       b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc2\x85", b"%", b"~" * 3000]


def hostile_heads(seed):
    """Heads of all sorts, most with one odd thing in one place."""
    dice = random.Random(seed)
    for odd in ODD:
        for target in (b"/%s/b/" % ORIGIN.encode() + odd, b"/" + odd + b"/x", b"/zip/" + odd, b"/browse/x?" + odd + b"=1",
                       b"/%s/b/k?X-Amz-Signature=" % ORIGIN.encode() + odd):
            yield b"GET " + target + b" HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n"
        for field in (b"traceparent: ", b"User-Agent: ", b"Host: ", b"Range: ", odd + b": "):
            yield b"GET /%s/b/k HTTP/1.1\r\nHost: p\r\nConnection: close\r\n%s\r\n\r\n" % (ORIGIN.encode(), field + odd)
        yield odd[:60] + b" / HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n"
    for _ in range(60):
        yield bytes(dice.randrange(256) for _ in range(dice.randrange(1, 200))) + b"\r\n\r\n"


def test_every_line_is_json(start, world):
    proxy = start()
    n = 0
    for head in hostile_heads(1):
        with Conn(proxy, timeout=5) as conn:
            conn.send(head)
            try:
                while conn.sock.recv(65536):
                    pass
            except ConnectionResetError:
                pass  # closed with bytes of ours unread
        n += 1
    # One behind them, so that all before have ended.
    fetch(proxy, "GET", f"/{ORIGIN}/b/the-last")
    eventually(lambda: b"the-last" in b"\n".join(lines_of(proxy)), what="the last line")
    seen = access_lines(proxy)
    assert len(seen) > n * 0.9, "nearly every one of them has a line"
    codes = {e["end"] for e in seen}
    assert {"ok", "bad_request", "unexpected_host"} <= codes and codes <= set(re.findall(r"^\| `([a-z_]+)` \|", DOCS, re.M)) | {"ok"}
    odd_trace = [e["traceparent"] for e in seen if "traceparent" in e]
    assert odd_trace and all(len(t) <= 128 * 6 for t in odd_trace)


SECRETS = ["token=S3cr3t", "TOKEN=S3cr3t", "%74oken=S3cr3t", "X-Amz-Signature=S3cr3t", "x-amz-security-token=S3cr3t", "X-Amz-Credential=S3cr3t%2F1",
           "AWSAccessKeyId=S3cr3t", "Signature=S3cr3t", "a=b&Signature=S3cr3t&c=d", "a=b;token=S3cr3t", "a=b?token=S3cr3t", "token=a=S3cr3t"]


def test_no_secret_is_in_a_line(start, world):
    proxy = start()
    headers = (("Authorization", "AWS4 S3cr3t"), ("Cookie", "session=S3cr3t"), ("X-Amz-Security-Token", "S3cr3t"))
    for query in SECRETS:
        for target in (f"/{ORIGIN}/b/k?{query}", f"/example.com/x?{query}", f"/nowhere?{query}", f"/zip/x?{query}", f"/?{query}"):
            fetch(proxy, "GET", target, headers)
    fetch(proxy, "GET", f"/{ORIGIN}/b/the-last")
    eventually(lambda: b"the-last" in b"\n".join(lines_of(proxy)), what="the last line")
    assert len(access_lines(proxy)) >= 5 * len(SECRETS)
    assert b"S3cr3t" not in b"\n".join(lines_of(proxy))


def unread(kind, folder):
    """(a shell's redirection, descriptors to keep open): a stdout that nobody reads, or that takes nothing."""
    if kind == "pipe":
        fifo = str(folder / "fifo")
        os.mkfifo(fifo)
        return f">{fifo}", [os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)]
    if kind == "terminal":
        ours, theirs = pty.openpty()
        return f">{os.ttyname(theirs)}", [ours, theirs]
    return {"full disk": ">/dev/full", "limited file": f">{folder / 'log'}", "closed": ">&-"}[kind], []


@pytest.mark.parametrize("kind", ["pipe", "terminal", "full disk", "limited file", "closed"])
def test_nobody_waits_for_the_log(start, tmp_path, kind):
    """3000 lines of 1 KiB: all are answered, memory stays bounded, and the end is no later than log_done lets it."""
    redirection, fds = unread(kind, tmp_path)
    limit = "ulimit -f 32;" if kind == "limited file" else ""
    proxy = start(WORKERS="1", wrap=("sh", "-c", f'{limit} exec "$@" {redirection}', "sh"))
    slowest, before = 0, proxy.rss_kib()
    with Conn(proxy, timeout=5) as conn:
        for i in range(3000):
            began = time.monotonic()
            conn.send(request_bytes("GET", f"/{i}/" + "x" * 1000))
            assert conn.response().status == 400
            slowest = max(slowest, time.monotonic() - began)
    assert slowest < 1
    assert is_sanitized() or proxy.rss_kib() - before < 4096
    began = time.monotonic()
    assert proxy.stop() == 0 and time.monotonic() - began < 2.5
    for fd in fds:
        os.close(fd)

"""The TLS listener: what it speaks, what it bears, how it ends, and that all else is as in the clear."""

import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import pytest

from helpers import MOTO, ORIGIN, Conn, check_cors, eventually, fetch, request_bytes
from lab.penstock import binary, is_sanitized
from tls_conn import NAME, TlsConn, client_hello, context

MIB = 1 << 20
TARGET = f"/{ORIGIN}/tls/object"
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def certificate(world):
    return world.ca.issue("listener", [NAME, "*.penstock.test"])


@pytest.fixture
def serve(world, start, certificate):
    """serve(SETTING=value ...): listens on two ports, .port in the clear and .tls_port."""
    def begin(cert=certificate, key=None, **settings):
        port = next(start.ports)
        proxy = start(port=port, TLS_LISTEN=f":{port + 20000}", TLS_CERT=cert, TLS_KEY=key or cert, **settings)
        proxy.tls_port = port + 20000
        return proxy
    return begin


@pytest.fixture(scope="module")
def shared(world, certificate):
    """The one that tests share which only ask."""
    proxy = world.start_penstock(port=7081, TLS_LISTEN=":7443", TLS_CERT=certificate, TLS_KEY=certificate,
                                 ADMIN="127.0.0.1:7901")
    proxy.tls_port = 7443
    yield proxy
    code = proxy.stop()
    assert code == 0, f"penstock ended with {code}:\n{proxy.output()[-4000:]}"


@pytest.fixture
def origin(world):
    world.origin.reset_hooks()
    world.origin.put("/tls/object", b"0123456789")
    return world.origin


@pytest.fixture
def ctx(world):
    return context(world.ca)


def metrics(proxy, admin):
    with proxy.host.connect(("127.0.0.1", admin), timeout=5) as sock:
        sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b"".join(iter(lambda: sock.recv(65536), b"")).decode()
    found = re.findall(r"^penstock_client_tls_(\w+?)(?:_total)?(?:\{result=\"(\w+)\"\})? (\d+)$", text, re.M)
    return {result or name: int(value) for name, result, value in found}


def told(proxy):
    """All lines but those of the metrics that tests ask for."""
    return [x for x in proxy.lines() if x.get("path") != "/metrics"]


def admin_of(proxy):
    return proxy.port + 10000


# What it speaks

@pytest.mark.parametrize("version, name", [(V12, "TLSv1.2"), (V13, "TLSv1.3")])
def test_versions(world, shared, origin, version, name):
    with TlsConn(shared, context(world.ca, low=version)) as conn:
        assert conn.sock.version() == name
        assert conn.ask("GET", TARGET + "?v=" + name).body == b"0123456789"
    assert shared.access_with("v=" + name)["tls"] == name


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_old_versions_are_refused(world, shared, version):
    old = context(world.ca, low=getattr(ssl.TLSVersion, version), ciphers="ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="(?i)protocol.version"):
        TlsConn(shared, old)


@pytest.mark.parametrize("ciphers, is_taken", [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", True), ("ECDHE-ECDSA-AES256-GCM-SHA384", True),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", True), ("ECDHE-ECDSA-AES128-SHA256", False), ("ECDHE-ECDSA-AES128-SHA", False),
    ("AES128-GCM-SHA256", False), ("DHE-RSA-AES128-GCM-SHA256", False)])
def test_ciphers_of_1_2(world, shared, ciphers, is_taken):
    """With forward secrecy and authenticated encryption, or not at all."""
    offer = context(world.ca, low=V12, ciphers=ciphers)
    if is_taken:
        with TlsConn(shared, offer) as conn:
            assert conn.sock.cipher()[0] == ciphers and conn.ask("GET", "/").status == 200
    else:
        with pytest.raises(ssl.SSLError, match="(?i)handshake.failure"):
            TlsConn(shared, offer)


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize("offers, chosen", [
    (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), (None, None), (["h2"], ssl.SSLError)])
def test_alpn(world, shared, version, offers, chosen):
    offer = context(world.ca, low=version, alpn=offers)
    if chosen is ssl.SSLError:
        with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"), TlsConn(shared, offer) as conn:
            conn.ask("GET", "/")
    else:
        with TlsConn(shared, offer) as conn:
            assert conn.sock.selected_alpn_protocol() == chosen
            assert conn.ask("GET", "/").body == b"S3 Proxy"


def s_client(shared, *args, send=""):
    with shared.host.net.hosts["client"].enter():
        return subprocess.run(["openssl", "s_client", "-connect", f"{shared.ip}:{shared.tls_port}", *args], input=send,
                              capture_output=True, text=True, timeout=10, check=False)


def test_no_client_certificate_no_renegotiation_no_compression(world, shared):
    said = s_client(shared, "-tls1_2", "-CAfile", world.ca.path, "-verify_return_error", send="R\n")
    assert "No client certificate CA names sent" in said.stdout and "Verify return code: 0" in said.stdout
    assert "Compression: NONE" in said.stdout
    assert "no renegotiation" in said.stderr.lower()


def test_no_early_data(world, shared, tmp_path):
    """A ticket says how much: nothing."""
    said = s_client(shared, "-tls1_3", "-ign_eof", "-CAfile", world.ca.path, "-sess_out", str(tmp_path / "s"),
                    send="GET / HTTP/1.0\r\n\r\n")
    assert "S3 Proxy" in said.stdout and "Max Early Data: 0" in said.stdout
    early = tmp_path / "early"
    early.write_text("GET / HTTP/1.0\r\n\r\n")
    said = s_client(shared, "-tls1_3", "-sess_in", str(tmp_path / "s"), "-early_data", str(early))
    assert "Early data was accepted" not in said.stdout


@pytest.mark.parametrize("version", [V12, V13])
def test_sessions_are_resumed_at_any_worker(world, serve, version):
    proxy = serve(WORKERS=4)
    ctx = context(world.ca, low=version)
    session = None
    for i in range(16):
        with TlsConn(proxy, ctx, session=session) as conn:
            assert conn.sock.session_reused == (i > 0)
            assert conn.ask("GET", "/").status == 200
            session = conn.sock.session
    got = metrics(proxy, admin_of(proxy))
    assert got["ok"] == 16 and got["resumed"] == 15 and got["contexts"] == 4


def test_curl(world, shared, origin):
    with world.client.enter():
        done = subprocess.run(["curl", "-sS", "--cacert", world.ca.path, "-i", f"https://{NAME}:{shared.tls_port}{TARGET}"],
                              capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.startswith("HTTP/1.1 200") and done.stdout.endswith("0123456789")


# What it bears

def test_plain_http(shared):
    """In the clear, because who asks in the clear reads nothing else."""
    before = metrics(shared, 7901)
    for method in ("GET", "OPTIONS", "PUT"):
        sock = shared.host.net.hosts["client"].connect((shared.ip, shared.tls_port), 5)
        with sock:
            sock.sendall(request_bytes(method, "/plain-to-tls", body=b"x" * 1000))
            got = b"".join(iter(lambda: sock.recv(65536), b""))
        assert got.startswith(b"HTTP/1.1 400 ") and b"plain HTTP was sent to the TLS port" in got
    assert metrics(shared, 7901)["plain_http"] == before["plain_http"] + 3
    line = [x for x in shared.lines() if x.get("end") not in (None, "ok")][-1]
    assert line["end"] == "plain_http" and "tls" not in line and "path" not in line


@pytest.mark.parametrize("data", [b"\x00" * 100, b"\x80\x2e\x01\x03\x01\x00", b"\x16\x03\x01\xff\xff" + b"x" * 70000,
                                  b"\x16\x03\x01\x00\x05hello", b"\x15\x03\x01\x00\x02\x02\x28"])
def test_garbage(shared, data):
    before = metrics(shared, 7901)
    lines = told(shared)
    with shared.host.net.hosts["client"].connect((shared.ip, shared.tls_port), 5) as sock:
        got = b""
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            got = b"".join(iter(lambda: sock.recv(65536), b""))
        except OSError:
            pass  # it was reset already
    assert got == b"" or got[0] == 0x15, "an alert or nothing"
    after = eventually(lambda: sum((m := metrics(shared, 7901)).values()) > sum(before.values()) and m, 5, "it is counted")
    assert after["failed"] + after["closed"] == before["failed"] + before["closed"] + 1
    assert told(shared) == lines, "scanners write no log"


def test_handshakes_have_a_deadline(world, serve, ctx):
    proxy = serve(TLS_TIMEOUT_MS=400)
    hello = client_hello(ctx)
    began = time.monotonic()
    socks = [proxy.host.net.hosts["client"].connect((proxy.ip, proxy.tls_port), 5) for _ in range(3)]
    socks[1].sendall(hello[:50])
    socks[2].sendall(hello)
    for i, sock in enumerate(socks):
        data = b"".join(iter(lambda: sock.recv(65536), b""))
        assert (data != b"") == (i == 2), "the server's flight, and nothing else"
        assert 0.3 < time.monotonic() - began < 3
        sock.close()
    assert metrics(proxy, admin_of(proxy))["timeout"] == 3
    with TlsConn(proxy, ctx) as conn:
        assert conn.ask("GET", "/").status == 200


def test_a_dripping_handshake_has_the_same_deadline(world, serve, ctx):
    proxy = serve(TLS_TIMEOUT_MS=500)
    began = time.monotonic()
    with proxy.host.net.hosts["client"].connect((proxy.ip, proxy.tls_port), 5) as sock, pytest.raises(OSError):
        for byte in client_hello(ctx):
            sock.sendall(bytes([byte]))
            time.sleep(0.02)
    assert time.monotonic() - began < 3


def test_handshakes_count_in_the_limits(world, serve, ctx):
    proxy = serve(MAX_CONNECTIONS=16, TLS_TIMEOUT_MS=1000)
    client = proxy.host.net.hosts["client"]
    time.sleep(0.1)  # the connection that saw it start is gone
    socks = [client.connect((proxy.ip, proxy.tls_port), 5) for _ in range(16)]
    time.sleep(0.1)  # another worker may accept the next one
    assert fetch(proxy, "GET", "/").status == 503
    with TlsConn(proxy, ctx) as conn:
        assert conn.ask("GET", "/").status == 503, "who gets through the handshake is told, too"
    for sock in socks:
        assert sock.recv(1) == b""
        sock.close()
    with TlsConn(proxy, ctx) as conn:
        assert conn.ask("GET", "/").status == 200


@pytest.mark.limit(60)
def test_1000_aborted_handshakes(world, serve, ctx):
    """Silent, in the middle of a hello, after it, and reset: nothing is left of them."""
    proxy = serve(WORKERS=1)
    client, hello = proxy.host.net.hosts["client"], client_hello(ctx)

    def abort(n):
        for i in range(n):
            sock = client.connect((proxy.ip, proxy.tls_port), 5)
            if i % 4 > 0:
                sock.sendall(hello[:100] if i % 4 == 1 else hello)
            if i % 8 > 3:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()
    sizes, fds = [], []
    # The allocator takes what the busiest moment needs, and that is not the first one; a leak never ends.
    while len(sizes) < 3 or sizes[-1] - sizes[-2] > 200:
        assert is_sanitized() or len(sizes) < 12, sizes
        abort(1000)
        eventually(lambda: metrics(proxy, admin_of(proxy))["closed"] == 1000 * (1 + len(sizes)), 10, "all are over")
        sizes.append(proxy.rss_kib())
        fds.append(proxy.n_fds())
        if is_sanitized() and len(sizes) == 3:
            break
    assert len(set(fds)) == 1
    assert not [x for x in proxy.lines() if x.get("event") == "tls_handshake"]


@pytest.mark.limit(60)
@pytest.mark.parametrize("version", [V12, V13])
def test_memory_of_idle_connections(world, serve, version, table):
    """Idle ones have been served before."""
    proxy, n = serve(), 400
    ctx = context(world.ca, low=version)

    def served():
        conn = TlsConn(proxy, ctx)
        assert conn.ask("GET", "/").status == 200
        return conn
    conns = [served() for _ in range(50)]
    before = proxy.rss_kib()
    conns += [served() for _ in range(n)]
    time.sleep(0.2)
    each = (proxy.rss_kib() - before) / n
    for conn in conns:
        conn.sock.close()
    table.setdefault(("TLS listener", "version", "idle connection"), []).append((version.name, f"{each:.1f} KiB"))
    assert is_sanitized() or each < 32


# As in the clear

def test_cors_and_both_listeners(world, shared, origin, ctx):
    with TlsConn(shared, ctx) as conn:
        resp = conn.ask("GET", TARGET + "?both=tls", [("Origin", "https://catalog.test")])
        check_cors(resp)
        resp = conn.ask("OPTIONS", TARGET, [("Origin", "https://catalog.test"), ("Access-Control-Request-Method", "PUT")])
        check_cors(resp, allow_method="PUT")
    check_cors(fetch(shared, "GET", TARGET + "?both=plain"))
    assert shared.access_with("both=tls")["tls"] == "TLSv1.3"
    assert "tls" not in shared.access_with("both=plain")


def test_signed_requests(world, shared):
    """boto3 with an https endpoint; large bodies both ways, streaming checksums too."""
    import boto3
    from botocore.config import Config
    s3 = boto3.client("s3", region_name="us-west-2", aws_access_key_id="S3RVER", aws_secret_access_key="S3RVER",
                      endpoint_url=f"https://{MOTO}", verify=world.ca.path,
                      config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}))

    def rewrite(request, **_):
        parts = urllib.parse.urlsplit(request.url)
        request.url = f"https://{NAME}:{shared.tls_port}/{parts.netloc}{request.url.split(parts.netloc, 1)[1]}"
    s3.meta.events.register_last("before-send.s3", rewrite)
    s3.create_bucket(Bucket="tls", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    body = os.urandom(6 * MIB)
    s3.put_object(Bucket="tls", Key="large+ä", Body=body)
    assert s3.get_object(Bucket="tls", Key="large+ä")["Body"].read() == body
    eventually(lambda: [x["tls"] for x in shared.access() if x.get("host") == MOTO] == ["TLSv1.3"] * 3, 5, "three lines")


def test_pipelining(shared, origin, ctx):
    with TlsConn(shared, ctx) as conn:
        conn.send(request_bytes("GET", TARGET) + request_bytes("GET", "/")
                  + request_bytes("PUT", f"/{ORIGIN}/tls/up", body=b"abc") + request_bytes("HEAD", TARGET))
        got = [conn.response(m) for m in ("GET", "GET", "PUT", "HEAD")]
        assert [r.status for r in got] == [200] * 4
        conn.send(request_bytes("GET", "/") * 500)
        assert all(conn.response().body == b"S3 Proxy" for _ in range(500))


def test_a_request_with_the_last_flight(world, shared, ctx):
    """Finished and the request in one segment: nothing else would wake the proxy."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ctx.wrap_bio(into, out, server_hostname=NAME)
    with shared.host.net.hosts["client"].connect((shared.ip, shared.tls_port), 5) as sock:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                if data := out.read():
                    sock.sendall(data)
                into.write(sock.recv(65536))
        tls.write(request_bytes("GET", "/"))
        sock.sendall(out.read())
        got = b""
        while b"S3 Proxy" not in got:
            try:
                got += tls.read(65536)
            except ssl.SSLWantReadError:
                data = sock.recv(65536)
                assert data, "the end instead of an answer"
                into.write(data)


def test_expect_100(shared, origin, ctx):
    with TlsConn(shared, ctx) as conn:
        conn.send(b"PUT /%s/tls/e HTTP/1.1\r\nHost: p\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n" % ORIGIN.encode())
        interim = []
        timer = threading.Timer(0.3, lambda: conn.send(b"hello"))
        timer.start()
        assert conn.response("PUT", interim).status == 200
        timer.join()
    assert bytes(origin.requests[-1].body) == b"hello"


def test_http_1_0_ends_orderly(shared, origin, ctx):
    """A body that the end of the connection ends: only close_notify tells it from a cut."""
    def respond(request, wire):
        wire.sock.sendall(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n%X\r\n" % (3 * MIB) + b"x" * (3 * MIB)
                          + b"\r\n0\r\n\r\n")
        return True
    origin.respond = respond
    with TlsConn(shared, ctx, rcvbuf=8192) as conn:
        conn.send(b"GET %s HTTP/1.0\r\n\r\n" % TARGET.encode())
        time.sleep(0.5)
        data = b""
        while piece := conn.sock.recv(65536):
            data += piece
            if len(data) < 300_000:
                time.sleep(0.01)
    assert data.endswith(b"x" * MIB) and data.count(b"x" * 1024) == 3 * 1024


def test_cut_downloads_are_errors(shared, origin, ctx):
    def respond(request, wire):
        wire.sock.sendall(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n" + b"x" * 4096 + b"\r\n")
        time.sleep(0.2)
        return False
    origin.respond = respond
    for version in (b"1.1", b"1.0"):
        with TlsConn(shared, ctx) as conn:
            conn.send(b"GET %s?cut HTTP/%s\r\nHost: p\r\n\r\n" % (TARGET.encode(), version))
            with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):
                while conn.sock.recv(65536):
                    pass


@pytest.mark.limit(60)
def test_backpressure(world, serve, origin, ctx):
    """Readers and origins that stall: memory stays bounded, and all bytes arrive in the end."""
    proxy = serve()
    size = 48 * MIB
    origin.put("/tls/large", b"z" * size)
    with TlsConn(proxy, ctx) as conn:
        assert conn.ask("GET", TARGET).status == 200
        before = proxy.rss_kib()
        conn.send(request_bytes("GET", f"/{ORIGIN}/tls/large"))
        time.sleep(1)
        assert is_sanitized() or proxy.rss_kib() - before < 4096
        assert len(conn.response().body) == size

    received = []

    def respond(request, wire):
        time.sleep(1)
        received.append(proxy.rss_kib())
        for _ in request.pieces(wire):
            pass
        wire.sock.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n")
        return True
    origin.respond = respond
    with TlsConn(proxy, ctx) as conn:
        before = proxy.rss_kib()
        conn.send(request_bytes("PUT", f"/{ORIGIN}/tls/up", body=b"u" * size))
        assert conn.response("PUT").status == 200
    assert is_sanitized() or received[0] - before < 4096
    assert len(origin.requests[-1].body) == size


@pytest.mark.parametrize("how", ["close_notify", "fin", "rst"])
def test_a_client_that_leaves_ends_the_request(shared, origin, ctx, how):
    gone = threading.Event()

    def respond(request, wire):
        wire.sock.settimeout(10)
        try:
            while wire.sock.recv(65536):
                pass
        except OSError:
            pass
        gone.set()
        return False
    origin.respond = respond
    conn = TlsConn(shared, ctx)
    conn.send(request_bytes("GET", TARGET + "?leaves=" + how))
    eventually(lambda: origin.requests, 5, "the origin has it")
    if how == "rst":
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    if how == "close_notify":
        conn.sock.settimeout(0.2)
        try:
            conn.sock.unwrap()
        except OSError:
            pass
    conn.sock.close()
    assert gone.wait(5)
    assert shared.access_with("leaves=" + how)["end"] == "client_gone"


def test_refused_upload_lingers(shared, origin, ctx):
    """The answer reaches a client that still writes, and that reads when it is done."""
    with TlsConn(shared, ctx) as conn:
        conn.send(b"PUT /not-allowed.test/x HTTP/1.1\r\nHost: p\r\nContent-Length: 4000000\r\n\r\n")
        for _ in range(40):
            conn.send(b"u" * 100_000)
        assert conn.response("PUT").status == 400
        assert conn.ended_orderly()


# Drain

def test_drain(world, serve, origin, ctx):
    """Idle connections end orderly at once; a download and a handshake that has begun are served."""
    proxy = serve(DRAIN_TIMEOUT_MS=20000)
    body = os.urandom(8 * MIB)
    origin.put("/tls/drain", body)
    idle, busy = TlsConn(proxy, ctx), TlsConn(proxy, ctx, rcvbuf=8192)
    assert idle.ask("GET", "/").status == 200
    busy.send(request_bytes("GET", f"/{ORIGIN}/tls/drain"))
    busy.sock.recv(1)
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    late = ctx.wrap_bio(into, out, server_hostname=NAME)
    raw = proxy.host.net.hosts["client"].connect((proxy.ip, proxy.tls_port), 5)
    silent = proxy.host.net.hosts["client"].connect((proxy.ip, proxy.tls_port), 5)
    with pytest.raises(ssl.SSLWantReadError):
        late.do_handshake()
    raw.sendall(out.read())
    into.write(raw.recv(65536))
    proxy.term()
    assert idle.ended_orderly(), "close_notify"
    assert silent.recv(1) == b""
    with pytest.raises(OSError):
        TlsConn(proxy, ctx)
    late.do_handshake()
    late.write(request_bytes("GET", "/"))
    raw.sendall(out.read())
    data = b""
    while piece := raw.recv(65536):
        into.write(piece)
        try:
            while got := late.read(65536):
                data += got
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
    assert data.endswith(b"S3 Proxy") and b"connection: close" in data.lower()
    rest = b""
    while piece := busy.sock.recv(1 << 20):
        rest += piece
    assert rest.endswith(body[-100000:]) and len(rest) > len(body)
    assert proxy.process.wait(10) == 0


# Settings, certificates

def config_check(world, **settings):
    env = {"PATH": os.environ["PATH"], "INTERNAL_REGISTRY_URL": "http://registry.stk",
           **{f"PENSTOCK_{k}": v for k, v in settings.items()}}
    with world.penstock_host.enter():
        return subprocess.run([binary(), "config", "check"], env=env, capture_output=True, text=True, timeout=10,
                              check=False, cwd="/", stdin=subprocess.DEVNULL)


def test_all_three_or_none(world, certificate):
    given = {"TLS_LISTEN": ":8443", "TLS_CERT": certificate, "TLS_KEY": certificate}
    assert config_check(world, **given).returncode == 0
    for missing in given:
        done = config_check(world, **{k: v for k, v in given.items() if k != missing})
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
        assert f"PENSTOCK_{missing} is not set" in done.stderr and "all three or none" in done.stderr
    assert "the same address as PENSTOCK_LISTEN" in config_check(world, **{**given, "TLS_LISTEN": "[::]:80"}).stderr


def test_files_are_checked(world, certificate, tmp_path):
    other = world.ca.issue("another", ["other.test"])
    done = config_check(world, TLS_LISTEN=":8443", TLS_CERT=certificate, TLS_KEY=other)
    assert done.returncode == 1 and "is not that of the certificate" in done.stderr
    secret = tmp_path / "secret.pem"
    subprocess.run(["openssl", "pkey", "-in", certificate, "-aes256", "-passout", "pass:x", "-out", str(secret)],
                   check=True, capture_output=True)
    done = config_check(world, TLS_LISTEN=":8443", TLS_CERT=certificate, TLS_KEY=str(secret))
    assert done.returncode == 1 and "encrypted" in done.stderr and "openssl pkey" in done.stderr
    decrypted = tmp_path / "plain.pem"
    subprocess.run(["openssl", "pkey", "-in", str(secret), "-passin", "pass:x", "-out", str(decrypted)], check=True)
    assert config_check(world, TLS_LISTEN=":8443", TLS_CERT=certificate, TLS_KEY=str(decrypted)).returncode == 0


def test_serve_says_what_is_wrong_with_them(world):
    env = {"PATH": os.environ["PATH"], "INTERNAL_REGISTRY_URL": "http://registry.stk", "PENSTOCK_LISTEN": ":8070",
           "PENSTOCK_ADMIN": "off", "PENSTOCK_TLS_LISTEN": ":8071", "PENSTOCK_TLS_CERT": "/nowhere/c.pem",
           "PENSTOCK_TLS_KEY": "/nowhere/k.pem", "PENSTOCK_DNS_AWS": "off"}
    with world.penstock_host.enter():
        done = subprocess.run([binary(), "serve"], env=env, capture_output=True, text=True, timeout=10, check=False)
    said = (done.stdout + done.stderr).strip()
    assert done.returncode == 1 and len(said.splitlines()) == 1
    assert "certificate: /nowhere/c.pem: No such file" in said


@pytest.mark.parametrize("days, level, words", [
    ((-1, 30), "info", "TLS clients are shown"), ((-1, 13), "warning", "expires in 1"),
    ((-9, -1), "warning", "it has expired"), ((1, 30), "warning", "not valid yet")])
def test_the_log_tells_of_the_certificate(world, serve, days, level, words):
    cert = world.ca.issue("dated", [NAME, "other.penstock.test"], days)
    proxy = serve(cert)
    line = eventually(lambda: next((x for x in proxy.lines() if x.get("event") == "tls_certificate"), None), 5, "it")
    assert line["level"] == level and words in line["message"]
    assert line["names"] == f"{NAME}, other.penstock.test" and line["subject"] == "/CN=dated"
    told = metrics(proxy, admin_of(proxy))["certificate_not_after_timestamp_seconds"]
    assert line["not_after"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(told))
    assert abs(told - (time.time() + days[1] * 86400)) < 3600


def test_the_chain_is_sent(world, serve, tmp_path):
    """What stands behind the certificate in its file is shown; here the authority itself, for want of another."""
    leaf = world.ca.issue("chained", [NAME])
    text = open(leaf).read()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    at = text.index("-----BEGIN PRIVATE KEY")
    cert.write_text(text[:at] + open(world.ca.path).read())
    key.write_text(text[at:])
    proxy = serve(str(cert), str(key))
    said = s_client(proxy, "-showcerts", "-CAfile", world.ca.path)
    assert said.stdout.count("BEGIN CERTIFICATE") == 2 and "Verify return code: 0" in said.stdout


# Certificates that are replaced

def serial_of(conn):
    return conn.sock.getpeercert()["serialNumber"]


def test_reload(world, serve, origin, ctx, tmp_path):
    """SIGHUP: new connections are shown the new certificate, old ones and their sessions go on; a broken file changes
    nothing; what old connections hold goes with them."""
    path = tmp_path / "served.pem"

    def replace(data):
        new = tmp_path / "new"
        new.write_bytes(data)
        new.rename(path)
        n = sum(x.get("event") in ("reload", "reload_failed") for x in proxy.lines())
        proxy.process.send_signal(signal.SIGHUP)
        return eventually(lambda: [x for x in proxy.lines() if x.get("event") in ("reload", "reload_failed")][n:], 10,
                          "it is done")

    first, second = (open(world.ca.issue(label, [NAME]), "rb").read() for label in ("first", "second"))
    path.write_bytes(first)
    proxy = serve(str(path), WORKERS=2)
    old = TlsConn(proxy, ctx)
    assert old.ask("GET", TARGET).status == 200
    session = old.sock.session
    assert replace(second)[0]["event"] == "reload"
    told = [x for x in proxy.lines() if x.get("event") == "tls_certificate"]
    assert [x["subject"] for x in told] == ["/CN=first", "/CN=second"]

    def new_serial():
        with TlsConn(proxy, ctx) as conn:
            return serial_of(conn)
    eventually(lambda: {new_serial() for _ in range(8)} - {serial_of(old)} and new_serial() != serial_of(old), 5,
               "new connections are shown the new one")
    time.sleep(0.2)
    serials = {new_serial() for _ in range(16)}
    assert len(serials) == 1 and serial_of(old) not in serials, "at every worker"
    assert old.ask("GET", TARGET).body == b"0123456789"
    with TlsConn(proxy, ctx, session=session) as conn:
        assert conn.sock.session_reused
    assert metrics(proxy, admin_of(proxy))["contexts"] == 3, "that of the old connection is the third"
    old.sock.close()
    eventually(lambda: metrics(proxy, admin_of(proxy))["contexts"] == 2, 5, "it goes")

    for broken in (second[:200], b"", first[:first.index(b"-----BEGIN PRIVATE")] + second[second.index(b"-----BEGIN PR"):]):
        line = replace(broken)[0]
        assert line["event"] == "reload_failed" and str(path) in line["message"]
        assert {new_serial() for _ in range(8)} == serials
    assert replace(first)[0]["event"] == "reload"
    eventually(lambda: {new_serial() for _ in range(8)}.isdisjoint(serials), 5, "the next good one is taken")


def test_100_reloads_under_load(world, serve, origin, ctx, certificate):
    """No request fails, and no context stays behind."""
    proxy = serve(WORKERS=2)
    over, failed, n = threading.Event(), [], [0]

    def ask():
        while not over.is_set():
            try:
                with TlsConn(proxy, ctx) as conn:
                    for _ in range(5):
                        assert conn.ask("GET", TARGET).body == b"0123456789"
                        n[0] += 1
            except (OSError, AssertionError, EOFError) as error:
                failed.append(repr(error))
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()

    def reloads():
        return [x for x in proxy.lines() if x.get("event") == "reload"]
    for i in range(100):
        proxy.process.send_signal(signal.SIGHUP)
        eventually(lambda: len(reloads()) > i, 10, f"reload {i}")
    over.set()
    for thread in threads:
        thread.join()
    assert failed == [] and n[0] > 100
    eventually(lambda: metrics(proxy, admin_of(proxy))["contexts"] == 2, 5, "all others are gone")

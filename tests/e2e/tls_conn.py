"""A TLS client's connection to penstock on which exact bytes are sent."""

import contextlib
import ssl

from helpers import Conn
from lab import http

NAME = "penstock"  # in the certificates, and in the lab's hosts file


def context(ca, *, low=None, high=None, ciphers=None, alpn=None):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.load_verify_locations(ca.path)
    if low or high:
        ctx.minimum_version = low or high
        ctx.maximum_version = high or low
    if ciphers:
        ctx.set_ciphers(ciphers)
    if alpn:
        ctx.set_alpn_protocols(alpn)
    return ctx


class TlsConn(Conn):
    """proxy.tls_port is where it connects; an end without close_notify is an error, as with most clients."""

    def __init__(self, proxy, ctx, timeout=20.0, session=None, rcvbuf=None):
        host = proxy.host.net.hosts["client"]
        raw = host.connect((proxy.ip, proxy.tls_port), timeout, rcvbuf)
        try:
            self.sock = ctx.wrap_socket(raw, server_hostname=NAME, session=session, suppress_ragged_eofs=False)
        except BaseException:
            raw.close()
            raise
        self.wire = http.Wire(self.sock)

    def ended_orderly(self, timeout=5.0):
        """close_notify came, and nothing before it."""
        self.sock.settimeout(timeout)
        with contextlib.suppress(ssl.SSLZeroReturnError):
            return self.sock.recv(1) == b""
        return True


def client_hello(ctx):
    """The first bytes that a client sends."""
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ctx.wrap_bio(ssl.MemoryBIO(), out, server_hostname=NAME).do_handshake()
    return out.read()

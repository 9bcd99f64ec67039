"""S3 behind TLS: a gate that checks every signature and keeps what arrived, before s3rver (npm) or moto."""

import os
import re
import select
import subprocess
import sys
import time

from lab import http, sigv4

NODE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "e2e", "node")

DENIED = ('<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SignatureDoesNotMatch</Code>'
          "<Message>%s</Message></Error>")


def wait_port(host, ip, port, process, timeout=30.0):
    deadline = time.monotonic() + timeout
    while True:
        try:
            host.connect((ip, port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{host.name}: nothing listens on {ip}:{port}") from None
            time.sleep(0.03)


class Gate(http.Server):
    """Ends TLS, checks signatures, notes each request, and relays bytes to the server behind on loopback."""

    BACKEND = ("127.0.0.1", 8000)

    def __init__(self, host, ip, context):
        self.requests = []
        super().__init__(host, ip, 443, context)

    def serve(self, wire, number):
        with self.host.connect(self.BACKEND) as sock:
            sock.settimeout(None)
            back = http.Wire(sock)
            wire.before_fill = lambda: self._until_readable(wire, back)
            while head := wire.head():
                request = http.Request(head, number)
                request.verdict = sigv4.verify(request)
                self.requests.append(request)
                if request.verdict.error:
                    self._deny(wire, request)
                    return
                self._forward(request, wire, sock)
                self._answer(request, wire, back)

    @staticmethod
    def _forward(request, wire, sock):
        sock.sendall(request.head)
        if "chunked" in (request.headers.get("transfer-encoding") or "").lower():
            for piece in request.pieces(wire):
                sock.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            sock.sendall(b"0\r\n\r\n")
        else:
            for piece in request.pieces(wire):
                sock.sendall(piece)

    def _until_readable(self, wire, back):
        """One thread owns the TLS connection: while the client is silent, look after the server behind."""
        while not wire.sock.pending():
            ready, _, _ = select.select([wire.sock, back.sock], [], [])
            if back.sock not in ready:
                return
            head = back.head()
            if not head.startswith(b"HTTP/1.1 1"):
                wire.sock.sendall(head)
                self._relay_body(head, "GET", wire, back)
                raise EOFError("the server behind answered early, or closed")
            wire.sock.sendall(head)

    def _answer(self, request, wire, back):
        while True:
            head = back.head()
            if not head:
                raise EOFError("the server behind closed without an answer")
            wire.sock.sendall(head)
            if not head.startswith(b"HTTP/1.1 1"):
                break
        self._relay_body(head, request.method, wire, back)

    @staticmethod
    def _relay_body(head, method, wire, back):
        if not head or method == "HEAD" or head[9:12] in (b"204", b"304"):
            return
        headers = http.Headers(head)
        if "chunked" in (headers.get("transfer-encoding") or ""):
            for piece in back.chunks():
                wire.sock.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            wire.sock.sendall(b"0\r\n\r\n")
        elif "content-length" in headers:
            left = int(headers.get("content-length"))
            while left:
                piece = back.some(left)
                left -= len(piece)
                wire.sock.sendall(piece)
        else:
            wire.sock.sendall(back.rest())
            raise EOFError("ended by close")

    @staticmethod
    def _deny(wire, request):
        body = (DENIED % re.sub("[<>&]", "?", request.verdict.error)).encode("latin-1", "replace")
        wire.sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nConnection: close\r\n"
                          b"x-amz-request-id: GATE\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def puts(self, target_part=""):
        return [r for r in self.requests if r.method == "PUT" and target_part in r.target]


class S3rver(Gate):
    """s3rver on node; it checks version 2 signatures itself."""

    def __init__(self, host, ip, context, folder, buckets):
        data = os.path.join(folder, "s3rver-data")
        os.makedirs(data, exist_ok=True)
        args = ["node", os.path.join(NODE, "node_modules", "s3rver", "bin", "s3rver.js"), "-d", data,
                "-a", "127.0.0.1", "-p", "8000", "--service-endpoint", "amazonaws.com"]
        for bucket in buckets:
            args += ["--configure-bucket", bucket]
        log = open(os.path.join(folder, "s3rver.log"), "w")
        self.process = host.popen(args, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder)
        super().__init__(host, ip, context)

    def wait(self):
        wait_port(self.host, *self.BACKEND, self.process)


class Moto(Gate):
    """moto's S3, in memory: any key works, tagging and aws-chunked with trailers too."""

    def __init__(self, host, ip, context, folder):
        log = open(os.path.join(folder, "moto.log"), "w")
        env = dict(os.environ, MOTO_S3_DEFAULT_MAX_KEYS="1000", AWS_EC2_METADATA_DISABLED="true")
        args = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "8000"]
        self.process = host.popen(args, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env)
        super().__init__(host, ip, context)

    def wait(self):
        wait_port(self.host, *self.BACKEND, self.process)

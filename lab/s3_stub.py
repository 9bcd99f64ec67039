"""S3 as somebody sees it who asks HEAD without credentials: it tells each bucket's region, and denies. TLS and answers
can be made wrong."""

import email.utils
import time

from lab import http


class S3Stub(http.Server):
    """On every address of its host. buckets: name -> region. Settings, all put back by heal():
    tls: the context now in use; at_handshake: None, "reset" or "hang up"; skew: seconds that its clock is ahead;
    override(request) -> (status, headers) or None."""

    def __init__(self, host, contexts, region, buckets):
        self.contexts, self.region, self.buckets = contexts, region, buckets
        self.heal()
        super().__init__(host, "::", 443, contexts["good"])

    def heal(self):
        self.context = self.contexts["good"]
        self.at_handshake = None
        self.skew = 0
        self.override = None
        self.requests = []

    def present(self, which):
        """Another certificate: a key of contexts."""
        self.context = self.contexts[which]

    def _run(self, sock, number):
        if not self.at_handshake:
            return super()._run(sock, number)
        try:
            sock.settimeout(5)
            sock.recv(1)  # the client's hello is on its way
            if self.at_handshake == "reset":
                http.reset(sock)
            else:
                sock.close()
        except OSError:
            pass
        return None

    def bucket_of(self, request):
        host = (request.headers.get("host") or "").split(":")[0]
        if host.count(".s3."):
            return host.split(".s3.")[0]
        return request.target.split("?")[0].strip("/").split("/")[0]

    def serve(self, wire, number):
        while head := wire.head():
            request = http.Request(head, number)
            self.requests.append(request)
            for _ in request.pieces(wire):
                pass
            status, headers = (self.override and self.override(request)) or self._answer(request)
            headers = [("Date", email.utils.formatdate(time.time() + self.skew, usegmt=True)), ("Server", "AmazonS3"),
                       ("x-amz-request-id", "LAB%013d" % len(self.requests)), *headers]
            body = b"" if request.method == "HEAD" else b"<Error><Code>%d</Code></Error>" % status
            lines = "".join(f"{n}: {v}\r\n" for n, v in headers).encode()
            wire.sock.sendall(b"HTTP/1.1 %d X\r\nContent-Type: application/xml\r\n%sContent-Length: %d\r\n\r\n%s"
                              % (status, lines, len(body), body))

    def _answer(self, request):
        bucket = self.bucket_of(request)
        if not bucket:
            return 405, [("Allow", "GET")] if request.method == "HEAD" else []
        region = self.buckets.get(bucket)
        if region is None:
            return 404, []
        if region != self.region:
            return 301, [("x-amz-bucket-region", region)]
        return 403, [("x-amz-bucket-region", region)]

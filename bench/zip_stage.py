"""What the archives of the bench need beside the proxy's stage: a registry that gives their lists of files, and a
client that takes its time."""

import asyncio
import io
import re
import socket
import threading
import time
import zipfile
import zlib

from contenders import HOST, Proxy, Stage
from machine import LISTEN_ADDRESS

UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20}
PERIOD = 251  # PATTERN_PERIOD of bench.h
# Of the length that a presigned location has.
QUERY = ("?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260101%2Fus-east-1%2Fs3%2F"
         "aws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature="
         + 64 * "0")


def size_of(name):
    number, unit = re.fullmatch(r"(\d+)([km]?)", name).groups()
    return int(number) * UNITS[unit]


def crc_of(n_bytes):
    """Of the origin's object of this size."""
    period, crc = bytes(range(PERIOD)) * 4096, 0
    while n_bytes:
        n = min(n_bytes, len(period))
        crc = zlib.crc32(period[:n], crc)
        n_bytes -= n
    return crc


def location(name, number):
    return f"/{HOST}/bench-bucket/dir/{number:06}/{name}"


def manifest(shape):
    """Of "1000x64k": a thousand objects of 64 KiB."""
    count, name = shape.split("x")
    size = size_of(name)
    crc = crc_of(size)
    return "".join(f"{crc:08x} {size} {location(name, i)}{QUERY} folder/file-{i:06}.bin\r\n"
                   for i in range(int(count))).encode()


class Registry(threading.Thread):
    """GET /zip/SHAPE gives the manifest of that shape. It is asked once an archive."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.create_server((LISTEN_ADDRESS, 0), backlog=512)
        self.url = f"http://{LISTEN_ADDRESS}:{self.socket.getsockname()[1]}"
        self.answers = {}

    def answer(self, shape):
        if "x" not in shape:  # the self-check asks for something that is no archive
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        if shape not in self.answers:
            body = manifest(shape)
            self.answers[shape] = (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Archive-Files: zip\r\n"
                                   b"Content-Disposition: attachment; filename=\"bench.zip\"\r\n"
                                   b"Content-Length: %d\r\n\r\n" % len(body) + body)
        return self.answers[shape]

    async def serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                writer.write(self.answer(head.split(b" ", 2)[1].decode().rpartition("/")[2]))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def run(self):
        async def forever():
            server = await asyncio.start_server(self.serve, sock=self.socket)
            await server.serve_forever()
        asyncio.run(forever())


class ZipStage(Stage):
    """The proxy's stage with a registry. Several penstocks with different settings may stand on it."""

    def __init__(self, *where, **how):
        super().__init__(*where, **how)
        self.registry = Registry()
        self.registry.start()

    def start_penstock(self, name, **settings):
        command, port, env = self.penstock(INTERNAL_REGISTRY_URL=self.registry.url, **settings)
        proxy = Proxy(name, command, port, self.proxy_core, self.run, env)
        self.contenders.append(proxy)
        proxy.wait_ready()
        return proxy


class Client:
    """One keep-alive connection, one request after the other."""

    def __init__(self, port):
        self.socket = socket.create_connection((LISTEN_ADDRESS, port), 5)
        self.socket.settimeout(90)
        self.scratch = memoryview(bytearray(1 << 20))

    def get(self, target, keep=None):
        """Returns the body's length; the bytes go into keep."""
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: proxy.bench\r\n\r\n".encode())
        got = b""
        while b"\r\n\r\n" not in got:
            more = self.socket.recv(65536)
            if not more:
                raise RuntimeError("the connection ended within the head")
            got += more
        head, _, first = got.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        if not head.startswith(b"HTTP/1.1 200 ") or not length:
            raise RuntimeError(f"{target}: {got[:300]!r}")
        total = int(length[1])
        if keep is not None:
            keep.write(first)
        left = total - len(first)
        while left > 0:
            n = self.socket.recv_into(self.scratch, min(left, len(self.scratch)))
            if not n:
                raise RuntimeError(f"{target} was cut with {left} bytes to come")
            if keep is not None:
                keep.write(self.scratch[:n])
            left -= n
        return total

    def close(self):
        self.socket.close()


def fetch_archive(port, shape, check=False):
    """Bytes and seconds of one archive on a connection of its own. check: it is opened and every entry is read."""
    client, body = Client(port), io.BytesIO() if check else None
    try:
        begin = time.monotonic()
        total = client.get(f"/zip/{shape}", body)
        took = time.monotonic() - begin
    finally:
        client.close()
    if check:
        with zipfile.ZipFile(body) as archive:
            wrong = archive.testzip()
            if wrong or len(archive.namelist()) != int(shape.split("x")[0]):
                raise RuntimeError(f"{shape} is damaged: {wrong or archive.namelist()[:3]}")
    return {"bytes": total, "seconds": took}


def fetch_one_by_one(port, shape):
    """The same objects as the archive's, each asked for when the one before is there."""
    count, name = shape.split("x")
    client, total = Client(port), 0
    try:
        begin = time.monotonic()
        for i in range(int(count)):
            total += client.get(location(name, i))
        took = time.monotonic() - begin
    finally:
        client.close()
    if total != int(count) * size_of(name):
        raise RuntimeError("an object of another size came")
    return {"bytes": total, "seconds": took}

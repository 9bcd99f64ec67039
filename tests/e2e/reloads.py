"""A penstock with a file of settings that is written anew, and what a test asks it about its reloads."""

import json
import os
import signal
import time
import zlib

from helpers import ORIGIN, eventually, fetch
from lab import origin as o
from lab.ca import CA
from lab.origin import Origin
from lab.registry import entry

SMALL, LARGE = o.random_bytes(2000, 1), o.random_bytes(600000, 2)
OTHER_PORT = 8443  # an origin whose certificate is of another authority


class Settings:
    """A penstock with a file of settings that can be written anew."""

    def __init__(self, world, start, text, name="reload", **settings):
        self.path = os.path.join(world.folder, f"{name}-{time.monotonic_ns()}.yaml")
        self.write(text)
        args = (*settings.pop("args", ("serve",)), "--config", self.path)
        self.penstock = start(args=args, **settings)

    def write(self, text):
        with open(self.path + ".new", "w", encoding="ascii") as f:
            f.write(text)
        os.rename(self.path + ".new", self.path)

    def events(self):
        return [x for x in self.penstock.lines() if x.get("event") in ("reload", "reload_failed")]

    def hup(self, text=None):
        """Sends SIGHUP and waits; the events that came of it."""
        if text is not None:
            self.write(text)
        n = len(self.events())
        self.penstock.process.send_signal(signal.SIGHUP)
        eventually(lambda: len(self.events()) > n, 5, "a reload")
        return self.events()[n:]


def fill(world):
    """Objects, and an archive of them; the origin."""
    world.origin.reset_hooks()
    world.registry.reset_hooks()
    world.origin.put("/lab/small", SMALL)
    world.origin.put("/lab/large", LARGE)
    world.registry.put_archive("/zip/lab.zip", *(entry(SMALL, f"/{ORIGIN}/lab/small", f"{i}.bin", zlib.crc32(SMALL)) for i in range(5)))
    return world.origin


def serve_by_another_authority(world):
    """An authority of its own, and an origin that it vouches for."""
    ca = CA(world.folder, "another CA")
    server = Origin(world.origin_host, "", OTHER_PORT, ca.context("other", ["minio.test"]))
    server.put("/lab/small", SMALL)
    server.put("/lab/large", LARGE)
    return ca


def authorities(world, *cas):
    path = os.path.join(world.folder, "authorities.pem")
    with open(path + ".new", "wb") as f:
        for ca in cas:
            with open(ca.path, "rb") as one:
                f.write(one.read())
    os.rename(path + ".new", path)
    return path


def get(penstock, path, host=ORIGIN):
    return fetch(penstock, "GET", f"/{host}{path}")


def settled(read):
    """What read() says, when it says the same after a while."""
    n = read()
    time.sleep(0.5)
    return n if read() == n else None


def status_page(penstock):
    with penstock.host.connect(("127.0.0.1", penstock.port + 10000)) as s:
        s.sendall(b"GET /status.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while got := s.recv(65536):
            answer += got
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def metric(penstock, name):
    with penstock.host.connect(("127.0.0.1", penstock.port + 10000)) as s:
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while got := s.recv(65536):
            answer += got
    found = [line.rpartition(" ")[2] for line in answer.decode().splitlines() if line.startswith(name + " ")]
    assert len(found) <= 1, found
    return float(found[0]) if found else None

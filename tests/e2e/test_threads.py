"""A build of penstock with the thread sanitizer, several workers, everything that they share in use at once: the cache,
servers that fail and come back, files that are swapped, both listeners, the pages of the admin listener, and the end."""

import contextlib
import os
import random
import socket
import struct
import subprocess
import threading
import time

import lab.penstock
import pytest
from lab import dnsclient
from lab.dns import Scripted
from lab.world import AWS, CORP, CORP2, CORP3, PENSTOCK, s3_name

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HTTP, ADMIN, DNS = 8079, 9979, 5379  # the usual ones may be in use by another test's instance
SECONDS = float(os.environ.get("LAB_THREADS_SECONDS") or 8)
NAMES = [f"b{i}.{s3_name(r)}" for i in range(20) for r in ("us-west-2", "eu-west-1", "sa-east-1", "nowhere-1")] + [
    "registry.stk", "minio.test", "files.corp.test", "penstock", "localhost", "x.onion"]


def binary():
    path = os.environ.get("PENSTOCK_TSAN_BIN") or os.path.join(ROOT, "build-tsan", "penstock")
    assert os.access(path, os.X_OK), f"no {path}: build with -Db_sanitize=thread first (PENSTOCK_TSAN_BIN names another)"
    return path


def fixed_addresses():
    """The sanitizer's memory map does not bear much randomness; not every place lets it be turned off."""
    off = ["setarch", "-R"]
    return off if subprocess.run([*off, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0 else []


class Crowd:
    """Threads that do something over and over until the crowd leaves."""

    def __init__(self):
        self.is_over, self.threads, self.done, self.errors = threading.Event(), [], {}, []

    def add(self, what, seed=0):
        def run():
            r = random.Random(seed)
            n = 0
            try:
                while not self.is_over.is_set():
                    n += what(r)
            except Exception as error:  # the test looks at them
                self.errors.append(f"{what.__name__}: {error!r}")
            self.done[what.__name__] = self.done.get(what.__name__, 0) + n
        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()

    def leave(self):
        self.is_over.set()
        for t in self.threads:
            t.join(10)
        return self.done


def ask_by_udp(r):
    """A burst from a port of its own, so that each burst meets another worker; how many were answered."""
    n = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.05)
        for _ in range(40):
            name = r.choice(NAMES) if r.random() < 0.8 else f"r{r.randrange(10**6)}.test"
            s.sendto(dnsclient.query(name, r.choice(["A", "A", "AAAA", "TXT"])).to_wire(), (PENSTOCK, DNS))
        with contextlib.suppress(TimeoutError):
            while s.recv(4096):
                n += 1
    return n


def ask_by_tcp(r):
    n = 0
    with socket.create_connection((PENSTOCK, DNS), 2) as s, s.makefile("rb") as replies:
        s.settimeout(6)
        for _ in range(10):
            wire = dnsclient.query(r.choice(NAMES)).to_wire()
            s.sendall(struct.pack("!H", len(wire)) + wire)
            head = replies.read(2)
            if len(head) < 2:
                break  # over the limit of one client
            replies.read(struct.unpack("!H", head)[0])
            n += 1
    return n


def get(port, target, timeout=8):
    with socket.create_connection((PENSTOCK, port), timeout) as s:
        s.settimeout(timeout)
        s.sendall(f"GET {target} HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while got := s.recv(65536):
            answer += got
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return answer


def fetch(r):
    with contextlib.suppress(TimeoutError):
        get(HTTP, f"/{s3_name(r.choice(['us-west-2', 'eu-west-1', 'eu-west-3', 'nowhere-1']))}/lab-bucket/k{r.randrange(9)}")
    return 1


def look(r):
    for page in ("/metrics", "/dns/routes", f"/dns/lookup?name={r.choice(NAMES)}"):
        get(ADMIN, page)
    return 1


@pytest.fixture
def tsan(monkeypatch):
    monkeypatch.setattr(lab.penstock, "binary", binary)


def test_no_worker_reads_what_another_writes(world, tsan, capsys):
    penstock = world.start_penstock(
        servers=(CORP, CORP2, CORP3), port=HTTP, wrap=fixed_addresses(), WORKERS=4, ADMIN=f"{PENSTOCK}:{ADMIN}",
        DNS_LISTEN=f"{PENSTOCK}:{DNS}", DNS_CACHE="65536", DNS_CLIENT_RATE=0, DNS_BUDGET=2000, DNS_AWS_SERVERS=AWS,
        SELF_CHECK="on")
    settings = penstock.env
    behaviours = [Scripted.silent, Scripted.servfail, Scripted.refused, Scripted.nxdomain, Scripted.addresses("10.0.3.12")]

    def change(r):
        """What an operator, an agent and a bad day change under a running process."""
        servers = r.sample([CORP, CORP2, CORP3], r.randint(1, 3))
        world.resolv_conf(*servers, name=os.path.basename(settings["PENSTOCK_RESOLV_CONF"]))
        hosts = settings["PENSTOCK_HOSTS_FILE"]
        with open(hosts + ".new", "w", encoding="ascii") as f:
            f.write(f"127.0.0.1 localhost\n10.0.3.{r.randrange(1, 200)} changing.test\n")
        os.rename(hosts + ".new", hosts)
        world.scripted.behave, world.scripted2.behave = r.choice(behaviours), r.choice(behaviours)
        world.corp.say(r.choice(["always_nxdomain", "always_refuse"]))
        time.sleep(0.2)
        return 1

    crowd = Crowd()
    for what, n in ((ask_by_udp, 3), (ask_by_tcp, 1), (fetch, 2), (look, 1), (change, 1)):
        for seed in range(n):
            crowd.add(what, seed)
    time.sleep(SECONDS)
    done = crowd.leave()
    code = penstock.stop()
    output = penstock.output()
    with capsys.disabled():
        print("\n" + ", ".join(f"{what} {n}" for what, n in sorted(done.items())))
    assert "ThreadSanitizer" not in output, output[output.index("ThreadSanitizer") - 200:][:6000]
    assert code == 0, output[-3000:]
    assert not crowd.errors, crowd.errors
    assert done["ask_by_udp"] > 500 and all(done.values()), done

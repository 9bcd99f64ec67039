"""build/venv/bin/python -m lab.status_shots [--minutes N] [NAME...]: docs/status/NAME.png, the status page in Chromium; each is a run
in the lab's VPC, with requests of all that time behind it. The program is build/penstock, or PENSTOCK_BIN."""

import argparse
import collections
import contextlib
import os
import random
import struct
import sys
import threading
import time
import zlib

from lab import net
from lab import vpc as v
from lab.browser import Browser
from lab.penstock import ROOT, Penstock
from lab.registry import Page

FOLDER = os.path.join(ROOT, "docs", "status")
COLOURS = 256
DESK, PHONE = {"width": 1060, "height": 2350}, {"width": 390, "height": 1180}


NOBODY_KNOWS = "s3.ap-southeast-2.amazonaws.com"


# The name that Fargate gives a task's host.
NAMED = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', "ip-10-0-1-20.eu-west-1.compute.internal")


class Traffic:
    """Requests of one client, more and fewer of them as the minutes go, until it is told to end. S3 takes its time."""

    def __init__(self, vpc, proxy):
        self.vpc, self.proxy, self.ends, self.stray = vpc, proxy, threading.Event(), 0.0
        self.random = random.Random(6)
        vpc.s3.override = self._s3
        vpc.registry.pages["/browse/catalog"] = Page(b"[]")
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _s3(self, request):
        if request.method != "GET":
            return None
        time.sleep(self.random.uniform(0.012, 0.03))
        return 200, [("ETag", '"lab"')]

    def _run(self):
        rate = 4.0
        while not self.ends.wait(self.random.expovariate(rate)):
            rate = min(9.0, max(1.5, rate + self.random.uniform(-0.5, 0.5)))
            path = self.random.choice((f"/{v.S3_NAME}/lab-bucket/data/{self.random.randrange(99)}.csv",
                                       f"/lab-bucket.{v.S3_NAME}/index.json", "/browse/catalog"))
            if self.random.random() < self.stray:
                path = f"/{NOBODY_KNOWS}/lab-bucket/report-{self.random.randrange(9)}.pdf"
            with contextlib.suppress(OSError):
                sock = self.vpc.task.connect((v.TASK, 80), timeout=5)
                with sock:
                    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: penstock\r\nConnection: close\r\n\r\n".encode())
                    while sock.recv(65536):
                        pass

    def stop(self):
        self.ends.set()
        self.thread.join()


def healthy(vpc, traffic, wait):
    """The company's server forwards AWS names to Amazon's, as it should."""
    wait(1)


def broken(vpc, traffic, wait):
    """After most of the time the company's first server forgets AWS names, a firewall drops what goes to the second, and
    somebody asks for a region that has no name here."""
    wait(0.6)
    vpc.corp.say(v.OWN)
    vpc.drop(vpc.corp_host, f"ip daddr {v.CORP2} meta l4proto {{ tcp, udp }} th dport 53")
    traffic.stray = 0.05
    wait(0.4)


SHOTS = {"healthy": (healthy, DESK, "light"), "broken": (broken, DESK, "light"), "phone-dark": (broken, PHONE, "dark")}


def take(vpc, browser, names, minutes):
    happens = SHOTS[names[0]][0]
    vpc.heal()
    vpc.in_task([v.CORP, v.CORP2])
    env = vpc.environment(PENSTOCK_LISTEN=f"{v.TASK}:80", PENSTOCK_ADMIN="127.0.0.1:9901", PENSTOCK_SELF_CHECK="on",
                          PENSTOCK_RESOLV_CONF=None)
    proxy = Penstock(vpc.task, vpc.folder, env, wrap=NAMED)
    traffic = Traffic(vpc, proxy)
    try:
        browser.goto(url="http://127.0.0.1:9901/")
        happens(vpc, traffic, lambda part: time.sleep(part * minutes * 60))
        for name in names:
            _, size, scheme = SHOTS[name]
            browser.size(size=size)
            browser.media(media={"colorScheme": scheme})
            time.sleep(2)
            path = os.path.join(FOLDER, f"{name}.png")
            browser.shot(path=path)
            shrink(path)
            print(f"{path}: {os.path.getsize(path)} bytes")
    finally:
        traffic.stop()
        proxy.stop()


def shrink(path):
    """The same picture in its most frequent colours; the others are edges of letters, and take the nearest one."""
    with open(path, "rb") as f:
        data = f.read()
    chunks, at = {}, 8
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        chunks[kind] = chunks.get(kind, b"") + data[at + 8:at + 8 + n]
        at += 12 + n
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert depth == 8 and colour in (2, 6)
    pixels = unfilter(zlib.decompress(chunks[b"IDAT"]), width, height, 3 if colour == 2 else 4)
    counts = collections.Counter(p for row in pixels for p in row)
    palette = [p for p, _ in counts.most_common(COLOURS)]
    number = {p: i for i, p in enumerate(palette)}
    for p in counts:
        if p not in number:
            number[p] = min(range(len(palette)), key=lambda i: sum((a - b) ** 2 for a, b in zip(p, palette[i])))
    raw = b"".join(b"\0" + bytes(number[p] for p in row) for row in pixels)
    with open(path, "wb") as f:
        f.write(data[:8])
        for kind, body in ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
                           (b"PLTE", bytes(c for p in palette for c in p)),
                           (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b"")):
            f.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))


def unfilter(raw, width, height, n):
    """Rows of (red, green, blue). PNG (third edition), section 9: the five filters."""
    stride, before, rows = width * n, bytearray(width * n), []
    for y in range(height):
        kind, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride if kind else 0):
            a, b, c = (row[i - n] if i >= n else 0), before[i], (before[i - n] if i >= n else 0)
            p = a + b - c
            row[i] = (row[i] + (0, a, b, (a + b) // 2, min((a, b, c), key=lambda x: abs(p - x)))[kind]) & 0xff
        before = row
        rows.append(list(zip(row[0::n], row[1::n], row[2::n])))
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("names", nargs="*", default=list(SHOTS))
    args = parser.parse_args()
    vpc = v.Vpc(os.path.join(ROOT, "build", "status-shots"))
    os.makedirs(FOLDER, exist_ok=True)
    net.run("mount", "--make-rprivate", "/")
    # Of a task the page says /etc/resolv.conf.
    net.run("mount", "--bind", vpc.resolv_conf, os.path.realpath("/etc/resolv.conf"))
    browser = Browser(vpc.folder, vpc.task)
    try:
        for happens in (healthy, broken):
            names = [n for n in args.names if SHOTS[n][0] is happens]
            if names:
                take(vpc, browser, names, args.minutes)
    finally:
        browser.close()
        vpc.close()


if __name__ == "__main__":
    net.reexec([sys.executable, "-m", "lab.status_shots", *sys.argv[1:]])
    main()

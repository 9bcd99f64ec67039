"""The DNS servers of the bench and the name server behind them; see docs/BENCHMARKS.md.

All forward to bench/dns_origin.c, have one thread that serves, and are set up to do no more than that.
"""

import os
import pathlib
import shutil
import socket
import struct
import subprocess
import time

from machine import LISTEN_ADDRESS, Contender, fill, free_port, pin, raise_nofile

SEED = 20240501
# What each calls a large and a small cache: bytes, or entries where it counts those.
CACHES = {"unbound": ("64m", "100k"), "dnsmasq": ("200000", "100"), "dnsdist": ("200000", "100"),
          "penstock": ("64M", "1M")}


def question(name, number):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"


class Server(Contender):
    """A DNS server of the bench: ready when it answers."""

    def wait_ready(self, seconds=10):
        deadline = time.monotonic() + seconds
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            for number in range(1, 0xffff):
                if self.process.poll() is not None:
                    raise RuntimeError(f"{self.name} ended: {self.log.read_text()[-2000:]}")
                if time.monotonic() > deadline:
                    break
                try:
                    s.sendto(question("ready.bench.example", number), (LISTEN_ADDRESS, self.port))
                    answer = s.recv(4096)
                    if answer[:2] == struct.pack(">H", number) and answer[2] & 0x80 and not answer[3] & 15:
                        return
                except OSError:
                    time.sleep(0.02)
        raise RuntimeError(f"{self.name} does not serve: {self.log.read_text()[-2000:]}")


class Origin:
    """bench/dns_origin.c, and how many questions came to it."""

    def __init__(self, stage, name, lost_permille):
        self.port = free_port()
        self.counter = stage.run / f"{name}.count"
        self.counter.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [stage.build / "bench/dns-origin", f"{LISTEN_ADDRESS}:{self.port}", self.counter,
             str(lost_permille), str(SEED)], stdin=subprocess.DEVNULL, preexec_fn=pin(stage.other_core))

    def asked(self):
        return struct.unpack("=Q", self.counter.read_bytes())[0]

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Stage:
    """Everything that stands on the bench while it runs."""

    def __init__(self, build, run, core, other_core):
        self.build, self.run, self.core, self.other_core = build, run, core, other_core
        self.missing, self.running = {}, []
        raise_nofile()
        run.mkdir(parents=True, exist_ok=True)
        (run / "resolv.conf").write_text("# the servers are given\n")
        (run / "hosts").write_text("127.0.0.1 localhost\n")
        self.origin = Origin(self, "origin", 0)
        self.lossy = Origin(self, "lossy", 10)

    def restart_lossy(self):
        """From the seed again: each contender loses the same questions."""
        self.lossy.stop()
        self.lossy = Origin(self, "lossy", 10)

    def filled(self, name, template, **values):
        path = self.run / f"{name}.conf"
        path.write_text(fill(template, {"RUN": self.run, "LISTEN_ADDRESS": LISTEN_ADDRESS, **values}))
        return path

    def command(self, name, origin_port, cache):
        """Command, port, environment. LookupError says what is missing."""
        port = free_port()
        if name.startswith("echo"):
            mode = "batch" if name == "echo-batch" else "one"
            return [self.build / "bench/udp-echo", f"{LISTEN_ADDRESS}:{port}", mode], port, None
        if name == "penstock":
            return [self.build / "penstock", "dns"], port, self.penstock(port, origin_port, cache)
        program = name.split("-")[0]
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin"):
            raise LookupError(f"{program} is not installed")
        values = {"PORT": port, "ORIGIN_PORT": origin_port, "CACHE": cache}
        if program == "unbound":
            return ["unbound", "-d", "-c", self.filled(name, "unbound.conf.in", **values)], port, None
        if program == "dnsdist":
            batch = 1 if name == "dnsdist-one" else 64
            return ["dnsdist", "--supervised", "--disable-syslog", "-C",
                    self.filled(name, "dnsdist.conf.in", BATCH=batch, **values)], port, None
        return ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root",
                "--log-facility=-", f"--port={port}", f"--listen-address={LISTEN_ADDRESS}",
                "--bind-interfaces", "--no-resolv", "--no-hosts", f"--server={LISTEN_ADDRESS}#{origin_port}",
                f"--cache-size={cache}", "--dns-forward-max=4000", "--fast-dns-retry"], port, None

    def penstock(self, port, origin_port, cache):
        return {"PATH": os.environ["PATH"],
                "PENSTOCK_DNS_LISTEN": f"{LISTEN_ADDRESS}:{port}",
                "PENSTOCK_DNS_SERVERS": f"{LISTEN_ADDRESS}:{origin_port}",
                "PENSTOCK_DNS_AWS": "off",
                "PENSTOCK_DNS_CLIENT_RATE": "0",
                "PENSTOCK_DNS_BUDGET": "1000000",
                "PENSTOCK_DNS_CACHE": cache,
                "PENSTOCK_RESOLV_CONF": str(self.run / "resolv.conf"),
                "PENSTOCK_HOSTS_FILE": str(self.run / "hosts"),
                "PENSTOCK_WORKERS": "1",
                "PENSTOCK_ADMIN": "off"}

    def start(self, name, lossy=False, small=False):
        """The server, ready; None when it cannot be had, which missing tells."""
        cache = CACHES.get(name.split("-")[0], ("", ""))[small]
        server = None
        try:
            command, port, env = self.command(name, (self.lossy if lossy else self.origin).port, cache)
            server = Server(name, command, port, self.core, self.run, env)
            self.running.append(server)
            server.wait_ready()
            return server
        except (LookupError, OSError, RuntimeError) as error:
            self.missing[name] = str(error).strip()
            if server:
                self.end(server)
            return None

    def end(self, server):
        server.stop()
        self.running.remove(server)

    def stop(self):
        for server in list(self.running):
            self.end(server)
        self.origin.stop()
        self.lossy.stop()



def write_names(path, prefix, n):
    """A file of questions for dnsperf: n names that are asked for once."""
    path = pathlib.Path(path)
    path.write_text("".join(f"{prefix}-{i}.service.bench.example A\n" for i in range(n)))
    return path

"""penstock itself, started in its namespace and watched."""

import json
import os
import signal
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def binary():
    return os.environ.get("PENSTOCK_BIN") or os.path.join(ROOT, "build", "penstock")


def is_sanitized():
    """Sanitizers' own memory is not the product's: bounds on memory are then not judged."""
    with open(binary(), "rb") as f:
        program = f.read()
    return b"__asan_init" in program or b"__tsan_init" in program


class Penstock:
    """`penstock serve` with a clean environment. Settings without PENSTOCK_ in front are given by keyword.
    wrap: what stands before it on the command line and ends in exec."""

    def __init__(self, host, folder, env, port=80, args=("serve",), wait=True, wrap=()):
        self.host, self.port = host, port
        self.log = os.path.join(folder, "penstock-%d.log" % (time.time_ns() // 1000))
        # Tests count packets and requests; those of the self-check itself turn it on.
        self.env = {"PATH": os.environ["PATH"], "PENSTOCK_SELF_CHECK": "off", **env}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        with open(self.log, "wb") as out:
            self.process = host.popen([*wrap, binary(), *args], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                      env=self.env, cwd="/")
        if wait:
            self.wait_ready()

    @property
    def ip(self):
        return self.host.ip

    def wait_ready(self, timeout=15.0):
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.host.connect((self.ip, self.port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("penstock does not listen:\n" + self.output()) from None
                time.sleep(0.01)

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def lines(self):
        """The JSON lines so far."""
        out = []
        for line in self.output().splitlines():
            if line.startswith("{"):
                try:
                    out.append(json.loads(line))
                except json.JSONDecodeError:
                    pass  # the last line may be half written
        return out

    def access(self):
        """The access lines: those with a method and a status."""
        return [x for x in self.lines() if "status" in x and "method" in x]

    def access_with(self, text, timeout=5.0):
        """The access line whose path or host contains text; polled, the line comes after the response."""
        deadline = time.monotonic() + timeout
        while True:
            for line in self.access():
                if text in json.dumps(line, ensure_ascii=False):
                    return line
            assert time.monotonic() < deadline, f"no access line with {text}:\n{self.output()[-3000:]}"
            time.sleep(0.01)

    def n_fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def sockets(self):
        """Descriptors by what they point to, for leak messages."""
        out = {}
        folder = f"/proc/{self.process.pid}/fd"
        for fd in os.listdir(folder):
            try:
                kind = os.readlink(f"{folder}/{fd}").split(":")[0]
            except OSError:
                continue
            out[kind] = out.get(kind, 0) + 1
        return out

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            for line in f:
                if line.startswith("VmRSS"):
                    return int(line.split()[1])
        return 0

    def term(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """End it; returns the exit code. A sanitizer's report or a crash shows here."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return "killed"
        return self.process.returncode

"""What every bench needs of the machine: a network of its own, cores, ports, and servers whose CPU and memory count."""

import ctypes
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
LISTEN_ADDRESS = "127.0.0.1"
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
TICKS = os.sysconf("SC_CLK_TCK")


def isolate():
    """Runs this program again in a network namespace with nothing but loopback, where that is possible."""
    if os.environ.get("BENCH_NETNS") or not shutil.which("unshare") or not shutil.which("ip"):
        return
    unshare = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"]
    if subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        return
    script = ("ip link set lo up; echo '2048 65000' > /proc/sys/net/ipv4/ip_local_port_range; "
              "export BENCH_NETNS=1; exec \"$@\"")
    os.execvp(unshare[0], [*unshare, "sh", "-c", script, "sh", sys.executable, *sys.argv])


def describe(commands):
    """The machine; and the versions that these commands tell, a name each."""
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="ascii")
                  if line.startswith("model name")), "unknown")
    versions = {}
    for name, command in commands.items():
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            versions[name] = (done.stdout + done.stderr).splitlines()[0]
        except (OSError, IndexError):
            pass
    return {"cpu": model, "cores": os.cpu_count(), "kernel": os.uname().release, "versions": versions,
            "load_before": os.getloadavg()[0], "time": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())}


def raise_nofile(wanted=65536):
    """As many descriptors as we are allowed; what we start inherits them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in ((wanted, max(wanted, hard)), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
            return
        except (OSError, ValueError):
            pass


def free_port():
    with socket.socket() as s:
        s.bind((LISTEN_ADDRESS, 0))
        return s.getsockname()[1]


def fill(template, values):
    text = (HERE / "conf" / template).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def pin(core):
    """Runs in the child: its core, or set of cores, and SIGTERM when the bench dies, however that happens."""
    def prepare():
        os.sched_setaffinity(0, core if isinstance(core, set) else {core})
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    return prepare


def turns(contenders, round_number):
    at = round_number % len(contenders)
    return contenders[at:] + contenders[:at]


def cpu_ns(pids):
    """CPU time of all their threads: the scheduler's own nanoseconds where the kernel keeps them."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except FileNotFoundError:
                fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
                total += (int(fields[11]) + int(fields[12])) * 1_000_000_000 // TICKS
    return total


class Contender:
    """One running server: where it listens, which processes it is, what it has used."""

    def __init__(self, name, command, port, core, run, env=None):
        self.name, self.port, self.core = name, port, core
        self.log = run / f"{name}.log"
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log.open("wb"),
            env=env, preexec_fn=pin(core))

    def pids(self):
        """The process and all its descendants."""
        found, queue = [], [self.process.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    queue += [int(child) for child in task.read_text().split()]
                except OSError:
                    pass
        return found

    def cpu_ns(self):
        return cpu_ns(self.pids())

    def memory(self):
        """Private bytes of all its processes: what it adds to the machine."""
        total = 0
        for pid in self.pids():
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith(("Private_Clean:", "Private_Dirty:")):
                    total += int(line.split()[1]) * 1024
        return total

    def descriptors(self):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids())

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

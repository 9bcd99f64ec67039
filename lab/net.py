"""Network namespaces, one a host, joined by a bridge.

Everything happens inside one set of user, mount, PID and network namespaces that `reexec` makes, so that the
same code serves root and everybody else, nothing shows on the machine itself, and nothing outlives us: when
the first process of the PID namespace ends, the kernel ends all others and takes the networks away.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys

CLONE_NEWNET = 0x40000000
MARK = "PENSTOCK_LAB_INSIDE"
_libc = ctypes.CDLL(None, use_errno=True)


def inside():
    return os.environ.get(MARK) == "1"


def reexec(argv):
    """Start argv again as the first process of namespaces of its own; returns only when already there."""
    if inside():
        return
    os.environ[MARK] = "1"
    sys.stdout.flush()
    sys.stderr.flush()
    cmd = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork",
           "--mount-proc", "--kill-child", "--", *argv]
    os.execvp(cmd[0], cmd)


def run(*args, **kw):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **kw)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(args)}: exit {done.returncode}: {done.stdout.strip()}")
    return done.stdout


def setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        err = ctypes.get_errno()
        raise OSError(err, os.strerror(err))


def here():
    """A descriptor of the network namespace in which this thread stands."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextlib.contextmanager
def entered(fd):
    back = here()
    try:
        setns(fd)
        yield
    finally:
        setns(back)
        os.close(back)


class Host:
    """A network namespace with one interface, eth0. Processes and sockets are put into it by name."""

    def __init__(self, net, name, addresses):
        self.net = net
        self.name = name
        self.addresses = addresses
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo up; exec sleep infinity"],
                                       stdout=subprocess.PIPE)
        self.holder.stdout.readline()
        self.fd = os.open(f"/proc/{self.holder.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        port = f"v{len(net.hosts)}"
        run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(self.holder.pid))
        run("ip", "link", "set", port, "master", "lan", "up")
        lines = ["link set lo up", "link set eth0 up"]
        for addr in addresses:
            lines.append(f"addr add {addr} dev eth0" + (" nodad" if ":" in addr else ""))
        lines.append("route add default dev eth0")
        lines.append("route add fd00::/16 dev eth0")
        self.run("ip", "-batch", "-", input="\n".join(lines) + "\n")
        self.nft("table inet lab { chain in { type filter hook input priority 0; }\n"
                 "chain out { type filter hook output priority 0; }\n }")

    @property
    def ip(self):
        return self.addresses[0].split("/")[0]

    def enter(self):
        """This thread's new sockets (and children) belong to the host; undone on leaving."""
        return entered(self.fd)

    def popen(self, args, **kw):
        with self.enter():
            return subprocess.Popen(args, **kw)

    def run(self, *args, **kw):
        with self.enter():
            return run(*args, **kw)

    def nft(self, text):
        return self.run("nft", "-f", "-", input=text + "\n")

    def listen(self, port, ip="", kind=socket.SOCK_STREAM):
        with self.enter():
            family = socket.AF_INET6 if ":" in ip else socket.AF_INET
            sock = socket.socket(family, kind)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((ip, port))
            if kind == socket.SOCK_STREAM:
                sock.listen(1024)
            return sock

    def connect(self, address, timeout=10.0, rcvbuf=None):
        with self.enter():
            sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        if rcvbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        sock.settimeout(timeout)
        sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def silence(self, port=None):
        """Drop what arrives (for one port, or at all): the host is there and says nothing."""
        for rule in ([f"{p} dport {port} drop" for p in ("udp", "tcp")] if port else ["drop"]):
            self.nft(f"add rule inet lab in {rule}")

    def hear(self):
        self.nft("flush chain inet lab in")

    def add_address(self, addr):
        self.run("ip", "addr", "add", addr, "dev", "eth0")


class Net:
    def __init__(self):
        self.hosts = {}
        self.fd = here()  # where the bridge is
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "lan", "type", "bridge")
        run("ip", "link", "set", "lan", "up")

    def host(self, name, *addresses):
        with entered(self.fd):
            self.hosts[name] = Host(self, name, list(addresses))
        return self.hosts[name]

    def close(self):
        for host in self.hosts.values():
            host.holder.send_signal(signal.SIGKILL)
            host.holder.wait()
            os.close(host.fd)
        self.hosts.clear()
        os.close(self.fd)

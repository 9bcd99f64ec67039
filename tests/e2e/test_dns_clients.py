"""Real clients behind `penstock dns` in the broken network: the corporate server denies every AWS name, and the
client's resolv.conf names penstock. Whoever asks, and by whatever library, gets the same.

Go is there as rclone, which is written in it: with netdns=go it reads resolv.conf and asks by itself. (Debian's Go
compiler would be 450 MB for one program of ten lines.)"""

import os
import shutil
import socket
import subprocess

import pytest

from helpers import eventually
from lab import world as w
from lab.dns import Scripted

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OBJECT = "/dns/object"

# name -> addresses, sorted, or "none"; what glibc, musl, Node and dig must say
NAMES = {
    "s3.eu-west-1.amazonaws.com": w.ORIGIN,
    "bucket.s3.eu-west-1.amazonaws.com": w.ORIGIN,
    "s3.dualstack.eu-west-1.amazonaws.com": f"{w.ORIGIN} fd00:3::12",
    "s3.ap-south-1.amazonaws.com": w.ORIGIN,                       # a CNAME
    "s3.eu-west-2.amazonaws.com": f"{w.ORIGIN} {w.BLACKHOLE}",
    "S3.EU-West-1.AmazonAWS.com": w.ORIGIN,
    "registry.stk": w.REGISTRY,
    "files.corp.test": w.REGISTRY,                                  # the corporate server's own
    "many.corp2.test": " ".join(sorted(f"198.51.100.{n}" for n in range(1, 101))),  # over TCP
    "none.amazonaws.com": "none",
    "none.corp.test": "none",
}


def in_network(resolv_conf, *argv, env=None, timeout=60):
    """Run a program whose /etc/resolv.conf is this file."""
    target = os.path.realpath("/etc/resolv.conf")
    script = f'mount --bind "$0" {target} && exec "$@"'
    return subprocess.run(["unshare", "--mount", "sh", "-c", script, resolv_conf, *argv], capture_output=True,
                          text=True, timeout=timeout, check=False,
                          env={"PATH": os.environ["PATH"] + ":/usr/sbin", "HOME": "/run", **(env or {})})


@pytest.fixture(scope="module")
def penstock(world):
    """One forwarder for all clients; the scripted corporate server knows a name with a hundred addresses."""
    world.scripted.behave = Scripted.truncated(Scripted.addresses(*NAMES["many.corp2.test"].split()))
    instance = world.start_penstock(args=("dns",), port=53, servers=(w.CORP,), LISTEN=None, ADMIN="off",
                                    DNS_LISTEN=f"{w.PENSTOCK}:53", DNS_ROUTES=f"corp2.test={w.CORP2}")
    yield instance
    assert instance.stop() == 0, instance.output()[-4000:]


@pytest.fixture
def resolv_conf(world, penstock):
    world.scripted.behave = Scripted.truncated(Scripted.addresses(*NAMES["many.corp2.test"].split()))
    return world.resolv_conf(penstock.ip, name="client-resolv.conf")


@pytest.mark.parametrize("compiler, more", [("cc", ()), ("musl-gcc", ("-static",))], ids=["glibc", "musl"])
def test_getaddrinfo(world, resolv_conf, compiler, more):
    program = os.path.join(world.folder, "resolve-" + compiler)
    built = subprocess.run([compiler, *more, "-O1", "-o", program, os.path.join(HERE, "clients", "resolve.c")],
                           capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    # musl before 1.2.4 has no TCP: it cannot have what does not fit into 512 bytes, from nobody.
    names = {name: said for name, said in NAMES.items() if compiler == "cc" or not name.startswith("many.")}
    done = in_network(resolv_conf, program, *names)
    assert done.stdout.splitlines() == [f"{name} {said}" for name, said in names.items()], done.stderr


def test_getaddrinfo_fails_without_the_forwarder(world, penstock):
    """The network is broken for everybody else: or the tests above would show nothing."""
    program = os.path.join(world.folder, "resolve-cc")
    if not os.path.exists(program):
        pytest.skip("the glibc test builds it")
    done = in_network(world.resolv_conf(w.CORP, name="client-broken.conf"), program, "s3.eu-west-1.amazonaws.com")
    assert done.stdout == "s3.eu-west-1.amazonaws.com none\n"


def test_node(resolv_conf):
    done = in_network(resolv_conf, "node", os.path.join(HERE, "clients", "resolve.js"), *NAMES)
    wanted = [f"{how} {name} {said}" for name, said in NAMES.items() for how in ("lookup", "resolve")]
    assert done.stdout.splitlines() == wanted, done.stderr


@pytest.mark.parametrize("options", [(), ("+tcp",), ("+noedns",), ("+bufsize=4096", "+dnssec"), ("+nocookie",)],
                         ids=lambda options: " ".join(options) or "plain")
def test_dig(resolv_conf, options):
    for name, said in NAMES.items():
        addresses = []
        for family in ("A", "AAAA"):
            done = in_network(resolv_conf, "dig", "+noall", "+answer", "+comments", *options, name, family)
            assert done.returncode == 0, done.stdout
            assert ("status: NXDOMAIN" in done.stdout) == (said == "none"), done.stdout
            assert "WARNING" not in done.stdout and "malformed" not in done.stdout, done.stdout
            lines = [line.split() for line in done.stdout.splitlines() if line and line[0] != ";"]
            addresses += [line[4] for line in lines if line[3] == family]
        assert " ".join(sorted(addresses)) == said.replace("none", ""), name


@pytest.mark.parametrize("resolver", ["go", "cgo"])
def test_rclone(world, penstock, resolv_conf, resolver):
    """A Go program fetches an object by its name."""
    world.origin.put(OBJECT, b"resolved")
    env = {"GODEBUG": f"netdns={resolver}", "RCLONE_CONFIG": "/dev/null"}
    for name in ("s3.eu-west-1.amazonaws.com", "s3.dualstack.eu-west-1.amazonaws.com", "s3.ap-south-1.amazonaws.com"):
        done = fetch_by_rclone(world, resolv_conf, name, env)
        assert done.stdout == "resolved", done.stderr
    done = fetch_by_rclone(world, resolv_conf, "none.amazonaws.com", env)
    assert done.returncode != 0 and "no such host" in done.stderr


def fetch_by_rclone(world, resolv_conf, name, env):
    return in_network(resolv_conf, "rclone", "copyurl", f"https://{name}{OBJECT}", "--stdout", "--ca-cert",
                      world.ca.path, "--retries", "1", "--low-level-retries", "1", env=env)


# The replaced container

def nginx_conf(world, name, dns):
    """Its configuration as the benchmark has it, for this network."""
    run = os.path.join(world.folder, name)
    shutil.rmtree(run, ignore_errors=True)
    os.makedirs(run)
    with open(os.path.join(ROOT, "bench", "conf", "nginx-replaced.conf.in")) as f:
        text = f.read()
    for key, value in {"NGINX_USER": "user root;", "RUN": run, "DNS": dns, "LISTEN_ADDRESS": w.PENSTOCK, "PORT": "8001",
                       "PORT2": "8002", "CA": world.ca.path, "ORIGIN_PORT": "443"}.items():
        text = text.replace(f"@{key}@", value)
    path = os.path.join(run, "nginx.conf")
    with open(path, "w") as f:
        f.write(text)
    return run, path


def first_nameserver(resolv_conf):
    """As its launch script reads it: the first line counts, and no other."""
    return subprocess.run(["awk", '{if ($1 == "nameserver") { print $2; exit;}}', resolv_conf], capture_output=True,
                          text=True, check=True).stdout.strip()


@pytest.fixture
def nginx(world):
    running = []

    def go(resolv_conf):
        run, path = nginx_conf(world, "nginx-replaced", first_nameserver(resolv_conf))
        log = open(os.path.join(run, "log"), "w")
        process = world.penstock_host.popen(["/usr/sbin/nginx", "-p", run, "-c", path, "-e", os.path.join(run, "err")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        running.append(process)

        def up():
            try:
                world.client.connect((w.PENSTOCK, 8001), timeout=1).close()
                return True
            except OSError:
                return False
        eventually(up, 5, "nginx")
        return process
    yield go
    for process in running:
        process.terminate()
        process.wait()


def get(target, timeout=15):
    with socket.create_connection((w.PENSTOCK, 8001), timeout) as sock:
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while more := sock.recv(65536):
            data += more
    head, body = data.split(b"\r\n\r\n", 1)
    return int(head.split()[1]), body


def test_replaced_nginx_in_the_broken_network(world, nginx):
    """The corporate server comes first in resolv.conf, Amazon's second: nginx reads the first, and fails."""
    world.origin.put(OBJECT, b"resolved")
    nginx(world.resolv_conf(w.CORP, w.AWS, name="nginx-resolv.conf"))
    assert get("/")[0] == 200
    assert get(f"/s3.eu-west-1.amazonaws.com{OBJECT}")[0] == 502


def test_replaced_nginx_beside_penstock(world, forward, nginx):
    """The same container, unchanged, with `penstock dns` beside it in its network. Both read one resolv.conf, in which
    penstock stands first: it leaves its own address out."""
    world.origin.put(OBJECT, b"resolved")
    both = world.resolv_conf("127.0.0.1", w.CORP, name="nginx-resolv.conf")
    forward(RESOLV_CONF=both, DNS_LISTEN="127.0.0.1:53,[::1]:53", DNS_AWS="on", wait=False)
    nginx(both)
    status, body = eventually(lambda: (lambda r: r if r[0] == 200 else None)(get(
        f"/s3.eu-west-1.amazonaws.com{OBJECT}")), 5, "an object through nginx")
    assert body == b"resolved"
    for name in ("s3.dualstack.eu-west-1.amazonaws.com", "s3.ap-south-1.amazonaws.com"):
        assert get(f"/{name}{OBJECT}") == (200, b"resolved")
    # The corporate server falls silent, then Amazon's goes on alone: nginx notices nothing.
    world.corp.say("always_deny")
    assert get(f"/s3.ap-south-1.amazonaws.com{OBJECT}") == (200, b"resolved")
    assert get(f"/none.amazonaws.com{OBJECT}")[0] == 502

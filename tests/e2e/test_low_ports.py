"""Ports below 1024 for a program without rights: by a file capability that is permitted, not effective."""

import os
import subprocess

import pytest

from helpers import ORIGIN, fetch
from lab.penstock import binary

NO_RIGHTS = ("setpriv", "--securebits", "+noroot", "--inh-caps=-all", "--ambient-caps=-all")


@pytest.fixture
def capable(world, tmp_path):
    """wrap -> what runs a copy of penstock with that capability, as a user without rights would."""
    copy = str(tmp_path / "penstock")
    subprocess.run(["cp", binary(), copy], check=True)
    subprocess.run(["setcap", "cap_net_bind_service=p", copy], check=True)
    return lambda *more: (*NO_RIGHTS, *more, "sh", "-c", 'shift; exec "$0" "$@"', copy)


def capabilities(pid):
    with open(f"/proc/{pid}/status") as f:
        return {line[:6]: int(line[8:], 16) for line in f if line.startswith("Cap")}


def test_the_right_is_used_for_the_call_alone(start, capable):
    proxy = start(port=82, DNS_LISTEN="127.0.0.1:53", wrap=capable())
    caps = capabilities(proxy.process.pid)
    assert caps["CapEff"] == 0 and caps["CapPrm"] == 1 << 10
    assert fetch(proxy, "PUT", f"/{ORIGIN}/low/ports", body=b"x").status == 200


def run(world, wrap, listen):
    env = {"PATH": os.environ["PATH"], "INTERNAL_REGISTRY_URL": "http://registry.stk", "PENSTOCK_LISTEN": listen,
           "PENSTOCK_ADMIN": "off"}
    with world.penstock_host.enter():
        return subprocess.run([*wrap, binary(), "serve"], env=env, capture_output=True, text=True, timeout=10, check=False,
                              cwd="/")


def test_without_the_capability(world):
    done = run(world, NO_RIGHTS, ":82")
    assert done.returncode == 1 and "[::]:82: Permission denied. Set PENSTOCK_LISTEN to another" in done.stderr


def test_where_the_runtime_takes_it_away(world, start, capable):
    """drop: ALL. The program starts all the same, and has what needs no right."""
    nothing = capable("--bounding-set=-all")
    done = run(world, nothing, ":82")
    assert done.returncode == 1 and "Permission denied" in done.stderr
    proxy = start(wrap=nothing)
    assert capabilities(proxy.process.pid)["CapPrm"] == 0
    assert fetch(proxy, "GET", "/").status == 200


def test_where_the_runtime_lets_nobody_gain_rights(world, start, capable):
    """allowPrivilegeEscalation: false. A file's capability is then nothing, and no reason not to start the program."""
    nothing = capable("--no-new-privs")
    done = run(world, nothing, ":82")
    assert done.returncode == 1 and "Permission denied" in done.stderr
    proxy = start(wrap=nothing)
    with open(f"/proc/{proxy.process.pid}/status") as f:
        assert "NoNewPrivs:\t1\n" in f.readlines()
    assert capabilities(proxy.process.pid)["CapPrm"] == 0
    assert fetch(proxy, "GET", "/").status == 200

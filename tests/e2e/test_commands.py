"""All commands alike: a stdout that takes nothing, and words on a terminal that come from elsewhere."""

import json
import os
import subprocess

import pytest

from lab.penstock import binary

NASTY = "\x1b]0;x\x07\u202e\x9b31m"
WAYS_TO_PRINT = [
    ["--version"], ["--help"], ["help", "serve"], ["serve", "--help"], ["config", "show"], ["config", "show", "--json"],
    ["config", "help"], ["config", "check"], ["completion", "bash"], ["explain"], ["metrics"], ["routes"],
    ["lookup", "localhost"], ["explain-url", "--no-lookup", "/robots.txt"],
]


def env(tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    return {"INTERNAL_REGISTRY_URL": "http://registry.test", "PENSTOCK_DNS_SERVERS": "127.0.0.1:9", "PENSTOCK_DNS_AWS": "off",
            "PENSTOCK_HOSTS_FILE": str(hosts), "PENSTOCK_ADMIN": "off",
            **{k: os.environ[k] for k in ("ASAN_OPTIONS", "UBSAN_OPTIONS") if k in os.environ}}


def run(tmp_path, args, stdout=subprocess.PIPE):
    return subprocess.run([binary(), *args], env=env(tmp_path), stdin=subprocess.DEVNULL, stdout=stdout,
                          stderr=subprocess.PIPE, timeout=20, cwd="/", check=False)


@pytest.mark.parametrize("args", WAYS_TO_PRINT, ids=" ".join)
def test_a_full_disk_is_told(tmp_path, args):
    assert run(tmp_path, args).returncode == 0
    with open("/dev/full", "wb") as full:
        done = run(tmp_path, args, full)
    assert done.returncode == 1 and done.stderr == b"penstock: stdout took only a part of what was written\n"


def facts(tmp_path):
    path = tmp_path / "facts.json"
    path.write_text('{"facts": ' + NASTY + "}")
    return str(path)


@pytest.mark.parametrize("args", [
    [NASTY], ["help", NASTY], ["help", "serve", NASTY], ["serve", "--" + NASTY], ["config", NASTY], ["completion", NASTY], ["explain", NASTY],
    ["explain", "--search", NASTY], ["lookup", "a", NASTY], ["lookup", "a", "--server", NASTY], ["healthcheck", "--timeout", NASTY],
    ["fix", NASTY], ["forwarding", NASTY], ["forwarding", "--for", NASTY], ["demo", "--listen", NASTY], ["explain-url", NASTY],
    ["doctor", "--log", "/nowhere/" + NASTY], ["doctor", "--facts", facts], ["config", "check", "--config", "/nowhere/" + NASTY],
], ids=lambda args: json.dumps([a for a in args if isinstance(a, str)]))
def test_a_terminal_is_not_steered(tmp_path, args):
    """What an argument or a file says is quoted so that it is seen, not obeyed."""
    done = run(tmp_path, [a if isinstance(a, str) else a(tmp_path) for a in args])
    said = done.stdout + done.stderr
    assert done.returncode in (1, 2, 64, 70) and said
    assert all(0x20 <= byte < 0x7f or byte == 0x0a for byte in said), said

"""python3 -m lab.doctor_shots [NAME...]: docs/doctor/NAME.svg, what `penstock doctor` shows on a terminal in five
networks of the lab; each is a run. The program is build/penstock, or PENSTOCK_BIN."""

import contextlib
import os
import subprocess
import sys

from lab import net
from lab import vpc as v
from lab.penstock import ROOT, Penstock, binary
from lab.terminal import on_terminal
from lab.terminal_svg import svg

FOLDER = os.path.join(ROOT, "docs", "doctor")
SHOTS = {}
CREDENTIALS = {"credentials": True}


def shot(*args, **how):
    def add(make):
        SHOTS[make.__name__.replace("_", "-")] = (make, args, how)
        return make
    return add


@contextlib.contextmanager
def penstock_in_task(vpc):
    """The proxy runs, and has resolved S3's name."""
    env = vpc.environment(PENSTOCK_LISTEN=f"{v.TASK}:80", PENSTOCK_ADMIN="127.0.0.1:9901")
    proxy = Penstock(vpc.task, vpc.folder, env)
    with vpc.task.enter():
        subprocess.run([binary(), "lookup", v.S3_NAME], env=env, stdout=subprocess.DEVNULL, check=True, timeout=30)
    try:
        yield
    finally:
        proxy.stop()


@shot(**CREDENTIALS)
@contextlib.contextmanager
def wrong_first_server(vpc):
    """The company's server, first in the option set, knows no AWS names."""
    vpc.corp.say(v.OWN)
    with vpc.rebuilding() as account:
        account.dhcp(v.CORP, v.AMAZON)
    vpc.in_task([v.CORP, v.AMAZON])
    with penstock_in_task(vpc):
        yield


@shot()
@contextlib.contextmanager
def silent_server(vpc):
    """A firewall drops what goes to the only server."""
    vpc.drop(vpc.corp_host, "meta l4proto { tcp, udp } th dport 53")
    vpc.in_task([v.CORP])
    yield


@shot("--bucket", "lab-bucket", **CREDENTIALS)
@contextlib.contextmanager
def no_private_dns(vpc):
    """An interface endpoint for S3 without private DNS, and no way to the internet."""
    vpc.drop(vpc.s3_host, f"ip daddr {v.S3_PUBLIC}")
    with vpc.rebuilding() as account:
        account.s3_by_interface(private_dns=False)
    yield


@shot("--bucket", "lab-bucket")
@contextlib.contextmanager
def intercepted(vpc):
    """Somebody in between signs S3's certificate anew."""
    vpc.s3.present("stranger")
    yield


@shot(**CREDENTIALS)
@contextlib.contextmanager
def healthy(vpc):
    """All is well."""
    yield


def lines_shown(vpc, command, env):
    _, out = on_terminal(command, {**env, "TERM": "xterm"}, vpc.task)
    return out.decode("ascii").replace("\r\n", "\n").rstrip("\n").split("\n")


def main(names):
    vpc = v.Vpc(os.path.join(ROOT, "build", "shots"))
    os.makedirs(FOLDER, exist_ok=True)
    try:
        for name in names or SHOTS:
            make, args, how = SHOTS[name]
            vpc.heal()
            with make(vpc):
                lines = lines_shown(vpc, [binary(), "doctor", *args], vpc.environment(**how))
            lines.insert(0, " ".join(["\033[32m$\033[0m penstock doctor", *args]))
            print(f"-- {name}", *lines, sep="\n")
            with open(os.path.join(FOLDER, name + ".svg"), "w") as f:
                f.write(svg(lines))
    finally:
        vpc.close()


if __name__ == "__main__":
    net.reexec([sys.executable, "-m", "lab.doctor_shots", *sys.argv[1:]])
    main(sys.argv[1:])

"""penstock's own commands, run where penstock runs: in its namespace, with its settings."""

import json
import subprocess

from lab import terminal
from lab.penstock import binary


class Ran:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code}\n{self.out}{self.err}"


def settings(instance, **more):
    """The environment of a running instance, with PENSTOCK_ settings added, or taken away by None."""
    env = {**instance.env, **{f"PENSTOCK_{k}": v for k, v in more.items()}}
    return {k: v for k, v in env.items() if v is not None}


def run(host, env, *args):
    with host.enter():
        done = subprocess.run([binary(), *args], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=30, cwd="/")
    return Ran(done.returncode, done.stdout.decode("ascii"), done.stderr.decode())


def ask(instance, *args, **more):
    return run(instance.host, settings(instance, **more), *args)


def on_terminal(host, env, *args):
    """What a terminal would get."""
    code, out = terminal.on_terminal([binary(), *args], env, host)
    return Ran(code, out.decode("ascii"), "")


def page(instance, target, method="GET", port=None, timeout=20.0, headers=None):
    """(status, headers, body) of a page of the admin port."""
    import http.client
    address = instance.env["PENSTOCK_ADMIN"].rsplit(":", 1)
    sock = instance.host.connect((address[0] if port is None else instance.ip, port or int(address[1])), timeout)
    connection = http.client.HTTPConnection("penstock")
    connection.sock = sock
    connection.request(method, target, headers=headers or {"Host": "localhost"})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, dict(response.getheaders()), body

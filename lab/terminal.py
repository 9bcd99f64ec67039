"""A command on a pseudo-terminal: what a person at a terminal would get."""

import contextlib
import os
import pty
import subprocess


def on_terminal(command, env, host=None):
    """(exit status, bytes) of stdout and stderr together. In the namespace of host, where there is one."""
    ours, theirs = pty.openpty()
    with host.enter() if host else contextlib.nullcontext():
        process = subprocess.Popen(command, env=env, stdin=theirs, stdout=theirs, stderr=theirs, cwd="/")
    os.close(theirs)
    out = b""
    try:
        while part := os.read(ours, 65536):
            out += part
    except OSError:  # EIO: the other end is closed
        pass
    os.close(ours)
    return process.wait(30), out

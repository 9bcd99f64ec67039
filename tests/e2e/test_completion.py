"""penstock completion: typed into real shells, and complete as the table of subcommands is."""

import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from lab.penstock import binary

ENV = {"PATH": os.environ["PATH"], "TERM": "dumb", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}


def penstock(*args):
    return subprocess.run([binary(), *args], env=ENV, capture_output=True, text=True, timeout=30)


def script(shell):
    ran = penstock("completion", shell)
    assert ran.returncode == 0 and ran.stderr == "", ran
    return ran.stdout


def commands():
    return re.findall(r"^  ([a-z][a-z-]*) ", penstock("--help").stdout, re.M)


def options(command):
    return set(re.findall(r"^ +(?:-[a-z], )?(--[a-z-]+)", penstock(command, "--help").stdout, re.M))


START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
SETUP = {
    "bash": "source {script}; penstock() {{ printf '<%s>' \"$@\"; echo END; }}; PS1='ready>'\n",
    "zsh": "autoload -Uz compinit; compinit -D -u; source {script}; penstock() {{ printf '<%s>' \"$@\"; echo END; }}; PS1='ready>'\n",
}


class Typed:
    """An interactive shell; penstock in it prints its arguments."""

    def __init__(self, shell, folder):
        path = folder / f"completion.{shell}"
        path.write_text(script(shell))
        ours, theirs = pty.openpty()
        self.fd = ours
        self.process = subprocess.Popen(START[shell], stdin=theirs, stdout=theirs, stderr=theirs, env=ENV, cwd=folder,
                                        start_new_session=True)
        os.close(theirs)
        self.seen = b""
        self.type(SETUP[shell].format(script=path))
        self.wait(rb"ready>(\x1b\[\?2004h)?$")

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self, pattern, timeout=15.0):
        deadline = time.monotonic() + timeout
        while not re.search(pattern, self.seen):
            assert time.monotonic() < deadline and self.process.poll() is None, self.seen
            if select.select([self.fd], [], [], 0.1)[0]:
                self.seen += os.read(self.fd, 65536)
        return re.search(pattern, self.seen)

    def completed(self, line):
        """The arguments that penstock gets after TAB and Enter."""
        self.seen = b""
        self.type(line + "\t")
        time.sleep(0.3)
        self.type("\n")
        told = self.wait(rb"((?:<[^>]*>)+)END\r?\n").group(1).decode()
        return [x.removesuffix("/") for x in re.findall(r"<([^>]*)>", told)]  # zsh takes it away itself

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.fd)


LINES = [
    ("penstock loo", ["lookup"]), ("penstock explain-", ["explain-url"]), ("penstock lookup --no-c", ["lookup", "--no-cache"]),
    ("penstock doctor --output sa", ["doctor", "--output", "sarif"]), ("penstock doctor -o ju", ["doctor", "-o", "junit"]),
    ("penstock doctor --fail-on=w", ["doctor", "--fail-on=warning"]), ("penstock config sh", ["config", "show"]),
    ("penstock config --config x sh", ["config", "--config", "x", "show"]), ("penstock completion z", ["completion", "zsh"]),
    ("penstock explain PS1001 PS1002 PS100", None), ("penstock lookup name CN", ["lookup", "name", "CNAME"]),
    ("penstock help health", ["help", "healthcheck"]), ("penstock serve --config setti", ["serve", "--config", "settings one.yaml"]),
    ("penstock demo --dir fol", ["demo", "--dir", "folder"]),
]


@pytest.mark.parametrize("shell", sorted(SETUP))
def test_typed_into_a_shell(shell, tmp_path):
    assert shutil.which(shell), f"no {shell}: tools/packages has it"
    (tmp_path / "settings one.yaml").write_text("")
    (tmp_path / "folder").mkdir()
    typed = Typed(shell, tmp_path)
    try:
        for line, wanted in LINES:
            got = typed.completed(line)
            if wanted is None:  # several fit, and all begin alike
                assert got[-1].startswith("PS100"), got
            else:
                assert got == wanted, (line, got)
    finally:
        typed.close()


def fish(line, folder):
    path = folder / "penstock.fish"
    path.write_text(script("fish"))
    ran = subprocess.run(["fish", "--no-config", "-c", f"source {path}; complete -C '{line}'"], cwd=folder,
                         env={**ENV, "HOME": str(folder)}, capture_output=True, text=True, timeout=30)
    assert ran.returncode == 0 and ran.stderr == "", ran
    return [x.split("\t")[0] for x in ran.stdout.splitlines()]


def test_fish_completes(tmp_path):
    assert shutil.which("fish"), "no fish: tools/packages has it"
    (tmp_path / "settings.yaml").write_text("")
    (tmp_path / "folder").mkdir()
    assert set(fish("penstock ", tmp_path)) >= set(commands()) | {"help"}
    assert fish("penstock loo", tmp_path) == ["lookup"]
    assert fish("penstock doctor --output sa", tmp_path) == ["sarif"]
    assert fish("penstock doctor --fail-on=w", tmp_path) == ["--fail-on=warning"]
    assert set(fish("penstock config ", tmp_path)) == {"check", "show", "help"}
    assert fish("penstock completion z", tmp_path) == ["zsh"]
    assert "PS1001" in fish("penstock explain PS1001 PS100", tmp_path)
    assert fish("penstock lookup name CN", tmp_path) == ["CNAME"]
    assert fish("penstock serve --config setti", tmp_path) == ["settings.yaml"]
    assert fish("penstock demo --dir fol", tmp_path) == ["folder/"]
    for command in commands():
        assert set(fish(f"penstock {command} --", tmp_path)) == options(command)


def test_bash_offers_every_option(tmp_path):
    path = tmp_path / "completion.bash"
    path.write_text(script("bash"))
    for command in commands():
        ran = subprocess.run(["bash", "-c", f". {path}; COMP_WORDS=(penstock {command} --); COMP_CWORD=2; _penstock; "
                              "printf '%s\\n' \"${COMPREPLY[@]}\""], env=ENV, capture_output=True, text=True, timeout=30)
        assert set(ran.stdout.split()) == options(command), ran


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_syntax_and_names(shell, tmp_path):
    text = script(shell)
    path = tmp_path / "script"
    path.write_text(text)
    checked = subprocess.run([shell, "-n", str(path)], env=ENV, capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0 and checked.stderr == "", checked
    for command in commands():
        assert command in text
        for option in options(command):
            assert (f"-l {option[2:]} " if shell == "fish" else option) in text


def test_wrong_arguments():
    for args, says in (((), "which SHELL?"), (("tcsh",), "no such shell: tcsh"), (("bash", "zsh"), "unexpected zsh")):
        ran = penstock("completion", *args)
        assert (ran.returncode, ran.stdout) == (64, "") and says in ran.stderr

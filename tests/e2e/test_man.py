"""The man pages: built, without a warning, and nothing of the tables is missing."""

import glob
import os
import re
import subprocess

import pytest

from lab.penstock import ROOT, binary

BUILD = os.path.join(ROOT, "build")
FOLDER = os.path.join(BUILD, "man")
ENV = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MANWIDTH": "100", "MAN_KEEP_FORMATTING": "", "TERM": "dumb"}


def penstock(*args):
    ran = subprocess.run([binary(), *args], env=ENV, capture_output=True, text=True, timeout=30)
    assert ran.returncode == 0, ran
    return ran.stdout


def commands():
    return re.findall(r"^  ([a-z][a-z-]*) ", penstock("--help"), re.M)


@pytest.fixture(scope="module", autouse=True)
def built():
    """A build folder that was configured before scdoc was there has no pages yet."""
    if not glob.glob(os.path.join(FOLDER, "*.1")):
        subprocess.run(["meson", "setup", "--reconfigure", BUILD, ROOT], check=True, capture_output=True, timeout=120)
    subprocess.run(["ninja", "-C", BUILD], check=True, capture_output=True, timeout=600)


def pages():
    return ["penstock.1", "penstock.yaml.5"] + [f"penstock-{c}.1" for c in commands()]


def shown(page):
    """The text of a page, as man shows it: without hyphenation, blanks as one."""
    ran = subprocess.run(["man", "--warnings", "--no-hyphenation", "--no-justification", "-l", os.path.join(FOLDER, page)],
                         env=ENV, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0 and ran.stderr == "", ran
    return ran.stdout


def flat(text):
    return " ".join(text.split())


def test_there_is_a_page_for_each_command():
    assert sorted(os.path.basename(p) for p in glob.glob(os.path.join(FOLDER, "*.[0-9]"))) == sorted(pages())


def test_pages_have_no_warnings():
    for page in pages():
        text = shown(page)
        name = page.rsplit(".", 1)[0]
        assert re.search(rf"^NAME\n +{re.escape(name)} - \S", text, re.M), page
        for section in ("SEE ALSO", "DESCRIPTION"):
            assert re.search(rf"^{section}$", text, re.M), (page, section)
        assert "\\" not in text and "`" not in text and "***" not in text, page


def test_options_and_exit_statuses_are_those_of_help():
    n_rows = n_exits = 0
    for command in commands():
        page, usage = flat(shown(f"penstock-{command}.1")), penstock(command, "--help")
        rows, exits = usage.split("exit status:")
        for form, text in re.findall(r"^  (\S.*?)  +(\S.*(?:\n {9,}\S.*)*)", rows.split("\n\n", 1)[1], re.M):
            wanted = "--help" if form == "--help" else f"{form} {flat(text)}"
            assert wanted in page, (command, wanted)
            n_rows += 1
        for code, meaning in re.findall(r"^  (\d+) +(\S.*)", exits, re.M):
            assert f" {code} {flat(meaning)}" in page, (command, code)
            n_exits += 1
    assert n_rows > 80 and n_exits > 30


def test_every_setting_has_its_words():
    page = flat(shown("penstock.yaml.5"))
    settings = re.findall(r"^([A-Z_]+)=?(.*)\n    (\S.*)$", penstock("config", "help"), re.M)
    assert len(settings) > 40
    for key, initial, text in settings:
        assert f" {key} (" in page and flat(text).replace("`", "") in page, key
        assert initial.replace(",", ", ") in page, (key, initial)


def test_the_example_is_right(tmp_path):
    """The file of penstock.yaml(5) is one that penstock takes."""
    with open(os.path.join(ROOT, "man", "penstock.yaml.scd"), encoding="utf-8") as f:
        example = f.read().split("```")[1]
    path = tmp_path / "penstock.yaml"
    path.write_text(example)
    assert penstock("config", "check", "--config", str(path)) == "ok\n"


def test_installed_files(tmp_path):
    ran = subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", str(tmp_path)], capture_output=True,
                         text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    found = {os.path.relpath(os.path.join(d, f), tmp_path) for d, _, files in os.walk(tmp_path) for f in files}
    assert {f"usr/local/share/man/man{p[-1]}/{p}" for p in pages()} <= found
    assert {"usr/local/bin/penstock", "usr/local/share/bash-completion/completions/penstock",
            "usr/local/share/zsh/site-functions/_penstock",
            "usr/local/share/fish/vendor_completions.d/penstock.fish"} <= found

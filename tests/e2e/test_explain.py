"""penstock explain: the pages of docs/findings as the program prints them, and what stands in them."""

import glob
import json
import os
import re
import shlex
import subprocess

import jmespath
import pytest

from conftest import ROOT
from lab import terminal
from lab.penstock import binary

PAGES = os.path.join(ROOT, "docs", "findings")
CODES = sorted(name[:-3] for name in os.listdir(PAGES) if name.startswith("PS"))
ENV = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
PLACES = {"VPC", "CLUSTER", "TASK", "STACK", "ADDRESS"}  # what stands for somebody's own


def page(code):
    with open(os.path.join(PAGES, code + ".md"), encoding="utf-8") as f:
        return f.read()


def explain(*args, env=ENV):
    return subprocess.run([binary(), "explain", *args], env=env, stdin=subprocess.DEVNULL, capture_output=True,
                          encoding="utf-8", timeout=30)


def on_terminal(*args, **more):
    code, out = terminal.on_terminal([binary(), "explain", *args], {**ENV, **more})
    assert code == 0
    return out.decode("utf-8").replace("\r\n", "\n")


def code_lines(text):
    """Commands and settings: indented lines, those that end in a backslash joined with the next; and `commands`."""
    lines = [line.strip() for line in re.sub(r"\\\n\s*", "", text).split("\n") if line.startswith("    ")]
    return lines + re.findall(r"`([^`\n]+)`", text)


def test_there_are_pages():
    assert len(CODES) == 57 and CODES[0] == "PS1001" and CODES[-1] == "PS6001"


@pytest.mark.parametrize("code", CODES)
def test_a_page_is_printed_as_it_stands_in_the_docs(code):
    for name in (code, code.lower(), code[2:]):
        ran = explain(name)
        assert (ran.returncode, ran.stderr) == (0, "") and ran.stdout == page(code)


def test_several_pages_stand_behind_each_other():
    ran = explain("PS4001", "PS1001")
    assert ran.returncode == 0 and ran.stdout == page("PS4001") + "\n" + page("PS1001")


def test_the_index_is_that_of_the_docs():
    ran = explain("--markdown")
    with open(os.path.join(PAGES, "README.md"), encoding="utf-8") as f:
        assert ran.returncode == 0 and ran.stdout == f.read()


def test_without_a_code_all_are_listed_in_groups():
    ran = explain()
    assert ran.returncode == 0 and "\033" not in ran.stdout
    assert re.findall(r"^[EWI] (PS\d{4})  \S", ran.stdout, re.M) == CODES
    assert re.findall(r"^PS\d: ", ran.stdout, re.M) == [f"PS{i}: " for i in range(1, 7)]
    titles = dict(re.findall(r"^[EWI] (PS\d{4})  (.*)$", ran.stdout, re.M))
    assert all(page(code).startswith(f"# {code}: {title}\n") for code, title in titles.items())


@pytest.mark.parametrize("word", ["refused", "REFUSED", "NO_PROXY", "ssmmessages"])
def test_a_search_finds_the_pages_with_the_word(word):
    want = [code for code in CODES if word.lower() in page(code).lower()]
    ran = explain("--search", word)
    assert ran.returncode == 0 and 0 < len(want) < len(CODES)
    assert re.findall(r"^[EWI] (PS\d{4})", ran.stdout, re.M) == want
    assert explain(f"--search={word}").stdout == ran.stdout


def test_a_word_that_no_page_has():
    ran = explain("--search", "hippopotamus")
    assert ran.returncode == 1 and ran.stdout == "" and "hippopotamus" in ran.stderr


@pytest.mark.parametrize("given, nearest", [("PS10001", "PS1001"), ("PS2012", "PS2010"), ("ps301", "PS3010"),
                                            ("SP5002", "PS5002"), ("PS6101", "PS6001")])
def test_an_unknown_code_names_the_nearest(given, nearest):
    ran = explain("PS1001", given)
    assert ran.returncode == 64 and ran.stdout == ""
    assert given in ran.stderr and f"the nearest is {nearest}: " in ran.stderr


@pytest.mark.parametrize("args", [["hello"], ["--nothing"], ["--search"], ["--markdown", "PS1001"],
                                  ["--search", "a", "PS1001"], ["PS1001"] * 58, [""]])
def test_wrong_arguments(args):
    ran = explain(*args)
    assert ran.returncode == 64 and ran.stdout == "" and ran.stderr
    assert "nearest" not in ran.stderr


def test_a_terminal_shows_headings_bold_and_links_as_words():
    for code in CODES:
        shown = on_terminal(code, TERM="xterm")
        assert shown.startswith(f"\033[1m# {code}: ") and shown.count("\033[1m") == 6
        plain = "".join(line if line.startswith("    ") else re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", line)
                        for line in page(code).splitlines(keepends=True))
        assert re.sub(r"\033\[\d+m", "", shown) == plain
    assert "\033[31merror\033[0m" in on_terminal("PS1001", TERM="xterm")
    assert "\033[33mwarning\033[0m" in on_terminal("PS1007", TERM="xterm")
    assert on_terminal("PS1001", TERM="xterm", NO_COLOR="1") == page("PS1001")
    assert on_terminal("PS1001", TERM="dumb") == page("PS1001")


def test_a_full_disk_is_no_success():
    with open("/dev/full", "wb") as full:
        ran = subprocess.run([binary(), "explain", "PS1001"], env=ENV, stdout=full, timeout=30)
    assert ran.returncode == 1


@pytest.mark.parametrize("code", CODES + ["README"])
def test_links_lead_somewhere(code):
    for text, target in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", page(code)):
        assert os.path.isfile(os.path.join(PAGES, target)), target
        assert not target.startswith("PS") or target == text + ".md"
    prose = [line for line in page(code).splitlines()[1:] if not line.startswith("    ")]
    for mentioned in re.findall(r"\bPS\d{4}\b", "\n".join(prose)):
        assert mentioned in CODES
    unlinked = [line for line in prose if re.search(r"(?<![\[(`\w ])PS\d{4}|(?<!explain) PS\d{4}", line)]
    assert not unlinked, unlinked


@pytest.mark.parametrize("code", CODES)
def test_lines_fit_a_terminal(code):
    for line in page(code).splitlines()[3:]:
        assert len(re.sub(r"\]\([^)]+\)", "", line)) <= 90, line


def subcommands():
    out = subprocess.run([binary(), "--help"], env=ENV, capture_output=True, text=True, timeout=30).stdout
    return set(re.findall(r"^  ([a-z]+) ", out, re.M))


def test_commands_of_penstock_exist():
    known = subcommands()
    shown = {}
    for code in CODES:
        for line in code_lines(page(code)):
            for command, rest in re.findall(r"\bpenstock ([a-z]\S*)([^#]*)", line):
                shown.setdefault(command, set()).add(rest.strip())
    assert shown.keys() <= known, f"{sorted(shown.keys() - known)} are no commands"
    assert {"fix", "forwarding", "lookup", "doctor"} <= shown.keys()
    for command in shown.keys() & known:
        usage = subprocess.run([binary(), command, "--help"], env=ENV, capture_output=True, text=True,
                               timeout=30).stdout
        for form in shown[command]:
            for flag in re.findall(r"--[a-z][a-z-]*", form):
                assert flag in usage, f"penstock {command} has no {flag}"


def test_forwarding_takes_what_the_pages_show():
    for code in CODES:
        for line in code_lines(page(code)):
            if line.startswith("penstock forwarding") and not PLACES & set(line.split()):
                args = line.split("#")[0].split()
                ran = subprocess.run([binary(), *args[1:]], env=ENV, capture_output=True, text=True, timeout=30)
                assert ran.returncode == 0, (code, line, ran.stderr)


def test_settings_of_penstock_are_taken():
    """Every line such as PENSTOCK_DNS_SERVERS=192.168.1.53 is one that `penstock config check` accepts."""
    n = 0
    for code in CODES:
        for line in code_lines(page(code)):
            found = re.match(r"((?:PENSTOCK_|INTERNAL_REGISTRY_)[A-Z0-9_]+)=(\S+)", line)
            if not found or "company-ca" in found[2]:  # a file that is not there
                continue
            env = {**ENV, "INTERNAL_REGISTRY_URL": "http://registry.stk", found[1]: found[2].replace("STACK", "stk")}
            ran = subprocess.run([binary(), "config", "check"], env=env, capture_output=True, text=True, timeout=30)
            assert ran.returncode == 0, (code, line, ran.stderr)
            n += 1
    assert n >= 10


def test_settings_that_are_named_exist():
    out = subprocess.run([binary(), "config", "help"], env=ENV, capture_output=True, text=True, timeout=30).stdout
    for code in CODES:
        for name in re.findall(r"\b(?:PENSTOCK|INTERNAL)_[A-Z0-9_]+", page(code)):
            assert re.search(rf"\b{name}\b", out), (code, name)


def aws_commands(text):
    """Each `aws` command of a page as its words; one inside $( ) apart from the one around it."""
    text = "\n".join(line[4:] for line in re.sub(r"\\\n\s*", "", text).split("\n") if line.startswith("    "))
    inner = re.findall(r"\$\((aws [^)]*)\)", text)
    text = re.sub(r"\$\(date [^)]*\)", "2026-01-01T00:00:00Z", text)
    text = re.sub(r"\$\([^)]*\)", "VALUE", text)
    for start in [m.start(1) for m in re.finditer(r"^\s*(aws )", text, re.M)]:
        lines = text[start:].split("\n")
        for n in range(1, len(lines) + 1):
            try:
                words = shlex.split("\n".join(lines[:n]), comments=True)
            except ValueError:  # a quote is still open
                continue
            yield words[1:words.index("|")] if "|" in words else words[1:]
            break
    yield from (shlex.split(command)[1:] for command in inner)


def test_commands_of_aws_are_taken(monkeypatch, capsys):
    """The AWS CLI reads them and the service's model checks them; nothing is sent."""
    from awscli.clidriver import CLIOperationCaller, create_clidriver
    from botocore.utils import ArgumentGenerator
    from botocore.validate import ParamValidator
    called = []

    def invoke(self, service, operation, parameters, options):
        model = self._session.get_service_model(service).operation_model(operation)
        for token in model.idempotent_members:  # the CLI makes one up
            parameters.setdefault(token, "token")
        report = ParamValidator().validate(parameters, model.input_shape)
        assert not report.has_errors(), report.generate_report()
        called.append(model)
        return 0

    monkeypatch.setattr(CLIOperationCaller, "invoke", invoke)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    for code in CODES:
        for words in aws_commands(page(code)):
            # The CLI's own, made of several calls.
            if words[0] in ("s3", "configure") or words[:2] in (["logs", "tail"], ["ecs", "wait"],
                                                                ["ecs", "execute-command"]):
                continue
            query = words[words.index("--query") + 1] if "--query" in words else None
            n = len(called)
            # One that has run keeps the arguments of earlier commands.
            assert create_clidriver().main(words) == 0 and len(called) == n + 1, (code, words, capsys.readouterr().err)
            if query:
                answer = ArgumentGenerator(use_member_names=True).generate_skeleton(called[-1].output_shape)
                assert jmespath.search(query, answer) not in (None, [None]), (code, query, answer)
    assert len(called) >= 70


def test_permissions_are_those_of_the_calls():
    called = set()
    # gather_services is of `penstock fix dhcp` alone.
    for name in set(glob.glob(os.path.join(ROOT, "src", "doctor", "gather*.c"))) - {
            os.path.join(ROOT, "src", "doctor", "gather_services.c")}:
        with open(name, encoding="utf-8") as f:
            called |= set(re.findall(r'"((?:Describe|List|Get|Filter)[A-Z][A-Za-z]+)"', f.read()))
    # Everybody may ask who he is.
    called -= {"GetCallerIdentity", "GetCallerIdentityResult"}
    listed = set(re.findall(r"\b(?:ec2|ecs|logs|route53|servicediscovery|route53resolver):([A-Z]\w+)", page("PS6001")))
    assert called and listed == called

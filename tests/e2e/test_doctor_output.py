"""What `penstock doctor` writes, for people and for programs, of saved facts: shape, exit codes, nothing secret, nothing
that a terminal or a parser would obey."""

import glob
import itertools
import json
import os
import re
import shlex
import stat
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree

import jsonschema
import junitparser
import pytest

from conftest import ROOT
from lab import terminal
from lab.penstock import binary

ENV = {"PATH": os.environ["PATH"], "PENSTOCK_DNS_AWS": "off"}
ENV |= {name: os.environ[name] for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}
FORMATS = ("text", "short", "json", "sarif", "junit")
SEEDS = os.path.join(ROOT, "tests", "fuzz", "seeds")
FACTS = sorted(glob.glob(os.path.join(SEEDS, "facts", "*.json")))
SARIF_SCHEMA = os.path.join(ROOT, "tests", "e2e", "node", "node_modules", "@microsoft", "jest-sarif", "lib", "schemas",
                            "sarif-2.1.0-rtm.5.json")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def saved(name):
    return json.loads(read(os.path.join(SEEDS, "facts", name + ".json")))


def doctor(*args, stdin=None, env=ENV, **more):
    done = subprocess.run([binary(), "doctor", *args], env=env, input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, cwd="/", check=False, **more)
    assert b"AddressSanitizer" not in done.stderr and b"runtime error" not in done.stderr, done.stderr.decode()
    return done.returncode, done.stdout, done.stderr.decode()


def judge(facts, *args):
    """Of a document with facts."""
    return doctor("--facts", "-", *args, stdin=json.dumps(facts).encode())


@pytest.fixture(scope="module")
def schema():
    schema = json.loads(read(os.path.join(ROOT, "docs", "doctor.schema.json")))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(scope="module")
def sarif_schema():
    return jsonschema.Draft4Validator(json.loads(read(SARIF_SCHEMA)))


def check_json(out, schema):
    document = json.loads(out)
    schema.validate(document)
    findings = document["findings"]
    failed = [c["code"] for c in document["checks"] if c["state"] == "fail"]
    assert sorted(f["code"] for f in findings) == failed
    ranks = [f["rank"] for f in findings]
    assert ranks == sorted(ranks, key=("root", "consequence", "notice").index)
    summary = document["summary"]
    assert [summary[k] for k in ("roots", "consequences", "notices")] == [
        ranks.count(r) for r in ("root", "consequence", "notice")]
    roots = {f["code"] for f in findings if f["rank"] == "root"}
    assert all(f["because"] in roots for f in findings if f["rank"] == "consequence")
    return document


def check_sarif(out, schema):
    document = json.loads(out)
    schema.validate(document)
    run, = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        place, = result["locations"]
        # What GitHub takes: https://docs.github.com/code-security, "SARIF support for code scanning".
        assert place["physicalLocation"]["artifactLocation"]["uri"] and result["partialFingerprints"]
        assert result["message"]["text"] and result["level"] in ("error", "warning", "note")
    assert len(rules) == len({r["id"] for r in rules}) == 57
    return run


def check_junit(out):
    root = ElementTree.fromstring(out)
    assert root.tag == "testsuite"
    suite, = junitparser.JUnitXml.fromstring(out)
    cases = list(suite)
    assert len(cases) == 57 == suite.tests and len({c.name for c in cases}) == 57
    results = [r for c in cases for r in c.result]
    assert sum(isinstance(r, junitparser.Failure) for r in results) == suite.failures
    assert sum(isinstance(r, junitparser.Skipped) for r in results) == suite.skipped and suite.errors == 0
    return {c.name.split()[0]: c for c in cases}


def is_command(line):
    return re.match(r" *(aws|penstock|ip|dig|openssl|PENSTOCK_\w+=) ?", line) or re.match(r" *fix: (aws|penstock) ", line)


@pytest.mark.parametrize("path", FACTS, ids=lambda p: os.path.basename(p)[:-5])
def test_every_format_of_one_diagnosis(path, schema, sarif_schema):
    out = {}
    codes = {}
    for form in FORMATS:
        codes[form], out[form], err = doctor("--facts", path, "-o", form)
        assert err == "" and out[form].endswith(b"\n") and not out[form].endswith(b"\n\n")
        assert doctor("--facts", path, "-o", form)[1] == out[form], "the same facts, the same bytes"
    document = check_json(out["json"], schema)
    run = check_sarif(out["sarif"], sarif_schema)
    cases = check_junit(out["junit"].decode())
    found = [f["code"] for f in document["findings"]]
    assert set(codes.values()) == {document["exit"]}
    assert sorted(found) == sorted(r["ruleId"] for r in run["results"])
    for check in document["checks"]:
        result = cases[check["code"]].result
        severity = next((f["severity"] for f in document["findings"] if f["code"] == check["code"]), None)
        assert [type(r).__name__ for r in result] == (
            ["Failure"] if severity == "error" else ["Skipped"] if check["state"] in ("skipped", "unknown") else [])
    text, short = out["text"].decode("ascii"), out["short"].decode("ascii")
    for finding in document["findings"]:
        line = f"{finding['code']} {finding['severity']} {finding['rank']}: {finding['title']}"
        assert line in short
        shown = re.sub(r"\s+", " ", text)
        assert finding["code"] in text and re.sub(r"\s+", " ", finding["title"]) in shown
        if finding["rank"] != "consequence":
            for said in finding["evidence"] + finding["fix"] + finding["notes"]:
                assert re.sub(r"\s+", " ", said) in shown, said
    for line in (text + short[:0]).splitlines():
        assert len(line) <= 100 or is_command(line), line
        assert line == line.rstrip() and "\t" not in line
    summary = re.sub(r"\s+", " ", document["summary"]["text"])
    assert summary in re.sub(r"\s+", " ", text) and re.sub(r"\s+", " ", short).rstrip().endswith(summary)


def test_there_are_facts_of_all_kinds():
    assert len(FACTS) >= 8


def test_the_schema_is_that_of_the_docs():
    code, out, err = doctor("--schema")
    assert (code, err) == (0, "") and out.decode() == read(os.path.join(ROOT, "docs", "doctor.schema.json"))


def test_the_schema_knows_everything_that_is_written(schema):
    """Every member that the schema names, once, is taken as a fact and written again; and no other."""
    definitions = schema.schema["$defs"]

    def example(definition, key="x"):
        if "$ref" in definition:
            return example(definitions[definition["$ref"].rsplit("/", 1)[1]])
        kind = definition["type"]
        if kind == "object":
            return {name: example(inner, name) for name, inner in definition["properties"].items()}
        return {"string": key, "integer": 7, "boolean": True, "array": None}[kind] or [example(definition["items"], key)]

    facts = example(definitions["facts"])
    code, out, err = judge({"facts": facts}, "-o", "json")
    assert err == "" and code in (0, 1, 2)
    document = check_json(out, schema)
    assert document["facts"] == facts
    document["facts"]["vpc"]["more"] = 1
    with pytest.raises(jsonschema.ValidationError):
        schema.validate(document)
    code, out, err = judge({"facts": {**facts, "of_a_later_version": [{}]}}, "-o", "json")
    assert json.loads(out)["facts"] == facts


# -- exit codes, arguments, files --------------------------------------------------------------------------------------

def test_exit_codes(tmp_path):
    healthy, broken = saved("healthy"), saved("nxdomain")
    healthy["facts"]["connections"] = healthy["facts"]["connections"][:2]  # a bucket says 403 to who is nobody
    assert judge(healthy)[0] == 0
    code, out, err = judge(broken)
    assert (code, err) == (1, "") and b"PS1001" in out
    assert judge({"facts": {}})[0] == 2
    asked = json.loads(json.dumps(healthy))
    asked["facts"]["surroundings"]["vpc_id"] = "vpc-1"
    code, out, _ = judge(asked)
    assert code == 2 and b"could not be checked" in out and b"ec2:DescribeDhcpOptions" in out
    code, out, err = doctor("--nothing")
    assert (code, out) == (64, b"") and "usage: penstock doctor" in err
    with open("/dev/full", "wb") as full:
        done = subprocess.run([binary(), "doctor", "--facts", FACTS[-1]], env=ENV, stdout=full, stderr=subprocess.PIPE,
                              timeout=30, check=False)
    assert done.returncode == 70 and b"stdout" in done.stderr
    code, out, err = doctor("--no-probe", "--facts-out", str(tmp_path / "no" / "such" / "folder"))
    assert (code, out) == (70, b"") and "No such file" in err


def test_a_reader_that_goes_away():
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run([binary(), "doctor", "--facts", FACTS[-1], "-o", "json"], env=ENV, stdout=write_end,
                          stderr=subprocess.PIPE, timeout=30, check=False)
    os.close(write_end)
    assert done.returncode == 70 and done.stderr.decode().startswith("penstock doctor: stdout: ")


def test_fail_on():
    """PS1008 is a warning: alone it fails only who asks for that."""
    facts = saved("healthy")
    conf = facts["facts"]["resolv_conf"]
    conf["servers"] = [*conf["servers"], "10.9.0.53"]
    for level, want in ((None, 0), ("error", 0), ("warning", 1)):
        args = ["--fail-on", level] if level else []
        code, out, _ = judge(facts, "-o", "json", *args)
        document = json.loads(out)
        assert (code, document["exit"]) == (want, want)
        assert "PS1008" in [f["code"] for f in document["findings"]]
        assert all(f["severity"] != "error" for f in document["findings"])
        cases = check_junit(judge(facts, "-o", "junit", *args)[1].decode())
        assert [type(r).__name__ for r in cases["PS1008"].result] == (["Failure"] if want else [])
        assert ("PS1008" in (cases["PS1008"].system_out or "") or cases["PS1008"].system_out) or want


def test_a_report_is_judged_again():
    """What -o json and --facts-out write gives the same report, byte for byte."""
    for path in FACTS:
        code, out, _ = doctor("--facts", path, "-o", "json")
        assert doctor("--facts", "-", "-o", "json", stdin=out)[:2] == (code, out)


def test_saved_facts_give_the_same_report(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(b"2026/03/01 12:03:11 [error] 7#7: *1 s3.eu-west-1.amazonaws.com could not be resolved (3: Host not "
                    b"found), client: \xff\xc2\x9b\xe2\x80\xae, server: x\n")
    code, out, err = doctor("--log", str(log), "--facts-out", str(tmp_path / "facts"), "-o", "json")
    assert (code, err) == (1, "") and json.loads(out)["findings"][0]["code"] == "PS1001"
    assert doctor("--facts", str(tmp_path / "facts"), "-o", "json")[:2] == (code, out)


def test_saved_facts_are_their_owners_alone(tmp_path):
    for umask in (0, 0o077):
        path = tmp_path / f"facts-{umask}"
        before = os.umask(umask)
        try:
            assert doctor("--no-probe", "--facts-out", str(path))[0] == 2  # nothing was looked at
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content, message", [
    ("", "'[' or '{' expected"), ("{", ":1:1: "), ('{"facts":\n{"vpc":\n{"id":}}}', ":3:"), ('{"facts":{},"facts":{}}', "duplicate"),
    ("[]", 'no member "facts"'), ("{}", 'no member "facts"'), ('{"facts":[]}', "facts: an object is wanted"),
    ('{"facts":{"vpc":{"id":1}}}', "facts.vpc.id: a string is wanted"),
    ('{"facts":{"questions":[{},{"tries":"1"}]}}', "facts.questions[1].tries: an integer is wanted"),
    ('{"facts":{"taken_s":99999999999999999999}}', "too big"), ('{"facts":{"vpc":{"id":"a\\u0000b"}}}', "NUL"),
    ('{"facts":{"vpc":{"id":"\udcff"}}}', "unable to decode byte 0xff"), ("[" * 100000, "maximum parsing depth"),
    ('{"facts":{"hosts":[' + ",".join(["{}"] * 5000) + "]}}", "facts.hosts: a shorter array is wanted")])
def test_files_that_are_no_facts(tmp_path, content, message):
    path = tmp_path / "facts.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    code, out, err = doctor("--facts", str(path))
    assert (code, out) == (64, b"") and err.startswith(f"penstock doctor: {path}") and message in err
    assert len(err.splitlines()) == 1
    code, out, piped = doctor("--facts", "-", stdin=path.read_bytes())
    assert (code, out) == (64, b"") and piped == err.replace(str(path), "-")


def test_files_that_cannot_be_read(tmp_path):
    for path, message in (("/nothing", "No such file or directory"), (str(tmp_path), "Is a directory")):
        code, out, err = doctor("--facts", path)
        assert (code, out, err) == (64, b"", f"penstock doctor: {path}: {message}\n")
    huge = tmp_path / "huge"
    with open(huge, "wb") as f:
        f.write(b'{"facts":{')
        f.truncate(1 << 33)
    code, out, err = doctor("--facts", str(huge))
    assert (code, out) == (64, b"") and err.startswith(f"penstock doctor: {huge}:1:11: ")
    big = tmp_path / "big"
    big.write_bytes(b'{"facts":{}, "pad": "' + b"x" * (16 << 20) + b'"}')
    code, out, err = doctor("--facts", str(big))
    assert (code, out, err) == (64, b"", f"penstock doctor: {big}: more than 16 MB are no facts of one task\n")


@pytest.mark.parametrize("args", [
    ["-o", "yaml"], ["-o"], ["--fail-on", "information"], ["--bucket", "a/b"], ["--bucket", "x"], ["--dns", "corp.test"],
    ["--probe", "--no-probe"], ["--facts", "-", "--vpc", "vpc-1"], ["--facts", "-", "--log", "x"], ["--facts", "-", "--probe"],
    ["--facts", "-", "--facts-out", "x"], ["--task", "1234"], ["--region="], ["--region", "eu-west1"], ["words"]])
def test_wrong_arguments(args):
    code, out, err = doctor(*args, stdin=b"")
    assert (code, out) == (64, b"") and err.startswith("penstock doctor: ") and "usage: " in err


# -- hostile facts -----------------------------------------------------------------------------------------------------

HOSTILE = ("\x1b[31mred\x1b[0m", "\x07\x08\x0d\n\t\x7f", "\u009b31m", "\u202eevil\u2066", "\"'<&>]]><!--", "\\", "%s%n",
           "'; touch /tmp/x #", "$(id)", "`id`", "\ufffe\uffff", "\U0001f600" * 50, "long " * 300, "x" * 3000)


def spoil(value, texts):
    """Every text of the facts, outcomes too where texts are none, ends in a hostile one."""
    if isinstance(value, dict):
        return {k: v if k in ("outcome", "purpose", "source", "type", "transport", "tls", "http") else spoil(v, texts)
                for k, v in value.items()}
    if isinstance(value, list):
        return [spoil(v, texts) for v in value]
    return value + next(texts) if isinstance(value, str) else value


def spoil_all(value, texts):
    if isinstance(value, dict):
        return {k: spoil_all(v, texts) for k, v in value.items()}
    if isinstance(value, list):
        return [spoil_all(v, texts) for v in value]
    return next(texts) if isinstance(value, str) else value


# Unicode's control characters of text direction and its line ends; C1; what XML 1.0 cannot hold.
FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff]")


@pytest.mark.parametrize("path", FACTS, ids=lambda p: os.path.basename(p)[:-5])
@pytest.mark.parametrize("how", [spoil, spoil_all])
def test_hostile_texts(path, how, schema, sarif_schema):
    for turn in range(3):
        texts = itertools.cycle(HOSTILE[turn:] + HOSTILE[:turn])
        facts = {"facts": how(json.loads(read(path))["facts"], texts)}
        for form in FORMATS:
            code, out, err = judge(facts, "-o", form)
            assert code in (0, 1, 2) and err == ""
            text = out.decode("ascii" if form in ("text", "short") else "utf-8")
            if form in ("text", "short", "sarif"):
                assert not FORBIDDEN.search(text), form
            if form == "json":
                assert not FORBIDDEN.search(text.replace("\ufffe", "").replace("\uffff", ""))
                check_json(out, schema)
            elif form == "sarif":
                check_sarif(out, sarif_schema)
            elif form == "junit":
                assert not FORBIDDEN.search(text)
                check_junit(text)


def test_commands_are_safe_to_copy():
    """No name of the facts becomes a word of a shell."""
    for path, word in itertools.product(FACTS, ("x;id", "x y", "$(id)", "`id`", "x'y", 'x"y', "x|y", "--profile=evil",
                                               "-x", "x&y", "x>y", "x\\y", "x\ny", "{a,b}", "*", "~")):
        facts = {"facts": spoil_all(json.loads(read(path))["facts"], itertools.repeat(word))}
        for source in ({}, {"surroundings": {**facts["facts"].get("surroundings", {}), "vpc_id": word, "cluster": word}}):
            for name in ("questions", "servers", "names", "resolv_conf"):
                if name in json.loads(read(path))["facts"]:
                    source[name] = json.loads(read(path))["facts"][name]
            code, out, _ = judge({"facts": {**facts["facts"], **source}}, "-o", "json")
            for finding in json.loads(out)["findings"]:
                for line in finding["fix"]:
                    if re.match("(aws|penstock|ip|openssl) ", line):
                        assert word not in line.split(" ", 1)[1].replace("--filters", "") or len(word) < 2, line


SECRETS = ("hunter2secret", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMIKEY", "FwoGZXIvYXdzEXAMPLE", "deadbeefcafe", "eyJhbGciOiJIUzI1NiJ9")
LEAKS = ("https://user:hunter2secret@proxy.corp.test:3128/", "http://hunter2secret@registry.stk/",
         "GET /b/k?X-Amz-Algorithm=AWS4&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260301&X-Amz-Signature=deadbeefcafe"
         "&X-Amz-Security-Token=FwoGZXIvYXdzEXAMPLE HTTP/1.1", "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc",
         "aws_secret_access_key=wJalrXUtnFEMIKEY", "?token=hunter2secret", "cookie: session=hunter2secret",
         "AKIAIOSFODNN7EXAMPLE")


@pytest.mark.parametrize("path", FACTS, ids=lambda p: os.path.basename(p)[:-5])
def test_saved_secrets_are_not_shown(path):
    """Facts hold none; if somebody put some in by hand, no report has them."""
    for form in FORMATS:
        facts = {"facts": spoil(json.loads(read(path))["facts"], (" " + leak for leak in itertools.cycle(LEAKS)))}
        code, out, _ = judge(facts, "-o", form)
        assert code in (0, 1, 2)
        for secret in SECRETS:
            assert secret.encode() not in out, (form, secret)


def test_secrets_around_the_doctor_are_not_shown(tmp_path):
    log = tmp_path / "nginx.log"
    log.write_text("".join(
        f'2026/03/01 12:03:1{i} [error] 7#7: *{i} s3.eu-west-1.amazonaws.com could not be resolved (3: Host not found), '
        f'client: 10.0.1.5, server: , request: "{leak}", host: "h"\n' for i, leak in enumerate(LEAKS)))
    env = {**ENV, "HTTPS_PROXY": LEAKS[0], "http_proxy": LEAKS[1], "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
           "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIKEY", "AWS_SESSION_TOKEN": "FwoGZXIvYXdzEXAMPLE"}
    saved_to = tmp_path / "facts"
    for form in FORMATS:
        code, out, err = doctor("--log", str(log), "-o", form, "--facts-out", str(saved_to), env=env)
        assert code == 1 and err == ""
        for secret in SECRETS:
            assert secret.encode() not in out + saved_to.read_bytes(), (form, secret)


def test_a_registry_with_a_password_is_refused():
    code, out, err = doctor("--no-probe", "--registry", "http://user:hunter2secret@registry.stk")
    assert code == 64 and out == b"" and "INTERNAL_REGISTRY_URL" in err and "hunter2secret" not in err


# -- for people --------------------------------------------------------------------------------------------------------

def on_terminal(*args, **env):
    _, out = terminal.on_terminal([binary(), "doctor", *args], {**ENV, "TERM": "xterm", **env})
    return out.decode("ascii").replace("\r\n", "\n")


def test_colours_only_where_they_are_wanted():
    path = os.path.join(SEEDS, "facts", "nxdomain.json")
    plain = doctor("--facts", path)[1].decode()
    assert "\033" not in plain
    shown = on_terminal("--facts", path)
    assert "\033[31mx PS1001\033[0m" in shown and re.sub(r"\033\[\d+m", "", shown) == plain
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert on_terminal("--facts", path, **env) == plain
    assert "\033" not in on_terminal("--facts", path, "-o", "json")


def test_a_wrong_first_server_reads_so():
    lines = judge(saved("nxdomain"))[1].decode().splitlines()
    assert re.fullmatch(r"penstock doctor   task [0-9a-f]{8}\.\.\.   eu-west-1   \d{4}-\d\d-\d\d \d\d:\d\d UTC", lines[0])
    assert lines[2].startswith("x PS1001  your first DNS server ") and lines[2].endswith("cause 1: DHCP options without AWS DNS")
    assert lines[3].startswith("    10.9.0.53: NXDOMAIN in ") and "for s3.eu-west-1.amazonaws.com" in lines[3]
    text = "\n".join(lines)
    assert "\n    fix: Use AmazonProvidedDNS alone " in text and "\n         penstock fix dhcp --vpc VPC --region eu-west-1\n" in text
    assert re.search(r"\n +10\.9\.0\.53 \(1st\) +10\.9\.0\.54 \(2nd\) +169\.254\.169\.253 \(Amazon\)\n", text)
    assert re.search(r"\n  s3\.eu-west-1 +NXDOMAIN [\d.]+ ms +52\.218\.104\.10 public [\d.]+ ms ", text)
    assert re.search(r"\n  registry\.stk +NXDOMAIN [\d.]+ ms +10\.0\.4\.10 private [\d.]+ ms ", text)
    assert "\n  NXDOMAIN    the server says that there is no such name\n" in text
    assert "\n1 root cause" in text and lines[-1] == "more about it: penstock explain PS1001"


def test_addresses_are_counted_and_classified():
    document = saved("nxdomain")
    facts = document["facts"]
    for question in facts["questions"]:
        if question["server"] == "10.9.0.54" and question["name"].startswith("s3.") and question["outcome"] == "answer":
            question["addresses"] = [f"52.218.1.{i}" for i in range(8)] if question["type"] == "A" else []
    facts["proxy"] = {"running": True, "used": "169.254.169.253", "group": "vpc", "resolves": True, "since_s": 1700000000}
    text = judge(document)[1].decode()
    assert re.search(r"\n  s3\.eu-west-1 .* 8 A public [\d.]+ ms", text)
    assert re.search(r" used by penstock\n  s3\.eu-west-1 .* 169\.254\.169\.253\n", text)
    assert "this proxy is not affected: it asks 169.254.169.253 for these names by itself (since 22:13:20)" in text
    facts["proxy"]["resolves"] = False
    assert re.search(r"\n  s3\.eu-west-1 .* no answer\n", judge(document)[1].decode())


def test_lost_tries_are_counted():
    text = judge(saved("silent"))[1].decode()
    assert re.search(r"\n  s3\.eu-west-1 +no answer \(0 of 3\) ", text) and "nothing came back" in text


def test_nothing_to_judge_says_what_to_do():
    code, out, _ = doctor("--no-probe")
    text = out.decode()
    assert code == 2 and "? there was nothing to judge" in text and "--log FILE" in text
    assert "\nnothing could be checked\n" in text


def test_only_a_log():
    text = judge(saved("log"))[1].decode()
    assert "5 lines read, 4 of them tell of a failure" in text and "this is what a log hints at" in text
    assert re.search(r"\n    2 x  s3\.eu-west-1\.amazonaws\.com  2026-03-01T12:03:11Z  12:04:11Z\n", text)


def test_short_is_a_line_each():
    code, out, _ = judge(saved("nxdomain"), "-o", "short")
    lines = out.decode().splitlines()
    assert lines[0].startswith("PS1001 error root: your first DNS server") and lines[0].endswith("[10.9.0.53]")
    assert lines[-1].startswith("1 root cause")
    assert judge({"facts": {"resolv_conf": {"path": "/etc/resolv.conf", "servers": ["9.9.9.9"]}}}, "-o", "short")[1] == (
        b"all is well\n")


# -- docs/DOCTOR.md ----------------------------------------------------------------------------------------------------

DOCS = read(os.path.join(ROOT, "docs", "DOCTOR.md"))
COMMANDS = [line.strip() for line in DOCS.splitlines() if line.startswith("    penstock ")]


def test_the_docs_have_every_option_and_nothing_else():
    shown = doctor("--help")[1].decode()
    assert set(re.findall(r"--[a-z][a-z-]+", shown)) - {"--help"} == (
        set(re.findall(r"--[a-z][a-z-]+", DOCS.split("## Options")[1])) - {"--vpc ID"})
    for target in re.findall(r"\]\(([^)]+)\)", DOCS):
        assert os.path.exists(os.path.join(ROOT, "docs", target)), target


def test_commands_of_the_docs_run(vpc, tmp_path):
    """Each in the lab's task, with the lab's names where the docs have a word for somebody's own."""
    assert len(COMMANDS) >= 12
    line = ("2026/03/01 12:03:11 [error] 7#7: *1 registry.stk could not be resolved (3: Host not found), client: 10.0.1.5, "
            'server: , request: "GET / HTTP/1.1", host: "h"')
    with vpc.rebuilding() as account:
        account.log_lines(line)
    (tmp_path / "nginx.log").write_text(line + "\n")
    (tmp_path / "facts.json").write_text(json.dumps(saved("nxdomain")))
    words = {"VPC": vpc.account.vpc, "CLUSTER": "stk", "TASK": vpc.account.task, "GROUP": "/quilt/stk/s3-proxy",
             "my-bucket": "lab-bucket"}
    os.symlink(binary(), tmp_path / "penstock")
    inside = vpc.environment(True, PATH=f"{tmp_path}:{os.environ['PATH']}")
    outside = {name: value for name, value in inside.items() if not name.startswith("ECS_")}
    for command in COMMANDS:
        line = re.sub("|".join(rf"\b{word}\b" for word in words), lambda m: words[m[0]], command)
        env = outside if re.search("--(vpc|task|log|facts) ", line) else inside
        with vpc.task.enter():
            done = subprocess.run(["sh", "-c", line], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, cwd=tmp_path, timeout=30, check=False)
        hurt = "--log" in line or "--facts " in line
        assert done.returncode == int(hurt) and done.stderr == b"", (line, done)
        assert done.stdout or ">doctor." in line


def test_commands_of_aws_in_the_docs_are_taken(monkeypatch):
    from awscli.clidriver import CLIOperationCaller, create_clidriver
    from botocore.validate import ParamValidator
    called = []

    def invoke(self, service, operation, parameters, options):
        model = self._session.get_service_model(service).operation_model(operation)
        for token in model.idempotent_members:
            parameters.setdefault(token, "token")
        report = ParamValidator().validate(parameters, model.input_shape)
        assert not report.has_errors(), report.generate_report()
        called.append(operation)
        return 0

    monkeypatch.setattr(CLIOperationCaller, "invoke", invoke)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    lines = [line.strip() for line in DOCS.splitlines() if line.startswith("    aws ")]
    for line in lines:
        words = shlex.split(line)[1:]
        if words[1] != "execute-command":  # the CLI's own, which starts a session
            assert create_clidriver().main(words) == 0, words
    assert called == ["RunTask"] and len(lines) == 2

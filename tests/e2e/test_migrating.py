"""docs/MIGRATING.md, word for word: its blocks are run, AWS's commands against moto, the others beside a penstock that has
the nginx container's environment."""

import os
import re
import subprocess
import sys

import boto3
import pytest

from helpers import ORIGIN
from lab.penstock import ROOT, binary
from lab.s3 import wait_port

PAGE = os.path.join(ROOT, "docs", "MIGRATING.md")
MOTO = "http://127.0.0.1:5598"
AWS = {"AWS_ENDPOINT_URL": MOTO, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
       "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": ""}
LOG = ('10.0.1.2 - - [24/Nov/2026:00:00:00 +0000] "GET /s3.eu-west-1.amazonaws.com/photos/a HTTP/1.1" 200 5 "-" "x"\n'
       '10.0.1.2 - - [24/Nov/2026:00:00:00 +0000] "GET /minio.example/photos/a HTTP/1.1" 400 5 "-" "x"\n')


def blocks(section):
    """The indented lines of a section, as they stand there."""
    with open(PAGE, encoding="utf-8") as f:
        text = re.split(r"^## |^(?=# )", f.read(), flags=re.M)
    body = next(part for part in text if part.startswith(section))
    return [line[4:] for line in body.splitlines() if line.startswith("    ")]


@pytest.fixture(scope="module")
def values():
    return dict(pair.split("=", 1) for line in blocks("# Migrating") for pair in line.split())


@pytest.fixture
def shell(tmp_path, values):
    """Runs one line of the page as a reader would; everything has to succeed."""
    (tmp_path / "bin").mkdir()
    os.symlink(binary(), tmp_path / "bin" / "penstock")
    env = {**values, **AWS, "PATH": f"{tmp_path}/bin:{os.path.dirname(sys.executable)}:{os.environ['PATH']}", "HOME": str(tmp_path)}

    def run(line):
        done = subprocess.run(["bash", "-ec", line], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout
    run.folder = tmp_path
    return run


@pytest.fixture
def account(world, values):
    """moto with the service as the nginx container has it, health check by curl and all."""
    log = open(os.path.join(world.folder, "migrating-moto.log"), "w")
    process = world.client.popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", MOTO.rsplit(":", 1)[1]], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    wait_port(world.client, "127.0.0.1", int(MOTO.rsplit(":", 1)[1]), process)
    ecs = boto3.client("ecs", region_name="eu-west-1", endpoint_url=MOTO, aws_access_key_id="a", aws_secret_access_key="b")
    ecs.create_cluster(clusterName=values["CLUSTER"])
    ecs.register_task_definition(
        family=values["FAMILY"], networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="1024", executionRoleArn="arn:aws:iam::123456789012:role/x",
        containerDefinitions=[
            {"name": values["CONTAINER"], "image": "registry.example/nginx-s3-proxy:1", "essential": True, "portMappings": [{"containerPort": 80}],
             "environment": [{"name": "INTERNAL_REGISTRY_URL", "value": "http://registry.stk"}], "readonlyRootFilesystem": True,
             "healthCheck": {"command": ["CMD-SHELL", "curl -f http://localhost/"]}},
            {"name": "sidecar", "image": "registry.example/other:1", "command": ["kept"]}])
    ecs.create_service(cluster=values["CLUSTER"], serviceName=values["SERVICE"], taskDefinition=values["FAMILY"], desiredCount=0)
    yield ecs
    process.terminate()
    process.wait(5)


def test_swap_and_back(shell, account, values):
    for line in blocks("The swap on ECS"):
        shell(line)
    service = account.describe_services(cluster=values["CLUSTER"], services=[values["SERVICE"]])["services"][0]
    assert service["taskDefinition"].endswith(f"{values['FAMILY']}:2")
    before, after = (account.describe_task_definition(taskDefinition=f"{values['FAMILY']}:{n}")["taskDefinition"] for n in (1, 2))
    ours, other = after["containerDefinitions"]
    was, other_was = before["containerDefinitions"]
    changed = {k for k in ours.keys() | was.keys() if ours.get(k) != was.get(k)}
    assert changed == {"image", "healthCheck", "stopTimeout"} and ours["image"] == values["IMAGE"] and ours["stopTimeout"] == 120
    assert other == other_was and ours["environment"] == [{"name": "INTERNAL_REGISTRY_URL", "value": "http://registry.stk"}]
    for line in blocks("Back"):
        shell(line)
    service = account.describe_services(cluster=values["CLUSTER"], services=[values["SERVICE"]])["services"][0]
    assert service["taskDefinition"].endswith(f"{values['FAMILY']}:1")


def test_before(shell):
    (shell.folder / "access.log").write_text(LOG)
    (shell.folder / "error.log").write_text(
        "2026/11/24 00:00:00 [error] 7#7: *1 s3.eu-west-1.amazonaws.com could not be resolved (3: Host not found), client: 10.0.1.2, "
        'server: , request: "GET /s3.eu-west-1.amazonaws.com/b/k HTTP/1.1", host: "p"\n')
    check, explain, hosts = [shell(line) for line in blocks("Before")]
    assert ORIGIN in explain
    assert "minio.example" in hosts and ORIGIN in hosts
    done = subprocess.run([binary(), "doctor", "--log", "error.log"], cwd=shell.folder, env={"PATH": os.environ["PATH"]},
                          capture_output=True, text=True, timeout=30, check=False)
    assert "s3.eu-west-1.amazonaws.com" in done.stdout, (check, done.stdout, done.stderr)


def test_did_it_work(world, start, shell, values):
    """A penstock with what the container had, and what a lab needs."""
    world.origin.reset_hooks()
    world.origin.put("/photos/plain.txt", b"plain words")
    start(port=int(values["PROXY"].rsplit(":", 1)[1]))
    lines = [line for line in blocks("Did it work") if line.startswith("curl")]
    root, status, piece, preflight = [shell(line) for line in lines]
    assert root == "S3 Proxy" and status == "200\n" and piece == "plai"
    assert "Access-Control-Allow-Origin: *" in preflight and "Access-Control-Allow-Methods: GET" in preflight


def test_page_tells_of_real_codes():
    """Every termination code and field that the page names is one of docs/ACCESS-LOG.md."""
    with open(os.path.join(ROOT, "docs", "ACCESS-LOG.md"), encoding="utf-8") as f:
        known = f.read()
    with open(PAGE, encoding="utf-8") as f:
        table = f.read().split("## Logs and metrics")[1].split("A metric filter")[0]
    names = {name for row in table.splitlines() if row.startswith("| ") for name in re.findall(r'[`"]([a-z][a-z0-9_]+)[`"]', row.split("|", 2)[2])} - {"end"}
    assert len(names) > 20
    assert [n for n in sorted(names) if f"`{n}`" not in known] == []

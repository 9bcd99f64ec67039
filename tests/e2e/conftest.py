"""Whole-program tests. pytest starts itself again inside namespaces (see lab/net.py), builds the lab once and
stands in the client's network: what a test opens here, the client opens."""

import functools
import os
import signal
import sys
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [ROOT, os.path.dirname(os.path.abspath(__file__))]

from lab import net  # noqa: E402


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    if not (config.option.collectonly or config.option.help or config.option.version):
        net.reexec([sys.executable, "-m", "pytest", *config.invocation_params.args])


def pytest_configure(config):
    config.option.durations = config.option.durations or 12
    config.option.durations_min = 1.0
    config.addinivalue_line("markers", "limit(seconds): of a test that may take longer than others of its file")


@pytest.fixture(scope="session")
def world():
    from lab.penstock import binary
    from lab.world import World
    assert os.access(binary(), os.X_OK), f"no {binary()}: build it first (PENSTOCK_BIN names another)"
    world = World(os.environ.get("LAB_DIR") or os.path.join(ROOT, "build", "e2e"))
    net.setns(world.client.fd)
    yield world
    world.close()


@pytest.fixture(scope="session")
def vpc_lab():
    from lab.penstock import binary
    from lab.vpc import Vpc
    assert os.access(binary(), os.X_OK), f"no {binary()}: build it first (PENSTOCK_BIN names another)"
    vpc = Vpc((os.environ.get("LAB_DIR") or os.path.join(ROOT, "build", "e2e")) + "-vpc")
    yield vpc
    vpc.close()


@pytest.fixture
def vpc(vpc_lab):
    """A VPC in which all is well, for one test to break."""
    vpc_lab.heal()
    return vpc_lab


class Starter:
    """Starts instances of penstock, each on its own port, and ends them with the test."""

    ports = iter(range(8081, 8999))

    def __init__(self, world):
        self.world = world
        self.instances = []

    def __call__(self, **settings):
        port = settings.pop("port", None) or next(self.ports)
        settings.setdefault("ADMIN", f"127.0.0.1:{port + 10000}")
        instance = self.world.start_penstock(port=port, **settings)
        self.instances.append(instance)
        return instance

    def stop(self):
        codes = [(i.stop(), i) for i in self.instances]
        for code, instance in codes:
            assert code == 0, f"penstock ended with {code}:\n{instance.output()[-4000:]}"


@pytest.fixture(scope="session")
def proxy(world):
    """The one penstock that most tests share: on port 80, the corporate server first, Amazon's by policy."""
    instance = world.start_penstock(port=80)
    yield instance
    code = instance.stop()
    assert code == 0, f"penstock ended with {code}:\n{instance.output()[-4000:]}"


@pytest.fixture
def start(world):
    """start(SETTING=value ...) -> a penstock of the test's own."""
    starter = Starter(world)
    yield starter
    starter.stop()


@pytest.fixture
def settings(world, start):
    """settings("PENSTOCK_X: value\\n", SETTING=value ...) -> a penstock whose file can be written anew."""
    from reloads import Settings
    return functools.partial(Settings, world, start)


@pytest.fixture(scope="session")
def another_ca(world):
    from reloads import serve_by_another_authority
    return serve_by_another_authority(world)


@pytest.fixture
def forward(start):
    """forward(SETTING=value ...) -> a `penstock dns` of the test's own, on port 53 of penstock's host."""
    from lab.world import PENSTOCK
    return functools.partial(start, args=("dns",), port=53, INTERNAL_REGISTRY_URL=None, LISTEN=None,
                             DNS_LISTEN=f"{PENSTOCK}:53")


@pytest.fixture
def moto(world, proxy):
    world.moto.requests.clear()
    return world.moto


@pytest.fixture
def s3rver(world, proxy):
    world.s3rver.requests.clear()
    return world.s3rver


@pytest.fixture(scope="session")
def bucket(world, proxy):
    from clients import through
    through.client("us-west-2").create_bucket(
        Bucket="e2e", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    return "e2e"


@pytest.fixture(autouse=True)
def healthy(request):
    """Every test begins and ends with servers in their usual state."""
    yield
    if "world" in request.fixturenames:
        request.getfixturevalue("world").heal()


@pytest.fixture
def no_hang(request):
    """Every case has a time limit: 20 s where it names none."""
    marker = request.node.get_closest_marker("limit")
    seconds = marker.args[0] if marker else 20

    def give_up(*_):
        raise TimeoutError(f"not over within {seconds} s")
    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def origin(world, proxy):
    world.origin.reset_hooks()
    return world.origin


@pytest.fixture
def script(origin):
    """What the origin does, a script for each object."""
    from zip_faults import Script
    return Script(origin)


@pytest.fixture(scope="module")
def good(world, proxy):
    """An archive whose parts are all right, until a script says otherwise."""
    from zip_faults import Good, entries_of
    return Good(world, proxy, "/zip/faults/good", entries_of())


@pytest.fixture(scope="session")
def table():
    """Rows for a table that is printed at the end: (title, columns) -> list of rows."""
    return TABLES


TABLES = {}


def pytest_terminal_summary(terminalreporter):
    for (title, *columns), rows in TABLES.items():
        terminalreporter.section(title)
        widths = [max(len(str(r[i])) for r in [columns, *rows]) for i in range(len(columns))]
        for row in [columns, *rows]:
            terminalreporter.write_line("  ".join(str(c).ljust(w) for c, w in zip(row, widths)))


def pytest_sessionstart(session):
    session.config.e2e_began = time.monotonic()

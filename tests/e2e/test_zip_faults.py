"""Archives whose parts, hosts or registry fail: a whole archive or one that is visibly cut, within bounded time;
never a damaged one that ends well."""

import io
import random
import threading
import time
import zipfile

import pytest

from helpers import Conn, error_of, eventually, fetch, request_bytes
from conftest import Starter
from lab import world as w
from lab.generated import Generated
from zip_faults import MIB, SLOW_DOWN, Good, Script, entries_of, mute, mute_body, say, send, stall, well
from zips import Listing

pytestmark = pytest.mark.usefixtures("no_hang")


# Parts that die and are continued

def test_fifty_cuts_of_one_part(script, good):
    target = good.target["big file"]
    script.on(target, *[send(stop=60_000)] * 50, well)
    line = good.is_whole()
    assert script.n(target) == 51
    assert line["end"] == "ok"
    ranges = [r.headers.get("range") for r in script.origin.requests if r.target == target]
    last = 3 * MIB - 1
    assert ranges == [None, *(f"bytes={60_000 * n}-{last}" for n in range(1, 51))]
    assert all(r.headers.get("if-match") for r in script.origin.requests if r.headers.get("range"))


def test_resets_and_cuts_of_all_parts(script, good):
    rng = random.Random(3)
    for name, target in good.target.items():
        size = good.infos[name].file_size
        acts = [send(stop=rng.randrange(size // 4), how=rng.choice(("rst", "fin"))) for _ in range(4)] if size else []
        script.on(target, *acts, well)
    good.is_whole()


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_all_bytes_but_no_end(script, good, how):
    """A chunked body without its last chunk: what is missing is nothing."""
    for name in ("first", "big file", "last"):
        script.on(good.target[name], send(stop=good.infos[name].file_size, how=how, chunked=True))
    good.is_whole()
    first, end = good.data_of("big file")
    script.on(good.target["big file"], send(stop=MIB, how=how, chunked=True), well)
    resp, line = good.take([("Range", f"bytes={first + 10}-{first + MIB + 9}")])
    assert not resp.clean or resp.body == good.body[first + 10:first + MIB + 10], line


def test_cuts_inside_a_range(script, good):
    target = good.target["big file"]
    first, end = good.data_of("big file")
    script.on(target, *[send(stop=50_000)] * 10, well)
    resp, line = good.take([("Range", f"bytes={first + 1000}-{end - 1001}")])
    assert resp.status == 206 and resp.clean and resp.body == good.body[first + 1000:end - 1000], line
    assert script.n(target) == 11


# Parts that are refused

@pytest.mark.parametrize("status", [403, 404, 400, 301, 204])
def test_refused(script, good, status):
    refuse = say(status, ("x-amz-request-id", "R9"), body=b"" if status == 204 else SLOW_DOWN)
    script.on(good.target["first"], refuse)
    good.is_refused("first", str(status), ends=("part_refused",))
    script.on(good.target["first"], well).on(good.target["middle"], refuse)
    good.is_cut("middle", str(status), ends=("part_refused",))
    script.on(good.target["middle"], well).on(good.target["last"], refuse)
    good.is_cut("last", str(status), ends=("part_refused",))
    assert all(script.n(good.target[name]) >= 1 for name in ("first", "middle", "last"))


def test_refused_first_part_of_a_range(script, good):
    """The first that is needed, not the first that is listed; what is not needed is not asked for."""
    script.on(good.target["first"], say(404)).on(good.target["middle"], say(404)).on(good.target["last"], say(404))
    start, end = good.data_of("middle")
    resp, line = good.take([("Range", f"bytes={end - 10}-{end + 5}")])
    assert resp.status == 502 and "middle" in error_of(resp)[1] and line["end"] == "part_refused", (resp, line)
    resp, line = good.take([("Range", f"bytes={end}-{end + 5},0-9,{good.data_of('big file')[0]}-{start - 1}")])
    assert resp.status == 206 and resp.clean, (resp, line)
    assert [script.n(good.target[n]) for n in ("first", "middle", "last")] == [0, 1, 0]


def test_a_missing_object_is_asked_for_once(script, good):
    script.on(good.target["first"], say(404))
    good.is_refused("first", "404", ends=("part_refused",))
    assert script.n(good.target["first"]) == 1


def test_refused_in_the_middle_of_a_part(script, good):
    """The credentials of a presigned place end while a cut part is continued."""
    script.on(good.target["big file"], send(stop=MIB), say(403))
    good.is_cut("big file", "403", ends=("part_refused",))


# What takes its time: all of it at once, then judged case by case

SLOW = {}


def slow(case):
    SLOW[case.__name__.replace("_", " ")] = case
    return case


class Stage:
    """Where the slow cases play, each in a thread: a penstock with the usual times and one with short ones."""

    def __init__(self, world, proxy, impatient):
        self.world, self.proxy, self.impatient = world, proxy, impatient
        world.origin.reset_hooks()
        self.script = Script(world.origin)

    def good(self, name, proxy=None, **how):
        return Good(self.world, proxy or self.proxy, f"/zip/faults/slow-{name}", entries_of(**how))


@pytest.fixture(scope="module")
def outcomes(world, proxy):
    """Name -> what the case raised, or None."""
    starter = Starter(world)
    stage = Stage(world, proxy, starter(BODY_TIMEOUT_MS="400", UPSTREAM_HEAD_TIMEOUT_MS="400"))
    found = {}

    def run(name):
        try:
            SLOW[name](stage)
            found[name] = None
        except BaseException as error:  # pylint: disable=broad-except
            found[name] = error
    threads = [threading.Thread(target=run, args=(name,), daemon=True) for name in SLOW]
    for t in threads:
        t.start()
    for t in threads:
        t.join(20)
    starter.stop()
    return found


@slow
def no_progress_behind_clean_cuts(stage):
    """Five tries that brought nothing; those before, which brought something, do not count."""
    good = stage.good("fin")
    target = good.target["big file"]
    stage.script.on(target, *[send(stop=100_000)] * 3, send(stop=0))
    good.is_cut("big file", ends=("upstream_closed", "part_refused"))
    assert stage.script.n(target) in (8, 9)


@slow
def no_progress_behind_resets(stage):
    good = stage.good("rst")
    target = good.target["middle"]
    stage.script.on(target, send(stop=0, how="rst"))
    good.is_cut("middle", ends=("upstream_closed", "upstream_reset", "part_refused"))
    assert 5 <= stage.script.n(target) <= 10  # a fresh connection that was reset is replaced once for each try


@slow
def drip(stage):
    good = stage.good("drip")
    stage.script.on(good.target["middle"], send(pace=(5000, 0.05)))
    stage.script.on(good.target["first"], send(pace=(50, 0.02)))
    good.is_whole()


@slow
def a_stalled_part_is_continued(stage):
    good = stage.good("stalled", stage.impatient)
    stage.script.on(good.target["big file"], stall, well)
    good.is_whole()
    assert stage.script.n(good.target["big file"]) == 2


@slow
def a_part_that_stalls_for_ever_ends_the_archive(stage):
    good = stage.good("stuck", stage.impatient, big=150_000)
    stage.script.on(good.target["big file"], stall, mute_body)
    good.is_cut("big file", ends=("upstream_stalled", "part_refused"))


@slow
def a_first_part_that_is_not_answered_is_504(stage):
    good = stage.good("mute-first", stage.impatient)
    stage.script.on(good.target["first"], mute)
    good.is_refused("first", ends=("upstream_head_timeout",), status=504)


@slow
def a_later_part_that_is_not_answered_cuts(stage):
    good = stage.good("mute-later", stage.impatient)
    stage.script.on(good.target["middle"], mute)
    good.is_cut("middle", ends=("upstream_head_timeout", "part_refused"))


@slow
def busy_for_a_while(stage):
    """503 and 429 are tried again: also behind a cut, and as the first part."""
    good = stage.good("busy")
    stage.script.on(good.target["first"], say(503), well)
    stage.script.on(good.target["big file"], send(stop=MIB), say(503), well)
    stage.script.on(good.target["middle"], say(429, ("Retry-After", "1")), well)
    stage.script.on(good.target["last"], say(503), say(503), well)
    good.is_whole()
    assert [stage.script.n(good.target[n]) for n in ("first", "big file", "middle", "last")] == [2, 3, 2, 3]


def check_busy(stage, name, status, ends):
    """Three more tries with growing pauses, then the archive ends."""
    good = stage.good(f"{status}-{name}", big=5000)
    target = good.target[name]
    stage.script.on(target, say(status))
    getattr(good, ends)(name, str(status), ends=("part_refused",))
    times = stage.script.times[target]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert len(gaps) == 3 and gaps[0] > 0.2 and gaps[1] > 1.5 * gaps[0] and gaps[2] > 1.5 * gaps[1], gaps


@slow
def busy_for_ever_503(stage):
    check_busy(stage, "first", 503, "is_refused")


@slow
def busy_for_ever_429(stage):
    check_busy(stage, "middle", 429, "is_cut")


@slow
def busy_for_ever_500(stage):
    check_busy(stage, "first", 500, "is_refused")


def check_host(stage, region, ends):
    """A host that cannot be had, for a part that is not the first."""
    listing = Listing(stage.world, f"/zip/faults/host-later-{region}").add("near", b"n" * 300_000)
    listing.add("far", b"f" * 100, host=w.s3_name(region)).publish()
    resp = fetch(stage.proxy, "GET", listing.path)
    assert resp.status == 200 and not resp.clean and len(resp.body) <= 300_200, resp
    line = stage.proxy.access_with(listing.path)
    assert line["end"] == ends and "far" in line["detail"], line


@slow
def a_host_without_an_address(stage):
    check_host(stage, "ap-southeast-1", "dns_failed")


@slow
def a_host_that_refuses_connections(stage):
    check_host(stage, "eu-west-3", "connect_refused")


@slow
def a_host_with_the_certificate_of_another(stage):
    check_host(stage, "ap-northeast-1", "tls_name")


@slow
def a_host_whose_address_is_never_dialled(stage):
    check_host(stage, "eu-central-1", "part_refused")


@pytest.mark.parametrize("name", SLOW)
def test_slow(outcomes, name):
    assert name in outcomes, "it hangs"
    if outcomes[name] is not None:
        raise outcomes[name]


# Hosts

@pytest.mark.parametrize("region, ends", [("ap-southeast-1", ("dns_failed",)), ("eu-west-3", ("connect_refused",)),
                                          ("ap-northeast-1", ("tls_name",)), ("eu-central-1", ("part_refused",))])
def test_the_host_of_the_first_part_fails(world, proxy, origin, region, ends):
    """No address, no listener, another's certificate, an address that is never dialled."""
    bad = w.s3_name(region)
    listing = Listing(world, f"/zip/faults/host-first-{region}").add("far", b"f" * 100, host=bad).add("near", b"n" * 100)
    listing.publish()
    resp = fetch(proxy, "GET", listing.path)
    assert resp.status == 502 and "far" in error_of(resp)[1] and bad in error_of(resp)[1], resp
    line = proxy.access_with(listing.path)
    assert line["end"] in ends and "far" in line["detail"], line


def test_a_host_that_comes_back(world, proxy, origin):
    """Connections are refused for a moment in the middle of an archive: it goes on."""
    listing = Listing(world, "/zip/faults/back")
    for i in range(6):
        listing.add(str(i), Generated(8 * MIB, seed=i))
    listing.publish()
    with Conn(proxy) as conn:
        conn.send(request_bytes("GET", listing.path))
        eventually(lambda: len(origin.requests) >= 2)
        time.sleep(0.2)
        origin.refusing = True
        origin.drop_all()
        timer = threading.Timer(0.7, setattr, (origin, "refusing", False))
        timer.start()
        try:
            resp = conn.response()
        finally:
            timer.join()
            origin.refusing = False
    assert resp.status == 200 and resp.clean, resp
    assert zipfile.ZipFile(io.BytesIO(resp.body)).testzip() is None


# The registry

@pytest.mark.parametrize("framing, how", [("length", "rst"), ("length", "fin"), ("chunked", "rst"), ("chunked", "fin"),
                                          ("close", "rst"), ("close", "fin")])
def test_registry_cut_inside_the_manifest(world, proxy, origin, framing, how):
    listing = Listing(world, f"/zip/faults/registry-{framing}-{how}")
    for i in range(200):
        listing.add(f"file {i}", b"x" * 10)
    lines = listing.lines
    at_a_line = len(b"".join(lines[:100]))
    total = len(b"".join(lines))
    for at in {0, 1, 30, at_a_line, at_a_line + 10, total - 1}:
        if framing == "close" and how == "fin" and at in (0, at_a_line, total - 1):
            continue  # nobody can tell: a whole list, its last line ended by CR
        listing.publish(framing=framing, cut_at=at, cut_how=how)
        resp = fetch(proxy, "GET", listing.path)
        assert resp.status == 502 and resp.clean and b"<Error>" in resp.body, (at, resp)
    assert origin.requests == [], "S3 was asked for an archive that cannot be"


def test_slow_registry(world, proxy):
    listing = Listing(world, "/zip/faults/slow-registry").add("a", b"a" * 1000)
    listing.publish(delay=1.2)
    resp = fetch(proxy, "GET", listing.path)
    assert resp.status == 200 and resp.clean and resp.seconds > 1.1
    whole = resp.body

    def drip(request, wire):
        text = b"".join(listing.lines)
        wire.sock.sendall(b"HTTP/1.1 200 X\r\nX-Archive-Files: zip\r\nContent-Length: %d\r\n\r\n" % len(text))
        for i in range(len(text)):
            wire.sock.sendall(text[i:i + 1])
            time.sleep(0.005)
        return True
    world.registry.respond = drip
    assert fetch(proxy, "GET", listing.path).body == whole


def test_registry_that_says_nothing_more(world, start):
    proxy = start(ARCHIVE_TIMEOUT_MS="500")
    listing = Listing(world, "/zip/faults/mute-registry").add("a", b"a" * 1000)
    listing.publish()

    def half(request, wire):
        text = b"".join(listing.lines)
        if request.target.endswith("?head"):
            wire.sock.sendall(b"HTTP/1.1 200 X\r\nX-Archive-Files: zip\r\nContent-Length: %d\r\n\r\n" % len(text) + text[:9])
        wire.sock.settimeout(12)
        wire.fill()
        raise EOFError
    world.registry.respond = half
    for query in ("?head", "?nothing"):
        resp = fetch(proxy, "GET", listing.path + query)
        assert resp.status == 504 and resp.clean and 0.4 < resp.seconds < 5, resp


def test_registry_that_dies(world, proxy):
    listing = Listing(world, "/zip/faults/dead-registry").add("a", b"a" * 1000)
    listing.publish()
    world.registry.refusing = True
    world.registry.drop_all()
    try:
        resp = fetch(proxy, "GET", listing.path)
        assert resp.status in (502, 504) and resp.clean
    finally:
        world.registry.refusing = False
    assert eventually(lambda: fetch(proxy, "GET", listing.path).status == 200, 5)

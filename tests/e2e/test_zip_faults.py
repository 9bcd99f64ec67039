"""Archives whose parts, registry or client fail: a whole archive or one that is visibly cut, within bounded time;
never a damaged one that ends well."""

import contextlib
import http.client
import io
import random
import signal
import threading
import time
import zipfile
from types import SimpleNamespace

import pytest

from helpers import Conn, error_of, eventually, fetch, request_bytes
from conftest import Starter
from lab import http as wires
from lab import world as w
from lab.generated import Blob, Generated
from lab.origin import Cut, Origin, random_bytes
from lab.penstock import is_sanitized
from zips import Listing, in_parallel

KIB, MIB = 1 << 10, 1 << 20
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


@pytest.fixture(autouse=True)
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


# What an origin may do wrong

def answer(request, wire, blob, stop=None, how="fin", etag=None, announced=None, chunked=False, pace=None, plain=False):
    """blob as an S3 server sends it, ranges too, but for: stop: so many bytes, then the connection ends (how);
    etag: another line, b"" for none; announced: another Content-Length; pace: (bytes, seconds); plain: no range."""
    first, last, status, extra = 0, blob.size - 1, 200, b""
    if (field := request.headers.get("range")) and not plain:
        first, last = (int(n) for n in field[6:].split("-"))
        if first >= blob.size:
            Origin.send(wire, 416, b"<Error><Code>InvalidRange</Code></Error>")
            return True
        last = min(last, blob.size - 1)
        status, extra = 206, b"Content-Range: bytes %d-%d/%d\r\n" % (first, last, blob.size)
    data = b"".join(blob.pieces(first, last + 1))
    line = b"ETag: %s\r\n" % blob.etag.encode() if etag is None else etag
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (announced or len(data))
    wire.sock.sendall(b"HTTP/1.1 %d X\r\n%s%s%s\r\n\r\n" % (status, extra, line, length))
    part = data[:stop]
    step, seconds = pace or (len(part) or 1, 0)
    for at in range(0, len(part), step):
        piece = part[at:at + step]
        wire.sock.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        time.sleep(seconds)
    if stop is not None:
        raise Cut(how)
    wire.sock.sendall(b"0\r\n\r\n" if chunked else b"")
    return True


def say(status, *headers, body=SLOW_DOWN):
    def act(request, wire, blob):
        Origin.send(wire, status, body, *headers)
        return True
    return act


def send(blob=None, **how):
    """answer(), of another object where one is given."""
    return lambda request, wire, own: answer(request, wire, blob or own, **how)


def well(request, wire, blob):
    return answer(request, wire, blob)


def stall(request, wire, blob):
    """Half of what is asked for, and then nothing for a long time."""
    with contextlib.suppress(Cut):
        answer(request, wire, blob, stop=min(blob.size // 2, 100_000), how="wait")
    mute(request, wire)


def mute_body(request, wire, blob):
    """A head, and nothing behind it."""
    with contextlib.suppress(Cut):
        answer(request, wire, blob, stop=0, how="wait")
    mute(request, wire)


def mute(request, wire, blob=None):
    """Not a byte, until the other side has enough."""
    wire.sock.settimeout(12)
    wire.fill()
    raise Cut("rst")


class Script:
    """What the origin does for each target, try by try; the last act is for ever."""

    def __init__(self, origin, **acts_of):
        self.origin, self.acts = origin, {}
        self.times = {}
        origin.respond = self.respond

    def on(self, target, *acts):
        self.acts[target] = list(acts)
        self.times[target] = []
        return self

    def respond(self, request, wire):
        acts = self.acts.get(request.target)
        if not acts:
            return False
        self.times[request.target].append(time.monotonic())
        act = acts.pop(0) if len(acts) > 1 else acts[0]
        return act(request, wire, self.origin.find(request.target))

    def n(self, target):
        return len(self.times[target])


@pytest.fixture
def origin(world, proxy):
    world.origin.reset_hooks()
    return world.origin


@pytest.fixture
def script(origin):
    return Script(origin)


CUT = SimpleNamespace(status=None, clean=False, body=b"")


class Good:
    """An archive whose parts are all right so far; its bytes are kept to compare with."""

    def __init__(self, world, proxy, path, entries, **unknown):
        self.world, self.proxy, self.path = world, proxy, path
        self.listing = Listing(world, path)
        self.target = {}
        for name, data in entries:
            self.listing.add(name, data, **({"crc": None} if name in unknown else {}))
            self.target[name] = f"{path}/{len(self.target)}"
        self.listing.publish(headers=[("ETag", '"good"')])
        self.n_lines = len([x for x in proxy.access() if x.get("path") == path])
        resp, _ = self.take()
        assert resp.status == 200 and resp.clean, resp
        self.body = resp.body
        with zipfile.ZipFile(io.BytesIO(self.body)) as z:
            assert z.testzip() is None
            self.infos = {i.filename: i for i in z.infolist()}

    def data_of(self, name):
        """[first, end) of the entry's data in the archive."""
        at = self.infos[name].header_offset
        n = int.from_bytes(self.body[at + 26:at + 28], "little") + int.from_bytes(self.body[at + 28:at + 30], "little")
        return at + 30 + n, at + 30 + n + self.infos[name].file_size

    def take(self, headers=()):
        """(response, access line). A reset may overtake the head: then status is None."""
        try:
            resp = fetch(self.proxy, "GET", self.path, headers)
        except ConnectionResetError:
            resp = CUT
        lines = eventually(lambda: [x for x in self.proxy.access() if x.get("path") == self.path][self.n_lines:],
                           5, "the access line")
        self.n_lines += 1
        assert len(lines) == 1
        return resp, lines[0]

    def is_whole(self, headers=()):
        resp, line = self.take(headers)
        assert resp.status == 200 and resp.clean and resp.body == self.body, (resp, line)
        assert line["end"] == "ok", line
        return line

    def is_refused(self, name, *words, ends, status=502):
        """A real error before any 200: the reason and the entry's name are in it."""
        resp, line = self.take()
        assert resp.status == status and resp.clean, (resp, line)
        message = error_of(resp)[1]
        for word in (name, *words):
            assert word in message, message
        assert line["end"] in ends and line["status"] == status and name in line["detail"], line
        return line

    def is_cut(self, name, *words, ends, headers=(), is_prefix=True):
        """A 200 that ends too early: what came is right as far as it goes."""
        resp, line = self.take(headers)
        assert resp.status in (200, 206, None) and not resp.clean, (resp, line)
        assert not is_prefix or self.body.startswith(resp.body), "wrong bytes before the cut"
        assert line["end"] in ends, line
        for word in (name, *words):
            assert word in line["detail"], line
        return line


def entries_of(big=3 * MIB, seed=1):
    return [("first", random_bytes(1000, seed)), ("big file", random_bytes(big, seed + 1)), ("none", b""),
            ("middle", random_bytes(70_000, seed + 2)), ("last", random_bytes(700, seed + 3))]


@pytest.fixture(scope="module")
def good(world, proxy):
    return Good(world, proxy, "/zip/faults/good", entries_of())


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


# Objects that are not what the registry says

SIZES = {
    "short": (-1, {}), "much shorter": (-600, {}), "long": (1, {}), "much longer": (500_000, {}),
    "short, chunked": (-1, {"chunked": True}), "long, chunked": (1, {"chunked": True}),
    "much longer, chunked": (500_000, {"chunked": True}),
}


@pytest.mark.parametrize("case", SIZES)
@pytest.mark.parametrize("is_range", [False, True], ids=["whole", "range"])
def test_wrong_size(script, good, case, is_range):
    by, how = SIZES[case]
    headers = [("Range", f"bytes=20-{len(good.body) - 30}")] if is_range else []
    for name in ("first", "middle", "big file", "last"):
        own = script.origin.find(good.target[name]).data
        other = Blob(own[:by] if by < 0 else own + bytes(by))
        script.acts.clear()
        script.on(good.target[name], send(other, **how))
        resp, line = good.take(headers)
        assert not resp.clean or resp.status == 502, (name, resp, line)
        if resp.status != 502:
            assert good.body[20 if is_range else 0:].startswith(resp.body)
        if name == "first" and "chunked" not in case:
            assert resp.status == 502 and "first" in error_of(resp)[1], resp
        assert line["end"] == "part_damaged" and name in line["detail"], line


def test_announced_but_not_sent(script, good):
    """A Content-Length that is right, and fewer bytes, for ever: no progress at the end."""
    def lie(request, wire, blob):
        return answer(request, wire, Blob(blob.data[:-1], blob.etag), announced=blob.size, stop=blob.size)
    script.on(good.target["last"], lie)
    resp, line = good.take()
    assert resp.status in (200, None) and not resp.clean and line["end"] != "ok" and "last" in line["detail"], line


def damaged(data, at):
    out = bytearray(data)
    out[at] ^= 1
    return bytes(out)


@pytest.mark.parametrize("size", [1, 700, 131_072, 3 * MIB])
@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_wrong_crc(world, proxy, origin, where, size):
    """Each place in the archive, each place of the wrong byte, and each range through which the whole entry passes."""
    names = ["first", "middle", "last"]
    entries = [(n, random_bytes(size if n == where else 300, seed=i)) for i, n in enumerate(names)]
    good = Good(world, proxy, f"/zip/faults/crc-{where}-{size}", entries)
    first, end = good.data_of(where)
    total = len(good.body)
    whole = [None, (first, end - 1), (first - 1, end), (first, end), (first - 1, end - 1), (0, end - 1), (first, total - 1),
             "several"]
    target = good.target[where]
    right = origin.find(target).data
    for at in sorted({0, size // 2, size - 1}):
        origin.put(target, damaged(right, at), '"damaged"')
        for span in whole if at == size - 1 else [None, (first, end - 1)]:
            field = f"bytes=0-3,{first}-{end - 1}" if span == "several" else span and f"bytes={span[0]}-{span[1]}"
            resp, line = good.take([("Range", field)] if field else [])
            assert not (resp.clean and resp.status in (200, 206)), f"{field}: a damaged entry was called whole: {line}"
            assert line["end"] == "part_damaged" and where in line["detail"] and "CRC" in line["detail"], line
    if size > 1:  # a piece of it cannot be judged
        resp, line = good.take([("Range", f"bytes={first + 1}-{end - 1}")])
        assert resp.status == 206 and resp.clean and resp.body == damaged(right, size - 1)[1:], line


def test_wrong_crc_after_a_cut(script, good):
    """Two halves, each well sent, of two objects with one ETag."""
    target = good.target["big file"]
    other = Blob(random_bytes(3 * MIB, seed=99), script.origin.find(target).etag)
    script.on(target, send(stop=MIB), send(other))
    good.is_cut("big file", "CRC", ends=("part_damaged",), is_prefix=False)


REPLACED = {
    "412": lambda other: [send(stop=MIB), say(412)],
    "If-Match ignored": lambda other: [send(stop=MIB), send(other)],
    "Range and If-Match ignored": lambda other: [send(stop=MIB), send(other, plain=True)],
    "another size": lambda other: [send(stop=MIB), send(Blob(other.data[:-7], other.etag))],
    "the ETag is gone": lambda other: [send(stop=MIB), send(other, etag=b"")],
    "no ETag before": lambda other: [send(stop=MIB, etag=b""), send(other)],
    "no ETag at all": lambda other: [send(stop=MIB, etag=b""), send(other, etag=b"")],
    "weak ETags": lambda other: [send(stop=MIB, etag=b'ETag: W/"x"\r\n'), send(other, etag=b'ETag: W/"x"\r\n')],
}


@pytest.mark.parametrize("crc", ["known", "unknown"])
@pytest.mark.parametrize("case", REPLACED)
def test_replaced_between_two_tries(world, proxy, script, case, crc):
    """Not one archive that is half of each."""
    entries = entries_of(seed=50)
    good = Good(world, proxy, f"/zip/faults/replaced-{crc}", entries, **({"big file": True} if crc == "unknown" else {}))
    other = Blob(random_bytes(3 * MIB, seed=98), '"other"')
    script.on(good.target["big file"], *REPLACED[case](other))
    good.is_cut("big file", ends=("upstream_replaced", "part_damaged", "part_refused", "upstream_closed"),
                is_prefix=False)


@pytest.mark.parametrize("etag", [b"", b'ETag: W/"weak"\r\n'], ids=["none", "weak"])
@pytest.mark.parametrize("crc", ["known", "unknown"])
def test_cut_without_a_strong_etag(world, proxy, script, etag, crc):
    """Where the CRC tells, it is continued; where nothing tells, it is cut."""
    good = Good(world, proxy, f"/zip/faults/no-etag-{crc}", entries_of(seed=60),
                **({"big file": True} if crc == "unknown" else {}))
    script.on(good.target["big file"], send(stop=MIB, etag=etag), send(etag=etag))
    if crc == "known":
        good.is_whole()
        script.on(good.target["big file"], send(stop=MIB, etag=etag), send(etag=etag))
        first, end = good.data_of("big file")
        resp, _ = good.take([("Range", f"bytes={first + 1}-{end - 1}")])
        assert not resp.clean, "of a piece the CRC tells nothing"
    else:
        good.is_cut("big file", ends=("upstream_closed", "part_refused"))


def test_cut_with_an_unknown_crc(world, proxy, script):
    good = Good(world, proxy, "/zip/faults/unknown", entries_of(seed=70), **{"big file": True})
    script.on(good.target["big file"], *[send(stop=200_000)] * 5, well)
    good.is_whole()


# Everything at random

class Chaos:
    """One client's archive; all of its parts fail in ways that are drawn anew for each request."""

    def __init__(self, world, proxy, script, seed):
        self.rng, self.script = random.Random(seed), script
        sizes = [self.rng.choice((1, 700, 60_000, 66_000, 140_000, 800_000)) for _ in range(5)]
        self.good = Good(world, proxy, f"/zip/faults/chaos-{seed}", [(f"{i}", random_bytes(n, seed=seed * 10 + i))
                                                                    for i, n in enumerate(sizes)])
        self.seen = {}

    def harmless(self, size):
        rng = self.rng
        cut = send(stop=rng.randrange(size), how=rng.choice(("fin", "rst")), chunked=rng.random() < 0.3)
        slow = send(pace=(size // 8 + 1, 0.004), chunked=rng.random() < 0.5)
        return rng.choice([[], [cut], [cut, cut], [slow], [cut, slow], [send(stop=0), cut], [send(chunked=True)]])

    def harmful(self, own, is_whole):
        """Acts behind which no archive may be called whole."""
        rng, data = self.rng, own.data
        other = Blob(damaged(data, rng.randrange(len(data))), '"other"')
        acts = [[say(404)], [send(stop=rng.randrange(len(data))), say(403)], [send(Blob(data[:-1]))], [send(Blob(data + b"x"))],
                [send(stop=rng.randrange(1, len(data))), send(other)] if len(data) > 1 else [say(400)]]
        if is_whole:
            acts += [[send(other)], [send(other, chunked=True)], [send(Blob(data + b"x"), chunked=True)],
                     [send(Blob(data[:-1]), chunked=True)], [send(stop=len(data) // 2, etag=b""), send(other, etag=b"")]]
        return rng.choice(acts)

    def once(self):
        rng, good = self.rng, self.good
        total = len(good.body)
        is_whole = rng.random() < 0.5
        first = 0 if is_whole else rng.randrange(total)
        last = total - 1 if is_whole else rng.randrange(first, total)
        victim = rng.choice(list(good.target)) if rng.random() < 0.5 else None
        hit = False
        for name, target in good.target.items():
            own = self.script.origin.find(target)
            start, end = good.data_of(name)
            acts = self.harmful(own, is_whole) if name == victim else [*self.harmless(own.size), well]
            self.script.on(target, *acts)
            hit |= name == victim and max(first, start) < min(last + 1, end)
        resp, line = good.take([] if is_whole else [("Range", f"bytes={first}-{last}")])
        kind = "whole" if resp.clean and resp.status != 502 else "refused" if resp.status == 502 else "cut"
        self.seen[kind] = self.seen.get(kind, 0) + 1
        if kind == "whole":
            assert resp.body == good.body[first:last + 1], f"damaged and called whole: {line}"
            # Where a range ends inside a part that S3 has not ended yet, we have all, and go before penstock is done.
            is_inside = any(start <= last < end for start, end in map(good.data_of, good.target))
            assert line["end"] == "ok" or (line["end"] == "client_gone" and is_inside), line
        else:
            assert line["end"] != "ok" and victim is not None and hit, f"{kind} for nothing: {line}"
        return hit, kind, line


@pytest.mark.limit(60)
def test_anything_at_any_time(world, proxy, script, table):
    """Random faults under random ranges, eight clients at once. What is whole is right; what has no fault is whole."""
    actors = [Chaos(world, proxy, script, seed) for seed in range(8)]
    in_parallel(*[lambda actor=actor: [actor.once() for _ in range(8)] for actor in actors])
    for actor in actors:
        assert sum(actor.seen.values()) == 8 and actor.seen.get("whole", 0) > 1, actor.seen
    table.setdefault(("Archives under random faults", "seed", "outcomes"), []).extend(
        (seed, str(actor.seen)) for seed, actor in enumerate(actors))


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


# Clients that go

@pytest.fixture
def wide(world):
    """A listing of 80 MiB: more than all buffers on the way."""
    listing = Listing(world, "/zip/faults/wide")
    for i in range(4):
        listing.add(f"part {i}", Generated(20 * MIB, seed=i))
    listing.publish()
    return listing


def forget_others(world):
    """Connections that another penstock keeps for later."""
    world.origin.drop_all()
    world.registry.drop_all()


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_client_gone(world, start, wide, how):
    """At once, behind the first bytes, and far into the archive."""
    proxy = start(UPSTREAM_IDLE_MS="200")
    forget_others(world)
    fetch(proxy, "GET", "/")
    base = proxy.n_fds()
    for n, n_read in enumerate((0, 1, 100_000, 10 * MIB)):
        conn = Conn(proxy)
        conn.send(request_bytes("GET", wide.path))
        while n_read > 0:
            n_read -= len(conn.wire.some(65536))
        (wires.reset if how == "rst" else wires.hard_close)(conn.sock)
        eventually(lambda: not world.origin.open and not world.registry.open, 6, "upstream connections end")
        eventually(lambda: proxy.n_fds() <= base, 5, f"descriptors: {proxy.sockets()}")
        assert sum(r.sent for r in world.origin.requests) < 60 * MIB
        world.origin.requests.clear()
        eventually(lambda n=n: len([x for x in proxy.access() if x["end"] == "client_gone"]) == n + 1, 5, "access line")


@pytest.mark.parametrize("stage", ["registry", "first part", "pause"])
def test_client_gone_while_nothing_comes(world, start, script, stage):
    """While the registry thinks, while S3 does, and between two tries."""
    proxy = start(UPSTREAM_IDLE_MS="200")
    forget_others(world)
    good = Good(world, proxy, "/zip/faults/gone", entries_of(big=5000, seed=80))
    reached = threading.Event()

    def thinks(request, wire, blob=None):
        reached.set()
        mute(request, wire)

    def busy(request, wire, blob):
        reached.set()
        return say(503)(request, wire, blob)
    def mute_registry(request, wire):
        with contextlib.suppress(Cut):
            thinks(request, wire)
        raise EOFError
    if stage == "registry":
        world.registry.respond = mute_registry
    script.on(good.target["first"], thinks if stage == "first part" else busy)
    with Conn(proxy) as conn:
        conn.send(request_bytes("GET", good.path))
        assert reached.wait(5)
        time.sleep(0.1)
    eventually(lambda: not world.origin.open and not world.registry.open, 3, "upstream connections end")
    n = len(world.origin.requests)
    time.sleep(0.7 if stage == "pause" else 0)
    assert len(world.origin.requests) == n, "the next try was for nobody"


def test_a_slow_client_is_no_stall(world, start, wide):
    """Parts that wait for their turn, and one that is read slowly, for longer than S3 may say nothing."""
    proxy = start(BODY_TIMEOUT_MS="400")
    into, step = 0, 5 * MIB
    with Conn(proxy, rcvbuf=65536) as conn:
        conn.send(request_bytes("GET", wide.path))
        resp = wires.Response(conn.wire.head())
        total = int(resp.headers.get("content-length"))
        while into < total:
            into += len(conn.wire.exactly(min(step, total - into)))
            time.sleep(0.1)
    assert into == total > 80 * MIB


@pytest.mark.limit(150)
def test_ten_thousand_aborted_archives(world, start, script, table):
    """At every stage: nothing is left behind, no descriptor, no memory. One worker, because each keeps the blocks
    that it has used, up to a bound."""
    proxy = start(UPSTREAM_IDLE_MS="200", LOG_LEVEL="error", WORKERS="1")
    forget_others(world)
    good = Good(world, proxy, "/zip/faults/aborted", [(str(i), random_bytes(n, seed=i)) for i, n in
                                                     enumerate((1000, 0, 100_000))])
    large = Listing(world, "/zip/faults/aborted-large")
    for i in range(2):
        large.add(str(i), Generated(400 * KIB, seed=i))
    large.publish()
    cut = Listing(world, "/zip/faults/aborted-cut").add("a", b"a" * 1000).add("b", b"b" * 1000)
    world.registry.put_archive(cut.path, *cut.lines, cut_at=50)
    refused = Listing(world, "/zip/faults/aborted-404").add("a", b"a" * 10).add("b", b"b" * 10, is_there=False)
    refused.publish()
    get = "GET {} HTTP/1.1\r\nHost: p\r\n{}\r\n"
    kinds = [  # weight, request, bytes that are read before the client goes
        (25, get.format(good.path, ""), 0), (15, get.format(good.path, ""), 1),
        (10, get.format(good.path, "Range: bytes=100-100000,5-9\r\n"), 1),
        (10, get.format(large.path, ""), 1), (10, get.format(large.path, ""), 100_000), (10, get.format(cut.path, ""), 1),
        (10, get.format(refused.path, ""), 1), (5, f"POST {good.path} HTTP/1.1\r\nContent-Length: 100\r\n\r\ntoken=", 0),
        (5, f"POST {good.path} HTTP/1.1\r\nHost: p\r\nContent-Length: 100000\r\n\r\ntoken=", 0)]
    weights = [k[0] for k in kinds]

    def abort(rng):
        _, text, n = rng.choices(kinds, weights)[0]
        conn = Conn(proxy, timeout=5)
        try:
            conn.send(text.encode())
            while n > 0 and (data := conn.sock.recv(min(n, 65536))):
                n -= len(data)
        except OSError:
            pass
        if rng.random() < 0.2:
            time.sleep(rng.random() * 0.02)
        (wires.reset if rng.random() < 0.5 else wires.hard_close)(conn.sock)

    def settle():
        assert fetch(proxy, "GET", good.path).body == good.body
        eventually(lambda: not world.origin.open and not world.registry.open, 20, "idle upstream")
        eventually(lambda: proxy.n_fds() <= base, 20, f"descriptors given back: {proxy.sockets()}")
        world.origin.requests.clear()
        world.registry.requests.clear()

    def many(n, seed):
        in_parallel(*[lambda i=i: [abort(rng) for rng in [random.Random(seed + i)] for _ in range(n // 4)]
                      for i in range(4)])
        settle()
    fetch(proxy, "GET", "/")
    base = proxy.n_fds() + 2
    many(1500, 1)
    warm, began = proxy.rss_kib(), time.monotonic()
    many(10_000, 100)
    grown = proxy.rss_kib() - warm
    table.setdefault(("Aborted archives", "requests", "seconds", "RSS before", "grown", "descriptors"), []).append(
        (10_000, f"{time.monotonic() - began:.1f}", f"{warm} KiB", f"{grown} KiB", proxy.n_fds()))
    assert grown < 2048 or is_sanitized(), f"{grown} KiB more after 10,000 aborted archives"


def test_sigterm_in_the_middle(world, start, wide):
    """What is on its way is brought to its end, and then the process ends well."""
    proxy = start()
    want = fetch(proxy, "GET", wide.path).body
    with Conn(proxy) as conn:
        conn.send(request_bytes("GET", wide.path))
        resp = wires.Response(conn.wire.head())
        total = int(resp.headers.get("content-length"))
        got = conn.wire.exactly(100_000)
        proxy.term()
        eventually(lambda: not listens(proxy), 3, "no new connections")
        time.sleep(0.3)
        assert proxy.process.poll() is None
        got += conn.wire.exactly(total - len(got))
    assert got == want
    assert proxy.process.wait(5) == 0
    assert [x["end"] for x in proxy.access() if x["path"] == wide.path] == ["ok", "ok"]


def test_sigterm_between_two_tries(world, start, script):
    proxy = start()
    good = Good(world, proxy, "/zip/faults/term", entries_of(big=5000, seed=90))
    script.on(good.target["first"], say(503), well)
    with Conn(proxy) as conn:
        conn.send(request_bytes("GET", good.path))
        eventually(lambda: script.n(good.target["first"]) == 1)
        proxy.term()
        resp = conn.response()
    assert resp.clean and resp.body == good.body and resp.headers.get("connection") == "close"
    assert proxy.process.wait(5) == 0


def listens(proxy):
    try:
        http.client.HTTPConnection(proxy.ip, proxy.port, timeout=1).connect()
        return True
    except OSError:
        return False

"""Archives of objects that are not what the registry says: of another size, with another CRC, replaced between two tries.
They are refused or visibly cut, and never called whole."""

import pytest

from helpers import error_of
from lab.generated import Blob
from lab.origin import random_bytes
from zip_faults import MIB, Good, answer, damaged, entries_of, say, send, well

pytestmark = pytest.mark.usefixtures("no_hang")


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

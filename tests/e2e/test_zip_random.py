"""Archives under random faults: all parts of many archives at once fail in any way."""

import random

import pytest

from lab.generated import Blob
from lab.origin import random_bytes
from zip_faults import Good, damaged, say, send, well
from zips import in_parallel

pytestmark = pytest.mark.usefixtures("no_hang")


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

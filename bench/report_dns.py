"""Turns the raw results of the DNS bench into the tables that the documentation quotes."""

from report import median, spread

TITLES = {"echo-one": "bare UDP echo, one by one", "echo-batch": "bare UDP echo, in batches", "dnsdist": "dnsdist, in batches",
          "dnsdist-one": "dnsdist, as it comes", "unbound": "unbound", "dnsmasq": "dnsmasq", "penstock": "penstock dns"}
PEERS = ("dnsdist", "dnsdist-one", "unbound", "dnsmasq")
PLAIN_PEERS = PEERS[1:]  # without what one has to know to ask for
# What penstock dns is meant to reach.
AIM_PEER, AIM_ECHO, AIM_LOOKUP_NS = 0.8, 1.2, 300


def cost_us(r):
    return None if "error" in r else r["cpu_ns"] / r["answers"] / 1000


def costs(rows):
    return [c for c in map(cost_us, rows or []) if c is not None]


def pairs(rows, reference):
    """The contender's cost over the reference's, of the same round."""
    both = [(cost_us(a), cost_us(b)) for a, b in zip(rows or [], reference or [])]
    return [a / b for a, b in both if a is not None and b]


def best_peer(results, peers=PEERS):
    found = [(median(costs(results[n])), n) for n in peers if costs(results.get(n))]
    return min(found)[1] if found else None


def rate(rows):
    return median([r["answers"] / r["seconds"] for r in rows if "error" not in r and r["seconds"]])


def number(value, form):
    return "failed" if value is None else format(value, form)


def cost_table(results, references, per, many):
    head = ["server", f"CPU, us/{per}, median (lowest–highest)", *(f"to *{TITLES[r]}*" for r in references),
            f"{many}/s reached"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name in [n for n in TITLES if n in results]:
        rows = results[name]
        cells = [TITLES[name], spread(costs(rows)) if costs(rows) else "failed",
                 *(spread(pairs(rows, results.get(r))) for r in references), number(rate(rows), ".0f")]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def aim(results, reference, limit, what):
    ratio = median(pairs(results.get("penstock"), results.get(reference)))
    if ratio is None:
        return []
    return [f"- penstock dns to {what}: {ratio:.2f}; aim: at most {limit:.2f}: {'met' if ratio <= limit else 'missed'}"]


def cached_tables(results, who):
    best = best_peer(results)
    references = [r for r in (best, "echo-batch") if r in results]
    lines = [f"Cached answers, {who}; ratios are between results of the same round:", "",
             *cost_table(results, references, "answer", "answers"), ""]
    if best:
        lines += aim(results, best, AIM_PEER, f"the best peer ({TITLES[best]})")
        plain = best_peer(results, PLAIN_PEERS)
        if plain and plain != best:
            lines += aim(results, plain, AIM_PEER, f"the best peer with its own defaults ({TITLES[plain]})")
        lines += aim(results, "echo-batch", AIM_ECHO, "the batched echo")
        floor = median(pairs(results.get("echo-batch"), results.get(best)))
        if floor is not None:
            lines += [f"- the batched echo itself to the best peer: {floor:.2f}"]
    return lines


def misses_table(results):
    peers = [n for n in PEERS if n in results]
    return ["Names that are not in the cache, through one name server:", "", *cost_table(results, peers, "miss", "misses")]


def memory_table(memory):
    lines = ["Private memory with many names in the cache, above the same server at rest with hardly any cache:", "",
             "| server | at rest | per cached name | names held |", "| --- | --- | --- | --- |"]
    for name in [n for n in TITLES if n in memory]:
        r = memory[name]
        if "error" in r:
            lines.append(f"| {TITLES[name]} | failed: {r['error'].splitlines()[0][:120]} | | |")
            continue
        lines.append(f"| {TITLES[name]} | {r['before'] / 1048576:.1f} MiB | "
                     f"{(r['after'] - r['before']) / max(r['held'], 1):.0f} bytes | {r['held']} |")
    return lines


def loss_table(loss):
    lines = ["Latency of names that are not in the cache, 1000 a second, while the name server loses one query in a "
             "hundred; what was not answered within 5 s has waited for ever:", "",
             "| server | p50 us | p99 us | p99.9 us | not answered | packets to the name server per name |",
             "| --- | --- | --- | --- | --- | --- |"]
    for name in [n for n in TITLES if n in loss]:
        r = loss[name]
        if "error" in r:
            lines.append(f"| {TITLES[name]} | failed: {r['error'].splitlines()[0][:120]} | | | | |")
            continue
        cells = ["not answered" if r[k] is None else f"{r[k]:.0f}" for k in ("p50_us", "p99_us", "p999_us")]
        n = r["answers"] + r["lost"]
        lines.append(f"| {TITLES[name]} | " + " | ".join(cells) +
                     f" | {r['failed'] / n * 100:.2f} % | {r['asked'] / n:.3f} |")
    return lines


def lookup_table(r):
    if "error" in r:
        return [f"Cache look-up: failed: {r['error'][:200]}"]
    lines = ["The cache alone (key built, looked up, answer in hand), ns a look-up, median (lowest–highest) of "
             f"{r['rounds']} rounds:", "", "| | ns |", "| --- | --- |"]
    for row in r["rows"]:
        lines.append(f"| {row['what']} | {row['median_ns']:.0f} ({row['min_ns']:.0f}–{row['max_ns']:.0f}) |")
    worst = max(row["median_ns"] for row in r["rows"])
    return [*lines, "", f"- the slowest of them: {worst:.0f} ns; aim: at most {AIM_LOOKUP_NS} ns: "
            f"{'met' if worst <= AIM_LOOKUP_NS else 'missed'}"]


def markdown(result):
    m = result["machine"]
    versions = "; ".join(m["versions"].values())
    lines = [f"{m['cpu']}, {m['cores']} cores, Linux {m['kernel']}; {versions}; {result['rounds']} rounds; {m['time']}; "
             f"load average before it began {m['load_before']:.1f}.", ""]
    if m["load_before"] > 0.5:
        lines += ["The machine was busy with other things: the absolute figures and the tails are worth little.", ""]
    for name, why in result.get("missing", {}).items():
        lines += [f"Without {TITLES[name]}: {why.splitlines()[0][:200]}", ""]
    for part, table in (("cached", lambda r: cached_tables(r, "20 clients with 200 questions in flight")),
                        ("cached-one", lambda r: cached_tables(r, "one client with 100 questions in flight")),
                        ("misses", misses_table), ("memory", memory_table),
                        ("loss", loss_table), ("lookup", lookup_table)):
        if result.get(part):
            lines += [*table(result[part]), ""]
    return "\n".join(lines)

"""Turns the raw results of the archives' bench into the tables that the documentation quotes."""

from report import median, spread

AIM_FASTER, AIM_CPU = 8, 1.15
MI = 1 << 20
TITLES = {"plain-64m": "GET of 64 MiB", "zip-1x64m": "archive of 1 x 64 MiB",
          "plain-1m": "GETs of 1 MiB", "zip-64x1m": "archive of 64 x 1 MiB",
          "plain-64k": "GETs of 64 KiB", "zip-1024x64k": "archive of 1,024 x 64 KiB"}
SLOW = {"1000x64k": "1,000 x 64 KiB", "64x1m": "64 x 1 MiB"}
# An archive, what it is compared with, and whether the aim is about this pair.
PAIRS = [("zip-1x64m", "plain-64m"), ("zip-64x1m", "plain-1m"), ("zip-1024x64k", "plain-64k"),
         ("zip-64x1m", "plain-64m"), ("zip-1024x64k", "plain-64m")]
N_SAME_OBJECTS = 3  # of the pairs, the first ones


def s_per_gb(r):
    return None if "error" in r else r["cpu_ns"] / r["body_bytes"]


def us_per_request(r):
    return None if "error" in r else r["cpu_ns"] / r["requests"] / 1000


def values(rows, cost):
    return [c for c in map(cost, rows or []) if c is not None]


def ratios(rows, reference, cost):
    """Within the same round."""
    both = [(cost(a), cost(b)) for a, b in zip(rows or [], reference or [])]
    return [a / b for a, b in both if a is not None and b]


def verdict(is_met):
    return "met" if is_met else "**missed**"


def cpu_table(cpu):
    lines = ["CPU of the proxy, median over rounds (lowest–highest):", "",
             "| | s/GB | MB/s reached |", "| --- | --- | --- |"]
    for key in [k for k in TITLES if k in cpu]:
        good = [r for r in cpu[key] if "error" not in r]
        speed = median([r["body_bytes"] / r["seconds"] / 1e6 for r in good])
        cost = values(good, s_per_gb)
        if not good:
            lines.append(f"| {TITLES[key]} | failed | |")
            continue
        lines.append(f"| {TITLES[key]} | {median(cost):.3f} ({min(cost):.3f}–{max(cost):.3f}) | {speed:.0f} |")
    lines += ["", "Ratios within the same round:", "", "| archive | to | ratio | aim |", "| --- | --- | --- | --- |"]
    for i, (ours, theirs) in enumerate(PAIRS):
        found = ratios(cpu.get(ours), cpu.get(theirs), s_per_gb)
        if found:
            aim = f"at most {AIM_CPU}: {verdict(median(found) <= AIM_CPU)}" if i < N_SAME_OBJECTS else ""
            lines.append(f"| {TITLES[ours]} | {TITLES[theirs]} | {spread(found)} | {aim} |")
    return lines


def tiny_lines(cpu):
    tiny, plain = cpu.get("zip-10x1k"), cpu.get("plain-1k")
    cost = values(tiny, us_per_request)
    if not cost:
        return []
    rate = median([r["requests"] / r["seconds"] for r in tiny if "error" not in r])
    ratio = [r / 11 for r in ratios(tiny, plain, us_per_request)]
    line = f"An archive of 10 x 1 KiB costs {spread(cost)} us of CPU; {rate:.0f}/s were made"
    if ratio:
        line += f"; that is {spread(ratio)} of eleven GETs of 1 KiB, which it is upstream (ten objects and the list)"
    return [line + ".", ""]


def delayed_lines(result):
    d, n = result["delayed"], result["n_parts"]
    rows = [("archive, read ahead, no connections to S3 yet", [r["seconds"] for r in d["ahead"]]),
            ("archive, read ahead, connections there", [r["seconds"] for rs in d["warm"] for r in rs]),
            ("archive, one file at a time (`PENSTOCK_ARCHIVE_AHEAD=0`)", [r["seconds"] for r in d["one"]]),
            ("a client that asks for the objects one by one", [r["seconds"] for r in d["client"]])]
    lines = [f"{n} files of 64 KiB, {result['delay_ms']} ms before each answer of S3:", "",
             "| | seconds | times faster, with no connections yet |", "| --- | --- | --- |"]
    for i, (title, seconds) in enumerate(rows):
        faster = [s / a for s, a in zip(seconds, rows[0][1])] if i >= 2 else []
        aim = f"; aim: at least {AIM_FASTER}: {verdict(min(faster) >= AIM_FASTER)}" if i == 2 else ""
        lines.append(f"| {title} | {spread(seconds)} | {spread(faster) if faster else ''}{aim} |")
    return lines


def memory_lines(result):
    one, total = result["ahead_mi"], result["ahead_total_mi"]
    lines = [f"Private memory of a fresh penstock while clients read archives at 40 KiB/s (read ahead: at "
             f"most {one} MiB an archive, {total} MiB in all):", "",
             "| archive | clients | before | the most | gained | read-ahead budget |",
             "| --- | --- | --- | --- | --- | --- |"]
    for r in result["memory"]:
        if "error" in r:
            lines.append(f"| failed: {r['error']} | | | | | |")
            continue
        lines.append(f"| {SLOW[r['shape']]} | {r['held']} | {r['before'] / MI:.1f} MiB | {r['most'] / MI:.1f} MiB | "
                     f"{(r['most'] - r['before']) / MI:.1f} MiB | {min(total, one * r['held'])} MiB |")
    return lines


def markdown(result):
    m = result["machine"]
    lines = [f"{m['cpu']}, {m['cores']} cores, Linux {m['kernel']}; {'; '.join(m['versions'].values())}; "
             f"{result['rounds']} rounds of {result['ms']} ms; {m['time']}; "
             f"load average before it began {m['load_before']:.1f}.", ""]
    if m["load_before"] > 0.5:
        lines += ["The machine was busy with other things: the absolute figures are worth little.", ""]
    if "cpu" in result:
        lines += [*cpu_table(result["cpu"]), "", *tiny_lines(result["cpu"])]
    if "delayed" in result:
        lines += [*delayed_lines(result), ""]
    if "memory" in result:
        lines += [*memory_lines(result), ""]
    lines.append(f"It took {result['took_s']} s.")
    return "\n".join(lines)

"""The load picture as charts (docs/load/*.svg) and as the tables that stand between marks in docs/SIZING.md and
docs/BENCHMARKS.md. All of it comes from docs/load/results.json, so that a new run brings new documents."""

import math
import pathlib
import re

from chart import chart
from report import median

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
PATHS = ("SIZING.md", "BENCHMARKS.md")
KEPT = ("requests", "seconds", "body_bytes", "cpu_ns", "client_ns", "origin_ns", "p50_us", "p99_us", "busy", "error")
BYTES = {"1k": 1 << 10, "4k": 4 << 10, "16k": 16 << 10, "64k": 64 << 10, "256k": 256 << 10, "1m": 1 << 20,
         "4m": 4 << 20, "16m": 16 << 20, "64m": 64 << 20}
WORDS = {"1k": "1 KiB", "4k": "4 KiB", "16k": "16 KiB", "64k": "64 KiB", "256k": "256 KiB", "1m": "1 MiB",
         "4m": "4 MiB", "16m": "16 MiB", "64m": "64 MiB"}
SHARE = 0.6  # of its CPU that a task should use: the rest is for bursts, and for the tasks that are missing
GB = 1e9


def shortened(result):
    """What the documents need, without the digits that nobody does."""
    def row(r):
        return {k: round(r[k], 3) if isinstance(r[k], float) else r[k] for k in KEPT if k in r}
    for part in ("connections", "workers", "sizes"):
        if part in result:
            result[part] = {key: {name: [row(r) for r in rows] for name, rows in by.items()}
                            for key, by in result[part].items()}
    return result


# ---- figures from rounds ----

def rows_of(part, key, name):
    return [r for r in part.get(key, {}).get(name, []) if "error" not in r and r["requests"]]


def figure(part, key, name, formula):
    return median([formula(r) for r in rows_of(part, key, name)])


def rate(r):
    return r["requests"] / r["seconds"]


def busy_share(r, *whose):
    return min(1, sum(r[key] for key in whose) / 1e9 / r["seconds"])


def us(r):
    return r["cpu_ns"] / r["requests"] / 1000


def per_gb(r):
    return r["cpu_ns"] / r["body_bytes"]


def ratio(part, key):
    pairs = zip(part.get(key, {}).get("penstock-1", []), part.get(key, {}).get("nginx-tuned", []))
    return [us(a) / us(b) for a, b in pairs if not ("error" in a or "error" in b)]


def points(part, size, name, formula, suffix=""):
    found = []
    for key in part:
        match = re.fullmatch(rf"{size}-(\d+){suffix}", key)
        if match and rows_of(part, key, name):
            found.append((int(match.group(1)), figure(part, key, name, formula)))
    return sorted(found)


# ---- charts ----

def connection_charts(result):
    alone, both = result["connections"], result["workers"]
    def lines(size, formula):
        return [("penstock, one worker on a core of its own", 0, "solid", points(alone, size, "penstock-1", formula)),
                ("nginx tuned, the same way", 1, "solid", points(alone, size, "nginx-tuned", formula)),
                ("penstock, one worker; two cores for everybody", 2, "solid",
                 points(both, size, "penstock-1", formula)),
                ("penstock, two workers; two cores for everybody", 3, "solid",
                 points(both, size, "penstock-2", formula))]
    def capacity(size, worth):
        return [("penstock, one worker: for each second of its own CPU", 0, "dashed",
                 points(alone, size, "penstock-1", lambda r: worth(r) / (r["cpu_ns"] / 1e9))),
                ("penstock, two workers: for each second of their own CPU", 3, "dashed",
                 points(both, size, "penstock-2", lambda r: worth(r) / (r["cpu_ns"] / 1e9)))]
    x = "client connections, all of them asking"
    cost = lines("1k", us) + [("penstock, 64 of them asking at a time", 4, "dotted",
                               points(alone, "1k", "penstock-1", us, "-few"))]
    return {"connections-requests": chart("Requests of 1 KiB", x, "requests a second",
                                          lines("1k", rate) + capacity("1k", lambda r: r["requests"])),
            "connections-bytes": chart("Bytes, in objects of 64 KiB", x, "body bytes a second",
                                       lines("64k", lambda r: r["body_bytes"] / r["seconds"]) +
                                       capacity("64k", lambda r: r["body_bytes"])),
            "connections-cost": chart("CPU of the proxy for a request of 1 KiB", x, "microseconds a request", cost),
            "connections-latency": chart("Time to a whole answer of 1 KiB, 99th percentile", x, "microseconds",
                                         lines("1k", lambda r: r["p99_us"]))}


def size_charts(result):
    part = result["sizes"]
    def lines(formula):
        found = []
        names = (("penstock-1", "penstock"), ("nginx-tuned", "nginx tuned"),
                 ("penstock-tls", "penstock, TLS to the client too"))
        for i, (name, word) in enumerate(names):
            for method, way, kind in (("get", "down", "solid"), ("put", "up", "dashed")):
                found.append((f"{word}, {way}", i, kind,
                              [(BYTES[s], figure(part, f"{method}-{s}", name, formula)) for s in BYTES
                               if rows_of(part, f"{method}-{s}", name)]))
        return found
    marks = [(BYTES[s], WORDS[s]) for s in BYTES if f"get-{s}" in part]
    return {"sizes-cost": chart("CPU of the proxy for a request, by the object's size", "object", "microseconds a request",
                                lines(us), marks),
            "sizes-per-gb": chart("CPU of the proxy for 10⁹ body bytes, by the object's size", "object", "seconds of CPU",
                                  lines(per_gb), marks)}


def gained(row, what="memory"):
    return row["after"][what] - row["before"][what]


def memory_charts(result):
    m = result["memory"]
    base = min(r["before"]["memory"] for r in m["idle"] if "error" not in r)
    def held(rows):
        return [(r["n"], r["after"]["memory"] / 2**20) for r in rows if "error" not in r]
    return {"memory": chart(f"Private memory of penstock, one worker ({base / 2**20:.1f} MiB at rest)",
                            "client connections", "MiB",
                            [("connected, asking nothing", 0, "solid", held(m["idle"])),
                             ("all asking for 1 KiB", 2, "solid", held(m["active-1k"])),
                             ("all asking for 64 KiB", 3, "solid", held(m["active-64k"])),
                             ("slow readers of 64 MiB", 1, "solid", held(m["slow"]))])}


# ---- tables ----

def machine(result):
    m = result["machine"]
    busy = "" if m["load_before"] < 0.5 else \
        f" **The machine had other work** (load average {m['load_before']:.1f} before it began): ratios are worth more " \
        "than figures."
    return (f"{m['cpu']}, {m['cores']} cores of a virtual machine, Linux {m['kernel']}; "
            f"{'; '.join(v.removeprefix('nginx version: ') for v in m['versions'].values())}; {m['time'][:10]}.{busy}")


def cell(value, form):
    return "-" if value is None else format(value, form)


def connections_table(result):
    alone, both = result["connections"], result["workers"]
    counts = [n for n, _ in points(alone, "1k", "penstock-1", rate)]
    lines = ["| connections | 1 KiB: requests/s | us/request | to nginx tuned | per CPU second | 64 KiB: MB/s | s/GB "
             "| proxy's core busy | the others' core busy | two cores for all: one worker | two workers |",
             "|" + " ---: |" * 11]
    for n in counts:
        key, body = f"1k-{n}", f"64k-{n}"
        def of(formula, part=alone, key=key, name="penstock-1"):
            return figure(part, key, name, formula)
        asking = int(of(lambda r: r["busy"]))
        lines.append(
            f"| {n:,}{'' if asking == n else f' ({asking:,} asking)'} | {cell(of(rate), ',.0f')} | {cell(of(us), '.1f')} | {cell(median(ratio(alone, key)), '.2f')} "
            f"| {cell(of(lambda r: 1e6 / us(r)), ',.0f')} "
            f"| {cell(of(lambda r: r['body_bytes'] / r['seconds'] / 1e6, key=body), ',.0f')} "
            f"| {cell(of(per_gb, key=body), '.2f')} "
            f"| {cell(of(lambda r: busy_share(r, 'cpu_ns')), '.0%')} "
            f"| {cell(of(lambda r: busy_share(r, 'client_ns', 'origin_ns')), '.0%')} "
            f"| {cell(of(rate, both), ',.0f')}/s | {cell(of(rate, both, name='penstock-2'), ',.0f')}/s |")
    return lines


def errors(result):
    found = [f"{key}, {name}: {r['error']}" for part in ("connections", "workers", "sizes")
             for key, by in result[part].items() for name, rows in by.items() for r in rows if "error" in r]
    return ["Failed: " + "; ".join(found) + "."] if found else []


def sizes_table(result):
    part = result["sizes"]
    lines = ["| object | down, us/request | s/GB | to nginx tuned | TLS to the client: s/GB "
             "| up, us/request | s/GB | to nginx tuned | TLS to the client: s/GB |", "|" + " ---: |" * 9]
    for s in BYTES:
        if f"get-{s}" not in part:
            continue
        cells = []
        for method in ("get", "put"):
            key = f"{method}-{s}"
            cells += [cell(figure(part, key, "penstock-1", us), ",.0f" if BYTES[s] > 1 << 18 else ".1f"),
                      cell(figure(part, key, "penstock-1", per_gb), ".2f"), cell(median(ratio(part, key)), ".2f"),
                      cell(figure(part, key, "penstock-tls", per_gb), ".2f")]
        lines.append(f"| {WORDS[s]} | " + " | ".join(cells) + " |")
    return lines


def each(rows):
    """Bytes for one of many: few have the process's own growth to carry."""
    most = max((r for r in rows if "error" not in r), key=lambda r: r["n"])
    return gained(most) / most["n"]


def extra(sizes, names, formula):
    """What TLS towards the client adds: the most of these sizes."""
    return max(figure(sizes, f"{method}-{s}", "penstock-tls", formula) -
               figure(sizes, f"{method}-{s}", "penstock-1", formula) for s in names for method in ("get", "put"))


class Costs:
    """What sizing reckons with: seconds of CPU for a request, for 10^9 bytes; bytes of memory."""

    def __init__(self, result):
        sizes, m = result["sizes"], result["memory"]
        costs = points(result["connections"], "1k", "penstock-1", us)
        self.request = max(c for n, c in costs if n <= 64) / 1e6
        self.request_busy = min(c for _, c in costs) / 1e6
        large = [s for s in BYTES if BYTES[s] >= 1 << 20 and f"get-{s}" in sizes]
        self.gb = max(figure(sizes, f"{method}-{s}", "penstock-1", per_gb) for s in large for method in ("get", "put"))
        self.tls_request = extra(sizes, ("1k",), us) / 1e6
        self.tls_gb = extra(sizes, large, per_gb)
        self.rest = min(r["before"]["memory"] for r in m["idle"] if "error" not in r)
        self.idle, self.slow, self.small, self.large = (
            each(m[kind]) for kind in ("idle", "slow", "active-1k", "active-64k"))

    def cpu(self, requests, size):
        return requests * self.request + requests * size / GB * self.gb

    def carries(self, vcpu, size):
        return vcpu * SHARE / (self.request + size / GB * self.gb)


def round_down(value):
    digits = 10 ** max(0, math.floor(math.log10(max(value, 1))) - 1)
    return int(value // digits * digits)


def costs_block(result):
    c = Costs(result)
    return [machine(result), "",
            "| | measured | what it is |", "| --- | ---: | --- |",
            f"| `c_request` | {c.request * 1e6:.0f} us | CPU for a request where few come at a time, the "
            f"dearest case. A busy worker finds several at each wake-up, and takes {c.request_busy * 1e6:.0f} us |",
            f"| `c_GB` | {c.gb:.2f} s | CPU for 10⁹ body bytes, up or down, the dearest of 1 to 64 MiB |",
            f"| `t_request` | {c.tls_request * 1e6:.1f} us | more for a request where the client speaks TLS to penstock "
            "(`PENSTOCK_TLS_LISTEN`), on a connection that stands |",
            f"| `t_GB` | {c.tls_gb:.2f} s | more for 10⁹ bytes then |",
            f"| `m_rest` | {c.rest / 2**20:.1f} MiB | private memory of the process, one worker, nothing connected |",
            f"| `m_idle` | {c.idle / 2**10:.1f} KiB | for a client that is connected and asks nothing |",
            f"| `m_active` | {c.small / 2**10:.0f} to {c.large / 2**10:.0f} KiB | for a client whose request "
            "is in flight, its connection to S3 included: objects of 1 KiB, of 64 KiB |",
            f"| `m_slow` | {c.slow / 2**10:.0f} KiB | for a download that waits for its reader |", "",
            *sizes_table(result)]


def tasks_block(result):
    c = Costs(result)
    lines = ["| a task of | workers | requests/s of 1 KiB | of 64 KiB | of 1 MiB | that is | of 64 MiB |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for vcpu in (0.25, 0.5, 1, 2):
        rates = [c.carries(vcpu, BYTES[s]) for s in ("1k", "64k", "1m", "64m")]
        gbit = rates[2] * BYTES["1m"] * 8 / 1e9
        lines.append(f"| {vcpu:g} vCPU | {math.ceil(vcpu)} | {round_down(rates[0]):,} | {round_down(rates[1]):,} "
                     f"| {round_down(rates[2]):,} | {gbit:.1f} Gbit/s | {rates[3]:.1f} |")
    return lines


def example_block(result):
    c = Costs(result)
    requests, size, vcpu, connections = 1500, 200_000, 0.25, 4000
    cpu = c.cpu(requests, size)
    n = math.ceil(cpu / (vcpu * SHARE))
    memory = c.rest + connections / n * c.idle + 200 / n * c.large + 100 / n * c.slow + 2 * 16 * 2**20
    return [
        f"1,500 requests/s at the busiest minute, {size / 1000:.0f} kB each in the mean, tasks of {vcpu} vCPU:", "",
        f"    CPU    = 1500/s x {c.request * 1e6:.0f} us + 1500/s x {size / 1000:.0f} kB x {c.gb:.2f} s/GB",
        f"           = {requests * c.request:.3f} + {requests * size / GB * c.gb:.3f} = {cpu:.2f} CPU",
        f"    tasks  = {cpu:.2f} / ({vcpu} x {SHARE}) = {cpu / (vcpu * SHARE):.1f}, so {n}; one more, "
        f"{n + 1}, lets one be replaced or lost",
        f"    network = 1500/s x {size / 1000:.0f} kB = {requests * size * 8 / 1e9:.1f} Gbit/s from S3 and as much to "
        f"clients, {requests * size * 8 / 1e9 / n:.1f} of each for each of {n} tasks",
        f"    memory = {c.rest / 2**20:.1f} MiB + {connections // n:,} clients x {c.idle / 2**10:.1f} KiB + "
        f"{200 // n} in flight x {c.large / 2**10:.0f} KiB",
        f"             + {100 // n} slow readers x {c.slow / 2**10:.0f} KiB + 2 archives x 16 MiB = "
        f"{memory / 2**20:.0f} MiB a task",
        f"    descriptors = {connections // n:,} + {200 // n} + {100 // n} + 2 x 32 + some 50 = "
        f"{connections // n + 200 // n + 100 // n + 64 + 50:,}"]


def memory_block(result):
    m = result["memory"]
    lines = ["| clients | doing | gained | each | descriptors gained |", "| ---: | --- | ---: | ---: | ---: |"]
    for kind, words in (("idle", "connected, asking nothing"), ("active-1k", "all asking for 1 KiB"),
                        ("active-64k", "all asking for 64 KiB"), ("slow", "reading 64 MiB at 40 KiB/s")):
        for r in m[kind]:
            if "error" in r:
                lines.append(f"| | {words} | failed: {r['error']} | | |")
                continue
            lines.append(f"| {r['n']:,} | {words} | {gained(r) / 2**20:.1f} MiB | {gained(r) / r['n'] / 2**10:.1f} KiB | "
                         f"{gained(r, 'descriptors'):,} |")
    for r in m["archives"]:
        if "error" not in r:
            grown = r["most"] - r["before"]
            lines.append(f"| {r['held']} | archive of {r['shape'].replace('x', ' x ')}, read at 40 KiB/s | "
                         f"{grown / 2**20:.1f} MiB | {grown / r['held'] / 2**20:.1f} MiB | |")
    return lines


def dns_block(result):
    d = result["dns"]
    words = {"cold": "names never asked for", "warm": "the same again", "burst": "never asked for, as fast as can be",
             "lasting": f"in use all the time, TTL {d['ttl']} s"}
    kinds = {"known": "one worker", "two": "two workers", "denied": "one worker; the first nameserver denies them"}
    lines = ["| | names | requests | not 200 | packets to the first server | to Amazon's | a name | most in a second |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for kind, title in kinds.items():
        for key, row in d.get(kind, {}).items():
            first, amazon = (row["packets"] + ["-"])[:2]
            each = sum(row["packets"]) / row["names"]
            if key == "lasting":
                each = f"{each / (row['seconds'] / d['ttl']):.2f} in {d['ttl']} s"
            else:
                each = f"{each:.2f}"
            lines.append(f"| {title}: {words[key]} | {row['names']:,} | {row['requests']:,} | {row['bad']} | {first} | "
                         f"{amazon} | {each} | {max(row['most'])} |")
    return lines


def load_block(result):
    return [machine(result), "", *connections_table(result), "", *errors(result),
            *[f"![{name}](load/{name}.svg)" for name in charts(result)]]


BLOCKS = {"costs": costs_block, "tasks": tasks_block, "example": example_block, "memory": memory_block,
          "dns": dns_block, "load": load_block}


def charts(result):
    return {**connection_charts(result), **size_charts(result), **memory_charts(result)}


def filled(text, result):
    """The document with what stands between <!-- load: NAME --> and <!-- /load --> made anew."""
    def block(match):
        return f"{match.group(1)}\n" + "\n".join(BLOCKS[match.group(2)](result)) + "\n<!-- /load -->"
    return re.sub(r"(<!-- load: (\w+) -->)\n.*?<!-- /load -->", block, text, flags=re.S)


def documents(result):
    """Every file that is made, by its path under docs/."""
    made = {f"load/{name}.svg": text for name, text in charts(result).items()}
    for path in PATHS:
        made[path] = filled((DOCS / path).read_text(), result)
    return made


def write_docs(result):
    for path, text in documents(result).items():
        (DOCS / path).write_text(text)


def markdown(result):
    needed = {"load": ("connections", "workers"), "costs": ("connections", "sizes", "memory"),
              "memory": ("connections", "sizes", "memory"), "dns": ("dns",)}
    lines = []
    for name, parts in needed.items():
        if all(p in result for p in parts):
            text = connections_table(result) if name == "load" else BLOCKS[name](result)
            lines += [*text, ""]
    return "\n".join(lines)

"""Turns the bench's raw results into the tables that the documentation quotes."""

REFERENCE = "nginx-tuned"
TITLES = {"relay": "bare relay (the floor)", "nginx-replaced": "the replaced nginx config",
          "nginx-tuned": "nginx tuned, no log, no CORS", "nginx-equal": "nginx tuned, JSON log and CORS",
          "haproxy": "HAProxy", "penstock": "penstock",
          "nginx-tls": "nginx tuned, TLS on both sides", "penstock-tls": "penstock, TLS on both sides"}
GB = 1e9


def median(values):
    values = sorted(values)
    n = len(values)
    if not n:
        return None
    return values[n // 2] if n % 2 else (values[n // 2 - 1] + values[n // 2]) / 2


def cost(key, r):
    """Microseconds of CPU per request for small bodies, seconds per GB for large ones."""
    if r is None or "error" in r or not r["requests"]:
        return None
    if key.endswith("k"):
        return r["cpu_ns"] / r["requests"] / 1000
    return r["cpu_ns"] / 1e9 / (r["body_bytes"] / GB)


def unit(key):
    return "us/request" if key.endswith("k") else "s/GB"


def pairs(key, rows, reference):
    """The contender's cost over the reference's, of the same round."""
    found = []
    for ours, theirs in zip(rows, reference or []):
        a, b = cost(key, ours), cost(key, theirs)
        if a is not None and b:
            found.append(a / b)
    return found


def spread(values):
    return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f})" if values else "-"


def label(key):
    method, size = key.split("-")
    name = {"1k": "1 KiB", "64k": "64 KiB", "1m": "1 MiB", "64m": "64 MiB"}[size]
    return f"{name} {'down' if method == 'get' else 'up'}"


def names_in(table):
    present = {name for row in table.values() for name in row}
    return [name for name in TITLES if name in present]


def cpu_tables(cpu):
    names = names_in(cpu)
    head = "| | " + " | ".join(TITLES[n] for n in names) + " |\n|" + " --- |" * (len(names) + 1)
    lines = ["CPU of the proxy, median:", "", head]
    for key, row in cpu.items():
        cells = []
        for n in names:
            m = median([c for c in (cost(key, r) for r in row.get(n, [])) if c is not None])
            cells.append("failed" if m is None else f"{m:.1f}" if key.endswith("k") else f"{m:.3f}")
        lines.append(f"| {label(key)}, {unit(key)} | " + " | ".join(cells) + " |")
    for reference in (REFERENCE, "nginx-equal"):
        if reference not in names:
            continue
        lines += ["", f"As a ratio to *{TITLES[reference]}* of the same round, median (lowest–highest):", "", head]
        for key, row in cpu.items():
            cells = [spread(pairs(key, row.get(n, []), row.get(reference))) for n in names]
            lines.append(f"| {label(key)} | " + " | ".join(cells) + " |")
    lines += ["", "Throughput reached meanwhile, median (client and origin share one core, so this is no limit of "
              "the proxy):", "", head]
    for key, row in cpu.items():
        cells = []
        for n in names:
            good = [r for r in row.get(n, []) if "error" not in r]
            if not good:
                cells.append("failed")
            elif key.endswith("k"):
                cells.append(f"{median([r['requests'] / r['seconds'] for r in good]):.0f}/s")
            else:
                cells.append(f"{median([r['body_bytes'] / r['seconds'] / 1e6 for r in good]):.0f} MB/s")
        lines.append(f"| {label(key)} | " + " | ".join(cells) + " |")
    return lines


def latency_table(latency):
    lines = ["Latency at a constant rate, half of what the slowest of them carries (the replaced config at half of its "
             "own), counted from the moment a request was due; median over rounds (lowest–highest):", "",
             "| | proxy | requests/s | p50 us | p99 us |", "| --- | --- | --- | --- | --- |"]
    for key, row in latency.items():
        for name in names_in(latency):
            good = [r for r in row.get(name, []) if "error" not in r]
            if not good:
                lines.append(f"| {label(key)} | {TITLES[name]} | failed | | |")
                continue
            def cell(field):
                values = [r[field] for r in good]
                return f"{median(values):.0f} ({min(values):.0f}–{max(values):.0f})"
            lines.append(f"| {label(key)} | {TITLES[name]} | {good[0]['rate']} | {cell('p50_us')} | {cell('p99_us')} |")
    return lines


def memory_table(memory):
    lines = ["Private memory that a fresh proxy gains (the kernel's socket buffers are not in it):", "",
             "| proxy | at rest | per idle keep-alive client | per download to a slow reader |",
             "| --- | --- | --- | --- |"]
    for name in [n for n in TITLES if n in memory["idle"]]:
        idle, slow = memory["idle"][name], memory["slow"][name]
        def per(r):
            if "error" in r:
                return "failed: " + r["error"]
            return f"{(r['after'] - r['before']) / max(r['held'], 1) / 1024:.2f} KiB ({r['held']} held)"
        rest = f"{idle['before'] / 1048576:.1f} MiB" if "before" in idle else "-"
        lines.append(f"| {TITLES[name]} | {rest} | {per(idle)} | {per(slow)} |")
    return lines


def tls_table(tls):
    names = names_in(tls["cpu"])
    lines = ["TLS towards clients as well as towards S3:", "", "| | " + " | ".join(TITLES[n] for n in names) + " | ratio |",
             "|" + " --- |" * (len(names) + 2)]
    for key, row in tls["cpu"].items():
        cells = [median([c for c in (cost(key, r) for r in row.get(n, [])) if c is not None]) for n in names]
        lines.append(f"| {label(key)}, {unit(key)} | "
                     + " | ".join("failed" if c is None else f"{c:.1f}" if key.endswith("k") else f"{c:.3f}" for c in cells)
                     + f" | {spread(pairs(key, row.get('penstock-tls', []), row.get('nginx-tls')))} |")
    idle = [tls["idle"].get(n, {"error": "missing"}) for n in names]
    lines.append("| per idle client | " + " | ".join(
        "failed" if "error" in r else f"{(r['after'] - r['before']) / max(r['held'], 1) / 1024:.1f} KiB" for r in idle) + " | |")
    return lines


def markdown(result):
    m = result["machine"]
    lines = [f"{m['cpu']}, {m['cores']} cores, Linux {m['kernel']}; {'; '.join(m['versions'].values())}; "
             f"{result['rounds']} rounds of {result['ms']} ms; {m['time']}; "
             f"load average before it began {m['load_before']:.1f}.", ""]
    if m["load_before"] > 0.5:
        lines += ["The machine was busy with other things: the absolute figures and p99 are worth little.", ""]
    for name, why in result.get("missing", {}).items():
        lines += [f"Without {TITLES[name]}: {why.splitlines()[0][:200]}", ""]
    for part, table in (("cpu", cpu_tables), ("latency", latency_table), ("memory", memory_table),
                        ("tls", tls_table)):
        if result.get(part):
            lines += [*table(result[part]), ""]
    return "\n".join(lines)

#!/usr/bin/env python3
"""penstock's archives beside its own plain downloads: speed when S3 is far, CPU of the proxy alone, memory under slow
clients. See docs/BENCHMARKS.md.

The proxy has one core for itself; the client, the TLS origin and the registry share another. What is compared takes
turns within each round. Only loopback is used, in a network namespace of its own where that can be had.
"""

import argparse
import json
import os
import pathlib
import sys
import threading
import time

import report_zip
from machine import LISTEN_ADDRESS, describe, isolate, turns
from run import Load, measure
from zip_stage import ZipStage, fetch_archive, fetch_one_by_one, location, size_of

DELAY_MS = 20
MI = 1 << 20
# What is fetched, and by how many clients: an archive of this shape, or objects of this name as they are.
LOADS = {
    "plain-64m": ("64m", 4), "zip-1x64m": ("1x64m", 4),
    "plain-1m": ("1m", 8), "zip-64x1m": ("64x1m", 4),
    "plain-64k": ("64k", 16), "zip-1024x64k": ("1024x64k", 4),
    "plain-1k": ("1k", 8), "zip-10x1k": ("10x1k", 8),
}
SLOW_SHAPES = ("1000x64k", "64x1m")  # the first meets the limit of 32 files at once, the second that of memory
AHEAD_MI, AHEAD_TOTAL_MI = 16, 64  # the defaults


def request_options(key, sizes):
    what, conns = LOADS[key]
    if key.startswith("plain"):
        return {"target": location(what, 0), "get": size_of(what), "conns": conns}
    return {"target": f"/zip/{what}", "get": sizes[key], "conns": conns, "opaque": 1}


def run_cpu(stage, rounds, ms, keys, settings):
    """Every archive is opened and checked once; then they take turns with the plain downloads."""
    proxy = stage.start_penstock("penstock", **settings)
    sizes = {k: fetch_archive(proxy.port, LOADS[k][0], check=True)["bytes"] for k in keys if k.startswith("zip")}
    results = {}
    for round_number in range(rounds):
        for key in turns(keys, round_number):
            try:
                result = measure(stage, proxy, "closed", ms, warm=1, **request_options(key, sizes))
            except RuntimeError as error:
                result = {"error": str(error)}
                print(f"  {key}: {error}", file=sys.stderr)
            results.setdefault(key, []).append(result)
        print(f"CPU: round {round_number + 1} of {rounds} done", file=sys.stderr)
    stage.contenders.remove(proxy)
    proxy.stop()
    return results


def run_delayed(stage, rounds, n_parts):
    """The origin is DELAY_MS away. The first archive of a round finds no connections to it, the others do."""
    shape = f"{n_parts}x64k"
    ahead = stage.start_penstock("penstock-ahead")
    one = stage.start_penstock("penstock-one", PENSTOCK_ARCHIVE_AHEAD="0")
    results = {"ahead": [], "warm": [], "one": [], "client": []}
    for round_number in range(rounds):
        time.sleep(5)  # idle connections to S3 are closed after 4 s
        results["ahead"].append(fetch_archive(ahead.port, shape, check=round_number == 0))
        results["warm"].append([fetch_archive(ahead.port, shape) for _ in range(3)])
        results["one"].append(fetch_archive(one.port, shape))
        results["client"].append(fetch_one_by_one(ahead.port, shape))
        print(f"delayed: round {round_number + 1} of {rounds} done", file=sys.stderr)
    for proxy in (ahead, one):
        stage.contenders.remove(proxy)
        proxy.stop()
    return results


def run_memory(stage, shape, conns, seconds):
    """Private memory of a fresh penstock while clients read archives at 40 KiB/s: before, and the most there was."""
    proxy = stage.start_penstock(f"penstock-slow-{shape}-{conns}", PENSTOCK_ARCHIVE_AHEAD=f"{AHEAD_MI}M",
                                 PENSTOCK_ARCHIVE_AHEAD_TOTAL=f"{AHEAD_TOTAL_MI}M", PENSTOCK_SELF_CHECK="off")
    try:
        before = proxy.memory()
        load = Load(stage, proxy, "slow", 60, conns=conns, target=f"/zip/{shape}", get=0, opaque=1,
                    rcvbuf=16384, slow_bytes=4096)
        most, end = proxy.memory(), time.monotonic() + seconds
        while time.monotonic() < end:
            most = max(most, proxy.memory())
            time.sleep(0.05)
        last = proxy.memory()
        held = load.ready["ready"]
        load.say()
        load.line()
        load.close()
        return {"shape": shape, "held": held, "before": before, "most": most, "last": last}
    except RuntimeError as error:
        return {"error": str(error)}
    finally:
        stage.contenders.remove(proxy)
        proxy.stop()


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build", help="the build directory, made with -Dbench=true")
    p.add_argument("--rounds", type=int, help="rounds of CPU measurement (default 7)")
    p.add_argument("--ms", type=int, help="milliseconds of each measurement (default 1000)")
    p.add_argument("--parts", default="cpu,delayed,memory", help="which parts to run")
    p.add_argument("--loads", help="of the CPU measurement: comma list of " + ", ".join(LOADS))
    p.add_argument("--ahead", help="PENSTOCK_ARCHIVE_AHEAD of the CPU measurement (default: the default)")
    p.add_argument("--quick", action="store_true", help="shorter rounds, fewer of them, 200 parts instead of 1,000")
    p.add_argument("--cores", default="0,1", help="the proxy's core, everybody else's core")
    p.add_argument("--hold", action="store_true",
                   help="start penstock and the rest, print its port and process, and wait for Enter (to profile it)")
    args = p.parse_args()
    args.rounds = args.rounds or (2 if args.quick else 7)
    args.ms = args.ms or (300 if args.quick else 1000)
    return args


def hold(stage):
    proxy = stage.start_penstock("penstock")
    print(f"penstock at {LISTEN_ADDRESS}:{proxy.port}, process {proxy.pids()}; "
          f"targets /zip/1024x64k, {location('64k', 0)} ...; Enter ends it", flush=True)
    sys.stdin.readline()


def run_parts(args, build, cores, result):
    parts = args.parts.split(",")
    keys = args.loads.split(",") if args.loads else list(LOADS)
    stage = ZipStage(build, build / "bench/run-zip", *cores)
    try:
        if args.hold:
            hold(stage)
            return False
        if "cpu" in parts:
            result["cpu"] = run_cpu(stage, args.rounds, args.ms, keys,
                                    {"PENSTOCK_ARCHIVE_AHEAD": args.ahead} if args.ahead else {})
        if "memory" in parts:
            result["memory"] = [run_memory(stage, shape, n, 2 if args.quick else 5)
                                for shape in SLOW_SHAPES for n in (1, 8)]
    finally:
        stage.stop()
    if "delayed" in parts:
        stage = ZipStage(build, build / "bench/run-zip", *cores, delay_ms=DELAY_MS)
        try:
            result["n_parts"] = 200 if args.quick else 1000
            result["delayed"] = run_delayed(stage, 1 if args.quick else 2, result["n_parts"])
        finally:
            stage.stop()
    return True


def main():
    args = arguments()
    isolate()
    build = pathlib.Path(args.build).resolve()
    cores = [int(c) for c in args.cores.split(",")]
    begin = time.monotonic()
    result = {"machine": describe({"openssl": ["openssl", "version"]}), "rounds": args.rounds, "ms": args.ms,
              "delay_ms": DELAY_MS, "ahead_mi": AHEAD_MI, "ahead_total_mi": AHEAD_TOTAL_MI}
    os.sched_setaffinity(0, {cores[1]})
    watchdog = threading.Timer(600, lambda: os._exit(3))
    watchdog.daemon = True
    watchdog.start()
    if not run_parts(args, build, cores, result):
        return
    result["took_s"] = round(time.monotonic() - begin)
    (build / "bench/results-zip.json").write_text(json.dumps(result, indent=1))
    text = report_zip.markdown(result)
    (build / "bench/results-zip.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()

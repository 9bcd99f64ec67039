#!/usr/bin/env python3
"""penstock dns beside its peers: CPU per answer, misses, memory per name, latency under loss. See docs/BENCHMARKS.md.

The server under test has one core for itself; dnsperf and the name server behind it share another. The contenders take
turns within each round. Only loopback is used, in a network namespace of its own where that can be had.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

import report_dns
from dns_contenders import Stage, write_names
from machine import LISTEN_ADDRESS, describe, isolate, pin, turns

NAMES = ["echo-one", "echo-batch", "dnsdist", "dnsdist-one", "unbound", "dnsmasq", "penstock"]
ECHOES = ("echo-one", "echo-batch")
CACHED_ALONE = (*ECHOES, "dnsdist-one")
N_HOT = 300
# Clients and questions in flight; the second is what dnsperf does by itself.
LOADS = {"cached": ("-c", 20, "-q", 200), "cached-one": ("-c", 1, "-q", 100)}
N_LOSS_RATE = 1000


def dnsperf(stage, server, names, *options):
    """One run of dnsperf over a file of questions; what it says, and the server's CPU meanwhile."""
    before, begin = server.cpu_ns(), time.monotonic()
    done = subprocess.run(
        ["dnsperf", "-s", LISTEN_ADDRESS, "-p", str(server.port), "-d", names, "-T", "1", *map(str, options)],
        capture_output=True, text=True, preexec_fn=pin(stage.other_core), check=False, timeout=60)
    result = {"cpu_ns": server.cpu_ns() - before, "wall_s": time.monotonic() - begin}
    for key, pattern in (("answers", r"Queries completed:\s+(\d+)"), ("lost", r"Queries lost:\s+(\d+)"),
                         ("seconds", r"Run time \(s\):\s+([\d.]+)"), ("noerror", r"NOERROR (\d+)")):
        found = re.search(pattern, done.stdout)
        result[key] = float(found.group(1)) if found else 0
    if not server.alive():
        raise RuntimeError("it ended")
    if not result["answers"]:
        raise RuntimeError(f"no answers: {done.stderr.strip()[-300:]}")
    result["text"] = done.stdout
    return result


def checked(result, echo=False, bearable=1000):
    """Without what was printed; a wrong answer, or one of so many missing, is a failure."""
    del result["text"]
    if not echo and result["noerror"] != result["answers"]:
        raise RuntimeError(f"{result['answers'] - result['noerror']:.0f} wrong answers")
    if result["lost"] > result["answers"] / bearable:
        raise RuntimeError(f"{result['lost']:.0f} answers lost")
    return result


def attempt(results, server, measure):
    """A failure is part of the result, and does not end the bench."""
    try:
        result = measure()
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        result = {"error": str(error)}
        print(f"  {server.name}: {error}", file=sys.stderr)
    results.setdefault(server.name, []).append(result)


def run_cached(stage, servers, rounds, seconds, load):
    names = write_names(stage.run / "hot.names", "hot", N_HOT)
    results = {}
    for server in servers:
        attempt({}, server, lambda: dnsperf(stage, server, names, "-c", 1, "-q", 20, "-n", 5))
    for number in range(rounds):
        for server in turns(servers, number):
            attempt(results, server, lambda: checked(dnsperf(stage, server, names, *load, "-t", 1, "-l", seconds),
                                                     server.name in ECHOES))
        print(f"cached: round {number + 1} of {rounds} done", file=sys.stderr)
    return results


def run_misses(stage, servers, rounds, n_names):
    results = {}

    def measure(server, number):
        names = write_names(stage.run / "cold.names", f"cold-{number}", n_names)
        asked = stage.origin.asked()
        result = checked(dnsperf(stage, server, names, "-c", 20, "-q", 100, "-n", 1, "-t", 1), bearable=100)
        result["asked"] = stage.origin.asked() - asked
        if result["asked"] < n_names * 0.99:
            raise RuntimeError(f"the origin was asked for {result['asked']} of {n_names} names")
        return result

    for number in range(rounds):
        for server in turns(servers, number):
            attempt(results, server, lambda: measure(server, number))
        print(f"misses: round {number + 1} of {rounds} done", file=sys.stderr)
    return results


def grown(stage, name, n_names):
    """Private memory with n_names in the cache, above what the same server has at rest with hardly any cache."""
    names = write_names(stage.run / "many.names", "many", n_names)
    rest = stage.start(name, small=True)
    if not rest:
        return {"error": stage.missing[name]}
    before = rest.memory()
    stage.end(rest)
    server = stage.start(name)
    if not server:
        return {"error": stage.missing[name]}
    try:
        for _ in range(2):
            dnsperf(stage, server, names, "-c", 20, "-q", 100, "-n", 1)
        asked = stage.origin.asked()
        dnsperf(stage, server, names, "-c", 20, "-q", 100, "-n", 1)
        return {"before": before, "after": server.memory(), "held": n_names - (stage.origin.asked() - asked)}
    except RuntimeError as error:
        return {"error": str(error)}
    finally:
        stage.end(server)


def under_loss(stage, name, seconds):
    """Every answer's latency, with an origin that loses one query in a hundred, the same ones for each."""
    stage.restart_lossy()
    server = stage.start(name, lossy=True)
    if not server:
        return {"error": stage.missing[name]}
    try:
        n = N_LOSS_RATE * seconds
        names = write_names(stage.run / "lossy.names", "lossy", n)
        result = dnsperf(stage, server, names, "-c", 20, "-q", 8000, "-n", 1, "-Q", N_LOSS_RATE, "-t", 5, "-v")
        text = result.pop("text")
        latencies = sorted(float(x) for x in re.findall(r"^> NOERROR \S+ \S+ ([\d.]+)", text, re.M))
        result["failed"] = n - len(latencies)
        result["asked"] = stage.lossy.asked()
        for key, share in (("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999)):
            at = int(n * share)  # what was not answered has waited for ever
            result[key] = latencies[at] * 1e6 if at < len(latencies) else None
        return result
    except RuntimeError as error:
        return {"error": str(error)}
    finally:
        stage.end(server)


def run_lookup(stage):
    """bench/cache.c: the cache alone, without a socket."""
    if not (stage.build / "bench/cache").exists():
        return {"error": "bench/cache is not built"}
    done = subprocess.run([stage.build / "bench/cache"], capture_output=True, text=True, preexec_fn=pin(stage.core),
                          check=False)
    if done.returncode != 0:
        return {"error": done.stderr.strip()[-300:]}
    return json.loads(done.stdout)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build", help="the build directory, made with -Dbench=true")
    p.add_argument("--rounds", type=int, help="rounds of cached answers (default 5)")
    p.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    p.add_argument("--only", help="comma list of " + ", ".join(NAMES))
    p.add_argument("--parts", default="cached,misses,memory,loss,lookup", help="which parts to run")
    p.add_argument("--cores", default="0,1", help="the server's core, everybody else's core")
    p.add_argument("--hold", action="store_true",
                   help="start the first of --only, print its port and process, and wait for Enter (to profile it)")
    args = p.parse_args()
    args.rounds = args.rounds or (3 if args.quick else 5)
    return args


def hold(stage, server):
    names = write_names(stage.run / "hot.names", "hot", N_HOT)
    print(f"{server.name} at {LISTEN_ADDRESS}:{server.port}, process {server.pids()}; questions in {names}; "
          "Enter ends it", flush=True)
    sys.stdin.readline()


def versions():
    def first(command, expression):
        return ["sh", "-c", f"{command} 2>&1 | sed -n '{expression}' | head -n 1"]
    return {"dnsperf": first("dnsperf -h", "s/^Version/dnsperf/p"), "dnsdist": first("dnsdist --version", "s/ (.*//p"),
            "unbound": first("unbound -V", "s/^Version/unbound/p"),
            "dnsmasq": first("dnsmasq --version", "s/ *Copyright.*//p")}


def measure(stage, args, names):
    parts = args.parts.split(",")
    result = {"rounds": args.rounds}
    servers = [s for s in (stage.start(name) for name in names) if s]
    for name, why in stage.missing.items():
        print(f"without {name}: {why}", file=sys.stderr)
    result["missing"] = dict(stage.missing)
    if not servers:
        sys.exit("nothing to measure")
    if args.hold:
        hold(stage, servers[0])
        return None
    present = [s.name for s in servers if s.name not in CACHED_ALONE]
    if "cached" in parts:
        for key, load in LOADS.items():
            result[key] = run_cached(stage, servers, args.rounds, 1, load)
    if "misses" in parts:
        result["misses"] = run_misses(stage, [s for s in servers if s.name in present],
                                      2 if args.quick else 4, 10000 if args.quick else 30000)
    for server in servers:
        stage.end(server)
    if "memory" in parts:
        result["memory"] = {name: grown(stage, name, 50000) for name in present}
        print("memory done", file=sys.stderr)
    if "loss" in parts:
        result["loss"] = {name: under_loss(stage, name, 4 if args.quick else 10) for name in present}
    if "lookup" in parts:
        result["lookup"] = run_lookup(stage)
    return result


def main():
    args = arguments()
    if not shutil.which("dnsperf"):
        sys.exit("dnsperf is not installed")
    isolate()
    names = args.only.split(",") if args.only else NAMES
    build = pathlib.Path(args.build).resolve()
    core, other_core = (int(c) for c in args.cores.split(","))
    begin = time.monotonic()
    where = describe(versions())
    os.sched_setaffinity(0, {other_core})
    watchdog = threading.Timer(900, lambda: os._exit(3))
    watchdog.daemon = True
    watchdog.start()
    stage = Stage(build, build / "bench/run-dns", core, other_core)
    try:
        result = measure(stage, args, names)
    finally:
        stage.stop()
    if result is None:
        return
    result.update(machine=where, took_s=round(time.monotonic() - begin))
    (build / "bench/results-dns.json").write_text(json.dumps(result, indent=1))
    text = report_dns.markdown(result)
    (build / "bench/results-dns.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()

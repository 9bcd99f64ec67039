#!/usr/bin/env python3
"""penstock beside its peers: CPU of the proxy alone, latency at half load, memory. See docs/BENCHMARKS.md.

The proxy under test has one core for itself, the load client and the TLS origin share another. The contenders take
turns within each round, so that what the machine does meanwhile falls on all of them. Only loopback is used, in a network
namespace of its own where that can be had.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import report
from contenders import HOST, Stage
from machine import LISTEN_ADDRESS, describe, isolate, pin, turns

TLS_NAMES = ["nginx-tls", "penstock-tls"]  # a part of its own: TLS on both sides
NAMES = ["relay", "nginx-replaced", "nginx-tuned", "nginx-equal", "haproxy", "penstock"]
KI, MI = 1024, 1024 * 1024
# name, bytes, clients
SIZES = [("1k", KI, 32), ("64k", 64 * KI, 16), ("1m", MI, 8), ("64m", 64 * MI, 4)]


class Load:
    """One run of the load client, held at the point where its connections are open and warm."""

    def __init__(self, stage, contender, mode, timeout, **options):
        command = [stage.build / "bench/load", "--mode", mode, "--connect", f"{LISTEN_ADDRESS}:{contender.port}",
                   "--timeout-ms", str(timeout * 1000), "--tls", str(int(contender.speaks_tls))]
        for key, value in options.items():
            command += ["--" + key.replace("_", "-"), str(value)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True,
                                        preexec_fn=pin(stage.other_core))
        self.ready = self.line()

    def line(self):
        text = self.process.stdout.readline()
        if not text:
            self.process.wait()
            raise RuntimeError(self.process.stderr.read().strip() or "the load client ended")
        return json.loads(text)

    def say(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def target(name):
    return f"/{HOST}/bench-bucket/dir/{name}"


def request_options(name, size, method):
    if method == "put":
        return {"target": target("upload"), "put": size, "get": 0}
    return {"target": target(name), "get": size}


def measure(stage, contender, mode, ms, **options):
    """Runs one load and takes the proxy's CPU time on both sides of it."""
    load = Load(stage, contender, mode, 60, ms=ms, **options)
    before = contender.cpu_ns()
    load.say()
    result = load.line()
    result["cpu_ns"] = contender.cpu_ns() - before
    load.close()
    if result["errors"]:
        raise RuntimeError(f"{result['errors']} wrong answers")
    return result


def attempt(results, stage, key, contender, mode, ms, **options):
    """A failure is part of the result, and does not end the bench."""
    try:
        result = measure(stage, contender, mode, ms, **options)
    except RuntimeError as error:
        result = {"error": str(error)}
        print(f"  {contender.name} {key}: {error}", file=sys.stderr)
    results.setdefault(key, {}).setdefault(contender.name, []).append(result)


def run_cpu(stage, sizes, methods, rounds, ms):
    results = {}
    for round_number in range(rounds):
        for name, size, conns in sizes:
            for method in methods:
                for contender in turns(stage.contenders, round_number):
                    attempt(results, stage, f"{method}-{name}", contender, "closed", ms, conns=conns,
                            warm=1 if size >= MI else 3, **request_options(name, size, method))
        print(f"round {round_number + 1} of {rounds} done", file=sys.stderr)
    return results


def half_load(cpu, key, contender):
    """Half of what the slowest contender carries; the replaced config, far below, has its own half."""
    def rate(name):
        return report.median([r["requests"] / r["seconds"] for r in cpu[key].get(name, []) if "error" not in r])
    names = [n for n in cpu[key] if n not in ("relay", "nginx-replaced") and rate(n)]
    own = contender.name == "nginx-replaced"
    rates = [rate(contender.name)] if own else [rate(n) for n in names]
    return int(min(r for r in rates if r) / 2)


def run_latency(stage, cpu, rounds, ms):
    results = {}
    for round_number in range(rounds):
        for name, size, conns in SIZES[:2]:
            key = f"get-{name}"
            if key not in cpu:
                continue
            for contender in turns(stage.contenders, round_number):
                attempt(results, stage, key, contender, "open", ms, conns=64,
                        rate=half_load(cpu, key, contender), **request_options(name, size, "get"))
                results[key][contender.name][-1]["rate"] = half_load(cpu, key, contender)
    return results


def grown(stage, name, mode, settle, **options):
    """Private memory that a fresh proxy gains while the load client holds its connections."""
    stage.start([name])
    if name in stage.missing:
        return {"error": stage.missing.pop(name)}
    contender = stage.contenders.pop()
    try:
        before = contender.memory()
        load = Load(stage, contender, mode, 60, **options)
        time.sleep(settle)
        after = contender.memory()
        held = load.ready["ready"]
        load.say()
        last = load.line()
        load.close()
        return {"before": before, "after": after, "held": held, "end": last}
    except RuntimeError as error:
        return {"error": str(error)}
    finally:
        contender.stop()


def run_memory(stage, names, idle, slow):
    results = {"idle": {}, "slow": {}}
    for name in names:
        if name == "relay":  # it holds two buffers for every client, by design
            continue
        results["idle"][name] = grown(stage, name, "idle", 1, conns=idle, target=target("1k"), get=KI)
        results["slow"][name] = grown(stage, name, "slow", 3, conns=slow, target=target("64m"),
                                      get=64 * MI, rcvbuf=16384, slow_bytes=4096)
    return results


def run_tls(stage, rounds, ms, idle):
    """Small and large downloads over TLS towards the client as well, and what idle clients cost then."""
    results = {"cpu": {}, "idle": {name: grown(stage, name, "idle", 1, conns=idle, target=target("1k"), get=KI)
                                   for name in TLS_NAMES}}
    before = list(stage.contenders)
    stage.start(TLS_NAMES)
    contenders = [c for c in stage.contenders if c.speaks_tls]
    for round_number in range(rounds):
        for name, size, conns in (SIZES[0], SIZES[2]):
            for contender in turns(contenders, round_number):
                attempt(results["cpu"], stage, f"get-{name}", contender, "closed", ms, conns=conns, warm=3,
                        **request_options(name, size, "get"))
    for contender in contenders:
        contender.stop()
    stage.contenders = before
    return results


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build", help="the build directory, made with -Dbench=true")
    p.add_argument("--rounds", type=int, help="rounds of CPU measurement (default 5)")
    p.add_argument("--ms", type=int, help="milliseconds of each measurement (default 600)")
    p.add_argument("--quick", action="store_true", help="two short rounds, less memory work")
    p.add_argument("--only", help="comma list of " + ", ".join(NAMES))
    p.add_argument("--sizes", help="comma list of " + ", ".join(s[0] for s in SIZES))
    p.add_argument("--methods", default="get,put", help="get, put or both")
    p.add_argument("--parts", default="cpu,latency,memory,tls", help="which parts to run")
    p.add_argument("--cores", default="0,1", help="the proxy's core, everybody else's core")
    p.add_argument("--hold", action="store_true",
                   help="start the first of --only, print its port and process, and wait for Enter (to profile it)")
    args = p.parse_args()
    args.rounds = args.rounds or (2 if args.quick else 5)
    args.ms = args.ms or (300 if args.quick else 600)
    return args


def hold(stage):
    contender = stage.contenders[0]
    print(f"{contender.name} at {LISTEN_ADDRESS}:{contender.port}, process {contender.pids()}; "
          f"targets {target('1k')} ...; Enter ends it", flush=True)
    sys.stdin.readline()


def main():
    args = arguments()
    isolate()
    names = args.only.split(",") if args.only else NAMES
    sizes = [s for s in SIZES if not args.sizes or s[0] in args.sizes.split(",")]
    parts = args.parts.split(",")
    build = pathlib.Path(args.build).resolve()
    proxy_core, other_core = (int(c) for c in args.cores.split(","))
    begin = time.monotonic()
    where = describe({"nginx": ["nginx", "-v"], "haproxy": ["haproxy", "-v"], "openssl": ["openssl", "version"]})
    os.sched_setaffinity(0, {other_core})
    stage = Stage(build, build / "bench/run", proxy_core, other_core)
    watchdog = threading.Timer(1800, lambda: os._exit(3))
    watchdog.daemon = True
    watchdog.start()
    result = {"machine": where, "rounds": args.rounds, "ms": args.ms}
    try:
        stage.start(names)
        for name, why in stage.missing.items():
            print(f"without {name}: {why}", file=sys.stderr)
        result["missing"] = dict(stage.missing)
        if not stage.contenders:
            sys.exit("nothing to measure")
        if args.hold:
            hold(stage)
            return
        present = [c.name for c in stage.contenders]
        if "cpu" in parts:
            result["cpu"] = run_cpu(stage, sizes, args.methods.split(","), args.rounds, args.ms)
        if "latency" in parts and "cpu" in result:
            result["latency"] = run_latency(stage, result["cpu"], min(args.rounds, 3), 2 * args.ms)
        if "tls" in parts:
            result["tls"] = run_tls(stage, args.rounds, args.ms, 500 if args.quick else 2000)
        if "memory" in parts:
            while stage.contenders:
                stage.contenders.pop().stop()
            result["memory"] = run_memory(stage, present, 2000 if args.quick else 10000, 200)
    finally:
        stage.stop()
    result["took_s"] = round(time.monotonic() - begin)
    (build / "bench/results.json").write_text(json.dumps(result, indent=1))
    text = report.markdown(result)
    (build / "bench/results.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()

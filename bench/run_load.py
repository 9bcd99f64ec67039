#!/usr/bin/env python3
"""The load picture of penstock: what connections, workers and the size of objects do to throughput, CPU and memory, and
how many DNS packets it takes. See docs/BENCHMARKS.md. A full run writes its charts and tables into docs/.

The proxy has one core for itself, the load client and the TLS origin share another; where one worker and two are
compared all of them share both. Only loopback is used, in a network namespace of its own where that can be had.
"""

import argparse
import json
import os
import pathlib
import resource
import sys
import threading
import time

import load_dns
import report_load
from contenders import HOST, Proxy, Stage
from machine import cpu_ns, describe, isolate, turns
from run import Load, request_options, target
from run_zip import run_memory as slow_archives
from zip_stage import ZipStage

KI, MI = 1024, 1024 * 1024
SIZES = {"1k": KI, "4k": 4 * KI, "16k": 16 * KI, "64k": 64 * KI, "256k": 256 * KI, "1m": MI, "4m": 4 * MI,
         "16m": 16 * MI, "64m": 64 * MI}
CONNS = [1, 4, 16, 64, 256, 1024, 4096, 10000]
FEW = 64  # of many connections, where the others wait
PARTS = ("connections", "sizes", "memory", "dns")
RESULTS = pathlib.Path(__file__).resolve().parent.parent / "docs/load/results.json"


class LoadStage(Stage):
    """penstock with one worker or two, and nginx."""

    def command(self, name):
        workers = {"penstock-1": "1", "penstock-2": "2"}.get(name)
        return self.penstock(PENSTOCK_WORKERS=workers) if workers else super().command(name)

    def start_penstock(self, name, **settings):
        command, port, env = self.penstock(**settings)
        proxy = Proxy(name, command, port, self.proxy_core, self.run, env)
        self.contenders.append(proxy)
        proxy.wait_ready()
        return proxy


def most_busy(conns):
    """A request needs two descriptors of the proxy, a waiting client one."""
    return min(conns, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - conns - 500)


def lead_ms(busy):
    """Until so many connections go round and have theirs to the origin."""
    return 100 if busy <= 256 else 800 if busy <= 1024 else 4000


def measure(stage, contender, busy, ms, **options):
    """Steady state: CPU of proxy, client and origin between two moments at which everything is in motion."""
    load = Load(stage, contender, "closed", 60, ms=ms, busy=busy, lead_ms=lead_ms(busy), **options)
    actors = [contender.pids(), [load.process.pid], [stage.origin.pid]]
    try:
        load.say()
        load.line()
        before = [cpu_ns(pids) for pids in actors]
        result = load.line()
        used = [cpu_ns(pids) - b for pids, b in zip(actors, before)]
    finally:
        load.close()
    if result["errors"]:
        raise RuntimeError(f"{result['errors']} wrong answers")
    return {**result, "cpu_ns": used[0], "client_ns": used[1], "origin_ns": used[2], "busy": busy}


def attempt(results, key, contender, run):
    """A failure is part of the result, and does not end the bench."""
    try:
        result = run()
    except RuntimeError as error:
        result = {"error": str(error)}
        print(f"  {contender.name} {key}: {error}", file=sys.stderr)
    results.setdefault(key, {}).setdefault(contender.name, []).append(result)


def connection_loads(quick):
    """size, connections, how many of them are busy, rounds."""
    for n in [1, 64, 1024] if quick else CONNS:
        if n > FEW:
            yield "1k", n, FEW, 1
        for size in ("1k", "64k"):
            yield size, n, most_busy(n), 1 if quick or n > 1024 else 3 if n > 4 else 2


def run_connections(stage, quick, with_few):
    results = {}
    for size, n, busy, rounds in connection_loads(quick):
        key = f"{size}-{n}" + ("-few" if busy == FEW < n else "")
        if key.endswith("few") and not with_few:
            continue
        for number in range(rounds):
            for c in turns(stage.contenders, number):
                attempt(results, key, c, lambda: measure(stage, c, busy, 300 if quick else 500, conns=n, warm=1,
                                                         **request_options(size, SIZES[size], "get")))
        print(f"connections: {key} done", file=sys.stderr)
    return results


def run_sizes(stage, quick):
    sizes = ["1k", "64k", "1m"] if quick else list(SIZES)
    results = {}
    for number in range(1 if quick else 3):
        for size in sizes:
            conns = 16 if SIZES[size] < MI else 4
            for method in ("get", "put"):
                for c in turns(stage.contenders, number):
                    attempt(results, f"{method}-{size}", c,
                            lambda: whole(stage, c, 300 if quick else 500, conns=conns,
                                          **request_options(size, SIZES[size], method)))
        print(f"sizes: round {number + 1} done", file=sys.stderr)
    return results


def whole(stage, contender, ms, **options):
    """Large bodies count as a whole: begun before the end, waited for."""
    load = Load(stage, contender, "closed", 60, ms=ms, warm=1, **options)
    before = contender.cpu_ns()
    load.say()
    result = load.line()
    result["cpu_ns"] = contender.cpu_ns() - before
    load.close()
    if result["errors"]:
        raise RuntimeError(f"{result['errors']} wrong answers")
    return result


def held(stage, mode, settle, **options):
    """Private memory and descriptors that a fresh penstock gains while the load client holds its connections; when
    their requests go round (mode "closed"), after a while of that."""
    def state():
        return {"memory": proxy.memory(), "descriptors": proxy.descriptors()}
    # The self-check's memory would come and go meanwhile.
    proxy = stage.start_penstock(f"penstock-{mode}-{options['conns']}", PENSTOCK_SELF_CHECK="off")
    try:
        before = state()
        load = Load(stage, proxy, mode, 60, **options)
        if mode == "closed":
            load.say()
            load.line()
        time.sleep(settle)
        result = {"n": load.ready["ready"], "before": before, "after": state()}
        if mode != "closed":
            load.say()
        load.line()
        load.close()
        return result
    except RuntimeError as error:
        return {"error": str(error)}
    finally:
        stage.contenders.remove(proxy)
        proxy.stop()


def active(stage, size, n):
    return held(stage, "closed", 0.1, conns=n, busy=most_busy(n), warm=1, ms=500, lead_ms=lead_ms(n),
                **request_options(size, SIZES[size], "get"))


def run_memory(build, cores, quick):
    stage = LoadStage(build, build / "bench/run-load", *cores)
    try:
        idle = [held(stage, "idle", 5, conns=n, target=target("1k"), get=KI)
                for n in ([1, 1000] if quick else [1, 10, 100, 1000, 10000])]
        slow = [held(stage, "slow", 3, conns=n, target=target("64m"), get=64 * MI, rcvbuf=16384, slow_bytes=4096)
                for n in ([100] if quick else [1, 10, 100, 1000])]
        small = [active(stage, "1k", n) for n in ([100] if quick else [1, 10, 100, 1000, 10000])]
        large = [active(stage, "64k", n) for n in ([100] if quick else [1, 10, 100, 1000])]
    finally:
        stage.stop()
    stage = ZipStage(build, build / "bench/run-load-zip", *cores)
    try:
        archives = [slow_archives(stage, shape, n, 2) for shape, n in (("1000x64k", 1), ("64x1m", 1), ("64x1m", 8))
                    if not quick or n == 1]
    finally:
        stage.stop()
    print("memory done", file=sys.stderr)
    return {"idle": idle, "slow": slow, "active-1k": small, "active-64k": large, "archives": archives}


def on_stage(build, cores, names, work):
    stage = LoadStage(build, build / "bench/run-load", *cores)
    try:
        stage.start(names)
        for name, why in stage.missing.items():
            print(f"without {name}: {why}", file=sys.stderr)
        return work(stage)
    finally:
        stage.stop()


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build", help="the build directory, made with -Dbench=true")
    p.add_argument("--quick", action="store_true", help="fewer points, one short round; leaves docs/ alone")
    p.add_argument("--parts", default=",".join(PARTS), help="which parts to run; the others stay as they were")
    p.add_argument("--cores", default="0,1", help="the proxy's core, everybody else's core")
    p.add_argument("--docs", action="store_true", help="only write docs/ anew, from docs/load/results.json")
    return p.parse_args()


def timed(result, part, work):
    begin = time.monotonic()
    result[part] = work()
    result.setdefault("part_s", {})[part] = round(time.monotonic() - begin)


def run(args, build, cores, result):
    parts, shared = args.parts.split(","), [set(cores)] * 2
    if "connections" in parts:
        timed(result, "connections", lambda: on_stage(build, cores, ["penstock-1", "nginx-tuned"],
                                                      lambda s: run_connections(s, args.quick, True)))
        timed(result, "workers", lambda: on_stage(build, shared, ["penstock-1", "penstock-2"],
                                                  lambda s: run_connections(s, args.quick, False)))
    if "sizes" in parts:
        timed(result, "sizes", lambda: on_stage(build, cores, ["penstock-1", "nginx-tuned", "penstock-tls"],
                                                lambda s: run_sizes(s, args.quick)))
    if "memory" in parts:
        timed(result, "memory", lambda: run_memory(build, cores, args.quick))
    if "dns" in parts:
        timed(result, "dns", lambda: load_dns.run(build, cores, args.quick))


def main():
    args = arguments()
    if args.docs:
        report_load.write_docs(json.loads(RESULTS.read_text()))
        return
    isolate()
    build = pathlib.Path(args.build).resolve()
    cores = [int(c) for c in args.cores.split(",")]
    begin = time.monotonic()
    result = {"machine": describe({"nginx": ["nginx", "-v"], "openssl": ["openssl", "version"]})}
    os.sched_setaffinity(0, {cores[1]})
    watchdog = threading.Timer(1500, lambda: os._exit(3))
    watchdog.daemon = True
    watchdog.start()
    run(args, build, cores, result)
    result["took_s"] = round(time.monotonic() - begin)
    (build / "bench/results-load.json").write_text(json.dumps(result, indent=1))
    if not args.quick:
        old = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        result = report_load.shortened({**old, **result, "part_s": {**old.get("part_s", {}), **result["part_s"]}})
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")
        report_load.write_docs(result)
    text = report_load.markdown(result)
    (build / "bench/results-load.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()

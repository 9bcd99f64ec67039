"""The outage drill: `python3 -m lab.drill [--minutes 10]`. Constant load on `penstock dns` while its three servers die,
lie, slow down and return by a script that a fixed seed makes.

Two corporate servers are the system group, a third is the VPC group of AWS names. Half of the load asks for names in
use, half for names that nobody has asked for; half of each are AWS names. What must hold: nothing that can be answered
goes unanswered, packets to a server stay inside its budget, and each repair is followed within five seconds."""

import argparse
import collections
import contextlib
import os
import random
import sys
import threading
import time

from lab import net
from lab.capture import Capture
from lab.dns import Scripted
from lab.dnsclient import Stream, addresses, rcode
from lab.penstock import ROOT, Penstock

A, B, V = "10.0.30.1", "10.0.30.2", "10.0.30.3"
NAMES = {A: "corporate 1", B: "corporate 2", V: "Amazon's"}
ANSWER = {A: "198.51.100.1", B: "198.51.100.2", V: "198.51.100.3"}  # by the answer one sees who gave it
RATE, N_STREAMS, N_HOT, TTL_S = 100, 4, 20, 5
BUDGET = 200  # packets a second to a server; as many more may go at once
# A question can be answered by a server that is well from some time before it (equal questions join one that was sent
# before the repair, for two seconds) to some time after it.
BEFORE_S, AFTER_S = 2.5, 2.5
RECOVERY_S = 5.0
SEED = 1809
STATES = ("well", "slow", "silent", "lossy", "servfail", "refused", "garbage", "denies")  # denies: lies about AWS names
WELL = {"well", "slow"}


class Server(Scripted):
    """Answers every name as its state has it."""

    def __init__(self, host, ip):
        self.state = "well"
        self.random = random.Random(ip)
        self.answered = []  # (time, name) of the good ones
        super().__init__(host, ip)
        self.behave = self.as_state

    def as_state(self, query, transport):
        state, is_aws = self.state, "amazonaws" in query.question[0].name.to_text()
        if state == "silent" or (state == "lossy" and self.random.random() < 0.5):
            return None
        if state in ("servfail", "refused"):
            return getattr(Scripted, state)(query, transport)
        if state == "garbage":
            wire = bytearray(Scripted.addresses("203.0.113.66")(query, transport).to_wire())
            wire[0] ^= 0x55
            return bytes(wire)
        if state == "denies" and is_aws:
            lie = self.random.choice((Scripted.nxdomain, Scripted.addresses("0.0.0.0")))
            return lie(query, transport)
        self.answered.append((time.monotonic(), query.question[0].name.to_text().lower()))
        return Scripted.addresses(ANSWER[self.ip], ttl=TTL_S)(query, transport)

    def _serve_udp(self):
        while True:
            try:
                wire, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            out = self._answer(wire, "udp")
            if out is None:
                continue
            if self.state == "slow":
                threading.Timer(self.random.uniform(0.1, 0.6), self.udp.sendto, (out, peer)).start()
            else:
                self.udp.sendto(out, peer)


def script(seconds, seed=SEED):
    """[(second, server, state)], sorted: each server by turns well and in trouble, and twice all of them are silent."""
    r = random.Random(seed)
    pace = min(1.0, seconds / 300)  # a short drill has short troubles
    out, troubles = [], []
    for ip in (A, B, V):
        at = r.uniform(3, 10) * pace + 2
        while at < seconds - 12:
            troubles = troubles or r.sample(STATES[1:], len(STATES) - 1)
            out.append((at, ip, troubles.pop()))
            at += r.uniform(6, 30) * pace + 1
            out.append((at, ip, "well"))
            at += r.uniform(5, 25) * pace + 1
    for share in (0.3, 0.7):
        start, end = seconds * share, seconds * share + (30 * pace + 4)
        out = [e for e in out if not start - 1 <= e[0] <= end + 1]
        out += [(start, ip, "silent") for ip in (A, B, V)]
        out += [(end + 3 * i * pace, ip, "well") for i, ip in enumerate((A, B, V))]
    last = seconds - 8
    return sorted([e for e in out if e[0] < last] + [(last, ip, "well") for ip in (A, B, V)])


def make_names(stream):
    """The n-th question of a stream: hot and cold, AWS and other names by turns."""
    def make(n):
        zone = "s3.eu-west-1.amazonaws.com" if n % 2 == 0 else "corp.test"
        if n // 2 % 2 == 0:
            return f"hot{(n // 4 * N_STREAMS + stream) % N_HOT}.{zone}", "A"
        return f"cold{n}-{stream}.{zone}", "A"
    return make


class Drill:
    def __init__(self, network, client, penstock_host, folder):
        self.client, self.penstock_host, self.folder = client, penstock_host, folder
        os.makedirs(folder, exist_ok=True)
        hosts = {ip: network.hosts.get(f"drill{ip}") or network.host(f"drill{ip}", ip + "/16") for ip in (A, B, V)}
        self.servers = {ip: Server(host, ip) for ip, host in hosts.items()}

    def start_penstock(self):
        paths = {}
        for name, text in (("resolv.conf", f"nameserver {A}\nnameserver {B}\n"), ("hosts", "127.0.0.1 localhost\n")):
            paths[name] = os.path.join(self.folder, "drill-" + name)
            with open(paths[name], "w") as f:
                f.write(text)
        env = {"DNS_LISTEN": f"{self.penstock_host.ip}:53", "DNS_AWS": "on", "DNS_AWS_SERVERS": V, "ADMIN": "off",
               "DNS_CLIENT_RATE": "0", "DNS_BUDGET": str(BUDGET), "RESOLV_CONF": paths["resolv.conf"],
               "HOSTS_FILE": paths["hosts"]}
        return Penstock(self.penstock_host, self.folder, {f"PENSTOCK_{k}": v for k, v in env.items()}, 53, ("dns",))

    def run(self, seconds):
        """A Report."""
        events, done = script(seconds), []
        penstock = self.start_penstock()
        with contextlib.ExitStack() as stack:
            wire = stack.enter_context(Capture(self.penstock_host))
            with self.client.enter():
                streams = [Stream(penstock.ip, RATE / N_STREAMS, make_names(i)) for i in range(N_STREAMS)]
                began = time.monotonic()
                with contextlib.ExitStack() as running:
                    for stream in streams:
                        running.enter_context(stream)
                    for at, ip, state in events:
                        time.sleep(max(0.0, began + at - time.monotonic()))
                        self.servers[ip].state = state
                        done.append((time.monotonic() - began, ip, state))
                    time.sleep(max(0.0, began + seconds - time.monotonic()))
        code = penstock.stop()
        answered = collections.defaultdict(list)
        for server in self.servers.values():
            for at, name in server.answered:
                answered[name].append(at)
            server.close()
        results = sorted((r for s in streams for r in s.results), key=lambda r: r[0])
        packets = [(p.at - began, p.dst) for p in wire.packets if p.dport == 53 and p.dst in NAMES]
        return Report(seconds, done, [Result(began, answered, *r) for r in results], packets, code, penstock.output())


class Result:
    """What a client saw. source: fresh (a server gave it meanwhile), cache, stale; without a good answer it is unknown
    (to every server that answers) or missed."""

    def __init__(self, began, answered, at, name, reply, seconds):
        self.at, self.name, self.seconds = at - began, name, seconds
        self.is_aws, self.is_hot = "amazonaws" in name, name.startswith("hot")
        self.rcode, self.addresses = rcode(reply), addresses(reply)
        self.is_good = len(self.addresses) == 1 and self.addresses[0] in ANSWER.values()
        if not self.is_good:
            self.source = "unknown"
        elif any(option.otype == 15 and option.code == 3 for option in reply.options):
            self.source = "stale"
        elif any(at - 0.005 <= when <= at + seconds for when in answered.get(name + ".", ())):
            self.source = "fresh"
        else:
            self.source = "cache"


class Report:
    def __init__(self, seconds, events, results, packets, code, output):
        self.seconds, self.events, self.results, self.packets = seconds, events, results, packets
        self.code, self.output = code, output
        known = set()  # names that have had an answer: they have one for ever, if an old one
        self.unanswered = []
        for r in results:
            if r.is_good:
                known.add(r.name)
            elif self.is_answerable(r, r.name in known):
                r.source = "missed"
                self.unanswered.append(r)

    def states(self, ip, start, end):
        """All states of a server within this time."""
        out, current = set(), "well"
        for at, which, state in self.events:
            if which != ip:
                continue
            if at > start:
                out.add(current)
            if at > end:
                return out
            current = state
        return out | {current}

    def is_answerable(self, r, is_known):
        """A server of its route is well for long enough from now on; or there is an old answer, and nobody denies the
        name: a denial ends an old answer, and the first healthy server of a group speaks for it."""
        now = {ip: self.states(ip, r.at - BEFORE_S, r.at + AFTER_S) for ip in NAMES}
        corporate = now[A] <= WELL or now[B] <= WELL
        if not r.is_aws:
            return corporate or is_known
        is_denied = "denies" in now[A] | now[B] | now[V]
        return now[V] <= WELL or (not is_denied and (corporate or (is_known and not self.was_denied(r.at))))

    def was_denied(self, until):
        """Since the last time that a name in use was surely answered anew."""
        return any("denies" in self.states(ip, until - 60, until) for ip in NAMES)

    def dead_until(self):
        """Moments at which the first server of a route came back to where none was: (moment, is_aws)."""
        out, state = [], {ip: "well" for ip in NAMES}
        for at, ip, new in self.events:
            for is_aws, route in ((False, (A, B)), (True, (A, B, V))):
                was = any(state[s] in WELL for s in route)
                if ip in route and new in WELL and not was and self.states(ip, at, at + RECOVERY_S) <= WELL:
                    out.append((at, is_aws))
            state[ip] = new
        return out

    def recoveries(self):
        """[(moment, is_aws, seconds until a name that nobody had asked for was answered)]."""
        out = []
        for at, is_aws in self.dead_until():
            done = [r.at + r.seconds - at for r in self.results
                    if r.is_aws == is_aws and not r.is_hot and r.is_good and r.at + r.seconds > at]
            out.append((at, is_aws, min(done, default=None)))
        return out

    def preferred_back(self):
        """[(moment, seconds until the first server was used again after it came back and stayed)]."""
        out, state = [], "well"
        for at, ip, new in self.events:
            if ip != A:
                continue
            if new == "well" and state not in WELL and self.states(A, at + 0.01, at + RECOVERY_S) == {"well"}:
                done = [r.at + r.seconds - at for r in self.results
                        if not r.is_hot and not r.is_aws and r.addresses == [ANSWER[A]] and r.at + r.seconds > at]
                out.append((at, min(done, default=None)))
            state = new
        return out

    def most_packets(self, window=1.0):
        """Most packets to one server within so many seconds."""
        most = 0
        for ip in NAMES:
            times = sorted(at for at, dst in self.packets if dst == ip)
            first = 0
            for last, at in enumerate(times):
                while at - times[first] > window:
                    first += 1
                most = max(most, last - first + 1)
        return most

    def faults(self):
        """What must hold and did not, in words."""
        out = [f"{r.at:.1f} s: {r.name}: {r.rcode} {' '.join(r.addresses)} after {r.seconds:.2f} s, could be answered"
               for r in self.unanswered]
        out += [f"{at:.1f} s: {'AWS' if aws else 'other'} names after {s} s" for at, aws, s in self.recoveries()
                if s is None or s > RECOVERY_S]
        out += [f"{at:.1f} s: the first server was used again after {s} s" for at, s in self.preferred_back()
                if s is None or s > RECOVERY_S]
        if self.most_packets() > 2 * BUDGET or self.most_packets(10) > 11 * BUDGET:
            out.append(f"{self.most_packets()} packets to one server in a second, {self.most_packets(10)} in ten")
        if any(r.rcode == "no reply" for r in self.results):
            out.append(f"{sum(r.rcode == 'no reply' for r in self.results)} questions without any reply")
        if len(self.results) < 0.97 * RATE * self.seconds:
            out.append(f"only {len(self.results)} questions were asked")
        if self.code != 0:
            out.append(f"penstock ended with {self.code}")
        return out

    def text(self):
        sources = collections.Counter(r.source for r in self.results)
        waits = sorted(r.seconds for r in self.results if r.is_good)
        recoveries = [s for *_, s in self.recoveries()]
        back = [s for _, s in self.preferred_back()]
        slowest = {k: max((r.seconds for r in self.results if r.source == k), default=0) for k in sources}
        changes = collections.Counter(state for _, _, state in self.events)
        lines = [f"{self.seconds:.0f} s, {len(self.results)} questions, {RATE} a second; server changes: "
                 + ", ".join(f"{n} x {s}" for s, n in sorted(changes.items())),
                 "answers: " + ", ".join(f"{sources[k]} {k} (slowest {slowest[k] * 1000:.0f} ms)"
                                         for k in ("cache", "fresh", "stale", "unknown", "missed") if k in sources),
                 f"time of good answers: median {waits[len(waits) // 2] * 1000:.1f} ms, "
                 f"99 % {waits[int(len(waits) * 0.99)] * 1000:.0f} ms, most {waits[-1] * 1000:.0f} ms",
                 "unknown: no server that answered knew the name, and nobody had asked for it before; missed: somebody "
                 f"knew, or there was an older answer ({len(self.unanswered)})",
                 f"packets to servers: {len(self.packets)}, at most {self.most_packets()} to one in a second "
                 f"(budget {BUDGET})",
                 f"recovery from nothing: {len(recoveries)} times, slowest {max(recoveries, default=0):.2f} s; "
                 f"first server used again: {len(back)} times, slowest {max(back, default=0):.2f} s"]
        return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="python3 -m lab.drill", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--svg", help="write the chart there")
    args = parser.parse_args()
    net.reexec([sys.executable, "-m", "lab.drill", *sys.argv[1:]])
    from lab.drill_chart import chart
    network = net.Net()
    drill = Drill(network, network.host("client", "10.0.1.2/16"), network.host("penstock", "10.0.1.10/16"),
                  os.path.join(ROOT, "build", "drill"))
    report = drill.run(args.minutes * 60)
    print(report.text())
    if args.svg:
        with open(args.svg, "w") as f:
            f.write(chart(report))
    faults = report.faults()
    print("\n".join(faults[:50]) if faults else "all that must hold held")
    network.close()
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()

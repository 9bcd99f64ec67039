"""The name servers of lab/vpc.py: unbound whose whole behaviour is given anew for each scenario, BIND, dnsmasq, and
a relay that takes its time.

What a server knows is a table: name -> addresses. "*.s3.eu-west-1.amazonaws.com" stands for the name behind the star
and everything below it; no address is NODATA; a word is one of unbound's kinds of zone (always_nxdomain, always_nodata,
always_refuse, always_deny: silence)."""

import heapq
import socket
import threading
import time

import dns.exception
import dns.message

from lab.dns import wait_dns
from lab.peers import Server, zone_text

GENERATION = "generation.lab."


def names(table, closed=True, ttl=5):
    """The table in unbound's words. closed: what is not in it does not exist."""
    lines = ['local-zone: "." static'] if closed else []
    for name, what in table.items():
        base = name.removeprefix("*.")
        if isinstance(what, str):
            lines.append(f'local-zone: "{base}." {what}')
            continue
        lines.append(f'local-zone: "{base}." {"redirect" if name != base else "static"}')
        lines.append(f"local-data: '{base}. {ttl} TXT \"lab\"'")
        lines += [f'local-data: "{base}. {ttl} {"AAAA" if ":" in a else "A"} {a}"' for a in what]
    return lines


def forwards(to):
    """zone -> server or servers."""
    lines = []
    for zone, servers in to.items():
        lines += ["forward-zone:", f' name: "{zone}"']
        lines += [f" forward-addr: {s}" for s in ([servers] if isinstance(servers, str) else servers)]
    return lines


class Resolver(Server):
    """unbound at several addresses of a host, where it is the nth of its kind."""

    def __init__(self, host, folder, ips, nth=0):
        self.ips = ips
        self.control = ("127.0.0.1", 8953 + nth)
        self.generation = 0
        super().__init__(host, folder, ips[0], "unbound", GENERATION)

    def command(self):
        self.write("behaviour.conf", self._behaviour({}, True, {}))
        interfaces = "".join(f" interface: {ip}\n" for ip in self.ips)
        # Forwarded names include local and private ones: the built-in empty zones must not take them.
        head = ('server:\n username: ""\n chroot: ""\n pidfile: ""\n use-syslog: no\n do-daemonize: no\n'
                f' directory: "{self.folder}"\n{interfaces} access-control: 0.0.0.0/0 allow\n access-control: ::/0 allow\n'
                " num-threads: 1\n module-config: iterator\n qname-minimisation: no\n verbosity: 1\n log-queries: yes\n"
                " unblock-lan-zones: yes\n do-not-query-localhost: no\n edns-buffer-size: 1232\n"
                f' include: "{self.folder}/behaviour.conf"\n'
                f"remote-control:\n control-enable: yes\n control-interface: {self.control[0]}\n"
                f" control-port: {self.control[1]}\n control-use-cert: no\n")
        return ["unbound", "-d", "-p", "-c", self.write("unbound.conf", head)]

    def _behaviour(self, table, closed, to):
        self.generation += 1
        lines = ["server:", *names(table, closed), f"local-data: '{GENERATION} 0 TXT \"{self.generation}\"'"]
        lines += forwards(to)
        return "\n".join(lines) + "\n"

    def say(self, table, closed=True, forward=None):
        """From now on this. forward: zone -> servers, for what the table does not have (then closed must be off).
        Returns when it is so; the cache is empty then."""
        text = self._behaviour(table, closed, forward or {})
        self.write("behaviour.conf", text)
        with self.host.connect(self.control) as sock:
            sock.sendall(b"UBCT1 reload\n")
            said = b""
            while more := sock.recv(4096):
                said += more
        if said.strip() != b"ok":
            raise RuntimeError(f"unbound: {said!r}")
        self._await_generation()

    def _await_generation(self):
        query = dns.message.make_query(GENERATION, "TXT")
        deadline = time.monotonic() + 5
        with self.host.enter():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            sock.settimeout(0.1)
            while time.monotonic() < deadline:
                sock.sendto(query.to_wire(), (self.ip, 53))
                try:
                    reply = dns.message.from_wire(sock.recv(4096))
                except (OSError, dns.exception.DNSException):
                    continue
                if f'"{self.generation}"' in str(reply.answer):
                    return
                time.sleep(0.005)
        with open(self.log) as f:
            raise RuntimeError(f"unbound did not take its new configuration:\n{f.read()[-2000:]}")


class RefusingBind(Server):
    """BIND as it behaves for those that it does not serve, with two addresses: at refusing it is authoritative for
    the company's zone alone and refuses all else; at failing its copies of Amazon's zones are broken: SERVFAIL."""

    def __init__(self, host, folder, refusing, failing, zone, broken):
        self.refusing, self.failing, self.zone, self.broken = refusing, failing, zone, broken
        super().__init__(host, folder, refusing, "named", zone)
        wait_dns(host, failing, zone)

    def command(self):
        self.write(self.zone + ".zone", zone_text(self.zone, ["files A 10.9.0.99"], self.refusing))
        broken = "".join(f'zone "{z}" {{ type primary; file "{z}.missing"; }};\n' for z in self.broken)
        own = f'zone "{self.zone}" {{ type primary; file "{self.zone}.zone"; }};\n'
        conf = self.write("named.conf", f'options {{ directory "{self.folder}"; pid-file none; session-keyfile none;\n'
                          f"listen-on {{ {self.refusing}; {self.failing}; }}; listen-on-v6 {{ }}; recursion no;\n"
                          "allow-query { any; }; empty-zones-enable no; dnssec-validation no; };\ncontrols { };\n"
                          f'view "refusing" {{ match-destinations {{ {self.refusing}; }};\n{own}}};\n'
                          f'view "failing" {{ match-destinations {{ {self.failing}; }};\n{own}{broken}}};\n')
        return ["named", "-g", "-n", "1", "-c", conf]


class SinkholeDnsmasq(Server):
    """dnsmasq with a block list: blocked names have the address 0.0.0.0. It forwards the others."""

    def __init__(self, host, folder, ip, blocked, to):
        self.blocked, self.to = blocked, to
        super().__init__(host, folder, ip, "dnsmasq", blocked[0])

    def command(self):
        return ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=",
                "--group=", "--pid-file=", "--log-facility=-", "--bind-interfaces", f"--listen-address={self.ip}",
                "--no-poll", f"--server={self.to}", *(f"--address=/{zone}/0.0.0.0" for zone in self.blocked)]


class Relay:
    """Takes datagrams and hands them on, both ways at once after `delay` seconds: a far-away server. There is no
    netem where this runs."""

    def __init__(self, host, ip, upstream, delay):
        self.host, self.upstream, self.delay = host, upstream, delay
        self.front = host.listen(53, ip, socket.SOCK_DGRAM)
        self.front_tcp = host.listen(53, ip)
        self.due = []
        self.wake = threading.Condition()
        self.n = 0
        threading.Thread(target=self._receive, daemon=True).start()
        threading.Thread(target=self._send, daemon=True).start()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            sock, _ = self.front_tcp.accept()
            threading.Thread(target=self._tcp, args=(sock,), daemon=True).start()

    def _tcp(self, client):
        """Queries and replies one after the other, each as late as a datagram would be."""
        with client, self.host.connect((self.upstream, 53)) as server:
            try:
                while wire := client.recv(65535):
                    time.sleep(self.delay)
                    server.sendall(wire)
                    client.sendall(server.recv(65535))
            except OSError:
                pass

    def _receive(self):
        while True:
            wire, client = self.front.recvfrom(4096)
            threading.Thread(target=self._ask, args=(wire, client, time.monotonic() + self.delay), daemon=True).start()

    def _ask(self, wire, client, at):
        with self.host.enter():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            sock.settimeout(5)
            sock.sendto(wire, (self.upstream, 53))
            try:
                reply = sock.recv(65535)
            except OSError:
                return
        with self.wake:
            self.n += 1
            heapq.heappush(self.due, (at, self.n, reply, client))
            self.wake.notify()

    def _send(self):
        while True:
            with self.wake:
                while not self.due or self.due[0][0] > time.monotonic():
                    self.wake.wait(self.due[0][0] - time.monotonic() if self.due else None)
                _, _, reply, client = heapq.heappop(self.due)
            self.front.sendto(reply, client)

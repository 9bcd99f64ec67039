"""The name servers of the lab: unbound and BIND as they come from Debian, and one that misbehaves on request."""

import os
import socket
import struct
import subprocess
import threading
import time

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

AWS_ZONES = ("amazonaws.com", "aws.amazon.com", "api.aws", "compute.internal")


def wait_dns(host, ip, name, timeout=10.0):
    """Poll until a server answers at all."""
    query = dns.message.make_query(name, "A").to_wire()
    deadline = time.monotonic() + timeout
    with host.enter():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(0.1)
        while time.monotonic() < deadline:
            try:
                sock.sendto(query, (ip, 53))
                sock.recv(4096)
                return
            except OSError:
                time.sleep(0.02)
    raise RuntimeError(f"no name server at {ip} after {timeout} s")


class Bind:
    """BIND, standing where Amazon's resolver stands; authoritative for the zones it is given."""

    def __init__(self, host, folder, ip, zones, ip6=None):
        self.host, self.ip = host, ip
        self.folder = os.path.join(folder, "bind-" + host.name)
        os.makedirs(self.folder, exist_ok=True)
        self.querylog = os.path.join(self.folder, "queries.log")
        conf = [f'options {{ directory "{self.folder}"; pid-file none; session-keyfile none;',
                f"listen-on {{ {ip}; }}; listen-on-v6 {{ {ip6 + ';' if ip6 else ''} }};",
                "recursion no; allow-query { any; }; empty-zones-enable no; dnssec-validation no;",
                "minimal-responses yes; };", "controls { };",
                f'logging {{ channel q {{ file "{self.querylog}"; print-time iso8601; }};',
                "category queries { q; }; };"]
        for zone, lines in zones.items():
            conf.append(f'zone "{zone}" {{ type primary; file "{zone}.zone"; check-names ignore; }};')
            with open(os.path.join(self.folder, zone + ".zone"), "w") as f:
                f.write(f"$ORIGIN {zone}.\n$TTL 5\n@ SOA ns hostmaster 1 3600 600 86400 5\n@ NS ns\n"
                        f"ns A {ip}\n" + "\n".join(lines) + "\n")
        path = os.path.join(self.folder, "named.conf")
        with open(path, "w") as f:
            f.write("\n".join(conf) + "\n")
        log = open(os.path.join(self.folder, "named.log"), "w")
        self.process = host.popen(["named", "-g", "-n", "1", "-c", path], stdout=log, stderr=log,
                                  stdin=subprocess.DEVNULL)
        wait_dns(host, ip, next(iter(zones)))

    def queries(self):
        """Lines of the query log so far."""
        try:
            with open(self.querylog) as f:
                return f.read().splitlines()
        except FileNotFoundError:
            return []


class Unbound:
    """unbound as a corporate resolver. What it says of a zone can be changed while it runs."""

    def __init__(self, host, folder, ip, data=()):
        self.host, self.ip = host, ip
        self.folder = os.path.join(folder, "unbound-" + host.name)
        os.makedirs(self.folder, exist_ok=True)
        self.control = os.path.join("/run", f"unbound-{host.name}.sock")
        self.conf = os.path.join(self.folder, "unbound.conf")
        with open(self.conf, "w") as f:
            f.write('server:\n username: ""\n chroot: ""\n pidfile: ""\n use-syslog: no\n do-daemonize: no\n'
                    f' directory: "{self.folder}"\n interface: {ip}\n access-control: 0.0.0.0/0 allow\n'
                    " num-threads: 1\n do-ip6: no\n module-config: iterator\n log-queries: yes\n verbosity: 1\n"
                    " local-zone: . static\n" + "".join(f' local-data: "{d}"\n' for d in data)
                    + f"remote-control:\n control-enable: yes\n control-interface: {self.control}\n"
                      " control-use-cert: no\n")
        log = open(os.path.join(self.folder, "unbound.log"), "w")
        self.process = host.popen(["unbound", "-d", "-p", "-c", self.conf], stdout=log, stderr=log,
                                  stdin=subprocess.DEVNULL)
        wait_dns(host, ip, "corp.test")

    def ctl(self, *args, **kw):
        done = subprocess.run(["unbound-control", "-c", self.conf, *args], capture_output=True, text=True,
                              check=False, **kw)
        if done.returncode != 0:
            raise RuntimeError(f"unbound-control {args}: {done.stdout}{done.stderr}")

    def say(self, kind, zones=AWS_ZONES, data=()):
        """kind: a local-zone type (always_nxdomain, always_nodata, always_refuse, always_deny = silence,
        static, redirect); data: resource records in it."""
        for zone in zones:
            self.ctl("local_zone_remove", zone)
            self.ctl("local_zone", zone, kind)
        for record in data:
            self.ctl("local_data", *record.split())


class Scripted:
    """A name server whose every answer is a function. `behave` is called with (query, transport) and returns
    a message, bytes, or None for silence. Ready-made behaviours are the methods below."""

    def __init__(self, host, ip):
        self.host, self.ip = host, ip
        self.behave = self.nxdomain
        self.log = []
        self.udp = host.listen(53, ip, socket.SOCK_DGRAM)
        self.tcp = host.listen(53, ip)
        threading.Thread(target=self._serve_udp, daemon=True).start()
        threading.Thread(target=self._serve_tcp, daemon=True).start()

    def close(self):
        self.udp.close()
        self.tcp.close()

    def _answer(self, wire, transport):
        query = dns.message.from_wire(wire)
        question = query.question[0]
        self.log.append((time.monotonic(), transport, question.name.to_text().lower(), question.rdtype))
        out = self.behave(query, transport)
        return out.to_wire(max_size=65535) if isinstance(out, dns.message.Message) else out

    def _serve_udp(self):
        while True:
            try:
                wire, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            try:
                out = self._answer(wire, "udp")
                if out is not None:
                    self.udp.sendto(out, peer)
            except Exception as error:  # a broken script must show in the log, not end the server
                self.log.append((time.monotonic(), "error", repr(error), 0))

    def _serve_tcp(self):
        while True:
            try:
                sock, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._tcp_client, args=(sock,), daemon=True).start()

    def _tcp_client(self, sock):
        with sock, sock.makefile("rb") as stream:
            try:
                while head := stream.read(2):
                    out = self._answer(stream.read(struct.unpack("!H", head)[0]), "tcp")
                    if out is not None:
                        sock.sendall(struct.pack("!H", len(out)) + out)
            except OSError:
                pass

    # Behaviours
    @staticmethod
    def silent(query, transport):
        return None

    @staticmethod
    def rcode(code):
        def behave(query, transport):
            reply = dns.message.make_response(query)
            reply.set_rcode(code)
            return reply
        return behave

    @staticmethod
    def nxdomain(query, transport):
        return Scripted.rcode(dns.rcode.NXDOMAIN)(query, transport)

    @staticmethod
    def servfail(query, transport):
        return Scripted.rcode(dns.rcode.SERVFAIL)(query, transport)

    @staticmethod
    def refused(query, transport):
        return Scripted.rcode(dns.rcode.REFUSED)(query, transport)

    @staticmethod
    def refused_bare(query, transport):
        """REFUSED as a bare header without the question, as some firewalls send it."""
        return struct.pack("!HHHHHH", query.id, 0x8000 | 5, 0, 0, 0, 0)

    @staticmethod
    def nodata(query, transport):
        return dns.message.make_response(query)

    @staticmethod
    def addresses(*addrs, ttl=5):
        """Every name has these addresses."""
        def behave(query, transport):
            reply = dns.message.make_response(query)
            question = query.question[0]
            kind = {1: "A", 28: "AAAA"}.get(question.rdtype)
            mine = [a for a in addrs if (":" in a) == (kind == "AAAA")]
            if kind and mine:
                reply.answer.append(dns.rrset.from_text(question.name, ttl, "IN", kind, *mine))
            return reply
        return behave

    @staticmethod
    def truncated(then):
        """TC=1 over UDP, the whole answer over TCP."""
        def behave(query, transport):
            if transport == "tcp":
                return then(query, transport)
            reply = dns.message.make_response(query)
            reply.flags |= dns.flags.TC
            return reply
        return behave

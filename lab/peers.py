"""Name servers from Debian beside those of lab/dns.py: as upstreams with zones that a test gives, and as forwarders
that are asked the same as penstock."""

import os
import subprocess

from lab.dns import wait_dns


class Server:
    """One process that answers on port 53 of an address."""

    def __init__(self, host, folder, ip, name, probe):
        self.host, self.ip, self.name = host, ip, name
        self.folder = os.path.join(folder, f"{name}-{ip}")
        os.makedirs(self.folder, exist_ok=True)
        self.log = os.path.join(self.folder, "log")
        with open(self.log, "w") as log:
            self.process = host.popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_dns(host, ip, probe)

    def command(self):
        raise NotImplementedError

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def zone_text(zone, lines, ip, ttl=5):
    return (f"$ORIGIN {zone}.\n$TTL {ttl}\n@ SOA ns hostmaster 1 3600 600 86400 5\n@ NS ns\nns A {ip}\n"
            + "\n".join(lines) + "\n")


class Knot(Server):
    """knotd: authoritative for the zones it is given (name -> lines of a zone file)."""

    def __init__(self, host, folder, ip, zones, ttl=5):
        self.zones, self.ttl = zones, ttl
        super().__init__(host, folder, ip, "knotd", next(iter(zones)))

    def command(self):
        conf = [f'server:\n  rundir: "{self.folder}"\n  listen: {self.ip}@53\n  udp-workers: 1\n  tcp-workers: 1',
                "  background-workers: 1\n  udp-max-payload: 4096", f'database:\n  storage: "{self.folder}"',
                "log:\n  - target: stderr\n    any: warning",
                f'template:\n  - id: default\n    storage: "{self.folder}"\n    journal-content: none',
                "    zonefile-sync: -1\n    semantic-checks: off\nzone:"]
        for zone, lines in self.zones.items():
            self.write(zone + ".zone", zone_text(zone, lines, self.ip, self.ttl))
            conf.append(f'  - domain: {zone}\n    file: "{zone}.zone"')
        return ["knotd", "-c", self.write("knot.conf", "\n".join(conf) + "\n")]


class Kresd(Server):
    """Knot Resolver, which forwards everything."""

    def __init__(self, host, folder, ip, upstreams, probe):
        self.upstreams = upstreams
        super().__init__(host, folder, ip, "kresd", probe)

    def command(self):
        to = ", ".join(f"'{u}'" for u in self.upstreams)
        conf = self.write("kresd.conf", f"net.listen('{self.ip}', 53, {{ kind = 'dns' }})\n"
                          "trust_anchors.remove('.')\nmodules.unload('ta_update')\ncache.size = 10 * MB\n"
                          "modules.unload('priming')\n"
                          f"policy.add(policy.all(policy.STUB({{ {to} }})))\n")
        return ["kresd", "-n", "-q", "-c", conf, self.folder]


def as_forwards(to):
    """Either a list of servers for everything, or zone -> list of servers."""
    return to if isinstance(to, dict) else {".": to}


class UnboundForwarder(Server):
    def __init__(self, host, folder, ip, to, probe, more=""):
        self.to, self.more = as_forwards(to), more
        super().__init__(host, folder, ip, "unbound", probe)

    def command(self):
        conf = ['server:\n username: ""\n chroot: ""\n pidfile: ""\n use-syslog: no\n do-daemonize: no',
                f' directory: "{self.folder}"\n interface: {self.ip}\n access-control: 0.0.0.0/0 allow',
                " num-threads: 1\n do-ip6: no\n module-config: iterator\n verbosity: 1\n unblock-lan-zones: yes",
                ' local-zone: "test." nodefault\n edns-buffer-size: 1232\n qname-minimisation: no',
                " outgoing-range: 4096\n num-queries-per-thread: 4096\n rrset-roundrobin: no\n" + self.more,
                "remote-control:\n control-enable: no"]
        for zone, servers in self.to.items():
            conf.append(f'forward-zone:\n name: "{zone}"\n' + "\n".join(f" forward-addr: {s}" for s in servers))
        return ["unbound", "-d", "-p", "-c", self.write("unbound.conf", "\n".join(conf) + "\n")]


class DnsmasqForwarder(Server):
    def __init__(self, host, folder, ip, to, probe, more=()):
        self.to, self.more = as_forwards(to), more
        super().__init__(host, folder, ip, "dnsmasq", probe)

    def command(self):
        servers = [f"--server={'' if zone == '.' else f'/{zone}/'}{s}"
                   for zone, to in self.to.items() for s in to]
        return ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                "--user=", "--group=", "--pid-file=", "--log-facility=-", "--bind-interfaces",
                f"--listen-address={self.ip}", "--no-poll", "--cache-size=10000", "--dns-forward-max=4000",
                "--edns-packet-max=1232", "--strict-order", *servers, *self.more]

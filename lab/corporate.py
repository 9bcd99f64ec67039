"""On-premises DNS as it stands in a company: BIND, Unbound and dnsmasq that know a zone of their own, ask "the internet"
for the rest, and include the text of `penstock forwarding` as it is. They validate DNSSEC and drop private addresses
in public answers where they are told to."""

import os

import dns.dnssec
import dns.name

from lab import dnsclient
from lab.peers import Server, zone_text

OWN_ZONE, OWN_NAME, OWN_ADDRESS = "corp.example", "files.corp.example", "10.0.7.80"


class SignedRoot(Server):
    """knotd with a root zone of its own, signed, in which the whole internet stands."""

    def __init__(self, host, folder, ip, lines):
        self.lines = lines
        super().__init__(host, folder, ip, "knotd", ".")
        with host.enter():
            reply = dnsclient.ask(ip, ".", "DNSKEY", edns=0)
        self.key = next(rd for rrset in reply.answer for rd in rrset if rd.flags & 1)

    def command(self):
        self.write("root.zone", "\n".join(
            ["$TTL 60", ". SOA a.root. host.root. 1 3600 600 86400 60", ". NS a.root.", f"a.root. A {self.ip}",
             *self.lines]) + "\n")
        conf = (f'server:\n  rundir: "{self.folder}"\n  listen: {self.ip}@53\n'
                f'database:\n  storage: "{self.folder}"\nlog:\n  - target: stderr\n    any: warning\n'
                "policy:\n  - id: one\n    single-type-signing: on\n"
                f'zone:\n  - domain: .\n    storage: "{self.folder}"\n    file: "root.zone"\n    zonefile-sync: -1\n'
                "    journal-content: none\n    dnssec-signing: on\n    dnssec-policy: one\n")
        return ["knotd", "-c", self.write("knot.conf", conf)]

    def dnskey(self):
        return self.key.to_text()

    def ds(self):
        return dns.dnssec.make_ds(dns.name.root, self.key, "SHA256").to_text()


class Corporate(Server):
    """internet: a SignedRoot. text: what penstock wrote, for a file that is included; None for none.
    strict: DNSSEC is validated, and private addresses from outside are dropped."""

    kind = None

    def __init__(self, host, folder, internet, text=None, strict=False, more=""):
        self.internet, self.text, self.strict, self.more = internet, text, strict, more
        super().__init__(host, os.path.join(folder, f"{self.kind}-{host.name}"), host.ip, self.kind, OWN_NAME)

    def included(self):
        return self.write("penstock.conf", self.text) if self.text is not None else None


class CorporateBind(Corporate):
    kind = "bind"

    def command(self):
        """more: statements for `options`."""
        self.write("own.zone", zone_text(OWN_ZONE, [f"files A {OWN_ADDRESS}"], self.ip))
        path, anchor = self.included(), self.internet.dnskey().split()
        conf = [f'options {{ directory "{self.folder}"; pid-file none; session-keyfile none; recursion yes;',
                f"listen-on {{ {self.ip}; }}; listen-on-v6 {{ none; }}; allow-query {{ any; }};",
                f"forwarders {{ {self.internet.ip}; }}; forward only; empty-zones-enable yes;",
                f"dnssec-validation {'yes' if self.strict else 'no'};", self.more, "};", "controls { };",
                f'zone "{OWN_ZONE}" {{ type primary; file "own.zone"; }};']
        if self.strict:
            conf.append(f'trust-anchors {{ . static-key {" ".join(anchor[:3])} "{"".join(anchor[3:])}"; }};')
        if path:
            conf.append(f'include "{path}";')
        self.conf = self.write("named.conf", "\n".join(conf) + "\n")
        return ["named", "-g", "-n", "1", "-c", self.conf]

    check = staticmethod(lambda server: ["named-checkconf", server.conf])


class CorporateUnbound(Corporate):
    kind = "unbound"

    def command(self):
        path = self.included()
        conf = ['server:\n username: ""\n chroot: ""\n pidfile: ""\n use-syslog: no\n do-daemonize: no',
                f' directory: "{self.folder}"\n interface: {self.ip}\n access-control: 0.0.0.0/0 allow\n num-threads: 1',
                f' do-ip6: no\n local-zone: "{OWN_ZONE}" static\n local-data: "{OWN_NAME} A {OWN_ADDRESS}"',
                f' module-config: "{"validator iterator" if self.strict else "iterator"}"']
        if self.strict:
            conf.append(f' trust-anchor: ". DNSKEY {self.internet.dnskey()}"\n private-address: 10.0.0.0/8')
        conf.append(f'remote-control:\n control-enable: no\nforward-zone:\n name: "."\n forward-addr: {self.internet.ip}')
        if path:
            conf.append(f'include: "{path}"')
        self.conf = self.write("unbound.conf", "\n".join(conf) + "\n")
        return ["unbound", "-d", "-p", "-c", self.conf]

    check = staticmethod(lambda server: ["unbound-checkconf", server.conf])


class CorporateDnsmasq(Corporate):
    kind = "dnsmasq"

    def command(self):
        path = self.included()
        conf = ["keep-in-foreground", "no-resolv", "no-hosts", "user=", "group=", "pid-file=", "log-facility=-",
                "bind-interfaces", f"listen-address={self.ip}", f"server={self.internet.ip}", f"local=/{OWN_ZONE}/",
                f"address=/{OWN_NAME}/{OWN_ADDRESS}"]
        if self.strict:
            conf += ["dnssec", "trust-anchor=." + "," + ",".join(self.internet.ds().split()), "stop-dns-rebind"]
        if path:
            conf.append(f"conf-file={path}")
        self.conf = self.write("dnsmasq.conf", "\n".join(conf) + "\n")
        return ["dnsmasq", f"--conf-file={self.conf}"]

    check = staticmethod(lambda server: ["dnsmasq", "--test", f"--conf-file={server.conf}"])


KINDS = {c.kind: c for c in (CorporateBind, CorporateUnbound, CorporateDnsmasq)}

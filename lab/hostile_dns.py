"""A name server that does wrong on purpose: one address for each behaviour, so that none disturbs another.

The genuine answer to every A question is GENUINE; whoever gives FORGED to its client believed what it should not.
A behaviour is a function of an Exchange; its docstring is what the table of the tests calls it."""

import selectors
import socket
import struct
import threading
import time

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rrset

GENUINE, FORGED = "192.0.2.1", "203.0.113.66"
ZONE = "hostile.test"
BEHAVIOURS = {}  # filled by lab/hostile_replies.py
A, NS, CNAME, SOA, AAAA, DNAME, OPT = 1, 2, 5, 6, 28, 39, 41


def behaviour(function):
    BEHAVIOURS[function.__name__.replace("_", "-")] = function
    return function


def rr(owner, rdtype, rdata, ttl=60, rdclass=1, rdlength=None):
    return owner + struct.pack("!HHIH", rdtype, rdclass, ttl, len(rdata) if rdlength is None else rdlength) + rdata


def address(text):
    return socket.inet_aton(text)


def labels(text):
    """A name on the wire, uncompressed."""
    return b"".join(bytes([len(part)]) + part.encode() for part in text.strip(".").split(".")) + b"\0"


QNAME = b"\xc0\x0c"  # a pointer to the question's name
OPT_RR = b"\0" + struct.pack("!HHIH", OPT, 1232, 0, 0)


class Exchange:
    """One question as it came, and every means to answer it. nth: how often this client has asked it (1, 2 ...)."""

    def __init__(self, server, wire, transport, client, local, reply):
        self.server, self.wire, self.transport, self.client = server, wire, transport, client
        self.local, self.reply, self.nth = local, reply, 0
        self.query = dns.message.from_wire(wire)
        self.name = self.query.question[0].name
        self.rdtype = self.query.question[0].rdtype
        end = 12
        while wire[end]:
            end += wire[end] + 1
        self.question = wire[12:end + 5]
        self.is_udp = transport == "udp"

    def good(self, addr=GENUINE, ttl=60):
        reply = dns.message.make_response(self.query)
        reply.flags |= dns.flags.RA | dns.flags.AA
        if self.rdtype == A:
            reply.answer.append(dns.rrset.from_text(self.name, ttl, "IN", "A", addr))
        else:
            reply.authority.append(self.soa())
        return reply

    def soa(self, ttl=60):
        return dns.rrset.from_text(ZONE + ".", ttl, "IN", "SOA", f"ns.{ZONE}. h.{ZONE}. 1 2 3 4 {ttl}")

    def error(self, rcode, bare=False):
        if bare:
            return struct.pack("!HHHHHH", self.query.id, 0x8180 | rcode, 0, 0, 0, 0)
        reply = dns.message.make_response(self.query)
        reply.set_rcode(rcode)
        return reply

    def made(self, body=b"", counts=(1, 1, 0, 0), flags=0x8580, question=None):
        """A reply by hand: header with these counts, the question, and then the body."""
        return (struct.pack("!HHHHHH", self.query.id, flags, *counts)
                + (self.question if question is None else question) + body)

    def a(self, addr=GENUINE, owner=QNAME, **kw):
        return rr(owner, A, address(addr), **kw)

    def send(self, *messages):
        for m in messages:
            wire = m.to_wire(max_size=65535) if isinstance(m, dns.message.Message) else m
            self.reply(wire if self.is_udp else struct.pack("!H", len(wire)) + wire)

    def send_from(self, ip, port, message):
        """A reply from somewhere else than was asked."""
        with self.server.host.enter():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((ip, port))
            sock.sendto(message.to_wire(), self.client)


class Hostile:
    def __init__(self, net, name, prefix):
        """prefix: of its addresses, one for each behaviour, "10.0.20"."""
        names = list(BEHAVIOURS)
        self.address = {n: f"{prefix}.{i + 1}" for i, n in enumerate(names)}
        self.elsewhere = f"{prefix}.{len(names) + 1}"
        self.host = net.host(name, *[a + "/16" for a in (*self.address.values(), self.elsewhere)])
        self.log = []  # (time, behaviour, client's address, transport, name, type)
        self.errors = []
        self.seen = {}
        self.state = {}  # for behaviours that span several questions
        self.lock = threading.Lock()
        self.selector = selectors.DefaultSelector()
        for behaviour_name, ip in self.address.items():
            for kind, take in ((socket.SOCK_DGRAM, self._udp), (socket.SOCK_STREAM, self._accept)):
                sock = self.host.listen(53, ip, kind)
                self.selector.register(sock, selectors.EVENT_READ, (take, behaviour_name, ip))
        threading.Thread(target=self._run, daemon=True).start()

    def routes(self):
        """zone -> servers: each behaviour is a zone below ZONE."""
        return {f"{n}.{ZONE}": [ip] for n, ip in self.address.items()}

    def packets(self, behaviour_name, client):
        """(UDP questions, TCP questions) that this client has asked."""
        kinds = [e[3] for e in self.log if e[1] == behaviour_name and e[2] == client]
        return kinds.count("udp"), kinds.count("tcp")

    def _run(self):
        while True:
            for key, _ in self.selector.select():
                take, *which = key.data
                take(key.fileobj, *which)

    def _play(self, name, ip, wire, transport, client, reply):
        try:
            x = Exchange(self, wire, transport, client, ip, reply)
            with self.lock:
                key = (name, client[0], transport, x.question.lower())
                x.nth = self.seen[key] = self.seen.get(key, 0) + 1
            self.log.append((time.monotonic(), name, client[0], transport, x.name.to_text(), x.rdtype))
            BEHAVIOURS[name](x)
        except EOFError:
            raise  # a behaviour closes its connection
        except OSError:
            pass  # the client is gone
        except Exception as error:  # a broken behaviour must show, not end the server
            self.errors.append((name, repr(error)))

    def _udp(self, sock, name, ip):
        wire, client = sock.recvfrom(4096)
        threading.Thread(target=self._play, daemon=True, args=(
            name, ip, wire, "udp", client, lambda out: sock.sendto(out, client))).start()

    def _accept(self, sock, name, ip):
        conn, client = sock.accept()
        threading.Thread(target=self._tcp, daemon=True, args=(conn, client, name, ip)).start()

    def _tcp(self, conn, client, name, ip):
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with conn, conn.makefile("rb") as stream:
            try:
                while head := stream.read(2):
                    wire = stream.read(struct.unpack("!H", head)[0])
                    self._play(name, ip, wire, "tcp", client, conn.sendall)
            except (EOFError, OSError, struct.error):
                pass


def later(seconds):
    time.sleep(seconds)

"""Clients of name servers, as tests need them: one question, many at once, a steady stream."""

import select
import socket
import threading
import time

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype

TIMEOUT = 6.0


def query(name, rdtype="A", edns=0, flags=None, **kw):
    q = dns.message.make_query(name, rdtype, use_edns=edns, **kw)
    if flags is not None:
        q.flags = flags
    return q


def ask(server, name, rdtype="A", tcp=False, timeout=TIMEOUT, port=53, **kw):
    """One question from where this thread stands; reply.time is how long it took, None is silence."""
    q = query(name, rdtype, **kw)
    try:
        send = dns.query.tcp if tcp else dns.query.udp
        return send(q, server, timeout=timeout, port=port, ignore_trailing=False)
    except dns.exception.Timeout:
        return None


def rcode(reply):
    return "no reply" if reply is None else dns.rcode.to_text(reply.rcode())


def addresses(reply):
    """The A and AAAA of an answer, sorted."""
    if reply is None:
        return []
    return sorted(rd.address for rrset in reply.answer for rd in rrset
                  if rrset.rdclass == dns.rdataclass.IN
                  and rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA))


def raw(server, wire, timeout=2.0, port=53):
    """Any bytes as one datagram; the bytes that come back, or None."""
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.connect((server, port))
        sock.send(wire)
        try:
            return sock.recv(65535)
        except TimeoutError:
            return None


def many(server, wires, timeout=TIMEOUT, sockets=1, window=100):
    """All questions (bytes with an ID of their own) at once, at most `window` unanswered; index -> (reply, seconds).
    More than one socket: as many clients by turns, for servers that spread them over their workers by port.
    What the kernel's buffers lose is asked again after a second, as clients do."""
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(sockets)]
    poll = select.epoll()
    for sock in socks:
        sock.setblocking(False)
        sock.connect((server, 53))
        poll.register(sock, select.EPOLLIN)
    by_fd = {s.fileno(): n for n, s in enumerate(socks)}
    out, waiting, todo = {}, {}, iter(enumerate(wires))
    more = True
    while more or waiting:
        while more and len(waiting) < window:
            index, wire = next(todo, (None, None))
            more = index is not None
            if more:
                waiting[index % sockets, wire[:2]] = [index, time.monotonic(), 0]
                socks[index % sockets].send(wire)
        ready = poll.poll(0.05)
        now = time.monotonic()
        for fd, _ in ready:
            try:
                data = socks[by_fd[fd]].recv(65535)
            except OSError:
                continue
            index, began, _ = waiting.pop((by_fd[fd], data[:2]), (None, 0, 0))
            if index is not None:
                out[index] = (data, now - began)
        if not ready:
            for key, entry in list(waiting.items()):
                if now - entry[1] > timeout:
                    waiting.pop(key)
                elif now - entry[1] > 1 + entry[2]:
                    entry[2] += 1
                    socks[key[0]].send(wires[entry[0]])
    poll.close()
    for sock in socks:
        sock.close()
    return out


class Stream:
    """Questions at a constant rate in a thread, from where the thread that made it stands. `make(n)` gives the
    n-th (name, type); `results` gets (time asked, name, reply or None, seconds)."""

    def __init__(self, server, rate, make, timeout=TIMEOUT):
        self.server, self.rate, self.make, self.timeout = server, rate, make, timeout
        self.results = []
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.stopped.set()
        self.thread.join()

    def _run(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((self.server, 53))
            waiting, n, began = {}, 0, time.monotonic()
            while waiting or not self.stopped.is_set():
                now = time.monotonic()
                if not self.stopped.is_set() and now >= began + n / self.rate:
                    name, rdtype = self.make(n)
                    q = dns.message.make_query(name, rdtype, id=n % 65536, use_edns=0)
                    waiting[n % 65536] = (now, name)
                    n += 1
                    try:
                        sock.send(q.to_wire())
                    except OSError:
                        pass  # an ICMP error of an earlier one
                    continue
                due = began + n / self.rate - now if not self.stopped.is_set() else 0.05
                sock.settimeout(max(0.001, min(0.05, due)))
                try:
                    self._take(sock.recv(65535), waiting)
                except OSError:
                    pass
                self._expire(waiting)

    def _take(self, data, waiting):
        reply = dns.message.from_wire(data)
        asked, name = waiting.pop(reply.id, (None, None))
        if asked is not None:
            self.results.append((asked, name, reply, time.monotonic() - asked))

    def _expire(self, waiting):
        now = time.monotonic()
        for key in list(waiting):  # in the order of asking
            asked, name = waiting[key]
            if now - asked < self.timeout:
                break
            del waiting[key]
            self.results.append((asked, name, None, self.timeout))

"""What leaves a host, seen on its wire."""

import collections
import socket
import struct
import threading
import time

Packet = collections.namedtuple("Packet", "proto src sport dst dport syn at qname")


def qname_of(message):
    """The name that a DNS question over UDP asks for; as much of it as was captured."""
    labels, at = [], 12
    while at < len(message) and 0 < message[at] < 64:
        labels.append(message[at + 1:at + 1 + message[at]].decode("latin-1").lower())
        at += 1 + message[at]
    return ".".join(labels)


class Capture:
    """Every IP packet that a host sends while the block runs: TCP and UDP, IPv4 and IPv6."""

    PACKET_OUTGOING = 4

    def __init__(self, host):
        self.host = host
        self.packets = []

    def __enter__(self):
        with self.host.enter():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.sock.settimeout(0.05)
        self.stop = False
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.stop = True
        self.thread.join()
        self.sock.close()

    def _read(self):
        while True:
            try:
                data, meta = self.sock.recvfrom(128)
            except TimeoutError:
                if self.stop:
                    return
                continue
            if meta[2] == self.PACKET_OUTGOING:
                packet = self._parse(meta[1], data)
                if packet:
                    self.packets.append(packet)

    @staticmethod
    def _parse(ethertype, data):
        if ethertype == 0x0800 and len(data) >= 20:
            proto, offset = data[9], (data[0] & 15) * 4
            src, dst = socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20])
        elif ethertype == 0x86DD and len(data) >= 40:
            proto, offset = data[6], 40
            src, dst = (socket.inet_ntop(socket.AF_INET6, data[i:i + 16]) for i in (8, 24))
        else:
            return None
        if proto not in (6, 17) or len(data) < offset + 8:
            return None
        sport, dport = struct.unpack_from("!HH", data, offset)
        syn = proto == 6 and len(data) > offset + 13 and data[offset + 13] & 0x12 == 0x02
        qname = qname_of(data[offset + 8:]) if proto == 17 and dport == 53 else ""
        return Packet("tcp" if proto == 6 else "udp", src, sport, dst, dport, syn, time.monotonic(), qname)

    def opened(self):
        """TCP connections begun and DNS packets sent: (proto, address, port)."""
        return [(p.proto, p.dst, p.dport) for p in self.packets if p.syn or p.proto == "udp"]

    def dns_to(self, *addresses):
        return [p for p in self.packets if p.dport == 53 and p.dst in addresses]

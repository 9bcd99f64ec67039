"""A frozen set of zones, generated from a fixed seed, and the questions to ask of it: every kind of answer that a
forwarder has to carry."""

import random

SEED = 20260117
ZONE, OTHER = "diff.test", "other.test"
TYPES = ("A", "AAAA", "MX", "TXT", "SRV", "NAPTR", "HTTPS", "SVCB", "CAA", "CNAME", "NS", "SOA", "PTR", "TLSA", "SSHFP",
         "TYPE65401")


def v4(r):
    return f"192.0.2.{r.randrange(256)}"


def v6(r):
    return f"2001:db8::{r.randrange(65536):x}"


def text(r, least, most):
    """Strings of together so many bytes."""
    left, out = r.randrange(least, most), []
    while left > 0:
        n = min(left, r.randrange(1, 256))
        out.append('"' + "".join(r.choice("abcdefghij klmn\\;=") for _ in range(n)).replace("\\", "\\\\") + '"')
        left -= n
    return " ".join(out)


def hexes(r, n):
    return r.randbytes(n).hex()


SIMPLE = {
    "A": lambda r: [f"A {a}" for a in {v4(r) for _ in range(r.randrange(1, 9))}],
    "AAAA": lambda r: [f"AAAA {a}" for a in {v6(r) for _ in range(r.randrange(1, 5))}],
    "MX": lambda r: [f"MX {p} mx{p}.{OTHER}." for p in {r.randrange(100) for _ in range(3)}],
    "TXT": lambda r: [f"TXT {text(r, 1, 300)}" for _ in range(r.randrange(1, 3))],
    "SRV": lambda r: [f"SRV {p} 5 {r.randrange(65536)} n{p}" for p in {r.randrange(100) for _ in range(3)}],
    "NAPTR": lambda r: [f'NAPTR {r.randrange(100)} 10 "u" "E2U+sip" "!^.*$!sip:x@{OTHER}!" .'],
    "HTTPS": lambda r: [f"HTTPS 1 . alpn=h2,h3 ipv4hint={v4(r)} port={r.randrange(1, 65536)}"],
    "SVCB": lambda r: [f"SVCB {r.randrange(1, 9)} svc{r.randrange(9)}.{OTHER}. key65{r.randrange(100, 300)}=abc"],
    "CAA": lambda r: [f'CAA {r.choice((0, 128))} issue "ca{r.randrange(9)}.example"'],
    "PTR": lambda r: [f"PTR host{r.randrange(999)}.{OTHER}."],
    "TLSA": lambda r: [f"TLSA 3 1 1 {hexes(r, 32)}"],
    "SSHFP": lambda r: [f"SSHFP 4 2 {hexes(r, 32)}"],
    "TYPE65401": lambda r: ["TYPE65401 \\# %d %s" % (n, hexes(r, n)) for n in [r.randrange(1, 60)]],
}


def generate():
    """(zones for lab.peers.Knot, questions: (name, type))."""
    r = random.Random(SEED)
    lines, other, questions = [], [], []

    def add(name, records, ttl=None):
        lines.extend(f"{name} {str(ttl) + ' ' if ttl is not None else ''}{record}" for record in records)

    def ask(name, *types):
        questions.extend((f"{name}.{ZONE}".lstrip("."), t) for t in types)

    for i in range(700):
        kinds = r.sample(sorted(SIMPLE), r.randrange(1, 4))
        ttl = r.choice((None, None, 60, 300, 1, 0, 7200))
        for kind in kinds:
            add(f"n{i}", SIMPLE[kind](r), ttl)
        ask(f"n{i}", *kinds, r.choice(TYPES))
    for i in range(60):  # chains within the zone, through another one, to nothing, and to another type
        n = r.randrange(1, 11)
        for k in range(n):
            add(f"c{k}.chain{i}", [f"CNAME c{k + 1}.chain{i}"])
        end = r.choice(("A", "A", "none", "TXT", "out"))
        if end == "out":
            add(f"c{n}.chain{i}", [f"CNAME out{i}.{OTHER}."])
            other.append(f"out{i} A {v4(r)}")
        elif end != "none":
            add(f"c{n}.chain{i}", SIMPLE[end](r))
        ask(f"c0.chain{i}", "A", "AAAA", "CNAME", "TXT")
        ask(f"c{n - 1}.chain{i}", "A")
    for i in range(30):
        add(f"d{i}", [f"DNAME t{i}.{OTHER}."])
        other += [f"a.t{i} A {v4(r)}", f"b.c.t{i} TXT {text(r, 1, 50)}"]
        ask(f"a.d{i}", "A", "AAAA")
        ask(f"b.c.d{i}", "TXT")
        ask(f"none.d{i}", "A")
        ask(f"d{i}", "A", "DNAME")
    for i in range(60):
        kind = r.choice(("A", "TXT", "MX", "AAAA"))
        add(f"*.w{i}", SIMPLE[kind](r))
        add(f"there.w{i}", SIMPLE["A"](r))
        for name in ("x", "y.z", "there", "x.there", "*"):
            ask(f"{name}.w{i}", kind, "A")
        ask(f"w{i}", "A")
    for i in range(60):
        add(f"deep.under.ent{i}", SIMPLE["A"](r))
        ask(f"under.ent{i}", "A", "TXT")
        ask(f"ent{i}", "A")
        ask(f"deep.under.ent{i}", "A")
        ask(f"other.under.ent{i}", "A")
    for i in range(60):  # around and beyond what fits into 512 and 1232 bytes
        add(f"big{i}", [f"TXT {text(r, 150 * i + 300, 150 * i + 400)}"])
        add(f"many{i}", [f"A 198.51.{100 + k // 200}.{k % 200}" for k in range(i * 3 + 1)])
        ask(f"big{i}", "TXT", "A")
        ask(f"many{i}", "A", "AAAA")
    for i in range(500):
        ask(f"nx{i}", r.choice(TYPES))
        ask(f"nx.n{i}", "A")
    ask("", "SOA", "NS", "A")
    questions = [("".join(c.upper() if r.random() < 0.3 else c for c in name), t) for name, t in questions]
    r.shuffle(questions)
    return {ZONE: lines, OTHER: other}, questions

"""The drill as one SVG: answers a second by their source, packets a second, and below what the servers were doing."""

import collections

WIDTH, LEFT, RIGHT = 1100, 120, 20
SOURCES = (("cache", "#4c9f70"), ("fresh", "#3b76af"), ("stale", "#e0a030"), ("unknown", "#d9d4ce"),
           ("missed", "#c0392b"))
STATES = {"well": "#cfe8d5", "slow": "#f3e3a1", "silent": "#5b5b66", "lossy": "#a9a9b8", "servfail": "#e59a8f",
          "refused": "#dd7f9e", "garbage": "#b78ad0", "denies": "#e8743b"}
AREA_TOP, AREA_HEIGHT, PACKETS_TOP, PACKETS_HEIGHT, BANDS_TOP, BAND = 60, 220, 320, 90, 450, 22


def chart(report):
    from lab.drill import BUDGET, NAMES, RATE
    seconds = report.seconds
    step = max(1, round(seconds / 300))

    def x(at):
        return LEFT + (WIDTH - LEFT - RIGHT) * min(at, seconds) / seconds

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {BANDS_TOP + 3 * (BAND + 6) + 70}" '
           'font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="{LEFT}" y="20" font-size="15">Outage drill: {RATE} questions a second to penstock dns for '
           f'{seconds / 60:g} minutes while its servers fail</text>']
    words = {"fresh": "asked anew", "cache": "from the cache", "stale": "stale",
             "unknown": "no server that answered knew", "missed": "missed"}
    out += legend(LEFT, 42, [(f"{words[name]}: {sum(r.source == name for r in report.results)}", color)
                             for name, color in SOURCES])
    out += areas(report, step, x, RATE)
    out += packets(report, step, x, BUDGET)
    for row, (ip, name) in enumerate(NAMES.items()):
        top = BANDS_TOP + row * (BAND + 6)
        out.append(f'<text x="{LEFT - 8}" y="{top + 15}" text-anchor="end">{name}</text>')
        current, since = "well", 0.0
        for at, _, state in [e for e in report.events if e[1] == ip] + [(seconds, ip, "")]:
            out.append(f'<rect x="{x(since):.1f}" y="{top}" width="{x(at) - x(since):.1f}" height="{BAND}" '
                       f'fill="{STATES[current]}"><title>{current}, {since:.0f} to {at:.0f} s</title></rect>')
            current, since = state, at
    bottom = BANDS_TOP + 3 * (BAND + 6)
    every = 60 if seconds >= 300 else 5
    for tick in range(0, int(seconds) + 1, every):
        out.append(f'<text x="{x(tick):.1f}" y="{bottom + 14}" text-anchor="middle">'
                   f'{f"{tick // 60} min" if every == 60 else f"{tick} s"}</text>')
    out += legend(LEFT, bottom + 40, STATES.items())
    return "\n".join(out) + "\n</svg>\n"


def legend(left, top, entries):
    out = []
    for label, color in entries:
        out.append(f'<rect x="{left}" y="{top - 10}" width="12" height="12" fill="{color}"/>'
                   f'<text x="{left + 17}" y="{top}">{label}</text>')
        left += 40 + 6.5 * len(label)
    return out


def axis(top, height, most, label):
    out = [f'<text x="{LEFT - 60}" y="{top + height / 2}" text-anchor="middle" '
           f'transform="rotate(-90 {LEFT - 60} {top + height / 2})">{label}</text>']
    for share in (0, 0.5, 1):
        y = top + height * (1 - share)
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{most * share:g}</text>')
    return out


def areas(report, step, x, rate):
    counts = collections.Counter((int(r.at // step), r.source) for r in report.results)
    n = int(report.seconds // step)
    scale = AREA_HEIGHT / (rate * step * 1.1)
    base = [0.0] * n
    out = axis(AREA_TOP, AREA_HEIGHT, round(rate * 1.1), "questions a second")
    for name, color in SOURCES:
        top = [b + counts[i, name] for i, b in enumerate(base)]
        points = [f"{x(i * step):.1f},{AREA_TOP + AREA_HEIGHT - v * scale:.1f} "
                  f"{x((i + 1) * step):.1f},{AREA_TOP + AREA_HEIGHT - v * scale:.1f}" for i, v in enumerate(top)]
        points += [f"{x((i + 1) * step):.1f},{AREA_TOP + AREA_HEIGHT - base[i] * scale:.1f} "
                   f"{x(i * step):.1f},{AREA_TOP + AREA_HEIGHT - base[i] * scale:.1f}" for i in reversed(range(n))]
        out.append(f'<polygon points="{" ".join(points)}" fill="{color}"/>')
        base = top
    return out


def packets(report, step, x, budget):
    """Packets a second to the server that got most in that time."""
    counts = collections.Counter((int(at // step), dst) for at, dst in report.packets)
    most = [max((counts[i, ip] for ip in {d for _, d in counts}), default=0) / step
            for i in range(int(report.seconds // step))]
    out = axis(PACKETS_TOP, PACKETS_HEIGHT, budget, "packets a second")
    points = [f"{x((i + 0.5) * step):.1f},{PACKETS_TOP + PACKETS_HEIGHT - min(v / budget, 1.2) * PACKETS_HEIGHT:.1f}"
              for i, v in enumerate(most)]
    out.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="#444"/>')
    out.append(f'<text x="{WIDTH - RIGHT - 4}" y="{PACKETS_TOP + PACKETS_HEIGHT + 16}" text-anchor="end" fill="#666">'
               f'to the server that gets most; the top line is its budget</text>')
    return out

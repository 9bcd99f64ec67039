"""One chart as SVG: lines over logarithmic axes. Colours follow the reader's light or dark mode."""

import html
import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 820, 400, 78, 24, 46, 56
LEGEND_ROW = 22
LIGHT = ("#0b63ce", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#be185d")
DARK = ("#6cb2ff", "#ff9d5c", "#5fd38a", "#c89bff", "#e5c14d", "#ff8fc0")
DASHES = {"solid": "", "dashed": "7 4", "dotted": "2 4"}


def style():
    def rules(paper, ink, soft, grid, colors):
        lines = [f".paper{{fill:{paper}}}", f"text{{fill:{ink}}}", f".soft{{fill:{soft}}}", f".grid{{stroke:{grid}}}"]
        lines += [f".l{i}{{stroke:{c}}}.d{i}{{fill:{c}}}" for i, c in enumerate(colors)]
        return "".join(lines)
    return ("<style>" + rules("#ffffff", "#1b1f24", "#57606a", "#d8dee4", LIGHT) +
            "@media (prefers-color-scheme: dark){" + rules("#0d1117", "#e6edf3", "#9aa4af", "#30363d", DARK) +
            "}</style>")


def ticks(low, high):
    """Of 1, 2, 5 and their decades, those around the range; decades alone when that is wide."""
    steps = (1,) if high / low > 500 else (1, 2, 5)
    marks = [s * 10.0 ** d for d in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1) for s in steps]
    first = max(m for m in marks if m <= low * 1.0001)
    last = min(m for m in marks if m >= high * 0.9999)
    return [m for m in marks if first <= m <= last]


def number(value):
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g} {name}"
    return f"{value:g}"


class Axis:
    def __init__(self, marks, start, end):
        self.marks, self.start, self.end = marks, start, end
        self.low, self.high = math.log(marks[0]), math.log(marks[-1])

    def at(self, value):
        share = (math.log(value) - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + share * (self.end - self.start), 1)


def chart(title, x_label, y_label, series, x_marks=None):
    """series: rows of name, colour number, kind of line, points (x, y); x_marks: values and their words."""
    series = [(name, color, kind, [p for p in points if p[1]]) for name, color, kind, points in series]
    series = [row for row in series if row[3]]
    xs = [x for *_, points in series for x, _ in points]
    ys = [y for *_, points in series for _, y in points]
    x_marks = x_marks or [(m, number(m)) for m in ticks(min(xs), max(xs))]
    x = Axis([m for m, _ in x_marks], LEFT, WIDTH - RIGHT)
    y = Axis(ticks(min(ys), max(ys)), HEIGHT - BOTTOM, TOP)
    height = HEIGHT + LEGEND_ROW * ((len(series) + 1) // 2) + 8
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
           f'font-size="13" role="img"><title>{html.escape(title)}</title>', style(),
           '<rect class="paper" width="100%" height="100%"/>',
           f'<text x="{LEFT}" y="26" font-size="16" font-weight="bold">{html.escape(title)}</text>']
    out += grid(x, x_marks, y, x_label, y_label)
    for name, color, kind, points in series:
        path = " ".join(f"{x.at(a)},{y.at(b)}" for a, b in points)
        dash = f' stroke-dasharray="{DASHES[kind]}"' if DASHES[kind] else ""
        out.append(f'<polyline class="l{color}" points="{path}" fill="none" stroke-width="2"{dash}/>')
        out += [f'<circle class="d{color}" cx="{x.at(a)}" cy="{y.at(b)}" r="3.2"><title>{html.escape(name)}: '
                f'{b:.4g} at {a:g}</title></circle>' for a, b in points]
    return "\n".join(out + legend(series)) + "\n</svg>\n"


def grid(x, x_marks, y, x_label, y_label):
    out, middle = [], (TOP + HEIGHT - BOTTOM) / 2
    for mark, words in x_marks:
        at = x.at(mark)
        out.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
                   f'<text class="soft" x="{at}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{words}</text>')
    for mark in y.marks:
        at = y.at(mark)
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>'
                   f'<text class="soft" x="{LEFT - 8}" y="{at + 4}" text-anchor="end">{number(mark)}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">'
               f'{html.escape(x_label)} (logarithmic)</text>')
    out.append(f'<text x="20" y="{middle}" text-anchor="middle" transform="rotate(-90 20 {middle})">'
               f'{html.escape(y_label)} (logarithmic)</text>')
    return out


def legend(series):
    out = []
    for i, (name, color, kind, _) in enumerate(series):
        left, at = LEFT + (i % 2) * (WIDTH - LEFT - RIGHT) / 2, HEIGHT + LEGEND_ROW * (i // 2) + 10
        dash = f' stroke-dasharray="{DASHES[kind]}"' if DASHES[kind] else ""
        out.append(f'<line class="l{color}" x1="{left}" x2="{left + 30}" y1="{at - 4}" y2="{at - 4}" '
                   f'stroke-width="2"{dash}/><circle class="d{color}" cx="{left + 15}" cy="{at - 4}" r="3.2"/>'
                   f'<text x="{left + 38}" y="{at}">{html.escape(name)}</text>')
    return out

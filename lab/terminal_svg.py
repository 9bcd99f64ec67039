"""What a terminal of 110 columns showed, as one SVG: the few styles that penstock uses, a line of text each."""

import itertools
import re
from xml.sax.saxutils import escape

COLUMNS, WIDTH_OF_CHAR, HEIGHT_OF_LINE, MARGIN = 110, 8.4, 18, 16
STYLES = {"1": 'font-weight="bold"', "2": 'fill="#8b98a5"', "31": 'fill="#ff7b72"', "32": 'fill="#7ee787"',
          "33": 'fill="#e3b341"'}


def rows(lines):
    """Each row of the terminal as (style, character) pairs."""
    for line in lines:
        style, row = "", []
        for sequence, text in re.findall(r"(?:\033\[(\d+)m)?([^\033]*)", line):
            style = STYLES.get(sequence, "") if sequence else style
            row += [(style, c) for c in text]
        for at in range(0, max(len(row), 1), COLUMNS):
            yield row[at:at + COLUMNS]


def runs(row):
    """(column, style, text) of what stands together in a row."""
    at = 0
    for style, group in itertools.groupby(row, lambda pair: pair[0]):
        text = "".join(c for _, c in group)
        for part in re.finditer(r"\S+(?: \S+)*", text):
            yield at + part.start(), style, part[0]
        at += len(text)


def svg(lines):
    table = list(rows(lines))
    width, height = round(COLUMNS * WIDTH_OF_CHAR + 2 * MARGIN), len(table) * HEIGHT_OF_LINE + 2 * MARGIN
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
           'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" fill="#e6edf3" '
           'xml:space="preserve">', '<rect width="100%" height="100%" rx="8" fill="#10151c"/>']
    for number, row in enumerate(table):
        y = MARGIN + (number + 1) * HEIGHT_OF_LINE - 5
        for column, style, text in runs(row):
            # The length is given, so that columns stand below each other in any font.
            out.append(f'<text x="{MARGIN + column * WIDTH_OF_CHAR:.1f}" y="{y}" '
                       f'textLength="{len(text) * WIDTH_OF_CHAR:.1f}" lengthAdjust="spacingAndGlyphs" {style}>'
                       f'{escape(text)}</text>'.replace(" >", ">"))
    return "\n".join(out) + "\n</svg>\n"

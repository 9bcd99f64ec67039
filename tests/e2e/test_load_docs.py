"""The charts and tables of the load picture are those of the results beside them (./dev bench load)."""

import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import chart  # noqa: E402  pylint: disable=wrong-import-position
import report_load  # noqa: E402  pylint: disable=wrong-import-position

RESULT = json.loads((ROOT / "docs/load/results.json").read_text())
MADE = report_load.documents(RESULT)


@pytest.mark.parametrize("path", sorted(MADE))
def test_documents_are_those_of_the_results(path):
    assert (ROOT / "docs" / path).read_text() == MADE[path], "run ./dev bench load --docs"


def test_every_block_and_chart_has_its_place():
    text = "".join(MADE[path] for path in report_load.PATHS)
    for name in report_load.BLOCKS:
        assert text.count(f"<!-- load: {name} -->\n") == 1, name
    for path in MADE:
        assert path in report_load.PATHS or f"]({path})" in text, path
    assert {f"load/{p.name}" for p in (ROOT / "docs/load").glob("*.svg")} == {p for p in MADE if p.endswith(".svg")}


@pytest.mark.parametrize("path", sorted(p for p in MADE if p.endswith(".svg")))
def test_charts_stay_within_their_frame(path):
    svg = ElementTree.fromstring(MADE[path])
    lines = [e for e in svg.iter() if e.tag.endswith("polyline")]
    assert lines
    for line in lines:
        for point in line.get("points").split():
            x, y = (float(v) for v in point.split(","))
            assert chart.LEFT <= x <= chart.WIDTH - chart.RIGHT
            assert chart.TOP <= y <= chart.HEIGHT - chart.BOTTOM


def test_axes_are_logarithmic():
    axis = chart.Axis([1, 10, 100, 1000], 0, 300)
    assert [axis.at(v) for v in (1, 10, 100, 1000)] == [0, 100, 200, 300]
    assert chart.ticks(3, 70) == [2, 5, 10, 20, 50, 100]
    assert chart.ticks(1, 10000) == [1, 10, 100, 1000, 10000]

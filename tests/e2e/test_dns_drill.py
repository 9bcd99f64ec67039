"""The outage drill (lab/drill.py), short: servers die, lie, slow down and return under constant load."""

import os

from lab import drill


def test_short_drill(world, table):
    staged = drill.Drill(world.net, world.client, world.penstock_host, os.path.join(world.folder, "drill"))
    report = staged.run(30)
    table.setdefault(("Outage drill, 30 s", ""), []).extend((line,) for line in report.text().split("\n"))
    faults = report.faults()
    assert not faults, f"{len(faults)}: " + "\n".join(faults[:20])
    assert len(report.recoveries()) >= 2
    assert {r.source for r in report.results} == {"fresh", "cache", "stale", "unknown"}


def test_script_is_the_same_every_time_and_has_all_troubles():
    long = drill.script(600)
    assert long == drill.script(600)
    assert {state for _, _, state in long} == set(drill.STATES)
    assert [e for e in drill.script(30) if e[2] == "silent"] and drill.script(30)[-1][2] == "well"

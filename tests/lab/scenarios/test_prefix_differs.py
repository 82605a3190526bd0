# SPDX-License-Identifier: GPL-3.0-or-later
"""One transit treats the second test prefix otherwise: it is refused by name, with the distance, until that is mended."""

from __future__ import annotations

from typing import Any

from labkit.anycast import Fleet, client_addresses
from labkit.campaign import Campaign
from labkit.scenario import Lab
from labkit.testprefixes import NAMES, SECOND, TestPrefixes, add_second, treat_alike, treat_otherwise

PER_AS = 40


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    fleet.use_quick_predictor()
    add_second(fleet)
    fleet.bring_up()
    fleet.import_clients(client_addresses(lab, PER_AS))
    campaign = Campaign(lab, fleet)
    tests = TestPrefixes(lab, fleet)
    transit = lab.nodes["t3"]
    for family, prefix in ((4, SECOND[0]), (6, SECOND[1])):
        with lab.check(f"{transit.name} dislikes {prefix}: refused, with how far it is from the first"):
            treat_otherwise(lab, transit, prefix)
            moved = moved_share(lab, tests, prefix)
            check_refused(lab, fleet, tests, family, moved)
    with lab.check("a campaign does without it, and says so"):
        campaign.start(1)
        campaign.wait_done(90)
        used = fleet.query(fleet.mgmt, "SELECT DISTINCT test FROM experiment WHERE site <> ''")
        assert used == [(NAMES[0],)], used
        shown = fleet.ctl(fleet.mgmt, "predict", "status").stdout
        assert f"{NAMES[1]}: not used: " in shown, shown
    with lab.check("mended, it is used again after the next null run"):
        treat_alike(lab, transit)
        known = tests.null_run()
        assert known["state"] == "alike" and known["null_run"]["distance"] == 0, known
        campaign.start(1)
        campaign.wait_done(90)
        used = fleet.query(fleet.mgmt, "SELECT DISTINCT test FROM experiment WHERE site <> ''")
        assert {row[0] for row in used} == set(NAMES), used
    with lab.check("one that differs later is taken out"):
        treat_otherwise(lab, transit, SECOND[0])
        check_refused(lab, fleet, tests, 4, moved_share(lab, tests, SECOND[0]))
        treat_alike(lab, transit)
        tests.wait_restored(15)
    with lab.check("no store is damaged and every daemon ends well"):
        fleet.stop_all()
        for node in [fleet.mgmt, *fleet.sites]:
            fleet.check_store(node)


def moved_share(lab: Lab, tests: TestPrefixes, prefix: str) -> float:
    """Of the client ASes, by their own routing tables."""
    now, before = lab.truth(prefix), tests.baseline[prefix]
    moved = sum(now[name] != before[name] for name in before)
    assert 0 < moved < len(before), (now, before)
    return moved / len(before)


def is_stored(fleet: Fleet, found: dict[str, Any]) -> bool:
    """What is known is there at once, and in the store a moment later."""
    events = fleet.get(fleet.mgmt, "/v1/events?after=-1&limit=20")["events"]
    told = [event for event in events if event["subject"] == f"test prefix {NAMES[1]}"]
    row = fleet.query(
        fleet.mgmt,
        "SELECT test, first, verdict, distance, reason FROM null_run ORDER BY first_experiment DESC LIMIT 1",
    )
    return (
        bool(told)
        and told[-1]["what"].endswith("-> differs")
        and told[-1]["reason"] == found["reason"]
        and row == [(NAMES[1], NAMES[0], "differs", found["distance"], found["reason"])]
    )


def check_refused(lab: Lab, fleet: Fleet, tests: TestPrefixes, family: int, moved: float) -> None:
    known = tests.null_run()
    found: dict[str, Any] = known["null_run"]
    lab.note(f"moved {moved:.3f}, distance {found['distance']:.3f}, noise {found['noise']:.3f}, {found['reason']}")
    assert known["state"] == "differs" and not known["used"], known
    assert f"IPv{family} clients reach another site" in found["reason"], found
    assert abs(found["distance"] - moved) < 0.01, (found, moved)
    assert found["noise"] == 0 and 0.01 < found["beyond"] <= found["distance"], found
    shares = {(share["family"], share["way"]): share["distance"] for share in found["shares"]}
    assert abs(shares[(family, "moved")] - moved) < 0.01 and shares[(family, "lost")] == 0, shares
    lab.wait(lambda: is_stored(fleet, found), 10, "the event and the row are in the store")
    text = fleet.ctl(fleet.mgmt, "predict", "tests").stdout
    assert f"{NAMES[1]}: not used: {found['reason']}" in text, text

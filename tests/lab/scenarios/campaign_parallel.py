# SPDX-License-Identifier: GPL-3.0-or-later
"""A campaign over two test prefixes: its experiments overlap, its maps come true, and faults leave no prefix behind."""

from __future__ import annotations

import itertools
import signal

from labkit.anycast import Fleet, client_addresses
from labkit.campaign import Campaign, check_landing
from labkit.scenario import Lab
from labkit.testprefixes import FIRST, NAMES, SECOND, TestPrefixes, add_second

PER_AS = 40


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    fleet.use_quick_predictor()
    add_second(fleet)
    fleet.bring_up()
    fleet.import_clients(client_addresses(lab, PER_AS))
    campaign = Campaign(lab, fleet)
    tests = TestPrefixes(lab, fleet)
    with lab.check("the second test prefix is not trusted before it was compared"):
        assert {name: test["state"] for name, test in tests.all().items()} == dict(
            zip(NAMES, ("first", "unchecked"), strict=True)
        )
        plan = fleet.ask(fleet.mgmt, "predict", "plan", "--depth", "2")["plan"]
        assert (plan["tests"], plan["unchecked"]) == (2, 1), plan
    check_campaign(lab, fleet, campaign, tests)
    check_faults(lab, fleet, campaign, tests)
    check_overlap(lab, fleet, campaign, tests)
    check_real(lab, fleet, campaign)
    with lab.check("no store is damaged and every daemon ends well"):
        fleet.stop_all()
        for node in [fleet.mgmt, *fleet.sites]:
            fleet.check_store(node)


def check_campaign(lab: Lab, fleet: Fleet, campaign: Campaign, tests: TestPrefixes) -> None:
    with lab.check("a campaign begins with a null run, finds them alike and withdraws both at a time"):
        campaign.start(2)
        lab.wait(lambda: tests.second()["state"] == "alike", 30, "found alike")
        known = tests.second()["null_run"]
        assert known["compared"] == len(client_addresses(lab, PER_AS)), known
        assert known["distance"] == known["noise"] == 0, known
        lab.wait(tests.both_withdrawn, 60, "both are withdrawn at the same time")


def check_faults(lab: Lab, fleet: Fleet, campaign: Campaign, tests: TestPrefixes) -> None:
    with lab.check("the controller is killed while both are withdrawn: both come back, and the campaign goes on"):
        lab.wait(tests.both_withdrawn, 60, "both are withdrawn at the same time")
        made = campaign.state()["made"]
        fleet.kill(fleet.mgmt)
        tests.wait_restored(10)
        fleet.start(fleet.mgmt)
        lab.wait(lambda: campaign.state()["made"] > made, 30, "it goes on")
        assert tests.second()["state"] == "alike", "the null run is forgotten"
    with lab.check("an agent is killed while both are withdrawn: both come back"):
        lab.wait(tests.both_withdrawn, 60, "both are withdrawn at the same time")
        fleet.ctl(fleet.mgmt, "predict", "pause")
        withdrawn = {
            site
            for ex in fleet.status()["experiments"]
            for site in ex["withdrawn"]
            if ex["state"] in ("settle", "sweep")
        }
        sites = [site for site in fleet.sites if site.name in withdrawn]
        assert sites, "none is withdrawn any more"
        for site in sites:
            fleet.procs[site.name].kill(signal.SIGKILL)
            fleet.procs[site.name].wait()
        tests.wait_restored(15)
        for site in sites:
            fleet.start(site)
        fleet.wait_announced()
        fleet.wait_fleet()
    with lab.check("aborted while both are withdrawn: both come back"):
        fleet.ctl(fleet.mgmt, "predict", "resume")
        lab.wait(tests.both_withdrawn, 60, "both are withdrawn at the same time")
        fleet.ctl(fleet.mgmt, "predict", "abort")
        tests.wait_restored(10)
        assert tests.running() == {}
        assert campaign.state()["state"] == "aborted"


def check_overlap(lab: Lab, fleet: Fleet, campaign: Campaign, tests: TestPrefixes) -> None:
    with lab.check("a whole campaign keeps both busy, and no experiment fails"):
        campaign.start(2)
        number = campaign.state()["id"]
        campaign.wait_done(120)
        rows = fleet.query(
            fleet.mgmt,
            "SELECT test, created_ms, ended_ms, state FROM experiment WHERE campaign = ? AND site <> ''",
            (number,),
        )
        assert all(state == "done" for *_, state in rows), rows
        by_test = {name: [row[1:3] for row in rows if row[0] == name] for name in NAMES}
        assert sum(map(len, by_test.values())) == len(rows)
        overlapping = sum(
            a[0] < b[1] and b[0] < a[1] for a, b in itertools.product(by_test[NAMES[0]], by_test[NAMES[1]])
        )
        lab.note(f"{len(rows)} experiments, {len(by_test[NAMES[1]])} on the second, {overlapping} pairs overlap")
        assert all(len(times) >= len(rows) // 3 for times in by_test.values()), by_test
        assert overlapping >= len(rows) // 3, by_test
        # Nothing of the one reached the other: nobody was caught by a site that was withdrawn.
        for prefix in (*FIRST, *SECOND):
            assert lab.truth(prefix) == tests.baseline[prefix]


def check_real(lab: Lab, fleet: Fleet, campaign: Campaign) -> None:
    names = [site.name for site in fleet.sites]
    for down in [*itertools.combinations(names, 1), *itertools.combinations(names, 2)]:
        with lab.check(f"{', '.join(down)} really withdrawn: clients land as predicted"):
            check_landing(lab, fleet, campaign.predictions(down), down)
            fleet.wait_announced()
            lab.wait_converged()

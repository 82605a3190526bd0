# SPDX-License-Identifier: GPL-3.0-or-later
"""What else may spoil an experiment: BIRD dies at a site, or the controller before its store wrote anything."""

from __future__ import annotations

import os
import signal

from labkit.anycast import Fleet
from labkit.experiment import SLACK_S, STATES, Bench, finish, prepare
from labkit.scenario import Lab

BIRD_BACK_S = 7  # sessions and routes


def run(lab: Lab) -> None:
    fleet, bench = prepare(lab)
    for name in ("chc", bench.target.name):
        for state in STATES[1:]:
            check_bird_killed(lab, fleet, bench, name, state)
    check_not_yet_stored(lab, fleet, bench)
    finish(lab, fleet)


def check_bird_killed(lab: Lab, fleet: Fleet, bench: Bench, name: str, state: str) -> None:
    """Clients of a site without BIRD go elsewhere, whatever the experiment does."""
    with lab.check(f"BIRD of {name} killed and restarted in state {state}"):
        bench.reach(state)
        lab.nodes[name].kill_bird()
        lab.nodes[name].start_bird()
        bench.expect_failed(SLACK_S + BIRD_BACK_S, name)
        fleet.wait_announced()
        fleet.wait_fleet()


def orders_are_stored(fleet: Fleet) -> bool:
    given = {s["site"]: s["wanted_revision"] for s in fleet.get(fleet.mgmt, "/v1/status")["sites"]}
    return dict(fleet.query(fleet.mgmt, "SELECT site, revision FROM site_order")) == given


def check_not_yet_stored(lab: Lab, fleet: Fleet, bench: Bench) -> None:
    for state in ("baseline", "settle"):
        with lab.check(f"the controller killed in state {state} before anything of it is on disk: the prefix comes back"):
            lab.wait(lambda: orders_are_stored(fleet), 5, "all orders are on disk")
            os.kill(fleet.worker_pid(fleet.mgmt, "anycastd-store"), signal.SIGSTOP)
            bench.reach(state)
            fleet.kill_all(fleet.mgmt)
            fleet.start(fleet.mgmt)
            bench.wait_restored(6)
        with lab.check("and the next experiment, of the same number, gives the same map"):
            bench.succeed()

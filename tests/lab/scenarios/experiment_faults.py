# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that die and come back in an experiment: it fails with a reason, the test prefix is restored at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from labkit.anycast import Fleet, client_addresses
from labkit.experiment import STATES, Bench
from labkit.scenario import Lab
from labkit.services import start_all_health

TARGET, OTHER = "nrt", "chc"


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    start_all_health(fleet.sites)
    lab.wait_converged()
    fleet.use_quick_predictor()
    fleet.start_all()
    fleet.wait_announced()
    fleet.wait_fleet()
    lab.wait_converged()
    fleet.import_clients(client_addresses(lab, 20))
    bench = Bench(lab, fleet, lab.nodes[TARGET])
    with lab.check("an undisturbed experiment gives a map"):
        bench.succeed()
    for what, fault, why in faults(lab, fleet):
        for state in STATES:
            with lab.check(f"{what} in state {state}"):
                bench.reach(state)
                fault()
                bench.expect_failed(6, why)
        with lab.check(f"{what}: the next experiment gives the same map"):
            bench.succeed()
    check_not_yet_stored(lab, fleet, bench)
    with lab.check("no store is damaged and every daemon ends well"):
        fleet.stop_all()
        for node in (fleet.mgmt, lab.nodes[TARGET], lab.nodes[OTHER]):
            fleet.check_store(node)


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


def faults(lab: Lab, fleet: Fleet) -> list[tuple[str, Callable[[], None], str]]:
    """What is broken, how, and a word of the reason that must be told."""
    target, other = lab.nodes[TARGET], lab.nodes[OTHER]
    return [
        ("a capturing sweeper killed", lambda: os.kill(fleet.worker_pid(other, "anycastd-sweep"), signal.SIGKILL), OTHER),
        ("the target's agent killed and restarted", lambda: fleet.restart(target), TARGET),
        ("the controller killed and restarted", lambda: fleet.restart(fleet.mgmt), "controller"),
    ]

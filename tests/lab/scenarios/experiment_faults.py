# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that die and come back in an experiment: it fails with a reason, the test prefix is restored at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from labkit.anycast import Fleet
from labkit.experiment import STATES, finish, prepare
from labkit.scenario import Lab

TARGET, OTHER = "nrt", "chc"


def run(lab: Lab) -> None:
    fleet, bench = prepare(lab)
    for what, fault, why in faults(lab, fleet):
        for state in STATES:
            with lab.check(f"{what} in state {state}"):
                bench.reach(state)
                fault()
                bench.expect_failed(6, why)
        with lab.check(f"{what}: the next experiment gives the same map"):
            bench.succeed()
    finish(lab, fleet)


def faults(lab: Lab, fleet: Fleet) -> list[tuple[str, Callable[[], None], str]]:
    """What is broken, how, and a word of the reason that must be told."""
    target, other = lab.nodes[TARGET], lab.nodes[OTHER]
    return [
        ("a capturing sweeper killed", lambda: os.kill(fleet.worker_pid(other, "anycastd-sweep"), signal.SIGKILL), OTHER),
        ("the target's agent killed and restarted", lambda: fleet.restart(target), TARGET),
        ("the controller killed and restarted", lambda: fleet.restart(fleet.mgmt), "controller"),
    ]

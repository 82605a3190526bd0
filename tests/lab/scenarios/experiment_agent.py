# SPDX-License-Identifier: GPL-3.0-or-later
"""The target's agent is lost in an experiment: its test prefix comes back by itself, and no map is made of it.

Each fault strikes in one state; `-- all` lets it strike in every one.
"""

from __future__ import annotations

import os
import signal

from labkit.anycast import Fleet
from labkit.experiment import GRACE_S, SLACK_S, Bench, judge
from labkit.scenario import Lab


def run(lab: Lab) -> None:
    judge(
        lab,
        [
            ("sweep", "the target's agent killed and not restarted", agent_gone),
            ("settle", "the target's agent stopped", agent_stopped),
            ("sweep", "the target's keeper killed", keeper_gone),
        ],
    )


def agent_gone(lab: Lab, fleet: Fleet, bench: Bench) -> None:
    """The keeper's last will restores the test prefix."""
    fleet.kill(bench.target)
    bench.expect_failed(GRACE_S + SLACK_S, "silent")
    fleet.start(bench.target)


def agent_stopped(lab: Lab, fleet: Fleet, bench: Bench) -> None:
    """A clean end leaves routes as they are, but for what is temporary."""
    bench.mend()
    fleet.procs[bench.target.name].kill(signal.SIGTERM)
    assert fleet.procs[bench.target.name].wait() == 0
    bench.wait_restored(1)
    fleet.start(bench.target)
    bench.expect_failed(SLACK_S, bench.target.name)


def keeper_gone(lab: Lab, fleet: Fleet, bench: Bench) -> None:
    """Without its keeper the daemon ends: it must put the test prefix back itself."""
    bench.mend()
    os.kill(fleet.worker_pid(bench.target, "anycastd-keeper"), signal.SIGKILL)
    assert fleet.procs[bench.target.name].wait() == 1
    bench.wait_restored(1)
    fleet.start(bench.target)
    bench.expect_failed(SLACK_S, bench.target.name)

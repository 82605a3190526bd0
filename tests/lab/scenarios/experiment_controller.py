# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller is lost in an experiment: the target's test prefix comes back by itself, and no map is made of it.

Each fault strikes in one state; `-- all` lets it strike in every one.
"""

from __future__ import annotations

import signal

from labkit.anycast import Fleet
from labkit.experiment import CONFIRM_S, LIVE_S, SLACK_S, Bench, judge
from labkit.scenario import Lab


def run(lab: Lab) -> None:
    judge(
        lab,
        [
            ("withdraw", "the controller killed and not restarted", controller_gone),
            ("settle", "the controller frozen", controller_frozen),
            ("withdraw", "the target's management link cut", link_cut),
            ("settle", "the target's management link cut for a short time", link_cut_briefly),
        ],
    )


def wait_given_up(lab: Lab, fleet: Fleet, bench: Bench, after: int) -> None:
    """The target's agent does not wait for a controller that confirms nothing, and says so."""

    def said() -> bool:
        events = fleet.get(bench.target, f"/v1/events?after={after}&limit=100")["events"]
        return any(event["reason"] == "the controller is silent" for event in events)

    lab.wait(said, CONFIRM_S + SLACK_S, "the agent puts the test prefix back by itself")
    bench.wait_restored(SLACK_S)


def last_event(fleet: Fleet, bench: Bench) -> int:
    return int(fleet.get(bench.target, "/v1/events?limit=1")["last"])


def controller_gone(lab: Lab, fleet: Fleet, bench: Bench) -> None:
    after = last_event(fleet, bench)
    fleet.kill(fleet.mgmt)
    wait_given_up(lab, fleet, bench, after)
    fleet.start(fleet.mgmt)
    lab.wait(lambda: fleet.experiment() == {}, 5, "the controller is back")
    bench.expect_failed(SLACK_S, "the controller was restarted")


def controller_frozen(lab: Lab, fleet: Fleet, bench: Bench) -> None:
    after = last_event(fleet, bench)
    fleet.procs["mgmt"].kill(signal.SIGSTOP)
    wait_given_up(lab, fleet, bench, after)
    # It thaws before it takes any agent for lost: nothing but the prefix tells that the experiment is spoilt.
    fleet.procs["mgmt"].kill(signal.SIGCONT)
    bench.expect_failed(SLACK_S, bench.target.name)


def link_cut(lab: Lab, fleet: Fleet, bench: Bench) -> None:
    after = last_event(fleet, bench)
    bench.target.link_down("mgmt0")
    wait_given_up(lab, fleet, bench, after)
    bench.expect_failed(LIVE_S + SLACK_S, "silent")
    bench.target.link_up("mgmt0")


def link_cut_briefly(lab: Lab, fleet: Fleet, bench: Bench) -> None:
    """Just so long that the agent has restored the test prefix, and the controller misses nobody."""
    after = last_event(fleet, bench)
    bench.target.link_down("mgmt0")
    wait_given_up(lab, fleet, bench, after)
    bench.target.link_up("mgmt0")
    bench.expect_failed(LIVE_S + SLACK_S, bench.target.name)

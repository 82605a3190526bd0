# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs an experiment is lost in it: the test prefix comes back by itself, and no map is made of it.

Each fault strikes in one state; `-- all` lets it strike in every one.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from labkit.anycast import Fleet, client_addresses
from labkit.experiment import STATES, Bench
from labkit.scenario import Lab
from labkit.services import start_all_health

# From a site's configuration, and what the daemon is made of.
CONFIRM_S = 3
GRACE_S = 5  # the keeper's, before it carries out the will
LIVE_S = 4  # silence after which an agent counts as lost
SLACK_S = 3

Fault = Callable[[Lab, Fleet, Bench], None]


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
    bench = Bench(lab, fleet, lab.nodes["nrt"])
    with lab.check("an undisturbed experiment gives a map"):
        bench.succeed()
    for state, what, fault in FAULTS:
        for where in STATES if "all" in lab.args else (state,):
            with lab.check(f"{what} in state {where}"):
                bench.reach(where)
                fault(lab, fleet, bench)
                fleet.wait_announced()
                fleet.wait_fleet()
    with lab.check("the next experiment gives the same map; no store is damaged and every daemon ends well"):
        bench.succeed()
        fleet.stop_all()
        for node in [fleet.mgmt, *fleet.sites]:
            fleet.check_store(node)


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
    bench.expect_failed(LIVE_S + SLACK_S, "silent")
    fleet.start(bench.target)


def keeper_gone(lab: Lab, fleet: Fleet, bench: Bench) -> None:
    """Without its keeper the daemon ends: it must put the test prefix back itself."""
    bench.mend()
    os.kill(fleet.worker_pid(bench.target, "anycastd-keeper"), signal.SIGKILL)
    assert fleet.procs[bench.target.name].wait() == 1
    bench.wait_restored(1)
    bench.expect_failed(LIVE_S + SLACK_S, "silent")
    fleet.start(bench.target)


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


def bird_killed(lab: Lab, fleet: Fleet, bench: Bench) -> None:
    """Another site loses its BIRD: its clients go elsewhere for a reason of their own."""
    other = lab.nodes["chc"]
    other.kill_bird()
    other.start_bird()
    bench.expect_failed(10, other.name)


def target_bird_killed(lab: Lab, fleet: Fleet, bench: Bench) -> None:
    bench.mend()
    bench.target.kill_bird()
    bench.target.start_bird()
    bench.expect_failed(10, bench.target.name)


FAULTS: list[tuple[str, str, Fault]] = [
    ("sweep", "the target's agent killed and not restarted", agent_gone),
    ("settle", "the target's agent stopped", agent_stopped),
    ("sweep", "the target's keeper killed", keeper_gone),
    ("withdraw", "the controller killed and not restarted", controller_gone),
    ("settle", "the controller frozen", controller_frozen),
    ("withdraw", "the target's management link cut", link_cut),
    ("sweep", "the target's management link cut for a short time", link_cut_briefly),
    ("settle", "another site's BIRD killed", bird_killed),
    ("sweep", "the target's BIRD killed", target_bird_killed),
]

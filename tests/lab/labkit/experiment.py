# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments under faults: brings one to a state, and judges what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .anycast import Fleet, client_addresses
from .node import Node
from .routefile import PREFIXES
from .scenario import Lab

TEST = PREFIXES["test"]
STATES = ("withdraw", "settle", "sweep")  # those in which the target's test prefix is withdrawn


# From a site's configuration, and what the daemon is made of.
CONFIRM_S = 3
GRACE_S = 5  # the keeper's, before it carries out the will
LIVE_S = 4  # silence after which an agent counts as lost
SLACK_S = 3


class Bench:
    """Experiments at one site."""

    def __init__(self, lab: Lab, fleet: Fleet, target: Node) -> None:
        self.lab = lab
        self.fleet = fleet
        self.target = target
        self.baseline = {prefix: lab.truth(prefix) for prefix in TEST}
        self.map: dict[str, Any] | None = None
        self._broken = target.path("/run/state/operator.d/hold.conf")
        self._id = 0

    def start(self) -> None:
        """Starts an experiment, as soon as the controller is willing to."""

        def begun() -> bool:
            status, body = self.fleet.api(self.fleet.mgmt, "POST", "/v1/experiments", {"site": self.target.name})
            assert status == 200, body
            return True

        self.lab.wait(begun, 10, "an experiment begins")
        self._id = self.fleet.experiment()["id"]

    def reach(self, state: str) -> None:
        """Starts an experiment and returns in that state."""
        if state == "withdraw":  # lasts as long as the target's BIRD refuses every change
            self._broken.write_text("protocol nonsense;\n")
        self.start()
        self.lab.wait(lambda: self._is_in(state), 10, f"the experiment is in state {state}")
        if state in ("settle", "sweep"):
            assert self.target.name not in self.lab.truth(TEST[0]).values()

    def _is_in(self, state: str) -> bool:
        experiment = self.fleet.experiment()
        if experiment["state"] in ("done", "failed"):
            raise RuntimeError(f"the experiment is over before it was in state {state}: {experiment}")
        return bool(experiment["state"] == state)

    def mend(self) -> None:
        """The target's BIRD takes changes again."""
        self._broken.unlink(missing_ok=True)

    def wait_restored(self, deadline_s: float) -> None:
        self.mend()
        self.lab.wait(
            lambda: all(self.lab.truth(prefix) == self.baseline[prefix] for prefix in TEST),
            deadline_s,
            "the test prefix is announced as before",
        )

    def row(self) -> tuple[str, str]:
        """(state, reason) of the experiment in the controller's store."""
        rows = self.fleet.query(self.fleet.mgmt, "SELECT state, reason FROM experiment WHERE id = ?", (self._id,))
        assert rows, f"experiment {self._id} is not in the store"
        return (rows[0][0], rows[0][1])

    def expect_failed(self, deadline_s: float, why: str) -> None:
        """It ends without a map, tells why, and the test prefix is back everywhere, in the time given."""
        self.mend()
        self.lab.wait(lambda: self.row()[0] == "failed", deadline_s, "the experiment has failed")
        reason = self.row()[1]
        assert why in reason, reason
        self.wait_restored(deadline_s)
        current = self.fleet.experiment()
        assert not current or (current["state"], current["reason"]) == ("failed", reason), current
        assert self.newest_map() == self.map, "a map was published"
        events = self.fleet.get(self.fleet.mgmt, f"/v1/events?subject=site/{self.target.name}&limit=100")["events"]
        assert any(f"experiment {self._id}" in event["reason"] for event in events), events

    def newest_map(self) -> dict[str, Any] | None:
        maps = self.fleet.get(self.fleet.mgmt, f"/v1/failover?site={self.target.name}")["maps"]
        return {key: value for key, value in maps[0].items() if key != "age_ms"} if maps else None

    def succeed(self) -> None:
        """An undisturbed experiment gives a map, the same one as before but for its number and time."""
        self.mend()
        self.start()

        def over() -> str:
            state = str(self.fleet.experiment()["state"])
            return state if state in ("done", "failed") else ""

        state = self.lab.wait(over, 30, "the experiment is over")
        assert state == "done", self.fleet.experiment()
        before = self.map
        self.map = self.lab.wait(self._map_of_this, 5, "its map is there")
        if before is not None:
            assert self._essence(before) == self._essence(self.map), (before, self.map)
        self.wait_restored(5)

    def _map_of_this(self) -> dict[str, Any] | None:
        found = self.newest_map()
        return found if found is not None and found["experiment"] == self._id else None

    @staticmethod
    def _essence(found: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in found.items() if key not in ("experiment", "measured_ms")}


Fault = Callable[[Lab, Fleet, Bench], None]


def prepare(lab: Lab) -> tuple[Fleet, Bench]:
    """A whole fleet with a client list and a quick predictor; nrt is the target, and has a map."""
    fleet = Fleet(lab)
    fleet.use_quick_predictor()
    fleet.bring_up()
    fleet.import_clients(client_addresses(lab, 20))
    bench = Bench(lab, fleet, lab.nodes["nrt"])
    with lab.check("an undisturbed experiment gives a map"):
        bench.succeed()
    return fleet, bench


def finish(lab: Lab, fleet: Fleet) -> None:
    with lab.check("no store is damaged and every daemon ends well"):
        fleet.stop_all()
        for node in [fleet.mgmt, *fleet.sites]:
            fleet.check_store(node)


def judge(lab: Lab, faults: list[tuple[str, str, Fault]]) -> None:
    """Lets each fault (state, what, fault) strike in its state, or in all states if the scenario is run with `-- all`."""
    fleet, bench = prepare(lab)
    for state, what, fault in faults:
        for where in STATES if "all" in lab.args else (state,):
            with lab.check(f"{what} in state {where}"):
                bench.reach(where)
                fault(lab, fleet, bench)
                fleet.wait_announced()
                fleet.wait_fleet()
    with lab.check("the next experiment gives the same map"):
        bench.succeed()
    finish(lab, fleet)

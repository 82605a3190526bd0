# SPDX-License-Identifier: GPL-3.0-or-later
"""Campaigns: starts them, waits for them, and compares what they predict with real withdrawals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .anycast import SOCKET, Fleet
from .routefile import PREFIXES
from .scenario import Lab

WEB4, WEB6 = PREFIXES["web"]
TEST = PREFIXES["test"]
Predictions = dict[str, tuple[str, str, str]]  # address: (site before, site after, label)


def client_as(address: str) -> str:
    """The client AS that an address of anycast.client_addresses belongs to."""
    if "." in address:
        return f"c{int(address.split('.')[1]) - 100:02d}"
    return "c" + address.split(":")[2][2:]


class Campaign:
    """The controller's campaign."""

    def __init__(self, lab: Lab, fleet: Fleet) -> None:
        self.lab = lab
        self.fleet = fleet
        self.baseline = {prefix: lab.truth(prefix) for prefix in TEST}

    def start(self, depth: int) -> None:
        self.fleet.ctl(self.fleet.mgmt, "predict", "run", "--depth", str(depth))

    def state(self) -> dict[str, Any]:
        return dict(self.fleet.get(self.fleet.mgmt, "/v1/status")["campaign"])

    def is_measuring(self) -> bool:
        return bool(self.fleet.experiment().get("state", "done") not in ("done", "failed"))

    def is_withdrawn(self) -> bool:
        return bool(self.fleet.experiment().get("state", "done") in ("settle", "sweep"))

    def wait_made(self, number: int, deadline_s: float = 60) -> None:
        self.lab.wait(lambda: self.state()["made"] >= number, deadline_s, f"{number} experiments are made")

    def wait_experiment(self, state: str) -> None:
        self.lab.wait(lambda: self.fleet.experiment().get("state") == state, 60, f"an experiment is in state {state}")

    def wait_done(self, deadline_s: float) -> None:
        def over() -> bool:
            state = self.state()
            assert state["state"] in ("running", "done"), state
            return bool(state["state"] == "done")

        self.lab.wait(over, deadline_s, "the campaign is done")

    def wait_restored(self, deadline_s: float) -> None:
        self.lab.wait(
            lambda: all(self.lab.truth(prefix) == self.baseline[prefix] for prefix in TEST),
            deadline_s,
            "the test prefix is announced as before",
        )

    def predictions(self, down: Sequence[str]) -> Predictions:
        """What each client would do."""
        out: Predictions = {}
        first = 0
        while True:
            url = f"http://localhost/v1/outcomes?down={','.join(down)}&first={first}"
            page = self.fleet.mgmt.run(["/usr/bin/curl", "-sf", "--unix-socket", SOCKET, url]).stdout.splitlines()[1:]
            if not page:
                return out
            first += len(page)
            for line in page:
                address, before, after, label = line.split(",")
                if address:  # else somebody who opted out
                    out[address] = (before, after, label)


def withdraw(lab: Lab, fleet: Fleet, down: Sequence[str]) -> None:
    """Drains the sites for real."""
    for site in down:
        fleet.ctl(fleet.mgmt, "drain", site, "--reason", "to compare", "--at-once")
    gone = set(down)
    lab.wait(lambda: not gone & {*lab.truth(WEB4).values(), *lab.truth(WEB6).values()}, 15, "drained")
    lab.wait_converged()


def restore(fleet: Fleet, down: Sequence[str]) -> None:
    for site in down:
        fleet.ctl(fleet.mgmt, "restore", site)


def check_landing(lab: Lab, fleet: Fleet, predicted: Predictions, down: Sequence[str]) -> None:
    """Withdraws the sites and pings every client of theirs from the service prefix; restores them."""
    withdraw(lab, fleet, down)
    truth = {4: lab.truth(WEB4), 6: lab.truth(WEB6)}
    displaced = [a for a, (before, _, _) in predicted.items() if before in down]
    sender = next(site for site in fleet.sites if site.name not in down)
    landing = lab.ping_all(sender, "192.0.2.9", [a for a in displaced if "." in a])
    landing |= lab.ping_all(sender, "2001:db8:53::9", [a for a in displaced if ":" in a])
    restore(fleet, down)
    for a in displaced:
        table = truth[4 if "." in a else 6]
        assert landing[a] == table[client_as(a)] == predicted[a][1], (a, landing[a], table[client_as(a)], predicted[a])

# SPDX-License-Identifier: GPL-3.0-or-later
"""A second test prefix at every site, and a transit that treats it otherwise than the first."""

from __future__ import annotations

import re
from typing import Any

from .anycast import CONFIG, Fleet
from .node import Node
from .routefile import PREFIXES
from .scenario import Lab

FIRST = PREFIXES["test"]
SECOND = ("198.18.0.0/24", "2001:db8:7e58::/48")
NAMES = tuple(",".join(pair) for pair in (FIRST, SECOND))  # as the product names them
EVERY = (*FIRST, *SECOND)


def add_second(fleet: Fleet) -> None:
    """From their next start on all sites have two test prefixes."""
    for site in fleet.sites:
        text = site.path(CONFIG).read_text(encoding="utf-8")
        new = re.sub(r"( {2}prefixes: \[198\.51\.100\.0/24, [^]]*)\]", rf'\1, {SECOND[0]}, "{SECOND[1]}"]', text)
        new = re.sub(r"( {2}sources: \[198\.51\.100[^]]*)\]", r'\1, 198.18.0.1, "2001:db8:7e58::1"]', new)
        assert new.count("198.18.0") == 2, new
        fleet.configure(site, new)
        site.run(["ip", "route", "add", "local", SECOND[0], "dev", "lo"])
        site.run(["ip", "-6", "route", "add", "local", SECOND[1], "dev", "lo"])


class TestPrefixes:
    """What the controller tells of them."""

    __test__ = False

    def __init__(self, lab: Lab, fleet: Fleet) -> None:
        self.lab = lab
        self.fleet = fleet
        self.baseline = {prefix: lab.truth(prefix) for prefix in EVERY}

    def all(self) -> dict[str, dict[str, Any]]:
        return {test["test"]: test for test in self.fleet.get(self.fleet.mgmt, "/v1/tests")["tests"]}

    def second(self) -> dict[str, Any]:
        return self.all()[NAMES[1]]

    def running(self) -> dict[str, str]:
        """{test prefix: state of the experiment on it} of those that run."""
        return {ex["test"]: ex["state"] for ex in self.fleet.status()["experiments"]}

    def both_withdrawn(self) -> bool:
        states = self.running()
        return len(states) == 2 and all(state in ("settle", "sweep") for state in states.values())

    def wait_idle(self, deadline_s: float = 30) -> None:
        self.lab.wait(lambda: not self.running(), deadline_s, "no experiment runs")

    def null_run(self) -> dict[str, Any]:
        """Makes one; returns what is known of the second prefix then."""
        self.fleet.ctl(self.fleet.mgmt, "predict", "null-run")
        self.wait_idle()
        return self.second()

    def wait_restored(self, deadline_s: float) -> None:
        self.lab.wait(
            lambda: all(self.lab.truth(prefix) == self.baseline[prefix] for prefix in EVERY),
            deadline_s,
            "both test prefixes are announced as before",
        )


def treat_otherwise(lab: Lab, transit: Node, *prefixes: str) -> None:
    """The transit dislikes its customers' routes to these prefixes: it takes them when there is no other."""
    policy = transit.path("/run/lab/policy.conf").read_text(encoding="utf-8")
    line = "  bgp_local_pref = preference_of_neighbour;\n"
    assert policy.count(line) == 1
    dislikes = "".join(f"  if mark = 1 && net = {prefix} then bgp_local_pref = 50;\n" for prefix in prefixes)
    policy = policy.replace(line, line + dislikes)
    text = transit.path("/run/lab/bird.conf").read_text(encoding="utf-8")
    text = text.replace('include "/run/lab/policy.conf";\n', policy)
    replies = transit.bird(f'configure "{transit.put("other-policy.conf", text)}"')
    assert replies[-1][0] in (3, 4), replies
    lab.wait_converged()


def treat_alike(lab: Lab, transit: Node) -> None:
    """The transit's policy is that of its configuration again."""
    replies = transit.bird('configure "/run/lab/bird.conf"')
    assert replies[-1][0] in (3, 4), replies
    lab.wait_converged()

# SPDX-License-Identifier: GPL-3.0-or-later
"""What else may spoil an experiment: BIRD dies at a site, a site hears nobody, the controller dies before its store wrote anything."""

from __future__ import annotations

import os
import signal
import socket

from labkit.anycast import Fleet
from labkit.experiment import SLACK_S, STATES, TEST, Bench, finish, prepare
from labkit.node import Node
from labkit.scenario import Lab

BIRD_BACK_S = 7  # sessions and routes
SETTLE_MAX_S = 20  # of the quick predictor


def run(lab: Lab) -> None:
    fleet, bench = prepare(lab)
    for name in ("chc", bench.target.name):
        for state in STATES[1:]:
            check_bird_killed(lab, fleet, bench, name, state)
    check_silent_on_the_way_back(lab, bench)
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


def deafen(node: Node) -> None:
    """Replies to the test prefix that come to the node are dropped before anybody there sees them."""
    rules = " ".join(
        f"ip6 daddr {prefix} icmpv6 type echo-reply drop;" if ":" in prefix else f"ip daddr {prefix} icmp type echo-reply drop;"
        for prefix in TEST
    )
    with node.network():
        devices = [name for _, name in socket.if_nameindex() if name != "lo"]
    chains = "".join(
        f'chain c{i} {{ type filter hook ingress device "{device}" priority 0; {rules} }}\n' for i, device in enumerate(devices)
    )
    node.run(["/usr/sbin/nft", "-f", "-"], input=f"table netdev lab {{\n{chains}}}\n")


def check_silent_on_the_way_back(lab: Lab, bench: Bench) -> None:
    """Its clients are heard nowhere: that is no movement, and yet they are not back."""
    with lab.check("the target hears nobody when it announces the prefix again: no map, and the prefix stays announced"):
        bench.reach("settle")
        deafen(bench.target)
        try:
            bench.expect_failed(SETTLE_MAX_S + 2 * SLACK_S, f"{bench.target.name} hears nobody any more")
        finally:
            bench.target.run(["/usr/sbin/nft", "delete", "table", "netdev", "lab"])
    with lab.check("and the next experiment gives the same map"):
        bench.succeed()


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

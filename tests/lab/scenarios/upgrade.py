# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart, upgrade and kill -9 of every daemon: no neighbour of BIRD sees any update."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from labkit.anycast import Fleet
from labkit.node import Node
from labkit.routefile import PREFIXES
from labkit.scenario import Lab

EVERY = [prefix for pair in PREFIXES.values() for prefix in pair]


NEXT = Path("/run/next")


def other_build(fleet: Fleet, nodes: list[Node]) -> tuple[Path, str]:
    """The programs once more, in every node, with another version in them: as different as a next version may be without
    a change."""
    version = fleet.ctl(fleet.mgmt, "version").stdout.split()[-1]
    other = version[:-1] + ("1" if version[-1] != "1" else "2")
    for node in nodes:
        node.path(str(NEXT)).mkdir()
        for name in ("anycastd", "anycastctl"):
            data = node.path(str(fleet.build / name)).read_bytes()
            assert version.encode() in data
            program = node.path(str(NEXT / name))
            program.write_bytes(data.replace(version.encode() + b"\0", other.encode() + b"\0"))
            program.chmod(0o755)
    return NEXT, other


def works(fleet: Fleet, node: Node) -> bool:
    if node is fleet.mgmt:
        return all(site["state"] == "announcing" for site in fleet.status()["sites"])
    return "unknown" not in fleet.health(node).values() and "unknown" not in fleet.real(node).values()


def end(fleet: Fleet, node: Node, number: int) -> None:
    proc = fleet.procs[node.name]
    proc.kill(number)
    status = proc.wait(10)
    assert status == (0 if number == signal.SIGTERM else -number), (node.name, status)


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    fleet.bring_up()
    others = [*lab.nodes_with(role="client"), *lab.nodes_with(role="transit")]
    watch = lab.watch_updates(others)
    nodes = [fleet.mgmt, *fleet.sites]

    def assert_quiet() -> None:
        lab.wait_converged()
        for node in others:
            for prefix in EVERY:
                assert not watch.received(node, prefix), (node.name, prefix, watch.received(node, prefix))

    def round_of(number: int) -> None:
        for node in nodes:
            end(fleet, node, number)
            fleet.start(node)
            lab.wait(lambda node=node: works(fleet, node), 15, f"{node.name} works")  # type: ignore[misc]
        assert_quiet()

    with lab.check("restart of every daemon: no update anywhere"):
        round_of(signal.SIGTERM)
    with lab.check("kill -9 of every daemon: no update anywhere"):
        round_of(signal.SIGKILL)
    with lab.check("upgrade of every daemon: no update anywhere, and the new version runs"):
        fleet.build, version = other_build(fleet, nodes)
        round_of(signal.SIGTERM)
        assert fleet.get(fleet.sites[0], "/v1/status")["version"] == version
    with lab.check("a service whose health stays unknown keeps its routes, and an event tells so"):
        chc = lab.nodes["chc"]
        text = re.sub(r"interval: \w+", "interval: 1h, spread: 30m", chc.path("/run/lab/anycastd.yml").read_text())
        # The first probe of all starts at once: let its service know health.
        fleet.configure(chc, text + "unknown_max: 1s\n")
        end(fleet, chc, signal.SIGTERM)
        fleet.start(chc)

        def told() -> list[str]:
            return [e["subject"] for e in fleet.events(chc) if e["what"] == "still unknown"]

        lab.wait(lambda: fleet.get(chc, "/v1/status"), 10, "it answers")
        lab.wait(lambda: "service/dns" in told(), 10, "the event")
        services = {s["service"]: s for s in fleet.site_status(chc)["services"]}
        assert services["dns"]["unknown_too_long"] and services["dns"]["health"] == "unknown", services
        assert "no verdict for too long" in fleet.ctl(chc, "status", "chc").stdout
        assert set(fleet.real(chc).values()) == {"announced"}
        assert_quiet()
    fleet.stop_all()

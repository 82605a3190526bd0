# SPDX-License-Identifier: GPL-3.0-or-later
"""The API of scenarios.

A scenario is a Python file with a function `run(lab)`:

    from labkit.scenario import Lab

    def run(lab: Lab) -> None:
        lab.wait_converged()
        with lab.check("every client reaches some site"):
            assert None not in lab.truth("192.0.2.0/24").values()

It passes when run() returns, fails with any exception, and is skipped by `raise lab.Skip("why")`.

    lab.nodes, lab.nodes_with(role="site")      nodes by name, by labels
    lab.topology, lab.out, lab.args             what is run, where logs go, what came after `--`
    lab.programs                                where nodes have the product, None for the build directory
    lab.check(what)                             context manager: one line per check, with its time
    lab.note(text)                              prints a line
    lab.wait(cond, deadline_s, what)            polls until cond() is truthy and returns it
    lab.converged(), lab.wait_converged()       BGP Established everywhere and tables quiet
    lab.truth(prefix)                           {client: site or None} by the clients' best routes
    lab.route_stamp(node, prefix)               changes when an update changed the node's best route
    lab.watch_updates(nodes)                    counts updates, see truth.UpdateWatch
    lab.ping_all(sender, source, targets)       {target: site or None} by captured replies
    lab.prober(sender, source)                  the same for many sweeps, see echo.Prober

Nodes: see node.Node; processes: node.Proc; health pages: services.start_health().
"""

from __future__ import annotations

import contextlib
import importlib.util
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from .echo import Prober
from .node import LabError, Node
from .topology import Topology
from .truth import Convergence, RouteStamp, UpdateWatch, announcing_site, best_route, route_stamp

T = TypeVar("T")

# A deadline decides nothing but when to give up, and a machine may be busy with much else.
PATIENCE = 3


class Skip(Exception):
    """Raised by a scenario that cannot run on this machine."""


class Lab:
    """A running lab, as a scenario sees it."""

    Skip = Skip

    def __init__(
        self,
        topology: Topology,
        nodes: dict[str, Node],
        out: Path,
        args: Sequence[str] = (),
        programs: Path | None = None,
    ) -> None:
        self.topology = topology
        self.name = topology.name
        self.nodes = nodes
        self.out = out
        self.args = list(args)
        self.programs = programs
        self._convergence = Convergence(nodes.values())

    def needs_build_tree(self, why: str) -> None:
        """Skips the scenario where nodes have a file system of their own."""
        if self.programs is not None:
            raise Skip(f"runs in namespaces only: {why}")

    def nodes_with(self, **labels: str) -> list[Node]:
        """Nodes that carry all these labels, in the topology's order."""
        return [node for node in self.nodes.values() if labels.items() <= node.labels.items()]

    # --- reporting and waiting ---

    def note(self, text: str) -> None:
        print(f"     {text}", flush=True)

    @contextlib.contextmanager
    def check(self, what: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        except Exception:
            print(f"FAIL {what}", flush=True)
            raise
        print(f"ok   {what} ({time.monotonic() - start:.2f} s)", flush=True)

    def wait(self, cond: Callable[[], T], deadline_s: float, what: str) -> T:
        """Polls cond every 5 to 20 ms until it is truthy and returns its value.

        deadline_s is ample on a machine that does nothing else; it gets PATIENCE times as long.
        A cond that raises AssertionError or OSError counts as not yet true.
        """
        start = time.monotonic()
        pause = 0.005
        while True:
            last: object
            try:
                value = cond()
                if value:
                    return value
                last = value
            except (AssertionError, OSError) as error:
                last = error
            if time.monotonic() - start > deadline_s * PATIENCE:
                raise AssertionError(f"not within {deadline_s * PATIENCE} s: {what} (last: {last!r})")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.020)

    # --- routing ---

    def converged(self) -> bool:
        """True if all BGP sessions are Established and nothing moved between earlier calls and this one."""
        try:
            return self._convergence.reached()
        except (AssertionError, OSError):
            return False

    def wait_converged(self, deadline_s: float = 60.0) -> None:
        """Waits until all sessions are Established and nothing moves for a while, counted from this call."""
        fresh = Convergence(self.nodes.values())
        self.wait(fresh.reached, deadline_s, "all BGP sessions Established and quiet")

    def truth(self, prefix: str) -> dict[str, str | None]:
        """For each node with label role=client, the site that its best route leads to."""
        site_names = {int(site.labels["site-id"]): site.name for site in self.nodes_with(role="site")}
        routes = {client.name: best_route(client, prefix) for client in self.nodes_with(role="client")}
        return {name: announcing_site(route, site_names) if route else None for name, route in routes.items()}

    def route_stamp(self, node: Node, prefix: str) -> RouteStamp | None:
        return route_stamp(node, prefix)

    def watch_updates(self, nodes: Iterable[Node]) -> UpdateWatch:
        return UpdateWatch(nodes)

    # --- packets ---

    def prober(self, sender: Node, source: str) -> Prober:
        """A prober that captures at every node with label role=site."""
        return Prober(sender, source, self.nodes_with(role="site"))

    def ping_all(
        self, sender: Node, source: str, targets: Sequence[str], rate_pps: int = 4000, timeout_s: float = 1.0
    ) -> dict[str, str | None]:
        """Pings each target once from an anycast source; tells at which site each reply landed."""
        with self.prober(sender, source) as prober:
            return prober.sweep(targets, rate_pps, timeout_s)


def load_scenario(path: Path) -> Callable[[Lab], None]:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise LabError(f"{path}: no such scenario")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    run: Callable[[Lab], None] | None = getattr(module, "run", None)
    if not callable(run):
        raise LabError(f"{path}: has no function run(lab)")
    return run

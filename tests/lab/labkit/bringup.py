# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a topology up inside the sandbox, in containerlab's order.

Every node goes through the stages create (its cmd starts), create-links, configure (its exec list),
healthy (its health check passes).  All namespaces and links are made first and at once, because that is cheap;
what the stages order is what runs in them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from . import kernel
from .namespaces import NamespaceNode
from .node import SEARCH_PATH, LabError, Node, Proc
from .topology import Topology

PROGRAMS: Path | None = None  # nodes see the machine's files, the build directory among them
_POLL_S = 0.002


def bring_up(topology: Topology, lab_dir: Path) -> dict[str, Node]:
    """Returns the nodes once each of them is healthy; raises LabError if one cannot get there."""
    nodes = {name: NamespaceNode(spec, topology, lab_dir) for name, spec in topology.nodes.items()}
    _hold_all([node for node in nodes.values() if node.spec.network_of is None], nodes)
    _hold_all([node for node in nodes.values() if node.spec.network_of is not None], nodes)
    _make_links(topology, nodes)
    _Stages(nodes).run()
    return dict(nodes)


def take_down(_topology: Topology, _lab_dir: Path, nodes: Mapping[str, Node]) -> None:
    """The sandbox takes the rest with it."""
    end_processes(nodes.values())


def end_processes(nodes: Iterable[Node], grace_s: float = 1.0) -> None:
    """Lets the scenario's own processes end in order, so that sanitizers and coverage can write their reports.

    Whatever is left dies with the node.
    """
    procs = [proc for node in nodes for proc in node.procs if proc.alive()]
    for proc in procs:
        proc.kill(signal.SIGTERM)
        proc.kill(signal.SIGCONT)
    end = time.monotonic() + grace_s
    while any(proc.alive() for proc in procs) and time.monotonic() < end:
        time.sleep(_POLL_S)


def _hold_all(group: list[NamespaceNode], nodes: dict[str, NamespaceNode]) -> None:
    words = [(node, node.hold(nodes.get(node.spec.network_of or ""))) for node in group]
    for node, fd in words:
        with os.fdopen(fd, "rb") as pipe:
            trouble = pipe.read().decode()
        if trouble:
            raise LabError(f"{node.name}: {trouble}")
        node.adopt_namespaces()


def _make_links(topology: Topology, nodes: Mapping[str, Node]) -> None:
    """Makes both ends of every link in their networks at once, then brings them up.

    The kernel refuses to create a veth whose far end is to be up already.
    """
    lines = []
    for link in topology.links:
        here, there = (f"name {end.interface} mtu {link.mtu} netns {nodes[end.node].holder}" for end in link.ends)
        lines.append(f"link add {here} type veth peer {there}\n")
    done = subprocess.run(
        ["ip", "-batch", "-"],
        input="".join(lines),
        text=True,
        capture_output=True,
        env={"PATH": SEARCH_PATH},
    )
    if done.returncode != 0:
        raise LabError(f"links: {done.stderr}")
    for end in (end for link in topology.links for end in link.ends):
        with nodes[end.node].network():
            kernel.interface_up(end.interface)


class _Stages:
    """Walks all nodes through their stages side by side."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._nodes = nodes
        self._done: set[tuple[str, str]] = set()

    def run(self) -> None:
        walks = [self._walk(node) for node in self._nodes.values()]
        while walks:
            walks = [walk for walk in walks if next(walk, "ended") is None]
            self._note_exits()
            time.sleep(_POLL_S)

    def _walk(self, node: Node) -> Iterator[None]:
        yield from self._wait_for(node, "create")
        start = time.monotonic() + node.spec.startup_delay
        while time.monotonic() < start:
            yield
        node.start_main()
        self._done.add((node.name, "create"))

        yield from self._wait_for(node, "create-links")
        self._done.add((node.name, "create-links"))

        yield from self._wait_for(node, "configure")
        for line in node.spec.exec:
            proc = node.spawn_exec(line)
            while proc.alive():
                yield
            _expect_success(node, proc, f"exec: {line}")
        self._done.add((node.name, "configure"))

        yield from self._wait_for(node, "healthy")
        while not self._healthy(node):
            yield
        self._done.add((node.name, "healthy"))

    def _wait_for(self, node: Node, stage: str) -> Iterator[None]:
        while not self._done.issuperset(node.spec.waits.get(stage, [])):
            yield

    def _healthy(self, node: Node) -> bool:
        if node.spec.healthcheck is None:
            return True
        return node.run(node.spec.healthcheck, check=False).returncode == 0

    def _note_exits(self) -> None:
        for node in self._nodes.values():
            if node.main is not None and not node.main.alive():
                _expect_success(node, node.main, "cmd")
                self._done.add((node.name, "exit"))


def _expect_success(node: Node, proc: Proc, what: str) -> None:
    status = proc.wait()
    if status != 0:
        tail = "".join(proc.log.read_text(errors="replace").splitlines(keepends=True)[-5:])
        raise LabError(f"{node.name}: {what}: ended with {status}\n{tail}")

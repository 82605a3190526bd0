# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the subset of containerlab files that the rootless runner can bring up faithfully.

What the runner interprets, ignores and refuses is said by the tables below.  Refusing the rest, with
file, line and key, keeps every topology portable: the same file runs under containerlab itself.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .clabfile import Value, load

STAGES = ("create", "create-links", "configure", "healthy", "exit")
DEFAULT_MTU = 9500  # containerlab's own default for a link
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
_IGNORED = ("image", "image-pull-policy", "privileged", "cap-add", "restart-policy")
_MERGED = ("env", "labels", "sysctls", "binds")  # the other keys are replaced as a whole


@dataclass(frozen=True)
class Bind:
    source: str
    target: str
    read_only: bool
    origin: Value


@dataclass
class NodeSpec:
    """One node after inheritance, ready to be brought up."""

    name: str
    cmd: list[str] | None = None
    exec: list[str] = field(default_factory=list)
    binds: dict[str, Bind] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    sysctls: dict[str, str] = field(default_factory=dict)
    startup_delay: int = 0
    healthcheck: list[str] | None = None
    network_of: str | None = None  # the node whose network this one shares
    eth0_allowed: bool = False
    waits: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Endpoint:
    node: str
    interface: str


@dataclass(frozen=True)
class LinkSpec:
    ends: tuple[Endpoint, Endpoint]
    mtu: int
    delay_ms: float = 0.0  # each way
    loss: float = 0.0  # share of the packets, each way


@dataclass
class Topology:
    path: Path
    name: str
    nodes: dict[str, NodeSpec]
    links: list[LinkSpec]

    def magic(self, text: str, node: str, lab_dir: Path) -> str:
        """Replaces containerlab's magic words."""
        for word, value in (
            ("__clabNodeName__", node),
            ("__clabLabName__", self.name),
            ("__clabNodeDir__", str(lab_dir / node)),
            ("__clabDir__", str(lab_dir)),
        ):
            text = text.replace(word, value)
        return text

    def bind_source(self, source: str, node: str, lab_dir: Path) -> Path:
        """The machine's side of a bind; what is not absolute is relative to the file."""
        return self.path.parent / Path(self.magic(source, node, lab_dir)).expanduser()


def read_topology(path: Path, environ: Mapping[str, str] = os.environ) -> Topology:
    """Reads and validates a file; raises TopologyError at the first thing it must refuse."""
    root = load(path, environ)
    top = root.only("name", "topology", "mgmt")
    for required in ("name", "topology"):
        if required not in top:
            root.fail(f"'{required}' is missing")
    name = top["name"].text()
    if not _NAME.fullmatch(name):
        top["name"].fail("must consist of letters, digits, '-', '_' and '.'")

    parts = top["topology"].only("defaults", "kinds", "groups", "nodes", "links")
    if "nodes" not in parts:
        top["topology"].fail("'nodes' is missing")
    levels = _read_shared_levels(parts)
    node_values = parts["nodes"].mapping()
    nodes = {n: _read_node(n, value, levels) for n, value in node_values.items()}
    _check_shared_networks(nodes, node_values)
    _check_waits(nodes, node_values)
    links = _read_links(parts["links"], nodes) if "links" in parts else []
    return Topology(path.resolve(), name, nodes, links)


# --- levels: defaults, kinds, groups, nodes ---------------------------------------------------------


def _read_shared_levels(parts: dict[str, Value]) -> dict[str, dict[str, Any]]:
    """Levels by name: 'defaults', 'kind linux', 'group NAME'."""
    levels = {"defaults": _read_level(parts["defaults"]) if "defaults" in parts else {}}
    for kind, value in (parts["kinds"].mapping() if "kinds" in parts else {}).items():
        if kind != "linux":
            value.fail("only kind linux can be run")
        levels["kind linux"] = _read_level(value)
    for group, value in (parts["groups"].mapping() if "groups" in parts else {}).items():
        levels[f"group {group}"] = _read_level(value)
    return levels


def _read_node(name: str, value: Value, levels: dict[str, dict[str, Any]]) -> NodeSpec:
    if not _NAME.fullmatch(name):
        value.fail("a node's name must consist of letters, digits, '-', '_' and '.'")
    own = _read_level(value, on_node=True)
    chain = [levels["defaults"], levels.get("kind linux", {})]
    if "group" in own:
        if f"group {own['group']}" not in levels:
            value.mapping()["group"].fail(f"there is no group '{own['group']}'")
        chain.append(levels[f"group {own['group']}"])
    merged = _inherit([*chain, own])
    if merged.pop("kind", None) is None:
        value.fail("'kind' is missing (kind: linux)")
    merged.pop("group", None)
    mode = merged.pop("network-mode", None)
    return NodeSpec(
        name=name,
        network_of=mode.removeprefix("container:") if mode and mode != "none" else None,
        eth0_allowed=mode == "none",
        waits=merged.pop("stages", {}),
        startup_delay=merged.pop("startup-delay", 0),
        **merged,
    )


def _inherit(chain: list[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for level in chain:
        for key, value in level.items():
            merged[key] = {**merged.get(key, {}), **value} if key in _MERGED else value
    return merged


def _read_level(level: Value, on_node: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if level.node.tag == "tag:yaml.org,2002:null":  # `c01:` with nothing to say is a node of its own
        return found
    for key, value in level.mapping().items():
        if key in _IGNORED:
            continue
        reader = _READERS.get(key) or (_NODE_READERS.get(key) if on_node else None)
        if reader is None and key in _NODE_READERS:
            value.fail("is read on a node only")
        if reader is None:
            value.fail("not in the subset of containerlab that the runner reads")
        found[key] = reader(value)
    return found


# --- readers of single keys -------------------------------------------------------------------------


def _kind(value: Value) -> str:
    if value.text() != "linux":
        value.fail("only kind linux can be run")
    return "linux"


def _words(value: Value) -> list[str]:
    try:
        words = shlex.split(value.text())
    except ValueError as error:
        value.fail(f"cannot be split into words: {error}")
    return words or value.fail("is empty")


def _commands(value: Value) -> list[str]:
    for item in value.items():
        _words(item)
    return [item.text() for item in value.items()]


def _text_map(value: Value) -> dict[str, str]:
    return {key: item.text() for key, item in value.mapping().items()}


def _sysctls(value: Value) -> dict[str, str]:
    for key, item in value.mapping().items():
        if not re.fullmatch(r"net(\.[\w-]+)+", key):
            item.fail("only net.* belongs to a node; the rest is the machine's")
    return _text_map(value)


def _binds(value: Value) -> dict[str, Bind]:
    binds: dict[str, Bind] = {}
    for item in value.items():
        source, *rest = item.text().split(":")
        if len(rest) not in (1, 2) or not source or not rest[0].startswith("/"):
            item.fail("must be SOURCE:/TARGET or SOURCE:/TARGET:ro")
        target, mode = os.path.normpath(rest[0]), rest[1] if len(rest) == 2 else "rw"
        if mode not in ("ro", "rw"):
            item.fail(f"mode '{mode}' is not supported, only ro and rw are")
        if not target.startswith("/run/"):
            item.fail("target must be under /run/: a rootless runner cannot create it elsewhere")
        if target in binds:
            item.fail(f"target {target} is given twice")
        binds[target] = Bind(source, target, mode == "ro", item)
    return binds


def _network_mode(value: Value) -> str:
    mode = value.text()
    if mode != "none" and not (mode.startswith("container:") and len(mode) > len("container:")):
        value.fail("must be 'none' or 'container:NODE'")
    return mode


def _healthcheck(value: Value) -> list[str]:
    """Only `test` matters: the runner polls it as fast as it answers."""
    found = value.only("test", "interval", "timeout", "retries", "start-period")
    if "test" not in found:
        value.fail("'test' is missing")
    how, *words = [item.text() for item in found["test"].items()] or [""]
    if how == "CMD" and words:
        return words
    if how == "CMD-SHELL" and len(words) == 1:
        return ["/bin/sh", "-c", words[0]]
    found["test"].fail('must be ["CMD", word, ...] or ["CMD-SHELL", "line"]')


def _stages(value: Value) -> dict[str, list[tuple[str, str]]]:
    waits: dict[str, list[tuple[str, str]]] = {}
    for stage, entry in value.only(*STAGES).items():
        conditions = entry.only("wait-for")
        for item in conditions["wait-for"].items() if conditions else []:
            condition = item.only("node", "stage")
            if len(condition) != 2:
                item.fail("needs both 'node' and 'stage'")
            if condition["stage"].text() not in STAGES:
                condition["stage"].fail(f"must be one of {', '.join(STAGES)}")
            waits.setdefault(stage, []).append((condition["node"].text(), condition["stage"].text()))
    return waits


_READERS: dict[str, Callable[[Value], Any]] = {
    "kind": _kind,
    "cmd": _words,
    "binds": _binds,
    "exec": _commands,
    "env": _text_map,
    "labels": _text_map,
    "sysctls": _sysctls,
    "network-mode": _network_mode,
    "startup-delay": lambda value: value.integer(0, 3600),
    "healthcheck": _healthcheck,
}
_NODE_READERS: dict[str, Callable[[Value], Any]] = {"group": Value.text, "stages": _stages}


# --- what needs the whole file ----------------------------------------------------------------------


def _check_shared_networks(nodes: dict[str, NodeSpec], values: dict[str, Value]) -> None:
    for name, node in nodes.items():
        owner = node.network_of
        if owner is not None and (owner not in nodes or owner == name or nodes[owner].network_of):
            values[name].fail(f"network-mode container:{owner} must name another node with a network of its own")


def _check_waits(nodes: dict[str, NodeSpec], values: dict[str, Value]) -> None:
    """Refuses unknown nodes and circles: a lab that waits for itself never comes up."""
    for name, node in nodes.items():
        for other in (other for waits in node.waits.values() for other, _ in waits):
            if other not in nodes:
                values[name].mapping()["stages"].fail(f"there is no node '{other}' to wait for")

    settled: set[tuple[str, str]] = set()

    def visit(step: tuple[str, str], path: tuple[tuple[str, str], ...]) -> None:
        if step in settled:
            return
        if step in path:
            circle = " -> ".join(f"{n}/{s}" for n, s in (*path[path.index(step) :], step))
            values[step[0]].fail(f"waits in a circle: {circle}")
        name, stage = step
        before = STAGES.index(stage) - 1
        if before >= 0:
            visit((name, STAGES[before]), (*path, step))
        for wanted in nodes[name].waits.get(stage, []):
            visit(wanted, (*path, step))
        settled.add(step)

    for name in nodes:
        visit((name, "exit"), ())


def _read_links(value: Value, nodes: dict[str, NodeSpec]) -> list[LinkSpec]:
    links = []
    taken: dict[Endpoint, int] = {}
    for item in value.items():
        found = item.only("endpoints", "mtu", "vars")
        variables = found["vars"].mapping() if "vars" in found else {}
        delay_ms = variables["delay_ms"].number(0, 10_000) if "delay_ms" in variables else 0.0
        loss = variables["loss"].number(0, 1) if "loss" in variables else 0.0
        if "endpoints" not in found:
            item.fail("'endpoints' is missing")
        pair = found["endpoints"].items()
        if len(pair) != 2:
            found["endpoints"].fail("a link has exactly two endpoints")
        ends = tuple(_read_endpoint(end, nodes, taken) for end in pair)
        mtu = found["mtu"].integer(68, 65535) if "mtu" in found else DEFAULT_MTU
        links.append(LinkSpec((ends[0], ends[1]), mtu, delay_ms, loss))
    return links


def _read_endpoint(value: Value, nodes: dict[str, NodeSpec], taken: dict[Endpoint, int]) -> Endpoint:
    name, colon, interface = value.text().partition(":")
    if not colon:
        value.fail("must be NODE:INTERFACE")
    if name not in nodes:
        value.fail(f"there is no node '{name}'")
    if not _INTERFACE.fullmatch(interface) or interface == "lo":
        value.fail(f"'{interface}' is not a valid interface name (1 to 15 letters, digits, '-', '_', '.')")
    if nodes[name].network_of:
        value.fail(f"node '{name}' shares another node's network and has no interfaces of its own")
    if interface == "eth0" and not nodes[name].eth0_allowed:
        value.fail("eth0 is free only with network-mode: none")
    end = Endpoint(name, interface)
    if end in taken:
        value.fail(f"{name}:{interface} is used twice, first in line {taken[end]}")
    taken[end] = value.line
    return end

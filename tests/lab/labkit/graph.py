# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture of a topology: DOT, and by Graphviz SVG."""

from __future__ import annotations

import shutil
import subprocess

from .node import LabError
from .topology import LinkSpec, NodeSpec, Topology

_LOOKS = {  # by the label `role`
    "site": 'shape=box, style="rounded,filled", fillcolor="#cfe8cf"',
    "transit": 'shape=ellipse, style=filled, fillcolor="#d5e0f5"',
    "route-server": 'shape=hexagon, style=filled, fillcolor="#f3e3c3"',
    "client": "shape=plaintext",
    "controller": 'shape=box, style=filled, fillcolor="#eeeeee"',
}


def to_dot(topology: Topology) -> str:
    """Every node and every link."""
    lines = [
        f"graph {_quoted(topology.name)} {{",
        "  layout=neato; overlap=false; splines=true; outputorder=edgesfirst; sep=\"+6\"; start=1;",
        '  node [fontname="Helvetica", fontsize=11]; edge [fontname="Helvetica", fontsize=8, color="#777777"];',
    ]
    lines += [f"  {_quoted(node.name)} [{_node_looks(node)}];" for node in topology.nodes.values()]
    lines += [_link_line(topology, link) for link in topology.links]
    return "\n".join([*lines, "}", ""])


def to_svg(topology: Topology) -> str:
    if shutil.which("dot") is None:
        raise LabError("there is no dot in PATH (Debian: graphviz); --dot prints its input")
    done = subprocess.run(["dot", "-Tsvg"], input=to_dot(topology), capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"dot: {done.stderr}")
    return done.stdout


def _node_looks(node: NodeSpec) -> str:
    text = node.name
    for label in ("place", "region"):
        if label in node.labels:
            text += f"\n{node.labels[label]}"
    return f"label={_quoted(text)}, {_LOOKS.get(node.labels.get('role', ''), 'shape=ellipse')}"


def _link_line(topology: Topology, link: LinkSpec) -> str:
    one, other = (topology.nodes[end.node] for end in link.ends)
    looks = []
    if "controller" in (one.labels.get("role"), other.labels.get("role")):
        looks.append("style=dotted, weight=0.1")
    elif one.labels.get("role") == other.labels.get("role"):  # the carriers among themselves
        looks.append("style=bold")
    if link.delay_ms:
        looks.append(f'label="{link.delay_ms:g} ms"')
    return f"  {_quoted(one.name)} -- {_quoted(other.name)} [{', '.join(looks)}];"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

# SPDX-License-Identifier: GPL-3.0-or-later
"""Delay and loss of links, by the kernel's netem, for whichever back end made them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

from .node import SEARCH_PATH, LabError, Node
from .topology import Topology


def impair(topology: Topology, nodes: Mapping[str, Node]) -> str:
    """Gives the links what their vars say.  Returns "" or, if this kernel cannot, a sentence for the reader."""
    lines: dict[str, list[str]] = {}
    for link in topology.links:
        if link.delay_ms or link.loss:
            for end in link.ends:
                what = f"delay {link.delay_ms:g}ms loss {link.loss * 100:g}% limit 20000"
                lines.setdefault(end.node, []).append(f"qdisc add dev {end.interface} root netem {what}\n")
    for name, commands in lines.items():
        with nodes[name].network():  # the child inherits it
            done = subprocess.run(
                ["tc", "-batch", "-"], input="".join(commands), text=True, capture_output=True, env={"PATH": SEARCH_PATH}
            )
        if "qdisc kind is unknown" in done.stderr:
            return "this kernel has no netem: links are there, without the delay and loss that the topology gives them"
        if done.returncode != 0:
            raise LabError(f"{name}: delay and loss: {done.stderr}")
    return ""

# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds running labs from outside and enters their nodes.

A lab leaves no file behind that says where it runs: its node holders are found in /proc by their names.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from .node import HOLDER_NAME, SEARCH_PATH, LabError


@dataclass
class RunningLab:
    name: str
    namespace: str  # of its processes, or of what started its containers: tells apart two labs of the same name
    holders: dict[str, int] = field(default_factory=dict)  # node -> pid, as seen from here


def running_labs() -> list[RunningLab]:
    """Every lab that the caller may enter."""
    labs: dict[str, RunningLab] = {}
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            title = Path("/proc", entry, "cmdline").read_bytes().split(b"\0")[0].decode() if entry.isdecimal() else ""
            if title.startswith(f"{HOLDER_NAME}:"):
                _, name, node = title.split(":")
                namespace = os.readlink(f"/proc/{_namespace_keeper(entry)}/ns/pid")
                labs.setdefault(namespace, RunningLab(name, namespace)).holders[node] = int(entry)
    return sorted(labs.values(), key=lambda lab: min(lab.holders.values()))


def _namespace_keeper(entry: str) -> str:
    """The holder itself, or the parent of one that is process 1 of a container of its own."""
    status = dict(line.split(":\t", 1) for line in Path("/proc", entry, "status").read_text().splitlines())
    numbers = status["NSpid"].split()
    return status["PPid"] if numbers[-1] == "1" and len(numbers) > 1 else entry


def find_holder(node: str) -> int:
    """The holder of a node, in the lab that was started last among those that have such a node."""
    matches = [lab.holders[node] for lab in running_labs() if node in lab.holders]
    if not matches:
        raise LabError(f"no running lab has a node '{node}'")
    return matches[-1]


def enter(node: str, argv: list[str]) -> None:
    """Replaces this process by a command inside the node; does not return."""
    holder = find_holder(node)
    same_user = os.readlink(f"/proc/{holder}/ns/user") == os.readlink("/proc/self/ns/user")  # a container of root's
    environment = {
        "PATH": SEARCH_PATH,
        "HOME": "/root",
        "TERM": os.environ.get("TERM", "dumb"),
        "PS1": f"{node}# ",
        "LANG": "C.UTF-8",
    }
    user = [] if same_user else ["-U", "--preserve-credentials"]
    where = ["-t", str(holder), *user, "-p", "-m", "-n", "-u", "-i", "-r"]
    command = ["nsenter", *where, "--", *argv]
    os.execvpe("nsenter", command, environment)

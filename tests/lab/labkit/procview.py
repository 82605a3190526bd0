# SPDX-License-Identifier: GPL-3.0-or-later
"""A /proc with a file `modules`, for kernels that are built without loadable modules.

containerlab looks into /proc/modules for ip_tables and gives up if there is no such file, although it would go on if the
file did not mention the module.  It cannot be made in a proc file system.  So containerlab alone gets a /proc made of
links into the real one, in a mount namespace of its own, and beside them an empty file `modules`.  Processes that start
later are among the links, too: their numbers are the next ones.
"""

from __future__ import annotations

import os
from pathlib import Path

from . import kernel

_REAL = "/run/lab-proc"
_AHEAD = 30_000  # processes and threads that may start while containerlab runs


def needed() -> bool:
    return not os.path.exists("/proc/modules")


def link_names(existing: list[str], last_pid: int, pid_max: int) -> set[str]:
    """Names that the made /proc needs: those that are there, and the next numbers, which begin anew after the greatest."""
    ahead = (last_pid + i for i in range(1, _AHEAD + 1))
    return {*existing, *(str(pid if pid < pid_max else pid % pid_max) for pid in ahead)}


def enter() -> None:
    """Runs in a new process before it becomes containerlab."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    names = link_names(
        os.listdir("/proc"),
        int(Path("/proc/loadavg").read_text().split()[-1]),
        int(Path("/proc/sys/kernel/pid_max").read_text()),
    )
    os.makedirs(_REAL, exist_ok=True)
    kernel.mount("/proc", _REAL, None, kernel.MS_BIND | kernel.MS_REC)
    kernel.mount("tmpfs", "/proc", "tmpfs", 0, "mode=755")
    for name in names:
        os.symlink(f"{_REAL}/{name}", f"/proc/{name}")
    Path("/proc/modules").touch()

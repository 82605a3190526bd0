# SPDX-License-Identifier: GPL-3.0-or-later
"""A node made of namespaces, without root.  It sees the machine's files, with a /run of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import kernel
from .node import HOLDER_NAME, SEARCH_PATH, LabError, Node, Proc


class NamespaceNode(Node):
    """Made by the bring-up."""

    _namespaces: tuple[int, ...] = ()  # network, host name and mounts, kept open for entering them later

    def hold(self, network_owner: Node | None) -> int:
        """Starts the process that holds this node's namespaces.

        Returns a descriptor from which the holder's word comes: empty when all is well, else what went wrong.
        """
        self.dir.mkdir(parents=True, exist_ok=True)
        word_read, word_write = os.pipe()
        self.holder = os.fork()
        if self.holder:
            os.close(word_write)
            return word_read
        status = 1
        try:
            os.setsid()
            self._build(network_owner)
            os.set_inheritable(word_write, False)  # the exec says "all is well"
            os.execv("/bin/sleep", [f"{HOLDER_NAME}:{self._topology.name}:{self.name}", "infinity"])
        except BaseException as error:  # noqa: BLE001 -- a forked child must not return into its parent's code
            os.write(word_write, str(error).encode())
        finally:
            os._exit(status)

    def _build(self, network_owner: Node | None) -> None:
        if network_owner is None:
            kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS | kernel.CLONE_NEWNET)
            kernel.interface_up("lo")
        else:
            kernel.setns(network_owner._network)
            kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS)
        socket.sethostname(self.name)
        kernel.mount("tmpfs", "/run", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
        for bind in self.spec.binds.values():
            self._bind(bind.source, bind.target, bind.read_only)
        for key, value in self.spec.sysctls.items():
            Path("/proc/sys", *key.split(".")).write_text(value, encoding="ascii")

    def _bind(self, source: str, target: str, read_only: bool) -> None:
        path = self._topology.bind_source(source, self.name, self._lab_dir)
        if path.is_relative_to(self._lab_dir):  # docker makes missing sources; we do so where nothing can be hurt
            path.mkdir(parents=True, exist_ok=True)
        elif not path.exists():
            raise LabError(f"bind source {path} does not exist")
        if path.is_dir():
            Path(target).mkdir(parents=True, exist_ok=True)
        else:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            Path(target).touch()
        kernel.bind_mount(str(path), target, read_only)

    def adopt_namespaces(self) -> None:
        """Keeps the holder's namespaces open."""
        self.adopt_network(self.holder)
        others = (os.open(f"/proc/{self.holder}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in ("uts", "mnt"))
        self._namespaces = (self._network, *others)

    def _enter(self) -> None:
        """Runs in a new process before it becomes the command."""
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):  # whatever ignored them, a command begins like any
            signal.signal(number, signal.SIG_DFL)
        for fd in self._namespaces:
            kernel.setns(fd)

    def _inside(self, argv: Sequence[str], env: Mapping[str, str] | None) -> dict[str, Any]:
        """Like in a container, nothing of the caller's environment comes in."""
        ours = {"PATH": SEARCH_PATH, "HOME": "/root", "LANG": "C.UTF-8", "ANYCASTD_WALL": "trap"}
        environment = {**ours, **self.spec.env, **(env or {})}
        return {"args": list(argv), "env": environment, "cwd": "/", "preexec_fn": self._enter}

    def _spawn(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None) -> Proc:
        log = self.dir / f"{name}.log"
        with log.open("ab") as output:
            try:
                popen: subprocess.Popen[bytes] = subprocess.Popen(
                    **self._inside(argv, env),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                raise LabError(f"{self.name}: {name}: cannot start: {error}") from error
        return Proc(name, popen, log)

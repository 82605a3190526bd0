# SPDX-License-Identifier: GPL-3.0-or-later
"""A node of the running lab: its processes, its files, its network, its BIRD."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import kernel
from .birdctl import BIRD_SOCKET, Reply, ask
from .topology import NodeSpec, Topology

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOLDER_NAME = "lab-node"
OWN_DIR = "/run/node"


class LabError(Exception):
    """The lab itself could not do what it was asked to."""


class Proc:
    """A background process inside a node.  Its output goes to a log in the node's directory."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._popen = popen

    @property
    def pid(self) -> int:
        return self._popen.pid

    def alive(self) -> bool:
        return self._popen.poll() is None

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Sends a signal to this process alone, not to its children."""
        self._popen.send_signal(number)

    def wait(self, timeout: float = 5.0) -> int:
        """Waits for the end; returns the exit status, negative for a signal."""
        return self._popen.wait(timeout)

    def children(self) -> list[int]:
        """Pids of the direct children that still run."""
        return [pid for pid, (state, parent) in _process_table().items() if parent == self.pid and state != "Z"]


class Node:
    """One node, whichever back end made it; scenarios get it from lab.nodes."""

    def __init__(self, spec: NodeSpec, topology: Topology, lab_dir: Path) -> None:
        self.spec = spec
        self.name = spec.name
        self.labels = spec.labels
        self.dir = lab_dir / spec.name
        self.main: Proc | None = None
        self.holder = 0
        self.procs: list[Proc] = []
        self._topology = topology
        self._lab_dir = lab_dir
        self._network = -1

    # --- what a back end provides ---

    def _inside(self, argv: Sequence[str], env: Mapping[str, str] | None) -> dict[str, Any]:
        """Arguments of subprocess.Popen that run a command inside the node; env comes on top of the topology's."""
        raise NotImplementedError

    def _spawn(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None) -> Proc:
        """Starts a process inside; its output is appended to <node directory>/<name>.log."""
        raise NotImplementedError

    # --- the network ---

    def adopt_network(self, holder: int) -> None:
        """Takes the process whose namespaces are the node's, and keeps its network open."""
        self.holder = holder
        self._network = os.open(f"/proc/{holder}/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Within this block the calling thread lives in the node's network: sockets made here belong to it."""
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            kernel.setns(self._network)
            yield
        finally:
            kernel.setns(outside)
            os.close(outside)

    # --- processes ---

    def run(
        self,
        argv: Sequence[str],
        check: bool = True,
        timeout: float = 10.0,
        input: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end inside the node; with check, a bad status raises LabError with its output."""
        done = subprocess.run(
            **self._inside(argv, env),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            raise LabError(f"{self.name}: {shlex.join(argv)} gave {done.returncode}: {done.stderr or done.stdout}")
        return done

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Proc:
        """Starts a background process; its output is appended to <node directory>/<name>.log."""
        proc = self._spawn(name, argv, env)
        self.procs.append(proc)
        return proc

    def spawn_exec(self, line: str) -> Proc:
        """Starts one line of the topology's exec list."""
        return self._spawn("exec", shlex.split(self._topology.magic(line, self.name, self._lab_dir)), None)

    def start_main(self) -> None:
        """Starts the node's cmd, if it has one."""
        if self.spec.cmd is not None:
            self.main = self._spawn("cmd", self.spec.cmd, None)

    # --- files and links ---

    def path(self, inside: str) -> Path:
        """Where a file of the node (such as /run/state/x) can be read and written from the scenario."""
        return Path(f"/proc/{self.holder}/root") / inside.lstrip("/")

    def put(self, name: str, text: str) -> str:
        """Writes a file into the node's directory; returns its path as the node's processes see it."""
        (self.dir / name).write_text(text, encoding="utf-8")
        return f"{self.own_dir}/{name}"

    @property
    def own_dir(self) -> str:
        """The node's directory as its processes see it."""
        if OWN_DIR not in self.spec.binds:
            raise LabError(f"{self.name}: its topology must bind __clabNodeDir__:{OWN_DIR}")
        return OWN_DIR

    def link_down(self, interface: str) -> None:
        self.run(["ip", "link", "set", "dev", interface, "down"])

    def link_up(self, interface: str) -> None:
        self.run(["ip", "link", "set", "dev", interface, "up"])

    # --- BIRD ---

    @property
    def has_bird(self) -> bool:
        """True if the node's cmd is a BIRD with the control socket in the usual place."""
        return any(BIRD_SOCKET in word for word in self.spec.cmd or [])

    @property
    def bird_pid(self) -> int:
        if not self.has_bird or self.main is None:
            raise LabError(f"{self.name} runs no BIRD")
        return self.main.pid

    def bird(self, *commands: str, timeout: float = 2.0) -> list[Reply]:
        """Asks BIRD over a new session; returns every reply line as (code, text), errors included."""
        return ask(self.path(BIRD_SOCKET), commands, timeout)

    def stop_bird(self) -> None:
        """Freezes BIRD: its socket accepts, nobody answers."""
        os.kill(self.bird_pid, signal.SIGSTOP)

    def cont_bird(self) -> None:
        os.kill(self.bird_pid, signal.SIGCONT)

    def kill_bird(self, number: int = signal.SIGKILL) -> None:
        """Kills BIRD and waits until it is gone."""
        os.kill(self.bird_pid, number)
        assert self.main is not None
        self.main.wait()

    def start_bird(self, timeout: float = 5.0) -> None:
        """Starts the node's cmd again and waits until BIRD answers."""
        if self.main is not None and self.main.alive():
            raise LabError(f"{self.name}: BIRD is still running")
        self.start_main()
        end = time.monotonic() + timeout
        while True:
            try:
                self.bird("show status")
                return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.005)


def _process_table() -> dict[int, tuple[str, int]]:
    """Every process of the lab: pid -> (state, parent)."""
    table = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            with contextlib.suppress(OSError):
                state, parent = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[:2]
                table[int(entry)] = (state, int(parent))
    return table

# SPDX-License-Identifier: GPL-3.0-or-later
"""A node of the running lab: its namespaces, its processes, its BIRD."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from . import kernel
from .birdctl import BIRD_SOCKET, Reply, ask
from .topology import NodeSpec, Topology

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOLDER_NAME = "lab-node"


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
    """One node.  Made by the bring-up; scenarios get it from lab.nodes."""

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
        self._namespaces: dict[str, int] = {}

    # --- namespaces ---

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
            kernel.setns(network_owner._namespaces["net"])
            kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS)
        socket.sethostname(self.name)
        kernel.mount("tmpfs", "/run", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
        for bind in self.spec.binds.values():
            self._bind(bind.source, bind.target, bind.read_only)
        for key, value in self.spec.sysctls.items():
            Path("/proc/sys", *key.split(".")).write_text(value, encoding="ascii")

    def _bind(self, source: str, target: str, read_only: bool) -> None:
        path = Path(self._topology.magic(source, self.name, self._lab_dir)).expanduser()
        path = self._topology.path.parent / path
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
        """Keeps the holder's namespaces open, for entering them later."""
        for kind in ("net", "uts", "mnt"):
            self._namespaces[kind] = os.open(f"/proc/{self.holder}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)

    def _enter(self) -> None:
        """Runs in a new process before it becomes the command."""
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):  # whatever ignored them, a command begins like any
            signal.signal(number, signal.SIG_DFL)
        for fd in self._namespaces.values():
            kernel.setns(fd)

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Within this block the calling thread lives in the node's network: sockets made here belong to it."""
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            kernel.setns(self._namespaces["net"])
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
            list(argv),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self._environment(env),
            cwd="/",
            preexec_fn=self._enter,
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

    def _spawn(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None) -> Proc:
        log = self.dir / f"{name}.log"
        with log.open("ab") as output:
            try:
                popen = subprocess.Popen(
                    list(argv),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=self._environment(env),
                    cwd="/",
                    start_new_session=True,
                    preexec_fn=self._enter,
                )
            except OSError as error:
                raise LabError(f"{self.name}: {name}: cannot start: {error}") from error
        return Proc(name, popen, log)

    def _environment(self, extra: Mapping[str, str] | None) -> dict[str, str]:
        """Like a container: nothing of the caller's environment comes in."""
        return {"PATH": SEARCH_PATH, "HOME": "/root", "LANG": "C.UTF-8", **self.spec.env, **(extra or {})}

    # --- files and links ---

    def path(self, inside: str) -> Path:
        """Where a file of the node (such as /run/state/x) can be read and written from the scenario."""
        return Path(f"/proc/{self.holder}/root") / inside.lstrip("/")

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

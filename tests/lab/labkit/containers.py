# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's second back end: containerlab deploys the topology, every node is a container of the node image.

Scenarios enter a node by `docker exec`, so what they start has just the rights that a container has.  Sockets, files
and signals go straight to the node's namespaces and processes, which this machine's root may do.

Process 1 of a node (image/lab-node) runs the topology's cmd and stays when that ends, as the namespace runner's
holder does: a killed BIRD takes neither links nor network with it.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import procview
from .bringup import end_processes
from .node import HOLDER_NAME, OWN_DIR, LabError, Node, Proc
from .topology import NodeSpec, Topology

IMAGE = "anycast-lab/bird:local"
PROGRAMS: Path | None = Path("/usr/lib/lab/bin")  # in the image: what the package installed
_CMD_PID = "/run/lab-node/cmd.pid"
_CMD_STATUS = "/run/lab-node/cmd.status"
_LOG = "containerlab.log"
_DEPLOY_S = 300
_STARTED_S = 20.0

# Says its pid, then becomes the command, with its output in a file: so its end is seen at once, whoever of its
# children still holds that file.
_BEGIN = 'echo $$ >"$1"; log=$2; shift 2; exec "$@" >>"$log" 2>&1'


class ContainerProc(Proc):
    """A process in a container, known by its pid as this machine sees it; 0 if it ended before it could be seen."""

    def __init__(self, name: str, pid: int, log: Path) -> None:
        self.name = name
        self.log = log
        self._pid = pid
        self._pidfd = -1
        with contextlib.suppress(ProcessLookupError, ValueError, OSError):
            self._pidfd = os.pidfd_open(pid)

    @property
    def pid(self) -> int:
        return self._pid

    def alive(self) -> bool:
        return not self._ended(0.0)

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def wait(self, timeout: float = 5.0) -> int:
        end = time.monotonic() + timeout
        if not self._ended(timeout):
            raise subprocess.TimeoutExpired(self.name, timeout)
        return self._status(end - time.monotonic())

    def _ended(self, timeout: float) -> bool:
        if self._pidfd < 0:
            return True
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))

    def _status(self, timeout: float) -> int:
        raise NotImplementedError


def signal_status(status: int) -> int:
    """128 + n, as shells and docker tell of a signal, in Python's way: -n."""
    return 128 - status if 128 < status <= 128 + signal.SIGRTMAX else status


class ExecProc(ContainerProc):
    """A command that `docker exec` started."""

    def __init__(self, name: str, pid: int, log: Path, client: subprocess.Popen[bytes]) -> None:
        super().__init__(name, pid, log)
        self._client = client

    def _status(self, timeout: float) -> int:
        return signal_status(self._client.wait(max(timeout, 5.0)))


class MainProc(ContainerProc):
    """The topology's cmd, as process 1 started it."""

    def __init__(self, node: ContainerNode, pid: int) -> None:
        super().__init__("cmd", pid, node.dir / "cmd.log")
        self._status_file = node.path(_CMD_STATUS)

    def _status(self, timeout: float) -> int:
        end = time.monotonic() + max(timeout, 5.0)
        while not (text := _read(self._status_file)).endswith("\n"):
            if time.monotonic() > end:
                raise LabError(f"{self._status_file}: process 1 does not tell how cmd ended")
            time.sleep(0.005)
        return signal_status(int(text))


class ContainerNode(Node):
    """A node that containerlab made."""

    def __init__(self, spec: NodeSpec, topology: Topology, lab_dir: Path) -> None:
        super().__init__(spec, topology, lab_dir)
        self.container = f"clab-{topology.name}-{spec.name}"
        self._started = 0

    def adopt(self, holder: int) -> None:
        """Takes over the running container, whose process 1 is `holder`."""
        self.adopt_network(holder)
        if self.spec.cmd is not None:
            self.main = MainProc(self, self._outside(_wait_pid(self.path(_CMD_PID), time.monotonic() + _STARTED_S)))

    def _inside(self, argv: Sequence[str], env: Mapping[str, str] | None) -> dict[str, Any]:
        extra = [f"--env={key}={value}" for key, value in (env or {}).items()]
        return {"args": ["docker", "exec", "-i", *extra, self.container, *argv]}

    def _spawn(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None) -> Proc:
        self._started += 1
        word = f"start-{self._started}.pid"
        begin = ["/bin/sh", "-c", _BEGIN, name, f"{self.own_dir}/{word}", f"{self.own_dir}/{name}.log", *argv]
        log = self.dir / f"{name}.log"
        log.touch()
        client: subprocess.Popen[bytes] = subprocess.Popen(
            **self._inside(begin, env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        end = time.monotonic() + _STARTED_S
        while not (text := _read(self.dir / word)).endswith("\n"):
            if client.poll() is not None and not (self.dir / word).exists():
                trouble = client.stderr.read().decode(errors="replace") if client.stderr else ""
                raise LabError(f"{self.name}: {name}: cannot start: {trouble}")
            if time.monotonic() > end:
                raise LabError(f"{self.name}: {name}: docker does not start it")
            time.sleep(0.005)
        (self.dir / word).unlink()
        return ExecProc(name, self._outside(int(text)), log, client)

    def _outside(self, pid: int) -> int:
        """The machine's number of a process that has this one in the node; 0 if it is gone."""
        namespace = os.readlink(f"/proc/{self.holder}/ns/pid")
        for entry in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{entry}/ns/pid") == namespace and _inner_pid(entry) == pid:
                    return int(entry)
        return 0


def _inner_pid(entry: str) -> int:
    """The number of a process in its innermost namespace."""
    for line in Path("/proc", entry, "status").read_text().splitlines():
        if line.startswith("NSpid:"):
            return int(line.split()[-1])
    return 0


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except OSError:
        return ""


def _wait_pid(file: Path, end: float) -> int:
    while not (text := _read(file)).endswith("\n"):
        if time.monotonic() > end:
            raise LabError(f"{file}: no pid: is the node's image {IMAGE} made by `make node-image`?")
        time.sleep(0.005)
    return int(text)


# --- deploying and destroying -----------------------------------------------------------------------


def missing() -> str:
    """What this machine lacks for labs under containerlab, "" if nothing."""
    if os.geteuid() != 0:
        return "containerlab needs root"
    for program in ("docker", "containerlab"):
        if shutil.which(program) is None:
            return f"there is no {program} in PATH"
    if _docker("image", "inspect", IMAGE).returncode != 0:
        return f"there is no image {IMAGE}: make node-image"
    return ""


def bring_up(topology: Topology, lab_dir: Path) -> dict[str, Node]:
    """Deploys the file as it is; raises LabError if a node does not get there."""
    nodes = {name: ContainerNode(spec, topology, lab_dir) for name, spec in topology.nodes.items()}
    if running := containers_of(topology.name):  # somebody's by hand: not ours to destroy
        taken_down = f"containerlab destroy -t {topology.path}"
        raise LabError(f"a lab named {topology.name} is deployed already ({len(running)} containers): {taken_down}")
    make_bind_sources(topology, lab_dir)
    try:
        _deploy(topology, lab_dir)
        holders = _holders(nodes.values())
        for node in nodes.values():
            node.adopt(holders[node.container])
    except BaseException:
        _destroy(topology, lab_dir)
        raise
    return dict(nodes)


def _deploy(topology: Topology, lab_dir: Path) -> None:
    log = lab_dir / _LOG
    status = _containerlab(["deploy", "-t", str(topology.path)], lab_dir.parent, log)
    text = log.read_text(errors="replace")
    if status != 0 or "Failed to execute command" in text:  # containerlab only tells of a failing exec line
        raise LabError(f"containerlab deploy gave {status}:\n" + "".join(text.splitlines(keepends=True)[-20:]))


def make_bind_sources(topology: Topology, lab_dir: Path) -> list[Path]:
    """Makes the directories in the lab's own directory that nodes bind: containerlab refuses to do so."""
    made = []
    for name, spec in topology.nodes.items():
        (lab_dir / name).mkdir(parents=True, exist_ok=True)
        for bind in spec.binds.values():
            path = topology.bind_source(bind.source, name, lab_dir)
            if path.is_relative_to(lab_dir):
                path.mkdir(parents=True, exist_ok=True)
                made.append(path)
    return made


def take_down(topology: Topology, lab_dir: Path, nodes: Mapping[str, Node]) -> None:
    """Ends everything; logs are in the nodes' directories already."""
    end_processes(nodes.values())
    _destroy(topology, lab_dir)


def _destroy(topology: Topology, lab_dir: Path) -> None:
    log = lab_dir / _LOG
    status = _containerlab(["destroy", "-t", str(topology.path)], lab_dir.parent, log)
    left = containers_of(topology.name)
    if left:
        _docker("rm", "--force", *left)
    if status != 0 or left:
        raise LabError(f"containerlab destroy gave {status} and left {len(left)} containers, see {log}")


def containers_of(lab: str) -> list[str]:
    """Ids of the containers of a lab, stopped ones too."""
    done = _docker("ps", "--all", "--quiet", "--filter", f"label=containerlab={lab}")
    if done.returncode != 0:
        raise LabError(f"docker ps: {done.stderr}")
    return done.stdout.split()


def _holders(nodes: Iterable[ContainerNode]) -> dict[str, int]:
    names = [node.container for node in nodes]
    done = _docker("inspect", "--format", "{{.Name}} {{.State.Pid}}", *names)
    if done.returncode != 0:
        raise LabError(f"docker inspect: {done.stderr}")
    holders = {name.lstrip("/"): int(pid) for name, pid in map(str.split, done.stdout.splitlines())}
    for name in names:
        if holders.get(name, 0) == 0:
            raise LabError(f"{name} does not run: {_docker('logs', name).stderr[-500:]}")
    return holders


def _docker(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *words], capture_output=True, text=True, timeout=60)


def _containerlab(words: list[str], out: Path, log: Path) -> int:
    """Runs containerlab to its end.  Whoever interrupts us makes it give up, and waits until it has."""
    environment = {**os.environ, "CLAB_LABDIR_BASE": str(out), "CLAB_VERSION_CHECK": "disable", "NO_COLOR": "1"}
    with log.open("ab") as output:
        output.write(f"# containerlab {shlex.join(words)}\n".encode())
        output.flush()
        process = subprocess.Popen(
            ["containerlab", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,  # Ctrl-C is ours to handle
            preexec_fn=procview.enter if procview.needed() else None,
        )
        try:
            return process.wait(_DEPLOY_S)
        except BaseException:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()
            raise

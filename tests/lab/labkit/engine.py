# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker engine for labs under containerlab: the one that runs, or one of our own that ends with its user.

Ours lives in a sandbox with a network, mounts, a /run and processes of its own.  So it changes no firewall rule, bridge or
file of this machine, and containers, engine and network namespaces vanish with the sandbox, even after SIGKILL.  What
stays is its directory, which keeps the images.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from . import kernel, sandbox

_HOME = Path(__file__).resolve().parents[3] / "build" / "containerlab"
_CGROUPS = Path("/sys/fs/cgroup")
_CGROUP = "anycast-lab-"  # and the pid of its lab
_SOCKET = "/run/docker.sock"
_START_S = 60.0
_STOP_S = 15.0


def answers() -> bool:
    """True if `docker` reaches an engine."""
    try:
        done = subprocess.run(["docker", "version"], capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def run(work: Callable[[], int]) -> int:
    """Runs work() where an engine answers; returns its exit status, or SKIPPED when none can be started.

    $LAB_ENGINE tells engines of our own apart that run at the same time.
    """
    if answers():
        return _watched(work)
    if os.geteuid() != 0:
        return _skip("no Docker engine answers, and starting one needs root")
    if shutil.which("dockerd") is None or shutil.which("docker") is None:
        return _skip("there is no docker and dockerd in PATH (Debian: docker.io)")
    directory = _HOME / f"engine-{os.environ.get('LAB_ENGINE', '1')}"
    directory.mkdir(parents=True, exist_ok=True)
    cgroup = f"{_CGROUP}{os.getpid()}"
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return _skip(f"another lab uses the engine in {directory}")
        for stale in _dead_owners(os.listdir("/proc")):
            _remove_cgroups(stale)
        try:
            return sandbox.run(lambda: _with_engine(directory, cgroup, work), as_root=True)
        finally:
            _remove_cgroups(cgroup)


def _watched(work: Callable[[], int]) -> int:
    """Turns the signals that mean "end" into an exception, so that work() cleans up."""
    received: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        received.append(number)
        for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # once; cleaning up is not interrupted
            signal.signal(other, signal.SIG_IGN)
        raise sandbox.Interrupted

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        return work()
    except sandbox.Interrupted:
        print("lab: interrupted", flush=True)
        return 128 + received[0]


def _skip(why: str) -> int:
    print(f"SKIP {why}", flush=True)
    return sandbox.SKIPPED


def _with_engine(directory: Path, cgroup: str, work: Callable[[], int]) -> int:
    """Runs in the sandbox, as root."""
    _hide_machine_files()
    log = directory / "dockerd.log"
    with log.open("wb") as output:
        dockerd = subprocess.Popen(
            ["dockerd", *_options(directory, cgroup)], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    end = time.monotonic() + _START_S
    while not (os.path.exists(_SOCKET) and answers()):
        if dockerd.poll() is not None or time.monotonic() > end:
            dockerd.kill()
            lines = log.read_text(errors="replace").splitlines() or ["it says nothing"]
            return _skip(f"the Docker engine does not start on this machine: {lines[-1]}")
        time.sleep(0.05)
    try:
        _remove_containers()
        return work()
    finally:
        dockerd.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            dockerd.wait(_STOP_S)


def _options(directory: Path, cgroup: str) -> Iterator[str]:
    yield f"--data-root={directory}/data"
    yield f"--host=unix://{_SOCKET}"
    yield f"--cgroup-parent=/{cgroup}"
    yield "--log-level=warn"
    for what in ("bridge=none", "iptables=false", "ip6tables=false", "ip-forward=false"):  # nodes have no such network
        yield f"--{what}"


def _hide_machine_files() -> None:
    """containerlab tells the machine's resolver and SSH about its nodes, dockerd keeps a key: not on this machine."""
    copy = Path("/run/hosts")
    shutil.copy("/etc/hosts", copy)
    kernel.mount(str(copy), "/etc/hosts", None, kernel.MS_BIND)
    for directory in ("/etc/docker", "/etc/ssh/ssh_config.d"):
        if os.path.isdir(directory):
            kernel.mount("tmpfs", directory, "tmpfs", 0, "mode=755")


def _remove_containers() -> None:
    """An engine that was killed finds its containers again, and starts them."""
    left = subprocess.run(["docker", "ps", "-aq"], capture_output=True, text=True, timeout=60).stdout.split()
    if left:
        subprocess.run(["docker", "rm", "--force", *left], capture_output=True, timeout=120)


def _dead_owners(running: list[str], root: Path = _CGROUPS) -> set[str]:
    """Names of control groups whose lab was killed and could not remove them."""
    names = {path.name for path in (*root.glob(f"{_CGROUP}*"), *root.glob(f"*/{_CGROUP}*"))}
    return {name for name in names if name.removeprefix(_CGROUP) not in running}


def _remove_cgroups(name: str, root: Path = _CGROUPS, timeout_s: float = 5.0) -> None:
    """Removes what is left of our control groups: they are no part of a sandbox."""
    end = time.monotonic() + timeout_s
    while left := [top for top in (root / name, *root.glob(f"*/{name}")) if top.is_dir()]:
        for top in left:
            for path, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):  # its processes are being reaped
                    os.rmdir(path)
        if time.monotonic() > end:
            return
        time.sleep(0.02)

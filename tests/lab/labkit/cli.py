# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of tests/lab/lab."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from . import attach, bringup, containers, engine, sandbox
from .clabfile import TopologyError
from .graph import to_dot, to_svg
from .impair import impair
from .node import LabError, Node
from .scenario import Lab, Skip, load_scenario
from .topology import Topology, read_topology

_OUT_ROOT = Path(__file__).resolve().parents[3] / "build" / "lab"
_PASSED, _FAILED, _USAGE = 0, 1, 2


class BackEnd(Protocol):
    """What makes a topology real: the module bringup or containers."""

    PROGRAMS: Path | None  # where the nodes have anycastd and anycastctl, if not in the build directory

    def bring_up(self, topology: Topology, lab_dir: Path) -> dict[str, Node]:
        """Leaves nothing behind if it raises."""
        ...

    def take_down(self, topology: Topology, lab_dir: Path, nodes: Mapping[str, Node]) -> None: ...


class _TimedOut(BaseException):
    """The run took longer than --timeout."""


def main(argv: list[str]) -> int:
    options, scenario_args = _parse(argv)
    try:
        status: int = options.command(options, scenario_args)
        return status
    except (TopologyError, LabError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return _USAGE


def _parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    split = argv.index("--") if "--" in argv else len(argv)
    parser = argparse.ArgumentParser(prog="lab", description="Runs containerlab topologies, in namespaces without root or by containerlab itself.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="bring a topology up, run a scenario in it, take it down")
    run.add_argument("topology", type=Path)
    run.add_argument("scenario", type=Path)
    run.add_argument("--keep", action="store_true", help="leave the lab up after the scenario, until Ctrl-C")
    run.add_argument("--timeout", type=float, default=120.0, metavar="SEC", help="fail after this time (120)")
    run.set_defaults(command=_run)

    up = commands.add_parser("up", help="bring a topology up and leave it up until Ctrl-C")
    up.add_argument("topology", type=Path)
    up.set_defaults(command=_up)
    for command in (run, up):
        command.add_argument("--containerlab", action="store_true", help="deploy it with containerlab, as root")
        command.add_argument("--out", type=Path, metavar="DIR", help="for logs (build/lab/NAME-PID)")

    check = commands.add_parser("check", help="read a topology and say what is wrong with it")
    check.add_argument("topology", type=Path)
    check.set_defaults(command=_check)

    graph = commands.add_parser("graph", help="print a picture of a topology as SVG")
    graph.add_argument("topology", type=Path)
    graph.add_argument("--dot", action="store_true", help="print Graphviz's input instead")
    graph.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it there")
    graph.set_defaults(command=_graph)

    dirs = commands.add_parser("dirs", help="make the directories that a topology's nodes bind, beside it")
    dirs.add_argument("topology", type=Path)
    dirs.set_defaults(command=_dirs)

    with_engine = commands.add_parser("engine", help="run a command where a Docker engine answers, as root")
    with_engine.add_argument("words", nargs=argparse.REMAINDER, metavar="CMD")
    with_engine.set_defaults(command=_engine)

    commands.add_parser("status", help="list running labs").set_defaults(command=_status)
    shell = commands.add_parser("shell", help="open a shell in a node of a running lab")
    shell.add_argument("node")
    shell.set_defaults(command=_shell)
    inside = commands.add_parser("exec", help="run a command in a node of a running lab")
    inside.add_argument("node")
    inside.add_argument("words", nargs=argparse.REMAINDER, metavar="CMD")
    inside.set_defaults(command=_exec)

    if argv[:1] in (["exec"], ["engine"]):  # its command keeps every word, `--` included
        return parser.parse_args(argv), []
    return parser.parse_args(argv[:split]), argv[split + 1 :]


def _check(options: argparse.Namespace, _args: list[str]) -> int:
    topology = read_topology(options.topology)
    print(f"{topology.name}: {len(topology.nodes)} nodes, {len(topology.links)} links")
    return _PASSED


def _graph(options: argparse.Namespace, _args: list[str]) -> int:
    topology = read_topology(options.topology)
    picture = to_dot(topology) if options.dot else to_svg(topology)
    if options.output is None:
        print(picture, end="")
        return _PASSED
    try:
        options.output.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise LabError(f"cannot write the picture: {error}") from error
    return _PASSED


def _dirs(options: argparse.Namespace, _args: list[str]) -> int:
    topology = read_topology(options.topology)
    for path in containers.make_bind_sources(topology, topology.path.parent / f"clab-{topology.name}"):
        print(os.path.relpath(path))
    return _PASSED


def _engine(options: argparse.Namespace, _args: list[str]) -> int:
    words = _command_words(options, "engine")
    return engine.run(lambda: subprocess.run(words).returncode)


def _status(_options: argparse.Namespace, _args: list[str]) -> int:
    for lab in attach.running_labs():
        print(f"{lab.name}: {' '.join(lab.holders)}")
    return _PASSED


def _shell(options: argparse.Namespace, _args: list[str]) -> int:
    attach.enter(options.node, ["/bin/sh"])
    return _FAILED


def _exec(options: argparse.Namespace, _args: list[str]) -> int:
    attach.enter(options.node, _command_words(options, "exec"))
    return _FAILED


def _command_words(options: argparse.Namespace, command: str) -> list[str]:
    words: list[str] = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        raise LabError(f"{command}: what?")
    return words


def _run(options: argparse.Namespace, args: list[str]) -> int:
    topology = read_topology(options.topology)
    scenario = load_scenario(options.scenario)
    out = _make_out(options.out, topology)

    def work() -> int:
        def time_out(_number: int, _frame: object) -> None:
            raise _TimedOut(f"not finished within {options.timeout:g} s")

        signal.signal(signal.SIGALRM, time_out)
        signal.setitimer(signal.ITIMER_REAL, options.timeout)

        def judge(lab: Lab) -> int:
            status = _judge(scenario, lab)
            signal.setitimer(signal.ITIMER_REAL, 0)
            if options.keep:
                _stay_up(lab)
            return status

        return _with_lab(options, topology, out, args, judge)

    return _where(options)(work)


def _up(options: argparse.Namespace, _args: list[str]) -> int:
    topology = read_topology(options.topology)
    out = _make_out(options.out, topology)

    def stay_up(lab: Lab) -> int:
        _stay_up(lab)
        return _PASSED

    return _where(options)(lambda: _with_lab(options, topology, out, [], stay_up))


def _where(options: argparse.Namespace) -> Callable[[Callable[[], int]], int]:
    """What runs a function where the lab can be: in namespaces of its own, or where a Docker engine answers."""
    return engine.run if options.containerlab else sandbox.run


def _make_out(wanted: Path | None, topology: Topology) -> Path:
    out = (wanted or _OUT_ROOT / f"{topology.name}-{os.getpid()}").resolve()
    if out.is_relative_to("/run"):
        raise LabError(f"{out}: the lab has a /run of its own; choose another --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        if (old := out / f"clab-{topology.name}").exists():  # a lab starts from nothing, whatever ran here before
            shutil.rmtree(old)
    except OSError as error:
        raise LabError(f"cannot make the directory for logs, choose another with --out: {error}") from error
    return out


def _with_lab(
    options: argparse.Namespace, topology: Topology, out: Path, args: list[str], use: Callable[[Lab], int]
) -> int:
    lab_dir = out / f"clab-{topology.name}"
    if options.containerlab:
        if lacking := containers.missing():
            print(f"SKIP {lacking}", flush=True)
            return sandbox.SKIPPED
        return _with_nodes(topology, lab_dir, args, use, containers)
    return _with_nodes(topology, lab_dir, args, use, bringup)


def _with_nodes(
    topology: Topology, lab_dir: Path, args: list[str], use: Callable[[Lab], int], back_end: BackEnd
) -> int:
    start = time.monotonic()
    lab_dir.mkdir(exist_ok=True)
    nodes: dict[str, Node] | None = None
    try:
        nodes = back_end.bring_up(topology, lab_dir)
        if lacking := impair(topology, nodes):
            print(f"NOTE {lacking}", flush=True)
        took = time.monotonic() - start
        print(f"up   {topology.name}: {len(nodes)} nodes ({took:.2f} s), logs in {lab_dir.parent}", flush=True)
        return use(Lab(topology, nodes, lab_dir.parent, args, back_end.PROGRAMS))
    except (LabError, _TimedOut) as error:
        print(f"FAIL {error}", flush=True)
        return _FAILED
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if nodes is not None:
            back_end.take_down(topology, lab_dir, nodes)


def _judge(scenario: Callable[[Lab], None], lab: Lab) -> int:
    try:
        scenario(lab)
    except Skip as reason:
        print(f"SKIP {reason}", flush=True)
        return sandbox.SKIPPED
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        if not isinstance(error, AssertionError):
            traceback.print_exc()
        print(f"FAIL {type(error).__name__}: {error} ({where.filename}:{where.lineno}: {where.line})", flush=True)
        return _FAILED
    print("PASS", flush=True)
    return _PASSED


def _stay_up(lab: Lab) -> None:
    node = next(iter(lab.nodes))
    program = sys.argv[0]
    print(f"the lab stays up until Ctrl-C; meanwhile: {program} shell {node}; {program} exec {node} birdc show route")
    sys.stdout.flush()
    while True:
        signal.pause()

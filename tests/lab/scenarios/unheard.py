# SPDX-License-Identifier: GPL-3.0-or-later
"""A site without packet sockets: raw ones hear the test prefix while it is local; else nothing is begun, and it is said why. So it is
with a site of another build, whose packets are laid out otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labkit.anycast import Fleet
from labkit.experiment import TEST, Bench, finish, prepare
from labkit.node import Node
from labkit.scenario import Lab

# Starts a program to which the kernel denies packet sockets (AF_PACKET is 17), as a container's seccomp profile may.
DENY = """
import ctypes, os, struct, sys
codes = {"x86_64": 41, "aarch64": 198}
rules = [(0x20, 0, 0, 0), (0x15, 0, 3, codes[os.uname().machine]), (0x20, 0, 0, 16), (0x15, 0, 1, 17),
         (0x06, 0, 0, 0x50000 | 97), (0x06, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(rules), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, program, 0, 0) != 0:
    sys.exit("no seccomp")
os.execv(sys.argv[1], sys.argv[1:])
"""
OTHER = Path("/run/other")
RESTART_S = 15
TOLD_S = 8  # the sweeper looks every 2 s, the agent reports every second


def run(lab: Lab) -> None:
    fleet, bench = prepare(lab)
    chc = lab.nodes["chc"]
    check_raw(lab, fleet, bench, chc)
    check_refused(lab, fleet, bench, chc)
    check_spoilt(lab, fleet, bench, chc)
    check_other_layout(lab, fleet, bench, chc)
    finish(lab, fleet)


def sweep_of(fleet: Fleet, node: Node) -> dict[str, Any]:
    return next(dict(site["sweep"]) for site in fleet.status()["sites"] if site["site"] == node.name)


def check_raw(lab: Lab, fleet: Fleet, bench: Bench, node: Node) -> None:
    with lab.check("a site without packet sockets captures by raw ones: the same map"):
        fleet.terminate(node)
        fleet.launchers[node.name] = ["/usr/bin/python3", "-c", DENY]
        fleet.start(node)
        fleet.wait_announced()
        fleet.wait_fleet()
        bench.reach("settle")
        assert sweep_of(fleet, node)["capture"] == "raw", sweep_of(fleet, node)
        lab.wait(lambda: fleet.experiment()["state"] == "done", 30, "the experiment is over")
        bench.succeed()


def unset_local(node: Node, prefix: str) -> None:
    node.run(["ip", "-6" if ":" in prefix else "-4", "route", "del", "local", prefix, "dev", "lo"])


def mend(lab: Lab, fleet: Fleet, node: Node) -> None:
    """By what the status says."""
    for unheard in sweep_of(fleet, node)["unheard"]:
        node.run(unheard["remedy"].split())
    lab.wait(lambda: not sweep_of(fleet, node)["unheard"], TOLD_S, "all is heard again")


def events(fleet: Fleet, node: Node, prefix: str) -> list[str]:
    """What became of the prefix, the oldest first."""
    told = fleet.get(node, f"/v1/events?subject=prefix/{prefix}&limit=100")["events"]
    return [event["what"] for event in told if event["kind"] == "sweep"]


def check_refused(lab: Lab, fleet: Fleet, bench: Bench, node: Node) -> None:
    for prefix in TEST:
        with lab.check(f"{prefix} is not local there any more: told, and no experiment begins"):
            unset_local(node, prefix)
            lab.wait(lambda: [u["prefix"] for u in sweep_of(fleet, node)["unheard"]] == [prefix], TOLD_S, "it is told")
            status, body = fleet.api(fleet.mgmt, "POST", "/v1/experiments", {"site": bench.target.name})
            told = body.decode()
            assert status == 409 and f"site {node.name}: hears no replies to {prefix}" in told and " route add local " in told, body
            for command in (["status"], ["status", node.name], ["predict", "plan"]):
                text = fleet.ctl(fleet.mgmt, *command).stdout
                assert f"hears no replies to {prefix}" in text and f"route add local {prefix} dev lo" in text, text
            lab.wait(lambda: events(fleet, node, prefix) == ["heard -> unheard"], 5, "one event")
        with lab.check("the command that it names mends it"):
            mend(lab, fleet, node)
            lab.wait(lambda: events(fleet, node, prefix) == ["heard -> unheard", "unheard -> heard"], 5, "one more")
            bench.succeed()


def check_spoilt(lab: Lab, fleet: Fleet, bench: Bench, node: Node) -> None:
    with lab.check("it goes while an experiment runs: no map, and the test prefix is back"):
        bench.reach("withdraw")
        unset_local(node, TEST[0])
        lab.wait(lambda: sweep_of(fleet, node)["unheard"], TOLD_S, "it is told")
        bench.expect_failed(TOLD_S, f"{node.name} hears no replies to {TEST[0]}")
        mend(lab, fleet, node)
        bench.succeed()


def restart(fleet: Fleet, node: Node, build: Path) -> None:
    """That node's daemon, as the one of that build."""
    fleet.terminate(node)
    own, fleet.build = fleet.build, build
    fleet.start(node)
    fleet.build = own


def check_other_layout(lab: Lab, fleet: Fleet, bench: Bench, node: Node) -> None:
    other = node.path(str(OTHER))
    with lab.check("an experiment meets an upgrade: it fails, and none begins while a site's packets are laid out otherwise"):
        other.mkdir()
        program = node.path(str(fleet.build / "anycastd")).read_bytes()
        (other / "anycastd").write_bytes(program.replace(b"ACS2\0", b"ACS1\0"))
        (other / "anycastd").chmod(0o755)
        bench.reach("settle")
        restart(fleet, node, OTHER)
        bench.expect_failed(RESTART_S, f"the agent of {node.name} was restarted")
        lab.wait(lambda: sweep_of(fleet, node)["layout"] == "ACS1", RESTART_S, "it tells its layout")
        fleet.wait_announced()
        status, body = fleet.api(fleet.mgmt, "POST", "/v1/experiments", {"site": bench.target.name})
        assert status == 409 and f"the controller's is ACS2, not so at {node.name} (ACS1): " in body.decode(), body
        for command in (["status"], ["status", node.name], ["predict", "plan"]):
            text = fleet.ctl(fleet.mgmt, *command).stdout
            assert "its packet layout is ACS1, the controller's is ACS2: all must run one build" in text, text
    with lab.check("when all run one build again, they are believed"):
        restart(fleet, node, fleet.build)
        lab.wait(lambda: sweep_of(fleet, node)["layout"] == "ACS2", RESTART_S, "it tells its layout")
        fleet.wait_announced()
        fleet.wait_fleet()
        bench.succeed()

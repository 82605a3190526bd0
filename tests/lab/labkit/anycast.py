# SPDX-License-Identifier: GPL-3.0-or-later
"""The product in the lab: a controller at mgmt, an agent at every site, and anycastctl."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from .node import Node, Proc
from .scenario import Lab

ROOT = Path(__file__).resolve().parents[3]
CONFIG = "/run/lab/anycastd.yml"
SOCKET = "/run/anycastd.sock"


def build_dir(lab: Lab) -> Path:
    """Where the programs are: the first word after `--`, or $ANYCAST_BUILD, or the release build."""
    given = os.environ.get("ANYCAST_BUILD", "build/release")
    return (ROOT / given).resolve()


class Fleet:
    """Starts, kills and asks the daemons of a lab."""

    def __init__(self, lab: Lab, controller: bool = True) -> None:
        self.lab = lab
        self.build = build_dir(lab)
        self.sites = lab.nodes_with(role="site")
        self.mgmt = lab.nodes["mgmt"]
        self.procs: dict[str, Proc] = {}
        self.has_controller = controller

    # -- life --------------------------------------------------------------

    def start(self, node: Node) -> Proc:
        """Starts the node's daemon with the configuration of the topology."""
        proc = node.start("anycastd", [str(self.build / "anycastd"), "-c", CONFIG])
        self.procs[node.name] = proc
        return proc

    def start_all(self) -> None:
        for node in ([self.mgmt] if self.has_controller else []) + self.sites:
            self.start(node)

    def announced(self) -> bool:
        """Every prefix of every site is announced, as its agent reads it back from BIRD."""
        for site in self.sites:
            status = self.site_status(site)
            if not status["prefixes"] or any(p["real"] != "announced" for p in status["prefixes"]):
                return False
        return True

    def wait_announced(self, deadline_s: float = 15) -> None:
        self.lab.wait(self.announced, deadline_s, "all prefixes announced at all sites")

    def wait_fleet(self, deadline_s: float = 15) -> None:
        """The controller has heard that every site announces everything."""

        def heard() -> bool:
            status = self.status()
            return all(s["state"] == "announcing" for s in status["sites"]) and all(
                p["real"] == "announced" for s in status["sites"] for p in s["prefixes"]
            )

        self.lab.wait(heard, deadline_s, "the controller sees all sites announce")

    def worker_pid(self, node: Node, name: str) -> int:
        """The pid of a worker of the node's daemon, by its process name such as anycastd-sweep."""
        todo = [self.procs[node.name].pid]
        while todo:
            pid = todo.pop()
            try:
                comm = Path(f"/proc/{pid}/comm").read_text().strip()
                kids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            except OSError:
                continue
            if comm == name:
                return pid
            todo += [int(kid) for kid in kids]
        raise AssertionError(f"{node.name}: no process {name}")

    # -- asking ------------------------------------------------------------

    def ctl(self, node: Node, *words: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        argv = [str(self.build / "anycastctl"), "--socket", SOCKET, *words]
        return node.run(argv, check=check, timeout=timeout)

    def ask(self, node: Node, *words: str) -> Any:
        """The JSON answer of a command."""
        return json.loads(self.ctl(node, *words, "--json").stdout)

    def status(self) -> Any:
        return self.ask(self.mgmt, "status")

    def site_status(self, site: Node) -> Any:
        done = self.ctl(site, "status", "--json", check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["sites"][0]

    def real(self, site: Node) -> dict[str, str]:
        """{prefix: announced|withdrawn|unknown} as the site's agent reads it back."""
        return {p["prefix"]: p["real"] for p in self.site_status(site)["prefixes"]}

    def events(self, node: Node, limit: int = 1000) -> list[dict[str, Any]]:
        return list(self.ask(node, "events", "--limit", str(limit))["events"])

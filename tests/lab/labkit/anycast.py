# SPDX-License-Identifier: GPL-3.0-or-later
"""The product in the lab: a controller at mgmt, an agent at every site, and anycastctl."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterable
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from .node import Node, Proc
from .scenario import Lab
from .services import start_all_health

ROOT = Path(__file__).resolve().parents[3]
CONFIG = "/run/lab/anycastd.yml"
SOCKET = "/run/anycastd.sock"
STORE = "anycastd.db"  # in the node's directory `state`, which it sees as /run/state
WORKERS = ("anycastd-sweep", "anycastd-pinger", "anycastd-runner", "anycastd-store")
SANITIZER_WORDS = ("AddressSanitizer", "LeakSanitizer", "runtime error:", "wall: violation")


def build_dir(lab: Lab) -> Path:
    """Where nodes find the programs: $ANYCAST_BUILD or the release build, or what their image has."""
    if lab.programs is not None:
        return lab.programs
    given = os.environ.get("ANYCAST_BUILD", "build/release")
    return (ROOT / given).resolve()


def client_addresses(lab: Lab, per_as: int) -> list[str]:
    """Addresses of every client AS, per_as of each family."""
    out = []
    for node in lab.nodes_with(role="client"):
        n = int(node.name[1:])
        out += [f"10.{100 + n}.{i // 250}.{i % 250 + 1}" for i in range(per_as)]
        out += [str(ip_address(f"2001:db8:c0{n:02d}:{i:x}::{i + 1:x}")) for i in range(per_as)]
    return out


CONTROLLER_QUICK = """
store: /run/state/anycastd.db
socket: /run/anycastd.sock
fleet:
  listen: 10.255.0.1:8053
  sites: [{sites}]
  predict: {{rate: 20000, linger: 150ms, sentinels: 128, sentinel_interval: 100ms, settle_max: 20s, allow_special: true, block_gap: 1ms, profile: lab}}
"""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Fleet:
    """Starts, kills and asks the daemons of a lab."""

    def __init__(self, lab: Lab, controller: bool = True) -> None:
        self.lab = lab
        self.build = build_dir(lab)
        self.sites = lab.nodes_with(role="site")
        self.mgmt = lab.nodes["mgmt"]
        self.procs: dict[str, Proc] = {}
        self.has_controller = controller
        self.configs: dict[str, str] = {}  # node: configuration, where it is not the topology's
        self.env: dict[str, dict[str, str]] = {}  # node: environment of its daemon, on top of the node's
        self.launchers: dict[str, list[str]] = {}  # node: the command that starts its daemon, ahead of the daemon's own

    # -- life --------------------------------------------------------------

    def configure(self, node: Node, text: str) -> str:
        """From now on the node's daemon starts with this configuration; returns the file as the node sees it."""
        (node.dir / "state" / "anycastd.yml").write_text(text, encoding="utf-8")
        self.configs[node.name] = "/run/state/anycastd.yml"
        return self.configs[node.name]

    def start(self, node: Node) -> Proc:
        """Starts the node's daemon, with the configuration of the topology unless configure() gave another."""
        config = self.configs.get(node.name, CONFIG)
        argv = [*self.launchers.get(node.name, []), str(self.build / "anycastd"), "-c", config]
        proc = node.start("anycastd", argv, self.env.get(node.name))
        self.procs[node.name] = proc
        return proc

    def kill(self, node: Node) -> None:
        """kill -9 of the node's main process alone; its keeper and workers see it gone."""
        self.procs[node.name].kill(signal.SIGKILL)
        self.procs[node.name].wait()

    def kill_all(self, node: Node) -> None:
        """kill -9 of all processes of the node's daemon at once."""
        os.killpg(self.procs[node.name].pid, signal.SIGKILL)
        self.procs[node.name].wait()

    def terminate(self, node: Node) -> None:
        """SIGTERM, and waits until it has ended well."""
        self.procs[node.name].kill(signal.SIGTERM)
        status = self.procs[node.name].wait(15)
        assert status == 0, f"{node.name}: anycastd ended with {status}"

    def restart(self, node: Node) -> None:
        self.kill(node)
        self.start(node)

    def stop_all(self) -> None:
        """SIGTERM to every daemon; each must end well, and no sanitizer or wall may have complained in any log."""
        running = {name: proc for name, proc in self.procs.items() if proc.alive()}
        for proc in running.values():
            proc.kill(signal.SIGTERM)
        for name, proc in running.items():
            status = proc.wait(15)
            assert status == 0, f"{name}: anycastd ended with {status}"
        for node in self.lab.nodes.values():
            for log in node.dir.glob("*.log"):
                text = log.read_text(errors="replace")
                assert not any(word in text for word in SANITIZER_WORDS), f"sanitizer or wall: see {log}"

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

    def bring_up(self) -> None:
        """Healthy services and every daemon, until all is announced, heard of and converged."""
        start_all_health(self.sites)
        self.lab.wait_converged()
        self.start_all()
        self.wait_announced()
        self.wait_fleet()
        self.lab.wait_converged()

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

    def worker_pids(self, node: Node) -> dict[str, int]:
        """{process name: pid} of those workers of the node's daemon that run."""
        found = {}
        for name in WORKERS:
            try:
                found[name] = self.worker_pid(node, name)
            except AssertionError:
                continue
        return found

    # -- asking ------------------------------------------------------------

    def api(self, node: Node, method: str, path: str, body: Any = None, timeout: float = 5) -> tuple[int, bytes]:
        """One request on the daemon's socket, from here and so without a process; OSError if nobody answers."""
        with closing(_UnixConnection(node.path(SOCKET), timeout)) as connection:
            try:
                connection.request(method, path, None if body is None else json.dumps(body))
                response = connection.getresponse()
                return response.status, response.read()
            except http.client.HTTPException as error:
                raise ConnectionError(f"{node.name}: {method} {path}: {error!r}") from error

    def get(self, node: Node, path: str) -> Any:
        status, body = self.api(node, "GET", path)
        assert status == 200, (node.name, path, status, body)
        return json.loads(body)

    def ctl(self, node: Node, *words: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        argv = [str(self.build / "anycastctl"), "--socket", SOCKET, *words]
        return node.run(argv, check=check, timeout=timeout)

    def ask(self, node: Node, *words: str) -> Any:
        """The JSON answer of a command."""
        return json.loads(self.ctl(node, *words, "--json").stdout)

    def status(self) -> Any:
        return self.get(self.mgmt, "/v1/status")

    def site_status(self, site: Node) -> Any:
        done = self.ctl(site, "status", "--json", check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["sites"][0]

    def real(self, site: Node) -> dict[str, str]:
        """{prefix: announced|withdrawn|unknown} as the site's agent reads it back."""
        return {p["prefix"]: p["real"] for p in self.site_status(site)["prefixes"]}

    def outcomes(self, experiment: int) -> dict[str, tuple[str, str]]:
        """{address: (site before, site after)} of an experiment; "" is no answer."""
        out: dict[str, tuple[str, str]] = {}
        first = 0
        while True:
            url = f"http://localhost/v1/outcomes?experiment={experiment}&first={first}"
            page = self.mgmt.run(["/usr/bin/curl", "-sf", "--unix-socket", SOCKET, url]).stdout.splitlines()[1:]
            if not page:
                return out
            first += len(page)
            for line in page:
                address, before, after = line.split(",")
                if address:  # else somebody who opted out
                    out[address] = (before, after)

    def events(self, node: Node, limit: int = 1000) -> list[dict[str, Any]]:
        return list(self.ask(node, "events", "--limit", str(limit))["events"])

    def bird(self, site: Node) -> dict[str, Any]:
        """The site's object about its BIRD: state, last_error ..."""
        return dict(self.get(site, "/v1/status")["sites"][0]["bird"])

    def health(self, site: Node) -> dict[str, str]:
        """{service: healthy|sick|unknown}"""
        services = self.get(site, "/v1/status")["sites"][0]["services"]
        return {s["service"]: s["health"] for s in services}

    def use_quick_predictor(self) -> None:
        """The next controller runs its experiments in two seconds."""
        self.configure(self.mgmt, CONTROLLER_QUICK.format(sites=", ".join(site.name for site in self.sites)))

    def import_clients(self, addresses: Iterable[str]) -> None:
        file = self.mgmt.put("clients.txt", "".join(f"{address}\n" for address in addresses))
        self.ctl(self.mgmt, "clients", "import", file)

    def experiment(self) -> dict[str, Any]:
        """The newest experiment as the controller tells it; {} if there is none."""
        return dict(self.get(self.mgmt, "/v1/status")["experiment"] or {})

    # -- the store ---------------------------------------------------------

    def query(self, node: Node, sql: str, args: Iterable[Any] = ()) -> list[Any]:
        """Rows of the node's SQLite file."""
        uri = (node.dir / "state" / STORE).as_uri() + "?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=5)) as db:
            return db.execute(sql, tuple(args)).fetchall()

    def check_store(self, node: Node) -> None:
        """The node's SQLite file is whole."""
        assert self.query(node, "PRAGMA integrity_check") == [("ok",)], node.name

# SPDX-License-Identifier: GPL-3.0-or-later
"""Services at the sites: each is a real HTTP server with a health page on a port of its own."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from pathlib import Path

from .node import LabError, Node, Proc

HEALTH_PORTS = {"web": 8081, "dns": 8082}
_SERVER = Path(__file__).resolve().parent.parent / "health_server.py"


def health_page(node: Node, service: str) -> Path:
    """The file behind http://127.0.0.1:<port>/health; remove it to make the service sick (404)."""
    return node.dir / f"health-{service}" / "health"


def start_health(node: Node, service: str) -> Proc:
    """Starts the service's HTTP server and waits until it listens."""
    proc = _launch(node, service)
    _wait_listening(node, service)
    return proc


def start_all_health(nodes: Iterable[Node]) -> dict[tuple[str, str], Proc]:
    """Starts every service at every node, side by side; returns the processes by (node, service)."""
    procs = {(node, service): _launch(node, service) for node in nodes for service in HEALTH_PORTS}
    for node, service in procs:
        _wait_listening(node, service)
    return {(node.name, service): proc for (node, service), proc in procs.items()}


def _launch(node: Node, service: str) -> Proc:
    page = health_page(node, service)
    page.parent.mkdir(exist_ok=True)
    page.write_text("ok", encoding="ascii")
    program = _SERVER.read_text(encoding="utf-8")  # given as text: a container does not have the file
    argv = ["/usr/bin/python3", "-IS", "-c", program, f"{node.own_dir}/{page.parent.name}", str(HEALTH_PORTS[service])]
    return node.start(f"health-{service}", argv)


def _wait_listening(node: Node, service: str, timeout_s: float = 10.0) -> None:
    end = time.monotonic() + timeout_s
    while True:
        with node.network(), socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(("127.0.0.1", HEALTH_PORTS[service])) == 0:
                return
        if time.monotonic() > end:
            raise LabError(f"{node.name}: the health page of {service} does not listen")
        time.sleep(0.005)

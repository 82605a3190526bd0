# SPDX-License-Identifier: GPL-3.0-or-later
"""When the clients' routes changed, by their own BIRDs' traces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from labkit.node import Node


@dataclass(frozen=True)
class Change:
    """One line of a client's trace: an update that came in, or a best route that goes out to the kernel."""

    client: str
    at_s: float
    best: bool
    prefix: str


class Trace:
    """Route changes at the clients, with the time that each client's BIRD gives them (to the millisecond)."""

    _LINE = re.compile(r"(\S+ \S+) <TRACE> (\S+) ([<>]) \w+(?: \[[^\]]*\])? (\S+/\d+) ")

    def __init__(self, clients: Iterable[Node]) -> None:
        self._clients = list(clients)
        self._from: dict[str, int] = {}
        for client in self._clients:
            client.bird("debug all { routes }")
        self.mark()

    def mark(self) -> None:
        """From here on."""
        for client in self._clients:
            assert client.main is not None
            self._from[client.name] = client.main.log.stat().st_size

    def changes(self) -> Iterator[Change]:
        """Everything since the mark: updates of all neighbours, and best routes as the kernel gets them."""
        for client in self._clients:
            assert client.main is not None
            with client.main.log.open("rb") as log:
                log.seek(self._from[client.name])
                text = log.read().decode(errors="replace")
            for when, channel, direction, prefix in self._LINE.findall(text):
                best = channel.startswith("kernel")
                if best == (direction == "<"):
                    yield Change(client.name, datetime.fromisoformat(when).timestamp(), best, prefix)

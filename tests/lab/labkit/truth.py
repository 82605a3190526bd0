# SPDX-License-Identifier: GPL-3.0-or-later
"""What BIRD knows: convergence, the catchment of each client, and which updates a node has seen."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from .birdctl import Route, parse_protocols, parse_routes
from .node import LabError, Node

SITE_MARK = (64512, 1)  # the large community (64512, 1, N) says that site N announced the route


class Convergence:
    """Tells when every BGP session is Established and no counter has moved for a while."""

    def __init__(self, nodes: Iterable[Node], quiet_s: float = 0.1) -> None:
        self._nodes = [node for node in nodes if node.has_bird]
        self._quiet_s = quiet_s
        self._counters: list[list[str]] = []
        self._since = 0.0

    def reached(self) -> bool:
        """Looks once.  Raises AssertionError or OSError to say who is not there yet."""
        counters: list[list[str]] = []
        for node in self._nodes:
            for protocol in parse_protocols(node.bird("show protocols all")):
                if protocol.kind == "BGP":  # one that is `down` was disabled on purpose
                    assert protocol.state in ("up", "down"), f"{node.name}: {protocol.name} is {protocol.info}"
                    counters.append(protocol.counters)
        now = time.monotonic()
        if counters != self._counters:
            self._counters, self._since = counters, now
        return now - self._since >= self._quiet_s


def best_route(node: Node, prefix: str) -> Route | None:
    replies = node.bird(f"show route {prefix} primary all")
    for code, text in replies:
        if code >= 8000 and code != 8001:
            raise LabError(f"{node.name}: show route {prefix}: {code} {text}")
    routes = parse_routes(replies)
    return routes[0] if routes else None


@dataclass(frozen=True, eq=False)
class RouteStamp:
    """Identity and time of a best route: differs after every update that changed anything in it.

    BIRD derives the printed time anew at every look, some microseconds apart: hence the tolerance.
    """

    protocol: str
    since: datetime
    attributes: dict[str, str]

    _TOLERANCE = timedelta(milliseconds=5)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, RouteStamp)
            and (self.protocol, self.attributes) == (other.protocol, other.attributes)
            and abs(self.since - other.since) < self._TOLERANCE
        )

    __hash__ = None  # type: ignore[assignment]  # equality with a tolerance cannot be hashed


def route_stamp(node: Node, prefix: str) -> RouteStamp | None:
    route = best_route(node, prefix)
    if route is None:
        return None
    return RouteStamp(route.protocol, datetime.fromisoformat(route.since), route.attributes)


def announcing_site(route: Route, site_names: dict[int, str]) -> str:
    for first, second, number in route.large_communities():
        if (first, second) == SITE_MARK and number in site_names:
            return site_names[number]
    raise LabError(f"the route {route.prefix} via {route.protocol} carries no site's mark")


@dataclass(frozen=True)
class Update:
    """One change that BIRD traced: direction '>' into its table, '<' out to a neighbour."""

    protocol: str
    direction: str
    what: str
    prefix: str


class UpdateWatch:
    """Counts route changes on some nodes since it was made, by BIRD's own tracing.

    BIRD also traces a repeated announcement that changes nothing, which no route stamp can show.
    """

    _LINE = re.compile(r"<TRACE> (\S+)(?:\.ipv[46])? ([<>]) (\w+)(?: \[[^\]]*\])? (\S+/\d+) ")

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._start: dict[Node, int] = {}
        for node in nodes:
            if node.main is None or not node.has_bird:
                raise LabError(f"{node.name} runs no BIRD")
            self._start[node] = node.main.log.stat().st_size
            node.bird(*(f"debug {name} {{ routes }}" for name in self._bgp_protocols(node)))

    @staticmethod
    def _bgp_protocols(node: Node) -> list[str]:
        return [p.name for p in parse_protocols(node.bird("show protocols all")) if p.kind == "BGP"]

    def received(self, node: Node, prefix: str | None = None) -> list[Update]:
        """Updates that came in from neighbours, for one prefix or all."""
        return [update for update in self.all(node) if update.direction == ">" and prefix in (None, update.prefix)]

    def sent(self, node: Node, prefix: str | None = None) -> list[Update]:
        return [update for update in self.all(node) if update.direction == "<" and prefix in (None, update.prefix)]

    def all(self, node: Node) -> list[Update]:
        assert node.main is not None
        with node.main.log.open("rb") as log:
            log.seek(self._start[node])
            text = log.read().decode(errors="replace")
        return [Update(*match.groups()) for match in self._LINE.finditer(text)]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a site's generated include by hand, for scenarios of the lab itself, without the daemon."""

from __future__ import annotations

from collections.abc import Iterable

from .node import LabError, Node

PREFIXES = {
    "web": ("192.0.2.0/24", "2001:db8:53::/48"),
    "dns": ("203.0.113.0/24", "2001:db8:54::/48"),
    "test": ("198.51.100.0/24", "2001:db8:7e57::/48"),
}
ROUTE_FILE = "/run/state/anycastd.conf"


def announce(site: Node, services: Iterable[str] = PREFIXES) -> None:
    """Makes the site announce the prefixes of exactly these services."""
    lines = []
    for family, number in (("ipv4", 4), ("ipv6", 6)):
        routes = " ".join(f"route {PREFIXES[service][family == 'ipv6']} blackhole;" for service in services)
        lines.append(f"protocol static anycastd{number} {{ {family}; {routes} }}\n")
    site.path(ROUTE_FILE).write_text("".join(lines), encoding="ascii")
    replies = site.bird("configure soft")
    if replies[-1][0] not in (3, 4, 5):
        raise LabError(f"{site.name}: configure soft: {replies}")

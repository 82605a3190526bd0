# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab by itself, without the daemon: it converges, has catchments, and both kinds of truth agree."""

from __future__ import annotations

from collections import Counter

from labkit.routefile import PREFIXES, announce
from labkit.scenario import Lab

Catchments = dict[str, str | None]


def run(lab: Lab) -> None:
    sites = lab.nodes_with(role="site")
    with lab.check("BGP converges"):
        lab.wait_converged()

    with lab.check("every client has a route to every prefix"):
        for site in sites:
            announce(site)
        lab.wait_converged()
        truths = {prefix: lab.truth(prefix) for pair in PREFIXES.values() for prefix in pair}
        for prefix, catchments in truths.items():
            assert None not in catchments.values(), f"{prefix}: {catchments}"
    baseline = truths["198.51.100.0/24"]

    with lab.check("the catchments are the same for every prefix, and every site has one"):
        assert all(catchments == baseline for catchments in truths.values()), truths
        assert set(baseline.values()) == {site.name for site in sites}, baseline
    for site in sites:
        lab.note(f"{site.name}: {' '.join(client for client, at in baseline.items() if at == site.name)}")

    with lab.check("pings agree with the routes in both families"):
        check_pings(lab, baseline)

    check_withdrawals(lab, baseline)


def check_withdrawals(lab: Lab, baseline: Catchments) -> None:
    """Withdraws the test prefix at one site after the other."""
    sites = lab.nodes_with(role="site")
    clients = lab.nodes_with(role="client")
    services = [prefix for name in ("web", "dns") for prefix in PREFIXES[name]]
    stamps = {(c.name, p): lab.route_stamp(c, p) for c in clients for p in services}
    watch = lab.watch_updates(clients)
    heirs: dict[str, Counter[str]] = {}
    for site in sites:
        with lab.check(f"{site.name} withdraws the test prefix, its clients find heirs, and come back"):
            announce(site, ["web", "dns"])
            lab.wait(lambda: site.name not in lab.truth("198.51.100.0/24").values(), 10, f"{site.name} gone")
            lab.wait_converged()
            moved = lab.truth("198.51.100.0/24")
            assert None not in moved.values(), moved
            check_pings(lab, moved)
            announce(site)
            lab.wait(lambda: lab.truth("198.51.100.0/24") == baseline, 10, f"{site.name} back")
        pairs = [f"{c}->{moved[c]}" for c in baseline if moved[c] != baseline[c]]
        heirs[site.name] = Counter(str(moved[c]) for c in baseline if baseline[c] == site.name)
        lab.note(f"without {site.name}: {' '.join(pairs)}")
    lab.wait_converged()

    with lab.check("at least two sites have several heirs"):
        assert sum(len(counter) > 1 for counter in heirs.values()) >= 2, heirs
    with lab.check("the service prefixes saw no update meanwhile"):
        for client in clients:
            for prefix in services:
                assert not watch.received(client, prefix), watch.received(client, prefix)
                now = lab.route_stamp(client, prefix)
                assert now == stamps[client.name, prefix], (
                    f"{client.name} {prefix}: {stamps[client.name, prefix]} {now}"
                )
            assert watch.received(client), f"{client.name} saw no update of the test prefix either"


def check_pings(lab: Lab, expected: Catchments, addresses: int = 16) -> None:
    """Pings some addresses of every client from the test prefix, sent from each of two sites."""
    first, *_, last = lab.nodes_with(role="site")
    v4 = {f"10.{100 + int(c[1:])}.{i}.{i + 7}": at for c, at in expected.items() for i in range(addresses)}
    v6 = {f"2001:db8:c0{c[1:]}:{i:x}::{i + 7:x}": at for c, at in expected.items() for i in range(addresses)}
    for sender in (first, last):
        for source, targets in (("198.51.100.9", v4), ("2001:db8:7e57::9", v6)):
            landed = lab.ping_all(sender, source, list(targets))
            wrong = {target: (at, targets[target]) for target, at in landed.items() if at != targets[target]}
            assert not wrong, f"from {sender.name} {source}: (landed, expected) {wrong}"

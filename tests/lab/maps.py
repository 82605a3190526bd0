# SPDX-License-Identifier: GPL-3.0-or-later
"""`make test-maps`: 16 sites, 40 client ASes, 500,000 answering addresses; maps of depth 2, then every site and 20 pairs
really withdrawn.

Each client AS has one router and answers for a whole /16 and /48: where its best route leads is where every address of it
lands.  So the truth of each address is its AS's table, and a part of the displaced addresses is pinged besides, from the
service prefix.
"""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from labkit.anycast import Fleet
from labkit.campaign import WEB4, WEB6, Campaign, Predictions, client_as, restore, withdraw
from labkit.scenario import Lab

PER_AS = 6250  # of each family
PAIRS = 20
PINGED = 2000
CAMPAIGN_S = 1500
AGREEMENT = 0.999
PROMISED = ("measured", "certified")


def addresses(lab: Lab) -> Iterator[str]:
    for node in lab.nodes_with(role="client"):
        n = int(node.name[1:])
        for i in range(PER_AS):
            yield f"10.{100 + n}.{1 + i // 250}.{i % 250 + 1}"
            yield str(ip_address(f"2001:db8:c0{n:02d}:{i // 250:x}::{i % 250 + 1:x}"))


def run(lab: Lab) -> None:
    depth = int(lab.args[0]) if lab.args else 2
    fleet = Fleet(lab)
    lab.wait_converged(120)
    fleet.start_all()
    fleet.wait_announced(60)
    fleet.wait_fleet(60)
    lab.wait_converged(60)
    listed = list(addresses(lab))
    with lab.check(f"{len(fleet.sites)} sites announce, {len(listed)} addresses of {len(lab.nodes_with(role='client'))} ASes are loaded"):
        assert len(fleet.sites) >= 16 and len(listed) >= 500_000
        fleet.import_clients(listed)
    campaign = Campaign(lab, fleet)
    measure(lab, fleet, campaign, depth)
    judge(lab, fleet, campaign)
    fleet.stop_all()


def measure(lab: Lab, fleet: Fleet, campaign: Campaign, depth: int) -> None:
    with lab.check(f"a campaign measures the maps of depth {depth}"):
        start = time.monotonic()
        campaign.start(depth)
        campaign.wait_done(CAMPAIGN_S)
        told = fleet.get(fleet.mgmt, "/v1/campaign")["campaign"]
        lab.note(f"{told['made']} experiments, {told['failed']} failed, {time.monotonic() - start:.0f} s, hold-outs {told['holdout']}")
    campaign.wait_restored(10)
    with lab.check("any set is answered well within a second"):
        names = [site.name for site in fleet.sites]
        slowest = 0.0
        for down in (names[:1], names[:2], names[3:6], names[:15]):
            start = time.monotonic()
            fleet.get(fleet.mgmt, f"/v1/failover?down={','.join(down)}")
            slowest = max(slowest, time.monotonic() - start)
        lab.note(f"the slowest took {slowest * 1000:.0f} ms")
        assert slowest < 1, slowest


def judge(lab: Lab, fleet: Fleet, campaign: Campaign) -> None:
    names = [site.name for site in fleet.sites]
    rnd = random.Random(20)
    matter = pairs_that_matter(fleet)
    pairs = rnd.sample(matter, min(PAIRS, len(matter)))
    right: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for down in [*((name,) for name in names), *pairs]:
        with lab.check(f"{', '.join(down)} really withdrawn"):
            compare(lab, fleet, campaign.predictions(down), down, (seen, right))
    for size in ("1", "2"):
        total, good = seen[size], right[size]
        lab.note(f"{size} down: {good} of {total} displaced answering addresses landed as predicted: {good / total:.5f}")
    with lab.check(f"of the answering addresses at least {AGREEMENT:.1%} land as predicted, one down and two"):
        for size in ("1", "2"):
            assert right[size] >= AGREEMENT * seen[size], (size, right[size], seen[size])
    with lab.check("what is labelled measured or certified holds at least as well"):
        for label in PROMISED:
            if seen[label]:
                lab.note(f"{label}: {right[label]} of {seen[label]}: {right[label] / seen[label]:.5f}")
                assert right[label] >= AGREEMENT * seen[label], label


def pairs_that_matter(fleet: Fleet) -> list[tuple[str, str]]:
    """Pairs of which one inherits at least 1 % of the other: those in which depth 2 differs from depth 1."""
    out = set()
    for found in fleet.get(fleet.mgmt, "/v1/failover")["maps"]:
        for heir in found["heirs"]:
            if heir["heir"] and heir["weight_share"] >= 0.01:
                out.add(tuple(sorted((found["site"], heir["heir"]))))
    return sorted(out)  # type: ignore[arg-type]


def compare(
    lab: Lab, fleet: Fleet, predicted: Predictions, down: Sequence[str], tally: tuple[Counter[str], Counter[str]]
) -> None:
    seen, right = tally
    withdraw(lab, fleet, down)
    truth = {".": lab.truth(WEB4), ":": lab.truth(WEB6)}
    displaced = [a for a, (before, _, _) in predicted.items() if before in down]
    landed = {a: truth["." if "." in a else ":"][client_as(a)] for a in displaced}
    check_pings(lab, fleet, landed, down)
    restore(fleet, down)
    for a in displaced:
        _, heir, label = predicted[a]
        for key in (str(len(down)), label):
            seen[key] += 1
            right[key] += heir == landed[a]
    wrong = Counter((predicted[a][1], landed[a]) for a in displaced if predicted[a][1] != landed[a])
    lab.note(f"{len(displaced)} displaced, {sum(wrong.values())} not as predicted {dict(wrong) or ''}")
    fleet.wait_fleet(30)
    lab.wait_converged(30)


def check_pings(lab: Lab, fleet: Fleet, landed: dict[str, str | None], down: Sequence[str]) -> None:
    """A part of them is asked: the tables are right about them."""
    sender = next(site for site in fleet.sites if site.name not in down)
    some = list(itertools.islice(landed, 0, None, max(1, len(landed) // PINGED)))
    for source, mark in (("192.0.2.9", "."), ("2001:db8:53::9", ":")):
        for a, site in lab.ping_all(sender, source, [a for a in some if mark in a], rate_pps=8000).items():
            assert site == landed[a], (a, site, landed[a])

# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills services of one site and notes when the last client had its new best routes: deaths.py, args DEATHS [SEED].

The same site announces two services at once: `web` by the agent, `dns` by ExaBGP's healthcheck.  They die in turns.
Each round gives one sample; all go to samples.json in the lab's directory, and tests/bench/reaction reads them.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from labkit.routefile import announce
from labkit.scenario import Lab
from labkit.services import start_health

sys.path.insert(0, str(Path(__file__).resolve().parent))

from contestants import INTERVAL_MS, Agent, Contestant, ExaBgp  # noqa: E402 -- needs the path set above
from route_trace import Trace  # noqa: E402

SITE = "chc"  # two transits, one of them tier 1


class Bench:
    """The lab with its contestants, and what one death is."""

    def __init__(self, lab: Lab, contestants: list[Contestant]) -> None:
        self.lab = lab
        self.contestants = contestants
        self.clients = lab.nodes_with(role="client")
        self.trace = Trace(self.clients)
        self.before = lab.truth(contestants[0].prefixes[0])
        self.displaced = {client for client, site in self.before.items() if site == SITE}

    def as_before(self, prefixes: Iterable[str]) -> bool:
        return all(self.lab.truth(prefix) == self.before for prefix in prefixes)

    def die(self, who: Contestant, rng: random.Random) -> dict[str, Any]:
        """Kills the service at any point of its probes' interval; ends when all is as before."""
        time.sleep(rng.uniform(0, INTERVAL_MS / 1e3))
        self.trace.mark()
        killed_s = time.time()
        who.health.kill()
        self.lab.wait(lambda: self._have_moved(who), 10, f"{who.service} leaves {SITE}")
        self.lab.wait_converged()
        assert all(SITE not in self.lab.truth(prefix).values() for prefix in who.prefixes)
        last_s = max(c.at_s for c in self.trace.changes() if c.best and c.prefix in who.prefixes)
        noticed_s = max(when for when in who.noticed_s() if when < last_s + 1e-3)  # they are rounded
        assert noticed_s > killed_s, f"{who.service} left {SITE} for another reason than its death"
        self._revive(who)
        updates = [c.prefix for c in self.trace.changes() if not c.best]
        others = [prefix for prefix in updates if prefix not in who.prefixes]
        assert len(others) < len(updates), "the traces are blind"
        return {
            "peer": who.peer,
            "death_to_withdraw_ms": (last_s - killed_s) * 1e3,
            "after_last_probe_ms": (last_s - noticed_s) * 1e3,
            "neighbour_updates": len(others),
        }

    def _have_moved(self, who: Contestant) -> bool:
        """Each client of the site has changed its best routes in both families.

        Reads the traces only: whoever asks 10 BIRDs all the time is a load on what is being measured.
        """
        moved = {(c.client, c.prefix) for c in self.trace.changes() if c.best}
        return moved >= {(client, prefix) for client in self.displaced for prefix in who.prefixes}

    def _revive(self, who: Contestant) -> None:
        who.health.wait()
        who.health = start_health(who.site, who.service)
        self.lab.wait(lambda: self.as_before(who.prefixes), 20, f"{who.service} comes back to {SITE}")
        self.lab.wait_converged()


def run(lab: Lab) -> None:
    os.environ.pop("TZ", None)  # BIRD does not get it either: its traces and we agree on local time
    time.tzset()
    deaths, seed = (int(word) for word in [*lab.args, "1"][:2])
    site = lab.nodes[SITE]
    for other in lab.nodes_with(role="site"):
        if other is not site:
            announce(other)
    contestants: list[Contestant] = [Agent(lab, site)]
    if shutil.which("exabgp", path="/usr/sbin:/usr/bin"):
        contestants.append(ExaBgp(site))
    with lab.check("every contestant announces, and the clients see no difference"):
        lab.wait_converged()
        bench = lab.wait(lambda: settled(lab, contestants), 30, "announced")
        lab.note(f"{len(bench.displaced)} of {len(bench.clients)} clients are at {SITE}")
    rng = random.Random(seed)
    samples = []
    with lab.check(f"{deaths} deaths each, in turns"):
        for _ in range(deaths):
            samples += [bench.die(who, rng) for who in contestants]
    (lab.out / "samples.json").write_text(json.dumps(samples), encoding="ascii")


def settled(lab: Lab, contestants: list[Contestant]) -> Bench | None:
    """The bench, once all prefixes of all contestants have the same clients, and the site has some."""
    tables = [lab.truth(prefix) for who in contestants for prefix in who.prefixes]
    same = all(table == tables[0] for table in tables)
    if not same or None in tables[0].values() or SITE not in tables[0].values():
        return None
    lab.wait_converged()
    return Bench(lab, contestants)

# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of every process: no route of a healthy service moves, and nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labkit.anycast import WORKERS, Fleet
from labkit.node import Node
from labkit.routefile import PREFIXES
from labkit.scenario import Lab
from labkit.services import health_page

WEB, DNS, TEST = PREFIXES["web"], PREFIXES["dns"], PREFIXES["test"]
WEB4 = WEB[0]


def run(lab: Lab) -> None:
    seed = int(lab.args[0]) if lab.args else time.time_ns() % 1000000
    lab.note(f"seed {seed}: give it as an argument to run this again")
    rng = random.Random(seed)
    fleet = Fleet(lab)
    fleet.bring_up()
    baseline = lab.truth(WEB4)

    check_main_in_peace(lab, fleet, rng)
    check_main_in_change(lab, fleet, rng)
    check_workers(lab, fleet)
    check_store_in_change(lab, fleet)
    check_keeper(lab, fleet)
    check_acknowledged_drain(lab, fleet, lab.nodes["akl"], lab.nodes["akl"])
    check_acknowledged_drain(lab, fleet, fleet.mgmt, lab.nodes["nrt"])
    check_bird(lab, fleet)
    with lab.check("at the end all is as in the beginning, and every daemon ends well"):
        lab.wait(lambda: all(lab.truth(p) == baseline for pair in PREFIXES.values() for p in pair), 10, "all back")
        fleet.stop_all()
        for node in [fleet.mgmt, *fleet.sites]:
            fleet.check_store(node)


def moment(rng: random.Random, longest_s: float) -> None:
    """Lets a random time pass, so that kills hit anything."""
    time.sleep(rng.uniform(0, longest_s))


@contextmanager
def no_updates(lab: Lab, prefixes: Iterable[str]) -> Iterator[None]:
    """Meanwhile no client sees any update for these prefixes."""
    clients = lab.nodes_with(role="client")
    watch = lab.watch_updates(clients)
    yield
    lab.wait_converged()
    for client in clients:
        for prefix in prefixes:
            assert not watch.received(client, prefix), (client.name, prefix, watch.received(client, prefix))


def events_by_id(fleet: Fleet, node: Node) -> dict[int, dict[str, Any]]:
    return {event["id"]: event for event in fleet.get(node, "/v1/events?limit=1000")["events"]}


def assert_kept(before: dict[int, dict[str, Any]], after: dict[int, dict[str, Any]]) -> None:
    lost = {number: event for number, event in before.items() if after.get(number) != event}
    assert not lost, lost


def is_up(fleet: Fleet, site: Node) -> bool:
    """The agent answers, knows all services and has read its routes back."""
    return "unknown" not in fleet.health(site).values() and "unknown" not in fleet.real(site).values()


def check_main_in_peace(lab: Lab, fleet: Fleet, rng: random.Random) -> None:
    akl = lab.nodes["akl"]
    every = [p for pair in PREFIXES.values() for p in pair]
    with lab.check("main killed and restarted at random moments: no client sees any update"), no_updates(lab, every):
        for longest_s in (0.05, 0.1, 0.2, 0.4):
            known = events_by_id(fleet, akl)
            fleet.restart(akl)
            moment(rng, longest_s)
            fleet.restart(akl)
            lab.wait(lambda: is_up(fleet, akl), 10, "akl works again")
            fleet.check_store(akl)
            assert_kept(known, events_by_id(fleet, akl))
        assert set(fleet.real(akl).values()) == {"announced"}


def check_main_in_change(lab: Lab, fleet: Fleet, rng: random.Random) -> None:
    akl = lab.nodes["akl"]
    with lab.check("main killed while health changes: routes follow it, other prefixes see no update"):
        with no_updates(lab, (*DNS, *TEST)):
            for round_ in range(3):
                health_page(akl, "web").unlink()
                moment(rng, 0.9)
                fleet.kill(akl)
                moment(rng, 0.1)
                fleet.start(akl)
                lab.wait(lambda: "akl" not in {*lab.truth(WEB[0]).values(), *lab.truth(WEB[1]).values()}, 10,
                         f"web leaves akl in round {round_}")
                health_page(akl, "web").write_text("ok")
                moment(rng, 0.6)
                fleet.restart(akl)
                lab.wait(lambda: set(fleet.real(akl).values()) == {"announced"}, 10, f"web back in round {round_}")
            lab.wait(lambda: "akl" in lab.truth(WEB4).values(), 5, "web back at clients")
        fleet.check_store(akl)


def check_workers(lab: Lab, fleet: Fleet) -> None:
    syd = lab.nodes["syd"]
    every = [p for pair in PREFIXES.values() for p in pair]
    lab.wait(lambda: set(fleet.worker_pids(syd)) == set(WORKERS), 5, "all workers run")
    with lab.check("killed workers come back by themselves, no client sees any update"), no_updates(lab, every):
        for name in WORKERS:
            for _ in range(2):
                old = fleet.worker_pid(syd, name)
                os.kill(old, signal.SIGKILL)
                lab.wait(lambda: fleet.worker_pids(syd).get(name, old) != old, 10, f"a new {name}")
        since = max(e["last_ms"] for e in probes(fleet, syd))
        lab.wait(lambda: all(e["last_ms"] > since and e["health"] == "healthy" for e in probes(fleet, syd)), 5,
                 "every probe has a new result, and is healthy")
    assert set(fleet.health(syd).values()) == {"healthy"}
    fleet.check_store(syd)


def probes(fleet: Fleet, site: Node) -> list[dict[str, Any]]:
    services = fleet.get(site, "/v1/status")["sites"][0]["services"]
    return [probe for service in services for probe in service["probes"]]


def check_store_in_change(lab: Lab, fleet: Fleet) -> None:
    syd = lab.nodes["syd"]
    with lab.check("the store process killed while events come: each is there once"):
        last = max(events_by_id(fleet, syd))
        health_page(syd, "web").unlink()
        lab.wait(lambda: fleet.health(syd)["web"] == "sick", 5, "web is sick")
        first = fleet.worker_pid(syd, "anycastd-store")
        os.kill(first, signal.SIGKILL)
        health_page(syd, "web").write_text("ok")
        # It has its name until it is reaped.
        lab.wait(lambda: fleet.worker_pids(syd).get("anycastd-store", first) != first, 10, "a new store process")
        os.kill(fleet.worker_pid(syd, "anycastd-store"), signal.SIGKILL)
        lab.wait(lambda: fleet.real(syd)[WEB4] == "announced", 10, "web back")

        def whats() -> list[str]:
            events = events_by_id(fleet, syd).items()
            return [e["what"] for number, e in events if number > last and e["subject"] == "service/web"]

        lab.wait(lambda: whats() == ["healthy -> sick", "sick -> healthy"], 10, "both events, once")
        fleet.check_store(syd)


def check_keeper(lab: Lab, fleet: Fleet) -> None:
    syd = lab.nodes["syd"]
    every = [p for pair in PREFIXES.values() for p in pair]
    with lab.check("the keeper killed: the daemon ends, leaves no process, and comes back without an update"):
        with no_updates(lab, every):
            keeper = fleet.worker_pid(syd, "anycastd-keeper")
            left = [keeper, *fleet.worker_pids(syd).values()]
            os.kill(keeper, signal.SIGKILL)
            status = fleet.procs["syd"].wait(10)
            assert status == 1, status
            lab.wait(lambda: not any(is_running(pid) for pid in left), 10, "no process is left")
            fleet.start(syd)
            lab.wait(lambda: is_up(fleet, syd), 10, "syd works again")
            assert set(fleet.real(syd).values()) == {"announced"}


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def check_acknowledged_drain(lab: Lab, fleet: Fleet, console: Node, site: Node) -> None:
    with lab.check(f"a drain of {site.name} acknowledged at {console.name} outlives kill -9 of all its processes"):
        with no_updates(lab, TEST):
            status, body = fleet.api(console, "POST", f"/v1/sites/{site.name}/drain", {"reason": "power"})
            fleet.kill_all(console)
            assert status == 200, body
            fleet.check_store(console)
            fleet.start(console)
            lab.wait(lambda: all(site.name not in lab.truth(p).values() for p in (*WEB, *DNS)), 10, "drained")
            lab.wait(lambda: state(fleet, fleet.mgmt, site) == state(fleet, site, site) == "drained", 10, "both know it")
            intents = fleet.get(fleet.mgmt, "/v1/status")["sites"][fleet.sites.index(site)]["intents"]
            assert [i["reason"] for i in intents] == ["power"], intents
            status, body = fleet.api(fleet.mgmt, "POST", f"/v1/sites/{site.name}/restore")
            fleet.kill_all(fleet.mgmt)
            assert status == 200, body
            fleet.start(fleet.mgmt)
            lab.wait(lambda: set(fleet.real(site).values()) == {"announced"}, 10, "restored")
            lab.wait(lambda: state(fleet, fleet.mgmt, site) == "announcing", 10, "the controller knows it")
            fleet.wait_fleet()


def state(fleet: Fleet, node: Node, site: Node) -> str:
    return next(str(s["state"]) for s in fleet.get(node, "/v1/status")["sites"] if s["site"] == site.name)


def check_bird(lab: Lab, fleet: Fleet) -> None:
    sin = lab.nodes["sin"]
    with lab.check("BIRD and main killed together: both come back with the same routes"):
        before = lab.truth(WEB4)
        sin.kill_bird()
        fleet.kill(sin)
        fleet.start(sin)
        lab.wait(lambda: fleet.bird(sin)["state"] == "down", 10, "the agent says that BIRD is down")
        sin.start_bird()
        lab.wait(lambda: set(fleet.real(sin).values()) == {"announced"}, 10, "announced")
        lab.wait(lambda: lab.truth(WEB4) == before, 10, "the clients are back")

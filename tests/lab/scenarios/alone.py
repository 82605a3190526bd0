# SPDX-License-Identifier: GPL-3.0-or-later
"""A site without a controller: one agent with ten lines of configuration; then a fleet whose controller is away."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from labkit.anycast import ROOT, Fleet
from labkit.node import Node
from labkit.routefile import PREFIXES, announce
from labkit.scenario import Lab
from labkit.services import health_page, start_all_health

WEB, DNS, TEST = PREFIXES["web"], PREFIXES["dns"], PREFIXES["test"]
WEB4 = WEB[0]
EXAMPLE = ROOT / "contrib" / "examples" / "single-site.yml"
PATHS = """store: /run/state/anycastd.db
socket: /run/anycastd.sock
bird: {socket: /run/bird/bird.ctl, include: /run/state/anycastd.conf, poll: 200ms, timeout: 1s}
"""


def run(lab: Lab) -> None:
    chc = lab.nodes["chc"]
    start_all_health(lab.nodes_with(role="site"))
    lab.wait_converged()
    for site in lab.nodes_with(role="site"):
        if site is not chc:
            announce(site)
    alone = Fleet(lab, controller=False)
    alone.configure(chc, EXAMPLE.read_text().replace("interval: 1s", "interval: 200ms") + PATHS)
    alone.start(chc)
    check_health(lab, alone, chc)
    second = start_second(lab, alone, chc)
    check_drain(lab, alone, chc)
    check_drain_not_carried_out(lab, alone, chc)
    check_drain_for(lab, alone, chc)
    with lab.check("a second daemon with the same socket gives up, the first does not notice"):
        assert second.wait(12) == 1
        assert "another anycastd is running" in second.log.read_text(), second.log.read_text()
        assert alone.real(chc)[WEB4] == "announced"
    check_stop(lab, alone, chc)
    alone.stop_all()
    check_controller_away(lab)


@contextmanager
def no_updates(lab: Lab, prefixes: Iterable[str]) -> Iterator[None]:
    """Meanwhile no client sees any update for these prefixes."""
    lab.wait_converged()
    clients = lab.nodes_with(role="client")
    watch = lab.watch_updates(clients)
    yield
    lab.wait_converged()
    for client in clients:
        for prefix in prefixes:
            assert not watch.received(client, prefix), (client.name, prefix, watch.received(client, prefix))


def is_gone(lab: Lab, site: Node) -> bool:
    return all(site.name not in lab.truth(prefix).values() for prefix in WEB)


def is_there(lab: Lab, site: Node) -> bool:
    return all(site.name in lab.truth(prefix).values() for prefix in WEB)


def is_gone_from(site: Node) -> bool:
    return not [line for _, line in site.bird('show route where proto ~ "anycastd*"') if line.startswith(WEB)]


def check_health(lab: Lab, alone: Fleet, chc: Node) -> None:
    with lab.check("an agent from the example announces its prefixes, and follows health"):
        lab.wait(lambda: is_there(lab, chc), 10, "web at chc")
        health_page(chc, "web").unlink()
        lab.wait(lambda: is_gone(lab, chc), 10, "web leaves chc")
        health_page(chc, "web").write_text("ok")
        lab.wait(lambda: is_there(lab, chc), 10, "web is back")
        lab.wait(lambda: alone.site_status(chc)["state"] == "announcing", 5, "announcing")
        refused = alone.ctl(chc, "predict", "run", "--site", "chc", check=False)
        assert refused.returncode == 1 and "chc" in refused.stderr, refused


def start_second(lab: Lab, alone: Fleet, chc: Node):  # type: ignore[no-untyped-def]
    return chc.start("second", [str(alone.build / "anycastd"), "-c", alone.configs["chc"]])


def check_drain(lab: Lab, alone: Fleet, chc: Node) -> None:
    with lab.check("drain and restore at the agent's own socket"):
        dry = alone.ask(chc, "drain", "chc", "--dry-run")
        assert {change["prefix"] for change in dry["changes"]} == set(WEB), dry
        alone.ctl(chc, "drain", "chc", "--reason", "new fans")
        lab.wait(lambda: is_gone(lab, chc), 5, "drained")
        lab.wait(lambda: alone.site_status(chc)["state"] == "drained", 5, "drained, as it says itself")
        assert "new fans" in alone.ctl(chc, "explain", WEB4).stdout
        for words in (("drain", "chc"), ("drain", "akl"), ("restore", "akl")):
            refused = alone.ctl(chc, *words, check=False)
            assert refused.returncode == 1, (words, refused)
        alone.ctl(chc, "restore", "chc")
        lab.wait(lambda: is_there(lab, chc), 5, "restored")
        assert alone.ctl(chc, "restore", "chc", check=False).returncode == 1


def check_drain_not_carried_out(lab: Lab, alone: Fleet, chc: Node) -> None:
    with lab.check("while BIRD still has the routes the site is draining, not drained"):
        chc.stop_bird()
        alone.ctl(chc, "drain", "chc")
        waits = "bird to take the step"
        lab.wait(lambda: {p["drain"]["waits_for"] for p in alone.site_status(chc)["prefixes"] if p["service"]} == {waits}, 5, waits)
        time.sleep(1)  # no step takes that long
        assert alone.site_status(chc)["state"] == "draining"
        assert "drained" not in {p["drain"]["step"] for p in alone.site_status(chc)["prefixes"] if p["service"]}
        chc.cont_bird()
        lab.wait(lambda: alone.site_status(chc)["state"] == "drained", 15, "drained")
        assert is_gone_from(chc)
        alone.ctl(chc, "restore", "chc")
        lab.wait(lambda: is_there(lab, chc), 15, "restored")


def check_drain_for(lab: Lab, alone: Fleet, chc: Node) -> None:
    with lab.check("a drain for three seconds ends by itself"):
        begin = time.monotonic()
        alone.ctl(chc, "drain", "chc", "--for", "3s")
        lab.wait(lambda: is_gone(lab, chc), 5, "drained")
        lab.wait(lambda: is_there(lab, chc), 5, "ended")
        took = time.monotonic() - begin
        assert took > 2.9, took
        lab.wait(lambda: alone.site_status(chc)["state"] == "announcing", 5, "announcing")


def check_stop(lab: Lab, alone: Fleet, chc: Node) -> None:
    with lab.check("SIGTERM leaves the routes as they are, a restart changes nothing: no client sees an update"):
        with no_updates(lab, WEB):
            alone.procs["chc"].kill(signal.SIGTERM)
            assert alone.procs["chc"].wait(5) == 0
            assert is_there(lab, chc)
            assert not chc.path("/run/anycastd.sock").exists()
            alone.start(chc)
            lab.wait(lambda: alone.real(chc)[WEB4] == "announced", 5, "the agent works")
            lab.wait(lambda: alone.health(chc) == {"web": "healthy"}, 5, "and knows health")
    with lab.check("a drain whose time runs out while the daemon is dead ends when it comes back"):
        alone.ctl(chc, "drain", "chc", "--for", "3s")
        lab.wait(lambda: is_gone(lab, chc), 5, "drained")
        alone.kill_all(chc)
        until_ms = alone.query(chc, "SELECT until_ms FROM intent ORDER BY created_ms DESC LIMIT 1")[0][0]
        lab.wait(lambda: time.time() * 1000 > until_ms, 5, "its time is over")
        assert is_gone(lab, chc)
        alone.start(chc)
        lab.wait(lambda: is_there(lab, chc), 5, "back")


def check_controller_away(lab: Lab) -> None:
    fleet = Fleet(lab)
    chc, akl = lab.nodes["chc"], lab.nodes["akl"]
    (chc.dir / "state" / "anycastd.db").rename(chc.dir / "state" / "alone.db")
    fleet.start_all()
    fleet.wait_announced()
    fleet.wait_fleet()
    fleet.ctl(fleet.mgmt, "drain", "akl", "--reason", "from afar")
    lab.wait(lambda: is_gone(lab, akl), 5, "akl drained")
    fleet.kill(fleet.mgmt)
    lab.wait(lambda: fleet.site_status(chc)["uplink"]["state"] == "silent", 5, "chc misses its controller")
    with lab.check("with the controller away a site is drained, restored and drained at its own console"):
        with no_updates(lab, TEST):
            fleet.ctl(chc, "drain", "chc")
            lab.wait(lambda: is_gone(lab, chc), 5, "drained")
            fleet.ctl(chc, "restore", "chc")
            lab.wait(lambda: is_there(lab, chc), 5, "restored")
            fleet.ctl(chc, "drain", "chc", "--reason", "on the spot")
            lab.wait(lambda: is_gone(lab, chc), 5, "drained again")
    with lab.check("a drain that the controller ordered is ended at the site's console"):
        fleet.ctl(akl, "restore", "akl")
        lab.wait(lambda: is_there(lab, akl), 5, "akl restored")
    with lab.check("the controller comes back and learns of all that, no client sees an update"):
        with no_updates(lab, (*WEB, *DNS, *TEST)):
            fleet.start(fleet.mgmt)

            def learned() -> bool:
                states = {s["site"]: s for s in fleet.status()["sites"]}
                assert [i["reason"] for i in states["chc"]["intents"]] == ["on the spot"], states["chc"]["intents"]
                return states["chc"]["state"] == "drained" and states["akl"]["state"] == "announcing"

            lab.wait(learned, 10, "the controller knows")
    with lab.check("and ends the site's drain"):
        fleet.ctl(fleet.mgmt, "restore", "chc")
        lab.wait(lambda: is_there(lab, chc), 5, "restored")
        lab.wait(lambda: fleet.site_status(chc)["state"] == "announcing", 5, "chc knows")
        fleet.wait_fleet()
        fleet.stop_all()

# SPDX-License-Identifier: GPL-3.0-or-later
"""The guards of one site: flaps, failures that come together, a prober without results, freezes and overrides."""

from __future__ import annotations

import os
import signal
import time

from labkit.anycast import CONFIG, Fleet
from labkit.node import Node
from labkit.routefile import PREFIXES
from labkit.scenario import Lab
from labkit.services import health_page, start_all_health

WEB4, WEB6 = PREFIXES["web"]
UPDATES = 8
GUARDS = """
guards:
  stale_after: 3
  brake: {window: 3s, action: hold}
  damping: {suppress: 3000, reuse: 1500, half_life: 4s, max_hold: 20s, updates: %d}
""" % UPDATES
SERVICES = 100


def with_guards(fleet: Fleet, site: Node) -> None:
    fleet.configure(site, site.path(CONFIG).read_text() + GUARDS)


def guard_events(fleet: Fleet, node: Node, word: str) -> list[str]:
    return [e["reason"] for e in fleet.events(node) if e["kind"] == "guard" and word in e["what"]]


def turns(fleet: Fleet, node: Node) -> list[str]:
    """What BIRD was seen to make of the prefix, each time that it changed."""
    return [e["what"] for e in fleet.events(node) if e["kind"] == "bird" and e["subject"] == f"prefix/{WEB4}"]


def prefix_of(fleet: Fleet, site: Node, prefix: str = WEB4) -> dict[str, object]:
    return next(p for p in fleet.site_status(site)["prefixes"] if p["prefix"] == prefix)


def set_page(site: Node, there: bool, service: str = "web") -> None:
    page = health_page(site, service)
    if there:
        page.write_text("ok")
    else:
        page.unlink(missing_ok=True)


def set_both(site: Node, there: bool) -> None:
    for service in ("web", "dns"):
        set_page(site, there, service)


def flap(site: Node, seconds: float, every_s: float = 1.0) -> int:
    """The web service goes and comes once in every_s; returns how often it went.  It ends well."""
    end, times = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        set_page(site, False)
        time.sleep(every_s * 0.7)  # a load over time, not a wait for something
        set_page(site, True)
        time.sleep(every_s * 0.7)
        times += 1
    return times


def flapping(lab: Lab, fleet: Fleet, site: Node) -> None:
    peer = lab.nodes["t1"]

    def updates() -> int:
        return len([u for u in watch.received(peer, WEB4) if u.protocol.startswith(f"{site.name}_4")])

    with lab.check(f"a service that flaps every second: the far peer sees at most {UPDATES} updates and one withdrawal"):
        # The failures before may have brought it near the limit already.
        lab.wait(lambda: prefix_of(fleet, site)["damping"]["penalty"] < 500, 30, "what was before is forgotten")
        watch = lab.watch_updates([peer])
        times = flap(site, 14)
        assert times >= 8, times
        seen = updates()
        assert 2 <= seen <= UPDATES + 1, (seen, times)
        lab.note(f"{times} flaps, {seen} updates at {peer.name}")
        state = prefix_of(fleet, site)
        assert state["real"] == "withdrawn" and state["rule"] == "damping", state
        told = fleet.ctl(site, "explain", WEB4).stdout
        assert "has flapped too often" in told and "penalty" in told, told
        assert guard_events(fleet, site, "kept as it is")
    with lab.check("kill -9 of the agent does not reset it"):
        before = prefix_of(fleet, site)["damping"]
        fleet.kill(site)
        fleet.start(site)
        lab.wait(lambda: fleet.health(site)["web"] == "healthy", 10, "healthy again")
        after = prefix_of(fleet, site)
        assert after["damping"]["penalty"] > 0.3 * before["penalty"], (before, after)
        assert after["real"] == "withdrawn", after
    with lab.check("the last announcer is never kept away"):
        others = [s for s in fleet.sites if s is not site]
        for other in others:
            set_page(other, False)
        lab.wait(lambda: prefix_of(fleet, site)["real"] == "announced", 10, "announced, damped or not")
        assert prefix_of(fleet, site)["damping"]["last"], prefix_of(fleet, site)
        lab.wait(lambda: set(lab.truth(WEB4).values()) == {site.name}, 10, "all clients go there")
        for other in others:
            set_page(other, True)
    with lab.check("and it stays when the others are back"):
        fleet.wait_announced(20)


def failing_together(lab: Lab, fleet: Fleet, site: Node) -> None:
    with lab.check("all services of a site fail at once: the brake holds what they announce, and says why"):
        watch = lab.watch_updates([site])
        set_both(site, False)
        lab.wait(lambda: set(fleet.health(site).values()) == {"sick"}, 10, "both sick")
        state = prefix_of(fleet, site)
        assert state["real"] == "announced" and state["rule"] == "brake", state
        assert any("2 of 2 services" in why for why in guard_events(fleet, site, "brake"))
        assert "guard brake" in fleet.ctl(site, "status").stdout
        assert not watch.sent(site, WEB4)
    with lab.check("an operator overrides it for a time: they are withdrawn, and it is recorded"):
        refused = fleet.ctl(site, "override", "breaks", "--site", site.name, "--reason", "x", "--for", "1m", check=False)
        assert refused.returncode == 1 and "no such guard" in refused.stderr and "brake" in refused.stderr, refused
        fleet.ctl(site, "override", "brake", "--site", site.name, "--reason", "they are dead", "--for", "1m")
        lab.wait(lambda: prefix_of(fleet, site)["real"] == "withdrawn", 10, "withdrawn")
        assert "they are dead" in fleet.ctl(site, "status").stdout
        fleet.ctl(site, "override", "end", "brake", "--site", site.name)
    set_both(site, True)
    lab.wait(lambda: guard_events(fleet, site, "brake: released"), 10, "released")
    fleet.wait_announced(30)


def many_services(lab: Lab, fleet: Fleet, site: Node) -> None:
    flag = site.dir / "state" / "up"

    def begin(action: str) -> None:
        services = "".join(
            f"  - {{name: s{i}, prefixes: [10.50.{i}.0/24], probes: [{{name: up, file: /run/state/up, when: present, "
            f"interval: 200ms}}]}}\n"
            for i in range(SERVICES)
        )
        head = site.path(CONFIG).read_text().split("services:")[0]
        fleet.configure(site, head + "services:\n" + services + f"guards: {{brake: {{action: {action}}}}}\n")
        flag.write_text("")
        fleet.kill(site)
        fleet.start(site)
        lab.wait(lambda: set(fleet.real(site).values()) == {"announced"}, 30, f"{SERVICES} prefixes announced")

    with lab.check(f"{SERVICES} services fail at once, action hold: none is withdrawn"):
        begin("hold")
        flag.unlink()
        lab.wait(lambda: set(fleet.health(site).values()) == {"sick"}, 20, "all sick")
        assert set(fleet.real(site).values()) == {"announced"}
        assert any(f"{SERVICES} of {SERVICES} services" in why for why in guard_events(fleet, site, "brake"))
    with lab.check(f"{SERVICES} services fail at once, action alarm: all are withdrawn, and it is told"):
        begin("alarm")
        flag.unlink()
        lab.wait(lambda: set(fleet.real(site).values()) == {"withdrawn"}, 30, "all withdrawn")
        assert any("told only" in why for why in guard_events(fleet, site, "brake"))
    with lab.check("stopped before BIRD has followed: every decision of a drain is on record"):
        flag.write_text("")
        lab.wait(lambda: set(fleet.real(site).values()) == {"announced"}, 30, "all announced")
        site.stop_bird()
        try:
            fleet.ctl(site, "drain", site.name, "--at-once")
            fleet.terminate(site)
        finally:
            site.cont_bird()
        ended_ms = time.time() * 1000
        fleet.start(site)
        lab.wait(lambda: set(fleet.real(site).values()) == {"withdrawn"}, 30, "all withdrawn")
        gone = [e for e in fleet.events(site) if "an operator drained it" in e["reason"] and e["at_ms"] < ended_ms]
        assert len(gone) == SERVICES, len(gone)
        fleet.ctl(site, "restore", site.name)
    with_guards(fleet, site)
    fleet.kill(site)
    fleet.start(site)
    fleet.wait_announced(30)


def no_results(lab: Lab, fleet: Fleet, site: Node) -> None:
    with lab.check("a frozen prober: its probes become unknown, the routes stay, an event says so"):
        runner = fleet.worker_pid(site, "anycastd-runner")
        watch = lab.watch_updates([site])
        os.kill(runner, signal.SIGSTOP)
        try:
            lab.wait(lambda: guard_events(fleet, site, "stale"), 15, "told")
            lab.wait(lambda: fleet.health(site)["dns"] == "unknown", 5, "unknown")
            assert fleet.real(site)[PREFIXES["dns"][0]] == "announced"
            assert "guard stale" in fleet.ctl(site, "status").stdout
        finally:
            os.kill(runner, signal.SIGCONT)
        lab.wait(lambda: fleet.health(site)["dns"] == "healthy", 15, "healthy again")
        assert not watch.sent(site)


def frozen(lab: Lab, fleet: Fleet, site: Node) -> None:
    with lab.check("frozen by the controller nothing changes, whatever fails or is asked for"):
        fleet.ctl(fleet.mgmt, "freeze", "--reason", "storm")
        lab.wait(lambda: "freeze" in [g["guard"] for g in fleet.site_status(site)["guards"]], 5, "the site knows")
        watch = lab.watch_updates(fleet.sites)
        set_page(site, False)
        lab.wait(lambda: fleet.health(site)["web"] == "sick", 10, "sick")
        assert fleet.real(site)[WEB4] == "announced"
        for node in (site, fleet.mgmt):
            refused = fleet.ctl(node, "drain", site.name, check=False)
            assert refused.returncode == 1 and "guard freeze" in refused.stderr and "storm" in refused.stderr, refused
        assert "frozen" in fleet.ctl(fleet.mgmt, "status").stdout
        fleet.restart(site)
        lab.wait(lambda: fleet.health(site)["web"] == "sick", 10, "sick again after a restart")
        assert fleet.real(site)[WEB4] == "announced"
        for node in fleet.sites:
            assert not watch.sent(node, WEB4), node.name
    with lab.check("drained by force for a time, in the freeze: it is undone in time, in the freeze, and nothing else changes"):
        other = next(s for s in fleet.sites if s is not site)
        before = len(turns(fleet, other))
        fleet.ctl(fleet.mgmt, "drain", other.name, "--force", "freeze", "--reason", "fire", "--for", "3s")
        lab.wait(lambda: len(turns(fleet, other)) == before + 2, 20, "drained, and back by itself")
        assert turns(fleet, other)[before:] == ["announced -> withdrawn", "withdrawn -> announced"]
        lab.wait(lambda: fleet.real(other)[WEB4] == "announced", 10, "announced")
        assert "holds" in [g["state"] for g in fleet.site_status(other)["guards"] if g["guard"] == "freeze"]
        lab.wait(lambda: other.name in lab.truth(WEB4).values(), 10, "clients are back")
        assert fleet.real(site)[WEB4] == "announced"
    with lab.check("thawed, what was held back happens"):
        fleet.ctl(fleet.mgmt, "thaw")
        lab.wait(lambda: fleet.real(site)[WEB4] == "withdrawn", 10, "withdrawn")
    set_page(site, True)
    fleet.wait_announced(30)


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    site = lab.nodes["akl"]
    with_guards(fleet, site)
    start_all_health(fleet.sites)
    lab.wait_converged()
    fleet.start_all()
    fleet.wait_announced()
    fleet.wait_fleet()
    no_results(lab, fleet, site)
    frozen(lab, fleet, site)
    failing_together(lab, fleet, site)
    flapping(lab, fleet, site)
    many_services(lab, fleet, site)
    fleet.stop_all()

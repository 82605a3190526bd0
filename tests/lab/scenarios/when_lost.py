# SPDX-License-Identifier: GPL-3.0-or-later
"""Daemons that die or hang and do not come back: what `when_lost` says happens, by their keepers and nobody else."""

from __future__ import annotations

import os
import signal
import time

from labkit.anycast import Fleet
from labkit.node import Node
from labkit.routefile import PREFIXES
from labkit.scenario import Lab
from labkit.services import start_all_health

WEB, DNS, TEST = PREFIXES["web"], PREFIXES["dns"], PREFIXES["test"]
T_S = 10


def use_when_lost(fleet: Fleet) -> None:
    """The topology's configurations; web is withdrawn at sites that are lost, but one must go on."""
    text = fleet.mgmt.path("/run/lab/anycastd.yml").read_text()
    fleet.configure(fleet.mgmt, text + "  guards: {min_sites: 1}\n")
    for site in fleet.sites:
        text = site.path("/run/lab/anycastd.yml").read_text()
        fleet.configure(site, text.replace("- name: web\n", f"- name: web\n    when_lost: withdraw after {T_S}s\n"))


def anchor(fleet: Fleet) -> str:
    """The site that may not withdraw web."""
    kept = [s["site"] for s in fleet.status()["sites"] if not any(p in s["permits"] for p in WEB)]
    assert len(kept) == 1, kept
    return str(kept[0])


def has(lab: Lab, site: Node, prefixes: tuple[str, str] = WEB) -> bool:
    """BIRD exports both prefixes of the service."""
    shown = [line for _, line in site.bird("show route where proto ~ \"anycastd*\"")]
    return all(any(line.startswith(prefix) for line in shown) for prefix in prefixes)


def add_spare(site: Node) -> None:
    """A protocol that an operator may disable without anybody else's noticing."""
    site.path("/run/state/operator.d/spare.conf").write_text("protocol static spare { ipv4; }\n")
    site.bird("configure soft")


def is_disabled(site: Node, protocol: str) -> bool:
    return any(line.split()[:1] == [protocol] and line.split()[3] == "down" for _, line in site.bird("show protocols"))


def keeper_events(fleet: Fleet, site: Node) -> list[tuple[str, str]]:
    return [(e["subject"], e["what"]) for e in fleet.events(site) if e["kind"] == "keeper"]


def fail_to_start(fleet: Fleet, site: Node) -> None:
    """A daemon that cannot listen where it should: nobody has that address."""
    text = site.path(fleet.configs[site.name]).read_text()
    config = site.put("deaf.yml", text + "\nmetrics: 10.255.255.1:9100\n")
    deaf = site.start("deaf", [str(fleet.build / "anycastd"), "-c", config])
    assert deaf.wait(10) == 1 and "10.255.255.1" in deaf.log.read_text(), deaf.log.read_text()


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    use_when_lost(fleet)
    for site in fleet.sites:
        add_spare(site)
    start_all_health(fleet.sites)
    lab.wait_converged()
    fleet.start_all()
    fleet.wait_announced()
    fleet.wait_fleet()
    last = lab.nodes[lab.wait(lambda: anchor(fleet), 10, "one anchor")]
    hung, dead, quick, stuck = [site for site in fleet.sites if site is not last]
    lab.note(f"hangs {hung.name}, dies {dead.name}, restarts {quick.name}, cannot {stuck.name}, last {last.name}")
    with lab.check("status and explain say what happens to a lost site"):
        service = fleet.site_status(hung)["services"][0]
        assert service["when_lost"] == f"withdraw after {T_S}s", service
        assert f"withdraw after {T_S}s" in fleet.ctl(hung, "explain", WEB[0]).stdout
        assert "not without a permit" in fleet.ctl(last, "explain", WEB[0]).stdout
    lab.wait_converged()
    clients = lab.nodes_with(role="client")
    watch = lab.watch_updates(clients)

    broken = stuck.path("/run/state/operator.d/broken.conf")
    broken.write_text("protocol nonsense;\n")
    begin = time.monotonic()
    fleet.procs[hung.name].kill(signal.SIGSTOP)
    for site in (dead, quick, stuck, last):
        fleet.kill(site)
    with lab.check("a dead and a hung daemon's site withdraws after its time, not before"):
        lab.wait(lambda: time.monotonic() - begin > 2, 5, "a supervisor needs its time")
        fleet.start(quick)
        fail_to_start(fleet, dead)  # which does not count as coming back
        lab.wait(lambda: not has(lab, dead) or not has(lab, hung), 3 * T_S, "the first one withdraws")
        first = time.monotonic() - begin
        lab.wait(lambda: not has(lab, dead) and not has(lab, hung), 5, "both withdrew")
        lab.note(f"withdrawn after {first:.1f} and {time.monotonic() - begin:.1f} s")
        assert first > T_S - 1.5, first
        lab.wait(lambda: not {dead.name, hung.name} & set(lab.truth(WEB[0]).values()), 5, "clients moved")
    with lab.check("one without a permit keeps its routes, one whose daemon came back too"):
        assert has(lab, last) and has(lab, quick) and has(lab, stuck)
        broken.unlink()
    with lab.check("a keeper that BIRD refuses tries again until it takes"):
        lab.wait(lambda: not has(lab, stuck), 10, "withdrawn")
    with lab.check("a daemon that thaws puts its routes back by itself"):
        os.kill(fleet.procs[hung.name].pid, signal.SIGCONT)
        lab.wait(lambda: has(lab, hung), 10, "web is back")
        lab.wait(lambda: keeper_events(fleet, hung) == [("service/web", "announced -> withdrawn")], 5, "and tells of it")
        assert "hangs" in next(e["reason"] for e in fleet.events(hung) if e["kind"] == "keeper")
    with lab.check("so does a daemon that is started again"):
        for site in (dead, stuck, last):
            fleet.start(site)
        fleet.wait_announced()
        fleet.wait_fleet()
        assert keeper_events(fleet, dead) == [("service/web", "announced -> withdrawn")]
        assert keeper_events(fleet, stuck) == [("service/web", "announced -> withdrawn")]
        assert keeper_events(fleet, last) == keeper_events(fleet, quick) == []
        assert not list(dead.path("/run/state").glob("*.will"))
    with lab.check("a site that an operator froze keeps its routes, also when its daemon is lost"):
        last_now = lab.wait(lambda: anchor(fleet), 10, "one anchor")
        frozen, held, other = [site for site in fleet.sites if site.name != last_now][:3]
        fleet.ctl(frozen, "freeze", "--reason", "hands off")
        held.bird("disable spare")
        for site in (frozen, held, other):  # the frozen one first
            fleet.kill(site)
        lab.wait(lambda: not has(lab, other), 3 * T_S, "the other one withdraws")
        time.sleep(2)  # a keeper looks every second
        assert has(lab, frozen)
    with lab.check("one with a protocol disabled by hand keeps its routes, and the hand's work, until it is enabled"):
        assert has(lab, held) and is_disabled(held, "spare")
        held.bird("enable spare")
        lab.wait(lambda: not has(lab, held), 15, "then it withdraws")
        for site in (frozen, held, other):
            fleet.start(site)
        fleet.wait_announced()
        fleet.ctl(frozen, "thaw")
    with lab.check("what is held was held: no client saw an update of it"):
        lab.wait_converged()
        for client in clients:
            for prefix in (*DNS, *TEST):
                assert not watch.received(client, prefix), (client.name, prefix, watch.received(client, prefix))
    fleet.stop_all()
    with lab.check("a clean end leaves no keeper and all routes"):
        assert all(has(lab, site) for site in fleet.sites)

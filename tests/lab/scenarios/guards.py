# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard of the last sites: all sick at once, an anchor that falls sick, drains that would leave too few."""

from __future__ import annotations

from labkit.anycast import Fleet
from labkit.routefile import PREFIXES
from labkit.scenario import Lab
from labkit.services import health_page, start_all_health

WEB4, WEB6 = PREFIXES["web"]
DNS4, DNS6 = PREFIXES["dns"]


def holders(fleet: Fleet, prefix: str) -> set[str]:
    """Sites that announce the prefix, as their agents read it back."""
    return {site.name for site in fleet.sites if fleet.real(site)[prefix] == "announced"}


def anchor(fleet: Fleet) -> str:
    """The site without a permit for the web prefixes: it is the only one that a sick service leaves announced."""
    kept = [s["site"] for s in fleet.status()["sites"] if WEB4 not in s["permits"]]
    assert len(kept) == 1, kept
    return str(kept[0])


def break_page(lab: Lab, site: str, service: str = "web") -> None:
    health_page(lab.nodes[site], service).unlink()


def mend_all(lab: Lab, fleet: Fleet) -> None:
    for site in fleet.sites:
        for service in ("web", "dns"):
            health_page(site, service).write_text("ok")
    fleet.wait_announced()
    fleet.wait_fleet()
    lab.wait(lambda: anchor(fleet), 10, "one anchor")
    lab.wait_converged()


def use_guard(fleet: Fleet) -> None:
    """The topology's configuration of the controller, with min_sites: 1."""
    text = fleet.mgmt.path("/run/lab/anycastd.yml").read_text()
    fleet.configure(fleet.mgmt, text + "  guards: {min_sites: 1}\n")


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    use_guard(fleet)
    start_all_health(fleet.sites)
    lab.wait_converged()
    fleet.start_all()
    mend_all(lab, fleet)

    with lab.check("an anchor that falls sick is relieved by another and withdraws"):
        first = anchor(fleet)
        break_page(lab, first)
        lab.wait(lambda: fleet.real(lab.nodes[first])[WEB4] == "withdrawn", 10, f"web leaves {first}")
        lab.wait(lambda: first not in lab.truth(WEB4).values(), 5, "clients moved")
        assert anchor(fleet) != first
    mend_all(lab, fleet)

    with lab.check("all sites sick at once: the last one goes on announcing, and an event says why"):
        watch = lab.watch_updates(lab.nodes_with(role="client"))
        for site in fleet.sites:
            break_page(lab, site.name)
        lab.wait(lambda: len(holders(fleet, WEB4)) == 1 and len(holders(fleet, WEB6)) == 1, 10, "one is left")
        lab.wait_converged()
        (last,) = holders(fleet, WEB4)
        assert set(lab.truth(WEB4).values()) == {last}
        assert set(lab.truth(WEB6).values()) == holders(fleet, WEB6)
        alarms = [e for e in fleet.events(fleet.mgmt) if e["kind"] == "guard" and e["subject"] == f"prefix/{WEB4}"]
        assert alarms and "min_sites" in alarms[-1]["reason"], alarms
        assert "guard min_sites: the controller needs this site" in fleet.ctl(fleet.mgmt, "explain", WEB4).stdout
        for node in lab.nodes_with(role="client"):
            assert not watch.received(node, DNS4), node.name
    with lab.check("it stays so when controller and agent are restarted"):
        for node in (fleet.mgmt, lab.nodes[last]):
            fleet.procs[node.name].kill(9)
            fleet.procs[node.name].wait(5)
        for node in (lab.nodes[last], fleet.mgmt):
            fleet.start(node)
        lab.wait(lambda: fleet.site_status(lab.nodes[last])["services"][1]["health"] == "sick"
                 or fleet.site_status(lab.nodes[last])["services"][0]["health"] == "sick", 10, "sick again")
        lab.wait(lambda: all(s["state"] in ("sick", "degraded") for s in fleet.status()["sites"]), 10, "all heard")
        lab.wait_converged()
        assert set(lab.truth(WEB4).values()) == {last}
    with lab.check("the first that is well again takes over, the sick one withdraws"):
        other = next(s.name for s in fleet.sites if s.name != last)
        health_page(lab.nodes[other], "web").write_text("ok")
        lab.wait(lambda: holders(fleet, WEB4) == {other}, 10, "taken over")
    mend_all(lab, fleet)

    with lab.check("a drain that would leave no site is refused, and can be forced for a time"):
        *others, kept = [s.name for s in fleet.sites]
        for site in others:
            fleet.ctl(fleet.mgmt, "drain", site, "--reason", "one after the other")
            lab.wait(lambda s=site: fleet.real(lab.nodes[s])[WEB4] == "withdrawn", 10, f"{site} drained")
            lab.wait(lambda s=site: s not in reported_announcing(fleet), 5, f"{site} reported it")
        refused = fleet.ctl(fleet.mgmt, "drain", kept, "--reason", "all of it", check=False)
        assert refused.returncode == 1 and "guard min_sites" in refused.stderr, refused
        assert holders(fleet, WEB4) == {kept}
        bare = fleet.ctl(fleet.mgmt, "drain", kept, "--force", "min_sites", check=False)
        assert bare.returncode == 1 and "needs a reason and a time" in bare.stderr, bare
        fleet.ctl(fleet.mgmt, "drain", kept, "--force", "min_sites", "--reason", "fire", "--for", "2s")
        lab.wait(lambda: not holders(fleet, WEB4), 10, "nobody announces")
        lab.wait(lambda: holders(fleet, WEB4) == {kept}, 10, "and it comes back by itself")


def reported_announcing(fleet: Fleet) -> set[str]:
    return {
        s["site"] for s in fleet.status()["sites"]
        for p in s["prefixes"] if p["prefix"] == WEB4 and p["real"] == "announced"
    }

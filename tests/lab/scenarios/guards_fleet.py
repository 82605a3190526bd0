# SPDX-License-Identifier: GPL-3.0-or-later
"""The guards of the fleet when all sites fall sick at once: a budget of withdrawals, and the brake."""

from __future__ import annotations

from typing import Any

from labkit.anycast import CONFIG, Fleet
from labkit.routefile import PREFIXES
from labkit.scenario import Lab
from labkit.services import health_page, start_all_health

WEB4 = PREFIXES["web"][0]


def restart_controller(fleet: Fleet, guards: str) -> None:
    capacity = ", ".join(f"{{site: {s.name}, capacity: 100}}" for s in fleet.sites)
    text = fleet.mgmt.path(CONFIG).read_text() + f"  capacity: [{capacity}]\n  guards: {guards}\n"
    fleet.configure(fleet.mgmt, text)
    if fleet.mgmt.name in fleet.procs:
        fleet.kill(fleet.mgmt)
    fleet.start(fleet.mgmt)


def holders(fleet: Fleet) -> set[str]:
    return {site.name for site in fleet.sites if fleet.real(site)[WEB4] == "announced"}


def permitted(fleet: Fleet) -> set[str]:
    """Sites that could withdraw without asking, as their agents have it."""
    return {
        site.name for site in fleet.sites
        if next(p for p in fleet.site_status(site)["prefixes"] if p["prefix"] == WEB4)["permit"]
    }


def acting(fleet: Fleet) -> dict[str, str]:
    return {g["guard"]: g["why"] for g in fleet.status()["guards"]}


def set_all(fleet: Fleet, there: bool) -> None:
    for site in fleet.sites:
        page = health_page(site, "web")
        if there:
            page.write_text("ok")
        else:
            page.unlink(missing_ok=True)


def all_sick_heard(fleet: Fleet) -> bool:
    def health(site: Any) -> str:
        return str(next((s["health"] for s in site["services"] if s["service"] == "web"), ""))

    return all(health(site) == "sick" for site in fleet.status()["sites"])


def mend(lab: Lab, fleet: Fleet, permits: int) -> None:
    set_all(fleet, True)
    fleet.wait_announced(20)
    fleet.wait_fleet()
    lab.wait(lambda: len(permitted(fleet)) == permits, 10, f"{permits} permits are out")


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    start_all_health(fleet.sites)
    lab.wait_converged()
    restart_controller(fleet, "{budget: {window: 5m, sites: 2}}")
    for site in fleet.sites:
        fleet.start(site)
    mend(lab, fleet, 2)

    with lab.check("a budget of two sites: all fall sick at once, two withdraw, the others go on, and the status says why"):
        set_all(fleet, False)
        lab.wait(lambda: all_sick_heard(fleet), 10, "all sick")
        lab.wait(lambda: "budget" in acting(fleet), 10, "told")
        lab.wait_converged()
        # Which two: a site that fell sick first may get the permit of one that was still well.
        assert len(holders(fleet)) == len(fleet.sites) - 2, holders(fleet)
        assert "3 sick sites are kept announcing" in acting(fleet)["budget"], acting(fleet)
        assert any(e["subject"] == "fleet" and "budget" in e["what"] for e in fleet.events(fleet.mgmt))
        assert "guard budget" in fleet.ctl(fleet.mgmt, "status").stdout
    with lab.check("the controller is killed: what is spent stays spent"):
        kept = holders(fleet)
        fleet.restart(fleet.mgmt)
        lab.wait(lambda: all_sick_heard(fleet), 10, "all heard")
        lab.wait(lambda: "budget" in acting(fleet), 10, "told again")
        assert holders(fleet) == kept
    with lab.check("a drain beyond the budget is refused with the numbers, and can be forced for a time"):
        site = sorted(kept)[0]
        refused = fleet.ctl(fleet.mgmt, "drain", site, check=False)
        assert refused.returncode == 1 and "guard budget" in refused.stderr and "3 sites" in refused.stderr, refused
        unknown = fleet.ctl(fleet.mgmt, "drain", site, "--force", "budgets", "--reason", "x", "--for", "1m", check=False)
        assert unknown.returncode == 1 and "no such guard" in unknown.stderr and "min_sites" in unknown.stderr, unknown
        fleet.ctl(fleet.mgmt, "drain", site, "--force", "budget", "--reason", "fire", "--for", "1m")
        lab.wait(lambda: site not in holders(fleet), 10, "drained")
        assert "override: budget" in fleet.ctl(fleet.mgmt, "status").stdout
        ended = fleet.ctl(fleet.mgmt, "restore", site)
        assert "override" in ended.stdout + ended.stderr, ended  # it was for as long as the drain
        assert "override: budget" not in fleet.ctl(fleet.mgmt, "status").stdout

    with lab.check("the brake: all fall sick at once, one may go, then nobody, with an alarm"):
        set_all(fleet, True)
        fleet.wait_announced(20)
        restart_controller(fleet, "{min_sites: 1, min_capacity: 40%, brake: {sites: 1, window: 10s}}")
        mend(lab, fleet, 1)
        set_all(fleet, False)
        lab.wait(lambda: all_sick_heard(fleet), 10, "all sick")
        lab.wait(lambda: "brake" in acting(fleet), 10, "told")
        lab.wait_converged()
        assert len(holders(fleet)) >= len(fleet.sites) - 1, holders(fleet)
        assert not permitted(fleet) & holders(fleet), permitted(fleet)
        assert "nobody withdraws any further" in acting(fleet)["brake"]
        refused = fleet.ctl(fleet.mgmt, "drain", sorted(holders(fleet))[0], check=False)
        assert refused.returncode == 1 and "guard" in refused.stderr, refused
    with lab.check("it lets go when they are well again"):
        mend(lab, fleet, 1)
        assert "brake" not in acting(fleet), acting(fleet)
    fleet.stop_all()

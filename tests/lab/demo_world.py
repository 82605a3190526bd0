# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo-world`: twelve sites around the world, measured and drained one after the other, and the report of it."""

from __future__ import annotations

import shutil
from collections import Counter

from demo import WEB4, WEB6, addresses, land, say, show, shown
from labkit.anycast import Fleet
from labkit.graph import to_svg
from labkit.node import LabError, Node
from labkit.scenario import Lab
from labkit.services import start_all_health

SMALLEST_AS, STEP = 300, 40  # addresses per client AS and family: 340 to 1,100, 28,800 in all


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    lab.wait_converged()
    say(f"\n== {len(fleet.sites)} sites of one anycast network, carriers in two tiers, a route server at an IXP, and")
    say(f"   {len(lab.nodes_with(role='client'))} client networks; a real BIRD in each, an anycastd beside every site's.")
    start_all_health(fleet.sites)
    fleet.start_all()
    fleet.wait_announced(30)
    fleet.wait_fleet(30)
    lab.wait_converged()
    show(fleet, "status")
    listed = addresses(lab, SMALLEST_AS, STEP)
    file = fleet.mgmt.put("clients.txt", "".join(f"{a},{1 + i % 5}\n" for i, a in enumerate(listed)))
    show(fleet, "clients", "import", file)

    say("\n== Each site is measured over the test prefix, then drained for real, then restored.\n")
    say(f"    {'SITE':<6}{'PLACE':<15}{'CLIENTS':>8}{'AS PREDICTED':>14}{'STRAYS':>8}  HEIRS, AS MEASURED")
    wrong = sum(visit(lab, fleet, site) for site in fleet.sites)
    show(fleet, "report", "failover")
    keep(lab, fleet)
    assert wrong == 0, f"{wrong} clients did not land as predicted"


def visit(lab: Lab, fleet: Fleet, site: Node) -> int:
    """Measures and drains a site; returns how many clients went elsewhere than predicted."""
    fleet.ctl(fleet.mgmt, "predict", "run", "--detach", "--site", site.name)
    experiment = int(lab.wait(lambda: done(fleet, site), 120, f"{site.name} is measured"))
    predicted = fleet.outcomes(experiment)
    fleet.ctl(fleet.mgmt, "drain", site.name, "--reason", "demo-world")
    lab.wait(lambda: site.name not in {*lab.truth(WEB4).values(), *lab.truth(WEB6).values()}, 20, f"{site.name} drained")
    lab.wait_converged()
    landing = land(lab, list(predicted))
    fleet.ctl(fleet.mgmt, "restore", site.name)
    fleet.wait_fleet(20)
    lab.wait_converged()

    moved = [a for a, (before, _) in predicted.items() if before == site.name]
    assert moved, f"{site.name} has no clients"
    wrong = sum(predicted[a][1] != (landing[a] or "") for a in moved)
    strays = sum(landing[a] != before for a, (before, _) in predicted.items() if before != site.name)
    heirs = Counter(landing[a] or "unknown" for a in moved)
    told = ", ".join(f"{heir} {count / len(moved):.0%}" for heir, count in heirs.most_common())
    right = f"{len(moved) - wrong} of {len(moved)}"
    say(f"    {site.name:<6}{site.labels['place']:<15}{len(moved):>8}{right:>14}{strays:>8}  {told}")
    return wrong + strays


def done(fleet: Fleet, site: Node) -> int:
    """The number of the running experiment, once its map is in the store; 0 before."""
    state = fleet.experiment()
    if state["state"] == "failed":
        raise RuntimeError(f"the experiment at {site.name} failed: {state}")
    maps = fleet.get(fleet.mgmt, f"/v1/failover?site={site.name}")["maps"]
    return int(state["id"]) if any(found["experiment"] == state["id"] for found in maps) else 0


def keep(lab: Lab, fleet: Fleet) -> None:
    """Leaves what can be looked at afterwards."""
    kept = {"page": lab.out / "failover.html", "table": lab.out / "failover.csv", "database": lab.out / "controller.db"}
    for name, form in (("page", "html"), ("table", "csv")):
        kept[name].write_text(fleet.ctl(fleet.mgmt, "report", "failover", "--format", form).stdout, encoding="utf-8")
    fleet.stop_all()
    shutil.copy(fleet.mgmt.path("/run/state/anycastd.db"), kept["database"])
    try:
        picture = lab.out / "world.svg"
        picture.write_text(to_svg(lab.topology), encoding="utf-8")
        kept["picture"] = picture
    except LabError as lacking:
        say(f"    no picture of the topology: {lacking}")
    say("\n== The lab goes down.  What is left:")
    for name, path in kept.items():
        say(f"    {name:<10}{shown(path)}")

# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: a real anycast network loses a site, and a prediction comes true."""

from __future__ import annotations

import shutil
from collections import Counter
from ipaddress import ip_address
from pathlib import Path

from labkit.anycast import Fleet
from labkit.routefile import PREFIXES
from labkit.scenario import Lab
from labkit.services import health_page, start_all_health

SITE = "nrt"
SMALLEST_AS, STEP = 3000, 600  # addresses per client AS and family: 3,600 to 9,000, 126,000 in all
WEB4, WEB6 = PREFIXES["web"]
TEST4, TEST6 = PREFIXES["test"]


def addresses(lab: Lab, smallest_as: int = SMALLEST_AS, step: int = STEP) -> list[str]:
    """Real addresses that answer pings, of each client AS's IPv4 /16 and of its IPv6 /48: step more in each than before."""
    out = []
    for node in lab.nodes_with(role="client"):
        n = int(node.name[1:])
        count = smallest_as + step * n
        out += [f"10.{100 + n}.{1 + i // 250}.{i % 250 + 1}" for i in range(count)]
        out += [str(ip_address(f"2001:db8:c0{n:02d}:{i // 8:x}::{i % 8 + 1:x}")) for i in range(count)]
    return out


def say(text: str = "") -> None:
    print(text, flush=True)


def show(fleet: Fleet, *words: str) -> None:
    """Runs anycastctl at the controller and shows what a person would see."""
    say(f"\n$ anycastctl {' '.join(words)}")
    for line in fleet.ctl(fleet.mgmt, *words, timeout=300).stdout.splitlines():
        say(f"    {line}")


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    lab.wait_converged()
    say("\n== Five sites of one anycast network, five transits, ten client networks; a real BIRD in each.")
    say("   One anycastd beside every site's BIRD, one controller on the management network.")
    start_all_health(fleet.sites)
    fleet.start_all()
    fleet.wait_announced()
    fleet.wait_fleet()
    lab.wait_converged()
    show(fleet, "status")
    lose_a_service(lab, fleet)
    predicted = predict(lab, fleet)
    landing = drain(lab, fleet, list(predicted))
    matched = compare(predicted, landing)
    restore(lab, fleet)
    keep(lab, fleet)
    assert matched, "the prediction did not come true"


def lose_a_service(lab: Lab, fleet: Fleet) -> None:
    say("\n== The web service of chc dies: its prefixes leave chc, the others stay.")
    health_page(lab.nodes["chc"], "web").unlink()
    lab.wait(lambda: "chc" not in lab.truth(WEB4).values(), 10, "web leaves chc")
    lab.wait(lambda: "degraded" in fleet.ctl(fleet.mgmt, "status").stdout, 10, "the controller knows")
    show(fleet, "status", "chc")
    say("\n== It is well again.")
    health_page(lab.nodes["chc"], "web").write_text("ok")
    fleet.wait_fleet()
    lab.wait_converged()


def predict(lab: Lab, fleet: Fleet) -> dict[str, tuple[str, str]]:
    """Measures the map of SITE; returns {address: (before, after)}."""
    listed = addresses(lab)
    say(f"\n== {len(listed)} client addresses are loaded, and {SITE} is measured over the test prefix.")
    file = fleet.mgmt.put("clients.txt", "".join(f"{a},{1 + i % 5}\n" for i, a in enumerate(listed)))
    show(fleet, "clients", "import", file)
    show(fleet, "predict", "run", "--site", SITE)
    experiment = fleet.ask(fleet.mgmt, "predict", "show", "--site", SITE)["maps"][0]["experiment"]
    rows = fleet.outcomes(experiment)
    lab.wait(lambda: SITE in lab.truth(TEST4).values() and SITE in lab.truth(TEST6).values(), 10, "test prefix back")
    return rows


def drain(lab: Lab, fleet: Fleet, listed: list[str]) -> dict[str, str | None]:
    """Drains SITE for real; returns where each address's packets land then."""
    say(f"\n== {SITE} is drained for real.")
    show(fleet, "drain", SITE, "--reason", "demo")
    lab.wait(lambda: SITE not in {*lab.truth(WEB4).values(), *lab.truth(WEB6).values()}, 10, "drained")
    lab.wait_converged()
    say("\n== Where does each client land now?  Measured from the service prefix, at every site.")
    return land(lab, listed)


def land(lab: Lab, listed: list[str]) -> dict[str, str | None]:
    """Where each address's replies to a service prefix land now."""
    landing: dict[str, str | None] = {}
    for mark, source in ((".", "192.0.2.9"), (":", "2001:db8:53::9")):
        landing |= lab.ping_all(lab.nodes["akl"], source, [a for a in listed if mark in a], rate_pps=15000)
    return landing


def compare(predicted: dict[str, tuple[str, str]], landing: dict[str, str | None]) -> bool:
    """Predicted beside measured, per heir; true if no client went elsewhere."""
    moved = [a for a, (before, _) in predicted.items() if before == SITE]
    want = Counter(predicted[a][1] for a in moved)
    got = Counter(landing[a] or "" for a in moved)
    wrong = sum(predicted[a][1] != (landing[a] or "") for a in moved)
    strays = sum(landing[a] != predicted[a][0] for a in landing if predicted[a][0] != SITE)
    say(f"\n    {'HEIR':<10}{'PREDICTED':>12}{'SHARE':>8}{'MEASURED':>12}{'SHARE':>8}")
    for heir in sorted(set(want) | set(got), key=lambda h: -want[h]):
        say(
            f"    {heir or 'unknown':<10}{want[heir]:>12}{want[heir] / len(moved):>8.1%}"
            f"{got[heir]:>12}{got[heir] / len(moved):>8.1%}"
        )
    say(f"\n    {len(moved)} clients of {SITE}, compared one by one: {len(moved) - wrong} landed as predicted, {wrong} did not.")
    say(f"    {len(landing) - len(moved)} clients of other sites: {strays} moved.")
    return wrong == 0


def restore(lab: Lab, fleet: Fleet) -> None:
    say(f"\n== {SITE} comes back.")
    show(fleet, "restore", SITE)
    fleet.wait_fleet()
    show(fleet, "status")
    show(fleet, "events", "--limit", "8")


def keep(lab: Lab, fleet: Fleet) -> None:
    """Leaves the report and the database where they can be looked at."""
    report = lab.out / "failover.csv"
    report.write_text(fleet.ctl(fleet.mgmt, "report", "failover", "--format", "csv").stdout)
    page = lab.out / "failover.html"
    page.write_text(fleet.ctl(fleet.mgmt, "report", "failover", "--format", "html").stdout)
    fleet.stop_all()
    database = lab.out / "controller.db"
    shutil.copy(fleet.mgmt.path("/run/state/anycastd.db"), database)
    say("\n== The lab goes down.  What is left:")
    for name, path in (("page", page), ("report", report), ("database", database), ("logs", lab.out / "clab-five-sites")):
        say(f"    {name:<10}{shown(path)}")


def shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)

# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole loop with the daemon: health to routes, drain and restore, a prediction and its truth."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address

from labkit.anycast import Fleet
from labkit.routefile import PREFIXES
from labkit.scenario import Lab
from labkit.services import health_page, start_all_health

WEB4, WEB6 = PREFIXES["web"]
DNS4, DNS6 = PREFIXES["dns"]
TEST4, TEST6 = PREFIXES["test"]
Catchments = dict[str, str | None]
PER_AS = 150  # client addresses per AS and family


def clients(lab: Lab) -> list[str]:
    out = []
    for node in lab.nodes_with(role="client"):
        n = int(node.name[1:])
        out += [f"10.{100 + n}.{i // 250}.{i % 250 + 1}" for i in range(PER_AS)]
        out += [str(ip_address(f"2001:db8:c0{n:02d}:{i:x}::{i + 1:x}")) for i in range(PER_AS)]
    return out


def client_as(address: str) -> str:
    if "." in address:
        return f"c{int(address.split('.')[1]) - 100:02d}"
    return "c" + address.split(":")[2][2:]


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    health = start_all_health(fleet.sites)
    lab.wait_converged()
    fleet.start_all()
    with lab.check("healthy sites announce everything, and the controller knows"):
        fleet.wait_announced()
        fleet.wait_fleet()
        lab.wait_converged()
        baseline = lab.truth(WEB4)
        assert None not in baseline.values(), baseline
        assert all(lab.truth(p) == baseline for pair in PREFIXES.values() for p in pair)
    check_sick(lab, fleet)
    check_drain(lab, fleet, baseline)
    check_prediction(lab, fleet, baseline)
    check_isolated(lab, fleet)
    assert all(p.alive() for p in health.values())


def check_sick(lab: Lab, fleet: Fleet) -> None:
    chc = lab.nodes["chc"]
    with lab.check("a sick service is withdrawn everywhere, its neighbours' prefixes see no update"):
        watch = lab.watch_updates(lab.nodes_with(role="client"))
        health_page(chc, "web").unlink()
        lab.wait(lambda: "chc" not in {*lab.truth(WEB4).values(), *lab.truth(WEB6).values()}, 10, "web leaves chc")
        lab.wait_converged()
        assert "chc" in lab.truth(DNS4).values()
        for node in lab.nodes_with(role="client"):
            for prefix in (DNS4, DNS6, TEST4, TEST6):
                assert not watch.received(node, prefix), (node.name, prefix)
        lab.wait(lambda: fleet.real(chc)[WEB4] == fleet.real(chc)[WEB6] == "withdrawn", 5, "read back")
        explain = fleet.ctl(lab.nodes["mgmt"], "explain", WEB4).stdout
        assert "sick" in explain, explain
    with lab.check("and comes back when it is well"):
        health_page(chc, "web").write_text("ok")
        lab.wait(lambda: fleet.real(chc)[WEB4] == "announced", 10, "web back at chc")
        lab.wait_converged()


def check_isolated(lab: Lab, fleet: Fleet) -> None:
    syd = lab.nodes["syd"]
    with lab.check("a site that announces to nobody is told so, and is well again when its session is back"):
        syd.link_down("t1")
        lab.wait(lambda: fleet.site_status(syd)["state"] == "isolated", 15, "isolated")
        status = fleet.ctl(syd, "status").stdout
        assert "exported to no neighbour" in status, status
        syd.link_up("t1")
        lab.wait(lambda: fleet.site_status(syd)["state"] == "announcing", 20, "announcing again")
    with lab.check("events are found by the bare name of a site, a service or a prefix"):
        assert fleet.ask(fleet.mgmt, "events", "--subject", "akl")["events"]
        for name in ("web", WEB4):
            assert fleet.ask(syd, "events", "--subject", name)["events"], name


def check_drain(lab: Lab, fleet: Fleet, baseline: Catchments) -> None:
    mgmt, akl = fleet.mgmt, lab.nodes["akl"]
    services = (WEB4, WEB6, DNS4, DNS6)
    with lab.check("a dry run changes nothing and shows the difference"):
        answer = fleet.ask(mgmt, "drain", "akl", "--dry-run")
        assert {c["prefix"] for c in answer["changes"]} == set(services), answer
        assert f"- route {WEB4} blackhole;" in answer["include_diff"], answer
        assert fleet.status()["sites"][0]["state"] == "announcing"
    with lab.check("a drain takes the service prefixes and leaves the test prefix"):
        fleet.ctl(mgmt, "drain", "akl", "--reason", "new fans")
        lab.wait(lambda: all("akl" not in lab.truth(p).values() for p in services), 10, "akl drained")
        assert "akl" in lab.truth(TEST4).values()
        again = fleet.ctl(mgmt, "drain", "akl", check=False)
        assert again.returncode == 1 and "drained already" in again.stderr, again
    with lab.check("it survives a restart of everything"):
        for node in (mgmt, akl):
            fleet.procs[node.name].kill(9)
            fleet.procs[node.name].wait(5)
        akl.kill_bird()
        akl.start_bird()
        for node in (mgmt, akl):
            fleet.start(node)
        lab.wait(lambda: fleet.real(akl)[TEST4] == "announced", 15, "akl back")
        lab.wait(lambda: fleet.status()["sites"][0]["state"] == "drained", 10, "still drained")
        lab.wait_converged()
        assert all("akl" not in lab.truth(p).values() for p in services)
    with lab.check("restore brings back exactly what the drain took"):
        health_page(akl, "dns").unlink()
        lab.wait(lambda: fleet.site_status(akl)["services"][1]["health"] == "sick", 10, "dns is sick")
        fleet.ctl(mgmt, "restore", "akl")
        lab.wait(lambda: fleet.real(akl)[WEB4] == "announced", 10, "web back")
        lab.wait_converged()
        assert fleet.real(akl)[DNS4] == "withdrawn"
        assert "akl" not in lab.truth(DNS4).values()
        health_page(akl, "dns").write_text("ok")
        lab.wait(lambda: fleet.real(akl)[DNS4] == "announced", 10, "dns back")
        lab.wait(lambda: lab.truth(DNS4) == baseline, 10, "all as before")
        refused = fleet.ctl(mgmt, "restore", "akl", check=False)
        assert refused.returncode == 1, refused


def check_prediction(lab: Lab, fleet: Fleet, baseline: Catchments) -> None:
    addresses = clients(lab)
    silent = ["10.199.0.1", "10.199.0.2", "2001:db8:cff::1"]
    listing = "".join(f"{a},{i % 7 + 1}\n" for i, a in enumerate(addresses + silent))
    with lab.check(f"a client list of {len(addresses)} addresses is loaded"):
        fleet.ctl(fleet.mgmt, "clients", "import", fleet.mgmt.put("clients.txt", listing))
        stats = fleet.ask(fleet.mgmt, "clients", "stats")
        assert stats["count"] == len(addresses) + len(silent), stats
    for site in ("nrt", "chc"):
        predicted = measure(lab, fleet, baseline, site)
        assert len(predicted) == len(addresses) + len(silent)
        with lab.check(f"{site}: the baseline agrees with the clients' own BIRD tables, address by address"):
            for a in addresses:
                assert predicted[a][0] == baseline[client_as(a)], (a, predicted[a])
        with lab.check(f"{site}: the real landing agrees with the prediction, address by address, in both families"):
            compare_landing(lab, fleet, site, {a: predicted[a][1] for a in addresses})
            lab.wait(lambda: lab.truth(WEB4) == baseline, 10, "restored")


def measure(lab: Lab, fleet: Fleet, baseline: Catchments, site: str) -> dict[str, tuple[str, str]]:
    """Runs an experiment; returns {address: (before, after)}."""
    with lab.check(f"{site}: the map is measured, the test prefix is back, the shares add up"):
        fleet.ctl(fleet.mgmt, "predict", "run", "--site", site, timeout=120)
        lab.wait(lambda: lab.truth(TEST4) == baseline and lab.truth(TEST6) == baseline, 5, "test prefix back")
        shown = fleet.ask(fleet.mgmt, "predict", "show", "--site", site)["maps"][0]
        predicted = fleet.outcomes(shown["experiment"])
        lab.note(f"heirs of {site}: {dict(Counter(after for before, after in predicted.values() if before == site))}")
        heirs = shown["heirs"]
        assert abs(sum(h["clients_share"] for h in heirs) - 1) < 1e-9, heirs
        # Clients that never answered were nobody's: they are not the site's unknown ones.
        assert heirs[-1]["heir"] is None and heirs[-1]["clients"] == 0, heirs
    return predicted


def compare_landing(lab: Lab, fleet: Fleet, site: str, predicted: dict[str, str]) -> None:
    """Drains the site for real and compares each address with the prediction and with the clients' tables."""
    fleet.ctl(fleet.mgmt, "drain", site, "--reason", "to compare")
    lab.wait(lambda: site not in {*lab.truth(WEB4).values(), *lab.truth(WEB6).values()}, 10, "drained")
    lab.wait_converged()
    truth4, truth6 = lab.truth(WEB4), lab.truth(WEB6)
    akl = lab.nodes["akl"]
    landing = lab.ping_all(akl, "192.0.2.9", [a for a in predicted if "." in a])
    landing |= lab.ping_all(akl, "2001:db8:53::9", [a for a in predicted if ":" in a])
    for a, heir in predicted.items():
        table = truth4 if "." in a else truth6
        assert landing[a] == heir == table[client_as(a)], (a, landing[a], heir)
    fleet.ctl(fleet.mgmt, "restore", site)

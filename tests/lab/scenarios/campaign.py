# SPDX-License-Identifier: GPL-3.0-or-later
"""A campaign of depth 2: it outlives the controller's death, and its maps come true, one site and two."""

from __future__ import annotations

import itertools
import signal

from labkit.anycast import Fleet, client_addresses
from labkit.campaign import Campaign, check_landing
from labkit.routefile import PREFIXES
from labkit.scenario import Lab

WEB4, WEB6 = PREFIXES["web"]
PER_AS = 40


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    fleet.use_quick_predictor()
    fleet.bring_up()
    fleet.import_clients(client_addresses(lab, PER_AS))
    campaign = Campaign(lab, fleet)
    check_commands(lab, fleet, campaign)
    check_killed(lab, fleet, campaign)
    check_maps(lab, fleet)
    check_real(lab, fleet, campaign)
    with lab.check("no store is damaged and every daemon ends well"):
        fleet.stop_all()
        for node in [fleet.mgmt, *fleet.sites]:
            fleet.check_store(node)


def check_commands(lab: Lab, fleet: Fleet, campaign: Campaign) -> None:
    mgmt = fleet.mgmt
    with lab.check("a plan tells how many experiments and how long"):
        plan = fleet.ask(mgmt, "predict", "plan", "--depth", "2")["plan"]
        assert plan["depth"] == 2 and plan["experiments"] > len(fleet.sites) and plan["time_ms"] > 0, plan
        assert fleet.ask(mgmt, "predict", "status")["experiment"] is None
    with lab.check("paused it begins nothing new, aborted it puts the test prefix back"):
        campaign.start(1)
        campaign.wait_made(1)
        fleet.ctl(mgmt, "predict", "pause")
        lab.wait(lambda: not campaign.is_measuring(), 20, "the running experiment comes to its end")
        paused = campaign.state()
        assert paused["state"] == "paused", paused
        fleet.ctl(mgmt, "predict", "resume")
        campaign.wait_made(paused["made"] + 1)
        refused = fleet.ctl(mgmt, "predict", "run", "--depth", "1", check=False)
        assert refused.returncode == 1 and "is running" in refused.stderr, refused
        lab.wait(campaign.is_withdrawn, 20, "an experiment withdraws")
        fleet.ctl(mgmt, "predict", "abort")
        campaign.wait_restored(10)
        assert campaign.state()["state"] == "aborted"


def check_killed(lab: Lab, fleet: Fleet, campaign: Campaign) -> None:
    with lab.check("a campaign goes on where it was after its controller was killed, in each state of an experiment"):
        campaign.start(2)
        number = campaign.state()["id"]
        for state in ("baseline", "withdraw", "settle", "sweep", "restore", "rebaseline"):
            campaign.wait_experiment(state)
            made = campaign.state()["made"]
            fleet.kill(fleet.mgmt)
            fleet.start(fleet.mgmt)
            lab.wait(lambda: campaign.state()["made"] >= made, 10, "what was measured is known again")
            now = campaign.state()
            assert (now["id"], now["state"]) == (number, "running"), now
    with lab.check("an agent that is lost in the middle costs one experiment, not the campaign"):
        campaign.wait_experiment("sweep")
        made = campaign.state()["made"]
        site = fleet.sites[0]
        fleet.procs[site.name].kill(signal.SIGKILL)
        fleet.procs[site.name].wait()
        fleet.start(site)
        campaign.wait_made(made + 1)
    with lab.check("and another client list changes nothing for it"):
        fleet.import_clients(client_addresses(lab, 3))
        campaign.wait_done(120)
        assert fleet.get(fleet.mgmt, "/v1/campaign")["campaign"]["clients"] == len(client_addresses(lab, PER_AS))
    campaign.wait_restored(5)


def check_maps(lab: Lab, fleet: Fleet) -> None:
    with lab.check("every map adds up, says what it is, and comes at once"):
        for down in itertools.chain(*(itertools.combinations([s.name for s in fleet.sites], n) for n in (1, 2, 3))):
            shown = fleet.ask(fleet.mgmt, "predict", "--down", ",".join(down))["maps"][0]
            heirs = shown["heirs"]
            assert shown["label"] in ("measured", "certified", "composed", "unstable"), shown["label"]
            assert shown["down"] == list(down), shown
            assert not set(down) & {h["heir"] for h in heirs if h["clients"]}, heirs
            assert abs(sum(h["weight_share"] for h in heirs) - 1) < 1e-9 or shown["clients"] == 0, heirs
            assert all(h["low"] <= h["weight_share"] <= h["high"] for h in heirs), heirs
        text = fleet.ctl(fleet.mgmt, "predict", "--down", "chc,akl").stdout
        assert "chc" in text, text
        refused = fleet.ctl(fleet.mgmt, "predict", "--down", ",".join(s.name for s in fleet.sites), check=False)
        assert refused.returncode == 1 and "no site would be left" in refused.stderr, refused
    with lab.check("maps that were measured twice are compared, and are as before"):
        diffs = fleet.ask(fleet.mgmt, "predict", "diff")["diffs"]
        assert diffs and not any(d["changed"] for d in diffs), diffs


def check_real(lab: Lab, fleet: Fleet, campaign: Campaign) -> None:
    names = [site.name for site in fleet.sites]
    baseline = lab.truth(WEB4), lab.truth(WEB6)
    for down in [*itertools.combinations(names, 1), *itertools.combinations(names, 2)]:
        with lab.check(f"{', '.join(down)} really withdrawn: clients land as predicted"):
            check_landing(lab, fleet, campaign.predictions(down), down)
            lab.wait(lambda: (lab.truth(WEB4), lab.truth(WEB6)) == baseline, 15, "restored")

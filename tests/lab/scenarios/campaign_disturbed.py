# SPDX-License-Identifier: GPL-3.0-or-later
"""A transit changes its mind while an experiment of a campaign runs: it is not believed, its set is measured again."""

from __future__ import annotations

from typing import Any

from labkit.anycast import Fleet, client_addresses
from labkit.campaign import Campaign, check_landing
from labkit.routefile import PREFIXES
from labkit.scenario import Lab
from labkit.testprefixes import treat_alike, treat_otherwise

PER_AS = 40
TRANSIT, CUSTOMER = "t3", "akl"
TRIES = 6  # until a change falls between a withdrawal and its sweep
MADE = 6  # the null run and each site alone: what comes then is packed


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    fleet.use_quick_predictor()
    fleet.bring_up()
    fleet.import_clients(client_addresses(lab, PER_AS))
    campaign = Campaign(lab, fleet)
    campaign.start(2)
    campaign.wait_made(MADE)
    disturbed = check_disturbed(lab, fleet, campaign)
    check_repeated(lab, fleet, campaign, disturbed)
    with lab.check("what is known of its set is what comes true"):
        down = disturbed["site"].split(",")
        shown = fleet.ask(fleet.mgmt, "predict", "--down", ",".join(down))["maps"][0]
        assert shown["experiment"] != disturbed["id"], shown
        check_landing(lab, fleet, campaign.predictions(down), down)
    with lab.check("no store is damaged and every daemon ends well"):
        fleet.stop_all()
        for node in [fleet.mgmt, *fleet.sites]:
            fleet.check_store(node)


def check_disturbed(lab: Lab, fleet: Fleet, campaign: Campaign) -> dict[str, Any]:
    """{id, site} of the experiment."""
    with lab.check(f"{TRANSIT} changes its mind while an experiment runs, and clients of other sites move"):
        for _ in range(TRIES):
            number = disturb(lab, fleet, campaign)
            row = fleet.query(fleet.mgmt, "SELECT site, bystanders, others FROM experiment WHERE id = ?", (number,))
            site, moved, others = row[0]
            lab.note(f"experiment {number} of {site}: {moved} of {others} clients of other sites moved")
            if moved > others / 10:
                return {"id": number, "site": site}
            fleet.ctl(fleet.mgmt, "predict", "resume")
        raise AssertionError(f"none of {TRIES} changes came in time")


def disturb(lab: Lab, fleet: Fleet, campaign: Campaign) -> int:
    """Changes routes for one experiment, and leaves the campaign paused behind it; the experiment's number."""
    found: list[int] = []

    def is_settling() -> bool:
        now = fleet.experiment()
        if now.get("state") in ("withdraw", "settle") and CUSTOMER not in now["site"].split(","):
            found.append(now["id"])
        return bool(found)

    lab.wait(is_settling, 60, f"an experiment withdraws others than {CUSTOMER}")
    transit = lab.nodes[TRANSIT]
    fleet.ctl(fleet.mgmt, "predict", "pause")
    treat_otherwise(lab, transit, *PREFIXES["test"])
    # Until the clients are back where they were it waits, and fails if they do not come.
    lab.wait(lambda: fleet.experiment()["state"] not in ("withdraw", "settle", "sweep"), 30, "it was measured")
    treat_alike(lab, transit)
    lab.wait(lambda: not campaign.is_measuring(), 30, "it comes to its end")
    campaign.wait_restored(15)
    return found[0]


def check_repeated(lab: Lab, fleet: Fleet, campaign: Campaign, disturbed: dict[str, Any]) -> None:
    with lab.check("its set is measured again, also when the controller is killed meanwhile"):
        fleet.ctl(fleet.mgmt, "predict", "resume")
        lab.wait(lambda: told(fleet)["phase"] == "repeat", 60, "it is suspect")
        assert told(fleet)["set_aside"] == [disturbed["id"]], told(fleet)
        lab.wait(campaign.is_withdrawn, 20, "the repeat is under way")
        fleet.kill(fleet.mgmt)
        fleet.start(fleet.mgmt)
        campaign.wait_done(120)
        rows = fleet.query(fleet.mgmt, "SELECT site FROM experiment WHERE purpose = 'repeat' AND state = 'done'")
        assert rows == [(disturbed["site"],)], rows
    with lab.check("and that is said"):
        lab.wait(lambda: told(fleet)["made"] > MADE, 10, "all is read from the store")
        now = told(fleet)
        assert now["set_aside"] == [disturbed["id"]], now
        assert (now["repeats"], now["cleared"], now["suspect"]) == (1, 0, 0), now
        text = fleet.ctl(fleet.mgmt, "predict", "status").stdout
        assert f"set aside              experiment {disturbed['id']}:" in text, text
        events = [event for event in fleet.events(fleet.mgmt) if event["what"] == f"experiment {disturbed['id']} again"]
        assert events and "of the clients of other sites" in events[0]["reason"], events


def told(fleet: Fleet) -> dict[str, Any]:
    return dict(fleet.get(fleet.mgmt, "/v1/campaign")["campaign"])

# SPDX-License-Identifier: GPL-3.0-or-later
"""Two ways to stop a daemon: all routes stay as they are, or its site is drained first."""

from __future__ import annotations

import json
import threading
from subprocess import CompletedProcess

from labkit.anycast import Fleet
from labkit.node import Node
from labkit.routefile import PREFIXES
from labkit.scenario import Lab

WEB, DNS, TEST = PREFIXES["web"], PREFIXES["dns"], PREFIXES["test"]
EVERY = (*WEB, *DNS, *TEST)


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    chc = lab.nodes["chc"]
    fleet.bring_up()
    check_stop(lab, fleet, chc)
    check_drain(lab, fleet, chc)
    check_called_off(lab, fleet, chc)
    with lab.check("a controller without a site has nothing to drain"):
        refused = fleet.ctl(fleet.mgmt, "stop", "--drain", check=False)
        assert refused.returncode == 1 and "no site here" in refused.stderr, refused
    fleet.stop_all()


def is_drained(lab: Lab, site: Node) -> bool:
    return all(site.name not in lab.truth(prefix).values() for prefix in (*WEB, *DNS))


def assert_quiet(lab: Lab, watch, prefixes: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    lab.wait_converged()
    for client in lab.nodes_with(role="client"):
        for prefix in prefixes:
            assert not watch.received(client, prefix), (client.name, prefix, watch.received(client, prefix))


def check_stop(lab: Lab, fleet: Fleet, chc: Node) -> None:
    with lab.check("stop ends the daemon well and changes no route"):
        watch = lab.watch_updates(lab.nodes_with(role="client"))
        done = fleet.ctl(chc, "stop", "--reason", "new kernel")
        assert "all routes stay" in done.stdout, done
        assert fleet.procs["chc"].wait(5) == 0
        fleet.start(chc)
        lab.wait(lambda: set(fleet.real(chc).values()) == {"announced"}, 10, "it works again")
        assert_quiet(lab, watch, EVERY)
        event = next(e for e in fleet.events(chc) if e["what"].startswith("stopping"))
        assert event["reason"] == "new kernel" and event["actor"], event


def check_drain(lab: Lab, fleet: Fleet, chc: Node) -> None:
    with lab.check("stop --drain ends it after all clients have gone elsewhere"):
        watch = lab.watch_updates(lab.nodes_with(role="client"))
        # Its answer is there once the daemon has ended.
        done = fleet.ctl(chc, "stop", "--drain", "--at-once", "--reason", "new disks", "--json", timeout=30)
        assert json.loads(done.stdout)["stopping"]["left"] == 0, done
        assert fleet.procs["chc"].wait(5) == 0
        assert is_drained(lab, chc)
        assert_quiet(lab, watch, TEST)
    with lab.check("the drain outlives the stop, until the site is restored"):
        fleet.start(chc)
        lab.wait(lambda: fleet.site_status(chc)["state"] == "drained", 10, "drained")
        assert is_drained(lab, chc)
        assert [i["reason"] for i in fleet.site_status(chc)["intents"]] == ["new disks"]
        fleet.ctl(chc, "restore", "chc")
        lab.wait(lambda: set(fleet.real(chc).values()) == {"announced"}, 60, "restored")


def check_called_off(lab: Lab, fleet: Fleet, chc: Node) -> None:
    with lab.check("a stop that waits for a frozen BIRD is called off by a restore"):
        chc.stop_bird()
        lab.wait(lambda: fleet.bird(chc)["state"] == "silent", 10, "BIRD is silent")
        results: list[CompletedProcess[str]] = []
        asker = threading.Thread(
            target=lambda: results.append(fleet.ctl(chc, "stop", "--drain", "--at-once", check=False, timeout=60))
        )
        asker.start()
        lab.wait(lambda: fleet.get(chc, "/v1/stop")["stopping"], 5, "it is stopping")
        assert fleet.get(chc, "/v1/stop")["stopping"]["left"] == 4
        again = fleet.ctl(chc, "stop", "--drain", check=False)
        assert again.returncode == 1 and "stopping already" in again.stderr, again
        fleet.ctl(chc, "restore", "chc")
        asker.join(10)
        assert results and results[0].returncode == 1 and "called off" in results[0].stderr, results
        chc.cont_bird()
        lab.wait(lambda: set(fleet.real(chc).values()) == {"announced"}, 60, "as before")
        assert fleet.procs["chc"].alive()

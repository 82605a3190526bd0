# SPDX-License-Identifier: GPL-3.0-or-later
"""BIRD frozen, killed, unreachable, blocked and tampered with while health changes: routes follow in the end.

Nobody runs `birdc configure` for the agent: it gets there by itself, and says meanwhile what holds it up.
"""

from __future__ import annotations

import threading
from typing import Any

from labkit.anycast import CONFIG, Fleet
from labkit.node import Node
from labkit.routefile import PREFIXES, ROUTE_FILE
from labkit.scenario import Lab
from labkit.services import health_page

WEB, DNS, TEST = PREFIXES["web"], PREFIXES["dns"], PREFIXES["test"]
WEB4 = WEB[0]
BIRD_SOCKET = "/run/bird/bird.ctl"


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    asked = lab.nodes["syd"]
    fleet.configure(asked, asked.path(CONFIG).read_text().replace("bird: {", "bird: {check: 300ms, ", 1))
    fleet.bring_up()
    baseline = lab.truth(WEB4)

    check_frozen(lab, fleet, lab.nodes["chc"])
    check_ahead(lab, fleet, asked)
    check_blocked(lab, fleet, asked)
    check_killed(lab, fleet, lab.nodes["sin"])
    check_unreachable(lab, fleet, lab.nodes["nrt"])
    check_storm(lab, fleet, lab.nodes["akl"])
    check_undone(lab, fleet, lab.nodes["akl"])
    check_tampered(lab, fleet, lab.nodes["syd"])
    with lab.check("at the end all is as in the beginning"):
        lab.wait(lambda: all(lab.truth(p) == baseline for pair in PREFIXES.values() for p in pair), 10, "all back")
        for site in fleet.sites:
            assert fleet.bird(site)["last_error"] == "", fleet.bird(site)
        fleet.stop_all()


def leaves(lab: Lab, site: Node) -> None:
    """Waits until no client reaches the site's web any more; its other prefixes are untouched."""
    lab.wait(lambda: all(site.name not in lab.truth(p).values() for p in WEB), 10, f"web leaves {site.name}")
    assert site.name in lab.truth(DNS[0]).values()


def comes_back(lab: Lab, fleet: Fleet, site: Node) -> None:
    health_page(site, "web").write_text("ok")
    lab.wait(lambda: set(fleet.real(site).values()) == {"announced"}, 10, f"all of {site.name} announced")
    lab.wait(lambda: all(site.name in lab.truth(p).values() for pair in PREFIXES.values() for p in pair), 10, "seen")
    lab.wait_converged()  # so that the next check sees no update of this one


def wait_sick(lab: Lab, fleet: Fleet, site: Node) -> None:
    lab.wait(lambda: fleet.health(site)["web"] == "sick", 5, f"web of {site.name} is sick")


def last_event(fleet: Fleet, site: Node) -> int:
    return int(fleet.get(site, "/v1/events?limit=1")["last"])


def bird_events(fleet: Fleet, site: Node, after: int) -> list[dict[str, Any]]:
    events = fleet.get(site, f"/v1/events?after={after}&limit=1000")["events"]
    return [event for event in events if event["subject"] == "bird"]


def wait_told(lab: Lab, fleet: Fleet, site: Node, after: int, word: str) -> None:
    """An event about BIRD tells it."""

    def told() -> bool:
        return any(word in event["what"] + " " + event["reason"] for event in bird_events(fleet, site, after))

    lab.wait(told, 5, f"an event of {site.name} says: {word}")


def route_inputs(fleet: Fleet, node: Node, what: str) -> str:
    """What explain says of the route in BIRD."""
    sites = fleet.get(node, f"/v1/explain?what={what}")["sites"]
    inputs = [entry for site in sites for prefix in site["prefixes"] for entry in prefix["inputs"]]
    return " ".join(entry["detail"] for entry in inputs if entry["input"] == "route in bird")


def check_frozen(lab: Lab, fleet: Fleet, site: Node) -> None:
    with lab.check("BIRD frozen during a failure: told, and withdrawn as soon as it thaws"):
        after = last_event(fleet, site)
        site.stop_bird()
        health_page(site, "web").unlink()
        wait_sick(lab, fleet, site)
        lab.wait(lambda: fleet.bird(site)["state"] == "silent", 5, "status says silent")
        wait_told(lab, fleet, site, after, "bird: lost")
        assert "silent" in route_inputs(fleet, site, WEB4), route_inputs(fleet, site, WEB4)
        status = fleet.site_status(site)
        assert status["state"] == "diverged", status
        assert fleet.real(site)[WEB4] == "unknown"
        lab.wait(lambda: "silent" in route_inputs(fleet, fleet.mgmt, site.name), 5, "the controller tells it")
        site.cont_bird()
        leaves(lab, site)
        wait_told(lab, fleet, site, after, "bird: connected")
        comes_back(lab, fleet, site)


def check_ahead(lab: Lab, fleet: Fleet, site: Node) -> None:
    with lab.check("an unrelated include broken, and nothing to change: told before a change needs it, and nothing is done"):
        after = last_event(fleet, site)
        broken = site.path("/run/state/operator.d/x.conf")
        broken.write_text("protocol nonsense;\n")
        lab.wait(lambda: "x.conf" in fleet.bird(site)["config_error"], 10, "status names the file")
        wait_told(lab, fleet, site, after, "configuration would be refused")
        assert "would refuse any change" in route_inputs(fleet, site, WEB4)
        assert fleet.site_status(site)["state"] == "announcing"
        assert fleet.bird(site)["last_error"] == "", fleet.bird(site)
        lab.wait(lambda: "x.conf" in fleet.ctl(fleet.mgmt, "status").stdout, 10, "the fleet's status tells it")
        broken.unlink()
        lab.wait(lambda: fleet.bird(site)["config_error"] == "", 10, "no error any more")
        wait_told(lab, fleet, site, after, "would be taken again")
        assert set(fleet.real(site).values()) == {"announced"}


def check_blocked(lab: Lab, fleet: Fleet, site: Node) -> None:
    with lab.check("an unrelated include broken during a failure: told, and withdrawn when somebody mends it"):
        after = last_event(fleet, site)
        broken = site.path("/run/state/operator.d/x.conf")
        broken.write_text("protocol nonsense;\n")
        health_page(site, "web").unlink()
        wait_sick(lab, fleet, site)
        lab.wait(lambda: "x.conf" in fleet.bird(site)["last_error"], 5, "status names the file")
        wait_told(lab, fleet, site, after, "x.conf")
        assert "x.conf" in route_inputs(fleet, site, WEB4)
        assert fleet.site_status(site)["state"] == "diverged"
        assert site.name in lab.truth(WEB4).values()
        broken.write_text("# nothing\n")
        leaves(lab, site)
        lab.wait(lambda: fleet.bird(site)["last_error"] == "", 5, "no error any more")
        broken.unlink()
        comes_back(lab, fleet, site)


def check_killed(lab: Lab, fleet: Fleet, site: Node) -> None:
    with lab.check("a service that fails while BIRD is dead is not announced by the next BIRD, not for a moment"):
        after = last_event(fleet, site)
        site.kill_bird()
        lab.wait(lambda: fleet.bird(site)["state"] == "down", 5, "status says down")
        wait_told(lab, fleet, site, after, "bird: lost")
        health_page(site, "web").unlink()
        wait_sick(lab, fleet, site)
        lab.wait(lambda: WEB4 not in site.path(ROUTE_FILE).read_text(), 5, "our file has no web")
        watch = lab.watch_updates(lab.nodes_with(role="transit"))
        site.start_bird()
        lab.wait(lambda: fleet.real(site)[DNS[0]] == "announced", 10, "dns is back")
        lab.wait(lambda: site.name in lab.truth(DNS[0]).values(), 10, "dns is seen")
        lab.wait_converged()
        for node in lab.nodes_with(role="transit"):
            assert not [u for p in WEB for u in watch.received(node, p)], node.name
        leaves(lab, site)
        comes_back(lab, fleet, site)
    with lab.check("BIRD killed and restarted while a withdrawal is under way"):
        health_page(site, "web").unlink()
        wait_sick(lab, fleet, site)
        site.kill_bird()
        site.start_bird()
        lab.wait(lambda: fleet.real(site)[DNS[0]] == "announced", 10, "dns is back")
        lab.wait(lambda: site.name in lab.truth(DNS[0]).values(), 10, "dns is seen")
        leaves(lab, site)
        comes_back(lab, fleet, site)


def check_unreachable(lab: Lab, fleet: Fleet, site: Node) -> None:
    with lab.check("BIRD's socket out of reach during a failure: told, and withdrawn when it can be reached"):
        after = last_event(fleet, site)
        fleet.kill(site)
        here, away = site.path(BIRD_SOCKET), site.path(BIRD_SOCKET + ".away")
        here.rename(away)
        fleet.start(site)
        lab.wait(lambda: fleet.bird(site)["state"] == "down", 10, "status says down")
        assert BIRD_SOCKET in fleet.bird(site)["last_error"], fleet.bird(site)
        wait_told(lab, fleet, site, after, BIRD_SOCKET)
        health_page(site, "web").unlink()
        wait_sick(lab, fleet, site)
        assert site.name in lab.truth(WEB4).values()
        away.rename(here)
        leaves(lab, site)
        comes_back(lab, fleet, site)


class Storm:
    """Somebody who lets BIRD reconfigure all the time."""

    def __init__(self, node: Node, count: int, every_s: float) -> None:
        self._node, self._count, self._every_s = node, count, every_s
        self._quit = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.done = 0
        self._thread.start()

    def _run(self) -> None:
        while self.done < self._count and not self._quit.wait(self._every_s):
            self._node.bird("configure" if self.done % 2 else "configure soft")
            self.done += 1

    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        self._quit.set()
        self._thread.join()


def check_storm(lab: Lab, fleet: Fleet, site: Node) -> None:
    with lab.check("somebody reconfigures BIRD every 50 ms for 2 s during changes: routes follow health"):
        watch = lab.watch_updates(lab.nodes_with(role="client"))
        storm = Storm(site, 40, 0.05)
        try:
            changes = 0
            while not storm.is_over():
                health_page(site, "web").unlink()
                lab.wait(lambda: fleet.real(site)[WEB4] == "withdrawn", 10, "withdrawn in the storm")
                health_page(site, "web").write_text("ok")
                lab.wait(lambda: fleet.real(site)[WEB4] == "announced", 10, "announced in the storm")
                changes += 1
            health_page(site, "web").unlink()
            leaves(lab, site)
        finally:
            storm.stop()
        assert storm.done == 40, storm.done
        lab.note(f"{changes} changes back and forth meanwhile")
        comes_back(lab, fleet, site)
        for node in lab.nodes_with(role="client"):
            assert not [u for p in (*DNS, *TEST) for u in watch.received(node, p)], node.name


def reconfigurations(site: Node) -> int:
    assert site.main is not None
    return site.main.log.read_text(errors="replace").count("<INFO> Reconfiguring")


def check_undone(lab: Lab, fleet: Fleet, site: Node) -> None:
    with lab.check("our withdrawal undone by somebody's `configure undo`: withdrawn again"):
        health_page(site, "web").unlink()
        wait_sick(lab, fleet, site)
        leaves(lab, site)
        for _ in range(2):
            watch = lab.watch_updates([site])
            before = reconfigurations(site)
            code, text = site.bird("configure undo")[-1]
            assert code in (3, 21, 22), (code, text)  # done, requested, scheduled
            lab.wait(lambda: watch.sent(site, WEB4), 5, "announced by the undo")
            # Before that clients may not have heard of the undo, nor anycastd, and there is nothing to undo.
            lab.wait(lambda: reconfigurations(site) >= before + 2, 10, "configured again")
            leaves(lab, site)
            lab.wait(lambda: fleet.real(site)[WEB4] == "withdrawn", 5, "read back")
        comes_back(lab, fleet, site)


def check_tampered(lab: Lab, fleet: Fleet, site: Node) -> None:
    file = site.path(ROUTE_FILE)
    good = file.read_text()
    every = [p for pair in PREFIXES.values() for p in pair]
    with lab.check("our file deleted, emptied or edited by hand is put right, and told; no client sees an update"):
        watch = lab.watch_updates(lab.nodes_with(role="client"))
        for bad in (None, "", "protocol nonsense;\n", good.replace(f"\troute {WEB4} blackhole;\n", "")):
            after = last_event(fleet, site)
            if bad is None:
                file.unlink()
            else:
                file.write_text(bad)
            lab.wait(lambda: file.exists() and file.read_text() == good, 5, "the file is as it was")
            wait_told(lab, fleet, site, after, "include file")
        lab.wait(lambda: set(fleet.real(site).values()) == {"announced"}, 5, "all announced")
        lab.wait_converged()
        for node in lab.nodes_with(role="client"):
            assert not [u for p in every for u in watch.received(node, p)], node.name
    with lab.check("edited by hand and read by BIRD at once: routes are put right"):
        file.write_text(good.replace(f"\troute {WEB4} blackhole;\n", "\troute 192.0.2.128/25 blackhole;\n"))
        site.bird("configure soft")
        lab.wait(lambda: file.read_text() == good and site.name in lab.truth(WEB4).values(), 10, "put right")
        lab.wait(lambda: not any(code == 1007 for code, _ in site.bird("show route 192.0.2.128/25")), 5,
                 "the stranger is gone")
    with lab.check("a failure while our file is gone: withdrawn"):
        file.unlink()
        health_page(site, "web").unlink()
        leaves(lab, site)
        comes_back(lab, fleet, site)

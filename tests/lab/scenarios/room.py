# SPDX-License-Identifier: GPL-3.0-or-later
"""Room at the heirs: loads that agents measure by counters of real packets refuse a drain, and let it go when they fall."""

from __future__ import annotations

from typing import Any

from labkit.anycast import CONTROLLER_QUICK, Fleet, client_addresses
from labkit.node import Node, Proc
from labkit.routefile import PREFIXES
from labkit.scenario import Lab

WEB4 = PREFIXES["web"][0]
CAPACITY = 500
RATE = 400  # packets a second of the users of the site that is to be drained
MARGIN = 1.1  # the guard's own

LOAD = """
load: {counter: {nft: inet lab seen}, interval: 100ms, half_life: 500ms}
"""

COUNTER = """
table inet lab {
  counter seen { }
  chain in {
    type filter hook prerouting priority 0; policy accept;
    ip daddr 192.0.2.0/24 counter name seen
  }
}
"""

# So many packets a second to the service's address, by the clock and not by pauses, for four minutes at most.
USERS = """
import socket, sys, time
rate = int(sys.argv[1])
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
start = time.monotonic()
for n in range(240 * rate):
    time.sleep(max(0, start + n / rate - time.monotonic()))
    try:
        udp.sendto(b"x", ("192.0.2.1", 9))
    except OSError:
        pass
"""


class Rooms:
    """Crowds of users, and what the controller makes of them."""

    def __init__(self, lab: Lab, fleet: Fleet) -> None:
        self.lab = lab
        self.fleet = fleet
        self.homes = {client: site for client, site in lab.truth(WEB4).items() if site is not None}
        self.crowds: dict[str, Proc] = {}

    def crowd(self, site: str, rate: int) -> None:
        """Users of the site, at a client whose packets reach it; until they are counted."""
        home = next(client for client, at in sorted(self.homes.items()) if at == site)
        self.crowds[site] = self.lab.nodes[home].start("users", ["/usr/bin/python3", "-c", USERS, str(rate)])
        self.wait_load(site, 0.9 * rate, 1.1 * rate)

    def leave(self, site: str) -> None:
        """They go; until it is seen."""
        users = self.crowds.pop(site)
        users.kill(2)
        users.wait()
        self.wait_load(site, 0, 1)

    def site(self, name: str) -> dict[str, Any]:
        return next(dict(s) for s in self.fleet.status()["sites"] if s["site"] == name)

    def load(self, name: str) -> float:
        """As the controller knows it, and only if the agent measured it; -1: it does not."""
        site = self.site(name)
        return float(site["load"]) if site.get("load_by") == "agent" else -1

    def wait_load(self, name: str, low: float, high: float) -> None:
        self.lab.wait(lambda: low <= self.load(name) <= high, 20, f"the load of {name} is between {low} and {high}")

    def try_drain(self, site: str, *more: str) -> tuple[bool, str]:
        """(allowed, what is said of the room or why it is refused)"""
        done = self.fleet.ctl(self.fleet.mgmt, "drain", site, "--dry-run", *more, "--json", check=False)
        if done.returncode != 0:
            return False, done.stderr
        return True, str(self.fleet.ask(self.fleet.mgmt, "drain", site, "--dry-run", *more)["room"])

    def wait_refused(self, site: str, *words: str) -> str:
        """Until a drain is refused with these words; loads go up and down a little."""

        def refused() -> str:
            allowed, why = self.try_drain(site)
            assert not allowed and all(word in why for word in words), why
            return why

        return self.lab.wait(refused, 10, f"a drain of {site} is refused")

    def measure(self, *down: str) -> dict[str, dict[str, float]]:
        """Measures where the clients of these sites go: for each of the sites, the heirs' shares by weight."""
        path = f"/v1/failover?site={','.join(down)}"
        status, body = self.fleet.api(self.fleet.mgmt, "POST", "/v1/experiments", {"site": ",".join(down)})
        assert status == 200, body
        self.lab.wait(lambda: self.fleet.experiment()["state"] in ("done", "failed"), 60, "the experiment is over")
        assert self.fleet.experiment()["state"] == "done", self.fleet.experiment()
        maps = self.lab.wait(lambda: self.fleet.get(self.fleet.mgmt, path)["maps"], 5, "the map is there")
        return {
            origin["site"]: {h["heir"]: h["weight_share"] for h in origin["heirs"] if h["heir"] is not None}
            for origin in maps[0]["origins"]
        }


def count(site: Node) -> None:
    site.run(["/usr/sbin/nft", "-f", "-"], input=COUNTER)


def bring_up(lab: Lab) -> Fleet:
    fleet = Fleet(lab)
    for site in fleet.sites:
        fleet.configure(site, site.path("/run/lab/anycastd.yml").read_text() + LOAD)
        count(site)
    sites = ", ".join(site.name for site in fleet.sites)
    capacity = ", ".join(f"{{site: {site.name}, capacity: {CAPACITY}}}" for site in fleet.sites)
    fleet.configure(fleet.mgmt, CONTROLLER_QUICK.format(sites=sites) + f"  capacity: [{capacity}]\n")
    fleet.bring_up()
    fleet.import_clients(client_addresses(lab, 20))
    return fleet


def run(lab: Lab) -> None:
    fleet = bring_up(lab)
    rooms = Rooms(lab, fleet)
    target = "chc"
    shares = check_loads(lab, rooms, target)
    heir = max(shares, key=lambda name: shares[name])
    check_first_level(lab, rooms, target, heir, shares[heir])
    check_second_level(lab, rooms, target, shares)
    check_lost_counter(lab, rooms, target, heir)
    check_reload(lab, rooms, target)
    check_drain(lab, rooms, target)
    fleet.stop_all()


def check_loads(lab: Lab, rooms: Rooms, target: str) -> dict[str, float]:
    fleet = rooms.fleet
    with lab.check("agents measure the packets of users, the controller knows, and shows them beside the capacities"):
        for site in fleet.sites:
            rooms.wait_load(site.name, 0, 1)
        rooms.crowd(target, RATE)
        assert all(rooms.load(site.name) < 1 for site in fleet.sites if site.name != target)
        text = fleet.ctl(fleet.mgmt, "status").stdout
        assert "LOAD" in text and f"/{CAPACITY}" in text, text
        assert "by nft inet lab seen" in fleet.ctl(fleet.mgmt, "status", target).stdout
        for node, name in ((lab.nodes[target], "anycastd_site_load"), (fleet.mgmt, "anycastd_fleet_site_load")):
            page = fleet.api(node, "GET", "/metrics")[1].decode()
            mine = next(line for line in page.splitlines() if line.startswith(f'{name}{{site="{target}"'))
            assert 0.7 * RATE < float(mine.split()[-1]) < 1.3 * RATE, mine
    with lab.check("without a map nothing is known of the room, and nothing refused; with one the idle heirs have room"):
        allowed, why = rooms.try_drain(target)
        assert allowed and "there is no failover map" in why, why
        shares = rooms.measure(target)[target]
        allowed, why = rooms.try_drain(target)
        assert allowed and why.startswith("all heirs have room; not known should"), why
    return shares


def check_first_level(lab: Lab, rooms: Rooms, target: str, heir: str, share: float) -> None:
    fleet = rooms.fleet
    with lab.check("its heir is in use: the drain is refused with the measured numbers, a prediction shows them"):
        rooms.crowd(heir, int(CAPACITY - RATE * share / 2))
        why = rooms.wait_refused(target, f"guard room: draining {target} would bring ", f" to {heir}, which has ")
        assert f"of {CAPACITY} in use" in why, why
        down = fleet.ask(fleet.mgmt, "predict", "--down", target)["maps"][0]["heirs"]
        entry = next(h for h in down if h["heir"] == heir)
        assert entry["load_by"] == "agent" and entry["capacity"] == CAPACITY, entry
        assert entry["load"] < CAPACITY < entry["load_after"], entry
        assert abs(entry["load_after"] - entry["load"] - share * RATE) < 0.2 * RATE, entry
        allowed, why = rooms.try_drain(target, "--force", "room", "--reason", "fire", "--for", "1m")
        assert allowed and "guard room" in why, why
    with lab.check("its users gone it has room again"):
        rooms.leave(heir)
        allowed, why = rooms.try_drain(target)
        assert allowed and "all heirs have room" in why, why


def check_second_level(lab: Lab, rooms: Rooms, target: str, shares: dict[str, float]) -> None:
    with lab.check("should an heir fail next, the others must have room as well: refused, and allowed when its users are gone"):
        both = {heir: rooms.measure(target, heir) for heir, share in shares.items() if share >= 0.01}
        allowed, why = rooms.try_drain(target)
        assert allowed and why == "all heirs have room, also should one of them fail", why

        # As much as each heir can have without being filled by the first level.
        fits = {site.name: 0.8 * (CAPACITY - MARGIN * RATE * shares.get(site.name, 0)) for site in rooms.fleet.sites}

        def after(pair: tuple[str, str]) -> float:
            heir, last = pair
            lands = RATE * both[heir][target].get(last, 0) + fits[heir] * both[heir][heir].get(last, 0)
            return fits[last] + MARGIN * lands

        pairs = [(heir, site.name) for heir in both for site in rooms.fleet.sites if site.name not in (heir, target)]
        heir, last = max(pairs, key=after)
        assert after((heir, last)) > 1.1 * CAPACITY, (heir, last, after((heir, last)))
        rooms.crowd(heir, int(fits[heir]))
        rooms.crowd(last, int(fits[last]))
        rooms.wait_refused(target, f"draining {target}, and {heir} failing then, would bring ", f" to {last}, which has ")
        rooms.leave(heir)
        rooms.leave(last)
        allowed, why = rooms.try_drain(target)
        assert allowed, why


def check_lost_counter(lab: Lab, rooms: Rooms, target: str, heir: str) -> None:
    node = lab.nodes[heir]
    with lab.check("a counter that is gone: said at once, soon its load is not known, and that is said; back it counts anew"):
        node.run(["/usr/sbin/nft", "delete", "table", "inet", "lab"])
        lab.wait(lambda: rooms.site(heir)["load_counter"]["trouble"], 10, "trouble is told")
        assert "load: nft inet lab seen: " in rooms.fleet.ctl(rooms.fleet.mgmt, "status").stdout
        lab.wait(lambda: rooms.load(heir) == -1, 30, "its load is not known any more")
        allowed, why = rooms.try_drain(target)
        assert allowed and f"because of the heir {heir}: its load is not known" in why, why
        count(node)
        rooms.wait_load(heir, 0, 1)


def check_reload(lab: Lab, rooms: Rooms, target: str) -> None:
    node, fleet = lab.nodes[target], rooms.fleet
    text = (node.dir / "state" / "anycastd.yml").read_text()
    with lab.check("a reload goes on with the load that is known, though the next look is an hour away"):
        fleet.configure(node, text.replace("interval: 100ms, half_life", "interval: 1h, half_life"))
        fleet.ctl(node, "reload")
        lab.wait(lambda: rooms.site(target)["load_counter"]["interval_ms"] == 3600000, 10, "the new configuration is told")
        assert 0.9 * RATE < rooms.load(target) < 1.1 * RATE, rooms.site(target)
    with lab.check("but not with that of another counter"):
        fleet.configure(node, text.replace("nft: inet lab seen}, interval: 100ms", "interface: lo}, interval: 1h"))
        fleet.ctl(node, "reload")
        lab.wait(lambda: rooms.site(target)["load_counter"]["counter"] == "interface lo", 10, "the new one is told")
        assert rooms.load(target) == -1, rooms.site(target)
        lab.wait(lambda: "no growth is known yet" in fleet.ctl(fleet.mgmt, "status").stdout, 5, "and why it is not known")
        fleet.configure(node, text)
        fleet.ctl(node, "reload")
        rooms.wait_load(target, 0.9 * RATE, 1.1 * RATE)


def check_drain(lab: Lab, rooms: Rooms, target: str) -> None:
    fleet = rooms.fleet
    with lab.check("drained for real its users are counted where they landed"):
        fleet.ctl(fleet.mgmt, "drain", target)
        rooms.wait_load(target, 0, 1)
        others = [site.name for site in fleet.sites if site.name != target]
        lab.wait(lambda: any(rooms.load(name) > 0.9 * RATE for name in others), 20, "they landed")
        fleet.ctl(fleet.mgmt, "restore", target)
        fleet.wait_announced()
        rooms.wait_load(target, 0.9 * RATE, 1.1 * RATE)
        rooms.leave(target)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Staged drains: community, prepend, withdrawal, each with its time and its traffic; the way back; restarts half way."""

from __future__ import annotations

import time
from typing import Any

from labkit.anycast import Fleet
from labkit.node import Node
from labkit.routefile import PREFIXES
from labkit.scenario import Lab
from labkit.services import health_page

WEB4, WEB6 = PREFIXES["web"]
DNS4, DNS6 = PREFIXES["dns"]

STEPS = """
drain:
  counter: {nft: inet lab seen}
  interval: 100ms
  steps:
    - {step: graceful_shutdown, hold: 700ms, back: 600ms}
    - {step: prepend, times: 2, hold: 700ms, back: 600ms, below: 50, wait_max: 30s}
    - {step: withdraw, hold: 200ms, below: 50, wait_max: 30s}
"""
# Drains come faster here than anywhere else: what counts updates forgets as fast.
GUARDS = "guards: {damping: {half_life: 5s, max_hold: 20s, updates: %d}}\n"
BUDGET = 4

# A hundred packets a second to the service's address, for a minute at most.
USERS = """
import socket, time
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(6000):
    try:
        udp.sendto(b"x", ("192.0.2.1", 9))
    except OSError:
        pass
    time.sleep(0.01)
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


def prefix(fleet: Fleet, site: Node, net: str) -> dict[str, Any]:
    return next(p for p in fleet.site_status(site)["prefixes"] if p["prefix"] == net)


def step(fleet: Fleet, site: Node, net: str = WEB4) -> str:
    return str(prefix(fleet, site, net)["drain"]["step"])


def from_site(lab: Lab, transit: str, session: str, net: str) -> tuple[int, bool] | None:
    """(length of the AS path, has the community) of the route that a transit hears from the site; None: no route."""
    lines = [text for _, text in lab.nodes[transit].bird(f"show route {net} all protocol {session}")]
    path = next((text.split(":")[1].split() for text in lines if "BGP.as_path" in text), None)
    if path is None:
        return None
    return len(path), any("(65535,0)" in text for text in lines if "BGP.community" in text)


def sessions_up(fleet: Fleet, site: Node) -> bool:
    bird = fleet.bird(site)
    return bool(bird["sessions_up"] == bird["sessions_all"])


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    chc = lab.nodes["chc"]
    conf = chc.path("/run/lab/anycastd.yml").read_text() + STEPS
    fleet.configure(chc, conf + GUARDS % 60)
    chc.run(["/usr/sbin/nft", "-f", "-"], input=COUNTER)
    fleet.bring_up()

    with lab.check("a dry run tells the steps and the lines, and changes nothing"):
        watch = lab.watch_updates([chc])
        done = fleet.ctl(fleet.mgmt, "drain", "chc", "--service", "web", "--dry-run").stdout
        for part in (
            "1. web: graceful_shutdown, held for 700ms",
            "2. web: prepend, held for 700ms, until traffic is below 50/s or 30s have passed",
            f"+ route {WEB4} blackhole {{ anycastd_graceful_shutdown = 1; anycastd_prepend = 2; }};",
            "3. web: withdraw",
            "nothing was changed",
        ):
            assert part in done, (part, done)
        assert DNS4 not in done, done
        assert step(fleet, chc) == "normal" and not watch.sent(chc, WEB4)

    # A service that still has users: 100 packets a second to its prefix.
    users = chc.start("users", ["/usr/bin/python3", "-c", USERS])
    lab.wait(lambda: (fleet.site_status(chc)["services"][0]["drain"]["per_s"] or 0) > 50, 10, "the counter counts")

    with lab.check("one service drained: the community, then prepends; it stays while traffic is left; sessions stay up"):
        clients = lab.nodes_with(role="client")
        watch = lab.watch_updates(clients)
        fleet.ctl(fleet.mgmt, "drain", "chc", "--service", "web", "--reason", "new fans", "--owner", "noc", "--for", "1h")
        lab.wait(lambda: from_site(lab, "t4", "chc_4", WEB4) == (1, True), 5, "the community at a transit")
        lab.wait(lambda: "chc" not in lab.truth(WEB4).values(), 5, "clients moved while the route was still there")
        lab.wait(lambda: from_site(lab, "t4", "chc_4", WEB4) == (3, True), 5, "prepended twice")
        lab.wait(lambda: from_site(lab, "t1", "chc_6", WEB6) == (3, True), 5, "IPv6 too")
        lab.wait(lambda: prefix(fleet, chc, WEB4)["drain"]["waits_for"] == "traffic that is left", 5, "waits for users")
        assert sessions_up(fleet, chc)
        assert prefix(fleet, chc, WEB4)["prepend"] == 2
        assert step(fleet, chc, DNS4) == "normal"

    with lab.check("killed in the middle of it: the next one goes on from the same step, no neighbour sees an update"):
        updates = lab.watch_updates([chc])
        fleet.restart(chc)
        lab.wait(lambda: step(fleet, chc) == "prepend", 10, "the step is adopted")
        lab.wait(lambda: prefix(fleet, chc, WEB4)["drain"]["waits_for"] == "traffic that is left", 10, "waits again")
        for net in (WEB4, WEB6, DNS4, DNS6):
            assert not updates.sent(chc, net), net

    with lab.check("its users gone it is withdrawn, and drained; other prefixes saw nothing"):
        users.kill(2)
        users.wait()
        lab.wait(lambda: from_site(lab, "t4", "chc_4", WEB4) is None, 10, "withdrawn")
        lab.wait(lambda: step(fleet, chc) == "drained", 5, "drained")
        assert sessions_up(fleet, chc)
        for node in clients:
            assert not [u for p in (DNS4, DNS6) for u in watch.received(node, p)], node.name
        text = fleet.ctl(fleet.mgmt, "status", "chc").stdout
        assert "new fans" in text and "owner noc" in text, text
        moves = [e["what"] for e in fleet.events(chc) if e["kind"] == "drain"]
        assert "graceful_shutdown -> prepend" in moves and "withdraw -> drained" in moves, moves

    with lab.check("a restore of the site is refused, it names what is drained; the service walks back in steps"):
        refused = fleet.ctl(fleet.mgmt, "restore", "chc", check=False)
        assert refused.returncode == 1 and "service/web" in refused.stderr, refused
        fleet.ctl(fleet.mgmt, "restore", "chc", "--service", "web")
        lab.wait(lambda: from_site(lab, "t4", "chc_4", WEB4) == (3, True), 5, "prepended first")
        lab.wait(lambda: from_site(lab, "t4", "chc_4", WEB4) == (1, True), 5, "then the community alone")
        lab.wait(lambda: from_site(lab, "t4", "chc_4", WEB4) == (1, False), 5, "then as before")
        lab.wait(lambda: "chc" in lab.truth(WEB4).values(), 5, "clients are back")

    with lab.check("BIRD frozen in a gentle step: the drain waits and says so; the neighbours get each step, for its time"):
        fleet.ctl(fleet.mgmt, "drain", "chc", "--service", "web")
        lab.wait(lambda: from_site(lab, "t4", "chc_4", WEB4) == (1, True), 5, "the community at a transit")
        chc.stop_bird()
        lab.wait(lambda: prefix(fleet, chc, WEB4)["drain"]["waits_for"] == "bird to take the step", 10, "waits for BIRD")
        waits_at = step(fleet, chc)
        assert waits_at in ("graceful_shutdown", "prepend"), waits_at
        time.sleep(2)  # the times of all steps
        assert step(fleet, chc) == waits_at
        assert "waits for bird to take the step" in fleet.ctl(chc, "status").stdout
        thawed = time.monotonic()
        chc.cont_bird()
        lab.wait(lambda: from_site(lab, "t4", "chc_4", WEB4) == (3, True), 10, "prepended, not withdrawn")
        lab.wait(lambda: from_site(lab, "t4", "chc_4", WEB4) is None, 10, "withdrawn")
        assert time.monotonic() - thawed >= 0.7
        lab.wait(lambda: step(fleet, chc) == "drained", 5, "drained")

    with lab.check("the way back waits for a protocol that is disabled by hand, and goes on when it is enabled"):
        chc.bird("disable t4_6")
        fleet.ctl(fleet.mgmt, "restore", "chc", "--service", "web")
        lab.wait(lambda: prefix(fleet, chc, WEB4)["drain"]["waits_for"] == "bird to take the step", 10, "waits for BIRD")
        time.sleep(2)
        assert step(fleet, chc) == "prepend" and from_site(lab, "t4", "chc_4", WEB4) is None
        chc.bird("enable t4_6")
        lab.wait(lambda: from_site(lab, "t4", "chc_4", WEB4) == (3, True), 10, "prepended first")
        lab.wait(lambda: from_site(lab, "t4", "chc_4", WEB4) == (1, False), 10, "in steps")
        lab.wait(lambda: sessions_up(fleet, chc), 10, "all sessions are up")

    with lab.check("--at-once withdraws a prefix without steps, the other family stays"):
        fleet.ctl(fleet.mgmt, "drain", "chc", "--prefix", WEB4, "--at-once", "--for", "2s")
        lab.wait(lambda: from_site(lab, "t4", "chc_4", WEB4) is None, 2, "withdrawn at once")
        assert from_site(lab, "t4", "chc_6", WEB6) == (1, False)
        lab.wait(lambda: from_site(lab, "t4", "chc_4", WEB4) == (1, False), 10, "back by itself, in steps")

    with lab.check("sick half way: withdrawn at once; healthy again it goes on where the drain is"):
        fleet.ctl(fleet.mgmt, "drain", "chc")
        lab.wait(lambda: step(fleet, chc) == "graceful_shutdown", 5, "the first step")
        health_page(chc, "web").unlink()
        lab.wait(lambda: from_site(lab, "t4", "chc_4", WEB4) is None, 5, "withdrawn, it is sick")
        health_page(chc, "web").write_text("ok")
        lab.wait(lambda: step(fleet, chc) == "drained" and step(fleet, chc, DNS4) == "drained", 10, "drained all the same")
        lab.wait(lambda: fleet.site_status(chc)["state"] == "drained", 5, "the whole site is")
        fleet.ctl(fleet.mgmt, "restore", "chc")
        fleet.wait_announced()
        lab.wait(lambda: from_site(lab, "t4", "chc_4", WEB4) == (1, False), 10, "all back")
        lab.wait(lambda: step(fleet, chc) == "normal", 5, "normal")

    with lab.check("a counter that cannot be read keeps the step, and says why"):
        chc.run(["/usr/sbin/nft", "delete", "table", "inet", "lab"])
        lab.wait(lambda: fleet.site_status(chc)["services"][0]["drain"]["trouble"], 5, "trouble is told")
        fleet.ctl(fleet.mgmt, "drain", "chc", "--service", "dns")
        lab.wait(lambda: prefix(fleet, chc, DNS4)["drain"]["waits_for"] == "the traffic counter", 10, "waits for it")
        chc.run(["/usr/sbin/nft", "-f", "-"], input=COUNTER)
        lab.wait(lambda: step(fleet, chc, DNS4) == "drained", 10, "read again: drained")
        fleet.ctl(fleet.mgmt, "restore", "chc", "--all")
        fleet.wait_announced()

    with lab.check("its updates used up, a drain still goes to its end; the way back waits, says so, and an override lets it go on"):
        lab.wait(lambda: step(fleet, chc, DNS4) == "normal", 10, "back")
        fleet.configure(chc, conf + GUARDS % BUDGET)
        fleet.ctl(chc, "reload")
        fleet.ctl(fleet.mgmt, "drain", "chc", "--service", "dns")
        lab.wait(lambda: step(fleet, chc, DNS4) == "drained", 10, "drained, whatever was used up before")
        fleet.ctl(fleet.mgmt, "restore", "chc", "--service", "dns")
        lab.wait(lambda: "guard damping" in fleet.ctl(fleet.mgmt, "status").stdout, 10, "it waits, and the controller says so")
        assert prefix(fleet, chc, DNS4)["damping"]["back"], prefix(fleet, chc, DNS4)
        watch = lab.watch_updates([chc])
        time.sleep(2)  # the times of all steps
        assert not watch.sent(chc, DNS4)
        fleet.ctl(chc, "override", "damping", "--site", "chc", "--reason", "it is well", "--for", "1m")
        lab.wait(lambda: from_site(lab, "t4", "chc_4", DNS4) == (1, False), 10, "back as before")
        lab.wait(lambda: step(fleet, chc, DNS4) == "normal", 5, "normal")
    fleet.stop_all()

# SPDX-License-Identifier: GPL-3.0-or-later
"""Sweeps on the wire: who is pinged and who is not, what a probe says of itself, both ways of sending, flipping clients."""

from __future__ import annotations

import socket
from typing import Any

from labkit.anycast import Fleet, client_addresses
from labkit.experiment import Bench, finish, prepare
from labkit.node import Node
from labkit.scenario import Lab

TEXT = b"anycast catchment measurement"
PAYLOAD_BYTES = 48  # before the text
TEXT_AT = {socket.htons(0x0800): 20 + 8 + PAYLOAD_BYTES, socket.htons(0x86DD): 40 + 8 + PAYLOAD_BYTES}
MAGIC = b"ACS2"
PER_AS = 20  # as in labkit.experiment.prepare


def run(lab: Lab) -> None:
    fleet, bench = prepare(lab)
    check_status(lab, fleet)
    check_optouts(lab, fleet)
    check_next_hop(lab, fleet, bench)
    finish(lab, fleet)


class Ear:
    """Hears the echo requests of sweeps that reach a node, of both families."""

    def __init__(self, node: Node) -> None:
        with node.network():
            self._sockets = {p: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, p) for p in TEXT_AT}
        for ear in self._sockets.values():
            ear.setblocking(False)

    def heard(self) -> dict[int, list[bytes]]:
        """What came since the last call, by EtherType in network order."""
        found: dict[int, list[bytes]] = {protocol: [] for protocol in self._sockets}
        for protocol, ear in self._sockets.items():
            at = TEXT_AT[protocol]
            while True:
                try:
                    packet = ear.recv(2048)
                except BlockingIOError:
                    break
                if packet[at - PAYLOAD_BYTES :].startswith(MAGIC) and packet[at - PAYLOAD_BYTES - 8] in (8, 128):
                    found[protocol].append(packet)
        return found

    def close(self) -> None:
        for ear in self._sockets.values():
            ear.close()


def sender(fleet: Fleet) -> Node:
    """The first site sends when another one is the target."""
    return next(node for node in fleet.sites if node.name == "akl")


def measure(lab: Lab, fleet: Fleet, target: str) -> dict[str, Any]:
    status, body = fleet.api(fleet.mgmt, "POST", "/v1/experiments", {"site": target})
    assert status == 200, body
    lab.wait(lambda: all(s["sweep"]["capture"] == "ring" for s in fleet.status()["sites"]), 10, "all capture")
    lab.wait(lambda: fleet.experiment()["state"] in ("done", "failed"), 30, "the experiment is over")
    experiment = fleet.experiment()
    assert experiment["state"] == "done", experiment
    return experiment


def check_status(lab: Lab, fleet: Fleet) -> None:
    with lab.check("the controller says how many replies of each class came to each site"):
        for site in fleet.status()["sites"]:
            assert site["sweep"]["engine"] == "raw" and site["sweep"]["sent_packet"] == 0, site["sweep"]
        experiment = fleet.experiment()
        assert sum(site["accepted"] for site in experiment["replies"]) == experiment["counters"]["accepted"]
        told = fleet.ask(fleet.mgmt, "report", "experiment", str(experiment["id"]))["replies"]
        assert sum(row["n"] for row in told if row["class"] == "accepted") == experiment["counters"]["accepted"], told
        rows = fleet.query(fleet.mgmt, "SELECT sum(n) FROM reply_class WHERE class = 'accepted' AND experiment = ?", (experiment["id"],))
        assert rows[0][0] == experiment["counters"]["accepted"], rows


def check_optouts(lab: Lab, fleet: Fleet) -> None:
    ears = {name: Ear(lab.nodes[name]) for name in ("c01", "c02")}
    try:
        with lab.check("who opted out leaves the list and hears nothing; the others read who pings them"):
            fleet.ctl(fleet.mgmt, "optout", "add", "10.101.0.0/16", "--reason", "a mail")
            fleet.ctl(fleet.mgmt, "optout", "add", "2001:db8:c001::/48")
            assert "10.101.0.0/16" in fleet.ctl(fleet.mgmt, "optout", "list").stdout
            for ear in ears.values():
                ear.heard()
            experiment = measure(lab, fleet, "nrt")
            assert experiment["clients"] == len(client_addresses(lab, PER_AS)) - 2 * PER_AS, experiment
            assert not any(ears["c01"].heard().values())
            for protocol, packets in ears["c02"].heard().items():
                at = TEXT_AT[protocol]
                assert len(packets) >= PER_AS
                assert all(packet[at : at + len(TEXT)] == TEXT for packet in packets)
        with lab.check("and is pinged again when he says so, from the next list on"):
            fleet.ctl(fleet.mgmt, "optout", "del", "10.101.0.0/16")
            fleet.ctl(fleet.mgmt, "optout", "del", "2001:db8:c001::/48")
            fleet.import_clients(client_addresses(lab, PER_AS))
            measure(lab, fleet, "nrt")
            assert all(ears["c01"].heard().values())
    finally:
        for ear in ears.values():
            ear.close()


def by_packet(fleet: Fleet, site: Node) -> dict[str, Any]:
    sweep: dict[str, Any] = fleet.site_status(site)["sweep"]
    return sweep if sweep["done"] and sweep["sent_packet"] > sweep["sent"] / 2 else {}


def check_next_hop(lab: Lab, fleet: Fleet, bench: Bench) -> None:
    akl = sender(fleet)
    with lab.check("probes sent straight to the next hop give the same map"):
        config = akl.path("/run/lab/anycastd.yml").read_text(encoding="utf-8")
        config = config.replace("  confirm: 3s\n", "  confirm: 3s\n  engine: packet\n")
        assert "engine: packet" in config
        fleet.configure(akl, config)
        fleet.kill_all(akl)
        fleet.start(akl)
        fleet.wait_announced()
        fleet.wait_fleet()
        bench.start()
        sweep = lab.wait(lambda: by_packet(fleet, akl), 10, "probes went to the next hop")
        lab.note(f"{sweep['sent_packet']} of {sweep['sent']} probes of a round went to the next hop")
        lab.wait(lambda: fleet.experiment()["state"] == "done", 30, "the experiment is over")
        bench.succeed()

# SPDX-License-Identifier: GPL-3.0-or-later
"""A new configuration while the daemon runs: as a whole or not at all, and nothing moves that was not changed."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from labkit.anycast import Fleet
from labkit.node import Node
from labkit.routefile import PREFIXES
from labkit.scenario import Lab
from labkit.services import health_page

WEB, DNS, TEST = PREFIXES["web"], PREFIXES["dns"], PREFIXES["test"]
EXTRA = "203.0.113.0/25"


class Site:
    """A site whose file can be written anew."""

    def __init__(self, fleet: Fleet, node: Node) -> None:
        self.fleet, self.node = fleet, node
        self.text = node.path("/run/lab/anycastd.yml").read_text()
        self.file = Path(fleet.configure(node, self.text))

    def write(self, text: str) -> None:
        self.node.path(str(self.file)).write_text(text)

    def reload(self, text: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        self.write(text)
        return self.fleet.ctl(self.node, "reload", check=check)

    def probes(self) -> dict[str, dict[str, object]]:
        services = self.fleet.get(self.node, "/v1/status")["sites"][0]["services"]
        return {f"{s['service']}/{p['probe']}": p for s in services for p in s["probes"]}


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    chc = Site(fleet, lab.nodes["chc"])
    fleet.bring_up()
    clients = lab.nodes_with(role="client")
    watch = lab.watch_updates(clients)

    def assert_quiet(*prefixes: str) -> None:
        lab.wait_converged()
        for client in clients:
            for prefix in prefixes:
                assert not watch.received(client, prefix), (client.name, prefix, watch.received(client, prefix))

    with lab.check("what is wrong leaves all as it is, and is told with its line"):
        before = fleet.get(chc.node, "/v1/status")["sites"][0]["boot"]
        for bad, why in (
            (chc.text.replace("interval: 200ms", "interval: 2", 1), "anycastd.yml:10: "),
            (chc.text + "store: /run/state/other.db\n", "duplicate"),
            (chc.text.replace("/run/state/anycastd.db", "/run/state/other.db"), "store: cannot change"),
            (chc.text.replace("site: chc", "site: akl"), "site: cannot change"),
            # An address that no node has: a low port may be anybody's in a container.
            (chc.text + "metrics: 10.99.99.99:9100\n", "10.99.99.99:9100"),
            (chc.text.replace("/run/state/anycastd.conf", "/run/nowhere/x.conf"), "/run/nowhere"),
        ):
            refused = chc.reload(bad, check=False)
            assert refused.returncode == 1 and why in refused.stderr, (why, refused)
        chc.write("rubbish: [")
        fleet.procs["chc"].kill(signal.SIGHUP)

        def refusals() -> list[str]:
            return [e["actor"] for e in fleet.events(chc.node) if e["what"] == "not reloaded"]

        lab.wait(lambda: "SIGHUP" in refusals(), 5, "an event")
        assert len(refusals()) == 7, refusals()
        assert fleet.get(chc.node, "/v1/status")["sites"][0]["boot"] == before
    with lab.check("nothing changed"):
        assert "nothing changed" in chc.reload(chc.text).stdout
    with lab.check("a probe changed: it alone begins anew, the others keep their health"):
        since = chc.probes()
        # So slow that it says nothing while we look.
        slow = chc.text.replace("interval: 200ms, timeout: 150ms, down_after: 3, up_after: 2",
                                "interval: 1h, timeout: 150ms, down_after: 3, up_after: 100")
        assert "service web: changed" in chc.reload(slow).stdout
        now = chc.probes()
        assert now["web/page"]["health"] == "unknown", now["web/page"]
        for name in ("web/port", "dns/page", "dns/self", "dns/file"):
            assert now[name]["health"] == "healthy" and now[name]["since_ms"] == since[name]["since_ms"], now[name]
        assert fleet.health(chc.node) == {"web": "unknown", "dns": "healthy"}
    with lab.check("and back, many times and quickly: no client sees any update"):
        for i in range(20):
            chc.reload(slow if i % 2 else chc.text)
        chc.write(chc.text)
        for _ in range(20):
            fleet.procs["chc"].kill(signal.SIGHUP)
        lab.wait(lambda: set(fleet.health(chc.node).values()) == {"healthy"}, 10, "healthy")
        fleet.wait_fleet()
        assert_quiet(*WEB, *DNS, *TEST)
    with lab.check("a service more, with a prefix of its own; and without it again"):
        service = (f'  - name: extra\n    prefixes: [{EXTRA}]\n    probes:\n'
                   '      - {name: file, file: /run/lab/anycastd.yml, when: present, interval: 200ms}\n')
        more = chc.text.replace("services:\n", "services:\n" + service)
        assert "service extra: added" in chc.reload(more).stdout
        lab.wait(lambda: fleet.real(chc.node).get(EXTRA) == "announced", 10, "announced")
        fleet.ctl(chc.node, "drain", "chc", "--service", "extra")
        refused = chc.reload(more.replace("name: extra", "name: other"), check=False)
        assert refused.returncode == 1 and f"service other: {EXTRA} is drained" in refused.stderr, refused
        fleet.ctl(chc.node, "restore", "chc", "--service", "extra")
        assert "service extra: removed" in chc.reload(chc.text).stdout
        lab.wait(lambda: EXTRA not in str(chc.node.bird("show route")), 10, "withdrawn")
        assert_quiet(*WEB, *DNS, *TEST)
    with lab.check("health is followed after it, and events say what changed and nothing else"):

        def routes() -> list[tuple[str, str]]:
            return [(e["subject"], e["what"]) for e in fleet.events(chc.node) if e["kind"] == "route"]

        known = len(routes())
        assert "service web: changed" in chc.reload(slow).stdout
        chc.reload(chc.text)
        lab.wait(lambda: fleet.health(chc.node)["web"] == "healthy", 10, "healthy")
        health_page(chc.node, "web").unlink()
        lab.wait(lambda: "chc" not in lab.truth(WEB[0]).values(), 10, "web leaves")
        health_page(chc.node, "web").write_text("ok")
        lab.wait(lambda: fleet.real(chc.node)[WEB[0]] == "announced", 10, "web is back")
        turns = ("announced -> withdrawn", "withdrawn -> announced")
        expected = sorted((f"prefix/{p}", what) for p in WEB for what in turns)
        lab.wait(lambda: len(routes()) >= known + len(expected), 10, "the events")
        assert sorted(routes()[known:]) == expected, routes()[known:]
    with lab.check("a controller takes a guard; its sites see nothing of it"):
        lab.wait_converged()
        fleet.wait_fleet()
        watch = lab.watch_updates(clients)
        text = fleet.mgmt.path("/run/lab/anycastd.yml").read_text()
        fleet.configure(fleet.mgmt, text + "  guards: {min_sites: 1}\n")
        fleet.ctl(fleet.mgmt, "stop")
        fleet.procs["mgmt"].wait(5)
        fleet.start(fleet.mgmt)
        fleet.wait_fleet()
        fleet.mgmt.path("/run/state/anycastd.yml").write_text(text + "  guards: {min_sites: 2}\n")
        assert "other keys: changed" in fleet.ctl(fleet.mgmt, "reload").stdout
        fleet.wait_fleet()

        def kept() -> int:
            return sum(WEB[0] not in s["permits"] for s in fleet.status()["sites"])

        lab.wait(lambda: kept() == 2, 10, "two sites without a permit")
        assert_quiet(*WEB, *DNS, *TEST)
    fleet.stop_all()

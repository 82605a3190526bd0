# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault table: every row breaks something while health changes at one site, and asks the far peers at the end.

A row passes when the clients' routes are right in the end, no prefix of a well service saw an update (unless BIRD
itself died), and nothing recorded was lost.  All rows run, whatever became of those before.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labkit.anycast import Fleet
from labkit.node import Node
from labkit.routefile import PREFIXES, ROUTE_FILE
from labkit.scenario import Lab
from labkit.services import health_page

WEB, DNS, TEST = PREFIXES["web"], PREFIXES["dns"], PREFIXES["test"]
WEB4 = WEB[0]
OTHERS = (*DNS, *TEST)
SITE = "chc"
# Where a change stands when it is stopped or ends: src/site/reconcile_change.c.
POINTS = ("bird-written", "bird-checked", "bird-kept", "bird-configured", "bird-synced", "bird-verified", "bird-confirmed")
# The rows fail one service forty times: it would be kept away.  What damping does is the row of flaps.
UNDAMPED = "guards: {damping: {suppress: 0, updates: 0}}\n"
DAMPED = "guards: {damping: {suppress: 3000, reuse: 1500, half_life: 3s, max_hold: 15s, updates: 0}}\n"
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


class Table:
    def __init__(self, lab: Lab, fleet: Fleet) -> None:
        self.lab = lab
        self.fleet = fleet
        self.site = lab.nodes[SITE]
        self.baseline = {p: lab.truth(p) for pair in PREFIXES.values() for p in pair}
        self.failed: list[str] = []

    def row(self, name: str, fault: Callable[[], None], bird_dies: bool = False) -> None:
        """One row: the fault takes the web service away; here it comes back, and all is judged."""
        clients = self.lab.nodes_with(role="client")
        try:
            with self.lab.check(name):
                known = self.events()
                watch = self.lab.watch_updates(clients)
                fault()
                self.lab.wait(self.web_left, 20, "web leaves the site")
                self.mend()
                self.lab.wait(self.as_before, 20, "all clients' routes as before")
                self.lab.wait_converged()
                if not bird_dies:
                    for client in clients:
                        for prefix in OTHERS:
                            assert not watch.received(client, prefix), (client.name, prefix)
                self.nothing_lost(known)
        except Exception as error:  # a row that fails must not take the others along
            self.failed.append(f"{name}: {error}")
            self.lab.note(f"FAILED {name}: {error}")
            self.start_anew()

    # -- what is judged ----------------------------------------------------

    def web_left(self) -> bool:
        return all(SITE not in self.lab.truth(p).values() for p in WEB)

    def as_before(self) -> bool:
        return all(self.lab.truth(p) == before for p, before in self.baseline.items())

    def events(self) -> dict[int, dict[str, Any]]:
        found = self.fleet.get(self.site, "/v1/events?limit=1000")["events"]
        return {event["id"]: event for event in found}

    def nothing_lost(self, known: dict[int, dict[str, Any]]) -> None:
        """What was recorded is, and so is the service's going and coming of this row."""
        self.lab.wait(lambda: self.recorded(known), 10, "sick and healthy again are on record")
        now = self.events()
        newest = max(now)
        lost = {n: e for n, e in known.items() if n > newest - 900 and now.get(n) != e}
        assert not lost, lost
        self.fleet.check_store(self.site)

    def recorded(self, known: dict[int, dict[str, Any]]) -> bool:
        last = max(known, default=0)
        told = [e["what"] for n, e in self.events().items() if n > last and e["subject"] == "service/web"]
        return any(w.endswith("-> sick") for w in told) and any(w.endswith("-> healthy") for w in told)

    # -- means -------------------------------------------------------------

    def config(self, more: str) -> str:
        return self.site.path("/run/lab/anycastd.yml").read_text() + more

    def breaks(self) -> None:
        health_page(self.site, "web").unlink(missing_ok=True)

    def mend(self) -> None:
        health_page(self.site, "web").write_text("ok")

    def sick(self) -> None:
        self.lab.wait(lambda: self.fleet.health(self.site)["web"] == "sick", 10, "web is sick")

    def restart(self, **env: str) -> None:
        """Another daemon, which adopts what there is."""
        self.fleet.env[SITE] = env
        self.fleet.restart(self.site)
        self.lab.wait(self.is_up, 10, "the daemon is up")

    def is_up(self) -> bool:
        return "unknown" not in self.fleet.health(self.site).values() and set(self.fleet.real(self.site).values()) == {
            "announced"
        }

    def start_anew(self) -> None:
        """After a row that failed: whatever is stopped, dead or broken."""
        self.mend()
        self.fleet.env[SITE] = {}
        try:
            self.site.cont_bird()
        except (OSError, ValueError):
            pass
        self.fleet.restart(self.site)
        self.lab.wait(self.as_before, 30, "all as before, after a row that failed")

    def main_state(self) -> str:
        stat = Path(f"/proc/{self.fleet.procs[SITE].pid}/stat").read_text()
        return stat.rsplit(") ", 1)[1][0]


def at_point(table: Table, point: str, fault: Callable[[], None]) -> None:
    """The daemon stops at this point of its change, the fault happens, the daemon goes on."""
    table.restart(ANYCASTD_STOP_AT=point)
    table.breaks()
    table.lab.wait(lambda: table.main_state() == "T", 10, f"stopped at {point}")
    fault()
    table.fleet.procs[SITE].kill(signal.SIGCONT)


def step_rows(table: Table) -> None:
    site, lab, fleet = table.site, table.lab, table.fleet

    def frozen() -> None:
        site.stop_bird()

    def killed() -> None:
        site.kill_bird()

    def restarted() -> None:
        site.kill_bird()
        site.start_bird()

    for point in POINTS:
        name = point.removeprefix("bird-")

        def freeze_row(point: str = point) -> None:
            at_point(table, point, frozen)
            if point != "bird-confirmed":  # nothing is asked of it any more
                lab.wait(lambda: fleet.bird(site)["state"] == "silent", 10, "silent is told")
            site.cont_bird()

        def kill_row(point: str = point) -> None:
            at_point(table, point, killed)
            lab.wait(lambda: fleet.bird(site)["state"] == "down", 10, "down is told")
            site.start_bird()

        table.row(f"BIRD frozen when a change is {name}", freeze_row, bird_dies=True)
        table.row(f"BIRD killed when a change is {name}", kill_row, bird_dies=True)
        table.row(f"BIRD restarted when a change is {name}", lambda p=point: at_point(table, p, restarted), bird_dies=True)


def crash_rows(table: Table) -> None:
    for point in POINTS:

        def crash(point: str = point) -> None:
            table.restart(ANYCASTD_CRASH_AT=point)
            table.breaks()
            table.lab.wait(lambda: not table.fleet.procs[SITE].alive(), 10, f"died at {point}")
            table.fleet.env[SITE] = {}
            table.fleet.start(table.site)

        table.row(f"anycastd killed when a change is {point.removeprefix('bird-')}", crash)


def bird_rows(table: Table) -> None:
    site, lab, fleet = table.site, table.lab, table.fleet

    def broken_include() -> None:
        broken = site.path("/run/state/operator.d/x.conf")
        broken.write_text("protocol nonsense;\n")
        table.breaks()
        lab.wait(lambda: "x.conf" in fleet.bird(site)["last_error"], 10, "the file is named")
        broken.unlink()

    def socket_lost() -> None:
        socket = site.path("/run/bird/bird.ctl")
        away = socket.with_name("away.ctl")
        socket.rename(away)
        worker = threading.Timer(1.5, lambda: away.rename(socket))
        table.breaks()
        # An open session goes on: the daemon must find the socket anew after a restart.
        fleet.restart(site)
        lab.wait(lambda: fleet.bird(site)["state"] == "down", 10, "not reachable is told")
        worker.start()
        worker.join()

    def disabled() -> None:
        site.bird("disable t4_4")
        table.breaks()
        table.sick()
        lab.wait(lambda: "t4_4" in fleet.bird(site)["last_error"], 10, "the protocol is named")
        assert any(state == "down" for _, state in protocol_states(site) if _ == "t4_4")
        assert WEB4 in {p for p, real in fleet.real(site).items() if real == "announced"}
        site.bird("enable t4_4")

    def storm() -> None:
        quit_ = threading.Event()

        def configure() -> None:
            for n in range(60):
                if quit_.wait(0.05):
                    return
                site.bird("configure" if n % 2 else "configure soft")

        thread = threading.Thread(target=configure)
        thread.start()
        try:
            for _ in range(2):
                table.breaks()
                lab.wait(lambda: fleet.real(site)[WEB4] == "withdrawn", 10, "withdrawn in the storm")
                table.mend()
                lab.wait(lambda: fleet.real(site)[WEB4] == "announced", 10, "announced in the storm")
            table.breaks()
            lab.wait(table.web_left, 10, "web leaves in the storm")
        finally:
            quit_.set()
            thread.join()

    table.row("an include broken elsewhere", broken_include)
    table.row("BIRD's socket out of reach", socket_lost)
    # The session itself goes down by hand: its routes with it.
    table.row("a session disabled by hand stops the change, by name", disabled, bird_dies=True)
    table.row("a second `birdc configure` every 50 ms", storm)


def protocol_states(site: Node) -> list[tuple[str, str]]:
    rows = [text.split() for code, text in site.bird("show protocols") if code == 1002]
    return [(words[0], words[3]) for words in rows if len(words) > 3]


def disk_rows(table: Table) -> None:
    """On a file system of their own, which can be filled and made read-only."""
    site, lab, fleet = table.site, table.lab, table.fleet
    disk = "/run/disk"
    text = table.config(UNDAMPED).replace("store: /run/state/", f"store: {disk}/")

    def full() -> None:
        site.run(["/bin/dd", "if=/dev/zero", f"of={disk}/fill", "bs=4k"], check=False)
        table.breaks()
        table.sick()
        lab.wait(table.web_left, 10, "withdrawn though no event can be written")
        table.mend()
        lab.wait(lambda: fleet.health(site)["web"] == "healthy", 10, "healthy again")
        table.breaks()
        table.sick()
        site.run(["/bin/rm", f"{disk}/fill"])

    def may_write(yes: bool) -> None:
        """Of what the store's process may do: it has no capability that would pass by the modes."""
        site.run(["/bin/sh", "-c", f"chmod {'u+w' if yes else 'a-w'} {disk} {disk}/anycastd.db*"])
        os.kill(fleet.worker_pid(site, "anycastd-store"), signal.SIGKILL)

    def read_only() -> None:
        may_write(False)
        table.breaks()
        table.sick()
        lab.wait(table.web_left, 10, "withdrawn though the store is read-only")
        lab.wait(lambda: "anycastd-store" in fleet.worker_pids(site), 10, "the store tries again")
        may_write(True)

    site.run(["/bin/mkdir", "-p", disk])
    site.run(["/bin/mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk])
    fleet.configure(site, text)
    table.restart()
    integrity, fleet.check_store = fleet.check_store, lambda node: node.run(
        ["/usr/bin/sqlite3", f"file:{disk}/anycastd.db?mode=ro", "PRAGMA integrity_check"]) and None
    table.row("the store's disk is full", full)
    table.row("the store is read-only", read_only)
    fleet.check_store = integrity
    fleet.configure(site, table.config(UNDAMPED))
    table.restart()

    def include_full() -> None:
        """BIRD's file: no change can be written until there is room."""
        path = site.path(ROUTE_FILE)
        blocker = path.with_name(path.name + ".new")
        blocker.mkdir()  # as good as a full disk: the new file cannot be made
        table.breaks()
        lab.wait(lambda: ".new" in fleet.bird(site)["last_error"], 10, "the file is named")
        assert SITE in lab.truth(WEB4).values()
        blocker.rmdir()

    table.row("the file for BIRD cannot be written", include_full)


def clock_rows(table: Table) -> None:
    if not FAKETIME.exists():
        table.lab.note("skipped: clock rows: libfaketime is not installed")
        return
    clock = table.site.path("/run/state/clock")
    clock.write_text("+0\n")
    env = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": "/run/state/clock", "FAKETIME_NO_CACHE": "1",
           "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1"}

    def step(offset: str) -> None:
        clock.write_text(f"{offset}\n")
        table.breaks()
        table.sick()

    table.restart(**env)
    table.row("the clock is stepped an hour ahead", lambda: step("+3600"))
    table.row("the clock is stepped two hours back", lambda: step("-3600"))
    clock.write_text("+0\n")
    table.restart()


def prober_rows(table: Table) -> None:
    site, fleet, lab = table.site, table.fleet, table.lab

    def killed() -> None:
        for name in ("anycastd-pinger", "anycastd-runner"):
            os.kill(fleet.worker_pid(site, name), signal.SIGKILL)
        table.breaks()

    def frozen() -> None:
        pinger = fleet.worker_pid(site, "anycastd-pinger")
        os.kill(pinger, signal.SIGSTOP)
        table.breaks()
        lab.wait(table.web_left, 10, "web leaves while the prober is frozen")
        # The dns service, which it probes, must keep its routes; the row's end judges that.
        os.kill(pinger, signal.SIGCONT)

    table.row("the probers are killed", killed)
    table.row("the pinger is frozen", frozen)


def flap_rows(table: Table) -> None:
    site, lab = table.site, table.lab

    def flapping() -> None:
        watch = lab.watch_updates([site])
        for _ in range(8):
            table.breaks()
            lab.wait(lambda: table.fleet.health(site)["web"] == "sick", 10, "sick")
            table.mend()
            lab.wait(lambda: table.fleet.health(site)["web"] == "healthy", 10, "healthy")
        updates = len(watch.sent(site, WEB4))
        lab.note(f"8 flaps of about a second: {updates} updates sent by the site")
        assert updates < 16, updates  # two for each flap without damping, on each of two sessions more
        table.breaks()
        table.sick()

    table.fleet.configure(site, table.config(DAMPED))
    table.restart()
    table.row("a service flaps every second", flapping)
    table.fleet.configure(site, table.config(UNDAMPED))
    table.restart()


def many_row(table: Table) -> None:
    """A hundred services fail in the same moment: few changes, all withdrawn, the others untouched."""
    site, lab, fleet = table.site, table.lab, table.fleet
    flag = site.path("/run/state/up")
    flag.write_text("")
    many = "".join(
        f"  - name: s{n}\n    prefixes: [198.18.{n}.0/24]\n"
        f"    probes: [{{name: flag, file: /run/state/up, when: present, interval: 200ms, down_after: 2, up_after: 1}}]\n"
        for n in range(100)
    )
    fleet.configure(site, table.config(UNDAMPED).replace("services:\n", "services:\n" + many))
    table.restart()
    prefixes = [f"198.18.{n}.0/24" for n in range(100)]
    lab.wait(lambda: all(fleet.real(site)[p] == "announced" for p in prefixes), 20, "a hundred announced")

    def fail() -> None:
        before = fleet.bird(site)["reconfigurations"]
        flag.unlink()
        lab.wait(lambda: all(fleet.real(site)[p] == "withdrawn" for p in prefixes), 20, "a hundred withdrawn")
        changes = fleet.bird(site)["reconfigurations"] - before
        lab.note(f"100 services withdrawn in {changes} changes")
        assert changes <= 10, changes
        peer = lab.nodes["t4"].bird("show route protocol chc_4")
        assert not any("198.18." in line for _, line in peer)
        table.breaks()

    table.row("a hundred services fail at once", fail)
    flag.unlink(missing_ok=True)
    fleet.configure(site, table.config(UNDAMPED))
    table.restart()


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    chc = lab.nodes[SITE]
    fleet.configure(chc, chc.path("/run/lab/anycastd.yml").read_text() + UNDAMPED)
    fleet.bring_up()
    table = Table(lab, fleet)
    wanted = set(lab.args)
    for rows in (bird_rows, disk_rows, clock_rows, prober_rows, flap_rows, many_row, crash_rows, step_rows):
        if not wanted or rows.__name__.split("_")[0] in wanted:
            rows(table)
    fleet.stop_all()
    assert not table.failed, "\n".join(table.failed)

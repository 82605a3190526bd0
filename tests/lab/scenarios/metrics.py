# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers for Prometheus follow what happens, at a site and at the controller, over each way to them."""

from __future__ import annotations

import re

from labkit.anycast import CONFIG, Fleet
from labkit.node import Node
from labkit.routefile import PREFIXES
from labkit.scenario import Lab
from labkit.services import health_page, start_all_health

WEB4, WEB6 = PREFIXES["web"]
LISTEN = "127.0.0.1:9153"
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="[^"]*",?)*)\})? (-?[0-9.]+)')
Numbers = dict[tuple[str, ...], float]


def parse(text: str) -> Numbers:
    """{(name, label value...): number}; every line must be well-formed, every sample and every head there once."""
    out: Numbers = {}
    heads = []
    for line in text.splitlines():
        if line.startswith("#"):
            heads.append(tuple(line.split(" ", 3)[1:3]))
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        key = (match[1], *re.findall(r'"([^"]*)"', match[2] or ""))
        assert key not in out, line
        out[key] = float(match[3])
    assert len(heads) == len(set(heads)) == 2 * len({key[0] for key in out}), heads
    return out


def numbers(fleet: Fleet, node: Node) -> Numbers:
    status, body = fleet.api(node, "GET", "/metrics")
    assert status == 200, status
    return parse(body.decode())


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    chc, mgmt = lab.nodes["chc"], lab.nodes["mgmt"]
    config = chc.run(["cat", CONFIG]).stdout
    fleet.configure(chc, f'metrics: "{LISTEN}"\n{config}')
    start_all_health(fleet.sites)
    lab.wait_converged()
    fleet.start_all()
    fleet.wait_announced()
    fleet.wait_fleet()
    with lab.check("a site that is well says so"):
        before = numbers(fleet, chc)
        assert before["anycastd_site_state", "chc", "announcing"] == 1, before
        assert before["anycastd_prefix_real", "chc", WEB4, "web", "announced"] == 1, before
        assert before["anycastd_prefix_exported_to", "chc", WEB4, "web"] >= 1, before
        assert before["anycastd_bird_connected", "chc"] == 1, before
        assert before["anycastd_bird_reconfigurations_total", "chc"] >= 1, before
        assert before["anycastd_prefix_diverged_seconds", "chc", WEB4, "web"] == 0, before
    with lab.check("its own listener tells the same, and takes no order"):
        over_tcp = parse(chc.run(["curl", "-sf", f"http://{LISTEN}/metrics"]).stdout)
        assert over_tcp.keys() == numbers(fleet, chc).keys()
        drain = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-d", "{}", f"http://{LISTEN}/v1/sites/chc/drain"]
        assert chc.run(drain).stdout == "404"
    with lab.check("the controller counts its fleet, also for who asks over the agents' network"):
        for site in fleet.sites:
            assert numbers(fleet, mgmt)["anycastd_fleet_site_state", site.name, "announcing"] == 1
        url = fleet.site_status(chc)["uplink"]["url"]

        def heard_s_ago() -> float:
            return parse(chc.run(["curl", "-sf", f"{url}/metrics"]).stdout)["anycastd_fleet_agent_age_seconds", "chc"]

        lab.wait(lambda: heard_s_ago() < 4, 10, "chc has been heard lately")
    with lab.check("a sick service, failed probes and the withdrawal are in the numbers"):
        health_page(chc, "web").unlink()
        lab.wait(
            lambda: numbers(fleet, chc)["anycastd_prefix_real", "chc", WEB4, "web", "withdrawn"] == 1, 10, "withdrawn"
        )
        now = numbers(fleet, chc)
        assert now["anycastd_service_health", "chc", "web", "sick"] == 1, now
        assert now["anycastd_prefix_desired", "chc", WEB4, "web"] == 0, now
        name = "anycastd_bird_reconfigurations_total"
        assert now[name, "chc"] > before[name, "chc"], now
        failed = {key: n for key, n in now.items() if key[0] == "anycastd_probe_results_total" and key[-1] == "fail"}
        assert sum(failed.values()) > 0, failed
    with lab.check("a drain and a lost site are in the controller's numbers"):
        fleet.ctl(mgmt, "drain", "akl", "--reason", "new fans")
        assert numbers(fleet, mgmt)["anycastd_fleet_intents_active", "akl"] == 1
        fleet.kill_all(chc)
        lab.wait(lambda: numbers(fleet, mgmt)["anycastd_fleet_site_state", "chc", "lost"] == 1, 10, "lost")
        assert numbers(fleet, mgmt)["anycastd_fleet_agent_age_seconds", "chc"] >= 4
        del fleet.procs["chc"]
    fleet.stop_all()

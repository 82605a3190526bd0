# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's faults do what they say: BIRD killed, frozen and restarted, links cut, a broken include, sick services."""

from __future__ import annotations

import http.client
import os
import signal
from collections.abc import Callable

from labkit.node import Node
from labkit.routefile import PREFIXES, announce
from labkit.scenario import Lab
from labkit.services import HEALTH_PORTS, health_page, start_all_health

TEST4 = PREFIXES["test"][0]


def run(lab: Lab) -> None:
    if os.environ.get("BIRD_TIMERS", "fast") != "fast":
        raise lab.Skip("with BIRD's own timers a cut link needs a minute to come back")
    lab.wait_converged()
    for site in lab.nodes_with(role="site"):
        announce(site)
    lab.wait_converged()
    baseline = lab.truth(TEST4)

    check_bird(lab, baseline)
    check_link(lab, baseline)
    check_include(lab, baseline)
    check_updates(lab)
    check_processes(lab)
    check_services(lab)
    check_many_pings(lab, baseline)


def check_bird(lab: Lab, baseline: dict[str, str | None]) -> None:
    akl = lab.nodes["akl"]
    with lab.check("kill -9 of BIRD takes the site out, a restart brings it back"):
        old = akl.bird_pid
        akl.kill_bird()
        lab.wait(lambda: "akl" not in lab.truth(TEST4).values(), 5, "akl gone")
        akl.start_bird()
        assert akl.bird_pid != old
        lab.wait(lambda: lab.truth(TEST4) == baseline, 10, "akl back")
    with lab.check("a frozen BIRD accepts and does not answer"):
        akl.stop_bird()
        assert_raises(TimeoutError, lambda: akl.bird("show status", timeout=0.2))
        akl.cont_bird()
        assert akl.bird("show status")[-1][0] == 13


def check_link(lab: Lab, baseline: dict[str, str | None]) -> None:
    with lab.check("a cut link takes the site out, an uncut one brings it back"):
        lab.nodes["nrt"].link_down("t5")
        lab.wait(lambda: "nrt" not in lab.truth(TEST4).values(), 5, "nrt gone")
        lab.nodes["nrt"].link_up("t5")
        lab.wait(lambda: lab.truth(TEST4) == baseline, 10, "nrt back")


def check_include(lab: Lab, baseline: dict[str, str | None]) -> None:
    sin = lab.nodes["sin"]
    with lab.check("a broken include of the operator's blocks configure and changes no route"):
        broken = sin.path("/run/state/operator.d/broken.conf")
        broken.write_text("protocol nonsense;\n")
        assert sin.bird("configure soft")[-1][0] == 8002
        assert lab.truth(TEST4) == baseline
        broken.unlink()
        assert sin.bird("configure soft")[-1][0] == 3


def check_updates(lab: Lab) -> None:
    client, site = lab.nodes["c07"], lab.nodes["syd"]
    with lab.check("updates are counted per prefix"):
        lab.wait_converged()
        before = lab.route_stamp(client, TEST4)
        watch = lab.watch_updates([client])
        announce(site, ["web", "dns"])
        lab.wait(lambda: watch.received(client, TEST4), 5, "an update for the test prefix")
        assert lab.route_stamp(client, TEST4) != before
        announce(site)
        lab.wait(lambda: len(watch.received(client, TEST4)) >= 2, 5, "another one")
        assert not watch.received(client, PREFIXES["web"][0])


def check_processes(lab: Lab) -> None:
    with lab.check("processes of a node are seen, signalled and waited for"):
        node = lab.nodes["mgmt"]
        proc = node.start("family", ["sh", "-c", "sleep 100 & sleep 100 & echo ready; wait"])
        lab.wait(lambda: "ready" in proc.log.read_text() and len(proc.children()) == 2, 5, "two children")
        os.kill(proc.children()[0], signal.SIGKILL)
        lab.wait(lambda: len(proc.children()) == 1, 5, "one child")
        proc.kill(signal.SIGTERM)
        assert proc.wait() == -signal.SIGTERM
        assert node.run(["hostname"]).stdout == "mgmt\n"


def check_services(lab: Lab) -> None:
    sites = lab.nodes_with(role="site")
    with lab.check("health pages are served, and can be made sick"):
        servers = start_all_health(sites)
        assert [health_status(site, "web") for site in sites] == [200] * len(sites)
        health_page(sites[0], "web").unlink()
        assert (health_status(sites[0], "web"), health_status(sites[0], "dns")) == (404, 200)
        servers["chc", "dns"].kill(signal.SIGKILL)
        servers["chc", "dns"].wait()
        assert_raises(ConnectionRefusedError, lambda: health_status(lab.nodes["chc"], "dns"))


def check_many_pings(lab: Lab, baseline: dict[str, str | None]) -> None:
    lab.wait(lambda: lab.truth(TEST4) == baseline, 10, "all sites back")
    targets = [f"10.{100 + n}.{i >> 8}.{i & 255}" for i in range(1, 2001) for n in range(1, 11)]
    with lab.check(f"{len(targets)} addresses answer, each where its client's route says"):
        landed = lab.ping_all(lab.nodes["chc"], "198.51.100.1", targets, rate_pps=10000)
        for target, site in landed.items():
            client = f"c{int(target.split('.')[1]) - 100:02d}"
            assert site == baseline[client], (target, site, baseline[client])


def health_status(site: Node, service: str) -> int:
    with site.network():
        connection = http.client.HTTPConnection("127.0.0.1", HEALTH_PORTS[service], timeout=2)
        connection.connect()
    connection.request("GET", "/health")
    response = connection.getresponse()
    body = response.read()
    connection.close()
    assert response.status != 200 or body == b"ok", body
    return response.status


def assert_raises(kind: type[Exception], action: Callable[[], object]) -> None:
    try:
        action()
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")

# SPDX-License-Identifier: GPL-3.0-or-later
"""Agents and controller know each other by certificates: nobody else speaks for a site, and renewing them moves nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import time

from labkit.anycast import CONTROLLER_QUICK, ROOT, Fleet
from labkit.node import Node
from labkit.routefile import PREFIXES
from labkit.scenario import Lab

MAKE = ROOT / "contrib" / "examples" / "make-certificates"
URL = "https://10.255.0.1:8053"
HERE = "/run/state/tls"  # on each node
PERSON = "jo@example.net"


class Authority:
    """Certificates of a fleet, made as an operator makes them, and handed to the nodes."""

    def __init__(self, lab: Lab, name: str, sites: list[Node]) -> None:
        self.folder = lab.nodes["mgmt"].path(f"/run/state/{name}")
        self.sites = sites
        members = [site.name for site in sites] + ["mgmt,IP:10.255.0.1", PERSON]
        subprocess.run([MAKE, self.folder, *members], check=True, capture_output=True, timeout=60)

    def give(self, node: Node, name: str | None = None, ca: Authority | None = None) -> None:
        """Its own certificate, or that of name; believing this authority, or ca."""
        to = node.path(HERE)
        to.mkdir(exist_ok=True)
        for end in ("pem", "key"):
            shutil.copy(self.folder / f"{name or node.name}.{end}", to / f"own.{end}.new")
            (to / f"own.{end}.new").rename(to / f"own.{end}")
        shutil.copy((ca or self).folder / "ca.pem", to / "ca.pem.new")
        (to / "ca.pem.new").rename(to / "ca.pem")


def with_tls(text: str) -> str:
    text = text.replace("controller: http://10.255.0.1:8053", f"controller: {URL}")
    return text + f"\ntls: {{certificate: {HERE}/own.pem, key: {HERE}/own.key, ca: {HERE}/ca.pem}}\n"


def run(lab: Lab) -> None:
    fleet = Fleet(lab)
    sites, mgmt = fleet.sites, lab.nodes["mgmt"]
    clients = lab.nodes_with(role="client")
    ours = Authority(lab, "ours", sites)
    for node in [mgmt, *sites]:
        ours.give(node)
    fleet.configure(mgmt, with_tls(CONTROLLER_QUICK.format(sites=", ".join(s.name for s in sites))))
    for site in sites:
        fleet.configure(site, with_tls(site.path("/run/lab/anycastd.yml").read_text()))
    with lab.check("a fleet with certificates comes up"):
        fleet.bring_up()
    watch = lab.watch_updates(clients)
    chc, akl = lab.nodes["chc"], lab.nodes["akl"]

    def curl(node: Node, *args: str, path: str = "/v1/status") -> subprocess.CompletedProcess[str]:
        return node.run(["curl", "-sS", "--max-time", "5", *args, f"{URL}{path}"], check=False)

    def own(node: Node) -> list[str]:
        assert node.path(HERE).exists()
        return ["--cacert", f"{HERE}/ca.pem", "--cert", f"{HERE}/own.pem", "--key", f"{HERE}/own.key"]

    def contact(site: Node) -> bool:
        return bool(fleet.site_status(site)["uplink"]["state"] == "connected")

    def assert_quiet() -> None:
        lab.wait_converged()
        for client in clients:
            for prefix in PREFIXES["web"] + PREFIXES["dns"]:
                assert not watch.received(client, prefix), (client.name, prefix)

    with lab.check("a site's certificate speaks for that site, and for no other"):
        assert json.loads(curl(chc, *own(chc)).stdout)["sites"], "a certificate of the fleet may read"
        for name, code in (("chc", "200"), ("akl", "409")):
            answer = curl(
                chc, *own(chc), "-o", "/dev/null", "-w", "%{http_code}", path=f"/v1/sites/{name}/orders?after=0&wait_ms=0"
            )
            assert answer.stdout == code, (name, answer)
        forged = curl(chc, *own(chc), "-d", '{"boot": "x"}', path="/v1/sites/akl/status")
        assert "the certificate is of chc, not of akl" in forged.stdout, forged

    with lab.check("without one, with a stranger's, or without TLS nobody gets in"):
        stranger = Authority(lab, "stranger", sites)
        stranger.give(akl, ca=ours)
        for args in (["--cacert", f"{HERE}/ca.pem"], own(akl), ["-k"]):
            answer = curl(akl, *args)
            assert answer.returncode != 0 and not answer.stdout, (args, answer)
        plain = akl.run(["curl", "-sS", "--max-time", "5", "http://10.255.0.1:8053/v1/status"], check=False)
        assert plain.returncode != 0 and not plain.stdout, plain
        ours.give(akl)

    def look(node: Node, *words: str) -> subprocess.CompletedProcess[str]:
        return node.run([str(fleet.build / "anycastctl"), "--url", URL, *words], check=False)

    def shown(name: str) -> list[str]:
        return ["--certificate", f"{HERE}/{name}.pem", "--key", f"{HERE}/{name}.key", "--ca", f"{HERE}/ca.pem"]

    with lab.check("people look from elsewhere by a certificate of the fleet, change nothing, and nobody else looks"):
        for name, authority in (("jo", ours), ("stranger", stranger)):
            for end in ("pem", "key"):
                shutil.copy(authority.folder / f"{PERSON}.{end}", akl.path(f"{HERE}/{name}.{end}"))
        status = look(akl, *shown("jo"), "status")
        assert status.returncode == 0 and "announcing" in status.stdout and not status.stderr, status
        drained = look(akl, *shown("jo"), "drain", "chc")
        assert drained.returncode == 1 and "not over a URL" in drained.stderr, drained
        for args, why in (([], "not believed to be anycastd"), (shown("stranger"), "refuse")):
            refused = look(akl, *args, "status")
            assert refused.returncode == 3 and not refused.stdout and why in refused.stderr, (args, refused)
        assert_quiet()

    with lab.check("an agent whose certificate is not the fleet's loses the controller, says why, and no route"):
        stranger.give(chc, ca=ours)
        fleet.restart(chc)
        lab.wait(lambda: not contact(chc), 20, "chc without its controller")
        error = fleet.site_status(chc)["uplink"]["last_error"]
        assert "the certificate may not be accepted" in error, error
        ours.give(chc)
        # The files are read at each new connection.
        lab.wait(lambda: contact(chc), 20, "chc with its controller")
        assert_quiet()

    with lab.check("without a key that fits an agent starts all the same, and announces what is well"):
        for key in (None, (ours.folder / "akl.key").read_text()):
            chc.path(f"{HERE}/own.key").unlink()
            if key is not None:
                chc.path(f"{HERE}/own.key").write_text(key)
            fleet.restart(chc)
            lab.wait(lambda: fleet.site_status(chc)["uplink"]["state"] == "silent", 20, "chc without its controller")
            assert all(p["real"] == "announced" for p in fleet.site_status(chc)["prefixes"]), fleet.real(chc)
            ours.give(chc)
        lab.wait(lambda: contact(chc), 20, "chc with its controller")
        assert_quiet()

    with lab.check("a drain through the controller reaches the site"):
        fleet.ctl(mgmt, "drain", "chc", "--reason", "test")
        lab.wait(lambda: "chc" not in lab.truth(PREFIXES["web"][0]).values(), 20, "chc drained")
        fleet.ctl(mgmt, "restore", "chc")
        lab.wait(lambda: "chc" in lab.truth(PREFIXES["web"][0]).values(), 20, "chc restored")
        lab.wait(fleet.announced, 20, "all of chc announced")
        lab.wait_converged()
        watch = lab.watch_updates(clients)

    with lab.check("files that do not fit are refused at a reload, and all goes on"):
        good = mgmt.path(f"{HERE}/own.key").read_text()
        mgmt.path(f"{HERE}/own.key").write_text(chc.path(f"{HERE}/own.key").read_text())
        refused = fleet.ctl(mgmt, "reload", check=False)
        assert refused.returncode != 0 and "key values mismatch" in refused.stderr + refused.stdout, refused
        assert contact(chc) and contact(akl)
        mgmt.path(f"{HERE}/own.key").write_text(good)
        fleet.ctl(mgmt, "reload")

    with lab.check("another authority takes over by reloads, and no route moves"):
        new = Authority(lab, "new", sites)
        both = (ours.folder / "ca.pem").read_text() + (new.folder / "ca.pem").read_text()
        for node in [mgmt, *sites]:
            node.path(f"{HERE}/ca.pem").write_text(both)
        fleet.ctl(mgmt, "reload")
        for node in [mgmt, *sites]:
            new.give(node)
            node.path(f"{HERE}/ca.pem").write_text(both)
        fleet.ctl(mgmt, "reload")
        for node in [mgmt, *sites]:
            new.give(node)
        fleet.ctl(mgmt, "reload")
        lab.wait(lambda: all(contact(site) for site in sites), 20, "all sites with their controller")
        for end in ("pem", "key"):
            shutil.copy(ours.folder / f"akl.{end}", akl.path(f"{HERE}/old.{end}"))
        old = curl(akl, "--cacert", f"{HERE}/ca.pem", "--cert", f"{HERE}/old.pem", "--key", f"{HERE}/old.key")
        assert old.returncode != 0 and not old.stdout, old
        assert_quiet()

    with lab.check("the metrics say when the certificate ends"):
        status, page = fleet.api(mgmt, "GET", "/metrics")
        ends = [line for line in page.decode().splitlines() if line.startswith("anycastd_tls_certificate_end_seconds ")]
        assert status == 200 and len(ends) == 1, ends
        days = (float(ends[0].split()[1]) - time.time()) / 86400
        assert 823 < days < 825, days

    with lab.check("every daemon ends well"):
        fleet.stop_all()

# SPDX-License-Identifier: GPL-3.0-or-later
"""Who competes in the reaction benchmark: each watches one service of the site and announces its prefixes."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from labkit.anycast import build_dir
from labkit.node import Node
from labkit.routefile import PREFIXES
from labkit.scenario import Lab
from labkit.services import start_health

INTERVAL_MS, TIMEOUT_MS, DOWN_AFTER, UP_AFTER = 200, 150, 3, 2
HERE = Path(__file__).resolve().parent

AGENT_CONFIG = """\
site: {site}
store: /run/state/anycastd.db
socket: /run/anycastd.sock
bird: {{socket: /run/bird/bird.ctl, include: /run/state/anycastd.conf, poll: 200ms, timeout: 1s}}
services:
  - name: web
    prefixes: [{v4}, "{v6}"]
    probes:
      - name: page
        http: http://127.0.0.1:8081/health
        interval: {interval_ms}ms
        timeout: {timeout_ms}ms
        down_after: {fall}
        up_after: {rise}
guards: {{damping: {{suppress: 0, updates: 0}}}}
"""

# iBGP within the site, from a second address of its own prefix.  The preference is that of the agent's static routes.
BIRD_PEER = """\
protocol bgp exabgp{f} {{
  local {bird} as MYAS; neighbor {exabgp} as MYAS; passive yes;
  ipv{f} {{ import filter {{ preference = 200; accept; }}; export none; }};
}}
"""

EXABGP_CONFIG = """\
process watch {{
  run /usr/bin/python3 {program} {stamps} --config {options};
  encoder text;
}}
"""

EXABGP_NEIGHBOUR = """\
neighbor {bird} {{
  router-id 172.20.2.2; local-address {exabgp}; local-as 64512; peer-as 64512;
  family {{ ipv{f} unicast; }}
  api {{ processes [ watch ]; }}
}}
"""

HEALTHCHECK_OPTIONS = """\
no-syslog
no-ip-setup
withdraw-on-down
interval = {interval}
fast-interval = {interval}
timeout = 1
fall = {fall}
rise = {rise}
ip = {v4}
ip = {v6}
command = curl -sf -o /dev/null --max-time {timeout} http://127.0.0.1:8082/health
"""

# Without root there is no other user to become; nobody uses its command line here.  All else is its default.
EXABGP_ENV = {"exabgp.daemon.user": "root", "exabgp.api.cli": "false"}


class Contestant:
    """Somebody who watches one service of the site and announces its prefixes."""

    peer: str | None
    service: str

    def __init__(self, site: Node) -> None:
        self.site = site
        self.health = start_health(site, self.service)
        self.prefixes = PREFIXES[self.service]

    def noticed_s(self) -> list[float]:
        """When probes had failed so that the service could be called dead, to the millisecond as BIRD's traces."""
        raise NotImplementedError


class Agent(Contestant):
    peer, service = None, "web"
    _SICK = re.compile(r"^(\S+) anycastd: health service/web: healthy -> sick", re.MULTILINE)

    def __init__(self, lab: Lab, site: Node) -> None:
        super().__init__(site)
        v4, v6 = self.prefixes
        numbers = {"interval_ms": INTERVAL_MS, "timeout_ms": TIMEOUT_MS, "fall": DOWN_AFTER, "rise": UP_AFTER}
        config = AGENT_CONFIG.format(site=site.name, v4=v4, v6=v6, **numbers)
        site.path("/run/state/bench.yml").write_text(config)
        self._proc = site.start("anycastd", [str(build_dir(lab) / "anycastd"), "-c", "/run/state/bench.yml"])

    def noticed_s(self) -> list[float]:
        return [datetime.fromisoformat(when).timestamp() for when in self._SICK.findall(self._proc.log.read_text())]


class ExaBgp(Contestant):
    peer, service = "exabgp", "dns"
    addresses = {4: ("172.20.2.1", "172.20.2.2"), 6: ("2001:db8:a02::1", "2001:db8:a02::2")}  # BIRD's, ExaBGP's

    def __init__(self, site: Node) -> None:
        super().__init__(site)
        self._stamps = site.dir / "stamps"
        self._admit()
        options = site.dir / "healthcheck.conf"
        v4, v6 = self.prefixes
        numbers = {"interval": INTERVAL_MS / 1e3, "timeout": TIMEOUT_MS / 1e3, "fall": DOWN_AFTER, "rise": UP_AFTER}
        options.write_text(HEALTHCHECK_OPTIONS.format(v4=v4, v6=v6, **numbers))
        program = HERE / "stamped_healthcheck.py"
        text = EXABGP_CONFIG.format(program=program, stamps=self._stamps, options=options)
        for f, (bird, exabgp) in self.addresses.items():
            text += EXABGP_NEIGHBOUR.format(f=f, bird=bird, exabgp=exabgp)
        config = site.dir / "exabgp.conf"
        config.write_text(text)
        site.start("exabgp", ["/usr/sbin/exabgp", str(config)], EXABGP_ENV)

    def _admit(self) -> None:
        """The site's BIRD takes ExaBGP's routes and exports them as it does the agent's."""
        admitted = self.site.path("/run/lab/site.conf").read_text()
        before = 'proto != "anycastd4"'
        assert before in admitted
        admitted = admitted.replace(before, f'proto != "exabgp4" && proto != "exabgp6" && {before}')
        self.site.path("/run/state/site.conf").write_text(admitted)
        self.site.run(["mount", "--bind", "/run/state/site.conf", "/run/lab/site.conf"])
        sessions = ""
        for f, (bird, exabgp) in self.addresses.items():
            self.site.run(["ip", "address", "add", f"{exabgp}/{32 if f == 4 else 128}", "dev", "lo"])
            sessions += BIRD_PEER.format(f=f, bird=bird, exabgp=exabgp)
        self.site.path("/run/state/operator.d/exabgp.conf").write_text(sessions)
        replies = self.site.bird("configure")
        assert replies[-1][0] in (3, 4), replies

    def noticed_s(self) -> list[float]:
        """Every failed check: the last one before the routes changed was the one that counted."""
        return [int(line) // 10**6 / 1e3 for line in self._stamps.read_text().split()]

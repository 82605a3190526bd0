# SPDX-License-Identifier: GPL-3.0-or-later
"""The client list that fills itself: real flow tools at the sites see real traffic, the controller gets who sent it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from typing import Any

from labkit.anycast import CONTROLLER_QUICK, Fleet, client_addresses
from labkit.node import Node, Proc
from labkit.routefile import PREFIXES
from labkit.scenario import Lab
from labkit.services import start_all_health

WEB4, WEB6 = PREFIXES["web"]
SERVER4, SERVER6, PORT = "192.0.2.1", "2001:db8:53::1", 5353
PER_AS = 30  # client addresses per AS and family
PACKETS_MAX = 5  # of one client
PACE_S = 0.002
WEIGHT_SLACK = 0.02  # decay within a run is far less
JUNK = 20000

POOL = """
clients: {report: 300ms, per_block: 64, allow_special: true}
feeds:
"""
# What each site has: the tools, and where its feeds read from.
FEEDS = {
    "akl": ['{name: edge, type: sflow, from: "udp:127.0.0.1:6343", senders: [127.0.0.1/32]}'],
    "chc": [
        '{name: t4, type: pmacct, from: "file:/run/state/t4.json"}',
        '{name: t1, type: pmacct, from: "file:/run/state/t1.json"}',
    ],
    "syd": ['{name: flows, type: nfdump, from: "pipe:/run/state/flows"}'],
    "sin": ['{name: log, type: text, from: "unixgram:/run/state/log.sock"}'],
    "nrt": ['{name: edge, type: sflow, from: "udp:[::]:6343"}'],
}
UPLINKS = {"akl": ["t3", "t1"], "chc": ["t4", "t1"], "syd": ["t1"], "sin": ["t2"], "nrt": ["t5"]}

SFPROBE = """
daemonize: false
pcap_interface: {interface}
plugins: sfprobe[x]
sfprobe_receiver[x]: 127.0.0.1:6343
sfprobe_agentip[x]: 127.0.0.1
sampling_rate[x]: 1
"""
PRINT = """
daemonize: false
pcap_interface: {interface}
plugins: print[x]
aggregate[x]: src_host, dst_host
print_output[x]: json
print_output_file[x]: /run/state/{interface}.json
print_output_file_append[x]: true
print_refresh_time[x]: 1
"""
NFPROBE = """
daemonize: false
pcap_interface: {interface}
plugins: nfprobe[x]
aggregate[x]: src_host, dst_host
nfprobe_receiver[x]: 127.0.0.1:2055
nfprobe_version[x]: 9
nfprobe_timeouts[x]: general=1:maxlife=1:expint=1
"""
SERVER = f"""
import select, socket
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
servers = []
for family, address in ((socket.AF_INET, "{SERVER4}"), (socket.AF_INET6, "{SERVER6}")):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind((address, {PORT}))
    servers.append(s)
print("serving", flush=True)
while True:
    for s in select.select(servers, [], [])[0]:
        client = s.recvfrom(2048)[1][0]
        log.sendto(client.encode(), "/run/state/log.sock")
"""

Counts = dict[str, int]


def node_of(lab: Lab, address: str) -> Node:
    """The client AS that has the address."""
    n = int(address.split(".")[1]) - 100 if "." in address else int(address.split(":")[2][2:])
    return lab.nodes[f"c{n:02d}"]


def send(lab: Lab, counts: Counts) -> None:
    """Each client sends so many packets to the web service, by whatever route its AS has."""
    for address, n in counts.items():
        is_ipv4 = "." in address
        with node_of(lab, address).network():
            s = socket.socket(socket.AF_INET if is_ipv4 else socket.AF_INET6, socket.SOCK_DGRAM)
        with s:
            s.bind((address, 0))
            for _ in range(n):
                s.sendto(b"query", (SERVER4 if is_ipv4 else SERVER6, PORT))
                time.sleep(PACE_S)


def pmacct(node: Node, name: str, text: str) -> Proc:
    file = f"/run/state/{name}.conf"
    node.path(file).write_text(text, encoding="utf-8")
    return node.start(name, ["pmacctd", "-f", file])


def start_tools(lab: Lab) -> dict[str, Proc]:
    """The flow tools of each site, running and listening."""
    procs = {}
    for site, uplinks in UPLINKS.items():
        node = lab.nodes[site]
        for uplink in uplinks:
            if site in ("akl", "nrt"):
                text = SFPROBE.format(interface=uplink)
            elif site == "chc":
                text = PRINT.format(interface=uplink)
            elif site == "syd":
                text = NFPROBE.format(interface=uplink)
            else:
                continue
            procs[f"{site}-{uplink}"] = pmacct(node, f"pmacct-{uplink}", text)
    syd, sin = lab.nodes["syd"], lab.nodes["sin"]
    syd.run(["mkdir", "-p", "/run/state/nfcapd"], check=True)
    syd.run(["mkfifo", "/run/state/flows"], check=True)
    argv = ["nfcapd", "-l", "/run/state/nfcapd", "-b", "127.0.0.1", "-p", "2055", "-t", "60"]
    procs["nfcapd"] = syd.start("nfcapd", argv)
    procs["server"] = sin.start("server", ["/usr/bin/python3", "-c", SERVER])
    lab.wait(lambda: "serving" in procs["server"].log.read_text(), 5, "the server listens")
    for name, proc in procs.items():
        if name.startswith(("akl", "chc", "nrt", "syd")):
            lab.wait(lambda p=proc: "link type is" in p.log.read_text(), 10, f"{name} captures")
    return procs


def stop_nfdump(syd: Node, procs: dict[str, Proc]) -> None:
    """Expires all flows, closes the file, and prints it into the FIFO, as a rotation would."""
    for name in ("syd-t1", "nfcapd"):
        procs[name].kill(signal.SIGTERM)
        procs[name].wait(10)
    filter_ = f"dst net {WEB4} or dst net {WEB6}"
    line = f"nfdump -R /run/state/nfcapd -q -N -6 -o 'fmt:%tsr,%sa,%ipkt,%ibyt' '{filter_}' > /run/state/flows"
    syd.run(["sh", "-c", line], check=True, timeout=20)


def configure(lab: Lab, fleet: Fleet) -> None:
    sites = ", ".join(site.name for site in fleet.sites)
    fleet.configure(fleet.mgmt, CONTROLLER_QUICK.format(sites=sites))
    for site in fleet.sites:
        base = (lab.topology.path.parent / "five-sites" / "anycastd" / f"{site.name}.yml").read_text(encoding="utf-8")
        fleet.configure(site, base + POOL + "".join(f"  - {feed}\n" for feed in FEEDS[site.name]))


def recent(fleet: Fleet, site: str) -> dict[str, float]:
    answer = fleet.get(fleet.mgmt, f"/v1/clients/recent?site={site}&top=100000")
    return {c["client"]: c["weight"] for c in answer["clients"]}


def is_what_was_sent(fleet: Fleet, site: str, want: Counts) -> bool:
    got = recent(fleet, site)
    wrong = [a for a in got.keys() | want.keys() if abs(got.get(a, 0) - want.get(a, 0)) > want.get(a, 0) * WEIGHT_SLACK]
    assert not wrong, [(a, got.get(a), want.get(a)) for a in wrong[:5]] + [f"{len(wrong)} in all"]
    return True


def feed_stats(fleet: Fleet) -> dict[tuple[str, str], Any]:
    return {(f["site"], f["feed"]): f for f in fleet.ask(fleet.mgmt, "clients", "stats")["recent"]["feeds"]}


def run(lab: Lab) -> None:
    for tool in ("pmacctd", "nfcapd", "nfdump"):
        if shutil.which(tool, path="/usr/sbin:/usr/bin") is None:
            raise lab.Skip(f"{tool} is not installed")
    fleet = Fleet(lab)
    start_all_health(fleet.sites)
    lab.wait_converged()
    configure(lab, fleet)
    fleet.start_all()
    fleet.wait_announced()
    fleet.wait_fleet()
    lab.wait_converged()
    procs = start_tools(lab)
    lab.wait(lambda: len(feed_stats(fleet)) == 6, 10, "all feeds are known to the controller")
    lab.wait(lambda: all(f["state"] == "open" for k, f in feed_stats(fleet).items() if k[0] != "chc"), 10, "open")
    addresses = client_addresses(lab, PER_AS)
    catchment = {node.name: site for node, site in ((lab.nodes[n], s) for n, s in lab.truth(WEB4).items())}
    counts = {a: i % PACKETS_MAX + 1 for i, a in enumerate(addresses)}
    want: dict[str, Counts] = {site.name: {} for site in fleet.sites}
    for address, n in counts.items():
        want[catchment[node_of(lab, address).name]][address] = n
    send(lab, counts)
    stop_nfdump(lab.nodes["syd"], procs)
    for site, tool in (("akl", "sFlow"), ("chc", "pmacct"), ("syd", "nfdump"), ("sin", "text"), ("nrt", "sFlow")):
        with lab.check(f"{site}: {tool} tells the controller exactly who sent how much, {len(want[site])} clients"):
            assert want[site]
            lab.wait(lambda s=site: is_what_was_sent(fleet, s, want[s]), 20, f"clients of {site}")
    check_stats(lab, fleet)
    check_junk(lab, fleet, want)
    check_kills(lab, fleet, want)
    check_sweep(lab, fleet, want)
    fleet.stop_all()


def check_stats(lab: Lab, fleet: Fleet) -> None:
    with lab.check("every feed is open, nothing is bad; what went elsewhere, and what we answered, is no client"):
        stats = feed_stats(fleet)
        for key, feed in stats.items():
            assert feed["state"] == "open" and feed["bad"] == {} and feed["drops"] == 0, (key, feed)
        assert stats["akl", "edge"]["unused"]["elsewhere"] > 0, stats["akl", "edge"]
        text = fleet.ctl(fleet.mgmt, "clients", "stats").stdout
        assert "sflow" in text and "nfdump" in text, text


def check_junk(lab: Lab, fleet: Fleet, want: dict[str, Counts]) -> None:
    akl = lab.nodes["akl"]
    with lab.check(f"{JUNK} datagrams of junk, and some of a stranger, are counted and change nothing"):
        before = feed_stats(fleet)["akl", "edge"]
        with akl.network():
            ours, strange = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        with ours, strange:
            strange.bind(("172.20.1.1", 0))
            for i in range(JUNK):
                ours.sendto(b"\0\0\0\5\0\0\0\1" + bytes([i & 255]) * (i % 64), ("127.0.0.1", 6343))
                if i % 100 == 0:
                    strange.sendto(b"let me in", ("127.0.0.1", 6343))
                    time.sleep(0.001)
        lab.wait(lambda: feed_stats(fleet)["akl", "edge"]["bad"].get("sender", 0) > 0, 10, "the stranger is seen")

        def counted() -> bool:
            feed = feed_stats(fleet)["akl", "edge"]
            return sum(feed["bad"].values()) + feed["drops"] - before["drops"] >= JUNK

        lab.wait(counted, 20, "junk is counted")
        assert is_what_was_sent(fleet, "akl", want["akl"])
        assert fleet.site_status(akl)["state"] == "announcing"
        log = fleet.procs["akl"].log.read_text(errors="replace")
        assert 0 < log.count("bad record") < 200, log.count("bad record")


def check_kills(lab: Lab, fleet: Fleet, want: dict[str, Counts]) -> None:
    akl, mgmt = lab.nodes["akl"], fleet.mgmt
    with lab.check("a killed collector is started again and goes on where it was"):
        os.kill(fleet.worker_pid(akl, "anycastd-feeds"), signal.SIGKILL)
        lab.wait(lambda: fleet.get(akl, "/v1/status")["sites"][0]["feeds"]["starts"] == 2, 10, "started again")
        more = dict(list(want["akl"].items())[:20])
        lab.wait(lambda: feed_stats(fleet)["akl", "edge"]["state"] == "open", 10, "open again")
        send(lab, more)
        for address, n in more.items():
            want["akl"][address] += n
        lab.wait(lambda: is_what_was_sent(fleet, "akl", want["akl"]), 20, "old and new")
    with lab.check("agent and controller ended and started again: all lists are there, also without the agent"):
        for node in (akl, mgmt):
            fleet.procs[node.name].kill(signal.SIGTERM)
            assert fleet.procs[node.name].wait(15) == 0
        fleet.start(mgmt)
        lab.wait(lambda: fleet.status() is not None, 10, "controller")
        assert is_what_was_sent(fleet, "akl", want["akl"])
        fleet.start(akl)
        lab.wait(lambda: fleet.status()["sites"][0]["state"] == "announcing", 20, "akl is back")
        lab.wait(lambda: fleet.status()["sites"][0]["clients_link"]["delivered"] >= 2, 20, "akl delivers again")
        assert is_what_was_sent(fleet, "akl", want["akl"])


def check_sweep(lab: Lab, fleet: Fleet, want: dict[str, Counts]) -> None:
    mgmt = fleet.mgmt
    with lab.check("the recent clients become the list, and an experiment finds them all"):
        taken = fleet.ask(mgmt, "clients", "take")
        assert taken["count"] == sum(len(w) for w in want.values()), taken
        assert fleet.ask(mgmt, "clients", "stats")["count"] == taken["count"]
        fleet.ctl(mgmt, "predict", "run", "--site", "nrt", timeout=60)
        [map_] = fleet.get(mgmt, "/v1/failover?site=nrt")["maps"]
        assert map_["answered"] == map_["list_clients"] == taken["count"], map_
        assert map_["clients"] == len(want["nrt"]), map_
        assert abs(map_["weight"] - sum(want["nrt"].values())) < 0.05 * map_["weight"], map_

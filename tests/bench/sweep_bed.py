# SPDX-License-Identifier: GPL-3.0-or-later
"""The bed of the sweep benchmark: sweep_bed.py BUILD ROUNDS TARGETS OUT, in namespaces where we are root.

Three network namespaces on veth: `src` sends, in `dst` every address of some ranges answers, `cap` is another site. All
contestants scan the same addresses in turn.  How fast one is, is counted where its packets arrive: the same way for all.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lab")]
from labkit import kernel  # noqa: E402 -- needs the path set above

SOURCE = {4: "198.51.100.1", 6: "2001:db8:100::1"}
PREFIX = {4: "198.51.100.0/24", 6: "2001:db8:100::/48"}
LIVE = {4: "10.16.0.0", 6: "2001:db8:1000::"}  # they answer
DEAD = {4: "10.20.0.0", 6: "2001:db8:2000::"}  # dropped where they arrive
GATEWAY = {4: "10.99.0.2", 6: "2001:db8:99::2"}
HOME = {4: "10.99.0.1", 6: "2001:db8:99::1"}
AWAY = {4: "10.99.1.1", 6: "2001:db8:98::1"}
# fping gives up at 65,535 probes in flight; adding hosts to liboping takes time that grows with their square.
FPING_MAX, LIBOPING_MAX = 60000, 5000
# A pace that somebody would really use; so few targets, so that it does not take long.
PACED_PPS, PACED_TARGETS = 20000, 1 << 16
UNLIMITED_PPS = 10000000
SCAN_LIMIT_S = 60
SAMPLE_S = 0.005


def ip(line: str) -> None:
    subprocess.run(["ip", *line.split()], check=True)


def make_bed() -> dict[str, str]:
    """Returns the Ethernet address of each interface."""
    kernel.mount("none", "/run", "tmpfs", 0)
    Path("/run/netns").mkdir()
    for name in ("src", "dst", "cap"):
        ip(f"netns add {name}")
        ip(f"-n {name} link set lo up")
    ip("link add s0 netns src type veth peer name d0 netns dst")
    ip("link add c0 netns cap type veth peer name d1 netns dst")
    ends = (("src", "s0", HOME), ("dst", "d0", GATEWAY), ("cap", "c0", AWAY))
    macs = {}
    for name, device, address in (*ends, ("dst", "d1", {4: "10.99.1.2", 6: "2001:db8:98::2"})):
        ip(f"-n {name} addr add {address[4]}/24 dev {device}")
        ip(f"-n {name} addr add {address[6]}/64 dev {device} nodad")
        ip(f"-n {name} link set {device} up")
        shown = subprocess.run(["ip", "-n", name, "-j", "link", "show", device], capture_output=True, check=True)
        macs[device] = json.loads(shown.stdout)[0]["address"]
    for family in FAMILIES:
        # Nobody waits for neighbours to be found.
        ip(f"-n src neigh add {GATEWAY[family]} lladdr {macs['d0']} dev s0")
        ip(f"-n dst neigh add {HOME[family]} lladdr {macs['s0']} dev d0")
        ip(f"-n dst neigh add {AWAY[family]} lladdr {macs['c0']} dev d1")
        bits = {4: 32, 6: 128}[family]
        ip(f"-n src addr add {SOURCE[family]}/{bits} dev lo" + (" nodad" if family == 6 else ""))
        span = {4: 14, 6: 36}[family]
        ip(f"-n src -{family} route add {LIVE[family]}/{span} via {GATEWAY[family]}")
        ip(f"-n src -{family} route add {DEAD[family]}/{span} via {GATEWAY[family]}")
        ip(f"-n dst -{family} route add local {LIVE[family]}/{span} dev lo")
        ip(f"-n dst -{family} route add blackhole {DEAD[family]}/{span}")
    return macs


FAMILIES = (4, 6)


def replies_to(gateway: dict[int, str]) -> None:
    """From now on replies go to src, or to cap: the catchment moves."""
    for family in FAMILIES:
        ip(f"-n dst -{family} route replace {PREFIX[family]} via {gateway[family]}")


def into(namespace: str) -> Callable[[], None]:
    def enter() -> None:
        kernel.die_with_parent(signal.SIGKILL)
        with open(f"/run/netns/{namespace}", "rb") as ns:
            kernel.setns(ns.fileno())

    return enter


def received(text: str) -> int:
    line = next(line for line in text.splitlines() if line.strip().startswith("d0:"))
    return int(line.split()[2])


@contextlib.contextmanager
def counting() -> Iterator[list[tuple[float, int]]]:
    """Fills the list with times and packets received by dst."""
    found: list[tuple[float, int]] = []
    read_end, write_end = os.pipe()
    stop_read, stop_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(stop_write)
        into("dst")()
        os.set_blocking(stop_read, False)
        samples = []
        with open("/proc/thread-self/net/dev", encoding="ascii") as counters:
            while True:
                counters.seek(0)
                samples.append((time.monotonic(), received(counters.read())))
                with contextlib.suppress(BlockingIOError):
                    if os.read(stop_read, 1) == b"":
                        break
                time.sleep(SAMPLE_S)
        with os.fdopen(write_end, "w", encoding="ascii") as out:
            json.dump(samples, out)
        os._exit(0)
    os.close(write_end)
    os.close(stop_read)
    try:
        yield found
    finally:
        os.close(stop_write)
        with os.fdopen(read_end, encoding="ascii") as answer:
            found += [(when, count) for when, count in json.load(answer)]
        os.waitpid(pid, 0)


def rate(samples: list[tuple[float, int]]) -> tuple[int, float]:
    """Packets in all, and a second: of the part between 2 and 98 of a hundred."""
    first, last = samples[0][1], samples[-1][1]
    low = next(s for s in samples if s[1] >= first + (last - first) * 0.02)
    high = next(s for s in samples if s[1] >= first + (last - first) * 0.98)
    return last - first, (high[1] - low[1]) / max(high[0] - low[0], SAMPLE_S)


@dataclass
class Scan:
    out: str  # its standard output
    cpu_us: float  # of all its processes
    packets: int
    pps: float


def scan(argv: list[str], netns: str | None = "src") -> Scan:
    with counting() as samples:
        with tempfile.TemporaryFile("w+") as out:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.DEVNULL,
                preexec_fn=into(netns) if netns else None,
            )
            usage = wait(child)
            out.seek(0)
            text = out.read()
        time.sleep(0.05)  # the last packets
    packets, pps = rate(samples)
    return Scan(text, (usage.ru_utime + usage.ru_stime) * 1e6, packets, pps)


def wait(child: subprocess.Popen[bytes]) -> resource.struct_rusage:
    deadline = time.monotonic() + SCAN_LIMIT_S
    while time.monotonic() < deadline:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid != 0:
            child.returncode = os.waitstatus_to_exitcode(status)
            return usage
        time.sleep(0.01)
    child.kill()
    raise SystemExit(f"sweep_bed: {child.args}: not done within {SCAN_LIMIT_S} s")


class Bed:
    def __init__(self, build: Path, targets: int, macs: dict[str, str]) -> None:
        self.build, self.targets, self.macs = build, targets, macs
        self.samples: list[dict[str, Any]] = []
        self.scratch = Path(tempfile.mkdtemp())

    def plan(self, kind: str) -> tuple[int, int]:
        """How many targets, and how fast."""
        if kind == "paced":
            return min(PACED_TARGETS, self.targets), PACED_PPS
        return self.targets, UNLIMITED_PPS

    def note(self, who: str, family: int, kind: str, done: Scan, asked: int, captured: int, **more: Any) -> None:
        if done.packets < asked * 0.99:
            raise SystemExit(f"sweep_bed: {who} sent {done.packets} of {asked}")
        cpu = more.pop("cpu_us", done.cpu_us) / asked
        sample = {"who": who, "family": family, "kind": kind, "pps": done.pps, "cpu_us_per_probe": cpu}
        sample |= {"asked": asked, "captured": captured, "lost": asked - captured, **more}
        self.samples.append(sample)
        print(
            f"{who:9} ipv{family} {kind:10} {done.pps:9.0f} pps {cpu:6.2f} us/probe {captured:7d} captured", flush=True
        )

    def ours(self, engine: str, family: int, kind: str) -> None:
        where = "cap" if kind == "elsewhere" else "src"
        if kind == "elsewhere":
            replies_to(AWAY)
        first = DEAD[family] if kind == "unanswered" else LIVE[family]
        n, pps = self.plan(kind)
        argv = [str(self.build / "bench" / "sweep_pass"), "/run/netns/src", f"/run/netns/{where}", engine]
        done = scan([*argv, SOURCE[family], PREFIX[family], first, str(n), str(pps)], None)
        said = json.loads(done.out)
        self.note(engine, family, kind, done, n, said["captured"], said=said)
        if kind == "elsewhere":
            replies_to(HOME)

    def zmap(self, first: str, kind: str) -> None:
        out = self.scratch / "zmap"
        n, pps = self.plan(kind)
        pace = 0 if pps == UNLIMITED_PPS else pps
        options = f"-M icmp_echoscan -r {pace} -i s0 -S {SOURCE[4]} -b /dev/null -c 1 -q -O csv --output-fields=saddr"
        target = f"{first}/{32 - (n - 1).bit_length()}"
        done = scan(["zmap", *options.split(), "-G", self.macs["d0"], "-o", str(out), target])
        captured = len(set(out.read_text(encoding="ascii").splitlines()) - {"saddr"})
        self.note("zmap", 4, kind, done, n, captured)

    def masscan(self, first: str, kind: str) -> None:
        out = self.scratch / "masscan"
        n, pps = self.plan(kind)
        options = f"--ping --rate {pps} -e s0 --adapter-ip {SOURCE[4]} --wait 1 --router-mac {self.macs['d0']}"
        done = scan(["masscan", f"{first}/{32 - (n - 1).bit_length()}", *options.split(), "-oL", str(out)])
        text = out.read_text(encoding="ascii") if out.exists() else ""
        captured = len({line.split()[3] for line in text.splitlines() if line.startswith("open")})
        self.note("masscan", 4, kind, done, n, captured)

    def fping(self, family: int) -> None:
        hosts = self.scratch / f"hosts{family}"
        n = min(FPING_MAX, self.targets)
        if not hosts.exists():
            hosts.write_text("\n".join(addresses(family, n)) + "\n", encoding="ascii")
        argv = f"fping -{family} -q -a -r 0 -i 0 -t 500 -S {SOURCE[family]} -f {hosts}"
        done = scan(argv.split())
        self.note("fping", family, "answered", done, n, n if done.out == "" else len(done.out.splitlines()))

    def liboping(self, family: int) -> None:
        n = min(LIBOPING_MAX, self.targets)
        argv = [str(self.build / "bench" / "liboping_pass"), SOURCE[family], LIVE[family], str(n)]
        done = scan(argv)
        said = json.loads(done.out)
        self.note("liboping", family, "answered", done, n, said["answered"], cpu_us=said["send_cpu_us"], said=said)

    def round(self, number: int) -> None:
        """All scans once, in another order each time: nobody is always the one after the heaviest."""
        scans: list[Callable[[], None]] = [
            lambda: self.masscan(LIVE[4], "answered"),
            lambda: self.masscan(DEAD[4], "unanswered"),
            lambda: self.masscan(LIVE[4], "paced"),
            lambda: self.zmap(LIVE[4], "answered"),
            lambda: self.zmap(DEAD[4], "unanswered"),
            lambda: self.zmap(LIVE[4], "paced"),
        ]
        for family in FAMILIES:
            scans += [functools.partial(self.fping, family), functools.partial(self.liboping, family)]
            for kind in ("answered", "unanswered", "paced", "elsewhere"):
                scans += [functools.partial(self.ours, engine, family, kind) for engine in ("packet", "raw")]
        random.Random(number).shuffle(scans)
        for one in scans:
            one()

def addresses(family: int, n: int) -> list[str]:
    kind = {4: socket.AF_INET, 6: socket.AF_INET6}[family]
    start = int.from_bytes(socket.inet_pton(kind, LIVE[family]), "big")
    return [socket.inet_ntop(kind, (start + i).to_bytes({4: 4, 6: 16}[family], "big")) for i in range(n)]


def trickle() -> int:
    """A few packets a second towards src: masscan waits for ever on an idle interface.  Returns the pid."""
    pid = os.fork()
    if pid == 0:
        into("dst")()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while True:
                out.sendto(struct.pack("!I", 0), (HOME[4], 9))
                time.sleep(0.3)
    return pid


def main() -> None:
    build, rounds, targets, out = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    bed = Bed(build, targets, make_bed())
    replies_to(HOME)
    trickle()
    for number in range(1, rounds + 1):
        print(f"round {number} of {rounds}, load {os.getloadavg()[0]:.2f}", flush=True)
        bed.round(number)
    out.write_text(json.dumps(bed.samples), encoding="ascii")


if __name__ == "__main__":
    main()

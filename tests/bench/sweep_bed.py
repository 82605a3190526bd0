# SPDX-License-Identifier: GPL-3.0-or-later
"""The bed of the sweep benchmark: sweep_bed.py BUILD ROUNDS TARGETS OUT, in namespaces where we are root.

Three network namespaces on veth: `src` sends, in `dst` every address of some ranges answers, `cap` is another site. All
contestants scan the same addresses in turn.  How fast one is, is counted where its packets arrive: the same way for all.

There are two such beds.  In one `dst` answers within the system call of whoever sends, in the other in a kernel thread.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import resource
import shlex
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lab")]
from labkit import kernel  # noqa: E402 -- needs the path set above

FAMILIES = (4, 6)
ENGINES = ("packet", "raw")  # ours
BITS = {4: 32, 6: 128}
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
QUEUE_MAX = 300000  # packets: more than a scan has
TRIAL_TARGETS = 1 << 14
SAMPLE_S = 0.005


def ip(line: str) -> None:
    subprocess.run(["ip", *line.split()], check=True)


class Net:
    """The namespaces of one bed: their names end in `suffix`."""

    def __init__(self, suffix: str) -> None:
        self.src, self.dst, self.cap = (f"{role}{suffix}" for role in ("src", "dst", "cap"))
        self.macs: dict[str, str] = {}  # the Ethernet address of each interface
        for name in (self.src, self.dst, self.cap):
            ip(f"netns add {name}")
            ip(f"-n {name} link set lo up")
        ip(f"link add s0 netns {self.src} type veth peer name d0 netns {self.dst}")
        ip(f"link add c0 netns {self.cap} type veth peer name d1 netns {self.dst}")
        ends = ((self.src, "s0", HOME), (self.dst, "d0", GATEWAY), (self.cap, "c0", AWAY))
        for name, device, address in (*ends, (self.dst, "d1", {4: "10.99.1.2", 6: "2001:db8:98::2"})):
            ip(f"-n {name} addr add {address[4]}/24 dev {device}")
            ip(f"-n {name} addr add {address[6]}/64 dev {device} nodad")
            ip(f"-n {name} link set {device} up")
            shown = subprocess.run(["ip", "-n", name, "-j", "link", "show", device], capture_output=True, check=True)
            self.macs[device] = json.loads(shown.stdout)[0]["address"]
        for family in FAMILIES:
            self._route(family)
        self.replies_to(HOME)

    def _route(self, family: int) -> None:
        # Nobody waits for neighbours to be found.
        ip(f"-n {self.src} neigh add {GATEWAY[family]} lladdr {self.macs['d0']} dev s0")
        ip(f"-n {self.dst} neigh add {HOME[family]} lladdr {self.macs['s0']} dev d0")
        ip(f"-n {self.dst} neigh add {AWAY[family]} lladdr {self.macs['c0']} dev d1")
        ip(f"-n {self.src} addr add {SOURCE[family]}/{BITS[family]} dev lo" + (" nodad" if family == 6 else ""))
        span = {4: 14, 6: 36}[family]
        ip(f"-n {self.src} -{family} route add {LIVE[family]}/{span} via {GATEWAY[family]}")
        ip(f"-n {self.src} -{family} route add {DEAD[family]}/{span} via {GATEWAY[family]}")
        ip(f"-n {self.dst} -{family} route add local {LIVE[family]}/{span} dev lo")
        ip(f"-n {self.dst} -{family} route add blackhole {DEAD[family]}/{span}")

    def replies_to(self, gateway: dict[int, str]) -> None:
        """From now on replies go to src, or to cap: the catchment moves."""
        for family in FAMILIES:
            ip(f"-n {self.dst} -{family} route replace {PREFIX[family]} via {gateway[family]}")

    def let_peers_hear(self) -> str | None:
        """libpcap gives the rings of masscan 32 packets, not 1,310, on an interface with any segmentation offload."""
        return self._each(((self.src, "ethtool -K s0 tso off gso off"),))

    def answer_apart(self) -> str | None:
        """From now on a kernel thread of dst's own answers, in nobody's account."""
        # GRO gives veth the NAPI that can be a thread; packets from a sender with TSO would go past that.  The queues:
        # since Linux 6.16 senders wait for a full veth if it has one; with none, what does not fit is dropped.
        threaded = "/sys/class/net/d0/threaded"
        return self._each(
            (
                (self.src, "ethtool -K s0 tso off"),
                (self.dst, "ethtool -K d0 gro on"),
                (self.src, f"tc qdisc add dev s0 root pfifo limit {QUEUE_MAX}"),
                (self.dst, f"tc qdisc add dev d0 root pfifo limit {QUEUE_MAX}"),
                (self.dst, f"sh -c 'echo 1 > {threaded} && grep -qx 1 {threaded}'"),
            )
        )

    @staticmethod
    def _each(steps: Iterable[tuple[str, str]]) -> str | None:
        """Runs commands, each in a namespace.  None, or why one failed."""
        for netns, command in steps:
            argv = ["ip", "netns", "exec", netns, *shlex.split(command)]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                return f"{command}: {' '.join(done.stderr.split()) or 'failed'}"
        return None


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
def counting(netns: str) -> Iterator[list[tuple[float, int]]]:
    """Fills the list with times and packets received by d0 of that namespace."""
    found: list[tuple[float, int]] = []
    read_end, write_end = os.pipe()
    stop_read, stop_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(stop_write)
        into(netns)()
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


def scan(argv: list[str], net: Net, netns: str | None) -> Scan:
    with counting(net.dst) as samples:
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
    """All contestants in one Net; what was found goes to `samples`."""

    def __init__(self, build: Path, targets: int, net: Net, samples: list[dict[str, Any]]) -> None:
        self.build, self.targets, self.net, self.samples = build, targets, net, samples
        self.scratch = Path(tempfile.mkdtemp())

    def plan(self, kind: str) -> tuple[int, int]:
        """How many targets, and how fast."""
        if kind == "paced":
            return min(PACED_TARGETS, self.targets), PACED_PPS
        return self.targets, UNLIMITED_PPS

    def first(self, family: int, kind: str) -> str:
        return (DEAD if kind == "unanswered" else LIVE)[family]

    def note(self, who: str, family: int, kind: str, done: Scan, asked: int, captured: int, **more: Any) -> None:
        # In the bed apart a peer whose socket does not wait may not send all: lost, as if it had.
        if done.packets < asked * 0.99 and (kind != "apart" or who in ENGINES):
            raise SystemExit(f"sweep_bed: {who} sent {done.packets} of {asked}")
        cpu = more.pop("cpu_us", done.cpu_us) / asked
        sample = {"who": who, "family": family, "kind": kind, "pps": done.pps, "cpu_us_per_probe": cpu}
        sample |= {"asked": asked, "captured": captured, "lost": asked - captured, **more}
        self.samples.append(sample)
        print(
            f"{who:9} ipv{family} {kind:10} {done.pps:9.0f} pps {cpu:6.2f} us/probe {captured:7d} captured", flush=True
        )

    def sweep(self, engine: str, family: int, kind: str, where: str) -> Scan:
        """By our sweeper: its replies are captured in the namespace `where`."""
        n, pps = self.plan(kind)
        argv = [str(self.build / "bench" / "sweep_pass"), f"/run/netns/{self.net.src}", f"/run/netns/{where}", engine]
        return scan([*argv, SOURCE[family], PREFIX[family], self.first(family, kind), str(n), str(pps)], self.net, None)

    def ours(self, engine: str, family: int, kind: str) -> None:
        if kind == "elsewhere":
            self.net.replies_to(AWAY)
        done = self.sweep(engine, family, kind, self.net.cap if kind == "elsewhere" else self.net.src)
        said = json.loads(done.out)
        self.note(engine, family, kind, done, self.plan(kind)[0], said["captured"], said=said)
        if kind == "elsewhere":
            self.net.replies_to(HOME)

    def scan(self, argv: list[str]) -> Scan:
        return scan(argv, self.net, self.net.src)

    def zmap(self, kind: str) -> None:
        out = self.scratch / "zmap"
        n, pps = self.plan(kind)
        pace = 0 if pps == UNLIMITED_PPS else pps
        options = f"-M icmp_echoscan -r {pace} -i s0 -S {SOURCE[4]} -b /dev/null -c 1 -q -O csv --output-fields=saddr"
        target = f"{self.first(4, kind)}/{32 - (n - 1).bit_length()}"
        done = self.scan(["zmap", *options.split(), "-G", self.net.macs["d0"], "-o", str(out), target])
        captured = len(set(out.read_text(encoding="ascii").splitlines()) - {"saddr"})
        self.note("zmap", 4, kind, done, n, captured)

    def masscan(self, family: int, kind: str) -> None:
        out = self.scratch / "masscan"
        out.unlink(missing_ok=True)
        n, pps = self.plan(kind)
        target = f"{self.first(family, kind)}/{BITS[family] - (n - 1).bit_length()}"
        router = f"--router-mac{'-ipv6' if family == 6 else ''} {self.net.macs['d0']}"
        options = f"--ping --rate {pps} -e s0 --adapter-ip {SOURCE[family]} --wait 1 {router}"
        done = self.scan(["masscan", target, *options.split(), "-oL", str(out)])
        text = out.read_text(encoding="ascii") if out.exists() else ""
        captured = len({line.split()[3] for line in text.splitlines() if line.startswith("open")})
        self.note("masscan", family, kind, done, n, captured)

    def fping(self, family: int, kind: str) -> None:
        hosts = self.scratch / f"hosts{family}"
        n = min(FPING_MAX, self.targets)
        if not hosts.exists():
            hosts.write_text("\n".join(addresses(family, n)) + "\n", encoding="ascii")
        argv = f"fping -{family} -q -a -r 0 -i 0 -t 500 -S {SOURCE[family]} -f {hosts}"
        done = self.scan(argv.split())
        self.note("fping", family, kind, done, n, len(done.out.splitlines()))

    def liboping(self, family: int, kind: str) -> None:
        n = min(LIBOPING_MAX, self.targets)
        argv = [str(self.build / "bench" / "liboping_pass"), SOURCE[family], LIVE[family], str(n)]
        done = self.scan(argv)
        said = json.loads(done.out)
        self.note("liboping", family, kind, done, n, said["answered"], cpu_us=said["send_cpu_us"], said=said)

    def all_kinds(self) -> list[Callable[[], None]]:
        """With answers in the sender's system call."""
        scans = self.plain("answered")
        scans += [functools.partial(self.zmap, kind) for kind in ("unanswered", "paced")]
        scans += [functools.partial(self.masscan, family, "unanswered") for family in FAMILIES]
        scans += [functools.partial(self.masscan, 4, "paced")]
        for kind in ("unanswered", "paced", "elsewhere"):
            scans += [functools.partial(self.ours, engine, family, kind) for engine in ENGINES for family in FAMILIES]
        return scans

    def plain(self, kind: str) -> list[Callable[[], None]]:
        """Every contestant once, at full speed, with answers."""
        scans: list[Callable[[], None]] = [functools.partial(self.zmap, kind)]
        for family in FAMILIES:
            scans += [functools.partial(peer, family, kind) for peer in (self.masscan, self.fping, self.liboping)]
            scans += [functools.partial(self.ours, engine, family, kind) for engine in ENGINES]
        return scans


def addresses(family: int, n: int) -> list[str]:
    kind = {4: socket.AF_INET, 6: socket.AF_INET6}[family]
    start = int.from_bytes(socket.inet_pton(kind, LIVE[family]), "big")
    return [socket.inet_ntop(kind, (start + i).to_bytes({4: 4, 6: 16}[family], "big")) for i in range(n)]


def trickle(netns: str) -> int:
    """A few packets a second towards src: masscan waits for ever on an idle interface.  Returns the pid."""
    pid = os.fork()
    if pid == 0:
        into(netns)()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while True:
                out.sendto(struct.pack("!I", 0), (HOME[4], 9))
                time.sleep(0.3)
    return pid


def make_apart(build: Path, targets: int, samples: list[dict[str, Any]]) -> Bed | None:
    """The bed in which dst answers in a thread of its own; None, and a line that says why, where there is no such."""
    net = Net("_apart")
    why = net.let_peers_hear() or net.answer_apart()
    if why is None:
        trial = Bed(build, min(TRIAL_TARGETS, targets), net, [])
        lost = trial.targets - trial.sweep("raw", 4, "trial", net.src).packets
        why = f"{lost} of {trial.targets} probes did not arrive: Linux before 6.16?" if lost > 0 else None
    if why is not None:
        print(f"sweep_bed: no bed with the answers apart, and none of its rows: {why}", flush=True)
        return None
    trickle(net.dst)
    return Bed(build, targets, net, samples)


def main() -> None:
    build, rounds, targets, out = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    kernel.mount("none", "/run", "tmpfs", 0)
    Path("/run/netns").mkdir()
    samples: list[dict[str, Any]] = []
    bed, apart = Bed(build, targets, Net(""), samples), make_apart(build, targets, samples)
    why = bed.net.let_peers_hear()
    if why is not None:
        print(f"sweep_bed: peers with small rings will lose replies: {why}", flush=True)
    trickle(bed.net.dst)
    for number in range(1, rounds + 1):
        print(f"round {number} of {rounds}, load {os.getloadavg()[0]:.2f}", flush=True)
        # In another order each time: nobody is always the one after the heaviest.
        scans = bed.all_kinds() + (apart.plain("apart") if apart is not None else [])
        random.Random(number).shuffle(scans)
        for run in scans:
            run()
    out.write_text(json.dumps(samples), encoding="ascii")


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: GPL-3.0-or-later
"""Malformed and hostile input: configurations, client lists, probe replies, HTTP.  Refused or counted, nothing else."""

from __future__ import annotations

import ipaddress
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from labkit.anycast import CONTROLLER_QUICK, Fleet
from labkit.experiment import Bench, prepare
from labkit.node import Node
from labkit.scenario import Lab

CONTROLLER = ("10.255.0.1", 8053)


def run(lab: Lab) -> None:
    fleet, bench = prepare(lab)
    check_configurations(lab, fleet)
    check_http(lab, fleet)
    check_replies(lab, fleet, bench)
    check_client_lists(lab, fleet)
    with lab.check("nobody is drained, and every daemon ends well"):
        assert all(not site["intents"] for site in fleet.status()["sites"])
        fleet.stop_all()
        fleet.check_store(fleet.mgmt)


# --- configurations ---

GOOD = """site: akl
services:
  - name: web
    prefixes: [192.0.2.0/24]
    probes:
      - {name: page, http: "http://127.0.0.1:8081/health", interval: 1s}
"""
BAD = [  # text, line, a word of the message
    (GOOD.replace("interval", "intervall"), 6, "intervall"),
    (GOOD.replace("192.0.2.0/24", "192.0.2.1/24"), 4, "192.0.2.1/24"),
    (GOOD.replace("1s}", "1 s}"), 6, "interval"),
    (GOOD + "site: chc\n", 7, "site"),
    (GOOD.replace("site: akl", "site: [akl"), 2, ""),
    ("\x00" * 100, 1, ""),
]


def check_configurations(lab: Lab, fleet: Fleet) -> None:
    akl = lab.nodes["akl"]
    with lab.check("malformed configurations are refused with file and line, by -n and by a start"):
        for text, line, word in BAD:
            file = akl.dir / "state" / "bad.yml"
            file.write_text(text)
            for options in (["-n"], []):
                done = akl.run([str(fleet.build / "anycastd"), *options, "-c", "/run/state/bad.yml"], check=False)
                message = (text, options, done.returncode, done.stderr)
                assert done.returncode == 1 and word in done.stderr, message
                assert f"/run/state/bad.yml:{line}:" in done.stderr, message
        done = akl.run([str(fleet.build / "anycastd"), "-n", "-c", "/run/state/none.yml"], check=False)
        assert done.returncode == 1 and "/run/state/none.yml" in done.stderr, done
        good = akl.path("/run/lab/anycastd.yml").read_text()
        (akl.dir / "state" / "bad.yml").write_text(good.replace("/run/state/anycastd.conf", "/run/nowhere/x.conf"))
        done = akl.run([str(fleet.build / "anycastd"), "-n", "-c", "/run/state/bad.yml"], check=False)
        assert done.returncode == 0 and "warning: bird.include" in done.stderr, done  # it may be for another machine
        done = akl.run([str(fleet.build / "anycastd"), "-c", "/run/state/bad.yml"], check=False)
        assert done.returncode == 1 and "folder /run/nowhere" in done.stderr, done
        assert fleet.procs["akl"].alive() and fleet.site_status(akl)["state"] == "announcing"


# --- HTTP ---


def talk(site: Node, request: bytes) -> bytes:
    """Sends bytes to the controller's TCP port, and returns all that comes until it closes or is silent for a while."""
    with site.network():
        connection = socket.create_connection(CONTROLLER, timeout=5)
    with closing(connection):
        try:
            connection.sendall(request)
            connection.settimeout(0.25)
            answer = b""
            while received := connection.recv(65536):
                answer += received
        except TimeoutError:
            pass
        except (ConnectionResetError, BrokenPipeError):
            return b""
        return answer


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([line, *headers, "", ""]).encode() + body


DRAIN = b'{"reason":"smuggled"}'
SMUGGLED = request("POST /v1/sites/akl/drain HTTP/1.1", "Host: x", f"Content-Length: {len(DRAIN)}", body=DRAIN)
REFUSED = {  # each gets a 4xx or is cut off, and never a second answer
    "garbage": b"\x00\xff\xfe" * 1000 + b"\r\n\r\n",
    "not HTTP": b"hello\r\n\r\n",
    "no Host": request("GET /v1/status HTTP/1.1"),
    "two Hosts": request("GET /v1/status HTTP/1.1", "Host: a", "Host: b"),
    "CL and TE": request("POST /v1/sites/akl/status HTTP/1.1", "Host: x", "Content-Length: 5",
                         "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED),
    "TE and CL": request("POST /v1/sites/akl/status HTTP/1.1", "Host: x", "Transfer-Encoding: chunked",
                         f"Content-Length: {5 + len(SMUGGLED)}", body=b"0\r\n\r\n" + SMUGGLED),
    "two CL": request("POST /v1/sites/akl/status HTTP/1.1", "Host: x", "Content-Length: 0",
                      f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED),
    "CL list": request("POST /v1/sites/akl/status HTTP/1.1", "Host: x", "Content-Length: 0, 5", body=SMUGGLED),
    "CL signed": request("POST /v1/sites/akl/status HTTP/1.1", "Host: x", "Content-Length: +5", body=SMUGGLED),
    "CL huge": request("POST /v1/sites/akl/status HTTP/1.1", "Host: x", "Content-Length: 99999999999999999999"),
    "TE unknown": request("POST /v1/sites/akl/status HTTP/1.1", "Host: x", "Transfer-Encoding: xchunked", body=SMUGGLED),
    "blank before colon": request("POST /v1/sites/akl/status HTTP/1.1", "Host: x", "Content-Length : 5", body=SMUGGLED),
    "GET with a body": request("GET /v1/status HTTP/1.1", "Host: x", f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED),
    "long header": request("GET /v1/status HTTP/1.1", "Host: x", "X: " + "a" * 200000),
    "long path": request("GET /" + "a" * 200000 + " HTTP/1.1", "Host: x"),
    "big body": request("POST /v1/sites/akl/status HTTP/1.1", "Host: x", "Content-Length: 8000000", body=b"[" * 8000000),
    "deep JSON": request("POST /v1/sites/akl/status HTTP/1.1", "Host: x", "Content-Length: 100000", body=b"[" * 100000),
    "status that is no object": request("POST /v1/sites/akl/status HTTP/1.1", "Host: x", "Content-Length: 2", body=b"[]"),
    "status with NUL": request("POST /v1/sites/akl/status HTTP/1.1", "Host: x", "Content-Length: 20",
                               body=b'{"boot": "a\\u0000b"}'),
    "replies malformed": request("POST /v1/sites/akl/replies?boot=x&seq=1 HTTP/1.1", "Host: x", "Content-Length: 5",
                                 body=b"\xff\xff\xff\xff\xff"),
    "revision negative": request("GET /v1/sites/akl/orders?after=-1 HTTP/1.1", "Host: x"),
}
NOT_FOUND = {  # what people do goes over the UNIX socket only
    "drain": SMUGGLED,
    "restore": request("POST /v1/sites/akl/restore HTTP/1.1", "Host: x", "Content-Length: 0"),
    "experiment": request("POST /v1/experiments HTTP/1.1", "Host: x", "Content-Length: 14", body=b'{"site":"akl"}'),
    "clients": request("POST /v1/clients?upload=x&part=0&last=1 HTTP/1.1", "Host: x", "Content-Length: 9", body=b"10.0.0.1\n"),
    "encoded drain": request("POST /v1/sites/akl/dr%61in HTTP/1.1", "Host: x", "Content-Length: 0"),
    "unknown site": request("POST /v1/sites/xyz/status HTTP/1.1", "Host: x", "Content-Length: 12", body=b'{"boot":"x"}'),
    "encoded slash": request("POST /v1/sites%2fakl/status HTTP/1.1", "Host: x", "Content-Length: 12", body=b'{"boot":"x"}'),
    "nothing": request("GET / HTTP/1.1", "Host: x"),
}


def check_http(lab: Lab, fleet: Fleet) -> None:
    akl = lab.nodes["akl"]
    with lab.check(f"{len(REFUSED)} kinds of malformed and ambiguous HTTP are refused, nothing is smuggled"):
        assert talk(akl, request("GET /v1/status HTTP/1.1", "Host: x")).startswith(b"HTTP/1.1 200 ")
        for what, bytes_ in REFUSED.items():
            answer = talk(akl, bytes_)
            assert answer == b"" or answer[:10] in (b"HTTP/1.1 4", b"HTTP/1.0 4"), (what, answer[:200])
            assert answer.count(b"HTTP/1.") <= 1, (what, answer[:500])
    with lab.check(f"{len(NOT_FOUND)} requests that TCP does not serve get 404"):
        for what, bytes_ in NOT_FOUND.items():
            answer = talk(akl, bytes_)
            assert answer.startswith(b"HTTP/1.1 404 "), (what, answer[:200])
        answer = talk(akl, NOT_FOUND["unknown site"])
        assert b"xyz" in answer, answer
    with lab.check("300 silent connections hold nobody up, and all but an address's share are closed"):
        with akl.network():
            silent = [socket.create_connection(CONTROLLER, timeout=5) for _ in range(300)]
        for connection in silent:
            connection.sendall(b"POST /v1/sites/akl/status HTTP/1.1\r\nHost: x\r\n")
        fleet.wait_fleet(3)
        assert talk(akl, request("GET /v1/status HTTP/1.1", "Host: x")).startswith(b"HTTP/1.1 200 ")
        page = fleet.api(lab.nodes["mgmt"], "GET", "/metrics")[1].decode()
        assert int(re.search(r'_ended_total{door="listen",reason="displaced"} (\d+)', page)[1]) >= 300 - 128, page
        assert int(re.search(r'_connections{door="listen"} (\d+)', page)[1]) < 160, page
        for connection in silent:
            connection.close()
    with lab.check("the controller runs on, the fleet is as before"):
        assert fleet.procs["mgmt"].alive()
        fleet.wait_fleet(5)


# --- probe replies ---

TEST_SOURCES = ("198.51.100.1", "198.51.100.2")
PAYLOAD_BYTES = 48  # the MAC comes last in it; then a text, which is not read
MAC_BYTES = 8


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f">{len(data) // 2}H", data[: len(data) // 2 * 2])) + (data[-1] << 8 if len(data) % 2 else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo_reply(source: str, target: str, payload: bytes) -> bytes:
    icmp = struct.pack(">BBHHH", 0, 0, 0, 1, 1) + payload
    icmp = icmp[:2] + struct.pack(">H", checksum(icmp)) + icmp[4:]
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(icmp), 0, 0, 64, 1, 0) + ends + icmp


class Attacker:
    """Hears what its AS is asked, and answers with all kinds of echo replies besides the right ones."""

    PER_KIND = 3
    HEARD_MAX = 8

    def __init__(self, node: Node) -> None:
        with node.network():
            self._ear = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
            self._mouth = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._ear.settimeout(0.02)
        self._source = f"10.{100 + int(node.name[1:])}.99.99"
        self._old: list[tuple[str, str, bytes]] = []
        self._heard: list[tuple[str, str, bytes]] = []
        self._quit = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0
        self._thread.start()

    def stop(self) -> None:
        self._quit.set()
        self._thread.join()
        self._ear.close()
        self._mouth.close()

    def forget(self) -> None:
        """What was heard until now is old from now on: it belongs to an experiment that is over."""
        self._old, self._heard = self._heard, []

    def _run(self) -> None:
        while not self._quit.is_set():
            self._listen()
            for source, client, payload in self._old[-self.HEARD_MAX:]:
                self._say(client, source, payload)
            for source, client, payload in self._heard[-self.HEARD_MAX:]:
                self._say(client, source, payload)  # a duplicate or a replay
                self._say(self._source, source, payload)  # from another address
                self._say(client, source, payload[:-MAC_BYTES] + bytes(MAC_BYTES))  # forged
                self._say(client, source, payload[:12] + b"\0\0\0\7" + payload[16:])  # another client's number
                self._say(client, source, payload[:20])  # cut short
                self._say(client, source, payload[: -MAC_BYTES - 1])
                self._say(client, source, b"")
            for source in TEST_SOURCES:
                self._say(self._source, source, bytes(PAYLOAD_BYTES))

    def _listen(self) -> None:
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            try:
                packet = self._ear.recv(2048)
            except TimeoutError:
                continue
            if len(packet) >= 28 + PAYLOAD_BYTES and packet[9] == 1 and packet[20] == 8 and packet[28:32] == b"ACS2":
                source, client = (str(ipaddress.ip_address(packet[i : i + 4])) for i in (12, 16))
                self._heard.append((source, client, packet[28 : 28 + PAYLOAD_BYTES]))

    def _say(self, source: str, target: str, payload: bytes) -> None:
        for _ in range(self.PER_KIND):
            self._mouth.sendto(echo_reply(source, target, payload), (target, 0))
            self.sent += 1


@contextmanager
def attack(node: Node) -> Iterator[Attacker]:
    attacker = Attacker(node)
    try:
        yield attacker
    finally:
        attacker.stop()


def check_replies(lab: Lab, fleet: Fleet, bench: Bench) -> None:
    with attack(lab.nodes["c05"]) as attacker:
        with lab.check("forged, cut, replayed, duplicate and foreign replies change nothing in the map"):
            bench.succeed()
        with lab.check("and are counted, those of the experiment before as well"):
            attacker.forget()
            bench.succeed()
            counters = fleet.experiment()["counters"]
            lab.note(f"{attacker.sent} replies injected: {counters}")
            for name in ("duplicate", "forged", "late", "short", "other_source"):
                assert counters[name] > 0, (name, counters)
            assert counters["second_site"] == 0, counters
    with lab.check("the counters of an experiment that is over change no more"):
        for name in ("chc", "nrt"):
            fleet.ctl(fleet.mgmt, "drain", name)
            fleet.ctl(fleet.mgmt, "restore", name)
        fleet.wait_fleet()
        lab.wait(lambda: all(s["applied_revision"] == s["wanted_revision"] for s in fleet.status()["sites"]), 5, "applied")
        assert fleet.experiment()["counters"] == counters, (counters, fleet.experiment()["counters"])


# --- client lists ---

GLOBAL = "9.9.9.9\n1.1.1.1\n"
REFUSED_LISTS = {  # text, what the message must say
    "bad address": (GLOBAL + "1.2.3.400\n", "line 3"),
    "bad weight": (GLOBAL + "8.8.8.8,-1\n", "line 3"),
    "many bad lines": ("x\n" * 1000, "line 1"),
    "NULs": (GLOBAL + "8.8.8.8\0\n", "line 3"),
    "a line of 64 MB": (GLOBAL + "8" * (64 << 20) + "\n", "line 3"),
    "empty": ("", "empty"),
    "only comments": ("# nothing\n\n", ""),
    "only private": ("10.0.0.1\n192.168.1.1\nfd00::1\n", ""),
    "only multicast": ("224.0.0.1\nff02::1\n", ""),
}


def check_client_lists(lab: Lab, fleet: Fleet) -> None:
    mgmt = fleet.mgmt
    names = ", ".join(site.name for site in fleet.sites)
    fleet.configure(mgmt, CONTROLLER_QUICK.format(sites=names).replace("allow_special: true", "allow_special: false"))
    fleet.restart(mgmt)
    with lab.check("a list with special addresses and duplicates: dropped, merged and counted"):
        listing = "9.9.9.9,2\n10.0.0.1\n9.9.9.9,3\n224.0.0.1\n1.1.1.1\n2606:4700::1111\n2606:4700:0::1111\n::1\n"
        lab.wait(lambda: fleet.api(mgmt, "GET", "/v1/clients")[0] == 200, 5, "the controller is back")
        answer = fleet.ask(mgmt, "clients", "import", mgmt.put("hostile.txt", listing))
        assert (answer["count"], answer["lines"], answer["dropped_special"], answer["duplicates"]) == (3, 8, 3, 2), answer
        before = fleet.get(mgmt, "/v1/clients")
        assert (before["count"], before["weight"], before["ipv4"]) == (3, 8.0, 2), before
    with lab.check(f"{len(REFUSED_LISTS)} bad lists are refused with a clear word, the old one stays"):
        for what, (text, word) in REFUSED_LISTS.items():
            done = fleet.ctl(mgmt, "clients", "import", mgmt.put("hostile.txt", text), check=False)
            assert done.returncode == 1 and word in done.stderr, (what, done.returncode, done.stderr[:300])
            assert 0 < len(done.stderr) < 2000, (what, len(done.stderr))
            assert fleet.get(mgmt, "/v1/clients") == before, what
    with lab.check("parts out of order and of another upload are refused"):
        for path in ("upload=a&part=1&last=1", "upload=a&part=0&last=7", "part=-5", "upload=a&part=99999999999999999999"):
            status, body = fleet.api(mgmt, "POST", f"/v1/clients?{path}")
            assert status in (400, 409), (path, status, body)
        assert fleet.get(mgmt, "/v1/clients") == before

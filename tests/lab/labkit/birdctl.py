# SPDX-License-Identifier: GPL-3.0-or-later
"""A small client of BIRD's control socket, and parsers for the replies that scenarios need.

Framing: four digits and '-' begin a line with more to follow, four digits and a blank the last line, one blank
a continuation with the code of the line before, '+' something asynchronous that is no part of the reply.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

BIRD_SOCKET = "/run/bird/bird.ctl"
Reply = tuple[int, str]


def ask(path: Path, commands: Sequence[str], timeout: float) -> list[Reply]:
    """Sends commands one after the other over one session; returns all their reply lines.

    Raises OSError (TimeoutError, ConnectionRefusedError ...) if BIRD is not there or does not answer in time.
    """
    deadline = time.monotonic() + timeout
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as session:
        session.settimeout(timeout)
        session.connect(str(path))
        reader = _Reader(session, deadline)
        reader.reply()  # the greeting
        replies: list[Reply] = []
        for command in commands:
            session.sendall(command.encode() + b"\n")
            replies += reader.reply()
        return replies


class _Reader:
    def __init__(self, session: socket.socket, deadline: float) -> None:
        self._session = session
        self._deadline = deadline
        self._pending = b""

    def reply(self) -> list[Reply]:
        lines: list[Reply] = []
        code = 0
        while True:
            line = self._line()
            if line.startswith("+"):
                continue
            if line.startswith(" "):
                lines.append((code, line[1:]))
                continue
            code = int(line[:4])
            if line[5:] or code:
                lines.append((code, line[5:]))
            if line[4:5] != "-":
                return lines

    def _line(self) -> str:
        while b"\n" not in self._pending:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("BIRD did not answer in time")
            self._session.settimeout(left)
            received = self._session.recv(65536)
            if not received:
                raise ConnectionResetError("BIRD closed the session")
            self._pending += received
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode(errors="replace")


@dataclass(frozen=True)
class Protocol:
    """One line of `show protocols all` and its details."""

    name: str
    kind: str
    state: str
    since: str
    info: str
    details: list[str] = field(default_factory=list)

    @property
    def counters(self) -> list[str]:
        return [line for line in self.details if re.match(r"\s*(Routes:|Import |Export )", line)]


def parse_protocols(replies: Iterable[Reply]) -> list[Protocol]:
    found: list[Protocol] = []
    for code, text in replies:
        if code == 1002:
            columns = re.match(r"(\S+)\s+(\S+)\s+\S+\s+(\S+)\s+(\d+-\d+-\d+ \S+|\S+)\s*(.*)", text)
            if columns:
                name, kind, state, since, info = columns.groups()
                found.append(Protocol(name, kind, state, since, info))
        elif code == 1006 and found:
            found[-1].details.append(text)
    return found


@dataclass(frozen=True)
class Route:
    """A route of `show route ... all`."""

    prefix: str
    protocol: str
    since: str
    best: bool
    attributes: dict[str, str]

    def large_communities(self) -> list[tuple[int, int, int]]:
        text = self.attributes.get("BGP.large_community", "")
        return [(int(a), int(b), int(c)) for a, b, c in re.findall(r"\((\d+), (\d+), (\d+)\)", text)]

    def as_path(self) -> list[int]:
        return [int(asn) for asn in re.findall(r"\d+", self.attributes.get("BGP.as_path", ""))]


def parse_routes(replies: Iterable[Reply]) -> list[Route]:
    """Reads `show route ... all` with `timeformat route iso long us`."""
    found: list[Route] = []
    prefix = ""
    for code, text in replies:
        if code == 1007:
            line = re.match(r"(\S*)\s+\w+ \[(\S+) ([^\]]*?)(?: from \S+)?\] (\* )?", text)
            if line:
                prefix = line[1] or prefix
                found.append(Route(prefix, line[2], line[3], bool(line[4]), {}))
        elif code == 1012 and found and ":" in text:
            key, _, value = text.strip().partition(": ")
            found[-1].attributes[key] = value
    return found

# SPDX-License-Identifier: GPL-3.0-or-later
"""Ground truth by packets: pings with an anycast source, and a capture of the replies at every site.

A reply to an anycast source lands in the catchment of whoever answered.  So the sender's own socket says
nothing; a raw socket in each site's network tells at which site each reply arrived.
"""

from __future__ import annotations

import array
import ipaddress
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .node import Node

_IP_FREEBIND = 15
_IPV6_FREEBIND = 78
_ICMP_FILTER = 1
_ICMP6_FILTER = 1
_SOL_RAW = 255
_BUFFER_BYTES = 4 << 20
_BURST = 32
_PAYLOAD = struct.Struct("!8sI")  # this prober's cookie, index of the target


@dataclass(frozen=True)
class _Family:
    family: int
    protocol: int
    echo_request: int
    echo_reply: int
    header_bytes: int  # in front of the ICMP header in what recv() gives


_V4 = _Family(socket.AF_INET, socket.IPPROTO_ICMP, 8, 0, 20)
_V6 = _Family(socket.AF_INET6, socket.IPPROTO_ICMPV6, 128, 129, 0)


class Prober:
    """Sends from one node and captures at many.  All targets must be of the source's family."""

    def __init__(self, sender: Node, source: str, sites: Iterable[Node]) -> None:
        self._kind = _V4 if ipaddress.ip_address(source).version == 4 else _V6
        self._cookie = os.urandom(8)
        self._captures = {_open_capture(site, self._kind): site.name for site in sites}
        self._poll = select.epoll()
        for capture in self._captures:
            self._poll.register(capture, select.EPOLLIN)
        self._by_fd = {capture.fileno(): (capture, name) for capture, name in self._captures.items()}
        self._sender = _open_sender(sender, source, self._kind)

    def close(self) -> None:
        self._sender.close()
        self._poll.close()
        for capture in self._captures:
            capture.close()

    def __enter__(self) -> Prober:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def sweep(self, targets: Sequence[str], rate_pps: int, timeout_s: float) -> dict[str, str | None]:
        """Pings every target once; returns the site where its reply landed, None if none did."""
        landed: dict[str, str | None] = dict.fromkeys(targets)
        start = time.monotonic()
        for first in range(0, len(targets), _BURST):
            for index in range(first, min(first + _BURST, len(targets))):
                self._send(targets[index], index)
            due = start + (first + _BURST) / rate_pps
            self._collect(targets, landed, 0.0)
            while (left := due - time.monotonic()) > 0:
                self._collect(targets, landed, left)
        end = time.monotonic() + timeout_s
        while None in landed.values() and (left := end - time.monotonic()) > 0:
            self._collect(targets, landed, left)
        return landed

    def _send(self, target: str, index: int) -> None:
        body = _PAYLOAD.pack(self._cookie, index)
        header = struct.pack("!BBHHH", self._kind.echo_request, 0, 0, 0x616E, index & 0xFFFF)
        if self._kind is _V4:  # for IPv6 the kernel computes the checksum
            header = struct.pack("!BBHHH", 8, 0, _checksum(header + body), 0x616E, index & 0xFFFF)
        self._sender.sendto(header + body, (target, 0))

    def _collect(self, targets: Sequence[str], landed: dict[str, str | None], wait_s: float) -> None:
        for fd, _ in self._poll.poll(wait_s):
            capture, site = self._by_fd[fd]
            while True:
                try:
                    packet, address = capture.recvfrom(2048)
                except BlockingIOError:
                    break
                payload = packet[self._kind.header_bytes + 8 :]
                if len(payload) == _PAYLOAD.size and payload.startswith(self._cookie):
                    index = _PAYLOAD.unpack(payload)[1]
                    if index < len(targets) and _same_address(targets[index], address[0]):
                        landed[targets[index]] = site


def _open_capture(node: Node, kind: _Family) -> socket.socket:
    with node.network():
        capture = socket.socket(kind.family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, kind.protocol)
    capture.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    if kind is _V4:
        capture.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("I", 0xFFFFFFFF & ~(1 << kind.echo_reply)))
    else:
        blocked = [0xFFFFFFFF] * 8
        blocked[kind.echo_reply >> 5] &= ~(1 << (kind.echo_reply & 31))
        capture.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("8I", *blocked))
    return capture


def _open_sender(node: Node, source: str, kind: _Family) -> socket.socket:
    with node.network():
        sender = socket.socket(kind.family, socket.SOCK_RAW, kind.protocol)
    if kind is _V4:
        sender.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        sender.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("I", 0xFFFFFFFF))  # it only sends
    else:
        sender.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        sender.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, b"\xff" * 32)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    sender.bind((source, 0))
    return sender


def _same_address(one: str, other: str) -> bool:
    return one == other or ipaddress.ip_address(one) == ipaddress.ip_address(other)


def _checksum(data: bytes) -> int:
    """The Internet checksum of an even number of bytes, in network order."""
    words = array.array("H", data)
    if sys.byteorder == "little":
        words.byteswap()
    total = sum(words)
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF

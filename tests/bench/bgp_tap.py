# SPDX-License-Identifier: GPL-3.0-or-later
"""When did the last BGP UPDATE reach a neighbour?  By the kernel's time of its TCP segment; nobody is asked.

A packet socket takes what speakers send to the neighbour's address and keeps it until it is read, when all is over: so
nothing runs meanwhile but a filter in the kernel.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from dataclasses import dataclass, field

SO_TIMESTAMPNS = 35  # asm-generic/socket.h
SO_ATTACH_FILTER = 26
ETH_P_IP = 0x0800
SOL_PACKET, PACKET_STATISTICS = 263, 6  # linux/if_packet.h
ANCILLARY_BYTES = 128
BUFFER_BYTES = 1 << 20  # or what net.core.rmem_max allows
SEGMENT_BYTES = 1 << 17

BGP_HEADER_BYTES = 19
BGP_UPDATE = 2
MARKER = b"\xff" * 16

# Classic BPF: all of a TCP segment to the address, and of nothing else.
_FILTER = (
    (0x20, 0, 0, 16),  # ld [destination address]
    (0x15, 0, 3, None),  # jeq the neighbour's, else drop
    (0x30, 0, 0, 9),  # ldb [protocol]
    (0x15, 0, 1, socket.IPPROTO_TCP),
    (0x06, 0, 0, 0x40000),
    (0x06, 0, 0, 0),
)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


@dataclass
class _Stream:
    """What one speaker sent and was not cut into messages yet."""

    next_sequence: int | None = None
    pending: bytearray = field(default_factory=bytearray)

    def take(self, sequence: int, data: bytes) -> list[int]:
        """The types of the messages that end in this segment."""
        if self.next_sequence is not None:
            again = self.next_sequence - sequence & 0xFFFFFFFF
            if again >= 1 << 31:
                raise ValueError("the tap lost a segment")
            data = data[again:]
            sequence += again
        self.next_sequence = sequence + len(data) & 0xFFFFFFFF
        self.pending += data
        types = []
        while len(self.pending) >= BGP_HEADER_BYTES:
            marker, length, kind = struct.unpack_from("!16sHB", self.pending)
            if marker != MARKER:
                raise ValueError("not a BGP message")
            if len(self.pending) < length:
                break
            del self.pending[:length]
            types.append(kind)
        return types


class BgpTap:
    """UPDATEs on their way to one IPv4 address, on loopback."""

    def __init__(self, neighbour: str) -> None:
        (address,) = struct.unpack("!I", socket.inet_aton(neighbour))
        code = b"".join(struct.pack("HBBI", op, yes, no, address if k is None else k) for op, yes, no, k in _FILTER)
        self._code = ctypes.create_string_buffer(code, len(code))
        program = _Program(len(_FILTER), ctypes.addressof(self._code))
        # SOCK_DGRAM: without the link's header.  ETH_P_IP: what arrives, and not the same once more when it is sent.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(program))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self._socket.bind(("lo", ETH_P_IP))
        self._streams: dict[bytes, _Stream] = {}

    def _lost(self) -> int:
        """How many segments the kernel had no room for since the last call."""
        return struct.unpack("II", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]

    def begin(self) -> None:
        """Forget what was kept; nothing may be on its way, so that the next segment begins with a message."""
        self._streams.clear()
        self._lost()
        try:
            while True:
                self._socket.recv(1, socket.MSG_DONTWAIT | socket.MSG_TRUNC)
        except BlockingIOError:
            pass

    def take(self) -> list[float]:
        """The times, in seconds since the epoch, at which UPDATEs were complete since begin() or the last call."""
        times = []
        while True:
            try:
                packet, stamps, _, _ = self._socket.recvmsg(SEGMENT_BYTES, ANCILLARY_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                if self._lost() > 0:
                    raise ValueError("the tap lost a segment") from None
                return times
            seconds, nanoseconds = struct.unpack("qq", stamps[0][2])
            times += [seconds + nanoseconds / 1e9] * self._segment(packet).count(BGP_UPDATE)

    def _segment(self, packet: bytes) -> list[int]:
        ip_bytes = (packet[0] & 15) * 4
        (ip_length,) = struct.unpack_from("!H", packet, 2)
        tcp = packet[ip_bytes : ip_length or len(packet)]
        (sequence,) = struct.unpack_from("!I", tcp, 4)
        data = tcp[(tcp[12] >> 4) * 4 :]
        ends = packet[12:16] + tcp[:4]
        if not data:
            return []
        return self._streams.setdefault(ends, _Stream()).take(sequence, data)

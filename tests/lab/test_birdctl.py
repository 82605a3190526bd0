# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of BIRD's control socket against replies as BIRD 2.0.12 gives them."""

from __future__ import annotations

import socket
import sys
import tempfile
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from labkit.birdctl import Reply, ask, parse_protocols, parse_routes  # noqa: E402

GREETING = b"0001 BIRD 2.0.12 ready.\n"


def ask_fake(*chunks: bytes, hang_up: bool = False) -> list[Reply]:
    """Asks a BIRD that sends the given chunks, whatever is asked, and then keeps silent or hangs up."""
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        path = Path(directory, "bird.ctl")
        listener.bind(str(path))
        listener.listen()
        done = threading.Event()

        def serve() -> None:
            session, _ = listener.accept()
            with session:
                for chunk in chunks:
                    session.sendall(chunk)
                if not hang_up:
                    done.wait(5)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            return ask(path, ["show status"], timeout=0.3)
        finally:
            done.set()
            thread.join()


class Framing(unittest.TestCase):
    def test_continuation_lines_take_the_code_of_the_line_before(self) -> None:
        replies = ask_fake(
            GREETING, b"0010-device1: already enabled\n k4: already enabled\n0011-x: ena", b"bled\n0000 \n"
        )
        self.assertEqual(replies, [(10, "device1: already enabled"), (10, "k4: already enabled"), (11, "x: enabled")])

    def test_asynchronous_lines_are_skipped(self) -> None:
        self.assertEqual(ask_fake(GREETING, b"+Reconfigured\n0003 Reconfigured\n"), [(3, "Reconfigured")])

    def test_errors_are_replies(self) -> None:
        self.assertEqual(ask_fake(GREETING, b"9001 syntax error\n"), [(9001, "syntax error")])

    def test_silence_is_a_timeout_and_an_end_is_a_reset(self) -> None:
        with self.assertRaises(TimeoutError):
            ask_fake(GREETING + b"0003-half\n")
        with self.assertRaises(ConnectionError):  # reset, or a broken pipe if it went first
            ask_fake(GREETING, hang_up=True)


class Parsing(unittest.TestCase):
    def test_protocols(self) -> None:
        found = parse_protocols(
            [
                (2002, "Name       Proto      Table      State  Since         Info"),
                (1002, "device1    Device     ---        up     2026-11-23 06:14:26.499517  "),
                (1006, ""),
                (
                    1002,
                    "t3_4       BGP        ---        start  2026-11-23 06:14:27.262679  Active        Socket: reset",
                ),
                (1006, "  BGP state:          Active"),
                (1006, "    Hold timer:       5.087/9"),
                (1006, "      Import updates:             14          0          0          0         14"),
            ]
        )
        self.assertEqual(
            [(p.name, p.kind, p.state) for p in found], [("device1", "Device", "up"), ("t3_4", "BGP", "start")]
        )
        self.assertEqual(found[1].info, "Active        Socket: reset")
        self.assertEqual(len(found[1].counters), 1)

    def test_routes(self) -> None:
        found = parse_routes(
            [
                (1007, "Table master4:"),
                (1007, "192.0.2.0/24         unicast [t3_4 2026-11-23 06:16:54.590165] * (100) [AS64512i]"),
                (1007, "\tvia 10.1.12.2 on t3"),
                (1008, "\tType: BGP univ"),
                (1012, "\tBGP.origin: IGP"),
                (1012, "\tBGP.as_path: 65003 64512"),
                (1012, "\tBGP.large_community: (64512, 1, 1) (65003, 10, 1)"),
                (1007, "                     unicast [t5_4 2026-11-23 06:16:54.590199] (100) [AS64512i]"),
            ]
        )
        self.assertEqual(
            [(r.prefix, r.protocol, r.best) for r in found],
            [("192.0.2.0/24", "t3_4", True), ("192.0.2.0/24", "t5_4", False)],
        )
        self.assertEqual(found[0].since, "2026-11-23 06:16:54.590165")
        self.assertEqual(found[0].as_path(), [65003, 64512])
        self.assertEqual(found[0].large_communities(), [(64512, 1, 1), (65003, 10, 1)])


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner on small topologies: order of stages, failures, exit statuses, and that nothing is left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import textwrap
import time
import unittest
from pathlib import Path

LAB = Path(__file__).resolve().parent / "lab"
PAIR = """\
name: pair
topology:
  defaults: {kind: linux, network-mode: none}
  nodes:
    one: {exec: ["ip addr add 10.0.0.1/30 dev two"]}
    two: {exec: ["ip addr add 10.0.0.2/30 dev one"]}
  links:
    - endpoints: ["one:two", "two:one"]
"""


def exists_anywhere(marker: str) -> bool:
    """True if any living process of this machine has the marker in its command line."""
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if marker.encode() in Path("/proc", entry, "cmdline").read_bytes():
                return True
        except OSError:
            continue
    return False


class Runner(unittest.TestCase):
    def setUp(self) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="lab-test-"))
        self.addCleanup(shutil.rmtree, self.dir)

    def command(self, topology: str, scenario: str, *options: str) -> list[str]:
        body = textwrap.indent(textwrap.dedent(scenario), "    ")
        (self.dir / "t.clab.yml").write_text(topology)
        (self.dir / "s.py").write_text(f"import os, signal, subprocess, time\n\ndef run(lab):\n{body}\n")
        return [str(LAB), "run", f"{self.dir}/t.clab.yml", f"{self.dir}/s.py", "--out", f"{self.dir}/out", *options]

    def run_lab(self, topology: str, scenario: str, *options: str) -> tuple[int, str]:
        done = subprocess.run(self.command(topology, scenario, *options), capture_output=True, text=True, timeout=60)
        output = done.stdout + done.stderr
        if done.returncode == 77 and "does not let an ordinary user" in output:
            self.skipTest(output)
        return done.returncode, output

    def assert_gone(self, marker: str) -> None:
        end = time.monotonic() + 5
        while exists_anywhere(marker) and time.monotonic() < end:
            time.sleep(0.01)
        self.assertFalse(exists_anywhere(marker), f"{marker} is left behind")

    def test_exit_statuses(self) -> None:
        for scenario, status, word in (
            ("pass", 0, "PASS"),
            ("assert 1 == 2, 'one is not two'", 1, "one is not two"),
            ("raise KeyError('x')", 1, "Traceback"),
            ("raise lab.Skip('not today')", 77, "SKIP not today"),
            ("lab.wait(lambda: 0, 0.05, 'pigs fly')", 1, "pigs fly (last: 0)"),
            ("os._exit(3)", 3, "up   pair"),
        ):
            with self.subTest(scenario):
                code, output = self.run_lab(PAIR, scenario)
                self.assertEqual(code, status, output)
                self.assertIn(word, output)

    def test_a_refused_topology_is_a_usage_error(self) -> None:
        code, output = self.run_lab("name: t\ntopology: {nodes: {a: {kind: vr}}}\n", "pass")
        self.assertEqual(code, 2, output)
        self.assertIn("t.clab.yml:2: key 'topology.nodes.a.kind'", output)

    def test_the_time_limit(self) -> None:
        code, output = self.run_lab(PAIR, "while True:\n    time.sleep(1)", "--timeout", "0.6")
        self.assertEqual(code, 1, output)
        self.assertIn("not finished within 0.6 s", output)

    def test_links_names_environment_and_arguments(self) -> None:
        code, output = self.run_lab(
            PAIR,
            """
            one = lab.nodes["one"]
            assert one.run(["hostname"]).stdout == "one\\n"
            assert "mtu 9500" in one.run(["ip", "link", "show", "two"]).stdout
            assert one.run(["sh", "-c", "echo $SECRET$MINE"], env={"MINE": "m"}).stdout == "m\\n"
            status = one.run(["cat", "/proc/self/status"]).stdout
            ignored = int(status.split("SigIgn:")[1].split()[0], 16)
            assert ignored & ~(3 << 31) == 0, status  # 32 and 33 are the C library's own
            assert lab.args == ["a", "--b"]
            one.path("/run/x").write_text("seen")
            assert one.run(["cat", "/run/x"]).stdout == "seen"
            assert lab.nodes["two"].run(["cat", "/run/x"], check=False).returncode != 0
            """,
            "--",
            "a",
            "--b",
        )
        self.assertEqual(code, 0, output)

    def test_a_failing_exec_line_stops_the_bring_up(self) -> None:
        code, output = self.run_lab(PAIR.replace("dev two", "dev three"), "pass")
        self.assertEqual(code, 1, output)
        self.assertIn("one: exec: ip addr add 10.0.0.1/30 dev three", output)
        self.assertIn('Cannot find device "three"', output)

    def test_a_missing_program_stops_the_bring_up(self) -> None:
        code, output = self.run_lab(PAIR.replace("ip addr", "no-such-program", 1), "pass")
        self.assertEqual(code, 1, output)
        self.assertIn("FAIL one: exec: cannot start: [Errno 2]", output)

    def test_a_failing_cmd_stops_the_bring_up(self) -> None:
        text = PAIR.replace("{exec", "{cmd: sh -c 'echo woe; exit 4', healthcheck: {test: [CMD, 'false']}, exec", 1)
        code, output = self.run_lab(text, "pass")
        self.assertEqual(code, 1, output)
        self.assertIn("one: cmd: ended with 4\nwoe", output)

    def test_binds(self) -> None:
        (self.dir / "f").write_text("content")
        text = PAIR.replace("{exec", "{binds: ['f:/run/d/f:ro', '__clabNodeDir__/state:/run/state'], exec", 1)
        code, output = self.run_lab(
            text,
            """
            one = lab.nodes["one"]
            assert one.run(["cat", "/run/d/f"]).stdout == "content"
            assert "Read-only" in one.run(["sh", "-c", "echo x > /run/d/f"], check=False).stderr
            one.run(["sh", "-c", "echo kept > /run/state/x"])
            """,
        )
        self.assertEqual(code, 0, output)
        self.assertEqual((self.dir / "out/clab-pair/one/state/x").read_text(), "kept\n")
        code, output = self.run_lab(text.replace("'f:", "'missing:"), "pass")
        self.assertEqual(code, 1, output)
        self.assertIn("missing does not exist", output)

    def test_stages_delays_health_and_shared_networks(self) -> None:
        code, output = self.run_lab(
            """\
name: order
topology:
  defaults: {kind: linux, binds: ["__clabDir__:/run/shared"]}
  nodes:
    last:
      stages: {create: {wait-for: [{node: first, stage: healthy}, {node: middle, stage: exit}]}}
      cmd: sh -c 'echo last >> /run/shared/log'
    middle:
      network-mode: container:first
      stages: {configure: {wait-for: [{node: first, stage: healthy}]}}
      cmd: sh -c 'until grep -q exec /run/shared/log; do sleep 0.01; done; echo middle >> /run/shared/log'
      exec: ["sh -c 'echo exec >> /run/shared/log'"]
    first:
      startup-delay: 1
      cmd: sh -c 'sleep 0.2; echo first >> /run/shared/log; sleep 100'
      healthcheck: {test: [CMD, grep, first, /run/shared/log]}
""",
            """
            assert (lab.out / "clab-order/log").read_text().split() == ["first", "exec", "middle", "last"]
            names = [os.readlink(f"/proc/{lab.nodes[n].holder}/ns/net") for n in ("first", "middle", "last")]
            assert names[0] == names[1] != names[2]
            """,
        )
        self.assertEqual(code, 0, output)

    def test_nothing_is_left_behind(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
            with self.subTest(number.name):
                marker = f"{self.dir.name}-{number.name}"
                scenario = f"""
                    lab.nodes["one"].start("stubborn", ["sh", "-c", "trap '' TERM; sleep 100 & : {marker}; wait; wait"])
                    print("started", flush=True)
                    time.sleep(100)
                    """
                runner = subprocess.Popen(
                    self.command(PAIR, scenario), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                )
                assert runner.stdout is not None
                with runner.stdout:
                    if not any("started" in line for line in iter(runner.stdout.readline, "")):
                        self.skipTest("no lab here")
                    self.assertTrue(exists_anywhere(marker))
                    runner.send_signal(number)
                    code = runner.wait(10)
                self.assertEqual(code, -9 if number == signal.SIGKILL else 128 + number)
                self.assert_gone(marker)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: GPL-3.0-or-later
"""The containerlab back end without an engine: what it makes of files and names, and what it does when programs fail.

docker and containerlab are played by scripts here; `make test-containerlab` has the real ones.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))

from labkit import containers, engine, procview, sandbox  # noqa: E402
from labkit.containers import ContainerProc, signal_status  # noqa: E402
from labkit.node import LabError  # noqa: E402
from labkit.topology import Topology, read_topology  # noqa: E402

TOPOLOGY = """\
name: pair
topology:
  defaults:
    kind: linux
    network-mode: none
    binds: ["__clabNodeDir__:/run/node", "conf:/run/conf:ro"]
  nodes:
    one: {binds: ["__clabNodeDir__/state:/run/state"]}
    two: {}
"""


class Names(unittest.TestCase):
    def test_exit_statuses_of_docker(self) -> None:
        for told, wanted in ((0, 0), (1, 1), (127, 127), (128, 128), (137, -9), (143, -15), (255, 255)):
            self.assertEqual(signal_status(told), wanted)

    def test_a_made_proc_has_what_is_there_and_what_comes(self) -> None:
        names = procview.link_names(["self", "1"], 1000, 4_000_000)
        self.assertTrue({"self", "1", "1001", "31000"} <= names)
        self.assertNotIn("31001", names)

    def test_the_numbers_begin_anew_after_the_greatest(self) -> None:
        names = procview.link_names([], 32_000, 32_768)
        self.assertTrue({"32767", "0", "300", "20000"} <= names)
        self.assertNotIn("32768", names)


class Processes(unittest.TestCase):
    def test_a_process_is_seen_signalled_and_waited_for(self) -> None:
        class Sleeper(ContainerProc):
            def _status(self, timeout: float) -> int:
                return child.wait(timeout)

        child = subprocess.Popen(["sleep", "100"])
        proc = Sleeper("sleep", child.pid, Path("/dev/null"))
        self.assertTrue(proc.alive())
        with self.assertRaises(subprocess.TimeoutExpired):
            proc.wait(0.01)
        proc.kill(signal.SIGTERM)
        self.assertEqual(proc.wait(), -signal.SIGTERM)
        self.assertFalse(proc.alive())
        proc.kill()  # nobody is hit

    def test_one_that_was_gone_before_it_was_seen(self) -> None:
        proc = ContainerProc("x", 0, Path("/dev/null"))
        self.assertFalse(proc.alive())
        proc.kill()


class WithScripts(unittest.TestCase):
    """docker and containerlab are shell scripts that write down how they were called."""

    def setUp(self) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="lab-test-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.calls = self.dir / "calls"
        self.calls.touch()
        (self.dir / "bin").mkdir()
        path = mock.patch.dict(os.environ, {"PATH": f"{self.dir}/bin:/usr/bin:/bin"})
        path.start()
        self.addCleanup(path.stop)
        view = mock.patch.object(procview, "needed", return_value=False)
        view.start()
        self.addCleanup(view.stop)

    def script(self, name: str, body: str) -> None:
        file = self.dir / "bin" / name
        file.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.calls}\n{body}\n')
        file.chmod(0o755)

    def topology(self) -> Topology:
        file = self.dir / "t.clab.yml"
        file.write_text(TOPOLOGY)
        return read_topology(file, {})

    def test_only_directories_of_the_lab_are_made(self) -> None:
        made = containers.make_bind_sources(self.topology(), self.dir / "clab-pair")
        self.assertEqual(
            [str(path.relative_to(self.dir / "clab-pair")) for path in made], ["one", "one/state", "two"]
        )
        self.assertFalse((self.dir / "conf").exists())

    def test_a_lab_that_somebody_deployed_is_left_alone(self) -> None:
        self.script("docker", "echo 4711")
        self.script("containerlab", "")
        with self.assertRaisesRegex(LabError, "pair is deployed already .1 containers.: containerlab destroy -t"):
            containers.bring_up(self.topology(), self.dir / "out" / "clab-pair")
        self.assertNotIn("containerlab deploy", self.calls.read_text())
        self.assertNotIn("containerlab destroy", self.calls.read_text())

    def test_a_failed_deploy_is_told_and_destroyed(self) -> None:
        for what, body in (
            ("a bad status", 'echo "no such image" && exit 3'),
            ("a failing exec line", 'echo "ERRO Failed to execute command node=one" && exit 0'),
        ):
            with self.subTest(what):
                self.script("docker", "")
                self.script("containerlab", f'[ "$1" = destroy ] && exit 0\n{body}')
                out = self.dir / what
                (out / "clab-pair").mkdir(parents=True)
                with self.assertRaisesRegex(LabError, "containerlab deploy gave [03]:(.|\n)*(no such image|Failed to)"):
                    containers.bring_up(self.topology(), out / "clab-pair")
                self.assertRegex(self.calls.read_text(), "containerlab deploy -t .*\n(.*\n)*containerlab destroy -t")

    def test_what_destroy_leaves_is_removed_and_told(self) -> None:
        self.script("docker", 'case "$1" in ps) echo 11; echo 12 ;; esac')
        self.script("containerlab", "")
        (self.dir / "clab-pair").mkdir()
        with self.assertRaisesRegex(LabError, "left 2 containers"):
            containers.take_down(self.topology(), self.dir / "clab-pair", {})
        self.assertIn("docker rm --force 11 12", self.calls.read_text())

    def test_what_a_machine_lacks(self) -> None:
        with mock.patch("os.geteuid", return_value=1000):
            self.assertEqual(containers.missing(), "containerlab needs root")
        with mock.patch("os.geteuid", return_value=0):
            self.script("docker", "exit 1")
            self.assertIn("no containerlab in PATH", containers.missing())
            self.script("containerlab", "")
            self.assertIn("make node-image", containers.missing())
            self.script("docker", "")
            self.assertEqual(containers.missing(), "")

    def test_without_an_engine_and_without_root_it_is_skipped(self) -> None:
        self.script("docker", "exit 1")
        with mock.patch("os.geteuid", return_value=1000):
            self.assertEqual(engine.run(lambda: 0), sandbox.SKIPPED)

    def test_an_engine_that_answers_is_used(self) -> None:
        self.script("docker", "")
        self.assertEqual(engine.run(lambda: 5), 5)

    def test_control_groups_of_killed_labs_are_found_and_removed(self) -> None:
        for name in ("cpu/anycast-lab-10/container", "pids/anycast-lab-10", "cpu/anycast-lab-11", "cpu/docker"):
            (self.dir / "cg" / name).mkdir(parents=True)
        self.assertEqual(engine._dead_owners(["11", "self"], self.dir / "cg"), {"anycast-lab-10"})
        engine._remove_cgroups("anycast-lab-10", self.dir / "cg")
        self.assertEqual(
            sorted(str(p.relative_to(self.dir / "cg")) for p in (self.dir / "cg").glob("*/*")),
            ["cpu/anycast-lab-11", "cpu/docker"],
        )


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of topologies."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from labkit.graph import to_dot, to_svg  # noqa: E402
from labkit.topology import read_topology  # noqa: E402

FIVE_SITES = HERE.parent / "topology" / "five-sites.clab.yml"
HOSTILE = """\
name: h
topology:
  defaults: {kind: linux, network-mode: none}
  nodes:
    a: {labels: {role: site, place: 'Q"u\\o<te>&'}}
    b: {}
  links:
    - {endpoints: ["a:x", "b:x"], vars: {delay_ms: 12.5}}
"""


class Graph(unittest.TestCase):
    def test_every_node_and_link_is_drawn(self) -> None:
        topology = read_topology(FIVE_SITES)
        svg = ElementTree.fromstring(to_svg(topology))
        groups = [group.get("class") for group in svg.iter("{http://www.w3.org/2000/svg}g")]
        self.assertEqual(groups.count("node"), len(topology.nodes))
        self.assertEqual(groups.count("edge"), len(topology.links))

    def test_names_are_data(self) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".clab.yml") as file:
            file.write(HOSTILE)
            file.flush()
            topology = read_topology(Path(file.name))
        text = "".join(ElementTree.fromstring(to_svg(topology)).itertext())
        self.assertIn('Q"u\\o<te>&', text)
        self.assertIn("12.5 ms", text)
        self.assertIn('"a" -- "b"', to_dot(topology))

    def test_the_command(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            out = Path(directory) / "lab.svg"
            subprocess.run([HERE / "lab", "graph", FIVE_SITES, "-o", out], check=True, timeout=60)
            self.assertIn("</svg>", out.read_text())
            done = subprocess.run([HERE / "lab", "graph", FIVE_SITES, "-o", f"{directory}/no/x"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn("cannot write the picture", done.stderr)


if __name__ == "__main__":
    unittest.main()

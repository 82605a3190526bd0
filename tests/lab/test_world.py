# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the world are what make-world writes, and what it writes hangs together."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import unittest
from pathlib import Path
from types import ModuleType

TOPOLOGY = Path(__file__).resolve().parent.parent / "topology"
sys.path.insert(0, str(Path(__file__).resolve().parent))

from labkit.topology import read_topology  # noqa: E402


def load_generator() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("make_world", str(TOPOLOGY / "make-world"))
    spec = importlib.util.spec_from_loader("make_world", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_world"] = module  # dataclasses look there
    loader.exec_module(module)
    return module


class World(unittest.TestCase):
    def setUp(self) -> None:
        self.world = load_generator()

    def test_the_files_are_the_written_ones(self) -> None:
        made = self.world.files()
        found = {"world.clab.yml", *(str(p.relative_to(TOPOLOGY)) for p in (TOPOLOGY / "world").glob("*/*"))}
        self.assertEqual(set(made), found)
        for name, text in made.items():
            self.assertEqual((TOPOLOGY / name).read_text(encoding="utf-8"), text, f"{name}: run make-world")

    def test_every_address_is_used_once(self) -> None:
        used = [
            line.split()[2].split("/")[0]
            for name, text in self.world.files().items()
            if name.endswith(".ip")
            for line in text.splitlines()
            if line.startswith("addr add")
        ]
        self.assertEqual(sorted(set(used)), sorted(used))

    def test_delays_are_those_of_the_places(self) -> None:
        delays = {(link.one.name, link.other.name): link.delay_ms for link in self.world.LINKS}
        self.assertEqual(delays["akl", "oce"], 1)  # the same city
        self.assertTrue(60 <= delays["t1", "t2"] <= 75)  # London, Los Angeles: 8,760 km
        topology = read_topology(TOPOLOGY / "world.clab.yml")
        self.assertTrue(all(link.delay_ms for link in topology.links if "mgmt" not in (end.node for end in link.ends)))

    def test_it_is_what_it_says(self) -> None:
        topology = read_topology(TOPOLOGY / "world.clab.yml")
        roles = [node.labels["role"] for node in topology.nodes.values()]
        self.assertEqual((roles.count("site"), roles.count("route-server"), roles.count("client")), (12, 1, 20))
        places = [node.labels["place"] for node in topology.nodes.values() if node.labels["role"] == "site"]
        self.assertEqual(len(set(places)), 12)

    def test_a_site_binds_what_the_sites_of_the_other_lab_bind(self) -> None:
        """The shared site.conf includes files: both labs must have them."""
        world, five = (read_topology(TOPOLOGY / f"{name}.clab.yml") for name in ("world", "five-sites"))
        self.assertEqual(set(world.nodes["akl"].binds), set(five.nodes["akl"].binds))
        self.assertEqual(set(world.nodes["t1"].binds), set(five.nodes["t1"].binds))


if __name__ == "__main__":
    unittest.main()

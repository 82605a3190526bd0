# SPDX-License-Identifier: GPL-3.0-or-later
"""Every topology is valid by containerlab's own schema, and by our reader, which knows less."""

from __future__ import annotations

import json
import sys
import unittest
from pathlib import Path
from typing import Any

import jsonschema
import yaml

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from labkit.clabfile import expand_environment  # noqa: E402
from labkit.topology import read_topology  # noqa: E402

TOPOLOGIES = sorted((HERE.parent / "topology").glob("*.clab.yml"))


def problems(text: str) -> list[str]:
    """What the schema says against a file, as "place: message"."""
    schema = json.loads((HERE / "schema" / "clab.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    document: Any = yaml.safe_load(expand_environment("topology", text, {}))
    return [f"{error.json_path}: {error.message}" for error in validator(schema).iter_errors(document)]


class Schema(unittest.TestCase):
    def test_there_are_topologies(self) -> None:
        self.assertGreater(len(TOPOLOGIES), 0)

    def test_every_topology(self) -> None:
        for path in TOPOLOGIES:
            with self.subTest(path.name):
                self.assertEqual(problems(path.read_text(encoding="utf-8")), [])
                read_topology(path, {})

    def test_what_the_schema_refuses(self) -> None:
        text = TOPOLOGIES[0].read_text(encoding="utf-8")
        for what, broken in {
            "a key of ours on a node": text.replace("network-mode: none", "network-mode: none\n    site-id: 7", 1),
            "a key of ours on the top": "site-id: 7\n" + text,
            "a number for a sysctl's map": text.replace("sysctls:", "sysctls: 7\n    env:", 1),
            "no nodes": "name: x\ntopology: {}\n",
        }.items():
            with self.subTest(what):
                self.assertNotEqual(broken, text)
                self.assertNotEqual(problems(broken), [])


if __name__ == "__main__":
    unittest.main()

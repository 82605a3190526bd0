# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmarks' result files have the agreed form, whatever was measured."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import unittest
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

BENCH = Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))

import benchkit  # noqa: E402
from benchkit import Row, Setting  # noqa: E402

SETTING = Setting("0123abcd", (0.5, 1.25, 2.0))


def program(name: str) -> ModuleType:
    """A benchmark's program as a module."""
    loader = SourceFileLoader(name, str(BENCH / name))
    spec = spec_from_loader(name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


class ResultFile(unittest.TestCase):
    def written(self, rows: list[Row]) -> Any:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "new", "x.json")
            benchkit.write(path, "x", SETTING, rows)
            self.assertEqual([file.name for file in path.parent.iterdir()], ["x.json"])
            return json.loads(path.read_text())

    def test_has_exactly_the_agreed_keys(self) -> None:
        result = self.written([Row("a_ms", "ms", 1.5), Row("a_ms", "ms", 3, "other", 0.5)])
        self.assertEqual(
            result,
            {
                "bench": "x",
                "commit": "0123abcd",
                "load": [0.5, 1.25, 2.0],
                "rows": [
                    {"name": "a_ms", "unit": "ms", "value": 1.5, "peer": None, "ratio": None},
                    {"name": "a_ms", "unit": "ms", "value": 3, "peer": "other", "ratio": 0.5},
                ],
            },
        )

    def test_what_is_no_number_is_refused_and_the_old_file_stays(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "x.json")
            benchkit.write(path, "x", SETTING, [])
            before = path.read_text()
            with self.assertRaises(ValueError):
                benchkit.write(path, "x", SETTING, [Row("a", "ms", float("nan"))])
            self.assertEqual(path.read_text(), before)


class Figures(unittest.TestCase):
    def test_ratio_is_ours_by_the_peers_and_stands_on_the_peers_row(self) -> None:
        self.assertEqual(
            benchkit.compare("a", "ms", 1, {"p": 4}), [Row("a", "ms", 1), Row("a", "ms", 4, "p", 0.25)]
        )

    def test_no_ratio_to_zero_or_where_it_means_nothing(self) -> None:
        self.assertIsNone(benchkit.compare("a", "count", 1, {"p": 0})[1].ratio)
        self.assertIsNone(benchkit.compare("a", "ms", -1, {"p": 2}, with_ratio=False)[1].ratio)

    def test_percentile_is_a_measured_value(self) -> None:
        hundred = list(range(100, 0, -1))
        self.assertEqual([benchkit.percentile(hundred, p) for p in (1, 50, 95, 100)], [1, 50, 95, 100])
        self.assertEqual(benchkit.percentile([7.0], 95), 7.0)
        self.assertEqual(benchkit.percentile([1, 2, 3], 95), 3)
        for values, percent in (([], 50), ([1], 0), ([1], 101)):
            with self.assertRaises(ValueError):
                benchkit.percentile(values, percent)

    def test_table_has_a_line_per_name_and_a_column_per_peer(self) -> None:
        rows = [Row("a", "ms", 1.04), Row("a", "ms", 2.0, "p", 0.52), Row("b", "count", 3)]
        self.assertEqual(
            [line.split() for line in benchkit.table(rows).splitlines()],
            [["anycastd", "p", "ratio"], ["a", "(ms)", "1.0", "2.0", "0.52"], ["b", "(count)", "3", "-", "-"]],
        )
        self.assertEqual(benchkit.table([Row("a", "ms", 1.0)]).splitlines()[1].split(), ["a", "(ms)", "1.0"])


class Commit(unittest.TestCase):
    def test_tells_a_changed_tree_from_a_clean_one_and_no_repository_at_all(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            self.assertEqual(benchkit.commit(Path(directory)), "unknown")
            git = ["git", "-C", directory, "-c", "user.name=x", "-c", "user.email=x@localhost"]
            subprocess.run([*git, "init", "-q"], check=True)
            subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
            self.assertRegex(benchkit.commit(Path(directory)), r"^[0-9a-f]{40}$")
            Path(directory, "new").touch()
            self.assertRegex(benchkit.commit(Path(directory)), r"^[0-9a-f]{40}-dirty$")


class Reaction(unittest.TestCase):
    @staticmethod
    def sample(peer: str | None, total: float, after: float, others: int = 0) -> dict[str, Any]:
        return {
            "peer": peer,
            "death_to_withdraw_ms": total,
            "after_last_probe_ms": after,
            "neighbour_updates": others,
        }

    def test_rows_of_two_contestants(self) -> None:
        samples = [self.sample(None, t, 4) for t in (450, 500, 610)]
        samples += [self.sample("exabgp", t, 8, 1) for t in (900, 1000, 1100)]
        rows = program("reaction").evaluate(samples)
        found = {(row.name, row.peer): (row.value, row.ratio) for row in rows}
        self.assertEqual(len(found), len(rows))
        self.assertEqual(found["death_to_withdraw_ms", None], (500, None))
        self.assertEqual(found["death_to_withdraw_ms", "exabgp"], (1000, 0.5))
        self.assertEqual(found["death_to_withdraw_max_ms", None], (610, None))
        self.assertEqual(found["probe_budget_ms", None], (600, None))
        self.assertEqual(found["overhead_ms", None], (-100, None))
        self.assertEqual(found["worst_over_budget_ms", "exabgp"], (500, None))
        self.assertEqual(found["reaction_after_last_probe_ms", "exabgp"], (8, 0.5))
        self.assertEqual(found["neighbour_updates", None], (0, None))
        self.assertEqual(found["neighbour_updates", "exabgp"], (3, None))

    def test_without_the_peer_there_are_only_our_rows(self) -> None:
        rows = program("reaction").evaluate([self.sample(None, 500, 4)])
        self.assertEqual({row.peer for row in rows}, {None})


if __name__ == "__main__":
    unittest.main()

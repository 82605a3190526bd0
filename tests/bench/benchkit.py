# SPDX-License-Identifier: GPL-3.0-or-later
"""What all benchmarks share: figures, the table that people read, the JSON file that programs read.

A result file is {"bench", "commit", "load", "rows"}; a row is {"name", "unit", "value", "peer", "ratio"}.
Our own rows have neither peer nor ratio.  A peer's row has the peer's value, and as ratio ours divided by it.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_OURS = "anycastd"


@dataclass(frozen=True)
class Row:
    name: str
    unit: str
    value: float
    peer: str | None = None
    ratio: float | None = None


@dataclass(frozen=True)
class Setting:
    """Under what conditions a benchmark ran: made before it begins, so that its own load is not in it."""

    commit: str
    load: tuple[float, float, float]

    @classmethod
    def now(cls) -> Setting:
        return cls(commit(), os.getloadavg())


def compare(name: str, unit: str, ours: float, peers: dict[str, float], with_ratio: bool = True) -> list[Row]:
    """Our row and one for each peer.  No ratio where it would mean nothing: to zero, or of differences."""
    rows = [Row(name, unit, round(ours, 3))]
    for peer, value in peers.items():
        ratio = round(ours / value, 3) if with_ratio and value else None
        rows.append(Row(name, unit, round(value, 3), peer, ratio))
    return rows


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that is not exceeded by `percent` of all: always one that was measured."""
    if not values or not 0 < percent <= 100:
        raise ValueError("percentile: of nothing, or not in 0 to 100")
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def commit(directory: Path = ROOT) -> str:
    """The commit that is checked out, with "-dirty" if any file differs from it or is new; else "unknown"."""
    try:
        head = _git(directory, "rev-parse", "HEAD")
        return head + ("-dirty" if _git(directory, "status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(directory: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=directory, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.strip()


def write(path: Path, bench: str, setting: Setting, rows: Sequence[Row]) -> None:
    """Replaces the result file as a whole: a reader never sees half of one."""
    result = {"bench": bench, "commit": setting.commit, "load": list(setting.load), "rows": [asdict(r) for r in rows]}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="ascii")
    draft.replace(path)


def table(rows: Sequence[Row]) -> str:
    """One line per name: ours, then each peer and the ratio to it, in the order of the rows."""
    peers = list(dict.fromkeys(row.peer for row in rows if row.peer is not None))
    found = {(row.name, row.peer): row for row in rows}
    lines = [["", _OURS, *(word for peer in peers for word in (peer, "ratio"))]]
    for name, unit in dict.fromkeys((row.name, row.unit) for row in rows):
        line = [f"{name} ({unit})", _number(found.get((name, None)))]
        for peer in peers:
            row = found.get((name, peer))
            line += [_number(row), "-" if row is None or row.ratio is None else f"{row.ratio:.2f}"]
        lines.append(line)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(w.rjust(n) for w, n in zip(line[1:], widths[1:], strict=True))]).rstrip()
        for line in lines
    )


def _number(row: Row | None) -> str:
    if row is None:
        return "-"
    return f"{row.value:d}" if isinstance(row.value, int) else f"{row.value:.1f}"

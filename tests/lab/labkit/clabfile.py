# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML values that remember where they stand, so that every refusal names file, line and key."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import yaml

_DOLLAR = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\})?")
_PLAIN_TAGS = {"tag:yaml.org,2002:" + kind for kind in ("str", "int", "float")}


class TopologyError(Exception):
    """The file says something that the runner must not guess about."""

    def __init__(self, source: str, line: int, why: str) -> None:
        super().__init__(f"{source}:{line}: {why}")
        self.line = line


@dataclass(frozen=True)
class Value:
    """One YAML value, its dotted key and the line that a reader should look at."""

    source: str
    key: str
    line: int
    node: yaml.Node

    def fail(self, why: str) -> NoReturn:
        raise TopologyError(self.source, self.line, f"key '{self.key}': {why}")

    def mapping(self) -> dict[str, Value]:
        if not isinstance(self.node, yaml.MappingNode):
            self.fail("must be a mapping")
        found: dict[str, Value] = {}
        for key_node, value_node in self.node.value:
            line = key_node.start_mark.line + 1
            name = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            entry = Value(self.source, f"{self.key}.{name}".lstrip("."), line, value_node)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in _PLAIN_TAGS:
                entry.fail(f"'{name}' cannot be a key; quote it if it is meant as text")
            if name in found:
                entry.fail(f"given twice, first in line {found[name].line}")
            found[name] = entry
        return found

    def items(self) -> list[Value]:
        if not isinstance(self.node, yaml.SequenceNode):
            self.fail("must be a list")
        return [
            Value(self.source, f"{self.key}[{index}]", item.start_mark.line + 1, item)
            for index, item in enumerate(self.node.value)
        ]

    def text(self) -> str:
        """Text or number, as written.  A bare yes, true or null is a trap and therefore refused."""
        if not isinstance(self.node, yaml.ScalarNode):
            self.fail("must be text")
        if self.node.tag not in _PLAIN_TAGS:
            self.fail(f'must be text; write "{self.node.value}" in quotes if that is meant')
        return str(self.node.value)

    def integer(self, low: int, high: int) -> int:
        text = self.text()
        if self.node.tag != "tag:yaml.org,2002:int" or not text.isdecimal():
            self.fail("must be a whole number")
        number = int(text)
        if not low <= number <= high:
            self.fail(f"must be between {low} and {high}")
        return number

    def number(self, low: float, high: float) -> float:
        text = self.text()
        if not re.fullmatch(r"\d+(\.\d+)?", text):
            self.fail("must be a number")
        number = float(text)
        if not low <= number <= high:
            self.fail(f"must be between {low} and {high}")
        return number

    def only(self, *known: str) -> dict[str, Value]:
        """The mapping, provided that it has no other keys than the known ones."""
        found = self.mapping()
        for name, entry in found.items():
            if name not in known:
                entry.fail(f"not in the subset that the runner reads (it reads: {', '.join(known)})")
        return found


def expand_environment(source: str, text: str, environ: Mapping[str, str]) -> str:
    """Replaces ${NAME} and ${NAME:-default}, turns $$ into $; refuses every other dollar sign.

    Comment lines stay as they are.
    """

    def expand_line(number: int, line: str) -> str:
        def replace(match: re.Match[str]) -> str:
            if match["escaped"]:
                return "$"
            name, default = match["name"], match["default"]
            if name is None:
                raise TopologyError(source, number, "'$' must be written as $$, or as ${NAME:-default}")
            value = environ.get(name) or default
            if value is None:
                raise TopologyError(source, number, f"variable {name} is not set and has no ':-default'")
            return value

        return line if line.lstrip().startswith("#") else _DOLLAR.sub(replace, line)

    return "".join(expand_line(n, line) for n, line in enumerate(text.splitlines(keepends=True), 1))


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Value:
    """Reads a file into its root value."""
    source = os.path.relpath(path) if path.is_absolute() else str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TopologyError(source, 0, f"cannot be read: {error}") from error
    try:
        root = yaml.compose(expand_environment(source, text, environ), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise TopologyError(source, line, f"not valid YAML: {error.problem}") from error
    if root is None:
        raise TopologyError(source, 1, "the file is empty")
    return Value(source, "", 1, root)

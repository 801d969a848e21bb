"""Where in a notebook's file the line stands that a report speaks of, so that whoever shows the file can point at it.

A notebook is JSON, in which every line of a cell has a line of the file; where all of a cell is one text, that text's
line is the nearest. It reads the file's text and what a report says, and may not know how anything was checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bnn_core.answers.notebook import is_script, read_notebook
from bnn_core.answers.slicing import seems_to_define

if TYPE_CHECKING:
    from bnn_core.autograder.report import Outcome, Report

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s"{}\[\],:]+', re.DOTALL)
_NAMED = re.compile(r"\b(cell \d+)(?:, |[^\n(]*\()line (\d+)")
_QUOTED = re.compile(r"^The line: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Place:
    """A line of a learner's.

    cell: as in "cell 5", the fifth code cell. line: in that cell. file_line: in the file. All count from 1.
    """

    cell: str
    line: int
    file_line: int

    @property
    def in_words(self) -> str:
        return f"{self.cell}, line {self.line}"


class Places:
    """The lines of a notebook's code cells: for each its text and its line in the file."""

    def __init__(self, path: Path) -> None:
        """path: of a notebook that can be read. Raises Unreadable."""
        cells = _cells_of_a_script(path) if is_script(path.name) else _cells_of_a_notebook(path)
        self._cells = {f"cell {number}": lines for number, lines in enumerate(cells, start=1)}

    def of(self, report: Report, outcome: Outcome | None = None) -> Place | None:
        """The line that the message names or quotes, or else the one where the exercise's definition begins, or its
        check stands. None where the notebook has neither.
        """
        messages = [outcome.message] if outcome is not None else []
        return next(filter(None, self._candidates(report.exercise, [*messages, report.message])), None)

    def _candidates(self, exercise: str, messages: list[str]) -> Iterator[Place | None]:
        defining = [label for label in self._cells if seems_to_define(self._source(label), exercise, at_top=True)]
        for message in messages:
            yield from (self._at(cell, int(line)) for cell, line in _NAMED.findall(message))
            for line in _QUOTED.findall(message):
                yield from (self._first(label, re.escape(line.strip())) for label in [*defining[::-1], *self._cells])
        name = re.escape(exercise)
        yield from (self._first(label, rf"(?:async\s+)?(?:class|def)\s+{name}\b.*") for label in defining[::-1])
        yield from (self._first(label, rf"check\(\s*{name}\b.*") for label in self._cells)

    def _source(self, label: str) -> str:
        return "\n".join(text for text, _ in self._cells[label])

    def _at(self, label: str, line: int) -> Place | None:
        lines = self._cells.get(label, [])
        return Place(label, line, lines[line - 1][1]) if 0 < line <= len(lines) else None

    def _first(self, label: str, pattern: str) -> Place | None:
        """The first line that is nothing but this, blanks around it aside."""
        lines = enumerate(self._cells[label], start=1)
        found = (Place(label, number, there) for number, (text, there) in lines if re.fullmatch(pattern, text.strip()))
        return next(found, None)


Lines = list[tuple[str, int]]


def _cells_of_a_notebook(path: Path) -> list[Lines]:
    content = path.read_bytes()
    text = content.decode(json.detect_encoding(content)).removeprefix("\ufeff")
    sources: dict[int, Lines] = {}
    code = set()
    for place, value, line in _strings(text):
        match place:
            case ("cells", int(number), "cell_type") if value == "code":
                code.add(number)
            case ("cells", int(number), "source", *_):
                _append(sources.setdefault(number, []), value, line)
            case ("cells", int(number), "id"):
                sources.setdefault(number, [])  # an empty cell counts too
    return [lines for number, lines in sorted(sources.items()) if number in code]


def _append(lines: Lines, value: str, file_line: int) -> None:
    """Add a piece of a source, which may end within a line, or hold several."""
    first, *others = value.split("\n")
    before, where = lines.pop() if lines else ("", file_line)
    lines.append((before + first, where if before else file_line))
    lines.extend((other, file_line) for other in others)


def _strings(text: str) -> Iterator[tuple[tuple[str | int | None, ...], str, int]]:
    """Every string that is a value in the JSON: the keys and positions that lead to it, itself, and its line."""
    path: list[str | int | None] = []  # of each open list the position, of each open object the key, once it is there
    line, counted = 1, 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in "{[":
            path.append(None if token == "{" else 0)
        elif token in "}]":
            path.pop()
        elif token == ",":
            path[-1] = path[-1] + 1 if isinstance(path[-1], int) else None
        elif token[0] == '"' and path and path[-1] is None:
            path[-1] = json.loads(token, strict=False)
        elif token[0] == '"':
            line, counted = line + text.count("\n", counted, match.start()), match.start()
            yield tuple(path), json.loads(token, strict=False), line


def _cells_of_a_script(path: Path) -> list[Lines]:
    text = path.read_text(encoding="utf-8-sig")
    cells, end = [], 0
    for source in read_notebook(path).cells:
        begin = text.index(source, end)
        end = begin + len(source)
        first = text.count("\n", 0, begin) + 1
        cells.append([(line, first + number) for number, line in enumerate(source.split("\n"))])
    return cells

"""What a person decided about a mark: a table in the report's folder, which is theirs. It is read whenever a report is
written, and only ever added to. It may not know how a mark came about.
"""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import product
from pathlib import Path

from bnn_core.classroom.results import as_text, number
from bnn_core.classroom.roster import without_quote, words_of
from bnn_core.classroom.tables import BadTable, Table, amount

OVERRIDES = "overrides.csv"
HEADERS = ("student", "exercise", "score", "comment")
LEAST_LIKE, MOST_NEAR = 0.7, 5
"""How like each word of a name must be to one of another's to mean it, and how many are suggested."""

_BEGINNING = ("\ufeff" + ",".join(HEADERS) + "\r\n").encode()
"""With the sign by which a spreadsheet knows UTF-8."""


@dataclass(frozen=True)
class Override:
    """student: by any name or id. line: where it stands in the file."""

    student: str
    exercise: str
    score: float
    comment: str = ""
    line: int = 0


def read_overrides(report: Path) -> list[Override]:
    """In the order of the file, so that a later one counts. Raises BadTable."""
    path = report / OVERRIDES
    if not path.exists():
        return []
    table = Table.read(path)
    headers = [header.casefold() for header in table.headers]
    if missing := [name for name in HEADERS[:3] if name not in headers]:
        raise BadTable(f"{path} has no column {missing[0]!r}; its first line is to be {','.join(HEADERS)}")
    places = [headers.index(name) if name in headers else len(headers) for name in HEADERS]
    found = []
    for row in table.filled(1):
        student, exercise, score, comment = (table.cell(row, place) for place in places)
        where = f"{path}, line {table.lines[row]}"
        points = amount(score)
        if points is None or not math.isfinite(points):
            raise BadTable(f"{where}: the score {score!r} is no number; write one, such as 7.5")
        found.append(Override(without_quote(student), exercise, points, without_quote(comment), table.lines[row]))
    return found


def with_override(report: Path, override: Override) -> bytes:
    """The file's content with one more line. Raises BadTable."""
    path = report / OVERRIDES
    table = Table.read(path) if path.exists() else Table(path, _BEGINNING)
    headers = [header.casefold() for header in table.headers]
    values = {
        "student": as_text(override.student),
        "exercise": override.exercise,
        "score": number(override.score),
        "comment": as_text(" ".join(override.comment.split())),
    }
    table.append([values.get(header, "") for header in headers])
    return table.content()


class Directory:
    """Finds students by whatever they are called by."""

    def __init__(self, called_by: Mapping[str, Collection[str]]) -> None:
        self._students = set(called_by)
        self._owners = [defaultdict[str, set[str]](set) for _ in _SPELLINGS]
        for student, names in called_by.items():
            for name, (owners, spelt) in product(names, zip(self._owners, _SPELLINGS, strict=True)):
                owners[spelt(name)].add(student)

    def find(self, name: str) -> list[str]:
        """Nobody, one, or those of whom it can't be told which is meant."""
        if name in self._students:
            return [name]
        found = (owners.get(spelt(name)) for owners, spelt in zip(self._owners, _SPELLINGS, strict=True))
        return sorted(next(filter(None, found), ()))

    def near(self, name: str) -> list[str]:
        """All of whose names this is a part; or else the few whose names are most like it in each of its words, so that
        a family's name alone is no likeness.
        """
        likeness = {student: _likeness(name, student) for student in self.students}
        if parts := [student for student in self.students if likeness[student] == 1]:
            return parts
        near = [student for student in self.students if likeness[student] >= LEAST_LIKE]
        return sorted(near, key=lambda student: -likeness[student])[:MOST_NEAR]

    @property
    def students(self) -> list[str]:
        return sorted(self._students)


def _likeness(name: str, other: str) -> float:
    """From 0 to 1, of that word of a name to which none of the other's is like."""
    words, others = (words_of(_without_accents(one)).split() for one in (name, other))
    likest = (max((SequenceMatcher(None, word, one).ratio() for one in others), default=0.0) for word in words)
    return min(likest, default=0.0)


def _without_accents(name: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign))


_SPELLINGS: tuple[Callable[[str], str], ...] = (str.casefold, words_of)
"""The surest first; the second finds "Lovelace, Ada" where "Ada Lovelace" stands."""

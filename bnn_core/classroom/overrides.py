"""What a person decided about a mark: a table in the report's folder, which is theirs. It is read whenever a report is
written, and only ever added to. It may not know how a mark came about.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from bnn_core.classroom.results import as_text, number
from bnn_core.classroom.roster import without_quote
from bnn_core.classroom.tables import BadTable, Table, amount

OVERRIDES = "overrides.csv"
HEADERS = ("student", "exercise", "score", "comment")

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

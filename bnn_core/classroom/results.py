"""The files of a report that other programs read, report.json and grades.csv, each written whole or not at all. It may
not know how a submission is graded.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from bnn_core.classroom.grading import Row
from bnn_core.classroom.text import as_json, as_name

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def write_atomically(path: Path, content: str | bytes) -> None:
    """All of the file or none of it, so that whoever reads it meanwhile finds the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_report(path: Path, rows: Iterable[Row]) -> None:
    write_atomically(path, as_json({"results": list(rows)}) + "\n")


def write_grades(
    path: Path,
    rows: Iterable[Row],
    ids: Mapping[str, str] | None = None,
    by_hand: Mapping[tuple[str, str], str] | None = None,
) -> None:
    """A line per student and lesson: the score of every exercise, their total, and what could be had at most.

    An exercise that belongs to another lesson stays empty. Names that a spreadsheet would calculate get a quote
    before them. ids: the students', where a list of the class has them. by_hand: by student and lesson, what a person
    decided; there is a column for it where anything was.
    """
    by_submission: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        by_submission.setdefault((row["student"], row["lesson"]), {})[row["exercise"]] = row
    exercises = list(dict.fromkeys(name for marks in by_submission.values() for name in marks if name))
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(
        ["student", *(["id"] if ids else []), "lesson", *exercises, "total", "max", *(["by hand"] if by_hand else [])]
    )
    for (student, lesson), marks in by_submission.items():
        scores = [number(marks[name]["score"]) if name in marks else "" for name in exercises]
        total, most = (sum(row[field] for row in marks.values()) for field in ("score", "max_score"))
        who = [student, ids.get(student, "")] if ids else [student]
        names = [as_text(as_name(name)) for name in (*who, lesson)]
        said = [as_text(as_name(by_hand.get((student, lesson), "")))] if by_hand else []
        writer.writerow([*names, *scores, number(total), number(most), *said])
    write_atomically(path, table.getvalue())


def as_text(value: str) -> str:
    """The value such that no spreadsheet takes it for a formula."""
    return f"'{value}" if value.lstrip().startswith(FORMULA_SIGNS) or value.startswith(FORMULA_SIGNS) else value


def number(value: float) -> str:
    return f"{round(value, 2):g}"

"""What is kept of a grading: a line per submission as soon as it is graded, by which an interrupted grading goes on,
and at the end report.json and grades.csv. It may not know how a submission is graded or shown.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bnn_core.classroom.grading import Graded, Row

JOURNAL = "results.jsonl"
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


class Journal:
    """The lines of graded submissions in the report's folder, each under a key that names all it depends on."""

    def __init__(self, report: Path, fresh: bool = False) -> None:
        self.path = report / JOURNAL
        self.seed: int | None = None
        self._graded: dict[str, Graded] = {}
        if fresh:
            self.path.unlink(missing_ok=True)
        for line in self._lines():
            self._take(line)
        self._file = open(self.path, "a", encoding="ascii")  # noqa: SIM115  (open as long as the grading goes on)
        if self._file.tell():
            self._file.write("\n")  # the last line may have been cut off

    def _lines(self) -> Iterator[dict[str, Any]]:
        try:
            text = self.path.read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return
        for line in text.splitlines():
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                yield value

    def _take(self, line: dict[str, Any]) -> None:
        if "seed" in line:
            self.seed = line["seed"]
        elif "key" in line:
            self._graded[line["key"]] = Graded(**line["graded"])

    def begin(self, seed: int) -> None:
        """Note the seed from which the inputs of this grading are drawn."""
        if seed != self.seed:
            self.seed = seed
            self._write({"seed": seed})

    def __contains__(self, key: str) -> bool:
        return key in self._graded

    def __getitem__(self, key: str) -> Graded:
        return self._graded[key]

    def add(self, key: str, graded: Graded) -> None:
        self._graded[key] = graded
        self._write({"key": key, "graded": asdict(graded)})

    def _write(self, value: dict[str, Any]) -> None:
        self._file.write(json.dumps(value) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def key_of(*parts: object) -> str:
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()


def course_version(package: Path) -> str:
    """Changes when the checks or anything else of the course's code does."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """All of the file or none of it, so that whoever reads it meanwhile finds the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", errors="replace", newline="")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_report(path: Path, rows: Iterable[Row]) -> None:
    write_atomically(path, json.dumps({"results": list(rows)}, indent=1, ensure_ascii=False) + "\n")


def write_grades(path: Path, rows: Iterable[Row]) -> None:
    """A line per student and lesson: the score of every exercise, their total, and what could be had at most.

    An exercise that belongs to another lesson stays empty. Names that a spreadsheet would calculate get a quote
    before them.
    """
    by_submission: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        by_submission.setdefault((row["student"], row["lesson"]), {})[row["exercise"]] = row
    exercises = list(dict.fromkeys(name for marks in by_submission.values() for name in marks if name))
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["student", "lesson", *exercises, "total", "max"])
    for (student, lesson), marks in by_submission.items():
        scores = [_number(marks[name]["score"]) if name in marks else "" for name in exercises]
        total, most = (sum(row[field] for row in marks.values()) for field in ("score", "max_score"))
        writer.writerow([as_text(student), as_text(lesson), *scores, _number(total), _number(most)])
    write_atomically(path, table.getvalue())


def as_text(value: str) -> str:
    """The value such that no spreadsheet takes it for a formula."""
    return f"'{value}" if value.lstrip().startswith(FORMULA_SIGNS) or value.startswith(FORMULA_SIGNS) else value


def _number(value: float) -> str:
    return f"{round(value, 2):g}"

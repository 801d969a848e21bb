"""A class whose grading is replaced by one that reads the mark in the notebook, so that tests of what comes before and
after need no sandbox, and no process to read each file in.
"""

from __future__ import annotations

import contextlib
import csv
import json
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from nbformat import v4

from bnn_core.answers.notebook import Unreadable
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.classroom import crew, submissions
from bnn_core.classroom.grading import Graded
from bnn_core.classroom.handed_in import Refused
from bnn_core.classroom.sandbox import launching
from bnn_core.classroom.sandbox.reading import Said, Say
from bnn_core.classroom.submissions import NO_NOTEBOOK, Submission
from bnn_core.course import grade_command
from bnn_core.course.command_line import main
from bnn_core.lesson_files import notebook_text

THIRD, SIXTH = "03_bayesian_linear", "06_hidden_layer"


def text_of(submission: Submission) -> str:
    if submission.path is None or submission.home.is_dir():
        return submission.path.read_text(encoding="utf-8") if submission.path else ""
    with zipfile.ZipFile(submission.home) as archive:
        return archive.read(submission.path.relative_to(submission.home).as_posix()).decode()


def result_of(submission: Submission) -> Graded:
    """What the notebook says that it is worth."""
    rows = []
    handed_in = submission.path is not None
    text = text_of(submission)
    score = float(text.split("worth ")[1][0]) if "worth " in text else 0.0
    # The first exercise of a lesson stands for all.
    for exercise in [one for one in EXERCISES.values() if one.lesson == submission.lesson][:1]:
        checks = [{"name": "it is right", "passed": score == 9, "message": "", "misconception": None}]
        status = "passed" if score == 9 else "failed" if handed_in else "not_attempted"
        row = {"student": submission.student, "lesson": submission.lesson, "exercise": exercise.name}
        row |= {"status": status, "message": "" if handed_in else NO_NOTEBOOK, "checks": checks}
        rows.append(row | {"score": min(score, exercise.points), "max_score": exercise.points})
    code = [("cell 1", [(1, text)])] if handed_in else []
    unknown = {"student": submission.student, "lesson": submission.lesson, "exercise": "", "status": "unreadable"}
    return Graded(rows or [unknown | {"score": 0.0, "max_score": 0.0, "message": "", "checks": []}], code)


def in_this_process(functions: Sequence[Callable[[Say], None]], _: int) -> list[Said]:
    """What each function tells, as `in_children` gives it, of files that mean no harm: a child of a process as large as
    this one takes far longer to begin than such a file to read.
    """
    said = [Said([]) for _ in functions]
    for function, one in zip(functions, said, strict=True):
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):  # a child's end closes a zip
            try:
                function(lambda line, lines=one.lines: lines.append(json.loads(json.dumps(line))))
            except (Unreadable, Refused) as error:
                one.trouble = error.reason
    return said


def replace_grading(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Gives every submission that is really graded from then on, not taken from the journal."""
    seen: list[tuple[str, str]] = []

    def grade_all(submissions: Sequence[Submission], *_: Any) -> Iterator[tuple[int, Graded]]:
        for position, submission in enumerate(submissions):
            seen.append((submission.student, submission.lesson))
            yield position, result_of(submission)

    sandbox = SimpleNamespace(protection="namespaces", missing="")
    monkeypatch.setattr(launching, "WarmSandbox", lambda *_: contextlib.nullcontext(sandbox))
    monkeypatch.setattr(launching, "ready_sandbox", lambda *_: sandbox)
    monkeypatch.setattr(crew, "grade_all", grade_all)
    monkeypatch.setattr(submissions, "in_children", in_this_process)
    monkeypatch.setattr(grade_command.signal, "signal", lambda *_: None)
    return seen


class Class:
    """A folder of submissions and a report."""

    def __init__(self, root: Path) -> None:
        self.folder, self.report = root / "class", root / "report"

    def hand_in(self, student: str, lesson: str, worth: int = 5) -> None:
        (self.folder / student).mkdir(parents=True, exist_ok=True)
        notebook = v4.new_notebook(cells=[v4.new_code_cell(f"# worth {worth}", id="one")])
        (self.folder / student / f"{lesson}.ipynb").write_text(notebook_text(notebook), encoding="utf-8")

    def grade(self, *options: str, output: Path | None = None) -> Result:
        arguments = ["grade", str(self.folder), "--output", str(output or self.report), *options]
        return CliRunner().invoke(main, arguments)

    def graded(self, *options: str) -> set[tuple[str, str, float]]:
        """Grade, and give what the report then holds, in each of its three forms."""
        result = self.grade(*options)
        assert result.exit_code == 0, result.output
        rows = json.loads((self.report / "report.json").read_text(encoding="utf-8"))["results"]
        held = {(row["student"], row["lesson"], row["score"]) for row in rows}
        with (self.report / "grades.csv").open(newline="", encoding="utf-8") as file:
            assert {(line["student"], line["lesson"], float(line["total"])) for line in csv.DictReader(file)} == held
        assert {(path.parent.name, path.stem) for path in self.report.glob("*/*.html")} == {one[:2] for one in held}
        index = (self.report / "index.html").read_text(encoding="utf-8")
        assert all(f'href="{student}/{lesson}.html"' in index for student, lesson, _ in held)
        return held

    def refused(self, *options: str, output: Path | None = None) -> str:
        """The one line with which a grading is refused, which has changed nothing."""
        before = snapshot(self.folder.parent)
        result = self.grade(*options, output=output)
        assert result.exit_code == 2, result.output
        assert snapshot(self.folder.parent) == before
        (line,) = result.output.splitlines()
        return line


def snapshot(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}

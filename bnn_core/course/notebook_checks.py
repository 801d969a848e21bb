"""The checks of a notebook file, run in this process: for a learner's own work, whose code is trusted, from
the terminal and from pytest. Grading, which trusts nobody, goes another way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from bnn_core.answers.notebook import Submission, Unreadable, lesson_of, load, read_notebook
from bnn_core.autograder.exercise import Report, not_attempted
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.in_notebook import CountingSink, report_on, undisturbed
from bnn_core.lesson_files import LessonFileError


@dataclass(frozen=True)
class NotebookReport:
    """What came of a notebook: a report for each exercise of its lesson, and remarks on how it was read."""

    lesson: str
    reports: tuple[Report, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return all(report.passed for report in self.reports)


def lesson_in(path: Path) -> str:
    """The lesson that the notebook belongs to. Raises LessonFileError if it is none of the course."""
    try:
        return lesson_of(read_notebook(path), path)
    except Unreadable as error:
        raise _for_a_person(path, error) from None


def check_notebook(
    path: Path, lesson: str | None = None, skip: Collection[str] = (), begin: Callable[[str], None] = lambda _: None
) -> NotebookReport:
    """Runs the checks of every exercise of the notebook's lesson; what its code prints is not shown.

    skip: exercises to leave out. begin: told the name of each before its checks run. Raises LessonFileError where the
    file is no notebook of the course.
    """
    sink = CountingSink()
    try:
        with undisturbed(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
            submission = load(path, lesson)
    except Unreadable as error:
        raise _for_a_person(path, error) from None
    reports = []
    for name in submission.exercises:
        if name not in skip:
            begin(name)
            reports.append(_report(submission, name))
    return NotebookReport(submission.lesson, tuple(reports), submission.notes)


def _report(submission: Submission, name: str) -> Report:
    if name in submission.namespace:
        return report_on(submission.namespace[name], name)
    exercise = EXERCISES[name]
    if reason := submission.program.unrunnable(name):
        return Report(name, "error", f"{name}: {reason}.", points=exercise.points)
    if not submission.errors:
        return not_attempted(exercise, f"the notebook defines no {name}")
    message = "\n".join([f"{name} can't be checked, because it isn't defined:", *submission.errors])
    return Report(name, "error", message, points=exercise.points)


def _for_a_person(path: Path, error: Unreadable) -> LessonFileError:
    reason = error.reason[:1].lower() + error.reason[1:].rstrip(".")
    return LessonFileError(f"{path}: {reason}; give a notebook of the course, or a lesson's name")

"""Grading one submission on another system's machine, as `bnn-course grade` does it: what graders there have in common.
Submitted code runs in the processes that `grade` starts, and never in this one. It may not know what that system is.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from bnn_core.course.command_line import main as bnn_course
from bnn_core.course.grade_command import UNPROTECTED

STUDENT = "submission"
"""What the student is called while this is graded."""

SHUT_IN = "Your code ran in a sandbox that holds no check and no expected value, has no network, and ends with it."
AS_NOBODY = (
    "This machine offers no namespaces, and so no sandbox. What protects the marks here: your code ran in processes "
    "that hold no check and no expected value, as a user who may not enter the grader's folders or touch its "
    "processes, within limits of time and memory; every comparison was made, and this result written, by the grader."
)


class CannotGrade(Exception):
    """Nothing was graded; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """rows: as in report.json. remarks: what the student should know beside them, and first what protected the marks.
    seed: from which the inputs were drawn.
    """

    rows: list[dict[str, Any]]
    remarks: list[str]
    seed: int


def grade_one(
    submission: Path, lesson: str, *options: str, without: Sequence[str] = (), as_nobody: bool = False
) -> Outcome:
    """Grades the folder's content. options: those of `grade`. without: names of files and folders to leave out.
    as_nobody: whether it may go on where there is no sandbox and root grades, so that submitted code is nobody's; the
    caller's folders must then be closed to others.

    Raises CannotGrade, where nothing protects the marks too.
    """
    seed = secrets.randbits(31)
    with tempfile.TemporaryDirectory() as name:
        submissions, report = Path(name, "submissions"), Path(name, "report")
        shutil.copytree(submission, submissions / STUDENT, symlinks=True, ignore=shutil.ignore_patterns(*without))
        unsafe = ["--unsafe"] if as_nobody and os.geteuid() == 0 else []
        arguments = [str(submissions), "--output", str(report), "--lesson", lesson, "--seed", str(seed), "--jobs", "1"]
        said = _said_by_grade([*arguments, *options, *unsafe])
        rows = json.loads((report / "report.json").read_text(encoding="utf-8"))["results"]
    return Outcome(rows, [AS_NOBODY if UNPROTECTED in said else SHUT_IN, *_about_files(said)], seed)


def _said_by_grade(arguments: Sequence[str]) -> str:
    """Runs `bnn-course grade`; gives what it told its user on standard error."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            bnn_course(["grade", *arguments], standalone_mode=False)
    except click.ClickException as error:
        raise CannotGrade(error.format_message()) from None
    return said.getvalue()


def _about_files(said: str) -> list[str]:
    """Of what the grader told its user, what concerns the student: the files that were not read."""
    prefix = f"{STUDENT}: "
    return [line.removeprefix(prefix) for line in said.splitlines() if line.startswith(prefix)]

"""What runs on Gradescope's machine for each submission: grades it as `bnn-course grade` does, and writes what came of
it into results.json, a test for each check.

It is the grader, and the only process that writes a result; submitted code runs in others. Where it can't grade, it
writes nothing and fails, so that nobody gets a zero for the machine's fault.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from bnn_core.course.command_line import main as bnn_course
from bnn_core.course.grade_command import UNPROTECTED

STUDENT = "submission"

TIME = ("--timeout", "60", "--call-timeout", "20")
"""Twice what is usual, for half a processor; eight times as long by the clock is still less than ten minutes."""

MEMORY = ("--memory", "0.35")
"""GiB for submitted code, what it shares with the grader counted too; the machine has 0.75."""

SHUT_IN = "Your code ran in a sandbox that holds no check and no expected value, has no network, and ends with it."
AS_NOBODY = (
    "This machine offers no namespaces, and so no sandbox. What protects the marks here: your code ran in processes "
    "that hold no check and no expected value, as a user who may not enter the grader's folders or touch its "
    "processes, within limits of time and memory; every comparison was made, and this result written, by the grader."
)


class CannotGrade(Exception):
    """Nothing was graded; the message says why."""


def grade_submission(autograder: Path, lesson: str, visibility: str = "visible") -> dict[str, Any]:
    """Grades what lies in the folder's `submission/`; gives what results.json is to hold. Raises CannotGrade."""
    began = time.monotonic()
    seed = secrets.randbits(31)
    with tempfile.TemporaryDirectory() as name:
        submissions, report = Path(name, "submissions"), Path(name, "report")
        shutil.copytree(autograder / "submission", submissions / STUDENT, symlinks=True)
        said = _graded([str(submissions), "--output", str(report), "--lesson", lesson, "--seed", str(seed)])
        rows = json.loads((report / "report.json").read_text(encoding="utf-8"))["results"]
    protection = AS_NOBODY if UNPROTECTED in said else SHUT_IN
    return results(rows, visibility, [protection, *_remarks(said)], time.monotonic() - began, seed)


def _graded(arguments: Sequence[str]) -> str:
    """Runs `bnn-course grade`; gives what it told its user on standard error."""
    unsafe = ["--unsafe"] if os.geteuid() == 0 else []  # where it changes who it is, else not
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            bnn_course(["grade", *arguments, "--jobs", "1", *TIME, *MEMORY, *unsafe], standalone_mode=False)
    except click.ClickException as error:
        raise CannotGrade(error.format_message()) from None
    return said.getvalue()


def _remarks(said: str) -> list[str]:
    """Of what the grader told its user, what concerns the student: the files that were not read."""
    prefix = f"{STUDENT}: "
    return [line.removeprefix(prefix) for line in said.splitlines() if line.startswith(prefix)]


def results(
    rows: Sequence[dict[str, Any]], visibility: str, remarks: Sequence[str], seconds: float, seed: int
) -> dict[str, Any]:
    """What results.json holds, of the report's rows for one submission.

    remarks: sentences for the student, above all else.
    """
    return {
        "score": round(sum(row["score"] for row in rows), 6),
        "execution_time": round(seconds, 2),
        "output": "\n\n".join(dict.fromkeys([*(row["message"] for row in rows), *remarks])),
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [test for number, row in enumerate(rows, start=1) for test in _tests(row, number, visibility)],
        "extra_data": {"seed": seed, "statuses": {row["exercise"]: row["status"] for row in rows}},
    }


def _tests(row: dict[str, Any], number: int, visibility: str) -> Iterator[dict[str, Any]]:
    """A test for each check of an exercise, which share its points evenly."""
    share = row["max_score"] / max(1, len(row["checks"]))
    for position, check in enumerate(row["checks"], start=1):
        yield {
            "name": f"{row['exercise']}: {check['name']}",
            "number": f"{number}.{position}",
            "score": round(share, 6) if check["passed"] else 0.0,
            "max_score": round(share, 6),
            "output": "" if check["passed"] else check["message"],
            "tags": [check["misconception"]] if check["misconception"] else [],
            "visibility": visibility,
            "extra_data": {"lesson": row["lesson"], "exercise": row["exercise"]},
        }


def main(arguments: Sequence[str]) -> None:
    """arguments: Gradescope's folder, the lesson, and when students see the tests."""
    autograder, lesson, visibility = Path(arguments[0]), arguments[1], arguments[2]
    try:
        content = json.dumps(grade_submission(autograder, lesson, visibility), indent=1)
    except CannotGrade as error:
        sys.exit(f"nothing was graded: {error}")
    folder = autograder / "results"
    folder.mkdir(exist_ok=True)
    part = folder / ".results.json.part"
    part.write_text(content, encoding="utf-8")
    part.replace(folder / "results.json")


if __name__ == "__main__":
    main(sys.argv[1:])

"""What runs on Gradescope's machine for each submission: grades it as `bnn-course grade` does, and writes what came of
it into results.json, a test for each check.

It is the grader, and the only process that writes a result; submitted code runs in others. Where it can't grade, it
writes nothing and fails, so that nobody gets a zero for the machine's fault.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bnn_core.classroom.results import write_atomically
from bnn_core.course.exports.one_submission import CannotGrade, Outcome, grade_one

TIME = ("--timeout", "60", "--call-timeout", "20")
"""Twice what is usual, for half a processor; eight times as long by the clock is still less than ten minutes."""

MEMORY = ("--memory", "0.35")
"""GiB for submitted code, what it shares with the grader counted too; the machine has 0.75."""


def results(outcome: Outcome, visibility: str, seconds: float) -> dict[str, Any]:
    """What results.json holds. visibility: when students see the tests."""
    rows = outcome.rows
    return {
        "score": round(float(sum(row["score"] for row in rows)), 6),
        "execution_time": round(seconds, 2),
        "output": "\n\n".join(dict.fromkeys([*(row["message"] for row in rows), *outcome.remarks])),
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [test for number, row in enumerate(rows, start=1) for test in _tests(row, number, visibility)],
        "extra_data": {"seed": outcome.seed, "statuses": {row["exercise"]: row["status"] for row in rows}},
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
    began = time.monotonic()
    try:
        outcome = grade_one(autograder / "submission", lesson, *TIME, *MEMORY, as_nobody=True)
    except CannotGrade as error:
        sys.exit(f"nothing was graded: {error}")
    told = results(outcome, visibility, time.monotonic() - began)
    write_atomically(autograder / "results" / "results.json", json.dumps(told, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])

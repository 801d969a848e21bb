"""What runs for Classroom 50 at each submission, in the student's checkout: grades it as `bnn-course grade` does, and
writes what came of it into result.json, and the report for the release's page.

Scores there are whole numbers: a point for each check. Submitted code runs in other processes than this one, and in a
sandbox or not at all, since here it would have the rights of an administrator.
"""

from __future__ import annotations

import html
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bnn_core.autograder.report import SIGNS
from bnn_core.classroom.results import write_atomically
from bnn_core.course.exports.one_submission import CannotGrade, Outcome, grade_one

SCHEMA = "classroom50/result/v1"
LEFT_OUT = (".git", ".github", "result.json", "release-body.md")
SAID_BY_THE_RUNNER = {
    "classroom": "CLASSROOM",
    "assignment": "ASSIGNMENT",
    "submission": "SUBMISSION_TAG",
    "commit": "COMMIT_URL",
    "release": "RELEASE_URL",
}
"""Fields of the result, and the variables in which the runner says what they are to hold."""


def result(outcome: Outcome, environment: Mapping[str, str]) -> dict[str, Any]:
    """What result.json holds, but for what the runner itself adds: whose it is, and of which kind."""
    tests = [test for row in outcome.rows for test in _tests(row)]
    said = {field: environment.get(variable, "") for field, variable in SAID_BY_THE_RUNNER.items()}
    return {
        "schema": SCHEMA,
        **said,
        "review": environment.get("REVIEW_URL") or said["commit"],
        "datetime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "score": sum(test["score"] for test in tests),
        "max-score": len(tests),
        "tests": tests,
    }


def _tests(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for check in row["checks"]:
        yield {
            "test-name": f"{row['exercise']}: {check['name']}",
            "passed": check["passed"],
            "score": int(check["passed"]),
            "max-score": 1,
            "message": check["message"],
            "misconception": check["misconception"],
        }


def page(outcome: Outcome) -> str:
    """The report for the release's page: HTML without an empty line, in which nothing is taken for Markdown."""
    lines = [f"<p>{html.escape(remark)}</p>" for remark in outcome.remarks]
    for row in outcome.rows:
        failed = [check for check in row["checks"] if not check["passed"] and check["message"]]
        lines += [f"<h3>{html.escape(row['message'])}</h3>", "<ul>"]
        lines += [
            f"<li>{SIGNS['failed']} {_in_a_line(check['name'])}<br>{_in_a_line(check['message'])}</li>"
            for check in failed
        ]
        lines += ["</ul>"]
    return "\n".join(lines) + "\n"


def _in_a_line(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")


def main(arguments: Sequence[str]) -> None:
    """arguments: the checkout, and the lesson."""
    checkout, lesson = Path(arguments[0]), arguments[1]
    try:
        outcome = grade_one(checkout, lesson, "--timeout", "60", "--call-timeout", "20", without=LEFT_OUT)
    except CannotGrade as error:
        sys.exit(f"nothing was graded: {error}")
    (checkout / "release-body.md").write_text(page(outcome), encoding="utf-8")
    write_atomically(checkout / "result.json", json.dumps(result(outcome, os.environ), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Whatever becomes of a worker or of the sandbox, every submission gets its result."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from bnn_core.classroom import crew
from bnn_core.classroom.crew import Assignment, grade_all
from bnn_core.classroom.grading import Graded
from bnn_core.classroom.sandbox.launching import Limits, SandboxLost
from bnn_core.classroom.submissions import Submission

SUBMISSIONS = [Submission(f"s{n}", "03_bayesian_linear", None, Path()) for n in range(5)]
ASSIGNMENT = Assignment(Limits(seconds=0.5), 1, (), unsafe=False)


class NoSandboxAtAll:
    """Stands where a sandbox would, for grading that needs none."""

    protection = "none"

    def wait_until_ready(self) -> None:
        """It is."""

    def bound_memory(self, memory: int) -> None:
        """There is none to be bounded."""

    def start(self, *_: Any) -> Any:
        raise AssertionError("nothing is run here")

    def close(self) -> None:
        """There is nothing to close."""

    def __enter__(self) -> NoSandboxAtAll:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def graded(submission: Submission, *_: Any) -> Graded:
    return Graded([{"student": submission.student}])


def results(jobs: int = 2) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for position, result in grade_all(SUBMISSIONS, ASSIGNMENT, jobs, NoSandboxAtAll()):
        found.setdefault(SUBMISSIONS[position].student, []).append(result.rows[0])
    return found


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_every_submission_has_one_result(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "grade", graded)
    assert results(jobs) == {submission.student: [{"student": submission.student}] for submission in SUBMISSIONS}


def test_a_worker_that_dies_costs_nobody_else_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(submission: Submission, *_: Any) -> Graded:
        if submission.student == "s2":
            os._exit(1)
        return graded(submission)

    monkeypatch.setattr(crew, "grade", dies)
    found = results()
    assert {student for student, rows in found.items() if "status" in rows[0]} == {"s2"}
    assert found["s2"][0]["status"] == "error"
    assert "by hand" in found["s2"][0]["message"]


def test_a_worker_that_dies_once_is_given_another_chance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def dies_once(submission: Submission, *_: Any) -> Graded:
        mark = tmp_path / "died"
        if submission.student == "s2" and not mark.exists():
            mark.touch()
            os._exit(1)
        return graded(submission)

    monkeypatch.setattr(crew, "grade", dies_once)
    assert all("status" not in rows[0] for rows in results().values())


def test_a_worker_that_never_answers_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(submission: Submission, *_: Any) -> Graded:
        if submission.student == "s2":
            time.sleep(1000)
        return graded(submission)

    monkeypatch.setattr(crew, "grade", hangs)
    monkeypatch.setattr(crew, "SLACK", 0.1)
    monkeypatch.setattr(crew, "READING_TIME", 0.1)
    found = results()
    assert found["s2"][0]["status"] == "error"
    assert len(found) == len(SUBMISSIONS)


def test_a_lost_sandbox_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def loses_it(submission: Submission, *_: Any) -> Graded:
        mark = tmp_path / "lost"
        if submission.student == "s2" and not mark.exists():
            mark.touch()
            raise SandboxLost
        return graded(submission)

    monkeypatch.setattr(crew, "grade", loses_it)
    monkeypatch.setattr(crew, "WarmSandbox", lambda *_: NoSandboxAtAll())
    monkeypatch.setattr(crew, "ready_sandbox", lambda first, *_: first)
    assert results() == {submission.student: [{"student": submission.student}] for submission in SUBMISSIONS}


def test_a_sandbox_that_is_lost_again_and_again_ends_the_grading(monkeypatch: pytest.MonkeyPatch) -> None:
    def loses_it(*_: Any) -> Graded:
        raise SandboxLost

    monkeypatch.setattr(crew, "grade", loses_it)
    monkeypatch.setattr(crew, "WarmSandbox", lambda *_: NoSandboxAtAll())
    monkeypatch.setattr(crew, "ready_sandbox", lambda first, *_: first)
    with pytest.raises(SandboxLost):
        results()

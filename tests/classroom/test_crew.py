"""Whatever becomes of a worker or of the sandbox, every submission gets its result."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from bnn_core.classroom import crew
from bnn_core.classroom.control import NotProven
from bnn_core.classroom.crew import Assignment, grade_all
from bnn_core.classroom.grading import Graded
from bnn_core.classroom.sandbox.launching import Limits, SandboxLost
from bnn_core.classroom.submissions import Submission

SUBMISSIONS = [Submission(f"s{n}", "03_bayesian_linear", None, Path()) for n in range(5)]
ASSIGNMENT = Assignment(Limits(seconds=0.5), 1, (), unsafe=False)


class NoSandboxAtAll:
    """Stands where a sandbox would, for grading that needs none."""

    protection = "none"
    missing = ""

    def wait_until_ready(self) -> None:
        """It is."""

    def is_alive(self) -> bool:
        return True

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


@pytest.fixture(autouse=True)
def no_control(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "prove", lambda _: None)


def graded(submission: Submission, *_: Any) -> Graded:
    return Graded([{"student": submission.student}])


def results(jobs: int = 2, sandbox: NoSandboxAtAll | None = None) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for position, result in grade_all(SUBMISSIONS, ASSIGNMENT, jobs, sandbox or NoSandboxAtAll()):
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
    monkeypatch.setattr(crew, "TIME_TO_START", 0.1)
    monkeypatch.setattr(crew, "MOST_STRETCH", 1.0)
    found = results()
    assert found["s2"][0]["status"] == "error"
    assert len(found) == len(SUBMISSIONS)


@pytest.fixture
def new_sandboxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost sandbox can be replaced."""
    monkeypatch.setattr(crew, "WarmSandbox", lambda *_: NoSandboxAtAll())
    monkeypatch.setattr(crew, "ready_sandbox", lambda first, *_: first)


@pytest.mark.usefixtures("new_sandboxes")
def test_a_lost_sandbox_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def loses_it(submission: Submission, *_: Any) -> Graded:
        mark = tmp_path / "lost"
        if submission.student == "s2" and not mark.exists():
            mark.touch()
            raise SandboxLost
        return graded(submission)

    monkeypatch.setattr(crew, "grade", loses_it)
    assert results() == {submission.student: [{"student": submission.student}] for submission in SUBMISSIONS}


@pytest.mark.usefixtures("new_sandboxes")
def test_who_loses_every_sandbox_has_a_row_and_costs_nobody_else_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    def loses_it(submission: Submission, *_: Any) -> Graded:
        if submission.student in ("s1", "s2", "s4"):
            raise SandboxLost
        return graded(submission)

    monkeypatch.setattr(crew, "grade", loses_it)
    found = results()
    assert {student for student, rows in found.items() if "status" in rows[0]} == {"s1", "s2", "s4"}
    assert all(len(rows) == 1 for rows in found.values())


@pytest.mark.usefixtures("new_sandboxes")
def test_what_was_graded_while_the_sandbox_was_lost_is_graded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its warm parent ends, and neighbours' rows say that their code died: these rows are never given."""
    sandbox = NoSandboxAtAll()

    def spoilt(submission: Submission, using: NoSandboxAtAll, *_: Any) -> Graded:
        if using is sandbox:
            return Graded([{"student": submission.student, "status": "error"}])
        return graded(submission)

    monkeypatch.setattr(sandbox, "is_alive", lambda: False)
    monkeypatch.setattr(crew, "grade", spoilt)
    assert results(sandbox=sandbox) == {item.student: [{"student": item.student}] for item in SUBMISSIONS}


@pytest.mark.usefixtures("new_sandboxes")
@pytest.mark.parametrize("jobs", [1, 2])
def test_what_others_may_have_spoilt_is_graded_again_alone(
    jobs: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def disturbed(submission: Submission, *_: Any) -> Graded:
        with open(tmp_path / submission.student, "a") as file:
            file.write(".")
        return Graded([{"student": submission.student}], disturbed=submission.student in ("s0", "s3"))

    monkeypatch.setattr(crew, "grade", disturbed)
    assert len(results(jobs)) == len(SUBMISSIONS)
    again = {item.student for item in SUBMISSIONS if (tmp_path / item.student).read_text() != "."}
    assert again == (set() if jobs == 1 else {"s0", "s3"})


def test_where_the_control_does_not_pass_nothing_is_graded(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise NotProven("No module named 'scipy'")

    monkeypatch.setattr(crew, "prove", fails)
    with pytest.raises(NotProven):
        results()

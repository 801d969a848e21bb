"""Grading one submission: reads the notebook, runs each exercise's checks on the code in the sandbox, and makes a row
of what came of it. Every comparison happens here, in the checks; the code itself runs elsewhere.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field, replace
from typing import Any

from bnn_core.answers.notebook import Unreadable, exercises_of
from bnn_core.answers.program import Program
from bnn_core.autograder.exercise import Check, Exercise, Failed, Outcome, Report, run
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.subject import LearnerError, Subject
from bnn_core.classroom.sandbox.launching import Limits, Sandbox
from bnn_core.classroom.sandbox.reading import Answer, read_answer
from bnn_core.classroom.sandbox.remote import LearnerGone, RemoteLearnerSide
from bnn_core.classroom.sandbox.staging import importable_files
from bnn_core.classroom.submissions import NO_NOTEBOOK, Submission
from bnn_core.classroom.text import clean

LEAST_TIME = 1.0
"""Seconds that an exercise gets even when those before it used up the submission's time."""

Row = dict[str, Any]
"""A row of the report, with the fields of report.json."""


@dataclass
class Graded:
    """A submission's rows, and what its page shows beside them."""

    rows: list[Row]
    code: list[tuple[str, list[tuple[int, str]]]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    output: str = ""
    seconds: float = 0.0


def grade(submission: Submission, sandbox: Sandbox, limits: Limits, run_seed: int) -> Graded:
    """Grade a submission. Raises SandboxLost, and nothing else."""
    began = time.monotonic()
    names = exercises_of(submission.lesson)
    if not names:
        return graded_as_unreadable(submission, "It is a notebook of no lesson of this course, as far as can be told.")
    if submission.path is None:
        return Graded([_unmarked(submission, EXERCISES[name], "not_attempted", NO_NOTEBOOK) for name in names])
    try:
        answer = read_answer(submission.path, submission.home, submission.lesson)
    except Unreadable as error:
        return graded_as_unreadable(submission, error.reason)
    notes = [clean(note) for note in (*submission.notes, *(f"{note}." for note in answer.program.notes))]
    code = [(label, [(number, clean(text)) for number, text in lines]) for label, lines in answer.code]
    graded = Graded([], code, notes)
    for position, name in enumerate(names):
        left = limits.seconds - (time.monotonic() - began)
        share = max(LEAST_TIME, left / (len(names) - position))
        attempt = Attempt(submission, EXERCISES[name], sandbox, replace(limits, seconds=share))
        graded.rows.append(attempt.row(answer, _seed(run_seed, submission, name)))
        graded.output += attempt.output
    graded.seconds = time.monotonic() - began
    return graded


def graded_as_unreadable(submission: Submission, reason: str) -> Graded:
    """Rows for a submission that can't be read, one for each exercise of its lesson."""
    exercises = [EXERCISES[name] for name in exercises_of(submission.lesson)]
    if exercises:
        return Graded([_unmarked(submission, exercise, "unreadable", clean(reason)) for exercise in exercises])
    unknown = Exercise("", submission.lesson, 0.0, lambda *_: None, lambda _: None)
    return Graded([_unmarked(submission, unknown, "unreadable", clean(reason))])


def graded_as_error(submission: Submission, reason: str) -> Graded:
    """Rows for a submission on which the grading itself broke."""
    exercises = [EXERCISES[name] for name in exercises_of(submission.lesson)]
    return Graded([_unmarked(submission, exercise, "error", reason) for exercise in exercises])


class Attempt:
    """One exercise of one submission."""

    def __init__(self, submission: Submission, exercise: Exercise, sandbox: Sandbox, limits: Limits) -> None:
        self.submission = submission
        self.exercise = exercise
        self.sandbox = sandbox
        self.limits = limits
        self.output = ""

    def row(self, answer: Answer, seed: int) -> Row:
        program, name = answer.program, self.exercise.name
        if reason := program.unrunnable(name):
            return self._unmarked("error", f"{name}: {reason}.")
        if name not in program.defined:
            return self._unmarked("not_attempted", f"{name}: no cell of the notebook defines it.")
        files = {path: text.encode() for path, text in importable_files(self.exercise.lesson).items()}
        sandboxed = self.sandbox.start(self.limits, self.limits.seconds, files)
        seconds, call_seconds = self.limits.seconds, self.limits.call_seconds
        learner_side = RemoteLearnerSide(sandboxed, name, seconds, call_seconds)
        try:
            return self._checked(program, learner_side, seed)
        except LearnerGone as gone:
            return self._unmarked("timeout" if gone.out_of_time else "error", f"{name}: {gone.sentence}")
        finally:
            self.output = clean(sandboxed.end().output)

    def _checked(self, program: Program, learner_side: RemoteLearnerSide, seed: int) -> Row:
        name = self.exercise.name
        errors, defined = learner_side.load(program)
        if not defined:
            why = "; ".join(errors) or f"{program.defined[name]} does not define it when it runs"
            return self._unmarked("error", f"{name} could not be defined: {why}")
        try:
            report = run(sturdy(self.exercise), Subject(name, learner_side), seed)
        except Exception as error:  # whatever a lying answer does to the checks' shared evidence
            return self._unmarked("error", f"{name}: {_incomparable(error)}")
        if learner_side.gone is not None:
            status = "timeout" if learner_side.gone.out_of_time else "error"
            return self._row(status, f"{report.message}. {learner_side.gone.sentence}", report)
        return self._row(report.status, " ".join([report.message, *(f"Also: {error}" for error in errors)]), report)

    def _row(self, status: str, message: str, report: Report) -> Row:
        if not report.outcomes:
            return self._unmarked(status, message)
        row = _bare_row(self.submission, self.exercise, status, message)
        row["score"] = round(report.score, 6)
        row["checks"] = [_check_row(outcome) for outcome in report.outcomes]
        return row

    def _unmarked(self, status: str, message: str) -> Row:
        return _unmarked(self.submission, self.exercise, status, message)


def sturdy(exercise: Exercise) -> Exercise:
    """The exercise with checks that fail where they would break on an answer that no one could have foreseen."""

    def guarded(check: Check) -> Check:
        def function(evidence: Any) -> None:
            try:
                check.function(evidence)
            except (Failed, LearnerError):
                raise
            except Exception as error:
                raise Failed(_incomparable(error)) from None

        return replace(check, function=function)

    return replace(exercise, checks=[guarded(check) for check in exercise.checks])


def _incomparable(error: Exception) -> str:
    return f"What your code returned can't be compared with what was expected ({type(error).__name__}: {error})."


def _seed(run_seed: int, submission: Submission, exercise: str) -> int:
    """Its own for every submission, the same however the submissions are shared out."""
    words = "\n".join([str(run_seed), submission.student, submission.lesson, exercise])
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:4], "big") >> 1


def _check_row(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "passed": outcome.passed,
        "message": clean(outcome.message),
        "misconception": outcome.misconception,
    }


def _unmarked(submission: Submission, exercise: Exercise, status: str, message: str) -> Row:
    """A row without a point, on which no check was run."""
    row = _bare_row(submission, exercise, status, message)
    unrun = {"passed": False, "message": "Not run.", "misconception": None}
    row["checks"] = [{"name": check.name, **unrun} for check in exercise.checks]
    return row


def _bare_row(submission: Submission, exercise: Exercise, status: str, message: str) -> Row:
    return {
        "student": submission.student,
        "lesson": submission.lesson,
        "exercise": exercise.name,
        "status": status,
        "score": 0.0,
        "max_score": float(exercise.points),
        "message": clean(message),
        "checks": [],
    }

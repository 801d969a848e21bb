"""Grading one submission: reads the notebook, runs each exercise's checks on the code in the sandbox, and makes a row
of what came of it. Every comparison happens here, in the checks; the code itself runs elsewhere.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field, replace
from typing import Any

from bnn_core.answers.notebook import Unreadable, exercises_of
from bnn_core.autograder.exercise import Exercise, run
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.in_notebook import NOT_THE_LEARNERS
from bnn_core.autograder.pictures import as_data
from bnn_core.autograder.report import Outcome, Report
from bnn_core.autograder.subject import Subject
from bnn_core.classroom.sandbox.launching import Limits, Sandbox
from bnn_core.classroom.sandbox.reading import Answer, read_answer
from bnn_core.classroom.sandbox.remote import Conversation, LearnerGone, Loaded, RemoteLearnerSide
from bnn_core.classroom.sandbox.staging import importable_files
from bnn_core.classroom.submissions import NO_NOTEBOOK, Submission
from bnn_core.classroom.text import clean

LEAST_TIME = 1.0
"""Seconds that an exercise gets even when those before it used up the submission's time."""

MOST_RESTARTS = 4
"""How often an exercise's checks go on after a call that ended the code."""

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
    disturbed: bool = False
    """Whether what else ran on the machine may have spoilt a row."""
    pictures: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    """What failed checks saw: the exercise, the check, and the picture's numbers."""


def grade(submission: Submission, sandbox: Sandbox, limits: Limits, run_seed: int) -> Graded:
    """Grade a submission. Raises SandboxLost, and nothing else."""
    began = time.monotonic()
    if (nothing := graded_without_running(submission)) is not None:
        return nothing
    assert submission.path is not None
    names = exercises_of(submission.lesson)
    try:
        answer = read_answer(submission.path, submission.home, submission.lesson, dict(submission.files))
    except Unreadable as error:
        return graded_as_unreadable_file(submission, error.reason)
    notes = [clean(note) for note in (*submission.notes, *(f"{note}." for note in answer.program.notes))]
    code = [(label, [(number, clean(text)) for number, text in lines]) for label, lines in answer.code]
    graded = Graded([], code, notes)
    with Attempt(submission, answer, sandbox, limits) as attempt:
        for position, name in enumerate(names):
            share = max(LEAST_TIME, attempt.seconds / (len(names) - position))
            graded.rows.append(attempt.row(EXERCISES[name], _seed(run_seed, submission, name), share))
    graded.pictures = attempt.pictures
    graded.output, graded.disturbed = clean(attempt.output), attempt.disturbed
    graded.seconds = time.monotonic() - began
    return graded


def graded_without_running(submission: Submission) -> Graded | None:
    """The result of a submission in which there is nothing to run; None where there is."""
    if not exercises_of(submission.lesson):
        return graded_as_unreadable(submission, "It is a notebook of no lesson of this course, as far as can be told.")
    return graded_as_missing(submission) if submission.path is None else None


def graded_as_unreadable_file(submission: Submission, reason: str) -> Graded:
    """The result of a notebook that can't be read."""
    return replace(graded_as_unreadable(submission, reason), notes=[clean(note) for note in submission.notes])


def graded_as_unreadable(submission: Submission, reason: str) -> Graded:
    """Rows for a submission that can't be read, one for each exercise of its lesson."""
    exercises = [EXERCISES[name] for name in exercises_of(submission.lesson)]
    if exercises:
        return Graded([_unmarked(submission, exercise, "unreadable", clean(reason)) for exercise in exercises])
    unknown = Exercise("", submission.lesson, 0.0, lambda *_: None, lambda _: None)
    return Graded([_unmarked(submission, unknown, "unreadable", clean(reason))])


def graded_as_missing(submission: Submission) -> Graded:
    """Rows for a submission that has no notebook, one for each exercise of its lesson."""
    status, missing = submission.status_without, submission.missing
    rows = [_unmarked(submission, EXERCISES[name], status, missing) for name in exercises_of(submission.lesson)]
    return Graded(rows, notes=[clean(missing)] if missing != NO_NOTEBOOK else [])


def graded_as_error(submission: Submission, reason: str) -> Graded:
    """Rows for a submission on which the grading itself broke."""
    exercises = [EXERCISES[name] for name in exercises_of(submission.lesson)]
    return Graded([_unmarked(submission, exercise, "error", reason) for exercise in exercises])


class Attempt:
    """A submission under way: its code is started once, and again after a call that ended it.

    seconds: what is left of its time. loaded: what came of running its cells.
    """

    def __init__(self, submission: Submission, answer: Answer, sandbox: Sandbox, limits: Limits) -> None:
        self.submission = submission
        self.program = answer.program
        self.files = answer.files
        self.sandbox = sandbox
        self.limits = limits
        self.seconds = limits.seconds
        self.output = ""
        self.pictures: list[tuple[str, str, dict[str, Any]]] = []
        self.disturbed = False
        self._conversation: Conversation | None = None
        self._cannot_load: LearnerGone | None = None
        self.loaded: Loaded = Loaded([], [], {})

    def __enter__(self) -> Attempt:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def row(self, exercise: Exercise, seed: int, seconds: float) -> Row:
        """The row of an exercise, which may take this long. Raises SandboxLost."""
        name = exercise.name
        if nothing := self.program.cannot_run(name):
            status, why = nothing
            return _unmarked(self.submission, exercise, status, f"{name}: {why}.")
        left = seconds
        try:
            conversation = self._start(seconds)
            if package := self.loaded.elsewhere.get(name):
                why = f"{name}: not attempted yet: {NOT_THE_LEARNERS.format(package=package)}."
                return _unmarked(self.submission, exercise, "not_attempted", why)
            if name not in self.loaded.defined:
                status, why = self.program.undefined(name, self.loaded.errors)
                message = f"{name} could not be defined: {why}" if self.loaded.errors else f"{name}: {why}."
                return _unmarked(self.submission, exercise, status, message)
            return self._checked(exercise, conversation, seed)
        except LearnerGone as gone:
            status = "timeout" if gone.out_of_time else "error"
            return _unmarked(self.submission, exercise, status, f"{name}: {gone.sentence}")
        finally:
            if self._conversation is not None:
                left = self._conversation.seconds
                if self._conversation.gone is not None:
                    self._end()
            self.seconds -= seconds - left

    def _start(self, seconds: float) -> Conversation:
        """The conversation with the submission's code, which has been run. Raises LearnerGone where it can't be."""
        if self._cannot_load is not None:
            raise self._cannot_load
        if self._conversation is not None:
            self._conversation.seconds = seconds
            return self._conversation
        course = {path: text.encode() for path, text in importable_files(self.submission.lesson).items()}
        sandboxed = self.sandbox.start(self.limits, max(LEAST_TIME, self.seconds), course | self.files)
        try:
            self._conversation = Conversation(sandboxed, seconds, self.limits.call_seconds)
            self.loaded = self._conversation.load(self.program, exercises_of(self.submission.lesson))
        except LearnerGone as gone:
            self._cannot_load = gone
            raise
        return self._conversation

    def _end(self) -> None:
        if self._conversation is not None:
            self.output += self._conversation.end()
            self.disturbed |= self._conversation.disturbed
            self._conversation = None

    def _checked(self, exercise: Exercise, conversation: Conversation, seed: int) -> Row:
        name = exercise.name
        ends: list[LearnerGone] = []

        def once_more() -> Subject | None:
            """After a call that ended it, the code anew, for the checks that don't make that call."""
            present = self._conversation
            assert present is not None
            assert present.gone is not None
            ends.append(present.gone)
            if present.seconds < LEAST_TIME or len(ends) > MOST_RESTARTS:
                return None
            self._end()
            return Subject(name, RemoteLearnerSide(self._start(present.seconds), name))

        report = run(exercise, Subject(name, RemoteLearnerSide(conversation, name)), seed, once_more)
        if self._conversation is not None and self._conversation.gone is not None:
            ends.append(self._conversation.gone)
        if ends:
            status = "timeout" if ends[0].out_of_time else "error"
            return self._row(exercise, status, f"{report.message}. {ends[0].sentence}", report)
        remark = [self.program.remarks[name]] if name in self.program.remarks and not report.passed else []
        said = ". ".join([report.message.removesuffix("."), *remark])
        message = " ".join([said, *(f"Also: {error}" for error in self.loaded.errors), *report.notes])
        return self._row(exercise, report.status, message, report)

    def _row(self, exercise: Exercise, status: str, message: str, report: Report) -> Row:
        if not report.outcomes:
            return _unmarked(self.submission, exercise, status, message)
        row = _bare_row(self.submission, exercise, status, message)
        row["score"] = round(report.score, 6)
        row["checks"] = [_check_row(outcome) for outcome in report.outcomes]
        seen = ((outcome.name, outcome.picture) for outcome in report.outcomes)
        self.pictures += [(exercise.name, check, as_data(picture)) for check, picture in seen if picture is not None]
        return row


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

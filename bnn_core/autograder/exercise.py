"""What a check is, what an exercise is, and how the checks of an exercise are run into a report.

A check is a short function that is given the evidence of its exercise and raises `Failed` when something is wrong. It
may use nothing but the subject's interface; this module knows nothing of notebooks or of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from bnn_core.autograder.misconceptions import MISCONCEPTIONS
from bnn_core.autograder.subject import LearnerError, Subject

Status = Literal["passed", "failed", "not_attempted", "error", "timeout"]


class Failed(Exception):
    """A check failed.

    message: what was expected and what came, in the learner's terms. misconception: the name in the catalogue of the
    mistake it looks like; its sentence then stands above the message. `about` fills the catalogue sentence's blanks.
    """

    def __init__(self, message: str, misconception: str | None = None, **about: str) -> None:
        self.misconception = misconception
        lines = [message] if message else []
        if misconception is not None:
            lines.insert(0, MISCONCEPTIONS[misconception].sentence_for(**about))
        self.message = "\n".join(lines)
        super().__init__(self.message)


@dataclass(frozen=True)
class Check:
    """One requirement of an exercise: its sentence, and the function that looks whether it holds.

    A check that builds on others (`needs`) is not run when one of them failed.
    """

    name: str
    function: Callable[[Any], None]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of one check. `ran` is False when a check that it builds on failed, so that it made no sense to run."""

    name: str
    passed: bool
    message: str = ""
    misconception: str | None = None
    ran: bool = True
    code_raised: bool = False


@dataclass(frozen=True)
class Report:
    """What came of an exercise. `message` is one line; `notes` are remarks beside the checks."""

    exercise: str
    status: Status
    message: str
    outcomes: tuple[Outcome, ...] = ()
    points: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.status == "passed"

    @property
    def score(self) -> float:
        """The exercise's points times the share of its checks that passed."""
        if not self.outcomes:
            return 0.0
        return self.points * sum(outcome.passed for outcome in self.outcomes) / len(self.outcomes)


@dataclass
class Exercise:
    """An exercise: the name a learner defines, its lesson, its points, and the checks that specify it.

    evidence(subject, generator) prepares what the checks share; it is built anew for each run, and draws its inputs
    from `generator`, so that a grader may use new ones every time. probe(subject) makes the first, simplest use of the
    learner's code: the bare stub answers it with NotImplementedError.
    """

    name: str
    lesson: str
    points: float
    evidence: Callable[[Subject, torch.Generator], Any]
    probe: Callable[[Subject], Any]
    checks: list[Check] = field(default_factory=list)

    def check(
        self, name: str, needs: Sequence[Callable[[Any], None]] = ()
    ) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
        """Make the decorated function a check of this exercise, under a name that reads as a requirement."""

        def register(function: Callable[[Any], None]) -> Callable[[Any], None]:
            named = {check.function: check.name for check in self.checks}
            self.checks.append(Check(name, function, tuple(named[needed] for needed in needs)))
            return function

        return register


def run(exercise: Exercise, subject: Subject, seed: int = 0) -> Report:
    """Run an exercise's checks on a subject. The same seed gives the same inputs and the same random draws."""
    try:
        subject.seed(seed)
        exercise.probe(subject)
    except LearnerError as error:
        if error.is_stub:
            return not_attempted(exercise)
    evidence = exercise.evidence(subject, torch.Generator().manual_seed(seed))
    outcomes: list[Outcome] = []
    for number, check in enumerate(exercise.checks):
        outcomes.append(_outcome(check, evidence, subject, seed + number, outcomes))
    return Report(
        exercise.name, _status(outcomes), _headline(exercise.name, outcomes), tuple(outcomes), exercise.points
    )


def not_attempted(exercise: Exercise, why: str = "") -> Report:
    """The report on an exercise that has not been begun."""
    why = (
        why or "it still raises NotImplementedError. Write it, delete that line, run its cell, then run this one again"
    )
    return Report(exercise.name, "not_attempted", f"{exercise.name}: not attempted yet: {why}.", points=exercise.points)


def _outcome(check: Check, evidence: Any, subject: Subject, seed: int, earlier: Sequence[Outcome]) -> Outcome:
    missing = [outcome.name for outcome in earlier if outcome.name in check.needs and not outcome.passed]
    if missing:
        return Outcome(check.name, False, f"Not run: it needs “{missing[0]}” first.", ran=False)
    try:
        subject.seed(seed)
        check.function(evidence)
    except Failed as failure:
        return Outcome(check.name, False, failure.message, failure.misconception)
    except LearnerError as error:
        return Outcome(check.name, False, *_explain(error), code_raised=True)
    except Exception as error:  # a check is not to end a run, whatever strange thing a learner's code returned
        what = f"{type(error).__name__}: {error}"
        return Outcome(check.name, False, f"This check could make nothing of what your code returned ({what}).")
    return Outcome(check.name, True)


def _explain(error: LearnerError) -> tuple[str, str | None]:
    """The message for code that raised, with the mistake that the error is known to come from."""
    if error.is_stub:
        return f"{error.action} isn't written yet: it raises NotImplementedError.", None
    if error.is_of_base_class:
        name = "method-of-base-class"
        return f"{MISCONCEPTIONS[name].sentence_for()}\n{error.sentence}", name
    for misconception in MISCONCEPTIONS.values():
        if any(sign in error.message for sign in misconception.error_signs):
            return f"{misconception.sentence_for()}\n{error.sentence}", misconception.name
    return error.sentence, None


def _status(outcomes: Sequence[Outcome]) -> Status:
    failures = [outcome for outcome in outcomes if not outcome.passed]
    if not failures:
        return "passed"
    return "error" if all(outcome.code_raised for outcome in failures if outcome.ran) else "failed"


def _headline(name: str, outcomes: Sequence[Outcome]) -> str:
    passed = sum(outcome.passed for outcome in outcomes)
    if passed == len(outcomes):
        return f"{name}: all {passed} checks passed"
    failed = sum(outcome.ran and not outcome.passed for outcome in outcomes)
    waiting = len(outcomes) - passed - failed
    rest = f", {failed} failed" + (f", {waiting} not run yet" if waiting else "")
    return f"{name}: {passed} of {len(outcomes)} checks passed{rest}"

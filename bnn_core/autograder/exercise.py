"""What a check is, what an exercise is, and how the checks of an exercise are run into a report.

A check is a short function that is given the evidence of its exercise and raises `Failed` when something is wrong. It
may use nothing but the subject's interface; this module knows nothing of notebooks or of processes.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from bnn_core.autograder.interface import LearnerError
from bnn_core.autograder.mistakes import SHARED, Mistake
from bnn_core.autograder.pictures import Picture
from bnn_core.autograder.report import Outcome, Report, Status
from bnn_core.autograder.subject import Subject

BROKEN = "This check broke, which is no fault of yours: please tell the course's maintainer"
NOT_REACHED = "Not run: time was up before it was reached."
KEEP_ARGUMENTS = "\nThe check calls it as the exercise was handed out: keep its arguments, in their order."
STILL_A_STUB = "it still raises NotImplementedError"

Revive = Callable[[], Subject | None]
"""Gives the same answer in a new process, where the last one is gone; None where there can't be another."""

_log = logging.getLogger(__name__)


class Failed(Exception):
    """A check failed.

    message: what was expected and what came, in the learner's terms. mistake: the mistake it looks like, or the name
    of one that the exercise knows; its sentence then stands above the message, its blanks filled by `about`. picture:
    what the check saw, for those who look before they read.
    """

    def __init__(self, message: str, mistake: str | Mistake | None = None, **about: str) -> None:
        self.message = message
        self.mistake = mistake
        self.about = about
        self.picture: Picture | None = message.picture if isinstance(message, Comparison) else None
        super().__init__(message)


class Comparison(str):
    """A sentence about values, with their picture, which it keeps when more is said."""

    picture: Picture | None = None

    def __add__(self, more: str) -> Comparison:
        longer = Comparison(str(self) + more)
        longer.picture = self.picture
        return longer


@contextlib.contextmanager
def picturing(draw: Callable[[], Picture | None]) -> Iterator[None]:
    """Whatever fails within this is shown by this picture, which is made only then."""
    try:
        yield
    except Failed as failure:
        failure.picture = draw() or failure.picture
        raise


class Evidence:
    """What the checks of an exercise share, made anew for each run.

    Whatever is drawn comes from `generator`, which every check finds in a state of its own, whatever was run before.
    """

    def __init__(self, subject: Subject, seed: int) -> None:
        self.subject = subject
        self.seed = seed
        self.advice: list[str] = []
        self.begin("")

    def begin(self, name: str) -> None:
        """Give what follows its own draws, here and on the learner's side."""
        self.generator = torch.Generator().manual_seed(derived(self.seed, name))
        self.subject.seed(derived(self.seed, "learner", name))

    @contextlib.contextmanager
    def shared(self, name: str) -> Iterator[None]:
        """Within this, draws are those of something that several checks share, whichever asks for it first."""
        generator = self.generator
        self.begin(name)
        try:
            yield
        finally:
            self.generator = generator

    def normal(self, *size: int) -> Tensor:
        return torch.randn(size, generator=self.generator)

    def uniform(self, low: float, high: float, *size: int) -> Tensor:
        return low + (high - low) * torch.rand(size, generator=self.generator)


def derived(*parts: object) -> int:
    """A seed that these parts decide."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big") >> 1


@dataclass(frozen=True)
class Check:
    """One requirement of an exercise: its sentence, and the function that looks whether it holds.

    A check that builds on others (`needs`) is not run when one of them failed. slow: it takes many calls of the
    learner's code, so that it waits until the quick ones are done.
    """

    name: str
    function: Callable[[Any], None]
    needs: tuple[str, ...] = ()
    slow: bool = False


CheckFunction = Callable[[Any], None]


@dataclass
class Exercise:
    """An exercise: the name a learner defines, its lesson, its points, and the checks that specify it.

    evidence(subject, seed) prepares what the checks share. probe(subject) makes the first, simplest use of the
    learner's code: the bare stub answers it with NotImplementedError. words: what blanks in sentences of shared
    mistakes are called here.
    """

    name: str
    lesson: str
    points: float
    evidence: Callable[[Subject, int], Any]
    probe: Callable[[Subject], Any]
    words: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    mistakes: dict[str, Mistake] = field(default_factory=dict)
    sections: dict[str, str] = field(default_factory=dict)

    def check(
        self, name: str, needs: Sequence[CheckFunction] = (), slow: bool = False
    ) -> Callable[[CheckFunction], CheckFunction]:
        """Make the decorated function a check of this exercise, under a name that reads as a requirement."""

        def register(function: CheckFunction) -> CheckFunction:
            named = {check.function: check.name for check in self.checks}
            self.checks.append(Check(name, function, tuple(named[needed] for needed in needs), slow))
            return function

        return register

    def knows(self, section: str, *groups: Sequence[Mistake]) -> None:
        """These mistakes can be told here, and this section of the lesson teaches what they get wrong.

        Where only its name is told, the first of that name counts; a shared one that no exercise lists has its own
        sentence.
        """
        for mistake in (mistake for group in groups for mistake in group):
            self.mistakes.setdefault(mistake.name, mistake)
            self.sections.setdefault(mistake.name, section)

    def known(self, mistake: str | Mistake) -> Mistake:
        """The mistake, where it is told by its name."""
        return mistake if isinstance(mistake, Mistake) else self.mistakes.get(mistake) or SHARED[mistake]

    def sentence(self, mistake: Mistake, about: dict[str, str]) -> str:
        """What a learner who made this mistake reads first."""
        return mistake.sentence_for(**{**self.words, **mistake.about, **about})

    def in_order(self) -> list[Check]:
        """The checks as they are run: those that are slow, or need one that is, last."""
        slow: set[str] = set()
        for check in self.checks:
            if check.slow or slow.intersection(check.needs):
                slow.add(check.name)
        return sorted(self.checks, key=lambda check: check.name in slow)


def run(exercise: Exercise, subject: Subject, seed: int = 0, revive: Revive = lambda: None) -> Report:
    """Run an exercise's checks on a subject. The same seed gives the same inputs and the same random draws.

    revive: asked for another subject where the learner's process is gone, for the checks that don't need it to have
    got through.
    """
    try:
        subject.seed(derived(seed, "probe"))
        exercise.probe(subject)
        subject.settle()
    except LearnerError as error:
        if error.is_stub:
            return not_attempted(exercise)
    run = _Run(exercise, subject, seed, revive)
    outcomes = run.outcomes()
    return Report(
        exercise.name,
        _status(outcomes),
        _headline(exercise.name, outcomes),
        outcomes,
        exercise.points,
        tuple(dict.fromkeys(run.advice)),
    )


class _Run:
    """One run of an exercise's checks."""

    def __init__(self, exercise: Exercise, subject: Subject, seed: int, revive: Revive) -> None:
        self.exercise = exercise
        self.seed = seed
        self.revive = revive
        self.advice: list[str] = []
        self._evidence: Any = exercise.evidence(subject, seed) if not subject.is_gone else None
        self._found: dict[str, Outcome] = {}

    def outcomes(self) -> tuple[Outcome, ...]:
        """What came of each check, in the order in which the exercise lists them."""
        for check in self.exercise.in_order():
            self._found[check.name] = self._outcome(check)
        return tuple(self._found[check.name] for check in self.exercise.checks)

    def _outcome(self, check: Check) -> Outcome:
        missing = next((name for name in check.needs if not self._found[name].passed), None)
        if missing is not None:
            return Outcome(check.name, False, f"Not run: it needs “{missing}” first.", ran=False)
        if not self._is_alive():
            return Outcome(check.name, False, NOT_REACHED, ran=False)
        outcome = self._examine(check)
        self.advice += self._evidence.advice
        self._evidence.advice.clear()
        gone = self._evidence.subject.gone
        if gone is None:
            return outcome
        return Outcome(check.name, False, gone.sentence, code_raised=True)  # whatever the check made of it

    def _is_alive(self) -> bool:
        """Whether there is somebody to ask, be it in a new process."""
        if self._evidence is None or self._evidence.subject.is_gone:
            subject = self.revive()
            self._evidence = None if subject is None else self.exercise.evidence(subject, self.seed)
        return self._evidence is not None and not self._evidence.subject.is_gone

    def _examine(self, check: Check) -> Outcome:
        try:
            self._evidence.begin(check.name)
            check.function(self._evidence)
            self._evidence.subject.settle()
        except Failed as failure:
            if failure.mistake is None:
                return Outcome(check.name, False, failure.message, picture=failure.picture)
            mistake = self.exercise.known(failure.mistake)
            sentence = self.exercise.sentence(mistake, failure.about)
            message = f"{sentence}\n{failure.message}" if failure.message else sentence
            return Outcome(check.name, False, message, mistake.name, picture=failure.picture)
        except LearnerError as error:
            return Outcome(check.name, False, *_explain(self.exercise, error), code_raised=True)
        except Exception as error:
            _log.exception("the check %r of %s broke", check.name, self.exercise.name)
            return Outcome(check.name, False, f"{BROKEN} ({type(error).__name__}).")
        return Outcome(check.name, True)


def not_attempted(exercise: Exercise, why: str = "") -> Report:
    """The report on an exercise that has not been begun."""
    why = why or f"{STILL_A_STUB}. Write it, delete that line, run its cell, then run this one again"
    return Report(exercise.name, "not_attempted", f"{exercise.name}: not attempted yet: {why}.", points=exercise.points)


def _explain(exercise: Exercise, error: LearnerError) -> tuple[str, str | None]:
    """The message for code that raised, with the mistake that the error is known to come from."""
    if error.is_stub:
        return f"{error.action} isn't written yet: it raises NotImplementedError.", None
    for mistake in exercise.mistakes.values():
        is_known = any(sign in error.message for sign in mistake.error_signs)
        if is_known or (error.is_of_base_class and mistake.name == "method-of-base-class"):
            return f"{exercise.sentence(mistake, {})}\n{error.sentence}", mistake.name
    return f"{error.sentence}{KEEP_ARGUMENTS}" if error.takes_other_arguments else error.sentence, None


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

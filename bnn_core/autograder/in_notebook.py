"""`check(object)`: how a learner's notebook runs the checks of an exercise, and shows what came of them.

It finds the exercise by the object's name, runs its checks in this process, leaves the process as it was, and raises
`ChecksFailed` where something is wrong. It knows Jupyter; the checks don't.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import random
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from bnn_core.autograder import report as reports
from bnn_core.autograder.exercise import not_attempted, run
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.in_process import in_process_subject
from bnn_core.autograder.kernel import explain_missing, get_ipython, somebody_reads, staleness
from bnn_core.autograder.report import Report
from bnn_core.autograder.surroundings import plainly
from bnn_core.autograder.whose_code import written_elsewhere

NBGRADER = "NBGRADER_EXECUTION"
"""The variable in which nbgrader says what it runs a notebook for."""

NOT_THE_LEARNERS = "this is the one of {package}. Write yours in the exercise cell, and check that"
NO_NUMBERS = (
    "the default device is meta, whose tensors hold no numbers that could be checked. Choose another first:"
    ' torch.set_default_device("cpu").'
)


class ChecksFailed(Exception):
    """An exercise isn't right yet. Its message is the report, which a notebook shows in place of a stack.

    seen: whether the report stands above it already; the message is then its first line. Notebooks show a message in
    more places than one, so that it alone must be short.
    """

    def __init__(self, report: Report, *, seen: bool = False) -> None:
        self.report = report
        super().__init__(report.message if seen else reports.plain(report))

    def _render_traceback_(self) -> list[str]:
        """What IPython prints in place of a stack."""
        return [f"ChecksFailed: {self}"]


class NoExercise(ValueError):
    """What was given to `check` is an answer to no exercise. In a notebook it is shown without a stack."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class ShownReport:
    """A report that a notebook shows as HTML, and everything else as text."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def __repr__(self) -> str:
        return reports.plain(self.report)

    def _repr_html_(self) -> str:
        return reports.html(self.report)


def check(definition: Any) -> float | None:
    """Run the checks of the exercise that this class or function is an answer to, and show what came of them.

    Raises ChecksFailed when a check fails or the exercise isn't attempted yet, NoExercise when the object's name is
    no exercise's. While nbgrader grades, it gives the score instead, which nbgrader takes for the cell's points.
    """
    name = exercise_meant(definition, sys._getframe(1).f_globals)
    report = report_on(definition, name)
    if stale := staleness(definition, name):
        report = replace(report, message=f"{report.message}. {stale}")
    seen = show(report)
    if os.environ.get(NBGRADER) == "autograde":
        return report.score
    if not report.passed:
        raise ChecksFailed(report, seen=seen)
    return None


def report_on(definition: Any, name: str | None = None, seed: int = 0) -> Report:
    """The report on a class or function of this process, which is left as it was: random state, dtype, grad mode.

    name: the exercise's, where it isn't the definition's own.
    """
    name = name or exercise_meant(definition)
    exercise = EXERCISES[name]
    if package := written_elsewhere(definition, name):
        return not_attempted(exercise, NOT_THE_LEARNERS.format(package=package))
    if torch.get_default_device().type == "meta":
        return Report(name, "error", f"{name}: {NO_NUMBERS}", points=exercise.points)
    printed = CountingSink()
    subject = in_process_subject(definition, name)
    with undisturbed(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        report = run(exercise, subject, seed)
    if printed.count:
        note = f"While it was checked, your code printed {printed.count:,} characters, which are not shown."
        report = replace(report, notes=(*report.notes, note))
    return report


def exercise_meant(definition: Any, namespace: Mapping[str, Any] | None = None) -> str:
    """The name of the exercise that this is an answer to. Raises NoExercise.

    namespace: where it may stand under the exercise's name, whatever its own is: a decorator may have given it another.
    """
    called = [name for name in EXERCISES if namespace and namespace.get(name) is definition]
    while isinstance(definition, functools.partial):
        definition = definition.func
    name = getattr(definition, "__name__", None)
    if name in EXERCISES:
        return str(name)
    if called:
        return called[0]
    known = ", ".join(EXERCISES)
    if type(definition).__name__ in EXERCISES:
        name = type(definition).__name__
        raise NoExercise(f"check wants the class itself, and not one object of it: check({name}), without parentheses.")
    if name == "<lambda>":
        raise NoExercise(f"A lambda has no name by which its exercise could be found; write a def. There are: {known}.")
    raise NoExercise(f"check({name or type(definition).__name__}) is no exercise. The exercises are: {known}.")


def show(report: Report) -> bool:
    """Display the report in a notebook; print it elsewhere, unless an exception is about to carry it.

    Returns whether a reader has it before them: not where a program runs the notebook and keeps the error alone.
    """
    if get_ipython() is not None:
        from IPython.display import display

        display(ShownReport(report))
        return somebody_reads()
    if report.passed:
        print(reports.plain(report))
    return False


class CountingSink(io.TextIOBase):
    """Swallows what is printed, and counts it."""

    def __init__(self) -> None:
        self.count = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.count += len(text)
        return len(text)


explain_missing(EXERCISES)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Run something plainly, then put the process's random states and settings back; hide its warnings."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        with plainly(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])

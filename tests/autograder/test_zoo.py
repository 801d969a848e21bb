"""Each wrong solution is rejected by the check and told the misconception that it should; each right one passes."""

from __future__ import annotations

import contextlib
import importlib
import io
import pkgutil
import traceback
from types import ModuleType

import pytest
import zoo
from zoo import Wrong, define, up_to

from bnn_core.autograder.exercise import Exercise, run
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.in_notebook import report_on, undisturbed
from bnn_core.autograder.in_process import in_process_subject
from bnn_core.autograder.judging.function_exercise import FunctionExercise, WrongAnswer
from bnn_core.autograder.report import Report

MODULES: list[ModuleType] = [
    importlib.import_module(f"zoo.{found.name}") for found in pkgutil.iter_modules(zoo.__path__)
]
WRONG = [
    pytest.param(module, wrong, id=f"{module.EXERCISE}: {wrong.name}") for module in MODULES for wrong in module.WRONG
]
RIGHT = [
    pytest.param(module, source, id=f"{module.EXERCISE}: {name}")
    for module in MODULES
    for name, source in module.RIGHT.items()
]
SEEDS_PER_RIGHT_SOLUTION = 1


@pytest.fixture(autouse=True)
def _no_notes_for_devices_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.manual_seed keeps the stack for each kind of device that isn't there, which takes milliseconds here, and
    some solutions call it in every draw.
    """
    monkeypatch.setattr(traceback, "format_stack", lambda: [])


def report(module: ModuleType, source: str, seed: int = 0) -> Report:
    return report_on(define(source, module.EXERCISE), seed=seed)


def formulas(exercise: Exercise) -> list[WrongAnswer]:
    """The wrong answers that an exercise has from its mistakes' formulas."""
    return exercise.wrong_answers if isinstance(exercise, FunctionExercise) else []


def test_every_exercise_has_a_zoo() -> None:
    assert {module.EXERCISE for module in MODULES} == set(EXERCISES)


@pytest.mark.parametrize(("module", "wrong"), WRONG)
def test_wrong_solution_is_told_its_mistake(module: ModuleType, wrong: Wrong) -> None:
    exercise = up_to(EXERCISES[module.EXERCISE], wrong.check)
    with undisturbed(), contextlib.redirect_stdout(io.StringIO()):
        found = run(exercise, in_process_subject(define(wrong.source, module.EXERCISE)))
    failures = [outcome for outcome in found.outcomes if not outcome.passed]
    assert failures, "it passes"
    assert (failures[0].name, failures[0].misconception) == (wrong.check, wrong.misconception), failures[0].message
    assert failures[0].message
    assert found.status in ("failed", "error")
    assert found.score < found.points


@pytest.mark.parametrize(("module", "source"), RIGHT)
def test_right_solution_passes_with_any_inputs(module: ModuleType, source: str) -> None:
    for seed in range(SEEDS_PER_RIGHT_SOLUTION):
        found = report(module, source, seed)
        wrong = [(outcome.name, outcome.message) for outcome in found.outcomes if not outcome.passed]
        assert not wrong
        assert found.status == "passed"
        assert found.score == found.points


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.EXERCISE)
def test_every_check_is_the_first_to_reject_something(module: ModuleType) -> None:
    exercise = EXERCISES[module.EXERCISE]
    first = {wrong.check for wrong in (*module.WRONG, *formulas(exercise))}
    assert {check.name for check in exercise.checks} - first == set()


def test_every_mistake_is_told_to_someone() -> None:
    told = {wrong.misconception for module in MODULES for wrong in module.WRONG}
    told |= {wrong.mistake.name for exercise in EXERCISES.values() for wrong in formulas(exercise)}
    assert {name for exercise in EXERCISES.values() for name in exercise.mistakes} - told == set()


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.EXERCISE)
def test_the_checks_of_a_right_solution_do_not_depend_on_each_other(module: ModuleType) -> None:
    """Each check passes alone, too: none relies on what an earlier one left in the shared evidence."""
    exercise = EXERCISES[module.EXERCISE]
    source = next(iter(module.RIGHT.values()))
    with undisturbed():
        for check in exercise.checks:
            subject = in_process_subject(define(source, module.EXERCISE))
            check.function(exercise.evidence(subject, 5))


def test_the_same_seed_gives_the_same_report() -> None:
    module = next(module for module in MODULES if module.EXERCISE == "BayesianLinear")
    exercise, wrong = EXERCISES["BayesianLinear"], next(wrong for wrong in module.WRONG if wrong.name == "softplus")
    with undisturbed():
        reports = [run(exercise, in_process_subject(define(wrong.source, exercise.name)), seed) for seed in (7, 7, 8)]
    assert reports[0] == reports[1]
    assert reports[0] != reports[2]

"""Each mistake whose formula an exercise knows, handed in as a function: it is rejected by the check that lists it, and
told by its name and sentence.
"""

from __future__ import annotations

import pytest
from zoo import define, up_to

from bnn_core.autograder.exercise import run
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.in_notebook import report_on, undisturbed
from bnn_core.autograder.in_process import in_process_subject
from bnn_core.autograder.judging.function_exercise import FunctionExercise, WrongAnswer

ANSWERS = [
    pytest.param(exercise, wrong, id=f"{exercise.name}: {wrong.mistake.name} {number}")
    for exercise in EXERCISES.values()
    if isinstance(exercise, FunctionExercise)
    for number, wrong in enumerate(exercise.wrong_answers)
]


@pytest.mark.parametrize(("exercise", "wrong"), ANSWERS)
def test_a_mistake_is_told_from_its_formula(exercise: FunctionExercise, wrong: WrongAnswer) -> None:
    with undisturbed():
        report = run(up_to(exercise, wrong.check), in_process_subject(wrong.function), seed=1)
    first = next(outcome for outcome in report.outcomes if not outcome.passed)
    assert (first.name, first.misconception) == (wrong.check, wrong.mistake.name), first.message
    assert first.message.startswith(exercise.sentence(wrong.mistake, {}))


TWO_AT_ONCE = {
    "½ forgotten, and prior_std": (
        "def gaussian_kl(mean, log_std, prior_std=1.0):\n"
        "    return (mean**2 + torch.exp(2 * log_std) - 1 - 2 * log_std).sum()",
        ("kl-half-missing", "prior-ignored"),
    ),
    "exp(log_std) for its square, and averaged": (
        "def gaussian_kl(mean, log_std, prior_std=1.0):\n"
        "    p = torch.as_tensor(prior_std)\n"
        "    return 0.5 * ((mean**2 + torch.exp(log_std)) / p**2 - 1 - 2 * log_std + 2 * torch.log(p)).mean()",
        ("kl-std-for-variance", "kl-averaged"),
    ),
    "two terms of a sum are forgotten": (
        "def gaussian_kl(mean, log_std, prior_std=1.0):\n"
        "    p = torch.as_tensor(prior_std)\n"
        "    return 0.5 * (torch.exp(2 * log_std) / p**2 - 2 * log_std + 2 * torch.log(p) + 0 * mean).sum()",
        ("kl-term-missing", "kl-term-missing"),
    ),
}


@pytest.mark.parametrize(("source", "mistakes"), TWO_AT_ONCE.values(), ids=TWO_AT_ONCE)
def test_two_mistakes_at_once_are_both_told(source: str, mistakes: tuple[str, str]) -> None:
    report = report_on(define(f"import torch\n{source}\n", "gaussian_kl"))
    first = next(outcome for outcome in report.outcomes if not outcome.passed)
    exercise = EXERCISES["gaussian_kl"]
    assert isinstance(exercise, FunctionExercise)
    assert first.misconception == mistakes[0]
    told = [exercise.sentence(one.mistake, {}) for one in exercise.wrong_answers if one.mistake.name == mistakes[1]]
    assert any(f"That is not all. {sentence}" in first.message for sentence in told)


def test_what_no_two_mistakes_give_is_told_by_numbers() -> None:
    source = "def gaussian_kl(mean, log_std, prior_std=1.0):\n    return (mean.abs() + log_std.cos()).sum()"
    report = report_on(define(source, "gaussian_kl"))
    first = next(outcome for outcome in report.outcomes if not outcome.passed)
    assert first.misconception is None
    assert "That is not all" not in first.message

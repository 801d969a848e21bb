"""Each mistake whose formula an exercise knows, handed in as a function: it is rejected by the check that lists it, and
told by its name and sentence.
"""

from __future__ import annotations

import pytest
import torch
from zoo import define, up_to

from bnn_core.autograder.exercise import run
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.in_notebook import report_on, undisturbed
from bnn_core.autograder.in_process import in_process_subject
from bnn_core.autograder.judging.formulas import Formula, explanation_by_two
from bnn_core.autograder.judging.function_exercise import FunctionExercise, WrongAnswer
from bnn_core.autograder.judging.values import are_close, close
from bnn_core.autograder.mistakes import Mistake

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
    "up to a constant: an average for a sum, and a sign": (
        "def log_joint(parameters, x, y, noise_std, prior_std):\n"
        "    w1, b1, w2, b2 = parameters.values()\n"
        "    errors = y - (x @ w1.T + b1).relu() @ w2.T - b2\n"
        "    squares = sum(value.square().sum() for value in parameters.values())\n"
        "    return -errors.square().mean() / (2 * noise_std**2) + squares / (2 * prior_std**2)",
        ("likelihood-averaged", "prior-subtracted"),
    ),
    "up to a constant: which parameters have a prior, and which prior": (
        "def log_joint(parameters, x, y, noise_std, prior_std):\n"
        "    w1, b1, w2, b2 = parameters.values()\n"
        "    errors = y - (x @ w1.T + b1).relu() @ w2.T - b2\n"
        "    squares = w1.square().sum() + w2.square().sum()\n"
        "    return -errors.square().sum() / (2 * noise_std**2) - squares / (2 * prior_std)",
        ("prior-without-biases", "prior-as-variance"),
    ),
    "which are kept, and what is made of them": (
        "def selective_error(confidence, correct, coverage):\n"
        "    kept = confidence.argsort(descending=True)[: int(coverage * len(confidence))]\n"
        "    return correct[kept].float().mean()",
        ("kept-rounded-down", "accuracy-for-error"),
    ),
    "which are removed, and what is left of them": (
        "def prune_by_signal_to_noise(layer, fraction):\n"
        "    mean, log_std = layer.weight_mean.detach(), layer.weight_log_std.detach()\n"
        "    ranks = mean.abs().flatten().argsort().argsort().view(mean.shape)\n"
        "    kept = ranks >= int(fraction * mean.numel())\n"
        "    return torch.where(kept, mean, 0.0), torch.where(kept, log_std, 0.0)",
        ("noise-ignored", "log-std-zero"),
    ),
}


@pytest.mark.parametrize(("source", "mistakes"), TWO_AT_ONCE.values(), ids=TWO_AT_ONCE)
def test_two_mistakes_at_once_are_both_told(source: str, mistakes: tuple[str, str]) -> None:
    name = source.removeprefix("def ").partition("(")[0]
    report = report_on(define(f"import torch\n{source}\n", name))
    first = next(outcome for outcome in report.outcomes if not outcome.passed)
    exercise = EXERCISES[name]
    assert isinstance(exercise, FunctionExercise)
    assert first.misconception == mistakes[0]
    told = [exercise.sentence(one.mistake, {}) for one in exercise.wrong_answers if one.mistake.name == mistakes[1]]
    assert any(f"That is not all. {sentence}" in first.message for sentence in told)


def test_pairs_of_mistakes_are_sifted_by_the_first_input() -> None:
    """A hundred mistakes have thousands of pairs, of which none but those that fit it are tried with the others."""
    evaluated: list[tuple[float, int]] = []

    def formula(factor: float) -> Formula:
        def formula(x: torch.Tensor) -> torch.Tensor:
            evaluated.append((factor, len(x)))
            return x * factor

        return formula

    suspects = [(Mistake(f"mistake-{n}", ""), formula(1 + 0.01 * n * n)) for n in range(1, 100)]
    cases, right = [[torch.arange(1.0, 2.0 + n).double()] for n in range(3)], 1.0
    for value, pair in ((-5.0, None), (right + 0.01 * (3 * 3 + 7 * 7), ("mistake-3", "mistake-7"))):
        evaluated.clear()
        values, expected = [case[0] * value for case in cases], [case[0] * right for case in cases]
        found = explanation_by_two(suspects, cases, values, expected)
        assert found == pair or (found and tuple(mistake.name for mistake in found) == pair)
        assert sum(size == 1 for _, size in evaluated) <= len(suspects) + 40
        assert sum(size > 1 for _, size in evaluated) <= 80


@pytest.mark.parametrize("size", [(), (4,), (2, 3)])
def test_many_candidates_are_close_as_each_is(size: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    came = torch.randn(size, generator=generator).double()
    apart = 10.0 ** torch.arange(-8, 0).double().view(-1, *[1] * len(size))
    candidates = came + apart * torch.randn((8, *size), generator=generator).double()
    candidates = torch.cat([candidates, torch.full_like(candidates[:1], torch.nan), candidates[:1] / 0])
    for value in (came, candidates[-1], candidates[-2]):
        assert are_close(value, candidates).tolist() == [close(value, one) for one in candidates]


def test_what_no_two_mistakes_give_is_told_by_numbers() -> None:
    source = "def gaussian_kl(mean, log_std, prior_std=1.0):\n    return (mean.abs() + log_std.cos()).sum()"
    report = report_on(define(source, "gaussian_kl"))
    first = next(outcome for outcome in report.outcomes if not outcome.passed)
    assert first.misconception is None
    assert "That is not all" not in first.message

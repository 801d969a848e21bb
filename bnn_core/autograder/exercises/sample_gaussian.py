"""The specification of lesson 01's exercise `sample_gaussian(mean, log_std, epsilon=None)`."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from bnn_core.autograder.exercise import Evidence
from bnn_core.autograder.judging.draws import Axis
from bnn_core.autograder.judging.formulas import Arguments, Formula, drawing
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.mistakes import CODE, DRAWING, GRADIENTS, STANDARD_DEVIATION, Mistake, shared

SIZES = [(2, 3), (3, 3), (1,), (1, 4), (300,)]


def inputs(evidence: Evidence) -> list[Arguments]:
    """Without epsilon; log_std covers −9 to 2."""
    cases = [{"mean": evidence.normal(*size), "log_std": evidence.uniform(-3.0, 0.5, *size)} for size in SIZES]
    wide = torch.linspace(-9.0, 2.0, 12)[torch.randperm(12, generator=evidence.generator)].reshape(3, 4)
    return [*cases, {"mean": evidence.normal(3, 4), "log_std": wide}]


def inputs_with_epsilon(evidence: Evidence) -> list[Arguments]:
    cases = [{**case, "epsilon": evidence.normal(*case["mean"].shape)} for case in inputs(evidence)]
    zero = {**cases[0], "epsilon": torch.zeros_like(cases[0]["epsilon"])}
    broadcast = {"mean": evidence.normal(3), "log_std": evidence.uniform(-1, 0, 3), "epsilon": evidence.normal(5, 3)}
    number = {"mean": evidence.normal(), "log_std": evidence.uniform(-1, 0), "epsilon": evidence.normal()}
    return [*cases, zero, broadcast, number]


def right(mean: Tensor, log_std: Tensor) -> Tensor:
    return mean


def std(mean: Tensor, log_std: Tensor) -> Tensor:
    return log_std.exp()


def shifted(mean: Tensor, log_std: Tensor, epsilon: Tensor) -> Tensor:
    return mean + log_std.exp() * epsilon


def with_noise(formula: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The formula as a function that draws epsilon where it isn't given."""
    return lambda mean, log_std, epsilon=None: formula(
        mean, log_std, torch.randn_like(mean) if epsilon is None else epsilon
    )


def where_no_noise_is_given(mean: Formula, std: Formula) -> Formula:
    """A function that draws with this mean and this standard deviation, and is right where epsilon is given."""
    draw = drawing(mean, std)
    return lambda mean, log_std, epsilon=None: (
        draw(mean, log_std) if epsilon is None else shifted(mean, log_std, epsilon)
    )


THE_STD = "The spread"

exercise = FunctionExercise("sample_gaussian", "01_reparameterization", points=2, inputs=inputs, right=right, std=std)
shape = exercise.returns("it returns a tensor in the shape of mean")
kept = exercise.keeps_arguments("mean and log_std stay as they were")
exercise.equals("with a given epsilon it is mean + exp(log_std)·epsilon", taught_in="The mathematics", mistakes=[
    shared("log-variance-for-log-std", lambda m, s, e: shifted(m, 0.5 * s, e), what=THE_STD),
    shared("variance-for-std", lambda m, s, e: shifted(m, 2 * s, e), what=THE_STD),
    shared("softplus-for-exp", lambda m, s, e: m + F.softplus(s) * e, what=THE_STD),
    shared("log-std-for-std", lambda m, s, e: m + s * e, what=THE_STD),
    shared("std-ignored", lambda m, s, e: m + e, what=THE_STD),
    shared("sign-of-log-std", lambda m, s, e: shifted(m, -s, e), what=THE_STD),
    shared("std-exp-twice", lambda m, s, e: m + s.exp().exp() * e, what=THE_STD),
    shared("std-base", lambda m, s, e: m + torch.exp2(s) * e, what=THE_STD),
    shared("std-base", lambda m, s, e: m + torch.pow(10.0, s) * e, what=THE_STD),
    shared("noise-multiplies-mean", lambda m, s, e: (m + s.exp()) * e, what="the mean"),
    Mistake("epsilon-multiplies-log-std", "Epsilon stands inside the exponential: it multiplies exp(log_std), and isn't"
            " multiplied by log_std first.", lambda m, s, e: m + (s * e).exp()),
    Mistake("epsilon-added-to-log-std", "Epsilon is added to log_std; it multiplies exp(log_std).",
            lambda m, s, e: m + (s + e).exp()),
    Mistake("epsilon-added", "Epsilon is added; it multiplies exp(log_std).", lambda m, s, e: m + s.exp() + e),
    Mistake("epsilon-left-out", "Epsilon doesn't enter: mean + exp(log_std)·epsilon.",
            lambda m, s, e: m + s.exp() + 0 * e),
    Mistake("epsilon-alone", "The given epsilon comes back as it is: shift and stretch it.",
            lambda m, s, e: e + 0 * m),
    Mistake("draw-without-mean", "The mean is missing: mean + exp(log_std)·epsilon.", lambda m, s, e: s.exp() * e),
    Mistake("draw-without-noise", "That is the mean alone: exp(log_std)·epsilon is missing.",
            lambda m, s, e: m + 0 * e),
    Mistake("draw-of-mean-and-std-swapped", "mean and log_std have changed places.",
            lambda m, s, e: shifted(s, m, e)),
    Mistake("epsilon-sign", "The noise is subtracted; with a given epsilon it makes a difference.",
            lambda m, s, e: shifted(m, s, -e)),
    Mistake("epsilon-ignored", "The epsilon that is given isn't used: noise is drawn in its place. Draw only where"
            " epsilon is None.", lambda m, s, e: shifted(m, s, torch.randn(e.shape).to(e))),
], inputs=inputs_with_epsilon, right=shifted, answer=with_noise, varying="epsilon-ignored")  # fmt: skip
anew = exercise.draws_anew("without epsilon every call draws anew")
noise = exercise.draws(
    "without epsilon the draws are centred on mean",
    "without epsilon they spread as exp(log_std) says",
    "without epsilon the noise is standard normal, and every element has its own",
    calls=600, axes=[Axis("rows", "noise-shared", "The rows"), Axis("columns", "noise-shared", "The columns")],
    needs=[kept, anew], taught_in="The mathematics", wrong_means=[
        Mistake("epsilon-drawn-as-w", "Where no epsilon is given, it is drawn with the mean and the std, and then"
                " shifted and stretched once more: epsilon itself comes from N(0, 1).", lambda m, s: m + s.exp() * m),
    ], answer=where_no_noise_is_given,
)  # fmt: skip
exercise.gradients_are_right("gradients reach mean and log_std, and are right", of=["mean", "log_std"], needs=[noise])
exercise.has_manners("the result has the dtype of the arguments", "it leaves the global random seed alone")
exercise.knows(
    "Your turn",
    [
        Mistake(
            "epsilon-still-none",
            "epsilon is still None where it is used: where it isn't given, draw it, `if epsilon is None:`.",
            error_signs=("'NoneType'",),
        ),
        Mistake(
            "none-asked-by-truth",
            "“if epsilon” asks a tensor whether it is true; ask whether it was given: epsilon is None.",
            error_signs=("Boolean value of Tensor with more than one value is ambiguous",),
        ),
    ],
    CODE,
)
exercise.knows("The mathematics", [
    Mistake("noise-scaled", "The noise that is drawn is {what} times as strong as exp(log_std)."),
    Mistake("variance-floor-too-high", "Small standard deviations are raised: something is clamped or added."),
], DRAWING, STANDARD_DEVIATION, GRADIENTS)  # fmt: skip

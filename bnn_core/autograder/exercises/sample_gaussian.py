"""The specification of lesson 01's exercise `sample_gaussian(mean, log_std, epsilon=None)`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from bnn_core.autograder.exercise import Evidence, Failed
from bnn_core.autograder.interface import LearnerError
from bnn_core.autograder.judging.draws import Axis, require_fresh_noise
from bnn_core.autograder.judging.formulas import Arguments, Formula, drawing, named
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.judging.values import expected_and_came, matches, number, tensor_from
from bnn_core.autograder.mistakes import CODE, DRAWING, GRADIENTS, STANDARD_DEVIATION, Mistake, mistake, shared

DIGITS = 1e-9
"""What float32 leaves out is more than ten times as much."""

BETWEEN_NUMBERS_OF_FLOAT32 = 1 + 2.5e-8

SIZES = [(2, 3), (3, 3), (1,), (1, 4), (300,)]


def inputs(evidence: Evidence) -> list[Arguments]:
    """Without epsilon; log_std covers −9 to 2."""
    cases = [{"mean": evidence.normal(*size), "log_std": evidence.uniform(-3.0, 0.5, *size)} for size in SIZES]
    wide = torch.linspace(-9.0, 2.0, 12)[torch.randperm(12, generator=evidence.generator)].reshape(3, 4)
    return [*cases, {"mean": evidence.normal(3, 4), "log_std": wide}]


def inputs_with_epsilon(evidence: Evidence) -> list[Arguments]:
    """The last ones come without epsilon, too, where one that was remembered shows."""
    cases = [{**case, "epsilon": evidence.normal(*case["mean"].shape)} for case in inputs(evidence)]
    vector = {"mean": evidence.normal(3), "log_std": evidence.uniform(-1, 0, 3)}
    narrow = {"mean": torch.zeros(3), "log_std": evidence.uniform(-9.0, -8.0, 3), "epsilon": evidence.normal(3)}
    broadcast = [{**vector, "epsilon": evidence.normal(*size)} for size in ((5, 3), (10, 1))]
    far, zero = ({**vector, "epsilon": torch.tensor(epsilon)} for epsilon in ([-7.0, 3.5, 6.0], [0.0, 0.0, 0.0]))
    single = {"mean": evidence.normal(), "log_std": evidence.uniform(-1, 0), "epsilon": evidence.normal()}
    return [cases[0], narrow, *broadcast, far, zero, single, *cases[1:]]


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
given = exercise.equals("with a given epsilon it is mean + exp(log_std)·epsilon", "The mathematics", mistakes=[
    shared("log-variance-for-log-std", lambda m, s, e: shifted(m, 0.5 * s, e), what=THE_STD),
    shared("variance-for-std", lambda m, s, e: shifted(m, 2 * s, e), what=THE_STD),
    shared("softplus-for-exp", lambda m, s, e: m + F.softplus(s) * e, what=THE_STD),
    shared("log-std-for-std", lambda m, s, e: m + s * e, what=THE_STD),
    shared("log-std-for-std", lambda m, s, e: m + s.abs() * e, what=THE_STD),
    shared("std-ignored", lambda m, s, e: m + e, what=THE_STD),
    shared("sign-of-log-std", lambda m, s, e: shifted(m, -s, e), what=THE_STD),
    shared("std-exp-twice", lambda m, s, e: m + s.exp().exp() * e, what=THE_STD),
    shared("std-base", lambda m, s, e: m + torch.exp2(s) * e, what=THE_STD),
    shared("std-base", lambda m, s, e: m + torch.pow(10.0, s) * e, what=THE_STD),
    shared("noise-multiplies-mean", lambda m, s, e: (m + s.exp()) * e, what="the mean"),
    shared("noise-multiplies-mean", lambda m, s, e: m * (1 + s.exp() * e), what="the mean"),
    *mistake("log-std-clamped", "log_std is cut off: exp(log_std) is the std for all of −9 to 2, so there is nothing to"
             " clamp.", *(lambda m, s, e, low=low: shifted(m, s.clamp_min(low), e) for low in (-2, -3, -4, -5, -6, -7)),
             *(lambda m, s, e, high=high: shifted(m, s.clamp_max(high), e) for high in (0.0, 1.0))),
    *mistake("epsilon-clamped", "The epsilon that is given is cut off: use it as it is.",
             *(lambda m, s, e, most=most: shifted(m, s, e.clamp(-most, most)) for most in (1, 2, 3, 4, 5, 6))),
    Mistake("epsilon-squared", "Epsilon is squared: it multiplies exp(log_std) as it is, with its sign.",
            lambda m, s, e: shifted(m, s, e**2)),
    Mistake("draw-the-other-way", "(epsilon − mean) / std makes standard noise of a draw; asked for is the way back,"
            " mean + exp(log_std)·epsilon.", lambda m, s, e: (e - m) / s.exp()),
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
], inputs=inputs_with_epsilon, right=shifted, answer=with_noise, varying="epsilon-ignored",
    in_part="draw-in-part")  # fmt: skip
with_epsilon = FunctionExercise("sample_gaussian", exercise.lesson, 2, inputs=inputs_with_epsilon, right=shifted)
exercise.check("with a given epsilon gradients reach mean and log_std, and are right", needs=[given])(
    with_epsilon.gradients_are_right("", of=["mean", "log_std"])
)
anew = exercise.draws_anew("without epsilon every call draws anew")


@exercise.check("without epsilon a number is drawn anew, too", needs=[anew])
def draws_a_number(evidence: Evidence) -> None:
    """Or raises: torch.randn(*mean.shape) wants a size, which no lesson's code leaves out."""
    mean, log_std = evidence.normal(), evidence.uniform(-1, -0.3)
    with contextlib.suppress(LearnerError):
        first, second = (tensor_from(evidence.subject.call(mean, log_std), exercise.name) for _ in range(2))
        require_fresh_noise(first, second, mean.double(), f"with the mean {number(mean.item())}")


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


@exercise.check("for float64 arguments it has the digits of float64", needs=[given])
def has_all_digits(evidence: Evidence) -> None:
    for arguments in inputs_with_epsilon(evidence):
        double = {name: value * BETWEEN_NUMBERS_OF_FLOAT32 for name, value in named(arguments).items()}
        right, reply = shifted(*double.values()), exercise.called(evidence, double)
        came = exercise.value(reply, right.shape)
        if reply.dtype == torch.float64 and not matches(came, right, DIGITS * (right.abs() + right.abs().max() + 1e-2)):
            raise Failed(expected_and_came("The draw", right, came), "computed-in-float32")


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
        Mistake(
            "elementwise-shapes",
            "Shapes meet that don't broadcast: leave those of mean, log_std and a given epsilon as they are, and draw"
            " epsilon in the shape of mean.",
            error_signs=("must match the size of tensor b",),
        ),
    ],
    CODE,
)
exercise.knows("The mathematics", [
    Mistake("draw-in-part", "It is right for some inputs and not for this one: is something cut off or added, or does"
            " it depend on the shapes?"),
    Mistake("noise-scaled", "The noise that is drawn is {what} times as strong as exp(log_std)."),
    Mistake("variance-floor-too-high", "Small standard deviations are raised: something is clamped or added."),
], DRAWING, STANDARD_DEVIATION, GRADIENTS)  # fmt: skip

"""The specification of lesson 00's exercise `gaussian_log_prob(x, mean, std)`."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Normal

from bnn_core.autograder.exercise import Evidence
from bnn_core.autograder.judging.formulas import Arguments
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.mistakes import CODE, GRADIENTS, Mistake, mistake

Size = tuple[int, ...]


def usual_inputs(evidence: Evidence) -> list[Arguments]:
    def case(x: Size, mean: Size, std: Size, low: float = -1.0, high: float = 1.0) -> Arguments:
        return {
            "x": evidence.normal(*x),
            "mean": evidence.normal(*mean),
            "std": evidence.uniform(low, high, *std).exp(),
        }

    sizes = [((2,),) * 3, ((3, 4),) * 3, ((1,),) * 3, ((5, 3), (3,), (5, 1)), ((),) * 3]
    return [*(case(*size) for size in sizes), case((4,), (4,), (4,), low=2.0, high=3.0)]


def inputs(evidence: Evidence) -> list[Arguments]:
    """The first of the others lie so far out that the density itself is 0 in float32; then come densities above 1, tiny
    stds, and values that are large beside the std.
    """

    def near(*size: int, centre: float = 1.0, low: float, high: float) -> Arguments:
        mean, std = centre * evidence.normal(*size), evidence.uniform(low, high, *size).exp()
        return {"x": mean + std * evidence.normal(*size), "mean": mean, "std": std}

    far = {"x": 5 + evidence.normal(4).abs(), "mean": evidence.normal(4), "std": evidence.uniform(0.05, 0.2, 4)}
    dense, tiny = near(4, low=-3.0, high=-2.0), near(12, centre=1e-3, low=-9.0, high=-8.0)
    large = near(4, centre=2e4, low=2.0, high=3.0)
    return [*usual_inputs(evidence), far, dense, tiny, large]


def right(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    value: Tensor = Normal(mean, std).log_prob(x)
    return value


HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def at_any_std(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """The formula, which gives nan where std is below 0."""
    return -0.5 * ((x - mean) / std) ** 2 - std.log() - HALF_LOG_TWO_PI


def terms(square: float = -0.5, log: float = -1.0, constant: float = -HALF_LOG_TWO_PI) -> Callable[..., Tensor]:
    """The formula with these factors for ((x − mean)/std)² and log(std), and this constant."""
    return lambda x, mean, std: square * ((x - mean) / std) ** 2 + log * std.log() + constant


WRONG_DENSITIES = [
    Mistake("density-not-log", "That is the density itself: take its logarithm.", lambda *a: right(*a).exp()),
    Mistake("log-of-density", "Far out the density is 0 in float32, and its logarithm −∞: add up the logarithms of"
            " its factors.", lambda *a: right(*a).float().exp().log().double()),
    Mistake("density-negated", "The sign is turned round: this is −log N(x; mean, std²).", lambda *a: -right(*a)),
    Mistake("density-variance-for-std", "You read {std} as a variance: it is the standard deviation, whose square is"
            " the variance.", lambda x, m, s: right(x, m, s.sqrt())),
    Mistake("density-std-squared", "{std} is squared once too often: it is a standard deviation already.",
            lambda x, m, s: right(x, m, s**2)),
    Mistake("density-std-not-squared", "The squared distance is divided by {std}; it must be divided by {std}².",
            lambda x, m, s: -0.5 * (x - m) ** 2 / s - s.log() - HALF_LOG_TWO_PI),
    Mistake("density-distance-not-squared", "The distance ({x} − {mean})/{std} isn't squared.",
            lambda x, m, s: -0.5 * (x - m) / s - s.log() - HALF_LOG_TWO_PI),
    Mistake("density-half-missing", "The ½ before the squared distance is missing.", terms(square=-1.0)),
    Mistake("density-half-and-sign-missing", "The −½ before the squared distance is missing.", terms(square=1.0)),
    Mistake("density-distance-over-variance", "The distance is divided by {std}² before it is squared: divide it by"
            " {std}.", lambda x, m, s: -0.5 * ((x - m) / s**2) ** 2 - s.log() - HALF_LOG_TWO_PI),
    Mistake("density-distance-sign", "The squared distance has the wrong sign: away from the mean the density falls.",
            terms(square=0.5)),
    Mistake("density-log-std-missing", "log({std}) is missing: a wide density is a low one.", terms(log=0.0)),
    Mistake("density-log-std-sign", "log({std}) has the wrong sign: a wide density is a low one.", terms(log=1.0)),
    Mistake("density-log-std-halved", "log({std}) is subtracted whole; ½ belongs before log({std}²).", terms(log=-0.5)),
    Mistake("density-log-variance", "log({std}²) is subtracted without the ½ before it.", terms(log=-2.0)),
    Mistake("density-std-not-logged", "{std} itself is subtracted, where log({std}) belongs.",
            lambda x, m, s: right(x, m, s) + s.log() - s),
    Mistake("density-constant-missing", "The constant −½·log(2π) is missing.", terms(constant=0.0)),
    Mistake("density-constant-not-halved", "The constant is −½·log(2π): its ½ is missing.",
            terms(constant=-2 * HALF_LOG_TWO_PI)),
    Mistake("density-constant-sign", "The constant ½·log(2π) is subtracted, not added.",
            terms(constant=HALF_LOG_TWO_PI)),
    Mistake("density-constant-pi", "The constant is −½·log(2π): the 2 is missing.",
            terms(constant=-0.5 * math.log(math.pi))),
    Mistake("density-constant-not-logged", "The constant is a logarithm, ½·log(2π) = log √(2π): yours is √(2π).",
            terms(constant=-math.sqrt(2 * math.pi))),
    Mistake("density-of-standard-normal", "This is the density of the standard normal: {mean} and {std} don't enter.",
            lambda x, m, s: right(x, 0 * m, torch.ones_like(s))),
    Mistake("density-mean-ignored", "The mean isn't subtracted from {x}.", lambda x, m, s: right(x, 0 * m, s)),
    Mistake("density-mean-added", "The mean is added to {x}; it must be subtracted.", lambda x, m, s: right(x, -m, s)),
    *mistake("density-log-std-base", "log({std}) is to be the natural logarithm; yours has another base.",
             lambda x, m, s: right(x, m, s) + s.log() - s.log10(), lambda x, m, s: right(x, m, s) + s.log() - s.log2()),
    *mistake("density-distance-absolute", "The distance isn't squared: |{x} − {mean}| stands where its square belongs.",
             lambda x, m, s: -0.5 * (x - m).abs() / s**2 - s.log() - HALF_LOG_TWO_PI,
             lambda x, m, s: -0.5 * ((x - m) / s).abs() - s.log() - HALF_LOG_TWO_PI),
    Mistake("density-by-precedence", "a / 2 * b multiplies by b: write a / (2 * b).",
            lambda x, m, s: -0.5 * (x - m) ** 2 * s**2 - s.log() - HALF_LOG_TWO_PI),
    Mistake("density-arguments-swapped", "{mean} and {std} have changed places.", lambda x, m, s: at_any_std(x, s, m)),
    *mistake("density-std-padded", "Something is added to {std}, which shows where it is small: add nothing.",
             *(lambda x, m, s, e=e: right(x, m, s + e) for e in (0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6))),
    Mistake("density-base", "torch.log is the natural logarithm; yours has base 10.",
            lambda *a: right(*a) / math.log(10)),
]  # fmt: skip
"""What may come in the density's place; other exercises that need it know it, too."""

exercise = FunctionExercise("gaussian_log_prob", lesson="00_start_here", points=2, inputs=inputs, right=right)
exercise.words |= {"x": "x", "mean": "mean", "std": "std"}
exercise.returns("it returns a tensor with one number for each element", "Your turn", inputs=usual_inputs, mistakes=[
    Mistake("density-summed", "There is one number for all elements: asked for is one for each.",
            lambda *a: right(*a).sum()),
], finite=False)  # fmt: skip
exercise.keeps_arguments("x, mean and std stay as they were")
exercise.equals(
    "it is the logarithm of the density, far out too", "The mathematics", WRONG_DENSITIES, in_part="density-cut-off"
)
exercise.gradients_are_right("its gradients reach x, mean and std, and are right", of=["x", "mean", "std"])
exercise.has_manners("the result has the dtype of the arguments", "it leaves the global random seed alone")
exercise.knows("Your turn", CODE, [
    Mistake("density-cut-off", "It is right for usual values and wrong for others: something is cut off, added, or"
            " multiplied out. A log density has no bounds; far out it is far below 0, and above 0 where std is small."),
])  # fmt: skip
exercise.knows("The mathematics", GRADIENTS)

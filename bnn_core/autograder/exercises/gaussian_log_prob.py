"""The specification of lesson 00's exercise `gaussian_log_prob(x, mean, std)`."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Normal

from bnn_core.autograder.exercise import Evidence, Failed
from bnn_core.autograder.judging.formulas import Arguments
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.mistakes import CODE, GRADIENTS, Mistake, mistake

Size = tuple[int, ...]

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def usual_inputs(evidence: Evidence) -> list[Arguments]:
    def case(x: Size, mean: Size, std: Size, low: float = -1.0, high: float = 1.0) -> Arguments:
        return {
            "x": evidence.normal(*x),
            "mean": evidence.normal(*mean),
            "std": evidence.uniform(low, high, *std).exp(),
        }

    sizes = [((2,),) * 3, ((3, 4),) * 3, ((1,),) * 3, ((5, 3), (3,), (5, 1)), ((),) * 3, ((1,), (4, 1), (3,))]
    turned = {name: value.T for name, value in case((4, 2), (4, 2), (4, 2)).items()}
    return [*(case(*size) for size in sizes), case((4,), (4,), (4,), low=2.0, high=3.0), turned]


def inputs(evidence: Evidence) -> list[Arguments]:
    """The first two of the others lie so far out that the density itself is 0 in float32; then come densities above 1,
    tiny stds, values that are large beside the std, log densities near 0, and an x that is the mean.
    """

    def near(*size: int, centre: float = 1.0, low: float, high: float) -> Arguments:
        mean, std = centre * evidence.normal(*size), evidence.uniform(low, high, *size).exp()
        return {"x": mean + std * evidence.normal(*size), "mean": mean, "std": std}

    far = {"x": 5 + evidence.normal(4).abs(), "mean": evidence.normal(4), "std": evidence.uniform(0.05, 0.2, 4)}
    farther = {**far, "std": evidence.uniform(1e-3, 2e-3, 4)}
    dense, tiny = near(4, low=-3.0, high=-2.0), near(12, centre=1e-3, low=-12.0, high=-9.0)
    large = near(4, centre=2e4, low=2.0, high=3.0)
    stds = (evidence.uniform(-0.05, 0.05, 4) - HALF_LOG_TWO_PI).exp()
    near_zero = {"x": 0.05 * evidence.normal(4), "mean": torch.zeros(4), "std": stds}
    at_the_mean = near(3, low=-1.0, high=1.0)
    at_the_mean["x"][0] = at_the_mean["mean"][0]
    return [*usual_inputs(evidence), far, farther, dense, tiny, large, near_zero, at_the_mean]


def right(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    value: Tensor = Normal(mean, std).log_prob(x)
    return value


def at_any_std(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """The formula, which gives nan where std is below 0."""
    return -0.5 * ((x - mean) / std) ** 2 - std.log() - HALF_LOG_TWO_PI


def terms(square: float = -0.5, log: float = -1.0, constant: float = -HALF_LOG_TWO_PI) -> Callable[..., Tensor]:
    """The formula with these factors for ((x − mean)/std)² and log(std), and this constant."""
    return lambda x, mean, std: square * ((x - mean) / std) ** 2 + log * std.log() + constant


def with_square(square: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The formula with this in the place of ((x − mean)/std)²."""
    return lambda x, mean, std: -0.5 * square(x, mean, std) - std.log() - HALF_LOG_TWO_PI


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
            with_square(lambda x, m, s: (x - m) ** 2 / s)),
    *mistake("density-distance-not-squared", "The distance ({x} − {mean})/{std} isn't squared.",
             *(with_square(lambda x, m, s, power=power: (x - m) / s**power) for power in (1, 2))),
    Mistake("density-distance-undivided", "The distance {x} − {mean} isn't divided by {std}.",
            with_square(lambda x, m, s: (x - m) ** 2)),
    Mistake("density-distance-precedence", "{x} − {mean} / {std} divides the mean alone: write ({x} − {mean}) / {std}.",
            with_square(lambda x, m, s: (x - m / s) ** 2)),
    Mistake("density-distance-swapped", "In the distance {mean} and {std} have changed places.",
            with_square(lambda x, m, s: ((x - s) / m) ** 2)),
    Mistake("density-squares-subtracted", "{x}² − {mean}² isn't ({x} − {mean})²: subtract first, then square.",
            with_square(lambda x, m, s: (x**2 - m**2) / s**2)),
    Mistake("density-half-squared", "The ½ is squared as well, which makes it ¼: (½·z)² isn't ½·z², and (2·{std})²"
            " isn't 2·{std}².", terms(square=-0.25)),
    Mistake("density-minus-squared", "The −½ is squared as well, which makes it +¼: write -0.5 * z**2, for"
            " (-0.5 * z)**2 squares all of it.", terms(square=0.25)),
    Mistake("density-half-missing", "The ½ before the squared distance is missing.", terms(square=-1.0)),
    Mistake("density-half-and-sign-missing", "The −½ before the squared distance is missing.", terms(square=1.0)),
    Mistake("density-distance-over-variance", "The distance is divided by {std}² before it is squared: divide it by"
            " {std}.", with_square(lambda x, m, s: ((x - m) / s**2) ** 2)),
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
    *mistake("density-constant-not-logged", "The constant is a logarithm, ½·log(2π) = log √(2π): yours has none in it.",
             *(terms(constant=-constant) for constant in (math.sqrt(2 * math.pi), math.pi, 2 * math.pi))),
    Mistake("density-half-in-log", "A ½ stands inside the logarithm of {std}: log({std}) is subtracted whole.",
            terms(constant=math.log(2) - HALF_LOG_TWO_PI)),
    Mistake("density-of-standard-normal", "This is the density of the standard normal: {mean} and {std} don't enter.",
            lambda x, m, s: right(x, 0 * m, torch.ones_like(s))),
    Mistake("density-mean-ignored", "The mean isn't subtracted from {x}.", lambda x, m, s: right(x, 0 * m, s)),
    Mistake("density-mean-added", "The mean is added to {x}; it must be subtracted.", lambda x, m, s: right(x, -m, s)),
    *mistake("density-log-std-base", "log({std}) is to be the natural logarithm; yours has another base.",
             *(terms(log=-1 / math.log(base)) for base in (10, 2)),
             *(terms(log=-1 / math.log(base), constant=-HALF_LOG_TWO_PI / math.log(base)) for base in (10, 2))),
    *mistake("density-distance-absolute", "The distance isn't squared: |{x} − {mean}| stands where its square belongs.",
             with_square(lambda x, m, s: (x - m).abs() / s**2), with_square(lambda x, m, s: ((x - m) / s).abs())),
    Mistake("density-by-precedence", "a / 2 * b multiplies by b: write a / (2 * b).",
            with_square(lambda x, m, s: (x - m) ** 2 * s**2)),
    Mistake("density-std-as-log", "exp({std}) is taken: {std} is the standard deviation already.",
            lambda x, m, s: right(x, m, s.exp())),
    Mistake("density-arguments-swapped", "{mean} and {std} have changed places.", lambda x, m, s: at_any_std(x, s, m)),
    *mistake("density-std-padded", "Something is added to {std}, which shows where it is small: add nothing.",
             *(lambda x, m, s, e=e: right(x, m, s + e) for e in (0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6))),
    Mistake("density-base", "torch.log is the natural logarithm; yours has base 10.",
            lambda *a: right(*a) / math.log(10)),
]  # fmt: skip
"""What may come in the density's place; other exercises that need it know it, too."""

ROUNDED = mistake(
    "density-constant-rounded", "The constant is rounded: write 0.5 * math.log(2 * math.pi).",
    *(terms(constant=-constant) for constant in (0.919, 0.9189, 0.92, 0.9, 0.5 * math.log(2 * 3.14))),
)  # fmt: skip

exercise = FunctionExercise("gaussian_log_prob", lesson="00_start_here", points=2, inputs=inputs, right=right)
exercise.words |= {"x": "x", "mean": "mean", "std": "std"}
exercise.returns("it returns a tensor with one number for each element", "Your turn", inputs=usual_inputs, mistakes=[
    Mistake("density-summed", "There is one number for all elements: asked for is one for each.",
            lambda *a: right(*a).sum()),
    Mistake("density-mean-ignored", "The mean isn't subtracted from {x}.",
            lambda x, m, s: right(x, torch.zeros(()), s)),
    Mistake("density-std-ignored", "{std} doesn't enter.", lambda x, m, s: right(x, m, torch.ones(()))),
    Mistake("density-of-standard-normal", "This is the density of the standard normal: {mean} and {std} don't enter.",
            lambda x, m, s: right(x, torch.zeros(()), torch.ones(()))),
], finite=False)  # fmt: skip
exercise.keeps_arguments("x, mean and std stay as they were")
exercise.equals(
    "it is the logarithm of the density, far out too",
    "The mathematics",
    WRONG_DENSITIES + ROUNDED,
    in_part="density-cut-off",
)
exercise.gradients_are_right("its gradients reach x, mean and std, and are right", of=["x", "mean", "std"])
exercise.has_manners("the result has the dtype of the arguments", "it leaves the global random seed alone")


@exercise.check("it draws no random number")
def draws_no_number(evidence: Evidence) -> None:
    numbers = []
    for arguments in ([], inputs(evidence)[:1]):
        evidence.subject.seed(1)
        for case in arguments:
            exercise.called(evidence, case)
        numbers.append(evidence.subject.random_number())
    if numbers[0] != numbers[1]:
        raise Failed("", "density-draws")


exercise.knows("Your turn", [
    Mistake("density-draws", "Your code draws a random number: nothing here is left to chance."),
    Mistake("shapes-not-broadcast", "x, mean and std broadcast, so that each of the three may have more elements than"
            " the others: leave the shapes to +, −, * and /, or use torch.broadcast_tensors(x, mean, std).",
            error_signs=("the number of sizes provided", "The expanded size of the tensor",
                         "is invalid for input of size")),
    Mistake("in-place-shape", "What is changed in place, as by x -= mean, can't get another shape, which broadcasting"
            " may ask for; and an argument belongs to the caller. Write x = x - mean.",
            error_signs=("doesn't match the broadcast shape",)),
], CODE, [
    Mistake("density-cut-off", "It is right for usual values and wrong for others: something is cut off, added, or"
            " multiplied out. A log density has no bounds; far out it is far below 0, and above 0 where std is small."),
])  # fmt: skip
exercise.knows("The mathematics", GRADIENTS)

"""What becomes of X·A: the non-linearity, and the bias unit."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.exercises.hidden_layer.draws import draws_spread, weights_are_right
from bnn_core.autograder.exercises.hidden_layer.layer import (
    CERTAIN_SCALE,
    CERTAIN_TOLERANCE,
    KL_OPTIONS,
    LOCAL,
    SAMPLES,
    WEIGHT_SPACE,
    Evidence,
    exercise,
)
from bnn_core.autograder.exercises.hidden_layer.shapes import draws_have_their_sample_shape
from bnn_core.autograder.interface import TorchFunction
from bnn_core.autograder.judging.draws import known_mistake, require_centred, require_spread
from bnn_core.autograder.judging.preactivations import Problem
from bnn_core.autograder.judging.values import expected_and_came, matches, number
from bnn_core.autograder.mistakes import Mistake


@exercise.check("an activation is non_linearity(X·A)", needs=[draws_spread, weights_are_right])
def non_linearity_is_applied(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        for name, function in NON_LINEARITIES.items():
            problem = evidence.certain_problem()
            options = {"include_hidden_bias": False, "weight_space_sampling": mode}
            came = evidence.layer(problem, non_linearity=TorchFunction(name), **options).draw()[1]
            right = function(problem.mean)
            if not matches(came, right, CERTAIN_TOLERANCE):
                message = expected_and_came(
                    f"With weight_space_sampling={mode}, non_linearity=torch.{name} and almost certain weights it",
                    right,
                    came,
                )
                raise Failed(message, mistaken_non_linearity(problem, function, came))


NON_LINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "sin": torch.sin,
    "relu": torch.relu,
    "arctan": torch.arctan,
}


def mistaken_non_linearity(
    problem: Problem, function: Callable[[Tensor], Tensor], came: Tensor
) -> str | Mistake | None:
    """The mistake that activations look like."""
    mean, X, A_mean = problem.mean, problem.X.double(), problem.A_mean.double()
    suspects = [
        ("non-linearity-ignored", mean),
        ("non-linearity-twice", function(function(mean))),
        ("non-linearity-before", function(X) @ A_mean),
        ("non-linearity-on-weights", X @ function(A_mean)),
        ("non-linearity-on-weights", function(X @ function(A_mean))),
    ]
    return known_mistake(came, suspects, lambda _: torch.tensor(CERTAIN_TOLERANCE))


@exercise.check("gradients go through the non-linearity", needs=[non_linearity_is_applied])
def gradients_pass_the_non_linearity(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        random = evidence.problem()
        problem = random.with_scale(torch.full_like(random.A_scale, CERTAIN_SCALE)).with_gradients()
        options = {"non_linearity": TorchFunction("sin"), "weight_space_sampling": mode, "include_hidden_bias": False}
        layer = evidence.layer(problem, **options)
        reply, draws = layer.draw()
        cotangent = evidence.normal(*draws.shape).double()
        came = problem.gradients(reply, cotangent)["A_mean"]
        right = problem.X.detach().double().T @ (cotangent * problem.mean.cos())
        if came is None or not matches(came.double(), right, CERTAIN_TOLERANCE):
            message = expected_and_came(
                f"With non_linearity=torch.sin, {layer.settings}, the gradient for A_mean",
                right,
                torch.zeros_like(right) if came is None else came.double(),
            )
            raise Failed(message, "non-linearity-without-slope")


@exercise.check("the noise goes through the non-linearity", needs=[non_linearity_is_applied])
def noise_goes_through_the_non_linearity(evidence: Evidence) -> None:
    problem = evidence.problem().mapped(lambda value: 0.5 * value)
    options = {"non_linearity": TorchFunction("exp"), "include_hidden_bias": False}
    draws = evidence.layer(problem, **options).draw(*SAMPLES)[1].flatten(0, 1)
    if not bool((draws > 0).all()):
        message = (
            f"With non_linearity=torch.exp every activation is above 0; one of yours is {number(draws.min().item())}."
        )
        raise Failed(message, "noise-after-non-linearity")
    require_centred(draws.log(), problem.mean, "the logarithm of exp(X·A)")
    require_spread(draws.log(), problem.mean, problem.std, "the logarithm of exp(X·A)", [])


@exercise.check(
    "the bias unit comes last, and is 1 after the non-linearity",
    needs=[draws_have_their_sample_shape, non_linearity_is_applied],
)
def bias_unit_is_one(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        for sample_shape in [(), (6,)]:
            problem = evidence.certain_problem()
            options = {"non_linearity": TorchFunction("sigmoid"), "weight_space_sampling": mode, **KL_OPTIONS}
            layer = evidence.layer(problem, **options)
            require_bias_unit(layer.draw(*sample_shape)[1], problem.mean.sigmoid(), layer.settings)


def require_bias_unit(came: Tensor, units: Tensor, settings: str) -> None:
    """Raise Failed unless the activations (… × B × (H + 1)) are these units, and then ones."""
    last = came[..., -1]
    ones = torch.ones_like(last)
    units = units.expand(*came.shape[:-1], -1)
    if torch.equal(last, ones) and matches(came[..., :-1], units, CERTAIN_TOLERANCE):
        return
    message = expected_and_came(f"With a sigmoid, and {settings}, the last column", ones, last)
    if torch.equal(came[..., 0], ones) and matches(came[..., 1:], units, CERTAIN_TOLERANCE):
        raise Failed(message, "bias-unit-first")
    if matches(last, ones.sigmoid(), 1e-4):
        raise Failed(message, "bias-unit-before-non-linearity")
    if not torch.equal(last, ones):
        raise Failed(message, "bias-unit-not-one")
    raise Failed(expected_and_came("Beside the bias unit, the activations", units, came[..., :-1]))

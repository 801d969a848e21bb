"""The draws of X·A, under local reparameterization and in weight space: moments, noise, gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.exercises.hidden_layer.layer import (
    IN,
    LOCAL,
    LOCAL_AXES,
    PRIOR,
    SAMPLES_AXIS,
    SMALL_CALLS,
    SQUARE,
    WEIGHT_AXES,
    WEIGHT_SPACE,
    Evidence,
    exercise,
)
from bnn_core.autograder.exercises.hidden_layer.shapes import (
    draws_have_their_sample_shape,
    given_non_linearity_is_used,
    layer_is_left_alone,
)
from bnn_core.autograder.interface import LearnerError
from bnn_core.autograder.judging import preactivations
from bnn_core.autograder.judging.draws import require_centred, require_independent, require_normal, require_spread
from bnn_core.autograder.judging.gradients import Draw, linear_gradients, scaled
from bnn_core.autograder.judging.preactivations import NAMES, rows_share_noise, rows_share_weights
from bnn_core.autograder.judging.values import matches, number, numbers

GRADIENT_SAMPLES = 3
EXTREME_SAMPLES = 1000


# Local reparameterization.


@exercise.check("every row has noise of its own", needs=[given_non_linearity_is_used])
def rows_have_their_own_noise(evidence: Evidence) -> None:
    problem = preactivations.with_repetition(evidence.problem())
    draws = evidence.plain_layer(problem, LOCAL).draw()[1]
    in_weight_space = evidence.plain_layer(problem, WEIGHT_SPACE).draw()[1] if rows_share_weights(draws) else draws
    preactivations.require_own_noise_per_row(draws, swapped=not rows_share_noise(in_weight_space))
    many = preactivations.with_many_equal_rows(problem)
    preactivations.require_no_row_twice(evidence.plain_layer(many, LOCAL).draw()[1])


@exercise.check("every unit has noise of its own", needs=[given_non_linearity_is_used])
def units_have_their_own_noise(evidence: Evidence) -> None:
    problem = preactivations.with_equal_units(evidence.problem())
    preactivations.require_own_noise_per_unit(evidence.plain_layer(problem, LOCAL).draw()[1])


@exercise.check(
    "every sample of sample_shape has noise of its own",
    needs=[given_non_linearity_is_used, draws_have_their_sample_shape],
)
def samples_have_their_own_noise(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        draws = evidence.plain_layer(evidence.problem(), mode).draw(2, 3)[1]
        for first, second in ((draws[0], draws[1]), (draws[:, 0], draws[:, 1])):
            if matches(second, first, 1e-4 * draws.abs().max()):
                message = f"With weight_space_sampling={mode} rsample((2, 3)) repeats {numbers(first)}."
                raise Failed(message, "noise-shared-by-samples")


@exercise.check(
    "the draws are centred on X·A_mean",
    needs=[rows_have_their_own_noise, units_have_their_own_noise, samples_have_their_own_noise],
    slow=True,
)
def draws_are_centred(evidence: Evidence) -> None:
    problem, draws = evidence.local_problem, evidence.local_draws.flatten(0, 1)
    X, A_mean, _ = (value.double() for value in problem.tensors)
    suspects = [
        *problem.wrong_means,
        ("divided-by-inputs", problem.mean / IN),
        ("divided-by-inputs", problem.mean / IN**0.5),
        ("inputs-normalised", F.normalize(X, dim=-1) @ A_mean),
        ("mean-sign-lost", X @ A_mean.abs()),
        ("mean-sign-lost", X @ A_mean.clamp_min(0)),
    ]
    require_centred(draws, problem.mean, "a pre-activation", suspects, problem.std)


@exercise.check("the variance of X·A is Σ X²·A_scale²", needs=[draws_are_centred])
def draws_spread(evidence: Evidence) -> None:
    problem, draws = evidence.local_problem, evidence.local_draws.flatten(0, 1)
    if bool((draws == 0).any()):
        zeros = number((draws == 0).double().mean().item())
        raise Failed(f"A share of {zeros} of the pre-activations is exactly 0.", "units-dropped")
    suspects = [*problem.wrong_stds, ("prior-in-draws", PRIOR * problem.std)]
    require_spread(draws, problem.mean, problem.std, "a pre-activation", suspects)
    require_every_scale_to_count(evidence, LOCAL)


def require_every_scale_to_count(evidence: Evidence, mode: bool) -> None:
    """Raise Failed where scales from 0.001 to 30, or all near 0.0003, don't spread the draws as they should."""
    wide, narrow = preactivations.extremes(evidence.generator)
    for problem in (wide, narrow) if mode == LOCAL else (wide,):
        draws = evidence.plain_layer(problem, mode).draw(EXTREME_SAMPLES)[1]
        try:
            require_spread(draws, problem.mean, problem.std, "a pre-activation", [])
        except Failed as failure:
            raise Failed(failure.message, "scale-clamped") from None


@exercise.check("the noise is standard normal, and independent in rows, units and samples", needs=[draws_spread])
def noise_is_independent(evidence: Evidence) -> None:
    require_independent(evidence.local_noise, LOCAL_AXES, repeated=SAMPLES_AXIS)
    require_normal(evidence.local_noise)


@exercise.check(
    "gradients through rsample reach X, A_mean and A_scale, and are those of each draw", needs=[noise_is_independent]
)
def gradients_are_right(evidence: Evidence) -> None:
    require_gradients(evidence, LOCAL)


def require_gradients(evidence: Evidence, mode: bool) -> None:
    """Raise Failed unless gradients are those of the draw, also when there was another in between."""
    problem = (evidence.weight_problem if mode == WEIGHT_SPACE else evidence.problem()).with_gradients()
    layer = evidence.plain_layer(problem, mode)
    reply, draws = layer.draw(GRADIENT_SAMPLES)
    layer.draw()
    cotangent = evidence.normal(*draws.shape).double()
    came = linear_gradients(partial(problem.gradients, reply), cotangent)
    exact = {name: value.detach().double() for name, value in problem.arguments.items()}
    if mode == LOCAL:
        noise = scaled(preactivations.std, (draws - problem.mean) / problem.std)
    else:
        noise = weight_noise((draws[..., :IN, :] - exact["A_mean"]) / exact["A_scale"])  # that rows of one 1 show
    draw = Draw(preactivations.mean, noise, exact, NAMES, cotangent)
    try:
        draw.require(came, otherwise="weights-drawn-for-each-row" if mode == LOCAL else None)
    except Failed as failure:
        raise Failed(failure.message, failure.mistake or "gradient-of-another-value", **failure.about) from None


def weight_noise(epsilon: Tensor) -> Callable[..., Tensor]:
    """What the noise of the weights adds to X·A_mean."""
    return lambda X, A_mean, A_scale: X @ (A_scale * epsilon)


@exercise.check("an all-zero row of X gives zeros and finite gradients", needs=[gradients_are_right])
def zero_row_is_harmless(evidence: Evidence) -> None:
    problem = preactivations.with_zero_row(evidence.problem())
    try:
        layer = evidence.plain_layer(problem, LOCAL)
        reply, again = layer.draw()[0], layer.draw()[1]
    except LearnerError as error:
        raise Failed(error.sentence, "zero-row-gradient") from None
    preactivations.require_harmless_zero_row(reply, again, problem)


# Weight space.


@exercise.check("in weight space, all rows see one draw of the weights", needs=[given_non_linearity_is_used])
def rows_share_the_weights(evidence: Evidence) -> None:
    problem = preactivations.with_repetition(evidence.problem())
    for sample_shape in [(), (3,)]:
        draws = evidence.plain_layer(problem, WEIGHT_SPACE).draw(*sample_shape)[1]
        for draw in draws.reshape(-1, *draws.shape[-2:]):
            if rows_share_weights(draw):
                continue
            if rows_share_noise(draw):
                summands = f"{numbers(draw[0])} and {numbers(draw[1])}"
                rows = f"Two rows of X draw {summands}, but their sum, as a row, {numbers(draw[3])}."
                raise Failed(rows, "weight-space-without-weights")
            rows = f"Two equal rows of X draw {numbers(draw[0])} and {numbers(draw[2])}."
            in_other_order = rows_share_weights(draw.reshape(draw.T.shape).T)
            raise Failed(rows, "reshaped-for-transposed" if in_other_order else "weight-space-ignored")


@exercise.check(
    "in weight space, the weights are centred on A_mean and spread by A_scale",
    needs=[rows_share_the_weights, samples_have_their_own_noise],
    slow=True,
)
def weights_are_right(evidence: Evidence) -> None:
    weights = evidence.weights.flatten(0, 1)
    mean, scale = evidence.weight_problem.A_mean.double(), evidence.weight_problem.A_scale.double()
    suspects = [
        ("preactivation-mean-missing", torch.zeros_like(mean)),
        ("mean-and-scale-swapped", scale),
        ("divided-by-inputs", mean / IN),
        ("divided-by-inputs", mean / IN**0.5),
        ("mean-sign-lost", mean.abs()),
        ("mean-sign-lost", mean.clamp_min(0)),
    ]
    require_centred(weights, mean, "a weight", suspects)
    suspects = [
        ("weight-noise-unscaled", torch.ones_like(scale)),
        ("prior-in-draws", torch.full_like(scale, PRIOR)),
        ("prior-in-draws", PRIOR * scale),
        ("scale-squared-twice", scale**2),
        ("scale-as-variance", scale.sqrt()),
        ("scale-as-log-std", scale.exp()),
        ("scale-as-log-variance", (0.5 * scale).exp()),
        ("scale-through-softplus", F.softplus(scale)),
        ("scale-clamped", scale.clamp_max(1.0)),
    ]
    require_spread(weights, mean, scale, "a weight", suspects)
    require_every_scale_to_count(evidence, WEIGHT_SPACE)


@exercise.check("in weight space, every weight and every sample has noise of its own", needs=[weights_are_right])
def weight_noise_is_independent(evidence: Evidence) -> None:
    require_independent(evidence.weight_noise, WEIGHT_AXES, repeated=SAMPLES_AXIS)
    require_normal(evidence.weight_noise)


@exercise.check(
    "in weight space, gradients through rsample are those of each draw", needs=[weight_noise_is_independent]
)
def weight_space_gradients_are_right(evidence: Evidence) -> None:
    require_gradients(evidence, WEIGHT_SPACE)


# The activations: non-linearity and bias unit, where the weights are as good as certain.


@exercise.check(
    "few samples of a small batch, as square as its weights, are no exception",
    needs=[layer_is_left_alone, noise_is_independent, weight_noise_is_independent],
)
def square_batch_is_right(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        problem = evidence.problem(*SQUARE)
        if mode == WEIGHT_SPACE:
            problem = problem.with_inputs(torch.eye(SQUARE[0]))  # so the draws are the weights
        layer = evidence.plain_layer(problem, mode)
        draws = layer.instance.sample(SMALL_CALLS, "rsample", (2,)).double()
        axes = WEIGHT_AXES if mode == WEIGHT_SPACE else LOCAL_AXES
        preactivations.require_right_draws(draws, problem, f"an element of X·A, {layer.settings},", axes)

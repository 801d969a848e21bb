"""Task loss and KL together lead to the exact posterior, where that is known."""

from __future__ import annotations

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.exercises.bayesian_linear.gradients import output_gradient_is_right
from bnn_core.autograder.exercises.bayesian_linear.kl import kl_gradient_is_right
from bnn_core.autograder.exercises.bayesian_linear.layer import (
    IN,
    PARAMETERS,
    Evidence,
    Layer,
    exercise,
)
from bnn_core.autograder.judging.linear_regression import LinearRegression
from bnn_core.autograder.judging.values import expected_and_came, matches, number

# Training: steps of descent, and how far what they settle at may lie from the exact posterior: more than seven
# standard deviations of what the reference settles at (0.06 for log_std, beside a bias of 0.07 from the finite steps;
# 0.02 for the error of the mean in posterior standard deviations, beside 0.14).
STARTS, TARGETS_PER_START = (-6.0, -3.0, 1.0), 8
STEPS, STEPS_BEFORE_SETTLED = 60, 20
LOG_STD_TOLERANCE = 0.5
MEAN_TOLERANCE = 0.6


@exercise.check(
    "trained with task loss + KL, it finds the exact posterior",
    needs=[output_gradient_is_right, kl_gradient_is_right],
)
def training_finds_the_posterior(evidence: Evidence) -> None:
    problem = LinearRegression(evidence.generator, inputs=IN, targets=len(STARTS) * TARGETS_PER_START)
    mean, log_std = train(problem, evidence.layer(IN, problem.targets))
    for index, start in enumerate(STARTS):
        rows = slice(TARGETS_PER_START * index, TARGETS_PER_START * (index + 1))
        compare(problem, rows, mean[rows], log_std[rows], start)


def train(problem: LinearRegression, layer: Layer) -> tuple[Tensor, Tensor]:
    """Stochastic gradient descent on task loss + KL; the mean and log_std, averaged over the settled steps.

    All starts run at once, each for some of the layer's outputs. Steps are scaled by the curvature at the optimum and
    clipped, so that few of them are enough.
    """
    mean = torch.zeros(problem.targets, 1 + IN, dtype=torch.float64)
    log_std = torch.tensor(STARTS, dtype=torch.float64).repeat_interleave(TARGETS_PER_START)[:, None].expand_as(mean)
    settled = []
    for step in range(STEPS):
        layer.set(as_parameters(mean, log_std))
        to_mean, to_log_std = loss_gradients(problem, layer)
        rate, clip = (0.5, 1.0) if step < STEPS_BEFORE_SETTLED else (0.2, 10.0)
        mean = mean - rate * (to_mean / problem.precision).clamp(-clip, clip)
        log_std = log_std - rate * (0.5 * to_log_std).clamp(-clip, clip)
        if step >= STEPS_BEFORE_SETTLED:
            settled.append(torch.stack([mean, log_std]))
    mean, log_std = torch.stack(settled).mean(dim=0)
    return mean, log_std


def loss_gradients(problem: LinearRegression, layer: Layer) -> tuple[Tensor, Tensor]:
    """The gradients of −log likelihood + KL for (mean, log_std), each targets × (bias, weights)."""
    task, kl = layer.loss_gradients(problem.x, problem.target.float(), problem.weight.float())
    total = {name: task[name] + kl[name] for name in PARAMETERS}
    return (
        torch.cat([total["bias_mean"][:, None], total["weight_mean"]], dim=1),
        torch.cat([total["bias_log_std"][:, None], total["weight_log_std"]], dim=1),
    )


def compare(problem: LinearRegression, rows: slice, mean: Tensor, log_std: Tensor, start: float) -> None:
    """Raise Failed unless what was learned from this start, averaged over its targets, is the exact posterior."""
    came, right = log_std.mean(dim=0), problem.log_std[0]
    if not matches(came, right, LOG_STD_TOLERANCE):
        message = expected_and_came(f"Started at log_std = {number(start)}, after training log_std", right, came)
        if bool(((came - start).abs() < 0.5).all()):
            raise Failed(message, "log-std-clamped", what="The layer", where=f"near {number(start)}")
        raise Failed(message)
    errors = ((mean - problem.mean[rows]) * problem.precision.sqrt()).pow(2).mean(dim=1).sqrt()
    # A wide start may throw the means of one target so far off that they are still on their way; a mistake, all.
    error = errors.median()
    if error > MEAN_TOLERANCE:
        what = f"Started at log_std = {number(start)}, after training the means"
        raise Failed(expected_and_came(what, problem.mean[rows], mean))


def as_parameters(mean: Tensor, log_std: Tensor) -> dict[str, Tensor]:
    """Columns (bias, weights) as the layer's four parameters."""
    return {
        "weight_mean": mean[:, 1:],
        "weight_log_std": log_std[:, 1:],
        "bias_mean": mean[:, 0],
        "bias_log_std": log_std[:, 0],
    }

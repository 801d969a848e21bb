"""The training that is part of BayesianLinear's check ends near the exact posterior, whatever noise it meets."""

from __future__ import annotations

import pytest
import torch
from zoo import bayesian_linear, define

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.exercises.bayesian_linear.layer import IN, Layer
from bnn_core.autograder.exercises.bayesian_linear.training import (
    MEAN_TOLERANCE,
    STARTS,
    TARGETS_PER_START,
    compare,
    train,
)
from bnn_core.autograder.in_process import in_process_subject
from bnn_core.autograder.judging.linear_regression import LinearRegression


@pytest.mark.parametrize("seed", [101, 1651, 1801])
def test_a_rare_large_step_is_no_mistake(seed: int) -> None:
    """With these seeds an early step from the widest start goes so far astray that its trace was once taken for a
    mistake.
    """
    torch.manual_seed(seed)
    problem = LinearRegression(torch.Generator().manual_seed(seed), IN, len(STARTS) * TARGETS_PER_START)
    layer = Layer(in_process_subject(define(bayesian_linear.BASE, "BayesianLinear")), IN, problem.targets)
    mean, log_std = train(problem, layer)
    for index, start in enumerate(STARTS):
        rows = slice(TARGETS_PER_START * index, TARGETS_PER_START * (index + 1))
        compare(problem, rows, mean[rows], log_std[rows], start)


def test_means_that_are_off_everywhere_are_refused() -> None:
    problem = LinearRegression(torch.Generator().manual_seed(0), IN, TARGETS_PER_START)
    everywhere = problem.log_std.expand(TARGETS_PER_START, -1)
    off = problem.mean + 1.05 * MEAN_TOLERANCE / problem.precision.sqrt()
    compare(problem, slice(None), problem.mean, everywhere, STARTS[0])
    with pytest.raises(Failed):
        compare(problem, slice(None), off, everywhere, STARTS[0])

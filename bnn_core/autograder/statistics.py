"""The tolerances of checks that look at random draws.

Each bound is wide enough that a right solution crosses it less than once in a million runs, all comparisons of a run
taken together, and comes from the standard error of what is compared. This module knows no exercise.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# A normal variate lies beyond 7.0 standard deviations once in 4e11 draws. A run makes a few thousand comparisons of
# averages over at least a thousand draws, whose tails are near enough to normal for that to leave 1e-6 to spare.
SIGMAS = 7.0

# The probability with which the whole empirical distribution may leave its band.
DISTRIBUTION_RISK = 1e-9


def mean_tolerance(std: Tensor | float, count: int) -> Tensor:
    """How far the average of `count` draws may lie from the mean, for draws of this standard deviation."""
    return SIGMAS * torch.as_tensor(std) / math.sqrt(count)


def std_ratio_tolerance(count: int) -> float:
    """How far the ratio of an estimated to a true standard deviation may lie from 1, over `count` normal draws."""
    return SIGMAS / math.sqrt(2 * count)


def correlation_tolerance(count: int) -> float:
    """How far the average product of two independent standard normal variables may lie from 0, over `count` draws."""
    return SIGMAS / math.sqrt(count)


def normal_distance(draws: Tensor) -> float:
    """The largest gap between the empirical distribution function of the draws and the standard normal one."""
    ordered = draws.flatten().double().sort().values
    count = ordered.numel()
    expected = torch.special.ndtr(ordered)
    steps = torch.arange(count + 1, dtype=torch.float64) / count
    return float(torch.maximum(steps[1:] - expected, expected - steps[:-1]).max())


def distance_tolerance(count: int) -> float:
    """The bound on that gap for `count` independent normal draws (Dvoretzky–Kiefer–Wolfowitz, Massart 1990)."""
    return math.sqrt(math.log(2 / DISTRIBUTION_RISK) / (2 * count))


def smallest_extreme(count: int) -> float:
    """What the largest of `count` independent standard normal draws exceeds in size, but for DISTRIBUTION_RISK."""
    share_beyond = -math.log(DISTRIBUTION_RISK) / count
    return -float(torch.special.ndtri(torch.tensor(share_beyond / 2, dtype=torch.float64)))


def fourth_moment_tolerance(count: int) -> float:
    """How far the average fourth power of standard normal draws may lie from 3: its variance is 105 − 9 = 96."""
    return SIGMAS * math.sqrt(96 / count)

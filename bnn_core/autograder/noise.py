"""Whether noise that was read off a learner's draws is standard normal, and whether its elements are independent.

It is given numbers, in any arrangement, and may not know where they come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bnn_core.autograder import statistics
from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.wording import number


def require_normal(noise: Tensor) -> None:
    """Raise Failed unless the values look like independent standard normal draws."""
    distance, fourth = statistics.normal_distance(noise), (noise**4).mean().item()
    bound = statistics.distance_tolerance(noise.numel())
    if distance > bound or abs(fourth - 3) > statistics.fourth_moment_tolerance(noise.numel()):
        raise Failed(
            f"Over {noise.numel()} draws its distribution function lies up to {number(distance)} from the normal one"
            f" (up to {number(bound)} would be chance), and its average fourth power is {number(fourth)}, not 3.",
            "noise-not-normal",
        )
    largest, least = noise.abs().max().item(), statistics.smallest_extreme(noise.numel())
    if largest < least:
        raise Failed(
            f"Of {noise.numel()} draws none is larger than {number(largest)}; of as many normal ones, some lie beyond"
            f" {number(least)}.",
            "noise-not-normal",
        )


@dataclass(frozen=True)
class Axis:
    """One dimension of the noise, as in "rows": its name, and the mistake of sharing noise along it."""

    name: str
    misconception: str
    about: str = ""


def require_independent(noise: Tensor, axes: Sequence[Axis], repeated: Axis) -> None:
    """Raise Failed where standard normal noise is shared.

    noise: N × n₁ × n₂ × …, where `repeated` says what N counts, and `axes` what n₁, n₂, … count.
    """
    count, bound = len(noise), statistics.correlation_tolerance(len(noise))

    def refuse(correlation: float, among: str, axis: Axis | None = None) -> None:
        shown = number(max(-1.0, min(correlation, 1.0)))  # moments of a sample may say a little more than 1
        message = f"Over {count} draws the noise of {among} has correlation {shown}; it should have none."
        if axis is None:
            raise Failed(message)
        raise Failed(message, axis.misconception, what=axis.about)

    for dimension, axis in enumerate(axes, start=1):
        # Averaged over all other dimensions, which makes it the sharper.
        aligned = noise.movedim(dimension, 0).flatten(1)
        worst = largest_off_diagonal(aligned @ aligned.T / aligned.shape[1])
        if abs(worst) > statistics.correlation_tolerance(aligned.shape[1]):
            refuse(worst, f"two {axis.name}", axis)
    columns = noise.flatten(1)
    worst = largest_off_diagonal(columns.T @ columns / count)
    if abs(worst) > bound:
        refuse(worst, f"two elements of different {' and '.join(axis.name for axis in axes)}")
    again = recurrence(columns)
    # At half the length each product enters twice, which doubles its variance.
    bound *= (2 / columns.shape[1]) ** 0.5
    if abs(again) > bound:
        refuse(again, f"two {repeated.name}", repeated)


def largest_off_diagonal(matrices: Tensor) -> float:
    """The entry of the largest size off the diagonals of … × n × n."""
    values = matrices.masked_fill(torch.eye(matrices.shape[-1], dtype=torch.bool), 0).flatten()
    return values[values.abs().argmax()].item()


def recurrence(columns: Tensor) -> float:
    """The largest circular autocorrelation, at any lag, of N × n values, averaged over the n columns."""
    power = torch.fft.rfft(columns, dim=0).abs().square().mean(dim=1)
    by_lag = torch.fft.irfft(power, n=len(columns))[1:] / len(columns)
    return float(by_lag[by_lag.abs().argmax()])

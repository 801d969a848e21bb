"""Whether noise that was read off a learner's draws is standard normal, and whether its elements are independent.

It is given numbers, in any arrangement, and may not know where they come from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Failed, picturing
from bnn_core.autograder.judging.values import expected_and_came, matches, number, numbers
from bnn_core.autograder.mistakes import Mistake
from bnn_core.autograder.pictures import of_draws

# A normal variate lies beyond 7.0 standard deviations once in 4e11 draws. A run makes a few thousand comparisons of
# averages over hundreds of draws, whose tails are near enough to normal for that to leave 1e-6 to spare.
SIGMAS = 7.0

# The probability with which the whole empirical distribution may lie as far from the normal one.
DISTRIBUTION_RISK = 1e-9


# What a mistake predicts must lie nearer to what came than chance could take it in a million runs.
SURE = 0.65

Predictions = Sequence[tuple[str | Mistake, Tensor]]
"""Known mistakes, or their names, and what each would make of a value."""

# A correlation below this is that of noise that comes back with its sign turned, be it every second time.
MIRRORED = -0.4

# An average of fewer products of two normal variates has tails too heavy for that.
ENOUGH_PRODUCTS = 400


def mean_tolerance(std: Tensor | float, count: int) -> Tensor:
    """How far the average of `count` draws may lie from the mean, for draws of this standard deviation."""
    return SIGMAS * torch.as_tensor(std) / math.sqrt(count)


def std_ratio_tolerance(count: int) -> float:
    """How far the ratio of an estimated to a true standard deviation may lie from 1, over `count` normal draws."""
    return SIGMAS / math.sqrt(2 * count)


def correlation_tolerance(count: int) -> float:
    """How far the average product of two independent standard normal variables may lie from 0, over `count` draws."""
    return SIGMAS / math.sqrt(count)


def smallest_extreme(count: int) -> float:
    """What the largest of `count` independent standard normal draws exceeds in size, but for DISTRIBUTION_RISK."""
    share_beyond = -math.log(DISTRIBUTION_RISK) / count
    return -float(torch.special.ndtri(torch.tensor(share_beyond / 2, dtype=torch.float64)))


def fourth_moment_tolerance(count: int) -> float:
    """How far the average fourth power of standard normal draws may lie from 3: its variance is 105 − 9 = 96."""
    return SIGMAS * math.sqrt(96 / count)


def require_centred(
    draws: Tensor, mean: Tensor, what: str, suspects: Predictions = (), std: Tensor | None = None
) -> None:
    """Raise Failed unless the draws (N × …) have this mean, each by itself and all of them together.

    suspects: what known mistakes would make of it. std: the right standard deviation, to tell more of them.
    """
    with picturing(lambda: None if std is None else of_draws(draws, mean, std)):
        average, spread = draws.mean(dim=0), draws.std(dim=0)
        tolerance = mean_tolerance(spread, len(draws)) + 1e-4
        offsets = ((draws - mean) / (spread + 1e-4)).reshape(len(draws), -1).mean(dim=1)
        offset = offsets.mean().item()
        # Where elements share their noise, which is another check's matter, fewer are independent than it seems.
        chance = max(mean_tolerance(1.0, draws.numel()), mean_tolerance(offsets.std(), len(draws)))
        within_chance = abs(offset) <= chance
        if within_chance and matches(average, mean, tolerance):
            return
        message = expected_and_came(f"Over {len(draws)} draws, the average of {what}", mean, average)
        if std is not None:
            refuse_wrong_composition(draws, mean, std, message)
        known = known_mistake(average, suspects, lambda _: tolerance, mean)
        if known is None and not within_chance and mean.numel() > 1 and is_shifted_noise(draws, mean):
            message += f"\nEvery element is off by the same {number(offset)} standard deviations."
            known = "noise-not-normal" if abs(offset) > 1 else None
        raise Failed(message, known)


def refuse_wrong_composition(draws: Tensor, mean: Tensor, std: Tensor, message: str) -> None:
    """Raise Failed where the draws are mean and std·ε put together in another way than by adding them."""
    average, spread = draws.mean(dim=0), draws.std(dim=0)
    around_zero = matches(average, torch.zeros_like(mean), mean_tolerance(spread, len(draws)) + 1e-4)
    if around_zero:
        for multiplied in ((mean + std).abs(), (mean * std).abs()):
            if matches(spread, multiplied, std_ratio_tolerance(len(draws)) * multiplied + 1e-4):
                raise Failed(message, "noise-multiplies-mean", what="the mean")
    is_rectified = bool((draws >= 0).all()) and bool((draws == 0).any())
    is_squashed = bool((draws.abs() <= 1).all()) and bool((mean.abs() > 1).any())
    if is_rectified or is_squashed:
        raise Failed(message, "non-linearity-too-early")


def is_shifted_noise(draws: Tensor, mean: Tensor) -> bool:
    """Whether the draws are off by the same multiple of their standard deviation in every element."""
    offsets = (draws.mean(dim=0) - mean) / (draws.std(dim=0) + 1e-6)
    # Dividing by a spread that was measured, too, adds half the square of an offset to its variance.
    chance = mean_tolerance(1.0, len(draws)) * (1 + 0.5 * offsets.mean() ** 2).sqrt()
    return matches(offsets, offsets.mean().expand_as(offsets), chance)


def require_spread(draws: Tensor, mean: Tensor, std: Tensor, what: str, suspects: Predictions) -> None:
    """Raise Failed unless the draws (N × …) have this standard deviation, each by itself and all of them together.

    suspects: what known mistakes would make of it.
    """
    with picturing(lambda: of_draws(draws, mean, std)):
        if not draws.isfinite().all():
            raise Failed(f"Some draws of {what} aren't finite, where the standard deviation is {numbers(std)}.")
        count = len(draws)
        came, tolerance = draws.std(dim=0), std_ratio_tolerance(count)
        scale, off_by_a_factor = scale_of((draws - mean) / std)
        if matches(came, std, tolerance * std) and not off_by_a_factor:
            return
        message = expected_and_came(f"Over {count} draws, the standard deviation of {what}", std, came, relative=True)
        if bool((came < 1e-6).all()):
            raise Failed(message, "no-sampling", what="the mean")
        factor = number(scale)
        # The constant is for a small floor under the root, which is no mistake.
        known = known_mistake(came, suspects, lambda predicted: SURE * tolerance * predicted + 1e-4, std)
        if centred := where_it_adds_up_to_zero((draws - mean) / std):
            raise Failed(f"{message}\n{centred}", "noise-centred")
        if known is None and is_floor(came, std, tolerance):
            known = "variance-floor-too-high"
        if known is None and off_by_a_factor and equal_but_for_chance(came / std, count):
            if is_cut_or_centred((draws - mean) / std / scale):
                raise Failed(message, "noise-not-normal")
            raise Failed(message, "noise-scaled", what=factor)
        raise Failed(message, known)


def where_it_adds_up_to_zero(noise: Tensor) -> str:
    """Among what, in each of several draws (N × …), the noise adds up to 0, as no independent noise does: a sentence,
    or nothing. A sum of two would be noise that comes back with its sign turned.
    """
    columns = noise.reshape(len(noise), -1)
    among = {"of all elements": columns.T} | {
        f"along dim={dim}": noise.movedim(dim + 1, 0) for dim in range(noise.dim() - 1)
    }
    for where, summands in among.items():
        if len(summands) > 2 and bool((summands.sum(dim=0).abs() < 0.02 * len(summands) ** 0.5).all()):
            return f"In each of the draws the noise {where} adds up to 0."
    return ""


def is_cut_or_centred(noise: Tensor) -> bool:
    """Whether noise (N × …) of standard deviation 1 has no large values, or sums that are fixed."""
    return bool(noise.abs().max() < smallest_extreme(len(noise))) or variance_of_sums(noise) < 0.1


def scale_of(noise: Tensor) -> tuple[float, bool]:
    """The standard deviation of noise (N × …) of mean 0, all elements together, and whether it differs from 1 by more
    than chance.
    """
    squares = noise.square().reshape(len(noise), -1).mean(dim=1)
    # Where elements share their noise, which is another check's matter, fewer are independent than it seems.
    chance = max(mean_tolerance(squares.std(), len(noise)).item(), 2 * std_ratio_tolerance(noise.numel()))
    variance = squares.mean().item()
    return math.sqrt(variance), abs(variance - 1) > chance


def is_floor(came: Tensor, std: Tensor, tolerance: float) -> bool:
    """Whether standard deviations are right above some value, and at that value where they should be below it."""
    raised = came - std > tolerance * std
    if not raised.any() or not matches(came[~raised], std[~raised], tolerance * std[~raised]):
        return False
    floor = came[raised].mean()
    return bool(floor > 2 * std[raised].max()) and matches(
        came[raised], floor.expand_as(came[raised]), tolerance * floor
    )


def equal_but_for_chance(ratios: Tensor, count: int) -> bool:
    """Whether standard deviations measured over `count` draws, each over its true one, may all be the same."""
    deviations = (ratios / ratios.mean() - 1) * (2 * count) ** 0.5
    return bool(deviations.square().mean() < 1 + 3 * (2 / ratios.numel()) ** 0.5)


def known_mistake(
    came: Tensor,
    suspects: Predictions,
    tolerance: Callable[[Tensor], Tensor],
    right: Tensor | None = None,
) -> str | Mistake | None:
    """The mistake whose prediction came, and the nearest of them where several did.

    right: what was expected; a suspect that predicts the same is none.
    """
    distances = {
        float((came - predicted).div(tolerance(predicted)).square().mean()): name
        for name, predicted in suspects
        if matches(came, predicted, tolerance(predicted)) and (right is None or not torch.equal(predicted, right))
    }
    return distances[min(distances)] if distances else None


def require_fresh_noise(first: Tensor, second: Tensor, mean: Tensor, how: str) -> None:
    """Raise Failed where two draws for positive inputs, made as `how` says, are the same, or but lie on their means."""
    on_means = matches(first, mean, 1e-4 * mean.abs().max())
    if torch.equal(first, second):
        message = f"Two calls {how} both give {numbers(first)}."
        if on_means:
            raise Failed(message, "no-sampling", what="the mean")
        raise Failed(message, "noise-drawn-once")
    if on_means:
        message = f"For the means {numbers(mean)} a call {how} draws {numbers(first)}."
        raise Failed(message, "noise-vanishing")


def against_normal(values: Tensor) -> tuple[float, float]:
    """Kolmogorov and Smirnov's test of standard normal values: how far the distribution function lies off at most, and
    how probable that is.
    """
    from scipy.stats import kstest  # takes a second to load, which a check without draws can do without

    found = kstest(values.flatten().numpy(), "norm")
    return float(found.statistic), float(found.pvalue)


def require_normal(noise: Tensor, quickly: bool = False) -> None:
    """Raise Failed unless the values look like independent standard normal draws; quickly: by their tails alone."""
    with picturing(lambda: of_draws(noise.reshape(-1, 1), torch.zeros(1), torch.ones(1))):
        fourth = (noise**4).mean().item()
        off, probability = (0.0, 1.0) if quickly else against_normal(noise)
        if probability < DISTRIBUTION_RISK or abs(fourth - 3) > fourth_moment_tolerance(noise.numel()):
            message = f"Over {noise.numel()} draws its average fourth power is {number(fourth)}; a normal one's is 3."
            if not quickly:
                message += f" Its distribution function lies up to {number(off)} from the normal one (probability"
                message += f" {number(probability)})."
            raise Failed(message, "noise-not-normal")
        largest, least = noise.abs().max().item(), smallest_extreme(noise.numel())
        if largest < least:
            raise Failed(
                f"Of {noise.numel()} draws none is larger than {number(largest)}; of as many normal ones, some lie"
                f" beyond {number(least)}.",
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
    count, bound = len(noise), correlation_tolerance(len(noise))

    def refuse(correlation: float, among: str, axis: Axis | None = None) -> None:
        shown = number(max(-1.0, min(correlation, 1.0)))  # moments of a sample may say a little more than 1
        message = f"Over {count} draws the noise of {among} has correlation {shown}; it should have none."
        if correlation < MIRRORED:
            raise Failed(message, "noise-mirrored")
        if axis is None:
            raise Failed(message)
        raise Failed(message, axis.misconception, what=axis.about)

    columns = noise.reshape(count, -1)
    if centred := where_it_adds_up_to_zero(noise):
        raise Failed(centred, "noise-centred")
    if columns.shape[1] > 1 and matches(columns, columns[:, :1].expand_as(columns), 1e-3):
        refuse(1.0, "any two elements", Axis("elements", axes[0].misconception, "All elements"))
    for dimension, axis in enumerate(axes, start=1):
        # Averaged over all other dimensions, which makes it the sharper.
        aligned = noise.movedim(dimension, 0).flatten(1)
        worst = largest_off_diagonal(aligned @ aligned.T / aligned.shape[1])
        if aligned.shape[1] >= ENOUGH_PRODUCTS and abs(worst) > correlation_tolerance(aligned.shape[1]):
            refuse(worst, f"two {axis.name}", axis)
    worst = largest_off_diagonal(columns.T @ columns / count)
    if count >= ENOUGH_PRODUCTS and abs(worst) > bound:
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


def require_free_sums(noise: Tensor) -> None:
    """Raise Failed where noise (N × n₁ × n₂ × …) is centred or scaled within each of the N, be it along some dimensions
    only. The sums of 300 draws vary by half of what they should once in 1e12.
    """
    squares = ((noise**2 - 1) / math.sqrt(2)).flatten(1)
    for what, variance in (("noise", variance_of_sums(noise)), ("squared noise", variance_of_sums(squares))):
        if variance < 0.5:
            message = (
                f"The sum of a draw's {what} hardly varies: by {number(variance)} of the variance that it should have."
            )
            raise Failed(message, "noise-not-normal")


def variance_of_sums(noise: Tensor) -> float:
    """The variance of the sum of independent elements (N × n₁ × n₂ × …) of variance 1, over the number of summands: 1,
    but for chance. It is the smallest one, of sums along any of the dimensions after the first.
    """
    found = []
    for size in range(1, noise.dim()):
        for dimensions in combinations(range(1, noise.dim()), size):
            count = math.prod(noise.shape[dimension] for dimension in dimensions)
            found.append(noise.sum(dim=dimensions).square().mean().item() / count)
    return min(found, default=1.0)

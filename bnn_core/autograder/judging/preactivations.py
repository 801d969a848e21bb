"""What is known of draws of X·A for A ~ N(A_mean, A_scale²), and what mistakes make of their moments, noise, gradients.

The exercises of lessons 05 and 06 share it. It judges draws and gradients wherever they come from, and may not know how
a learner's code is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.judging.draws import (
    Axis,
    require_centred,
    require_free_sums,
    require_independent,
    require_normal,
    require_spread,
)
from bnn_core.autograder.judging.values import matches, numbers, tensor_from
from bnn_core.autograder.mistakes import Mistake, shared
from bnn_core.autograder.subject import Reply

NAMES = ("X", "A_mean", "A_scale")

# An all-zero row has standard deviation 0; to keep the square root's slope finite, a little may be added under it.
ZERO_ROW_TOLERANCE = 1e-2

# What is free doesn't come so near to something else in several calls; below ROUNDED, noise is known in absolute terms.
TIED, ROUNDED = 1e-3, 1e-2


def mean(X: Tensor, A_mean: Tensor, A_scale: Tensor) -> Tensor:
    """The mean of X·A for A ~ N(A_mean, A_scale²), B × H."""
    return X @ A_mean


def std(X: Tensor, A_mean: Tensor, A_scale: Tensor) -> Tensor:
    """Its standard deviation."""
    return (X**2 @ A_scale**2).sqrt()


def turned(matrix: Tensor) -> Tensor:
    """The other way round where the shape can't tell."""
    return matrix.T if matrix.shape[0] == matrix.shape[1] else matrix


WRONG_MEANS = (
    shared("matrix-turned-when-square", lambda X, M, S: X @ turned(M)),
    shared("preactivation-mean-missing", lambda X, M, S: 0 * (X @ M)),
    shared("input-squared-in-mean", lambda X, M, S: X**2 @ M),
    shared("mean-and-scale-swapped", lambda X, M, S: X @ S),
    shared("mean-without-sign", lambda X, M, S: X @ M.abs()),
    shared("mean-without-sign", lambda X, M, S: X.abs() @ M),
    shared("mean-without-sign", lambda X, M, S: (X @ M).abs()),
)
WRONG_STDS = (
    shared("matrix-turned-when-square", lambda X, M, S: (X**2 @ turned(S) ** 2).sqrt()),
    shared("root-missing", lambda X, M, S: X**2 @ S**2),
    shared("root-by-precedence", lambda X, M, S: X**2 @ S**2 / 2),
    shared("root-twice", lambda X, M, S: (X**2 @ S**2) ** 0.25),
    shared("scale-not-squared", lambda X, M, S: (X**2 @ S).sqrt()),
    shared("neither-squared-nor-rooted", lambda X, M, S: X**2 @ S),
    shared("input-not-squared", lambda X, M, S: (X.abs() @ S**2).sqrt()),
    shared("input-not-squared", lambda X, M, S: (X @ S**2).abs().sqrt()),
    shared("input-not-squared", lambda X, M, S: (X @ S**2).clamp_min(0).sqrt()),
    shared("stds-added", lambda X, M, S: X.abs() @ S),
    shared("stds-added", lambda X, M, S: (X @ S).abs()),
    shared("std-from-mean", lambda X, M, S: (X**2 @ M**2).sqrt()),
    shared("std-from-mean", lambda X, M, S: (X @ M).abs()),
    shared("noise-unscaled", lambda X, M, S: torch.ones_like(X @ M)),
    shared("std-without-input", lambda X, M, S: (torch.ones_like(X) @ S**2).sqrt()),
    shared("scale-logged", lambda X, M, S: (X**2 @ S.log() ** 2).sqrt()),
    shared("scale-as-log-std", lambda X, M, S: (X**2 @ (2 * S).exp()).sqrt()),
    shared("scale-as-log-variance", lambda X, M, S: (X**2 @ S.exp()).sqrt()),
    shared("scale-through-softplus", lambda X, M, S: (X**2 @ F.softplus(S) ** 2).sqrt()),
    shared("scale-squared-twice", lambda X, M, S: (X**2 @ S**4).sqrt()),
    shared("variance-exponentiated", lambda X, M, S: (0.5 * (X**2 @ S**2)).exp()),
    shared("variance-logged", lambda X, M, S: (X**2 @ S**2).log().abs()),
    shared("variance-over-rows", lambda X, M, S: (X**2 @ S**2).sum(dim=0).sqrt().expand(len(X), -1)),
    shared("variance-over-rows", lambda X, M, S: (X**2 @ S**2).sum().sqrt().expand(len(X), S.shape[1])),
    shared("variance-over-rows", lambda X, M, S: (X**2 @ S**2).sum(dim=1, keepdim=True).sqrt().expand(-1, S.shape[1])),
    shared("variance-over-rows", lambda X, M, S: (X**2 @ S**2).sqrt().mean(dim=0).expand(len(X), -1)),
    shared("variance-over-rows", lambda X, M, S: (X**2 @ S**2).mean(dim=0).sqrt().expand(len(X), -1)),
    shared("sums-multiplied", lambda X, M, S: ((X**2).mean(dim=1, keepdim=True) * (S**2).sum(dim=0)).sqrt()),
    shared("sums-multiplied", lambda X, M, S: ((X**2).sum(dim=1, keepdim=True) * (S**2).sum(dim=0)).sqrt()),
    shared("mean-in-variance", lambda X, M, S: (X**2 @ (S**2 + M**2)).sqrt()),
)


def predictions(mistakes: Sequence[Mistake], arguments: Sequence[Tensor]) -> list[tuple[str, Tensor]]:
    """What each mistake makes of the arguments."""
    return [(mistake.name, mistake.formula(*arguments)) for mistake in mistakes if mistake.formula is not None]


class Problem:
    """Inputs X (B × D), weights A_mean, A_scale (D × H), and the moments of every element of X·A (B × H, float64)."""

    def __init__(self, X: Tensor, A_mean: Tensor, A_scale: Tensor) -> None:
        self.X, self.A_mean, self.A_scale = X, A_mean, A_scale

    @classmethod
    def random(cls, generator: torch.Generator, rows: int = 4, inputs: int = 3, units: int = 5) -> Problem:
        """Inputs of both signs, none near 0, and scales spread from 0.2 to 2.5: no two formulas agree on all."""
        size = torch.rand(rows, inputs, generator=generator) * 1.6 + 0.4
        sign = torch.randint(2, (rows, inputs), generator=generator) * 2 - 1
        mean = torch.randn(inputs, units, generator=generator)
        order = torch.randperm(inputs * units, generator=generator)
        scale = torch.logspace(-0.7, 0.4, inputs * units)[order].reshape(inputs, units)
        return cls(size * sign, mean, scale)

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.X, self.A_mean, self.A_scale

    @property
    def sizes(self) -> tuple[int, int, int]:
        """B, D and H."""
        return (*self.X.shape, self.A_mean.shape[1])

    def mapped(self, function: Callable[[Tensor], Tensor]) -> Problem:
        """The problem with a function applied to each of its tensors."""
        return Problem(*(function(value) for value in self.tensors))

    def with_gradients(self) -> Problem:
        """A copy whose tensors ask for gradients."""
        return self.mapped(lambda value: value.clone().requires_grad_())

    def gradients(self, reply: Reply, cotangent: Tensor) -> dict[str, Tensor | None]:
        """The gradients of Σ cotangent·value for its tensors, by name."""
        return dict(zip(NAMES, reply.gradients(self.tensors, cotangent.to(reply.dtype)), strict=True))

    def with_inputs(self, X: Tensor) -> Problem:
        return Problem(X, self.A_mean, self.A_scale)

    def with_positive_inputs(self) -> Problem:
        return self.with_inputs(self.X.abs())

    def with_scale(self, A_scale: Tensor) -> Problem:
        return Problem(self.X, self.A_mean, A_scale)

    @property
    def arguments(self) -> dict[str, Tensor]:
        return dict(zip(NAMES, self.tensors, strict=True))

    @cached_property
    def mean(self) -> Tensor:
        return mean(*self._exact)

    @cached_property
    def std(self) -> Tensor:
        return std(*self._exact)

    @property
    def _exact(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.X.detach().double(), self.A_mean.detach().double(), self.A_scale.detach().double()

    @property
    def wrong_means(self) -> list[tuple[str, Tensor]]:
        """The averages that known mistakes give."""
        return predictions(WRONG_MEANS, self._exact)

    @property
    def wrong_stds(self) -> list[tuple[str, Tensor]]:
        """The standard deviations that known mistakes give."""
        return predictions(WRONG_STDS, self._exact)


def extremes(generator: torch.Generator, smallest: float = 1e-3) -> list[Problem]:
    """Two problems: with scales from the smallest to 30, one for each unit, and means in proportion to them; and with
    all scales near 0.0003.
    """
    wide, narrow = Problem.random(generator, 3, 1, 6), Problem.random(generator, 3, 4, 5)
    scale = torch.logspace(math.log10(smallest), 1.5, 6)[torch.randperm(6, generator=generator)]
    X = torch.tensor([[0.5], [1.0], [-4.0]])
    return [Problem(X, 3 * scale * wide.A_mean.sign(), scale[None]), narrow.with_scale(3e-4 * narrow.A_scale)]


def with_zero_row(problem: Problem) -> Problem:
    """The problem with its first row all zero."""
    X = problem.X.clone()
    X[0] = 0
    return problem.with_inputs(X).with_gradients()


def require_harmless_zero_row(reply: Reply, again: Tensor, problem: Problem) -> None:
    """Raise Failed unless an all-zero first row gives draws of 0, finite gradients, and changes nothing but itself.

    reply, again: two draws (B × H) for `with_zero_row`.
    """
    rows, units = problem.mean.shape
    if reply.tensor is not None and reply.tensor.shape == (rows - 1, units):
        raise Failed(f"Of {rows} rows, one all zero, yours gives {rows - 1}.", "zero-row-dropped")
    draws = tensor_from(reply, "code", (rows, units))
    if not matches(draws[0], torch.zeros_like(draws[0]), ZERO_ROW_TOLERANCE):
        message = f"For an all-zero row of X every draw is 0; yours are {numbers(draws[0])}."
        raise Failed(message, "variance-floor-too-high")
    cotangent = torch.zeros_like(draws)
    cotangent[0] = 1
    gradients = problem.gradients(reply, cotangent)
    for name, value in gradients.items():
        if value is not None and not bool(value.isfinite().all()):
            holes = numbers(value[~value.isfinite()])
            raise Failed(f"The gradient for {name} holds {holes}.", "zero-row-gradient")
    for name in ("A_mean", "A_scale"):
        value = gradients[name]
        if value is not None and not matches(value, torch.zeros_like(value), ZERO_ROW_TOLERANCE):
            raise Failed(
                f"An all-zero row says nothing about {name}; its gradient should be 0 and is {numbers(value)}."
            )
    to_X = gradients["X"]
    if to_X is None or not bool(to_X[0].any()):
        message = "The first row of X is all zero; the gradient for it, through X·A_mean, is not."
        raise Failed(message, "gradient-stopped", what="an all-zero row of X")
    if matches(again[1:], draws[1:], 1e-5 * draws[1:].abs().max()):
        message = f"With a first row of zeros, two calls draw the same for the other rows: {numbers(draws[1:])}."
        raise Failed(message, "no-sampling", what="a fixed value")


def require_right_draws(draws: Tensor, problem: Problem, what: str, axes: Sequence[Axis]) -> None:
    """Raise Failed unless draws of X·A from many calls (N × … × B × H) are right in all that is known of them.

    what: "an element of the result". axes: what the dimensions after the first count.
    """
    each = draws.flatten(0, -3)
    require_centred(each, problem.mean, what, problem.wrong_means)
    require_spread(each, problem.mean, problem.std, what, problem.wrong_stds)
    noise = (draws - problem.mean) / problem.std
    require_normal(noise)
    require_independent(noise, axes, repeated=Axis("calls", "noise-drawn-once"))
    require_free_sums(noise)


MANY = 1200


def with_many_equal_rows(problem: Problem) -> Problem:
    """The first row, MANY times."""
    return problem.with_inputs(problem.X[:1].abs().repeat(MANY, 1))


def with_many_equal_units(problem: Problem) -> Problem:
    """The first unit, MANY times."""
    return Problem(problem.X.abs(), problem.A_mean[:, :1].repeat(1, MANY), problem.A_scale[:, :1].repeat(1, MANY))


def require_no_row_twice(draws: Tensor) -> None:
    """Raise Failed where draws (B × H) for `with_many_equal_rows` come more than once."""
    if (different := different_of_many(draws)) < len(draws):
        message = f"In a batch of {len(draws)} equal rows there are only {different} different draws."
        raise Failed(message, "noise-shared-by-rows")


def require_no_unit_twice(draws: Tensor) -> None:
    """Raise Failed where draws (B × H) for `with_many_equal_units` come more than once."""
    if (different := different_of_many(draws.T)) < draws.shape[1]:
        message = f"Of {draws.shape[1]} units with the same weights only {different} draw something different."
        raise Failed(message, "noise-shared-by-units")


def different_of_many(draws: Tensor) -> int:
    """How many of many rows differ; all, where some are equal by chance."""
    different = len(draws.unique(dim=0))
    # Rounding may make some equal; and noise of a few values, which isn't normal, has more different rows than values.
    return different if different < 0.9 * len(draws) and len(draws[:, 0].unique()) == different else len(draws)


def require_untied_noise(noise: Tensor) -> None:
    """Raise Failed where the noise of a few calls (N × B × H) is tied: rows or calls differ in signs alone, or averages
    are always 0. Noise of one size, or of next to none, is no matter of this.
    """
    sizes = noise.abs()
    if sizes.max() < ROUNDED or sizes.max() < (1 + TIED) * sizes.min():
        return
    for what, dimension in (("row", 1), ("call", 0)):
        values = noise.movedim(dimension, 0).flatten(1)
        for first, second in combinations(values, 2):
            if matches(first.abs(), second.abs(), TIED * (first.abs() + second.abs() + ROUNDED)):
                message = f"That of one {what} is {numbers(first)}, of another {numbers(second)}."
                raise Failed(message, "noise-mirrored", what=what)
    for among, dimensions in (("rows", (1,)), ("units", (2,)), ("elements", (1, 2))):
        if noise.mean(dim=dimensions).abs().max() < TIED * sizes.mean():
            raise Failed(f"In each of {len(noise)} calls the average over all {among} is 0.", "noise-centred")


def with_repetition(problem: Problem) -> Problem:
    """Rows that tell how draws are shared: a row, another, the first again, and the sum of the two.

    They are positive, so that a formula that doesn't square them draws something, too, and is judged by its spread; and
    far from parallel, so that the sum's standard deviation is far from the sum of theirs.
    """
    inputs = torch.arange(problem.X.shape[1])
    first, second = (problem.X[k].abs() * torch.where(inputs % 2 == k, 1.5, 0.15) for k in (0, 1))
    return problem.with_inputs(torch.stack([first, second, first, first + second]))


def rows_share_weights(draws: Tensor) -> bool:
    """Whether draws (4 × H) for `with_repetition` come from one draw of the weights."""
    scale = 1e-4 * draws.abs().max()
    return matches(draws[3], draws[0] + draws[1], scale) and rows_share_noise(draws)


def rows_share_noise(draws: Tensor) -> bool:
    """Whether equal rows give equal draws."""
    return matches(draws[2], draws[0], 1e-4 * (draws[0].abs() + draws[2].abs()))


def require_own_noise_per_row(draws: Tensor, swapped: bool = False) -> None:
    """Raise Failed where draws (4 × H) for `with_repetition` are the same for equal rows.

    swapped: whether, where weights were to be drawn, rows have noise of their own.
    """
    message = f"Two equal rows of X draw {numbers(draws[0])} and {numbers(draws[2])}."
    if rows_share_weights(draws):
        raise Failed(message, "sampling-modes-swapped" if swapped else "weight-space-for-local")
    if rows_share_noise(draws):
        raise Failed(message, "noise-shared-by-rows")


def with_equal_units(problem: Problem) -> Problem:
    """The problem with every unit's weights those of the first."""
    _, _, units = problem.sizes
    return Problem(problem.X.abs(), problem.A_mean[:, :1].repeat(1, units), problem.A_scale[:, :1].repeat(1, units))


def require_own_noise_per_unit(draws: Tensor) -> None:
    """Raise Failed where draws (B × H) for `with_equal_units` are the same for all units, other than all 0."""
    if draws.any() and matches(draws, draws[:, :1].expand_as(draws), 1e-4 * draws.abs().max()):
        raise Failed(
            f"Two units with the same weights draw {numbers(draws[:, 0])} and {numbers(draws[:, 1])}, row by row.",
            "noise-shared-by-units",
        )

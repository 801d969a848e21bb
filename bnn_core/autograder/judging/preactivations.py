"""What is known of draws of X·A for A ~ N(A_mean, A_scale²), and what mistakes make of their moments, noise, gradients.

The exercises of lessons 05 and 06 share it. It judges draws and gradients wherever they come from, and may not know how
a learner's code is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.judging.draws import (
    SIGMAS,
    Axis,
    require_centred,
    require_independent,
    require_normal,
    require_spread,
)
from bnn_core.autograder.judging.gradients import require_arrival
from bnn_core.autograder.judging.values import expected_and_came, matches, numbers

NAMES = ("X", "A_mean", "A_scale")

# An all-zero row has standard deviation 0; to keep the square root's slope finite, a little may be added under it.
ZERO_ROW_TOLERANCE = 1e-2


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

    def with_inputs(self, X: Tensor) -> Problem:
        return Problem(X, self.A_mean, self.A_scale)

    def with_positive_inputs(self) -> Problem:
        return self.with_inputs(self.X.abs())

    def with_scale(self, A_scale: Tensor) -> Problem:
        return Problem(self.X, self.A_mean, A_scale)

    @cached_property
    def mean(self) -> Tensor:
        X, A_mean, _ = self._exact
        return X @ A_mean

    @cached_property
    def std(self) -> Tensor:
        X, _, A_scale = self._exact
        return (X**2 @ A_scale**2).sqrt()

    @property
    def is_square(self) -> bool:
        """Whether the weights have as many inputs as units."""
        return self.A_mean.shape[0] == self.A_mean.shape[1]

    @property
    def _exact(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.X.detach().double(), self.A_mean.detach().double(), self.A_scale.detach().double()

    @cached_property
    def wrong_means(self) -> list[tuple[str, Tensor]]:
        """The averages that known mistakes give."""
        X, A_mean, A_scale = self._exact
        turned = [("matrix-turned-when-square", X @ A_mean.T)] if self.is_square else []
        return [
            *turned,
            ("preactivation-mean-missing", torch.zeros_like(self.mean)),
            ("input-squared-in-mean", X**2 @ A_mean),
            ("mean-and-scale-swapped", X @ A_scale),
        ]

    @cached_property
    def wrong_stds(self) -> list[tuple[str, Tensor]]:
        """The standard deviations that known mistakes give."""
        X, A_mean, A_scale = self._exact
        turned = [("matrix-turned-when-square", (X**2 @ (A_scale**2).T).sqrt())] if self.is_square else []
        return [
            *turned,
            ("root-missing", X**2 @ A_scale**2),
            ("root-by-precedence", X**2 @ A_scale**2 / 2),
            ("scale-not-squared", (X**2 @ A_scale).sqrt()),
            ("input-not-squared", (X.abs() @ A_scale**2).sqrt()),
            ("input-not-squared", (X @ A_scale**2).abs().sqrt()),
            ("input-not-squared", (X @ A_scale**2).clamp_min(0).sqrt()),
            ("stds-added", X.abs() @ A_scale),
            ("stds-added", (X @ A_scale).abs()),
            ("std-from-mean", (X**2 @ A_mean**2).sqrt()),
            ("std-from-mean", (X @ A_mean).abs()),
            ("noise-unscaled", torch.ones_like(self.std)),
            ("std-without-input", (torch.ones_like(X) @ A_scale**2).sqrt()),
            ("scale-logged", (X**2 @ A_scale.log() ** 2).sqrt()),
            ("scale-as-log-std", (X**2 @ (2 * A_scale).exp()).sqrt()),
            ("scale-as-log-variance", (X**2 @ A_scale.exp()).sqrt()),
            ("scale-through-softplus", (X**2 @ F.softplus(A_scale) ** 2).sqrt()),
            ("scale-squared-twice", (X**2 @ A_scale**4).sqrt()),
            ("root-twice", self.std.sqrt()),
        ]


class Loss:
    """A loss whose exact gradients are known, to see whether those through the learner's draws are right on average.

    Over N draws Z of X·A it is the average of Σ pull·Z + ½·stiffness·(Z − c)², with c the mean of Z. Any unbiased
    gradient is right, through a draw of X·A or through draws of A: so averages are compared, and their standard errors
    are bounds for either way.
    """

    def __init__(self, problem: Problem, generator: torch.Generator) -> None:
        self.problem = problem
        self.pull = torch.randn(problem.mean.shape, generator=generator).double()
        self.stiffness = 0.5 + torch.rand(problem.mean.shape, generator=generator).double()

    def cotangent(self, draws: Tensor) -> Tensor:
        """The loss's gradient with respect to the draws, N × B × H."""
        return (self.pull + self.stiffness * (draws - self.problem.mean)) / len(draws)

    @property
    def input_gradient_parts(self) -> dict[str, Tensor]:
        """The two parts of the exact gradient for X, by what they come through."""
        X, A_mean, A_scale = (value.detach().double() for value in self.problem.tensors)
        return {"the mean X·A_mean": self.pull @ A_mean.T, "the spread": X * (self.stiffness @ (A_scale**2).T)}

    @property
    def gradients(self) -> dict[str, Tensor]:
        """The exact gradients of the loss's expectation."""
        X, _, A_scale = (value.detach().double() for value in self.problem.tensors)
        return {
            "X": sum(self.input_gradient_parts.values(), torch.zeros_like(X)),
            "A_mean": X.T @ self.pull,
            "A_scale": (X**2).T @ self.stiffness * A_scale,
        }

    def standard_errors(self, count: int, rows_share_draws: bool) -> dict[str, Tensor]:
        """Bounds on the standard errors of the gradients over `count` draws."""
        X, A_mean, A_scale = (value.detach().double().abs() for value in self.problem.tensors)
        swing = self.stiffness * self.problem.std
        swing_with_noise = (self.pull**2 + 2 * swing**2).sqrt()
        to_X = A_mean * swing[:, None] + A_scale * swing_with_noise[:, None]
        to_A_mean, to_A_scale = X[..., None] * swing[:, None], X[..., None] * swing_with_noise[:, None]
        add_rows = torch.sum if rows_share_draws else torch.linalg.vector_norm
        errors = {
            "X": torch.linalg.vector_norm(to_X, dim=2),
            "A_mean": add_rows(to_A_mean, dim=0),
            "A_scale": add_rows(to_A_scale, dim=0),
        }
        return {name: error / count**0.5 for name, error in errors.items()}

    def require(self, came: Mapping[str, Tensor | None], count: int, rows_share_draws: bool = False) -> None:
        """Raise Failed unless the gradients that came, by name, arrived and are right."""
        require_arrival(came)
        errors, gradients = self.standard_errors(count, rows_share_draws), self.gradients
        for name, value in came.items():
            right = gradients[name]
            assert value is not None
            tolerance = SIGMAS * errors[name] + 1e-3 * right.abs() + 1e-5
            if not matches(value.double(), right, tolerance):
                message = expected_and_came(
                    f"Averaged over {count} draws, the gradient for {name}", right, value.double()
                )
                missing = self.part_missing(value.double(), tolerance) if name == "X" else None
                if missing is None:
                    raise Failed(message)
                raise Failed(message, "gradient-stopped-in-part", what=missing)

    def part_missing(self, came: Tensor, tolerance: Tensor) -> str | None:
        """What the gradient for X doesn't come through, if it is otherwise right."""
        whole = self.gradients["X"]
        found = (name for name, part in self.input_gradient_parts.items() if matches(came, whole - part, tolerance))
        return next(found, None)


def gradient_problems(first: Problem, second: Problem) -> list[tuple[Problem, tuple[str, ...]]]:
    """Problems to try gradients at, and for which tensors: the second with weights that are nearly certain.

    There the gradients for X and A_mean are sharp even when they are averaged over few draws.
    """
    return [(first, NAMES), (second.with_scale(0.05 * second.A_scale), ("X", "A_mean"))]


def with_zero_row(problem: Problem) -> Problem:
    """The problem with its first row all zero."""
    X = problem.X.clone()
    X[0] = 0
    return problem.with_inputs(X).with_gradients()


def require_zero_row(draws: Tensor, gradients: Mapping[str, Tensor | None]) -> None:
    """Raise Failed unless an all-zero first row gives draws (H) of 0 and changes nothing but itself.

    gradients: those of the draws' sum over this row.
    """
    if not matches(draws, torch.zeros_like(draws), ZERO_ROW_TOLERANCE):
        message = f"For an all-zero row of X every draw is 0; yours are {numbers(draws)}."
        raise Failed(message, "variance-floor-too-high")
    for name, value in gradients.items():
        if value is not None and not bool(value.isfinite().all()):
            raise Failed(f"The gradient for {name} holds {numbers(value)}.", "zero-row-gradient")
    for name in ("A_mean", "A_scale"):
        value = gradients[name]
        if value is not None and not matches(value, torch.zeros_like(value), ZERO_ROW_TOLERANCE):
            raise Failed(
                f"An all-zero row says nothing about {name}; its gradient should be 0 and is {numbers(value)}."
            )


def require_gradient_to_zero_row(to_X: Tensor | None) -> None:
    """Raise Failed where the first row of X, all zero, gets no gradient: it comes through the mean."""
    if to_X is None or not bool(to_X[0].any()):
        message = "The first row of X is all zero; the gradient for it, through X·A_mean, is not."
        raise Failed(message, "gradient-stopped", what="an all-zero row of X")


def require_noise_beside_zero_row(first: Tensor, second: Tensor) -> None:
    """Raise Failed where two draws (B × H) agree in rows that aren't zero."""
    if matches(second[1:], first[1:], 1e-5 * first[1:].abs().max()):
        raise Failed(
            f"With a first row of zeros, two calls draw the same for the other rows: {numbers(first[1:])}.",
            "no-sampling",
            what="a fixed value",
        )


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


def with_repetition(problem: Problem) -> Problem:
    """Rows that tell how draws are shared: a row, another, the first again, and the sum of the two.

    They are positive, so that a formula that doesn't square them draws something, too, and is judged by its spread.
    """
    first, second = problem.X[0].abs(), problem.X[1].abs()
    return problem.with_inputs(torch.stack([first, second, first, first + second]))


def rows_share_weights(draws: Tensor) -> bool:
    """Whether draws (4 × H) for `with_repetition` come from one draw of the weights."""
    scale = 1e-4 * draws.abs().max()
    return matches(draws[3], draws[0] + draws[1], scale) and rows_share_noise(draws)


def rows_share_noise(draws: Tensor) -> bool:
    """Whether equal rows give equal draws."""
    return matches(draws[2], draws[0], 1e-4 * draws.abs().max())


def with_equal_units(problem: Problem) -> Problem:
    """The problem with every unit's weights those of the first."""
    _, _, units = problem.sizes
    return Problem(problem.X.abs(), problem.A_mean[:, :1].repeat(1, units), problem.A_scale[:, :1].repeat(1, units))


def require_own_noise_per_unit(draws: Tensor) -> None:
    """Raise Failed where draws (B × H) for `with_equal_units` are the same for all units."""
    if matches(draws, draws[:, :1].expand_as(draws), 1e-4 * draws.abs().max()):
        raise Failed(
            f"Two units with the same weights draw {numbers(draws[:, 0])} and {numbers(draws[:, 1])}, row by row.",
            "noise-shared-by-units",
        )

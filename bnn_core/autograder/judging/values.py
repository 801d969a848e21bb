"""Whether values are those that were expected, and how a check puts them into words: numbers, shapes, what came."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.subject import Reply

MOST_NUMBERS = 4


def number(value: float) -> str:
    """A number as one would write it by hand: 0.948, −12.5, 3.2e−05."""
    return f"{value:.3g}" if abs(value) < 1e-3 or abs(value) >= 1e4 else f"{value:.4g}"


def numbers(values: Tensor | Sequence[float]) -> str:
    """The first few values of a tensor, in brackets."""
    flat = torch.as_tensor(values).flatten().tolist()
    shown = [number(value) for value in flat[:MOST_NUMBERS]]
    return "[" + ", ".join(shown) + (", …" if len(flat) > MOST_NUMBERS else "") + "]"


def shape(size: Sequence[int]) -> str:
    """A shape as Python writes it: (4, 5), (3,), ()."""
    return str(tuple(size))


def expected_and_came(what: str, expected: Tensor, came: Tensor) -> str:
    """Two lines at the places where values differ most: what was expected, and what came."""
    if expected.numel() == 1:
        return f"{what} should be {number(expected.item())}; yours is {number(came.item())}."
    worst = (came - expected).abs().flatten().argsort(descending=True)[:MOST_NUMBERS].sort().values
    return f"{what} should be {numbers(expected.flatten()[worst])}; yours is {numbers(came.flatten()[worst])}."


def tensor_from(reply: Reply, what: str, size: Sequence[int] | None = None) -> Tensor:
    """The finite tensor of this shape that `what` was to return, in float64. Raises Failed with what came instead."""
    if reply.type_name == "NoneType":
        raise Failed("It should return a tensor; yours gives None.", "missing-return", what=what)
    if reply.tensor is None:
        raise Failed(f"Your {what} should return a tensor; it returns a {reply.type_name}.")
    if size is not None and tuple(reply.tensor.shape) != tuple(size):
        raise Failed(
            f"Your {what} should return a tensor of shape {shape(size)}; yours has shape {shape(reply.tensor.shape)}."
        )
    if not reply.tensor.is_floating_point():
        raise Failed(f"Your {what} should return real numbers; yours has dtype {reply.tensor.dtype}.")
    if not reply.tensor.isfinite().all():
        raise Failed(f"Your {what} returns values that aren't finite: {numbers(reply.tensor)}.")
    return reply.tensor.double()


def matches(came: Tensor, predicted: Tensor, tolerance: Tensor | float) -> bool:
    """Whether all values are the predicted ones, within a tolerance that is absolute."""
    if came.shape != predicted.shape:
        return False
    return bool(((came - predicted).abs() <= tolerance).all())


def first_match(
    came: Tensor, suspects: Sequence[tuple[str, Tensor]], tolerance: Callable[[Tensor], Tensor]
) -> str | None:
    """The first suspected mistake whose predicted values came; tolerance(predicted) is absolute."""
    for name, predicted in suspects:
        if matches(came, predicted, tolerance(predicted)):
            return name
    return None

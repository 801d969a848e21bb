"""Whether values are those that were expected, and how a check puts them into words: numbers, shapes, what came."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Comparison, Failed
from bnn_core.autograder.interface import Model
from bnn_core.autograder.pictures import of_values
from bnn_core.autograder.subject import Reply

A = TypeVar("A")

MOST_NUMBERS = 4


FEW_DIGITS, MORE_DIGITS = 4, 8
"""Significant digits of a number in a message, and of one that must be told apart from another."""


def number(value: float, digits: int = FEW_DIGITS) -> str:
    """A number as one would write it by hand: 0.948, −12.5, 3.2e−05."""
    value += 0.0  # so that there is no −0
    return f"{value:.{digits - 1}g}" if abs(value) < 1e-3 or abs(value) >= 1e4 else f"{value:.{digits}g}"


def numbers(values: Tensor | Sequence[float], digits: int = FEW_DIGITS) -> str:
    """The first few values of a tensor, in brackets."""
    flat = torch.as_tensor(values).flatten().tolist()
    shown = [number(value, digits) for value in flat[:MOST_NUMBERS]]
    return "[" + ", ".join(shown) + (", …" if len(flat) > MOST_NUMBERS else "") + "]"


def times(count: int) -> str:
    return {0: "never", 1: "once"}.get(count, f"{count} times")


def shape(size: Sequence[int]) -> str:
    """A shape as Python writes it: (4, 5), (3,), ()."""
    return str(tuple(size))


def expected_and_came(what: str, expected: Tensor, came: Tensor, relative: bool = False) -> Comparison:
    """What was expected, and what came, at the places where they differ most, be it relative to what was expected."""
    if came.shape != expected.shape:
        return Comparison(f"{what} should have shape {shape(expected.shape)}; yours has shape {shape(came.shape)}.")
    if expected.numel() == 1:
        right, wrong = told_apart(expected.item(), came.item(), number)
        return Comparison(f"{what} should be {right}; yours is {wrong}.")
    worst = worst_places(expected, came, relative)
    right, wrong = told_apart(expected.flatten()[worst], came.flatten()[worst], numbers)
    comparison = Comparison(f"{what} should be {right}; yours is {wrong}.")
    comparison.picture = of_values(what, expected, came)
    return comparison


def told_apart(expected: A, came: A, written: Callable[[A, int], str]) -> tuple[str, str]:
    """Both as they are written, with more digits where they would look alike."""
    few = written(expected, FEW_DIGITS), written(came, FEW_DIGITS)
    return few if few[0] != few[1] else (written(expected, MORE_DIGITS), written(came, MORE_DIGITS))


def worst_places(expected: Tensor, came: Tensor, relative: bool = False) -> Tensor:
    """Where the values differ most, as indices of the flat tensors, in their order."""
    apart = torch.where(came == expected, 0.0, came - expected)  # not nan where both are infinite
    difference = apart / (expected.abs() + 1e-9 if relative else 1.0)
    return difference.abs().flatten().argsort(descending=True)[:MOST_NUMBERS].sort().values


def expected_for(arguments: Mapping[str, Any], expected: Tensor, came: Tensor) -> Comparison:
    """The same for a call: of arguments in the shape of what is expected, the elements in these places are shown."""

    def shown(value: Any) -> Any:
        is_alike = isinstance(value, Tensor) and value.shape == expected.shape == came.shape and value.dim() > 0
        return value.flatten()[worst_places(expected, came)] if is_alike else value

    return expected_and_came(
        f"For {described({name: shown(value) for name, value in arguments.items()})} it", expected, came
    )


def tensor_from(reply: Reply, what: str, size: Sequence[int] | None = None, finite: bool = True) -> Tensor:
    """The tensor of this shape that `what` was to return, in float64. Raises Failed with what came instead.

    finite: whether its values must be.
    """
    if reply.type_name == "NoneType":
        raise Failed("It should return a tensor; yours gives None.", "missing-return", what=what)
    if reply.tensor is None:
        message = f"Your {what} should return a tensor; it returns a {reply.type_name}."
        kind = kind_of(reply)
        raise Failed(message, "not-a-tensor" if kind else None, what=kind)
    if size is not None and len(size) == 2 and tuple(reply.tensor.shape) == tuple(size)[::-1] != tuple(size):
        message = f"It should have shape {shape(size)}; yours has {shape(reply.tensor.shape)}."
        raise Failed(message, "output-transposed")
    if size is not None and tuple(reply.tensor.shape) != tuple(size):
        came = tuple(reply.tensor.shape)
        raise Failed(
            f"Your {what} should return a tensor of shape {shape(size)}; yours has shape {shape(came)}.",
            resized(came, tuple(size)),
        )
    if not reply.tensor.is_floating_point():
        raise Failed(f"Your {what} should return real numbers; yours has dtype {reply.tensor.dtype}.")
    if finite and not reply.tensor.isfinite().all():
        holes = reply.tensor[~reply.tensor.isfinite()]
        raise Failed(f"Your {what} returns values that aren't finite: {numbers(holes)}.")
    return reply.tensor.double()


def kind_of(reply: Reply) -> str:
    """What came in place of a tensor, where it could have been made into one."""
    if reply.parts and reply.type_name != "list":
        is_one = len(reply.parts) == 1
        return "a tuple of one value, which a comma behind it makes" if is_one else "a tuple of several values"
    names = {"list": "a list", "float": "a plain number", "int": "a plain number", "ndarray": "a NumPy array"}
    return names.get(reply.type_name, "")


def resized(came: Sequence[int], size: Sequence[int]) -> str | None:
    """The mistake of a shape that is the right one but for dimensions of size 1."""
    if [n for n in came if n > 1] != [n for n in size if n > 1]:
        return None
    return "dimension-dropped" if len(came) < len(size) else "dimension-added" if len(came) > len(size) else None


def are_in_half(values: Sequence[Tensor]) -> bool:
    """Whether half precision can hold all of these values."""

    def held_by(dtype: torch.dtype) -> bool:
        return all(torch.equal(value.to(dtype).to(value.dtype), value) for value in values)

    return held_by(torch.bfloat16) or held_by(torch.float16)


def is_in_float32(values: Tensor) -> bool:
    """Whether float32 can hold all of these values, which are in float64."""
    return torch.equal(values.float().double(), values)


def tensors_from(
    reply: Reply, names: Sequence[str], what: str, size: Sequence[int] | None = None, finite: bool = True
) -> Tensor:
    """The tensors of one shape that `what` was to return as a tuple, stacked; size: of the stack. Raises Failed as
    `tensor_from` does.
    """
    wanted = f"({', '.join(names)})"
    if reply.tensor is not None or (reply.parts and len(reply.parts) != len(names)):
        came = "one tensor" if reply.tensor is not None else f"{len(reply.parts)} values"
        raise Failed(f"It should return {wanted}; yours returns {came}.", "not-a-pair", what=wanted)
    if not reply.parts:
        name = "missing-return" if reply.type_name == "NoneType" else "not-a-pair"
        raise Failed(f"It should return {wanted}; yours returns a {reply.type_name}.", name, what=wanted)
    inner = None if size is None else size[1:]
    parts = [
        tensor_from(part, f"{what}'s {name}", inner, finite) for part, name in zip(reply.parts, names, strict=True)
    ]
    if len({part.shape for part in parts}) > 1 or len({part.dtype for part in reply.parts}) > 1:
        kinds = " and ".join(
            f"{shape(part.shape)}, {came.dtype}" for part, came in zip(parts, reply.parts, strict=True)
        )
        raise Failed(f"{wanted} should have one shape and one dtype; yours have {kinds}.")
    return torch.stack(parts)


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


ROUNDING = 1e-4
"""How far what was computed in float32 may lie from the right value, relative to the largest."""


def close(came: Tensor, right: Tensor, tolerance: float = ROUNDING, size: float = 1e-2) -> bool:
    """Whether values of one shape are the right ones up to rounding, and infinite, or nan, where those are.

    size: of what they are computed from, where they may be 0 themselves.
    """
    if came.shape != right.shape:
        return False
    finite = right.isfinite()
    if not torch.allclose(came[~finite].double(), right[~finite].double(), equal_nan=True):
        return False
    came, right = came[finite].double(), right[finite]
    largest = right.abs().max() if right.numel() else 0.0
    return matches(came, right, tolerance * (right.abs() + largest + size))


def are_close(came: Tensor, candidates: Tensor) -> Tensor:
    """Which of the candidates, along a new first dimension, the values are `close` to."""
    came, candidates = came.double().reshape(1, -1), candidates.double().reshape(len(candidates), -1)
    sizes = torch.where(candidates.isfinite(), candidates, 0.0).abs()
    bounds = ROUNDING * (sizes + sizes.amax(dim=1, keepdim=True) + 1e-2)
    fit = ((came - candidates).abs() <= bounds) | (came == candidates) | (came.isnan() & candidates.isnan())
    return fit.all(dim=1)


def described(arguments: Mapping[str, Any]) -> str:
    """Arguments as a reader wants to see them: x = [0.5, −1], std = 2. Of a model there is nothing to see."""

    def shown(value: Any) -> str:
        if isinstance(value, Tensor):
            if value.dim() < 2:
                return numbers(value) if value.dim() else number(value.item())
            return f"{numbers(value)} of shape {shape(value.shape)}"
        return number(value) if isinstance(value, float) else str(value)

    return ", ".join(f"{name} = {shown(value)}" for name, value in arguments.items() if not isinstance(value, Model))


def require_scalar(reply: Reply, what: str, kind: str) -> Tensor:
    """The tensor of one number, in shape (), that `what` was to return. Raises Failed with what came instead.

    kind: the word that the names of its mistakes begin with.
    """
    if reply.type_name == "NoneType":
        raise Failed("It should be a scalar tensor; yours gives None.", "missing-return", what=what)
    if reply.tensor is None:
        raise Failed(
            "Give the sum as a tensor, without .item() or float().", f"{kind}-not-a-tensor", what=reply.type_name
        )
    if reply.tensor.numel() > 1:
        message = f"It should have shape (); yours has shape {shape(reply.tensor.shape)}."
        raise Failed(message, f"{kind}-not-reduced")
    if reply.tensor.ndim:
        raise Failed("Use .sum() without keepdim.", f"{kind}-scalar-shape", what=shape(reply.tensor.shape))
    return reply.tensor

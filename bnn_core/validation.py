"""Argument checks of the reference: each raises a ValueError that names the argument. Knows no layer."""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor


def check_positive_int(name: str, value: object) -> None:
    """`value` is a whole number of at least 1, Python's or NumPy's."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")


def check_positive_number(name: str, value: object) -> None:
    """`value` is a finite number above zero."""
    if not isinstance(value, Real) or not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be a finite number above zero, not {value!r}")


def check_positive(name: str, value: float | Tensor) -> None:
    """`value` is a number, or a tensor of numbers, above zero.

    Inside vmap and torch.compile nobody may look at a tensor's numbers; there the check passes them by.
    """
    if not isinstance(value, Tensor):
        check_positive_number(name, value)
        return
    smallest = _smallest(value)
    if smallest is not None and not smallest > 0:  # and not `smallest <= 0`, which NaN would pass
        raise ValueError(f"{name} must be above zero everywhere, but its smallest element is {smallest:g}")


def check_not_negative(name: str, value: object) -> None:
    """`value` is a finite number, not below zero, or a scalar tensor of one; of tensors as `check_positive`."""
    number: object = value
    if isinstance(value, Tensor) and value.dim() == 0:
        number = _smallest(value)
        if number is None:
            return
    if not isinstance(number, Real) or not math.isfinite(number) or number < 0:
        raise ValueError(f"{name} must be a finite number, not negative, and not {value!r}")


def _smallest(value: Tensor) -> float | None:
    """The smallest element; None where there is none, or nobody may look at it."""
    if torch.compiler.is_compiling() or value.numel() == 0:
        return None
    try:
        return value.detach().min().item()
    except RuntimeError:  # vmap's answer to .item()
        return None


def check_broadcastable(**values: Tensor | float | None) -> None:
    """The shapes of the tensors among `values` broadcast together."""
    shapes = {name: value.shape for name, value in values.items() if isinstance(value, Tensor)}
    if len(set(shapes.values())) <= 1:
        return  # the usual case, and much the faster
    try:
        torch.broadcast_shapes(*shapes.values())
    except RuntimeError:
        listed = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
        raise ValueError(f"the shapes do not broadcast together: {listed}") from None


def check_expandable(name: str, shape: torch.Size, target: torch.Size) -> None:
    """A tensor of `shape` broadcasts to `target`, and not beyond it."""
    try:
        fits = torch.broadcast_shapes(shape, target) == target
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(f"{name}: {tuple(shape)} does not expand to {tuple(target)}")


def check_tensor(name: str, value: Tensor | None) -> Tensor:
    """`value`, which is a tensor."""
    if not isinstance(value, Tensor):
        raise ValueError(f"{name} must be a tensor, not {value!r}")
    return value


def as_size(name: str, value: int | Sequence[int]) -> torch.Size:
    """`value` as a torch.Size, where the number n stands for (n,)."""
    try:
        sizes: Any = [value] if isinstance(value, Integral) else value
        size = torch.Size(sizes)
    except TypeError:
        size = None
    if size is None or min(size, default=0) < 0:
        raise ValueError(f"{name} must be a whole number or a sequence of them, none negative, not {value!r}")
    return size

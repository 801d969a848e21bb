"""Plain data about what learners' code gives: tensors as detached copies on the CPU, and of everything else what it is.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bnn_core.autograder.interface import Parameter, Value

LONGEST_MESSAGE = 300
MOST_PARTS = 8


def description(value: Any, parts: int = MOST_PARTS) -> Value:
    """What a value is; of a tuple or a list, what its elements are, which themselves have no parts."""
    is_tensor = isinstance(value, Tensor)
    elements = value[:parts] if isinstance(value, tuple | list) and not isinstance(value, torch.Size) else ()
    return Value(
        type(value).__name__,
        plain_copy(value) if is_tensor else None,
        plain_value(value),
        bool(is_tensor and value.requires_grad),
        [description(element, 0) for element in elements],
    )


def plain_value(value: Any) -> bool | float | list[int] | None:
    """A number, a truth value or a size; None for anything else."""
    if isinstance(value, torch.Size):
        return list(value)
    if isinstance(value, bool):
        return value
    return float(value) if isinstance(value, int | float) else None


def plain_copy(value: Tensor) -> Tensor:
    """A detached copy on the CPU, an ordinary tensor whatever subclass it came as."""
    if value.is_meta:
        raise TypeError("it gives a tensor on the meta device, which holds no numbers")
    return value.detach().to("cpu", copy=True).as_subclass(Tensor)


def description_of_leaf(value: Tensor, kind: str) -> Parameter:
    """What a tensor is from which gradients may be asked for."""
    return Parameter(kind, plain_copy(value), value.requires_grad, value.is_leaf and value.grad is not None)


def kind_of(value: Tensor, instance: Any) -> str:
    """ "parameter", "buffer", or, where the module doesn't know it, "unregistered parameter" or "tensor"."""
    if isinstance(instance, nn.Module):
        if any(value is parameter for parameter in instance.parameters()):
            return "parameter"
        if any(value is buffer for buffer in instance.buffers()):
            return "buffer"
    if isinstance(value, nn.Parameter):
        return "unregistered parameter"
    return "tensor"


def shown(error: BaseException) -> str:
    """What the exception says, in one line, which may be shortened."""
    try:
        message = " ".join(str(error).split())
    except BaseException:  # the exception is the learner's, and so is its __str__
        return "an exception that can't be shown"
    return message if len(message) <= LONGEST_MESSAGE else message[:LONGEST_MESSAGE] + " …"

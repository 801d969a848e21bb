"""A device that isn't the CPU, for machines without one: its tensors keep their numbers in CPU tensors, and refuse to
be mixed with others, as a GPU's do. Importing it registers the device with torch, once for the process.

Every tensor on it is contiguous, so that writing into a transposed view doesn't reach what it is a view of.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "fake"
CPU = torch.device("cpu")

_numbers: dict[int, Tensor] = {}
"""The numbers of each tensor, by its storage, which copies share that torch makes without asking the device."""


def _on_device(numbers: Tensor) -> Tensor:
    tensor: Tensor = torch._C._acc.create_empty_tensor(numbers.shape, numbers.dtype)
    _numbers[tensor.untyped_storage()._cdata] = numbers.contiguous()
    return tensor


def _inner(item: Any) -> Any:
    """What stands on the CPU for an argument."""
    if isinstance(item, Tensor) and item.device.type == NAME:
        return _numbers[item.untyped_storage()._cdata].view(item.shape)  # torch itself may have changed the shape
    if isinstance(item, torch.device):
        return CPU
    if isinstance(item, torch.Generator):
        raise RuntimeError(f"Expected a '{NAME}' device type for generator but found 'cpu'")
    return item


def _perform(operator: Any, *args: Any, **kwargs: Any) -> Any:
    """Any operator, performed on the CPU."""
    given = [item for item in tree_leaves((args, kwargs)) if isinstance(item, Tensor)]
    if operator is torch.ops.aten._copy_from.default:  # which is how a tensor gets to the device, and back
        source, target = args[:2]
        _inner(target).copy_(_inner(source))
        return target
    if any(item.device == CPU and item.dim() for item in given):
        raise RuntimeError(f"Expected all tensors to be on the same device, but found at least two, {NAME} and cpu")
    stays = kwargs.get("device") is not None and torch.device(kwargs["device"]) == CPU
    wrapped: dict[int, Tensor] = {}

    def inner(item: Any) -> Any:
        numbers = _inner(item)
        wrapped[id(numbers)] = item  # what an operator changes in place, it returns
        return numbers

    def outer(item: Any) -> Any:
        if not isinstance(item, Tensor):
            return item
        return wrapped[id(item)] if id(item) in wrapped else _on_device(item)

    result = operator(*tree_map(inner, args), **tree_map(inner, kwargs))
    return result if stays else tree_map(outer, result)


_setup_privateuseone_for_python_backend(NAME)
_library = torch.library.Library("_", "IMPL")
_library.fallback(_perform, "PrivateUse1")

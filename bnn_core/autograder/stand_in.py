"""A model whose outputs a check has written down, which learners' code is given and whose use is recorded; and in what
state a model is left.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from bnn_core.autograder.interface import Model, ModelCall
from bnn_core.autograder.plain_data import MOST_PARTS, plain_copy


class Record:
    """The calls of a model, and of all copies that are made of it."""

    def __init__(self) -> None:
        self.calls: list[ModelCall] = []

    def __deepcopy__(self, memo: object) -> Record:
        return self


class StandIn(nn.Module):
    """What the learner's code is given for a `Model`."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.record = Record()
        for number, output in enumerate(model.outputs):
            self.register_buffer(f"output_{number}", output.clone(), persistent=False)
        for name, value in model.parameters.items():
            self.register_parameter(name, nn.Parameter(value.clone()))
            self.get_parameter(name).grad = torch.ones_like(value)
        self._given = model.parameters
        self._count = len(model.outputs)
        self.train(model.training)

    def has_its_gradients(self) -> bool:
        """Whether these are the ones that it was made with, which are all 1."""
        return gradients_are_given(self)

    def forward(self, *args: Any) -> Tensor:
        calls, grad_enabled = self.record.calls, torch.is_grad_enabled()
        output = self.get_buffer(f"output_{len(calls) % self._count}").clone()
        tensors = [plain_copy(item) for item in args if isinstance(item, Tensor)]
        own = all(torch.equal(plain_copy(value), self._given[name]) for name, value in self.named_parameters())
        calls.append(ModelCall(tensors, self.training, grad_enabled, torch.rand(()).item(), own))
        if grad_enabled:  # as through any model, its parameters are in the graph
            output = output + sum(0 * value.sum() for value in self.parameters())
        return output


def gradients_are_given(module: nn.Module) -> bool:
    """Whether each parameter has a gradient whose elements are all 1, as those are that checks give."""
    gradients = [value.grad for value in module.parameters()]
    return all(gradient is not None and bool((gradient == 1).all()) for gradient in gradients)


def with_graph(module: nn.Module) -> list[str]:
    """The first few attributes of the module that can't be copied, since they hold what was computed with its graph."""
    found = []
    for name, value in {**vars(module), **dict(module.named_buffers(recurse=False))}.items():
        if name in ("_buffers", "_parameters", "_modules"):
            continue
        try:
            copy.deepcopy(value)
        except RuntimeError:
            found.append(name)
        except Exception:  # which has other reasons
            continue
    return found[:MOST_PARTS]

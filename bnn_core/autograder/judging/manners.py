"""What a learner's code leaves as it was: its arguments, the seed, and a model that it was given.

It may not know what the code was to compute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.interface import Model
from bnn_core.autograder.judging.values import expected_and_came
from bnn_core.autograder.subject import Subject


def require_unchanged(subject: Subject, arguments: Mapping[str, Any]) -> None:
    """Raise Failed where the learner's code has changed a tensor that it was given."""
    for name, before in arguments.items():
        if not isinstance(before, Tensor):
            continue
        now = subject.present_value(before)
        if now.value is None or not torch.equal(now.value, before.detach()):
            came = before if now.value is None else now.value
            raise Failed(expected_and_came(name, before.double(), came.double()), "arguments-modified", what=name)
        if now.requires_grad != before.requires_grad:
            turned = "on" if now.requires_grad else "off"
            raise Failed(f"Its requires_grad is switched {turned}.", "arguments-modified", what=name)


def require_own_seed(subject: Subject, use: Callable[[], object]) -> None:
    """Raise Failed where, after the learner's code was used, the next random number is the same whatever the seed."""

    def next_number(seed: int) -> float:
        subject.seed(seed)
        use()
        return subject.random_number()

    if next_number(1) == next_number(2):
        raise Failed("Leave torch.manual_seed to the notebook, outside your code.", "seed-fixed")


def require_unchanged_model(subject: Subject, model: Model) -> None:
    """Raise Failed where the model is in another mode than before the learner's code used it, is frozen, or has other
    parameters, or had when it was called.
    """
    use = subject.use_of(model)
    if use.training != model.training:
        before, after = ("train" if mode else "eval" for mode in (model.training, use.training))
        raise Failed(f"It was in {before}() mode, and is now in {after}() mode.", "mode-changed")
    if use.frozen:
        raise Failed(f"Now without requires_grad: {', '.join(use.frozen)}.", "parameters-frozen")
    for name, value in model.parameters.items():
        if not torch.equal(use.parameters[name], value):
            raise Failed(expected_and_came(name, value, use.parameters[name]), "parameters-touched")
    if not all(call.own_parameters for call in use.calls):
        raise Failed("", "parameters-exchanged")
    if not use.own_gradients:
        raise Failed("", "gradients-touched", what="the model")

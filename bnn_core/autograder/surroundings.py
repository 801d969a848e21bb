"""In what surroundings learners' code runs, so that it comes to the same wherever it does, and what it must leave as it
was. Nothing here knows what is run.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.distributions import Distribution


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """Run something as if the process were new: on the CPU, in float32, with gradients and without autocast. What was
    compiled runs uncompiled, whose graphs can be asked for gradients twice; and all of it on one thread, since the
    tensors are too small to be worth the waiting for another.
    """
    device, dtype = torch.get_default_device(), torch.get_default_dtype()
    with contextlib.ExitStack() as stack:
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)
        stack.callback(torch.set_default_dtype, dtype)
        stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        stack.enter_context(torch.inference_mode(False))
        for kind in {"cpu", device.type}:
            if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        else:  # which takes long to load, and as yet nothing has been compiled
            stack.callback(setattr, torch, "compile", torch.compile)
            torch.compile = uncompiled
        stack.callback(Distribution.set_default_validate_args, Distribution._validate_args)
        Distribution.set_default_validate_args(True)  # which loading the compiler turns off
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
        yield


def uncompiled(model: Any = None, **options: Any) -> Any:
    """In place of torch.compile, the code as it is."""
    return model if model is not None else lambda model: model


@contextlib.contextmanager
def uninitialised_memory_shown() -> Iterator[None]:
    """Within this, what torch.empty leaves unfilled is NaN, and not what happened to lie there."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    # torch.use_deterministic_algorithms would import the compiler, which takes longer than all checks together.
    torch._C._set_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch._C._set_deterministic_algorithms(before[0], warn_only=before[1])


class DictChangedError(Exception):
    """Raised for code that changes a dict that it was given."""


@contextlib.contextmanager
def dicts_kept(args: Sequence[Any]) -> Iterator[None]:
    """Raise DictChangedError where one of these that is a dict holds other entries after what is run within this."""
    given = [(item, dict(item)) for item in args if isinstance(item, dict)]
    yield
    for now, before in given:
        if list(now) != list(before) or any(now[name] is not value for name, value in before.items()):
            raise DictChangedError("the dict that it was given isn't what it was")


class SettingsChangedError(Exception):
    """Raised for code that leaves other global settings of torch's than it found."""


@contextlib.contextmanager
def settings_kept() -> Iterator[None]:
    """Raise SettingsChangedError where what is run within this leaves other settings, and put them back."""
    dtype = torch.get_default_dtype()
    yield
    changed = [] if torch.is_grad_enabled() else ["gradients are switched off"]
    if torch.get_default_dtype() != dtype:
        changed.append(f"the default dtype is {torch.get_default_dtype()}")
        torch.set_default_dtype(dtype)
    if changed:
        raise SettingsChangedError(f"after it, {' and '.join(changed)} for the whole program")

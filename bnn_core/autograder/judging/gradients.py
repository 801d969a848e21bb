"""What holds for the gradients through any right answer: they arrive, and a larger loss makes them larger.

It is given gradients by the names of what they are for, and may not know what their values should be.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.judging.values import close, expected_and_came, matches, numbers

Gradients = Mapping[str, Tensor | None]

ENLARGED = 1000.0

# Parameters that only noise carries a gradient to, by the ends of their names.
SPREADS = ("log_std", "scale")


def linear_gradients(gradients_of: Callable[[Tensor], Gradients], cotangent: Tensor) -> dict[str, Tensor | None]:
    """The gradients for a cotangent. Raises Failed unless those for a cotangent ENLARGED times as large are as much
    larger: a backward pass is linear, unless something clips it. They must be finite, too.
    """
    came, enlarged = gradients_of(cotangent), gradients_of(ENLARGED * cotangent)
    for name, value in came.items():
        larger = enlarged[name]
        if value is None or larger is None:
            continue
        if not value.isfinite().all():
            raise Failed(f"Some gradients for {name} aren't finite: {numbers(value)}.", "gradient-not-finite")
        right = ENLARGED * value.double()
        if not matches(larger.double(), right, 1e-3 * right.abs() + 1e-3 * right.abs().max() + 1e-6):
            message = f"For a loss {ENLARGED:.0f} times as large, the gradient for {name}"
            raise Failed(expected_and_came(message, right, larger.double()), "gradient-clipped")
    return dict(came)


def require_arrival(gradients: Gradients, of_what: str = "") -> None:
    """Raise Failed where no gradient arrives."""
    missing = [name for name, value in gradients.items() if value is None or not value.any()]
    if missing:
        only_spreads = all(name.endswith(SPREADS) for name in missing)
        raise Failed(
            f"The gradient{of_what} should reach {' and '.join(gradients)}.",
            "log-std-gradient-missing" if only_spreads else "gradient-stopped",
            what=" and ".join(missing),
        )


def require_gradients(came: Gradients, right: Mapping[str, Tensor], of_what: str = "") -> None:
    """Raise Failed unless every gradient is the right one, and arrives, where it isn't 0."""
    require_arrival({name: value for name, value in came.items() if right[name].any()}, of_what)
    for name, expected in right.items():
        value, tolerance = came[name], 1e-3 * (expected.abs() + expected.abs().max()) + 1e-5
        if value is not None and not matches(value.double(), expected, tolerance):
            raise Failed(expected_and_came(f"The gradient{of_what} for {name}", expected, value.double()))


def requiring(arguments: Mapping[str, Any], of: Collection[str]) -> dict[str, Any]:
    """Copies of the arguments, of which those named by `of` ask for gradients."""
    return {name: value.clone().requires_grad_() if name in of else value for name, value in arguments.items()}


def gradients_of(value: Tensor, inputs: Mapping[str, Tensor], cotangent: Tensor) -> dict[str, Tensor]:
    """The gradients of Σ cotangent·value for the inputs, by name."""
    found = torch.autograd.grad(value, list(inputs.values()), cotangent, allow_unused=True, materialize_grads=True)
    return dict(zip(inputs, found, strict=True))


@dataclass(frozen=True)
class Draw:
    """A draw, mean + noise, whose exact gradients follow from the noise that it shows.

    mean, noise: functions of the arguments; what was drawn is in `noise`. arguments: by name, tensors in float64. of:
    the names of those whose gradients are looked at. cotangent: the gradient of a loss for the draw.
    """

    mean: Callable[..., Tensor]
    noise: Callable[..., Tensor]
    arguments: Mapping[str, Any]
    of: Sequence[str]
    cotangent: Tensor

    def gradients(self, without: str = "") -> dict[str, Tensor]:
        """The exact ones; without: one of PARTS, to leave out what comes through it."""
        given = requiring(self.arguments, self.of)
        mean, noise = self.mean(*given.values()), self.noise(*given.values())
        mean = mean.detach() if without == "the mean" else mean
        noise = noise.detach() if without == "the spread" else noise
        return gradients_of(mean + noise, {name: given[name] for name in self.of}, self.cotangent)

    def require(self, came: Gradients, otherwise: str | None = None, of_what: str = "") -> None:
        """Raise Failed unless the gradients that came arrived, and are the exact ones.

        otherwise: the mistake where they aren't those of this draw, nor a multiple or a part of them.
        """
        right = self.gradients()
        try:
            require_gradients(came, right, of_what)
        except Failed as failure:
            if failure.mistake is not None:
                raise
            wrong = {name: value.double() for name, value in came.items() if value is not None}
            wrong = {name: value for name, value in wrong.items() if not close(value, right[name], 1e-3)}
            for part in PARTS:
                partial = self.gradients(without=part)
                if all(close(value, partial[name], 1e-3) for name, value in wrong.items()):
                    raise Failed(failure.message, "gradient-stopped-in-part", what=part) from None
            is_multiple = any(
                close(value, value.norm() / right[name].norm() * right[name], 1e-3) for name, value in wrong.items()
            )
            raise Failed(failure.message, None if is_multiple else otherwise) from None


def scaled(std: Callable[..., Tensor], epsilon: Tensor) -> Callable[..., Tensor]:
    """The noise std·ε."""
    return lambda *arguments: std(*arguments) * epsilon


PARTS = ("the mean", "the spread")
"""What the gradients of a draw come through."""

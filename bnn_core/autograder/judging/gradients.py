"""What holds for the gradients through any right answer: they arrive, and a larger loss makes them larger.

It is given gradients by the names of what they are for, and may not know what their values should be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.judging.values import expected_and_came, matches

Gradients = Mapping[str, Tensor | None]

ENLARGED = 1000.0

# Parameters that only noise carries a gradient to, by the ends of their names.
SPREADS = ("log_std", "scale")


def linear_gradients(gradients_of: Callable[[Tensor], Gradients], cotangent: Tensor) -> dict[str, Tensor | None]:
    """The gradients for a cotangent. Raises Failed unless those for a cotangent ENLARGED times as large are as much
    larger: a backward pass is linear, unless something clips it.
    """
    came, enlarged = gradients_of(cotangent), gradients_of(ENLARGED * cotangent)
    for name, value in came.items():
        larger = enlarged[name]
        if value is None or larger is None:
            continue
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

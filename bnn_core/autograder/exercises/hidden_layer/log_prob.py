"""log_prob: minus the KL, times KL_factor, whatever the value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.exercises.hidden_layer.kl import (
    kl_gradient_is_right,
    kl_is_right,
    kl_is_right_for_a_number,
    require_kl_gradients,
)
from bnn_core.autograder.exercises.hidden_layer.layer import (
    CERTAIN_TOLERANCE,
    IN,
    LOCAL,
    UNITS,
    WEIGHT_SPACE,
    Evidence,
    Layer,
    close,
    exercise,
    right_kl,
)
from bnn_core.autograder.exercises.hidden_layer.shapes import use_what_is_written
from bnn_core.autograder.interface import LearnerError
from bnn_core.autograder.judging.values import expected_and_came, matches, number, numbers, shape, tensor_from

# The log-probability.


@exercise.check("log_prob(value) is a scalar tensor", needs=[kl_is_right])
def log_prob_is_scalar(evidence: Evidence) -> None:
    layer = evidence.layer()
    for sample_shape in [(), (6,)]:
        size = (*sample_shape, *layer.size)
        reply = layer.log_prob_reply(torch.ones(size))
        if reply.type_name == "NoneType":
            raise Failed("It should return a scalar tensor; yours gives None.", "missing-return", what="log_prob")
        if reply.tensor is None or reply.tensor.ndim:
            came = reply.type_name if reply.tensor is None else f"tensor of shape {shape(reply.tensor.shape)}"
            message = (
                f"For a value of shape {shape(size)} it should return a tensor of shape (); yours returns a {came}."
            )
            raise Failed(message, "log-prob-not-scalar")
        tensor_from(reply, "log_prob", ())


@exercise.check("log_prob doesn't depend on the value", needs=[log_prob_is_scalar])
def log_prob_ignores_the_value(evidence: Evidence) -> None:
    layer = evidence.layer()
    values = [evidence.normal(*layer.size) * scale for scale in (0.1, 1.0, 3.0)]
    require_same_log_prob(layer, "three values", values)
    require_same_log_prob(layer, "two values, the second of them nan,", [values[0], math.nan * values[0]])


def require_same_log_prob(layer: Layer, what: str, values: Sequence[Tensor]) -> None:
    """Raise Failed where log_prob tells the values apart."""
    replies = [layer.log_prob_reply(value) for value in values]
    came = torch.stack([tensor_from(reply, "log_prob", (), finite=False) for reply in replies])
    if not matches(came, came[0].expand_as(came), 1e-4 * (came[0].abs() + 1)):
        raise Failed(f"For {what} it gives {numbers(came)}.", "log-prob-of-the-value")


@exercise.check("log_prob is −KL_factor·KL", needs=[log_prob_is_scalar, kl_is_right_for_a_number])
def log_prob_is_right(evidence: Evidence) -> None:
    for factor in (0.25, 3.0, 0.0):
        for rows, mode in ((2, LOCAL), (7, LOCAL), (4, WEIGHT_SPACE)):
            problem = evidence.kl_problem(rows=rows)
            kl, to_standard_normal = right_kl(problem, 2.0), right_kl(problem, 1.0)
            options = {"KL_factor": factor, "A_prior_scale": 2.0, "weight_space_sampling": mode}
            came = evidence.layer(problem, **options).log_prob()
            if close(came, -factor * kl):
                continue
            given = f"KL_factor={number(factor)}" + (", weight_space_sampling=True" if mode == WEIGHT_SPACE else "")
            message = expected_and_came(f"With {given} and a KL of {number(kl.item())} it", -factor * kl, came)
            name = mistaken_log_prob(came, kl, factor, rows)
            if close(came, -factor * to_standard_normal):
                name = "log-prob-without-prior"
            if name is None and close(evidence.layer(evidence.kl_problem(rows), **options).log_prob(), came.double()):
                name = "kl-cached"
            raise Failed(message, name)
    layer = evidence.layer()
    samples = [evidence.normal(*layer.size), evidence.normal(7, *layer.size)]
    require_same_log_prob(layer, "one sample, and for seven in one value,", samples)


def mistaken_log_prob(came: Tensor, kl: Tensor, factor: float, rows: int) -> str | None:
    """The mistake that a log_prob looks like."""
    suspects = {
        "log-prob-sign": (factor * kl, kl),
        # Where it was right for the factors before, it isn't ignored.
        {3.0: "kl-factor-cut-off", 0.0: "kl-factor-of-zero"}.get(factor, "kl-factor-ignored"): (-kl,),
        "kl-factor-inverted": (-kl / factor, kl / factor) if factor else (),
        "kl-factor-twice": (-(factor**2) * kl,),
        "log-prob-by-rows": (-factor * kl * rows, -factor * kl / rows, -kl / rows),
        "log-prob-averaged": (-factor * kl / (rows * (UNITS + 1)), -factor * kl / (IN * UNITS)),
        "log-prob-exponentiated": ((-factor * kl).exp(),) if came.any() else (),
        "log-prob-without-kl": (torch.zeros_like(kl),),
    }
    found = (name for name, values in suspects.items() if any(close(came, value) for value in values))
    return next(found, None)


@exercise.check(
    "the gradient of log_prob reaches A_mean and A_scale, and is right", needs=[log_prob_is_right, kl_gradient_is_right]
)
def log_prob_gradient_is_right(evidence: Evidence) -> None:
    problem = evidence.kl_problem().with_gradients()
    reply = evidence.layer(problem, KL_factor=2.0).log_prob_reply()
    require_kl_gradients(reply, problem, -2.0, "log_prob")


@exercise.check("KL and log_prob follow A_mean and A_scale when they change", needs=[log_prob_is_right])
def kl_is_fresh(evidence: Evidence) -> None:
    problem, later = evidence.kl_problem().with_gradients(), evidence.kl_problem()
    layer = evidence.layer(problem)
    uses: list[Callable[[], Tensor]] = [layer.kl, layer.log_prob]
    for use in uses:
        use_what_is_written(use)
    for name in ("A_mean", "A_scale"):
        evidence.subject.set_argument(getattr(problem, name), getattr(later, name))
    right, before = right_kl(later, 1.0), right_kl(problem.mapped(Tensor.detach), 1.0)
    values: Sequence[tuple[str, Callable[[], Tensor], int]] = [("KL", layer.kl, 1), ("log_prob", layer.log_prob, -1)]
    for name, value, sign in values:
        came = value()
        if not close(came, sign * right):
            message = expected_and_came(
                f"After new values were copied into A_mean and A_scale, {name}", sign * right, came
            )
            if not close(came, sign * before):
                raise Failed(message)
            raise Failed(message, "kl-cached" if draws_are_fresh(evidence) else "layer-keeps-copies")


def draws_are_fresh(evidence: Evidence) -> bool:
    """Whether rsample follows a change of A_mean."""
    problem = evidence.certain_problem().with_gradients()
    layer = evidence.plain_layer(problem, WEIGHT_SPACE)
    evidence.subject.set_argument(problem.A_mean, -problem.A_mean.detach())
    try:
        return matches(layer.draw()[1], -problem.mean, CERTAIN_TOLERANCE)
    except (LearnerError, Failed):
        return True  # other checks say so

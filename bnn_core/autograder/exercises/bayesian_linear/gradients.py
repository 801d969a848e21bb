"""The gradients of an output are those of W = mean + exp(log_std)·ε at the draw that the output shows."""

from __future__ import annotations

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.exercises.bayesian_linear.draws import biases_spread, forward_is_affine, weights_spread
from bnn_core.autograder.exercises.bayesian_linear.layer import IN, OUT, READING, Evidence, Layer, exercise, read_draw
from bnn_core.autograder.judging.gradients import linear_gradients, require_arrival
from bnn_core.autograder.judging.values import expected_and_came, matches
from bnn_core.autograder.subject import Reply


@exercise.check(
    "the gradient of the output reaches all four parameters, and is right",
    needs=[weights_spread, biases_spread],
)
def output_gradient_is_right(evidence: Evidence) -> None:
    layer, parameters = evidence.layer(), evidence.parameters()
    layer.set(parameters)
    x = torch.cat([READING, evidence.normal(4, IN)])
    cotangent = evidence.normal(len(x), OUT)
    reply, output = layer.forward(x)
    require_output_gradient(layer, parameters, x, cotangent, reply, output)


def require_output_gradient(
    layer: Layer, parameters: dict[str, Tensor], x: Tensor, cotangent: Tensor, reply: Reply, output: Tensor
) -> None:
    """Raise Failed unless the gradients are those of W = mean + exp(log_std)·ε at the draw that the output shows."""
    weight, bias = read_draw(output)
    to_weight, to_bias = cotangent.double().T @ x.double(), cotangent.double().sum(dim=0)
    expected = {
        "weight_mean": to_weight,
        "weight_log_std": to_weight * (weight - parameters["weight_mean"]),
        "bias_mean": to_bias,
        "bias_log_std": to_bias * (bias - parameters["bias_mean"]),
    }
    came = linear_gradients(lambda cotangent: layer.gradients(reply, cotangent.to(reply.dtype)), cotangent)
    require_gradients(expected, came, "the output")


def require_gradients(expected: dict[str, Tensor], came: dict[str, Tensor | None], of_what: str) -> None:
    """Raise Failed where gradients are missing or wrong."""
    require_arrival(came, f" of {of_what}")
    for name, right in expected.items():
        value = came[name]
        assert value is not None
        if not matches(value, right, 1e-3 * right.abs() + 1e-3 * right.abs().max() + 1e-5):
            raise Failed(expected_and_came(f"The gradient of {of_what} with respect to {name}", right, value))


@exercise.check("the gradient of the output reaches the input", needs=[forward_is_affine])
def input_gradient_is_right(evidence: Evidence) -> None:
    layer = evidence.layer()
    layer.set(evidence.parameters())
    x = torch.cat([READING, evidence.normal(2, IN)]).requires_grad_()
    cotangent = evidence.normal(len(x), OUT)
    reply, output = layer.forward(x)
    (came,) = reply.gradients([x], cotangent.to(reply.dtype))
    if came is None or not came.any():
        message = "Without it, a layer below this one never learns."
        raise Failed(message, "gradient-stopped", what="the input x")
    right = cotangent.double() @ read_draw(output)[0]
    if not matches(came.double(), right, 1e-3 * right.abs().max()):
        raise Failed(expected_and_came("The gradient of the output with respect to x", right, came.double()))


@exercise.check("two forwards before one backward give the right gradient each", needs=[output_gradient_is_right])
def forwards_do_not_disturb_each_other(evidence: Evidence) -> None:
    layer, parameters = evidence.layer(), evidence.parameters()
    layer.set(parameters)
    x = torch.cat([READING, evidence.normal(2, IN)])
    cotangent = evidence.normal(len(x), OUT)
    for reply, output in layer.forwards(x, x):
        try:
            require_output_gradient(layer, parameters, x, cotangent, reply, output)
        except Failed as failure:
            raise Failed(failure.message, "noise-overwritten") from None

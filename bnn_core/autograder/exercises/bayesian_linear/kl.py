"""The KL divergence: the closed form, for weights and biases together, from the parameters alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations, product

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.exercises.bayesian_linear.gradients import require_gradients
from bnn_core.autograder.exercises.bayesian_linear.layer import FORWARD, IN, OUT, PARAMETERS, Evidence, Layer, exercise
from bnn_core.autograder.exercises.bayesian_linear.parameters import has_its_parameters, output_has_its_shape
from bnn_core.autograder.interface import LearnerError
from bnn_core.autograder.judging.kl import KL_FORMS, KLMistake, kl_mistake
from bnn_core.autograder.judging.values import (
    expected_and_came,
    matches,
    number,
    numbers,
    require_scalar,
    tensor_from,
)
from bnn_core.autograder.subject import Reply


@exercise.check("kl_divergence returns a scalar tensor", needs=[has_its_parameters])
def kl_is_scalar(evidence: Evidence) -> None:
    layer = evidence.layer()
    layer.set(evidence.parameters())
    reply = call_kl(layer, evidence)
    if reply.tensor is None and isinstance(reply.plain, float) and becomes_a_tensor(layer, evidence):
        raise Failed(f"Before any forward it is {number(reply.plain)}.", "kl-needs-forward")
    if require_scalar(reply, "kl_divergence", "kl").isnan() and layer_kl_at(layer, log_std=1.0).isfinite():
        is_torchs = matches(layer_kl_at(layer, log_std=2.0), count_of(layer) * 2 * torch.tensor(2.0).log(), 1e-3)
        raise Failed(
            "It is NaN wherever a log_std is negative.", "kl-div-of-torch" if is_torchs else "kl-log-of-log-std"
        )
    tensor_from(reply, "kl_divergence", ())


def becomes_a_tensor(layer: Layer, evidence: Evidence) -> bool:
    """Whether the KL is a tensor once there was a forward."""
    layer.instance.call(FORWARD, evidence.normal(2, IN))
    return layer.instance.call("kl_divergence").tensor is not None


def count_of(layer: Layer) -> int:
    """How many means the layer has."""
    return layer.out_features * (layer.in_features + 1)


def layer_kl_at(layer: Layer, log_std: float) -> Tensor:
    """What kl_divergence returns with every log_std at this value, and every mean at 0."""
    layer.set({name: torch.full(size, log_std * name.endswith("log_std")) for name, size in layer.sizes.items()})
    value = layer.instance.call("kl_divergence").tensor
    return torch.tensor(torch.nan) if value is None else value


def call_kl(layer: Layer, evidence: Evidence) -> Reply:
    """Call kl_divergence before any forward; where only that fails, say so."""
    try:
        return layer.instance.call("kl_divergence")
    except LearnerError as error:
        if error.is_stub:
            raise
        try:
            layer.instance.call(FORWARD, evidence.normal(2, IN))
            layer.instance.call("kl_divergence")
        except LearnerError:
            if any(sign in error.message for sign in ("must match the size of tensor b", "broadcast")):
                raise Failed(error.sentence, "kl-parameters-crossed") from None
            raise error from None
        raise Failed(error.sentence, "kl-needs-forward") from None


@exercise.check("the KL is the same whenever it is asked for", needs=[kl_is_scalar])
def kl_is_exact(evidence: Evidence) -> None:
    layer, parameters = evidence.layer(), evidence.parameters()
    values = torch.stack(layer.kls_at(parameters, parameters, parameters))
    steps, same = values.diff(), 1e-4 * values[0].abs() + 1e-6
    if not matches(steps, torch.zeros_like(steps), same):
        message = f"Three calls with the same parameters give {numbers(values)}."
        grows = matches(steps, values[0].expand_as(steps), 1e-3 * values[0].abs())
        raise Failed(message, "kl-accumulates" if grows else "kl-monte-carlo")
    layer.instance.train(False)
    in_evaluation = layer.kl()[1]
    if not matches(in_evaluation, values[0], same):
        raise Failed(expected_and_came("In eval() it", values[0], in_evaluation), "kl-differs-in-evaluation")


@exercise.check("a forward makes no difference to the KL", needs=[kl_is_exact, output_has_its_shape])
def kl_ignores_forward(evidence: Evidence) -> None:
    layer = evidence.layer()
    layer.set(evidence.parameters())
    before = layer.kl()[1]
    layer.forward(evidence.normal(2, IN))
    after = layer.kl()[1]
    if not matches(after, before, 1e-4 * before.abs() + 1e-6):
        message = expected_and_came("After a forward, with the same parameters, it", before, after)
        raise Failed(message, "kl-depends-on-forward")


@exercise.check("the KL is zero when every parameter follows the prior", needs=[kl_is_exact])
def kl_is_zero_at_the_prior(evidence: Evidence) -> None:
    layer = evidence.layer()
    layer.set({name: torch.zeros(size) for name, size in layer.sizes.items()})
    value = layer.kl()[1]
    if value.abs() > 1e-4:
        diagnose_kl(evidence, f"With all means 0 and all log_stds 0 it should be 0; yours is {number(value.item())}.")


@exercise.check("the KL is the closed form, for weights and biases together", needs=[kl_is_exact])
def kl_is_right(evidence: Evidence) -> None:
    points = [evidence.parameters(low, high) for low, high in [(-4.0, 0.8)] * 4 + [(-8.0, -7.0), (1.5, 2.0)]]
    for parameters, came in zip(points, evidence.layer().kls_at(*points), strict=True):
        right = right_kl(parameters)
        if not matches(came, right, 1e-4 * (right.abs() + 1)):
            diagnose_kl(evidence, expected_and_came(f"For a layer of {IN} inputs and {OUT} outputs it", right, came))
    require_kl_of_another_size(evidence)


def require_kl_of_another_size(evidence: Evidence) -> None:
    """Raise Failed unless the KL is right for layers of other sizes, with means far from zero."""
    for in_features, out_features in [(6, 2), (4, 4), (20, 15)]:
        layer = evidence.layer(in_features, out_features)
        parameters = {name: evidence.uniform(-5, 5, *size) for name, size in layer.sizes.items()}
        parameters |= {name: value / 5 for name, value in parameters.items() if name.endswith("log_std")}
        layer.set(parameters)
        right, came = right_kl(parameters), layer.kl()[1]
        if not matches(came, right, 1e-4 * right.abs()):
            sizes = f"{in_features} inputs and {out_features} outputs"
            raise Failed(expected_and_came(f"For a layer of {sizes} it", right, came))


def groups(parameters: dict[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """The (mean, log_std) of the weights and of the biases, in float64."""
    return [
        (parameters[f"{kind}_mean"].double(), parameters[f"{kind}_log_std"].double()) for kind in ("weight", "bias")
    ]


def right_kl(parameters: dict[str, Tensor]) -> Tensor:
    """KL(posterior ‖ standard normal) of all parameters together, from its closed form."""
    return torch.stack([KL_FORMS[""](*group).sum() for group in groups(parameters)]).sum()


def diagnose_kl(evidence: Evidence, message: str) -> None:
    """Raise Failed with the mistake that explains the KL at a dozen random points, or with the numbers alone."""
    layer = evidence.layer()
    points = [evidence.parameters(-2.5, 1.2) for _ in range(24)]
    came = torch.stack(layer.kls_at(*points))
    mistake = kl_mistake(came, [groups(point) for point in points]) or crossed_parts(came, points)
    if mistake is None:
        raise Failed(message, "kl-clamped" if is_right_far_from_the_prior(layer) else None)
    if mistake.misconception in ("kl-bias-missing", "kl-weight-missing") and one_part_is_chosen(layer, points[0]):
        raise Failed(message, "kl-one-part-chosen")
    raise Failed(f"{mistake.where}{message}", mistake.misconception, **mistake.about)


def one_part_is_chosen(layer: Layer, parameters: dict[str, Tensor]) -> bool:
    """Whether the part that looked left out is the only one there where the weights follow the prior, or the one that
    was there is left out: max and min choose one of the two, usually the same.
    """
    mixed = {name: value * (not name.startswith("weight")) for name, value in parameters.items()}
    usual, came = layer.kls_at(parameters, mixed)
    of_bias = right_kl(mixed)
    is_of_bias = [matches(value, of_bias, 1e-4 * of_bias) for value in (usual, came)]
    return is_of_bias[0] != is_of_bias[1]


def crossed_parts(came: Tensor, points: Sequence[dict[str, Tensor]]) -> KLMistake | None:
    """The mistake of a KL in which a group's mean or log_std is an average of the other group's."""
    for (kind, other), parts in product(permutations(("weight", "bias")), (["mean"], ["log_std"], ["mean", "log_std"])):
        for average in (average_of_all, average_of_each_unit):
            changed = [
                {f"{kind}_{part}": average(point[f"{other}_{part}"], point[f"{kind}_{part}"]) for part in parts}
                for point in points
            ]
            predicted = torch.stack([right_kl(point | new) for point, new in zip(points, changed, strict=True)])
            if matches(came, predicted, 1e-4 * predicted):
                where = f"It is the {' and the '.join(parts)} of the {'weights' if kind == 'weight' else 'bias'}.\n"
                return KLMistake("kl-of-the-other-part", where=where)
    return None


def average_of_all(values: Tensor, like: Tensor) -> Tensor:
    return values.mean().expand_as(like)


def average_of_each_unit(values: Tensor, like: Tensor) -> Tensor:
    """From a weight matrix to the shape of a bias, or the other way round."""
    return values.mean(dim=1) if values.dim() > like.dim() else values[:, None].expand_as(like)


def is_right_far_from_the_prior(layer: Layer) -> bool:
    """Whether the KL is right where every parameter's own is large, and no two parameters are alike."""
    at = {
        name: torch.linspace(*((-4.0, -2.0) if name.endswith("log_std") else (3.0, 5.0)), math.prod(size)).view(size)
        for name, size in layer.sizes.items()
    }
    return matches(layer.kls_at(at)[0], right_kl(at), 1e-4 * right_kl(at))


@exercise.check("the gradient of the KL reaches all four parameters, and is right", needs=[kl_is_right])
def kl_gradient_is_right(evidence: Evidence) -> None:
    layer, parameters = evidence.layer(), evidence.parameters()
    layer.set(parameters)
    reply, _ = layer.kl()
    expected = {
        name: value.double() if name.endswith("mean") else (2 * value.double()).exp() - 1
        for name, value in parameters.items()
    }
    require_gradients(expected, layer.gradients(reply), "the KL")


@exercise.check("only these four train", needs=[output_has_its_shape, kl_is_scalar])
def trains_nothing_else(evidence: Evidence) -> None:
    layer = evidence.layer()
    others = [name for name in layer.instance.trainable_names(PARAMETERS) if name not in PARAMETERS]
    output, kl = layer.forward(evidence.normal(4, IN)), layer.kl()
    for reply, value in (output, kl):
        gradients = reply.gradients(others, torch.ones_like(value, dtype=reply.dtype))
        used = [name for name, gradient in zip(others, gradients, strict=True) if gradient is not None]
        if not used and others:
            raise Failed("", "parameters-unused", what=", ".join(others))
        if used:
            message = "A bias with a distribution has bias_mean and bias_log_std, and no value besides."
            raise Failed(message, "parameters-besides", what=", ".join(used))

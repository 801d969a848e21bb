"""What the layer is made of, and that calling it leaves everything as it was."""

from __future__ import annotations

import contextlib
import math

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.exercises.bayesian_linear.layer import (
    FORWARD,
    IN,
    LARGEST_INITIAL_STD,
    OUT,
    PARAMETERS,
    SMALLEST_INITIAL_STD,
    Evidence,
    Layer,
    exercise,
)
from bnn_core.autograder.interface import LearnerError, Parameter
from bnn_core.autograder.judging.values import expected_and_came, matches, number, numbers, shape


@exercise.check("it can be built for any number of inputs and outputs")
def is_built(evidence: Evidence) -> None:
    for sizes in [(3, 5), (5, 2), (1, 4), (6, 1)]:
        if not evidence.layer(*sizes).instance.is_module:
            raise Failed("Write class BayesianLinear(nn.Module).", "not-a-module")


@exercise.check("it has weight_mean, weight_log_std, bias_mean and bias_log_std, which train", needs=[is_built])
def has_its_parameters(evidence: Evidence) -> None:
    for sizes in [(IN, OUT), (4, 2), (1, 4), (4, 1), (1, 1)]:
        layer = evidence.layer(*sizes)
        for name, parameter in zip(PARAMETERS, layer.instance.parameters(*PARAMETERS), strict=True):
            require_parameter(layer, name, parameter)
    for out_features in (OUT, IN):
        require_own_parameters(evidence, out_features)


def require_own_parameters(evidence: Evidence, out_features: int) -> None:
    """Raise Failed where setting one parameter changes another, of this layer or of a second one."""
    first, second = evidence.layer(IN, out_features), evidence.layer(IN, out_features)
    before = second.parameters()
    values = evidence.parameters(out_features=out_features)
    first.set(values)
    set_, other = first.parameters(), second.parameters()
    for name in PARAMETERS:
        if not matches(set_[name], values[name].double(), 1e-6):
            raise Failed(
                f"Setting the four parameters one by one changes {name} twice.", "parameters-shared", what=name
            )
        if not torch.equal(other[name], before[name]):
            message = f"Setting {name} of one layer changes it in another."
            raise Failed(message, "parameters-shared", what=name)


def require_parameter(layer: Layer, name: str, parameter: Parameter | None) -> None:
    """Raise Failed unless the layer has this parameter, in its shape, finite, and known to an optimiser."""
    if parameter is None:
        others = ", ".join(layer.instance.trainable_names()) or "none"
        raise Failed(f"The layer's trainable parameters are: {others}.", "parameters-missing", what=name)
    if parameter.value is None:
        raise Failed(f"{name} should be an nn.Parameter; it is a {parameter.kind}.")
    if parameter.kind == "unregistered parameter":
        raise Failed("", "parameters-unregistered", what=name)
    if parameter.kind != "parameter":
        raise Failed("Wrap the tensor: nn.Parameter(…).", "parameters-as-buffers", what=name)
    if not parameter.trains:
        raise Failed("Leave requires_grad at True.", "parameters-frozen", what=name)
    right, came = layer.sizes[name], tuple(parameter.value.shape)
    if came == right[::-1] != right and is_turned_round(layer):
        sizes = f"BayesianLinear({layer.in_features}, {layer.out_features})"
        raise Failed(f"For {sizes}, {name} should be {shape(right)}; yours is {shape(came)}.", "sizes-swapped")
    if came == right[::-1] != right:
        raise Failed(f"It should be {shape(right)}; yours is {shape(came)}.", "weight-transposed", what=name)
    if came != right:
        sizes = f"BayesianLinear({layer.in_features}, {layer.out_features})"
        raise Failed(f"For {sizes} it should be {shape(right)}; yours is {shape(came)}.", "parameter-shape", what=name)
    if not parameter.value.isfinite().all():
        raise Failed(f"It holds {numbers(parameter.value)}.", "parameters-uninitialised", what=name)


def is_turned_round(layer: Layer) -> bool:
    """Whether the bias, too, has a number for each input, and not for each output."""
    (bias,) = layer.instance.parameters("bias_mean")
    return bias is not None and bias.value is not None and tuple(bias.value.shape) == (layer.in_features,)


@exercise.check("it starts with a spread that can be seen", needs=[has_its_parameters])
def starts_uncertain(evidence: Evidence) -> None:
    layer = evidence.layer(8, 6)
    initials = layer.parameters("weight_log_std", "bias_log_std", "weight_mean")
    for name in ("weight_log_std", "bias_log_std"):
        initial = initials[name]
        if bool(((initial > 0.04) & (initial < 0.06)).all()):
            raise Failed(f"It starts at {numbers(initial)}.", "initial-std-for-log-std", what=name)
        std = initial.exp().median().item()
        if std < SMALLEST_INITIAL_STD:
            raise Failed(
                f"Half of its standard deviations start below {number(std)}; between 0.001 and 0.1 is usual"
                " (log_std between −7 and −2).",
                "initial-std-too-small",
                what=name,
            )
        if std > LARGEST_INITIAL_STD:
            message = f"Half of its standard deviations start above {number(std)}; between 0.001 and 0.1 is usual."
            raise Failed(message, "initial-std-too-large", what=name)
        advise_on_spread(evidence, name, initial)
    advise_on_means(evidence, initials["weight_mean"])


def advise_on_spread(evidence: Evidence, name: str, log_std: Tensor) -> None:
    """What start values of log_std that are allowed will do in training."""
    low, high = log_std.min().item(), log_std.max().item()
    if high - low > 0.2:
        evidence.advice.append(
            f"Advice: {name} starts between {number(low)} and {number(high)}, so some weights begin more uncertain"
            " than others, for no reason; start all at −3."
        )
    elif low > -1:
        evidence.advice.append(
            f"Advice: {name} starts at {number(low)}, a standard deviation of {number(math.exp(low))}: at first the"
            " noise drowns the means, and training takes long to find a signal; −3 is usual."
        )


def advise_on_means(evidence: Evidence, means: Tensor) -> None:
    """What start values of the means that are allowed will do in training."""
    size = means.square().mean().sqrt().item()
    alike_in_rows, alike_in_columns = bool((means == means[:, :1]).all()), bool((means == means[:1]).all())
    if alike_in_rows and alike_in_columns:
        evidence.advice.append(
            f"Advice: all weight means start at {number(means.flatten()[0].item())}, so that units of a hidden layer"
            " begin alike and only noise tells them apart; small random numbers, torch.randn(…) * 0.1, do better."
        )
    elif alike_in_columns:
        evidence.advice.append(
            "Advice: the weight means start alike in every row, so that units of a hidden layer begin alike and only"
            " noise tells them apart; draw a number for each weight: torch.randn(out_features, in_features) * 0.1."
        )
    elif alike_in_rows:
        evidence.advice.append(
            "Advice: each unit starts with one and the same weight mean for all of its inputs, so that it begins with"
            " their sum alone, and training must first tell the inputs apart; draw a number for each weight:"
            " torch.randn(out_features, in_features) * 0.1."
        )
    elif bool((means > 0).all()) or bool((means < 0).all()):
        evidence.advice.append(
            "Advice: all weight means start with the same sign, so that all units of a hidden layer begin with much the"
            " same sum of their inputs, which grows with their number, and training must first turn them apart; numbers"
            " around 0, torch.randn(…) * 0.1, do better."
        )
    elif size > 0.7:
        evidence.advice.append(
            f"Advice: the weight means start with a size of {number(size)}: {number(10 * size)} times that of the usual"
            " torch.randn(…) * 0.1. A layer's outputs begin about as much larger, a network's outputs and gradients far"
            " more."
        )


@exercise.check("the output has shape (batch, out_features)", needs=[is_built])
def output_has_its_shape(evidence: Evidence) -> None:
    for in_features, out_features, batch in [(3, 5, 4), (7, 2, 6), (2, 9, 1), (1, 4, 3), (4, 1, 1), (4, 4, 4)]:
        evidence.layer(in_features, out_features).forward(evidence.normal(batch, in_features))


@exercise.check("forward leaves its input as it was", needs=[output_has_its_shape])
def input_is_left_alone(evidence: Evidence) -> None:
    layer, x = evidence.layer(), evidence.normal(4, IN)
    layer.forward(x)
    now = evidence.subject.present_value(x).value
    assert now is not None, "a tensor stays one"
    if now.shape != x.shape:
        message = f"Its shape was {shape(x.shape)}; after a forward it is {shape(now.shape)}."
        raise Failed(message, "input-modified")
    if not torch.equal(now, x):
        raise Failed(expected_and_came("The input", x, now), "input-modified")


@exercise.check(
    "forward and kl_divergence leave parameters and gradients as they were",
    needs=[has_its_parameters, output_has_its_shape],
)
def parameters_are_left_alone(evidence: Evidence) -> None:
    layer, parameters = evidence.layer(), evidence.parameters()
    layer.set(parameters)
    calls = {FORWARD: (evidence.normal(4, IN),), "kl_divergence": ()}
    for method, args in calls.items():
        shown = "forward" if method == FORWARD else method
        with contextlib.suppress(LearnerError):  # what raises is another check's business
            layer.instance.call(method, *args)
        now = layer.parameters()
        for name, value in parameters.items():
            if not matches(now[name], value.double(), 1e-6):
                message = expected_and_came(f"After it, {name}", value.double(), now[name])
                raise Failed(message, "parameters-changed", what=shown)
        for parameter in layer.instance.parameters(*PARAMETERS):
            if parameter is not None and parameter.has_gradient:
                raise Failed("", "backward-inside", what=shown)
    layer.instance.give_gradients()
    for method, args in calls.items():
        with contextlib.suppress(LearnerError):
            layer.instance.call(method, *args)
        if not layer.instance.state().own_gradients:
            where = "forward" if method == FORWARD else method
            raise Failed(f"After {where} they aren't what they were before it.", "gradients-touched", what="the layer")

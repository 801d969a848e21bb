"""One layer of the learner's, and what the checks share.

The draw of one forward is read off its output: the layer is affine, so its value at zero is the bias, and its values at
the unit vectors, less the bias, are the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Evidence as SharedEvidence
from bnn_core.autograder.exercise import Exercise, Failed
from bnn_core.autograder.exercises.bayesian_linear.mistakes import KL_OF_THE_LAYER, MODULE, OWN_PARAMETERS, SAMPLING
from bnn_core.autograder.interface import Gradients
from bnn_core.autograder.judging.values import shape, tensor_from
from bnn_core.autograder.mistakes import (
    CLASSES,
    CODE,
    DRAWING,
    GRADIENTS,
    KL,
    KL_FROM_LOG_STD,
    PRIORS,
    STANDARD_DEVIATION,
)
from bnn_core.autograder.subject import Instance, Reply, Subject

IN, OUT = 3, 5
DRAWS, FEWER_DRAWS = 750, 150
LARGE_BATCH = 600
PARAMETERS = ("weight_mean", "weight_log_std", "bias_mean", "bias_log_std")
FORWARD = "__call__"

# A weight of standard deviation below this moves no output that anyone could see.
SMALLEST_INITIAL_STD = 1e-4

# With a standard deviation above this, an output is nothing but noise.
LARGEST_INITIAL_STD = 20.0


class Layer:
    """One layer of the learner's."""

    def __init__(self, subject: Subject, in_features: int, out_features: int) -> None:
        self.sizes = {
            "weight_mean": (out_features, in_features),
            "weight_log_std": (out_features, in_features),
            "bias_mean": (out_features,),
            "bias_log_std": (out_features,),
        }
        self.subject = subject
        self.in_features, self.out_features = in_features, out_features
        self.instance: Instance = subject.construct(in_features, out_features)

    def parameters(self, *names: str) -> dict[str, Tensor]:
        """The present values of these parameters, or else of all four."""
        found = {}
        for name, parameter in zip(names or PARAMETERS, self.instance.parameters(*(names or PARAMETERS)), strict=True):
            if parameter is None or parameter.value is None:
                raise Failed("", "parameters-missing", what=name)
            found[name] = parameter.value.double()
        return found

    def set(self, values: dict[str, Tensor]) -> None:
        """Give parameters new values."""
        self.instance.set_parameters(**in_float(values))

    def forward(self, x: Tensor) -> tuple[Reply, Tensor]:
        """One forward: the reply, and its value, checked to be finite and of the right shape."""
        return self.forwards(x)[0]

    def forwards(self, *inputs: Tensor) -> list[tuple[Reply, Tensor]]:
        """Several forwards, one after the other."""
        replies = self.instance.calls(*((FORWARD, x) for x in inputs))
        sizes = [(*x.shape[:-1], self.out_features) for x in inputs]
        return [(reply, output_of(reply, size)) for reply, size in zip(replies, sizes, strict=True)]

    def kl(self) -> tuple[Reply, Tensor]:
        """The KL: the reply, and its value, checked to be a finite scalar tensor."""
        reply = self.instance.call("kl_divergence")
        return reply, tensor_from(reply, "kl_divergence", ())

    def kls_at(self, *points: dict[str, Tensor]) -> list[Tensor]:
        """The KL at each of several values of the parameters."""
        replies = self.instance.calls_at([in_float(point) for point in points], "kl_divergence")
        return [tensor_from(reply, "kl_divergence", ()) for reply in replies]

    def loss_gradients(self, x: Tensor, target: Tensor, weight: Tensor) -> list[dict[str, Tensor]]:
        """The gradients of ½·Σ weight·(forward(x) − target)² and of the KL, for the four parameters."""
        forward, kl = self.instance.asking(FORWARD, x), self.instance.asking("kl_divergence")
        backward = [
            Gradients(forward.object, forward.value, None, weight, list(PARAMETERS), target),
            Gradients(kl.object, kl.value, None, None, list(PARAMETERS)),
        ]
        answers: list[Any] = self.subject.together(forward, kl, *backward)
        return [
            {name: torch.as_tensor(value).double() for name, value in zip(PARAMETERS, found, strict=True)}
            for found in answers[2:]
        ]

    def gradients(self, reply: Reply, cotangent: Tensor | None = None) -> dict[str, Tensor | None]:
        """The gradient for each of the four parameters; None where none arrives."""
        return self.gradients_of((reply, cotangent))[0]

    def gradients_of(self, *values: tuple[Reply, Tensor | None]) -> list[dict[str, Tensor | None]]:
        """The gradients of several values, each with its cotangent."""
        requests = [reply.backward(PARAMETERS, cotangent) for reply, cotangent in values]
        return [
            {name: None if value is None else value.double() for name, value in zip(PARAMETERS, found, strict=True)}
            for found in self.subject.together(*requests)
        ]


def in_float(values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.float() for name, value in values.items()}


@dataclass(frozen=True)
class Draws:
    """The weights and biases of many forwards, and the parameters they were drawn at."""

    at: dict[str, Tensor]
    weights: Tensor  # draws × out × in
    biases: Tensor  # draws × out

    def of(self, kind: str) -> tuple[Tensor, Tensor, Tensor]:
        """The draws of "weight" or "bias", one column per parameter, with their means and their log_stds."""
        values = self.weights if kind == "weight" else self.biases
        return values.flatten(1), self.at[f"{kind}_mean"].flatten(), self.at[f"{kind}_log_std"].flatten()

    @cached_property
    def noise(self) -> Tensor:
        """Each draw less its mean, over its standard deviation: draws × (weights, then biases)."""
        parts = [(values - mean) / log_std.exp() for values, mean, log_std in (self.of("weight"), self.of("bias"))]
        return torch.cat(parts, dim=1)

    @property
    def rounding(self) -> Tensor:
        """How far a weight may lie off that is read as a difference of two outputs, which have float32's digits."""
        largest = torch.cat([self.weights.flatten(1), self.biases], dim=1).abs().amax(dim=1)
        return 1e-4 + torch.finfo(torch.float32).eps * largest.median()


class Evidence(SharedEvidence):
    """What the checks share: the draws of many forwards, made once."""

    def layer(self, in_features: int = IN, out_features: int = OUT) -> Layer:
        return Layer(self.subject, in_features, out_features)

    def layer_with(self, parameters: dict[str, Tensor]) -> Layer:
        layer = self.layer()
        layer.set(parameters)
        return layer

    def parameters(self, low: float = -2.0, high: float = 0.3, out_features: int = OUT) -> dict[str, Tensor]:
        """Random parameters for a layer of IN × OUT, with log_std between two bounds."""
        return {
            "weight_mean": self.normal(out_features, IN),
            "weight_log_std": self.uniform(low, high, out_features, IN),
            "bias_mean": self.normal(out_features),
            "bias_log_std": self.uniform(low, high, out_features),
        }

    def spread_parameters(self) -> dict[str, Tensor]:
        """Parameters whose log_stds lie far apart, so that one function of log_std can't be taken for another."""
        parameters = self.parameters()
        for name in ("weight_log_std", "bias_log_std"):
            count = parameters[name].numel()
            ladder = torch.linspace(-9.0, 2.0, count)[torch.randperm(count, generator=self.generator)]
            parameters[name] = ladder.reshape(parameters[name].shape)
        return parameters

    @cached_property
    def initial_log_std(self) -> dict[str, Tensor]:
        """The log_stds of the layer that `draws` come from, before they were set."""
        found = self.drawn_layer.parameters("weight_log_std", "bias_log_std")
        return {name.removesuffix("_log_std"): value.flatten() for name, value in found.items()}

    @cached_property
    def drawn_layer(self) -> Layer:
        return self.layer()

    @cached_property
    def draws(self) -> Draws:
        with self.shared("draws"):
            layer, at = self.drawn_layer, self.spread_parameters()
            _ = self.initial_log_std
            layer.set(at)
            outputs = layer.instance.sample(DRAWS, FORWARD, READING).double()
        weights, biases = read_draw(outputs)
        return Draws({name: value.double() for name, value in at.items()}, weights, biases)


# At zero an affine layer gives its bias; at the unit vectors, bias plus one column of weights.
READING = torch.cat([torch.zeros(1, IN), torch.eye(IN)])


def read_draw(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """The weights (…, out, in) and biases (…, out) of forwards over READING, from their outputs (…, 1 + in, out)."""
    biases = outputs[..., 0, :]
    return (outputs[..., 1 : 1 + IN, :] - outputs[..., :1, :]).mT, biases


def output_of(reply: Reply, size: Sequence[int]) -> Tensor:
    """The value of a forward. Raises Failed with what came where it isn't a finite tensor of this shape."""
    if reply.tensor is not None and reply.tensor.ndim < len(size) and reply.tensor.numel() == torch.Size(size).numel():
        came = f"For an input of {size[0]} rows the output should have shape {shape(size)}; "
        raise Failed(f"{came}yours has shape {shape(reply.tensor.shape)}.", "output-squeezed")
    if (
        reply.tensor is not None
        and reply.tensor.ndim == 2
        and reply.tensor.T.shape == tuple(size) != reply.tensor.shape
    ):
        raise Failed(
            f"The output should have shape {shape(size)}; yours has shape {shape(reply.tensor.shape)}.",
            "output-transposed",
        )
    return tensor_from(reply, "forward", size)


exercise = Exercise(
    name="BayesianLinear",
    lesson="03_bayesian_linear",
    points=10,
    evidence=Evidence,
    probe=lambda subject: subject.construct(IN, OUT),
)
exercise.words |= {"prior": "prior_std", "mean": "mean", "scale": "exp(log_std)"}
exercise.knows("Your turn: write the layer", MODULE, OWN_PARAMETERS, CODE, CLASSES)
exercise.knows("The idea: store a distribution, draw a weight", SAMPLING, DRAWING)
exercise.knows("The mathematics", STANDARD_DEVIATION, GRADIENTS, KL_OF_THE_LAYER, KL, KL_FROM_LOG_STD, PRIORS)

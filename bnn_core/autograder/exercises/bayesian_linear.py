"""The checks of lesson 03's exercise, `BayesianLinear(in_features, out_features)`.

Read from top to bottom, the checks are the layer's specification. The draw of one forward is read off its output: the
layer is affine, so its value at zero is the bias, and its values at the unit vectors, less the bias, are the weights.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from bnn_core.autograder import diagnosis, statistics
from bnn_core.autograder.exercise import Exercise, Failed
from bnn_core.autograder.gradients import linear_gradients, require_arrival
from bnn_core.autograder.linear_regression import LinearRegression
from bnn_core.autograder.noise import require_normal
from bnn_core.autograder.subject import Instance, LearnerError, Reply, Subject
from bnn_core.autograder.wording import expected_and_came, number, numbers, shape, tensor_from

IN, OUT = 3, 5
DRAWS = 1500
LARGE_BATCH = 600
PARAMETERS = ("weight_mean", "weight_log_std", "bias_mean", "bias_log_std")
FORWARD = "__call__"

# Training: steps of descent, and how far what they settle at may lie from the exact posterior: more than seven
# standard deviations of what the reference settles at (0.04 for log_std, beside a bias of 0.08 from the finite steps;
# 0.02 for the error of the mean in posterior standard deviations, beside 0.12).
STARTS, TARGETS_PER_START = (-6.0, -3.0, 1.0), 8
STEPS, STEPS_BEFORE_SETTLED = 100, 40
LOG_STD_TOLERANCE = 0.4
MEAN_TOLERANCE = 0.6

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
        self.in_features, self.out_features = in_features, out_features
        self.instance: Instance = subject.construct(in_features, out_features)

    def initial(self, name: str) -> Tensor:
        """A parameter's present value."""
        parameter = self.instance.parameter(name)
        if parameter is None or parameter.value is None:
            raise Failed("", "parameters-missing", what=name)
        return parameter.value.double()

    def set(self, values: dict[str, Tensor]) -> None:
        """Give parameters new values."""
        self.instance.set_parameters(**{name: value.float() for name, value in values.items()})

    def forward(self, x: Tensor) -> tuple[Reply, Tensor]:
        """One forward: the reply, and its value, checked to be finite and of the right shape."""
        reply = self.instance.call(FORWARD, x)
        return reply, output_of(reply, (*x.shape[:-1], self.out_features))

    def kl(self) -> tuple[Reply, Tensor]:
        """The KL: the reply, and its value, checked to be a finite scalar tensor."""
        reply = self.instance.call("kl_divergence")
        return reply, tensor_from(reply, "kl_divergence", ())

    def gradients(self, reply: Reply, cotangent: Tensor | None = None) -> dict[str, Tensor | None]:
        """The gradient for each of the four parameters; None where none arrives."""
        found = reply.gradients(PARAMETERS, cotangent)
        return {name: None if value is None else value.double() for name, value in zip(PARAMETERS, found, strict=True)}


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


class Evidence:
    """What the checks share: inputs drawn for this run, and the draws of many forwards, made once."""

    def __init__(self, subject: Subject, generator: torch.Generator) -> None:
        self.subject = subject
        self.generator = generator

    def normal(self, *size: int) -> Tensor:
        return torch.randn(size, generator=self.generator)

    def uniform(self, low: float, high: float, *size: int) -> Tensor:
        return low + (high - low) * torch.rand(size, generator=self.generator)

    def layer(self, in_features: int = IN, out_features: int = OUT) -> Layer:
        return Layer(self.subject, in_features, out_features)

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
            ladder = torch.linspace(-6.0, 0.6, count)[torch.randperm(count, generator=self.generator)]
            parameters[name] = ladder.reshape(parameters[name].shape)
        return parameters

    @cached_property
    def initial_log_std(self) -> dict[str, Tensor]:
        """The log_stds of the layer that `draws` come from, before they were set."""
        return {kind: self.drawn_layer.initial(f"{kind}_log_std").flatten() for kind in ("weight", "bias")}

    @cached_property
    def drawn_layer(self) -> Layer:
        return self.layer()

    @cached_property
    def draws(self) -> Draws:
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


@exercise.check("it can be built for any number of inputs and outputs")
def is_built(evidence: Evidence) -> None:
    for sizes in [(3, 5), (5, 2), (1, 4), (6, 1)]:
        if not evidence.layer(*sizes).instance.is_module:
            raise Failed("Write class BayesianLinear(nn.Module).", "not-a-module")


@exercise.check("it has weight_mean, weight_log_std, bias_mean and bias_log_std, which train", needs=[is_built])
def has_its_parameters(evidence: Evidence) -> None:
    for sizes in [(IN, OUT), (4, 2)]:
        layer = evidence.layer(*sizes)
        for name in PARAMETERS:
            require_parameter(layer, name)
    for out_features in (OUT, IN):
        require_own_parameters(evidence, out_features)


def require_own_parameters(evidence: Evidence, out_features: int) -> None:
    """Raise Failed where setting one parameter changes another, of this layer or of a second one."""
    first, second = evidence.layer(IN, out_features), evidence.layer(IN, out_features)
    before = {name: second.initial(name) for name in PARAMETERS}
    values = evidence.parameters(out_features=out_features)
    first.set(values)
    for name in PARAMETERS:
        if not diagnosis.matches(first.initial(name), values[name].double(), 1e-6):
            raise Failed(
                f"Setting the four parameters one by one changes {name} twice.", "parameters-shared", what=name
            )
        if not torch.equal(second.initial(name), before[name]):
            message = f"Setting {name} of one layer changes it in another."
            raise Failed(message, "parameters-shared", what=name)


def require_parameter(layer: Layer, name: str) -> None:
    """Raise Failed unless the layer has this parameter, in its shape, finite, and known to an optimiser."""
    parameter = layer.instance.parameter(name)
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
    if came == right[::-1] != right:
        raise Failed(f"It should be {shape(right)}; yours is {shape(came)}.", "weight-transposed", what=name)
    if came != right:
        sizes = f"BayesianLinear({layer.in_features}, {layer.out_features})"
        raise Failed(f"For {sizes} it should be {shape(right)}; yours is {shape(came)}.", "parameter-shape", what=name)
    if not parameter.value.isfinite().all():
        raise Failed(f"It holds {numbers(parameter.value)}.", "parameters-uninitialised", what=name)


@exercise.check("it starts with a spread that can be seen", needs=[has_its_parameters])
def starts_uncertain(evidence: Evidence) -> None:
    layer = evidence.layer(8, 6)
    for name in ("weight_log_std", "bias_log_std"):
        initial = layer.initial(name)
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


@exercise.check("the output has shape (batch, out_features)", needs=[is_built])
def output_has_its_shape(evidence: Evidence) -> None:
    for in_features, out_features, batch in [(3, 5, 4), (7, 2, 6), (2, 9, 1), (1, 4, 3), (4, 1, 1), (4, 4, 4)]:
        evidence.layer(in_features, out_features).forward(evidence.normal(batch, in_features))


@exercise.check("forward leaves its input as it was", needs=[output_has_its_shape])
def input_is_left_alone(evidence: Evidence) -> None:
    layer, x = evidence.layer(), evidence.normal(4, IN)
    layer.forward(x)
    now = evidence.subject.present_value(x)
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
        for name, value in parameters.items():
            now = layer.initial(name)
            if not diagnosis.matches(now, value.double(), 1e-6):
                raise Failed(
                    expected_and_came(f"After it, {name}", value.double(), now), "parameters-changed", what=shown
                )
            parameter = layer.instance.parameter(name)
            if parameter is not None and parameter.has_gradient:
                raise Failed("", "backward-inside", what=shown)


@exercise.check("every forward draws anew, in training", needs=[has_its_parameters, output_has_its_shape])
def draws_anew_in_training(evidence: Evidence) -> None:
    require_fresh_draws(evidence, training=True)


@exercise.check("every forward draws anew, in evaluation", needs=[has_its_parameters, output_has_its_shape])
def draws_anew_in_evaluation(evidence: Evidence) -> None:
    require_fresh_draws(evidence, training=False)


def require_fresh_draws(evidence: Evidence, training: bool) -> None:
    """Raise Failed unless weights and biases differ from forward to forward in this mode."""
    layer, parameters = evidence.layer(), evidence.spread_parameters()
    layer.set(parameters)
    for kind, draws in successive_draws(layer, training).items():
        if not repeats(draws):
            continue
        message = f"In {'train' if training else 'eval'}(), successive forwards use the same {kind}."
        if not repeats(successive_draws(layer, not training)[kind]):
            raise Failed(message, "sampling-only-in-eval" if training else "sampling-only-in-training")
        if not diagnosis.matches(draws[0], parameters[f"{kind}_mean"].double(), 1e-4):
            raise Failed(message, "noise-drawn-once" if draws.any() else f"{kind}-unused")
        if all(repeats(other) for other in successive_draws(layer, training).values()):
            raise Failed(message, "no-sampling", what="the mean")
        raise Failed(message, f"{kind}-without-noise")
    one_row = evidence.normal(1, IN)
    if repeats(torch.stack([layer.forward(one_row)[1] for _ in range(3)])):
        raise Failed(
            "With a batch of one row, successive forwards give the same output.", "no-sampling", what="the mean"
        )


def successive_draws(layer: Layer, training: bool) -> dict[str, Tensor]:
    """The weights and the biases of three forwards in a row."""
    layer.instance.train(training)
    weights, biases = read_draw(torch.stack([layer.forward(READING)[1] for _ in range(3)]))
    return {"weight": weights, "bias": biases}


def repeats(draws: Tensor) -> bool:
    """Whether two draws in a row are the same, but for rounding."""
    return any(diagnosis.matches(first, second, 1e-5) for first, second in pairwise(draws))


@exercise.check(
    "one forward is x·Wᵀ + b, with one draw of W and b for the whole batch",
    needs=[draws_anew_in_training, input_is_left_alone, parameters_are_left_alone],
)
def forward_is_affine(evidence: Evidence) -> None:
    layer, parameters = evidence.layer(), evidence.parameters()
    layer.set(parameters)
    rows = 3 * evidence.normal(3, IN)
    for copies in (2, LARGE_BATCH // len(rows)):
        _, output = layer.forward(torch.cat([READING, rows.repeat(copies, 1)]))
        first, *others = output[1 + IN :].split(len(rows))
        scale = output.abs().max()
        again = next((other for other in others if not diagnosis.matches(first, other, 1e-4 * scale)), None)
        if again is not None:
            raise Failed(
                f"Equal rows in one batch of {len(output)} should give equal outputs; yours: {numbers(first[0])} and"
                f" {numbers(again[0])}.",
                "local-reparameterization-mixed-in",
            )
    weight, bias = read_draw(output)
    expected = F.linear(rows.double(), weight, bias)
    if not diagnosis.matches(first, expected, 1e-4 * scale):
        raise Failed(
            expected_and_came("From the draw that the other rows show, the output of this batch", expected, first),
            "not-affine",
        )


@exercise.check("the sampled weights and biases are centred on their means", needs=[forward_is_affine])
def draws_are_centred(evidence: Evidence) -> None:
    for kind in ("weight", "bias"):
        values, mean, log_std = evidence.draws.of(kind)
        average, spread = values.mean(dim=0), values.std(dim=0)
        if diagnosis.matches(average, mean, statistics.mean_tolerance(spread, DRAWS) + 1e-4):
            continue
        message = expected_and_came(f"Over {DRAWS} forwards, with {kind}_mean set, the average {kind}", mean, average)
        if diagnosis.matches(values, torch.zeros_like(values), 1e-6):
            raise Failed(message, f"{kind}-unused")
        if diagnosis.matches(average, torch.zeros_like(mean), statistics.mean_tolerance(spread, DRAWS)):
            multiplied = [(mean + log_std.exp()).abs(), (mean * log_std.exp()).abs()]
            tolerances = [statistics.std_ratio_tolerance(DRAWS) * predicted + 1e-6 for predicted in multiplied]
            if any(diagnosis.matches(spread, *pair) for pair in zip(multiplied, tolerances, strict=True)):
                raise Failed(message, "noise-multiplies-mean", what=f"{kind}_mean")
            raise Failed(message, "mean-missing", what=kind)
        offset = (average - mean) / log_std.exp()
        if offset.std() < 0.1 * offset.mean().abs():
            raise Failed(message, "noise-not-normal", what=f": its average is {number(offset.mean().item())}, not 0")
        raise Failed(message)


@exercise.check("the sampled weights spread as exp(weight_log_std) says", needs=[draws_are_centred])
def weights_spread(evidence: Evidence) -> None:
    require_spread(evidence, "weight")


@exercise.check("the sampled biases spread as exp(bias_log_std) says", needs=[draws_are_centred])
def biases_spread(evidence: Evidence) -> None:
    require_spread(evidence, "bias")


def require_spread(evidence: Evidence, kind: str) -> None:
    """Raise Failed, with the mistake it looks like, unless the draws' standard deviations are exp(log_std)."""
    values, mean, log_std = evidence.draws.of(kind)
    came, right = values.std(dim=0), log_std.exp()
    tolerance = statistics.std_ratio_tolerance(DRAWS)
    if diagnosis.matches(came, right, tolerance * right):
        return
    what = f"The standard deviation of the {kind}"
    message = expected_and_came(f"Over {DRAWS} forwards, the standard deviation of the {kind}", right, came)
    message += f"\n(at {kind}_log_std between {number(log_std.min().item())} and {number(log_std.max().item())})"
    if bool((came < 1e-6).all()):
        raise Failed(message, f"{kind}-without-noise")
    suspects = [
        ("log-variance-for-log-std", (0.5 * log_std).exp()),
        ("variance-for-std", (2 * log_std).exp()),
        ("softplus-for-exp", F.softplus(log_std)),
        ("std-ignored", torch.ones_like(log_std)),
        ("log-std-for-std", log_std.abs()),
        ("log-std-for-std", log_std.relu()),
        ("sign-of-log-std", (-log_std).exp()),
        ("sign-of-log-std", log_std.abs().exp()),
        ("std-base", torch.exp2(log_std)),
        ("std-base", torch.pow(10.0, log_std)),
        ("std-frozen", evidence.initial_log_std[kind].exp()),
        ("std-swapped", mean.exp()),
        ("std-swapped", log_std.exp() * mean.abs()),
    ]
    found = diagnosis.first_match(came, suspects, lambda predicted: tolerance * predicted + 1e-6)
    if found is not None:
        raise Failed(message, found, what=what)
    added = (came - right).median()
    if added > 0 and diagnosis.matches(came, right + added, tolerance * (right + added)):
        raise Failed(message, "std-offset", what=what, factor=number(added.item()))
    diagnose_ratio(values, came / right, log_std, message, what)


def diagnose_ratio(values: Tensor, ratio: Tensor, log_std: Tensor, message: str, what: str) -> None:
    """Name what a wrong ratio of standard deviations to exp(log_std) looks like: a constant factor, or a clamp."""
    tolerance = statistics.std_ratio_tolerance(DRAWS)
    factor = ratio.median()
    if diagnosis.matches(ratio, factor.expand_as(ratio), 2 * tolerance * factor):
        standardised = (values - values.mean(dim=0)) / values.std(dim=0)
        if statistics.normal_distance(standardised) > 2 * statistics.distance_tolerance(standardised.numel()):
            raise Failed(message, "noise-not-normal", what=f": its standard deviation is {number(factor.item())}")
        raise Failed(message, "std-scaled", what=what, factor=number(factor.item()))
    right = (ratio - 1).abs() <= tolerance
    wrong = log_std[~right]
    if right.any() and (wrong.max() < log_std[right].min() or wrong.min() > log_std[right].max()):
        where = "small" if wrong.max() < log_std[right].min() else "large"
        raise Failed(message, "log-std-clamped", what=what, where=where)
    raise Failed(message)


@exercise.check("every weight and every bias has noise of its own", needs=[weights_spread, biases_spread])
def noise_is_independent(evidence: Evidence) -> None:
    noise = evidence.draws.noise
    bound = statistics.correlation_tolerance(DRAWS)
    products = noise.T @ noise / DRAWS
    linked = (products - torch.diag(products.diag())).abs() > bound
    if linked.any():
        first, second = (int(index) for index in linked.nonzero()[0])
        raise Failed(
            f"The noise of {place(first)} and {place(second)} has correlation {number(products[first, second].item())}"
            f" over {DRAWS} forwards (up to {number(bound)} would be chance).",
            "noise-shared",
            what=sharing(linked),
        )
    following = noise[:-1].T @ noise[1:] / (DRAWS - 1)
    if bool((following.abs() > bound).any()):
        raise Failed("The noise of one forward comes back in the next.", "noise-drawn-once")


def place(index: int) -> str:
    """What a column of the noise belongs to."""
    if index < OUT * IN:
        return f"weight[{index // IN}, {index % IN}]"
    return f"bias[{index - OUT * IN}]"


def sharing(linked: Tensor) -> str:
    """Which weights share their noise, in words."""
    weights = linked[: OUT * IN, : OUT * IN].reshape(OUT, IN, OUT, IN)
    among_weights = bool(weights.any())
    if not among_weights:
        return "Biases" if bool(linked[OUT * IN :, OUT * IN :].any()) else "Weights and biases"
    output, inputs = torch.arange(OUT), torch.arange(IN)
    one_output = bool(weights[output, :, output].any())
    one_input = bool(weights[:, inputs, :, inputs].any())
    if one_output and one_input:
        return "All weights"
    return "The weights of one output" if one_output else "The weights of one input" if one_input else "Some weights"


@exercise.check("evaluation draws from the same distribution as training", needs=[noise_is_independent])
def evaluation_draws_alike(evidence: Evidence) -> None:
    layer = evidence.layer()
    layer.instance.train(False)
    require_right_draws(layer, evidence.parameters(), "in eval()", "evaluation-differs")


def require_right_draws(layer: Layer, at: dict[str, Tensor], where: str, mistake: str | None = None) -> None:
    """Raise Failed unless forwards at these parameters draw what they say. mistake: what it is if nothing else fits."""
    layer.set(at)
    count = DRAWS // 3
    weights, biases = read_draw(layer.instance.sample(count, FORWARD, READING).double())
    draws = Draws({name: value.double() for name, value in at.items()}, weights, biases)
    for kind in ("weight", "bias"):
        values, mean, log_std = draws.of(kind)
        std = log_std.exp()
        moments = {
            "average": (mean, values.mean(dim=0), statistics.mean_tolerance(std, count)),
            "standard deviation": (std, values.std(dim=0), statistics.std_ratio_tolerance(count) * std),
        }
        for what, (right, came, bound) in moments.items():
            if not diagnosis.matches(came, right, bound):
                message = expected_and_came(f"Over {count} forwards {where}, the {what} of a {kind}", right, came)
                turned = kind == "weight" and is_turned(layer, right, came, bound)
                raise Failed(message, "matrix-turned-when-square" if turned else mistake)
    products = draws.noise.T @ draws.noise / count
    if bool(((products - torch.diag(products.diag())).abs() > statistics.correlation_tolerance(count)).any()):
        message = f"Over {count} forwards {where}, weights or biases draw the same noise."
        raise Failed(message, mistake or "noise-shared", what="Some weights or biases")


def is_turned(layer: Layer, right: Tensor, came: Tensor, bound: Tensor) -> bool:
    """Whether the values of all weights are right but for an exchange of rows and columns."""
    size = layer.sizes["weight_mean"]
    return size[0] == size[1] and diagnosis.matches(came, right.reshape(size).T.flatten(), bound.max())


@exercise.check("the noise is standard normal", needs=[noise_is_independent])
def noise_is_normal(evidence: Evidence) -> None:
    for noise in evidence.draws.noise.split([OUT * IN, OUT], dim=1):
        require_normal(noise)


@exercise.check("a layer with as many inputs as outputs is no exception", needs=[noise_is_normal])
def square_layer_is_right(evidence: Evidence) -> None:
    at = evidence.parameters(out_features=IN)
    require_right_draws(evidence.layer(IN, IN), at, f"of a layer with {IN} inputs and {IN} outputs")


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
        if not diagnosis.matches(value, right, 1e-3 * right.abs() + 1e-3 * right.abs().max() + 1e-5):
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
    if not diagnosis.matches(came.double(), right, 1e-3 * right.abs().max()):
        raise Failed(expected_and_came("The gradient of the output with respect to x", right, came.double()))


@exercise.check("two forwards before one backward give the right gradient each", needs=[output_gradient_is_right])
def forwards_do_not_disturb_each_other(evidence: Evidence) -> None:
    layer, parameters = evidence.layer(), evidence.parameters()
    layer.set(parameters)
    x = torch.cat([READING, evidence.normal(2, IN)])
    cotangent = evidence.normal(len(x), OUT)
    forwards = [layer.forward(x) for _ in range(2)]
    for reply, output in forwards:
        try:
            require_output_gradient(layer, parameters, x, cotangent, reply, output)
        except Failed as failure:
            raise Failed(failure.message, "noise-overwritten") from None


@exercise.check("kl_divergence returns a scalar tensor", needs=[has_its_parameters])
def kl_is_scalar(evidence: Evidence) -> None:
    layer = evidence.layer()
    layer.set(evidence.parameters())
    reply = call_kl(layer, evidence)
    if reply.type_name == "NoneType":
        raise Failed("It should return a scalar tensor; yours gives None.", "missing-return", what="kl_divergence")
    if reply.tensor is None:
        raise Failed("Return the sum as a tensor, without .item() or float().", "kl-not-a-tensor", what=reply.type_name)
    if reply.tensor.numel() > 1:
        raise Failed(f"It should have shape (); yours has shape {shape(reply.tensor.shape)}.", "kl-not-reduced")
    if reply.tensor.ndim:
        raise Failed("Use .sum() without keepdim.", "kl-scalar-shape", what=shape(reply.tensor.shape))
    if reply.tensor.isnan() and layer_kl_at(layer, log_std=1.0).isfinite():
        raise Failed("It is NaN wherever a log_std is negative.", "kl-log-of-log-std")
    tensor_from(reply, "kl_divergence", ())


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
            raise error from None
        raise Failed(error.sentence, "kl-needs-forward") from None


@exercise.check("the KL is the same whenever it is asked for", needs=[kl_is_scalar])
def kl_is_exact(evidence: Evidence) -> None:
    layer = evidence.layer()
    layer.set(evidence.parameters())
    values = torch.stack([layer.kl()[1] for _ in range(3)])
    steps, same = values.diff(), 1e-4 * values[0].abs() + 1e-6
    if not diagnosis.matches(steps, torch.zeros_like(steps), same):
        message = f"Three calls with the same parameters give {numbers(values)}."
        grows = diagnosis.matches(steps, values[0].expand_as(steps), 1e-3 * values[0].abs())
        raise Failed(message, "kl-accumulates" if grows else "kl-monte-carlo")
    with contextlib.suppress(LearnerError):  # a forward that raises is another check's business
        layer.instance.call(FORWARD, evidence.normal(2, IN))
    after = layer.kl()[1]
    if not diagnosis.matches(after, values[0], same):
        message = expected_and_came("After a forward, with the same parameters, it", values[0], after)
        raise Failed(message, "kl-depends-on-forward")
    layer.instance.train(False)
    in_evaluation = layer.kl()[1]
    if not diagnosis.matches(in_evaluation, values[0], same):
        raise Failed(expected_and_came("In eval() it", values[0], in_evaluation), "kl-differs-in-evaluation")


@exercise.check("the KL is zero when every parameter follows the prior", needs=[kl_is_exact])
def kl_is_zero_at_the_prior(evidence: Evidence) -> None:
    layer = evidence.layer()
    layer.set({name: torch.zeros(size) for name, size in layer.sizes.items()})
    value = layer.kl()[1]
    if value.abs() > 1e-4:
        diagnose_kl(evidence, f"With all means 0 and all log_stds 0 it should be 0; yours is {number(value.item())}.")


@exercise.check("the KL is the closed form, for weights and biases together", needs=[kl_is_exact])
def kl_is_right(evidence: Evidence) -> None:
    layer = evidence.layer()
    for low, high in [(-4.0, 0.8)] * 4 + [(-8.0, -7.0), (1.5, 2.0)]:
        parameters = evidence.parameters(low, high)
        layer.set(parameters)
        right, came = right_kl(parameters), layer.kl()[1]
        if not diagnosis.matches(came, right, 1e-4 * (right.abs() + 1)):
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
        if not diagnosis.matches(came, right, 1e-4 * right.abs()):
            sizes = f"{in_features} inputs and {out_features} outputs"
            raise Failed(expected_and_came(f"For a layer of {sizes} it", right, came))


def groups(parameters: dict[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """The (mean, log_std) of the weights and of the biases, in float64."""
    return [
        (parameters[f"{kind}_mean"].double(), parameters[f"{kind}_log_std"].double()) for kind in ("weight", "bias")
    ]


def right_kl(parameters: dict[str, Tensor]) -> Tensor:
    """KL(posterior ‖ standard normal) of all parameters together, from its closed form."""
    return torch.stack([diagnosis.KL_FORMS[""](*group).sum() for group in groups(parameters)]).sum()


def diagnose_kl(evidence: Evidence, message: str) -> None:
    """Raise Failed with the mistake that explains the KL at a dozen random points, or with the numbers alone."""
    layer = evidence.layer()
    points, values = [], []
    for _ in range(24):
        parameters = evidence.parameters(-2.5, 1.2)
        layer.set(parameters)
        points.append(groups(parameters))
        values.append(layer.kl()[1])
    mistake = diagnosis.kl_mistake(torch.stack(values), points)
    if mistake is None:
        raise Failed(message)
    raise Failed(f"{mistake.where}{message}", mistake.misconception, **mistake.about)


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
        if used:
            message = "A bias with a distribution has bias_mean and bias_log_std, and no value besides."
            raise Failed(message, "parameters-besides", what=", ".join(used))


@exercise.check(
    "trained with task loss + KL, it finds the exact posterior",
    needs=[output_gradient_is_right, kl_gradient_is_right],
)
def training_finds_the_posterior(evidence: Evidence) -> None:
    problem = LinearRegression(evidence.generator, inputs=IN, targets=len(STARTS) * TARGETS_PER_START)
    mean, log_std = train(problem, evidence.layer(IN, problem.targets))
    for index, start in enumerate(STARTS):
        rows = slice(TARGETS_PER_START * index, TARGETS_PER_START * (index + 1))
        compare(problem, rows, mean[rows], log_std[rows], start)


def train(problem: LinearRegression, layer: Layer) -> tuple[Tensor, Tensor]:
    """Stochastic gradient descent on task loss + KL; the mean and log_std, averaged over the settled steps.

    All starts run at once, each for some of the layer's outputs. Steps are scaled by the curvature at the optimum and
    clipped, so that a hundred of them are enough.
    """
    mean = torch.zeros(problem.targets, 1 + IN, dtype=torch.float64)
    log_std = torch.tensor(STARTS, dtype=torch.float64).repeat_interleave(TARGETS_PER_START)[:, None].expand_as(mean)
    settled = []
    for step in range(STEPS):
        layer.set(as_parameters(mean, log_std))
        to_mean, to_log_std = loss_gradients(problem, layer)
        rate, clip = (0.5, 1.0) if step < STEPS_BEFORE_SETTLED else (0.2, 10.0)
        mean = mean - rate * (to_mean / problem.precision).clamp(-clip, clip)
        log_std = log_std - rate * (0.5 * to_log_std).clamp(-clip, clip)
        if step >= STEPS_BEFORE_SETTLED:
            settled.append(torch.stack([mean, log_std]))
    mean, log_std = torch.stack(settled).mean(dim=0)
    return mean, log_std


def loss_gradients(problem: LinearRegression, layer: Layer) -> tuple[Tensor, Tensor]:
    """The gradients of −log likelihood + KL for (mean, log_std), each targets × (bias, weights)."""
    reply, output = layer.forward(problem.x)
    task, kl = layer.gradients(reply, problem.output_gradient(output).float()), layer.gradients(layer.kl()[0])
    total = {name: torch.as_tensor(task[name]) + torch.as_tensor(kl[name]) for name in PARAMETERS}
    return (
        torch.cat([total["bias_mean"][:, None], total["weight_mean"]], dim=1),
        torch.cat([total["bias_log_std"][:, None], total["weight_log_std"]], dim=1),
    )


def compare(problem: LinearRegression, rows: slice, mean: Tensor, log_std: Tensor, start: float) -> None:
    """Raise Failed unless what was learned from this start, averaged over its targets, is the exact posterior."""
    came, right = log_std.mean(dim=0), problem.log_std[0]
    if not diagnosis.matches(came, right, LOG_STD_TOLERANCE):
        message = expected_and_came(f"Started at log_std = {number(start)}, after training log_std", right, came)
        if bool(((came - start).abs() < 0.5).all()):
            raise Failed(message, "log-std-clamped", what="The layer", where=f"near {number(start)}")
        raise Failed(message)
    error = ((mean - problem.mean[rows]) * problem.precision.sqrt()).pow(2).mean().sqrt()
    if error > MEAN_TOLERANCE:
        what = f"Started at log_std = {number(start)}, after training the means"
        raise Failed(expected_and_came(what, problem.mean[rows], mean))


def as_parameters(mean: Tensor, log_std: Tensor) -> dict[str, Tensor]:
    """Columns (bias, weights) as the layer's four parameters."""
    return {
        "weight_mean": mean[:, 1:],
        "weight_log_std": log_std[:, 1:],
        "bias_mean": mean[:, 0],
        "bias_log_std": log_std[:, 0],
    }


@exercise.check("it works in float64", needs=[has_its_parameters, output_has_its_shape])
def follows_the_dtype(evidence: Evidence) -> None:
    layer = evidence.layer()
    layer.instance.to(torch.float64)
    try:
        output = layer.instance.call(FORWARD, evidence.normal(4, IN).double()).tensor
    except LearnerError as error:
        raise Failed(error.sentence, "wrong-dtype") from None
    if output is None or output.dtype != torch.float64:
        came = "no tensor" if output is None else str(output.dtype)
        raise Failed(
            f"With float64 parameters and input, the output should be float64; yours is {came}.",
            "wrong-dtype",
        )


@exercise.check("it leaves the global random seed alone", needs=[output_has_its_shape])
def seed_is_left_alone(evidence: Evidence) -> None:
    def next_number(seed: int) -> float:
        evidence.subject.seed(seed)
        layer = evidence.layer()
        layer.forward(x)
        with contextlib.suppress(LearnerError):  # a KL that raises is another check's business
            layer.instance.call("kl_divergence")
        return evidence.subject.random_number()

    x = evidence.normal(2, IN)
    if next_number(1) == next_number(2):
        raise Failed("Leave torch.manual_seed to the notebook, outside the layer.", "seed-fixed")

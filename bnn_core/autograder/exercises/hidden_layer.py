"""The checks of lesson 06's exercise, `HiddenLayer(X, A_mean, A_scale, …)`.

Read from top to bottom, the checks are the distribution's specification. Draws are looked at with a non-linearity that
changes nothing and without the bias unit, so that they are X·A itself; both are then looked at by themselves, at
weights so certain that nothing else moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bnn_core.autograder import diagnosis, preactivations
from bnn_core.autograder.exercise import Exercise, Failed
from bnn_core.autograder.exercises.sample_preactivation import gradients, require_unchanged
from bnn_core.autograder.gradients import linear_gradients, require_arrival
from bnn_core.autograder.noise import Axis, require_independent, require_normal
from bnn_core.autograder.preactivations import NAMES, Loss, Problem
from bnn_core.autograder.subject import Instance, LearnerError, Reply, Subject, TorchFunction
from bnn_core.autograder.wording import expected_and_came, number, numbers, shape, tensor_from

ROWS, IN, UNITS = 4, 3, 5
SAMPLES = (500, 2)
SQUARE, SMALL_CALLS = (4, 4, 4), 500
GRADIENT_SAMPLES = 1000
LOCAL, WEIGHT_SPACE = False, True

# torch.positive gives its argument back.
IDENTITY = TorchFunction("positive")
PLAIN = {"non_linearity": IDENTITY, "include_hidden_bias": False}
# No draw may depend on these two.
PRIOR = 1.6
KL_OPTIONS: dict[str, Any] = {"KL_factor": 0.3, "A_prior_scale": PRIOR}
OPTIONS: dict[str, Any] = {
    "non_linearity": TorchFunction("tanh"),
    "KL_factor": 0.5,
    "A_prior_scale": 2.0,
    "include_hidden_bias": False,
    "weight_space_sampling": True,
}
DEFAULTS: dict[str, Any] = {
    "non_linearity": TorchFunction("relu"),
    "KL_factor": 1.0,
    "A_prior_scale": 1.0,
    "include_hidden_bias": True,
    "weight_space_sampling": False,
}

# What the dimensions of the noise count, in either mode.
SAMPLES_AXIS = Axis("samples", "noise-shared-by-samples")
LOCAL_AXES = (SAMPLES_AXIS, Axis("rows", "noise-shared-by-rows"), Axis("units", "noise-shared-by-units"))
WEIGHT_AXES = (
    SAMPLES_AXIS,
    Axis("inputs", "noise-shared", "The weights of one unit"),
    Axis("units", "noise-shared", "The weights of one input"),
)

# The options that decide how rsample goes about it.
SETTINGS = ("weight_space_sampling", "include_hidden_bias")

# So small a scale leaves the weights at their means, to within CERTAIN_TOLERANCE of any activation.
CERTAIN_SCALE, CERTAIN_TOLERANCE = 1e-5, 2e-2

# What "KL" may be besides a value: something to call, without arguments.
CALLABLES = ("method", "function", "partial", "builtin_function_or_method")


class Layer:
    """One layer of the learner's, for a problem, with every option given."""

    def __init__(self, subject: Subject, problem: Problem, **options: Any) -> None:
        self.problem = problem
        self.options = {**DEFAULTS, **options}
        self.settings = "with " + " and ".join(f"{name}={self.options[name]}" for name in SETTINGS)
        self.drawing = f"rsample, {self.settings},"
        rows, _, units = problem.sizes
        self.size = (rows, units + self.options["include_hidden_bias"])
        self.instance: Instance = subject.construct(**dict(zip(NAMES, problem.tensors, strict=True)), **self.options)

    def rsample(self, *sample_shape: int) -> Reply:
        """One call of rsample; its error says which of the ways to draw it is about."""
        try:
            return self.instance.call("rsample", *([sample_shape] if sample_shape else []))
        except LearnerError as error:
            error.action += f", {self.settings},"
            raise

    def draw(self, *sample_shape: int) -> tuple[Reply, Tensor]:
        """One call of rsample: the reply, and its value, checked to be finite and of the right shape."""
        reply = self.rsample(*sample_shape)
        return reply, tensor_from(reply, self.drawing, (*sample_shape, *self.size))

    def kl_reply(self) -> Reply:
        """What KL gives, be it an attribute, a property or a method."""
        reply = self.instance.attribute("KL")
        return self.instance.call("KL") if reply.type_name in CALLABLES else reply

    def kl(self) -> Tensor:
        return tensor_from(self.kl_reply(), "KL", ())

    def log_prob_reply(self, value: Tensor | None = None) -> Reply:
        return self.instance.call("log_prob", torch.ones(self.size) if value is None else value)

    def log_prob(self, value: Tensor | None = None) -> Tensor:
        return tensor_from(self.log_prob_reply(value), "log_prob", ())


class Evidence:
    """What the checks share: problems drawn for this run, and many draws in either sampling mode, made once."""

    def __init__(self, subject: Subject, generator: torch.Generator) -> None:
        self.subject = subject
        self.generator = generator

    def normal(self, *size: int) -> Tensor:
        return torch.randn(size, generator=self.generator)

    def uniform(self, low: float, high: float, *size: int) -> Tensor:
        return low + (high - low) * torch.rand(size, generator=self.generator)

    def problem(self, rows: int = ROWS, inputs: int = IN, units: int = UNITS) -> Problem:
        return Problem.random(self.generator, rows, inputs, units)

    def certain_problem(self) -> Problem:
        """Weights as good as certain, with pre-activations from about −6 to 6."""
        problem = self.problem()
        stretched = problem.A_mean * (6 / problem.mean.abs().max()).float()
        return Problem(problem.X, stretched, torch.full_like(problem.A_scale, CERTAIN_SCALE))

    def kl_problem(self, rows: int = ROWS, inputs: int = IN, units: int = UNITS) -> Problem:
        """Scales of which nothing adds up to the same for two problems."""
        problem = self.problem(rows, inputs, units)
        return Problem(problem.X, problem.A_mean, self.uniform(-4.0, 0.8, inputs, units).exp())

    def layer(self, problem: Problem | None = None, **options: Any) -> Layer:
        return Layer(self.subject, problem or self.problem(), **options)

    def plain_layer(self, problem: Problem, mode: bool) -> Layer:
        """A layer whose draws are X·A, and nothing more."""
        return self.layer(problem, weight_space_sampling=mode, **PLAIN, **KL_OPTIONS)

    @cached_property
    def local_problem(self) -> Problem:
        return self.problem()

    @cached_property
    def local_draws(self) -> Tensor:
        """Draws of X·A under local reparameterization: 500 × 2 × B × H."""
        return self.plain_layer(self.local_problem, LOCAL).draw(*SAMPLES)[1]

    @property
    def local_noise(self) -> Tensor:
        return (self.local_draws - self.local_problem.mean) / self.local_problem.std

    @cached_property
    def weight_problem(self) -> Problem:
        """A row of X for each weight, which shows it, and one row more."""
        problem = self.problem(rows=1)
        return problem.with_inputs(torch.cat([torch.eye(IN), problem.X]))

    @cached_property
    def weight_space_draws(self) -> Tensor:
        """Draws of X·A in weight space: 500 × 2 × (D + 1) × H."""
        return self.plain_layer(self.weight_problem, WEIGHT_SPACE).draw(*SAMPLES)[1]

    @property
    def weights(self) -> Tensor:
        """The draws of the weights that those show: 500 × 2 × D × H."""
        return self.weight_space_draws[..., :IN, :]

    @property
    def weight_noise(self) -> Tensor:
        return (self.weights - self.weight_problem.A_mean.double()) / self.weight_problem.A_scale.double()


def probe(subject: Subject) -> None:
    """Use whatever is written. Raises LearnerError where nothing is."""
    layer = Layer(subject, Problem(torch.ones(ROWS, IN), torch.zeros(IN, UNITS), torch.full((IN, UNITS), 0.7)))
    uses: list[Callable[[], Any]] = [lambda: layer.instance.call("rsample"), layer.kl_reply, layer.log_prob_reply]
    stubs = []
    for use in uses:
        try:
            use()
        except LearnerError as error:
            if error.is_stub:
                stubs.append(error)
    if len(stubs) == len(uses):
        raise stubs[0]


exercise = Exercise(name="HiddenLayer", lesson="06_hidden_layer", points=10, evidence=Evidence, probe=probe)


@exercise.check("it can be built from X, A_mean and A_scale, with any of its options by name")
def is_built(evidence: Evidence) -> None:
    named = dict(zip(NAMES, evidence.problem().tensors, strict=True))
    for options in ({}, *({name: value} for name, value in OPTIONS.items()), OPTIONS):
        try:
            evidence.subject.construct(**named, **options)
        except LearnerError as error:
            if refuses_arguments(error):
                raise Failed(error.sentence, "signature-changed") from None
            raise


def refuses_arguments(error: LearnerError) -> bool:
    """Whether the class can't be built from these arguments, for it has no such parameters."""
    return error.message.startswith((f"{exercise.name}.__init__()", f"{exercise.name}()", "__init__()"))


# Shape, and what must hold before anything can be measured.


@exercise.check("rsample() has shape (B, H + 1), or (B, H) without the bias unit", needs=[is_built])
def draws_have_their_shape(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        for include_hidden_bias in (True, False):
            for sizes in [(4, 3, 5), (1, 4, 2), (6, 1, 3), (5, 2, 1), SQUARE]:
                problem = evidence.problem(*sizes)
                options = {"include_hidden_bias": include_hidden_bias, "weight_space_sampling": mode}
                require_shape(evidence.layer(problem.with_positive_inputs(), **options))


def require_shape(layer: Layer, *sample_shape: int) -> None:
    """Raise Failed, with the mistake it looks like, unless a draw has its shape."""
    reply = layer.rsample(*sample_shape)
    if reply.tensor is None:
        tensor_from(reply, layer.drawing)
        return
    rows, columns = layer.size
    came, right = tuple(reply.tensor.shape), (*sample_shape, rows, columns)
    with_bias = layer.options["include_hidden_bias"]
    message = f"It should, {layer.settings}, have shape {shape(right)}; yours has {shape(came)}."
    mistakes = {
        (*right[:-1], columns - 1): "bias-unit-missing" if with_bias else None,
        (*right[:-1], columns + 1): None if with_bias else "bias-unit-unwanted",
        (*right[:-2], rows + 1, columns - 1): "bias-unit-as-row" if with_bias else None,
    }
    if sample_shape:
        mistakes |= {(rows, columns): "sample-shape-ignored", (rows, columns, *sample_shape): "sample-shape-misplaced"}
        mistakes |= {(rows, *sample_shape, columns): "sample-shape-misplaced"}
    if len(sample_shape) > 1:
        parts = (sample_shape[:1], sample_shape[-1:], (math.prod(sample_shape),))
        mistakes |= {(*part, rows, columns): "sample-shape-incomplete" for part in parts}
    if came != right:
        raise Failed(message, mistakes.get(came))
    tensor_from(reply, layer.drawing, right)


@exercise.check("rsample(sample_shape) puts sample_shape before (B, H + 1)", needs=[draws_have_their_shape])
def draws_have_their_sample_shape(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        for include_hidden_bias in (True, False):
            for sample_shape in [(7,), (2, 6), (1,)]:
                options = {"include_hidden_bias": include_hidden_bias, "weight_space_sampling": mode}
                problem = evidence.problem()
                require_shape(evidence.layer(problem.with_positive_inputs(), **options), *sample_shape)


@exercise.check("what it says of its draws as a Distribution is so", needs=[draws_have_their_shape])
def it_describes_itself(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        for include_hidden_bias in (True, False):
            layer = evidence.layer(include_hidden_bias=include_hidden_bias, weight_space_sampling=mode)
            sizes = [said_of_itself(layer, name) for name in ("batch_shape", "event_shape")]
            if not all(isinstance(size, tuple) for size in sizes):
                return  # it doesn't present itself as a Distribution, and need not
            if (*sizes[0], *sizes[1]) != layer.size:
                raise Failed(
                    f"With include_hidden_bias={include_hidden_bias} a draw has shape {shape(layer.size)}; your"
                    f" batch_shape is {shape(sizes[0])} and your event_shape {shape(sizes[1])}.",
                    "distribution-shapes-wrong",
                )
            if said_of_itself(layer, "has_rsample") is False:
                raise Failed("Your has_rsample is False.", "has-rsample-missing")


def said_of_itself(layer: Layer, name: str) -> Any:
    """The attribute's value; None where it says nothing, as a class that is no Distribution may."""
    try:
        return layer.instance.attribute(name).plain
    except LearnerError:
        return None


@exercise.check("the draws are numbers for negative inputs, too", needs=[draws_have_their_shape])
def draws_are_finite(evidence: Evidence) -> None:
    problem = evidence.problem()
    value = evidence.layer(problem.with_inputs(-problem.X.abs()), **PLAIN).instance.call("rsample").tensor
    if value is not None and not bool(value.isfinite().all()):
        raise Failed(f"With every element of X negative, rsample returns {numbers(value)}.", "input-not-squared")


@exercise.check("X, A_mean and A_scale stay as they were", needs=[draws_have_their_shape])
def arguments_are_left_alone(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        layer = evidence.layer(weight_space_sampling=mode)
        for use in (layer.draw, layer.kl_reply, layer.log_prob_reply):
            use_what_is_written(use)
            require_unchanged(evidence.subject, layer.problem)


def use_what_is_written(use: Callable[[], object]) -> None:
    """Call it; where it isn't written yet, or raises, other checks say so."""
    try:
        use()
    except LearnerError:
        return


@exercise.check("drawing leaves the layer as it was", needs=[draws_have_their_sample_shape, draws_are_finite])
def layer_is_left_alone(evidence: Evidence) -> None:
    name = "layer-changed-by-drawing"
    for mode in (LOCAL, WEIGHT_SPACE):
        layer = evidence.layer(weight_space_sampling=mode, **KL_OPTIONS)
        before = costs(layer)
        layer.draw()
        try:
            layer.instance.call("rsample", (7,))
            came = layer.instance.call("rsample").tensor
        except LearnerError as error:
            raise Failed(f"After a draw, {error.sentence}", name) from None
        if came is not None and tuple(came.shape) != layer.size:
            raise Failed(f"rsample() after rsample((7,)) has shape {shape(came.shape)}, not {shape(layer.size)}.", name)
        after = costs(layer)
        for what in before.keys() & after.keys():
            if not close(after[what], before[what].double()):
                message = (
                    f"Before a draw, {what} is {number(before[what].item())}; after, {number(after[what].item())}."
                )
                raise Failed(message, name)


def costs(layer: Layer) -> dict[str, Tensor]:
    """KL and log_prob, where they are written, and the same when they are asked for twice."""
    found = {}
    for name, reply in (("KL", layer.kl_reply), ("log_prob", layer.log_prob_reply)):
        try:
            first, second = reply().tensor, reply().tensor
        except LearnerError:
            continue
        if first is not None and second is not None and first.numel() == 1 and torch.equal(first, second):
            found[name] = first
    return found


@exercise.check("every call of rsample draws anew", needs=[draws_are_finite, arguments_are_left_alone])
def draws_anew(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        layer = evidence.plain_layer(evidence.problem().with_positive_inputs(), mode)
        first, second = layer.draw()[1], layer.draw()[1]
        preactivations.require_fresh_noise(first, second, layer.problem.mean, layer.settings)


@exercise.check("non_linearity is the one that is used", needs=[draws_anew])
def given_non_linearity_is_used(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        problem = evidence.certain_problem()
        mirrored = problem.with_inputs(torch.cat([problem.X, -problem.X]))
        draws = evidence.plain_layer(mirrored, mode).draw()[1]
        if not draws.min() < -2 < 2 < draws.max():
            lowest, highest = number(draws.min().item()), number(draws.max().item())
            message = (
                f"With weight_space_sampling={mode} and non_linearity=torch.positive, which changes nothing,"
                f" activations should run from −6 to 6; yours run from {lowest} to {highest}."
            )
            suspects = [("kl-factor-in-draws", KL_OPTIONS["KL_factor"] * mirrored.mean), *mirrored.wrong_means]
            mistake = preactivations.known_mistake(draws, suspects, lambda _: torch.tensor(CERTAIN_TOLERANCE))
            if mistake is None and is_function_of(draws, mirrored.mean):
                mistake = "non-linearity-fixed"
            raise Failed(message, mistake)


def is_function_of(draws: Tensor, mean: Tensor) -> bool:
    """Whether the draws are what some non-linearity makes of these means: near values have near values."""
    in_order = draws.flatten()[mean.flatten().argsort()]
    roughness = in_order.diff().abs().sum() / (in_order.max() - in_order.min() + 1e-3)
    return bool(in_order.max() - in_order.min() > CERTAIN_TOLERANCE and roughness < 5)


# Local reparameterization.


@exercise.check("every row has noise of its own", needs=[given_non_linearity_is_used])
def rows_have_their_own_noise(evidence: Evidence) -> None:
    problem = preactivations.with_repetition(evidence.problem())
    draws = evidence.plain_layer(problem, LOCAL).draw()[1]
    message = f"Two equal rows of X draw {numbers(draws[0])} and {numbers(draws[2])}."
    if preactivations.rows_share_weights(draws):
        swapped = not preactivations.rows_share_noise(evidence.plain_layer(problem, WEIGHT_SPACE).draw()[1])
        raise Failed(message, "sampling-modes-swapped" if swapped else "weight-space-for-local")
    if preactivations.rows_share_noise(draws):
        raise Failed(message, "noise-shared-by-rows")


@exercise.check("every unit has noise of its own", needs=[given_non_linearity_is_used])
def units_have_their_own_noise(evidence: Evidence) -> None:
    problem = preactivations.with_equal_units(evidence.problem())
    preactivations.require_own_noise_per_unit(evidence.plain_layer(problem, LOCAL).draw()[1])


@exercise.check(
    "every sample of sample_shape has noise of its own",
    needs=[given_non_linearity_is_used, draws_have_their_sample_shape],
)
def samples_have_their_own_noise(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        draws = evidence.plain_layer(evidence.problem(), mode).draw(2, 3)[1]
        for first, second in ((draws[0], draws[1]), (draws[:, 0], draws[:, 1])):
            if diagnosis.matches(second, first, 1e-4 * draws.abs().max()):
                message = f"With weight_space_sampling={mode} rsample((2, 3)) repeats {numbers(first)}."
                raise Failed(message, "noise-shared-by-samples")


@exercise.check(
    "the draws are centred on X·A_mean",
    needs=[rows_have_their_own_noise, units_have_their_own_noise, samples_have_their_own_noise],
)
def draws_are_centred(evidence: Evidence) -> None:
    problem, draws = evidence.local_problem, evidence.local_draws.flatten(0, 1)
    preactivations.require_centred(draws, problem.mean, "a pre-activation", problem.wrong_means)


@exercise.check("the variance of X·A is Σ X²·A_scale²", needs=[draws_are_centred])
def draws_spread(evidence: Evidence) -> None:
    problem, draws = evidence.local_problem, evidence.local_draws.flatten(0, 1)
    suspects = [*problem.wrong_stds, ("prior-in-draws", PRIOR * problem.std)]
    preactivations.require_spread(draws, problem.mean, problem.std, "a pre-activation", suspects)


@exercise.check("the noise is standard normal, and independent in rows, units and samples", needs=[draws_spread])
def noise_is_independent(evidence: Evidence) -> None:
    require_normal(evidence.local_noise)
    require_independent(evidence.local_noise, LOCAL_AXES, repeated=SAMPLES_AXIS)


@exercise.check(
    "gradients through rsample reach X, A_mean and A_scale, and are right on average", needs=[noise_is_independent]
)
def gradients_are_right(evidence: Evidence) -> None:
    require_gradients(evidence, LOCAL)


def require_gradients(evidence: Evidence, mode: bool) -> None:
    """Raise Failed unless gradients are right on average, also when there was another draw in between."""
    for random, names in preactivations.gradient_problems(evidence.problem(), evidence.problem()):
        problem = random.with_gradients()
        layer, loss = evidence.plain_layer(problem, mode), Loss(problem, evidence.generator)
        reply, draws = layer.draw(GRADIENT_SAMPLES)
        layer.draw()
        came = linear_gradients(partial(gradients, reply, problem), loss.cotangent(draws))
        loss.require({name: came[name] for name in names}, GRADIENT_SAMPLES, rows_share_draws=mode == WEIGHT_SPACE)


@exercise.check("an all-zero row of X gives zeros and finite gradients", needs=[gradients_are_right])
def zero_row_is_harmless(evidence: Evidence) -> None:
    problem = preactivations.with_zero_row(evidence.problem())
    try:
        layer = evidence.plain_layer(problem, LOCAL)
        reply, draws = layer.draw()
    except LearnerError as error:
        raise Failed(error.sentence, "zero-row-gradient") from None
    cotangent = torch.zeros_like(draws)
    cotangent[0] = 1
    came = gradients(reply, problem, cotangent)
    preactivations.require_zero_row(draws[0], came)
    preactivations.require_gradient_to_zero_row(came["X"])
    preactivations.require_noise_beside_zero_row(draws, layer.draw()[1])


# Weight space.


@exercise.check("in weight space, all rows see one draw of the weights", needs=[given_non_linearity_is_used])
def rows_share_the_weights(evidence: Evidence) -> None:
    problem = preactivations.with_repetition(evidence.problem())
    for sample_shape in [(), (3,)]:
        draws = evidence.plain_layer(problem, WEIGHT_SPACE).draw(*sample_shape)[1]
        for draw in draws.reshape(-1, *draws.shape[-2:]):
            if preactivations.rows_share_weights(draw):
                continue
            if preactivations.rows_share_noise(draw):
                summands = f"{numbers(draw[0])} and {numbers(draw[1])}"
                rows = f"Two rows of X draw {summands}, but their sum, as a row, {numbers(draw[3])}."
                raise Failed(rows, "weight-space-without-weights")
            rows = f"Two equal rows of X draw {numbers(draw[0])} and {numbers(draw[2])}."
            raise Failed(rows, "weight-space-ignored")


@exercise.check(
    "in weight space, the weights are centred on A_mean and spread by A_scale",
    needs=[rows_share_the_weights, samples_have_their_own_noise],
)
def weights_are_right(evidence: Evidence) -> None:
    weights = evidence.weights.flatten(0, 1)
    mean, scale = evidence.weight_problem.A_mean.double(), evidence.weight_problem.A_scale.double()
    swapped = ("mean-and-scale-swapped", scale)
    preactivations.require_centred(
        weights, mean, "a weight", [("preactivation-mean-missing", torch.zeros_like(mean)), swapped]
    )
    suspects = [
        ("weight-noise-unscaled", torch.ones_like(scale)),
        ("prior-in-draws", torch.full_like(scale, PRIOR)),
        ("prior-in-draws", PRIOR * scale),
        ("scale-squared-twice", scale**2),
        ("scale-as-variance", scale.sqrt()),
        ("scale-as-log-std", scale.exp()),
        ("scale-as-log-variance", (0.5 * scale).exp()),
        ("scale-through-softplus", F.softplus(scale)),
    ]
    preactivations.require_spread(weights, mean, scale, "a weight", suspects)


@exercise.check("in weight space, every weight and every sample has noise of its own", needs=[weights_are_right])
def weight_noise_is_independent(evidence: Evidence) -> None:
    require_normal(evidence.weight_noise)
    require_independent(evidence.weight_noise, WEIGHT_AXES, repeated=SAMPLES_AXIS)


@exercise.check("in weight space, gradients through rsample are right on average", needs=[weight_noise_is_independent])
def weight_space_gradients_are_right(evidence: Evidence) -> None:
    require_gradients(evidence, WEIGHT_SPACE)


# The activations: non-linearity and bias unit, where the weights are as good as certain.


@exercise.check(
    "few samples of a small batch, as square as its weights, are no exception",
    needs=[layer_is_left_alone, noise_is_independent, weight_noise_is_independent],
)
def square_batch_is_right(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        problem = evidence.problem(*SQUARE)
        if mode == WEIGHT_SPACE:
            problem = problem.with_inputs(torch.eye(SQUARE[0]))  # so the draws are the weights
        layer = evidence.plain_layer(problem, mode)
        draws = layer.instance.sample(SMALL_CALLS, "rsample", (2,)).double()
        axes = WEIGHT_AXES if mode == WEIGHT_SPACE else LOCAL_AXES
        preactivations.require_right_draws(draws, problem, f"an element of X·A, {layer.settings},", axes)


@exercise.check("an activation is non_linearity(X·A)", needs=[draws_spread, weights_are_right])
def non_linearity_is_applied(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        for name, function in NON_LINEARITIES.items():
            problem = evidence.certain_problem()
            options = {"include_hidden_bias": False, "weight_space_sampling": mode}
            came = evidence.layer(problem, non_linearity=TorchFunction(name), **options).draw()[1]
            right = function(problem.mean)
            if not diagnosis.matches(came, right, CERTAIN_TOLERANCE):
                message = expected_and_came(
                    f"With weight_space_sampling={mode}, non_linearity=torch.{name} and almost certain weights it",
                    right,
                    came,
                )
                raise Failed(message, mistaken_non_linearity(problem, function, came))


NON_LINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "sin": torch.sin,
    "relu": torch.relu,
    "arctan": torch.arctan,
}


def mistaken_non_linearity(problem: Problem, function: Callable[[Tensor], Tensor], came: Tensor) -> str | None:
    """The mistake that activations look like."""
    mean, X, A_mean = problem.mean, problem.X.double(), problem.A_mean.double()
    suspects = [
        ("non-linearity-ignored", mean),
        ("non-linearity-twice", function(function(mean))),
        ("non-linearity-before", function(X) @ A_mean),
    ]
    return preactivations.known_mistake(came, suspects, lambda _: torch.tensor(CERTAIN_TOLERANCE))


@exercise.check("gradients go through the non-linearity", needs=[non_linearity_is_applied])
def gradients_pass_the_non_linearity(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        random = evidence.problem()
        problem = random.with_scale(torch.full_like(random.A_scale, CERTAIN_SCALE)).with_gradients()
        options = {"non_linearity": TorchFunction("sin"), "weight_space_sampling": mode, "include_hidden_bias": False}
        layer = evidence.layer(problem, **options)
        reply, draws = layer.draw()
        cotangent = evidence.normal(*draws.shape).double()
        came = gradients(reply, problem, cotangent)["A_mean"]
        right = problem.X.detach().double().T @ (cotangent * problem.mean.cos())
        if came is None or not diagnosis.matches(came.double(), right, CERTAIN_TOLERANCE):
            message = expected_and_came(
                f"With non_linearity=torch.sin, {layer.settings}, the gradient for A_mean",
                right,
                torch.zeros_like(right) if came is None else came.double(),
            )
            raise Failed(message, "non-linearity-without-slope")


@exercise.check("the noise goes through the non-linearity", needs=[non_linearity_is_applied])
def noise_goes_through_the_non_linearity(evidence: Evidence) -> None:
    problem = evidence.problem().mapped(lambda value: 0.5 * value)
    options = {"non_linearity": TorchFunction("exp"), "include_hidden_bias": False}
    draws = evidence.layer(problem, **options).draw(*SAMPLES)[1].flatten(0, 1)
    if not bool((draws > 0).all()):
        message = (
            f"With non_linearity=torch.exp every activation is above 0; one of yours is {number(draws.min().item())}."
        )
        raise Failed(message, "noise-after-non-linearity")
    preactivations.require_centred(draws.log(), problem.mean, "the logarithm of exp(X·A)")
    preactivations.require_spread(draws.log(), problem.mean, problem.std, "the logarithm of exp(X·A)", [])


@exercise.check(
    "the bias unit comes last, and is 1 after the non-linearity",
    needs=[draws_have_their_sample_shape, non_linearity_is_applied],
)
def bias_unit_is_one(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        for sample_shape in [(), (6,)]:
            problem = evidence.certain_problem()
            options = {"non_linearity": TorchFunction("sigmoid"), "weight_space_sampling": mode}
            layer = evidence.layer(problem, **options)
            require_bias_unit(layer.draw(*sample_shape)[1], problem.mean.sigmoid(), layer.settings)


def require_bias_unit(came: Tensor, units: Tensor, settings: str) -> None:
    """Raise Failed unless the activations (… × B × (H + 1)) are these units, and then ones."""
    last = came[..., -1]
    ones = torch.ones_like(last)
    units = units.expand(*came.shape[:-1], -1)
    if torch.equal(last, ones) and diagnosis.matches(came[..., :-1], units, CERTAIN_TOLERANCE):
        return
    message = expected_and_came(f"With a sigmoid, and {settings}, the last column", ones, last)
    if torch.equal(came[..., 0], ones) and diagnosis.matches(came[..., 1:], units, CERTAIN_TOLERANCE):
        raise Failed(message, "bias-unit-first")
    if diagnosis.matches(last, ones.sigmoid(), 1e-4):
        raise Failed(message, "bias-unit-before-non-linearity")
    if not torch.equal(last, ones):
        raise Failed(message, "bias-unit-not-one")
    raise Failed(expected_and_came("Beside the bias unit, the activations", units, came[..., :-1]))


# The KL divergence.


@exercise.check("KL is a scalar tensor", needs=[is_built])
def kl_is_scalar(evidence: Evidence) -> None:
    reply = kl_for_a_number(evidence)
    if reply.type_name == "NoneType":
        raise Failed("It should be a scalar tensor; yours gives None.", "missing-return", what="KL")
    if reply.tensor is None:
        raise Failed("Give the sum as a tensor, without .item() or float().", "kl-not-a-tensor", what=reply.type_name)
    if reply.tensor.numel() > 1:
        raise Failed(f"It should have shape (); yours has shape {shape(reply.tensor.shape)}.", "kl-not-reduced")
    if reply.tensor.ndim:
        raise Failed("Use .sum() without keepdim.", "kl-scalar-shape", what=shape(reply.tensor.shape))
    tensor_from(reply, "KL", ())


def kl_for_a_number(evidence: Evidence) -> Reply:
    """KL where the prior's scale is a number; where only a tensor works, say so."""
    try:
        return evidence.layer().kl_reply()
    except LearnerError as error:
        if error.is_stub:
            raise
        try:
            evidence.layer(A_prior_scale=torch.ones(IN, UNITS)).kl_reply()
        except LearnerError:
            raise error from None
        raise Failed(error.sentence, "prior-of-one-kind") from None


@exercise.check("KL is the same whenever it is asked for", needs=[kl_is_scalar])
def kl_is_exact(evidence: Evidence) -> None:
    layer = evidence.layer()
    values = torch.stack([layer.kl() for _ in range(3)])
    steps = values.diff()
    if diagnosis.matches(steps, torch.zeros_like(steps), 1e-4 * values[0].abs() + 1e-6):
        return
    message = f"Three times, for the same weights, it gives {numbers(values)}."
    grows = diagnosis.matches(steps, values[0].expand_as(steps), 1e-3 * values[0].abs())
    raise Failed(message, "kl-accumulates" if grows else "kl-monte-carlo")


@exercise.check("KL is the closed form, to a standard normal prior", needs=[kl_is_exact])
def kl_is_right(evidence: Evidence) -> None:
    for sizes in [(4, 3, 5), (2, 1, 3), (3, 4, 2)]:
        problem = evidence.kl_problem(*sizes)
        right = right_kl(problem, 1.0)
        came = evidence.layer(problem, KL_factor=KL_TEST_FACTOR).kl()
        if not close(came, right):
            _, inputs, units = sizes
            diagnose_kl(evidence, expected_and_came(f"For {inputs} × {units} weights it", right, came))


KL_TEST_FACTOR = 0.4


def right_kl(problem: Problem, prior: float | Tensor) -> Tensor:
    """KL(N(A_mean, A_scale²) ‖ N(0, prior²)), summed over the weights, from its closed form."""
    mean, scale = problem.A_mean.double() / prior, problem.A_scale.double() / prior
    return diagnosis.gaussian_kl_terms(mean, scale).sum()


def close(came: Tensor, right: Tensor) -> bool:
    """Whether a KL is right, up to rounding in float32."""
    return diagnosis.matches(came, right, 1e-4 * (right.abs() + 1))


# What mistakes make of one weight's KL to the standard normal prior. The right one comes first, under the empty name.
KL_FORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "": diagnosis.gaussian_kl_terms,
    "kl-reversed": lambda mean, scale: 0.5 * (1 + mean**2) / scale**2 - 0.5 + scale.log(),
    "kl-scale-not-squared": lambda mean, scale: 0.5 * (scale + mean**2 - 1) - scale.log(),
    "kl-scale-as-variance": lambda mean, scale: diagnosis.gaussian_kl_terms(mean, scale.sqrt()),
    "kl-scale-squared-twice": lambda mean, scale: diagnosis.gaussian_kl_terms(mean, scale**2),
    "scale-as-log-std": lambda mean, scale: diagnosis.gaussian_kl_terms(mean, scale.exp()),
    "scale-through-softplus": lambda mean, scale: diagnosis.gaussian_kl_terms(mean, F.softplus(scale)),
}


def diagnose_kl(evidence: Evidence, message: str) -> None:
    """Raise Failed with the mistake that explains KL at two dozen points, or with the numbers alone.

    The prior is the standard normal one.
    """
    problems = [evidence.kl_problem() for _ in range(24)]
    came = torch.stack([evidence.layer(problem, KL_factor=KL_TEST_FACTOR).kl() for problem in problems])
    if not came.any():
        raise Failed(message, "kl-dropped")
    if torch.equal(came, came[0].expand_as(came)):
        raise Failed(message, "kl-cached")
    for name, form in KL_FORMS.items():
        predicted = torch.stack([form(problem.A_mean.double(), problem.A_scale.double()).sum() for problem in problems])
        factor = (came / predicted).median()
        if diagnosis.matches(came, factor * predicted, 1e-3 * (factor * predicted).abs()):
            if not name and abs(factor - 1) < 1e-3:
                raise Failed(f"{message}\nFor others, of {IN} × {UNITS} weights, it is right.")
            name = name or ("kl-by-rows" if kl_depends_on_rows(evidence) else scaled_kl(factor.item()))
            raise Failed(message, name, factor=number(factor.item()))
    points = [[(problem.A_mean.double(), problem.A_scale.double().log())] for problem in problems]
    mistake = diagnosis.kl_term_mistake(came, points)
    if mistake is None:
        raise Failed(message)
    raise Failed(message, mistake.misconception, **in_terms_of_scale(mistake.about))


def kl_depends_on_rows(evidence: Evidence) -> bool:
    """Whether KL is another for the same weights when X has more rows."""
    problem = evidence.kl_problem()
    longer = problem.with_inputs(problem.X.repeat(2, 1))
    return not close(evidence.layer(longer).kl(), evidence.layer(problem).kl().double())


def scaled_kl(factor: float) -> str:
    """The misconception behind a KL that is this many times the right one."""
    known = {
        -1.0: "kl-negated",
        -KL_TEST_FACTOR: "kl-negated",
        KL_TEST_FACTOR: "kl-factor-in-kl",
        2.0: "kl-half-missing",
        0.5: "kl-half-twice",
        **dict.fromkeys((1 / (IN * UNITS), 1 / IN, 1 / UNITS), "kl-averaged"),
    }
    return next((name for value, name in known.items() if abs(value - factor) < 1e-3), "kl-scaled")


def in_terms_of_scale(about: dict[str, str]) -> dict[str, str]:
    """The words of a diagnosis with the terms named as they are called here."""
    renamed = {}
    for blank, words in about.items():
        for name, here in KL_TERM_NAMES.items():
            words = words.replace(name, here)
        renamed[blank] = words
    return renamed


# The terms of `diagnosis.KL_TERMS`, as they are called here.
KL_TERM_NAMES = dict(
    zip(
        diagnosis.KL_TERMS,
        [
            "A_mean² term",
            "A_scale² term",
            "log A_scale term",
            "constant, −½ per weight",
            "A_mean, not squared",
            "absolute value of A_mean",
            "(log A_scale)²",
            "A_scale, not squared",
        ],
        strict=True,
    )
)


@exercise.check("KL is the closed form for a prior scale that is a number", needs=[kl_is_right])
def kl_is_right_for_a_number(evidence: Evidence) -> None:
    for prior in (0.4, 2.5, 3.0):
        require_kl_to_prior(evidence, prior, f"With A_prior_scale={number(prior)} it")


@exercise.check("KL is the closed form for a prior scale that is a tensor", needs=[kl_is_right])
def kl_is_right_for_a_tensor(evidence: Evidence) -> None:
    for sizes in ((ROWS, IN, UNITS), SQUARE):
        _, inputs, units = sizes
        for size in [(inputs, units), (units,), (inputs, 1), (1, units), ()]:
            prior = evidence.uniform(0.3, 3.0, *size)
            what = f"For {inputs} × {units} weights and A_prior_scale of shape {shape(size)} it"
            require_kl_to_prior(evidence, prior, what, sizes)


def require_kl_to_prior(
    evidence: Evidence, prior: float | Tensor, what: str, sizes: tuple[int, int, int] = (ROWS, IN, UNITS)
) -> None:
    """Raise Failed, with the mistake it looks like, unless KL is right for this prior."""
    problem = evidence.kl_problem(*sizes)
    try:
        came = evidence.layer(problem, A_prior_scale=prior).kl()
    except LearnerError as error:
        raise Failed(error.sentence, "prior-of-one-kind") from None
    exact = prior.double() if isinstance(prior, Tensor) else torch.tensor(prior, dtype=torch.float64)
    right = right_kl(problem, exact)
    if not close(came, right):
        raise Failed(expected_and_came(what, right, came), mistaken_prior(problem, exact, came))


def mistaken_prior(problem: Problem, prior: Tensor, came: Tensor) -> str | None:
    """The mistake with the prior that a KL looks like."""
    mean, scale, one = problem.A_mean.double(), problem.A_scale.double(), torch.ones(())

    def kl(mean_by: Tensor, scale_by: Tensor, log_by: Tensor) -> Tensor:
        """The closed form with the prior's scale in each of its three terms."""
        return (0.5 * ((mean / mean_by) ** 2 + (scale / scale_by) ** 2 - 1) - (scale / log_by).log()).sum()

    without_log = kl(prior, prior, one)
    root, inverse = prior.sqrt(), 1 / prior
    suspects = [
        ("prior-ignored", kl(one, one, one)),
        ("prior-as-variance", kl(root, root, root)),
        ("prior-not-squared", kl(root, root, prior)),
        ("prior-squared-twice", kl(prior**2, prior**2, prior**2)),
        ("prior-inverted", kl(inverse, inverse, inverse)),
        ("prior-not-on-every-term", kl(prior, one, one)),
        ("prior-not-on-every-term", kl(one, prior, one)),
        ("prior-not-on-every-term", kl(one, one, prior)),
        ("prior-not-on-every-term", kl(prior, prior, one)),
        ("prior-not-on-every-term", kl(prior, one, prior)),
        ("prior-not-on-every-term", kl(one, prior, prior)),
        ("prior-log-sign", kl(prior, prior, inverse)),
        ("prior-not-spread", without_log + prior.log().sum()),
        ("prior-not-spread", without_log + mean.numel() * prior.mean().log()),
        ("prior-not-spread", kl(prior.mean(), prior.mean(), prior.mean())),
    ]
    return next((name for name, value in suspects if close(came, value)), None)


@exercise.check("the gradient of KL reaches A_mean and A_scale, and is right", needs=[kl_is_right])
def kl_gradient_is_right(evidence: Evidence) -> None:
    problem = evidence.kl_problem().with_gradients()
    reply = evidence.layer(problem, KL_factor=KL_TEST_FACTOR).kl_reply()
    require_kl_gradients(reply, problem, 1.0, "KL")


def require_kl_gradients(reply: Reply, problem: Problem, factor: float, what: str) -> None:
    """Raise Failed unless the gradients are `factor` times those of the KL to the standard normal prior."""
    mean, scale = problem.A_mean.detach().double(), problem.A_scale.detach().double()
    expected = {"A_mean": factor * mean, "A_scale": factor * (scale - 1 / scale)}
    came = dict(zip(expected, reply.gradients([problem.A_mean, problem.A_scale]), strict=True))
    require_arrival(came)
    for name, right in expected.items():
        value = came[name]
        assert value is not None
        if not diagnosis.matches(value.double(), right, 1e-3 * right.abs() + 1e-4):
            raise Failed(expected_and_came(f"The gradient of {what} for {name}", right, value.double()))


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
    require_same_log_prob(layer, "three values", [evidence.normal(*layer.size) * scale for scale in (0.1, 1.0, 3.0)])


def require_same_log_prob(layer: Layer, what: str, values: Sequence[Tensor]) -> None:
    """Raise Failed where log_prob tells the values apart."""
    came = torch.stack([layer.log_prob(value) for value in values])
    if not diagnosis.matches(came, came[0].expand_as(came), 1e-4 * (came[0].abs() + 1)):
        raise Failed(f"For {what} it gives {numbers(came)}.", "log-prob-of-the-value")


@exercise.check("log_prob is −KL_factor·KL", needs=[log_prob_is_scalar])
def log_prob_is_right(evidence: Evidence) -> None:
    for factor in (0.25, 3.0, 0.0):
        for rows, mode in ((2, LOCAL), (7, LOCAL), (4, WEIGHT_SPACE)):
            problem = evidence.kl_problem(rows=rows)
            kl = right_kl(problem, 2.0)
            options = {"KL_factor": factor, "A_prior_scale": 2.0, "weight_space_sampling": mode}
            came = evidence.layer(problem, **options).log_prob()
            if close(came, -factor * kl):
                continue
            given = f"KL_factor={number(factor)}" + (", weight_space_sampling=True" if mode == WEIGHT_SPACE else "")
            message = expected_and_came(f"With {given} and a KL of {number(kl.item())} it", -factor * kl, came)
            name = mistaken_log_prob(came, kl, factor, rows)
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
        "kl-factor-ignored": (-kl,),
        "kl-factor-inverted": (-kl / factor, kl / factor) if factor else (),
        "kl-factor-twice": (-(factor**2) * kl,),
        "log-prob-by-rows": (-factor * kl * rows, -factor * kl / rows, -kl / rows),
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


@exercise.check("KL and log_prob follow A_mean and A_scale when they change", needs=[kl_is_right])
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
            raise Failed(message, "kl-cached" if close(came, sign * before) else None)


# What holds for the whole of it.


@exercise.check(
    "options that are left out have their defaults",
    needs=[rows_have_their_own_noise, bias_unit_is_one, log_prob_is_right],
)
def defaults_are_right(evidence: Evidence) -> None:
    problem = preactivations.with_repetition(evidence.certain_problem())
    layer = evidence.layer(problem)
    layer.instance = evidence.subject.construct(**dict(zip(NAMES, problem.tensors, strict=True)))
    reply = layer.instance.call("rsample")
    if reply.tensor is not None and tuple(reply.tensor.shape) == (ROWS, UNITS):
        refuse_default("include_hidden_bias", "True", "The bias unit isn't there.")
    units = layer.draw()[1][:, :-1]
    if not diagnosis.matches(units, problem.mean.relu(), CERTAIN_TOLERANCE):
        refuse_default("non_linearity", "ReLU", expected_and_came("An activation", problem.mean.relu(), units))
    kl, right = layer.kl(), right_kl(problem, 1.0)
    if not close(kl, right):
        refuse_default("A_prior_scale", "1.0", expected_and_came("KL", right, kl))
    log_prob = layer.log_prob()
    if not close(log_prob, -right):
        refuse_default("KL_factor", "1.0", expected_and_came("log_prob", -right, log_prob))
    uncertain = preactivations.with_repetition(evidence.problem())
    positive = uncertain.mapped(Tensor.abs)
    instance = evidence.subject.construct(**dict(zip(NAMES, positive.tensors, strict=True)))
    activations = tensor_from(instance.call("rsample", (20,)), "rsample", (20, ROWS, UNITS + 1))
    if torch.equal(activations[:, 0], activations[:, 2]):
        refuse_default("weight_space_sampling", "False", "Equal rows of X give equal activations.")


@exercise.check("options without names come in the order of the exercise", needs=[defaults_are_right])
def options_have_their_order(evidence: Evidence) -> None:
    problem = evidence.problem()
    layer = evidence.layer(problem, **OPTIONS)
    try:
        layer.instance = evidence.subject.construct(*problem.tensors, *OPTIONS.values())
    except LearnerError as error:
        if refuses_arguments(error):
            return  # it takes them by name alone
        raise
    require_shape(layer)
    value, right = layer.log_prob(), -OPTIONS["KL_factor"] * right_kl(problem, OPTIONS["A_prior_scale"])
    if not close(value, right):
        raise Failed(
            expected_and_came("With KL_factor 0.5 and A_prior_scale 2, log_prob", right, value), "signature-changed"
        )


def refuse_default(name: str, right: str, message: str) -> None:
    raise Failed(message, "default-wrong", what=name, right=right)


@exercise.check("it works in float64", needs=[draws_have_their_shape])
def follows_the_dtype(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        layer = evidence.layer(evidence.problem().mapped(Tensor.double), weight_space_sampling=mode)
        try:
            value = layer.instance.call("rsample").tensor
        except LearnerError as error:
            raise Failed(error.sentence, "wrong-dtype") from None
        if value is not None and value.dtype != torch.float64:
            message = f"With float64 tensors the draws should be float64; yours are {value.dtype}."
            raise Failed(message, "wrong-dtype")
    problem = evidence.problem()
    in_double, in_float = evidence.layer(problem.mapped(Tensor.double)), evidence.layer(problem)
    for name, reply in (("KL", Layer.kl_reply), ("log_prob", Layer.log_prob_reply)):
        try:
            value = reply(in_double).tensor
        except LearnerError as error:
            if is_usable(reply, in_float):
                raise Failed(error.sentence, "wrong-dtype") from None
            continue
        if value is not None and value.dtype != torch.float64:
            raise Failed(f"With float64 tensors {name} should be float64; yours is {value.dtype}.", "wrong-dtype")


def is_usable(reply: Callable[[Layer], Reply], layer: Layer) -> bool:
    """Whether it works for this layer. Where it doesn't, other checks say so."""
    try:
        reply(layer)
    except LearnerError:
        return False
    return True


@exercise.check("it leaves the global random seed alone", needs=[draws_have_their_shape])
def seed_is_left_alone(evidence: Evidence) -> None:
    def next_number(seed: int) -> float:
        evidence.subject.seed(seed)
        for mode in (LOCAL, WEIGHT_SPACE):
            evidence.layer(problem, weight_space_sampling=mode).draw()
        return evidence.subject.random_number()

    problem = evidence.problem()
    if next_number(1) == next_number(2):
        raise Failed("Leave torch.manual_seed to the notebook, outside the layer.", "seed-fixed")

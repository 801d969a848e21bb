"""One layer of the learner's, for one problem, and what the checks share.

Draws are looked at with a non-linearity that changes nothing and without the bias unit, so that they are X·A itself;
both are then looked at by themselves, at weights so certain that nothing else moves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Evidence as SharedEvidence
from bnn_core.autograder.exercise import Exercise
from bnn_core.autograder.exercises.hidden_layer.cost_mistakes import COST
from bnn_core.autograder.exercises.hidden_layer.mistakes import DISTRIBUTION
from bnn_core.autograder.interface import LearnerError, TorchFunction
from bnn_core.autograder.judging.draws import Axis
from bnn_core.autograder.judging.kl import gaussian_kl_terms
from bnn_core.autograder.judging.preactivations import NAMES, Problem
from bnn_core.autograder.judging.values import matches, tensor_from
from bnn_core.autograder.mistakes import CLASSES, CODE, DRAWING, GRADIENTS, KL, MOMENTS, PRIORS
from bnn_core.autograder.subject import Instance, Reply, Subject

ROWS, IN, UNITS = 4, 3, 5
SAMPLES = (500, 2)
SQUARE, SMALL_CALLS = (4, 4, 4), 500
LOCAL, WEIGHT_SPACE = False, True

# torch.positive gives its argument back.
IDENTITY = TorchFunction("positive")
PLAIN = {"non_linearity": IDENTITY, "include_hidden_bias": False}

# No draw may depend on these two.
PRIOR = 1.6
KL_OPTIONS: dict[str, Any] = {"KL_factor": 0.3, "A_prior_scale": PRIOR}

# With it a KL that is multiplied by the factor is told from the bare one.
KL_TEST_FACTOR = 0.4

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
        subject.settle()  # so that what it raises isn't taken for the next call's

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

    def draws_anew(self) -> bool:
        """Whether two calls of rsample differ."""
        first, second = (self.rsample().tensor for _ in range(2))
        return first is None or second is None or not torch.equal(first, second)

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


def close(came: Tensor, right: Tensor) -> bool:
    """Whether a KL is right, up to rounding in float32."""
    return matches(came, right, 1e-4 * (right.abs() + 1))


def right_kl(problem: Problem, prior: float | Tensor) -> Tensor:
    """KL(N(A_mean, A_scale²) ‖ N(0, prior²)), summed over the weights, from its closed form."""
    mean, scale = problem.A_mean.double() / prior, problem.A_scale.double() / prior
    return gaussian_kl_terms(mean, scale).sum()


class Evidence(SharedEvidence):
    """What the checks share: many draws in either sampling mode, made once."""

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
        with self.shared("local problem"):
            return self.problem()

    @cached_property
    def local_draws(self) -> Tensor:
        """Draws of X·A under local reparameterization: 500 × 2 × B × H."""
        with self.shared("local draws"):
            return self.plain_layer(self.local_problem, LOCAL).draw(*SAMPLES)[1]

    @property
    def local_noise(self) -> Tensor:
        return (self.local_draws - self.local_problem.mean) / self.local_problem.std

    @cached_property
    def weight_problem(self) -> Problem:
        """A row of X for each weight, which shows it, and one row more."""
        with self.shared("weight problem"):
            problem = self.problem(rows=1)
        return problem.with_inputs(torch.cat([torch.eye(IN), problem.X]))

    @cached_property
    def weight_space_draws(self) -> Tensor:
        """Draws of X·A in weight space: 500 × 2 × (D + 1) × H."""
        with self.shared("weight draws"):
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
exercise.words |= {"prior": "A_prior_scale", "mean": "A_mean", "scale": "A_scale"}
exercise.knows("Your turn: write the distribution", DISTRIBUTION, COST, CODE, CLASSES)
exercise.knows("The mathematics", MOMENTS, DRAWING, GRADIENTS, KL, PRIORS)

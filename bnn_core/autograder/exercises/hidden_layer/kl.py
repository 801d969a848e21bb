"""KL: the closed form, to any prior."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.exercises.hidden_layer.kl_diagnosis import diagnose_kl, mistaken_prior
from bnn_core.autograder.exercises.hidden_layer.layer import (
    CALLABLES,
    IN,
    KL_TEST_FACTOR,
    ROWS,
    SQUARE,
    UNITS,
    Evidence,
    close,
    exercise,
    right_kl,
)
from bnn_core.autograder.exercises.hidden_layer.shapes import is_built
from bnn_core.autograder.interface import LearnerError
from bnn_core.autograder.judging.gradients import require_arrival
from bnn_core.autograder.judging.preactivations import Problem
from bnn_core.autograder.judging.values import (
    expected_and_came,
    matches,
    number,
    numbers,
    require_scalar,
    shape,
    tensor_from,
)
from bnn_core.autograder.subject import Reply

# The KL divergence.


@exercise.check("KL is a scalar tensor", needs=[is_built])
def kl_is_scalar(evidence: Evidence) -> None:
    reply = kl_for_a_number(evidence)
    if evidence.layer().instance.attribute("KL").type_name in CALLABLES:
        raise Failed("Reading KL gives a method, and no number.", "property-forgotten")
    require_scalar(reply, "KL", "kl")
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
    if matches(steps, torch.zeros_like(steps), 1e-4 * values[0].abs() + 1e-6):
        return
    message = f"Three times, for the same weights, it gives {numbers(values)}."
    grows = matches(steps, values[0].expand_as(steps), 1e-3 * values[0].abs())
    raise Failed(message, "kl-accumulates" if grows else "kl-monte-carlo")


@exercise.check("KL is the closed form, to a standard normal prior", needs=[kl_is_exact])
def kl_is_right(evidence: Evidence) -> None:
    usual = evidence.kl_problem()
    require_kl(evidence, usual, "For 3 × 5 weights")
    narrow, tall = evidence.kl_problem(2, 1, 3), evidence.kl_problem(3, 4, 2)
    require_kl(evidence, narrow, "For 1 × 3 weights, without the bias unit,", options=WITHOUT_BIAS)
    require_kl(evidence, tall, "For 4 × 2 weights, in weight space,", options=IN_WEIGHT_SPACE)
    unused = usual.with_inputs(usual.X * torch.arange(IN))
    require_kl(evidence, unused, "Where an input is 0 in every row")
    large = Problem(torch.ones(2, 2), torch.tensor([[LARGE], [-2.0]]), torch.tensor([[30.0], [3.0]]))
    require_kl(evidence, large, f"For means up to {LARGE:.0f} and scales up to 30", "kl-clamped")
    require_kl(evidence, usual.with_scale(1e-4 * usual.A_scale.clamp(0.3, 1.0)), "For scales near 1e-4", "kl-clamped")
    for mean, where in ((0.0, "Where the weights are distributed as the prior is"), (0.009, "Where they nearly are")):
        problem = Problem(usual.X, mean * usual.A_mean.sign(), torch.ones_like(usual.A_scale))
        require_kl(evidence, problem, where, "kl-cut-off-near-zero")


WITHOUT_BIAS, IN_WEIGHT_SPACE = {"include_hidden_bias": False}, {"weight_space_sampling": True}

# It lies in the middle between two numbers that half precision has.
LARGE = 60 + 10.5 / 32


def require_kl(
    evidence: Evidence,
    problem: Problem,
    where: str,
    otherwise: str | None = None,
    options: Mapping[str, bool] = MappingProxyType({}),
) -> None:
    """Raise Failed unless KL is right, to the standard normal prior. otherwise: the mistake where it usually is."""
    right = right_kl(problem, 1.0)
    came = evidence.layer(problem, KL_factor=KL_TEST_FACTOR, **options).kl()
    if close(came, right):
        return
    message = expected_and_came(f"{where} it", right, came)
    if options and close(evidence.layer(problem, KL_factor=KL_TEST_FACTOR).kl(), right):
        raise Failed(message, "kl-by-options")
    few_digits = bool((came - right).abs() < 1e-2 * right)
    diagnose_kl(evidence, message, "right-to-a-few-digits" if few_digits else otherwise)


@exercise.check("KL is the closed form for a prior scale that is a number", needs=[kl_is_right])
def kl_is_right_for_a_number(evidence: Evidence) -> None:
    for prior in (0.4, 2.5, 3.0):
        require_kl_to_prior(evidence, prior, f"With A_prior_scale={number(prior)} it")


@exercise.check("KL is the closed form for a prior scale that is a tensor", needs=[kl_is_right])
def kl_is_right_for_a_tensor(evidence: Evidence) -> None:
    for sizes in ((ROWS, IN, UNITS), SQUARE):
        _, inputs, units = sizes
        for size in [(inputs, units), (units,), (inputs, 1), (1, units), (1, 1), (1,), ()]:
            prior = evidence.uniform(0.3, 3.0, *size)
            what = f"For {inputs} × {units} weights and A_prior_scale of shape {shape(size)} it"
            try:
                require_kl_to_prior(evidence, prior, what, sizes)
            except LearnerError as error:
                of_one_kind = size == (IN, UNITS)  # the first tensor that is tried
                raise Failed(f"{what} fails. {error.sentence}", "prior-of-one-kind" if of_one_kind else None) from None


def require_kl_to_prior(
    evidence: Evidence, prior: float | Tensor, what: str, sizes: tuple[int, int, int] = (ROWS, IN, UNITS)
) -> None:
    """Raise Failed, with the mistake it looks like, unless KL is right for this prior."""
    problem = evidence.kl_problem(*sizes)
    came = evidence.layer(problem, A_prior_scale=prior).kl()
    exact = prior.double() if isinstance(prior, Tensor) else torch.tensor(prior, dtype=torch.float64)
    right = right_kl(problem, exact)
    if not close(came, right):
        raise Failed(expected_and_came(what, right, came), mistaken_prior(problem, exact, came))


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
        if not matches(value.double(), right, 1e-3 * right.abs() + 1e-4):
            message = expected_and_came(f"The gradient of {what} for {name}", right, value.double())
            raise Failed(message, "gradient-of-another-value")

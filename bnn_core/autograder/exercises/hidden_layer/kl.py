"""KL: the closed form, to any prior."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.exercises.hidden_layer.layer import (
    CALLABLES,
    IN,
    ROWS,
    SQUARE,
    UNITS,
    Evidence,
    close,
    exercise,
)
from bnn_core.autograder.exercises.hidden_layer.shapes import is_built
from bnn_core.autograder.interface import LearnerError
from bnn_core.autograder.judging.gradients import require_arrival
from bnn_core.autograder.judging.kl import KL_TERMS, gaussian_kl_terms, kl_term_mistake
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
    return gaussian_kl_terms(mean, scale).sum()


# What mistakes make of one weight's KL to the standard normal prior. The right one comes first, under the empty name.
KL_FORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "": gaussian_kl_terms,
    "kl-reversed": lambda mean, scale: 0.5 * (1 + mean**2) / scale**2 - 0.5 + scale.log(),
    "kl-scale-not-squared": lambda mean, scale: 0.5 * (scale + mean**2 - 1) - scale.log(),
    "kl-scale-as-variance": lambda mean, scale: gaussian_kl_terms(mean, scale.sqrt()),
    "kl-scale-squared-twice": lambda mean, scale: gaussian_kl_terms(mean, scale**2),
    "kl-swapped": lambda mean, scale: gaussian_kl_terms(scale.log(), mean.exp()),
    "scale-as-log-std": lambda mean, scale: gaussian_kl_terms(mean, scale.exp()),
    "scale-through-softplus": lambda mean, scale: gaussian_kl_terms(mean, F.softplus(scale)),
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
        if matches(came, factor * predicted, 1e-3 * (factor * predicted).abs()):
            if not name and abs(factor - 1) < 1e-3:
                raise Failed(f"{message}\nFor others, of {IN} × {UNITS} weights, it is right.")
            name = name or ("kl-by-rows" if kl_depends_on_rows(evidence) else scaled_kl(factor.item()))
            raise Failed(message, name, factor=number(factor.item()))
    points = [[(problem.A_mean.double(), problem.A_scale.double().log())] for problem in problems]
    mistake = kl_term_mistake(came, points)
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


# The terms of `KL_TERMS`, as they are called here.
KL_TERM_NAMES = dict(
    zip(
        KL_TERMS,
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
        ("prior-power-in-log", kl(prior, prior, prior**2)),
        ("prior-power-in-log", kl(prior, prior, root)),
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
        if not matches(value.double(), right, 1e-3 * right.abs() + 1e-4):
            raise Failed(expected_and_came(f"The gradient of {what} for {name}", right, value.double()))

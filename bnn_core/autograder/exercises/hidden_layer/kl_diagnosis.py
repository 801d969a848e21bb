"""Which mistake a wrong KL comes from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.exercises.hidden_layer.layer import IN, KL_TEST_FACTOR, UNITS, Evidence, close
from bnn_core.autograder.judging.kl import KL_TERMS, gaussian_kl_terms, kl_term_mistake
from bnn_core.autograder.judging.preactivations import Problem
from bnn_core.autograder.judging.values import matches, number


def without(place: tuple[int, int], mean: Tensor, scale: Tensor) -> Tensor:
    """The KL of all weights but one row or column of them: (dimension, which)."""
    dimension, left_out = place
    kept = [number for number in range(mean.shape[dimension]) if number != left_out % mean.shape[dimension]]
    return gaussian_kl_terms(mean, scale).index_select(dimension, torch.tensor(kept))


def with_padded_logarithm(much: float, mean: Tensor, scale: Tensor) -> Tensor:
    return 0.5 * (scale**2 + mean**2 - 1) - (scale + much).log()


def with_clamped_scale(least: float, mean: Tensor, scale: Tensor) -> Tensor:
    return gaussian_kl_terms(mean, scale.clamp_min(least))


# What mistakes make of the weights' KL to the standard normal prior. The right one comes first, under the empty name.
KL_FORMS: list[tuple[str, Callable[[Tensor, Tensor], Tensor]]] = [
    ("", gaussian_kl_terms),
    ("kl-reversed", lambda mean, scale: 0.5 * (1 + mean**2) / scale**2 - 0.5 + scale.log()),
    ("kl-scale-not-squared", lambda mean, scale: 0.5 * (scale + mean**2 - 1) - scale.log()),
    ("kl-scale-as-variance", lambda mean, scale: gaussian_kl_terms(mean, scale.sqrt())),
    ("kl-scale-squared-twice", lambda mean, scale: gaussian_kl_terms(mean, scale**2)),
    ("kl-swapped", lambda mean, scale: gaussian_kl_terms(scale.log(), mean.exp())),
    ("scale-as-log-std", lambda mean, scale: gaussian_kl_terms(mean, scale.exp())),
    ("scale-through-softplus", lambda mean, scale: gaussian_kl_terms(mean, F.softplus(scale))),
    *(("kl-weights-missing", partial(without, place)) for place in ((0, 0), (0, -1), (1, 0), (1, -1))),
    *(("kl-clamped", partial(with_padded_logarithm, much)) for much in (1e-1, 1e-2, 1e-3)),
    *(("kl-clamped", partial(with_clamped_scale, least)) for least in (0.5, 0.1, 0.05)),
]


def diagnose_kl(evidence: Evidence, message: str, otherwise: str | None = None) -> None:
    """Raise Failed with the mistake that explains KL at two dozen points, or with the numbers alone.

    The prior is the standard normal one. otherwise: the mistake where KL is right at all of them.
    """
    problems = [evidence.kl_problem() for _ in range(24)]
    came = torch.stack([evidence.layer(problem, KL_factor=KL_TEST_FACTOR).kl() for problem in problems])
    if not came.any():
        raise Failed(message, "kl-dropped")
    if torch.equal(came, came[0].expand_as(came)):
        raise Failed(message, "kl-cached")
    if kl_depends_on_inputs(evidence):
        raise Failed(message, "kl-of-inputs")
    for name, form in KL_FORMS:
        predicted = torch.stack([form(problem.A_mean.double(), problem.A_scale.double()).sum() for problem in problems])
        factor = (came / predicted).median()
        if matches(came, factor * predicted, 1e-3 * (factor * predicted).abs()):
            if not name and abs(factor - 1) < 1e-3:
                raise Failed(f"{message}\nFor others, of {IN} × {UNITS} weights, it is right.", otherwise)
            name = name or ("kl-by-rows" if kl_depends_on_rows(evidence) else scaled_kl(factor.item()))
            raise Failed(message, name, factor=number(factor.item()))
    points = [[(problem.A_mean.double(), problem.A_scale.double().log())] for problem in problems]
    mistake = kl_term_mistake(came, points)
    if mistake is None:
        raise Failed(message)
    raise Failed(message, mistake.misconception, **in_terms_of_scale(mistake.about))


def kl_depends_on_inputs(evidence: Evidence) -> bool:
    """Whether KL is another for the same weights when X has other values."""
    problem = evidence.kl_problem()
    other = problem.with_inputs(problem.X * torch.arange(IN))
    return not close(evidence.layer(other).kl(), evidence.layer(problem).kl().double())


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


def mistaken_prior(problem: Problem, prior: Tensor, came: Tensor) -> str | None:
    """The mistake with the prior that a KL looks like."""
    mean, scale, one = problem.A_mean.double(), problem.A_scale.double(), torch.ones(())

    def kl(mean_by: Tensor, scale_by: Tensor, log_by: Tensor) -> Tensor:
        """The closed form with the prior's scale in each of its three terms."""
        return (0.5 * ((mean / mean_by) ** 2 + (scale / scale_by) ** 2 - 1) - (scale / log_by).log()).sum()

    without_log = kl(prior, prior, one)
    root, inverse = prior.sqrt(), 1 / prior
    first = prior.flatten()[0]
    suspects = [
        ("prior-ignored", kl(one, one, one)),
        ("prior-as-variance", kl(root, root, root)),
        ("prior-not-squared", kl(root, root, prior)),
        ("prior-squared-twice", kl(prior**2, prior**2, prior**2)),
        ("prior-inverted", kl(inverse, inverse, inverse)),
        ("prior-inverted", kl(inverse, inverse, prior)),
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
        ("prior-not-spread", kl(first, first, first)),
    ]
    return next((name for name, value in suspects if close(came, value)), None)

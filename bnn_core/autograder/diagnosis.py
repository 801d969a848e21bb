"""Which known mistake a wrong value comes from: values are compared with those that mistakes would give.

This module knows numbers, not learners: it is given what came and what each suspected mistake predicts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from bnn_core.autograder.wording import number

Elementwise = Callable[[Tensor, Tensor], Tensor]
Point = Sequence[tuple[Tensor, Tensor]]


def matches(came: Tensor, predicted: Tensor, tolerance: Tensor | float) -> bool:
    """Whether all values are the predicted ones, within a tolerance that is absolute."""
    if came.shape != predicted.shape:
        return False
    return bool(((came - predicted).abs() <= tolerance).all())


def first_match(came: Tensor, suspects: Mapping[str, Tensor], tolerance: Callable[[Tensor], Tensor]) -> str | None:
    """The first suspected mistake whose predicted values came; tolerance(predicted) is absolute."""
    for name, predicted in suspects.items():
        if matches(came, predicted, tolerance(predicted)):
            return name
    return None


def gaussian_kl_terms(mean: Tensor, std: Tensor) -> Tensor:
    """KL(N(mean, std²) ‖ N(0, 1)), element by element."""
    return 0.5 * (std**2 + mean**2 - 1) - std.log()


# What a mistake makes of one element's KL, from its mean and log_std. The right one comes first, under the empty name.
KL_FORMS: dict[str, Elementwise] = {
    "": lambda mean, log_std: gaussian_kl_terms(mean, log_std.exp()),
    "kl-reversed": lambda mean, log_std: 0.5 * ((1 + mean**2) * (-2 * log_std).exp() - 1) + log_std,
    "kl-std-for-variance": lambda mean, log_std: 0.5 * (log_std.exp() + mean**2 - 1) - log_std,
    "kl-log-variance": lambda mean, log_std: gaussian_kl_terms(mean, (0.5 * log_std).exp()),
    "kl-variance-as-std": lambda mean, log_std: gaussian_kl_terms(mean, (2 * log_std).exp()),
    "kl-softplus": lambda mean, log_std: gaussian_kl_terms(mean, F.softplus(log_std)),
}

# The terms that any sum of this kind is made of, what each is called, and its right coefficient.
KL_TERMS: dict[str, tuple[Elementwise, float]] = {
    "mean² term": (lambda mean, log_std: mean**2, 0.5),
    "variance term exp(2·log_std)": (lambda mean, log_std: (2 * log_std).exp(), 0.5),
    "log_std term": (lambda mean, log_std: log_std, -1.0),
    "constant (−½ per parameter)": (lambda mean, log_std: torch.ones_like(mean), -0.5),
    "mean, not squared": (lambda mean, log_std: mean, 0.0),
    "exp(log_std), not squared": (lambda mean, log_std: log_std.exp(), 0.0),
}


@dataclass(frozen=True)
class KLMistake:
    """A misconception about the KL, and the words that fill its sentence's blanks."""

    misconception: str
    about: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fit:
    """A KL that came, explained: came = Σ over groups of scale · Σ form(mean, log_std)."""

    form: str
    scales: tuple[float, ...]


def kl_mistake(came: Tensor, points: Sequence[Point]) -> KLMistake | None:
    """The mistake that explains a wrong KL to the standard normal prior, or None.

    came: the KL at each of P points. points: at each point, the (mean, log_std) of each group: weights, then biases if
    there are any. There must be more points than there are terms in KL_TERMS.
    """
    if not came.any():
        return KLMistake("kl-dropped")
    if matches(came, came[0].expand_as(came), 1e-6 * came[0].abs()):
        return KLMistake("kl-of-other-parameters", {"what": "the means and log_stds"})
    fit = fit_kl_form(came, points)
    if fit is not None:
        return _mistake_in_form(fit, [group[0].numel() for group in points[0]])
    prior_std = fit_prior_std(came, points)
    if prior_std is not None:
        return KLMistake("kl-wrong-prior", {"std": number(prior_std)})
    terms = fit_kl_terms(came, points)
    return None if terms is None else _mistake_in_terms(terms)


def _mistake_in_form(fit: Fit, counts: Sequence[int]) -> KLMistake:
    """What is wrong with a KL of a known form: the form itself, or how the sum of each group is scaled.

    counts: how many parameters each group has.
    """
    scales, total = [round(scale, 3) for scale in fit.scales], sum(counts)
    if 0 in scales:
        return KLMistake("kl-weight-missing" if scales[0] == 0 else "kl-bias-missing")
    if fit.form and scales[0] > 0:
        return KLMistake(fit.form)
    if max(scales) < 0:
        return KLMistake("kl-negated")
    averages = [{1 / count, 0.5 / count, 1 / total} for count in counts]
    if any(abs(scale - share) < 1e-3 for scale, shares in zip(scales, averages, strict=True) for share in shares):
        return KLMistake("kl-averaged")
    if len(set(scales)) > 1:
        return KLMistake("kl-scaled", {"factor": " and ".join(number(scale) for scale in fit.scales)})
    known = {2.0: "kl-half-missing", 0.5: "kl-half-twice"}
    if scales[0] in known:
        return KLMistake(known[scales[0]])
    return KLMistake("kl-divided" if scales[0] < 1 else "kl-scaled", {"factor": number(fit.scales[0])})


def _mistake_in_terms(terms: Mapping[str, float]) -> KLMistake:
    """What is wrong with the one term of the closed form whose coefficient is furthest from right."""
    errors = {name: abs(came - KL_TERMS[name][1]) for name, came in terms.items()}
    belonging = {name: error for name, error in errors.items() if KL_TERMS[name][1] and error > 1e-3}
    candidates = belonging or errors
    name = max(candidates, key=candidates.__getitem__)
    right, came = KL_TERMS[name][1], terms[name]
    if right == 0:
        return KLMistake("kl-term-extra", {"what": name})
    if abs(came) < 1e-3:
        return KLMistake("kl-term-missing", {"what": name})
    if abs(came + right) < 1e-3:
        return KLMistake("kl-term-sign", {"what": name})
    return KLMistake("kl-term-scaled", {"what": name, "right": number(right), "came": number(came)})


def fit_kl_form(came: Tensor, points: Sequence[Point]) -> Fit | None:
    """The known form, with a scale per group of parameters, that explains the KL at every point; None if none does."""
    for name, form in KL_FORMS.items():
        columns = torch.stack([torch.stack([form(*group).sum() for group in point]) for point in points])
        scales = _solve(columns, came)
        if scales is not None:
            return Fit(name, tuple(scales.tolist()))
    return None


def fit_kl_terms(came: Tensor, points: Sequence[Point]) -> dict[str, float] | None:
    """The coefficient of each term of the closed form, the same for all groups, that explains the KL at every point."""
    rows = [
        torch.stack([torch.stack([term(*group).sum() for group in point]).sum() for term, _ in KL_TERMS.values()])
        for point in points
    ]
    coefficients = _solve(torch.stack(rows), came)
    return None if coefficients is None else dict(zip(KL_TERMS, coefficients.tolist(), strict=True))


def _solve(columns: Tensor, came: Tensor) -> Tensor | None:
    """The least-squares solution if it explains `came` to within rounding, else None."""
    solution: Tensor = torch.linalg.lstsq(columns, came[:, None], driver="gelsd").solution[:, 0]
    error = (columns @ solution - came).abs()
    scale = columns.abs().amax(dim=1) * solution.abs().max() + came.abs() + 1e-6
    return solution if bool((error <= 1e-4 * scale).all()) else None


def fit_prior_std(came: Tensor, points: Sequence[Point]) -> float | None:
    """The standard deviation of the zero-mean prior to which the KL at every point would be right, if there is one."""
    terms = fit_kl_terms(came, points)
    if terms is None:
        return None
    squared, variance, log_std, constant, *others = terms.values()
    if squared <= 0 or max(abs(squared - variance), abs(log_std + 1), *map(abs, others)) > 1e-3:
        return None
    prior_std = (0.5 / squared) ** 0.5
    expected = torch.tensor(prior_std).log().item() - 0.5
    return prior_std if abs(constant - expected) < 1e-3 else None

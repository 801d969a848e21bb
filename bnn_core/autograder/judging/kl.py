"""Which mistake a wrong KL divergence between Gaussians comes from: it is compared with what mistakes would make of it,
form by form and term by term.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations, product

import torch
import torch.nn.functional as F
from torch import Tensor

from bnn_core.autograder.judging.values import matches, number

Elementwise = Callable[[Tensor, Tensor], Tensor]
Point = Sequence[tuple[Tensor, Tensor]]


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
    "kl-variance-inverted": lambda mean, log_std: 0.5 * ((-2 * log_std).exp() + mean**2 - 1) - log_std,
    "kl-softplus": lambda mean, log_std: gaussian_kl_terms(mean, F.softplus(log_std)),
    "kl-swapped": lambda mean, log_std: gaussian_kl_terms(log_std, mean.exp()),
}

# The terms that any sum of this kind is made of, what each is called, and its right coefficient.
MEAN_SQUARED, MEAN, CONSTANT = "mean² term", "mean, not squared", "constant, −½ per parameter"
MEAN_SIZE = "absolute value of the mean"
VARIANCE = "variance term exp(2·log_std)"
KL_TERMS: dict[str, tuple[Elementwise, float]] = {
    MEAN_SQUARED: (lambda mean, log_std: mean**2, 0.5),
    VARIANCE: (lambda mean, log_std: (2 * log_std).exp(), 0.5),
    "log_std term": (lambda mean, log_std: log_std, -1.0),
    CONSTANT: (lambda mean, log_std: torch.ones_like(mean), -0.5),
    MEAN: (lambda mean, log_std: mean, 0.0),
    MEAN_SIZE: (lambda mean, log_std: mean.abs(), 0.0),
    "log_std²": (lambda mean, log_std: log_std**2, 0.0),
    "exp(log_std), not squared": (lambda mean, log_std: log_std.exp(), 0.0),
}

# What may be made of a KL that is right.
KL_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "square root": torch.sqrt,
    "square": torch.square,
    "logarithm": torch.log,
    "exponential": torch.exp,
}

# What the groups of parameters are called, in their order.
GROUP_NAMES = ("weights", "bias")


@dataclass(frozen=True)
class KLMistake:
    """A misconception about the KL, the words for its sentence's blanks, and where it is, if not everywhere."""

    misconception: str
    about: dict[str, str] = field(default_factory=dict)
    where: str = ""


def kl_mistake(came: Tensor, points: Sequence[Point]) -> KLMistake | None:
    """The mistake that explains a wrong KL to the standard normal prior, or None.

    came: the KL at each of P points. points: at each point, the (mean, log_std) of each group: weights, then biases if
    there are any. P must be larger than twice the number of KL_TERMS.
    """
    if not came.any():
        return KLMistake("kl-dropped")
    if matches(came, came[0].expand_as(came), 1e-6 * came[0].abs()):
        return KLMistake("kl-of-other-parameters", {"what": "the means and log_stds"})
    counts = [group[0].numel() for group in points[0]]
    for forms in _suspected_forms(len(counts)):
        columns = [_sums(KL_FORMS[form], points, group) for group, form in enumerate(forms)]
        scales = _solve(torch.stack(columns, dim=1), came)
        if scales is not None:
            return _mistake_in_forms(forms, scales.tolist(), counts)
    return kl_term_mistake(came, points) or _mistake_in_the_whole(came, points)


def _mistake_in_the_whole(came: Tensor, points: Sequence[Point]) -> KLMistake | None:
    """What was made of the right sum, or of that of each group."""
    sums = [_sums(KL_FORMS[""], points, group) for group in range(len(points[0]))]
    total = torch.stack(sums).sum(dim=0)
    if len(sums) == 2 and matches(came, sums[0] * sums[1], 1e-4 * came.abs() + 1e-6):
        return KLMistake("kl-transformed", {"what": "product of two parts"})
    for what, function in KL_FUNCTIONS.items():
        for predicted in (function(total), torch.stack([function(one) for one in sums]).sum(dim=0)):
            if matches(came, predicted, 1e-4 * (predicted.abs() + 1e-2)):
                return KLMistake("kl-transformed", {"what": what})
    return None


def _suspected_forms(groups: int) -> list[tuple[str, ...]]:
    """The form of each group: first the same for all, then a mistake in one of them."""
    return sorted(product(KL_FORMS, repeat=groups), key=lambda forms: len(set(forms)))


def _sums(term: Elementwise, points: Sequence[Point], group: int) -> Tensor:
    """The sum of a term over one group's elements, at each point."""
    return torch.stack([term(*point[group]).sum() for point in points])


def _mistake_in_forms(forms: Sequence[str], scales: Sequence[float], counts: Sequence[int]) -> KLMistake:
    """What is wrong with a KL whose groups have these forms, their sums multiplied by these scales."""
    rounded = [round(scale, 3) for scale in scales]
    if sorted(rounded) == [0, 2]:
        return KLMistake("kl-copied", {"what": GROUP_NAMES[rounded.index(2)]})
    if 0 in rounded:
        return KLMistake("kl-weight-missing" if rounded[0] == 0 else "kl-bias-missing")
    wrong = [(form, name) for form, name, scale in zip(forms, GROUP_NAMES, scales, strict=False) if form and scale > 0]
    if wrong:
        part = f"This is so for the {wrong[0][1]}.\n" if len(set(forms)) > 1 else ""
        return KLMistake(wrong[0][0], where=part)
    if max(rounded) < 0:
        return KLMistake("kl-negated")
    if min(rounded) < 0:
        return KLMistake("kl-negated", where=f"This is so for the {GROUP_NAMES[rounded.index(min(rounded))]}.\n")
    if any(_are_averages(scales, [factor / count for count in counts]) for factor in (1, 0.5)):
        return KLMistake("kl-averaged")
    if _are_averages(scales, [1 / sum(counts)] * len(counts)):
        return KLMistake("kl-averaged")
    wrong_scales = {scale for scale in rounded if scale != 1}
    part = "" if len(set(rounded)) == 1 else f"This is so for the {GROUP_NAMES[rounded[0] == 1]}.\n"
    if len(wrong_scales) > 1:
        return KLMistake("kl-scaled", {"factor": " and ".join(number(scale) for scale in scales)})
    if not wrong_scales:
        return KLMistake("kl-clamped")  # right where it was fitted, so wrong only elsewhere
    factor = wrong_scales.pop()
    known = {2.0: "kl-half-missing", 0.5: "kl-half-twice"}
    if factor in known:
        return KLMistake(known[factor], where=part)
    return KLMistake("kl-divided" if factor < 1 else "kl-scaled", {"factor": number(factor)}, part)


def _are_averages(scales: Sequence[float], shares: Sequence[float]) -> bool:
    """Whether some groups are scaled by their share, which makes a sum an average, and the others are right."""
    averaged = [abs(scale - share) < 1e-3 for scale, share in zip(scales, shares, strict=True)]
    right = [abs(scale - 1) < 1e-3 for scale in scales]
    return any(averaged) and all(one or other for one, other in zip(averaged, right, strict=True))


def kl_term_mistake(came: Tensor, points: Sequence[Point]) -> KLMistake | None:
    """What is wrong with the terms of the closed form: another prior, or in some group the term furthest from right.

    came, points: as for `kl_mistake`. None when no combination of KL_TERMS explains what came.
    """
    fitted = _fit_terms(came, points)
    if fitted is None:
        return None
    prior = _prior(fitted[0])
    if prior is not None and all(_prior(terms) is not None for terms in fitted):
        return KLMistake("kl-wrong-prior", dict(zip(("mean", "std"), map(number, prior), strict=True)))
    if copied := _copied_terms(fitted):
        return copied
    counts = [group[0].numel() for group in points[0]]
    once = [-0.5 * groups / sum(counts) for groups in {1, len(counts)}]
    if sum(counts) > len(counts) and any(abs(fitted[0][CONSTANT] / coefficient - 1) < 1e-3 for coefficient in once):
        return KLMistake("kl-constant-once")
    mistakes = [_mistake_in_group(terms) for terms in fitted]
    if all(mistake == mistakes[0] for mistake in mistakes):
        return mistakes[0]
    mistake, name = next((mistake, name) for mistake, name in zip(mistakes, GROUP_NAMES, strict=False) if mistake)
    return replace(mistake, where=f"This is so for the {name}.\n")


def _copied_terms(fitted: Sequence[Mapping[str, float]]) -> KLMistake | None:
    """Terms that count twice in one group, and in the other not at all: a name was copied and not changed."""
    for twice, missing in permutations(range(len(fitted)), 2):
        copied = [
            name
            for name, (_, right) in KL_TERMS.items()
            if right
            and name != CONSTANT
            and abs(fitted[twice][name] - 2 * right) < 1e-3
            and abs(fitted[missing][name]) < 1e-3
        ]
        if copied:
            return KLMistake("kl-copied", {"what": GROUP_NAMES[twice]}, f"It is the {' and the '.join(copied)}.\n")
    return None


def _fit_terms(came: Tensor, points: Sequence[Point]) -> list[dict[str, float]] | None:
    """The coefficients of the terms in each group that explain the KL at every point; None if none do.

    The constant is the same at every point, so that the groups can't be told apart in it: they share one coefficient.
    """
    groups, varying = range(len(points[0])), [name for name in KL_TERMS if name != CONSTANT]
    columns = [_sums(KL_TERMS[name][0], points, group) for group in groups for name in varying]
    constant = sum((_sums(KL_TERMS[CONSTANT][0], points, group) for group in groups), torch.zeros_like(came))
    solution = _solve(torch.stack([*columns, constant], dim=1), came)
    if solution is None:
        return None
    *coefficients, shared = solution.tolist()
    split = [coefficients[len(varying) * group : len(varying) * (group + 1)] for group in groups]
    return [dict(zip(varying, values, strict=True)) | {CONSTANT: shared} for values in split]


def _mistake_in_group(terms: Mapping[str, float]) -> KLMistake | None:
    """What is wrong with the coefficients: terms that are missing, then signs, then factors, then terms too many."""
    wrong = {name: came for name, came in terms.items() if abs(came - KL_TERMS[name][1]) > 1e-3}
    extra = [name for name in wrong if KL_TERMS[name][1] == 0]
    missing = [name for name, came in wrong.items() if name not in extra and abs(came) < 1e-3]
    turned = [name for name, came in wrong.items() if name not in extra and abs(came + KL_TERMS[name][1]) < 1e-3]
    if missing == [MEAN_SQUARED] and (MEAN in extra or MEAN_SIZE in extra):
        return KLMistake("kl-mean-not-squared")
    if missing:
        instead = f"It has a term in the {' and in the '.join(extra)} instead.\n" if extra else ""
        return KLMistake("kl-term-missing", {"what": " and the ".join(missing)}, instead)
    if turned:
        return KLMistake("kl-term-sign", {"what": " and the ".join(turned)})
    scaled = [name for name in wrong if name not in extra]
    if scaled:
        name = scaled[0]
        return KLMistake(
            "kl-term-scaled", {"what": name, "right": number(KL_TERMS[name][1]), "came": number(wrong[name])}
        )
    return KLMistake("kl-term-extra", {"what": " and the ".join(extra)}) if extra else None


def _prior(terms: Mapping[str, float]) -> tuple[float, float] | None:
    """The mean and standard deviation of the Gaussian prior to which a KL with these terms is right, or None."""
    squared = terms[MEAN_SQUARED]
    if squared <= 0:
        return None
    std, mean = (0.5 / squared) ** 0.5, -0.5 * terms[MEAN] / squared
    mean = 0.0 if abs(mean) < 1e-3 * std else mean  # what rounding leaves isn't the learner's
    constant = math.log(std) - 0.5 + squared * mean**2
    right = {name: coefficient for name, (_, coefficient) in KL_TERMS.items()}
    right |= {MEAN_SQUARED: squared, VARIANCE: squared, MEAN: terms[MEAN], CONSTANT: constant}
    return (
        (mean, std) if all(abs(terms[name] - right[name]) < 1e-2 * (1 + abs(right[name])) for name in terms) else None
    )


def _solve(columns: Tensor, came: Tensor) -> Tensor | None:
    """The least-squares solution if it explains `came` to within rounding, else None."""
    solution: Tensor = torch.linalg.lstsq(columns, came[:, None], driver="gelsd").solution[:, 0]
    error = (columns @ solution - came).abs()
    scale = columns.abs().amax(dim=1) * solution.abs().max() + came.abs() + 1e-6
    return solution if bool((error <= 1e-4 * scale).all()) else None

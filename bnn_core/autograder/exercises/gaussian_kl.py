"""The specification of lesson 02's exercise `gaussian_kl(mean, log_std, prior_std=1.0)`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from bnn_core.autograder.exercise import Evidence
from bnn_core.autograder.judging.formulas import Arguments
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.mistakes import CODE, GRADIENTS, KL, KL_FROM_LOG_STD, PRIORS, SHARED, Mistake, mistake, shared


def inputs(evidence: Evidence) -> list[Arguments]:
    def case(*size: int, low: float = -4.0, high: float = 0.8, **prior: Any) -> Arguments:
        return {"mean": evidence.normal(*size), "log_std": evidence.uniform(low, high, *size), **prior}

    def near_the_prior(*size: int, prior_std: float) -> Arguments:
        """Where each element's KL is a few thousandths."""
        log_std = math.log(prior_std) + 0.05 * evidence.normal(*size)
        return {"mean": 0.05 * prior_std * evidence.normal(*size), "log_std": log_std, "prior_std": prior_std}

    return [
        case(2),
        case(3, 4),
        case(2, prior_std=0.4),
        case(3, 2, prior_std=evidence.uniform(0.3, 3.0, 2)),
        case(3, 2, prior_std=evidence.uniform(0.3, 3.0, 3, 1)),
        case(3, 3, prior_std=evidence.uniform(0.3, 3.0, 3, 1)),
        case(3, prior_std=torch.tensor(2.0)),
        case(1),
        case(),
        case(2, 3, 4, prior_std=3),
        case(4, low=-9.0, high=-7.0),
        case(4, low=1.5, high=2.0, prior_std=2.5),
        case(3, low=-30.0, high=-12.0),
        case(3, low=4.5, high=6.0),
        case(2, prior_std=1e-3),
        case(2, prior_std=50.0),
        {"mean": 10 * evidence.normal(20, 20), "log_std": evidence.normal(20, 20)},
        {**case(3), "mean": torch.tensor([200.0, -300.0, 0.0])},
        {**case(3), "mean": torch.zeros(3)},
        near_the_prior(6, prior_std=1.0),
        near_the_prior(2, 3, prior_std=2.5),
    ]


def element_by_element(mean: Tensor, log_std: Tensor, prior_std: Tensor | float = 1.0) -> Tensor:
    prior = torch.as_tensor(prior_std, dtype=mean.dtype)
    learned, believed = (
        Normal(centre, std, validate_args=False) for centre, std in ((mean, log_std.exp()), (0.0, prior))
    )
    value: Tensor = kl_divergence(learned, believed)
    return value


def right(mean: Tensor, log_std: Tensor, prior_std: Tensor | float = 1.0) -> Tensor:
    return element_by_element(mean, log_std, prior_std).sum()


Terms = Callable[[Tensor, Tensor, Tensor], tuple[Any, Any, Any, Any]]


def kl(terms: Terms) -> Callable[..., Tensor]:
    """½·Σ(a + b − c − d) of the four terms that a mistake makes of μ²/p², σ²/p², 1 and log(σ²/p²)."""

    def formula(mean: Tensor, log_std: Tensor, prior_std: Tensor | float = 1.0) -> Tensor:
        squared, variance, constant, log = terms(mean, log_std, torch.as_tensor(prior_std, dtype=mean.dtype))
        return torch.sum(0.5 * (squared + variance - constant - log + torch.zeros_like(mean)))

    return formula


def log(prior_std: Tensor | float) -> Tensor:
    return torch.as_tensor(prior_std, dtype=torch.float64).log()


def with_std(std: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda mean, log_std, prior_std=1.0: right(mean, std(log_std).log(), prior_std)


def padded(extra: float) -> Callable[..., Tensor]:
    return kl(lambda m, s, p: ((m / p) ** 2, ((2 * s).exp() + extra) / p**2, 1, 2 * (s - p.log())))


FLOORED = [
    *(lambda *a, floor=floor: element_by_element(*a).clamp_min(floor).sum() for floor in (1.0, 0.5, 0.1, 0.05, 0.01)),
    *(lambda *a, floor=floor: right(*a).clamp_min(floor) for floor in (1.0, 0.5, 0.1)),
]

exercise = FunctionExercise("gaussian_kl", lesson="02_kl_divergence", points=3, inputs=inputs, right=right)
exercise.knows("It has a direction", [SHARED["kl-reversed"]])
exercise.words |= {"prior": "prior_std", "mean": "mean", "scale": "exp(log_std)"}
exercise.returns("it returns one number, as a tensor", scalar="kl", finite=False)
exercise.keeps_arguments("mean and log_std stay as they were")
exercise.equals("it is the closed form, whatever the prior", "The mathematics",
               varying="kl-monte-carlo", in_part="kl-in-part", mistakes=[
    shared("kl-dropped", lambda m, *_: torch.zeros((), dtype=m.dtype)),
    shared("kl-reversed", kl(lambda m, s, p: (m**2 / (2 * s).exp(), p**2 / (2 * s).exp(), 1, 2 * (p.log() - s)))),
    shared("kl-std-for-variance", kl(lambda m, s, p: ((m / p) ** 2, s.exp() / p**2, 1, 2 * (s - p.log())))),
    shared("kl-log-variance", with_std(lambda s: (0.5 * s).exp())),
    shared("kl-variance-as-std", with_std(lambda s: (2 * s).exp())),
    shared("kl-variance-as-std", lambda m, s, p=1.0: right(m, 2 * s, p**2)),
    shared("kl-variance-inverted", kl(lambda m, s, p: ((m / p) ** 2, (-2 * s).exp() / p**2, 1, 2 * (s - p.log())))),
    shared("kl-log-of-log-std",
           kl(lambda m, s, p: ((m / p) ** 2, (2 * s).exp() / p**2, 1, 2 * (s.log() - p.log())))),
    *mistake("kl-log-std-for-std", "log_std is taken for the standard deviation itself, which is exp(log_std).",
             with_std(torch.abs), kl(lambda m, s, p: ((m / p) ** 2, (s / p) ** 2, 1, 2 * (s.log() - p.log())))),
    shared("kl-softplus", with_std(F.softplus)),
    shared("kl-swapped", lambda m, s, p=1.0: right(s, m.float().exp().double().log(), p)),  # infinite in float32
    shared("kl-negated", lambda *a: -right(*a)),
    shared("kl-half-missing", lambda *a: 2 * right(*a)),
    shared("kl-half-twice", lambda *a: 0.5 * right(*a)),
    Mistake("kl-half-of-squares-missing", "The ½ before ((mean² + σ²)/prior_std² − 1) is missing; the logarithms have"
            " none.", kl(lambda m, s, p: (2 * (m / p) ** 2, 2 * (2 * s).exp() / p**2, 2, 2 * (s - p.log())))),
    Mistake("kl-one-outside-half", "The −1 stands outside the parentheses: the ½ belongs before it, too.",
            lambda m, *a: right(m, *a) - 0.5 * m.numel()),
    Mistake("kl-in-bits", "Your KL is in bits, divided by log 2: take natural logarithms, which give nats.",
            lambda *a: right(*a) / math.log(2)),
    shared("kl-averaged", lambda m, *a: right(m, *a) / m.numel()),
    Mistake("kl-rows-averaged", "The last dimension is added up, and the rest averaged: add up all elements.",
            lambda m, *a: right(m, *a) * (m.shape[-1] / m.numel() if m.dim() else 1)),
    Mistake("kl-constant-once-a-row", "The −½ is counted once for each row; every element brings one of its own.",
            lambda m, *a: right(m, *a) + 0.5 * (m.numel() - (len(m) if m.dim() else 1))),
    shared("kl-mean-not-squared", kl(lambda m, s, p: (m / p**2, (2 * s).exp() / p**2, 1, 2 * (s - p.log())))),
    shared("kl-mean-not-squared", kl(lambda m, s, p: (m.abs() / p**2, (2 * s).exp() / p**2, 1, 2 * (s - p.log())))),
    *mistake("kl-variance-padded", "Something is added to the variance exp(2·log_std): add nothing.",
             *map(padded, (1e-2, 1e-3, 1e-4))),
    Mistake("kl-sum-squared", "(mean + σ)² isn't mean² + σ²: square each of them, and then add.",
            kl(lambda m, s, p: (((m + s.exp()) / p) ** 2, 0, 1, 2 * (s - p.log())))),
    shared("kl-constant-once", lambda m, *a: right(m, *a) + 0.5 * (m.numel() - 1)),
    shared("kl-term-missing", lambda m, *a: right(0 * m, *a), what="mean² term"),
    shared("kl-term-missing", lambda m, *a: right(m, *a) + 0.5 * m.numel(), what="constant, −½ per element"),
    shared("kl-term-missing", kl(lambda m, s, p: ((m / p) ** 2, 0, 1, 2 * (s - p.log()))),
           what="variance term exp(2·log_std)"),
    shared("kl-term-missing", kl(lambda m, s, p: ((m / p) ** 2, (2 * s).exp() / p**2, 1, 0)), what="logarithm"),
    shared("kl-term-sign", kl(lambda m, s, p: ((m / p) ** 2, (2 * s).exp() / p**2, 1, -2 * (s - p.log()))),
           what="logarithm"),
    shared("kl-term-sign", kl(lambda m, s, p: (-((m / p) ** 2), (2 * s).exp() / p**2, 1, 2 * (s - p.log()))),
           what="mean² term"),
    shared("kl-term-sign", kl(lambda m, s, p: ((m / p) ** 2, (2 * s).exp() / p**2, 1, 2 * (-s - p.log()))),
           what="log_std"),
    Mistake("prior-log-once", "log(prior_std) is added once; each element has it.",
            lambda m, s, p=1.0: right(m, s, p) - (log(p) + 0 * m).sum() + log(p).sum()),
    Mistake("prior-log-doubled", "log(prior_std) enters twice: it is log(prior_std) − log_std, or ½·log(prior_std²).",
            lambda m, s, p=1.0: right(m, s, p) + (log(p) + 0 * m).sum()),
    shared("kl-term-scaled", kl(lambda m, s, p: ((m / p) ** 2, (2 * s).exp() / p**2, 1, s - p.log())),
           what="logarithm", right="1", came="½"),
    Mistake("prior-log-base", "log(prior_std) is the natural logarithm; yours has base 10.",
            lambda m, s, p=1.0: right(m, s, p) + (log(p) / math.log(10) - log(p) + 0 * m).sum()),
    Mistake("prior-averaged", "prior_std is averaged: where it is a tensor, each element of mean has its own.",
            lambda m, s, p=1.0: right(m, s, torch.as_tensor(p, dtype=m.dtype).mean())),
    shared("prior-ignored", lambda m, s, p=1.0: right(m, s)),
    shared("prior-as-variance", lambda m, s, p=1.0: right(m, s, torch.as_tensor(p) ** 0.5)),
    shared("prior-not-squared", kl(lambda m, s, p: (m**2 / p, (2 * s).exp() / p, 1, 2 * (s - p.log())))),
    shared("prior-squared-twice", lambda m, s, p=1.0: right(m, s, p**2)),
    shared("prior-inverted", lambda m, s, p=1.0: right(m, s, 1 / p)),
    shared("prior-not-on-every-term", kl(lambda m, s, p: (m**2, (2 * s).exp() / p**2, 1, 2 * (s - p.log())))),
    shared("prior-not-on-every-term", kl(lambda m, s, p: ((m / p) ** 2, (2 * s).exp(), 1, 2 * (s - p.log())))),
    shared("prior-not-on-every-term", kl(lambda m, s, p: ((m / p) ** 2, (2 * s).exp() / p**2, 1, 2 * s))),
    shared("prior-not-on-every-term", kl(lambda m, s, p: (m**2, (2 * s).exp(), 1, 2 * (s - p.log())))),
    shared("prior-not-on-every-term", kl(lambda m, s, p: ((m / p) ** 2, (2 * s).exp() / p**2, 1, 2 * s - p.log()))),
    shared("prior-log-sign", kl(lambda m, s, p: ((m / p) ** 2, (2 * s).exp() / p**2, 1, 2 * (s + p.log())))),
    *mistake("kl-floor", "The KL is kept above a floor (\"free nats\"): leave it as it is, also near 0.", *FLOORED),
])  # fmt: skip
exercise.gradients_are_right("its gradients reach mean and log_std, and are right", of=["mean", "log_std"])
exercise.has_manners("the result has the dtype of the arguments", "it leaves the global random seed alone")
exercise.knows("Your turn: the closed form", CODE)
exercise.knows(
    "The mathematics", [
        Mistake("kl-in-part", "Your KL is right for some inputs and wrong for others: does it depend on the shapes, on"
                " what prior_std is, or on how large the values are?"),
        SHARED["kl-monte-carlo"],
    ],
    KL,
    KL_FROM_LOG_STD,
    PRIORS,
    GRADIENTS,
)  # fmt: skip

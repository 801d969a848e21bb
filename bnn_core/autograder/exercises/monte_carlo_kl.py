"""The specification of lesson 02's exercise `monte_carlo_kl(mean, log_std, num_samples)`.

Any unbiased estimate from independent draws is right: averages are compared, and how fast it gets better.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from bnn_core.autograder.exercise import Evidence, Failed
from bnn_core.autograder.exercises.gaussian_kl import right as closed_form
from bnn_core.autograder.interface import LearnerError
from bnn_core.autograder.judging.draws import mean_tolerance, require_centred, require_normal, std_ratio_tolerance
from bnn_core.autograder.judging.formulas import Arguments, Formula, exactly
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.judging.gradients import require_arrival, requiring
from bnn_core.autograder.judging.values import expected_and_came, matches, number
from bnn_core.autograder.mistakes import CODE, DRAWING, GRADIENTS, KL, SHARED, Mistake, shared

CALLS, GRADIENT_CALLS, CALLS_NEAR_ZERO, CALLS_FOR_SPREAD = 120, 50, 600, 60
NEAR_ONE = 0.95, 1.05  # seven standard deviations, of 10,000 values
SPREAD = "The spread of the draws"


def usual_inputs(evidence: Evidence) -> list[Arguments]:
    def case(*size: int, num_samples: int) -> Arguments:
        spread = evidence.uniform(-2.0, 0.4, *size)
        return {"mean": evidence.normal(*size), "log_std": spread, "num_samples": num_samples}

    return [case(3, num_samples=20), case(2, 3, num_samples=1), case(4, 4, num_samples=16)]


def inputs(evidence: Evidence) -> list[Arguments]:
    """The last is so narrow, and so far from 0, that the prior's density there is 0 in float32."""
    narrow_and_far = {"mean": 15.0 + evidence.normal(1), "log_std": evidence.uniform(-8.0, -7.0, 1)}
    return [*usual_inputs(evidence), {**narrow_and_far, "num_samples": 30}]


def right(mean: Tensor, log_std: Tensor, num_samples: int) -> Tensor:
    return closed_form(mean, log_std)


def std(mean: Tensor, log_std: Tensor, num_samples: int) -> Tensor:
    """Of the average of log q − log p = Σ ½(σ² − 1)ε² + μσε + …; better estimates have less."""
    sigma = log_std.exp()
    return torch.sum(0.5 * (sigma**2 - 1) ** 2 + (mean * sigma) ** 2).div(num_samples).sqrt()


def average_log_q(mean: Tensor, log_std: Tensor, *_: int) -> Tensor:
    return torch.sum(-0.5 - log_std - 0.5 * math.log(2 * math.pi))


def average_log_p(mean: Tensor, log_std: Tensor, *_: int) -> Tensor:
    return torch.sum(-0.5 * ((2 * log_std).exp() + mean**2) - 0.5 * math.log(2 * math.pi))


def reversed_kl(mean: Tensor, log_std: Tensor, *_: int) -> Tensor:
    return torch.sum(0.5 * ((1 + mean**2) / (2 * log_std).exp() - 1) + log_std)


def estimated(
    draw: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    log_q: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = lambda m, s: (m, s.exp()),
) -> Formula:
    """The average of log q − log p, where draws have the mean and standard deviation that `draw` makes of mean and
    log_std, and log q is the density of a Gaussian with those that `log_q` makes of them.
    """

    def formula(mean: Tensor, log_std: Tensor, num_samples: int) -> Tensor:
        (centre, spread), (q_mean, q_std) = draw(mean, log_std), log_q(mean, log_std)
        squares = (spread**2 + (centre - q_mean) ** 2) / q_std**2
        return torch.sum(0.5 * (spread**2 + centre**2 - squares) - q_std.log())

    return formula


def difference_of_densities(mean: Tensor, log_std: Tensor, *_: int) -> Tensor:
    """The average of q − p themselves over draws from q."""
    variance = (2 * log_std).exp()
    density = torch.exp(-0.5 * mean**2 / (1 + variance)) / torch.sqrt(2 * math.pi * (1 + variance))
    return torch.sum(torch.exp(-log_std) / (2 * math.sqrt(math.pi)) - density)


exercise = FunctionExercise("monte_carlo_kl", "02_kl_divergence", points=3, inputs=inputs, right=right, std=std)
exercise.knows("It has a direction", [SHARED["kl-reversed"]])
shape = exercise.returns("it returns one number, as a tensor", scalar="kl", infinite="no-finite-estimate")
kept = exercise.keeps_arguments("mean and log_std stay as they were")
anew = exercise.draws_anew("every call draws anew", inputs=usual_inputs)
centred = exercise.averages(
    "on average it is the KL divergence", calls=CALLS, needs=[kept, anew], taught_in="The mathematics", mistakes=[
        shared("kl-negated", lambda *a: -right(*a)),
        shared("kl-reversed", reversed_kl),
        Mistake("draws-from-the-prior", "The draws come from the prior: the KL is an average over draws from"
                " N(mean, exp(log_std)²).", lambda *a: -reversed_kl(*a)),
        shared("kl-averaged", lambda m, *a: right(m, *a) / m.numel()),
        shared("kl-negated", lambda m, s, n: -right(m, s, n) * n),
        Mistake("kl-summed-over-draws", "The draws are summed: the estimate is their average: divide by num_samples.",
                lambda m, s, n: right(m, s, n) * n),
        Mistake("log-p-left-out", "log p(w) is missing: each draw counts log q(w) − log p(w).", average_log_q),
        Mistake("log-q-left-out", "log q(w) is missing: each draw counts log q(w) − log p(w).",
                lambda *a: -average_log_p(*a)),
        Mistake("log-p-added", "log p(w) is added; it must be subtracted.",
                lambda *a: average_log_q(*a) + average_log_p(*a)),
        Mistake("kl-summed-over-draws", "The draws are summed and the elements averaged: it is the other way round.",
                lambda m, s, n: right(m, s, n) * n / m.numel()),
        Mistake("kl-divided-by-one-less", "It is divided by num_samples − 1: an average divides by num_samples.",
                lambda m, s, n: right(m, s, n) * n / max(n - 1, 1)),
        Mistake("one-draw-counts", "One draw alone counts, and is divided by num_samples: add up all of them in the"
                " loop (total = total + …), and return after it.", lambda m, s, n: right(m, s, n) / n),
        Mistake("log-p-at-mean", "log p has the mean of q: the prior is N(0, 1).",
                lambda m, s, n: right(0 * m, s, n)),
        Mistake("log-p-at-std", "log p has the std of q: the prior is N(0, 1).",
                lambda m, s, n: torch.sum(0.5 * (m / s.exp()) ** 2)),
        Mistake("log-p-at-epsilon", "log p is taken at epsilon: both densities are taken at w.",
                lambda m, s, n: -s.sum()),
        Mistake("log-q-at-epsilon", "log q is taken at epsilon: both densities are taken at w.",
                lambda m, s, n: torch.sum(0.5 * ((2 * s).exp() + m**2 - (1 + m**2) / (2 * s).exp()) - s)),
        Mistake("log-q-at-variance", "log q reads exp(log_std) as a variance: its square is the variance.",
                estimated(lambda m, s: (m, s.exp()), lambda m, s: (m, (0.5 * s).exp()))),
        Mistake("log-q-at-variance", "log q reads exp(2·log_std), the variance, as a standard deviation.",
                estimated(lambda m, s: (m, s.exp()), lambda m, s: (m, (2 * s).exp()))),
        Mistake("log-q-at-zero", "log q has no mean: q is N(mean, exp(log_std)²).",
                estimated(lambda m, s: (m, s.exp()), lambda m, s: (0 * m, s.exp()))),
        Mistake("log-q-without-log-std", "log_std is missing in log q: a density has a term −log(std).",
                lambda m, s, n: right(m, s, n) + s.sum()),
        shared("log-std-for-std", estimated(lambda m, s: (m, s)), what=SPREAD),
        shared("variance-for-std", estimated(lambda m, s: (m, (2 * s).exp())), what=SPREAD),
        shared("log-variance-for-log-std", estimated(lambda m, s: (m, (0.5 * s).exp())), what=SPREAD),
        shared("softplus-for-exp", lambda m, s, n: right(m, F.softplus(s).log(), n), what=SPREAD),
        shared("std-exp-twice", estimated(lambda m, s: (m, s.exp().exp())), what=SPREAD),
        shared("std-ignored", estimated(lambda m, s: (m, torch.ones_like(s))), what=SPREAD),
        Mistake("draw-without-mean", "The mean is missing in the draws: mean + exp(log_std)·epsilon.",
                estimated(lambda m, s: (0 * m, s.exp()))),
        shared("noise-not-normal", estimated(lambda m, s: (m + 0.5 * s.exp(), s.exp() / math.sqrt(12))), what=""),
        Mistake("density-for-log-density", "The densities themselves are subtracted: it is their logarithms.",
                difference_of_densities),
        Mistake("rows-averaged", "The last dimension is added up, and the rest averaged: add up all elements,"
                " and average over the draws alone.", lambda m, s, n: right(m, s, n) * m.shape[-1] / m.numel()),
        shared("kl-half-missing", lambda *a: 2 * right(*a)),
        shared("kl-half-twice", lambda *a: 0.5 * right(*a)),
    ])  # fmt: skip


@exercise.check("more samples make it better", needs=[centred])
def spread_falls(evidence: Evidence) -> None:
    mean, log_std = evidence.normal(3), evidence.uniform(-2.0, -0.5, 3)
    few, many = (evidence.subject.sample(CALLS, mean, log_std, count).double().std() for count in (1, 64))
    if not matches(many / few, torch.tensor(1 / 8).double(), 1 / 8 * 3 * std_ratio_tolerance(CALLS)):
        came = number((many / few).item())
        message = f"With 64 times as many samples it should spread 1/8 as much; yours spreads {came} times as much."
        raise Failed(message, "num-samples-ignored" if many > 0.5 * few else None)


@exercise.check("near the prior it may be negative, is right on average, and spreads little", needs=[centred])
def is_right_near_the_prior(evidence: Evidence) -> None:
    mean, log_std = torch.full((24,), 0.06), torch.zeros(24)
    draws = evidence.subject.sample(CALLS_NEAR_ZERO, mean, log_std, 1).double()
    try:
        require_centred(draws, right(mean.double(), log_std.double(), 1), "the result")
    except Failed as failure:
        raise Failed(failure.message, "estimate-cut-off" if bool((draws >= 0).all()) else None) from None
    most, came = math.sqrt(24 * (0.5 + 0.06**2)), draws.std()  # that of log p, where log q's average is known
    if came > (1 + 1.2 * std_ratio_tolerance(CALLS_NEAR_ZERO)) * most:
        message = f"Its standard deviation should be {number(most)} at most; yours is {number(came.item())}."
        raise Failed(message, "two-draws")


@exercise.check("it spreads no more than draws that are independent of each other", needs=[spread_falls])
def elements_are_independent(evidence: Evidence) -> None:
    mean, log_std, count = 0.3 * evidence.normal(5, 5), evidence.uniform(-2.0, -0.5, 5, 5), 16
    most = std(mean.double(), log_std.double(), count)
    came = evidence.subject.sample(CALLS_FOR_SPREAD, mean, log_std, count).double().std()
    if came > (1 + 1.2 * std_ratio_tolerance(CALLS_FOR_SPREAD)) * most:
        message = (
            f"For 25 elements and num_samples = {count}, independent draws give a standard deviation of"
            f" {number(most.item())}; yours is {number(came.item())}."
        )
        raise Failed(message, "noise-shared-by-elements")


@exercise.check("however large num_samples is, so many draws are made", needs=[spread_falls])
def draws_are_as_many(evidence: Evidence) -> None:
    """What they take from torch's generator shows it, where they take anything."""
    mean, log_std = evidence.normal(1), evidence.uniform(-2.0, -0.5, 1)

    def number_after(num_samples: int, seed: int = 1) -> float:
        evidence.subject.seed(seed)
        if num_samples:
            evidence.subject.call(mean, log_std, num_samples)
        return evidence.subject.random_number()

    after = number_after(1001)
    seeds_itself, takes_none = after == number_after(1001, seed=2), after == number_after(0)
    if after == number_after(1003) and not seeds_itself and not takes_none:
        raise Failed("With num_samples = 1001 and with 1003 as much noise is drawn.", "draws-capped")


@exercise.check("its noise is standard normal, in the dtype of mean", needs=[centred])
def noise_is_right(evidence: Evidence) -> None:
    """Where q is the prior, what comes through a draw is the noise itself, unless the gradients cancel."""
    mean, log_std = torch.zeros(10_000).double().requires_grad_(), torch.zeros(10_000).double()
    noise = evidence.subject.call(mean, log_std, 1).gradients([mean])[0]
    if noise is None or not NEAR_ONE[0] < noise.std() < NEAR_ONE[1]:
        return
    for count in (3, 4, 2):  # whose sums would show one that is left over, and none
        average = evidence.subject.call(mean, log_std, count).gradients([mean])[0]
        require_independent_draws(average, count)
    require_normal(noise, quickly=True)
    is_single = matches(noise, noise.float().double(), 1e-12)
    with contextlib.suppress(LearnerError):
        if is_single and evidence.subject.call(mean.bfloat16(), log_std.bfloat16(), 1).dtype == torch.float32:
            raise Failed("", "noise-in-float32")


def require_independent_draws(average: Tensor | None, count: int) -> None:
    """Raise Failed where the average of this many draws' noise varies otherwise than that of independent ones."""
    size = 0.0 if average is None else average.std().item() * math.sqrt(count)
    if NEAR_ONE[0] < size < NEAR_ONE[1]:
        return
    message = (
        f"The average of {count} draws' noise should have standard deviation {number(1 / math.sqrt(count))}; yours has"
        f" {number(size / math.sqrt(count))}."
    )
    if size < 0.01:
        raise Failed(message, "noise-centred" if count % 2 else "noise-mirrored")
    one_left_over = count % 2 and abs(size - 1 / math.sqrt(count)) < 0.03
    raise Failed(message, "noise-mirrored" if one_left_over else "draws-dependent")


@exercise.check("gradients reach mean and log_std, and are right on average", needs=[centred])
def gradients_are_right(evidence: Evidence) -> None:
    names, came = ["mean", "log_std"], []
    given = requiring({**inputs(evidence)[0], "num_samples": 60}, names)
    for _ in range(GRADIENT_CALLS):
        found = exercise.called(evidence, given).gradients([given[name] for name in names])
        require_arrival(dict(zip(names, found, strict=True)))
        came.append([torch.as_tensor(value).double() for value in found])
    mean, log_std = exactly({name: given[name] for name in names})
    for position, expected in enumerate((mean, (2 * log_std).exp() - 1)):
        values = torch.stack([one[position] for one in came])
        average, tolerance = values.mean(dim=0), 1.5 * mean_tolerance(values.std(dim=0), GRADIENT_CALLS) + 1e-3
        if not matches(average, expected, tolerance):
            message = expected_and_came(f"On average the gradient for {names[position]}", expected, average)
            stopped = matches(average, torch.zeros_like(average), tolerance)
            raise Failed(message, "draw-detached" if stopped else "gradient-of-another-value")
    far = requiring({"mean": torch.tensor([10.0]), "log_std": torch.zeros(1), "num_samples": 20}, names)
    several = [exercise.called(evidence, far).gradients([far["mean"]])[0] for _ in range(10)]
    spread = torch.tensor([0.0 if one is None else one.item() for one in several]).std().item()
    if spread > 1:
        said = "For mean = 10, log_std = 0 and 20 samples the gradient for mean should spread by 0.22 at most"
        raise Failed(f"{said}; yours spreads by {number(spread)}.", "draw-detached")


exercise.has_manners("the result has the dtype of the arguments", "it leaves the global random seed alone")
exercise.knows("The mathematics", [
    Mistake("no-sampling", "The result doesn't change from call to call, so nothing is drawn: asked for is an estimate"
            " from draws, and not the closed form."),
    Mistake("noise-drawn-once", "The result is the same in every call: draw epsilon anew in each, without fixing a"
            " seed, and compute w from it."),
    Mistake("draws-capped", "From some number on, num_samples makes no difference to what is drawn: each draw needs its"
            " own noise."),
    Mistake("draws-dependent", "The draws depend on each other: each needs noise of its own, that no other draw has a"
            " part in."),
    Mistake("two-draws", "log q and log p are taken at different draws, which adds noise: take both at the same w."),
    Mistake("noise-in-float32", "The noise is in float32, whatever mean is: torch.randn(…, dtype=mean.dtype)."),
    Mistake("num-samples-ignored", "num_samples makes no difference, or all samples share their noise."),
    Mistake("no-finite-estimate", "The estimate is infinite: is something divided by num_samples − 1, which may be 0,"
            " or is the logarithm taken of a density so small that it is 0 in float32?"),
    Mistake("estimate-cut-off", "The estimate is kept from being negative. The KL never is, but an estimate from few"
            " draws may be: cut off, it is too large on average."),
    Mistake("noise-shared-by-elements", "The elements share their noise: each draw needs an epsilon for every element,"
            " in the shape of mean."),
    Mistake("draw-detached", "The gradient doesn't go through the draws: w = mean + exp(log_std)·epsilon carries it."),
], KL, DRAWING, GRADIENTS)  # fmt: skip
exercise.knows("Your turn: the same number from draws", CODE)

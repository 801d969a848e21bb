"""The specification of lesson 07's exercise `prune_by_signal_to_noise(layer, fraction)`.

The layer is a stand-in that has the four parameters of a `BayesianLinear`, known to the grader.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Evidence, Failed
from bnn_core.autograder.interface import LearnerError, Model
from bnn_core.autograder.judging.formulas import Arguments, Formula, exactly
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.judging.values import close, expected_and_came
from bnn_core.autograder.mistakes import CODE, Mistake, mistake

Size = tuple[int, int]
Strength = Callable[[Tensor, Tensor], Tensor]
"""Of each weight, from mean and log_std."""

Leave = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""From mean, log_std and which weights are to go, what becomes of the first two."""


def case(evidence: Evidence, size: Size, fraction: float) -> Arguments:
    """Signs, means and standard deviations at random; no two weights are nearly equally strong."""
    count = size[0] * size[1]
    order = torch.randperm(count, generator=evidence.generator)
    log_ratio = torch.linspace(-4.0, 3.0, count)[order].view(size) if count > 1 else torch.zeros(size)
    log_std = evidence.uniform(-5.0, 2.5, *size)
    mean = evidence.normal(*size).sign() * (log_ratio + log_std).exp()
    return given(evidence, mean, log_std, fraction)


def given(evidence: Evidence, mean: Tensor, log_std: Tensor, fraction: float) -> Arguments:
    outputs = len(mean)
    bias = {"bias_mean": evidence.normal(outputs), "bias_log_std": evidence.uniform(-4.0, 0.0, outputs)}
    parameters = {"weight_mean": mean, "weight_log_std": log_std, **bias}
    return {"layer": Model([torch.zeros(1, outputs)], parameters), "fraction": fraction}


def inputs(evidence: Evidence) -> list[Arguments]:
    cases = [((4, 6), 0.5), ((3, 5), 0.25), ((5, 3), 0.75), ((4, 4), 0.125), ((1, 7), 0.2), ((8, 1), 0.5),
             ((10, 12), 0.9375), ((3, 5), 0.5), ((5, 7), 0.375)]  # fmt: skip
    return [case(evidence, size, fraction) for size, fraction in cases]


def inputs_at_the_ends(evidence: Evidence) -> list[Arguments]:
    ends = [case(evidence, size, fraction) for size in ((3, 4), (1, 1)) for fraction in (0.0, 1.0, 0, 1)]
    return [*ends, case(evidence, (2, 3), 0.1)]


def inputs_with_ties(evidence: Evidence) -> list[Arguments]:
    """Equally strong weights, of either sign, on both sides of what is to be removed; means that are exactly 0."""

    def tied(sizes: list[float], fraction: float) -> Arguments:
        count = len(sizes)
        order = torch.randperm(count, generator=evidence.generator)
        mean = torch.tensor(sizes)[order].view(2, -1) * evidence.normal(2, count // 2).sign()
        return given(evidence, mean, torch.full_like(mean, -2.0), fraction)

    return [
        tied([0.5] * 12, 0.5),
        tied([0.25] * 3 + [0.5] * 6 + [1.0] * 3, 0.5),
        tied([0.0] * 6 + [1.0] * 2, 0.25),
        tied([0.0] * 2 + [0.5] * 6, 0.75),
    ]


def parameters_of(layer: Any) -> tuple[Tensor, Tensor]:
    if isinstance(layer, Model):
        return layer.parameters["weight_mean"], layer.parameters["weight_log_std"]
    return layer.weight_mean.detach(), layer.weight_log_std.detach()


def ratio(mean: Tensor, log_std: Tensor) -> Tensor:
    """The signal-to-noise ratio |mean| / std."""
    return mean.abs() / log_std.exp()


def weakest(strength: Tensor, count: int) -> Tensor:
    """Which are the `count` with the smallest strength."""
    ranks = strength.flatten().argsort().argsort().view(strength.shape)
    return ranks < count


def as_zeros(mean: Tensor, log_std: Tensor, removed: Tensor) -> tuple[Tensor, Tensor]:
    return torch.where(removed, 0.0, mean), torch.where(removed, -math.inf, log_std)


def marked(choose: Callable[[Tensor, Tensor, float], Tensor]) -> Formula:
    """(mean, log_std), stacked, without the weights that this chooses."""

    def formula(layer: Any, fraction: float) -> Tensor:
        mean, log_std = parameters_of(layer)
        return torch.stack(as_zeros(mean, log_std, choose(mean, log_std, fraction)))

    return formula


def without_the_first(
    layer: Any,
    fraction: float,
    strength: Strength = ratio,
    count: Callable[[float, int], int] = lambda f, n: int(f * n),
    leave: Leave = as_zeros,
) -> Tensor:
    """(mean, log_std), stacked: what is left when so many weights go, those with the smallest strength."""
    mean, log_std = parameters_of(layer)
    removed = weakest(strength(mean, log_std), count(fraction, mean.numel()))
    return torch.stack(leave(mean, log_std, removed))


def by(strength: Strength | None = None, **options: Any) -> Formula:
    """Other weights go."""
    options |= {"strength": strength} if strength else {}
    return partial(without_the_first, **options)


def leaving(leave: Leave) -> Formula:
    """Something else is left of them."""
    return partial(without_the_first, leave=leave)


def along(dim: int) -> Formula:
    """The weakest of each row, or of each column."""

    def choose(mean: Tensor, log_std: Tensor, fraction: float) -> Tensor:
        ranks = ratio(mean, log_std).argsort(dim=dim).argsort(dim=dim)
        return ranks < int(fraction * mean.shape[dim])

    return marked(choose)


def log_std_for_removed(log_std: float) -> Formula:
    return leaving(lambda m, s, gone: (torch.where(gone, 0.0, m), torch.where(gone, log_std, s)))


def nearly_removed(std: float) -> Formula:
    """What log(σ + std) makes of a σ of 0, and of the others next to nothing."""
    return leaving(lambda m, s, gone: (torch.where(gone, 0.0, m), (torch.where(gone, 0.0, s.exp()) + std).log()))


def flattened(layer: Any, fraction: float) -> Tensor:
    return right(layer, fraction).flatten(1)


def without_gaps(layer: Any, fraction: float) -> Tensor:
    """Only the weights that stay."""
    pruned = right(layer, fraction).flatten(1)
    return pruned[:, pruned[1].isfinite()]


def padded(padding: float) -> Strength:
    return lambda mean, log_std: mean.abs() / (log_std.exp() + padding)


right = by()
RATIO = "Which weights could go?"
REMOVED = "What “removed” means"

exercise = FunctionExercise(
    "prune_by_signal_to_noise", "07_knowing_what_it_does_not_know", 3, inputs, right, parts=("mean", "log_std")
)
pair = exercise.returns(
    "it returns (mean, log_std), each in the shape of the weights", REMOVED, finite=False, mistakes=[
    *mistake("weights-flattened", "The weights come back as one long row: view(…) or reshape(…) gives them their shape"
             " again.", flattened),
    *mistake("weights-left-out", "Removed weights are missing: they stay in their places, as zeros.", without_gaps),
])  # fmt: skip


@exercise.check("none of their numbers is nan", needs=[pair])
def none_is_nan(evidence: Evidence) -> None:
    for arguments in inputs(evidence):
        if exercise.value_for(evidence, arguments).isnan().any():
            raise Failed("Some of yours are.", "infinity-times-zero")


@exercise.check("the layer stays as it was", needs=[pair])
def layer_is_left_alone(evidence: Evidence) -> None:
    for arguments in inputs(evidence)[:3]:
        layer = arguments["layer"]
        exercise.called(evidence, arguments)
        now = evidence.subject.use_of(layer).parameters
        for name, value in layer.parameters.items():
            if name not in now or not torch.equal(now[name], value):
                raise Failed(f"{name} isn't what it was.", "layer-changed")


@exercise.check("what it returns is new, and not the layer's own", needs=[pair])
def results_are_new(evidence: Evidence) -> None:
    for arguments in (*inputs(evidence)[:2], *inputs_at_the_ends(evidence)):
        shared: list[str] = []
        with contextlib.suppress(LearnerError):  # of which the check of the ends speaks
            shared = exercise.called(evidence, arguments).shared_parameters(arguments["layer"])
        if shared:
            message = f"With fraction = {arguments['fraction']} it shares its memory with {' and '.join(shared)}."
            raise Failed(message, "weights-of-the-layer")


values = exercise.equals("it removes the fraction·P weights with the smallest |mean|/std", RATIO, mistakes=[
    *mistake("strongest-removed", "The strongest weights are removed: those with the smallest ratio go.",
             by(lambda m, s: -ratio(m, s))),
    *mistake("fraction-kept", "fraction of the weights stays: it is the share that is removed.",
             by(count=lambda f, n: n - int(f * n)), by(count=lambda f, n: int((1 - f) * n))),
    *mistake("fraction-of-strongest-kept", "The strongest fraction is removed, or only the weakest fraction kept: the"
             " weakest fraction goes.", by(lambda m, s: -ratio(m, s), count=lambda f, n: n - int(f * n))),
    *mistake("sign-of-the-mean-kept", "The mean's sign is left: a weight of −2 is as strong as one of 2. Take the"
             " absolute value.", by(lambda m, s: m / s.exp()), by(lambda m, s: m)),
    *mistake("noise-ignored", "Only the size of the mean counts: divide it by the standard deviation.",
             by(lambda m, s: m.abs())),
    *mistake("signal-ignored", "Only the standard deviation counts: it divides the size of the mean.",
             by(lambda m, s: -s), by(lambda m, s: s)),
    *mistake("log-std-as-std", "The mean is divided by log_std: the standard deviation is exp(log_std).",
             by(lambda m, s: m.abs() / s), by(lambda m, s: m.abs() / s.abs()), by(lambda m, s: (m / s).abs())),
    *mistake("places-for-ranks", "argsort gives places, the weakest weight's first, and no ranks: mark the weights in"
             " the first of these places, or take argsort twice.",
             marked(lambda m, s, f: ratio(m, s).flatten().argsort().view(m.shape) < int(f * m.numel()))),
    *mistake("std-padded", "Something is added to the standard deviation, which changes the order: add nothing.",
             *(by(padded(padding)) for padding in (1.0, 0.1, 0.01))),
    *mistake("ratio-as-product", "The mean is multiplied by the standard deviation: divide by it.",
             by(lambda m, s: m.abs() * s.exp())),
    *mistake("variance-in-the-ratio", "The mean is divided by the variance, exp(2·log_std): the standard deviation is"
             " exp(log_std).", by(lambda m, s: m.abs() / (2 * s).exp())),
    *mistake("half-log-std-in-the-ratio", "The mean is divided by exp(½·log_std), or it is squared and the standard"
             " deviation isn't: the ratio is |mean|/exp(log_std).", by(lambda m, s: m.abs() / (0.5 * s).exp())),
    *mistake("difference-for-ratio", "The standard deviation is subtracted from the size of the mean: divide by it.",
             by(lambda m, s: m.abs() - s.exp())),
    *mistake("softplus-for-exp-in-the-ratio", "The standard deviation is taken as softplus(log_std): it is"
             " exp(log_std).", by(lambda m, s: m.abs() / torch.nn.functional.softplus(s))),
    *mistake("count-rounded-up", "Where fraction·P is no whole number it is rounded up, or to the nearest one: int(…)"
             " rounds down.",
             by(count=lambda f, n: math.ceil(f * n)), by(count=lambda f, n: round(f * n))),
    *mistake("quantile-for-count", "A quantile of the ratios is no count: it lies between two of them, and removes at"
             " times a weight too many. Remove int(fraction·P).", by(count=lambda f, n: math.ceil(f * (n - 1))),
             by(count=lambda f, n: int(f * (n - 1)) + 1)),
    *mistake("count-off-by-one", "One weight too many is removed, or one too few: remove int(fraction·P).",
             by(count=lambda f, n: int(f * n) + 1), by(count=lambda f, n: max(0, int(f * n) - 1))),
    *mistake("rows-counted", "The weights that go are counted by the rows, or by the columns: P is the number of all"
             " weights.", marked(lambda m, s, f: weakest(ratio(m, s), int(f * m.shape[0]))),
             marked(lambda m, s, f: weakest(ratio(m, s), int(f * m.shape[1])))),
    *mistake("pruned-row-by-row", "The same share of each row, or of each column, is removed: all weights of the layer"
             " are ranked together.", along(1), along(0)),
    *mistake("fraction-as-threshold", "Weights whose ratio is below `fraction` are removed: it is a share of their"
             " number.", marked(lambda m, s, f: ratio(m, s) < f)),
    *mistake("fraction-of-the-largest", "Weights whose ratio is below `fraction` times the largest are removed: it is a"
             " share of their number.", marked(lambda m, s, f: ratio(m, s) < f * ratio(m, s).max())),
    *mistake("noise-left", "A removed weight still has its noise: its log_std must be −∞, whose exponential is 0.",
             leaving(lambda m, s, gone: (torch.where(gone, 0.0, m), s))),
    *mistake("mean-left", "A removed weight still has its mean: that must be 0, too.",
             leaving(lambda m, s, gone: (m, torch.where(gone, -math.inf, s)))),
    *mistake("log-std-zero", "A removed weight gets log_std 0, and so a standard deviation of exp(0) = 1: it must be"
             " −∞.", log_std_for_removed(0.0)),
    *mistake("log-std-finite", "A removed weight's log_std is finite, and the weight not quite 0: it must be −∞, which"
             " -math.inf is.", *map(log_std_for_removed, (-1e9, -1e6, -1e4, -1e3, -100.0, -50.0, -30.0, -20.0, -10.0)),
             *map(nearly_removed, (1e-6, 1e-8, 1e-10, 1e-12, 1e-20))),
    *mistake("infinite-noise", "A removed weight's log_std is +∞, and its standard deviation infinite: −∞ makes it 0.",
             log_std_for_removed(math.inf)),
    *mistake("infinity-in-the-mean", "The mean of a removed weight is −∞: that is its log_std; its mean is 0.",
             leaving(lambda m, s, gone: (torch.where(gone, -math.inf, m), torch.where(gone, 0.0, s))),
             leaving(lambda m, s, gone: (torch.where(gone, -math.inf, m), torch.where(gone, -math.inf, s)))),
    *mistake("noise-of-all-removed", "The weights that stay have lost their noise: they keep mean and log_std.",
             leaving(lambda m, s, gone: (torch.where(gone, 0.0, m), torch.full_like(s, -math.inf)))),
    *mistake("std-for-log-std", "The standard deviations come back: the second one is log_std.",
             leaving(lambda m, s, gone: (torch.where(gone, 0.0, m), torch.where(gone, 0.0, s.exp())))),
    *mistake("nothing-removed", "Nothing is removed.", leaving(lambda m, s, gone: (m, s))),
    *mistake("pair-swapped", "It is (mean, log_std), in this order.",
             leaving(lambda m, s, gone: (torch.where(gone, -math.inf, s), torch.where(gone, 0.0, m)))),
    *mistake("masks-for-weights", "Zeros and ones come back: the pruned mean and log_std are asked for.",
             leaving(lambda m, s, gone: (1.0 - gone.to(m), 1.0 - gone.to(m)))),
])  # fmt: skip
exercise.equals(
    "a fraction of 0 removes nothing, and of 1 everything", RATIO, inputs=inputs_at_the_ends, mistakes=[
    *mistake("one-always-removed", "With a fraction of 0 something is removed.",
             by(count=lambda f, n: max(1, int(f * n)))),
    *mistake("slice-of-nothing", "With a fraction of 0 everything is removed: [-0:] is the same as [0:], all of it.",
             by(count=lambda f, n: int(f * n) or n)),
    *mistake("one-always-kept", "With a fraction of 1 something stays.", by(count=lambda f, n: min(n - 1, int(f * n)))),
])  # fmt: skip


@exercise.check("of equally weak weights just as many go as should", needs=[values])
def ties_are_broken(evidence: Evidence) -> None:
    for arguments in inputs_with_ties(evidence):
        came = exercise.value_for(evidence, arguments)
        layer, fraction = exactly(arguments)
        before = torch.stack(parameters_of(layer))
        removed = came[1] == -math.inf
        should = int(fraction * removed.numel())
        if int(removed.sum()) != should:
            message = f"Of {removed.numel()} weights, {should} should go; yours removes {int(removed.sum())}."
            raise Failed(message, "ties-not-broken")
        rest = torch.where(removed, torch.tensor([0.0, -math.inf], dtype=came.dtype)[:, None, None], before)
        if not close(came, rest):
            raise Failed(expected_and_came("With ties, (mean, log_std)", rest, came))
        strength = ratio(*before)
        if removed.any() and strength[removed].max() > strength[~removed].min() + 1e-6:
            raise Failed("A weight was removed that is stronger than one that stayed.")


exercise.has_manners("the results have the dtype of the weights", "it leaves the global random seed alone")
exercise.knows(RATIO, [
    Mistake("kth-of-none", "With a fraction of 0 there is no weakest weight to look for: kthvalue counts from 1. And a"
            " threshold removes all that are tied with it.", error_signs=("selected number k out of range",)),
    Mistake("ties-not-broken", "Where several weights are equally weak, too many go, or too few: a threshold can't tell"
            " them apart. Sort, and take as many as should go."),
])  # fmt: skip
exercise.knows(REMOVED, [
    Mistake("infinity-times-zero", "−∞ is multiplied by a mask: where the mask is 0, that gives nan. torch.where(kept,"
            " log_std, -math.inf) chooses and multiplies nothing."),
    Mistake("not-a-pair", "Two tensors are asked for, as a tuple: return mean, log_std."),
    Mistake("weights-of-the-layer", "The layer's own tensors come back: who changes one of them changes the layer."
            " Where nothing is removed, too, return new ones: clone() makes them."),
    Mistake("layer-changed", "Your code changes the layer: make new tensors, as torch.where or clone() do. What was"
            " learned stays in the layer."),
])  # fmt: skip
exercise.knows("Your turn: remove the weakest", CODE)

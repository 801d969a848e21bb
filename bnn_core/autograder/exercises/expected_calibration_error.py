"""The specification of lesson 07's exercise `expected_calibration_error(probs, labels, num_bins=15)`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from bnn_core.autograder.exercise import Evidence, Failed
from bnn_core.autograder.judging.formulas import Arguments, Formula, exactly
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.judging.values import close, expected_and_came
from bnn_core.autograder.mistakes import CODE, Mistake, mistake

DEFAULT_BINS = 15


def inputs(evidence: Evidence) -> list[Arguments]:
    """No bin is empty, no confidence lies on an edge, and both too much and too little confidence is there."""
    return [
        case(evidence, 60, 8, num_bins=4),
        case(evidence, 400, 40, DEFAULT_BINS, default=True),
        case(evidence, 24, 3, num_bins=1),
        case(evidence, 90, 20, num_bins=6, accuracy=0.3),
        case(evidence, 300, 30, num_bins=10),
        case(evidence, 12, 12, num_bins=3),
    ]


def inputs_with_empty_bins(evidence: Evidence) -> list[Arguments]:
    return [
        case(evidence, 1, 4, DEFAULT_BINS, default=True),
        case(evidence, 3, 3, num_bins=20),
        case(evidence, 50, 2, DEFAULT_BINS, default=True),
        case(evidence, 5, 30, num_bins=1000),
    ]


def inputs_that_are_certain(evidence: Evidence) -> list[Arguments]:
    """Some probabilities are exactly 1, and some of these predictions wrong."""
    usual = case(evidence, 40, 6, num_bins=5)
    certain = one_hot(torch.arange(12) % 6, 6).float()
    labels = torch.cat([usual["labels"], torch.arange(12) // 2])
    one_class = {"probs": torch.ones(4, 1), "labels": torch.zeros(4, dtype=torch.int64)}
    return [{"probs": torch.cat([usual["probs"], certain]), "labels": labels, "num_bins": 5}, one_class]


def inputs_on_edges(evidence: Evidence) -> list[Arguments]:
    """Confidences of whole quarters and eighths, which floats and their multiples hold exactly."""

    def on_edges(num_bins: int, confidences: list[float], right: list[bool]) -> Arguments:
        confidence = torch.tensor(confidences)
        rest = (1 - confidence)[:, None].expand(-1, 8) / 8
        labels = torch.where(torch.tensor(right), 0, 3)
        return {"probs": torch.cat([confidence[:, None], rest], dim=1), "labels": labels, "num_bins": num_bins}

    return [
        on_edges(4, [0.5, 0.5, 0.625, 0.75, 0.25, 0.4], [False, False, True, True, True, False]),
        on_edges(8, [0.25, 0.375, 0.5, 0.45, 0.55, 0.625], [True, False, True, False, False, True]),
        on_edges(2, [0.5, 0.9, 0.3], [True, False, False]),
        on_edges(4, [0.5 + 2**-11, 0.75 + 2**-18, 0.25, 0.7], [False, True, True, False]),
    ]


def inputs_with_ties(evidence: Evidence) -> list[Arguments]:
    probs = torch.tensor([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.2, 0.4, 0.4], [0.2, 0.4, 0.4], [0.6, 0.2, 0.2]])
    tied = {"probs": probs, "labels": torch.tensor([0, 1, 2, 1, 0]), "num_bins": 5}
    all_alike = {"probs": torch.full((4, 4), 0.25), "labels": torch.tensor([0, 0, 0, 2]), "num_bins": 3}
    return [tied, {**tied, "labels": torch.tensor([1, 1, 2, 2, 1]), "num_bins": 3}, all_alike]


def case(
    evidence: Evidence, examples: int, classes: int, num_bins: int, accuracy: float = 0.6, default: bool = False
) -> Arguments:
    """Confidences spread evenly, whatever they are right as often. default: num_bins is left to the function."""
    low = 1.2 / classes
    place = torch.arange(examples) + evidence.uniform(0.0, 1.0, examples)
    in_bins = (low + (1 - low) * place / examples) * num_bins
    fraction = in_bins - in_bins.floor()
    inside = torch.where((fraction - 0.5).abs() < 0.48, fraction, 0.45)  # far from edges, whatever rounds how
    confidence = (in_bins.floor() + inside) / num_bins
    prediction = torch.randint(classes, (examples,), generator=evidence.generator)
    rest = evidence.uniform(0.8, 1.0, examples, classes) * (1 - one_hot(prediction, classes))
    rest = rest / rest.sum(dim=1, keepdim=True) * (1 - confidence)[:, None]
    probs = torch.where(one_hot(prediction, classes) == 1, confidence[:, None], rest)
    other = (prediction + torch.randint(1, classes, (examples,), generator=evidence.generator)) % classes
    right = evidence.uniform(0.0, 1.0, examples) < accuracy
    arguments = {"probs": probs, "labels": torch.where(right, prediction, other)}
    return arguments if default else {**arguments, "num_bins": num_bins}


@dataclass(frozen=True)
class Bins:
    """What is known of each bin: the number of its examples, and, where that isn't 0, accuracy and confidence."""

    count: Tensor
    accuracy: Tensor
    confidence: Tensor

    @property
    def gap(self) -> Tensor:
        return (self.accuracy - self.confidence).abs()

    @property
    def share(self) -> Tensor:
        return self.count / self.count.sum()


def closed_above(confidence: Tensor, num_bins: int) -> Tensor:
    return (confidence * num_bins).ceil().long().clamp(1, num_bins) - 1


def closed_below(confidence: Tensor, num_bins: int) -> Tensor:
    return (confidence * num_bins).floor().long().clamp(0, num_bins - 1)


def nearest_edge(confidence: Tensor, num_bins: int) -> Tensor:
    """Its number, from 0 to num_bins."""
    return (confidence * num_bins).round().long()


Binning = Callable[[Tensor, int], Tensor]
"""From confidences and a number of bins to the bin of each, from 0."""


def bins_of(confidence: Tensor, correct: Tensor, num_bins: int, binning: Binning = closed_above) -> Bins:
    bins = one_hot(binning(confidence, num_bins)).to(confidence.dtype)
    count = bins.sum(dim=0)
    total = count.clamp_min(1)
    return Bins(count, (correct.to(confidence.dtype) @ bins) / total, (confidence @ bins) / total)


def expected(bins: Bins) -> Tensor:
    return (bins.share * bins.gap).sum()


def number_of_bins(
    P: Tensor,
    y: Tensor,
    M: int = DEFAULT_BINS,
    *,
    combine: Callable[[Bins], Tensor] = expected,
    binning: Binning = closed_above,
    confidence: Callable[[Tensor, Tensor], Tensor] = lambda P, y: P.amax(dim=1),
    correct: Callable[[Tensor, Tensor], Tensor] = lambda P, y: P.argmax(dim=1) == y,
    num_bins: Callable[[int], int] = lambda M: M,
) -> Tensor:
    """The number that `combine` makes of the bins."""
    return combine(bins_of(confidence(P, y), correct(P, y), num_bins(M), binning))


def combined(combine: Callable[[Bins], Tensor], **options: Any) -> Formula:
    """Another number made of the bins."""
    return partial(number_of_bins, combine=combine, **options)


def of(**options: Any) -> Formula:
    """The calibration error of another confidence, of other right answers, or of other bins."""
    return partial(number_of_bins, **options)


def each(value: Callable[[Tensor, Tensor], Tensor]) -> Formula:
    """What needs no bins, from confidences and right answers."""
    return lambda P, y, M=DEFAULT_BINS: value(P.amax(dim=1), (P.argmax(dim=1) == y).to(P.dtype))


def without_certain(P: Tensor, y: Tensor, M: int = DEFAULT_BINS) -> Tensor:
    kept = P.amax(dim=1) < 1
    return number_of_bins(P[kept], y[kept], M) * kept.double().mean() if kept.any() else P.new_zeros(())


def classwise(average: bool) -> Formula:
    def formula(P: Tensor, y: Tensor, M: int = DEFAULT_BINS) -> Tensor:
        errors = [expected(bins_of(P[:, c], y == c, M)) for c in range(P.shape[1])]
        total = torch.stack(errors).sum()
        return total / len(errors) if average else total

    return formula


def all_probabilities(P: Tensor, y: Tensor, M: int = DEFAULT_BINS) -> Tensor:
    """Each class of each example as a yes or no, in the same bins."""
    return expected(bins_of(P.flatten(), one_hot(y, P.shape[1]).flatten(), M))


def equally_filled(P: Tensor, y: Tensor, M: int = DEFAULT_BINS) -> Tensor:
    confidence, order = P.amax(dim=1).sort()
    correct = (P.argmax(dim=1) == y)[order]
    ranks = torch.arange(len(P))
    return expected(bins_of(confidence, correct, M, lambda c, M: ranks * M // len(ranks)))


def filled_in_turn(P: Tensor, y: Tensor, M: int = DEFAULT_BINS) -> Tensor:
    """As torch.tensor_split cuts them: the first bins hold one more where they can't all hold as many."""
    confidence, order = P.amax(dim=1).sort()
    correct = (P.argmax(dim=1) == y)[order]
    sizes = torch.tensor([len(part) for part in torch.arange(len(P)).tensor_split(M)])
    return expected(bins_of(confidence, correct, M, lambda c, M: torch.arange(M).repeat_interleave(sizes)))


def from_chance(P: Tensor, y: Tensor, M: int = DEFAULT_BINS) -> Tensor:
    """Bins from 1/C to 1."""
    low = 1 / P.shape[1]
    return expected(
        bins_of(P.amax(dim=1), P.argmax(dim=1) == y, M, lambda c, M: closed_above((c - low) / (1 - low), M))
    )


def some_bins(first: int, last: int) -> Formula:
    """The error without the bins before number `first`, or after the last but `last`."""

    def formula(P: Tensor, y: Tensor, M: int = DEFAULT_BINS) -> Tensor:
        bins = bins_of(P.amax(dim=1), P.argmax(dim=1) == y, M)
        return (bins.share * bins.gap)[first : max(0, M - last)].sum()

    return formula


def one_bin(place: int) -> Formula:
    """The gap of the first filled bin, or of the last, by its share."""
    return combined(lambda bins: (bins.share * bins.gap)[bins.count > 0][place])


def stretched(P: Tensor, y: Tensor, M: int = DEFAULT_BINS) -> Tensor:
    """Bins from the smallest to the largest confidence."""
    confidence = P.amax(dim=1)
    low, high = confidence.min(), confidence.max()
    return expected(
        bins_of(confidence, P.argmax(dim=1) == y, M, lambda c, M: closed_above((c - low) / (high - low + 1e-30), M))
    )


def middles(bins: Bins) -> Tensor:
    """Of all bins, the empty ones among them; the number of bins is that of the last one filled."""
    return (torch.arange(len(bins.count)) + 0.5) / len(bins.count)


def in_intervals(holds: Callable[[Tensor, float, float], Tensor]) -> Formula:
    """The error of bins that each hold the confidences of which this says so, given their edges."""

    def formula(P: Tensor, y: Tensor, M: int = DEFAULT_BINS) -> Tensor:
        confidence = P.amax(dim=1)
        excess = (P.argmax(dim=1) == y).to(P.dtype) - confidence
        gaps = [excess[holds(confidence, m / M, (m + 1) / M)].sum().abs() for m in range(M)]
        return torch.stack(gaps).sum() / len(P)

    return formula


right = of()
BINS = "Sure, and how often right"
EDGES = "Where the bins begin and end"

exercise = FunctionExercise("expected_calibration_error", "07_knowing_what_it_does_not_know", 4, inputs, right)
exercise.returns("it returns one number, as a tensor", scalar="calibration")
exercise.keeps_arguments("probs and labels stay as they were")
values = exercise.equals("it is the gap of each bin, averaged over the examples", BINS, mistakes=[
    *mistake("bins-not-weighted", "Each bin counts the same: weigh its gap by its share of the examples, n/B.",
             combined(lambda b: b.gap.mean()), combined(lambda b: b.gap.sum())),
    *mistake("worst-bin", "This is the gap of the worst bin: average the gaps, weighted by the bins' shares.",
             combined(lambda b: b.gap.max())),
    *mistake("gaps-squared", "The gaps are squared: take their absolute values.",
             combined(lambda b: (b.share * b.gap**2).sum()), combined(lambda b: (b.share * b.gap**2).sum().sqrt())),
    *mistake("gap-signs-cancel", "The gaps are added with their signs, so too much confidence in one bin makes up for"
             " too little in another: take absolute values.",
             combined(lambda b: (b.share * (b.accuracy - b.confidence)).sum()),
             combined(lambda b: (b.share * (b.confidence - b.accuracy)).sum()),
             combined(lambda b: (b.accuracy - b.confidence).mean()),
             combined(lambda b: (b.confidence - b.accuracy).mean())),
    *mistake("only-too-sure", "Only bins in which the confidence is too large count, or only those in which it is too"
             " small: take absolute values.",
             combined(lambda b: (b.share * (b.confidence - b.accuracy).clamp_min(0)).sum()),
             combined(lambda b: (b.share * (b.accuracy - b.confidence).clamp_min(0)).sum())),
    *mistake("one-bin-for-all", "Gaps of opposite sign cancel: all examples are compared together, or the absolute"
             " value is taken of the sum. Take it of the gap of each bin.",
             each(lambda c, r: (r.mean() - c.mean()).abs())),
    *mistake("gap-of-each-example", "Each example's confidence is compared with its own 0 or 1: average within the bin"
             " first, and compare the averages.", each(lambda c, r: (r - c).abs().mean())),
    *mistake("squared-error-for-calibration", "This is a mean squared error, and no average of gaps.",
             each(lambda c, r: (r - c).square().mean()),
             lambda P, y, M=15: (P - one_hot(y, P.shape[1])).square().sum(dim=1).mean()),
    *mistake("middle-for-confidence", "The middle of the bin stands for the confidence: average the confidences of its"
             " examples.", combined(lambda b: (b.share * (b.accuracy - middles(b)).abs()).sum())),
    *mistake("edge-for-confidence", "An edge of the bin stands for the confidence: average the confidences of its"
             " examples.", combined(lambda b: (b.share * (b.accuracy - middles(b) - 0.5 / len(b.count)).abs()).sum()),
             combined(lambda b: (b.share * (b.accuracy - middles(b) + 0.5 / len(b.count)).abs()).sum())),
    *mistake("probability-of-the-label", "The probability of the label is taken for the confidence, which is the"
             " largest probability: in use nobody knows the label.",
             of(confidence=lambda P, y: P[torch.arange(len(P)), y])),
    *mistake("error-for-accuracy", "The share of wrong predictions is compared with the confidence: accuracy is the"
             " share of right ones.", of(correct=lambda P, y: P.argmax(dim=1) != y)),
    *mistake("classes-apart", "The probabilities of all classes are binned: here only the confidence, the largest one,"
             " counts.", classwise(True), classwise(False), all_probabilities),
    *mistake("calibration-not-divided", "The sum isn't divided by the number of examples.",
             combined(lambda b: (b.count * b.gap).sum())),
    *mistake("accuracy-over-all", "The right answers of a bin are divided by the number of all examples: divide by how"
             " many are in the bin.",
             combined(lambda b: (b.share * (b.accuracy * b.share - b.confidence).abs()).sum())),
    *mistake("share-twice", "The bin's share of the examples enters twice: averages in a bin are over its own examples,"
             " and the gap is weighted once.", combined(lambda b: (b.share**2 * b.gap).sum())),
    *mistake("accuracy-not-divided", "The right answers of a bin, or its confidences, are added up and not divided by"
             " how many examples are in the bin.",
             combined(lambda b: (b.share * (b.count * b.accuracy - b.confidence).abs()).sum()),
             combined(lambda b: (b.share * (b.accuracy - b.count * b.confidence).abs()).sum()),
             combined(lambda b: (b.share * b.count * b.gap).sum())),
    *mistake("average-of-all-in-each-bin", "In each bin the accuracy, or the confidence, is that of all examples:"
             " average over those in the bin.",
             combined(lambda b: (b.share * ((b.share * b.accuracy).sum() - b.confidence).abs()).sum()),
             combined(lambda b: (b.share * (b.accuracy - (b.share * b.confidence).sum()).abs()).sum())),
    *mistake("labels-from-one", "Classes are counted from 1: labels, like places in probs, begin with 0.",
             of(correct=lambda P, y: P.argmax(dim=1) + 1 == y)),
    *mistake("bins-rounded", "Confidences are rounded to the nearest edge: a bin holds what lies between its edges.",
             combined(lambda b: (b.share * b.gap)[1:].sum(), binning=nearest_edge), of(binning=nearest_edge),
             of(binning=lambda c, M: nearest_edge(c, M).clamp_max(M - 1))),
    *mistake("calibration-miscounted", "The sum is divided by the number of bins, or by that of all probabilities:"
             " divide by the number of examples, B.", lambda P, y, M=15: len(P) * right(P, y, M) / M,
             lambda P, y, M=15: right(P, y, M) / P.shape[1]),
    *mistake("one-bin-counts", "Only one bin counts: a return inside the loop ends it, and = in place of += forgets"
             " what came before.", one_bin(0), one_bin(-1)),
    *mistake("bin-left-out", "The first bin, or the last, is left out: range(M) runs over all M.",
             some_bins(1, 0), some_bins(0, 1)),
    *mistake("bins-from-chance", "The bins begin at 1/C, below which no confidence lies: they divide the interval from"
             " 0 to 1.", from_chance),
    *mistake("default-bins", "Where num_bins isn't given there are 15 bins: that is the default in the signature.",
             lambda P, y, M=10: right(P, y, M), lambda P, y, M=20: right(P, y, M)),
    *mistake("softmax-again", "softmax is applied: probs are probabilities already.",
             of(confidence=lambda P, y: torch.softmax(P, dim=1).amax(dim=1))),
    *mistake("calibration-in-percent", "This is in per cent: a number from 0 to 1 is asked for.",
             combined(lambda b: 100 * expected(b))),
    *mistake("bins-equally-filled", "The bins hold equally many examples: they are equally wide, from 0 to 1.",
             equally_filled, filled_in_turn),
    *mistake("bins-stretched", "The bins begin at the smallest confidence and end at the largest: they divide the"
             " interval from 0 to 1.", stretched),
    *mistake("num-bins-ignored", "num_bins changes nothing.", of(num_bins=lambda M: DEFAULT_BINS),
             of(num_bins=lambda M: 10)),
    *mistake("bins-miscounted", "There is a bin too few, or too many: M bins have M + 1 edges.",
             of(num_bins=lambda M: max(1, M - 1)), of(num_bins=lambda M: M + 1),
             lambda P, y, M=15: of(num_bins=lambda M: M - 1)(P, y, M) if M > 1 else P.new_zeros(())),
    *mistake("accuracy-alone", "This is the accuracy, or the share of errors.", each(lambda c, r: r.mean()),
             each(lambda c, r: 1 - r.mean())),
    *mistake("confidence-alone", "This is the average confidence, or 1 less that.", each(lambda c, r: c.mean()),
             each(lambda c, r: 1 - c.mean())),
])  # fmt: skip


@exercise.check("empty bins add nothing", needs=[values])
def empty_bins_add_nothing(evidence: Evidence) -> None:
    for arguments in inputs_with_empty_bins(evidence):
        came = exercise.value_for(evidence, arguments)
        expected = exercise.right(*exactly(arguments))
        if not close(came, expected):
            message = expected_and_came("With examples in few of the bins it", expected, came)
            raise Failed(message, "empty-bin-divides" if not came.isfinite() else what_counts(came, expected))


def what_counts(came: Tensor, expected: Tensor) -> str:
    """The mistake in which bins are taken in: too many of them make the result larger."""
    return "empty-bin-counts" if came > expected else "filled-bin-left-out"


exercise.equals(
    "a confidence of exactly 1 counts, in the last bin", EDGES, inputs=inputs_that_are_certain, mistakes=[
    *mistake("certain-left-out", "Predictions with a confidence of exactly 1 fall into no bin: the last bin holds its"
             " upper edge.", without_certain),
])  # fmt: skip
exercise.equals("a confidence on an edge belongs to the bin below it", EDGES, inputs=inputs_on_edges, mistakes=[
    *mistake("bins-closed-below", "A confidence on an edge is put into the bin above it: a bin holds its upper edge,"
             " and not its lower one.", of(binning=closed_below)),
    *mistake("edges-in-both-bins", "A confidence on an edge is counted in both bins that it touches: a bin holds its"
             " upper edge, and not its lower one.", in_intervals(lambda c, low, high: (low <= c) & (c <= high))),
    *mistake("edges-in-no-bin", "A confidence on an edge is counted in no bin: a bin holds its upper edge.",
             in_intervals(lambda c, low, high: (low < c) & ((c < high) | (high == 1)))),
])  # fmt: skip
exercise.equals("of equally likely classes the first one is the prediction", BINS, inputs=inputs_with_ties, mistakes=[
    *mistake("tie-counts-as-right", "Where two classes are equally likely, either counts as right: the prediction is"
             " the first of them, as argmax says.",
             of(correct=lambda P, y: P[torch.arange(len(P)), y] == P.amax(dim=1))),
    *mistake("last-of-the-tied", "Where two classes are equally likely, the last one is predicted: the prediction is"
             " the first of them, as argmax says.",
             of(correct=lambda P, y: P.shape[1] - 1 - P.flip(1).argmax(dim=1) == y)),
])  # fmt: skip
exercise.has_manners("the result has the dtype of probs", "it leaves the global random seed alone")
exercise.knows(EDGES, [
    Mistake("empty-bin-divides", "A bin without examples gives nan, 0 divided by 0: pass over it, or take its"
            " gap for 0."),
    Mistake("empty-bin-counts", "Bins without examples change the result: they have no gap, and a share of 0."),
    Mistake("filled-bin-left-out", "Where few bins hold examples something of them is lost: every example counts, also"
            " one that is alone in its bin, and whether it is right or wrong."),
    Mistake("bin-beyond-the-last", "A confidence of exactly 1 gets the number of a bin that there isn't: the last bin,"
            " number M − 1, holds its upper edge.",
            error_signs=("is out of bounds for", "index out of range", "list index out of range")),
])  # fmt: skip
exercise.knows(BINS, [
    Mistake("elementwise-shapes", "Tensors are combined whose shapes don't fit: confidence, prediction and labels have"
            " one number for each example, (B,); the largest probability of an example is that over dim=1.",
            error_signs=("must match the size of tensor b",)),
])  # fmt: skip
exercise.knows("Your turn: the gap between sure and right", CODE, [
    Mistake("calibration-not-a-tensor", "The calibration error is a {what}, not a tensor."),
    Mistake("calibration-not-reduced", "There is a value for each bin, or for each example: one number is asked for."),
    Mistake("calibration-scalar-shape", "The calibration error has shape {what}: a scalar has shape ()."),
])  # fmt: skip

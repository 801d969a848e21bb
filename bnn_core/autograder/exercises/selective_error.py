"""The specification of lesson 08's exercise `selective_error(confidence, correct, coverage)`.

Which answers are right is laid down by rank of confidence, so that one example more or less shows, and the ranks are
then shuffled. Where equals stand at the border they are all right or all wrong: it doesn't matter which of them is
kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Evidence, Failed
from bnn_core.autograder.judging.formulas import Arguments, Formula, exactly
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.judging.manners import require_own_seed
from bnn_core.autograder.judging.values import close, described, expected_and_came
from bnn_core.autograder.mistakes import CODE, Mistake, mistake

Count = Callable[[float, int], int]
"""How many of so many examples are kept at a coverage."""


def in_random_order(
    evidence: Evidence, confidence: Tensor, right_by_rank: Sequence[int], coverage: float, dtype: torch.dtype
) -> Arguments:
    """confidence: from the largest to the smallest.   right_by_rank: 1 where that example's answer is right."""
    order = torch.randperm(len(confidence), generator=evidence.generator)
    correct = torch.tensor(right_by_rank)[order].to(dtype)
    return {"confidence": confidence[order], "correct": correct, "coverage": coverage}


def probabilities(evidence: Evidence, size: int) -> Tensor:
    """Falling, from nearly 1 to nearly 0, no two alike, and most of them high, as a classifier's are."""
    steps = (torch.arange(size) + evidence.uniform(0.2, 0.8, size)) / size
    return 1 - steps**2


# Right (1) and wrong (0) by rank of confidence: the surest comes first.
MIXED = [1, 0, 1, 1, 1, 0, 1, 0, 0, 1, 0]
LONG = [1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0]


def usual_inputs(evidence: Evidence) -> list[Arguments]:
    """Probabilities, and a coverage that leaves some examples out; what is kept is never a whole number before it is
    rounded up, but in the last."""

    def case(right_by_rank: Sequence[int], coverage: float, dtype: torch.dtype = torch.bool) -> Arguments:
        confidence = probabilities(evidence, len(right_by_rank))
        return in_random_order(evidence, confidence, right_by_rank, coverage, dtype)

    return [
        case(MIXED, 0.4),  # 4.4: five are kept
        case(LONG, 0.25),  # 6.75: seven
        case(LONG, 0.6),  # 16.2: seventeen
        case(MIXED, 0.72),  # 7.92: eight
        case([1, 1, 1, 0, 0, 1, 0], 0.7),  # 4.9: five
        case([0, 1, 1], 0.5),  # 1.5: two
        case(MIXED[:8], 0.5),  # four, exactly
        case(LONG, 0.22224),  # 6.0005: seven
    ]


def corner_inputs(evidence: Evidence) -> list[Arguments]:
    """A single example; a coverage that comes to less than one example; all examples; all right, all wrong."""

    def case(right_by_rank: Sequence[int], coverage: float) -> Arguments:
        confidence = probabilities(evidence, len(right_by_rank))
        return in_random_order(evidence, confidence, right_by_rank, coverage, torch.bool)

    return [
        case(MIXED, 0.01),
        case([0, 1, 1, 1], 0.05),
        case(MIXED, 1.0),
        case(LONG, 1),
        case([1], 1.0),
        case([0], 0.3),
        case([1] * 5, 0.5),
        case([0] * 5, 0.5),
    ]


def tied_inputs(evidence: Evidence) -> list[Arguments]:
    """Equals at the border, all right or all wrong, some of which don't fit; and surer ones than these."""
    several = torch.tensor([0.9, 0.9, 0.8, 0.6, 0.6, 0.6, 0.6, 0.6, 0.3, 0.2])
    saturated = torch.tensor([1.0, *[0.7] * 9])
    return [
        in_random_order(evidence, several, [1, 1, 1, 0, 0, 0, 0, 0, 1, 0], 0.45, torch.bool),
        in_random_order(evidence, several, [0, 1, 0, 1, 1, 1, 1, 1, 0, 0], 0.55, torch.bool),
        in_random_order(evidence, saturated, [0] + [1] * 9, 0.35, torch.bool),
        in_random_order(evidence, saturated, [1] + [0] * 9, 0.35, torch.bool),
    ]


def any_confidence(evidence: Evidence) -> list[Arguments]:
    """Entropies with a minus, logits of either sign, large ones, and numbers that only float64 tells apart."""
    falling = probabilities(evidence, len(LONG))
    usual = [
        in_random_order(evidence, confidence, LONG, 0.3, torch.bool)
        for confidence in (falling - 2.3, 8 * falling - 5, 1e4 * falling)
    ]
    nearly_one = 1 - 1e-9 * (1 - probabilities(evidence, 100).double())
    return [*usual, in_random_order(evidence, nearly_one, [1] * 50 + [0] * 50, 0.3, torch.bool)]


def any_correct(evidence: Evidence) -> list[Arguments]:
    dtypes = (torch.int64, torch.float32, torch.float64, torch.uint8)
    return [in_random_order(evidence, probabilities(evidence, 11), MIXED, 0.4, dtype) for dtype in dtypes]


def rounded_up(coverage: float, size: int) -> int:
    return math.ceil(coverage * size * (1 - 1e-9))


def surest_first(confidence: Tensor) -> Tensor:
    return confidence.argsort(descending=True, stable=True)


def value_of_first(
    confidence: Tensor,
    correct: Tensor,
    coverage: float,
    kept: Count = rounded_up,
    order: Callable[[Tensor], Tensor] = surest_first,
    value: Callable[[Tensor, Tensor], Tensor] = lambda wrong, confidence: wrong.mean(),
) -> Tensor:
    """What `value` makes of the first ones in this order: whether each is wrong (1) or not, and its confidence."""
    first = order(confidence)[: kept(coverage, len(confidence))]
    return value((1 - correct.to(confidence.dtype))[first], confidence[first])


def of_kept(**options: Any) -> Formula:
    """The error with another number, another order or another value of the kept ones."""
    return partial(value_of_first, **options)


def where(mask: Callable[[Tensor, float], Tensor]) -> Formula:
    """The error among the examples whose confidence, given the coverage, fulfils a condition."""

    def formula(confidence: Tensor, correct: Tensor, coverage: float) -> Tensor:
        return 1 - correct.to(confidence.dtype)[mask(confidence, coverage)].mean()

    return formula


def above_quantile(confidence: Tensor, level: float, strictly: bool = False) -> Tensor:
    threshold = torch.quantile(confidence, level)
    return confidence > threshold if strictly else confidence >= threshold


def last_kept(confidence: Tensor, coverage: float) -> Tensor:
    return confidence.sort(descending=True).values[rounded_up(coverage, len(confidence)) - 1]


def first_left_out(confidence: Tensor, coverage: float) -> Tensor:
    nothing = torch.full((1,), -torch.inf, dtype=confidence.dtype)
    return torch.cat([confidence.sort(descending=True).values, nothing])[rounded_up(coverage, len(confidence))]


def ranks_taken_for_places(confidence: Tensor, coverage: float) -> Tensor:
    return confidence.argsort(descending=True) < rounded_up(coverage, len(confidence))


def sorted_apart(confidence: Tensor, correct: Tensor, coverage: float, wrong_first: bool = False) -> Tensor:
    kept = rounded_up(coverage, len(confidence))
    return 1 - correct.to(confidence.dtype).sort(descending=not wrong_first).values[:kept].mean()


def over_all(divisor: Callable[[float, int], float]) -> Formula:
    """The wrong ones among those kept, divided by something else than their number."""

    def formula(confidence: Tensor, correct: Tensor, coverage: float) -> Tensor:
        return of_kept(value=lambda wrong, _: wrong.sum())(confidence, correct, coverage) / divisor(
            coverage, len(confidence)
        )

    return formula


def averaged_curve(wrong: Tensor, confidence: Tensor) -> Tensor:
    return (wrong.cumsum(dim=0) / torch.arange(1, len(wrong) + 1)).mean()


right = of_kept()


def all_but(coverage: float, size: int) -> int:
    return size - rounded_up(coverage, size)


WHICH = [
    *mistake("least-sure-kept", "The examples with the lowest confidence are kept: sort from high to low.",
             of_kept(order=lambda confidence: confidence.argsort())),
    *mistake("error-of-the-rejected", "This is the error of the examples that are left out; the question is how often"
             " the kept ones are wrong.",
             of_kept(kept=all_but, order=lambda confidence: confidence.argsort())),
    *mistake("coverage-as-rejected", "Coverage is the share that is kept; you leave out that share.",
             of_kept(kept=all_but), where(lambda confidence, c: above_quantile(confidence, c)),
             of_kept(kept=lambda c, n: max(1, rounded_up(1 - c, n)))),
    *mistake("threshold-on-confidence", "Coverage is compared with the confidence itself. It is a share of the"
             " examples: find out how many that is, and keep so many.",
             where(lambda confidence, c: confidence >= c), where(lambda confidence, c: confidence >= 1 - c),
             where(lambda confidence, c: confidence <= c)),
    *mistake("kept-rounded-down", "You round the number of kept examples down: it is rounded up, so that at least the"
             " given share is answered, and at least one example.",
             of_kept(kept=lambda c, n: max(1, math.floor(c * n + 1e-9)))),
    *mistake("kept-rounded", "You round the number of kept examples to the nearest whole number: it is rounded up.",
             of_kept(kept=lambda c, n: max(1, round(c * n)))),
    *mistake("one-too-many", "One example too many is kept where coverage·N is a whole number: ⌈4.0⌉ is 4. math.ceil"
             " does it.", of_kept(kept=lambda c, n: math.floor(c * n) + 1)),
    *mistake("one-too-many", "One example too many is kept: [:k] holds k of them.",
             of_kept(kept=lambda c, n: rounded_up(c, n) + 1)),
    *mistake("border-left-out", "The last of the examples that should be kept is left out: > where >= is meant, or k −"
             " 1 for k.", of_kept(kept=lambda c, n: rounded_up(c, n) - 1)),
    *mistake("quantile-interpolated", "torch.quantile gives a value between two examples, and rounds in its own way, so"
             " another number of examples lies above it. Count them out: sort, and take the first ⌈coverage·N⌉.",
             where(lambda confidence, c: above_quantile(confidence, 1 - c)),
             where(lambda confidence, c: above_quantile(confidence, 1 - c, strictly=True))),
    *mistake("not-sorted", "The first examples are kept as they come, whatever their confidence.",
             of_kept(order=lambda confidence: torch.arange(len(confidence)))),
    *mistake("not-sorted", "The last examples are kept as they come, whatever their confidence.",
             of_kept(order=lambda confidence: torch.arange(len(confidence)).flip(0))),
    *mistake("surest-left-out", "The surest example is left out: [:k] begins with it.",
             of_kept(order=lambda confidence: surest_first(confidence).roll(-1))),
    *mistake("distance-from-a-half", "The examples are ordered by how far their confidence is from ½: the largest"
             " confidence is the surest.", of_kept(order=lambda confidence: surest_first((confidence - 0.5).abs()))),
    *mistake("order-for-rank", "argsort gives the places of the surest examples, one after the other; you read it as"
             " the rank of each example. Index with it: correct[order[:k]].", where(ranks_taken_for_places)),
    *mistake("correct-not-reordered", "correct takes part in the order, sorted by itself or multiplied with confidence:"
             " the order is that of confidence alone, and correct follows it.", sorted_apart,
             partial(sorted_apart, wrong_first=True)),
    *mistake("kept-of-ten", "The number of examples is taken for 10 each time: it is len(confidence).",
             of_kept(kept=lambda c, n: rounded_up(c, 10))),
    *mistake("coverage-ignored", "All examples are kept, whatever the coverage.", of_kept(kept=lambda c, n: n)),
]  # fmt: skip

VALUE = [
    *mistake("accuracy-for-error", "This is the share of right answers; the error is the share of wrong ones.",
             of_kept(value=lambda wrong, _: 1 - wrong.mean())),
    *mistake("divided-by-all", "The wrong ones among the kept are divided by all N examples; divide by how many are"
             " kept.", over_all(lambda c, n: n)),
    *mistake("divided-by-unrounded", "The wrong ones are divided by coverage·N, which is no whole number: divide by how"
             " many are kept.", over_all(lambda c, n: c * n)),
    *mistake("errors-counted", "The wrong answers are counted; divide by how many examples are kept.",
             over_all(lambda c, n: 1)),
    *mistake("errors-counted", "The right answers are counted; asked for is the share of wrong ones.",
             of_kept(value=lambda wrong, _: (1 - wrong).sum())),
    *mistake("error-in-percent", "The error is given in percent; asked for is a share, between 0 and 1.",
             of_kept(value=lambda wrong, _: 100 * wrong.mean())),
    *mistake("only-the-last", "Only the last of the kept examples is looked at: average over all of them.",
             of_kept(value=lambda wrong, _: wrong[-1])),
    *mistake("confidence-for-correctness", "You average the confidence: what the model claims, and not how often it is"
             " wrong.", of_kept(value=lambda _, confidence: 1 - confidence.mean()),
             of_kept(value=lambda _, confidence: confidence.mean())),
    *mistake("weighted-by-confidence", "Each example counts in proportion to its confidence; all that are kept count"
             " the same.", of_kept(value=lambda wrong, confidence: (wrong * confidence).sum() / confidence.sum()),
             of_kept(value=lambda wrong, confidence: (wrong * confidence).mean())),
    *mistake("curve-averaged", "This is the average of the errors at all coverages up to this one, as for the area"
             " under the curve; asked for is the error at this one.", of_kept(value=averaged_curve)),
]  # fmt: skip

SECTION = "How often is it wrong when it answers?"

exercise = FunctionExercise("selective_error", "08_acting_on_uncertainty", 3, usual_inputs, right)
exercise.returns("it returns one number, as a tensor", scalar="error")
exercise.keeps_arguments("confidence and correct stay as they were")
main = exercise.equals(
    "it is the share of wrong answers among the surest ⌈coverage·N⌉ examples", SECTION, WHICH + VALUE
)


@exercise.check("at least one example is kept, and at a coverage of 1 all of them", needs=[main])
def corners(evidence: Evidence) -> None:
    for arguments in corner_inputs(evidence):
        reply = exercise.called(evidence, arguments)
        came, expected = exercise.value(reply, finite=False), exercise.right(*exactly(arguments))
        if came.shape != () or not close(came, expected):
            message = expected_and_came(f"For {described(arguments)} it", expected, came)
            not_all = "not-all-kept" if arguments["coverage"] == 1 else None
            raise Failed(message, "none-kept" if came.isnan().all() else not_all)


exercise.equals(
    "among equals at the border as many are kept as fit, whichever they are", SECTION, inputs=tied_inputs, mistakes=[
    *mistake("equals-all-kept", "All examples with the confidence of the border are kept, so that there are more than"
             " ⌈coverage·N⌉: keep a number of examples, not all above a threshold.",
             where(lambda confidence, c: confidence >= last_kept(confidence, c))),
    *mistake("equals-left-out", "Examples with the confidence of the border are left out, so that there are fewer than"
             " ⌈coverage·N⌉: keep a number of examples, not all above a threshold.",
             where(lambda confidence, c: confidence > first_left_out(confidence, c))),
])  # fmt: skip


def inverted_bit_by_bit(confidence: Tensor, correct: Tensor, coverage: float) -> Tensor:
    """~ of whole numbers is −1 − x, which is 2 less than 1 − x."""
    is_whole = correct.dtype != torch.bool and not correct.is_floating_point()
    return right(confidence, correct, coverage) - (2 if is_whole else 0)


def below_one(confidence: Tensor) -> Tensor:
    return confidence.clamp(0, 1)


exercise.equals(
    "confidence may be any real numbers, of either sign", SECTION, inputs=any_confidence,
    otherwise="confidence-not-told-apart", mistakes=[
    *mistake("confidence-without-sign", "The sign of the confidence is lost: −0.1 is larger than −2, and so surer.",
             of_kept(order=lambda confidence: surest_first(confidence.abs())),
             of_kept(order=lambda confidence: surest_first(confidence.square()))),
    *mistake("confidence-clamped", "Confidences outside 0 to 1 are cut off, and no longer told apart: they need not be"
             " probabilities.", of_kept(order=lambda confidence: surest_first(below_one(confidence)))),
    *mistake("confidence-rounded", "Confidences that differ by 1e-10 are no longer told apart: keep confidence in its"
             " own dtype.", of_kept(order=lambda confidence: surest_first(confidence.float()))),
])  # fmt: skip
exercise.equals("correct may be True and False, or 1 and 0 in any dtype", SECTION, inputs=any_correct, mistakes=[
    Mistake("not-of-a-number", "~ turns round truth values only: of real numbers it makes nothing, and of 1 it makes"
            " −2. Write 1 − x with x.float(), or x == 0.",
            inverted_bit_by_bit, error_signs=("bitwise_not", "operator.invert")),
    Mistake("only-true-is-right", "Only True counts as right: a 1 means the same, whatever its dtype.",
            lambda *a: right(*a) if a[1].dtype == torch.bool else torch.ones((), dtype=a[0].dtype)),
])  # fmt: skip


@exercise.check("it leaves the global random seed alone", needs=[main])
def leaves_the_seed_alone(evidence: Evidence) -> None:
    arguments = usual_inputs(evidence)[0]
    require_own_seed(evidence.subject, lambda: exercise.called(evidence, arguments))


exercise.knows("Your turn: the error of those that it answers", [
    Mistake("mean-of-truth-values", "Truth values and whole numbers have no mean in PyTorch: make real numbers of them"
            " first, with .float().",
            error_signs=("mean(): could not infer output dtype", "Input dtype must be either a floating point")),
    Mistake("minus-of-truth-values", "True and False can't be subtracted: 1 − x wants x.float(), and ~x turns truth"
            " values round.", error_signs=("with a bool tensor",)),
    Mistake("confidence-not-told-apart", "It is right for usual probabilities, and not for all numbers: confidences are"
            " cut off, put through exp, log or a sigmoid, or held in half precision. Order them as they come."),
    Mistake("none-kept", "No example is kept, and the mean of nothing is nan: round up, so that at least one is kept."),
    Mistake("not-all-kept", "At a coverage of 1 all examples are kept, and the error is the ordinary one: yours leaves"
            " some out, or counts them otherwise."),
    Mistake("error-not-a-tensor", "The error is a {what}, not a tensor."),
    Mistake("error-not-reduced", "There is more than one number: average over the examples that are kept."),
    Mistake("error-scalar-shape", "The error has shape {what}: a scalar has shape ()."),
], CODE)  # fmt: skip

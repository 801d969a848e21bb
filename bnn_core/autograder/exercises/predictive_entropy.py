"""The specification of lesson 07's exercise `predictive_entropy(probs)`."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from bnn_core.autograder.exercise import Evidence, Failed
from bnn_core.autograder.judging.formulas import Arguments, exactly
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.judging.values import close, expected_and_came
from bnn_core.autograder.mistakes import CODE, Mistake, mistake

Measure = Callable[[Tensor], Tensor]
"""Of probabilities, S × B × C."""


def drawn(evidence: Evidence, draws: int, inputs: int, classes: int, temperature: float = 1.5) -> Tensor:
    """S × B × C probabilities, none of which is 0; the larger the temperature, the nearer to 0 and 1."""
    return torch.softmax(temperature * evidence.normal(draws, inputs, classes), dim=2)


def inputs(evidence: Evidence) -> list[Arguments]:
    sizes = [(4, 3, 5), (2, 5, 2), (3, 3, 3), (1, 4, 10), (7, 1, 4), (30, 6, 10), (1, 1, 2)]
    usual = [drawn(evidence, *size) for size in sizes]
    sure, unsure = drawn(evidence, 4, 3, 5, temperature=12.0), drawn(evidence, 4, 3, 100, temperature=0.05)
    return [{"probs": probs} for probs in (*usual, sure, unsure, with_many_unlikely())]


def with_many_unlikely() -> Tensor:
    """One likely class and thousands of others, each of a few millionths, which bring most of the entropy."""
    probs = torch.full((2, 2, 4001), 8e-6)
    probs[:, :, 0] = 1 - probs[:, :, 1:].sum(dim=2)
    return probs


def inputs_with_zeros(evidence: Evidence) -> list[Arguments]:
    """Classes that no draw thinks possible, as many for each input or not, classes that one draw does, and draws that
    are certain.
    """
    impossible, uneven, possible = torch.ones(3, 4, 5), torch.ones(3, 4, 5), torch.ones(3, 4, 5)
    impossible[:, :, 1:3] = 0.0
    uneven[:, 0, 1:4] = uneven[:, 1, 4] = 0.0
    possible[0, :, 2] = 0.0
    certain = torch.eye(4).repeat(3, 1, 1)
    divided = torch.stack([torch.eye(3), torch.eye(3).roll(1, 0)])
    some = [drawn(evidence, 3, 4, 5) * mask for mask in (impossible, uneven, possible)]
    one_class = torch.ones(5, 2, 1)
    return [{"probs": probs / probs.sum(dim=2, keepdim=True)} for probs in (*some, certain, divided, one_class)]


def entropy(probs: Tensor) -> Tensor:
    """Of the distributions along the last dimension, in nats."""
    return -torch.xlogy(probs, probs).sum(dim=-1)


def of_the_mean(probs: Tensor) -> Tensor:
    return entropy(probs.mean(dim=0))


def of_the_draws(probs: Tensor) -> Tensor:
    """The average over the draws of each one's entropy."""
    return entropy(probs).mean(dim=0)


def disagreement(probs: Tensor) -> Tensor:
    return of_the_mean(probs) - of_the_draws(probs)


WRONG_AXES = [
    ("entropy-over-batch", "The inputs of the batch are averaged or added up, too: the result has one number for each"
     " of them.",
     lambda P: entropy(P.mean(dim=(0, 1)))),
    ("draws-not-averaged", "There is one entropy for each draw: average the probabilities over dim=0, first.",
     entropy),
    ("classes-not-summed", "There is one number for each class: add them up over the classes, the last dimension.",
     lambda P: torch.special.entr(P.mean(dim=0))),
    ("summed-over-inputs", "You sum over the inputs, and get a number for each class: sum over the classes, the last"
     " dimension.", lambda P: torch.special.entr(P.mean(dim=0)).sum(dim=0)),
    ("draws-and-inputs-swapped", "You average over dim=1, which counts the inputs: dim=0 counts the draws.",
     lambda P: entropy(P.mean(dim=1))),
    ("classes-averaged-first", "You average over the last dimension, which counts the classes: average over the draws,"
     " dim=0.", lambda P: entropy(P.mean(dim=2))),
    ("dimension-kept", "A dimension of size 1 is left over: leave out keepdim.", lambda P: of_the_mean(P)[:, None]),
    ("dimension-kept", "A dimension of size 1 is left over: leave out keepdim.", lambda P: of_the_mean(P)[None]),
]  # fmt: skip


def misplaced(measure: Callable[[Measure], Measure] = lambda formula: formula) -> list[Mistake]:
    return [Mistake(name, sentence, measure(formula)) for name, sentence, formula in WRONG_AXES]


def require_zeros_to_add_nothing(exercise: FunctionExercise, evidence: Evidence) -> None:
    """Raise Failed where a probability of exactly 0 spoils the value."""
    for arguments in inputs_with_zeros(evidence):
        came = exercise.value_for(evidence, arguments)
        right = exercise.right(*exactly(arguments))
        if not close(came, right):
            few = "one class alone" if arguments["probs"].shape[2] == 1 else "some probabilities that are exactly 0"
            message = expected_and_came(f"With {few} it", right, came)
            lost = bool((came[came != right] == 0).all())
            raise Failed(
                message, "zero-times-log-zero" if not came.isfinite().all() else "zeros-silence" if lost else None
            )


ZERO_TIMES_LOG_ZERO = Mistake(
    "zero-times-log-zero",
    "0·log 0 comes out as nan: log 0 is −∞. Such a class adds nothing: torch.xlogy(p, p) knows that, and"
    " torch.special.entr(p), which is −p·log p.",
)

ZEROS_SILENCE = Mistake(
    "zeros-silence",
    "Where one probability is exactly 0, all of the result becomes 0: nan from 0·log 0 is replaced too late, or such"
    " inputs are left out. Only the term of that class is 0.",
)

DIMENSIONS_MIXED = Mistake(
    "elementwise-shapes",
    "Tensors are combined whose shapes don't fit: an average over the draws, dim=0, and a sum over the classes, dim=-1,"
    " leave (B,) each time.",
    error_signs=("must match the size of tensor b",),
)

AXES = "Which dimension is which"
ENTROPY = "How unsure is one prediction?"

exercise = FunctionExercise("predictive_entropy", "07_knowing_what_it_does_not_know", 3, inputs, of_the_mean)
exercise.returns("it returns one number for each input, (B,)", AXES, misplaced())
exercise.keeps_arguments("probs stay as they were", also=inputs_with_zeros)
value = exercise.equals("it is the entropy of the average prediction, in nats", ENTROPY, mistakes=[
    *mistake("entropy-of-each-draw", "You average the entropies of the draws. Average the probabilities first: the"
             " entropy of the average also holds what the draws disagree about.", of_the_draws),
    *mistake("classes-averaged-first", "You average over the last dimension, which counts the classes: average over the"
             " draws, dim=0.", lambda P: torch.special.entr(P.mean(dim=2)).sum(dim=0)),
    *mistake("entropy-in-bits", "This is in bits: torch.log2 gives those, torch.log gives nats.",
             lambda P: of_the_mean(P) / math.log(2)),
    *mistake("entropy-base-10", "The logarithm has the base 10: torch.log, with base e, gives nats.",
             lambda P: of_the_mean(P) / math.log(10)),
    *mistake("entropy-negated", "The sign is turned round: log p is negative, so the entropy is −Σ p·log p.",
             lambda P: -of_the_mean(P)),
    *mistake("entropy-normalised", "This is divided by log C, so that it ends at 1: asked for are nats, up to log C.",
             lambda P: of_the_mean(P) / math.log(P.shape[2])),
    *mistake("entropy-averaged-over-classes", "The terms −p·log p are averaged over the classes: add them up.",
             lambda P: of_the_mean(P) / P.shape[2]),
    *mistake("draws-summed", "The probabilities are added up over the draws and not divided by S, so they don't add up"
             " to 1.", lambda P: entropy(P.sum(dim=0))),
    *mistake("one-draw", "One draw is used: average all S of them.", lambda P: entropy(P[0]), lambda P: entropy(P[-1])),
    *mistake("draws-multiplied", "The logarithms of the probabilities are averaged: average the probabilities.",
             lambda P: entropy(torch.softmax(P.log().mean(dim=0), dim=1)),
             lambda P: entropy(P.log().mean(dim=0).exp()), lambda P: -(P.mean(dim=0) * P.log().mean(dim=0)).sum(dim=1)),
    *mistake("binary-entropies", "This adds −(1 − p)·log(1 − p), a yes or no for each class: the classes exclude each"
             " other, and the entropy is −Σ p·log p.",
             lambda P: (torch.special.entr(P.mean(dim=0)) + torch.special.entr(1 - P.mean(dim=0))).sum(dim=1)),
    *mistake("draws-miscounted", "The sum over the draws isn't divided by S, their number: dim=0 counts them.",
             lambda P: entropy(P.sum(dim=0) / P.shape[1]), lambda P: entropy(P.sum(dim=0) / P.shape[2]),
             lambda P: entropy(P.sum(dim=0) / max(1, len(P) - 1))),
    *mistake("votes-for-probabilities", "Only the likeliest class of each draw counts, as a vote: average the"
             " probabilities themselves.",
             lambda P: entropy(one_hot(P.argmax(dim=2), P.shape[2]).to(P.dtype).mean(dim=0))),
    *mistake("median-for-mean", "The median of the draws stands for their average.",
             lambda P: entropy(P.median(dim=0).values)),
    *mistake("softmax-again", "softmax is applied: probs are probabilities already.",
             lambda P: entropy(torch.softmax(P.mean(dim=0), dim=1)),
             lambda P: entropy(torch.softmax(P, dim=2).mean(dim=0))),
    *mistake("probability-factor-missing", "The logarithms are added up without their weights: it is −Σ p·log p.",
             lambda P: -P.mean(dim=0).log().sum(dim=1), lambda P: -P.mean(dim=0).log().mean(dim=1)),
    *mistake("logarithm-missing", "There is no logarithm: the probabilities' squares, or p·(1 − p), are added up.",
             lambda P: 1 - P.mean(dim=0).square().sum(dim=1), lambda P: P.mean(dim=0).square().sum(dim=1)),
    *mistake("largest-probability", "Only the largest probability enters: the entropy sums over all classes.",
             lambda P: P.mean(dim=0).amax(dim=1), lambda P: 1 - P.mean(dim=0).amax(dim=1),
             lambda P: -P.mean(dim=0).amax(dim=1).log()),
    *mistake("one-term-of-the-entropy", "Only the likeliest class has its term −p·log p: add up those of all classes.",
             lambda P: torch.special.entr(P.mean(dim=0).amax(dim=1))),
    *mistake("entropy-of-the-sum", "It is 0 throughout: the probabilities are added up, which gives 1, before p·log p"
             " is taken. Add up the terms.", lambda P: 0 * of_the_mean(P)),
    *mistake("class-left-out", "The first class, or the last, is left out: add up the terms of all of them.",
             lambda P: torch.special.entr(P.mean(dim=0))[:, :-1].sum(dim=1),
             lambda P: torch.special.entr(P.mean(dim=0))[:, 1:].sum(dim=1)),
    *mistake("log-of-one-more", "log(1 + p), as log1p takes it, stands where log p belongs.",
             lambda P: -(P.mean(dim=0) * P.mean(dim=0).log1p()).sum(dim=1)),
    *mistake("variance-for-entropy", "This is the variance of the draws: an entropy is asked for.",
             lambda P: P.var(dim=0, correction=0).sum(dim=1), lambda P: P.var(dim=0, correction=0).mean(dim=1)),
    *mistake("disagreement-for-entropy", "This is the mutual information, a part of the predictive entropy.",
             disagreement),
    *mistake("entropy-exponentiated", "This is exp of the entropy, which counts classes: nats are asked for.",
             lambda P: of_the_mean(P).exp()),
    *mistake("distance-from-uniform", "This is log C less the entropy: it is large where the prediction is sure.",
             lambda P: math.log(P.shape[2]) - of_the_mean(P)),
    *mistake("entropies-added", "The entropies of the draws are added up.", lambda P: entropy(P).sum(dim=0)),
    *mistake("floor-too-high", "What is added to the probabilities, or keeps them above 0, is so large that it shows.",
             *(lambda P, e=e: -(P.mean(dim=0) * (P.mean(dim=0) + e).log()).sum(dim=1) for e in (0.1, 1e-2, 1e-3)),
             *(lambda P, e=e: entropy(P.mean(dim=0).clamp_min(e)) for e in (0.1, 1e-2, 1e-3)),
             *(lambda P, e=e: entropy(P.mean(dim=0) + e) for e in (0.1, 1e-2, 1e-3))),
])  # fmt: skip


@exercise.check("a probability of exactly 0 adds nothing", needs=[value])
def zeros_add_nothing(evidence: Evidence) -> None:
    require_zeros_to_add_nothing(exercise, evidence)


exercise.has_manners("the result has the dtype of probs", "it leaves the global random seed alone")
exercise.knows(ENTROPY, [ZERO_TIMES_LOG_ZERO, ZEROS_SILENCE])
exercise.knows(AXES, [DIMENSIONS_MIXED])
exercise.knows("Your turn: the entropy of a prediction", CODE)

"""The specification of lesson 07's exercise `mutual_information(probs)`."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Evidence
from bnn_core.autograder.exercises.predictive_entropy import (
    AXES,
    DIMENSIONS_MIXED,
    ZERO_TIMES_LOG_ZERO,
    ZEROS_SILENCE,
    disagreement,
    drawn,
    entropy,
    inputs_with_zeros,
    misplaced,
    of_the_draws,
    of_the_mean,
    require_zeros_to_add_nothing,
)
from bnn_core.autograder.judging.formulas import Arguments
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.mistakes import CODE, mistake

SPLIT = "Two kinds of doubt"


def inputs(evidence: Evidence) -> list[Arguments]:
    sizes = [(4, 3, 5), (2, 5, 2), (3, 3, 3), (7, 1, 4), (30, 6, 10), (2, 2, 3)]
    sure, spread = drawn(evidence, 4, 3, 5, temperature=12.0), drawn(evidence, 5, 3, 100)
    usual = [drawn(evidence, *size) for size in sizes]
    divided = torch.softmax(6 * torch.eye(8)[:, None] + 0.1 * evidence.normal(8, 2, 8), dim=2)
    return [{"probs": probs} for probs in (*usual, sure, spread, divided)]


def inputs_that_agree(evidence: Evidence) -> list[Arguments]:
    """All draws are the same, or there is one only; sure ones, and unsure ones of many classes."""
    sizes = [(1, 4, 10, 1.5), (4, 5, 3, 1.0), (30, 6, 10, 0.2), (7, 3, 200, 1.0), (3, 4, 10, 15.0)]
    return [{"probs": drawn(evidence, *size)[:1].expand(size[0], -1, -1).clone()} for size in sizes]


def reversed_divergence(probs: Tensor, floor: float = 0.0) -> Tensor:
    """The average over the draws of KL(mean ‖ draw), with probabilities kept above a floor in the logarithms."""
    mean = probs.mean(dim=0)
    return (mean * (mean.clamp_min(floor).log() - probs.clamp_min(floor).log())).sum(dim=2).mean(dim=0)


def over_the_batch(probs: Tensor) -> Tensor:
    """With draws and inputs exchanged."""
    return disagreement(probs.transpose(0, 1))


exercise = FunctionExercise("mutual_information", "07_knowing_what_it_does_not_know", 3, inputs, disagreement)
exercise.returns("it returns one number for each input, (B,)", AXES, [
    *mistake("draws-and-inputs-swapped", "You average over dim=1, which counts the inputs: dim=0 counts the draws.",
             over_the_batch),
    *mistake("draws-left", "There is one number for each draw: average the draws' entropies over dim=0, too.",
             lambda P: of_the_mean(P) - entropy(P)),
    *(wrong for wrong in misplaced() if wrong.name != "draws-not-averaged"),
])  # fmt: skip
exercise.keeps_arguments("probs stay as they were", also=inputs_with_zeros)
value = exercise.equals(
    "it is the entropy of the average less the average of the entropies", SPLIT, size=0.5, mistakes=[
    *mistake("disagreement-negated", "The sign is turned round: the entropy of the average comes first. It is the"
             " larger one.", lambda P: -disagreement(P)),
    *mistake("disagreement-cut-off", "It is 0 throughout: both parts are the same, or a negative difference was cut"
             " off at 0. The entropy of the average comes first, and is the larger one.", lambda P: 0 * of_the_mean(P)),
    *mistake("entropy-for-disagreement", "This is the entropy of the average: subtract the average of the draws'"
             " entropies.", of_the_mean),
    *mistake("entropy-of-each-draw", "This is the average of the draws' entropies, the part that they agree about.",
             of_the_draws),
    *mistake("entropies-added", "The two are added: the mutual information is their difference.",
             lambda P: of_the_mean(P) + of_the_draws(P)),
    *mistake("draws-summed", "The draws' entropies, or their probabilities, are added up and not divided by S.",
             lambda P: of_the_mean(P) - entropy(P).sum(dim=0), lambda P: entropy(P.sum(dim=0)) - of_the_draws(P),
             lambda P: entropy(P.sum(dim=0)) - entropy(P).sum(dim=0), lambda P: len(P) * disagreement(P),
             lambda P: (of_the_mean(P) - entropy(P).sum(dim=0)).clamp_min(0)),
    *mistake("draws-miscounted", "The sum over the draws is divided by S − 1: there are S of them.",
             lambda P: of_the_mean(P) - entropy(P).sum(dim=0) / (len(P) - 1),
             lambda P: len(P) / (len(P) - 1) * disagreement(P)),
    *mistake("draws-divided-by-others", "The sum of the draws' entropies is divided by the number of inputs, or of"
             " classes: divide by S, the number of draws.",
             lambda P: of_the_mean(P) - entropy(P).sum(dim=0) / P.shape[1],
             lambda P: of_the_mean(P) - entropy(P).sum(dim=0) / P.shape[2]),
    *mistake("one-draw", "One draw's entropy is subtracted: it is the average of all S.",
             lambda P: of_the_mean(P) - entropy(P[0]), lambda P: of_the_mean(P) - entropy(P[-1]),
             lambda P: of_the_mean(P) - entropy(P).amin(dim=0), lambda P: of_the_mean(P) - entropy(P).amax(dim=0),
             lambda P: of_the_mean(P) - entropy(P).median(dim=0).values,
             lambda P: of_the_mean(P) + (-entropy(P)).median(dim=0).values),
    *mistake("entropy-in-bits", "This is in bits: torch.log2 gives those, torch.log gives nats.",
             lambda P: disagreement(P) / math.log(2)),
    *mistake("units-mixed", "One of the two entropies is in nats and the other in bits.",
             lambda P: of_the_mean(P) / math.log(2) - of_the_draws(P),
             lambda P: of_the_mean(P) - of_the_draws(P) / math.log(2)),
    *mistake("disagreement-normalised", "The difference is divided, by log C, log S or the entropy: leave it as it is,"
             " in nats.", lambda P: disagreement(P) / math.log(P.shape[2]),
             lambda P: disagreement(P) / math.log(len(P)),
             lambda P: disagreement(P) / of_the_mean(P)),
    *mistake("disagreement-averaged-over-classes", "The terms −p·log p are averaged over the classes: add them up.",
             lambda P: disagreement(P) / P.shape[2]),
    *mistake("one-entropy-averaged-over-classes", "In one of the two entropies the terms −p·log p are averaged over the"
             " classes: add them up in both.", lambda P: of_the_mean(P) - of_the_draws(P) / P.shape[2],
             lambda P: of_the_mean(P) / P.shape[2] - of_the_draws(P)),
    *mistake("divergence-turned", "This is the KL divergence of the average from each draw. It is the other way round:"
             " KL(draw ‖ average), averaged over the draws.", reversed_divergence,
             *(partial(reversed_divergence, floor=floor) for floor in (1e-8, 1e-10, 1e-12))),
    *mistake("logarithms-averaged", "In the second part the draws' logarithms are averaged by themselves and weighted"
             " with the average prediction: each draw's entropy, −Σ p·log p, has its own weights.",
             lambda P: -reversed_divergence(P), lambda P: -reversed_divergence(P, 1e-12)),
    *mistake("variance-for-disagreement", "This is a variance of the draws: the difference of two entropies is asked"
             " for.", lambda P: P.var(dim=0, correction=0).sum(dim=1), lambda P: P.var(dim=0, correction=0).mean(dim=1),
             lambda P: P.std(dim=0, correction=0).sum(dim=1), lambda P: P.std(dim=0, correction=0).mean(dim=1)),
    *mistake("variance-of-entropies", "This is the spread of the draws' entropies. Draws may disagree and all be"
             " equally sure.", lambda P: entropy(P).var(dim=0, correction=0),
             lambda P: entropy(P).std(dim=0, correction=0)),
    *mistake("disagreement-of-the-batch", "The draws' entropies are averaged over the inputs, too: average over dim=0"
             " alone.", lambda P: of_the_mean(P) - entropy(P).mean()),
    *mistake("softmax-again", "softmax is applied: probs are probabilities already.",
             lambda P: disagreement(torch.softmax(P, dim=2))),
    *mistake("disagreement-clamped", "It is cut off at 1: in nats it may be as large as log C.",
             lambda P: disagreement(P).clamp_max(1.0)),
    *mistake("root-of-disagreement", "The square root is taken: the mutual information is the difference itself.",
             lambda P: disagreement(P).clamp_min(0).sqrt()),
    *mistake("largest-probability", "This compares largest probabilities: the entropies sum over all classes.",
             lambda P: P.amax(dim=2).mean(dim=0) - P.mean(dim=0).amax(dim=1),
             lambda P: 1 - P.mean(dim=0).amax(dim=1)),
    *mistake("floor-too-high", "What is added to the probabilities, or keeps them above 0, is so large that it shows.",
             *(lambda P, e=e: -(P.mean(dim=0) * (P.mean(dim=0) + e).log()).sum(dim=1)
               + (P * (P + e).log()).sum(dim=2).mean(dim=0) for e in (0.1, 1e-2, 1e-3)),
             *(lambda P, e=e: entropy(P.mean(dim=0).clamp_min(e)) - entropy(P.clamp_min(e)).mean(dim=0)
               for e in (0.1, 1e-2, 1e-3)),
             *(lambda P, e=e: entropy(P.mean(dim=0) + e) - entropy(P + e).mean(dim=0) for e in (0.1, 1e-2, 1e-3))),
])  # fmt: skip
exercise.equals("it is 0 where all draws agree, however unsure they are", SPLIT, inputs=inputs_that_agree, size=0.5)


@exercise.check("a probability of exactly 0 adds nothing", needs=[value])
def zeros_add_nothing(evidence: Evidence) -> None:
    require_zeros_to_add_nothing(exercise, evidence)


exercise.has_manners("the result has the dtype of probs", "it leaves the global random seed alone")
exercise.knows("How unsure is one prediction?", [ZERO_TIMES_LOG_ZERO, ZEROS_SILENCE])
exercise.knows(AXES, [DIMENSIONS_MIXED])
exercise.knows("Your turn: what the draws disagree about", CODE)

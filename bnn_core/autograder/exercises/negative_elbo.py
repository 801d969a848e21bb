"""The specification of lesson 04's exercise `negative_elbo(prediction, target, kl, noise_std, dataset_size)`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Evidence
from bnn_core.autograder.exercises.gaussian_log_prob import HALF_LOG_TWO_PI, WRONG_DENSITIES, terms
from bnn_core.autograder.exercises.gaussian_log_prob import right as log_prob
from bnn_core.autograder.judging.formulas import Arguments, Formula
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.mistakes import CODE, GRADIENTS, LOSS, Mistake


def usual_inputs(evidence: Evidence) -> list[Arguments]:
    """N is no multiple of B, and no case is like another in B, the number of outputs, and the kind of noise_std."""

    def case(*size: int, noise_std: Any, dataset_size: int, error: float = 1.0) -> Arguments:
        prediction, error_of_each = evidence.normal(*size), error * evidence.normal(*size)
        kl = evidence.uniform(2.0, 9.0)
        arguments = {"prediction": prediction, "target": prediction + error_of_each, "kl": kl}
        return {**arguments, "noise_std": noise_std, "dataset_size": dataset_size}

    return [
        case(2, 1, noise_std=evidence.uniform(0.3, 0.6).item(), dataset_size=5),
        case(4, 3, noise_std=evidence.uniform(1.5, 3.0).item(), dataset_size=50),
        case(3, 2, noise_std=evidence.uniform(0.3, 3.0), dataset_size=101),
        case(5, 2, noise_std=evidence.uniform(0.3, 0.6, 2) * torch.tensor([1.0, 5.0]), dataset_size=12),
        case(6, noise_std=evidence.uniform(0.3, 0.6).item(), dataset_size=6),
        case(1, 1, noise_std=2, dataset_size=7),
        case(2, 3, 4, noise_std=evidence.uniform(1.5, 3.0, 1), dataset_size=1001),
        case(1, 3, noise_std=evidence.uniform(0.3, 0.6).item(), dataset_size=20),
        case(5, 1, noise_std=1e-4, dataset_size=30, error=1e-4),
    ]


def inputs(evidence: Evidence) -> list[Arguments]:
    """The last usual one's loss is below 0; then the density itself is 0 in float32; then the KL is an estimate, which
    may be small, or below 0.
    """
    usual = usual_inputs(evidence)
    dense = {**usual[1], "noise_std": 0.02, "dataset_size": 60_000}
    return [*usual, dense, *({**usual[0], "kl": torch.tensor(kl)} for kl in (0.3, -2.0))]


def inputs_with_learned_noise(evidence: Evidence) -> list[Arguments]:
    """In the last one each prediction hits its target."""
    cases = [case for case in usual_inputs(evidence) if isinstance(case["noise_std"], Tensor)]
    return [*cases, {**cases[0], "target": cases[0]["prediction"].clone()}]


def loss(
    log_prob: Formula = log_prob,
    weight: Callable[[int, int, int], float] = lambda n, b, count: n / b,
    kl_weight: Callable[[int, int], float] = lambda n, b: 1.0,
) -> Formula:
    """weight·Σ −log_prob + kl_weight·kl, for N examples in all, B of them in the batch, and a count of elements."""

    def formula(prediction: Tensor, target: Tensor, kl: Tensor, noise_std: Tensor | float, dataset_size: int) -> Tensor:
        values = log_prob(target, prediction, torch.as_tensor(noise_std, dtype=prediction.dtype))
        n, b = dataset_size, len(prediction)
        return kl_weight(n, b) * kl - weight(n, b, prediction.numel()) * (values + torch.zeros_like(prediction)).sum()

    return formula


def with_kl(change: Callable[[Tensor, Tensor, int], Tensor]) -> Formula:
    """The loss with what `change` makes of kl, prediction and dataset_size in the place of kl."""
    return lambda prediction, target, kl, noise_std, dataset_size: loss()(
        prediction, target, change(kl, prediction, dataset_size), noise_std, dataset_size
    )


def torch_nll(full: bool) -> Formula:
    """What F.gaussian_nll_loss makes of a log density, by itself without the constant."""
    return lambda x, mean, std: log_prob(x, mean, (std**2).clamp_min(1e-6).sqrt()) + (0 if full else HALF_LOG_TWO_PI)


square = terms(log=0.0, constant=0.0)

SCALING = [
    Mistake("batch-not-scaled", "The batch's sum stands for the whole data set's: multiply it by N/B, or the KL weighs"
            " N/B times too much.", loss(weight=lambda n, b, count: 1)),
    Mistake("likelihood-averaged", "The log-likelihood is averaged while the KL is a sum, so the KL weighs N times too"
            " much: sum, and multiply by N/B.", loss(weight=lambda n, b, count: 1 / count),
            seen_in=("kumar-shridhar/PyTorch-BayesianCNN#50",)),
    Mistake("likelihood-averaged", "The log-likelihood is divided by B, and not multiplied by N.",
            loss(weight=lambda n, b, count: 1 / b)),
    Mistake("batch-scale-inverted", "The sum is multiplied by B/N; it must be N/B, which is at least 1.",
            loss(weight=lambda n, b, count: b / n)),
    Mistake("batch-size-forgotten", "The sum is multiplied by N and not divided by B.",
            loss(weight=lambda n, b, count: n)),
    Mistake("batch-size-counts-elements", "B is the number of rows, len(prediction); yours is the number of all"
            " elements, so that each output counts for less the more there are.",
            loss(weight=lambda n, b, count: n / count)),
    Mistake("outputs-averaged", "The outputs of a row are averaged: their log-densities add up, as the rows' do.",
            loss(lambda x, m, s: log_prob(x, m, s) / x.shape[-1])),
    Mistake("batch-size-multiplied", "The sum is multiplied by N·B: it must be multiplied by N and divided by B.",
            loss(weight=lambda n, b, count: n * b)),
    Mistake("batch-scale-rounded", "N/B is rounded down, as // and int do: / is what is meant.",
            loss(weight=lambda n, b, count: n // b)),
    Mistake("batch-scale-rounded", "N/B is rounded up, as -N // B does, or ceil: the fraction itself is meant.",
            loss(weight=lambda n, b, count: -(-n // b))),
    Mistake("batch-scale-rounded", "N/B is rounded to a whole number: the fraction itself is meant.",
            loss(weight=lambda n, b, count: round(n / b))),
    Mistake("vector-as-one-example", "Where prediction has one dimension, that counts the rows, too: B is"
            " len(prediction).", loss(lambda x, m, s: log_prob(x, m, s) * (len(x) if x.dim() == 1 else 1))),
    Mistake("rows-by-last-dimension", "The last dimension is added up, and the rest averaged: B is len(prediction), the"
            " first dimension alone, however many there are.",
            loss(lambda x, m, s: log_prob(x, m, s) * len(x) * x.shape[-1] / x.numel())),
    Mistake("batch-size-from-the-outputs", "B is taken from the last dimension, which counts the outputs:"
            " len(prediction) counts the rows.", loss(lambda x, m, s: log_prob(x, m, s) * len(x) / x.shape[-1])),
    Mistake("kl-scaled-up", "The KL is multiplied by N/B, too: it is no sum over examples, and counts once for the"
            " whole data set.", loss(kl_weight=lambda n, b: n / b)),
    Mistake("kl-scaled-up", "The KL is multiplied by N: it counts once for the whole data set.",
            loss(kl_weight=lambda n, b: n)),
    Mistake("kl-divided-by-batch", "The KL is divided by the batch size: the larger the batch, the weaker the prior.",
            loss(kl_weight=lambda n, b: 1 / b), seen_in=("tensorflow/probability#719",)),
    Mistake("kl-divided-by-elements", "The KL is divided by the number of all elements: add it as it is.",
            with_kl(lambda kl, p, n: kl / p.numel())),
    *(Mistake("kl-in-the-sum", "The KL is added to each element or row, and so counts as often as there are of them:"
              " add it once, to the sum.", with_kl(change))
      for change in (lambda kl, p, n: kl * p.numel(), lambda kl, p, n: kl * p.numel() * n / len(p),
                     lambda kl, p, n: kl * len(p))),
    *(Mistake("kl-kept-positive", "The KL is kept from being negative: an estimate of it may be, so add it as it is.",
              with_kl(change)) for change in (lambda kl, *_: kl.abs(), lambda kl, *_: kl.clamp_min(0))),
    Mistake("kl-divided-by-dataset", "The KL is divided by N, while the log-likelihood is the whole data set's.",
            loss(kl_weight=lambda n, b: 1 / n)),
    Mistake("kl-weighted-twice", "The sum is multiplied by N/B and the KL by B/N: one of the two is enough, and here it"
            " is the sum's.", loss(kl_weight=lambda n, b: b / n)),
    Mistake("loss-of-the-batch", "Yours is Σ + (B/N)·kl. It has the same minimum, but it is B/N of what is asked for,"
            " the loss of the whole data set.", loss(weight=lambda n, b, count: 1, kl_weight=lambda n, b: b / n)),
    Mistake("loss-per-example", "Yours is divided by N, a loss per example. It has the same minimum, but what is asked"
            " for is the loss of the whole data set.",
            loss(weight=lambda n, b, count: 1 / b, kl_weight=lambda n, b: 1 / n)),
]  # fmt: skip

PIECES = [
    Mistake("loss-without-kl", "The KL isn't added: nothing holds the weights back.", loss(kl_weight=lambda n, b: 0),
            seen_in=("kumar-shridhar/PyTorch-BayesianCNN#59",)),
    Mistake("loss-kl-subtracted", "The KL is subtracted: the loss must grow with the distance from the prior.",
            loss(kl_weight=lambda n, b: -1), seen_in=("xuanqing94/BayesianDefense#10",)),
    Mistake("loss-without-data", "That is the KL alone: the log-likelihood of the data is missing.",
            loss(weight=lambda n, b, count: 0)),
    Mistake("log-likelihood-added", "The log-likelihood is added: subtract it, so that likely data make a small loss.",
            loss(weight=lambda n, b, count: -n / b)),
    Mistake("elbo-not-negated", "That is the ELBO itself: an optimiser makes a loss small, so it is the negative one.",
            loss(weight=lambda n, b, count: -n / b, kl_weight=lambda n, b: -1)),
    *(Mistake("squared-error-for-likelihood", "The squared error stands for −log N, which is error²/(2·noise_std²) +"
              " log(noise_std) + ½·log(2π).", loss(lambda x, m, s, half=half: -half * (x - m) ** 2, weight))
      for half in (1.0, 0.5)
      for weight in (lambda n, b, count: n / b, lambda n, b, count: 1 / count, lambda n, b, count: n / count)),
    Mistake("normaliser-missing", "log(noise_std) + ½·log(2π) is missing: without it, more noise always looks better.",
            loss(square)),
    Mistake("normaliser-once", "log(noise_std) + ½·log(2π) is added once: each element brings its own, so it belongs"
            " inside the sum.", loss(lambda x, m, s: square(x, m, s) + terms(0.0)(x, m, s).mean() / x.numel())),
    Mistake("normaliser-once", "log(noise_std) + ½·log(2π) is added once: each element brings its own, so it belongs"
            " inside the sum.",
            loss(lambda x, m, s: square(x, m, s) - (s.log().sum() + HALF_LOG_TWO_PI) / x.numel())),
    Mistake("normaliser-once-a-row", "log(noise_std) + ½·log(2π) is added once for each row: each element of it brings"
            " its own.",
            loss(lambda x, m, s: square(x, m, s) - (s.log().mean() + HALF_LOG_TWO_PI) * len(x) / x.numel())),
    Mistake("noise-ignored", "noise_std doesn't enter.", loss(lambda x, m, s: log_prob(x, m, torch.ones_like(s)))),
    *(Mistake("noise-as-one-number", "noise_std is made one number, its mean or one of its elements: it broadcasts with"
              " prediction, whose outputs may have noise of their own.",
              loss(lambda x, m, s, one=one: log_prob(x, m, one(s.flatten())))) for one in (torch.mean, min, max,
                                                                                            lambda s: s[0])),
    *(Mistake("log-noise-once", "log(noise_std) is added once: each element brings its own, so it belongs inside the"
              " sum.", loss(lambda x, m, s, once=once: terms(log=0.0)(x, m, s) - once(s.log()) / x.numel()))
      for once in (torch.mean, torch.sum)),
    Mistake("constant-once-a-row", "½·log(2π) is added once for each row: each element of it brings its own.",
            loss(lambda x, m, s: terms(constant=0.0)(x, m, s) - HALF_LOG_TWO_PI * len(x) / x.numel())),
    Mistake("target-against-prediction", "(B,) meets (B, 1), which makes a B×B table of differences: prediction and"
            " target keep their one shape.", loss(lambda x, m, s: log_prob(x.squeeze(-1) if x.dim() > 1 else x, m, s))),
    Mistake("noise-raised", "Standard deviations below 0.001 are raised to it, by a clamp, or by F.gaussian_nll_loss"
            " where it isn't told a smaller eps.", loss(torch_nll(full=True))),
    *(Mistake("nll-of-torch", "F.gaussian_nll_loss averages, leaves out ½·log(2π), and raises variances below 1e-6,"
              " unless it is told reduction=\"sum\", full=True and a smaller eps.", loss(torch_nll(full), weight))
      for full in (False, True)
      for weight in (lambda n, b, count: n / b, lambda n, b, count: 1 / count, lambda n, b, count: n / count)[full:]),
    *(replace(mistake, formula=loss(mistake.formula)) for mistake in WRONG_DENSITIES
      if mistake.formula is not None and mistake.name != "density-negated"),
]  # fmt: skip

exercise = FunctionExercise("negative_elbo", "04_bayes_by_backprop", points=4, inputs=inputs, right=loss())
exercise.words |= {"x": "target", "mean": "prediction", "std": "noise_std"}
exercise.knows("Mini-batches, scaled right", SCALING)
exercise.returns("it returns one number, as a tensor", scalar="loss", inputs=usual_inputs, finite=False)
exercise.keeps_arguments("prediction, target and kl stay as they were")
exercise.equals(
    "it is (N/B)·Σ −log N(target; prediction, noise_std²) + kl",
    "The loss, piece by piece",
    SCALING + PIECES,
    varying="loss-random",
    in_part="loss-cut-off",
)
exercise.gradients_are_right(
    "its gradients reach prediction, kl and noise_std, and are right",
    of=["prediction", "kl", "noise_std"],
    inputs=inputs_with_learned_noise,
)
exercise.has_manners("the result has the dtype of the arguments", "it leaves the global random seed alone")
exercise.knows("The loss, piece by piece", LOSS, GRADIENTS, [
    Mistake("loss-random", "The loss is another one each time, for the same arguments: nothing is drawn or counted in"
            " it, the draw is in prediction."),
    Mistake("loss-cut-off", "It is right for some inputs and wrong for others: is something cut off or added, or"
            " does it depend on the shapes? A log density has no bounds, and both the KL and the loss may be below 0."),
])  # fmt: skip
exercise.knows("Your turn: write the loss", CODE)

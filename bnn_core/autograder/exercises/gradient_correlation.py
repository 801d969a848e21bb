"""The specification of lesson 05's exercise `gradient_correlation(gradients)`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Evidence
from bnn_core.autograder.judging.formulas import Arguments
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.mistakes import CODE, Mistake, mistake


def inputs(evidence: Evidence) -> list[Arguments]:
    def case(
        draws: int, examples: int, parameters: int, shared: float, size: float = 1.0, centre: float = 2.0
    ) -> Arguments:
        """shared: the strength of the noise that examples share; below 0, every other one gets the other sign. centre:
        how large the averages over the draws are, beside noise of about 1.
        """
        together = evidence.normal(draws, 1, parameters) * abs(shared)
        signs = torch.ones(examples, 1)
        signs[1::2] = 1.0 if shared > 0 else -1.0
        alone = evidence.normal(draws, examples, parameters) * evidence.uniform(0.5, 2.0, examples, parameters)
        average = centre * evidence.normal(1, examples, parameters)
        return {"gradients": size * (average + alone + signs * together)}

    return [
        case(6, 4, 3, shared=1.0),
        case(40, 3, 2, shared=0.5),
        case(5, 4, 3, shared=-1.0),
        case(3, 5, 4, shared=2.0),
        case(4, 4, 1, shared=1.0),
        case(2, 3, 5, shared=1.0),
        case(7, 2, 2, shared=1.0),
        case(20, 30, 8, shared=0.3),
        case(6, 4, 3, shared=1.0, size=1e-5),
        case(6, 4, 3, shared=1.0, size=1e3),
        case(6, 4, 3, shared=1.0, size=1e-8),
        case(6, 4, 3, shared=1.0, centre=300.0),
        case(3, 60, 2, shared=0.5),
        case(3, 4, 120, shared=0.5),
        case(8, 4, 3, shared=30.0),
        case(8, 2, 3, shared=-30.0),
    ]


def covariances(gradients: Tensor) -> Tensor:
    """B × B, over the draws, summed over the parameters."""
    return products(gradients - gradients.mean(dim=0))


def products(values: Tensor) -> Tensor:
    return torch.einsum("sbp,scp->bc", values, values) / len(values)


def off_diagonal(matrix: Tensor) -> Tensor:
    return matrix[~torch.eye(len(matrix), dtype=torch.bool)]


def from_matrix(covariance: Tensor) -> Tensor:
    return off_diagonal(covariance).mean() / covariance.diagonal().mean()


def right(gradients: Tensor) -> Tensor:
    return from_matrix(covariances(gradients))


def scaled(factor: Callable[[int, int], float]) -> Callable[[Tensor], Tensor]:
    """ρ times what a wrong count of S draws and B examples makes of it."""
    return lambda gradients: right(gradients) * factor(*gradients.shape[:2])


def per_parameter(factor: Callable[[int, int], float]) -> Callable[[Tensor], Tensor]:
    """ρ times what a wrong count of S draws and P parameters makes of it."""
    return lambda gradients: right(gradients) * factor(gradients.shape[0], gradients.shape[2])


def on_covariances(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda gradients: function(covariances(gradients))


def of_each_pair(covariance: Tensor) -> Tensor:
    std = covariance.diagonal().sqrt()
    return off_diagonal(covariance / (std[:, None] * std)).mean()


def of_each_example(covariance: Tensor) -> Tensor:
    variances = covariance.diagonal()
    return ((covariance.sum(dim=1) - variances) / (len(covariance) - 1) / variances).mean()


def flattened(gradients: Tensor) -> Tensor:
    """B × B, of rows in which draws and parameters stand side by side, about one average of each row."""
    return torch.cov(gradients.transpose(0, 1).flatten(1))


def guarded(epsilon: float, divisor: Callable[[int, int], float]) -> Callable[[Tensor], Tensor]:
    """ρ with epsilon added to the variance, which is the right one, a sum over the draws, over divisor(S, B)."""

    def correlation(gradients: Tensor) -> Tensor:
        draws, examples, _ = gradients.shape
        sums = draws * covariances(gradients)
        variance, covariance = sums.diagonal().mean(), off_diagonal(sums).mean()
        return covariance / (variance + epsilon * divisor(draws, examples))

    return correlation


DIVISORS: list[Callable[[int, int], float]] = [
    lambda S, B: S,
    lambda S, B: S - 1,
    lambda S, B: 1,
    lambda S, B: 1 / B,
    lambda S, B: 1 / (B * (B - 1)),
]
"""What averages and sums make of a sum over the draws: over S, S − 1 or 1; with examples, or pairs, added up."""


exercise = FunctionExercise("gradient_correlation", "05_local_reparameterization", 3, inputs, right)
exercise.returns("it returns one number, as a tensor", scalar="correlation", finite=False)
exercise.keeps_arguments("gradients stay as they were")
exercise.equals(
    "it is the average covariance over the average variance", taught_in="One number for all pairs",
    in_part="unusual-gradients", varying="correlation-varies", mistakes=[
    *mistake("pairs-with-themselves", "Pairs of an example with itself are counted: only different examples are a"
             " pair.", on_covariances(lambda C: C.mean() / C.diagonal().mean()),
             on_covariances(lambda C: C.sum() / (len(C) * (len(C) - 1)) / C.diagonal().mean()),
             on_covariances(lambda C: C[torch.ones_like(C).triu() > 0].mean() / C.diagonal().mean()),
             on_covariances(lambda C: (C / C.diagonal().sqrt() / C.diagonal().sqrt()[:, None]).mean())),
    *mistake("diagonal-averaged", "From the sum of all covariances you subtract the average of the diagonal: subtract"
             " its sum, all B variances.",
             on_covariances(lambda C: (C.sum() / C.diagonal().mean() - 1) / (len(C) * (len(C) - 1)))),
    *mistake("draws-not-centred", "The average over the draws isn't subtracted: a covariance is one of deviations.",
             lambda G: from_matrix(products(G)), lambda G: products(G).mean() / products(G).diagonal().mean()),
    *mistake("centred-over-examples", "The average over the examples (dim 1) is subtracted, and then ρ is −1/(B − 1)"
             " whatever the gradients are: subtract the average over the draws (dim 0), and no other.",
             lambda G: from_matrix(products(G - G.mean(dim=1, keepdim=True)))),
    *mistake("centred-over-parameters", "You subtract the average over the parameters (dim 2), not that over the draws"
             " (dim 0).", lambda G: from_matrix(products(G - G.mean(dim=2, keepdim=True)))),
    *mistake("factor-for-correlation", "This is 1 + (B − 1)·ρ, by which sharing noise makes the batch's variance"
             " larger: asked for is ρ itself.", lambda G: 1 + (G.shape[1] - 1) * right(G)),
    *mistake("one-parameter", "Only one parameter counts: sum over all of them.", lambda G: right(G[..., :1]),
             lambda G: right(G[..., -1:])),
    *mistake("pairs-of-neighbours", "Only neighbouring examples are compared: average over all pairs.",
             on_covariances(lambda C: C.diagonal(1).mean() / C.diagonal().mean())),
    *mistake("pairs-left-out", "Only pairs with the first example count, or the first two examples alone: average over"
             " all pairs.", on_covariances(lambda C: C[0, 1:].mean() / C.diagonal().mean()),
             on_covariances(lambda C: C[0, 1] / C.diagonal().mean()), lambda G: right(G[:, :2])),
    *mistake("stds-averaged", "You average standard deviations, and square the average: average the variances.",
             on_covariances(lambda C: off_diagonal(C).mean() / C.diagonal().sqrt().mean() ** 2)),
    *mistake("centred-over-everything", "You subtract one average of everything: each example's gradient has an average"
             " of its own, over the draws.", lambda G: from_matrix(products(G - G.mean()))),
    *mistake("centred-over-draws-and-examples", "You subtract one average over draws and examples (dims 0 and 1): each"
             " example's gradient has an average of its own, over the draws (dim 0).",
             lambda G: from_matrix(products(G - G.mean(dim=(0, 1))))),
    *mistake("draws-and-examples-swapped", "Draws and examples are exchanged: dim 0 counts the draws, dim 1 the"
             " examples.", lambda G: right(G.transpose(0, 1)),
             lambda G: from_matrix(products((G - G.mean(dim=0)).transpose(0, 1)))),
    *mistake("parameters-for-examples", "You compare parameters with one another: a pair are two examples (dim 1), and"
             " their products are summed over the parameters (dim 2).",
             lambda G: from_matrix(products((G - G.mean(dim=0)).transpose(1, 2)))),
    *mistake("covariance-for-correlation", "This is the average covariance; divide it by the average variance.",
             on_covariances(lambda C: off_diagonal(C).mean()),
             lambda G: off_diagonal(covariances(G)).mean() * len(G) / (len(G) - 1)),
    *mistake("std-for-variance", "The average covariance is divided by a standard deviation; a variance belongs there.",
             on_covariances(lambda C: off_diagonal(C).mean() / C.diagonal().mean().sqrt())),
    *mistake("variance-of-one", "The covariance is divided by the variance of one example: average those of all.",
             on_covariances(lambda C: off_diagonal(C).mean() / C[0, 0])),
    *mistake("pairs-normalised-singly", "You divide pair by pair, or example by example, and average the correlations."
             " Average the covariances and the variances first, and divide then: the formula for the batch's variance"
             " needs that.", on_covariances(of_each_pair), on_covariances(of_each_example)),
    *mistake("parameters-normalised-singly", "You average the correlations of the parameters. Sum covariances and"
             " variances over them first, and divide then.",
             lambda G: torch.stack([right(g[..., None]) for g in G.unbind(dim=2)]).mean()),
    *mistake("pairs-miscounted", "The sum over the pairs isn't divided by their number: there are B·(B − 1) of them, or"
             " half as many, if each counts once.", scaled(lambda S, B: (B - 1) / B), scaled(lambda S, B: B * (B - 1)),
             scaled(lambda S, B: B - 1), scaled(lambda S, B: 0.5), scaled(lambda S, B: 2.0)),
    *mistake("draws-for-examples", "The number of draws, len(gradients), stands for the number of examples, which is"
             " gradients.shape[1].", scaled(lambda S, B: (B - 1) / (S - 1)),
             scaled(lambda S, B: B * (B - 1) / (S * (S - 1)))),
    *mistake("divisors-mixed", "Covariance and variance are divided by different numbers, one by S and one by S − 1, as"
             " torch.var does unless it is told correction=0.",
             scaled(lambda S, B: (S - 1) / S), scaled(lambda S, B: S / (S - 1))),
    *mistake("variance-not-averaged", "Your variance is B times the right one: it is summed over the examples; divide"
             " it by their number.", scaled(lambda S, B: 1 / B)),
    *mistake("variance-over-parameters", "Your variance is averaged over the parameters, the covariance is summed over"
             " them: sum both.", per_parameter(lambda S, P: P)),
    *mistake("variance-over-draws-and-parameters", "Your variance is averaged over draws and parameters, the covariance"
             " is summed over them: do the same with both.", per_parameter(lambda S, P: S * P)),
    *mistake("covariance-over-parameters", "Your covariance is averaged over the parameters, the variance is summed"
             " over them: sum both.", per_parameter(lambda S, P: 1 / P)),
    *mistake("covariance-over-draws-alone", "Your covariance is averaged over the draws, and the variance is summed"
             " over them: do the same with both.", scaled(lambda S, B: 1 / S)),
    *mistake("variance-over-draws-alone", "Your variance is averaged over the draws, and the covariance is summed over"
             " them: do the same with both.", scaled(lambda S, B: S), scaled(lambda S, B: S - 1)),
    *mistake("variance-guarded", "Something is added to the denominator, and for tiny gradients it shows: add nothing.",
             *(guarded(epsilon, divisor) for epsilon in (1e-6, 1e-8, 1e-10) for divisor in DIVISORS)),
    *mistake("parameters-flattened", "Draws and parameters are flattened into one dimension, and one average of both is"
             " subtracted: each parameter has an average of its own, over the draws.",
             lambda G: of_each_pair(flattened(G)), lambda G: from_matrix(flattened(G))),
    *mistake("parameters-added-up", "The parameters' gradients are added up or averaged before they are multiplied."
             " Multiply parameter by parameter, and sum the products.", lambda G: right(G.sum(dim=2, keepdim=True)),
             lambda G: of_each_pair(covariances(G.sum(dim=2, keepdim=True)))),
    *mistake("correlation-squared", "This is the square of the correlation.", lambda G: right(G) ** 2),
    *mistake("sign-lost", "The sign is lost: a correlation may be negative, and covariances cancel in their average.",
             on_covariances(lambda C: off_diagonal(C).abs().mean() / C.diagonal().mean()),
             lambda G: right(G).clamp_min(0), lambda G: right(G).abs()),
    *mistake("always-zero", "Yours is 0 for all gradients. So it is where the average over the examples (dim 1) is"
             " subtracted, and not that over the draws, and pairs of an example with itself are counted.",
             lambda G: 0 * right(G)),
])  # fmt: skip
exercise.has_manners("the result has the dtype of the argument", "it leaves the global random seed alone")
exercise.knows("Your turn: measure how they move together", CODE, [
    Mistake("unusual-gradients", "It is right for most gradients, and wrong for tiny ones, for ones that are large"
            " beside how they vary, for very many, or where ρ is near 1 or −1: add nothing, cut nothing off, count all"
            " pairs, and subtract the average before you multiply."),
    Mistake("correlation-varies", "The same gradients give another value in another call: something is drawn at random,"
            " or kept from an earlier call."),
    Mistake("correlation-not-a-tensor", "The correlation is a {what}, not a tensor."),
    Mistake("correlation-not-reduced", "There is more than one number: average over the pairs of examples, and sum over"
            " the parameters."),
    Mistake("correlation-scalar-shape", "The correlation has shape {what}: a scalar has shape ()."),
])  # fmt: skip

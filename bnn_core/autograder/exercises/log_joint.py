"""The specification of lesson 09's exercise `log_joint(parameters, x, y, noise_std, prior_std)`.

It is asked for up to a constant: whatever doesn't depend on the parameters may be there or not. So values are compared
with one another, between settings of the parameters at the same data and the same standard deviations.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bnn_core.autograder.exercise import Evidence
from bnn_core.autograder.judging.formulas import Arguments, Formula, Group
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.mistakes import CODE, GRADIENTS, Mistake

NAMES = ["weight_1", "bias_1", "weight_2", "bias_2"]

# Hidden units H, examples N, noise_std, prior_std. Among them sizes of 1, as many examples as units, whole numbers.
SIZES: list[tuple[int, int, float, float]] = [
    (3, 5, 0.4, 1.7), (4, 4, 1.6, 0.6), (1, 3, 2, 3), (6, 1, 0.7, 0.5), (1, 1, 0.6, 1.4), (2, 9, 0.15, 2.5),
    (20, 7, 0.8, 0.9),
]  # fmt: skip


def setting(evidence: Evidence, hidden: int) -> Arguments:
    """Parameters of H hidden units."""
    shapes = [(hidden, 1), (hidden,), (1, hidden), (1,)]
    return {name: evidence.normal(*shape) for name, shape in zip(NAMES, shapes, strict=True)}


def groups(evidence: Evidence) -> list[Group]:
    """For each of the sizes several settings of the parameters: each parameter changes alone, then all do; the last
    are all 0, and five times as large as others.
    """
    found: list[Group] = []
    for hidden, count, noise_std, prior_std in SIZES:
        first, other, last = (setting(evidence, hidden) for _ in range(3))
        settings = [first, *({**first, name: other[name]} for name in NAMES), last]
        settings += [{name: factor * value for name, value in first.items()} for factor in (0.0, 5.0)]
        data = {"x": evidence.normal(count, 1), "y": 2 * evidence.normal(count, 1)}
        found.append([{**one, **data, "noise_std": noise_std, "prior_std": prior_std} for one in settings])
    return found


def inputs(evidence: Evidence) -> list[Arguments]:
    return [group[0] for group in groups(evidence)]


# What is right, and its parts as mistakes make them: of the output, of the errors, of all parameters.


Activation = Callable[[Tensor], Tensor]


def activated_by(activation: Activation) -> Formula:
    """The network with this between its layers."""
    return lambda w1, b1, w2, b2, x: activation(x @ w1.T + b1) @ w2.T + b2


network = activated_by(torch.relu)


def squares(error: Tensor, std: float) -> Tensor:
    """The log density of each, without its constant."""
    return -0.5 * (error / std) ** 2


Part = Callable[[Tensor, float], Tensor]


def sum_of_parts(
    *arguments: Any,
    likelihood: Part = lambda error, std: squares(error, std).sum(),
    prior: Part = lambda all_parameters, std: squares(all_parameters, std).sum(),
    output: Formula = network,
    error: Callable[[Tensor, Tensor], Tensor] = torch.sub,
    of: str = "wbwb",
) -> Tensor:
    """likelihood(error(y, output), noise_std) + prior(parameters, prior_std); of: the parameters that have a prior."""
    *parameters, x, y, noise_std, prior_std = arguments
    held = [value.flatten() for value, kind in zip(parameters, of, strict=True) if kind != "-"]
    return likelihood(error(y, output(*parameters, x)), noise_std) + prior(torch.cat(held), prior_std)


def joint(likelihood: Part | None = None, prior: Part | None = None, **options: Any) -> Formula:
    """The sum with other parts."""
    options |= {"likelihood": likelihood} if likelihood else {}
    options |= {"prior": prior} if prior else {}
    return partial(sum_of_parts, **options)


def weighted(likelihood: float, prior: float) -> Formula:
    """The two parts, each multiplied."""

    def times(factor: float) -> Part | None:
        return None if factor == 1 else lambda values, std: factor * squares(values, std).sum()

    return joint(times(likelihood), times(prior))


def counted(count: Callable[[int], float], of_prior: bool) -> Formula:
    """One of the two parts multiplied by what the number of examples gives."""

    def formula(*arguments: Any) -> Tensor:
        factor = count(len(arguments[4]))
        return weighted(1, factor)(*arguments) if of_prior else weighted(factor, 1)(*arguments)

    return formula


def by_tensor(prior: Part) -> Formula:
    """With a log-prior that is computed tensor by tensor."""
    return lambda *a: weighted(1, 0)(*a) + torch.stack([prior(values, a[-1]) for values in a[:4]]).sum()


def copied(twice: int, never: int) -> Formula:
    """With the prior of one of the four tensors in place of another's."""

    def formula(*arguments: Any) -> Tensor:
        parameters, prior_std = arguments[:4], arguments[-1]
        difference = squares(parameters[twice], prior_std).sum() - squares(parameters[never], prior_std).sum()
        return joint()(*arguments) + difference

    return formula


def swapped(*arguments: Any) -> Tensor:
    *others, noise_std, prior_std = arguments
    return joint()(*others, prior_std, noise_std)


def activated(name: str, activation: Activation) -> Mistake:
    formula = joint(output=activated_by(activation))
    sentence = "Between the layers stands {what}; it must be the ReLU."
    return Mistake("other-activation", sentence, formula, about={"what": name})


def identity(value: Tensor) -> Tensor:
    return value


NETWORK = [
    activated("tanh", torch.tanh),
    activated("the sigmoid", torch.sigmoid),
    activated("the GELU", F.gelu),
    activated("the SiLU", F.silu),
    activated("the softplus", F.softplus),
    activated("the leaky ReLU", F.leaky_relu),
    Mistake("activation-missing", "There is no ReLU between the layers: without it the network is a straight line.",
            joint(output=activated_by(identity))),
    Mistake("activation-on-output", "The ReLU is applied to the output, too: the second layer's output stays as it is.",
            joint(output=lambda *a: network(*a).relu())),
    Mistake("activation-too-late", "The ReLU is applied after the second layer, in place of the first.",
            joint(output=lambda *a: activated_by(identity)(*a).relu())),
    Mistake("network-bias-missing", "bias_1 isn't added in the first layer.",
            joint(output=lambda w1, b1, w2, b2, x: network(w1, 0 * b1, w2, b2, x))),
    Mistake("network-bias-missing", "bias_2 isn't added in the second layer.",
            joint(output=lambda w1, b1, w2, b2, x: network(w1, b1, w2, 0 * b2, x))),
    Mistake("network-bias-missing", "Neither layer adds its bias.",
            joint(output=lambda w1, b1, w2, b2, x: network(w1, 0 * b1, w2, 0 * b2, x))),
    Mistake("units-of-the-notebook", "Only the first 8 hidden units enter, the notebook's number: how many there are,"
            " the shapes of the parameters say.",
            joint(output=lambda w1, b1, w2, b2, x: network(w1[:8], b1[:8], w2[:, :8], b2, x))),
    Mistake("bias-too-late", "bias_1 is added after the ReLU; it belongs inside.",
            joint(output=lambda w1, b1, w2, b2, x: ((x @ w1.T).relu() + b1) @ w2.T + b2)),
]  # fmt: skip

LIKELIHOOD = [
    Mistake("likelihood-forgotten", "That is the log-prior alone: the data don't enter.", weighted(0, 1)),
    Mistake("likelihood-averaged", "The log-likelihood is averaged over the examples: each brings its own evidence, so"
            " sum.", joint(lambda e, s: squares(e, s).mean())),
    Mistake("likelihood-scaled", "The log-likelihood is multiplied by N: the sum over the examples is all of it.",
            counted(lambda n: n, of_prior=False)),
    Mistake("error-broadcast", "(N,) meets (N, 1), which makes an N×N table of differences: output and y must both be"
            " (N, 1).", joint(error=lambda y, out: y - out[:, 0])),
    Mistake("noise-as-variance", "The squared error is divided by 2·noise_std: noise_std is a standard deviation, whose"
            " square belongs there.", joint(lambda e, s: squares(e, s**0.5).sum())),
    Mistake("noise-squared-twice", "noise_std is squared twice: Normal takes the standard deviation itself.",
            joint(lambda e, s: squares(e, s**2).sum())),
    Mistake("noise-as-log", "You take the exponential of noise_std: it is no logarithm.",
            joint(lambda e, s: squares(e, float(torch.tensor(s).exp())).sum())),
    Mistake("likelihood-half-missing", "The ½ before the squared error is missing: it is divided by 2·noise_std².",
            weighted(2, 1)),
    Mistake("likelihood-half-twice", "The squared error is divided by (2·noise_std)²: noise_std alone is squared, and"
            " not the 2.", weighted(0.5, 1)),
    Mistake("noise-multiplied", "The squared error is multiplied by noise_std²: a / 2 * b divides by 2 alone. Write"
            " a / (2 * b).", joint(lambda e, s: squares(e, 1 / s).sum())),
    Mistake("noise-ignored", "The squared error isn't divided by noise_std²: how much an error says depends on the"
            " noise.", joint(lambda e, s: squares(e, 1.0).sum())),
    Mistake("noise-ignored", "The squared error stands there as it is: divide it by 2·noise_std².",
            joint(lambda e, s: 2 * squares(e, 1.0).sum())),
    Mistake("noise-ignored", "F.mse_loss averages, and knows no noise: sum the squared errors, divided by"
            " 2·noise_std².", joint(lambda e, s: 2 * squares(e, 1.0).mean())),
    Mistake("error-not-squared", "The error isn't squared.", joint(lambda e, s: -0.5 * (e / s).sum())),
    Mistake("error-absolute", "The absolute error stands where the squared one belongs: that is another noise than the"
            " Gaussian.", joint(lambda e, s: -(e / s).abs().sum())),
    Mistake("error-absolute", "The absolute error stands where the squared one belongs: that is another noise than the"
            " Gaussian.", joint(lambda e, s: -0.5 * e.abs().sum() / s**2)),
    Mistake("errors-summed-first", "The errors are summed and then squared, so that they cancel: square each one.",
            joint(lambda e, s: squares(e.sum(), s))),
]  # fmt: skip

PRIOR = [
    Mistake("prior-forgotten", "That is the log-likelihood alone: the log-prior is missing.", weighted(1, 0)),
    Mistake("prior-subtracted", "The log-prior is subtracted: large weights must make the value smaller.",
            weighted(1, -1)),
    Mistake("prior-without-biases", "The biases have a prior, too: yours is that of the weights alone.",
            joint(of="w-w-")),
    Mistake("prior-of-biases-only", "Yours is the prior of the biases alone: the weights have one, too.",
            joint(of="-b-b")),
    Mistake("prior-of-one-layer", "Yours is the prior of the first layer alone.", joint(of="wb--")),
    Mistake("prior-of-one-layer", "Yours is the prior of the second layer alone.", joint(of="--wb")),
    Mistake("prior-of-one-layer", "bias_2 has no prior in yours.", joint(of="wbw-")),
    Mistake("prior-of-one-layer", "bias_1 has no prior in yours.", joint(of="w-wb")),
    Mistake("prior-averaged", "The log-prior is averaged over the parameters: they are independent, so their log"
            " densities add up.", joint(prior=lambda p, s: squares(p, s).mean())),
    Mistake("prior-divided", "The log-prior is divided by N: it counts once, however many examples there are.",
            counted(lambda n: 1 / n, of_prior=True)),
    Mistake("prior-per-example", "The log-prior is counted once for each example: add it after the sum, once.",
            counted(lambda n: n, of_prior=True)),
    Mistake("prior-as-variance", "The squared parameters are divided by 2·prior_std: prior_std is a standard deviation,"
            " whose square belongs there.", joint(prior=lambda p, s: squares(p, s**0.5).sum())),
    Mistake("prior-squared-twice", "prior_std is squared twice: Normal takes the standard deviation itself.",
            joint(prior=lambda p, s: squares(p, s**2).sum())),
    Mistake("prior-as-log", "You take the exponential of prior_std: it is no logarithm.",
            joint(prior=lambda p, s: squares(p, float(torch.tensor(s).exp())).sum())),
    Mistake("prior-half-missing", "The log-prior is twice what it should be: the ½ before the squared parameters is"
            " missing, or all of it is added twice.", weighted(1, 2)),
    Mistake("prior-half-twice", "The squared parameters are divided by (2·prior_std)²: only prior_std is squared, and"
            " not the 2.", weighted(1, 0.5)),
    Mistake("prior-multiplied", "The squared parameters are multiplied by prior_std²: a / 2 * b divides by 2 alone."
            " Write a / (2 * b).", joint(prior=lambda p, s: squares(p, 1 / s).sum())),
    Mistake("prior-std-ignored", "The squared parameters aren't divided by prior_std².",
            joint(prior=lambda p, s: squares(p, 1.0).sum())),
    Mistake("prior-std-ignored", "The squared parameters stand there as they are: divide them by 2·prior_std².",
            joint(prior=lambda p, s: 2 * squares(p, 1.0).sum())),
    Mistake("prior-not-squared", "The parameters aren't squared in the log-prior.",
            joint(prior=lambda p, s: -0.5 * (p / s).sum())),
    Mistake("prior-absolute", "The absolute value stands where the square belongs: that is another prior than the"
            " Gaussian.", joint(prior=lambda p, s: -(p / s).abs().sum())),
    Mistake("prior-absolute", "The absolute value stands where the square belongs: that is another prior than the"
            " Gaussian.", joint(prior=lambda p, s: -0.5 * p.abs().sum() / s**2)),
    Mistake("parameters-summed-first", "The parameters are summed and then squared, so that they cancel: square each"
            " one.", by_tensor(lambda p, s: squares(p.sum(), s))),
    Mistake("parameters-summed-first", "The parameters are summed and then squared, so that they cancel: square each"
            " one.", joint(prior=lambda p, s: squares(p.sum(), s))),
    Mistake("prior-norm", "The norm isn't squared: the Gaussian's log density has the sum of squares.",
            joint(prior=lambda p, s: -0.5 * p.norm() / s**2)),
    Mistake("prior-norm", "The norm isn't squared: the Gaussian's log density has the sum of squares.",
            by_tensor(lambda p, s: -0.5 * p.norm() / s**2)),
    Mistake("prior-averaged", "The log-prior is averaged over each tensor's parameters: they are independent, so their"
            " log densities add up.", by_tensor(lambda p, s: squares(p, s).mean())),
    *(Mistake("prior-of-one-tensor", "One tensor alone has a prior: = in a loop forgets what came before, += adds.",
              joint(of=of)) for of in ("w---", "-b--", "--w-", "---b")),
    Mistake("prior-mean-not-zero", "The prior's mean is 1; it is 0, and Normal takes the mean first.",
            joint(prior=lambda p, s: squares(p - 1, s).sum())),
    *(Mistake("prior-copied", "One tensor's prior is counted twice, and another's not at all.", copied(*places))
      for places in ((0, 2), (2, 0), (1, 3), (3, 1))),
    Mistake("stds-swapped", "noise_std and prior_std have changed places.", swapped),
    Mistake("one-std-for-both", "Both parts are divided by noise_std²: the log-prior has prior_std.",
            lambda *a: joint()(*a[:-1], a[-2])),
    Mistake("one-std-for-both", "Both parts are divided by prior_std²: the log-likelihood has noise_std.",
            lambda *a: joint()(*a[:-2], a[-1], a[-1])),
    Mistake("prior-of-the-outputs", "The network's outputs have a prior in yours: the parameters have one.",
            lambda *a: weighted(1, 0)(*a) + squares(network(*a[:5]), a[-1]).sum()),
]  # fmt: skip

SIGNS = [
    Mistake("log-joint-negated", "That is a loss, −log p: a sampler wants large values where the posterior is high.",
            weighted(-1, -1)),
    Mistake("likelihood-subtracted", "The log-likelihood has the wrong sign: large errors must make the value smaller.",
            weighted(-1, 1)),
    Mistake("stds-multiplied", "Both sums of squares are multiplied by std²: a / 2 * b divides by 2 alone. Write"
            " a / (2 * b).",
            joint(lambda e, s: squares(e, 1 / s).sum(), lambda p, s: squares(p, 1 / s).sum())),
    Mistake("halves-twice", "Both sums of squares are divided by (2·std)²: only std is squared, and not the 2.",
            weighted(0.5, 0.5)),
    Mistake("half-missing", "Both halves are missing: the squares are divided by 2·std², for the errors and for the"
            " parameters.", weighted(2, 2)),
    Mistake("stds-as-variances", "Both sums of squares are divided by 2·std: noise_std and prior_std are standard"
            " deviations, whose squares belong there.",
            joint(lambda e, s: squares(e, s**0.5).sum(), lambda p, s: squares(p, s**0.5).sum())),
    Mistake("stds-squared-twice", "noise_std and prior_std are squared twice: Normal takes standard deviations.",
            joint(lambda e, s: squares(e, s**2).sum(), lambda p, s: squares(p, s**2).sum())),
    Mistake("both-averaged", "Both parts are averaged; both are sums: over the examples, and over the parameters.",
            joint(lambda e, s: squares(e, s).mean(), lambda p, s: squares(p, s).mean())),
    Mistake("density-not-log", "That is the density itself: add up its logarithms.",
            lambda *a: (joint()(*a) - torch.tensor(a[-2]).log() * len(a[4])).exp()),
    Mistake("density-not-log", "That is the density itself: add up its logarithms.", lambda *a: joint()(*a).exp()),
]  # fmt: skip

SCALAR = [
    Mistake("dict-changed", "Your code changes the dict that it was given: it belongs to the caller. Look its entries"
            " up, or make a dict of your own.", error_signs=("the dict that it was given",)),
    Mistake("changed-before-backward", "A tensor from which gradients are computed later is changed in place: make a"
            " new one.", error_signs=("modified by an inplace operation",)),
    Mistake("log-joint-not-a-tensor", "It is a {what}, not a tensor: gradients can't flow through it."),
    Mistake("densities-multiplied", "It is −∞: densities are multiplied, and their product is too small for a float."
            " Add up their logarithms."),
    Mistake("log-joint-not-reduced", "It has several values: add up the log densities of all examples and of all"
            " parameters, to one number."),
    Mistake("log-joint-scalar-shape", "It has shape {what}: a scalar has shape ()."),
]  # fmt: skip

MATHEMATICS, TURN = "The mathematics", "Your turn: write the log joint"

exercise = FunctionExercise(
    "log_joint", "09_how_wrong_is_it", points=4, inputs=inputs, right=joint(), together={"parameters": NAMES}
)
exercise.knows(TURN, SCALAR)
exercise.returns("it returns one number, as a tensor", scalar="log-joint", infinite="densities-multiplied")
exercise.keeps_arguments("parameters, x and y stay as they were")
exercise.equals_up_to_a_constant(
    "it is log-likelihood plus log-prior, up to a constant",
    MATHEMATICS,
    [*SIGNS, *NETWORK, *LIKELIHOOD, *PRIOR],
    groups,
)
exercise.gradients_are_right("its gradients reach all four parameters, and are right", of=NAMES)
exercise.has_manners("the result has the dtype of the arguments", "it leaves the global random seed alone")
exercise.knows(TURN, GRADIENTS, CODE)

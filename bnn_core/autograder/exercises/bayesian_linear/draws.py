"""One forward: x·Wᵀ + b, with weights and biases that are drawn as their parameters say."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from bnn_core.autograder.exercise import Failed, picturing
from bnn_core.autograder.exercises.bayesian_linear.layer import (
    DRAWS,
    FEWER_DRAWS,
    FORWARD,
    IN,
    LARGE_BATCH,
    OUT,
    READING,
    Draws,
    Evidence,
    Layer,
    exercise,
    read_draw,
)
from bnn_core.autograder.exercises.bayesian_linear.parameters import (
    has_its_parameters,
    input_is_left_alone,
    output_has_its_shape,
    parameters_are_left_alone,
)
from bnn_core.autograder.judging.draws import (
    DISTRIBUTION_RISK,
    against_normal,
    correlation_tolerance,
    mean_tolerance,
    require_normal,
    scale_of,
    std_ratio_tolerance,
    variance_of_sums,
)
from bnn_core.autograder.judging.values import expected_and_came, first_match, matches, number, numbers
from bnn_core.autograder.pictures import of_draws


@exercise.check("every forward draws anew, in training", needs=[has_its_parameters, output_has_its_shape], slow=True)
def draws_anew_in_training(evidence: Evidence) -> None:
    require_fresh_draws(evidence, training=True)


@exercise.check("every forward draws anew, in evaluation", needs=[has_its_parameters, output_has_its_shape], slow=True)
def draws_anew_in_evaluation(evidence: Evidence) -> None:
    require_fresh_draws(evidence, training=False)


def require_fresh_draws(evidence: Evidence, training: bool) -> None:
    """Raise Failed unless weights and biases differ from forward to forward in this mode."""
    layer, parameters = evidence.layer(), evidence.spread_parameters()
    layer.set(parameters)
    for kind, draws in successive_draws(layer, training).items():
        if not repeats(draws):
            continue
        message = f"In {'train' if training else 'eval'}(), successive forwards use the same {kind}."
        if not repeats(successive_draws(layer, not training)[kind]):
            raise Failed(message, "sampling-only-in-eval" if training else "sampling-only-in-training")
        mean, std = parameters[f"{kind}_mean"].double(), parameters[f"{kind}_log_std"].double().exp()
        if matches(draws[0], mean + std, 1e-4) or matches(draws[0], mean - std, 1e-4):
            raise Failed(message, "no-sampling", what="mean + exp(log_std)")
        if not matches(draws[0], mean, 1e-4):
            raise Failed(message, "noise-drawn-once" if draws.any() else f"{kind}-unused")
        if all(repeats(other) for other in successive_draws(layer, training).values()):
            raise Failed(message, "no-sampling", what="the mean")
        raise Failed(message, f"{kind}-without-noise")
    if repeats(layer.instance.sample(3, FORWARD, READING).double()):
        raise Failed("Under torch.no_grad(), successive forwards give the same output.", "sampling-needs-gradients")
    other = evidence.layer()
    other.set(parameters)
    if repeats(torch.stack([one.forward(READING)[1] for one in (evidence.layer_with(parameters), other)])):
        raise Failed("Their first forwards give the same output.", "noise-shared-by-layers")
    one_row = evidence.normal(1, IN)
    if repeats(torch.stack([output for _, output in layer.forwards(one_row, one_row, one_row)])):
        raise Failed(
            "With a batch of one row, successive forwards give the same output.", "no-sampling", what="the mean"
        )


def successive_draws(layer: Layer, training: bool) -> dict[str, Tensor]:
    """The weights and the biases of three forwards in a row."""
    layer.instance.train(training)
    weights, biases = read_draw(torch.stack([output for _, output in layer.forwards(READING, READING, READING)]))
    return {"weight": weights, "bias": biases}


def repeats(draws: Tensor) -> bool:
    """Whether all draws are the same, but for rounding."""
    return all(matches(first, second, 1e-5) for first, second in pairwise(draws))


@exercise.check(
    "one forward is x·Wᵀ + b, with one draw of W and b for the whole batch",
    needs=[draws_anew_in_training, input_is_left_alone, parameters_are_left_alone],
)
def forward_is_affine(evidence: Evidence) -> None:
    layer, parameters = evidence.layer(), evidence.parameters()
    layer.set(parameters)
    rows = 3 * evidence.normal(3, IN)
    for copies in (2, LARGE_BATCH // len(rows)):
        _, output = layer.forward(torch.cat([READING, rows.repeat(copies, 1)]))
        first, *others = output[1 + IN :].split(len(rows))
        scale = output.abs().max()
        again = next((other for other in others if not matches(first, other, 1e-4 * scale)), None)
        if again is not None:
            raise Failed(
                f"Equal rows in one batch of {len(output)} should give equal outputs; yours: {numbers(first[0])} and"
                f" {numbers(again[0])}.",
                "local-reparameterization-mixed-in",
            )
    weight, bias = read_draw(output)
    expected = F.linear(rows.double(), weight, bias)
    if not matches(first, expected, 1e-4 * scale):
        message = expected_and_came("From the draw that the other rows show, the output of this batch", expected, first)
        raise Failed(message, "computed-in-half" if matches(first, expected, 2e-2 * scale) else "not-affine")


@exercise.check("the sampled weights and biases are centred on their means", needs=[forward_is_affine], slow=True)
def draws_are_centred(evidence: Evidence) -> None:
    for kind in ("weight", "bias"):
        values, mean, log_std = evidence.draws.of(kind)
        average, spread = values.mean(dim=0), values.std(dim=0)
        if matches(average, mean, mean_tolerance(spread, DRAWS) + evidence.draws.rounding):
            continue
        with picturing(partial(of_draws, values, mean, log_std.exp())):
            refuse_average(kind, values, mean, log_std)


def refuse_average(kind: str, values: Tensor, mean: Tensor, log_std: Tensor) -> None:
    """Raise Failed, with the mistake it looks like, for draws whose average isn't their mean."""
    average, spread = values.mean(dim=0), values.std(dim=0)
    message = expected_and_came(f"Over {DRAWS} forwards, with {kind}_mean set, the average {kind}", mean, average)
    if matches(values, torch.zeros_like(values), 1e-6):
        raise Failed(message, f"{kind}-unused")
    beyond = (values - mean).clamp_min(1e-12).log()
    standardised = ((beyond - beyond.mean(dim=0)) / beyond.std(dim=0)).flatten()
    if bool((values >= mean).all()) and against_normal(standardised)[1] > DISTRIBUTION_RISK:
        raise Failed(message, "epsilon-in-exponent")
    if kind == "bias" and matches(average, 2 * mean, mean_tolerance(spread, DRAWS) + 1e-4):
        raise Failed(message, "bias-added-twice")
    if matches(average, torch.zeros_like(mean), mean_tolerance(spread, DRAWS)):
        multiplied = [(mean + log_std.exp()).abs(), (mean * log_std.exp()).abs()]
        tolerances = [std_ratio_tolerance(DRAWS) * predicted + 1e-6 for predicted in multiplied]
        if any(matches(spread, *pair) for pair in zip(multiplied, tolerances, strict=True)):
            raise Failed(message, "noise-multiplies-mean", what=f"{kind}_mean")
        raise Failed(message, "mean-missing", what=kind)
    weights = mean / (spread**2 + 1e-12)
    factor = ((average * weights).sum() / (mean * weights).sum()).item()
    # A mean that is subtracted looks like a draw times −1, for noise has no sign.
    is_scaled = factor > 0 and matches(average, factor * mean, mean_tolerance(spread, DRAWS) + 1e-4)
    if is_scaled and matches(spread, factor * log_std.exp(), std_ratio_tolerance(DRAWS) * spread + 1e-4):
        raise Failed(message, "draw-scaled", what=kind, factor=number(factor))
    offset = (average - mean) / log_std.exp()
    if offset.std() < 0.1 * offset.mean().abs():
        raise Failed(message, "noise-not-normal", what=f": its average is {number(offset.mean().item())}, not 0")
    raise Failed(message)


@exercise.check("the sampled weights spread as exp(weight_log_std) says", needs=[draws_are_centred])
def weights_spread(evidence: Evidence) -> None:
    require_spread(evidence, "weight")


@exercise.check("the sampled biases spread as exp(bias_log_std) says", needs=[draws_are_centred])
def biases_spread(evidence: Evidence) -> None:
    require_spread(evidence, "bias")


def require_spread(evidence: Evidence, kind: str) -> None:
    """Raise Failed, with the mistake it looks like, unless the draws' standard deviations are exp(log_std)."""
    values, mean, log_std = evidence.draws.of(kind)
    came, right = values.std(dim=0), log_std.exp()
    with picturing(lambda: of_draws(values, mean, right)):
        tolerance = std_ratio_tolerance(DRAWS)
        _, off_by_a_factor = scale_of((values - mean) / right)
        if matches(came, right, tolerance * right) and not off_by_a_factor:
            return
        what = f"The standard deviation of the {kind}"
        message = expected_and_came(f"Over {DRAWS} forwards, the standard deviation of the {kind}", right, came)
        message += f"\n(at {kind}_log_std between {number(log_std.min().item())} and {number(log_std.max().item())})"
        if bool((came < 1e-6).all()):
            raise Failed(message, f"{kind}-without-noise")
        refuse_centred(values, mean, message)
        suspects = [
            ("log-variance-for-log-std", (0.5 * log_std).exp()),
            ("variance-for-std", (2 * log_std).exp()),
            ("softplus-for-exp", F.softplus(log_std)),
            ("std-ignored", torch.ones_like(log_std)),
            ("log-std-for-std", log_std.abs()),
            ("log-std-for-std", log_std.relu()),
            ("std-exp-twice", log_std.exp().exp()),
            ("sign-of-log-std", (-log_std).exp()),
            ("sign-of-log-std", log_std.abs().exp()),
            ("std-base", torch.exp2(log_std)),
            ("std-base", torch.pow(10.0, log_std)),
            ("std-frozen", evidence.initial_log_std[kind].exp()),
            ("std-swapped", mean.exp()),
            ("noise-times-mean", log_std.exp() * mean.abs()),
            ("std-inverted", (-2 * log_std).exp()),
        ]
        rounding = 1e-5 * came.max() + 1e-6
        found = first_match(came, suspects, lambda predicted: tolerance * predicted + rounding)
        if found is not None:
            raise Failed(message, found, what=what)
        added = (came - right).median()
        if added > 0 and matches(came, right + added, tolerance * (right + added)):
            raise Failed(message, "std-offset", what=what, factor=number(added.item()))
        diagnose_ratio(values, came / right, log_std, message, what)


def refuse_centred(values: Tensor, mean: Tensor, message: str = "") -> None:
    """Raise Failed where in each of the draws (N × parameters) the noise adds up to 0, be it along one dimension."""
    noise = ((values - mean) / (values.std(dim=0) + 1e-12)).unflatten(1, (OUT, -1))
    if variance_of_sums(noise if noise.shape[2] > 1 else noise[..., 0]) < 0.1:
        raise Failed(message or "In each of the draws the noise adds up to 0.", "noise-centred")


def diagnose_ratio(values: Tensor, ratio: Tensor, log_std: Tensor, message: str, what: str) -> None:
    """Name what a wrong ratio of standard deviations to exp(log_std) looks like: a constant factor, or a clamp."""
    tolerance = std_ratio_tolerance(DRAWS)
    factor = ratio.median()
    if matches(ratio, factor.expand_as(ratio), 2 * tolerance * factor):
        standardised = (values - values.mean(dim=0)) / values.std(dim=0)
        if against_normal(standardised)[1] < DISTRIBUTION_RISK:
            raise Failed(message, "noise-not-normal", what=f": its standard deviation is {number(factor.item())}")
        raise Failed(message, "std-scaled", what=what, factor=number(factor.item()))
    right = (ratio - 1).abs() <= tolerance
    wrong = log_std[~right]
    if right.any():
        low, high = log_std[right].min(), log_std[right].max()
        if bool(((wrong < low) | (wrong > high)).all()):
            ends = [
                name for name, is_wrong in (("small", wrong.min() < low), ("large", wrong.max() > high)) if is_wrong
            ]
            raise Failed(message, "log-std-clamped", what=what, where=" or ".join(ends))
    raise Failed(message)


@exercise.check("every weight and every bias has noise of its own", needs=[weights_spread, biases_spread])
def noise_is_independent(evidence: Evidence) -> None:
    for kind in ("weight", "bias"):
        values, mean, _ = evidence.draws.of(kind)
        refuse_centred(values, mean)
    noise = evidence.draws.noise
    bound = correlation_tolerance(DRAWS)
    products = noise.T @ noise / DRAWS
    linked = (products - torch.diag(products.diag())).abs() > bound
    if linked.any():
        first, second = (int(index) for index in linked.nonzero()[0])
        correlation = torch.corrcoef(noise[:, [first, second]].T)[0, 1].item()
        raise Failed(
            f"The noise of {place(first)} and {place(second)} has correlation {number(correlation)}"
            f" over {DRAWS} forwards (up to {number(bound)} would be chance).",
            "noise-shared",
            what=sharing(linked),
        )
    following = noise[:-1].T @ noise[1:] / (DRAWS - 1)
    if bool((following.abs() > bound).any()):
        raise Failed("The noise of one forward comes back in the next.", "noise-drawn-once")


def place(index: int) -> str:
    """What a column of the noise belongs to."""
    if index < OUT * IN:
        return f"weight[{index // IN}, {index % IN}]"
    return f"bias[{index - OUT * IN}]"


def sharing(linked: Tensor) -> str:
    """Which weights share their noise, in words."""
    weights = linked[: OUT * IN, : OUT * IN].reshape(OUT, IN, OUT, IN)
    among_weights = bool(weights.any())
    if not among_weights:
        return "Biases" if bool(linked[OUT * IN :, OUT * IN :].any()) else "Weights and biases"
    output, inputs = torch.arange(OUT), torch.arange(IN)
    one_output = bool(weights[output, :, output].any())
    one_input = bool(weights[:, inputs, :, inputs].any())
    if one_output and one_input:
        return "All weights"
    return "The weights of one output" if one_output else "The weights of one input" if one_input else "Some weights"


@exercise.check("evaluation draws from the same distribution as training", needs=[noise_is_independent])
def evaluation_draws_alike(evidence: Evidence) -> None:
    layer = evidence.layer()
    layer.instance.train(False)
    require_right_draws(layer, evidence.parameters(), "in eval()", "evaluation-differs")


def require_right_draws(layer: Layer, at: dict[str, Tensor], where: str, mistake: str | None = None) -> None:
    """Raise Failed unless forwards at these parameters draw what they say. mistake: what it is if nothing else fits."""
    layer.set(at)
    count = FEWER_DRAWS
    weights, biases = read_draw(layer.instance.sample(count, FORWARD, READING).double())
    draws = Draws({name: value.double() for name, value in at.items()}, weights, biases)
    for kind in ("weight", "bias"):
        values, mean, log_std = draws.of(kind)
        std = log_std.exp()
        moments = {
            "average": (mean, values.mean(dim=0), mean_tolerance(std, count)),
            "standard deviation": (std, values.std(dim=0), std_ratio_tolerance(count) * std),
        }
        for what, (right, came, bound) in moments.items():
            if not matches(came, right, bound):
                message = expected_and_came(f"Over {count} forwards {where}, the {what} of a {kind}", right, came)
                turned = kind == "weight" and is_turned(layer, right, came, bound)
                with picturing(partial(of_draws, values, mean, std)):
                    raise Failed(message, "matrix-turned-when-square" if turned else mistake)
    products = draws.noise.T @ draws.noise / count
    if bool(((products - torch.diag(products.diag())).abs() > correlation_tolerance(count)).any()):
        shared = f"Over {count} forwards {where}, weights or biases draw the same noise."
        raise Failed(shared, mistake or "noise-shared", what="Some weights or biases")
    scale, off_by_a_factor = scale_of(draws.noise)
    if off_by_a_factor:
        spread = f"Over {count} forwards {where}, what is drawn spreads {number(scale)} times as much as it should."
        raise Failed(spread, mistake)


def is_turned(layer: Layer, right: Tensor, came: Tensor, bound: Tensor) -> bool:
    """Whether the values of all weights are right but for an exchange of rows and columns."""
    size = layer.sizes["weight_mean"]
    return size[0] == size[1] and matches(came, right.reshape(size).T.flatten(), bound.max())


@exercise.check("the noise is standard normal", needs=[noise_is_independent])
def noise_is_normal(evidence: Evidence) -> None:
    for noise in evidence.draws.noise.split([OUT * IN, OUT], dim=1):
        require_normal(noise)


@exercise.check("a layer with as many inputs as outputs is no exception", needs=[noise_is_normal])
def square_layer_is_right(evidence: Evidence) -> None:
    at = evidence.parameters(out_features=IN)
    require_right_draws(evidence.layer(IN, IN), at, f"of a layer with {IN} inputs and {IN} outputs")

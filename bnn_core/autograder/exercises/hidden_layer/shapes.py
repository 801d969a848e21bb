"""The layer can be built, its draws have their shape, and drawing leaves everything as it was."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.exercises.hidden_layer.layer import (
    CERTAIN_TOLERANCE,
    KL_OPTIONS,
    LOCAL,
    OPTIONS,
    PLAIN,
    ROWS,
    SQUARE,
    WEIGHT_SPACE,
    Evidence,
    Layer,
    close,
    exercise,
)
from bnn_core.autograder.interface import LearnerError
from bnn_core.autograder.judging.draws import known_mistake, mean_tolerance, require_fresh_noise
from bnn_core.autograder.judging.manners import require_unchanged
from bnn_core.autograder.judging.preactivations import NAMES
from bnn_core.autograder.judging.values import number, numbers, resized, shape, tensor_from
from bnn_core.autograder.mistakes import Mistake


@exercise.check("it can be built from X, A_mean and A_scale, with any of its options by name")
def is_built(evidence: Evidence) -> None:
    named = dict(zip(NAMES, evidence.problem().tensors, strict=True))
    for options in ({}, *({name: value} for name, value in OPTIONS.items()), OPTIONS):
        try:
            evidence.subject.construct(**named, **options)
            evidence.subject.settle()
        except LearnerError as error:
            if refuses_arguments(error):
                raise Failed(error.sentence, "signature-changed") from None
            raise


def refuses_arguments(error: LearnerError) -> bool:
    """Whether the class can't be built from these arguments, for it has no such parameters."""
    return error.message.startswith((f"{exercise.name}.__init__()", f"{exercise.name}()", "__init__()"))


# Shape, and what must hold before anything can be measured.


@exercise.check("rsample() has shape (B, H + 1), or (B, H) without the bias unit", needs=[is_built])
def draws_have_their_shape(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        for include_hidden_bias in (True, False):
            for sizes in [(4, 3, 5), (1, 4, 2), (6, 1, 3), (5, 2, 1), SQUARE]:
                problem = evidence.problem(*sizes)
                options = {"include_hidden_bias": include_hidden_bias, "weight_space_sampling": mode}
                require_shape(evidence.layer(problem.with_positive_inputs(), **options))


def require_shape(layer: Layer, *sample_shape: int) -> None:
    """Raise Failed, with the mistake it looks like, unless a draw has its shape."""
    reply = layer.rsample(*sample_shape)
    if reply.tensor is None:
        tensor_from(reply, layer.drawing)
        return
    rows, columns = layer.size
    came, right = tuple(reply.tensor.shape), (*sample_shape, rows, columns)
    with_bias = layer.options["include_hidden_bias"]
    message = f"It should, {layer.settings}, have shape {shape(right)}; yours has {shape(came)}."
    mistakes = {
        (*right[:-1], columns - 1): "bias-unit-missing" if with_bias else None,
        (*right[:-1], columns + 1): None if with_bias else "bias-unit-unwanted",
        (*right[:-2], rows + 1, columns - 1): "bias-unit-as-row" if with_bias else None,
        (*right[:-2], columns, rows): "output-transposed",
    }
    if sample_shape:
        mistakes |= {(rows, columns): "sample-shape-ignored", (rows, columns, *sample_shape): "sample-shape-misplaced"}
        mistakes |= {(rows, *sample_shape, columns): "sample-shape-misplaced"}
        # The ones may have been joined to what came last.
        mistakes |= {(rows, columns - 1, *sample_shape[:-1], sample_shape[-1] + 1): "sample-shape-misplaced"}
    if len(sample_shape) > 1:
        mistakes |= {(*sample_shape[::-1], rows, columns): "sample-shape-misplaced"}
        parts: list[tuple[int, ...]] = [(math.prod(sample_shape),)]
        for cut in range(1, len(sample_shape)):
            parts += [sample_shape[:cut], sample_shape[cut:]]
        mistakes |= {(*part, rows, columns): "sample-shape-incomplete" for part in parts}
    if came != right and sample_shape and mistakes.get(came) == "sample-shape-ignored" and not layer.draws_anew():
        raise Failed(message, "no-sampling", what="a fixed value")
    if came != right:
        raise Failed(message, resized(came, right) or mistakes.get(came))
    tensor_from(reply, layer.drawing, right)


@exercise.check("rsample(sample_shape) puts sample_shape before (B, H + 1)", needs=[draws_have_their_shape])
def draws_have_their_sample_shape(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        for include_hidden_bias in (True, False):
            for sample_shape in [(7,), (2, 6), (2, 3, 5), (1,)]:
                options = {"include_hidden_bias": include_hidden_bias, "weight_space_sampling": mode}
                problem = evidence.problem()
                require_shape(evidence.layer(problem.with_positive_inputs(), **options), *sample_shape)


@exercise.check("what it says of its draws as a Distribution is so", needs=[draws_have_their_shape])
def it_describes_itself(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        for include_hidden_bias in (True, False):
            layer = evidence.layer(include_hidden_bias=include_hidden_bias, weight_space_sampling=mode)
            sizes = [said_of_itself(layer, name) for name in ("batch_shape", "event_shape")]
            if not all(isinstance(size, tuple) for size in sizes):
                raise Failed("It has no batch_shape and event_shape.", "not-a-distribution")
            if (*sizes[0], *sizes[1]) != layer.size:
                raise Failed(
                    f"With include_hidden_bias={include_hidden_bias} a draw has shape {shape(layer.size)}; your"
                    f" batch_shape is {shape(sizes[0])} and your event_shape {shape(sizes[1])}.",
                    "distribution-shapes-wrong",
                )
            if said_of_itself(layer, "has_rsample") is False:
                raise Failed("Your has_rsample is False.", "has-rsample-missing")
    try:
        evidence.layer().instance.call("sample")
    except LearnerError as error:
        raise Failed(f"Every Distribution has sample(); of yours: {error.sentence}", "not-a-distribution") from None


def said_of_itself(layer: Layer, name: str) -> Any:
    """The attribute's value; None where it says nothing, as a class that is no Distribution may."""
    try:
        return layer.instance.attribute(name).plain
    except LearnerError:
        return None


@exercise.check("the draws are numbers for negative inputs, too", needs=[draws_have_their_shape])
def draws_are_finite(evidence: Evidence) -> None:
    problem = evidence.problem()
    value = evidence.layer(problem.with_inputs(-problem.X.abs()), **PLAIN).instance.call("rsample").tensor
    if value is not None and not bool(value.isfinite().all()):
        holes = numbers(value[~value.isfinite()])
        raise Failed(f"With every element of X negative, rsample returns {holes}.", "input-not-squared")


@exercise.check("X, A_mean and A_scale stay as they were", needs=[draws_have_their_shape])
def arguments_are_left_alone(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        layer = evidence.layer(weight_space_sampling=mode)
        for use in (layer.draw, layer.kl_reply, layer.log_prob_reply):
            use_what_is_written(use)
            require_unchanged(evidence.subject, layer.problem.arguments)


def use_what_is_written(use: Callable[[], object]) -> None:
    """Call it; where it isn't written yet, or raises, other checks say so."""
    try:
        use()
    except LearnerError:
        return


@exercise.check("drawing leaves the layer as it was", needs=[draws_have_their_sample_shape, draws_are_finite])
def layer_is_left_alone(evidence: Evidence) -> None:
    name = "layer-changed-by-drawing"
    for mode in (LOCAL, WEIGHT_SPACE):
        layer = evidence.layer(weight_space_sampling=mode, **KL_OPTIONS)
        before = costs(layer)
        layer.draw()
        try:
            layer.instance.call("rsample", (7,))
            came = layer.instance.call("rsample").tensor
        except LearnerError as error:
            raise Failed(f"After a draw, {error.sentence}", name) from None
        if came is not None and tuple(came.shape) != layer.size:
            raise Failed(f"rsample() after rsample((7,)) has shape {shape(came.shape)}, not {shape(layer.size)}.", name)
        after = costs(layer)
        for what in before.keys() & after.keys():
            if not close(after[what], before[what].double()):
                message = (
                    f"Before a draw, {what} is {number(before[what].item())}; after, {number(after[what].item())}."
                )
                raise Failed(message, name)


def costs(layer: Layer) -> dict[str, Tensor]:
    """KL and log_prob, where they are written, and the same when they are asked for twice."""
    found = {}
    for name, reply in (("KL", layer.kl_reply), ("log_prob", layer.log_prob_reply)):
        try:
            first, second = reply().tensor, reply().tensor
        except LearnerError:
            continue
        if first is not None and second is not None and first.numel() == 1 and torch.equal(first, second):
            found[name] = first
    return found


@exercise.check("every call of rsample draws anew", needs=[draws_are_finite, arguments_are_left_alone])
def draws_anew(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        for rows in (ROWS, 1):
            layer = evidence.plain_layer(evidence.problem(rows).with_positive_inputs(), mode)
            first, second = layer.draw()[1], layer.draw()[1]
            how = f"{layer.settings}, for {rows} {'row' if rows == 1 else 'rows'} of X,"
            require_fresh_noise(first, second, layer.problem.mean, how)


@exercise.check("non_linearity is the one that is used", needs=[draws_anew])
def given_non_linearity_is_used(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        problem = evidence.certain_problem()
        mirrored = problem.with_inputs(torch.cat([problem.X, -problem.X]))
        draws = evidence.plain_layer(mirrored, mode).draw()[1]
        if not draws.min() < -2 < 2 < draws.max():
            lowest, highest = number(draws.min().item()), number(draws.max().item())
            message = (
                f"With weight_space_sampling={mode} and non_linearity=torch.positive, which changes nothing,"
                f" activations should run from −6 to 6; yours run from {lowest} to {highest}."
            )
            if bool((draws.abs() < CERTAIN_TOLERANCE).all()):
                raise Failed(message, mistaken_mean(evidence, mode))
            X, A_mean, _ = (value.double() for value in mirrored.tensors)
            suspects = [
                ("kl-factor-in-draws", KL_OPTIONS["KL_factor"] * mirrored.mean),
                *mirrored.wrong_means,
                ("mean-sign-lost", X @ A_mean.abs()),
                ("mean-sign-lost", X @ A_mean.clamp_min(0)),
            ]
            mistake = known_mistake(draws, suspects, lambda _: torch.tensor(CERTAIN_TOLERANCE))
            if mistake is None and is_function_of(draws, mirrored.mean):
                mistake = "non-linearity-fixed"
            raise Failed(message, mistake)


def mistaken_mean(evidence: Evidence, mode: bool) -> str | Mistake | None:
    """The mistake of draws that are all 0 where the weights are certain, and every row has its opposite."""
    problem = evidence.problem()
    draws = evidence.plain_layer(problem, mode).draw(400)[1]
    X, A_mean, A_scale = (value.double() for value in problem.tensors)
    suspects = [
        ("preactivation-mean-missing", torch.zeros_like(problem.mean)),
        ("mean-and-scale-swapped", X @ A_scale),
        ("mean-times-scale", X @ (A_mean * A_scale)),
        ("mean-over-rows", problem.mean.mean(dim=0).expand_as(problem.mean)),
    ]
    return known_mistake(draws.mean(dim=0), suspects, lambda _: mean_tolerance(draws.std(dim=0), len(draws)))


def is_function_of(draws: Tensor, mean: Tensor) -> bool:
    """Whether the draws are what some non-linearity makes of these means: near values have near values."""
    in_order = draws.flatten()[mean.flatten().argsort()]
    roughness = in_order.diff().abs().sum() / (in_order.max() - in_order.min() + 1e-3)
    return bool(in_order.max() - in_order.min() > CERTAIN_TOLERANCE and roughness < 5)

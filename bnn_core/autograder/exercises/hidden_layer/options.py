"""What holds for the whole of it: defaults, the order of the options, the dtype, the random seed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.exercises.hidden_layer.activations import bias_unit_is_one
from bnn_core.autograder.exercises.hidden_layer.draws import rows_have_their_own_noise
from bnn_core.autograder.exercises.hidden_layer.layer import (
    CERTAIN_TOLERANCE,
    LOCAL,
    OPTIONS,
    ROWS,
    UNITS,
    WEIGHT_SPACE,
    Evidence,
    Layer,
    close,
    exercise,
    right_kl,
)
from bnn_core.autograder.exercises.hidden_layer.log_prob import log_prob_is_right
from bnn_core.autograder.exercises.hidden_layer.shapes import (
    draws_anew,
    draws_have_their_shape,
    refuses_arguments,
    require_shape,
)
from bnn_core.autograder.interface import LearnerError
from bnn_core.autograder.judging import preactivations
from bnn_core.autograder.judging.preactivations import NAMES, Problem
from bnn_core.autograder.judging.values import expected_and_came, matches, numbers, tensor_from
from bnn_core.autograder.subject import Reply

# What holds for the whole of it.


@exercise.check(
    "options that are left out have their defaults",
    needs=[rows_have_their_own_noise, bias_unit_is_one, log_prob_is_right],
)
def defaults_are_right(evidence: Evidence) -> None:
    problem = preactivations.with_repetition(evidence.certain_problem())
    layer = evidence.layer(problem)
    layer.instance = evidence.subject.construct(**dict(zip(NAMES, problem.tensors, strict=True)))
    reply = layer.instance.call("rsample")
    if reply.tensor is not None and tuple(reply.tensor.shape) == (ROWS, UNITS):
        refuse_default("include_hidden_bias", "True", "The bias unit isn't there.")
    units = layer.draw()[1][:, :-1]
    if not matches(units, problem.mean.relu(), CERTAIN_TOLERANCE):
        refuse_default("non_linearity", "ReLU", expected_and_came("An activation", problem.mean.relu(), units))
    uncertain = preactivations.with_repetition(evidence.problem())
    layer = evidence.layer(uncertain)
    layer.instance = evidence.subject.construct(**dict(zip(NAMES, uncertain.tensors, strict=True)))
    kl, right = layer.kl(), right_kl(uncertain, 1.0)
    if not close(kl, right):
        refuse_default("A_prior_scale", "1.0", expected_and_came("KL", right, kl))
    log_prob = layer.log_prob()
    if not close(log_prob, -right):
        refuse_default("KL_factor", "1.0", expected_and_came("log_prob", -right, log_prob))
    positive = uncertain.mapped(Tensor.abs)
    instance = evidence.subject.construct(**dict(zip(NAMES, positive.tensors, strict=True)))
    activations = tensor_from(instance.call("rsample", (20,)), "rsample", (20, ROWS, UNITS + 1))
    if torch.equal(activations[:, 0], activations[:, 2]):
        refuse_default("weight_space_sampling", "False", "Equal rows of X give equal activations.")


@exercise.check("options without names come in the order of the exercise", needs=[defaults_are_right])
def options_have_their_order(evidence: Evidence) -> None:
    problem = evidence.problem()
    layer = evidence.layer(problem, **OPTIONS)
    try:
        layer.instance = evidence.subject.construct(*problem.tensors, *OPTIONS.values())
        evidence.subject.settle()
    except LearnerError as error:
        if refuses_arguments(error):
            return  # it takes them by name alone
        raise
    require_shape(layer)
    value, right = layer.log_prob(), -OPTIONS["KL_factor"] * right_kl(problem, OPTIONS["A_prior_scale"])
    if not close(value, right):
        raise Failed(
            expected_and_came("With KL_factor 0.5 and A_prior_scale 2, log_prob", right, value), "signature-changed"
        )


def refuse_default(name: str, right: str, message: str) -> None:
    raise Failed(message, "default-wrong", what=name, right=right)


@exercise.check("draws, KL and log_prob have the dtype of the layer's tensors", needs=[draws_have_their_shape])
def follows_the_dtype(evidence: Evidence) -> None:
    problem = evidence.problem()
    for mode in (LOCAL, WEIGHT_SPACE):
        in_double, in_float = in_both_dtypes(evidence, problem, mode)
        try:
            value = in_double.instance.call("rsample").tensor
        except LearnerError as error:
            raise Failed(error.sentence, "wrong-dtype") from None
        require_dtype("the draws", value, torch.float64)
        require_dtype("the draws", in_float.instance.call("rsample").tensor, torch.float32)
    in_double, in_float = in_both_dtypes(evidence, problem, LOCAL)
    for name, reply in (("KL", Layer.kl_reply), ("log_prob", Layer.log_prob_reply)):
        if not is_usable(reply, in_float):
            continue
        try:
            value = reply(in_double).tensor
        except LearnerError as error:
            raise Failed(error.sentence, "wrong-dtype") from None
        require_dtype(name, value, torch.float64)
        require_dtype(name, reply(in_float).tensor, torch.float32)


def in_both_dtypes(evidence: Evidence, problem: Problem, mode: bool) -> tuple[Layer, Layer]:
    """Layers of float64 and of float32 tensors."""
    in_double = evidence.layer(problem.mapped(Tensor.double), weight_space_sampling=mode)
    return in_double, evidence.layer(problem, weight_space_sampling=mode)


def require_dtype(name: str, value: Tensor | None, dtype: torch.dtype) -> None:
    """Raise Failed where a value, given tensors of this dtype, has another."""
    if value is None or value.dtype == dtype:
        return
    given = str(dtype).removeprefix("torch.")
    message = f"With {given} tensors {name} should be {given}; yours: {value.dtype}."
    raise Failed(message, "wrong-dtype" if dtype == torch.float64 else "result-in-float64")


def is_usable(reply: Callable[[Layer], Reply], layer: Layer) -> bool:
    """Whether it works for this layer. Where it doesn't, other checks say so."""
    try:
        reply(layer)
    except LearnerError:
        return False
    return True


@exercise.check("it leaves the global random seed alone", needs=[draws_have_their_shape])
def seed_is_left_alone(evidence: Evidence) -> None:
    def next_number(seed: int) -> float:
        evidence.subject.seed(seed)
        for mode in (LOCAL, WEIGHT_SPACE):
            evidence.layer(problem, weight_space_sampling=mode).draw()
        return evidence.subject.random_number()

    problem = evidence.problem()
    if next_number(1) == next_number(2):
        raise Failed("Leave torch.manual_seed to the notebook, outside the layer.", "seed-fixed")


@exercise.check("after torch.manual_seed the draws are the same again", needs=[draws_anew])
def draws_follow_the_seed(evidence: Evidence) -> None:
    problem = evidence.problem().with_positive_inputs()

    def next_number(draws: bool) -> tuple[Tensor, float]:
        """What is drawn, if it is, after a seed, and the next number of torch's generator."""
        evidence.subject.seed(3)
        came = evidence.plain_layer(problem, mode).draw()[1] if draws else torch.zeros(())
        return came, evidence.subject.random_number()

    for mode in (LOCAL, WEIGHT_SPACE):
        (first, after), (second, _), (_, untouched) = next_number(True), next_number(True), next_number(False)
        if after == untouched:
            message = (
                f"With weight_space_sampling={mode} the next number of torch's generator is the same after a draw."
            )
            raise Failed(message, "noise-of-another-generator")
        if not torch.equal(first, second):
            message = f"With weight_space_sampling={mode} the same seed gives {numbers(first)} and {numbers(second)}."
            raise Failed(message, "seeded-anew")

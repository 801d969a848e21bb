"""What holds for the whole of it: defaults, the order of the options, the dtype, the random seed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.exercises.hidden_layer.activations import bias_unit_is_one
from bnn_core.autograder.exercises.hidden_layer.draws import rows_have_their_own_noise
from bnn_core.autograder.exercises.hidden_layer.kl import right_kl
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
)
from bnn_core.autograder.exercises.hidden_layer.log_prob import log_prob_is_right
from bnn_core.autograder.exercises.hidden_layer.shapes import draws_have_their_shape, refuses_arguments, require_shape
from bnn_core.autograder.interface import LearnerError
from bnn_core.autograder.judging import preactivations
from bnn_core.autograder.judging.preactivations import NAMES
from bnn_core.autograder.judging.values import expected_and_came, matches, tensor_from
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
    kl, right = layer.kl(), right_kl(problem, 1.0)
    if not close(kl, right):
        refuse_default("A_prior_scale", "1.0", expected_and_came("KL", right, kl))
    log_prob = layer.log_prob()
    if not close(log_prob, -right):
        refuse_default("KL_factor", "1.0", expected_and_came("log_prob", -right, log_prob))
    uncertain = preactivations.with_repetition(evidence.problem())
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


@exercise.check("it works in float64", needs=[draws_have_their_shape])
def follows_the_dtype(evidence: Evidence) -> None:
    for mode in (LOCAL, WEIGHT_SPACE):
        layer = evidence.layer(evidence.problem().mapped(Tensor.double), weight_space_sampling=mode)
        try:
            value = layer.instance.call("rsample").tensor
        except LearnerError as error:
            raise Failed(error.sentence, "wrong-dtype") from None
        if value is not None and value.dtype != torch.float64:
            message = f"With float64 tensors the draws should be float64; yours are {value.dtype}."
            raise Failed(message, "wrong-dtype")
    problem = evidence.problem()
    in_double, in_float = evidence.layer(problem.mapped(Tensor.double)), evidence.layer(problem)
    for name, reply in (("KL", Layer.kl_reply), ("log_prob", Layer.log_prob_reply)):
        try:
            value = reply(in_double).tensor
        except LearnerError as error:
            if is_usable(reply, in_float):
                raise Failed(error.sentence, "wrong-dtype") from None
            continue
        if value is not None and value.dtype != torch.float64:
            raise Failed(f"With float64 tensors {name} should be float64; yours is {value.dtype}.", "wrong-dtype")


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

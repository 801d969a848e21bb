"""The specification of lesson 05's exercise `sample_preactivation(X, A_mean, A_scale)`."""

from __future__ import annotations

import torch

from bnn_core.autograder.exercise import Evidence, Failed
from bnn_core.autograder.interface import LearnerError
from bnn_core.autograder.judging import preactivations
from bnn_core.autograder.judging.draws import Axis
from bnn_core.autograder.judging.formulas import Arguments
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.judging.preactivations import NAMES, Problem
from bnn_core.autograder.judging.values import numbers, tensor_from
from bnn_core.autograder.mistakes import CODE, DRAWING, GRADIENTS, MOMENTS, Mistake

# Where X is ½, the standard deviation is half of it, below 1e-4, which 1e-8 under the root would hide.
SMALLEST_SCALE = 1.6e-4
SIZES = [(3, 4, 5), (4, 4, 4), (1, 3, 2), (6, 1, 4), (5, 2, 1), (300, 3, 2)]


def problems(evidence: Evidence) -> list[Problem]:
    return [Problem.random(evidence.generator, *size) for size in SIZES]


def usual_inputs(evidence: Evidence) -> list[Arguments]:
    return [problem.arguments for problem in problems(evidence)]


def positive_inputs(evidence: Evidence) -> list[Arguments]:
    return [problem.with_positive_inputs().arguments for problem in problems(evidence)]


def inputs(evidence: Evidence) -> list[Arguments]:
    extremes = preactivations.extremes(evidence.generator, SMALLEST_SCALE)
    return [*usual_inputs(evidence), *(problem.arguments for problem in extremes)]


exercise = FunctionExercise(
    "sample_preactivation", "05_local_reparameterization", 5, inputs, preactivations.mean, preactivations.std
)
shape = exercise.returns("it returns a tensor of shape (B, H)", inputs=positive_inputs)


@exercise.check("the draws are numbers for negative inputs, too", needs=[shape])
def finite(evidence: Evidence) -> None:
    problem = problems(evidence)[0]
    value = exercise.called(evidence, problem.with_inputs(-problem.X.abs()).arguments).tensor
    if value is not None and not bool(value.isfinite().all()):
        raise Failed(f"With every element of X negative, yours returns {numbers(value)}.", "input-not-squared")


kept = exercise.keeps_arguments("X, A_mean and A_scale stay as they were")
anew = exercise.draws_anew("every call draws anew", needs=[finite, kept], inputs=positive_inputs)


@exercise.check("every row has noise of its own", needs=[anew])
def own_rows(evidence: Evidence) -> None:
    problem = preactivations.with_repetition(problems(evidence)[0])
    preactivations.require_own_noise_per_row(tensor_from(exercise.called(evidence, problem.arguments), exercise.name))
    many = preactivations.with_many_equal_rows(problem)
    preactivations.require_no_row_twice(tensor_from(exercise.called(evidence, many.arguments), exercise.name))
    one_input = problems(evidence)[3].with_positive_inputs()
    calls = [tensor_from(exercise.called(evidence, one_input.arguments), exercise.name) for _ in range(4)]
    preactivations.require_untied_noise((torch.stack(calls) - one_input.mean) / one_input.std)


@exercise.check("every unit has noise of its own", needs=[anew])
def own_units(evidence: Evidence) -> None:
    problem = preactivations.with_equal_units(problems(evidence)[0])
    preactivations.require_own_noise_per_unit(tensor_from(exercise.called(evidence, problem.arguments), exercise.name))
    many = preactivations.with_many_equal_units(problem)
    preactivations.require_no_unit_twice(tensor_from(exercise.called(evidence, many.arguments), exercise.name))


noise = exercise.draws(
    "the draws are centred on X·A_mean",
    "each element's variance is Σ X²·A_scale²",
    "the noise is standard normal, and independent in rows, units and calls",
    calls=1000,
    axes=[Axis("rows", "noise-shared-by-rows"), Axis("units", "noise-shared-by-units")],
    needs=[own_rows, own_units],
    taught_in="The mathematics",
    wrong_means=preactivations.WRONG_MEANS,
    wrong_stds=preactivations.WRONG_STDS,
    usual=len(SIZES),
    otherwise="scale-clamped",
)
gradients = exercise.gradients_are_right(
    "gradients reach X, A_mean and A_scale, and are those of each draw",
    of=NAMES,
    needs=[noise],
    inputs=usual_inputs,
    otherwise="weights-drawn-for-each-row",
)


@exercise.check("an all-zero row of X gives zeros and finite gradients", needs=[gradients])
def zero_row(evidence: Evidence) -> None:
    problem = preactivations.with_zero_row(problems(evidence)[0])
    try:
        reply, again = (exercise.called(evidence, problem.arguments) for _ in range(2))
    except LearnerError as error:
        raise Failed(error.sentence, "zero-row-gradient") from None
    preactivations.require_harmless_zero_row(reply, tensor_from(again, exercise.name), problem)


exercise.has_manners("the result has the dtype of the arguments", "it leaves the global random seed alone")
exercise.knows("Your turn: write the function", CODE)
exercise.knows("The mathematics", [
    Mistake("noise-multiplies-mean", "Epsilon multiplies the mean, too: only the standard deviation is multiplied by"
            " it, mean + std·epsilon."),
], MOMENTS, DRAWING, GRADIENTS)  # fmt: skip

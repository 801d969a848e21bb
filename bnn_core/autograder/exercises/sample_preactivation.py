"""The checks of lesson 05's exercise, `sample_preactivation(X, A_mean, A_scale)`.

Read from top to bottom, the checks are the function's specification. Many independent draws come from few calls: each
row of X is repeated often, and each repetition must have noise of its own.
"""

from __future__ import annotations

from functools import cached_property, partial

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Evidence as SharedEvidence
from bnn_core.autograder.exercise import Exercise, Failed
from bnn_core.autograder.judging import preactivations
from bnn_core.autograder.judging.draws import (
    Axis,
    mean_tolerance,
    require_centred,
    require_independent,
    require_normal,
    require_spread,
)
from bnn_core.autograder.judging.gradients import linear_gradients
from bnn_core.autograder.judging.preactivations import NAMES, Loss, Problem
from bnn_core.autograder.judging.values import expected_and_came, matches, numbers, shape, tensor_from
from bnn_core.autograder.mistakes import CODE, DRAWING, GRADIENTS, MOMENTS
from bnn_core.autograder.subject import LearnerError, Reply, Subject

FUNCTION = "sample_preactivation"
ROWS, IN, UNITS = 3, 4, 5
REPEATS, CALLS = 500, 2
SQUARE, SMALL_CALLS = (4, 4, 4), 1000
ELEMENT = "an element of the result"


class Evidence(SharedEvidence):
    """What the checks share: many draws for one problem, made once."""

    def problem(self, rows: int = ROWS, inputs: int = IN, units: int = UNITS) -> Problem:
        return Problem.random(self.generator, rows, inputs, units)

    def draw(self, problem: Problem) -> tuple[Reply, Tensor]:
        """One call: the reply, and its value, checked to be finite and of the right shape."""
        reply = self.subject.call(*problem.tensors)
        rows, _, units = problem.sizes
        return reply, tensor_from(reply, FUNCTION, (rows, units))

    @cached_property
    def drawn_problem(self) -> Problem:
        with self.shared("problem"):
            return self.problem()

    @cached_property
    def draws(self) -> Tensor:
        """Draws for `drawn_problem`: repeats × calls × B × H."""
        many = repeated(self.drawn_problem)
        with self.shared("draws"):
            values = self.subject.sample(CALLS, *many.tensors).double()
        return values.reshape(CALLS, REPEATS, ROWS, UNITS).transpose(0, 1)

    @property
    def noise(self) -> Tensor:
        """The same, each less its mean, over its standard deviation."""
        return (self.draws - self.drawn_problem.mean) / self.drawn_problem.std


def repeated(problem: Problem) -> Problem:
    """The problem with all its rows repeated, block after block."""
    return problem.with_inputs(problem.X.repeat(REPEATS, 1))


def probe(subject: Subject) -> None:
    subject.call(torch.ones(ROWS, IN), torch.zeros(IN, UNITS), torch.ones(IN, UNITS))


exercise = Exercise(name=FUNCTION, lesson="05_local_reparameterization", points=5, evidence=Evidence, probe=probe)
exercise.knows("Your turn: write the function", CODE)
exercise.knows("The mathematics", MOMENTS, DRAWING, GRADIENTS)


@exercise.check("it returns a tensor of shape (B, H)")
def result_has_its_shape(evidence: Evidence) -> None:
    for sizes in [(3, 4, 5), (1, 3, 2), (6, 1, 4), (5, 2, 1), SQUARE]:
        problem = evidence.problem(*sizes)
        reply = evidence.subject.call(*problem.with_positive_inputs().tensors)
        rows, _, units = sizes
        if reply.tensor is not None and tuple(reply.tensor.shape) == (units, rows) != (rows, units):
            raise Failed(
                f"It should have shape {shape((rows, units))}; yours has {shape((units, rows))}.", "output-transposed"
            )
        tensor_from(reply, FUNCTION, (rows, units))


@exercise.check("the draws are numbers for negative inputs, too", needs=[result_has_its_shape])
def draws_are_finite(evidence: Evidence) -> None:
    problem = evidence.problem().with_positive_inputs()
    value = evidence.subject.call(*problem.with_inputs(-problem.X).tensors).tensor
    if value is not None and not bool(value.isfinite().all()):
        raise Failed(f"With every element of X negative, yours returns {numbers(value)}.", "input-not-squared")


@exercise.check("X, A_mean and A_scale stay as they were", needs=[result_has_its_shape])
def arguments_are_left_alone(evidence: Evidence) -> None:
    problem = evidence.problem()
    evidence.draw(problem)
    require_unchanged(evidence.subject, problem)


def require_unchanged(subject: Subject, problem: Problem) -> None:
    """Raise Failed where the learner's code has changed a tensor that it was given."""
    for name, before in zip(NAMES, problem.tensors, strict=True):
        now = subject.present_value(before)
        if not torch.equal(now, before):
            raise Failed(expected_and_came(name, before, now), "arguments-modified", what=name)


@exercise.check("every call draws anew", needs=[draws_are_finite, arguments_are_left_alone])
def draws_anew(evidence: Evidence) -> None:
    problem = evidence.problem().with_positive_inputs()
    first, second = evidence.draw(problem)[1], evidence.draw(problem)[1]
    preactivations.require_fresh_noise(first, second, problem.mean, "with the same arguments")


@exercise.check("every row has noise of its own", needs=[draws_anew])
def rows_have_their_own_noise(evidence: Evidence) -> None:
    draws = evidence.draw(preactivations.with_repetition(evidence.problem()))[1]
    message = f"Two equal rows of X draw {numbers(draws[0])} and {numbers(draws[2])}."
    if preactivations.rows_share_weights(draws):
        raise Failed(message, "weight-space-for-local")
    if preactivations.rows_share_noise(draws):
        raise Failed(message, "noise-shared-by-rows")


@exercise.check("every unit has noise of its own", needs=[draws_anew])
def units_have_their_own_noise(evidence: Evidence) -> None:
    draws = evidence.draw(preactivations.with_equal_units(evidence.problem()))[1]
    preactivations.require_own_noise_per_unit(draws)


@exercise.check("the draws are centred on X·A_mean", needs=[rows_have_their_own_noise, units_have_their_own_noise])
def draws_are_centred(evidence: Evidence) -> None:
    problem = evidence.drawn_problem
    require_rows_to_average_out(evidence.draws)
    require_centred(evidence.draws.flatten(0, 1), problem.mean, ELEMENT, problem.wrong_means)


def require_rows_to_average_out(draws: Tensor) -> None:
    """Raise Failed where the averages over repeated rows differ from call to call: the rows share some noise."""
    first, second = draws.mean(dim=0)
    tolerance = 2**0.5 * mean_tolerance(draws.std(dim=0).amax(dim=0), REPEATS) + 1e-4
    if not matches(second, first, tolerance):
        averages = f"{numbers(first)} in one call, and {numbers(second)} in another"
        raise Failed(f"Over {REPEATS} equal rows, the draws average {averages}.", "noise-shared-by-rows")


@exercise.check("each element's variance is Σ X²·A_scale²", needs=[draws_are_centred])
def draws_spread(evidence: Evidence) -> None:
    problem, draws = evidence.drawn_problem, evidence.draws.flatten(0, 1)
    require_spread(draws, problem.mean, problem.std, ELEMENT, problem.wrong_stds)


@exercise.check("the noise is standard normal", needs=[draws_spread])
def noise_is_normal(evidence: Evidence) -> None:
    require_normal(evidence.noise)


@exercise.check("the noise of rows, of units and of calls is independent", needs=[noise_is_normal])
def noise_is_independent(evidence: Evidence) -> None:
    rows = Axis("rows", "noise-shared-by-rows")
    axes = [Axis("calls", "noise-drawn-once"), rows, Axis("units", "noise-shared-by-units")]
    require_independent(evidence.noise, axes, repeated=rows)


@exercise.check("a small batch, as square as its weights, is no exception", needs=[noise_is_independent])
def square_batch_is_right(evidence: Evidence) -> None:
    problem = evidence.problem(*SQUARE)
    draws = evidence.subject.sample(SMALL_CALLS, *problem.tensors).double()
    axes = [Axis("rows", "noise-shared-by-rows"), Axis("units", "noise-shared-by-units")]
    preactivations.require_right_draws(draws, problem, ELEMENT, axes)


@exercise.check("gradients reach X, A_mean and A_scale, and are right on average", needs=[square_batch_is_right])
def gradients_are_right(evidence: Evidence) -> None:
    for problem, names in preactivations.gradient_problems(evidence.problem(), evidence.problem()):
        loss, many = Loss(problem, evidence.generator), repeated(problem).with_gradients()
        reply, draws = evidence.draw(many)
        cotangent = loss.cotangent(draws.reshape(REPEATS, ROWS, UNITS)).reshape(-1, UNITS)
        came = linear_gradients(partial(gradients, reply, many), cotangent)
        if came["X"] is not None:
            came["X"] = came["X"].reshape(REPEATS, ROWS, IN).sum(dim=0)
        loss.require({name: came[name] for name in names}, REPEATS)


def gradients(reply: Reply, problem: Problem, cotangent: Tensor) -> dict[str, Tensor | None]:
    """The gradients of Σ cotangent·value for the problem's three tensors, by name."""
    assert reply.tensor is not None, "checked by `draw`"
    return dict(zip(NAMES, reply.gradients(problem.tensors, cotangent.to(reply.tensor.dtype)), strict=True))


@exercise.check("an all-zero row of X gives zeros and finite gradients", needs=[gradients_are_right])
def zero_row_is_harmless(evidence: Evidence) -> None:
    problem = preactivations.with_zero_row(evidence.problem())
    try:
        reply, draws = evidence.draw(problem)
    except LearnerError as error:
        raise Failed(error.sentence, "zero-row-gradient") from None
    cotangent = torch.zeros_like(draws)
    cotangent[0] = 1
    came = gradients(reply, problem, cotangent)
    preactivations.require_zero_row(draws[0], came)
    preactivations.require_gradient_to_zero_row(came["X"])
    preactivations.require_noise_beside_zero_row(draws, evidence.draw(problem)[1])


@exercise.check("a small A_scale gives a small spread", needs=[zero_row_is_harmless])
def small_scales_count(evidence: Evidence) -> None:
    problem = evidence.drawn_problem.with_scale(0.05 * evidence.drawn_problem.A_scale)
    draws = evidence.draw(repeated(problem))[1].reshape(REPEATS, ROWS, UNITS)
    require_spread(draws, problem.mean, problem.std, ELEMENT, problem.wrong_stds)


@exercise.check("it works in float64", needs=[result_has_its_shape])
def follows_the_dtype(evidence: Evidence) -> None:
    try:
        value = evidence.subject.call(*evidence.problem().mapped(Tensor.double).tensors).tensor
    except LearnerError as error:
        raise Failed(error.sentence, "wrong-dtype") from None
    if value is None or value.dtype != torch.float64:
        came = "no tensor" if value is None else str(value.dtype)
        raise Failed(f"With float64 arguments the result should be float64; yours is {came}.", "wrong-dtype")


@exercise.check("it leaves the global random seed alone", needs=[result_has_its_shape])
def seed_is_left_alone(evidence: Evidence) -> None:
    def next_number(seed: int) -> float:
        evidence.subject.seed(seed)
        evidence.draw(problem)
        return evidence.subject.random_number()

    problem = evidence.problem()
    if next_number(1) == next_number(2):
        raise Failed("Leave torch.manual_seed to the notebook, outside the function.", "seed-fixed")

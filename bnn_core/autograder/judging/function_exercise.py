"""An exercise that asks for a function, built from what is right: requirements that hold of any such function, each of
which becomes a check, and the mistakes that a wrong value may come from.

What is right is written once, in float64, by the exercise; gradients are autograd's of it. Nothing here knows what the
function is for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from bnn_core.autograder.exercise import CheckFunction, Evidence, Failed, picturing
from bnn_core.autograder.interface import LearnerError
from bnn_core.autograder.judging.draws import (
    SURE,
    Axis,
    mean_tolerance,
    require_centred,
    require_fresh_noise,
    require_independent,
    require_normal,
    require_spread,
)
from bnn_core.autograder.judging.formulas import (
    Arguments,
    Formula,
    Group,
    Suspects,
    changes_of,
    close_up_to_a_constant,
    drawing,
    exactly,
    explanation,
    explanation_by_options,
    explanation_by_two,
    explanation_of_some,
    flattening,
    imprecision,
    in_parts,
    named,
    predictions,
    stacked,
)
from bnn_core.autograder.judging.function_calls import FunctionCalls, FunctionEvidence, Inputs, enough
from bnn_core.autograder.judging.gradients import linear_gradients, requiring
from bnn_core.autograder.judging.manners import require_own_seed, require_unchanged
from bnn_core.autograder.judging.values import (
    ROUNDING,
    close,
    described,
    expected_and_came,
    expected_for,
    is_in_float32,
    require_scalar,
    tensor_from,
)
from bnn_core.autograder.mistakes import Mistake
from bnn_core.autograder.pictures import of_all_values
from bnn_core.autograder.subject import Reply


@dataclass(frozen=True)
class WrongAnswer:
    """A function that makes a known mistake, and the check that must be the first to reject it."""

    check: str
    mistake: Mistake
    function: Callable[..., Any]


class FunctionExercise(FunctionCalls):
    """An exercise that asks for a function. Every requirement is a check, which needs the one of `returns`."""

    def __init__(
        self,
        name: str,
        lesson: str,
        points: float,
        inputs: Inputs,
        right: Formula,
        std: Formula | None = None,
        parts: Sequence[str] = (),
        together: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(name, lesson, points, inputs, right, std, parts, together)
        self.wrong_answers: list[WrongAnswer] = []
        self._first: list[CheckFunction] = []
        self._values: list[CheckFunction] = []
        self._other_inputs: list[Inputs] = []

    # What can be required.

    def returns(
        self,
        name: str,
        taught_in: str = "",
        mistakes: Iterable[Mistake] = (),
        scalar: str = "",
        inputs: Inputs | None = None,
        finite: bool = True,
        infinite: str | None = None,
        needs: Sequence[CheckFunction] = (),
    ) -> CheckFunction:
        """It returns real numbers in the shape of what is right. scalar: what one number is called here. finite:
        whether its values must be. infinite: the mistake where one is.

        mistakes: each with a formula for a value of the shape that it leads to.
        """
        known = self._learn(name, taught_in, mistakes, lambda formula: formula)

        def shape_is_right(evidence: Evidence) -> None:
            self.advise_on_names(evidence)
            for position, arguments in enumerate((inputs or self.inputs)(evidence)):
                exact = exactly(arguments)
                reply, size = self.called(evidence, arguments), self.right(*exact).shape
                if scalar:
                    require_scalar(reply, self.name, scalar)
                if self.std is not None:
                    self.refuse_random_holes(evidence, arguments, reply)
                if len(reply.parts) == len(self.parts):
                    self.refuse_shapes(reply, size, known, exact, right_before=position > 0)
                try:
                    self.value(reply, size, finite)
                except Failed as failure:
                    is_infinite = reply.tensor is not None and bool(reply.tensor.isinf().any())
                    failure.mistake = failure.mistake or (infinite if is_infinite else None)
                    if position > 0:
                        failure.message += f"\nThat is for {described(arguments)}."
                    raise

        self._first = [self.check(name, needs)(shape_is_right)]
        return shape_is_right

    def equals(
        self,
        name: str,
        taught_in: str,
        mistakes: Iterable[Mistake] = (),
        inputs: Inputs | None = None,
        right: Formula | None = None,
        answer: Callable[[Formula], Formula] = lambda formula: formula,
        varying: str | None = None,
        in_part: str | None = None,
        otherwise: str | None = None,
        size: float = 1e-2,
    ) -> CheckFunction:
        """It is right for all inputs. mistakes: each with the formula for the value that it leads to.

        inputs, right: where these are others than the exercise's; what is special is judged where the usual is right.
        answer: makes of a mistake's formula a function to hand in. varying: the mistake of giving another value each
        time. in_part: where no formula says it, the one of being right for most inputs and not for all; otherwise: the
        one of not being right for all. size: of what a value that may be 0 is the difference of.
        """
        formula = right or self.right
        self._other_inputs += [inputs] if inputs else []
        known = self._learn(name, taught_in, mistakes, answer)

        def value_is_right(evidence: Evidence) -> None:
            cases = (inputs or self.inputs)(evidence)
            exact = [exactly(arguments) for arguments in cases]
            expected = [formula(*arguments) for arguments in exact]
            values = [self.value(self.called(evidence, case), finite=False) for case in cases]
            wrong = [not close(came, right, size=size) for came, right in zip(values, expected, strict=True)]
            if not any(wrong):
                self.require_new_values(evidence, cases, formula)
                return
            first = wrong.index(True)
            message = expected_for(cases[first], expected[first], values[first])
            with picturing(partial(of_all_values, self.name, expected, values)):
                if varying:
                    again = [self.value(self.called(evidence, case), finite=False) for case in reversed(cases)]
                    if not all(map(close, reversed(again), values)):
                        raise Failed(message, varying)
                if values[first].shape != expected[first].shape:
                    self.value_for(evidence, cases[first], expected[first].shape)
                mistake = explanation(known, exact, values) or explanation_of_some(known, exact, values, wrong)
                if mistake is None and (
                    two := explanation_by_two(known, exact, values, expected)
                    or explanation_by_options(known, exact, values)
                ):
                    mistake, second = two
                    message += f"\nThat is not all. {self.sentence(second, {})}"
                elif mistake is None and not all(wrong):
                    message += f"\nIt is right for {wrong.count(False)} of the {len(wrong)} inputs that were tried."
                few = wrong.count(True) <= len(wrong) / 2
                unexplained = (in_part if few else None) or otherwise
                raise Failed(message, mistake or unexplained or imprecision(values, expected))

        self._values.append(self.check(name, self._values[:1] or self._first)(value_is_right))
        return value_is_right

    def equals_up_to_a_constant(
        self, name: str, taught_in: str, mistakes: Iterable[Mistake], groups: Callable[[Evidence], Sequence[Group]]
    ) -> CheckFunction:
        """Between the calls of a group its value changes as it should: all values of a group may be shifted alike.

        mistakes: each with the formula for the value that it leads to.
        """
        known = self._learn(name, taught_in, mistakes, lambda formula: formula)

        def changes_are_right(evidence: Evidence) -> None:
            cases = groups(evidence)
            exact = [[exactly(arguments) for arguments in group] for group in cases]
            expected = [stacked(self.right, group) for group in exact]
            values = [
                torch.stack([self.value(self.called(evidence, case), finite=False) for case in group])
                for group in cases
            ]
            for group, right, came in zip(cases, expected, values, strict=True):
                if close_up_to_a_constant(came, right):
                    continue
                kept = {key: value for key, value in group[0].items() if not isinstance(value, Tensor)}
                what = f"With {described(kept)}, its change when the tensors change"
                message = expected_and_came(what, right[1:] - right[0], came[1:] - came[0])
                for mistake, formula in known:
                    predicted = [stacked(formula, group) for group in exact]
                    if all(map(close_up_to_a_constant, values, predicted)):
                        raise Failed(message, mistake)
                changes = [(mistake, partial(changes_of, formula)) for mistake, formula in known]
                two = explanation_by_two(
                    changes,
                    [[group] for group in exact],
                    [came - came[0] for came in values],
                    [right - right[0] for right in expected],
                )
                two = two or explanation_by_options(
                    known,
                    [exact[0][:2], *exact],  # two calls are enough to sift
                    [values[0][:2], *values],
                    stacked,
                    close_up_to_a_constant,
                )
                if two:
                    mistake, second = two
                    raise Failed(f"{message}\nThat is not all. {self.sentence(second, {})}", mistake)
                raise Failed(message)

        self._values.append(self.check(name, self._first)(changes_are_right))
        return changes_are_right

    def draws_anew(self, name: str, needs: Sequence[CheckFunction] = (), inputs: Inputs | None = None) -> CheckFunction:
        """Two calls with the same arguments differ, whatever their sizes."""

        def draws_anew(evidence: Evidence) -> None:
            for position, arguments in enumerate((inputs or self.inputs)(evidence)):
                first, second = self.two_draws(evidence, arguments)
                if position == 0 or torch.equal(first, second):
                    require_fresh_noise(first, second, self.right(*exactly(arguments)), f"with {described(arguments)}")

        return self.check(name, needs or self._first)(draws_anew)

    def averages(
        self, name: str, *, calls: int, needs: Sequence[CheckFunction], taught_in: str, mistakes: Iterable[Mistake] = ()
    ) -> CheckFunction:
        """Over many calls it is right on average. mistakes: each with the formula for the average it leads to."""
        known = self._learn(name, taught_in, mistakes, lambda formula: drawing(formula, self.spread))

        def average_is_right(evidence: Evidence) -> None:
            cases = self.inputs(evidence)
            exact = [exactly(case) for case in cases]
            values = [self.sample(evidence, case, calls) for case in cases]
            for arguments, came in zip(exact, values, strict=True):
                try:
                    require_centred(came, self.right(*arguments), "the result")
                except Failed as failure:
                    averages = [came.mean(dim=0) for came in values]
                    tolerances = [
                        SURE * mean_tolerance(came.std(dim=0), calls) + ROUNDING * average.abs()
                        for came, average in zip(values, averages, strict=True)
                    ]
                    mistake = explanation(known, exact, averages, tolerances)
                    raise Failed(failure.message, mistake) from None

        return self.check(name, needs, slow=True)(average_is_right)

    def draws(
        self,
        mean: str,
        spread: str,
        noise: str,
        *,
        calls: int,
        axes: Sequence[Axis],
        needs: Sequence[CheckFunction],
        taught_in: str,
        wrong_means: Iterable[Mistake] = (),
        wrong_stds: Iterable[Mistake] = (),
        usual: int | None = None,
        otherwise: str | None = None,
        answer: Callable[[Formula, Formula], Formula] | None = None,
    ) -> CheckFunction:
        """Its draws are right + std·ε with independent, standard normal ε: three checks, with these names.

        calls: over how many it is judged. axes: what the dimensions of the result count, as many as it has. otherwise:
        the mistake where only inputs after the first `usual` ones are drawn with another spread. answer: makes of the
        formulas for mean and std a function to hand in. Returns the last.
        """
        std, hand_in = self.spread, answer or drawing
        means = self._learn(mean, taught_in, wrong_means, lambda formula: hand_in(formula, std))
        stds = self._learn(spread, taught_in, wrong_stds, lambda formula: hand_in(self.right, formula))
        what = "an element of the result"

        def sampled(evidence: FunctionEvidence) -> Sequence[tuple[Sequence[Any], Tensor]]:
            if evidence.draws is None:
                with evidence.shared("draws"):
                    cases = self.inputs(evidence)
                    values = [self.sample(evidence, case, enough(calls, case, self.right)) for case in cases]
                evidence.draws = list(zip(map(exactly, cases), values, strict=True))
            return evidence.draws

        def draws_are_centred(evidence: FunctionEvidence) -> None:
            for arguments, values in sampled(evidence):
                if not values.isfinite().all():
                    continue  # which is no matter of the mean
                suspects = predictions(means, arguments)
                require_centred(values, self.right(*arguments), what, suspects, std(*arguments))

        def draws_spread(evidence: FunctionEvidence) -> None:
            for position, (arguments, values) in enumerate(sampled(evidence)):
                try:
                    suspects = predictions(stds, arguments)
                    require_spread(values, self.right(*arguments), std(*arguments), what, suspects)
                except Failed as failure:
                    if failure.mistake is None and usual is not None and position >= usual:
                        raise Failed(failure.message, otherwise) from None
                    raise

        def noise_is_right(evidence: FunctionEvidence) -> None:
            for arguments, values in sampled(evidence):
                noise = (values - self.right(*arguments)) / std(*arguments)
                require_independent(noise, axes[: noise.dim() - 1], repeated=Axis("calls", "noise-drawn-once"))
                require_normal(noise)

        centred = self.check(mean, needs, slow=True)(draws_are_centred)
        spreads = self.check(spread, [centred])(draws_spread)
        return self.check(noise, [spreads])(noise_is_right)

    def gradients_are_right(
        self,
        name: str,
        of: Sequence[str],
        needs: Sequence[CheckFunction] = (),
        inputs: Inputs | None = None,
        otherwise: str | None = None,
    ) -> CheckFunction:
        """The gradients of its value reach these arguments, and are right; for a random function, at each draw.

        otherwise: the mistake of a random function whose gradients aren't those of its draw.
        """

        def gradients_are_right(evidence: Evidence) -> None:
            for arguments in (inputs or self.inputs)(evidence):
                given = requiring(arguments, of)
                reply = self.called(evidence, given)
                value = tensor_from(reply, self.name)
                cotangent = evidence.normal(*value.shape).double() if value.dim() else torch.ones(()).double()

                def came(cotangent: Tensor, reply: Reply = reply, given: Arguments = given) -> dict[str, Tensor | None]:
                    found = reply.gradients([given[key] for key in of], cotangent.to(reply.dtype))
                    return dict(zip(of, found, strict=True))

                self.require_right_gradients(linear_gradients(came, cotangent), arguments, value, cotangent, otherwise)

        return self.check(name, needs or self._values or self._first)(gradients_are_right)

    def keeps_arguments(self, name: str, also: Inputs = lambda evidence: ()) -> CheckFunction:
        """It leaves its arguments as they were: the usual ones, those that other checks draw, and those of `also`."""
        self._other_inputs.append(also)

        def arguments_are_left_alone(evidence: Evidence) -> None:
            for arguments in self.inputs(evidence):
                self.called(evidence, arguments)
                require_unchanged(evidence.subject, arguments)
            for arguments in chain.from_iterable(draw(evidence) for draw in self._other_inputs):
                with contextlib.suppress(LearnerError):  # of which the check that draws them speaks
                    self.called(evidence, arguments)
                    require_unchanged(evidence.subject, arguments)

        return self.check(name, self._first)(arguments_are_left_alone)

    def has_manners(self, dtype: str, seed: str) -> None:
        """It follows the dtype of its arguments, and doesn't seed: two checks, with these names."""

        def follows_the_dtype(evidence: Evidence) -> None:
            exact: list[tuple[Tensor, Tensor]] = []
            usual = self.inputs(evidence)
            for position, arguments in enumerate(chain(usual, *(draw(evidence) for draw in self._other_inputs))):
                given = named(arguments)
                in_float32 = self.called(evidence, arguments)  # what fails here too is no matter of the dtype
                try:
                    reply = self.called(evidence, given)
                except LearnerError as error:
                    raise Failed(error.sentence, "wrong-dtype") from None
                for_what = "" if position == 0 else f"\nThat is for {described(arguments)}."
                self.value(in_float32, finite=False)
                if in_float32.dtype != torch.float32:
                    raise Failed(for_what.strip(), "result-in-float64")
                value = self.value(reply, finite=False)  # or else there is no dtype to speak of
                if reply.dtype != torch.float64:
                    message = f"With float64 arguments the result should be float64; yours is {reply.dtype}."
                    raise Failed(message + for_what, "wrong-dtype")
                if position < len(usual):
                    exact.append((value, self.right(*given.values())))
            telling = [value for value, right in exact if not is_in_float32(right)]
            if sum(map(is_in_float32, telling)) > len(telling) / 2:
                raise Failed("", "computed-in-float32")
            if self.std is not None:
                self.advise_on_dtype(evidence)

        def seed_is_left_alone(evidence: Evidence) -> None:
            arguments = self.inputs(evidence)[0]
            require_own_seed(evidence.subject, lambda: self.called(evidence, arguments))

        self.check(dtype, self._first)(follows_the_dtype)
        self.check(seed, self._first)(seed_is_left_alone)

    def _learn(
        self, check: str, section: str, mistakes: Iterable[Mistake], answer: Callable[[Formula], Formula]
    ) -> Suspects:
        """Take in mistakes, and keep as wrong answers what those with a formula come to."""
        known = list(mistakes)
        self.knows(section, known)
        suspects = [(mistake, mistake.formula) for mistake in known if mistake.formula is not None]
        for mistake, formula in suspects:
            function = flattening(answer(formula)) if self.together else answer(formula)
            self.wrong_answers.append(WrongAnswer(check, mistake, in_parts(function) if self.parts else function))
        return suspects

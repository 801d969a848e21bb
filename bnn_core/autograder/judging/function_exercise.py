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

from bnn_core.autograder.exercise import CheckFunction, Evidence, Exercise, Failed, picturing
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
from bnn_core.autograder.judging.gradients import (
    Draw,
    Gradients,
    gradients_of,
    linear_gradients,
    require_gradients,
    requiring,
    scaled,
)
from bnn_core.autograder.judging.manners import require_own_seed, require_unchanged
from bnn_core.autograder.judging.values import (
    ROUNDING,
    close,
    described,
    expected_and_came,
    expected_for,
    is_in_float32,
    numbers,
    require_scalar,
    resized,
    shape,
    tensor_from,
    tensors_from,
)
from bnn_core.autograder.mistakes import Mistake
from bnn_core.autograder.pictures import of_all_values
from bnn_core.autograder.subject import Reply, Subject

Inputs = Callable[[Evidence], Sequence[Arguments]]
"""Draws the arguments of several calls; the first are the usual ones, the others what might be an exception."""

FEWEST_CALLS, MOST_DRAWS, CALLS_TO_DIFFER = 30, 20_000, 20


@dataclass(frozen=True)
class WrongAnswer:
    """A function that makes a known mistake, and the check that must be the first to reject it."""

    check: str
    mistake: Mistake
    function: Callable[..., Any]


class FunctionEvidence(Evidence):
    """What the checks of a function share: draws for each of the inputs, made once."""

    draws: Sequence[tuple[Sequence[Any], Tensor]] | None = None


class FunctionExercise(Exercise):
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
        """right: the value for the arguments, tensors in float64; of a random function, the mean of its draws, and
        std their standard deviation. parts: where it returns a tuple, what its elements are called; its value
        is then their stack. together: arguments that the function takes as one dict, by its name.
        """
        super().__init__(name, lesson, points, FunctionEvidence, self._use)
        self.inputs = inputs
        self.right = right
        self.std = std
        self.parts = parts
        self.together = together or {}
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
            self._advise_on_names(evidence)
            for position, arguments in enumerate((inputs or self.inputs)(evidence)):
                exact = exactly(arguments)
                reply, size = self.called(evidence, arguments), self.right(*exact).shape
                if scalar:
                    require_scalar(reply, self.name, scalar)
                if self.std is not None:
                    self._refuse_random_holes(evidence, arguments, reply)
                if len(reply.parts) == len(self.parts):
                    self._refuse_shapes(reply, size, known, exact, right_before=position > 0)
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
                self._require_new_values(evidence, cases, formula)
                return
            first = wrong.index(True)
            message = expected_for(cases[first], expected[first], values[first])
            with picturing(partial(of_all_values, self.name, expected, values)):
                if varying:
                    again = [self.value(self.called(evidence, case), finite=False) for case in cases]
                    if not all(map(close, again, values)):
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
                first, second = self._two_draws(evidence, arguments)
                if position == 0 or torch.equal(first, second):
                    require_fresh_noise(first, second, self.right(*exactly(arguments)), f"with {described(arguments)}")

        return self.check(name, needs or self._first)(draws_anew)

    def _two_draws(self, evidence: Evidence, arguments: Arguments) -> tuple[Tensor, Tensor]:
        """Two draws that differ, if any of several does: noise of a few values may come again by chance."""
        first = second = tensor_from(self.called(evidence, arguments), self.name)
        for _ in range(CALLS_TO_DIFFER):
            second = tensor_from(self.called(evidence, arguments), self.name)
            if not torch.equal(first, second):
                break
        return first, second

    def averages(
        self, name: str, *, calls: int, needs: Sequence[CheckFunction], taught_in: str, mistakes: Iterable[Mistake] = ()
    ) -> CheckFunction:
        """Over many calls it is right on average. mistakes: each with the formula for the average it leads to."""
        known = self._learn(name, taught_in, mistakes, lambda formula: drawing(formula, self._std))

        def average_is_right(evidence: Evidence) -> None:
            cases = self.inputs(evidence)
            exact = [exactly(case) for case in cases]
            values = [self._sample(evidence, case, calls) for case in cases]
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
        std, hand_in = self._std, answer or drawing
        means = self._learn(mean, taught_in, wrong_means, lambda formula: hand_in(formula, std))
        stds = self._learn(spread, taught_in, wrong_stds, lambda formula: hand_in(self.right, formula))
        what = "an element of the result"

        def sampled(evidence: FunctionEvidence) -> Sequence[tuple[Sequence[Any], Tensor]]:
            if evidence.draws is None:
                with evidence.shared("draws"):
                    cases = self.inputs(evidence)
                    values = [self._sample(evidence, case, enough(calls, case, self.right)) for case in cases]
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

                self._require_gradients(linear_gradients(came, cotangent), arguments, value, cotangent, otherwise)

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
                self._advise_on_dtype(evidence)

        def seed_is_left_alone(evidence: Evidence) -> None:
            arguments = self.inputs(evidence)[0]
            require_own_seed(evidence.subject, lambda: self.called(evidence, arguments))

        self.check(dtype, self._first)(follows_the_dtype)
        self.check(seed, self._first)(seed_is_left_alone)

    # How it is done.

    def called(self, evidence: Evidence, arguments: Arguments) -> Reply:
        return evidence.subject.call(*self.given(arguments).values())

    def given(self, arguments: Arguments) -> dict[str, Any]:
        """What the function is called with, by the names of its parameters."""
        dict_of = {name: group for group, names in self.together.items() for name in names}
        given: dict[str, Any] = {}
        for name, value in arguments.items():
            if name in dict_of:
                given.setdefault(dict_of[name], {})[name] = value
            else:
                given[name] = value
        return given

    def value_for(self, evidence: Evidence, arguments: Arguments, size: Sequence[int] | None = None) -> Tensor:
        """The value for these arguments, of this shape, or the right one's. Raises Failed, which says for which."""
        size = self.right(*exactly(arguments)).shape if size is None else size
        try:
            return self.value(self.called(evidence, arguments), size, finite=False)
        except Failed as failure:
            failure.message += f"\nThat is for {described(arguments)}."
            raise

    def _sample(self, evidence: Evidence, arguments: Arguments, calls: int) -> Tensor:
        """The values of this many calls with these arguments, of the right shape. Raises Failed."""
        values, size = evidence.subject.sample(calls, *arguments.values()), self.right(*exactly(arguments)).shape
        if values.shape[1:] != size:
            message = f"It should have shape {shape(size)}; yours has shape {shape(values.shape[1:])}."
            raise Failed(f"{message}\nThat is for {described(arguments)}.", resized(values.shape[1:], size))
        return values.double()

    def _require_new_values(self, evidence: Evidence, cases: Sequence[Arguments], formula: Formula) -> None:
        """Raise Failed where the value stays as it was when the same tensors hold other values."""
        for arguments in cases:
            turned = {key: backwards(value) for key, value in arguments.items()}
            right = formula(*exactly(turned))
            if close(formula(*exactly(arguments)), right):
                continue
            for key, value in arguments.items():
                if isinstance(value, Tensor):
                    evidence.subject.set_argument(value, turned[key])
            came = self.value(self.called(evidence, arguments), right.shape, finite=False)
            if not close(came, right):
                raise Failed(expected_for(turned, right, came), "kept-between-calls")
            return

    def value(self, reply: Reply, size: Sequence[int] | None = None, finite: bool = True) -> Tensor:
        """The value that was to be returned, of this shape. Raises Failed with what came instead."""
        if self.parts:
            return tensors_from(reply, self.parts, self.name, size, finite)
        return tensor_from(reply, self.name, size, finite)

    def _require_gradients(
        self, came: Gradients, arguments: Arguments, value: Tensor, cotangent: Tensor, otherwise: str | None
    ) -> None:
        exact = named(arguments)
        of_what = " of a weighted sum of its elements" if value.dim() else ""
        if self.std is not None:
            epsilon = (value - self.right(*exact.values())) / self.std(*exact.values())
            Draw(self.right, scaled(self.std, epsilon), exact, list(came), cotangent).require(came, otherwise, of_what)
            return
        given = requiring(exact, came)
        right = gradients_of(self.right(*given.values()), {key: given[key] for key in came}, cotangent)
        try:
            require_gradients(came, right, of_what)
        except Failed as failure:
            raise Failed(failure.message, failure.mistake or "gradient-of-another-value", **failure.about) from None

    def _advise_on_names(self, evidence: Evidence) -> None:
        """Arguments under other names than they were handed out with: the checks don't use them, lessons do."""
        wanted = list(self.given(self.inputs(evidence)[0]))
        came: list[str] = []
        with contextlib.suppress(LearnerError):  # what has no signature that can be read takes any
            came = evidence.subject.argument_names()
        if len(came) < len(wanted) or came[: len(wanted)] == wanted:
            return
        renamed = ", ".join(f"{new} for {old}" for old, new in zip(wanted, came, strict=False) if old != new)
        evidence.advice.append(
            f"Advice: arguments have other names than in the exercise: {renamed}. Code that calls it by name, as"
            f" {self.name}(…, {wanted[-1]}=…), doesn't find them; lessons do."
        )

    def _advise_on_dtype(self, evidence: Evidence) -> None:
        """Noise in float32 for arguments of fewer digits, which a sum with float64 hides."""
        halves = {
            key: value.bfloat16() if isinstance(value, Tensor) and value.is_floating_point() else value
            for key, value in self.inputs(evidence)[0].items()
        }
        with contextlib.suppress(LearnerError):
            if self.called(evidence, halves).dtype == torch.float32:
                evidence.advice.append(
                    "Advice: with arguments in bfloat16 the result is in float32. torch.randn(shape) draws in float32,"
                    " and on the CPU, whatever the arguments are; torch.randn_like(tensor) follows both."
                )

    def _refuse_shapes(
        self, reply: Reply, size: Sequence[int], suspects: Suspects, arguments: Sequence[Any], right_before: bool
    ) -> None:
        """Raise Failed where the value, or a part of it, has a shape that a mistake leads to: the first that gives
        these values, too, or else the first of this shape.

        right_before: whether other inputs led to the right shape, so that only a size of 1 can make the difference.
        """
        first = 1 if self.parts else 0
        size = size[first:]
        came = [part.tensor for part in reply.parts or [reply] if part.tensor is not None]
        for wrong in (one for one in came if one.shape != size):
            if right_before and resized(wrong.shape, size) == "dimension-dropped":
                continue  # which is said where the value is taken
            predicted = [(mistake, formula(*arguments)) for mistake, formula in suspects]
            fitting = [(mistake, value) for mistake, value in predicted if value.shape[first:] == wrong.shape]
            if fitting:
                exactly_so = [mistake for mistake, value in fitting if close(wrong, value)]
                message = f"It should have shape {shape(size)}; yours has shape {shape(wrong.shape)}."
                raise Failed(message, exactly_so[0] if exactly_so else fitting[0][0])

    def _refuse_random_holes(self, evidence: Evidence, arguments: Arguments, first: Reply) -> None:
        """Raise Failed where other elements are finite in the next call: noise stands where it may be negative."""
        if first.tensor is None or bool(first.tensor.isfinite().all()):
            return
        again = self.called(evidence, arguments).tensor
        if again is not None and not torch.equal(again.isfinite(), first.tensor.isfinite()):
            raise Failed(f"Some elements aren't finite, others each time: {numbers(first.tensor)}.", "noise-under-root")

    def _use(self, subject: Subject) -> None:
        subject.call(*self.given(self.inputs(Evidence(subject, 0))[0]).values())

    @property
    def _std(self) -> Formula:
        assert self.std is not None, "only a random function has draws"
        return self.std

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


def backwards(value: Any) -> Any:
    """A tensor with its elements in the opposite order, along every dimension."""
    return value.flip(tuple(range(value.dim()))) if isinstance(value, Tensor) else value


def enough(calls: int, arguments: Arguments, right: Formula) -> int:
    """Fewer calls where each gives many draws."""
    return max(FEWEST_CALLS, min(calls, MOST_DRAWS // max(1, right(*exactly(arguments)).numel())))

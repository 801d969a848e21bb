"""The calls of a function that an exercise asks for: with what it is called, what its value is, and what can be said of
a call whose value has a wrong shape, dtype or gradient. What is required of all of them, the exercise says.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Evidence, Exercise, Failed
from bnn_core.autograder.interface import LearnerError
from bnn_core.autograder.judging.formulas import Arguments, Formula, Suspects, exactly, named
from bnn_core.autograder.judging.gradients import (
    Draw,
    Gradients,
    gradients_of,
    require_gradients,
    requiring,
    scaled,
)
from bnn_core.autograder.judging.values import (
    close,
    described,
    expected_for,
    numbers,
    resized,
    shape,
    tensor_from,
    tensors_from,
)
from bnn_core.autograder.subject import Reply, Subject

Inputs = Callable[[Evidence], Sequence[Arguments]]
"""Draws the arguments of several calls; the first are the usual ones, the others what might be an exception."""

FEWEST_CALLS, MOST_DRAWS, CALLS_TO_DIFFER = 30, 20_000, 20


class FunctionEvidence(Evidence):
    """What the checks of a function share: draws for each of the inputs, made once."""

    draws: Sequence[tuple[Sequence[Any], Tensor]] | None = None


class FunctionCalls(Exercise):
    """An exercise that asks for a function, as far as its calls go."""

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

    def sample(self, evidence: Evidence, arguments: Arguments, calls: int) -> Tensor:
        """The values of this many calls with these arguments, of the right shape. Raises Failed."""
        values, size = evidence.subject.sample(calls, *arguments.values()), self.right(*exactly(arguments)).shape
        if values.shape[1:] != size:
            message = f"It should have shape {shape(size)}; yours has shape {shape(values.shape[1:])}."
            raise Failed(f"{message}\nThat is for {described(arguments)}.", resized(values.shape[1:], size))
        return values.double()

    def two_draws(self, evidence: Evidence, arguments: Arguments) -> tuple[Tensor, Tensor]:
        """Two draws that differ, if any of several does: noise of a few values may come again by chance."""
        first = second = tensor_from(self.called(evidence, arguments), self.name)
        for _ in range(CALLS_TO_DIFFER):
            second = tensor_from(self.called(evidence, arguments), self.name)
            if not torch.equal(first, second):
                break
        return first, second

    def require_new_values(self, evidence: Evidence, cases: Sequence[Arguments], formula: Formula) -> None:
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

    def require_right_gradients(
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

    def advise_on_names(self, evidence: Evidence) -> None:
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

    def advise_on_dtype(self, evidence: Evidence) -> None:
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

    def refuse_shapes(
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

    def refuse_random_holes(self, evidence: Evidence, arguments: Arguments, first: Reply) -> None:
        """Raise Failed where other elements are finite in the next call: noise stands where it may be negative."""
        if first.tensor is None or bool(first.tensor.isfinite().all()):
            return
        again = self.called(evidence, arguments).tensor
        if again is not None and not torch.equal(again.isfinite(), first.tensor.isfinite()):
            raise Failed(f"Some elements aren't finite, others each time: {numbers(first.tensor)}.", "noise-under-root")

    def _use(self, subject: Subject) -> None:
        subject.call(*self.given(self.inputs(Evidence(subject, 0))[0]).values())

    @property
    def spread(self) -> Formula:
        assert self.std is not None, "only a random function has draws"
        return self.std


def backwards(value: Any) -> Any:
    """A tensor with its elements in the opposite order, along every dimension."""
    return value.flip(tuple(range(value.dim()))) if isinstance(value, Tensor) else value


def enough(calls: int, arguments: Arguments, right: Formula) -> int:
    """Fewer calls where each gives many draws."""
    return max(FEWEST_CALLS, min(calls, MOST_DRAWS // max(1, right(*exactly(arguments)).numel())))

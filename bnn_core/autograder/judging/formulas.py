"""Formulas of what an exercise asks for, and of the mistakes in it: what they make of arguments, in float64, and which
of them explains the values that came.

It is given values and formulas, and may not know how a function was called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations, compress
from typing import Any

import torch
from torch import Tensor

from bnn_core.autograder.interface import Model
from bnn_core.autograder.judging.values import ROUNDING, are_close, are_in_half, close, matches
from bnn_core.autograder.mistakes import Mistake

Arguments = Mapping[str, Any]
"""What the function is called with, by name, in the order of its parameters."""

Formula = Callable[..., Tensor]

Group = Sequence[Arguments]
"""The arguments of calls whose values are compared with one another."""

Suspects = Sequence[tuple[Mistake, Formula]]
"""Mistakes whose formula is known."""


def in_parts(formula: Formula) -> Callable[..., tuple[Tensor, ...]]:
    """The formula for a stack as a function that gives a tuple."""
    return lambda *arguments: tuple(formula(*arguments))


def flattening(formula: Formula) -> Formula:
    """The formula as a function of dicts, whose values it takes one by one."""

    def function(*given: Any) -> Tensor:
        return formula(*(value for item in given for value in (item.values() if isinstance(item, dict) else [item])))

    return function


def stacked(formula: Formula, calls: Sequence[Sequence[Any]]) -> Tensor:
    """The formula's values for each of these arguments."""
    return torch.stack([formula(*arguments) for arguments in calls])


def changes_of(formula: Formula, calls: Sequence[Sequence[Any]]) -> Tensor:
    """How the formula's values differ from the first."""
    values = stacked(formula, calls)
    return values - values[0]


def close_up_to_a_constant(came: Tensor, right: Tensor) -> bool:
    """Whether values along the first dimension differ from the first as the right ones do, up to rounding."""
    largest = right.abs().max()
    change, wanted = came - came[0], right - right[0]
    return matches(change, wanted, ROUNDING * (wanted.abs() + largest + 1e-2))


def drawing(mean: Formula, std: Formula) -> Formula:
    """A function that draws with this mean and this standard deviation."""

    def draw(*arguments: Any) -> Tensor:
        centre = mean(*arguments)
        return centre + std(*arguments) * torch.randn_like(centre)

    return draw


def named(arguments: Arguments) -> dict[str, Any]:
    """The arguments, their tensors and models in float64; whole numbers, such as labels, stay whole."""
    return {key: in_double(value) for key, value in arguments.items()}


def in_double(value: Any) -> Any:
    if isinstance(value, Model):
        return value.double()
    if not isinstance(value, Tensor):
        return value
    return value.detach().double() if value.is_floating_point() else value.detach()


def exactly(arguments: Arguments) -> list[Any]:
    """The arguments in order, their tensors and models in float64."""
    return list(named(arguments).values())


def predictions(suspects: Suspects, arguments: Sequence[Any]) -> list[tuple[Mistake, Tensor]]:
    """What each suspected mistake makes of the arguments."""
    return [(mistake, formula(*arguments)) for mistake, formula in suspects]


def explanation(
    suspects: Suspects,
    cases: Sequence[Sequence[Any]],
    values: Sequence[Tensor],
    tolerances: Sequence[Tensor] | None = None,
) -> Mistake | None:
    """The first suspected mistake whose formula gives the values that came, in every case, but for rounding or within
    tolerances.
    """
    for mistake, formula in suspects:
        predicted = [formula(*arguments) for arguments in cases]
        fits = map(close, values, predicted) if tolerances is None else map(matches, values, predicted, tolerances)
        if all(fits):
            return mistake
    return None


def explanation_of_some(
    suspects: Suspects, cases: Sequence[Sequence[Any]], values: Sequence[Tensor], wrong: Sequence[bool]
) -> Mistake | None:
    """The first suspected mistake that is made in all cases that are wrong, where these are several, but not all."""
    if wrong.count(True) < 2 or all(wrong):
        return None
    failed = list(compress(cases, wrong))
    telling = [(mistake, formula) for mistake, formula in suspects if any(formula(*case).any() for case in failed)]
    return explanation(telling, failed, list(compress(values, wrong)))


def explanation_by_two(
    suspects: Suspects, cases: Sequence[Sequence[Any]], values: Sequence[Tensor], expected: Sequence[Tensor]
) -> tuple[Mistake, Mistake] | None:
    """The first two suspected mistakes that together give the values that came, in every case: what each adds is added,
    as of terms of a sum, or what each multiplies by is multiplied, as of factors.
    """
    for (first, formula), (second, other) in pairs_for(suspects, cases[0], values[0], expected[0]):
        pairs = [(formula(*arguments), other(*arguments)) for arguments in cases]
        added = (one + two - right for (one, two), right in zip(pairs, expected, strict=True))
        multiplied = (one * two / right for (one, two), right in zip(pairs, expected, strict=True))
        if all(map(close, values, added)) or all(map(close, values, multiplied)):
            return first, second
    return None


def explanation_by_options(
    suspects: Suspects,
    cases: Sequence[Any],
    values: Sequence[Tensor],
    value_of: Callable[[Formula, Any], Tensor] = lambda formula, arguments: formula(*arguments),
    fits: Callable[[Tensor, Tensor], bool] = close,
) -> tuple[Mistake, Mistake] | None:
    """The first two suspected mistakes that together give the values that came, in every case, where each sets options
    of one function, and not the same.
    """
    for (first, one), (second, other) in combinations(suspects, 2):
        both = with_options_of_both(one, other)
        if both and all(fits(value, value_of(both, case)) for value, case in zip(values, cases, strict=True)):
            return first, second
    return None


def with_options_of_both(one: Formula, other: Formula) -> Formula | None:
    """The formula that sets the options of both, if they set options of one function, and not the same."""
    if not (isinstance(one, partial) and isinstance(other, partial)) or one.func is not other.func:
        return None
    return None if one.keywords.keys() & other.keywords.keys() else partial(one, **other.keywords)


def pairs_for(suspects: Suspects, case: Sequence[Any], value: Tensor, expected: Tensor) -> Iterator[Suspects]:
    """The pairs of suspects, in their order, that together give this value in one case: there may be thousands of
    pairs, so that they are sifted all at once.
    """
    found = [(suspect, suspect[1](*case)) for suspect in suspects]
    fitting = [(suspect, predicted) for suspect, predicted in found if predicted.shape == expected.shape]
    if len(fitting) < 2 or value.shape != expected.shape or not value.numel():
        return
    predicted = torch.stack([one for _, one in fitting])
    first, second = torch.triu_indices(len(fitting), len(fitting), offset=1)
    ones, others = predicted[first], predicted[second]
    fits = are_close(value, ones + others - expected) | are_close(value, ones * others / expected)
    for one, two in zip(first[fits].tolist(), second[fits].tolist(), strict=True):
        yield fitting[one][0], fitting[two][0]


def imprecision(values: Sequence[Tensor], expected: Sequence[Tensor]) -> str | None:
    """What makes values right to two or three digits, where all of them are, and no more."""
    if not all(close(came, right, 1e-2) for came, right in zip(values, expected, strict=True)):
        return None
    return "computed-in-half" if are_in_half(values) else "right-to-a-few-digits"

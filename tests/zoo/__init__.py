"""Wrong and right solutions, as source text, so that they can be run in a process, in a notebook or in a sandbox.

Each exercise has a module with `RIGHT`, solutions written as differently as right code can be, and `WRONG`, one real
mistake each, with the check that must reject it first and the misconception that it must be told.
"""

from __future__ import annotations

import copy
import types
from dataclasses import dataclass
from typing import Any

from bnn_core.autograder.exercise import Exercise


@dataclass(frozen=True)
class Wrong:
    """One mistake: its name, the code, the check that rejects it first, and the misconception named there."""

    name: str
    source: str
    check: str
    misconception: str | None


def define(source: str, name: str) -> Any:
    """The class or function called `name` that the source defines, in a module of its own."""
    module = types.ModuleType("learner")
    exec(compile(source, f"<{name}>", "exec", dont_inherit=True), module.__dict__)
    return getattr(module, name)


def up_to(exercise: Exercise, check: str) -> Exercise:
    """The exercise without the checks that come after this one, which a test of what is told first can do without."""
    shorter = copy.copy(exercise)
    names = [each.name for each in exercise.checks]
    shorter.checks = exercise.checks[: names.index(check) + 1]
    return shorter


def replaced(source: str, *changes: tuple[str, str]) -> str:
    """The source with parts of it replaced, one after the other. Raises ValueError where a part isn't there."""
    for old, new in changes:
        if old not in source:
            raise ValueError(f"the solution has no part {old!r}")
        source = source.replace(old, new)
    return source

"""All exercises of the course, by the name that a learner defines: whatever module or package lies in this folder is
one, and has it as `exercise`.
"""

from importlib import import_module
from pkgutil import iter_modules

from bnn_core.autograder.exercise import Exercise


def _found() -> list[Exercise]:
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    return sorted((module.exercise for module in modules), key=lambda exercise: exercise.lesson)


EXERCISES: dict[str, Exercise] = {exercise.name: exercise for exercise in _found()}

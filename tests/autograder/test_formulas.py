"""Each mistake whose formula an exercise knows, handed in as a function: it is rejected by the check that lists it, and
told by its name and sentence.
"""

from __future__ import annotations

import pytest
from zoo import up_to

from bnn_core.autograder.exercise import run
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.in_notebook import undisturbed
from bnn_core.autograder.in_process import in_process_subject
from bnn_core.autograder.judging.function_exercise import FunctionExercise, WrongAnswer

ANSWERS = [
    pytest.param(exercise, wrong, id=f"{exercise.name}: {wrong.mistake.name} {number}")
    for exercise in EXERCISES.values()
    if isinstance(exercise, FunctionExercise)
    for number, wrong in enumerate(exercise.wrong_answers)
]


@pytest.mark.parametrize(("exercise", "wrong"), ANSWERS)
def test_a_mistake_is_told_from_its_formula(exercise: FunctionExercise, wrong: WrongAnswer) -> None:
    with undisturbed():
        report = run(up_to(exercise, wrong.check), in_process_subject(wrong.function), seed=1)
    first = next(outcome for outcome in report.outcomes if not outcome.passed)
    assert (first.name, first.misconception) == (wrong.check, wrong.mistake.name), first.message
    assert first.message.startswith(exercise.sentence(wrong.mistake, {}))

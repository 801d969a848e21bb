"""The checks of notebooks, one test per check: those given with --notebook, else every solved notebook's."""

from functools import cache
from pathlib import Path

import pytest

from bnn_core.answers.notebook import exercises_of
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.report import Report
from bnn_core.course.notebook_checks import lesson_in
from bnn_core.course.time_limit import SECONDS, check_within
from bnn_core.lesson_files import Course


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    course = Course()
    solved = [path for path in map(course.solved_notebook, course.sources()) if path.exists()]
    given = metafunc.config.option.notebook or solved
    cases = [
        (path, name, check.name)
        for path in given
        for name in exercises_of(lesson_in(path))
        for check in EXERCISES[name].checks
    ]
    exercises = {(path, name) for path, name, _ in cases}
    ids = [check if len(exercises) == 1 else f"{name}: {check}" for _, name, check in cases]
    metafunc.parametrize(("path", "name", "check"), cases, ids=ids)


@cache
def reports(path: Path) -> dict[str, Report]:
    return {report.exercise: report for report in check_within(SECONDS, path).reports}


def test_check(path: Path, name: str, check: str) -> None:
    report = reports(path)[name]
    outcomes = {outcome.name: outcome for outcome in report.outcomes}
    if not outcomes:
        pytest.fail(report.message, pytrace=False)
    if not outcomes[check].passed:
        pytest.fail(outcomes[check].message, pytrace=False)

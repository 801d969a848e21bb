"""The way through the course as a notebook draws it."""

import re
from pathlib import Path
from typing import Any

import pytest

from bnn_core import guesses
from bnn_core.autograder.report import Outcome, Report
from bnn_core.course.notebook_report import NotebookReport
from bnn_core.lesson_files import Course
from bnn_core.progress import NOT_AMONG_THE_LESSONS, LessonProgress, _Way, lines, next_step, progress, summary

SOLVED = Report("double", "passed", "double: all checks passed", (Outcome("it doubles", True),))
HALF = Report("triple", "failed", "", (Outcome("it triples", True), Outcome("it returns <b>", False, "no")))
STUB = Report("halve", "not_attempted", "")

FIRST = LessonProgress("01_doubling", "Twice as much", (SOLVED,), asked=2, made=2)
SECOND = LessonProgress("02_tripling", "Three times & more", (HALF, STUB), asked=3, made=1)
LOST = LessonProgress("03_lost", problem="lessons/03_lost.ipynb isn't there; `bnn-course build 03_lost` makes it")
WAY = [FIRST, SECOND, LOST]


def items_of(markup: str) -> list[str]:
    return re.findall(r"<li.*?</li>", markup)


def test_what_is_next_is_the_first_exercise_that_is_not_solved() -> None:
    assert next_step(WAY) == ("02_tripling", "triple")
    assert next_step([FIRST, LOST]) is None
    assert summary(WAY) == "1 of 3 exercises solved. Next: triple, in 02_tripling."
    assert summary([FIRST]) == "1 of 1 exercises solved."


def test_the_picture_has_a_place_for_each_lesson_and_marks_the_next() -> None:
    first, second, lost = items_of(_Way(WAY)._repr_html_())
    assert 'class="solved"' in first
    assert '<a href="01_doubling.ipynb">Twice as much</a>' in first
    assert "✓ double: solved" in first
    assert "●● 2 of 2 guesses made" in first
    assert 'class="next" aria-current="step"' in second
    assert "Three times &amp; more</a> ← next" in second
    assert "○ triple: 1 of 2 checks passed" in second
    assert "○ halve: not attempted" in second
    assert "●○○ 1 of 3 guesses made" in second
    assert 'class="open"' in lost
    assert "bnn-course build 03_lost" in lost


def test_as_text_it_says_the_same() -> None:
    text = repr(_Way(WAY))
    assert text.splitlines()[-1] == summary(WAY)
    assert [*lines(FIRST), *lines(SECOND), *lines(LOST)] == [line[35:] for line in text.splitlines()[:-1]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    items: list[Any] = []
    monkeypatch.setattr("IPython.display.display", items.append)
    return items


def test_a_notebook_among_the_lessons_draws_its_own_course(
    course: Course, shown: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = []

    def check(seconds: float, path: Path, lesson: str) -> NotebookReport:
        looked_at.append(path)
        return NotebookReport(lesson, (SOLVED,), ())

    monkeypatch.setattr("bnn_core.progress.check_within", check)
    monkeypatch.setattr(guesses, "FOLDER", course.lessons)
    progress()
    (item,) = items_of(shown[0]._repr_html_())
    assert looked_at == [course.learner_notebook("01_doubling")]
    assert "Twice as much" in item


@pytest.mark.parametrize("folder", ["solutions", "elsewhere", None])
def test_elsewhere_it_says_where_it_is_drawn_and_checks_nothing(
    course: Course,
    shown: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder: str | None,
) -> None:
    monkeypatch.setattr(guesses, "FOLDER", course.root / folder if folder else None)
    progress()
    assert capsys.readouterr().out == f"{NOT_AMONG_THE_LESSONS}\n"
    assert shown == []

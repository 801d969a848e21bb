"""A learner's first minutes with lesson 03, in a real browser: JupyterLab as `bnn-course lab` starts it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from zoo import bayesian_linear as zoo
from zoo import define

from bnn_core.autograder import pictures
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.in_notebook import report_on
from bnn_core.course.lesson_source import build_notebooks
from bnn_core.lesson_files import Course, notebook_text

from .conftest import source_of_own

LESSON = "03_bayesian_linear"
WRONG = next(wrong for wrong in zoo.WRONG if wrong.misconception == "softplus-for-exp")  # whose draws are pictured


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where JupyterLab shows the lesson, as a learner finds it, in a course of this test's own."""
    course = Course(tmp_path / "course")
    learner, _ = build_notebooks(source_of_own(LESSON), EXERCISES)
    course.lessons.mkdir(parents=True)
    course.learner_notebook(LESSON).write_text(notebook_text(learner), encoding="utf-8")
    command = [sys.executable, "-m", "bnn_core", "--course", str(course.root), "lab", "3", "--no-browser"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        match = re.search(r"http\S+", line)
        assert match, line
        yield match[0]
        server.terminate()
        server.wait(timeout=30)


def write_and_run(page: Any, exercise: Any, code: str) -> None:
    """Types over what stands in the exercise's cell and runs it; the cell is left by Escape."""
    exercise.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(code.strip())
    page.keyboard.press("Control+Enter")
    page.keyboard.press("Escape")


def check_again(page: Any, check: Any) -> None:
    check.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")


def test_a_learner_is_told_what_is_wrong_until_it_is_right(address: str, page: Any, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=180_000)  # milliseconds; only a failure waits that long
    right = SimpleNamespace(code=zoo.BASE, report=report_on(define(zoo.BASE, "BayesianLinear")))
    wrong = SimpleNamespace(code=WRONG.source, report=report_on(define(WRONG.source, "BayesianLinear")))
    diagnosis = next(outcome.message for outcome in wrong.report.outcomes if outcome.misconception).splitlines()[0]

    page.goto(address)
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    exercise = cells.filter(has=page.locator(".cm-content", has_text="class BayesianLinear"))
    check = cells.filter(has=page.locator(".cm-content", has_text=re.compile(r"^check\(BayesianLinear\)$")))
    report = check.locator(".bnn-report")

    expect(page.locator(".jp-Notebook h1").first).to_be_visible()
    # What is run before the kernel answers is not run at all.
    expect(page.get_by_role("button", name="Python 3 (ipykernel) | Idle")).to_be_visible()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    expect(report).to_contain_text("BayesianLinear: not attempted")
    check.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "1_not_attempted.png")
    expect(page.locator(".Toastify__toast")).to_have_count(0)  # no news, no updates

    write_and_run(page, exercise, wrong.code)
    check_again(page, check)
    expect(report).to_contain_text(diagnosis)
    expect(report.locator(".bnn-checks")).to_have_css("list-style-type", "none")  # marks of its own, and no dots
    expect(report.locator(".bnn-checks")).to_have_css("padding-left", "0px")
    expect(report.locator(".bnn-picture").first).to_have_css("max-width", f"{pictures.WIDTH}px")
    check.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "2_wrong.png")

    write_and_run(page, exercise, right.code)
    check_again(page, check)
    expect(report).to_contain_text(right.report.message)
    check.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "3_right.png")

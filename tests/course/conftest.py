"""A course of one small lesson, built once, for the tests of what builds and reads courses."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import Result

from bnn_core.course.build import build_lesson
from bnn_core.lesson_files import Course

OWN = Course()
"""The course that these tests belong to."""

LESSON = "01_doubling"

SOURCE = '''\
# %% [markdown]
# # Twice as much
#
# **Next:** [three times as much](02_tripling.ipynb)

# %% tags=["setup"]
import math

from IPython.display import Image
from ipywidgets import IntSlider


def check(function):
    assert function(2) == 4

# %% tags=["exercise"]
def double(x):
    """Twice x."""
    # 1. Multiply.
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# It is a product.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# One factor is x.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# The other is 2.
#
# </details>
#
# {{ solution double }}

# %% tags=["check"]
check(double)

# %% tags=["experiment"]
print(double(math.pi))
IntSlider()

# %% tags=["figure", "picture"]
Image(data=b"ABC", format="png")

# %% tags=["claim"]
assert double(math.pi) > 6
'''


@dataclass(frozen=True)
class SmallExercise:
    lesson: str
    points: float
    sections: dict[str, str] = field(default_factory=dict)


EXERCISES = {"double": SmallExercise(LESSON, 3), "elsewhere": SmallExercise("02_other", 1)}


def source_of_own(lesson: str) -> Path:
    """The source of a lesson of this course. Where it was handed out without, there is nothing to test."""
    if not OWN.source(lesson).exists():
        pytest.skip("this copy of the course has no sources")
    return OWN.source(lesson)


def require_refusal(result: Result, folder: Path, left: Sequence[str] = ()) -> None:
    """The command says why not in one line, and the folder holds what it held before."""
    assert result.exit_code == 2
    assert len(result.output.splitlines()) == 1
    assert [path.name for path in folder.iterdir()] == list(left)


@pytest.fixture(scope="session")
def course_built_once(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """The small course as the build leaves it. Not to be changed: `course` is a copy for each test."""
    course = Course(tmp_path_factory.mktemp("course"))
    course.solutions.mkdir()
    course.source(LESSON).write_text(SOURCE, encoding="utf-8")
    build_lesson(course, LESSON, EXERCISES)
    return course


@pytest.fixture
def course(course_built_once: Course, tmp_path: Path) -> Course:
    """A small course, built, of this test's own."""
    copy = Course(tmp_path / "course")
    shutil.copytree(course_built_once.root, copy.root)
    return copy

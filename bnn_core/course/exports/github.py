"""A template repository for GitHub: the course as learners get it, and the workflow that checks what they push. The
workflow is for learners, whose own code it runs; it grades nothing, for who can push can change it.
"""

from __future__ import annotations

from collections.abc import Sequence

from bnn_core.course.exports.course_copy import CPU_INDEX, PYTHON, course_files
from bnn_core.lesson_files import Course

WORKFLOW_FILE = ".github/workflows/check.yml"

WORKFLOW = """\
# Checks the exercises at every push: what is wrong stands beside its line, and the report on the page of the run.
name: Check the exercises

on: [push, workflow_dispatch]

permissions:
  contents: read

jobs:
  check:
    runs-on: ubuntu-latest
    timeout-minutes: 30
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-python@v6
        with:
          python-version: "{python}"
          cache: pip
          cache-dependency-path: requirements.txt
      - name: Install the course
        run: |
          python -m pip install --extra-index-url {index} "$(grep '^torch==' requirements.txt)"
          python -m pip install -r requirements.txt
      - name: Check the exercises
        run: bnn-course check --format github {notebooks}
"""


def workflow(lessons: Sequence[str]) -> str:
    """The workflow's file, which checks these lessons."""
    notebooks = " ".join(f"lessons/{lesson}.ipynb" for lesson in lessons)
    return WORKFLOW.format(python=PYTHON, index=CPU_INDEX, notebooks=notebooks)


def template(course: Course, lessons: Sequence[str]) -> dict[str, bytes | str]:
    """The repository's files by path. Raises LessonFileError where the folder of the course isn't whole."""
    return {**course_files(course, lessons), WORKFLOW_FILE: workflow(lessons)}

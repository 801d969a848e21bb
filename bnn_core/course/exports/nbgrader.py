"""The lessons as nbgrader's assignments: the instructor's notebooks, from which it makes the learners', and its
configuration. It knows nbgrader's format and needs nothing of nbgrader to be installed.

nbgrader marks a cell by what it shows: a number is that many points, an error none, and nothing at all is full marks.
So the check cell, which nbgrader puts back as it was, imports `check` anew, and `check` ends it with the score.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bnn_core.course.exports.course_copy import require_there
from bnn_core.course.lesson_source import Exercises, build_notebooks, names_in, read_source
from bnn_core.lesson_files import Course, LessonFileError, cells_with_role, mark_as_built, notebook_text, write_file

if TYPE_CHECKING:
    from nbformat import NotebookNode

CONFIG_FILE = "nbgrader_config.py"
CONFIG = """\
# How nbgrader hands out and grades this course.
c = get_config()

# A lesson's experiments are for its reader, and take their time.
c.Execute.skip_cells_with_tag = "experiment"
c.Execute.timeout = 300  # seconds for a cell; usually 30

# A check that a learner has deleted is put back.
c.OverwriteCells.add_missing_cells = True

# What stands in an exercise where the solution was.
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError"}
"""

IMPORT = "from bnn_core.autograder import check\n\n"


def course_folder(course: Course, lessons: Sequence[str], exercises: Exercises) -> dict[str, str]:
    """The files of nbgrader's folder by path. Raises SourceError, and LessonFileError where a lesson has no source."""
    files = {CONFIG_FILE: CONFIG}
    require_there(course.source(lesson) for lesson in lessons)
    for lesson in lessons:
        files[f"source/{lesson}/{lesson}.ipynb"] = notebook_text(source_notebook(course.source(lesson), exercises))
    return files


def source_notebook(source: Path, exercises: Exercises) -> NotebookNode:
    """The lesson with its solutions between markers. Its mark is that of the notebook that nbgrader makes of it."""
    learner, _ = build_notebooks(source, exercises)
    for cell in cells_with_role(learner, "check"):
        cell.source = IMPORT + cell.source
    mark_as_built(learner, source.stem)
    marked = {tuple(names_in(cell.source)): cell.source for cell in cells_with_role(read_source(source), "exercise")}
    notebook = copy.deepcopy(learner)
    for cell in cells_with_role(notebook, "exercise"):
        cell.source = marked[tuple(names_in(cell.source))]
    return notebook


def write_course_folder(folder: Path, files: dict[str, str]) -> None:
    """Writes the files into nbgrader's folder. Raises LessonFileError where one is there that is another."""
    for name, text in files.items():
        path = folder / name
        if path.exists() and path.read_bytes() != text.encode():
            raise LessonFileError(f"{path} is another already, and is never written over; move it away first")
    for name, text in files.items():
        write_file(folder / name, text)

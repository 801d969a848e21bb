"""The sources of the site's pages: the map, the solved lessons as a reader should find them, the instructor's guide and
the reference. It gives contents by path and writes nothing; what makes pages of them is `building`'s business.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from bnn_core import HOMES
from bnn_core.course.build import WIDGET_STAND_IN
from bnn_core.course.lesson_source import Exercises, build_notebooks
from bnn_core.lesson_files import (
    Course,
    LessonFileError,
    cells_with_role,
    named_in_calls,
    notebook_text,
    read_notebook,
    role,
)

if TYPE_CHECKING:
    from nbformat import NotebookNode

LESSONS, GUIDE, REFERENCE = "lessons", "guide", "reference"

WITHOUT_SLIDER = "Here is a slider when the lesson runs in Jupyter."

PROMPTS = {"figure": "the code of what is shown", "claim": "the code that measures what the text says"}
"""What opens a folded cell, by its role."""

MODULES = (
    "gaussian",
    "bayesian_linear",
    "local_reparameterization",
    "hidden_layer",
    "bayes_by_backprop",
    "uncertainty",
    "decisions",
    "small_network",
    "datasets",
)
"""The modules that learners import from, as the lessons build them."""

_SECTION = re.compile(r"^## (.+)\n([\s\S]*?)(?=^## |\Z)", re.MULTILINE)
_ROW = re.compile(r"^\| (\**)(\d\d)\1 \| (\**)(.+?)\3 \| ", re.MULTILINE)
_IMAGE = re.compile(r'<img src="([^"]+)" alt="([^"]+)">')

NAVIGATION = """
```{{toctree}}
:caption: {caption}
:hidden:
{entries}
```
"""


def pages(course: Course, exercises: Exercises) -> dict[str, bytes]:
    """Everything that pages are made of, by path. Raises LessonFileError where the folder of the course isn't whole,
    and SourceError where a lesson's source is no lesson.
    """
    lessons = course.sources()
    if not lessons:
        raise LessonFileError(f"{course.root} has no sources of lessons; give the whole course's folder with --course")
    readme, guide = (_text(course, path) for path in (course.root / "README.md", course.solutions / "README.md"))
    files = {f"{LESSONS}/{lesson}.ipynb": _lesson(course, lesson, exercises).encode() for lesson in lessons}
    files["index.md"] = _map(readme, lessons).encode()
    files[f"{GUIDE}.md"] = guide.encode()
    files[f"{REFERENCE}.md"] = _reference().encode()
    for picture, _ in _IMAGE.findall(readme):
        files[picture] = _bytes(course, course.root / picture)
    return files


def _lesson(course: Course, lesson: str, exercises: Exercises) -> str:
    """The solved notebook, with each exercise as the learner finds it: its solution stands folded below the hints."""
    path = course.solved_notebook(lesson)
    if not path.exists():
        raise LessonFileError(f"{course.shown(path)} isn't there; `bnn-course build {lesson}` makes it")
    notebook = read_notebook(path)
    learner, _ = build_notebooks(course.source(lesson), exercises)
    stubs = {cell.id: cell.source for cell in cells_with_role(learner, "exercise")}
    # Nobody guesses here, so there is no guess to take up.
    notebook.cells = [cell for cell in notebook.cells if not named_in_calls(cell.source, "guessed")]
    for cell in notebook.cells:
        cell.source = stubs.get(cell.id, cell.source)
        if prompt := PROMPTS.get(role(cell) or ""):
            cell.metadata.mystnb = {"code_prompt_show": f"Show {prompt}", "code_prompt_hide": f"Hide {prompt}"}
        for output in cell.get("outputs", []):
            _make_static(output)
    return notebook_text(notebook)


def _make_static(output: NotebookNode) -> None:
    """Says of a slider, which moves in Jupyter alone, where it is."""
    data = output.get("data", {})
    if data.get("text/plain") == WIDGET_STAND_IN:
        data["text/plain"] = WITHOUT_SLIDER


def _map(readme: str, lessons: list[str]) -> str:
    """The landing page: the README's beginning, its picture, and its table of lessons with a link to each."""
    beginning, _, _ = readme.partition("\n## ")
    table = dict(_SECTION.findall(readme)).get("The lessons", "")
    by_number = {lesson.partition("_")[0]: lesson for lesson in lessons}

    def linked(row: re.Match[str]) -> str:
        bold, number, _, question = row.groups()
        if number not in by_number:
            return row[0]
        return f"| {bold}{number}{bold} | [{bold}{question}{bold}]({LESSONS}/{by_number[number]}.ipynb) | "

    return "\n".join(
        [
            _IMAGE.sub(r"![\2](\1)", beginning),
            "\n## The lessons\n",
            _ROW.sub(linked, table),
            NAVIGATION.format(caption="Lessons", entries="\n".join(f"{LESSONS}/{lesson}" for lesson in lessons)),
            NAVIGATION.format(caption="More", entries=f"{REFERENCE}\n{GUIDE}"),
        ]
    )


def _reference() -> str:
    parts = [
        "# The reference\n\nWhat the lessons build, as `bnn_core` has it: import any of it from there, "
        "and the data from `bnn_core.datasets`."
    ]
    for module in MODULES:
        names = ", ".join(name for name, home in HOMES.items() if home == module)
        parts.append(f"## {module}\n\n```{{eval-rst}}\n.. automodule:: bnn_core.{module}\n   :members: {names}\n```")
    return "\n\n".join(parts) + "\n"


def _text(course: Course, path: Path) -> str:
    return _bytes(course, path).decode()


def _bytes(course: Course, path: Path) -> bytes:
    if not path.is_file():
        raise LessonFileError(f"{course.shown(path)} isn't there; give the folder of the whole course with --course")
    return path.read_bytes()

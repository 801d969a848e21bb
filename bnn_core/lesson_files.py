"""Where the course's files lie, how notebooks are read and written, and how their cells are told apart: what
the build, the command line and grading all need to know of a notebook. It may not import the checks, the
build or torch, and loads nbformat, which takes a second, only when it needs it.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode

ROLES = ("setup", "exercise", "check", "experiment", "figure", "claim")
"""The tags of which every code cell of a lesson carries exactly one.

A `figure` cell draws, or asks for a guess; a `claim` cell asserts what the text says, and stands in the solved notebook
only. Both are folded, since neither is there to be read.
"""

LESSON_NAME = re.compile(r"[0-9]{2}_\w+")
"""Not matched by what JupyterLab calls a copy, as in "03_bayesian_linear-Copy1"."""

KEPT = ".kept"
"""The folder beside a notebook into which the build copies what someone wrote in it."""

METADATA_KEY = "bnn_course"
"""Under this key of a notebook's metadata the build leaves its mark."""


class LessonFileError(Exception):
    """A file or a lesson that isn't what it should be; the message is one line that also says what to do."""


@dataclass(frozen=True)
class Course:
    """The folder that holds `lessons/` and `solutions/`."""

    root: Path = Path(__file__).resolve().parents[1]

    @property
    def lessons(self) -> Path:
        return self.root / "lessons"

    @property
    def solutions(self) -> Path:
        return self.root / "solutions"

    @property
    def kept(self) -> Path:
        """Where the build puts a learner's notebook before it writes a new one in its place."""
        return self.lessons / KEPT

    def names(self) -> list[str]:
        """The lessons in order, as in "03_bayesian_linear". A learner's copy of the course may lack the sources."""
        built = (path.stem for path in self.lessons.glob("*.ipynb"))
        return sorted({*self.sources(), *filter(LESSON_NAME.fullmatch, built)})

    def sources(self) -> list[str]:
        """The lessons that can be built, in order."""
        return sorted(filter(LESSON_NAME.fullmatch, (path.stem for path in self.solutions.glob("*.py"))))

    def source(self, lesson: str) -> Path:
        return self.solutions / f"{lesson}.py"

    def learner_notebook(self, lesson: str) -> Path:
        return self.lessons / f"{lesson}.ipynb"

    def solved_notebook(self, lesson: str) -> Path:
        return self.solutions / f"{lesson}.ipynb"

    def picture(self, lesson: str) -> Path:
        return self.solutions / "images" / f"{lesson}.png"

    def find(self, lesson: str) -> str:
        """The full name of a lesson given as its name, its number, its topic or the path of its notebook.

        Raises LessonFileError, which lists the lessons, where there is none.
        """
        if name := lesson_called(lesson, self.names()):
            return name
        if not self.names():
            raise LessonFileError(f"there are no lessons in {self.root}; give the course's folder with --course")
        known = ", ".join(self.names())
        more = "" if self.sources() else f"; {self.root} has no sources from which others could be built"
        raise LessonFileError(f"there is no lesson {lesson!r}; the lessons are: {known}{more}")

    def shown(self, path: Path) -> str:
        """The path as a person would write it: inside the course, from its root."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)


def lesson_called(wanted: str, lessons: Sequence[str]) -> str:
    """The lesson of this name, number or topic, or of a notebook's path, in any case; empty where there is none."""
    called = " ".join(Path(wanted).name.split()).casefold().removesuffix(".ipynb")
    for lesson in lessons:
        number, _, topic = lesson.partition("_")
        if called in (lesson, number, number.lstrip("0") or "0", topic):
            return lesson
    return ""


def read_notebook(path: Path) -> NotebookNode:
    """The notebook, in format 4. Raises LessonFileError where the file is missing or holds no notebook."""
    import nbformat

    try:
        text = path.read_text(encoding="utf-8-sig")
        with warnings.catch_warnings():  # an older format is no reason to bother anyone
            warnings.simplefilter("ignore")
            notebook = nbformat.reads(text, as_version=4)
    except FileNotFoundError:
        raise LessonFileError(f"{path} does not exist; give a notebook's path or a lesson's name") from None
    except OSError as error:
        raise LessonFileError(f"{path} can't be read: {error.strerror}; give a notebook's path") from None
    except Exception:  # json, unicode and nbformat each have their own; all mean the same to the reader
        notebook = None
    if not isinstance(notebook, nbformat.NotebookNode) or not isinstance(notebook.get("cells"), list):
        raise LessonFileError(f"{path} is not a notebook; give a file that JupyterLab saved")
    return notebook


def notebook_text(notebook: NotebookNode) -> str:
    """The one text that a notebook has: equal notebooks give equal text. Raises ValidationError."""
    import nbformat

    nbformat.validate(notebook)
    return str(nbformat.writes(notebook)) + "\n"


def write_file(path: Path, content: str) -> None:
    """Writes all of it or nothing, so that an interruption leaves the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(content, encoding="utf-8", newline="\n")
    part.replace(path)


def role(cell: NotebookNode) -> str | None:
    """The one of ROLES that the cell is tagged with; None for text, and for a learner's own cell."""
    tags = cell.metadata.get("tags", []) if cell.cell_type == "code" else []
    return next((tag for tag in tags if tag in ROLES), None)


def cells_with_role(notebook: NotebookNode, wanted: str) -> Iterator[NotebookNode]:
    return (cell for cell in notebook.cells if role(cell) == wanted)


def defined_names(source: str) -> list[str]:
    """The functions and classes that the code defines at its top level. Raises SyntaxError."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node.name for node in ast.parse(source).body if isinstance(node, definitions)]


def named_in_calls(source: str, function: str) -> list[str]:
    """The texts that the function is called with first, as in `guess("alive", …)`; none where it isn't Python."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError):
        return []
    return [
        node.args[0].value
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function
        if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    ]


def snake_case(name: str) -> str:
    """`BayesianLinear` as `bayesian_linear`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def content_digest(notebook: NotebookNode) -> str:
    """A digest of all that a person writes in a notebook: each cell's kind and text, and not its outputs."""
    return digest_of_cells([(cell.cell_type, cell.source) for cell in notebook.cells])


def digest_of_cells(cells: Sequence[tuple[str, str]]) -> str:
    """The same digest, of each cell's kind and text."""
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def mark_as_built(notebook: NotebookNode, lesson: str) -> None:
    """Records what the build wrote, by which `is_edited` sees whether anyone has changed it since."""
    notebook.metadata[METADATA_KEY] = {"lesson": lesson, "digest": content_digest(notebook)}


def mark_as_run(notebook: NotebookNode, code: str) -> None:
    """Records of which code of the course, by its digest, the outputs are."""
    notebook.metadata[METADATA_KEY]["run_on"] = code


def build_mark(notebook: NotebookNode) -> dict[str, Any] | None:
    """What `mark_as_built` left, the lesson and the digest; None for a notebook that no build wrote."""
    mark = notebook.metadata.get(METADATA_KEY)
    return mark if isinstance(mark, dict) else None


def is_edited(notebook: NotebookNode) -> bool:
    """Whether the notebook holds anything that the build didn't write, outputs aside."""
    mark = build_mark(notebook)
    return mark is None or mark.get("digest") != content_digest(notebook)

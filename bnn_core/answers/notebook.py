"""A learner's notebook, read kindly: whatever tool wrote it and wherever its cells stand, as long as it is
a notebook.

`read_notebook` and `answer_cells` run nothing of it, and treat the file as if an enemy had written it;
`load` runs the answer in this process, for those who trust it. This module may not know what the checks of
an exercise are.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bnn_core.answers.program import Program, describe, run_program
from bnn_core.answers.slicing import answer_cells, defined_names
from bnn_core.lesson_files import METADATA_KEY, Course

__all__ = [
    "MAX_BYTES", "Notebook", "Submission", "Unreadable", "answer_cells", "exercises_of", "lesson_of", "load",
    "read_notebook", "setup_cells",
]  # fmt: skip

MAX_BYTES = 20_000_000
"""A notebook larger than this is not read."""

MAX_BRACKETS = 1_000_000
"""Nor one with more lists and objects than this: they would take thirty times their size in memory."""

_OPEN_FLAGS = ("O_RDONLY", "O_BINARY", "O_CLOEXEC", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK")


class Unreadable(Exception):
    """There is no notebook in the file; `reason` is a sentence, without the file's name, that says what
    there is.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True)
class Notebook:
    """What counts in a notebook.

    cells: the sources of its code cells. tags: the tags of each. lesson: the lesson that the build wrote
    into it, if it is still there.
    """

    cells: tuple[str, ...]
    tags: tuple[frozenset[str], ...]
    lesson: str | None = None

    def tagged(self, tag: str) -> list[str]:
        """The sources of the code cells that carry the tag."""
        return [source for source, tags in zip(self.cells, self.tags, strict=True) if tag in tags]


@dataclass(frozen=True)
class Submission:
    """A notebook whose answer has been run.

    lesson: the notebook's lesson. exercises: the names it asks for. namespace: what the cells defined.
    program: what was run. notes: what was left out or put right, in sentences. errors: what statements
    raised, in sentences.
    """

    lesson: str
    exercises: tuple[str, ...]
    namespace: dict[str, Any]
    program: Program
    notes: tuple[str, ...]
    errors: tuple[str, ...]


def load(path: Path, lesson: str | None = None) -> Submission:
    """Read a notebook and run its answer in this process. Without `lesson`, find out which lesson it is.

    Raises Unreadable where there is no notebook, or none of the course. Classes of the learner's can't be
    pickled once this has returned: they claim to come from `__main__`, as in a kernel.
    """
    notebook = read_notebook(path)
    lesson = lesson or lesson_of(notebook, path)
    exercises = exercises_of(lesson)
    program = answer_cells(notebook.cells, exercises, setup_cells(lesson))
    with _as_in_a_kernel(path.parent):
        namespace, errors = run_program(program)
    messages = tuple(describe(label, error) for label, error in errors)
    return Submission(lesson, exercises, namespace, program, program.notes, messages)


def read_notebook(path: Path, inside: Path | None = None) -> Notebook:
    """The notebook in the file, in any format that Jupyter has had and whatever else is lost or added.

    inside: a folder which the file must really lie in. Raises Unreadable, and nothing else; never waits for
    a device.
    """
    return _notebook(_document(_file_content(path, inside)))


def lesson_of(notebook: Notebook, path: Path) -> str:
    """The lesson that a notebook belongs to: as its metadata say, else its file's name, else the names it
    defines.

    Raises Unreadable where it is of no lesson.
    """
    lessons = _lessons()
    if notebook.lesson in lessons:
        return notebook.lesson
    for lesson in lessons:
        if lesson in path.name:
            return lesson
    defined = defined_names(notebook.cells)
    answers = {lesson: len(defined.intersection(names)) for lesson, names in lessons.items()}
    best = max(answers, key=lambda lesson: answers[lesson])
    if not answers[best]:
        raise Unreadable("It is a notebook, but of no lesson of this course: it defines no exercise.")
    return best


def exercises_of(lesson: str) -> tuple[str, ...]:
    """The names that the lesson's notebook asks for; none where there is no such lesson."""
    return _lessons().get(lesson, ())


@lru_cache
def setup_cells(lesson: str) -> tuple[str, ...]:
    """The sources of the lesson's own setup cells; none where its notebooks haven't been built."""
    course = Course()
    for path in (course.solved_notebook(lesson), course.learner_notebook(lesson)):
        if path.exists():
            return tuple(read_notebook(path).tagged("setup"))
    return ()


@lru_cache
def _lessons() -> dict[str, tuple[str, ...]]:
    """The exercises of each lesson that has any."""
    from bnn_core.autograder.exercises import EXERCISES  # here, for reading a notebook takes no checks

    lessons: dict[str, tuple[str, ...]] = {}
    for name, exercise in EXERCISES.items():
        lessons[exercise.lesson] = (*lessons.get(exercise.lesson, ()), name)
    return lessons


def _file_content(path: Path, inside: Path | None) -> bytes:
    try:
        real = Path(os.path.realpath(path, strict=True))
        if inside is not None and not real.is_relative_to(os.path.realpath(inside)):
            raise Unreadable("It is a link to a file outside the folder.")
        _refuse_unless_regular(os.stat(real))  # opening a device may already do something
        descriptor = os.open(real, sum(getattr(os, flag, 0) for flag in _OPEN_FLAGS))
        with open(descriptor, "rb") as file:
            _refuse_unless_regular(os.fstat(descriptor))
            content = file.read(MAX_BYTES + 1) or b""
    except FileNotFoundError:
        raise Unreadable("There is no such file.") from None
    except (OSError, ValueError) as error:
        raise Unreadable(f"The file can't be read: {getattr(error, 'strerror', None) or error}.") from None
    if len(content) > MAX_BYTES:
        raise Unreadable(_TOO_LARGE)
    return content


def _refuse_unless_regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise Unreadable("It is a folder, not a file.")
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("It is a pipe, a socket or a device, not a file.")
    if status.st_size > MAX_BYTES:
        raise Unreadable(_TOO_LARGE)


_TOO_LARGE = f"The file is larger than {MAX_BYTES // 1_000_000} MB; clear the notebook's outputs and save it again."


def _document(content: bytes) -> dict[str, Any]:
    """The JSON object in the file. Its encoding is UTF-8, with or without a mark, or what some shells
    write, UTF-16.
    """
    if not content.strip():
        raise Unreadable("The file is empty.")
    if content.count(b"[") + content.count(b"{") > MAX_BRACKETS:
        raise Unreadable("The file holds more values than any notebook has.")
    try:
        text = content.decode(json.detect_encoding(content)).removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise Unreadable("The file is not text in UTF-8, so it is no notebook that Jupyter saved.") from None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError, MemoryError):
        raise Unreadable("The file holds no JSON, so it is no notebook, or only a part of one.") from None
    if not isinstance(document, dict):
        raise Unreadable("The file holds JSON, but no notebook.")
    return document


def _notebook(document: dict[str, Any]) -> Notebook:
    cells = [cell for cell in _all_cells(document) if isinstance(cell, dict) and _is_code(cell)]
    sources = tuple(_source(cell, number) for number, cell in enumerate(cells, start=1))
    return Notebook(sources, tuple(_tags(cell) for cell in cells), _lesson_in(document))


def _all_cells(document: dict[str, Any]) -> list[Any]:
    """The cells: since format 4 in one list, before in worksheets."""
    cells = document.get("cells")
    if isinstance(cells, list):
        return cells
    worksheets = document.get("worksheets")
    if not isinstance(worksheets, list):
        raise Unreadable("The file holds JSON, but no notebook: it has no list of cells.")
    lists = [sheet.get("cells") for sheet in worksheets if isinstance(sheet, dict)]
    return [cell for cells in lists if isinstance(cells, list) for cell in cells]


def _is_code(cell: dict[str, Any]) -> bool:
    """Whether it is a code cell; where the type is lost, what only code has shows it."""
    kind = cell.get("cell_type")
    return kind == "code" or (kind is None and not {"outputs", "execution_count", "input"}.isdisjoint(cell))


def _source(cell: dict[str, Any], number: int) -> str:
    """The text of a code cell: `source` since format 4, `input` before; a string, or a list of its lines."""
    source = cell.get("source", cell.get("input", ""))
    lines = source if isinstance(source, list) else [source]
    if not all(isinstance(line, str) for line in lines):
        raise Unreadable(f"The source of cell {number} is not text, so what was written there is lost.")
    return "".join(lines)


def _tags(cell: dict[str, Any]) -> frozenset[str]:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return frozenset(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else frozenset()


def _lesson_in(document: dict[str, Any]) -> str | None:
    """The lesson that the build recorded."""
    metadata = document.get("metadata")
    mark = metadata.get(METADATA_KEY) if isinstance(metadata, dict) else None
    lesson = mark.get("lesson") if isinstance(mark, dict) else None
    return lesson if isinstance(lesson, str) else None


@contextmanager
def _as_in_a_kernel(folder: Path) -> Iterator[None]:
    """Modules beside the notebook can be imported, and `__main__` is put back afterwards."""
    main, path = sys.modules["__main__"], sys.path[:]
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.modules["__main__"], sys.path[:] = main, path

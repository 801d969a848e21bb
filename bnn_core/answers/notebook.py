"""A learner's notebook, read kindly: whatever tool wrote it and wherever its cells stand, as long as it is a notebook,
or a script that was made of one.

It treats the file's bytes as if an enemy had written them, and runs nothing of what they hold. It may not know what the
checks of an exercise are.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import Any

from bnn_core.answers.cell_code import Version
from bnn_core.answers.program import Program
from bnn_core.answers.slicing import COURSE_PACKAGE, answer_cells, imported_modules, seems_to_define
from bnn_core.lesson_files import METADATA_KEY, Course, digest_of_cells

__all__ = [
    "MAX_BYTES", "Notebook", "Unreadable", "answer_cells", "answer_of", "as_in_a_kernel", "exercises_of", "is_script",
    "lesson_of", "lessons_with_exercises", "notebook_in", "read_notebook", "setup_cells",
]  # fmt: skip

MAX_BYTES = 20_000_000
"""A notebook larger than this is not read."""

TOO_LARGE = f"The file is larger than {MAX_BYTES // 1_000_000} MB; clear the notebook's outputs and save it again."

MAX_BRACKETS = 1_000_000
"""Nor one with more lists and objects than this: they would take thirty times their size in memory."""

_OPEN_FLAGS = ("O_RDONLY", "O_BINARY", "O_CLOEXEC", "O_NOCTTY", "O_NONBLOCK")
_CONFLICT = re.compile(r"^(?:<{7}|>{7})(?: |$)", re.MULTILINE)
_CELL_OF_A_SCRIPT = re.compile(r"^# ?(?:%%|In ?\[[\d ]*\]:)(.*)$", re.MULTILINE)
_FOLD = "<details"


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

    cells: the sources of its code cells. tags: the tags of each. lesson: the lesson that the build wrote into it, if it
    is still there, and mark: the digest of what it wrote. texts: every cell's kind and source. written_for: the Python
    that its kernel had.
    """

    cells: tuple[str, ...]
    tags: tuple[frozenset[str], ...]
    lesson: str | None = None
    mark: str | None = None
    texts: tuple[tuple[str, str], ...] = ()
    written_for: Version | None = None

    def tagged(self, tag: str) -> list[str]:
        """The sources of the code cells that carry the tag."""
        return [source for source, tags in zip(self.cells, self.tags, strict=True) if tag in tags]

    @cached_property
    def digest(self) -> str:
        """Of all that a person writes in it, as the build's mark has it."""
        return digest_of_cells(self.texts)

    @cached_property
    def code(self) -> str:
        """All code cells as one text."""
        return "\n".join(self.cells)

    @property
    def is_as_built(self) -> bool:
        """Whether it holds what the build wrote, outputs aside, and nothing else."""
        return self.mark == self.digest

    def prose(self) -> Iterator[tuple[str, str]]:
        """The cells that aren't code, other than those with a fold, as the lessons have: a place in words, and the
        source.
        """
        number = 0
        for kind, source in self.texts:
            if kind == "code":
                number += 1
            elif _FOLD not in source:
                place = f"after cell {number}" if number else "at the top"
                yield f"the {'raw' if kind == 'raw' else 'Markdown'} cell {place}", source


def read_notebook(path: Path) -> Notebook:
    """The notebook in a file of one's own. Raises Unreadable, and nothing else; never waits for a device."""
    return notebook_in(_file_content(path), path.name)


def notebook_in(content: bytes, name: str = "") -> Notebook:
    """The notebook in a file of this content and name, in any format that Jupyter has had and whatever else is lost
    or added; or the script that it was exported to. Raises Unreadable, and nothing else.
    """
    if not content.strip():
        raise Unreadable("The file is empty.")
    return _script(content) if is_script(name) else _notebook(_document(content))


def is_script(name: str) -> bool:
    """Whether a file of this name holds Python and no notebook."""
    return name.lower().endswith((".py", ".py.txt"))


def answer_of(notebook: Notebook, lesson: str, beside: Sequence[str] = ()) -> Program:
    """The program that is the notebook's answer to the lesson's exercises.

    beside: the names of the files and folders that lie beside the notebook.
    """
    names = exercises_of(lesson)
    program = answer_cells(notebook.cells, names, setup_cells(lesson), notebook.written_for)
    program = _with_answers_in_prose(program, notebook, names)
    modules = {name.partition(".")[0] for name in beside}
    lost = [
        f"Cell {cell} imports {module}, which isn't there: put {module}.py beside the notebook, and hand it in."
        for cell, module in _imported_modules(program)
        if module not in modules and not _is_installed(module)
    ]
    remarks = {name: " ".join(filter(None, [program.remarks.get(name), *lost])) for name in names}
    return replace(program, remarks={name: text for name, text in remarks.items() if text})


def _with_answers_in_prose(program: Program, notebook: Notebook, names: Sequence[str]) -> Program:
    """The program, with a word on each answer that stands in a cell of text, where it is not run."""
    broken, remarks, notes = dict(program.broken), dict(program.remarks), list(program.notes)
    for place, source in notebook.prose():
        for name in names:
            if seems_to_define(source, name):
                told = f"{place} seems to define it, and text isn't run: make it a code cell (Esc, then Y)"
                notes.append(told.replace(" it,", f" {name},"))
                if name in program.defined:
                    remarks[name] = " ".join(filter(None, [remarks.get(name), told[0].upper() + told[1:] + "."]))
                else:
                    broken.setdefault(name, told)
    return replace(program, broken=broken, remarks=remarks, notes=tuple(notes))


def _imported_modules(program: Program) -> list[tuple[str, str]]:
    """The modules that the program imports, each once, with the number of the cell that does."""
    found: dict[str, str] = {}
    for label, statement in program.statements():
        for module in imported_modules(statement):
            found.setdefault(module, label.rpartition(" ")[2])
    return [(place, module) for module, place in found.items() if module != COURSE_PACKAGE]


@lru_cache(1000)
def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # so may a module be that is there
        return True


def lesson_of(notebook: Notebook, path: PurePath) -> str:
    """The lesson that a notebook belongs to: as its metadata say, else its file's name, else the nearest folder's, else
    what it defines, checks, or says that it defines.

    Raises Unreadable where it is of no lesson.
    """
    lessons = _lessons()
    if notebook.lesson in lessons:
        return notebook.lesson
    if (named := lesson_from_name(path)) is not None:
        return named
    for evidence in (_checked_definitions, _definitions, _uses, _descriptions):
        shares = {
            lesson: sum(evidence(notebook, name) for name in names) / len(names) for lesson, names in lessons.items()
        }
        # Of several the last: a later lesson's notebook may define what earlier ones built, for its own use.
        best = max(shares, key=lambda lesson: (shares[lesson], lesson))
        if shares[best]:
            return best
    raise Unreadable("It is a notebook, but of no lesson of this course: it defines no exercise.")


def lesson_from_name(path: PurePath) -> str | None:
    """The lesson that the file's name has in it, or else the nearest folder around it is named after."""
    lessons = _lessons()
    for lesson in lessons:
        if lesson in path.name.lower():
            return lesson
    return next((folder.name for folder in path.parents if folder.name in lessons), None)


def _definitions(notebook: Notebook, name: str) -> bool:
    """Whether a cell seems to define it; cells are not parsed, which may take long."""
    return seems_to_define(notebook.code, name, at_top=True)


def _checks(notebook: Notebook, name: str) -> bool:
    return re.search(rf"\bcheck\([ \t]*{name}\b", notebook.code) is not None


def _checked_definitions(notebook: Notebook, name: str) -> bool:
    return _definitions(notebook, name) and _checks(notebook, name)


def _uses(notebook: Notebook, name: str) -> bool:
    """Whether a cell checks it, or imports it from elsewhere than the course."""
    imported = re.compile(rf"^[ \t]*from[ \t]+(?!bnn_core\b)[\w.]+[ \t]+import\b.*\b{name}\b", re.M)
    return _checks(notebook, name) or imported.search(notebook.code) is not None


def _descriptions(notebook: Notebook, name: str) -> bool:
    return any(seems_to_define(source, name) for _, source in notebook.prose())


def lessons_with_exercises() -> tuple[str, ...]:
    """In order."""
    return tuple(sorted(_lessons()))


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


def _file_content(path: Path) -> bytes:
    try:
        refuse_unless_regular(os.stat(path))  # opening a device may already do something
        descriptor = os.open(path, sum(getattr(os, flag, 0) for flag in _OPEN_FLAGS))
        with open(descriptor, "rb") as file:
            refuse_unless_regular(os.fstat(descriptor))
            content = file.read(MAX_BYTES + 1) or b""
    except FileNotFoundError:
        raise Unreadable("There is no such file.") from None
    except (OSError, ValueError) as error:
        raise Unreadable(f"The file can't be read: {getattr(error, 'strerror', None) or error}.") from None
    if len(content) > MAX_BYTES:
        raise Unreadable(TOO_LARGE)
    return content


def refuse_unless_regular(status: os.stat_result) -> None:
    """Raises Unreadable where it is no ordinary file, or one that is too large."""
    if stat.S_ISDIR(status.st_mode):
        raise Unreadable("It is a folder, not a file.")
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("It is a pipe, a socket or a device, not a file.")
    if status.st_size > MAX_BYTES:
        raise Unreadable(TOO_LARGE)


def _document(content: bytes) -> dict[str, Any]:
    """The JSON object in the file. Its encoding is UTF-8, with or without a mark, or what some shells
    write, UTF-16.
    """
    if content.count(b"[") + content.count(b"{") > MAX_BRACKETS:
        raise Unreadable("The file holds more values than any notebook has.")
    try:
        text = content.decode(json.detect_encoding(content)).removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise Unreadable("The file is not text in UTF-8, so it is no notebook that Jupyter saved.") from None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError, MemoryError):
        if mark := _CONFLICT.search(text):
            line = text.count("\n", 0, mark.start()) + 1
            raise Unreadable(
                f"The file holds the marks of a merge conflict (line {line}); resolve it, save the notebook in "
                "Jupyter, and hand that in."
            ) from None
        raise Unreadable("The file holds no JSON, so it is no notebook, or only a part of one.") from None
    if not isinstance(document, dict):
        raise Unreadable("The file holds JSON, but no notebook.")
    return document


def _notebook(document: dict[str, Any]) -> Notebook:
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    mark = metadata.get(METADATA_KEY)
    mark = mark if isinstance(mark, dict) else {}
    texts: list[tuple[str, str]] = []
    tags: list[frozenset[str]] = []
    for cell in _all_cells(document):
        if not isinstance(cell, dict):
            continue
        if _is_code(cell):
            texts.append(("code", _source(cell, len(tags) + 1)))
            tags.append(_tags(cell))
        else:
            texts.append((str(cell.get("cell_type")), _text(cell) or ""))
    return Notebook(
        tuple(source for kind, source in texts if kind == "code"),
        tuple(tags),
        _text_or_none(mark.get("lesson")),
        _text_or_none(mark.get("digest")),
        tuple(texts),
        _version(metadata.get("language_info")),
    )


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _version(language: Any) -> Version | None:
    """The Python's version, in what a kernel tells of its language."""
    version = language.get("version") if isinstance(language, dict) else None
    match = re.match(r"(\d{1,3})\.(\d{1,3})", version) if isinstance(version, str) else None
    return (int(match[1]), int(match[2])) if match else None


def _script(content: bytes) -> Notebook:
    """What Jupytext or nbconvert made of a notebook, with a comment before each cell; or one cell, all of the file."""
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise Unreadable("The file is not text in UTF-8, so it is no Python.") from None
    marks = list(_CELL_OF_A_SCRIPT.finditer(text))
    texts = [("code", text[: marks[0].start() if marks else len(text)])]
    ends = [*(mark.start() for mark in marks), len(text)][1:]
    for mark, end in zip(marks, ends, strict=False):
        kind = "markdown" if re.search(r"\[(?:markdown|md|raw)\]", mark[1]) else "code"
        texts.append((kind, text[mark.end() : end]))
    texts = [(kind, source) for kind, source in texts if source.strip()]
    cells = tuple(source for kind, source in texts if kind == "code")
    return Notebook(cells, (frozenset(),) * len(cells), texts=tuple(texts))


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
    text = _text(cell)
    if text is None:
        raise Unreadable(f"The source of cell {number} is not text, so what was written there is lost.")
    return text


def _text(cell: dict[str, Any]) -> str | None:
    """The text of a cell: `source` since format 4, `input` before; a string, or a list of its lines."""
    source = cell.get("source", cell.get("input", ""))
    lines = source if isinstance(source, list) else [source]
    return "".join(lines) if all(isinstance(line, str) for line in lines) else None


def _tags(cell: dict[str, Any]) -> frozenset[str]:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return frozenset(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else frozenset()


@contextmanager
def as_in_a_kernel(folder: Path) -> Iterator[None]:
    """The notebook's folder is the current one, whose modules can be imported; afterwards all is as before."""
    main, path, here, loaded = sys.modules["__main__"], sys.path[:], os.getcwd(), set(sys.modules)
    folder = folder.resolve()
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
        sys.modules["__main__"], sys.path[:] = main, path
        for name in set(sys.modules) - loaded:
            root = name.partition(".")[0]
            if root not in loaded and ((folder / f"{root}.py").exists() or (folder / root).is_dir()):
                del sys.modules[name]  # another notebook's module of that name is another

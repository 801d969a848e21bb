"""Which notebooks and modules are the course's own, with answers in them: those are no learner's work, under whatever
name they are handed in. It reads what this copy of the course holds, and runs nothing.

A learner who copies the published solution into the learner's notebook has answered: that notebook bears the mark that
the build left in it, which isn't the solved one's, and has none of the cells in which a solved notebook proves what its
text claims.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from bnn_core.answers.cell_code import PARSER_ERRORS, NotPython, parse
from bnn_core.answers.notebook import Notebook, Unreadable, exercises_of, read_notebook
from bnn_core.answers.slicing import seems_to_define
from bnn_core.lesson_files import Course, digest_of_cells

_FOLDED = re.compile(r"<summary>\s*Solution\s*</summary>\s*```python\n(.*?)\n```", re.DOTALL)
OWN_MODULE = "this module is the course's own; write yours"
"""What importing a copy of one says."""

_STUB = "raise NotImplementedError"


def is_own_notebook(notebook: Notebook, lesson: str) -> bool:
    """Whether the build wrote this notebook with the answers in it.

    That shows in its mark, even when experiments in it were changed since; where the mark is lost, in that its code is
    the solved notebook's from beginning to end, claims and all. So does an exported script's.
    """
    if notebook.is_as_built:
        return bool(exercises_of(lesson)) and not any(_STUB in source for source in _answers(notebook, lesson).values())
    solved = _solved(lesson)
    if solved is None:
        return False
    if notebook.mark == solved.digest:
        own = _answers(solved, lesson)
        return any(_same_code(source, own[name]) for name, source in _answers(notebook, lesson).items() if name in own)
    if notebook.mark is not None:
        return False
    if _has_claims(notebook):
        return _statements(_without_claims(notebook)) == _solved_statements(lesson, _without_claims) != []
    # A script has lost the tags, and so has its claims among the rest.
    return _has_claims(solved) and _statements(notebook.cells) == _solved_statements(lesson, _all_cells) != []


def prepare(lessons: Iterable[str]) -> None:
    """Read all that is needed to tell, so that processes forked from this one needn't."""
    _own_modules()
    exercises_of("")
    for lesson in lessons:
        for cells in (_all_cells, _without_claims):
            _solved_statements(lesson, cells)


def is_own_module(content: bytes, lessons: Iterable[str]) -> bool:
    """Whether a file of this content is a module of the course's package, or a lesson's source, with an answer to one
    of these lessons in it.
    """
    if _digest(content) not in _own_modules():
        return False
    text = content.decode("utf-8", "replace")
    return any(seems_to_define(text, name, at_top=True) for lesson in lessons for name in exercises_of(lesson))


def _answers(notebook: Notebook, lesson: str) -> dict[str, str]:
    """For each exercise, the source of the last cell that defines it."""
    return {
        name: source
        for name in exercises_of(lesson)
        for source in notebook.cells
        if seems_to_define(source, name, at_top=True)
    }


@lru_cache
def _solved(lesson: str) -> Notebook | None:
    """The lesson's solved notebook; where the course was handed out without, made from the learner's, which has the
    solutions folded in.
    """
    course = Course()
    try:
        if course.solved_notebook(lesson).exists():
            return read_notebook(course.solved_notebook(lesson))
        return _unfolded(read_notebook(course.learner_notebook(lesson)), lesson)
    except Unreadable:
        return None


def _has_claims(notebook: Notebook) -> bool:
    return any("claim" in tags for tags in notebook.tags)


def _all_cells(notebook: Notebook) -> tuple[str, ...]:
    return notebook.cells


def _without_claims(notebook: Notebook) -> tuple[str, ...]:
    """What both of a lesson's notebooks have: the learner's alone has a cell for Colab."""
    own = {"claim", "colab"}
    return tuple(source for source, tags in zip(notebook.cells, notebook.tags, strict=True) if own.isdisjoint(tags))


@lru_cache
def _solved_statements(lesson: str, cells: Callable[[Notebook], tuple[str, ...]]) -> list[str]:
    solved = _solved(lesson)
    return _statements(cells(solved)) if solved else []


def _unfolded(notebook: Notebook, lesson: str) -> Notebook:
    folded = [match[1] for kind, source in notebook.texts if kind == "markdown" for match in _FOLDED.finditer(source)]
    answers = {name: text for name in exercises_of(lesson) for text in folded if seems_to_define(text, name, True)}

    def solved(source: str) -> str:
        return next((text for name, text in answers.items() if seems_to_define(source, name, True)), source)

    texts = tuple((kind, solved(source) if kind == "code" else source) for kind, source in notebook.texts)
    cells = tuple(source for kind, source in texts if kind == "code")
    return replace(notebook, cells=cells, texts=texts, mark=digest_of_cells(texts))


def _statements(cells: tuple[str, ...]) -> list[str]:
    """The code, whatever its comments and its spaces, and however it is shared out among cells; empty where it can't be
    told.
    """
    return _dumped("\n\n".join(cells))


def _same_code(first: str, second: str) -> bool:
    return _dumped(first) == _dumped(second) != []


def _dumped(text: str) -> list[str]:
    try:
        return [ast.dump(node) for node in parse(text)[1].body]
    except (NotPython, *PARSER_ERRORS):
        return []


@lru_cache
def _own_modules() -> frozenset[str]:
    course = Course()
    package = Path(__file__).parents[1]
    files = [path for path in (*package.rglob("*.py"), *course.solutions.glob("*.py")) if path.stat().st_size]
    return frozenset(_digest(path.read_bytes()) for path in files)


def _digest(content: bytes) -> str:
    return hashlib.sha256(b"\n".join(line.rstrip() for line in content.strip().splitlines())).hexdigest()

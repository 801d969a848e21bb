"""Reading a notebook that may have been made to do harm: in a process of its own, with little time and memory, so
that whatever the file does to its reader, the grader goes on. It may not run anything of the notebook.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnn_core.answers.notebook import (
    Unreadable,
    answer_cells,
    exercises_of,
    lesson_of,
    read_notebook,
    setup_cells,
)
from bnn_core.answers.program import Program

READING_TIME = 10.0
READING_MEMORY = 1 << 30
MAX_RESULT = 1 << 25


@dataclass(frozen=True)
class Answer:
    """What a notebook answers: the program, and its lines to read, for each cell its label and (number, text) of its
    lines.
    """

    program: Program
    code: list[tuple[str, list[tuple[int, str]]]]


def read_answer(path: Path, inside: Path, lesson: str) -> Answer:
    """The notebook's answer to the lesson's exercises. Raises Unreadable."""

    def read() -> dict[str, Any]:
        notebook = read_notebook(path, inside)
        program = answer_cells(notebook.cells, exercises_of(lesson), setup_cells(lesson))
        return {"program": program.to_json(), "code": [*_lines(program), *_broken_cells(program, notebook.cells)]}

    result = _in_child(read)
    return Answer(Program.from_json(result["program"]), result["code"])


def identify(path: Path, inside: Path) -> str | None:
    """The lesson that the notebook belongs to by its content; None where it can't be told."""
    try:
        result = _in_child(lambda: {"lesson": lesson_of(read_notebook(path, inside), path)})
    except Unreadable:
        return None
    lesson: str = result["lesson"]
    return lesson


def _lines(program: Program) -> list[tuple[str, list[tuple[int, str]]]]:
    """The lines that run, by cell."""
    numbers: dict[str, set[int]] = {}
    for label, node in program.statements():
        first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", []))])
        numbers.setdefault(label, set()).update(range(first, (node.end_lineno or node.lineno) + 1))
    sources = {label: source.split("\n") for label, source in program.sources.items()}
    return [(label, [(n, sources[label][n - 1]) for n in sorted(shown)]) for label, shown in numbers.items()]


def _broken_cells(program: Program, cells: Sequence[str]) -> list[tuple[str, list[tuple[int, str]]]]:
    """All lines of the cells that seem to hold an exercise and can't be run."""
    labels = {f"cell {number}": source for number, source in enumerate(cells, start=1)}
    broken = {" ".join(reason.split()[:2]) for name, reason in program.broken.items() if name not in program.defined}
    shown = [(label, source) for label, source in labels.items() if label in broken]
    return [(f"{label}, which can't be run", list(enumerate(source.split("\n"), start=1))) for label, source in shown]


def _in_child(function: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the function returns when it is called in a child process. Raises Unreadable."""
    reading_end, writing_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading_end)
        _work_and_exit(function, writing_end)
    os.close(writing_end)
    try:
        text = _read_all(reading_end, time.monotonic() + READING_TIME)
    finally:
        os.close(reading_end)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    try:
        result: dict[str, Any] = json.loads(text)
    except ValueError:
        raise Unreadable("Reading the file crashed its reader, so it is no notebook that Jupyter saved.") from None
    if "unreadable" in result:
        raise Unreadable(result["unreadable"])
    return result


def _work_and_exit(function: Callable[[], dict[str, Any]], writing_end: int) -> None:
    try:
        present = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (present + READING_MEMORY, present + READING_MEMORY))
    except (OSError, ValueError):
        pass  # no such limit here; time is limited all the same
    try:
        result = function()
    except Unreadable as error:
        result = {"unreadable": error.reason}
    except MemoryError:
        result = {"unreadable": "Reading the file takes more memory than any notebook needs."}
    except BaseException as error:
        result = {"unreadable": f"The file can't be read as a notebook ({type(error).__name__})."}
    try:
        left = memoryview(json.dumps(result).encode())
        while left:
            left = left[os.write(writing_end, left) :]
    finally:
        os._exit(0)


def _read_all(descriptor: int, deadline: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise Unreadable(f"Reading the file takes more than {READING_TIME:g} s.")
        part = os.read(descriptor, 1 << 20)
        if not part:
            return b"".join(parts)
        size += len(part)
        if size > MAX_RESULT:
            raise Unreadable("The notebook holds more code than can be graded.")
        parts.append(part)

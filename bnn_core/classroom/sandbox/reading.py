"""Reading files that may have been made to do harm: in processes of their own, with little time and memory, several
side by side, so that whatever a file does to its reader, the grader goes on. It may not run anything of a notebook.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bnn_core.answers.course_own import OWN_MODULE, is_own_module
from bnn_core.answers.notebook import MAX_BYTES, TOO_LARGE, Unreadable, answer_of, is_script, notebook_in
from bnn_core.answers.program import Program
from bnn_core.classroom.handed_in import Refused, TooLarge, Tree

READING_TIME = 10.0
"""Seconds of computing that reading a submission may take; it may wait for its files a few times as long."""

WAITING = 4
READING_MEMORY = 1 << 30
MAX_RESULT = 1 << 26

MOST_FILES = 100
MOST_FILE_BYTES = 16_000_000
"""How many files beside the notebook its code finds there, and how much they hold together."""

Say = Callable[[dict[str, Any]], None]
"""Tells the reader's parent something, in what JSON has."""


@dataclass(frozen=True)
class Answer:
    """What a notebook answers: the program; its lines to read, for each cell its label and (number, text) of its lines;
    and what was handed in beside the notebook, by its path from there.
    """

    program: Program
    code: list[tuple[str, list[tuple[int, str]]]]
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Said:
    """What a reader told before it ended. trouble: a sentence on how it ended, where that wasn't as it should;
    took_too_long: whether that was it.
    """

    lines: list[dict[str, Any]]
    trouble: str = ""
    took_too_long: bool = False


def read_answer(path: Path, inside: Path, lesson: str, files: Mapping[str, Path] | None = None) -> Answer:
    """The notebook's answer to the lesson's exercises. Raises Unreadable.

    inside: the folder or the zip of submissions, in which the notebook lies: no link below it is followed. files: what
    else of the submission its code may import and read, by the path from the notebook's folder.
    """

    def read(say: Say) -> None:
        tree = Tree(inside)
        notebook = notebook_in(content_of(tree, path, inside), path.name)
        beside = {name.partition("/")[0] for name in files or {}}
        program = answer_of(notebook, lesson, sorted(beside))
        say(
            {
                "program": program.to_json(),
                "code": [*_lines(program), *_broken_cells(program, notebook.cells)],
                "files": contents_beside(tree, inside, files or {}, lesson),
            }
        )

    (said,) = in_children([read], 1)
    if said.trouble:
        raise Unreadable(said.trouble)
    (result,) = said.lines
    contents = {name: base64.b64decode(text) for name, text in result["files"].items()}
    return Answer(Program.from_json(result["program"]), result["code"], contents)


def content_of(tree: Tree, notebook: Path, inside: Path) -> bytes:
    """The notebook's file, of which the tree of `inside` is read. Raises Unreadable."""
    try:
        return tree.read(notebook.relative_to(inside).parts, MAX_BYTES)
    except TooLarge:
        raise Unreadable(TOO_LARGE) from None
    except Refused as refused:
        raise Unreadable(refused.reason) from None


def contents_beside(tree: Tree, inside: Path, files: Mapping[str, Path], lesson: str) -> dict[str, str]:
    """What lies beside a notebook of this lesson, in base64, by its path from there."""
    contents = {}
    for name, path in files.items():
        try:
            content = tree.read(path.relative_to(inside).parts, MOST_FILE_BYTES)
        except Refused:
            continue  # it was there a moment ago
        if is_script(name) and is_own_module(content, [lesson]):
            content = f"raise ImportError({OWN_MODULE!r})\n".encode()
        contents[name] = base64.b64encode(content).decode()
    return contents


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


def in_children(functions: Sequence[Callable[[Say], None]], at_once: int) -> list[Said]:
    """What each function tells when it is called in a child process, so many at once; in the functions' order."""
    said = [Said([]) for _ in functions]
    waiting = list(range(len(functions)))[::-1]
    readers: dict[int, _Reader] = {}
    poller = select.poll()
    try:
        while waiting or readers:
            while waiting and len(readers) < max(1, at_once):
                number = waiting.pop()
                reader = _Reader(functions[number], said[number])
                readers[reader.descriptor] = reader
                poller.register(reader.descriptor, select.POLLIN)
            nearest = min(reader.deadline for reader in readers.values())
            ready = {descriptor for descriptor, _ in poller.poll(max(0.0, nearest - time.monotonic()) * 1000 + 1)}
            for descriptor, reader in list(readers.items()):
                if reader.goes_on(descriptor in ready):
                    continue
                poller.unregister(descriptor)
                del readers[descriptor]
                reader.close()
    finally:
        for reader in readers.values():
            reader.close()
    return said


class _Reader:
    """A child process that calls one function, and what it has told so far."""

    def __init__(self, function: Callable[[Say], None], said: Said) -> None:
        self.said = said
        self.deadline = time.monotonic() + WAITING * READING_TIME
        self._size = 0
        self._pieces: list[bytes] = []
        self.descriptor, writing_end = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            _work_and_exit(function, writing_end)
        os.close(writing_end)

    def goes_on(self, has_told: bool) -> bool:
        """Takes in what it tells; False when it has ended, or must be."""
        if not has_told:
            if time.monotonic() < self.deadline:
                return True
            self._too_long(WAITING * READING_TIME)
            return False
        part = os.read(self.descriptor, 1 << 20)
        self._size += len(part)
        self._pieces.append(part)
        if b"\n" in part:
            *lines, rest = b"".join(self._pieces).split(b"\n")
            self._pieces = [rest]
            self.said.lines += [json.loads(line) for line in lines]
        if self._size > MAX_RESULT:
            self.said.trouble = "The notebook holds more code than can be graded."
            return False
        if part:
            return True
        if self.said.lines and "end" in self.said.lines[-1]:
            self.said.trouble = self.said.lines.pop()["end"]
        else:
            self.said.trouble = "Reading the file crashed its reader, so it is no notebook that Jupyter saved."
        return False

    def close(self) -> None:
        os.close(self.descriptor)
        try:
            os.kill(self._process, signal.SIGKILL)
        finally:
            _, status = os.waitpid(self._process, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
            self._too_long(READING_TIME)

    def _too_long(self, seconds: float) -> None:
        self.said.trouble, self.said.took_too_long = f"Reading takes more than {seconds:g} s.", True


def _work_and_exit(function: Callable[[Say], None], writing_end: int) -> None:
    def say(line: dict[str, Any]) -> None:
        left = memoryview(json.dumps(line).encode() + b"\n")
        while left:
            left = left[os.write(writing_end, left) :]

    gc.freeze()  # else what it has from its parent is looked at to be collected, and copied for that
    _limit_oneself()
    trouble = ""
    try:
        function(say)
    except (Unreadable, Refused) as error:
        trouble = error.reason
    except MemoryError:
        trouble = "Reading the file takes more memory than any notebook needs."
    except BaseException as error:
        trouble = f"The file can't be read as a notebook ({type(error).__name__})."
    try:
        say({"end": trouble})
    finally:
        os._exit(0)


def _limit_oneself() -> None:
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    with contextlib.suppress(OSError, ValueError):  # where there is no such limit, the clock limits it all the same
        seconds = max(1, int(READING_TIME))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        present = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (present + READING_MEMORY, present + READING_MEMORY))

"""A notebook's checks with a limit on their time. They run in a process of their own, which ends itself when the time
is up, whatever the code in it does, and says where it was. What is checked, and how, is `notebook_checks`' business.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from bnn_core.lesson_files import LessonFileError

if TYPE_CHECKING:
    from bnn_core.autograder.report import Report, Status
    from bnn_core.course.notebook_report import NotebookReport

SECONDS = 30.0
"""What the checks of one exercise may take, and before them the cells that they need."""

SLACK = 60.0
"""Seconds that a process gets to start, and beyond its limit to end itself, before it is killed."""

DYING = 5.0
"""Seconds in which a process that has hung up is gone."""

GLANCE = 0.2
"""Seconds between looks at whether the process still runs."""

_FRAME = re.compile(r'^  File "(cell \d+)", line (\d+) in (.+)$', re.MULTILINE)


@dataclass(frozen=True)
class Stopped:
    """An exercise's checks, or the cells before them, came to no end; the sentence says why."""

    sentence: str


class Checker:
    """The process that runs checks, started when it is needed, and again where the code ended it."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._context = multiprocessing.get_context("spawn")
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None
        descriptor, name = tempfile.mkstemp(prefix="bnn-where-")
        os.close(descriptor)
        self._where = Path(name)

    def check(self, path: Path, lesson: str | None = None) -> NotebookReport:
        """What `check_notebook` gives; an exercise that took too long, or ended Python, has a report that says so.

        Raises LessonFileError where the file is no notebook of the course.
        """
        stopped: dict[str, Report] = {}
        while True:
            connection = self._running()
            exercise = None
            status: Status = "error"
            try:
                connection.send((path, lesson, tuple(stopped)))
                while isinstance(message := self._next(connection), str):
                    exercise = message
            except (EOFError, OSError):
                message, status = self._last_words(exercise)
            if isinstance(message, LessonFileError):
                raise message
            if not isinstance(message, Stopped):
                return _with_stopped(message, stopped) if stopped else message
            found = _reports(path, lesson, exercise, message.sentence, status)
            if exercise is None:
                return found
            stopped[exercise] = found.reports[0]

    def end(self) -> None:
        """End the process and whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            _kill_group(self._process.pid)
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    def close(self) -> None:
        self.end()
        self._where.unlink(missing_ok=True)

    def _running(self) -> Connection:
        if self._connection is None:
            connection, far_end = self._context.Pipe()
            process = self._context.Process(target=_serve, args=(far_end, self.seconds, self._where))
            with _nothing_of_main():
                process.start()
            far_end.close()
            self._process, self._connection = process, connection
        return self._connection

    def _next(self, connection: Connection) -> Any:
        assert self._process is not None
        deadline = time.monotonic() + self.seconds + SLACK
        while not connection.poll(GLANCE):
            # What the code has started may hold the connection open when the process itself is gone.
            if time.monotonic() > deadline or not (self._process.is_alive() or connection.poll()):
                raise EOFError
        return connection.recv()

    def _last_words(self, exercise: str | None) -> tuple[Stopped, Status]:
        """What became of the process, and whether its time was up."""
        assert self._process is not None
        self._process.join(DYING)
        code = self._process.exitcode
        self.end()
        where = self._where.read_text(encoding="utf-8", errors="replace")
        if where or code is None:
            frames = _FRAME.findall(where)
            function = frames[-1][2] if frames and exercise else None
            what = "Running your cells" if exercise is None else f"Your {function or exercise}"
            place = f", in {frames[0][0]}, line {frames[0][1]}" if frames else ""
            return Stopped(f"{what} took more than {self.seconds:g} s and was stopped{place}."), "timeout"
        if code < 0:
            return Stopped(f"Your code crashed Python itself (signal {-code})."), "error"
        return Stopped(f"Your code ended Python (exit status {code})."), "error"


_checkers: dict[float, Checker] = {}


def check_within(seconds: float, path: Path, lesson: str | None = None) -> NotebookReport:
    """`Checker.check`, in a process that this one's next notebooks share and that ends with it."""
    if seconds not in _checkers:
        _checkers[seconds] = Checker(seconds)
        atexit.register(_checkers[seconds].close)
    return _checkers[seconds].check(path, lesson)


def _kill_group(leader: int | None) -> None:
    """End what the process has started, unless that has left its group."""
    if leader is not None and hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            os.killpg(leader, signal.SIGKILL)


@contextlib.contextmanager
def _nothing_of_main() -> Iterator[None]:
    """A process that starts meanwhile does not run this one's script again."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(connection: Connection, seconds: float, where: Path) -> None:
    """The process's life: check what it is told to, until there is nobody left to tell it anything."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other process's affair
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # so that what it starts can be ended together with it

    from bnn_core.course.notebook_checks import check_notebook

    with where.open("w", encoding="utf-8") as file, contextlib.suppress(EOFError):
        while True:
            path, lesson, skipped = connection.recv()

            def begin(exercise: str) -> None:
                # Its thread waits in C, so that it ends a loop in C too, and one that lets no other thread run.
                faulthandler.dump_traceback_later(seconds, file=file, exit=True)
                connection.send(exercise)

            faulthandler.dump_traceback_later(seconds, file=file, exit=True)
            answer: NotebookReport | LessonFileError | Stopped
            try:
                answer = check_notebook(path, lesson, skipped, begin)
            except LessonFileError as error:
                answer = error
            except BaseException as error:  # such as KeyboardInterrupt, which here only the code itself can raise
                answer = Stopped(f"Your code raised {type(error).__name__}.")
            faulthandler.cancel_dump_traceback_later()
            connection.send(answer)


def _reports(path: Path, lesson: str | None, exercise: str | None, sentence: str, status: Status) -> NotebookReport:
    """The same report for the exercise, or for all of the notebook where none had been begun."""
    from bnn_core.answers.notebook import exercises_of
    from bnn_core.autograder.exercises import EXERCISES
    from bnn_core.autograder.report import Report
    from bnn_core.course.notebook_checks import lesson_in
    from bnn_core.course.notebook_report import NotebookReport

    lesson = lesson or lesson_in(path)
    names = exercises_of(lesson) if exercise is None else (exercise,)
    reports = [Report(name, status, f"{name}: {sentence}", points=EXERCISES[name].points) for name in names]
    return NotebookReport(lesson, tuple(reports), ())


def _with_stopped(report: NotebookReport, stopped: dict[str, Report]) -> NotebookReport:
    from bnn_core.answers.notebook import exercises_of
    from bnn_core.course.notebook_report import NotebookReport

    found = {one.exercise: one for one in report.reports} | stopped
    return NotebookReport(report.lesson, tuple(found[name] for name in exercises_of(report.lesson)), report.notes)

"""The checks of a notebook file, run in this process: for a learner's own work, whose code is trusted, from
the terminal and from pytest. Grading, which trusts nobody, goes another way.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

from bnn_core.answers.course_own import OWN_MODULE, is_own_module
from bnn_core.answers.notebook import Unreadable, answer_of, as_in_a_kernel, exercises_of, lesson_of, read_notebook
from bnn_core.answers.program import Program, describe, run_program
from bnn_core.answers.slicing import COURSE_PACKAGE
from bnn_core.autograder.exercise import Exercise, not_attempted
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.in_notebook import CountingSink, report_on, undisturbed
from bnn_core.autograder.report import Report
from bnn_core.classroom.sandbox.staging import importable_files
from bnn_core.course.notebook_report import NotebookReport
from bnn_core.lesson_files import Course, LessonFileError


def lesson_in(path: Path) -> str:
    """The lesson that the notebook belongs to. Raises LessonFileError if it is none of the course."""
    try:
        return lesson_of(read_notebook(path), path)
    except Unreadable as error:
        raise _for_a_person(path, error) from None


def check_notebook(
    path: Path, lesson: str | None = None, skip: Collection[str] = (), begin: Callable[[str], None] = lambda _: None
) -> NotebookReport:
    """Runs the checks of every exercise of the notebook's lesson; what its code prints is not shown.

    skip: exercises to leave out. begin: told the name of each before its checks run. Raises LessonFileError where the
    file is no notebook of the course.
    """
    try:
        notebook = read_notebook(path)
        lesson = lesson or lesson_of(notebook, path)
    except Unreadable as error:
        raise _for_a_person(path, error) from None
    program = answer_of(notebook, lesson, [entry.name for entry in path.resolve().parent.iterdir()])
    sink = CountingSink()
    with undisturbed(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink), as_in_a_kernel(path.parent):
        with _course_as_graded(lesson, path.resolve().parent):
            namespace, raised = run_program(program)
        errors = [describe(label, error) for label, error in raised]
        reports = []
        for name in exercises_of(lesson):
            if name not in skip:
                begin(name)
                reports.append(_report(name, program, namespace, errors))
    return NotebookReport(lesson, tuple(reports), program.notes)


@contextlib.contextmanager
def _course_as_graded(lesson: str, folder: Path) -> Iterator[None]:
    """What is imported from the course meanwhile is what grading offers to an answer to this lesson, and no more.

    folder: the notebook's.
    """
    own = {name: sys.modules.pop(name) for name in [*sys.modules] if _is_of_course(name)}
    finder = _StagedModules(lesson, folder)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if _is_of_course(name)]:
            del sys.modules[name]
        sys.modules.update(own)


class _StagedModules(MetaPathFinder, Loader):
    """Finds the modules of the course in these texts, and refuses copies of them in the notebook's folder."""

    def __init__(self, lesson: str, folder: Path) -> None:
        self._lesson = lesson
        self._files = importable_files(lesson)
        self._folder = folder

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        copy = self._folder / f"{name}.py"
        if copy.is_file() and is_own_module(copy.read_bytes(), [self._lesson]):
            raise ImportError(OWN_MODULE)
        if not _is_of_course(name) or self._file(name) not in self._files:
            return None
        return spec_from_loader(name, self, is_package=self._file(name).endswith("/__init__.py"))

    def exec_module(self, module: ModuleType) -> None:
        file = self._file(module.__name__)
        exec(compile(self._files[file], str(Course.root / file), "exec"), module.__dict__)

    def _file(self, name: str) -> str:
        file = name.replace(".", "/")
        return f"{file}/__init__.py" if f"{file}/__init__.py" in self._files else f"{file}.py"


def _is_of_course(module: str) -> bool:
    return module.partition(".")[0] == COURSE_PACKAGE


def _report(name: str, program: Program, namespace: Mapping[str, Any], errors: Sequence[str]) -> Report:
    exercise = EXERCISES[name]
    if nothing := program.cannot_run(name):
        return _without_checks(exercise, *nothing)
    if name not in namespace:
        return _without_checks(exercise, *program.undefined(name, errors))
    report = report_on(namespace[name], name)
    if report.passed or name not in program.remarks:
        return report
    return replace(report, message=f"{report.message.removesuffix('.')}. {program.remarks[name]}")


def _without_checks(exercise: Exercise, status: str, why: str) -> Report:
    if status == "not_attempted":
        return not_attempted(exercise, why)
    return Report(exercise.name, "error", f"{exercise.name}: {why}.", points=exercise.points)


def _for_a_person(path: Path, error: Unreadable) -> LessonFileError:
    reason = error.reason[:1].lower() + error.reason[1:].rstrip(".")
    return LessonFileError(f"{path}: {reason}; give a notebook of the course, or a lesson's name")

"""On what a result depends beside its submission: the course's version, a lesson's, and that of Python with all that is
installed, each in short. It may not know what is done with it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from bnn_core.autograder.exercises import EXERCISES
from bnn_core.lesson_files import Course

PACKAGE = Path(__file__).parents[1]
_SEPARATORS = re.compile("[-_.]+")


def key_of(*parts: object) -> str:
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()


@lru_cache
def course_version(package: Path) -> str:
    """Changes when the checks or anything else of the course's code does. How pages look is no part of it. A process
    keeps to the code that it began with, whatever becomes of the files.
    """
    paths = sorted(package.rglob("*.py"))
    return _digest((path.relative_to(package).as_posix(), path.read_bytes()) for path in paths)


def version_shown(code: str) -> str:
    """The course's version and what tells its code from any other of that version, for people. code: as course_version
    gives it.
    """
    try:
        installed = version("bnn-course")
    except PackageNotFoundError:
        installed = "without a number"
    return f"{installed} (code {code[:8]})"


def lesson_version(course: Course, lesson: str) -> str:
    """Changes when the lesson does: a submission that lost its set-up cells is graded with the lesson's."""
    paths = (course.source(lesson), course.solved_notebook(lesson), course.learner_notebook(lesson))
    present = [path for path in paths if path.is_file()]
    return _digest((path.suffix, path.read_bytes()) for path in present[:2])


@lru_cache
def environment_version() -> str:
    """Changes when Python or an installed package does, and is the same on every machine that has the same."""
    installed = {(_SEPARATORS.sub("-", str(item.name)).lower(), str(item.version)) for item in distributions()}
    return key_of(platform.python_implementation(), platform.python_version(), sorted(installed))


def machine(course: Course) -> dict[str, str]:
    """What a result depends on that may differ between machines: by what it is, in short."""
    lessons = sorted({exercise.lesson for exercise in EXERCISES.values()})
    code = key_of(course_version(PACKAGE), *(lesson_version(course, lesson) for lesson in lessons))
    return {"course code": code, "Python or set of packages": environment_version()}


def _digest(contents: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, content in contents:
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()

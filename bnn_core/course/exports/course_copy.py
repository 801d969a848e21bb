"""The course's own files, to be put into what is exported: as learners get it, or as a grader needs it. It gives
contents by path and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from bnn_core.lesson_files import Course, LessonFileError

AT_THE_TOP = ("LICENSE", "README.md", "pyproject.toml", "requirements.txt")
PACKAGE = "bnn_core"
IGNORED = ".gitignore"

PYTHON = "3.11"
"""What is asked for where a machine offers several."""

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""Where the torch is that needs no GPU: the other one brings gigabytes of libraries."""


def course_files(course: Course, lessons: Sequence[str], solved: bool = False) -> dict[str, bytes]:
    """The course with these lessons alone: what it takes to install, read and check them.

    solved: with their sources and solved notebooks, by which a grader knows the course's own. Raises LessonFileError
    where the folder of the course isn't whole.
    """
    paths = [*(course.root / name for name in AT_THE_TOP), *_package(course.root / PACKAGE)]
    paths += [path for path in (course.root / IGNORED, *_pictures(course)) if path.is_file()]
    paths += [course.learner_notebook(lesson) for lesson in lessons]
    if solved:
        paths += [path for lesson in lessons for path in (course.source(lesson), course.solved_notebook(lesson))]
    require_there(paths)
    return {path.relative_to(course.root).as_posix(): path.read_bytes() for path in paths}


def require_there(paths: Iterable[Path]) -> None:
    """Raises LessonFileError where a file of the course is missing."""
    for path in paths:
        if not path.is_file():
            raise LessonFileError(f"{path} isn't there; give the folder of the whole course with --course")


def requirements(course: Course) -> str:
    """What the course needs to run, pinned, without the course itself."""
    text = (course.root / "requirements.txt").read_text(encoding="utf-8")
    return "".join(line for line in text.splitlines(keepends=True) if "==" in line)


def write_new(folder: Path, files: Mapping[str, bytes | str]) -> None:
    """Writes files into a folder that is not there yet or is empty. Raises LessonFileError where it isn't."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise LessonFileError(f"{folder} has something in it, which is never written over; give a new folder")
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def _package(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _pictures(course: Course) -> list[Path]:
    """Those that the README shows."""
    return sorted((course.solutions / "images").glob("*.png"))

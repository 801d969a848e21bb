"""Which notebooks lie in a folder of submissions, whose they are, and of which lesson. It looks at names and kinds of
files; of a file whose name says nothing it asks what is in it. It may not run anything.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bnn_core.answers.notebook import MAX_BYTES

DEPTH = 3
MOST_NOTEBOOKS = 200
NBGRADER_FOLDER = "submitted"
SUFFIX = ".ipynb"

NO_NOTEBOOK = "No notebook was handed in."


@dataclass(frozen=True)
class Submission:
    """What a student handed in for a lesson.

    path: the notebook; None where there is none. home: the student's folder, which it must really lie in. set_aside:
    other notebooks for the lesson, which are not graded.
    """

    student: str
    lesson: str
    path: Path | None
    home: Path
    set_aside: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        if not self.set_aside or self.path is None:
            return []
        others = ", ".join(self.set_aside)
        return [f"Several notebooks were handed in for this lesson. {self.path.name} was graded, and not {others}."]


def find_submissions(
    folder: Path, lessons: Sequence[str], only: str | None, identify: Callable[[Path, Path], str | None]
) -> list[Submission]:
    """All submissions in the folder, sorted by student and lesson.

    only: the lesson to grade; then a student without a notebook has a submission without a path. identify: tells the
    lesson of a notebook in a student's folder from its content, None where that can't be told.
    """
    found: list[Submission] = []
    unknown: list[tuple[str, Path, Path]] = []
    students = student_folders(folder)
    for student, home in students:
        notebooks: defaultdict[str, list[Path]] = defaultdict(list)
        for path in notebooks_in(home):
            lesson = lesson_from_name(path.relative_to(home), lessons) or identify(path, home)
            if lesson is None:
                unknown.append((student, path, home))
            else:
                notebooks[lesson].append(path)
        found += [_chosen(student, lesson, paths, home) for lesson, paths in notebooks.items()]
    known = {submission.lesson for submission in found}
    guess = only or (known.pop() if len(known) == 1 else None)
    taken = {(submission.student, submission.lesson) for submission in found}
    for student, path, home in unknown:
        lesson = guess if guess and (student, guess) not in taken else path.stem
        taken.add((student, lesson))
        found.append(Submission(student, lesson, path, home))
    if only is not None:
        found = [submission for submission in found if submission.lesson == only]
        present = {submission.student for submission in found}
        found += [Submission(student, only, None, home) for student, home in students if student not in present]
    return sorted(found, key=lambda submission: (submission.student, submission.lesson, str(submission.path)))


def student_folders(folder: Path) -> list[tuple[str, Path]]:
    """Each student's name and folder; nbgrader keeps them in a folder of their own."""
    if (folder / NBGRADER_FOLDER).is_dir():
        folder = folder / NBGRADER_FOLDER
    return [(printable(entry.name), Path(entry.path)) for entry in _entries(folder) if _is_folder_or_link(entry)]


def stray_files(folder: Path) -> list[str]:
    """Notebooks that lie beside the students' folders, so that nobody knows whose they are."""
    return [entry.name for entry in _entries(folder) if entry.name.endswith(SUFFIX) and not _is_folder_or_link(entry)]


def notebooks_in(home: Path, depth: int = DEPTH) -> list[Path]:
    """Everything that is named like a notebook, whatever it is; links to folders are not followed."""
    found: list[Path] = []
    for entry in _entries(home):
        if entry.name.lower().endswith(SUFFIX):
            found.append(Path(entry.path))
        elif depth > 1 and entry.is_dir(follow_symlinks=False):
            found += notebooks_in(Path(entry.path), depth - 1)
    return found[:MOST_NOTEBOOKS]


def lesson_from_name(path: Path, lessons: Sequence[str]) -> str | None:
    """The lesson that the file is named after, or else the nearest folder around it."""
    for name in (path.name.removesuffix(SUFFIX), *(parent.name for parent in path.parents)):
        if name in lessons:
            return name
    return None


def digest_of(path: Path | None) -> str:
    """Changes when the submission does."""
    if path is None:
        return ""
    try:
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_BYTES:
            return hashlib.sha256(path.read_bytes()).hexdigest()
        return f"{status.st_mode}-{status.st_size}-{status.st_mtime_ns}"
    except OSError as error:
        return str(error.errno)


def printable(name: str) -> str:
    """A file's name as text that can be written anywhere: bytes that are no text are replaced."""
    return os.fsencode(name).decode("utf-8", "replace")


def _chosen(student: str, lesson: str, paths: list[Path], home: Path) -> Submission:
    """The one that is named as the lesson is, else the newest."""
    best = max(paths, key=lambda path: (path.stem == lesson, _modified(path), path.name))
    others = sorted(printable(path.name) for path in paths if path != best)
    return replace(Submission(student, lesson, best, home), set_aside=tuple(others))


def _modified(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What lies in the folder, in order, without what editors and systems leave there."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    yield from (entry for entry in found if not entry.name.startswith((".", "__")))


def _is_folder_or_link(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and not entry.name.endswith(SUFFIX))

"""Marks into nbgrader's database, through nbgrader's own interface, so that its formgrader and its exports show what
`grade` found. nbgrader need not be installed for anything else. It may not know how a mark came about.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnn_core.classroom.attention import is_nothing
from bnn_core.classroom.grading import Row
from bnn_core.classroom.policy import PLAIN, HandedIn, Policy, moment_of
from bnn_core.classroom.refusals import Unusable
from bnn_core.classroom.results import number
from bnn_core.classroom.standing import Standing
from bnn_core.classroom.text import as_name
from bnn_core.lesson_files import snake_case

if TYPE_CHECKING:
    from nbgrader.api import Gradebook

NBGRADER = "nbgrader==0.9.6"
_SQLITE = b"SQLite format 3\0"


class NoGradebook(Unusable):
    """There is no database of nbgrader's that could be written to."""


@dataclass
class Written:
    """What came of it. added: students who weren't there. left: marks that a person gave in nbgrader, and which stand,
    with those of `grade`. worth: exercises whose points were others than in nbgrader's notebooks.
    """

    count: int = 0
    added: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    worth: list[str] = field(default_factory=list)


@contextmanager
def opened(path: Path) -> Iterator[Gradebook]:
    """nbgrader's database. Raises NoGradebook, also for what goes wrong while it is open."""
    searched = list(sys.path)
    try:
        from nbgrader.api import Gradebook, StatementError
    except ImportError:
        raise NoGradebook(
            f"nbgrader isn't installed, which writes {path}; .venv/bin/python -m pip install {NBGRADER}"
        ) from None
    finally:
        sys.path[:] = searched  # what it imports adds folders of its own, which are none of a submission's libraries
    if not _is_database(path):
        raise NoGradebook(f"{path} is no database of nbgrader's; `nbgrader generate_assignment` makes it")
    try:
        with warnings.catch_warnings(), Gradebook(f"sqlite:///{path.resolve()}") as gradebook:
            warnings.filterwarnings("ignore", "Object of type .* not in session")  # nbgrader adds submissions so
            yield gradebook
    except (StatementError, ValueError) as error:
        why = str(getattr(error, "orig", error)).partition("\n")[0]
        raise NoGradebook(
            f"{path} can't be written to: {why}; close nbgrader, or try `nbgrader db upgrade`, and grade again"
        ) from None


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def look_at(path: Path) -> None:
    """Raises NoGradebook where the marks could not be written, before anything is graded."""
    with opened(path) as gradebook:
        len(gradebook.students)


def write(path: Path, standings: Sequence[Standing], policy: Policy = PLAIN) -> Written:
    """Everyone's points as nbgrader's automatic ones. Who handed in nothing, and has no mark by hand, gets none, and a
    point that a person gave in nbgrader stays. Raises NoGradebook.
    """
    written = Written()
    with opened(path) as gradebook:
        known = {student.id for student in gradebook.students}
        for one in standings:
            rows = [row for row in one.rows if row["exercise"]]
            if rows and (one.by_hand or not is_nothing(one)):
                student = _id(one, known)
                if student not in known:
                    written.added.append(student)
                    known.add(student)
                _enter(gradebook, student, one, rows, policy, written)
    written.worth = list(dict.fromkeys(written.worth))
    return written


def _id(one: Standing, known: set[str]) -> str:
    """What nbgrader calls the student: as it does already, or else as the folder or the school's system does."""
    there = sorted(known & one.called)
    if len(there) == 1:
        return there[0]
    if one.person is not None and (one.origin.system or one.place is None):
        return one.person.id
    return one.origin.key or one.student


def _enter(
    gradebook: Gradebook, student: str, one: Standing, rows: Sequence[Row], policy: Policy, written: Written
) -> None:
    lesson = one.lesson
    gradebook.update_or_create_student(student)
    gradebook.update_or_create_assignment(lesson)
    gradebook.update_or_create_notebook(lesson, lesson)
    for row in rows:
        if said := _cell(gradebook, lesson, row):
            written.worth.append(said)
    moment = moment_of(policy, HandedIn(one.origin.handed_in))
    gradebook.update_or_create_submission(lesson, student, **({"timestamp": moment} if moment else {}))
    for row in rows:
        grade = _grade(gradebook, student, lesson, row)
        grade.auto_score = row["score"]
        grade.needs_manual_grade = grade.manual_score is not None  # as nbgrader's own grading says it
        if grade.manual_score is not None and abs(grade.manual_score - row["score"]) > 0.005:
            points = f"{number(grade.manual_score)} in nbgrader, {number(row['score'])} here"
            written.left.append(f"{as_name(student)} in {row['exercise']} ({points})")
    gradebook.db.commit()
    written.count += 1


def _name(row: Row) -> str:
    return f"check_{snake_case(row['exercise'])}"


def _cell(gradebook: Gradebook, lesson: str, row: Row) -> str:
    """See that nbgrader knows the check and its points; says so where they were others."""
    from nbgrader.api import MissingEntry

    try:
        before = float(gradebook.find_grade_cell(_name(row), lesson, lesson).max_score)
    except MissingEntry:
        before = row["max_score"]
    gradebook.update_or_create_grade_cell(_name(row), lesson, lesson, max_score=row["max_score"], cell_type="code")
    if abs(before - row["max_score"]) < 1e-6:
        return ""
    return f"{row['exercise']} {number(row['max_score'])} instead of {number(before)}"


def _grade(gradebook: Gradebook, student: str, lesson: str, row: Row) -> Any:
    """nbgrader's mark of a check; a new one where the check is newer than the submission."""
    from nbgrader.api import Grade, MissingEntry

    try:
        return gradebook.find_grade(_name(row), lesson, lesson, student)
    except MissingEntry:
        cell = gradebook.find_grade_cell(_name(row), lesson, lesson)
        grade = Grade(cell_id=cell.id, notebook=gradebook.find_submission_notebook(lesson, lesson, student))
        gradebook.db.add(grade)
        return grade

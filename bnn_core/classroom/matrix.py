"""Everyone's points in one table: a line per student, a column per exercise, per lesson and for all. It may not know
how it looks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bnn_core.classroom.grading import Row
from bnn_core.classroom.text import natural


@dataclass(frozen=True)
class LessonColumns:
    """exercises: each with the most points that it gives. most: the lesson's."""

    lesson: str
    exercises: tuple[tuple[str, float], ...]

    @property
    def most(self) -> float:
        return sum(points for _, points in self.exercises)


@dataclass
class Line:
    """A student. rows: by exercise. lessons: by lesson the points in it, of those in which there is a result. pages: by
    lesson; others: the notebooks of no lesson, with their pages.
    """

    student: str
    rows: dict[str, Row] = field(default_factory=dict)
    lessons: dict[str, float] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    others: list[tuple[str, str]] = field(default_factory=list)

    @property
    def total(self) -> float:
        return sum(self.lessons.values())


@dataclass(frozen=True)
class Matrix:
    """columns: of all lessons of the class, also where these students have nothing in them."""

    columns: tuple[LessonColumns, ...]
    lines: tuple[Line, ...]

    @property
    def most(self) -> float:
        return sum(one.most for one in self.columns)

    @property
    def width(self) -> int:
        """How many columns hold points."""
        return 1 + sum(len(one.exercises) + (len(self.columns) > 1) for one in self.columns)


def matrix(rows: Sequence[Row], pages: Mapping[tuple[str, str], str], students: Sequence[str]) -> Matrix:
    """rows: the whole class's. students: those who have a line, in its order."""
    most: defaultdict[str, dict[str, float]] = defaultdict(dict)
    lines = {student: Line(student) for student in students}
    for row in rows:
        lesson, exercise = row["lesson"], row["exercise"]
        if exercise:
            most[lesson][exercise] = max(most[lesson].get(exercise, 0.0), row["max_score"])
        if (line := lines.get(row["student"])) is None:
            continue
        page = pages[line.student, lesson]
        if exercise:
            line.rows[exercise] = row
            line.lessons[lesson] = line.lessons.get(lesson, 0.0) + row["score"]
            line.pages[lesson] = page
        else:
            line.others.append((lesson, page))
    columns = tuple(LessonColumns(lesson, tuple(most[lesson].items())) for lesson in sorted(most, key=natural))
    return Matrix(columns, tuple(lines.values()))

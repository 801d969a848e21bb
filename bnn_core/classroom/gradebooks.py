"""Marks for the school's system: the table that an instructor downloaded from it, with a mark in every cell that should
have one and nothing else changed; and a table of the whole class for a spreadsheet. It may not know how a mark came
about.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bnn_core.classroom.downloads import is_test_student
from bnn_core.classroom.grading import Row
from bnn_core.classroom.results import as_text, number
from bnn_core.classroom.roster import (
    Person,
    fits_too_few,
    is_blackboard,
    is_canvas,
    is_moodle,
    match,
    maximum_column,
    read_roster,
)
from bnn_core.classroom.tables import BadTable, Table, amount
from bnn_core.classroom.text import as_name, natural

SYSTEMS = {"canvas": is_canvas, "moodle": is_moodle, "blackboard": is_blackboard}
WHAT_TO_GIVE = {
    "canvas": "Canvas's gradebook (Grades › Export)",
    "moodle": "Moodle's grading worksheet (View all submissions › Download grading worksheet)",
    "blackboard": "Blackboard's column download (Work offline › Download)",
}
POINTS_POSSIBLE = "Points Possible"
EXCUSED = "EX"

_CANVAS_TITLE = re.compile(r"(?P<title>.+) \(\d+\)", re.DOTALL)
_BLACKBOARD_TITLE = re.compile(
    r"(?P<title>.+?) \[Total Pts: (?:up to )?(?P<most>[\d.,]+)[^\]]*\] ?\|(?P<id>\d+)", re.DOTALL
)


@dataclass(frozen=True)
class Mark:
    """A student's points, and what the student is called by."""

    student: str
    points: float
    called: Collection[str]


@dataclass(frozen=True)
class Column:
    """A column of marks: its place, what it is called, and the most that the system takes, if the table says."""

    place: int
    title: str
    most: float | None
    with_comma: bool = False


@dataclass
class Filled:
    """What came of filling in a table. changed: whose other mark was there before, that one and the new one.
    converted: from how many points at most to how many, where they are others.
    """

    title: str
    count: int = 0
    changed: list[tuple[str, str, str]] = field(default_factory=list)
    excused: list[str] = field(default_factory=list)
    not_in_table: list[str] = field(default_factory=list)
    without_mark: list[str] = field(default_factory=list)
    converted: tuple[float, float] | None = None


def fill_in(
    table: Table, system: str, marks: Sequence[Mark], most: float, title: str | None = None, scale: bool = False
) -> Filled:
    """Put every mark into its cell.

    most: what could be had. title: of the assignment, needed where the table has several. scale: turn points into
    those of the system where it gives another number at most. Raises BadTable, and has then changed nothing.
    """
    if not SYSTEMS[system](table):
        raise BadTable(f"{table.path} is not {WHAT_TO_GIVE[system]}; download that one and give it with --into")
    column = _column(table, system, title)
    factor = _factor(table, column, most, scale)
    people = [person for person in read_roster(table).people if not is_test_student(person.name)]
    matched = match({mark.student: mark.called for mark in marks}, people).people
    if fits_too_few(len(matched), len(marks), len(people)):
        some = f"only {len(matched)}" if matched else "none"
        raise BadTable(
            f"{table.path} is of another class: of its {len(people)} students {some} "
            f"{'are' if len(matched) > 1 else 'is'} in the report; give the one of this class"
        )
    converted = (most, column.most) if factor != 1 and column.most is not None else None
    done = Filled(column.title, converted=converted)
    for mark in marks:
        if mark.student in matched:
            _put(table, column, matched[mark.student], round(factor * mark.points, 2), done)
        else:
            done.not_in_table.append(mark.student)
    marked = {person.row for person in matched.values()}
    done.without_mark = [person.name for person in people if person.row not in marked]
    return done


def _put(table: Table, column: Column, person: Person, points: float, done: Filled) -> None:
    before = table.cell(person.row, column.place)
    if before.upper() == EXCUSED:
        done.excused.append(person.name)
        return
    text = number(points)
    after = text.replace(".", ",") if column.with_comma else text
    if before not in ("", "-") and amount(before) != amount(after):
        done.changed.append((person.name, before, after))
    if before == "" or amount(before) != amount(after):
        table.put(person.row, column.place, after)
    done.count += 1


def _column(table: Table, system: str, wanted: str | None) -> Column:
    """The column of the assignment. Raises BadTable where there is none, or which one isn't said."""
    columns = _columns(table, system)
    if not columns:
        raise BadTable(f"{table.path} has no column for the marks of an assignment; download it with that column")
    listed = ", ".join(repr(column.title) for column in columns)
    if wanted is None:
        if len(columns) > 1:
            raise BadTable(f"{table.path} has several assignments: {listed}; say which with --title")
        return columns[0]
    exact = [column for column in columns if wanted.strip() == table.headers[column.place]]
    named = exact or [column for column in columns if column.title.casefold() == wanted.strip().casefold()]
    if not named:
        raise BadTable(f"{table.path} has no assignment {wanted!r}; there is {listed}")
    if len(named) > 1:
        whole = ", ".join(repr(table.headers[column.place]) for column in named)
        raise BadTable(f"{table.path} has several assignments {wanted!r}; give one of {whole} whole")
    return named[0]


def _columns(table: Table, system: str) -> list[Column]:
    if system == "moodle":
        return _moodle_columns(table)
    columns = []
    possible = next((row for row in table.filled() if table.cell(row, 0) == POINTS_POSSIBLE), None)
    for place, header in enumerate(table.headers):
        if system == "blackboard":
            if found := _BLACKBOARD_TITLE.fullmatch(header):
                columns.append(Column(place, found["title"], amount(found["most"]), "," in found["most"]))
        elif found := _CANVAS_TITLE.fullmatch(header):
            most = table.cell(possible, place) if possible is not None else ""
            if "read only" not in most:
                columns.append(Column(place, found["title"], amount(most), "," in most))
    return columns


def _moodle_columns(table: Table) -> list[Column]:
    """The one before that of the most that could be had."""
    place = maximum_column(table)
    if place is None:
        raise BadTable(f"{table.path} takes words for marks and no points; give the assignment points in Moodle")
    values = set(table.column(place))
    most = max(values, key=lambda value: amount(value) or 0.0, default="")
    if amount(most) is None:
        raise BadTable(f"{table.path} takes words for marks and no points; give the assignment points in Moodle")
    return [Column(place - 1, table.headers[place - 1], amount(most), "," in most)]


def _factor(table: Table, column: Column, most: float, scale: bool) -> float:
    """By what points are multiplied. Raises BadTable where they are others than the system's, and that isn't wanted."""
    if column.most is None or column.most == most or not most:
        return 1.0
    if not scale:
        raise BadTable(
            f"{column.title!r} in {table.path} gives at most {number(column.most)} points, the report {number(most)}; "
            "--scale converts them, --lesson takes one lesson alone"
        )
    return column.most / most


# The whole class


def wide(
    rows: Iterable[Row],
    ids: Mapping[str, str],
    by_hand: Mapping[tuple[str, str], str] | None = None,
    late: Mapping[str, int] | None = None,
) -> str:
    """A table with a line for each student: the points of every exercise and every lesson, the total, and what could be
    had at most. It begins with the sign by which a spreadsheet knows UTF-8. by_hand: as in grades.csv.
    late: by student, days.
    """
    by_student: dict[str, dict[tuple[str, str], Row]] = {}
    lessons: dict[str, dict[str, float]] = {}
    for row in rows:
        by_student.setdefault(row["student"], {})[row["lesson"], row["exercise"]] = row
        if row["exercise"]:
            lessons.setdefault(row["lesson"], {})[row["exercise"]] = row["max_score"]
    order = sorted(lessons, key=natural)
    headers = [name for lesson in order for name in (*lessons[lesson], as_name(lesson))]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(
        [
            "student",
            *(["id"] if ids else []),
            *map(as_text, headers),
            "total",
            "max",
            *(["days late"] if late else []),
            *(["by hand"] if by_hand else []),
        ]
    )
    most = sum(sum(points.values()) for points in lessons.values())
    for student, marks in by_student.items():
        who = [student, ids.get(student, "")] if ids else [student]
        cells = []
        for lesson in order:
            scores = [marks[lesson, name]["score"] for name in lessons[lesson] if (lesson, name) in marks]
            cells += [number(marks[lesson, one]["score"]) if (lesson, one) in marks else "" for one in lessons[lesson]]
            cells.append(number(sum(scores)) if scores else "")
        total = number(sum(row["score"] for row in marks.values()))
        said = [by_hand[student, lesson] for lesson in order if (student, lesson) in by_hand] if by_hand else []
        days = [str(late.get(student, 0))] if late else []
        last = [as_text(as_name("; ".join(said)))] if by_hand else []
        writer.writerow([*(as_text(as_name(name)) for name in who), *cells, total, number(most), *days, *last])
    return "\ufeff" + text.getvalue()

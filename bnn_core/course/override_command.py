"""`bnn-course override`: a person's judgement of a mark, as it is typed. It adds a line to the report's overrides and
writes the report anew; nothing is graded.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bnn_core.course.arguments import Amount, BadArgument, Folder, listed, refusing_unusable
from bnn_core.course.export_command import refuse_no_report

if TYPE_CHECKING:
    from bnn_core.classroom.overrides import Directory

MOST_POINTS = 1_000_000.0


@click.command()
@click.argument("report", type=Folder(exists=True))
@click.argument("student")
@click.argument("exercise")
@click.argument("score", type=Amount(0.0, MOST_POINTS))
@click.option("--comment", default="", help="Why, in words that the student reads.")
def override(report: Path, student: str, exercise: str, score: float, comment: str) -> None:
    """Give STUDENT (a name or an id) SCORE points for EXERCISE in REPORT, whatever the grader gave.

    Before a name that begins with a hyphen put two more: `bnn-course override REPORT -- -NAME EXERCISE SCORE`.
    """
    from bnn_core.classroom.journal import Journal
    from bnn_core.classroom.overrides import OVERRIDES, Directory, Override, read_overrides, with_override
    from bnn_core.classroom.report import write_report_of
    from bnn_core.classroom.results import number, write_atomically
    from bnn_core.classroom.standing import class_standing, misfit

    with refusing_unusable(), Journal(report, alone=True) as journal:
        refuse_no_report(report, journal)
        standing = class_standing(journal, read_overrides(report))
        directory = Directory(standing.called_by())
        found = directory.find(student)
        rows = {row["exercise"]: row for row in standing.rows if found and row["student"] == found[0]}
        wanted = Override(student, exercise, score, comment)
        if why := misfit(wanted, found, rows.get(exercise)):
            hint = _near(directory, student, exercise, list(rows) if found else None)
            is_unclear = exercise in rows or len(found) > 1
            raise BadArgument(why if is_unclear else f"{why}{hint}")
        write_atomically(report / OVERRIDES, with_override(report, Override(found[0], exercise, score, comment)))
        standing = class_standing(journal, read_overrides(report))
        write_report_of(report, standing, journal.seed or 0)
        journal.note_marks(standing.marks())
    said = next(
        one.by_hand[exercise] for one in standing.standings if exercise in one.by_hand and one.student == found[0]
    )
    click.echo(f"{found[0]}, {exercise}: {number(said.score)} points; the grader gave {number(said.own)}")


def _near(directory: Directory, student: str, exercise: str, exercises: Sequence[str] | None) -> str:
    """What may have been meant. exercises: the student's; None where nobody has the name."""
    if exercises is not None:
        return f"; there is {listed(difflib.get_close_matches(exercise, exercises, 3, 0.5) or exercises)}"
    from bnn_core.classroom.overrides import MOST_NEAR

    near = directory.near(student) or (directory.students if len(directory.students) <= MOST_NEAR else [])
    return f"; there is {listed(near, len(near))}" if near else "; the class page has all names"

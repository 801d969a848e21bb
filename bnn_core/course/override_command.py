"""`bnn-course override`: a person's judgement of a mark, as it is typed. It adds a line to the report's overrides and
writes the report anew; nothing is graded.
"""

from __future__ import annotations

import re
from pathlib import Path

import click

from bnn_core.course.arguments import Amount, BadArgument, Folder, refusing_unusable
from bnn_core.course.export_command import refuse_no_report

MOST_POINTS = 1_000_000.0
_BELOW_ZERO = re.compile(r"-[\d.,]*\d")


class ScoreCommand(click.Command):
    """A command that takes a number: one with a minus is a number too, and no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        typed = args[: args.index("--")] if "--" in args else args
        for before, value in zip(["", *typed], typed, strict=False):
            if _BELOW_ZERO.fullmatch(value) and before != "--comment":
                raise BadArgument(f"{value} is no score; give points from 0 up, such as 7.5")
        return super().parse_args(ctx, args)


@click.command(cls=ScoreCommand)
@click.argument("report", type=Folder(exists=True))
@click.argument("student")
@click.argument("exercise")
@click.argument("score", type=Amount(0.0, MOST_POINTS))
@click.option("--comment", default="", help="Why, in words that the student reads.")
def override(report: Path, student: str, exercise: str, score: float, comment: str) -> None:
    """Give STUDENT (a name or an id) SCORE points for EXERCISE in REPORT, whatever the grader gave.

    Before a name that begins with a hyphen put two more: `bnn-course override REPORT -- -NAME EXERCISE SCORE`.
    """
    from bnn_core.classroom.directory import exercise_called, exercises_near
    from bnn_core.classroom.journal import Journal
    from bnn_core.classroom.overrides import OVERRIDES, Override, read_overrides, with_override
    from bnn_core.classroom.report import write_report_of
    from bnn_core.classroom.results import number, write_atomically
    from bnn_core.classroom.standing import class_standing, misfit
    from bnn_core.course.meant import students_like, there_is

    exercise = exercise_called(exercise) or exercise
    with refusing_unusable(), Journal(report, alone=True) as journal:
        refuse_no_report(report, journal)
        standing = class_standing(journal, read_overrides(report))
        directory = standing.directory()
        found = directory.find(student)
        rows = {row["exercise"]: row for row in standing.rows if found and row["student"] == found[0]}
        wanted = Override(student, exercise, score, comment)
        if why := misfit(wanted, found, rows.get(exercise)):
            near = (exercises_near(exercise, rows) or list(rows)) if found else students_like(student, directory)
            is_unclear = exercise in rows or len(found) > 1
            raise BadArgument(why if is_unclear else f"{why}{there_is(near, 'the class page has all names')}")
        write_atomically(report / OVERRIDES, with_override(report, Override(found[0], exercise, score, comment)))
        standing = class_standing(journal, read_overrides(report))
        write_report_of(report, standing, journal.seed or 0)
        journal.note_marks(standing.marks())
    one = next(one for one in standing.standings if exercise in one.by_hand and one.student == found[0])
    said = one.by_hand[exercise]
    why = ", for nothing was handed in" if one.place is None else ""
    click.echo(f"{found[0]}, {exercise}: {number(said.score)} points; the grader gave {number(said.own)}{why}")

"""The report of a class, as `grade` and `merge` leave it: whether it may go where it is to go, and what is said when it
is written. It may not know how anything was graded.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bnn_core.classroom.shares import Share
from bnn_core.classroom.text import as_name, natural
from bnn_core.course.arguments import BadArgument, listed, refusing_unusable

if TYPE_CHECKING:
    from bnn_core.classroom.journal import Journal
    from bnn_core.classroom.standing import ClassStanding, Names


def refuse_unfit_report(
    output: Path,
    journal: Journal,
    folder: Path,
    places: Collection[tuple[str, str]],
    names: Names,
    share: Share | None = None,
) -> None:
    """Raises BadArgument where a report of these places, of students and lessons, can't go there. folder: of the
    submissions.
    """
    from bnn_core.classroom.page_places import pages_of
    from bnn_core.classroom.report_folder import in_the_way, of_another_class, of_another_share

    students = {student for student, _ in places}
    places = {*places, *journal.latest}
    shown = {place: (names.shown[place[0]], place[1]) for place in places}
    of_roster = {(name, lesson) for name in names.enrolled for _, lesson in places} - set(shown.values())
    shown |= {place: place for place in of_roster}
    found = pages_of(shown.values())
    reason = of_another_share(output, journal, share) or of_another_class(output, journal, folder, students)
    if reason is None and (path := in_the_way(output, journal, {one: found[page] for one, page in shown.items()})):
        reason = f"{as_name(str(path))} is no report of this course's, and would be overwritten; give another"
    if reason is not None:
        raise BadArgument(f"{reason} folder with --output")


def write(output: Path, journal: Journal, lessons: Collection[str]) -> ClassStanding:
    """The report of everything that the journal holds. lessons: those that were graded now."""
    from bnn_core.classroom.overrides import read_overrides
    from bnn_core.classroom.report import write_report_of
    from bnn_core.classroom.standing import class_standing
    from bnn_core.course.told import handed_in_nothing

    with refusing_unusable():
        standing = class_standing(journal, read_overrides(output))
    write_report_of(output, standing, journal.seed or 0)
    names, rows = standing.names, standing.rows
    tell("in the roster, and handed in nothing", list(names.absent))
    for lesson, whom in handed_in_nothing(standing, lessons).items():
        tell(f"in the roster, and handed in nothing for {lesson}", whom)
    tell("in no roster", [name for name in names.strangers if name not in names.unclear])
    tell("not told apart by the roster", names.unclear)
    for sentence in standing.unfit:
        click.echo(f"not applied: {sentence}", err=True)
    passed = sum(row["status"] == "passed" for row in rows)
    count = f"{len(journal.latest)} submissions, {passed} of {len(rows)} exercises passed"
    click.echo(f"{count}. Read {output / 'index.html'}")
    return standing


def tell(what: str, names: Sequence[str], err: bool = True) -> None:
    """What is so of whom, where it is so of anybody."""
    if names:
        click.echo(f"{what}: {listed(sorted(set(names), key=natural))}", err=err)

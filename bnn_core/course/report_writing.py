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
    from bnn_core.classroom.journal import Journal, Mark, Place
    from bnn_core.classroom.standing import ClassStanding, Names

KEPT_ROSTER = "the roster that the report has"
ALL_LATE = "files have new times where they were copied or unpacked: look at one, and give the zip itself"
FEW = 3
"""So many names show how a list writes them."""


def refuse_unfit_report(
    output: Path,
    journal: Journal,
    folder: Path,
    students: Collection[str],
    handed_in: Collection[Place],
    names: Names,
    are_named: bool,
    share: Share | None = None,
) -> None:
    """Raises BadArgument where a report of these students can't go there. folder: of the submissions. handed_in: the
    places of what they did. are_named: whether a school's system named the students.
    """
    from bnn_core.classroom.page_places import pages_of
    from bnn_core.classroom.report_folder import in_the_way, of_another_class, of_another_share

    places = {*handed_in, *journal.latest}
    shown = {(place.student, place.lesson): (names.shown[place.student], place.lesson) for place in places}
    of_roster = {(name, place.lesson) for name in names.enrolled for place in places} - set(shown.values())
    shown |= {place: place for place in of_roster}
    found = pages_of(shown.values())
    reason = of_another_share(output, journal, share)
    reason = reason or of_another_class(output, journal, folder, students, handed_in, names, are_named)
    if reason is None and (path := in_the_way(output, journal, {one: found[page] for one, page in shown.items()})):
        reason = f"{as_name(str(path))} is no report of this course's, and would be overwritten; give another"
    if reason is not None:
        raise BadArgument(f"{reason} folder with --output")


def marks_before(output: Path, journal: Journal) -> list[Mark] | None:
    """Those of the last report, None where there is none; one that an earlier version wrote has no list of them."""
    from bnn_core.classroom.overrides import read_overrides
    from bnn_core.classroom.standing import class_standing

    if journal.marks is None and journal.latest and (output / "index.html").exists():
        return class_standing(journal, read_overrides(output)).marks()
    return journal.marks


def refuse_unfit_roster(names: Names, roster: str) -> None:
    """Raises BadArgument where the list of the class is of another, or calls most people by what nobody here is called:
    everyone would get a row of nothing beside their own. roster: the list, in the sentence.
    """
    from bnn_core.classroom.roster import fits_too_few

    everyone = [*names.enrolled, *names.perhaps]
    known, students, people = (len(one) for one in (names.people, [*names.people, *names.strangers], everyone))
    if not people or not students or not fits_too_few(known, students, people):
        return
    count = f"only {known} of the {people}" if known else f"none of the {people}"
    there, here = (listed(sorted(one, key=natural), FEW) for one in (names.absent, names.strangers))
    raise BadArgument(
        f"{count} students in {roster} {'is' if known == 1 else 'are'} among the {students} who handed in. "
        f"Nobody who did is called {there}; nobody in it {here}. Give --roster the list of this class: "
        "the one that your school's system exports, or one with the ids, logins or names that the submissions have"
    )


def write(
    output: Path, journal: Journal, lessons: Collection[str], brought_along: Collection[Place] = ()
) -> ClassStanding:
    """The report of everything that the journal holds. lessons: those that were graded now; brought_along: what came
    with other lessons' homework now.
    """
    from bnn_core.classroom.attention import lessons_all_late, lost_all_to_lateness
    from bnn_core.classroom.overrides import read_overrides
    from bnn_core.classroom.report import write_report_of
    from bnn_core.classroom.standing import class_standing
    from bnn_core.course.told import handed_in_nothing

    with refusing_unusable():
        standing = class_standing(journal, read_overrides(output))
    write_report_of(output, standing, journal.seed or 0)
    journal.note_marks(standing.marks())
    names, rows = standing.names, standing.rows
    tell("in the roster, and handed in nothing", list(names.absent))
    for lesson, whom in handed_in_nothing(standing, lessons).items():
        tell(f"in the roster, and handed in nothing for {lesson}", whom)
    tell("in no roster", [name for name in names.strangers if name not in names.unclear])
    tell("not told apart by the roster", names.unclear)
    tell("in the roster, and perhaps one of these", names.perhaps)
    tell("a test student of the school's system, in no count", names.test_students)
    for sentence in standing.unfit:
        click.echo(f"not applied: {sentence}", err=True)
    along = [one for one in standing.standings if one.place in brought_along and not one.origin.brought_along]
    again = [f"{one.student} {one.lesson}" for one in along]
    tell("handed in again, and worth less than what counts", again)
    lost = [one for one in standing.standings if one.lesson in lessons and lost_all_to_lateness(one)]
    tell("checks passed, and lateness took all points", [f"{one.student} {one.lesson}" for one in lost])
    for lesson in lessons_all_late(standing.standings):
        click.echo(f"everybody was late in {lesson}; {ALL_LATE}", err=True)
    passed = sum(row["status"] == "passed" for row in rows)
    places = {one.place for one in standing.standings if one.place is not None}
    apart = f" and {len(standing.apart)} of a test student" if standing.apart else ""
    count = f"{len(places)} submissions{apart}, {passed} of {len(rows)} exercises passed"
    click.echo(f"{count}. Read {output / 'index.html'}")
    return standing


def tell(what: str, names: Sequence[str], err: bool = True) -> None:
    """What is so of whom, where it is so of anybody."""
    if names:
        click.echo(f"{what}: {listed(sorted(set(names), key=natural))}", err=err)

"""`bnn-course merge`: the shares of a class that were graded apart become its report, the same that one grading of the
whole class would have made. Nothing is graded.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bnn_core.course.arguments import BadArgument, Folder, TableFile, listed, refusing_unusable
from bnn_core.course.given_files import look_at_overrides, people_in, policy_beside, policy_text, rule_of
from bnn_core.course.report_writing import (
    KEPT_ROSTER,
    marks_before,
    refuse_unfit_report,
    refuse_unfit_roster,
    write,
)

if TYPE_CHECKING:
    from bnn_core.classroom.journal import Entry, Journal, Origin, Place
    from bnn_core.classroom.merging import Merged


@click.command()
@click.argument("shares", nargs=-1, required=True, type=Folder(exists=True))
@click.option("--output", required=True, type=Folder(), help="The folder to write the report to.")
@click.option(
    "--roster",
    type=TableFile(),
    help="Who is in the class: a CSV with ids, or the gradebook that your school's system exports.",
)
@click.option(
    "--policy",
    type=TableFile(),
    help="How marks follow from checks and time.  [default: grading.toml beside the submissions]",
)
def merge(shares: tuple[Path, ...], output: Path, roster: Path | None, policy: Path | None) -> None:
    """Make the report of a class from all its SHARES, the folders that `grade --shard` wrote.

    What was merged before stays, where it is of other lessons. Merge again after a share was graded again.
    """
    from bnn_core.classroom.downloads import is_test_student
    from bnn_core.classroom.journal import Journal
    from bnn_core.classroom.merging import Merged
    from bnn_core.classroom.standing import called_in, names_of, systems_test_students
    from bnn_core.course.told import what_happened

    began = time.monotonic()
    people = people_in(roster)
    with refusing_unusable():
        merged = Merged(shares)
        home = merged.newest.home
        given = policy or policy_beside(home)
        rules = policy_text(given, home) if given is not None else merged.newest.journal.policy
        look_at_overrides(output)
        with Journal(output, alone=True) as journal:
            _refuse_another_rule(merged, rule_of(rules or None, journal.policy))
            of_class = journal.people if people is None else people
            merged.know_again(journal, of_class)
            results = list(merged.results())
            called = called_in(journal)
            for place, _, origin in results:
                called.setdefault(place.student, set()).update((place.student, origin.key or place.student))
            tests = systems_test_students(journal)
            tests |= {at.student for at, _, origin in results if origin.system and is_test_student(at.student)}
            names = names_of(called, of_class, tests)
            refuse_unfit_roster(names, str(roster or KEPT_ROSTER))
            handed_in = {place for place, entry, _ in results if entry.graded.code}
            are_named = all(origin.system for _, _, origin in results)
            refuse_unfit_report(output, journal, home, merged.students, handed_in, names, are_named)
            before = marks_before(output, journal)
            output.mkdir(parents=True, exist_ok=True)
            journal.begin(merged.seed, home)
            if people is not None:
                journal.enrol(people)
            here = merged.students
            journal.note_identities({student: one for student, one in names.people.items() if student in here})
            if rules:
                journal.set_policy(rules)
            along = _take_all(merged, results, journal)
            standing = write(output, journal, merged.newest.part.now, along)
            summary = f"{len(merged.shares)} shares merged"
            for line in what_happened(before, standing, summary, time.monotonic() - began):
                click.echo(line, err=True)


def _refuse_another_rule(merged: Merged, rule: str) -> None:
    """Which of several attempts were graded followed from the rule at that time."""
    for share in merged.shares:
        if (then := rule_of(share.journal.policy, "")) != rule:
            now, before = (f'attempt = "{each}"' if each else "no rule for attempts" for each in (rule, then))
            raise BadArgument(f"the policy says {now}, and {share.folder} was graded with {before}: "
                              "grade every share again with the same --policy")  # fmt: skip


def _take_all(merged: Merged, results: Sequence[tuple[Place, Entry, Origin]], journal: Journal) -> set[Place]:
    """Put every result into the report's journal, and take out of these lessons what is in no share any more. What
    somebody worked on stays where the shares have nothing that could take its place. Gives the places of what came
    along with other lessons' homework.
    """
    from bnn_core.classroom.brought_along import keep_what_counts, note_what_counts
    from bnn_core.classroom.earlier import is_work, lessons_of_most

    held = {place for place, entry in journal.latest.items() if is_work(entry)}
    there = {place for place, _, _ in results}
    worked_on = {place for place, entry, _ in results if is_work(entry)}
    lessons = lessons_of_most({*merged.lessons, *(place.lesson for place in there)}, worked_on, held)
    taken = [
        (place, entry, replace(origin, brought_along=origin.brought_along or place.lesson not in lessons))
        for place, last, last_origin in results
        if place not in held or is_work(last)
        for entry, origin in merged.attempts(place) or [(last, last_origin)]
    ]
    before = keep_what_counts(journal, [(place, origin) for place, _, origin in taken])
    for _, entry, _ in taken:
        journal.take(entry)
    gone = [place for place in journal.latest if place not in there and place.lesson in lessons]
    journal.leave_out(gone)
    note_what_counts(journal, [(place, entry.key, origin) for place, entry, origin in taken], before)
    if gone:
        names = sorted({place.student for place in gone})
        click.echo(f"in no share, and so no longer in the report: {listed(names)}", err=True)
    return {place for place, _, origin in taken if origin.brought_along}

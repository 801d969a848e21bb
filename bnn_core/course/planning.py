"""What a grading would do: what was typed, what was handed in and by whom, what the report holds of it, and what is to
be graded. It grades nothing, and writes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import is_zipfile

import click

from bnn_core.classroom.shares import Share
from bnn_core.course.arguments import BadArgument as CannotGrade
from bnn_core.course.arguments import refusing_unusable
from bnn_core.course.given_files import look_at_overrides, policy_text, rule_of
from bnn_core.course.lessons import graded_lesson, graded_lessons
from bnn_core.course.report_writing import KEPT_ROSTER, refuse_unfit_report, refuse_unfit_roster, tell

if TYPE_CHECKING:
    from bnn_core.classroom.earlier import Rest, Settings
    from bnn_core.classroom.journal import Journal
    from bnn_core.classroom.roster import Person
    from bnn_core.classroom.standing import Names
    from bnn_core.classroom.submissions import Collected, Submission

GIBIBYTE = 1 << 30


@dataclass(frozen=True)
class Request:
    """What was typed."""

    submissions: Path
    output: Path
    roster: Path | None
    policy: Path | None
    lesson: str | None
    jobs: int
    timeout: float
    call_timeout: float
    memory: float
    seed: int | None
    fresh: bool
    again: tuple[str, ...]
    dry_run: bool
    unsafe: bool
    gradebook: Path | None
    shard: Share | None
    scheduler: str | None

    def settings(self, seed: int | None) -> Settings:
        """seed: the one to use where none was typed."""
        from bnn_core.classroom.earlier import Settings
        from bnn_core.classroom.sandbox.launching import Limits

        limits = Limits(self.timeout, min(self.call_timeout, self.timeout), int(self.memory * GIBIBYTE))
        return Settings(seed if self.seed is None else self.seed, limits, self.unsafe)


def dry_run(request: Request, people: Sequence[Person] | None) -> None:
    """Say what would be graded, and as whose, and what would become of what the report holds."""
    from bnn_core.classroom.journal import Journal
    from bnn_core.course.meant import to_grade_again
    from bnn_core.course.told import few_worked_on, seen_as, understood, what_becomes_of, would_happen

    policy = policy_text(request.policy, request.submissions)
    look_at_overrides(request.output)
    with refusing_unusable():
        journal = Journal(request.output)
    collected, names = class_of(request, journal, people, rule_of(policy, journal.policy))
    submissions = collected.submissions
    click.echo(f"{request.submissions} is read as {seen_as(submissions)}")
    for line in understood(collected, names):
        click.echo(line)
    click.echo("A grading would say:")
    for line in few_worked_on(collected, names):
        click.echo(line)
    rest = left_from_before(request, journal, collected)
    for what, whom in what_becomes_of(rest, names, request.fresh):
        tell(what, whom, err=False)
    graded = rest.left_to_judge(submissions)
    again = to_grade_again(request.again, submissions, names)
    keys = request.settings(journal.seed).keys(graded)
    todo = [graded[position] for position in still_to_grade(request, journal, graded, keys, again)]
    why = why_graded_again(request, journal, todo, request.settings(journal.seed).circumstances())
    for line in would_happen(graded, todo, names, why):
        click.echo(line)


def still_to_grade(
    request: Request,
    journal: Journal,
    submissions: Sequence[Submission],
    keys: Sequence[str],
    again: Collection[Submission],
) -> list[int]:
    """The positions of those of which the journal has no result that would be taken. again: those that were named."""
    return [
        position
        for position, (item, key) in enumerate(zip(submissions, keys, strict=True))
        if request.fresh or key not in journal or item in again
    ]


def why_graded_again(request: Request, journal: Journal, todo: Sequence[Submission], now: Mapping[str, str]) -> str:
    """Why results are graded anew that the report holds already, where something other than the submissions is new."""
    from bnn_core.classroom.earlier import others_than_before
    from bnn_core.classroom.journal import Place
    from bnn_core.course.told import why_again

    places = {Place(item.student, item.lesson) for item in todo}
    again = [place for place in places if place in journal.latest]
    return "" if request.fresh else why_again(len(again), others_than_before(journal, again, now))


def left_from_before(request: Request, journal: Journal, collected: Collected) -> Rest:
    """What becomes of the results for which nothing was handed in."""
    from bnn_core.classroom.earlier import rest_of
    from bnn_core.classroom.report_folder import was_graded_into

    only = graded_lesson(request.lesson) if request.lesson is not None else None
    is_same = request.submissions.is_dir() and was_graded_into(journal, request.submissions.resolve())
    return rest_of(journal, collected, graded_lessons(), only, request.fresh, is_same)


def class_of(request: Request, journal: Journal, people: Sequence[Person] | None, rule: str) -> tuple[Collected, Names]:
    """What was handed in, and by whom. Raises CannotGrade where the list of the class or the report is of another."""
    from bnn_core.classroom.acquaintance import (
        NUMBERED_ANEW,
        OTHER_NUMBERS,
        are_of_another_list,
        arrivals_in,
        known_again,
        numbered_anew,
    )
    from bnn_core.classroom.standing import called_in, names_of, systems_test_students

    folder = request.submissions.resolve()
    collected = _collect(request, folder, rule)
    people = journal.people if people is None else people
    is_of_another_list = False
    if request.shard is None:
        arrivals = arrivals_in((item.student, item.system, item.key, item.lesson) for item in collected.submissions)
        if numbered_anew(journal, people, arrivals):
            click.echo(NUMBERED_ANEW, err=True)
        is_of_another_list = are_of_another_list(people, arrivals)
        collected = collected.renamed(known_again(journal, people, arrivals))
    submissions = collected.submissions
    called, tests = called_in(journal, submissions), systems_test_students(journal, submissions)
    names = names_of(called, people, tests)
    if request.shard is None:
        refuse_unfit_roster(names, str(request.roster or KEPT_ROSTER))
    _refuse_unfit_output(request, journal, submissions, names)
    if is_of_another_list and names.unclear:
        click.echo(OTHER_NUMBERS, err=True)
    as_shown = collected.renamed(names.shown)
    for line in as_shown.unread():
        click.echo(line, err=True)
    tell(f"handed in a notebook of another lesson, and none of {collected.lessons[0]}", as_shown.of_another_lesson())
    return collected, names


def _refuse_unfit_output(request: Request, journal: Journal, submissions: Sequence[Submission], names: Names) -> None:
    """Raises CannotGrade where the report can't go to where it is to go."""
    from bnn_core.classroom.journal import Place
    from bnn_core.classroom.report_folder import misplaced

    handed_in = {Place(item.student, item.lesson) for item in submissions if item.path is not None}
    students = {item.student for item in submissions}
    are_named = all(item.system for item in submissions)
    reason = misplaced(request.output, request.submissions)
    if reason is not None:
        raise CannotGrade(f"{reason} folder with --output")
    folder = request.submissions.resolve()
    refuse_unfit_report(request.output, journal, folder, students, handed_in, names, are_named, request.shard)


def _collect(request: Request, folder: Path, rule: str) -> Collected:
    from bnn_core.classroom.handed_in import Refused
    from bnn_core.classroom.submissions import find_submissions

    lessons = graded_lessons()
    only = graded_lesson(request.lesson) if request.lesson is not None else None
    try:
        collected = find_submissions(folder, lessons, only, request.jobs or cores(), request.shard, rule)
    except Refused as refused:
        raise CannotGrade(f"{request.submissions} can't be read. {refused.reason}") from None
    nothing = not any(submission.was_handed_in for submission in collected.submissions)
    if nothing and only is None and (request.shard is None or not collected.students):
        raise CannotGrade(f"{request.submissions} holds no notebook in a student's folder")
    return collected


def is_zip(path: Path) -> bool:
    try:
        return path.is_file() and is_zipfile(path)
    except OSError:
        return False


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

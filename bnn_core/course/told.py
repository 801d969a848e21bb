"""What a grading says of itself: how it understood the submissions, what it graded, and whose marks are others than
before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from bnn_core.answers.notebook import exercises_of
from bnn_core.classroom.attention import is_nothing
from bnn_core.classroom.downloads import MOODLE
from bnn_core.classroom.earlier import Rest
from bnn_core.classroom.journal import Mark
from bnn_core.classroom.results import number
from bnn_core.classroom.standing import ClassStanding, Names
from bnn_core.classroom.submissions import Collected, Submission
from bnn_core.classroom.text import as_name
from bnn_core.course.arguments import listed

MOST_FOR_MINUTES = 120.0
FEW, MANY = 2, 4
"""A lesson that so few of more than so many students worked on may not be the class's."""


def seen_as(submissions: Sequence[Submission]) -> str:
    """Whose download it is."""
    systems = Counter(item.system for item in submissions)
    named = sorted(system for system in systems if system)
    own = "a folder or a zip per student"
    if not named:
        return own
    return f"a download of {' and '.join(named)}" + (f", and {own}" if "" in systems else "")


def understood(collected: Collected, names: Names) -> Iterator[str]:
    """A line for each submission, where the best attempt counts for each of these, and for who handed in nothing."""
    for item in collected.submissions:
        who = f"{as_name(names.shown[item.student])}, {item.lesson}"
        when = f", handed in {item.handed_in}" if item.handed_in else ", late" if item.late else ""
        if item.path is None:
            yield f"{who}: nothing to grade. {as_name(item.missing)}"
            continue
        which = f", attempt {item.attempt} of {item.attempts}" if item.attempts > 1 else ""
        aside = f", and not {item.others} ({item.why})" if item.why else ""
        beside = f", with {len(item.files)} files beside it" if item.files else ""
        yield f"{who}: {as_name(item.name)}{which}{aside}{beside}{when}"
    for name in names.absent:
        yield f"{as_name(name)}: handed in nothing"
    here = {names.people.get(item.student) for item in collected.submissions}
    for name, person in names.enrolled.items():
        if person not in here and name not in names.absent:
            yield from (f"{as_name(name)}, {lesson}: handed in nothing" for lesson in collected.lessons)
    for name in names.strangers:
        yield f"{as_name(name)}: {'not told apart by the roster' if name in names.unclear else 'in no roster'}"
    for name in names.perhaps:
        yield f"{as_name(name)}: in the roster, and perhaps one of these"
    for name in names.test_students:
        yield f"{as_name(name)}: a test student of the school's system, in no count"


def handed_in_nothing(standing: ClassStanding, lessons: Collection[str]) -> dict[str, list[str]]:
    """By lesson, who of the class handed in nothing for it, and something for another."""
    found: dict[str, list[str]] = {lesson: [] for lesson in sorted(lessons)}
    for one in standing.standings:
        is_of_class = one.person is not None and one.student not in standing.names.absent
        if one.lesson in found and is_of_class and is_nothing(one):
            found[one.lesson].append(one.student)
    return found


def few_worked_on(collected: Collected, names: Names) -> Iterator[str]:
    """A line for each lesson that the class is graded on for the sake of one or two students of many."""
    lessons = {lesson: students for lesson, students in collected.workers.items() if exercises_of(lesson)}
    if len(lessons) == 1 or len(collected.students) <= MANY:
        return
    for lesson, students in sorted(lessons.items()):
        if len(students) <= FEW:
            who = " and ".join(as_name(names.shown.get(student, student)) for student in students)
            yield f"graded on {lesson} because of {who} alone; --lesson takes one lesson alone"


def would_happen(
    submissions: Sequence[Submission], to_grade: Sequence[Submission], names: Names, why: str
) -> Iterator[str]:
    """How many a grading would grade, as its own end says it, and whom. why: what has been graded is graded again."""
    kept = len(submissions) - len(to_grade)
    yield f"{len(to_grade)} graded anew, {kept} kept from before{why}"
    if kept and to_grade:
        lessons = {item.lesson for item in submissions}
        who = dict.fromkeys(f"{names.shown[item.student]}{f' {item.lesson}' if len(lessons) > 1 else ''}"
                            for item in to_grade)  # fmt: skip
        yield f"graded anew: {listed([as_name(name) for name in who])}"


def what_becomes_of(rest: Rest, names: Names, fresh: bool) -> Iterator[tuple[str, list[str]]]:
    """Of earlier results for which nothing was handed in this time that could take their place: what becomes of them,
    and whose they are.
    """
    why = "--fresh takes only what is there now" if fresh else "the course has no such lesson"
    parting = [names.shown[student] for student in rest.parting]
    yield "no longer among the submissions, and so no longer in the report", parting
    for what, places in (
        (
            "no longer among the submissions, and so no longer in the report for this lesson",
            {place for place in rest.gone if place.student not in rest.parting},
        ),
        (f"dropped, for the notebook is gone and {why}", rest.dropped),
        ("dropped, for nobody worked on the lesson", rest.untouched),
        ("kept from before, though the notebook is gone (--fresh drops them)", rest.kept),
        ("kept from before, for the notebook here can't be read or is as it was handed out", rest.poorer),
    ):
        yield what, [f"{names.shown[place.student]} {place.lesson}" for place in places]
    persons = (place for place in rest.elsewhere if names.shown[place.student] not in names.test_students)
    elsewhere = Counter(place.lesson for place in persons)
    counts = [f"{lesson} of {count} {'student' if count == 1 else 'students'}" for lesson, count in elsewhere.items()]
    yield "kept from before, and not among these submissions", counts


def why_again(again: int, others: Sequence[str]) -> str:
    """Why results are graded anew that the report holds already. others: what has changed since, beside what was handed
    in.
    """
    if not others:
        return ""
    return f"; {again} {'was' if again == 1 else 'were'} graded before, with another {' and another '.join(others)}"


def what_happened(before: Sequence[Mark] | None, after: ClassStanding, summary: str, seconds: float) -> Iterator[str]:
    """before: the marks of the last report, None where there was none. summary: of how many were graded."""
    took = f"{seconds:.0f} s" if seconds < MOST_FOR_MINUTES else f"{seconds / 60:.0f} minutes"
    yield f"{summary}, in {took}"
    if before is None:
        return
    old = {which: mark.score for mark in before for which in _which(mark)}
    lessons = {mark.lesson for mark in before}
    shown = [(one.student, row["exercise"]) for one in after.standings for row in one.rows]
    changes = []
    for (student, exercise), mark in zip(shown, after.marks(), strict=True):
        nothing = 0.0 if mark.lesson in lessons else None  # in a lesson that is new to the report, no mark has changed
        earlier = next((old[which] for which in _which(mark) if which in old), nothing)
        if earlier is not None and abs(earlier - mark.score) > 0.005:
            changes.append(f"{student} in {exercise} from {number(earlier)} to {number(mark.score)}")
    if changes:
        yield f"marks changed: {listed(changes)}"


def other_clock(standing: ClassStanding, lessons: Collection[str]) -> Iterator[str]:
    """A line for each of these lessons whose deadline is in another zone than this machine's clock, where the times are
    those of files that were unpacked here from a zip that names no zone.
    """
    unpacked = {one.lesson for one in standing.standings if one.origin.system == MOODLE and one.origin.handed_in}
    for lesson in sorted(unpacked.intersection(lessons)):
        deadline = standing.policy.deadline(lesson)
        if deadline is not None and (here := deadline.astimezone()).utcoffset() != deadline.utcoffset():
            yield (
                f"the deadline of {lesson} is in UTC{deadline:%z}, and the files were unpacked by a clock in "
                f"UTC{here:%z}: give the zip itself, whose times are read in the deadline's zone"
            )


def _which(mark: Mark) -> list[tuple[str, ...]]:
    """By what a mark is known again: the place of what was handed in, and the id of whoever is on the roster."""
    of = (mark.lesson, mark.exercise)
    return [(kind, who, *of) for kind, who in (("place", mark.student), ("person", mark.person)) if who]

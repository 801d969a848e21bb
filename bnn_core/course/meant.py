"""Who and what is meant by a name that was typed after a command, or the line that says that it can't be told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from bnn_core.answers.notebook import exercises_of
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.classroom.directory import MOST_NEAR, Directory, exercise_called, exercises_near
from bnn_core.classroom.standing import Names
from bnn_core.classroom.submissions import Submission
from bnn_core.course.arguments import BadArgument, listed


def students_like(name: str, directory: Directory) -> list[str]:
    """Who may have been meant by a name that nobody has: of few students all."""
    few = directory.students if len(directory.students) <= MOST_NEAR else []
    return directory.near(name) or few


def there_is(near: Sequence[str], otherwise: str) -> str:
    """What a line that says what isn't there ends with. otherwise: where nothing is like it."""
    return f"; there is {listed(near, len(near))}" if near else f"; {otherwise}"


def to_grade_again(wanted: Collection[str], submissions: Sequence[Submission], names: Names) -> list[Submission]:
    """The submissions of each student, and everyone's in each exercise, that was named. Raises BadArgument."""
    called = defaultdict[str, set[str]](set)
    for name, absent in names.absent.items():
        called[name] |= {name, *absent.called}
    for item in submissions:
        shown, person = names.shown[item.student], names.people.get(item.student)
        called[shown] |= {shown, item.student, item.key or item.student, *(person.called if person else ())}
    directory = Directory(called, names.absent)
    found = []
    for name in wanted:
        students, exercise = directory.find(name), exercise_called(name)
        fitting = [item for item in submissions if exercise in exercises_of(item.lesson)]
        if len(students) > 1 and not fitting:
            raise BadArgument(f"{name!r} may be {' or '.join(students)}; give an id")
        fitting += [item for item in submissions if names.shown[item.student] in students[:1]]
        if not fitting:
            raise BadArgument(_nothing(name, students, exercise, submissions, directory))
        found += fitting
    return found


def _nothing(
    name: str, students: Sequence[str], exercise: str, submissions: Sequence[Submission], directory: Directory
) -> str:
    """Why there is nothing to grade again."""
    if students:
        return f"{students[0]} handed in nothing that could be graded again"
    there = [one for lesson in sorted({item.lesson for item in submissions}) for one in exercises_of(lesson)]
    if exercise:
        what = f"{exercise} is an exercise of {EXERCISES[exercise].lesson}, which isn't graded now"
        return f"{what}{there_is(there, 'give its lesson with --lesson')}"
    near = [*students_like(name, directory), *exercises_near(name, there)]
    hint = there_is(near, "--dry-run has all names")
    return f"there is no student and no exercise {name!r} among the submissions{hint}"

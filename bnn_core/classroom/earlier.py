"""What becomes of the results that a report holds already when its class is graded again: which are taken as they are,
which are made anew, and which go. It may not know how a submission is graded, or what is said of any of this.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bnn_core.classroom.journal import Journal, Place
from bnn_core.classroom.sandbox.launching import Limits
from bnn_core.classroom.submissions import Collected, Submission
from bnn_core.classroom.versions import PACKAGE, course_version, environment_version, key_of, lesson_version
from bnn_core.lesson_files import Course


@dataclass(frozen=True)
class Settings:
    """How submissions are graded. seed: None where none has been drawn yet."""

    seed: int | None
    limits: Limits
    unsafe: bool

    def named(self) -> dict[str, str]:
        """By what it is, in short."""
        return {"seed": str(self.seed), "limit or protection": key_of(self.limits, self.unsafe)}

    def circumstances(self) -> dict[str, str]:
        """Every result's, beside its submission, by what it is, in short."""
        code = {"version of the course": course_version(PACKAGE)}
        return code | {"Python or set of packages": environment_version()} | self.named()

    def keys(self, submissions: Sequence[Submission]) -> list[str]:
        """For each submission a key that changes when anything does that its result depends on."""
        course = Course(PACKAGE.parent)
        lessons = {lesson: lesson_version(course, lesson) for lesson in {item.lesson for item in submissions}}
        common = (course_version(PACKAGE), environment_version(), self.seed, self.limits, self.unsafe)
        return [key_of(item.student, item.lesson, item.digest, lessons[item.lesson], *common) for item in submissions]


def others_than_before(journal: Journal, places: Collection[Place], now: Mapping[str, str]) -> list[str]:
    """What is another than when these places were graded before. now: the circumstances, by what each is, in short."""
    before = [journal.circumstances[place.lesson] for place in places if place.lesson in journal.circumstances]
    return [what for what, short in now.items() if any(one.get(what) != short for one in before)]


@dataclass(frozen=True)
class Rest:
    """Earlier results of which nothing was handed in this time: those whose student is gone, those that are dropped,
    those that are kept though the notebook is gone, and those of a lesson that nobody worked on.
    """

    gone: frozenset[Place]
    dropped: frozenset[Place]
    kept: frozenset[Place]
    untouched: frozenset[Place] = frozenset()

    @property
    def leaving(self) -> frozenset[Place]:
        return self.gone | self.dropped | self.untouched


def rest_of(journal: Journal, collected: Collected, lessons: Collection[str], only: str | None, fresh: bool) -> Rest:
    """Of earlier results those go whose student is gone; where only the notebook is gone, they stay, unless everything
    is to be graded anew. A notebook that is there and doesn't count is not gone. A student who is missing here is gone
    from the lessons that are graded now, and not from those of other downloads.

    lessons: those that the course has. only: the one lesson that is graded, where it is one.
    """
    submissions = collected.submissions
    untouched = _of_lessons_nobody_worked_on(journal, collected)
    there = {(item.student, item.lesson) for item in submissions if item.path is not None or item.set_aside}
    students = {item.student for item in submissions}
    lacking = {place for place in journal.latest if place not in there and place.lesson in (only or place.lesson)}
    lacking = {place for place in lacking if place.student in students or place.lesson in collected.lessons}
    lacking -= untouched
    gone = {place for place in lacking if place.student not in students}
    dropped = {place for place in lacking if fresh or place.lesson not in lessons}
    kept = {place for place in lacking - gone - dropped if journal.latest[place].graded.code}
    return Rest(frozenset(gone), frozenset(dropped), frozenset(kept), untouched)


def _of_lessons_nobody_worked_on(journal: Journal, collected: Collected) -> frozenset[Place]:
    """All results of a lesson, where only notebooks that are here as they were handed out brought it into the report:
    an earlier version took such a lesson for one of the class's.
    """
    brought = {place.lesson for place in journal.latest if place in collected.untouched}
    worked_on = {
        place.lesson
        for place, entry in journal.latest.items()
        if any(row["status"] != "not_attempted" for row in entry.graded.rows)
        or (entry.graded.code and place not in collected.untouched)
    }
    return frozenset(place for place in journal.latest if place.lesson in brought - worked_on)

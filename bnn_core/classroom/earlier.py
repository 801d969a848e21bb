"""What becomes of the results that a report holds already when its class is graded again: which are taken as they are,
which are made anew, and which go. It may not know how a submission is graded, or what is said of any of this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bnn_core.classroom.journal import Entry, Journal, Origin, Place
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
    """Earlier results for which nothing was handed in this time that could take their place.

    lessons: those that the submissions are of, and not just one or two of them; brought_along: those that came along
    with the homework on others. gone: the student is no longer among the submissions that were graded before. dropped:
    the notebook is gone, and they are not to be kept. untouched: of a lesson that nobody worked on. empty: rows of who
    handed in nothing then, either. superseded: of who is known by another name now. These leave the report.

    kept: though the notebook is gone. poorer: for what was handed in now can't be read, or is as it was handed out.
    elsewhere: for these submissions are another download, with few of the lesson or none. parting: students of whom
    nothing stays.
    """

    lessons: frozenset[str]
    brought_along: frozenset[str]
    gone: frozenset[Place]
    dropped: frozenset[Place]
    untouched: frozenset[Place]
    empty: frozenset[Place]
    superseded: frozenset[Place]
    kept: frozenset[Place]
    poorer: frozenset[Place]
    elsewhere: frozenset[Place]
    parting: frozenset[str]

    @property
    def leaving(self) -> frozenset[Place]:
        return self.gone | self.dropped | self.untouched | self.empty | self.superseded

    @property
    def staying(self) -> frozenset[Place]:
        return self.kept | self.poorer | self.elsewhere

    def left_to_judge(self, submissions: Iterable[Submission]) -> list[Submission]:
        """Those that no staying result stands in for."""
        return [item for item in submissions if (item.student, item.lesson) not in self.staying]


def rest_of(
    journal: Journal, collected: Collected, lessons: Collection[str], only: str | None, fresh: bool, is_same: bool
) -> Rest:
    """Nobody loses what they worked on because of somebody else's submission. A result goes where its student is gone
    from the submissions that were graded before, or, where everything is to be graded anew, its notebook; and both only
    in a lesson that is this download's: one or two who hand in an earlier lesson once more don't make it so. A notebook
    that is there and doesn't count by the instructor's rule is not gone.

    lessons: those that the course has. only: the one lesson that is graded, where it is one. is_same: whether it is a
    folder that has been graded into this report before; a zip of the same name is a new download.
    """
    submissions = collected.submissions
    untouched = _of_lessons_nobody_worked_on(journal, collected)
    worked_on = {Place(item.student, item.lesson) for item in submissions if item.is_worked_on}
    set_aside = {Place(item.student, item.lesson) for item in submissions if item.set_aside}
    there = {Place(item.student, item.lesson) for item in submissions if item.path is not None} | set_aside
    students = {item.student for item in submissions}
    held = {place for place, entry in journal.latest.items() if is_work(entry)}
    working = worked_on | {Place(one, lesson) for lesson, students in collected.workers.items() for one in students}
    own = lessons_of_most(collected.lessons, working, held)  # of a share, the whole class is there, and its own is held

    concerned = {place for place in journal.latest if place.lesson in (only or place.lesson)} - untouched
    poorer = (concerned & held & there) - worked_on - set_aside
    lacking = {place for place in concerned - there if place.student in students or place.lesson in collected.lessons}
    handed_in = {place for place in lacking if journal.latest[place].graded.code}
    absent = {place for place in lacking if place.student not in students}
    gone = {place for place in absent if is_same and place.lesson in own}
    removed = {place for place in lacking if place.lesson not in lessons or (fresh and place.lesson in own)}
    dropped, empty = (removed - gone) & handed_in, (removed - gone) - handed_in
    left = handed_in - gone - dropped
    kept = {place for place in left - absent if place.lesson in own}
    superseded = _under_another_name(journal, submissions)
    leaving = gone | dropped | empty | untouched | superseded
    parting = {place.student for place in leaving} - {place.student for place in journal.latest.keys() - leaving}
    return Rest(
        frozenset(own),
        frozenset({*collected.lessons} - own | _few(collected.lessons, working)),
        gone=frozenset(gone),
        dropped=frozenset(dropped),
        untouched=untouched,
        empty=frozenset(empty),
        superseded=superseded,
        kept=frozenset(kept - superseded),
        poorer=frozenset(poorer - superseded),
        elsewhere=frozenset(left - kept - superseded),
        parting=frozenset(parting - students - {place.student for place in superseded}),
    )


def _under_another_name(journal: Journal, submissions: Iterable[Submission]) -> frozenset[Place]:
    """Results of who hands in the same lesson with the same number, and is known by another name since a list of the
    class says who it is.
    """
    here = {(item.system, item.key, item.lesson): item.student for item in submissions if item.system}
    found = ((place, journal.origins.get(place, Origin())) for place in journal.latest)
    return frozenset(
        place for place, origin in found
        if here.get((origin.system, origin.key, place.lesson), place.student) != place.student
    )  # fmt: skip


def lessons_of_most(lessons: Collection[str], worked_on: Collection[Place], held: Collection[Place]) -> set[str]:
    """Those of the lessons that are worked on here by at least half as many as in the report."""
    here, there = (Counter(place.lesson for place in places) for places in (worked_on, held))
    return {lesson for lesson in lessons if 2 * here[lesson] >= there[lesson]}


def _few(lessons: Collection[str], worked_on: Collection[Place]) -> set[str]:
    """Those of the lessons that less than half as many worked on here as on another."""
    here = Counter(place.lesson for place in worked_on)
    return {lesson for lesson in lessons if 2 * here[lesson] < max(here.values(), default=0)}


def is_work(entry: Entry) -> bool:
    """Whether a notebook was handed in that somebody had worked on, and that could be read."""
    return bool(entry.graded.code) and any(row["status"] != "not_attempted" for row in entry.graded.rows)


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

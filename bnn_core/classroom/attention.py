"""What an instructor should look at before the marks go out: results that the grader can't answer for alone. It points
and says what to do; it judges nobody.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from bnn_core.autograder.exercise import STILL_A_STUB
from bnn_core.classroom.attempts import NONE_NAMED, SEVERAL_HANDED_IN, USUAL
from bnn_core.classroom.policy import PLAIN, TOTAL, Policy
from bnn_core.classroom.standing import Standing
from bnn_core.classroom.submissions import COURSE_OWN, NO_NOTEBOOK, NONE_FOR_LESSON

Place = tuple[str, str]
"""A student and a lesson."""

NO_PYTHON = "valid Python"
"""In what is said of a cell that can't be parsed."""

LEAST_CLASS = 5
"""So many students are a class of which somebody should have passed something."""

LEAST_ALIKE = 80
"""Characters that an answer must have for its likeness to another to mean anything."""


@dataclass(frozen=True)
class Concern:
    """title: what there is; advice: what to do. groups: those concerned, who are alike in it together; none where it is
    the whole class. about: of each group, in which exercises, where that is to be said.
    """

    title: str
    advice: str
    groups: tuple[tuple[Place, ...], ...]
    about: tuple[str, ...] = ()

    @property
    def students(self) -> int:
        """How many people it concerns."""
        return len({student for group in self.groups for student, _ in group})


def _statuses(*statuses: str) -> Callable[[Standing], bool]:
    return lambda one: any(row["status"] in statuses for row in one.rows)


def _notes(words: str) -> Callable[[Standing], bool]:
    return lambda one: any(words in note for note in one.graded.notes)


def is_nothing(one: Standing) -> bool:
    """Whether nothing was handed in, not even the course's own notebooks."""
    return _said(NO_NOTEBOOK)(one) and not _said(COURSE_OWN)(one)


def _said(words: str) -> Callable[[Standing], bool]:
    return lambda one: any(words in row["message"] for row in one.rows)


def _no_check(one: Standing) -> bool:
    """Whether an answer that is there, and is Python, could not be run at all."""
    return not _notes(NO_PYTHON)(one) and any(
        row["status"] == "error" and not any(check["passed"] for check in row["checks"]) for row in one.rows
    )


def _is_untouched(one: Standing) -> bool:
    return bool(one.rows) and all(
        row["status"] == "not_attempted" and STILL_A_STUB in row["message"] for row in one.rows
    )


def _passed_a_check(one: Standing) -> bool:
    return any(check["passed"] for row in one.rows for check in row["checks"])


def lost_all_to_lateness(one: Standing) -> bool:
    """Whether checks passed, and nothing is left of the points for the time of submission alone."""
    return bool(one.days_late) and not one.points and not one.by_hand and _passed_a_check(one)


_KINDS: tuple[tuple[str, str, Callable[[Standing], bool]], ...] = (
    (
        "It took too long",
        "Look whether the code waits or goes round for ever. If it is merely slow, grade it again with --again NAME "
        "and a longer --timeout.",
        _statuses("timeout"),
    ),
    (
        "No notebook has the lesson's name",
        "Your rules count no other. Rename it and grade again, or tell them; `override` sets a mark.",
        _said(NONE_NAMED),
    ),
    (
        "It can't be read",
        "The page says what was handed in. Ask for the notebook itself.",
        lambda one: _statuses("unreadable")(one) and not _said(NONE_NAMED)(one),
    ),
    (
        "It isn't valid Python",
        "The cell was left out. Look whether a slip of typing cost the marks.",
        _notes(NO_PYTHON),
    ),
    ("It could not be run", "No check got through. Look whether something small stands before it.", _no_check),
    (
        SEVERAL_HANDED_IN,
        "The page says which counts. Ask if it was the one that was meant, or give a rule for `attempt`.",
        _notes(SEVERAL_HANDED_IN),
    ),
    (
        "The course's own notebooks were handed in",
        "They are never graded. If nothing else is there, ask for the learner's notebook.",
        lambda one: _notes(COURSE_OWN)(one) or _said(COURSE_OWN)(one),
    ),
    (
        "A notebook of another lesson, and none of this one",
        "The page names it. Ask for the one that was meant; or grade without `--lesson`, where it was.",
        _said(NONE_FOR_LESSON),
    ),
    (
        "Checks passed, and lateness took all points",
        "The page has the time and the rule. Look whether the time is right; `override` sets a mark.",
        lost_all_to_lateness,
    ),
    (
        "It is as it was handed out",
        "No exercise was begun. Ask whether the right file was handed in.",
        _is_untouched,
    ),
    (
        "Nothing was handed in",
        "Ask whether they are still in the class.",
        is_nothing,
    ),
)


def concerns(standings: Sequence[Standing], strangers: Collection[str] = (), policy: Policy = PLAIN) -> list[Concern]:
    """All that there is, the kinds in the order in which they are worth looking at. strangers: who is in no roster."""
    found = [*_nobody_passed(standings), *_everybody_late(standings)]
    for title, advice, concerned in _KINDS:
        places = [(one.student, one.lesson) for one in standings if concerned(one)]
        is_settled = title == SEVERAL_HANDED_IN and policy.attempt != USUAL  # by a rule, and so nobody need be asked
        if places and not is_settled:
            found.append(Concern(title, advice, tuple((place,) for place in places)))
    near = [(one.student, one.lesson) for one in standings if policy.near(one.lesson, one.points, one.most)]
    advice = "A point more or less decides. Look at what was not run, and at slips; `override` sets a mark."
    if near:
        found.append(Concern("The mark is near a boundary", advice, tuple((place,) for place in near)))
    if near := _totals_near(standings, policy):
        most_lost = f"{advice} The link is to the lesson that cost the most points."
        found.append(Concern("The total is near a boundary", most_lost, tuple((place,) for place in near)))
    if alike := same_answers(standings):
        found.append(
            Concern(
                "The same answer, letter by letter",
                "Comments and all. It may be the published solution, work in pairs, or a copy: a question to ask, and "
                "no verdict.",
                tuple(alike),
                tuple(alike.values()),
            )
        )
    unknown = [(one.student, one.lesson) for one in standings if one.student in strangers]
    if unknown:
        advice = "Add them to the roster, or rename the folder to the id, and grade again: it costs no time."
        found.append(Concern("In no roster", advice, tuple((place,) for place in unknown)))
    return found


def _nobody_passed(standings: Sequence[Standing]) -> list[Concern]:
    """Of each lesson in which a whole class passed nothing, for then it is hardly the class."""
    by_lesson: defaultdict[str, list[Standing]] = defaultdict(list)
    for one in standings:
        if any(row["exercise"] for row in one.rows):
            by_lesson[one.lesson].append(one)
    advice = "Look at one page, and whether the lesson, the download and the installed packages are the right ones."
    return [
        Concern(f"Nobody passed anything in {lesson}", advice, ())
        for lesson, results in by_lesson.items()
        if len(results) >= LEAST_CLASS and not any(map(_passed_a_check, results))
    ]


def _everybody_late(standings: Sequence[Standing]) -> list[Concern]:
    """Of each lesson for which a whole class was late, for then it is hardly the class."""
    advice = (
        "Look at the time on a page. Where the school's system gives none it is the file's own, which copying and "
        "unpacking set anew: grade the zip that you downloaded, or mend the deadline."
    )
    return [Concern(f"Everybody was late in {lesson}", advice, ()) for lesson in lessons_all_late(standings)]


def lessons_all_late(standings: Sequence[Standing]) -> list[str]:
    """The lessons for which everybody of a whole class handed in late."""
    days: defaultdict[str, list[int | None]] = defaultdict(list)
    for one in standings:
        if one.place is not None and one.graded.code:
            days[one.lesson].append(one.days_late)
    return [lesson for lesson, late in days.items() if len(late) >= LEAST_CLASS and all(late)]


def _totals_near(standings: Sequence[Standing], policy: Policy) -> list[Place]:
    """Of everyone whose points in all lessons are near a boundary, the lesson that cost the most points."""
    mine: defaultdict[str, list[Standing]] = defaultdict(list)
    most: defaultdict[str, float] = defaultdict(float)
    for one in standings:
        mine[one.student].append(one)
        most[one.lesson] = max(most[one.lesson], one.most)
    return [
        (student, max(results, key=lambda one: one.most - one.points).lesson)
        for student, results in mine.items()
        if policy.near(TOTAL, sum(one.points for one in results), sum(most.values()))
    ]


def same_answers(standings: Sequence[Standing]) -> dict[tuple[Place, ...], str]:
    """Groups of students of whom an exercise's answer is the same, the largest first, with the exercises of which that
    is so. Who answered nothing isn't among them.
    """
    alike: defaultdict[tuple[str, str], list[Place]] = defaultdict(list)
    for one in standings:
        for row in one.rows:
            answer = answer_in(one, row["exercise"])
            if row["status"] not in ("not_attempted", "unreadable") and len(answer) >= LEAST_ALIKE:
                alike[row["exercise"], answer].append((one.student, one.lesson))
    about: defaultdict[tuple[Place, ...], list[str]] = defaultdict(list)
    for (exercise, _), places in alike.items():
        if len(places) > 1:
            about[tuple(places)].append(exercise)
    return {places: " and ".join(about[places]) for places in sorted(about, key=lambda places: (-len(places), places))}


def answer_in(one: Standing, exercise: str) -> str:
    """The lines of the cell that defines the exercise's answer; empty where none does."""
    if not exercise:
        return ""
    defines = re.compile(rf"^[ \t]*(?:def|class)[ \t]+{re.escape(exercise)}\b", re.MULTILINE)
    cells = ("\n".join(text for _, text in lines) for _, lines in one.graded.code)
    return next((cell for cell in cells if defines.search(cell)), "").strip()

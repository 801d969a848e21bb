"""What a class has come to: the results that a report's journal holds, under the names that the list of the class has,
with a row for everyone on it. Pages, marks and all that is exported are made from this. It may not know how they look.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from bnn_core.answers.notebook import exercises_of
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.classroom import attempts
from bnn_core.classroom.directory import Directory, exercise_called
from bnn_core.classroom.downloads import is_test_student
from bnn_core.classroom.grading import Graded, Row, graded_as_missing
from bnn_core.classroom.journal import Journal, Mark, Origin, Place
from bnn_core.classroom.overrides import OVERRIDES, Override
from bnn_core.classroom.policy import PLAIN, HandedIn, Policy, apply, in_words, read_policy, time_shown
from bnn_core.classroom.results import number
from bnn_core.classroom.roster import Matched, Person, match, shown_names
from bnn_core.classroom.spellings import in_any_order, letters_of, plain, without_key
from bnn_core.classroom.submissions import Submission
from bnn_core.classroom.text import as_name, clean, natural

UNKNOWN = Origin()
"""Of results that were graded before origins were noted, and of who handed in nothing."""


@dataclass(frozen=True)
class Names:
    """By which name each student of the submissions is shown, who is whom, and who of the class handed in nothing.

    strangers: who is not of the class, as far as can be told. unclear: of these, who may be one of several of the
    class; perhaps: the ones of the class whom they may be, and of whom it can't be said that they handed in nothing.
    test_students: the names of the school's system's own, who are no persons of the class.
    """

    shown: Mapping[str, str]
    people: Mapping[str, Person]
    absent: Mapping[str, Person]
    strangers: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()
    test_students: tuple[str, ...] = ()

    @property
    def enrolled(self) -> dict[str, Person]:
        """Everyone on the list of the class, by the name shown."""
        return {**{self.shown[student]: person for student, person in self.people.items()}, **self.absent}


@dataclass(frozen=True)
class ByHand:
    """A score that a person set. own: the one that the checks gave."""

    score: float
    own: float
    comment: str

    def told(self, exercise: str) -> str:
        reason = f": {self.comment}" if self.comment else ""
        return f"{exercise} {number(self.score)} (grader: {number(self.own)}){reason}"


@dataclass(frozen=True)
class Standing:
    """A student's result in a lesson, as it is shown.

    place: where it stands in the journal; None for who handed in nothing. by_hand: by exercise, what a person decided.
    once: what an earlier list of the class called the student. goes_back_to: the submission of the lesson's own
    assignment, to which feedback belongs.
    rules: sentences on what the policy changed; policy: on how points come about in this lesson. handed_in: when, as it
    is shown.
    """

    student: str
    lesson: str
    graded: Graded
    place: Place | None = None
    person: Person | None = None
    once: frozenset[str] = frozenset()
    origin: Origin = UNKNOWN
    goes_back_to: Origin = UNKNOWN
    by_hand: Mapping[str, ByHand] = field(default_factory=dict)
    rules: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()
    days_late: int | None = None
    handed_in: str = ""

    @property
    def rows(self) -> list[Row]:
        return self.graded.rows

    @property
    def called(self) -> set[str]:
        """All that the student may be called by."""
        found = {self.student, *(self.person.called if self.person is not None else ())}
        return found | ({self.place.student, self.origin.key or self.student} if self.place else set())

    @property
    def points(self) -> float:
        return float(sum(row["score"] for row in self.rows))

    @property
    def most(self) -> float:
        """The points that could be had."""
        return float(sum(row["max_score"] for row in self.rows))


@dataclass(frozen=True)
class ClassStanding:
    """Everyone's results, in the order of names and lessons. apart: those of the school's system's test student, which
    count nowhere.
    """

    standings: tuple[Standing, ...]
    names: Names
    apart: tuple[Standing, ...] = ()
    seeds: frozenset[int] = field(default_factory=frozenset)
    unfit: tuple[str, ...] = ()
    """A sentence for each override of what doesn't exist."""

    policy: Policy = PLAIN

    @property
    def rows(self) -> list[Row]:
        return [row for standing in self.standings for row in standing.rows]

    @property
    def ids(self) -> dict[str, str]:
        """By the name shown, the id of everyone who is on the list of the class."""
        return {one.student: one.person.id for one in self.standings if one.person is not None}

    def marks(self) -> list[Mark]:
        """What everyone has in every exercise."""
        return [
            Mark(one.place.student if one.place else "", one.person.id if one.person else "", one.lesson,
                 row["exercise"], row["score"])
            for one in self.standings
            for row in one.rows
        ]  # fmt: skip

    def told_by_hand(self) -> dict[tuple[str, str], str]:
        """By student and lesson what a person decided, with the grader's own marks, in a line."""
        return {
            (one.student, one.lesson): "; ".join(said.told(exercise) for exercise, said in one.by_hand.items())
            for one in self.standings
            if one.by_hand
        }

    def called_by(self) -> dict[str, set[str]]:
        """For each student all that they may be called by."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for one in self.standings:
            found[one.student] |= one.called
        return dict(found)

    def directory(self) -> Directory:
        """Finds the students of the class by whatever they are called by."""
        with_work = {one.student for one in self.standings if one.place is not None}
        called = self.called_by()
        once = {one.student: one.once for one in self.standings}
        return Directory(called, called.keys() - with_work, once)


def names_of(
    called: Mapping[str, Collection[str]], people: Sequence[Person], test_students: Collection[str] = ()
) -> Names:
    """called: for each student of the submissions what they are called by. people: the class, nobody where no list of
    it was given. test_students: of the submissions, those that a platform calls so.
    """
    matched: Matched = match(called, people)
    tests = {student for student, person in matched.people.items() if is_test_student(person.name)} | set(test_students)
    others = sorted((student for student in called if student not in matched.people), key=natural)
    names, apart = shown_names(people, others)
    shown = apart | {student: names[person] for student, person in matched.people.items()}
    there = set(matched.people.values()) | matched.perhaps
    missing = {names[person]: person for person in people if person not in there}
    strangers = {student: name for student, name in apart.items() if people and student not in tests}
    return Names(
        shown,
        {student: person for student, person in matched.people.items() if student not in tests},
        {name: person for name, person in missing.items() if not is_test_student(person.name)},
        tuple(strangers.values()),
        tuple(strangers[one] for one in matched.unclear if one in strangers),
        tuple(sorted((names[person] for person in matched.perhaps), key=natural)),
        (*(shown[one] for one in sorted(tests)), *(name for name in missing if is_test_student(name))),
    )


def called_in(journal: Journal, submissions: Iterable[Submission] = ()) -> dict[str, set[str]]:
    """What every student is called by, of those in the journal and of some submissions."""
    called: defaultdict[str, set[str]] = defaultdict(set)
    for place in journal.latest:
        called[place.student] |= {place.student, *(origin.key or place.student for _, origin in journal.tried(place))}
    for item in submissions:
        called[item.student] |= {item.student, item.key or item.student}
    return {student: names | {*journal.identities.get(student, ())} for student, names in called.items()}


def systems_test_students(journal: Journal, submissions: Iterable[Submission] = ()) -> set[str]:
    """Of those in the journal and of some submissions, those whom the platform calls a test student."""
    systems = {place.student: journal.origins.get(place, UNKNOWN).system for place in journal.latest}
    systems |= {item.student: item.system for item in submissions}
    return {student for student, system in systems.items() if system and is_test_student(student)}


def class_standing(journal: Journal, overrides: Sequence[Override] = ()) -> ClassStanding:
    """overrides: what a person decided; of two about the same mark the later counts."""
    called = called_in(journal)
    names = names_of(called, journal.people, systems_test_students(journal))
    once = _called_once(called, journal.once_people)
    standings: list[Standing] = []
    for place in journal.latest:
        student, person = names.shown[place.student], names.people.get(place.student)
        tried = journal.tried(place)
        own = next((origin for _, origin in tried if not origin.brought_along), None)
        for entry, origin in tried:
            graded, back = entry.of(student).graded, own if origin.brought_along and own is not None else origin
            standings.append(Standing(student, place.lesson, graded, place, person, once[place.student], origin, back))
    there = {(one.student, one.lesson) for one in standings}
    unclear = {(_letters(one), one.lesson) for one in standings if one.student in names.unclear}
    for lesson in {place.lesson for place in journal.latest if exercises_of(place.lesson)}:
        for student, person in names.enrolled.items():
            may_be = {(letters, lesson) for letters in in_any_order(plain(person.name))}
            if (student, lesson) in there or may_be & unclear:
                continue
            nothing = graded_as_missing(Submission(student, lesson, None, Path()))
            standings.append(Standing(student, lesson, nothing, person=person))
    standings.sort(key=lambda one: (natural(one.student), natural(one.lesson)))
    seeds = frozenset(entry.seed for entry in journal.latest.values() if entry.seed is not None)
    policy = read_policy(journal.policy)
    standings = _by_policy(policy, standings)
    of_class = tuple(one for one in standings if one.student not in names.test_students)
    apart = tuple(one for one in standings if one.student in names.test_students)
    return _with_overrides(ClassStanding(of_class, names, apart, seeds, policy=policy), overrides)


def _letters(one: Standing) -> str:
    """Those of the name alone, of who stands apart by a number behind it."""
    return letters_of(plain(without_key(one.student, [one.origin.key])))


def _called_once(
    called: Mapping[str, Collection[str]], lists: Iterable[Sequence[Person]]
) -> defaultdict[str, frozenset[str]]:
    """For each student of the submissions, what they were called by on earlier lists of the class."""
    found: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
    for people in lists:
        for student, person in match(called, people).people.items():
            found[student] |= person.called
    return found


def _by_policy(policy: Policy, standings: Sequence[Standing]) -> list[Standing]:
    """Everyone's results with the points that the policy gives; of several attempts the one that counts."""
    found = []
    words = {lesson: tuple(in_words(policy, lesson)) for lesson in {one.lesson for one in standings}}
    for _, group in groupby(standings, key=lambda one: one.student):
        mine = list(group)
        times = [HandedIn(one.origin.handed_in, one.origin.late) for one in mine]
        applied = apply(policy, [(one.lesson, when, one.rows) for one, when in zip(mine, times, strict=True)])
        for one, when, result in zip(mine, times, applied, strict=True):
            if not result.counts:
                continue
            points = [its.points for other, its in zip(mine, applied, strict=True) if other.lesson == one.lesson]
            counts = _counts(one.origin, points)
            graded = replace(one.graded, rows=result.rows, notes=[*counts, *one.graded.notes])
            shown = time_shown(policy, when) if one.graded.code else ""
            one = replace(one, graded=graded, rules=result.rules, policy=words[one.lesson])
            found.append(replace(one, days_late=result.days_late, handed_in=shown))
    return found


def _counts(origin: Origin, points: Sequence[float]) -> list[str]:
    """Which attempt counts, for its page. points: of all that were graded, after all rules."""
    why = origin.why
    if len(points) > 1:
        why = f"it has the most points ({' and '.join(map(number, points))}, in the order of time)"
    said = attempts.told(origin.file, origin.others, origin.attempt, origin.attempts, why)
    if len(points) > 1 and not said:
        said = f"The lesson was handed in again along with another one's homework. {origin.file} counts, for {why}."
    return [said] if said else []


def origin_of(submission: Submission, version: str = "", brought_along: bool = False) -> Origin:
    """version: of the course that graded it. brought_along: with a download of other lessons."""
    one = submission
    others = as_name(one.others) if one.path is not None else ""
    file = as_name(one.name)
    about = (others, one.attempt, one.attempts, one.why, brought_along)
    return Origin(one.key, one.system, one.entry, one.handed_in, one.late, file, version, *about)


def _with_overrides(standing: ClassStanding, overrides: Sequence[Override]) -> ClassStanding:
    directory = standing.directory()
    results = {(one.student, row["exercise"]): (one, row) for one in standing.standings for row in one.rows}
    decided: dict[tuple[str, str], Override] = {}
    unfit = []
    for override in overrides:
        found = directory.find(override.student)
        override = replace(override, exercise=exercise_called(override.exercise) or override.exercise)
        if why := misfit(
            override, found, results.get((found[0], override.exercise), (None, None))[1] if found else None
        ):
            unfit.append(f"{OVERRIDES}, line {override.line}: {why}")
        else:
            decided[found[0], override.exercise] = override
    return replace(
        standing,
        standings=tuple(_decided(one, decided) for one in standing.standings),
        unfit=tuple(unfit),
    )


def misfit(override: Override, students: Sequence[str], row: Row | None) -> str:
    """Why an override fits nothing, in a sentence; empty where it fits. students: who may be meant; row: the result."""
    if not students:
        return f"nobody in the report is called {override.student!r}"
    if len(students) > 1:
        return f"{override.student!r} may be {' or '.join(students)}; give an id"
    if row is None or not override.exercise:
        known = EXERCISES.get(override.exercise)
        of_lesson = f", which is of {known.lesson}" if known is not None else ""
        return f"{students[0]} has no result of an exercise {override.exercise!r}{of_lesson}"
    if not 0 <= override.score <= row["max_score"]:
        return (
            f"{number(override.score)} is not among the points of {override.exercise}, 0 to {number(row['max_score'])}"
        )
    return ""


def _decided(one: Standing, decided: Mapping[tuple[str, str], Override]) -> Standing:
    by_hand, rows = {}, []
    for row in one.rows:
        override = decided.get((one.student, row["exercise"]))
        if override is not None:
            comment = clean(override.comment)
            by_hand[row["exercise"]] = ByHand(override.score, row["score"], comment)
            told = f"Set by hand from {number(row['score'])} to {number(override.score)} points"
            before = f"{row['message'].rstrip('.')}. " if row["message"] else ""
            message = f"{before}{told}{': ' if comment else '.'}{comment}"
            row = row | {"score": override.score, "message": message}
        rows.append(row)
    return replace(one, by_hand=by_hand, graded=replace(one.graded, rows=rows)) if by_hand else one

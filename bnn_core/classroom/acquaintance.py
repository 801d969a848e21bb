"""Which student of a report somebody is who hands in again: known by the platform's number, by what a list of the class
says, or by a name. It may not know what a submission holds, or what becomes of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bnn_core.classroom.directory import Directory
from bnn_core.classroom.downloads import CANVAS, MOODLE
from bnn_core.classroom.journal import Journal, Place
from bnn_core.classroom.roster import Person, is_called
from bnn_core.classroom.spellings import letters_of, plain, without_key
from bnn_core.classroom.standing import UNKNOWN, called_in, names_of

NUMBERED_ANEW = (
    "Moodle numbers its students anew in each assignment, so that without a roster they are known again by name alone: "
    "two of one name stand apart in each homework, or may be taken for one. --roster with the grading worksheet of "
    "each assignment tells them apart"
)
OTHER_NUMBERS = (
    "the roster has other numbers than this download of Moodle's: --roster with the grading worksheet of this "
    "assignment tells two of one name apart"
)


@dataclass(frozen=True, order=True)
class Arrival:
    """A student of the submissions, as a folder or a platform names them. key: what tells them from others there.
    lessons: those that were handed in.
    """

    name: str
    system: str
    key: str
    lessons: tuple[str, ...] = ()

    @property
    def own_name(self) -> str:
        """Without the key that stands behind it where two are called alike."""
        return without_key(self.name, [self.key])


def arrivals_in(handed_in: Iterable[tuple[str, str, str, str]]) -> list[Arrival]:
    """handed_in: the student, the system, the key and the lesson of each submission."""
    lessons: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    for student, system, key, lesson in handed_in:
        lessons[student, system, key].add(lesson)
    return [Arrival(*who, tuple(sorted(theirs))) for who, theirs in sorted(lessons.items())]


def known_again(journal: Journal, people: Sequence[Person], arrivals: Sequence[Arrival]) -> dict[str, str]:
    """By which name the report knows each student, where it isn't the one that they arrive with. Who is called as
    somebody else of the report is gets a name of their own. people: the class, as far as there is a list.
    """
    report = _Report(journal, people)
    known = _by_number(report, arrivals) | _by_lists(report, arrivals) | _by_name(journal, people, arrivals)
    meant = Counter(known.values())
    known = {student: one for student, one in known.items() if meant[one] == 1}
    taken = journal.students | {one.name for one in arrivals} | set(known.values())
    theirs = set(known.values())
    is_same_assignment = report.has_mostly(arrivals)
    for one in arrivals:
        if one.name not in known and (one.name in theirs or report.is_other(one, is_same_assignment)):
            name = f"{one.own_name} ({one.key})"
            while name in taken:
                name += "'"
            taken.add(name)
            known[one.name] = name
    return {student: one for student, one in known.items() if student != one}


def are_of_another_list(people: Sequence[Person], arrivals: Sequence[Arrival]) -> bool:
    """Whether the list has Moodle's numbers of another assignment."""
    numbers = {number for person in people for number in person.passing}
    keys = {one.key for one in arrivals if one.system == MOODLE}
    return bool(numbers and keys) and numbers.isdisjoint(keys)


def numbered_anew(journal: Journal, people: Sequence[Person], arrivals: Sequence[Arrival]) -> bool:
    """Whether students of Moodle are known again by nothing but their names."""
    held = _keys_in(journal)
    again = [held[MOODLE, one.name] for one in arrivals if (MOODLE, one.name) in held and one.system == MOODLE]
    keys = {one.key for one in arrivals}
    return not people and bool(again) and keys.isdisjoint(set().union(*again))


class _Report:
    """What a report knows of its students.

    keys: by platform and student, the numbers that the results came with. people: of Moodle's numbers, who has each on
    the newest list that knows it, where that says who it is in other assignments too. identities: whose each id is.
    """

    def __init__(self, journal: Journal, people: Sequence[Person]) -> None:
        self.keys = _keys_in(journal)
        self.key_at = {
            place: origin.key for place, origin in journal.origins.items()
            if place in journal.latest and origin.system == MOODLE and not origin.brought_along
        }  # fmt: skip
        self.people = {
            number: person
            for of_list in (*journal.once_people, journal.people, people)
            for person in of_list
            if person.lasting
            for number in person.passing
        }
        self.ids = {student: frozenset(ids) for student, ids in journal.identities.items()}
        self.identities: defaultdict[str, set[str]] = defaultdict(set)
        for student, ids in self.ids.items():
            for one in ids:
                self.identities[one].add(student)

    def person(self, one: Arrival) -> Person | None:
        person = self.people.get(one.key) if one.system == MOODLE else None
        return person if person is not None and is_called(person, one.own_name) else None

    def numbers(self, one: Arrival) -> set[str]:
        """Those that whoever is called so in the report had in these very lessons."""
        places = (Place(one.name, lesson) for lesson in one.lessons)
        return {self.key_at[place] for place in places if place in self.key_at} if one.system == MOODLE else set()

    def has_mostly(self, arrivals: Sequence[Arrival]) -> bool:
        """Whether those of Moodle's whose names are known have mostly the numbers that they had, as in a download of an
        assignment that is in the report already.
        """
        known = [(one.key, numbers) for one in arrivals if (numbers := self.numbers(one))]
        return 2 * sum(key in numbers for key, numbers in known) >= len(known)

    def is_other(self, one: Arrival, is_same_assignment: bool) -> bool:
        """Whether somebody who is called like a student of the report is certainly another: by the number that Canvas
        gives to each person, by the lists of the class, or by that which Moodle gave in the same assignment.
        """
        keys = self.keys.get((one.system, one.name), set())
        if not keys or one.key in keys:
            return False
        person, ids = self.person(one), self.ids.get(one.name)
        if person is not None and ids:
            return person.lasting.isdisjoint(ids)
        return one.system == CANVAS or (bool(self.numbers(one)) and is_same_assignment)


def _by_number(report: _Report, arrivals: Sequence[Arrival]) -> dict[str, str]:
    """By the number that the platform gives: Canvas one to each person, Moodle one in each assignment, where the name
    must be the same as well.
    """
    owners: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for (system, student), keys in report.keys.items():
        for key in keys:
            owners[_sign(Arrival(student, system, key))].add(student)
    found = {one.name: owners.get(_sign(one), set()) for one in arrivals if one.system in (CANVAS, MOODLE)}
    return {student: next(iter(ones)) for student, ones in found.items() if len(ones) == 1}


def _by_lists(report: _Report, arrivals: Sequence[Arrival]) -> dict[str, str]:
    """By what the lists of the class say of a number that holds in one assignment alone: which address it is of, and
    what number that address had before.
    """
    known = {}
    for one in arrivals:
        if person := report.person(one):
            fitting = set().union(*(report.identities.get(identity, set()) for identity in person.lasting))
            if len(fitting) == 1:
                known[one.name] = next(iter(fitting))
    return known


def _by_name(journal: Journal, people: Sequence[Person], arrivals: Sequence[Arrival]) -> dict[str, str]:
    """Who is on the list of the class, and handed in with no platform around it: in a folder called by a name or an id
    of theirs. Nobody who may be two people, or whose own submission is there as well.
    """
    here = {one.name for one in arrivals}
    names = names_of(called_in(journal), people)
    directory = Directory({one: {one, names.shown[one], *person.called} for one, person in names.people.items()})
    new = {one.name for one in arrivals if not one.system} - journal.students
    found = {student: directory.find(student) for student in new}
    return {student: ones[0] for student, ones in found.items() if len(ones) == 1 and ones[0] not in here}


def _keys_in(journal: Journal) -> dict[tuple[str, str], set[str]]:
    """By platform and student, the numbers that the report's results came with."""
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for place in journal.latest:
        for _, origin in journal.tried(place):
            if origin != UNKNOWN:
                found[origin.system, place.student].add(origin.key)
    return dict(found)


def _sign(one: Arrival) -> tuple[str, ...]:
    return (one.system, one.key, *([letters_of(plain(one.own_name))] if one.system == MOODLE else []))

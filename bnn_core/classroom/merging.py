"""Shares of a class that were graded apart, as the one class that they are: whether they belong together, whether any
is missing, and every result that counts. It reads what gradings wrote and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnn_core.classroom.acquaintance import arrivals_in, known_again
from bnn_core.classroom.journal import Entry, Journal, Origin, Place
from bnn_core.classroom.refusals import Unusable
from bnn_core.classroom.roster import Person
from bnn_core.classroom.shares import Part, Share

MOST_NAMED = 20


class Unmergeable(Unusable):
    """These shares make no class."""


@dataclass(frozen=True)
class GradedShare:
    """A share that was graded, and where its journal lies. home: the folder of the submissions."""

    folder: Path
    journal: Journal
    part: Part
    home: Path


class Merged:
    """All shares of a class. `newest` is the one that looked last into the folder of submissions: who was there then is
    in the class, as far as the lessons that were graded then go.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        """Raises Unmergeable where a share is missing, is there twice, is not finished or is another class's."""
        self.shares = [_share_in(folder) for folder in folders]
        self.newest = max(self.shares, key=lambda one: one.part.time)
        for wrong in (self._foreign, self._twice, self._missing, self._behind):
            if sentence := next(wrong(), ""):
                raise Unmergeable(sentence)
        self._known_as: Mapping[str, str] = {}

    @property
    def students(self) -> frozenset[str]:
        return frozenset(map(self._known, self.newest.part.students))

    @property
    def seed(self) -> int:
        return int(self.newest.part.alike["seed"])

    @property
    def lessons(self) -> tuple[str, ...]:
        return self.newest.part.lessons

    def results(self) -> Iterator[tuple[Place, Entry, Origin]]:
        """The results of all who are in the class, in the order of students and lessons; and of others those in lessons
        that were graded before.
        """
        students = self.students
        found = [(place, share.journal) for share in self.shares for place in share.journal.latest]
        for place, journal in sorted(found, key=lambda one: one[0]):
            student = self._known(place.student)
            if student in students or place.lesson not in self.newest.part.now:
                entry = journal.latest[place].of(student)
                yield entry.place, entry, journal.origins.get(place, Origin())

    def attempts(self, place: Place) -> list[tuple[Entry, Origin]]:
        """Where the best of several attempts counts, all of them, in the order of time."""
        arrived = {known: student for student, known in self._known_as.items()}
        own = Place(arrived.get(place.student, place.student), place.lesson)
        journal = next(one.journal for one in self.shares if one.part.share.holds(own.student))
        tried = journal.tried(own) if own in journal.attempts else []
        return [(entry.of(place.student), origin) for entry, origin in tried]

    def know_again(self, journal: Journal, people: Sequence[Person]) -> None:
        """Call every student by the name by which the journal knows them. people: the class, where there is a list."""
        found = [(place, origin) for place, _, origin in self.results() if place.lesson in self.newest.part.now]
        arrivals = arrivals_in((place.student, origin.system, origin.key, place.lesson) for place, origin in found)
        self._known_as = known_again(journal, people, arrivals)

    def _known(self, student: str) -> str:
        return self._known_as.get(student, student)

    def _foreign(self) -> Iterator[str]:
        """What was graded in another way than most, or is of another class."""
        usual = Counter(one.part.share.count for one in self.shares).most_common(1)[0][0]
        like = next(one for one in self.shares if one.part.share.count == usual)
        for one in self.shares:
            if one.part.share.count != usual:
                other = f"{like.folder} is {like.part.share}"
                yield f"{one.folder} is {one.part.share}, and {other}; grade the class in as many shares everywhere"
        for what in like.part.alike:
            values = Counter(one.part.alike.get(what, "") for one in self.shares)
            most = values.most_common(1)[0][0]
            like = next(one for one in self.shares if one.part.alike.get(what, "") == most)
            for one in self.shares:
                if one.part.alike.get(what, "") != most:
                    yield f"{one.folder} was graded with another {what} than {like.folder}; grade one of them again"
        everyone = set(self.newest.part.students)
        for one in self.shares:
            common = everyone.intersection(one.part.students)
            if 2 * len(common) < min(len(everyone), len(one.part.students)):
                yield f"{one.folder} is of another class than {self.newest.folder}; give the shares of one"

    def _twice(self) -> Iterator[str]:
        first: dict[Share, GradedShare] = {}
        for one in self.shares:
            if (before := first.setdefault(one.part.share, one)) is not one:
                yield f"{before.folder} and {one.folder} are both {one.part.share}; give one of them"

    def _missing(self) -> Iterator[str]:
        there, count = {one.part.share.number for one in self.shares}, self.newest.part.share.count
        lacking = [number for number in range(1, count + 1) if number not in there]
        begun = [one.part.share.number for one in self.shares if not one.part.is_done]
        said = [
            f"{_shares(numbers)} of {count} {'is' if len(numbers) == 1 else 'are'} {what}"
            for numbers, what in ((lacking, "missing"), (begun, "not finished"))
            if numbers
        ]
        if said:
            yield f"{'; '.join(said)}: grade {'it' if len(lacking + begun) == 1 else 'them'} and merge again"

    def _behind(self) -> Iterator[str]:
        """Shares that were graded before something of theirs was handed in, or on other lessons."""
        lessons = {lesson for one in self.shares for lesson in one.part.lessons}
        for one in self.shares:
            if lacking := sorted(lessons.difference(one.part.lessons)):
                yield f"{one.folder} was not graded on {', '.join(lacking)}, as others were; grade it again"
        known = {one.part.share: set(one.part.students) for one in self.shares}
        count = self.newest.part.share.count
        late = [name for name in self.newest.part.students if name not in known[Share.of(name, count)]]
        if late:
            numbers = sorted({Share.of(name, count).number for name in late})
            yield f"{_shares(numbers)} of {count} was graded before {late[0]} was there; grade it again"


def _share_in(folder: Path) -> GradedShare:
    journal = Journal(folder)
    if journal.part is None or not journal.homes:
        raise Unmergeable(f"{folder} holds no share of a class; `bnn-course grade --shard` makes one")
    return GradedShare(folder, journal, journal.part, journal.homes[-1])


def _shares(numbers: Sequence[int]) -> str:
    """As in "share 3", or "shares 1 and 3"."""
    more = len(numbers) - MOST_NAMED
    *first, last = [*map(str, numbers[:MOST_NAMED]), *([f"{more} more"] if more > 0 else [])]
    return f"shares {', '.join(first)} and {last}" if first else f"share {last}"

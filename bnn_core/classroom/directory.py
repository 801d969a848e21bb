"""Who and what a person means who types a name: a student by whatever they may be called, an exercise, a lesson. It is
the one way for everything that takes a name.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher

from bnn_core.autograder.exercises import EXERCISES
from bnn_core.classroom.spellings import in_any_order, letters_of, plain, words_of

LEAST_LIKE, MOST_NEAR = 0.7, 5
"""How like each word of a name must be to one of another's to mean it, and how many are suggested."""

LEAST_PART = 3
"""Letters with which a name that is written in one word may begin or end."""

_SPELLINGS: tuple[Callable[[str], Collection[str]], ...] = (
    lambda name: {name.casefold()},
    lambda name: {words_of(name)},
    lambda name: {words_of(plain(name))},
    lambda name: in_any_order(plain(name)),
)
"""The surest first; the second finds "Lovelace, Ada" where "Ada Lovelace" stands, the last "lovelaceada"."""

_Owners = list[dict[str, set[str]]]


class Directory:
    """Finds students by whatever they are called by.

    called_by: by the name shown. without_work: of these, who handed in nothing. once: what somebody was called by an
    earlier list of the class, by which they are known where no other is.
    """

    def __init__(
        self,
        called_by: Mapping[str, Collection[str]],
        without_work: Collection[str] = (),
        once: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self._students = set(called_by)
        self._without_work = frozenset(without_work)
        self._owners = _owners(called_by)
        self._once = _owners(once or {})

    def find(self, name: str) -> list[str]:
        """Nobody, one, or those of whom it can't be told which is meant.

        A row of nothing takes no name by which somebody with a notebook may be meant: that would move their mark to it.
        Who was called exactly so on an earlier list keeps the mark.
        """
        found = {name} & self._students or next(filter(None, _found(name, self._owners)), set())
        if found <= self._without_work:
            earlier = _found(name, self._once)
            if len(exactly := earlier[0] - self._without_work) == 1:
                return list(exactly)
            found = found | (set().union(*_found(name, self._owners), *earlier) - self._without_work)
        return sorted(found)

    def near(self, name: str) -> list[str]:
        """All of whose names this is a part; or else the few whose names are most like it in each of its words, so that
        a family's name alone is no likeness.
        """
        likeness = {student: _likeness(name, student) for student in self.students}
        if parts := [student for student in self.students if likeness[student] == 1]:
            return parts
        near = [student for student in self.students if likeness[student] >= LEAST_LIKE]
        return sorted(near, key=lambda student: -likeness[student])[:MOST_NEAR]

    @property
    def students(self) -> list[str]:
        return sorted(self._students)


def exercise_called(name: str) -> str:
    """The exercise of this name, however its words are joined and whatever their case; empty where there is none."""
    fitting = [exercise for exercise in EXERCISES if letters_of(exercise) == letters_of(name)]
    return name if name in EXERCISES else fitting[0] if len(fitting) == 1 else ""


def exercises_near(name: str, known: Iterable[str] = EXERCISES) -> list[str]:
    """Those whose names are like this one."""
    by_letters = {letters_of(exercise): exercise for exercise in known}
    return [by_letters[one] for one in difflib.get_close_matches(letters_of(name), by_letters, 3, LEAST_LIKE)]


def _owners(called_by: Mapping[str, Collection[str]]) -> _Owners:
    """For each spelling, whose each name is."""
    owners: _Owners = [defaultdict(set) for _ in _SPELLINGS]
    for student, names in called_by.items():
        for name in names:
            for mine, spelt in zip(owners, _SPELLINGS, strict=True):
                for one in spelt(name):
                    mine[one].add(student)
    return owners


def _found(name: str, owners: _Owners) -> list[set[str]]:
    """For each spelling, whose this name may be."""
    return [
        set().union(*(mine.get(one, ()) for one in spelt(name))) for mine, spelt in zip(owners, _SPELLINGS, strict=True)
    ]


def _likeness(name: str, other: str) -> float:
    """From 0 to 1, of that word of a name to which none of the other's is like; where the other is written in one word,
    of all letters.
    """
    words, others = (words_of(plain(one)).split() for one in (name, other))
    if len(others) == 1:
        letters = [one for one in in_any_order(plain(name)) if len(one) >= LEAST_PART]
        is_part = any(others[0].startswith(one) or others[0].endswith(one) for one in letters)
        return 1.0 if is_part else _ratio(letters, others)
    return min((_ratio([word], others) for word in words), default=0.0)


def _ratio(ones: Iterable[str], others: Sequence[str]) -> float:
    """How like the likest of these are."""
    return max((SequenceMatcher(None, one, other).ratio() for one in ones for other in others), default=0.0)

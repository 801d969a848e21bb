"""A share of a class that is graded in several places: whose submissions are in it, and what a grading of it notes, by
which shares are known to belong together. It may not know how anything is graded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

MOST_SHARES = 100_000

_WRITTEN = re.compile(r"([0-9]+)/([0-9]+)")


@dataclass(frozen=True)
class Share:
    """One of `count` shares, which count from 1. A student's name alone decides on the share, so that who comes later
    moves nobody to another.
    """

    number: int
    count: int

    @classmethod
    def written(cls, text: str) -> Share:
        """The share that is written as in "3/8". Raises ValueError."""
        found = _WRITTEN.fullmatch(text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]) <= MOST_SHARES:
            raise ValueError(f"{text!r} is no share; write 3/8 for the third of eight")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, student: str, count: int) -> Share:
        """The one of `count` shares in which a student is."""
        digest = hashlib.sha256(student.encode("utf-8", "surrogatepass")).digest()
        return cls(int.from_bytes(digest[:8], "big") % count + 1, count)

    def holds(self, student: str) -> bool:
        return self == Share.of(student, self.count)

    def __str__(self) -> str:
        return f"share {self.number} of {self.count}"


@dataclass(frozen=True)
class Part:
    """What the grading of a share notes.

    alike: by what it is, all that the shares of a class must have in common, in short. students: everyone in the
    folder of submissions, and when it was looked into, in seconds since 1970. lessons: those that the class was graded
    on, in this grading and before; now: those that this one's submissions are of, and not just a few of them. is_done:
    whether every submission of the share has been graded.
    """

    share: Share
    alike: Mapping[str, str]
    students: tuple[str, ...]
    time: float
    lessons: tuple[str, ...]
    is_done: bool = False
    now: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Part:
        """Raises KeyError, TypeError or ValueError where it is none."""
        share = Share.written(f"{value['share']['number']}/{value['share']['count']}")
        alike = {str(what): str(short) for what, short in value["alike"].items()}
        students, lessons = (tuple(map(str, value[name])) for name in ("students", "lessons"))
        now = tuple(map(str, value.get("now", lessons)))  # from before it was noted
        return cls(share, alike, students, float(value["time"]), lessons, bool(value["is_done"]), now)

"""What is kept of a grading: a line per submission as soon as it is graded, by which an interrupted grading goes on and
a later one adds to the report. It may not know how a submission is graded or shown.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import IO, Any, NamedTuple, get_args, get_origin, get_type_hints

from bnn_core.classroom.grading import Graded, Row
from bnn_core.classroom.refusals import Busy
from bnn_core.classroom.roster import Person
from bnn_core.classroom.shares import Part

if sys.platform != "win32":
    import fcntl
else:
    fcntl = None

JOURNAL = "results.jsonl"
STATUSES = ("passed", "failed", "not_attempted", "error", "timeout", "unreadable")

_RESULTS = ({"key", "graded"}, {"key", "seed", "graded"})
_NOTES = ("seed", "home", "again", "people", "policy", "origins", "attempts", "part", "left", "circumstances", "marks",
          "identities")  # fmt: skip
_LINES = (*({name} for name in _NOTES), *_RESULTS)

_ORIGIN = tuple[str, str, str, str, bool, str, str, str, int, int, str, bool]
_ORIGIN_BEFORE = tuple[str, str, str, str, bool, str, str, str, int, int, str]  # it was noted what is brought along
_ORIGINS = (
    list[tuple[tuple[str, str], _ORIGIN]],
    list[tuple[tuple[str, str], _ORIGIN_BEFORE]],
    list[tuple[tuple[str, str], tuple[str, str, str, str, bool, str, str]]],  # from before attempts were noted
    list[tuple[tuple[str, str], tuple[str, str, str, str, bool]]],  # from before files were
)
_ATTEMPTS = (
    list[tuple[tuple[str, str], list[tuple[str, _ORIGIN]]]],
    list[tuple[tuple[str, str], list[tuple[str, _ORIGIN_BEFORE]]]],
)
_ROW = {"student": str, "lesson": str, "exercise": str, "status": str, "score": float, "max_score": float}
_ROW |= {"message": str, "checks": list[dict[str, Any]]}
_CHECK = {"name": str, "passed": bool, "message": str, "misconception": str | None}


class Place(NamedTuple):
    """Where a result belongs in the report: at most one stands there."""

    student: str
    lesson: str


class Mark(NamedTuple):
    """What somebody has in an exercise. student: by the name of the place, "" for who handed in nothing; person: their
    id on the list of the class, "" for who is not on it.
    """

    student: str
    person: str
    lesson: str
    exercise: str
    score: float


@dataclass(frozen=True)
class Origin:
    """Where a result came from: what tells the student from others of the same name, the platform that named the
    files, and what the file or the folder was called there; when it was handed in, in ISO 8601, and whether the
    platform says that it was late; which file of it was graded; and the version of the course that did. others: the
    names of what else was handed in for the lesson; attempt, attempts: which it is of how many; why: it counts.
    brought_along: whether it came with a download of other lessons.
    """

    key: str = ""
    system: str = ""
    entry: str = ""
    handed_in: str = ""
    late: bool = False
    file: str = ""
    version: str = ""
    others: str = ""
    attempt: int = 1
    attempts: int = 1
    why: str = ""
    brought_along: bool = False

    def is_of_same_file(self, other: Origin) -> bool:
        """Whether it is the same that was handed in."""
        return (self.system, self.entry, self.file, self.handed_in) == (
            other.system, other.entry, other.file, other.handed_in,
        )  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A result, under the key that names all it depends on, with the seed from which its inputs were drawn."""

    key: str
    graded: Graded
    seed: int | None

    @property
    def place(self) -> Place:
        row = self.graded.rows[0]
        return Place(row["student"], row["lesson"])

    def of(self, student: str) -> Entry:
        """The same, where the student is known by another name."""
        return replace(self, graded=replace(self.graded, rows=[row | {"student": student} for row in self.graded.rows]))


class Journal:
    """The lines of a report's folder: whose report it is, and every result that it ever took in.

    latest: for each place of the report the result that stands there. seed: the last grading's. homes: the folders of
    submissions, or zips, that were graded into it, the last one last. people: the class, where a list of it was given;
    once_people: the earlier lists. policy: the text of the instructor's file. origins: where results came from.
    attempts: where the best of several counts, the key and the origin of each. part: what share of the class it holds,
    where not all. circumstances: by lesson, and by what it is, in short, all on which the last grading's results depend
    beside the submissions. marks: those of the last report that was written, None where none was. Nothing is written
    before `begin`.
    """

    def __init__(self, report: Path, alone: bool = False) -> None:
        """alone: nobody else may write to it meanwhile. Raises Busy where somebody does."""
        self.path = report / JOURNAL
        self._alone = alone
        self._begun = False
        self.seed: int | None = None
        self.homes: list[Path] = []
        self.latest: dict[Place, Entry] = {}
        self.people: tuple[Person, ...] = ()
        self.once_people: list[tuple[Person, ...]] = []
        self.identities: dict[str, list[str]] = {}
        self.policy = ""
        self.origins: dict[Place, Origin] = {}
        self.attempts: dict[Place, list[tuple[str, Origin]]] = {}
        self.part: Part | None = None
        self.circumstances: dict[str, dict[str, str]] = {}
        self.marks: list[Mark] | None = None
        self.is_foreign = False
        self._known: dict[str, Entry] = {}
        self._outdated: set[str] = set()
        self._file: IO[str] | None = self._opened() if alone and self.path.exists() else None
        taken, unlike = 0, ""
        for text in self._stored():
            line = _value_in(text)
            if line is not None:
                self._take(line)
                taken += 1
            elif text.strip():
                unlike = unlike or text
        cut_off = unlike.startswith('{"seed"') and not unlike.endswith("\n")  # the very first line
        self.is_foreign = not taken and unlike != "" and not cut_off

    def _opened(self) -> IO[str]:
        """For reading and for adding lines. A lock goes with the process that took it, and not to its children."""
        file = open(self.path, "a+", encoding="ascii", errors="replace")  # noqa: SIM115  (as long as the grading goes on)
        if self._alone and fcntl is not None:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    file.close()
                    raise Busy(f"somebody else is writing to {self.path.parent} now; wait until that is done") from None
        return file

    def _stored(self) -> Iterator[str]:
        """The lines as they were written, one at a time: those of a large class are long together."""
        if self._file is not None:  # to open it once more would end the lock
            self._file.seek(0)
            yield from self._file
            return
        with contextlib.suppress(FileNotFoundError), self.path.open(encoding="ascii", errors="replace") as file:
            yield from file

    def _take(self, line: dict[str, Any]) -> None:
        match line:
            case {"key": str(key), "graded": dict(graded), **rest}:
                entry = entry_from(key, graded, rest.get("seed", self.seed))
                if entry is not None:
                    self._set_result(entry)
            case {"seed": int(seed)}:
                self.seed = seed
            case {"home": str(home)}:
                self.homes = [*(one for one in self.homes if one != Path(home)), Path(home)]
            case {"again": str() | None as lesson}:
                self._outdate(lesson)
            case {"people": list(people)}:
                known = [_person_from(one) for one in people]
                if None not in known:
                    self._set_people([one for one in known if one is not None])
            case {"identities": dict(identities)}:
                if _fits(identities, dict[str, list[str]]):
                    self.identities = identities
            case {"policy": str(policy)}:
                self.policy = policy
            case {"origins": list(origins)}:
                if any(_fits(origins, form) for form in _ORIGINS):
                    self.origins = {Place(*place): Origin(*origin) for place, origin in origins}
            case {"attempts": list(attempts)}:
                if any(_fits(attempts, form) for form in _ATTEMPTS):
                    self.attempts = {
                        Place(*place): [(key, Origin(*origin)) for key, origin in tried] for place, tried in attempts
                    }
            case {"part": dict(part)}:
                with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):
                    self.part = Part.from_json(part)
            case {"circumstances": dict(circumstances)}:
                if _fits(circumstances, dict[str, dict[str, str]]):
                    self.circumstances = circumstances
            case {"marks": list(marks)}:
                if _fits(marks, list[tuple[str, str, str, str, float]]):
                    self.marks = [Mark(*mark) for mark in marks]
            case {"left": [str(student), str(lesson)]}:
                self.latest.pop(Place(student, lesson), None)

    def _outdate(self, lesson: str | None) -> None:
        self._outdated |= {key for key, entry in self._known.items() if lesson in (None, entry.place.lesson)}

    def _set_result(self, entry: Entry) -> None:
        self._known[entry.key] = self.latest[entry.place] = entry
        self._outdated.discard(entry.key)

    @property
    def students(self) -> set[str]:
        return {place.student for place in self.latest}

    def begin(self, seed: int, home: Path | None = None) -> None:
        """Note the seed from which the inputs of this grading are drawn, and where its submissions lie."""
        if seed != self.seed:
            self.seed = seed
            self._write({"seed": seed})
        if home is not None and [home] != self.homes[-1:]:
            line = {"home": str(home)}
            self._take(line)
            self._write(line)

    def enrol(self, people: Sequence[Person]) -> None:
        """Note who is in the class."""
        if tuple(people) != self.people:
            self._set_people(people)
            self._write({"people": [asdict(person) for person in self.people]})

    def _set_people(self, people: Sequence[Person]) -> None:
        self.once_people += [self.people] if self.people else []
        self.people = tuple(people)

    def note_identities(self, people: Mapping[str, Person]) -> None:
        """Note who students are whose number is another in each assignment."""
        found = {student: sorted(one.lasting) for student, one in people.items() if one.passing and one.lasting}
        if (known := self.identities | found) != self.identities:
            self.identities = known
            self._write({"identities": known})

    def set_policy(self, text: str) -> None:
        """Note how marks follow from checks."""
        if text != self.policy:
            self.policy = text
            self._write({"policy": text})

    def note_circumstances(self, lessons: Iterable[str], circumstances: Mapping[str, str]) -> None:
        """Note on what the results of these lessons depend beside the submissions."""
        known = self.circumstances | {lesson: dict(circumstances) for lesson in lessons}
        if known != self.circumstances:
            self.circumstances = known
            self._write({"circumstances": known})

    def note_marks(self, marks: Sequence[Mark]) -> None:
        """Note what everyone has in the report that has just been written."""
        if self.marks is None or list(marks) != self.marks:
            self.marks = list(marks)
            self._write({"marks": [list(mark) for mark in self.marks]})

    def note_part(self, part: Part) -> None:
        """Note what share of the class this is, and how far it has been graded."""
        self.part = part
        self._write({"part": part.as_json()})

    def note_origins(self, origins: Mapping[Place, Origin]) -> None:
        """Note where results came from, of those that stand in the report."""
        known = {place: origin for place, origin in (self.origins | dict(origins)).items() if place in self.latest}
        if known != self.origins:
            self.origins = known
            self._write({"origins": [[list(place), list(astuple(origin))] for place, origin in known.items()]})

    def note_attempts(
        self, attempts: Mapping[Place, Sequence[tuple[str, Origin]]], looked_at: Collection[Place]
    ) -> None:
        """Note the attempts of which the best counts. looked_at: of all others of these there is one alone."""
        known = {place: tried for place, tried in self.attempts.items() if place not in looked_at}
        known |= {place: list(tried) for place, tried in attempts.items()}
        known = {place: tried for place, tried in known.items() if place in self.latest}
        if known != self.attempts:
            self.attempts = known
            lines = [[list(at), [[key, list(astuple(one))] for key, one in tried]] for at, tried in known.items()]
            self._write({"attempts": lines})

    def tried(self, place: Place) -> list[tuple[Entry, Origin]]:
        """What may count at a place, in the order of time: one result, or all attempts of which the best does."""
        known = [(self._known[key], one) for key, one in self.attempts.get(place, []) if key in self._known]
        return known or [(self.latest[place], self.origins.get(place, Origin()))]

    def grade_again(self, lesson: str | None) -> None:
        """Let no earlier result take the place of a new one: of this lesson's, or of any. Where nothing new is graded
        they count as before.
        """
        self._outdate(lesson)
        self._write({"again": lesson})

    def __contains__(self, key: str) -> bool:
        """Whether there is a result that may take the place of a new one."""
        return key in self._known and key not in self._outdated

    def __getitem__(self, key: str) -> Graded:
        return self._known[key].graded

    def add(self, key: str, graded: Graded) -> None:
        self._set_result(Entry(key, graded, self.seed))
        self._write({"key": key, "seed": self.seed, "graded": asdict(graded)})

    def let_stand(self, key: str) -> None:
        """Put an earlier result in its place of the report, if another took that since."""
        entry = self._known[key]
        if self.latest.get(entry.place) != entry:
            self.latest[entry.place] = entry
            self._write({"key": key, "seed": entry.seed, "graded": asdict(entry.graded)})

    def take(self, entry: Entry) -> None:
        """Put a result of another report in its place of this one."""
        self._known[entry.key] = entry
        self.let_stand(entry.key)

    def leave_out(self, places: Iterable[Place]) -> None:
        """Take results out of the report."""
        for place in places:
            del self.latest[place]
            self._write({"left": list(place)})

    def _write(self, value: dict[str, Any]) -> None:
        if self._file is None:
            self._file = self._opened()
        if not self._begun:
            self._begun = True
            if self._file.seek(0, os.SEEK_END):
                self._file.write("\n")  # the last line may have been cut off
        self._file.write(json.dumps(value) + "\n")
        self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _value_in(line: str) -> dict[str, Any] | None:
    """What a grading wrote into a line; None where it isn't whole."""
    try:
        value = json.loads(line, object_pairs_hook=_kept_once)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and set(value) in _LINES else None


def _kept_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The names of checks and what they say are the same for many students, and take memory once."""
    return {key: sys.intern(value) if isinstance(value, str) else value for key, value in pairs}


def entry_from(key: str, graded: dict[str, Any], seed: object) -> Entry | None:
    """The result in a line of the journal; None where it isn't one that this version would write."""
    hints = get_type_hints(Graded)
    if not {"rows"} <= set(graded) <= set(hints) or not _has(graded, {name: hints[name] for name in graded}):
        return None
    rows = graded["rows"]
    if not rows or not all(_is_row(row) for row in rows):
        return None
    if len({(row["student"], row["lesson"]) for row in rows}) > 1 or not isinstance(seed, int | None):
        return None
    return Entry(key, Graded(**graded), seed)


def _person_from(value: Any) -> Person | None:
    """Someone of a list that was noted; an earlier version knew nothing of `passing`."""
    hints = get_type_hints(Person)
    if not isinstance(value, dict):
        return None
    value = {"passing": [], **value}
    if set(value) != set(hints) or not _has(value, hints):
        return None
    return Person(**{**value, "aliases": tuple(value["aliases"]), "passing": tuple(value["passing"])})


def _is_row(row: Row) -> bool:
    return (
        _has(row, _ROW)
        and row["status"] in STATUSES
        and 0 <= row["score"] <= row["max_score"]
        and all(_has(check, _CHECK) for check in row["checks"])
    )


def _has(value: dict[str, Any], hints: dict[str, Any]) -> bool:
    return all(name in value and _fits(value[name], hint) for name, hint in hints.items())


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value that was read from JSON, where tuples are lists, is of the type."""
    kind, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if kind is list or (kind is tuple and inner[1:] == (...,)):
        return isinstance(value, list) and all(_fits(item, inner[0]) for item in value)
    if kind is tuple:
        return isinstance(value, list) and len(value) == len(inner) and all(map(_fits, value, inner))
    if kind is dict:
        return isinstance(value, dict) and all(_fits(key, inner[0]) and _fits(value[key], inner[1]) for key in value)
    if inner:
        return any(_fits(value, one) for one in inner)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))

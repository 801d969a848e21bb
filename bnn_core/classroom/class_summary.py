"""What the class page tells of a class: counted from the rows of its results. It may not know how it looks."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bnn_core.autograder.exercises import EXERCISES
from bnn_core.classroom.grading import Row
from bnn_core.classroom.matrix import matrix
from bnn_core.classroom.page_places import pages_of
from bnn_core.classroom.roster import Person
from bnn_core.classroom.text import natural

BINS = 10
MOST_NOTES = 50
MOST_TELLING = 3
LEAST_TO_SEPARATE = 8
"""How many must have attempted an exercise for its checks to separate good work from weak."""


@dataclass(frozen=True)
class CheckColumn:
    """A check in the heat map: what came of it for those who attempted the exercise."""

    name: str
    passed: int
    failed: int
    not_run: int

    @property
    def attempted(self) -> int:
        return self.passed + self.failed + self.not_run


@dataclass(frozen=True)
class Telling:
    """What an exercise's checks tell of a class. separating: those that the better half passed and the other did not,
    with the share of either.
    """

    nobody_failed: tuple[str, ...]
    separating: tuple[tuple[str, float, float], ...] = ()


@dataclass(frozen=True)
class Misunderstood:
    """A misconception of the class: who has it, in which checks it showed, and where it is taught."""

    name: str
    sentence: str
    sections: tuple[str, ...]
    students: tuple[tuple[str, str], ...]
    checks: tuple[str, ...]
    examples: tuple[tuple[str, str], ...] = ()
    """The student and the exercise of those whose code can serve as an example."""

    @property
    def lesson(self) -> str:
        return self.sections[0].partition(",")[0]


def class_summary(
    rows: Sequence[Row],
    notes: Mapping[tuple[str, str], Sequence[str]] | None = None,
    people: Mapping[str, Person] | None = None,
    strangers: Collection[str] = (),
) -> dict[str, Any]:
    """All that the class page shows. notes: what is to be said of how submissions were read. people: those on the list
    of the class; strangers: those who aren't.
    """
    pages = pages_of((row["student"], row["lesson"]) for row in rows)
    names = sorted({row["student"] for row in rows}, key=natural)
    return {
        "lessons": sorted({row["lesson"] for row in rows}, key=natural),
        "distribution": _distribution(rows),
        "by_lesson": _by_lesson(rows),
        "telling": {
            exercise: _telling(rows, exercise) for exercise in {row["exercise"] for row in rows if row["exercise"]}
        },
        "rows": len(rows),
        "statuses": Counter(row["status"] for row in rows),
        "exercises": _heat_map(rows),
        "misunderstood": _misunderstood(rows, pages),
        "students": matrix(rows, pages, [name for name in names if name not in strangers]),
        "strangers": matrix(rows, pages, [name for name in names if name in strangers]),
        "ids": {name: person.id for name, person in (people or {}).items() if person.id not in name},
        "remarks": _remarks(notes or {}, pages),
    }


def state(result: Mapping[str, Any]) -> str:
    """ "passed", "failed" or "skipped", of a check or of a whole row: what was not run did not fail."""
    if "passed" in result:
        return "passed" if result["passed"] else "skipped" if result["message"].startswith("Not run") else "failed"
    status = result["status"]
    return "skipped" if status in ("not_attempted", "unreadable") else "passed" if status == "passed" else "failed"


def _submissions(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    grouped: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["student"], row["lesson"]].append(row)
    return grouped


def _share(rows: Sequence[Row]) -> float:
    most = sum(row["max_score"] for row in rows)
    return sum(row["score"] for row in rows) / most if most else 0.0


def _distribution(rows: Sequence[Row]) -> dict[str, Any]:
    """How many submissions have which share of their points, in bins; and the median. A notebook of no lesson has no
    points, and counts apart.
    """
    groups = list(_submissions(rows).values())
    shares = [_share(group) for group in groups if any(row["max_score"] for row in group)]
    counts = [0] * BINS
    for share in shares:
        counts[min(int(share * BINS), BINS - 1)] += 1
    labels = [f"{100 * n // BINS}–{100 * (n + 1) // BINS}" for n in range(BINS)]
    return {
        "bins": list(zip(labels, counts, strict=True)),
        "highest": max(counts, default=0),
        "count": len(shares),
        "others": len(groups) - len(shares),
        "median": statistics.median(shares) if shares else 0.0,
    }


def _by_lesson(rows: Sequence[Row]) -> list[tuple[str, dict[str, Any]]]:
    """Each lesson's distribution, where there are several."""
    lessons = sorted({row["lesson"] for row in rows if row["max_score"]}, key=natural)
    if len(lessons) < 2:
        return []
    return [(lesson, _distribution([row for row in rows if row["lesson"] == lesson])) for lesson in lessons]


def _telling(rows: Sequence[Row], exercise: str) -> Telling:
    attempted = [row for row in rows if row["exercise"] == exercise and state(row) != "skipped"]
    passed: defaultdict[str, list[bool]] = defaultdict(list)
    for row in sorted(attempted, key=lambda row: row["score"]):
        for check in row["checks"]:
            passed[check["name"]].append(check["passed"])
    failed = {check["name"] for row in attempted for check in row["checks"] if state(check) == "failed"}
    half = len(attempted) // 2
    if len(attempted) < LEAST_TO_SEPARATE:
        return Telling(tuple(name for name in passed if name not in failed))
    shares = {name: (sum(one[-half:]) / half, sum(one[:half]) / half) for name, one in passed.items()}
    best = sorted(shares, key=lambda name: shares[name][1] - shares[name][0])[:MOST_TELLING]
    separating = tuple((name, *shares[name]) for name in best if shares[name][0] > shares[name][1] and name in failed)
    return Telling(tuple(name for name in passed if name not in failed), separating)


def _heat_map(rows: Sequence[Row]) -> list[tuple[str, str, list[CheckColumn]]]:
    """For each exercise its lesson and its checks; who did not attempt it is not counted."""
    grouped: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["exercise"]:
            grouped[row["lesson"], row["exercise"]].append(row)
    result = []
    for (lesson, exercise), members in sorted(grouped.items()):
        attempted = [row for row in members if row["status"] not in ("not_attempted", "unreadable")]
        names = dict.fromkeys(check["name"] for row in members for check in row["checks"])
        seen = Counter((check["name"], state(check)) for row in attempted for check in row["checks"])
        columns = [CheckColumn(name, *(seen[name, one] for one in ("passed", "failed", "skipped"))) for name in names]
        result.append((lesson, exercise, columns))
    return result


def _misunderstood(rows: Sequence[Row], pages: Mapping[tuple[str, str], str]) -> list[Misunderstood]:
    """The misconceptions, the most frequent first; each student counts once."""
    seen: defaultdict[str, list[tuple[Row, dict[str, Any]]]] = defaultdict(list)
    for row in rows:
        for check in row["checks"]:
            if check["misconception"]:
                seen[check["misconception"]].append((row, check))
    return sorted(
        (_told(name, places, pages) for name, places in seen.items()), key=lambda item: (-len(item.students), item.name)
    )


def _told(
    name: str, places: Sequence[tuple[Row, dict[str, Any]]], pages: Mapping[tuple[str, str], str]
) -> Misunderstood:
    """A misconception in the words that most of those who have it were told."""
    sentences = Counter(check["message"].split("\n")[0] for _, check in places)
    checks = Counter(check["name"] for _, check in places)
    sentence = sentences.most_common(1)[0][0]
    taught = dict.fromkeys(_taught_in(row, name) for row, _ in places)
    students = {row["student"]: pages[row["student"], row["lesson"]] for row, _ in places}
    return Misunderstood(
        name,
        sentence,
        tuple(sorted(taught, key=natural)),
        tuple(sorted(students.items(), key=lambda item: natural(item[0]))),
        tuple(check for check, _ in checks.most_common(3)),
        tuple((row["student"], row["exercise"]) for row, _ in places),
    )


def _taught_in(row: Row, mistake: str) -> str:
    """The lesson, and where its exercise knows it the section that teaches what the mistake gets wrong."""
    exercise = EXERCISES.get(row["exercise"])
    section = exercise.sections.get(mistake) if exercise is not None else None
    return f"{row['lesson']}, “{section}”" if section else str(row["lesson"])


def _remarks(
    notes: Mapping[tuple[str, str], Sequence[str]], pages: Mapping[tuple[str, str], str]
) -> list[tuple[str, str, Sequence[str]]]:
    """For each student and lesson of which something is to be said: the name, the page, and what."""
    ordered = sorted(notes, key=lambda place: tuple(map(natural, place)))
    return [(place[0], pages[place], notes[place][:MOST_NOTES]) for place in ordered]

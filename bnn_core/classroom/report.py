"""The pages of a grading: one of the class, and one per student and lesson. It turns rows into HTML that holds
nothing alive: all text is escaped, there is no script, and the page forbids itself to load anything. It may not
grade.
"""

from __future__ import annotations

import hashlib
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from bnn_core.autograder.exercises import EXERCISES
from bnn_core.classroom.grading import Graded, Row
from bnn_core.classroom.results import write_atomically
from bnn_core.classroom.submissions import Submission
from bnn_core.classroom.teaching import section_for
from bnn_core.classroom.text import clean

BINS = 10
STATUS_WORDS = {
    "passed": "all checks passed",
    "failed": "some checks failed",
    "not_attempted": "not attempted",
    "error": "the code raised an error",
    "timeout": "it took too long",
    "unreadable": "no notebook in the file",
}
_SAFE_NAME = re.compile(r"[\w][\w .,@+=()-]{0,79}")
_RESERVED = re.compile(
    r"index\.html|report\.json|grades\.csv|results\.jsonl|(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE
)


@dataclass(frozen=True)
class CheckColumn:
    """A check in the heat map: how many of those who attempted the exercise pass it."""

    name: str
    passed: int
    attempted: int

    @property
    def share(self) -> float:
        return self.passed / self.attempted if self.attempted else 0.0


@dataclass(frozen=True)
class Misunderstood:
    """A misconception of the class: who has it, in which checks it showed, and where it is taught."""

    name: str
    sentence: str
    sections: tuple[str, ...]
    students: tuple[tuple[str, str], ...]
    checks: tuple[str, ...]


def write_pages(report: Path, results: Sequence[tuple[Submission, Graded]], seed: int) -> None:
    """Write index.html and a page for each submission."""
    environment = _environment()
    page = environment.get_template("student.html")
    for submission, graded in results:
        link = page_of(submission.student, submission.lesson)
        write_atomically(report / link, page.render(submission=submission, graded=graded, words=STATUS_WORDS))
    rows = [row for _, graded in results for row in graded.rows]
    write_atomically(
        report / "index.html",
        environment.get_template("class.html").render(
            **class_summary(rows), seed=seed, courses_own=_courses_own(results)
        ),
    )


def _courses_own(results: Sequence[tuple[Submission, Graded]]) -> dict[str, str]:
    """By student, the notebooks of the course's own, with answers in them, that were handed in and not graded."""
    names: defaultdict[str, set[str]] = defaultdict(set)
    for submission, _ in results:
        names[submission.student].update(map(clean, submission.ignored))
    return {student: ", ".join(sorted(own)) for student, own in names.items() if own}


def page_of(student: str, lesson: str) -> str:
    """Where a submission's page lies in the report."""
    return f"{file_name(student)}/{file_name(lesson)}.html"


def file_name(name: str) -> str:
    """The name where it can safely be a file's, else one made from it."""
    stripped = name.rstrip(" .")
    if name == stripped and _SAFE_NAME.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    safe = re.sub(r"[^\w-]+", "-", name)[:40].strip("-") or "student"
    return f"{safe}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def class_summary(rows: Sequence[Row]) -> dict[str, Any]:
    """All that the class page shows."""
    return {
        "words": STATUS_WORDS,
        "lessons": sorted({row["lesson"] for row in rows}),
        "distribution": _distribution(rows),
        "statuses": Counter(row["status"] for row in rows),
        "exercises": _heat_map(rows),
        "misunderstood": _misunderstood(rows),
        "students": _students(rows),
        "row_count": len(rows),
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("bnn_core.classroom"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["mark"] = lambda value: f"{round(value, 2):g}"
    environment.filters["url"] = quote
    environment.tests["skipped"] = lambda check: not check["passed"] and check["message"].startswith("Not run")
    return environment


def _submissions(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    grouped: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["student"], row["lesson"]].append(row)
    return grouped


def _share(rows: Sequence[Row]) -> float:
    most = sum(row["max_score"] for row in rows)
    return sum(row["score"] for row in rows) / most if most else 0.0


def _distribution(rows: Sequence[Row]) -> dict[str, Any]:
    """How many submissions have which share of their points, in bins; and the median."""
    shares = [_share(group) for group in _submissions(rows).values()]
    counts = [0] * BINS
    for share in shares:
        counts[min(int(share * BINS), BINS - 1)] += 1
    labels = [f"{100 * n // BINS}–{100 * (n + 1) // BINS}" for n in range(BINS)]
    return {
        "bins": list(zip(labels, counts, strict=True)),
        "highest": max(counts, default=0),
        "count": len(shares),
        "median": statistics.median(shares) if shares else 0.0,
    }


def _heat_map(rows: Sequence[Row]) -> list[tuple[str, str, list[CheckColumn]]]:
    """For each exercise its lesson and its checks; who did not attempt it is not counted."""
    grouped: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["exercise"]:
            grouped[row["lesson"], row["exercise"]].append(row)
    result = []
    for (lesson, exercise), members in sorted(grouped.items()):
        attempted = [row for row in members if row["status"] not in ("not_attempted", "unreadable")]
        passed = Counter(check["name"] for row in attempted for check in row["checks"] if check["passed"])
        checks = EXERCISES[exercise].checks
        result.append(
            (lesson, exercise, [CheckColumn(check.name, passed[check.name], len(attempted)) for check in checks])
        )
    return result


def _misunderstood(rows: Sequence[Row]) -> list[Misunderstood]:
    """The misconceptions, the most frequent first; each student counts once."""
    seen: defaultdict[str, list[tuple[Row, dict[str, Any]]]] = defaultdict(list)
    for row in rows:
        for check in row["checks"]:
            if check["misconception"]:
                seen[check["misconception"]].append((row, check))
    return sorted(
        (_told(name, places) for name, places in seen.items()), key=lambda item: (-len(item.students), item.name)
    )


def _told(name: str, places: Sequence[tuple[Row, dict[str, Any]]]) -> Misunderstood:
    """A misconception in the words that most of those who have it were told."""
    sentences = Counter(check["message"].split("\n")[0] for _, check in places)
    checks = Counter(check["name"] for _, check in places)
    sentence = sentences.most_common(1)[0][0]
    lessons = sorted({row["lesson"] for row, _ in places})
    students = {row["student"]: page_of(row["student"], row["lesson"]) for row, _ in places}
    return Misunderstood(
        name,
        sentence,
        tuple(section_for(lesson, f"{name} {sentence} {' '.join(checks)}") for lesson in lessons),
        tuple(sorted(students.items())),
        tuple(check for check, _ in checks.most_common(3)),
    )


def _students(rows: Sequence[Row]) -> list[dict[str, Any]]:
    listed = []
    for (student, lesson), group in sorted(_submissions(rows).items()):
        scores = {field: sum(row[field] for row in group) for field in ("score", "max_score")}
        listed.append({"student": student, "lesson": lesson, "rows": group, "page": page_of(student, lesson), **scores})
    return listed

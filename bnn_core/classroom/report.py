"""The pages of a grading: one of the class, and one per student and lesson. It turns rows into HTML that holds
nothing alive: all text is escaped, there is no script, and the page forbids itself to load anything. It may not
grade.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import statistics
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment

from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.pictures import from_data
from bnn_core.autograder.report import environment as report_environment
from bnn_core.autograder.report import shown
from bnn_core.classroom.attention import answer_in, concerns
from bnn_core.classroom.grading import Graded, Row
from bnn_core.classroom.report_folder import PAGE_MARK, pages_in
from bnn_core.classroom.results import write_atomically, write_grades, write_report
from bnn_core.classroom.roster import Person
from bnn_core.classroom.standing import ClassStanding, Standing
from bnn_core.classroom.text import as_name, natural

BINS = 10
MOST_LINES = 2_000
"""Lines of code that a page shows; it says how many it leaves out."""

MOST_CODE = 200_000
"""Characters of code that a page shows."""

MOST_NOTES = 50
MOST_TELLING = 3
MOST_EXAMPLE = 40
"""Lines of an example of code on the class page."""

LEAST_TO_SEPARATE = 8
"""How many must have attempted an exercise for its checks to separate good work from weak."""

STATUS_WORDS = {
    "passed": "all checks passed",
    "failed": "some checks failed",
    "not_attempted": "not attempted",
    "error": "the code raised an error",
    "timeout": "it took too long",
    "unreadable": "no notebook in the file",
}
_SAFE_NAME = re.compile(r"[\w][\w .,@+=()-]*")
_LONGEST_NAME = 120
"""Bytes; file systems take about twice as many."""

_RESERVED = re.compile(
    r"index\.html|report\.json|(grades|marks|overrides)\.csv|results\.jsonl|feedback-\w+\.zip"
    r"|(con|prn|aux|nul|com\d|lpt\d)(\..*)?",
    re.IGNORECASE,
)
_LOOKS_ESCAPED = re.compile(r".*-[0-9a-f]{16}", re.IGNORECASE)


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


def write_report_of(report: Path, standing: ClassStanding, seed: int) -> None:
    """Write all that a report is: report.json, grades.csv and the pages. seed: the last grading's."""
    write_report(report / "report.json", standing.rows)
    write_grades(report / "grades.csv", standing.rows, standing.ids, standing.told_by_hand())
    write_pages(report, standing.standings, seed, standing.seeds, standing.names.strangers, standing.unfit)


def write_pages(
    report: Path,
    standings: Sequence[Standing],
    seed: int,
    earlier_seeds: Collection[int] = (),
    strangers: Collection[str] = (),
    unfit: Sequence[str] = (),
) -> None:
    """Write index.html and a page for each result, and remove the pages of those that are gone.

    earlier_seeds: of results from gradings with other seeds. strangers: who is not on the list of the class.
    unfit: sentences on what a person decided about marks that don't exist.
    """
    environment = templates()
    pages = pages_of((one.student, one.lesson) for one in standings)
    _remove_pages_but(report, set(pages.values()))
    for one in standings:
        write_atomically(report / pages[one.student, one.lesson], student_page(one, environment))
    rows = [row for one in standings for row in one.rows]
    notes = {(one.student, one.lesson): one.graded.notes for one in standings if one.graded.notes}
    people = {one.student: one.person for one in standings if one.person is not None}
    summary = class_summary(rows, notes, people, strangers)
    examples = {
        (one.student, row["exercise"]): answer_in(one, row["exercise"]) for one in standings for row in one.rows
    }
    seeds = sorted({*earlier_seeds} - {seed})
    by_hand = {(one.student, one.lesson): one.by_hand for one in standings}
    page = environment.get_template("class.html")
    text = page.render(
        **summary,
        seed=seed,
        earlier_seeds=seeds,
        by_hand=by_hand,
        unfit=unfit,
        concerns=concerns(standings, strangers),
        pages=pages,
        examples=examples,
    )
    write_atomically(report / "index.html", text)


def student_page(one: Standing, environment: Environment) -> str:
    """What a student may be sent about a lesson."""
    code, left_out = _shown_code(one.graded)
    page = environment.get_template("student.html")
    return page.render(
        submission=one,
        graded=one.graded,
        checks=_shown_checks(one.graded),
        code=code,
        left_out=left_out,
        most_notes=MOST_NOTES,
    )


def pages_of(places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Where each student's page for a lesson lies in the report: no two in one place, whatever the file system takes
    for the same name.
    """
    lessons: defaultdict[str, list[str]] = defaultdict(list)
    for student, lesson in places:
        lessons[student].append(lesson)
    folders = _file_names(lessons)
    return {
        (student, lesson): f"{folders[student]}/{name}.html"
        for student, names in lessons.items()
        for lesson, name in _file_names(names).items()
    }


def _file_names(names: Iterable[str]) -> dict[str, str]:
    present = dict.fromkeys(names)
    alike = Counter(map(_as_file_systems_see_it, present))
    return {name: file_name(name, alone=alike[_as_file_systems_see_it(name)] == 1) for name in present}


def file_name(name: str, alone: bool = True) -> str:
    """The name where it can safely be a file's, and nothing else is called alike; else one made from it."""
    seen = _as_file_systems_see_it(name)
    safe = name == name.rstrip(" .") and len(name.encode("utf-8", "surrogatepass")) <= _LONGEST_NAME
    if alone and safe and _SAFE_NAME.fullmatch(name) and not (_RESERVED.fullmatch(seen) or _LOOKS_ESCAPED.match(seen)):
        return name
    slug = re.sub(r"[^\w-]+", "-", name)[:30].strip("-") or "student"
    return f"{slug}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _as_file_systems_see_it(name: str) -> str:
    """Some take big and small letters for the same, some é and é, written in one sign or in two."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _remove_pages_but(report: Path, kept: set[str]) -> None:
    for path in pages_in(report):
        if path.relative_to(report).as_posix() not in kept:
            path.unlink()
            with contextlib.suppress(OSError):  # something else lies there
                path.parent.rmdir()


def _shown_checks(graded: Graded) -> dict[str, list[dict[str, Any]]]:
    """For each exercise its checks as the template takes them."""
    seen = {(exercise, check): from_data(data) for exercise, check, data in graded.pictures}
    return {
        row["exercise"]: [
            shown(state(check), check["name"], check["message"], seen.get((row["exercise"], check["name"])))
            for check in row["checks"]
        ]
        for row in graded.rows
    }


def _shown_code(graded: Graded) -> tuple[list[tuple[str, list[tuple[int, str]]]], int]:
    """As much of the code as a page shows, and how many lines it leaves out."""
    shown: list[tuple[str, list[tuple[int, str]]]] = []
    lines_left, characters_left = MOST_LINES, MOST_CODE
    total = sum(len(lines) for _, lines in graded.code)
    for label, lines in graded.code:
        part = []
        for number, text in lines[:lines_left]:
            characters_left -= len(text)
            if characters_left < 0:
                break
            part.append((number, text))
        if part:
            shown.append((label, part))
        lines_left -= len(part)
        if len(part) < len(lines):
            break
    return shown, total - (MOST_LINES - lines_left)


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
    return {
        "lessons": sorted({row["lesson"] for row in rows}, key=natural),
        "distribution": _distribution(rows),
        "by_lesson": _by_lesson(rows),
        "telling": {
            exercise: _telling(rows, exercise) for exercise in {row["exercise"] for row in rows if row["exercise"]}
        },
        "statuses": Counter(row["status"] for row in rows),
        "exercises": _heat_map(rows),
        "misunderstood": _misunderstood(rows, pages),
        "students": _students([row for row in rows if row["student"] not in strangers], pages),
        "strangers": _students([row for row in rows if row["student"] in strangers], pages),
        "ids": {name: person.id for name, person in (people or {}).items() if person.id not in name},
        "remarks": _remarks(notes or {}, pages),
        "row_count": len(rows),
    }


def templates() -> Environment:
    """What pages are made with."""
    pages = report_environment("bnn_core.classroom")
    pages.globals |= {"words": STATUS_WORDS, "page_mark": PAGE_MARK, "state": state}
    pages.tests["all_skipped"] = lambda checks: all(state(check) == "skipped" for check in checks)
    pages.filters |= {
        "mark": lambda value: f"{round(value, 2):g}",
        "url": lambda path: quote(path.encode("utf-8", "surrogatepass")),
        "name": as_name,
        "example": lambda place, examples: _cut(examples.get(place, "")),
    }
    return pages


def _cut(code: str) -> str:
    lines = code.split("\n")
    more = f"\n… and {len(lines) - MOST_EXAMPLE} more lines" if len(lines) > MOST_EXAMPLE else ""
    return "\n".join(lines[:MOST_EXAMPLE])[:MOST_CODE] + more


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


def _students(rows: Sequence[Row], pages: Mapping[tuple[str, str], str]) -> list[dict[str, Any]]:
    listed = []
    for place, group in sorted(_submissions(rows).items(), key=lambda item: tuple(map(natural, item[0]))):
        scores = {field: sum(row[field] for row in group) for field in ("score", "max_score")}
        listed.append({"student": place[0], "lesson": place[1], "rows": group, "page": pages[place], **scores})
    return listed


def _remarks(
    notes: Mapping[tuple[str, str], Sequence[str]], pages: Mapping[tuple[str, str], str]
) -> list[tuple[str, str, Sequence[str]]]:
    """For each student and lesson of which something is to be said: the name, the page, and what."""
    ordered = sorted(notes, key=lambda place: tuple(map(natural, place)))
    return [(place[0], pages[place], notes[place][:MOST_NOTES]) for place in ordered]

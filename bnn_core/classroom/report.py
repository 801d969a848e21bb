"""The pages of a grading: one of the class, and one per student and lesson. It turns rows into HTML that holds
nothing of a learner's alive: all text is escaped, only the class page has a script, which is the course's own and
named by its hash, and a page forbids itself to load anything. It may not grade.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment

from bnn_core.autograder.pictures import from_data
from bnn_core.autograder.report import environment as report_environment
from bnn_core.autograder.report import shown, with_code
from bnn_core.classroom.attention import answer_in, concerns
from bnn_core.classroom.class_summary import MOST_NOTES, Misunderstood, class_summary, state
from bnn_core.classroom.examples import example
from bnn_core.classroom.grading import Graded
from bnn_core.classroom.page_places import pages_of
from bnn_core.classroom.policy import PLAIN, Policy
from bnn_core.classroom.report_folder import PAGE_MARK, pages_in
from bnn_core.classroom.results import write_atomically, write_grades, write_report
from bnn_core.classroom.standing import ClassStanding, Standing
from bnn_core.classroom.text import as_name, folded

MOST_LINES = 2_000
"""Lines of code that a page shows; it says how many it leaves out."""

MOST_CODE = 200_000
"""Characters of code that a page shows."""

MOST_EXAMPLE = 40
"""Lines of an example of code on the class page."""

_OPTION = re.compile(r"--[a-z][a-z-]*")

CLASS_PAGE = "../index.html"
SCRIPT = Path(__file__).parent / "templates" / "matrix.js"
"""The one script that there is, on the class page alone, whose hash the page names."""

STATUS_WORDS = {
    "passed": "all checks passed",
    "failed": "some checks failed",
    "not_attempted": "not attempted",
    "error": "the code raised an error",
    "timeout": "it took too long",
    "unreadable": "no notebook in the file",
}


def write_report_of(report: Path, standing: ClassStanding, seed: int) -> None:
    """Write all that a report is: report.json, grades.csv and the pages. seed: the last grading's."""
    write_report(report / "report.json", standing.rows)
    write_grades(report / "grades.csv", standing.rows, standing.ids, standing.told_by_hand())
    strangers, unfit = standing.names.strangers, standing.unfit
    write_pages(report, standing.standings, seed, standing.seeds, strangers, unfit, standing.policy, standing.apart)


def write_pages(
    report: Path,
    standings: Sequence[Standing],
    seed: int,
    earlier_seeds: Collection[int] = (),
    strangers: Collection[str] = (),
    unfit: Sequence[str] = (),
    policy: Policy = PLAIN,
    apart: Sequence[Standing] = (),
) -> None:
    """Write index.html and a page for each result, and remove the pages of those that are gone.

    earlier_seeds: of results from gradings with other seeds. strangers: who is not on the list of the class.
    unfit: sentences on what a person decided about marks that don't exist. apart: results that have a page and are
    counted nowhere, of the school's system's test student.
    """
    environment = templates()
    pages = pages_of((one.student, one.lesson) for one in (*standings, *apart))
    _remove_pages_but(report, set(pages.values()))
    for one in (*standings, *apart):
        write_atomically(report / pages[one.student, one.lesson], student_page(one, environment, CLASS_PAGE))
    rows = [row for one in standings for row in one.rows]
    notes = {(one.student, one.lesson): one.graded.notes for one in standings if one.graded.notes}
    people = {one.student: one.person for one in standings if one.person is not None}
    summary = class_summary(rows, notes, people, strangers)
    seeds = sorted({*earlier_seeds} - {seed})
    by_hand = {(one.student, one.lesson): one.by_hand for one in standings}
    page, script = environment.get_template("class.html"), SCRIPT.read_text(encoding="utf-8")
    text = page.render(
        **summary,
        submissions=sum(one.place is not None for one in standings),
        missing=sum(one.place is None for one in standings),
        seed=seed,
        earlier_seeds=seeds,
        by_hand=by_hand,
        unfit=unfit,
        concerns=concerns(standings, strangers, policy),
        pages=pages,
        apart=[(one.student, one.lesson) for one in apart],
        examples=_examples(standings, summary["misunderstood"]),
        script=script,
        script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
    )
    write_atomically(report / "index.html", text)


def _examples(standings: Sequence[Standing], misunderstood: Sequence[Misunderstood]) -> dict[str, str]:
    """By misconception an answer that has it, without its name."""
    by_exercise = {(one.student, row["exercise"]): one for one in standings for row in one.rows}
    found = {}
    for item in misunderstood:
        places = dict.fromkeys(item.examples)
        answers = [(answer_in(by_exercise[place], place[1]), by_exercise[place].called) for place in places]
        found[item.name] = _cut(example(answers))
    return found


def student_page(one: Standing, environment: Environment, class_page: str = "") -> str:
    """What a student may be sent about a lesson. class_page: where the class's lies, on the instructor's copy alone."""
    code, left_out = _shown_code(one.graded)
    page = environment.get_template("student.html")
    return page.render(
        submission=one,
        class_page=class_page,
        graded=one.graded,
        checks=_shown_checks(one.graded),
        code=code,
        left_out=left_out,
        most_notes=MOST_NOTES,
    )


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


def templates() -> Environment:
    """What pages are made with."""
    pages = report_environment("bnn_core.classroom")
    pages.globals |= {"words": STATUS_WORDS, "page_mark": PAGE_MARK, "state": state}
    pages.tests["all_skipped"] = lambda checks: all(state(check) == "skipped" for check in checks)
    filters: dict[str, Callable[..., str]] = {
        "mark": lambda value: f"{round(value, 2):g}",
        "url": lambda path: quote(path.encode("utf-8", "surrogatepass")),
        "name": as_name,
        "folded": folded,
        "advice": advice,
    }
    pages.filters |= filters
    return pages


def advice(text: str) -> str:
    """The text as HTML, in which no line ends between the hyphens of an option and its name."""
    return _OPTION.sub(r'<span class="bnn-option">\g<0></span>', with_code(text))


def _cut(code: str) -> str:
    lines = code.split("\n")
    more = f"\n… and {len(lines) - MOST_EXAMPLE} more lines" if len(lines) > MOST_EXAMPLE else ""
    return "\n".join(lines[:MOST_EXAMPLE])[:MOST_CODE] + more

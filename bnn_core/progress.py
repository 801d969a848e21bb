"""How far a learner has come: for each lesson which exercises are solved and how many guesses were made, and what is
next. The terminal shows it as lines, a notebook as a picture. Of a guess it tells no more than that it was made.

It reads the notebooks as they were last saved, and has their checks run in a process of their own.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from bnn_core import guesses
from bnn_core.course.time_limit import SECONDS, check_within
from bnn_core.lesson_files import Course, LessonFileError, named_in_calls, read_notebook

if TYPE_CHECKING:
    from bnn_core.autograder.report import Report

_HEADING = re.compile(r"^# +(?:\d+ *· *)?(.+?)\s*$", re.MULTILINE)

NOT_AMONG_THE_LESSONS = "Here your way through the course is drawn, when the notebook lies in the folder lessons/."


@dataclass(frozen=True)
class LessonProgress:
    """How far a learner is in one lesson. asked, made: its guesses. problem: why the notebook couldn't be looked at."""

    lesson: str
    title: str = ""
    reports: tuple[Report, ...] = ()
    asked: int = 0
    made: int = 0
    problem: str = ""

    @property
    def solved(self) -> int:
        return sum(report.passed for report in self.reports)

    @property
    def unsolved(self) -> list[str]:
        return [report.exercise for report in self.reports if not report.passed]


def progress() -> None:
    """Draw the way through the course in the notebook: what is solved, which guesses were made, and what is next."""
    from IPython.display import display
    from tqdm import tqdm

    course = Course(guesses.FOLDER.parent) if guesses.FOLDER is not None else None
    if course is None or course.lessons != guesses.FOLDER or not course.names():
        print(NOT_AMONG_THE_LESSONS)
        return
    names = tqdm(course.names(), desc="looking", leave=False, file=sys.stdout)
    display(_Way([progress_in(course, lesson) for lesson in names]))


def progress_in(course: Course, lesson: str, seconds: float = SECONDS) -> LessonProgress:
    """How far the learner's notebook of the lesson is; seconds: for the checks of one exercise."""
    path = course.learner_notebook(lesson)
    if not path.exists():
        return LessonProgress(lesson, problem=f"{course.shown(path)} isn't there; `bnn-course build {lesson}` makes it")
    try:
        reports = check_within(seconds, path, lesson).reports
        cells = read_notebook(path).cells
    except LessonFileError as error:
        return LessonProgress(lesson, problem=str(error))
    sources = {kind: [cell.source for cell in cells if cell.cell_type == kind] for kind in ("code", "markdown")}
    title = next((match[1] for source in sources["markdown"] if (match := _HEADING.search(source))), lesson)
    asked = {name for source in sources["code"] for name in named_in_calls(source, "guess")}
    made = asked & set(guesses.guesses_made(course.lessons))
    return LessonProgress(lesson, title, reports, len(asked), len(made))


def lines(found: LessonProgress) -> list[str]:
    """The lesson's exercises and its guesses, a line each, for the terminal."""
    if found.problem:
        return [found.problem]
    made = [f"  {'guesses':28} {found.made} of {found.asked} made"] if found.asked else []
    return [_line(report) for report in found.reports] + made or ["no exercises"]


def share_solved(way: Sequence[LessonProgress]) -> float:
    """Of all exercises, the share that is solved."""
    return sum(found.solved for found in way) / max(1, sum(len(found.reports) for found in way))


def summary(way: Sequence[LessonProgress]) -> str:
    """How much is solved, and what is next, in a line."""
    solved, total = sum(found.solved for found in way), sum(len(found.reports) for found in way)
    step = next_step(way)
    return f"{solved} of {total} exercises solved." + (f" Next: {step[1]}, in {step[0]}." if step else "")


def next_step(way: Sequence[LessonProgress]) -> tuple[str, str] | None:
    """The lesson and the exercise that come next; None when all is solved."""
    return next(((found.lesson, found.unsolved[0]) for found in way if found.unsolved), None)


def _line(report: Report) -> str:
    return f"{'✓' if report.passed else '·'} {report.exercise:28} {_detail(report)}"


def _detail(report: Report) -> str:
    passed = sum(outcome.passed for outcome in report.outcomes)
    return {
        "passed": "solved",
        "not_attempted": "not attempted",
        "failed": f"{passed} of {len(report.outcomes)} checks passed",
        "error": "raises an error",
        "timeout": "takes too long",
    }[report.status]


# The way as a picture. Its colours tell the same as its signs and words, and are readable on white and on black.
STYLE = """
.bnn-progress {font-family: var(--jp-content-font-family, sans-serif); max-width: 46em; line-height: 1.45;}
.bnn-progress ol {list-style: none; margin: 0; padding: 0 0 0 1.1em;}
.bnn-progress li {position: relative; margin: 0; padding: 0 0 1em 2em; border-left: 3px solid #8a8a8a;}
.bnn-progress li.solved {border-left-color: #009E73;}
.bnn-progress li:last-of-type {border-left-color: transparent;}
.bnn-progress .place {position: absolute; left: -1.05em; top: 0; width: 1.8em; height: 1.8em; line-height: 1.8em;
  border-radius: 50%; text-align: center; font-weight: bold; font-size: .9em; background: #8a8a8a; color: #000;}
.bnn-progress .solved .place {background: #009E73;}
.bnn-progress .next .place {background: #E69F00;}
.bnn-progress a, .bnn-progress b {font-weight: bold;}
.bnn-progress .parts {display: flex; flex-wrap: wrap; gap: 0 1.4em; font-size: .93em;}
.bnn-progress .after {margin: .2em 0; font-size: .93em;}
"""


class _Way:
    """The way through the course as a notebook shows it, and as text elsewhere."""

    def __init__(self, way: Sequence[LessonProgress]) -> None:
        self._way = way

    def __repr__(self) -> str:
        rows = [f"{found.lesson:34} {line}" for found in self._way for line in lines(found)]
        return "\n".join([*rows, summary(self._way)])

    def _repr_html_(self) -> str:
        step = next_step(self._way)
        items = "".join(_item(found, step) for found in self._way)
        return (
            f'<style>{STYLE}</style><div class="bnn-progress"><ol>{items}</ol>'
            f'<p class="after">{escape(summary(self._way))} This is so for your notebooks as they were last saved.</p>'
            "</div>"
        )


def _item(found: LessonProgress, step: tuple[str, str] | None) -> str:
    number = found.lesson.partition("_")[0]
    is_next = step is not None and step[0] == found.lesson
    state = "next" if is_next else "solved" if found.reports and not found.unsolved else "open"
    here = ' aria-current="step"' if is_next else ""
    if found.problem:
        return f'<li class="{state}"><span class="place">{number}</span>{escape(found.problem)}</li>'
    parts = [f"{'✓' if report.passed else '○'} {report.exercise}: {_detail(report)}" for report in found.reports]
    if found.asked:
        parts.append(f"{'●' * found.made}{'○' * (found.asked - found.made)} {found.made} of {found.asked} guesses made")
    shown = "".join(f"<span>{escape(part)}</span>" for part in parts)
    return (
        f'<li class="{state}"{here}><span class="place">{number}</span>'
        f'<a href="{found.lesson}.ipynb">{escape(found.title)}</a>{" ← next" if is_next else ""}'
        f'<div class="parts">{shown}</div></li>'
    )

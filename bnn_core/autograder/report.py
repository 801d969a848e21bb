"""What came of an exercise, and how that reads: as plain text everywhere, and as HTML where a notebook shows it.

The diagnosis stands first, failed checks above passed ones. This module knows reports and nothing of Jupyter.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from bnn_core.autograder import pictures
from bnn_core.autograder.pictures import Picture
from bnn_core.page_themes import DARK, LIGHT

if TYPE_CHECKING:
    from jinja2 import Environment

Status = Literal["passed", "failed", "not_attempted", "error", "timeout"]

INDENT = "  "
SIGNS = {"passed": "✓", "failed": "✗", "skipped": "–"}

_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Outcome:
    """What came of one check. `ran` is False when a check that it builds on failed, so that it made no sense to run."""

    name: str
    passed: bool
    message: str = ""
    misconception: str | None = None
    ran: bool = True
    code_raised: bool = False
    picture: Picture | None = None


@dataclass(frozen=True)
class Report:
    """What came of an exercise. `message` is one line; `notes` are remarks and advice beside the checks."""

    exercise: str
    status: Status
    message: str
    outcomes: tuple[Outcome, ...] = ()
    points: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.status == "passed"

    @property
    def score(self) -> float:
        """The exercise's points times the share of its checks that passed."""
        if not self.outcomes:
            return 0.0
        return self.points * sum(outcome.passed for outcome in self.outcomes) / len(self.outcomes)


def state(outcome: Outcome) -> str:
    """ "passed", "failed" or "skipped"."""
    return "passed" if outcome.passed else "failed" if outcome.ran else "skipped"


def plain(report: Report) -> str:
    """The report as text: a headline, the failed checks with their messages, then the others on a line each."""
    lines = [report.message]
    for outcome in _in_state(report, "failed"):
        lines += ["", f"{SIGNS['failed']} {outcome.name}"]
        lines += [INDENT + line for line in outcome.message.splitlines()]
    others = [f"{SIGNS['passed']} {outcome.name}" for outcome in _in_state(report, "passed")]
    if skipped := _in_state(report, "skipped"):
        others.insert(0, f"{SIGNS['skipped']} {waiting(len(skipped))}")
    lines += ["", *others] if others else []
    lines += ["", *report.notes] if report.notes else []
    return "\n".join(lines)


def html(report: Report) -> str:
    """The same as HTML, everything escaped, with a picture where a failed check saw something to look at."""
    page = environment().get_template("notebook.html")
    items = [shown(state(item), item.name, item.message, item.picture) for item in report.outcomes]
    return page.render(
        status=report.status, message=report.message, notes=report.notes, items=items, folded=not report.passed
    )


def shown(state: str, name: str, message: str, picture: Picture | None) -> dict[str, Any]:
    """A check and what came of it, as the templates take it."""
    sentence, _, numbers = message.partition("\n")
    drawing = pictures.drawn(picture) if picture is not None else None
    return {"state": state, "name": name, "sentence": sentence, "numbers": numbers, "picture": drawing}


@functools.lru_cache
def environment(*packages: str) -> Environment:
    """The templates of these packages and of this one, whose macros they may use."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in (*packages, "bnn_core.autograder")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["with_code"] = with_code
    environment.globals |= {
        "signs": SIGNS,
        "counted": {"skipped": waiting, "passed": "{} passed".format},
        "picture_width": pictures.WIDTH,
        "picture_height": pictures.HEIGHT,
        "yours": pictures.YOURS,
        "dark_pages": DARK,
        "light_pages": LIGHT,
    }
    return environment


def with_code(text: str) -> str:
    """The text as HTML, with what stands between backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _in_state(report: Report, wanted: str) -> list[Outcome]:
    return [outcome for outcome in report.outcomes if state(outcome) == wanted]


def waiting(count: int) -> str:
    """One line for the checks that were not run, since what they build on failed."""
    return f"{count} more {'check waits' if count == 1 else 'checks wait'} for what failed above"

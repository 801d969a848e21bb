"""Which of several notebooks for a lesson counts, by the rule in an instructor's file, and why. It knows names and
times; it looks into no notebook, and what an attempt is worth is known only when all are graded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from bnn_core.classroom.recognising import Found

USUAL, LAST, BEST, EXACT_NAME = "", "last", "best", "exact_name"
RULES = (LAST, BEST, EXACT_NAME)
MOST_ATTEMPTS = 10
"""So many of a student's attempts at a lesson are graded where the best counts, so that nobody can keep a grading busy
by handing in thousands.
"""

IN_WORDS = {
    USUAL: "Of several attempts in the school's system the last counts, and of several notebooks in it the one that is "
    "named as the lesson is, or else the newest.",
    LAST: "Of several attempts at a lesson the last counts, whatever it is called.",
    BEST: "Every attempt at a lesson is graded, and the one with the most points counts, after what its own time of "
    f"submission costs. Of more than {MOST_ATTEMPTS} these are the last {MOST_ATTEMPTS}.",
    EXACT_NAME: "Only a notebook that is named as the lesson is counts. One of another name gives no points, and the "
    "page says so.",
}
SEVERAL_HANDED_IN = "Several notebooks were handed in"
NONE_NAMED = "No notebook is named as the lesson is"
OF_THOSE = "What can't be read, or is as it was handed out, is no attempt where another is."

_NUMBERED = re.compile(r"-\d+$")  # so Canvas marks what is handed in again


_IN_TIME = ("it can be read", "it was worked on", "it is a notebook", "it is the last", "it is named as the lesson is")
_ORDER = {
    USUAL: (*_IN_TIME[:3], "it is of the last attempt", _IN_TIME[4], "it is the newest", "its name is the last"),
    LAST: (*_IN_TIME, "its name is the last"),
    BEST: (*_IN_TIME, "its name is the last"),
    EXACT_NAME: (_IN_TIME[4], *_IN_TIME[:4], "its name is the last"),
}


@dataclass(frozen=True)
class Candidate:
    """A notebook that may count. when: it was handed in, in ISO 8601, or empty. attachment: Canvas's number, which
    grows with time, or 0.
    """

    notebook: Found
    when: str = ""
    attachment: int = 0

    def is_named(self, lesson: str) -> bool:
        stem = PurePosixPath(self.notebook.name).name.lower().partition(".")[0]
        return lesson in (stem, _NUMBERED.sub("", stem) if self.attachment else stem)

    def time(self) -> tuple[object, ...]:
        """A later attempt sorts higher."""
        moment = datetime.fromisoformat(self.when) if self.when else datetime.min
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return self.notebook.attempt, moment, self.attachment, self.notebook.modified


@dataclass(frozen=True)
class Counting:
    """A candidate that counts, or one of those of which the best does: the number of the attempt, of how many, and why
    it is this one, as the end of a sentence.
    """

    candidate: Candidate
    attempt: int
    attempts: int
    why: str = ""


def counting(rule: str, lesson: str, candidates: Sequence[Candidate]) -> list[Counting]:
    """The one that counts; by BEST, all that may, in the order of time; by EXACT_NAME there may be none."""
    if not candidates:
        return []
    usable = max(map(_usable, candidates))
    attempts = [one for one in candidates if rule == EXACT_NAME or _usable(one) == usable]
    attempts.sort(key=lambda one: (one.time(), one.notebook.name))
    count = len(attempts)
    if rule == BEST and count > 1:
        return [Counting(one, n, count) for n, one in list(enumerate(attempts, 1))[-MOST_ATTEMPTS:]]
    named = [one for one in attempts if one.is_named(lesson)] if rule == EXACT_NAME else attempts
    if not named:
        return []
    chosen = max(named, key=lambda one: tuple(_grounds(rule, lesson, one).values()))
    return [Counting(chosen, attempts.index(chosen) + 1, count, _why(rule, lesson, chosen, candidates))]


def _usable(one: Candidate) -> tuple[bool, ...]:
    notebook = one.notebook
    return notebook.kind == "notebook", not notebook.is_untouched, not notebook.is_script


def _grounds(rule: str, lesson: str, one: Candidate) -> dict[str, object]:
    """What is looked at, the weightiest first: the higher, the sooner this one counts."""
    can_be_read, worked_on, is_notebook = _usable(one)
    grounds: dict[str, object] = {
        "it is named as the lesson is": one.is_named(lesson),
        "it can be read": can_be_read,
        "it was worked on": worked_on,
        "it is a notebook": is_notebook,
        "it is of the last attempt": one.notebook.attempt,
        "it is the last": one.time(),
        "it is the newest": (one.notebook.received, one.notebook.modified),
        "its name is the last": one.notebook.name,
    }
    return {ground: grounds[ground] for ground in _ORDER[rule]}


def _why(rule: str, lesson: str, chosen: Candidate, candidates: Sequence[Candidate]) -> str:
    """The first of the grounds on which it goes before every other."""
    others = [tuple(_grounds(rule, lesson, one).items()) for one in candidates if one is not chosen]
    if not others:
        return ""
    best = max(others, key=lambda grounds: [value for _, value in grounds])
    mine = _grounds(rule, lesson, chosen)
    return next((ground for ground, value in best if mine[ground] != value), "")


def told(file: str, others: str, attempt: int, attempts: int, why: str) -> str:
    """Which notebook counts, in sentences; empty where there is one alone. others: the names of the rest."""
    if not others:
        return ""
    which = f"it is attempt {attempt} of {attempts}" if attempts > 1 else ""
    reason = f"for {why}" if which and why else why
    end = ", ".join(part for part in (which, reason) if part)
    counts = f"{file} counts, and not {others}{': ' if end else ''}{end}"
    return f"{SEVERAL_HANDED_IN} for this lesson. {counts}."


def none_named(lesson: str, names: Sequence[str]) -> str:
    """By EXACT_NAME: that nothing counts, and what to do."""
    first = f"{names[0]}{f' and {len(names) - 1} more were' if len(names) > 1 else ' was'} not graded"
    return (
        f"{NONE_NAMED}: by the rules of your course only {lesson}.ipynb counts, so {first}. Rename the notebook, and "
        "hand it in again."
    )

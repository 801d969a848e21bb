"""What came of an exercise, and how that reads: as plain text everywhere, and as HTML where a notebook shows it.

The diagnosis stands first, failed checks above passed ones. This module knows reports and nothing of Jupyter.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Literal

Status = Literal["passed", "failed", "not_attempted", "error", "timeout"]

INDENT = "  "
MARKS = {"passed": "✓", "failed": "✗", "skipped": "–"}

# Colours of the Okabe–Ito palette, dark enough on white and light enough on black; the marks carry the meaning too.
STYLE = """
.bnn-report {font-family: var(--jp-content-font-family, sans-serif); max-width: 46em; line-height: 1.45;
  border-left: 4px solid #D55E00; padding: .4em 1em; margin: .3em 0;}
.bnn-report.passed {border-color: #009E73;}
.bnn-report.not_attempted {border-color: #0072B2;}
.bnn-report p {margin: .2em 0;}
.bnn-report .headline {font-weight: bold;}
.bnn-report ul {list-style: none; margin: .5em 0; padding: 0;}
.bnn-report li {margin: .45em 0; padding-left: 1.5em; text-indent: -1.5em;}
.bnn-report li.passed, .bnn-report li.skipped {margin: .05em 0; opacity: .8;}
.bnn-report details {display: inline-block; vertical-align: top; text-indent: 0;}
.bnn-report .mark {display: inline-block; width: 1.5em; text-indent: 0; font-weight: bold;}
.bnn-report .failed .mark {color: #D55E00;}
.bnn-report .passed .mark {color: #009E73;}
.bnn-report .message {text-indent: 0;}
.bnn-report .numbers {font-family: var(--jp-code-font-family, monospace); font-size: .9em; text-indent: 0;
  white-space: pre-wrap;}
"""

# The error that follows the report says the same in plain text; where the report is shown, it needn't be read twice.
HIDE_THE_ERROR_BELOW = """
.jp-OutputArea-child:has(.bnn-report) ~ .jp-OutputArea-child:has([data-mime-type="application/vnd.jupyter.stderr"]),
.jp-OutputArea-child:has(.bnn-report) ~ .jp-OutputArea-child:has([data-mime-type="application/vnd.jupyter.error"])
{display: none;}
"""


@dataclass(frozen=True)
class Outcome:
    """What came of one check. `ran` is False when a check that it builds on failed, so that it made no sense to run."""

    name: str
    passed: bool
    message: str = ""
    misconception: str | None = None
    ran: bool = True
    code_raised: bool = False


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
        lines += ["", f"{MARKS['failed']} {outcome.name}"]
        lines += [INDENT + line for line in outcome.message.splitlines()]
    others = [f"{MARKS['passed']} {outcome.name}" for outcome in _in_state(report, "passed")]
    if waiting := _waiting(report):
        others.insert(0, f"{MARKS['skipped']} {waiting}")
    lines += ["", *others] if others else []
    lines += ["", *report.notes] if report.notes else []
    return "\n".join(lines)


def html(report: Report) -> str:
    """The same as HTML, everything escaped."""
    items = [_failed_item(outcome) for outcome in _in_state(report, "failed")]
    if waiting := _waiting(report):
        names = "".join(f"<br>{escape(outcome.name)}" for outcome in _in_state(report, "skipped"))
        folded = f"<details><summary>{escape(waiting)}</summary>{names}</details>"
        items.append(f'<li class="skipped">{_mark("skipped")}{folded}</li>')
    items += [f'<li class="passed">{_mark("passed")}{escape(item.name)}</li>' for item in _in_state(report, "passed")]
    listed = "<ul>" + "".join(items) + "</ul>" if items else ""
    notes = "".join(f"<p>{escape(note)}</p>" for note in report.notes)
    return (
        f"<style>{STYLE}{HIDE_THE_ERROR_BELOW}</style>"
        f'<div class="bnn-report {report.status}" role="status"><p class="headline">{escape(report.message)}</p>'
        f"{listed}{notes}</div>"
    )


def _in_state(report: Report, wanted: str) -> list[Outcome]:
    return [outcome for outcome in report.outcomes if state(outcome) == wanted]


def _waiting(report: Report) -> str:
    """One line for the checks that were not run, since what they build on failed."""
    count = len(_in_state(report, "skipped"))
    return f"{count} more {'check waits' if count == 1 else 'checks wait'} for what failed above" if count else ""


def _mark(kind: str) -> str:
    return f'<span class="mark" aria-label="{kind}">{MARKS[kind]}</span>'


def _failed_item(outcome: Outcome) -> str:
    first, *rest = outcome.message.splitlines() or [""]
    detail = f'<p class="numbers">{escape(chr(10).join(rest))}</p>' if rest else ""
    return (
        f'<li class="failed">{_mark("failed")}<b>{escape(outcome.name)}</b>'
        f'<p class="message">{escape(first)}</p>{detail}</li>'
    )

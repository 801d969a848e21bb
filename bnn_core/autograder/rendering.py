"""How a report reads: as plain text everywhere, and as HTML where a notebook shows it.

The diagnosis stands first, failed checks above passed ones. This module knows reports and nothing of Jupyter.
"""

from __future__ import annotations

from html import escape

from bnn_core.autograder.checking import Outcome, Report

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


def state(outcome: Outcome) -> str:
    """ "passed", "failed" or "skipped"."""
    return "passed" if outcome.passed else "failed" if outcome.ran else "skipped"


def plain(report: Report) -> str:
    """The report as text: a headline, the failed checks with their messages, then the others on a line each."""
    lines = [report.message]
    failed = [outcome for outcome in report.outcomes if state(outcome) == "failed"]
    for outcome in failed:
        lines += ["", f"{MARKS['failed']} {outcome.name}"]
        lines += [INDENT + line for line in outcome.message.splitlines()]
    others = [outcome for outcome in report.outcomes if state(outcome) != "failed"]
    if others:
        lines.append("")
    lines += [f"{MARKS[state(outcome)]} {outcome.name}{_why(outcome)}" for outcome in others]
    lines += ["", *report.notes] if report.notes else []
    return "\n".join(lines)


def html(report: Report) -> str:
    """The same as HTML, everything escaped."""
    items = sorted(report.outcomes, key=lambda outcome: state(outcome) != "failed")
    listed = "".join(_item(outcome) for outcome in items)
    notes = "".join(f"<p>{escape(note)}</p>" for note in report.notes)
    return (
        f"<style>{STYLE}{HIDE_THE_ERROR_BELOW}</style>"
        f'<div class="bnn-report {report.status}" role="status"><p class="headline">{escape(report.message)}</p>'
        f"{f'<ul>{listed}</ul>' if listed else ''}{notes}</div>"
    )


def _why(outcome: Outcome) -> str:
    return "" if outcome.ran else f" ({outcome.message.rstrip('.')})"


def _item(outcome: Outcome) -> str:
    kind = state(outcome)
    mark = f'<span class="mark" aria-label="{kind}">{MARKS[kind]}</span>'
    if kind != "failed":
        return f'<li class="{kind}">{mark}{escape(outcome.name + _why(outcome))}</li>'
    first, *rest = outcome.message.splitlines() or [""]
    detail = f'<p class="numbers">{escape(chr(10).join(rest))}</p>' if rest else ""
    return f'<li class="failed">{mark}<b>{escape(outcome.name)}</b><p class="message">{escape(first)}</p>{detail}</li>'

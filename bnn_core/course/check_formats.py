"""What came of the checks, in the forms that other programs read: annotations and a job's summary for GitHub Actions,
JUnit's XML for every other server, JSON for scripts. How it reads for people is the report's own affair, and what is
right is the checks'; this module only says the same in other words.
"""

from __future__ import annotations

import html
import json
import os
import secrets
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from operator import itemgetter
from pathlib import Path

from bnn_core.autograder.report import SIGNS, Outcome, Report, plain, state, waiting
from bnn_core.classroom.text import MOST_CHARACTERS, clean
from bnn_core.course.notebook_report import NotebookReport
from bnn_core.course.places import Place, Places

MOST_ANNOTATIONS = 10
"""GitHub shows so many errors of one step, and drops the others without a word."""

MOST_IN_SUMMARY = 1_500
"""Characters of one message there: a summary may have 1 MiB."""

COUNTED = {"tests": "testcase", "failures": "failure", "errors": "error"}
"""What JUnit's XML says how many there are of: the attributes, and the elements."""

NOT_RUN = "Not run, for what it builds on failed."


@dataclass(frozen=True)
class Checked:
    """A notebook and what came of it."""

    file: Path
    report: NotebookReport

    @property
    def path(self) -> str:
        """As it is shown."""
        return shown_path(self.file)

    @cached_property
    def places(self) -> Places:
        """Where its lines stand."""
        return Places(self.file)


def shown_path(path: Path) -> str:
    """The path from the top of the repository, where GitHub says what that is, or else from the current folder."""
    top = Path(os.environ.get("GITHUB_WORKSPACE") or ".").resolve()
    path = path.resolve()
    return path.relative_to(top).as_posix() if path.is_relative_to(top) else path.as_posix()


def headed(report: NotebookReport, path: str) -> str:
    """A notebook's reports as plain text, under its name."""
    heading = f"{report.lesson}  ({path})"
    notes = (f"Note: {note}." for note in report.notes)
    texts = [*notes, *(plain(one) for one in report.reports)]
    return "\n".join([heading, "─" * len(heading), *(f"{text}\n" for text in texts)])


# GitHub


def github(notebooks: Sequence[Checked]) -> str:
    """The reports as the log shows them, in which nothing that a learner wrote is a command, and then annotations."""
    token = secrets.token_hex(16)
    text = "\n".join(headed(checked.report, checked.path) for checked in notebooks)
    return "\n".join([f"::stop-commands::{token}", text, f"::{token}::", *_annotations(notebooks)])


def _annotations(notebooks: Sequence[Checked]) -> Iterator[str]:
    """One for each failed check, those first that stand first in their exercise's report; then what isn't attempted."""
    ranked = [
        ((report.status == "not_attempted", position), _annotation(checked, report, outcome))
        for checked in notebooks
        for report in checked.report.reports
        for position, outcome in enumerate(_to_tell(report))
    ]
    commands = [command for _, command in sorted(ranked, key=itemgetter(0))]
    yield from commands[:MOST_ANNOTATIONS]
    if (more := len(commands) - MOST_ANNOTATIONS) > 0:
        yield f"::notice::{more} more of this kind; the log and the job's summary have them all"


def _to_tell(report: Report) -> Sequence[Outcome | None]:
    """The failed checks, or None for an exercise that is wrong as a whole."""
    if report.passed:
        return []
    return [outcome for outcome in report.outcomes if state(outcome) == "failed"] or [None]


def _annotation(checked: Checked, report: Report, outcome: Outcome | None) -> str:
    place = checked.places.of(report, outcome)
    message = outcome.message if outcome is not None else report.message
    where = f"\n({place.in_words})" if place is not None else ""
    title = report.exercise if outcome is None else f"{report.exercise}: {outcome.name}"
    level = "warning" if report.status == "not_attempted" else "error"
    return annotation(level, checked.path, place.file_line if place else 1, title, clean(message) + where)


def annotation(level: str, path: str, line: int, title: str, message: str) -> str:
    """The command that makes GitHub show the message beside a line of a file."""
    properties = {"file": path, "line": str(line), "title": title}
    written = ",".join(f"{name}={_escaped(value, also=':,')}" for name, value in properties.items())
    return f"::{level} {written}::{_escaped(message)}"


def _escaped(text: str, also: str = "") -> str:
    """The text with every character written out that would end it, and first the sign that begins such writing."""
    for character in "%\r\n" + also:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def summary(notebooks: Sequence[Checked]) -> str:
    """The report for a job's page. It is HTML without an empty line, in which nothing is taken for Markdown."""
    return "".join(_of_notebook(checked) for checked in notebooks)


def _of_notebook(checked: Checked) -> str:
    report = checked.report
    lines = [f"<h3>{_html(report.lesson)} <code>{_html(checked.path)}</code></h3>"]
    lines += [f"<p>Note: {_html(note)}.</p>" for note in report.notes]
    for exercise in report.reports:
        lines += _of_exercise(checked, exercise)
    return "\n".join(lines) + "\n\n"


def _of_exercise(checked: Checked, report: Report) -> Iterator[str]:
    sign = SIGNS["passed" if report.passed else "failed"]
    points = f"{round(report.score, 2):g} of {report.points:g} points"
    yield f"<p><strong>{sign} {_html(report.message)}</strong> ({points})</p>"
    states = [state(outcome) for outcome in report.outcomes]
    if failed := [outcome for outcome in report.outcomes if state(outcome) == "failed"]:
        yield "<ul>"
        for outcome in failed:
            place = checked.places.of(report, outcome)
            where = f" <em>({place.in_words})</em>" if place is not None else ""
            yield f"<li>{SIGNS['failed']} {_html(outcome.name)}{where}<br>{_html(outcome.message)}</li>"
        yield "</ul>"
    if skipped := states.count("skipped"):
        yield f"<p>{SIGNS['skipped']} {waiting(skipped)}</p>"
    if passed := [outcome.name for outcome in report.outcomes if outcome.passed]:
        items = "".join(f"<li>{SIGNS['passed']} {_html(name)}</li>" for name in passed)
        yield f"<details><summary>{len(passed)} passed</summary><ul>{items}</ul></details>"
    yield from (f"<p>{_html(note)}</p>" for note in report.notes)


def _html(text: str) -> str:
    return html.escape(_text(text, MOST_IN_SUMMARY).strip()).replace("\n", "<br>")


# JUnit


def junit(notebooks: Sequence[Checked]) -> str:
    """The reports as XML with a suite for each notebook and a test for each check, as Jenkins, GitLab and others read
    it. All of it is ASCII, so that it is the same whatever a terminal or a shell does with other characters.
    """
    root = ET.Element("testsuites", name="bnn-course")
    for checked in notebooks:
        suite = ET.SubElement(root, "testsuite", name=checked.report.lesson, file=checked.path)
        for report in checked.report.reports:
            _add_tests(suite, checked, report)
        notes = [*checked.report.notes, *(note for report in checked.report.reports for note in report.notes)]
        if notes:
            ET.SubElement(suite, "system-out").text = _text("\n".join(notes))
        _count(suite, COUNTED | {"skipped": "skipped"})
    _count(root, COUNTED)
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return written.decode("ascii")


def _add_tests(suite: ET.Element, checked: Checked, report: Report) -> None:
    group = f"{checked.report.lesson}.{report.exercise}"
    if not report.outcomes:
        test = ET.SubElement(suite, "testcase", classname=group, name=report.exercise)
        _add_verdict(test, checked, report, None)
    for outcome in report.outcomes:
        test = ET.SubElement(suite, "testcase", classname=group, name=outcome.name)
        if state(outcome) == "skipped":
            ET.SubElement(test, "skipped", message=NOT_RUN)
        elif not outcome.passed:
            _add_verdict(test, checked, report, outcome)


def _add_verdict(test: ET.Element, checked: Checked, report: Report, outcome: Outcome | None) -> None:
    """Why the test failed: an error where the code raised or never ended, or else a failure."""
    if outcome is None:
        message, kind, is_error = report.message, str(report.status), report.status in ("error", "timeout")
    else:
        message, is_error = outcome.message, outcome.code_raised
        kind = outcome.misconception or ("error" if is_error else "failed")
    first, _, _ = message.partition("\n")
    verdict = ET.SubElement(test, "error" if is_error else "failure", message=_text(first), type=kind)
    place = checked.places.of(report, outcome)
    where = f"\n{checked.path}:{place.file_line} ({place.in_words})" if place is not None else ""
    verdict.text = _text(message + where)


def _count(element: ET.Element, tags: Mapping[str, str]) -> None:
    """Give the element these attributes: of each of the tags, how many are in it."""
    for attribute, tag in tags.items():
        element.set(attribute, str(sum(1 for _ in element.iter(tag))))


def _text(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text without what XML can't hold."""
    return clean(text, most).replace("\ufffe", r"\ufffe").replace("\uffff", r"\uffff")


# JSON


def as_json(notebooks: Sequence[Checked]) -> str:
    """The rows of a grading's report.json, without a student, and with where each thing stands."""
    results = [
        {
            "path": checked.path,
            "lesson": checked.report.lesson,
            "exercise": report.exercise,
            "status": report.status,
            "score": round(report.score, 6),
            "max_score": report.points,
            "message": report.message,
            "place": _place(checked.places.of(report)),
            "checks": [_check(checked, report, outcome) for outcome in report.outcomes],
            "notes": [*checked.report.notes, *report.notes],
        }
        for checked in notebooks
        for report in checked.report.reports
    ]
    passed = all(checked.report.passed for checked in notebooks)
    return json.dumps({"passed": passed, "results": results}, indent=1)


def _check(checked: Checked, report: Report, outcome: Outcome) -> dict[str, object]:
    return {
        "name": outcome.name,
        "passed": outcome.passed,
        "ran": outcome.ran,
        "message": outcome.message,
        "misconception": outcome.misconception,
        "place": None if outcome.passed else _place(checked.places.of(report, outcome)),
    }


def _place(place: Place | None) -> dict[str, object] | None:
    return asdict(place) if place is not None else None

"""What `check --format` writes for other programs: each form by the rules of who reads it, at the learner's line."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from nbformat import v4
from zoo import bayesian_linear as zoo

from bnn_core.autograder.report import Outcome, Report
from bnn_core.course import check_formats
from bnn_core.course.check_formats import Checked
from bnn_core.course.command_line import main
from bnn_core.course.notebook_checks import NotebookReport
from bnn_core.course.places import Places
from bnn_core.lesson_files import notebook_text

LESSON = "03_bayesian_linear"
SETUP = "import torch\nimport torch.nn.functional as F\nfrom torch import nn"
WRONG = next(wrong for wrong in zoo.WRONG if wrong.misconception == "kl-std-for-variance")
HOSTILE = 'a % sign,\r\n::set-output name=x::y\n"<b>&\x1b[31m \ufffe'


def write(folder: Path, *cells: str) -> Path:
    path = folder / f"{LESSON}.ipynb"
    text = [v4.new_markdown_cell("# A lesson"), *map(v4.new_code_cell, cells)]
    path.write_text(notebook_text(v4.new_notebook(cells=text)), encoding="utf-8")
    return path


def line_of(path: Path, words: str) -> int:
    return next(n for n, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1) if words in line)


def reported(path: Path, *outcomes: Outcome, message: str = "BayesianLinear: wrong", status: str = "failed") -> Checked:
    report = Report("BayesianLinear", status, message, outcomes, 10.0, ("A remark.",))  # type: ignore[arg-type]
    return Checked(path, NotebookReport(LESSON, (report,), ("a note",)))


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checked:
    monkeypatch.chdir(tmp_path)
    outcomes = (
        Outcome("it is: right, mostly", True),
        Outcome("the KL, is right", False, HOSTILE, "kl-std-for-variance"),
        Outcome("it draws", False, f"Your forward raised ValueError: {HOSTILE}", code_raised=True),
        Outcome("it waits", False, ran=False),
    )
    return reported(write(tmp_path, SETUP, zoo.BASE), *outcomes)


# The learner's line


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("The KL should be 3.", "class BayesianLinear"),
        ("It took more than 2 s and was stopped, in cell 2, line 1.", "import torch"),
        ("cell 2 isn't valid Python (line 3: invalid syntax).", "class BayesianLinear"),
        ("Your forward raised TypeError: no\nThe line: super().__init__()", "super().__init__()"),
        ("Your forward raised TypeError: no\nThe line: return 1  # which stands nowhere", "class BayesianLinear"),
        ("cell 9, line 1: NameError", "class BayesianLinear"),
    ],
)
def test_the_line_is_the_one_that_the_message_means(tmp_path: Path, message: str, words: str) -> None:
    path = write(tmp_path, "", "import torch\n\nclass BayesianLinear(torch.nn.Module):\n    super().__init__()")
    checked = reported(path, Outcome("it works", False, message))
    place = checked.places.of(checked.report.reports[0], checked.report.reports[0].outcomes[0])
    assert place is not None
    assert (place.cell, place.file_line) == ("cell 2", line_of(path, words))


def test_where_nothing_is_defined_it_is_the_check_or_nothing(tmp_path: Path) -> None:
    report = reported(tmp_path).report.reports[0]
    place = Places(path := write(tmp_path, SETUP, "check(BayesianLinear)")).of(report)
    assert place is not None
    assert place.file_line == line_of(path, "check(BayesianLinear)")
    assert Places(write(tmp_path, SETUP)).of(report) is None


def test_any_way_of_writing_a_notebook_has_its_lines(tmp_path: Path) -> None:
    document = {
        "cells": [
            {"cell_type": "markdown", "source": "class BayesianLinear: ..."},
            {"source": "import torch\nclass BayesianLinear: ...", "cell_type": "code", "metadata": {"a": [1, {}, []]}},
        ]
    }
    report = reported(tmp_path).report.reports[0]
    path = tmp_path / f"{LESSON}.ipynb"
    for indent, expected in ((None, 1), (1, 8)):
        path.write_text(json.dumps(document, indent=indent), encoding="utf-16")
        place = Places(path).of(report)
        assert place is not None
        assert (place.in_words, place.file_line) == ("cell 1, line 2", expected)
    script = tmp_path / f"{LESSON}.py"
    script.write_text("# %% [markdown]\n# Text\n# %%\nimport torch\n\nclass BayesianLinear: ...\n", encoding="utf-8")
    place = Places(script).of(report)
    assert place is not None
    assert place.file_line == 6


# GitHub


def test_annotations_are_commands_as_github_reads_them(hostile: Checked) -> None:
    lines = check_formats.github([hostile]).split("\n")
    token = lines[0].removeprefix("::stop-commands::")
    end = lines.index(f"::{token}::")
    assert len(token) >= 32
    assert any("::set-output name=x::y" in line for line in lines[1:end])  # where it is no command
    assert not any(line.startswith("::set-output") for line in lines[end:])
    first, second = lines[end + 1 :]
    found = re.fullmatch(r"::error file=([^,:]+),line=(\d+),title=([^,:]+)::(.*)", first)
    assert found
    assert found[1] == f"{LESSON}.ipynb"
    assert int(found[2]) == line_of(hostile.file, "class BayesianLinear")
    assert found[3] == "BayesianLinear%3A the KL%2C is right"
    assert found[4].startswith('a %25 sign,%0A::set-output name=x::y%0A"<b>&')
    assert "ValueError" in second


def test_the_most_telling_annotations_come_first_and_no_more_than_github_shows(tmp_path: Path) -> None:
    many = [Outcome(f"check {n}", False, "no") for n in range(12)]
    path = write(tmp_path, zoo.BASE)
    lines = check_formats.github([reported(path, *many), reported(path, *many)]).split("\n")
    errors = [line for line in lines if line.startswith("::error")]
    assert len(errors) == check_formats.MOST_ANNOTATIONS
    assert sum("check 0" in line for line in errors) == 2
    assert lines[-1].startswith("::notice::14 more")


@pytest.mark.parametrize(("status", "level"), [("not_attempted", "warning"), ("error", "error"), ("timeout", "error")])
def test_an_exercise_without_checks_has_one_annotation(tmp_path: Path, status: str, level: str) -> None:
    lines = check_formats.github([reported(write(tmp_path, SETUP), status=status)]).split("\n")
    assert lines[-1].startswith(f"::{level} file=")
    assert ",line=1,title=BayesianLinear::BayesianLinear: wrong" in lines[-1]


def test_paths_are_those_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lessons").mkdir()
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    assert check_formats.shown_path(tmp_path / "lessons" / "x.ipynb") == "lessons/x.ipynb"
    assert check_formats.shown_path(Path("/elsewhere/x.ipynb")) == "/elsewhere/x.ipynb"


def test_the_summary_is_the_report_and_nothing_in_it_is_markup(hostile: Checked) -> None:
    page = check_formats.summary([hostile])
    assert page.strip().count("\n\n") == 0  # an empty line would begin Markdown
    for part in ("the KL, is right", "(2.5 of 10 points)", "a note", "A remark.", "1 passed", "&lt;b&gt;&amp;"):
        assert part in page
    assert "<b>" not in page
    ET.fromstring(f"<div>{page.replace('<br>', '<br/>')}</div>")


# JUnit: what the schemas of Jenkins' xUnit plugin allow


ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package",
                  "file", "log", "url", "group"},
    "testcase": {"name", "time", "classname", "group"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
    "system-out": set(),
}  # fmt: skip
NEEDED = {"testsuite": {"name", "tests", "failures", "errors"}, "testcase": {"name"}}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase", "system-out"},
    "testcase": {"skipped", "error", "failure"},
}


def assert_valid(element: ET.Element) -> None:
    assert set(element.attrib) <= ATTRIBUTES[element.tag]
    assert NEEDED.get(element.tag, set()) <= set(element.attrib)
    assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
    if element.tag in ("testsuites", "testsuite", "testcase"):
        assert not (element.text or "").strip()
    for child in element:
        assert_valid(child)


def test_junit_is_what_its_schema_accepts(hostile: Checked) -> None:
    text = check_formats.junit([hostile, hostile])
    assert text.isascii()
    root = ET.fromstring(text)
    assert root.tag == "testsuites"
    assert_valid(root)
    assert {name: root.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "8",
        "failures": "2",
        "errors": "2",
    }
    suite = root[0]
    assert (suite.get("tests"), suite.get("skipped"), suite.get("file")) == ("4", "1", f"{LESSON}.ipynb")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("type") == "kl-std-for-variance"
    assert f"{LESSON}.ipynb:{line_of(hostile.file, 'class BayesianLinear')} (cell 2, line" in (failure.text or "")


@pytest.mark.parametrize(
    ("status", "tag"), [("not_attempted", "failure"), ("error", "error"), ("timeout", "error"), ("failed", "failure")]
)
def test_an_exercise_without_checks_is_one_test(tmp_path: Path, status: str, tag: str) -> None:
    root = ET.fromstring(check_formats.junit([reported(write(tmp_path, SETUP), status=status)]))
    assert_valid(root)
    (test,) = root.iter("testcase")
    assert [child.tag for child in test] == [tag]


# The command


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", *arguments])


def test_json_has_the_rows_of_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, SETUP, WRONG.source)
    result = run(str(path), "--format", "json")
    assert result.exit_code == 1
    answer = json.loads(result.output)
    assert answer["passed"] is False
    (row,) = answer["results"]
    assert {"path", "lesson", "exercise", "status", "score", "max_score", "message", "checks"} <= set(row)
    assert 0 < row["score"] < row["max_score"]
    failed = next(check for check in row["checks"] if check["name"] == WRONG.check)
    assert failed["misconception"] == WRONG.misconception
    assert failed["place"]["file_line"] == line_of(path, "class BayesianLinear")


def test_github_has_annotations_and_a_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "summary.md"
    page.write_text("What stood there.\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    forward = "    def forward(self, x):\n"
    path = write(tmp_path, SETUP, zoo.BASE.replace(forward, f"{forward}        1/0\n"))
    result = run(str(path), "--format", "github")
    assert result.exit_code == 1
    line = line_of(path, "        1/0")
    assert f"::error file={path.name},line={line},title=BayesianLinear%3A" in result.output
    assert page.read_text(encoding="utf-8").startswith("What stood there.\n<h3>")
    assert "ZeroDivisionError" in page.read_text(encoding="utf-8")


def test_a_right_notebook_passes_in_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    path = str(write(tmp_path, SETUP, zoo.BASE))
    for form in ("text", "github", "junit", "json"):
        result = run(path, "--format", form)
        assert result.exit_code == 0, result.output
        assert "::error" not in result.output


def test_a_file_that_is_no_notebook_is_pointed_at(tmp_path: Path) -> None:
    path = tmp_path / f"{LESSON}.ipynb"
    path.write_text("<<<<<<< HEAD\n", encoding="utf-8")
    result = run(str(path), "--format", "github")
    assert result.exit_code == 2
    assert "::error file=" in result.output
    assert "merge conflict" in result.output


def test_another_form_is_one_line() -> None:
    result = run("03", "--format", "yaml")
    assert result.exit_code == 2
    assert len(result.output.splitlines()) == 1

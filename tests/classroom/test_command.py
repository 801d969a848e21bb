"""`bnn-course grade` as it is typed: what it refuses, how it goes on after an interruption, and that sharing out
changes nothing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from classroom.machines import take_away
from classroom.notebooks import CASES, LESSON, WRONG, cells, write_class
from classroom.people import COMMAND, WITH_A_SHORT_CONTROL
from click.testing import CliRunner
from zoo.bayesian_linear import BASE as RIGHT

from bnn_core.classroom import control
from bnn_core.classroom.sandbox import launching
from bnn_core.course.command_line import main

linux = pytest.mark.skipif(sys.platform != "linux", reason="submissions are shut in on Linux alone")

QUICK = [case for case in CASES if case.name in ("plain", "wrong", "stub", "exits-quietly", "not-json")]
SAME_EACH_TIME = ("--lesson", "bayesian_linear", "--seed", 5)


AS_TYPED = (sys.executable, "-m", "bnn_core", "grade")
SOONER = (sys.executable, "-c", WITH_A_SHORT_CONTROL + COMMAND, "grade")


def grade(*arguments: object, command: tuple[str, ...] = SOONER) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False)


def rows(report: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((report / "report.json").read_text(encoding="utf-8"))["results"]
    return found


@pytest.fixture
def submissions(tmp_path: Path) -> Path:
    write_class(tmp_path / "class", QUICK)
    return tmp_path / "class"


@pytest.fixture
def one_submission(tmp_path: Path) -> Path:
    write_class(tmp_path / "class", [case for case in QUICK if case.name == "plain"])
    return tmp_path / "class"


@pytest.fixture(scope="module")
def graded_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a class, in which somebody handed in nothing, and its report. Not to be changed."""
    folder = tmp_path_factory.mktemp("graded")
    write_class(folder / "class", QUICK)
    (folder / "class" / "absent").mkdir()
    result = grade(folder / "class", "--output", folder / "report", *SAME_EACH_TIME, "--jobs", 1, command=AS_TYPED)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere", "--output", "report"], "no folder"),
        (["."], "--output"),
        ([".", "--output", "report", "--lesson", "99"], "there is no lesson '99'"),
        ([".", "--output", "report", "--jobs", "0"], "--jobs"),
        ([".", "--output", "report", "--timeout", "-1"], "--timeout"),
        ([".", "--output", "report", "--memory", "much"], "--memory"),
        ([".", "--output", "../report-on-nobody"], "holds no notebook"),
        ([".", "--output", "file/report"], "can't be written"),
    ],
)
def test_bad_arguments_are_a_line_and_exit_status_2(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["grade", *arguments])
    assert result.exit_code == 2
    assert says in result.output.splitlines()[-1]
    assert "Traceback" not in result.output


@linux
def test_one_job_and_three_give_the_same_report(graded_once: Path, tmp_path: Path) -> None:
    one, three = graded_once / "report", tmp_path / "three"
    result = grade(graded_once / "class", "--output", three, *SAME_EACH_TIME, "--jobs", 3)
    assert result.returncode == 0, result.stderr
    assert rows(one) == rows(three)
    for file in ("grades.csv", "index.html", f"plain/{LESSON}.html"):
        assert (one / file).read_bytes() == (three / file).read_bytes()
    statuses = {row["student"]: row["status"] for row in rows(one)}
    assert statuses == {
        "plain": "passed",
        "wrong": "failed",
        "stub": "not_attempted",
        "exits-quietly": "error",
        "not-json": "unreadable",
        "absent": "not_attempted",
    }


@linux
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_grading_goes_on_where_it_was(sign: signal.Signals, tmp_path: Path) -> None:
    for number in range(6):
        home = tmp_path / "class" / f"s{number}"
        home.mkdir(parents=True)
        cells(RIGHT if number % 2 else WRONG)(home)
    report = tmp_path / "report"
    arguments = [tmp_path / "class", "--output", report, "--jobs", 1]
    with subprocess.Popen([*SOONER, *map(str, arguments)], stderr=subprocess.PIPE, text=True) as process:
        journal = report / "results.jsonl"
        while process.poll() is None and not (journal.exists() and journal.read_text().count('"key"') >= 2):
            time.sleep(0.02)
        os.kill(process.pid, sign)
        _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in errors
    assert not (report / "report.json").exists()
    before = journal.read_text().count('"key"')
    assert 2 <= before < 6
    result = grade(*arguments)
    assert result.returncode == 0, result.stderr
    assert journal.read_text().count('"key"') == 6, "what was graded was graded again"
    assert [row["status"] for row in rows(report)] == ["failed", "passed"] * 3


@linux
def test_only_what_has_changed_is_graded_again(submissions: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    assert grade(submissions, "--output", report).returncode == 0
    lines = (report / "results.jsonl").read_text().count('"key"')
    cells(RIGHT)(submissions / "wrong")
    assert grade(submissions, "--output", report).returncode == 0
    assert (report / "results.jsonl").read_text().count('"key"') == lines + 1
    assert {row["student"]: row["status"] for row in rows(report)}["wrong"] == "passed"


@linux
def test_who_handed_in_nothing_has_a_row(graded_once: Path) -> None:
    (row,) = [row for row in rows(graded_once / "report") if row["student"] == "absent"]
    assert row["status"] == "not_attempted"
    assert row["message"] == "No notebook was handed in."
    assert row["max_score"] > 0


def test_without_isolation_it_says_what_is_missing(
    submissions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: object) -> None:
        raise launching.NoSandbox("namespaces (Operation not permitted)")

    monkeypatch.setattr(launching.WarmSandbox, "wait_until_ready", missing)
    monkeypatch.setattr(launching.shutil, "which", lambda _: None)
    result = CliRunner().invoke(main, ["grade", str(submissions), "--output", str(tmp_path / "report")])
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert "namespaces (Operation not permitted)" in line
    assert "--unsafe" in line


@pytest.mark.parametrize("unsafe", [[], ["--unsafe"]])
def test_what_no_option_changes_is_said_without_one(
    submissions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unsafe: list[str]
) -> None:
    def closed(_: object) -> None:
        raise launching.OnlyRootCanRead("only root can read /locked/.venv; chmod -R o+rX /locked/.venv lets it be read")

    monkeypatch.setattr(launching.WarmSandbox, "wait_until_ready", closed)
    result = CliRunner().invoke(main, ["grade", str(submissions), "--output", str(tmp_path / "report"), *unsafe])
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert line.endswith("chmod -R o+rX /locked/.venv lets it be read")


def test_unsafe_goes_on_without(one_submission: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take_away(monkeypatch, "namespaces", "bubblewrap")
    result = CliRunner().invoke(main, ["grade", str(one_submission), "--output", str(tmp_path / "report"), "--unsafe"])
    assert result.exit_code == 0, result.output
    assert "without any protection" in result.output
    assert {row["student"]: row["status"] for row in rows(tmp_path / "report")}["plain"] == "passed"


@linux
def test_where_a_right_answer_is_not_graded_right_nothing_is_graded(
    submissions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a library can be imported here, and not in the sandbox."""
    monkeypatch.setattr(control, "_libraries", lambda: ["a_library_of_the_environment"])
    result = CliRunner().invoke(main, ["grade", str(submissions), "--output", str(tmp_path / "report")])
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert "a_library_of_the_environment" in line
    assert '"key"' not in (tmp_path / "report" / "results.jsonl").read_text()


@linux
def test_bubblewrap_takes_the_place_of_namespaces(
    one_submission: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if launching.shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    take_away(monkeypatch, "namespaces")
    result = CliRunner().invoke(main, ["grade", str(one_submission), "--output", str(tmp_path / "report")])
    assert result.exit_code == 0, result.output
    assert "takes longer; missing here: namespaces" in result.output
    assert {row["student"]: row["status"] for row in rows(tmp_path / "report")}["plain"] == "passed"

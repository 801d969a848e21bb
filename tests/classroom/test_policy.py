"""How marks follow from checks and from time, by an instructor's file: what it may say, what it says in words, and what
it does.
"""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from classroom.quick_class import SIXTH, THIRD, Class, replace_grading
from classroom.systems import CLASS, blackboard_entry, canvas_entry, download, moodle_entry, notebook
from click.testing import CliRunner

from bnn_core.autograder.exercises import EXERCISES
from bnn_core.classroom.attempts import IN_WORDS
from bnn_core.classroom.grading import Row
from bnn_core.classroom.policy import BadPolicy, HandedIn, apply, in_words, read_policy, scored
from bnn_core.classroom.submissions import find_submissions
from bnn_core.course.command_line import main

CHECKS = [check.name for check in EXERCISES["BayesianLinear"].checks]


def row(passed: int, failed: int = 0, status: str = "failed", **fields: Any) -> Row:
    """What is neither passed nor failed was not run."""
    states = ["passed"] * passed + ["failed"] * failed
    states += ["Not run: it needs “x” first."] * (len(CHECKS) - len(states))
    checks = [
        {
            "name": name,
            "passed": state == "passed",
            "message": "" if state == "passed" else state,
            "misconception": None,
        }
        for name, state in zip(CHECKS, states, strict=True)
    ]
    made = {"student": "ada", "lesson": THIRD, "exercise": "BayesianLinear", "status": status, "message": ""}
    return made | {"score": 10 * passed / len(CHECKS), "max_score": 10.0, "checks": checks} | fields


# What the file may say


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not_runn = 0.5", "unknown key 'not_runn'; did you mean 'not_run'?"),
        ("not_run = 1.5", "not_run is a share, from 0 to 1; it is 1.5"),
        ("not_run = true", "not_run must be a number"),
        ("penalty_per_day = 0.1", "has penalty_per_day and no deadline"),
        ("grace_minutes = 5", "has grace_minutes and no deadline"),
        ("deadline = 2026-11-30\nlate_days = 2\ntime_zone = 'UTC'", "lateness costs nothing"),
        ("deadline = 2026-11-30T18:00:00", "has no time zone"),
        ("deadline = 'tomorrow'", "must be a date and a time"),
        ("time_zone = 'Europe/Zuerich'", "there is no time zone 'Europe/Zuerich'"),
        ("[points]\nBayesianLiner = 1", "no exercise 'BayesianLiner'; did you mean 'BayesianLinear'?"),
        ("[points]\nBayesianLinear = 0", "must be more than 0"),
        ("points = 5", r"points must be a table, \[points\]"),
        ("[weights.BayesianLinear]\n'it is nice' = 2", "BayesianLinear has no check 'it is nice'"),
        ("[deadlines]\n99 = 2026-11-30T18:00:00Z", "there is no lesson '99'"),
        ("late_days = 1.5\ndeadline = 2026-11-30T18:00:00Z", "late_days are whole days"),
        ("boundaries = [50, 160]", "boundaries are a list of percentages"),
        ("boundaries = [0.5, 0.6]", "in percent of the points.* and no shares; write 50 for 0.5"),
        ("boundaries = {total = [40, 1]}", "and no shares; write 100 for 1"),
        ("boundaries = [50]\nnear_boundary = 60", "near_boundary is in percent of the points, at most 50; it is 60"),
        ("boundaries = 50", "boundaries are a list of percentages"),
        ("boundaries = {total = 50}", "boundaries are a list of percentages"),
        ("boundaries = {99 = [50]}", "there is no lesson '99'"),
        ("attempt = 'first'", """attempt is "last" or "best" or "exact_name"; it is 'first'"""),
        ("near_boundary = 2", "has near_boundary and no boundaries"),
        ("not_run = ", "is no TOML"),
    ],
)
def test_what_can_t_be_meant_is_said_in_a_sentence(text: str, says: str) -> None:
    with pytest.raises(BadPolicy, match=says) as caught:
        read_policy(text)
    assert "\n" not in str(caught.value)


def test_weights_of_nothing_are_refused() -> None:
    zeros = "\n".join(f'"{name}" = 0' for name in CHECKS)
    with pytest.raises(BadPolicy, match="all checks of BayesianLinear have the weight 0"):
        read_policy(f"[weights.BayesianLinear]\n{zeros}")


def test_a_policy_in_words() -> None:
    assert in_words(read_policy("")) == [
        "An exercise gives its points times the share of its checks that passed.",
        "A check that was not run, for want of one before it, earns nothing.",
        IN_WORDS[""],
        "What can't be read, or is as it was handed out, is no attempt where another is.",
        "There is no deadline.",
    ]
    policy = read_policy(
        'time_zone = "Europe/Zurich"\ndeadline = 2026-11-30\ngrace_minutes = 15\npenalty_per_day = 0.1\n'
        "none_after_days = 7\nlate_days = 3\nnot_run = 0.5\n[points]\nBayesianLinear = 20\n"
        f'[weights.BayesianLinear]\n"{CHECKS[0]}" = 2\n[deadlines]\n06 = 2026-12-07T12:00:00+00:00\n'
    )
    assert in_words(policy)[1:] == [
        "A check that was not run, for want of one before it, earns 50 % of its share where a check of the exercise "
        "passed.",
        "BayesianLinear is worth 20 points.",
        f"In BayesianLinear, the check “{CHECKS[0]}” counts 2 times.",
        IN_WORDS[""],
        "What can't be read, or is as it was handed out, is no attempt where another is.",
        "All other lessons: to be handed in by 30 November 2026, 23:59 (CET).",
        f"{SIXTH}: to be handed in by 7 December 2026, 12:00 (UTC).",
        "Up to 15 minutes later is not late.",
        "Each student has 3 late days that cost nothing, used in the order of deadlines.",
        "What gives no points uses none of them.",
        "Each day begun after the deadline costs 10 % of the points had.",
        "What is more than 7 days late gives no points.",
    ]


# What it does to a row


@pytest.mark.parametrize("text", ["", "not_run = 0.5", f'[weights.BayesianLinear]\n"{CHECKS[0]}" = 5'])
def test_full_marks_stay_full_and_nothing_stays_nothing(text: str) -> None:
    policy = read_policy(text)
    assert scored(policy, row(len(CHECKS), status="passed"))["score"] == 10
    assert scored(policy, row(0, status="not_attempted"))["score"] == 0
    assert scored(policy, row(0, 1))["score"] == 0


def test_without_a_policy_rows_stay_as_they_are() -> None:
    rows = [row(3, 2), row(0, 0, "error"), row(len(CHECKS), status="passed")]
    (applied,) = apply(read_policy(""), [(THIRD, HandedIn(), rows)])
    assert [one["score"] for one in applied.rows] == [round(one["score"], 6) for one in rows]
    assert (applied.rules, applied.days_late) == ((), None)


def test_one_slip_does_not_cost_what_was_not_run_for_it() -> None:
    slip = row(4, 1)
    waiting = len(CHECKS) - 5
    assert scored(read_policy("not_run = 0.5"), slip)["score"] == pytest.approx(10 * (4 + waiting / 2) / len(CHECKS))
    (applied,) = apply(read_policy("not_run = 0.5"), [(THIRD, HandedIn(), [slip])])
    assert "checks that were not run earn 50 % of their share" in applied.rules[0]


def test_points_and_weights() -> None:
    assert scored(read_policy("[points]\nBayesianLinear = 25"), row(len(CHECKS), status="passed"))["score"] == 25
    halved = scored(read_policy("[points]\nBayesianLinear = 5"), row(3, len(CHECKS) - 3))
    assert halved["score"] == pytest.approx(5 * 3 / len(CHECKS), abs=1e-6)
    assert halved["max_score"] == 5
    heavy = read_policy(f'[weights.BayesianLinear]\n"{CHECKS[0]}" = 3\n"{CHECKS[1]}" = 0')
    assert scored(heavy, row(1, len(CHECKS) - 1))["score"] == pytest.approx(10 * 3 / (len(CHECKS) + 1), abs=1e-6)


LATE = "deadline = 2026-11-02T18:00:00+01:00\npenalty_per_day = 0.1\n"


@pytest.mark.parametrize(
    ("rules", "when", "days", "share"),
    [
        ("", "2026-11-02T17:00:00+00:00", 0, 1.0),
        ("", "2026-11-02T17:00:01+00:00", 1, 0.9),
        ("grace_minutes = 10", "2026-11-02T17:10:00+00:00", 0, 1.0),
        ("grace_minutes = 10", "2026-11-02T17:10:01+00:00", 1, 0.9),
        ("", "2026-11-03T17:00:01+00:00", 2, 0.8),
        ("", "2026-12-02T17:00:01+00:00", 31, 0.0),
        ("none_after_days = 3", "2026-11-05T17:00:00+00:00", 3, 0.7),
        ("none_after_days = 3", "2026-11-05T17:00:01+00:00", 4, 0.0),
        ("late_days = 2", "2026-11-05T17:00:00+00:00", 3, 0.9),
        ("time_zone = 'Europe/Zurich'", "2026-11-02T18:00:00", 0, 1.0),
        ("time_zone = 'America/New_York'", "2026-11-02T18:00:00", 1, 0.9),
        ("", "", None, 1.0),
    ],
)
def test_lateness(rules: str, when: str, days: int | None, share: float) -> None:
    full = row(len(CHECKS), status="passed")
    (applied,) = apply(read_policy(LATE + rules), [(THIRD, HandedIn(when), [full])])
    assert applied.rows[0]["score"] == pytest.approx(10 * share)
    assert applied.days_late == days
    assert bool(applied.rules) == bool(days)


@pytest.mark.parametrize(
    ("when", "handed_in", "deadline", "days"),
    [
        ("2026-11-02T17:00:07+00:00", "2 November 2026, 18:00:07", "18:00:00", "1 day late"),
        ("2026-11-04T17:00:07+00:00", "4 November 2026, 18:00:07", "18:00:00", "3 days late"),
        ("2026-11-02T17:01:07+00:00", "2 November 2026, 18:01", "18:00", "1 day late"),
    ],
)
def test_seconds_are_told_where_minutes_do_not_tell_why_it_is_late(
    when: str, handed_in: str, deadline: str, days: str
) -> None:
    text = "time_zone = 'Europe/Zurich'\ndeadline = 2026-11-02T18:00:00\npenalty_per_day = 0.1"
    (applied,) = apply(read_policy(text), [(THIRD, HandedIn(when), [row(len(CHECKS), status="passed")])])
    told = f"Handed in {handed_in} (CET), after the deadline 2 November 2026, {deadline} (CET): {days}."
    assert applied.rules[0] == told


def test_what_the_system_calls_late_is_a_day_late() -> None:
    (applied,) = apply(read_policy(LATE), [(THIRD, HandedIn(late=True), [row(len(CHECKS), status="passed")])])
    assert applied.rows[0]["score"] == 9
    assert "not by how much: taken as one day" in applied.rules[0]


def test_late_days_are_used_once_and_in_the_order_of_deadlines() -> None:
    text = "late_days = 2\npenalty_per_day = 0.5\n[deadlines]\n03 = 2026-11-10T00:00:00Z\n06 = 2026-11-01T00:00:00Z"
    full = row(len(CHECKS), status="passed")
    third, sixth = apply(
        read_policy(text),
        [(THIRD, HandedIn("2026-11-10T12:00:00Z"), [full]), (SIXTH, HandedIn("2026-11-02T12:00:00Z"), [full])],
    )
    assert (sixth.rows[0]["score"], third.rows[0]["score"]) == (10, 5)
    assert "2 of the 2 late days were used." in sixth.rules


@pytest.mark.parametrize(
    ("passed", "when"),
    [(0, "2026-11-02T12:00:00Z"), (len(CHECKS), "2026-11-20T12:00:00Z")],
    ids=["nothing is right", "too late all the same"],
)
def test_what_gives_no_points_uses_no_late_day(passed: int, when: str) -> None:
    text = "late_days = 2\npenalty_per_day = 0.2\nnone_after_days = 7\n"
    text += "[deadlines]\n03 = 2026-11-25T00:00:00Z\n06 = 2026-11-01T00:00:00Z"
    policy = read_policy(text)
    full = row(len(CHECKS), status="passed")
    sixth, third = apply(
        policy, [(SIXTH, HandedIn(when), [row(passed)]), (THIRD, HandedIn("2026-11-26T12:00:00Z"), [full])]
    )
    assert (sixth.points, sixth.free, third.points, third.free) == (0, 0, 10, 2)
    assert not any("late days" in rule for rule in sixth.rules)


# When something was handed in


def times(folder: Path) -> dict[str, str]:
    return {one.student: one.handed_in for one in find_submissions(folder, [THIRD]).submissions}


def test_each_system_s_time(tmp_path: Path) -> None:
    ada = CLASS[5]
    path = tmp_path / "blackboard" / blackboard_entry(ada)
    path.parent.mkdir()
    path.write_text(notebook(1), encoding="utf-8")
    assert times(tmp_path / "blackboard") == {"alove1": "2026-11-02T10:11:12"}
    home = tmp_path / "course" / "submitted" / "ada" / "hw3"
    home.mkdir(parents=True)
    (home / f"{THIRD}.ipynb").write_text(notebook(1), encoding="utf-8")
    (home / "timestamp.txt").write_text("2026-02-02 15:58:23.948203 America/Los_Angeles\n", encoding="utf-8")
    assert times(tmp_path / "course") == {"ada": "2026-02-02T15:58:23-08:00"}
    (home / "timestamp.txt").write_text("2026-02-02 15:58:23.948203 UTC", encoding="utf-8")
    assert times(tmp_path / "course") == {"ada": "2026-02-02T15:58:23+00:00"}
    (home / "timestamp.txt").write_text("yesterday", encoding="utf-8")
    os.utime(home / f"{THIRD}.ipynb", (1_780_000_000, 1_780_000_000))
    modified = datetime.fromtimestamp(1_780_000_000, UTC).isoformat()
    assert times(tmp_path / "course") == {"ada": modified}
    path = tmp_path / "canvas" / canvas_entry(CLASS[0])
    path.parent.mkdir()
    path.write_text(notebook(1), encoding="utf-8")
    (found,) = find_submissions(path.parent, [THIRD]).submissions
    assert (found.handed_in, found.late) == ("", True)


LONG_AGO = (2001, 1, 1, 0, 0, 0)


def student_zip(*names: str, content: str = "2001-01-01 00:00:00 UTC") -> bytes:
    """A zip whose dates, and whose other files, say that it is an old one."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            text = notebook(1) if name.endswith(".ipynb") else content
            archive.writestr(zipfile.ZipInfo(name, LONG_AGO), text)
    return packed.getvalue()


@pytest.mark.parametrize("inner", [f"{THIRD}.ipynb", f"bnn/lessons/{THIRD}.ipynb"])
def test_dates_inside_a_student_s_own_zip_are_no_time_of_submission(tmp_path: Path, inner: str) -> None:
    entry = "Ada L_12_assignsubmission_file/bnn.zip"
    with zipfile.ZipFile(tmp_path / "moodle.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(entry, (2026, 11, 5, 10, 11, 12)), student_zip(inner))
    assert times(tmp_path / "moodle.zip") == {"Ada L": "2026-11-05T10:11:12"}
    path = tmp_path / "unpacked" / entry
    path.parent.mkdir(parents=True)
    path.write_bytes(student_zip(inner))
    os.utime(path, (1_780_000_000, 1_780_000_000))
    assert times(tmp_path / "unpacked") == {"Ada L": datetime.fromtimestamp(1_780_000_000, UTC).isoformat()}


@pytest.mark.parametrize(
    "home",
    [
        "moodle/Ada L_12_assignsubmission_file/hw3",
        "repositories/ada/lessons",
        "submitted/ada",
        "course/submitted/ada/hw3/deeper",
    ],
)
def test_a_timestamp_that_a_student_wrote_is_no_time(tmp_path: Path, home: str) -> None:
    folder = tmp_path / home
    folder.mkdir(parents=True)
    path = folder / f"{THIRD}.ipynb"
    path.write_text(notebook(1), encoding="utf-8")
    (folder / "timestamp.txt").write_text("2001-01-01 00:00:00 UTC", encoding="utf-8")
    os.utime(path, (1_780_000_000, 1_780_000_000))
    assert list(times(tmp_path / home.split("/")[0]).values()) == [
        datetime.fromtimestamp(1_780_000_000, UTC).isoformat()
    ]


def test_a_timestamp_in_a_student_s_zip_is_no_time(tmp_path: Path) -> None:
    path = tmp_path / "submitted" / "ada.zip"
    path.parent.mkdir()
    path.write_bytes(student_zip(f"hw3/{THIRD}.ipynb", "hw3/timestamp.txt"))
    os.utime(path, (1_780_000_000, 1_780_000_000))
    assert times(path.parent) == {"ada": datetime.fromtimestamp(1_780_000_000, UTC).isoformat()}


def test_a_file_s_name_that_looks_like_the_system_s_is_neither_a_time_nor_a_person(tmp_path: Path) -> None:
    forged = f"x_attempt_2001-01-01-00-00-00_{THIRD}.ipynb"
    path = tmp_path / "blackboard" / f"HW 3_ada_attempt_2026-11-02-10-11-12_{forged}"
    path.parent.mkdir()
    path.write_text(notebook(1), encoding="utf-8")
    assert times(path.parent) == {"ada": "2026-11-02T10:11:12"}
    path = tmp_path / "moodle" / f"Ada L_12_assignsubmission_file_Bo_13_assignsubmission_file_{THIRD}.ipynb"
    path.parent.mkdir()
    path.write_text(notebook(1), encoding="utf-8")
    assert list(times(path.parent)) == ["Ada L"]


# Grading with it


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Class:
    replace_grading(monkeypatch)
    return Class(tmp_path)


def test_rules_are_on_the_page_and_in_the_marks(own: Class, tmp_path: Path) -> None:
    download(own.folder, blackboard_entry)
    (own.folder / "grading.toml").write_text(
        'deadline = 2026-11-01T12:00:00\ntime_zone = "Europe/Zurich"\npenalty_per_day = 0.2\n', encoding="utf-8"
    )
    assert own.grade().exit_code == 0
    rows = json.loads((own.report / "report.json").read_text(encoding="utf-8"))["results"]
    assert {one["score"] for one in rows} == {4.0}
    page = (own.report / "alove1" / f"{THIRD}.html").read_text(encoding="utf-8")
    assert "Handed in 2 November 2026, 10:11 (CET)" in page
    assert "after the deadline 1 November 2026, 12:00 (CET): 1 day late." in page
    assert "20 % of the points were taken off." in page
    override = ["override", str(own.report), "alove1", "BayesianLinear", "5"]
    result = CliRunner().invoke(main, override)
    assert result.output == "alove1, BayesianLinear: 5 points; the grader gave 4\n"
    assert CliRunner().invoke(main, ["export", "marks", str(own.report), "--format", "wide"]).exit_code == 0
    lines = list(csv.DictReader((own.report / "marks.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert {line["days late"] for line in lines} == {"1"}
    other = tmp_path / "other.toml"
    other.write_text("", encoding="utf-8")
    assert own.grade("--policy", str(other)).exit_code == 0
    rows = json.loads((own.report / "report.json").read_text(encoding="utf-8"))["results"]
    assert {one["score"] for one in rows} == {5.0}


def test_a_class_of_which_everybody_is_late_is_told_why_that_may_be(own: Class) -> None:
    download(own.folder, moodle_entry)
    rules = own.folder / "grading.toml"
    rules.write_text("deadline = 2020-01-01T12:00:00+05:30\npenalty_per_day = 0.1\n", encoding="utf-8")
    said = own.grade().output
    assert f"everybody was late in {THIRD}; files have new times where they were copied or unpacked" in said
    assert f"the deadline of {THIRD} is in UTC+0530, and the files were unpacked by a clock in UTC" in said
    assert f"Everybody was late in {THIRD}</h3>" in (own.report / "index.html").read_text(encoding="utf-8")
    rules.write_text("deadline = 2120-01-01\npenalty_per_day = 0.1\ntime_zone = 'UTC'\n", encoding="utf-8")
    said = own.grade().output
    assert "everybody" not in said
    assert "Everybody" not in (own.report / "index.html").read_text(encoding="utf-8")


def test_a_policy_that_can_t_be_used_stops_the_grading_before_it_begins(own: Class, tmp_path: Path) -> None:
    download(own.folder, moodle_entry)
    (own.folder / "grading.toml").write_text("deadlin = 2026-11-01", encoding="utf-8")
    assert "grading.toml has an unknown key 'deadlin'; did you mean 'deadline'?" in own.refused()
    assert "no such file" in own.refused("--policy", str(tmp_path / "none.toml")).lower()


def test_explain_grades_nothing(own: Class) -> None:
    own.hand_in("ada", THIRD)
    (own.folder / "grading.toml").write_text("not_run = 0.5", encoding="utf-8")
    result = CliRunner().invoke(main, ["grade", str(own.folder), "--explain"])
    assert result.exit_code == 0, result.output
    assert "earns 50 % of its share" in result.output
    assert not own.report.exists()
    assert CliRunner().invoke(main, ["grade", "--explain"]).exit_code == 0


def test_a_students_page_says_what_was_graded_by_which_rules_and_how_to_hand_in_again(own: Class) -> None:
    download(own.folder, moodle_entry)
    (own.folder / "grading.toml").write_text(
        "not_run = 0.5\n[points]\nHiddenLayer = 20\nBayesianLinear = 12\n", encoding="utf-8"
    )
    assert own.grade().exit_code == 0
    path = next(own.report.glob(f"Zo*/{THIRD}.html"))
    page = path.read_text(encoding="utf-8")
    assert f"File graded: {THIRD}.ipynb, from Zoë O&#39;Neil_4711_assignsubmission_file in Moodle" in page
    assert f"Graded with version {version('bnn-course')} (code " in page
    assert "earns 50 % of its share" in page
    assert "BayesianLinear is worth 12 points." in page
    assert "HiddenLayer" not in page, "it is another lesson's"
    assert "where you handed it in before, in Moodle." in " ".join(page.split())
    assert '<a href="../index.html">' in page
    assert CliRunner().invoke(main, ["export", "feedback", str(own.report), "--format", "moodle"]).exit_code == 0
    with zipfile.ZipFile(own.report / "feedback-moodle.zip") as archive:
        sent = [archive.read(name).decode() for name in archive.namelist()]
    assert len(sent) == 7
    assert not [text for text in sent if "index.html" in text]

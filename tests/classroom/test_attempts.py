"""Which of several attempts counts: the rules that an instructor's file may name, what they cost, and what is said."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from classroom.quick_class import SIXTH, THIRD, Class
from classroom.systems import notebook
from classroom.test_results import Tags
from click.testing import CliRunner

from bnn_core.classroom import attempts
from bnn_core.classroom.attempts import MOST_ATTEMPTS, RULES
from bnn_core.classroom.journal import Journal
from bnn_core.classroom.policy import HandedIn, apply, in_words, read_policy
from bnn_core.classroom.submissions import Submission, find_submissions
from bnn_core.course.command_line import main

WORTH = {"draft.ipynb": 4, f"{THIRD}.ipynb": 7, "final.ipynb": 5}
"""What a student handed in for a lesson, in the order of time."""


@pytest.fixture
def own(tmp_path: Path, graded: list[tuple[str, str]]) -> Class:
    made = Class(tmp_path)
    hand_in(made.folder / "ada", WORTH)
    return made


def hand_in(folder: Path, worth: dict[str, int]) -> None:
    """A day apart."""
    for day, (name, points) in enumerate(worth.items(), 1):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(notebook(points), encoding="utf-8")
        os.utime(path, (1_793_000_000 + 86_400 * day,) * 2)


def by_rule(own: Class, rule: str, *lines: str) -> None:
    text = [*([f'attempt = "{rule}"'] if rule else []), *lines]
    (own.folder / "grading.toml").write_text("\n".join(text), encoding="utf-8")


def page(own: Class) -> str:
    return " ".join(Tags((own.report / "ada" / f"{THIRD}.html").read_text(encoding="utf-8")).text.split())


def chosen(folder: Path, rule: str) -> list[Submission]:
    return list(find_submissions(folder, [THIRD], rule=rule).submissions)


# Which one it is


@pytest.mark.parametrize(
    ("rule", "names", "why"),
    [
        ("", [f"{THIRD}.ipynb"], "it is named as the lesson is"),
        ("last", ["final.ipynb"], "it is the last"),
        ("best", list(WORTH), ""),
        ("exact_name", [f"{THIRD}.ipynb"], "it is named as the lesson is"),
    ],
)
def test_each_rule_takes_its_own(own: Class, rule: str, names: list[str], why: str) -> None:
    found = chosen(own.folder, rule)
    assert [one.name for one in found] == names
    assert [(one.attempt, one.attempts, one.why) for one in found] == [
        (1 + list(WORTH).index(name), 3, why) for name in names
    ]
    assert all(sorted([one.name, *one.set_aside]) == sorted(WORTH) for one in found)


@pytest.mark.parametrize("rule", ["", *RULES])
def test_a_result_s_key_does_not_depend_on_the_rule(own: Class, rule: str) -> None:
    (own.folder / "ada" / "helper.py").write_text("x = 1", encoding="utf-8")
    hand_in(own.folder / "ada" / "elsewhere", {f"{SIXTH}.ipynb": 3})
    (own.folder / "ada" / "elsewhere" / "data.csv").write_text("1", encoding="utf-8")
    digests = {one.name: one.digest for one in chosen(own.folder, "best")}
    assert len(set(digests.values())) == len(digests) == 4
    assert {one.name: one.digest for one in chosen(own.folder, rule)}.items() <= digests.items()


def test_what_was_not_worked_on_or_can_t_be_read_is_no_attempt(tmp_path: Path) -> None:
    hand_in(tmp_path / "ada", {"a.ipynb": 3, f"{THIRD}.ipynb": 4})
    (tmp_path / "ada" / f"{THIRD}.ipynb").write_text("{", encoding="utf-8")
    for rule in ("", "last", "best"):
        (one,) = chosen(tmp_path, rule)
        assert (one.name, one.attempts) == ("a.ipynb", 1)
    (one,) = chosen(tmp_path, "exact_name")
    assert one.name == f"{THIRD}.ipynb", "that it can't be read is said, and no other takes its place"


def test_blackboard_s_attempts_and_canvas_s_numbers_tell_the_order(tmp_path: Path) -> None:
    blackboard, canvas = tmp_path / "blackboard", tmp_path / "canvas"
    at = "HW 3_ada_attempt_2026-11-0{}-10-11-12_x.ipynb"
    hand_in(blackboard, {at.format(2): 5, at.format(1): 4})
    assert [one.handed_in for one in chosen(blackboard, "last")] == ["2026-11-02T10:11:12"]
    assert [one.handed_in[:10] for one in chosen(blackboard, "best")] == ["2026-11-01", "2026-11-02"]
    hand_in(canvas, {f"ada_1_{number}_{THIRD}{end}.ipynb": 5 for number, end in ((1000, "-1"), (999, ""))})
    (last,) = chosen(canvas, "last")
    assert last.name == f"{THIRD}-1.ipynb"
    (named,) = chosen(canvas, "exact_name")
    assert named.name == f"{THIRD}-1.ipynb", "so Canvas calls what is handed in again"


def test_no_more_than_some_attempts_are_graded(tmp_path: Path) -> None:
    hand_in(tmp_path / "ada", {f"{n:02}.ipynb": 1 for n in range(MOST_ATTEMPTS + 5)})
    found = chosen(tmp_path, "best")
    assert [one.attempt for one in found] == list(range(6, MOST_ATTEMPTS + 6))
    assert {one.attempts for one in found} == {MOST_ATTEMPTS + 5}


def test_another_name_than_the_lesson_s_gives_nothing_and_is_told(own: Class) -> None:
    own.grade()
    (own.folder / "ada" / f"{THIRD}.ipynb").unlink()
    assert own.graded() == {("ada", THIRD, 5.0)}
    by_rule(own, "exact_name")
    assert own.graded() == {("ada", THIRD, 0.0)}
    result = own.grade()
    says = f"only {THIRD}.ipynb counts, so draft.ipynb and 1 more were not graded."
    assert says in result.output
    assert "kept from before, though" not in result.output
    by_rule(own, "")
    assert own.graded() == {("ada", THIRD, 5.0)}


# What it costs, and what is said


def test_a_change_of_the_rule_grades_nothing_twice(own: Class, graded: list[tuple[str, str]]) -> None:
    for rule, points, count in (("", 7, 1), ("last", 5, 1), ("best", 7, 1), ("exact_name", 7, 0), ("best", 7, 0)):
        graded.clear()
        by_rule(own, rule)
        assert own.graded() == {("ada", THIRD, float(points))}
        assert len(graded) == count, rule
    size = (own.report / "results.jsonl").stat().st_size
    own.grade()
    assert (own.report / "results.jsonl").stat().st_size == size, "nothing new to note"


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("", f"{THIRD}.ipynb counts, and not draft.ipynb, final.ipynb: it is attempt 2 of 3, for it is named as the"),
        ("last", f"final.ipynb counts, and not {THIRD}.ipynb, draft.ipynb: it is attempt 3 of 3, for it is the last."),
        ("best", "it is attempt 2 of 3, for it has the most points (4 and 7 and 5, in the order of time)."),
    ],
)
def test_the_page_says_which_counts_and_why(own: Class, rule: str, says: str) -> None:
    by_rule(own, rule)
    own.grade()
    assert says in page(own)
    assert attempts.IN_WORDS[rule] in page(own)
    class_page = Tags((own.report / "index.html").read_text(encoding="utf-8")).text
    assert ("Several notebooks were handed in: 1" in class_page) == (rule == ""), "a rule leaves nothing to ask"


def test_the_best_is_so_after_what_each_one_s_time_costs(own: Class) -> None:
    late = ("deadline = 2026-10-27T12:00:00Z", "penalty_per_day = 0.5")  # the first was in time, the second a day late
    by_rule(own, "best", *late)
    own.grade()
    (row,) = json.loads((own.report / "report.json").read_text(encoding="utf-8"))["results"]
    assert row["score"] == 4.0
    assert "it is attempt 1 of 3, for it has the most points (4 and 3.5 and 0," in page(own)
    override = ["override", str(own.report), "ada", "BayesianLinear", "6"]
    assert "the grader gave 4" in CliRunner().invoke(main, override).output


def test_late_days_are_those_of_the_attempt_that_counts() -> None:
    policy = read_policy(
        'attempt = "best"\nlate_days = 2\npenalty_per_day = 0.1\n'
        "[deadlines]\n03 = 2026-11-01T12:00:00Z\n06 = 2026-11-08T12:00:00Z"
    )

    def at(lesson: str, day: int, score: float) -> tuple[str, HandedIn, list[dict[str, object]]]:
        row = {"exercise": "", "score": score, "max_score": 10.0, "checks": [], "status": "failed"}
        return lesson, HandedIn(f"2026-11-{day:02}T11:00:00Z"), [row]

    applied = apply(policy, [at(THIRD, 1, 8), at(THIRD, 3, 8), at(THIRD, 3, 7), at(SIXTH, 10, 10)])
    assert [one.counts for one in applied] == [True, False, False, True]
    assert applied[-1].points == 10, "the first lesson used no late day"


def test_a_dry_run_shows_every_attempt_and_which_would_count(own: Class) -> None:
    by_rule(own, "last")
    lines = own.grade("--dry-run").output.splitlines()
    assert any(
        f"final.ipynb, attempt 3 of 3, and not {THIRD}.ipynb, draft.ipynb (it is the last)" in one for one in lines
    )
    by_rule(own, "best")
    lines = own.grade("--dry-run").output.splitlines()
    for number, name in enumerate(WORTH, 1):
        assert any(line.startswith(f"ada, {THIRD}: {name}, attempt {number} of 3, handed in ") for line in lines)
    assert "3 graded anew, 0 kept from before" in lines
    own.grade()
    assert "0 graded anew, 3 kept from before" in own.grade("--dry-run").output


def test_the_rule_is_told_in_words() -> None:
    for rule in ("", *RULES):
        text = f'attempt = "{rule}"' if rule else ""
        assert attempts.IN_WORDS[rule] in in_words(read_policy(text))


def test_an_interrupted_note_costs_no_more_than_a_look(own: Class, graded: list[tuple[str, str]]) -> None:
    by_rule(own, "best")
    own.grade()
    path = own.report / "results.jsonl"
    lines = path.read_text(encoding="ascii").splitlines()
    path.write_text("\n".join(line for line in lines if '"attempts"' not in line), encoding="ascii")
    assert len(Journal(own.report).tried(next(iter(Journal(own.report).latest)))) == 1
    graded.clear()
    assert own.graded() == {("ada", THIRD, 7.0)}
    assert graded == []

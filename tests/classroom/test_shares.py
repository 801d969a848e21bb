"""A class that is graded in shares, each into a folder of its own, and merged: the report is the one that a single
grading makes, and shares that don't belong together make none. The grading itself is replaced by one that reads the
mark in the notebook.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from classroom.people import COURSE
from classroom.quick_class import SIXTH, THIRD, Class, replace_grading, snapshot
from click.testing import CliRunner, Result

from bnn_core.classroom import versions
from bnn_core.classroom.journal import JOURNAL, Journal
from bnn_core.classroom.shares import Share
from bnn_core.course import grade_command
from bnn_core.course.command_line import main

STUDENTS = ["ada", "bo", "cy", "di", "eve", "Zoë O'Neil", "flo", "gus"]
SEED = ("--seed", "5")
POLICY = 'deadline = 2020-01-01\npenalty_per_day = 0.1\ntime_zone = "UTC"\n'
ROSTER = "id,name\n1,ada\n2,bo\n3,cy\n4,di\n5,eve\n6,Zoë O'Neil\n7,flo\n8,gus\n9,Hal who is absent\n"


pytestmark = pytest.mark.usefixtures("graded")


@pytest.fixture
def course_class(tmp_path: Path) -> Class:
    """Who handed in one lesson, two, or none."""
    made = Class(tmp_path)
    for number, student in enumerate(STUDENTS):
        made.hand_in(student, THIRD, number % 9)
        if number % 2:
            made.hand_in(student, SIXTH, 9)
    (made.folder / "nobody").mkdir()
    return made


def whole(made: Class, *options: str) -> None:
    """Grade the class on one machine."""
    result = made.grade(*options)
    assert result.exit_code == 0, result.output


def folder_of(made: Class, number: int) -> Path:
    return made.folder.parent / "shares" / str(number)


def grade_shares(made: Class, count: int, *options: str, numbers: list[int] | None = None) -> list[Path]:
    for number in numbers or range(1, count + 1):
        result = made.grade("--shard", f"{number}/{count}", *options, output=folder_of(made, number))
        assert result.exit_code == 0, result.output
    return [folder_of(made, number) for number in range(1, count + 1)]


def merge(folders: list[Path], report: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["merge", *map(str, folders), "--output", str(report), *options])


def refused(folders: list[Path], report: Path, *options: str) -> str:
    """The one line with which merging is refused, which has written nothing."""
    before = snapshot(report.parent)
    result = merge(folders, report, *options)
    assert result.exit_code == 2, result.output
    assert snapshot(report.parent) == before
    (line,) = result.output.splitlines()
    return line


def files_of(report: Path) -> dict[str, bytes]:
    """All that a report shows."""
    paths = (path for path in report.rglob("*") if path.is_file() and path.name != JOURNAL)
    return {path.relative_to(report).as_posix(): path.read_bytes() for path in paths}


def owner(student: str, count: int) -> int:
    return Share.of(student, count).number


# The report is the one that a single grading makes


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("lesson", [(), ("--lesson", "03")], ids=["all lessons", "one lesson"])
def test_merged_shares_are_what_one_grading_makes(course_class: Class, count: int, lesson: tuple[str, ...]) -> None:
    whole(course_class, *SEED, *lesson)
    report = course_class.folder.parent / "merged"
    result = merge(grade_shares(course_class, count, *SEED, *lesson), report)
    assert result.exit_code == 0, result.output
    assert files_of(report) == files_of(course_class.report)
    assert len(files_of(report)) > len(STUDENTS)


def test_overrides_roster_and_policy_are_applied_when_shares_are_merged(course_class: Class) -> None:
    (course_class.folder / "grading.toml").write_text(POLICY)
    roster = course_class.folder.parent / "roster.csv"
    roster.write_text(ROSTER)
    report = course_class.folder.parent / "merged"
    folders = grade_shares(course_class, 3, *SEED)
    for folder in (report, course_class.report):
        folder.mkdir()
        (folder / "overrides.csv").write_text("student,exercise,score,comment\nada,BayesianLinear,7,well\n")
    assert merge(folders, report, "--roster", str(roster)).exit_code == 0
    assert course_class.grade(*SEED, "--roster", str(roster)).exit_code == 0
    assert files_of(report) == files_of(course_class.report)
    marks = (report / "grades.csv").read_text(encoding="utf-8")
    assert "Hal who is absent" in marks
    assert "well" in marks
    assert "late" in (report / "bo" / f"{THIRD}.html").read_text(encoding="utf-8")


def test_the_best_of_several_attempts_counts_in_shares_as_well(course_class: Class) -> None:
    (course_class.folder / "grading.toml").write_text('attempt = "best"\n')
    for student, worth in (("ada", (9, 3)), ("bo", (2, 8))):
        made = course_class.folder / student / f"{THIRD}.ipynb"
        for number, mark in enumerate(worth):
            course_class.hand_in(student, THIRD, mark)
            made.rename(made.with_name(f"{THIRD} ({number}).ipynb"))
            os.utime(made.with_name(f"{THIRD} ({number}).ipynb"), (1_700_000_000 + number,) * 2)
    whole(course_class, *SEED)
    report = course_class.folder.parent / "merged"
    assert merge(grade_shares(course_class, 3, *SEED), report).exit_code == 0
    assert files_of(report) == files_of(course_class.report)
    assert "attempt 1 of 2" in (report / "ada" / f"{THIRD}.html").read_text(encoding="utf-8")


def test_a_policy_that_is_given_when_merging_is_the_one_that_counts(course_class: Class) -> None:
    policy = course_class.folder.parent / "rules.toml"
    policy.write_text("[points]\nBayesianLinear = 100\n")
    report = course_class.folder.parent / "merged"
    folders = grade_shares(course_class, 2, *SEED, "--lesson", "03")
    assert merge(folders, report, "--policy", str(policy)).exit_code == 0
    assert {row["max_score"] for row in rows_of(report)} == {100.0}
    assert merge(folders, report).exit_code == 0
    assert {row["max_score"] for row in rows_of(report)} == {100.0}, "it serves until another is given"


def test_another_rule_for_attempts_needs_another_grading(course_class: Class) -> None:
    policy = course_class.folder.parent / "rules.toml"
    policy.write_text('attempt = "best"\n')
    report = course_class.folder.parent / "merged"
    folders = grade_shares(course_class, 2, *SEED)
    result = merge(folders, report, "--policy", str(policy))
    assert result.exit_code == 2
    assert 'the policy says attempt = "best", and' in result.output
    assert "was graded with no rule for attempts" in result.output
    assert "grade every share again with the same --policy" in result.output
    folders = grade_shares(course_class, 2, *SEED, "--policy", str(policy))
    assert merge(folders, report, "--policy", str(policy)).exit_code == 0


def rows_of(report: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((report / "report.json").read_text(encoding="utf-8"))["results"]
    return found


def test_the_policy_beside_the_submissions_counts_where_they_can_not_be_seen_any_more(course_class: Class) -> None:
    (course_class.folder / "grading.toml").write_text("[points]\nBayesianLinear = 100\n")
    folders = grade_shares(course_class, 2, *SEED, "--lesson", "03")
    course_class.folder.rename(course_class.folder.with_name("moved"))
    report = course_class.folder.parent / "merged"
    assert merge(folders, report).exit_code == 0
    assert {row["max_score"] for row in rows_of(report)} == {100.0}


def test_merging_again_takes_what_was_graded_again(course_class: Class, graded: list[tuple[str, str]]) -> None:
    report = course_class.folder.parent / "merged"
    folders = grade_shares(course_class, 3, *SEED)
    assert merge(folders, report).exit_code == 0
    course_class.hand_in("ada", THIRD, 9)
    del graded[:]
    grade_shares(course_class, 3, *SEED, numbers=[owner("ada", 3)])
    assert graded == [("ada", THIRD)]
    result = merge(folders, report)
    assert "marks changed: ada in BayesianLinear from 0 to 9" in result.output
    whole(course_class, *SEED)
    assert files_of(report) == files_of(course_class.report)


def test_who_comes_late_costs_one_share_and_who_is_gone_leaves(course_class: Class) -> None:
    report = course_class.folder.parent / "merged"
    folders = grade_shares(course_class, 3, *SEED)
    assert merge(folders, report).exit_code == 0
    course_class.hand_in("late", THIRD, 4)
    shutil.rmtree(course_class.folder / "bo")
    others = [number for number in (1, 2, 3) if number != owner("late", 3)]
    grade_shares(course_class, 3, *SEED, numbers=others)
    assert f"share {owner('late', 3)} of 3 was graded before late was there" in refused(folders, report)
    grade_shares(course_class, 3, *SEED, numbers=[owner("late", 3)])
    result = merge(folders, report)
    assert "in no share, and so no longer in the report: bo" in result.output
    whole(course_class, *SEED)
    assert files_of(report) == files_of(course_class.report)


def test_a_grading_of_the_whole_class_goes_on_from_a_merged_report(
    course_class: Class, graded: list[tuple[str, str]]
) -> None:
    report = course_class.folder.parent / "merged"
    merge(grade_shares(course_class, 3, *SEED), report)
    shown = files_of(report)
    del graded[:]
    course_class.hand_in("late", THIRD, 4)
    assert course_class.grade(output=report).exit_code == 0
    assert graded == [("late", THIRD)]
    assert shown.items() - {"index.html", "grades.csv", "report.json"} <= {*files_of(report), *shown.items()}


def test_one_lesson_after_the_other_in_shares_gives_a_report_of_both(course_class: Class) -> None:
    report = course_class.folder.parent / "merged"
    for lesson in ("03", "06"):
        folders = grade_shares(course_class, 2, *SEED, "--lesson", lesson)
        assert merge(folders, report).exit_code == 0
        whole(course_class, *SEED, "--lesson", lesson)
    assert files_of(report) == files_of(course_class.report)


def test_who_is_missing_from_a_later_download_keeps_the_marks_of_other_lessons(course_class: Class) -> None:
    grade_shares(course_class, 3, *SEED, "--lesson", "03")
    gone = min(path.name for path in course_class.folder.iterdir())
    shutil.rmtree(course_class.folder / gone)
    folders = grade_shares(course_class, 3, *SEED, "--lesson", "06")
    merged = course_class.folder.parent / "merged"
    assert merge(folders, merged).exit_code == 0
    assert {row["lesson"] for row in rows_of(merged) if row["student"] == gone} == {THIRD}


def test_one_notebook_for_an_earlier_lesson_takes_nobody_s_marks(course_class: Class) -> None:
    whole(course_class, *SEED, "--lesson", "06")
    before = {row["student"]: row["score"] for row in rows_of(course_class.report)}
    for path in course_class.folder.glob(f"*/{SIXTH}.ipynb"):
        path.unlink()
    course_class.hand_in("ada", SIXTH, 8)
    assert merge(grade_shares(course_class, 3, *SEED), course_class.report).exit_code == 0
    after = {row["student"]: row["score"] for row in rows_of(course_class.report) if row["lesson"] == SIXTH}
    assert after == before | {"ada": 8.0}


def test_merging_keeps_what_one_machine_graded_of_other_lessons(course_class: Class) -> None:
    whole(course_class, *SEED, "--lesson", "06")
    assert merge(grade_shares(course_class, 2, *SEED, "--lesson", "03"), course_class.report).exit_code == 0
    assert {row["lesson"] for row in rows_of(course_class.report)} == {THIRD, SIXTH}


# Who is in which share


def test_all_lessons_of_a_student_are_in_one_share_and_every_student_in_one() -> None:
    names = [f"student {number}" for number in range(4_000)]
    counts = Counter(owner(name, 8) for name in names)
    assert sorted(counts) == list(range(1, 9))
    assert all(400 < count < 600 for count in counts.values())
    assert [name for name in names if Share(3, 8).holds(name)] == [name for name in names if owner(name, 8) == 3]


def test_the_share_of_a_name_never_changes() -> None:
    """Else what was graded yesterday would be graded again in another share."""
    assert [owner(name, 8) for name in ("ada", "Zoë O'Neil", "\udcff")] == [7, 6, 2]


@pytest.mark.parametrize("written", ["0/3", "4/3", "1", "1/0", "-1/3", "one/two", "1/3/5", ""])
def test_what_is_no_share_is_refused(course_class: Class, written: str) -> None:
    assert "is no share; write 3/8" in course_class.refused("--shard", written, *SEED)


def test_shares_need_one_seed(course_class: Class) -> None:
    course_class.report.mkdir()
    assert "give --seed and a number, the same to each" in course_class.refused("--shard", "1/2")


def test_a_share_that_was_graded_needs_its_seed_no_more(course_class: Class, graded: list[tuple[str, str]]) -> None:
    grade_shares(course_class, 2, *SEED)
    del graded[:]
    grade_shares(course_class, 2)
    assert graded == []


def test_a_roster_is_for_merging(course_class: Class) -> None:
    roster = course_class.folder.parent / "roster.csv"
    roster.write_text(ROSTER)
    assert "give --roster to `bnn-course merge`" in course_class.refused(
        "--shard", "1/2", *SEED, "--roster", str(roster)
    )


def test_with_a_lesson_others_are_not_looked_into(course_class: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    from bnn_core.classroom import submissions

    looked: list[str] = []
    look = submissions._look_through

    def counted(home: Path, students: list[submissions.Student], at_once: int) -> object:
        looked.extend(student.name for student in students)
        return look(home, students, at_once)

    monkeypatch.setattr(submissions, "_look_through", counted)
    grade_shares(course_class, 3, *SEED, "--lesson", "03", numbers=[2])
    assert sorted(looked) == sorted(name for name in [*STUDENTS, "nobody"] if owner(name, 3) == 2)


# A share is no report


def test_a_share_is_no_report_and_a_report_no_share(course_class: Class) -> None:
    (folder,) = grade_shares(course_class, 2, *SEED, numbers=[1])[:1]
    assert [path.name for path in folder.iterdir()] == [JOURNAL]
    assert "holds share 1 of 2" in course_class.refused(*SEED, output=folder)
    assert "holds share 1 of 2, and not share 2 of 2" in course_class.refused("--shard", "2/2", *SEED, output=folder)
    whole(course_class, *SEED)
    assert "holds the report of a whole class" in course_class.refused("--shard", "1/2", *SEED)
    assert "holds no share of a class" in refused([course_class.report], course_class.folder.parent / "merged")
    for command in (["override", str(folder), "ada", "BayesianLinear", "3"], ["export", "marks", str(folder)]):
        more = ["--format", "wide"] if command[0] == "export" else []
        result = CliRunner().invoke(main, [*command, *more])
        assert result.exit_code == 2
        assert "`bnn-course merge` makes the report of all" in result.output


# Shares that don't belong together


def test_missing_shares_are_named(course_class: Class) -> None:
    folders = grade_shares(course_class, 4, *SEED)
    report = course_class.folder.parent / "merged"
    assert "share 2 of 4 is missing: grade it" in refused([*folders[:1], *folders[2:]], report)
    assert "shares 1 and 4 of 4 are missing: grade them" in refused(folders[1:3], report)
    assert "does not exist" in refused([*folders, folders[0].with_name("5")], report)


def test_a_share_that_was_interrupted_is_named_and_goes_on(
    course_class: Class, monkeypatch: pytest.MonkeyPatch, graded: list[tuple[str, str]]
) -> None:
    report = course_class.folder.parent / "merged"
    monkeypatch.setattr(grade_command, "_end_share", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    assert (
        "start it again to go on"
        in course_class.grade("--shard", "1/2", *SEED, output=folder_of(course_class, 1)).output
    )
    monkeypatch.undo()
    replace_grading(monkeypatch)
    folders = grade_shares(course_class, 2, *SEED, numbers=[2])
    assert "share 1 of 2 is not finished: grade it" in refused(folders, report)
    before = len(Journal(folders[0]).latest)
    assert before > 0
    grade_shares(course_class, 2, *SEED)
    assert merge(folders, report).exit_code == 0
    whole(course_class, *SEED)
    assert files_of(report) == files_of(course_class.report)


def test_overlapping_shares_are_refused(course_class: Class) -> None:
    folders = grade_shares(course_class, 2, *SEED)
    report = course_class.folder.parent / "merged"
    again = folders[0].with_name("again")
    shutil.copytree(folders[0], again)
    assert "are both share 1 of 2" in refused([*folders, again], report)
    course_class.grade("--shard", "1/3", *SEED, output=folders[0].with_name("third"))
    assert "is share 1 of 3, and" in refused([*folders, folders[0].with_name("third")], report)


def test_a_share_of_another_seed_or_of_other_limits_is_refused(course_class: Class) -> None:
    folders = grade_shares(course_class, 3, *SEED)
    report = course_class.folder.parent / "merged"
    grade_shares(course_class, 3, "--seed", "6", numbers=[2])
    assert f"{folders[1]} was graded with another seed than {folders[0]}" in refused(folders, report)
    grade_shares(course_class, 3, *SEED, "--timeout", "9", numbers=[2])
    assert f"{folders[1]} was graded with another limit or protection" in refused(folders, report)


@pytest.mark.parametrize("what", ["course code", "Python or set of packages"])
def test_a_share_of_another_course_or_environment_is_refused(
    course_class: Class, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    folders = grade_shares(course_class, 3, *SEED)
    name = "course_version" if what == "course code" else "environment_version"
    monkeypatch.setattr(versions, name, lambda *_: "another")
    grade_shares(course_class, 3, *SEED, numbers=[3])
    line = refused(folders, course_class.folder.parent / "merged")
    assert f"{folders[2]} was graded with another {what} than {folders[0]}" in line


def test_a_share_of_another_class_is_refused(course_class: Class) -> None:
    folders = grade_shares(course_class, 2, *SEED)
    other = Class(course_class.folder.parent / "other")
    for student in ("xen", "yan", "zed"):
        other.hand_in(student, THIRD)
        other.hand_in(student, SIXTH)
    (foreign,) = grade_shares(other, 2, *SEED, numbers=[2])[1:]
    assert "is of another class than" in refused([folders[0], foreign], course_class.folder.parent / "merged")


def test_a_report_of_another_class_is_not_overwritten(course_class: Class) -> None:
    folders = grade_shares(course_class, 2, *SEED)
    other = Class(course_class.folder.parent / "other")
    other.hand_in("xen", THIRD)
    other.hand_in("yan", THIRD)
    whole(other)
    assert "holds the report of another class" in refused(folders, other.report)


def test_shares_that_were_graded_on_fewer_lessons_are_refused(course_class: Class) -> None:
    folders = grade_shares(course_class, 2, *SEED, "--lesson", "03")
    grade_shares(course_class, 2, *SEED, "--lesson", "06", numbers=[1])
    assert f"{folders[1]} was not graded on {SIXTH}" in refused(folders, course_class.folder.parent / "merged")


def test_a_roster_of_another_class_is_refused(course_class: Class) -> None:
    roster = course_class.folder.parent / "roster.csv"
    roster.write_text("id,name\n1,Nobody of these\n")
    folders = grade_shares(course_class, 2, *SEED)
    line = refused(folders, course_class.folder.parent / "merged", "--roster", str(roster))
    assert "none of the 1 students in" in line
    assert "the list of this class" in line


def test_a_test_student_of_the_system_is_in_no_count_of_a_merged_class_either(tmp_path: Path) -> None:
    made = Class(tmp_path)
    for number, name in enumerate(["studenttest", "duboisemma", "leeanna", "kimjo"]):
        made.hand_in("x", THIRD)
        notebook = (made.folder / "x" / f"{THIRD}.ipynb").read_bytes()
        (made.folder / f"{name}_{number}_9{number}_{THIRD}.ipynb").write_bytes(notebook)
    shutil.rmtree(made.folder / "x")
    result = merge(grade_shares(made, 2, *SEED), tmp_path / "merged")
    assert "a test student of the school's system, in no count: studenttest\n" in result.output
    whole(made, *SEED)
    for name in ("report.json", "grades.csv", "index.html", "studenttest/03_bayesian_linear.html"):
        assert (tmp_path / "merged" / name).read_bytes() == (made.report / name).read_bytes()


def test_a_share_may_be_nobodys(course_class: Class) -> None:
    empty = next(number for number in range(1, 41) if all(owner(name, 40) != number for name in [*STUDENTS, "nobody"]))
    grade_shares(course_class, 40, *SEED, numbers=[empty])
    assert Journal(folder_of(course_class, empty)).latest == {}


# What results are kept under


def test_results_are_kept_under_the_same_keys_wherever_submissions_lie(course_class: Class, tmp_path: Path) -> None:
    other = Class(tmp_path / "somewhere else" / "deep")
    shutil.copytree(course_class.folder, other.folder)
    assert keys_of(course_class) == keys_of(other)


def keys_of(made: Class) -> list[str]:
    whole(made, *SEED)
    lines = [json.loads(line) for line in (made.report / JOURNAL).read_text().splitlines()]
    return sorted(line["key"] for line in lines if "key" in line)


def test_the_environment_is_the_same_on_every_machine_that_has_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """How Python was built, the machine, and how often and how a package's name is written where it is installed are
    no part of it; its version is.
    """

    class Package:
        def __init__(self, name: str, version: str) -> None:
            self.name, self.version = name, version

    def seen(*packages: tuple[str, str], build: str = "Apr  1 2026, 10:00:00", machine: str = "x86_64") -> str:
        with monkeypatch.context() as patch:
            patch.setattr(versions, "distributions", lambda: [Package(*one) for one in packages])
            patch.setattr("sys.version", f"3.11.9 (main, {build}) [GCC 12]")
            patch.setattr("platform.machine", lambda: machine)
            return versions.environment_version.__wrapped__()

    one = seen(("jupyter_client", "8.1"), ("torch", "2.13.0"))
    assert one == seen(
        ("torch", "2.13.0"), ("Jupyter-Client", "8.1"), ("torch", "2.13.0"), build="May  1 2026, 10:00:00"
    )
    assert one == seen(("torch", "2.13.0"), ("jupyter.client", "8.1"), machine="aarch64")
    assert one != seen(("torch", "2.13.1"), ("jupyter_client", "8.1"))


# What the guide says to copy

GUIDE = COURSE / "solutions" / "README.md"
SHARES = 3
"""In place of the guide's 20, so that it takes a moment."""

NOTED = """#!/bin/sh
printf '%s\\n' "$@" > "$(mktemp calls/XXXXXX)"
"""
"""In place of the command, whose every call takes seconds: it notes its arguments, which are then given to it here."""


def block(language: str) -> str:
    """The only block of the guide in this language."""
    text = GUIDE.read_text(encoding="utf-8")
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert "20" in found
    return str(found)


def slurm(root: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each task's script, as Slurm runs it, and its variables."""
    script = block("bash")
    first, last = map(int, re.findall(r"^#SBATCH --array=(\d+)-(\d+)$", script, re.MULTILINE)[0])
    assert (first, last) == (1, int(re.findall(r"^shares=(\d+)", script, re.MULTILINE)[0]))
    for number in range(1, SHARES + 1):
        yield (
            script.replace(f"shares={last}", f"shares={SHARES}"),
            {"SLURM_ARRAY_TASK_ID": f"{number}", "SLURM_CPUS_PER_TASK": "2"},
        )


def kubernetes(root: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each pod's command, and its variables."""
    job = pytest.importorskip("yaml").safe_load(block("yaml"))
    spec = job["spec"]
    assert (job["kind"], spec["completionMode"], spec["completions"]) == ("Job", "Indexed", 20)
    (container,) = spec["template"]["spec"]["containers"]
    assert container["command"] == ["sh", "-c"]
    (mount,) = container["volumeMounts"]
    assert {volume["name"] for volume in spec["template"]["spec"]["volumes"]} == {mount["name"]}
    (command,) = container["args"]
    command = command.replace(f"{mount['mountPath']}/", f"{root}/").replace("/20", f"/{SHARES}")
    for index in range(SHARES):
        yield command, {"JOB_COMPLETION_INDEX": f"{index}"}


@pytest.mark.skipif(not GUIDE.exists(), reason="the guide is not handed out")
@pytest.mark.parametrize("commands", [slurm, kubernetes], ids=["Slurm", "Kubernetes"])
def test_what_the_guide_says_to_copy_grades_the_class(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    commands: Callable[[Path], Iterator[tuple[str, dict[str, str]]]],
) -> None:
    made = Class(tmp_path)
    for student in STUDENTS:
        made.hand_in(student, THIRD)
    made.folder = made.folder.rename(tmp_path / "submissions")
    command = tmp_path / ".venv" / "bin" / "bnn-course"
    command.parent.mkdir(parents=True)
    command.write_text(NOTED)
    command.chmod(0o755)
    (tmp_path / "calls").mkdir()
    monkeypatch.chdir(tmp_path)
    for script, variables in commands(tmp_path):
        subprocess.run(["bash", "-e", "-c", script], env={**os.environ, **variables}, check=True)
    called = [path.read_text().splitlines() for path in (tmp_path / "calls").iterdir()]
    assert len(called) == SHARES
    (merging,) = re.findall(r"^bnn-course (merge .*)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    (tmp_path / "gradebook.csv").write_text(ROSTER)
    whole = [
        "grade",
        "submissions",
        "--output",
        "whole",
        "--seed",
        "2026",
        "--lesson",
        "03",
        "--roster",
        "gradebook.csv",
    ]
    for arguments in called:
        assert CliRunner().invoke(main, arguments).exit_code == 0
    words = [sorted(map(str, Path().glob(word))) if "*" in word else [word] for word in merging.split()]
    for arguments in ([word for some in words for word in some], whole):
        assert CliRunner().invoke(main, arguments).exit_code == 0
    assert files_of(tmp_path / "report") == files_of(tmp_path / "whole")

"""What a grading says of itself: whose download it is, how each file was understood, and what has changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from classroom.quick_class import SIXTH, THIRD, Class, snapshot
from classroom.systems import (
    ABSENT,
    CLASS,
    Someone,
    blackboard_entry,
    canvas_entry,
    canvas_gradebook,
    download,
    folder_entry,
    moodle_entry,
)
from click.testing import CliRunner

from bnn_core.classroom import crew, earlier
from bnn_core.classroom.grading import Graded
from bnn_core.classroom.journal import Journal
from bnn_core.course.command_line import main


@pytest.fixture
def own(tmp_path: Path, graded: list[tuple[str, str]]) -> Class:
    return Class(tmp_path)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (canvas_entry, "a download of Canvas"),
        (moodle_entry, "a download of Moodle"),
        (blackboard_entry, "a download of Blackboard"),
        (folder_entry, "a folder or a zip per student"),
    ],
)
def test_it_says_whose_download_it_sees(own: Class, entry: Callable[[Someone], str], says: str) -> None:
    download(own.folder, entry)
    assert f"Read as {says}: 7 graded anew" in own.grade().output


def test_a_dry_run_says_how_everything_is_understood_and_writes_nothing(
    own: Class, tmp_path: Path, graded: list[tuple[str, str]]
) -> None:
    download(own.folder, canvas_entry)
    (own.folder / "zz_4799_99_essay.pdf").write_bytes(b"%PDF")
    (tmp_path / "canvas.csv").write_text(canvas_gradebook(), encoding="utf-8")
    before = snapshot(tmp_path)
    result = own.grade("--dry-run", "--roster", str(tmp_path / "canvas.csv"))
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert f"O'Neil, Zoë, {THIRD}: {THIRD}.ipynb, late" in lines
    assert f"李, 明, {THIRD}: {THIRD}.ipynb" in lines
    assert f"{ABSENT.sortable}: handed in nothing" in lines
    assert "zz: in no roster" in lines
    assert any(line.startswith(f"zz, {THIRD}: nothing to grade. No notebook that can be read") for line in lines)
    assert snapshot(tmp_path) == before
    assert graded == []


def test_a_run_ends_with_what_has_changed(own: Class) -> None:
    own.hand_in("ada", THIRD, worth=3)
    own.hand_in("bo", THIRD, worth=5)
    result = own.grade()
    assert "2 graded anew, 0 kept from before, in " in result.output
    assert "marks changed" not in result.output
    own.hand_in("ada", THIRD, worth=8)
    result = own.grade()
    assert "1 graded anew, 1 kept from before" in result.output
    assert "marks changed: ada in BayesianLinear from 3 to 8" in result.output
    assert "marks changed" not in own.grade().output


@pytest.mark.parametrize("with_roster", [False, True])
def test_a_mark_where_there_was_nothing_has_changed(own: Class, tmp_path: Path, with_roster: bool) -> None:
    (tmp_path / "list.csv").write_text("id,name\nada,Ada L\nbo,Bo M\n", encoding="utf-8")
    ada = "Ada L" if with_roster else "ada"
    own.hand_in("bo", THIRD, worth=5)
    own.grade(*(("--roster", str(tmp_path / "list.csv")) if with_roster else ()))
    own.hand_in("ada", THIRD, worth=6)
    assert f"marks changed: {ada} in BayesianLinear from 0 to 6\n" in own.grade().output
    own.hand_in("ada", SIXTH, worth=6)
    assert "marks changed" not in own.grade().output, "a new lesson is no change"
    shutil.rmtree(own.folder / "ada")
    said = own.grade("--lesson", "03").output
    assert (f"marks changed: {ada} in BayesianLinear from 6 to 0" in said) == with_roster


@pytest.mark.parametrize(
    ("now", "changes"),
    [
        ("ada,BayesianLinear,7\n", ""),
        ("ada,BayesianLinear,2\n", "ada in BayesianLinear from 7 to 2"),
        ("", "ada in BayesianLinear from 7 to 5"),
        ("bo,BayesianLinear,9\n", "ada in BayesianLinear from 7 to 5, bo in BayesianLinear from 5 to 9"),
    ],
    ids=["nothing", "another score", "none any more", "another student"],
)
def test_what_a_person_changes_in_the_overrides_has_changed(own: Class, now: str, changes: str) -> None:
    for student in ("ada", "bo"):
        own.hand_in(student, THIRD, worth=5)
    own.report.mkdir()
    overrides = own.report / "overrides.csv"
    overrides.write_text("student,exercise,score\nada,BayesianLinear,7\n", encoding="utf-8")
    assert "marks changed" not in own.grade().output
    overrides.write_text(f"student,exercise,score\n{now}", encoding="utf-8")
    told = [line for line in own.grade().output.splitlines() if "marks changed" in line]
    assert told == ([f"marks changed: {changes}"] if changes else [])
    assert "marks changed" not in own.grade().output


def test_after_an_interruption_no_mark_has_changed(own: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    for student in ("ada", "bo"):
        own.hand_in(student, THIRD, worth=5)
    grade_all = crew.grade_all

    def interrupted(*arguments: Any) -> Iterator[tuple[int, Graded]]:
        yield next(iter(grade_all(*arguments)))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(crew, "grade_all", interrupted)
        assert "stopped" in own.grade().output
    said = own.grade().output
    assert "1 graded anew, 1 kept from before" in said
    assert "marks changed" not in said
    own.hand_in("bo", THIRD, worth=6)
    assert "marks changed: bo in BayesianLinear from 5 to 6\n" in own.grade().output


def test_a_roster_that_is_given_later_changes_no_mark(own: Class, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("id,name\nada,Ada L\n", encoding="utf-8")
    own.hand_in("ada", THIRD, worth=5)
    own.grade()
    assert "marks changed" not in own.grade("--roster", str(tmp_path / "list.csv")).output


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--seed", "8"), "; 2 were graded before, with another seed"),
        (
            ("--seed", "8", "--timeout", "9"),
            "; 2 were graded before, with another seed and another limit or protection",
        ),
        (("--seed", "8", "--fresh"), ""),
        ((), ""),
    ],
    ids=["seed", "seed and limit", "fresh", "nothing"],
)
def test_it_says_why_what_was_graded_is_graded_again(own: Class, options: tuple[str, ...], says: str) -> None:
    for student in ("ada", "bo"):
        own.hand_in(student, THIRD)
    assert "graded before" not in own.grade("--seed", "7").output
    own.hand_in("cy", THIRD)
    foretold = own.grade("--dry-run", *options).output
    anew = (3, 0) if options else (1, 2)
    for said in (foretold, own.grade(*options).output):
        assert f"{anew[0]} graded anew, {anew[1]} kept from before{says}" in said
        assert says or "graded before" not in said


def test_a_new_environment_is_named(own: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    own.hand_in("ada", THIRD)
    own.grade()
    monkeypatch.setattr(earlier, "environment_version", lambda: "another")
    assert "; 1 was graded before, with another Python or set of packages, in " in own.grade().output


def test_who_alone_brought_a_lesson_is_named(own: Class) -> None:
    for student in ("ada", "bo", "cy", "di", "eli"):
        own.hand_in(student, THIRD)
    own.hand_in("ada", SIXTH)
    for options in ((), ("--dry-run",)):
        said = own.grade(*options).output
        assert f"graded on {SIXTH} because of ada alone; --lesson takes one lesson alone" in said
        assert f"graded on {THIRD}" not in said
    assert "graded on" not in own.grade("--lesson", "06").output
    for student in ("bo", "cy"):
        own.hand_in(student, SIXTH)
    assert "graded on" not in own.grade().output


def test_one_student_or_one_exercise_can_be_graded_again(own: Class, graded: list[tuple[str, str]]) -> None:
    for student in ("ada", "bo"):
        own.hand_in(student, THIRD)
    own.hand_in("bo", SIXTH)
    own.grade()
    for option, again in (("ada", [("ada", THIRD)]), ("HiddenLayer", [("bo", SIXTH)])):
        graded.clear()
        assert own.grade("--again", option).exit_code == 0
        assert graded == again
    graded.clear()
    line = own.grade("--again", "adda").output.splitlines()[-1]
    assert "no student and no exercise 'adda' among the submissions; there is ada" in line
    assert graded == []


@pytest.mark.parametrize("name", ["García, Quentin", "quentin garcia", "Quentin O’Brian García", "garciaquentin"])
def test_a_student_is_known_to_again_as_to_override(own: Class, graded: list[tuple[str, str]], name: str) -> None:
    student = "Quentin O'Brian García" if "Brian" in name else "Quentin García"
    for one in (student, "Bo"):
        own.hand_in(one, THIRD)
    own.grade()
    graded.clear()
    result = own.grade("--again", name)
    assert result.exit_code == 0, result.output
    assert graded == [(student, THIRD)]
    assert CliRunner().invoke(main, ["override", str(own.report), name, "bayesian_linear", "1"]).exit_code == 0


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Smith", "no student and no exercise 'Smith' among the submissions; there is Dmitri Smith, Noor Smith"),
        ("Noor Smyth", "'Noor Smyth' among the submissions; there is Noor Smith"),
        ("BayesianLiner", "'BayesianLiner' among the submissions; there is BayesianLinear"),
        ("Zoë Kim", "'Zoë Kim' among the submissions; --dry-run has all names"),
        ("hidden_layer", f"HiddenLayer is an exercise of {SIXTH}, which isn't graded now; there is BayesianLinear"),
        ("Di", "Di handed in nothing that could be graded again"),
        ("Li", "'Li' may be Li (3) or Li (4); give an id"),
    ],
)
def test_what_can_t_be_graded_again_is_said_before_anything_is_written(
    own: Class, tmp_path: Path, name: str, says: str
) -> None:
    names = ["Dmitri Smith", "Noor Smith", "Rosa Park", "Li", "Li", "Ann Lu", "Di"]
    for number, one in enumerate(names[:-1]):
        own.hand_in(str(number) if one == "Li" else one, THIRD)
    lines = [f"{number if one == 'Li' else f'x{number}'},{one}\n" for number, one in enumerate(names)]
    roster = tmp_path / "list.csv"
    roster.write_text("id,name\n" + "".join(lines), encoding="utf-8")
    assert own.grade("--roster", str(roster)).exit_code == 0
    assert says in own.refused("--again", name, "--fresh")


def test_a_student_is_graded_again_by_the_name_or_the_id_of_the_roster(
    own: Class, tmp_path: Path, graded: list[tuple[str, str]]
) -> None:
    download(own.folder, canvas_entry)
    (tmp_path / "canvas.csv").write_text(canvas_gradebook(), encoding="utf-8")
    own.grade("--roster", str(tmp_path / "canvas.csv"))
    for name in ("Lovelace, Ada (4716)", str(CLASS[5].number)):
        graded.clear()
        assert own.grade("--again", name).exit_code == 0
        assert graded == [("lovelaceada (4716)", THIRD)]


def test_what_is_dropped_is_told_with_the_reason(own: Class) -> None:
    for student, lesson in (("ada", THIRD), ("ada", SIXTH), ("bo", THIRD), ("cy", SIXTH)):
        own.hand_in(student, lesson)
    own.grade()
    (own.folder / "ada" / f"{SIXTH}.ipynb").unlink()
    assert f"kept from before, though the notebook is gone (--fresh drops them): ada {SIXTH}" in own.grade().output
    said = own.grade("--fresh").output
    assert f"dropped, for the notebook is gone and --fresh takes only what is there now: ada {SIXTH}" in said
    shutil.rmtree(own.folder / "bo")
    assert "no longer among the submissions, and so no longer in the report: bo" in own.grade().output


@pytest.mark.parametrize("options", [(), ("--fresh",), ("--lesson", "03"), ("--again", "di")], ids=" ".join)
def test_a_dry_run_says_what_the_grading_then_does(own: Class, options: tuple[str, ...]) -> None:
    for student, lesson in (("ada", THIRD), ("ada", SIXTH), ("bo", THIRD), ("cy", THIRD), ("di", THIRD)):
        own.hand_in(student, lesson)
    own.grade()
    own.hand_in("cy", THIRD, worth=7)
    own.hand_in("eli", THIRD)
    (own.folder / "ada" / f"{SIXTH}.ipynb").unlink()
    shutil.rmtree(own.folder / "bo")
    before = snapshot(own.folder.parent)
    foretold = own.grade("--dry-run", *options).output.partition("A grading would say:\n")[2].splitlines()
    assert snapshot(own.folder.parent) == before
    result = own.grade(*options)
    for line in foretold:
        assert line in result.output or line.startswith("graded anew: ")
    counts = next(line for line in foretold if " graded anew, " in line)
    assert "no longer among the submissions, and so no longer in the report: bo" in foretold
    whom = {"": "cy, eli", "--fresh": None, "--lesson": "cy, eli", "--again": "cy, di, eli"}[
        options[0] if options else ""
    ]
    assert (f"graded anew: {whom}" in foretold) == (whom is not None)
    assert counts.startswith("4 graded anew, 0" if whom is None else f"{len(whom.split())} graded anew, ")


@pytest.mark.parametrize("called", ["O'Neil, Zoë", "Zoe ONeil", "4711", "zoneil", "oneilzoe"])
def test_who_hands_in_alone_is_known_by_any_name_of_the_roster(own: Class, tmp_path: Path, called: str) -> None:
    download(own.folder, canvas_entry)
    (tmp_path / "canvas.csv").write_text(canvas_gradebook(), encoding="utf-8")
    own.grade("--roster", str(tmp_path / "canvas.csv"))
    before = own.report.joinpath("grades.csv").read_text(encoding="utf-8").splitlines()
    origins = Journal(own.report).origins
    alone = Class(tmp_path / "alone")
    alone.report = own.report
    alone.hand_in(called, THIRD, worth=8)
    for said in (alone.grade("--dry-run").output, alone.grade().output):
        assert "1 graded anew" in said, said
    after = own.report.joinpath("grades.csv").read_text(encoding="utf-8").splitlines()
    assert len(after) == len(before)
    (change,) = [line for line in after if line not in before]
    assert "O'Neil" in change
    place = next(place for place in origins if "oneil" in place.student)
    now = Journal(own.report).origins[place]
    assert (now.system, now.entry) == (origins[place].system, origins[place].entry), "feedback goes where it went"


def test_a_name_of_two_is_nobody_s(own: Class, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("id,name\n1,Ada L\n2,Ada L\n3,Bo M\n", encoding="utf-8")
    for student in ("1", "2", "3"):
        own.hand_in(student, THIRD)
    own.grade("--roster", str(tmp_path / "list.csv"))
    alone = Class(tmp_path / "alone")
    alone.report = own.report
    alone.hand_in("Ada L", THIRD, worth=8)
    assert "another class" in alone.refused()

"""What a person decided about a mark: kept through every grading, and shown beside what the grader gave."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from classroom.quick_class import SIXTH, THIRD, Class, replace_grading, snapshot
from classroom.systems import ABSENT, CLASS, Someone, canvas_entry, canvas_gradebook, canvas_takes, download, notebook
from click.testing import CliRunner, Result

from bnn_core.classroom.overrides import Override, read_overrides, with_override
from bnn_core.classroom.tables import BadTable
from bnn_core.course.command_line import main

HEAD = "student,exercise,score,comment\n"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Class:
    replace_grading(monkeypatch)
    made = Class(tmp_path)
    made.hand_in("ada", THIRD, worth=5)
    made.hand_in("bo", THIRD, worth=6)
    return made


def scores(own: Class) -> dict[str, float]:
    rows = json.loads((own.report / "report.json").read_text(encoding="utf-8"))["results"]
    return {row["student"]: row["score"] for row in rows}


def override(own: Class, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["override", str(own.report), *map(str, arguments)])


def test_a_decision_survives_and_is_shown_beside_the_checks_own(own: Class) -> None:
    own.graded()
    result = override(own, "ada", "BayesianLinear", 9.5, "--comment", "=one slip, <b>no more</b>")
    assert result.exit_code == 0, result.output
    assert result.output == "ada, BayesianLinear: 9.5 points; the grader gave 5\n"
    for _ in range(2):
        assert scores(own) == {"ada": 9.5, "bo": 6.0}
        page = (own.report / "ada" / f"{THIRD}.html").read_text(encoding="utf-8")
        assert "9.5 of 10 points, set by hand; the grader gave 5" in page
        assert "Set by hand from 5 to 9.5 points: =one slip, &lt;b&gt;no more&lt;/b&gt;" in page
        index = (own.report / "index.html").read_text(encoding="utf-8")
        assert '9.5<span class="bnn-quiet"> (5)</span>' in index
        assert "in brackets the grader's own where a person set them" in index
        with (own.report / "grades.csv").open(newline="", encoding="utf-8") as file:
            lines = {line["student"]: line for line in csv.DictReader(file)}
        assert lines["ada"]["total"] == "9.5"
        assert lines["ada"]["by hand"] == "BayesianLinear 9.5 (grader: 5): =one slip, <b>no more</b>"
        assert lines["bo"]["by hand"] == ""
        own.graded("--fresh")
    (own.report / "overrides.csv").unlink()
    own.graded()
    assert scores(own) == {"ada": 5.0, "bo": 6.0}


def test_report_json_keeps_its_form(own: Class) -> None:
    own.graded()
    before = json.loads((own.report / "report.json").read_text(encoding="utf-8"))["results"][0]
    override(own, "ada", "BayesianLinear", 9)
    after = json.loads((own.report / "report.json").read_text(encoding="utf-8"))["results"][0]
    assert before.keys() == after.keys()
    assert {key for key in before if before[key] != after[key]} == {"score", "message"}


def test_the_later_of_two_lines_counts_and_none_is_lost(own: Class) -> None:
    own.graded()
    for points in (7, 8, 0):
        assert override(own, "ada", "BayesianLinear", points).exit_code == 0
    assert scores(own)["ada"] == 0
    assert [one.score for one in read_overrides(own.report)] == [7, 8, 0]


def test_marks_that_go_out_are_the_decided_ones(own: Class, tmp_path: Path) -> None:
    school = Class(tmp_path / "school")
    download(school.folder, canvas_entry)
    path = tmp_path / "canvas.csv"
    path.write_text(canvas_gradebook(), encoding="utf-8")
    assert school.grade("--roster", str(path)).exit_code == 0
    for name, points in (("4712", 1), ("Lovelace, Ada (4717)", 2), ("ada@uni.example", 3), (ABSENT.sortable, 4)):
        result = override(school, name, "BayesianLinear", points)
        assert result.exit_code == 0, result.output
    assert result.output.endswith("the grader gave 0, for nothing was handed in\n")
    result = override(school, "--comment", "fine", "--", "-Minus, Max", "BayesianLinear", 6)
    assert result.exit_code == 0, result.output
    export = ["export", "marks", str(school.report), "--format", "canvas", "--into", str(path), "--title", "Homework 3"]
    assert CliRunner().invoke(main, export).exit_code == 0
    marks = canvas_takes(path.read_bytes(), "Homework 3")
    assert [marks[one.number] for one in CLASS] == ["5", "1", "6", "5", "3", "5", "2", "4"]
    assert read_overrides(school.report)[-1].student == "-Minus, Max"
    assert b"'-Minus" in (school.report / "overrides.csv").read_bytes()
    assert school.grade().exit_code == 0
    assert scores(school)["-Minus, Max"] == 6
    CliRunner().invoke(main, ["export", "marks", str(school.report), "--format", "wide"])
    lines = list(csv.DictReader((school.report / "marks.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert [line["by hand"] for line in lines if line["id"] == "4713"] == ["BayesianLinear 6 (grader: 5): fine"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["adda", "BayesianLinear", 9], "nobody in the report is called 'adda'; there is ada"),
        (["x", "BayesianLinear", 9], "nobody in the report is called 'x'; there is ada, bo"),
        (["ada", "BayesianLiner", 9], "ada has no result of an exercise 'BayesianLiner'; there is BayesianLinear"),
        (
            ["ada", "hidden_layer", 1],
            f"ada has no result of an exercise 'HiddenLayer', which is of {SIXTH}; there is BayesianLinear",
        ),
        (["ada", "BayesianLinear", 11], "11 is not among the points of BayesianLinear, 0 to 10"),
        (["ada", "BayesianLinear", "nan"], "nan is no number"),
        (["ada", "BayesianLinear", "seven"], "seven is no number"),
        (["ada", "BayesianLinear", "--", -1], "-1"),
        (["ada", "BayesianLinear", -1], "-1 is no score; give points from 0 up, such as 7.5"),
        (["ada", "BayesianLinear", "-0,5", "--comment", "-2"], "-0,5 is no score; give points from 0 up"),
    ],
)
def test_what_doesn_t_exist_is_named_and_nothing_written(own: Class, arguments: list[object], says: str) -> None:
    own.graded()
    before = snapshot(own.folder.parent)
    result = override(own, *arguments)
    assert result.exit_code == 2
    assert says in result.output
    assert len(result.output.splitlines()) == 1
    assert snapshot(own.folder.parent) == before


@pytest.mark.parametrize("points", ["3,5", "3.5"])
def test_points_may_have_a_comma(own: Class, points: str) -> None:
    own.graded()
    result = override(own, "ada", "bayesian_linear", points, "--comment", "-1 for style")
    assert result.output == "ada, BayesianLinear: 3.5 points; the grader gave 5\n"
    assert scores(own)["ada"] == 3.5
    assert override(own, "ada", "BayesianLinear", 4, "--comment", "-1").exit_code == 0


# Whose mark it is when the roster is another


def graded_from_canvas(own: Class, tmp_path: Path) -> Class:
    """A class in which Ada, whom Canvas calls by two first names, has a mark by hand under the name of its roster."""
    school = Class(tmp_path / "school")
    people = [Someone(f"Emma{n}", f"Dubois{n}", 5000 + n, f"login{n}") for n in range(4)]
    school.folder.mkdir(parents=True)
    for one in (*people, Someone("Ada King", "Lovelace", 4716, "alove")):
        (school.folder / canvas_entry(one)).write_text(notebook(5), encoding="utf-8")
    roster = [*people, Someone("Ada", "Lovelace", 4716, "alove")]
    (tmp_path / "canvas.csv").write_text(canvas_gradebook(roster), encoding="utf-8")
    assert school.grade("--roster", str(tmp_path / "canvas.csv")).exit_code == 0
    return school


def test_a_mark_stays_with_the_notebook_when_the_roster_has_an_empty_row_of_the_name(
    own: Class, tmp_path: Path
) -> None:
    school = graded_from_canvas(own, tmp_path)
    assert override(school, "Ada Lovelace", "BayesianLinear", 9).output.startswith("Lovelace, Ada, BayesianLinear: 9")
    names = ["Ada Lovelace", *(f"Emma{n} Dubois{n}" for n in range(4))]
    (tmp_path / "own.csv").write_text("id,name\n" + "".join(f"x{n},{name}\n" for n, name in enumerate(names)), "utf-8")
    result = school.grade("--roster", str(tmp_path / "own.csv"))
    assert result.exit_code == 0, result.output
    assert "in no roster: lovelaceadaking" in result.output
    after = scores(school)
    assert after["Ada Lovelace"] == 0
    assert after["lovelaceadaking"] == 9
    assert "not applied" not in result.output
    asked = override(school, "Ada Lovelace", "BayesianLinear", 8)
    assert "'Ada Lovelace' may be Ada Lovelace or lovelaceadaking; give an id" in asked.output


def test_a_family_s_name_alone_names_all_and_marks_nobody(own: Class) -> None:
    for name in ("Noor Smith", "Dmitri Smith", *(f"Rosa Park{n}" for n in range(5))):
        own.hand_in(name, THIRD)
    own.grade()
    result = override(own, "Smith", "BayesianLinear", 9)
    assert result.exit_code == 2
    assert "nobody in the report is called 'Smith'; there is Dmitri Smith, Noor Smith" in result.output
    assert "called 'Zoë Kim'; the class page has all names" in override(own, "Zoë Kim", "BayesianLinear", 9).output
    assert override(own, "Smith, Noor", "BayesianLinear", 9).output.startswith("Noor Smith, BayesianLinear: 9 points")


def test_lines_that_fit_nothing_are_named(own: Class) -> None:
    own.report.mkdir()
    lines = ["bob,BayesianLinear,1,", "ada,Foo,1,", "ada,BayesianLinear,12,", 'Bo,BayesianLinear,"7,5",ok']
    (own.report / "overrides.csv").write_text(HEAD + "\n".join(lines), encoding="utf-8")
    result = own.grade()
    assert result.exit_code == 0
    assert "not applied: overrides.csv, line 2: nobody in the report is called 'bob'" in result.output
    assert "line 3: ada has no result of an exercise 'Foo'" in result.output
    assert "line 4: 12 is not among the points of BayesianLinear, 0 to 10" in result.output
    assert "line 5" not in result.output
    assert scores(own) == {"ada": 5.0, "bo": 7.5}
    assert "line 2: nobody in the report is called" in (own.report / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{HEAD}ada,BayesianLinear,ten,", "line 2: the score 'ten' is no number"),
        (f"{HEAD}ada,BayesianLinear,inf,", "line 2: the score 'inf' is no number"),
        ("name,exercise,score\n", "has no column 'student'"),
    ],
)
def test_a_file_that_can_t_be_read_stops_the_grading_before_it_begins(own: Class, text: str, says: str) -> None:
    own.report.mkdir()
    (own.report / "overrides.csv").write_text(text, encoding="utf-8")
    assert says in own.refused()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_line_is_added_in_the_file_s_own_encoding(tmp_path: Path, encoding: str) -> None:
    text = "Student;Exercise;Score;Comment\r\nZoë;BayesianLinear;7,5;gut"
    path = tmp_path / "overrides.csv"
    path.write_bytes(text.encode(encoding))
    path.write_bytes(with_override(tmp_path, Override("=É", "HiddenLayer", 2, "a;\nb")))
    assert path.read_bytes().decode(encoding) == f'{text}\r\n\'=É;HiddenLayer;2;"a; b"\r\n'
    assert [(one.student, one.score) for one in read_overrides(tmp_path)] == [("Zoë", 7.5), ("=É", 2)]


def test_a_sign_that_the_file_lacks_is_said(tmp_path: Path) -> None:
    (tmp_path / "overrides.csv").write_bytes("student,exercise,score\nZoë,X,1".encode("cp1252"))
    with pytest.raises(BadTable, match="is in an encoding that lacks"):
        with_override(tmp_path, Override("李", "X", 2))


@pytest.mark.skipif(sys.platform == "win32", reason="nobody grades on Windows")
def test_of_two_who_write_at_once_one_waits(own: Class) -> None:
    own.graded()
    own.hand_in("cy", SIXTH)
    hold = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"
    command = [sys.executable, "-c", hold, str(own.report / "results.jsonl")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        assert f"somebody else is writing to {own.report} now" in own.refused()
        result = override(own, "ada", "BayesianLinear", 1)
        assert result.exit_code == 2
        assert "wait until that is done" in result.output
        process.communicate(b"\n")
    assert len(own.graded()) == 3

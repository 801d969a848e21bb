"""Marks that go out: every system's own table filled in, read back by the rules of its importer, and nothing else in it
changed.
"""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any

import pytest
from classroom.quick_class import SIXTH, Class, replace_grading, snapshot
from classroom.systems import (
    ABSENT,
    CLASS,
    LESSON,
    MOODLE_GERMAN,
    SYSTEM_NAMES,
    SYSTEMS,
    Someone,
    System,
    blackboard_takes,
    canvas_comment,
    canvas_entry,
    canvas_gradebook,
    canvas_takes,
    download,
    folder_entry,
    german_worksheet,
    moodle_entry,
    moodle_feedback,
    moodle_takes,
    moodle_worksheet,
    notebook,
    rows_of,
    table,
)
from click.testing import CliRunner, Result

from bnn_core.classroom.page_places import pages_of
from bnn_core.course.command_line import main

WORTH = {one.number: position % 10 for position, one in enumerate(CLASS)}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Class:
    replace_grading(monkeypatch)
    return Class(tmp_path)


def export(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


def refused(folder: Path, *arguments: object) -> str:
    """The line with which it is refused; nothing has been written."""
    before = snapshot(folder)
    result = export(*arguments)
    assert result.exit_code == 2, result.output
    assert snapshot(folder) == before
    (line,) = result.output.splitlines()
    return line


def graded(own: Class, system: System, *options: str) -> Path:
    """The table of a class that was graded from the system's download."""
    download(own.folder, system.entry, lambda position: position)
    path = own.folder.parent / "marks.csv"
    path.write_bytes(system.marks)
    assert own.grade(*options).exit_code == 0
    return path


def taken(system: System, content: bytes) -> dict[Any, str]:
    if system.name == "canvas":
        return canvas_takes(content, "Homework 3")
    if system.name == "blackboard":
        by_login = blackboard_takes(content)
        return {one.number: by_login[one.login] for one in CLASS}
    return moodle_takes(content, MOODLE_GERMAN) if b"Bewertung" in content else moodle_takes(content)


@pytest.mark.parametrize("with_roster", [True, False])
@pytest.mark.parametrize("system", SYSTEMS, ids=SYSTEM_NAMES)
def test_each_system_reads_back_the_marks(own: Class, system: System, with_roster: bool) -> None:
    path = own.folder.parent / "marks.csv"
    graded(own, system)
    if with_roster:
        assert own.grade("--roster", str(path)).exit_code == 0
    title = ["--title", system.title] if system.title else []
    result = export("marks", own.report, "--format", system.name, "--into", path, *title)
    assert result.exit_code == 0, result.output
    wanted = {number: str(worth) for number, worth in WORTH.items()} | {ABSENT.number: "0" if with_roster else ""}
    assert taken(system, path.read_bytes()) == wanted
    assert f"{len(CLASS) - (not with_roster)} marks" in result.output


@pytest.mark.parametrize("system", SYSTEMS, ids=SYSTEM_NAMES)
def test_nothing_else_is_changed(own: Class, system: System) -> None:
    path = graded(own, system)
    title = ["--title", system.title] if system.title else []
    assert export("marks", own.report, "--format", system.name, "--into", path, *title).exit_code == 0
    separator = "\t" if system.marks.startswith(b"\xff\xfe") else ","
    before, after = rows_of(system.marks, separator), rows_of(path.read_bytes(), separator)
    changed = [
        (row, column)
        for row, cells in enumerate(before)
        for column, cell in enumerate(cells)
        if cell != after[row][column]
    ]
    assert len(changed) == len(CLASS) - 1
    assert len({column for _, column in changed}) == 1
    assert len(path.read_bytes()) - len(system.marks) == len(changed) * (2 if separator == "\t" else 1)


def test_the_cells_of_who_handed_in_nothing_can_be_left(own: Class) -> None:
    path = graded(own, SYSTEMS[2])
    assert own.grade("--roster", str(path)).exit_code == 0
    result = export("marks", own.report, "--format", "moodle", "--into", path, "--leave-missing")
    assert f"without a mark in the report: {ABSENT.full}" in result.output
    marks = moodle_takes(path.read_bytes())
    assert marks.pop(ABSENT.number) == ""
    assert "" not in marks.values()
    assert CliRunner().invoke(main, ["override", str(own.report), ABSENT.full, "BayesianLinear", "3"]).exit_code == 0
    assert export("marks", own.report, "--format", "moodle", "--into", path, "--leave-missing").exit_code == 0
    assert moodle_takes(path.read_bytes())[ABSENT.number] == "3"


def test_an_exported_file_leaves_the_given_one(own: Class, tmp_path: Path) -> None:
    path = graded(own, SYSTEMS[2])
    result = export("marks", own.report, "--format", "moodle", "--into", path, "--output", tmp_path / "new.csv")
    assert result.exit_code == 0, result.output
    assert path.read_bytes() == SYSTEMS[2].marks
    assert (tmp_path / "new.csv").read_bytes() != SYSTEMS[2].marks


def test_what_was_there_is_said_and_an_excuse_stays(own: Class) -> None:
    path = graded(own, SYSTEMS[0])
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[2] = lines[2].replace(",A,,,", ",A,,8,")
    lines[3] = lines[3].replace(",A,,,", ",A,,EX,")
    lines[4] = lines[4].replace(",A,,,", ",A,,2.00,")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = export("marks", own.report, "--format", "canvas", "--into", path, "--title", "homework 3")
    assert "changed: O'Neil, Zoë from 8 to 0\n" in result.output
    assert "excused, and left so: 李, 明" in result.output
    assert f"without a mark in the report: {ABSENT.sortable}" in result.output
    marks = canvas_takes(path.read_bytes(), "Homework 3")
    assert [marks[number] for number in (4711, 4712, 4713)] == ["0", "EX", "2.00"]


def test_every_mark_that_was_another_is_named(own: Class, tmp_path: Path) -> None:
    people = [Someone(f"S{n}", "Smith", 5000 + n, f"s{n}") for n in range(30)]
    for one in people:
        own.hand_in(moodle_entry(one).partition("/")[0], LESSON)
    assert own.grade().exit_code == 0
    path = tmp_path / "worksheet.csv"
    path.write_text(moodle_worksheet(people).replace(",Submitted,,", ",Submitted,8,"), encoding="utf-8")
    said = export("marks", own.report, "--format", "moodle", "--into", path).output
    (line,) = [line for line in said.splitlines() if line.startswith("changed: ")]
    assert all(f"{one.full} from 8 to 5" in line for one in people)


def test_points_are_converted_when_that_is_wanted(own: Class) -> None:
    path = graded(own, SYSTEMS[3])
    path.write_text(german_worksheet().replace("10,00", "25,00"), encoding="utf-8")
    assert "at most 25 points, the report 10; --scale" in refused(
        own.folder.parent, "marks", own.report, "--format", "moodle", "--into", path
    )
    result = export("marks", own.report, "--format", "moodle", "--into", path, "--scale")
    assert result.exit_code == 0, result.output
    header, *rows = rows_of(path.read_bytes())
    assert [row[header.index("Bewertung")] for row in rows] == ["0", "2,5", "5", "7,5", "10", "12,5", "15", ""]
    assert "7 marks in 'Bewertung', converted from 10 points at most to 25. Give" in result.output


def test_marks_of_one_lesson(own: Class) -> None:
    path = graded(own, SYSTEMS[2])
    own.hand_in("Ada Lovelace_4716_assignsubmission_file", SIXTH, worth=3)
    assert own.grade().exit_code == 0
    line = refused(own.folder.parent, "marks", own.report, "--format", "moodle", "--into", path)
    assert "--lesson takes one lesson alone" in line
    arguments = ["marks", own.report, "--format", "moodle", "--into", path, "--lesson", "3"]
    assert export(*arguments).exit_code == 0
    assert moodle_takes(path.read_bytes())[4716] == "5"


CANVAS_BOTH = canvas_gradebook().replace("Homework 2 (81)", "Homework 3 (81)")
OTHERS = table([["Student", "ID", "Homework 3 (82)"], *([f"N{n}, M", n, ""] for n in range(9))])
FEW = table([["Student", "ID", "Homework 3 (82)"], ["x", 4711, ""], *([f"N{n}, M", n, ""] for n in range(9))])


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        (canvas_gradebook(), [], "several assignments: 'Homework 2', 'Homework 3'; say which with --title"),
        (canvas_gradebook(), ["--title", "HW 3"], "no assignment 'HW 3'; there is 'Homework 2', 'Homework 3'"),
        (CANVAS_BOTH, ["--title", "Homework 3"], "give one of 'Homework 3 (81)', 'Homework 3 (82)' whole"),
        (canvas_gradebook(), ["--title", "Homework 2"], "at most 20 points, the report 10"),
        (OTHERS, [], "is of another class: of its 9 students none is in the report"),
        (FEW, [], "of its 10 students only 1 is in the report"),
        (moodle_worksheet(), [], "is not Canvas's gradebook"),
        ("Student,ID\nx,1\n", [], "has no column for the marks"),
        ("Student,ID,HW (1)\nx,1,\ny,1,\n", [], "both have the ID 1"),
        ("", [], "is empty"),
    ],
    ids=range(10),
)
def test_a_table_that_won_t_do_is_refused_in_one_line(own: Class, content: str, options: list[str], says: str) -> None:
    path = graded(own, SYSTEMS[0])
    path.write_text(content, encoding="utf-8")
    assert says in refused(own.folder.parent, "marks", own.report, "--format", "canvas", "--into", path, *options)


def test_words_for_marks_are_refused(own: Class) -> None:
    path = graded(own, SYSTEMS[2])
    path.write_text(moodle_worksheet().replace("10.00", "-"), encoding="utf-8")
    assert "takes words for marks" in refused(
        own.folder.parent, "marks", own.report, "--format", "moodle", "--into", path
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["marks", ".", "--format", "wide"], "holds no report"),
        (["marks", "nowhere", "--format", "wide"], "'nowhere' does not exist"),
        (["marks", ".", "--format", "moodle"], "Moodle's grading worksheet"),
        (["marks", ".", "--format", "moodle", "--into", "nowhere.csv"], "holds no report"),
        (["marks", ".", "--format", "wide", "--scale"], "leave out --into"),
        (["feedback", ".", "--format", "canvas"], "holds no report"),
    ],
)
def test_bad_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in refused(tmp_path, *arguments)


def test_a_full_disk_leaves_the_table_as_it_was(own: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    path = graded(own, SYSTEMS[2])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    line = refused(own.folder.parent, "marks", own.report, "--format", "moodle", "--into", path)
    assert "No space left on device; make room there" in line


# The whole class


def test_a_wide_table_has_a_line_for_each_student(own: Class, tmp_path: Path) -> None:
    path = graded(own, SYSTEMS[0])
    own.folder.joinpath(canvas_entry(CLASS[1]).replace(LESSON, SIXTH)).write_text(notebook(3), encoding="utf-8")
    assert own.grade("--roster", str(path)).exit_code == 0
    assert export("marks", own.report, "--format", "wide").exit_code == 0
    content = (own.report / "marks.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    lines = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    assert len(lines) == len(CLASS)
    (li,) = [line for line in lines if line["id"] == "4712"]
    assert li["student"] == "李, 明"
    assert [li[LESSON], li["BayesianLinear"], li[SIXTH], li["HiddenLayer"]] == ["1", "1", "3", "3"]
    assert (li["total"], li["max"]) == ("4", "22")
    assert {line["student"] for line in lines if line["total"] == "0"} == {"O'Neil, Zoë", ABSENT.sortable}
    assert [line["student"] for line in lines if "Minus" in line["student"]] == ["'-Minus, Max"]
    assert not [cell for line in lines for cell in line.values() if cell.startswith(("=", "+", "-", "@"))]


def test_what_is_of_one_lesson_takes_no_other_s_place(own: Class) -> None:
    graded(own, SYSTEMS[0])
    own.folder.joinpath(canvas_entry(CLASS[1]).replace(LESSON, SIXTH)).write_text(notebook(3), encoding="utf-8")
    assert own.grade().exit_code == 0
    for arguments, name in (
        (("marks", "--format", "wide"), "marks{}.csv"),
        (("feedback", "--format", "canvas"), "feedback-canvas{}.zip"),
    ):
        command, *options = arguments
        assert export(command, own.report, *options).exit_code == 0
        term = (own.report / name.format("")).read_bytes()
        result = export(command, own.report, *options, "--lesson", "6")
        assert result.exit_code == 0
        assert name.format(f"-{SIXTH}") in result.output
        assert (own.report / name.format("")).read_bytes() == term
        assert (own.report / name.format(f"-{SIXTH}")).read_bytes() != term


@pytest.mark.parametrize("name", [f"marks-{SIXTH}.csv", f"feedback-canvas-{SIXTH}.zip"])
def test_no_student_s_folder_lies_where_an_export_goes(name: str) -> None:
    assert pages_of([(name, LESSON)]) != {(name, LESSON): f"{name}/{LESSON}.html"}


# Feedback


def test_pages_of_several_lessons_are_packed_and_said_to_be(own: Class) -> None:
    for lesson in (LESSON, SIXTH):
        own.hand_in("ada", lesson)
    assert own.grade().exit_code == 0
    said = export("feedback", own.report, "--format", "folder").output
    assert f"2 pages in {own.report / 'feedback-folder.zip'} of 2 lessons ({LESSON}, {SIXTH}); --lesson takes" in said
    said = export("feedback", own.report, "--format", "folder", "--lesson", "3").output
    assert said == f"1 pages in {own.report / f'feedback-folder-{LESSON}.zip'}\n"


def names_in(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return archive.namelist()


@pytest.mark.parametrize("as_zip", [True, False])
def test_canvas_takes_every_page_for_the_one_whose_it_is(own: Class, as_zip: bool) -> None:
    download(own.folder, canvas_entry)
    (own.folder / "zoëzweig_4799_text.html").write_text("typed", encoding="utf-8")
    if as_zip:
        with zipfile.ZipFile(own.folder.parent / "class.zip", "w") as archive:
            for path in own.folder.iterdir():
                archive.write(path, path.name)
        own.folder = own.folder.parent / "class.zip"
    assert own.grade().exit_code == 0
    result = export("feedback", own.report, "--format", "canvas")
    assert result.exit_code == 0, result.output
    assert "left out, for the system takes back no page for what they handed in: zoëzweig" in result.output
    found = [canvas_comment(name) for name in names_in(own.report / "feedback-canvas.zip")]
    assert sorted(filter(None, found)) == [(one.number, one.number + 90_000) for one in CLASS if one is not ABSENT]
    assert None not in found


@pytest.mark.parametrize("shape", ["folder", "older folder", "flat"])
def test_moodle_takes_every_page_for_the_one_whose_it_is(own: Class, shape: str) -> None:
    between = {"folder": "/", "older folder": "_/", "flat": "_"}[shape]
    download(own.folder, lambda one: moodle_entry(one).replace("/", between))
    assert own.grade().exit_code == 0
    result = export("feedback", own.report, "--format", "moodle")
    assert result.exit_code == 0, result.output
    numbers = [one.number for one in CLASS]
    found = [moodle_feedback(name, numbers) for name in names_in(own.report / "feedback-moodle.zip")]
    assert sorted(filter(None, found)) == [(one.number, f"{LESSON}.html") for one in CLASS if one is not ABSENT]
    assert None not in found


def test_a_low_line_in_a_name_does_not_hide_the_number(own: Class) -> None:
    path = own.folder / "Łukasz Żak_Nowak_4718_assignsubmission_file" / f"{LESSON}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(notebook(1), encoding="utf-8")
    assert own.grade().exit_code == 0
    assert export("feedback", own.report, "--format", "moodle").exit_code == 0
    (name,) = names_in(own.report / "feedback-moodle.zip")
    assert moodle_feedback(name, [4718]) == (4718, f"{LESSON}.html")


def test_a_folder_for_each_student(own: Class, tmp_path: Path) -> None:
    download(own.folder, folder_entry)
    assert own.grade().exit_code == 0
    result = export("feedback", own.report, "--format", "folder", "--output", tmp_path / "pages.zip")
    assert result.exit_code == 0, result.output
    assert sorted(names_in(tmp_path / "pages.zip")) == sorted(
        f"{one.login}/{LESSON}.html" for one in CLASS if one is not ABSENT
    )
    with zipfile.ZipFile(tmp_path / "pages.zip") as archive:
        page = archive.read(f"zoneil/{LESSON}.html").decode()
    mine = (own.report / "zoneil" / f"{LESSON}.html").read_text(encoding="utf-8")
    link = mine.partition("<main>\n")[2].partition("<h1>")[0]
    assert "../index.html" in link
    assert page == mine.replace(link, "")


def test_pages_that_no_system_takes_back_are_refused(own: Class) -> None:
    download(own.folder, folder_entry)
    assert own.grade().exit_code == 0
    line = refused(own.folder.parent, "feedback", own.report, "--format", "canvas")
    assert "was graded from a download of Canvas; give --format folder" in line

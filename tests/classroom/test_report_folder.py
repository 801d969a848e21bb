"""What a report holds after several gradings, whose it is, and what it never overwrites. The grading itself is replaced
by one that reads the mark in the notebook, so that these tests need no sandbox.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from classroom.quick_class import SIXTH, THIRD, Class, result_of, snapshot
from click.testing import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnn_core.classroom import crew, earlier
from bnn_core.classroom.grading import Graded, graded_as_missing
from bnn_core.classroom.journal import JOURNAL
from bnn_core.classroom.submissions import Submission
from bnn_core.classroom.versions import lesson_version
from bnn_core.lesson_files import Course

pytestmark = pytest.mark.usefixtures("graded")


@pytest.fixture
def course_class(tmp_path: Path) -> Class:
    """Ada and bo, who handed in two lessons."""
    made = Class(tmp_path)
    for student in ("ada", "bo"):
        for lesson in (THIRD, SIXTH):
            made.hand_in(student, lesson)
    return made


def untouched_as_graded(submissions: Sequence[Submission], *_: Any) -> Iterator[tuple[int, Graded]]:
    """What a grading makes of notebooks that are as they were handed out."""
    for position, one in enumerate(submissions):
        if one.lesson == SIXTH:
            yield position, replace(graded_as_missing(one), code=[("cell 1", [(1, "raise NotImplementedError")])])
        else:
            yield position, result_of(one)


ALL = {(student, lesson, 5.0) for student in ("ada", "bo") for lesson in (THIRD, SIXTH)}


# It holds everything graded into it


def test_a_lesson_alone_keeps_the_others(course_class: Class, graded: list[tuple[str, str]]) -> None:
    assert course_class.graded() == ALL
    course_class.hand_in("ada", THIRD, 9)
    del graded[:]
    assert course_class.graded("--lesson", "03") == {*ALL, ("ada", THIRD, 9.0)} - {("ada", THIRD, 5.0)}
    assert graded == [("ada", THIRD)]


def test_lessons_that_are_graded_one_after_the_other_are_all_there(course_class: Class) -> None:
    course_class.graded("--lesson", "03")
    assert course_class.graded("--lesson", "06") == ALL


def test_an_earlier_version_handed_in_again_takes_its_place_again(
    course_class: Class, graded: list[tuple[str, str]]
) -> None:
    for worth in (5, 9, 5):
        course_class.hand_in("ada", THIRD, worth)
        held = course_class.graded()
    assert held == ALL
    assert graded.count(("ada", THIRD)) == 2
    assert course_class.graded("--lesson", "06") == ALL


def test_a_mark_outlives_its_notebook(course_class: Class) -> None:
    course_class.graded()
    (course_class.folder / "ada" / f"{THIRD}.ipynb").unlink()
    for options in ([], ["--lesson", "03"], ["--lesson", "06"]):
        assert course_class.graded(*options) == ALL
    assert f"ada {THIRD}" in course_class.grade().output
    assert course_class.graded("--fresh") == ALL - {("ada", THIRD, 5.0)}
    assert course_class.graded("--lesson", "03") == {*ALL, ("ada", THIRD, 0.0)} - {("ada", THIRD, 5.0)}


def test_fresh_grades_again_and_keeps_the_other_lessons(course_class: Class, graded: list[tuple[str, str]]) -> None:
    course_class.graded()
    del graded[:]
    assert course_class.graded("--fresh", "--lesson", "03") == ALL
    assert sorted(graded) == [("ada", THIRD), ("bo", THIRD)]
    del graded[:]
    assert course_class.graded() == ALL
    assert graded == []


# Who is gone


def test_who_is_gone_is_removed_with_the_pages(course_class: Class) -> None:
    course_class.graded()
    shutil.rmtree(course_class.folder / "bo")
    result = course_class.grade()
    assert "no longer among the submissions, and so no longer in the report: bo" in result.output
    assert not (course_class.report / "bo").exists()
    left = {one for one in ALL if one[0] == "ada"}
    assert course_class.graded() == left
    assert course_class.graded("--lesson", "03") == left


def test_a_lesson_alone_removes_who_is_gone_from_this_lesson_alone(course_class: Class) -> None:
    course_class.graded()
    shutil.rmtree(course_class.folder / "bo")
    assert course_class.graded("--lesson", "03") == ALL - {("bo", THIRD, 5.0)}


def test_who_is_gone_from_one_lesson_alone_is_told_with_the_lesson(course_class: Class) -> None:
    course_class.graded()
    shutil.rmtree(course_class.folder / "bo")
    said = course_class.grade("--lesson", "03").output
    assert f"no longer among the submissions, and so no longer in the report for this lesson: bo {THIRD}" in said


@pytest.mark.parametrize("options", [(), ("--lesson", "06"), ("--fresh", "--lesson", "06"), ("--fresh",)], ids=" ".join)
def test_who_is_missing_from_a_later_download_keeps_the_marks_of_other_lessons(
    course_class: Class, options: tuple[str, ...]
) -> None:
    course_class.graded("--lesson", "03")
    shutil.rmtree(course_class.folder / "bo")
    (course_class.folder / "ada" / f"{THIRD}.ipynb").unlink()
    result = course_class.grade("--dry-run", *options)
    assert "no longer" not in result.output
    assert ("bo", THIRD, 5.0) in course_class.graded(*options)


def test_who_comes_back_is_in_the_report_again(course_class: Class, graded: list[tuple[str, str]]) -> None:
    course_class.graded()
    shutil.move(course_class.folder / "bo", course_class.folder.parent / "bo")
    course_class.graded()
    shutil.move(course_class.folder.parent / "bo", course_class.folder / "bo")
    assert course_class.graded() == ALL
    assert len(graded) == 4


def test_what_no_grading_wrote_stays_beside_a_removed_page(course_class: Class) -> None:
    course_class.graded()
    own = [course_class.report / "bo" / "notes.html", course_class.report / "mine" / f"{THIRD}.html"]
    for path in own:
        path.parent.mkdir(exist_ok=True)
        path.write_text("<p>my notes</p>", encoding="utf-8")
    shutil.rmtree(course_class.folder / "bo")
    assert course_class.grade().exit_code == 0
    assert [path.read_text(encoding="utf-8") for path in own] == ["<p>my notes</p>"] * 2
    assert [path.name for path in (course_class.report / "bo").iterdir()] == ["notes.html"]


def test_a_lesson_that_nobody_worked_on_leaves_the_report(course_class: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    third = {one for one in ALL if one[1] == THIRD}
    given = Course().learner_notebook(SIXTH).read_text(encoding="utf-8")
    for student in ("ada", "bo"):
        (course_class.folder / student / f"{SIXTH}.ipynb").write_text(given, encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(crew, "grade_all", untouched_as_graded)
        course_class.graded("--lesson", "03")
        assert course_class.grade("--lesson", "06").exit_code == 0
    assert (
        f"dropped, for nobody worked on the lesson: ada {SIXTH}, bo {SIXTH}" in course_class.grade("--dry-run").output
    )
    assert course_class.graded() == third


def test_an_untouched_notebook_takes_no_lesson_from_those_who_worked_on_it(course_class: Class) -> None:
    course_class.graded()
    given = Course().learner_notebook(SIXTH).read_text(encoding="utf-8")
    (course_class.folder / "ada" / f"{SIXTH}.ipynb").write_text(given, encoding="utf-8")
    (course_class.folder / "bo" / f"{SIXTH}.ipynb").unlink()
    assert course_class.graded() == ALL


# A term of downloads


STUDENTS = ("ada", "bo", "cy", "di", "ed", "flo")


def given_out(lesson: str) -> str:
    return Course().learner_notebook(lesson).read_text(encoding="utf-8")


@pytest.fixture(params=["folders", "zips"])
def next_download(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Class]:
    """A later download for the report of a class that was graded on 03: all but flo handed in 06."""
    first, later = Class(tmp_path), Class(tmp_path / "later")
    later.report = first.report
    for student in STUDENTS:
        first.hand_in(student, THIRD)
        if student != "flo":
            later.hand_in(student, SIXTH)
    as_handed_in = Class.grade

    def packed(self: Class, *options: str, **rest: Any) -> Result:
        folder = self.folder
        self.folder = Path(shutil.make_archive(str(folder), "zip", folder))
        try:
            return as_handed_in(self, *options, **rest)
        finally:
            self.folder = folder

    with pytest.MonkeyPatch.context() as patch:
        if request.param == "zips":
            patch.setattr(Class, "grade", packed)
        first.graded()
        yield later


MARKS = {(student, THIRD, 5.0) for student in STUDENTS}


@pytest.mark.parametrize("options", [(), ("--fresh",), ("--lesson", "03"), ("--lesson", "03", "--fresh")], ids=" ".join)
@pytest.mark.parametrize("worth", [9, 0], ids=["handed in once more", "as it was handed out"])
def test_one_notebook_for_an_earlier_lesson_takes_nobody_s_marks(
    next_download: Class, options: tuple[str, ...], worth: int
) -> None:
    next_download.hand_in("ada", THIRD, worth)
    if not worth:
        (next_download.folder / "ada" / f"{THIRD}.ipynb").write_text(given_out(THIRD), encoding="utf-8")
    held = {one for one in next_download.graded(*options) if one[1] == THIRD}
    assert held == (MARKS - {("ada", THIRD, 5.0)} | {("ada", THIRD, 9.0)} if worth else MARKS)


def test_what_stays_for_a_later_download_is_told(next_download: Class) -> None:
    next_download.hand_in("ada", THIRD, 9)
    (next_download.folder / "bo" / f"{THIRD}.ipynb").write_text(given_out(THIRD), encoding="utf-8")
    for options in (("--dry-run",), ()):
        said = next_download.grade(*options).output
        assert f"kept from before, and not among these submissions: {THIRD} of 4 students" in said
        assert f"kept from before, for the notebook here can't be read or is as it was handed out: bo {THIRD}" in said
        assert "no longer" not in said
        assert "dropped" not in said


def test_a_notebook_that_can_t_be_read_takes_no_mark(next_download: Class) -> None:
    next_download.hand_in("bo", THIRD, 7)
    (next_download.folder / "ada" / f"{THIRD}.ipynb").write_text('{"cells": [{"cell', encoding="utf-8")
    held = {one for one in next_download.graded() if one[1] == THIRD}
    assert held == MARKS - {("bo", THIRD, 5.0)} | {("bo", THIRD, 7.0)}


def test_what_one_student_handed_in_once_more_can_be_graded_alone(next_download: Class, tmp_path: Path) -> None:
    alone = Class(tmp_path / "alone")
    alone.report = next_download.report
    alone.hand_in("flo", THIRD, 8)
    assert alone.graded() == MARKS - {("flo", THIRD, 5.0)} | {("flo", THIRD, 8.0)}
    assert next_download.grade().exit_code == 0


def test_the_same_lesson_from_another_folder_needs_a_word_of_who_grades(tmp_path: Path) -> None:
    first, later = Class(tmp_path), Class(tmp_path / "later")
    later.report = first.report
    for student in STUDENTS:
        first.hand_in(student, THIRD)
        later.hand_in(student, THIRD, 6)
    first.graded()
    line = later.refused()
    assert f"whose submissions lie in {first.folder}, as far as folders' names can tell" in line
    assert "if it is the same class, rename that folder" in line
    first.folder.rename(tmp_path / "class of before")
    assert later.graded() == {(student, THIRD, 6.0) for student in STUDENTS}


# Where it may not go


@pytest.mark.parametrize("inside", [".", "report", "ada", "ada/report"])
def test_a_report_among_the_submissions_is_refused(course_class: Class, inside: str) -> None:
    line = course_class.refused(output=course_class.folder / inside)
    assert "lies in the folder of submissions" in line


def test_submissions_in_the_report_are_refused(course_class: Class) -> None:
    assert "holds the submissions" in course_class.refused(output=course_class.folder.parent)


def test_a_link_hides_nothing(course_class: Class) -> None:
    link = course_class.folder.parent / "link"
    link.symlink_to(course_class.folder)
    assert "lies in the folder of submissions" in course_class.refused(output=link / "report")


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "report.json",
        "grades.csv",
        JOURNAL,
        f"ada/{THIRD}.html",
        "ada",
        "index.html/x",
        f"bo/{SIXTH}.html/x",
    ],
)
def test_files_that_no_grading_wrote_are_not_overwritten(course_class: Class, name: str) -> None:
    path = course_class.report / name
    path.parent.mkdir(parents=True)
    path.write_text('{"seed": 3, "loss": 0.1}\n', encoding="utf-8")
    assert "would be overwritten" in course_class.refused()


def test_a_page_of_one_s_own_in_a_report_is_not_overwritten(course_class: Class) -> None:
    course_class.graded()
    course_class.hand_in("cy", THIRD)
    (course_class.report / "cy").mkdir()
    (course_class.report / "cy" / f"{THIRD}.html").write_text("mine", encoding="utf-8")
    assert "would be overwritten" in course_class.refused()


def test_a_folder_with_other_things_will_do(course_class: Class) -> None:
    course_class.report.mkdir()
    (course_class.report / "README").write_text("mine", encoding="utf-8")
    assert course_class.graded() == ALL
    assert (course_class.report / "README").read_text(encoding="utf-8") == "mine"


# Whose it is


def another(course_class: Class, *students: str) -> Class:
    other = Class(course_class.folder.parent / "other")
    other.report = course_class.report
    for student in students:
        other.hand_in(student, THIRD)
    return other


@pytest.mark.parametrize("students", [("cy", "di"), ("ada", "bo"), ("ada", "cy")])
@pytest.mark.parametrize("options", [[], ["--fresh"], ["--lesson", "03"]])
def test_another_class_s_report_is_refused(course_class: Class, students: tuple[str, ...], options: list[str]) -> None:
    course_class.graded()
    other = another(course_class, *students)
    before = snapshot(course_class.report)
    line = other.refused(*options)
    assert "another class" in line
    assert str(course_class.folder) in line
    assert snapshot(course_class.report) == before


def test_next_year_s_class_in_the_same_folder_is_another(course_class: Class) -> None:
    course_class.graded()
    shutil.rmtree(course_class.folder)
    course_class.hand_in("cy", THIRD)
    assert "another class" in course_class.refused()


def test_a_class_that_was_moved_is_the_same(course_class: Class, graded: list[tuple[str, str]]) -> None:
    course_class.graded()
    moved = another(course_class)
    shutil.move(course_class.folder, moved.folder)
    assert moved.graded() == ALL
    assert len(graded) == 4, "what was graded was graded again"
    moved.report = Path(shutil.move(moved.report, moved.report.with_name("moved report")))
    assert moved.graded() == ALL


def test_another_class_where_the_first_is_gone_is_another(course_class: Class) -> None:
    course_class.graded()
    shutil.rmtree(course_class.folder)
    assert "another class" in another(course_class, "cy", "di", "ed").refused()


# What results depend on


@pytest.fixture
def lesson_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Course:
    """A course whose lesson's files can be changed."""
    course = Course(tmp_path / "course")
    for path in (course.source(THIRD), course.solved_notebook(THIRD), course.learner_notebook(THIRD)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("before", encoding="utf-8")
    monkeypatch.setattr(earlier, "Course", lambda _: course)
    return course


@pytest.mark.parametrize("file", [Course.source, Course.solved_notebook])
def test_a_changed_lesson_is_graded_again_and_no_other(
    course_class: Class,
    lesson_of_its_own: Course,
    graded: list[tuple[str, str]],
    file: Callable[[Course, str], Path],
) -> None:
    course_class.graded()
    del graded[:]
    file(lesson_of_its_own, THIRD).write_text("after", encoding="utf-8")
    course_class.graded()
    assert sorted(graded) == [("ada", THIRD), ("bo", THIRD)]


def test_a_changed_environment_is_graded_again(
    course_class: Class, graded: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bnn_core.classroom import versions

    course_class.graded()
    monkeypatch.setattr(versions, "distributions", lambda: [SimpleNamespace(name="torch", version="99")])
    versions.environment_version.cache_clear()
    course_class.graded()
    versions.environment_version.cache_clear()
    assert len(graded) == 8


def test_where_a_lesson_is_handed_out_without_solutions_its_notebook_counts(lesson_of_its_own: Course) -> None:
    shutil.rmtree(lesson_of_its_own.solutions)
    before = lesson_version(lesson_of_its_own, THIRD)
    lesson_of_its_own.learner_notebook(THIRD).write_text("after", encoding="utf-8")
    assert lesson_version(lesson_of_its_own, THIRD) != before


# What is not in order


def spoil(change: Callable[[dict[str, Any]], Any]) -> Callable[[str], str]:
    """The journal with each result changed."""

    def spoiled(text: str) -> str:
        lines = [json.loads(line) for line in text.splitlines() if line]
        for line in lines:
            if "graded" in line:
                line["graded"] = change(line["graded"]) or line["graded"]
        return "\n".join(map(json.dumps, lines))

    return spoiled


SPOILT: dict[str, Callable[[str], str]] = {
    "an unknown field": spoil(lambda graded: graded.update(colour="red")),
    "a missing field": spoil(lambda graded: graded.pop("rows") and None),
    "no rows": spoil(lambda graded: graded.update(rows=[])),
    "rows that are none": spoil(lambda graded: graded.update(rows=[1, None])),
    "a row without its status": spoil(lambda graded: graded["rows"][0].pop("status") and None),
    "an unknown status": spoil(lambda graded: graded["rows"][0].update(status="brilliant")),
    "a score that is none": spoil(lambda graded: graded["rows"][0].update(score="ten")),
    "a score beyond numbers": spoil(lambda graded: graded["rows"][0].update(score=float("nan"))),
    "a score beyond the most": spoil(lambda graded: graded["rows"][0].update(score=11)),
    "two students": spoil(lambda graded: graded["rows"].append({**graded["rows"][0], "student": "cy"})),
    "a check that is none": spoil(lambda graded: graded["rows"][0].update(checks=["right"])),
    "code that is none": spoil(lambda graded: graded.update(code="x = 1")),
    "notes that are none": spoil(lambda graded: graded.update(notes=[{}])),
    "a list for a result": spoil(lambda graded: [graded]),
    "deep brackets": lambda text: text + "[" * 100_000,
    "half a line": lambda text: text[:-30],
    "lines that are none": lambda text: f'{text}\n1\n"key"\n{{"key": 1, "graded": {{}}}}\n{{"seed": "x"}}\n\x00\xff',
    "a line that is like one": lambda text: f'{text}\n{{"left": [1]}}\n{{"again": 3}}\n{{"home": null}}',
}  # fmt: skip


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=list(SPOILT))
def test_a_journal_that_is_not_in_order_costs_a_grading_at_most(
    course_class: Class, spoilt: Callable[[str], str]
) -> None:
    course_class.graded()
    journal = course_class.report / JOURNAL
    journal.write_text(spoilt(journal.read_text(encoding="ascii")), encoding="latin-1")
    assert course_class.graded() == ALL


@pytest.mark.parametrize(
    ("number", "status", "advice"),
    [
        (errno.EROFS, 2, "choose a folder that you may write to"),
        (errno.EACCES, 2, "choose a folder that you may write to"),
        (errno.ENOSPC, 1, "make room there"),
        (errno.EIO, 1, "start it again"),
    ],
)
@pytest.mark.parametrize("file", [JOURNAL, "report.json", "grades.csv", f"{THIRD}.html", "index.html"])
def test_a_disk_that_takes_nothing_is_one_line_that_says_what_to_do(
    course_class: Class, monkeypatch: pytest.MonkeyPatch, number: int, status: int, advice: str, file: str
) -> None:
    def refuse(path: object, mode: str = "r", *_: Any, **__: Any) -> Any:
        if file in str(path) and mode[0] in "wa":
            raise OSError(number, "No!", str(path))
        return real(path, mode, *_, **__)

    real = open
    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr("io.open", refuse)
    result = course_class.grade()
    assert result.exit_code == status
    (line,) = result.output.splitlines()
    assert advice in line
    assert file in line


# What is typed

ODD = [
    "",
    " ",
    "0",
    "-0",
    "-1",
    "1e400",
    "inf",
    "-inf",
    "nan",
    "NaN",
    "0x10",
    "1_0",
    "10**9",
    "٣",
    "1e-400",
    "9" * 5000,
]
OPTIONS = ["--jobs", "--timeout", "--call-timeout", "--memory", "--seed", "--lesson", "--colour", "--output"]


def in_order(result: Result) -> None:
    assert result.exit_code in (0, 2), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    if result.exit_code == 2:
        assert result.output.startswith("Error: ")
        assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("option", OPTIONS[:4])
def test_an_odd_number_is_one_line(course_class: Class, option: str, value: str) -> None:
    result = course_class.grade(option, value)
    in_order(result)
    if value not in ("1_0", "٣"):  # which Python takes for numbers
        assert result.exit_code == 2
        assert option in result.output


@given(option=st.sampled_from(OPTIONS), value=st.one_of(st.sampled_from(ODD), st.text(max_size=12)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_typed_is_one_line_at_most(
    course_class: Class, monkeypatch: pytest.MonkeyPatch, option: str, value: str
) -> None:
    monkeypatch.chdir(course_class.folder.parent)
    in_order(course_class.grade(option, value))

"""Which notebooks are found, whose they are, and of which lesson, in every layout that instructors have; and that what
isn't graded is named.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from bnn_core.answers import course_own
from bnn_core.answers.notebook import Unreadable
from bnn_core.classroom import recognising
from bnn_core.classroom.downloads import delivery
from bnn_core.classroom.handed_in import Refused
from bnn_core.classroom.sandbox import reading
from bnn_core.classroom.sandbox.reading import read_answer
from bnn_core.classroom.submissions import NONE_FOR_LESSON, Collected, Submission, find_submissions
from bnn_core.lesson_files import Course

LESSONS = ["03_bayesian_linear", "06_hidden_layer"]
LINEAR, HIDDEN = LESSONS
DEFINES_LINEAR = "class BayesianLinear:\n    pass"


def text(*sources: str) -> str:
    cells = [
        {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for source in sources
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def put(path: Path, content: str | bytes | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text("x = 1") if content is None else content
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def zipped(path: Path, **files: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def collected(folder: Path, only: str | None = None) -> Collected:
    return find_submissions(folder, LESSONS, only, at_once=2)


def found(folder: Path, only: str | None = None) -> list[tuple[str, str, str | None]]:
    return [(item.student, item.lesson, item.name or None) for item in collected(folder, only).submissions]


def only_one(folder: Path, only: str | None = None) -> Submission:
    (submission,) = collected(folder, only).submissions
    return submission


# Layouts


def test_a_folder_per_student(tmp_path: Path) -> None:
    for student in ("ada", "bo"):
        put(tmp_path / student / f"{LINEAR}.ipynb")
    put(tmp_path / "ada" / f"{HIDDEN}.ipynb")
    assert found(tmp_path) == [
        ("ada", LINEAR, f"{LINEAR}.ipynb"),
        ("ada", HIDDEN, f"{HIDDEN}.ipynb"),
        ("bo", LINEAR, f"{LINEAR}.ipynb"),
    ]


@pytest.mark.parametrize("beside", [(), ("source",), ("source", "release", "feedback", "data")])
def test_nbgraders_layout(tmp_path: Path, beside: tuple[str, ...]) -> None:
    put(tmp_path / "submitted" / "ada" / LINEAR / "anything.ipynb")
    for folder in beside:
        put(tmp_path / folder / LINEAR / f"{LINEAR}.ipynb")
    assert found(tmp_path) == [("ada", LINEAR, f"{LINEAR}/anything.ipynb")]
    assert found(tmp_path / "submitted") == found(tmp_path)


def test_a_student_called_submitted_hides_nobody(tmp_path: Path) -> None:
    for student in ("ada", "submitted", "zoe"):
        put(tmp_path / student / f"{LINEAR}.ipynb")
    assert [student for student, _, _ in found(tmp_path)] == ["ada", "submitted", "zoe"]


def test_names_that_differ_in_one_byte_that_is_no_text_stay_apart(tmp_path: Path) -> None:
    for name in (b"M\xfcller", b"M\xf6ller", b"M\xf8ller\xff", "Zoë".encode()):
        put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)) / f"{LINEAR}.ipynb")
    students = [student for student, _, _ in found(tmp_path)]
    assert len(set(students)) == 4
    assert "Zoë" in students
    assert r"M\xfcller" in students
    assert "\n".join(students).encode()


PLATFORMS: list[tuple[str, dict[str, str], set[str]]] = [
    ("Canvas", {
        f"lovelaceada_4711_90001_{LINEAR}.ipynb": "", f"boole_LATE_4712_90002_{LINEAR}-1.ipynb": "",
        "hopper_4713_text.html": "typed", f"anon_xY3z_90003_{LINEAR}.ipynb": "",
    }, {"lovelaceada", "boole", "hopper", "anon_xY3z"}),
    ("Moodle", {
        f"Ada Lovelace_12_assignsubmission_file/{LINEAR}.ipynb": "",
        f"Bo Li_13_assignsubmission_file_/{LINEAR}.ipynb": "",
        "Ada Lovelace_12_assignsubmission_onlinetext/onlinetext.html": "typed",
        "Cy Twombly_14_assignsubmission_onlinetext/onlinetext.html": "typed",
    }, {"Ada Lovelace", "Bo Li", "Cy Twombly"}),
    ("Moodle, flat", {
        f"Ada Lovelace_12_assignsubmission_file_{LINEAR}.ipynb": "",
        "Ada Lovelace_12_assignsubmission_onlinetext_onlinetext.html": "typed",
    }, {"Ada Lovelace"}),
    ("Blackboard", {
        f"HW 3_alove_attempt_2026-11-02-10-11-12_{LINEAR}.ipynb": "",
        "HW 3_alove_attempt_2026-11-02-10-11-12.txt": "typed",
        f"HW 3_bli_attempt_2026-11-02-10-11-13_{LINEAR}.ipynb": "",
    }, {"alove", "bli"}),
]  # fmt: skip


@pytest.mark.parametrize(("files", "students"), [case[1:] for case in PLATFORMS], ids=[case[0] for case in PLATFORMS])
@pytest.mark.parametrize("as_zip", [False, True], ids=["unpacked", "as it was downloaded"])
def test_what_platforms_let_a_teacher_download(
    tmp_path: Path, files: dict[str, str], students: set[str], as_zip: bool
) -> None:
    contents = {name: content or text(DEFINES_LINEAR) for name, content in files.items()}
    left_behind = {"__MACOSX/._x": "", ".DS_Store": "", "Thumbs.db": ""}
    if as_zip:
        zipped(tmp_path / "class.zip", **contents, **left_behind)
    for name, content in {**contents, **left_behind}.items():
        put(tmp_path / "class" / name, content)
    result = collected(tmp_path / ("class.zip" if as_zip else "class"))
    assert {item.student for item in result.submissions} == students
    assert result.strays == ()
    for item in result.submissions:
        if item.path is None:
            assert "typed into the platform" in item.missing
        else:
            assert item.remarks == ()
            read_answer(item.path, item.home, item.lesson)


def test_people_of_one_name_stay_apart(tmp_path: Path) -> None:
    for number in (12, 13):
        put(tmp_path / f"Ada L_{number}_assignsubmission_file" / f"{LINEAR}.ipynb")
    put(tmp_path / "Ada L" / f"{LINEAR}.ipynb")
    assert [student for student, _, _ in found(tmp_path)] == ["Ada L", "Ada L (12)", "Ada L (13)"]


def test_of_several_attempts_the_last_counts(tmp_path: Path) -> None:
    put(tmp_path / f"HW_ada_attempt_2026-01-02-00-00-00_{LINEAR}.ipynb")
    put(tmp_path / f"HW_ada_attempt_2026-01-03-00-00-00_{LINEAR} (1).ipynb")
    assert found(tmp_path) == [("ada", LINEAR, f"{LINEAR} (1).ipynb")]


@pytest.mark.parametrize("name", [f"{LINEAR}.ipynb", "ada.ipynb", f"ada_{LINEAR}.ipynb", "HW 3.pdf"])
def test_other_names_are_no_platform_s(name: str) -> None:
    assert delivery(name, is_folder=False) is None


@pytest.mark.parametrize("files", [case[1] for case in PLATFORMS], ids=[case[0] for case in PLATFORMS])
def test_a_folder_of_nothing_but_a_download_is_refused_and_the_zip_named(tmp_path: Path, files: dict[str, str]) -> None:
    folder = tmp_path / "term"
    zipped(folder / "submissions.zip", **dict.fromkeys(files, text(DEFINES_LINEAR)))
    for name in ("grading.toml", "gradebook.csv", "column.xls"):
        put(folder / name, "")
    with pytest.raises(Refused, match=r"a download as it came, submissions\.zip; give the zip itself"):
        collected(folder)
    assert collected(folder / "submissions.zip").submissions
    put(folder / "ada" / f"{LINEAR}.ipynb")
    assert ("ada", LINEAR, f"{LINEAR}.ipynb") in found(folder)


def test_a_student_s_zip_among_tables_is_no_download(tmp_path: Path) -> None:
    zipped(tmp_path / "ada.zip", **{f"{LINEAR}.ipynb": text(DEFINES_LINEAR), "x_1_2_y.py": ""})
    zipped(tmp_path / "bo_4712_90002_hw.zip", **{f"x_1_2_{LINEAR}.ipynb": text(DEFINES_LINEAR)})
    put(tmp_path / "gradebook.csv", "")
    assert {student for student, _, _ in found(tmp_path)} == {"ada", "bo"}


def test_the_folder_that_was_zipped_is_no_student(tmp_path: Path) -> None:
    path = zipped(tmp_path / "class.zip", **{f"class/{student}/{LINEAR}.ipynb": text("x") for student in ("ada", "bo")})
    assert [student for student, _, _ in found(path)] == ["ada", "bo"]


def test_a_zip_per_student(tmp_path: Path) -> None:
    zipped(tmp_path / "ada.zip", **{f"hw/{LINEAR}.ipynb": text(DEFINES_LINEAR)})
    (submission,) = collected(tmp_path).submissions
    assert (submission.student, submission.name) == ("ada", f"hw/{LINEAR}.ipynb")
    assert submission.path is not None
    assert read_answer(submission.path, submission.home, LINEAR).program.defined == {"BayesianLinear": "cell 1"}


# Everyone has a row


def test_with_a_lesson_everyone_has_a_submission(tmp_path: Path) -> None:
    put(tmp_path / "ada" / f"{LINEAR}.ipynb")
    put(tmp_path / "bo" / f"{HIDDEN}.ipynb")
    (tmp_path / "cy").mkdir()
    assert found(tmp_path, LINEAR) == [("ada", LINEAR, f"{LINEAR}.ipynb"), ("bo", LINEAR, None), ("cy", LINEAR, None)]


def test_who_has_no_notebook_has_a_row_for_what_the_class_is_graded_on(tmp_path: Path) -> None:
    put(tmp_path / "ada" / f"{LINEAR}.ipynb")
    put(tmp_path / "ada" / f"{HIDDEN}.ipynb", (Course().learner_notebook(HIDDEN)).read_bytes())  # as it was handed out
    put(tmp_path / "bo" / "answers.pdf", "%PDF")
    (tmp_path / "cy").mkdir()
    assert [item for item in found(tmp_path) if item[0] != "ada"] == [("bo", LINEAR, None), ("cy", LINEAR, None)]
    put(tmp_path / "di" / f"{HIDDEN}.ipynb")
    assert [item for item in found(tmp_path) if item[0] == "cy"] == [("cy", LINEAR, None), ("cy", HIDDEN, None)]


def as_handed_out(lesson: str, note: str = "") -> str:
    """The learner's notebook, in which experiments may have been changed and no exercise."""
    made = json.loads(Course().learner_notebook(lesson).read_text(encoding="utf-8"))
    made["cells"] += json.loads(text(note))["cells"] if note else []
    return json.dumps(made)


@pytest.mark.parametrize("note", ["", "print('I tried this')"], ids=["as built", "with an experiment"])
def test_what_nobody_worked_on_brings_no_lesson_into_the_class(tmp_path: Path, note: str) -> None:
    put(tmp_path / "ada" / f"{LINEAR}.ipynb")
    for lesson in LESSONS:
        put(tmp_path / "bo" / f"{lesson}.ipynb", as_handed_out(lesson, note))
    put(tmp_path / "cy" / f"{HIDDEN}.ipynb", as_handed_out(HIDDEN, note))
    result = collected(tmp_path)
    seen = [(item.student, item.lesson, item.name or None) for item in result.submissions]
    assert seen == [("ada", LINEAR, f"{LINEAR}.ipynb"), ("bo", LINEAR, f"{LINEAR}.ipynb"), ("cy", LINEAR, None)]
    assert result.untouched == {("bo", HIDDEN), ("cy", HIDDEN)}
    assert result.workers == {LINEAR: ("ada",)}
    assert ("cy", HIDDEN, f"{HIDDEN}.ipynb") in found(tmp_path, HIDDEN)
    put(tmp_path / "di" / f"{HIDDEN}.ipynb")
    assert ("cy", HIDDEN, f"{HIDDEN}.ipynb") in found(tmp_path)


def test_where_nobody_worked_on_anything_it_is_graded_all_the_same(tmp_path: Path) -> None:
    put(tmp_path / "ada" / f"{LINEAR}.ipynb", as_handed_out(LINEAR))
    assert found(tmp_path) == [("ada", LINEAR, f"{LINEAR}.ipynb")]


def test_nothing_is_lost_where_the_lesson_can_t_be_told(tmp_path: Path) -> None:
    put(tmp_path / "ada" / f"{LINEAR}.ipynb")
    put(tmp_path / "bo" / "broken.ipynb", "{")
    assert ("bo", LINEAR, "broken.ipynb") in found(tmp_path)
    put(tmp_path / "cy" / f"{HIDDEN}.ipynb")
    submissions = [item for item in collected(tmp_path).submissions if item.student == "bo"]
    assert [item.lesson for item in submissions] == LESSONS
    assert all("broken.ipynb can't be read: The file holds no JSON" in item.missing for item in submissions)


def test_a_scratch_notebook_is_named_and_is_no_submission(tmp_path: Path) -> None:
    put(tmp_path / "ada" / f"{LINEAR}.ipynb")
    put(tmp_path / "ada" / "scratch.ipynb", text("y = 2"))
    assert "scratch.ipynb was not graded" in " ".join(only_one(tmp_path).notes)


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (lambda home: put(home / "report.pdf", "%PDF"), "report.pdf was not read: It is a PDF; hand in the"),
        (lambda home: put(home / "HW.DOCX", b"PK\x03\x04"), "It is a text document"),
        (lambda home: put(home / f"{LINEAR}.html", "<html>"), "It is a web page"),
        (lambda home: put(home / "hw.rar", "Rar!"), "It is an archive"),
        (lambda home: put(home / f"{LINEAR}.ipynb.gz", b"\x1f\x8b"), "ipynb.gz was not read: It is an archive"),
        (lambda home: put(home / f"{LINEAR}.ipynb.pdf", "%PDF"), "It is a PDF"),
        (lambda home: zipped(home / "hw.zip"), "hw.zip was not read: It is empty"),
        (lambda home: put(home / "hw.zip", b"PK\x03\x04 cut off"), "hw.zip was not read: It is a broken zip"),
        (lambda home: put(home / "notes.txt", "I did it"), "There is no notebook in notes.txt"),
        (lambda home: put(home / ".old" / "x.ipynb"), ".old was not read: Its name begins as those of hidden files"),
        (lambda home: put(home / "__new" / "x.ipynb"), "__new was not read"),
        (lambda home: put(home.joinpath(*"abcdefghijklmnop", "x.ipynb")), "It lies deeper than 12 folders"),
        (lambda home: home.symlink_to("/etc"), "The folder was not looked into. It is a link"),
        (lambda home: put(home / "x" / "y", "").with_name("hw").symlink_to("/etc"), "x/hw was not read: It is a link"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_named_with_what_to_do(tmp_path: Path, place: Callable[[Path], object], says: str) -> None:
    put(tmp_path / "bo" / f"{LINEAR}.ipynb")
    if "The folder" not in says:
        (tmp_path / "ada").mkdir()
    place(tmp_path / "ada")
    result = collected(tmp_path)
    ada, _ = result.submissions
    assert (ada.student, ada.lesson, ada.path, ada.status_without) == ("ada", LINEAR, None, "unreadable")
    assert says in ada.missing
    (line,) = result.unread()
    assert line == f"ada: {ada.missing}"


def test_beside_a_notebook_too_it_is_named(tmp_path: Path) -> None:
    put(tmp_path / "ada" / f"{LINEAR}.ipynb")
    put(tmp_path / "ada" / "report.pdf", "%PDF")
    put(tmp_path / "ada" / ".kept" / "x.ipynb")
    submission = only_one(tmp_path)
    assert [remark.split(" ")[0] for remark in submission.notes] == [".kept", "report.pdf"]
    assert len(collected(tmp_path).unread()) == 2


def test_a_folder_that_can_t_be_entered_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "ada" / "x" / f"{LINEAR}.ipynb")
    real = os.open

    def closed(path: Any, *arguments: Any, **more: Any) -> int:
        if path == "x":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **more)

    monkeypatch.setattr(os, "open", closed)
    assert "x was not read: It can't be read: Permission denied." in only_one(tmp_path, LINEAR).missing


def test_what_editors_and_systems_leave_is_no_submission(tmp_path: Path) -> None:
    put(tmp_path / "ada" / ".ipynb_checkpoints" / f"{LINEAR}.ipynb")
    put(tmp_path / "ada" / "venv" / "pyvenv.cfg")
    put(tmp_path / "ada" / "venv" / "lib" / "x.ipynb")
    put(tmp_path / "__MACOSX" / "ada" / f"{LINEAR}.ipynb")
    put(tmp_path / ".git" / f"{LINEAR}.ipynb")
    assert found(tmp_path, LINEAR) == [("ada", LINEAR, None)]
    assert ".ipynb_checkpoints was not read" in only_one(tmp_path, LINEAR).missing
    put(tmp_path / "ada" / f"{LINEAR}.ipynb")
    assert only_one(tmp_path, LINEAR).notes == []


def test_files_beside_the_students_folders_are_named(tmp_path: Path) -> None:
    for name in ("whose.ipynb", "roster.csv", ".ada", "scan.pdf", "__bo/x.ipynb"):
        put(tmp_path / name)
    assert collected(tmp_path).strays == (".ada", "__bo", "scan.pdf", "whose.ipynb")
    for line in collected(tmp_path).unread():
        hidden = line.startswith((".ada", "__bo"))
        assert ("Its name begins as those of hidden files do" in line) == hidden
        assert ("Put it into a folder with its student's name" in line) == (not hidden)


# Which is a notebook, and which is graded


@pytest.mark.parametrize(
    "name",
    [f"{LINEAR}.ipynb.json", f"{LINEAR}.ipynb.txt", f"{LINEAR}.json", f"{LINEAR}.IPYNB", "homework", "a/b/c/d/e/x.txt"],
)
def test_a_notebook_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    put(tmp_path / "ada" / name, text(DEFINES_LINEAR))
    assert found(tmp_path) == [("ada", LINEAR, name)]


@pytest.mark.parametrize(
    "script",
    [
        DEFINES_LINEAR,
        f"# %% [markdown]\n# class text\n\n# %% tags=['exercise']\n{DEFINES_LINEAR}\n",
        f"#!/usr/bin/env python\n# coding: utf-8\n\n# # Title\n\n# In[1]:\n\n\nx = 1\n\n# In[ ]:\n\n{DEFINES_LINEAR}\n",
    ],
)
def test_a_script_made_of_a_notebook_is_read_where_there_is_no_notebook(tmp_path: Path, script: str) -> None:
    put(tmp_path / "ada" / "hw.py", script)
    submission = only_one(tmp_path)
    assert (submission.lesson, submission.name) == (LINEAR, "hw.py")
    assert submission.path is not None
    assert "BayesianLinear" in read_answer(submission.path, submission.home, LINEAR).program.defined
    put(tmp_path / "ada" / f"{LINEAR}.ipynb", text("from hw import BayesianLinear"))
    submission = only_one(tmp_path)
    assert (submission.name, submission.set_aside, [name for name, _ in submission.files]) == (
        f"{LINEAR}.ipynb", (), ["hw.py"]
    )  # fmt: skip


def test_a_renamed_notebook_is_known_by_what_it_defines(tmp_path: Path) -> None:
    put(tmp_path / "ada" / "homework.ipynb", text(DEFINES_LINEAR))
    assert found(tmp_path) == [("ada", LINEAR, "homework.ipynb")]


def test_of_several_the_one_named_after_the_lesson_counts_else_the_newest(tmp_path: Path) -> None:
    for name, time in (("a.ipynb", 3), ("b.ipynb", 2), (f"{LINEAR}.ipynb", 1)):
        os.utime(put(tmp_path / "ada" / name, text(DEFINES_LINEAR)), (time, time))
    chosen = only_one(tmp_path)
    assert chosen.path is not None
    assert chosen.name == f"{LINEAR}.ipynb"
    assert chosen.set_aside == ("a.ipynb", "b.ipynb")
    assert (chosen.attempt, chosen.attempts, chosen.why) == (1, 3, "it is named as the lesson is")
    chosen.path.unlink()
    assert found(tmp_path) == [("ada", LINEAR, "a.ipynb")]


@pytest.mark.parametrize("bad", ["", "{", '{"cells": [{"cell_type": "code", "source"', None])
def test_an_unreadable_file_never_hides_a_readable_one(tmp_path: Path, bad: str | None) -> None:
    put(tmp_path / "ada" / f"{LINEAR} (1).ipynb", text(DEFINES_LINEAR))
    path = tmp_path / "ada" / f"{LINEAR}.ipynb"
    if bad is None:
        path.symlink_to("/etc/passwd")
    else:
        put(path, bad)
    submission = only_one(tmp_path)
    assert submission.name == f"{LINEAR} (1).ipynb"
    assert f"{LINEAR}.ipynb can't be read" in " ".join(submission.notes)


def test_a_notebook_as_it_was_handed_out_never_hides_work(tmp_path: Path) -> None:
    put(tmp_path / "ada" / f"{LINEAR}.ipynb", Course().learner_notebook(LINEAR).read_bytes())
    os.utime(put(tmp_path / "ada" / "mine.ipynb", text(DEFINES_LINEAR)), (1, 1))
    assert found(tmp_path) == [("ada", LINEAR, "mine.ipynb")]


def test_what_lies_beside_the_notebook_goes_with_it(tmp_path: Path) -> None:
    home = tmp_path / "ada"
    put(home / "hw" / f"{LINEAR}.ipynb", text("from my_layers import BayesianLinear"))
    for name in ("hw/my_layers.py", "hw/data/x.csv", "hw/net/__init__.py"):
        put(home / name, "x = 1")
    put(home / "elsewhere.csv", "1")
    submission = only_one(tmp_path)
    assert submission.path is not None
    answer = read_answer(submission.path, submission.home, LINEAR, dict(submission.files))
    assert sorted(answer.files) == ["data/x.csv", "my_layers.py", "net/__init__.py"]
    assert set(answer.files.values()) == {b"x = 1"}
    assert answer.program.remarks == {}
    assert "can't read elsewhere.csv" in submission.notes[0]


def test_files_beside_it_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bnn_core.classroom import submissions

    monkeypatch.setattr(submissions, "MOST_FILES", 2)
    monkeypatch.setattr(submissions, "MOST_FILE_BYTES", 100)
    put(tmp_path / "ada" / f"{LINEAR}.ipynb")
    for name, size in (("a.csv", 60), ("b.csv", 60), ("c.csv", 1), ("d.csv", 1)):
        put(tmp_path / "ada" / name, "x" * size)
    submission = only_one(tmp_path)
    assert [name for name, _ in submission.files] == ["a.csv"]
    assert "can't read b.csv, c.csv, d.csv" in submission.notes[0]


def test_a_flat_download_puts_a_student_s_files_side_by_side(tmp_path: Path) -> None:
    put(tmp_path / f"ada_1_2_{LINEAR}.ipynb", text("from my_layers import BayesianLinear"))
    put(tmp_path / "ada_1_3_my_layers.py", DEFINES_LINEAR)
    put(tmp_path / "bo_2_4_my_layers.py", DEFINES_LINEAR.replace("pass", "x = 1"))
    ada, bo = collected(tmp_path).submissions
    assert [(name, path.name) for name, path in ada.files] == [("my_layers.py", "ada_1_3_my_layers.py")]
    assert bo.name == "my_layers.py"


def test_a_module_that_was_numbered_on_its_way_has_its_name_again(tmp_path: Path) -> None:
    put(tmp_path / f"ada_1_2_{LINEAR}-1.ipynb", text(DEFINES_LINEAR))
    for number, name in enumerate(("my_layers-2.py", "other (1).py", "data-1.csv")):
        put(tmp_path / f"ada_1_{number}_{name}", "x = 1")
    assert [name for name, _ in only_one(tmp_path).files] == ["data-1.csv", "my_layers.py", "other.py"]


def test_two_files_of_one_name_in_a_flat_download_stay_apart(tmp_path: Path) -> None:
    for number in (5, 6):
        put(tmp_path / f"ada_1_{number}_{LINEAR}.ipynb", text(DEFINES_LINEAR))
    submission = only_one(tmp_path)
    assert {submission.name, *submission.set_aside} == {f"{LINEAR}.ipynb", f"ada_1_6_{LINEAR}.ipynb"}


def test_looking_into_many_at_once_changes_nothing(tmp_path: Path) -> None:
    for number in range(6):
        put(tmp_path / f"s{number}" / "x.ipynb", text(DEFINES_LINEAR))
        put(tmp_path / f"s{number}" / "y.ipynb", "{" if number % 2 else text(DEFINES_LINEAR))
    assert find_submissions(tmp_path, LESSONS, at_once=1) == find_submissions(tmp_path, LESSONS, at_once=5)


def test_a_changed_submission_has_another_digest(tmp_path: Path) -> None:
    path = put(tmp_path / "ada" / f"{LINEAR}.ipynb")
    digests = {only_one(tmp_path).digest}
    os.utime(path, (1, 1))
    assert {only_one(tmp_path).digest} == digests
    for change in (
        lambda: put(path, text("x = 2")),
        lambda: put(path.with_name("helper.py"), "x = 1"),
        lambda: put(path.with_name("helper.py"), "x = 2"),
        lambda: put(path.with_name("report.pdf"), "%PDF"),
    ):
        change()
        digests.add(only_one(tmp_path).digest)
    assert len(digests) == 5
    put(path.with_name(f"{LINEAR} (1).ipynb"))
    assert only_one(tmp_path).digest in digests, "another attempt changes nothing of this one's result"


@pytest.mark.parametrize(
    ("extra", "when"),
    [
        (b"", "2026-11-02T10:11:12"),
        (struct.pack("<HHBi", 0x5455, 5, 1, 1_777_777_777), "2026-05-03T03:09:37+00:00"),
        (struct.pack("<HHIHHBi", 0x7875, 4, 7, 0x5455, 5, 1, 1_777_777_777), "2026-05-03T03:09:37+00:00"),
        (struct.pack("<HHB", 0x5455, 1, 0), "2026-11-02T10:11:12"),
    ],
    ids=["none", "with a zone", "after another", "without a time"],
)
def test_a_zip_that_notes_a_file_s_time_with_its_zone_is_believed(tmp_path: Path, extra: bytes, when: str) -> None:
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        member = zipfile.ZipInfo(f"ada/{LINEAR}.ipynb", (2026, 11, 2, 10, 11, 12))
        member.extra = extra
        archive.writestr(member, text(DEFINES_LINEAR))
    assert only_one(tmp_path / "class.zip").handed_in == when


def test_a_notebook_of_another_lesson_is_named_where_there_is_none_of_this_one(tmp_path: Path) -> None:
    put(tmp_path / "ada" / "week 6" / f"{HIDDEN}.ipynb", text("class HiddenLayer: pass"))
    put(tmp_path / "bo" / "notes.txt", "nothing")
    put(tmp_path / "bo" / f"{HIDDEN}.ipynb", text("class HiddenLayer: pass"))
    ada = collected(tmp_path, only=LINEAR).submissions[0]
    assert ada.missing == f"{NONE_FOR_LESSON} week 6/{HIDDEN}.ipynb is of {HIDDEN}."
    assert (ada.status_without, ada.was_handed_in) == ("not_attempted", True)
    assert collected(tmp_path, only=LINEAR).of_another_lesson() == ["ada", "bo"]
    assert not any(line.startswith("ada") for line in collected(tmp_path, only=LINEAR).unread())
    assert [item.lesson for item in collected(tmp_path).submissions] == [HIDDEN, HIDDEN]


# The course's own


@lru_cache
def solved(lesson: str = LINEAR) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Course().solved_notebook(lesson).read_text(encoding="utf-8"))
    return content


def changed(**changes: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(solved())), **changes}


def without_outputs() -> dict[str, Any]:
    cells = [
        {**cell, "outputs": [], "execution_count": None} if "outputs" in cell else cell for cell in solved()["cells"]
    ]
    return changed(cells=cells)


def with_cell(tag: str, source: str, of: dict[str, Any]) -> dict[str, Any]:
    """The notebook with this source in its first cell of the tag."""
    content = json.loads(json.dumps(of))
    next(cell for cell in content["cells"] if tag in cell["metadata"].get("tags", []))["source"] = source
    return dict(content)


def as_script(of: dict[str, Any] | None = None) -> str:
    code = ["".join(cell["source"]) for cell in (of or solved())["cells"] if cell["cell_type"] == "code"]
    return "\n\n".join(f"# In[{n}]:\n\n\n{source}\n\n\n# ## A heading\n" for n, source in enumerate(code))


def answer_of_course() -> str:
    return next("".join(cell["source"]) for cell in solved()["cells"] if "exercise" in cell["metadata"].get("tags", []))


OWN = {
    "as it is": lambda: json.dumps(solved()),
    "saved by Jupyter": lambda: json.dumps(changed(nbformat_minor=4, metadata={**solved()["metadata"], "widgets": {}})),
    "outputs cleared": lambda: json.dumps(without_outputs()),
    "without the mark": lambda: json.dumps(changed(metadata={})),
    "without mark, outputs and text": lambda: json.dumps(
        without_outputs() | {"metadata": {}, "cells": [c for c in without_outputs()["cells"] if "outputs" in c]}
    ),
    "an experiment changed": lambda: json.dumps(with_cell("experiment", "x = 1", solved())),
    "a comment changed": lambda: json.dumps(with_cell("exercise", answer_of_course() + "\n# mine", solved())),
    "exported": as_script,
    "its source": lambda: Course().source(LINEAR).read_text(encoding="utf-8"),
}  # fmt: skip


@pytest.mark.parametrize("content", OWN.values(), ids=OWN)
@pytest.mark.parametrize("name", ["x.ipynb", "deep/er/homework"])
def test_the_course_s_own_solved_notebook_is_no_submission(
    tmp_path: Path, content: Callable[[], str], name: str
) -> None:
    if content() in (as_script(), OWN["its source"]()):
        name = f"{name.partition('.')[0]}.py"
    put(tmp_path / "ada" / name, content())
    put(tmp_path / "bo" / "mine.ipynb", text(DEFINES_LINEAR))
    put(tmp_path / "bo" / name, content())
    ada, bo = collected(tmp_path).submissions
    assert (ada.path, ada.status_without, ada.ignored) == (None, "not_attempted", (name,))
    assert f"{name} is the course's own" in ada.missing
    assert bo.notes == [f"mine.ipynb was graded; {name} is the course's own."]


@pytest.fixture
def course_without_solutions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    course = Course(tmp_path / "course")
    put(course.learner_notebook(LINEAR), Course().learner_notebook(LINEAR).read_bytes())
    caches = (course_own._solved, course_own._solved_statements, course_own._own_modules)
    with monkeypatch.context() as patch:
        patch.setattr(course_own, "Course", lambda: course)
        for cache in caches:
            cache.cache_clear()
        yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.usefixtures("course_without_solutions")
def test_where_solutions_were_not_handed_out_they_are_known_all_the_same(tmp_path: Path) -> None:
    put(tmp_path / "class" / "ada" / "x.ipynb", OWN["without mark, outputs and text"]())
    assert only_one(tmp_path / "class").ignored == ("x.ipynb",)


FAIR = {
    "the published solution, in the learner's notebook": lambda: with_cell("exercise", answer_of_course(), learner()),
    "the same without the mark": lambda: {
        **with_cell("exercise", answer_of_course(), learner()),
        "metadata": {},
    },
    "one's own answer, in the solved notebook": lambda: with_cell("exercise", DEFINES_LINEAR, solved()),
    "the published solution, in a notebook of one's own": lambda: json.loads(text("import torch", answer_of_course())),
    "nothing, in the learner's notebook": lambda: learner(),
}


def learner() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Course().learner_notebook(LINEAR).read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("content", FAIR.values(), ids=FAIR)
def test_what_a_learner_wrote_is_a_submission(tmp_path: Path, content: Callable[[], dict[str, Any]]) -> None:
    put(tmp_path / "ada" / "x.ipynb", json.dumps(content()))
    assert found(tmp_path) == [("ada", LINEAR, "x.ipynb")]


@pytest.mark.parametrize("comment", ["", "\n# mine"])
@pytest.mark.parametrize("keeps_solutions", [True, False])
def test_the_published_solution_in_the_learner_s_notebook_counts_as_a_script_too(
    tmp_path: Path, request: pytest.FixtureRequest, comment: str, keeps_solutions: bool
) -> None:
    if not keeps_solutions:
        request.getfixturevalue("course_without_solutions")
    answered = with_cell("exercise", answer_of_course() + comment, learner())
    put(tmp_path / "class" / "ada" / f"{LINEAR}.py", as_script(answered))
    assert found(tmp_path / "class") == [("ada", LINEAR, f"{LINEAR}.py")]


@pytest.mark.parametrize("above", ["", "my-clone/", "hw.zip/course/"])
def test_a_whole_course_handed_in_is_graded_by_its_lessons(tmp_path: Path, above: str) -> None:
    edited = json.dumps(with_cell("exercise", DEFINES_LINEAR, solved()))  # below solutions/ that makes no difference
    files = {
        f"lessons/{LINEAR}.ipynb": json.dumps(with_cell("exercise", DEFINES_LINEAR, learner())),
        f"solutions/{LINEAR}.ipynb": edited,
        f"solutions/{HIDDEN}.ipynb": "{",
        f"solutions/{LINEAR}.py": "",
        "bnn_core/__init__.py": "",
        "bnn_core/bayesian_linear.py": DEFINES_LINEAR,
        "tests/zoo/bayesian_linear.py": DEFINES_LINEAR,
        "README.md": "",
    }
    if above.startswith("hw.zip"):
        zipped(tmp_path / "ada" / "hw.zip", **{f"course/{name}": content for name, content in files.items()})
    else:
        for name, content in files.items():
            put(tmp_path / "ada" / f"{above}{name}", content)
    submission = only_one(tmp_path)
    assert submission.notes == [
        f"{above}lessons/{LINEAR}.ipynb was graded; {above}solutions/{LINEAR}.ipynb is the course's own."
    ]
    assert submission.files == ()


def test_solutions_is_also_a_name_for_one_s_own_folder(tmp_path: Path) -> None:
    put(tmp_path / "ada" / "solutions" / f"{LINEAR}.ipynb", text(DEFINES_LINEAR))
    assert found(tmp_path) == [("ada", LINEAR, f"solutions/{LINEAR}.ipynb")]


def test_a_copy_of_the_course_s_module_imports_nothing(tmp_path: Path) -> None:
    put(tmp_path / "ada" / f"{LINEAR}.ipynb", text("from ref import BayesianLinear"))
    put(tmp_path / "ada" / "ref.py", (Course().root / "bnn_core" / "bayesian_linear.py").read_bytes())
    submission = only_one(tmp_path)
    assert submission.path is not None
    files = read_answer(submission.path, submission.home, LINEAR, dict(submission.files)).files
    assert b"raise ImportError" in files["ref.py"]
    assert b"class" not in files["ref.py"]
    assert submission.ignored == ("ref.py",)
    other = read_answer(submission.path, submission.home, HIDDEN, dict(submission.files))  # which may import it
    assert b"class BayesianLinear" in other.files["ref.py"]


# Zips


def test_a_zip_is_looked_into_and_written_nowhere(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", **{f"b/{LINEAR}.ipynb": text(DEFINES_LINEAR), "b/my_layers.py": "x = 1"})
    path = zipped(tmp_path / "class" / "ada" / "hw.zip", **{"a/inner.zip": inner.read_bytes(), "__MACOSX/x": ""})
    before = sorted(tmp_path.rglob("*"))
    submission = only_one(tmp_path / "class")
    assert submission.path == path / "a" / "inner.zip" / "b" / f"{LINEAR}.ipynb"
    answer = read_answer(submission.path, submission.home, LINEAR, dict(submission.files))
    assert answer.files == {"my_layers.py": b"x = 1"}
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["../../evil.ipynb", "/evil.ipynb", "a/../../evil.ipynb", "..\\evil.ipynb"])
def test_no_name_in_a_zip_leads_out(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "class" / "ada" / "hw.zip", **{name: text(DEFINES_LINEAR)})
    submission = only_one(tmp_path / "class", LINEAR)
    assert submission.path is None or submission.path.is_relative_to(path)
    assert [path.name for path in tmp_path.rglob("*") if "evil" in path.name] == []


def link_in_zip(path: Path) -> None:
    member = zipfile.ZipInfo(f"{LINEAR}.ipynb")
    member.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, "/etc/passwd")


def locked_zip(path: Path) -> None:
    zipped(path, **{f"{LINEAR}.ipynb": text("x")})
    content = path.read_bytes()
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag that says that it is encrypted
        at = content.index(sign) + offset
        content = content[:at] + bytes([content[at] | 1]) + content[at + 1 :]
    path.write_bytes(content)


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{LINEAR}.ipynb", b" " * 100_000_000)


def bombs_in_bombs(path: Path) -> None:
    content = b" " * 15_000_000
    for _ in range(2):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(20):
                archive.writestr(f"{number}.zip" if content[:2] == b"PK" else f"{number}.csv", content)
        content = path.read_bytes()


def many_files(path: Path) -> None:
    zipped(path, **{f"{number}.txt": "" for number in range(30_000)})


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (link_in_zip, "is a link"),
        (locked_zip, "locked with a password"),
        (bomb, "larger than 20 MB"),
        (bombs_in_bombs, "beyond the 200 MB"),
        (many_files, "more than the 5,000 files"),
    ],
)
def test_a_bad_zip_costs_its_student_nothing_but_itself(
    tmp_path: Path, make: Callable[[Path], None], says: str
) -> None:
    home = tmp_path / "ada"
    put(home / f"{LINEAR} (1).ipynb", text(DEFINES_LINEAR))
    make(home / "a.zip")
    submission = only_one(tmp_path)
    assert submission.name == f"{LINEAR} (1).ipynb"
    assert says in " ".join(submission.notes)


# Only regular files inside are opened, and none for long


@pytest.mark.parametrize("target", ["/proc/kmsg", "/dev/zero", "../bo", "fifo"])
def test_no_link_and_no_device_is_opened(tmp_path: Path, target: str) -> None:
    put(tmp_path / "bo" / f"{LINEAR}.ipynb", text(DEFINES_LINEAR))
    (tmp_path / "ada").mkdir()
    if target == "fifo":
        os.mkfifo(tmp_path / "ada" / f"{LINEAR}.ipynb")
    elif target == "../bo":
        (tmp_path / "ada").rmdir()
        (tmp_path / "ada").symlink_to("bo")
    else:
        (tmp_path / "ada" / f"{LINEAR}.ipynb").symlink_to(target)
    ada, bo = collected(tmp_path).submissions
    assert bo.path is not None
    if ada.path is not None:
        with pytest.raises(Unreadable):
            read_answer(ada.path, ada.home, LINEAR)


@pytest.mark.parametrize("what", ["notebook", "folder"])
def test_what_becomes_a_link_after_it_was_found_is_not_followed(tmp_path: Path, what: str) -> None:
    put(tmp_path / "outside" / f"{LINEAR}.ipynb", text(DEFINES_LINEAR))
    path = put(tmp_path / "class" / "ada" / "hw" / f"{LINEAR}.ipynb")
    submission = only_one(tmp_path / "class")
    assert submission.path == path
    path.unlink()
    if what == "notebook":
        path.symlink_to(tmp_path / "outside" / f"{LINEAR}.ipynb")
    else:
        path.parent.rmdir()
        path.parent.symlink_to(tmp_path / "outside")
    with pytest.raises(Unreadable):
        read_answer(path, submission.home, LINEAR)


def test_a_file_that_crashes_its_reader_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = recognising.notebook_in

    def crashes(content: bytes, name: str) -> Any:
        if name == "bad.ipynb":
            os.kill(os.getpid(), signal.SIGKILL)
        return real(content, name)

    monkeypatch.setattr(recognising, "notebook_in", crashes)
    put(tmp_path / "ada" / "bad.ipynb")
    put(tmp_path / "ada" / f"{LINEAR}.ipynb")
    submission = only_one(tmp_path)
    assert submission.name == f"{LINEAR}.ipynb"
    assert "bad.ipynb can't be read: Reading the file crashed its reader" in " ".join(submission.notes)


def test_a_file_that_crashes_its_reader_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path / "ada" / f"{LINEAR}.ipynb")
    monkeypatch.setattr(reading, "answer_of", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(Unreadable, match="crashed"):
        read_answer(path, tmp_path, LINEAR)


@pytest.mark.parametrize("how", ["waits", "computes"])
def test_a_file_that_takes_forever_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    import time

    def forever(*_: Any) -> None:
        while True:
            if how == "waits":
                time.sleep(1)

    path = put(tmp_path / "ada" / f"{LINEAR}.ipynb")
    monkeypatch.setattr(reading, "READING_TIME", 0.2 if how == "waits" else 1)
    monkeypatch.setattr(reading, "answer_of", forever)
    with pytest.raises(Unreadable, match="takes more than"):
        read_answer(path, tmp_path, LINEAR)


def test_recognising_goes_on_side_by_side_and_parses_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks of magics took IPython seconds each."""
    import time

    for number in range(12):
        put(
            tmp_path / f"s{number}" / "x.ipynb", text("x" + " " * 4880 + "?", "?" * 4000, "%x\n" * 2000, DEFINES_LINEAR)
        )
    began = time.monotonic()
    assert {lesson for _, lesson, _ in found(tmp_path)} == {LINEAR}
    for submission in collected(tmp_path).submissions:
        assert submission.path is not None
        assert read_answer(submission.path, submission.home, LINEAR).program.defined
    assert time.monotonic() - began < 30  # they took minutes

"""Which notebooks are found, whose they are, and of which lesson, in every layout that instructors have."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from bnn_core.answers.notebook import Unreadable
from bnn_core.classroom.sandbox.reading import identify, read_answer
from bnn_core.classroom.submissions import digest_of, find_submissions, stray_files

LESSONS = ["03_bayesian_linear", "06_hidden_layer"]
LINEAR, HIDDEN = LESSONS


def put(path: Path, source: str = "x = 1") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cell = {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def found(folder: Path, only: str | None = None) -> list[tuple[str, str, str | None]]:
    submissions = find_submissions(folder, LESSONS, only, identify)
    return [(item.student, item.lesson, item.path and item.path.name) for item in submissions]


def test_a_folder_per_student(tmp_path: Path) -> None:
    for student in ("ada", "bo"):
        put(tmp_path / student / f"{LINEAR}.ipynb")
    put(tmp_path / "ada" / f"{HIDDEN}.ipynb")
    assert found(tmp_path) == [
        ("ada", LINEAR, f"{LINEAR}.ipynb"),
        ("ada", HIDDEN, f"{HIDDEN}.ipynb"),
        ("bo", LINEAR, f"{LINEAR}.ipynb"),
    ]


def test_nbgraders_layout(tmp_path: Path) -> None:
    put(tmp_path / "submitted" / "ada" / LINEAR / "anything.ipynb")
    put(tmp_path / "source" / LINEAR / f"{LINEAR}.ipynb")
    assert found(tmp_path) == [("ada", LINEAR, "anything.ipynb")]
    assert found(tmp_path / "submitted") == [("ada", LINEAR, "anything.ipynb")]


def test_with_a_lesson_everyone_has_a_submission(tmp_path: Path) -> None:
    put(tmp_path / "ada" / f"{LINEAR}.ipynb")
    put(tmp_path / "bo" / f"{HIDDEN}.ipynb")
    (tmp_path / "cy").mkdir()
    assert found(tmp_path, LINEAR) == [("ada", LINEAR, f"{LINEAR}.ipynb"), ("bo", LINEAR, None), ("cy", LINEAR, None)]


def test_a_renamed_notebook_is_known_by_what_it_defines(tmp_path: Path) -> None:
    put(tmp_path / "ada" / "homework.ipynb", "class BayesianLinear:\n    pass")
    assert found(tmp_path) == [("ada", LINEAR, "homework.ipynb")]


def test_of_several_the_one_named_after_the_lesson_counts_else_the_newest(tmp_path: Path) -> None:
    source = "class BayesianLinear:\n    pass"
    for name, time in (("a.ipynb", 3), ("b.ipynb", 2), (f"{LINEAR}.ipynb", 1)):
        os.utime(put(tmp_path / "ada" / name, source), (time, time))
    (chosen,) = find_submissions(tmp_path, LESSONS, None, identify)
    assert chosen.path is not None
    assert chosen.path.name == f"{LINEAR}.ipynb"
    assert chosen.set_aside == ("a.ipynb", "b.ipynb")
    assert "not a.ipynb, b.ipynb" in chosen.notes[0]
    chosen.path.unlink()
    assert found(tmp_path) == [("ada", LINEAR, "a.ipynb")]


def test_nothing_is_lost_where_the_lesson_can_t_be_told(tmp_path: Path) -> None:
    put(tmp_path / "ada" / f"{LINEAR}.ipynb")
    (tmp_path / "bo").mkdir()
    (tmp_path / "bo" / "broken.ipynb").write_text("{")
    assert ("bo", LINEAR, "broken.ipynb") in found(tmp_path)
    put(tmp_path / "cy" / f"{HIDDEN}.ipynb")
    assert ("bo", "broken", "broken.ipynb") in found(tmp_path)


def test_what_editors_and_systems_leave_is_no_submission(tmp_path: Path) -> None:
    put(tmp_path / "ada" / ".ipynb_checkpoints" / f"{LINEAR}.ipynb")
    put(tmp_path / "__MACOSX" / "ada" / f"{LINEAR}.ipynb")
    put(tmp_path / ".git" / f"{LINEAR}.ipynb")
    assert found(tmp_path) == []


def test_notebooks_beside_the_folders_are_named(tmp_path: Path) -> None:
    put(tmp_path / "whose.ipynb")
    assert stray_files(tmp_path) == ["whose.ipynb"]


def test_names_that_are_no_text_can_be_written(tmp_path: Path) -> None:
    put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/st\xffudent")) / f"{LINEAR}.ipynb")
    ((student, _, _),) = found(tmp_path)
    assert student.encode("utf-8") == "st\ufffdudent".encode()


def test_a_link_for_a_folder_is_not_followed_out(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / f"{LINEAR}.ipynb", "class BayesianLinear:\n    pass")
    home = tmp_path / "class" / "ada"
    home.mkdir(parents=True)
    (home / f"{LINEAR}.ipynb").symlink_to(outside)
    with pytest.raises(Unreadable, match="outside"):
        read_answer(home / f"{LINEAR}.ipynb", home, LINEAR)


def test_a_file_that_crashes_its_reader_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bnn_core.classroom.sandbox import reading

    path = put(tmp_path / "ada" / f"{LINEAR}.ipynb")
    monkeypatch.setattr(reading, "answer_cells", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(Unreadable, match="crashed"):
        read_answer(path, path.parent, LINEAR)


def test_a_file_that_takes_forever_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    from bnn_core.classroom.sandbox import reading

    path = put(tmp_path / "ada" / f"{LINEAR}.ipynb")
    monkeypatch.setattr(reading, "READING_TIME", 0.2)
    monkeypatch.setattr(reading, "answer_cells", lambda *_: time.sleep(100))
    with pytest.raises(Unreadable, match=r"more than 0\.2 s"):
        read_answer(path, path.parent, LINEAR)


def test_a_changed_submission_has_another_digest(tmp_path: Path) -> None:
    path = put(tmp_path / "n.ipynb")
    before = digest_of(path)
    assert before == digest_of(put(path))
    assert before != digest_of(put(path, "x = 2"))
    assert digest_of(tmp_path / "missing.ipynb") != before

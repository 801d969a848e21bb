"""Marks in nbgrader's database, as nbgrader itself reads them, where it is installed; and what is refused."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from classroom.quick_class import THIRD, Class, replace_grading
from classroom.systems import blackboard_entry, canvas_entry, canvas_gradebook, download

CELL = "check_bayesian_linear"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Class:
    replace_grading(monkeypatch)
    return Class(tmp_path)


@pytest.fixture(scope="module")
def api() -> Any:
    searched = list(sys.path)
    module = pytest.importorskip("nbgrader.api")
    sys.path[:] = searched  # setuptools, which it imports, adds a folder, of which no grading here may hear
    return module


@pytest.fixture(scope="module")
def made_once(api: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """nbgrader's database, as it is after `generate_assignment`, with one student."""
    path = tmp_path_factory.mktemp("nbgrader") / "gradebook.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{sys.prefix}/bin{os.pathsep}{os.environ['PATH']}")  # it calls alembic by name
        with api.Gradebook(f"sqlite:///{path}") as gradebook:
            gradebook.add_assignment(THIRD)
            gradebook.add_notebook(THIRD, THIRD)
            gradebook.add_grade_cell(CELL, THIRD, THIRD, max_score=10.0, cell_type="code")
            gradebook.add_student("ada")
    return path


@pytest.fixture
def database(tmp_path: Path, made_once: Path) -> Path:
    return Path(shutil.copy(made_once, tmp_path))


def marks(api: Any, path: Path) -> dict[str, tuple[float, float]]:
    """By student the points, and the most that could be had."""
    with api.Gradebook(f"sqlite:///{path}") as gradebook:
        found = gradebook.assignment_submissions(THIRD)
        return {one.student.id: (one.score, one.max_score) for one in found}


def test_marks_are_nbgrader_s_and_students_are_added(own: Class, api: Any, database: Path) -> None:
    own.hand_in("ada", THIRD, worth=4)
    own.hand_in("bo", THIRD, worth=9)
    (own.folder / "cy").mkdir()
    result = own.grade("--gradebook", str(database))
    assert result.exit_code == 0, result.output
    assert marks(api, database) == {"ada": (4, 10), "bo": (9, 10)}, "who handed in nothing has no submission"
    assert f"added to {database}: bo" in result.output
    assert f"2 submissions written into {database}" in result.output
    own.hand_in("ada", THIRD, worth=7)
    assert "added to" not in own.grade("--gradebook", str(database)).output
    assert marks(api, database)["ada"] == (7, 10)


def test_what_a_person_gave_in_nbgrader_stays(own: Class, api: Any, database: Path) -> None:
    own.hand_in("ada", THIRD, worth=4)
    own.grade("--gradebook", str(database))
    with api.Gradebook(f"sqlite:///{database}") as gradebook:
        gradebook.find_grade(CELL, THIRD, THIRD, "ada").manual_score = 6.0
        gradebook.db.commit()
    own.hand_in("ada", THIRD, worth=5)
    result = own.grade("--gradebook", str(database))
    assert "left as they are: ada in BayesianLinear (6 in nbgrader, 5 here)" in result.output
    assert marks(api, database) == {"ada": (6, 10)}
    with api.Gradebook(f"sqlite:///{database}") as gradebook:
        grade = gradebook.find_grade(CELL, THIRD, THIRD, "ada")
        assert (grade.auto_score, grade.manual_score, grade.needs_manual_grade) == (5.0, 6.0, True)


def test_points_and_times_are_those_of_the_policy(own: Class, api: Any, database: Path) -> None:
    download(own.folder, blackboard_entry)
    (own.folder / "grading.toml").write_text(
        'time_zone = "Europe/Zurich"\ndeadline = 2026-11-02T09:00:00\npenalty_per_day = 0.5\n'
        "[points]\nBayesianLinear = 20\n",
        encoding="utf-8",
    )
    result = own.grade("--gradebook", str(database))
    assert "other points than in nbgrader's notebooks, changed in" in result.output
    assert "BayesianLinear 20 instead of 10" in result.output
    assert set(marks(api, database).values()) == {(5.0, 20.0)}
    with api.Gradebook(f"sqlite:///{database}") as gradebook:
        moments = {str(one.timestamp) for one in gradebook.assignment_submissions(THIRD)}
    assert moments == {"2026-11-02 09:11:12"}, "nbgrader keeps times in UTC"


def test_a_student_is_whom_nbgrader_knows_by_any_id(own: Class, api: Any, database: Path, tmp_path: Path) -> None:
    with api.Gradebook(f"sqlite:///{database}") as gradebook:
        gradebook.add_student("zoneil")
    download(own.folder, canvas_entry)
    (tmp_path / "canvas.csv").write_text(canvas_gradebook(), encoding="utf-8")
    result = own.grade("--gradebook", str(database), "--roster", str(tmp_path / "canvas.csv"))
    assert result.exit_code == 0, result.output
    assert set(marks(api, database)) == {"zoneil", "4712", "4713", "4714", "4715", "4716", "4717"}


def test_an_assignment_that_nbgrader_lacks_is_made(own: Class, api: Any, database: Path) -> None:
    with api.Gradebook(f"sqlite:///{database}") as gradebook:
        gradebook.remove_assignment(THIRD)
    own.hand_in("ada", THIRD, worth=4)
    assert own.grade("--gradebook", str(database)).exit_code == 0
    assert marks(api, database) == {"ada": (4, 10)}


@pytest.mark.parametrize("kind", ["missing", "text", "other"])
def test_what_is_no_database_of_nbgrader_s_is_refused(own: Class, api: Any, tmp_path: Path, kind: str) -> None:
    own.hand_in("ada", THIRD)
    path = tmp_path / "gradebook.db"
    if kind == "text":
        path.write_text("ada,5", encoding="utf-8")
    if kind == "other":
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE student (name TEXT)")
        connection.close()
    arguments = ("--gradebook", str(path))
    result = own.grade(*arguments)
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert f"{path} " in line
    assert not (own.report / "index.html").exists()


def test_without_nbgrader_it_is_refused_in_a_line(own: Class, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own.hand_in("ada", THIRD)
    monkeypatch.setitem(sys.modules, "nbgrader.api", None)
    line = own.refused("--gradebook", str(tmp_path / "gradebook.db"))
    assert "nbgrader isn't installed" in line
    assert "pip install nbgrader==0.9.6" in line

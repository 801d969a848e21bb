"""nbgrader's folder: its notebooks are the lessons, and where nbgrader is installed it gives the marks of `grade`."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from zoo import gaussian_kl, monte_carlo_kl, replaced

from bnn_core.autograder import ChecksFailed, check
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.classroom.nbgrader_gradebook import opened
from bnn_core.course.command_line import main
from bnn_core.course.exports.nbgrader import CONFIG_FILE
from bnn_core.course.lesson_source import BEGIN, END, learner_code, names_in
from bnn_core.lesson_files import Course, cells_with_role, content_digest, notebook_text, read_notebook, snake_case

from ..conftest import require_refusal, source_of_own

LESSON = "02_kl_divergence"
RIGHT = {"gaussian_kl": gaussian_kl.BASE, "monte_carlo_kl": monte_carlo_kl.BASE}
WRONG = {
    "gaussian_kl": replaced(gaussian_kl.BASE, ("torch.exp(2 * log_std)", "torch.exp(log_std)")),
    "monte_carlo_kl": next(wrong.source for wrong in monte_carlo_kl.WRONG if wrong.name == "sums over the draws"),
}


def export(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["export", "nbgrader", *arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """nbgrader's folder with one lesson."""
    source_of_own(LESSON)
    result = export(str(tmp_path / "class"), "2")
    assert result.exit_code == 0, result.output
    return tmp_path / "class"


def source_in(folder: Path) -> Any:
    return read_notebook(folder / "source" / LESSON / f"{LESSON}.ipynb")


# The files


def test_the_source_has_solutions_between_markers_and_points(folder: Path) -> None:
    notebook = source_in(folder)
    for cell in cells_with_role(notebook, "exercise"):
        assert BEGIN in cell.source
        assert END in cell.source
        assert cell.metadata.nbgrader.solution
        assert not cell.metadata.nbgrader.grade
    points = {cell.source.split("\n")[-1]: cell.metadata.nbgrader.points for cell in cells_with_role(notebook, "check")}
    assert points == {f"check({name})": EXERCISES[name].points for name in RIGHT}
    assert all("from bnn_core.autograder import check\n" in cell.source for cell in cells_with_role(notebook, "check"))
    names = [cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert len(set(names)) == len(names) == 4
    assert not list(cells_with_role(notebook, "claim"))


def test_but_for_solutions_and_checks_it_is_the_learners_notebook(folder: Path) -> None:
    notebook, learners = source_in(folder), read_notebook(Course().learner_notebook(LESSON))
    for cell in cells_with_role(notebook, "exercise"):
        cell.source = learner_code(cell.source)
    assert notebook.metadata.bnn_course.digest == content_digest(notebook)
    for cell in cells_with_role(notebook, "check"):
        cell.source = cell.source.split("\n")[-1]
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in learners.cells]


def test_the_configuration_is_python(folder: Path) -> None:
    text = (folder / CONFIG_FILE).read_text(encoding="utf-8")
    config = type("Config", (), {"__getattr__": lambda self, name: self.__dict__.setdefault(name, type(self)())})()
    exec(text, {"get_config": lambda: config})
    assert config.Execute.skip_cells_with_tag == "experiment"
    assert config.OverwriteCells.add_missing_cells is True


def test_without_a_name_there_is_every_lesson_and_again_is_no_harm(tmp_path: Path) -> None:
    source_of_own(LESSON)
    for _ in range(2):
        assert export(str(tmp_path)).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "source").iterdir()) == Course().names()


def test_what_somebody_changed_is_never_written_over(folder: Path) -> None:
    (folder / CONFIG_FILE).write_text("c = get_config()\n", encoding="utf-8")
    result = export(str(folder), "03")
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert CONFIG_FILE in line
    assert not (folder / "source" / "03_bayesian_linear").exists()


@pytest.mark.parametrize("arguments", [[], [""], ["new", "99"]])
def test_what_can_not_be_done_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    require_refusal(export(*arguments), tmp_path)


def test_a_copy_without_sources_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--course", str(tmp_path), "export", "nbgrader", str(tmp_path / "new"), "02"])
    assert result.exit_code == 2
    assert "give the folder of the whole course with --course" in result.output


def test_while_nbgrader_grades_a_check_gives_its_score(monkeypatch: pytest.MonkeyPatch) -> None:
    namespace: dict[str, Any] = {}
    exec(WRONG["gaussian_kl"], namespace)
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    with pytest.raises(ChecksFailed):
        check(namespace["gaussian_kl"])
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    score = check(namespace["gaussian_kl"])
    assert isinstance(score, float)
    assert 0 < score < EXERCISES["gaussian_kl"].points


# nbgrader itself


Notebook = Any
Change = Callable[[Notebook], None]


def answers(**sources: str) -> Change:
    def change(notebook: Notebook) -> None:
        for cell in cells_with_role(notebook, "exercise"):
            (name,) = names_in(cell.source)
            cell.source = sources.get(name, cell.source)

    return change


def both(*changes: Change) -> Change:
    def change(notebook: Notebook) -> None:
        for one in changes:
            one(notebook)

    return change


def check_cells(edit: Change) -> Change:
    def change(notebook: Notebook) -> None:
        for cell in list(cells_with_role(notebook, "check")):
            edit(cell)

    return change


def without_check_cells(notebook: Notebook) -> None:
    notebook.cells = [cell for cell in notebook.cells if "check" not in cell.metadata.get("tags", [])]


def worth_more(cell: Notebook) -> None:
    cell.metadata.nbgrader.points = 100


def emptied(cell: Notebook) -> None:
    cell.source = "None"


PATCHED = {name: source + "\n\n\ndef check(definition):\n    pass\n" for name, source in WRONG.items()}
STUDENTS: dict[str, Change] = {
    "right": answers(**RIGHT),
    "wrong": answers(**WRONG),
    "half": answers(gaussian_kl=RIGHT["gaussian_kl"]),
    "unsolved": answers(),
    "broken": answers(gaussian_kl=RIGHT["gaussian_kl"], monte_carlo_kl="def monte_carlo_kl(mean, log_std:\n"),
    "patched": answers(**PATCHED),
    "deleted": both(answers(**WRONG), without_check_cells),
    "emptied": both(answers(**WRONG), check_cells(emptied)),
    "greedy": both(answers(**WRONG), check_cells(worth_more)),
}


def nbgrader(folder: Path, *arguments: str) -> str:
    path = f"{sys.prefix}/bin:{os.environ['PATH']}"  # it calls alembic by name
    environment = os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def marks_of_nbgrader(folder: Path) -> dict[tuple[str, str], float]:
    with opened(folder / "gradebook.db") as gradebook:
        return {
            (student, exercise): gradebook.find_grade(f"check_{snake_case(exercise)}", LESSON, LESSON, student).score
            for student in STUDENTS
            for exercise in RIGHT
        }


def marks_of_grade(folder: Path, report: Path) -> dict[tuple[str, str], float]:
    result = CliRunner().invoke(main, ["grade", str(folder), "--output", str(report), "--lesson", LESSON])
    assert result.exit_code == 0, result.output
    rows = json.loads((report / "report.json").read_text(encoding="utf-8"))["results"]
    return {(row["student"], row["exercise"]): row["score"] for row in rows}


def test_nbgrader_gives_the_marks_of_grade(folder: Path, tmp_path: Path) -> None:
    if find_spec("nbgrader") is None:
        pytest.skip("nbgrader isn't installed")
    nbgrader(folder, "generate_assignment", LESSON)
    release = folder / "release" / LESSON / f"{LESSON}.ipynb"
    assert BEGIN not in release.read_text(encoding="utf-8")
    for student, change in STUDENTS.items():
        notebook = read_notebook(release)
        change(notebook)
        path = folder / "submitted" / student / LESSON / f"{LESSON}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(notebook_text(notebook), encoding="utf-8")
    for student, said in {"right": "Success!", "wrong": "VALIDATION FAILED"}.items():
        copy = tmp_path / f"{student}.ipynb"
        shutil.copy(folder / "submitted" / student / LESSON / f"{LESSON}.ipynb", copy)
        assert said.lower() in nbgrader(folder, "validate", str(copy)).lower()
    nbgrader(folder, "autograde", LESSON)
    nbgrader(folder, "generate_feedback", LESSON)
    page = folder / "feedback" / "wrong" / LESSON / f"{LESSON}.html"
    assert "checks passed" in page.read_text(encoding="utf-8")
    theirs, ours = marks_of_nbgrader(folder), marks_of_grade(folder, tmp_path / "report")
    assert theirs == pytest.approx(ours, abs=1e-5)
    assert 0 < theirs["wrong", "gaussian_kl"] < EXERCISES["gaussian_kl"].points
    written_into_the_gradebook(folder, tmp_path / "report", ours)


def written_into_the_gradebook(folder: Path, report: Path, ours: dict[tuple[str, str], float]) -> None:
    """The marks of `grade` are those of nbgrader's export, in place of what stood there."""
    path = folder / "gradebook.db"
    with opened(path) as gradebook:
        for one in gradebook.assignment_submissions(LESSON):
            for notebook in one.notebooks:
                for grade in notebook.grades:
                    grade.auto_score = 0.0
        gradebook.db.commit()
    arguments = ["grade", str(folder), "--output", str(report), "--lesson", LESSON, "--gradebook", str(path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "added to" not in result.output
    assert "other points" not in result.output
    assert marks_of_nbgrader(folder) == pytest.approx(ours, abs=1e-5)
    nbgrader(folder, "export")
    lines = list(csv.DictReader((folder / "grades.csv").read_text(encoding="utf-8").splitlines()))
    exported = {line["student_id"]: float(line["score"]) for line in lines if line["assignment"] == LESSON}
    assert exported == pytest.approx({who: sum(ours[who, name] for name in RIGHT) for who in STUDENTS}, abs=1e-5)

"""The template repository: whole, and its workflow's own command does there what it is there for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from zoo import bayesian_linear as zoo

from bnn_core.course.command_line import main
from bnn_core.course.exports.github import WORKFLOW_FILE
from bnn_core.lesson_files import Course, cells_with_role, notebook_text, read_notebook

from ..conftest import require_refusal

LESSON = "03_bayesian_linear"


def export(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["export", "github", *arguments])


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("github") / "template"
    result = export("3", "--output", str(folder))
    assert result.exit_code == 0, result.output
    return folder


def test_it_is_the_course_as_it_is_handed_out(repository: Path) -> None:
    assert [path.name for path in (repository / "lessons").iterdir()] == [f"{LESSON}.ipynb"]
    assert all((repository / name).is_file() for name in ("README.md", "requirements.txt", "pyproject.toml", "LICENSE"))
    assert not [path for path in repository.rglob("*") if "__pycache__" in path.parts]
    assert {path.suffix for path in (repository / "solutions").rglob("*") if path.is_file()} <= {".png"}


def test_the_workflows_command_checks_what_was_pushed(repository: Path, tmp_path: Path) -> None:
    text = (repository / WORKFLOW_FILE).read_text(encoding="utf-8")
    assert "pip install -r requirements.txt\n" in text
    (command,) = re.findall(r"^ +run: (bnn-course .+)$", text, re.M)
    name, *arguments = command.split()
    assert name == "bnn-course"
    page = tmp_path / "summary.md"
    environment = os.environ | {"GITHUB_WORKSPACE": str(repository), "GITHUB_STEP_SUMMARY": str(page)}

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bnn_core", *arguments]
        return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, timeout=200)

    assert run().returncode == 1
    path = repository / "lessons" / f"{LESSON}.ipynb"
    notebook = read_notebook(path)
    next(cells_with_role(notebook, "exercise")).source = zoo.BASE
    path.write_text(notebook_text(notebook), encoding="utf-8")
    solved = run()
    assert solved.returncode == 0, solved.stdout
    report = page.read_text(encoding="utf-8")
    assert report.index("not attempted yet") < report.index("checks passed")


def test_without_a_name_it_has_every_lesson(tmp_path: Path) -> None:
    assert export("--output", str(tmp_path / "all")).exit_code == 0
    names = Course().names()
    assert sorted(path.stem for path in (tmp_path / "all" / "lessons").iterdir()) == names
    text = (tmp_path / "all" / WORKFLOW_FILE).read_text(encoding="utf-8")
    assert all(f"lessons/{name}.ipynb" in text for name in names)


@pytest.mark.parametrize(
    "arguments",
    [[], ["--output", ""], ["--output", "FULL"], ["99", "--output", "new"], ["--output", "a\0b"]],
)
def test_what_can_not_be_done_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FULL").mkdir()
    (tmp_path / "FULL" / "mine.txt").write_text("mine", encoding="utf-8")
    require_refusal(export(*arguments), tmp_path, left=["FULL"])


def test_a_course_that_is_not_whole_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "lessons").mkdir()
    (tmp_path / "lessons" / f"{LESSON}.ipynb").write_text("{}", encoding="utf-8")
    new = str(tmp_path / "new")
    result = CliRunner().invoke(main, ["--course", str(tmp_path), "export", "github", "--output", new])
    assert result.exit_code == 2
    assert "isn't there; give the folder of the whole course with --course" in result.output

"""The course opened elsewhere: on Colab, on Binder, in a development container."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bnn_core.answers.course_own import is_own_notebook
from bnn_core.answers.notebook import answer_of, notebook_in
from bnn_core.autograder.exercises import EXERCISES as REAL_EXERCISES
from bnn_core.course.build import build_lesson, differences
from bnn_core.course.colab import colab_cells
from bnn_core.course.exports.course_copy import CPU_INDEX, PYTHON
from bnn_core.course.lesson_source import build_notebooks
from bnn_core.lesson_files import Course, cells_with_role, notebook_text, read_notebook, role

from .conftest import EXERCISES, LESSON, OWN, source_of_own

README = (OWN.root / "README.md").read_text(encoding="utf-8")
FIRST = "00_start_here"


def with_address(folder: Path, address: str = "https://github.com/ada/my.course") -> Path:
    """The project's own file, as someone who publishes a copy of the course changes it."""
    folder.mkdir(exist_ok=True)
    text = (OWN.root / "pyproject.toml").read_text(encoding="utf-8")
    path = folder / "pyproject.toml"
    path.write_text(f'{text}\n[project.urls]\nRepository = "{address}"\n', encoding="utf-8")
    return path


# Colab


def test_this_copy_knows_no_address_so_its_lessons_have_no_link() -> None:
    assert "urls" not in tomllib.loads((OWN.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert colab_cells(OWN.root / "pyproject.toml", "lessons/a.ipynb") == []


@pytest.mark.parametrize("address", ["https://example.org/ada/my.course", "", "https://github.com/ada"])
def test_colab_opens_github_s_repositories_alone(tmp_path: Path, address: str) -> None:
    assert colab_cells(with_address(tmp_path, address), "lessons/a.ipynb") == []


@pytest.mark.parametrize("end", ["", "/", ".git"])
def test_the_address_is_known_however_it_is_written(tmp_path: Path, end: str) -> None:
    link, _ = colab_cells(with_address(tmp_path, "https://github.com/ada/my.course" + end), "lessons/a.ipynb")
    assert "(https://colab.research.google.com/github/ada/my.course/blob/main/lessons/a.ipynb)" in link.source


def test_a_lesson_whose_repository_is_known_begins_with_the_way_to_colab(course: Course) -> None:
    with_address(course.root)
    assert [difference.reason for difference in differences(course, EXERCISES)] == ["differs from its source"]
    solved = course.solved_notebook(LESSON).read_bytes()
    build_lesson(course, LESSON, EXERCISES, say=lambda _: None)
    assert differences(course, EXERCISES) == []
    assert course.solved_notebook(LESSON).read_bytes() == solved

    title, link, cell, *_ = read_notebook(course.learner_notebook(LESSON)).cells
    assert title.source.startswith("# ")
    assert f"/ada/my.course/blob/main/lessons/{LESSON}.ipynb)" in link.source
    assert "![" not in link.source  # a badge would be loaded from elsewhere
    assert role(cell) == "setup"
    assert cell.cell_type == "code"


def run_as_a_notebook(source: str, folder: Path, on_colab: bool) -> list[list[str]]:
    """Runs a cell as IPython does, and gives the arguments with which it called pip, which here does nothing."""
    log = folder / "pip.log"
    pip = folder / "modules" / "pip"
    pip.mkdir(parents=True)
    (pip / "__init__.py").touch()
    (pip / "__main__.py").write_text(
        f"import json, sys\nwith open({str(log)!r}, 'a') as file:\n    print(json.dumps(sys.argv[1:]), file=file)\n"
    )
    colab = "sys.modules['google.colab'] = types.ModuleType('google.colab')" if on_colab else "pass"
    program = (
        f"import sys, types\n{colab}\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        f"InteractiveShell.instance().run_cell({source!r}).raise_error()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(folder / "modules"), "IPYTHONDIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.mark.skipif(sys.platform == "win32", reason="there a shell quotes otherwise, and Colab is Linux")
def test_on_colab_the_cell_installs_the_course_and_touches_nothing_else(tmp_path: Path) -> None:
    _, cell = colab_cells(with_address(tmp_path / "course"), "lessons/a.ipynb")
    (arguments,) = run_as_a_notebook(cell.source, tmp_path, on_colab=True)
    assert arguments[:3] == ["install", "--quiet", "--no-deps"]
    assert arguments[3] == "git+https://github.com/ada/my.course@main"
    asked = tomllib.loads((OWN.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert arguments[4] in asked
    assert [re.match(r"[\w-]+", one)[0] for one in arguments[4:]] == ["pyro-ppl", "pyro-api"]  # type: ignore[index]


def test_elsewhere_the_cell_does_nothing(tmp_path: Path) -> None:
    _, cell = colab_cells(with_address(tmp_path / "course"), "lessons/a.ipynb")
    assert run_as_a_notebook(cell.source, tmp_path, on_colab=False) == []


def test_to_grading_the_cell_is_nothing(tmp_path: Path) -> None:
    """Even for an answer that needs the name which the cell imports."""
    opening = colab_cells(with_address(tmp_path), f"lessons/{FIRST}.ipynb")
    learner, solved = build_notebooks(source_of_own(FIRST), REAL_EXERCISES, opening)
    answer = next(cells_with_role(solved, "exercise")).source
    next(cells_with_role(learner, "exercise")).source = f"{answer}\n\nLARGEST = sys.maxsize\n".replace(
        "return ", "LARGEST; return "
    )
    program = answer_of(notebook_in(notebook_text(learner).encode()), FIRST)
    run = "\n".join(text for _, text in program.code())
    assert "import sys" in run
    assert "google.colab" not in run
    assert "pip" not in run
    assert program.notes == ()


@pytest.mark.parametrize("has_claims", [True, False])
def test_without_the_build_s_mark_the_claims_tell_whose_notebook_came_back_from_colab(
    tmp_path: Path, has_claims: bool
) -> None:
    opening = colab_cells(with_address(tmp_path), f"lessons/{FIRST}.ipynb")
    _, solved = build_notebooks(source_of_own(FIRST), REAL_EXERCISES)
    copied = copy.deepcopy(solved)
    copied.cells = [cell for cell in copied.cells if has_claims or role(cell) != "claim"]
    copied.cells[1:1] = opening
    del copied.metadata["bnn_course"]
    assert is_own_notebook(notebook_in(notebook_text(copied).encode()), FIRST) == has_claims


# Binder and development containers


def python_in(text: str) -> tuple[int, ...]:
    match = re.search(r"(3\.\d+)$", text.strip())
    assert match, text
    return tuple(map(int, match[1].split(".")))


def test_both_have_a_python_that_the_course_takes() -> None:
    lowest = tomllib.loads((OWN.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    binder = python_in((OWN.root / ".binder" / "runtime.txt").read_text(encoding="utf-8"))
    assert python_in(container()["image"]) == binder == python_in(PYTHON)
    assert binder >= python_in(lowest)


def container() -> dict[str, str]:
    found: dict[str, str] = json.loads((OWN.root / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    return found


def test_a_container_is_set_up_as_the_readme_says() -> None:
    settings = json.loads((OWN.root / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert f"\n{settings['postCreateCommand']} && .venv/bin/bnn-course lab\n" in README
    assert settings["forwardPorts"] == [8888]
    for path in settings["customizations"]["codespaces"]["openFiles"]:
        assert (OWN.root / path).is_file()


def test_binder_installs_what_everyone_installs() -> None:
    folder = OWN.root / ".binder"
    lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    options = dict(line.split() for line in lines if not line.startswith("#"))
    assert options == {"--extra-index-url": CPU_INDEX, "-r": "../requirements.txt"}
    assert (folder / options["-r"]).resolve() == OWN.root / "requirements.txt"

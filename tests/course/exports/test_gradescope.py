"""Gradescope's autograder, laid out and run as Gradescope lays it out and runs it: its scripts are the zip's own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from classroom.machines import take_away
from click.testing import CliRunner, Result
from zoo import bayesian_linear as zoo

from bnn_core.autograder.exercises import EXERCISES
from bnn_core.course.command_line import main
from bnn_core.course.exports import gradescope_grader, one_submission
from bnn_core.lesson_files import Course, cells_with_role, notebook_text, read_notebook

from ..conftest import require_refusal, source_of_own

LESSON = "03_bayesian_linear"
CHECKS = EXERCISES["BayesianLinear"].checks
WRONG = next(wrong for wrong in zoo.WRONG if wrong.misconception == "kl-std-for-variance")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Gradescope's machines run Linux")

FIELDS = {
    "score": float, "execution_time": float, "output": str, "visibility": str, "stdout_visibility": str,
    "tests": list, "extra_data": dict,
}  # fmt: skip
FIELDS_OF_A_TEST = {
    "score": float, "max_score": float, "name": str, "number": str, "output": str, "tags": list, "visibility": str,
    "extra_data": dict,
}  # fmt: skip
VISIBILITIES = {"hidden", "after_due_date", "after_published", "visible"}


def assert_valid(found: dict[str, Any]) -> None:
    """What Gradescope's specification of results.json asks for."""
    assert {name: type(value) for name, value in found.items()} == FIELDS
    assert {found["visibility"], found["stdout_visibility"]} <= VISIBILITIES
    for test in found["tests"]:
        assert {name: type(value) for name, value in test.items()} == FIELDS_OF_A_TEST
        assert 0 <= test["score"] <= test["max_score"]
        assert all(isinstance(tag, str) for tag in test["tags"])
        assert test["visibility"] in VISIBILITIES
    assert len({test["number"] for test in found["tests"]}) == len(found["tests"])
    assert sum(test["score"] for test in found["tests"]) == pytest.approx(found["score"], abs=1e-3)


def export(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["export", "gradescope", *arguments])


@pytest.fixture(scope="module")
def autograder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gradescope's folder, with the zip unpacked."""
    source_of_own(LESSON)
    folder = tmp_path_factory.mktemp("gradescope")
    result = export("bayesian_linear", "--output", str(folder / "autograder.zip"), "--visibility", "after_due_date")
    assert result.exit_code == 0, result.output
    for name in ("source", "submission", "results"):
        (folder / name).mkdir()
    with zipfile.ZipFile(folder / "autograder.zip") as archive:
        archive.extractall(folder / "source")
        for entry in archive.infolist():
            (folder / "source" / entry.filename).chmod(entry.external_attr >> 16 & 0o777)
    (folder / "run_autograder").write_bytes((folder / "source" / "run_autograder").read_bytes())
    (folder / "run_autograder").chmod(0o755)
    return folder


def hand_in(autograder: Path, *cells: str) -> None:
    """The lesson's notebook with the first of these in the exercise's cell, and the others after it."""
    notebook = read_notebook(Course().learner_notebook(LESSON))
    exercise = next(cells_with_role(notebook, "exercise"))
    exercise.source = "\n\n".join(cells)
    (autograder / "submission" / f"{LESSON}.ipynb").write_text(notebook_text(notebook), encoding="utf-8")


def run(autograder: Path) -> dict[str, Any]:
    environment = os.environ | {"BNN_AUTOGRADER": str(autograder), "BNN_ENVIRONMENT": sys.prefix}
    autograder.chmod(0o755)
    done = subprocess.run([autograder / "run_autograder"], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert autograder.stat().st_mode & 0o077 == 0  # where there is no sandbox, this keeps submitted code out
    return result_in(autograder)


def result_in(autograder: Path) -> dict[str, Any]:
    path = autograder / "results" / "results.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    return found


@pytest.fixture
def no_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    take_away(monkeypatch, "namespaces", "bubblewrap")


def test_the_zips_root_is_what_gradescope_looks_for(autograder: Path) -> None:
    with zipfile.ZipFile(autograder / "autograder.zip") as archive:
        names = archive.namelist()
        assert {"setup.sh", "run_autograder", "requirements.txt", "course/bnn_core/__init__.py"} <= set(names)
        assert {Path(name).stem for name in names if name.endswith(".ipynb")} == {LESSON}
    for script in ("setup.sh", "run_autograder"):
        assert os.access(autograder / "source" / script, os.X_OK)
        subprocess.run(["bash", "-n", autograder / "source" / script], check=True)


def test_the_machine_is_set_up_with_pip_alone_where_python_is_new_enough(autograder: Path, tmp_path: Path) -> None:
    """Gradescope's machine, on which pip only writes down what it was asked."""
    tools, environment = tmp_path / "bin", tmp_path / "environment"
    tools.mkdir()
    fake = f'#!/bin/sh\nif [ "$2" = pip ]; then echo "$@" >> {tmp_path}/pip; else exec {sys.executable} "$@"; fi\n'
    for name, text in {"python3": fake, "apt-get": "#!/bin/sh\nexit 1\n"}.items():
        (tools / name).write_text(text, encoding="utf-8")
        (tools / name).chmod(0o755)
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(tools / "python3")
    settings = {"BNN_AUTOGRADER": str(autograder), "BNN_ENVIRONMENT": str(environment)}
    path = f"{tools}:{os.environ['PATH']}"
    subprocess.run([autograder / "source" / "setup.sh"], env=os.environ | settings | {"PATH": path}, check=True)
    assert (tmp_path / "pip").read_text(encoding="utf-8").endswith(f"-r {autograder}/source/requirements.txt\n")
    pins = (autograder / "source" / "requirements.txt").read_text(encoding="utf-8")
    assert "torch==" in pins
    assert "editable" not in pins


def test_a_wrong_answer_has_part_of_the_points_and_the_mistakes_sentence(autograder: Path) -> None:
    hand_in(autograder, WRONG.source)
    found = run(autograder)
    assert_valid(found)
    assert len(found["tests"]) == len(CHECKS)
    assert sum(test["max_score"] for test in found["tests"]) == pytest.approx(
        EXERCISES["BayesianLinear"].points, abs=1e-4
    )
    assert 0 < found["score"] < EXERCISES["BayesianLinear"].points
    failed = next(test for test in found["tests"] if test["name"] == f"BayesianLinear: {WRONG.check}")
    assert failed["score"] == 0
    assert failed["tags"] == [WRONG.misconception]
    assert failed["output"].startswith("Your KL uses exp(log_std) where the variance")
    assert {test["visibility"] for test in found["tests"]} == {"after_due_date"}
    assert one_submission.SHUT_IN in found["output"] or one_submission.AS_NOBODY in found["output"]


@pytest.mark.skipif(os.geteuid() != 0, reason="Gradescope grades as root, which these tests don't run as")
def test_without_namespaces_code_can_not_reach_the_result(
    autograder: Path, no_namespaces: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is as another user that it runs, and it says so."""
    forged = str(autograder / "results" / "results.json")
    reach = f"""
        import glob, os
        for path in ({forged!r}, {str(autograder / "source" / "course" / "README.md")!r}):
            try:
                open(path, "a").close()
            except PermissionError:
                continue
            raise RuntimeError("FOUND " + path)
        if os.getuid() == 0:
            raise RuntimeError("FOUND root")
"""
    forward = "    def forward(self, x):\n"
    hand_in(autograder, zoo.BASE.replace(forward, forward + reach.lstrip("\n")))
    autograder.chmod(0o700)  # as run_autograder does
    gradescope_grader.main([str(autograder), LESSON, "visible"])
    found = result_in(autograder)
    assert_valid(found)
    assert "FOUND" not in json.dumps(found)
    assert found["score"] == EXERCISES["BayesianLinear"].points
    assert one_submission.AS_NOBODY in found["output"]


def test_where_nothing_protects_the_marks_there_is_no_result(
    autograder: Path, no_namespaces: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in(autograder, zoo.BASE)
    monkeypatch.setattr(one_submission.os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="nothing was graded: nothing here can shut submitted code in"):
        gradescope_grader.main([str(autograder), LESSON, "visible"])
    assert list((autograder / "results").iterdir()) == []


def test_every_row_becomes_tests_and_its_message_is_told() -> None:
    checks = [{"name": f"check {n}", "passed": n == 1, "message": "Not run.", "misconception": None} for n in range(3)]
    row = {
        "lesson": LESSON,
        "score": 1.0,
        "max_score": 3.0,
        "status": "timeout",
        "message": "It took too long.",
        "checks": checks,
    }
    rows = [row | {"exercise": name} for name in "fg"]
    found = gradescope_grader.results(one_submission.Outcome(rows, ["Protected."], 7), "hidden", 1.25)
    assert_valid(found)
    assert found["output"] == "It took too long.\n\nProtected."
    assert [test["number"] for test in found["tests"]] == ["1.1", "1.2", "1.3", "2.1", "2.2", "2.3"]
    assert found["extra_data"] == {"seed": 7, "statuses": {"f": "timeout", "g": "timeout"}}


def test_the_same_course_gives_the_same_zip(tmp_path: Path) -> None:
    source_of_own(LESSON)
    contents = []
    for name in ("one.zip", "two.zip"):
        assert export("03", "--output", str(tmp_path / name)).exit_code == 0
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]
    assert zipfile.ZipFile(io.BytesIO(contents[0])).testzip() is None


@pytest.mark.parametrize("arguments", [[], ["99"], ["03", "--output", ""], ["03", "--visibility", "never"]])
def test_what_can_not_be_done_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    require_refusal(export(*arguments), tmp_path)

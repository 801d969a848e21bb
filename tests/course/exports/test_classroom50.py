"""Classroom 50's autograder, called as its runner calls it: in a checkout, with what the runner says of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from zoo import bayesian_linear as zoo

from bnn_core.autograder.exercises import EXERCISES
from bnn_core.course.command_line import main
from bnn_core.course.exports import classroom50_grader, one_submission
from bnn_core.lesson_files import Course, cells_with_role, notebook_text, read_notebook

from ..conftest import require_refusal

LESSON = "03_bayesian_linear"
WRONG = next(wrong for wrong in zoo.WRONG if wrong.misconception == "kl-std-for-variance")
SAID = {
    "CLASSROOM": "bayes", "ASSIGNMENT": "layer", "SUBMISSION_TAG": "submit/2026-11-26T12-00-00Z-a1b2c3d",
    "COMMIT_URL": "https://git.example/c", "RELEASE_URL": "https://git.example/r", "REVIEW_URL": "",
}  # fmt: skip
ADDED_BY_THE_RUNNER = {"assignment_type", "owner"}
FIELDS = {
    "schema": str, "classroom": str, "assignment": str, "submission": str, "commit": str, "release": str,
    "review": str, "datetime": str, "score": int, "max-score": int, "tests": list,
}  # fmt: skip
FIELDS_OF_A_TEST = {"test-name": str, "passed": bool, "score": int, "max-score": int}


def assert_valid(found: dict[str, Any]) -> None:
    """What classroom50/result/v1 asks for of a result, but for what the runner adds."""
    assert {name: type(value) for name, value in found.items()} == FIELDS
    assert found["schema"] == "classroom50/result/v1"
    assert all(found[name] for name, kind in FIELDS.items() if kind is str)
    assert found["submission"].startswith("submit/")
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", found["datetime"])
    for test in found["tests"]:
        assert {name: type(test[name]) for name in FIELDS_OF_A_TEST} == FIELDS_OF_A_TEST
        assert test["test-name"]
        assert 0 <= test["score"] <= test["max-score"]
    assert found["score"] == sum(test["score"] for test in found["tests"])
    assert found["max-score"] == sum(test["max-score"] for test in found["tests"])


def export(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["export", "classroom50", *arguments])


@pytest.mark.skipif(sys.platform != "linux", reason="its machines run Linux")
def test_a_checkout_is_graded_with_a_point_for_each_check(tmp_path: Path) -> None:
    bundle, checkout = tmp_path / "bundle", tmp_path / "checkout"
    result = export("3", "--output", str(bundle))
    assert result.exit_code == 0, result.output
    (checkout / "lessons").mkdir(parents=True)
    notebook = read_notebook(Course().learner_notebook(LESSON))
    next(cells_with_role(notebook, "exercise")).source = WRONG.source
    (checkout / "lessons" / f"{LESSON}.ipynb").write_text(notebook_text(notebook), encoding="utf-8")
    environment = os.environ | SAID | {"BNN_ENVIRONMENT": sys.prefix}
    environment.pop("GITHUB_ACTIONS", None)
    command = [sys.executable, bundle / "autograder.py"]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads((checkout / "result.json").read_text(encoding="utf-8"))
    assert_valid(found)
    assert found["max-score"] == len(EXERCISES["BayesianLinear"].checks)
    assert 0 < found["score"] < found["max-score"]
    assert found["review"] == SAID["COMMIT_URL"]
    failed = next(test for test in found["tests"] if test["test-name"] == f"BayesianLinear: {WRONG.check}")
    assert failed["misconception"] == WRONG.misconception
    body = (checkout / "release-body.md").read_text(encoding="utf-8")
    assert "Your KL uses exp(log_std) where the variance" in body
    assert one_submission.SHUT_IN in body
    assert "\n\n" not in body


def test_without_a_sandbox_there_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **options: object) -> None:
        assert not options.get("as_nobody")
        raise one_submission.CannotGrade("no sandbox")

    monkeypatch.setattr(classroom50_grader, "grade_one", refused)
    with pytest.raises(SystemExit, match="nothing was graded: no sandbox"):
        classroom50_grader.main([str(tmp_path), LESSON])
    assert list(tmp_path.iterdir()) == []


def test_nothing_in_the_page_is_markup() -> None:
    check = {"name": "<b>", "passed": False, "message": "a <script>\nb", "misconception": None}
    row = {"exercise": "f", "message": "f: <i>", "checks": [check, check | {"passed": True, "message": ""}]}
    outcome = one_submission.Outcome([row], ["Protected."], 1)
    assert not re.findall("<b>|<i>|<script>", classroom50_grader.page(outcome))
    assert_valid(classroom50_grader.result(outcome, SAID))


def test_it_holds_no_solved_notebook_and_a_script_that_is_python(tmp_path: Path) -> None:
    assert export("03", "--output", str(tmp_path / "new")).exit_code == 0
    assert [path.parent.name for path in (tmp_path / "new").rglob("*.ipynb")] == ["lessons"]
    compile((tmp_path / "new" / "autograder.py").read_text(encoding="utf-8"), "autograder.py", "exec")
    assert json.loads((tmp_path / "new" / "runtime.json").read_text(encoding="utf-8"))["python"] == "3.11"
    size = sum(path.stat().st_size for path in (tmp_path / "new").rglob("*") if path.is_file())
    assert size < 10 * 1024 * 1024  # the runner takes no more


@pytest.mark.parametrize("arguments", [[], ["03"], ["99", "--output", "new"], ["03", "--output", "."]])
def test_what_can_not_be_done_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    require_refusal(export(*arguments), tmp_path, left=["mine"])

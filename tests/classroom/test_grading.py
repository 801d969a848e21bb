"""One submission's code is started once for all exercises of its lesson, and again after one that ended it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from classroom.notebooks import FILE, LESSON, cells
from zoo.bayesian_linear import BASE as LAYER
from zoo.sample_preactivation import RIGHT

from bnn_core.answers import notebook
from bnn_core.classroom import grading
from bnn_core.classroom.grading import Graded, grade
from bnn_core.classroom.sandbox.launching import Limits, Sandboxed, WarmSandbox
from bnn_core.classroom.submissions import Submission

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="submissions are shut in on Linux alone")

FUNCTION = next(iter(RIGHT.values()))
SAYS_SO = "print('the notebook runs')"
ENDS = "\nimport os\nBayesianLinear.forward = lambda self, x: os._exit(3)\n"
ENDLESS = "\nBayesianLinear.forward = lambda self, x: [None for _ in iter(int, 1)]\n"


class CountingSandbox(WarmSandbox):
    """Counts how often code is started in it."""

    starts = 0

    def start(self, limits: Limits, seconds: float, files: Mapping[str, bytes]) -> Sandboxed:
        self.starts += 1
        return super().start(limits, seconds, files)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[CountingSandbox]:
    with CountingSandbox() as sandbox:
        sandbox.wait_until_ready()
        yield sandbox


@pytest.fixture(autouse=True)
def a_lesson_with_two_exercises(monkeypatch: pytest.MonkeyPatch, sandbox: CountingSandbox) -> None:
    for module in (grading, notebook):
        monkeypatch.setattr(module, "exercises_of", lambda _: ("BayesianLinear", "sample_preactivation"))
    sandbox.starts = 0


def graded(home: Path, sandbox: CountingSandbox, *sources: str, limits: Limits | None = None) -> Graded:
    cells(*sources)(home)
    return grade(Submission("ada", LESSON, home / FILE, home), sandbox, limits or Limits(), 1)


def statuses(result: Graded) -> list[str]:
    return [row["status"] for row in result.rows]


def test_one_start_is_for_all_exercises(sandbox: CountingSandbox, tmp_path: Path) -> None:
    marked = LAYER + f"\nBayesianLinear.mark = {SAYS_SO}\n"
    result = graded(tmp_path, sandbox, marked, FUNCTION)
    assert statuses(result) == ["passed", "passed"]
    assert sandbox.starts == 1
    assert result.output.count("the notebook runs") == 1


def test_who_comes_after_an_exercise_that_ended_the_code_has_a_fresh_start(
    sandbox: CountingSandbox, tmp_path: Path
) -> None:
    result = graded(tmp_path, sandbox, LAYER + ENDS, FUNCTION)
    assert statuses(result) == ["error", "passed"]
    assert "exit status 3" in result.rows[0]["message"]
    assert sandbox.starts == 2
    assert "the KL is the closed form, for weights and biases together" in passed(result)


def passed(result: Graded) -> set[str]:
    """The checks of the first exercise that pass."""
    return {check["name"] for check in result.rows[0]["checks"] if check["passed"]}


def test_checks_that_are_independent_of_an_endless_call_are_run(sandbox: CountingSandbox, tmp_path: Path) -> None:
    result = graded(tmp_path, sandbox, LAYER + ENDLESS, FUNCTION, limits=Limits(seconds=12.0, call_seconds=0.5))
    messages = {check["name"]: check["message"] for check in result.rows[0]["checks"]}
    assert "took more than 0.5 s and was stopped" in messages["the output has shape (batch, out_features)"]
    assert messages["every forward draws anew, in training"].startswith("Not run: it needs")
    assert "the gradient of the KL reaches all four parameters, and is right" in passed(result)
    assert result.rows[0]["score"] > 0


def test_checks_that_were_not_reached_say_so(sandbox: CountingSandbox, tmp_path: Path) -> None:
    slow = LAYER.replace("    def forward(", "    def kl_divergence_(self):\n        pass\n\n    def forward(")
    slow = slow.replace("return F.linear(", "import time\n        time.sleep(0.2)\n        return F.linear(")
    result = graded(tmp_path, sandbox, slow, FUNCTION, limits=Limits(seconds=8.0, call_seconds=2.0))
    assert result.rows[0]["status"] == "timeout"
    assert "the KL is the closed form, for weights and biases together" in passed(result)
    assert any(check["message"].startswith("Not run: time was up") for check in result.rows[0]["checks"])


def test_an_endless_exercise_leaves_the_next_its_time(sandbox: CountingSandbox, tmp_path: Path) -> None:
    result = graded(tmp_path, sandbox, LAYER + ENDLESS, FUNCTION, limits=Limits(seconds=8.0, call_seconds=0.5))
    assert statuses(result) == ["timeout", "passed"]
    assert "took more than 0.5 s" in json.dumps(result.rows[0])


def test_cells_that_end_the_code_are_run_once(sandbox: CountingSandbox, tmp_path: Path) -> None:
    result = graded(tmp_path, sandbox, LAYER + "\nimport os\nBayesianLinear.x = os._exit(4)\n", FUNCTION)
    assert statuses(result) == ["error", "error"]
    assert sandbox.starts == 1


def test_compiled_code_is_graded_uncompiled(sandbox: CountingSandbox, tmp_path: Path) -> None:
    compiled = FUNCTION.replace("def sample_preactivation(", "@torch.compile(dynamic=True)\ndef sample_preactivation(")
    method = LAYER.replace("    def forward(", "    @torch.compile\n    def forward(")
    assert compiled != FUNCTION
    assert method != LAYER
    assert statuses(graded(tmp_path, sandbox, method, compiled)) == ["passed", "passed"]


def test_what_a_package_wrote_is_no_answer(sandbox: CountingSandbox, tmp_path: Path) -> None:
    result = graded(tmp_path, sandbox, "from torch.nn import Linear as BayesianLinear", FUNCTION)
    assert statuses(result) == ["not_attempted", "passed"]
    assert "this is the one of torch" in result.rows[0]["message"]

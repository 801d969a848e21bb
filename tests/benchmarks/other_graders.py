"""How fast nbgrader and Otter-Grader grade the same layers: their check runs the same checks, in the learner's process.

Each is measured as its user starts it, without a container, and only where it is installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from classroom.notebooks import notebook

CHECK = "from bnn_core.autograder import check\ncheck(BayesianLinear)"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
# Otter's exception-based tests: one that returns has passed.
OTTER_TEST = """\
from bnn_core.autograder import check
from otter.test_files import test_case

OK_FORMAT = False
name = "layer"
points = 10


@test_case()
def test_layer(BayesianLinear):
    check(BayesianLinear)
"""


def write_notebook(path: Path, *sources: str, **metadata: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook(*sources, metadata=metadata)))


def command(name: str) -> str | None:
    """Where it is installed, beside this Python or on the path."""
    return shutil.which(name, path=PATH)


def print_nbgrader(folder: Path, layers: list[str]) -> None:
    nbgrader = command("nbgrader")
    if nbgrader is None:
        print("nbgrader is not installed, so there is no figure of its")
        return
    course, lesson = folder / "nbgrader", "layer"
    cell = {"grade": False, "solution": True, "locked": False, "task": False, "schema_version": 3, "grade_id": "answer"}
    check = {**cell, "grade": True, "solution": False, "locked": True, "grade_id": "check", "points": 10}
    students = [course / "submitted" / f"s{number:03d}" for number in range(len(layers))]
    for home, layer in zip([course / "source", *students], [layers[0], *layers], strict=True):
        path = home / lesson / f"{lesson}.ipynb"
        write_notebook(path, layer, CHECK)
        document = json.loads(path.read_text())
        for written, metadata in zip(document["cells"], (cell, check), strict=True):
            written["metadata"]["nbgrader"] = metadata
        path.write_text(json.dumps(document))
    run([nbgrader, "generate_assignment", lesson], course)
    print_rate("nbgrader", len(layers), run([nbgrader, "autograde", lesson], course, may_fail=True))


def print_otter(folder: Path, layers: list[str]) -> None:
    """By `otter run`, a submission at a time; `otter grade` needs Docker, and starts a container for each besides."""
    otter = command("otter")
    if otter is None:
        print("Otter-Grader is not installed, so there is no figure of its")
        return
    course = folder / "otter"
    tests = course / "tests"
    tests.mkdir(parents=True)
    (tests / "layer.py").write_text(OTTER_TEST)
    run([otter, "generate", "-t", str(tests), "-o", "autograder.zip"], course)
    seconds, scores = 0.0, []
    for number, layer in enumerate(layers):
        home = course / f"s{number:03d}"
        write_notebook(home / "layer.ipynb", layer)
        seconds += run([otter, "run", "-a", "../autograder.zip", "-o", ".", "layer.ipynb"], home)
        results = json.loads((home / "results.json").read_text())
        scores.append(sum(test.get("score", 0) for test in results["tests"]))
    print_rate("Otter-Grader", len(layers), seconds)
    print(f"  full marks from it: {sum(score == 10 for score in scores)} of {len(scores)}")


def run(arguments: list[str], folder: Path, may_fail: bool = False) -> float:
    """The seconds that it takes."""
    environment = {**os.environ, "PATH": PATH}  # nbgrader starts alembic by its name
    began = time.perf_counter()
    subprocess.run(arguments, cwd=folder, env=environment, check=not may_fail, capture_output=True)
    return time.perf_counter() - began


def print_rate(name: str, size: int, seconds: float) -> None:
    print(f"{name}, {size} of the same, one after another: {60 * size / seconds:.0f} a minute")

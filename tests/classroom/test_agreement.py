"""`check`, which a learner runs, and `grade`, which an instructor does, say the same of every notebook."""

# ruff: noqa: E501  (each case stays together)

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from classroom.notebooks import LESSON, RIGHT, WRONG, notebook

from bnn_core.autograder.exercises import EXERCISES
from bnn_core.classroom.grading import grade
from bnn_core.classroom.sandbox.launching import Limits, Sandbox, WarmSandbox
from bnn_core.classroom.submissions import find_submissions
from bnn_core.course.notebook_checks import check_notebook
from bnn_core.lesson_files import LessonFileError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="submissions are shut in on Linux alone")

STUB = "class BayesianLinear:\n    def __init__(self, *sizes):\n        raise NotImplementedError"
Files = dict[str, str]


def code(*sources: str, **fields: object) -> Files:
    return {f"{LESSON}.ipynb": json.dumps(notebook(*sources, **fields))}


def prose(kind: str, source: str, *sources: str) -> Files:
    """A notebook that begins with a cell of text."""
    content = notebook(*sources)
    return {
        f"{LESSON}.ipynb": json.dumps({**content, "cells": [{"cell_type": kind, "source": source}, *content["cells"]]})
    }


def conflict() -> str:
    lines = json.dumps(notebook(RIGHT), indent=1).split("\n")
    return "\n".join([*lines[:3], "<<<<<<< HEAD", lines[3], "=======", lines[3], ">>>>>>> mine", *lines[4:]])


KERNEL = {"metadata": {"language_info": {"name": "python", "version": "3.19.1"}}}

# What was handed in, the status, and what both must say of it.
CASES: dict[str, tuple[Files, str, str]] = {
    "right": (code(RIGHT), "passed", ""),
    "wrong": (code(WRONG), "failed", "checks passed"),
    "stub": (code(STUB), "not_attempted", "NotImplementedError"),
    "nothing": (code("x = 1"), "not_attempted", "no cell of the notebook defines it"),
    "no cells": (code(), "not_attempted", "no cell"),
    "in Markdown": (prose("markdown", RIGHT), "error", "the Markdown cell at the top seems to define it, and text isn't run"),
    "in a raw cell": (prose("raw", RIGHT, "x = 1"), "error", "the raw cell at the top"),
    "in Markdown, above the stub": (prose("markdown", RIGHT, STUB), "not_attempted", "make it a code cell"),
    "in Markdown, fenced": (prose("markdown", f"Mine:\n```python\n{RIGHT}\n```"), "error", "make it a code cell"),
    "a folded solution": (prose("markdown", f"<details>\n{RIGHT}\n</details>", STUB), "not_attempted", "NotImplementedError"),
    "a module": (code("from my_layers import BayesianLinear") | {"my_layers.py": RIGHT}, "passed", ""),
    "a module, starred": (code("from my_layers import *") | {"my_layers.py": RIGHT}, "passed", ""),
    "a module without it": (code("from my_layers import *") | {"my_layers.py": "x = 1"}, "not_attempted", "no cell"),
    "a module in a package": (
        code("from net.layers import BayesianLinear") | {"net/__init__.py": "", "net/layers.py": RIGHT}, "passed", ""
    ),
    "a module that needs a module": (
        code("from a import BayesianLinear") | {"a.py": "from b import BayesianLinear", "b.py": RIGHT}, "passed", ""
    ),
    "a module in a folder that the notebook adds": (
        code("import os, sys\nsys.path.insert(0, os.path.join('src', 'mine'))", "from layers import BayesianLinear")
        | {"src/mine/layers.py": RIGHT}, "passed", "",
    ),
    "a module in a folder that is added by +=": (
        code("import sys", "sys.path += ['src']\nfrom layers import *") | {"src/layers.py": RIGHT}, "passed", "",
    ),
    "a folder that is added and not there": (code("import sys\nsys.path.append(NOWHERE)\n" + RIGHT), "passed", ""),
    "a module that raises": (code("from my_layers import BayesianLinear") | {"my_layers.py": "1 / 0"}, "error", "division"),
    "a module that was not handed in": (
        code("from my_layers import BayesianLinear"), "error", "put my_layers.py beside the notebook, and hand it in"
    ),
    "a copy of the reference": (
        code("from ref import BayesianLinear")
        | {"ref.py": Path(sys.modules["bnn_core"].__file__ or "").with_name("bayesian_linear.py").read_text("utf-8")},
        "error", "the course's own",
    ),
    "data": (
        code("import csv, numpy as np, torch\nscale = float(next(csv.reader(open('data/x.csv')))[0])\n"
             + RIGHT + "\nBayesianLinear.scale = scale * np.loadtxt('y.txt')")
        | {"data/x.csv": "2.5", "y.txt": "1.0"}, "passed", "",
    ),
    "data that was not handed in": (code(RIGHT + "\nBayesianLinear.x = open('x.csv').read()"), "passed", ""),
    "data that is read late": (
        code(RIGHT.replace("def forward(self, x):", "def forward(self, x):\n        open('x.csv').close()"))
        | {"x.csv": "1"}, "passed", "",
    ),
    "%run": (code("%run helper.py") | {"helper.py": RIGHT}, "not_attempted", "write `from helper import *`"),
    "%run of what it needs": (
        code("%run helper.py\n" + RIGHT.replace("torch.randn", "draw").replace("self.weight_mean", "self.weight_mean"),
             "class BayesianLinear(Base): pass") | {"helper.py": "class Base: pass"},
        "error", "Cell 1 asks for helper.py by %run, which isn't carried out",
    ),
    "exec": (code("exec(open('helper.py').read())") | {"helper.py": RIGHT}, "not_attempted", "asks for helper.py by exec"),
    "%load": (code("%load helper.py") | {"helper.py": RIGHT}, "not_attempted", "by %load"),
    "newer syntax": (code("type Size = int\n" + RIGHT), "error", "uses what Python 3.12 brought"),
    "a newer kernel": (code("newer = = syntax\n" + RIGHT, **KERNEL), "error", "was written with Python 3.19"),
    "a syntax error": (code(RIGHT.replace("def forward(self, x):", "def forward(self x):")), "error", "isn't valid Python"),
    "a conflict in a cell": (code(f"<<<<<<< HEAD\n{RIGHT}\n=======\n>>>>>>> x"), "error", "merge conflict (line 1)"),
    "a conflict in the file": ({f"{LESSON}.ipynb": conflict()}, "unreadable", "merge conflict (line 4)"),
    "a stub below the answer": (code(RIGHT, STUB), "not_attempted", "is defined in cell 1 and again in cell 2, which counts"),
    "a wrong one below": (code(RIGHT, "x = 1", WRONG), "failed", "again in cell 3"),
    "a wrong one below, in the same cell": (code(f"{RIGHT}\n\n{WRONG}"), "failed", "again in cell 1, line"),
    "a right one below": (code(WRONG, RIGHT), "passed", ""),
    "one that builds on the other": (code(RIGHT, "class BayesianLinear(BayesianLinear): pass"), "passed", ""),
    "only if": (code("if False:\n" + RIGHT.replace("\n", "\n    ").replace("import", "    import", 1)), "error", ""),
    "defined by nothing that runs": (code("if 0 > 1:\n    BayesianLinear = 3"), "error", "does not define it when it runs"),
    "no class": (code("BayesianLinear = 3"), "error", ""),
    "the course's own": (code("from bnn_core import BayesianLinear"), "error", "it is what this lesson asks for"),
    "a child of the course's own": (
        code("from bnn_core import BayesianLinear as Base\nclass BayesianLinear(Base): pass"), "error", "asks for"
    ),
    "earlier lessons": (code("from bnn_core import gaussian_kl\n" + RIGHT + "\nBayesianLinear.kl = gaussian_kl"), "passed", ""),
    "figures": (code("from bnn_core.figures import show\nfrom bnn_core import datasets\n" + RIGHT), "passed", ""),
    "a guess": (code("from bnn_core.guesses import guess\n" + RIGHT, 'guess("alive", "How many?", ["1", "2"])'), "passed", ""),
    "the checks": (code("from bnn_core.autograder.exercises import EXERCISES\n" + RIGHT), "passed", ""),
    "half a notebook": ({f"{LESSON}.ipynb": json.dumps(notebook(RIGHT))[:-40]}, "unreadable", "no JSON"),
    "empty": ({f"{LESSON}.ipynb": ""}, "unreadable", "empty"),
    "a script": ({f"{LESSON}.py": f"# %% [markdown]\n# # Title\n\n# %%\n{RIGHT}"}, "passed", ""),
    "prompts": (code(">>> " + RIGHT.replace("\n", "\n... ")), "passed", ""),
    "magics": (code("%matplotlib inline\n!ls 'it\nx = !ls\n%time y = 1\n" + RIGHT + "\n?x"), "passed", ""),
}  # fmt: skip


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with WarmSandbox([Path(__file__).parents[2] / "bnn_core"]) as warm:
        warm.wait_until_ready()
        yield warm


def checked(path: Path) -> tuple[str, str]:
    try:
        (report,) = check_notebook(path).reports
    except LessonFileError as error:
        return "unreadable", str(error)
    return report.status, report.message


@pytest.mark.parametrize(("files", "status", "says"), CASES.values(), ids=CASES)
def test_check_and_grade_agree(tmp_path: Path, sandbox: Sandbox, files: Files, status: str, says: str) -> None:
    for name, content in files.items():
        path = tmp_path / "class" / "ada" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    lessons = sorted({exercise.lesson for exercise in EXERCISES.values()})
    (submission,) = find_submissions(tmp_path / "class", lessons).submissions
    (row,) = grade(submission, sandbox, Limits(), run_seed=0).rows
    learners = checked(tmp_path / "class" / "ada" / next(iter(files)))
    assert (row["status"], learners[0]) == (status, status), (row["message"], learners[1])
    for message in (row["message"], learners[1]):
        assert says in message

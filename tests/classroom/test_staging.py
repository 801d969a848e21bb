"""An answer can import what earlier lessons built, and neither what its own lesson asks for nor the checks."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import bnn_core
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.classroom.sandbox.staging import BUILT_IN, REFERENCE, importable_files

LESSONS = sorted({*BUILT_IN.values(), "04_bayes_by_backprop", "07_knowing_what_it_does_not_know"})


CHECKS = ["autograder.exercises", "autograder.exercise", "autograder.mistakes", "classroom.grading"]

# Runs each code in a process of its own, whose trouble it tells; what takes time is in all of them.
ONE_AFTER_THE_OTHER = """
import json, os, sys, traceback, warnings
packages, runs = json.load(sys.stdin)
sys.path += packages
import torch
told = {}
for name, (folder, code) in runs.items():
    reading, writing = os.pipe()
    with warnings.catch_warnings(action="ignore"):  # of torch's threads
        child = os.fork()
    if child == 0:
        sys.path.insert(0, folder)
        try:
            exec(code, {})
        except BaseException:
            os.write(writing, traceback.format_exc().encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        told[name] = pipe.read()
    os.waitpid(child, 0)
print(json.dumps(told))
"""


def names_code(lesson: str) -> str:
    """Code of an answer to the lesson that imports all names, whether they can be or not, and uses some."""
    lines = ["import bnn_core"]
    for name, built_in in BUILT_IN.items():
        home = next(module for module, names in REFERENCE.items() if name in names)
        for module in ("bnn_core", f"bnn_core.{home}"):
            why = "it is what this lesson asks for" if built_in == lesson else "a later lesson builds it"
            lines += [
                "try:",
                f"    from {module} import {name}",
                f"    assert {built_in < lesson}, '{name} could be imported from {module}'",
                "except ImportError as error:",
                f"    assert {built_in >= lesson} and {why!r} in str(error), error",
            ]
    if lesson >= "03":
        lines += ["import torch", "assert bnn_core.gaussian_kl(torch.zeros(2), torch.zeros(2)) == 0"]
        lines += ["bnn_core.monte_carlo_kl(torch.zeros(2), torch.zeros(2), 3)"]
    if lesson >= "04":
        lines += ["bnn_core.BayesianLinear(2, 3)(torch.ones(1, 2)).sum().backward()"]
    return "\n".join(lines)


OF_A_NOTEBOOK = """
from bnn_core.autograder import ChecksFailed, check
from bnn_core import datasets, figures
from bnn_core.figures import show, style
from bnn_core.guesses import guess, guessed
check(object)
guess("alive", "How many?", ["one", "two"])
guessed("alive")
assert show(None, alt="") is None
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each code raises that sees the package as an answer to its lesson does, and no other."""
    runs = {lesson: (lesson, names_code(lesson)) for lesson in LESSONS}
    runs |= {module: ("06_hidden_layer", f"import bnn_core.{module}") for module in CHECKS}
    runs["of a notebook"] = ("03_bayesian_linear", OF_A_NOTEBOOK)
    seen = {lesson: tmp_path_factory.mktemp(lesson) for lesson, _ in runs.values()}
    for lesson, folder in seen.items():
        for name, text in importable_files(lesson).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    packages = [path for path in sys.path if path.endswith("-packages")]
    orders = json.dumps([packages, {name: (str(seen[lesson]), code) for name, (lesson, code) in runs.items()}])
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", ONE_AFTER_THE_OTHER]
    done = subprocess.run(command, input=orders, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_every_name_of_the_reference_is_known_with_its_lesson() -> None:
    assert set(bnn_core.__all__) == {name for names in REFERENCE.values() for name in names}
    assert set(BUILT_IN) == set(bnn_core.__all__) & set(EXERCISES)


@pytest.mark.parametrize("lesson", LESSONS)
def test_earlier_names_can_be_imported_and_others_say_why_not(lesson: str, told: dict[str, str]) -> None:
    assert told[lesson] == ""


def test_no_text_of_a_withheld_reference_is_there() -> None:
    files = importable_files("02_kl_divergence")
    assert "def sample_gaussian" in files["bnn_core/gaussian.py"]
    for withheld in (
        "def gaussian_kl",
        "def monte_carlo_kl",
        "class BayesianLinear",
        "class HiddenLayer",
        "raise Failed",
        "Misconception(",
    ):
        assert not any(withheld in text for text in files.values()), withheld


def test_what_a_notebook_imports_is_there(told: dict[str, str]) -> None:
    assert told["of a notebook"] == ""


@pytest.mark.parametrize("module", CHECKS)
def test_the_checks_can_t_be_imported(module: str, told: dict[str, str]) -> None:
    assert "can't be imported while an answer is graded" in told[module]

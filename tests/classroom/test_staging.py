"""An answer can import what earlier lessons built, and neither what its own lesson asks for nor the checks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import bnn_core
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.classroom.sandbox.staging import BUILT_IN, REFERENCE, importable_files

LESSONS = sorted({*BUILT_IN.values(), "04_bayes_by_backprop", "07_knowing_what_it_does_not_know"})


def run(lesson: str, code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code that sees the package as an answer to the lesson does, and no other."""
    for name, text in importable_files(lesson).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    packages = [path for path in sys.path if path.endswith("-packages")]
    code = f"import sys; sys.path[:0] = {[str(folder)]!r}; sys.path += {packages!r}\n{code}"
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_name_of_the_reference_is_known_with_its_lesson() -> None:
    assert set(bnn_core.__all__) == {name for names in REFERENCE.values() for name in names}
    assert set(BUILT_IN) == set(bnn_core.__all__) & set(EXERCISES)


@pytest.mark.parametrize("lesson", LESSONS)
def test_earlier_names_can_be_imported_and_others_say_why_not(lesson: str, tmp_path: Path) -> None:
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
    result = run(lesson, "\n".join(lines), tmp_path)
    assert result.returncode == 0, result.stderr


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


def test_what_a_notebook_imports_is_there(tmp_path: Path) -> None:
    code = """
from bnn_core.autograder import ChecksFailed, check
from bnn_core import datasets, figures
from bnn_core.figures import show, style
from bnn_core.guesses import guess, guessed
check(object)
guess("alive", "How many?", ["one", "two"])
guessed("alive")
assert show(None, alt="") is None
"""
    result = run("03_bayesian_linear", code, tmp_path)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "module", ["autograder.exercises", "autograder.exercise", "autograder.mistakes", "classroom.grading"]
)
def test_the_checks_can_t_be_imported(module: str, tmp_path: Path) -> None:
    result = run("06_hidden_layer", f"import bnn_core.{module}", tmp_path)
    assert "can't be imported while an answer is graded" in result.stderr

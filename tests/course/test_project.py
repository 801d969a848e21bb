"""The project's own files agree with each other: what is imported is pinned, and the README's commands are real."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest

from bnn_core.course.command_line import main
from bnn_core.lesson_files import Course

ROOT = Course().root
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OPTIONAL = {"torchbnn", "bayesian_torch", "blitz", "torch_uncertainty", "nbgrader"}  # measured where installed


def pins(lines: list[str]) -> dict[str, str]:
    found = (re.fullmatch(r"([\w.-]+)==([\w.]+)", line) for line in lines)
    return {match[1].lower().replace("_", "-"): match[2] for match in found if match}


REQUIRED = pins((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines())
RANGES = {
    match[1].lower().replace("_", "-"): (match[2], match[3])
    for match in re.finditer(r"([\w-]+)>=([\d.]+),<([\d.]+)", "\n".join(PROJECT["project"]["dependencies"]))
}
FOR_TESTS = {"pytest", "nbval", "pytest-xdist", "hypothesis", "psutil"}
FOR_CLUSTER, FOR_SITE, FOR_CI = (
    pins(PROJECT["project"]["optional-dependencies"][extra]) for extra in ("cluster", "site", "ci")
)


def imported(folder: Path) -> Iterator[str]:
    """The packages that a folder's Python files import."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                yield node.module.split(".")[0]


@pytest.mark.parametrize(
    ("folder", "pinned"),
    [
        ("bnn_core", REQUIRED | FOR_CLUSTER | FOR_SITE),
        ("solutions", REQUIRED),
        ("tests", REQUIRED | FOR_CLUSTER | FOR_CI),
    ],
)
def test_what_is_imported_is_pinned(folder: str, pinned: dict[str, str]) -> None:
    distributions = packages_distributions()
    own = {"bnn_core", *(path.stem for path in (ROOT / folder).rglob("*") if path.is_dir() or path.suffix == ".py")}
    others = set(imported(ROOT / folder)) - sys.stdlib_module_names - OPTIONAL - own
    names = {name.lower().replace("_", "-") for package in others for name in distributions.get(package, [package])}
    assert names - set(pinned) == set()


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_the_package_asks_for_what_is_pinned_in_ranges() -> None:
    """So that `pip install` of the package alone gives a course that runs."""
    assert len(RANGES) == len(PROJECT["project"]["dependencies"])
    assert RANGES.keys() == REQUIRED.keys() - FOR_TESTS
    for name, (lowest, beyond) in RANGES.items():
        assert numbers(lowest) <= numbers(REQUIRED[name]) < numbers(beyond), name


@pytest.mark.parametrize(("name", "pinned"), REQUIRED.items())
def test_this_environment_is_the_pinned_one(name: str, pinned: str) -> None:
    assert version(name).split("+")[0] == pinned


def test_the_commands_that_the_readme_names_exist() -> None:
    assert set(re.findall(r"bnn-course (\w+)", README)) <= set(main.commands)


def test_the_readmes_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", README)
    relative = [target for target in map("".join, targets) if not target.startswith("http")]
    missing = [target for target in relative if not (ROOT / target).exists()]
    if not Course().solutions.exists():  # as it is handed out to learners
        missing = [target for target in missing if not target.startswith("solutions/")]
    assert missing == []


@pytest.mark.parametrize("goal", ["bnn-course lab", "pytest"])
def test_the_readme_sets_up_and_runs_in_one_line_on_either_system(goal: str) -> None:
    lines = [line for line in README.splitlines() if re.search(rf"(bin/|\\){goal}$", line.strip())]
    assert len(lines) == 2
    assert all("requirements.txt" in line and "venv" in line for line in lines)

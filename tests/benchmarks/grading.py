"""How fast and how rightly a class is graded: 200 submissions of lesson 03 from the zoo of right and wrong layers.

Run it as `python tests/benchmarks/grading.py`. It prints throughput, the time of a single submission, memory, and
every row that is wrong; beside them nbgrader's throughput on the same submissions where nbgrader is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from classroom.notebooks import notebook
from zoo.bayesian_linear import RIGHT, WRONG

COURSE = Path(__file__).parents[2]
LESSON = "03_bayesian_linear"
MEGABYTE = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=200, help="how many submissions")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="how many at a time")
    parser.add_argument("--nbgrader-size", type=int, default=10, help="how many of them nbgrader is given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = write_class(folder / "class", options.size)
        write_class(folder / "one", 1)
        print(f"one submission, from a cold start: {grade(folder / 'one', folder / 'r1', 1)[0]:.1f} s")
        seconds, memory = grade(folder / "class", folder / "report", options.jobs)
        rate = 60 * options.size / seconds
        print(f"{options.size} submissions, {options.jobs} at a time: {seconds:.0f} s, {rate:.0f} a minute")
        print_times(folder / "report")
        memory_of_torch = torch_memory() / MEGABYTE
        print(f"memory of the grader: {memory / MEGABYTE:.0f} MB, importing torch alone: {memory_of_torch:.0f} MB")
        print_wrong_rows(folder / "report", expected)
        print_nbgrader(folder, options.nbgrader_size)


def write_class(folder: Path, size: int) -> dict[str, Any]:
    """Right and wrong submissions by turns; returns for each student None, or the mistake they made."""
    expected: dict[str, Any] = {}
    right = list(RIGHT.values())
    for number in range(size):
        mistake = WRONG[number // 2 % len(WRONG)] if number % 2 else None
        student = f"student-{number:03d}"
        source = mistake.source if mistake else right[number // 2 % len(right)]
        write_notebook(folder / student / f"{LESSON}.ipynb", source)
        expected[student] = mistake
    return expected


def write_notebook(path: Path, *sources: str, **metadata: Any) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(notebook(*sources, metadata=metadata)))


def grade(submissions: Path, report: Path, jobs: int) -> tuple[float, int]:
    """The seconds that it takes, and the most memory that the grader's processes, each page counted once, use."""
    command = [
        sys.executable,
        "-m",
        "bnn_core",
        "grade",
        str(submissions),
        "--output",
        str(report),
        "--jobs",
        str(jobs),
    ]
    began, most = time.perf_counter(), 0
    with subprocess.Popen(command, cwd=COURSE, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            most = max(most, memory_of_grader(process.pid))
            time.sleep(0.25)
    if process.returncode:
        raise SystemExit(process.returncode)
    return time.perf_counter() - began, most


def memory_of_grader(process: int) -> int:
    """What the coordinator and its workers use, without the sandbox."""
    total = 0
    try:
        family = [psutil.Process(process), *psutil.Process(process).children()]
        for member in family:
            if "-c" not in member.cmdline():
                total += member.memory_full_info().pss
    except psutil.Error:
        pass
    return total


def torch_memory() -> int:
    code = "import psutil, torch; print(psutil.Process().memory_full_info().pss)"
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def print_times(report: Path) -> None:
    lines = map(json.loads, (report / "results.jsonl").read_text().splitlines())
    seconds = [line["graded"]["seconds"] for line in lines if "graded" in line]
    cuts = statistics.quantiles(seconds, n=100)
    print(f"seconds for one: median {cuts[49]:.2f}, 95 % within {cuts[94]:.2f}, the slowest {max(seconds):.2f}")


def print_wrong_rows(report: Path, expected: dict[str, Any]) -> None:
    rows = json.loads((report / "report.json").read_text())["results"]
    wrong = [row for row in rows if not is_right(row, expected[row["student"]])]
    missing = set(expected) - {row["student"] for row in rows}
    print(f"wrong rows: {len(wrong)}, missing rows: {len(missing)}")
    for row in wrong:
        failed = next((f"{check['name']}: {check['message']}" for check in row["checks"] if not check["passed"]), "")
        print(f"  {row['student']}: {row['status']}, {row['message']}; {failed}")


def is_right(row: dict[str, Any], mistake: Any) -> bool:
    """Whether a right layer passes, and a wrong one fails first at the check that it should, for the right reason."""
    if mistake is None:
        return bool(row["status"] == "passed" and row["score"] == row["max_score"])
    failed = next((check for check in row["checks"] if not check["passed"]), None)
    return failed is not None and (failed["name"], failed["misconception"]) == (mistake.check, mistake.misconception)


def print_nbgrader(folder: Path, size: int) -> None:
    """nbgrader's autograde on the same layers; its check cell runs the same checks, in the learner's process."""
    nbgrader = shutil.which("nbgrader", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if nbgrader is None:
        print("nbgrader is not installed, so there is no figure of its")
        return
    course = folder / "nbgrader"
    solution = {
        "grade": False,
        "solution": True,
        "locked": False,
        "task": False,
        "schema_version": 3,
        "grade_id": "answer",
    }
    check = {**solution, "grade": True, "solution": False, "locked": True, "grade_id": "check", "points": 10}
    names = [f"s{number:03d}" for number in range(size)]
    sources = [item.source for item in WRONG]
    homes = [course / "source" / LESSON, *(course / "submitted" / name / LESSON for name in names)]
    for number, home in enumerate(homes):
        layer = (
            list(RIGHT.values())[number // 2 % len(RIGHT)] if number % 2 == 0 else sources[number // 2 % len(sources)]
        )
        path = home / f"{LESSON}.ipynb"
        write_notebook(path, layer, "from bnn_core.autograder import check\ncheck(BayesianLinear)")
        notebook = json.loads(path.read_text())
        for cell, metadata in zip(notebook["cells"], (solution, check), strict=True):
            cell["metadata"]["nbgrader"] = metadata
        path.write_text(json.dumps(notebook))
    quiet = {"cwd": course, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([nbgrader, "generate_assignment", LESSON], check=True, **quiet)  # type: ignore[call-overload]
    began = time.perf_counter()
    subprocess.run([nbgrader, "autograde", LESSON], check=False, **quiet)  # type: ignore[call-overload]
    print(f"nbgrader, {size} of the same: {60 * size / (time.perf_counter() - began):.0f} a minute")


if __name__ == "__main__":
    main()

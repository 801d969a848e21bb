"""How fast and how rightly a class is graded: 200 submissions of lesson 03 from the zoo of right and wrong layers.

Run it as `python tests/benchmarks/grading.py`. It prints throughput, the time of a single submission, memory, and
every row that is wrong; beside them the throughput of other graders on the same submissions, where these are installed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.other_graders import print_nbgrader, print_otter, write_notebook
from zoo.bayesian_linear import RIGHT, WRONG

COURSE = Path(__file__).parents[2]
LESSON = "03_bayesian_linear"
MEGABYTE = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=200, help="how many submissions")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="how many at a time")
    parser.add_argument("--others-size", type=int, default=10, help="how many of them other graders are given")
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
        if layers := [layer_of(number)[0] for number in range(options.others_size)]:
            print_nbgrader(folder, layers)
            print_otter(folder, layers)


def write_class(folder: Path, size: int) -> dict[str, Any]:
    """Right and wrong submissions by turns; returns for each student None, or the mistake they made."""
    expected: dict[str, Any] = {}
    for number in range(size):
        student = f"student-{number:03d}"
        source, expected[student] = layer_of(number)
        write_notebook(folder / student / f"{LESSON}.ipynb", source)
    return expected


def layer_of(number: int) -> tuple[str, Any]:
    """The source of a student's layer, and None or the mistake in it."""
    if number % 2:
        mistake = WRONG[number // 2 % len(WRONG)]
        return mistake.source, mistake
    return list(RIGHT.values())[number // 2 % len(RIGHT)], None


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


if __name__ == "__main__":
    main()

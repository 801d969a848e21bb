"""How grading scales with the workers of a Dask cluster on this machine, and how much memory the grader takes, on the
class of `grading.py`, whose answers repeat.

Run it as `python tests/benchmarks/cluster.py`. For one worker, two, four and so on up to as many as there are cores, it
prints the throughput once all are warm, per worker too, and the resident memory of the grader when a tenth, a half and
all of the class had been graded.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
from distributed import Client

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.grading import COURSE, MEGABYTE, print_wrong_rows, write_class

from bnn_core.classroom.cluster import on_worker
from bnn_core.classroom.sandbox.launching import Limits

MARKS = (0.1, 0.5, 1.0)
"""Shares of the class at which memory is looked at."""


def main() -> None:
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1_000, help="how many submissions")
    parser.add_argument("--workers", type=int, default=cores, help="how many workers at most")
    options = parser.parse_args()
    counts = [1 << power for power in range(options.workers.bit_length()) if 1 << power < options.workers]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = write_class(folder / "class", options.size)
        for count in [*counts, options.workers]:
            with cluster(folder, count) as address:
                seconds, memory = grade(folder, folder / f"report-{count}", address, options.size)
            rate = 60 * options.size / seconds
            print(f"{count} workers: {options.size} in {seconds:.0f} s, {rate:.0f} a minute, {rate / count:.0f} each")
            print(
                f"  memory of the grader: {', '.join(f'{share:.0%} {most:.0f} MB' for share, most in memory.items())}"
            )
            print_wrong_rows(folder / f"report-{count}", expected)


@contextlib.contextmanager
def cluster(folder: Path, count: int) -> Iterator[str]:
    """A scheduler with so many warm workers; its address."""
    file = folder / f"scheduler-{count}.json"
    there = ["--scheduler-file", str(file), "--no-dashboard"]
    commands = [["dask_scheduler", "--port", "0", *there]]
    names = [f"worker-{number}" for number in range(count)]  # Dask takes a bare number for an integer
    commands += [["dask_worker", "--nthreads", "1", "--no-nanny", "--name", name, *there] for name in names]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [
        subprocess.Popen([sys.executable, "-m", f"distributed.cli.{kind}", *options], cwd=folder, **quiet)  # type: ignore[call-overload]
        for kind, *options in commands
    ]
    try:
        while not file.exists():
            time.sleep(0.1)
        address = str(json.loads(file.read_text())["address"])
        with Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(count)
            limits = json.dumps(asdict(Limits()))
            for future in [client.submit(on_worker.about, limits, workers=[name], pure=False) for name in names]:
                future.result()
        yield address
    finally:
        for process in processes:
            process.kill()
            process.wait()


def grade(folder: Path, report: Path, address: str, size: int) -> tuple[float, dict[float, float]]:
    """The seconds from the first result to the last, and the grader's megabytes at each of the MARKS."""
    command = [sys.executable, "-m", "bnn_core", "grade", str(folder / "class"), "--output", str(report)]
    memory: dict[float, float] = {}
    began = ended = 0.0
    with subprocess.Popen([*command, "--scheduler", address], cwd=COURSE, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            done = results_in(report / "results.jsonl")
            began = began or (time.perf_counter() if done else 0.0)
            ended = time.perf_counter() if done < size else ended or time.perf_counter()
            with contextlib.suppress(psutil.Error):
                for mark in MARKS:
                    if done >= mark * size and mark not in memory:
                        memory[mark] = psutil.Process(process.pid).memory_info().rss / MEGABYTE
            time.sleep(0.1)
    if process.returncode:
        raise SystemExit(process.returncode)
    return ended - began, memory


def results_in(journal: Path) -> int:
    return journal.read_bytes().count(b'"graded"') if journal.exists() else 0


if __name__ == "__main__":
    main()

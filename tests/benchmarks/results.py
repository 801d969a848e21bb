"""Everything that is measured of the course, written into RESULTS.md beside this file, with the machine and the date.

Run it as `python tests/benchmarks/results.py` on a machine that has nothing else to do: it takes about half an hour.
With `--part` it measures that part anew and leaves the others. Libraries that aren't installed are named in the tables
as skipped.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from tqdm import tqdm

HERE = Path(__file__).parent
COURSE = HERE.parents[1]
RESULTS = HERE / "RESULTS.md"
PACKAGES = ("torch", "numpy", "pyro-ppl", "jupyterlab")
PARTS = {
    "layers": "A training step",
    "grading": "Grading a class",
    "cluster": "Grading on a cluster of this machine's cores",
    "lessons": "Running the solved lessons",
    "start-ups": "Starting",
}
BEGINNING = """# What was measured

By `python tests/benchmarks/results.py`. Ratios hold on other machines, too; seconds are those of the machine named.
"""
START_UPS = {
    "`import bnn_core`, less Python's own start": ["-c", "import bnn_core"],
    "`bnn-course --help`": ["-m", "bnn_core", "--help"],
    "`bnn-course check` of a learner's lesson 01": ["-m", "bnn_core", "check", "lessons/01_reparameterization.ipynb"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000], help="of the classes that are graded")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure (default: all)")
    arguments = parser.parse_args()
    measures: dict[str, Callable[[], Iterator[str]]] = {
        "layers": layers,
        "grading": lambda: grading(arguments.sizes),
        "cluster": lambda: output_of("cluster.py", "--size", "400"),
        "lessons": lessons,
        "start-ups": start_ups,
    }
    told = told_before()
    for part in tqdm(arguments.part):
        where = list(machine())
        told[PARTS[part]] = "\n".join([*where, "", *measures[part]()])
    sections = [f"## {title}\n\n{told[title]}\n" for title in PARTS.values() if title in told]
    RESULTS.write_text("\n".join([BEGINNING, *sections]), encoding="utf-8")


def told_before() -> dict[str, str]:
    """What stands in the file, by title."""
    written = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    sections = (section.partition("\n") for section in written.split("\n## ")[1:])
    return {title: text.strip() for title, _, text in sections}


def machine() -> Iterator[str]:
    """Where and when, and what was busy besides."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    yield f"On {datetime.date.today()}: {processor()}, {os.cpu_count()} cores, Python {platform.python_version()},"
    yield f"{packages}. The load was {os.getloadavg()[0]:.1f} at the start."


def processor() -> str:
    information = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*: (.*)", information.read_text()) if information.exists() else None
    return named[1] if named else platform.processor() or platform.machine()


def output_of(script: str, *arguments: str) -> Iterator[str]:
    """What a benchmark prints, as it stands."""
    command = [sys.executable, str(HERE / script), *arguments]
    run = subprocess.run(command, cwd=COURSE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    yield from ("```", *run.stdout.strip().splitlines(), "```")


def layers() -> Iterator[str]:
    yield "Times are over those of `nn.Linear`, in one process, the order changed each turn; sizes are batch, inputs,"
    yield "outputs."
    yield ""
    yield from output_of("layers.py")


def grading(sizes: list[int]) -> Iterator[str]:
    for size in sizes:
        others = 10 if size == sizes[0] else 0
        yield from output_of("grading.py", "--size", str(size), "--others-size", str(others))


def lessons() -> Iterator[str]:
    """The seconds of each, its kernel's start among them."""
    yield "| Lesson | Seconds |"
    yield "|---|---|"
    for path in tqdm(sorted((COURSE / "solutions").glob("[0-9]*.ipynb")), leave=False):
        notebook = nbformat.read(path, as_version=4)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:  # where guesses are kept
            NotebookClient(notebook, timeout=None, resources={"metadata": {"path": folder}}).execute()
        yield f"| {path.stem} | {time.perf_counter() - began:.0f} |"


def start_ups() -> Iterator[str]:
    """The median of several, in turns."""
    yield "| | Seconds, the median of 7 |"
    yield "|---|---|"
    bare = seconds_of(["-c", ""])
    for name, arguments in START_UPS.items():
        seconds = seconds_of(arguments) - (bare if arguments[0] == "-c" else 0)
        yield f"| {name} | {seconds:.2f} |"


def seconds_of(arguments: list[str]) -> float:
    times = []
    for _ in range(7):
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], cwd=COURSE, capture_output=True, check=False)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


if __name__ == "__main__":
    main()

"""`bnn-course grade`: what an instructor types and reads. It may not know how a submission is graded; it puts the
parts together and turns what can go wrong into one line each.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

if TYPE_CHECKING:
    from bnn_core.classroom.grading import Graded
    from bnn_core.classroom.results import Journal
    from bnn_core.classroom.sandbox.launching import Sandbox
    from bnn_core.classroom.submissions import Submission

PACKAGE = Path(__file__).parents[1]
GIBIBYTE = 1 << 30


class CannotGrade(click.ClickException):
    """What was asked for can't be done: one line, and exit status 2."""

    exit_code = 2


@dataclass(frozen=True)
class Request:
    """What was typed."""

    submissions: Path
    output: Path
    lesson: str | None
    jobs: int
    timeout: float
    call_timeout: float
    memory: float
    seed: int | None
    fresh: bool
    unsafe: bool


@click.command()
@click.argument("submissions", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="The folder to write the report to.")
@click.option(
    "--lesson", help="Grade this lesson alone: its name, its number or its topic.  [default: all that are found]"
)
@click.option(
    "--jobs", type=click.IntRange(1), help="How many submissions to grade side by side.  [default: a core each]"
)
@click.option(
    "--timeout", type=click.FloatRange(0.1), default=30.0, show_default=True, help="Seconds for a submission."
)
@click.option(
    "--call-timeout", type=click.FloatRange(0.1), default=10.0, show_default=True, help="Seconds for one call."
)
@click.option("--memory", type=click.FloatRange(0.1), default=2.0, show_default=True, help="GiB for a submission.")
@click.option("--seed", type=click.IntRange(0), help="Repeat a grading: the seed that its report names.")
@click.option("--fresh", is_flag=True, help="Grade again what this report holds already.")
@click.option("--unsafe", is_flag=True, help="Run the code without protection where the system offers none.")
def grade(**arguments: Any) -> None:
    """Grade a folder of SUBMISSIONS: SUBMISSIONS/<student>/<lesson>.ipynb, or nbgrader's layout."""
    request = Request(**arguments)
    if not request.submissions.is_dir():
        raise CannotGrade(f"{request.submissions} is no folder; give the one that holds a folder per student")
    if sys.platform == "win32":
        raise CannotGrade("Windows has no way to shut submissions in; grade on Linux, or in WSL 2")
    try:
        request.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotGrade(f"{request.output} can't be written to: {error.strerror}") from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _grade(request)
    except KeyboardInterrupt:
        raise click.ClickException("stopped; start it again to go on from here") from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(f"{place}{error.strerror or error}; start it again to go on from here") from None


def _grade(request: Request) -> None:
    from bnn_core.classroom.sandbox.launching import NoSandbox, SandboxLost, WarmSandbox

    hidden = (
        *(PACKAGE.parent / name for name in ("solutions", "lessons", "tests")),
        PACKAGE,
        request.submissions.resolve(),
        request.output.resolve(),
    )
    with WarmSandbox(hidden) as sandbox:  # it loads torch while this process does
        from bnn_core.classroom.control import NotProven
        from bnn_core.classroom.results import Journal

        with Journal(request.output, request.fresh) as journal:
            try:
                results, seed = _results(request, sandbox, journal, hidden)
            except NoSandbox as error:
                raise CannotGrade(
                    f"nothing here can shut submitted code in: {error}. --unsafe runs it all the same"
                ) from None
            except NotProven as error:
                raise CannotGrade(
                    f"a right answer of the course's own is not graded right here, so nothing was graded: {error}"
                ) from None
            except SandboxLost as error:
                raise click.ClickException(f"{error}; start it again to go on from here") from None
    _write(request.output, results, seed)


def _results(
    request: Request, first: Sandbox, journal: Journal, hidden: tuple[Path, ...]
) -> tuple[list[tuple[Submission, Graded]], int]:
    """Every submission with its result, graded now or before."""
    from bnn_core.classroom.crew import Assignment, grade_all
    from bnn_core.classroom.results import course_version, key_of
    from bnn_core.classroom.sandbox.launching import Limits, ready_sandbox
    from bnn_core.classroom.submissions import digest_of

    folder = request.submissions.resolve()
    submissions = _find(request, folder)
    seed = request.seed if request.seed is not None else journal.seed
    seed = secrets.randbits(31) if seed is None else seed
    journal.begin(seed)
    limits = Limits(request.timeout, min(request.call_timeout, request.timeout), int(request.memory * GIBIBYTE))
    circumstances = (course_version(PACKAGE), seed, limits, request.unsafe)
    keys = [
        key_of(item.student, item.lesson, item.path, item.set_aside, digest_of(item.path), *circumstances)
        for item in submissions
    ]
    missing = [position for position, key in enumerate(keys) if key not in journal]
    assignment = Assignment(limits, seed, hidden, request.unsafe)
    todo = [submissions[position] for position in missing]
    with tqdm(total=len(submissions), initial=len(submissions) - len(todo), unit="submission", disable=None) as bar:
        if todo:
            sandbox = ready_sandbox(first, hidden, request.unsafe)
            if sandbox.protection == "none":
                click.echo("warning: submitted code runs without any protection", err=True)
            for position, graded in grade_all(todo, assignment, request.jobs or _cores(), sandbox):
                journal.add(keys[missing[position]], graded)
                bar.update()
    return [(item, journal[key]) for item, key in zip(submissions, keys, strict=True)], seed


def _find(request: Request, folder: Path) -> list[Submission]:
    from bnn_core.autograder.exercises import EXERCISES
    from bnn_core.classroom.sandbox.reading import identify
    from bnn_core.classroom.submissions import find_submissions, stray_files

    lessons = sorted({exercise.lesson for exercise in EXERCISES.values()})
    only = _lesson(request.lesson, lessons) if request.lesson is not None else None
    for name in stray_files(folder):
        click.echo(f"{name} lies beside the students' folders, so it belongs to nobody and was not graded", err=True)
    submissions = find_submissions(folder, lessons, only, identify)
    if not submissions:
        raise CannotGrade(f"{request.submissions} holds no notebook in a student's folder")
    return submissions


def _lesson(wanted: str, lessons: Sequence[str]) -> str:
    name = Path(wanted).name.removesuffix(".ipynb")
    for lesson in lessons:
        number, _, topic = lesson.partition("_")
        if name in (lesson, number, number.lstrip("0") or "0", topic):
            return lesson
    raise CannotGrade(f"there is no lesson {wanted!r} with exercises; there are: {', '.join(lessons)}")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _write(output: Path, results: Sequence[tuple[Submission, Graded]], seed: int) -> None:
    from bnn_core.classroom.report import write_pages
    from bnn_core.classroom.results import write_grades, write_report

    rows = [row for _, graded in results for row in graded.rows]
    write_report(output / "report.json", rows)
    write_grades(output / "grades.csv", rows)
    write_pages(output, results, seed)
    passed = sum(row["status"] == "passed" for row in rows)
    click.echo(f"{len(results)} submissions, {passed} of {len(rows)} exercises passed. Read {output / 'index.html'}")

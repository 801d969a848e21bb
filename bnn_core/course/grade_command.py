"""`bnn-course grade`: what an instructor types and reads. It may not know how a submission is graded; it puts the
parts together and turns what can go wrong into one line each.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from bnn_core.classroom.shares import Share
from bnn_core.course.arguments import (
    SECONDS,
    Amount,
    Folder,
    ShareArgument,
    TableFile,
    is_refusal,
    of_the_system,
    refusing_unusable,
    what_to_do,
)
from bnn_core.course.arguments import BadArgument as CannotGrade
from bnn_core.course.given_files import explained, look_at_overrides, people_in, policy_beside, policy_text, rule_of
from bnn_core.course.interrupting import interruptible
from bnn_core.course.lessons import graded_lesson
from bnn_core.course.planning import (
    Request,
    class_of,
    cores,
    dry_run,
    is_zip,
    left_from_before,
    still_to_grade,
    why_graded_again,
)
from bnn_core.course.report_writing import marks_before, tell, write
from bnn_core.lesson_files import Course

if TYPE_CHECKING:
    from bnn_core.classroom.crew import Assignment
    from bnn_core.classroom.earlier import Rest, Settings
    from bnn_core.classroom.grading import Graded
    from bnn_core.classroom.journal import Journal, Place
    from bnn_core.classroom.roster import Person
    from bnn_core.classroom.standing import ClassStanding, Names
    from bnn_core.classroom.submissions import Collected, Submission

    GradeAll = Callable[[Sequence[Submission], Assignment], Iterator[tuple[int, Graded]]]

PACKAGE = Path(__file__).parents[1]
MOST_JOBS = 256
MOST_MEMORY = 4096.0
"""GiB."""

LARGEST_SEED = (1 << 63) - 1

UNPROTECTED = "warning: submitted code runs without any protection"
"""What is said where a grading goes on although nothing shuts submissions in."""

SLOWER = "note: each submission runs in a bubblewrap and loads torch anew, which takes longer; missing here: {missing}"


@click.command()
@click.argument("submissions", type=Folder(), required=False)
@click.option("--output", type=Folder(), help="The folder to write the report to.")
@click.option(
    "--roster",
    type=TableFile(),
    help="Who is in the class: a CSV with ids, or the gradebook that your school's system exports.",
)
@click.option(
    "--policy",
    type=TableFile(),
    help="How marks follow from checks and time.  [default: grading.toml in the folder, or beside the zip]",
)
@click.option("--explain", is_flag=True, help="Say in words how marks come about by that policy, and grade nothing.")
@click.option(
    "--lesson", help="Grade this lesson alone: its name, its number or its topic.  [default: all that are found]"
)
@click.option(
    "--jobs",
    type=click.IntRange(1, MOST_JOBS),
    help="How many submissions to grade side by side.  [default: a core each]",
)
@click.option("--timeout", type=SECONDS, default=30.0, show_default=True, help="Seconds for a submission.")
@click.option("--call-timeout", type=SECONDS, default=10.0, show_default=True, help="Seconds for one call.")
@click.option("--memory", type=Amount(0.1, MOST_MEMORY), default=2.0, show_default=True, help="GiB for a submission.")
@click.option("--seed", type=click.IntRange(0, LARGEST_SEED), help="Repeat a grading: the seed that its report names.")
@click.option("--fresh", is_flag=True, help="Grade again what is there now, whatever the report holds.")
@click.option(
    "--again", multiple=True, help="Grade this student, or everyone in this exercise, again; may be repeated."
)
@click.option("--dry-run", is_flag=True, help="Say how each submission is understood, and grade nothing.")
@click.option("--gradebook", type=TableFile(), help="nbgrader's gradebook.db, to write the marks into as well.")
@click.option("--unsafe", is_flag=True, help="Run the code without protection where the system offers none.")
@click.option(
    "--shard",
    type=ShareArgument(),
    help="Grade one share of the class, as in 3/8, for `bnn-course merge`; needs --seed.",
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="Grade on the workers of this Dask scheduler, as in tcp://head:8786."
)
@click.pass_context
def grade(context: click.Context, /, explain: bool, **arguments: Any) -> None:
    """Grade SUBMISSIONS: a folder or a zip with a folder per student, or what Canvas, Moodle, Blackboard or nbgrader
    collected.
    """
    if explain:
        click.echo("\n".join(explained(arguments["policy"] or policy_beside(arguments["submissions"]))))
        return
    for parameter in context.command.params:
        if parameter.name in ("submissions", "output") and arguments[parameter.name] is None:
            raise click.MissingParameter(ctx=context, param=parameter)
    request = Request(**arguments)
    if not request.submissions.is_dir() and not is_zip(request.submissions):
        raise CannotGrade(
            f"{request.submissions} is no folder and no zip; give the one that holds a folder per student"
        )
    _refuse_together(request)
    people = people_in(request.roster)
    if request.dry_run:
        dry_run(request, people)
        return
    if sys.platform == "win32":
        raise CannotGrade("Windows has no way to shut submissions in; grade on Linux, or in WSL 2")
    is_new = not request.output.exists()
    try:
        request.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotGrade(f"{request.output} can't be written to: {error.strerror}; give another folder") from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _grade(request, people)
    except KeyboardInterrupt:
        how = ", without --fresh," if request.fresh else ""
        raise click.ClickException(f"stopped; start it again{how} to go on from here") from None
    except OSError as error:
        raise (CannotGrade if is_refusal(error) else click.ClickException)(
            f"{of_the_system(error)}; {what_to_do(error)}"
        ) from None
    except CannotGrade:
        if is_new:
            with contextlib.suppress(OSError):  # where something was written after all
                request.output.rmdir()
        raise


def _refuse_together(request: Request) -> None:
    """Raises CannotGrade where one option makes no sense beside another."""
    if request.shard is not None and request.roster is not None:
        raise CannotGrade("a share is not the whole class; give --roster to `bnn-course merge`")
    if request.shard is not None and request.gradebook is not None:
        raise CannotGrade("a share has no marks yet; merge all shares, and then `grade` with --gradebook")
    if request.scheduler is not None and request.unsafe:
        raise CannotGrade("--unsafe is for this machine alone; workers without a sandbox grade nothing")


def _grade(request: Request, people: Sequence[Person] | None) -> None:
    from bnn_core.classroom.sandbox.launching import NoSandbox, OnlyRootCanRead

    hidden = (
        *(PACKAGE.parent / name for name in ("solutions", "lessons", "tests")),
        PACKAGE,
        request.submissions.resolve(),
        request.output.resolve(),
    )
    with refusing_unusable(), _graders(request, hidden) as grade_all:
        from bnn_core.classroom.control import NotProven
        from bnn_core.classroom.journal import Journal
        from bnn_core.classroom.nbgrader_gradebook import look_at
        from bnn_core.course.told import other_clock, what_happened

        policy = policy_text(request.policy, request.submissions)
        look_at_overrides(request.output)
        if request.gradebook is not None:
            look_at(request.gradebook)
        began = time.monotonic()
        with Journal(request.output, alone=True) as journal:
            before = marks_before(request.output, journal)
            try:
                done = _results(request, grade_all, journal, hidden, people, rule_of(policy, journal.policy))
            except OnlyRootCanRead as error:
                raise CannotGrade(f"nothing was graded: {error}") from None
            except NoSandbox as error:
                raise CannotGrade(
                    f"nothing here can shut submitted code in: {error}. --unsafe runs it all the same"
                ) from None
            except NotProven as error:
                raise CannotGrade(
                    f"a right answer of the course's own is not graded right here, so nothing was graded: {error}"
                ) from None
            if policy is not None:
                journal.set_policy(policy)
            is_whole = request.shard is None
            standing = write(request.output, journal, done.lessons, done.along) if is_whole else _end_share(journal)
            if request.gradebook is not None:
                _write_gradebook(request.gradebook, standing)
            seconds = time.monotonic() - began
            for line in other_clock(standing, done.lessons) if request.submissions.is_dir() else ():
                click.echo(line, err=True)
            for line in what_happened(before, standing, done.summary, seconds):
                click.echo(line, err=True)


@contextlib.contextmanager
def _graders(request: Request, hidden: tuple[Path, ...]) -> Iterator[GradeAll]:
    """Those who grade: this machine, or the workers of a scheduler."""
    if request.scheduler is not None:
        from bnn_core.classroom.cluster.scheduler import Cluster

        cluster = Cluster(request.scheduler, say=partial(tqdm.write, file=sys.stderr))
        yield cluster.grade_all
        return
    from bnn_core.classroom.sandbox.launching import WarmSandbox, ready_sandbox

    with WarmSandbox(hidden) as first:  # it loads torch while this process does

        def grade_all(todo: Sequence[Submission], assignment: Assignment) -> Iterator[tuple[int, Graded]]:
            from bnn_core.classroom import crew

            sandbox = ready_sandbox(first, assignment.hidden, assignment.unsafe)
            if sandbox.protection == "none":
                click.echo(UNPROTECTED, err=True)
            elif sandbox.missing:
                click.echo(SLOWER.format(missing=sandbox.missing), err=True)
            return crew.grade_all(todo, assignment, request.jobs or cores(), sandbox)

        yield grade_all


@dataclass(frozen=True)
class _Done:
    """What a grading did. summary: how many were graded anew and how many kept; along: the places of what came with
    other lessons' homework.
    """

    summary: str
    lessons: Sequence[str]
    along: Collection[Place]


def _results(
    request: Request,
    grade_all: GradeAll,
    journal: Journal,
    hidden: tuple[Path, ...],
    people: Sequence[Person] | None,
    rule: str,
) -> _Done:
    """Put the result of every submission into the journal, graded now or before. people: on the list of the class,
    where one was given this time. rule: by which one of several attempts counts.
    """
    from bnn_core.classroom.brought_along import keep_what_counts, note_what_counts
    from bnn_core.classroom.crew import Assignment
    from bnn_core.classroom.journal import Place
    from bnn_core.classroom.standing import origin_of
    from bnn_core.classroom.versions import course_version, version_shown
    from bnn_core.course.meant import to_grade_again
    from bnn_core.course.told import few_worked_on, seen_as

    folder = request.submissions.resolve()
    collected, names = class_of(request, journal, people, rule)
    again = to_grade_again(request.again, collected.submissions, names)
    settings = request.settings(journal.seed)
    if settings.seed is None and request.shard is not None:
        raise CannotGrade("all shares of a class are graded with one seed; give --seed and a number, the same to each")
    seed = secrets.randbits(31) if settings.seed is None else settings.seed
    settings = replace(settings, seed=seed)
    rest = left_from_before(request, journal, collected)
    journal.begin(seed, folder)
    if people is not None:
        journal.enrol(people)
    journal.note_identities({item.student: person for item in collected.submissions
                             if (person := names.people.get(item.student))})  # fmt: skip
    if request.fresh:
        journal.grade_again(graded_lesson(request.lesson) if request.lesson is not None else None)
    for line in few_worked_on(collected, names):
        click.echo(line, err=True)
    seen = seen_as(collected.submissions)
    submissions = _settle_the_rest(request, journal, collected, rest, names)
    if request.shard is not None:
        _begin_share(request.shard, journal, collected, rest, settings)
    keys = settings.keys(submissions)
    missing = still_to_grade(request, journal, submissions, keys, again)
    assignment = Assignment(settings.limits, seed, hidden, request.unsafe)
    todo = [submissions[position] for position in missing]
    circumstances = settings.circumstances()
    why = why_graded_again(request, journal, todo, circumstances)
    journal.note_circumstances(collected.lessons, circumstances)
    version = version_shown(course_version(PACKAGE))
    places = [Place(item.student, item.lesson) for item in submissions]
    origins = [origin_of(item, version, item.lesson in rest.brought_along) for item in submissions]
    before = keep_what_counts(journal, list(zip(places, origins, strict=True)))
    with tqdm(total=len(submissions), initial=len(submissions) - len(todo), unit="submission", disable=None) as bar:
        for position, graded in interruptible(grade_all(todo, assignment) if todo else iter(())):
            journal.add(keys[missing[position]], graded)
            bar.update()
    note_what_counts(journal, zip(places, keys, origins, strict=True), before)
    summary = f"Read as {seen}: {len(todo)} graded anew, {len(submissions) - len(todo)} kept from before{why}"
    along = {place for place, origin in zip(places, origins, strict=True) if origin.brought_along}
    return _Done(summary, collected.lessons, along)


def _begin_share(share: Share, journal: Journal, collected: Collected, rest: Rest, settings: Settings) -> None:
    """Note what is graded, and how."""
    from bnn_core.classroom.shares import Part
    from bnn_core.classroom.versions import machine

    alike = machine(Course(PACKAGE.parent)) | settings.named()
    before = journal.part.lessons if journal.part is not None else ()
    lessons = tuple(sorted({*before, *collected.lessons}))
    journal.note_part(Part(share, alike, collected.students, time.time(), lessons, now=tuple(sorted(rest.lessons))))


def _end_share(journal: Journal) -> ClassStanding:
    """Note that the share has been graded, of which no report is made."""
    from bnn_core.classroom.standing import class_standing

    assert journal.part is not None
    part = replace(journal.part, is_done=True)
    journal.note_part(part)
    count = len(journal.latest)
    click.echo(f"{part.share}: {count} submissions. `bnn-course merge` makes the report of all shares")
    return class_standing(journal)


def _settle_the_rest(
    request: Request, journal: Journal, collected: Collected, rest: Rest, names: Names
) -> list[Submission]:
    """The submissions to grade, where what is left of earlier results has been settled."""
    from bnn_core.course.told import what_becomes_of

    journal.leave_out(rest.leaving)
    for what, whom in what_becomes_of(rest, names, request.fresh):
        tell(what, whom)
    return rest.left_to_judge(collected.submissions)


def _write_gradebook(path: Path, standing: ClassStanding) -> None:
    """The marks of the whole report."""
    from bnn_core.classroom import nbgrader_gradebook

    written = nbgrader_gradebook.write(path, standing.standings, standing.policy)
    tell(f"added to {path}", written.added)
    tell(f"other points than in nbgrader's notebooks, changed in {path}", written.worth)
    tell("marks that a person gave in nbgrader, left as they are", written.left)
    click.echo(f"{written.count} submissions written into {path}", err=True)

"""`bnn-course grade`: what an instructor types and reads. It may not know how a submission is graded; it puts the
parts together and turns what can go wrong into one line each.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import is_zipfile

import click
from tqdm import tqdm

from bnn_core.classroom.shares import Share
from bnn_core.classroom.text import as_name, natural
from bnn_core.course.arguments import (
    SECONDS,
    Amount,
    Folder,
    ShareArgument,
    TableFile,
    is_refusal,
    listed,
    of_the_system,
    refusing_unusable,
    what_to_do,
)
from bnn_core.course.arguments import BadArgument as CannotGrade
from bnn_core.course.given_files import explained, look_at_overrides, people_in, policy_beside, policy_text, rule_of
from bnn_core.course.lessons import graded_lesson, graded_lessons
from bnn_core.lesson_files import Course

if TYPE_CHECKING:
    from bnn_core.classroom.crew import Assignment
    from bnn_core.classroom.grading import Graded
    from bnn_core.classroom.results import Journal, Origin, Place
    from bnn_core.classroom.roster import Person
    from bnn_core.classroom.sandbox.launching import Limits
    from bnn_core.classroom.standing import ClassStanding, Names
    from bnn_core.classroom.submissions import Collected, Submission

    GradeAll = Callable[[Sequence[Submission], Assignment], Iterator[tuple[int, Graded]]]

PACKAGE = Path(__file__).parents[1]
GIBIBYTE = 1 << 30
MOST_JOBS = 256
MOST_MEMORY = 4096.0
"""GiB."""

LARGEST_SEED = (1 << 63) - 1

UNPROTECTED = "warning: submitted code runs without any protection"
"""What is said where a grading goes on although nothing shuts submissions in."""

SLOWER = "note: each submission runs in a bubblewrap and loads torch anew, which takes longer; missing here: {missing}"


@dataclass(frozen=True)
class Request:
    """What was typed."""

    submissions: Path
    output: Path
    roster: Path | None
    policy: Path | None
    lesson: str | None
    jobs: int
    timeout: float
    call_timeout: float
    memory: float
    seed: int | None
    fresh: bool
    again: tuple[str, ...]
    dry_run: bool
    unsafe: bool
    gradebook: Path | None
    shard: Share | None
    scheduler: str | None


@click.command()
@click.argument("submissions", type=Folder(), required=False)
@click.option("--output", type=Folder(), help="The folder to write the report to.")
@click.option(
    "--roster",
    type=TableFile(),
    help="Who is in the class: a CSV with ids, or the gradebook that your school's system exports.",
)
@click.option(
    "--policy", type=TableFile(), help="How marks follow from checks and time.  [default: grading.toml there]"
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
@click.option("--fresh", is_flag=True, help="Grade again what this report holds already.")
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
    if not request.submissions.is_dir() and not _is_zip(request.submissions):
        raise CannotGrade(
            f"{request.submissions} is no folder and no zip; give the one that holds a folder per student"
        )
    _refuse_together(request)
    people = people_in(request.roster)
    if request.dry_run:
        _dry_run(request, people)
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
        raise click.ClickException("stopped; start it again to go on from here") from None
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
        from bnn_core.classroom.nbgrader_gradebook import look_at
        from bnn_core.classroom.overrides import read_overrides
        from bnn_core.classroom.results import Journal
        from bnn_core.classroom.standing import class_standing
        from bnn_core.course.told import what_happened

        policy = policy_text(request.policy, request.submissions)
        look_at_overrides(request.output)
        if request.gradebook is not None:
            look_at(request.gradebook)
        began = time.monotonic()
        with Journal(request.output, alone=True) as journal:
            before = class_standing(journal, read_overrides(request.output)) if journal.latest else None
            try:
                summary, lessons = _results(
                    request, grade_all, journal, hidden, people, rule_of(policy, journal.policy)
                )
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
            standing = write(request.output, journal, lessons) if request.shard is None else _end_share(journal)
            if request.gradebook is not None:
                _write_gradebook(request.gradebook, standing)
            seconds = time.monotonic() - began
            for line in what_happened(before, standing, summary, seconds):
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
            return crew.grade_all(todo, assignment, request.jobs or _cores(), sandbox)

        yield grade_all


def _dry_run(request: Request, people: Sequence[Person] | None) -> None:
    """Say what would be graded, and as whose, and what would become of what the report holds."""
    from bnn_core.classroom.results import Journal
    from bnn_core.course.told import few_worked_on, seen_as, understood, would_happen

    policy = policy_text(request.policy, request.submissions)
    look_at_overrides(request.output)
    with refusing_unusable():
        journal = Journal(request.output)
    collected, names = _class_of(request, journal, people, rule_of(policy, journal.policy))
    submissions = collected.submissions
    click.echo(f"{request.submissions} is read as {seen_as(submissions)}")
    for line in understood(collected, names):
        click.echo(line)
    click.echo("A grading would say:")
    for line in few_worked_on(collected, names):
        click.echo(line)
    rest = _rest(request, journal, collected)
    for what, whom in rest.told(names, request.fresh):
        _tell(what, whom, err=False)
    graded = [item for item in submissions if (item.student, item.lesson) not in rest.kept]
    todo = _to_grade(request, journal, graded, names)
    for line in would_happen(graded, todo, names, _why_again(request, journal, todo, _circumstances(request, journal))):
        click.echo(line)


def _circumstances(request: Request, journal: Journal) -> dict[str, str]:
    """What every result depends on beside its submission, by what it is, in short."""
    from bnn_core.classroom.results import course_version, environment_version

    return {
        "version of the course": course_version(PACKAGE),
        "Python or set of packages": environment_version(),
    } | _settings(request.seed if request.seed is not None else journal.seed, _limits(request), request.unsafe)


def _settings(seed: int | None, limits: Limits, unsafe: bool) -> dict[str, str]:
    """How submissions are graded, by what it is, in short."""
    from bnn_core.classroom.results import key_of

    return {"seed": str(seed), "limit or protection": key_of(limits, unsafe)}


def _why_again(request: Request, journal: Journal, todo: Sequence[Submission], now: Mapping[str, str]) -> str:
    """Why results are graded anew that the report holds already, where something other than the submissions is new."""
    again = [item for item in todo if (item.student, item.lesson) in journal.latest]
    before = [journal.circumstances[item.lesson] for item in again if item.lesson in journal.circumstances]
    others = [what for what, short in now.items() if any(one.get(what) != short for one in before)]
    if request.fresh or not others:
        return ""
    were = "was" if len(again) == 1 else "were"
    return f"; {len(again)} {were} graded before, with another {' and another '.join(others)}"


def _to_grade(request: Request, journal: Journal, submissions: Sequence[Submission], names: Names) -> list[Submission]:
    """Those of which the journal holds no result that would be taken."""
    from bnn_core.classroom.results import course_version
    from bnn_core.course.told import again_of

    seed = request.seed if request.seed is not None else journal.seed
    again = again_of(request.again, submissions, names)
    keys = _keys(submissions, course_version(PACKAGE), (seed, _limits(request), request.unsafe))
    return [
        item
        for item, key in zip(submissions, keys, strict=True)
        if request.fresh or key not in journal or item in again
    ]


def _limits(request: Request) -> Limits:
    from bnn_core.classroom.sandbox.launching import Limits

    return Limits(request.timeout, min(request.call_timeout, request.timeout), int(request.memory * GIBIBYTE))


def _results(
    request: Request,
    grade_all: GradeAll,
    journal: Journal,
    hidden: tuple[Path, ...],
    people: Sequence[Person] | None,
    rule: str,
) -> tuple[str, Sequence[str]]:
    """Put the result of every submission into the journal, graded now or before, and say how many of each there are,
    and of which lessons. people: on the list of the class, where one was given this time. rule: by which one of several
    attempts counts.
    """
    from bnn_core.classroom.crew import Assignment
    from bnn_core.classroom.results import course_version, version_shown
    from bnn_core.course.told import again_of, few_worked_on, seen_as

    folder = request.submissions.resolve()
    collected, names = _class_of(request, journal, people, rule)
    seed = request.seed if request.seed is not None else journal.seed
    if seed is None and request.shard is not None:
        raise CannotGrade("all shares of a class are graded with one seed; give --seed and a number, the same to each")
    seed = secrets.randbits(31) if seed is None else seed
    journal.begin(seed, folder)
    if people is not None:
        journal.enrol(people)
    if request.fresh:
        journal.grade_again(graded_lesson(request.lesson) if request.lesson is not None else None)
    for line in few_worked_on(collected, names):
        click.echo(line, err=True)
    seen = seen_as(collected.submissions)
    submissions = _settle_the_rest(request, journal, collected, names)
    limits = _limits(request)
    code = course_version(PACKAGE)
    if request.shard is not None:
        _begin_share(request.shard, journal, collected, seed, limits, request.unsafe)
    keys = _keys(submissions, code, (seed, limits, request.unsafe))
    again = again_of(request.again, submissions, names)
    missing = [number for number, key in enumerate(keys) if key not in journal or submissions[number] in again]
    assignment = Assignment(limits, seed, hidden, request.unsafe)
    todo = [submissions[position] for position in missing]
    circumstances = _circumstances(request, journal)
    why = _why_again(request, journal, todo, circumstances)
    journal.note_circumstances(collected.lessons, circumstances)
    with tqdm(total=len(submissions), initial=len(submissions) - len(todo), unit="submission", disable=None) as bar:
        for position, graded in grade_all(todo, assignment) if todo else ():
            journal.add(keys[missing[position]], graded)
            bar.update()
    _note_what_counts(journal, submissions, keys, version_shown(code))
    summary = f"Read as {seen}: {len(todo)} graded anew, {len(submissions) - len(todo)} kept from before{why}"
    return summary, collected.lessons


def _class_of(
    request: Request, journal: Journal, people: Sequence[Person] | None, rule: str
) -> tuple[Collected, Names]:
    """What was handed in, and by whom. Raises CannotGrade where the list of the class or the report is of another."""
    from bnn_core.classroom.standing import called_in, names_of

    folder = request.submissions.resolve()
    collected = _find(request, folder, rule)
    submissions = collected.submissions
    names = names_of(called_in(journal, submissions), journal.people if people is None else people)
    if people is not None and not names.people:
        raise CannotGrade(f"none of the {len(people)} students in {request.roster} handed in any of {folder}; "
                          "give the list of this class")  # fmt: skip
    _refuse_unfit_output(request, journal, submissions, names)
    return collected, names


def _note_what_counts(journal: Journal, submissions: Sequence[Submission], keys: Sequence[str], version: str) -> None:
    """Let each result, of several attempts the last, stand in its place, and note where all of them came from."""
    from bnn_core.classroom.results import Place
    from bnn_core.classroom.standing import origin_of

    tried: dict[Place, list[tuple[str, Origin]]] = {}
    for key, item in zip(keys, submissions, strict=True):
        tried.setdefault(Place(item.student, item.lesson), []).append((key, origin_of(item, version)))
    for attempts in tried.values():
        journal.let_stand(attempts[-1][0])
    journal.note_origins({place: attempts[-1][1] for place, attempts in tried.items()})
    journal.note_attempts({place: attempts for place, attempts in tried.items() if len(attempts) > 1}, tried)


def _begin_share(share: Share, journal: Journal, collected: Collected, seed: int, limits: Limits, unsafe: bool) -> None:
    """Note what is graded, and how."""
    from bnn_core.classroom.results import machine
    from bnn_core.classroom.shares import Part

    alike = machine(Course(PACKAGE.parent)) | _settings(seed, limits, unsafe)
    before = journal.part.lessons if journal.part is not None else ()
    lessons = tuple(sorted({*before, *collected.lessons}))
    journal.note_part(Part(share, alike, collected.students, time.time(), lessons, now=collected.lessons))


def _end_share(journal: Journal) -> ClassStanding:
    """Note that the share has been graded, of which no report is made."""
    from bnn_core.classroom.standing import class_standing

    assert journal.part is not None
    part = replace(journal.part, is_done=True)
    journal.note_part(part)
    count = len(journal.latest)
    click.echo(f"{part.share}: {count} submissions. `bnn-course merge` makes the report of all shares")
    return class_standing(journal)


def _refuse_unfit_output(request: Request, journal: Journal, submissions: Sequence[Submission], names: Names) -> None:
    """Raises CannotGrade where the report can't go to where it is to go."""
    from bnn_core.classroom.report_folder import misplaced

    places = {(item.student, item.lesson) for item in submissions}
    reason = misplaced(request.output, request.submissions)
    if reason is not None:
        raise CannotGrade(f"{reason} folder with --output")
    refuse_unfit_report(request.output, journal, request.submissions.resolve(), places, names, request.shard)


def refuse_unfit_report(
    output: Path,
    journal: Journal,
    folder: Path,
    places: Collection[tuple[str, str]],
    names: Names,
    share: Share | None = None,
) -> None:
    """Raises CannotGrade where a report of these places, of students and lessons, can't go there. folder: of the
    submissions.
    """
    from bnn_core.classroom.page_places import pages_of
    from bnn_core.classroom.report_folder import in_the_way, of_another_class, of_another_share

    students = {student for student, _ in places}
    places = {*places, *journal.latest}
    shown = {place: (names.shown[place[0]], place[1]) for place in places}
    of_roster = {(name, lesson) for name in names.enrolled for _, lesson in places} - set(shown.values())
    shown |= {place: place for place in of_roster}
    found = pages_of(shown.values())
    reason = of_another_share(output, journal, share) or of_another_class(output, journal, folder, students)
    if reason is None and (path := in_the_way(output, journal, {one: found[page] for one, page in shown.items()})):
        reason = f"{as_name(str(path))} is no report of this course's, and would be overwritten; give another"
    if reason is not None:
        raise CannotGrade(f"{reason} folder with --output")


@dataclass(frozen=True)
class Rest:
    """Earlier results of which nothing was handed in this time: those whose student is gone, those that are dropped,
    those that are kept though the notebook is gone, and those of a lesson that nobody worked on.
    """

    gone: frozenset[Place]
    dropped: frozenset[Place]
    kept: frozenset[Place]
    untouched: frozenset[Place] = frozenset()

    def told(self, names: Names, fresh: bool) -> Iterator[tuple[str, list[str]]]:
        """What becomes of whom."""
        why = "--fresh takes only what is there now" if fresh else "the course has no such lesson"
        gone = [names.shown[place.student] for place in self.gone]
        yield "no longer among the submissions, and so no longer in the report", gone
        for what, places in (
            (f"dropped, for the notebook is gone and {why}", self.dropped - self.gone),
            ("kept from before, though the notebook is gone (--fresh drops them)", self.kept),
            ("dropped, for nobody worked on the lesson", self.untouched),
        ):
            yield what, [f"{names.shown[place.student]} {place.lesson}" for place in places]


def _rest(request: Request, journal: Journal, collected: Collected) -> Rest:
    """Of earlier results those go whose student is gone; where only the notebook is gone, they stay, unless everything
    is to be graded anew. A notebook that is there and doesn't count is not gone. A student who is missing here is gone
    from the lessons that are graded now, and not from those of other downloads.
    """
    lessons, submissions = graded_lessons(), collected.submissions
    only = graded_lesson(request.lesson) if request.lesson is not None else None
    untouched = _of_lessons_nobody_worked_on(journal, collected)
    there = {(item.student, item.lesson) for item in submissions if item.path is not None or item.set_aside}
    students = {item.student for item in submissions}
    lacking = {place for place in journal.latest if place not in there and place.lesson in (only or place.lesson)}
    lacking = {place for place in lacking if place.student in students or place.lesson in collected.lessons}
    lacking -= untouched
    gone = {place for place in lacking if place.student not in students}
    dropped = {place for place in lacking if request.fresh or place.lesson not in lessons}
    kept = {place for place in lacking - gone - dropped if journal.latest[place].graded.code}
    return Rest(frozenset(gone), frozenset(dropped), frozenset(kept), untouched)


def _of_lessons_nobody_worked_on(journal: Journal, collected: Collected) -> frozenset[Place]:
    """All results of a lesson, where only notebooks that are here as they were handed out brought it into the report:
    an earlier version took such a lesson for one of the class's.
    """
    brought = {place.lesson for place in journal.latest if place in collected.untouched}
    worked_on = {
        place.lesson
        for place, entry in journal.latest.items()
        if any(row["status"] != "not_attempted" for row in entry.graded.rows)
        or (entry.graded.code and place not in collected.untouched)
    }
    return frozenset(place for place in journal.latest if place.lesson in brought - worked_on)


def _settle_the_rest(request: Request, journal: Journal, collected: Collected, names: Names) -> list[Submission]:
    """The submissions to grade, where what is left of earlier results has been settled."""
    rest = _rest(request, journal, collected)
    journal.leave_out(rest.gone | rest.dropped | rest.untouched)
    for what, whom in rest.told(names, request.fresh):
        _tell(what, whom)
    return [item for item in collected.submissions if (item.student, item.lesson) not in rest.kept]


def _tell(what: str, names: Sequence[str], err: bool = True) -> None:
    if names:
        click.echo(f"{what}: {listed(sorted(set(names), key=natural))}", err=err)


def _keys(submissions: Sequence[Submission], code: str, circumstances: tuple[object, ...]) -> list[str]:
    """For each submission a key that changes when anything does that its result depends on. code: the course's, in
    short.
    """
    from bnn_core.classroom.results import environment_version, key_of, lesson_version

    course = Course(PACKAGE.parent)
    lessons = {lesson: lesson_version(course, lesson) for lesson in {item.lesson for item in submissions}}
    common = (code, environment_version(), *circumstances)
    return [key_of(item.student, item.lesson, item.digest, lessons[item.lesson], *common) for item in submissions]


def _find(request: Request, folder: Path, rule: str) -> Collected:
    from bnn_core.classroom.handed_in import Refused
    from bnn_core.classroom.submissions import find_submissions

    lessons = graded_lessons()
    only = graded_lesson(request.lesson) if request.lesson is not None else None
    try:
        collected = find_submissions(folder, lessons, only, request.jobs or _cores(), request.shard, rule)
    except Refused as refused:
        raise CannotGrade(f"{request.submissions} can't be read. {refused.reason}") from None
    for line in collected.unread():
        click.echo(line, err=True)
    nothing = not any(submission.was_handed_in for submission in collected.submissions)
    if nothing and only is None and (request.shard is None or not collected.students):
        raise CannotGrade(f"{request.submissions} holds no notebook in a student's folder")
    return collected


def _is_zip(path: Path) -> bool:
    try:
        return path.is_file() and is_zipfile(path)
    except OSError:
        return False


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _write_gradebook(path: Path, standing: ClassStanding) -> None:
    """The marks of the whole report."""
    from bnn_core.classroom import nbgrader_gradebook

    written = nbgrader_gradebook.write(path, standing.standings, standing.policy)
    _tell(f"added to {path}", written.added)
    _tell(f"other points than in nbgrader's notebooks, changed in {path}", written.worth)
    _tell("marks that a person gave in nbgrader, left as they are", written.left)
    click.echo(f"{written.count} submissions written into {path}", err=True)


def write(output: Path, journal: Journal, lessons: Collection[str]) -> ClassStanding:
    """The report of everything that the journal holds. lessons: those that were graded now."""
    from bnn_core.classroom.overrides import read_overrides
    from bnn_core.classroom.report import write_report_of
    from bnn_core.classroom.standing import class_standing
    from bnn_core.course.told import handed_in_nothing

    with refusing_unusable():
        standing = class_standing(journal, read_overrides(output))
    write_report_of(output, standing, journal.seed or 0)
    names, rows = standing.names, standing.rows
    _tell("in the roster, and handed in nothing", list(names.absent))
    for lesson, whom in handed_in_nothing(standing, lessons).items():
        _tell(f"in the roster, and handed in nothing for {lesson}", whom)
    _tell("in no roster", [name for name in names.strangers if name not in names.unclear])
    _tell("not told apart by the roster", names.unclear)
    for sentence in standing.unfit:
        click.echo(f"not applied: {sentence}", err=True)
    passed = sum(row["status"] == "passed" for row in rows)
    count = f"{len(journal.latest)} submissions, {passed} of {len(rows)} exercises passed"
    click.echo(f"{count}. Read {output / 'index.html'}")
    return standing

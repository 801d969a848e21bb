"""`bnn-course export`: what an instructor types to get marks and feedback out of a report, or the course into another
system, and reads. What goes where is told in the modules it calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bnn_core.course.arguments import BadArgument, Commands, Folder, TableFile, listed, refusing_unusable
from bnn_core.course.lessons import graded_lesson, graded_lessons
from bnn_core.course.report_writing import KEPT_ROSTER, refuse_unfit_roster
from bnn_core.lesson_files import Course

if TYPE_CHECKING:
    from bnn_core.classroom.gradebooks import Filled, Mark
    from bnn_core.classroom.journal import Journal
    from bnn_core.classroom.standing import ClassStanding, Standing

MARKS, FEEDBACK = "marks", "feedback-{}"
"""What is written into the report is called so, with the lesson where it is of one alone."""

report_folder = click.argument("report", type=Folder(exists=True))
one_lesson = click.option("--lesson", help="Of this lesson alone: its name, its number or its topic.  [default: all]")


@click.group(cls=Commands)
def export() -> None:
    """Marks and feedback from a report, as your school's system takes them; and the course for other systems."""


@export.command()
@report_folder
@click.option("--format", "form", required=True, type=click.Choice(["canvas", "moodle", "blackboard", "wide"]))
@click.option("--into", type=TableFile(), help="The table that you downloaded from the system, to be filled in.")
@click.option("--title", help="The assignment's title, where that table has several.")
@one_lesson
@click.option("--scale", is_flag=True, help="Convert points where the system gives another number of them at most.")
@click.option("--leave-missing", is_flag=True, help="Give no 0 to who handed in nothing: their cells stay as they are.")
@click.option(
    "--output",
    type=TableFile(),
    help="The file to write.  [default: that of --into, or marks.csv in REPORT, or marks-LESSON.csv]",
)
def marks(
    report: Path,
    form: str,
    into: Path | None,
    title: str | None,
    lesson: str | None,
    scale: bool,
    leave_missing: bool,
    output: Path | None,
) -> None:
    """Fill the marks of REPORT into the table that you downloaded from the system, and change nothing else in it; or
    write a table of the whole class, `--format wide`.
    """
    if form == "wide" and (into or title or scale or leave_missing):
        raise BadArgument("a wide table is written anew; leave out --into, --title, --scale and --leave-missing")

    from bnn_core.classroom import gradebooks
    from bnn_core.classroom.results import number, write_atomically
    from bnn_core.classroom.tables import Table

    if form != "wide" and into is None:
        raise BadArgument(
            f"--format {form} fills in {gradebooks.WHAT_TO_GIVE[form]}; download it, and give it with --into"
        )
    standing, chosen = _of_lesson(report, lesson)
    refuse_unfit_roster(standing.names, f"{KEPT_ROSTER}, {report},")
    if into is None:
        path = output or _place(report, MARKS, "csv", lesson)
        rows = [row for one in chosen for row in one.rows]
        late: dict[str, int] = {}
        for one in chosen:
            if one.days_late is not None:
                late[one.student] = late.get(one.student, 0) + one.days_late
        write_atomically(path, gradebooks.wide(rows, standing.ids, standing.told_by_hand(), late))
        click.echo(f"{len({one.student for one in chosen})} students. Read {path}")
        return
    points, most = _marks_of(standing, chosen, leave_missing)
    with refusing_unusable():
        table = Table.read(into)
        done = gradebooks.fill_in(table, form, points, most, title, scale)
        content = table.content()
    path = (output or into).resolve()
    write_atomically(path, content)
    _tell(done)
    scaled = ", converted from {} points at most to {}".format(*map(number, done.converted)) if done.converted else ""
    click.echo(f"{done.count} marks in {done.title!r}{scaled}. Give {output or into} back to the system")


@export.command()
@report_folder
@click.option("--format", "form", required=True, type=click.Choice(["canvas", "moodle", "folder"]))
@one_lesson
@click.option(
    "--output",
    type=TableFile(),
    help="The zip to write.  [default: feedback-FORMAT.zip in REPORT, or feedback-FORMAT-LESSON.zip]",
)
def feedback(report: Path, form: str, lesson: str | None, output: Path | None) -> None:
    """Pack the students' pages of REPORT into a zip: with the names by which the system finds whose they are, or with a
    folder for each student.
    """
    from bnn_core.classroom.feedback import pack
    from bnn_core.classroom.results import write_atomically

    _, chosen = _of_lesson(report, lesson)
    packed = pack(chosen, form)
    if not packed.count:
        raise BadArgument(f"nothing in {report} was graded from a download of {form.title()}; give --format folder")
    path = output or _place(report, FEEDBACK.format(form), "zip", lesson)
    write_atomically(path, packed.content)
    _say("left out, for the system takes back no page for what they handed in", packed.left_out)
    lessons = sorted({one.lesson for one in chosen})
    several = f" of {len(lessons)} lessons ({listed(lessons)}); --lesson takes one alone" if len(lessons) > 1 else ""
    click.echo(f"{packed.count} pages in {path}{several}")


@export.command()
@click.argument("lessons", nargs=-1)
@click.option("--output", type=Folder(), required=True, help="The new folder to write the repository to.")
@click.pass_obj
def github(course: Course, lessons: tuple[str, ...], output: Path) -> None:
    """Make a template repository: the course as learners get it, with these LESSONS or all, and a workflow that checks
    what they push.
    """
    from bnn_core.course.exports.course_copy import write_new
    from bnn_core.course.exports.github import WORKFLOW_FILE, template

    names = [course.find(lesson) for lesson in lessons] or course.names()
    write_new(output, template(course, names))
    click.echo(f"{len(names)} lessons in {output}, and {WORKFLOW_FILE}, which checks them. Push it as a template")


@export.command()
@click.argument("lesson")
@click.option("--output", type=TableFile(), default="autograder.zip", show_default=True, help="The zip to write.")
@click.option(
    "--visibility",
    type=click.Choice(["visible", "after_due_date", "after_published", "hidden"]),
    default="visible",
    show_default=True,
    help="When students see the checks.",
)
@click.pass_obj
def gradescope(course: Course, lesson: str, output: Path, visibility: str) -> None:
    """Make the zip by which Gradescope grades LESSON (its name, its number or its topic)."""
    from bnn_core.classroom.results import write_atomically
    from bnn_core.course.exports.gradescope import autograder_zip

    name = graded_lesson(lesson)
    write_atomically(output, autograder_zip(course, name, visibility))
    click.echo(f"{output} grades {name}. Upload it under Configure Autograder")


@export.command()
@click.argument("lesson")
@click.option("--output", type=Folder(), required=True, help="The new folder to write the autograder to.")
@click.pass_obj
def classroom50(course: Course, lesson: str, output: Path) -> None:
    """Make the folder by which Classroom 50 grades LESSON (its name, its number or its topic)."""
    from bnn_core.course.exports.classroom50 import assignment
    from bnn_core.course.exports.course_copy import write_new

    name = graded_lesson(lesson)
    write_new(output, assignment(course, name))
    click.echo(f"{output} grades {name}. Put it into your classroom50 repository as CLASSROOM/autograders/ASSIGNMENT")


@export.command()
@click.argument("folder", metavar="COURSE_DIR", type=Folder())
@click.argument("lessons", nargs=-1)
@click.pass_obj
def nbgrader(course: Course, folder: Path, lessons: tuple[str, ...]) -> None:
    """Make of LESSONS, or of all, the assignments of nbgrader's folder COURSE_DIR, with its configuration."""
    from bnn_core.autograder.exercises import EXERCISES
    from bnn_core.course.exports.nbgrader import course_folder, write_course_folder
    from bnn_core.course.lesson_source import SourceError

    names = [graded_lesson(lesson) for lesson in lessons] or graded_lessons()
    try:
        write_course_folder(folder, course_folder(course, names, EXERCISES))
    except SourceError as error:
        raise BadArgument(str(error).partition("\n")[0]) from None
    click.echo(f"{len(names)} assignments in {folder / 'source'}. In {folder}: nbgrader generate_assignment {names[0]}")


def _place(report: Path, name: str, suffix: str, lesson: str | None) -> Path:
    """Where an export goes when nothing is said: what is of one lesson takes no other's place."""
    return report / f"{name}{'-' + graded_lesson(lesson) if lesson is not None else ''}.{suffix}"


def _of_lesson(report: Path, wanted: str | None) -> tuple[ClassStanding, list[Standing]]:
    """The report, and what of it is of one lesson, or of all."""
    with opened(report) as standing:
        lesson = graded_lesson(wanted) if wanted is not None else None
        chosen = [one for one in standing.standings if lesson in (None, one.lesson)]
        if not chosen:
            raise BadArgument(f"{report} holds no result of {lesson}; grade that lesson first")
        return standing, chosen


@contextmanager
def opened(report: Path) -> Iterator[ClassStanding]:
    """What a report holds."""
    from bnn_core.classroom.journal import Journal
    from bnn_core.classroom.overrides import read_overrides
    from bnn_core.classroom.standing import class_standing

    with Journal(report) as journal:
        refuse_no_report(report, journal)
        with refusing_unusable():
            standing = class_standing(journal, read_overrides(report))
        _say("not applied", standing.unfit)
        yield standing


def refuse_no_report(folder: Path, journal: Journal) -> None:
    """Raises BadArgument where there isn't the report of a class."""
    if journal.part is not None:
        raise BadArgument(f"{folder} holds {journal.part.share} alone; `bnn-course merge` makes the report of all")
    if not journal.latest:
        raise BadArgument(f"{folder} holds no report; `bnn-course grade SUBMISSIONS --output {folder}` makes one")


def _marks_of(
    standing: ClassStanding, chosen: Sequence[Standing], leave_missing: bool
) -> tuple[list[Mark], float]:
    """Everyone's points, and what could be had. leave_missing: nothing for who handed in nothing at all of this."""
    from bnn_core.classroom.attention import is_nothing
    from bnn_core.classroom.gradebooks import Mark

    called = standing.called_by()
    most: dict[str, float] = {}
    points: dict[str, float] = {}
    for one in chosen:
        most[one.lesson] = max(most.get(one.lesson, 0.0), one.most)
        points[one.student] = points.get(one.student, 0.0) + one.points
    marked = {one.student for one in chosen if one.by_hand or not (leave_missing and is_nothing(one))}
    marks = [Mark(student, had, called[student]) for student, had in points.items() if student in marked]
    return marks, sum(most.values())


def _tell(done: Filled) -> None:
    changes = [f"{name} from {before} to {after}" for name, before, after in done.changed]
    _say("changed", changes)
    _say("excused, and left so", done.excused)
    _say("in the report, and not in the table", done.not_in_table)
    _say("in the table, and without a mark in the report", done.without_mark)


def _say(what: str, names: Sequence[str]) -> None:
    """All of them, for a mark that isn't named is one that nobody looks at."""
    if names:
        click.echo(f"{what}: {listed(names, len(names))}", err=True)

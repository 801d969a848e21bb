"""The commands of the course, `bnn-course`: what a person types and reads. Each command loads what it needs
when it is called, so that help doesn't wait for torch; what a command does is told in the module it calls.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from tqdm import tqdm

from bnn_core.course.arguments import SECONDS, BadArgument, Commands, Folder
from bnn_core.course.export_command import export
from bnn_core.course.grade_command import grade
from bnn_core.course.merge_command import merge
from bnn_core.course.override_command import override
from bnn_core.lesson_files import Course, LessonFileError

WIDTH = 30  # of the bar of `progress`, in characters
BAR = "{desc} [{bar:30}] {n_fmt}/{total_fmt}{postfix}"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--course",
    "folder",
    type=Folder(exists=True),
    default=Course.root,
    help="The folder that holds lessons/ and solutions/.  [default: where the course is installed from]",
)
@click.version_option(package_name="bnn-course", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context, folder: Path) -> None:
    """Bayesian neural networks from scratch."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a sign gets a question mark
    context.obj = Course(folder.resolve())


time_limit = click.option(
    "--timeout", type=SECONDS, default=30.0, show_default=True, help="Seconds for the checks of one exercise."
)


@main.command()
@click.argument("lesson", required=False)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="Where to serve; if taken, the next free one.  [default: your Jupyter configuration's, else 8888]",
)
@click.option("--ip", help="The address to listen on.  [default: your Jupyter configuration's, else localhost]")
@click.option("--browser/--no-browser", default=None, help="Open a browser.  [default: if there is a screen]")
@click.pass_obj
def lab(course: Course, lesson: str | None, port: int | None, ip: str | None, browser: bool | None) -> None:
    """Open JupyterLab on the lessons, or on one LESSON (its name, its number or its topic)."""
    name = course.find(lesson) if lesson is not None else None
    if name:
        _learner_notebook(course, name)
    if not course.lessons.is_dir():
        raise BadArgument(f"{course.root} has no folder lessons/; give the course's folder with --course")

    from bnn_core.course.lab import NoLab, serve

    try:
        serve(course, name, port=port, ip=ip, open_browser=browser, say=click.echo)
    except NoLab as error:
        raise BadArgument(
            f"JupyterLab can't start: {error}; mend that in the options or in your configuration"
        ) from None


@main.command()
@click.argument("notebooks", nargs=-1, required=True)
@time_limit
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "github", "junit", "json"]),
    default="text",
    show_default=True,
    help="How to say what came of it: for people, as GitHub's annotations, as JUnit's XML, or as JSON.",
)
@click.pass_obj
def check(course: Course, notebooks: tuple[str, ...], timeout: float, form: str) -> None:
    """Check the exercises in NOTEBOOKS, each the path of a notebook or a lesson's name or number.

    Exits 0 only when every exercise passes.
    """
    paths = [_notebook(course, notebook) for notebook in notebooks]

    from bnn_core.course import check_formats
    from bnn_core.course.time_limit import check_within

    done = []
    for path in paths:
        try:
            done.append(check_formats.Checked(path, check_within(timeout, path)))
        except LessonFileError as error:
            if form == "github":
                click.echo(check_formats.annotation("error", check_formats.shown_path(path), 1, path.name, str(error)))
            raise
        if form == "text":
            click.echo(check_formats.headed(done[-1].report, course.shown(path)))
    if form == "github":
        click.echo(check_formats.github(done))
        if page := os.environ.get("GITHUB_STEP_SUMMARY"):
            with open(page, "a", encoding="utf-8") as file:
                file.write(check_formats.summary(done))
    elif form != "text":
        click.echo((check_formats.junit if form == "junit" else check_formats.as_json)(done))
    sys.exit(0 if all(checked.report.passed for checked in done) else 1)


def _notebook(course: Course, named: str) -> Path:
    """The notebook that a person means by a path or by a lesson's name."""
    path = Path(named)
    if path.exists() or path.suffix or len(path.parts) > 1:
        return path
    return _learner_notebook(course, course.find(named))


def _learner_notebook(course: Course, lesson: str) -> Path:
    path = course.learner_notebook(lesson)
    if not path.exists():
        raise BadArgument(f"{course.shown(path)} isn't there; `bnn-course build {lesson}` makes it")
    return path


@main.command()
@time_limit
@click.pass_obj
def progress(course: Course, timeout: float) -> None:
    """Show which exercises are solved and which guesses are made, lesson by lesson, and what is next."""
    if not course.names():
        raise BadArgument(f"there are no lessons in {course.root}; give the course's folder with --course")

    from bnn_core.progress import lines, progress_in, share_solved, summary

    way = []
    with bar(course.names(), "looking") as lessons:
        for lesson in lessons:
            way.append(progress_in(course, lesson, timeout))
            rows = lines(way[-1])
            for first, line in zip([lesson, *[""] * len(rows)], rows, strict=False):
                lessons.write(f"  {first:34} {line}")
    filled = round(WIDTH * share_solved(way))
    click.echo(f"\n  {'█' * filled}{'░' * (WIDTH - filled)}  {summary(way)}")


@main.command()
@click.argument("lessons", nargs=-1)
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit 1 if something isn't up to date.")
@click.option("--force", is_flag=True, help="Execute solved notebooks even if their code is as it was.")
@click.pass_obj
def build(course: Course, lessons: tuple[str, ...], only_check: bool, force: bool) -> None:
    """Build the notebooks from their sources, solutions/NN_topic.py: all of them, or those of LESSONS."""
    names = [course.find(lesson) for lesson in lessons] or None
    for name in names or []:
        if name not in course.sources():
            raise BadArgument(f"lesson {name} has no source to build from; put it into {course.source(name)}")
    if not course.sources():
        raise BadArgument(_no_sources(course))

    from bnn_core.autograder.exercises import EXERCISES
    from bnn_core.course import build as building
    from bnn_core.course.lesson_source import SourceError

    if only_check:
        differences = building.differences(course, EXERCISES, names)
        for difference in differences:
            click.echo(f"{course.shown(difference.path)} {difference.reason}")
        if differences:
            raise click.ClickException("the notebooks are not what their sources say; run `bnn-course build`")
        click.echo("All notebooks are what their sources say.")
        return
    refused = []
    with bar(names or course.sources(), "building") as lessons_left:
        for name in lessons_left:
            lessons_left.set_postfix_str(name)
            try:
                building.build_lesson(course, name, EXERCISES, force=force, say=lessons_left.write)
            except SourceError as error:
                refused.append(str(error))
    if names is None:
        building.remove_left_over(course, say=click.echo)
    if refused:
        raise click.ClickException("\n".join(["nothing was written for some lessons:", *refused]))


@main.command()
@click.option("--output", type=Folder(), required=True, help="The folder to write to: new, or an earlier site.")
@click.pass_obj
def site(course: Course, output: Path) -> None:
    """Make a site of the course to read: the solved lessons, the instructor's guide and the reference."""
    from bnn_core.course.site.building import SiteError, build_site, require_own, require_tools

    require_tools()
    require_own(output)

    from bnn_core.autograder.exercises import EXERCISES
    from bnn_core.course.lesson_source import SourceError
    from bnn_core.course.site.pages import pages

    try:
        count = build_site(pages(course, EXERCISES), output)
    except (SourceError, SiteError) as error:
        raise click.ClickException(f"the site can't be made:\n{error}") from None
    click.echo(f"{count} pages. Open {output / 'index.html'}")


def _no_sources(course: Course) -> str:
    if not course.names():
        return f"there are no lessons in {course.root}; give the course's folder with --course"
    return f"{course.root} has no sources, solutions/NN_topic.py; its notebooks stay as they are"


def bar(items: Sequence[str], description: str) -> tqdm[str]:
    """The items, with a bar that moves as they are taken; no bar where nobody watches."""
    return tqdm(items, desc=description, leave=False, disable=None, bar_format=BAR)


main.add_command(grade)
main.add_command(export)
main.add_command(override)
main.add_command(merge)

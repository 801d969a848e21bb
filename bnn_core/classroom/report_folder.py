"""Whether a folder may take in the report of a class: where it lies, whose report it holds, and what else is there. It
looks and says what is in the way; it changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from bnn_core.classroom.journal import JOURNAL, Journal, Place
from bnn_core.classroom.roster import Person
from bnn_core.classroom.shares import Share
from bnn_core.classroom.standing import Names

PAGE_MARK = '<meta name="generator" content="bnn-course grade">'
"""By this a page is known for one that a grading wrote."""

FILES = ("index.html", "report.json", "grades.csv")
_HEAD = 2_000


def misplaced(report: Path, submissions: Path) -> str | None:
    """Why no report can lie there, None where it can."""
    inner, outer = report.resolve(), submissions.resolve()
    if inner == outer or inner.is_relative_to(outer):
        return f"{report} lies in the folder of submissions, where it would be taken for a student's; give another"
    if outer.is_relative_to(inner):
        return f"{report} holds the submissions themselves, among which the report would lie; give another"
    return None


def of_another_share(report: Path, journal: Journal, share: Share | None) -> str | None:
    """Why what lies there isn't this share of a class, None where it is, or where there is nothing yet. share: None for
    the whole class.
    """
    held = journal.part.share if journal.part is not None else None
    if held == share or (held is None and not journal.latest):
        return None
    return f"{report} holds {held or 'the report of a whole class'}, and not {share or 'the whole of it'}; give another"


def was_graded_into(journal: Journal, submissions: Path) -> bool:
    """Whether the journal's report was made from this folder or zip before."""
    return any(_same(home, submissions) for home in journal.homes)


def of_another_class(
    report: Path,
    journal: Journal,
    submissions: Path,
    students: Collection[str],
    handed_in: Collection[Place],
    names: Names,
    are_named: bool,
) -> str | None:
    """Why the report that lies there isn't this class's, None where it is, or where there is none yet.

    Of the same class are those who are mostly the report's, be they all of them or one who hands in later. Where they
    come from another folder that is still there, folders' names alone don't tell two classes with a `group 1` apart, so
    that these may not take the place of what the report holds. students: of the submissions. handed_in: the places of
    what they did. are_named: whether a school's system named the students.
    """
    known = {_who(names, student) for student in journal.students}
    here = {_who(names, student) for student in students}
    common = here & (known | set(names.absent.values()))
    others = [home for home in journal.homes if os.path.isdir(home) and not _same(home, submissions)]
    lies = f", whose submissions lie in {others[-1]}" if others else ""
    if known and here and 2 * len(common) < min(len(known), len(here)):
        who = f"of those in {submissions} {_few(common)} in it"
        return f"{report} holds the report of another class{lies}: {who}; give another"
    if others and not are_named and not was_graded_into(journal, submissions):
        for lesson in sorted({place.lesson for place in handed_in}):
            held = {place for place in journal.latest if place.lesson == lesson}
            if held and 2 * len(held & set(handed_in)) >= len(held):
                return (
                    f"{report} holds the report of another class{lies}, as far as folders' names can tell; if it is "
                    "the same class, rename that folder, and otherwise give another"
                )
    return None


def _who(names: Names, student: str) -> Person | str:
    return names.people.get(student, student)


def in_the_way(report: Path, journal: Journal, pages: Mapping[tuple[str, str], str]) -> Path | None:
    """The first thing that no grading wrote and that the report would overwrite.

    pages: by student and lesson, the paths at which they will lie in the report.
    """
    if journal.is_foreign:
        return report / JOURNAL
    known = bool(journal.latest) or journal.seed is not None
    for name in FILES:
        path = report / name
        if path.is_dir() or (path.exists() and not known and not is_page(report / "index.html")):
            return path
    for place, page in pages.items():
        path = report / page
        if path.parent.is_symlink() or (path.parent.exists() and not path.parent.is_dir()):
            return path.parent
        if path.is_dir() or (path.exists() and place not in journal.latest and not is_page(path)):
            return path
    return None


def pages_in(report: Path) -> Iterator[Path]:
    """The students' pages that gradings wrote."""
    yield from (path for path in sorted(report.glob("*/*.html")) if not path.parent.is_symlink() and is_page(path))


def is_page(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return PAGE_MARK.encode() in file.read(_HEAD)
    except OSError:
        return False


def _same(one: Path, other: Path) -> bool:
    try:
        return one == other or one.samefile(other)
    except OSError:
        return False


def _few(common: Collection[object]) -> str:
    return f"only {len(common)} are" if common else "none is"

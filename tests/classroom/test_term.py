"""A term of downloads of one class: who is known again where a platform numbers or names people otherwise the next
time. The grading itself is replaced by one that reads the mark in the notebook.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from classroom.quick_class import SIXTH, THIRD, replace_grading
from classroom.systems import (
    Someone,
    canvas_comment,
    canvas_entry,
    moodle_entry,
    moodle_takes,
    moodle_worksheet,
    notebook,
    table,
)
from click.testing import CliRunner

from bnn_core.classroom.journal import Journal
from bnn_core.course.command_line import main

ADA, ADA_TOO = Someone("Ada", "Lovelace", 1, "alove1"), Someone("Ada", "Lovelace", 2, "alove2")
OTHERS = [Someone(f"First{n}", f"Last{n}", 10 + n, f"login{n}") for n in range(6)]
EVERYONE = [ADA, ADA_TOO, *OTHERS]
HOMEWORK = {THIRD: 300, SIXTH: 600}
"""How far the numbers of an assignment's participants lie from those of people."""


def in_moodle(lesson: str, people: Sequence[Someone] = EVERYONE) -> list[Someone]:
    """As Moodle numbers them in the assignment of a lesson: in another order in each."""
    return [replace(one, number=HOMEWORK[lesson] + 7 * one.number % 31) for one in people]


def shuffled(lesson: str, people: Sequence[Someone] = EVERYONE) -> list[Someone]:
    """Numbered from 1 in each assignment, so that a number is somebody else's the next time."""
    numbers = [one.number for one in EVERYONE]
    moved = numbers if lesson == THIRD else [*reversed(numbers)]
    by_number = dict(zip(numbers, moved, strict=True))
    return [replace(one, number=by_number[one.number]) for one in people]


class Term:
    """Downloads of one class, all graded into one report."""

    def __init__(self, root: Path, entry: Callable[[Someone], str]) -> None:
        self.root, self.entry, self.report = root, entry, root / "report"
        self.count = 0
        self.shares = 0

    def grade(self, lesson: str, people: dict[Someone, int], *options: str) -> str:
        """The next download, in which people handed in what is worth so many points."""
        self.count += 1
        folder = self.root / f"download {self.count}"
        for one, worth in people.items():
            path = folder / self.entry(one).replace(THIRD, lesson)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(notebook(worth), encoding="utf-8")
        return self.again(self.count, *options)

    def again(self, count: int, *options: str) -> str:
        """An earlier download."""
        folder = str(self.root / f"download {count}")
        if not self.shares:
            return _done("grade", folder, "--output", str(self.report), *options)
        parts = [str(self.root / f"share {number}") for number in range(1, self.shares + 1)]
        for number, part in enumerate(parts, 1):
            _done("grade", folder, "--output", part, "--seed", "5", "--shard", f"{number}/{self.shares}")
        return _done("merge", *parts, "--output", str(self.report), *options)

    def rosters(self, people: Sequence[Someone]) -> tuple[str, str]:
        path = self.root / f"worksheet {self.count}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(moodle_worksheet(people), encoding="utf-8")
        return "--roster", str(path)

    def marks(self, lesson: str, people: Sequence[Someone]) -> dict[str, str]:
        """By login, what the worksheet of the lesson's assignment has after the export."""
        path = self.root / "marks.csv"
        path.write_text(moodle_worksheet(people), encoding="utf-8")
        arguments = ["export", "marks", str(self.report), "--format", "moodle", "--into", str(path)]
        _done(*arguments, "--lesson", lesson, "--scale")
        taken = moodle_takes(path.read_bytes())
        return {one.login: taken[one.number] for one in people}

    def students(self) -> set[str]:
        return {path.parent.name for path in self.report.glob("*/*.html")}


def _done(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def moodle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Term:
    replace_grading(monkeypatch)
    return Term(tmp_path, moodle_entry)


@pytest.fixture
def canvas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Term:
    replace_grading(monkeypatch)
    return Term(tmp_path, canvas_entry)


def worth(people: Sequence[Someone], count: int = 4) -> dict[Someone, int]:
    """The two of one name have different marks, in the order in which they stand."""
    return {one: count + (position if position < 2 else 0) for position, one in enumerate(people)}


@pytest.mark.parametrize("shares", [0, 2], ids=["on one machine", "in shares"])
@pytest.mark.parametrize("numbered", [in_moodle, shuffled], ids=["new numbers", "numbers that others had"])
def test_two_of_one_name_keep_their_marks_when_moodle_numbers_anew(
    moodle: Term, numbered: Callable[..., list[Someone]], shares: int
) -> None:
    moodle.shares = shares
    third, sixth = numbered(THIRD), numbered(SIXTH)
    moodle.grade(THIRD, worth(third), *moodle.rosters(third))
    before = moodle.marks(THIRD, third)
    assert before["alove1"] != before["alove2"] != ""
    said = moodle.grade(SIXTH, worth(sixth, 6), *moodle.rosters(sixth))
    assert "not told apart" not in said
    assert "handed in nothing" not in said
    assert "marks changed" not in said
    assert moodle.marks(THIRD, third) == before
    later = moodle.marks(SIXTH, sixth)
    assert later["alove1"] != later["alove2"] != ""
    assert len(moodle.students()) == len(EVERYONE)


def test_another_of_the_same_name_is_another_by_the_worksheets(moodle: Term) -> None:
    third, sixth = in_moodle(THIRD), in_moodle(SIXTH)
    moodle.grade(THIRD, worth([one for one in third if one.login != ADA_TOO.login]), *moodle.rosters(third))
    moodle.grade(SIXTH, worth([one for one in sixth if one.login != ADA.login]), *moodle.rosters(sixth))
    assert moodle.marks(THIRD, third)["alove2"] == moodle.marks(SIXTH, sixth)["alove1"] == "0"
    assert "0" not in (moodle.marks(THIRD, third)["alove1"], moodle.marks(SIXTH, sixth)["alove2"])


def test_who_hands_in_late_is_told_from_another_of_the_same_name(moodle: Term) -> None:
    third = in_moodle(THIRD)
    first, second = third[:2]
    moodle.grade(THIRD, worth([first, *third[2:]]))
    moodle.grade(THIRD, {second: 9, **worth(third[2:4])})
    assert len(moodle.students()) == len(EVERYONE)
    moodle.grade(THIRD, {second: 8})
    assert len(moodle.students()) == len(EVERYONE)
    assert moodle.marks(THIRD, third)[first.login] == moodle.marks(THIRD, third[:1])[first.login] != "0"


def test_that_moodle_s_students_are_known_by_name_alone_is_told(moodle: Term) -> None:
    assert "known again by name alone" not in moodle.grade(THIRD, worth(in_moodle(THIRD)))
    assert "known again by name alone" not in moodle.again(1)
    assert "known again by name alone" in moodle.grade(SIXTH, worth(in_moodle(SIXTH)))
    sixth = in_moodle(SIXTH)
    assert "known again by name alone" not in moodle.again(2, *moodle.rosters(sixth))


def test_who_joined_later_is_one_person_in_a_late_download_of_the_first_homework(moodle: Term) -> None:
    third, sixth = in_moodle(THIRD)[2:], in_moodle(SIXTH)[2:]
    moodle.grade(THIRD, worth(third[:-1]))
    moodle.grade(SIXTH, worth(sixth))
    moodle.grade(THIRD, worth(third))
    assert len(moodle.students()) == len(third)


def test_the_right_worksheet_given_afterwards_leaves_nobody_twice(moodle: Term) -> None:
    third, sixth = in_moodle(THIRD), in_moodle(SIXTH)
    moodle.grade(THIRD, worth(third), *moodle.rosters(third))
    said = moodle.grade(SIXTH, worth(sixth, 6))
    assert "the roster has other numbers than this download of Moodle's" in said
    assert "handed in nothing" not in said
    assert "not told apart by the roster: Ada Lovelace (" in said
    said = moodle.again(2, *moodle.rosters(sixth))
    assert "not told apart" not in said
    assert len(moodle.students()) == len(EVERYONE)
    marks = moodle.marks(SIXTH, sixth)
    assert marks["alove1"] != marks["alove2"] != ""


def test_a_number_of_another_s_gives_nobody_their_mark(moodle: Term) -> None:
    """The list is of the first homework, whose numbers are others' in the second."""
    third, sixth = shuffled(THIRD), shuffled(SIXTH)
    moodle.grade(THIRD, worth(third[2:]), *moodle.rosters(third))
    moodle.grade(SIXTH, {one: 1 + position for position, one in enumerate(sixth[2:])})
    held = {mark.person: mark.score for mark in Journal(moodle.report).marks or [] if mark.lesson == SIXTH}
    assert [held[f"Participant {one.number}"] for one in third[2:]] == [1, 2, 3, 4, 5, 6]


def test_one_of_two_of_one_name_in_canvas_is_the_one_with_the_number(canvas: Term) -> None:
    canvas.grade(THIRD, worth(EVERYONE))
    canvas.grade(SIXTH, worth([ADA_TOO, *OTHERS]))
    assert len(canvas.students()) == len(EVERYONE)


def test_another_of_one_name_in_canvas_is_another(canvas: Term) -> None:
    canvas.grade(THIRD, worth([ADA, *OTHERS]))
    for _ in range(2):
        canvas.grade(SIXTH, worth([ADA_TOO, *OTHERS]))
        assert len(canvas.students()) == len(EVERYONE)


def test_who_may_be_meant_by_a_name_of_two_is_not_said_to_have_handed_in_nothing(moodle: Term, tmp_path: Path) -> None:
    """Moodle's table of all grades has no participant's numbers."""
    third = in_moodle(THIRD)
    listed = table([["First name", "Last name", "Email address"], *([one.first, one.last, one.email] for one in third)])
    roster = tmp_path / "grades.csv"
    roster.write_text(listed, encoding="utf-8")
    said = moodle.grade(THIRD, worth(third[:-1]), "--roster", str(roster))
    assert f"handed in nothing: {third[-1].full}\n" in said
    assert "not told apart by the roster: Ada Lovelace (" in said
    assert "perhaps one of these: Ada Lovelace (" in said
    marks = moodle.marks(THIRD, third)
    assert marks["alove1"] != marks["alove2"] != ""


# A lesson that is handed in again along with another's homework


@pytest.fixture(params=[0, 2], ids=["on one machine", "in shares"])
def own(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Term:
    """Everyone handed in 03, and then 06; the first of them brings along 03 once more."""
    replace_grading(monkeypatch)
    term = Term(tmp_path, canvas_entry)
    term.shares = request.param
    term.grade(THIRD, dict.fromkeys(OTHERS, 5))
    return term


def bring_along(term: Term, worth: int, count: int = 2) -> None:
    later = replace(OTHERS[0], number=OTHERS[0].number + 2 * (count - 1))
    path = term.root / f"download {count}" / canvas_entry(OTHERS[0]).replace("_9", f"_{later.number}9")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(notebook(worth), encoding="utf-8")


def in_third(term: Term) -> float:
    held = Journal(term.report)
    (score,) = {mark.score for mark in held.marks or [] if mark.lesson == THIRD and mark.student.startswith("last0")}
    return score


@pytest.mark.parametrize(("worth", "counts"), [(2, 5.0), (8, 8.0)])
def test_the_better_of_two_downloads_counts_in_whatever_order_they_are_graded(
    own: Term, worth: int, counts: float
) -> None:
    bring_along(own, worth)
    said = own.grade(SIXTH, dict.fromkeys(OTHERS, 6))
    assert ("worth less than what counts" in said) == (worth < 5)
    assert in_third(own) == counts
    for download, options in ((2, ()), (1, ()), (1, ("--lesson", "03")), (2, ()), (2, ("--fresh",)), (1, ("--fresh",))):
        own.again(download, *(options if not own.shares else ()))
        assert in_third(own) == counts


def test_what_came_along_before_its_homework_was_graded_keeps_its_mark(tmp_path: Path, own: Term) -> None:
    other = Term(tmp_path / "other", canvas_entry)
    other.shares, other.count = own.shares, 1
    bring_along(other, 8)
    other.grade(SIXTH, dict.fromkeys(OTHERS, 6))
    other.grade(THIRD, dict.fromkeys(OTHERS, 5))
    assert in_third(other) == 8


def test_of_several_that_are_brought_along_the_best_counts(own: Term) -> None:
    for count, worth in ((2, 7), (3, 3)):
        bring_along(own, worth, count)
        own.grade(SIXTH, dict.fromkeys(OTHERS, 6))
    assert in_third(own) == 7


def test_what_is_handed_in_again_for_the_lesson_itself_takes_the_earlier_one_s_place(own: Term) -> None:
    bring_along(own, 3)
    own.grade(SIXTH, dict.fromkeys(OTHERS, 6))
    own.grade(THIRD, dict.fromkeys(OTHERS, 4))
    assert in_third(own) == 4


def test_an_interrupted_grading_forgets_nothing(own: Term, monkeypatch: pytest.MonkeyPatch) -> None:
    if own.shares:
        return
    bring_along(own, 2)
    with monkeypatch.context() as patch:
        patch.setattr("bnn_core.classroom.brought_along.note_what_counts", _stopped)
        with pytest.raises(AssertionError):
            own.grade(SIXTH, dict.fromkeys(OTHERS, 6))
    own.again(2)
    assert in_third(own) == 5


def _stopped(*_: object) -> None:
    raise KeyboardInterrupt


def test_feedback_goes_back_to_the_lesson_s_own_assignment(own: Term) -> None:
    bring_along(own, 8)
    own.grade(SIXTH, dict.fromkeys(OTHERS, 6))
    zipped = own.root / "feedback.zip"
    _done("export", "feedback", str(own.report), "--format", "canvas", "--lesson", "03", "--output", str(zipped))
    with zipfile.ZipFile(zipped) as archive:
        taken = {canvas_comment(name) for name in archive.namelist()}
    assert taken == {(one.number, one.number + 90_000) for one in OTHERS}

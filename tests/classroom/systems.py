"""A class as Canvas, Moodle and Blackboard know it: what they let a teacher download, and their marks, written by
the rules of their exporters; and the rules by which their importers read what comes back.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbformat import v4

from bnn_core.lesson_files import notebook_text

LESSON = "03_bayesian_linear"
FILE = f"{LESSON}.ipynb"


@dataclass(frozen=True)
class Someone:
    first: str
    last: str
    number: int
    login: str

    @property
    def full(self) -> str:
        return f"{self.first} {self.last}".strip()

    @property
    def sortable(self) -> str:
        return f"{self.last}, {self.first}" if self.last else self.first

    @property
    def email(self) -> str:
        return f"{self.login}@uni.example"


CLASS = [
    Someone("Zoë", "O'Neil", 4711, "zoneil"),
    Someone("明", "李", 4712, "mli"),
    Someone("Max", "-Minus", 4713, "mminus"),
    Someone("=Eve", "SUM(A1)", 4714, "esum"),
    Someone("ada@uni.example", "", 4715, "aduni"),
    Someone("Ada", "Lovelace", 4716, "alove1"),
    Someone("Ada", "Lovelace", 4717, "alove2"),
    Someone("Łukasz", "Żak_Nowak", 4718, "lzak"),
]
ABSENT = CLASS[-1]


def table(rows: Sequence[Sequence[object]], separator: str = ",", end: str = "\r\n", quote_all: bool = False) -> str:
    text = io.StringIO()
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting).writerows(rows)
    return text.getvalue()


def notebook(worth: int) -> str:
    """A notebook that a replaced grading takes to be worth so many points."""
    made = v4.new_notebook(cells=[v4.new_code_cell(f"# worth {worth}\nclass BayesianLinear: ...", id="one")])
    text: str = notebook_text(made)
    return text


# What a teacher downloads


def canvas_entry(one: Someone) -> str:
    name = re.sub(r"\W", "", one.sortable.lower())
    return f"{name}_{'LATE_' if one.number % 2 else ''}{one.number}_{one.number + 90_000}_{FILE}"


def moodle_entry(one: Someone) -> str:
    return f"{one.full}_{one.number}_assignsubmission_file/{FILE}"


def blackboard_entry(one: Someone) -> str:
    return f"HW 3_{one.login}_attempt_2026-11-02-10-11-12_{FILE}"


def folder_entry(one: Someone) -> str:
    return f"{one.login}/{FILE}"


def canvas_gradebook(people: Sequence[Someone] = CLASS, end: str = "\n") -> str:
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Homework 2 (81)", "Homework 3 (82)"]
    possible = ["    Points Possible", "", "", "", "", "20.00", "10.00"]
    rows = [[one.sortable, one.number, f"s{one.number}", one.login, "A", "", ""] for one in people]
    return table([[*head, "Final Score"], [*possible, "(read only)"], *([*row, "12.5"] for row in rows)], end=end)


MOODLE = ["Identifier", "Full name", "Email address", "Status", "Grade", "Maximum Grade", "Grade can be changed"]
MOODLE += ["Last modified (submission)", "Last modified (grade)", "Feedback comments"]
MOODLE_GERMAN = ["ID", "Vollständiger Name", "E-Mail-Adresse", "Status", "Bewertung", "Bestwertung"]
MOODLE_GERMAN += ["Bewertung kann geändert werden", "Zuletzt geändert (Abgabe)", "Zuletzt geändert (Bewertung)"]
MOODLE_GERMAN += ["Feedback als Kommentar"]


MONDAY, MONTAG = "Monday, 2 November 2026, 10:11 AM", "Montag, 2. November 2026, 10:11"


def moodle_worksheet(people: Sequence[Someone] = CLASS) -> str:
    rows = [
        [f"Participant {one.number}", one.full, one.email, "Submitted", "", "10.00", "Yes", MONDAY, "-", ""]
        for one in people
    ]
    return table([MOODLE, *rows], end="\n")


def german_worksheet(people: Sequence[Someone] = CLASS) -> str:
    rows = [
        [f"Teilnehmer/in{one.number}", one.full, one.email, "Abgegeben", "", "10,00", "Ja", MONTAG, "-", "<p>a;\nb</p>"]
        for one in people
    ]
    return table([MOODLE_GERMAN, *rows], end="\n")


def blackboard_column(people: Sequence[Someone] = CLASS, separator: str = ",") -> str:
    head = ["Last Name", "First Name", "Username", "Student ID", "Last Access", "Availability"]
    rows = [[one.last, one.first, one.login, f"s{one.number}", "2026-11-02 10:11:12", "Yes", "", ""] for one in people]
    titles = ["HW 2 [Total Pts: 20 Score] |118853", "HW 3 [Total Pts: 10 Score] |118854"]
    return table([[*head, *titles], *rows], separator, quote_all=True)


@dataclass(frozen=True)
class System:
    """entry: what a student's file is called in the download. marks: the table of marks. title: its column of ours."""

    name: str
    entry: Callable[[Someone], str]
    marks: bytes
    title: str
    absent: int = 0


SYSTEMS = [
    System("canvas", canvas_entry, canvas_gradebook().encode(), "Homework 3"),
    System("canvas", canvas_entry, canvas_gradebook(end="\r\n").encode("utf-8-sig"), "Homework 3 (82)"),
    System("moodle", moodle_entry, moodle_worksheet().encode(), ""),
    System("moodle", moodle_entry, german_worksheet().encode(), ""),
    System("blackboard", blackboard_entry, blackboard_column().encode(), "HW 3"),
    System("blackboard", blackboard_entry, blackboard_column(separator="\t").encode("utf-16"), "HW 3"),
]
SYSTEM_NAMES = ["Canvas", "Canvas, with a mark", "Moodle", "Moodle in German", "Blackboard", "Blackboard, UTF-16"]


def download(folder: Path, entry: Callable[[Someone], str], worth: Callable[[int], int] = lambda _: 5) -> None:
    """What everyone but the last handed in."""
    for position, one in enumerate(CLASS):
        if one is not ABSENT:
            path = folder / entry(one)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(notebook(worth(position)), encoding="utf-8")


# What their importers take


def rows_of(content: bytes, separator: str = ",") -> list[list[str]]:
    encoding = "utf-16" if content.startswith(b"\xff\xfe") else "utf-8-sig"
    return list(csv.reader(io.StringIO(content.decode(encoding), newline=""), delimiter=separator))


def canvas_takes(content: bytes, title: str) -> dict[int, str]:
    """The marks by the student's number: Canvas finds the assignment by the number after its title and the student by
    the number in ID; rows without a number are no student's.
    """
    header, *rows = rows_of(content)
    (column,) = [place for place, name in enumerate(header) if re.fullmatch(rf"{re.escape(title)}( \(\d+\))?", name)]
    return {int(row[header.index("ID")]): row[column] for row in rows if row[header.index("ID")]}


def moodle_takes(content: bytes, header: Sequence[str] = MOODLE) -> dict[int, str]:
    """Moodle finds three columns by their headers, in the language of the site, and the participant by the number after
    its word for one; it takes no more than the most that can be had.
    """
    word = "Participant " if header is MOODLE else "Teilnehmer/in"
    first, *rows = rows_of(content)
    grade, modified, identifier = (first.index(header[place]) for place in (4, 8, 0))
    assert modified
    marks = {int(row[identifier][len(word) :]): row[grade] for row in rows}
    assert all(not mark or 0 <= float(mark.replace(",", ".")) <= 10 for mark in marks.values())
    return marks


def blackboard_takes(content: bytes) -> dict[str, str]:
    """Blackboard finds the student by the user name and the column by its number."""
    header, *rows = rows_of(content, "\t" if content.startswith(b"\xff\xfe") else ",")
    (column,) = [place for place, name in enumerate(header) if name.partition("|")[2] == "118854"]
    return {row[header.index("Username")]: row[column] for row in rows}


def canvas_comment(name: str) -> tuple[int, int] | None:
    """The user and the attachment to which Canvas puts a file of an uploaded zip."""
    base = name.rpartition("/")[2]
    parts = base.split("_")
    numbers = [part for part in parts if re.fullmatch(r"[0-9]+", part)][:2]
    if base.startswith("._") or parts[-1].startswith("link") or len(numbers) < 2:
        return None
    return int(numbers[0]), int(numbers[1])


def moodle_feedback(path: str, participants: Sequence[int]) -> tuple[int, str] | None:
    """The participant to whom Moodle gives a file of an uploaded zip, and the name under which it does."""
    parts = path.split("/")
    if parts[-1].startswith((".", "~")):
        return None
    while parts:
        info = parts.pop(0).split("_", 4)
        if len(info) < 4 or not re.fullmatch(r"[0-9]+", info[1]) or int(info[1]) not in participants:
            continue
        if info[2] != "assignsubmission" or info[3] not in ("file", "onlinetext"):
            continue
        return int(info[1]), "/".join([*info[4:], *parts]).lstrip("/")
    return None

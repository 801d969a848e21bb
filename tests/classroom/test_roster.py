"""The list of the class: read from a table of one's own and from each system's export, and put to the submissions of
each system.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from classroom.quick_class import SIXTH, THIRD, Class, replace_grading
from classroom.systems import (
    ABSENT,
    CLASS,
    FILE,
    LESSON,
    SYSTEM_NAMES,
    SYSTEMS,
    Someone,
    System,
    blackboard_entry,
    canvas_entry,
    canvas_gradebook,
    download,
    folder_entry,
    moodle_entry,
    moodle_worksheet,
    notebook,
    table,
)

from bnn_core.classroom.roster import Person, match, read_roster, shown_names
from bnn_core.classroom.tables import BadTable, Table

OWN = table([["name", "username", "email"], *([one.full, one.login, one.email] for one in CLASS)])


def roster(text: str | bytes) -> list[Person]:
    content = text.encode() if isinstance(text, str) else text
    return list(read_roster(Table(Path("list.csv"), content)).people)


# Reading it


@pytest.mark.parametrize("system", SYSTEMS, ids=SYSTEM_NAMES)
def test_each_system_s_export_names_the_class(system: System) -> None:
    read = read_roster(Table(Path("list.csv"), system.marks))
    assert read.system.lower() == system.name
    names = [one.sortable if system.name == "canvas" else one.full for one in CLASS]
    assert [person.name for person in read.people] == names
    ids = {"canvas": lambda one: str(one.number), "blackboard": lambda one: one.login}
    expected = ids.get(system.name, lambda one: str(one.number))
    assert [person.aliases[0] if system.name == "moodle" else person.id for person in read.people] == [
        expected(one) for one in CLASS
    ]


@pytest.mark.parametrize(
    ("headers", "row", "person"),
    [
        ("id,name", "7,Ada", Person("Ada", "7")),
        ("Student ID;First name;Last name;E-mail", "7;Ada;L;a@b.de", Person("Ada L", "7", ("a@b.de",))),
        ("Vorname,Nachname,Kennung", "Ada,L,a@b.de", Person("Ada L", "a@b.de")),
        ("username", "alove", Person("alove", "alove")),
        ("name,id", "'=Ada,'-7", Person("=Ada", "-7")),
        ("First name,Last name,ID number,Email address", "Ada,L,,a@b.de", Person("Ada L", "a@b.de")),
    ],
)
def test_a_table_of_one_s_own(headers: str, row: str, person: Person) -> None:
    (read,) = roster(f"{headers}\n\n{row}\n\n")
    assert (read.name, read.id, read.aliases) == (person.name, person.id, person.aliases)


def test_nbgrader_s_export_has_a_row_for_each_assignment() -> None:
    rows = [[lesson, login, "L", "A"] for lesson in ("hw1", "hw2") for login in ("a", "b")]
    people = roster(table([["assignment", "student_id", "last_name", "first_name"], *rows]))
    assert [(person.name, person.id) for person in people] == [("A L", "a"), ("A L", "b")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name,mark\nAda,7\n", r"has no column with an id.*\(name, mark\)"),
        ("id,name\n7,Ada\n7,Bo\n", "lines 2 and 3 both have the id 7"),
        ("id,name\n7,Ada\nS7,Bo\ns7,Cy\n", "lines 3 and 4 both have the id s7"),
        ("id,name\n7,Ada\n,Bo\n", "line 3: Bo has no id"),
        ("id,id,name\n7,8,Ada\n", "several columns 'id'"),
        ("id,name\n", "names nobody"),
    ],
)
def test_what_is_no_list_is_said_in_a_sentence(text: str, says: str) -> None:
    with pytest.raises(BadTable, match=says):
        roster(text)


# Whose a submission is


def test_a_name_of_two_people_decides_nothing() -> None:
    people = [Person("Ada L", "1"), Person("Ada L", "2"), Person("Bo", "3")]
    matched = match({"Ada L": {"Ada L"}, "Bo": {"Bo"}}, people)
    assert matched.people == {"Bo": people[2]}
    assert matched.unclear == ("Ada L",)


def test_two_submissions_of_one_person_decide_nothing() -> None:
    matched = match({"Ada L": {"Ada L"}, "ada  l": {"ada  l"}}, [Person("Ada L", "1")])
    assert matched.people == {}
    assert matched.unclear == ("Ada L", "ada  l")


def test_an_id_goes_before_a_name() -> None:
    people = [Person("Bo", "ada"), Person("ada", "bo")]
    assert match({"ada": {"ada"}, "bo": {"bo"}}, people).people == {"ada": people[0], "bo": people[1]}


@pytest.mark.parametrize("name", ["ada lovelace", "Lovelace, Ada", "LOVELACE ADA", "lovelaceada", "alove"])
def test_a_name_may_be_written_in_several_ways(name: str) -> None:
    person = Person("Lovelace, Ada" if name == "lovelaceada" else "Ada Lovelace", "7", ("alove@uni.example",))
    assert match({name: {name}}, [person]).people == {name: person}


def test_nobody_is_shown_under_another_s_name() -> None:
    people = [Person("Ada", "1"), Person("Ada", "2"), Person("Bo", "3")]
    names, apart = shown_names(people, ["Bo", "Cy"])
    assert list(names.values()) == ["Ada (1)", "Ada (2)", "Bo"]
    assert apart == {"Bo": "Bo (not in the roster)", "Cy": "Cy"}


# Grading with it


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Class:
    replace_grading(monkeypatch)
    return Class(tmp_path)


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


CASES: list[tuple[Callable[[Someone], str], str | bytes]] = [(system.entry, system.marks) for system in SYSTEMS]
CASES += [(folder_entry, OWN), (blackboard_entry, OWN), (folder_entry, canvas_gradebook())]
CASES += [(folder_entry, moodle_worksheet()), (canvas_entry, canvas_gradebook())]


@pytest.mark.parametrize(("entry", "marks"), CASES, ids=range(len(CASES)))
def test_everyone_of_the_class_has_a_row(
    own: Class, tmp_path: Path, entry: Callable[[Someone], str], marks: str | bytes
) -> None:
    download(own.folder, entry)
    result = own.grade("--roster", write(tmp_path / "list.csv", marks))
    assert result.exit_code == 0, result.output
    rows = json.loads((own.report / "report.json").read_text(encoding="utf-8"))["results"]
    people = roster(marks)
    assert {row["student"] for row in rows} == set(shown_names(people)[0].values())
    missing = [row["student"] for row in rows if row["status"] == "not_attempted"]
    assert missing == [people[-1].name]
    assert f"in the roster, and handed in nothing: {people[-1].name}" in result.output
    assert "in no roster" not in result.output
    with (own.report / "grades.csv").open(newline="", encoding="utf-8") as file:
        assert {line["id"].removeprefix("'") for line in csv.DictReader(file)} == {person.id for person in people}
    assert len(list(own.report.glob(f"*/{LESSON}.html"))) == len(CLASS)


def test_a_list_stays_until_another_is_given(own: Class, tmp_path: Path) -> None:
    download(own.folder, folder_entry)
    own.grade("--roster", write(tmp_path / "list.csv", OWN))
    pages = {path.name for path in own.report.iterdir()}
    assert own.grade().exit_code == 0
    assert {path.name for path in own.report.iterdir()} == pages
    assert "In no roster" not in (own.report / "index.html").read_text(encoding="utf-8")
    shorter = table([["id", "name"], *([one.login, one.full] for one in CLASS[:3])])
    result = own.grade("--roster", write(tmp_path / "list.csv", shorter))
    assert "in no roster: ada@uni.example, alove1, alove2, esum" not in result.output
    assert "in no roster: aduni, alove1, alove2, esum" in result.output
    assert "handed in nothing" not in result.output
    index = (own.report / "index.html").read_text(encoding="utf-8")
    assert index.index("In no roster") < index.index(">alove1</a>")


def test_who_comes_late_takes_the_place_of_their_empty_row(own: Class, tmp_path: Path) -> None:
    download(own.folder, moodle_entry)
    own.grade("--roster", write(tmp_path / "list.csv", moodle_worksheet()))
    late = own.folder / moodle_entry(ABSENT)
    late.parent.mkdir()
    late.write_text(notebook(9), encoding="utf-8")
    assert own.grade().exit_code == 0
    rows = json.loads((own.report / "report.json").read_text(encoding="utf-8"))["results"]
    assert [row["score"] for row in rows if row["student"] == ABSENT.full] == [9.0]
    assert len(rows) == len(CLASS)


@pytest.mark.parametrize("options", [(), ("--lesson", "06")], ids=" ".join)
@pytest.mark.parametrize("given", ["now", "before"])
def test_who_is_missing_from_a_later_download_has_a_row_of_no_points(
    own: Class, tmp_path: Path, options: tuple[str, ...], given: str
) -> None:
    roster = ("--roster", write(tmp_path / "list.csv", "id,name\nada,Ada\nbo,Bo\ncy,Cy\n"))
    own.hand_in("ada", THIRD, 6)
    own.hand_in("bo", THIRD, 5)
    own.grade(*roster)
    shutil.rmtree(own.folder / "ada")
    (own.folder / "bo" / f"{THIRD}.ipynb").unlink()
    own.hand_in("bo", SIXTH, 7)
    later = (*options, *(roster if given == "now" else ()))
    foretold = own.grade("--dry-run", *later).output
    assert f"Ada, {SIXTH}: handed in nothing" in foretold
    assert "Cy: handed in nothing" in foretold
    result = own.grade(*later)
    assert f"in the roster, and handed in nothing for {SIXTH}: Ada\n" in result.output
    assert "in the roster, and handed in nothing: Cy\n" in result.output
    rows = json.loads((own.report / "report.json").read_text(encoding="utf-8"))["results"]
    marks = {(row["student"], row["lesson"]): row["score"] for row in rows}
    of_third = {("Ada", THIRD): 6.0, ("Bo", THIRD): 5.0, ("Cy", THIRD): 0.0}
    assert {place: mark for place, mark in marks.items() if place[1] == THIRD} == of_third
    assert marks["Bo", SIXTH] == 7.0
    assert marks["Ada", SIXTH] == marks["Cy", SIXTH] == 0.0
    assert (own.report / "Ada" / f"{SIXTH}.html").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("name,mark\nAda,7\n", "has no column with an id"),
        ("id\n1\n1\n", "both have the id 1"),
        (b"PK\x03\x04", "is a workbook"),
        ("id,name\nx1,Nobody\nx2,Nobody else\n", "none of the 2 students in"),
    ],
    ids=range(4),
)
def test_a_bad_list_is_refused_in_one_line(own: Class, tmp_path: Path, content: str | bytes, says: str) -> None:
    download(own.folder, folder_entry)
    assert says in own.refused("--roster", write(tmp_path / "list.csv", content))


def test_a_list_that_isn_t_there(own: Class, tmp_path: Path) -> None:
    download(own.folder, folder_entry)
    assert "there is no file" in own.refused("--roster", str(tmp_path / "list.csv"))


def test_a_page_of_one_s_own_in_an_absent_student_s_place_stays(own: Class, tmp_path: Path) -> None:
    own.hand_in("mli", LESSON)
    place = own.report / "x" / f"{LESSON}.html"
    place.parent.mkdir(parents=True)
    place.write_text("mine", encoding="utf-8")
    line = own.refused("--roster", write(tmp_path / "list.csv", "id\nmli\nx\n"))
    assert f"{LESSON}.html" in line
    assert FILE not in line

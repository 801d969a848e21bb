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
    canvas_takes,
    download,
    folder_entry,
    moodle_entry,
    moodle_worksheet,
    notebook,
    table,
)
from click.testing import CliRunner

from bnn_core.classroom.journal import Journal
from bnn_core.classroom.roster import Person, match, read_roster, shown_names
from bnn_core.classroom.tables import BadTable, Table
from bnn_core.course.command_line import main

OWN = table([["name", "username", "email"], *([one.full, one.login, one.email] for one in CLASS)])


FRENCH = [Someone(f"Emma{n}", f"Dubois{n}", 5000 + n, f"login{n}") for n in range(8)]


def hand_in_to_canvas(own: Class, people: list[Someone]) -> None:
    own.folder.mkdir(exist_ok=True)
    for one in people:
        (own.folder / canvas_entry(one)).write_text(notebook(5), encoding="utf-8")


def own_list(names: list[str]) -> str:
    return table([["name", "email"], *([name, f"x{n}@uni.example"] for n, name in enumerate(names))])


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


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("duboisemma", "Emma Dubois"),
        ("vandenbergrosa", "Rosa van den Berg"),
        ("garcíamárquezgabriel", "Gabriel García Márquez"),
        ("mullerzoe", "Zoë Müller"),
        ("muller zoe", "Zoë Müller"),
        ("oneilłukasz", "Lukasz O’Neil"),
    ],
)
def test_a_name_is_found_in_the_systems_own_order(name: str, person: str) -> None:
    someone = Person(person, "7")
    assert match({name: {name, "4711"}}, [someone, Person("Zoë Mühler", "8")]).people == {name: someone}


@pytest.mark.parametrize(
    ("names", "people"),
    [
        (["annalee", "leeanna"], ["Anna Lee", "Lee Anna"]),
        (["annalee"], ["Anna Lee", "Lee Anna"]),
        (["leeanna (1)", "leeanna (2)"], ["Anna Lee", "Anna Lee"]),
        (["müllerzoë", "mullerzoe"], ["Zoe Müller"]),
    ],
)
def test_an_order_that_fits_two_decides_nothing(names: list[str], people: list[str]) -> None:
    someone = [Person(name, f"id{position}") for position, name in enumerate(people)]
    assert not match({name: {name} for name in names}, someone).people


@pytest.mark.parametrize("people", [["Anna Lee"], ["Anna Lee", "Anna Lee"]])
def test_two_students_of_one_name_are_listed_as_not_told_apart(own: Class, tmp_path: Path, people: list[str]) -> None:
    hand_in_to_canvas(own, [*FRENCH, Someone("Anna", "Lee", 1, ""), Someone("Anna", "Lee", 2, "")])
    names = [*(one.full for one in FRENCH), *people]
    result = own.grade("--roster", write(tmp_path / "list.csv", own_list(names)))
    assert result.exit_code == 0, result.output
    assert "not told apart by the roster: leeanna (1), leeanna (2)\n" in result.output
    assert "in no roster" not in result.output


def test_a_comma_says_which_name_stands_first() -> None:
    people = [Person("Lee, Anna", "1"), Person("Anna, Lee", "2")]
    assert match({"annalee": ["annalee"], "leeanna": ["leeanna"]}, people).people == {
        "leeanna": people[0],
        "annalee": people[1],
    }


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


def test_a_list_of_first_and_last_names_fits_the_names_of_files(own: Class, tmp_path: Path) -> None:
    hand_in_to_canvas(own, FRENCH)
    result = own.grade("--roster", write(tmp_path / "list.csv", own_list([one.full for one in FRENCH])))
    assert result.exit_code == 0, result.output
    assert "in no roster" not in result.output
    assert "handed in nothing" not in result.output
    rows = json.loads((own.report / "report.json").read_text(encoding="utf-8"))["results"]
    assert {(row["student"], row["score"]) for row in rows} == {(one.full, 5.0) for one in FRENCH}


def test_a_list_that_fits_few_is_refused_before_anything_runs(
    own: Class, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = replace_grading(monkeypatch)
    hand_in_to_canvas(own, FRENCH)
    names = [one.full for one in FRENCH[:3]] + [f"Emma D. {n}" for n in range(9)]
    path = write(tmp_path / "list.csv", own_list(names))
    for options in (("--roster", path), ("--roster", path, "--dry-run")):
        line = own.refused(*options)
        assert f"only 3 of the 12 students in {path} are among the 8 who handed in" in line
        assert "Nobody who did is called Emma D. 0, Emma D. 1, Emma D. 2 and 6 more" in line
        assert "nobody in it dubois3emma3, dubois4emma4, dubois5emma5 and 2 more" in line
        assert "the one that your school's system exports" in line
    assert seen == []
    better = write(tmp_path / "list.csv", own_list([*names[:3], FRENCH[3].full, *names[3:]]))
    assert own.grade("--roster", better).exit_code == 0


def test_a_list_that_was_taken_before_and_fits_few_gives_nobody_a_mark(own: Class) -> None:
    hand_in_to_canvas(own, FRENCH)
    assert own.grade().exit_code == 0
    with Journal(own.report, alone=True) as journal:
        journal.enrol([Person(f"Emma D. {n}", f"x{n}") for n in range(9)])
    assert "none of the 9 students in the roster that the report has" in own.refused()
    result = CliRunner().invoke(main, ["export", "marks", str(own.report), "--format", "wide"])
    assert result.exit_code == 2
    assert "none of the 9 students in the roster that the report has" in result.output


def test_a_list_fits_who_alone_handed_in_so_far(own: Class, tmp_path: Path) -> None:
    hand_in_to_canvas(own, FRENCH[:1])
    assert own.grade("--roster", write(tmp_path / "list.csv", own_list([one.full for one in FRENCH]))).exit_code == 0


# The system's test student


TESTER = Someone("Test", "Student", 4799, "b1c5")


@pytest.mark.parametrize("with_roster", ["none", "Canvas's", "one's own"])
def test_the_system_s_test_student_is_no_person_of_the_class(own: Class, tmp_path: Path, with_roster: str) -> None:
    people = [*FRENCH, TESTER]
    hand_in_to_canvas(own, [*FRENCH[:7], TESTER])
    (own.folder / canvas_entry(TESTER)).write_text(notebook(0), encoding="utf-8")
    (own.folder / canvas_entry(TESTER).replace(LESSON, SIXTH)).write_text(notebook(0), encoding="utf-8")
    lists = {"Canvas's": canvas_gradebook(people), "one's own": own_list([one.full for one in people])}
    options = ("--roster", write(tmp_path / "list.csv", lists[with_roster])) if with_roster in lists else ()
    result = own.grade(*options)
    assert result.exit_code == 0, result.output
    shown = {"Canvas's": "Student, Test", "one's own": "Test Student"}.get(with_roster, "studenttest")
    assert result.output.count(shown) == 1
    assert f"a test student of the school's system, in no count: {shown}" in result.output
    assert "7 submissions and 1 of a test student, 0 of" in result.output
    rows = json.loads((own.report / "report.json").read_text(encoding="utf-8"))["results"]
    assert {row["lesson"] for row in rows} == {LESSON}
    assert len(rows) == (8 if options else 7)
    assert shown not in (own.report / "grades.csv").read_text(encoding="utf-8")
    index = (own.report / "index.html").read_text(encoding="utf-8")
    assert index.count(f">{shown}</a>") == 1
    assert f'is counted nowhere: <a href="{shown.replace(" ", "%20").replace(",", "%2C")}/{LESSON}.html">' in index
    assert (own.report / shown / f"{LESSON}.html").exists()
    assert f"{shown}: a test student of the school's system, in no count" in own.grade("--dry-run").output


def test_the_system_s_test_student_keeps_its_row(own: Class, tmp_path: Path) -> None:
    path = tmp_path / "canvas.csv"
    hand_in_to_canvas(own, [*FRENCH, TESTER])
    write(path, canvas_gradebook([*FRENCH, TESTER]))
    assert own.grade("--roster", str(path)).exit_code == 0
    export = ["export", "marks", str(own.report), "--format", "canvas", "--into", str(path), "--title", "Homework 3"]
    result = CliRunner().invoke(main, export)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("8 marks in")
    assert "Test" not in result.output
    assert canvas_takes(path.read_bytes(), "Homework 3") == {one.number: "5" for one in FRENCH} | {TESTER.number: ""}


def test_a_test_student_that_handed_in_nothing_is_not_absent(own: Class, tmp_path: Path) -> None:
    hand_in_to_canvas(own, FRENCH)
    result = own.grade("--roster", write(tmp_path / "canvas.csv", canvas_gradebook([*FRENCH, TESTER])))
    assert "handed in nothing" not in result.output
    assert "in no count: Student, Test\n" in result.output


def test_a_folder_is_no_test_student(own: Class) -> None:
    own.hand_in("test_student", LESSON)
    assert own.graded() == {("test_student", LESSON, 5.0)}


def test_a_class_of_the_test_student_alone_is_graded(own: Class) -> None:
    hand_in_to_canvas(own, [TESTER])
    result = own.grade()
    assert result.exit_code == 0, result.output
    assert (own.report / "studenttest" / f"{LESSON}.html").exists()


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

"""Who is in the class: a list of people, read from a table of the instructor's or from what a school's system exports,
and which of them each submission is from. It may not know what a submission holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bnn_core.classroom.spellings import in_any_order, in_one_case, letters_of, plain, without_key, words_of
from bnn_core.classroom.tables import BadTable, Table

IDS = (
    "studentid", "id", "userid", "idnumber", "studentnumber", "matriculationnumber", "matrikelnummer", "sisuserid",
    "username", "user", "login", "loginid", "sisloginid", "netid", "email", "emailaddress", "mail",
)  # fmt: skip
"""Headers of columns that tell people apart, the best first; case, spaces and signs don't count."""

NAMES = ("fullname", "name", "studentname", "displayname", "student")
FIRST_NAMES = ("firstname", "givenname", "forename", "vorname", "prenom", "nombre", "first")
LAST_NAMES = ("lastname", "surname", "familyname", "nachname", "nom", "apellidos", "last")

_PARTICIPANT = re.compile(r"(?P<word>.*\D)(?P<number>\d+)", re.DOTALL)
_LEAST_LETTERS = 3
_LEAST_COLUMNS = 6
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_ID = re.compile(r"(?=.*\d)\S+")  # a login or a number, and no state of a submission


@dataclass(frozen=True)
class Person:
    """Someone of the class, as the list has them.

    aliases: what else they may be called by: login, e-mail address, number. row: where they stand in the table.
    passing: of all these, those that hold for one assignment alone.
    """

    name: str
    id: str
    aliases: tuple[str, ...] = ()
    row: int = 0
    passing: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        return (self.id, *self.aliases)

    @property
    def lasting(self) -> frozenset[str]:
        """By what they are known again on a list of another assignment, in one case."""
        return frozenset(in_one_case(one) for one in self.ids if one not in self.passing)

    @property
    def called(self) -> frozenset[str]:
        """All that they may be called by."""
        return frozenset({self.name, f"{self.name} ({self.id})", *self.ids})


@dataclass(frozen=True)
class Roster:
    """system: whose export it is, or "" for a table of one's own. people: in the table's order."""

    system: str
    people: tuple[Person, ...]


@dataclass(frozen=True)
class Matched:
    """Whose each submission is. unclear: of those that are nobody's, the ones that might be several people's, or one
    person's together with another. perhaps: those whom nothing is found to be of, and something unclear may be.
    """

    people: Mapping[str, Person]
    unclear: tuple[str, ...] = ()
    perhaps: frozenset[Person] = frozenset()


def read_roster(table: Table) -> Roster:
    """Raises BadTable where it isn't a list of people that can be told apart."""
    readers = (
        ("Canvas", is_canvas, _canvas),
        ("Blackboard", is_blackboard, _blackboard),
        ("Moodle", is_moodle, _moodle),
        ("", lambda _: True, _own),
    )
    system, _, reader = next(item for item in readers if item[1](table))
    people = tuple(reader(table))
    if not people:
        raise BadTable(f"{table.path} names nobody; give a table with a row for each student")
    return Roster(system, people)


def is_canvas(table: Table) -> bool:
    return table.headers[0] == "Student" and "ID" in table.headers


def is_blackboard(table: Table) -> bool:
    return {"Last Name", "First Name", "Username"} <= set(table.headers)


def is_moodle(table: Table) -> bool:
    """Whether it is Moodle's grading worksheet, whose headers are in the language of the site: the first column is one
    word with a number after it, and further on stands the most that could be had.
    """
    if len(table.headers) < _LEAST_COLUMNS:
        return False
    found = [_PARTICIPANT.fullmatch(value) for value in table.column(0)]
    words = {match["word"].strip() for match in found if match}
    if not found or not all(found) or len(words) != 1:
        return False
    (word,) = words
    letters = sum(sign.isalpha() for sign in word)
    return letters >= _LEAST_LETTERS and (table.headers[0] == "Identifier" or maximum_column(table) is not None)


def maximum_column(table: Table) -> int | None:
    """In Moodle's worksheet the column of the most that could be had: one number for all, after that of the marks."""
    headers = table.headers
    if "Maximum Grade" in headers:
        return headers.index("Maximum Grade")
    for column in range(2, len(headers)):
        values, marks = table.column(column), table.column(column - 1)
        is_number = len(set(values)) == 1 and _NUMBER.fullmatch(values[0])
        if is_number and all(not mark or _NUMBER.fullmatch(mark) for mark in marks):
            return column
    return None


def _canvas(table: Table) -> Iterable[Person]:
    """The rows above the students' have no number: what could be had, and whether marks are posted by hand."""
    headers = table.headers
    number = headers.index("ID")
    others = [headers.index(name) for name in ("SIS User ID", "SIS Login ID", "Integration ID") if name in headers]
    rows = [row for row in table.filled() if table.cell(row, number)]
    return _people(table, rows, number, (0,), others)


def _blackboard(table: Table) -> Iterable[Person]:
    headers = table.headers
    names = (headers.index("First Name"), headers.index("Last Name"))
    others = [headers.index("Student ID")] if "Student ID" in headers else []
    return _people(table, table.filled(), headers.index("Username"), names, others)


def _moodle(table: Table) -> Iterable[Person]:
    """Without a name where marking is anonymous. Moodle gives everyone a new number in each assignment; what the site
    shows of people beside their names stands after these.
    """
    rows = table.filled()
    values = table.column(1)
    named = len(set(values)) * 2 > len(values)
    others = [column for column in range(2, len(table.headers)) if _tells_apart(table, column)]
    for person in _people(table, rows, 0, (1,) if named else (0,), others):
        match = _PARTICIPANT.fullmatch(person.id)
        number = match["number"] if match else ""
        yield replace(person, aliases=(number, *person.aliases), passing=(person.id, number))


def _tells_apart(table: Table, column: int) -> bool:
    """Whether a column of Moodle's worksheet, whose headers may be in any language, holds what only one person has: an
    e-mail address, a login or a number. Some may have none.
    """
    values = [value for value in table.column(column) if value]
    if _plain(table.headers[column]) in IDS or _is_email(values):
        return True
    most = maximum_column(table)
    is_before_marks = most is not None and column < most - 1
    return is_before_marks and len(set(values)) == len(values) and all(map(_ID.fullmatch, values)) and bool(values)


def _own(table: Table) -> Iterable[Person]:
    headers = [_plain(header) for header in table.headers]
    if repeated := [name for name, count in Counter(headers).items() if count > 1 and name in (*IDS, *NAMES)]:
        raise BadTable(f"{table.path} has several columns {repeated[0]!r}; rename all but one")
    found = [headers.index(name) for name in IDS if name in headers]
    found += [column for column in range(len(headers)) if column not in found and _is_email(table.column(column))]
    if not found:
        listed = ", ".join(table.headers)
        raise BadTable(
            f"{table.path} has no column with an id, such as id, username or email, among its columns ({listed}); "
            "add one"
        )
    rows = table.filled()
    number = next((column for column in found if all(table.column(column))), found[0])
    whole = [headers.index(name) for name in NAMES if name in headers]
    parts = [_first_of(headers, FIRST_NAMES), _first_of(headers, LAST_NAMES)]
    names = whole[:1] or [column for column in parts if column is not None] or [number]
    if "assignment" in headers:  # nbgrader's own export has a row for each student and assignment
        seen: dict[str, int] = {}
        for row in rows:
            seen.setdefault(table.cell(row, number), row)
        rows = list(seen.values())
    return _people(table, rows, number, names, [column for column in found if column != number])


def _people(
    table: Table, rows: Sequence[int], number: int, names: Sequence[int], others: Sequence[int]
) -> Iterable[Person]:
    """A person for each row. Raises BadTable where one has no id, or two have the same."""
    seen: dict[str, int] = {}
    for row in rows:
        identity = without_quote(table.cell(row, number))
        name = " ".join(part for column in names if (part := table.cell(row, column)))
        line = table.lines[row]
        if not identity:
            raise BadTable(f"{table.path}, line {line}: {name or 'someone'} has no {table.headers[number]}; add it")
        if identity.casefold() in seen:
            earlier = seen[identity.casefold()]
            raise BadTable(
                f"{table.path}, lines {earlier} and {line} both have the {table.headers[number]} {identity}; "
                "give each student one row"
            )
        seen[identity.casefold()] = line
        aliases = tuple(value for column in others if (value := without_quote(table.cell(row, column))))
        yield Person(without_quote(name) or identity, identity, aliases, row)


def without_quote(value: str) -> str:
    """The value as it was before a quote was put before it, lest a spreadsheet take it for a formula."""
    return value[1:] if value.startswith("'") and value[1:].lstrip().startswith(("=", "+", "-", "@")) else value


def _first_of(headers: Sequence[str], names: Sequence[str]) -> int | None:
    return next((headers.index(name) for name in names if name in headers), None)


def _is_email(values: Sequence[str]) -> bool:
    return bool(values) and all("@" in value and "." in value.partition("@")[2] for value in values)


def _plain(header: str) -> str:
    decomposed = unicodedata.normalize("NFKD", header.casefold())
    return "".join(sign for sign in decomposed if sign.isalnum())


# Whose a submission is


def match(students: Mapping[str, Collection[str]], people: Sequence[Person]) -> Matched:
    """Whose each student's submissions are. students: for each what the system calls them by.

    What is meant to tell people apart goes before names, and a name before one that is merely spelt alike; what fits
    two people, or two students, decides nothing.
    """
    found: dict[str, Person] = {}
    unclear: set[str] = set()
    for seen, own in _ways():
        left = [student for student in students if student not in found]
        free = [person for person in people if person not in found.values()]
        owners: defaultdict[str, set[int]] = defaultdict(set)
        for position, person in enumerate(free):
            for sign in own(person):
                owners[sign].add(position)
        fitting = {
            student: set().union(*(owners.get(sign, set()) for sign in seen(student, students[student])))
            for student in left
        }
        claims = Counter(position for positions in fitting.values() for position in positions)
        for student, positions in fitting.items():
            if len(positions) == 1 and claims[next(iter(positions))] == 1:
                found[student] = free[next(iter(positions))]
            elif positions:
                unclear.add(student)
    spelt = {person: in_any_order(plain(person.name)) for person in people}
    of_people = set().union(*spelt.values())
    several = {student: _letters_of_several(student, keys) for student, keys in students.items()}
    unclear |= {student for student, letters in several.items() if letters in of_people}
    unclear -= set(found)
    letters = {several[student] or letters_of(plain(student)) for student in unclear}
    perhaps = {person for person in people if person not in found.values() and letters & spelt[person]}
    return Matched(found, tuple(sorted(unclear)), frozenset(perhaps))


def _letters_of_several(student: str, keys: Collection[str]) -> str:
    """The letters of a name that has a number behind it because others of the submissions have it too; or none."""
    name = without_key(student, keys)
    return letters_of(plain(name)) if name != student else ""


def is_called(person: Person, name: str) -> bool:
    """Whether it is the person's name, however it is written; where marking is anonymous there is none."""
    letters = letters_of(plain(name))
    return person.name == person.id or letters in in_any_order(plain(person.name))


def fits_too_few(matched: int, students: int, people: int) -> bool:
    """Whether so few are the same that a list is of another class, or calls its people by what nobody here is called.

    students: of the submissions; people: on the list.
    """
    return not matched or 2 * matched < min(students, people)


_Seen = Callable[[str, Collection[str]], set[str]]


def _ways() -> list[tuple[_Seen, Callable[[Person], set[str]]]]:
    """The ways in which a student and a person may be found to be the same, the surest first."""
    return [
        (lambda _, keys: set(map(in_one_case, keys)), lambda person: {in_one_case(person.id)} & person.lasting),
        (lambda _, keys: set(map(in_one_case, keys)), lambda person: set(person.lasting)),
        (_keys_with_name, _numbers_with_name),
        (lambda _, keys: set(map(in_one_case, keys)), _mailboxes),
        (lambda name, _: {in_one_case(name)}, lambda person: {in_one_case(person.name)}),
        (lambda name, _: {words_of(name)}, lambda person: {words_of(person.name)}),
        (lambda name, _: {letters_of(name)}, lambda person: in_any_order(person.name)),
        (lambda name, _: {words_of(plain(name))}, lambda person: {words_of(plain(person.name))}),
        (lambda name, _: {letters_of(plain(name))}, lambda person: in_any_order(plain(person.name))),
        (lambda _, keys: set(map(in_one_case, keys)), lambda person: set(map(in_one_case, person.passing))),
    ]


def _keys_with_name(name: str, keys: Collection[str]) -> set[str]:
    letters = letters_of(plain(without_key(name, keys)))
    return {f"{key} {letters}" for key in keys}


def _numbers_with_name(person: Person) -> set[str]:
    """A number that holds in one assignment may have been another's in another: the name must be the same as well."""
    return {f"{number} {letters}" for number in person.passing for letters in in_any_order(plain(person.name))}


def _mailboxes(person: Person) -> set[str]:
    return {in_one_case(one.partition("@")[0]) for one in person.ids if "@" in one}


def shown_names(people: Iterable[Person], others: Iterable[str] = ()) -> tuple[dict[Person, str], dict[str, str]]:
    """The name by which each person is shown, the id beside it where two are called alike; and for others, who are
    nobody of the class, one that is nobody's.
    """
    everyone = list(people)
    alike = Counter(person.name for person in everyone)
    names = {one: one.name if alike[one.name] == 1 else f"{one.name} ({one.id})" for one in everyone}
    taken = set(names.values())
    apart = {}
    for other in others:
        name = other if other not in taken else f"{other} (not in the roster)"
        while name in taken:
            name += "'"
        taken.add(name)
        apart[other] = name
    return names, apart

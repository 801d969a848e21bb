"""What each student handed in for each lesson: which of their notebooks is graded, what lies beside it, and what was
not read. It decides by what `students` and `recognising` tell; it opens nothing itself.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bnn_core.answers.course_own import prepare
from bnn_core.answers.slicing import COURSE_PACKAGE
from bnn_core.classroom.attempts import USUAL, Candidate, Counting, counting, none_named
from bnn_core.classroom.downloads import CANVAS, delivery, is_test_student
from bnn_core.classroom.handed_in import FOLDER, Refused, Tree
from bnn_core.classroom.recognising import HIDDEN_NAME, Found, Root, exercises_handed_out, is_hidden, recognise
from bnn_core.classroom.sandbox.reading import MOST_FILE_BYTES, MOST_FILES, Say, in_children
from bnn_core.classroom.shares import Share
from bnn_core.classroom.students import NBGRADER_FOLDER, Student, printable, students_in
from bnn_core.classroom.text import clean

NO_NOTEBOOK = "No notebook was handed in."
NONE_FOR_LESSON = "No notebook of this lesson was handed in."
COURSE_OWN = "the course's own"
"""By these words the kinds of what is missing are known in rows and notes."""

MOST_LISTED = 12
MOST_DEATHS = 5
"""How often looking through a submission is begun anew, each time without the file on which the reader died."""

TIMESTAMP = "timestamp.txt"
"""Where nbgrader notes when something was handed in."""

LONGEST_TIME = 200
_NBGRADER_TIME = re.compile(r"(?P<time>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(?:\.\d+)?(?: (?P<zone>[\w/+-]+))?$")

_NUMBERED_MODULE = re.compile(r"(?:-\d+| ?\(\d+\))(?=\.py$)")  # such a name could not be imported


@dataclass(frozen=True)
class Submission:
    """What a student handed in for a lesson.

    path: the notebook, below home or in a zip there; None where there is none. home: the folder or the zip of
    submissions. set_aside: other notebooks for the lesson. ignored: the course's own notebooks, with answers in them.
    name: the notebook's path within the submission, as the other two are. files: what lies beside the notebook, by the
    path from there. remarks: sentences on what was not read. missing: why there is no notebook. attempt, attempts:
    which it is of how many; why: it counts, where it isn't the only one. digest: changes when anything does on which
    the result of this notebook depends. handed_in: when the notebook was, in ISO 8601, without a zone where the
    system gives none, and empty where it gives no time; late: whether the system says so. key, system and entry: what
    tells the student from others of the same name, the platform that named the files, and what the file or the folder
    is called there. is_worked_on: whether the notebook can be read, and isn't as it was handed out.
    """

    student: str
    lesson: str
    path: Path | None
    home: Path
    set_aside: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    name: str = ""
    files: tuple[tuple[str, Path], ...] = ()
    remarks: tuple[str, ...] = ()
    missing: str = NO_NOTEBOOK
    digest: str = ""
    key: str = ""
    system: str = ""
    entry: str = ""
    handed_in: str = ""
    late: bool = False
    attempt: int = 1
    attempts: int = 1
    why: str = ""
    is_worked_on: bool = False

    @property
    def others(self) -> str:
        """The names of what was set aside, or of the first."""
        return _listed(self.set_aside)

    @property
    def notes(self) -> list[str]:
        """For the student's page: what holds of this notebook, whichever counts."""
        notes = []
        if self.path is not None and self.ignored:
            own = ", ".join(self.ignored)
            notes.append(f"{self.name} was graded; {own} {'is' if len(self.ignored) == 1 else 'are'} {COURSE_OWN}.")
        return [*notes, *self.remarks]

    @property
    def was_handed_in(self) -> bool:
        """Whether there is anything at all."""
        return self.path is not None or self.missing != NO_NOTEBOOK

    @property
    def is_of_another_lesson(self) -> bool:
        """Whether nothing but a notebook of another lesson is there."""
        return self.path is None and self.missing.startswith(NONE_FOR_LESSON)

    @property
    def status_without(self) -> str:
        """The status of a row of a submission that has no notebook: whether there was anything else."""
        return "not_attempted" if self.missing.startswith((NO_NOTEBOOK, NONE_FOR_LESSON)) else "unreadable"


@dataclass(frozen=True)
class Collected:
    """All submissions, or those of a share, sorted by student and lesson; and what lies beside the students' folders.
    students: everyone, whoever is in the share. lessons: those that the class is graded on. workers: by lesson, who
    worked on it; where a lesson was asked for, they aren't looked for. untouched: by student and lesson, the notebooks
    that bring no lesson into the class.
    """

    submissions: tuple[Submission, ...]
    strays: tuple[str, ...] = ()
    students: tuple[str, ...] = ()
    lessons: tuple[str, ...] = ()
    workers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    untouched: frozenset[tuple[str, str]] = frozenset()

    def unread(self) -> list[str]:
        """A line for each thing that was not read, with what to do."""
        beside = "lies beside the students' folders, so it belongs to nobody and was not graded"
        put_it = "Put it into a folder with its student's name."
        lines = [f"{name} {beside}. {HIDDEN_NAME if is_hidden(name) else put_it}" for name in self.strays]
        for submission in self.submissions:
            told = submission.remarks
            if submission.path is None and submission.was_handed_in and not submission.is_of_another_lesson:
                told = (submission.missing,)
            lines += [f"{submission.student}: {remark}" for remark in told]
        return [clean(line) for line in dict.fromkeys(lines)]

    def renamed(self, names: Mapping[str, str]) -> Collected:
        """The same, where some students are known by another name."""

        def known(student: str) -> str:
            return names.get(student, student)

        return replace(
            self,
            submissions=tuple(replace(item, student=known(item.student)) for item in self.submissions),
            students=tuple(map(known, self.students)),
            workers={lesson: tuple(map(known, students)) for lesson, students in self.workers.items()},
            untouched=frozenset((known(student), lesson) for student, lesson in self.untouched),
        )

    def of_another_lesson(self) -> list[str]:
        """Who handed in a notebook of another lesson, and none of the one that is graded."""
        return [item.student for item in self.submissions if item.is_of_another_lesson]


def find_submissions(
    home: Path,
    lessons: Sequence[str],
    only: str | None = None,
    at_once: int = 1,
    share: Share | None = None,
    rule: str = USUAL,
) -> Collected:
    """What the folder, or the zip, holds. Raises Refused where it can't be read.

    lessons: those that have exercises. only: the one to grade. at_once: how many submissions are looked into at a time.
    share: whose submissions are wanted. Others are looked into only to learn which lessons the class is graded on.
    rule: by which one of several attempts counts; where it is the best, there is a submission for each.
    """
    prepare(lessons)
    for lesson in lessons:
        exercises_handed_out(lesson)  # so that processes forked from this one needn't read it
    (listing,) = in_children([partial(_say_students, home)], 1)
    if listing.trouble:
        raise Refused(listing.trouble)
    students = [_student(line["student"]) for line in listing.lines if "student" in line]
    strays = tuple(line["stray"] for line in listing.lines if "stray" in line)
    mine = [student for student in students if share is None or share.holds(student.name)]
    collections = _look_through(home, mine if only is not None else students, at_once)
    workers = _workers(collections) if only is None else {}
    of_class = [only] if only is not None else sorted(workers) or _lessons_of(collections, lessons)
    found = [one for one in collections if share is None or share.holds(one.student.name)]
    submissions = tuple(_submissions(home, found, of_class, only, rule))
    untouched = _untouched(found, of_class) if only is None else frozenset()
    names = tuple(student.name for student in students)
    return Collected(submissions, strays, names, tuple(of_class), workers, untouched)


# In child processes


def _say_students(home: Path, say: Say) -> None:
    students, strays = students_in(Tree(home), home.name)
    for student in students:
        say({"student": asdict(student)})
    for name in strays:
        say({"stray": name})


def _say_found(home: Path, student: Student, without: frozenset[tuple[str, ...]], say: Say) -> None:
    tree = Tree(home)
    for item in recognise(tree, student.roots, without):
        say({"found": asdict(item)} if isinstance(item, Found) else {"begin": item})
        is_note = isinstance(item, Found) and item.kind == "file" and PurePosixPath(item.name).name == TIMESTAMP
        if isinstance(item, Found) and is_note and tree.outermost(item.parts) == item.parts:
            say({"time": tree.beginning(item.parts, LONGEST_TIME).decode("utf-8", "replace"), "of": item.name})


# Their parent


@dataclass
class _Collection:
    """A student with all that was found in the submission."""

    student: Student
    found: list[Found]
    times: Mapping[str, str] = field(default_factory=dict)
    """What nbgrader's files of times say, by their paths."""

    def notebooks(self) -> dict[str, list[Found]]:
        """What may be graded, by lesson; under "", that of which the lesson can't be told."""
        grouped: defaultdict[str, list[Found]] = defaultdict(list)
        for item in self.found:
            if item.kind in ("notebook", "unreadable"):
                grouped[item.lesson or ""].append(item)
        return dict(grouped)

    def has_own(self, lesson: str) -> bool:
        """Whether the course's own notebook of the lesson is among what was found."""
        return any(item.kind == "own" and item.lesson == lesson for item in self.found)

    def candidates(self, home: Path, notebooks: Sequence[Found]) -> list[Candidate]:
        """Notebooks with what tells the order in which they were handed in."""
        return [Candidate(one, self._handed_in(home, one), self._attachment(one)) for one in notebooks]

    def submission(
        self,
        home: Path,
        lesson: str,
        candidates: Sequence[Found],
        counts: Counting | None,
        all_chosen: Mapping[str, Found],
    ) -> Submission:
        """The submission for a lesson. counts: the notebook that does. all_chosen: what is graded of this student, by
        lesson, this one included.
        """
        chosen = counts.candidate.notebook if counts is not None else None
        beside = self._beside(chosen) if chosen else []
        own = tuple(item.name for item in self.found if item.kind == "own" and item.lesson in (None, lesson))
        remarks = self._remarks(lesson, candidates, all_chosen)
        others = [item for item in candidates if item is not chosen and item.kind == "notebook" and item not in beside]
        names = tuple(sorted(item.name for item in others))
        missing = self._why_missing(own, remarks, {} if chosen else all_chosen)
        if names and not chosen:
            missing = none_named(lesson, names)
        submission = Submission(
            self.student.name,
            lesson,
            home.joinpath(*chosen.parts) if chosen else None,
            home,
            names,
            own,
            chosen.name if chosen else "",
            tuple((_from_folder(item, chosen), home.joinpath(*item.parts)) for item in beside if chosen),
            tuple(remarks),
            missing,
            key=self.student.key,
            system=self.student.system,
            entry=self._entry(chosen),
            is_worked_on=chosen is not None and chosen.kind == "notebook" and not chosen.is_untouched,
        )
        submission = replace(submission, handed_in=self._handed_in(home, chosen), late=self._is_late(submission.entry))
        if counts is not None:
            submission = replace(submission, attempt=counts.attempt, attempts=counts.attempts, why=counts.why)
        texts = (submission.name, own, remarks, submission.missing)
        contents = [(chosen.digest, chosen.size) if chosen else None, *((item.name, item.digest) for item in beside)]
        digest = hashlib.sha256(repr((texts, contents)).encode("utf-8", "backslashreplace"))
        return replace(submission, digest=digest.hexdigest())

    def _entry(self, chosen: Found | None) -> str:
        """What is called the student's in the folder of submissions: of several files, the one that was graded."""
        roots = sorted((root.parts for root in self.student.roots), key=_attachment_of, reverse=True)
        around = [parts for parts in roots if chosen is not None and chosen.parts[: len(parts)] == parts]
        return (around or roots or [("",)])[0][-1]

    def _handed_in(self, home: Path, chosen: Found | None) -> str:
        """When the notebook was handed in: what the system wrote down, or else the time of the file that was. What
        Canvas packs has the time at which it did.
        """
        if chosen is None or self.student.system == CANVAS:
            return ""
        if moment := _nbgrader_time(self._noted(home, chosen)) or _blackboard_time(chosen.attempt):
            return moment
        if not chosen.received:
            return ""
        received = datetime.fromtimestamp(chosen.received, UTC)
        return (received if chosen.is_instant else received.replace(tzinfo=None)).isoformat("T", "seconds")

    def _noted(self, home: Path, chosen: Found) -> str:
        """What nbgrader noted: in the assignment's folder, where it replaces what a student put there. A file of that
        name anywhere else is the student's own.
        """
        around = chosen.parts[: len(chosen.parts) - len(PurePosixPath(chosen.name).parts)]
        is_nbgraders = NBGRADER_FOLDER in (home.stem, *around[:-1]) and not self.student.system
        assignment = PurePosixPath(chosen.name).parts[0]
        return self.times.get(f"{assignment}/{TIMESTAMP}", "") if is_nbgraders else ""

    def _attachment(self, notebook: Found) -> int:
        return _attachment_of((self._entry(notebook),))

    def _is_late(self, entry: str) -> bool:
        named = delivery(entry, is_folder=False)
        return named is not None and named.late

    def _beside(self, notebook: Found) -> list[Found]:
        """The files that its code finds in its folder and below, as many as there is room for."""
        files = [item for item in self.found if item is not notebook and _is_beside(item, notebook)]
        room, taken, folders = MOST_FILE_BYTES, dict[str, Found](), set[str]()
        for item in sorted(files, key=lambda item: (item.name.count("/"), item.name)):
            above = {str(folder) for folder in PurePosixPath(item.name).parents}
            room -= item.size
            if room >= 0 and len(taken) < MOST_FILES and item.name not in folders and above.isdisjoint(taken):
                taken[item.name] = item
                folders |= above
        return list(taken.values())

    def _why_missing(self, own: Sequence[str], remarks: Sequence[str], others: Mapping[str, Found]) -> str:
        """Why there is no notebook, in sentences. others: the student's notebooks of other lessons."""
        if self.student.trouble:
            return f"The folder was not looked into. {self.student.trouble}"
        without = NONE_FOR_LESSON if others and not own else NO_NOTEBOOK
        first = "No notebook that can be read was handed in." if remarks else without
        told = [f"{name} is {COURSE_OWN}, with its answers, and no submission." for name in own]
        told += [f"{other.name} is of {lesson}." for lesson, other in others.items() if not own]
        return " ".join([first, *told, *remarks])

    def _remarks(self, lesson: str, candidates: Sequence[Found], all_chosen: Mapping[str, Found]) -> list[str]:
        """What was not read, and what to do; of other lessons' notebooks, and of other attempts, nothing."""
        graded = list(all_chosen.values())
        told_of = {item.parts for item in (*graded, *(one for one in candidates if one.kind == "notebook"))}
        others = [item for item in self.found if item.parts not in told_of and item.lesson in (None, lesson)]
        remarks = [remark for item in others if (remark := _remark(item, is_graded=bool(graded)))]
        at_hand = {item.parts for notebook in graded for item in self._beside(notebook)}
        files = [item.name for item in self.found if item.kind == "file" and item.parts not in at_hand]
        if files and graded:
            remarks.append(f"The notebook's code can't read {_listed(files)}: only files beside it are at hand, up to "
                           f"{MOST_FILES} of {MOST_FILE_BYTES // 1_000_000} MB together.")  # fmt: skip
        elif files:
            remarks.append(f"There is no notebook in {_listed(files)}; hand in the notebook itself (.ipynb).")
        more = len(remarks) - MOST_LISTED
        return [*remarks[:MOST_LISTED], *([f"And {more} more remarks of this kind."] if more > 0 else [])]


def _attachment_of(parts: tuple[str, ...]) -> int:
    """Canvas's number of a file, which grows with time, or 0."""
    named = delivery(parts[-1], is_folder=False) if parts else None
    return int(named.attachment) if named is not None and named.attachment else 0


def _nbgrader_time(text: str) -> str:
    """nbgrader writes a time and the name of its zone, such as "2026-11-02 10:11:12.345678 UTC"."""
    found = _NBGRADER_TIME.match(text.strip())
    if found is None:
        return ""
    try:
        moment = datetime.fromisoformat(found["time"])
        return moment.replace(tzinfo=ZoneInfo(found["zone"] or "UTC")).isoformat("T", "seconds")
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return ""


def _blackboard_time(attempt: str) -> str:
    try:
        return datetime.strptime(attempt, "%Y-%m-%d-%H-%M-%S").isoformat() if attempt else ""
    except ValueError:
        return ""


def _remark(item: Found, is_graded: bool) -> str:
    """A sentence on what was not read; empty where there is nothing to say."""
    match item.kind:
        case "typed" | "hidden" if is_graded:
            return ""
        case "typed":
            return f"{item.name} was typed into the platform; hand in the notebook itself (.ipynb)."
        case "unreadable" if is_graded and item.why == FOLDER:
            return ""  # what is in it has been looked into
        case "unread" | "hidden":
            return f"{item.name} was not read: {item.why}" if item.name else item.why
        case "unreadable":
            return f"{item.name} can't be read: {item.why}"
        case "notebook" if item.lesson is None:
            return f"{item.name} was not graded: {item.why}"
    return ""


def _is_beside(item: Found, notebook: Found) -> bool:
    """Whether it lies in the notebook's folder or below, and is code or data; a module of the course's own too, which
    is staged such that it says so.
    """
    of_use = item.kind == "file" or (item.kind in ("notebook", "own") and item.is_script)
    folder = PurePosixPath(notebook.name).parent
    if not of_use or item.attempt != notebook.attempt or not PurePosixPath(item.name).is_relative_to(folder):
        return False
    return _from_folder(item, notebook).split("/")[0] not in (COURSE_PACKAGE, f"{COURSE_PACKAGE}.py")


def _from_folder(item: Found, notebook: Found) -> str:
    """Its path from the notebook's folder. A module that a platform or a browser numbered has its own name again."""
    name = PurePosixPath(item.name).relative_to(PurePosixPath(notebook.name).parent).as_posix()
    return _NUMBERED_MODULE.sub("", name)


def _look_through(home: Path, students: Sequence[Student], at_once: int) -> list[_Collection]:
    """What each student's folder holds. A file on which its reader dies is left out the next time."""
    finished: dict[int, _Collection] = {}
    without: dict[int, frozenset[tuple[str, ...]]] = {number: frozenset() for number in range(len(students))}
    while without:
        numbers = list(without)
        tasks = [partial(_say_found, home, students[number], without[number]) for number in numbers]
        for number, said in zip(numbers, in_children(tasks, at_once), strict=True):
            found = [_found(line["found"]) for line in said.lines if "found" in line]
            begun = [tuple(line["begin"][1]) for line in said.lines if "begin" in line]
            died = said.trouble and not said.took_too_long
            times = {line["of"]: line["time"] for line in said.lines if "time" in line}
            if not died or not begun or len(without[number]) >= MOST_DEATHS:
                if said.trouble:
                    found.append(Found("", (), "unread", f"Not all of it was looked into. {said.trouble}"))
                finished[number] = _Collection(students[number], found, times)
                del without[number]
            else:
                without[number] |= {begun[-1]}
    return [finished[number] for number in range(len(students))]


def _student(value: dict[str, Any]) -> Student:
    roots = [Root(**{**root, "parts": tuple(root["parts"]), "name": tuple(root["name"])}) for root in value["roots"]]
    return Student(**{**value, "roots": roots})


def _found(value: dict[str, Any]) -> Found:
    return Found(**{**value, "name": printable(value["name"]), "parts": tuple(value["parts"])})


def _submissions(
    home: Path, collections: Sequence[_Collection], of_class: Sequence[str], only: str | None, rule: str
) -> Iterator[Submission]:
    """Every student's submissions; who has no notebook has one for each lesson that the class is graded on."""
    for collection in collections:
        notebooks = collection.notebooks()
        unknown = notebooks.pop("", [])
        wanted = {lesson for lesson in notebooks if lesson in of_class}
        if len(of_class) == 1 and unknown and not (wanted if only is None else only in wanted):
            notebooks[of_class[0]], wanted = unknown, {of_class[0]}
        wanted |= {lesson for lesson in of_class if collection.has_own(lesson)}
        yield from _of_student(home, collection, notebooks, sorted(wanted or of_class), rule)


def _of_student(
    home: Path, collection: _Collection, notebooks: Mapping[str, Sequence[Found]], wanted: Sequence[str], rule: str
) -> Iterator[Submission]:
    """notebooks: what may be graded, by lesson. What is said of a lesson's notebook, and so the key of its result, does
    not depend on the rule, which can then be changed at no cost.
    """
    candidates = {lesson: collection.candidates(home, found) for lesson, found in notebooks.items()}
    usual = {
        lesson: one.candidate.notebook for lesson, all_ in candidates.items() for one in counting(USUAL, lesson, all_)
    }
    for lesson in wanted:
        found = notebooks.get(lesson, [])
        others = {one: notebook for one, notebook in usual.items() if one != lesson}
        counts = counting(rule, lesson, candidates.get(lesson, []))
        for one in counts:
            yield collection.submission(home, lesson, found, one, others | {lesson: one.candidate.notebook})
        if not counts:
            yield collection.submission(home, lesson, found, None, others)


def _workers(collections: Sequence[_Collection]) -> dict[str, tuple[str, ...]]:
    """By lesson, who of the class worked on it; who handed in a file of its name that can't be read may have."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for collection in collections:
        if collection.student.system and is_test_student(collection.student.name):
            continue
        for lesson, notebooks in collection.notebooks().items():
            if lesson and not all(item.is_untouched for item in notebooks):
                found[lesson].append(collection.student.name)
    return {lesson: tuple(students) for lesson, students in found.items()}


def _untouched(collections: Sequence[_Collection], of_class: Sequence[str]) -> frozenset[tuple[str, str]]:
    """Of lessons that nobody worked on, who handed them in as they were handed out."""
    return frozenset(
        (collection.student.name, lesson)
        for collection in collections
        for lesson in collection.notebooks()
        if lesson and lesson not in of_class
    )


def _lessons_of(collections: Sequence[_Collection], lessons: Sequence[str]) -> list[str]:
    """The lessons that a class is graded on that worked on none: those of which anything was handed in, and failing
    that all.
    """
    found = [item for collection in collections for item in collection.found if item.lesson is not None]
    notebooks = [item for item in found if item.kind == "notebook"]
    return sorted({item.lesson for item in notebooks or found if item.lesson}) or list(lessons)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")

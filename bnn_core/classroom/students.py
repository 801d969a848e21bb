"""Which students a folder of submissions holds, in every layout that instructors have, and where the files of each
begin. It looks at the names and kinds of what lies there, and into nothing.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from bnn_core.answers.notebook import lesson_from_name
from bnn_core.classroom.downloads import Delivery, delivery
from bnn_core.classroom.handed_in import NO_FILE, Entry, Parts, Refused, Tree
from bnn_core.classroom.recognising import NOISE, Root, is_hidden, is_named_notebook

NBGRADER_FOLDER = "submitted"
NBGRADER_SIGNS = frozenset(
    {
        "source",
        "release",
        "autograded",
        "feedback",
        "gradebook.db",
        "nbgrader_config.py",
        "exchange",
        "gradebook.db-journal",
    }
)
"""What lies beside nbgrader's folder of submissions in its course."""

INSTRUCTORS_OWN = (".csv", ".xls", ".xlsx", ".txt", ".md", ".db", ".log", ".json", ".toml", ".yml", ".yaml", ".xml")
"""Suffixes of files beside the students' folders that are nobody's submission."""


@dataclass
class Student:
    """A student, and where what they handed in begins.

    trouble: why it can't be looked into, in a sentence. key: what tells them from others of the same name; system: the
    platform that named them, if one did.
    """

    name: str
    roots: list[Root] = field(default_factory=list)
    trouble: str = ""
    key: str = ""
    system: str = ""


def students_in(tree: Tree, name: str, top: Parts = ()) -> tuple[list[Student], list[str]]:
    """The students in order, and the names of what belongs to nobody. Raises Refused.

    name: that of the folder or the zip.
    """
    entries = [
        entry for entry in tree.entries(top) if entry.name.lower() not in NOISE and not entry.name.startswith("._")
    ]
    if (inner := _wrapped(entries, name)) is not None:
        return students_in(tree, inner[-1], inner)
    if downloads := _only_downloads(tree, entries):
        raise Refused(f"It holds no student's folder but a download as it came, {downloads[0]}; give the zip itself.")
    students: dict[tuple[str, str], Student] = {}
    strays: list[str] = []
    for entry in entries:
        owner = _owner(tree, entry)
        if owner is None:
            if not entry.name.lower().endswith(INSTRUCTORS_OWN):
                strays.append(printable(entry.name))
            continue
        named = Student(owner.student, key=owner.key, system=owner.system)
        student = students.setdefault((owner.student, owner.key), named)
        if entry.kind == "refused":
            student.trouble = entry.why
        else:
            root = _root(entry, owner)
            taken = any(
                root.name and (root.name, root.attempt) == (other.name, other.attempt) for other in student.roots
            )
            student.roots.append(replace(root, name=(printable(entry.name),)) if taken else root)
    _name_apart(students)
    return sorted(students.values(), key=lambda student: student.name), strays


def _only_downloads(tree: Tree, entries: list[Entry]) -> list[str]:
    """The platforms' downloads that lie here, where nothing else does but what is the instructor's own."""
    others = [entry for entry in entries if not entry.name.lower().endswith(INSTRUCTORS_OWN)]
    return [printable(entry.name) for entry in others] if all(_is_download(tree, entry) for entry in others) else []


def _is_download(tree: Tree, entry: Entry) -> bool:
    """Whether it is a zip, and no student's, in which most of the names are a platform's."""
    if entry.kind != "file" or not entry.name.lower().endswith(".zip") or delivery(entry.name, is_folder=False):
        return False
    try:
        inside = tree.entries(entry.parts)
    except Refused:
        return False
    named = [one for one in inside if delivery(one.name, one.kind == "folder")]
    return len(inside) < 2 * len(named)


def _wrapped(entries: list[Entry], outer: str) -> Parts | None:
    """The folder that holds the students' folders, where it isn't this one: nbgrader's, or the one that was zipped."""
    names = {entry.name.lower() for entry in entries}
    folders = [entry for entry in entries if entry.kind == "folder"]
    for entry in folders:
        alone = len(folders) == 1
        if entry.name == NBGRADER_FOLDER and (alone or not NBGRADER_SIGNS.isdisjoint(names)):
            return entry.parts
        if alone and len(entries) == 1 and outer.lower() == f"{entry.name.lower()}.zip":
            return entry.parts
    return None


def _owner(tree: Tree, entry: Entry) -> Delivery | None:
    if is_hidden(entry.name):
        return None
    is_folder = entry.kind == "folder"
    if found := delivery(entry.name, is_folder):
        return found
    if is_folder or (entry.kind == "refused" and entry.why != NO_FILE and not is_named_notebook(entry.name)):
        return Delivery(printable(entry.name), entry.name)
    if entry.name.lower().endswith(".zip") and lesson_from_name(PurePosixPath(entry.name)) is None:
        stem = entry.name[: -len(".zip")]
        return Delivery(printable(stem), stem)
    return None


def _root(entry: Entry, owner: Delivery) -> Root:
    if entry.kind == "folder" and not owner.typed:
        return Root(entry.parts, (), owner.attempt)
    if owner.file or owner.typed:
        return Root(entry.parts, (owner.file or printable(entry.name),), owner.attempt, owner.typed)
    return Root(entry.parts, (), owner.attempt)  # a zip


def _name_apart(students: dict[tuple[str, str], Student]) -> None:
    """Gives students whose names look alike names that don't."""
    alike = Counter(student.name for student in students.values())
    taken = set(alike)
    for (name, key), student in students.items():
        if alike[name] == 1:
            continue
        is_folder = printable(key) == name
        student.name = os.fsencode(key).decode("utf-8", "backslashreplace") if is_folder else f"{name} ({key})"
        while student.name != name and student.name in taken:
            student.name += "'"
        taken.add(student.name)


def printable(name: str) -> str:
    """A file's name as text that can be written anywhere: bytes that are no text are replaced."""
    return os.fsencode(name).decode("utf-8", "replace")

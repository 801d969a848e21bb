"""How the school's platforms name what they let a teacher download, and so whose each file is: Canvas, Moodle and
Blackboard. It knows names alone, and looks into no file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CANVAS, MOODLE, BLACKBOARD = "Canvas", "Moodle", "Blackboard"

_CANVAS = re.compile(
    r"(?:(?!LATE_)(?P<name>.+?)_)?(?P<late>LATE_)?(?P<id>\d+|anon_[^_]+)_(?:(?P<attachment>\d+)_(?P<file>.+)|(?:text|link)\.html)"
)
# What the system writes comes first, and the student's own name for the file last: there it may look like anything.
_MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?P<plugin>[a-z]+)(?:_(?P<file>.*))?")
_BLACKBOARD = re.compile(
    r"(?P<head>.+?)_attempt_(?P<attempt>\d{4}(?:-\d\d){5})(?:_(?P<file>.+)|\.txt)?", re.DOTALL
)  # without a file's name it is the attempt's own text
_TEST_STUDENT = re.compile(r"(?:student[\W_]*test|test[\W_]*student)(?: \(\d+\))?", re.IGNORECASE)


def is_test_student(name: str) -> bool:
    """Whether Canvas calls nobody of the class so but itself: it is whom a teacher sees the course as."""
    return _TEST_STUDENT.fullmatch(name.strip()) is not None


@dataclass(frozen=True)
class Delivery:
    """A file or a folder of a download.

    system: the platform. student: as it calls them; key: tells apart those who are called alike. file: what the
    student called it, empty for a folder and for what was typed into the platform. attempt: a later one sorts higher.
    typed: whether it holds only what was typed into the platform, or what the platform noted. attachment: Canvas's
    number of the file; late: whether Canvas says that it was.
    """

    student: str
    key: str
    file: str = ""
    attempt: str = ""
    typed: bool = False
    system: str = ""
    attachment: str = ""
    late: bool = False


def delivery(name: str, is_folder: bool) -> Delivery | None:
    """Whose a file or folder of this name is; None where it isn't named by a platform."""
    if match := _MOODLE.fullmatch(name):
        return Delivery(match["name"], match["id"], match["file"] or "", typed=match["plugin"] != "file", system=MOODLE)
    if is_folder:
        return None
    if match := _BLACKBOARD.fullmatch(name):
        student = match["head"].rpartition("_")[2]
        return Delivery(student, match["head"], match["file"] or "", match["attempt"], not match["file"], BLACKBOARD)
    if match := _CANVAS.fullmatch(name):
        student = match["name"] or match["id"]
        file, attachment = match["file"] or "", match["attachment"] or ""
        return Delivery(student, match["id"], file, "", not file, CANVAS, attachment, match["late"] is not None)
    return None

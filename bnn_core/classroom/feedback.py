"""The students' pages, packed as the school's system takes them back: each under the name by which it finds whose they
are. It may not know what is on a page.
"""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bnn_core.classroom.downloads import CANVAS, MOODLE, delivery
from bnn_core.classroom.page_places import pages_of
from bnn_core.classroom.report import student_page, templates
from bnn_core.classroom.standing import Standing


@dataclass(frozen=True)
class Packed:
    """content: the zip. left_out: students whose pages have no place in it."""

    content: bytes
    count: int
    left_out: tuple[str, ...]


def pack(standings: Sequence[Standing], form: str) -> Packed:
    """The pages as `form` wants them: "canvas", "moodle", or "folder", a folder for each student."""
    places = pages_of((one.student, one.lesson) for one in standings)
    naming = {"canvas": canvas_name, "moodle": moodle_name}
    environment = templates()
    names: dict[str, Standing] = {}
    left_out = []
    for one in standings:
        name = naming[form](one) if form in naming else places[one.student, one.lesson]
        if name:
            names[name] = one
        elif one.place is not None:
            left_out.append(one.student)
    pages = {name: student_page(one, environment) for name, one in names.items()}
    return Packed(_zipped(pages), len(pages), tuple(dict.fromkeys(left_out)))


def canvas_name(one: Standing) -> str:
    """Canvas looks for the numbers of the user and of the file that was handed in: the first two parts between low
    lines that are nothing but digits. Empty where no such file was handed in.
    """
    found = delivery(one.goes_back_to.entry, is_folder=False) if one.goes_back_to.system == CANVAS else None
    if found is None or not found.attachment or not found.key.isdecimal():
        return ""
    name = "-".join(re.findall(r"[^\W_]+", found.student)) or "student"
    who = f"student-{name}" if name.isdecimal() else name
    return f"{who}_{found.key}_{found.attachment}_feedback-{_plain(one.lesson)}.html"


def moodle_name(one: Standing) -> str:
    """Moodle finds the participant by the second part between low lines of a folder's name, or of the file's where the
    download was flat.
    """
    entry = one.goes_back_to.entry
    found = delivery(entry, is_folder=True) if one.goes_back_to.system == MOODLE else None
    if found is None:
        return ""
    plugin = entry[len(f"{found.student}_{found.key}_") :]
    kind = "_".join(plugin.split("_")[:2])
    person = found.student.replace("_", " ")
    if found.file:
        return f"{person}_{found.key}_{kind}_{_plain(one.lesson)}.html"
    return f"{person}_{found.key}_{plugin}/{_plain(one.lesson)}.html"


def _plain(lesson: str) -> str:
    return re.sub(r"[^\w-]+", "-", lesson) or "page"


def _zipped(pages: Mapping[str, str]) -> bytes:
    content = io.BytesIO()
    now = time.localtime()[:6]
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in pages.items():
            about = zipfile.ZipInfo(name, now)
            about.compress_type = zipfile.ZIP_DEFLATED
            about.external_attr = 0o644 << 16
            archive.writestr(about, text.encode("utf-8", "replace"))
    return content.getvalue()

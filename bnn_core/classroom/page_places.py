"""Where each page lies in a report, whatever students are called."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable

_SAFE_NAME = re.compile(r"[\w][\w .,@+=()-]*")
_LONGEST_NAME = 120
"""Bytes; file systems take about twice as many."""
_RESERVED = re.compile(
    r"index\.html|report\.json|(grades|overrides|marks(-[\w-]+)?)\.csv|results\.jsonl|feedback-[\w-]+\.zip"
    r"|(con|prn|aux|nul|com\d|lpt\d)(\..*)?",
    re.IGNORECASE,
)
_LOOKS_ESCAPED = re.compile(r".*-[0-9a-f]{16}", re.IGNORECASE)


def pages_of(places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Where each student's page for a lesson lies in the report: no two in one place, whatever the file system takes
    for the same name.
    """
    lessons: defaultdict[str, list[str]] = defaultdict(list)
    for student, lesson in places:
        lessons[student].append(lesson)
    folders = _file_names(lessons)
    return {
        (student, lesson): f"{folders[student]}/{name}.html"
        for student, names in lessons.items()
        for lesson, name in _file_names(names).items()
    }


def _file_names(names: Iterable[str]) -> dict[str, str]:
    present = dict.fromkeys(names)
    alike = Counter(map(_as_file_systems_see_it, present))
    return {name: file_name(name, alone=alike[_as_file_systems_see_it(name)] == 1) for name in present}


def file_name(name: str, alone: bool = True) -> str:
    """The name where it can safely be a file's, and nothing else is called alike; else one made from it."""
    seen = _as_file_systems_see_it(name)
    safe = name == name.rstrip(" .") and len(name.encode("utf-8", "surrogatepass")) <= _LONGEST_NAME
    if alone and safe and _SAFE_NAME.fullmatch(name) and not (_RESERVED.fullmatch(seen) or _LOOKS_ESCAPED.match(seen)):
        return name
    slug = re.sub(r"[^\w-]+", "-", name)[:30].strip("-") or "student"
    return f"{slug}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _as_file_systems_see_it(name: str) -> str:
    """Some take big and small letters for the same, some é and é, written in one sign or in two."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())

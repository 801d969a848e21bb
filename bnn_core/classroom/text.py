"""What learners and their code wrote, made fit to be shown to others: no control character, nothing that turns the
direction of the text around it, no half of a character, and not too much; and the order in which people look for
names.
"""

from __future__ import annotations

import json
import re
import unicodedata

MOST_CHARACTERS = 4_000
_KEPT = "\n\t"
_PLAIN = re.compile(r"[^\x20-\x7e\n]")
_DIGITS = re.compile(r"(\d+)")
_WITHOUT_APOSTROPHE = str.maketrans("", "", "'’ʼ")
_WITHOUT_STROKE = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"})


def clean(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text with invisible characters written as Python writes them, such as \\u202e, and cut where it is too
    long.
    """
    shortened = text if len(text) <= most else text[:most] + " …"
    return "".join(_visible(character) for character in shortened)


def as_name(name: str) -> str:
    """A name, in one line, with everything visible; two names never become one."""
    return "".join(_visible(character, kept="", escaped="\\") for character in name)


def as_json(value: object) -> str:
    """The value as JSON in which every invisible character is escaped; it reads back as the same value."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return _PLAIN.sub(lambda match: json.dumps(match[0])[1:-1] if _is_invisible(match[0]) else match[0], text)


def natural(name: str) -> tuple[object, ...]:
    """Sorts names as people look for them, whatever the machine's language: é beside e, ada beside Ada, O'Neil
    beside Oneil, 9 before 10."""
    letters = folded(name).translate(_WITHOUT_APOSTROPHE)
    parts = _DIGITS.split(letters)
    return ([(part.zfill(20) if part.isdecimal() else part) for part in parts], name)


def folded(text: str) -> str:
    """The text without what people leave out when they look for a name: accents, strokes and capitals."""
    plain = unicodedata.normalize("NFKD", text.casefold()).casefold().translate(_WITHOUT_STROKE)
    return "".join(character for character in plain if not unicodedata.combining(character))


def _visible(character: str, kept: str = _KEPT, escaped: str = "") -> str:
    if character in kept or not (_is_invisible(character) or character in escaped):
        return character
    return "" if character == "\r" and kept else ascii(character)[1:-1]


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")

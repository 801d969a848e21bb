"""What learners and their code wrote, made fit to be shown to others: no control character, nothing that turns the
direction of the text around it, no half of a character, and not too much.
"""

from __future__ import annotations

import unicodedata

MOST_CHARACTERS = 4_000
_KEPT = "\n\t"


def clean(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text with invisible characters written as Python writes them, such as \\u202e, and cut where it is too
    long.
    """
    shortened = text if len(text) <= most else text[:most] + " …"
    return "".join(_visible(character) for character in shortened)


def _visible(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
        return character
    return "" if character == "\r" else ascii(character)[1:-1]

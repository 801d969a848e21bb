"""How people's names are written: in another order, with other signs, or as a platform writes them into the names of
files. It knows nobody.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from bnn_core.classroom.text import folded


def in_one_case(text: str) -> str:
    """The text in small letters, with one space between words."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def plain(text: str) -> str:
    """The same without accents and strokes."""
    return folded(in_one_case(text))


def words_of(name: str) -> str:
    """The words of a name in the order of the alphabet, so that "Lovelace, Ada" is "Ada Lovelace"."""
    return " ".join(sorted(re.findall(r"[^\W_]+", in_one_case(name)))) or in_one_case(name)


def letters_of(name: str) -> str:
    """As Canvas writes names into those of files: small letters and digits alone."""
    return re.sub(r"[\W_]", "", in_one_case(name)) or in_one_case(name)


def without_key(name: str, keys: Iterable[str]) -> str:
    """The name alone, where one of these keys stands behind it because others are called so too."""
    return next((name.removesuffix(f" ({key})") for key in keys if name.endswith(f" ({key})")), name)


def in_any_order(name: str) -> set[str]:
    """The letters of a name as a system may write it: as it stands, and with the family's name first, which may be any
    of its last words. A comma says that it stands first already.
    """
    words = name.split()
    if "," in name or not words:
        return {letters_of(name)}
    return {letters_of(" ".join(words[first:] + words[:first])) for first in range(len(words))}

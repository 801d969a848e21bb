"""Where in a lesson a misconception is treated: the section whose words are nearest to the mistake's. It reads the
lessons' text and may not know who made the mistake.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from functools import lru_cache

from bnn_core.lesson_files import Course

_HEADING = re.compile(r"^#{2,3} +(.+?)\s*$", re.MULTILINE)
_WORD = re.compile(r"[a-z_]{3,}")


def section_for(lesson: str, words: str) -> str:
    """The lesson's name and, where its notebook is there, the section that shares the most and the rarest words with
    `words`.
    """
    sections = _sections(lesson)
    if not sections:
        return lesson
    spread = Counter(word for _, counts in sections for word in counts)
    wanted = set(_WORD.findall(words.lower()))

    def nearness(item: tuple[str, Counter[str]]) -> float:
        _, counts = item
        rarity = (
            math.log(len(sections) / spread[word]) * (1 + math.log(counts[word])) for word in wanted & set(counts)
        )
        return sum(rarity) / math.sqrt(1 + math.log(1 + counts.total()))

    heading, _ = max(sections, key=nearness)
    return f"{lesson}, “{heading}”"


@lru_cache
def _sections(lesson: str) -> tuple[tuple[str, Counter[str]], ...]:
    """The lesson's headings, with the words that stand below each."""
    path = Course().learner_notebook(lesson)
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError):
        return ()
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    _, *parts = _HEADING.split(text)
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return tuple((heading, Counter(_WORD.findall(f"{heading} {body}".lower()))) for heading, body in pairs)

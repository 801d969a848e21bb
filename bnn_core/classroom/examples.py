"""An answer that is shown to a class without its name: one that has a mistake, as short as there is, and nothing in it
that says whose it is. It may not run or parse the code, only cut it into tokens.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable

LONGEST = 20_000
"""Characters of an answer that can be an example."""

LEAST_INSIDE = 4
"""Letters that a part of a name has which is looked for inside other words too."""

_BEGIN = (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT)
_WORD = re.compile(r"[^\W\d_]+")


def example(answers: Iterable[tuple[str, Iterable[str]]]) -> str:
    """The answer with the fewest lines, without what its author wrote in words; empty where each one tells whose it
    is. answers: each with all that its author is called. Their order has no part in it.
    """
    found = [bare for code, called in answers if (bare := _bare(code)) and not names_anyone(bare, called)]
    return min(found, key=lambda code: (code.count("\n"), len(code), code), default="")


def names_anyone(code: str, called: Iterable[str]) -> bool:
    """Whether a part of a name stands in the code, as a word of a variable's name too, or a login or a long part
    anywhere. One letter is no part of a name.
    """
    folded = code.casefold()
    words = {word.casefold() for word in _WORD.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", code))}
    parts = {part.casefold() for name in called for part in (name, *_WORD.findall(name)) if len(part) > 1}
    return any(part in words or (len(part) >= LEAST_INSIDE and part in folded) for part in parts)


def _bare(code: str) -> str:
    """Without comments, docstrings and empty lines; empty where it can't be cut into tokens."""
    if len(code) > LONGEST:
        return ""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError):
        return ""
    lines = [list(line) for line in code.split("\n")]
    before = tokenize.NEWLINE
    for token, following in zip(tokens, [*tokens[1:], tokens[-1]], strict=True):
        is_alone = before in _BEGIN and following.type in (tokenize.NEWLINE, tokenize.COMMENT)
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and is_alone):
            _blank(lines, token.start, token.end)
        before = token.type
    return "\n".join(text for line in lines if (text := "".join(line).rstrip()))


def _blank(lines: list[list[str]], start: tuple[int, int], end: tuple[int, int]) -> None:
    for row in range(start[0], end[0] + 1):
        line = lines[row - 1]
        first, last = start[1] if row == start[0] else 0, end[1] if row == end[0] else len(line)
        line[first:last] = " " * (last - first)

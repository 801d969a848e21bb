"""From the text of a code cell to Python: what a kernel makes of magics, shell lines and pasted prompts, without a
kernel, without carrying any of them out, and in time that grows no faster than the cell. It may not know what the
code is for; it runs nothing.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
import warnings
from collections.abc import Iterator

Version = tuple[int, int]
"""Of Python, as in (3, 11)."""

RUN_THEIR_BODY = frozenset(
    {"time", "timeit", "capture", "prun", "debug", "memit", "mprun", "lprun", "snakeviz", "pyinstrument"}
)
"""The cell magics under which stands Python for this kernel; under any other stands something else."""

MAX_CHARACTERS = 100_000
"""A longer cell is left out: parsing it would take the time and memory of many."""

PARSER_ERRORS = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)
"""What Python's parser raises, depending on how wrong or how deeply nested the code is."""

RUNNING: Version = (sys.version_info.major, sys.version_info.minor)
NOTHING = "pass"
NO_OUTPUT = "get_ipython().getoutput('')"

_MAGIC = re.compile(r"([ \t]*)(?:%time[ \t]+(?=\S)|[%!?,;/])")
_ASSIGNED_MAGIC = re.compile(r"""([ \t]*[^\s=!%()'"#][^=!%()'"#\n]{0,200}=[ \t]*)(?:%time[ \t]+(?=\S)|[%!])""")
_TOKEN = re.compile(r"""'''|\"""|'(?:\\.|[^\\'\n])*'?|"(?:\\.|[^\\"\n])*"?|\#[^\n]*|\\.|[()\[\]{}\n]""", re.DOTALL)
_STRING_END = {quotes: re.compile(rf"(?:\\.|[^\\])*?{quotes}", re.DOTALL) for quotes in ("'''", '"""')}
_FIRST_PROMPT = re.compile(r"\s*(?:>>> |In \[\d+\]: )")  # "In [3]: a = 1" is an annotation to Python
_PROMPT = re.compile(r"[ \t]*(?:>>>(?: |$)|\.{3,}:?(?: |$)|In \[\d+\]: )")

_CONFLICT = re.compile(r"^(?:<{7}|>{7})(?: |$)", re.MULTILINE)
_NEWER_SYNTAX: tuple[tuple[Version, re.Pattern[str]], ...] = (
    ((3, 14), re.compile(r"^[ \t]*except\*?[ \t]+[\w.]+[ \t]*,[^:()\n]*:|(?<![\w'\"])[tT][rR]?['\"]", re.MULTILINE)),
    ((3, 12), re.compile(r"^[ \t]*(?:type[ \t]+\w+\b.*=|(?:class|def|async[ \t]+def)[ \t]+\w+[ \t]*\[)", re.MULTILINE)),
    ((3, 12), re.compile(r"""\b[rR]?[fF][rR]?(["'])[^"'\n{]{0,99}\{[^"'\n}]{0,99}\1[^"'\n]{0,99}\1[^"'\n]{0,99}\}""")),
)  # fmt: skip
"""What older Pythons refuse, with the version that brought it."""


class NotPython(Exception):
    """The cell can't be run. The message goes on where "cell 5" ends: "isn't valid Python (line 2: …)"."""


def parse(source: str, written_for: Version | None = None) -> tuple[str, ast.Module]:
    """The cell's Python, on the lines where the learner wrote it, and its syntax tree. Raises NotPython.

    written_for: the Python that the notebook was written with, where that is known.
    """
    text = source.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MAX_CHARACTERS:
        raise NotPython(f"is longer than {MAX_CHARACTERS:,} characters")
    text = _without_cell_magics(text)
    if _FIRST_PROMPT.match(text):
        text = plain_python(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as "\s" in a label of a plot
        try:
            return text, ast.parse(text)
        except PARSER_ERRORS as error:
            python = plain_python(text)
            try:
                return python, ast.parse(python)
            except PARSER_ERRORS:
                raise NotPython(_sentence(error, text, written_for)) from None


def plain_python(text: str) -> str:
    """The text without prompts and common indentation, and with each magic, shell line and question for help made a
    statement that does nothing, on the line where it stands.

    IPython's own transformation is not used: it takes seconds for a few thousand signs that were made to that end.
    """
    if _FIRST_PROMPT.match(text):
        text = "\n".join(_PROMPT.sub("", line, count=1) for line in text.split("\n"))
    if text.lstrip("\n")[:1].isspace():
        text = textwrap.dedent(text)
    return "\n".join(_plain_lines(text))


def _plain_lines(text: str) -> Iterator[str]:
    begin = 0
    while begin <= len(text):
        line = text[begin : _line_end(text, begin)]
        plain = _without_magic(line)
        if plain is None:
            end = _end_of_statement(text, begin)
            yield text[begin:end]
        else:
            yield plain
            end = begin + len(line)
            while text[end - 1 : end] == "\\" and end < len(text):  # the command goes on in the next line
                end = _line_end(text, end + 1)
                yield ""
        begin = end + 1


def _line_end(text: str, begin: int) -> int:
    end = text.find("\n", begin)
    return end if end >= 0 else len(text)


def _without_magic(line: str) -> str | None:
    """The line, with which a statement begins, as Python; None where it holds no magic."""
    if match := _MAGIC.match(line):
        is_timed = match[0].endswith((" ", "\t")) and match[0].strip() == "%time"
        return match[1] + (line[match.end() :] if is_timed else NOTHING)
    if match := _ASSIGNED_MAGIC.match(line):
        return match[1] + (line[match.end() :] if match[0].endswith((" ", "\t")) else NO_OUTPUT)
    if line.rstrip().endswith("?") and not any(token[0].startswith("#") for token in _TOKEN.finditer(line)):
        return line[: len(line) - len(line.lstrip())] + NOTHING
    return None


def _end_of_statement(text: str, begin: int) -> int:
    """Where the line ends with which the statement does: not one inside a string or brackets."""
    depth, position = 0, begin
    while match := _TOKEN.search(text, position):
        token, position = match[0], match.end()
        if token in _STRING_END:
            end = _STRING_END[token].match(text, position)
            position = end.end() if end else len(text)
        elif token in ("(", "[", "{"):
            depth += 1
        elif token in (")", "]", "}"):
            depth -= 1
        elif token == "\n" and depth <= 0:
            return match.start()
    return len(text)


def _without_cell_magics(text: str) -> str:
    """The body alone, on its own lines. Raises NotPython where a magic makes the body something else."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        if not content.startswith("%%"):
            break
        magic = re.match(r"%%(\w{0,30})", content)
        if magic is None or magic[1] not in RUN_THEIR_BODY:
            raise NotPython(f"is no Python but a cell for {magic[0] if magic else '%%'}")
        lines[number] = ""
    return "\n".join(lines)


def _sentence(error: BaseException, text: str, written_for: Version | None) -> str:
    if mark := _CONFLICT.search(text):
        line = text.count("\n", 0, mark.start()) + 1
        return f"holds the marks of a merge conflict (line {line}), which must be resolved first"
    if not isinstance(error, SyntaxError):
        return "isn't valid Python (it can't be parsed)"
    place = f"line {error.lineno}: " if error.lineno else ""
    newer = next((version for version, sign in _NEWER_SYNTAX if version > RUNNING and sign.search(text)), None)
    if newer is None and (written_for is None or written_for <= RUNNING):
        return f"isn't valid Python ({place}{error.msg})"
    why = f"uses what Python {_dotted(newer)} brought" if newer else f"was written with Python {_dotted(written_for)}"
    return (
        f"isn't valid Python {_dotted(RUNNING)} ({place}{error.msg}) and {why}: write it for Python {_dotted(RUNNING)}"
    )


def _dotted(version: Version | None) -> str:
    return ".".join(map(str, version or ()))

"""From the text of a code cell to Python: what a kernel makes of magics, shell lines and pasted prompts,
without a kernel and without carrying any of them out. It may not know what the code is for; it runs
nothing.
"""

from __future__ import annotations

import ast
import re
import warnings

RUN_THEIR_BODY = frozenset(
    {"time", "timeit", "capture", "prun", "debug", "memit", "mprun", "lprun", "snakeviz", "pyinstrument"}
)
"""The cell magics under which stands Python for this kernel; under any other stands something else."""

MAX_CHARACTERS = 100_000
"""A longer cell is left out: parsing it would take the time and memory of many."""

MAX_WORK = 2_000_000
"""How much of IPython's work on cells that aren't plain Python a notebook may ask for; see `_work`."""

PARSER_ERRORS = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)
"""What Python's parser raises, depending on how wrong or how deeply nested the code is."""

_TIMED_STATEMENT = re.compile(r"^([ \t]*)%time[ \t]+(?=\S)", re.MULTILINE)
_MAGIC = re.compile(r"^(?:[ \t]*[%!?,;/].*|.*=[ \t]*[%!].*|.*\?[ \t]*)$", re.MULTILINE)
_PROMPT = re.compile(r"\s*In \[\d+\]: ")  # "In [3]: a = 1" is an annotation to Python


class NotPython(Exception):
    """The cell can't be run. The message goes on where "cell 5" ends: "isn't valid Python (line 2: …)"."""


class CellParser:
    """Parses the cells of one notebook, and does no more work on its magics than on any honest notebook's."""

    def __init__(self) -> None:
        self.work_left = MAX_WORK

    def parse(self, source: str) -> tuple[str, ast.Module]:
        """The cell's Python, on the lines where the learner wrote it, and its syntax tree. Raises NotPython."""
        text = source.replace("\r\n", "\n").replace("\r", "\n")
        if len(text) > MAX_CHARACTERS:
            raise NotPython(f"is longer than {MAX_CHARACTERS:,} characters")
        text = _without_cell_magics(text)
        if _PROMPT.match(text):
            text = self._without_line_magics(text)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as "\s" in a label of a plot
            try:
                return text, ast.parse(text)
            except PARSER_ERRORS as error:
                python = self._without_line_magics(text)
                try:
                    return python, ast.parse(python)
                except PARSER_ERRORS:
                    raise NotPython(_sentence(error)) from None

    def _without_line_magics(self, text: str) -> str:
        """The text with magics, shell lines, help and prompts made Python as IPython does, or unchanged."""
        from IPython.core.inputtransformer2 import TransformerManager

        text = _TIMED_STATEMENT.sub(r"\1", text)
        self.work_left -= _work(text)
        if self.work_left < 0:
            return text
        manager = TransformerManager()
        body = text.lstrip("\n")
        try:
            return "\n" * (len(text) - len(body)) + str(manager.transform_cell(body))
        except Exception:  # it reads with the tokenizer, which has many ways to refuse what is no Python
            return text


def _work(text: str) -> int:
    """How much IPython does to transform a cell, in characters read: all of it anew for each line with a magic, and
    each line that asks for help in time that grows with the line's square."""
    magics = _MAGIC.findall(text)
    return (len(magics) + 1) * (len(text) + 500) + sum(len(line) ** 2 for line in magics) // 50


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


def _sentence(error: BaseException) -> str:
    if not isinstance(error, SyntaxError):
        return "isn't valid Python (it can't be parsed)"
    place = f"line {error.lineno}: " if error.lineno else ""
    return f"isn't valid Python ({place}{error.msg})"

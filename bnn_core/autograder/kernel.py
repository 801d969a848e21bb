"""What the notebook's kernel knows: which cell's run a definition comes from, whether a later cell was to define
another and didn't, and whether somebody reads what it displays. It may not know what is checked.
"""

from __future__ import annotations

import inspect
import linecache
import re
import sys
from collections.abc import Collection
from typing import Any


def get_ipython() -> Any:
    """The shell that runs this, or None. Where IPython hasn't been loaded there is none, and it needn't be."""
    loaded = sys.modules.get("IPython")
    return loaded.get_ipython() if loaded is not None else None


def staleness(definition: Any, name: str) -> str:
    """A sentence where a cell that came later was to define the name as well, and failed; else nothing."""
    kernel = get_ipython()
    cells: list[str] = kernel.user_ns.get("In", []) if kernel is not None else []
    text = _text_of(definition).strip()
    origin = max((number for number, cell in enumerate(cells) if text and cell.strip() == text), default=None)
    if origin is None:
        return ""
    defines = re.compile(rf"^(?:class|def)\s+{re.escape(name)}\b", re.MULTILINE)
    later = [number for number, cell in enumerate(cells) if number > origin and defines.search(cell)]
    if not later:
        return ""
    return (
        f"This is about the {name} that the cell run as [{origin}] defined. The one run as [{later[-1]}], which came"
        " later, defined none: it has an error. Mend that cell, run it, and then this one."
    )


def somebody_reads() -> bool:
    """Whether the cell was run by someone who sees what it displays. A program that runs a notebook (nbclient, nbval,
    nbgrader) lets no cell ask for input, and tells of an error what the error says.
    """
    return bool(getattr(getattr(get_ipython(), "kernel", None), "_allow_stdin", True))


def explain_missing(names: Collection[str]) -> None:
    """From now on a cell that uses one of these names before it is defined says in a line what to do."""
    kernel = get_ipython()
    if kernel is None:
        return

    def explain(shell: Any, kind: type[BaseException], error: Any, trace: Any, tb_offset: int | None = None) -> Any:
        if getattr(error, "name", None) not in names:
            shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
            return None
        lines = [f"{error.name} isn't defined yet: write it, run its cell, and then run this one again."]
        shell._showtraceback(kind, error, lines)
        return lines

    if NameError not in (kernel.custom_exceptions or ()):  # somebody else's way of showing it comes first
        kernel.set_custom_exc((NameError,), explain)


def _text_of(definition: Any) -> str:
    """The text of the cell in which the class or function was written."""
    members = vars(definition).values() if inspect.isclass(definition) else (inspect.unwrap(definition),)
    code = next((member.__code__ for member in members if inspect.isfunction(member)), None)
    return "".join(linecache.getlines(code.co_filename)) if code is not None else ""

"""Whose code something is: written by the learner, taken from a package, or the exercise's own stub; and which line of
the learner's an error came through.
"""

from __future__ import annotations

import inspect
import linecache
import os
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import Any

LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platlib", "purelib")})
OWN_FILES = str(Path(__file__).parents[1]) + os.sep


def written_elsewhere(definition: Any, name: str) -> str | None:
    """The package that an answer to the exercise comes from, where it isn't the learner's own; None where it is.

    It isn't where a package's class or function is taken as it is, nor where a class inherits from one of the
    exercise's name, or from the course's.
    """
    family = inspect.getmro(definition) if inspect.isclass(definition) else (definition,)
    for member in family:
        module = str(getattr(member, "__module__", None) or "")
        package = module.partition(".")[0]
        taken_over = member is definition or getattr(member, "__name__", None) == name
        if package == "bnn_core" or (taken_over and _is_definition(member) and _is_installed(module)):
            return package
    return None


def made_elsewhere(instance: Any, name: str) -> str | None:
    """The package whose class of the exercise's name an object is of; None where it is of none such."""
    for member in inspect.getmro(type(instance)):
        package = member.__module__.partition(".")[0]
        if member.__name__ == name and (package == "bnn_core" or _is_installed(member.__module__)):
            return package
    return None


def _is_definition(value: Any) -> bool:
    """Whether it says itself where it was written; other things that can be called may be a library's, about code of
    the learner's.
    """
    return inspect.isclass(value) or inspect.isfunction(value) or inspect.isbuiltin(value)


def _is_installed(module: str) -> bool:
    if module == "__main__":  # what runs, be it an installed program
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    return module in sys.builtin_module_names or (isinstance(file, str) and file.startswith(LIBRARIES))


def learner_line(error: BaseException) -> tuple[int | None, str]:
    """The number and the text of the last line of the learner's own code that the error passed through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith((*LIBRARIES, OWN_FILES)):
            return frame.lineno, (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
    return None, ""


def is_stub(error: BaseException) -> bool:
    """Whether the function that raised does nothing else, as an exercise's stub."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is None or set(last.tb_frame.f_code.co_names) <= {"NotImplementedError", "super", "__init__"}

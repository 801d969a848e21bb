"""The control: a right answer of the course's own, graded before the first submission, which shows that what works in
the notebook works in the sandbox too. It knows the reference, and may not know what is handed in.
"""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from bnn_core.answers.program import Block, Program
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.classroom.grading import Attempt
from bnn_core.classroom.sandbox.launching import Limits, Sandbox, SandboxLost, library_folders
from bnn_core.classroom.sandbox.reading import Answer
from bnn_core.classroom.sandbox.staging import PACKAGE, REFERENCE
from bnn_core.classroom.submissions import Submission

LIBRARIES = ("scipy.stats", "sklearn.linear_model", "pandas", "matplotlib.pyplot", "pyro", "IPython", "mlxtend", "tqdm")
"""What is imported for a trial, where the course's Python has it; all others must at least be found."""

LIMITS = Limits(seconds=300.0, call_seconds=150.0)

FIND = """
import os
import shlex
from importlib.util import find_spec

for name in {names!r}:
    spec = find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {{name!r}}")
    try:
        if spec.origin is not None and "/" in spec.origin:
            open(spec.origin, "rb").close()
        for folder in spec.submodule_search_locations or ():
            os.listdir(folder)
    except PermissionError as error:
        path = shlex.quote(os.path.realpath(error.filename))
        raise PermissionError(f"only its owner can read it; chmod -R o+rX {{path}} lets others") from None
"""


class NotProven(Exception):
    """A right answer isn't graded right; the message says in one line what went wrong."""


def prove(sandbox: Sandbox) -> None:
    """Grade the control in the sandbox. Raises NotProven where it doesn't pass, or can't import what this process
    can.
    """
    module, name = next((module, name) for module, names in REFERENCE.items() for name in names if name in EXERCISES)
    exercise = EXERCISES[name]
    program = _program(name, (PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    submission = Submission("the control", exercise.lesson, None, Path())
    try:
        with Attempt(submission, Answer(program, []), sandbox, LIMITS) as control:
            row = control.row(exercise, seed=1, seconds=LIMITS.seconds)
    except SandboxLost as error:
        raise NotProven(f"nothing can be run: {error}") from None
    if control.loaded.errors:
        raise NotProven(control.loaded.errors[0])
    if row["status"] != "passed":
        raise NotProven(row["message"])


def _program(name: str, answer: str) -> Program:
    """The imports, and then the answer."""
    sources = {f"import {library}": f"import {library}" for library in LIBRARIES if _can_import(library)}
    sources |= {"finding all others": FIND.format(names=sorted(_libraries())), "the answer": answer}
    blocks = (Block(label, tuple(range(len(ast.parse(source).body)))) for label, source in sources.items())
    return Program(tuple(blocks), sources, defined={name: "the answer"})


def _can_import(library: str) -> bool:
    """Whether the library is there, as far as can be told without importing it."""
    return find_spec(library.partition(".")[0]) is not None


def _libraries() -> Iterator[str]:
    """All that lies where installed packages do."""
    for module in pkgutil.iter_modules(library_folders()):
        if not module.name.startswith("__") and module.name != PACKAGE.name:
            yield module.name

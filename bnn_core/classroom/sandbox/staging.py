"""Which parts of the course a lesson's answers may import while they are graded: what earlier lessons built, the
data, and stand-ins for what only the notebook needs. It gives texts of modules and may not load any of them.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from bnn_core import HOMES
from bnn_core.answers.slicing import answer_cells
from bnn_core.autograder.exercises import EXERCISES

PACKAGE = Path(__file__).parents[2]

BUILT_IN = {name: EXERCISES[name].lesson for name in HOMES if name in EXERCISES}
"""For each name of the reference that an exercise asks for, the lesson that builds it: later ones may import it."""

REFERENCE = {module: [name for name, home in HOMES.items() if home == module] for module in HOMES.values()}
"""The modules of the reference, with what they define for others."""

COPIED = ("validation", "datasets")
SHOWN = ("figures", "guesses", "installation", "progress")
ALWAYS_THERE = ("__init__", "autograder/__init__", *COPIED, *REFERENCE)

AUTOGRADER = '''"""The notebook's check does nothing while an answer is graded: the grader checks it."""


class ChecksFailed(Exception):
    """Never raised here."""


def check(definition):
    """Do nothing."""
'''

UNSEEN = '''"""What only a notebook shows, and nobody sees while an answer is graded: everything here does nothing."""

__path__ = []


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return lambda *_, **__: None
'''

OUT_OF_BOUNDS = """raise ImportError("{module} can't be imported while an answer is graded")
"""

WITHHELD = """

_WITHHELD = {reasons!r}


def __getattr__(name):
    if name in _WITHHELD:
        raise ImportError(f"{{name}} can't be imported from bnn_core here: {{_WITHHELD[name]}}")
    raise AttributeError(f"module {{__name__!r}} has no attribute {{name!r}}")
"""


@lru_cache
def importable_files(lesson: str) -> dict[str, str]:
    """The package `bnn_core` as an answer to this lesson sees it: texts by path, as in "bnn_core/gaussian.py"."""
    allowed = {name for name in HOMES if BUILT_IN.get(name, "") < lesson}
    files = {f"{name}": _stand_in(name) for name in _modules() if name not in ALWAYS_THERE}
    files |= {module: (PACKAGE / f"{module}.py").read_text(encoding="utf-8") for module in COPIED}
    files |= {module: _reference(module, allowed, lesson) for module in REFERENCE}
    files["autograder/__init__"] = AUTOGRADER
    imports = [
        f"from bnn_core.{module} import {name}"
        for module, names in REFERENCE.items()
        for name in names
        if name in allowed
    ]
    files["__init__"] = "\n".join(imports) + _refusal(set(HOMES) - allowed, lesson)
    return {f"bnn_core/{name}.py": text for name, text in files.items()}


def _modules() -> list[str]:
    return [path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py")]


def _stand_in(name: str) -> str:
    if name.partition("/")[0] in SHOWN:
        return UNSEEN
    return OUT_OF_BOUNDS.format(module="bnn_core." + name.removesuffix("/__init__").replace("/", "."))


def _reference(module: str, allowed: set[str], lesson: str) -> str:
    """The module's source without what this lesson or a later one asks for, nor what only that needs."""
    names = [name for name in REFERENCE[module] if name in allowed]
    withheld = set(REFERENCE[module]) - allowed
    text = ""
    if names:
        source = (PACKAGE / f"{module}.py").read_text(encoding="utf-8")
        text = "\n\n\n".join(code for _, code in answer_cells([source], names).code())
    return text + _refusal(withheld, lesson)


def _refusal(withheld: set[str], lesson: str) -> str:
    """Code that says, to whoever asks a module for one of these names, why it isn't there."""
    reasons = {
        name: "it is what this lesson asks for" if BUILT_IN[name] == lesson else "a later lesson builds it"
        for name in sorted(withheld)
    }
    return WITHHELD.format(reasons=reasons) if withheld else "\n"

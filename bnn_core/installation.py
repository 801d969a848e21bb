"""Whether this machine has what the course needs: said in a notebook's first minutes, before anything can go wrong."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bnn_core.lesson_files import Course

OLDEST = (3, 11)
"""The Python that the course needs, or a newer one."""

_PIN = re.compile(r"^([\w.-]+)==([\w.]+)", re.MULTILINE)


def check_installation() -> None:
    """Print a line for each thing that the course needs: ✓ it is there, ✗ it isn't, · it is, but another version."""
    print("\n".join(findings()))


def findings(requirements: Path = Course.root / "requirements.txt") -> Iterator[str]:
    """The lines that `check_installation` prints. requirements: the file with the pinned versions."""
    if sys.version_info[:2] >= OLDEST:
        yield "✓ Python is new enough"
    else:
        yield f"✗ Python is {sys.version.split()[0]}; the course needs {OLDEST[0]}.{OLDEST[1]} or newer"
    yield from _packages(dict(_PIN.findall(requirements.read_text(encoding="utf-8"))) if requirements.exists() else {})
    yield _training()
    yield _data()


def _packages(pinned: dict[str, str]) -> Iterator[str]:
    others = 0
    for name, wanted in pinned.items():
        try:
            found = version(name).partition("+")[0]
        except PackageNotFoundError:
            others += 1
            yield f"✗ {name} is missing: install requirements.txt, as README.md says"
            continue
        if found != wanted:
            others += 1
            yield f"· {name} is {found}; the course was made with {wanted}, and may work all the same"
    if pinned and not others:
        yield "✓ the packages are those of requirements.txt"


def _training() -> str:
    try:
        import torch

        weight = torch.ones(3, requires_grad=True)
        (weight**2).sum().backward()
        if weight.grad is None or weight.grad.sum() != 6:
            return "✗ torch computes a wrong gradient"
    except Exception as error:
        return f"✗ torch computes no gradient: {error}"
    return "✓ torch computes gradients"


def _data() -> str:
    try:
        from bnn_core import datasets

        cars = datasets.auto_mpg()
    except Exception as error:
        return f"✗ the data can't be loaded: {error}"
    return f"✓ the data are there: {len(cars)} cars"

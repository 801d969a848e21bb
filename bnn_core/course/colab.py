"""What a learner's lesson needs to open on Google Colab: a link there, and a cell that installs the course. Both name
the course's own repository, which only its owner knows: where pyproject.toml has no address, a lesson has neither.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode

TAG = "colab"
"""Of the two cells: they are no part of the lesson."""

BRANCH = "main"

_ON_GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")
PYRO = "pyro-ppl"
"""This Colab lacks, and pyro-api, which it needs; all else it has, and keeps in its own versions."""

LINK = "[Open this lesson in Google Colab](https://colab.research.google.com/github/{repository}/blob/{branch}/{path})"
INSTALL = """\
# On Google Colab this installs the course, and leaves what Colab has as it is; elsewhere it does nothing.
import sys

if "google.colab" in sys.modules:
    %pip install --quiet --no-deps git+https://github.com/{repository}@{branch} "{pyro}" pyro-api"""


def colab_cells(project: Path, path: str) -> list[NotebookNode]:
    """The link and the cell, for the notebook at this path of the repository; none where the project's file,
    pyproject.toml, has no address on GitHub, from which alone Colab opens notebooks.
    """
    from nbformat import v4

    table = _table(project)
    repository = _ON_GITHUB.fullmatch(table.get("urls", {}).get("Repository", ""))
    if repository is None:
        return []
    pyro = next((text for text in table.get("dependencies", []) if text.startswith(PYRO)), PYRO)
    names = {"repository": repository[1], "branch": BRANCH, "path": path, "pyro": pyro}
    return [
        v4.new_markdown_cell(LINK.format(**names), id="colab-link", metadata={"tags": [TAG]}),
        v4.new_code_cell(INSTALL.format(**names), id="colab", metadata={"tags": ["setup", TAG]}),
    ]


def _table(project: Path) -> dict[str, Any]:
    if not project.is_file():
        return {}
    table: dict[str, Any] = tomllib.loads(project.read_text(encoding="utf-8")).get("project", {})
    return table

"""From the sources of pages to a site that needs nothing from elsewhere: Sphinx with MyST-NB and Furo, and MathJax from
a package, all of the extra `site`. It replaces a site that it built, and writes into no folder that holds anything
else.
"""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from bnn_core.lesson_files import LessonFileError

NEEDED = ("sphinx", "myst_nb", "furo")
FORMULAS = ("sphinx-mathjax-offline", "sphinx-mathjax-offline/static/mathjax/tex-svg-full.js")
"""The package that carries MathJax, and of its files the one that loads no other."""

MANIFEST = ".bnn-course-site"
"""In a site's folder: what the build wrote, a path on each line."""

STATIC = "_static"
STYLE, ICON = (Path(__file__).with_name(name) for name in ("course.css", "bell.svg"))

SETTINGS: dict[str, Any] = {
    "project": "Bayesian neural networks from scratch",
    "html_title": "Bayesian neural networks from scratch",
    "language": "en",
    "extensions": ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax"],
    "html_theme": "furo",
    "html_static_path": [STATIC],
    "html_css_files": [STYLE.name],
    "html_favicon": f"{STATIC}/{ICON.name}",
    "html_copy_source": False,
    "html_show_sourcelink": False,
    "html_show_sphinx": False,
    "html_show_copyright": False,
    "nb_execution_mode": "off",
    "myst_enable_extensions": ["dollarmath", "amsmath"],
    "myst_heading_anchors": 4,
    "mathjax_path": "mathjax.js",
    "mathjax3_config": {"options": {"enableMenu": False}},  # the menu would load more files, and from elsewhere
    "default_role": "literal",
    "autodoc_member_order": "bysource",
    "autodoc_typehints_format": "short",
    "python_use_unqualified_type_names": True,
    "add_module_names": False,
}

MENDED = (
    (' role="heading">', ' role="heading" aria-level="2">'),
    ('<aside class="sidebar-drawer">', '<aside class="sidebar-drawer" aria-label="The course">'),
    ('<aside class="toc-drawer', '<aside aria-label="This page" class="toc-drawer'),
    ('<summary aria-label="Toggle hidden content">', "<summary>"),  # what it opens is said in it
    ('<th class="head"><p></p></th>', "<td></td>"),
    ("<pre>", '<pre tabindex="0">'),  # what is too wide for a phone can be scrolled to without a mouse
    ('<div id="search-results">', '<h1>Search</h1>\n<div id="search-results">'),
)
"""What keeps pages, as Sphinx and Furo write them, from being read by everyone, and what stands there instead."""

_SIGNS = re.compile(r"(`[^`]*`)|[|*\\]")
_NAMED = re.compile(r"^([A-Za-z_]\w*(?:, \w+)*): ?(.*)$")


class SiteError(Exception):
    """The pages can't be made; the message says what Sphinx found wrong with their sources."""


def require_tools() -> None:
    """Raises LessonFileError where the extra `site` isn't installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing or not _formulas_script().is_file():
        raise LessonFileError(
            "the site is made by Sphinx and others, which aren't all installed; in the course's folder, "
            "`python -m pip install --editable '.[site]'` gets them"
        )


def require_own(output: Path) -> None:
    """Raises LessonFileError where the folder holds anything that isn't of a site built before."""
    if output.exists() and not output.is_dir():
        raise LessonFileError(f"{output} is a file; give a folder")
    own = set(_written(output))
    for path in _files(output):
        if path.relative_to(output).as_posix() not in own:
            raise LessonFileError(f"{output} holds {path.name}, which no `bnn-course site` wrote; give another folder")


def build_site(sources: Mapping[str, bytes], output: Path) -> int:
    """Makes the site of these sources, contents by path, and gives the number of its pages.

    Raises LessonFileError where the folder isn't the site's own, and SiteError; then all is as it was.
    """
    require_tools()
    require_own(output)
    with tempfile.TemporaryDirectory(prefix="bnn-site-") as folder:
        source, built = Path(folder, "source"), Path(folder, "built")
        for name, content in sources.items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (source / STATIC).mkdir()
        for file in (STYLE, ICON):
            shutil.copyfile(file, source / STATIC / file.name)
        shutil.copyfile(_formulas_script(), source / STATIC / SETTINGS["mathjax_path"])
        _run_sphinx(source, built, Path(folder, "doctrees"))
        for page in built.rglob("*.html"):
            _mend(page)
        _replace(output, built)
    return len(list(output.rglob("*.html")))


def _formulas_script() -> Path:
    """Where MathJax lies, if its package is installed."""
    name, file = FORMULAS
    try:
        return Path(str(distribution(name).locate_file(file)))
    except PackageNotFoundError:
        return Path(file)


def _run_sphinx(source: Path, built: Path, doctrees: Path) -> None:
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    said = io.StringIO()
    try:
        with patch_docutils(), docutils_namespace():
            app = Sphinx(source, None, built, doctrees, "html", confoverrides=SETTINGS, status=None, warning=said)
            app.connect("autodoc-process-docstring", _as_definitions)
            app.build()
    except SphinxError as error:
        raise SiteError(str(error)) from None
    if complaints := click.unstyle(said.getvalue()).strip():
        raise SiteError(complaints.replace(f"{source}/", ""))


def _mend(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for found, instead in MENDED:
        text = text.replace(found, instead)
    page.write_text(text, encoding="utf-8", newline="\n")


def _as_definitions(_app: object, _what: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Makes a docstring, written to be read as it stands, what Sphinx reads: `name: text` and the lines that go on from
    it become a definition, and no sign is anything but itself.
    """
    shown: list[str] = []
    defining = False
    for line in (_SIGNS.sub(lambda sign: sign[1] or f"\\{sign[0]}", line) for line in lines):
        if match := _NAMED.match(line):
            shown += ["", match[1], f"    {match[2]}"]
            defining = True
        else:
            defining = defining and bool(line)
            shown.append(f"    {line.strip()}" if defining else line)
    lines[:] = [*shown, ""]


def _replace(output: Path, built: Path) -> None:
    """Puts the new site in the place of the old one, whose files it knows by the manifest."""
    for name in _written(output):
        (output / name).unlink(missing_ok=True)
    for folder in sorted((path for path in output.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    names = sorted(path.relative_to(built).as_posix() for path in _files(built))
    (built / MANIFEST).write_text("\n".join([*names, MANIFEST]) + "\n", encoding="utf-8")
    shutil.copytree(built, output, dirs_exist_ok=True)


def _written(output: Path) -> list[str]:
    """The paths of the files that a build before wrote there."""
    manifest = output / MANIFEST
    if manifest.is_symlink() or not manifest.is_file():
        return []
    return manifest.read_text(encoding="utf-8").splitlines()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir())

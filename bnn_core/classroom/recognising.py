"""What a student's folder holds: which of its files are notebooks, of which lessons, which are the course's own, and
which can't be read, with what to do. Every file is opened and looked into, whatever its name. It runs nothing, and is
itself run in a process of its own, for files may be made to harm whoever reads them.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from bnn_core.answers.course_own import is_own_module, is_own_notebook
from bnn_core.answers.notebook import (
    MAX_BYTES,
    Notebook,
    Unreadable,
    exercises_of,
    is_script,
    lesson_from_name,
    lesson_of,
    lessons_with_exercises,
    notebook_in,
    read_notebook,
)
from bnn_core.answers.slicing import COURSE_PACKAGE, seems_to_define
from bnn_core.classroom.handed_in import FOLDER, Entry, Parts, Refused, Tree
from bnn_core.lesson_files import Course

MOST_ENTRIES = 5_000
DEEPEST = 12
"""How many files and folders of one submission are looked at, and how many folders and zips deep."""

TOO_DEEP = f"It lies deeper than {DEEPEST} folders; hand it in with fewer around it."
SUFFIX = ".ipynb"
LARGEST_BESIDE = 16_000_000
"""The most bytes of a file that the answer may read."""

NOISE = frozenset(
    {"__macosx", "__pycache__", ".ds_store", ".localized", "desktop.ini", "thumbs.db", "node_modules", "site-packages"}
    | {".git", ".gitignore", ".gitattributes", ".gitkeep", ".venv", ".pytest_cache", ".mypy_cache", ".ruff_cache"}
)
"""What systems and tools leave in a folder, in lower case. It isn't looked into, and goes without a word."""

EDITORS_OWN = frozenset(
    {
        ".ipynb_checkpoints",
        ".virtual_documents",
        ".ipython",
        ".jupyter",
        ".vscode",
        ".idea",
        ".cache",
        ".config",
        ".local",
    }
)
"""What editors keep for themselves: not looked into either, and only worth a word where there is nothing else."""

HIDDEN_NAME = "Its name begins as those of hidden files do; rename it."

ENVIRONMENT_SIGN = "pyvenv.cfg"

NOT_READ = {
    "a PDF": (".pdf",),
    "a web page": (".html", ".htm", ".mhtml", ".webarchive", ".url", ".webloc"),
    "a text document": (".doc", ".docx", ".odt", ".rtf", ".pages", ".gdoc"),
    "a presentation": (".ppt", ".pptx", ".odp", ".key"),
    "an archive": (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"),
}
"""Kinds of files that can't hold a notebook which could be read here, by their suffixes."""

DATA_IN_ZIPS = (".npz", ".pt", ".pth", ".xlsx", ".whl", ".pkl", ".ckpt", ".bin", ".joblib", ".egg", ".jar")
"""Suffixes of files that are zips inside, and yet not a folder of files."""


@dataclass(frozen=True)
class Found:
    """A file of a submission, as it was recognised.

    name: its path within the submission; parts: where it lies in the tree. kind: "notebook"; "own", the course's own
    with answers in it; "unreadable", a notebook by its name alone; "file", which the answer may import or read;
    "unread" and "hidden", a file or a folder that wasn't looked into; "typed", into the platform. why: a sentence on
    what isn't read. For a notebook, lesson where it could be told; is_script where it is Python and no notebook;
    is_untouched where its exercises are as they were handed out. attempt: a later one sorts higher. modified: the
    file's own time; received: that of the outermost zip around it, for those inside it are the student's to write, and
    is_instant: whether its zone is known.
    """

    name: str
    parts: Parts
    kind: str
    why: str = ""
    lesson: str | None = None
    is_script: bool = False
    is_untouched: bool = False
    size: int = 0
    modified: float = 0.0
    attempt: str = ""
    digest: str = ""
    received: float = 0.0
    is_instant: bool = True


@dataclass(frozen=True)
class Root:
    """Where a part of a submission begins: a folder, a zip, or one file. name: what stands for it in the paths within
    the submission.
    """

    parts: Parts
    name: Parts = ()
    attempt: str = ""
    typed: bool = False


Begin = tuple[str, Parts]
"""A file that is about to be looked into: its name and where it lies."""


def recognise(tree: Tree, roots: Collection[Root], without: Collection[Parts] = ()) -> Iterator[Begin | Found]:
    """What the submission holds: before each file that is looked into its name, and then what it is.

    without: files on which an earlier reader has died.
    """
    for root in roots:
        yield from _Look(tree, root, without).files()


class _Look:
    """One walk through a part of a submission."""

    def __init__(self, tree: Tree, root: Root, without: Collection[Parts]) -> None:
        self.tree, self.root, self.without = tree, root, without
        self.folders: deque[tuple[Parts, bool]] = deque()
        self.zips: deque[tuple[Parts, bool]] = deque()
        self.seen = 0

    def files(self) -> Iterator[Begin | Found]:
        """Zips come last, so that a bad one can't keep anyone from the files beside it."""
        if self.root.typed:
            yield self._not_looked_at(self.root.parts, "", "typed")
            return
        try:
            entry = self.tree.entry(self.root.parts) if self.root.name else None
        except Refused as refused:
            yield self._not_looked_at(self.root.parts, refused.reason)
            return
        if entry is not None:
            yield from self._entry(entry, False)
        else:
            self.folders.append((self.root.parts, False))
        while self.folders or self.zips:
            folder, is_own = (self.folders or self.zips).popleft()
            yield from self._folder(folder, is_own)

    def _folder(self, folder: Parts, is_own: bool) -> Iterator[Begin | Found]:
        """is_own: whether all that lies in it is the course's own."""
        yield self._name(folder), folder
        if folder in self.without:
            yield self._not_looked_at(folder, _DIED)
            return
        try:
            entries = self.tree.entries(folder)
            if not entries and folder and self.tree.entry(folder).kind == "file":
                raise Refused("It is empty.")  # a zip; of a folder that says nothing
        except Refused as refused:
            yield self._not_looked_at(folder, refused.reason)
            return
        entries.sort(key=lambda entry: (not is_named_notebook(entry.name), entry.name))
        room, self.seen = MOST_ENTRIES - self.seen, self.seen + len(entries)
        if room < len(entries):
            yield self._not_looked_at(folder, f"It holds more than the {MOST_ENTRIES:,} files that are looked into.")
        names = {entry.name.lower() for entry in entries}
        if ENVIRONMENT_SIGN in names:
            return
        holds_sources = any(exercises_of(PurePosixPath(name).stem) for name in names if name.endswith(".py"))
        is_own = is_own or (folder[-1:] == ("solutions",) and holds_sources)
        for entry in entries[: max(0, room)]:
            name = entry.name.lower()
            of_course = COURSE_PACKAGE in names and name in (COURSE_PACKAGE, "tests", *_BESIDE_PACKAGE)
            if (
                name in NOISE
                or name.startswith("._")
                or of_course
                or (name == COURSE_PACKAGE and entry.kind == "folder")
            ):
                continue
            yield from self._entry(entry, is_own or (name == "solutions" and COURSE_PACKAGE in names))

    def _entry(self, entry: Entry, is_own: bool) -> Iterator[Begin | Found]:
        if is_hidden(entry.name) and entry.name != "__init__.py":
            kind = "hidden" if entry.name.lower() in EDITORS_OWN else "unread"
            yield self._not_looked_at(entry.parts, HIDDEN_NAME, kind)
        elif entry.kind == "folder":
            yield from self._folder_later(entry, is_own)
        elif entry.kind == "refused":
            kind = "unreadable" if is_named_notebook(entry.name) else "unread"
            yield self._found(entry, kind, entry.why, lesson=self._named_lesson(entry.parts))
        elif is_own:
            if is_named_notebook(entry.name):
                yield self._found(entry, "own", lesson=self._named_lesson(entry.parts))
        else:
            yield self._name(entry.parts), entry.parts
            if entry.parts in self.without:
                kind = "unreadable" if is_named_notebook(entry.name) else "unread"
                yield self._found(entry, kind, _DIED, lesson=self._named_lesson(entry.parts))
            elif found := self._file(entry):
                yield found

    def _folder_later(self, entry: Entry, is_own: bool) -> Iterator[Found]:
        if is_named_notebook(entry.name):
            yield self._found(entry, "unreadable", FOLDER, lesson=self._named_lesson(entry.parts))
        if len(entry.parts) - len(self.root.parts) >= DEEPEST:
            yield self._not_looked_at(entry.parts, TOO_DEEP)
        else:
            self.folders.append((entry.parts, is_own))

    def _file(self, entry: Entry) -> Found | None:
        """What the file is; None where it is a zip, which is looked into later."""
        lesson = self._named_lesson(entry.parts)
        try:
            beginning = self.tree.beginning(entry.parts, 512)
            if self.tree.is_zip(entry.parts) and not entry.name.lower().endswith((*DATA_IN_ZIPS, *_unread_suffixes())):
                if len(entry.parts) - len(self.root.parts) >= DEEPEST:
                    return self._not_looked_at(entry.parts, TOO_DEEP)
                self.zips.append((entry.parts, False))
                return None
            is_json = _begins_like_json(beginning)
            if not is_json and (kind := _kind_not_read(entry.name)):
                return self._found(entry, "unread", f"It is {kind}; hand in the notebook itself ({SUFFIX}).")
            looks_like_one = is_json or is_named_notebook(entry.name)
            content = self.tree.read(entry.parts, MAX_BYTES if looks_like_one else LARGEST_BESIDE)
        except Refused as refused:
            if not is_named_notebook(entry.name):
                return self._found(entry, "unread", refused.reason, lesson=lesson)
            return self._found(entry, "unreadable", refused.reason, lesson=lesson)
        digest = hashlib.sha256(content).hexdigest()
        if is_script(entry.name) and is_own_module(content, lessons_with_exercises()):
            return self._found(entry, "own", lesson=lesson, digest=digest, is_script=True)
        if looks_like_one or is_script(entry.name):
            try:
                return self._notebook(entry, notebook_in(content, entry.name), digest)
            except Unreadable as error:
                if is_named_notebook(entry.name):
                    return self._found(entry, "unreadable", error.reason, lesson=lesson, digest=digest)
        return self._found(entry, "file", digest=digest)

    def _notebook(self, entry: Entry, notebook: Notebook, digest: str) -> Found:
        script = is_script(entry.name)
        try:
            lesson = lesson_of(notebook, PurePosixPath(*self._path(entry.parts)))
        except Unreadable as error:
            if script:
                return self._found(entry, "file", digest=digest)
            return self._found(entry, "notebook", error.reason, digest=digest)
        if script and lesson not in entry.name and not _answers(notebook, lesson):
            return self._found(entry, "file", digest=digest)
        if is_own_notebook(notebook, lesson):
            return self._found(entry, "own", lesson=lesson, digest=digest, is_script=script)
        untouched = is_untouched(notebook, lesson)
        return self._found(entry, "notebook", lesson=lesson, digest=digest, is_script=script, is_untouched=untouched)

    def _found(
        self,
        entry: Entry,
        kind: str,
        why: str = "",
        *,
        lesson: str | None = None,
        is_script: bool = False,
        is_untouched: bool = False,
        digest: str = "",
    ) -> Found:
        about = (entry.size, entry.modified, self.root.attempt, digest, *self._received(entry))
        return Found(self._name(entry.parts), entry.parts, kind, why, lesson, is_script, is_untouched, *about)

    def _received(self, entry: Entry) -> tuple[float, bool]:
        outermost = self.tree.outermost(entry.parts)
        try:
            entry = entry if outermost == entry.parts else self.tree.entry(outermost)
        except Refused:  # it was there a moment ago
            return 0.0, True
        return entry.modified, entry.is_instant

    def _not_looked_at(self, parts: Parts, why: str, kind: str = "unread") -> Found:
        return Found(self._name(parts) or "The folder", parts, kind, why, attempt=self.root.attempt)

    def _path(self, parts: Parts) -> Parts:
        return (*self.root.name, *parts[len(self.root.parts) :])

    def _name(self, parts: Parts) -> str:
        return "/".join(self._path(parts))

    def _named_lesson(self, parts: Parts) -> str | None:
        return lesson_from_name(PurePosixPath(*self._path(parts)))


def _answers(notebook: Notebook, lesson: str) -> bool:
    """Whether it seems to define what the lesson asks for."""
    return any(seems_to_define(notebook.code, name, at_top=True) for name in exercises_of(lesson))


def is_untouched(notebook: Notebook, lesson: str) -> bool:
    """Whether all exercises are as they were handed out, whatever else was changed."""
    if notebook.is_as_built:
        return True
    given = exercises_handed_out(lesson)
    return bool(given) and _exercises_in(notebook, lesson) == given


@lru_cache
def exercises_handed_out(lesson: str) -> dict[str, str]:
    """The learner's cell of each exercise; none where this copy of the course lacks the learner's notebook."""
    try:
        return _exercises_in(read_notebook(Course().learner_notebook(lesson)), lesson)
    except Unreadable:
        return {}


def _exercises_in(notebook: Notebook, lesson: str) -> dict[str, str]:
    """The last cell that defines each exercise, without the spaces that editors add or take away."""
    return {
        name: "\n".join(line.rstrip() for line in source.strip().splitlines())
        for name in exercises_of(lesson)
        for source in notebook.cells
        if seems_to_define(source, name, at_top=True)
    }


_BESIDE_PACKAGE = ("readme.md", "license", "requirements.txt", "pyproject.toml")
_DIED = "Reading the file crashed its reader, or took too long, so it is no notebook that Jupyter saved."


def _unread_suffixes() -> tuple[str, ...]:
    return tuple(suffix for suffixes in NOT_READ.values() for suffix in suffixes)


def _kind_not_read(name: str) -> str | None:
    return next((kind for kind, suffixes in NOT_READ.items() if name.lower().endswith(suffixes)), None)


def is_hidden(name: str) -> bool:
    return name.startswith((".", "__"))


def is_named_notebook(name: str) -> bool:
    return SUFFIX in name.lower()


def _begins_like_json(beginning: bytes) -> bool:
    return beginning.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")[:1] == b"{"

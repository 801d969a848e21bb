"""What lies in a folder or a zip that somebody else filled: it is listed and read such that nothing in it leads
outside, waits, or takes more than its share. A zip is a folder here, and is never unpacked to a disk. It may not know
what a notebook is, and writes nothing.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

Parts = tuple[str, ...]
"""A path in pieces, from where the folder or the zip begins."""

MOST_BYTES = 200_000_000
"""How much of one submission is read in all, counted as it is unpacked."""

LARGEST_INNER_ZIP = 50_000_000
MOST_MEMBERS = 20_000
"""The largest zip in a zip, in bytes; the most files of a zip."""

_READ = sum(getattr(os, f"O_{name}", 0) for name in ("RDONLY", "CLOEXEC", "NOCTTY", "NOFOLLOW", "NONBLOCK"))
_LIST = sum(getattr(os, f"O_{name}", 0) for name in ("RDONLY", "CLOEXEC", "NOFOLLOW", "DIRECTORY"))
_EXTENDED_TIMESTAMP = 0x5455
"""Of a part of a zip's extra field."""

_ENCRYPTED = 1
_ZIP_SIGNS = (b"PK\x03\x04", b"PK\x05\x06")

FOLDER = "It is a folder, not a file."
NO_FILE = "It is a pipe, a socket or a device, not a file."
LINK_OUT = "It is a link to a file outside the folder, and no link is followed; hand in the file itself."
LINK = "It is a link, and no link is followed; hand in the file itself."
BROKEN_LINK = "It is a link, and there is no such file; hand in the file itself."


class Refused(Exception):
    """What was asked for isn't read; `reason` is a sentence that says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class TooLarge(Refused):
    """The file is longer than it may be."""

    def __init__(self, most: int) -> None:
        super().__init__(f"The file is larger than {most // 1_000_000} MB.")


@dataclass(frozen=True)
class Entry:
    """Something in a folder.

    kind: "file", "folder", or "refused" with a sentence that says why. modified: in seconds since 1970; is_instant:
    whether it is so exactly, or what a clock showed in a zone that nobody noted, as if that were UTC.
    """

    parts: Parts
    kind: str
    size: int = 0
    modified: float = 0.0
    why: str = ""
    is_instant: bool = True

    @property
    def name(self) -> str:
        return self.parts[-1]


class Tree:
    """A folder or a zip, with all that is below it, zips in it included."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._left = MOST_BYTES
        self._zips: dict[Parts, _Zip] = {}

    def entries(self, parts: Parts = ()) -> list[Entry]:
        """What lies in a folder or in a zip, in order. Raises Refused."""
        archive, inside = self._zip_around(parts)
        if archive is not None:
            before = parts[: len(parts) - len(inside)]
            return [replace(entry, parts=(*before, *entry.parts)) for entry in archive.entries(inside)]
        with _refusing_errors(), self._folder(parts) as folder, os.scandir(folder) as found:
            names = sorted(entry.name for entry in found)
            return [_entry(self._root, folder, (*parts, name)) for name in names]

    def entry(self, parts: Parts) -> Entry:
        """What lies there. Raises Refused where nothing does."""
        archive, inside = self._zip_around(parts[:-1])
        if archive is not None:
            return replace(archive.entry((*inside, parts[-1])), parts=parts)
        with _refusing_errors(), self._folder(parts[:-1]) as folder:
            return _entry(self._root, folder, parts)

    def read(self, parts: Parts, most: int) -> bytes:
        """A file's content. Raises Refused, also where it is longer than `most` bytes."""
        if self.entry(parts).size > most:
            raise TooLarge(most)
        content = self.beginning(parts, min(most, self._left) + 1)
        self._left -= len(content)
        if self._left < 0:
            raise Refused(f"It lies beyond the {MOST_BYTES // 1_000_000} MB of a submission that are read.")
        if len(content) > most:
            raise TooLarge(most)
        return content

    def beginning(self, parts: Parts, count: int) -> bytes:
        """A file's first bytes. Raises Refused."""
        archive, inside = self._zip_around(parts[:-1])
        if archive is not None:
            return archive.beginning((*inside, parts[-1]), count)
        with _refusing_errors(), self._open(parts) as file:
            return file.read(count)

    def outermost(self, parts: Parts) -> Parts:
        """The file that was handed in with this one in it: the outermost zip on the way to it, or it alone."""
        return next((parts[:length] for length in range(1, len(parts)) if parts[:length] in self._zips), parts)

    def is_zip(self, parts: Parts) -> bool:
        return self.beginning(parts, 4) in _ZIP_SIGNS

    def _zip_around(self, folder: Parts) -> tuple[_Zip | None, Parts]:
        """The innermost zip that a folder lies in, or is, and the way from there."""
        for length in range(len(folder), -1, -1):
            if folder[:length] in self._zips:
                archive, inside = self._zips[folder[:length]], folder[length:]
                inner = next((n for n in range(1, len(inside) + 1) if archive.is_file(inside[:n])), None)
                if inner is None:
                    return archive, inside
                within = folder[: length + inner]
                self._zips[within] = _Zip(io.BytesIO(self.read(within, LARGEST_INNER_ZIP)))
                return self._zip_around(folder)
        with _refusing_errors():
            first = self._first_file(folder)
            if first is None:
                return None, folder
            self._zips[folder[:first]] = _Zip(self._open(folder[:first]) if first else self._root.open("rb"))
        return self._zip_around(folder)

    def _first_file(self, folder: Parts) -> int | None:
        """How many steps lead to the first file on the way to what should be a folder; None where there is none."""
        if not self._root.is_dir():
            return 0
        for length in range(1, len(folder) + 1):
            with self._folder(folder[: length - 1]) as above:
                if stat.S_ISREG(os.stat(folder[length - 1], dir_fd=above, follow_symlinks=False).st_mode):
                    return length
        return None

    @contextmanager
    def _folder(self, parts: Parts) -> Iterator[int]:
        """The descriptor of a folder, reached step by step, so that no link on the way is followed."""
        descriptor = os.open(self._root, _LIST & ~getattr(os, "O_NOFOLLOW", 0))
        try:
            for name in parts:
                below = os.open(name, _LIST, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)

    def _open(self, parts: Parts) -> BinaryIO:
        with self._folder(parts[:-1]) as folder:
            before = _entry(self._root, folder, parts)  # opening a device may already do something
            if before.kind != "file":
                raise Refused(before.why or FOLDER)
            descriptor = os.open(parts[-1], _READ, dir_fd=folder)
        file = os.fdopen(descriptor, "rb")
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # it has changed since
            file.close()
            raise Refused(NO_FILE)
        return file


class _Zip:
    """An opened zip."""

    def __init__(self, file: BinaryIO) -> None:
        with _refusing_errors():
            self._zip = zipfile.ZipFile(file)
        self._members: dict[Parts, zipfile.ZipInfo] = {}
        self._folders = defaultdict[Parts, dict[str, None]](dict)
        for member in self._zip.infolist()[:MOST_MEMBERS]:
            parts = tuple(part for part in member.filename.replace("\\", "/").split("/") if part not in ("", "."))
            if not parts or ".." in parts:  # such a name says where to write it, and nothing is written
                continue
            for length in range(len(parts)):
                self._folders[parts[:length]][parts[length]] = None
            if member.is_dir():
                self._folders.setdefault(parts, {})
            else:
                self._members[parts] = member

    def is_file(self, parts: Parts) -> bool:
        return parts in self._members and parts not in self._folders

    def entries(self, folder: Parts) -> list[Entry]:
        return [self.entry((*folder, name)) for name in sorted(self._folders.get(folder, ()))]

    def entry(self, parts: Parts) -> Entry:
        if parts in self._folders:
            return Entry(parts, "folder")
        if parts not in self._members:
            raise Refused("There is no such file.")
        member = self._members[parts]
        if stat.S_ISLNK(member.external_attr >> 16):
            return Entry(parts, "refused", why=LINK)
        if member.flag_bits & _ENCRYPTED:
            return Entry(parts, "refused", why="It is locked with a password; hand it in without.")
        instant = _instant_in(member.extra)
        try:
            shown = datetime(*member.date_time, tzinfo=UTC).timestamp()
        except ValueError:
            shown = 0.0
        modified = shown if instant is None else instant
        return Entry(parts, "file", member.file_size, modified, is_instant=instant is not None)

    def beginning(self, parts: Parts, count: int) -> bytes:
        entry = self.entry(parts)
        if entry.kind != "file":
            raise Refused(entry.why or FOLDER)
        with _refusing_errors(), self._zip.open(self._members[parts]) as file:
            return file.read(count)


def _instant_in(extra: bytes) -> float | None:
    """The time of a file's last change in seconds since 1970, which many programs add to what a zip says of the file,
    and which a program that unpacks it goes by.
    """
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        if kind == _EXTENDED_TIMESTAMP and size >= 5 and len(extra) >= 9 and extra[4] & 1:
            return float(struct.unpack_from("<i", extra, 5)[0])
        extra = extra[4 + size :]
    return None


def _entry(root: Path, folder: int, parts: Parts) -> Entry:
    """What has the last part as its name in an open folder."""
    status = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        return Entry(parts, "folder")
    if stat.S_ISREG(status.st_mode):
        return Entry(parts, "file", status.st_size, status.st_mtime)
    return Entry(parts, "refused", why=_said_of_link(root, parts) if stat.S_ISLNK(status.st_mode) else NO_FILE)


def _said_of_link(root: Path, parts: Parts) -> str:
    """Where a link leads is looked up, for whoever reads this; nothing there is opened."""
    try:
        target = os.path.realpath(root.joinpath(*parts), strict=True)
    except OSError:
        return BROKEN_LINK
    home = os.path.realpath(root.joinpath(*parts[:1]) if len(parts) > 1 else root)
    return LINK if Path(target).is_relative_to(home) else LINK_OUT


@contextmanager
def _refusing_errors() -> Iterator[None]:
    """What the system or a broken zip raises, as a sentence."""
    try:
        yield
    except FileNotFoundError:
        raise Refused("There is no such file.") from None
    except OSError as error:
        raise Refused(f"It can't be read: {error.strerror or error}.") from None
    except NotImplementedError:
        raise Refused("It is packed in a way that can't be read here; pack it again as an ordinary zip.") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, KeyError, OverflowError):
        raise Refused("It is a broken zip; pack it again.") from None

"""Tables as the school's systems and spreadsheets write them. A table is read in whatever encoding and with whatever
separator it has, and what isn't changed is written back byte for byte. It may not know what a column means.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnn_core.classroom.refusals import Unusable

LARGEST = 50_000_000
SEPARATORS = (",", ";", "\t")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


class BadTable(Unusable):
    """A file that isn't the table that it should be."""


@dataclass
class _Line:
    """A row as it stands in the file: its cells with their quotes, and what ends it."""

    cells: list[str]
    end: str


class Table:
    """The rows of a file, the first of which are its headers.

    rows: what the cells say, without quotes. lines: for each row the line of the file on which it begins, from 1.
    """

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        if content.startswith(_WORKBOOKS):
            raise BadTable(f"{path} is a workbook; save it as CSV (UTF-8) from the spreadsheet and give that file")
        self._mark, self._encoding, text = _decoded(path, content)
        if "\0" in text:
            raise BadTable(f"{path} holds no text; give a table in a text file, CSV")
        self._separator = _separator(text)
        self._lines = list(_lines(text, self._separator))
        self.rows = [[_value(cell) for cell in line.cells] for line in self._lines]
        self.lines: list[int] = []
        count = 1
        for line in self._lines:
            self.lines.append(count)
            count += sum(cell.count("\n") for cell in line.cells) + 1
        if not any(any(row) for row in self.rows):
            raise BadTable(f"{path} is empty; give a table with headers and a row for each student")

    @classmethod
    def read(cls, path: Path) -> Table:
        """Raises BadTable where there is no table, and OSError where the file can't be read."""
        if path.is_dir():
            raise BadTable(f"{path} is a folder; give a file, CSV")
        if not path.exists():
            raise BadTable(f"there is no file {path}; give the table that you downloaded")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)  # of a device, whose size nobody can tell, no more than that either
        if len(content) > LARGEST:
            raise BadTable(f"{path} is larger than {LARGEST // 1_000_000} MB, which no class's table is")
        return cls(path, content)

    @property
    def headers(self) -> list[str]:
        return [header.strip() for header in self.rows[0]]

    def cell(self, row: int, column: int) -> str:
        """What a cell says; nothing where the row is shorter."""
        return self.rows[row][column].strip() if column < len(self.rows[row]) else ""

    def column(self, column: int, first: int = 1) -> list[str]:
        """What stands in a column, of rows with anything in them."""
        return [self.cell(row, column) for row in self.filled(first)]

    def filled(self, first: int = 1) -> list[int]:
        """The numbers of the rows that have anything in them, from a first one on."""
        return [row for row in range(first, len(self.rows)) if any(cell.strip() for cell in self.rows[row])]

    def put(self, row: int, column: int, value: str) -> None:
        """Change one cell. It gets quotes if it had some, or needs them."""
        cells, values = self._lines[row].cells, self.rows[row]
        while len(cells) <= column:
            cells.append("")
            values.append("")
        quoted = cells[column].startswith('"') or any(sign in value for sign in (self._separator, '"', "\n", "\r"))
        cells[column] = f'"{value.replace(chr(34), 2 * chr(34))}"' if quoted else value
        values[column] = value

    def append(self, values: Sequence[str]) -> None:
        """Add a row at the end."""
        end = self._lines[0].end or "\n"
        if not self._lines[-1].end:
            self._lines[-1].end = end
        if self._lines[-1].cells == [""]:
            self._lines.pop()
            self.rows.pop()
        self._lines.append(_Line([""] * len(values), end))
        self.rows.append([""] * len(values))
        for column, value in enumerate(values):
            self.put(len(self.rows) - 1, column, value)

    def content(self) -> bytes:
        """The file's bytes. Raises BadTable where a changed cell has a sign that the file's encoding lacks."""
        text = "".join(self._separator.join(line.cells) + line.end for line in self._lines)
        try:
            return self._mark + text.encode(self._encoding)
        except UnicodeEncodeError as error:
            sign = ascii(error.object[error.start])[1:-1]
            raise BadTable(f"{self.path} is in an encoding that lacks {sign}; save it as CSV (UTF-8) first") from None


def _decoded(path: Path, content: bytes) -> tuple[bytes, str, str]:
    """The mark of its encoding, the encoding, and the text."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            try:
                return mark, encoding, content[len(mark) :].decode(encoding)
            except UnicodeDecodeError:
                raise BadTable(f"{path} is damaged: it isn't the text that it begins as; download it again") from None
    for encoding in ("utf-8", "cp1252", "latin-1"):
        try:
            return b"", encoding, content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise AssertionError("latin-1 reads any bytes")


def _separator(text: str) -> str:
    """The sign that stands most often in the first line, outside of quotes."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    outside = "".join(first.split('"')[::2])
    return max(SEPARATORS, key=outside.count)


def _lines(text: str, separator: str) -> Iterator[_Line]:
    cells: list[str] = []
    start = position = 0
    while position < len(text):
        if text[position] == '"' and position == start:
            position = _after_quotes(text, position)
            continue
        sign = text[position]
        if sign == separator:
            cells.append(text[start:position])
            start = position = position + 1
        elif sign in "\r\n":
            end = "\r\n" if text.startswith("\r\n", position) else sign
            yield _Line([*cells, text[start:position]], end)
            cells = []
            start = position = position + len(end)
        else:
            position += 1
    if cells or start < len(text):
        yield _Line([*cells, text[start:]], "")


def _after_quotes(text: str, opening: int) -> int:
    """The position after the quotes that close a cell; the end where none do."""
    position = opening + 1
    while (closing := text.find('"', position)) >= 0:
        if not text.startswith('""', closing):
            return closing + 1
        position = closing + 2
    return len(text)


def _value(cell: str) -> str:
    if not cell.startswith('"'):
        return cell
    closing = _after_quotes(cell, 0)
    closed = cell[closing - 1] == '"' and closing > 1
    return cell[1 : closing - 1 if closed else closing].replace('""', '"') + cell[closing:]


def amount(text: str) -> float | None:
    """The number that a cell holds, with a point or a comma; None where it holds none."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None

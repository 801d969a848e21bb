"""Tables in every encoding and with every separator that systems write: read, and written back as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from classroom.systems import SYSTEM_NAMES, SYSTEMS
from hypothesis import given
from hypothesis import strategies as st

from bnn_core.classroom.tables import BadTable, Table
from bnn_core.course.arguments import BadArgument
from bnn_core.course.given_files import policy_text

HERE = Path("table.csv")


@pytest.mark.parametrize("system", SYSTEMS, ids=SYSTEM_NAMES)
def test_what_is_not_changed_is_written_back_byte_for_byte(system: object) -> None:
    marks = system.marks  # type: ignore[attr-defined]
    assert Table(HERE, marks).content() == marks


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_any_text_comes_back(text: str) -> None:
    content = b"a,b\n" + text.encode()
    assert Table(HERE, content).content() == content


@given(st.lists(st.lists(st.text(' ";,\n\ra=é', max_size=4), min_size=2, max_size=2), min_size=1, max_size=4))
def test_what_is_put_in_is_read_again(rows: list[list[str]]) -> None:
    made = Table(HERE, b"first,second\nx,y\n")
    for row in rows:
        made.append(row)
    again = Table(HERE, made.content())
    assert again.rows == [["first", "second"], ["x", "y"], *rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_encodings_and_separators(encoding: str, separator: str) -> None:
    text = f'"Name{separator}x"{separator}id{separator}mark\r\nZoë{separator}"7"\r\n'
    read = Table(HERE, text.encode(encoding))
    assert read.rows == [[f"Name{separator}x", "id", "mark"], ["Zoë", "7"]]
    read.put(1, 1, "9.5")
    read.put(1, 2, "1")
    assert read.content().decode(encoding) == text.replace('"7"', f'"9.5"{separator}1')


def test_lines_are_those_of_the_file() -> None:
    assert Table(HERE, b'a,b\n"x\ny",1\nz,2').lines == [1, 2, 4]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK\x03\x04rest", "is a workbook"),
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"a\0b", "holds no text"),
        (b"\xff\xfea", "is damaged"),
    ],
    ids=range(5),
)
def test_what_is_no_table_is_said_in_a_sentence(content: bytes, says: str) -> None:
    with pytest.raises(BadTable, match=says):
        Table(HERE, content)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no endless file here")
def test_an_endless_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    endless = Path("/dev/zero")
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} is read to its end"))
    with pytest.raises(BadTable, match="larger than 50 MB"):
        Table.read(endless)
    with pytest.raises(BadArgument, match="larger than 1 MB"):
        policy_text(endless, tmp_path)


def test_a_sign_that_the_encoding_lacks_is_named() -> None:
    read = Table(HERE, "id,näme\n".encode("cp1252"))
    read.append(["1", "李"])
    with pytest.raises(BadTable, match=r"lacks \\u674e"):
        read.content()

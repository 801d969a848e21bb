"""What is kept of a grading: the journal by which it goes on, the marks for a spreadsheet, and the pages."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bnn_core.autograder.exercises import EXERCISES
from bnn_core.classroom.grading import Graded, Row
from bnn_core.classroom.report import class_summary, file_name, write_pages
from bnn_core.classroom.results import Journal, as_text, write_atomically, write_grades, write_report
from bnn_core.classroom.submissions import Submission
from bnn_core.classroom.text import clean

LESSON = "03_bayesian_linear"
HOSTILE_NAMES = ["=1+1", "<script>alert(1)</script>", "index.html", "a\nb", "..", "CON", "x" * 300, "Zoë O'Neil"]


CHECKS = EXERCISES["BayesianLinear"].checks


def row(student: str, passed: int = len(CHECKS), misconception: str | None = None, **fields: Any) -> Row:
    checks = [
        {
            "name": check.name,
            "passed": n < passed,
            "message": "" if n < passed else "A mistake.\n1 < 2",
            "misconception": None,
        }
        for n, check in enumerate(CHECKS)
    ]
    if misconception:
        checks[-1]["misconception"] = misconception
    score = 10 * passed / len(checks)
    status = "passed" if passed == len(checks) else "failed"
    base = {"student": student, "lesson": LESSON, "exercise": "BayesianLinear", "status": status, "score": score}
    return base | {"max_score": 10.0, "message": "BayesianLinear: …", "checks": checks} | fields


def graded(*rows: Row) -> list[tuple[Submission, Graded]]:
    code = [("cell 1", [(1, "</pre><script>alert(1)</script>"), (2, "x = 1 < 2")])]
    return [
        (Submission(item["student"], item["lesson"], None, Path()), Graded([item], code, ["<b>note</b>"]))
        for item in rows
    ]


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_journal_gives_back_what_it_was_given(tmp_path: Path) -> None:
    kept = Graded([row("ada")], [("cell 1", [(1, "x\udcff")])], ["note"], "printed", 1.5)
    with Journal(tmp_path) as journal:
        journal.begin(7)
        journal.add("key", kept)
    with Journal(tmp_path) as journal:
        assert journal.seed == 7
        assert "key" in journal
        assert journal["key"].rows == kept.rows
        assert journal["key"].code[0][1][0][1] == "x\udcff"
    with Journal(tmp_path, fresh=True) as journal:
        assert "key" not in journal


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_journal_that_was_cut_off_goes_on(tmp_path: Path, cut: int) -> None:
    with Journal(tmp_path) as journal:
        journal.add("first", Graded([row("ada")]))
        journal.add("second", Graded([row("bo")]))
    content = journal.path.read_bytes()
    journal.path.write_bytes(content[:-cut])
    with Journal(tmp_path) as journal:
        assert "first" in journal
        journal.add("third", Graded([row("cy")]))
    with Journal(tmp_path) as journal:
        assert "first" in journal
        assert "third" in journal


def test_files_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    write_atomically(path, "old")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_report_json_has_the_rows_as_they_are(tmp_path: Path) -> None:
    rows = [row(name) for name in HOSTILE_NAMES]
    write_report(tmp_path / "report.json", rows)
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == {"results": rows}


def test_grades_are_a_line_per_submission(tmp_path: Path) -> None:
    other = row("ada", lesson="06_hidden_layer", exercise="HiddenLayer", score=2.5)
    write_grades(tmp_path / "grades.csv", [row("ada"), other, row("bo", passed=0)])
    with (tmp_path / "grades.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["student"] for line in lines] == ["ada", "ada", "bo"]
    assert [line["BayesianLinear"] for line in lines] == ["10", "", "0"]
    assert [line["HiddenLayer"] for line in lines] == ["", "2.5", ""]
    assert [(line["total"], line["max"]) for line in lines] == [("10", "10"), ("2.5", "10"), ("0", "10")]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1"])
def test_no_name_is_a_formula(name: str) -> None:
    assert as_text(name) == f"'{name}"
    assert as_text(f"x{name}") == f"x{name}"


def test_pages_lie_in_the_report_and_show_hostile_text_as_text(tmp_path: Path) -> None:
    rows = [row(name, passed=3, misconception="weight-unused") for name in HOSTILE_NAMES]
    write_pages(tmp_path / "report", graded(*rows), seed=1)
    pages = list((tmp_path / "report").rglob("*.html"))
    assert len(pages) == len(HOSTILE_NAMES) + 1
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    for path in pages:
        page = Tags(path.read_text(encoding="utf-8"))
        assert not {"script", "img", "iframe", "object"} & {tag for tag, _ in page.tags}
        for tag, attributes in page.tags:
            assert not any(name.startswith("on") or name == "src" for name in attributes), tag
            if "href" in attributes:
                assert (path.parent / unquoted(attributes["href"])).exists()
        policies = [
            attributes["content"]
            for tag, attributes in page.tags
            if attributes.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policies
        assert "default-src 'none'" in str(policies[0])


def unquoted(link: str | None) -> str:
    from urllib.parse import unquote

    assert link is not None
    return unquote(link)


def test_the_students_page_shows_the_code_with_its_line_numbers(tmp_path: Path) -> None:
    write_pages(tmp_path, graded(row("ada", passed=3)), seed=1)
    page = Tags((tmp_path / "ada" / f"{LESSON}.html").read_text(encoding="utf-8"))
    assert "1</pre><script>alert(1)</script>" in page.text
    assert "2x = 1 < 2" in page.text
    assert "<b>note</b>" in page.text
    assert "1 < 2" in page.text


def test_the_class_page_counts_each_student_once_and_the_most_frequent_first() -> None:
    rows = [row("ada", 3, "weight-unused"), row("bo", 3, "no-sampling"), row("cy", 3, "no-sampling"), row("di")]
    rows[1]["checks"][5]["misconception"] = "no-sampling"
    summary = class_summary(rows)
    assert [(item.name, len(item.students)) for item in summary["misunderstood"]] == [
        ("no-sampling", 2),
        ("weight-unused", 1),
    ]
    assert all(LESSON in item.sections[0] for item in summary["misunderstood"])
    assert summary["misunderstood"][0].sentence == "A mistake."
    assert sum(count for _, count in summary["distribution"]["bins"]) == 4
    ((_, _, checks),) = summary["exercises"]
    assert (checks[0].passed, checks[0].attempted) == (4, 4)
    assert (checks[-1].passed, checks[-1].attempted) == (1, 4)


def test_who_did_not_attempt_it_is_not_in_the_heat_map() -> None:
    ((_, _, checks),) = class_summary([row("ada"), row("bo", 0, status="not_attempted")])["exercises"]
    assert {(check.passed, check.attempted) for check in checks} == {(1, 1)}


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_student_s_folder_is_one_plain_folder(name: str) -> None:
    safe = file_name(name)
    assert "/" not in safe
    assert safe not in (".", "..", "index.html")
    assert len(safe) < 100
    assert file_name("Ada Lovelace") == "Ada Lovelace"


def test_invisible_characters_become_visible() -> None:
    assert clean("a\x1b[2J\u202eb\x00\ud800\u200b\r\n\té") == "a\\x1b[2J\\u202eb\\x00\\ud800\\u200b\n\té"
    assert len(clean("x" * 1_000_000)) < 5_000

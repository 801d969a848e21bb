"""What is kept of a grading: the journal by which it goes on, the marks for a spreadsheet, and the pages."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from nbformat import v4

from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.pictures import Values, as_data
from bnn_core.classroom.class_summary import class_summary
from bnn_core.classroom.grading import Graded, Row
from bnn_core.classroom.journal import Journal
from bnn_core.classroom.page_places import file_name, pages_of
from bnn_core.classroom.report import MOST_LINES, write_pages
from bnn_core.classroom.results import as_text, write_atomically, write_grades, write_report
from bnn_core.classroom.sandbox.reading import read_answer
from bnn_core.classroom.standing import Standing
from bnn_core.classroom.text import as_name, clean, natural
from bnn_core.lesson_files import notebook_text

LESSON = "03_bayesian_linear"
HOSTILE_NAMES = [
    "=1+1", "<script>alert(1)</script>", "index.html", "a\nb", "..", "CON", "x" * 300, "Zoë O'Neil",
    "\x1b[2J\x1b]0;title\x07", "a\u202eb", "a\u200bb", "\x7f\x85\x9b", "\udcff", "a\u2028b", "\U000e0041",
]  # fmt: skip

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


def graded(*rows: Row) -> list[Standing]:
    code = [("cell 1", [(1, "</pre><script>alert(1)</script>"), (2, "x = 1 < 2")])]
    return [Standing(item["student"], item["lesson"], Graded([item], code, ["<b>note</b>"])) for item in rows]


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


PICTURE = ("BayesianLinear", "a check", as_data(Values("The output", (1.0, 2.0, 3.0), (1.0, 2.5, 9.0))))


def test_the_journal_gives_back_what_it_was_given(tmp_path: Path) -> None:
    kept = Graded([row("ada")], [("cell 1", [(1, "x\udcff")])], ["note"], "printed", 1.5, False, [PICTURE])
    with Journal(tmp_path) as journal:
        journal.begin(7)
        journal.add("key", kept)
    with Journal(tmp_path) as journal:
        assert journal.seed == 7
        assert "key" in journal
        assert journal["key"].rows == kept.rows
        assert journal["key"].pictures == json.loads(json.dumps(kept.pictures))
        assert journal["key"].code[0][1][0][1] == "x\udcff"
        journal.grade_again(None)
    with Journal(tmp_path) as journal:
        assert "key" not in journal
        assert journal.latest


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
        forbidden = {"img", "iframe", "object"} | ({"script"} if path.name != "index.html" else set())
        assert not forbidden & {tag for tag, _ in page.tags}
        assert [tag for tag, _ in page.tags].count("script") == (path.name == "index.html")
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


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
def test_a_student_s_folder_is_one_plain_folder(name: str) -> None:
    safe = file_name(name)
    assert "/" not in safe
    assert safe not in (".", "..", "index.html")
    assert len(safe) < 100
    assert file_name("Ada Lovelace") == "Ada Lovelace"


def test_invisible_characters_become_visible() -> None:
    assert clean("a\x1b[2J\u202eb\x00\ud800\u200b\r\n\té") == "a\\x1b[2J\\u202eb\\x00\\ud800\\u200b\n\té"
    assert len(clean("x" * 1_000_000)) < 5_000


@pytest.mark.parametrize("name", [name for name in HOSTILE_NAMES if as_name(name) != name], ids=ascii)
def test_invisible_characters_of_a_name_reach_no_file(tmp_path: Path, name: str) -> None:
    others = row("ada", lesson=name)
    write_report(tmp_path / "report.json", [row(name), others])
    write_grades(tmp_path / "grades.csv", [row(name), others])
    write_pages(tmp_path, graded(row(name, 3, "weight-unused"), others), seed=1)
    for path in tmp_path.rglob("*.*"):
        text = str(path.relative_to(tmp_path)) + path.read_text(encoding="utf-8")
        assert not [sign for sign in text if sign != "\n" and clean(sign) != sign], path


def test_two_names_never_become_one() -> None:
    alike = ["a\u202e", "a\\u202e", "a\\\\u202e", "a\\", "a\n", "a\\n"]
    assert len(set(map(as_name, alike))) == len(alike)


# Where pages lie


def as_a_careless_file_system_sees_it(page: str) -> str:
    return unicodedata.normalize("NFD", page.upper().lower())


ALIKE = [
    ["Ada", "ada", "ADA"],
    ["é", "e\u0301", "É"],
    ["ß", "ss", "SS"],
    ["ﬁ", "fi"],
    ["x" * 300, "x" * 301, "X" * 300],
    ["a/b", "a b", "a:b", "a?b"],
    ["", " ", ".", "..", "..."],
    ["com1", "COM1", "com1.txt"],
    ["日" * 80, "日" * 81],
]


@pytest.mark.parametrize("names", ALIKE, ids=lambda names: ascii(names[0][:8]))
def test_no_page_takes_another_s_place(names: list[str]) -> None:
    escaped = [file_name(name) for name in names] + [file_name(name, alone=False) for name in names]
    everyone = [*names, *escaped, *(name.upper() for name in escaped)]
    pages = pages_of((student, lesson) for student in everyone for lesson in [LESSON, LESSON.upper(), *names])
    places = {as_a_careless_file_system_sees_it(page) for page in pages.values()}
    assert len(places) == len(pages) == len(set(everyone)) * len({LESSON, LESSON.upper(), *names})
    assert all(len(part.encode()) < 220 for page in places for part in page.split("/"))


def test_a_page_keeps_its_place_when_others_join() -> None:
    few, many = (pages_of((name, LESSON) for name in names) for names in (["Ada"], ["Ada", "Bo", "a/b"]))
    assert few["Ada", LESSON] == many["Ada", LESSON] == f"Ada/{LESSON}.html"


# What pages show


def test_a_students_page_shows_what_a_failed_check_saw(tmp_path: Path) -> None:
    (one,) = graded(row("ada", len(CHECKS) - 1))
    seen = ("BayesianLinear", CHECKS[-1].name, PICTURE[2])
    unreadable = ("BayesianLinear", CHECKS[0].name, {"what": 1})
    write_pages(tmp_path, [replace(one, graded=replace(one.graded, pictures=[seen, unreadable]))], seed=1)
    page = (tmp_path / "ada" / f"{LESSON}.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert 'aria-label="The output: your 3 values' in page


def page_of(folder: Path, *rows: Row, code: list[tuple[str, list[tuple[int, str]]]] | None = None) -> str:
    """The page of the first."""
    handed_in = [replace(one, graded=replace(one.graded, code=code or [])) for one in graded(*rows)]
    write_pages(folder, handed_in, seed=1)
    return (folder / rows[0]["student"] / f"{LESSON}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "code",
    [
        [("cell 1", [(n, "") for n in range(297_000)])],
        [(f"cell {n}", [(1, "x")]) for n in range(100_000)],
        [("cell 1", [(n, "<&>" * 1_300) for n in range(1_000)])],
    ],
    ids=["blank lines", "cells", "long lines"],
)
def test_a_page_stays_small_however_long_the_code(
    tmp_path: Path, code: list[tuple[str, list[tuple[int, str]]]]
) -> None:
    page = page_of(tmp_path, row("ada", 3), code=code)
    assert len(page) < 1_500_000
    shown = page.count('class="bnn-line"')
    assert shown <= MOST_LINES
    assert f"… and {sum(len(lines) for _, lines in code) - shown:,} more lines" in page


def test_code_of_a_usual_length_is_shown_whole(tmp_path: Path) -> None:
    page = page_of(tmp_path, row("ada", 3), code=[("cell 1", [(n, f"x = {n}") for n in range(MOST_LINES)])])
    assert page.count('class="bnn-line"') == MOST_LINES
    assert "more line" not in page


def test_names_are_in_the_order_in_which_people_look_for_them() -> None:
    names = ["Zoë", "Émile", "s10", "Ødegaard", "ada", "s9", "Bo", "Łukasz", "O'Neil", "Olsen", "Emil", "Ada"]
    wanted = ["Ada", "ada", "Bo", "Emil", "Émile", "Łukasz", "Ødegaard", "Olsen", "O'Neil", "s9", "s10", "Zoë"]
    summary = class_summary([row(name, 3, "weight-unused") for name in names])
    assert [line.student for line in summary["students"].lines] == wanted
    assert [student for student, _ in summary["misunderstood"][0].students] == wanted
    assert sorted(names, key=natural) == wanted


def test_a_notebook_of_no_lesson_is_no_submission_without_points() -> None:
    scratch = [row(name, 0, lesson=name, exercise="", status="unreadable", max_score=0.0, checks=[]) for name in "xyz"]
    distribution = class_summary([row("ada"), *scratch])["distribution"]
    assert (distribution["count"], distribution["others"], distribution["median"]) == (1, 3, 1.0)


def not_run(student: str, passed: int, failed: int) -> Row:
    """A row in which what is neither passed nor failed was not run."""
    made = row(student, passed)
    for check in made["checks"][passed + failed :]:
        check["message"] = "Not run: it needs “something” first."
    return made


def test_the_heat_map_has_three_states() -> None:
    ((_, _, checks),) = class_summary([row("ada"), not_run("bo", 2, 1), not_run("cy", 1, 2)])["exercises"]
    assert [(check.passed, check.failed, check.not_run) for check in checks[:4]] == [
        (3, 0, 0), (2, 1, 0), (1, 2, 0), (1, 0, 2)
    ]  # fmt: skip
    assert {(check.passed, check.failed, check.not_run) for check in checks[3:]} == {(1, 0, 2)}


def test_the_darkest_check_is_the_one_that_failed_most(tmp_path: Path) -> None:
    write_pages(tmp_path, graded(row("ada"), not_run("bo", 2, 1), not_run("cy", 1, 2)), seed=1)
    tags = Tags((tmp_path / "index.html").read_text(encoding="utf-8")).tags
    tiles = [str(attributes["style"]) for _, attributes in tags if attributes.get("class") == "bnn-check"]
    darkness = [float(style.split(", ")[1].rstrip(")")) for style in tiles]
    assert darkness[2] == max(darkness) > darkness[1] > darkness[0] == darkness[3] == darkness[-1] == 0
    looks = {str(attributes["class"]) for _, attributes in tags if "bnn-is-" in str(attributes.get("class"))}
    assert looks == {"bnn-is-passed", "bnn-is-failed", "bnn-is-skipped"}


def test_states_are_told_apart_without_colour(tmp_path: Path) -> None:
    page = Tags(page_of(tmp_path, not_run("ada", 2, 1), row("bo", 0, status="not_attempted")))
    items = [str(attributes["class"]) for tag, attributes in page.tags if tag == "li" and "class" in attributes]
    signs = [str(attributes["aria-label"]) for _, attributes in page.tags if "aria-label" in attributes]
    waiting = len(CHECKS) - 3
    assert items == ["bnn-failed"] + ["bnn-skipped"] * waiting + ["bnn-passed"] * 2
    assert signs == ["failed"] + ["not run"] * waiting + ["passed"] * 2
    assert (page.text.count("✗"), page.text.count("–"), page.text.count("✓")) == (1, waiting, 2)
    index = Tags((tmp_path / "index.html").read_text(encoding="utf-8")).text
    assert f"✗{20 / len(CHECKS):.2f}" in index
    assert "–0" in index


def test_checks_of_which_none_was_run_are_not_listed(tmp_path: Path) -> None:
    text = Tags(page_of(tmp_path, not_run("ada", 0, 0) | {"status": "error"})).text
    assert f"None of its {len(CHECKS)} checks was run." in text
    assert CHECKS[0].name not in text


def test_what_is_to_be_said_of_a_submission_is_on_the_class_s_page(tmp_path: Path) -> None:
    write_pages(tmp_path, graded(row("ada")), seed=1)
    assert "ada: <b>note</b>" in Tags((tmp_path / "index.html").read_text(encoding="utf-8")).text


def test_every_class_name_of_a_page_is_the_course_s_own(tmp_path: Path) -> None:
    write_pages(tmp_path, graded(not_run("ada", 2, 1)), seed=1)
    for path in tmp_path.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        used = {name for _, attributes in Tags(text).tags for name in str(attributes.get("class", "")).split()}
        styled = set(re.findall(r"\.([a-z][\w-]*)", text.split("<style>")[1].split("</style>")[0]))
        assert [name for name in used | styled if not name.startswith("bnn-")] == []


def test_a_cell_that_is_not_python_is_shown(tmp_path: Path) -> None:
    text = "class BayesianLinear(nn.Module):\n    x = = 3"
    path = tmp_path / f"{LESSON}.ipynb"
    cells = [v4.new_code_cell("import torch"), v4.new_code_cell(text)]
    path.write_text(notebook_text(v4.new_notebook(cells=cells)), encoding="utf-8")
    code = read_answer(path, tmp_path, LESSON).code
    assert code[-1] == ["cell 2, which can't be run", [[1, text.split("\n")[0]], [2, text.split("\n")[1]]]]


# In a browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_whole_on_a_phone_and_on_paper(tmp_path: Path, page: Any, scheme: str) -> None:
    long = not_run("ada", 10, 8)
    for check in long["checks"][10:18]:
        check["message"] = "A mistake." + "\nnumbers" * 60
    page_of(tmp_path, long, row("bo"), code=[("cell 1", [(n, "x = 1") for n in range(300)])])
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 800})

    page.goto(f"file://{tmp_path}/index.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = [item.bounding_box() for item in page.locator("td.bnn-total").all()]
    assert len(boxes) == 2
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)

    page.goto(f"file://{tmp_path}/ada/{LESSON}.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    colours = [
        page.eval_on_selector(f".bnn-failed .bnn-{state} > .bnn-mark", "mark => getComputedStyle(mark).color")
        for state in ("passed", "failed", "skipped")
    ]
    right = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--bnn-right')")
    assert len(set(colours)) == 3
    assert colours[0] == "rgb({}, {}, {})".format(*bytes.fromhex(right.strip().lstrip("#")))

    page.emulate_media(media="print")
    unbroken = """[...document.querySelectorAll("body *")].filter(one =>
        one.getBoundingClientRect().height > 500 && getComputedStyle(one).breakInside != "auto").length"""
    assert page.evaluate(unbroken) == 0


def test_a_mistake_is_shown_with_the_section_that_teaches_it() -> None:
    rows = [row("ada", passed=3, misconception="kl-averaged"), row("bo", passed=3, misconception="an-older-name")]
    sections = {item.name: item.sections for item in class_summary(rows)["misunderstood"]}
    assert sections == {"kl-averaged": (f"{LESSON}, “The mathematics”",), "an-older-name": (LESSON,)}

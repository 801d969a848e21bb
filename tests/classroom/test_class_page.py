"""The class page's table of points and its one script; and all pages as people see them: on a phone and a desk, in
light and dark, on paper, and by the rules of axe-core.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from classroom.sample_class import standings
from classroom.test_results import Tags
from conftest import skip

from bnn_core.classroom.class_summary import class_summary
from bnn_core.classroom.report import write_pages
from bnn_core.classroom.standing import Standing
from bnn_core.classroom.text import natural

LESSON = "03_bayesian_linear"


@pytest.fixture
def class_(tmp_path: Path) -> list[Standing]:
    made = standings()
    write_pages(tmp_path, made, seed=1)
    return made


def test_the_table_has_everyone_s_points_and_totals() -> None:
    made = standings()
    table = class_summary([row for one in made for row in one.rows])["students"]
    assert [line.student for line in table.lines] == sorted({one.student for one in made}, key=natural)
    for line in table.lines:
        mine = {one.lesson: sum(row["score"] for row in one.rows) for one in made if one.student == line.student}
        assert line.lessons == pytest.approx(mine)
        assert line.total == pytest.approx(sum(mine.values()))
    assert table.most == sum(row["max_score"] for one in made if one.student == "李明" for row in one.rows)
    assert len(next(line for line in table.lines if line.student == "=SUM(A1)").lessons) == 1


def test_the_page_allows_its_own_script_alone_and_is_whole_without_it(tmp_path: Path, class_: list[Standing]) -> None:
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}';" in text
    page = Tags(text)
    assert not {"button", "input"} & {tag for tag, _ in page.tags}, "without the script they would do nothing"
    assert all(f"{row['exercise']} / {row['max_score']:g}" in page.text for one in class_ for row in one.rows)
    for path in tmp_path.glob("*/*.html"):
        text = path.read_text(encoding="utf-8")
        assert "script-src" not in text
        assert "<script" not in text


# In a browser


def shown(page: Any) -> list[str]:
    names: list[str] = page.eval_on_selector_all(
        ".bnn-matrix tbody tr:not([hidden]) th", "all => all.map(one => one.firstChild.textContent.trim())"
    )
    return names


def test_sorting_and_searching(tmp_path: Path, page: Any, class_: list[Standing]) -> None:
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"file://{tmp_path}/index.html")
    by_name = shown(page)
    assert by_name == sorted(by_name, key=natural)
    totals = {name: sum(row["score"] for one in class_ if one.student == name for row in one.rows) for name in by_name}
    button = page.get_by_role("button", name=re.compile("^Total"))
    button.click()
    assert shown(page) == sorted(by_name, key=lambda name: (round(totals[name], 6), by_name.index(name)))
    sorted_by = ".bnn-matrix th[aria-sort]"
    assert page.eval_on_selector_all(sorted_by, "all => all.map(one => one.ariaSort)") == ["ascending"]
    button.click()
    assert shown(page) == sorted(by_name, key=lambda name: (-round(totals[name], 6), by_name.index(name)))
    assert page.eval_on_selector_all(sorted_by, "all => all.map(one => one.ariaSort)") == ["descending"]
    page.get_by_role("button", name=re.compile("^sample_gaussian")).click()
    assert len(shown(page)) == len(by_name)
    page.get_by_role("button", name="Student").click()
    assert shown(page) == by_name
    search = page.get_by_label("Search for a name or an id")
    for wanted, found in (("zoe", "Zoë O'Neil"), ("LUKASZ ż", "Łukasz Żak-Nowak"), ("s4701", "李明")):
        search.fill(wanted)
        assert shown(page) == [found]
        assert page.get_by_role("status").inner_text() == f"1 of {len(by_name)}"
    search.fill("")
    assert shown(page) == by_name
    assert problems == []


SIZES = [(390, 800), (1300, 1000)]
SCHEMES = ["light", "dark"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES, ids=["phone", "desk"])
def test_pages_pass_axe(tmp_path: Path, page: Any, class_: list[Standing], scheme: str, size: tuple[int, int]) -> None:
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        skip("axe-core isn't installed: pip install --editable '.[ci]'")
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    for path in (tmp_path / "index.html", next(tmp_path.glob("Zo*/*.html"))):
        page.goto(path.as_uri())
        for element in page.locator("details").all():
            element.evaluate("one => one.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        found = Axe().run(page)
        assert not found.response["violations"], found.generate_report()


def test_points_are_in_sight_on_a_phone(tmp_path: Path, page: Any, class_: list[Standing]) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"file://{tmp_path}/index.html")
    boxes = [item.bounding_box() for item in page.locator("td.bnn-total").all()]
    assert boxes
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)


def test_on_paper_nothing_is_cut_off(tmp_path: Path, page: Any) -> None:
    write_pages(tmp_path, standings(lessons=20), seed=1)
    page.goto(f"file://{tmp_path}/index.html")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 1047, "height": 700})  # what a landscape A4 page holds between its margins
    assert page.eval_on_selector(".bnn-matrix", "table => table.getBoundingClientRect().width") <= 1047

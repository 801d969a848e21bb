"""The course as a site: whole without a network, from a server and a folder, for every reader; and what it replaces."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from click.testing import CliRunner
from conftest import skip

from bnn_core.course.command_line import main
from bnn_core.course.site import building
from bnn_core.lesson_files import LessonFileError

from .conftest import OWN, require_refusal, source_of_own

SMALL = {"index.md": b"# A course\n\nIt has $x^2$.\n"}

DARK = {"runOnly": ["color-contrast"], "preload": False}
"""The rules whose answer differs in the dark. They take by far the longest, and lessons have tests of their own."""
PAGES_FOR_CONTRAST = {"index.html", "reference.html", "lessons/00_start_here.html", "lessons/02_kl_divergence.html"}
"""On these is everything that pages are made of."""
WITHOUT_CONTRAST = {"preload": False, "rules": {"color-contrast": {"enabled": False}}}

SCHEMES = {"light": {"preload": False}, "dark": DARK}

WITH_ALL_PARTS = "lessons/00_start_here.html"
REMOVE_PARTS = "document.querySelectorAll('mjx-container, .highlight pre > *').forEach(part => part.remove())"
"""Formulas, and the colours of code: thousands of elements, alike on all pages, so that axe sees them on one."""


def require_tools() -> None:
    try:
        building.require_tools()
    except LessonFileError as error:
        skip(str(error))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of this course, as the command makes it."""
    require_tools()
    source_of_own("00_start_here")
    folder = tmp_path_factory.mktemp("site") / "course"
    command = [sys.executable, "-m", "bnn_core", "site", "--output", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(pages_of(folder))} pages. Open {folder / 'index.html'}\n"
    return folder


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """Where a server shows the site."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def pages_of(site: Path) -> list[str]:
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


def open_all(page: Any, site: Path, base: str) -> Iterator[str]:
    """Each page, once it is open and its formulas are set; whatever a browser complains of fails the test."""
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("requestfailed", lambda request: troubles.append(f"{request.url} failed"))
    page.on(
        "response", lambda answer: troubles.append(f"{answer.url}: {answer.status}") if answer.status > 399 else None
    )
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((base, "data:")) else troubles.append(f"asked for {request.url}")
        ),
    )
    for name in pages_of(site):
        page.goto(base + name)
        page.evaluate("window.MathJax && MathJax.startup.promise.then(() => null)")
        assert page.locator("mjx-merror").count() == 0, name
        yield name
        assert troubles == [], name


# In a browser


def test_from_a_folder_every_page_opens_and_asks_for_nothing_from_elsewhere(site: Path, page: Any) -> None:
    opened = list(open_all(page, site, site.as_uri() + "/"))
    assert {f"lessons/{lesson}.html" for lesson in OWN.sources()} < set(opened)


def test_from_a_server_every_page_is_for_everyone(address: str, site: Path, page: Any) -> None:
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        skip("axe-core isn't installed: pip install --editable '.[ci]'")
    found = []
    for name in open_all(page, site, address):
        if name != WITH_ALL_PARTS:
            page.evaluate(REMOVE_PARTS)
        for scheme, options in (SCHEMES if name in PAGES_FOR_CONTRAST else {"light": WITHOUT_CONTRAST}).items():
            page.emulate_media(color_scheme=scheme)
            result = Axe().run(page, options={"resultTypes": ["violations"], **options})
            found += [(name, scheme, one["id"], one["nodes"][0]["html"][:200]) for one in result.response["violations"]]
    assert found == []


def test_formulas_folds_and_the_way_on_work(site: Path, page: Any) -> None:
    page.goto((site / "lessons" / "02_kl_divergence.html").as_uri())
    page.wait_for_selector("mjx-container svg")
    solution = page.locator("details", has=page.locator("summary", has_text="Solution")).first
    assert not solution.locator("pre").is_visible()
    solution.locator("summary").click()
    assert "def gaussian_kl" in solution.locator("pre").inner_text()
    assert not page.locator("details.hide pre").first.is_visible()
    page.locator(".next-page").click()
    assert page.locator("h1").inner_text().startswith("03")


# What is in it


class Links(HTMLParser):
    """What a page leads to, its places, and its pictures without a text."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.places: set[str] = set()
        self.without_alt: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.targets += [target for name in ("href", "src") if (target := given.get(name))]
        self.places |= {place for name in ("id", "name") if (place := given.get(name))}
        if tag == "img" and not (given.get("alt") or "").strip():
            self.without_alt.append((given.get("src") or "")[:100])


def test_no_link_is_dead_and_no_picture_without_a_text(site: Path) -> None:
    links = {site / name: Links(site / name) for name in pages_of(site)}
    dead = []
    for page, found in links.items():
        assert found.without_alt == [], page
        for target in found.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            places = links[path].places if path in links else set()
            if not path.is_file() or (parts.fragment and path in links and unquote(parts.fragment) not in places):
                dead.append((page.name, target))
    assert dead == []


def test_the_map_leads_to_every_lesson(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    body = text[text.index("<article") : text.index("</article>")]
    for lesson in OWN.sources():
        assert f'href="lessons/{lesson}.html"' in body


def test_an_exercise_stands_there_to_be_solved(site: Path) -> None:
    """And its check's report is that of the solution, which is folded."""
    text = (site / "lessons" / "03_bayesian_linear.html").read_text(encoding="utf-8")
    assert "NotImplementedError" in text
    assert "BayesianLinear: all" in text
    assert "No guess was made" not in text
    assert "<details open" not in text


def test_the_reference_is_told_by_the_docstrings(site: Path) -> None:
    text = (site / "reference.html").read_text(encoding="utf-8")
    for name in ("gaussian.gaussian_kl", "hidden_layer.HiddenLayer", "bayesian_linear.BayesianLinear.kl_divergence"):
        assert f'id="bnn_core.{name}"' in text
    assert "<dt>prior_std</dt>" in text


# The folder


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
def test_a_site_is_replaced_and_nothing_else_ever(tmp_path: Path) -> None:
    require_tools()
    output = tmp_path / "site"
    assert building.build_site({**SMALL, "old/page.md": b"---\norphan: true\n---\n# Old\n"}, output) == len(
        pages_of(output)
    )
    assert (output / "old" / "page.html").exists()
    building.build_site(SMALL, output)
    assert not (output / "old").exists()
    assert (output / "index.html").exists()

    (output / "mine.txt").write_text("mine", encoding="utf-8")
    before = sorted(output.rglob("*"))
    with pytest.raises(LessonFileError, match=r"holds mine\.txt, which no `bnn-course site` wrote"):
        building.build_site(SMALL, output)
    assert sorted(output.rglob("*")) == before


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
def test_what_sphinx_complains_of_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    require_tools()
    with pytest.raises(building.SiteError, match=r"index\.md:.*elsewhere\.md"):
        building.build_site({"index.md": b"# A course\n\n[there](elsewhere.md)\n"}, tmp_path / "site")
    assert list(tmp_path.iterdir()) == []


def test_without_its_tools_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "find_spec", lambda name: None)
    result = CliRunner().invoke(main, ["site", "--output", str(tmp_path / "site")])
    assert "pip install --editable '.[site]'" in result.output
    require_refusal(result, tmp_path)


@pytest.mark.parametrize("kind", ["file", "foreign"])
def test_a_folder_that_holds_other_things_is_refused(tmp_path: Path, kind: str) -> None:
    require_tools()
    output = tmp_path / "mine"
    if kind == "file":
        output.touch()
    else:
        (output / "deep").mkdir(parents=True)
        (output / "deep" / "index.html").touch()
    result = CliRunner().invoke(main, ["site", "--output", str(output)])
    require_refusal(result, tmp_path, ["mine"])

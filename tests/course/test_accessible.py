"""The solved lessons as web pages: whoever can't see them, or uses a keyboard or a phone, gets on with them too."""

from html import escape
from pathlib import Path
from typing import Any

import pytest

from .conftest import OWN

WIDTHS = (390, 1300)  # of a phone and of a screen, in pixels

# What the page around a lesson is answerable for: the colours of code and of links, and that what scrolls can be
# focused. There, formulas can be, which MathJax sets; it is elsewhere, and no test goes there.
OF_THE_PAGE = {"exclude": [[".jp-InputPrompt"], [".jp-OutputPrompt"], [".highlight"]]}
NOT_OURS = ("link-in-text-block", "scrollable-region-focusable")
SLOW = "color-contrast"  # and the same at every width


def uncoloured(code: str, **_: object) -> str:
    """A cell's code without colours, each of which is an element of its own: thousands that no rule is applied to."""
    return f'<div class="highlight"><pre>{escape(code)}</pre></div>'


@pytest.mark.parametrize("lesson", OWN.sources())
def test_axe_finds_nothing(lesson: str, page: Any, tmp_path: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe
    from nbconvert import HTMLExporter

    html, _ = HTMLExporter(filters={"highlight_code": uncoloured}).from_filename(str(OWN.solved_notebook(lesson)))
    (tmp_path / "lesson.html").write_text(html, encoding="utf-8")
    page.route("http*://**", lambda route: route.abort())
    page.goto((tmp_path / "lesson.html").as_uri())
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 1000})
        skipped = NOT_OURS if width == max(WIDTHS) else (*NOT_OURS, SLOW)
        rules = {"resultTypes": ["violations"], "rules": {rule: {"enabled": False} for rule in skipped}}
        found = Axe().run(page, context=OF_THE_PAGE, options=rules)
        assert found.violations_count == 0, found.generate_report()

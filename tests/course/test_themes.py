"""In every front end a report and a figure follow the theme of the page, as a browser shows them."""

from typing import Any

from bnn_core import figures
from bnn_core.autograder import report
from bnn_core.autograder.pictures import Values
from bnn_core.autograder.report import Outcome, Report

REPORT = report.html(
    Report(
        "X",
        "failed",
        "X: 1 of 3 checks passed",
        (
            Outcome(
                "it is right", False, "It is wrong.\nIt should be 1.", picture=Values("It", (1.0, 2.0), (1.0, 3.0))
            ),
            Outcome("it is scalar", True),
            Outcome("it is quick", False, ran=False),
        ),
        notes=("A note.",),
    )
)
WHITE, BLACK = "color: #212121; background: #ffffff", "color: #e0e0e0; background: #1f1f1f"
PAGES = {
    "JupyterLab, light": ('<body data-jp-theme-light="true" style="--jp-content-font-color1: #212121; {}">', WHITE),
    "JupyterLab, dark": ('<body data-jp-theme-light="false" style="--jp-content-font-color1: #ffffff; {}">', BLACK),
    "Visual Studio Code, light": ('<body class="vscode-light" style="--vscode-foreground: #3b3b3b; {}">', WHITE),
    "Visual Studio Code, dark": ('<body class="vscode-dark" style="--vscode-foreground: #cccccc; {}">', BLACK),
    "Colab, dark": ('<body theme="dark" style="{}">', BLACK),
    "a page that follows the system": ('<body style="color-scheme: dark; {}">', BLACK),
    "a page that says nothing": ('<body style="{}">', WHITE),
}


def shown(page: Any, front_end: str, output: str) -> None:
    opening, look = PAGES[front_end]
    body = f"{opening.format(look)}<main>{output}</main></body>"
    page.set_content(f'<html lang="en"><head><title>A notebook</title></head>{body}</html>')


def test_a_report_can_be_read(page: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    rules = ["color-contrast", "svg-img-alt", "list", "listitem", "role-img-alt"]
    for front_end in PAGES:
        shown(page, front_end, REPORT)
        page.locator("summary").first.click()
        found = Axe().run(page, options={"runOnly": rules})
        assert found.violations_count == 0, (front_end, found.generate_report())


def test_a_page_s_own_classes_leave_a_report_alone(page: Any) -> None:
    """Bootstrap's, for one."""
    mark = "getComputedStyle(document.querySelector('.bnn-mark')).backgroundColor"
    shown(page, "a page that says nothing", "<style>.mark, .passed, .failed {background: red}</style>" + REPORT)
    assert page.evaluate(mark) == "rgba(0, 0, 0, 0)"


def test_what_passed_is_one_line_until_it_is_asked_for(page: Any) -> None:
    shown(page, "a page that says nothing", REPORT)
    passed = page.get_by_text("it is scalar")
    assert not passed.is_visible()
    page.get_by_text("1 passed").click()
    assert passed.is_visible()


def test_a_figure_has_the_contrast_that_suits_the_page(page: Any) -> None:
    figure, axes = figures.subplots(width=2, height=1)
    axes.plot([0, 1])
    image = figures.html(figure, "a line")
    known = {"light": "brightness(0.9) contrast(1.26)", "dark": "brightness(1.25)"}
    for front_end in PAGES:
        shown(page, front_end, image)
        changed = page.evaluate("getComputedStyle(document.querySelector('img')).filter")
        assert changed == known.get(front_end.rpartition(", ")[2], "none"), front_end

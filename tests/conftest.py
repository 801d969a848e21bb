"""What all tests share: the option that turns `pytest tests/autograder` into the checks of a learner's notebook, how
many processes run them, and a browser.
"""

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 60_000  # milliseconds; only a failure waits that long
OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

CHECKS_OF_A_NOTEBOOK = Path(__file__).parent / "autograder" / "test_notebook.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--notebook",
        metavar="PATH",
        action="append",
        type=Path,
        help="run the checks of this notebook's exercises, one test per check, and nothing else",
    )


def pytest_configure(config: pytest.Config) -> None:
    """A notebook that is none is a mistake on the command line, and is told as one."""
    if config.option.notebook:
        from bnn_core.course.notebook_checks import lesson_in
        from bnn_core.lesson_files import LessonFileError

        try:
            for path in config.option.notebook:
                lesson_in(path)
        except LessonFileError as error:
            raise pytest.UsageError(str(error)) from None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With --notebook, the tests of the course itself stay out of the learner's way."""
    if config.option.notebook and not CHECKS_OF_A_NOTEBOOK.is_relative_to(collection_path):
        return True
    return None


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Only what takes minutes is shared out among processes, each of which takes seconds to begin."""
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.notebook
    return None if everything else 0


def pytest_collection_finish() -> None:
    """What has been imported stays. It need not be looked at whenever garbage is collected, nor be copied for that by
    processes forked from this one.
    """
    gc.collect()
    gc.freeze()


def skip(reason: str) -> None:
    """Skips the test, but where the browser must be there, as in CI, fails it."""
    if os.environ.get("BNN_REQUIRE_BROWSER"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless browser, which takes over a second to begin."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        skip("Playwright isn't installed: pip install --editable '.[ci]'")
    browser = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
    if browser is None:
        skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(chromium: Any, tmp_path: Path) -> Iterator[Any]:
    """An empty page, with nothing left of what the browser showed before; a picture of what it last showed stays in
    tmp_path.
    """
    page = chromium.new_page(viewport={"width": 1300, "height": 1000})
    page.set_default_timeout(PATIENCE)
    yield page
    page.screenshot(path=tmp_path / "last.png")
    page.close()

"""What all tests share: the option that turns `pytest tests/autograder` into the checks of a learner's notebook."""

from pathlib import Path

import pytest

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

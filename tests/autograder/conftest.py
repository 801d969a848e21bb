"""A check that breaks, through no fault of a learner's, fails the test in which it does."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_check_breaks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    broken = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not [(record.getMessage(), str(record.exc_info)) for record in broken]

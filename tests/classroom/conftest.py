"""What tests of a class share."""

from __future__ import annotations

import pytest
from classroom.quick_class import replace_grading


@pytest.fixture
def graded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Every submission that was really graded, not taken from the journal, by a grading that reads the mark in it."""
    return replace_grading(monkeypatch)

"""What an instructor gave, or wants written to, and what can't be used as it is."""

from __future__ import annotations


class Unusable(Exception):
    """The message is one sentence, with what to do."""


class Busy(Unusable):
    """Somebody else is writing to the report."""

"""Stopping long work when somebody asks for it, with Ctrl-C or as a system does that shuts down. It may not know what
the work is.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


def interruptible(results: Iterator[T]) -> Iterator[T]:
    """The results as they come. Raises KeyboardInterrupt as soon as somebody asks to stop, and where Python drops that
    exception, as it does while it finalises an object, after the next result.
    """
    asked = False

    def ask(_: int, __: FrameType | None) -> None:
        nonlocal asked
        asked = True
        raise KeyboardInterrupt

    before = {sign: signal.signal(sign, ask) for sign in (signal.SIGINT, signal.SIGTERM)}
    try:
        for result in results:
            yield result
            if asked:
                raise KeyboardInterrupt
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)

"""What a Dask worker runs: it hands each submission to a station beside it, and keeps the station for the next. It
loads nothing of the course but this, and may not look into what it passes on.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from typing import Any

TIME_TO_GET_READY = 600.0
"""Seconds in which a station has loaded what it needs and graded the control."""


class StationLost(Exception):
    """The station has ended, or answers no more; the submission can be graded by another."""


class Station:
    """A process that grades. limits: of each submission, as JSON. about: what it says of itself."""

    def __init__(self, limits: str) -> None:
        self.limits = limits
        here, far_end = socket.socketpair()
        with far_end:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "bnn_core.classroom.cluster.station", str(far_end.fileno()), limits],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[far_end.fileno()],
            )
        self._connection = Connection(here.detach())
        try:
            self.about: dict[str, Any] = json.loads(self._answer(TIME_TO_GET_READY))
        except BaseException:
            self.close()
            raise

    def grade(self, task: bytes, seconds: float) -> bytes:
        """The result of a packed task, which may take this long. Raises StationLost."""
        try:
            self._connection.send_bytes(task)
        except OSError:
            raise StationLost("it has ended") from None
        return self._answer(seconds)

    def _answer(self, seconds: float) -> bytes:
        try:
            if self._connection.poll(seconds):
                return self._connection.recv_bytes()
        except (EOFError, OSError):
            raise StationLost("it has ended") from None
        raise StationLost("it answers no more")

    def close(self) -> None:
        self._connection.close()
        self._process.kill()
        self._process.wait()


_idle: list[Station] = []
"""This worker's stations that have nothing to do: at most as many as it has threads."""


def about(limits: str) -> dict[str, Any]:
    """What this worker's station says of itself; it stays for the submissions to come, unless it refuses them."""
    station = _taken(limits)
    _done_with(station)
    return station.about


def graded(task: bytes, limits: str, seconds: float) -> bytes:
    """The result of a packed task. Raises StationLost."""
    station = _taken(limits)
    try:
        result = station.grade(task, seconds)
    except BaseException:
        station.close()
        raise
    _done_with(station)
    return result


def _taken(limits: str) -> Station:
    """A station with these limits: one that has nothing to do, or a new one."""
    with contextlib.suppress(IndexError):  # several threads take from the list
        while True:
            station = _idle.pop()
            if station.limits == limits:
                return station
            station.close()
    return Station(limits)


def _done_with(station: Station) -> None:
    if station.about["refusal"]:
        station.close()
    else:
        _idle.append(station)

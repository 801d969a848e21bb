"""The watcher of one submission: ends its processes when the grader hangs up, or when together they use more memory,
time or processes than they may; and says how much of their time others took. It needs the standard library alone, and
may not know what they run.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnn_core.classroom.sandbox.isolation import FILES_PER_MEGABYTE
from bnn_core.classroom.sandbox.messages import send_json

KEPT_OUTPUT = 4_000
CODE_OF_A_SIGNAL = 128
GLANCE = 0.1
"""Seconds between looks at memory and clocks."""

GLANCE_AT_MANY = 0.02
"""The same where there are more processes than an exercise and what is around it need."""

FEW = 3
TIME_TO_START = 120.0
TIME_TO_FINISH = 0.2
"""Seconds after the grader has hung up."""

TIME_TO_KILL = 2.0
MOST_STRETCH = 8.0
"""How many times its time limit a submission may last by the clock, where others take its processor time."""

BEGIN, HOW_LATE = b"b", b"?"
"""What the grader says: that time begins to count, and that it wants to know how much of it others took."""


@dataclass(frozen=True)
class Started:
    """What was started for a submission.

    first: the process whose end is the end. own_table: whether it is the first of a process namespace, so that with
    it the kernel ends all others, and /proc shows these and no more. folder: what is to be removed then. temporary:
    the folder, as they see it, in which nobody else counts how many files they make.
    """

    first: int
    own_table: bool
    folder: str = ""
    temporary: str = ""

    def processes(self) -> list[int]:
        """All that belong to it, under their numbers in /proc."""
        if self.own_table:
            return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
        return descendants(os.getpid())


class Watch:
    """orders: as the grader gave them: the limits `seconds`, `memory` (bytes), `processes`."""

    def __init__(self, started: Started, control: socket.socket, output: int, orders: dict[str, Any]) -> None:
        self.started = started
        self.control = control
        self.output = output
        self.orders = orders
        self.deadline = time.monotonic() + TIME_TO_START
        self.usage = Usage(started)
        self.has_begun = False
        self.status: int | None = None
        self.kept, self.printed = b"", 0
        self.next_glance = 0.0
        self.poller = select.poll()
        self.bell = _rung_when_a_child_ends()

    def until_it_ends(self) -> dict[str, Any]:
        """Wait until the first process ends, or end it.

        Returns how it ended: "ending" is exit, signal, memory, time, processes, files or stopped; "code" the exit
        status or the signal; "output" the beginning of what was printed, "printed" the number of its bytes.
        """
        try:
            stopped = self._until_it_ends_or_goes_too_far()
        finally:
            status = self._end_everything()
        self._read_output()
        code = os.waitstatus_to_exitcode(status)
        how, code = ("signal", abs(code) % CODE_OF_A_SIGNAL) if code < 0 or code > CODE_OF_A_SIGNAL else ("exit", code)
        text = self.kept.decode(errors="replace")
        return {"ending": stopped or how, "code": code, "output": text, "printed": self.printed, "why": ""}

    def _until_it_ends_or_goes_too_far(self) -> str:
        """Gives the limit that it has passed, or "stopped"; "" where it has ended by itself."""
        os.set_blocking(self.output, False)
        for source in (self.control.fileno(), self.output, self.bell):
            self.poller.register(source, select.POLLIN)
        stopped = ""
        while self.status is None and not stopped:
            events = dict(self.poller.poll(GLANCE * 1000))
            if self.output in events:
                self._read_output()
            if self.control.fileno() in events:
                self._listen()
            if self.bell in events:
                os.read(self.bell, 1 << 10)
            self._bury()
            stopped = self._limit_passed() if self.status is None else ""
        return stopped

    def _read_output(self) -> None:
        """Take what has been printed; who reads here isn't kept by it from watching."""
        with contextlib.suppress(BlockingIOError, KeyError):
            for _ in range(16):
                chunk = os.read(self.output, 1 << 16)
                if not chunk:  # nobody can print any more, which says nothing of who still runs
                    self.poller.unregister(self.output)
                    return
                self.printed += len(chunk)
                self.kept += chunk[: KEPT_OUTPUT - len(self.kept)]

    def _listen(self) -> None:
        said = b""
        with contextlib.suppress(OSError):  # the grader may have ended
            said = self.control.recv(1)
        if said == BEGIN:
            self.has_begun = True
            self.usage.begin()
            self.deadline = time.monotonic() + MOST_STRETCH * self.orders["seconds"] + TIME_TO_START
        elif said == HOW_LATE:
            with contextlib.suppress(OSError):
                send_json(self.control, {"late": self.usage.seconds_taken_by_others()})
        else:
            self.poller.unregister(self.control)
            self.deadline = min(self.deadline, time.monotonic() + TIME_TO_FINISH)

    def _limit_passed(self) -> str:
        """The limit that has been passed; "" where none has."""
        now = time.monotonic()
        if now > self.deadline:
            return "stopped"
        if not self.has_begun or now < self.next_glance:
            return ""
        self.usage.look()
        self.next_glance = now + (GLANCE if self.usage.threads <= FEW else GLANCE_AT_MANY)
        if self.usage.threads > FEW + self.orders["processes"]:
            return "processes"
        if self.usage.processor_seconds > self.orders["seconds"]:
            return "time"
        if self.started.temporary and self.usage.files > FILES_PER_MEGABYTE * self.orders["temporary"]:
            return "files"
        return "memory" if self.usage.is_more_than(self.orders["memory"]) else ""

    def _bury(self) -> None:
        """Take note of children that have ended."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self.started.first:
                    self.status = ended[1]

    def _end_everything(self) -> int:
        """End all that belongs to the submission. Gives the status of its first process."""
        deadline = time.monotonic() + TIME_TO_KILL
        if not self.started.own_table:
            with contextlib.suppress(OSError):
                os.killpg(self.started.first, signal.SIGKILL)  # all there is to do where nobody lists processes
        while True:
            remaining = [] if self.started.own_table else descendants(os.getpid())
            if self.status is None:
                remaining.append(self.started.first)
            for process in remaining:
                with contextlib.suppress(OSError):
                    os.kill(process, signal.SIGKILL)
            self._bury()
            if not remaining or time.monotonic() > deadline:
                return int(signal.SIGKILL) if self.status is None else self.status
            time.sleep(0.001)


class Usage:
    """What a submission's processes use together, since `begin`."""

    def __init__(self, started: Started) -> None:
        self.started = started
        self.threads = 0
        self.processor_seconds = 0.0
        self._since = time.monotonic()
        self._ticks: dict[int, int] = {}
        self._ticks_before = 0
        self._waited_before = 0.0
        self._forked_with = 0

    def begin(self) -> None:
        self._since = time.monotonic()
        self.look()
        self._ticks_before = sum(self._ticks.values())
        self._waited_before = self._waited()
        self._forked_with = max(map(_bytes_of, self.started.processes()), default=0)

    def look(self) -> None:
        """Count processes, with their threads, and their time."""
        members = self.started.processes()
        found = {process: state for process in members if (state := _ticks_and_threads_of(process)) is not None}
        self.threads = sum(threads for _, threads in found.values())
        self._ticks |= {process: ticks for process, (ticks, _) in found.items()}
        self.processor_seconds = (sum(self._ticks.values()) - self._ticks_before) / os.sysconf("SC_CLK_TCK")

    def seconds_taken_by_others(self) -> float:
        """For how long one of them was ready to run and didn't, for want of a processor; none of the time that they
        together had one.
        """
        self.look()
        idle = time.monotonic() - self._since - self.processor_seconds
        return max(0.0, min(self._waited() - self._waited_before, idle))

    @property
    def files(self) -> int:
        """How many there are in the temporary folder."""
        for process in reversed(self.started.processes()):
            with contextlib.suppress(OSError):
                state = os.statvfs(f"/proc/{process}/root{self.started.temporary}")
                return state.f_files - state.f_ffree
        return 0

    def _waited(self) -> float:
        return max(map(_seconds_waited, self.started.processes()), default=0.0)

    def is_more_than(self, memory: int) -> bool:
        """Whether they have more bytes for themselves than when they began; what they share is counted once."""
        members = self.started.processes()
        if sum(max(0, _bytes_of(member) - self._forked_with) for member in members) <= memory:
            return False  # soon seen, and never too little
        before = 0 if self.started.own_table else self._forked_with  # which in a table of its own is the parent's too
        return sum(map(_share_of_memory, members)) - before > memory


def descendants(process: int) -> list[int]:
    """The processes below one, in this process's own table; none where the system has no such list."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{process}/task"):
            children = Path(f"/proc/{process}/task/{thread}/children").read_text().split()
            for child in map(int, children):
                found += [child, *descendants(child)]
    return found


def _bytes_of(process: int) -> int:
    """The bytes of a process that are no file's."""
    return _sum_of(f"/proc/{process}/status", ("RssAnon:", "RssShmem:"))


def _share_of_memory(process: int) -> int:
    """The same, where each page is shared out among the processes that have it."""
    return _sum_of(f"/proc/{process}/smaps_rollup", ("Pss_Anon:", "Pss_Shmem:")) or _bytes_of(process)


def _sum_of(path: str, names: tuple[str, ...]) -> int:
    with contextlib.suppress(OSError):
        lines = Path(path).read_text().splitlines()
        return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(names))
    return 0


def _ticks_and_threads_of(process: int) -> tuple[int, int] | None:
    """The processor time of a process, and the number of its threads; None where there is no such process."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12]), int(fields[17])
    return None


def _seconds_waited(process: int) -> float:
    """For how long the thread that waited longest was ready to run; zero where the kernel doesn't count that."""
    waited = [0]
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{process}/task"):
            waited.append(int(Path(f"/proc/{process}/task/{thread}/schedstat").read_text().split()[1]))
    return max(waited) / 1e9


def _rung_when_a_child_ends() -> int:
    """A descriptor that becomes readable when the kernel tells that a child has ended."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading

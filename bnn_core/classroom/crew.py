"""Grading many submissions side by side: worker processes that share one warm sandbox, and a coordinator that hands
out work and takes in results, whatever becomes of a worker. It may not look into a submission.
"""

from __future__ import annotations

import contextlib
import gc
import json
import multiprocessing
import signal
import sys
import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path

import torch

from bnn_core.classroom.grading import Graded, grade, graded_as_error
from bnn_core.classroom.sandbox.launching import Limits, Sandbox, SandboxLost, WarmSandbox, ready_sandbox
from bnn_core.classroom.sandbox.reading import READING_TIME
from bnn_core.classroom.submissions import Submission

SLACK = 15.0
"""Seconds that a worker gets beside the submission's own time."""

OWN_MEMORY = 1 << 30
"""Bytes that the sandbox may use beside what its submissions may."""

MOST_RESTARTS = 3
LOST = b"lost"


@dataclass(frozen=True)
class Assignment:
    """What all workers need to know."""

    limits: Limits
    run_seed: int
    hidden: tuple[Path, ...]
    unsafe: bool


@dataclass
class Worker:
    process: ForkProcess
    connection: Connection
    task: int | None = None
    deadline: float = 0.0


def grade_all(
    submissions: Sequence[Submission], assignment: Assignment, jobs: int, sandbox: Sandbox
) -> Iterator[tuple[int, Graded]]:
    """Grade all submissions, `jobs` at a time; give each one's position and result as they come.

    sandbox: one that is ready; a new one takes its place where it is lost. Raises SandboxLost where that happens too
    often.
    """
    waiting = deque(range(len(submissions)))
    for restart in range(MOST_RESTARTS + 1):
        if restart:
            sandbox = ready_sandbox(WarmSandbox(assignment.hidden), assignment.hidden, assignment.unsafe)
        sandbox.bound_memory(OWN_MEMORY + jobs * assignment.limits.memory)
        with sandbox, Crew(submissions, assignment, min(jobs, len(waiting)), sandbox, waiting) as crew:
            yield from crew.results()
        if not waiting:
            return
    raise SandboxLost("the sandbox ended several times")


class Crew:
    """Workers over one sandbox; what they don't get done stays in, or goes back to, `waiting`."""

    def __init__(
        self,
        submissions: Sequence[Submission],
        assignment: Assignment,
        jobs: int,
        sandbox: Sandbox,
        waiting: deque[int],
    ) -> None:
        self.submissions = submissions
        self.assignment = assignment
        self.sandbox = sandbox
        self.waiting = waiting
        self.died_once: set[int] = set()
        self.workers: list[Worker] = []
        self.jobs = jobs

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            _dismiss(worker)

    def results(self) -> Iterator[tuple[int, Graded]]:
        """The results as they come. Ends early, with work still waiting, when the sandbox is lost."""
        gc.freeze()
        self.workers = [self._hire() for _ in range(self.jobs)]
        while self.waiting or any(worker.task is not None for worker in self.workers):
            for worker in self.workers:
                if worker.task is None and self.waiting:
                    self._assign(worker)
            ready = wait([worker.connection for worker in self.workers if worker.task is not None], timeout=1.0)
            for position, worker in enumerate(self.workers):
                if worker.connection in ready:
                    answer = _answer(worker)
                elif worker.task is not None and time.monotonic() > worker.deadline:
                    answer = None
                else:
                    continue
                task, worker.task = worker.task, None
                assert task is not None
                if answer == LOST:
                    self._put_back(task)
                    return
                if answer is not None:
                    yield task, Graded(**json.loads(answer))
                    continue
                _dismiss(worker)
                self.workers[position] = self._hire()
                if task in self.died_once:
                    reason = "Grading this submission failed twice; look at it by hand."
                    yield task, graded_as_error(self.submissions[task], reason)
                else:
                    self.died_once.add(task)
                    self.waiting.append(task)

    def _put_back(self, task: int) -> None:
        self.waiting.append(task)
        self.waiting.extend(worker.task for worker in self.workers if worker.task is not None)

    def _assign(self, worker: Worker) -> None:
        worker.task = self.waiting.popleft()
        worker.deadline = time.monotonic() + self.assignment.limits.seconds + READING_TIME + SLACK
        with contextlib.suppress(OSError):  # it has died; the wait will tell
            worker.connection.send_bytes(str(worker.task).encode())

    def _hire(self) -> Worker:
        here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        process = context.Process(target=self._work, args=(there, here), daemon=True)
        process.start()
        there.close()
        return Worker(process, here)

    def _work(self, connection: Connection, far_end: Connection) -> None:
        """A worker's life: grade what it is told to, until there is nobody left to tell it anything."""
        far_end.close()
        for worker in self.workers:
            worker.connection.close()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too, and is the coordinator's affair
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _die_with_coordinator()
        torch.set_num_threads(1)
        warnings.simplefilter("ignore")
        what = self.assignment
        while True:
            try:
                task = int(connection.recv_bytes())
            except EOFError:
                return
            try:
                graded = grade(self.submissions[task], self.sandbox, what.limits, what.run_seed)
            except SandboxLost:
                connection.send_bytes(LOST)
                return
            connection.send_bytes(json.dumps(asdict(graded)).encode())


def _answer(worker: Worker) -> bytes | None:
    """What the worker says; None where it has died."""
    try:
        return worker.connection.recv_bytes()
    except (EOFError, OSError):
        return None


def _dismiss(worker: Worker) -> None:
    worker.connection.close()
    worker.process.kill()
    worker.process.join()


def _die_with_coordinator() -> None:
    if sys.platform == "linux":
        from bnn_core.classroom.sandbox.isolation import die_with_parent

        die_with_parent()

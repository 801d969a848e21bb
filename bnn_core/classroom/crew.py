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
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path

import torch

from bnn_core.answers.notebook import exercises_of
from bnn_core.classroom.control import prove
from bnn_core.classroom.grading import Graded, grade, graded_as_error
from bnn_core.classroom.sandbox.launching import Limits, Sandbox, SandboxLost, WarmSandbox, ready_sandbox
from bnn_core.classroom.sandbox.reading import READING_TIME
from bnn_core.classroom.sandbox.watching import MOST_STRETCH, TIME_TO_START
from bnn_core.classroom.submissions import Submission

SLACK = 15.0
"""Seconds that a worker gets beside the submission's own time."""

OWN_MEMORY = 1 << 30
"""Bytes that the sandbox may use beside what its submissions may."""

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


@dataclass
class Work:
    """What is still to be graded, by position.

    side_by_side: waits for its first turn. alone: what went wrong beside others, and is to be graded again with
    nothing beside it. failed_once: of these, what went wrong alone as well.
    """

    side_by_side: deque[int]
    alone: deque[int] = field(default_factory=deque)
    failed_once: set[int] = field(default_factory=set)


def grade_all(
    submissions: Sequence[Submission], assignment: Assignment, jobs: int, sandbox: Sandbox
) -> Iterator[tuple[int, Graded]]:
    """Grade all submissions, `jobs` at a time; give each one's position and result as they come. A result that others
    may have spoilt isn't given: those submissions come again at the end, one at a time.

    sandbox: one that is ready; a new one takes its place where it is lost. Raises NotProven, before anything is
    graded, where a right answer isn't graded right in it.
    """
    work = Work(deque(range(len(submissions))))
    while work.side_by_side or work.alone:
        many = min(jobs, len(work.side_by_side)) or 1
        with sandbox:
            prove(sandbox)
            sandbox.bound_memory(OWN_MEMORY + many * assignment.limits.memory)
            with Crew(submissions, assignment, many, sandbox, work) as crew:
                yield from crew.results()
        if work.side_by_side or work.alone:
            sandbox = ready_sandbox(WarmSandbox(assignment.hidden), assignment.hidden, assignment.unsafe)


class Crew:
    """Workers over one sandbox, who do what waits for its first turn side by side or, where nothing does, what is to be
    done alone.
    """

    def __init__(
        self, submissions: Sequence[Submission], assignment: Assignment, jobs: int, sandbox: Sandbox, work: Work
    ) -> None:
        self.submissions = submissions
        self.assignment = assignment
        self.sandbox = sandbox
        self.work = work
        self.waiting = work.side_by_side or work.alone
        self.is_side_by_side = self.waiting is work.side_by_side
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
                if answer == LOST or not self.sandbox.is_alive():
                    yield from self._all_go_wrong()
                    return
                task, worker.task = worker.task, None
                assert task is not None
                if answer is None:
                    _dismiss(worker)
                    self.workers[position] = self._hire()
                    yield from self._goes_wrong(task)
                    continue
                graded = Graded(**json.loads(answer))
                if graded.disturbed and self.jobs > 1:
                    self.work.alone.append(task)
                else:
                    yield task, graded

    def _goes_wrong(self, task: int) -> Iterator[tuple[int, Graded]]:
        """Let a submission on which grading itself broke come again; the second time that it is alone, give it up."""
        if self.is_side_by_side:
            self.work.alone.append(task)
        elif task not in self.work.failed_once:
            self.work.failed_once.add(task)
            self.work.alone.append(task)
        else:
            reason = "Grading this submission failed every time; look at it by hand."
            yield task, graded_as_error(self.submissions[task], reason)

    def _all_go_wrong(self) -> Iterator[tuple[int, Graded]]:
        for worker in self.workers:
            if worker.task is not None:
                yield from self._goes_wrong(worker.task)

    def _assign(self, worker: Worker) -> None:
        worker.task = self.waiting.popleft()
        limits = self.assignment.limits
        worker.deadline = time.monotonic() + longest_time(self.submissions[worker.task], limits)
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


def longest_time(submission: Submission, limits: Limits) -> float:
    """How long a worker may be busy with a submission, which may be started anew for each exercise, in seconds."""
    starts = TIME_TO_START * max(1, len(exercises_of(submission.lesson)))
    return READING_TIME + starts + MOST_STRETCH * limits.seconds + SLACK


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

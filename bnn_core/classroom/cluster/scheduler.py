"""The grader's side of a Dask cluster: which workers may grade, what each is given, and what comes back, whatever
becomes of a worker. It grades nothing itself but what has nothing to run. Of the scheduling it does none: that is
Dask's.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bnn_core.answers.notebook import Unreadable
from bnn_core.classroom.cluster import on_worker
from bnn_core.classroom.cluster.packing import Packer, Task
from bnn_core.classroom.crew import Assignment, longest_time
from bnn_core.classroom.grading import Graded, graded_as_error, graded_as_unreadable_file, graded_without_running
from bnn_core.classroom.refusals import Unusable
from bnn_core.classroom.submissions import Submission
from bnn_core.classroom.versions import machine
from bnn_core.lesson_files import Course

if TYPE_CHECKING:
    from distributed import Client, Future

TIME_TO_ANSWER = 10.0
"""Seconds in which a scheduler answers."""

PATIENCE = 60.0
"""Seconds for which a grading goes on while the scheduler has no worker at all."""

GLANCE = 1.0
"""Seconds between looks at who has come and who has gone."""

WINDOW = 2
"""Submissions under way for each that a worker can grade at a time: one more than it works on."""

RETRIES = 2
"""How often Dask gives a submission to a worker anew whose station was lost."""


class NoCluster(Unusable):
    """There is no scheduler, or no worker of its can grade."""


class Cluster:
    """A Dask cluster that exists already."""

    def __init__(self, address: str, say: Callable[[str], None]) -> None:
        """say: tells the instructor something while work goes on. Raises NoCluster where no scheduler answers."""
        self.address = address
        self._say = say
        with self._connected():
            """It is there; threads begin with the connection, and reading submissions forks, so that it ends again."""

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Client]:
        try:
            from distributed import Client
        except ImportError:
            raise NoCluster("--scheduler needs Dask: pip install 'bnn-course[cluster]'") from None
        for name in ("distributed", "distributed.client"):  # what goes wrong is told in a line
            logging.getLogger(name).setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # versions are compared here, and a submission may be large
            try:
                client = Client(self.address, timeout=TIME_TO_ANSWER)
            except (OSError, ValueError, TypeError) as error:
                raise NoCluster(f"no scheduler answers at {self.address}: {error}") from None
            with client:
                yield client

    def grade_all(self, submissions: Sequence[Submission], assignment: Assignment) -> Iterator[tuple[int, Graded]]:
        """Grade all submissions; give each one's position and result as they come. Raises NoCluster."""
        runnable: deque[int] = deque()
        for position, submission in enumerate(submissions):
            if (nothing := graded_without_running(submission)) is None:
                runnable.append(position)
            else:
                yield position, nothing
        if not runnable:
            return
        tasks = [Task(submission, assignment.limits, assignment.run_seed) for submission in submissions]
        with Packer(tasks) as packer, self._connected() as client:
            limits = json.dumps(asdict(assignment.limits))
            workers = _Workers(client, limits, self.address, self._say)
            yield from _Grading(client, workers, tasks, packer, runnable).results()


class _Workers:
    """Who can grade. able: for each by its address how many submissions at a time."""

    def __init__(self, client: Client, limits: str, address: str, say: Callable[[str], None]) -> None:
        self.able: dict[str, int] = {}
        self._client = client
        self.limits = limits
        self._address = address
        self._say = say
        self._here = machine(Course())
        self._present: dict[str, dict[str, Any]] = {}
        self._asked: dict[Future[Any], str] = {}
        self._refused: dict[str, str] = {}
        self._last_seen = self._looked = time.monotonic() - GLANCE

    @property
    def asked(self) -> list[Future[Any]]:
        """The questions that are still to be answered."""
        return list(self._asked)

    def look(self) -> None:
        """See who has come and who has gone. Raises NoCluster where nobody can grade."""
        now = time.monotonic()
        if now - self._looked < GLANCE:
            return
        self._looked = now
        self._present = _workers_of(self._client, self._address)
        self.able = {address: threads for address, threads in self.able.items() if address in self._present}
        self._asked = {future: address for future, address in self._asked.items() if address in self._present}
        for address in self._present:
            if address not in {*self.able, *self._refused, *self._asked.values()}:
                question = self._client.submit(on_worker.about, self.limits, workers=[address], pure=False)
                self._asked[question] = address
        if self.able or self._asked:
            self._last_seen = now
        elif self._present:
            told = "; ".join(dict.fromkeys(self._refused[address] for address in self._present))
            raise NoCluster(f"no worker of {self._address} can grade: {told}")
        elif now - self._last_seen > PATIENCE:
            raise NoCluster(f"{self._address} has had no worker for {PATIENCE:.0f} s; start some, and this once more")

    def hear(self) -> None:
        """Take in what workers say of themselves."""
        for question in [question for question in self._asked if question.done()]:
            address = self._asked.pop(question)
            if why := self._why_not(question):
                self._refused[address] = why
                self._say(f"worker {self._present[address]['name']} at {address} does not grade: {why}")
            else:
                self.able[address] = self._present[address]["nthreads"]

    def _why_not(self, question: Future[Any]) -> str:
        error = question.exception() if question.status == "error" else None
        if isinstance(error, ImportError | AttributeError):
            return f"it has not this course: {error}"
        if question.status != "finished":
            return f"it can't be asked: {error or question.status}"
        about = question.result()
        for what, short in self._here.items():
            if about["machine"].get(what) != short:
                return f"it has another {what} than this machine"
        return str(about["refusal"])


def _workers_of(client: Client, address: str) -> dict[str, dict[str, Any]]:
    """All workers by their address. Raises NoCluster."""
    try:
        found: dict[str, dict[str, Any]] = client.scheduler_info(n_workers=-1)["workers"]
    except (OSError, KeyError, RuntimeError):
        raise _gone(address) from None
    if client.status != "running":
        raise _gone(address)
    return found


def _gone(address: str) -> NoCluster:
    return NoCluster(f"the scheduler at {address} answers no more; start this again to go on from here")


class _Grading:
    """Submissions on their way: those that wait, those that workers have, and those that are to be graded again with
    nothing beside them, for something went wrong or others may have spoilt them.
    """

    def __init__(
        self, client: Client, workers: _Workers, tasks: Sequence[Task], packer: Packer, waiting: deque[int]
    ) -> None:
        self._client = client
        self._workers = workers
        self._tasks = tasks
        self._packer = packer
        self._waiting = waiting
        self._alone: deque[int] = deque()
        self._is_alone = False
        self._pending: dict[Future[Any], tuple[int, frozenset[str]]] = {}

    def results(self) -> Iterator[tuple[int, Graded]]:
        while self._waiting or self._pending or self._alone:
            if not self._waiting and not self._pending:
                self._waiting, self._alone, self._is_alone = self._alone, deque(), True
            self._workers.look()
            self._call_back()
            yield from self._hand_out()
            self._wait()
            self._workers.hear()
            for future in [future for future in self._pending if future.done()]:
                position, _ = self._pending.pop(future)
                yield from self._result(position, future)

    def _call_back(self) -> None:
        """Let what was given to workers that are all gone wait for others."""
        for future, (position, workers) in list(self._pending.items()):
            if workers.isdisjoint(self._workers.able) and not future.done():
                future.cancel()
                del self._pending[future]
                self._waiting.appendleft(position)

    def _hand_out(self) -> Iterator[tuple[int, Graded]]:
        able = self._workers.able
        room = min(1, len(able)) if self._is_alone else WINDOW * sum(able.values())
        while self._waiting and len(self._pending) < room:
            position = self._waiting.popleft()
            task = self._tasks[position]
            try:
                content = self._packer.packed(position)
            except Unreadable as error:
                yield position, graded_as_unreadable_file(task.submission, error.reason)
                continue
            seconds = longest_time(task.submission, task.limits)
            arguments = (content, self._workers.limits, seconds)
            future = self._client.submit(on_worker.graded, *arguments, workers=list(able), retries=RETRIES, pure=False)
            self._pending[future] = position, frozenset(able)

    def _wait(self) -> None:
        """Until something is done, or it is time to look at the workers again."""
        from distributed import wait

        futures = [*self._pending, *self._workers.asked]
        if not futures:
            time.sleep(GLANCE)
            return
        with contextlib.suppress(TimeoutError):
            wait(futures, timeout=GLANCE, return_when="FIRST_COMPLETED")

    def _result(self, position: int, future: Future[Any]) -> Iterator[tuple[int, Graded]]:
        if future.status == "finished":
            graded = Graded(**json.loads(future.result()))
            if graded.disturbed and not self._is_alone and sum(self._workers.able.values()) > 1:
                self._alone.append(position)
            else:
                yield position, graded
        elif future.status != "error":  # the scheduler has lost sight of it
            self._waiting.append(position)
        elif self._is_alone:
            reason = "Grading this submission failed every time; look at it by hand."
            yield position, graded_as_error(self._tasks[position].submission, reason)
        else:
            self._alone.append(position)

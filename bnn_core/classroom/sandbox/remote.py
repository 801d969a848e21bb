"""The learner's side of the checks' interface, reached over a socket: sends each request, and believes nothing of the
answer before it has looked at it. It may not know what is checked.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any

from bnn_core.answers.program import Program
from bnn_core.autograder.interface import (
    Gradients,
    LearnerError,
    Raised,
    Request,
    Sample,
    Value,
    answer_type,
    has_answer,
)
from bnn_core.classroom.sandbox import wire
from bnn_core.classroom.sandbox.launching import TOO_MUCH, Sandboxed, SandboxLost
from bnn_core.classroom.sandbox.watching import MOST_STRETCH, TIME_TO_START

MAX_TEXT = 2_000
MAX_ITEMS = 1_000
MAX_RECEIVED = 1 << 29
TIME_WITHOUT_QUESTION = 0.5
"""Seconds to wait for an answer, at most, before anyone asks how much of its time others take."""

DOUBTFUL_SHARE = 0.1
"""The share of a call's time from which on, where others took it, running out of time may be their doing."""

OUT_OF_TIME = "Not run: time is up."
OVER = "Not run: your code had ended."


class LearnerGone(LearnerError):
    """The learner's code can't be asked any more: it took too long, or its process died, or spoke nonsense."""

    def __init__(self, message: str, out_of_time: bool = False) -> None:
        self.out_of_time = out_of_time
        super().__init__(action="", type_name="", message=message)

    @property
    def sentence(self) -> str:
        return self.message

    @property
    def is_stub(self) -> bool:
        return False


class NoAnswer(Exception):
    """The socket gave no answer that could be one; the message says what it gave."""


@dataclass(frozen=True)
class Loaded:
    """What came of running a program: a sentence for each statement that raised, those of the exercises' names that are
    defined, and the packages of those that a package has written.
    """

    errors: list[str]
    defined: list[str]
    elsewhere: dict[str, str]


class Conversation:
    """All that is said to one submission's processes, about however many exercises. After a message that found no
    answer nothing is said any more.

    gone: why not. disturbed: whether that may have come from what else ran on the machine. seconds: what is left of
    the time that may be spent waiting for answers; what others took of the processor's isn't counted.
    """

    def __init__(self, sandboxed: Sandboxed, seconds: float, call_seconds: float) -> None:
        """Wait until the processes have started. Raises SandboxLost where they don't."""
        self.seconds = seconds
        self.gone: LearnerGone | None = None
        self.disturbed = False
        self._sandboxed = sandboxed
        self._call_seconds = call_seconds
        self._took_too_long = f"took more than {call_seconds:g} s and was stopped"
        self._number = 0
        self._received = 0
        try:
            said = self._read_message(_Patience(TIME_TO_START))
        except (OSError, EOFError, wire.Malformed):
            ending = self._sandboxed.end()
            raise SandboxLost(f"{ending.sentence} {ending.output[-MAX_TEXT:]}".strip()) from None
        assert said == {"ready": True}
        sandboxed.begin()

    def load(self, program: Program, exercises: Sequence[str]) -> Loaded:
        """Run the program, which may define what these exercises ask for."""
        order = {"program": program.to_json().encode("utf-8", "surrogatepass"), "exercises": list(exercises)}
        answer = self.exchange(order, "Running your cells")
        match answer:
            case {"errors": list(errors), "defined": list(defined), "elsewhere": dict(elsewhere)} if (
                len(answer) == 3 and are_texts(errors) and are_texts(defined) and are_texts(list(elsewhere.values()))
            ):
                return Loaded(errors, defined, elsewhere)
        raise self.give_up("Running your cells", "gave an answer that isn't one")

    def end(self) -> str:
        """End the processes. Gives the beginning of what they printed."""
        return self._sandboxed.end().output

    def exchange(self, order: dict[str, Any], action: str) -> dict[str, Any]:
        """The answer to a message. Raises LearnerGone where there is none."""
        if self.gone is not None:
            raise LearnerGone(OUT_OF_TIME if self.gone.out_of_time else OVER, self.gone.out_of_time)
        self._number += 1
        patience = _Patience(min(self._call_seconds, self.seconds), self._sandboxed.seconds_taken_by_others)
        whole = self.seconds <= self._call_seconds
        try:
            _send(self._sandboxed.wire, wire.encode({**order, "id": self._number}), patience)
            answer = self._read_message(patience)
        except TimeoutError:
            self.disturbed = patience.is_doubtful
            took = "was stopped: the time for this exercise is up" if whole else self._took_too_long
            raise self.give_up(action, took, out_of_time=True) from None
        except (OSError, EOFError):
            raise self.give_up(action, "") from None
        except wire.CannotSend as error:
            raise self.give_up(action, f"could not be asked for: {error}") from None
        except wire.Malformed as error:
            raise self.give_up(action, f"gave no answer that could be read: {error}") from None
        finally:
            self.seconds = max(0.0, self.seconds - patience.spent())
        if not isinstance(answer, dict) or answer.pop("id", None) != self._number:
            raise self.give_up(action, "gave an answer that isn't one")
        return answer

    def _read_message(self, patience: _Patience) -> Any:
        header, body = wire.lengths(_read(self._sandboxed.wire, wire.PREFIX.size, patience))
        self._received += header + body
        if self._received > MAX_RECEIVED:
            raise wire.Malformed(f"all answers together hold {self._received:,} bytes")
        content = _read(self._sandboxed.wire, header + body, patience)
        return wire.decode(content[:header], content[header:])

    def give_up(self, action: str, why: str, out_of_time: bool = False) -> LearnerGone:
        """End the learner's process, and say what became of it."""
        ending = self._sandboxed.end()
        message = f"{action} {why}." if why else f"{action} got no answer. {ending.sentence}"
        if ending.how in TOO_MUCH:  # which made it slow, or ended it
            message, out_of_time = f"{action} got no answer. {ending.sentence}", ending.was_out_of_time
        self.disturbed |= not why and ending.may_be_others_doing
        self.gone = LearnerGone(message, out_of_time or ending.was_out_of_time)
        return self.gone


class RemoteLearnerSide:
    """Performs an exercise's requests in the sandbox. Those without an answer travel with the next ones that have some,
    which also bring what they raised.
    """

    def __init__(self, conversation: Conversation, exercise: str) -> None:
        self._conversation = conversation
        self._exercise = exercise
        self._waiting: list[Request[None]] = []
        self._packed: list[wire.Packed] = []

    @property
    def gone(self) -> LearnerGone | None:
        return self._conversation.gone

    def perform(self, requests: Sequence[Request[Any]]) -> list[Any]:
        """Perform requests. Raises LearnerError where the learner's code raised, LearnerGone where it can't be
        asked.
        """
        if self.gone is None and not any(map(has_answer, requests)):
            self._keep(requests)
            return [None] * len(requests)
        return self._ask(requests)

    def settle(self) -> None:
        """Perform what waits. Raises as `perform`."""
        if self._waiting:
            self._ask([])

    def _keep(self, requests: Sequence[Request[Any]]) -> None:
        """Take in requests as they are now: a check may go on to change its tensors."""
        try:
            self._packed += [wire.pack(request) for request in requests]
        except wire.CannotSend as error:
            raise self._conversation.give_up(self._action(requests), f"could not be asked for: {error}") from None
        self._waiting += requests

    def _ask(self, requests: Sequence[Request[Any]]) -> list[Any]:
        """The answers to these requests, performed after those that wait."""
        action = self._action(requests or self._waiting)
        self._keep(requests)
        asked, packed, self._waiting, self._packed = self._waiting, self._packed, [], []
        answer = self._conversation.exchange({"exercise": self._exercise, "requests": packed}, action)
        match answer:
            case {"answers": list(answers)} if len(answer) == 1 and are_answers_to(asked, answers):
                return answers[len(asked) - len(requests) :]
            case {"raised": Raised() as raised} if len(answer) == 1 and is_modest(raised):
                raise LearnerError(**vars(raised))
        raise self._conversation.give_up(action, "gave an answer that isn't one")

    def _action(self, requests: Sequence[Request[Any]]) -> str:
        """What is asked for, as a learner would write it."""
        first, *others = dict.fromkeys(request.action(self._exercise) for request in requests)
        return " or ".join([first, *(other[0].lower() + other[1:] for other in others)])


class _Patience:
    """How long to wait for an answer: its seconds, and those in which others had the processor; not for ever."""

    def __init__(self, seconds: float, seconds_taken_by_others: Callable[[], float] | None = None) -> None:
        self._began = time.monotonic()
        self._seconds = seconds
        self._ask = seconds_taken_by_others
        self._unasked = min(TIME_WITHOUT_QUESTION, seconds / 8)
        self._before: float | None = None
        self._taken = 0.0

    @property
    def is_doubtful(self) -> bool:
        """Whether a good part of the time was others'."""
        return self._taken > DOUBTFUL_SHARE * (time.monotonic() - self._began)

    def spent(self) -> float:
        return max(0.0, time.monotonic() - self._began - self._taken)

    def left(self) -> float:
        """Seconds to wait before asking again. Raises TimeoutError when patience is at an end."""
        elapsed = time.monotonic() - self._began
        if self._ask is not None and elapsed >= self._unasked:
            if self._before is None:
                self._before = self._ask()
            elif elapsed - self._taken >= self._seconds:
                self._taken = max(self._taken, self._ask() - self._before)
        left = min(self._seconds + self._taken, MOST_STRETCH * self._seconds) - elapsed
        if left <= 0:
            raise TimeoutError
        return left if self._before is not None or self._ask is None else min(left, self._unasked)


def _send(connection: socket.socket, message: bytes, patience: _Patience) -> None:
    left = memoryview(message)
    while left:
        connection.settimeout(patience.left())
        with contextlib.suppress(TimeoutError):  # which is for `left` to judge
            left = left[connection.send(left) :]


def _read(connection: socket.socket, count: int, patience: _Patience) -> bytes:
    parts: list[bytes] = []
    while count:
        connection.settimeout(patience.left())
        with contextlib.suppress(TimeoutError):
            part = connection.recv(min(count, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


# What an answer must look like. Values are judged by the checks; these look at kinds and sizes.


def are_answers_to(requests: Sequence[Request[Any]], answers: list[Any]) -> bool:
    return len(requests) == len(answers) and all(map(is_answer_to, requests, answers))


def is_answer_to(request: Request[Any], answer: Any) -> bool:
    """Whether it has the form that an answer to this request has."""
    if not (wire.of_type(answer_type(request))(answer) and is_modest(answer)):
        return False
    match request:
        case Sample(count=count):
            return bool(answer.ndim > 0 and answer.shape[0] == count)
        case Gradients(wrt=wrt):
            return len(answer) == len(wrt)
    return True


def is_modest(value: Any) -> bool:
    """Whether no text and no list in it is longer than an honest one."""
    match value:
        case str():
            return len(value) <= MAX_TEXT
        case list():
            return len(value) <= MAX_ITEMS and all(map(is_modest, value))
        case dict():
            return is_modest(list(value)) and is_modest(list(value.values()))
        case Value(plain=list(size)) if len(size) > wire.MAX_DIMENSIONS:
            return False
    return not is_dataclass(value) or all(map(is_modest, vars(value).values()))


def are_texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values) and is_modest(values)

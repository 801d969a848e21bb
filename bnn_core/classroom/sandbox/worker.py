"""Inside the sandbox: runs the learner's program, then performs the grader's requests on what the program defined.

It holds no check and no expected value, and it may not matter what the learner's code does to it: whatever it
answers, the grader compares.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnn_core.answers.program import Program, describe, run_program
from bnn_core.autograder.in_process import InProcess
from bnn_core.autograder.interface import LearnerError, Raised
from bnn_core.autograder.plain_data import shown
from bnn_core.autograder.subject import Subject
from bnn_core.autograder.surroundings import uncompiled
from bnn_core.autograder.whose_code import learner_line, written_elsewhere
from bnn_core.classroom.sandbox import wire

MAX_ERRORS = 5
MAX_SOURCE = 300
MOST_THREADS = 1
"""Of torch's own, whatever number the code asks for: a submission's time is that of one processor."""

READY = {"ready": True}


def serve(descriptor: int) -> None:
    """Say that it is ready, then answer the messages that come in on the socket until it closes. The first one is the
    program, the others requests.
    """
    stream = _Stream(descriptor)
    stream.send(READY)
    order = stream.receive()
    if order is None:
        return
    _bound_threads(torch.set_num_threads)
    torch.compile = uncompiled  # which would need a compiler here
    program, names = Program.from_json(order["program"].decode("utf-8", "surrogatepass")), order["exercises"]
    namespace, errors = run_program(program, interruptible=False)
    sentences = [describe(label, error) for label, error in errors[:MAX_ERRORS]]
    defined = [name for name in names if name in namespace]
    elsewhere = {name: package for name in defined if (package := _origin(namespace[name], name))}
    stream.send({"id": order["id"], "errors": sentences, "defined": defined, "elsewhere": elsewhere})
    learner_sides = {name: InProcess(name, namespace[name]) for name in defined}
    while (order := stream.receive()) is not None:
        stream.send_bytes(_answer(learner_sides[order["exercise"]], order))


class _Rehearsal(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size, size))

    def forward(self, x: Tensor) -> Tensor:
        """What a layer of a learner's is likely to do."""
        return F.linear(x, self.weight + self.weight.exp() * torch.randn_like(self.weight)).square().sum()


def rehearse() -> None:
    """Do once what is asked of every learner's code. Where processes are forked from this one, what torch and Python
    set up at a first call is then there for all of them.
    """
    subject = Subject("rehearsal", InProcess("rehearsal", _Rehearsal))
    x = torch.ones(2, 3, requires_grad=True)
    with torch.random.fork_rng(devices=[]):
        instance = subject.construct(3)
        instance.set_parameters(weight=torch.ones(3, 3))
        instance.parameters("weight")
        instance.sample(2, "__call__", x)
        reply = instance.call("__call__", x)
        message = wire.encode(subject.together(reply.backward(("weight",))))
    start = wire.PREFIX.size
    header, _ = wire.lengths(message[:start])
    wire.decode(message[start : start + header], message[start + header :])


def _origin(definition: Any, name: str) -> str | None:
    try:
        return written_elsewhere(definition, name)
    except Exception:  # the definition is the learner's, and so is how it can be looked at
        return None


def _answer(learner_side: InProcess, order: dict[str, Any]) -> bytes:
    number = order["id"]
    try:
        answers = learner_side.perform(order["requests"])
    except LearnerError as error:
        return wire.encode({"id": number, "raised": _described(error)})
    except BaseException as error:  # such as KeyboardInterrupt, which nobody but the code itself can have raised
        line, source = learner_line(error)
        raised = LearnerError("Your code", type(error).__name__, shown(error), line, source)
        return wire.encode({"id": number, "raised": _described(raised)})
    try:
        return wire.encode({"id": number, "answers": answers})
    except Exception as error:
        refused = LearnerError("Sending what your code returned", type(error).__name__, shown(error))
        return wire.encode({"id": number, "raised": _described(refused)})


def _described(error: LearnerError) -> Raised:
    """The error, of which no part is longer than what the grader takes."""
    action, type_name, source = (text[:MAX_SOURCE] for text in (error.action, error.type_name, error.source))
    return Raised(action, type_name, error.message, error.line, source)


def _bound_threads(set_number: Callable[[int], None]) -> None:
    torch.set_num_threads = lambda nthreads: set_number(min(nthreads, MOST_THREADS))


class _Stream:
    """Whole messages over a socket."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def send(self, value: dict[str, Any]) -> None:
        self.send_bytes(wire.encode(value))

    def send_bytes(self, message: bytes) -> None:
        left = memoryview(message)
        while left:
            left = left[os.write(self.descriptor, left) :]

    def receive(self) -> Any:
        """The next message; None at the end."""
        prefix = self._read(wire.PREFIX.size)
        if not prefix:
            return None
        header, body = wire.lengths(prefix)
        return wire.decode(self._read(header), self._read(body))

    def _read(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count > 0 and (part := os.read(self.descriptor, min(count, 1 << 20))):
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

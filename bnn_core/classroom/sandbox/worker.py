"""Inside the sandbox: runs the learner's program, then performs the grader's requests on what the program defined.

It holds no check and no expected value, and it may not matter what the learner's code does to it: whatever it
answers, the grader compares.
"""

from __future__ import annotations

import os
from typing import Any

from bnn_core.answers.program import Program, describe, run_program
from bnn_core.autograder.in_process import InProcess
from bnn_core.autograder.subject import LearnerError
from bnn_core.classroom.sandbox import wire

MAX_ERRORS = 5


def serve(descriptor: int) -> None:
    """Answer the messages that come in on the socket until it closes. The first one is the program, the others
    requests.
    """
    stream = _Stream(descriptor)
    order = stream.receive()
    if order is None:
        return
    namespace, errors = run_program(Program.from_json(order["program"]))
    name = order["exercise"]
    sentences = [describe(label, error) for label, error in errors[:MAX_ERRORS]]
    stream.send({"id": order["id"], "errors": sentences, "defined": name in namespace})
    learner_side = InProcess(name, namespace.get(name))
    while (order := stream.receive()) is not None:
        number = order.pop("id")
        try:
            for request in order.pop("first"):
                learner_side.perform(request)
            stream.send({"id": number, "answer": learner_side.perform(order)})
        except LearnerError as error:
            stream.send({"id": number, "raised": _described(error)})
        except wire.CannotSend as error:
            refused = LearnerError("What your code returned", "TypeError", str(error))
            stream.send({"id": number, "raised": _described(refused)})


def _described(error: LearnerError) -> dict[str, Any]:
    return {
        "action": error.action,
        "type_name": error.type_name,
        "message": error.message,
        "line": error.line,
        "source": error.source,
    }


class _Stream:
    """Whole messages over a socket."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def send(self, value: dict[str, Any]) -> None:
        left = memoryview(wire.encode(value))
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

"""The process beside a worker that grades, one submission after the other, in a sandbox that it keeps warm. It is
started as `python -m bnn_core.classroom.cluster.station SOCKET LIMITS`, says what it is, and ends with its worker.
"""

from __future__ import annotations

import gc
import json
import signal
import sys
import tempfile
import warnings
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from bnn_core.classroom.cluster.packing import unpacked
from bnn_core.classroom.control import NotProven, prove
from bnn_core.classroom.crew import OWN_MEMORY
from bnn_core.classroom.grading import grade
from bnn_core.classroom.sandbox.launching import Limits, NoSandbox, Sandbox, WarmSandbox, ready_sandbox
from bnn_core.classroom.versions import machine
from bnn_core.lesson_files import Course


def main() -> None:
    connection, limits = Connection(int(sys.argv[1])), Limits(**json.loads(sys.argv[2]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too, and is the worker's affair
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    about = {"machine": machine(Course()), "refusal": ""}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            with ready_sandbox(WarmSandbox([folder]), [folder], unsafe=False) as sandbox:
                prove(sandbox)
                sandbox.bound_memory(OWN_MEMORY + limits.memory)
                connection.send_bytes(json.dumps(about).encode())
                _serve(connection, sandbox, folder)
        except NoSandbox as error:
            about["refusal"] = f"nothing there can shut submitted code in: {error}"
        except NotProven as error:
            about["refusal"] = f"a right answer of the course's own is not graded right there: {error}"
        if about["refusal"]:
            connection.send_bytes(json.dumps(about).encode())


def _serve(connection: Connection, sandbox: Sandbox, folder: Path) -> None:
    """Grade what comes until nobody is left who sends anything. Raises SandboxLost."""
    gc.freeze()
    while True:
        try:
            content = connection.recv_bytes()
        except EOFError:
            return
        task = unpacked(content, folder / "submission.zip")
        graded = grade(task.submission, sandbox, task.limits, task.run_seed)
        connection.send_bytes(json.dumps(asdict(graded)).encode())


if __name__ == "__main__":
    main()

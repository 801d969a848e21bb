"""A submission as bytes, with all that its grading reads, and back: so that it can be graded on a machine that doesn't
see the folder of submissions. What is read of it is read as ever, in a process of its own.
"""

from __future__ import annotations

import base64
import io
import json
import multiprocessing
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bnn_core.answers.notebook import Unreadable, is_script
from bnn_core.classroom.handed_in import Tree
from bnn_core.classroom.sandbox.isolation import die_with_parent
from bnn_core.classroom.sandbox.launching import Limits
from bnn_core.classroom.sandbox.reading import Say, content_of, contents_beside, in_children
from bnn_core.classroom.submissions import Submission

_PLACES = ("path", "home", "files")
"""What a submission says of where it lies, which is elsewhere on another machine."""


@dataclass(frozen=True)
class Task:
    """A submission to grade, and how."""

    submission: Submission
    limits: Limits
    run_seed: int


def packed(task: Task) -> bytes:
    """A line of JSON, and then a zip of what was handed in. Raises Unreadable, as reading the submission would."""
    (said,) = in_children([partial(_say_contents, task.submission)], 1)
    if said.trouble:
        raise Unreadable(said.trouble)
    about = {name: value for name, value in asdict(task.submission).items() if name not in _PLACES}
    names = [name for name, _ in task.submission.files if name in said.lines[0]["files"]]
    header = {"submission": about, "files": names, "limits": asdict(task.limits), "run_seed": task.run_seed}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_notebook_in(about), base64.b64decode(said.lines[0]["notebook"]))
        for number, name in enumerate(names):
            archive.writestr(str(number), base64.b64decode(said.lines[0]["files"][name]))
    return json.dumps(header).encode() + b"\n" + content.getvalue()


def _say_contents(submission: Submission, say: Say) -> None:
    assert submission.path is not None
    tree = Tree(submission.home)
    notebook = content_of(tree, submission.path, submission.home)
    files = contents_beside(tree, submission.home, dict(submission.files), submission.lesson)
    say({"notebook": base64.b64encode(notebook).decode(), "files": files})


def unpacked(content: bytes, archive: Path) -> Task:
    """The task, whose submission then lies in the file `archive`, a zip."""
    line, _, rest = content.partition(b"\n")
    archive.write_bytes(rest)
    header = json.loads(line)
    about: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in header["submission"].items()
    }
    files = tuple((name, archive / str(number)) for number, name in enumerate(header["files"]))
    about |= {"path": archive / _notebook_in(about), "home": archive, "files": files}
    submission = Submission(**about)
    return Task(submission, Limits(**header["limits"]), header["run_seed"])


def _notebook_in(about: dict[str, Any]) -> str:
    """What the notebook is called in the zip: of a script it must be seen that it is one."""
    return "notebook.py" if is_script(about["name"]) else "notebook.ipynb"


class Packer:
    """A process that packs, one after the other, what it is asked for. It is forked before anything starts a thread in
    this one, and so may fork the readers.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._connection, far_end = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        self._process = context.Process(target=self._work, args=(tasks, far_end), daemon=True)
        self._process.start()
        far_end.close()

    def packed(self, position: int) -> bytes:
        """Raises Unreadable."""
        self._connection.send_bytes(str(position).encode())
        trouble, content = self._connection.recv_bytes().decode(), self._connection.recv_bytes()
        if trouble:
            raise Unreadable(trouble)
        return content

    def _work(self, tasks: Sequence[Task], connection: Any) -> None:
        self._connection.close()
        die_with_parent()
        while True:
            try:
                task = tasks[int(connection.recv_bytes())]
            except EOFError:
                return
            try:
                content, trouble = packed(task), ""
            except Unreadable as error:
                content, trouble = b"", error.reason
            connection.send_bytes(trouble.encode())
            connection.send_bytes(content)

    def __enter__(self) -> Packer:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.kill()
        self._process.join()

"""The build: writes each lesson's two notebooks, executes the solved one, removes what is left over, and says
what isn't up to date. It never destroys what a learner wrote. What a source must hold is `lesson_source`'s
business.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bnn_core.course.colab import colab_cells
from bnn_core.course.lesson_source import Exercises, SourceError, build_notebooks
from bnn_core.lesson_files import (
    KEPT,
    Course,
    LessonFileError,
    build_mark,
    is_edited,
    mark_as_run,
    notebook_text,
    read_notebook,
    snake_case,
    write_file,
)

if TYPE_CHECKING:
    from nbformat import NotebookNode

CELL_TIMEOUT = 120  # seconds; a whole lesson should take less than 60
WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGET_STAND_IN = "Run this cell to get the slider."

FIGURES = re.compile(r"^from bnn_core\.figures import (\w+)", re.MULTILINE)
"""The module of figures that a lesson's source imports."""

PICTURE = "picture"

# What only this machine would print. Pictures are left out: chance may spell anything in them.
DATA_URI = re.compile(r"data:[\w/+.-]+;base64,[\w/+=\s]+")
PATH = re.compile(r"(?<![\w.])/(?:home|root|Users|tmp|usr|opt|var|private)/|[A-Z]:\\|site-packages")
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{6,}")


@dataclass(frozen=True)
class Difference:
    """A generated file that isn't what the build would write."""

    path: Path
    reason: str


def build_lesson(
    course: Course,
    lesson: str,
    exercises: Exercises,
    *,
    force: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Writes the lesson's two notebooks; `say` is told of each file that changes.

    A solved notebook whose code is as it was keeps its outputs, unless `force`. Where it raises SourceError,
    it has written nothing.
    """
    learner, solved = notebooks_of(course, lesson, exercises)
    code = digest_of_code(course, lesson, exercises)
    previous = None if force else _read_if_any(course.solved_notebook(lesson))
    finished = _with_outputs_of(solved, previous)
    if finished is None or not _is_run_on(finished, code) or problems_of_outputs(finished):
        finished = execute(solved)
        mark_as_run(finished, code)
    _keep_if_it_changes(course, course.solved_notebook(lesson), finished, say)
    if _write(course.solved_notebook(lesson), finished):
        say(f"wrote {course.shown(course.solved_notebook(lesson))}")
    if (picture := picture_in(finished)) and picture != _bytes_if_any(course.picture(lesson)):
        course.picture(lesson).parent.mkdir(exist_ok=True)
        course.picture(lesson).write_bytes(picture)
        say(f"wrote {course.shown(course.picture(lesson))}")
    path = course.learner_notebook(lesson)
    _keep_if_it_changes(course, path, learner, say)
    if _write(path, learner):
        say(f"wrote {course.shown(path)}")


def notebooks_of(course: Course, lesson: str, exercises: Exercises) -> tuple[NotebookNode, NotebookNode]:
    """The lesson's two notebooks, the solved one not executed. Raises SourceError."""
    path = course.learner_notebook(lesson).relative_to(course.root).as_posix()
    return build_notebooks(course.source(lesson), exercises, colab_cells(course.root / "pyproject.toml", path))


def remove_left_over(course: Course, say: Callable[[str], None] = print) -> None:
    """Deletes the notebooks of lessons whose source a maintainer deleted; what anyone wrote in one is kept."""
    for path in _left_over(course):
        _keep(course, path, say)
        path.unlink()
        say(f"removed {course.shown(path)}, whose source is gone")


def differences(course: Course, exercises: Exercises, lessons: list[str] | None = None) -> list[Difference]:
    """What a build of these lessons (default: of the whole course) would change. Executes nothing."""
    found = []
    for lesson in course.sources() if lessons is None else lessons:
        try:
            learner, solved = notebooks_of(course, lesson, exercises)
        except SourceError as error:
            found += [Difference(course.source(lesson), problem) for problem in error.problems]
            continue
        path = course.learner_notebook(lesson)
        if not path.exists():
            found.append(Difference(path, "is missing"))
        elif path.read_bytes() != notebook_text(learner).encode():
            found.append(Difference(path, "differs from its source"))
        found += _differences_of_solved(course, lesson, solved, digest_of_code(course, lesson, exercises))
    if lessons is None:
        found += _without_source(course)
    return found


def _without_source(course: Course) -> list[Difference]:
    left_over = _left_over(course)
    others = [path for path in sorted(course.lessons.glob("*.ipynb")) if _was_built(path) and path not in left_over]
    return [Difference(path, "is left over: its source is gone") for path in left_over] + [
        Difference(path, "has no source here; delete it if its lesson is gone")
        for path in others
        if path.stem not in course.sources()
    ]


def _differences_of_solved(course: Course, lesson: str, expected: NotebookNode, code: str) -> list[Difference]:
    path = course.solved_notebook(lesson)
    if not path.exists():
        return [Difference(path, "is missing")]
    finished = _with_outputs_of(expected, _read_if_any(path))
    if finished is None or path.read_bytes() != notebook_text(finished).encode():
        return [Difference(path, "differs from its source")]
    found = [Difference(path, problem) for problem in problems_of_outputs(finished)]
    if not _is_run_on(finished, code):
        found.append(Difference(path, "shows what earlier code of the course printed"))
    if picture_in(finished) not in (None, _bytes_if_any(course.picture(lesson))):
        found.append(Difference(course.picture(lesson), "is not the picture in the solved notebook"))
    return found


def _read_if_any(path: Path) -> NotebookNode | None:
    try:
        return read_notebook(path)
    except LessonFileError:
        return None


def _bytes_if_any(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _with_outputs_of(notebook: NotebookNode, previous: NotebookNode | None) -> NotebookNode | None:
    """The notebook with the outputs that `previous` has for the same code; None where the code is another."""
    if previous is None:
        return None
    finished = copy.deepcopy(notebook)
    new, old = ([cell for cell in one.cells if cell.cell_type == "code"] for one in (finished, previous))
    if [cell.source for cell in new] != [cell.source for cell in old]:
        return None
    for cell, before in zip(new, old, strict=True):
        cell.outputs, cell.execution_count = copy.deepcopy(before.outputs), before.execution_count
    if code := (build_mark(previous) or {}).get("run_on"):
        mark_as_run(finished, code)
    return finished


def _is_run_on(notebook: NotebookNode, code: str) -> bool:
    return bool((build_mark(notebook) or {}).get("run_on") == code)


def digest_of_code(course: Course, lesson: str, exercises: Exercises) -> str:
    """A digest of what a lesson's outputs depend on beside its own cells: the package's modules that a notebook may
    load, those of other lessons' exercises aside, and the versions that are pinned. Comments don't count.
    """
    package = Path(__file__).parents[1]
    own = {snake_case(name) for name, exercise in exercises.items() if exercise.lesson == lesson}
    drawn = set(FIGURES.findall(course.source(lesson).read_text(encoding="utf-8")))
    modules = [*package.glob("*.py"), *package.glob("figures/*.py"), *package.glob("autograder/**/*.py")]
    digest = hashlib.sha256()
    for path in sorted(modules):
        parts = path.relative_to(package).with_suffix("").parts
        if parts[:2] == ("autograder", "exercises") and parts[2] not in own:
            continue
        if parts[0] == "figures" and parts[1] not in {"__init__", *drawn}:
            continue
        digest.update(repr((parts, code_lines(path.read_text(encoding="utf-8")))).encode())
    pins = course.root / "requirements.txt"
    digest.update(_bytes_if_any(pins) or b"")
    return digest.hexdigest()


def code_lines(source: str) -> list[str]:
    """The lines of a module that aren't blank or comments."""
    lines = (line.rstrip() for line in source.splitlines())
    return [line for line in lines if line and not line.lstrip().startswith("#")]


def _write(path: Path, notebook: NotebookNode) -> bool:
    """Writes the notebook and says whether the file has changed."""
    text = notebook_text(notebook)
    if _bytes_if_any(path) == text.encode():
        return False
    write_file(path, text)
    return True


def _keep_if_it_changes(course: Course, path: Path, notebook: NotebookNode, say: Callable[[str], None]) -> None:
    if _bytes_if_any(path) not in (None, notebook_text(notebook).encode()):
        _keep(course, path, say)


def _keep(course: Course, path: Path, say: Callable[[str], None]) -> None:
    """Copies the notebook into `.kept` beside it if it holds anything that the build didn't write."""
    present = _read_if_any(path)
    if present is not None and not is_edited(present):
        return
    content = path.read_bytes()
    kept = path.parent / KEPT / f"{path.stem}_{datetime.now():%Y-%m-%d_%H%M%S_%f}.ipynb"
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(content)
    say(f"{course.shown(path)} held your own work, which is now in {course.shown(kept)}")


def _left_over(course: Course) -> list[Path]:
    """The notebooks that a build wrote here from a source which a maintainer has deleted since.

    The solved notebook, which a build writes beside the source, tells that from a copy of the course that was handed
    out without this source, or without any: there nothing is left over.
    """
    sources = course.sources()
    solved = [path for path in sorted(course.solutions.glob("*.ipynb")) if path.stem not in sources]
    if not sources:
        return []
    built = [path.stem for path in solved if _was_built(path)]
    learners = [course.learner_notebook(lesson) for lesson in built]
    return [*filter(_was_built, learners), *map(course.solved_notebook, built)]


def _was_built(path: Path) -> bool:
    """Whether a build wrote this very file: a learner's copy under another name bears the mark of its original."""
    notebook = _read_if_any(path)
    mark = build_mark(notebook) if notebook is not None else None
    return mark is not None and mark.get("lesson") == path.stem


def execute(notebook: NotebookNode) -> NotebookNode:
    """The notebook with its outputs, run by a kernel of its own in an empty folder. Raises SourceError."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    lesson = notebook.metadata["bnn_course"]["lesson"]
    executed = copy.deepcopy(notebook)
    with tempfile.TemporaryDirectory() as folder:
        # Neither a kernel nor a start-up file of this user's may have a say in what the course prints.
        quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "IPYTHONDIR": folder}
        kernels = KernelSpecManager(kernel_dirs=[])
        client = NotebookClient(
            executed,
            timeout=CELL_TIMEOUT,
            km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=kernels),
            resources={"metadata": {"path": folder}},
            coalesce_streams=True,
            record_timing=False,
            store_widget_state=False,
        )
        try:
            client.execute(cleanup_kc=True, env=os.environ | quiet, stderr=subprocess.DEVNULL)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            raise SourceError(lesson, [f"the solved notebook doesn't run: {str(error).strip()}"]) from None
    executed.metadata = copy.deepcopy(notebook.metadata)
    for cell in executed.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            cell.outputs = [_presentable(output) for output in cell.outputs]
    if problems := problems_of_outputs(executed):
        raise SourceError(lesson, problems)
    return executed


def picture_in(notebook: NotebookNode) -> bytes | None:
    """The figure of the cell that is also tagged `picture`, as PNG: what the README may show of the lesson."""
    for cell in notebook.cells:
        if PICTURE in cell.metadata.get("tags", []):
            for output in cell.outputs:
                if image := output.get("data", {}).get("image/png"):
                    return base64.b64decode(image)
    return None


def _presentable(output: NotebookNode) -> NotebookNode:
    """The output as it reads without a kernel: a slider can't move there; a widget with HTML of its own keeps that."""
    data = output.get("data", {})
    if WIDGET in data:
        without = {kind: text for kind, text in data.items() if kind in ("text/plain", "text/html")}
        output.data = without if "text/html" in data else {"text/plain": WIDGET_STAND_IN}
        output.metadata = {}
    return output


def problems_of_outputs(notebook: NotebookNode) -> list[str]:
    """What a solved notebook must not show: errors, warnings, and what only this machine would print."""
    problems = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        where = f"the cell that begins {cell.source.splitlines()[0][:60]!r}"
        if cell.execution_count is None:
            problems.append(f"{where} has not been run")
        for output in cell.outputs:
            text = DATA_URI.sub("", _output_text(output))
            if output.output_type == "error":
                problems.append(f"{where} ends in an error: {output.ename}")
            elif output.get("name") == "stderr":
                problems.append(f"{where} prints a warning: {text.strip().splitlines()[0][:200]}")
            elif PATH.search(text):
                problems.append(f"{where} prints a path of this machine")
            elif ADDRESS.search(text):
                problems.append(f"{where} prints a memory address")
    return problems


def _output_text(output: NotebookNode) -> str:
    shown = [text for kind, text in output.get("data", {}).items() if kind.startswith("text/")]
    return "\n".join([output.get("text", ""), *shown])

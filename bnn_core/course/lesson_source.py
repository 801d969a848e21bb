"""From one lesson's source to its two notebooks: the learner's, without solutions, and the solved one, not
yet executed. It knows the shape of a lesson and refuses a source that lacks a part of it; of an exercise it
knows only the name, the lesson and the points, never a check.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bnn_core.lesson_files import ROLES, cells_with_role, defined_names, mark_as_built, named_in_calls, role, snake_case

if TYPE_CHECKING:
    from nbformat import NotebookNode

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
PLACEHOLDER = re.compile(r"^\{\{ *solution +(\w+) *\}\}$", re.MULTILINE)
HEADING = re.compile(r"^#{2,3} +(.+?)\s*$", re.MULTILINE)
NEXT = re.compile(r"^\*\*Next:\*\*.*(?:\n.+)*", re.MULTILINE)
HINT = re.compile(r"<summary>\s*Hint (\d+)")
FEWEST_HINTS = 3

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    # What a kernel says of itself, less the version, which changes from machine to machine.
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}


class ExerciseFacts(Protocol):
    """What the build needs to know of an exercise."""

    @property
    def lesson(self) -> str: ...
    @property
    def points(self) -> float: ...
    @property
    def sections(self) -> Mapping[str, str]: ...


Exercises = Mapping[str, ExerciseFacts]


class SourceError(Exception):
    """A lesson's source that can't be built; one line for each `problems`, each saying what to do."""

    def __init__(self, lesson: str, problems: list[str]) -> None:
        self.lesson, self.problems = lesson, problems
        super().__init__("\n".join(f"{lesson}: {problem}" for problem in problems))


def read_source(path: Path) -> NotebookNode:
    """The cells of a percent source, with stable ids and none of Jupytext's own metadata."""
    import jupytext
    from nbformat import v4

    parsed = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    notebook: NotebookNode = v4.new_notebook(metadata=copy.deepcopy(METADATA))
    seen: dict[str, int] = {}
    for cell in parsed.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        seen[digest] = seen.get(digest, 0) + 1
        identity = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        tags = {"tags": list(cell.metadata["tags"])} if cell.metadata.get("tags") else {}
        make: Callable[..., NotebookNode] = v4.new_code_cell if cell.cell_type == "code" else v4.new_markdown_cell
        notebook.cells.append(make(cell.source, id=identity, metadata=tags))
    return notebook


def problems_of_source(
    notebook: NotebookNode, lesson: str, exercises: Exercises, following: str | None = None
) -> list[str]:
    """What keeps the source from being a lesson, each in a sentence; empty when nothing does.

    following: the lesson that comes after it, to which its end must lead.
    """
    expected = [name for name, exercise in exercises.items() if exercise.lesson == lesson]
    problems = [problem for cell in notebook.cells for problem in _problems_of_cell(cell, expected)]
    for name in expected:
        problems += _problems_around(notebook.cells, name)
        problems += _problems_of_sections(notebook.cells, name, exercises[name])
    problems += _problems_of_guesses(notebook.cells)
    ends = [end for cell in notebook.cells if cell.cell_type == "markdown" for end in NEXT.findall(cell.source)]
    if following and not any(f"({following}.ipynb)" in end for end in ends):
        problems.append(f"the lesson's end, '**Next:** …', needs a link to the next one: [lesson …]({following}.ipynb)")
    return problems


def lesson_after(source: Path) -> str | None:
    """The lesson whose number is the next after that of this source; None where there is none yet."""
    number = int(source.stem.partition("_")[0]) + 1
    return next((path.stem for path in sorted(source.parent.glob(f"{number:02}_*.py"))), None)


def _problems_of_sections(cells: list[NotebookNode], name: str, exercise: ExerciseFacts) -> Iterator[str]:
    """The sections that teach what the exercise's mistakes get wrong are there."""
    headings = {found for cell in cells if cell.cell_type == "markdown" for found in HEADING.findall(cell.source)}
    for section in sorted(set(exercise.sections.values()) - headings):
        yield f"{name} has mistakes that the section {section!r} teaches; the lesson has no heading of that name"


def _problems_of_guesses(cells: list[NotebookNode]) -> Iterator[str]:
    """Each guess is asked for once, and taken up after that."""
    asked: list[str] = []
    taken_up: list[str] = []
    for cell in cells:
        if cell.cell_type == "code":
            asked += named_in_calls(cell.source, "guess")
            new = named_in_calls(cell.source, "guessed")
            yield from (f"guessed({name!r}) has no guess of that name above it" for name in new if name not in asked)
            taken_up += new
    for name in dict.fromkeys(asked):
        if asked.count(name) > 1:
            yield f"the guess {name!r} is asked for more than once"
        if name not in taken_up:
            yield f"the guess {name!r} is never taken up: guessed({name!r}) belongs after what it is about"


def _problems_of_cell(cell: NotebookNode, expected: list[str]) -> Iterator[str]:
    opening = f"the cell that begins {cell.source.splitlines()[0][:60]!r}" if cell.source else "an empty cell"
    marked = BEGIN in cell.source or END in cell.source
    if marked and role(cell) != "exercise":
        yield f"{opening} holds a solution marker; markers belong in exercise cells"
    if cell.cell_type != "code":
        for name in PLACEHOLDER.findall(cell.source):
            if name not in expected:
                yield f"'{{{{ solution {name} }}}}' names no exercise of this lesson"
        if "{{ solution" in PLACEHOLDER.sub("", cell.source):
            yield f"{opening} has a '{{{{ solution … }}}}' that doesn't stand on a line of its own"
        return
    if sum(tag in ROLES for tag in cell.metadata.get("tags", [])) != 1:
        yield f"{opening} needs exactly one of the tags {', '.join(ROLES)}"
    if role(cell) == "exercise":
        yield from _problems_of_exercise(cell.source, opening, expected)
    if role(cell) == "check" and cell.source not in [f"check({name})" for name in expected]:
        yield f"{opening} is a check cell, which must be exactly check(NAME) with an exercise of this lesson"


def _problems_of_exercise(source: str, opening: str, expected: list[str]) -> Iterator[str]:
    try:
        stub, solution = learner_code(source), solved_code(source)
        ast.parse(stub)
    except (SourceError, SyntaxError) as error:
        yield f"{opening} can't be made into an exercise: {error}"
        return
    if stub == solution:
        yield f"{opening} has no {BEGIN} … {END}"
    named = [name for name in names_in(stub) if name in expected]
    if len(named) != 1:
        yield f"{opening} must define one exercise of this lesson ({', '.join(expected) or 'it has none'})"


def _problems_around(cells: list[NotebookNode], name: str) -> Iterator[str]:
    """An exercise is followed by its hints and its folded solution, and then by its check."""
    roles = [role(cell) for cell in cells]
    exercises = [i for i, cell in enumerate(cells) if roles[i] == "exercise" and name in names_in(cell.source)]
    checks = [i for i, cell in enumerate(cells) if roles[i] == "check" and cell.source == f"check({name})"]
    if len(exercises) != 1:
        yield f"{name} needs exactly one exercise cell that defines it, and has {len(exercises)}"
    if len(checks) != 1:
        yield f"{name} needs exactly one check cell, check({name}), and has {len(checks)}"
    if len(exercises) != 1 or len(checks) != 1:
        return
    between = "\n\n".join(cell.source for cell in cells[exercises[0] : checks[0]] if cell.cell_type == "markdown")
    hints = HINT.findall(between)
    if len(hints) < FEWEST_HINTS or hints != [str(number + 1) for number in range(len(hints))]:
        found = f"found: {', '.join(hints)}" if hints else "found none"
        yield f"{name} needs hints 1 to {FEWEST_HINTS} or more between its exercise and its check; {found}"
    if name not in PLACEHOLDER.findall(between):
        yield f"{name} needs the line '{{{{ solution {name} }}}}' between its exercise and its check"


def names_in(source: str) -> list[str]:
    """The functions and classes that a cell defines; none where it isn't Python."""
    try:
        return defined_names(source)
    except SyntaxError:
        return []


def learner_code(source: str) -> str:
    """The exercise as the learner finds it: `raise NotImplementedError` where each solution was."""
    return _replace_solutions(source, lambda lines, indent: [f"{indent}raise NotImplementedError"])


def solved_code(source: str) -> str:
    """The exercise as it is solved: the source without its marker lines."""
    return _replace_solutions(source, lambda lines, indent: lines)


def _replace_solutions(source: str, replace: Callable[[list[str], str], list[str]]) -> str:
    kept: list[str] = []
    solution: list[str] | None = None
    indent = ""
    for line in source.split("\n"):
        marker = line.strip()
        if marker == BEGIN and solution is None:
            solution, indent = [], line[: line.index(BEGIN)]
        elif marker == END and solution is not None:
            kept += replace(solution, indent)
            solution = None
        elif BEGIN in line or END in line:
            raise SourceError("", [f"{marker!r} is without its partner, or isn't alone on its line"])
        else:
            (kept if solution is None else solution).append(line)
    if solution is not None:
        raise SourceError("", [f"a {BEGIN} has no {END}"])
    return "\n".join(kept)


def build_notebooks(
    source: Path, exercises: Exercises, opening: Sequence[NotebookNode] = ()
) -> tuple[NotebookNode, NotebookNode]:
    """The learner's notebook and the solved one, the latter not executed. Raises SourceError.

    opening: cells that follow the title in the learner's notebook alone.
    """
    lesson = source.stem
    notebook = read_source(source)
    if problems := problems_of_source(notebook, lesson, exercises, lesson_after(source)):
        raise SourceError(lesson, problems)
    solutions: dict[str, str] = {}
    for cell in cells_with_role(notebook, "exercise"):
        name = next(name for name in names_in(cell.source) if name in exercises)
        solutions[name] = solved_code(cell.source)
        cell.metadata.nbgrader = _nbgrader(snake_case(name), solution=True)
        cell.id = snake_case(name)
    for cell in cells_with_role(notebook, "check"):
        name = cell.source.removeprefix("check(").removesuffix(")")
        grade_id = f"check_{snake_case(name)}"
        cell.metadata.nbgrader = _nbgrader(grade_id, solution=False) | {"points": exercises[name].points}
        cell.id = grade_id
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = PLACEHOLDER.sub(lambda match: _folded(solutions[match[1]]), cell.source)
    for folded in ("figure", "claim"):
        for cell in cells_with_role(notebook, folded):
            _fold(cell)
    learner = copy.deepcopy(notebook)
    learner.cells = [cell for cell in learner.cells if role(cell) != "claim"]
    learner.cells[1:1] = [copy.deepcopy(cell) for cell in opening]
    return _with_exercises(learner, lesson, learner_code), _with_exercises(notebook, lesson, solved_code)


def _fold(cell: NotebookNode) -> None:
    """Hide the cell's code until a reader opens it: in JupyterLab, in Colab, and on sites that MyST-NB makes."""
    cell.metadata.jupyter = {"source_hidden": True}
    cell.metadata.cellView = "form"
    cell.metadata.tags.append("hide-input")


def _nbgrader(grade_id: str, solution: bool) -> dict[str, Any]:
    return {
        "grade": not solution,
        "grade_id": grade_id,
        "locked": not solution,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }


def _folded(solution: str) -> str:
    return f"<details><summary>Solution</summary>\n\n```python\n{solution}\n```\n\n</details>"


def _with_exercises(notebook: NotebookNode, lesson: str, convert: Callable[[str], str]) -> NotebookNode:
    converted = copy.deepcopy(notebook)
    for cell in cells_with_role(converted, "exercise"):
        cell.source = convert(cell.source)
    mark_as_built(converted, lesson)
    return converted

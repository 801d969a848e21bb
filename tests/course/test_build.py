"""The build: what stands in the two notebooks, what it refuses, and that nothing is lost or left over."""

import ast
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from bnn_core.autograder.exercises import EXERCISES as REAL_EXERCISES
from bnn_core.course import build
from bnn_core.course.lesson_source import SourceError, build_notebooks
from bnn_core.course.notebook_checks import check_notebook
from bnn_core.lesson_files import Course, build_mark, notebook_text, read_notebook, role

from .conftest import EXERCISES, LESSON, SOURCE

REAL_LESSONS = Course().sources()


def cell_named(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


def rewrite(course: Course, old: str, new: str) -> None:
    """Changes the lesson's source."""
    source = course.source(LESSON).read_text(encoding="utf-8")
    assert old in source
    course.source(LESSON).write_text(source.replace(old, new), encoding="utf-8")


def build_and_listen(course: Course, **options: bool) -> list[str]:
    said: list[str] = []
    build.build_lesson(course, LESSON, EXERCISES, say=said.append, **options)
    return said


def write_into(path: Path, index: int, text: str) -> None:
    """What a learner does in JupyterLab."""
    notebook = read_notebook(path)
    notebook.cells[index].source = text
    nbformat.write(notebook, path)


@pytest.fixture
def never_execute(monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(notebook: NotebookNode) -> NotebookNode:
        raise AssertionError("the build executed a notebook")

    monkeypatch.setattr(build, "execute", execute)


# What stands in the notebooks


def test_the_learners_notebook_holds_the_stub_and_no_output(course: Course) -> None:
    notebook = read_notebook(course.learner_notebook(LESSON))
    stub = cell_named(notebook, "double").source
    assert stub == 'def double(x):\n    """Twice x."""\n    # 1. Multiply.\n    raise NotImplementedError'
    assert not any(cell.outputs or cell.execution_count for cell in notebook.cells if cell.cell_type == "code")


def test_the_solved_notebook_is_executed(course: Course) -> None:
    notebook = read_notebook(course.solved_notebook(LESSON))
    solved = cell_named(notebook, "double").source
    assert solved == 'def double(x):\n    """Twice x."""\n    # 1. Multiply.\n    return 2 * x'
    printed, slider = notebook.cells[-3].outputs
    assert printed.text == "6.283185307179586\n"
    assert slider.data == {"text/plain": build.WIDGET_STAND_IN}


def test_a_widget_that_brings_its_own_html_keeps_that() -> None:
    data = {build.WIDGET: {"model_id": "1"}, "text/plain": "Which?", "text/html": "<p>Which?</p>"}
    shown = build._presentable(nbformat.v4.new_output("display_data", data))
    assert shown.data == {"text/plain": "Which?", "text/html": "<p>Which?</p>"}


@pytest.mark.parametrize("solved", [False, True])
def test_the_solution_is_folded_below_the_hints(course: Course, solved: bool) -> None:
    path = course.solved_notebook(LESSON) if solved else course.learner_notebook(LESSON)
    text = read_notebook(path).cells[3].source
    assert text.endswith("    return 2 * x\n```\n\n</details>")
    assert "{{" not in text


@pytest.mark.parametrize("solved", [False, True])
def test_cells_carry_nbgraders_metadata(course: Course, solved: bool) -> None:
    notebook = read_notebook(course.solved_notebook(LESSON) if solved else course.learner_notebook(LESSON))
    exercise, check = cell_named(notebook, "double"), cell_named(notebook, "check_double")
    common = {"schema_version": 3, "task": False}
    assert exercise.metadata.nbgrader == common | {
        "grade": False, "solution": True, "locked": False, "grade_id": "double"
    }  # fmt: skip
    assert check.metadata.nbgrader == common | {
        "grade": True, "solution": False, "locked": True, "grade_id": "check_double", "points": 3
    }  # fmt: skip
    assert (role(exercise), role(check)) == ("exercise", "check")


def test_claims_stand_in_the_solved_notebook_only(course: Course) -> None:
    held = {
        solved: any("assert double" in cell.source for cell in read_notebook(path).cells)
        for solved, path in ((True, course.solved_notebook(LESSON)), (False, course.learner_notebook(LESSON)))
    }
    assert held == {True: True, False: False}


def test_a_claim_that_does_not_hold_is_refused(course: Course) -> None:
    rewrite(course, "double(math.pi) > 6", "double(math.pi) > 7")
    with pytest.raises(SourceError, match="AssertionError"):
        build_and_listen(course)


@pytest.mark.parametrize("solved", [False, True])
def test_what_only_draws_or_asserts_is_folded(course: Course, solved: bool) -> None:
    notebook = read_notebook(course.solved_notebook(LESSON) if solved else course.learner_notebook(LESSON))
    folded = {role(cell) for cell in notebook.cells if cell.metadata.get("jupyter", {}).get("source_hidden")}
    assert folded == ({"figure", "claim"} if solved else {"figure"})
    for cell in notebook.cells:
        ways = "hide-input" in cell.metadata.get("tags", []), cell.metadata.get("cellView") == "form"
        assert set(ways) == {role(cell) in folded}


def test_one_source_gives_one_text(course: Course) -> None:
    rewrite(course, "# # Twice as much", "# # Twice as much\n\n# %% [markdown]\n# # Twice as much")
    first, second = (
        [notebook_text(notebook) for notebook in build_notebooks(course.source(LESSON), EXERCISES)] for _ in "ab"
    )
    assert first == second


def test_both_notebooks_say_what_language_they_are_in(course: Course) -> None:
    """Without all of it, `nbconvert --to script` writes a .txt; a version would change from machine to machine."""
    for path in (course.learner_notebook(LESSON), course.solved_notebook(LESSON)):
        told = read_notebook(path).metadata["language_info"]
        assert told["file_extension"] == ".py"
        assert {"mimetype", "name", "nbconvert_exporter", "pygments_lexer"} < told.keys()
        assert "version" not in told


def test_the_picture_is_the_one_in_the_solved_notebook(course: Course) -> None:
    assert course.picture(LESSON).read_bytes() == b"ABC"


# When it executes, and what it writes


@pytest.mark.usefixtures("never_execute")
def test_an_unchanged_source_changes_nothing(course: Course) -> None:
    assert build_and_listen(course) == []


@pytest.mark.usefixtures("never_execute")
def test_changed_prose_keeps_the_outputs(course: Course) -> None:
    rewrite(course, "Twice as much", "Two times as much")
    assert build_and_listen(course) == [f"wrote solutions/{LESSON}.ipynb", f"wrote lessons/{LESSON}.ipynb"]
    assert read_notebook(course.solved_notebook(LESSON)).cells[-3].outputs[0].text == "6.283185307179586\n"


@pytest.mark.usefixtures("never_execute")
@pytest.mark.parametrize("force", [False, True])
def test_changed_code_or_force_executes(course: Course, force: bool) -> None:
    if not force:
        rewrite(course, "double(math.pi)", "double(math.e)")
    with pytest.raises(AssertionError, match="executed"):
        build_and_listen(course, force=force)


def test_a_solution_that_does_not_run_is_refused_and_nothing_written(course: Course) -> None:
    before = course.learner_notebook(LESSON).read_bytes(), course.solved_notebook(LESSON).read_bytes()
    rewrite(course, "return 2 * x", "return 3 * x")
    with pytest.raises(SourceError, match="AssertionError"):
        build_and_listen(course)
    assert (course.learner_notebook(LESSON).read_bytes(), course.solved_notebook(LESSON).read_bytes()) == before


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (nbformat.v4.new_output("stream", name="stderr", text="UserWarning: no"), "prints a warning: UserWarning"),
        (nbformat.v4.new_output("stream", name="stdout", text="in /home/me/x.py"), "a path of this machine"),
        (nbformat.v4.new_output("display_data", {"text/html": "C:\\Users\\me"}), "a path of this machine"),
        (nbformat.v4.new_output("execute_result", {"text/plain": "<f at 0x7fda1c0b>"}), "a memory address"),
        (nbformat.v4.new_output("error", ename="KeyError", evalue="", traceback=[]), "error: KeyError"),
    ],
)
def test_what_only_this_machine_prints_is_refused(output: NotebookNode, problem: str) -> None:
    cell = nbformat.v4.new_code_cell("f()", execution_count=1, outputs=[output])
    assert problem in build.problems_of_outputs(nbformat.v4.new_notebook(cells=[cell]))[0]


def test_a_picture_may_hold_any_letters() -> None:
    data = {"text/html": "<img src='data:image/png;base64,AAAA/tmp/AAAA'>", "image/png": "/root/"}
    output = nbformat.v4.new_output("display_data", data)
    cell = nbformat.v4.new_code_cell("f()", execution_count=1, outputs=[output])
    assert build.problems_of_outputs(nbformat.v4.new_notebook(cells=[cell])) == []


# What it refuses

REFUSED = {
    "no check": ('# %% tags=["check"]\ncheck(double)\n', "", "needs exactly one check cell"),
    "two checks": ("check(double)\n", 'check(double)\n\n# %% tags=["check"]\ncheck(double)\n', "has 2"),
    "a check that does more": ("check(double)\n", "check(double)\nprint(1)\n", "must be exactly check"),
    "a check of nothing": ("check(double)\n", "check(triple)\n", "must be exactly check"),
    "a check of another lesson": ("check(double)\n", "check(elsewhere)\n", "must be exactly check"),
    "no hints": ("summary>Hint", "summary>Note", "found none"),
    "two hints": ("summary>Hint 3", "summary>Note", "found: 1, 2"),
    "hints in another order": ("summary>Hint 2", "summary>Hint 4", "found: 1, 4, 3"),
    "no folded solution": ("# {{ solution double }}\n", "#\n", "needs the line '{{ solution double }}'"),
    "a folded solution of nothing": ("# {{ solution double }}", "# {{ solution triple }}", "names no exercise"),
    "a placeholder inside a line": ("# {{ solution", "# See {{ solution", "a line of its own"),
    "an unknown exercise": ("def double(x)", "def triple(x)", "must define one exercise"),
    "another lesson's exercise": ("def double(x)", "def elsewhere(x)", "must define one exercise"),
    "an exercise without its tag": ('tags=["exercise"]', 'tags=["setup"]', "markers belong in exercise cells"),
    "no tag": (' tags=["experiment"]', "", "exactly one of the tags"),
    "two tags": ('tags=["experiment"]', 'tags=["experiment", "figure"]', "exactly one of the tags"),
    "no solution": ("    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION\n", "    return 2\n", "has no"),
    "a marker without its partner": ("    ### END SOLUTION\n", "", "has no ### END SOLUTION"),
    "a marker in the text": ("# # Twice as much", "# ### END SOLUTION", "markers belong in exercise cells"),
    "a marker beside code": ("2 * x\n", "2 * x  ### BEGIN SOLUTION\n", "without its partner"),
    "a guess that is asked twice": ("import math\n", 'guess("a", "?", "bc")\nguess("a")\n', "more than once"),
    "a guess that nothing takes up": ("import math\n", 'guess("a", "?", "bc")\n', "is never taken up"),
    "what nobody guessed": ("import math\n", 'guessed("a")\n', "has no guess of that name above it"),
    "a stub that isn't Python": ("    # 1. Multiply.\n", "   oh dear\n", "can't be made into an exercise"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "problem"), REFUSED.values(), ids=list(REFUSED))
def test_a_source_that_lacks_something_is_refused(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in SOURCE
    source = tmp_path / f"{LESSON}.py"
    source.write_text(SOURCE.replace(old, new), encoding="utf-8")
    with pytest.raises(SourceError) as refused:
        build_notebooks(source, EXERCISES)
    assert any(problem in line for line in refused.value.problems)


# What a learner wrote


def kept(course: Course) -> list[Path]:
    return sorted(course.kept.glob("*")) if course.kept.exists() else []


@pytest.mark.parametrize("cell", [2, 3], ids=["code", "text"])
def test_a_learners_work_is_kept(course: Course, cell: int) -> None:
    path = course.learner_notebook(LESSON)
    write_into(path, cell, "my own work")
    work = path.read_bytes()
    said = build_and_listen(course)
    [copy] = kept(course)
    assert copy.read_bytes() == work
    assert f"lessons/{LESSON}.ipynb held your own work, which is now in lessons/.kept/{copy.name}" in said
    assert build.differences(course, EXERCISES) == []


def test_two_works_are_both_kept(course: Course) -> None:
    for work in ("first", "second"):
        write_into(course.learner_notebook(LESSON), 2, work)
        build_and_listen(course)
    assert [read_notebook(path).cells[2].source for path in kept(course)] == ["first", "second"]


def test_a_broken_notebook_is_kept(course: Course) -> None:
    course.learner_notebook(LESSON).write_text("{ half a note", encoding="utf-8")
    build_and_listen(course)
    assert [path.read_text(encoding="utf-8") for path in kept(course)] == ["{ half a note"]


def test_a_notebook_that_was_only_run_is_not_kept(course: Course) -> None:
    path = course.learner_notebook(LESSON)
    notebook = read_notebook(path)
    notebook.cells[1].execution_count = 7
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.2"}
    nbformat.write(notebook, path)
    assert build_and_listen(course) == [f"wrote lessons/{LESSON}.ipynb"]
    assert kept(course) == []


def test_an_old_build_that_nobody_edited_is_not_kept(course: Course) -> None:
    rewrite(course, "Twice as much", "Two times as much")
    build_and_listen(course)
    assert kept(course) == []


# What is left over, and what isn't up to date


OTHER = "02_tripling"


@pytest.fixture
def course_of_two(course: Course) -> Course:
    """The small course with a second source, so that it still has one when the first is deleted."""
    course.source(OTHER).write_text("# %% [markdown]\n# # Three times as much\n", encoding="utf-8")
    build.build_lesson(course, OTHER, EXERCISES, say=lambda _: None)
    return course


def test_notebooks_whose_source_was_deleted_are_removed_and_work_in_them_kept(course_of_two: Course) -> None:
    course = course_of_two
    write_into(course.learner_notebook(LESSON), 2, "my own work")
    write_into(course.solved_notebook(LESSON), 0, "notes for my class")
    course.source(LESSON).unlink()
    assert {found.reason for found in build.differences(course, EXERCISES)} == {"is left over: its source is gone"}
    build.remove_left_over(course, say=lambda _: None)
    assert [*course.lessons.glob("*.ipynb")] == [course.learner_notebook(OTHER)]
    assert [*course.solutions.glob("*.ipynb")] == [course.solved_notebook(OTHER)]
    assert len(kept(course)) == 1
    assert len([*course.solutions.glob(".kept/*")]) == 1


def hand_out_without_solutions(course: Course) -> None:
    shutil.rmtree(course.solutions)


def hand_out_with_one_solution(course: Course) -> None:
    course.source(LESSON).unlink()
    course.solved_notebook(LESSON).unlink()


def hand_out_with_solved_notebooks_alone(course: Course) -> None:
    for lesson in course.sources():
        course.source(lesson).unlink()


def leave_solutions_empty(course: Course) -> None:
    shutil.rmtree(course.solutions)
    course.solutions.mkdir()


@pytest.mark.parametrize(
    "hand_out",
    [
        hand_out_without_solutions,
        hand_out_with_one_solution,
        hand_out_with_solved_notebooks_alone,
        leave_solutions_empty,
    ],
)
def test_nothing_of_a_course_that_was_handed_out_is_removed(
    course_of_two: Course, hand_out: Callable[[Course], None]
) -> None:
    course = course_of_two
    write_into(course.learner_notebook(LESSON), 2, "my own work")
    hand_out(course)
    before = sorted(course.root.rglob("*.ipynb"))
    said: list[str] = []
    build.remove_left_over(course, say=said.append)
    assert (sorted(course.root.rglob("*.ipynb")), said) == (before, [])


def test_a_learners_copies_of_a_lesson_stay(course_of_two: Course) -> None:
    course = course_of_two
    copies = [course.lessons / name for name in (f"{LESSON}-Copy1.ipynb", "my doubling.ipynb")]
    for copy in copies:
        shutil.copy(course.learner_notebook(LESSON), copy)
    course.source(LESSON).unlink()
    build.remove_left_over(course, say=lambda _: None)
    assert all(copy.exists() for copy in copies)


def test_a_lesson_without_its_source_here_is_not_said_to_be_what_its_source_says(course_of_two: Course) -> None:
    course = course_of_two
    hand_out_with_one_solution(course)
    [found] = build.differences(course, EXERCISES)
    assert (found.path, found.reason[:18]) == (course.learner_notebook(LESSON), "has no source here")


def test_notes_in_a_solved_notebook_are_kept(course: Course) -> None:
    write_into(course.solved_notebook(LESSON), 0, "notes for my class")
    build_and_listen(course)
    [copy] = course.solutions.glob(".kept/*")
    assert read_notebook(copy).cells[0].source == "notes for my class"


def test_a_persons_own_notebook_stays(course: Course) -> None:
    own = course.lessons / "scratch.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), own)
    assert build.differences(course, EXERCISES) == []
    build.remove_left_over(course)
    assert own.exists()


def solve_in_the_learners(course: Course) -> None:
    write_into(course.learner_notebook(LESSON), 2, "def double(x):\n    return 2 * x")


def lose_the_learners(course: Course) -> None:
    course.learner_notebook(LESSON).unlink()


def lose_the_solved(course: Course) -> None:
    course.solved_notebook(LESSON).unlink()


def change_the_solved(course: Course) -> None:
    write_into(course.solved_notebook(LESSON), 0, "# Twice as little")


def lose_an_output(course: Course) -> None:
    notebook = read_notebook(course.solved_notebook(LESSON))
    notebook.cells[1].execution_count = None
    course.solved_notebook(LESSON).write_text(notebook_text(notebook), encoding="utf-8")


def change_the_picture(course: Course) -> None:
    course.picture(LESSON).write_bytes(b"another")


def change_a_pinned_version(course: Course) -> None:
    (course.root / "requirements.txt").write_text("torch==0.1", encoding="utf-8")


def change_the_source(course: Course) -> None:
    rewrite(course, "Twice", "Two times")


def break_the_source(course: Course) -> None:
    rewrite(course, "{{ solution double }}", "")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (solve_in_the_learners, ["lessons/01_doubling.ipynb differs"]),
        (lose_the_learners, ["lessons/01_doubling.ipynb is missing"]),
        (lose_the_solved, ["solutions/01_doubling.ipynb is missing"]),
        (change_the_solved, ["solutions/01_doubling.ipynb differs"]),
        (lose_an_output, ["solutions/01_doubling.ipynb the cell that begins 'import math' has not been run"]),
        (change_the_source, ["lessons/01_doubling.ipynb differs", "solutions/01_doubling.ipynb differs"]),
        (change_a_pinned_version, ["solutions/01_doubling.ipynb shows what earlier code of the course printed"]),
        (change_the_picture, ["solutions/images/01_doubling.png is not the picture"]),
        (break_the_source, ["solutions/01_doubling.py double needs the line"]),
    ],
)
@pytest.mark.usefixtures("never_execute")
def test_what_is_not_up_to_date_is_found(course: Course, change: Callable[[Course], None], expected: list[str]) -> None:
    change(course)
    found = [f"{course.shown(one.path)} {one.reason}" for one in build.differences(course, EXERCISES)]
    assert len(found) == len(expected)
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True))


@pytest.mark.usefixtures("never_execute")
def test_outputs_of_earlier_code_are_made_anew(course: Course) -> None:
    change_a_pinned_version(course)
    with pytest.raises(AssertionError, match="executed"):
        build_and_listen(course)


@pytest.mark.parametrize(
    ("code", "same"),
    [
        ("# Twice.\ndef f(x):\n\n    return 2 * x  ", True),
        ("def f(x):\n    return 3 * x", False),
    ],
)
def test_code_is_what_runs_and_not_its_comments(code: str, same: bool) -> None:
    assert (build.code_lines(code) == build.code_lines("def f(x):\n    return 2 * x")) == same


# The course's own lessons, built from their sources: the files in lessons/ may hold a learner's work


@pytest.mark.parametrize("lesson", REAL_LESSONS)
def test_every_stub_is_not_attempted_and_every_solution_passes(lesson: str, tmp_path: Path) -> None:
    learner, solved = build_notebooks(Course().source(lesson), REAL_EXERCISES)
    statuses = {}
    for name, notebook in (("learner", learner), ("solved", solved)):
        path = tmp_path / f"{name}.ipynb"
        path.write_text(notebook_text(notebook), encoding="utf-8")
        statuses[name] = {report.status for report in check_notebook(path, lesson).reports}
    assert statuses == {"learner": {"not_attempted"}, "solved": {"passed"}}


@pytest.mark.parametrize("lesson", REAL_LESSONS)
def test_a_lesson_is_valid_and_its_code_is_python(lesson: str) -> None:
    for notebook in build_notebooks(Course().source(lesson), REAL_EXERCISES):
        nbformat.validate(notebook)
        assert build_mark(notebook) is not None
        for cell in notebook.cells:
            if cell.cell_type == "code":
                ast.parse(cell.source)


def test_a_section_that_teaches_must_be_there(tmp_path: Path) -> None:
    source = tmp_path / f"{LESSON}.py"
    source.write_text(SOURCE, encoding="utf-8")
    exercise = replace(EXERCISES["double"], sections={"halved": "How to double", "added": "Twice as much"})
    with pytest.raises(SourceError, match="the section 'How to double' teaches"):
        build_notebooks(source, {"double": exercise})


@pytest.mark.parametrize(
    ("end", "is_enough"),
    [
        ("", False),
        ("**Next:** lesson 02.", False),
        ("It goes on in [lesson 02](02_tripling.ipynb).", False),
        ("**Next:** [lesson 02](02_tripling.ipynb).", True),
        ("**Next:** three times as much, in\n# [lesson 02](02_tripling.ipynb).", True),
    ],
)
def test_a_lessons_end_leads_to_the_next(tmp_path: Path, end: str, is_enough: bool) -> None:
    source = tmp_path / f"{LESSON}.py"
    without = SOURCE.replace("**Next:**", "Later:")
    source.write_text(f"{without}\n# %% [markdown]\n# The end.\n#\n# {end}\n", encoding="utf-8")
    build_notebooks(source, EXERCISES)  # nothing comes after it
    (tmp_path / "03_fourfold.py").touch()
    build_notebooks(source, EXERCISES)  # the next one isn't there yet
    (tmp_path / f"{OTHER}.py").touch()
    if is_enough:
        build_notebooks(source, EXERCISES)
        return
    with pytest.raises(SourceError, match=r"needs a link to the next one: \[lesson …\]\(02_tripling.ipynb\)"):
        build_notebooks(source, EXERCISES)

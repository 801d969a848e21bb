"""`check` in a kernel: of which cell's run its verdict is, and what it says of a name that nobody has defined."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from IPython.core.interactiveshell import InteractiveShell
from zoo import sample_preactivation as zoo

from bnn_core.autograder.in_notebook import ChecksFailed, NoExercise

IMPORT = "from bnn_core.autograder import check, in_notebook, kernel\nkernel.explain_missing(in_notebook.EXERCISES)"
BROKEN = zoo.BASE.replace("return mean +", "return mean + (")


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance()
    made.history_manager.enabled = False
    made.run_cell(IMPORT, store_history=True)
    yield made
    made.history_manager.end_session()
    InteractiveShell.clear_instance()


def checked(shell: InteractiveShell, *cells: str, what: str = zoo.EXERCISE) -> tuple[str, BaseException | None]:
    """What a check says that is run after these cells: its report or its error."""
    for cell in cells:
        shell.run_cell(cell, store_history=True)
    result = shell.run_cell(f"check({what})", store_history=True)
    error = result.error_in_exec
    return (str(error) if error is not None else ""), error


@pytest.mark.parametrize("broken", [BROKEN, zoo.BASE.replace("import torch\n", "import torch\nno_such_name\n", 1)])
def test_a_verdict_on_an_earlier_run_says_so(
    shell: InteractiveShell, broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    checked(shell, zoo.BASE, broken)
    assert "that the cell run as [2] defined. The one run as [3]" in capsys.readouterr().out


def test_a_verdict_on_the_latest_run_says_nothing(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    checked(shell, BROKEN, zoo.BASE, "1 + 1")
    printed = capsys.readouterr().out
    assert "all 13 checks passed" in printed
    assert "run as" not in printed


def test_a_failed_verdict_says_it_too(shell: InteractiveShell) -> None:
    said, error = checked(shell, zoo.BASE.replace("+ std * epsilon", ""), BROKEN)
    assert isinstance(error, ChecksFailed)
    assert "run as [3]" in said.splitlines()[0]


@pytest.mark.parametrize("by", ["a reader", "a program"])
def test_what_a_reader_has_seen_is_not_said_twice(shell: InteractiveShell, by: str) -> None:
    shell.kernel = SimpleNamespace(_allow_stdin=by == "a reader")
    said, error = checked(shell, zoo.BASE.replace("+ std * epsilon", ""))
    assert isinstance(error, ChecksFailed)
    assert (len(said.splitlines()) == 1) == (by == "a reader")
    assert error._render_traceback_() == [f"ChecksFailed: {said}"]


def test_a_name_that_is_not_defined_is_told_in_a_line(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    checked(shell)
    assert capsys.readouterr().out.strip() == (
        "sample_preactivation isn't defined yet: write it, run its cell, and then run this one again."
    )


def test_any_other_name_error_is_shown_as_ever(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    checked(shell, what="no_such_name")
    assert "Traceback" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("BayesianLinear(2, 3)", "wants the class itself, and not one object of it: check(BayesianLinear)"),
        ("lambda X, A_mean, A_scale: X @ A_mean", "A lambda has no name"),
        ("3", "check(int) is no exercise"),
    ],
)
def test_what_is_no_exercise_is_told_why(shell: InteractiveShell, what: str, said: str) -> None:
    message, error = checked(shell, "class BayesianLinear:\n    def __init__(self, *_): pass", what=what)
    assert isinstance(error, NoExercise)
    assert said in message


def test_what_stands_around_a_function_is_looked_through(shell: InteractiveShell) -> None:
    for what in ("functools.partial(sample_preactivation)", "torch.func.vmap(sample_preactivation, (0, None, None))"):
        _, error = checked(shell, f"import functools, torch\n{zoo.BASE}", what=what)
        assert not isinstance(error, NoExercise)

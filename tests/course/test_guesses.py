"""The learner's guesses: asked, remembered, shown again; and that they disturb no lesson, whatever the folder is."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from ipywidgets import Layout

from bnn_core import guesses
from bnn_core.course.build import WIDGET, execute
from bnn_core.guesses import FILE, guess, guessed, guesses_made
from bnn_core.lesson_files import mark_as_built, named_in_calls

from .conftest import OWN

OPTIONS = ["all 20", "about half", "one or two"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(guesses, "FOLDER", tmp_path)
    restart()
    yield tmp_path
    restart()


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the notebook has been given to show."""
    items: list[Any] = []
    monkeypatch.setattr("IPython.display.display", items.append)
    return items


def restart() -> None:
    """A kernel that begins anew knows what the file knows."""
    guesses._answers.clear()
    guesses._echoes.clear()


def ask(shown: list[Any], name: str = "alive") -> Any:
    """The radio buttons of a guess."""
    guess(name, "How many of <20>?", OPTIONS)
    return shown[-1]._widget.children[1]


def echo(shown: list[Any], name: str = "alive") -> str:
    guessed(name)
    return repr(shown[-1])


def test_a_guess_is_remembered_across_a_restart(shown: list[Any]) -> None:
    buttons = ask(shown)
    assert buttons.value is None
    buttons.value = "about half"
    restart()
    assert ask(shown).value == "about half"
    assert echo(shown) == "You guessed: about half"


def test_the_last_click_counts_and_other_guesses_stay(shown: list[Any], folder: Path) -> None:
    ask(shown, "other").value = "all 20"
    buttons = ask(shown)
    buttons.value = "about half"
    buttons.value = "one or two"
    restart()
    assert guesses_made(folder) == {"other": "all 20", "alive": "one or two"}


def test_what_is_shown_follows_a_change_of_mind(shown: list[Any]) -> None:
    buttons = ask(shown)
    assert echo(shown) == "No guess was made."
    line = shown[-1]._widget.children[0]
    buttons.value = "about half"
    assert line.value == "You guessed: about half"


def test_without_a_click_nothing_is_written(shown: list[Any], folder: Path) -> None:
    ask(shown)
    echo(shown)
    assert list(folder.iterdir()) == []


def test_what_a_notebook_gets_is_a_widget_a_list_and_a_text(shown: list[Any]) -> None:
    ask(shown)
    bundle = shown[-1]._repr_mimebundle_()
    assert set(bundle) == {WIDGET, "text/html", "text/plain"}
    assert bundle["text/plain"] == "How many of <20>?\n  ○ all 20\n  ○ about half\n  ○ one or two"
    assert "<b>How many of &lt;20&gt;?</b>" in bundle["text/html"]
    assert bundle["text/html"].count("<li>") == 3
    assert "&lt;20&gt;" in shown[-1]._widget.children[0].value


def test_the_widgets_of_version_7_are_shown_too(shown: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Colab: a widget there has no MIME bundle to give, and a layout has one border for all sides."""

    def layout(**options: str) -> Layout:
        assert not [name for name in options if name.startswith("border_")]
        return Layout(**options)

    monkeypatch.delattr("ipywidgets.Widget._repr_mimebundle_")
    monkeypatch.setattr("ipywidgets.Layout", layout)
    guess("alive", "How many?", OPTIONS)
    guessed("alive")
    for item in shown:
        view = item._repr_mimebundle_()[WIDGET]
        assert view == {"version_major": 2, "version_minor": 0, "model_id": item._widget.model_id}


def test_where_there_are_no_widgets_the_list_is_shown(shown: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    guess("alive", "How many?", OPTIONS)
    guessed("alive")
    assert [set(item._repr_mimebundle_()) for item in shown] == [{"text/html", "text/plain"}] * 2


@pytest.mark.parametrize("options", [[], ["one"], ["one", "one"]], ids=str)
def test_options_must_be_different_ones(options: list[str]) -> None:
    with pytest.raises(ValueError, match="options must be at least two"):
        guess("alive", "How many?", options)


# Folders and files that aren't as they should be


BROKEN = [
    b"", b"\xff\xfe\x00", b"{", b"[]\n3\nnull", b'{"guess": "alive", "answer": 3}', b'{"guess": "alive"}',
    b'{"guess": "alive", "answer": "\\ud800"}', b"[" * 100_000, b"\n" * 10, b'{"guess": "alive", "ans',
]  # fmt: skip


@pytest.mark.parametrize("content", BROKEN, ids=lambda content: ascii(content[:20]))
def test_a_broken_file_is_passed_over_and_mended(shown: list[Any], folder: Path, content: bytes) -> None:
    (folder / FILE).write_bytes(content)
    assert echo(shown) == "No guess was made."
    ask(shown).value = "all 20"
    restart()
    assert echo(shown) == "You guessed: all 20"


def test_an_answer_that_is_no_longer_offered_is_not_chosen(shown: list[Any], folder: Path) -> None:
    (folder / FILE).write_text('{"guess": "alive", "answer": "seven"}', encoding="utf-8")
    assert ask(shown).value is None


def test_of_an_endless_file_the_end_is_read(shown: list[Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "MOST_BYTES", 100)
    (folder / FILE).write_bytes(b"x" * 1000)
    ask(shown).value = "all 20"
    assert guesses_made(folder) == {"alive": "all 20"}


def make_a_folder_of_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / FILE).mkdir()


def remove_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.rmdir()


def start_nowhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "FOLDER", None)


def forbid_writing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.name == "posix" and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    folder.chmod(0o500)


@pytest.mark.parametrize("spoil", [make_a_folder_of_the_file, remove_the_folder, start_nowhere, forbid_writing])
def test_where_nothing_can_be_written_a_guess_lasts_as_long_as_its_kernel(
    shown: list[Any], folder: Path, monkeypatch: pytest.MonkeyPatch, spoil: Any
) -> None:
    spoil(folder, monkeypatch)
    ask(shown).value = "all 20"
    assert "can't be written to" in shown[-1]._widget.children[2].value.replace("&#x27;", "'")
    assert echo(shown) == "You guessed: all 20"
    restart()
    assert echo(shown) == "No guess was made."


def test_several_kernels_lose_nothing(folder: Path) -> None:
    code = (
        "import sys; from bnn_core import guesses\n"
        "for number in range(200): guesses._remember(f'{sys.argv[1]}-{number}', 'yes')"
    )
    kernels = [subprocess.Popen([sys.executable, "-c", code, name], cwd=folder) for name in "abc"]
    assert [kernel.wait(timeout=60) for kernel in kernels] == [0, 0, 0]
    assert len(guesses_made(folder)) == 600


# In a notebook


def test_a_solved_notebook_shows_question_and_options_and_writes_nothing() -> None:
    source = 'from pathlib import Path\nfrom bnn_core.guesses import guess\nguess("a", "Which?", ["one", "two"])'
    cells = [nbformat.v4.new_code_cell(code) for code in (source, "print([*Path.cwd().glob('.guess*')])")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    mark_as_built(notebook, "01_doubling")
    asked, listed = execute(notebook).cells
    assert asked.outputs[0].data["text/plain"] == "Which?\n  ○ one\n  ○ two"
    assert set(asked.outputs[0].data) == {"text/plain", "text/html"}
    assert listed.outputs[0].text == "[]\n"


def test_every_guess_of_the_course_has_a_name_of_its_own() -> None:
    sources = [OWN.source(lesson).read_text(encoding="utf-8") for lesson in OWN.sources()]
    names = Counter(name for source in sources for name in named_in_calls(source, "guess"))
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('guess("a", "?", [1])\nguess("b")', ["a", "b"]),
        ("guess(name)\nguess()\nother('a')\nx.guess('a')", []),
        ("guess('a'", []),
        ("%guess", []),
    ],
)
def test_the_guesses_of_a_cell_are_found(source: str, names: list[str]) -> None:
    assert named_in_calls(source, "guess") == names

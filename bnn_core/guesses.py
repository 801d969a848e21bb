"""A learner's guesses: asked before an experiment, remembered across restarts, and shown again after it.

What was guessed stands in one small file beside the notebook, a line of JSON for each click. A line is written at once
and whole, so two kernels don't disturb each other; what can't be read is passed over; and where nothing can be written,
a guess lasts as long as its kernel. Nothing is written before a click. This module knows no experiment, nor which
option is right.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

FILE = ".guesses.jsonl"
"""In the folder of the learner's notebooks."""

MOST_BYTES = 1_000_000
"""Of a larger file only the end is read."""

FORGETFUL = "This folder can't be written to: your guess is forgotten when the kernel restarts."

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

BORDER = "4px solid #0072B2"
PADDING = "0.2em 1em"

# The frame is set here, for ipywidgets 7 has no layout with a border on one side.
FRAME = f".bnn-guess {{border-left: {BORDER}; padding: {PADDING};}}"

# On a narrow screen an option takes several lines, for which ipywidgets leaves no room.
STYLE = """
.bnn-guess .widget-html-content {line-height: 1.4;}
.bnn-guess .widget-radio-box {margin-bottom: 0 !important;}
.bnn-guess .widget-radio-box label {display: flex; flex-direction: row-reverse; justify-content: flex-end;
  align-items: flex-start; height: auto; line-height: 1.4; white-space: normal; padding: .15em 0;}
.bnn-guess .widget-radio-box input {float: none; flex: none; height: 1.4em; line-height: 1.4;}
"""


def guess(name: str, question: str, options: Sequence[str]) -> None:
    """Ask for a guess with one click, by radio buttons; where widgets don't run, show question and options.

    name: by which `guessed` finds the answer; the course has it once. question, options: plain text.
    Raises: ValueError where there are fewer than two options, or two are the same.
    """
    if len(options) < 2 or len(set(options)) < len(options):
        raise ValueError(f"options must be at least two, and all different; not {list(options)}")
    text = "\n".join([question, *(f"  ○ {option}" for option in options)])
    items = "".join(f"<li>{escape(option)}</li>" for option in options)
    html = f'<p><b>{escape(question)}</b></p><ul style="list-style-type: circle">{items}</ul>'
    _display(text, html, _buttons(name, question, options))


def guessed(name: str) -> None:
    """Show what was guessed, or that nothing was. What is shown follows a change of mind."""
    text = _echo(name)
    _display(text, f"<p>{escape(text)}</p>", _echo_widget(name, text))


def guesses_made(folder: Path) -> dict[str, str]:
    """The last answer to each guess, by its name, that was made in the notebooks of this folder."""
    try:
        with (folder / FILE).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - MOST_BYTES))
            lines = file.read(MOST_BYTES).splitlines()
    except OSError:
        return {}
    return dict(filter(None, map(_entry, lines)))


def _entry(line: bytes) -> tuple[str, str] | None:
    """The name and the answer in a line of the file; None for a line that holds anything else."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match found:
        case {"guess": str(name), "answer": str(answer)} if answer.isprintable():
            return name, answer
    return None


def _current_folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it has been deleted
        return None


FOLDER = _current_folder()
"""Where Jupyter started this kernel: in its notebook's folder. The learner's code may go elsewhere later."""

_answers: dict[str, str] = {}
"""What was guessed in this kernel; it counts more than the file."""

_echoes: dict[str, Any] = {}
"""For each guess the widget in which `guessed` last showed it."""


def _remember(name: str, answer: str) -> bool:
    """Keep the answer, and say whether it will be known after a restart."""
    _answers[name] = answer
    if FOLDER is None:
        return False
    # The line break comes first: whatever stands before, this line is one of its own.
    line = f"\n{json.dumps({'guess': name, 'answer': answer})}".encode()
    try:
        with (FOLDER / FILE).open("ab", buffering=0) as file:
            return file.write(line) == len(line)
    except OSError:
        return False


def _answer(name: str) -> str | None:
    made = guesses_made(FOLDER) if FOLDER is not None else {}
    return (made | _answers).get(name)


def _echo(name: str) -> str:
    answer = _answer(name)
    return "No guess was made." if answer is None else f"You guessed: {answer}"


def _buttons(name: str, question: str, options: Sequence[str]) -> Any:
    """The widget that asks; None where there are no widgets."""
    try:
        import ipywidgets
    except ImportError:
        return None
    answer = _answer(name)
    layout = ipywidgets.Layout(width="auto")
    choice = ipywidgets.RadioButtons(options=options, value=answer if answer in options else None, layout=layout)
    note = ipywidgets.HTML()

    def take(change: Any) -> None:
        note.value = "" if _remember(name, change["new"]) else escape(FORGETFUL)
        if name in _echoes:
            _echoes[name].value = escape(_echo(name))

    choice.observe(take, names="value")
    return _framed(ipywidgets.HTML(f"<b>{escape(question)}</b>"), choice, note)


def _echo_widget(name: str, text: str) -> Any:
    try:
        import ipywidgets
    except ImportError:
        return None
    _echoes[name] = ipywidgets.HTML(escape(text))
    return _framed(_echoes[name])


def _framed(*widgets: Any) -> Any:
    import ipywidgets

    style = ipywidgets.HTML(f"<style>{FRAME}{STYLE}</style>", layout=ipywidgets.Layout(display="none"))
    return ipywidgets.VBox([*widgets, style]).add_class("bnn-guess")


def _display(text: str, html: str, widget: Any) -> None:
    from IPython.display import display

    display(_Shown(text, f'<div style="border-left: {BORDER}; padding: {PADDING}">{html}</div>', widget))


class _Shown:
    """What a notebook shows as a widget where widgets run, else as HTML, and everything else as text."""

    def __init__(self, text: str, html: str, widget: Any) -> None:
        self._text, self._html, self._widget = text, html, widget

    def __repr__(self) -> str:
        return self._text

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        texts = {"text/plain": self._text, "text/html": self._html}
        if self._widget is None:
            return texts
        # Versions 8 and 7 of ipywidgets, of which Colab has the latter, differ in how a widget says this itself.
        return {WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}, **texts}

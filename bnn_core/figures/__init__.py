"""The look of the course's figures, and how a notebook shows them. Each lesson has a module of its own beside this one,
which draws what it is given: it trains nothing, and may not know the checks.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from statistics import fmean
from typing import Any, Literal, ParamSpec

import matplotlib as mpl
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

P = ParamSpec("P")

# The palette of Okabe and Ito (2008), which readers with any of the usual colour-vision deficiencies can tell apart.
BLACK = "#000000"
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
PALETTE = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY_BLUE, BLACK, YELLOW)
GREY = "#6E6E6E"

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 11,
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "figure.facecolor": "white",  # also in a dark theme: the colours are chosen for white
    "font.size": 11,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "savefig.facecolor": "white",
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
}

DPI = 110


@contextmanager
def style() -> Iterator[None]:
    """The look of the course, as `with style():` around drawing code."""
    with mpl.rc_context(STYLE):
        yield


def drawing(function: Callable[P, Figure]) -> Callable[P, Figure]:
    """A function that draws a figure, in the look of the course.

    It works on the CPU, whatever the default device, and wherever the tensors lie that it is given.
    """

    @functools.wraps(function)
    def draw(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with style(), torch.device("cpu"):
            return function(*_on_cpu(args), **_on_cpu(kwargs))

    return draw


def _on_cpu(value: Any) -> Any:
    """The value with all tensors in it on the CPU."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, Mapping):
        return {name: _on_cpu(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_on_cpu, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _on_cpu(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    return value


def subplots(
    rows: int = 1,
    columns: int = 1,
    *,
    size: tuple[float, float] = (9.0, 4.0),
    layout: Literal["constrained"] | None = "constrained",
    **options: Any,
) -> tuple[Figure, Any]:
    """A figure of this size in inches, and its axes: one `Axes`, or an array of them. Options go to `Figure.subplots`.

    The figure isn't registered with pyplot, so nothing has to close it.
    """
    figure = Figure(figsize=size, layout=layout)
    return figure, figure.subplots(rows, columns, **options)


def show(figure: Figure, alt: str, caption: str | None = None) -> None:
    """Display a figure in the notebook as an HTML <figure>, and close it; where there is no HTML, its alt text.

    alt: what a reader who can't see the figure needs to know of it, in a sentence or two.
    caption: a line of plain text below the figure.
    Raises: ValueError where alt is empty.
    """
    import matplotlib.pyplot as plt
    from IPython.display import display

    display(ShownFigure(html(figure, alt, caption), alt))
    plt.close(figure)


class ShownFigure:
    """A figure as it stands in a notebook: HTML, or its alt text."""

    def __init__(self, html: str, alt: str) -> None:
        self._html, self._alt = html, alt

    def __repr__(self) -> str:
        return self._alt

    def _repr_html_(self) -> str:
        return self._html


def html(figure: Figure, alt: str, caption: str | None = None) -> str:
    """The figure as an HTML <figure> with its image inside. Raises ValueError where alt is empty."""
    if not alt.strip():
        raise ValueError("alt must say what the figure shows; it is empty")
    png = io.BytesIO()
    with style():
        figure.savefig(png, format="png", dpi=DPI)
    data = base64.b64encode(png.getvalue()).decode()
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return (
        '<figure style="margin: 0.5em 0">'
        f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}" style="max-width: 100%; height: auto">'
        f"{below}</figure>"
    )


def live_figure(draw: Callable[..., tuple[Figure, str]], **sliders: Any) -> Any:
    """A widget: the sliders (ipywidgets, by the names of draw's arguments), and below them what `draw` makes of them.

    draw: from the sliders' values to a figure and its alt text.
    It redraws while a slider moves. ipywidgets sends a new value only when the last one has been dealt with, so a slow
    machine skips positions and never lags behind.
    """
    import ipywidgets

    picture = ipywidgets.HTML()

    def redraw(_: object = None) -> None:
        picture.value = html(*draw(**{name: slider.value for name, slider in sliders.items()}))

    for slider in sliders.values():
        slider.observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([*sliders.values(), picture])


def label_line(axes: Axes, text: str, x: float, y: float, colour: str, **options: Any) -> None:
    """Write a label beside what it names, in its colour, on a white ground that keeps it readable across lines."""
    ground = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.0}
    axes.text(x, y, text, color=colour, bbox=ground, **options)


def apart(heights: Sequence[float], gap: float) -> list[float]:
    """Heights for labels in the order of these heights, each at least `gap` above the one below it.

    They are moved as little as that takes: labels too close together spread about the middle of their group.
    """
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    groups: list[list[float]] = []  # heights less the gaps below them: what a group has in common
    for rank, index in enumerate(order):
        groups.append([heights[index] - rank * gap])
        while len(groups) > 1 and fmean(groups[-2]) > fmean(groups[-1]):
            groups[-2:] = [groups[-2] + groups[-1]]
    levels = [fmean(group) for group in groups for _ in group]
    moved = [level + rank * gap for rank, level in enumerate(levels)]
    return [moved[order.index(index)] for index in range(len(heights))]

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
import numpy as np
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from PIL import Image
from torch import Tensor

from bnn_core.page_themes import DARK, LIGHT

P = ParamSpec("P")

# A figure has no ground of its own: it is read on a page's white, and on the near-black of dark themes. Every ink
# stands out against both by 3 : 1. No ink can by 4.5 : 1, so those of letters do it on white, and SHEET brightens them
# on pages that say that they are dark. Readers with the usual colour-vision deficiencies can tell them apart as well as
# the palette of Okabe and Ito (2008), half of which is too bright for white.
BLUE = "#486AC5"
VERMILLION = "#CD4134"
GREEN = "#12883C"
ORANGE = "#D26F00"
PURPLE = "#A05898"
SKY_BLUE = "#2595CB"
PALETTE = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY_BLUE)
GREY = "#767676"
BROWN = "#AB6200"
"""Orange, dark enough for letters."""

BLACK = "#000000"
"""For what stands on a ground of its own: dots with a white edge, lines that are `cased`."""

WIDTH = 6.0
"""Of a figure, in inches: on a phone, at 350 pixels, letters of 11 points are then 8.9 pixels high."""

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": GREY,
    "axes.labelsize": 11,
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "figure.facecolor": "none",
    "font.size": 11,
    "grid.alpha": 0.25,
    "grid.color": GREY,
    "grid.linewidth": 0.8,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "savefig.facecolor": "none",
    "text.color": GREY,
    "xtick.color": GREY,
    "xtick.labelsize": 11,
    "ytick.color": GREY,
    "ytick.labelsize": 11,
}

DPI = 150
SHOWN_DPI = 110
"""How large a figure is shown where there is room; it holds more points than that, for screens that are finer."""

# Where a page says which theme it has, its figures get the contrast that suits it; white and black stay what they are.
IN_LIGHT = "brightness(.9) contrast(1.26)"
IN_DARK = "brightness(1.25)"
SHEET = "".join(
    f":is({page}) .bnn-figure img {{filter: {change}}}" for page, change in ((LIGHT, IN_LIGHT), (DARK, IN_DARK))
)


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
    height: float,
    width: float = WIDTH,
    layout: Literal["constrained"] | None = "constrained",
    **options: Any,
) -> tuple[Figure, Any]:
    """A figure of this height and width in inches, and its axes: one `Axes`, or an array of them. Options go to
    `Figure.subplots`.

    The figure isn't registered with pyplot, so nothing has to close it.
    """
    figure = Figure(figsize=(width, height), layout=layout)
    return figure, figure.subplots(rows, columns, **options)


def show(figure: Figure, alt: str, caption: str | None = None) -> None:
    """Display a figure in the notebook, and close it: as an HTML <figure>, as an image where slides or print need one,
    and as its alt text where there is neither.

    alt: what a reader who can't see the figure needs to know of it, in a sentence or two.
    caption: a line of plain text below the figure.
    Raises: ValueError where alt is empty.
    """
    import matplotlib.pyplot as plt
    from IPython.display import display

    image = png(figure)
    shown = _html(image, figure.get_figwidth(), alt, caption)
    display({"text/plain": alt, "text/html": shown, "image/png": _base64(_on_paper(image))}, raw=True)
    plt.close(figure)


def html(figure: Figure, alt: str, caption: str | None = None) -> str:
    """The figure as an HTML <figure> with its image inside. Raises ValueError where alt is empty."""
    return _html(png(figure), figure.get_figwidth(), alt, caption)


def _html(image: bytes, inches: float, alt: str, caption: str | None) -> str:
    """The same of a figure that is drawn already, which is so wide."""
    if not alt.strip():
        raise ValueError("alt must say what the figure shows; it is empty")
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return (
        f"<style>{SHEET}</style>"
        '<figure class="bnn-figure" style="margin: 0.5em 0">'
        f'<img alt="{escape(alt)}" src="data:image/png;base64,{_base64(image)}"'
        f' width="{inches * SHOWN_DPI:.0f}" style="max-width: 100%; height: auto">'
        f"{below}</figure>"
    )


def png(figure: Figure) -> bytes:
    """The figure as a PNG without a ground."""
    file = io.BytesIO()
    with style():
        figure.savefig(file, format="png", dpi=DPI)
    return file.getvalue()


def _on_paper(image: bytes) -> bytes:
    """A PNG on white, in few colours, so that a notebook stays small."""
    drawn = Image.open(io.BytesIO(image))
    paper = Image.new("RGBA", drawn.size, "white")
    paper.alpha_composite(drawn)
    file = io.BytesIO()
    paper.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(file, "png", optimize=True)
    return file.getvalue()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


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


def cased(width: float) -> dict[str, Any]:
    """The look of a black line: with white to both sides of it, it is seen on a dark ground too. width: in points."""
    return {"color": BLACK, "linewidth": width, "path_effects": [withStroke(linewidth=width + 2, foreground="white")]}


def label_line(axes: Axes, text: str, x: float, y: float, colour: str, **options: Any) -> None:
    """Write a label beside what it names, in its colour; lines that cross it fade, so that it stays readable."""
    axes.add_artist(_Label(x, y, text, color=colour, transform=axes.transData, clip_on=False, **options))


class _Label(Text):
    """Text before which whatever was drawn in its place fades. A patch can't do that where the ground is the page's."""

    LEFT = 0.15  # the share of it that is still seen

    def draw(self, renderer: Any) -> None:
        if self.get_visible() and isinstance(renderer, RendererAgg):
            pixels = np.asarray(renderer.buffer_rgba())
            box = self.get_window_extent(renderer).padded(2)
            top, bottom = (round(max(0.0, pixels.shape[0] - edge)) for edge in (box.y1, box.y0))
            left, right = (round(max(0.0, edge)) for edge in (box.x0, box.x1))
            pixels[top:bottom, left:right, 3] = pixels[top:bottom, left:right, 3] * self.LEFT
        super().draw(renderer)


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

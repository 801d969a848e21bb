"""The figures and the slider of lesson 06. They get plain tensors, in the units of the axes, and train nothing."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from bnn_core.datasets import Dataset
from bnn_core.figures import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    VERMILLION,
    cased,
    drawing,
    label_line,
    live_figure,
    subplots,
)

# --- Two rows of a batch ------------------------------------------------------------------------------------

FIRST, SECOND = 1.0, 0.5  # the first row's x; the slider moves the second row's
BIAS_STD = 0.5
LINES, DRAWS = 25, 1500
LIMIT = 4.5  # of the axes of y
TOP = 8.0  # with room for a label above the dots
SETTINGS = ((1.0, 0.8), (0.0, 0.8), (-1.0, 0.8))


def rows_slider() -> Any:
    """A widget: sliders for the second row's x and for the slope's scale, and what both ways to draw make of them."""
    import ipywidgets

    look = {"style": {"description_width": "11em"}, "layout": ipywidgets.Layout(width="32em")}
    return live_figure(
        _draw_one_setting,
        second=ipywidgets.FloatSlider(SECOND, min=-2, max=2, step=0.1, description="x of the second row", **look),
        scale=ipywidgets.FloatSlider(0.8, min=0, max=1.2, step=0.1, description="scale of the slope", **look),
    )


def rows_settings() -> Figure:
    """The slider's picture at three settings, for where widgets don't run."""
    return draw_rows(SETTINGS)


def _draw_one_setting(second: float, scale: float) -> tuple[Figure, str]:
    alt = (
        f"A layer with one unit whose slope has scale {scale:.1f}. Left: {LINES} draws of its weights, as lines, with"
        f" the rows x = {FIRST:.0f} and x = {second:.1f} marked. Middle and right: what the second row draws against"
        " what the first draws, in weight space and row by row."
    )
    return draw_rows([(second, scale)]), alt


@drawing
def draw_rows(settings: Sequence[tuple[float, float]]) -> Figure:
    """For each (x of the second row, scale of the slope) a row of three panels: the drawn lines, and what two rows of a
    batch draw, against each other: once with weights that both share, and once with noise of their own.

    The same noise is used for every setting, so points move smoothly as a setting changes.
    """
    height = 0.75 + 2.7 * len(settings)
    # Fixed margins: to compute them takes as long as to draw, and a slider redraws often.
    margins = {"left": 0.095, "right": 0.99, "bottom": 0.5 / height, "top": 1 - 0.35 / height}
    figure, panels = subplots(
        len(settings),
        3,
        height=height,
        layout=None,
        squeeze=False,
        width_ratios=(4, 3, 3),
        gridspec_kw=margins | {"wspace": 0.5, "hspace": 0.24},
    )
    noise = _noise()
    for row, (second, scale) in zip(panels, settings, strict=True):
        slope, bias = scale * noise[0], BIAS_STD * noise[1]
        first_std, second_std = ((x**2 * scale**2 + BIAS_STD**2) ** 0.5 for x in (FIRST, second))
        _draw_lines(row[0], slope, bias, second)
        _draw_pairs(row[1], slope * FIRST + bias, slope * second + bias, BLUE)
        _draw_pairs(row[2], first_std * noise[2], second_std * noise[3], ORANGE)
    for axes, title in zip(panels[0], ("draws of weights", "weight space", "row by row"), strict=True):
        axes.set_title(title)
    for axes, label in zip(panels[-1], ("input x", "y, first row", "y, first row"), strict=True):
        axes.set_xlabel(label)
    return figure


def _noise() -> Tensor:
    """Standard normal noise, (4, DRAWS), of mean 0, standard deviation 1 and correlation 0 to the last digit.

    So the numbers in the panels are those of the distribution, and not of these draws.
    """
    noise = torch.randn(DRAWS, 4, generator=torch.Generator().manual_seed(0))
    directions: Tensor = torch.linalg.qr(noise - noise.mean(dim=0)).Q
    return directions.T * math.sqrt(DRAWS - 1)


def _draw_lines(axes: Axes, slope: Tensor, bias: Tensor, second: float) -> None:
    x = torch.tensor([-2.2, 2.2])
    axes.plot(x, (slope[:LINES, None] * x + bias[:LINES, None]).T, color=BLUE, linewidth=0.6)
    axes.axvline(FIRST, **cased(1.5))
    axes.axvline(second, color=VERMILLION, linewidth=1.5, linestyle=(0, (5, 4)))
    axes.set(xlim=(-2.2, 2.2), ylim=(-LIMIT, LIMIT), ylabel="y = slope·x + bias")
    gap = 0.07
    if second > FIRST:  # each label stands where the other row's line isn't
        label_line(axes, "first\nrow", FIRST - gap, -LIMIT + 0.3, GREY, ha="right", va="bottom")
    else:
        label_line(axes, "first\nrow", FIRST + gap, -LIMIT + 0.3, GREY, ha="left", va="bottom")
    if second > -0.6:
        label_line(axes, "second\nrow", second - gap, LIMIT - 0.3, VERMILLION, ha="right", va="top")
    else:
        label_line(axes, "second\nrow", second + gap, LIMIT - 0.3, VERMILLION, ha="left", va="top")


def _draw_pairs(axes: Axes, first: Tensor, second: Tensor, colour: str) -> None:
    axes.scatter(first, second, s=2, color=colour, linewidth=0)
    axes.set(xlim=(-LIMIT, LIMIT), ylim=(-LIMIT, TOP), xticks=(-3, 0, 3), yticks=(-3, 0, 3), ylabel="y, second row")
    axes.yaxis.label.set_color(VERMILLION)
    correlation = torch.corrcoef(torch.stack([first, second]))[0, 1].round(decimals=2) + 0.0  # no minus before a zero
    text = _minus(f"std {first.std():.2f}\nand {second.std():.2f}\ncorr. {correlation:.2f}")
    label_line(axes, text, -LIMIT + 0.3, TOP - 0.2, GREY, ha="left", va="top")


def _minus(text: str) -> str:
    return text.replace("-", "−")


# --- Trained networks ---------------------------------------------------------------------------------------


def _draw_cars(axes: Axes, train: Dataset, limit: float) -> None:
    axes.scatter(train.column("horsepower"), train.y, s=26, color=BLACK, edgecolor="white", linewidth=0.8, zorder=5)
    axes.axvline(limit, color=GREY, linewidth=1, linestyle=":")
    axes.set(xlim=(40, 235), ylim=(0, 50), xlabel="horsepower [hp]", ylabel="fuel economy [mpg]")


@drawing
def trap(losses: Mapping[str, Tensor], log_scales: Mapping[str, Tensor], every: int) -> Figure:
    """How the loss and the average log scale move in training, a line for each place of the layers.

    losses, log_scales: for each line (T,), one value per `every` steps.
    """
    figure, panels = subplots(2, height=5.6, sharex=True)
    for axes, curves, label in zip(panels, (losses, log_scales), ("loss", "average log A_scale"), strict=True):
        for (name, values), colour in zip(curves.items(), (BLUE, VERMILLION), strict=True):
            axes.plot(torch.arange(1, len(values) + 1) * every, values, color=colour, label=name)
        axes.set(ylabel=label)
    panels[-1].set_xlabel("training step")
    panels[0].axhline(0, color=GREY, linewidth=1)
    panels[0].set_title("the loss that SVI reports")
    panels[1].set_title("the log scale (lower = surer)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center")
    return figure


@drawing
def judged_functions(
    train: Dataset,
    unseen: Sequence[Dataset],
    limit: float,
    grid: Tensor,
    functions: Mapping[str, Tensor],
    noise_std: float,
    lines: int = 15,
) -> Figure:
    """Draws of several networks, with all the cars, a panel for each: its title, and (S, G) draws over the grid.

    noise_std [miles per gallon]: how far single cars scatter about the function. lines: how many draws to show.
    """
    figure, panels = subplots(len(functions), height=2.9 * len(functions), sharex=True, sharey=True, squeeze=False)
    for axes, (title, draws) in zip(panels.flat, functions.items(), strict=True):
        for cars in unseen:
            axes.scatter(cars.column("horsepower"), cars.y, s=9, color=GREY, linewidth=0, zorder=2)
        _draw_cars(axes, train, limit)
        mean, std = draws.mean(dim=0), draws.std(dim=0)
        for spread, depth in (((std**2 + noise_std**2).sqrt(), 0.12), (std, 0.22)):
            axes.fill_between(grid, mean - 2 * spread, mean + 2 * spread, color=BLUE, alpha=depth, linewidth=0)
        axes.plot(grid, draws[:lines].T, color=BLUE, linewidth=0.5)
        axes.plot(grid, mean, color=VERMILLION, linewidth=2.5)
        axes.set_title(title)
        axes.label_outer()
    return figure


@drawing
def sampling_modes(train: Dataset, limit: float, grid: Tensor, draws: Mapping[str, Tensor], lines: int = 3) -> Figure:
    """One network, drawn in several ways, a row for each: draws over the grid, and the correlation of its points.

    draws: a title for each way, and its draws over the G points of grid: (S, G).
    lines: how many draws to show as lines.
    """
    figure, rows = subplots(len(draws), 2, height=3.1 * len(draws), sharex="col", squeeze=False)
    for (function, correlation), (title, values), colour in zip(rows, draws.items(), (ORANGE, BLUE), strict=False):
        _draw_cars(function, train, limit)
        mean, std = values.mean(dim=0), values.std(dim=0)
        function.fill_between(grid, mean - 2 * std, mean + 2 * std, color=colour, alpha=0.2, linewidth=0)
        function.plot(grid, values[:lines].T, color=colour, linewidth=1)
        function.plot(grid, mean, **cased(2))
        function.set_title(textwrap.fill(title, 24))
        ends = (float(grid[0]), float(grid[-1]))
        picture = correlation.imshow(
            torch.corrcoef(values.T).numpy(),
            origin="lower",
            extent=(*ends, *ends),
            cmap="PuOr_r",
            vmin=-1,
            vmax=1,
            aspect="auto",
        )
        correlation.grid(False)
        correlation.set(xlabel="horsepower [hp]", ylabel="horsepower [hp]")
        correlation.set_title("correlation")
        figure.colorbar(picture, ax=correlation, ticks=(-1, -0.5, 0, 0.5, 1))
    for axes in rows[:-1].flat:
        axes.set_xlabel("")
    return figure

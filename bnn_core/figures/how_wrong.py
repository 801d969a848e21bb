"""The figures of lesson 09. They get plain tensors, in the units of the axes, and compute but means and spreads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from bnn_core.datasets import Dataset
from bnn_core.figures import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION, drawing, subplots

COLOURS = (GREY, BLUE, ORANGE, GREEN, PURPLE)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
SHOWN_DRAWS = 15

Span = tuple[float, float]


def _shade(axes: Axes, empty: Sequence[Span]) -> None:
    """Where no car was trained on."""
    for low, high in empty:
        axes.axvspan(low, high, color=GREY, alpha=0.2, linewidth=0)


@drawing
def functions(
    train: Dataset, grid: Tensor, draws: Mapping[str, Tensor], empty: Sequence[Span], height: Span, columns: int = 2
) -> Figure:
    """A panel per method, on shared axes: drawn functions, their average, and two standard deviations to each side.

    grid: (G,), horsepower.   draws: for each method (S, G), miles per gallon.   empty: where no car was trained on.
    """
    columns = min(columns, len(draws))
    rows = math.ceil(len(draws) / columns)
    figure, panels = subplots(rows, columns, height=0.8 + 2.7 * rows, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(draws) :]:
        axes.axis("off")
    for axes, (title, drawn) in zip(panels.flat, draws.items(), strict=False):
        mean, std = drawn.mean(dim=0), drawn.std(dim=0, correction=0)
        _shade(axes, empty)
        axes.fill_between(grid, mean - 2 * std, mean + 2 * std, color=BLUE, alpha=0.28, linewidth=0)
        every = max(1, len(drawn) // SHOWN_DRAWS)
        axes.plot(grid, drawn[::every][:SHOWN_DRAWS].T, color=BLUE, linewidth=0.5)
        axes.plot(grid, mean, color=VERMILLION)
        axes.scatter(train.column("horsepower"), train.y, s=16, color=BLACK, edgecolor="white", linewidth=0.7, zorder=5)
        axes.set(xlim=(float(grid[0]), float(grid[-1])), ylim=height)
        axes.set_title(title, fontsize=11)
    for axes in panels[-1]:
        axes.set_xlabel("horsepower [hp]")
    for axes in panels[:, 0]:
        axes.set_ylabel("fuel economy [mpg]")
    return figure


@drawing
def spreads(grid: Tensor, stds: Mapping[str, Tensor], empty: Sequence[Span], highest: float) -> Figure:
    """The standard deviation of each method's functions against horsepower.

    grid: (G,).   stds: for each method (G,), miles per gallon.   highest: where the vertical axis ends.
    """
    figure, axes = subplots(height=4.4)
    _shade(axes, empty)
    for (name, std), colour, dashes in zip(stds.items(), COLOURS, DASHES, strict=False):
        axes.plot(grid, std, color=colour, linestyle=dashes, label=name)
    axes.set(xlim=(float(grid[0]), float(grid[-1])), ylim=(0, highest))
    axes.set(xlabel="horsepower [hp]", ylabel="spread of the functions [mpg]")
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@drawing
def traces(values: Mapping[str, Tensor]) -> Figure:
    """A row per quantity: its value in each chain, step after step, and beside it a histogram of each chain.

    values: for each quantity (chains, steps).
    """
    colours = (GREY, BLUE, ORANGE, GREEN)
    figure, rows = subplots(
        len(values), 2, height=0.7 + 2.3 * len(values), sharey="row", width_ratios=(4, 1), squeeze=False
    )
    for (left, right), (name, chains) in zip(rows, values.items(), strict=True):
        edges = torch.linspace(float(chains.min()), float(chains.max()), 41)
        for chain, colour in zip(chains, colours, strict=False):
            left.plot(chain, color=colour, linewidth=0.5)
            right.stairs(torch.histogram(chain.float(), edges.float()).hist, edges, orientation="horizontal",
                         color=colour, linewidth=1.3)  # fmt: skip
        left.set_title(name, fontsize=11)
        right.set(xticks=[])
        left.set_ylabel("value")
    rows[-1][0].set_xlabel("step of the chain")
    rows[-1][1].set_xlabel("how often")
    return figure


@drawing
def live_units(counts: Mapping[str, Tensor], units: int) -> Figure:
    """How many units are alive in a drawn network: for each method the share of its draws.

    counts: for each method (S,), whole numbers up to `units`.
    """
    figure, axes = subplots(height=3.4)
    width = 0.8 / len(counts)
    for number, ((name, count), colour) in enumerate(zip(counts.items(), COLOURS, strict=False)):
        shares = (torch.bincount(count.long(), minlength=units + 1) / len(count)).tolist()
        places = [unit + (number - (len(counts) - 1) / 2) * width for unit in range(units + 1)]
        axes.bar(places, shares, width, color=colour, edgecolor="white", linewidth=0.6, hatch=("", "//", "..")[number],
                 label=name)  # fmt: skip
    axes.set(xlabel="live units in a drawn network", ylabel="share of the draws", xticks=range(units + 1))
    figure.legend(loc="outside upper left", ncols=len(counts))
    return figure

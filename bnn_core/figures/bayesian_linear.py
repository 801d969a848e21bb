"""The figures and the slider of lesson 03. They get plain tensors, in the units of the axes, and train nothing."""

from __future__ import annotations

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
    GREEN,
    GREY,
    ORANGE,
    VERMILLION,
    apart,
    cased,
    drawing,
    label_line,
    live_figure,
    subplots,
)

# --- One weight ---------------------------------------------------------------------------------------------

BIAS_MEAN, BIAS_STD = 0.0, 0.3
READ_AT = 2.0  # the input at which the distribution of the output is shown
LINES, DRAWS = 30, 4000
SETTINGS = ((1.0, -3.0), (1.0, -1.0), (-0.5, 0.0))


def weight_slider() -> Any:
    """A widget: sliders for one weight's mean and log_std, and what a layer of one input and output makes of them."""
    import ipywidgets

    look = {"style": {"description_width": "8em"}, "layout": ipywidgets.Layout(width="30em")}
    return live_figure(
        _draw_one_setting,
        mean=ipywidgets.FloatSlider(1.0, min=-2, max=2, step=0.1, description="weight_mean", **look),
        log_std=ipywidgets.FloatSlider(-1.0, min=-4, max=0.5, step=0.1, description="weight_log_std", **look),
    )


def weight_settings() -> Figure:
    """The slider's picture at three settings, for where widgets don't run."""
    return draw_weight(SETTINGS)


def _draw_one_setting(mean: float, log_std: float) -> tuple[Figure, str]:
    alt = (
        f"A weight with mean {mean:.1f} and standard deviation {torch.tensor(log_std).exp():.2f}: its density, lines"
        f" y = w·x + b for {LINES} draws, and a histogram of the output at x = {READ_AT:.0f}."
    )
    return draw_weight([(mean, log_std)]), alt


@drawing
def draw_weight(settings: Sequence[tuple[float, float]]) -> Figure:
    """For each (mean, log_std) a row: the weight's density, draws of y = w·x + b, and the output at x = READ_AT.

    The same noise is used for every setting, so lines move smoothly as a setting changes.
    """
    height = 0.7 + 2.5 * len(settings)
    # Fixed margins: to compute them takes as long as to draw, and a slider redraws often.
    margins = {"left": 0.05, "right": 0.99, "bottom": 0.55 / height, "top": 1 - 0.35 / height}
    figure, rows = subplots(
        len(settings),
        3,
        height=height,
        layout=None,
        squeeze=False,
        width_ratios=(4, 4, 3),
        gridspec_kw=margins | {"wspace": 0.36, "hspace": 0.22},
    )
    for axes, (mean, log_std) in zip(rows, settings, strict=True):
        _draw_density(axes[0], mean, log_std)
        _draw_lines(axes[1], mean, log_std)
        _draw_outputs(axes[2], mean, log_std)
    for axes, title in zip(rows[0], ("weight w", "y = w·x + b", "y at x = 2"), strict=True):
        axes.set_title(title)
    for axes, label in zip(rows[-1], ("w", "input x", "how often"), strict=True):
        axes.set_xlabel(label)
    return figure


def _draw_density(axes: Axes, mean: float, log_std: float) -> None:
    std = torch.tensor(log_std).exp()
    w = torch.linspace(-4, 4, 1601)
    density = torch.exp(-0.5 * ((w - mean) / std) ** 2)  # peak scaled to 1, so that it fits at any std
    axes.fill_between(w, density, color=BLUE, alpha=0.25, linewidth=0)
    axes.plot(w, density, color=BLUE)
    axes.set(xlim=(-4, 4), ylim=(0, 1.5), yticks=[], ylabel="density, scaled")
    label = f"mean {mean:.1f}\nstd exp({log_std:.1f}) = {std:.2f}".replace("-", "−")
    axes.text(0.5, 0.97, label, transform=axes.transAxes, ha="center", va="top", color=BLUE)


def _noise() -> tuple[Tensor, Tensor]:
    noise = torch.randn(2, DRAWS, generator=torch.Generator().manual_seed(0))
    return noise[0], noise[1]


def _draw_lines(axes: Axes, mean: float, log_std: float) -> None:
    epsilon_w, epsilon_b = _noise()
    weights = mean + torch.tensor(log_std).exp() * epsilon_w[:LINES]
    biases = BIAS_MEAN + BIAS_STD * epsilon_b[:LINES]
    x = torch.tensor([-3.0, 3.0])
    axes.plot(x, (weights[:, None] * x + biases[:, None]).T, color=BLUE, linewidth=0.6)
    axes.axvline(READ_AT, color=ORANGE, linewidth=2, linestyle="--")
    axes.set(xlim=(-3, 3), ylim=(-8, 8), yticks=range(-8, 9, 4), ylabel="output y")


def _draw_outputs(axes: Axes, mean: float, log_std: float) -> None:
    epsilon_w, epsilon_b = _noise()
    weights = mean + torch.tensor(log_std).exp() * epsilon_w
    y = weights * READ_AT + BIAS_MEAN + BIAS_STD * epsilon_b
    counts, edges = torch.histogram(y, bins=64, range=(-8.0, 8.0))
    axes.stairs(counts / counts.max(), edges, orientation="horizontal", fill=True, color=ORANGE)
    axes.set(ylim=(-8, 8), yticks=range(-8, 9, 4), yticklabels=[], xlim=(0, 1.1), xticks=[])
    label = f"mean {y.mean():.1f}\nstd {y.std():.2f}".replace("-", "−")
    height, align = (0.04, "bottom") if y.mean() >= 0 else (0.96, "top")  # where the histogram isn't
    axes.text(0.97, height, label, transform=axes.transAxes, ha="right", va=align)


# --- Functions of one input ---------------------------------------------------------------------------------

EXTRAPOLATED = (-40.0, 90.0)  # miles per gallon: what networks say far from their data


def _draw_cars(axes: Axes, train: Dataset, limit: float, height: tuple[float, float], *unseen: Dataset) -> None:
    for cars in unseen:
        axes.scatter(cars.column("horsepower"), cars.y, s=9, color=GREY, linewidth=0, zorder=2)
    axes.scatter(train.column("horsepower"), train.y, s=26, color=BLACK, edgecolor="white", linewidth=0.8, zorder=5)
    axes.axvline(limit, color=GREY, linewidth=1, linestyle=":")
    axes.set(xlim=(40, 235), ylim=height, xlabel="horsepower [hp]")


@drawing
def plain_networks(train: Dataset, limit: float, grid: Tensor, curves: Tensor) -> Figure:
    """The cars, and the curve of each of three ordinary networks. curves: (3, G), over the G points of grid."""
    figure, axes = subplots(height=4.0)
    _draw_cars(axes, train, limit, EXTRAPOLATED)
    colours = (BLUE, VERMILLION, GREEN)
    low, high = EXTRAPOLATED
    heights = apart([min(max(float(curve[-1]), low), high) for curve in curves], gap=8)
    for number, (curve, colour, height) in enumerate(zip(curves, colours, heights, strict=True), start=1):
        axes.plot(grid, curve, color=colour)
        axes.text(237, height, f"network {number}", color=colour, va="center")
    axes.set(ylabel="fuel economy [miles per gallon]")
    axes.text(limit - 4, high - 2, "trained on cars\nup to here", ha="right", va="top")
    axes.text(limit + 4, low + 2, "no training cars here", va="bottom")
    return figure


@drawing
def sampled_functions(
    train: Dataset,
    unseen: Sequence[Dataset],
    limit: float,
    grid: Tensor,
    functions: Mapping[str, Tensor],
    noise_std: float,
    height: tuple[float, float] = (0, 50),
    name_at: float = 231,
) -> Figure:
    """Draws of the learned function, a panel per entry of `functions`: its title, and (S, G) draws over the grid.

    noise_std [miles per gallon]: how far single cars scatter about the function; widens the pale band.
    height [miles per gallon]: the range of the axis. name_at [hp]: where the average and the bands have their names.
    """
    figure, panels = subplots(len(functions), height=3.3 * len(functions), sharex=True, sharey=True)
    for axes, (title, draws) in zip(panels, functions.items(), strict=True):
        _draw_cars(axes, train, limit, height, *unseen)
        mean, std = draws.mean(dim=0), draws.std(dim=0)
        total = (std**2 + noise_std**2).sqrt()
        axes.fill_between(grid, mean - 2 * total, mean + 2 * total, color=BLUE, alpha=0.12, linewidth=0)
        axes.fill_between(grid, mean - 2 * std, mean + 2 * std, color=BLUE, alpha=0.22, linewidth=0)
        axes.plot(grid, draws[:15].T, color=BLUE, linewidth=0.5)
        axes.plot(grid, mean, color=VERMILLION, linewidth=2.5)
        axes.set(title=title, ylabel="fuel economy [mpg]")
        axes.label_outer()
    at = int((grid - name_at).abs().argmin())
    _name_the_bands(panels[0], name_at, next(iter(functions.values()))[:, at], noise_std)
    return figure


def _name_the_bands(axes: Axes, x: float, draws: Tensor, noise_std: float) -> None:
    """Labels that end at x, at the average of these draws there and at the edges of the two bands, and at the cars."""
    low, high = axes.get_ylim()
    gap = (high - low) / 100
    mean, std = float(draws.mean()), float(draws.std())
    total = (std**2 + noise_std**2) ** 0.5
    right: dict[str, Any] = {"ha": "right", "va": "bottom"}
    label_line(axes, "average", x, mean - gap, VERMILLION, **(right | {"va": "top"}))
    label_line(axes, "±2 std of the function", x, mean - 2 * std + gap, BLUE, **right)
    label_line(axes, "±2 std of a single car", x, mean + 2 * total + gap, BLUE, **right)
    label_line(axes, "cars it has never seen", 231, 24, GREY, **right)
    label_line(axes, "cars it was\ntrained on", 43, 19, GREY, ha="left", va="top")


@drawing
def hidden_units(grid: Tensor, contributions: Tensor, limit: float, columns: int = 4) -> Figure:
    """A small panel for each hidden unit, with draws of what it adds to the prediction [miles per gallon].

    contributions: (S, U, G), for S draws and U units over the G points of grid. limit: the training cars' last one.
    """
    units = contributions.shape[1]
    rows = -(-units // columns)
    figure, panels = subplots(rows, columns, height=0.6 + 1.3 * rows, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[units:]:
        axes.set_visible(False)
    for unit, axes in enumerate(panels.flat[:units]):
        axes.axvspan(40, limit, color=GREY, alpha=0.2, linewidth=0)
        axes.plot(grid, contributions[:, unit].T, color=BLUE, linewidth=0.6)
        axes.set(xlim=(40, 235), ylim=(-30, 30), xticks=(110, 200), yticks=(-20, 0, 20))
        axes.set_title(f"unit {unit + 1}", fontsize=11, pad=2)
    figure.supxlabel("horsepower [hp]")
    figure.supylabel("adds to the prediction [miles per gallon]")
    return figure


# --- log_std ------------------------------------------------------------------------------------------------


@drawing
def log_std_histories(histories: Mapping[str, Mapping[str, Tensor]], every: int) -> Figure:
    """How log_std moves in training: a panel per run, its lines coloured by group, and the average of all in black.

    histories: for each run its title, and in it for each group its log_stds, (T, W): one row per `every` steps, one
    column per weight.
    """
    figure, panels = subplots(1, len(histories), height=4.0, sharey=True)
    for axes, (title, groups) in zip(panels, histories.items(), strict=True):
        for (group, history), colour in zip(groups.items(), (VERMILLION, BLUE, GREEN), strict=False):
            steps = torch.arange(len(history)) * every
            axes.plot(steps, history, color=colour, linewidth=0.5)
            axes.plot([], [], color=colour, label=group)
        average = torch.cat(list(groups.values()), dim=1).mean(dim=1)
        axes.plot(steps, average, label="average of all", **cased(2.5))
        axes.set_title(title)
        axes.set(xlabel="training step")
    panels[0].set(ylabel="log_std of each weight and bias")
    panels[0].legend(loc="lower right")
    return figure

"""The figures and the slider of lesson 04. They get plain tensors, in the units of the axes, and train nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from torch import Tensor

from bnn_core.datasets import Dataset
from bnn_core.figures import (
    BLACK,
    BLUE,
    BROWN,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    VERMILLION,
    cased,
    drawing,
    label_line,
    live_figure,
    subplots,
)

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY_BLUE)
MARKERS = ("o", "s", "^", "D", "v")

# --- Counting the KL ------------------------------------------------------------------------------------------

SIZES = (10, 40, 160)
SLOPE, NOISE_STD, PRIOR_STD = 0.8, 1.0, 1.0
LINES = 30
SETTINGS = ((40, -2.0), (40, 0.0), (40, 2.0))


def kl_slider() -> Any:
    """A widget: sliders for the number of examples and for the KL's count, and the weight that they lead to."""
    import ipywidgets

    look = {"style": {"description_width": "11em"}, "layout": ipywidgets.Layout(width="32em")}
    return live_figure(
        _draw_one_setting,
        size=ipywidgets.SelectionSlider(value=40, options=SIZES, description="examples N", **look),
        log10=ipywidgets.FloatSlider(-2.0, min=-3, max=3, step=0.25, description="log10 of KL's count", **look),
    )


def kl_settings() -> Figure:
    """The slider's picture at three settings, for where widgets don't run."""
    return draw_counted(SETTINGS)


def _draw_one_setting(size: int, log10: float) -> tuple[Figure, str]:
    count = 10**log10
    mean, std = one_weight(size, count)
    right_mean, right_std = one_weight(size, 1.0)
    alt = (
        f"{size} points and the lines y = w·x that the loss leads to with the KL counted {count:.3g} times: w has mean"
        f" {mean:.2f} and standard deviation {std:.3f}. The posterior's are {right_mean:.2f} and {right_std:.3f}."
    )
    return draw_counted([(size, log10)]), alt


def _points(size: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets, (size,) each; fewer points are the beginning of more."""
    noise = torch.randn(SIZES[-1], 2, generator=torch.Generator().manual_seed(4))[:size]
    x = noise[:, 0]
    return x, SLOPE * x + NOISE_STD * noise[:, 1]


def one_weight(size: int, count: float) -> tuple[float, float]:
    """Mean and std of the weight in y = w·x that minimise task loss + count·KL, exactly."""
    x, y = _points(size)
    precision = float(x.square().sum()) / NOISE_STD**2 / count + 1 / PRIOR_STD**2
    return float((x * y).sum()) / NOISE_STD**2 / count / precision, precision**-0.5


@drawing
def draw_counted(settings: Sequence[tuple[int, float]]) -> Figure:
    """For each (number of examples, log10 of the KL's count) a row: drawn lines, and the weight's density."""
    height = 0.75 + 2.3 * len(settings)
    # Fixed margins: to compute them takes as long as to draw, and a slider redraws often.
    margins = {"left": 0.1, "right": 0.985, "bottom": 0.55 / height, "top": 1 - 0.35 / height}
    figure, rows = subplots(
        len(settings), 2, height=height, layout=None, squeeze=False, gridspec_kw=margins | {"wspace": 0.14}
    )
    for (left, right), (size, log10) in zip(rows, settings, strict=True):
        count = 10**log10
        _draw_fan(left, size, count)
        _draw_densities(right, size, count)
    for axes, title in zip(rows[0], ("30 drawn lines", "the weight w"), strict=True):
        axes.set_title(title)
    for axes, label in zip(rows[-1], ("input x", "w"), strict=True):
        axes.set_xlabel(label)
    return figure


def _draw_fan(axes: Axes, size: int, count: float) -> None:
    x, y = _points(size)
    mean, std = one_weight(size, count)
    weights = mean + std * torch.randn(LINES, generator=torch.Generator().manual_seed(1))
    ends = torch.tensor([-3.2, 3.2])
    axes.plot(ends, ends[:, None] * weights, color=BLUE, linewidth=0.5)
    axes.scatter(x, y, s=18, color=BLACK, edgecolor="white", linewidth=0.7, zorder=4)
    axes.set(xlim=(-3.2, 3.2), ylim=(-5, 5), ylabel="output y")


def _draw_densities(axes: Axes, size: int, count: float) -> None:
    w = torch.linspace(-1.5, 2.5, 1601)

    def bell(mean: float, std: float) -> Tensor:
        return torch.exp(-0.5 * ((w - mean) / std) ** 2)  # peak scaled to 1, so that it fits at any std

    axes.fill_between(w, bell(*one_weight(size, 1.0)), color=ORANGE, alpha=0.45, linewidth=0)
    axes.plot(w, bell(*one_weight(size, count)), color=BLUE)
    shown = "once" if count == 1 else f"{count:.2g} times" if count < 100 else f"{count:.0f} times"
    axes.text(-1.45, 1.48, f"KL counted {shown}", color=BLUE, va="top")
    axes.text(-1.45, 1.29, f"the posterior, N = {size}", color=BROWN, va="top")
    axes.set(xlim=(-1.5, 2.5), ylim=(0, 1.5), yticks=[], ylabel="density")


# --- The linear model -----------------------------------------------------------------------------------------


@drawing
def landing(history: Tensor, exact: Tensor, names: Sequence[str], gap: Tensor, every: int) -> Figure:
    """log_std in training beside its exact value, a line per weight; and the KL from exact to trained, on a log axis.

    history: (T, W), a row per `every` steps.   exact: (W,).   gap: (T,), in nats.
    """
    figure, (above, below) = subplots(2, height=6.2, sharex=True)
    steps = torch.arange(len(history)) * every
    _draw_beside_exact(above, steps, history, exact, names)
    above.set(title="log_std", ylabel="log_std of each weight")
    below.semilogy(steps, gap, color=BLUE)
    below.set(title="distance to the exact answer", xlabel="training step", ylabel="KL(trained ‖ exact) [nats]")
    return figure


def _draw_beside_exact(axes: Axes, steps: Tensor, history: Tensor, exact: Tensor, names: Sequence[str]) -> None:
    for line, value, name, colour in zip(history.T, exact.tolist(), names, COLOURS, strict=False):
        axes.axhline(value, color=colour, linewidth=1.2, linestyle="--")
        axes.plot(steps, line, color=colour, linewidth=1.6, label=name)
    axes.legend(loc="center right")


@drawing
def two_posteriors(names: Sequence[str], mean: Tensor, covariance: Tensor, std: Tensor, draws: Tensor) -> Figure:
    """Two weights: the full posterior, the best independent Gaussians, and draws of the trained layer.

    names, mean, covariance, std: of the two weights.   draws: (S, 2).
    """
    figure, axes = subplots(height=4.9)
    axes.scatter(*draws.T, s=7, color=BLUE, linewidth=0)
    variances, directions = torch.linalg.eigh(covariance.double())
    tilt = math.degrees(math.atan2(float(directions[1, 1]), float(directions[0, 1])))
    full = {"width": 4 * float(variances[1].sqrt()), "height": 4 * float(variances[0].sqrt()), "angle": tilt}
    own = {"width": 4 * float(std[0]), "height": 4 * float(std[1]), "angle": 0.0}
    centre = (float(mean[0]), float(mean[1]))
    looks = {"color": VERMILLION, "linewidth": 2.2}, cased(2.2) | {"linestyle": "--"}
    for shape, look in zip((full, own), looks, strict=True):
        axes.add_patch(Ellipse(centre, **shape, fill=False, **look))
    wide, high = (2.7 * covariance.diagonal().sqrt()).tolist()
    axes.set(xlim=(centre[0] - wide, centre[0] + wide), ylim=(centre[1] - high, centre[1] + high))
    axes.set(xlabel=f"weight of the input {names[0]}", ylabel=f"weight of the input {names[1]}")
    handles = [
        *(Line2D([], [], **look) for look in looks),
        Line2D([], [], color=BLUE, marker="o", markersize=4, linewidth=0),
    ]
    labels = ["the posterior", "the best independent Gaussians", "draws of the trained layer"]
    figure.legend(handles, labels, loc="outside upper left")
    return figure


@drawing
def counted(counts: Tensor, curves: Mapping[str, Tensor], runs: Mapping[str, tuple[float, Sequence[float]]]) -> Figure:
    """The std of each weight against how often the KL is counted, on log axes: formula and training runs.

    curves: for each weight its exact std at each of the counts.
    runs: for each loss how often it counts the KL, and the std of each weight after training with it.
    """
    figure, axes = subplots(height=5.0)
    for (name, curve), colour in zip(curves.items(), COLOURS, strict=False):
        axes.loglog(counts, curve, color=colour, linewidth=1.6, label=name)
    for (_, (count, stds)), marker in zip(runs.items(), MARKERS, strict=False):
        for std, colour in zip(stds, COLOURS, strict=False):
            axes.plot(count, std, marker, color=colour, markersize=8, markeredgecolor="white")
    handles = [Line2D([], [], color=GREY, marker=marker, markersize=8, linewidth=0) for marker in MARKERS]
    figure.legend(handles[: len(runs)], list(runs), loc="outside upper left", ncols=2)
    axes.axvline(1, color=GREY, linewidth=1, linestyle=":")
    axes.legend(loc="lower right")
    axes.set(xlabel="how many times the KL is counted", ylabel="standard deviation of the weight")
    return figure


# --- The curve ------------------------------------------------------------------------------------------------


@drawing
def one_unit(x: Tensor, draws: Tensor, of_the_mean: Tensor) -> Figure:
    """One unit under draws of its weight: each draw, their average, and the unit at the mean weight.

    x: (G,).   draws: (S, G).   of_the_mean: (G,).
    """
    figure, axes = subplots(height=3.3)
    axes.plot(x, draws[:40].T, color=BLUE, linewidth=0.5)
    axes.plot(x, draws.mean(dim=0), color=VERMILLION, linewidth=2.6)
    axes.plot(x, of_the_mean, linestyle="--", **cased(2.6))
    label_line(axes, "average of the draws", 0, 1.15, VERMILLION, ha="center")
    label_line(axes, "the unit at the mean weight", 0, -0.45, GREY, ha="center")
    axes.set(xlabel="input x", ylabel="output relu(w·x)", ylim=(-0.8, 4), xlim=(float(x[0]), float(x[-1])))
    return figure


@drawing
def bands(
    train: Dataset,
    grid: Tensor,
    truth: Tensor,
    predictions: Mapping[str, tuple[Tensor, Tensor]],
    draws: Mapping[str, Tensor],
) -> Figure:
    """Training points, the true curve, and a panel per network: its mean, ±2 std of the function, and draws of it.

    grid, truth: (G,).   predictions: a title for each network, and its mean and std, (G,) each.   draws: (S, G) each.
    """
    figure, panels = subplots(
        len(predictions), height=0.4 + 2.6 * len(predictions), sharex=True, sharey=True, squeeze=False
    )
    for axes, (title, (mean, std)) in zip(panels.flat, predictions.items(), strict=True):
        axes.fill_between(grid, mean - 2 * std, mean + 2 * std, color=BLUE, alpha=0.25, linewidth=0)
        axes.plot(grid, draws[title][:12].T, color=BLUE, linewidth=0.5)
        axes.plot(grid, mean, color=VERMILLION, linewidth=2.2)
        axes.plot(grid, truth, linestyle="--", **cased(1.6))
        axes.scatter(train.x[:, 0], train.y, s=16, color=BLACK, edgecolor="white", linewidth=0.7, zorder=5)
        axes.set(title=title, ylabel="y", xlim=(float(grid[0]), float(grid[-1])), ylim=(-3.5, 4.5))
    panels[-1][0].set(xlabel="input x")
    handles = [
        Line2D([], [], color=BLACK, marker="o", markersize=5, markeredgecolor="white", linestyle="none"),
        Line2D([], [], linestyle="--", **cased(1.6)),
        Line2D([], [], color=VERMILLION, linewidth=2.2),
    ]
    figure.legend(handles, ["training points", "true curve", "mean"], loc="outside upper left", ncols=3)
    return figure


MANY = 20  # weights, whose dots are small
SHELF = 0.12  # how much log_stds differ whose dots stand beside each other


@drawing
def with_and_without(cases: Mapping[str, Mapping[str, Tensor]], every: int) -> Figure:
    """log_std in training with the KL and without it: a row per case; its panels are the two runs and their ends, in
    which each weight is a dot.

    cases: for each case its two runs, a title for each and its log_stds, (T, W): a row per `every` steps.
    """
    figure, rows = subplots(len(cases), 3, height=3.1 * len(cases), sharey="row", width_ratios=(3, 3, 2))
    for panels, (case, runs) in zip(rows, cases.items(), strict=True):
        for place, (axes, (title, history), colour) in enumerate(
            zip(panels, runs.items(), (BLUE, VERMILLION), strict=False)
        ):
            steps = torch.arange(len(history)) * every
            axes.plot(steps, history, color=colour, linewidth=0.6)
            axes.plot(steps, history.mean(dim=1), **cased(2.2))
            axes.set_title(title, color=colour)
            size = 22 if history.shape[1] < MANY else 5
            beside = place + _side_by_side(history[-1])
            panels[2].scatter(beside, history[-1], s=size, color=colour, linewidth=0, zorder=3)
        panels[2].axhline(float(next(iter(runs.values()))[0].mean()), zorder=1, linestyle="--", **cased(1.4))
        panels[2].set(title="start, end", xlim=(-0.5, 1.5), xticks=[])
        panels[0].set_ylabel(f"log_std, {case}")
    for axes, label in zip(rows[-1], ("training step", "training step", "weights"), strict=True):
        axes.set_xlabel(label)
    return figure


def _side_by_side(values: Tensor) -> Tensor:
    """How far each dot stands to the side of its column, so that those of nearly one height stand beside each other."""
    shelves = torch.bucketize(values, torch.arange(-10.0, 3.0, SHELF))
    aside = torch.zeros(len(values))
    for shelf in shelves.unique():
        here = shelves == shelf
        count = int(here.sum())
        aside[here] = (torch.arange(count) - (count - 1) / 2) * min(0.09, 0.9 / count)
    return aside


@drawing
def learned_noise(histories: Mapping[str, Tensor], true_std: float, every: int) -> Figure:
    """The learned noise_std over training, on a log axis, a line per run. histories: (T,), a row per `every` steps."""
    figure, axes = subplots(height=4.2)
    axes.axhline(true_std, linestyle="--", label="measured from the formula", **cased(1.6))
    for (name, history), colour in zip(histories.items(), COLOURS, strict=False):
        axes.semilogy(torch.arange(len(history)) * every, history, color=colour, label=name)
    axes.set(xlabel="training step", ylabel="learned noise_std")
    figure.legend(loc="outside upper left", ncols=2)
    return figure

"""The figures and the slider of lesson 00. They get plain tensors, in the units of the axes, and train nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from bnn_core.datasets import Dataset
from bnn_core.figures import BLACK, BLUE, BROWN, GREY, ORANGE, VERMILLION, drawing, label_line, live_figure, subplots

# --- Two networks -------------------------------------------------------------------------------------------

HIGHEST = 105  # miles per gallon: the top of the axis


@drawing
def two_networks(
    train: Dataset, unseen: Sequence[Dataset], limit: float, grid: Tensor, plain: Tensor, draws: Tensor, noise: float
) -> Figure:
    """An ordinary network's curve, (G,), and functions drawn from a Bayesian one, (S, G), over the G points of grid.

    noise [miles per gallon]: how far single cars scatter about the curve. The bands are ±2 standard deviations of what
    each network says of a single car.
    """
    figure, (left, right) = subplots(1, 2, height=3.8, sharey=True)
    _draw_cars(left, train, unseen, limit)
    left.fill_between(grid, plain - 2 * noise, plain + 2 * noise, color=VERMILLION, alpha=0.25, linewidth=0)
    left.plot(grid, plain, color=VERMILLION)
    left.set_title("an ordinary network", color=VERMILLION)
    _draw_cars(right, train, unseen, limit)
    mean, std = draws.mean(dim=0), (draws.var(dim=0) + noise**2).sqrt()
    right.fill_between(grid, mean - 2 * std, mean + 2 * std, color=BLUE, alpha=0.25, linewidth=0)
    right.plot(grid, draws[:12].T, color=BLUE, linewidth=0.6)
    right.plot(grid, mean, color=BLUE)
    right.set_title("a Bayesian network", color=BLUE)
    left.set(ylabel="fuel economy [miles per gallon]")
    return figure


def _draw_cars(axes: Axes, train: Dataset, unseen: Sequence[Dataset], limit: float) -> None:
    for cars in unseen:
        axes.scatter(cars.column("horsepower"), cars.y, s=9, color=GREY, linewidth=0, zorder=3)
    axes.scatter(train.column("horsepower"), train.y, s=26, color=BLACK, edgecolor="white", linewidth=0.8, zorder=5)
    axes.axvline(limit, color=GREY, linewidth=1, linestyle=":")
    axes.set(xlim=(40, 235), ylim=(-60, HIGHEST), xlabel="horsepower [hp]")
    axes.text(limit - 4, -57, "cars to\nlearn from", ha="right")
    axes.text(limit + 4, -57, "none from\nhere on")


@drawing
def log_densities(horsepower: Tensor, scores: Mapping[str, Tensor], limit: float) -> Figure:
    """The log density of each car's fuel economy against its horsepower, (N,) each: for every network a colour."""
    figure, axes = subplots(height=3.6)
    looks = ((VERMILLION, "o", 0.5), (BLUE, "s", -0.5))  # a car's two marks stand side by side
    for (name, score), (colour, marker, shift) in zip(scores.items(), looks, strict=True):
        axes.scatter(horsepower + shift, score, s=9, color=colour, marker=marker, linewidth=0, label=name)
    axes.axvline(limit, color=GREY, linewidth=1, linestyle=":")
    axes.set(xlabel="horsepower [hp]", ylabel="log density of the car [nats]", xlim=(40, 235))
    axes.legend(loc="lower left")
    return figure


# --- A density ----------------------------------------------------------------------------------------------

SETTINGS = ((0.2, 1.0), (1.0, 1.0), (3.0, 1.0))
LOWEST_STD, HIGHEST_STD = 0.2, 4.0


def density_slider() -> Any:
    """A widget: sliders for a Gaussian's std and for x, the density at x, and its logarithm against the std."""
    import ipywidgets

    look = {"style": {"description_width": "3em"}, "layout": ipywidgets.Layout(width="26em")}
    return live_figure(
        _draw_one_setting,
        std=ipywidgets.FloatSlider(1.0, min=LOWEST_STD, max=HIGHEST_STD, step=0.05, description="std", **look),
        x=ipywidgets.FloatSlider(1.0, min=-4, max=4, step=0.1, description="x", **look),
    )


def density_settings() -> Figure:
    """The slider's picture at three settings, for where widgets don't run."""
    return draw_density(SETTINGS)


def _draw_one_setting(std: float, x: float) -> tuple[Figure, str]:
    alt = (
        f"A Gaussian of mean 0 and standard deviation {std:.2f}: its density at x = {x:.1f} is"
        f" {math.exp(_log_density(x, std)):.3f}, whose logarithm is {_log_density(x, std):.2f}."
    )
    return draw_density([(std, x)]), alt


def _log_density(x: float, std: float) -> float:
    return -0.5 * (x / std) ** 2 - math.log(std) - 0.5 * math.log(2 * math.pi)


@drawing
def draw_density(settings: Sequence[tuple[float, float]]) -> Figure:
    """For each (std, x) a row: the density of N(0, std²), with x marked; and the log density of x at every std."""
    height = 0.7 + 2.4 * len(settings)
    # Fixed margins: to compute them takes as long as to draw, and a slider redraws often.
    margins = {"left": 0.11, "right": 0.98, "bottom": 0.55 / height, "top": 1 - 0.35 / height}
    figure, rows = subplots(
        len(settings),
        2,
        height=height,
        layout=None,
        squeeze=False,
        gridspec_kw=margins | {"wspace": 0.5, "hspace": 0.25},
    )
    for (left, right), (std, x) in zip(rows, settings, strict=True):
        _draw_curve(left, std, x)
        _draw_score(right, std, x)
    rows[0][0].set_title("the density", color=BLUE)
    rows[0][1].set_title("log density of x", color=BROWN)
    rows[-1][0].set_xlabel("x")
    rows[-1][1].set_xlabel("std")
    return figure


def _draw_curve(axes: Axes, std: float, x: float) -> None:
    values = torch.linspace(-5, 5, 2001)
    density = torch.exp(-0.5 * (values / std) ** 2) / (std * math.sqrt(2 * math.pi))
    axes.fill_between(values, density, color=BLUE, alpha=0.25, linewidth=0)
    axes.plot(values, density, color=BLUE)
    here = math.exp(_log_density(x, std))
    axes.vlines(x, 0, here, color=ORANGE, linewidth=2.5)
    axes.plot(x, here, "o", color=ORANGE, markersize=8)
    axes.set(xlim=(-5, 5), ylim=(0, 2.1), ylabel="density")
    text = f"std {std:.2f}\nat {x:.1f}: {here:.3f}".replace("-", "−")
    axes.text(0.03, 0.95, text, transform=axes.transAxes, va="top")


def _draw_score(axes: Axes, std: float, x: float) -> None:
    stds = torch.linspace(LOWEST_STD, HIGHEST_STD, 400)
    scores = -0.5 * (x / stds) ** 2 - stds.log() - 0.5 * math.log(2 * math.pi)
    axes.axhline(0, color=GREY, linewidth=1)
    axes.plot(stds, scores, color=ORANGE)
    score = _log_density(x, std)
    axes.plot(std, max(score, -9.8), "o" if score > -9.8 else "v", color=ORANGE, markersize=8)
    axes.set(xlim=(0, HIGHEST_STD), ylim=(-10, 2.2), ylabel="log density")
    label_line(axes, f"{score:.2f}".replace("-", "−"), 0.97 * HIGHEST_STD, 0.6, BROWN, ha="right")

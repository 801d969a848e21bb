"""The figures and the slider of lesson 01. They get plain tensors, in the units of the axes, and train nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from bnn_core.figures import BLACK, BLUE, GREY, ORANGE, VERMILLION, cased, drawing, live_figure, subplots

COLOURS = (BLUE, VERMILLION)  # pathwise, score function
MARKERS = ("o", "s")

# --- The same draws -----------------------------------------------------------------------------------------

DRAWS = 14
SETTINGS = ((0.0, 0.0), (2.0, 0.0), (0.0, 0.7), (0.0, -4.0))
REACH = 7.0


def draws_slider() -> Any:
    """A widget: sliders for a Gaussian's mean and log_std, and where they take the same noise."""
    import ipywidgets

    look = {"style": {"description_width": "5em"}, "layout": ipywidgets.Layout(width="28em")}
    return live_figure(
        _draw_one_setting,
        mean=ipywidgets.FloatSlider(0.0, min=-3, max=3, step=0.1, description="mean", **look),
        log_std=ipywidgets.FloatSlider(0.0, min=-4, max=0.8, step=0.1, description="log_std", **look),
    )


def draws_settings() -> Figure:
    """The slider's picture at four settings, for where widgets don't run."""
    return draw_draws(SETTINGS)


def _draw_one_setting(mean: float, log_std: float) -> tuple[Figure, str]:
    std = float(torch.tensor(log_std).exp())
    alt = (
        f"{DRAWS} numbers of standard normal noise, each joined by a line to the draw that it becomes: mean {mean:.1f}"
        f" plus {std:.2f} times the noise."
    )
    return draw_draws([(mean, log_std)]), alt


@drawing
def draw_draws(settings: Sequence[tuple[float, float]]) -> Figure:
    """For each (mean, log_std) a row: the same noise above, the draws that it becomes below, and lines between."""
    height = 0.7 + 1.9 * len(settings)
    # Fixed margins: to compute them takes as long as to draw, and a slider redraws often.
    margins = {"left": 0.12, "right": 0.98, "bottom": 0.55 / height, "top": 1 - 0.15 / height}
    figure, rows = subplots(
        len(settings), 1, height=height, layout=None, squeeze=False, gridspec_kw=margins | {"hspace": 0.25}
    )
    for (axes,), (mean, log_std) in zip(rows, settings, strict=True):
        _draw_row(axes, mean, log_std)
    rows[-1][0].set_xlabel("noise and draws")
    return figure


def _draw_row(axes: Axes, mean: float, log_std: float) -> None:
    std = torch.tensor(log_std).exp()
    noise = torch.randn(DRAWS, generator=torch.Generator().manual_seed(107)).sort().values
    draws = mean + std * noise
    w = torch.linspace(-REACH, REACH, 1401)
    density = torch.exp(-0.5 * ((w - mean) / std) ** 2)  # peak scaled to 1, so that it fits at any std
    axes.fill_between(w, 0.45 * density, color=BLUE, alpha=0.2, linewidth=0)
    colours = [ORANGE if number < 0 else BLUE for number in noise.tolist()]
    for start, end, colour in zip(noise.tolist(), draws.tolist(), colours, strict=True):
        axes.plot([start, end], [1, 0], color=colour, linewidth=1)
    axes.scatter(noise, torch.ones(DRAWS), color=colours, s=26, zorder=3)
    axes.scatter(draws, torch.zeros(DRAWS), color=colours, s=26, zorder=3)
    axes.plot([mean], [0], "^", color=BLACK, markeredgecolor="white", markersize=10, zorder=4)
    axes.set(xlim=(-REACH, REACH), ylim=(-0.15, 1.15), yticks=[0, 1], yticklabels=["draws", "noise"])
    axes.grid(visible=False, axis="y")
    label = f"mean {mean:.1f}\nlog_std {log_std:.1f}\nstd {std:.2f}".replace("-", "−")
    axes.text(0.01, 0.5, label, transform=axes.transAxes, va="center")


# --- Two gradients ------------------------------------------------------------------------------------------


@drawing
def single_gradients(gradients: Mapping[str, Tensor], exact: float) -> Figure:
    """Histograms of gradients, each from one draw, (S,): a panel for each way to get them, on one axis."""
    figure, panels = subplots(len(gradients), 1, height=3.9, sharex=True)
    reach = 2.5 * float(max(values.std() for values in gradients.values()))
    for axes, (name, values), colour in zip(panels, gradients.items(), COLOURS, strict=True):
        counts, edges = torch.histogram(values, bins=121, range=(exact - reach, exact + reach))
        axes.stairs(counts / counts.max(), edges, fill=True, color=colour)
        axes.axvline(exact, linestyle="--", **cased(1.5))
        axes.set_title(name, color=colour)
        axes.set(ylabel="how often", yticks=[], xlim=(exact - reach, exact + reach))
    panels[-1].set(xlabel="gradient for the first mean, from one draw")
    panels[0].annotate("exact", (exact, 0.9), (0.08 * reach + exact, 0.85))
    return figure


@drawing
def errors(numbers: Sequence[int], measured: Mapping[str, Tensor], stds: Mapping[str, float]) -> Figure:
    """The error of averages of S gradients against S, on log axes: a thin line for each run, with what is predicted.

    measured: for each way, (R, T): R runs, T numbers of draws. stds: of one gradient; dashed lines fall as std/√S.
    """
    figure, axes = subplots(height=3.9)
    for (name, runs), colour, marker in zip(measured.items(), COLOURS, MARKERS, strict=True):
        axes.loglog(numbers, runs.T, color=colour, linewidth=0.6)
        axes.loglog(numbers, runs.mean(dim=0), color=colour, marker=marker, markersize=5, label=name)
        predicted = stds[name] / torch.tensor(numbers).sqrt()
        axes.loglog(numbers, predicted, linestyle="--", zorder=5, **cased(1.2))
    axes.plot([], [], linestyle="--", label="std of one / √S", **cased(1.2))
    axes.set(xlabel="number of draws S", ylabel="error of the average gradient")
    axes.legend(loc="lower left")
    return figure


@drawing
def variances(dimensions: Sequence[int], measured: Mapping[str, Tensor]) -> Figure:
    """The variance of one gradient against the number of weights, on log axes; (T,) for each way to get it."""
    figure, axes = subplots(height=3.6)
    for (name, values), colour, marker in zip(measured.items(), COLOURS, MARKERS, strict=True):
        axes.loglog(dimensions, values, color=colour, marker=marker, markersize=6, label=name)
    axes.set(xlabel="number of weights", ylabel="variance of a mean's gradient")
    axes.legend(loc="upper left")
    return figure


@drawing
def step_function(means: Tensor, exact: Tensor, estimates: Mapping[str, Tensor]) -> Figure:
    """The gradient of P(w > 0) against the mean: exact, (T,), and for each way its estimates, (T,)."""
    figure, axes = subplots(height=3.6)
    axes.plot(means, exact, color=GREY, linewidth=5, label="exact")
    for (name, values), colour, marker in zip(estimates.items(), COLOURS, MARKERS, strict=True):
        axes.plot(means, values, color=colour, marker=marker, markersize=5, linewidth=1, label=name)
    axes.set(xlabel="mean", ylabel="gradient for the mean")
    axes.legend(loc="upper left")
    return figure

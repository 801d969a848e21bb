"""The figures and the slider of lesson 02. They get plain tensors, in the units of the axes, and train nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from bnn_core.figures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILLION,
    cased,
    drawing,
    label_line,
    live_figure,
    subplots,
)
from bnn_core.gaussian import gaussian_kl, gaussian_log_prob

# --- A bet on a weight --------------------------------------------------------------------------------------

SETTINGS = ((0.0, -0.7), (0.0, 0.7), (1.5, -1.5))
PATHS, ROUNDS = 12, 10
MOST_NATS = 36.0  # what the sliders can come to in ROUNDS rounds


def bet_slider() -> Any:
    """A widget: sliders for what was learned of one weight, and what betting on it wins from one who has the prior."""
    import ipywidgets

    look = {"style": {"description_width": "5em"}, "layout": ipywidgets.Layout(width="28em")}
    return live_figure(
        _draw_one_setting,
        mean=ipywidgets.FloatSlider(1.0, min=-2, max=2, step=0.1, description="mean", **look),
        log_std=ipywidgets.FloatSlider(-1.0, min=-2, max=0.7, step=0.1, description="log_std", **look),
    )


def bet_settings() -> Figure:
    """The slider's picture at three settings, for where widgets don't run."""
    return draw_bets(SETTINGS)


def _draw_one_setting(mean: float, log_std: float) -> tuple[Figure, str]:
    kl = _kl(mean, log_std)
    alt = (
        f"The prior's density, that of a learned Gaussian with mean {mean:.1f} and log_std {log_std:.1f}, and the"
        f" logarithm of a gambler's wealth over {ROUNDS} rounds, which rises by {kl:.2f} a round on average."
    )
    return draw_bets([(mean, log_std)]), alt


def _kl(mean: float, log_std: float) -> float:
    return gaussian_kl(torch.tensor(mean), torch.tensor(log_std)).item()


@drawing
def draw_bets(settings: Sequence[tuple[float, float]]) -> Figure:
    """For each (mean, log_std) a row: prior and learned density, and the log wealth [nats] of some gamblers.

    The same noise is used for every setting, so lines move smoothly as a setting changes.
    """
    height = 0.75 + 2.5 * len(settings)
    # Fixed margins: to compute them takes as long as to draw, and a slider redraws often.
    margins = {"left": 0.1, "right": 0.975, "bottom": 0.6 / height, "top": 1 - 0.4 / height}
    figure, rows = subplots(
        len(settings),
        2,
        height=height,
        layout=None,
        squeeze=False,
        gridspec_kw=margins | {"wspace": 0.22, "hspace": 0.25},
    )
    for axes, (mean, log_std) in zip(rows, settings, strict=True):
        _draw_beliefs(axes[0], mean, log_std)
        _draw_wealth(axes[1], mean, log_std)
    for axes, title in zip(rows[0], ("two beliefs", "log wealth [nats]"), strict=True):
        axes.set_title(title)
    for axes, label in zip(rows[-1], ("w", "round"), strict=True):
        axes.set_xlabel(label)
    return figure


def _draw_beliefs(axes: Axes, mean: float, log_std: float) -> None:
    w = torch.linspace(-5, 5, 1001)
    std = torch.tensor(log_std).exp()
    for centre, width, colour, name in ((0.0, torch.tensor(1.0), GREY, "prior p"), (mean, std, BLUE, "learned q")):
        density = gaussian_log_prob(w, centre, width).exp()
        axes.plot(w, density, color=colour, label=name)
        axes.fill_between(w, density, color=colour, alpha=0.2, linewidth=0)
    axes.legend(loc="upper left", handlelength=1.2, borderaxespad=0.1)
    label = f"mean {mean:.1f}\nstd {std:.2f}".replace("-", "−")
    axes.text(0.98, 0.96, label, transform=axes.transAxes, ha="right", va="top", color=BLUE)
    axes.set(xlim=(-5, 5), ylim=(0, 3.2), ylabel="density")


def _draw_wealth(axes: Axes, mean: float, log_std: float) -> None:
    epsilon = torch.randn(PATHS, ROUNDS, generator=torch.Generator().manual_seed(0))
    std = torch.tensor(log_std).exp()
    w = mean + std * epsilon
    won = gaussian_log_prob(w, mean, std) - gaussian_log_prob(w, 0.0, 1.0)
    rounds = torch.arange(ROUNDS + 1)
    paths = torch.cat([torch.zeros(PATHS, 1), won.cumsum(dim=1)], dim=1)
    kl = _kl(mean, log_std)
    axes.plot(rounds, paths.T, color=ORANGE, linewidth=1)
    axes.plot(rounds, kl * rounds, linestyle="--", **cased(2.2))
    label = f"KL = {kl:.2f} nats a round\nwealth × {torch.tensor(kl).exp():.2f}"
    label_line(axes, label, 0.3, MOST_NATS - 1, GREY, va="top")
    axes.set(xlim=(0, ROUNDS), ylim=(-4, MOST_NATS), yticks=range(0, 31, 10))


# --- The two directions -------------------------------------------------------------------------------------


@drawing
def directions(stds: Tensor, forth: Tensor, back: Tensor) -> Figure:
    """The KL [nats] between N(0, std²) and N(0, 1) in both directions, against the std on a log axis."""
    figure, axes = subplots(height=3.6)
    for values, colour, style in ((forth, BLUE, "-"), (back, VERMILLION, "--")):
        axes.plot(stds, values, color=colour, linestyle=style)
    axes.set_xscale("log")
    ticks = (0.25, 0.5, 1, 2, 4)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set(ylim=(0, 3), xlim=(float(stds.min()), float(stds.max())), ylabel="KL [nats]")
    axes.set_xlabel("std of q, where the prior's is 1")
    label_line(axes, "KL(q ‖ p)", 2.45, 2.3, BLUE, ha="right")
    label_line(axes, "KL(p ‖ q)", 0.42, 2.3, VERMILLION)
    return figure


# --- Draws in place of a formula ----------------------------------------------------------------------------


@drawing
def convergence(counts: Sequence[int], errors: Tensor, predicted: Tensor) -> Figure:
    """The error of an estimate [nats] against the number of draws, on log axes; dashed, what was predicted.

    errors, predicted: (T,), root mean squares for the T numbers of draws.
    """
    figure, axes = subplots(height=3.6)
    axes.loglog(counts, predicted, color=GREY, linestyle="--", label="std of one draw / √S")
    axes.loglog(counts, errors, color=BLUE, linestyle="none", marker="o", markersize=8, label="measured")
    axes.set(xlabel="number of draws S", ylabel="typical error [nats]")
    axes.legend()
    return figure


# --- Two humps ----------------------------------------------------------------------------------------------

FORWARD = "KL(target ‖ q)"
REVERSE_LOOKS, FORWARD_LOOK = ((BLUE, "-"), (VERMILLION, "--")), (GREEN, "-.")


@drawing
def two_humps(grid: Tensor, target: Tensor, fits: Mapping[str, tuple[float, float]]) -> Figure:
    """A density over the grid, (G,), and Gaussians that were fitted to it: for each name its mean and std. What was
    fitted by FORWARD looks the same in every figure.
    """
    figure, axes = subplots(height=3.6)
    axes.fill_between(grid, target, color=ORANGE, alpha=0.35, linewidth=0, label="target")
    axes.plot(grid, target, color=ORANGE, linewidth=1.2)
    looks = iter(REVERSE_LOOKS)
    for name, (mean, std) in fits.items():
        colour, line = FORWARD_LOOK if name == FORWARD else next(looks)
        axes.plot(grid, gaussian_log_prob(grid, mean, std).exp(), color=colour, linestyle=line, label=name)
    axes.set(xlim=(float(grid[0]), float(grid[-1])), ylim=(0, 1.65), xlabel="w", ylabel="density")
    axes.legend(loc="upper center", ncols=2)
    return figure

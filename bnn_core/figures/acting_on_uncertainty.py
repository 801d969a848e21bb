"""The figures and the slider of lesson 08. They get plain tensors, in the units of the axes, and train nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from bnn_core.figures import (
    BLUE,
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

COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY_BLUE)
KINDS = (VERMILLION, BLUE, GREEN, PURPLE, ORANGE, SKY_BLUE)
"""Of kinds of network: plain, Bayesian, and others, the first two as in lesson 07."""
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
LOOKS = {"Thompson": (BLUE, "-"), "average": (GREEN, "-."), "greedy": (VERMILLION, "--"), "ε-greedy": (GREY, ":")}
"""A strategy looks the same in all figures."""

# --- To ask or to answer --------------------------------------------------------------------------------------

PRICES = (0.4, 0.2, 0.05)
SPREAD = 2.0
"""The standard deviation of the inputs in the first picture."""


def price_slider() -> Any:
    """A widget: a slider for the price of asking, and what is then answered, and how often it is wrong."""
    import ipywidgets

    look = {"style": {"description_width": "11em"}, "layout": ipywidgets.Layout(width="32em")}
    return live_figure(
        _draw_one_price,
        price=ipywidgets.FloatSlider(0.2, min=0.01, max=0.5, step=0.01, description="price of asking", **look),
    )


def price_settings() -> Figure:
    """The slider's picture at three prices, for where widgets don't run."""
    return draw_prices(PRICES)


def _draw_one_price(price: float) -> tuple[Figure, str]:
    coverage, error, cost = at_price(price)
    alt = (
        f"Asking costs {price:.2f} of an error. The rule answers {coverage:.0%} of the questions and is wrong in"
        f" {error:.1%} of these; a question costs {cost:.3f} on average. Left: the chance of each answer over x, the"
        " doubtful middle shaded. Right: error against coverage, with a mark."
    )
    return draw_prices([price]), alt


def chance(x: Tensor) -> Tensor:
    """How likely the answer yes is, in the first picture."""
    return torch.sigmoid(1.4 * x)


def _grid() -> tuple[Tensor, Tensor]:
    """Inputs, and how much of all questions each stands for; (4001,) each."""
    x = torch.linspace(-4 * SPREAD, 4 * SPREAD, 4001, dtype=torch.float64)
    weight = torch.exp(-0.5 * (x / SPREAD) ** 2)
    return x, weight / weight.sum()


def at_price(price: float) -> tuple[float, float, float]:
    """Coverage, error of those answered, and average cost, where just those are answered whose chance of being wrong is
    below the price.
    """
    x, weight = _grid()
    wrong = torch.minimum(chance(x), 1 - chance(x))
    answered = wrong < price
    coverage = float(weight[answered].sum())
    errors = float((weight * wrong)[answered].sum())
    return coverage, errors / coverage if coverage else 0.0, errors + price * (1 - coverage)


@drawing
def draw_prices(prices: Sequence[float]) -> Figure:
    """For each price of asking a row: what is answered over the input; error against coverage, with a mark."""
    height = 0.75 + 2.4 * len(prices)
    margins = {"left": 0.115, "right": 0.975, "bottom": 0.55 / height, "top": 1 - 0.4 / height}
    figure, rows = subplots(
        len(prices), 2, height=height, layout=None, squeeze=False, gridspec_kw=margins | {"wspace": 0.34}
    )
    for (left, right), price in zip(rows, prices, strict=True):
        _draw_answered(left, price)
        _draw_trade(right, price)
    rows[0][0].set_title("what it answers")
    rows[0][1].set_title("how often it errs")
    rows[-1][0].set_xlabel("input x")
    rows[-1][1].set_xlabel("share that it answers")
    return figure


def _draw_answered(axes: Axes, price: float) -> None:
    x = torch.linspace(-5, 5, 401)
    axes.plot(x, chance(x), color=BLUE)
    edge = math.log(1 / price - 1) / 1.4  # where the chance of being wrong is just the price
    if edge > 0:
        axes.axvspan(-edge, edge, color=ORANGE, alpha=0.35, linewidth=0)
    label_line(axes, f"asks (price {price:.2f})", 0, 1.12, GREY, ha="center", va="center")
    label_line(axes, "says\nno", -4.8, 0.5, GREY, va="center")
    label_line(axes, "says\nyes", 4.8, 0.5, GREY, va="center", ha="right")
    axes.set(xlim=(-5, 5), ylim=(-0.03, 1.22), ylabel="chance of yes")


def _draw_trade(axes: Axes, price: float) -> None:
    points = torch.tensor([at_price(one)[:2] for one in torch.linspace(0.004, 0.5, 120).tolist()])
    axes.plot(points[:, 0], 100 * points[:, 1], color=BLUE)
    coverage, error, cost = at_price(price)
    axes.plot([coverage], [100 * error], "o", color=VERMILLION, markersize=9, zorder=4)
    axes.text(0.03, 0.95, f"cost per question {cost:.3f}", transform=axes.transAxes, va="top")
    axes.set(xlim=(0, 1.04), ylim=(0, 20), ylabel="error [%]")


# --- Error against coverage -----------------------------------------------------------------------------------


@drawing
def risk_coverage(panels: Mapping[str, Mapping[str, Tensor]]) -> Figure:
    """Error against coverage, a panel per test set and a colour per kind of network; thin: each network, thick: mean.

    panels: for each test set and each kind of network the error where 1, 2, …, N examples are kept, (networks, N).
    """
    figure, axes_of = subplots(len(panels), height=0.6 + 3.0 * len(panels), squeeze=False)
    for axes, (title, kinds) in zip(axes_of.flat, panels.items(), strict=True):
        for (_, errors), colour, dashes in zip(kinds.items(), KINDS, DASHES, strict=False):
            coverage = torch.arange(1, errors.shape[1] + 1) / errors.shape[1]
            axes.plot(coverage, 100 * errors.T, color=colour, linewidth=0.4)
            axes.plot(coverage, 100 * errors.mean(dim=0), color=colour, linestyle=dashes, linewidth=2.4)
        highest = 100 * max(float(errors.mean(dim=0)[len(errors.T) // 20 :].max()) for errors in kinds.values())
        axes.set(title=title, ylabel="error when it answers [%]", xlim=(0, 1.02), ylim=(0, 1.25 * highest))
    axes_of[-1][0].set_xlabel("share that is answered")
    _legend(figure, list(next(iter(panels.values()))))
    return figure


@drawing
def cost_of_thresholds(panels: Mapping[str, Mapping[str, tuple[Tensor, Tensor]]], price: float) -> Figure:
    """What a question costs against the threshold of confidence, a panel per test set; mean over the networks. The axis
    shows 1 − threshold by its logarithm, so that thresholds of 0.99 and 0.999 stand apart.

    panels: for each test set and kind of network the thresholds, (T,), and the average cost at each, (networks, T).
    price: of asking, as a share of an error's cost.
    """
    figure, axes_of = subplots(len(panels), height=0.6 + 3.0 * len(panels), squeeze=False)
    for axes, (title, kinds) in zip(axes_of.flat, panels.items(), strict=True):
        rests = [1 - thresholds for thresholds, _ in kinds.values()]
        for rest, (_, costs), colour, dashes in zip(rests, kinds.values(), KINDS, DASHES, strict=False):
            mean = costs.mean(dim=0)
            axes.plot(rest, costs.T, color=colour, linewidth=0.4)
            axes.plot(rest, mean, color=colour, linestyle=dashes, linewidth=2.4)
            best = int(mean.argmin())
            axes.plot(rest[best], mean[best], "v", color=colour, markersize=9, markeredgecolor="white", zorder=5)
        axes.axhline(price, color=GREY, linewidth=1, linestyle=":")
        axes.axvline(price, linestyle="--", **cased(1.4))  # where the confidence is 1 − price
        axes.set_xscale("log")
        axes.set_xlim(1.2, 0.8 * min(float(rest.min()) for rest in rests))
        axes.set_xticks([10.0**-nines for nines in range(6)], ["0", *(f"{1 - 10.0**-n:.{n}f}" for n in range(1, 6))])
        axes.minorticks_off()
        axes.set(title=title, ylabel="cost per digit [errors]")
        axes.set_ylim(bottom=0)
    axes_of[-1][0].set_xlabel("answers above this confidence")
    _legend(figure, list(next(iter(panels.values()))))
    return figure


def _legend(figure: Figure, names: Sequence[str], colours: Sequence[str] = KINDS) -> None:
    handles = [
        Line2D([], [], color=colour, linestyle=dashes, linewidth=2.4)
        for colour, dashes in zip(colours[: len(names)], DASHES, strict=False)
    ]
    figure.legend(handles, names, loc="outside upper left", ncols=2, handlelength=2.6)


# --- Bandits --------------------------------------------------------------------------------------------------


@drawing
def regret(curves: Mapping[str, Tensor], unit: str = "regret") -> Figure:
    """Regret over the steps, mean over the runs; and at the right where each run ended.

    curves: for each strategy of LOOKS, (runs, T).
    """
    figure, (left, right) = subplots(1, 2, height=4.2, width_ratios=(3, 2), sharey=True)
    means = [float(values.mean(dim=0)[-1]) for values in curves.values()]
    steps = max(values.shape[1] for values in curves.values())
    for number, (name, values) in enumerate(curves.items()):
        colour, dashes = LOOKS[name]
        left.plot(torch.arange(1, steps + 1), values.mean(dim=0), color=colour, linestyle=dashes, label=name)
        places = number + 0.28 * torch.linspace(-1, 1, len(values))
        right.plot(places, values[:, -1].sort().values, "o", color=colour, markersize=4)
        right.plot([number - 0.36, number + 0.36], [means[number]] * 2, **cased(1.8))
    left.set(xlabel="step", ylabel=unit, xlim=(0, steps), ylim=(0, None), title="mean over the runs")
    left.legend(loc="upper left")
    right.set_xticks(range(len(curves)), list(curves), rotation=30, ha="right")
    right.set(title="each run's end")
    right.grid(axis="x", visible=False)
    return figure


@drawing
def pulls(
    chosen: Mapping[str, Tensor], beliefs: Mapping[str, tuple[Tensor, Tensor]], values: Sequence[float]
) -> Figure:
    """One run of each strategy at a few machines: which was tried when, and what is believed of each at the end.

    chosen: (T,).   beliefs: mean and std of each machine's reward, (machines,) each.   values: the true rewards.
    """
    figure, rows = subplots(len(chosen), 2, height=2.3 * len(chosen) + 0.6, squeeze=False, width_ratios=(3, 2))
    for (left, right), (name, actions) in zip(rows, chosen.items(), strict=True):
        mean, std = beliefs[name]
        for number, colour in zip(range(len(values)), COLOURS, strict=False):
            steps = (actions == number).nonzero()[:, 0]
            left.plot(steps, torch.full_like(steps, number), "|", color=colour, markersize=14, markeredgewidth=0.8)
            _draw_belief(right, float(mean[number]), float(std[number]), values[number], colour)
        left.set(title=name, ylim=(-0.6, len(values) - 0.4), xlim=(-3, len(actions) + 2))
        left.set_yticks(range(len(values)), [f"machine {number}" for number in range(len(values))])
        left.grid(axis="y", visible=False)
        right.set(yticks=[], ylim=(0, 1.15), xlim=(-1.4, 1.9))
    rows[0][1].set_title("what it believes")
    rows[-1][0].set_xlabel("step")
    rows[-1][1].set_xlabel("mean reward")
    return figure


def _draw_belief(axes: Axes, mean: float, std: float, truth: float, colour: str) -> None:
    x = torch.linspace(-1.4, 1.9, 600)
    bell = torch.exp(-0.5 * ((x - mean) / std) ** 2)  # peaks scaled to 1
    axes.plot(x, bell, color=colour, linewidth=1.8)
    axes.fill_between(x, bell, color=colour, alpha=0.15, linewidth=0)
    axes.axvline(truth, color=colour, linewidth=1.4, linestyle="--")


@drawing
def taken(shares: Mapping[str, tuple[Tensor, Tensor]], every: int) -> Figure:
    """How many of the good and of the bad were taken over time, a panel per strategy: each run thin, the mean thick.

    shares: for each strategy the shares of the good and of the bad ones, (runs, blocks) each.
    """
    figure, axes_of = subplots(1, len(shares), height=3.4, squeeze=False, sharey=True)
    for axes, (title, pair) in zip(axes_of[0], shares.items(), strict=True):
        for values, colour, dashes in zip(pair, COLOURS, DASHES, strict=False):
            steps = every * (torch.arange(values.shape[1]) + 0.5)
            axes.plot(steps, 100 * values.T, color=colour, linewidth=0.4)
            axes.plot(steps, 100 * values.nanmean(dim=0), color=colour, linestyle=dashes, linewidth=2.4)
        axes.set(title=title, xlabel="step", ylim=(-3, 103))
    axes_of[0][0].set_ylabel("taken [%]")
    _legend(figure, ["of the good ones", "of the bad ones"], COLOURS)
    return figure


@drawing
def doubt(spreads: Mapping[str, Tensor], every: int) -> Figure:
    """How far draws of a predicted reward lie apart, over time, a line per kind of context; mean over the runs.

    spreads: (runs, T), a column per `every` steps.
    """
    figure, axes = subplots(height=3.8)
    for (_, values), colour, dashes in zip(spreads.items(), COLOURS, DASHES, strict=False):
        steps = every * torch.arange(values.shape[1])
        axes.plot(steps, values.T, color=colour, linewidth=0.4)
        axes.plot(steps, values.mean(dim=0), color=colour, linestyle=dashes, linewidth=2.4)
    axes.set(xlabel="step", ylabel="std of the predicted reward", ylim=(0, None))
    _legend(figure, list(spreads), COLOURS)
    return figure

"""The figures and the slider of lesson 05. They get plain tensors, in the units of the axes, and train nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from torch import Tensor

from bnn_core.figures import BLUE, GREEN, GREY, VERMILLION, cased, drawing, label_line, live_figure, subplots
from bnn_core.gaussian import gaussian_log_prob

COLOURS = (VERMILLION, GREEN, BLUE)  # one draw for all rows, a draw for each row, local reparameterization
MARKERS = ("o", "^", "s")

# --- One weight, many examples ------------------------------------------------------------------------------

BATCH_SIZES = tuple(2**power for power in range(10))
SETTINGS = ((1, -1.0), (256, -1.0), (256, -0.4))
STEPS, SHOWN = 10, 40  # draws side by side, and how many examples of each get a dot
WEIGHT_MEAN, TRUE_WEIGHT = 0.2, 0.5
GRADIENTS = (-3.4, 2.6)  # the axis of the gradients, wide enough for nearly all dots at the largest log_std


def batch_slider() -> Any:
    """A widget: sliders for the batch size and the weight's log_std, and the gradients that they give."""
    import ipywidgets

    look = {"style": {"description_width": "8em"}, "layout": ipywidgets.Layout(width="30em")}
    return live_figure(
        _draw_one_setting,
        batch_size=ipywidgets.SelectionSlider(value=16, options=BATCH_SIZES, description="batch size", **look),
        log_std=ipywidgets.FloatSlider(-1.0, min=-4, max=-0.4, step=0.2, description="weight_log_std", **look),
    )


def batch_settings() -> Figure:
    """The slider's picture at three settings, for where widgets don't run."""
    return draw_gradients(SETTINGS)


def _draw_one_setting(batch_size: int, log_std: float) -> tuple[Figure, str]:
    alt = (
        f"Gradients of {batch_size} example{'s' * (batch_size > 1)} for a weight of log_std {log_std:.1f}, in {STEPS}"
        " draws: with one weight for all they move together, with a weight for each their average hardly moves."
    )
    return draw_gradients([(batch_size, log_std)]), alt


@drawing
def draw_gradients(settings: Sequence[tuple[int, float]]) -> Figure:
    """For each (batch size, log_std) a row: gradients under shared and under own noise, and their average's std.

    One weight w, prediction w·x, loss ½(w·x − t)²: the gradient for the weight's mean is x·(w·x − t).
    """
    height = 0.7 + 2.5 * len(settings)
    # Fixed margins: to compute them takes as long as to draw, and a slider redraws often.
    margins = {"left": 0.15, "right": 0.985, "bottom": 0.55 / height, "top": 1 - 0.35 / height}
    figure, rows = subplots(
        len(settings),
        3,
        height=height,
        layout=None,
        squeeze=False,
        width_ratios=(4, 4, 3.3),
        gridspec_kw=margins | {"wspace": 0.42, "hspace": 0.22},
    )
    for axes, (batch_size, log_std) in zip(rows, settings, strict=True):
        std = float(torch.tensor(log_std).exp())
        _draw_steps(axes[0], batch_size, std, shared=True)
        _draw_steps(axes[1], batch_size, std, shared=False)
        _draw_spread(axes[2], batch_size, std)
        for panel in axes[:2]:
            panel.set(ylim=GRADIENTS)
        axes[0].set_ylabel(f"gradient, B = {batch_size}\nlog_std = {log_std:.1f}".replace("-", "−"))
        axes[1].set_yticklabels([])
    for axes, title in zip(rows[0], ("one for all", "one for each", "std of mean"), strict=True):
        axes.set_title(title)
    for axes, label in zip(rows[-1], ("draw", "draw", "batch size B"), strict=True):
        axes.set_xlabel(label)
    return figure


def _examples(batch_size: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets, (B,) each; a smaller batch is the beginning of a larger one."""
    noise = torch.randn(BATCH_SIZES[-1], 2, generator=torch.Generator().manual_seed(3))[:batch_size]
    x = 1 + 0.15 * noise[:, 0]
    return x, TRUE_WEIGHT * x + 0.3 * noise[:, 1]


def _draw_steps(axes: Axes, batch_size: int, std: float, shared: bool) -> None:
    x, target = _examples(batch_size)
    epsilon = torch.randn(BATCH_SIZES[-1], STEPS, generator=torch.Generator().manual_seed(3))
    # The first example gets the same noise both ways: at batch size 1 there is no difference.
    weight = WEIGHT_MEAN + std * (epsilon[:1] if shared else epsilon[:batch_size])
    gradients = x[:, None] * (weight * x[:, None] - target[:, None])
    colour = VERMILLION if shared else BLUE
    count = min(batch_size, SHOWN)
    # A single example is its own average: its dot stands before the bar.
    look: dict[str, Any] = {"s": 5} if count > 1 else {"s": 36, "zorder": 5}
    beside = torch.linspace(-0.3, 0.3, count) if count > 1 else torch.zeros(1)
    for step in range(STEPS):
        axes.scatter(step + 1 + beside, gradients[:count, step], color=colour, linewidth=0, **look)
    averages = gradients.mean(dim=0)
    steps = torch.arange(1, STEPS + 1)
    axes.hlines(averages, steps - 0.42, steps + 0.42, zorder=4, **cased(2.2))
    axes.set(xlim=(0.4, STEPS + 0.6), xticks=range(2, STEPS + 1, 4))
    axes.grid(visible=False, axis="x")


def _draw_spread(axes: Axes, batch_size: int, std: float) -> None:
    sizes = torch.tensor(BATCH_SIZES)
    squares = [_examples(size)[0].square() for size in BATCH_SIZES]
    shared = std * torch.stack([square.mean() for square in squares])
    own = std * torch.stack([square.square().sum().sqrt() / len(square) for square in squares])
    here = BATCH_SIZES.index(batch_size)
    for curve, colour in ((shared, VERMILLION), (own, BLUE)):
        axes.loglog(sizes, curve, color=colour)
        axes.plot(batch_size, curve[here], "o", color=colour, markersize=8)
    label_line(axes, "one for all", 1.1, float(shared[-1]) * 1.5, VERMILLION, va="bottom")
    label_line(axes, "one for\neach", 1.1, max(8e-4, 0.1 * float(own[-1])), BLUE, va="bottom")
    axes.set(ylim=(6e-4, 4))
    _plain_ticks(axes, (0.01, 0.1, 1))
    _batch_ticks(axes, (1, 16, 256))


def _batch_ticks(axes: Axes, sizes: Sequence[int]) -> None:
    axes.xaxis.set_major_locator(FixedLocator(list(sizes)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([str(size) for size in sizes])


# --- A sum of drawn weights ---------------------------------------------------------------------------------


@drawing
def sums_of_weights(weights: Tensor, x: Tensor, sums: Mapping[str, tuple[Tensor, float, float]]) -> Figure:
    """Drawn pairs of weights as a cloud, coloured by the sum Σ x·w; and histograms of such sums, with a Gaussian each.

    weights: (N, 2). x: (2,). sums: for each title the sums of N draws, and the Gaussian's mean and std.
    """
    figure, (cloud, *panels) = subplots(1, 1 + len(sums), height=2.9)
    values = weights @ x
    cloud.scatter(*weights[:800].T, c=values[:800], cmap="cividis", s=12, edgecolor=GREY, linewidth=0.3)
    centre = weights.mean(dim=0)
    along = torch.tensor([-1.0, 1.0]) * x.flip(0) / x.norm()  # the direction in which the sum doesn't change
    for level in torch.quantile(values, torch.tensor([0.1, 0.5, 0.9])):
        point = centre + (level - centre @ x) * x / x.square().sum()
        ends = torch.stack([point - 3 * along, point + 3 * along])
        cloud.plot(*ends.T, **cased(1.5))
    reach = 3.2 * float(weights.std(dim=0).max())
    cloud.set(xlim=(float(centre[0]) - reach, float(centre[0]) + reach), xlabel="weight 1", ylabel="weight 2")
    cloud.set(ylim=(float(centre[1]) - reach, float(centre[1]) + reach), title="two weights")
    for axes, (title, (drawn, mean, std)) in zip(panels, sums.items(), strict=True):
        z = mean + std * torch.linspace(-4, 4, 201)
        axes.hist(drawn.numpy(), bins=40, range=(float(z[0]), float(z[-1])), density=True, color=BLUE, alpha=0.4)
        axes.plot(z, gaussian_log_prob(z, mean, std).exp(), color=VERMILLION)
        axes.set(title=title, xlabel="Σ x·w", yticks=[])
    panels[0].set(ylabel="how often")
    return figure


# --- The digits ---------------------------------------------------------------------------------------------


@drawing
def gradient_correlations(correlations: Mapping[str, Tensor], labels: Sequence[int]) -> Figure:
    """How the gradients of examples move together: a panel per entry, its title and a matrix (E, E).

    labels: the class of each of the E examples, in order; thin lines part the classes.
    """
    figure, panels = subplots(1, len(correlations), height=3.6, squeeze=False)
    starts = [place for place in range(1, len(labels)) if labels[place] != labels[place - 1]]
    edges = [0, *starts, len(labels)]
    centres = [(low + high - 1) / 2 for low, high in pairwise(edges)]
    names = [str(labels[low]) for low in edges[:-1]]
    for axes, (title, matrix) in zip(panels[0], correlations.items(), strict=True):
        image = axes.imshow(matrix.numpy(), cmap="PuOr_r", vmin=-1, vmax=1)
        for start in starts:
            axes.axhline(start - 0.5, color=GREY, linewidth=0.8)
            axes.axvline(start - 0.5, color=GREY, linewidth=0.8)
        axes.set(title=title, xticks=centres, xticklabels=names, yticks=centres, yticklabels=names)
        axes.set(xlabel="digit shown")
        axes.tick_params(length=0)
        axes.grid(visible=False)
    panels[0][0].set(ylabel="digit shown")
    figure.colorbar(image, ax=list(panels[0]), label="correlation of two gradients", location="bottom", shrink=0.8)
    return figure


# A large hollow mark shows a small full one inside it, where both ways have the same variance.
MARKS: tuple[dict[str, Any], ...] = (
    {"marker": "o", "markersize": 4},
    {"marker": "^", "markersize": 9, "markerfacecolor": "none"},
    {"marker": "s", "markersize": 4},
)


@drawing
def variances(sizes: Sequence[int], measured: Mapping[str, Tensor], predicted: Tensor, layers: Sequence[str]) -> Figure:
    """The gradient's variance against the batch size, on log axes: a column per layer, means above, log_stds below.

    measured: for each way of drawing, (T, L, 2): the T smallest batch sizes, L layers, mean and log_std.
    predicted: the same at all sizes, as a dashed line, on which the marks of what was measured stand.
    """
    figure, panels = subplots(2, len(layers), height=5.6, sharex=True, sharey="row")
    for column, layer in enumerate(layers):
        for row, parameter in enumerate(("mean", "log_std")):
            axes = panels[row, column]
            for values, colour, look in zip(measured.values(), COLOURS, MARKS, strict=True):
                curve = values[:, column, row]
                axes.loglog(sizes[: len(curve)], curve, color=colour, linewidth=0.8, **look)
            axes.loglog(sizes, predicted[:, column, row], linestyle="--", zorder=1.9, **cased(1.5))
            axes.set_title(f"{layer}: {parameter}")
            _batch_ticks(axes, [size for size in sizes if size in (1, 16, 256)])
    for axes in panels[-1]:
        axes.set_xlabel("batch size")
    for axes in panels[:, 0]:
        axes.set_ylabel("variance of the gradient")
    _legend(figure, [*measured, "v/B · (1 + (B − 1)ρ)"], columns=2)
    return figure


@drawing
def step_times(sizes: Sequence[int], measured: Mapping[str, Sequence[float]]) -> Figure:
    """The time of a forward and backward pass [ms] against the batch size, on log axes.

    measured: for each way of drawing, the times at the smallest batch sizes.
    """
    figure, axes = subplots(height=4.2)
    for times, colour, marker in zip(measured.values(), COLOURS, MARKERS, strict=True):
        axes.loglog(sizes[: len(times)], times, color=colour, marker=marker, markersize=6)
    axes.set(xlabel="batch size", ylabel="time per step [ms]")
    _batch_ticks(axes, sizes)
    _legend(figure, list(measured), columns=2)
    return figure


@drawing
def training_curves(steps: Sequence[int], curves: Mapping[str, Mapping[str, Tensor]]) -> Figure:
    """What was watched in training [nats], a panel each, on a log axis: a thin line per run, a thick one on average.

    curves: for each quantity and each way of drawing, (R, T): R runs, and the value at each of T steps.
    """
    figure, panels = subplots(1, len(curves), height=4.0, squeeze=False)
    for axes, (title, ways) in zip(panels[0], curves.items(), strict=True):
        looks = list(zip(ways.values(), COLOURS[::2], MARKERS[::2], strict=True))
        for runs, colour, marker in looks:
            axes.semilogy(steps, runs.mean(dim=0), color=colour, linewidth=2.5, marker=marker, markersize=5)
        for runs, colour, _ in looks:
            axes.semilogy(steps, runs.T, color=colour, linewidth=0.6)
        axes.set(title=title, xlabel="training step")
        _plain_ticks(axes, (0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30))
    panels[0][0].set_ylabel("nats")
    _legend(figure, list(next(iter(curves.values()))), columns=2)
    return figure


def _plain_ticks(axes: Axes, values: Sequence[float]) -> None:
    """Ticks of a log axis as plain numbers: those of the values that lie on it."""
    low, high = axes.get_ylim()
    ticks = [value for value in values if low <= value <= high]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticklabels([f"{tick:g}" for tick in ticks])


@drawing
def log_std_histograms(log_stds: Mapping[str, Tensor], start: float, prior: float) -> Figure:
    """How the log_stds of a layer lie, a panel for each way of drawing; dashed, where they began and the prior's."""
    figure, panels = subplots(len(log_stds), height=2.5 * len(log_stds), sharex=True, squeeze=False)
    low, high = start - 0.15, prior + 0.35
    for axes, (name, values), colour in zip(panels.flat, log_stds.items(), COLOURS[::2], strict=True):
        axes.hist(values.flatten().clamp(low, high).numpy(), bins=80, range=(low, high), color=colour)
        for place, text in ((start, "start"), (prior, "prior")):
            axes.axvline(place, color=GREY, linestyle="--", linewidth=1.2)
            axes.text(place, 1.01, text, color=GREY, ha="center", transform=axes.get_xaxis_transform())
        axes.set(xlim=(low, high), ylabel="how many weights")
        axes.set_title(name, pad=18)
    panels[-1][0].set_xlabel("log_std")
    return figure


def _legend(figure: Figure, names: Sequence[str], columns: int) -> None:
    """One legend for all panels, above them, since they all mean the same."""
    figure.legend(figure.axes[0].lines[: len(names)], names, loc="outside upper center", ncols=columns)

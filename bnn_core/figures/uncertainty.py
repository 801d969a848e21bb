"""The figures and the slider of lesson 07. They get plain tensors, probabilities and images, and train nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from bnn_core.figures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    SKY_BLUE,
    VERMILLION,
    cased,
    drawing,
    label_line,
    live_figure,
    subplots,
)

COLOURS = (VERMILLION, BLUE, SKY_BLUE, ORANGE, GREEN)
MARKERS = ("o", "s", "D", "^", "v")
DASHES = ("-", "-", "--", "-.", ":")


def image(axes: Axes, pixels: Tensor) -> None:
    """A square image, 0 (paper) to 1 (ink), on axes without ticks."""
    side = math.isqrt(pixels.numel())
    axes.imshow(pixels.view(side, side).numpy(), cmap="gray_r", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set(visible=True, color=GREY)


# --- A digit that turns ---------------------------------------------------------------------------------------


def turning_slider(images: Tensor, angles: Sequence[int], probs: Mapping[str, Tensor]) -> Any:
    """A widget: a slider for the angle of a digit, and what each network says of it.

    images: A × D, a row per angle.   angles: in degrees.   probs: A × C for each network.
    """
    import ipywidgets

    def draw(angle: int) -> tuple[Figure, str]:
        at = list(angles).index(angle)
        said = "; ".join(f"{name}: {float(one[at].max()):.0%} sure of a {int(one[at].argmax())}"
                         for name, one in probs.items())  # fmt: skip
        return turned(images, angles, probs, [angle]), f"The digit turned by {angle} degrees. {said}."

    look = {"style": {"description_width": "9em"}, "layout": ipywidgets.Layout(width="32em")}
    slider = ipywidgets.SelectionSlider(value=angles[0], options=list(angles), description="angle [degrees]", **look)
    return live_figure(draw, angle=slider)


@drawing
def turned(images: Tensor, angles: Sequence[int], probs: Mapping[str, Tensor], shown: Sequence[int]) -> Figure:
    """For each of the shown angles a row: the digit, and a panel per network with its probabilities."""
    height = 0.7 + 1.75 * len(shown)
    # Fixed margins: to compute them takes as long as to draw, and a slider redraws often.
    margins = {"left": 0.02, "right": 0.98, "bottom": 0.5 / height, "top": 1 - 0.4 / height, "wspace": 0.45}
    figure, rows = subplots(
        len(shown),
        1 + len(probs),
        height=height,
        layout=None,
        squeeze=False,
        width_ratios=[1.0] + [2.0] * len(probs),
        gridspec_kw=margins | {"hspace": 0.35},
    )
    for panels, angle in zip(rows, shown, strict=True):
        at = list(angles).index(angle)
        image(panels[0], images[at])
        panels[0].set_xlabel(f"{angle}°", labelpad=2)
        for axes, one, colour in zip(panels[1:], probs.values(), COLOURS, strict=False):
            axes.bar(range(one.shape[1]), one[at].tolist(), color=colour)
            axes.set(ylim=(0, 1.02), xticks=range(one.shape[1]), yticks=[0, 0.5, 1])
    for axes, name in zip(rows[0][1:], probs, strict=True):
        axes.set_title(name)
    for axes in rows[-1][1:]:
        axes.set_xlabel("digit", labelpad=2)
    rows[0][1].set_ylabel("probability")
    return figure


# --- Two kinds of doubt ---------------------------------------------------------------------------------------


@drawing
def draws_side_by_side(images: Tensor, probs: Tensor, titles: Sequence[str]) -> Figure:
    """For each input its image, and below it what each draw of the weights says of it: a row per draw.

    images: B × D.   probs: S × B × C.
    """
    figure, rows = subplots(2, len(images), height=5.0, height_ratios=(2, 3))
    for column, title in enumerate(titles):
        image(rows[0][column], images[column])
        rows[0][column].set_title(title)
        axes = rows[1][column]
        shown = axes.imshow(
            probs[:, column].numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest"
        )
        axes.set(xticks=range(probs.shape[2]), yticks=[], xlabel="digit")
        axes.grid(False)
    rows[1][0].set_ylabel(f"{len(probs)} draws")
    figure.colorbar(shown, ax=list(rows[1]), label="probability", location="bottom", fraction=0.06)
    return figure


@drawing
def two_parts(groups: Mapping[str, Mapping[str, tuple[float, float]]]) -> Figure:
    """Mean doubt of groups of inputs, split in two, side by side for each training set.

    groups: for each group, for each training set, what the draws agree about and what they disagree about, in nats.
    """
    figure, axes = subplots(height=4.2)
    names = list(next(iter(groups.values())))
    width = 0.8 / len(names)
    for place, parts in enumerate(groups.values()):
        for number, (name, (agreed, disputed)) in enumerate(parts.items()):
            at = place + (number - (len(names) - 1) / 2) * width
            axes.bar(at, agreed, 0.92 * width, color=GREY)
            axes.bar(at, disputed, 0.92 * width, bottom=agreed, color=ORANGE, hatch="//", edgecolor="white")
            axes.text(at, agreed + disputed + 0.02, name, ha="center")
    axes.axhline(math.log(2), linestyle=":", **cased(1.2))
    label_line(axes, "log 2", len(groups) - 0.4, math.log(2) + 0.08, GREY, ha="center")
    axes.set_xlim(-0.55, len(groups) - 0.25)
    axes.set(xticks=range(len(groups)), ylabel="doubt [nats]")
    axes.set_xticklabels(list(groups))
    axes.margins(y=0.12)
    handles = [Patch(facecolor=ORANGE, hatch="//", edgecolor="white"), Patch(facecolor=GREY)]
    labels = ["mutual information: the draws disagree", "the rest: all draws are unsure"]
    figure.legend(handles, labels, loc="outside upper left")
    return figure


@drawing
def known_and_strange(doubts: Mapping[str, tuple[Tensor, Tensor]]) -> Figure:
    """Histograms of the predictive entropy, in nats: of digits and of strangers, a panel per network."""
    figure, panels = subplots(len(doubts), height=0.7 + 1.9 * len(doubts), sharex=True, sharey=True, squeeze=False)
    bins = torch.linspace(0, math.log(10), 24).tolist()
    looks = ((BLUE, ""), (ORANGE, "//"))
    for axes, (name, (known, strange)) in zip(panels.flat, doubts.items(), strict=True):
        for values, (colour, hatch) in zip((known, strange), looks, strict=True):
            weights = [1 / len(values)] * len(values)
            axes.hist(values.tolist(), bins, weights=weights, color=colour, alpha=0.35)
            axes.hist(
                values.tolist(), bins, weights=weights, histtype="step", edgecolor=colour, hatch=hatch, linewidth=1.4
            )
        axes.set(title=name, ylabel="share of inputs")
    panels[-1][0].set_xlabel("predictive entropy [nats]")
    handles = [Patch(facecolor=(colour, 0.35), edgecolor=colour, hatch=hatch) for colour, hatch in looks]
    figure.legend(handles, ["digits", "digits with their pixels shuffled"], loc="outside upper left")
    return figure


@drawing
def gallery(images: Tensor, labels: Tensor, probs: Tensor) -> Figure:
    """Images with their label and the two likeliest digits, four in a row. probs: B × C."""
    columns = 4
    rows = math.ceil(len(images) / columns)
    figure, grid = subplots(rows, columns, height=1.9 * rows, squeeze=False)
    for axes in grid.flat[len(images) :]:
        axes.axis("off")
    for axes, pixels, label, prob in zip(grid.flat, images, labels.tolist(), probs, strict=False):
        image(axes, pixels)
        first, second = prob.topk(2).indices.tolist()
        right = first == label
        said = f"{first}: {float(prob[first]):.0%}, {second}: {float(prob[second]):.0%}"
        axes.set_title(said, fontsize=11, fontweight="normal", color=GREY if right else VERMILLION, loc="center")
        axes.set_xlabel(f"is a {label}" if right else f"is a {label}  ✗", color=GREY if right else VERMILLION)
    return figure


# --- Calibration, turning, pruning ----------------------------------------------------------------------------


def reliability(probs: Tensor, labels: Tensor, num_bins: int = 15) -> tuple[Tensor, Tensor, Tensor]:
    """Confidence, accuracy and share of the examples of each bin that isn't empty. probs: B × C."""
    confidence, prediction = probs.max(dim=1)
    bins = torch.bucketize(confidence, torch.linspace(0, 1, num_bins + 1)[1:-1])
    held = [bins == m for m in range(num_bins) if bool((bins == m).any())]
    right = (prediction == labels).to(probs.dtype)
    columns = [(confidence[one].mean(), right[one].mean(), one.to(probs.dtype).mean()) for one in held]
    sure, accuracy, share = torch.tensor(columns).T
    return sure, accuracy, share


@drawing
def calibration(probs: Mapping[str, Tensor], labels: Tensor) -> Figure:
    """Accuracy against confidence, a panel per network; the area of a mark says how many examples a bin holds.

    probs: B × C for each network, averaged over its draws.
    """
    columns = min(2, len(probs))
    rows = math.ceil(len(probs) / columns)
    figure, panels = subplots(rows, columns, height=2.7 * rows, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(probs) :]:
        axes.axis("off")
    for axes, (name, one), colour in zip(panels.flat, probs.items(), COLOURS, strict=False):
        confidence, accuracy, share = reliability(one, labels)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1.2, linestyle="--")
        axes.vlines(confidence, confidence, accuracy, color=colour, linewidth=1.4)
        axes.scatter(confidence, accuracy, s=12 + 400 * share, color=colour, linewidth=0)
        axes.set(xlim=(0.15, 1.1), ylim=(-0.04, 1.1), xlabel="confidence", title=name)
        axes.tick_params(labelbottom=True)
    for axes in panels[:, 0]:
        axes.set_ylabel("accuracy")
    return figure


@drawing
def turning(angles: Sequence[int], accuracies: Mapping[str, Sequence[float]], doubts: Mapping[str, Tensor]) -> Figure:
    """Accuracy, and the mean predictive entropy in nats, against the angle; a line per network."""
    figure, (above, below) = subplots(2, height=6.2, sharex=True)
    for number, name in enumerate(accuracies):
        look = {"color": COLOURS[number], "marker": MARKERS[number], "linestyle": DASHES[number], "markersize": 5}
        above.plot(angles, accuracies[name], label=name, **look)
        below.plot(angles, doubts[name], **look)
    above.set(title="accuracy", ylim=(0, 1.03), ylabel="share of right predictions")
    below.set(title="doubt", xlabel="angle [degrees]", ylim=(0, None), ylabel="predictive entropy [nats]")
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@drawing
def pruning(fractions: Sequence[float], errors: Mapping[str, Sequence[float]], paper: Mapping[float, float]) -> Figure:
    """Test error in per cent against the share of weights removed, on a log axis; the paper's beside it."""
    figure, axes = subplots(height=4.2)
    for number, (name, values) in enumerate(errors.items()):
        look = {"color": COLOURS[number], "marker": MARKERS[number], "linestyle": DASHES[number]}
        axes.plot([100 * f for f in fractions], values, label=name, **look)
    axes.plot([100 * f for f in paper], list(paper.values()), marker="x", linestyle=":", label="paper", **cased(2))
    axes.set(yscale="log", xlabel="weights removed [%]", ylabel="test error [%]", yticks=[1, 2, 5, 10, 20, 50, 90])
    axes.set_yticklabels(["1", "2", "5", "10", "20", "50", "90"])
    axes.minorticks_off()
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@drawing
def strengths(ratios: Mapping[str, Tensor]) -> Figure:
    """Histograms of log10 of the weights' signal-to-noise ratios, as lines."""
    figure, axes = subplots(height=3.4)
    looks = ((BLUE, "-"), (SKY_BLUE, "--"))
    for (name, ratio), (colour, dashes) in zip(ratios.items(), looks, strict=False):
        counts, edges = torch.histogram(ratio.flatten().clamp(1e-4, 1e4).log10(), bins=50, range=(-3, 2.5))
        axes.stairs(counts / counts.sum(), edges, color=colour, linewidth=2, linestyle=dashes, label=name)
    axes.axvline(0, color=GREY, linewidth=1, linestyle=":")
    axes.set(xlabel="log10 of |mean| / std", ylabel="share of weights")
    figure.legend(loc="outside upper left", ncols=2)
    return figure

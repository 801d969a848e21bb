"""Every figure that a lesson draws can be read on light and dark pages, by colour-blind readers, and on a phone."""

import inspect
import math
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.artist import Artist
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from numpy.typing import NDArray
from torch import Tensor

from bnn_core import datasets, figures

Colour = NDArray[np.float64]

LIGHT, DARKS = "#FFFFFF", ("#111111", "#212121")
"""The grounds of JupyterLab's themes."""

PHONE = 350
"""How wide a phone shows a figure, in pixels, and how high letters must then be."""
SMALLEST = 8.9

MODULES = (
    "start_here", "reparameterization", "kl_divergence", "bayesian_linear", "bayes_by_backprop",
    "local_reparameterization", "hidden_layer", "uncertainty", "acting_on_uncertainty", "how_wrong",
)  # fmt: skip
LESSON: dict[str, ModuleType] = {name: import_module(f"bnn_core.figures.{name}") for name in MODULES}

TRAIN, OTHERS = datasets.auto_mpg().split(40)
GRID = torch.linspace(42, 232, 20)
CARS: tuple[Any, ...] = (TRAIN, [OTHERS], 110, GRID)
WAYS = ("one draw for the batch", "a draw for each row", "local reparameterization")
NETWORKS = ("plain", "Bayesian", "Bayesian, KL/10", "dropout", "ensemble")


def some(*size: int, seed: int = 0) -> Tensor:
    """Numbers between 0.1 and 1.1."""
    return torch.rand(size, generator=torch.Generator().manual_seed(seed)) + 0.1


def probs(*size: int) -> Tensor:
    return torch.softmax(3 * some(*size), dim=-1)


def draws(seed: int = 0) -> Tensor:
    return 25 + 8 * some(30, 20, seed=seed)


def each(names: tuple[str, ...], make: Callable[[], Any]) -> dict[str, Any]:
    return {name: make() for name in names}


TWO = ("one", "two")
PAIR = ("pathwise", "score function")
DRAWN: dict[str, dict[str, tuple[Any, ...]]] = {
    "start_here": {
        "two_networks": (*CARS, draws()[0], draws(), 4.0),
        "log_densities": (OTHERS.column("horsepower"), each(TWO, lambda: -some(len(OTHERS))), 110),
        "draw_density": ([(0.2, 1.0), (3.0, 1.0)],),
    },
    "reparameterization": {
        "draw_draws": ([(0.0, 0.0), (2.0, -1.0)],),
        "single_gradients": (each(PAIR, lambda: some(500)), 0.5),
        "errors": ([1, 4, 16], each(PAIR, lambda: some(3, 3)), dict.fromkeys(PAIR, 1.0)),
        "variances": ([1, 4, 16], each(PAIR, lambda: some(3))),
        "step_function": (torch.arange(3.0), some(3), each(PAIR, lambda: some(3))),
    },
    "kl_divergence": {
        "draw_bets": ([(0.0, -0.7), (1.5, -1.5)],),
        "directions": (some(5), some(5), some(5)),
        "convergence": ([1, 10, 100], some(3), some(3)),
        "two_humps": (torch.linspace(-5, 5, 50), some(50), {"one": (1.0, 0.5), "two": (-2.0, 1.0)}),
    },
    "bayesian_linear": {
        "plain_networks": (TRAIN, 110, GRID, draws()[:3]),
        "draw_weight": ([(1.0, -3.0), (-0.5, 0.0)],),
        "sampled_functions": (*CARS, each(TWO, draws), 4.0),
        "hidden_units": (GRID, some(6, 20, 20), 110),
        "log_std_histories": (each(TWO, lambda: {"live": some(9, 3), "silent": some(9, 4)}), 20),
    },
    "bayes_by_backprop": {
        "draw_counted": ([(40, -2.0), (40, 2.0)],),
        "landing": (some(9, 4), some(4), ["a", "b", "c", "d"], some(9), 20),
        "two_posteriors": (["a", "b"], some(2), torch.eye(2), some(2), some(9, 2)),
        "counted": (some(5), each(TWO, lambda: some(5)), {"right": (1.0, [0.2, 0.3]), "wrong": (0.1, [0.2, 0.1])}),
        "one_unit": (torch.linspace(-3, 3, 20), some(50, 20), some(20)),
        "bands": (
            datasets.Dataset(some(9, 1), some(9), ("x",), "y", ""),
            torch.linspace(0, 1, 20),
            some(20),
            each(TWO, lambda: (some(20), some(20))),
            each(TWO, lambda: some(12, 20)),
        ),
        "with_and_without": ({"cars": each(TWO, lambda: some(9, 5)), "curve": each(TWO, lambda: some(9, 5))}, 20),
        "learned_noise": (each(TWO, lambda: some(9)), 0.1, 20),
    },
    "local_reparameterization": {
        "draw_gradients": ([(1, -1.0), (256, -0.4)],),
        "sums_of_weights": (some(50, 2), some(2), {"their sum": (some(50), 0.5, 0.3), "of 784": (some(50), 0.5, 0.3)}),
        "gradient_correlations": (each(WAYS[::2], lambda: torch.eye(4)), [3, 3, 8, 8]),
        "variances": ([1, 4, 16], each(WAYS, lambda: some(3, 3, 2)), some(3, 3, 2), ["bottom", "middle", "top"]),
        "step_times": ([1, 8, 64], each(WAYS, lambda: [1.0, 2.0, 3.0])),
        "training_curves": ([0, 10, 20], each(("KL", "loss"), lambda: each(WAYS[::2], lambda: some(4, 3)))),
        "log_std_histograms": (each(WAYS[::2], lambda: some(50) - 3), -3.0, -2.3),
    },
    "hidden_layer": {
        "draw_rows": ([(1.0, 0.8), (-1.0, 0.8)],),
        "trap": (each(TWO, lambda: some(9)), each(TWO, lambda: some(9)), 20),
        "judged_functions": (*CARS, each(TWO, draws), 4.0),
        "sampling_modes": (TRAIN, 110, GRID, each(("row by row (local reparameterization)", "in weight space"), draws)),
    },
    "uncertainty": {
        "turned": (some(2, 64), [0, 45], each(NETWORKS[:2], lambda: probs(2, 10)), [0, 45]),
        "draws_side_by_side": (some(3, 64), probs(30, 3, 10), ["a clear digit", "an unclear digit", "a stranger"]),
        "two_parts": (each(("other digits", "strangers"), lambda: {"150": (0.5, 1.0), "1200": (0.25, 0.1)}),),
        "known_and_strange": (each(NETWORKS[:3], lambda: (some(20), 2 * some(30))),),
        "gallery": (some(5, 64), torch.arange(5), probs(5, 10)),
        "calibration": (each(NETWORKS, lambda: probs(99, 10)), torch.arange(99) % 10),
        "turning": ([0, 90], each(NETWORKS, lambda: [0.9, 0.1]), each(NETWORKS, lambda: [0.9, 0.1])),
        "pruning": ([0.0, 0.9], each(NETWORKS[:3], lambda: [1.0, 50.0]), {0.0: 1.24, 0.98: 1.39}),
        "strengths": (each(TWO, lambda: some(40)),),
    },
    "acting_on_uncertainty": {
        "draw_prices": ([0.4, 0.05],),
        "risk_coverage": (each(TWO, lambda: each(TWO, lambda: some(3, 30))),),
        "cost_of_thresholds": (each(TWO, lambda: each(TWO, lambda: (torch.linspace(0, 0.99, 9), some(3, 9)))), 0.1),
        "regret": (each(("Thompson", "average", "greedy", "ε-greedy"), lambda: some(4, 9).cumsum(dim=1)),),
        "pulls": (
            each(("greedy", "Thompson"), lambda: torch.arange(9) % 3),
            each(("greedy", "Thompson"), lambda: (some(3), some(3))),
            [0.0, 0.2, 0.5],
        ),
        "taken": (each(("Thompson", "greedy"), lambda: (some(3, 4), some(3, 4))), 10),
        "doubt": (each(TWO, lambda: some(3, 9)), 25),
    },
    "how_wrong": {
        "functions": (TRAIN, GRID, each(("NUTS", "mean-field", "ensemble"), draws), [(80.0, 145.0)], (-5, 55)),
        "spreads": (GRID, each(("NUTS", "mean-field", "ensemble", "Laplace"), lambda: some(20)), [(80.0, 145.0)], 2.0),
        "traces": (each(TWO, lambda: some(4, 50)),),
        "live_units": (each(("NUTS", "prior", "mean-field"), lambda: torch.arange(9) % 5), 4),
    },
}  # fmt: skip
CASES = [pytest.param(module, name, id=f"{module}.{name}") for module, drawn in DRAWN.items() for name in drawn]


@pytest.fixture(scope="module")
def drawn() -> Callable[[str, str], Figure]:
    done: dict[tuple[str, str], Figure] = {}

    def draw(module: str, name: str) -> Figure:
        if (module, name) not in done:
            done[module, name] = getattr(LESSON[module], name)(*DRAWN[module][name])
        return done[module, name]

    return draw


@pytest.mark.parametrize("module", MODULES)
def test_every_figure_of_a_lesson_is_looked_at(module: str) -> None:
    public = inspect.getmembers(LESSON[module], inspect.isfunction)
    assert set(DRAWN[module]) == {name for name, function in public if hasattr(function, "__wrapped__")}


# What is measured.


def luminance(colour: Colour) -> float:
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: Colour, other: Colour) -> float:
    """As WCAG defines it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def on(colour: Any, ground: str, alpha: float | None = None, brightness: float = 1.0) -> float:
    """The contrast of an ink with a ground, on which it lies with its alpha."""
    ink, below = np.array(to_rgba(colour, alpha)), np.array(to_rgba(ground))[:3]
    return contrast(ink[3] * np.minimum(1, brightness * ink[:3]) + (1 - ink[3]) * below, below)


def seen(figure: Figure, kind: type[Artist]) -> Iterator[Any]:
    return (artist for artist in figure.findobj(kind) if artist.get_visible() and artist.figure is not None)


def letters(figure: Figure) -> list[Text]:
    return [text for text in seen(figure, Text) if text.get_text().strip()]


def of_the_axes(figure: Figure) -> set[int]:
    """The lines of ticks and grids."""
    return {id(line) for axis in figure.findobj(Axis) for line in axis.findobj(Line2D)}


def inks(figure: Figure) -> Iterator[Any]:
    """The colours of lines and dots that carry data: of their edges where they have edges of another colour."""
    grid = of_the_axes(figure)
    for line in seen(figure, Line2D):
        if id(line) in grid or not len(line.get_xdata()):
            continue
        if line.get_path_effects():
            yield "casing"
        elif line.get_linestyle() != "None":
            yield to_rgba(line.get_color(), line.get_alpha())
        elif line.get_marker() not in ("None", ""):
            edged = to_rgba(line.get_markeredgecolor()) != to_rgba(line.get_color())
            yield "casing" if edged else to_rgba(line.get_color(), line.get_alpha())
    for dots in seen(figure, PathCollection):
        edges = dots.get_edgecolor()
        yield from edges if len(edges) and dots.get_linewidth()[0] else dots.get_facecolor()
    for lines in seen(figure, LineCollection):
        yield from ["casing"] if lines.get_path_effects() else lines.get_color()


def is_read(ink: Any, ground: str) -> bool:
    """Black with white beside it is read anywhere: one of them stands out."""
    options = [figures.BLACK, "white"] if isinstance(ink, str) or tuple(ink[:3]) == (1, 1, 1) else [ink]
    return max(on(option, ground) for option in options) >= 3


@pytest.mark.parametrize(("module", "name"), CASES)
def test_letters_are_read_in_both_themes(drawn: Callable[[str, str], Figure], module: str, name: str) -> None:
    brightness = float(figures.IN_DARK.removeprefix("brightness(").removesuffix(")"))
    for text in letters(drawn(module, name)):
        colour = text.get_color()
        assert on(colour, LIGHT) >= 4.5, text
        for ground in DARKS:
            assert on(colour, ground) >= 3, text
            assert on(colour, ground, brightness=brightness) >= 4.5, text


@pytest.mark.parametrize(("module", "name"), CASES)
def test_lines_and_dots_are_seen_in_both_themes(drawn: Callable[[str, str], Figure], module: str, name: str) -> None:
    for ink in inks(drawn(module, name)):
        for ground in (LIGHT, *DARKS):
            assert is_read(ink, ground), (ink, ground)


@pytest.mark.parametrize(("module", "name"), CASES)
def test_what_a_legend_shows_is_what_is_drawn(drawn: Callable[[str, str], Figure], module: str, name: str) -> None:
    figure = drawn(module, name)
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    lines = [line for axes in figure.axes for line in axes.lines]
    for handle in (one for legend in legends for one in legend.legend_handles):
        is_line = isinstance(handle, Line2D) and handle.get_linestyle() != "None"
        if is_line and handle.get_color() != figures.GREY:  # which stands for a line of any colour
            like = [look(line) for line in lines if line.get_linewidth() >= 0.8 * handle.get_linewidth()]
            assert look(handle) in like or not like  # of which the latter draws outlines and no lines


def look(line: Line2D) -> tuple[Any, ...]:
    """Its colour and its dashes."""
    return *to_rgba(line.get_color()), line.get_linestyle(), line.is_dashed()


@pytest.mark.parametrize(("module", "name"), CASES)
def test_an_axis_is_lettered_outside_the_other_panels(
    drawn: Callable[[str, str], Figure], module: str, name: str
) -> None:
    figure = drawn(module, name)
    figure.draw_without_rendering()
    panels = [axes for axes in figure.axes if axes.axison]
    for axes in panels:
        written = [text for axis in (axes.xaxis, axes.yaxis) for text in (axis.label, *axis.get_ticklabels())]
        for text in written:
            if text.get_visible() and text.get_text():
                box = text.get_window_extent()
                others = [other for other in panels if other is not axes]
                assert not any(box.overlaps(other.get_window_extent()) for other in others), text


@pytest.mark.parametrize(("module", "name"), CASES)
def test_letters_are_large_enough_on_a_phone(drawn: Callable[[str, str], Figure], module: str, name: str) -> None:
    figure = drawn(module, name)
    for text in letters(figure):
        assert text.get_fontsize() / 72 * PHONE / figure.get_figwidth() >= SMALLEST, text


# Of how readers with colour-vision deficiencies see linear RGB: Machado, Oliveira and Fernandes (2009), severity 1.
SEEN_BY = {
    "everyone": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)


def lab(colour: str, seen_by: str) -> Colour:
    """The colour in CIELAB, whose distances are those that are seen: 2.3 is just noticeable."""
    rgb = np.array(to_rgba(colour))[:3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = TO_XYZ @ np.clip(np.array(SEEN_BY[seen_by]) @ linear, 0, 1) / TO_XYZ.sum(axis=1)
    f = [math.cbrt(t) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("reader", SEEN_BY)
def test_colour_blind_readers_tell_the_palette_apart(reader: str) -> None:
    colours = [lab(colour, reader) for colour in (*figures.PALETTE, figures.GREY)]
    distances = [float(np.linalg.norm(one - other)) for n, one in enumerate(colours) for other in colours[:n]]
    assert min(distances) >= 15

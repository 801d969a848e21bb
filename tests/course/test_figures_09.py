"""Lesson 09's figures draw what they are given, on axes that can be compared."""

from __future__ import annotations

import pytest
import torch

from bnn_core import figures
from bnn_core.datasets import Dataset
from bnn_core.figures import how_wrong as lesson_09

TRAIN = Dataset(torch.tensor([[60.0], [70.0], [160.0]]), torch.tensor([30.0, 28.0, 15.0]), ("horsepower",), "mpg", "")
GRID = torch.linspace(40, 240, 21)
EMPTY = [(80.0, 145.0), (180.0, 240.0)]


def draws(count: int, seed: int = 0) -> torch.Tensor:
    return 20 + torch.randn(count, 21, generator=torch.Generator().manual_seed(seed))


def test_each_method_has_a_panel_on_shared_axes() -> None:
    figure = lesson_09.functions(TRAIN, GRID, {"a": draws(50), "b": draws(5, 1), "c": draws(40, 2)}, EMPTY, (-5, 55))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "b", "c", ""]
    assert {axes.get_ylim() for axes in figure.axes} == {(-5, 55)}
    assert {axes.get_xlim() for axes in figure.axes} == {(40, 240)}
    assert all(axes.get_xlabel() for axes in figure.axes[-2:])
    figures.html(figure, "drawn without a warning")


@pytest.mark.parametrize(("count", "shown"), [(1000, 15), (40, 15), (5, 5), (1, 1)])
def test_a_panel_shows_some_of_the_draws_and_the_average_of_all(count: int, shown: int) -> None:
    drawn = draws(count)
    (axes,) = lesson_09.functions(TRAIN, GRID, {"a": drawn}, EMPTY, (-5, 55)).axes
    *functions, average = axes.lines
    assert len(functions) == shown
    assert torch.allclose(torch.as_tensor(average.get_ydata()), drawn.mean(dim=0))


def test_the_spread_of_each_method_is_a_line_of_its_own() -> None:
    stds = {name: torch.full((21,), float(number)) for number, name in enumerate(("a", "b", "c", "d"), start=1)}
    figure = lesson_09.spreads(GRID, stds, EMPTY, 10.0)
    (axes,) = figure.axes
    assert [line.get_label() for line in axes.lines] == list(stds)
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == 4
    assert [line.get_ydata()[0] for line in axes.lines] == [1.0, 2.0, 3.0, 4.0]
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    figures.html(figure, "drawn without a warning")


def test_each_quantity_has_a_row_with_every_chain_and_its_histogram() -> None:
    chains = torch.randn(4, 100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    figure = lesson_09.traces({"an answer": chains, "a weight": 3 * chains})
    assert len(figure.axes) == 4
    for left, right in (figure.axes[:2], figure.axes[2:]):
        assert len(left.lines) == len(right.patches) == 4
        assert [sum(histogram.get_data().values) for histogram in right.patches] == [100.0] * 4
    figures.html(figure, "drawn without a warning")


def test_the_bars_of_live_units_are_shares() -> None:
    figure = lesson_09.live_units({"a": torch.tensor([0, 2, 2, 3]), "b": torch.tensor([1, 1])}, 4)
    (axes,) = figure.axes
    heights = [[bar.get_height() for bar in bars] for bars in axes.containers]
    assert heights == [[0.25, 0, 0.5, 0.25, 0], [0, 1, 0, 0, 0]]
    figures.html(figure, "drawn without a warning")

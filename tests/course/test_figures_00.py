"""Lesson 00's figures draw what they are given, and what the mathematics gives."""

import math

import pytest
import torch
from torch.distributions import Normal

from bnn_core import datasets, figures
from bnn_core.figures import start_here as lesson_00

CARS = datasets.auto_mpg()
TRAIN, OTHERS = CARS.split(40)
GRID = torch.linspace(42, 233, 20)


def test_every_axis_of_the_figures_is_labelled() -> None:
    draws = 25 + torch.randn(30, 20, generator=torch.Generator().manual_seed(0))
    scores = {"one": -torch.ones(len(OTHERS)), "two": -2 * torch.ones(len(OTHERS))}
    for figure in (
        lesson_00.two_networks(TRAIN, [OTHERS], 110, GRID, draws[0], draws, 4.0),
        lesson_00.log_densities(OTHERS.column("horsepower"), scores, 110),
    ):
        assert all(axes.get_xlabel() for axes in figure.axes)
        assert figure.axes[0].get_ylabel()
        figures.html(figure, "drawn without a warning")


def test_the_networks_are_drawn_on_one_scale_with_two_standard_deviations() -> None:
    left, right = lesson_00.two_networks(TRAIN, [OTHERS], 110, GRID, 0 * GRID, torch.ones(9, 20), 4.0).axes
    assert left.get_ylim() == right.get_ylim()
    for axes, middle in ((left, 0.0), (right, 1.0)):
        (band,) = [item for item in axes.collections if len(item.get_paths()[0].vertices) > 30]
        heights = band.get_paths()[0].vertices[:, 1]
        assert (heights.min(), heights.max()) == pytest.approx((middle - 8, middle + 8))


@pytest.mark.parametrize(("std", "x"), [(0.2, 0.0), (1.0, 1.0), (3.0, -2.0)])
def test_the_slider_says_what_the_density_is(std: float, x: float) -> None:
    widget = lesson_00.density_slider()
    std_slider, x_slider, picture = widget.children
    std_slider.value, x_slider.value = std, x
    expected = Normal(0.0, std).log_prob(torch.tensor(x)).item()
    assert f"is {math.exp(expected):.3f}, whose logarithm is {expected:.2f}." in picture.value


def test_the_density_s_axes_stay_as_they_are() -> None:
    limits = [
        [(axes.get_xlim(), axes.get_ylim()) for axes in lesson_00.draw_density([setting]).axes]
        for setting in ((0.2, 0.0), (4.0, -4.0), (0.2, 4.0))
    ]
    assert limits[0] == limits[1] == limits[2]


def test_the_static_figure_has_a_row_per_setting() -> None:
    assert len(lesson_00.density_settings().axes) == 2 * len(lesson_00.SETTINGS)

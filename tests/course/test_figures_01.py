"""Lesson 01's figures draw what they are given, and what the mathematics gives."""

import pytest
import torch

from bnn_core import figures
from bnn_core.figures import reparameterization as lesson_01

NAMES = ("pathwise", "score function")


def test_every_axis_of_the_figures_is_labelled() -> None:
    normal = torch.randn(2, 500, generator=torch.Generator().manual_seed(0))
    numbers = [1, 4, 16]
    for figure in (
        lesson_01.single_gradients(dict(zip(NAMES, normal, strict=True)), exact=0.0),
        lesson_01.errors(numbers, {name: torch.ones(3, 3) for name in NAMES}, dict.fromkeys(NAMES, 1.0)),
        lesson_01.variances(numbers, {name: torch.ones(3) for name in NAMES}),
        lesson_01.step_function(torch.arange(3.0), torch.ones(3), {name: torch.ones(3) for name in NAMES}),
    ):
        assert figure.axes[-1].get_xlabel()
        assert all(axes.get_ylabel() for axes in figure.axes)
        figures.html(figure, "drawn without a warning")


@pytest.mark.parametrize(("mean", "log_std"), [(0.0, 0.0), (2.0, -1.0), (-3.0, 0.8)])
def test_the_noise_stays_and_the_draws_move(mean: float, log_std: float) -> None:
    still, (axes,) = lesson_01.draw_draws([(0.0, 0.0)]).axes[0], lesson_01.draw_draws([(mean, log_std)]).axes
    noise, moved = (item.get_offsets()[:, 0] for item in axes.collections[-2:])
    assert (noise == still.collections[-2].get_offsets()[:, 0]).all()
    std = torch.tensor(log_std).exp().item()
    assert list(moved) == pytest.approx([mean + std * number for number in noise], abs=1e-5)
    assert axes.get_xlim() == still.get_xlim()
    assert max(abs(moved)) < lesson_01.REACH


def test_the_slider_describes_what_it_shows() -> None:
    mean, log_std, picture = lesson_01.draws_slider().children
    mean.value, log_std.value = -1.5, -2.0
    assert "mean -1.5 plus 0.14 times the noise" in picture.value


def test_the_static_figure_has_a_row_per_setting() -> None:
    assert len(lesson_01.draws_settings().axes) == len(lesson_01.SETTINGS)


def test_the_predicted_errors_fall_as_one_over_the_root() -> None:
    numbers = [1, 100]
    figure = lesson_01.errors(numbers, {name: torch.ones(3, 2) for name in NAMES}, dict.fromkeys(NAMES, 5.0))
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--" and len(line.get_xdata())]
    assert [list(line.get_ydata()) for line in dashed] == [pytest.approx([5.0, 0.5])] * 2

"""Lesson 07's figures draw what they are given."""

import math

import pytest
import torch
from matplotlib.patches import Rectangle

from bnn_core import expected_calibration_error
from bnn_core.figures import uncertainty as lesson_07

ANGLES = [0, 45, 90]


def probabilities(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.softmax(2 * torch.randn(size, generator=torch.Generator().manual_seed(seed)), dim=-1)


IMAGES = torch.rand(3, 64, generator=torch.Generator().manual_seed(1))
SAID = {"plain": probabilities(3, 10), "Bayesian": probabilities(3, 10, seed=1)}


def test_a_turned_digit_has_a_row_for_each_angle_and_a_panel_for_each_network() -> None:
    figure = lesson_07.turned(IMAGES, ANGLES, SAID, [0, 90])
    assert len(figure.axes) == 2 * 3
    heights = [bar.get_height() for bar in figure.axes[5].patches]
    assert heights == pytest.approx(SAID["Bayesian"][2].tolist())


def test_the_slider_describes_what_it_shows() -> None:
    slider, picture = lesson_07.turning_slider(IMAGES, ANGLES, SAID).children
    slider.value = 45
    assert "turned by 45 degrees" in picture.value
    assert f"sure of a {int(SAID['plain'][1].argmax())}" in picture.value


def test_each_input_shows_its_draws() -> None:
    figure = lesson_07.draws_side_by_side(IMAGES, probabilities(30, 3, 10), ["a", "b", "c"])
    tables = [axes.images[0].get_array().shape for axes in figure.axes[3:6]]
    assert tables == [(30, 10)] * 3


def test_the_two_parts_of_doubt_stand_on_each_other() -> None:
    figure = lesson_07.two_parts({"digits": {"150": (0.5, 1.0), "1200": (0.25, 0.125)}})
    bars = [(bar.get_y(), bar.get_height()) for bar in figure.axes[0].patches]
    assert bars == [(0, 0.5), (0.5, 1.0), (0, 0.25), (0.25, 0.125)]


def test_histograms_of_doubt_have_a_panel_for_each_network() -> None:
    doubts = {name: (torch.rand(20), 2 * torch.rand(30)) for name in ("plain", "ensemble", "Bayesian")}
    figure = lesson_07.known_and_strange(doubts)
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(doubts)
    assert sum(bar.get_height() for bar in figure.axes[0].patches if isinstance(bar, Rectangle)) == pytest.approx(2)


def test_the_gallery_says_what_is_wrong() -> None:
    probs = torch.eye(10)[[3, 5, 7]] * 0.8 + 0.02
    figure = lesson_07.gallery(IMAGES, torch.tensor([3, 5, 1]), probs)
    assert [axes.get_xlabel() for axes in figure.axes[:3]] == ["is a 3", "is a 5", "is a 1  ✗"]
    assert figure.axes[0].get_title().startswith("3: 82%")


def test_bins_of_the_curve_give_the_calibration_error() -> None:
    probs = probabilities(200, 10)
    labels = torch.randint(10, (200,), generator=torch.Generator().manual_seed(2))
    confidence, accuracy, share = lesson_07.reliability(probs, labels)
    assert share.sum().item() == pytest.approx(1)
    error = (share * (accuracy - confidence).abs()).sum()
    assert error.item() == pytest.approx(expected_calibration_error(probs, labels).item(), abs=1e-6)
    figure = lesson_07.calibration(dict.fromkeys("abcde", probs), labels)
    assert [bool(axes.lines) for axes in figure.axes] == [True] * 5 + [False]


def test_every_network_has_its_line() -> None:
    values = {name: [0.9, 0.5, 0.1] for name in ("plain", "Bayesian", "Bayesian, KL/10", "dropout", "ensemble")}
    turning = lesson_07.turning(ANGLES, values, values)
    assert [line.get_label() for line in turning.axes[0].lines] == list(values)
    errors = {name: [1.0, 2.0, 50.0] for name in ("plain", "Bayesian", "Bayesian, KL/10")}
    pruning = lesson_07.pruning([0.0, 0.5, 0.9], errors, {0.0: 1.24, 0.98: 1.39})
    assert [line.get_label() for line in pruning.axes[0].lines] == [*errors, "paper"]
    assert pruning.axes[0].lines[3].get_xdata() == pytest.approx([0, 98])


def test_strengths_are_shares_on_a_log_axis() -> None:
    figure = lesson_07.strengths({"a": torch.full((40,), 0.1), "b": torch.tensor([0.0, math.inf, 1.0])})
    counts, edges, _ = figure.axes[0].patches[0].get_data()
    assert counts.max() == pytest.approx(1)
    assert edges[counts.argmax()] <= -1 <= edges[counts.argmax() + 1]

"""Lesson 05's figures draw what they are given, and its first picture shows what the mathematics says."""

import pytest
import torch
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from bnn_core import figures
from bnn_core.figures import local_reparameterization as lesson_05

WAYS = ("one draw for the batch", "a draw for each row", "local reparameterization")


def averages(figure: Figure, panel: int) -> torch.Tensor:
    """The heights of a panel's black bars."""
    (bars,) = [item for item in figure.axes[panel].collections if isinstance(item, LineCollection)]
    return torch.tensor([segment[0, 1] for segment in bars.get_segments()])


def test_with_a_batch_of_one_both_ways_give_the_same_gradients() -> None:
    figure = lesson_05.draw_gradients([(1, -1.0)])
    assert torch.equal(averages(figure, 0), averages(figure, 1))


def test_in_a_large_batch_only_independent_noise_averages_out() -> None:
    figure = lesson_05.draw_gradients([(256, -1.0)])
    shared, own = averages(figure, 0).std(), averages(figure, 1).std()
    # √256 = 16 in expectation; over ten draws each std lies within a factor of two.
    assert 4 < shared / own < 64


def test_the_curves_of_the_spread_are_those_of_shared_and_independent_noise() -> None:
    log_std = -2.0
    figure = lesson_05.draw_gradients([(512, log_std)])
    shared, _, own, _ = (torch.tensor(line.get_ydata()) for line in figure.axes[2].lines)
    std = torch.tensor(log_std).exp().item()
    assert shared[0].item() == pytest.approx(own[0].item())
    assert shared[-1].item() == pytest.approx(std, rel=0.2)
    assert own[-1].item() == pytest.approx(std / 512**0.5, rel=0.2)


def test_the_static_figure_has_a_row_per_setting() -> None:
    labels = [axes.get_ylabel() for axes in lesson_05.batch_settings().axes]
    settings = [f"gradient, B = {size}\nlog_std = −{-log_std}" for size, log_std in lesson_05.SETTINGS]
    assert labels[::3] == settings


def test_the_batch_slider_describes_what_it_shows() -> None:
    widget = lesson_05.batch_slider()
    batch_size, log_std, picture = widget.children
    batch_size.value, log_std.value = 64, -2.0
    assert "64 examples" in picture.value
    assert "log_std -2.0" in picture.value


def test_the_correlations_stand_under_their_classes() -> None:
    matrices = {"shared": torch.eye(4), "own": 0.5 * torch.ones(4, 4)}
    figure = lesson_05.gradient_correlations(matrices, [3, 3, 3, 8])
    left, right = figure.axes[:2]
    assert [left.get_title(loc="left"), right.get_title(loc="left")] == ["shared", "own"]
    assert [tick.get_text() for tick in left.get_xticklabels()] == ["3", "8"]
    assert left.get_xticks().tolist() == [1.0, 3.0]
    assert torch.equal(torch.as_tensor(right.images[0].get_array()), matrices["own"])


def test_the_axes_stay_while_the_sliders_move() -> None:
    limits = {
        tuple((axes.get_xlim(), axes.get_ylim()) for axes in lesson_05.draw_gradients([setting]).axes)
        for setting in [(1, -4.0), (16, -1.0), (512, -0.4)]
    }
    assert len(limits) == 1


def test_along_a_line_of_the_cloud_the_sum_is_the_same() -> None:
    x = torch.tensor([1.0, 2.0])
    weights = torch.tensor([0.5, -0.3]) + torch.tensor([0.8, 0.4]) * torch.randn(500, 2)
    cloud, histogram = lesson_05.sums_of_weights(weights, x, {"their sum": (weights @ x, -0.1, 1.13)}).axes
    for line in cloud.lines:
        first, second = torch.tensor(line.get_xydata()).float() @ x
        assert first.item() == pytest.approx(second.item(), abs=1e-4)
    (curve,) = histogram.lines
    heights = torch.as_tensor(curve.get_ydata())
    assert heights.max().item() == pytest.approx(0.3989 / 1.13, rel=1e-3)


def test_each_variance_stands_in_the_panel_of_its_layer_and_parameter() -> None:
    sizes, layers = [1, 2, 4], ["bottom", "top"]
    measured = {name: torch.rand(3 - (name == WAYS[1]), 2, 2) + 0.1 for name in WAYS}
    predicted = torch.rand(3, 2, 2) + 0.1
    figure = lesson_05.variances(sizes, measured, predicted, layers)
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert list(panels) == ["bottom: mean", "top: mean", "bottom: log_std", "top: log_std"]
    lines = panels["top: log_std"].lines
    for line, values in zip(lines, [*measured.values(), predicted], strict=True):
        assert torch.equal(torch.as_tensor(line.get_ydata()), values[:, 1, 1])
    assert lines[-1].get_linestyle() == "--"
    assert [text.get_text() for text in figure.legends[0].get_texts()][:-1] == list(WAYS)


def test_a_way_that_was_measured_less_far_has_a_shorter_line() -> None:
    times = {WAYS[0]: [1.0, 2.0, 3.0], WAYS[1]: [4.0, 50.0], WAYS[2]: [1.0, 2.0, 4.0]}
    (axes,) = lesson_05.step_times([1, 8, 64], times).axes
    assert [list(line.get_xdata()) for line in axes.lines] == [[1, 8, 64], [1, 8], [1, 8, 64]]


def test_training_curves_show_each_run_and_their_average() -> None:
    curves = {title: {name: torch.rand(3, 5) + 0.3 for name in WAYS[::2]} for title in ("KL", "loss")}
    figure = lesson_05.training_curves(range(0, 50, 10), curves)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["KL", "loss"]
    for axes, ways in zip(figure.axes, curves.values(), strict=True):
        averages, runs = axes.lines[:2], axes.lines[2:]
        for line, values in zip(averages, ways.values(), strict=True):
            assert torch.equal(torch.as_tensor(line.get_ydata()), values.mean(dim=0))
        assert len(runs) == 6
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(WAYS[::2])


def test_every_log_std_stands_in_the_histogram_of_its_way() -> None:
    log_stds = {name: torch.linspace(-2.9, -2.4, 30).reshape(5, 6) for name in WAYS[::2]}
    figure = lesson_05.log_std_histograms(log_stds, -3.0, -2.3)
    for axes, name in zip(figure.axes, log_stds, strict=True):
        assert axes.get_title(loc="left") == name
        assert sum(patch.get_height() for patch in axes.patches) == 30
        assert [text.get_text() for text in axes.texts] == ["start", "prior"]


def test_the_figures_can_be_shown() -> None:
    assert figures.html(lesson_05.draw_gradients([(16, 0.0)]), "gradients").endswith("</figure>")

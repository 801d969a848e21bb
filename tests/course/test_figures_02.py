"""Lesson 02's figures draw what they are given, and the gamblers of its first picture win what the KL says."""

import pytest
import torch

from bnn_core import figures, gaussian_kl
from bnn_core.figures import kl_divergence as lesson_02


@pytest.mark.parametrize(("mean", "log_std"), [(0.0, -0.7), (-2.0, 0.0), (1.5, -1.5)])
def test_the_gamblers_win_the_kl_in_each_round(mean: float, log_std: float) -> None:
    _, wealth = lesson_02.draw_bets([(mean, log_std)]).axes
    *paths, expected = (torch.as_tensor(line.get_ydata()) for line in wealth.lines)
    kl = gaussian_kl(torch.tensor(mean), torch.tensor(log_std)).item()
    assert expected[-1].item() == pytest.approx(kl * lesson_02.ROUNDS)
    steps = torch.stack(paths).diff(dim=1)
    assert (steps.mean() - kl).abs() < 5 * steps.std() / steps.numel() ** 0.5


def test_who_knows_no_better_wins_nothing() -> None:
    _, wealth = lesson_02.draw_bets([(0.0, 0.0)]).axes
    assert all(max(map(abs, line.get_ydata())) < 1e-5 for line in wealth.lines)


def test_the_axes_stay_while_the_sliders_move() -> None:
    limits = {
        tuple((axes.get_xlim(), axes.get_ylim()) for axes in lesson_02.draw_bets([setting]).axes)
        for setting in [(0.0, 0.0), (2.0, -2.0), (-2.0, 0.7)]
    }
    assert len(limits) == 1


@pytest.mark.parametrize("mean", [-2.0, 0.0, 2.0])
@pytest.mark.parametrize("log_std", [-2.0, 0.0, 0.7])
def test_the_average_gambler_stays_within_the_axes(mean: float, log_std: float) -> None:
    _, wealth = lesson_02.draw_bets([(mean, log_std)]).axes
    low, high = wealth.get_ylim()
    assert low < min(wealth.lines[-1].get_ydata()) <= max(wealth.lines[-1].get_ydata()) < high


def test_the_static_figure_has_a_row_per_setting() -> None:
    assert len(lesson_02.bet_settings().axes) == 2 * len(lesson_02.SETTINGS)


def test_the_bet_slider_describes_what_it_shows() -> None:
    mean, log_std, picture = lesson_02.bet_slider().children
    mean.value, log_std.value = -1.0, 0.0
    assert "mean -1.0" in picture.value
    assert "0.50 a round" in picture.value


def test_each_direction_has_its_curve() -> None:
    stds, forth, back = torch.tensor([0.5, 1.0, 2.0]), torch.tensor([0.3, 0.0, 0.8]), torch.tensor([0.8, 0.0, 0.3])
    (axes,) = lesson_02.directions(stds, forth, back).axes
    assert [torch.as_tensor(line.get_ydata()).tolist() for line in axes.lines] == [forth.tolist(), back.tolist()]


def test_what_was_measured_stands_over_what_was_predicted() -> None:
    counts, errors = [1, 10, 100], torch.tensor([1.1, 0.3, 0.11])
    (axes,) = lesson_02.convergence(counts, errors, errors + 0.1).axes
    predicted, measured = axes.lines
    assert measured.get_label() == "measured"
    assert torch.equal(torch.as_tensor(measured.get_ydata()), errors)
    assert predicted.get_linestyle() == "--"


def test_the_fits_are_the_gaussians_of_their_means_and_stds() -> None:
    grid = torch.linspace(-5, 5, 1001)
    (axes,) = lesson_02.two_humps(grid, torch.full_like(grid, 0.1), {"one": (1.0, 0.5), "two": (-2.0, 1.0)}).axes
    _, *fits = axes.lines
    for line, (name, mean, std) in zip(fits, [("one", 1.0, 0.5), ("two", -2.0, 1.0)], strict=True):
        density = torch.as_tensor(line.get_ydata()) * 0.01
        assert line.get_label() == name
        assert density.sum().item() == pytest.approx(1, abs=2e-3)
        assert (density * grid).sum().item() == pytest.approx(mean, abs=0.02)
        assert (density * (grid - mean) ** 2).sum().sqrt().item() == pytest.approx(std, abs=0.02)


def test_the_figures_can_be_shown() -> None:
    assert figures.html(lesson_02.draw_bets([(0.0, 0.0)]), "two beliefs").endswith("</figure>")

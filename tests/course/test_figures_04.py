"""Lesson 04's figures draw what they are given, and its first picture shows what the mathematics says."""

import pytest
import torch

from bnn_core.figures import bayes_by_backprop as lesson_04


@pytest.mark.parametrize("size", lesson_04.SIZES)
def test_counted_once_the_weight_is_that_of_the_posterior(size: int) -> None:
    x, y = lesson_04._points(size)
    weights = torch.linspace(-3, 3, 6001, dtype=torch.float64)
    errors = ((y[:, None].double() - x[:, None].double() * weights) / lesson_04.NOISE_STD).square().sum(dim=0)
    density = torch.softmax(-0.5 * (errors + (weights / lesson_04.PRIOR_STD).square()), dim=0)
    mean = (density * weights).sum()
    std = (density * (weights - mean).square()).sum().sqrt()
    assert lesson_04.one_weight(size, 1.0) == pytest.approx((mean.item(), std.item()), rel=1e-3)


def test_the_more_the_kl_counts_the_wider_and_the_nearer_to_the_prior() -> None:
    (little, narrow), (much, wide) = lesson_04.one_weight(40, 0.01), lesson_04.one_weight(40, 1000.0)
    assert narrow < 0.1 < 0.9 < wide < lesson_04.PRIOR_STD
    assert 0 < much < 0.2 < little


def test_the_static_figure_has_a_row_per_setting() -> None:
    assert len(lesson_04.kl_settings().axes) == 2 * len(lesson_04.SETTINGS)


def test_the_slider_describes_what_it_shows() -> None:
    size, log10, picture = lesson_04.kl_slider().children
    size.value, log10.value = 160, 2.0
    assert "160 points" in picture.value
    assert "counted 100 times" in picture.value


def test_every_run_of_the_learned_noise_has_its_line() -> None:
    runs = {name: torch.full((5,), 0.1 * number) for number, name in enumerate("abcd", start=1)}
    figure = lesson_04.learned_noise(runs, 0.06, every=10)
    assert [line.get_label() for line in figure.axes[0].lines] == ["measured from the formula", *runs]


def test_the_ellipse_of_the_posterior_is_tilted_as_the_covariance_is() -> None:
    covariance = torch.tensor([[2.0, -1.0], [-1.0, 2.0]])
    figure = lesson_04.two_posteriors(
        ["a", "b"], torch.zeros(2), covariance, torch.tensor([1.0, 1.0]), torch.zeros(5, 2)
    )
    full, own = figure.axes[0].patches
    assert full.angle % 180 == pytest.approx(135, abs=0.1)
    assert (full.width, full.height) == pytest.approx((4 * 3**0.5, 4.0), rel=1e-5)
    assert (own.width, own.height) == pytest.approx((4.0, 4.0))


def test_each_weight_ends_as_a_dot_beside_those_of_its_run() -> None:
    runs = {"with": torch.randn(3, 30), "without": torch.randn(3, 30) - 4}
    ends = lesson_04.with_and_without({"curve": runs, "cars": runs}, every=10).axes[2]
    for place, (dots, history) in enumerate(zip(ends.collections, runs.values(), strict=True)):
        across, height = torch.as_tensor(dots.get_offsets()).T
        assert torch.equal(height.float(), history[-1])
        assert (across - place).abs().max() < 0.5
        assert len({(round(x, 3), round(y, 3)) for x, y in zip(across.tolist(), height.tolist(), strict=True)}) == 30

"""Lesson 08's figures draw what they are given, and its first picture shows what the mathematics says."""

import pytest
import torch

from bnn_core.figures import acting_on_uncertainty as lesson_08


@pytest.mark.parametrize("price", [0.02, 0.1, 0.3, 0.45])
def test_no_other_threshold_costs_less_than_that_of_the_price(price: float) -> None:
    x, weight = lesson_08._grid()
    wrong = torch.minimum(lesson_08.chance(x), 1 - lesson_08.chance(x))

    def cost(threshold: float) -> float:
        answered = wrong < threshold
        return float((weight * wrong)[answered].sum() + price * weight[~answered].sum())

    best = lesson_08.at_price(price)[2]
    assert best == pytest.approx(cost(price))
    assert all(best <= cost(other) + 1e-12 for other in (0.0, price / 2, 0.9 * price, 1.1 * price, 0.6))


def test_at_half_the_price_of_an_error_it_never_asks() -> None:
    coverage, error, cost = lesson_08.at_price(0.51)
    assert coverage == pytest.approx(1.0)
    assert cost == pytest.approx(error)


def test_cheap_advice_is_taken_often() -> None:
    outcomes = [lesson_08.at_price(price)[:2] for price in (0.4, 0.2, 0.05)]
    assert outcomes == sorted(outcomes, reverse=True)


def test_the_static_figure_has_a_row_per_price() -> None:
    assert len(lesson_08.price_settings().axes) == 2 * len(lesson_08.PRICES)


def test_the_slider_describes_what_it_shows() -> None:
    price, picture = lesson_08.price_slider().children
    price.value = 0.05
    coverage, error, _ = lesson_08.at_price(0.05)
    assert f"answers {coverage:.0%} of the questions" in picture.value
    assert f"wrong in {error:.1%} of these" in picture.value


def test_error_is_drawn_against_the_share_that_is_answered() -> None:
    errors = torch.tensor([[0.0, 0.0, 0.25, 0.4], [0.0, 0.5, 0.25, 0.2]])
    axes = lesson_08.risk_coverage({"test": {"plain": errors, "Bayesian": errors}}).axes[0]
    mean = axes.lines[2]
    assert mean.get_xdata().tolist() == [0.25, 0.5, 0.75, 1.0]
    assert mean.get_ydata().tolist() == pytest.approx([0.0, 25.0, 25.0, 30.0])


def test_the_best_threshold_is_marked() -> None:
    costs = torch.tensor([[0.3, 0.1, 0.2], [0.3, 0.2, 0.2]])
    figure = lesson_08.cost_of_thresholds({"test": {"plain": (torch.tensor([0.2, 0.6, 0.9]), costs)}}, 0.1)
    mark = next(line for line in figure.axes[0].lines if line.get_marker() == "v")
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == pytest.approx((1 - 0.6, 0.15))


def test_a_strategy_looks_the_same_whatever_stands_beside_it() -> None:
    curves = {name: torch.arange(12.0).view(3, 4).cumsum(dim=1) for name in ("average", "greedy", "Thompson")}
    for names in (list(curves), ["Thompson", "greedy"]):
        lines = lesson_08.regret({name: curves[name] for name in names}).axes[0].lines
        assert [line.get_color() for line in lines] == [lesson_08.LOOKS[name][0] for name in names]


def test_regret_shows_where_each_run_ended() -> None:
    ends = torch.tensor([[1.0, 5.0], [2.0, 3.0], [0.0, 9.0]])
    dots, mean = lesson_08.regret({"greedy": ends}).axes[1].lines
    assert dots.get_ydata().tolist() == [3.0, 5.0, 9.0]
    assert mean.get_ydata() == pytest.approx([17 / 3] * 2)


def test_every_pull_has_its_stroke() -> None:
    chosen = {"greedy": torch.tensor([0, 0, 2, 0]), "Thompson": torch.tensor([1, 2, 2, 0])}
    beliefs = {name: (torch.zeros(3), torch.ones(3)) for name in chosen}
    axes = lesson_08.pulls(chosen, beliefs, [0.0, 0.2, 0.5]).axes
    assert [len(line.get_xdata()) for line in axes[0].lines] == [3, 0, 1]
    assert [line.get_xdata().tolist() for line in axes[2].lines] == [[3], [0], [1, 2]]


def test_a_block_without_bad_ones_leaves_a_gap_and_not_the_mean() -> None:
    good, bad = torch.tensor([[0.5, 1.0], [0.7, 0.8]]), torch.tensor([[float("nan"), 0.2], [0.4, 0.0]])
    figure = lesson_08.taken({"greedy": (good, bad)}, every=10)
    mean = figure.axes[0].lines[-1]
    assert mean.get_xdata().tolist() == [5.0, 15.0]
    assert mean.get_ydata().tolist() == pytest.approx([40.0, 10.0])


def test_doubt_is_drawn_every_so_many_steps() -> None:
    figure = lesson_08.doubt({"good ones": torch.tensor([[1.0, 0.5, 0.2], [2.0, 1.5, 0.4]])}, every=25)
    mean = figure.axes[0].lines[-1]
    assert mean.get_xdata().tolist() == [0, 25, 50]
    assert mean.get_ydata().tolist() == pytest.approx([1.5, 1.0, 0.3])

"""What `judging` must accept and what it must reject, a little to either side of each tolerance: whoever loosens or
tightens one by more than a tenth is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.judging import draws, gradients, values
from bnn_core.autograder.judging.draws import SIGMAS, Axis
from bnn_core.autograder.judging.formulas import named

COUNT = 2000


def columns(number: int) -> Tensor:
    """COUNT × number draws that look normal, with mean 0 and standard deviation 1 exactly, and no correlation."""
    noise = torch.randn(COUNT, number, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    centred = torch.linalg.qr(noise - noise.mean(dim=0)).Q
    return centred * math.sqrt(COUNT - 1)


def rejects(function: Callable[..., Any], *arguments: Any) -> str | None:
    """What it says where it refuses the arguments: the mistake, or "" where it knows none. None where it accepts."""
    try:
        function(*arguments)
    except Failed as failure:
        return failure.mistake or ""
    return None


def test_the_bounds_are_those_of_seven_sigmas() -> None:
    assert SIGMAS == 7.0
    assert float(draws.mean_tolerance(3.0, 49)) == pytest.approx(3.0)
    assert draws.std_ratio_tolerance(98) == pytest.approx(0.5)
    assert draws.correlation_tolerance(4900) == pytest.approx(0.1)
    assert draws.fourth_moment_tolerance(9600) == pytest.approx(0.7)


@pytest.mark.parametrize("std", [0.01, 1.0, 20.0])
@pytest.mark.parametrize("sign", [-1, 1])
def test_means(std: float, sign: int) -> None:
    bound = sign * SIGMAS * std / math.sqrt(COUNT)
    mean = torch.tensor([2.0]).double()
    for share, accepted in ((0.0, True), (0.93, True), (1.1, False)):
        shifted = mean + std * columns(1) + share * bound
        assert (rejects(draws.require_centred, shifted, mean, "it") is None) == accepted


def test_a_shift_that_is_small_everywhere_is_seen_in_all_together() -> None:
    shift = 2.5 / math.sqrt(COUNT)
    mean = torch.zeros(10).double()
    assert rejects(draws.require_centred, columns(10) + shift, mean, "it") is not None
    assert rejects(draws.require_centred, columns(1) + shift, mean[:1], "it") is None


@pytest.mark.parametrize("std", [0.01, 1.0, 20.0])
@pytest.mark.parametrize(("share", "accepted"), [(-1.1, False), (-0.9, True), (0.0, True), (0.9, True), (1.1, False)])
def test_standard_deviations(std: float, share: float, accepted: bool) -> None:
    ratio = 1 + share * SIGMAS / math.sqrt(2 * COUNT)
    mean, right = torch.zeros(1).double(), torch.tensor([std]).double()
    assert (rejects(draws.require_spread, ratio * std * columns(1), mean, right, "it", []) is None) == accepted


@pytest.mark.parametrize(("share", "accepted"), [(0.0, True), (0.9, True), (-0.9, True), (1.1, False), (-1.1, False)])
def test_correlations(share: float, accepted: bool) -> None:
    first, second = columns(2).T
    correlation = share * SIGMAS / math.sqrt(COUNT)
    other = correlation * first + math.sqrt(1 - correlation**2) * second
    noise, axes = torch.stack([first, other], dim=1), [Axis("units", "shared")]
    came = rejects(draws.require_independent, noise, axes, Axis("calls", "repeated"))
    assert came is None if accepted else came == "shared"


def test_noise_that_comes_again_is_repeated() -> None:
    half = columns(3)[: COUNT // 2]
    assert rejects(draws.require_independent, torch.cat([half, half]), [], Axis("calls", "repeated")) == "repeated"


def test_the_shape_of_the_noise() -> None:
    generator = torch.Generator().manual_seed(1)
    normal = torch.randn(20_000, generator=generator, dtype=torch.float64)
    assert rejects(draws.require_normal, normal) is None
    others = {
        "uniform": (torch.rand(20_000, generator=generator).double() - 0.5) * math.sqrt(12),
        "wider": 1.07 * normal,
        "narrower": 0.93 * normal,
        "shifted": normal + 0.07,
        "heavy tails": normal / (torch.randn(8, 20_000, generator=generator).square().mean(dim=0).sqrt()),
        "cut off": normal.clamp(-2.0, 2.0),
        "two values": normal.sign(),
    }
    assert {name for name, noise in others.items() if rejects(draws.require_normal, noise) is None} == set()


def test_repeated_draws_and_means_are_no_fresh_noise() -> None:
    mean, noise = torch.ones(3), columns(3)[0]
    assert rejects(draws.require_fresh_noise, mean + noise, mean - noise, mean, "x") is None
    assert rejects(draws.require_fresh_noise, mean + noise, mean + noise, mean, "x") == "noise-drawn-once"
    assert rejects(draws.require_fresh_noise, mean, mean, mean, "x") == "no-sampling"
    assert rejects(draws.require_fresh_noise, mean + 0.9e-4, mean, mean, "x") == "noise-vanishing"
    assert rejects(draws.require_fresh_noise, mean + 1.1e-4, mean, mean, "x") is None


@pytest.mark.parametrize("right", [0.0, 1e-6, 1.0, -300.0])
@pytest.mark.parametrize("sign", [-1, 1])
def test_values_are_right_to_four_digits(right: float, sign: int) -> None:
    exact = torch.tensor(right).double()
    bound = sign * values.ROUNDING * (2 * abs(right) + 1e-2)
    assert values.close(exact + 0.95 * bound, exact)
    assert not values.close(exact + 1.05 * bound, exact)


def test_values_that_are_not_finite_must_be_the_same() -> None:
    infinite = torch.tensor([math.inf, 1.0]).double()
    assert values.close(infinite, infinite)
    assert not values.close(-infinite, infinite)
    assert not values.close(torch.tensor([math.nan, 1.0]), infinite)
    assert not values.close(torch.tensor([1.0, 1.0]), infinite)
    assert not values.close(infinite, torch.tensor([1.0, 1.0]).double())
    assert not values.close(torch.ones(1, 2), torch.ones(2).double())


def test_gradients_are_right_to_three_digits() -> None:
    right = {"mean": torch.tensor([1.0]).double()}
    for factor, accepted in ((1.0019, True), (0.9981, True), (1.0021, False), (0.9979, False)):
        came = {"mean": factor * right["mean"]}
        assert (rejects(gradients.require_gradients, came, right) is None) == accepted


@pytest.mark.parametrize(
    ("came", "mistake"),
    [
        ({"mean": None, "log_std": torch.ones(1)}, "gradient-stopped"),
        ({"mean": torch.zeros(1), "log_std": torch.ones(1)}, "gradient-stopped"),
        ({"mean": torch.ones(1), "log_std": None}, "log-std-gradient-missing"),
        ({"mean": torch.ones(1), "log_std": torch.ones(1)}, None),
    ],
)
def test_gradients_that_do_not_arrive(came: dict[str, Tensor | None], mistake: str | None) -> None:
    assert rejects(gradients.require_arrival, came) == mistake


def test_a_backward_pass_is_linear() -> None:
    def scaled(factor: float) -> Callable[[Tensor], gradients.Gradients]:
        return lambda cotangent: {"mean": cotangent * (factor if float(cotangent[0]) > 1 else 1.0)}

    for factor, accepted in ((1.0, True), (1.0019, True), (1.0021, False), (0.5, False)):
        came = rejects(gradients.linear_gradients, scaled(factor), torch.ones(1))
        assert came == (None if accepted else "gradient-clipped")


def test_what_differs_is_shown_where_both_are_infinite_elsewhere() -> None:
    right, came = torch.tensor([-math.inf, 1.0, -math.inf]), torch.tensor([-math.inf, 2.0, 0.5])
    said = values.expected_and_came("it", right.repeat(4), came.repeat(4))
    assert said == "it should be [-inf, -inf, -inf, -inf]; yours is [0.5, 0.5, 0.5, 0.5]."
    said = values.expected_and_came("it", right[:2].repeat(4), came[:2].repeat(4))
    assert said == "it should be [1, 1, 1, 1]; yours is [2, 2, 2, 2]."


def test_whole_numbers_stay_whole_where_others_become_float64() -> None:
    arguments = {"probs": torch.ones(2), "labels": torch.arange(2), "held": torch.tensor([True]), "num_bins": 3}
    exact = named(arguments)
    assert exact["probs"].dtype == torch.float64
    assert exact["labels"].dtype == torch.int64
    assert exact["held"].dtype == torch.bool
    assert exact["num_bins"] == 3

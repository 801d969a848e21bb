"""The pictures of what failed checks saw: what they hold, that they survive being written down, and how they read."""

import json
import math
import re
from xml.etree import ElementTree

import pytest
import torch
from zoo import bayesian_linear, define, gaussian_log_prob

from bnn_core.autograder import pictures, report
from bnn_core.autograder.in_notebook import report_on
from bnn_core.autograder.pictures import Draws, Picture, Values
from bnn_core.autograder.report import Outcome, Report

ONE_OF_EACH: list[Picture] = [
    Values("The <KL> & more", (1.0, 2.0, -3.0), (1.0, 2.5, 4.0)),
    Draws(-4.0, 4.0, (0.0, 0.1, 0.3, 0.1), 0.0, 1.0),
]


def svg_of(picture: Picture) -> ElementTree.Element:
    outcomes = (Outcome("a check", False, "It is wrong.", picture=picture),)
    page = report.html(Report("X", "failed", "X: 0 of 1 checks passed", outcomes))
    match = re.search(r"<svg.*</svg>", page, re.DOTALL)
    assert match
    return ElementTree.fromstring(match[0])


def test_wrong_values_are_seen_beside_the_right_ones() -> None:
    wrong = gaussian_log_prob.BASE.replace("-0.5 * squared", "-0.75 * squared - 0.5")
    (failed, *_) = [one for one in report_on(define(wrong, "gaussian_log_prob")).outcomes if one.picture]
    assert isinstance(failed.picture, Values)
    assert len(failed.picture.right) > 2
    assert all(came < right for right, came in zip(failed.picture.right, failed.picture.came, strict=True))


def test_wrong_draws_are_seen_under_the_curve_they_should_follow() -> None:
    wrong = bayesian_linear.BASE.replace("torch.exp(self.weight_log_std)", "2 * torch.exp(self.weight_log_std)", 1)
    (failed, *_) = [one for one in report_on(define(wrong, "BayesianLinear")).outcomes if one.picture]
    assert isinstance(failed.picture, Draws)
    width = (failed.picture.high - failed.picture.low) / len(failed.picture.density)
    centres = [failed.picture.low + (place + 0.5) * width for place in range(len(failed.picture.density))]
    shares = [density * width for density in failed.picture.density]
    mean = sum(share * centre for share, centre in zip(shares, centres, strict=True))
    variance = sum(share * (centre - mean) ** 2 for share, centre in zip(shares, centres, strict=True))
    assert math.sqrt(variance) == pytest.approx(2 * failed.picture.std, rel=0.15)


def test_of_many_draws_those_are_shown_whose_distance_can_be_seen() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(1000, 3, generator=generator) * torch.tensor([1.0, 3.0, 1e-6])
    picture = pictures.of_draws(draws, torch.zeros(3), torch.ones(3))
    assert picture is not None
    assert picture.high - picture.low == pytest.approx(2 * pictures.REACH * 3, rel=0.1)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_is_left_out(bad: float) -> None:
    picture = pictures.of_values("It", torch.arange(5.0), torch.tensor([bad, 1.0, 2.0, 3.0, 4.0]))
    assert picture == Values("It", (1.0, 2.0, 3.0, 4.0), (1.0, 2.0, 3.0, 4.0))
    assert pictures.of_draws(torch.full((10, 2), bad), torch.zeros(2), torch.ones(2)) is None


def test_two_numbers_are_no_picture() -> None:
    assert pictures.of_values("It", torch.zeros(2), torch.ones(2)) is None


@pytest.mark.parametrize("picture", ONE_OF_EACH)
def test_a_picture_survives_as_json(picture: Picture) -> None:
    assert pictures.from_data(json.loads(json.dumps(pictures.as_data(picture)))) == picture


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"what": "It", "right": [1.0], "came": ["1"], "more": 1},
        {"what": "It", "right": [float("nan")], "came": [1.0]},
        {"low": 0.0, "high": 1.0, "density": [], "mean": 0.0, "std": 1.0},
    ],
)
def test_what_is_no_picture_is_none(data: dict[str, object]) -> None:
    assert pictures.from_data(data) is None


@pytest.mark.parametrize("picture", ONE_OF_EACH)
def test_a_picture_has_alternative_text_and_keeps_to_its_frame(picture: Picture) -> None:
    svg = svg_of(picture)
    assert svg.get("aria-label")
    for mark in svg.iter():
        x, y = (float(mark.get(name) or mark.get(f"c{name}") or 0) for name in "xy")
        assert 0 <= x <= pictures.WIDTH
        assert 0 <= y <= pictures.HEIGHT


@pytest.mark.parametrize("constant", [0.0, 1e-9, -3.0, 1e12])
def test_equal_values_can_be_drawn(constant: float) -> None:
    svg_of(Values("It", (constant,) * 3, (constant,) * 3))

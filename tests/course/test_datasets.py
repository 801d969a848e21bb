"""The data sets: what they hold, and that splitting and scaling are right."""

import math
from collections.abc import Callable
from functools import cache

import pytest
import torch
from fake_device import NAME as FAKE

from bnn_core import datasets
from bnn_core.datasets import Dataset, Standardizer

# Loaded once: reading 5,000 images takes a second.
mnist, digits = cache(datasets.mnist), cache(datasets.digits)

REGRESSION = [
    (datasets.auto_mpg, 392, 7),
    (datasets.boston_housing, 506, 13),
    (datasets.diabetes, 442, 10),
    (lambda: datasets.blundell_curve(50), 50, 1),
]
CLASSIFICATION = [
    (datasets.breast_cancer, 569, 30, 2),
    (digits, 1797, 64, 10),
    (mnist, 5000, 784, 10),
]


@pytest.mark.parametrize(("load", "examples", "features"), REGRESSION)
def test_regression_data_are_finite_float32_tables(load: Callable[[], Dataset], examples: int, features: int) -> None:
    data = load()
    assert data.x.shape == (examples, features)
    assert data.y.shape == (examples,)
    assert data.x.dtype == data.y.dtype == torch.float32
    assert data.x.isfinite().all()
    assert data.y.isfinite().all()
    assert data.y.std() > 0
    assert data.class_names == ()


@pytest.mark.parametrize(("load", "examples", "features", "classes"), CLASSIFICATION)
def test_classification_data_have_a_label_for_every_class(
    load: Callable[[], Dataset], examples: int, features: int, classes: int
) -> None:
    data = load()
    assert data.x.shape == (examples, features)
    assert (data.x.dtype, data.y.dtype) == (torch.float32, torch.int64)
    assert data.y.unique().tolist() == list(range(classes))
    assert len(data.class_names) == classes


@pytest.mark.parametrize("load", [digits, mnist])
def test_pixels_lie_between_0_and_1(load: Callable[[], Dataset]) -> None:
    data = load()
    assert (data.x.min(), data.x.max()) == (0, 1)


@pytest.mark.parametrize("load", [row[0] for row in [*REGRESSION, *CLASSIFICATION]])
def test_every_data_set_names_its_columns_and_its_source(load: Callable[[], Dataset]) -> None:
    data = load()
    assert len(set(data.feature_names)) == data.x.shape[1]
    assert data.target_name
    assert data.source.endswith(".")


def test_columns_hold_what_their_names_say() -> None:
    cars = datasets.auto_mpg()
    assert (cars.column("horsepower").min(), cars.column("horsepower").max()) == (46, 230)
    assert cars.column("model year [19..]").unique().tolist() == list(range(70, 83))
    patients = datasets.diabetes()
    assert 18 < patients.column("age").min() < patients.column("age").max() < 100
    assert datasets.breast_cancer().class_names[0] == "malignant"
    assert (datasets.breast_cancer().y == 0).sum() == 212


def test_an_unknown_column_is_an_error_that_lists_the_columns() -> None:
    with pytest.raises(ValueError, match="horsepower"):
        datasets.auto_mpg().column("horse power")


def test_a_split_is_a_partition_that_the_seed_fixes() -> None:
    data = datasets.blundell_curve(20)
    first, others = data.split(6, seed=1)
    assert (len(first), len(others)) == (6, 14)
    assert torch.equal(torch.cat([first.y, others.y]).sort().values, data.y.sort().values)
    assert torch.equal(first.x, data.split(6, seed=1)[0].x)
    assert not torch.equal(first.x, data.split(6, seed=2)[0].x)
    assert first.feature_names == data.feature_names


@pytest.mark.parametrize("size", [0, 20, -3])
def test_a_split_needs_examples_on_both_sides(size: int) -> None:
    with pytest.raises(ValueError, match="size"):
        datasets.blundell_curve(20).split(size)


def test_splitting_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    datasets.blundell_curve(20).split(5)
    assert torch.equal(torch.rand(1), expected)


def test_standardized_values_have_mean_0_and_std_1_and_come_back() -> None:
    x = datasets.diabetes().x
    scale = Standardizer.of(x)
    torch.testing.assert_close(scale(x).mean(dim=0), torch.zeros(10), atol=1e-4, rtol=0)
    torch.testing.assert_close(scale(x).std(dim=0), torch.ones(10))
    torch.testing.assert_close(scale.undo(scale(x)), x)


def test_a_constant_column_is_shifted_to_0() -> None:
    x = torch.tensor([[3.0, 1.0], [3.0, 2.0]])
    assert Standardizer.of(x)(x)[:, 0].tolist() == [0, 0]


def test_the_blundell_curve_without_noise_is_its_formula() -> None:
    data = datasets.blundell_curve(50, low=-0.2, high=1.2, noise_std=0.0)
    x = data.x[:, 0].double()
    expected = x + 0.3 * (2 * math.pi * x).sin() + 0.3 * (4 * math.pi * x).sin()
    torch.testing.assert_close(data.y.double(), expected, atol=1e-5, rtol=0)
    assert -0.2 <= x.min() < 0 < 1 < x.max() <= 1.2


def test_the_blundell_curve_has_its_noise() -> None:
    noisy, clean = datasets.blundell_curve(2000, noise_std=1e-4), datasets.blundell_curve(2000, noise_std=0.0)
    slope = 1 + 0.6 * math.pi * (2 * math.pi * clean.x).cos() + 1.2 * math.pi * (4 * math.pi * clean.x).cos()
    epsilon = (noisy.y - clean.y) / slope[:, 0]
    steep = slope[:, 0].abs() > 1
    count = int(steep.sum())
    # The noise enters inside the sines and once more outside them: the factor of epsilon is the slope of y in x.
    assert epsilon[steep].std() == pytest.approx(1e-4, rel=7 / math.sqrt(2 * count))
    with pytest.raises(ValueError, match="size"):
        datasets.blundell_curve(0)


def test_data_lie_on_the_default_device() -> None:
    here = datasets.auto_mpg().split(40)[0], datasets.blundell_curve(20)
    with torch.device(FAKE):
        there = datasets.auto_mpg().split(40)[0], datasets.blundell_curve(20)
    for expected, came in zip(here, there, strict=True):
        assert came.x.device.type == came.y.device.type == FAKE
        torch.testing.assert_close(came.x.cpu(), expected.x)
        torch.testing.assert_close(came.y.cpu(), expected.y)

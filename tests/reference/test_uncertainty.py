"""The measures of doubt, against SciPy's, scikit-learn's and torchmetrics'; and pruning, against what it promises."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.calibration import calibration_curve
from sklearn.metrics import mutual_info_score
from torch import Tensor

from bnn_core import (
    BayesianLinear,
    expected_calibration_error,
    mutual_information,
    predictive_entropy,
    prune_by_signal_to_noise,
)

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def probabilities(*size: int, temperature: float = 2.0, seed: int = 0) -> Tensor:
    logits = torch.randn(size, generator=generator(seed), dtype=torch.float64)
    return torch.softmax(temperature * logits, dim=-1)


# --- Entropy and mutual information ---------------------------------------------------------------------------


@DTYPES
@pytest.mark.parametrize("size", [(5, 7, 10), (1, 3, 2), (4, 1, 3), (3, 4, 1), (3, 3, 3), (2, 5, 1000)])
@pytest.mark.parametrize("temperature", [0.1, 2.0, 30.0])
def test_entropy_is_scipys(size: tuple[int, ...], temperature: float, dtype: torch.dtype) -> None:
    probs = probabilities(*size, temperature=temperature)
    came = predictive_entropy(probs.to(dtype))
    assert came.dtype == dtype
    assert came.shape == (size[1],)
    right = scipy.stats.entropy(probs.mean(dim=0).numpy(), axis=1)
    assert torch.allclose(came.double(), torch.from_numpy(right), rtol=0, atol=10 * TOLERANCE[dtype])


@DTYPES
@pytest.mark.parametrize("size", [(5, 7, 10), (4, 1, 3), (3, 3, 3), (2, 5, 100)])
def test_mutual_information_is_scikit_learns_and_scipys(size: tuple[int, ...], dtype: torch.dtype) -> None:
    S, B, C = size
    votes = torch.multinomial(probabilities(S * B, C), 500, replacement=True, generator=generator())
    counts = torch.nn.functional.one_hot(votes, C).sum(dim=1).view(size)  # scikit-learn's wants whole numbers
    probs = counts.double() / 500
    came = mutual_information(probs.to(dtype))
    assert came.dtype == dtype
    joint = [mutual_info_score(None, None, contingency=counts[:, b].numpy()) for b in range(B)]
    divergences = scipy.stats.entropy(probs.numpy(), np.broadcast_to(probs.mean(dim=0), size), axis=2).mean(axis=0)
    for right in (torch.tensor(joint, dtype=torch.float64), torch.from_numpy(divergences)):
        assert torch.allclose(came.double(), right, rtol=0, atol=10 * TOLERANCE[dtype])


def test_a_class_without_any_chance_adds_nothing() -> None:
    probs = torch.cat([probabilities(4, 3, 5), torch.zeros(4, 3, 2)], dim=2)
    assert torch.allclose(predictive_entropy(probs), predictive_entropy(probs[:, :, :5]))
    assert torch.allclose(mutual_information(probs), mutual_information(probs[:, :, :5]))


@DTYPES
def test_certain_draws_are_in_no_doubt_or_disagree(dtype: torch.dtype) -> None:
    certain = torch.eye(4, dtype=dtype)
    assert (predictive_entropy(certain.expand(3, 4, 4)) == 0).all()
    assert (mutual_information(certain.expand(3, 4, 4)) == 0).all()
    divided = torch.stack([certain, certain.roll(1, 0)])
    for measure in (predictive_entropy, mutual_information):
        assert torch.allclose(measure(divided), torch.full((4,), math.log(2), dtype=dtype))


@DTYPES
@pytest.mark.parametrize("temperature", [0.1, 2.0, 30.0])
def test_mutual_information_lies_between_zero_and_the_entropy(temperature: float, dtype: torch.dtype) -> None:
    probs = probabilities(30, 200, 10, temperature=temperature).to(dtype)
    information = mutual_information(probs)
    assert (information >= 0).all()
    assert (information <= predictive_entropy(probs) + TOLERANCE[dtype]).all()
    agreeing = probs[:1].expand(30, -1, -1)
    assert (mutual_information(agreeing) >= 0).all()
    assert mutual_information(agreeing).max() < 10 * TOLERANCE[dtype]


@pytest.mark.parametrize("measure", [predictive_entropy, mutual_information])
@pytest.mark.parametrize("size", [(3, 4), (2, 3, 4, 5), (0, 3, 4), (2, 3, 0)])
def test_other_shapes_than_draws_inputs_classes_are_refused(measure: Any, size: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="probs"):
        measure(torch.ones(size))


# --- Calibration ----------------------------------------------------------------------------------------------


def labelled(examples: int, classes: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    labels = torch.randint(classes, (examples,), generator=generator(seed + 1))
    return probabilities(examples, classes, seed=seed), labels


@DTYPES
@pytest.mark.parametrize(("examples", "classes", "num_bins"), [(400, 10, 15), (50, 2, 10), (7, 3, 20), (90, 30, 1)])
def test_calibration_error_follows_from_scikit_learns_curve(
    examples: int, classes: int, num_bins: int, dtype: torch.dtype
) -> None:
    """scikit-learn's curve is that of one class's probability: here, of whether the prediction is right."""
    probs, labels = labelled(examples, classes)
    confidence, prediction = probs.max(dim=1)
    accuracy, average = calibration_curve((prediction == labels).numpy(), confidence.numpy(), n_bins=num_bins)
    count = np.histogram(confidence.numpy(), bins=num_bins, range=(0, 1))[0]
    right = (count[count > 0] * np.abs(accuracy - average)).sum() / examples
    came = expected_calibration_error(probs.to(dtype), labels, num_bins)
    assert came.dtype == dtype
    assert came.shape == ()
    assert came.item() == pytest.approx(right, abs=10 * TOLERANCE[dtype])


@pytest.mark.parametrize("num_bins", [4, 10, 15])
def test_calibration_error_is_torchmetrics_but_for_edges(num_bins: int) -> None:
    """Its average is the same, and its bins; what lies on an edge is counted to the bin above."""
    metrics = pytest.importorskip("torchmetrics.functional.classification", reason="pip install '.[ci]' has it")

    def theirs(probs: Tensor, labels: Tensor) -> float:
        error = metrics.multiclass_calibration_error(probs, labels, probs.shape[1], num_bins, norm="l1")
        return float(error)

    for seed in range(20):
        probs, labels = labelled(300, 2 + seed % 9, seed=seed)
        came = expected_calibration_error(probs, labels, num_bins).item()
        assert came == pytest.approx(theirs(probs, labels), abs=1e-6)
    on_an_edge, above = torch.tensor([[0.75, 0.25]]), torch.tensor([[0.8, 0.2]])
    both, labels = torch.cat([on_an_edge, above]), torch.tensor([0, 1])
    if num_bins == 4:  # whose edges are exact
        assert theirs(both, labels) == pytest.approx(abs(0.25 - 0.8) / 2, abs=1e-6)
        assert expected_calibration_error(both, labels, 4).item() == pytest.approx((0.25 + 0.8) / 2, abs=1e-6)


def test_calibration_error_has_fifteen_bins_unless_told() -> None:
    probs, labels = labelled(300, 5)
    assert expected_calibration_error(probs, labels) == expected_calibration_error(probs, labels, 15)
    assert expected_calibration_error(probs, labels) != expected_calibration_error(probs, labels, 14)


@DTYPES
def test_certain_predictions_are_as_wrong_as_they_are_often(dtype: torch.dtype) -> None:
    probs = torch.eye(4, dtype=dtype)
    assert expected_calibration_error(probs, torch.arange(4)) == 0
    assert expected_calibration_error(probs, torch.tensor([0, 1, 2, 2])) == 0.25
    assert expected_calibration_error(probs, torch.tensor([1, 2, 3, 0])) == 1
    assert expected_calibration_error(torch.ones(3, 1, dtype=dtype), torch.zeros(3, dtype=torch.int64)) == 0


@DTYPES
@pytest.mark.parametrize("num_bins", [2, 4, 8])
def test_an_edge_belongs_to_the_bin_below(num_bins: int, dtype: torch.dtype) -> None:
    """On an edge and just below it they share a bin, where gaps cancel; just above they don't."""
    edge = 1 - 1 / num_bins
    for other, together in ((-0.01, True), (0.01, False)):
        confidence = torch.tensor([edge, edge + other], dtype=dtype)
        probs = torch.cat([confidence[:, None], ((1 - confidence) / 9)[:, None].expand(2, 9)], dim=1)
        came = expected_calibration_error(probs, torch.tensor([0, 1]), num_bins).item()
        gaps = [1 - confidence[0], -confidence[1]]
        right = abs(sum(gaps)) / 2 if together else sum(map(abs, gaps)) / 2
        assert came == pytest.approx(float(right), abs=1e-6)


def test_of_equally_likely_classes_the_first_is_predicted() -> None:
    probs = torch.tensor([[0.5, 0.5], [0.5, 0.5]])
    assert expected_calibration_error(probs, torch.tensor([0, 0])) == 0.5
    assert expected_calibration_error(probs, torch.tensor([0, 1])) == 0
    assert expected_calibration_error(probs, torch.tensor([1, 1])) == 0.5


def test_more_bins_never_make_the_error_smaller_where_they_divide_the_others() -> None:
    probs, labels = labelled(500, 6)
    errors = [expected_calibration_error(probs, labels, bins).item() for bins in (1, 2, 4, 8, 16, 32)]
    assert errors == sorted(errors)


@pytest.mark.parametrize(
    ("probs", "labels", "num_bins", "says"),
    [
        (torch.ones(3, 2), torch.zeros(2), 15, "shapes"),
        (torch.ones(3), torch.zeros(3), 15, "shapes"),
        (torch.ones(0, 2), torch.zeros(0), 15, "at least 1"),
        (torch.ones(3, 2), torch.zeros(3), 0, "num_bins"),
        (torch.ones(3, 2), torch.zeros(3), 2.5, "num_bins"),
    ],
)
def test_what_cannot_be_binned_is_refused(probs: Tensor, labels: Tensor, num_bins: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        expected_calibration_error(probs, labels, num_bins)


# --- Pruning --------------------------------------------------------------------------------------------------


def layer_of(outputs: int, inputs: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> BayesianLinear:
    torch.manual_seed(seed)
    layer = BayesianLinear(inputs, outputs, dtype=dtype)
    torch.nn.init.uniform_(layer.weight_log_std, -5.0, 1.0)
    return layer


@DTYPES
@pytest.mark.parametrize("fraction", [0, 0.1, 0.5, 0.77, 1])
@pytest.mark.parametrize("size", [(4, 6), (1, 7), (1, 1), (30, 20)])
def test_as_many_go_as_should_and_they_are_the_weakest(
    size: tuple[int, int], fraction: float, dtype: torch.dtype
) -> None:
    layer = layer_of(*size, dtype)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    mean, log_std = prune_by_signal_to_noise(layer, fraction)
    assert mean.dtype == log_std.dtype == dtype
    gone = log_std == -math.inf
    assert gone.sum() == int(fraction * gone.numel())
    assert torch.equal(mean == 0, gone)
    assert torch.equal(mean[~gone], layer.weight_mean[~gone])
    assert torch.equal(log_std[~gone], layer.weight_log_std[~gone])
    ratio = layer.weight_mean.abs() / layer.weight_log_std.exp()
    if 0 < gone.sum() < gone.numel():
        assert ratio[gone].max() <= ratio[~gone].min()
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


@pytest.mark.parametrize("values", [[0.5] * 8, [0.0] * 8, [0.0] * 3 + [0.5] * 5])
def test_ties_are_broken(values: list[float]) -> None:
    layer: Any = SimpleNamespace(weight_mean=torch.tensor([values]), weight_log_std=torch.full((1, 8), -1.0))
    for count in range(9):
        _, log_std = prune_by_signal_to_noise(layer, count / 8)
        assert (log_std == -math.inf).sum() == count


def test_a_pruned_layer_can_be_pruned_further() -> None:
    layer = layer_of(5, 8)
    once: Any = SimpleNamespace()
    once.weight_mean, once.weight_log_std = prune_by_signal_to_noise(layer, 0.25)
    for further, right in zip(prune_by_signal_to_noise(once, 0.75), prune_by_signal_to_noise(layer, 0.75), strict=True):
        assert torch.equal(further, right)


def test_extreme_standard_deviations_keep_their_order() -> None:
    log_std = torch.tensor([[-200.0, -300.0, 200.0, 300.0]])
    layer: Any = SimpleNamespace(weight_mean=torch.ones(1, 4), weight_log_std=log_std)
    for count, kept in enumerate([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]):
        assert prune_by_signal_to_noise(layer, count / 4)[0].tolist() == [kept]


def test_a_layer_with_pruned_weights_draws_zeros_for_them() -> None:
    layer = layer_of(3, 4)
    mean, log_std = prune_by_signal_to_noise(layer, 1)
    with torch.no_grad():
        layer.weight_mean.copy_(mean)
        layer.weight_log_std.copy_(log_std)
        layer.bias_mean.zero_()
        layer.bias_log_std.fill_(-math.inf)
    assert torch.equal(layer(torch.ones(2, 4)), torch.zeros(2, 3))


@pytest.mark.parametrize("fraction", [-0.1, 1.1, math.nan, math.inf])
def test_no_share_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction"):
        prune_by_signal_to_noise(layer_of(2, 2), fraction)

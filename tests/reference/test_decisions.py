"""Acting on uncertainty: the error of those that are answered, and Thompson's action."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest
import torch
from sklearn.metrics import accuracy_score
from torch import Tensor, nn

from bnn_core import BayesianLinear, selective_error, thompson_action


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("size", [1, 2, 7, 100])
@pytest.mark.parametrize("coverage", [0.001, 0.3, 0.5, 0.99, 1.0, 1])
def test_error_is_that_of_the_surest(size: int, coverage: float) -> None:
    confidence = torch.randn(size, generator=generator(size))
    correct = torch.rand(size, generator=generator(1)) < 0.6
    surest = sorted(range(size), key=lambda i: -confidence[i].item())
    kept = next(count for count in range(1, size + 1) if count >= coverage * size - 1e-9)
    right = 1 - accuracy_score(torch.ones(kept), correct[surest[:kept]])
    assert selective_error(confidence, correct, coverage).item() == pytest.approx(right, abs=1e-6)


def test_a_coverage_that_floating_point_makes_a_little_larger() -> None:
    """0.07 · 100 > 7, but seven are meant."""
    confidence = torch.linspace(1, 0, 100)
    correct = torch.arange(100) < 7
    assert selective_error(confidence, correct, 0.07) == 0


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float32, torch.float64])
@pytest.mark.parametrize("of_confidence", [torch.float32, torch.float64])
def test_any_dtype_will_do(dtype: torch.dtype, of_confidence: torch.dtype) -> None:
    confidence = torch.tensor([0.9, 0.1, 0.8, 0.4], dtype=of_confidence)
    error = selective_error(confidence, torch.tensor([1, 1, 0, 1]).to(dtype), 0.5)
    assert error == 0.5
    assert error.shape == ()
    assert error.dtype == of_confidence


def test_among_equals_the_error_is_one_that_a_choice_gives() -> None:
    confidence, correct = torch.tensor([0.5, 0.9, 0.5, 0.5, 0.1]), torch.tensor([True, False, False, True, True])
    possible = {(1 + sum(not correct[i] for i in chosen)) / 3 for chosen in combinations([0, 2, 3], 2)}
    error = selective_error(confidence, correct, 0.6).item()
    assert any(error == pytest.approx(one) for one in possible)


def test_only_the_order_of_confidence_counts() -> None:
    confidence = torch.rand(50, generator=generator(0), dtype=torch.float64)
    correct = torch.rand(50, generator=generator(1)) < 0.7
    for change in (torch.log, torch.exp, lambda c: 100 * c - 3):
        assert selective_error(change(confidence), correct, 0.4) == selective_error(confidence, correct, 0.4)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"correct": torch.ones(4)}, "one shape"),
        ({"confidence": torch.ones(3, 1), "correct": torch.ones(3, 1)}, "one shape"),
        ({"confidence": torch.ones(0), "correct": torch.ones(0)}, "at least 1"),
        ({"confidence": torch.tensor([1.0, float("nan"), 0.0])}, "NaN"),
        ({"coverage": 0.0}, "coverage"),
        ({"coverage": 1.1}, "coverage"),
        ({"coverage": float("nan")}, "coverage"),
        ({"coverage": "all"}, "coverage"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, Any], says: str) -> None:
    arguments = {"confidence": torch.tensor([0.9, 0.5, 0.1]), "correct": torch.ones(3), "coverage": 0.5}
    with pytest.raises(ValueError, match=says):
        selective_error(**{**arguments, **change})


@pytest.mark.parametrize(("contexts", "actions"), [(5, 3), (1, 4), (6, 1), (3, 3)])
def test_action_is_the_best_of_one_call(contexts: int, actions: int) -> None:
    outputs = torch.randn(4, contexts, actions, generator=generator(0))
    remaining = iter(outputs)
    model: Callable[[Tensor], Tensor] = lambda _: next(remaining)  # noqa: E731
    for output in outputs:
        action = thompson_action(model, torch.zeros(contexts, 2))
        assert action.dtype == torch.int64
        assert action.tolist() == [max(range(actions), key=lambda a: row[a].item()) for row in output]


def test_an_action_is_taken_as_often_as_it_is_the_best() -> None:
    """For two actions with normal rewards the chance that one is the better is known."""
    torch.manual_seed(0)
    layer = BayesianLinear(1, 2)
    with torch.no_grad():
        layer.weight_mean.copy_(torch.tensor([[0.5], [0.0]]))
        layer.weight_log_std.fill_(0.0)
        layer.bias_mean.zero_()
        layer.bias_log_std.fill_(-20.0)
    taken = torch.stack([thompson_action(layer, torch.ones(1, 1)) for _ in range(4000)]).double().mean()
    chance = 1 - torch.distributions.Normal(0.0, 2**0.5).cdf(torch.tensor(0.5)).item()
    assert taken.item() == pytest.approx(chance, abs=0.04)


@pytest.mark.parametrize("training", [True, False])
def test_choosing_leaves_the_model_as_it_was(training: bool) -> None:
    model = nn.Sequential(BayesianLinear(2, 3), nn.Tanh(), BayesianLinear(3, 4)).train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    action = thompson_action(model, torch.ones(5, 2))
    assert action.shape == (5,)
    assert model.training == training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_all_contexts_of_a_call_share_a_draw() -> None:
    model = nn.Sequential(BayesianLinear(2, 20), nn.Tanh(), BayesianLinear(20, 4))
    assert all(len(set(thompson_action(model, torch.ones(50, 2)).tolist())) == 1 for _ in range(10))


def test_a_model_without_a_row_for_each_context_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(B, R\)"):
        thompson_action(lambda x: x[:, 0], torch.ones(3, 2))

"""The small network and its log joint density, against torch.nn and torch.distributions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from bnn_core import log_joint, network_output
from bnn_core.small_network import NAMES

ZERO = torch.zeros((), dtype=torch.float64)


def normal(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def parameters(hidden: int, seed: int = 0) -> dict[str, Tensor]:
    shapes = [(hidden, 1), (hidden,), (1, hidden), (1,)]
    return {name: normal(*shape, seed=10 * seed + i) for i, (name, shape) in enumerate(zip(NAMES, shapes, strict=True))}


@pytest.mark.parametrize("hidden", [1, 4])
@pytest.mark.parametrize("count", [1, 4, 7])
def test_the_network_is_that_of_torch_nn(hidden: int, count: int) -> None:
    given, x = parameters(hidden), normal(count, 1, seed=99)
    network = nn.Sequential(nn.Linear(1, hidden), nn.ReLU(), nn.Linear(hidden, 1)).double()
    for parameter, value in zip(network.parameters(), given.values(), strict=True):
        parameter.data.copy_(value)
    assert torch.allclose(network_output(given, x), network(x), rtol=1e-12)


@pytest.mark.parametrize(("hidden", "count"), [(1, 1), (5, 5), (3, 8)])
@pytest.mark.parametrize(("noise_std", "prior_std"), [(0.3, 2.0), (4, 1), (torch.tensor(0.7).double(), 0.5)])
def test_log_joint_is_that_of_torch_distributions(hidden: int, count: int, noise_std: Any, prior_std: Any) -> None:
    given, x, y = parameters(hidden), normal(count, 1, seed=98), normal(count, 1, seed=97)
    likelihood = Normal(network_output(given, x), noise_std).log_prob(y).sum()
    prior = torch.stack([Normal(ZERO, prior_std).log_prob(value).sum() for value in given.values()]).sum()
    came = log_joint(given, x, y, noise_std, prior_std)
    assert came.shape == ()
    assert torch.allclose(came, likelihood + prior, rtol=1e-12)


def test_log_joint_has_right_gradients() -> None:
    x, y = normal(6, 1, seed=98), normal(6, 1, seed=97)
    values = [value.requires_grad_() for value in parameters(3).values()]
    assert torch.autograd.gradcheck(lambda *v: log_joint(dict(zip(NAMES, v, strict=True)), x, y, 0.5, 1.5), values)


def test_without_data_it_is_the_prior() -> None:
    given, none = parameters(3), torch.empty(0, 1, dtype=torch.float64)
    prior = torch.stack([Normal(ZERO, 2.0).log_prob(value).sum() for value in given.values()]).sum()
    assert torch.allclose(log_joint(given, none, none, 1.0, 2.0), prior)


def test_swapping_two_units_changes_nothing() -> None:
    given, x, y = parameters(4), normal(6, 1, seed=98), normal(6, 1, seed=97)
    order = torch.tensor([2, 0, 3, 1])
    swapped = {
        "weight_1": given["weight_1"][order],
        "bias_1": given["bias_1"][order],
        "weight_2": given["weight_2"][:, order],
        "bias_2": given["bias_2"],
    }
    assert torch.allclose(log_joint(given, x, y, 0.5, 1.0), log_joint(swapped, x, y, 0.5, 1.0))


def test_it_works_under_vmap() -> None:
    x, y, both = normal(6, 1, seed=98), normal(6, 1, seed=97), [parameters(3, seed=seed) for seed in (1, 2)]
    stacked = {name: torch.stack([one[name] for one in both]) for name in NAMES}
    came = torch.func.vmap(lambda p: log_joint(p, x, y, 0.5, 1.0))(stacked)
    assert torch.allclose(came, torch.stack([log_joint(one, x, y, 0.5, 1.0) for one in both]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"parameters": {"weight_1": normal(3, 1)}}, "lacks bias_1 and weight_2 and bias_2"),
        ({"parameters": parameters(3) | {"weight_2": normal(3, 1)}}, "weight_2 must have shape"),
        ({"parameters": parameters(3) | {"bias_1": normal()}}, "weight_1 must have shape"),
        ({"x": normal(5)}, "x must have shape"),
        ({"y": normal(5)}, "y must have the shape of the output"),
        ({"noise_std": 0.0}, "noise_std"),
        ({"prior_std": -1.0}, "prior_std"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, Any], says: str) -> None:
    usual = {"parameters": parameters(3), "x": normal(5, 1), "y": normal(5, 1), "noise_std": 0.5, "prior_std": 1.0}
    with pytest.raises(ValueError, match=says):
        log_joint(**(usual | change))

"""The loss and the predictions of Bayes by Backprop, against torch.distributions and against what they are for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from bnn_core import BayesianLinear, negative_elbo, predict


def normal(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


KL = torch.tensor(3.5, dtype=torch.float64)


@pytest.mark.parametrize("size", [(4,), (1, 1), (5, 3), (2, 3, 4)])
@pytest.mark.parametrize("noise_std", [0.02, 2, torch.tensor(0.7).double(), torch.tensor([30.0]).double()], ids=str)
def test_loss_is_that_of_torch_distributions(size: tuple[int, ...], noise_std: Any) -> None:
    prediction, target = normal(*size), normal(*size, seed=1)
    right = KL - 70 / size[0] * Normal(prediction, noise_std).log_prob(target).sum()
    came = negative_elbo(prediction, target, KL, noise_std, 70)
    assert came.shape == ()
    assert torch.allclose(came, right, rtol=1e-12)


def test_every_output_may_have_noise_of_its_own() -> None:
    prediction, target, noise_std = normal(5, 3), normal(5, 3, seed=1), torch.tensor([0.1, 1.0, 10.0]).double()
    parts = [negative_elbo(prediction[:, i], target[:, i], 0 * KL, noise_std[i], 9) for i in range(3)]
    assert torch.allclose(negative_elbo(prediction, target, KL, noise_std, 9), torch.stack(parts).sum() + KL)


def test_batches_average_to_the_loss_of_the_whole_data_set() -> None:
    prediction, target = normal(12, 2), normal(12, 2, seed=1)
    batches = [negative_elbo(prediction[rows], target[rows], KL, 0.5, 12) for rows in torch.arange(12).split(3)]
    whole = negative_elbo(prediction, target, KL, 0.5, 12)
    assert torch.allclose(torch.stack(batches).mean(), whole)


def test_loss_has_right_gradients() -> None:
    arguments = [normal(4, 2), normal(4, 2, seed=1), KL.clone(), torch.tensor(0.6).double()]
    inputs = [argument.requires_grad_() for argument in arguments]
    assert torch.autograd.gradcheck(lambda *a: negative_elbo(*a, 20), inputs)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"target": normal(4)}, "one shape"),
        ({"prediction": normal(), "target": normal()}, "one shape"),
        ({"kl": normal(2)}, "kl must be a scalar"),
        ({"noise_std": 0.0}, "above zero"),
        ({"noise_std": torch.tensor(-1.0)}, "above zero"),
        ({"dataset_size": 0}, "dataset_size"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, Any], says: str) -> None:
    arguments = {"prediction": normal(4, 1), "target": normal(4, 1), "kl": KL, "noise_std": 0.5, "dataset_size": 8}
    with pytest.raises(ValueError, match=says):
        negative_elbo(**{**arguments, **change})


@pytest.mark.parametrize("size", [(), (3,), (4, 2), (2, 3, 4)])
def test_prediction_is_mean_and_std_over_calls(size: tuple[int, ...]) -> None:
    outputs = normal(6, *size)
    remaining = iter(outputs)
    mean, std = predict(lambda _: next(remaining), normal(2), 6)
    assert torch.allclose(mean, outputs.mean(dim=0))
    assert torch.allclose(std, ((outputs - outputs.mean(dim=0)) ** 2).mean(dim=0).sqrt())
    assert mean.shape == std.shape == size


def test_one_draw_has_no_spread() -> None:
    mean, std = predict(lambda x: 2 * x, normal(3), 1)
    assert torch.equal(mean, 2 * normal(3))
    assert torch.equal(std, torch.zeros(3).double())


@pytest.mark.parametrize("training", [True, False])
def test_prediction_leaves_the_model_as_it_was(training: bool) -> None:
    model = nn.Sequential(BayesianLinear(2, 3), nn.Tanh(), BayesianLinear(3, 1)).train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    mean, std = predict(model, torch.ones(4, 2), 5)
    assert not mean.requires_grad
    assert not std.requires_grad
    assert model.training == training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_predictions_settle_with_many_draws() -> None:
    """For a linear layer the mean and the spread of the output are known."""
    torch.manual_seed(0)
    layer, x = BayesianLinear(3, 2), torch.randn(5, 3)
    with torch.no_grad():
        layer.weight_log_std.fill_(-1.0)
        layer.bias_log_std.fill_(-2.0)
    mean, std = predict(layer, x, 20_000)
    right = (x.square().sum(dim=1, keepdim=True) * torch.tensor(-2.0).exp() + torch.tensor(-4.0).exp()).sqrt()
    assert torch.allclose(mean, x @ layer.weight_mean.T + layer.bias_mean, atol=0.05)
    assert torch.allclose(std, right.expand_as(std), rtol=0.05)


@pytest.mark.parametrize("num_samples", [0, -1, 1.5, True])
def test_no_draws_are_refused(num_samples: Any) -> None:
    with pytest.raises(ValueError, match="num_samples"):
        predict(lambda x: x, normal(2), num_samples)


def test_a_linear_model_finds_the_exact_posterior() -> None:
    """The mean-field posterior of a linear model with known noise has log_std* = −½·log(1/prior² + Σx²/noise²)."""
    torch.manual_seed(0)
    x, noise_std = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]]), 0.5
    y = 1.5 * x + noise_std * torch.randn(4, 1)
    layer = BayesianLinear(1, 1)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.02)
    settled = []
    for step in range(1500):
        optimizer.zero_grad()
        negative_elbo(layer(x), y, layer.kl_divergence(), noise_std, len(x)).backward()
        optimizer.step()
        if step >= 750:
            settled.append([layer.weight_log_std.item(), layer.weight_mean.item()])
    log_std, mean = torch.tensor(settled).mean(dim=0)
    precision = 1 + x.square().sum() / noise_std**2
    assert torch.allclose(log_std, -0.5 * precision.log(), atol=0.15)
    assert torch.allclose(mean, (x * y).sum() / noise_std**2 / precision, atol=0.1)


def test_it_works_under_vmap() -> None:
    """Argument checks don't stand in the way of what looks at no number."""
    prediction, target = normal(3, 4, 1), normal(3, 4, 1, seed=1)
    noise = torch.tensor([0.5, 1.0, 2.0]).double()
    loss: Callable[..., Tensor] = lambda p, t, s: negative_elbo(p, t, KL, s, 10)  # noqa: E731
    came = torch.func.vmap(loss)(prediction, target, noise)
    right = torch.stack([loss(*one) for one in zip(prediction, target, noise, strict=True)])
    assert torch.allclose(came, right)

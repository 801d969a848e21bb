"""BayesianLinear: what the layer promises, one test each."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from bnn_core import BayesianLinear, gaussian_kl

PARAMETERS = ["weight_mean", "weight_log_std", "bias_mean", "bias_log_std"]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_the_state_has_four_entries_or_two():
    shapes = {name: tuple(value.shape) for name, value in BayesianLinear(3, 5).state_dict().items()}
    assert shapes == dict(zip(PARAMETERS, [(5, 3), (5, 3), (5,), (5,)], strict=True))
    assert list(BayesianLinear(3, 5, bias=False).state_dict()) == PARAMETERS[:2]
    assert all(parameter.requires_grad for parameter in BayesianLinear(3, 5).parameters())


def test_initial_values_are_sensible():
    layer = BayesianLinear(100, 50)
    assert layer.weight_mean.abs().max() <= 0.1  # as nn.Linear: 1/√in_features
    assert layer.weight_mean.unique().numel() > 4000
    assert layer.bias_mean.unique().numel() > 40
    assert -5 < layer.weight_log_std.mean() < -1
    copy_of = copy.deepcopy(layer)
    layer.reset_parameters()
    assert not torch.equal(layer.weight_mean, copy_of.weight_mean)


@pytest.mark.parametrize("leading", [(), (1,), (7,), (2, 3), (2, 1, 3), (0,)])
@pytest.mark.parametrize("bias", [True, False])
def test_any_leading_batch_shape(leading, bias):
    assert BayesianLinear(3, 5, bias)(torch.randn(*leading, 3)).shape == (*leading, 5)


@pytest.mark.parametrize("training", [True, False])
def test_every_forward_draws_anew(training):
    layer = BayesianLinear(3, 5).train(training)
    x = torch.randn(4, 3)
    assert not torch.equal(layer(x), layer(x))


def test_a_seed_makes_a_forward_repeatable():
    layer, x = BayesianLinear(3, 5), torch.randn(4, 3)
    torch.manual_seed(1)
    first = layer(x)
    torch.manual_seed(1)
    assert torch.equal(layer(x), first)


def test_one_draw_serves_the_whole_batch():
    layer = BayesianLinear(3, 5)
    same_row_twice = torch.randn(1, 3).expand(2, 3)
    first, second = layer(same_row_twice)
    torch.testing.assert_close(first, second)


def test_nothing_of_a_draw_stays_on_the_layer():
    layer = BayesianLinear(3, 5)
    before = {name: id(value) for name, value in vars(layer).items()}
    tensors = set(layer.state_dict()) | {name for name, _ in layer.named_buffers()}
    layer(torch.randn(4, 3))
    layer.kl_divergence()
    assert {name: id(value) for name, value in vars(layer).items()} == before
    assert set(layer.state_dict()) | {name for name, _ in layer.named_buffers()} == tensors


def test_outputs_have_the_moments_that_the_parameters_say():
    layer, x, n = BayesianLinear(3, 2), torch.tensor([[1.0, -2.0, 0.5]]), 20_000
    with torch.no_grad():
        layer.weight_log_std.uniform_(-2, 0)
        layer.bias_log_std.uniform_(-2, 0)
        draws = vmap(lambda _: layer(x), randomness="different")(torch.arange(n)).squeeze(1)
        mean = F.linear(x, layer.weight_mean, layer.bias_mean).squeeze(0)
        variance = F.linear(x**2, (2 * layer.weight_log_std).exp(), (2 * layer.bias_log_std).exp()).squeeze(0)
    assert ((draws.mean(0) - mean).abs() < 5 * (variance / n).sqrt()).all()
    assert ((draws.var(0) / variance - 1).abs() < 5 * math.sqrt(2 / n)).all()


def test_two_forwards_and_one_backward_give_the_right_gradient():
    layer, x = BayesianLinear(3, 5), torch.randn(4, 3)

    def gradient(passes: int) -> list[torch.Tensor]:
        layer.zero_grad()
        torch.manual_seed(3)
        sum(layer(x).square().sum() for _ in range(passes)).backward()
        return [parameter.grad.clone() for parameter in layer.parameters()]

    layer.zero_grad()
    torch.manual_seed(3)
    layer(x).square().sum().backward()
    layer(x).square().sum().backward()
    one_at_a_time = [parameter.grad.clone() for parameter in layer.parameters()]
    torch.testing.assert_close(gradient(passes=2), one_at_a_time)


def test_the_gradient_of_a_forward_is_right():
    layer, x = BayesianLinear(3, 5, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)

    def forward(*values: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(5)
        return functional_call(layer, dict(zip(PARAMETERS, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(forward, tuple(layer.parameters()))


@pytest.mark.parametrize("bias", [True, False])
def test_the_kl_is_the_sum_over_weights_and_biases(bias):
    layer = BayesianLinear(3, 5, bias, prior_std=0.4)
    kl = layer.kl_divergence()
    expected = gaussian_kl(layer.weight_mean, layer.weight_log_std, 0.4)
    if bias:
        expected = expected + gaussian_kl(layer.bias_mean, layer.bias_log_std, 0.4)
    assert kl.shape == ()
    torch.testing.assert_close(kl, expected)
    kl.backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in layer.parameters())


def test_the_kl_is_finite_at_a_log_std_of_minus_120():
    layer = BayesianLinear(3, 5)
    with torch.no_grad():
        layer.weight_log_std.fill_(-120.0)
        layer.bias_log_std.fill_(-120.0)
    (layer(torch.randn(4, 3)).sum() + layer.kl_divergence()).backward()
    assert layer.kl_divergence().isfinite()
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_dtypes(dtype):
    layer = BayesianLinear(3, 5, dtype=dtype)
    out = layer(torch.randn(4, 3, dtype=dtype))
    kl = layer.kl_divergence()
    (out.sum() + kl).backward()
    assert out.dtype == kl.dtype == dtype
    assert all(p.dtype == dtype and p.grad.isfinite().all() for p in layer.parameters())
    assert BayesianLinear(3, 5).to(dtype)(torch.randn(3, dtype=dtype)).dtype == dtype


def test_the_device_is_honoured():
    layer = BayesianLinear(3, 5, device="meta")
    assert layer(torch.empty(4, 3, device="meta")).device.type == "meta"
    assert layer.kl_divergence().device.type == "meta"


def test_func_grad_and_vmap():
    layer, x = BayesianLinear(3, 5), torch.randn(6, 4, 3)
    parameters = dict(layer.named_parameters())

    def loss(values, batch):
        return functional_call(layer, values, (batch,)).square().mean()

    def kl(values):
        return gaussian_kl(values["weight_mean"], values["weight_log_std"])

    torch.testing.assert_close(grad(kl)(parameters)["weight_mean"], layer.weight_mean)
    torch.manual_seed(2)
    gradients = grad(loss)(parameters, x[0])
    torch.manual_seed(2)
    loss(parameters, x[0]).backward()
    for name, parameter in parameters.items():
        torch.testing.assert_close(gradients[name], parameter.grad)
    per_batch = vmap(grad(loss), in_dims=(None, 0), randomness="different")(parameters, x)
    assert per_batch["weight_log_std"].shape == (6, 5, 3)
    draws = vmap(lambda _: layer(x[0]), randomness="different")(torch.arange(6))
    assert draws.unique(dim=0).shape == (6, 4, 5)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])  # neither needs a C++ compiler
def test_compile_traces_one_whole_graph(backend):
    layer, x = BayesianLinear(3, 5), torch.randn(4, 3)
    torch.compiler.reset()
    step = torch.compile(lambda x: layer(x).square().mean() + layer.kl_divergence(), backend=backend, fullgraph=True)
    first, second = step(x), step(x)
    first.backward()
    assert first != second
    assert abs(first - layer.kl_divergence()) < 30
    assert all(parameter.grad.abs().sum() > 0 for parameter in layer.parameters())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_deepcopy_and_pickle(copied):
    layer = BayesianLinear(3, 5, prior_std=0.7)
    x = torch.randn(4, 3)
    layer(x).sum().backward()
    twin = copied(layer)
    torch.testing.assert_close(dict(twin.named_parameters()), dict(layer.named_parameters()))
    torch.testing.assert_close(twin.kl_divergence(), layer.kl_divergence())
    assert not torch.equal(twin(x), layer(x))
    twin.weight_mean.data.zero_()
    assert layer.weight_mean.abs().sum() > 0


def test_training_brings_log_std_to_the_exact_optimum():
    # A linear model with Gaussian noise: log_std* = −½·log(1/prior² + Σx²/noise²) for every weight.
    layer = BayesianLinear(2, 1, bias=False, prior_std=0.5, dtype=torch.float64)
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [0.0, -0.5]], dtype=torch.float64)
    y, noise = x @ torch.tensor([[0.3], [-0.8]], dtype=torch.float64), 0.5
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.02)
    for _ in range(600):
        optimizer.zero_grad()
        # For a linear model the expected squared error splits into that of the means and the variance.
        variance = x.square() @ (2 * layer.weight_log_std).exp().T
        expected_error = (F.linear(x, layer.weight_mean) - y).square() + variance
        (expected_error.sum() / (2 * noise**2) + layer.kl_divergence()).backward()
        optimizer.step()
    optimum = -0.5 * torch.log(1 / 0.5**2 + x.square().sum(0) / noise**2)
    torch.testing.assert_close(layer.weight_log_std.detach()[0], optimum, rtol=0, atol=1e-3)


def test_repr_tells_the_settings():
    text = repr(BayesianLinear(3, 5, bias=False, prior_std=0.5))
    assert text == "BayesianLinear(in_features=3, out_features=5, bias=False, prior_std=0.5)"


def test_sizes_may_be_numpys():
    layer = BayesianLinear(np.int64(3), np.int32(5), prior_std=np.float32(0.5))
    assert layer(torch.ones(2, 3)).shape == (2, 5)


@pytest.mark.parametrize("size", [0, -1, 2.0, "3", None, True])
@pytest.mark.parametrize("argument", ["in_features", "out_features"])
def test_a_wrong_size_is_named(argument, size):
    with pytest.raises(ValueError, match=argument):
        BayesianLinear(**{"in_features": 3, "out_features": 5, argument: size})


@pytest.mark.parametrize("prior_std", [0.0, -1.0, math.inf, math.nan, "1", None])
def test_a_wrong_prior_is_named(prior_std):
    with pytest.raises(ValueError, match="prior_std"):
        BayesianLinear(3, 5, prior_std=prior_std)


@pytest.mark.parametrize("shape", [(), (5,), (4, 2), (3, 4)])
def test_a_wrong_input_is_named(shape):
    with pytest.raises(ValueError, match=r"\bx\b.*3"):
        BayesianLinear(3, 5)(torch.zeros(shape))

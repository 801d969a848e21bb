"""sample_preactivation and HiddenLayer: what they promise, one test each. Pyro stands in test_pyro.py."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from torch.distributions import Distribution, Independent, Normal, constraints, kl_divergence
from torch.func import grad, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from bnn_core import HiddenLayer, gaussian_kl, sample_preactivation
from bnn_core.local_reparameterization import preactivation_moments

B, D, H = 4, 3, 5
MODES = pytest.mark.parametrize("weight_space", [False, True], ids=["local", "weight space"])


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def arguments(*leading: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    shape = leading or (B,)
    scale = torch.rand(D, H, dtype=dtype) + 0.2
    return torch.randn(*shape, D, dtype=dtype), torch.randn(D, H, dtype=dtype), scale


class LargestTensor(TorchDispatchMode):
    """Notes the most elements that any operation inside returned."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, list | tuple) else [result]:
            if isinstance(value, torch.Tensor):
                self.elements = max(self.elements, value.numel())
        return result


# Drawing


@MODES
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("leading", [(B,), (1,), (2, B), (2, 3, B), ()])
@pytest.mark.parametrize(
    ("sample_shape", "size"),
    [((), ()), (2, (2,)), ([2, 6], (2, 6)), ((6,), (6,)), (torch.Size([2, 3]), (2, 3)), (0, (0,))],
    ids=str,
)
def test_shapes_for_every_option(weight_space, bias, leading, sample_shape, size):
    X, A_mean, A_scale = torch.randn(*leading, D), torch.randn(D, H), torch.rand(D, H) + 0.1
    layer = HiddenLayer(X, A_mean, A_scale, include_hidden_bias=bias, weight_space_sampling=weight_space)
    assert layer.batch_shape == leading
    assert layer.event_shape == (H + bias,)
    assert layer.rsample(sample_shape).shape == (*size, *leading, H + bias)
    assert layer.sample(sample_shape).shape == (*size, *leading, H + bias)


@MODES
def test_draws_have_the_right_moments(weight_space):
    n, (X, A_mean, A_scale) = 20_000, arguments()
    layer = HiddenLayer(X, A_mean, A_scale, lambda x: x, 1.0, 1.0, False, weight_space)
    draws, mean, variance = layer.rsample(n), X @ A_mean, X**2 @ A_scale**2
    assert ((draws.mean(0) - mean).abs() < 5 * (variance / n).sqrt()).all()
    assert ((draws.var(0) / variance - 1).abs() < 5 * math.sqrt(2 / n)).all()


def correlations(draws: torch.Tensor) -> torch.Tensor:
    return torch.corrcoef(draws.flatten(1).T)


def test_local_draws_are_independent_between_rows_and_units():
    n, (X, A_mean, A_scale) = 20_000, arguments()
    draws = HiddenLayer(X, A_mean, A_scale, lambda x: x, include_hidden_bias=False).rsample(n)
    assert ((correlations(draws) - torch.eye(B * H)).abs() < 5 / math.sqrt(n)).all()


def test_weight_space_draws_are_shared_between_rows_and_not_between_units():
    n, (X, A_mean, A_scale) = 20_000, arguments(2, 2)
    layer = HiddenLayer(X, A_mean, A_scale, lambda x: x, include_hidden_bias=False, weight_space_sampling=True)
    rows = X.reshape(-1, D)
    covariance = torch.einsum("bd,cd,dh->bhc", rows, rows, A_scale**2)
    std = (rows**2 @ A_scale**2).sqrt()
    expected = torch.diag_embed((covariance / std[:, :, None] / std.T[None]).transpose(1, 2)).transpose(1, 2)
    difference = correlations(layer.rsample(n)) - expected.reshape(B * H, B * H)
    assert (difference.abs() < 5 / math.sqrt(n)).all()


@MODES
def test_every_draw_is_fresh(weight_space):
    layer = HiddenLayer(*arguments(), weight_space_sampling=weight_space)
    assert not torch.equal(layer.rsample(), layer.rsample())
    assert layer.rsample(6).unique(dim=0).shape[0] == 6


def test_the_non_linearity_is_relu_by_default_and_may_be_any():
    layer = HiddenLayer(*arguments(), include_hidden_bias=False)
    assert (layer.rsample(100) == 0).any()
    assert (layer.rsample(100) >= 0).all()
    tanh = HiddenLayer(*arguments(), non_linearity=torch.tanh, include_hidden_bias=False).rsample(100)
    assert tanh.min() < 0
    assert tanh.abs().max() <= 1


@MODES
def test_the_bias_unit_comes_last_after_the_non_linearity(weight_space):
    layer = HiddenLayer(*arguments(), non_linearity=lambda x: 0 * x + 7, weight_space_sampling=weight_space)
    draws = layer.rsample(3)
    assert (draws[..., -1] == 1).all()
    assert (draws[..., :-1] == 7).all()


@MODES
def test_gradients_are_right(weight_space):
    inputs = tuple(value.requires_grad_() for value in arguments(2, B, dtype=torch.float64))

    def rsample(X, A_mean, A_scale):
        torch.manual_seed(1)
        return HiddenLayer(X, A_mean, A_scale, torch.tanh, weight_space_sampling=weight_space).rsample(2)

    assert torch.autograd.gradcheck(rsample, inputs)
    assert torch.autograd.gradgradcheck(rsample, inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_gradients_are_finite_for_an_all_zero_row(dtype):
    X, A_mean, A_scale = (value.requires_grad_() for value in arguments(dtype=dtype))
    zero_row = X * torch.tensor([1, 0, 1, 1], dtype=dtype)[:, None]
    layer = HiddenLayer(zero_row, A_mean, A_scale, lambda x: x, include_hidden_bias=False)
    draw = layer.rsample()
    (draw.square().sum() + draw.sum()).backward()
    assert all(value.grad.isfinite().all() for value in (X, A_mean, A_scale))
    assert draw[1].abs().max() < 1e-15
    # The row is as if it were not there.
    gradient = A_scale.grad.clone()
    A_scale.grad = None
    torch.manual_seed(1)
    sample_preactivation(torch.zeros(1, D, dtype=dtype), A_mean, A_scale).sum().backward()
    assert (A_scale.grad == 0).all()
    assert gradient.abs().sum() > 0


HALVES = [torch.float16, torch.bfloat16]
DTYPES = [*HALVES, torch.float32, torch.float64]
SCALES = [1e-4, 1e-3, 1e-2, 1.0, 30.0]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_spread_is_right_to_the_precision_of_the_dtype(dtype, scale):
    X = torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]], dtype=dtype, requires_grad=True)
    A_mean, A_scale = (torch.full((4, 2), value, dtype=dtype, requires_grad=True) for value in (0.5, scale))
    mean, std = preactivation_moments(X, A_mean, A_scale)
    assert mean.dtype == std.dtype == dtype
    right = 2 * A_scale[0].detach().double()
    torch.testing.assert_close(std[0].detach().double(), right, rtol=2 * torch.finfo(dtype).eps, atol=0)
    (mean + 1.7 * std).sum().backward()
    assert all(value.grad.isfinite().all() for value in (X, A_mean, A_scale))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", HALVES)
def test_the_spread_is_right_under_autocast_too(dtype, scale):
    X = torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]], requires_grad=True)
    A_mean, A_scale = (torch.full((4, 2), value, requires_grad=True) for value in (0.5, scale))
    with torch.autocast("cpu", dtype=dtype):
        mean, std = preactivation_moments(X, A_mean, A_scale)
        torch.testing.assert_close(std[0].double(), 2 * A_scale[0].double(), rtol=2 * torch.finfo(dtype).eps, atol=0)
        draw = HiddenLayer(X, A_mean, A_scale, torch.tanh).rsample()
        (draw.sum() + (mean + 1.7 * std).sum()).backward()
    assert all(value.grad.isfinite().all() for value in (X, A_mean, A_scale))


def test_sample_preactivation_is_the_heart_of_rsample():
    X, A_mean, A_scale = arguments()
    torch.manual_seed(1)
    draw = sample_preactivation(X, A_mean, A_scale)
    torch.manual_seed(1)
    torch.testing.assert_close(HiddenLayer(X, A_mean, A_scale).rsample()[:, :-1], draw.relu())
    assert sample_preactivation(X, A_mean, A_scale, (2, 3)).shape == (2, 3, B, H)


def test_no_tensor_is_of_size_b_d_h():
    X, A_mean, A_scale = torch.randn(32, 16), torch.randn(16, 24), torch.rand(16, 24) + 0.1
    with LargestTensor() as largest:
        layer = HiddenLayer(X, A_mean.requires_grad_(), A_scale.requires_grad_())
        (layer.rsample().sum() + layer.log_prob(None)).backward()
    assert largest.elements <= 32 * (24 + 1)


def test_inputs_are_left_alone():
    before = arguments()
    inputs = [value.clone() for value in before]
    layer = HiddenLayer(*inputs, A_prior_scale=2.0)
    layer.log_prob(layer.rsample(3))
    assert all(torch.equal(*pair) for pair in zip(inputs, before, strict=True))


@MODES
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_noise_has_the_dtype_of_the_data(weight_space, dtype):
    layer = HiddenLayer(*arguments(dtype=dtype), lambda x: x, weight_space_sampling=weight_space)
    draw = layer.rsample()
    assert draw.dtype == layer.KL.dtype == dtype
    if dtype == torch.float64:  # and its resolution: noise drawn in float32 has few bits
        assert not torch.equal(draw, draw.float().double())


@MODES
def test_noise_is_on_the_device_of_the_data(weight_space):
    X, A_mean, A_scale = (value.to("meta") for value in arguments())
    layer = HiddenLayer(X, A_mean, A_scale, weight_space_sampling=weight_space)
    assert layer.rsample(2).device.type == "meta"
    assert layer.KL.device.type == "meta"


# KL and log_prob


@pytest.mark.parametrize(
    "prior", [1.0, 0.3, 2, torch.tensor(0.5), torch.rand(H) + 0.5, torch.rand(D, 1) + 0.5, torch.rand(D, H) + 0.5]
)
def test_kl_is_that_of_torch(prior):
    X, A_mean, A_scale = arguments()
    prior_scale = torch.as_tensor(prior, dtype=torch.float32).expand(D, H)
    expected = kl_divergence(Normal(A_mean, A_scale), Normal(torch.zeros(D, H), prior_scale)).sum()
    layer = HiddenLayer(X, A_mean, A_scale, A_prior_scale=prior)
    assert layer.KL.shape == ()
    torch.testing.assert_close(layer.KL, expected)
    torch.testing.assert_close(layer.KL, gaussian_kl(A_mean, A_scale.log(), prior))


@pytest.mark.parametrize("factor", [0, 0.25, 1.0, 10, torch.tensor(0.5), np.float32(0.5), np.int64(2)])
def test_log_prob_is_minus_factor_times_kl_whatever_the_value(factor):
    layer = HiddenLayer(*arguments(), KL_factor=factor)
    for value in (layer.sample(), layer.sample(3), torch.zeros(()), None):
        log_prob = layer.log_prob(value)
        assert log_prob.shape == ()
        torch.testing.assert_close(log_prob, -factor * layer.KL)


def test_a_second_backward_works_and_log_prob_is_fresh():
    X, A_mean, A_scale = arguments()
    layer = HiddenLayer(X, A_mean.requires_grad_(), A_scale.requires_grad_())
    layer.log_prob(None).backward()
    first = A_mean.grad.clone()
    layer.log_prob(None).backward()
    torch.testing.assert_close(A_mean.grad, 2 * first)
    before = layer.log_prob(None).item()
    with torch.no_grad():
        A_mean += 1
    torch.testing.assert_close(layer.log_prob(None), -gaussian_kl(A_mean, A_scale.log()))
    assert layer.log_prob(None).item() != before


# A distribution


def test_it_is_a_distribution():
    layer = HiddenLayer(*arguments())
    assert isinstance(layer, Distribution)
    assert layer.has_rsample
    assert set(layer.arg_constraints) == {"X", "A_mean", "A_scale", "KL_factor", "A_prior_scale"}
    assert layer.support.event_dim == 1
    assert layer.support.check(layer.sample()).all()
    assert layer.arg_constraints["A_scale"] is constraints.positive
    X, A_mean, A_scale = (value.requires_grad_() for value in arguments())
    assert HiddenLayer(X, A_mean, A_scale).rsample().requires_grad
    assert not HiddenLayer(X, A_mean, A_scale).sample().requires_grad
    whole = Independent(layer, 1)
    assert whole.event_shape == (B, H + 1)
    torch.testing.assert_close(whole.log_prob(whole.sample()), layer.log_prob(None))


@MODES
def test_expand_makes_independent_copies(weight_space):
    layer = HiddenLayer(*arguments(), weight_space_sampling=weight_space, KL_factor=0.5)
    expanded = layer.expand((6, B))
    assert isinstance(expanded, HiddenLayer)
    assert expanded.batch_shape == (6, B)
    assert expanded.event_shape == layer.event_shape
    assert layer.batch_shape == (B,)
    draws = expanded.rsample((2,))
    assert draws.shape == (2, 6, B, H + 1)
    assert draws.flatten(0, 1).unique(dim=0).shape[0] == 12
    assert expanded.expand((2, 6, B)).rsample().shape == (2, 6, B, H + 1)
    one_row = HiddenLayer(*arguments(1), weight_space_sampling=weight_space).expand((7,))
    assert one_row.rsample(3).shape == (3, 7, H + 1)


def test_the_rows_of_an_expanded_layer_share_its_log_prob():
    layer = HiddenLayer(*arguments(), KL_factor=0.5)
    for batch_shape, copies in [((B,), 1), ((6, B), 6), ((2, 3, B), 6)]:
        log_prob = layer.expand(batch_shape).log_prob(None)
        assert log_prob.shape == batch_shape
        torch.testing.assert_close(log_prob.sum(), copies * layer.log_prob(None))


@pytest.mark.parametrize("batch_shape", [(), (5,), (B, 2), (1,)])
def test_expand_refuses_what_does_not_fit(batch_shape):
    with pytest.raises(ValueError, match="batch_shape"):
        HiddenLayer(*arguments()).expand(batch_shape)


def test_repr_names_every_argument():
    X, A_mean, A_scale = arguments()
    assert repr(HiddenLayer(X, A_mean, A_scale)) == (
        "HiddenLayer(X=4×3, A_mean=3×5, A_scale=3×5, non_linearity=relu, KL_factor=1.0, A_prior_scale=1.0, "
        "include_hidden_bias=True, weight_space_sampling=False)"
    )
    assert "A_prior_scale=3×5" in repr(HiddenLayer(X, A_mean, A_scale, A_prior_scale=A_scale))


# Transforms and copies


def objective(X, A_mean, A_scale, weight_space, prior=1.0):
    layer = HiddenLayer(X, A_mean, A_scale, A_prior_scale=prior, weight_space_sampling=weight_space)
    return layer.rsample((2,)).sum() + layer.log_prob(None)


@MODES
def test_func_grad_and_vmap(weight_space):
    X, A_mean, A_scale = arguments(6, B)
    torch.manual_seed(1)
    gradient = grad(objective, argnums=2)(X, A_mean, A_scale, weight_space)
    torch.manual_seed(1)
    objective(X, A_mean, A_scale.requires_grad_(), weight_space).backward()
    torch.testing.assert_close(gradient, A_scale.grad)

    A_scale = A_scale.detach()
    per_batch = vmap(grad(objective, argnums=1), in_dims=(0, None, None, None), randomness="different")
    assert per_batch(X, A_mean, A_scale, weight_space).shape == (6, D, H)
    ensemble = vmap(objective, in_dims=(None, 0, 0, None, 0), randomness="different")
    scales = A_scale.expand(6, D, H)
    assert ensemble(X, A_mean.expand(6, D, H), scales, weight_space, scales).unique().numel() == 6


@MODES
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])  # neither needs a C++ compiler
def test_compile_traces_one_whole_graph(weight_space, backend):
    X, A_mean, A_scale = arguments()
    A_mean.requires_grad_()
    A_scale.requires_grad_()
    torch.compiler.reset()
    step = torch.compile(lambda: objective(X, A_mean, A_scale, weight_space), backend=backend, fullgraph=True)
    first, second = step(), step()
    first.backward()
    assert first != second
    assert A_mean.grad.abs().sum() > 0
    assert A_scale.grad.isfinite().all()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_deepcopy_and_pickle(copied):
    X, A_mean, A_scale = arguments()
    layer = HiddenLayer(X, A_mean.requires_grad_(), A_scale.requires_grad_(), KL_factor=0.5)
    for original in (layer, layer.expand((2, B))):
        twin = copied(original)
        torch.testing.assert_close(twin.log_prob(None), original.log_prob(None))
        assert twin.rsample(3).shape == (3, *original.batch_shape, H + 1)


# Wrong arguments

WRONG = [
    ("X", None),
    ("A_mean", None),
    ("A_scale", None),
    ("X", torch.ones(B, D + 1)),
    ("X", torch.tensor(1.0)),
    ("X", [[1.0, 2.0, 3.0]]),
    ("A_mean", torch.ones(D)),
    ("A_mean", torch.ones(2, D, H)),
    ("A_scale", torch.ones(1, H)),
    ("A_scale", torch.ones(D, 1)),
    ("A_scale", torch.ones(H)),
    ("A_scale", torch.zeros(D, H)),
    ("A_scale", -torch.ones(D, H)),
    ("A_scale", torch.full((D, H), math.nan)),
    ("non_linearity", "relu"),
    ("non_linearity", None),
    ("KL_factor", -1.0),
    ("KL_factor", math.nan),
    ("KL_factor", math.inf),
    ("KL_factor", "1"),
    ("KL_factor", torch.tensor(-1.0)),
    ("KL_factor", torch.tensor(math.nan)),
    ("KL_factor", torch.ones(1)),
    ("A_prior_scale", 0.0),
    ("A_prior_scale", -1.0),
    ("A_prior_scale", math.nan),
    ("A_prior_scale", None),
    ("A_prior_scale", torch.zeros(D, H)),
    ("A_prior_scale", torch.ones(2, D, H)),
    ("A_prior_scale", torch.ones(D)),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[f"{name} {i}" for i, (name, _) in enumerate(WRONG)])
def test_a_wrong_argument_is_named(name, value):
    right = dict(zip(["X", "A_mean", "A_scale"], arguments(), strict=True))
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        HiddenLayer(**{**right, name: value})


@pytest.mark.parametrize("sample_shape", [-1, (2, -1), "ab", 2.5, None])
def test_a_wrong_sample_shape_is_named(sample_shape):
    with pytest.raises(ValueError, match="sample_shape"):
        HiddenLayer(*arguments()).rsample(sample_shape)


@pytest.mark.parametrize(("position", "name"), list(enumerate(["X", "A_mean", "A_scale"])))
def test_sample_preactivation_names_what_does_not_fit(position, name):
    inputs = list(arguments())
    inputs[position] = torch.ones(1, 1)
    with pytest.raises(ValueError, match=rf"\b{name}\b"):
        sample_preactivation(*inputs)


def test_arguments_are_not_looked_at_where_that_is_not_wanted(monkeypatch):
    X, A_mean, A_scale = arguments()
    looked_at = []
    monkeypatch.setattr(torch.Tensor, "item", lambda value: looked_at.append(value))

    options = {"KL_factor": torch.tensor(0.5), "A_prior_scale": A_scale}
    layer = HiddenLayer(X, A_mean, -A_scale, **options, validate_args=False)
    layer.log_prob(layer.expand((2, B)).rsample((2,)))
    assert not looked_at
    with pytest.raises(ValueError, match="A_mean"):
        HiddenLayer(X, A_mean.T, A_scale, validate_args=False)

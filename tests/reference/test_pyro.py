"""HiddenLayer beside Pyro's own, over a grid of shapes and options, and inside Pyro's variational inference."""

import math
import warnings

import pytest
import torch

from bnn_core import HiddenLayer, log_prob_per_row

with warnings.catch_warnings():  # what Pyro's import says of the libraries below it is not about this course
    warnings.simplefilter("ignore")
    import pyro
    import pyro.distributions as dist
    from pyro.contrib.bnn import HiddenLayer as PyroHiddenLayer
    from pyro.distributions.torch_distribution import TorchDistributionMixin
    from pyro.infer import SVI, Trace_ELBO

SHAPES = [(4, 3, 5), (1, 2, 1), (6, 1, 2)]
NON_LINEARITIES = [torch.relu, torch.tanh, lambda x: x]

# The layer belongs in the model alone, so an empty guide is right, and this advice of Pyro's is not for it.
empty_guide_is_meant = pytest.mark.filterwarnings("ignore:Found vars in model but not guide:UserWarning")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
    pyro.clear_param_store()


def arguments(shape: tuple[int, int, int]) -> list[torch.Tensor]:
    rows, inputs, units = shape
    values = torch.randn(rows, inputs), torch.randn(inputs, units), torch.rand(inputs, units) + 0.2
    return [value.double().requires_grad_() for value in values]


# The same values as Pyro's layer


@pytest.mark.parametrize("weight_space", [False, True], ids=["local", "weight space"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("non_linearity", NON_LINEARITIES, ids=["relu", "tanh", "identity"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_samples_have_the_same_moments(shape, non_linearity, bias, weight_space):
    n, inputs = 10_000, [value.detach() for value in arguments(shape)]
    options = {"include_hidden_bias": bias, "weight_space_sampling": weight_space}
    ours = HiddenLayer(*inputs, non_linearity, **options).rsample((n,))
    theirs = PyroHiddenLayer(*inputs, non_linearity, **options).rsample(torch.Size((n,)))
    assert ours.shape == theirs.shape
    for power in (1, 2):
        first, second = ours**power, theirs**power
        standard_error = ((first.var(0) + second.var(0)) / n).sqrt()
        assert ((first.mean(0) - second.mean(0)).abs() <= 5.5 * standard_error + 1e-12).all()


@pytest.mark.parametrize("factor", [0.0, 0.1, 1.0, 3.0])
@pytest.mark.parametrize("prior", ["float", "one", "per weight", "per unit"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_kl_log_prob_and_their_gradients_are_the_same(shape, prior, factor):
    inputs = arguments(shape)
    _, inputs_size, units = shape
    prior_scale = {
        "float": 0.4,
        "one": 1.0,
        "per weight": torch.rand(inputs_size, units, dtype=torch.float64) + 0.5,
        "per unit": torch.rand(units, dtype=torch.float64) + 0.5,
    }[prior]
    results = []
    for layer_class in (HiddenLayer, PyroHiddenLayer):
        layer = layer_class(*inputs, KL_factor=factor, A_prior_scale=prior_scale)
        log_prob = layer.log_prob(layer.rsample())
        results.append((layer.KL, log_prob, *torch.autograd.grad(log_prob, inputs[1:])))
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("weight_space", [False, True], ids=["local", "weight space"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_draws_and_their_gradients_are_the_same_for_the_same_noise(shape, weight_space, monkeypatch):
    inputs = arguments(shape)
    rows, inputs_size, units = shape
    noise = torch.randn((inputs_size, units) if weight_space else (rows, units), dtype=torch.float64)
    for drawn_with in ("randn", "randn_like"):
        monkeypatch.setattr(torch, drawn_with, lambda *arguments, **options: noise)
    results = []
    for layer_class in (HiddenLayer, PyroHiddenLayer):
        draw = layer_class(*inputs, torch.tanh, weight_space_sampling=weight_space).rsample()
        results.append((draw, *torch.autograd.grad(draw.square().sum(), inputs)))
    torch.testing.assert_close(*results)


# Inside Pyro


class InPyro(HiddenLayer, TorchDistributionMixin):
    """HiddenLayer with the methods that Pyro's primitives call."""


N, B, D, H = 20, 5, 3, 4


def layer_arguments() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.randn(N, D), torch.randn(D, H), torch.rand(D, H) + 0.1


def empty_guide(*_: object) -> None:
    pass


@empty_guide_is_meant
@pytest.mark.parametrize("weight_space", [False, True], ids=["local", "weight space"])
@pytest.mark.parametrize("rows", [None, N, B], ids=["no plate", "whole plate", "subsampled plate"])
@pytest.mark.parametrize("particles", [{}, {"num_particles": 3, "vectorize_particles": True}], ids=["one", "three"])
def test_the_kl_enters_the_loss_once_from_the_model(rows, weight_space, particles):
    X, A_mean, A_scale = layer_arguments()

    def layer(X, factor):
        return InPyro(X, A_mean, A_scale, KL_factor=factor, weight_space_sampling=weight_space)

    def model():
        if rows is None:
            return pyro.sample("hidden", layer(X, 1.0).to_event(1))
        with pyro.plate("data", N, subsample_size=rows) as index:
            hidden = pyro.sample("hidden", layer(X[index], rows / N))
            assert hidden.shape[-2:] == (rows, H + 1)
        return hidden

    loss = Trace_ELBO(max_plate_nesting=1, **particles).loss(model, empty_guide)
    torch.testing.assert_close(torch.tensor(loss), layer(X, 1.0).KL)


class InPlate(dist.TorchDistribution):
    """A layer without any of Pyro's own methods, its log_prob shared among its rows."""

    has_rsample = True
    arg_constraints = {}  # noqa: RUF012

    def __init__(self, layer):
        self.layer = layer
        super().__init__(layer.batch_shape, layer.event_shape)

    def rsample(self, sample_shape=()):
        return self.layer.rsample(sample_shape)

    def log_prob(self, value):
        return log_prob_per_row(self.layer.KL, self.layer.KL_factor, len(self.layer.X))

    def expand(self, batch_shape, _instance=None):
        return self


@empty_guide_is_meant
@pytest.mark.parametrize("rows", [N, B, 1])
def test_a_log_prob_shared_among_the_rows_adds_up_to_one_kl(rows):
    X, A_mean, A_scale = layer_arguments()

    def model():
        with pyro.plate("data", N, subsample_size=rows) as index:
            pyro.sample("hidden", InPlate(HiddenLayer(X[index], A_mean, A_scale, KL_factor=rows / N)))

    loss = Trace_ELBO().loss(model, empty_guide)
    torch.testing.assert_close(torch.tensor(loss), HiddenLayer(X, A_mean, A_scale).KL)


def test_the_shares_carry_gradients_and_are_those_of_an_expanded_layer():
    X, A_mean, A_scale = layer_arguments()
    A_mean.requires_grad_()
    layer = HiddenLayer(X, A_mean, A_scale, KL_factor=0.3)
    shares = log_prob_per_row(layer.KL, 0.3, N)
    torch.testing.assert_close(shares, layer.expand([N]).log_prob(layer.rsample()))
    (gradient,) = torch.autograd.grad(shares.sum(), A_mean)
    torch.testing.assert_close(gradient, -0.3 * A_mean)
    with pytest.raises(ValueError, match="num_rows"):
        log_prob_per_row(layer.KL, 0.3, 0)


def test_in_model_and_guide_the_kl_has_the_wrong_sign():
    X, A_mean, A_scale = layer_arguments()

    def program(mean, scale):
        def run():
            with pyro.plate("data", N):
                pyro.sample("hidden", InPyro(X, mean, scale))

        return run

    loss = Trace_ELBO().loss(program(torch.zeros(D, H), torch.ones(D, H)), program(A_mean, A_scale))
    torch.testing.assert_close(torch.tensor(loss), -HiddenLayer(X, A_mean, A_scale).KL)


@empty_guide_is_meant
def test_svi_finds_the_exact_posterior_of_a_linear_model():
    # Inputs whose columns are orthogonal: the mean-field posterior is the exact one, known in closed form.
    noise, X = 0.5, torch.tensor([[1.0, 1.0], [1.0, -1.0]]).repeat(8, 1)
    y = X @ torch.tensor([[0.8], [-0.3]])

    def model():
        mean = pyro.param("mean", torch.zeros(2, 1))
        scale = pyro.param("scale", torch.full((2, 1), 0.5), constraint=dist.constraints.positive)
        with pyro.plate("data", len(X)):
            layer = InPyro(X, mean, scale, non_linearity=lambda x: x, include_hidden_bias=False)
            prediction = pyro.sample("prediction", layer)
            pyro.sample("y", dist.Normal(prediction.squeeze(-1), noise), obs=y.squeeze(-1))

    svi = SVI(model, empty_guide, pyro.optim.ClippedAdam({"lr": 0.05, "lrd": 0.99}), Trace_ELBO())
    for _ in range(500):
        svi.step()
    precision = 1 + len(X) / noise**2
    torch.testing.assert_close(pyro.param("mean").detach(), X.T @ y / noise**2 / precision, rtol=0, atol=0.05)
    scale = torch.full((2, 1), 1 / math.sqrt(precision))
    torch.testing.assert_close(pyro.param("scale").detach(), scale, rtol=0.1, atol=0)

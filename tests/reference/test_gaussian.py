"""The Gaussian functions: against torch.distributions, as properties, and at the edges."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from bnn_core import gaussian_kl, gaussian_log_prob, monte_carlo_kl, sample_gaussian

settings.register_profile("reference", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("reference")

numbers = st.floats(-5, 5, allow_nan=False)
log_stds = st.floats(-6, 2, allow_nan=False)
prior_stds = st.floats(0.05, 20)
elements = st.lists(st.tuples(numbers, log_stds), min_size=1, max_size=12)


def columns(rows: list[tuple[float, float]]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64).T


@given(elements, numbers)
def test_log_prob_is_that_of_torch(rows, x):
    mean, log_std = columns(rows)
    value = torch.full_like(mean, x)
    expected = Normal(mean, log_std.exp()).log_prob(value)
    torch.testing.assert_close(gaussian_log_prob(value, mean, log_std.exp()), expected)


def test_log_prob_takes_numbers_and_broadcasts():
    x = torch.linspace(-2, 2, 12).reshape(3, 4)
    assert gaussian_log_prob(x, 0.5, 2.0).shape == (3, 4)
    torch.testing.assert_close(gaussian_log_prob(x, 0.5, 2.0), Normal(0.5, 2.0).log_prob(x))
    assert gaussian_log_prob(x, torch.zeros(3, 1), torch.ones(4)).shape == (3, 4)


@given(elements)
def test_a_given_epsilon_makes_the_draw_exact(rows):
    mean, log_std = columns(rows)
    epsilon = torch.linspace(-2, 2, len(mean), dtype=torch.float64)
    torch.testing.assert_close(sample_gaussian(mean, log_std, epsilon), mean + log_std.exp() * epsilon)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_draw_keeps_the_dtype_and_broadcasts(dtype):
    torch.manual_seed(0)  # in bfloat16 two of twelve draws may be alike by chance
    draw = sample_gaussian(torch.zeros(3, 1, dtype=dtype), torch.zeros(4, dtype=dtype))
    assert draw.dtype == dtype
    assert draw.shape == (3, 4)
    assert draw.unique().numel() == 12  # independent noise for every element of the broadcast shape


def test_draws_are_normal_with_the_given_moments():
    torch.manual_seed(0)
    n = 200_000
    draws = sample_gaussian(torch.full((n,), 1.5), torch.full((n,), -0.7))
    z = (draws - 1.5) / math.exp(-0.7)
    for power, moment in [(1, 0), (2, 1), (3, 0), (4, 3)]:
        values = z**power
        assert abs(values.mean() - moment) < 5 * values.std() / math.sqrt(n)


def test_gradients_pass_through_a_draw():
    mean, log_std = torch.zeros(4, requires_grad=True), torch.zeros(4, requires_grad=True)
    epsilon = torch.tensor([1.0, -2.0, 0.5, 3.0], requires_grad=True)
    sample_gaussian(mean, log_std, epsilon).sum().backward()
    torch.testing.assert_close(mean.grad, torch.ones(4))
    torch.testing.assert_close(log_std.grad, epsilon.detach())
    torch.testing.assert_close(epsilon.grad, torch.ones(4))


@given(elements, prior_stds)
def test_kl_is_that_of_torch_and_not_negative(rows, prior_std):
    mean, log_std = columns(rows)
    prior = Normal(torch.zeros_like(mean), torch.full_like(mean, prior_std))
    expected = kl_divergence(Normal(mean, log_std.exp()), prior).sum()
    kl = gaussian_kl(mean, log_std, prior_std)
    assert kl.shape == ()
    assert kl >= 0
    torch.testing.assert_close(kl, expected, rtol=1e-10, atol=1e-10)


@given(elements, prior_stds)
def test_kl_is_zero_only_at_the_prior(rows, prior_std):
    mean, _ = columns(rows)
    at_prior = gaussian_kl(torch.zeros_like(mean), torch.full_like(mean, math.log(prior_std)), prior_std)
    assert at_prior == 0
    moved = torch.zeros_like(mean)
    moved[0] = 1e-3 * prior_std
    assert gaussian_kl(moved, torch.full_like(mean, math.log(prior_std)), prior_std) > 0


@given(elements, elements, prior_stds)
def test_kl_adds_up_over_elements(first, second, prior_std):
    whole = gaussian_kl(*columns(first + second), prior_std)
    parts = gaussian_kl(*columns(first), prior_std) + gaussian_kl(*columns(second), prior_std)
    torch.testing.assert_close(whole, parts)


@given(elements, prior_stds, st.randoms(use_true_random=False))
def test_kl_knows_no_order_no_sign_and_no_unit(rows, prior_std, random):
    mean, log_std = columns(rows)
    kl = gaussian_kl(mean, log_std, prior_std)
    shuffled = random.sample(rows, len(rows))
    torch.testing.assert_close(gaussian_kl(*columns(shuffled), prior_std), kl)
    torch.testing.assert_close(gaussian_kl(-mean, log_std, prior_std), kl)
    torch.testing.assert_close(gaussian_kl(7 * mean, log_std + math.log(7), 7 * prior_std), kl)


def test_kl_broadcasts_all_three():
    mean, log_std, prior_std = torch.randn(3, 1), torch.randn(4), torch.tensor([[0.5], [1.0], [2.0]])
    full = gaussian_kl(mean.expand(3, 4), log_std.expand(3, 4), prior_std.expand(3, 4))
    torch.testing.assert_close(gaussian_kl(mean, log_std, prior_std), full)
    torch.testing.assert_close(gaussian_kl(torch.randn(3, 4) * 0, log_std), 3 * gaussian_kl(torch.zeros(4), log_std))


@pytest.mark.parametrize("prior_std", [1.0, 0.3, torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)])
def test_kl_gradients_of_first_and_second_order(prior_std):
    mean = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    log_std = torch.tensor([-2.0, 0.0, 0.7], dtype=torch.float64, requires_grad=True)
    inputs = (mean, log_std, prior_std)
    if isinstance(prior_std, torch.Tensor):
        prior_std.requires_grad_()
    assert torch.autograd.gradcheck(gaussian_kl, inputs)
    assert torch.autograd.gradgradcheck(gaussian_kl, inputs)


def test_kl_keeps_its_digits_near_the_prior():
    for offset in [1e-2, 1e-4, -1e-4, 1e-6]:
        log_std = torch.full((1000,), offset, dtype=torch.float64)
        series = 1000 * (offset**2 + 2 * offset**3 / 3 + offset**4 / 3)  # of ½(exp(2s) − 1 − 2s)
        error = abs(float(gaussian_kl(torch.zeros_like(log_std), log_std)) / series - 1)
        assert error < 1e-15 / abs(offset) + offset**2  # rounding, and the rest of the series
    near = gaussian_kl(torch.zeros(1000), torch.full((1000,), 1e-3))
    assert near.item() == pytest.approx(1000 * (1e-6 + 2e-9 / 3), rel=1e-3)  # float32; the textbook form is 5 % off


def test_kl_of_the_narrowest_posterior_is_finite():
    mean = torch.full((5,), 0.5, requires_grad=True)
    log_std = torch.full((5,), -120.0, requires_grad=True)
    kl = gaussian_kl(mean, log_std)
    kl.backward()
    assert kl.item() == pytest.approx(5 * (0.5 * (0.25 - 1) + 120))
    torch.testing.assert_close(mean.grad, torch.full((5,), 0.5))
    torch.testing.assert_close(log_std.grad, torch.full((5,), -1.0))
    assert monte_carlo_kl(mean, log_std, 10).isfinite()


def test_kl_of_a_million_weights_is_an_exact_sum():
    mean, log_std = torch.full((1200, 1200), 0.1), torch.full((1200, 1200), -3.0)
    exact = gaussian_kl(mean.double(), log_std.double())
    assert abs(gaussian_kl(mean, log_std) / exact - 1) < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_kl_keeps_the_dtype(dtype):
    mean, log_std = torch.full((8, 3), 0.25, dtype=dtype), torch.full((8, 3), -1.0, dtype=dtype)
    kl = gaussian_kl(mean, log_std, 0.5)
    assert kl.dtype == dtype
    assert kl.item() == pytest.approx(float(gaussian_kl(mean.double(), log_std.double(), 0.5)), rel=0.02)


def test_monte_carlo_kl_finds_the_closed_form():
    torch.manual_seed(0)
    mean, log_std = torch.tensor([0.5, -1.0, 0.0]), torch.tensor([[-1.0], [0.3]])
    estimates = torch.stack([monte_carlo_kl(mean, log_std, 100) for _ in range(200)])
    full_mean, full_log_std = torch.broadcast_tensors(mean, log_std)
    standard_error = estimates.std() / math.sqrt(len(estimates))
    assert abs(estimates.mean() - gaussian_kl(full_mean, full_log_std)) < 5 * standard_error
    assert estimates[0].shape == ()
    assert estimates.unique().numel() > 150  # two may agree in float32


def test_monte_carlo_kl_carries_the_gradient_of_the_closed_form():
    torch.manual_seed(0)
    mean = torch.full((20_000,), 0.7, requires_grad=True)
    log_std = torch.full((20_000,), -0.5, requires_grad=True)
    monte_carlo_kl(mean, log_std, 1).backward()
    for grad, expected in [(mean.grad, 0.7), (log_std.grad, math.expm1(-1.0))]:
        assert abs(grad.mean() - expected) < 5 * grad.std() / math.sqrt(20_000)


def test_kl_works_under_function_transforms():
    mean, log_std = torch.randn(7, 3), torch.randn(7, 3)
    each = torch.stack([gaussian_kl(m, s) for m, s in zip(mean, log_std, strict=True)])
    torch.testing.assert_close(torch.func.vmap(gaussian_kl)(mean, log_std), each)
    torch.testing.assert_close(torch.func.vmap(gaussian_kl, in_dims=(0, None))(mean, log_std[0])[0], each[0])
    grads = torch.func.vmap(torch.func.grad(gaussian_kl, argnums=(0, 1)))(mean, log_std)
    torch.testing.assert_close(grads, (mean, torch.expm1(2 * log_std)))
    priors = torch.rand(7) + 0.5
    assert torch.func.vmap(gaussian_kl)(mean, log_std, priors).shape == (7,)


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # torch's own, on its first dual number
def test_kl_works_in_forward_mode():
    mean, log_std = torch.tensor([0.5, -1.0]), torch.tensor([0.1, -0.7])
    _, slope = torch.func.jvp(gaussian_kl, (mean, log_std), (torch.ones(2), torch.ones(2)))
    # torch makes a tangent of float64 where a number multiplies a scalar.
    torch.testing.assert_close(slope, (mean + torch.expm1(2 * log_std)).sum(), check_dtype=False)
    hessian = torch.func.hessian(gaussian_kl, argnums=1)(mean, log_std)
    torch.testing.assert_close(hessian, (2 * (2 * log_std).exp()).diag())


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: gaussian_log_prob(torch.zeros(3), torch.zeros(3), torch.zeros(3)), "std"),
        (lambda: gaussian_log_prob(torch.zeros(3), 0.0, -1.0), "std"),
        (lambda: gaussian_log_prob(torch.zeros(3), 0.0, torch.tensor(math.nan)), "std"),
        (lambda: gaussian_log_prob(torch.zeros(3), torch.zeros(2), 1.0), "mean"),
        (lambda: sample_gaussian(torch.zeros(3), torch.zeros(2)), "log_std"),
        (lambda: sample_gaussian(torch.zeros(3), torch.zeros(3), torch.zeros(2)), "epsilon"),
        (lambda: gaussian_kl(torch.zeros(3), torch.zeros(2)), "log_std"),
        (lambda: gaussian_kl(torch.zeros(3), torch.zeros(3), torch.ones(2)), "prior_std"),
        (lambda: gaussian_kl(torch.zeros(3), torch.zeros(3), 0.0), "prior_std"),
        (lambda: gaussian_kl(torch.zeros(3), torch.zeros(3), math.inf), "prior_std"),
        (lambda: gaussian_kl(torch.zeros(3), torch.zeros(3), torch.tensor([1.0, -1.0, 1.0])), "prior_std"),
        (lambda: monte_carlo_kl(torch.zeros(3), torch.zeros(2), 4), "log_std"),
        (lambda: monte_carlo_kl(torch.zeros(3), torch.zeros(3), 0), "num_samples"),
        (lambda: monte_carlo_kl(torch.zeros(3), torch.zeros(3), 2.5), "num_samples"),
        (lambda: monte_carlo_kl(torch.zeros(3), torch.zeros(3), True), "num_samples"),
    ],
)
def test_a_wrong_argument_is_named(call, argument):
    with pytest.raises(ValueError, match=rf"\b{argument}\b"):
        call()

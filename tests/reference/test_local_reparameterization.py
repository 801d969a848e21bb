"""gradient_correlation: against NumPy, and the formula that it is for."""

import numpy as np
import pytest
import torch

from bnn_core import gradient_correlation

S, B, P = 12, 5, 3


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def gradients(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(1, B, P, dtype=dtype) + torch.randn(S, B, P, dtype=dtype) + torch.randn(S, 1, P, dtype=dtype)


def test_with_equal_variances_it_is_the_average_of_numpys_correlations():
    given = gradients()[..., :1]
    given = given / given.std(dim=0)
    matrix = np.corrcoef(given[..., 0].numpy(), rowvar=False)
    assert gradient_correlation(given).item() == pytest.approx(matrix[~np.eye(B, dtype=bool)].mean())


def test_it_is_the_average_of_numpys_covariances_over_that_of_the_variances():
    given = gradients()
    matrix = sum(np.cov(given[..., p].numpy(), rowvar=False) for p in range(P))
    expected = matrix[~np.eye(B, dtype=bool)].mean() / matrix.diagonal().mean()
    assert gradient_correlation(given).item() == pytest.approx(expected)


def test_it_predicts_the_variance_of_the_average_gradient():
    given = gradients()
    variance = given.var(dim=0).sum(dim=-1).mean()
    predicted = variance / B * (1 + (B - 1) * gradient_correlation(given))
    torch.testing.assert_close(given.mean(dim=1).var(dim=0).sum(), predicted)


def test_it_lies_between_examples_that_are_one_and_examples_that_cancel():
    alike = torch.randn(S, 1, P).expand(S, B, P)
    assert gradient_correlation(alike).item() == pytest.approx(1)
    cancelling = gradients() - gradients().mean(dim=1, keepdim=True)
    cancelling = cancelling - cancelling.mean(dim=1, keepdim=True)
    assert gradient_correlation(cancelling).item() == pytest.approx(-1 / (B - 1))


def test_independent_examples_have_none():
    assert abs(gradient_correlation(torch.randn(2000, 20, 4)).item()) < 0.01


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e4])
def test_it_knows_no_unit_and_keeps_the_dtype(dtype: torch.dtype, size: float):
    given = gradients(dtype)
    scaled = gradient_correlation(size * given)
    assert scaled.dtype == dtype
    torch.testing.assert_close(scaled, gradient_correlation(given), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(S, B), (1, B, P), (S, 1, P), (B,)])
def test_shapes_that_tell_nothing_are_refused(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="must have shape"):
        gradient_correlation(torch.zeros(shape))

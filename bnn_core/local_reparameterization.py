"""Local reparameterization: draws of X·A in place of draws of A, and what the noise that examples share does to their
gradients. Knows no prior and no layer.
"""

import torch
from torch import Tensor

from bnn_core.gaussian import draw


def sample_preactivation(X: Tensor, A_mean: Tensor, A_scale: Tensor, sample_shape: tuple[int, ...] = ()) -> Tensor:
    """Draws of X·A for A ~ N(A_mean, A_scale²), as if every row of X had its own draw of A.

    A sum of independent Gaussians is Gaussian: element (b, h) has mean Σ_d X[b,d]·A_mean[d,h] and variance
    Σ_d X[b,d]²·A_scale[d,h]², so B×H noise does what B×D×H would.

    X: … × B × D.   A_mean, A_scale: D × H.   Returns: sample_shape × … × B × H, with gradients to all three.
    Raises: ValueError where the shapes do not fit.
    Source: Kingma, Salimans and Welling, "Variational dropout and the local reparameterization trick",
    NeurIPS 2015, equation 6.
    """
    check_weight_shapes(X, A_mean, A_scale)
    return draw(*preactivation_moments(X, A_mean, A_scale), sample_shape)


def gradient_correlation(gradients: Tensor) -> Tensor:
    """How much the gradients of different examples move together as the noise is drawn anew: a correlation.

    It is the average covariance of two different examples, over the average variance of one; covariances and variances
    are over the draws, and summed over the parameters. With v for the average variance, the batch's average gradient
    has the variance v/B · (1 + (B − 1)·ρ), exactly.

    gradients: S × B × P, one parameter's or many's for each of S ≥ 2 draws and B ≥ 2 examples.
    Returns: ρ, a scalar tensor between −1/(B − 1) and 1; NaN where no gradient varies.
    Raises: ValueError where there are fewer than three dimensions, two draws or two examples.
    Source: Kingma, Salimans and Welling, "Variational dropout and the local reparameterization trick",
    NeurIPS 2015, section 2.2, for any covariances.
    """
    if gradients.dim() != 3 or min(gradients.shape[:2]) < 2:
        raise ValueError(f"gradients must have shape (S, B, P), S and B at least 2, not {tuple(gradients.shape)}")
    deviations = gradients - gradients.mean(dim=0)
    alone = deviations.square().sum()
    # (Σ_b d_b)² holds each example's square and each pair's product twice; so no B × B matrix is needed.
    pairs = deviations.sum(dim=1).square().sum() - alone
    return pairs / ((gradients.shape[1] - 1) * alone)


def preactivation_moments(X: Tensor, A_mean: Tensor, A_scale: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each element of X·A, … × B × H each. The shapes are not checked."""
    mean = X @ A_mean
    if mean.dtype.itemsize == 2:
        return mean, _std_in_single(X, A_scale).to(mean.dtype)
    variance = X.square() @ A_scale.square()
    # A row of zeros has variance zero, where a square root's slope is infinite and the gradient would be NaN. The
    # smallest normal number changes no other variance, and gives this one a slope that is finite.
    return mean, (variance + torch.finfo(variance.dtype).tiny).sqrt()


def _std_in_single(X: Tensor, A_scale: Tensor) -> Tensor:
    """The standard deviation for half precision, in which the square of a small scale has few digits, or none."""
    with torch.autocast(X.device.type, enabled=False):
        variance = X.float().square() @ A_scale.float().square()
    # Clamped, where the slope is zero: under autocast the backward of the product is in half precision, too, and the
    # slope that adding a tiny number leaves would be infinite there.
    return variance.clamp_min(torch.finfo(variance.dtype).tiny).sqrt()


def check_weight_shapes(X: Tensor, A_mean: Tensor, A_scale: Tensor) -> None:
    """A_mean and A_scale are D × H for X of … × D; a ValueError names what does not fit."""
    if A_mean.dim() != 2:
        raise ValueError(f"A_mean must have shape (D, H), not {tuple(A_mean.shape)}")
    if A_scale.shape != A_mean.shape:
        raise ValueError(f"A_scale must have the shape of A_mean, {tuple(A_mean.shape)}, not {tuple(A_scale.shape)}")
    if X.dim() == 0 or X.shape[-1] != A_mean.shape[0]:
        raise ValueError(f"X must have shape (…, {A_mean.shape[0]}) to fit A_mean, not {tuple(X.shape)}")

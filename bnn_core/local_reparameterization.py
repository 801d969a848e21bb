"""Local reparameterization: draws of X·A in place of draws of A. Knows no prior and no layer."""

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

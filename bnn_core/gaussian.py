"""Gaussians with independent elements: density, draws with gradients, KL to a prior. Knows no layer."""

import math

import torch
from torch import Tensor

from bnn_core.validation import check_broadcastable, check_positive, check_positive_int


def gaussian_log_prob(x: Tensor, mean: Tensor | float, std: Tensor | float) -> Tensor:
    """log N(x; mean, std²), element by element.

    x, mean, std: tensors (mean and std may be numbers) whose shapes broadcast; std > 0.
    Returns: a tensor of the broadcast shape.
    Raises: ValueError where std is not above zero or the shapes do not fit.
    """
    check_broadcastable(x=x, mean=mean, std=std)
    check_positive("std", std)
    return -0.5 * ((x - mean) / std) ** 2 - _log(std) - 0.5 * math.log(2 * math.pi)


def sample_gaussian(mean: Tensor, log_std: Tensor, epsilon: Tensor | None = None) -> Tensor:
    """A draw from N(mean, exp(log_std)²) that carries gradients: mean + exp(log_std)·epsilon.

    mean, log_std: tensors whose shapes broadcast.
    epsilon: standard normal noise, of a shape that broadcasts with theirs; drawn anew when not given.
    Returns: a tensor of the broadcast shape.
    Raises: ValueError where the shapes do not fit.
    Source: Kingma and Welling, "Auto-encoding variational Bayes", ICLR 2014, section 2.4.
    """
    check_broadcastable(mean=mean, log_std=log_std, epsilon=epsilon)
    std = log_std.exp()
    return draw(mean, std) if epsilon is None else torch.addcmul(mean, std, epsilon)


def draw(mean: Tensor, std: Tensor, sample_shape: tuple[int, ...] = ()) -> Tensor:
    """Independent draws from N(mean, std²) that carry gradients: sample_shape × the shape of mean and std.

    The noise comes in the dtype and on the device of mean; nothing keeps it but the graph of this one draw.
    """
    if sample_shape or mean.shape != std.shape:
        shape = (*sample_shape, *torch.broadcast_shapes(mean.shape, std.shape))
        epsilon = torch.randn(shape, dtype=mean.dtype, device=mean.device)
    else:
        epsilon = torch.randn_like(mean)  # the usual case, and the faster
    return torch.addcmul(mean, std, epsilon)


def gaussian_kl(mean: Tensor, log_std: Tensor, prior_std: float | Tensor = 1.0) -> Tensor:
    """KL(N(mean, exp(log_std)²) ‖ N(0, prior_std²)), summed over all elements.

    mean, log_std: tensors whose shapes broadcast.
    prior_std: a number, or a tensor that broadcasts with them; > 0.
    Returns: a scalar tensor that carries gradients; exact near the prior too, and for the tiniest deviations.
    Raises: ValueError where prior_std is not above zero or the shapes do not fit.
    Source: Kingma and Welling, "Auto-encoding variational Bayes", ICLR 2014, appendix B, for any prior_std.
    """
    check_broadcastable(mean=mean, log_std=log_std, prior_std=prior_std)
    check_positive("prior_std", prior_std)
    return kl_to_prior(mean, log_std, prior_std)


def kl_to_prior(mean: Tensor, log_std: Tensor, prior_std: float | Tensor, factor: float | Tensor = 1.0) -> Tensor:
    """`gaussian_kl` of arguments that have been checked, times a factor."""
    if isinstance(prior_std, Tensor) or prior_std != 1:
        # Both Gaussians may be measured in any unit: in the prior's own it is the standard normal.
        mean, log_std = mean / prior_std, log_std - _log(prior_std)
    log_variance = 2 * log_std
    # Near the prior, variance − 1 and log variance almost cancel; expm1 keeps the digits of what is left. It comes last
    # because the backward keeps it, and by then the square is gone from memory.
    return (0.5 * factor) * (mean.square() - log_variance + torch.expm1(log_variance)).sum()


def monte_carlo_kl(mean: Tensor, log_std: Tensor, num_samples: int) -> Tensor:
    """KL(N(mean, exp(log_std)²) ‖ N(0, 1)), summed over all elements, estimated from draws.

    mean, log_std: tensors whose shapes broadcast.   num_samples: draws of the whole tensor, at least 1.
    Returns: a scalar tensor that carries gradients: the mean over draws w of log q(w) − log p(w).
    Raises: ValueError where num_samples is below 1 or the shapes do not fit.
    Source: Blundell et al., "Weight uncertainty in neural networks", ICML 2015, equation 2.
    """
    check_positive_int("num_samples", num_samples)
    check_broadcastable(mean=mean, log_std=log_std)
    mean, log_std = torch.broadcast_tensors(mean, log_std)
    epsilon = torch.randn((num_samples, *mean.shape), dtype=mean.dtype, device=mean.device)
    # log q(w) by the change of variables from epsilon to w: dividing by std fails where std rounds to zero.
    log_q = gaussian_log_prob(epsilon, 0.0, 1.0) - log_std
    log_p = gaussian_log_prob(sample_gaussian(mean, log_std, epsilon), 0.0, 1.0)
    return (log_q - log_p).sum() / num_samples


def _log(value: Tensor | float) -> Tensor | float:
    return value.log() if isinstance(value, Tensor) else math.log(value)

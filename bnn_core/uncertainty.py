"""What can be said of predicted probabilities, how sure they are and whether rightly so, and which weights a layer is
sure of. Knows no model: probabilities are tensors, and a layer is whatever has a mean and a log_std of its weights.
"""

import math
from typing import Protocol

import torch
from torch import Tensor

from bnn_core.validation import check_positive_int


class LayerOfDistributions(Protocol):
    """A layer whose weights are Gaussians, as `BayesianLinear` is one."""

    @property
    def weight_mean(self) -> Tensor: ...

    @property
    def weight_log_std(self) -> Tensor: ...


def predictive_entropy(probs: Tensor) -> Tensor:
    """How unsure the averaged prediction is: the entropy of the mean over the draws, in nats.

    probs: S × B × C, the probabilities of C classes for each of B inputs under each of S draws.
    Returns: (B,), from 0 to log C. A probability of 0 adds nothing.
    Raises: ValueError where probs has other than three dimensions, or no draws or classes.
    Source: Gal, "Uncertainty in deep learning", PhD thesis, Cambridge 2016, section 3.3.1.
    """
    _check_draws(probs)
    return _entropy(probs.mean(dim=0))


def mutual_information(probs: Tensor) -> Tensor:
    """How much the draws disagree: the entropy of their mean less the mean of their entropies, in nats.

    It is the mutual information between the class and the weights, and the KL divergence of each draw's prediction from
    the average one, on average.

    probs: S × B × C, the probabilities of C classes for each of B inputs under each of S draws.
    Returns: (B,), from 0 (all draws agree) to the predictive entropy. Rounding makes none negative.
    Raises: ValueError where probs has other than three dimensions, or no draws or classes.
    Source: Houlsby et al., "Bayesian active learning for classification and preference learning", 2011, equation 2.
    """
    _check_draws(probs)
    return (predictive_entropy(probs) - _entropy(probs).mean(dim=0)).clamp_min(0)


def expected_calibration_error(probs: Tensor, labels: Tensor, num_bins: int = 15) -> Tensor:
    """How far confidence lies from accuracy: the gap in each bin of confidences, averaged over the examples.

    The confidence is the largest probability, the prediction its class (the first of equally likely ones). Bin m of M
    holds the confidences above (m − 1)/M, up to m/M and with it.

    probs: B × C, the probabilities of C classes for each of B examples.   labels: (B,), their classes, 0 to C − 1.
    num_bins: M, at least 1.   Returns: a scalar from 0 to 1. Empty bins add nothing.
    Raises: ValueError where shapes do not fit, there are no examples, or num_bins is below 1.
    Source: Naeini, Cooper and Hauskrecht, AAAI 2015; the bins as in Guo et al., "On calibration of modern neural
    networks", ICML 2017, section 2.
    """
    check_positive_int("num_bins", num_bins)
    if probs.dim() != 2 or 0 in probs.shape or labels.shape != probs.shape[:1]:
        shapes = f"{tuple(probs.shape)} and {tuple(labels.shape)}"
        raise ValueError(f"probs and labels must have shapes (B, C) and (B,), B and C at least 1, not {shapes}")
    confidence, prediction = probs.max(dim=1)
    edges = torch.linspace(0, 1, num_bins + 1, dtype=probs.dtype, device=probs.device)[1:-1]
    bins = torch.bucketize(confidence, edges)  # an edge belongs to the bin below it
    excess = (prediction == labels).to(probs.dtype) - confidence
    # n_m/B · |accuracy − confidence| of a bin is |Σ of its excesses| / B, so that no empty bin is divided by zero.
    return probs.new_zeros(num_bins).index_add(0, bins, excess).abs().sum() / len(probs)


def prune_by_signal_to_noise(layer: LayerOfDistributions, fraction: float) -> tuple[Tensor, Tensor]:
    """The layer's weights without those that it knows least: the share `fraction` with the smallest |mean| / std.

    layer: has weight_mean and weight_log_std, tensors of one shape; it is left as it is.
    fraction: from 0 to 1; of P weights fraction·P are removed, rounded down. Of equally weak ones any may go.
    Returns: (mean, log_std), new tensors in the shape of the weights. A removed weight is 0 in every draw: its mean is
    0 and its log_std −∞. Called again on such weights, it counts them as the weakest.
    Raises: ValueError where fraction lies outside 0 to 1.
    Source: Blundell et al., "Weight uncertainty in neural networks", ICML 2015, section 5.1 (Table 2); there the
    weights of all layers are ranked together.
    """
    if not 0 <= fraction <= 1:  # and not `fraction < 0 or fraction > 1`, which NaN would pass
        raise ValueError(f"fraction must lie between 0 and 1, not {fraction!r}")
    mean, log_std = layer.weight_mean.detach(), layer.weight_log_std.detach()
    log_ratio = torch.where(mean == 0, -math.inf, mean.abs().log() - log_std)
    removed = log_ratio.flatten().argsort()[: int(fraction * mean.numel())]
    kept = torch.ones(mean.numel(), dtype=torch.bool, device=mean.device)
    kept[removed] = False
    kept = kept.view(mean.shape)
    return torch.where(kept, mean, 0.0), torch.where(kept, log_std, -math.inf)


def _entropy(probs: Tensor) -> Tensor:
    """Of the distributions along the last dimension; 0·log 0 is 0."""
    return -torch.xlogy(probs, probs).sum(dim=-1)


def _check_draws(probs: Tensor) -> None:
    if probs.dim() != 3 or probs.shape[0] == 0 or probs.shape[2] == 0:
        raise ValueError(f"probs must have shape (S, B, C), S and C at least 1, not {tuple(probs.shape)}")

"""Bayes by Backprop: the loss that trains a network of distributions, and predictions from many draws of it. Knows no
layer: a model is whatever can be called, and draws its weights anew each time.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from bnn_core.gaussian import gaussian_log_prob
from bnn_core.validation import check_positive_int, check_positive_number


def negative_elbo(
    prediction: Tensor, target: Tensor, kl: Tensor, noise_std: float | Tensor, dataset_size: int
) -> Tensor:
    """The negative ELBO of the whole data set, estimated from a mini-batch: (N/B)·Σ −log N(target; prediction,
    noise_std²) + kl.

    prediction, target: B × …, a row for each example of the mini-batch.
    kl: scalar, the KL divergence of all weights from their prior.
    noise_std: a number, or a tensor that broadcasts with prediction; > 0.
    dataset_size: N, the number of examples in the whole data set.
    Returns: a scalar tensor that carries gradients to prediction, kl and noise_std, in nats.
    Raises: ValueError where shapes do not fit, or noise_std or dataset_size isn't above zero.
    Source: Blundell et al., "Weight uncertainty in neural networks", ICML 2015, section 3; the N/B as in Kingma and
    Welling, "Auto-encoding variational Bayes", ICLR 2014, section 2.3.
    """
    check_positive_number("dataset_size", dataset_size)
    if prediction.dim() == 0 or target.shape != prediction.shape:
        shapes = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        raise ValueError(f"prediction and target must have one shape (B, …), not {shapes}")
    if kl.dim() != 0:
        raise ValueError(f"kl must be a scalar tensor, not one of shape {tuple(kl.shape)}")
    log_likelihood = gaussian_log_prob(target, prediction, noise_std).sum()
    return kl - dataset_size / len(prediction) * log_likelihood


def predict(model: Callable[[Tensor], Tensor], x: Tensor, num_samples: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the model's output for x, over num_samples calls, each with fresh weights.

    x: what the model takes.   num_samples: how many calls, at least 1.
    Returns: (mean, std), each in the shape of the model's output, without gradients. The squared deviations are divided
    by num_samples, so that a single draw has a standard deviation of 0. The model stays in its mode.
    Raises: ValueError where num_samples is below 1.
    """
    check_positive_int("num_samples", num_samples)
    with torch.no_grad():
        draws = torch.stack([model(x) for _ in range(num_samples)])
        return draws.mean(dim=0), draws.std(dim=0, correction=0)

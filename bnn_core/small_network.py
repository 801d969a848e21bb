"""A small network, 1 → H → 1, as a function of its parameters, and the logarithm of its posterior: what a sampler asks
for. Knows no data, no training and no sampler.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from bnn_core.gaussian import gaussian_log_prob
from bnn_core.validation import check_positive

NAMES = ("weight_1", "bias_1", "weight_2", "bias_2")
"""The parameters, in their usual order."""


def network_output(parameters: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """The output of the network 1 → H → 1 with a ReLU between two linear layers.

    parameters: weight_1 (H, 1), bias_1 (H,), weight_2 (1, H) and bias_2 (1,), stored as nn.Linear stores them.
    x: (N, 1).   Returns: (N, 1).
    Raises: ValueError that names a parameter that is missing, or whose shape doesn't fit.
    """
    _check_shapes(parameters, x)
    hidden = torch.relu(F.linear(x, parameters["weight_1"], parameters["bias_1"]))
    return F.linear(hidden, parameters["weight_2"], parameters["bias_2"])


def log_joint(
    parameters: Mapping[str, Tensor], x: Tensor, y: Tensor, noise_std: float | Tensor, prior_std: float | Tensor
) -> Tensor:
    """log p(y | x, parameters) + log p(parameters): the logarithm of the posterior, but for a constant.

    The likelihood is y ~ N(output, noise_std²), independent for each example; the prior is N(0, prior_std²),
    independent for each weight and each bias. All constants are kept, so this is the joint density itself.

    parameters: as `network_output` takes them.   x, y: (N, 1).   noise_std, prior_std: standard deviations, > 0.
    Returns: a scalar tensor that carries gradients, in nats.
    Raises: ValueError where shapes don't fit, or a standard deviation isn't above zero.
    Source: Neal, "Bayesian learning for neural networks", 1996, section 1.2; Izmailov et al., "What are Bayesian neural
    network posteriors really like?", ICML 2021, section 2.
    """
    check_positive("noise_std", noise_std)
    check_positive("prior_std", prior_std)
    output = network_output(parameters, x)
    if y.shape != output.shape:
        raise ValueError(f"y must have the shape of the output, {tuple(output.shape)}, not {tuple(y.shape)}")
    log_likelihood = gaussian_log_prob(y, output, noise_std).sum()
    log_prior = torch.stack([gaussian_log_prob(parameters[name], 0.0, prior_std).sum() for name in NAMES]).sum()
    return log_likelihood + log_prior


def _check_shapes(parameters: Mapping[str, Tensor], x: Tensor) -> None:
    missing = [name for name in NAMES if name not in parameters]
    if missing:
        raise ValueError(f"parameters lacks {' and '.join(missing)}")
    if x.dim() != 2 or x.shape[1] != 1:
        raise ValueError(f"x must have shape (N, 1), not {tuple(x.shape)}")
    hidden = parameters["bias_1"].shape[0] if parameters["bias_1"].dim() else 0
    wanted = {"weight_1": (hidden, 1), "bias_1": (hidden,), "weight_2": (1, hidden), "bias_2": (1,)}
    for name, shape in wanted.items():
        if parameters[name].shape != shape:
            raise ValueError(f"{name} must have shape {shape}, not {tuple(parameters[name].shape)}")

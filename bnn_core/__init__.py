"""Bayesian neural networks from scratch: the reference implementations, and the tools of the course.

What is listed here is loaded when it is first used, so that the command line doesn't wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bnn_core.bayes_by_backprop import negative_elbo, predict
    from bnn_core.bayesian_linear import BayesianLinear
    from bnn_core.decisions import selective_error, thompson_action
    from bnn_core.gaussian import gaussian_kl, gaussian_log_prob, monte_carlo_kl, sample_gaussian
    from bnn_core.hidden_layer import HiddenLayer, log_prob_per_row
    from bnn_core.local_reparameterization import gradient_correlation, sample_preactivation
    from bnn_core.small_network import log_joint, network_output
    from bnn_core.uncertainty import (
        expected_calibration_error,
        mutual_information,
        predictive_entropy,
        prune_by_signal_to_noise,
    )

__all__ = [
    "BayesianLinear",
    "HiddenLayer",
    "expected_calibration_error",
    "gaussian_kl",
    "gaussian_log_prob",
    "gradient_correlation",
    "log_joint",
    "log_prob_per_row",
    "monte_carlo_kl",
    "mutual_information",
    "negative_elbo",
    "network_output",
    "predict",
    "predictive_entropy",
    "prune_by_signal_to_noise",
    "sample_gaussian",
    "sample_preactivation",
    "selective_error",
    "thompson_action",
]

HOMES = {
    "BayesianLinear": "bayesian_linear",
    "HiddenLayer": "hidden_layer",
    "expected_calibration_error": "uncertainty",
    "gaussian_kl": "gaussian",
    "gaussian_log_prob": "gaussian",
    "gradient_correlation": "local_reparameterization",
    "log_joint": "small_network",
    "log_prob_per_row": "hidden_layer",
    "monte_carlo_kl": "gaussian",
    "mutual_information": "uncertainty",
    "negative_elbo": "bayes_by_backprop",
    "network_output": "small_network",
    "predict": "bayes_by_backprop",
    "predictive_entropy": "uncertainty",
    "prune_by_signal_to_noise": "uncertainty",
    "sample_gaussian": "gaussian",
    "sample_preactivation": "local_reparameterization",
    "selective_error": "decisions",
    "thompson_action": "decisions",
}
"""For each name of the reference, the module that defines it."""


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"bnn_core.{HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

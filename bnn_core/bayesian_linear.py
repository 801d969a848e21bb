"""BayesianLinear, a linear layer whose weights are distributions. Knows no data and no training."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bnn_core.gaussian import gaussian_kl, sample_gaussian
from bnn_core.validation import check_positive_int, check_positive_number


class BayesianLinear(nn.Module):
    """y = x·Wᵀ + b, where each weight and each bias is a Gaussian of its own: N(mean, exp(log_std)²).

    Every forward draws new weights, in training and in eval alike; nothing of a draw stays on the layer.
    The loss of a training step is the task loss plus `kl_divergence()`.

    in_features, out_features: sizes of the last dimension of x and of y, at least 1.
    bias: whether b is there.   prior_std: the prior of every weight and bias is N(0, prior_std²).
    Raises: ValueError that names a size below 1, or a prior_std that is not finite and above zero.
    Source: Blundell et al., "Weight uncertainty in neural networks", ICML 2015, section 3.2.
    """

    weight_mean: nn.Parameter
    weight_log_std: nn.Parameter
    bias_mean: nn.Parameter | None
    bias_log_std: nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        prior_std: float = 1.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_positive_int("in_features", in_features)
        check_positive_int("out_features", out_features)
        check_positive_number("prior_std", prior_std)
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.prior_std = prior_std

        def parameter(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape, device=device, dtype=dtype))

        self.weight_mean = parameter(out_features, in_features)
        self.weight_log_std = parameter(out_features, in_features)
        self.bias_mean = parameter(out_features) if bias else None
        self.bias_log_std = parameter(out_features) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start all means and standard deviations afresh."""
        bound = 1 / math.sqrt(self.in_features)
        for name, parameter in self.named_parameters():
            if name.endswith("_mean"):
                # As in nn.Linear: the outputs keep the size of the inputs, and no two units start alike.
                nn.init.uniform_(parameter, -bound, bound)
            else:
                # A standard deviation of 0.05: small enough for a signal to pass through several layers,
                # large enough to show in the predictions and to take part in training from the first step.
                nn.init.constant_(parameter, -3.0)

    def forward(self, x: Tensor) -> Tensor:
        """x: … × in_features.   Returns: … × out_features, from one new draw of the weights for all of x.

        Raises: ValueError where the last dimension of x is not in_features.
        """
        if x.dim() == 0 or x.shape[-1] != self.in_features:
            raise ValueError(f"x must have shape (…, {self.in_features}), not {tuple(x.shape)}")
        weight = sample_gaussian(self.weight_mean, self.weight_log_std)
        if self.bias_mean is None or self.bias_log_std is None:
            return F.linear(x, weight)
        return F.linear(x, weight, sample_gaussian(self.bias_mean, self.bias_log_std))

    def kl_divergence(self) -> Tensor:
        """KL(posterior ‖ prior), summed over all weights and biases: a scalar that carries gradients."""
        kl = gaussian_kl(self.weight_mean, self.weight_log_std, self.prior_std)
        if self.bias_mean is None or self.bias_log_std is None:
            return kl
        return kl + gaussian_kl(self.bias_mean, self.bias_log_std, self.prior_std)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias_mean is not None}, prior_std={self.prior_std}"
        )

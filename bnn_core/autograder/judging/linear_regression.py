"""The one training problem with an exact answer: linear regression with known Gaussian noise.

For it the best mean-field posterior is known in closed form, so that a check can say what training must find. This
module knows mathematics and no learner.
"""

from __future__ import annotations

import torch
from torch import Tensor


class LinearRegression:
    """Several targets over one set of inputs, y = design·truth + noise, under a standard normal prior on every weight.

    The bias is the weight of a column of ones. Per weight, the best log_std is −½·log(1/prior² + Σx²/noise²); the
    columns being orthogonal, the best mean is Σx·y/noise² over that precision (Bishop 2006, eq. 3.53, diagonal).

    x: examples × inputs, float32. target: examples × targets. precision: 1 + inputs. mean, log_std: targets ×
    (1 + inputs), the bias first.
    """

    examples = 24
    noise_std = 0.5
    # Σx²/noise² of the columns: weights that the data pin down, and one that they hardly touch.
    information = (200.0, 20.0, 1.0)

    def __init__(self, generator: torch.Generator, inputs: int, targets: int) -> None:
        def normal(*size: int) -> Tensor:
            return torch.randn(size, generator=generator, dtype=torch.float64)

        self.targets = targets
        ones = torch.ones(self.examples, 1, dtype=torch.float64)
        orthogonal = torch.linalg.qr(torch.cat([ones, normal(self.examples, inputs)], dim=1)).Q[:, 1:]
        squares = self.noise_std**2 * torch.tensor(self.information, dtype=torch.float64)
        columns = orthogonal * squares.repeat(inputs)[:inputs].sqrt()
        design = torch.cat([ones, columns], dim=1)
        self.x = columns.float()
        self.target = design @ normal(1 + inputs, targets) + self.noise_std * normal(self.examples, targets)
        self.precision = 1 + (design**2).sum(dim=0) / self.noise_std**2
        self.mean = self.target.T @ design / self.noise_std**2 / self.precision
        self.log_std = -0.5 * self.precision.log().expand(targets, -1)

    @property
    def weight(self) -> Tensor:
        """−log likelihood is ½·Σ weight·(output − target)² and a constant, summed over examples and targets."""
        return torch.full_like(self.target, 1 / self.noise_std**2)

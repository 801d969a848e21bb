"""Right solutions of lesson 00's exercise, and wrong ones that no formula says."""

from __future__ import annotations

from zoo import Wrong, replaced

EXERCISE = "gaussian_log_prob"

BASE = """
import math
import numpy as np
import torch
from torch.distributions import Normal


def gaussian_log_prob(x, mean, std):
    squared = ((x - mean) / std) ** 2
    return -0.5 * squared - torch.log(std) - 0.5 * math.log(2 * math.pi)
"""

RIGHT: dict[str, str] = {
    "as the lesson writes it": BASE,
    "torch's own": BASE.replace("    return -0.5", "    return Normal(mean, std).log_prob(x)\n    return -0.5"),
    "through the variance": """
import torch


def gaussian_log_prob(x, mean, std):
    var = std.square()
    return -0.5 * ((x - mean).square() / var + var.log() + torch.log(torch.tensor(2 * torch.pi)).item())
""",
    "loss function, negated": """
import torch
import torch.nn.functional as F


def gaussian_log_prob(x, mean, std):
    x, mean, std = torch.broadcast_tensors(x, mean, std)
    loss = F.gaussian_nll_loss(mean, x, std * std, full=True, eps=1e-12, reduction="none")
    return -loss
""",
    "helpers and other names": """
from math import log, pi


def _z(value, loc, scale):
    return (value - loc) / scale


def gaussian_log_prob(value, loc, scale, *, half=0.5):
    return -(half * _z(value, loc, scale).pow(2) + scale.log() + half * log(2 * pi))
""",
}

SHAPE = "it returns a tensor with one number for each element"
VALUE = "it is the logarithm of the density, far out too"
GRADIENT = "its gradients reach x, mean and std, and are right"
KEPT = "x, mean and std stay as they were"
DTYPE = "the result has the dtype of the arguments"
SEED = "it leaves the global random seed alone"
DRAWS = "it draws no random number"


def changed(old: str, new: str) -> str:
    return replaced(BASE, (old, new))


RETURN = "return -0.5 * squared - torch.log(std) - 0.5 * math.log(2 * math.pi)"

WRONG: list[Wrong] = [
    Wrong("forgets to return", changed("return -0.5", "-0.5"), SHAPE, "missing-return"),
    Wrong("sums", changed(RETURN, f"{RETURN.replace('return ', 'return (')}).sum()"), SHAPE, "density-summed"),
    Wrong("math.log of a tensor", changed("torch.log(std)", "math.log(std)"), SHAPE, "number-function-on-a-tensor"),
    Wrong("leaves the hint's dots", changed("((x - mean) / std) ** 2", "..."), SHAPE, "ellipsis-left"),
    Wrong("writes the square as XOR", changed(") ** 2", ") ^ 2"), SHAPE, "power-as-xor"),
    Wrong(
        "takes the logarithm of the density",
        changed(RETURN, "return torch.log(torch.exp(-0.5 * squared) / (std * math.sqrt(2 * math.pi)))"),
        VALUE,
        "log-of-density",
    ),
    Wrong("adds a floor to std", changed("/ std)", "/ (std + 0.01))"), VALUE, None),
    Wrong("detaches std", changed("torch.log(std)", "torch.log(std.detach())"), GRADIENT, "gradient-of-another-value"),
    Wrong("works on data", changed("x - mean", "x - mean.data"), GRADIENT, "gradient-stopped"),
    Wrong(
        "subtracts in place",
        changed("squared =", "x -= mean\n    mean = 0 * mean\n    squared ="),
        SHAPE,
        "in-place-shape",
    ),
    Wrong("moves x in place", changed("squared =", "x += 1\n    x = x - 1\n    squared ="), KEPT, "arguments-modified"),
    Wrong(
        "works in float32",
        changed(RETURN, f"return ({RETURN.removeprefix('return ')}).float()"),
        DTYPE,
        "wrong-dtype",
    ),
    Wrong(
        "returns float64",
        changed(RETURN, f"return ({RETURN.removeprefix('return ')}).double()"),
        DTYPE,
        "result-in-float64",
    ),
    Wrong("seeds", changed("squared =", "torch.manual_seed(0)\n    squared ="), SEED, "seed-fixed"),
    Wrong("draws", changed("squared =", "torch.randn_like(x)\n    squared ="), DRAWS, "density-draws"),
    Wrong(
        "stretches mean and std to the shape of x",
        changed("squared =", "mean, std = mean.expand_as(x), std.expand_as(x)\n    squared ="),
        SHAPE,
        "shapes-not-broadcast",
    ),
    Wrong(
        "gives the result the shape of x",
        changed(RETURN, f"return ({RETURN[7:]}).reshape(x.shape)"),
        SHAPE,
        "shapes-not-broadcast",
    ),
    Wrong("views x flat", changed("squared =", "assert x.is_contiguous()\n    squared ="), SHAPE, None),
    Wrong(
        "the root of a square",
        changed("((x - mean) / std) ** 2", "(((x - mean) / std) ** 2).sqrt() ** 2"),
        GRADIENT,
        "gradient-not-finite",
    ),
    Wrong("a comma behind it", changed(RETURN, f"{RETURN},"), SHAPE, "not-a-tensor"),
    Wrong("clamps std", changed("/ std)", "/ std.clamp_min(1e-4))"), VALUE, "density-cut-off"),
    Wrong("clamps the distance", changed("/ std)", "/ std).clamp(-1e3, 1e3)"), VALUE, "density-cut-off"),
    Wrong(
        "never above 0",
        replaced(BASE, (RETURN, f"return ({RETURN[7:]}).clamp_max(0.0)")),
        VALUE,
        "density-cut-off",
    ),
    Wrong(
        "a little more",
        replaced(BASE, (RETURN, f"return 1.003 * ({RETURN[7:]})")),
        VALUE,
        "right-to-a-few-digits",
    ),
]

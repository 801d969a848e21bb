"""Right solutions of lesson 02's exercise `gaussian_kl`, and wrong ones that no formula says."""

from __future__ import annotations

from functools import partial

from zoo import Wrong, replaced

EXERCISE = "gaussian_kl"

BASE = """
import math
import torch
import torch.nn.functional as F
from torch.distributions import Normal, kl_divergence


def gaussian_kl(mean, log_std, prior_std=1.0):
    variance = torch.exp(2 * log_std)
    log_ratio = log_std - torch.log(torch.as_tensor(prior_std))
    elements = 0.5 * ((variance + mean**2) / prior_std**2 - 1) - log_ratio
    return elements.sum()
"""

RIGHT: dict[str, str] = {
    "as the lesson writes it": BASE,
    "torch's own": """
import torch
from torch.distributions import Independent, Normal, kl_divergence


def gaussian_kl(mean, log_std, prior_std=1.0):
    prior = Normal(torch.zeros_like(mean), torch.ones_like(mean) * prior_std)
    return kl_divergence(Normal(mean, log_std.exp()), prior).sum()
""",
    "in the prior's units": """
import torch


def gaussian_kl(mean, log_std, prior_std=1.0):
    p = prior_std if torch.is_tensor(prior_std) else torch.tensor(float(prior_std))
    m, s = mean / p, log_std - p.log()
    return 0.5 * torch.sum(m.square() + torch.exp(2 * s) - 2 * s - 1)
""",
    "element by element": """
import math
import torch


def _one(m, s, p):
    return 0.5 * (m * m + torch.exp(s) ** 2) / (p * p) - 0.5 - s + torch.log(p)


def gaussian_kl(mean, log_std, prior_std=1.0):
    prior = torch.as_tensor(prior_std, dtype=mean.dtype).expand(mean.shape)
    total = mean.new_zeros(())
    for m, s, p in zip(mean.reshape(-1), log_std.reshape(-1), prior.reshape(-1)):
        total = total + _one(m, s, p)
    return total
""",
    "numbers and tensors apart": """
import math
import torch


def gaussian_kl(mean, log_std, prior_std=1.0):
    log_prior = math.log(prior_std) if not isinstance(prior_std, torch.Tensor) else torch.log(prior_std)
    var_ratio = (log_std.exp() / prior_std).pow(2)
    t1 = (mean / prior_std).pow(2)
    return (0.5 * (var_ratio + t1 - 1 - 2 * (log_std - log_prior))).sum()
""",
}

SHAPE = "it returns one number, as a tensor"
KEPT = "mean and log_std stay as they were"
VALUE = "it is the closed form, whatever the prior"
GRADIENT = "its gradients reach mean and log_std, and are right"
DTYPE = "the result has the dtype of the arguments"
SEED = "it leaves the global random seed alone"

changed = partial(replaced, BASE)

RETURN = "return elements.sum()"

WRONG: list[Wrong] = [
    Wrong(
        "in float32 inside",
        changed(
            ("    variance =", "    mean, log_std, dtype = mean.float(), log_std.float(), mean.dtype\n    variance ="),
            (RETURN, f"{RETURN}.to(dtype)"),
        ),
        "the result has the dtype of the arguments",
        "computed-in-float32",
    ),
    Wrong(
        "asks for gradients of its own",
        changed(("    variance =", "    mean.requires_grad_()\n    variance =")),
        "mean and log_std stay as they were",
        "arguments-modified",
    ),
    Wrong("forgets to return", changed((RETURN, "elements.sum()")), SHAPE, "missing-return"),
    Wrong("doesn't sum", changed((RETURN, "return elements")), SHAPE, "kl-not-reduced"),
    Wrong("gives a number", changed((RETURN, "return elements.sum().item()")), SHAPE, "kl-not-a-tensor"),
    Wrong(
        "keeps a dimension",
        changed((RETURN, "return elements.flatten().sum(0, keepdim=True)")),
        SHAPE,
        "kl-scalar-shape",
    ),
    Wrong("takes math.exp", changed(("torch.exp(2", "math.exp(2")), SHAPE, "number-function-on-a-tensor"),
    Wrong(
        "works for numbers alone",
        changed(("torch.as_tensor(prior_std)", "torch.tensor(prior_std).reshape(())")),
        SHAPE,
        None,
    ),
    Wrong(
        "clamps log_std", changed(("variance =", "log_std = log_std.clamp(-5, 5)\n    variance =")), VALUE, "kl-in-part"
    ),
    Wrong("frees nats", changed((RETURN, "return elements.clamp_min(0.05).sum()")), VALUE, "kl-floor"),
    Wrong("frees a few nats", changed((RETURN, "return elements.clamp_min(0.008).sum()")), VALUE, "kl-in-part"),
    Wrong("adds a floor", changed(("torch.exp(2 * log_std)", "torch.exp(2 * log_std) + 1e-5")), VALUE, "kl-in-part"),
    Wrong(
        "clamps the prior",
        changed(("variance =", "prior_std = torch.as_tensor(prior_std).clamp(0.01, 5)\n    variance =")),
        VALUE,
        "kl-in-part",
    ),
    Wrong(
        "turns a column of priors into a row",
        changed(
            (
                "variance =",
                "if getattr(prior_std, 'shape', ()) == (mean.shape[-1:] + (1,) if mean.dim() else None):\n"
                "        prior_std = prior_std.T\n    variance =",
            ),
        ),
        VALUE,
        "kl-in-part",
    ),
    Wrong(
        "clamps the mean", changed(("variance =", "mean = mean.clamp(-100, 100)\n    variance =")), VALUE, "kl-in-part"
    ),
    Wrong(
        "the root of a square, squared",
        changed(("mean**2", "(mean**2).sqrt() ** 2")),
        GRADIENT,
        "gradient-not-finite",
    ),
    Wrong(
        "the squared norm of all means",
        changed(
            ("mean**2)", "0 * mean)"),
            (RETURN, "return elements.sum() + 0.5 * ((mean / prior_std) ** 2).sum().sqrt() ** 2"),
        ),
        GRADIENT,
        "gradient-not-finite",
    ),
    Wrong("squares in place", changed(("mean**2", "mean.pow_(2)")), KEPT, "arguments-modified"),
    Wrong(
        "detaches the variance",
        changed(("torch.exp(2 * log_std)", "torch.exp(2 * log_std).detach()")),
        GRADIENT,
        "gradient-of-another-value",
    ),
    Wrong(
        "works on data",
        changed(
            ("torch.exp(2 * log_std)", "torch.exp(2 * log_std.data)"),
            ("log_ratio = log_std", "log_ratio = log_std.data"),
        ),
        GRADIENT,
        "log-std-gradient-missing",
    ),
    Wrong("works in float32", changed((RETURN, "return elements.sum().float()")), DTYPE, "wrong-dtype"),
    Wrong("seeds", changed(("variance =", "torch.manual_seed(0)\n    variance =")), SEED, "seed-fixed"),
    Wrong(
        "takes the logarithm of a number as a tensor's",
        changed(("torch.log(torch.as_tensor(prior_std))", "prior_std.log()")),
        SHAPE,
        "number-has-no-method",
    ),
    Wrong("a noisy estimate", changed((RETURN, f"{RETURN} + 0.1 * torch.randn(())")), VALUE, "kl-monte-carlo"),
]

"""Right solutions of lesson 02's exercise `monte_carlo_kl`, and wrong ones that no formula says."""

from __future__ import annotations

from functools import partial

from zoo import Wrong, replaced

EXERCISE = "monte_carlo_kl"

BASE = """
import torch
from torch.distributions import Normal


def monte_carlo_kl(mean, log_std, num_samples):
    epsilon = torch.randn(num_samples, *mean.shape, dtype=mean.dtype)
    w = mean + torch.exp(log_std) * epsilon
    log_q = Normal(mean, torch.exp(log_std)).log_prob(w)
    log_p = Normal(0.0, 1.0).log_prob(w)
    return (log_q - log_p).sum() / num_samples
"""

RIGHT: dict[str, str] = {
    "as the lesson writes it": BASE,
    "a loop over samples": """
import torch
from torch.distributions import Normal


def monte_carlo_kl(mean, log_std, num_samples):
    q, p = Normal(mean, log_std.exp()), Normal(torch.zeros_like(mean), torch.ones_like(mean))
    total = 0
    for _ in range(num_samples):
        w = q.rsample()
        total = total + q.log_prob(w).sum() - p.log_prob(w).sum()
    return total / num_samples
""",
    "the entropy in closed form": """
import math
import torch


def monte_carlo_kl(mean, log_std, num_samples):
    entropy = (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum()
    w = mean + log_std.exp() * torch.randn((num_samples,) + tuple(mean.shape)).to(mean)
    log_p = (-0.5 * w**2 - 0.5 * math.log(2 * math.pi)).reshape(num_samples, -1).sum(1)
    return -entropy - log_p.mean()
""",
}

SHAPE = "it returns one number, as a tensor"
KEPT = "mean and log_std stay as they were"
ANEW = "every call draws anew"
AVERAGE = "on average it is the KL divergence"
BETTER = "more samples make it better"
NEAR_ZERO = "near the prior it may be negative, is right on average, and spreads little"
SPREADS = "it spreads no more than draws that are independent of each other"
MANY = "however large num_samples is, so many draws are made"
NOISE = "its noise is standard normal, in the dtype of mean"
GRADIENT = "gradients reach mean and log_std, and are right on average"
DTYPE = "the result has the dtype of the arguments"
SEED = "it leaves the global random seed alone"

changed = partial(replaced, BASE)

EPSILON, RETURN = (
    "torch.randn(num_samples, *mean.shape, dtype=mean.dtype)",
    "return (log_q - log_p).sum() / num_samples",
)

WRONG: list[Wrong] = [
    Wrong("forgets to return", changed((RETURN, "(log_q - log_p).sum() / num_samples")), SHAPE, "missing-return"),
    Wrong("doesn't average", changed((RETURN, "return log_q - log_p")), SHAPE, "kl-not-reduced"),
    Wrong("gives a number", changed((RETURN, f"{RETURN[:-14]}.item() / num_samples")), SHAPE, "kl-not-a-tensor"),
    Wrong(
        "gives an array of one",
        changed((RETURN, f"{RETURN}[None]".replace("num_samples[None]", "torch.ones(1)"))),
        SHAPE,
        "kl-scalar-shape",
    ),
    Wrong("draws into the mean", changed(("w = mean + ", "mean += 0.1\n    w = mean + ")), KEPT, "arguments-modified"),
    Wrong(
        "the closed form",
        changed((RETURN, "return (0.5 * (mean**2 + (2 * log_std).exp() - 1) - log_std).sum()")),
        ANEW,
        "no-sampling",
    ),
    Wrong("seeds", changed(("epsilon =", "torch.manual_seed(0)\n    epsilon =")), ANEW, "noise-drawn-once"),
    Wrong("averages over everything", changed((RETURN, "return (log_q - log_p).mean()")), AVERAGE, "kl-averaged"),
    Wrong("sums over the draws", changed((RETURN, "return (log_q - log_p).sum()")), AVERAGE, "kl-summed-over-draws"),
    Wrong(
        "draws from the prior",
        changed(("w = mean + torch.exp(log_std) * epsilon", "w = epsilon")),
        AVERAGE,
        "draws-from-the-prior",
    ),
    Wrong(
        "takes one draw for all",
        changed((EPSILON, "torch.randn_like(mean).expand(num_samples, *mean.shape)")),
        BETTER,
        "num-samples-ignored",
    ),
    Wrong(
        "never below 0",
        changed((RETURN, "return ((log_q - log_p).sum() / num_samples).clamp_min(0)")),
        NEAR_ZERO,
        "estimate-cut-off",
    ),
    Wrong(
        "one epsilon for all elements",
        changed((EPSILON, "torch.randn(num_samples, *[1] * mean.dim(), dtype=mean.dtype)")),
        SPREADS,
        "noise-shared-by-elements",
    ),
    Wrong(
        "takes log p at other draws",
        changed(("log_p = ", "w = mean + torch.exp(log_std) * torch.randn_like(w)\n    log_p = ")),
        NEAR_ZERO,
        "two-draws",
    ),
    Wrong(
        "draws no more than 100",
        changed(
            (
                EPSILON,
                f"{EPSILON}[torch.arange(num_samples) % 100]".replace(
                    "randn(num_samples", "randn(min(num_samples, 100)"
                ),
            )
        ),
        MANY,
        "draws-capped",
    ),
    Wrong("cuts its noise", changed((EPSILON, f"{EPSILON}.clamp(-3, 3)")), NOISE, "noise-not-normal"),
    Wrong("throws coins", changed((EPSILON, f"{EPSILON}.sign()")), NOISE, "noise-not-normal"),
    Wrong("draws in float32", changed((", dtype=mean.dtype)", ")")), NOISE, "noise-in-float32"),
    Wrong(
        "takes the density's gradient",
        changed(
            ("log_q = ", "w = w.detach()\n    log_q = "),
            (
                RETURN,
                "ratio = (log_q - log_p).flatten(1).sum(1) if mean.dim() else log_q - log_p\n"
                "    log_q = log_q.flatten(1).sum(1) if mean.dim() else log_q\n"
                "    return (ratio.detach() * (1 + log_q - log_q.detach())).sum() / num_samples",
            ),
        ),
        GRADIENT,
        "draw-detached",
    ),
    Wrong("the mean for a draw", changed((EPSILON, f"0 * {EPSILON}")), ANEW, "noise-drawn-once"),
    Wrong("draws without gradients", changed(("log_q = ", "w = w.detach()\n    log_q = ")), GRADIENT, "draw-detached"),
    Wrong(
        "computes without gradients",
        changed(("w = mean", "mean, log_std = mean.detach(), log_std.detach()\n    w = mean")),
        GRADIENT,
        "gradient-stopped",
    ),
    Wrong("fixes the dtype", changed((RETURN, f"{RETURN[:-14]}.float() / num_samples")), DTYPE, "wrong-dtype"),
    Wrong(
        "seeds after drawing",
        changed(
            (EPSILON, f"{EPSILON[:-1]}, generator=GENERATOR)\n    torch.manual_seed(0)"),
            ("def ", "GENERATOR = torch.Generator()\n\n\ndef "),
        ),
        SEED,
        "seed-fixed",
    ),
    Wrong(
        "the logarithm of densities",
        changed(("Normal(0.0, 1.0).log_prob(w)", "Normal(0.0, 1.0).log_prob(w).exp().log()")),
        SHAPE,
        "no-finite-estimate",
    ),
    Wrong(
        "antithetic noise",
        changed(
            (
                f"    epsilon = {EPSILON}\n",
                "    half = torch.randn((num_samples + 1) // 2, *mean.shape, dtype=mean.dtype)\n"
                "    epsilon = torch.cat([half, -half])[:num_samples]\n",
            )
        ),
        NOISE,
        "noise-mirrored",
    ),
    Wrong(
        "antithetic noise for even numbers",
        changed(
            (
                f"    epsilon = {EPSILON}\n",
                f"    epsilon = {EPSILON}\n"
                "    if num_samples % 2 == 0:\n"
                "        epsilon = torch.cat([epsilon[::2], -epsilon[::2]])\n",
            )
        ),
        NOISE,
        "noise-mirrored",
    ),
    Wrong(
        "noise centred over the draws",
        changed(
            (
                f"    epsilon = {EPSILON}\n",
                f"    epsilon = {EPSILON}\n"
                "    if num_samples > 1:\n"
                "        epsilon = (epsilon - epsilon.mean(0)) * (num_samples / (num_samples - 1)) ** 0.5\n",
            )
        ),
        NOISE,
        "noise-centred",
    ),
    Wrong(
        "one draw of each half of the line",
        changed(
            (
                f"    epsilon = {EPSILON}\n",
                f"    epsilon = {EPSILON}\n"
                "    for k in range(1, num_samples, 2):\n"
                "        epsilon[k - 1], epsilon[k] = epsilon[k - 1].abs(), -epsilon[k].abs()\n",
            )
        ),
        NOISE,
        "draws-dependent",
    ),
]

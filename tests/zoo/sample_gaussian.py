"""Right solutions of lesson 01's exercise, and wrong ones that no formula says."""

from __future__ import annotations

from functools import partial

from zoo import Wrong, replaced

EXERCISE = "sample_gaussian"

BASE = """
import numpy as np
import torch
from torch.distributions import Normal


def sample_gaussian(mean, log_std, epsilon=None):
    if epsilon is None:
        epsilon = torch.randn_like(mean)
    return mean + torch.exp(log_std) * epsilon
"""

RIGHT: dict[str, str] = {
    "as the lesson writes it": BASE,
    "Normal.rsample": """
import torch
from torch.distributions import Normal


def sample_gaussian(mean, log_std, epsilon=None):
    if epsilon is not None:
        return mean + epsilon * log_std.exp()
    return Normal(mean, log_std.exp()).rsample()
""",
    "NumPy's noise": """
import numpy as np
import torch


def sample_gaussian(mean, log_std, epsilon=None):
    noise = torch.as_tensor(np.random.standard_normal(mean.shape), dtype=mean.dtype) if epsilon is None else epsilon
    return torch.addcmul(mean, log_std.exp(), noise)
""",
    "sizes one by one": BASE.replace("torch.randn_like(mean)", "torch.randn(*mean.shape, dtype=mean.dtype)"),
    "noise of the other sign, other names": """
import torch


def _noise(like):
    return torch.empty_like(like).normal_()


def sample_gaussian(loc, log_scale, eps=None):
    if eps is None:
        return loc - torch.exp(log_scale) * _noise(loc)
    return loc + torch.e ** log_scale * eps
""",
}

SHAPE = "it returns a tensor in the shape of mean"
KEPT = "mean and log_std stay as they were"
GIVEN = "with a given epsilon it is mean + exp(log_std)·epsilon"
GIVEN_GRADIENT = "with a given epsilon gradients reach mean and log_std, and are right"
NUMBER = "without epsilon a number is drawn anew, too"
ANEW = "without epsilon every call draws anew"
CENTRED = "without epsilon the draws are centred on mean"
SPREAD = "without epsilon they spread as exp(log_std) says"
NOISE = "without epsilon the noise is standard normal, and every element has its own"
GRADIENT = "gradients reach mean and log_std, and are right"
DTYPE = "the result has the dtype of the arguments"
DIGITS = "for float64 arguments it has the digits of float64"
SEED = "it leaves the global random seed alone"

changed = partial(replaced, BASE)

DRAW, RETURN = "epsilon = torch.randn_like(mean)", "return mean + torch.exp(log_std) * epsilon"
NORMAL = "return Normal(mean, torch.exp(log_std))"

WRONG: list[Wrong] = [
    Wrong("forgets to return", changed((RETURN, "mean + torch.exp(log_std) * epsilon")), SHAPE, "missing-return"),
    Wrong("returns the distribution", changed((RETURN, NORMAL)), SHAPE, None),
    Wrong(
        "asks whether epsilon is true", changed(("if epsilon is None", "if not epsilon")), GIVEN, "none-asked-by-truth"
    ),
    Wrong("always draws", changed(("if epsilon is None", "if True")), GIVEN, "epsilon-ignored"),
    Wrong(
        "only the first of several draws that are given",
        changed((RETURN, f"epsilon = epsilon.reshape(-1, *mean.shape)[0]\n    {RETURN}")),
        GIVEN,
        None,
    ),
    Wrong(
        "changes the mean",
        changed((RETURN, "mean += torch.exp(log_std) * epsilon\n    return mean")),
        KEPT,
        "arguments-modified",
    ),
    Wrong("draws nothing", changed((DRAW, "epsilon = torch.zeros_like(mean)")), ANEW, "no-sampling"),
    Wrong("seeds before drawing", changed((DRAW, f"torch.manual_seed(0)\n        {DRAW}")), ANEW, "noise-drawn-once"),
    Wrong(
        "keeps its noise",
        changed((DRAW, "epsilon = torch.randn(mean.shape, generator=torch.Generator().manual_seed(1))")),
        ANEW,
        "noise-drawn-once",
    ),
    Wrong("draws uniform noise", changed((DRAW, "epsilon = torch.rand_like(mean)")), CENTRED, "noise-not-normal"),
    Wrong(
        "draws noise of another size", changed((DRAW, "epsilon = 2 * torch.randn_like(mean)")), SPREAD, "noise-scaled"
    ),
    Wrong(
        "clamps what it draws with",
        changed((DRAW, "return mean + torch.randn_like(mean) * log_std.clamp(-4, 1).exp()")),
        SPREAD,
        None,
    ),
    Wrong("draws one number", changed((DRAW, "epsilon = torch.randn(())")), NOISE, "noise-shared"),
    Wrong(
        "draws uniform noise of variance 1",
        changed((DRAW, "epsilon = (torch.rand_like(mean) - 0.5) * 12**0.5")),
        NOISE,
        "noise-not-normal",
    ),
    Wrong("sample() for rsample()", changed((DRAW, f"{NORMAL}.sample()")), GRADIENT, "gradient-stopped"),
    Wrong(
        "detaches the spread",
        changed((DRAW, "return mean + log_std.exp().detach() * torch.randn_like(mean)")),
        GRADIENT,
        "log-std-gradient-missing",
    ),
    Wrong(
        "works in float32",
        changed((RETURN, "return (mean + torch.exp(log_std) * epsilon).float()")),
        DTYPE,
        "wrong-dtype",
    ),
    Wrong(
        "seeds after drawing",
        changed((DRAW, "epsilon = torch.tensor(np.random.randn(*mean.shape)).to(mean)\n        torch.manual_seed(0)")),
        SEED,
        "seed-fixed",
    ),
    Wrong(
        "detaches the spread where epsilon is given",
        changed(("if epsilon", "if epsilon is not None:\n        log_std = log_std.detach()\n    if epsilon")),
        GIVEN_GRADIENT,
        "log-std-gradient-missing",
    ),
    Wrong(
        "squeezes epsilon",
        changed((RETURN, "return mean + torch.exp(log_std) * epsilon.squeeze()")),
        GIVEN,
        "elementwise-shapes",
    ),
    Wrong(
        "remembers the last epsilon",
        changed(
            ("epsilon=None):", "epsilon=None, kept=[]):"),
            (DRAW, f"{DRAW} if not kept or kept[-1].shape != mean.shape else kept[-1]"),
            ("    return", "    else:\n        kept.append(epsilon)\n    return"),
        ),
        ANEW,
        "noise-drawn-once",
    ),
    Wrong(
        "draws nothing for a number",
        changed((DRAW, "epsilon = torch.randn_like(mean) if mean.dim() else torch.zeros_like(mean)")),
        NUMBER,
        "no-sampling",
    ),
    Wrong(
        "keeps half of the noise, with the sign turned",
        changed(
            ("epsilon=None):", "epsilon=None, kept={}):"),
            (
                DRAW,
                "last = kept.pop(mean.shape, None)\n        epsilon = torch.randn_like(mean) if last is None else -last"
                "\n        kept |= {mean.shape: epsilon} if last is None else {}",
            ),
        ),
        NOISE,
        "noise-mirrored",
    ),
    Wrong(
        "mirrors half of the noise",
        changed(
            (
                DRAW,
                "half = torch.randn(mean.numel() // 2 + 1, dtype=mean.dtype)\n"
                "        epsilon = torch.cat([half, -half])[: mean.numel()].reshape(mean.shape)",
            ),
        ),
        NOISE,
        "noise-mirrored",
    ),
    Wrong(
        "centres its noise",
        changed((DRAW, f"{DRAW}\n        epsilon = epsilon - epsilon.mean() * (mean.numel() > 1)")),
        SPREAD,
        "noise-centred",
    ),
    Wrong(
        "adds a little to the spread",
        changed(("torch.exp(log_std)", "(torch.exp(log_std) + 1e-4)")),
        GIVEN,
        "draw-in-part",
    ),
    Wrong(
        "asks the wrong way round",
        changed(("if epsilon is None", "if epsilon is not None")),
        SHAPE,
        "epsilon-still-none",
    ),
    *(
        Wrong(
            f"centres its noise along dim={dim}",
            changed(
                (
                    DRAW,
                    f"{DRAW}\n        if mean.dim() == 2 and min(mean.shape) > 2:\n"
                    f"            epsilon = epsilon - epsilon.mean({dim}, keepdim=True)",
                )
            ),
            SPREAD,
            "noise-centred",
        )
        for dim in (0, 1)
    ),
    *(
        Wrong(name, changed((RETURN, f"return {form}")), DIGITS, "computed-in-float32")
        for name, form in {
            "the exponential in float32": "mean + torch.exp(log_std.float()) * epsilon",
            "the noise times a spread in float32": "mean + (torch.exp(log_std) * epsilon).float()",
            "a mean in float32": "mean.float() + torch.exp(log_std) * epsilon",
        }.items()
    ),
    Wrong(
        "gives nothing in float64",
        changed((RETURN, f"if mean.dtype == torch.float32:\n        {RETURN}")),
        DTYPE,
        "missing-return",
    ),
]

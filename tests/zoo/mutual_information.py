"""Right solutions of lesson 07's exercise `mutual_information`, and wrong ones that no formula says."""

from __future__ import annotations

from functools import partial

from zoo import Wrong, replaced

EXERCISE = "mutual_information"

BASE = '''
import torch


def entropy(p):
    return -torch.xlogy(p, p).sum(dim=-1)


def mutual_information(probs):
    """How much the draws disagree: the entropy of the average less the average of the entropies, in nats.

    probs: (S, B, C), the probabilities of C classes for each of B inputs under each of S draws.
    Returns: (B,), not below 0. A probability of 0 adds nothing.
    """
    whole = entropy(probs.mean(dim=0))
    noise = entropy(probs).mean(dim=0)
    return whole - noise
'''

RIGHT: dict[str, str] = {
    "as the lesson writes it": BASE,
    "never below 0": BASE.replace("return whole - noise", "return (whole - noise).clamp_min(0.0)"),
    "the average divergence": """
import torch


def mutual_information(probs):
    mean = probs.mean(0, keepdim=True)
    divergence = torch.xlogy(probs, probs) - torch.xlogy(probs, mean)
    return divergence.sum(-1).mean(0)
""",
    "torch's own KL": """
import torch
from torch.nn.functional import kl_div


def mutual_information(probs):
    mean = probs.mean(dim=0).clamp_min(1e-30).log()
    return torch.stack([kl_div(mean, draw, reduction="none").sum(dim=1) for draw in probs]).mean(dim=0)
""",
    "torch.distributions": """
import torch
from torch.distributions import Categorical


def mutual_information(probs):
    return Categorical(probs.mean(0)).entropy() - Categorical(probs).entropy().mean(0)
""",
    "with a small floor": """
import torch


def mutual_information(p):
    H = lambda q: -(q * (q + 1e-10).log()).sum(-1)
    return torch.abs(H(p.mean(0)) - torch.mean(H(p), dim=0))
""",
    "SciPy's divergence, input by input": """
import numpy as np
import torch
from scipy.stats import entropy


def mutual_information(probs):
    array = probs.detach().double().numpy()
    mean = array.mean(axis=0)
    values = [np.mean([entropy(draw[b], mean[b]) for draw in array]) for b in range(len(mean))]
    return torch.tensor(values, dtype=probs.dtype)
""",
}

SHAPE = "it returns one number for each input, (B,)"
KEPT = "probs stay as they were"
VALUE = "it is the entropy of the average less the average of the entropies"
AGREE = "it is 0 where all draws agree, however unsure they are"
ZERO = "a probability of exactly 0 adds nothing"
DTYPE = "the result has the dtype of probs"
SEED = "it leaves the global random seed alone"

changed = partial(replaced, BASE)

RETURN = "return whole - noise"

WRONG: list[Wrong] = [
    Wrong("forgets to return", changed((RETURN, RETURN[7:])), SHAPE, "missing-return"),
    Wrong("one number", changed((RETURN, "return (whole - noise).mean()")), SHAPE, "entropy-over-batch"),
    Wrong("both parts", changed((RETURN, "return whole, noise")), SHAPE, "not-a-tensor"),
    Wrong("entropies of everything", changed((".sum(dim=-1)", ".sum()")), SHAPE, "entropy-over-batch"),
    Wrong(
        "scales in place",
        changed(("whole =", "probs /= 2\n    probs = 2 * probs\n    whole =")),
        KEPT,
        "arguments-modified",
    ),
    Wrong(
        "averages the draws' entropies over the inputs",
        changed(("entropy(probs).mean(dim=0)", "entropy(probs).mean(dim=1)")),
        SHAPE,
        "elementwise-shapes",
    ),
    Wrong(
        "the least sure draw", changed(("entropy(probs).mean(dim=0)", "entropy(probs).amax(dim=0)")), VALUE, "one-draw"
    ),
    Wrong("rounds", changed((RETURN, "return (whole - noise).round(decimals=1)")), VALUE, None),
    Wrong("every second draw", changed(("probs.mean", "probs[::2].mean")), VALUE, None),
    Wrong(
        "more where they agree", changed((RETURN, "gap = whole - noise\n    return gap + (gap < 1e-3)")), VALUE, None
    ),
    Wrong("more for a single draw", changed((RETURN, f"{RETURN} + (len(probs) == 1)")), AGREE, None),
    Wrong("p·log p", changed(("torch.xlogy(p, p)", "(p * p.log())")), ZERO, "zero-times-log-zero"),
    Wrong(
        "p·log p in one of the two",
        changed(("noise = entropy(probs)", "noise = -(probs * probs.log()).sum(-1)")),
        ZERO,
        "zero-times-log-zero",
    ),
    Wrong("in float32", changed((RETURN, "return (whole - noise).float()")), DTYPE, "wrong-dtype"),
    Wrong("in float64", changed((RETURN, "return (whole - noise).double()")), DTYPE, "result-in-float64"),
    Wrong("seeds", changed(("whole =", "torch.manual_seed(0)\n    whole =")), SEED, "seed-fixed"),
]

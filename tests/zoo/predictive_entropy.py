"""Right solutions of lesson 07's exercise `predictive_entropy`, and wrong ones that no formula says."""

from __future__ import annotations

from functools import partial

from zoo import Wrong, replaced

EXERCISE = "predictive_entropy"

BASE = '''
import torch


def predictive_entropy(probs):
    """The entropy of the average prediction, in nats.

    probs: (S, B, C), the probabilities of C classes for each of B inputs under each of S draws.
    Returns: (B,). A probability of 0 adds nothing.
    """
    mean = probs.mean(dim=0)
    return -torch.xlogy(mean, mean).sum(dim=-1)
'''

RIGHT: dict[str, str] = {
    "as the lesson writes it": BASE,
    "torch.special.entr": """
import torch


def predictive_entropy(probs):
    return torch.special.entr(torch.mean(probs, 0)).sum(1)
""",
    "torch.distributions": """
import torch
from torch.distributions import Categorical


def predictive_entropy(probs):
    return Categorical(probs=probs.mean(0)).entropy()
""",
    "a small floor": """
import torch


def predictive_entropy(p):
    average = p.sum(dim=0) / p.shape[0]
    return -(average * torch.log(average + 1e-10)).sum(dim=1)
""",
    "clamped": """
import torch


def predictive_entropy(probs):
    p = probs.mean(0)
    return -torch.einsum("bc,bc->b", p, p.clamp_min(1e-12).log())
""",
    "loops and nan_to_num": """
import torch


def predictive_entropy(probs):
    S, B, C = probs.shape
    entropies = []
    for b in range(B):
        p = sum(probs[s, b] for s in range(S)) / S
        entropies.append(-(p * p.log()).nan_to_num(0.0).sum())
    return torch.stack(entropies)
""",
    "SciPy": """
import scipy.stats
import torch


def predictive_entropy(probs):
    mean = probs.detach().numpy().mean(axis=0)
    return torch.as_tensor(scipy.stats.entropy(mean, axis=1), dtype=probs.dtype)
""",
    "without zeros": """
import torch


def predictive_entropy(probs):
    mean = probs.mean(dim=0)
    log = torch.where(mean > 0, mean, 1.0).log()
    return (mean * log).sum(dim=-1).neg()
""",
}

SHAPE = "it returns one number for each input, (B,)"
KEPT = "probs stay as they were"
VALUE = "it is the entropy of the average prediction, in nats"
ZERO = "a probability of exactly 0 adds nothing"
DTYPE = "the result has the dtype of probs"
SEED = "it leaves the global random seed alone"

changed = partial(replaced, BASE)

MEAN = "mean = probs.mean(dim=0)"
RETURN = "return -torch.xlogy(mean, mean).sum(dim=-1)"

WRONG: list[Wrong] = [
    Wrong(
        "keeps what it once computed for a tensor",
        changed(("def predictive", "from functools import lru_cache\n\n\n@lru_cache\ndef predictive")),
        "it is the entropy of the average prediction, in nats",
        "kept-between-calls",
    ),
    Wrong("averages over the classes", changed(("mean(dim=0)", "mean(dim=2)")), SHAPE, "classes-averaged-first"),
    Wrong(
        "adds up what doesn't fit",
        changed((RETURN, f"{RETURN} + 0 * probs.sum(dim=(0, 1))")),
        SHAPE,
        "elementwise-shapes",
    ),
    Wrong(
        "one number for one class",
        changed((RETURN, f"return torch.zeros(()) if probs.shape[2] == 1 else {RETURN[7:]}")),
        "a probability of exactly 0 adds nothing",
        None,
    ),
    Wrong("forgets to return", changed((RETURN, RETURN[7:])), SHAPE, "missing-return"),
    Wrong("one number", changed((RETURN, "return -torch.xlogy(mean, mean).sum()")), SHAPE, "entropy-over-batch"),
    Wrong("a list of numbers", changed((RETURN, f"{RETURN}.tolist()")), SHAPE, None),
    Wrong(
        "math.log",
        changed((RETURN, "import math\n    return -(mean * math.log(mean)).sum(-1)")),
        SHAPE,
        "number-function-on-a-tensor",
    ),
    Wrong("a power as ^", changed((RETURN, "return (mean ^ 2).sum(-1)")), SHAPE, "power-as-xor"),
    Wrong(
        "averages in place",
        changed((MEAN, "probs *= 0.5\n    mean = 2 * probs.mean(dim=0)")),
        KEPT,
        "arguments-modified",
    ),
    Wrong(
        "keeps zeros off in place",
        changed((MEAN, f"probs.clamp_(min=1e-12)\n    {MEAN}")),
        KEPT,
        "arguments-modified",
    ),
    Wrong("rounds", changed((RETURN, f"{RETURN}.round(decimals=1)")), VALUE, None),
    Wrong(
        "leaves the first draw out",
        changed((MEAN, "mean = probs[1:].mean(0) if len(probs) > 1 else probs[0]")),
        VALUE,
        None,
    ),
    Wrong("p·log p", changed((RETURN, "return -(mean * mean.log()).sum(-1)")), ZERO, "zero-times-log-zero"),
    Wrong(
        "a logarithm of base 2, changed back",
        changed((RETURN, "return -(mean * mean.log2()).sum(-1) * 0.6931472")),
        ZERO,
        "zero-times-log-zero",
    ),
    Wrong("zeros count as one", changed((RETURN, f"{RETURN} + (mean == 0).sum(-1)")), ZERO, None),
    Wrong("in float32", changed((RETURN, f"{RETURN}.float()")), DTYPE, "wrong-dtype"),
    Wrong("in float64", changed((MEAN, "mean = probs.double().mean(0)")), DTYPE, "result-in-float64"),
    Wrong("seeds", changed((MEAN, f"torch.manual_seed(0)\n    {MEAN}")), SEED, "seed-fixed"),
    Wrong(
        "nothing where a class is impossible",
        changed((RETURN, "return (-(mean * mean.log()).sum(dim=-1)).nan_to_num(0.0)")),
        ZERO,
        "zeros-silence",
    ),
    Wrong("squeezes", changed((RETURN, f"{RETURN}.squeeze()")), SHAPE, "dimension-dropped"),
    Wrong("in bfloat16", changed((RETURN, f"{RETURN}.bfloat16().float()")), VALUE, "computed-in-half"),
    Wrong("a little more", changed((RETURN, f"{RETURN} * 1.003")), VALUE, "right-to-a-few-digits"),
]

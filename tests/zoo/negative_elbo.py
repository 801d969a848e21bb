"""Right solutions of lesson 04's exercise `negative_elbo`, and wrong ones that no formula says."""

from __future__ import annotations

from functools import partial

from zoo import Wrong, replaced

EXERCISE = "negative_elbo"

BASE = '''
import math
import torch
import torch.nn.functional as F
from torch.distributions import Normal


def negative_elbo(prediction, target, kl, noise_std, dataset_size):
    """The negative ELBO of the whole data set, estimated from a mini-batch: (N/B)·Σ −log N(target; prediction,
    noise_std²) + kl.

    prediction, target: tensors of one shape, B × …, with a row for each example of the mini-batch.
    kl: a scalar tensor, the KL divergence of all weights.   noise_std: a number, or a tensor that broadcasts.
    dataset_size: N, the number of examples in the whole data set.
    Returns: a scalar tensor that carries gradients to prediction, to kl, and to noise_std where that is a tensor.
    """
    noise_std = torch.as_tensor(noise_std, dtype=prediction.dtype)
    log_prob = Normal(prediction, noise_std).log_prob(target)
    scale = dataset_size / len(prediction)
    return -scale * log_prob.sum() + kl
'''

RIGHT: dict[str, str] = {
    "as the lesson writes it": BASE,
    "written out": """
import math
import torch


def negative_elbo(prediction, target, kl, noise_std, dataset_size):
    s = noise_std if torch.is_tensor(noise_std) else torch.tensor(float(noise_std))
    z = (target - prediction) / s
    nll = 0.5 * z.pow(2) + s.log() + 0.5 * math.log(2 * math.pi)
    return nll.sum() * dataset_size / prediction.size(0) + kl
""",
    "gaussian_nll_loss": """
import torch
import torch.nn.functional as F


def negative_elbo(prediction, target, kl, noise_std, dataset_size):
    variance = torch.ones_like(prediction) * noise_std**2
    nll = F.gaussian_nll_loss(prediction, target, variance, full=True, reduction="none", eps=0)
    return kl + nll.flatten(1).sum(1).mean() * dataset_size if nll.dim() > 1 else kl + nll.mean() * dataset_size
""",
    "with lesson 00's function": """
import torch
from bnn_core import gaussian_log_prob


def negative_elbo(prediction, target, kl, noise_std, dataset_size):
    B = prediction.shape[0]
    total = 0.0
    for row, wanted in zip(prediction, target):
        total = total + gaussian_log_prob(wanted, row, noise_std).sum()
    return kl - (dataset_size / B) * total
""",
    "in two halves": """
import math
import torch
from torch.distributions import Independent, Normal


def negative_elbo(prediction, target, kl, noise_std, dataset_size):
    squares = ((prediction - target) ** 2 / noise_std**2).sum()
    logs = torch.log(2 * math.pi * torch.as_tensor(noise_std, dtype=prediction.dtype) ** 2).expand_as(prediction).sum()
    task_loss = 0.5 * (squares + logs)
    return torch.add(kl, task_loss, alpha=dataset_size / prediction.shape[0])
""",
}

SHAPE = "it returns one number, as a tensor"
KEPT = "prediction, target and kl stay as they were"
VALUE = "it is (N/B)·Σ −log N(target; prediction, noise_std²) + kl"
GRADIENT = "its gradients reach prediction, kl and noise_std, and are right"
DTYPE = "the result has the dtype of the arguments"
SEED = "it leaves the global random seed alone"

changed = partial(replaced, BASE)

RETURN = "return -scale * log_prob.sum() + kl"
AS_TENSOR = "noise_std = torch.as_tensor(noise_std, dtype=prediction.dtype)"

WRONG: list[Wrong] = [
    Wrong("forgets to return", changed((RETURN, RETURN[7:])), SHAPE, "missing-return"),
    Wrong("doesn't sum", changed((RETURN, "return -scale * log_prob + kl")), SHAPE, "loss-not-reduced"),
    Wrong("sums over outputs", changed((RETURN, "return -scale * log_prob.sum(-1) + kl")), SHAPE, "loss-not-reduced"),
    Wrong("sums over the batch", changed((RETURN, "return -scale * log_prob.sum(0) + kl")), SHAPE, "loss-scalar-shape"),
    Wrong(
        "gives a number",
        changed((RETURN, "return -scale * log_prob.sum().item() + kl.item()")),
        SHAPE,
        "loss-not-a-tensor",
    ),
    Wrong("gives parts", changed((RETURN, "return -scale * log_prob.sum(), kl")), SHAPE, "loss-not-a-tensor"),
    Wrong(
        "takes the logarithm of a number",
        changed((f"{AS_TENSOR}\n    log_prob = ", "log_prob = -torch.log(noise_std) + ")),
        SHAPE,
        "function-of-a-number",
    ),
    Wrong(
        "hands numbers the method of a tensor",
        changed((AS_TENSOR, ""), ("Normal(prediction, noise_std)", "Normal(prediction, noise_std.clamp(0.01))")),
        SHAPE,
        "number-has-no-method",
    ),
    Wrong(
        "math.log of a tensor",
        changed((RETURN, "return -scale * (log_prob.sum() - math.log(noise_std) + math.log(noise_std)) + kl")),
        SHAPE,
        "number-function-on-a-tensor",
    ),
    Wrong("clamps the noise", changed((AS_TENSOR, f"{AS_TENSOR}.clamp_min(0.1)")), VALUE, "loss-cut-off"),
    Wrong(
        "subtracts in place",
        changed((AS_TENSOR, f"{AS_TENSOR}\n    prediction -= target\n    target = 0 * target")),
        KEPT,
        "arguments-modified",
    ),
    Wrong(
        "adds to the kl in place", changed((RETURN, f"kl += {RETURN[7:-5]}\n    return kl")), KEPT, "arguments-modified"
    ),
    Wrong(
        "detaches the prediction",
        changed(("Normal(prediction", "Normal(prediction.detach()")),
        GRADIENT,
        "gradient-stopped",
    ),
    Wrong("takes the kl's number", changed(("+ kl", "+ kl.item()")), GRADIENT, "gradient-stopped"),
    Wrong("detaches the kl", changed(("+ kl", "+ kl.detach()")), GRADIENT, "gradient-stopped"),
    Wrong(
        "makes a new tensor of the noise",
        changed((AS_TENSOR, "noise_std = torch.tensor(noise_std, dtype=prediction.dtype)")),
        GRADIENT,
        "gradient-stopped",
    ),
    Wrong(
        "works without gradients",
        changed((AS_TENSOR, f"torch.set_grad_enabled(False)\n    {AS_TENSOR}")),
        SHAPE,
        "settings-left-changed",
    ),
    Wrong(
        "clips gradients",
        changed((RETURN, f"if kl.requires_grad:\n        kl.register_hook(lambda g: g.clamp(-1, 1))\n    {RETURN}")),
        GRADIENT,
        "gradient-clipped",
    ),
    Wrong(
        "fixes the dtype",
        changed((RETURN, "return (-scale * log_prob.sum() + kl).float()")),
        DTYPE,
        "wrong-dtype",
    ),
    Wrong("seeds", changed((AS_TENSOR, f"{AS_TENSOR}\n    torch.manual_seed(0)")), SEED, "seed-fixed"),
    Wrong("adds noise", changed((RETURN, f"{RETURN} + torch.randn(())")), VALUE, "loss-random"),
    Wrong(
        "the root of a square",
        changed(
            (
                "Normal(prediction, noise_std).log_prob(target)",
                "Normal(0.0, noise_std).log_prob(((prediction - target) ** 2).sqrt())",
            )
        ),
        GRADIENT,
        "gradient-not-finite",
    ),
    Wrong("a KL of 1 at least", changed(("+ kl", "+ kl.clamp_min(1)")), VALUE, "loss-cut-off"),
    Wrong(
        "weighs the KL by the number of calls",
        changed(
            ("dataset_size):", "dataset_size, calls=[]):\n    calls.append(1)\n    kl = min(1, len(calls) / 100) * kl"),
        ),
        VALUE,
        "loss-random",
    ),
    Wrong(
        "torch's loss as it is",
        changed(
            (
                RETURN,
                "variance = (noise_std**2).expand_as(prediction)\n"
                "    return scale * F.gaussian_nll_loss(prediction, target, variance, reduction='sum') + kl",
            ),
        ),
        VALUE,
        "nll-of-torch",
    ),
    Wrong("never below 0", changed((RETURN, f"return ({RETURN[7:]}).clamp_min(0)")), VALUE, "loss-cut-off"),
]

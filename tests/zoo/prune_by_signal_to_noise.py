"""Right solutions of lesson 07's exercise `prune_by_signal_to_noise`, and wrong ones that no formula says."""

from __future__ import annotations

from functools import partial

from zoo import Wrong, replaced

EXERCISE = "prune_by_signal_to_noise"

BASE = '''
import math
import torch


def prune_by_signal_to_noise(layer, fraction):
    """The layer's weights without the share `fraction` of them with the smallest |mean| / std.

    layer: has weight_mean and weight_log_std, tensors of one shape; it stays as it is.
    fraction: from 0 to 1; of P weights int(fraction·P) are removed. Of equally weak ones any may go.
    Returns: (mean, log_std), in the shape of the weights; a removed one has mean 0 and log_std −∞.
    """
    mean, log_std = layer.weight_mean.detach(), layer.weight_log_std.detach()
    ratio = mean.abs() / log_std.exp()
    count = int(fraction * ratio.numel())
    order = ratio.flatten().argsort()
    kept = torch.ones(ratio.numel(), dtype=torch.bool)
    kept[order[:count]] = False
    kept = kept.view(ratio.shape)
    return torch.where(kept, mean, 0.0), torch.where(kept, log_std, -math.inf)
'''

RIGHT: dict[str, str] = {
    "as the lesson writes it": BASE,
    "topk, with gradients": """
import torch


def prune_by_signal_to_noise(layer, fraction):
    mean, log_std = layer.weight_mean, layer.weight_log_std
    ratio = (mean / log_std.exp()).abs().flatten()
    weakest = ratio.topk(int(fraction * len(ratio)), largest=False).indices
    new_mean, new_log_std = mean.flatten().clone(), log_std.flatten().clone()
    new_mean[weakest] = 0
    new_log_std[weakest] = -torch.inf
    return new_mean.reshape(mean.shape), new_log_std.reshape(mean.shape)
""",
    "ranks": """
import torch


def prune_by_signal_to_noise(layer, fraction):
    mean, log_std = layer.weight_mean.data, layer.weight_log_std.data
    squared = mean**2 * torch.exp(-2 * log_std)
    ranks = torch.argsort(torch.argsort(squared.reshape(-1)))
    gone = (ranks < int(fraction * squared.numel())).reshape(squared.shape)
    return mean.masked_fill(gone, 0.0), log_std.masked_fill(gone, float("-inf"))
""",
    "a copy of the layer": """
import copy
import torch


def prune_by_signal_to_noise(layer, fraction):
    pruned = copy.deepcopy(layer)
    with torch.no_grad():
        order = (layer.weight_mean.abs().log() - layer.weight_log_std).flatten().sort().indices
        weak = order[: int(fraction * order.numel())]
        pruned.weight_mean.view(-1)[weak] = 0.0
        pruned.weight_log_std.view(-1)[weak] = -float("inf")
    return [pruned.weight_mean, pruned.weight_log_std]
""",
    "NumPy": """
import numpy as np
import torch


def prune_by_signal_to_noise(layer, fraction):
    mean = layer.weight_mean.detach().numpy().copy()
    log_std = layer.weight_log_std.detach().numpy().copy()
    with np.errstate(divide="ignore"):
        strength = np.abs(mean) / np.exp(log_std)
    count = int(fraction * strength.size)
    rows, columns = np.unravel_index(np.argsort(strength, axis=None)[:count], strength.shape)
    mean[rows, columns], log_std[rows, columns] = 0.0, -np.inf
    return torch.from_numpy(mean), torch.from_numpy(log_std)
""",
    "one after the other": """
import torch


def prune_by_signal_to_noise(layer, fraction):
    mean, log_std = layer.weight_mean.detach().clone(), layer.weight_log_std.detach().clone()
    ratio = mean.abs() / log_std.exp()
    for _ in range(int(fraction * ratio.numel())):
        place = divmod(int(ratio.argmin()), ratio.shape[1])
        ratio[place] = torch.inf
        mean[place] = 0.0
        log_std[place] = -torch.inf
    return mean, log_std
""",
}

PAIR = "it returns (mean, log_std), each in the shape of the weights"
NAN = "none of their numbers is nan"
LEFT = "the layer stays as it was"
NEW = "what it returns is new, and not the layer's own"
VALUE = "it removes the fraction·P weights with the smallest |mean|/std"
ENDS = "a fraction of 0 removes nothing, and of 1 everything"
TIED = "of equally weak weights just as many go as should"
DTYPE = "the results have the dtype of the weights"
SEED = "it leaves the global random seed alone"

changed = partial(replaced, BASE)

MEAN = "mean, log_std = layer.weight_mean.detach(), layer.weight_log_std.detach()"
RATIO = "ratio = mean.abs() / log_std.exp()"
KEPT = "kept = kept.view(ratio.shape)"
RETURN = "return torch.where(kept, mean, 0.0), torch.where(kept, log_std, -math.inf)"
IN_PLACE = "layer.weight_mean[~kept] = 0.0\n    layer.weight_log_std[~kept] = -math.inf\n    return mean, log_std"

WRONG: list[Wrong] = [
    Wrong("forgets to return", changed((RETURN, RETURN[7:])), PAIR, "missing-return"),
    Wrong("returns the mask", changed((RETURN, "return kept")), PAIR, "not-a-pair"),
    Wrong("returns the means", changed((RETURN, "return torch.where(kept, mean, 0.0)")), PAIR, "not-a-pair"),
    Wrong("returns the mask, too", changed((RETURN, f"{RETURN}, kept")), PAIR, "not-a-pair"),
    Wrong("returns a layer", changed((RETURN, "return layer")), PAIR, "not-a-pair"),
    Wrong(
        "a removed std of 1e-8",
        changed((RETURN, "return mean * kept, (log_std.exp() * kept + 1e-8).log()")),
        VALUE,
        "log-std-finite",
    ),
    Wrong("counts rows", changed(("* ratio.numel())", "* len(ratio))")), VALUE, "rows-counted"),
    Wrong("masks of truth values", changed((RETURN, "return kept, kept")), PAIR, None),
    Wrong(
        "turns them round",
        changed((RETURN, f"{RETURN.replace('0.0)', '0.0).T').replace('inf)', 'inf).T')}")),
        PAIR,
        "output-transposed",
    ),
    Wrong("math.exp", changed(("log_std.exp()", "math.exp(log_std)")), PAIR, "number-function-on-a-tensor"),
    Wrong(
        "changes leaves",
        changed((MEAN, "mean, log_std = layer.weight_mean, layer.weight_log_std"), (RETURN, IN_PLACE)),
        PAIR,
        "in-place-on-a-leaf",
    ),
    Wrong(
        "multiplies by a mask",
        changed((RETURN, "return mean * kept, log_std * kept + -math.inf * ~kept")),
        NAN,
        "infinity-times-zero",
    ),
    Wrong(
        "changes the layer",
        changed(
            (
                RETURN,
                f"with torch.no_grad():\n        {IN_PLACE}".replace(
                    "\n    layer.weight_log", "\n        layer.weight_log"
                ),
            )
        ),
        LEFT,
        "layer-changed",
    ),
    Wrong(
        "changes the layer's data",
        changed((RETURN, "mean[~kept] = 0.0\n    log_std[~kept] = -math.inf\n    return mean, log_std")),
        LEFT,
        "layer-changed",
    ),
    Wrong(
        "silences the biases",
        changed((RETURN, f"layer.bias_log_std.data.fill_(-30.0)\n    {RETURN}")),
        LEFT,
        "layer-changed",
    ),
    Wrong(
        "a quantile", changed((KEPT, "kept = ratio >= ratio.flatten().quantile(fraction)")), VALUE, "quantile-for-count"
    ),
    Wrong(
        "ranks the biases, too",
        changed(
            (RATIO, f"{RATIO}\n    bias = layer.bias_mean.abs() / layer.bias_log_std.exp()"),
            (
                KEPT,
                "every = torch.cat([ratio.flatten(), bias.flatten()])\n    kept = (every.argsort().argsort()"
                " >= int(fraction * len(every)))[: ratio.numel()].view(ratio.shape)",
            ),
        ),
        VALUE,
        None,
    ),
    Wrong("halves the means that stay", changed(("kept, mean, 0.0", "kept, mean / 2, 0.0")), VALUE, None),
    Wrong(
        "a threshold",
        changed((KEPT, "kept = ratio > (ratio.flatten().sort().values[count - 1] if count else -1)")),
        TIED,
        "ties-not-broken",
    ),
    Wrong(
        "a threshold from above",
        changed(
            (
                KEPT,
                "ranked = ratio.flatten().sort().values\n"
                "    kept = ratio >= (ranked[count] if count < len(ranked) else math.inf)",
            )
        ),
        TIED,
        "ties-not-broken",
    ),
    Wrong(
        "always keeps zeros",
        changed(
            (
                KEPT,
                "order = torch.where(mean == 0, math.inf, ratio).flatten().argsort()\n"
                "    kept = torch.ones(ratio.numel(), dtype=torch.bool)\n    kept[order[:count]] = False\n    " + KEPT,
            )
        ),
        TIED,
        None,
    ),
    Wrong("stops at the last but one", changed((KEPT, f"kept[order[-1]] = True\n    {KEPT}")), ENDS, "one-always-kept"),
    Wrong(
        "a slice from the end",
        changed(
            (
                KEPT,
                "kept = torch.zeros(ratio.numel(), dtype=torch.bool)\n"
                "    kept[order[-(ratio.numel() - count):]] = True\n    " + KEPT,
            )
        ),
        ENDS,
        None,
    ),
    Wrong(
        "in float32",
        changed((MEAN, f"{MEAN}\n    mean, log_std = mean.float(), log_std.float()")),
        DTYPE,
        "wrong-dtype",
    ),
    Wrong(
        "in float64",
        changed((MEAN, f"{MEAN}\n    mean, log_std = mean.double(), log_std.double()")),
        DTYPE,
        "result-in-float64",
    ),
    Wrong("seeds", changed((RATIO, f"torch.manual_seed(0)\n    {RATIO}")), SEED, "seed-fixed"),
    Wrong(
        "a k-th value",
        changed((KEPT, "kept = ratio > ratio.flatten().kthvalue(count).values")),
        ENDS,
        "kth-of-none",
    ),
    Wrong(
        "gives the layer's own where nothing is removed",
        changed((KEPT, f"{KEPT}\n    if count == 0:\n        return layer.weight_mean, layer.weight_log_std")),
        NEW,
        "weights-of-the-layer",
    ),
    Wrong(
        "gives a view where nothing is removed",
        changed((KEPT, f"{KEPT}\n    if kept.all():\n        return mean, log_std.clone()")),
        NEW,
        "weights-of-the-layer",
    ),
    Wrong(
        "flattens the second alone",
        changed(("torch.where(kept, log_std, -math.inf)", "torch.where(kept, log_std, -math.inf).flatten()")),
        PAIR,
        "weights-flattened",
    ),
]

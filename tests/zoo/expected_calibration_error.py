"""Right solutions of lesson 07's exercise `expected_calibration_error`, and wrong ones that no formula says."""

from __future__ import annotations

from functools import partial

from zoo import Wrong, replaced

EXERCISE = "expected_calibration_error"

BASE = '''
import numpy as np
import torch


def expected_calibration_error(probs, labels, num_bins=15):
    """How far confidence lies from accuracy: the gap in each bin of confidences, averaged over the examples.

    probs: (B, C), the probabilities of C classes for each of B examples.   labels: (B,), their classes.
    num_bins: into how many equally wide bins the confidences from 0 to 1 are sorted.
    Returns: a scalar tensor, from 0 to 1. Empty bins add nothing.
    """
    confidence, prediction = probs.max(dim=1)
    correct = (prediction == labels).to(probs.dtype)
    error = torch.zeros((), dtype=probs.dtype)
    for m in range(num_bins):
        held = (confidence > m / num_bins) & (confidence <= (m + 1) / num_bins)
        if held.any():
            gap = (correct[held].mean() - confidence[held].mean()).abs()
            error = error + held.sum() / len(probs) * gap
    return error
'''

RIGHT: dict[str, str] = {
    "as the lesson writes it": BASE,
    "bucketize and index_add": """
import torch


def expected_calibration_error(probs, labels, num_bins=15):
    confidence, prediction = probs.max(dim=1)
    edges = torch.linspace(0, 1, num_bins + 1, dtype=probs.dtype)
    bins = torch.bucketize(confidence, edges[1:-1])
    excess = (prediction == labels).to(probs) - confidence
    return torch.zeros(num_bins, dtype=probs.dtype).index_add(0, bins, excess).abs().sum() / len(probs)
""",
    "ceil and one-hot": """
import torch
import torch.nn.functional as F


def expected_calibration_error(p, y, num_bins=15):
    conf = p.amax(1)
    bins = ((conf * num_bins).ceil().long() - 1).clamp(0, num_bins - 1)
    member = F.one_hot(bins, num_bins).to(p.dtype)
    n = member.sum(0)
    acc = (p.argmax(1).eq(y).to(p.dtype) @ member) / n.clamp_min(1)
    average = (conf @ member) / n.clamp_min(1)
    return (n / n.sum() * (acc - average).abs()).sum()
""",
    "bins that are nan, left out": """
import torch


def expected_calibration_error(probs, labels, num_bins=15):
    confidence, prediction = torch.max(probs, -1)
    edges = torch.linspace(0, 1, num_bins + 1)
    shares, gaps = [], []
    for low, high in zip(edges[:-1], edges[1:]):
        inside = confidence.gt(low.item()) & confidence.le(high.item())
        shares.append(inside.to(probs.dtype).mean())
        gaps.append((prediction[inside].eq(labels[inside]).to(probs.dtype).mean() - confidence[inside].mean()).abs())
    return (torch.stack(shares) * torch.stack(gaps).nan_to_num(0.0)).sum()
""",
    "NumPy's digitize": """
import numpy as np
import torch


def expected_calibration_error(probs, labels, num_bins=15):
    array, truth = probs.detach().numpy(), labels.numpy()
    confidence, correct = array.max(axis=1), array.argmax(axis=1) == truth
    bins = np.digitize(confidence, np.linspace(0, 1, num_bins + 1)[1:-1], right=True)
    total = 0.0
    for number in np.unique(bins):
        inside = bins == number
        total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return torch.tensor(total, dtype=probs.dtype)
""",
    "a dictionary of lists": """
import math
import torch


def expected_calibration_error(probs, labels, num_bins=15):
    held = {}
    for row, label in zip(probs, labels.tolist()):
        confidence, prediction = row.max(dim=0)
        number = max(1, math.ceil(confidence.item() * num_bins))
        held.setdefault(number, []).append((float(prediction.item() == label), confidence))
    total = 0
    for pairs in held.values():
        right, sure = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
        total = total + abs(right - sure) / len(probs)
    return total
""",
    "SciPy": """
import numpy as np
import torch
from scipy.stats import binned_statistic


def expected_calibration_error(probs, labels, num_bins=15):
    confidence = -probs.max(dim=1).values.numpy()  # turned round, so that bins hold their upper edge
    correct = (probs.argmax(dim=1) == labels).numpy().astype(float)
    sums = binned_statistic(confidence, correct + confidence, "sum", bins=num_bins, range=(-1, 0)).statistic
    return torch.as_tensor(np.abs(sums).sum() / len(correct), dtype=probs.dtype)
""",
}

SHAPE = "it returns one number, as a tensor"
KEPT = "probs and labels stay as they were"
VALUE = "it is the gap of each bin, averaged over the examples"
EMPTY = "empty bins add nothing"
CERTAIN = "a confidence of exactly 1 counts, in the last bin"
EDGE = "a confidence on an edge belongs to the bin below it"
TIED = "of equally likely classes the first one is the prediction"
DTYPE = "the result has the dtype of probs"
SEED = "it leaves the global random seed alone"

changed = partial(replaced, BASE)

CONFIDENCE = "confidence, prediction = probs.max(dim=1)"
IF = "if held.any():"
RETURN = "return error"

BY_NUMBER = """
import torch


def expected_calibration_error(probs, labels, num_bins=15):
    confidence, prediction = probs.max(dim=1)
    excess = (prediction == labels).to(probs.dtype) - confidence
    bins = (confidence * num_bins).long()
    return torch.zeros(num_bins, dtype=probs.dtype).index_add(0, bins, excess).abs().sum() / len(probs)
"""

WRONG: list[Wrong] = [
    Wrong("forgets to return", changed((RETURN, "error")), SHAPE, "missing-return"),
    Wrong("a number", changed((RETURN, "return error.item()")), SHAPE, "calibration-not-a-tensor"),
    Wrong(
        "a gap for each example",
        changed((RETURN, "return (correct - confidence).abs()")),
        SHAPE,
        "calibration-not-reduced",
    ),
    Wrong("keeps a dimension", changed((RETURN, "return error[None]")), SHAPE, "calibration-scalar-shape"),
    Wrong("predicts along the batch", changed(("probs.max(dim=1)", "probs.max(dim=0)")), SHAPE, "elementwise-shapes"),
    Wrong("and for &", changed(("num_bins) & (conf", "num_bins) and (conf")), SHAPE, "truth-of-a-tensor"),
    Wrong(
        "clamps in place",
        changed((CONFIDENCE, f"probs.clamp_(1e-3, 0.9)\n    {CONFIDENCE}")),
        KEPT,
        "arguments-modified",
    ),
    Wrong(
        "counts labels on",
        changed((CONFIDENCE, f"labels += 1\n    labels = labels - 1\n    {CONFIDENCE}")),
        KEPT,
        "arguments-modified",
    ),
    Wrong(
        "rounds confidences",
        changed((CONFIDENCE, f"{CONFIDENCE}\n    confidence = confidence.round(decimals=1)")),
        VALUE,
        None,
    ),
    Wrong(
        "the absolute value of the sum",
        changed((".mean()).abs()", ".mean())"), (RETURN, "return error.abs()")),
        VALUE,
        "one-bin-for-all",
    ),
    Wrong(
        "the accuracy of all in each bin", changed(("correct[held].mean()", "correct.mean()")), VALUE,
        "average-of-all-in-each-bin",
    ),
    Wrong(
        "rounds to the nearest edge",
        changed(
            (
                "(confidence > m / num_bins) & (confidence <= (m + 1) / num_bins)",
                "(confidence * num_bins).round() == m + 1",
            )
        ),
        VALUE,
        "bins-rounded",
    ),
    Wrong("passes small bins over", changed((IF, "if held.sum() > 5:")), VALUE, None),
    Wrong("divides by nothing", changed((IF, "if True:")), EMPTY, "empty-bin-divides"),
    Wrong("passes over whoever is alone", changed((IF, "if held.sum() > 1:")), EMPTY, "filled-bin-left-out"),
    Wrong(
        "counts empty bins as wrong",
        changed((IF, "if not held.any():\n            error = error + 0.01\n        else:")),
        EMPTY,
        "empty-bin-counts",
    ),
    Wrong(
        "open above",
        changed(("confidence > m", "confidence >= m"), ("confidence <= (m", "confidence < (m")),
        CERTAIN,
        "certain-left-out",
    ),
    Wrong("a bin beyond the last", BY_NUMBER, CERTAIN, "bin-beyond-the-last"),
    Wrong(
        "the floor, kept in", BY_NUMBER.replace(".long()", ".long().clamp_max(num_bins - 1)"), EDGE, "bins-closed-below"
    ),
    Wrong("closed on both sides", changed(("confidence > m", "confidence >= m")), EDGE, "edges-in-both-bins"),
    Wrong(
        "the last of the tied",
        changed(
            (
                CONFIDENCE,
                "confidence = probs.amax(dim=1)\n    prediction = probs.shape[1] - 1 - probs.flip(1).argmax(dim=1)",
            )
        ),
        TIED,
        "last-of-the-tied",
    ),
    Wrong("in float32", changed((RETURN, "return error.float()")), DTYPE, "wrong-dtype"),
    Wrong("in float64", changed((RETURN, "return error.double()")), DTYPE, "result-in-float64"),
    Wrong("seeds", changed((CONFIDENCE, f"torch.manual_seed(0)\n    {CONFIDENCE}")), SEED, "seed-fixed"),
]

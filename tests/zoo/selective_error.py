"""Right solutions of lesson 08's exercise `selective_error`, and wrong ones that no formula says."""

from __future__ import annotations

from functools import partial

from zoo import Wrong, replaced

EXERCISE = "selective_error"

BASE = '''
import math
import torch


def selective_error(confidence, correct, coverage):
    """The error among the surest examples, so many that they are this share of all, rounded up.

    confidence: (N,), real numbers; larger is surer.
    correct: (N,), True or 1 where the answer is right, False or 0 where it is wrong.
    coverage: the share of examples that are answered: above 0, at most 1.
    Returns: a scalar tensor: the share of wrong answers among them.
    """
    number = math.ceil(coverage * len(confidence))
    kept = confidence.argsort(descending=True)[:number]
    return 1 - correct[kept].float().mean()
'''

RIGHT: dict[str, str] = {
    "as the lesson writes it": BASE,
    "topk, and what differs from 1": """
import math


def selective_error(confidence, correct, coverage):
    kept = confidence.topk(math.ceil(coverage * confidence.numel())).indices
    return (correct[kept] != 1).double().mean()
""",
    "plain Python": """
import torch


def selective_error(confidence, correct, coverage):
    pairs = sorted(zip(confidence.tolist(), correct.tolist()), key=lambda pair: -pair[0])
    number = -int(-coverage * len(pairs) // 1)
    wrong = [not right for _, right in pairs[:number]]
    return torch.tensor(sum(wrong) / len(wrong))
""",
    "a running error": """
import math
import torch


def selective_error(scores, is_right, coverage):
    _, order = torch.sort(scores, descending=True)
    wrong = 1.0 - is_right.to(torch.float64)[order]
    so_far = wrong.cumsum(0) / torch.arange(1, len(wrong) + 1)
    return so_far[math.ceil(coverage * len(wrong)) - 1]
""",
    "NumPy, from the other end": """
import numpy as np
import torch


def selective_error(confidence, correct, coverage):
    order = np.argsort(confidence.numpy(), kind="stable")
    number = int(np.ceil(coverage * len(order)))
    return torch.as_tensor(1 - correct.numpy()[order][-number:].astype(float).mean())
""",
    "a mask by rank": """
import math
import torch


def selective_error(confidence, correct, coverage):
    number = max(1, math.ceil(coverage * len(confidence) - 1e-9))
    rank = (-confidence).argsort().argsort()
    kept = rank < number
    wrong = torch.logical_not(correct)
    return (wrong & kept).sum() / kept.sum()
""",
    "one at a time": """
import math
import torch


def selective_error(confidence, correct, coverage):
    left = confidence.clone().double()
    wrong = torch.zeros(())
    number = math.ceil(coverage * len(left))
    for _ in range(number):
        surest = left.argmax()
        wrong += 1 - int(correct[surest])
        left[surest] = -math.inf
    return wrong / number
""",
}

NUMBER = "it returns one number, as a tensor"
KEPT = "confidence and correct stay as they were"
VALUE = "it is the share of wrong answers among the surest ⌈coverage·N⌉ examples"
CORNERS = "at least one example is kept, and at a coverage of 1 all of them"
EQUALS = "among equals at the border as many are kept as fit, whichever they are"
REAL = "confidence may be any real numbers, of either sign"
DTYPES = "correct may be True and False, or 1 and 0 in any dtype"

changed = partial(replaced, BASE)

COUNT = "math.ceil(coverage * len(confidence))"
ORDER = "confidence.argsort(descending=True)[:number]"
RETURN = "return 1 - correct[kept].float().mean()"

WRONG: list[Wrong] = [
    Wrong(
        "seeds",
        changed(("    number =", "    torch.manual_seed(0)\n    number =")),
        "it leaves the global random seed alone",
        "seed-fixed",
    ),
    Wrong(
        "the right ones first",
        changed(("confidence.argsort", "(confidence * correct).argsort")),
        VALUE,
        "correct-not-reordered",
    ),
    Wrong(
        "all but one at most",
        changed((COUNT, f"min({COUNT}, max(1, len(confidence) - 1))")),
        CORNERS,
        "not-all-kept",
    ),
    Wrong(
        "orders by the logarithm",
        changed(("confidence.argsort", "confidence.log().argsort")),
        REAL,
        "confidence-not-told-apart",
    ),
    Wrong("forgets to return", changed((RETURN, RETURN[7:])), NUMBER, "missing-return"),
    Wrong("a plain number", changed((RETURN, f"{RETURN}.item()")), NUMBER, "error-not-a-tensor"),
    Wrong("which ones are wrong", changed((RETURN, "return 1 - correct[kept].float()")), NUMBER, "error-not-reduced"),
    Wrong(
        "keeps a dimension",
        changed((RETURN, "return 1 - correct[kept].float().mean(dim=0, keepdim=True)")),
        NUMBER,
        "error-scalar-shape",
    ),
    Wrong(
        "the mean of truth values",
        changed((RETURN, "return 1 - correct[kept].mean()")),
        NUMBER,
        "mean-of-truth-values",
    ),
    Wrong(
        "one minus truth values",
        changed((RETURN, "return (1 - correct[kept]).float().mean()")),
        NUMBER,
        "minus-of-truth-values",
    ),
    Wrong(
        "sorts in place",
        changed((ORDER, f"{ORDER}\n    confidence[:] = confidence.sort(descending=True).values")),
        KEPT,
        "arguments-modified",
    ),
    Wrong(
        "counts in place", changed((RETURN, f"correct &= confidence > 0.5\n    {RETURN}")), KEPT, "arguments-modified"
    ),
    Wrong(
        "rounds the error",
        changed((RETURN, "return (1 - correct[kept].float().mean()).round(decimals=1)")),
        VALUE,
        None,
    ),
    Wrong("at least two", changed((COUNT, f"max(2, {COUNT})")), CORNERS, None),
    Wrong(
        "rounds down, and up where that helps",
        changed(
            (
                COUNT,
                "(lambda share: int(share) + (share > 1 and share % 1 > 0))(coverage * len(confidence))",
            )
        ),
        CORNERS,
        "none-kept",
    ),
    Wrong(
        "nothing wrong where little is kept",
        changed((COUNT, f"{COUNT}\n    if number == 1:\n        return torch.tensor(0.0)")),
        CORNERS,
        None,
    ),
    Wrong(
        "says no to a coverage of 1",
        changed((COUNT, f"{COUNT}\n    assert coverage < 1, 'coverage must be below 1'")),
        CORNERS,
        None,
    ),
    Wrong(
        "a threshold that is reached",
        changed(
            ("kept = ", "lowest = confidence.sort(descending=True).values[number - 1]\n    kept = "),
            (ORDER, "confidence >= lowest"),
        ),
        EQUALS,
        "equals-all-kept",
    ),
    Wrong(
        "a threshold by kthvalue",
        changed((ORDER, "confidence >= confidence.kthvalue(len(confidence) + 1 - number).values")),
        EQUALS,
        "equals-all-kept",
    ),
    Wrong(
        "the square of the confidence",
        changed(("confidence.argsort", "confidence.square().argsort")),
        REAL,
        "confidence-without-sign",
    ),
    Wrong(
        "a threshold that starts at 0",
        changed((ORDER, f"{ORDER}\n    kept = kept[confidence[kept] > 0]")),
        REAL,
        "confidence-not-told-apart",
    ),
    Wrong(
        "turns truth values round",
        changed((RETURN, "return (~correct[kept]).float().mean()")),
        DTYPES,
        "not-of-a-number",
    ),
    Wrong(
        "counts what is true",
        changed(
            (
                RETURN,
                "true = correct.dtype == torch.bool\n    return (correct[kept] != true).float().mean()",
            )
        ),
        DTYPES,
        None,
    ),
    Wrong(
        "exponentials of the confidence",
        changed((ORDER, ORDER.replace("confidence.", "confidence.exp()."))),
        REAL,
        "confidence-not-told-apart",
    ),
]

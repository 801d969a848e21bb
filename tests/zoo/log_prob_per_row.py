"""Right solutions of lesson 06's exercise `log_prob_per_row`, and wrong ones that no formula says."""

from __future__ import annotations

from functools import partial

from zoo import Wrong, replaced

EXERCISE = "log_prob_per_row"

BASE = """
import math
import torch


def log_prob_per_row(kl, KL_factor, num_rows):
    share = -KL_factor * kl / num_rows
    return share.expand(num_rows)
"""

RIGHT: dict[str, str] = {
    "as the lesson writes it": BASE,
    "repeated": """
def log_prob_per_row(kl, KL_factor, num_rows):
    return (kl * (-KL_factor / num_rows)).repeat(num_rows)
""",
    "times ones": """
import torch


def log_prob_per_row(kl, KL_factor, num_rows):
    return -KL_factor * kl * torch.ones(num_rows, dtype=kl.dtype) / num_rows
""",
    "stacked": """
import torch


def log_prob_per_row(kl, KL_factor, num_rows):
    return torch.stack([-(KL_factor * kl) / num_rows for _ in range(num_rows)])
""",
    "with a default": """
def log_prob_per_row(kl, KL_factor=1.0, num_rows=1):
    rows = kl.new_full((num_rows,), 1 / num_rows)
    return rows.mul(kl).mul(KL_factor).neg()
""",
}

EACH = "it returns a number for each row"
SHAPE = "its shape is (num_rows,), for one row, too"
KEPT = "kl stays as it was"
SHARES = "each row has an equal share of −KL_factor·kl"
NOTHING = "where kl or KL_factor is 0, so is every row"
GRADIENT = "its gradient reaches kl, and is right"
AT_ZERO = "its gradient reaches a kl of 0, too"
DTYPE = "the result has the dtype of kl"
SEED = "it leaves the global random seed alone"

RETURN = "return share.expand(num_rows)"

changed = partial(replaced, BASE)

WRONG: list[Wrong] = [
    Wrong("forgets to return", changed((RETURN, "share.expand(num_rows)")), EACH, "missing-return"),
    Wrong("gives the layer's scalar", changed((RETURN, "return -KL_factor * kl")), EACH, "one-number-for-all-rows"),
    Wrong("gives one share", changed((RETURN, "return share")), EACH, "one-number-for-all-rows"),
    Wrong("gives a list", changed((RETURN, "return [share.item()] * num_rows")), EACH, "rows-not-a-tensor"),
    Wrong("gives a list of shares", changed((RETURN, "return [share] * num_rows")), EACH, "rows-not-a-tensor"),
    Wrong(
        "leaves a batch of one row as it is",
        changed((RETURN, "return kl.reshape(1) if num_rows == 1 else share.expand(num_rows)")),
        SHARES,
        "row-excepted",
    ),
    Wrong("gives a column", changed((RETURN, "return share.expand(num_rows, 1)")), SHAPE, "dimension-added"),
    Wrong("squeezes", changed((RETURN, "return share.expand(num_rows).squeeze()")), SHAPE, "dimension-dropped"),
    Wrong("works in place", changed(("-KL_factor * kl", "kl.mul_(-KL_factor)")), KEPT, "arguments-modified"),
    Wrong(
        "gives random shares",
        changed((RETURN, "return -KL_factor * kl * torch.rand(num_rows).softmax(0)")),
        SHARES,
        "row-shares-random",
    ),
    Wrong(
        "divides by one row less",
        changed(("-KL_factor * kl / num_rows", "-KL_factor / (num_rows - 1) * kl")),
        SHAPE,
        "row-division-by-zero",
    ),
    Wrong(
        "divides by the inverse of the factor",
        changed(("-KL_factor * kl / num_rows", "-kl / (1 / KL_factor) / num_rows")),
        NOTHING,
        "row-division-by-zero",
    ),
    Wrong(
        "makes an exception of a KL of zero",
        changed(("    share =", "    if kl == 0:\n        return torch.zeros(num_rows, dtype=kl.dtype)\n    share =")),
        AT_ZERO,
        "row-exception-at-zero",
    ),
    Wrong("detaches", changed(("-KL_factor * kl", "-KL_factor * kl.detach()")), GRADIENT, "gradient-stopped"),
    Wrong(
        "makes a new tensor",
        changed((RETURN, "return torch.full((num_rows,), share.item())")),
        GRADIENT,
        "gradient-stopped",
    ),
    Wrong(
        "fixes float32", changed((RETURN, "return share * torch.ones(num_rows, dtype=torch.float32)")), DTYPE,
        "wrong-dtype",
    ),
    Wrong("seeds", changed((RETURN, "torch.manual_seed(0)\n    " + RETURN)), SEED, "seed-fixed"),
]  # fmt: skip

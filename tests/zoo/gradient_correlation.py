"""Right solutions of lesson 05's exercise `gradient_correlation`, and wrong ones that no formula says."""

from __future__ import annotations

from functools import partial

from zoo import Wrong, replaced

EXERCISE = "gradient_correlation"

BASE = """
import numpy as np
import torch


def gradient_correlation(gradients):
    _, examples, _ = gradients.shape
    deviations = gradients - gradients.mean(dim=0)
    variances = deviations.square().sum()
    pairs = deviations.sum(dim=1).square().sum() - variances
    return pairs / ((examples - 1) * variances)
"""

RIGHT: dict[str, str] = {
    "as the lesson writes it": BASE,
    "the matrix of covariances": """
import torch


def gradient_correlation(gradients):
    d = gradients - gradients.mean(0, keepdim=True)
    C = torch.einsum("sbp,scp->bc", d, d)
    n = len(C)
    return (C.sum() - C.trace()) / (n - 1) / C.trace()
""",
    "torch.cov for each parameter": """
import torch


def gradient_correlation(gradients):
    C = sum(torch.cov(gradients[:, :, p].T) for p in range(gradients.shape[2]))
    other = ~torch.eye(C.shape[0], dtype=torch.bool)
    return C[other].mean() / C.diagonal().mean()
""",
    "from the variance of the average": """
import torch


def gradient_correlation(gradients):
    B = gradients.shape[1]
    v = gradients.var(dim=0).sum(-1).mean()
    batch = gradients.mean(dim=1).var(dim=0).sum()
    return (B * batch / v - 1) / (B - 1)
""",
    "loops over the pairs": """
import torch


def gradient_correlation(gradients):
    S, B, P = gradients.shape
    mean = torch.mean(gradients, 0)
    cov, count = 0.0, 0
    for first in range(B):
        for second in range(first):
            a, b = gradients[:, first] - mean[first], gradients[:, second] - mean[second]
            cov = cov + (a * b).sum() / (S - 1)
            count += 1
    return (cov / count) / (gradients.var(dim=0).sum() / B)
""",
    "NumPy's covariances": """
import numpy as np
import torch


def gradient_correlation(gradients):
    array = gradients.detach().numpy()
    total = np.zeros((array.shape[1],) * 2)
    for p in range(array.shape[2]):
        total += np.cov(array[:, :, p], rowvar=False)
    n = len(total)
    average = (total.sum() - np.trace(total)) / (n * (n - 1))
    return torch.tensor(average / (np.trace(total) / n), dtype=gradients.dtype)
""",
}

SHAPE = "it returns one number, as a tensor"
KEPT = "gradients stay as they were"
VALUE = "it is the average covariance over the average variance"
DTYPE = "the result has the dtype of the argument"
SEED = "it leaves the global random seed alone"

changed = partial(replaced, BASE)

WHOLE = "(pairs / ((examples - 1) * variances))"
RETURN = "return pairs / ((examples - 1) * variances)"

CENTRED = "deviations = gradients - gradients.mean(dim=0)"

WRONG: list[Wrong] = [
    Wrong("forgets to return", changed((RETURN, "pairs / variances")), SHAPE, "missing-return"),
    Wrong(
        "gives a number",
        changed((RETURN, "return pairs.item() / ((examples - 1) * variances.item())")),
        SHAPE,
        "correlation-not-a-tensor",
    ),
    Wrong(
        "gives the matrix",
        changed((RETURN, "return torch.corrcoef(gradients.sum(dim=2).T)")),
        SHAPE,
        "correlation-not-reduced",
    ),
    Wrong(
        "gives a correlation for each parameter",
        changed((RETURN, "return deviations.sum(dim=1).square().sum(dim=0) / variances")),
        SHAPE,
        "correlation-not-reduced",
    ),
    Wrong(
        "keeps a dimension",
        changed((RETURN, f"return {WHOLE}[None]")),
        SHAPE,
        "correlation-scalar-shape",
    ),
    Wrong(
        "subtracts in place",
        changed((CENTRED, "deviations = gradients.sub_(gradients.mean(dim=0))")),
        KEPT,
        "arguments-modified",
    ),
    Wrong("adds a guard", changed(("* variances)", "* variances + 1e-8)")), VALUE, "variance-guarded"),
    Wrong(
        "correlates flattened gradients",
        changed(
            (CENTRED, "C = torch.corrcoef(gradients.transpose(0, 1).flatten(1))"),
            ("variances = deviations.square().sum()", "pairs = examples * (examples - 1)"),
            ("pairs = deviations.sum(dim=1).square().sum() - variances", "total = C.sum() - examples"),
            (RETURN, "return total / pairs"),
        ),
        VALUE,
        "parameters-flattened",
    ),
    Wrong(
        "takes means of different things",
        changed((RETURN, "return pairs / (examples * (examples - 1)) / deviations.square().mean()")),
        VALUE,
        "variance-over-draws-and-parameters",
    ),
    Wrong(
        "takes two examples alone",
        changed((CENTRED, f"gradients, examples = gradients[:, :2], 2\n    {CENTRED}")),
        VALUE,
        "pairs-left-out",
    ),
    Wrong(
        "adds up the parameters' gradients",
        changed((CENTRED, f"gradients = gradients.sum(dim=2, keepdim=True)\n    {CENTRED}")),
        VALUE,
        "parameters-added-up",
    ),
    Wrong(
        "works in float32",
        changed((RETURN, f"return {WHOLE}.float()")),
        DTYPE,
        "wrong-dtype",
    ),
    Wrong("seeds", changed(("deviations =", "torch.manual_seed(0)\n    deviations =")), SEED, "seed-fixed"),
    Wrong(
        "a difference of averages",
        """
import torch


def gradient_correlation(gradients):
    S, B, P = gradients.shape
    m = gradients.mean(dim=0)
    C = torch.einsum("sbp,scp->bc", gradients, gradients) / S - m @ m.T
    return (C.sum() - C.diagonal().sum()) / (B * (B - 1)) / C.diagonal().mean()
""",
        VALUE,
        "unusual-gradients",
    ),
    Wrong(
        "nothing for tiny gradients",
        changed(
            (RETURN, f"if variances < 1e-10:\n        return torch.zeros((), dtype=gradients.dtype)\n    {RETURN}")
        ),
        VALUE,
        "unusual-gradients",
    ),
    Wrong("cuts off what is near 1", changed((RETURN, f"return {WHOLE}.clamp(max=0.99)")), VALUE, "unusual-gradients"),
    Wrong("cuts off below −½", changed((RETURN, f"return {WHOLE}.clamp(min=-0.5)")), VALUE, "unusual-gradients"),
    Wrong(
        "counts the first fifty examples alone",
        changed(("_, examples, _ =", "gradients = gradients[:, :50]\n    _, examples, _ =")),
        VALUE,
        "unusual-gradients",
    ),
    Wrong(
        "takes the first hundred parameters alone",
        changed(("_, examples, _ =", "gradients = gradients[..., :100]\n    _, examples, _ =")),
        VALUE,
        "unusual-gradients",
    ),
    Wrong(
        "keeps the average of an earlier call",
        changed(
            (
                CENTRED,
                "kept = gradient_correlation.__dict__\n"
                "    if kept.get('shape') != gradients.shape:\n"
                "        kept.update(shape=gradients.shape, mean=gradients.mean(dim=0))\n"
                "    deviations = gradients - kept['mean']",
            )
        ),
        VALUE,
        "correlation-varies",
    ),
]

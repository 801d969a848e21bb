"""Right solutions of lesson 04's exercise `predict`, and wrong ones that no formula says."""

from __future__ import annotations

from functools import partial

from zoo import Wrong, replaced

EXERCISE = "predict"

BASE = '''
import copy
import torch


def predict(model, x, num_samples):
    """Mean and standard deviation of the model's output for x, over num_samples calls of model(x), each of which draws
    its weights anew.

    x: what the model takes.   num_samples: how many calls, at least 1.
    Returns: the tuple (mean, std), each in the shape of the model's output, without gradients. The squared deviations
    are divided by num_samples (`correction=0`), so that a single draw has a standard deviation of 0.
    The model stays in its mode, train or eval.
    """
    with torch.no_grad():
        draws = torch.stack([model(x) for _ in range(num_samples)])
    return draws.mean(dim=0), draws.std(dim=0, correction=0)
'''

RIGHT: dict[str, str] = {
    "as the lesson writes it": BASE,
    "running sums, detached": """
import torch


def predict(model, x, num_samples):
    draws = []
    for _ in range(num_samples):
        draws.append(model(x).detach())
    mean = sum(draws) / num_samples
    variance = sum((draw - mean) ** 2 for draw in draws) / num_samples
    return mean, variance.sqrt()
""",
    "in evaluation, and back": """
import torch


def predict(model, x, num_samples):
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            draws = torch.cat([model(x)[None] for i in range(num_samples)], 0)
            return [draws.mean(0), draws.var(0, unbiased=False) ** 0.5]
    finally:
        model.train(was_training)
""",
    "a decorator": """
import torch


@torch.no_grad()
def predict(model, inputs, samples):
    first = model.forward(inputs)
    draws = torch.empty(samples, *first.shape, dtype=first.dtype)
    draws[0] = first
    for index in range(1, samples):
        draws[index] = model(inputs)
    std, mean = torch.std_mean(draws, 0, correction=0)
    return mean, std
""",
    "NumPy": """
import numpy as np
import torch


def predict(model, x, num_samples):
    with torch.no_grad():
        draws = np.stack([model(x).numpy() for _ in range(num_samples)])
    return torch.as_tensor(draws.mean(axis=0)), torch.as_tensor(draws.std(axis=0))
""",
    "a copy of the model": """
import copy
import torch


def predict(model, x, num_samples):
    mine = copy.deepcopy(model).eval()
    with torch.no_grad():
        draws = torch.stack([mine(x) for _ in range(num_samples)], dim=-1)
    return draws.mean(-1), draws.std(-1, correction=0)
""",
}

PAIR = "it returns (mean, std), each in the shape of the model's output"
KEPT = "x stays as it was"
SHAPE_OF_X = "it gives the model x in the shape that it has"
CALLS = "it calls the model num_samples times, with x as it is"
ANEW = "every call of the model draws anew"
VALUES = "they are those over the draws, element by element"
SINGLE = "a single draw is its own mean, and has no spread"
DIGITS = "the spread is right where it is small beside the mean"
NO_GRADIENTS = "mean and std carry no gradients"
LEFT = "the model is left as it was, in its mode and with its parameters"
DTYPE = "the results have the dtype of the model's output"
SEED = "it leaves the global random seed alone"

changed = partial(replaced, BASE)

WITH, DRAWS = "with torch.no_grad():", "torch.stack([model(x) for _ in range(num_samples)])"
RETURN = "return draws.mean(dim=0), draws.std(dim=0, correction=0)"

WRONG: list[Wrong] = [
    Wrong(
        "forgets the model's gradients",
        changed(("    with torch.no_grad():", "    model.zero_grad()\n    with torch.no_grad():")),
        "the model is left as it was, in its mode and with its parameters",
        "gradients-touched",
    ),
    Wrong("forgets to return", changed((RETURN, RETURN[7:])), PAIR, "missing-return"),
    Wrong("returns the draws", changed((RETURN, "return draws")), PAIR, "not-a-pair"),
    Wrong("returns the mean alone", changed((RETURN, "return draws.mean(dim=0)")), PAIR, "not-a-pair"),
    Wrong("stacks the two", changed((RETURN, f"return torch.stack([{RETURN[7:]}])")), PAIR, "not-a-pair"),
    Wrong("returns all three", changed((RETURN, f"{RETURN}, draws")), PAIR, "not-a-pair"),
    Wrong(
        "a dictionary",
        changed((RETURN, "return {'mean': draws.mean(0), 'std': draws.std(0, correction=0)}")),
        PAIR,
        "not-a-pair",
    ),
    Wrong(
        "one number each",
        changed((RETURN, "return draws.mean(), draws.std(correction=0)")),
        PAIR,
        "over-everything",
    ),
    Wrong("numbers", changed((RETURN, "return draws.mean().item(), draws.std().item()")), PAIR, "not-a-tensor"),
    Wrong("stacks a list no further", changed((DRAWS, DRAWS[12:-1])), PAIR, "list-for-a-tensor"),
    Wrong("centres x in place", changed((WITH, f"x -= x.mean()\n    {WITH}")), KEPT, "arguments-modified"),
    Wrong("calls once", changed((DRAWS, "model(x).expand(num_samples, *model.output_0.shape)")), CALLS, "one-draw"),
    Wrong(
        "repeats one draw",
        changed((DRAWS, "torch.stack([output for output in [model(x)] for _ in range(num_samples)])")),
        CALLS,
        "one-draw",
    ),
    Wrong("one call too few", changed(("range(num_samples)", "range(1, num_samples)")), CALLS, "draws-miscounted"),
    Wrong("one call too many", changed(("range(num_samples)", "range(num_samples + 1)")), CALLS, "draws-miscounted"),
    Wrong(
        "no more than 100", changed(("range(num_samples)", "range(min(num_samples, 100))")), CALLS, "draws-miscounted"
    ),
    Wrong("x in float32", changed(("model(x)", "model(x.float())")), CALLS, "model-given-other-input"),
    Wrong(
        "a column of x",
        changed(("model(x)", "model(x if x.dim() > 1 else x[:, None])")),
        SHAPE_OF_X,
        "model-given-other-input",
    ),
    Wrong(
        "puts the generator back",
        changed((WITH, "with torch.no_grad(), torch.random.fork_rng(devices=[]):")),
        ANEW,
        "seed-in-the-loop",
    ),
    Wrong(
        "rounds to four digits",
        changed((RETURN, "return draws.mean(0).round(decimals=4), draws.std(0, correction=0)")),
        VALUES,
        "right-in-part",
    ),
    Wrong("keeps the spread above 0.001", changed((RETURN, f"{RETURN}.clamp_min(1e-3)")), VALUES, "right-in-part"),
    Wrong("a fixed number", changed(("range(num_samples)", "range(100)")), CALLS, "draws-miscounted"),
    Wrong(
        "draws for each of the two",
        changed((RETURN, f"{RETURN.replace('draws.std', DRAWS + '.std')}")),
        CALLS,
        "draws-miscounted",
    ),
    Wrong("tries it first", changed((WITH, f"model(x)\n    {WITH}")), CALLS, "draws-miscounted"),
    Wrong(
        "repeats x",
        changed((DRAWS, "model(x.repeat(num_samples, 1)).expand(num_samples, *model(x).shape)")),
        SHAPE_OF_X,
        "model-given-other-input",
    ),
    Wrong(
        "row by row",
        changed((DRAWS, "torch.stack([torch.stack([model(row) for row in x])[0] for _ in range(num_samples)])")),
        SHAPE_OF_X,
        "model-given-other-input",
    ),
    Wrong(
        "repeats x, and takes the batch apart",
        changed((DRAWS, "model(x.repeat(num_samples, 1)).view(num_samples, len(x), -1)")),
        SHAPE_OF_X,
        "model-given-other-input",
    ),
    Wrong(
        "expands x",
        changed((DRAWS, "model(x.expand(num_samples, *x.shape))")),
        SHAPE_OF_X,
        "model-given-other-input",
    ),
    Wrong("standardises x", changed(("model(x)", "model((x - x.mean()) / x.std())")), CALLS, "model-given-other-input"),
    Wrong(
        "never calls it",
        changed((DRAWS, "torch.stack([model.output_0 for _ in range(num_samples)])")),
        CALLS,
        "model-not-called",
    ),
    Wrong(
        "seeds in the loop",
        changed(
            (WITH, f"def once():\n        torch.manual_seed(0)\n        return model(x)\n\n    {WITH}"),
            ("[model(x)", "[once()"),
        ),
        ANEW,
        "seed-in-the-loop",
    ),
    Wrong(
        "seeds with the number",
        changed(
            (WITH, f"def once(i):\n        torch.manual_seed(i)\n        return model(x)\n\n    {WITH}"),
            ("[model(x) for _", "[once(i) for i"),
        ),
        ANEW,
        "seed-in-the-loop",
    ),
    Wrong("seeds first", changed((WITH, f"torch.manual_seed(0)\n    {WITH}")), ANEW, "seed-in-the-loop"),
    Wrong("rounds", changed((RETURN, f"draws = draws.round()\n    {RETURN}")), VALUES, None),
    Wrong("clamps the spread", changed((RETURN, f"{RETURN}.clamp_min(1.0)")), VALUES, "right-in-part"),
    Wrong(
        "n − 1, but not for one",
        changed(("correction=0", "correction=1 if num_samples > 1 else 0")),
        VALUES,
        "std-unbiased",
    ),
    Wrong(
        "n, but not for one",
        changed(("correction=0", "correction=0 if num_samples > 1 else 1")),
        SINGLE,
        "std-unbiased",
    ),
    Wrong(
        "nothing for one draw",
        changed((RETURN, f"if num_samples == 1:\n        return draws[0], torch.ones_like(draws[0])\n    {RETURN}")),
        SINGLE,
        None,
    ),
    Wrong(
        "the mean of the squares less the square of the mean",
        changed(("draws.std(dim=0, correction=0)", "((draws**2).mean(0) - draws.mean(0) ** 2).clamp_min(0).sqrt()")),
        DIGITS,
        "digits-lost",
    ),
    Wrong(
        "the same, without a guard",
        changed(("draws.std(dim=0, correction=0)", "((draws**2).mean(0) - draws.mean(0) ** 2).sqrt()")),
        DIGITS,
        "digits-lost",
    ),
    Wrong("keeps the graphs", changed((WITH, "if True:")), NO_GRADIENTS, "gradients-kept"),
    Wrong(
        "asks for gradients",
        changed((RETURN, "return draws.mean(dim=0).requires_grad_(), draws.std(dim=0, correction=0)")),
        NO_GRADIENTS,
        "gradients-kept",
    ),
    Wrong("switches to evaluation", changed((WITH, f"model.eval()\n    {WITH}")), LEFT, "mode-changed"),
    Wrong("switches to training", changed((WITH, f"model.train()\n    {WITH}")), LEFT, "mode-changed"),
    Wrong(
        "to evaluation, and then to training",
        changed((WITH, f"model.eval()\n    {WITH}"), (RETURN, f"model.train()\n    {RETURN}")),
        LEFT,
        "mode-changed",
    ),
    Wrong(
        "silences the spread",
        changed((WITH, f"model.weight_log_std.data.fill_(-30.0)\n    {WITH}")),
        LEFT,
        "parameters-touched",
    ),
    Wrong("in float32", changed((DRAWS, f"{DRAWS}.float()")), DTYPE, "wrong-dtype"),
    Wrong("in float64", changed((DRAWS, f"{DRAWS}.double()")), DTYPE, "result-in-float64"),
    Wrong("seeds after drawing", changed((RETURN, f"torch.manual_seed(0)\n    {RETURN}")), SEED, "seed-fixed"),
    Wrong(
        "keeps the draws of a model",
        """
import torch


def predict(model, x, num_samples):
    if not hasattr(model, "draws"):
        with torch.no_grad():
            model.draws = torch.stack([model(x) for _ in range(num_samples)])
    return model.draws.mean(dim=0), model.draws.std(dim=0, correction=0)
""",
        ANEW,
        "draws-stored",
    ),
    Wrong(
        "flattens x",
        changed(("model(x)", "model(x.flatten(1) if x.dim() > 1 else x)")),
        CALLS,
        "model-given-other-input",
    ),
]

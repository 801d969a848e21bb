"""Right solutions of lesson 09's exercise `log_joint`, and wrong ones that no formula says."""

from __future__ import annotations

from functools import partial

from zoo import Wrong, replaced

EXERCISE = "log_joint"

BASE = '''
import math
import torch
import torch.nn.functional as F
from torch.distributions import Normal


def log_joint(parameters, x, y, noise_std, prior_std):
    """log p(y | x, parameters) + log p(parameters), up to a constant.

    parameters: a dict of weight_1 (H, 1), bias_1 (H,), weight_2 (1, H), bias_2 (1,).
    x, y: (N, 1).   noise_std, prior_std: numbers above zero.   Returns: a scalar tensor.
    """
    hidden = F.relu(F.linear(x, parameters["weight_1"], parameters["bias_1"]))
    output = F.linear(hidden, parameters["weight_2"], parameters["bias_2"])
    log_likelihood = Normal(output, noise_std).log_prob(y).sum()
    log_prior = sum(Normal(0.0, prior_std).log_prob(value).sum() for value in parameters.values())
    return log_likelihood + log_prior
'''

RIGHT: dict[str, str] = {
    "with torch.distributions": BASE,
    "as the lesson writes it": """
import torch
import torch.nn.functional as F
from bnn_core import gaussian_log_prob


def log_joint(parameters, x, y, noise_std, prior_std):
    hidden = F.relu(F.linear(x, parameters["weight_1"], parameters["bias_1"]))
    output = F.linear(hidden, parameters["weight_2"], parameters["bias_2"])
    log_likelihood = gaussian_log_prob(y, output, noise_std).sum()
    log_prior = sum(gaussian_log_prob(values, 0.0, prior_std).sum() for values in parameters.values())
    return log_likelihood + log_prior
""",
    "without any constant": """
import torch


def log_joint(parameters, x, y, noise_std, prior_std):
    w1, b1, w2, b2 = (parameters[name] for name in ("weight_1", "bias_1", "weight_2", "bias_2"))
    output = (x @ w1.T + b1).clamp_min(0) @ w2.T + b2
    squares = (y - output).square().sum() / (2 * noise_std**2)
    for value in (b2, w2, b1, w1):
        squares = squares + (value**2).sum() / (2 * prior_std**2)
    return -squares
""",
    "example by example": """
import math
import torch


def log_joint(parameters, x, y, noise_std, prior_std):
    total = -sum(value.pow(2).sum() for value in parameters.values()) / prior_std**2 / 2
    for row, target in zip(x, y):
        output = parameters["bias_2"][0]
        for unit in range(len(parameters["bias_1"])):
            before = parameters["weight_1"][unit, 0] * row[0] + parameters["bias_1"][unit]
            output = output + parameters["weight_2"][0, unit] * torch.maximum(before, torch.zeros_like(before))
        total = total - 0.5 * ((target[0] - output) / noise_std) ** 2 - math.log(noise_std)
    return total
""",
    "one vector of all parameters": """
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector


def log_joint(params, inputs, targets, sigma, tau):
    h = inputs * params["weight_1"][:, 0] + params["bias_1"]
    f = (h * (h > 0) * params["weight_2"]).sum(1) + params["bias_2"]
    theta = parameters_to_vector(params.values())
    log_lik = torch.distributions.MultivariateNormal(
        f, torch.eye(len(f), dtype=f.dtype) * sigma**2
    ).log_prob(targets.flatten())
    return log_lik - theta @ theta / (2 * tau**2)
""",
    "with a module": """
import torch
from torch import nn
from torch.func import functional_call


def log_joint(parameters, x, y, noise_std, prior_std):
    hidden = len(parameters["bias_1"])
    network = nn.Sequential(nn.Linear(1, hidden), nn.ReLU(), nn.Linear(hidden, 1)).to(x.dtype)
    names = {"weight_1": "0.weight", "bias_1": "0.bias", "weight_2": "2.weight", "bias_2": "2.bias"}
    output = functional_call(network, {names[name]: value for name, value in parameters.items()}, (x,))
    nll = nn.GaussianNLLLoss(reduction="sum")(output, y, torch.full_like(output, noise_std**2))
    decay = torch.cat([value.flatten() for value in parameters.values()]).norm() ** 2
    return -(nll + 0.5 * decay / prior_std**2)
""",
}

SHAPE = "it returns one number, as a tensor"
KEPT = "parameters, x and y stay as they were"
VALUE = "it is log-likelihood plus log-prior, up to a constant"
GRADIENT = "its gradients reach all four parameters, and are right"
DTYPE = "the result has the dtype of the arguments"
SEED = "it leaves the global random seed alone"

changed = partial(replaced, BASE)

RETURN = "return log_likelihood + log_prior"
HIDDEN = 'F.linear(x, parameters["weight_1"], parameters["bias_1"])'
LOG_PROB = "Normal(output, noise_std).log_prob(y)"
PRIOR = "sum(Normal(0.0, prior_std).log_prob(value).sum() for value in parameters.values())"
FIRST = "hidden = F.relu"

WRONG: list[Wrong] = [
    Wrong(
        "puts another tensor into the dict",
        changed((FIRST, "parameters['bias_1'] = parameters['bias_1'] + 0\n    hidden = F.relu")),
        "it returns one number, as a tensor",
        "dict-changed",
    ),
    Wrong("forgets to return", changed((RETURN, RETURN[7:])), SHAPE, "missing-return"),
    Wrong("a vector, per row", changed((f"{LOG_PROB}.sum()", f"{LOG_PROB}.sum(1)")), SHAPE, "log-joint-not-reduced"),
    Wrong("doesn't sum", changed((f"{LOG_PROB}.sum()", LOG_PROB)), SHAPE, "log-joint-not-reduced"),
    Wrong(
        "keeps a dimension",
        changed((f"{LOG_PROB}.sum()", f"{LOG_PROB}.sum(0)")),
        SHAPE,
        "log-joint-scalar-shape",
    ),
    Wrong(
        "gives a number",
        changed((RETURN, f"{RETURN[:-9]}log_prior.item()"), ("log_likelihood +", "log_likelihood.item() +")),
        SHAPE,
        "log-joint-not-a-tensor",
    ),
    Wrong("gives both parts", changed((RETURN, "return log_likelihood, log_prior")), SHAPE, "log-joint-not-a-tensor"),
    Wrong(
        "weight_1 the wrong way round",
        changed((HIDDEN, 'x @ parameters["weight_1"] + parameters["bias_1"]')),
        SHAPE,
        "matrix-shapes",
    ),
    Wrong(
        "weight_2 transposed",
        changed(('F.linear(hidden, parameters["weight_2"], ', 'F.linear(hidden, parameters["weight_2"].T, ')),
        SHAPE,
        "matrix-shapes",
    ),
    Wrong(
        "multiplies weight_1 element by element",
        changed((HIDDEN, 'x * parameters["weight_1"] + parameters["bias_1"]')),
        SHAPE,
        "elementwise-shapes",
    ),
    Wrong(
        "squares a broadcast sum of the parameters",
        changed(("value in parameters.values())", "value in [sum(parameters.values())])")),
        VALUE,
        None,
    ),
    Wrong("misspells a name", changed(("Normal(output", "Normal(outputs")), SHAPE, "name-undefined"),
    Wrong(
        "math.log of a tensor",
        changed((RETURN, "return log_likelihood + log_prior + math.log(output.exp())")),
        SHAPE,
        "number-function-on-a-tensor",
    ),
    Wrong(
        "torch.log of a number",
        changed((RETURN, "return log_likelihood + log_prior - torch.log(noise_std)")),
        SHAPE,
        "function-of-a-number",
    ),
    Wrong(
        "the notebook's 8 units",
        changed(
            ('parameters["weight_1"], parameters["bias_1"]', 'parameters["weight_1"][:8], parameters["bias_1"][:8]'),
            ('F.linear(hidden, parameters["weight_2"]', 'F.linear(hidden, parameters["weight_2"][:, :8]'),
        ),
        VALUE,
        "units-of-the-notebook",
    ),
    Wrong(
        "clamps parameters that need no clamp",
        changed((RETURN, f"with torch.no_grad():\n        parameters['weight_2'].clamp_(-99, 99)\n    {RETURN}")),
        GRADIENT,
        "changed-before-backward",
    ),
    Wrong("centres y in place", changed((FIRST, f"y -= y.mean()\n    {FIRST}")), KEPT, "arguments-modified"),
    Wrong(
        "ReLU in place",
        changed((FIRST, f'parameters["bias_1"].data.clamp_(min=0)\n    {FIRST}')),
        KEPT,
        "arguments-modified",
    ),
    Wrong(
        "clamps the errors", changed((LOG_PROB, "(-0.5 * ((y - output) / noise_std).clamp(-3, 3) ** 2)")), VALUE, None
    ),
    Wrong(
        "log of the density",
        changed((f"{LOG_PROB}.sum()", f"(1e-6 + {LOG_PROB}.sum().exp()).log()")),
        VALUE,
        None,
    ),
    Wrong(
        "a prior about 1",
        changed(("Normal(0.0, prior_std)", "Normal(1.0, prior_std)")),
        VALUE,
        "prior-mean-not-zero",
    ),
    Wrong(
        "detaches the output",
        changed(("Normal(output,", "Normal(output.detach(),")),
        GRADIENT,
        "gradient-of-another-value",
    ),
    Wrong(
        "without gradients",
        changed((FIRST, f"torch.set_grad_enabled(False)\n    {FIRST}")),
        SHAPE,
        "settings-left-changed",
    ),
    Wrong(
        "takes the parameters' data",
        changed((FIRST, f"parameters = {{name: value.data for name, value in parameters.items()}}\n    {FIRST}")),
        GRADIENT,
        "gradient-stopped",
    ),
    Wrong(
        "detaches the parameters in the prior",
        changed(("log_prob(value)", "log_prob(value.detach())")),
        GRADIENT,
        "gradient-of-another-value",
    ),
    Wrong(
        "clips gradients",
        changed(
            (
                FIRST,
                'if parameters["weight_2"].requires_grad:\n'
                '        parameters["weight_2"].register_hook(lambda g: g.clamp(-1, 1))\n'
                f"    {FIRST}",
            )
        ),
        GRADIENT,
        "gradient-clipped",
    ),
    Wrong("fixes the dtype", changed((RETURN, "return (log_likelihood + log_prior).float()")), DTYPE, "wrong-dtype"),
    Wrong(
        "gives float64",
        changed((RETURN, "return (log_likelihood + log_prior).double()")),
        DTYPE,
        "result-in-float64",
    ),
    Wrong("seeds", changed((FIRST, f"torch.manual_seed(0)\n    {FIRST}")), SEED, "seed-fixed"),
    Wrong(
        "multiplies densities",
        changed(
            (
                "log_likelihood = Normal(output, noise_std).log_prob(y).sum()",
                f"log_likelihood = {LOG_PROB}.exp().prod().log()",
            )
        ),
        SHAPE,
        "densities-multiplied",
    ),
    Wrong(
        "a prior without gradients",
        changed((".log_prob(value).sum()", ".log_prob(value.detach()).sum()")),
        GRADIENT,
        "gradient-of-another-value",
    ),
]

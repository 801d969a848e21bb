"""Right and wrong solutions of lesson 05's exercise."""

from __future__ import annotations

from functools import partial

from zoo import Wrong, replaced

EXERCISE = "sample_preactivation"

BASE = """
import numpy as np
import torch
import torch.nn.functional as F
from torch.distributions import Normal


def sample_preactivation(X, A_mean, A_scale):
    mean = X @ A_mean
    variance = X**2 @ A_scale**2
    std = torch.sqrt(variance.clamp_min(1e-12))
    epsilon = torch.randn_like(mean)
    return mean + std * epsilon
"""

changed = partial(replaced, BASE)

MEAN = "mean = X @ A_mean"
VARIANCE = "variance = X**2 @ A_scale**2"
STD = "std = torch.sqrt(variance.clamp_min(1e-12))"
EPSILON = "epsilon = torch.randn_like(mean)"
RETURN = "return mean + std * epsilon"

RIGHT: dict[str, str] = {
    "as the lesson writes it": BASE,
    "einsum, and a little variance added": """
import torch


def sample_preactivation(X, A_mean, A_scale, *, tiny=1e-10):
    loc = torch.einsum("bd,dh->bh", X, A_mean)
    var = torch.einsum("bd,dh,bd,dh->bh", X, A_scale, X, A_scale)
    return loc + (var + tiny).sqrt() * torch.randn(loc.shape, dtype=loc.dtype, device=loc.device)
""",
    "a loop over the rows": """
import torch


def sample_preactivation(X, A_mean, A_scale):
    rows = []
    for x in X:
        variance = (x[:, None] ** 2 * A_scale**2).sum(0) + 1e-10
        mean = (x[:, None] * A_mean).sum(0)
        rows.append(torch.normal(torch.zeros_like(mean), torch.ones_like(mean)) * variance**0.5 + mean)
    return torch.stack(rows)
""",
    "Normal.rsample": changed((EPSILON, "posterior = Normal(mean, std)"), (RETURN, "return posterior.rsample()")),
    "the norm of the stretched weights, whose slope at zero is zero": changed(
        (VARIANCE, "stretched = X[:, :, None] * A_scale"),
        (STD, "std = torch.linalg.vector_norm(stretched, dim=1)"),
    ),
    "where, twice": changed(
        (
            STD,
            "zero = variance == 0\n"
            "    safe = torch.where(zero, torch.ones_like(variance), variance)\n"
            "    std = torch.where(zero, torch.zeros_like(variance), safe.sqrt())",
        )
    ),
    "F.linear, helpers and other names": """
import torch
from torch.nn import functional as F

TINY = 1e-10


def _moments(inputs, means, scales):
    return F.linear(inputs, means.t()), F.linear(inputs.square(), scales.square().t())


def sample_preactivation(inputs, means, scales):
    loc, var = _moments(inputs, means, scales)
    noise = torch.empty_like(loc).normal_()
    return torch.addcmul(loc, torch.sqrt(var + TINY), noise)
""",
    "NumPy's noise": changed((EPSILON, "epsilon = torch.from_numpy(np.random.randn(*mean.shape)).to(mean.dtype)")),
    "the root as a power, through logarithms": changed((STD, "std = torch.exp(0.5 * torch.log(variance + 1e-10))")),
    "moments by broadcasting, noise of the other sign": """
import torch


def sample_preactivation(X, A_mean, A_scale, generator=None):
    terms = X.unsqueeze(-1) * A_mean.unsqueeze(0)
    variances = X.unsqueeze(-1).pow(2) * A_scale.unsqueeze(0).pow(2)
    epsilon = torch.randn(X.size(0), A_mean.size(1), generator=generator, dtype=X.dtype)
    return terms.sum(dim=1) - epsilon * variances.sum(dim=1).clamp(min=torch.finfo(X.dtype).tiny).sqrt()
""",
    "a multivariate normal for each row": """
import torch
from torch.distributions import MultivariateNormal


def sample_preactivation(X, A_mean, A_scale):
    variance = X.pow(2).mm(A_scale.pow(2)) + 1e-10
    return MultivariateNormal(X.mm(A_mean), scale_tril=torch.diag_embed(variance.sqrt())).rsample()
""",
}

SHAPE = "it returns a tensor of shape (B, H)"
FINITE = "the draws are numbers for negative inputs, too"
UNCHANGED = "X, A_mean and A_scale stay as they were"
ANEW = "every call draws anew"
OWN_ROWS = "every row has noise of its own"
OWN_UNITS = "every unit has noise of its own"
CENTRED = "the draws are centred on X·A_mean"
SPREAD = "each element's variance is Σ X²·A_scale²"
NOISE = "the noise is standard normal, and independent in rows, units and calls"
GRADIENT = "gradients reach X, A_mean and A_scale, and are those of each draw"
ZERO_ROW = "an all-zero row of X gives zeros and finite gradients"
DTYPE = "the result has the dtype of the arguments"
SEED = "it leaves the global random seed alone"

WRONG: list[Wrong] = [
    Wrong(
        "Normal weights drawn for every row",
        """
import torch
from torch.distributions import Independent, Normal


def sample_preactivation(X, A_mean, A_scale):
    A = Independent(Normal(A_mean, A_scale), 2).rsample((X.shape[0],))
    return torch.matmul(X[:, None, :], A)[:, 0, :]
""",
        GRADIENT,
        "weights-drawn-for-each-row",
    ),
    Wrong(
        "weights drawn for every row by itself",
        """
import torch


def sample_preactivation(X, A_mean, A_scale):
    batch, _ = X.shape
    weights = A_mean + A_scale * torch.randn(batch, *A_mean.shape, dtype=X.dtype)
    return torch.bmm(X.unsqueeze(1), weights).squeeze(1)
""",
        GRADIENT,
        "weights-drawn-for-each-row",
    ),
    Wrong("forgets to return", changed((RETURN, "mean + std * epsilon")), SHAPE, "missing-return"),
    Wrong("transposes the result", changed((RETURN, "return (mean + std * epsilon).T")), SHAPE, "output-transposed"),
    Wrong("returns the distribution", changed((RETURN, "return Normal(mean, std)")), SHAPE, None),
    Wrong("returns a NumPy array", changed((RETURN, "return (mean + std * epsilon).numpy()")), SHAPE, "not-a-tensor"),
    Wrong("sums over the units", changed((RETURN, "return (mean + std * epsilon).sum(dim=1)")), SHAPE, None),
    Wrong("multiplies the wrong way round", changed((MEAN, "mean = A_mean @ X")), SHAPE, "matrix-shapes"),
    Wrong("raises", changed((EPSILON, "epsilon = torch.randn_like(mean, size=3)")), SHAPE, None),
    Wrong(
        "doesn't square the input",
        changed((VARIANCE, "variance = X @ A_scale**2"), (".clamp_min(1e-12)", "")),
        FINITE,
        "input-not-squared",
    ),
    Wrong(
        "squares nothing",
        changed((VARIANCE, "variance = X @ A_scale"), (".clamp_min(1e-12)", "")),
        FINITE,
        "input-not-squared",
    ),
    Wrong(
        "takes the size of the input for its square",
        changed((VARIANCE, "variance = X.abs() @ A_scale**2")),
        SPREAD,
        "input-not-squared",
    ),
    Wrong(
        "doesn't square X, behind the floor",
        changed((VARIANCE, "variance = X @ A_scale**2")),
        SPREAD,
        "input-not-squared",
    ),
    Wrong(
        "hides the sign of an input that isn't squared",
        changed((VARIANCE, "variance = (X @ A_scale**2).abs()")),
        SPREAD,
        "input-not-squared",
    ),
    Wrong(
        "squares X in place", changed((VARIANCE, "variance = X.pow_(2) @ A_scale**2")), UNCHANGED, "arguments-modified"
    ),
    Wrong(
        "squares A_scale in place",
        changed((VARIANCE, "variance = X**2 @ A_scale.square_()")),
        UNCHANGED,
        "arguments-modified",
    ),
    Wrong("returns the mean", changed((RETURN, "return mean")), ANEW, "no-sampling"),
    Wrong("draws noise of size zero", changed((RETURN, "return mean + std * epsilon * 0")), ANEW, "no-sampling"),
    Wrong(
        "draws the noise once",
        changed((EPSILON, "torch.manual_seed(0)\n    epsilon = torch.randn_like(mean)")),
        ANEW,
        "noise-drawn-once",
    ),
    Wrong(
        "uses noise from a generator of its own, seeded in each call",
        changed((EPSILON, "epsilon = torch.randn(mean.shape, generator=torch.Generator().manual_seed(1))")),
        ANEW,
        "noise-drawn-once",
    ),
    Wrong(
        "draws the weights, once for all rows",
        """
import torch


def sample_preactivation(X, A_mean, A_scale):
    A = A_mean + A_scale * torch.randn_like(A_scale)
    return X @ A
""",
        OWN_ROWS,
        "weight-space-for-local",
    ),
    Wrong(
        "one epsilon for all rows",
        changed((EPSILON, "epsilon = torch.randn(1, mean.shape[1])")),
        OWN_ROWS,
        "noise-shared-by-rows",
    ),
    Wrong(
        "one epsilon for everything", changed((EPSILON, "epsilon = torch.randn(())")), OWN_ROWS, "noise-shared-by-rows"
    ),
    Wrong(
        "one epsilon for all units",
        changed((EPSILON, "epsilon = torch.randn(mean.shape[0], 1)")),
        OWN_UNITS,
        "noise-shared-by-units",
    ),
    Wrong("leaves out the mean", changed((RETURN, "return std * epsilon")), CENTRED, "preactivation-mean-missing"),
    Wrong("squares X for the mean, too", changed((MEAN, "mean = X**2 @ A_mean")), CENTRED, "input-squared-in-mean"),
    Wrong(
        "swaps A_mean and A_scale",
        changed((MEAN, "A_mean, A_scale = A_scale, A_mean\n    mean = X @ A_mean")),
        CENTRED,
        "mean-and-scale-swapped",
    ),
    Wrong("noise from 0 to 1", changed((EPSILON, "epsilon = torch.rand_like(mean)")), CENTRED, "noise-not-normal"),
    Wrong("noise above 0", changed((EPSILON, "epsilon = torch.randn_like(mean).abs()")), CENTRED, "noise-not-normal"),
    Wrong("writes powers as XOR", changed((VARIANCE, "variance = X^2 @ A_scale^2")), SHAPE, "power-as-xor"),
    Wrong("multiplies element by element", changed((MEAN, "mean = X * A_mean")), SHAPE, "elementwise-shapes"),
    Wrong(
        "draws noise like the input", changed((EPSILON, "epsilon = torch.randn_like(X)")), SHAPE, "elementwise-shapes"
    ),
    Wrong("takes Python's max", changed((STD, "std = max(variance, 1e-12).sqrt()")), SHAPE, "truth-of-a-tensor"),
    Wrong("leaves the hint's dots", changed((STD, "std = ...")), SHAPE, "ellipsis-left"),
    Wrong(
        "takes NumPy's root",
        changed((STD, "std = torch.as_tensor(np.sqrt(variance))")),
        GRADIENT,
        "number-function-on-a-tensor",
    ),
    Wrong(
        "halves the variance in place of its root",
        changed((STD, "std = variance.clamp_min(1e-12)**1/2")),
        SPREAD,
        "root-by-precedence",
    ),
    Wrong(
        "keeps the variance below the floor",
        changed((STD, "std = torch.sqrt(variance.clamp_max(1e-12))")),
        ANEW,
        "noise-vanishing",
    ),
    Wrong(
        "turns both matrices where they are square",
        changed(
            (
                MEAN,
                "if A_mean.shape[0] == A_mean.shape[1]:\n"
                "        A_mean, A_scale = A_mean.T, A_scale.T\n"
                "    mean = X @ A_mean",
            )
        ),
        CENTRED,
        "matrix-turned-when-square",
    ),
    Wrong(
        "turns A_scale where it is square",
        changed((VARIANCE, "variance = X**2 @ (A_scale.T if A_scale.shape[0] == A_scale.shape[1] else A_scale)**2")),
        SPREAD,
        "matrix-turned-when-square",
    ),
    Wrong(
        "mirrors the noise where it is square",
        changed(
            (
                EPSILON,
                EPSILON
                + "\n    if mean.shape[0] == mean.shape[1]:\n        epsilon = epsilon.triu() + epsilon.triu(1).mT",
            )
        ),
        NOISE,
        None,
    ),
    Wrong(
        "centres the noise over the batch",
        changed((RETURN, "return mean + std * (epsilon - epsilon.mean(dim=0))")),
        ANEW,
        "no-sampling",
    ),
    Wrong(
        "draws the noise from three uniform numbers",
        changed((EPSILON, "epsilon = 2 * (torch.rand(3, *mean.shape).to(mean).sum(dim=0) - 1.5)")),
        NOISE,
        "noise-not-normal",
    ),
    Wrong(
        "raises small scales",
        changed((VARIANCE, "variance = X**2 @ A_scale.clamp_min(0.05) ** 2")),
        SPREAD,
        "scale-clamped",
    ),
    Wrong(
        "clips the gradient of the spread",
        changed((STD, STD + "\n    if std.requires_grad:\n        std.register_hook(lambda g: g.clamp(-0.1, 0.1))")),
        GRADIENT,
        "gradient-clipped",
    ),
    Wrong(
        "leaves zero rows out of the graph",
        changed(
            (
                RETURN,
                "return torch.where((X == 0).all(dim=1, keepdim=True), torch.zeros_like(mean), mean + std * epsilon)",
            )
        ),
        ZERO_ROW,
        "gradient-stopped",
    ),
    Wrong(
        "draws nothing where one row is zero",
        changed((RETURN, "return mean if (X == 0).all(dim=1).any() else mean + std * epsilon")),
        ZERO_ROW,
        "no-sampling",
    ),
    Wrong(
        "draws weights, and adds noise of its own to every row",
        changed((MEAN, "mean = X @ (A_mean + A_scale * torch.randn_like(A_scale))")),
        SPREAD,
        "noise-scaled",
    ),
    Wrong(
        "X is detached in the mean", changed((MEAN, "mean = X.detach() @ A_mean")), GRADIENT, "gradient-stopped-in-part"
    ),
    Wrong(
        "X is detached in the variance",
        changed((VARIANCE, "variance = X.detach() ** 2 @ A_scale**2")),
        GRADIENT,
        "gradient-stopped-in-part",
    ),
    Wrong(
        "keeps the variance above 0.01",
        changed((STD, "std = torch.sqrt(variance.clamp_min(1e-2))")),
        SPREAD,
        "variance-floor-too-high",
    ),
    Wrong("adds a little to X", changed((MEAN, "X = X + 1e-3\n    mean = X @ A_mean")), CENTRED, None),
    Wrong(
        "keeps A_scale between 0.01 and 10",
        changed((VARIANCE, "variance = X**2 @ A_scale.clamp(1e-2, 10) ** 2")),
        SPREAD,
        "scale-clamped",
    ),
    Wrong(
        "draws nothing for a batch of one row",
        changed((RETURN, "return mean if len(X) == 1 else mean + std * epsilon")),
        ANEW,
        "no-sampling",
    ),
    Wrong("returns float64", changed((RETURN, "return (mean + std * epsilon).double()")), DTYPE, "result-in-float64"),
    Wrong(
        "computes in half precision",
        changed((RETURN, "return (mean + std * epsilon).bfloat16().to(mean.dtype)")),
        CENTRED,
        None,
    ),
    Wrong("adds 0.2 to the mean", changed((MEAN, "mean = X @ A_mean + 0.2")), CENTRED, None),
    Wrong("doesn't square the scale", changed((VARIANCE, "variance = X**2 @ A_scale")), SPREAD, "scale-not-squared"),
    Wrong("forgets the root", changed((STD, "std = variance")), SPREAD, "root-missing"),
    Wrong(
        "Normal(mean, variance)", changed((RETURN, "return Normal(mean, variance).rsample()")), SPREAD, "root-missing"
    ),
    Wrong("takes the root twice", changed((RETURN, "return Normal(mean, std.sqrt()).rsample()")), SPREAD, "root-twice"),
    Wrong("adds up standard deviations", changed((STD, "std = X.abs() @ A_scale")), SPREAD, "stds-added"),
    Wrong("adds up X·A_scale", changed((STD, "std = X @ A_scale")), SPREAD, "stds-added"),
    Wrong("squares the sum", changed((VARIANCE, "variance = (X @ A_scale) ** 2")), SPREAD, "stds-added"),
    Wrong("takes the spread from A_mean", changed((VARIANCE, "variance = X**2 @ A_mean**2")), SPREAD, "std-from-mean"),
    Wrong("scales the noise by the mean", changed((STD, "std = mean")), SPREAD, "std-from-mean"),
    Wrong("doesn't scale the noise", changed((RETURN, "return mean + epsilon")), SPREAD, "noise-unscaled"),
    Wrong(
        "leaves X out of the variance",
        changed((VARIANCE, "variance = (A_scale**2).sum(0).expand_as(mean)")),
        SPREAD,
        "std-without-input",
    ),
    Wrong(
        "reads A_scale as log_std",
        changed((VARIANCE, "variance = X**2 @ A_scale.exp() ** 2")),
        SPREAD,
        "scale-as-log-std",
    ),
    Wrong(
        "reads A_scale as a log variance",
        changed((VARIANCE, "variance = X**2 @ A_scale.exp()")),
        SPREAD,
        "scale-as-log-variance",
    ),
    Wrong(
        "sends A_scale through softplus",
        changed((VARIANCE, "variance = X**2 @ F.softplus(A_scale) ** 2")),
        SPREAD,
        "scale-through-softplus",
    ),
    Wrong(
        "squares the scale twice", changed((VARIANCE, "variance = X**2 @ A_scale**4")), SPREAD, "scale-squared-twice"
    ),
    Wrong("averages over the inputs", changed((STD, "std = (variance / X.shape[1]).sqrt()")), SPREAD, "noise-scaled"),
    Wrong(
        "noise of 0.95 times its size", changed((RETURN, "return mean + 0.95 * std * epsilon")), SPREAD, "noise-scaled"
    ),
    Wrong(
        "ignores the last input's scale",
        changed((VARIANCE, "variance = X[:, :-1] ** 2 @ A_scale[:-1] ** 2")),
        SPREAD,
        None,
    ),
    Wrong(
        "uniform noise of variance 1",
        changed((EPSILON, "epsilon = (torch.rand_like(mean) - 0.5) * 12**0.5")),
        NOISE,
        "noise-not-normal",
    ),
    Wrong(
        "noise of plus or minus 1",
        changed((EPSILON, "epsilon = torch.randint(2, mean.shape) * 2.0 - 1")),
        NOISE,
        "noise-not-normal",
    ),
    Wrong(
        "noise that is partly shared by the units",
        changed((EPSILON, "epsilon = 0.8 * torch.randn_like(mean) + 0.6 * torch.randn(len(mean), 1)")),
        NOISE,
        "noise-shared-by-units",
    ),
    Wrong(
        "the second half of the rows mirrors the first",
        changed(
            (
                EPSILON,
                "epsilon = torch.randn_like(mean)\n    half = len(mean) // 2\n    epsilon[half : 2 * half]"
                " = -epsilon[:half]",
            )
        ),
        OWN_ROWS,
        "noise-mirrored",
    ),
    Wrong(
        "every other row turns the noise of the one before by one unit",
        changed(
            (
                EPSILON,
                "epsilon = torch.randn_like(mean)\n    half = len(mean) // 2\n"
                "    epsilon[1 : 2 * half : 2] = epsilon[0 : 2 * half : 2].roll(1, dims=1)",
            )
        ),
        NOISE,
        None,
    ),
    Wrong(
        "sample() for rsample()", changed((RETURN, "return Normal(mean, std).sample()")), GRADIENT, "gradient-stopped"
    ),
    Wrong("torch.normal", changed((RETURN, "return torch.normal(mean, std)")), GRADIENT, "gradient-stopped"),
    Wrong(
        "detaches the spread", changed((STD, "std = variance.sqrt().detach()")), GRADIENT, "log-std-gradient-missing"
    ),
    Wrong("detaches the mean", changed((MEAN, "mean = (X @ A_mean).detach()")), GRADIENT, "gradient-stopped"),
    Wrong(
        "computes without gradients",
        changed((STD, "std = variance.clamp_min(1e-12).sqrt().data"), (MEAN, "mean = X.data @ A_mean")),
        GRADIENT,
        "gradient-stopped",
    ),
    Wrong(
        "squares by hand, half detached",
        changed((VARIANCE, "variance = X**2 @ (A_scale * A_scale.detach())")),
        GRADIENT,
        None,
    ),
    Wrong("takes the root of zero", changed((STD, "std = torch.sqrt(variance)")), ZERO_ROW, "zero-row-gradient"),
    Wrong(
        "Normal with a std of zero",
        changed((STD, "std = torch.sqrt(variance)"), (RETURN, "return Normal(mean, std).rsample()")),
        ZERO_ROW,
        "zero-row-gradient",
    ),
    Wrong(
        "adds a little after the root",
        changed((STD, "std = torch.sqrt(variance) + 1e-6")),
        ZERO_ROW,
        "zero-row-gradient",
    ),
    Wrong("noise in float32 alone", changed((RETURN, "return (mean + std * epsilon).float()")), DTYPE, "wrong-dtype"),
    Wrong(
        "makes its result float32",
        changed(
            (EPSILON, "epsilon = torch.randn(mean.shape)"),
            (RETURN, "return torch.baddbmm(mean[None], std[None, :, :1] * 0, epsilon[None, :1])[0] + std * epsilon"),
        ),
        DTYPE,
        "wrong-dtype",
    ),
    Wrong(
        "seeds torch with a running number",
        changed(
            (
                EPSILON,
                "sample_preactivation.calls = getattr(sample_preactivation, 'calls', 0) % 2 + 1\n"
                "    torch.manual_seed(0)\n"
                "    epsilon = torch.randn_like(mean)",
            )
        ),
        ANEW,
        "noise-drawn-once",
    ),
    Wrong(
        "restarts the generator after drawing",
        changed(
            (EPSILON, "epsilon = torch.from_numpy(np.random.randn(*mean.shape)).to(mean)\n    torch.manual_seed(0)")
        ),
        SEED,
        "seed-fixed",
    ),
    Wrong(
        "puts the noise under the root",
        changed((RETURN, "return mean + torch.sqrt(variance * epsilon)")),
        SHAPE,
        "noise-under-root",
    ),
    Wrong(
        "applies ReLU", changed((RETURN, "return torch.relu(mean + std * epsilon)")), CENTRED, "non-linearity-too-early"
    ),
    Wrong(
        "applies tanh", changed((RETURN, "return torch.tanh(mean + std * epsilon)")), CENTRED, "non-linearity-too-early"
    ),
    Wrong(
        "multiplies all by the noise",
        changed((RETURN, "return (mean + std) * epsilon")),
        CENTRED,
        "noise-multiplies-mean",
    ),
    Wrong(
        "draws something for a row of zeros",
        changed((RETURN, "return mean + torch.where(variance == 0, 0.1, std) * epsilon")),
        ZERO_ROW,
        "variance-floor-too-high",
    ),
    Wrong(
        "Flipout: one draw of the weights, with signs for each row",
        changed(
            (
                RETURN,
                "deviation = A_scale * torch.randn_like(A_scale)\n"
                "    signs = torch.randn_like(X).sign(), torch.randn_like(mean).sign()\n"
                "    return mean + (X * signs[0]) @ deviation * signs[1]",
            )
        ),
        OWN_ROWS,
        "noise-mirrored",
    ),
    Wrong(
        "every second call mirrors the noise of the one before",
        changed(
            (
                EPSILON,
                "kept = sample_preactivation.__dict__.pop(str(mean.shape), None)\n"
                "    epsilon = torch.randn_like(mean) if kept is None else -kept.to(mean)\n"
                "    if kept is None:\n"
                "        setattr(sample_preactivation, str(mean.shape), epsilon)",
            )
        ),
        OWN_ROWS,
        "noise-mirrored",
    ),
    Wrong(
        "standardises the noise of a call",
        changed(
            (
                EPSILON,
                EPSILON + "\n    if mean.numel() > 1:\n        epsilon = (epsilon - epsilon.mean()) / epsilon.std()",
            )
        ),
        OWN_ROWS,
        "noise-centred",
    ),
    Wrong(
        "repeats its noise after sixteen units",
        changed((EPSILON, "epsilon = torch.randn_like(mean[:, :16]).repeat(1, mean.shape[1])[:, : mean.shape[1]]")),
        OWN_UNITS,
        "noise-shared-by-units",
    ),
    Wrong(
        "adds 1e-8 to the variance",
        changed((STD, "std = torch.sqrt(variance + 1e-8)")),
        SPREAD,
        "scale-clamped",
    ),
    Wrong(
        "keeps the variance above 1e-8",
        changed((STD, "std = torch.sqrt(variance.clamp_min(1e-8))")),
        SPREAD,
        "scale-clamped",
    ),
    Wrong(
        "keeps the variance below 10,000",
        changed((STD, "std = torch.sqrt(variance.clamp(1e-12, 1e4))")),
        SPREAD,
        "scale-clamped",
    ),
    Wrong(
        "takes the variance as a difference of moments",
        changed((VARIANCE, "variance = (X**2 @ A_scale**2 + mean**2) - mean**2")),
        SPREAD,
        "scale-clamped",
    ),
    Wrong("keeps the mean below 50", changed((MEAN, "mean = (X @ A_mean).clamp(-50, 50)")), CENTRED, None),
    Wrong(
        "leaves zero rows out of the result",
        changed((MEAN, "X = X[(X != 0).any(dim=1)]\n    mean = X @ A_mean")),
        ZERO_ROW,
        "zero-row-dropped",
    ),
    Wrong(
        "repeats its noise in a large batch",
        changed((EPSILON, "epsilon = torch.randn_like(mean[:100]).repeat(len(mean) // 100 + 1, 1)[: len(mean)]")),
        OWN_ROWS,
        "noise-shared-by-rows",
    ),
]

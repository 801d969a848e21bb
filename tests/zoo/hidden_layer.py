"""Right and wrong solutions of lesson 06's exercise."""

from __future__ import annotations

from functools import partial

from zoo import Wrong, replaced

EXERCISE = "HiddenLayer"

BASE = """
import math
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Distribution, Normal, kl_divergence


class HiddenLayer(Distribution):
    has_rsample = True
    arg_constraints = {}

    def __init__(self, X=None, A_mean=None, A_scale=None, non_linearity=F.relu, KL_factor=1.0, A_prior_scale=1.0,
                 include_hidden_bias=True, weight_space_sampling=False):
        self.X = X
        self.A_mean = A_mean
        self.A_scale = A_scale
        self.non_linearity = non_linearity
        self.KL_factor = KL_factor
        self.A_prior_scale = A_prior_scale
        self.include_hidden_bias = include_hidden_bias
        self.weight_space_sampling = weight_space_sampling
        super().__init__(X.shape[:-1], torch.Size([A_mean.shape[-1] + include_hidden_bias]))

    def rsample(self, sample_shape=torch.Size()):
        X = self.X
        if self.weight_space_sampling:
            epsilon = torch.randn(*sample_shape, *self.A_mean.shape, dtype=X.dtype)
            A = self.A_mean + self.A_scale * epsilon
            activation = X @ A
        else:
            mean = X @ self.A_mean
            variance = X**2 @ self.A_scale**2
            std = torch.sqrt(variance.clamp_min(1e-12))
            noise = torch.randn(*sample_shape, *mean.shape, dtype=X.dtype)
            activation = mean + std * noise
        activation = self.non_linearity(activation)
        if self.include_hidden_bias:
            ones = torch.ones_like(activation[..., :1])
            activation = torch.cat([activation, ones], dim=-1)
        return activation

    @property
    def KL(self):
        mean = self.A_mean / self.A_prior_scale
        std = self.A_scale / self.A_prior_scale
        terms = 0.5 * (std**2 + mean**2 - 1) - torch.log(std)
        return terms.sum()

    def log_prob(self, value):
        return -self.KL_factor * self.KL
"""

changed = partial(replaced, BASE)

MEAN = "mean = X @ self.A_mean\n"
VARIANCE = "variance = X**2 @ self.A_scale**2"
STD = "std = torch.sqrt(variance.clamp_min(1e-12))"
NOISE = "noise = torch.randn(*sample_shape, *mean.shape, dtype=X.dtype)"
LOCAL_DRAW = "activation = mean + std * noise"
EPSILON = "epsilon = torch.randn(*sample_shape, *self.A_mean.shape, dtype=X.dtype)"
WEIGHT = "A = self.A_mean + self.A_scale * epsilon"
WEIGHT_DRAW = "activation = X @ A"
NON_LINEARITY = "activation = self.non_linearity(activation)"
ONES = "ones = torch.ones_like(activation[..., :1])"
APPEND = "activation = torch.cat([activation, ones], dim=-1)"
MODE = "if self.weight_space_sampling:"
WITH_BIAS = "if self.include_hidden_bias:"
KL_MEAN = "mean = self.A_mean / self.A_prior_scale"
KL_STD = "std = self.A_scale / self.A_prior_scale"
KL_TERMS = "terms = 0.5 * (std**2 + mean**2 - 1) - torch.log(std)"
KL_SUM = "return terms.sum()"
KL_PROPERTY = "@property\n    def KL(self):"
LOG_PROB = "return -self.KL_factor * self.KL"
SUPER = "super().__init__(X.shape[:-1], torch.Size([A_mean.shape[-1] + include_hidden_bias]))"
RETURN = "        return activation\n"

RIGHT: dict[str, str] = {
    "as the lesson writes it": BASE,
    "a frozen dataclass": """
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution


@dataclass(frozen=True, eq=False)
class HiddenLayer(Distribution):
    X: Tensor | None = None
    A_mean: Tensor | None = None
    A_scale: Tensor | None = None
    non_linearity: Callable = torch.relu
    KL_factor: float = 1.0
    A_prior_scale: float | Tensor = 1.0
    include_hidden_bias: bool = True
    weight_space_sampling: bool = False

    has_rsample = True
    batch_shape = property(lambda self: self.X.shape[:-1])
    event_shape = property(lambda self: torch.Size([self.A_mean.shape[1] + self.include_hidden_bias]))

    def rsample(self, sample_shape=()):
        draw = self._weights if self.weight_space_sampling else self._locally
        hidden = self.non_linearity(draw(tuple(sample_shape)))
        return torch.nn.functional.pad(hidden, (0, 1), value=1.0) if self.include_hidden_bias else hidden

    def _weights(self, shape):
        noise = torch.randn(shape + tuple(self.A_mean.shape)).to(self.A_mean)
        return torch.einsum("bd,...dh->...bh", self.X, torch.addcmul(self.A_mean, self.A_scale, noise))

    def _locally(self, shape):
        mean = torch.einsum("bd,dh->bh", self.X, self.A_mean)
        std = torch.einsum("bd,dh->bh", self.X.square(), self.A_scale.square()).add(1e-8).sqrt()
        return mean + std * torch.randn(shape + tuple(mean.shape)).type_as(mean)

    @property
    def KL(self):
        prior = torch.as_tensor(self.A_prior_scale).expand_as(self.A_mean)
        log_ratio = self.A_scale.log() - prior.log()
        return ((self.A_scale**2 + self.A_mean**2) / (2 * prior**2) - log_ratio).sum() - self.A_mean.numel() / 2

    def log_prob(self, value):
        return self.KL * -self.KL_factor
""",
    "Pyro's distribution, with the library's KL": """
import torch
import torch.nn.functional as F
from pyro.distributions.torch_distribution import TorchDistribution
from torch.distributions import Normal
from torch.distributions.kl import kl_divergence


class HiddenLayer(TorchDistribution):
    has_rsample = True
    arg_constraints = {}
    support = torch.distributions.constraints.real_vector

    def __init__(self, X=None, A_mean=None, A_scale=None, non_linearity=F.relu, KL_factor=1.0, A_prior_scale=1.0,
                 include_hidden_bias=True, weight_space_sampling=False, validate_args=None):
        self.X, self.A = X, Normal(A_mean, A_scale)
        self.non_linearity = non_linearity
        self.KL_factor = KL_factor
        self.prior = Normal(torch.zeros_like(A_mean), A_prior_scale)
        self.include_hidden_bias = include_hidden_bias
        self.weight_space_sampling = weight_space_sampling
        event = A_mean.size(-1) + int(include_hidden_bias)
        super().__init__(torch.Size([X.size(0)]), torch.Size([event]), validate_args=validate_args)

    @property
    def KL(self):
        return kl_divergence(self.A, self.prior).sum()

    def rsample(self, sample_shape=torch.Size()):
        if self.weight_space_sampling:
            Z = self.X.matmul(self.A.rsample(sample_shape))
        else:
            std = (self.X.pow(2) @ self.A.variance).clamp(min=1e-10).sqrt()
            Z = Normal(self.X @ self.A.mean, std).rsample(sample_shape)
        Z = self.non_linearity(Z)
        if not self.include_hidden_bias:
            return Z
        return torch.cat((Z, Z.new_ones(Z.shape[:-1] + (1,))), -1)

    def log_prob(self, value):
        return -self.KL_factor * self.KL
""",
    "one distribution over all rows": changed(
        (SUPER, "super().__init__(event_shape=torch.Size([X.shape[0], A_mean.shape[-1] + include_hidden_bias]))"),
    ),
    "options by name alone": changed(("non_linearity=", "*, non_linearity=")),
    "moments computed when it is built": changed(
        (
            "        self.X = X\n",
            "        self.X = X\n"
            "        std = torch.linalg.vector_norm(X.unsqueeze(-1) * A_scale, dim=1)\n"
            "        self.preactivation = Normal(X @ A_mean, std, validate_args=False)\n",
        ),
        (MEAN, "activation = self.preactivation.rsample(sample_shape)\n"),
        (VARIANCE, ""),
        (STD, ""),
        (NOISE, ""),
        (LOCAL_DRAW, ""),
    ),
    "a loop over the samples": """
import math
import torch
from torch.nn.functional import relu


class HiddenLayer(torch.distributions.Distribution):
    arg_constraints = {}
    has_rsample = True

    def __init__(self, X=None, A_mean=None, A_scale=None, non_linearity=relu, KL_factor=1.0, A_prior_scale=1.0,
                 include_hidden_bias=True, weight_space_sampling=False):
        self.__dict__.update(locals())
        super().__init__(X.shape[:-1], A_mean.new_zeros(A_mean.shape[1] + include_hidden_bias).shape)

    def _one(self):
        if self.weight_space_sampling:
            Z = self.X @ torch.distributions.Normal(self.A_mean, self.A_scale).rsample()
        else:
            variance = self.X**2 @ self.A_scale**2
            std = torch.where(variance > 0, torch.where(variance > 0, variance, 1.0).sqrt(), 0.0)
            Z = self.X @ self.A_mean + std * torch.randn_like(std)
        Z = self.non_linearity(Z)
        if self.include_hidden_bias:
            Z = torch.hstack([Z, torch.ones(len(Z), 1, dtype=Z.dtype)])
        return Z

    def rsample(self, sample_shape=torch.Size()):
        count = math.prod(sample_shape)
        draws = torch.stack([self._one() for _ in range(count)])
        return draws.reshape(*sample_shape, *draws.shape[1:])

    @property
    def KL(self):
        prior = self.A_prior_scale
        D, H = self.A_mean.shape
        kl = (self.A_mean / prior).pow(2).sum() - D * H + (self.A_scale / prior).pow(2).sum()
        kl = kl - 2.0 * torch.log(self.A_scale / prior).sum()
        return 0.5 * kl

    def log_prob(self, value):
        return -self.KL * self.KL_factor
""",
    "log-densities for the prior, variances throughout": changed(
        (KL_MEAN, "prior = torch.as_tensor(self.A_prior_scale, dtype=self.A_scale.dtype)"),
        (KL_STD, "variance, prior_variance = self.A_scale**2, prior**2"),
        (
            KL_TERMS,
            "terms = 0.5 * (torch.log(prior_variance / variance) + (variance + self.A_mean**2) / prior_variance - 1)",
        ),
    ),
    "preallocated ones, and extra arguments": changed(
        ("weight_space_sampling=False):", "weight_space_sampling=False, device=None, *, name='hidden'):"),
        (ONES, "augmented = activation.new_ones(*activation.shape[:-1], activation.shape[-1] + 1)"),
        (APPEND, "augmented[..., :-1] = activation\n            activation = augmented"),
    ),
    "an attribute of its own for KL, computed at each access": """
import torch
import torch.nn.functional as F
from torch.distributions import Distribution, Independent, Normal, kl_divergence


class HiddenLayer(Distribution):
    has_rsample = True

    def __init__(self, X=None, A_mean=None, A_scale=None, non_linearity=F.relu, KL_factor=1.0, A_prior_scale=1.0,
                 include_hidden_bias=True, weight_space_sampling=False):
        self.X = X
        self.posterior = Independent(Normal(A_mean, A_scale), 2)
        if not torch.is_tensor(A_prior_scale):
            A_prior_scale = torch.full_like(A_mean, A_prior_scale)
        self.prior = Independent(Normal(torch.zeros_like(A_mean), A_prior_scale), 2)
        self.f, self.KL_factor = non_linearity, KL_factor
        self.augment = include_hidden_bias
        self.sampler = self.from_weights if weight_space_sampling else self.from_moments
        super().__init__(X.shape[:-1], torch.Size([A_mean.shape[1] + include_hidden_bias]), validate_args=False)

    def __getattr__(self, name):
        if name == "KL":
            return kl_divergence(self.posterior, self.prior)
        raise AttributeError(name)

    def from_weights(self, sample_shape):
        return self.X @ self.posterior.rsample(sample_shape)

    def from_moments(self, sample_shape):
        std = (self.X**2 @ self.posterior.variance + 1e-10) ** 0.5
        epsilon = torch.empty(tuple(sample_shape) + tuple(std.shape), dtype=std.dtype).normal_()
        return self.X @ self.posterior.mean - epsilon * std

    def rsample(self, sample_shape=torch.Size()):
        Z = self.f(self.sampler(sample_shape))
        return torch.cat([Z, torch.ones(*Z.shape[:-1], 1).to(Z)], dim=-1) if self.augment else Z

    def log_prob(self, value):
        return -(self.KL_factor * self.KL)
""",
    "arguments in another order, all by name": changed(
        (
            "X=None, A_mean=None, A_scale=None, non_linearity=F.relu, KL_factor=1.0, A_prior_scale=1.0,\n"
            "                 include_hidden_bias=True, weight_space_sampling=False",
            "*, A_mean, A_scale, X, weight_space_sampling=False, include_hidden_bias=True,"
            " A_prior_scale=1.0,\n"
            "                 KL_factor=1.0, non_linearity=torch.relu",
        )
    ),
    "validates its arguments, and sums with loops": changed(
        (
            "        self.X = X\n",
            "        if X.shape[-1] != A_mean.shape[0] or A_mean.shape != A_scale.shape:\n"
            "            raise ValueError('the shapes do not fit')\n"
            "        if not callable(non_linearity) or (A_scale <= 0).any():\n"
            "            raise ValueError('bad argument')\n"
            "        self.X = X\n",
        ),
        (
            KL_SUM,
            "total = 0.0\n        for row in terms:\n            for term in row:\n"
            "                total = total + term\n        return total",
        ),
    ),
    "the course's own functions, where earlier lessons built them": """
import torch
from bnn_core import gaussian_kl, sample_gaussian, sample_preactivation


class HiddenLayer(torch.distributions.Distribution):
    has_rsample = True

    def __init__(self, X=None, A_mean=None, A_scale=None, non_linearity=torch.relu, KL_factor=1.0, A_prior_scale=1.0,
                 include_hidden_bias=True, weight_space_sampling=False):
        self.X, self.A_mean, self.A_scale = X, A_mean, A_scale
        self.non_linearity, self.KL_factor, self.A_prior_scale = non_linearity, KL_factor, A_prior_scale
        self.include_hidden_bias, self.weight_space_sampling = include_hidden_bias, weight_space_sampling
        units = A_mean.shape[1] + include_hidden_bias
        super().__init__(X.shape[:-1], torch.Size([units]), validate_args=False)

    def rsample(self, sample_shape=torch.Size()):
        count = torch.Size(sample_shape).numel()
        if self.weight_space_sampling:
            size = (count, *self.A_mean.shape)
            draws = self.X @ sample_gaussian(self.A_mean.expand(size), self.A_scale.log().expand(size))
        else:
            draws = sample_preactivation(self.X.repeat(count, 1), self.A_mean, self.A_scale)
        hidden = self.non_linearity(draws.reshape(*sample_shape, len(self.X), -1))
        if self.include_hidden_bias:
            hidden = torch.cat([hidden, torch.ones(*sample_shape, len(self.X), 1, dtype=hidden.dtype)], dim=-1)
        return hidden

    @property
    def KL(self):
        return gaussian_kl(self.A_mean, self.A_scale.log(), self.A_prior_scale)

    def log_prob(self, value):
        return -self.KL_factor * self.KL
""",
}

BUILT = "it can be built from X, A_mean and A_scale, with any of its options by name"
SHAPE = "rsample() has shape (B, H + 1), or (B, H) without the bias unit"
SAMPLE_SHAPE = "rsample(sample_shape) puts sample_shape before (B, H + 1)"
ITSELF = "what it says of its draws as a Distribution is so"
FINITE = "the draws are numbers for negative inputs, too"
UNCHANGED = "X, A_mean and A_scale stay as they were"
ALONE = "drawing leaves the layer as it was"
ANEW = "every call of rsample draws anew"
GIVEN = "non_linearity is the one that is used"
ACTIVATION = "an activation is non_linearity(X·A)"
BIAS_UNIT = "the bias unit comes last, and is 1 after the non-linearity"
OWN_ROWS = "every row has noise of its own"
OWN_UNITS = "every unit has noise of its own"
OWN_SAMPLES = "every sample of sample_shape has noise of its own"
CENTRED = "the draws are centred on X·A_mean"
SPREAD = "the variance of X·A is Σ X²·A_scale²"
INDEPENDENT = "the noise is standard normal, and independent in rows, units and samples"
THROUGH = "the noise goes through the non-linearity"
GRADIENT = "gradients through rsample reach X, A_mean and A_scale, and are those of each draw"
ZERO_ROW = "an all-zero row of X gives zeros and finite gradients"
SHARED_WEIGHTS = "in weight space, all rows see one draw of the weights"
WEIGHTS = "in weight space, the weights are centred on A_mean and spread by A_scale"
OWN_WEIGHTS = "in weight space, every weight and every sample has noise of its own"
WEIGHT_GRADIENT = "in weight space, gradients through rsample are those of each draw"
KL_SCALAR = "KL is a scalar tensor"
KL_EXACT = "KL is the same whenever it is asked for"
KL_RIGHT = "KL is the closed form, to a standard normal prior"
KL_NUMBER = "KL is the closed form for a prior scale that is a number"
KL_TENSOR = "KL is the closed form for a prior scale that is a tensor"
KL_GRADIENT = "the gradient of KL reaches A_mean and A_scale, and is right"
LOG_PROB_SCALAR = "log_prob(value) is a scalar tensor"
LOG_PROB_VALUE = "log_prob doesn't depend on the value"
LOG_PROB_RIGHT = "log_prob is −KL_factor·KL"
LOG_PROB_GRADIENT = "the gradient of log_prob reaches A_mean and A_scale, and is right"
FRESH = "KL and log_prob follow A_mean and A_scale when they change"
DEFAULTS = "options that are left out have their defaults"
ORDER = "options without names come in the order of the exercise"
SQUARE = "few samples of a small batch, as square as its weights, are no exception"
SLOPE = "gradients go through the non-linearity"
DTYPE = "draws, KL and log_prob have the dtype of the layer's tensors"
SEED = "it leaves the global random seed alone"
REPEATS = "after torch.manual_seed the draws are the same again"

WRONG: list[Wrong] = [
    Wrong(
        "is a plain class, with KL a method",
        changed(
            ("class HiddenLayer(Distribution):", "class HiddenLayer:"),
            (SUPER, ""),
            (KL_PROPERTY, "def KL(self):"),
            (LOG_PROB, "return -self.KL_factor * self.KL()"),
        ),
        ITSELF,
        "not-a-distribution",
    ),
    Wrong(
        "is an nn.Module",
        changed(
            ("class HiddenLayer(Distribution):", "class HiddenLayer(nn.Module):"),
            (SUPER, ""),
            ("        self.X = X\n", "        super().__init__()\n        self.X = X\n"),
        ),
        ITSELF,
        "not-a-distribution",
    ),
    Wrong(
        "is an nn.Module that names its shapes",
        changed(
            ("class HiddenLayer(Distribution):", "class HiddenLayer(nn.Module):"),
            (
                SUPER,
                "units = A_mean.shape[1] + include_hidden_bias\n"
                "        self.batch_shape, self.event_shape = X.shape[:-1], torch.Size([units])",
            ),
            ("        self.X = X\n", "        super().__init__()\n        self.X = X\n"),
        ),
        ITSELF,
        "not-a-distribution",
    ),
    Wrong(
        "writes KL as a method",
        changed((KL_PROPERTY, "def KL(self):"), (LOG_PROB, "return -self.KL_factor * self.KL()")),
        KL_SCALAR,
        "property-forgotten",
    ),
    Wrong(
        "weights drawn for every row",
        changed(
            (MEAN, "pass\n"),
            (VARIANCE, "shape = (*sample_shape, len(X), *self.A_mean.shape)"),
            (STD, "A = self.A_mean + self.A_scale * torch.randn(shape, dtype=X.dtype)"),
            (NOISE, "activation = torch.einsum('bd,...bdh->...bh', X, A)"),
            (LOCAL_DRAW, "pass"),
        ),
        GRADIENT,
        "weights-drawn-for-each-row",
    ),
    Wrong("renames an option", changed(("A_prior_scale", "A_prior")), BUILT, "signature-changed"),
    Wrong(
        "has no defaults",
        changed(("=None", ""), ("=F.relu", ""), ("=1.0", ""), ("=True", ""), ("=False", "")),
        BUILT,
        "signature-changed",
    ),
    Wrong("raises when it is built", changed((SUPER, "super().__init__(X.shapes)")), BUILT, None),
    Wrong(
        "rsample isn't written", changed(("        X = self.X\n", "        raise NotImplementedError\n")), SHAPE, None
    ),
    Wrong("rsample returns nothing", changed((RETURN, "")), SHAPE, "missing-return"),
    Wrong("returns a distribution", changed((RETURN, "        return Normal(activation, 1.0)\n")), SHAPE, None),
    Wrong("never appends the bias unit", changed((WITH_BIAS, "if False:")), SHAPE, "bias-unit-missing"),
    Wrong("always appends the bias unit", changed((WITH_BIAS, "if True:")), SHAPE, "bias-unit-unwanted"),
    Wrong(
        "appends the bias unit as a row",
        changed(
            (ONES, "ones = torch.ones_like(activation[..., :1, :])"),
            ("dim=-1)\n        return", "dim=-2)\n        return"),
        ),
        SHAPE,
        "bias-unit-as-row",
    ),
    Wrong(
        "appends the ones to X",
        changed(
            (WITH_BIAS, "if False:"),
            ("        X = self.X\n", "        X = torch.cat([self.X, torch.ones_like(self.X[:, :1])], dim=1)\n"),
        ),
        SHAPE,
        "matrix-shapes",
    ),
    Wrong(
        "turns include_hidden_bias round",
        changed((WITH_BIAS, "if not self.include_hidden_bias:")),
        SHAPE,
        "bias-unit-missing",
    ),
    Wrong("ignores sample_shape", changed(("*sample_shape, ", "")), SAMPLE_SHAPE, "sample-shape-ignored"),
    Wrong(
        "puts sample_shape after the rows",
        changed(
            (
                RETURN,
                "        for _ in sample_shape:\n            activation = activation.movedim(0,"
                " len(sample_shape))\n        return activation\n",
            )
        ),
        SAMPLE_SHAPE,
        "sample-shape-misplaced",
    ),
    Wrong(
        "makes sample_shape one dimension",
        changed((RETURN, "        return activation.flatten(0, max(0, len(sample_shape) - 1))\n")),
        SAMPLE_SHAPE,
        "sample-shape-incomplete",
    ),
    Wrong(
        "takes the first number of sample_shape",
        changed(
            (NOISE, "noise = torch.randn(*sample_shape[:1], *mean.shape, dtype=X.dtype)"),
        ),
        SAMPLE_SHAPE,
        "sample-shape-incomplete",
    ),
    Wrong(
        "keeps the weights that it draws",
        changed(
            (WEIGHT, "self.A_mean = self.A_mean + self.A_scale * epsilon"),
            (WEIGHT_DRAW, "activation = X @ self.A_mean"),
        ),
        ALONE,
        "layer-changed-by-drawing",
    ),
    Wrong(
        "keeps its output as the next input",
        changed((RETURN, "        self.X = activation\n        return activation\n")),
        ALONE,
        "layer-changed-by-drawing",
    ),
    Wrong(
        "forgets its factor when it draws",
        changed((RETURN, "        self.KL_factor = 1.0\n        return activation\n")),
        ALONE,
        "layer-changed-by-drawing",
    ),
    Wrong(
        "weighs the draws by KL_factor",
        changed((RETURN, "        return self.KL_factor * activation\n")),
        GIVEN,
        "kl-factor-in-draws",
    ),
    Wrong(
        "spreads the draws by the prior, too",
        changed((VARIANCE, "variance = X**2 @ (self.A_scale * self.A_prior_scale) ** 2")),
        SPREAD,
        "prior-in-draws",
    ),
    Wrong(
        "draws the weights with the prior's scale",
        changed((WEIGHT, "A = self.A_mean + self.A_prior_scale * epsilon")),
        WEIGHTS,
        "prior-in-draws",
    ),
    Wrong(
        "X is detached in the mean",
        changed((MEAN, "mean = X.detach() @ self.A_mean\n")),
        GRADIENT,
        "gradient-stopped-in-part",
    ),
    Wrong(
        "in weight space, X is detached in the mean",
        changed((WEIGHT_DRAW, "activation = X.detach() @ self.A_mean + X @ (A - self.A_mean)")),
        WEIGHT_GRADIENT,
        "gradient-stopped-in-part",
    ),
    Wrong(
        "KL computed once for all layers",
        changed(
            (KL_SUM, "HiddenLayer.kept = getattr(HiddenLayer, 'kept', terms.sum())\n        return HiddenLayer.kept"),
        ),
        KL_RIGHT,
        "kl-cached",
    ),
    Wrong(
        "KL is never below ten",
        changed((KL_SUM, "return terms.sum().clamp_min(10.0)")),
        KL_RIGHT,
        None,
    ),
    Wrong(
        "log_prob forgets the factor in weight space",
        changed((LOG_PROB, "return -self.KL if self.weight_space_sampling else -self.KL_factor * self.KL")),
        LOG_PROB_RIGHT,
        "kl-factor-ignored",
    ),
    Wrong(
        "log_prob computed once for all layers",
        changed(
            (
                LOG_PROB,
                "kept = getattr(HiddenLayer, 'kept', -self.KL_factor * self.KL)\n"
                "        HiddenLayer.kept = kept\n        return kept",
            ),
        ),
        LOG_PROB_RIGHT,
        "kl-cached",
    ),
    Wrong(
        "log_prob has one value for each sample",
        changed((LOG_PROB, "return (-self.KL_factor * self.KL).expand(value.shape[:-2])")),
        LOG_PROB_SCALAR,
        "log-prob-not-scalar",
    ),
    Wrong("KL in float32", changed((KL_SUM, "return terms.sum().float()")), DTYPE, "wrong-dtype"),
    Wrong(
        "KL is summed with float32 ones",
        changed((KL_SUM, "return terms.flatten() @ torch.ones(terms.numel())")),
        DTYPE,
        "wrong-dtype",
    ),
    Wrong(
        "doesn't square the input",
        changed((VARIANCE, "variance = X @ self.A_scale**2"), (".clamp_min(1e-12)", "")),
        FINITE,
        "input-not-squared",
    ),
    Wrong(
        "squares X in place",
        changed((VARIANCE, "variance = X.pow_(2) @ self.A_scale**2")),
        UNCHANGED,
        "arguments-modified",
    ),
    Wrong(
        "scales A_mean in place in KL",
        changed((KL_MEAN, "mean = self.A_mean.div_(2 * self.A_prior_scale)")),
        UNCHANGED,
        "arguments-modified",
    ),
    Wrong(
        "clamps A_scale in place in weight space",
        changed((WEIGHT, "A = self.A_mean + self.A_scale.clamp_(max=1.0) * epsilon")),
        UNCHANGED,
        "arguments-modified",
    ),
    Wrong(
        "calls super().__init__ without shapes",
        changed((SUPER, "super().__init__()")),
        ITSELF,
        "distribution-shapes-wrong",
    ),
    Wrong(
        "forgets the bias unit in event_shape",
        changed((" + include_hidden_bias]", "]")),
        ITSELF,
        "distribution-shapes-wrong",
    ),
    Wrong(
        "always counts a bias unit in event_shape",
        changed((" + include_hidden_bias]", " + 1]")),
        ITSELF,
        "distribution-shapes-wrong",
    ),
    Wrong(
        "says that draws carry no gradients", changed(("    has_rsample = True\n", "")), ITSELF, "has-rsample-missing"
    ),
    Wrong(
        "leaves the mean out",
        changed((LOCAL_DRAW, "activation = std * noise"), (WEIGHT, "A = self.A_scale * epsilon")),
        GIVEN,
        "preactivation-mean-missing",
    ),
    Wrong(
        "leaves the mean out in weight space",
        changed((WEIGHT, "A = self.A_scale * epsilon")),
        GIVEN,
        "preactivation-mean-missing",
    ),
    Wrong(
        "always takes a sine",
        changed((NON_LINEARITY, "activation = torch.sin(activation)")),
        GIVEN,
        "non-linearity-fixed",
    ),
    Wrong(
        "calls rsample sample",
        changed(("def rsample(", "def sample(")),
        SHAPE,
        "method-of-base-class",
    ),
    Wrong(
        "calls KL as if it were a method",
        changed((LOG_PROB, "return -self.KL_factor * self.KL()")),
        LOG_PROB_SCALAR,
        "tensor-called",
    ),
    Wrong(
        "hands sample_shape to randn as it is",
        changed((NOISE, "noise = torch.randn(sample_shape, *mean.shape)")),
        SHAPE,
        "sizes-nested",
    ),
    Wrong(
        "counts the constant once",
        changed((KL_TERMS, "terms = 0.5 * (std**2 + mean**2) - torch.log(std)"), (KL_SUM, "return terms.sum() - 0.5")),
        KL_RIGHT,
        "kl-constant-once",
    ),
    Wrong(
        "draws with the logarithm of the scale",
        changed((VARIANCE, "variance = X**2 @ self.A_scale.log() ** 2")),
        SPREAD,
        "scale-logged",
    ),
    Wrong(
        "squeezes a sample_shape of one",
        changed((RETURN, "        return activation[0] if tuple(sample_shape) == (1,) else activation\n")),
        SAMPLE_SHAPE,
        "dimension-dropped",
    ),
    Wrong(
        "is straight through the non-linearity",
        changed((NON_LINEARITY, "activation = activation + (self.non_linearity(activation) - activation).detach()")),
        SLOPE,
        "non-linearity-without-slope",
    ),
    Wrong(
        "draws nothing without gradients",
        changed((LOCAL_DRAW, "activation = mean + std * noise * torch.is_grad_enabled()")),
        SQUARE,
        "no-sampling",
    ),
    Wrong(
        "centres the noise over the samples",
        changed(
            (
                NOISE,
                NOISE + "\n            if sample_shape:\n"
                "                noise = (noise - noise.mean(0)) * (len(noise) / max(len(noise) - 1, 1)) ** 0.5",
            )
        ),
        SQUARE,
        "noise-centred",
    ),
    Wrong(
        "mirrors the weights' noise where they are square",
        changed(
            (
                EPSILON,
                EPSILON + "\n            if epsilon.shape[-1] == epsilon.shape[-2]:\n"
                "                epsilon = epsilon.triu() + epsilon.triu(1).mT",
            )
        ),
        SQUARE,
        None,
    ),
    Wrong(
        "turns A_scale where it is square",
        changed(
            (
                VARIANCE,
                "variance = X**2 @ (self.A_scale.T if self.A_scale.shape[0]"
                " == self.A_scale.shape[1] else self.A_scale)**2",
            )
        ),
        SQUARE,
        "matrix-turned-when-square",
    ),
    Wrong(
        "divides by the prior's variance in the logarithm",
        changed((KL_TERMS, KL_TERMS.replace("log(std)", "log(self.A_scale / self.A_prior_scale**2)"))),
        KL_NUMBER,
        "prior-power-in-log",
    ),
    Wrong(
        "takes half the logarithm of the prior's scale",
        changed((KL_TERMS, KL_TERMS.replace("log(std)", "log(self.A_scale / self.A_prior_scale**0.5)"))),
        KL_NUMBER,
        "prior-power-in-log",
    ),
    Wrong(
        "gives each input its prior where both sizes are the same",
        changed(
            (
                KL_MEAN,
                "prior = torch.as_tensor(self.A_prior_scale)\n"
                "        if prior.dim() == 1 and len(prior) == self.A_mean.shape[0]:\n"
                "            prior = prior[:, None]\n"
                "        mean = self.A_mean / prior",
            ),
            (KL_STD, "std = self.A_scale / prior"),
        ),
        KL_TENSOR,
        None,
    ),
    Wrong(
        "counts log_prob for every sample",
        changed((LOG_PROB, "return -self.KL_factor * self.KL * (value[..., 0, 0].numel() if value.dim() > 2 else 1)")),
        LOG_PROB_RIGHT,
        "log-prob-of-the-value",
    ),
    Wrong(
        "takes the prior before the factor",
        changed(("KL_factor=1.0, A_prior_scale=1.0", "A_prior_scale=1.0, KL_factor=1.0")),
        ORDER,
        "signature-changed",
    ),
    Wrong(
        "takes weight_space_sampling before the bias unit",
        changed(
            (
                "include_hidden_bias=True, weight_space_sampling=False",
                "weight_space_sampling=False, include_hidden_bias=True",
            )
        ),
        ORDER,
        "bias-unit-unwanted",
    ),
    Wrong("gives the mean", changed((LOCAL_DRAW, "activation = mean + 0 * noise")), ANEW, "no-sampling"),
    Wrong("gives the mean in weight space", changed((WEIGHT, "A = self.A_mean + 0 * epsilon")), ANEW, "no-sampling"),
    Wrong(
        "draws the noise when it is built",
        changed(
            (
                "        self.X = X\n",
                "        self.X = X\n        self.noise = torch.randn(1000, 2, X.shape[0], A_mean.shape[1])\n",
            ),
            (NOISE, "noise = self.noise.flatten(0, 1)[: math.prod(sample_shape)].reshape(*sample_shape, *mean.shape)"),
        ),
        ANEW,
        "noise-drawn-once",
    ),
    Wrong(
        "draws the weights when it is built",
        changed(
            ("        self.X = X\n", "        self.X = X\n        self.noise = torch.randn(6000, *A_mean.shape)\n"),
            (EPSILON, "epsilon = self.noise[: math.prod(sample_shape)].reshape(*sample_shape, *self.A_mean.shape)"),
        ),
        ANEW,
        "noise-drawn-once",
    ),
    Wrong(
        "seeds rsample",
        changed(("        X = self.X\n", "        X = self.X\n        torch.manual_seed(0)\n")),
        ANEW,
        "noise-drawn-once",
    ),
    Wrong("leaves out the non-linearity", changed((NON_LINEARITY, "pass")), ACTIVATION, "non-linearity-ignored"),
    Wrong(
        "always takes ReLU", changed((NON_LINEARITY, "activation = F.relu(activation)")), GIVEN, "non-linearity-fixed"
    ),
    Wrong(
        "always takes tanh",
        changed((NON_LINEARITY, "activation = torch.tanh(activation)")),
        GIVEN,
        "non-linearity-fixed",
    ),
    Wrong(
        "applies the non-linearity twice",
        changed((NON_LINEARITY, "activation = self.non_linearity(self.non_linearity(activation))")),
        ACTIVATION,
        "non-linearity-twice",
    ),
    Wrong(
        "applies the non-linearity to X",
        changed((NON_LINEARITY, "pass"), ("        X = self.X\n", "        X = self.non_linearity(self.X)\n")),
        ACTIVATION,
        "non-linearity-before",
    ),
    Wrong(
        "leaves the non-linearity out in weight space",
        changed(
            (NON_LINEARITY, "activation = activation if self.weight_space_sampling else self.non_linearity(activation)")
        ),
        ACTIVATION,
        "non-linearity-ignored",
    ),
    Wrong(
        "divides by the root of the inputs",
        changed((NON_LINEARITY, "activation = self.non_linearity(activation / X.shape[-1] ** 0.5)")),
        CENTRED,
        "divided-by-inputs",
    ),
    Wrong(
        "puts the bias unit first",
        changed((APPEND, "activation = torch.cat([ones, activation], dim=-1)")),
        BIAS_UNIT,
        "bias-unit-first",
    ),
    Wrong(
        "appends the bias unit before the non-linearity",
        changed((NON_LINEARITY, "pass"), (RETURN, "        return self.non_linearity(activation)\n")),
        BIAS_UNIT,
        "bias-unit-before-non-linearity",
    ),
    Wrong(
        "appends zeros", changed((ONES, "ones = torch.zeros_like(activation[..., :1])")), BIAS_UNIT, "bias-unit-not-one"
    ),
    Wrong(
        "appends noise", changed((ONES, "ones = torch.rand_like(activation[..., :1])")), BIAS_UNIT, "bias-unit-not-one"
    ),
    Wrong(
        "appends a copy of the last unit's sign",
        changed((ONES, "ones = activation[..., -1:]")),
        BIAS_UNIT,
        "bias-unit-not-one",
    ),
    Wrong(
        "adds the bias to every unit, too",
        changed((APPEND, "activation = torch.cat([activation + 1, ones], dim=-1)")),
        BIAS_UNIT,
        None,
    ),
    Wrong("always samples weights", changed((MODE, "if True:")), OWN_ROWS, "weight-space-for-local"),
    Wrong(
        "swaps the sampling modes",
        changed((MODE, "if not self.weight_space_sampling:")),
        OWN_ROWS,
        "sampling-modes-swapped",
    ),
    Wrong(
        "one epsilon for all rows",
        changed((NOISE, "noise = torch.randn(*sample_shape, 1, mean.shape[1], dtype=X.dtype)")),
        OWN_ROWS,
        "noise-shared-by-rows",
    ),
    Wrong(
        "one epsilon for all units",
        changed((NOISE, "noise = torch.randn(*sample_shape, mean.shape[0], 1, dtype=X.dtype)")),
        OWN_UNITS,
        "noise-shared-by-units",
    ),
    Wrong(
        "one draw, repeated for all samples",
        changed((NOISE, "noise = torch.randn_like(mean).expand(*sample_shape, *mean.shape)")),
        OWN_SAMPLES,
        "noise-shared-by-samples",
    ),
    Wrong(
        "one draw along the second dimension of sample_shape",
        changed(
            (
                NOISE,
                "noise = torch.randn(*sample_shape[:1], *[1] * len(sample_shape[1:]), *mean.shape,"
                " dtype=X.dtype).expand(*sample_shape, *mean.shape)",
            )
        ),
        OWN_SAMPLES,
        "noise-shared-by-samples",
    ),
    Wrong(
        "one draw of the weights for all samples",
        changed((EPSILON, "epsilon = torch.randn_like(self.A_mean).expand(*sample_shape, *self.A_mean.shape)")),
        OWN_SAMPLES,
        "noise-shared-by-samples",
    ),
    Wrong(
        "noise from 0 to 1",
        changed((NOISE, "noise = torch.rand(*sample_shape, *mean.shape, dtype=X.dtype)")),
        CENTRED,
        "noise-not-normal",
    ),
    Wrong(
        "centres the noise on the scale",
        changed((LOCAL_DRAW, "activation = mean + std * (noise + 0.1)")),
        CENTRED,
        None,
    ),
    Wrong(
        "Normal(mean, variance)",
        changed((LOCAL_DRAW, "activation = Normal(mean, variance + 1e-12).rsample(sample_shape)")),
        SPREAD,
        "root-missing",
    ),
    Wrong(
        "doesn't square the scale", changed((VARIANCE, "variance = X**2 @ self.A_scale")), SPREAD, "scale-not-squared"
    ),
    Wrong("adds up standard deviations", changed((STD, "std = X.abs() @ self.A_scale")), SPREAD, "stds-added"),
    Wrong("doesn't scale the noise", changed((LOCAL_DRAW, "activation = mean + noise")), SPREAD, "noise-unscaled"),
    Wrong(
        "takes the spread from A_mean", changed((VARIANCE, "variance = X**2 @ self.A_mean**2")), SPREAD, "std-from-mean"
    ),
    Wrong(
        "reads A_scale as log_std",
        changed((VARIANCE, "variance = X**2 @ torch.exp(2 * self.A_scale)")),
        SPREAD,
        "scale-as-log-std",
    ),
    Wrong(
        "takes softplus of A_scale",
        changed((VARIANCE, "variance = X**2 @ F.softplus(self.A_scale) ** 2")),
        SPREAD,
        "scale-through-softplus",
    ),
    Wrong("averages over the inputs", changed((STD, "std = (variance / X.shape[-1]).sqrt()")), SPREAD, "noise-scaled"),
    Wrong(
        "noise of plus or minus 1",
        changed((NOISE, "noise = torch.randn(*sample_shape, *mean.shape, dtype=X.dtype).sign()")),
        INDEPENDENT,
        "noise-not-normal",
    ),
    Wrong(
        "noise that rows share in part",
        changed((LOCAL_DRAW, "activation = mean + std * (0.8 * noise + 0.6 * torch.randn_like(noise[..., :1, :]))")),
        INDEPENDENT,
        "noise-shared-by-rows",
    ),
    Wrong(
        "mirrored samples",
        changed(
            (
                NOISE,
                NOISE + "\n            half = len(noise) // 2"
                "\n            if len(sample_shape) == 2 and half > 10:"
                "\n                noise[half:] = -noise[:half]",
            )
        ),
        INDEPENDENT,
        "noise-mirrored",
    ),
    Wrong(
        "adds the noise after the non-linearity",
        changed(
            (LOCAL_DRAW, "activation = None"),
            (
                NON_LINEARITY,
                "activation = self.non_linearity(activation) if activation is not None else"
                " self.non_linearity(mean) + std * noise",
            ),
        ),
        THROUGH,
        "noise-after-non-linearity",
    ),
    Wrong(
        "a non-linearity of the noiseless mean, where it bends upwards",
        changed(
            (
                NON_LINEARITY,
                "activation = self.non_linearity(activation) if self.weight_space_sampling or"
                " self.non_linearity is not torch.exp else self.non_linearity(mean + noise)",
            )
        ),
        THROUGH,
        None,
    ),
    Wrong(
        "sample() for rsample()",
        changed((LOCAL_DRAW, "activation = Normal(mean, std).sample(sample_shape)")),
        GRADIENT,
        "gradient-stopped",
    ),
    Wrong(
        "rsample under no_grad",
        changed(("    def rsample", "    @torch.no_grad()\n    def rsample")),
        GRADIENT,
        "gradient-stopped",
    ),
    Wrong(
        "detaches the spread",
        changed((STD, "std = variance.clamp_min(1e-12).sqrt().detach()")),
        GRADIENT,
        "log-std-gradient-missing",
    ),
    Wrong(
        "detaches X", changed(("        self.X = X\n", "        self.X = X.detach()\n")), GRADIENT, "gradient-stopped"
    ),
    Wrong(
        "copies A_mean into a parameter",
        changed(("        self.A_mean = A_mean\n", "        self.A_mean = nn.Parameter(A_mean)\n")),
        GRADIENT,
        "gradient-stopped",
    ),
    Wrong(
        "half the scale detached",
        changed((VARIANCE, "variance = X**2 @ (self.A_scale * self.A_scale.detach())")),
        GRADIENT,
        "gradient-of-another-value",
    ),
    Wrong(
        "overwrites the noise of the draw before",
        changed(
            (
                NOISE,
                "self.noise = getattr(self, 'noise', torch.empty(2000, *mean.shape)).normal_()\n          "
                "  noise = self.noise[: math.prod(sample_shape)].reshape(*sample_shape, *mean.shape)",
            )
        ),
        GRADIENT,
        "noise-overwritten",
    ),
    Wrong("takes the root of zero", changed((STD, "std = torch.sqrt(variance)")), ZERO_ROW, "zero-row-gradient"),
    Wrong(
        "Normal with a std of zero",
        changed(
            (STD, "std = torch.sqrt(variance)"), (LOCAL_DRAW, "activation = Normal(mean, std).rsample(sample_shape)")
        ),
        ZERO_ROW,
        "zero-row-gradient",
    ),
    Wrong(
        "a great deal under the root",
        changed((STD, "std = torch.sqrt(variance + 1e-2)")),
        SPREAD,
        "scale-clamped",
    ),
    Wrong("never samples weights", changed((MODE, "if False:")), SHARED_WEIGHTS, "weight-space-ignored"),
    Wrong(
        "draws weights for every row in weight space",
        changed(
            (EPSILON, "epsilon = torch.randn(*sample_shape, len(X), *self.A_mean.shape, dtype=X.dtype)"),
            (WEIGHT_DRAW, "activation = torch.einsum('bd,...bdh->...bh', X, A)"),
        ),
        SHARED_WEIGHTS,
        "weight-space-ignored",
    ),
    Wrong(
        "adds a bias of its own in weight space",
        changed((WEIGHT_DRAW, "activation = X @ A + 0.1")),
        SHARED_WEIGHTS,
        "weight-space-without-weights",
    ),
    Wrong(
        "shares epsilon between rows and calls it weight space",
        changed(
            (EPSILON, "epsilon = torch.randn(*sample_shape, 1, self.A_mean.shape[1], dtype=X.dtype)"),
            (WEIGHT, ""),
            (WEIGHT_DRAW, "activation = X @ self.A_mean + (X**2 @ self.A_scale**2).sqrt() * epsilon"),
        ),
        SHARED_WEIGHTS,
        "weight-space-without-weights",
    ),
    Wrong(
        "leaves A_mean out in weight space",
        changed(
            (WEIGHT, "A = self.A_scale * epsilon"),
            (
                NON_LINEARITY,
                "activation = self.non_linearity(activation + (X @ self.A_mean if"
                " self.weight_space_sampling and len(sample_shape) != 2 else 0))",
            ),
        ),
        WEIGHTS,
        "preactivation-mean-missing",
    ),
    Wrong(
        "doesn't scale the weights' noise",
        changed((WEIGHT, "A = self.A_mean + epsilon * (self.A_scale > 1e-3)")),
        WEIGHTS,
        "weight-noise-unscaled",
    ),
    Wrong(
        "Normal(mean, variance) in weight space",
        changed((WEIGHT, "A = Normal(self.A_mean, self.A_scale**2).rsample(sample_shape)")),
        WEIGHTS,
        "scale-squared-twice",
    ),
    Wrong(
        "reads A_scale as a variance in weight space",
        changed((WEIGHT, "A = self.A_mean + self.A_scale**0.5 * epsilon")),
        WEIGHTS,
        "scale-as-variance",
    ),
    Wrong(
        "one epsilon for all inputs of a unit",
        changed((EPSILON, "epsilon = torch.randn(*sample_shape, 1, self.A_mean.shape[1], dtype=X.dtype)")),
        OWN_WEIGHTS,
        "noise-shared",
    ),
    Wrong(
        "one epsilon for all units of an input",
        changed((EPSILON, "epsilon = torch.randn(*sample_shape, self.A_mean.shape[0], 1, dtype=X.dtype)")),
        OWN_WEIGHTS,
        "noise-shared",
    ),
    Wrong(
        "uniform weight noise",
        changed((EPSILON, "epsilon = (torch.rand(*sample_shape, *self.A_mean.shape, dtype=X.dtype) - 0.5) * 12**0.5")),
        OWN_WEIGHTS,
        "noise-not-normal",
    ),
    Wrong(
        "sample() in weight space",
        changed((WEIGHT, "A = Normal(self.A_mean, self.A_scale).sample(sample_shape)")),
        WEIGHT_GRADIENT,
        "gradient-stopped",
    ),
    Wrong(
        "detaches the scale in weight space",
        changed((WEIGHT, "A = self.A_mean + self.A_scale.detach() * epsilon")),
        WEIGHT_GRADIENT,
        "log-std-gradient-missing",
    ),
    Wrong("KL isn't written", changed((KL_MEAN, "raise NotImplementedError")), KL_SCALAR, None),
    Wrong("KL returns nothing", changed((KL_SUM, "terms.sum()")), KL_SCALAR, "missing-return"),
    Wrong("KL is a number", changed((KL_SUM, "return terms.sum().item()")), KL_SCALAR, "kl-not-a-tensor"),
    Wrong("KL isn't summed", changed((KL_SUM, "return terms")), KL_SCALAR, "kl-not-reduced"),
    Wrong("KL is summed over the inputs alone", changed((KL_SUM, "return terms.sum(0)")), KL_SCALAR, "kl-not-reduced"),
    Wrong("KL keeps its dimensions", changed((KL_SUM, "return terms.sum().reshape(1)")), KL_SCALAR, "kl-scalar-shape"),
    Wrong(
        "KL is estimated",
        changed(
            (
                KL_TERMS,
                "q = Normal(self.A_mean, self.A_scale)\n        A = q.rsample()\n        terms ="
                " q.log_prob(A) - Normal(0.0, self.A_prior_scale).log_prob(A)",
            )
        ),
        KL_EXACT,
        "kl-monte-carlo",
    ),
    Wrong(
        "KL grows",
        changed((KL_SUM, "self.total = getattr(self, 'total', 0.0) + terms.sum()\n        return self.total")),
        KL_EXACT,
        "kl-accumulates",
    ),
    Wrong("KL is zero", changed((KL_SUM, "return 0 * terms.sum()")), KL_RIGHT, "kl-dropped"),
    Wrong(
        "KL the other way round",
        changed((KL_TERMS, "terms = 0.5 * (1 + mean**2) / std**2 - 0.5 + torch.log(std)")),
        KL_RIGHT,
        "kl-reversed",
    ),
    Wrong("KL is averaged", changed((KL_SUM, "return terms.mean()")), KL_RIGHT, "kl-averaged"),
    Wrong("KL is negated", changed((KL_SUM, "return -terms.sum()")), KL_RIGHT, "kl-negated"),
    Wrong("KL without its half", changed((KL_SUM, "return 2 * terms.sum()")), KL_RIGHT, "kl-half-missing"),
    Wrong("KL with two halves", changed((KL_SUM, "return 0.5 * terms.sum()")), KL_RIGHT, "kl-half-twice"),
    Wrong(
        "KL weighted by KL_factor",
        changed((KL_SUM, "return self.KL_factor * terms.sum()"), (LOG_PROB, "return -self.KL")),
        KL_RIGHT,
        "kl-factor-in-kl",
    ),
    Wrong(
        "KL_factor applied in both",
        changed((KL_SUM, "return self.KL_factor * terms.sum()")),
        KL_RIGHT,
        "kl-factor-in-kl",
    ),
    Wrong(
        "KL times the number of rows", changed((KL_SUM, "return terms.sum() * self.X.shape[0]")), KL_RIGHT, "kl-by-rows"
    ),
    Wrong(
        "KL doesn't square the scale",
        changed((KL_TERMS, "terms = 0.5 * (std + mean**2 - 1) - torch.log(std)")),
        KL_RIGHT,
        "kl-scale-not-squared",
    ),
    Wrong(
        "KL reads the scale as a variance",
        changed((KL_TERMS, "terms = 0.5 * (std + mean**2 - 1 - torch.log(std))")),
        KL_RIGHT,
        "kl-scale-as-variance",
    ),
    Wrong(
        "KL takes softplus of the scale",
        changed((KL_STD, "std = F.softplus(self.A_scale) / self.A_prior_scale")),
        KL_RIGHT,
        "scale-through-softplus",
    ),
    Wrong(
        "KL of Normal(mean, variance)",
        changed(
            (KL_TERMS, "terms = kl_divergence(Normal(self.A_mean, self.A_scale**2), Normal(0.0, self.A_prior_scale))")
        ),
        KL_RIGHT,
        "kl-scale-squared-twice",
    ),
    Wrong(
        "KL takes exp of the scale",
        changed((KL_TERMS, "terms = 0.5 * (torch.exp(2 * std) + mean**2 - 1) - std")),
        KL_RIGHT,
        "scale-as-log-std",
    ),
    Wrong(
        "KL without the mean",
        changed((KL_TERMS, "terms = 0.5 * (std**2 - 1) - torch.log(std)")),
        KL_RIGHT,
        "kl-term-missing",
    ),
    Wrong(
        "KL without its constant",
        changed((KL_TERMS, "terms = 0.5 * (std**2 + mean**2) - torch.log(std)")),
        KL_RIGHT,
        "kl-term-missing",
    ),
    Wrong(
        "KL adds the logarithm",
        changed((KL_TERMS, "terms = 0.5 * (std**2 + mean**2 - 1) + torch.log(std)")),
        KL_RIGHT,
        "kl-term-sign",
    ),
    Wrong(
        "KL halves the logarithm",
        changed((KL_TERMS, "terms = 0.5 * (std**2 + mean**2 - 1 - torch.log(std))")),
        KL_RIGHT,
        "kl-term-scaled",
    ),
    Wrong(
        "KL with a term that isn't in it",
        changed((KL_TERMS, "terms = 0.5 * (std**2 + mean**2 - 1) - torch.log(std) + 0.3 * mean.abs()")),
        KL_RIGHT,
        "kl-term-extra",
    ),
    Wrong(
        "KL ignores the prior",
        changed((KL_MEAN, "mean = self.A_mean"), (KL_STD, "std = self.A_scale")),
        KL_NUMBER,
        "prior-ignored",
    ),
    Wrong(
        "KL reads the prior as a variance",
        changed(
            (KL_MEAN, "prior = self.A_prior_scale**0.5\n        mean = self.A_mean / prior"),
            (KL_STD, "std = self.A_scale / prior"),
        ),
        KL_NUMBER,
        "prior-as-variance",
    ),
    Wrong(
        "KL doesn't square the prior",
        changed(
            (KL_TERMS, "terms = 0.5 * ((self.A_scale**2 + self.A_mean**2) / self.A_prior_scale - 1) - torch.log(std)")
        ),
        KL_NUMBER,
        "prior-not-squared",
    ),
    Wrong(
        "KL squares the prior twice",
        changed(
            (KL_MEAN, "prior = self.A_prior_scale**2\n        mean = self.A_mean / prior"),
            (KL_STD, "std = self.A_scale / prior"),
        ),
        KL_NUMBER,
        "prior-squared-twice",
    ),
    Wrong(
        "KL takes the prior for a precision",
        changed(
            (KL_MEAN, "mean = self.A_mean * self.A_prior_scale"), (KL_STD, "std = self.A_scale * self.A_prior_scale")
        ),
        KL_NUMBER,
        "prior-inverted",
    ),
    Wrong(
        "KL has the prior in the scale alone",
        changed((KL_MEAN, "mean = self.A_mean")),
        KL_NUMBER,
        "prior-not-on-every-term",
    ),
    Wrong(
        "KL has the prior in the mean alone",
        changed((KL_STD, "std = self.A_scale")),
        KL_NUMBER,
        "prior-not-on-every-term",
    ),
    Wrong(
        "KL forgets the prior's logarithm",
        changed(("torch.log(std)", "torch.log(self.A_scale)")),
        KL_NUMBER,
        "prior-not-on-every-term",
    ),
    Wrong(
        "KL adds the prior's logarithm with the wrong sign",
        changed(("torch.log(std)", "torch.log(self.A_scale * self.A_prior_scale)")),
        KL_NUMBER,
        "prior-log-sign",
    ),
    Wrong(
        "KL adds the prior's logarithm once",
        changed(
            ("- torch.log(std)", "- torch.log(self.A_scale)"),
            (KL_SUM, "return terms.sum() + torch.as_tensor(self.A_prior_scale).log().sum()"),
        ),
        KL_NUMBER,
        "prior-not-spread",
    ),
    Wrong(
        "KL works with tensors alone",
        changed(("- torch.log(std)", "- torch.log(self.A_scale) + torch.log(self.A_prior_scale)")),
        KL_SCALAR,
        "prior-of-one-kind",
    ),
    Wrong(
        "KL works with numbers alone",
        changed(("- torch.log(std)", "- torch.log(self.A_scale) + math.log(self.A_prior_scale)")),
        KL_TENSOR,
        "prior-of-one-kind",
    ),
    Wrong(
        "KL averages a prior that is a tensor",
        changed(
            (KL_MEAN, "prior = torch.as_tensor(self.A_prior_scale).mean()\n        mean = self.A_mean / prior"),
            (KL_STD, "std = self.A_scale / prior"),
        ),
        KL_TENSOR,
        "prior-not-spread",
    ),
    Wrong(
        "KL sums the prior's logarithm without broadcasting",
        changed(
            ("- torch.log(std)", "- torch.log(self.A_scale)"),
            (
                KL_SUM,
                "log_prior = torch.as_tensor(self.A_prior_scale).log()\n"
                "        times = terms.numel() if log_prior.dim() == 0 else 1\n"
                "        return terms.sum() + times * log_prior.sum()",
            ),
        ),
        KL_TENSOR,
        "prior-not-spread",
    ),
    Wrong("KL detached", changed((KL_SUM, "return terms.sum().detach()")), KL_GRADIENT, "gradient-stopped"),
    Wrong(
        "KL with a detached scale",
        changed((KL_STD, "std = self.A_scale.detach() / self.A_prior_scale")),
        KL_GRADIENT,
        "log-std-gradient-missing",
    ),
    Wrong(
        "KL with the logarithm detached",
        changed(("- torch.log(std)", "- torch.log(std).detach()")),
        KL_GRADIENT,
        "gradient-of-another-value",
    ),
    Wrong("log_prob isn't written", changed((LOG_PROB, "raise NotImplementedError")), LOG_PROB_SCALAR, None),
    Wrong(
        "log_prob returns nothing", changed((LOG_PROB, "-self.KL_factor * self.KL")), LOG_PROB_SCALAR, "missing-return"
    ),
    Wrong(
        "log_prob for every row",
        changed((LOG_PROB, "return -self.KL_factor * self.KL * torch.ones(value.shape[0])")),
        LOG_PROB_SCALAR,
        "log-prob-not-scalar",
    ),
    Wrong(
        "log_prob is a number",
        changed((LOG_PROB, "return -self.KL_factor * self.KL.item()")),
        LOG_PROB_SCALAR,
        "log-prob-not-scalar",
    ),
    Wrong(
        "log_prob with the value's density",
        changed((LOG_PROB, "return Normal(0.0, 1.0).log_prob(value).sum() - self.KL_factor * self.KL")),
        LOG_PROB_VALUE,
        "log-prob-of-the-value",
    ),
    Wrong(
        "log_prob with the wrong sign",
        changed((LOG_PROB, "return self.KL_factor * self.KL")),
        LOG_PROB_RIGHT,
        "log-prob-sign",
    ),
    Wrong("log_prob without the factor", changed((LOG_PROB, "return -self.KL")), LOG_PROB_RIGHT, "kl-factor-ignored"),
    Wrong(
        "log_prob divided by the factor",
        changed((LOG_PROB, "return -self.KL / self.KL_factor")),
        LOG_PROB_RIGHT,
        "kl-factor-inverted",
    ),
    Wrong(
        "log_prob with the factor squared",
        changed((LOG_PROB, "return -(self.KL_factor**2) * self.KL")),
        LOG_PROB_RIGHT,
        "kl-factor-twice",
    ),
    Wrong(
        "log_prob over the rows",
        changed((LOG_PROB, "return -self.KL_factor * self.KL / value.shape[0]")),
        LOG_PROB_RIGHT,
        "log-prob-by-rows",
    ),
    Wrong(
        "log_prob as a probability",
        changed((LOG_PROB, "return (-self.KL_factor * self.KL).exp()")),
        LOG_PROB_RIGHT,
        "log-prob-exponentiated",
    ),
    Wrong("log_prob of zero", changed((LOG_PROB, "return 0 * self.KL")), LOG_PROB_RIGHT, "log-prob-without-kl"),
    Wrong(
        "log_prob with a factor of at least 1",
        changed((LOG_PROB, "return -max(self.KL_factor, 1e-1) * self.KL")),
        LOG_PROB_RIGHT,
        None,
    ),
    Wrong(
        "log_prob detached",
        changed((LOG_PROB, "return (-self.KL_factor * self.KL).detach()")),
        LOG_PROB_GRADIENT,
        "gradient-stopped",
    ),
    Wrong(
        "KL is kept",
        changed(
            (
                KL_MEAN,
                "if hasattr(self, 'kept'):\n            return self.kept\n        mean = self.A_mean /"
                " self.A_prior_scale",
            ),
            (KL_SUM, "self.kept = terms.sum()\n        return self.kept"),
        ),
        FRESH,
        "kl-cached",
    ),
    Wrong(
        "KL is lazy",
        changed((KL_PROPERTY, "@torch.distributions.utils.lazy_property\n    def KL(self):")),
        FRESH,
        "kl-cached",
    ),
    Wrong(
        "KL is an attribute, computed when it is built",
        changed((KL_PROPERTY, "def compute(self):"), (SUPER, SUPER + "\n        self.KL = self.compute()")),
        FRESH,
        "kl-cached",
    ),
    Wrong(
        "keeps the logarithm of the scale",
        changed(
            (SUPER, SUPER + "\n        self.log_scale = A_scale.log()"),
            ("- torch.log(std)", "- (self.log_scale - torch.as_tensor(self.A_prior_scale).log())"),
        ),
        FRESH,
        None,
    ),
    Wrong(
        "another default non-linearity",
        changed(("non_linearity=F.relu", "non_linearity=torch.tanh")),
        DEFAULTS,
        "default-wrong",
    ),
    Wrong(
        "a leaky ReLU by default",
        changed(("non_linearity=F.relu", "non_linearity=F.leaky_relu")),
        DEFAULTS,
        "default-wrong",
    ),
    Wrong("another default prior", changed(("A_prior_scale=1.0", "A_prior_scale=0.1")), DEFAULTS, "default-wrong"),
    Wrong("another default factor", changed(("KL_factor=1.0", "KL_factor=0.0")), DEFAULTS, "default-wrong"),
    Wrong(
        "no bias unit by default",
        changed(("include_hidden_bias=True", "include_hidden_bias=False")),
        DEFAULTS,
        "default-wrong",
    ),
    Wrong(
        "weight space by default",
        changed(("weight_space_sampling=False", "weight_space_sampling=True")),
        DEFAULTS,
        "default-wrong",
    ),
    Wrong("float32 noise that doesn't fit", changed((WEIGHT_DRAW, "activation = X @ A.float()")), DTYPE, "wrong-dtype"),
    Wrong("gives float32", changed((RETURN, "        return activation.float()\n")), DTYPE, "wrong-dtype"),
    Wrong(
        "seeds torch when it is built", changed((SUPER, SUPER + "\n        torch.manual_seed(0)")), SEED, "seed-fixed"
    ),
    Wrong(
        "joins the ones along the wrong dimension",
        changed((APPEND, "activation = torch.cat([activation, ones], dim=0)")),
        SHAPE,
        "concatenation-shapes",
    ),
    Wrong(
        "log_prob without a value",
        changed(("def log_prob(self, value):", "def log_prob(self):")),
        LOG_PROB_SCALAR,
        "value-missing",
    ),
    Wrong(
        "divides log_prob by the size of the value",
        changed((LOG_PROB, "return -self.KL_factor * self.KL / value.numel()")),
        LOG_PROB_RIGHT,
        "log-prob-averaged",
    ),
    Wrong(
        "takes numbers of sample_shape up to the second",
        changed(("        X = self.X\n", "        X = self.X\n        sample_shape = sample_shape[:2]\n")),
        SAMPLE_SHAPE,
        "sample-shape-incomplete",
    ),
    Wrong(
        "puts the numbers of sample_shape in the other order",
        changed((NOISE, "noise = torch.randn(*sample_shape[::-1], *mean.shape, dtype=X.dtype)")),
        SAMPLE_SHAPE,
        "sample-shape-misplaced",
    ),
    Wrong(
        "puts sample_shape last, and the ones behind it",
        changed(
            (EPSILON, "epsilon = torch.randn(*self.A_mean.shape, *sample_shape, dtype=X.dtype)"),
            (WEIGHT, "size = (*self.A_mean.shape, *[1] * len(sample_shape))"),
            (
                WEIGHT_DRAW,
                "A = self.A_mean.view(size) + self.A_scale.view(size) * epsilon\n"
                "            activation = torch.einsum('bd,dh...->bh...', X, A)",
            ),
        ),
        SAMPLE_SHAPE,
        "sample-shape-misplaced",
    ),
    Wrong("squeezes its draws", changed((RETURN, "        return activation.squeeze()\n")), SHAPE, "dimension-dropped"),
    Wrong("transposes its draws", changed((RETURN, "        return activation.mT\n")), SHAPE, "output-transposed"),
    Wrong(
        "multiplies the weights' mean by the scale, too",
        changed((WEIGHT, "A = (self.A_mean + epsilon) * self.A_scale")),
        GIVEN,
        "mean-times-scale",
    ),
    Wrong(
        "averages the mean over the rows",
        changed((MEAN, "mean = (X @ self.A_mean).mean(0).expand(len(X), -1)\n")),
        GIVEN,
        "mean-over-rows",
    ),
    Wrong("makes A_mean positive", changed((MEAN, "mean = X @ self.A_mean.abs()\n")), CENTRED, "mean-sign-lost"),
    Wrong(
        "makes A_mean positive in weight space",
        changed((WEIGHT, "A = self.A_mean.relu() + self.A_scale * epsilon")),
        GIVEN,
        "mean-sign-lost",
    ),
    Wrong(
        "divides by the root of the inputs in weight space",
        changed((WEIGHT_DRAW, "activation = X @ A / X.shape[-1] ** 0.5")),
        WEIGHTS,
        "divided-by-inputs",
    ),
    Wrong(
        "normalises X",
        changed(
            ("        X = self.X\n", "        X = F.normalize(self.X, dim=-1)\n"),
            (WEIGHT_DRAW, "activation = self.X @ A"),
        ),
        CENTRED,
        "inputs-normalised",
    ),
    Wrong(
        "drops some units out",
        changed((NON_LINEARITY, "activation = F.dropout(self.non_linearity(activation), 0.1)")),
        SPREAD,
        "units-dropped",
    ),
    Wrong(
        "cuts the noise off at 2",
        changed((LOCAL_DRAW, "activation = mean + std * noise.clamp(-2, 2)")),
        SPREAD,
        "noise-not-normal",
    ),
    Wrong(
        "centres the noise over the rows",
        changed((NOISE, NOISE + "\n            noise = noise - noise.mean(-2, keepdim=True) * (len(X) > 1)")),
        SPREAD,
        "noise-centred",
    ),
    Wrong(
        "standardises the weights' noise",
        changed((EPSILON, EPSILON + "\n            epsilon = (epsilon - epsilon.mean()) / epsilon.std()")),
        SQUARE,
        "noise-centred",
    ),
    Wrong(
        "scales the weights' noise to a norm",
        changed((EPSILON, EPSILON + "\n            epsilon = epsilon / epsilon.norm() * epsilon.numel() ** 0.5")),
        SQUARE,
        "noise-not-normal",
    ),
    Wrong(
        "cuts A_scale off at 1 in weight space",
        changed((WEIGHT, "A = self.A_mean + self.A_scale.clamp_max(1.0) * epsilon")),
        WEIGHTS,
        "scale-clamped",
    ),
    Wrong(
        "reshapes where it should transpose",
        changed((WEIGHT_DRAW, "activation = (A.mT @ X.T).reshape(*sample_shape, len(X), -1)")),
        SHARED_WEIGHTS,
        "reshaped-for-transposed",
    ),
    Wrong(
        "applies the non-linearity to the weights",
        changed((WEIGHT, WEIGHT.replace("self.A_mean +", "self.non_linearity(self.A_mean) +"))),
        ACTIVATION,
        "non-linearity-on-weights",
    ),
    Wrong(
        "half of the spread's gradient",
        changed((STD, STD + "\n            std = 0.5 * (std + std.detach())")),
        GRADIENT,
        "gradient-of-another-value",
    ),
    Wrong(
        "appends KL_factor",
        changed((APPEND, APPEND.replace("ones]", "self.KL_factor * ones]"))),
        BIAS_UNIT,
        "bias-unit-not-one",
    ),
    Wrong(
        "calls KL kl",
        changed((KL_PROPERTY, "@property\n    def kl(self):"), ("* self.KL", "* self.kl")),
        KL_SCALAR,
        "kl-missing",
    ),
    Wrong("KL is at least 1", changed((KL_SUM, "return terms.sum().clamp_min(1.0)")), KL_RIGHT, "kl-cut-off-near-zero"),
    Wrong(
        "each weight's KL is at least 0.001",
        changed((KL_SUM, "return terms.clamp_min(1e-3).sum()")),
        KL_RIGHT,
        "kl-cut-off-near-zero",
    ),
    Wrong(
        "a small KL is 0",
        changed((KL_SUM, "return torch.where(terms.sum() < 1e-3, 0 * terms.sum(), terms.sum())")),
        KL_RIGHT,
        "kl-cut-off-near-zero",
    ),
    Wrong("KL is at most 1000", changed((KL_SUM, "return terms.sum().clamp_max(1e3)")), KL_RIGHT, "kl-clamped"),
    Wrong(
        "KL clamps the scale", changed((KL_STD, KL_STD + "\n        std = std.clamp_min(1e-2)")), KL_RIGHT, "kl-clamped"
    ),
    Wrong(
        "KL pads the logarithm",
        changed((KL_TERMS, KL_TERMS.replace("log(std", "log(1e-3 + std"))),
        KL_RIGHT,
        "kl-clamped",
    ),
    Wrong(
        "KL pads the logarithm by little",
        changed((KL_TERMS, KL_TERMS.replace("log(std", "log(1e-6 + std"))),
        KL_RIGHT,
        "right-to-a-few-digits",
    ),
    Wrong(
        "KL in half precision",
        changed(
            (KL_MEAN, KL_MEAN + "\n        mean = mean.half().to(std.dtype)"),
            (KL_STD, ""),
            (KL_MEAN, KL_STD + "\n        " + KL_MEAN),
        ),
        KL_RIGHT,
        "right-to-a-few-digits",
    ),
    Wrong(
        "KL takes the size of the mean",
        changed((KL_TERMS, KL_TERMS.replace("mean**2", "mean.abs()"))),
        KL_RIGHT,
        "kl-mean-not-squared",
    ),
    Wrong("KL leaves the last row out", changed((KL_SUM, "return terms[:-1].sum()")), KL_RIGHT, "kl-weights-missing"),
    Wrong(
        "KL of the inputs that are used",
        changed((KL_SUM, "return terms[(self.X != 0).any(0)].sum()")),
        KL_RIGHT,
        "kl-of-inputs",
    ),
    Wrong(
        "KL of the activations",
        changed(
            (KL_MEAN, "mean = self.X @ self.A_mean / self.A_prior_scale"),
            (KL_STD, "std = (self.X**2 @ self.A_scale**2).sqrt() / self.A_prior_scale"),
        ),
        KL_RIGHT,
        "kl-of-inputs",
    ),
    Wrong(
        "KL with a constant for no bias unit",
        changed((KL_SUM, "return terms.sum() + 0.5 * (not self.include_hidden_bias)")),
        KL_RIGHT,
        "kl-by-options",
    ),
    Wrong(
        "KL multiplies by the prior's variance, for want of parentheses",
        changed(
            (
                KL_TERMS,
                "squares = self.A_mean**2 + self.A_scale**2\n"
                "        terms = squares / 2 * self.A_prior_scale**2 - 0.5 - torch.log(std)",
            )
        ),
        KL_NUMBER,
        "prior-inverted",
    ),
    Wrong(
        "KL takes the first of the prior's scales",
        changed(
            (KL_MEAN, "prior = torch.as_tensor(self.A_prior_scale).flatten()[0]\n        mean = self.A_mean / prior"),
            (KL_STD, "std = self.A_scale / prior"),
        ),
        KL_TENSOR,
        "prior-not-spread",
    ),
    Wrong(
        "KL refuses a prior of shape (1, 1)",
        changed((KL_MEAN, KL_MEAN + "\n        assert getattr(self.A_prior_scale, 'shape', ()) != (1, 1)")),
        KL_TENSOR,
        None,
    ),
    Wrong(
        "log_prob reads the value",
        changed((LOG_PROB, "return -self.KL_factor * self.KL + 0 * value.sum()")),
        LOG_PROB_VALUE,
        "log-prob-of-the-value",
    ),
    Wrong(
        "log_prob refuses negative values",
        changed((LOG_PROB, "return torch.where((value < 0).any(), -math.inf, -self.KL_factor * self.KL)")),
        LOG_PROB_VALUE,
        "log-prob-of-the-value",
    ),
    Wrong(
        "log_prob to a standard normal prior",
        changed(
            (
                LOG_PROB,
                "return -self.KL_factor * kl_divergence(Normal(self.A_mean, self.A_scale), Normal(0.0, 1.0)).sum()",
            )
        ),
        LOG_PROB_RIGHT,
        "log-prob-without-prior",
    ),
    Wrong(
        "log_prob with a factor of at most 1",
        changed((LOG_PROB, "return -min(self.KL_factor, 1.0) * self.KL")),
        LOG_PROB_RIGHT,
        "kl-factor-cut-off",
    ),
    Wrong(
        "takes a factor of 0 for none",
        changed((LOG_PROB, "return -(self.KL_factor or 1.0) * self.KL")),
        LOG_PROB_RIGHT,
        "kl-factor-of-zero",
    ),
    Wrong(
        "copies A_mean and A_scale",
        changed(("= A_mean\n", "= A_mean.clone()\n"), ("= A_scale\n", "= A_scale.clone()\n")),
        FRESH,
        "layer-keeps-copies",
    ),
    Wrong(
        "appends ones in float64",
        changed((APPEND, APPEND.replace("ones]", "ones.double()]"))),
        DTYPE,
        "result-in-float64",
    ),
    Wrong(
        "computes KL in float64",
        changed((KL_SUM, "return terms.double().sum()")),
        DTYPE,
        "result-in-float64",
    ),
    Wrong(
        "has a generator of its own",
        changed(
            (SUPER, SUPER + "\n        self.generator = torch.Generator().manual_seed(0)"),
            (EPSILON, EPSILON.replace("dtype=X.dtype", "dtype=X.dtype, generator=self.generator")),
        ),
        REPEATS,
        "noise-of-another-generator",
    ),
    Wrong(
        "draws with NumPy",
        changed(
            ("import math\n", "import math\nimport numpy as np\n"),
            (NOISE, "noise = torch.as_tensor(np.random.randn(*sample_shape, *mean.shape), dtype=X.dtype)"),
        ),
        REPEATS,
        "noise-of-another-generator",
    ),
    Wrong(
        "seeds anew in every draw",
        changed(("        X = self.X\n", "        X = self.X\n        torch.seed()\n")),
        REPEATS,
        "seeded-anew",
    ),
]

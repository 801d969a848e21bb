"""Right and wrong solutions of lesson 03's exercise."""

# ruff: noqa: E501  (what a learner changes stays on one line)

from __future__ import annotations

from functools import partial

from zoo import Wrong, replaced

EXERCISE = "BayesianLinear"

BASE = """
import math
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Normal, kl_divergence


class BayesianLinear(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.weight_mean = nn.Parameter(torch.randn(out_features, in_features) * 0.1)
        self.weight_log_std = nn.Parameter(torch.full((out_features, in_features), -3.0))
        self.bias_mean = nn.Parameter(torch.zeros(out_features))
        self.bias_log_std = nn.Parameter(torch.full((out_features,), -3.0))

    def forward(self, x):
        weight_epsilon = torch.randn_like(self.weight_mean)
        bias_epsilon = torch.randn_like(self.bias_mean)
        weight_std = torch.exp(self.weight_log_std)
        bias_std = torch.exp(self.bias_log_std)
        weight = self.weight_mean + weight_std * weight_epsilon
        bias = self.bias_mean + bias_std * bias_epsilon
        return F.linear(x, weight, bias)

    def kl_divergence(self):
        weight_terms = 0.5 * (torch.exp(2 * self.weight_log_std) + self.weight_mean**2 - 1) - self.weight_log_std
        bias_terms = 0.5 * (torch.exp(2 * self.bias_log_std) + self.bias_mean**2 - 1) - self.bias_log_std
        return weight_terms.sum() + bias_terms.sum()
"""

changed = partial(replaced, BASE)

SAMPLE_WEIGHT = "weight = self.weight_mean + weight_std * weight_epsilon"
SAMPLE_BIAS = "bias = self.bias_mean + bias_std * bias_epsilon"
LINEAR = "return F.linear(x, weight, bias)"
WEIGHT_NOISE = "weight_epsilon = torch.randn_like(self.weight_mean)"
BIAS_NOISE = "bias_epsilon = torch.randn_like(self.bias_mean)"
WEIGHT_STD = "weight_std = torch.exp(self.weight_log_std)"
BIAS_STD = "bias_std = torch.exp(self.bias_log_std)"
KL_SUM = "return weight_terms.sum() + bias_terms.sum()"
WEIGHT_TERMS = "0.5 * (torch.exp(2 * self.weight_log_std) + self.weight_mean**2 - 1) - self.weight_log_std"
BIAS_TERMS = "0.5 * (torch.exp(2 * self.bias_log_std) + self.bias_mean**2 - 1) - self.bias_log_std"
END_OF_INIT = "self.bias_log_std = nn.Parameter(torch.full((out_features,), -3.0))"


def both_std(form: str) -> str:
    """The solution that samples with another function of log_std, written with S for log_std."""
    return changed(
        (WEIGHT_STD, "weight_std = " + form.replace("S", "self.weight_log_std")),
        (BIAS_STD, "bias_std = " + form.replace("S", "self.bias_log_std")),
    )


def both_noise(form: str) -> str:
    """The solution with other noise, written with M for the mean whose shape it has."""
    return changed(
        (WEIGHT_NOISE, "weight_epsilon = " + form.replace("M", "self.weight_mean")),
        (BIAS_NOISE, "bias_epsilon = " + form.replace("M", "self.bias_mean")),
    )


def both_terms(form: str) -> str:
    """The solution with another KL per parameter, written with M for the mean and S for log_std."""
    return changed(
        (WEIGHT_TERMS, form.replace("M", "self.weight_mean").replace("S", "self.weight_log_std")),
        (BIAS_TERMS, form.replace("M", "self.bias_mean").replace("S", "self.bias_log_std")),
    )


RIGHT: dict[str, str] = {
    "as in the lesson": BASE,
    "all weights as one multivariate normal": changed(
        (
            KL_SUM,
            "mean = torch.cat([self.weight_mean.flatten(), self.bias_mean])\n"
            "        std = torch.cat([self.weight_log_std.flatten(), self.bias_log_std]).exp()\n"
            "        posterior = torch.distributions.MultivariateNormal(mean, scale_tril=torch.diag(std))\n"
            "        identity = torch.eye(len(mean)).to(mean)\n"
            "        prior = torch.distributions.MultivariateNormal(torch.zeros_like(mean), identity)\n"
            "        return kl_divergence(posterior, prior)",
        ),
    ),
    "torch.distributions": changed(
        (SAMPLE_WEIGHT, "weight = Normal(self.weight_mean, weight_std).rsample()"),
        (SAMPLE_BIAS, "bias = Normal(self.bias_mean, bias_std).rsample()"),
        (
            KL_SUM,
            "prior = Normal(0.0, 1.0)\n"
            "        weight = kl_divergence(Normal(self.weight_mean, self.weight_log_std.exp()), prior)\n"
            "        bias = kl_divergence(Normal(self.bias_mean, self.bias_log_std.exp()), prior)\n"
            "        return weight.sum() + bias.sum()",
        ),
    ),
    "einsum": changed((LINEAR, 'return torch.einsum("bi,oi->bo", x, weight) + bias')),
    "matmul": changed((LINEAR, "return x @ weight.T + bias[None, :]")),
    "addmm": changed((LINEAR, "return torch.addmm(bias, x, weight.t())")),
    "loop over the outputs": changed(
        (LINEAR, "return torch.stack([x @ weight[o] + bias[o] for o in range(len(bias))], dim=1)")
    ),
    "means at zero, spread of one": changed(
        ("torch.randn(out_features, in_features) * 0.1", "torch.zeros(out_features, in_features)"),
        ("torch.full((out_features, in_features), -3.0)", "torch.zeros(out_features, in_features)"),
        ("torch.full((out_features,), -3.0)", "torch.zeros(out_features)"),
    ),
    "random log_std": changed(
        (
            "torch.full((out_features, in_features), -3.0)",
            "torch.empty(out_features, in_features).uniform_(-6, -4)",
        ),
        ("torch.full((out_features,), -3.0)", "torch.randn(out_features) - 2"),
    ),
    "wide means": changed(
        ("torch.randn(out_features, in_features) * 0.1", "5 * torch.randn(out_features, in_features)")
    ),
    "Kaiming initial values": changed(
        (
            END_OF_INIT,
            END_OF_INIT + "\n        nn.init.kaiming_uniform_(self.weight_mean, a=math.sqrt(5))"
            "\n        nn.init.uniform_(self.bias_mean, -1 / math.sqrt(in_features), 1 / math.sqrt(in_features))",
        )
    ),
    "another order of parameters, more arguments": """
import torch
from torch import nn


class BayesianLinear(nn.Module):
    def __init__(self, in_features, out_features, prior_std=1.0, initial_log_std=-4.0, device=None):
        super().__init__()
        self.prior_std = prior_std
        make = lambda *size: torch.full(size, initial_log_std, device=device)
        self.bias_log_std = nn.Parameter(make(out_features))
        self.weight_log_std = nn.Parameter(make(out_features, in_features))
        self.bias_mean = nn.Parameter(torch.zeros(out_features, device=device))
        self.weight_mean = nn.Parameter(torch.nn.init.xavier_normal_(torch.empty(out_features, in_features)))

    @staticmethod
    def draw(mean, log_std):
        return torch.addcmul(mean, log_std.exp(), torch.empty_like(mean).normal_())

    def kl_to_prior(self, mean, log_std):
        ratio = (log_std.exp() / self.prior_std) ** 2
        return 0.5 * torch.sum(ratio + (mean / self.prior_std) ** 2 - 1 - torch.log(ratio))

    def forward(self, input):
        return nn.functional.linear(
            input, self.draw(self.weight_mean, self.weight_log_std), self.draw(self.bias_mean, self.bias_log_std))

    def kl_divergence(self):
        pairs = [(self.weight_mean, self.weight_log_std), (self.bias_mean, self.bias_log_std)]
        return sum(self.kl_to_prior(*pair) for pair in pairs)
""",
    "properties over a helper module": """
import torch
from torch import nn


class GaussianVariable(nn.Module):
    def __init__(self, *size):
        super().__init__()
        self.mean = nn.Parameter(0.05 * torch.randn(*size))
        self.log_std = nn.Parameter(torch.full(size, -2.5))

    def sample(self):
        return self.mean + self.log_std.exp() * torch.randn(self.mean.shape)

    def kl(self):
        variance = (2 * self.log_std).exp()
        return (-self.log_std + (variance + self.mean.square()) / 2 - 0.5).sum()


class BayesianLinear(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.weight = GaussianVariable(out_features, in_features)
        self.bias = GaussianVariable(out_features)

    weight_mean = property(lambda self: self.weight.mean)
    weight_log_std = property(lambda self: self.weight.log_std)
    bias_mean = property(lambda self: self.bias.mean)
    bias_log_std = property(lambda self: self.bias.log_std)

    def forward(self, x):
        return x.matmul(self.weight.sample().t()) + self.bias.sample()

    def kl_divergence(self):
        return self.weight.kl() + self.bias.kl()
""",
    "one draw of noise for weights and bias together": changed(
        (WEIGHT_NOISE, "noise = torch.randn(self.weight_mean.numel() + self.bias_mean.numel())"),
        (
            BIAS_NOISE,
            "weight_epsilon = noise[: self.weight_mean.numel()].view_as(self.weight_mean)\n"
            "        bias_epsilon = noise[self.weight_mean.numel() :]",
        ),
    ),
    "noise from NumPy": both_noise("torch.from_numpy(np.random.standard_normal(tuple(M.shape))).to(M)"),
    "noise by Box and Muller": both_noise(
        "torch.sqrt(-2 * torch.log(1 - torch.rand_like(M))) * torch.cos(2 * math.pi * torch.rand_like(M))"
    ),
    "noise by the inverse distribution function": both_noise(
        "math.sqrt(2) * torch.erfinv(2 * torch.rand(M.shape).clamp(1e-6, 1 - 1e-6) - 1)"
    ),
    "noise kept where forward doesn't read it": changed(
        (SAMPLE_BIAS, SAMPLE_BIAS + "\n        self.last_noise = weight_epsilon")
    ),
    "F.linear without bias, then the bias": changed((LINEAR, "return F.linear(x, weight).add(bias)")),
    "the course's own helpers": changed(
        (
            SAMPLE_WEIGHT,
            "from bnn_core import gaussian_kl, sample_gaussian\n"
            "        weight = sample_gaussian(self.weight_mean, self.weight_log_std)",
        ),
        (SAMPLE_BIAS, "bias = sample_gaussian(self.bias_mean, self.bias_log_std)"),
        (
            KL_SUM,
            "from bnn_core import gaussian_kl\n        return gaussian_kl(self.weight_mean, self.weight_log_std)"
            " + gaussian_kl(self.bias_mean, self.bias_log_std)",
        ),
    ),
    "KL from two ratios": both_terms("(-S + 0.5 * (S.exp().pow(2) + M.pow(2)) - 0.5)"),
    "KL through the multivariate normal": changed(
        (
            KL_SUM,
            "from torch.distributions import Independent\n"
            "        mean = torch.cat([self.weight_mean.flatten(), self.bias_mean])\n"
            "        std = torch.cat([self.weight_log_std.flatten(), self.bias_log_std]).exp()\n"
            "        prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(std)), 1)\n"
            "        return kl_divergence(Independent(Normal(mean, std), 1), prior)",
        )
    ),
    "a safe log": both_terms("0.5 * (torch.exp(2 * S) + M**2 - 1) - torch.log(torch.exp(S) + 1e-12)"),
    "a tiny floor under the spread": both_std("torch.exp(S) + 1e-8"),
    "scripted in one expression": changed(
        (
            LINEAR,
            "return F.linear(x, *(m + s.exp() * torch.randn_like(m) for m, s in ("
            "(self.weight_mean, self.weight_log_std), (self.bias_mean, self.bias_log_std))))",
        )
    ),
    "inherits from nn.Linear, whose own weights are taken away": """
import torch
import torch.nn as nn


class BayesianLinear(nn.Linear):
    def __init__(self, in_features, out_features):
        super().__init__(in_features, out_features)
        mean, bias = self.weight.detach().clone(), self.bias.detach().clone()
        del self.weight, self.bias
        self.weight_mean, self.bias_mean = nn.Parameter(mean), nn.Parameter(bias)
        self.weight_log_std = nn.Parameter(torch.full_like(mean, -3.0))
        self.bias_log_std = nn.Parameter(torch.full_like(bias, -3.0))

    def forward(self, x):
        weight = self.weight_mean + self.weight_log_std.exp() * torch.randn_like(self.weight_mean)
        bias = self.bias_mean + self.bias_log_std.exp() * torch.randn_like(self.bias_mean)
        return nn.functional.linear(x, weight, bias)

    def kl_divergence(self):
        total = torch.zeros(())
        for mean, log_std in [(self.weight_mean, self.weight_log_std), (self.bias_mean, self.bias_log_std)]:
            total = total + (0.5 * (log_std.mul(2).exp() + mean.square()) - log_std - 0.5).sum()
        return total
""",
}

# The checks, by what they are called, in the order in which they run.
BUILT = "it can be built for any number of inputs and outputs"
HAS_PARAMETERS = "it has weight_mean, weight_log_std, bias_mean and bias_log_std, which train"
STARTS_UNCERTAIN = "it starts with a spread that can be seen"
OUTPUT_SHAPE = "the output has shape (batch, out_features)"
FRESH_TRAIN = "every forward draws anew, in training"
FRESH_EVAL = "every forward draws anew, in evaluation"
AFFINE = "one forward is x·Wᵀ + b, with one draw of W and b for the whole batch"
CENTRED = "the sampled weights and biases are centred on their means"
WEIGHT_SPREAD = "the sampled weights spread as exp(weight_log_std) says"
BIAS_SPREAD = "the sampled biases spread as exp(bias_log_std) says"
EVAL_ALIKE = "evaluation draws from the same distribution as training"
NORMAL = "the noise is standard normal"
INDEPENDENT = "every weight and every bias has noise of its own"
OUTPUT_GRADIENT = "the gradient of the output reaches all four parameters, and is right"
INPUT_GRADIENT = "the gradient of the output reaches the input"
LEFT_ALONE = "forward and kl_divergence leave parameters and gradients as they were"
UNDISTURBED = "two forwards before one backward give the right gradient each"
NOTHING_ELSE = "only these four train"
KL_SCALAR = "kl_divergence returns a scalar tensor"
KL_EXACT = "the KL is the same whenever it is asked for"
KL_STAYS = "a forward makes no difference to the KL"
KL_ZERO = "the KL is zero when every parameter follows the prior"
KL_RIGHT = "the KL is the closed form, for weights and biases together"
KL_GRADIENT = "the gradient of the KL reaches all four parameters, and is right"
TRAINS = "trained with task loss + KL, it finds the exact posterior"
SQUARE = "a layer with as many inputs as outputs is no exception"
FLOAT64 = "it works in float64"
INPUT_ALONE = "forward leaves its input as it was"
MODE_ALONE = "forward and kl_divergence leave the layer in its mode"
SEED_ALONE = "it leaves the global random seed alone"

OVERWRITTEN = """

class Sampled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, layer, mean, log_std, name):
        noise = torch.randn_like(mean)
        setattr(layer, name, noise)
        ctx.layer, ctx.name = layer, name
        ctx.save_for_backward(log_std)
        return mean + log_std.exp() * noise

    @staticmethod
    def backward(ctx, gradient):
        (log_std,) = ctx.saved_tensors
        return None, gradient, gradient * log_std.exp() * getattr(ctx.layer, ctx.name), None
"""

WRONG: list[Wrong] = [
    # Building it.
    Wrong("forgets super().__init__()", changed(("super().__init__()", "pass")), BUILT, "super-init-missing"),
    Wrong("is no module", changed(("(nn.Module)", ""), ("super().__init__()", "pass")), BUILT, "not-a-module"),
    Wrong(
        "takes no arguments",
        changed(("in_features, out_features):", "in_features=3, *, out_features=5):")),
        BUILT,
        None,
    ),
    Wrong(
        "starts log_std at the standard deviation",
        changed(("-3.0", "math.exp(-3.0)")),
        STARTS_UNCERTAIN,
        "initial-std-for-log-std",
    ),
    Wrong(
        "draws anew for every 64 rows",
        changed(
            (
                LINEAR,
                "if len(x) > 64:\n            return torch.cat([self(rows) for rows in x.split(64)])\n        "
                + LINEAR,
            )
        ),
        AFFINE,
        "local-reparameterization-mixed-in",
    ),
    Wrong(
        "multiplies by W where it is square",
        changed((LINEAR, "return x @ (weight if weight.shape[0] == x.shape[1] else weight.T) + bias")),
        SQUARE,
        "matrix-turned-when-square",
    ),
    Wrong(
        "shares two matrices where they are square",
        changed(
            (
                END_OF_INIT,
                END_OF_INIT
                + "\n        if in_features == out_features:\n            self.weight_log_std = self.weight_mean",
            )
        ),
        HAS_PARAMETERS,
        "parameters-shared",
    ),
    Wrong(
        "caps the KL", changed((KL_SUM, KL_SUM.replace("return ", "return (") + ").clamp(max=1000)")), KL_RIGHT, None
    ),
    Wrong(
        "clips gradients on their way",
        changed(
            (
                SAMPLE_WEIGHT,
                SAMPLE_WEIGHT
                + "\n        if weight.requires_grad:\n            weight.register_hook(lambda g: g.clamp(-50, 50))",
            )
        ),
        OUTPUT_GRADIENT,
        "gradient-clipped",
    ),
    Wrong(
        "transposes its input in place",
        changed((LINEAR, "output = F.linear(x, weight, bias); x.t_(); return output")),
        INPUT_ALONE,
        "input-modified",
    ),
    Wrong(
        "counts the KL's constant once",
        changed(
            (WEIGHT_TERMS, WEIGHT_TERMS.replace(" - 1)", ")")),
            (BIAS_TERMS, BIAS_TERMS.replace(" - 1)", ")")),
            (KL_SUM, KL_SUM + " - 0.5"),
        ),
        KL_ZERO,
        "kl-constant-once",
    ),
    Wrong(
        "fills log_std with a whole number",
        changed((END_OF_INIT, "self.bias_log_std = nn.Parameter(torch.full((out_features,), -3))")),
        BUILT,
        "integer-parameters",
    ),
    # Parameters.
    Wrong(
        "calls them mu and rho",
        BASE.replace("weight_mean", "weight_mu").replace("weight_log_std", "weight_rho"),
        HAS_PARAMETERS,
        "parameters-missing",
    ),
    Wrong(
        "has no bias",
        changed(
            ("self.bias_mean = nn.Parameter(torch.zeros(out_features))", "self.bias_mean = None"),
            (END_OF_INIT, "self.bias_log_std = None"),
        ),
        HAS_PARAMETERS,
        "parameters-missing",
    ),
    Wrong(
        "buffers for parameters",
        changed((END_OF_INIT, 'self.register_buffer("bias_log_std", torch.full((out_features,), -3.0))')),
        HAS_PARAMETERS,
        "parameters-as-buffers",
    ),
    Wrong(
        "plain tensors for parameters",
        changed((END_OF_INIT, "self.bias_log_std = torch.full((out_features,), -3.0, requires_grad=True)")),
        HAS_PARAMETERS,
        "parameters-as-buffers",
    ),
    Wrong(
        "a number for log_std",
        changed((END_OF_INIT, "self.bias_log_std = -3.0"), (BIAS_STD, "bias_std = math.exp(-3.0)")),
        HAS_PARAMETERS,
        None,
    ),
    Wrong(
        "freezes log_std",
        changed((END_OF_INIT, END_OF_INIT.replace("-3.0)", "-3.0), requires_grad=False"))),
        HAS_PARAMETERS,
        "parameters-frozen",
    ),
    Wrong(
        "one log_std for all weights",
        changed(("torch.full((out_features, in_features), -3.0)", "torch.tensor(-3.0)")),
        HAS_PARAMETERS,
        "parameter-shape",
    ),
    Wrong(
        "weights stored as (in, out)",
        changed(
            ("torch.randn(out_features, in_features) * 0.1", "torch.randn(in_features, out_features) * 0.1"),
            ("torch.full((out_features, in_features), -3.0)", "torch.full((in_features, out_features), -3.0)"),
            (LINEAR, "return x @ weight + bias"),
        ),
        HAS_PARAMETERS,
        "weight-transposed",
    ),
    Wrong(
        "one log_std per output",
        changed(("torch.full((out_features, in_features), -3.0)", "torch.full((out_features, 1), -3.0)")),
        HAS_PARAMETERS,
        "parameter-shape",
    ),
    Wrong(
        "a bias per input",
        changed(("torch.zeros(out_features)", "torch.zeros(in_features)")),
        HAS_PARAMETERS,
        "parameter-shape",
    ),
    Wrong(
        "log of a negative start",
        changed(("torch.full((out_features,), -3.0)", "torch.full((out_features,), -3.0).log()")),
        HAS_PARAMETERS,
        "parameters-uninitialised",
    ),
    Wrong(
        "starts at log_std −20",
        changed(
            (
                "torch.full((out_features, in_features), -3.0)",
                "torch.full((out_features, in_features), -20.0)",
            )
        ),
        STARTS_UNCERTAIN,
        "initial-std-too-small",
    ),
    Wrong(
        "takes a log variance of −18 for a start",
        changed(("torch.full((out_features,), -3.0)", "torch.full((out_features,), -18.0)")),
        STARTS_UNCERTAIN,
        "initial-std-too-small",
    ),
    # The output.
    Wrong(
        "forward returns nothing",
        changed((LINEAR, "F.linear(x, weight, bias)")),
        OUTPUT_SHAPE,
        "missing-return",
    ),
    Wrong(
        "forward returns a pair",
        changed((LINEAR, "return F.linear(x, weight, bias), self.kl_divergence()")),
        OUTPUT_SHAPE,
        "not-a-tensor",
    ),
    Wrong(
        "forward returns NumPy",
        changed((LINEAR, "return F.linear(x, weight, bias).detach().numpy()")),
        OUTPUT_SHAPE,
        "not-a-tensor",
    ),
    Wrong(
        "transposed output",
        changed((LINEAR, "return F.linear(x, weight, bias).T")),
        OUTPUT_SHAPE,
        "output-transposed",
    ),
    Wrong(
        "squeezes the output",
        changed((LINEAR, "return F.linear(x, weight, bias).squeeze()")),
        OUTPUT_SHAPE,
        "output-squeezed",
    ),
    Wrong(
        "averages the batch",
        changed((LINEAR, "return F.linear(x, weight, bias).mean(0)")),
        OUTPUT_SHAPE,
        None,
    ),
    Wrong(
        "transposes the weight once too often",
        changed((LINEAR, "return F.linear(x, weight.T, bias)")),
        OUTPUT_SHAPE,
        "matrix-shapes",
    ),
    Wrong("NaN", changed((LINEAR, "return F.linear(x, weight, bias) * float('nan')")), OUTPUT_SHAPE, None),
    Wrong("forward isn't written", changed((LINEAR, "raise NotImplementedError")), OUTPUT_SHAPE, None),
    Wrong(
        "forward loops over a wrong range",
        changed((LINEAR, "return torch.stack([x @ weight[o] for o in range(len(x) + 20)], 1)")),
        OUTPUT_SHAPE,
        None,
    ),
    Wrong(
        "deletes its parameters",
        changed((LINEAR, "y = F.linear(x, weight, bias); del self.weight_mean; return y")),
        LEFT_ALONE,
        "parameters-missing",
    ),
    # Drawing.
    Wrong(
        "no sampling",
        changed((SAMPLE_WEIGHT, "weight = self.weight_mean"), (SAMPLE_BIAS, "bias = self.bias_mean")),
        FRESH_TRAIN,
        "no-sampling",
    ),
    Wrong(
        "noise drawn in __init__",
        changed(
            (
                END_OF_INIT,
                END_OF_INIT + "\n        self.noise = torch.randn(out_features, in_features)"
                "\n        self.bias_noise = torch.randn(out_features)",
            ),
            (WEIGHT_NOISE, "weight_epsilon = self.noise"),
            (BIAS_NOISE, "bias_epsilon = self.bias_noise"),
        ),
        FRESH_TRAIN,
        "noise-drawn-once",
    ),
    Wrong(
        "a seed in forward",
        changed((WEIGHT_NOISE, "torch.manual_seed(0)\n        " + WEIGHT_NOISE)),
        FRESH_TRAIN,
        "noise-drawn-once",
    ),
    Wrong(
        "no sampling in eval",
        changed(
            (
                WEIGHT_NOISE,
                "if not self.training:\n            return F.linear(x, self.weight_mean, self.bias_mean)\n"
                "        " + WEIGHT_NOISE,
            )
        ),
        FRESH_EVAL,
        "sampling-only-in-training",
    ),
    Wrong(
        "no sampling in training",
        changed(
            (
                WEIGHT_NOISE,
                "if self.training:\n            return F.linear(x, self.weight_mean, self.bias_mean)\n"
                "        " + WEIGHT_NOISE,
            )
        ),
        FRESH_TRAIN,
        "sampling-only-in-eval",
    ),
    Wrong(
        "local reparameterization",
        changed(
            (
                LINEAR,
                "mean = F.linear(x, self.weight_mean, self.bias_mean)\n"
                "        variance = F.linear(x**2, weight_std**2, bias_std**2)\n"
                "        return mean + variance.sqrt() * torch.randn_like(mean)",
            )
        ),
        AFFINE,
        "local-reparameterization-mixed-in",
    ),
    Wrong(
        "weights of its own for each row",
        changed(
            (
                LINEAR,
                "weight = self.weight_mean + weight_std * torch.randn(len(x), *weight_std.shape)\n"
                "        return torch.einsum('bi,boi->bo', x, weight) + bias",
            )
        ),
        AFFINE,
        "local-reparameterization-mixed-in",
    ),
    Wrong(
        "a bias draw of its own for each row",
        changed(
            (
                LINEAR,
                "return F.linear(x, weight) + self.bias_mean + bias_std * torch.randn(len(x), len(bias_std))",
            )
        ),
        AFFINE,
        "local-reparameterization-mixed-in",
    ),
    Wrong(
        "a ReLU inside",
        changed((LINEAR, "return torch.relu(F.linear(x, weight, bias))")),
        AFFINE,
        "not-affine",
    ),
    Wrong(
        "standardises its input",
        changed((LINEAR, "return F.linear(x - x.mean(0), weight, bias) * 1.0")),
        CENTRED,
        None,
    ),
    Wrong("leaves the bias out", changed((LINEAR, "return F.linear(x, weight)")), FRESH_TRAIN, "bias-unused"),
    Wrong(
        "leaves the weight's mean out",
        changed((SAMPLE_WEIGHT, "weight = weight_std * weight_epsilon")),
        CENTRED,
        "mean-missing",
    ),
    Wrong(
        "multiplies by the mean",
        changed((SAMPLE_WEIGHT, "weight = self.weight_mean * weight_std * weight_epsilon")),
        CENTRED,
        "noise-multiplies-mean",
    ),
    Wrong(
        "subtracts the mean",
        changed((SAMPLE_WEIGHT, "weight = weight_std * weight_epsilon - self.weight_mean")),
        CENTRED,
        None,
    ),
    Wrong("uniform noise", both_noise("torch.rand_like(M)"), CENTRED, "noise-not-normal"),
    Wrong("half-normal noise", both_noise("torch.randn_like(M).abs()"), CENTRED, "noise-not-normal"),
    Wrong("log variance", both_std("torch.exp(0.5 * S)"), WEIGHT_SPREAD, "log-variance-for-log-std"),
    Wrong("variance for std", both_std("torch.exp(2 * S)"), WEIGHT_SPREAD, "variance-for-std"),
    Wrong(
        "variance for std, bias only",
        changed((BIAS_STD, "bias_std = torch.exp(self.bias_log_std) ** 2")),
        BIAS_SPREAD,
        "variance-for-std",
    ),
    Wrong(
        "Normal(mean, variance)",
        changed((SAMPLE_WEIGHT, "weight = Normal(self.weight_mean, weight_std**2).rsample()")),
        WEIGHT_SPREAD,
        "variance-for-std",
    ),
    Wrong("softplus", both_std("F.softplus(S)"), WEIGHT_SPREAD, "softplus-for-exp"),
    Wrong("exp of exp(log_std)", both_std("torch.exp(torch.exp(S))"), WEIGHT_SPREAD, "std-exp-twice"),
    Wrong("log_std itself", both_std("S"), WEIGHT_SPREAD, "log-std-for-std"),
    Wrong("the size of log_std", both_std("S.abs()"), WEIGHT_SPREAD, "log-std-for-std"),
    Wrong(
        "no std at all",
        changed((SAMPLE_WEIGHT, "weight = self.weight_mean + weight_epsilon")),
        WEIGHT_SPREAD,
        "std-ignored",
    ),
    Wrong("sign of log_std", both_std("torch.exp(-S)"), WEIGHT_SPREAD, "sign-of-log-std"),
    Wrong(
        "std computed once",
        changed(
            (END_OF_INIT, END_OF_INIT + "\n        self.std = self.weight_log_std.exp()"),
            (WEIGHT_STD, "weight_std = self.std"),
        ),
        WEIGHT_SPREAD,
        "std-frozen",
    ),
    Wrong(
        "spread from the mean",
        changed((WEIGHT_STD, "weight_std = torch.exp(self.weight_mean)")),
        WEIGHT_SPREAD,
        "std-swapped",
    ),
    Wrong(
        "spread shrunk by the number of inputs",
        changed((WEIGHT_STD, "weight_std = torch.exp(self.weight_log_std) / math.sqrt(weight_epsilon.shape[1])")),
        WEIGHT_SPREAD,
        "std-scaled",
    ),
    Wrong("log_std clamped at −2", both_std("torch.exp(S.clamp(min=-2))"), WEIGHT_SPREAD, "log-std-clamped"),
    Wrong("std clamped at 0.7", both_std("torch.exp(S).clamp(max=0.7)"), WEIGHT_SPREAD, "log-std-clamped"),
    Wrong("centred uniform noise", both_noise("(torch.rand_like(M) - 0.5)"), WEIGHT_SPREAD, "noise-not-normal"),
    Wrong(
        "bias without noise",
        changed((SAMPLE_BIAS, "bias = self.bias_mean")),
        FRESH_TRAIN,
        "bias-without-noise",
    ),
    Wrong(
        "weight without noise",
        changed((SAMPLE_WEIGHT, "weight = self.weight_mean")),
        FRESH_TRAIN,
        "weight-without-noise",
    ),
    Wrong(
        "uniform noise of variance one",
        both_noise("(2 * torch.rand_like(M) - 1) * math.sqrt(3)"),
        NORMAL,
        "noise-not-normal",
    ),
    Wrong("coin flips", both_noise("(torch.randint(0, 2, M.shape) * 2.0 - 1)"), NORMAL, "noise-not-normal"),
    Wrong(
        "Laplace noise",
        both_noise("torch.distributions.Laplace(0.0, math.sqrt(0.5)).sample(M.shape)"),
        NORMAL,
        "noise-not-normal",
    ),
    Wrong("one epsilon for all", both_noise("torch.randn(1)"), INDEPENDENT, "noise-shared"),
    Wrong(
        "one epsilon per output",
        changed((WEIGHT_NOISE, "weight_epsilon = torch.randn(self.weight_mean.shape[0], 1)")),
        INDEPENDENT,
        "noise-shared",
    ),
    Wrong(
        "one epsilon per input",
        changed((WEIGHT_NOISE, "weight_epsilon = torch.randn(self.weight_mean.shape[1])")),
        INDEPENDENT,
        "noise-shared",
    ),
    Wrong(
        "the bias borrows the weight's noise",
        changed((BIAS_NOISE, "bias_epsilon = weight_epsilon[:, 0]")),
        INDEPENDENT,
        "noise-shared",
    ),
    Wrong(
        "one epsilon for all biases",
        changed((BIAS_NOISE, "bias_epsilon = torch.randn(1)")),
        INDEPENDENT,
        "noise-shared",
    ),
    Wrong(
        "antithetic noise for the rows",
        changed((WEIGHT_NOISE, WEIGHT_NOISE + "\n        weight_epsilon[1:2] = -weight_epsilon[:1]")),
        INDEPENDENT,
        "noise-shared",
    ),
    Wrong(
        "each noise is used twice",
        changed(
            (END_OF_INIT, END_OF_INIT + "\n        self.kept = None"),
            (
                WEIGHT_NOISE,
                "kept, self.kept = self.kept, torch.randn_like(self.weight_mean)\n"
                "        weight_epsilon = self.kept if kept is None else 0.5**0.5 * (self.kept + kept)",
            ),
        ),
        INDEPENDENT,
        "noise-drawn-once",
    ),
    # Gradients.
    Wrong(
        "sample() for rsample()",
        changed(
            (SAMPLE_WEIGHT, "weight = Normal(self.weight_mean, weight_std).sample()"),
            (SAMPLE_BIAS, "bias = Normal(self.bias_mean, bias_std).sample()"),
        ),
        OUTPUT_GRADIENT,
        "gradient-stopped",
    ),
    Wrong(
        "torch.normal",
        changed((SAMPLE_WEIGHT, "weight = torch.normal(self.weight_mean.detach(), weight_std.detach())")),
        OUTPUT_GRADIENT,
        "gradient-stopped",
    ),
    Wrong(
        "no_grad around the sampling",
        changed((SAMPLE_WEIGHT, "with torch.no_grad():\n            " + SAMPLE_WEIGHT)),
        OUTPUT_GRADIENT,
        "gradient-stopped",
    ),
    Wrong(".data of log_std", both_std("torch.exp(S.data)"), OUTPUT_GRADIENT, "log-std-gradient-missing"),
    Wrong(
        "detached std for the bias",
        changed((BIAS_STD, "bias_std = torch.exp(self.bias_log_std).detach()")),
        OUTPUT_GRADIENT,
        "log-std-gradient-missing",
    ),
    Wrong(
        "a new tensor of the mean",
        changed((SAMPLE_BIAS, "bias = torch.tensor(self.bias_mean.tolist()) + bias_std * bias_epsilon")),
        OUTPUT_GRADIENT,
        "gradient-stopped",
    ),
    Wrong("straight through exp", both_std("S + (torch.exp(S) - S).detach()"), OUTPUT_GRADIENT, None),
    Wrong(
        "keeps the noise for backward",
        changed(
            ("class BayesianLinear", OVERWRITTEN.strip() + "\n\n\nclass BayesianLinear"),
            (SAMPLE_WEIGHT, 'weight = Sampled.apply(self, self.weight_mean, self.weight_log_std, "noise")'),
        ),
        UNDISTURBED,
        "noise-overwritten",
    ),
    Wrong(
        "refills one noise buffer in place",
        changed(
            (
                END_OF_INIT,
                END_OF_INIT + '\n        self.register_buffer("noise", torch.zeros(out_features, in_features))',
            ),
            (WEIGHT_NOISE, "weight_epsilon = self.noise.normal_()"),
        ),
        UNDISTURBED,
        "noise-overwritten",
    ),
    Wrong(
        "a plain bias besides",
        changed(
            (END_OF_INIT, END_OF_INIT + "\n        self.bias = nn.Parameter(torch.zeros(out_features))"),
            (LINEAR, "return F.linear(x, weight, bias) + self.bias"),
        ),
        NOTHING_ELSE,
        "parameters-besides",
    ),
    # The KL.
    Wrong(
        "no return from kl_divergence",
        changed((KL_SUM, "weight_terms.sum() + bias_terms.sum()")),
        KL_SCALAR,
        "missing-return",
    ),
    Wrong(
        "KL as a number",
        changed((KL_SUM, "return (weight_terms.sum() + bias_terms.sum()).item()")),
        KL_SCALAR,
        "kl-not-a-tensor",
    ),
    Wrong(
        "KL as NumPy",
        changed((KL_SUM, "return (weight_terms.sum() + bias_terms.sum()).detach().numpy()")),
        KL_SCALAR,
        "kl-not-a-tensor",
    ),
    Wrong(
        "KL as a pair",
        changed((KL_SUM, "return weight_terms.sum(), bias_terms.sum()")),
        KL_SCALAR,
        "kl-not-a-tensor",
    ),
    Wrong(
        "KL never reduced",
        changed((KL_SUM, "return weight_terms + bias_terms[:, None]")),
        KL_SCALAR,
        "kl-not-reduced",
    ),
    Wrong(
        "KL per output",
        changed((KL_SUM, "return weight_terms.sum(1) + bias_terms")),
        KL_SCALAR,
        "kl-not-reduced",
    ),
    Wrong(
        "KL of shape (1,)",
        changed((KL_SUM, "return (weight_terms.sum() + bias_terms.sum()).reshape(1)")),
        KL_SCALAR,
        "kl-scalar-shape",
    ),
    Wrong(
        "KL of what forward left behind",
        changed(
            (LINEAR, "self.drawn = weight_std\n        return F.linear(x, weight, bias)"),
            (KL_SUM, "return weight_terms.sum() + bias_terms.sum() + 0 * self.drawn.sum()"),
        ),
        KL_SCALAR,
        "kl-needs-forward",
    ),
    Wrong("KL isn't written", changed((KL_SUM, "raise NotImplementedError")), KL_SCALAR, None),
    Wrong(
        "Monte Carlo KL",
        changed(
            (
                KL_SUM,
                "q = Normal(self.weight_mean, self.weight_log_std.exp())\n        w = q.rsample()\n"
                "        return (q.log_prob(w) - Normal(0.0, 1.0).log_prob(w)).sum() + bias_terms.sum()",
            )
        ),
        KL_EXACT,
        "kl-monte-carlo",
    ),
    Wrong(
        "KL accumulates",
        changed(
            (END_OF_INIT, END_OF_INIT + "\n        self.total = 0.0"),
            (
                KL_SUM,
                "self.total = self.total + weight_terms.sum() + bias_terms.sum()\n        return self.total",
            ),
        ),
        KL_EXACT,
        "kl-accumulates",
    ),
    Wrong("constant missing", both_terms("0.5 * (torch.exp(2 * S) + M**2) - S"), KL_ZERO, "kl-term-missing"),
    Wrong("variance term missing", both_terms("0.5 * (M**2 - 1) - S"), KL_ZERO, "kl-term-missing"),
    Wrong(
        "log variance in the KL, half of it",
        both_terms("0.5 * (torch.exp(S) + M**2 - 1 - S)"),
        KL_RIGHT,
        "kl-log-variance",
    ),
    Wrong(
        "exp(log_std) not squared",
        both_terms("0.5 * (torch.exp(S) + M**2 - 1) - S"),
        KL_RIGHT,
        "kl-std-for-variance",
    ),
    Wrong(
        "Normal(mean, variance) in the KL",
        changed(
            (
                KL_SUM,
                "return sum(kl_divergence(Normal(m, torch.exp(2 * s)), Normal(0.0, 1.0)).sum() for m, s in ["
                "(self.weight_mean, self.weight_log_std), (self.bias_mean, self.bias_log_std)])",
            )
        ),
        KL_RIGHT,
        "kl-variance-as-std",
    ),
    Wrong(
        "softplus in the KL",
        both_terms("0.5 * (F.softplus(S)**2 + M**2 - 1) - F.softplus(S).log()"),
        KL_ZERO,
        "kl-softplus",
    ),
    Wrong(
        "KL averaged per tensor",
        changed((KL_SUM, "return weight_terms.mean() + bias_terms.mean()")),
        KL_RIGHT,
        "kl-averaged",
    ),
    Wrong(
        "KL averaged over all",
        changed((KL_SUM, "return torch.cat([weight_terms.flatten(), bias_terms]).mean()")),
        KL_RIGHT,
        "kl-averaged",
    ),
    Wrong(
        "weights averaged, bias summed",
        changed((KL_SUM, "return weight_terms.mean() + bias_terms.sum()")),
        KL_RIGHT,
        "kl-averaged",
    ),
    Wrong(
        "KL negated",
        changed((KL_SUM, "return -(weight_terms.sum() + bias_terms.sum())")),
        KL_RIGHT,
        "kl-negated",
    ),
    Wrong(
        "KL negated and averaged",
        changed((KL_SUM, "return -(weight_terms.mean() + bias_terms.mean())")),
        KL_RIGHT,
        "kl-negated",
    ),
    Wrong(
        "KL reversed",
        changed(
            (
                KL_SUM,
                "return sum(kl_divergence(Normal(0.0, 1.0), Normal(m, s.exp())).sum() for m, s in ["
                "(self.weight_mean, self.weight_log_std), (self.bias_mean, self.bias_log_std)])",
            )
        ),
        KL_RIGHT,
        "kl-reversed",
    ),
    Wrong("the ½ forgotten", both_terms("(torch.exp(2 * S) + M**2 - 1 - 2 * S)"), KL_RIGHT, "kl-half-missing"),
    Wrong(
        "the ½ before one term only",
        both_terms("torch.exp(2 * S) + M**2 - 1 - S"),
        KL_RIGHT,
        "kl-term-scaled",
    ),
    Wrong("mean not squared", both_terms("0.5 * (torch.exp(2 * S) + M - 1) - S"), KL_RIGHT, "kl-mean-not-squared"),
    Wrong("mean² missing", both_terms("0.5 * (torch.exp(2 * S) - 1) - S"), KL_RIGHT, "kl-term-missing"),
    Wrong("log term missing", both_terms("0.5 * (torch.exp(2 * S) + M**2 - 1)"), KL_RIGHT, "kl-term-missing"),
    Wrong(
        "log term with the wrong sign",
        both_terms("0.5 * (torch.exp(2 * S) + M**2 - 1) + S"),
        KL_RIGHT,
        "kl-term-sign",
    ),
    Wrong("mean² subtracted", both_terms("0.5 * (torch.exp(2 * S) - M**2 - 1) - S"), KL_RIGHT, "kl-term-sign"),
    Wrong("log_std halved", both_terms("0.5 * (torch.exp(2 * S) + M**2 - 1 - S)"), KL_RIGHT, "kl-term-scaled"),
    Wrong(
        "the ½ twice",
        changed((KL_SUM, "return 0.5 * (weight_terms.sum() + bias_terms.sum())")),
        KL_RIGHT,
        "kl-half-twice",
    ),
    Wrong(
        "the larger of the two KLs",
        changed((KL_SUM, "return torch.maximum(weight_terms.sum(), bias_terms.sum())")),
        KL_RIGHT,
        "kl-one-part-chosen",
    ),
    Wrong(
        "the smaller of the two KLs",
        changed((KL_SUM, "return torch.minimum(weight_terms.sum(), bias_terms.sum())")),
        KL_RIGHT,
        "kl-one-part-chosen",
    ),
    Wrong(
        "the average weight for the bias's mean",
        changed((BIAS_TERMS, BIAS_TERMS.replace("self.bias_mean", "self.weight_mean.mean()"))),
        KL_RIGHT,
        "kl-of-the-other-part",
    ),
    Wrong(
        "the average log_std of a unit's weights for its bias's",
        changed((BIAS_TERMS, BIAS_TERMS.replace("self.bias_log_std", "self.weight_log_std.mean(dim=1)"))),
        KL_RIGHT,
        "kl-of-the-other-part",
    ),
    Wrong("bias left out of the KL", changed((KL_SUM, "return weight_terms.sum()")), KL_RIGHT, "kl-bias-missing"),
    Wrong(
        "weights left out of the KL",
        changed((KL_SUM, "return bias_terms.sum()")),
        KL_RIGHT,
        "kl-weight-missing",
    ),
    Wrong(
        "KL divided by the number of inputs",
        changed((KL_SUM, "return (weight_terms.sum() + bias_terms.sum()) / self.weight_mean.shape[1]")),
        KL_RIGHT,
        "kl-divided",
    ),
    Wrong(
        "KL in bits",
        changed((KL_SUM, "return (weight_terms.sum() + bias_terms.sum()) / math.log(2)")),
        KL_RIGHT,
        "kl-scaled",
    ),
    Wrong("KL dropped", changed((KL_SUM, "return 0 * weight_terms.sum()")), KL_RIGHT, "kl-dropped"),
    Wrong(
        "KL of the starting values",
        changed(
            (
                END_OF_INIT,
                END_OF_INIT + "\n        self.start = [p.detach().clone() for p in self.parameters()]",
            ),
            (
                KL_SUM,
                "m, s, n, t = self.start\n        return kl_divergence(Normal(m, s.exp()), Normal(0.0, 1.0)).sum()"
                " + kl_divergence(Normal(n, t.exp()), Normal(0.0, 1.0)).sum()",
            ),
        ),
        KL_ZERO,
        "kl-of-other-parameters",
    ),
    Wrong(
        "a narrower prior",
        changed(
            (
                KL_SUM,
                "return sum(kl_divergence(Normal(m, s.exp()), Normal(0.0, 0.1)).sum() for m, s in ["
                "(self.weight_mean, self.weight_log_std), (self.bias_mean, self.bias_log_std)])",
            )
        ),
        KL_ZERO,
        "kl-wrong-prior",
    ),
    Wrong(
        "an absolute value",
        changed((KL_SUM, "return weight_terms.sum() + bias_terms.sum() - self.bias_mean.abs().sum()")),
        KL_RIGHT,
        "kl-term-extra",
    ),
    Wrong(
        "KL of detached parameters",
        changed((KL_SUM, "return (weight_terms.sum() + bias_terms.sum()).detach()")),
        KL_GRADIENT,
        "gradient-stopped",
    ),
    Wrong(
        "KL with a detached spread",
        both_terms("0.5 * (torch.exp(2 * S.detach()) + M**2 - 1) - S.detach()"),
        KL_GRADIENT,
        "log-std-gradient-missing",
    ),
    Wrong(
        "KL with a detached variance",
        both_terms("0.5 * (torch.exp(2 * S.detach()) + M**2 - 1) - S"),
        KL_GRADIENT,
        None,
    ),
    Wrong("a stray term", both_terms("0.5 * (torch.exp(2 * S) + M**2 - 1) - S + M"), KL_RIGHT, "kl-term-extra"),
    Wrong(
        "exp(log_std) not squared, in the weights only",
        changed(
            (WEIGHT_TERMS, "0.5 * (torch.exp(self.weight_log_std) + self.weight_mean**2 - 1) - self.weight_log_std")
        ),
        KL_RIGHT,
        "kl-std-for-variance",
    ),
    Wrong(
        "log term missing, in the bias only",
        changed((BIAS_TERMS, "0.5 * (torch.exp(2 * self.bias_log_std) + self.bias_mean**2 - 1)")),
        KL_RIGHT,
        "kl-term-missing",
    ),
    Wrong(
        "bias's KL negated", changed((KL_SUM, "return weight_terms.sum() - bias_terms.sum()")), KL_RIGHT, "kl-negated"
    ),
    Wrong(
        "bias's KL averaged",
        changed((KL_SUM, "return weight_terms.sum() + bias_terms.mean()")),
        KL_RIGHT,
        "kl-averaged",
    ),
    Wrong(
        "the log of log_std",
        both_terms("0.5 * (torch.exp(2 * S) + M**2 - 1) - torch.log(S)"),
        KL_SCALAR,
        "kl-log-of-log-std",
    ),
    Wrong(
        "less noise in eval",
        changed((WEIGHT_STD, WEIGHT_STD + " * (1.0 if self.training else 0.5)")),
        EVAL_ALIKE,
        "evaluation-differs",
    ),
    Wrong(
        "weights without noise in eval, bias with",
        changed((WEIGHT_NOISE, WEIGHT_NOISE + " * self.training")),
        FRESH_EVAL,
        "sampling-only-in-training",
    ),
    Wrong(
        "the weights' noise drawn in __init__",
        changed(
            (END_OF_INIT, END_OF_INIT + "\n        self.noise = torch.randn(out_features, in_features)"),
            (WEIGHT_NOISE, "weight_epsilon = self.noise"),
        ),
        FRESH_TRAIN,
        "noise-drawn-once",
    ),
    Wrong(
        "KL of the trained size only",
        changed(
            (KL_SUM, "return (weight_terms.sum() + bias_terms.sum()) * (1 if self.weight_mean.shape[1] == 3 else 2)")
        ),
        KL_RIGHT,
        None,
    ),
    Wrong(
        "KL with log_std clamped at 1",
        changed(
            (
                KL_SUM,
                "weight = kl_divergence(Normal(self.weight_mean, self.weight_log_std.clamp(max=1.3).exp()),"
                " Normal(0.0, 1.0))\n        return weight.sum() + bias_terms.sum()",
            )
        ),
        KL_RIGHT,
        "kl-clamped",
    ),
    Wrong(
        "KL of log_std for the std",
        both_terms("0.5 * (S**2 + M**2 - 1) - S.abs().log()"),
        KL_ZERO,
        None,
    ),
    Wrong(
        "KL with mean and log_std exchanged",
        both_terms("0.5 * (torch.exp(2 * M) + S**2 - 1) - M"),
        KL_RIGHT,
        "kl-swapped",
    ),
    Wrong(
        "KL to a shifted prior",
        changed(
            (
                KL_SUM,
                "return sum(kl_divergence(Normal(m, s.exp()), Normal(1.0, 1.0)).sum() for m, s in ["
                "(self.weight_mean, self.weight_log_std), (self.bias_mean, self.bias_log_std)])",
            )
        ),
        KL_ZERO,
        "kl-wrong-prior",
    ),
    Wrong(
        "KL of the weights that the last forward drew",
        changed(
            (END_OF_INIT, END_OF_INIT + "\n        self.scale = 1.0"),
            (LINEAR, "self.scale = len(x)\n        return F.linear(x, weight, bias)"),
            (KL_SUM, "return (weight_terms.sum() + bias_terms.sum()) / self.scale"),
        ),
        KL_STAYS,
        "kl-depends-on-forward",
    ),
    Wrong(
        "no KL in eval",
        changed((KL_SUM, "return (weight_terms.sum() + bias_terms.sum()) * float(self.training)")),
        KL_EXACT,
        "kl-differs-in-evaluation",
    ),
    Wrong(
        "the KL method is called kl_loss", BASE.replace("def kl_divergence", "def kl_loss"), KL_SCALAR, "method-missing"
    ),
    # More of sampling and parameters.
    Wrong("self is missing", changed(("def kl_divergence(self)", "def kl_divergence()")), KL_SCALAR, "self-missing"),
    Wrong("math.exp of a tensor", both_std("math.exp(S)"), OUTPUT_SHAPE, "number-function-on-a-tensor"),
    Wrong(
        "Normal(mean, log_std)",
        changed((SAMPLE_WEIGHT, "weight = Normal(self.weight_mean, self.weight_log_std).rsample()")),
        OUTPUT_SHAPE,
        "log-std-as-scale",
    ),
    Wrong("ignores its input", changed((LINEAR, "return bias.expand(len(x), -1)")), FRESH_TRAIN, "weight-unused"),
    Wrong(
        "leaves the bias's mean out", changed((SAMPLE_BIAS, "bias = bias_std * bias_epsilon")), CENTRED, "mean-missing"
    ),
    Wrong(
        "parentheses in the wrong place",
        changed((SAMPLE_WEIGHT, "weight = (self.weight_mean + weight_std) * weight_epsilon")),
        CENTRED,
        "noise-multiplies-mean",
    ),
    Wrong("ten to the log_std", both_std("10 ** S"), WEIGHT_SPREAD, "std-base"),
    Wrong("a tenth added to the std", both_std("torch.exp(S) + 0.1"), WEIGHT_SPREAD, "std-offset"),
    Wrong("a floor under the std", both_std("torch.exp(S).clamp(min=0.01)"), WEIGHT_SPREAD, "log-std-clamped"),
    Wrong(
        "uniform noise for the bias alone",
        changed((BIAS_NOISE, "bias_epsilon = (2 * torch.rand_like(self.bias_mean) - 1) * math.sqrt(3)")),
        NORMAL,
        "noise-not-normal",
    ),
    Wrong(
        "shares its noise in eval only",
        changed(
            (
                WEIGHT_NOISE,
                WEIGHT_NOISE + "\n        if not self.training:\n"
                "            weight_epsilon = torch.randn(1).expand_as(weight_epsilon)",
            )
        ),
        EVAL_ALIKE,
        "evaluation-differs",
    ),
    Wrong(
        "the mean for a batch of one",
        changed(
            (
                LINEAR,
                "if len(x) == 1:\n            return F.linear(x, self.weight_mean, self.bias_mean)\n        " + LINEAR,
            )
        ),
        FRESH_TRAIN,
        "no-sampling",
    ),
    Wrong(
        "detaches its input",
        changed((LINEAR, "return F.linear(x.detach(), weight, bias)")),
        INPUT_GRADIENT,
        "gradient-stopped",
    ),
    Wrong(
        "parameters in a dictionary",
        changed(
            (
                END_OF_INIT,
                END_OF_INIT + "\n        self.kept = {'b': self.bias_log_std}\n        del self.bias_log_std"
                "\n        object.__setattr__(self, 'bias_log_std', self.kept['b'])",
            )
        ),
        HAS_PARAMETERS,
        "parameters-unregistered",
    ),
    Wrong(
        "parameters shared by all layers",
        changed(
            (
                END_OF_INIT,
                END_OF_INIT + "\n        same = BayesianLinear.__dict__.get('same', self.bias_log_std)"
                "\n        BayesianLinear.same = same"
                "\n        if same.shape == self.bias_log_std.shape:"
                "\n            self.bias_log_std = same",
            )
        ),
        HAS_PARAMETERS,
        "parameters-shared",
    ),
    Wrong(
        "mean and log_std are one tensor",
        changed((END_OF_INIT, "self.bias_log_std = nn.Parameter(self.bias_mean.data)")),
        HAS_PARAMETERS,
        "parameters-shared",
    ),
    Wrong(
        "starts at log_std 20",
        changed(("torch.full((out_features, in_features), -3.0)", "torch.full((out_features, in_features), 20.0)")),
        STARTS_UNCERTAIN,
        "initial-std-too-large",
    ),
    Wrong(
        "forward moves the mean",
        changed((LINEAR, "self.bias_mean.data += 0.01\n        return F.linear(x, weight, bias)")),
        LEFT_ALONE,
        "parameters-changed",
    ),
    Wrong(
        "KL calls backward itself",
        changed(
            (
                KL_SUM,
                "(weight_terms.sum() + bias_terms.sum()).backward()\n"
                "        return sum(kl_divergence(Normal(m, s.exp()), Normal(0.0, 1.0)).sum() for m, s in ["
                "(self.weight_mean, self.weight_log_std), (self.bias_mean, self.bias_log_std)])",
            )
        ),
        LEFT_ALONE,
        "backward-inside",
    ),
    Wrong(
        "forward clears gradients",
        changed((WEIGHT_NOISE, "self.zero_grad()\n        " + WEIGHT_NOISE)),
        LEFT_ALONE,
        "gradients-touched",
    ),
    Wrong(
        "the KL scales gradients",
        changed(
            (
                KL_SUM,
                "for parameter in self.parameters():\n"
                "            if parameter.grad is not None:\n"
                "                parameter.grad.clamp_(-0.5, 0.5)\n"
                "        " + KL_SUM,
            )
        ),
        LEFT_ALONE,
        "gradients-touched",
    ),
    # Training, and manners.
    *(
        Wrong(
            f"forward calls {call}",
            changed((WEIGHT_NOISE, f"{call}\n        " + WEIGHT_NOISE)),
            MODE_ALONE,
            "mode-changed",
        )
        for call in ("self.eval()", "self.train()", "self.training = not self.training")
    ),
    Wrong("the KL calls self.eval()", changed((KL_SUM, "self.eval()\n        " + KL_SUM)), MODE_ALONE, "mode-changed"),
    Wrong(
        "no gradient for log_std below −5",
        changed(
            (
                "class BayesianLinear",
                "def held(s):\n    return s.clamp(-5, 5) + (s - s.clamp(-5, 5)).detach()\n\n\nclass BayesianLinear",
            ),
            (WEIGHT_STD, "weight_std = torch.exp(held(self.weight_log_std))"),
            (
                WEIGHT_TERMS,
                "0.5 * ((2 * held(self.weight_log_std)).exp() + self.weight_mean**2 - 1) - held(self.weight_log_std)",
            ),
            (BIAS_STD, "bias_std = torch.exp(held(self.bias_log_std))"),
            (
                BIAS_TERMS,
                "0.5 * ((2 * held(self.bias_log_std)).exp() + self.bias_mean**2 - 1) - held(self.bias_log_std)",
            ),
        ),
        TRAINS,
        "log-std-clamped",
    ),
    Wrong(
        "log_std clamped at −5",
        both_std("torch.exp(S.clamp(-5, 5))"),
        WEIGHT_SPREAD,
        "log-std-clamped",
    ),
    Wrong(
        "float32 inside",
        changed((LINEAR, "return F.linear(x.float(), weight, bias)")),
        FLOAT64,
        "wrong-dtype",
    ),
    Wrong(
        "returns float32",
        changed((LINEAR, "return F.linear(x, weight, bias).float()")),
        FLOAT64,
        "wrong-dtype",
    ),
    Wrong(
        "empties its input",
        changed((LINEAR, "y = F.linear(x, weight, bias)\n        x.zero_()\n        return y")),
        INPUT_ALONE,
        "input-modified",
    ),
    Wrong(
        "a seed in __init__",
        changed(("super().__init__()", "super().__init__()\n        torch.manual_seed(0)")),
        SEED_ALONE,
        "seed-fixed",
    ),
    Wrong(
        "has a parameter that nothing uses",
        changed(
            (
                "self.weight_mean = nn.Parameter(torch.randn(out_features, in_features) * 0.1)",
                "self.weight_mean = nn.Parameter(torch.randn(out_features, in_features) * 0.1)\n        self.extra = nn.Parameter(torch.zeros(3))",
            )
        ),
        NOTHING_ELSE,
        "parameters-unused",
    ),
    Wrong(
        "leaves its means as torch.empty made them",
        changed(
            (
                "self.weight_mean = nn.Parameter(torch.randn(out_features, in_features) * 0.1)",
                "self.weight_mean = nn.Parameter(torch.empty(out_features, in_features))",
            )
        ),
        HAS_PARAMETERS,
        "parameters-uninitialised",
    ),
    Wrong(
        "clamps log_std to usual values",
        changed((WEIGHT_STD, "weight_std = torch.exp(self.weight_log_std.clamp(-5, 2))")),
        WEIGHT_SPREAD,
        "log-std-clamped",
    ),
    Wrong(
        "clamps large log_stds",
        changed((WEIGHT_STD, "weight_std = torch.exp(self.weight_log_std.clamp(max=1.0))")),
        WEIGHT_SPREAD,
        "log-std-clamped",
    ),
    Wrong(
        "lets each parameter have a tenth of a nat",
        changed((KL_SUM, "return weight_terms.clamp_min(0.1).sum() + bias_terms.clamp_min(0.1).sum()")),
        KL_ZERO,
        "kl-clamped",
    ),
    Wrong(
        "squeezes the bias of one output",
        changed(
            (
                "self.bias_mean = nn.Parameter(torch.zeros(out_features))",
                "self.bias_mean = nn.Parameter(torch.zeros(out_features).squeeze())",
            )
        ),
        HAS_PARAMETERS,
        "parameter-shape",
    ),
    Wrong(
        "computes in half precision",
        changed((LINEAR, "return F.linear(x.bfloat16(), weight.bfloat16(), bias.bfloat16()).float()")),
        AFFINE,
        "computed-in-half",
    ),
    Wrong(
        "has a generator of each layer's own",
        changed(
            (
                "self.weight_mean = nn.Parameter(torch.randn(out_features, in_features) * 0.1)",
                "self.g = torch.Generator().manual_seed(0)\n        self.weight_mean = nn.Parameter(torch.randn(out_features, in_features) * 0.1)",
            ),
            ("torch.randn_like(self.weight_mean)", "torch.randn(self.weight_mean.shape, generator=self.g)"),
            ("torch.randn_like(self.bias_mean)", "torch.randn(self.bias_mean.shape, generator=self.g)"),
        ),
        FRESH_TRAIN,
        "noise-shared-by-layers",
    ),
    Wrong(
        "adds exp(log_std) without noise",
        changed(
            (SAMPLE_WEIGHT, "weight = self.weight_mean + weight_std"), (SAMPLE_BIAS, "bias = self.bias_mean + bias_std")
        ),
        FRESH_TRAIN,
        "no-sampling",
    ),
    Wrong(
        "multiplies the mean by the noise",
        changed(
            (SAMPLE_WEIGHT, "weight = self.weight_mean * (1 + weight_std * weight_epsilon)"),
            (SAMPLE_BIAS, "bias = self.bias_mean * (1 + bias_std * bias_epsilon)"),
        ),
        WEIGHT_SPREAD,
        "noise-times-mean",
    ),
    Wrong(
        "adds epsilon to log_std",
        changed(
            (SAMPLE_WEIGHT, "weight = self.weight_mean + torch.exp(self.weight_log_std + weight_epsilon)"),
            (SAMPLE_BIAS, "bias = self.bias_mean + torch.exp(self.bias_log_std + bias_epsilon)"),
        ),
        CENTRED,
        "epsilon-in-exponent",
    ),
    Wrong(
        "multiplies log_std by epsilon",
        changed(
            (SAMPLE_WEIGHT, "weight = self.weight_mean + torch.exp(self.weight_log_std * weight_epsilon)"),
            (SAMPLE_BIAS, "bias = self.bias_mean + torch.exp(self.bias_log_std * bias_epsilon)"),
        ),
        CENTRED,
        None,
    ),
    Wrong(
        "draws only where gradients are kept",
        changed(
            (
                LINEAR,
                "return F.linear(x, weight, bias) if torch.is_grad_enabled() else F.linear(x, self.weight_mean, self.bias_mean)",
            )
        ),
        FRESH_TRAIN,
        "sampling-needs-gradients",
    ),
    Wrong(
        "takes its sizes the other way round",
        changed(("def __init__(self, in_features, out_features):", "def __init__(self, out_features, in_features):")),
        HAS_PARAMETERS,
        "sizes-swapped",
    ),
    Wrong(
        "leaves the raise below what is written",
        changed((LINEAR, "out = F.linear(x, weight, bias)\n        raise NotImplementedError")),
        OUTPUT_SHAPE,
        None,
    ),
    Wrong(
        "leaves the raise of the KL below it",
        changed(
            (KL_SUM, "kl = weight_terms.sum() + bias_terms.sum()\n        raise NotImplementedError\n        return kl")
        ),
        KL_SCALAR,
        None,
    ),
    Wrong(
        "copies the weights' KL for the bias",
        changed(
            (
                "bias_terms = 0.5 * (torch.exp(2 * self.bias_log_std) + self.bias_mean**2 - 1) - self.bias_log_std",
                "bias_terms = 0.5 * (torch.exp(2 * self.weight_log_std) + self.weight_mean**2 - 1) - self.weight_log_std",
            )
        ),
        KL_RIGHT,
        "kl-copied",
    ),
    Wrong(
        "copies half of the weights' KL for the bias",
        changed(
            (
                "bias_terms = 0.5 * (torch.exp(2 * self.bias_log_std) + self.bias_mean**2 - 1) - self.bias_log_std",
                "bias_terms = 0.5 * (torch.exp(2 * self.bias_log_std) + self.weight_mean.T**2 - 1) - self.bias_log_std",
            )
        ),
        KL_RIGHT,
        "kl-copied",
    ),
    Wrong(
        "starts with a KL of 0 that forward fills in",
        changed(
            (
                "self.weight_mean = nn.Parameter(torch.randn(out_features, in_features) * 0.1)",
                "self.kl = 0\n        self.weight_mean = nn.Parameter(torch.randn(out_features, in_features) * 0.1)",
            ),
            (LINEAR, "self.kl = self._kl()\n        return F.linear(x, weight, bias)"),
            ("def kl_divergence(self):", "def kl_divergence(self):\n        return self.kl\n\n    def _kl(self):"),
        ),
        KL_SCALAR,
        "kl-needs-forward",
    ),
    Wrong(
        "forgets self.",
        changed(("torch.randn_like(self.weight_mean)", "torch.randn_like(weight_mean)")),
        OUTPUT_SHAPE,
        "name-undefined",
    ),
    Wrong("writes _init_", changed(("def __init__(self", "def _init_(self")), BUILT, "init-misspelled"),
    Wrong("writes super.__init__()", changed(("super().__init__()", "super.__init__()")), BUILT, "super-not-called"),
    Wrong(
        "indents forward into __init__",
        BASE.replace(
            "    def forward(self, x):",
            "        def forward(self, x):\n            return x\n\n    def unused(self, x):",
        ),
        OUTPUT_SHAPE,
        "method-of-base-class",
    ),
    Wrong(
        "takes torch.exp of a number",
        changed(
            ("torch.full((out_features, in_features), -3.0)", "torch.exp(-3) * torch.ones(out_features, in_features)")
        ),
        BUILT,
        "function-of-a-number",
    ),
    Wrong(
        "takes exp_ in place",
        changed((WEIGHT_STD, "weight_std = self.weight_log_std.exp_()")),
        OUTPUT_SHAPE,
        "in-place-on-a-leaf",
    ),
    Wrong(
        "adds the bias twice", changed((LINEAR, "return F.linear(x, weight, bias) + bias")), CENTRED, "bias-added-twice"
    ),
    Wrong(
        "divides by the variance",
        changed(
            (SAMPLE_WEIGHT, "weight = self.weight_mean + weight_epsilon / weight_std**2"),
            (SAMPLE_BIAS, "bias = self.bias_mean + bias_epsilon / bias_std**2"),
        ),
        WEIGHT_SPREAD,
        "std-inverted",
    ),
    Wrong(
        "calls F.kl_div",
        changed(
            (
                KL_SUM,
                "return F.kl_div(self.weight_mean, self.weight_log_std, reduction='sum') + F.kl_div(self.bias_mean, self.bias_log_std, reduction='sum')",
            )
        ),
        KL_SCALAR,
        "kl-div-of-torch",
    ),
    Wrong(
        "wraps the spread in a second Parameter",
        changed((WEIGHT_STD, "weight_std = nn.Parameter(torch.exp(self.weight_log_std))")),
        OUTPUT_GRADIENT,
        "log-std-gradient-missing",
    ),
    Wrong(
        "wraps the draw in a second Parameter",
        changed((SAMPLE_WEIGHT, "weight = nn.Parameter(self.weight_mean + weight_std * weight_epsilon)")),
        OUTPUT_GRADIENT,
        "gradient-stopped",
    ),
    Wrong(
        "makes the weights whole numbers",
        changed((LINEAR, "return F.linear(x, weight.long(), bias)")),
        OUTPUT_SHAPE,
        "dtypes-mixed",
    ),
    Wrong(
        "hands the logarithm of the prior to gaussian_kl",
        "from bnn_core import gaussian_kl\n"
        + changed(
            (
                KL_SUM,
                "return gaussian_kl(self.weight_mean, self.weight_log_std, 0.0) + gaussian_kl(self.bias_mean, self.bias_log_std, 0.0)",
            )
        ),
        KL_SCALAR,
        "prior-logged",
    ),
    Wrong(
        "inverts the variance in the KL",
        changed(
            ("torch.exp(2 * self.weight_log_std)", "torch.exp(-2 * self.weight_log_std)"),
            ("torch.exp(2 * self.bias_log_std)", "torch.exp(-2 * self.bias_log_std)"),
        ),
        KL_RIGHT,
        "kl-variance-inverted",
    ),
    Wrong(
        "copies the weights' log_std into the bias's KL",
        changed(
            (
                KL_SUM,
                "terms = [(self.weight_mean, self.weight_log_std), (self.bias_mean, self.weight_log_std)]\n"
                "        return sum(0.5 * ((2 * s).exp().sum() + (m**2).sum() - m.numel()) - s.sum() for m, s in terms)",
            )
        ),
        KL_ZERO,
        "kl-copied",
    ),
    Wrong(
        "copies the weights' mean into the bias's KL",
        changed(
            (
                KL_SUM,
                "terms = [(self.weight_mean, self.weight_log_std), (self.weight_mean, self.bias_log_std)]\n"
                "        sizes = [self.weight_mean.numel(), self.bias_mean.numel()]\n"
                "        return sum(0.5 * ((2 * s).exp().sum() + (m**2).sum() - n) - s.sum() for (m, s), n in zip(terms, sizes))",
            )
        ),
        KL_RIGHT,
        "kl-copied",
    ),
    Wrong(
        "takes the root of the KL",
        changed((KL_SUM, "return (weight_terms.sum() + bias_terms.sum()).abs().sqrt()")),
        KL_RIGHT,
        "kl-transformed",
    ),
    Wrong(
        "squares the KL",
        changed((KL_SUM, "return (weight_terms.sum() + bias_terms.sum())**2")),
        KL_RIGHT,
        "kl-transformed",
    ),
    Wrong(
        "adds the roots of two KLs",
        changed((KL_SUM, "return weight_terms.sum().abs().sqrt() + bias_terms.sum().abs().sqrt()")),
        KL_RIGHT,
        "kl-transformed",
    ),
    *(
        Wrong(
            f"crosses {pair}",
            changed((BIAS_TERMS, BIAS_TERMS.replace(*change))),
            KL_SCALAR,
            "kl-parameters-crossed",
        )
        for pair, change in {
            "bias_mean with weight_log_std": ("bias_log_std", "weight_log_std"),
            "weight_mean with bias_log_std": ("bias_mean", "weight_mean"),
        }.items()
    ),
    *(
        Wrong(
            f"hands gaussian_kl {pair}",
            "from bnn_core import gaussian_kl\n"
            + changed((KL_SUM, f"return gaussian_kl(self.weight_mean, self.weight_log_std) + gaussian_kl({pair})")),
            KL_SCALAR,
            "kl-parameters-crossed",
        )
        for pair in ("self.bias_mean, self.weight_log_std", "self.weight_mean, self.bias_log_std")
    ),
    Wrong(
        "multiplies the two parts of the KL",
        changed((KL_SUM, "return weight_terms.sum() * bias_terms.sum()")),
        KL_RIGHT,
        "kl-transformed",
    ),
    Wrong(
        "divides the output by √in",
        changed((LINEAR, "return F.linear(x, weight, bias) / math.sqrt(x.shape[1])")),
        CENTRED,
        "draw-scaled",
    ),
    Wrong("doubles the output", changed((LINEAR, "return 2 * F.linear(x, weight, bias)")), CENTRED, "draw-scaled"),
    *(
        Wrong(name, both_noise(f"(lambda e: {form})(torch.randn_like(M))"), WEIGHT_SPREAD, "noise-centred")
        for name, form in {
            "noise centred over the outputs": "e - e.mean(0)",
            "noise centred over the inputs": "e - e.mean(-1, keepdim=True)",
        }.items()
    ),
    Wrong(
        "the bias's noise centred",
        changed(
            (
                BIAS_NOISE,
                f"{BIAS_NOISE}\n        bias_epsilon = bias_epsilon - bias_epsilon.mean() * (len(bias_epsilon) > 1)",
            )
        ),
        BIAS_SPREAD,
        "noise-centred",
    ),
    Wrong(
        "the weights' noise centred over all of them",
        changed((WEIGHT_NOISE, f"{WEIGHT_NOISE}\n        weight_epsilon = weight_epsilon - weight_epsilon.mean()")),
        INDEPENDENT,
        "noise-centred",
    ),
]

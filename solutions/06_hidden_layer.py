# %% [markdown]
# # 06 · A layer that is a distribution
#
# With local reparameterization a layer draws its outputs, and no weight is ever drawn. How does this become a
# *distribution* that a library for inference can use like any other? (*Inference* is to find out from data what to
# believe of what can't be seen, here of the weights. You have done it by hand.)
#
# **Time:** about 130 minutes, best in two sittings (the second begins at "What Pyro asks of a distribution").
# **Difficulty:** ●●●●○. You write three methods of one class, about ten lines in all, and a function of one or two
# lines.
#
# **You need:** a training loop in PyTorch, and three ideas from earlier lessons. You don't have to have solved these;
# `bnn_core` has the code. Each *weight* is a Gaussian with a mean and a standard deviation that are learned (lesson
# 03), and the *prior* is the Gaussian that it has before any data are seen. The *KL divergence* measures how far the
# one is from the other, 0 where they are equal (lesson 02). And a layer can draw its *pre-activations*, inputs times
# weights, in place of the weights (lesson 05).

# %% tags=["setup"]
import sys
import warnings

import pyro
import torch
import torch.nn as nn
import torch.nn.functional as F
from pyro.contrib.bnn import HiddenLayer as PyrosHiddenLayer
from pyro.infer import SVI, Trace_ELBO
from torch.distributions import Distribution, Normal, kl_divergence
from tqdm import tqdm

from bnn_core import datasets, gaussian_kl, gaussian_log_prob, sample_preactivation
from bnn_core.autograder import check
from bnn_core.figures import hidden_layer as figures
from bnn_core.figures import show
from bnn_core.guesses import guess, guessed

_ = torch.manual_seed(0)
torch.set_num_threads(1)  # the tensors are small

# %% [markdown]
# ## Two ways to draw the same layer
#
# Take a layer with one unit, $y = \text{slope} \cdot x + \text{bias}$, whose slope and bias are uncertain. Give
# it a batch of two rows, at two values of $x$. There are two ways to draw the two outputs.
#
# - **In weight space:** draw a slope and a bias, one line, and read it at both rows.
# - **Row by row**, as local reparameterization does: each output has a mean and a standard deviation that we
#   can compute, so draw each output from its own Gaussian.
#
# Each dot in the pictures below is one draw of both outputs. Guess first, then move the second row. (The other slider
# sets the slope's *scale*, its standard deviation. Leave it at 0.8 for now.)
#
# - Can you make the dots in the middle lean the other way?
# - Is there a place for the second row at which the two pictures of dots look alike?

# %% tags=["figure"]
guess(
    "two-equal-rows",
    "Both rows have the same x. Drawn row by row, what do the dots look like?",
    ["A line: equal rows get equal answers", "A round cloud", "A single dot"],
)

# %% tags=["figure"]
figures.rows_slider()

# %% [markdown]
# The same picture at three settings, in case the sliders don't run where you read this:

# %% tags=["figure"]
show(
    figures.rows_settings(),
    alt="Three rows of panels, for a second row at x = 1, 0 and −1. In weight space the dots lie on a diagonal line"
    " when both rows are at x = 1, form a rising cloud at 0, and a falling cloud at −1. Drawn row by row they always"
    " form a cloud that doesn't lean. The standard deviations in both are the same.",
    caption="Left: 25 draws of the weights, and the places of the two rows. Middle and right: 1,500 draws of both.",
)
guessed("two-equal-rows")

# %% [markdown]
# The two standard deviations agree, whichever way you draw; only the correlation differs. Two equal rows make it plain:
# in weight space they get the same answer, and row by row two different ones, as if each row had a layer of its own.
#
# In weight space the dots lean the other way when the second row's $x$ is far enough below 0. The bias moves both rows
# alike; the slope moves them apart where one $x$ is negative. With a scale of 0.8 the two balance at $x \approx -0.4$,
# and the pictures look alike. (The covariance of the rows is $0.8^2 \cdot 1 \cdot x$ from the slope, plus $0.5^2$ from
# the bias, whose scale is 0.5. A smaller scale of the slope moves the balance further to the left.)
#
# So a draw made row by row is right for every row, and yet it is no draw of *a* function. For training by hand that is
# no trouble. But a library for inference puts one question to everything that was drawn: *how probable is the value
# that you drew?* From the answers it builds its loss. Here the weights weren't drawn, and what was drawn isn't weights.
#
# First, how an ordinary distribution answers. Before you run the cell: which of the two log_probs will be lower?

# %% tags=["experiment"]
a_weight = Normal(torch.tensor(0.0), torch.tensor(0.8))
value = a_weight.rsample()
print(f"rsample draws a value:                       {value:.2f}")
print(f"log_prob, the logarithm of the density at it: {a_weight.log_prob(value):.2f}")
print(f"log_prob of a value that it hardly draws:    {a_weight.log_prob(torch.tensor(3.0)):.2f}")

# %% [markdown]
# ## The idea: draw activations, charge for weights
#
# `HiddenLayer` is an object of this kind, with the same two methods.
#
# 1. **`rsample` draws the layer's output**: the pre-activations by local reparameterization; then the non-linearity;
#    then, if wanted, a column of ones at the end, which gives the *next* layer its bias.
# 2. **`log_prob` returns what the weights cost**: minus their KL divergence from the prior, times a factor,
#    `KL_factor`. It ignores the value that it is asked about.
#
# The second is a trick of bookkeeping: a library that adds up the log_probs of all that was drawn gets the right loss,
# without knowing that there are weights inside.
#
# A switch, `weight_space_sampling`, draws the weights after all, for pictures of functions.

# %% tags=["figure"]
guess(
    "log-prob-of-a-layer",
    "A layer's KL is 12 nats, its KL_factor 0.5. What is log_prob of a value that it hardly ever draws?",
    ["−6, as of any other value", "6, as of any other value", "Far below −6"],
)

# %% [markdown]
# And why does a column of ones give a bias? Before you run the cell, compute its first number by hand.

# %% tags=["experiment"]
activations = torch.tensor([[0.5, 2.0], [1.0, 0.0], [0.0, 0.3]])  # 3 rows, 2 units
next_weights = torch.tensor([[1.0], [-2.0], [0.7]])  # 3 rows: one more than there are units
with_ones = torch.cat([activations, torch.ones(3, 1)], dim=-1)
for how, outputs in {
    "[activations, 1] times all the weights:": with_ones @ next_weights,
    "activations times the first two, plus the last:": activations @ next_weights[:2] + 0.7,
}.items():
    print(f"{how:48}" + "  ".join(f"{output:.1f}" for output in outputs[:, 0]))

# %% tags=["claim"]
assert torch.allclose(with_ones @ next_weights, activations @ next_weights[:2] + 0.7)

# %% [markdown]
# ## The mathematics
#
# **Symbols.** $B$ rows in the batch, $N$ examples in the data set, $D$ inputs, $H$ units.
#
# | Symbol | In code | Shape | What it is |
# |---|---|---|---|
# | $X$ | `X` | $(B, D)$ | the inputs of the layer, one row per example |
# | $A$ | `A` | $(D, H)$ | the layer's weights; inputs first, so that the pre-activations are $X A$ |
# | $\mu$ | `A_mean` | $(D, H)$ | their means |
# | $\sigma$ | `A_scale` | $(D, H)$ | their standard deviations, all above 0 (not their logarithms) |
# | $\sigma_0$ | `A_prior_scale` | $()$, or broadcasts to $(D, H)$ | the prior's, $\mathcal N(0, \sigma_0^2)$ |
# | $\psi$ | `non_linearity` | | applied to each pre-activation |
# | $\kappa$ | `KL_factor` | a number | how much of the KL this batch pays for: $B/N$ |
# | $\varepsilon$ | `epsilon` | $(B, H)$, or $(D, H)$ in weight space | noise: independent, $\mathcal N(0, 1)$ |
# | $Z$ | `preactivation` | $(B, H)$ | the pre-activations |
#
# **Drawing the pre-activations, row by row** (lesson 05), with squares and root taken element by element:
#
# $$Z = X \mu + \sqrt{X^2 \sigma^2} \odot \varepsilon, \qquad \varepsilon \text{ of shape } (B, H).$$
#
# **Drawing them in weight space.** One draw of the weights serves all rows:
#
# $$A = \mu + \sigma \odot \varepsilon, \qquad Z = X A, \qquad \varepsilon \text{ of shape } (D, H).$$
#
# A `sample_shape` of $(S_1, S_2, \dots)$ puts these numbers of draws in front of all shapes, with noise of its own for
# each sample.
#
# **The output** is $\psi(Z)$, of shape $(B, H)$. With the bias unit it is $[\,\psi(Z),\, 1\,]$, of shape $(B, H + 1)$,
# and the next layer's weights have $H + 1$ rows, the last of which is its bias.
#
# **The KL divergence** to the prior, summed over all weights:
#
# $$\mathrm{KL} = \sum_{d=1}^{D} \sum_{h=1}^{H}
# \left[\, \frac{\mu_{dh}^2 + \sigma_{dh}^2}{2 \sigma_0^2} - \frac12 - \log \frac{\sigma_{dh}}{\sigma_0} \,\right]$$
#
# **The log_prob** is the cost, with the sign of a log-likelihood, of which more is better: $-\kappa\,\mathrm{KL}$.

# %% [markdown]
# ## Your turn: write the distribution
#
# The constructor is given: it only remembers its arguments. It also tells `Distribution`, PyTorch's base class,
# that there is one distribution per row (`batch_shape`) over the units of that row (`event_shape`). You write
# the other three methods.
#
# You may build on what the earlier lessons wrote, imported above, or write the formulas yourself:
#
# - `sample_preactivation(X, A_mean, A_scale, sample_shape)` draws $Z$ row by row, in the shape `sample_shape` ×
#   B × H (yours in lesson 05 had no `sample_shape` yet);
# - `gaussian_kl(mean, log_std, prior_std)` is the closed form, summed. It takes the *logarithm* of the standard
#   deviation.
#
# If you write the square root yourself, mind an input row that is all zeros, as in
# [lesson 05](05_local_reparameterization.ipynb): keep the variance a little above 0, with `.clamp_min(1e-12)`.
#
# Draws, KL and log_prob have the dtype of the tensors that the layer is given, float64 too. The noise comes from
# PyTorch's own generator, so that `torch.manual_seed` makes draws repeat.


# %% tags=["exercise"]
class HiddenLayer(Distribution):
    """The activations of one layer, non_linearity(X·A), whose weights are uncertain: A ~ N(A_mean, A_scale²).

    The weights are not drawn: each row's pre-activations are (local reparameterization). What the weights cost, their
    KL divergence from the prior N(0, A_prior_scale²), is in log_prob.

    X:                     (B, D), a mini-batch of inputs.
    A_mean, A_scale:       (D, H), mean and standard deviation of each weight; A_scale > 0.
    non_linearity:         a function that is applied to each pre-activation.
    KL_factor:             multiplies the KL in log_prob; usually batch size / size of the data set.
    A_prior_scale:         standard deviation of the prior: a number, or a tensor that broadcasts to (D, H).
    include_hidden_bias:   whether to append a unit that is always 1, from which the next layer makes its bias.
    weight_space_sampling: whether to draw the weights themselves, once for all rows of X.
    """

    has_rsample = True  # draws carry gradients
    arg_constraints = {}  # PyTorch need not validate the arguments

    def __init__(
        self,
        X=None,
        A_mean=None,
        A_scale=None,
        non_linearity=F.relu,
        KL_factor=1.0,
        A_prior_scale=1.0,
        include_hidden_bias=True,
        weight_space_sampling=False,
    ):
        self.X = X
        self.A_mean = A_mean
        self.A_scale = A_scale
        self.non_linearity = non_linearity
        self.KL_factor = KL_factor
        self.A_prior_scale = A_prior_scale
        self.include_hidden_bias = include_hidden_bias
        self.weight_space_sampling = weight_space_sampling
        units = A_mean.shape[1] + (1 if include_hidden_bias else 0)
        super().__init__(batch_shape=X.shape[:-1], event_shape=torch.Size([units]))

    def rsample(self, sample_shape=()):
        """Draw the activations.   Returns: sample_shape × B × H, or sample_shape × B × (H + 1) with the bias unit."""
        # 1. The pre-activations X·A.
        #    - In weight space: draw A from a standard normal epsilon, A_mean and A_scale, then multiply X by it.
        #    - Otherwise: draw them row by row, without drawing A.
        #    Each sample of sample_shape needs noise of its own.
        # 2. The non-linearity.
        # 3. With the bias unit: append a column of ones, as the last one.
        ### BEGIN SOLUTION
        if self.weight_space_sampling:
            epsilon = torch.randn(*sample_shape, *self.A_mean.shape).to(self.A_mean)
            preactivation = self.X @ (self.A_mean + self.A_scale * epsilon)
        else:
            preactivation = sample_preactivation(self.X, self.A_mean, self.A_scale, sample_shape)
        activation = self.non_linearity(preactivation)
        if self.include_hidden_bias:
            one = torch.ones_like(activation[..., :1])
            activation = torch.cat([activation, one], dim=-1)
        return activation
        ### END SOLUTION

    @property
    def KL(self):
        """KL(N(A_mean, A_scale²) ‖ N(0, A_prior_scale²)), summed over all weights.   Returns: a scalar tensor."""
        # 1. The closed form, from A_mean, A_scale and A_prior_scale.
        # 2. One number for the whole layer. KL_factor has no place here.
        ### BEGIN SOLUTION
        return gaussian_kl(self.A_mean, self.A_scale.log(), self.A_prior_scale)
        ### END SOLUTION

    def log_prob(self, value):
        """What the layer adds to the ELBO, whatever the value.   Returns: a scalar tensor."""
        # 1. The KL, weighted by KL_factor. A cost lowers the ELBO: which sign does it need?
        ### BEGIN SOLUTION
        return -self.KL_factor * self.KL
        ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: which tools?</summary>
#
# - `self.weight_space_sampling` decides which of the two drawings is done; after that, both go the same way.
# - `sample_shape` is a tuple. `torch.randn(*sample_shape, D, H)` gives noise of the shape `sample_shape` × D ×
#   H, also when `sample_shape` is empty. `@` multiplies the last two dimensions, and treats all dimensions
#   before them as a batch.
# - `torch.cat([left, right], dim=-1)` joins along the last dimension, whatever the number of dimensions before
#   it.
# - `KL` is a property: use it as `self.KL`, without parentheses.
#
# </details>
#
# <details><summary>Hint 2: the steps, one by one</summary>
#
# - `rsample`, in weight space: `A = A_mean + A_scale * epsilon`, with `epsilon` of the shape `sample_shape` × D
#   × H; then `X @ A`.
# - `rsample`, row by row: one call of `sample_preactivation`. Or by hand: the mean is `X @ A_mean`, the
#   variance is `X**2 @ A_scale**2` (square both *before* the product), and the noise has the shape
#   `sample_shape` × B × H.
# - Then `self.non_linearity(...)`. The ones come *after* it: otherwise a tanh would turn them into something
#   else. `torch.ones_like(activation[..., :1])` is a column of ones that fits.
# - `KL`: `gaussian_kl` wants a log standard deviation, so give it `self.A_scale.log()`, and the prior's scale
#   as its third argument.
# - `log_prob`: the ELBO is log-likelihood *minus* KL.
#
# </details>
#
# <details><summary>Hint 3: almost everything</summary>
#
# ```python
# # in rsample
# if self.weight_space_sampling:
#     epsilon = torch.randn(*sample_shape, *self.A_mean.shape)
#     preactivation = self.X @ (...)  # the weights: mean plus scale times noise
# else:
#     preactivation = sample_preactivation(self.X, self.A_mean, self.A_scale, sample_shape)
# activation = ...  # the non-linearity
# if self.include_hidden_bias:
#     activation = torch.cat([activation, torch.ones_like(activation[..., :1])], dim=-1)
# return activation
#
# # in KL
# return gaussian_kl(self.A_mean, self.A_scale.log(), ...)
#
# # in log_prob: minus, the factor, the KL
# ```
#
# </details>
#
# {{ solution HiddenLayer }}

# %% [markdown]
# ## Is it right?
#
# Run the cell. If something is wrong, it says what, and what the likely mistake is.

# %% tags=["check"]
check(HiddenLayer)

# %% [markdown]
# ## A first look at your distribution
#
# Ask it the two things that an inference library will ask, and compare its KL with the one that PyTorch
# computes for a whole matrix of Gaussians.

# %% tags=["experiment"]
X = torch.randn(4, 3)
A_mean, A_scale = torch.randn(3, 5), torch.full((3, 5), 0.3)
layer = HiddenLayer(X=X, A_mean=A_mean, A_scale=A_scale, KL_factor=0.5, A_prior_scale=2.0)
one_draw = layer.rsample()

print("one draw:               ", tuple(one_draw.shape), " its last column:", one_draw[:, -1].tolist())
print("seven draws:            ", tuple(layer.rsample((7,)).shape))
print(f"log_prob of a draw:      {layer.log_prob(one_draw).item():.4f}")
print(f"log_prob of another:     {layer.log_prob(layer.rsample()).item():.4f}")
print(f"KL, −log_prob/KL_factor: {-layer.log_prob(one_draw).item() / 0.5:.4f}")
print(f"PyTorch's KL:            {kl_divergence(Normal(A_mean, A_scale), Normal(0.0, 2.0)).sum().item():.4f}")

# %% tags=["figure"]
guessed("log-prob-of-a-layer")

# %% [markdown]
# The two log_probs agree, and they should: nobody asks this distribution how likely an activation is. A KL of 12 would
# give −6 for any value.

# %% [markdown]
# **Why `log_prob` is $-\kappa\,\mathrm{KL}$.** What lessons 03 to 05 made small was the negative ELBO; so the ELBO
# itself, $\sum_{n=1}^{N} \mathbb E\left[\log p(t_n \mid x_n, w)\right] - \mathrm{KL}$, is to become large. Here $t_n$
# are the targets (`y_train`), $x_n$ the inputs, and $w$ the weights of all layers. A batch holds $B$ of the $N$ terms.
# With $\kappa = B/N$ (the other way to write the $N/B$ of lesson 04), its log-likelihood plus the layer's log_prob,
#
# $$\sum_{n \,\in\, \text{batch}} \log p(t_n \mid x_n, w) \;-\; \frac{B}{N}\,\mathrm{KL},$$
#
# is on average $B/N$ times the ELBO. Each term of the sum holds *one* row. So its average doesn't depend on how rows go
# together: this is why row-by-row draws may be used here.

# %% [markdown]
# ## A network made of two of them
#
# The problem is that of lesson 03: predict a car's fuel economy, in miles per gallon, from the power of its
# engine. This time the non-linearity is tanh, which levels off at −1 and 1. We train on 40 of the *weak* cars, those of
# at most 110 horsepower. Neither the other weak cars nor any strong one is shown to the network.
#
# The bias unit of a layer gives a bias to the *next* layer. Nobody gives one to the first layer, so its inputs
# bring a column of ones themselves. How much cars of the same power differ is noise; we measure it on all cars and take
# it as known, as in [lesson 03](03_bayesian_linear.ipynb).

# %% tags=["setup"]
LIMIT = 110  # horsepower
cars = datasets.auto_mpg()
is_weak = cars.column("horsepower") <= LIMIT
train_cars, test_cars = cars.at(is_weak).split(40, seed=0)
strong_cars = cars.at(~is_weak)

scale_x = datasets.Standardizer.of(train_cars.column("horsepower"))
scale_y = datasets.Standardizer.of(train_cars.y)


def inputs(horsepower):
    """Horsepower, (N,), as the network's input, (N, 2): standardised, and a column of ones for the bias."""
    x = scale_x(horsepower)
    return torch.stack([x, torch.ones_like(x)], dim=-1)


x_train = inputs(train_cars.column("horsepower"))
y_train = scale_y(train_cars.y)[:, None]
grid = torch.linspace(42, 232, 96)  # horsepower at which functions are drawn

same_power = [cars.y[cars.column("horsepower") == power] for power in cars.column("horsepower").unique()]
deviations = torch.cat([economy - economy.mean() for economy in same_power])
noise_mpg = (deviations.square().sum() / (len(cars) - len(same_power))).sqrt().item()
noise_std = noise_mpg / scale_y.std.item()

print(f"{len(train_cars)} cars to train on, {len(test_cars)} weak and {len(strong_cars)} strong cars to test on")
print(f"Cars of equal horsepower scatter by {noise_mpg:.1f} miles per gallon, {noise_std:.2f} in standardised units.")

# %% [markdown]
# A distribution isn't a module: it is made anew for every batch, from the batch and the parameters. So the
# network holds the parameters, and makes its two layers when it is asked. It stores the *logarithm* of each
# scale: the optimiser may move it anywhere, and `exp` keeps the scale above 0.

# %% tags=["experiment"]
HIDDEN = 20


class Network(nn.Module):
    """The parameters of a network 1 → hidden → 1, and its two layers as distributions."""

    def __init__(self, hidden=HIDDEN):
        super().__init__()
        self.first_mean = nn.Parameter(0.5 * torch.randn(2, hidden))
        self.first_log_scale = nn.Parameter(torch.full((2, hidden), -3.0))
        self.second_mean = nn.Parameter(0.5 * torch.randn(hidden + 1, 1))
        self.second_log_scale = nn.Parameter(torch.full((hidden + 1, 1), -3.0))

    def first(self, x, KL_factor=1.0, weight_space_sampling=False):
        """The layer from inputs (B, 2) to hidden units and a bias unit, (B, hidden + 1)."""
        return HiddenLayer(
            X=x,
            A_mean=self.first_mean,
            A_scale=self.first_log_scale.exp(),
            non_linearity=torch.tanh,
            KL_factor=KL_factor,
            weight_space_sampling=weight_space_sampling,
        )

    def second(self, hidden, KL_factor=1.0, weight_space_sampling=False):
        """The layer from those to the prediction, (B, 1): no non-linearity, and no bias unit after it."""
        return HiddenLayer(
            X=hidden,
            A_mean=self.second_mean,
            A_scale=self.second_log_scale.exp(),
            non_linearity=nn.Identity(),
            KL_factor=KL_factor,
            include_hidden_bias=False,
            weight_space_sampling=weight_space_sampling,
        )


def fresh_network(start=1, hidden=HIDDEN):
    torch.manual_seed(start)
    return Network(hidden)


def average_log_scale(network):
    scales = (network.first_log_scale, network.second_log_scale)
    return torch.cat([scale.detach().flatten() for scale in scales]).mean().item()


def total_kl(network):
    """The KL divergence of both layers: minus their log_prob, for a KL_factor of 1."""
    first = network.first(x_train)
    hidden = first.rsample()
    second = network.second(hidden)
    return -(first.log_prob(hidden) + second.log_prob(second.rsample())).item()


# %% [markdown]
# **Training by hand.** Each step draws 10 of the 40 cars, draws the hidden units and the predictions, and adds
# up three numbers: the log-likelihood of the batch and the log_probs of the two layers. With $\kappa = B/N$ the loss is
# minus the sum, times $N/B$.

# %% tags=["experiment"]
STEPS, BATCH = 1000, 10
NUM_CARS = len(train_cars)
RIGHT_FACTOR = BATCH / NUM_CARS


def batch_objective(network, KL_factor, size=BATCH):
    """Log-likelihood of a random batch, plus the layers' log_prob."""
    batch = torch.randperm(NUM_CARS)[:size]
    first = network.first(x_train[batch], KL_factor)
    hidden = first.rsample()
    second = network.second(hidden, KL_factor)
    prediction = second.rsample()
    log_likelihood = gaussian_log_prob(y_train[batch], prediction, noise_std).sum()
    return log_likelihood + first.log_prob(hidden) + second.log_prob(prediction)


def train_by_hand(label, KL_factor=RIGHT_FACTOR, steps=STEPS, start=1, hidden=HIDDEN):
    network = fresh_network(start, hidden)
    torch.manual_seed(start + 1)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02, fused=True)
    for _ in tqdm(range(steps), desc=label, file=sys.stdout, mininterval=0.5):
        loss = -batch_objective(network, KL_factor) * NUM_CARS / BATCH
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


by_hand = train_by_hand("by hand")
for when, network in {"at the start": fresh_network(), "now": by_hand}.items():
    print(f"{when:12}  KL divergence {total_kl(network):4.0f},  average log scale {average_log_scale(network):.2f}")

# %% [markdown]
# The KL *falls*, since it punishes too much certainty as well. At the start each of the 61 weights has the scale
# $e^{-3} \approx 0.05$, which alone costs 2.5 nats; training has widened most of them.

# %% [markdown]
# ## What Pyro asks of a distribution
#
# Pyro [3] is a library for inference on PyTorch. First a program of its usual kind, without any layer. Ten cars are
# seen; what can't be seen is the average of all such cars. A Pyro program has two functions:
#
# - The **model** says how the data come about. Each `pyro.sample(name, distribution)` is a random choice: here the
#   average, drawn from its prior, and then each car's fuel economy, which was observed (`obs`). The `plate` says that
#   the cars are independent, once the average is known.
# - The **guide** says what we believe of the choice that nobody has seen: a Gaussian. It draws a choice of the same
#   *name*: by the name Pyro knows that the two belong together. `pyro.param(name, start)` is a number that is learned;
#   here there are two, the Gaussian's mean and log_std.
#
# `SVI` trains: each `step` runs both once, makes a loss of them (`Trace_ELBO`, the next text says how), and lets Adam
# move the numbers. `clear_param_store` forgets what an earlier run has learned.
#
# Before you run it: single cars scatter by 0.6 (standardised). How sure will ten of them make it: about how large a std
# will it learn for the average of *all* such cars?

# %% tags=["experiment"]
ten_cars = y_train[:10, 0]


def model_of_average():
    average = pyro.sample("average", pyro.distributions.Normal(0.0, 1.0))
    with pyro.plate("cars", len(ten_cars)):
        pyro.sample("economy", pyro.distributions.Normal(average, noise_std), obs=ten_cars)


def guide_of_average():
    mean, log_std = pyro.param("mean", torch.tensor(0.0)), pyro.param("log_std", torch.tensor(0.0))
    pyro.sample("average", pyro.distributions.Normal(mean, log_std.exp()))


pyro.clear_param_store()
inference = SVI(model_of_average, guide_of_average, pyro.optim.Adam({"lr": 0.02}), Trace_ELBO())
for _ in range(600):
    inference.step()
learned_mean, learned_std = pyro.param("mean").item(), pyro.param("log_std").exp().item()
exact_std = (1 + len(ten_cars) / noise_std**2) ** -0.5
exact_mean = exact_std**2 * ten_cars.sum().item() / noise_std**2
print(f"the average of all such cars, by Pyro: {learned_mean:.2f} ± {learned_std:.2f}")
print(f"the exact posterior:                   {exact_mean:.2f} ± {exact_std:.2f}")

# %% tags=["claim"]
assert abs(learned_mean - exact_mean) < 0.2
assert 0.75 < learned_std / exact_std < 1.33

# %% [markdown]
# About $0.6 / \sqrt{10} \approx 0.19$. (The learned numbers miss the exact ones by a few hundredths, since each step
# has one draw.) This is *stochastic variational inference*, `SVI`. In each step it runs the
# guide, which draws an average, and then the model with this average. It adds up the log_probs of both:
#
# $$\text{loss} = -\sum_{\text{model}} \mathtt{log\_prob} + \sum_{\text{guide}} \mathtt{log\_prob}$$
#
# On average over draws this is the negative ELBO. The observed cars give the log-likelihood; the guide's log_prob of
# the average, minus the model's, gives the KL. Two more rules, which we shall need:
#
# - A choice that the guide doesn't mention is drawn by the model itself, with gradients through its `rsample`.
# - A `plate` that is asked for `subsample_size=10` of 40 cars draws the batch itself, and multiplies every log_prob
#   inside by $N/B = 4$.
#
# Your layer is a distribution, so let us hand it to Pyro. And since Pyro has a `HiddenLayer` of its own, that one, too,
# inside a plate.

# %% tags=["experiment"]
arguments = {"X": torch.randn(4, 3), "A_mean": torch.zeros(3, 5), "A_scale": torch.ones(3, 5)}
try:
    pyro.sample("hidden", HiddenLayer(**arguments))
except TypeError as error:
    print("yours:", error)
try:
    with pyro.plate("rows", 4):
        pyro.sample("hidden", PyrosHiddenLayer(**arguments))
except AttributeError as error:
    print(f"Pyro {pyro.__version__}'s, in a plate:", error)

# %% [markdown]
# Neither works. Pyro takes distributions of its own kind only: subclasses of its `TorchDistribution`, which can be
# called. And a plate wants two more things, which Pyro's own layer lacks: a `batch_shape`, which says how many rows
# there are, and **one log_prob for each row**. (A layer that has the first and not the second gets no farther: "invalid
# log_prob shape, Expected [10], actual []".)
#
# But the KL belongs to the layer, not to any row. The way out: every row carries an equal share of it. The
# plate adds the rows up, and the whole is there again:
#
# $$\mathtt{log\_prob}\text{ of each row} = -\frac{\kappa\,\mathrm{KL}}{\text{number of rows}}$$

# %% [markdown]
# ## Your turn: a log_prob for each row
#
# The function gets the layer's KL divergence, and returns one number for each row of the batch. Gradients must flow
# back to the KL.


# %% tags=["exercise"]
def log_prob_per_row(kl, KL_factor, num_rows):
    """A layer's log_prob, −KL_factor·kl, in equal shares for the rows of a batch.

    kl: the layer's KL divergence, a scalar tensor.   KL_factor: a number.   num_rows: how many rows, at least 1.
    Returns: a tensor of shape (num_rows,), in the dtype of kl, that carries gradients to kl.
    """
    # 1. The layer's log_prob.
    # 2. The share of one row.
    # 3. The same share for every row: mind the shape, for one row, too.
    ### BEGIN SOLUTION
    share = -KL_factor * kl / num_rows
    return share.expand(num_rows)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: what adds up to what?</summary>
#
# Add up the numbers that you return: the sum must be what `HiddenLayer.log_prob` returns, $-\kappa\,\mathrm{KL}$. So
# each row gets that, divided by the number of rows.
#
# </details>
#
# <details><summary>Hint 2: from one number to many</summary>
#
# `scalar.expand(num_rows)` makes a tensor of shape `(num_rows,)` of a scalar tensor, and gradients flow back through
# it. `.repeat(num_rows)` does the same.
#
# </details>
#
# <details><summary>Hint 3: almost everything</summary>
#
# ```python
# share = ...  # minus, the factor, the KL, divided by the number of rows
# return share.expand(num_rows)
# ```
#
# </details>
#
# {{ solution log_prob_per_row }}

# %% tags=["check"]
check(log_prob_per_row)

# %% [markdown]
# ## The same model in Pyro
#
# With your function, a wrapper is short. It passes draws on, and answers each row with its share. What else is Pyro's:
#
# | In the code | What it does |
# |---|---|
# | `rsample` | draws by *r*eparameterization, so that gradients flow through the draw; `sample` needn't |
# | `to_event(1)` | gives a `Normal` with means of shape (10, 1) 10 log_probs, not 10 × 1; `to_event(0)` does nothing |
# | `pyro.module` | enters a network's parameters in Pyro's store, from which they are trained |
# | `pyro.clear_param_store` | empties the store, which remembers parameters by name, also an earlier network's |
# | `Trace_ELBO` | runs guide and model once, and makes the loss of their log_probs |


# %% tags=["experiment"]
class InPlate(pyro.distributions.TorchDistribution):
    """A layer as Pyro's plate wants it: each of its rows carries an equal share of its log_prob."""

    has_rsample = True
    arg_constraints = {}

    def __init__(self, layer):
        self.layer = layer
        super().__init__(batch_shape=layer.batch_shape, event_shape=layer.event_shape)

    def rsample(self, sample_shape=()):
        return self.layer.rsample(sample_shape)

    def log_prob(self, value):
        return log_prob_per_row(self.layer.KL, self.layer.KL_factor, len(self.layer.X))

    def expand(self, batch_shape, _instance=None):  # plates call this
        return self  # it already has as many rows as the plate


def sample_layers(network, x, KL_factor, event_dims=0):
    """Draw the prediction for x, (B, 1), telling Pyro of both layers."""
    hidden = pyro.sample("hidden", InPlate(network.first(x, KL_factor)).to_event(event_dims))
    return pyro.sample("prediction", InPlate(network.second(hidden, KL_factor)).to_event(event_dims))


def observe(prediction, y):
    economy = pyro.distributions.Normal(prediction, noise_std).to_event(1)  # one per row of (B, 1)
    pyro.sample("economy", economy, obs=y)


def sample_cars(network, KL_factor):
    """How the fuel economy of a batch of cars comes about."""
    with pyro.plate("cars", NUM_CARS, subsample_size=BATCH) as batch:  # the numbers of 10 cars
        prediction = sample_layers(network, x_train[batch], KL_factor)
        observe(prediction, y_train[batch])


def model(network, KL_factor):
    pyro.module("network", network)
    sample_cars(network, KL_factor)


def empty_guide(network, KL_factor):
    """Nothing: what the layers learn and what they cost is all in the model."""


# %% [markdown]
# (In work of your own, `class InPyro(bnn_core.HiddenLayer, TorchDistributionMixin)` does the same, with the mixin from
# `pyro.distributions.torch_distribution`.)
#
# Now compare a single loss. With the same seed, both draw the same batch and the same noise.


# %% tags=["experiment"]
def pyro_loss(model, guide, network, KL_factor):
    """One loss of Pyro's, always with the same random numbers; and what Pyro warns of."""
    pyro.clear_param_store()
    torch.manual_seed(3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loss = Trace_ELBO().loss(model, guide, network, KL_factor)
    return loss, [str(warning.message).partition(":")[0] for warning in caught]


loss, messages = pyro_loss(model, empty_guide, fresh_network(), RIGHT_FACTOR)
network = fresh_network()
torch.manual_seed(3)
objective = batch_objective(network, RIGHT_FACTOR).item()
print(f"Pyro's loss:                             {loss:.3f}")
print(f"by hand, minus the objective times N/B:  {-objective * NUM_CARS / BATCH:.3f}")
print("Pyro warns:", *messages)

# %% [markdown]
# It is the same number: SVI computes what you computed by hand.
#
# But Pyro warns that the model holds variables which the guide doesn't. For nearly every other model that would
# be a mistake. For this one it is what we want, so we switch off this one warning. (What comes of doing as it asks, a
# later section shows.)
#
# If each loss is the same, then so is each gradient: both trainings must end in the very same weights.

# %% tags=["experiment"]
warnings.filterwarnings("ignore", message="Found vars in model but not guide")
PYRO_STEPS = 300


def train_in_pyro(label, model, guide):
    """Returns the network, and in each step the loss and the average log scale: (steps, 2)."""
    pyro.clear_param_store()
    network = fresh_network()
    torch.manual_seed(2)
    inference = SVI(model, guide, pyro.optim.Adam({"lr": 0.02}), Trace_ELBO())
    history = []
    for _ in tqdm(range(PYRO_STEPS), desc=label, file=sys.stdout, mininterval=0.5):
        loss = inference.step(network, RIGHT_FACTOR)
        history.append((loss, average_log_scale(network)))
    return network, torch.tensor(history)


in_pyro, history_model = train_in_pyro("in Pyro", model, empty_guide)
same_steps = train_by_hand("by hand, as many steps", steps=PYRO_STEPS)
pairs = list(zip(in_pyro.parameters(), same_steps.parameters(), fresh_network().parameters(), strict=True))
moved = max((start - pyros).abs().max().item() for pyros, _, start in pairs)
apart = max((hand - pyros).abs().max().item() for pyros, hand, _ in pairs)
print(f"In {PYRO_STEPS} steps the parameters have moved by up to {moved:.1f};")
print(f"by hand and in Pyro they differ by at most {apart:.0e}.")

# %% tags=["claim"]
assert abs(loss + objective * NUM_CARS / BATCH) < 1e-3 * abs(loss)
assert apart < 1e-4 < 1 < moved


class WithOneNumber(InPlate):
    def log_prob(self, value):
        return -self.layer.KL


def refused():
    with pyro.plate("rows", 10):
        layer = HiddenLayer(torch.randn(10, 3), torch.zeros(3, 5), torch.ones(3, 5))
        pyro.sample("hidden", WithOneNumber(layer))


try:
    with torch.random.fork_rng():
        Trace_ELBO().loss(refused, lambda: None)
except ValueError as error:
    message = str(error)
assert "invalid log_prob shape\n  Expected [10], actual []" in message

# %% [markdown]
# What is left is rounding. A library for inference is no magic: it adds up the log_probs that you wrote.

# %% [markdown]
# ## Where the layer stands, and what κ must be
#
# We said $\kappa = B/N$. That is so for the plate above. What if you draw the batches yourself, and the plate is as
# large as the batch? And what if the layers stand outside the plate, and only the observation inside? That is where
# Pyro programs usually have a network's weights, which belong to all rows.

# %% tags=["figure"]
guess(
    "kappa-outside-the-plate",
    "The layers outside, the observation inside a plate that subsamples: what must κ be?",
    ["B/N, as inside the plate", "1", "N/B"],
)

# %% [markdown]
# **The rule:** for each time that the loss counts the log-likelihood of *all $N$ cars*, it should count the KL once. A
# batch of 10 that is counted 4 times stands for all 40 cars. A batch that is counted once stands for a quarter of them,
# so with it only a quarter of the KL belongs.
#
# So we measure two things: how often a loss counts the batch, and, with a `KL_factor` of 1, how often it counts the KL.
# Then $\kappa = \text{count of the batch} \cdot \frac{B}{N} \,/\, \text{count of the KL}$.


# %% tags=["experiment"]
def plate_of_the_batch(network, KL_factor, size=BATCH):
    """The batch is drawn by hand, and the plate is as large as the batch."""
    batch = torch.randperm(NUM_CARS)[:size]
    with pyro.plate("cars", size):
        prediction = sample_layers(network, x_train[batch], KL_factor)
        observe(prediction, y_train[batch])


def all_the_cars(network, KL_factor):
    plate_of_the_batch(network, KL_factor, size=NUM_CARS)


def layers_outside(network, KL_factor):
    """Only the observation stands in the plate. (1 event dimension: the rows of a layer belong together.)"""
    batch = torch.randperm(NUM_CARS)[:BATCH]
    prediction = sample_layers(network, x_train[batch], KL_factor, event_dims=1)
    with pyro.plate("cars", NUM_CARS, subsample=batch):
        observe(prediction, y_train[batch])


def counted(program, size):
    """How often the loss counts the batch's log-likelihood, and, for a KL_factor of 1, the KL."""
    network = fresh_network()
    without_kl, _ = pyro_loss(program, empty_guide, network, 0.0)
    with_kl, _ = pyro_loss(program, empty_guide, network, 1.0)
    torch.manual_seed(3)
    log_likelihood = batch_objective(network, 0.0, size).item()
    return without_kl / -log_likelihood, (with_kl - without_kl) / total_kl(network)


places = {
    "both inside, the plate subsamples": (sample_cars, BATCH),
    "both inside, a plate of the batch": (plate_of_the_batch, BATCH),
    "both inside, a plate of all cars": (all_the_cars, NUM_CARS),
    "layers outside, observation inside": (layers_outside, BATCH),
}
print("                                          the loss counts        so κ must be")
print("layers and observation                 likelihood      KL")
for place, (program, size) in places.items():
    likelihood, kl = counted(program, size)
    kappa = likelihood * size / NUM_CARS / kl
    print(f"{place:36}{likelihood:10.2f}{kl:10.2f}{kappa:16.2f}")

# %% tags=["figure"]
guessed("kappa-outside-the-plate")

# %% tags=["claim"]
kappas = [counted(program, size)[0] * size / NUM_CARS / counted(program, size)[1] for program, size in places.values()]
assert all(abs(kappa - right) < 1e-3 for kappa, right in zip(kappas, [0.25, 0.25, 1.0, 1.0], strict=True))

# %% [markdown]
# - **Inside a plate that subsamples**, everything is multiplied by $N/B$, the KL too: $\kappa = B/N$ undoes it.
# - **In a plate of the batch** nothing is multiplied: again $\kappa = B/N$, and the whole loss is $B/N$ times the one
#   above.
# - **In a plate of all cars**, $B = N$, so $\kappa = 1$.
# - **With the layers outside**, only the likelihood is multiplied. The KL stands alone, once: $\kappa = 1$. With
#   $B/N$ it would count $N/B$ times too little, and nothing would warn you.
#
# **Change this, predict, run.** The layers are outside again. What must κ be when the plate is as large as the batch,
# and no longer says how many cars there are? Guess; then put `BATCH` in the place of `NUM_CARS`.

# %% tags=["experiment"]
PLATE_SIZE = NUM_CARS


def my_program(network, KL_factor):
    batch = torch.randperm(NUM_CARS)[:BATCH]
    prediction = sample_layers(network, x_train[batch], KL_factor, event_dims=1)
    with pyro.plate("cars", PLATE_SIZE, subsample=batch):
        observe(prediction, y_train[batch])


likelihood, kl = counted(my_program, BATCH)
print(f"likelihood {likelihood:.2f}   KL {kl:.2f}   κ must be {likelihood * BATCH / NUM_CARS / kl:.2f}")

# %% [markdown]
# <details><summary>What comes out</summary>
#
# 0.25: now both are counted once, and the likelihood stands for a quarter of the cars. "Outside" alone doesn't decide
# κ. What decides is how often the one is counted for each time that the other is.
#
# </details>

# %% [markdown]
# ## Doing what the warning asks
#
# Pyro's warning seems to ask for layers in the guide, too: the prior's layers in the model (mean 0, scale 1), the
# learned ones in the guide. With an ordinary distribution one does just this, as with the average of ten cars.

# %% tags=["figure"]
guess(
    "kl-in-the-guide",
    "The prior's layers in the model, the learned layers in the guide: how does the loss count the KL?",
    ["As a cost, once", "As a cost, twice", "As a reward", "Not at all"],
)


# %% tags=["experiment"]
prior_network = Network().requires_grad_(False)
for parameter in prior_network.parameters():
    nn.init.zeros_(parameter)  # mean 0, and scale exp(0) = 1: the prior itself


def prior_model(network, KL_factor):
    sample_cars(prior_network, KL_factor)


def same_model(network, KL_factor):
    sample_cars(network, KL_factor)


def guide_with_layers(network, KL_factor):
    pyro.module("network", network)
    with pyro.plate("cars", NUM_CARS, subsample_size=BATCH) as batch:
        sample_layers(network, x_train[batch], KL_factor)


def share_of_kl(model, guide, network):
    """How often the loss counts the KL, and whether Pyro warns."""
    without, _ = pyro_loss(model, guide, network, 0.0)
    with_kl, messages = pyro_loss(model, guide, network, RIGHT_FACTOR)
    return (with_kl - without) / total_kl(network), bool(messages)


arrangements = {
    "model: learned   guide: empty": (model, empty_guide),
    "model: prior's   guide: learned": (prior_model, guide_with_layers),
    "model: learned   guide: learned": (same_model, guide_with_layers),
}
network = fresh_network()
print(f"KL of the prior's layers: {abs(total_kl(prior_network)):.0f}")
print("layers                             the loss counts the KL    Pyro warns")
for name, programs in arrangements.items():
    share, warns = share_of_kl(*programs, network)
    print(f"{name:31}{round(share, 2) + 0.0:+19.2f}{'yes' if warns else 'no':>17}")

# %% tags=["figure"]
guessed("kl-in-the-guide")

# %% tags=["claim"]
shares = [share_of_kl(*programs, network)[0] for programs in arrangements.values()]
assert all(abs(share - right) < 1e-3 for share, right in zip(shares, [1, -1, 0], strict=True))

# %% [markdown]
# SVI keeps two ledgers, the model's and the guide's, and takes the one from the other (the loss under "What Pyro asks
# of a distribution"). With the average of ten cars, the model's ledger held the log-prior of what was drawn, the
# guide's its log density under the learned Gaussian, and the difference estimated the KL. But a `HiddenLayer` has the
# *whole* KL in its own log_prob, as −KL. In the model's ledger this becomes a cost. In the guide's it counts the other
# way round, **a reward**, and the prior's layers, with a KL of 0, put nothing against it. In both ledgers it cancels.
#
# Only the first arrangement is right, and it is the only one that Pyro warns of. So: **`HiddenLayer` belongs in the
# model alone, and the guide is empty.**
#
# A reward for the KL draws the network away from its prior, as far as it can get. Watch.

# %% tags=["experiment"]
trapped, history_trap = train_in_pyro("in the trap", prior_model, guide_with_layers)
histories = {
    "learned in the model alone": history_model,
    "prior's in the model, learned in the guide": history_trap,
}
for name, history in histories.items():
    last, before = history[-50:, 0].mean(), history[-150:-100, 0].mean()
    print(f"{name}: average loss {last:.0f} (100 steps earlier {before:.0f}), log scale {history[-1, 1]:.2f}")
print(f"In the trap the KL has grown to {total_kl(trapped):.0f}.")

# %% tags=["figure"]
EVERY = 10
smoothed = {name: history.reshape(-1, EVERY, 2).mean(dim=1) for name, history in histories.items()}
show(
    figures.trap(
        {name: history[:, 0] for name, history in smoothed.items()},
        {name: history[:, 1] for name, history in smoothed.items()},
        every=EVERY,
    ),
    alt="Two panels over 300 training steps. With the learned layers in the model alone, the loss falls ever more"
    " slowly, above zero, and the average log scale rises from −3 to about −1. With the prior's layers in the model and"
    " the learned ones in the guide, the loss falls below zero without end, and the average log scale falls in a"
    " straight line.",
    caption=f"Each point is the average over {EVERY} steps.",
)

# %% tags=["claim"]
right_loss, trap_loss = history_model[:, 0], history_trap[:, 0]
assert trap_loss[-50:].mean() < trap_loss[-150:-100].mean() - 50 < -50
assert right_loss[-50:].mean() > 0
assert history_trap[-1, 1] < -5 < -2 < history_model[-1, 1]

# %% [markdown]
# The trapped run looks like a great success: its loss falls and falls, and the weights become certain without end,
# because certainty is now paid for. But minus this loss is no lower bound of anything. With the noise fixed, the
# density of a target has a greatest value, so the evidence has one, and a true ELBO can't exceed its logarithm. So **a
# loss that goes to minus infinity is a mistake**, never a success.

# %% [markdown]
# ## A draw for each row, or a draw of a function
#
# Back to the two ways to draw, now with the network that you trained by hand. One and the same network, the same 96
# inputs, the same parameters; only `weight_space_sampling` differs.

# %% tags=["figure"]
guess(
    "both-ends-of-a-function",
    "In weight space, a draw lies above the average for the weakest cars. Where does it lie for the strongest?",
    ["Mostly above", "Mostly below", "Either: they have nothing to do with each other"],
)


# %% tags=["experiment"]
def draw_functions(network, horsepower, num_draws=300, weight_space_sampling=True):
    """Draws of the prediction, in miles per gallon: (num_draws, number of horsepowers)."""
    x, draws = inputs(horsepower), []
    with torch.no_grad():
        for _ in range(num_draws):
            hidden = network.first(x, weight_space_sampling=weight_space_sampling).rsample()
            prediction = network.second(hidden, weight_space_sampling=weight_space_sampling).rsample()
            draws.append(scale_y.undo(prediction)[:, 0])
    return torch.stack(draws)


torch.manual_seed(7)
ways = {
    "row by row (local reparameterization)": draw_functions(by_hand, grid, 1000, weight_space_sampling=False),
    "in weight space": draw_functions(by_hand, grid, 1000, weight_space_sampling=True),
}
local, shared = ways.values()
comparisons = {
    "row by row, and in weight space": (local, shared),
    "twice in weight space: chance": (draw_functions(by_hand, grid, 1000), shared),
}


def difference(first, second):
    """How far the means are apart [mpg], on average over the grid, and the ratios of the standard deviations."""
    return (first.mean(dim=0) - second.mean(dim=0)).abs().mean().item(), first.std(dim=0) / second.std(dim=0)


print(f"{'':38}means apart    ratios of the standard deviations")
for name, pair in comparisons.items():
    distance, ratio = difference(*pair)
    print(f"{name:38}{distance:7.2f} mpg{ratio.min():18.2f} to {ratio.max():.2f}")


def correlation(draws, first_power, second_power):
    columns = [(grid - power).abs().argmin() for power in (first_power, second_power)]
    return torch.corrcoef(draws[:, columns].T)[0, 1].item()


print("\ncorrelation of the predictions at      80 and 90 hp    60 and 200 hp")
for name, draws in ways.items():
    print(f"{name:38}{correlation(draws, 80, 90):9.2f}{correlation(draws, 60, 200):17.2f}")

# %% tags=["figure"]
show(
    figures.sampling_modes(train_cars, LIMIT, grid, ways),
    alt="Top: drawn row by row, three draws over horsepower are jagged noise within the band, and the picture of"
    " correlations is blank but for its diagonal. Bottom: drawn in weight space, three draws are smooth functions in a"
    " band of the same width. Their correlations are near 1 among all strong cars, positive among similar cars,"
    " and negative between the weakest cars and the strong ones.",
    caption="Left: three draws, the mean in black, and the band of ±2 standard deviations. Right: how the draws at two"
    " horsepowers go together. Dotted: 110 hp, where the training cars end.",
)
guessed("both-ends-of-a-function")

# %% tags=["claim"]
five_starts = [by_hand] + [train_by_hand(f"start {start}", steps=500, start=start) for start in (11, 21, 31, 41)]
for network in five_starts:
    local_draws, weight_draws = (draw_functions(network, grid, 300, weight_space_sampling=way) for way in (False, True))
    distance, ratio = difference(local_draws, weight_draws)
    assert distance < 0.6
    assert 0.8 < ratio.min() < ratio.max() < 1.25
    assert correlation(weight_draws, 80, 90) > 0.5
    assert abs(correlation(local_draws, 80, 90)) < 0.25
    assert correlation(weight_draws, 60, 200) < -0.4

# %% [markdown]
# Every single row has the same distribution in both, the same mean and the same spread: what the first line of the
# table shows is chance, as is the second line, of two sets of draws made alike. (A whole drawn function is too high or
# too low along wide stretches, so such averages vary from set to set.) What differs is how rows go together. In weight
# space, cars of nearly the same power get nearly the same prediction, because one function made both. Row by row they
# have nothing to do with each other: a jagged line.
#
# - **To train**, and to predict single rows with their uncertainty, draw row by row: the ELBO needs no more,
#   and its gradients are steadier (lesson 05).
# - **To draw functions**, or for any question about several rows *together* (is this car thriftier than that
#   one?), draw in weight space.
#
# **Why the corners of the last picture are of the other colour.** A draw that lies above the mean at the weak end
# mostly lies below it at the strong end. The tanh does this: it is an S, below 0 on one side and above 0 on the other,
# and a unit adds its output times *one* drawn weight on both sides. Whatever lifts one end presses the other down: a
# seesaw. Its pivot is where slope times $x$ plus bias is 0, mostly near $x = 0$, and *we* have put $x = 0$ among the
# training cars, when we standardised. If this is all, `prior_network`, which never saw a car, has the same corners.

# %% tags=["experiment"]
ends = torch.tensor([60.0, 110.0, 230.0])
everything = torch.arange(HIDDEN + 1)  # the last one is the bias unit


def parts_of_prediction(network, units):
    """What these hidden units add to the prediction [mpg], drawn in weight space: (draws, ends)."""
    hidden = network.first(inputs(ends), weight_space_sampling=True).rsample((2000,))[..., units]
    mean, scale = network.second_mean[units], network.second_log_scale[units].exp()
    return scale_y.std * (hidden @ (mean + scale * torch.randn(2000, len(units), 1)))[..., 0]


def silent_and_other_units(network):
    """Silent, as in lesson 03: the mean of the outgoing weight is smaller than its scale."""
    signal = (network.second_mean.abs() / network.second_log_scale.exp())[:, 0]
    signal[-1] = torch.inf  # whatever the bias unit does
    return everything[signal < 1], everything[signal >= 1]


torch.manual_seed(9)
print(f"x = 0 is at {scale_x.undo(torch.zeros(1)).item():.0f} hp")
print(f"{'':35}correlation        std [mpg] at")
print(f"{'':35}60 and 230 hp   60    110    230 hp")
with torch.no_grad():
    silent, others = silent_and_other_units(by_hand)
    for name, network, units in [
        ("the prior's network", prior_network, everything),
        ("the trained network", by_hand, everything),
        (f"  its {len(silent)} silent units alone", by_hand, silent),
        ("  the others and the bias unit", by_hand, others),
    ]:
        part = parts_of_prediction(network, units)
        stds = "".join(f"{std:7.1f}" for std in part.std(dim=0))
        print(f"{name:35}{torch.corrcoef(part.T)[0, -1]:10.2f}{stds}")

# %% tags=["claim"]
with torch.no_grad():
    assert torch.corrcoef(parts_of_prediction(prior_network, everything).T)[0, -1] < -0.4
    for network in five_starts:
        found, rest = silent_and_other_units(network)
        assert len(found) >= HIDDEN - 2
        signals = (network.second_mean.abs() / network.second_log_scale.exp())[rest[:-1]].flatten().sort().values
        assert signals[-1] > 5
        assert (signals[:-1] < 1.5).all()
        whole, silent_part, other_part = (parts_of_prediction(network, units) for units in (everything, found, rest))
        assert torch.corrcoef(whole.T)[0, -1] < -0.4
        assert (silent_part.std(dim=0) > 0.8 * whole.std(dim=0)).all()
        assert (other_part.std(dim=0) < 0.6 * whole.std(dim=0)).all()
        assert whole[:, -1].std() < 1.4 * whole[:, 1].std()
        assert network.second_log_scale[found].exp().mean() < 0.25

# %% [markdown]
# It has: what looks as if it were learned is **the prior showing through**. (The correlation isn't −1, because in some
# draws a unit has its pivot elsewhere, and lifts or presses both ends.)
#
# And nearly all units are **silent**, as [lesson 03](03_bayesian_linear.ipynb) calls it: the mean of the outgoing
# weight is smaller than its scale. One unit does the work, and at most one more has a mean just above its scale. This
# is over-pruning again [5]: forty cars on a gentle curve aren't worth the KL of a second S. But silent units aren't
# quiet: the band *is* their noise. A tanh, unlike a ReLU, has no "off" side, so training could only make their outgoing
# weights narrow. And since a tanh levels off, the noise grows little beyond 110 hp.
#
# **Change this, predict, run.** If the silent units are the band, how wide is it with 80 hidden units, and with 5?

# %% tags=["experiment"]
hidden_units = 20

network = train_by_hand(f"{hidden_units} hidden units", hidden=hidden_units)
stds = draw_functions(network, ends).std(dim=0)
print(", ".join(f"{std:.1f} mpg at {power:.0f} hp" for std, power in zip(stds, ends, strict=True)))

# %% tags=["claim"]
for count, low, high in [(5, 0.3, 0.7), (80, 1.5, 2.6)]:
    other = train_by_hand(f"{count} hidden units", steps=500, hidden=count)
    assert low < draw_functions(other, ends).std(dim=0)[-1] / stds[-1] < high

# %% [markdown]
# <details><summary>What comes out</summary>
#
# About twice as wide with 80, and half as wide with 5: silent units add independent noise, so the band grows with the
# square root of their number. How sure the network is of cars that it never saw, *we* chose with `HIDDEN`.
#
# </details>

# %% [markdown]
# ## How strong the KL should be
#
# `KL_factor` looks like a knob to be tuned. For the posterior it isn't: trained by hand, as here, the mathematics says
# $B/N$. (Lesson 07 has a network that predicts better with less, and says what to think of it.) Here is what happens
# when it is left at 0, and when it is ten times too large. (So it would be if you left it at 1, its default, with
# batches of a tenth of the data.)

# %% tags=["figure"]
guess(
    "factor-on-strong-cars",
    "Whose band of ±2 std will hold the fewest of the unseen strong cars?",
    ["KL_factor 0", "KL_factor B/N", "KL_factor 10 B/N"],
)

# %% tags=["experiment"]
no_kl = train_by_hand("KL_factor 0", KL_factor=0.0)
too_strong = train_by_hand("KL_factor × 10", KL_factor=10 * RIGHT_FACTOR)
factors = {f"{RIGHT_FACTOR} = B/N": by_hand, "0": no_kl, f"{10 * RIGHT_FACTOR} = 10 B/N": too_strong}


def judge(network, unseen):
    """Root mean square error of the mean [mpg], the std of a car [mpg], the share of cars within two of them,
    the mean log density [per mpg], and the share of cars below the mean."""
    draws = draw_functions(network, unseen.column("horsepower"))
    error = unseen.y - draws.mean(dim=0)
    std = (draws.var(dim=0) + noise_mpg**2).sqrt()
    inside = (error.abs() < 2 * std).float().mean().item()
    log_density = gaussian_log_prob(unseen.y, draws, noise_mpg).exp().mean(dim=0).log().mean().item()
    below = (error < 0).float().mean().item()
    return error.square().mean().sqrt().item(), std.mean().item(), inside, log_density, below


torch.manual_seed(8)
judged = {}
for kind, unseen in [("weak", test_cars), ("strong", strong_cars)]:
    print(f"unseen {kind} cars RMS error      std    in band  log-likelihood  below mean    KL")
    for factor, network in factors.items():
        judged[kind, factor] = error, std, inside, likelihood, below = judge(network, unseen)
        print(f"  KL_factor {factor:12}{error:5.1f}{std:9.1f}{inside:10.0%}", end="")
        print(f"{likelihood:14.2f}{below:13.0%}{total_kl(network):8.0f}")

# %% tags=["figure"]
torch.manual_seed(8)
show(
    figures.judged_functions(
        train_cars,
        (test_cars, strong_cars),
        LIMIT,
        grid,
        {f"KL_factor {factor}": draw_functions(network, grid) for factor, network in factors.items()},
        noise_mpg,
    ),
    alt="Three panels of fuel economy against horsepower with drawn functions, their mean and a band. With the right"
    " factor the functions differ and the band holds most cars. With 0 they lie on each other, and most strong cars lie"
    " outside the band. With ten times too much they fan out far wider than the cars, and the mean is nearly flat.",
    caption="Black: the 40 training cars. Grey: cars never seen. Thin blue: drawn functions. Red: their average."
    " Darker band: ±2 standard deviations of the function. Pale band: the same with the cars' own noise."
    " Dotted: 110 hp, where the training cars end.",
)
guessed("factor-on-strong-cars")

# %% tags=["claim"]
right, none, strong = factors
assert all(judged[kind, right][3] > judged[kind, other][3] for kind in ("weak", "strong") for other in (none, strong))
assert judged["strong", none][2] + 0.1 < judged["strong", right][2]
assert judged["strong", right][2] > 0.9
assert judged["strong", right][4] > 0.8
assert judged["weak", strong][0] > judged["weak", right][0]
assert all(judged[kind, strong][2] > 0.97 for kind in ("weak", "strong"))
assert total_kl(too_strong) < 0.5 * total_kl(by_hand)
for start, network in zip((11, 21, 31, 41), five_starts[1:], strict=True):
    sure = train_by_hand(f"KL_factor 0, start {start}", KL_factor=0.0, steps=500, start=start)
    for unseen in (test_cars, strong_cars):
        *_, sure_inside, sure_likelihood, _ = judge(sure, unseen)
        *_, inside, likelihood, _ = judge(network, unseen)
        assert sure_likelihood < likelihood
    assert inside > 0.93
    assert sure_inside < 0.82

# %% [markdown]
# - **$B/N$:** the log-likelihood is the best on both kinds of cars.
# - **Factor 0:** the functions lie almost on one another: the std of a car is hardly more than its own noise, 4.0. The
#   network is sure about strong cars, of which it saw none, and its band holds far fewer of them than the 95 % that ±2
#   std of a Gaussian promise.
# - **Ten times too much:** the weights stay near the prior, with a third of the KL or so. The band holds everything,
#   because it is so wide. A model that says "anything is possible" is never wrong, and never of use.
#
# **How can the error on strong cars be so large with $B/N$, and yet nearly all of them be inside?** Nearly all lie on
# *one side* of the average (the column "below mean"), with any of the factors: no network is right about them. But with
# $B/N$ the std is about as large as the RMS error, and the band reaches twice as far. "Nearly all inside" says that a
# band is wide enough. It doesn't say that its middle is right.

# %% [markdown]
# ## What goes wrong in practice
#
# **1. A row of zeros.** Its variance is 0, where the square root has no gradient
# ([lesson 05](05_local_reparameterization.ipynb)); one NaN spoils all weights for good. Let us ask Pyro's `HiddenLayer`
# and yours.

# %% tags=["experiment"]
for owner, layer_class in [(f"Pyro {pyro.__version__}", PyrosHiddenLayer), ("yours", HiddenLayer)]:
    A_scale = torch.full((3, 5), 0.3, requires_grad=True)
    X = torch.tensor([[0.5, -1.0, 2.0], [0.0, 0.0, 0.0]])
    layer_class(X=X, A_mean=torch.zeros(3, 5), A_scale=A_scale).rsample().sum().backward()
    broken = A_scale.grad.isnan().sum().item()
    print(f"{owner:12}{broken:3} of {A_scale.numel()} gradients of A_scale are NaN")

# %% [markdown]
# **2. Training `A_scale` itself.** A gradient step may carry it below 0. Drawing doesn't mind, because noise is as
# likely to be below 0 as above; but the KL takes its logarithm and turns into NaN. Train the logarithm, or, in
# Pyro, declare the parameter with a positive constraint.
#
# **3. An average in one part of the loss.** `KL_factor = B/N` fits a log-likelihood that is *summed* over the batch.
# With the average in its place, the KL is $B$ times too strong. Before you train for hours, measure how often your loss
# counts the KL, as above: compute it twice with the same random numbers, at `KL_factor` 0 and 1.

# %% [markdown]
# ## Questions to think about
#
# **1.** The second layer gets the *drawn* output of the first as its `X`, and draws row by row as well. Is the
# distribution of a single row's prediction still exactly the one that drawn weights would give?
#
# <details><summary>Answer</summary>
#
# Yes. For one row, the first layer's activations have exactly the distribution that drawn weights give: every
# unit has weights of its own, so a row's units are independent in both. Given these activations, the same
# argument holds for the second layer. The experiment above measured it. For two rows together it is wrong in
# every layer.
#
# </details>
#
# **2.** Somebody divides the *whole* loss by the batch size: log-likelihood and KL. Somebody else divides only
# the log-likelihood. Who has changed what is learned?
#
# <details><summary>Answer</summary>
#
# Only the second. A factor on the whole loss moves no optimum; it changes the size of gradients, to which Adam
# hardly reacts. A factor on one part changes the balance: the KL is then $B$ times too strong, as in the last
# panel above.
#
# </details>

# %% [markdown]
# ## Where this comes from
#
# 1. D. P. Kingma, T. Salimans, M. Welling: *Variational Dropout and the Local Reparameterization Trick*,
#    NeurIPS 2015. Section 2, equations 1 and 2: the ELBO. Section 2.1, equation 3: its estimate from a
#    mini-batch. Section 2.3, equation 6: the Gaussian from which pre-activations are drawn, row by row.
# 2. C. Blundell, J. Cornebise, K. Kavukcuoglu, D. Wierstra: *Weight Uncertainty in Neural Networks*, ICML 2015.
#    Section 3.4: mini-batches, and how much of the KL each of them pays for.
# 3. E. Bingham, J. P. Chen, M. Jankowiak, F. Obermeyer, N. Pradhan, T. Karaletsos, R. Singh, P. Szerlip, P.
#    Horsfall, N. D. Goodman: *Pyro: Deep Universal Probabilistic Programming*, Journal of Machine Learning
#    Research 20(28), 2019, pages 1 to 6. The layer itself is `pyro.contrib.bnn.HiddenLayer`.
# 4. J. R. Quinlan: *Combining Instance-Based and Model-Based Learning*, ICML 1993. The cars: Auto MPG, UCI
#    Machine Learning Repository, CC BY 4.0, as it ships in mlxtend.
# 5. B. Trippe, R. Turner: *Overpruning in Variational Bayesian Neural Networks*, 2018, arXiv:1801.06230.
#
# **Next:** [lesson 07](07_knowing_what_it_does_not_know.ipynb) gives a trained network digits that it has never seen
# the like of, and asks whether it notices.

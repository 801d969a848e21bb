# %% [markdown]
# # 06 · A layer that is a distribution
#
# With local reparameterization a layer draws its outputs, and no weight is ever drawn. How does this become a
# *distribution* that inference, by hand or in a library, can use like any other?
#
# **Time:** about 60 minutes. **Difficulty:** ●●●●○. You write three methods of one class, about ten lines in
# all.
#
# **You need:** a training loop in PyTorch. Three ideas come from earlier lessons: the KL divergence (lesson
# 02), a layer with Gaussian weights (lesson 03), and drawing pre-activations in place of weights (lesson 05).
# Each is explained again where it is used, and `bnn_core` has the code. You don't have to have solved those
# lessons.

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
from bnn_core.figures import bayesian_linear as function_figures
from bnn_core.figures import hidden_layer as figures
from bnn_core.figures import show

_ = torch.manual_seed(0)

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
# Move the second row. Before you do, guess:
#
# - The second row has the same $x$ as the first. What does each of the two pictures of dots look like?
# - Can you make the dots in the middle lean the other way?
# - Is there a place for the second row at which the two pictures look alike?

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

# %% [markdown]
# Look at the numbers in the panels. The two standard deviations agree, whichever way you draw; only the
# correlation differs. Two equal rows make it plain: in weight space they get the same answer, and row by row
# they get two different ones, as if each row had a layer of its own.
#
# The bias, whose scale is 0.5 here, is the same in both rows, and pulls them together; the slope pulls them apart
# where one $x$ is negative. The two just balance where $0.8^2 \cdot x + 0.5^2 = 0$, at $x \approx -0.4$: there the
# correlation is 0, and the two pictures look alike.
#
# So a draw made row by row is right for every row, and yet it is no draw of *a* function. For training by hand
# that is no trouble: we subtract the KL divergence between the weights' distribution and the prior, as before. But
# a library for inference builds its loss from one question, put to everything that was drawn: *how probable is
# the value that you drew?* Here the weights weren't drawn, and the values that were drawn aren't weights.

# %% [markdown]
# ## The idea: draw activations, charge for weights
#
# To an inference library a distribution is an object that can do two things: draw a value (`rsample`) and say
# how much that value adds to the logarithm of the probability (`log_prob`). `HiddenLayer` is such an object.
#
# 1. **`rsample` draws the layer's output**: the pre-activations, by local reparameterization; then the
#    non-linearity; then, if wanted, a column of ones at the end, which gives the *next* layer its bias.
# 2. **`log_prob` returns what the weights cost**: minus their KL divergence from the prior, times a factor. It
#    ignores the value that it is asked about.
#
# The second is a trick of bookkeeping. It isn't the log density of the activations. It is the entry that is
# missing in the sum: whoever adds up the log_probs of everything in the model gets the right loss, without
# knowing that there are weights inside.
#
# The distribution has a switch, `weight_space_sampling`, that draws the weights after all. For training it is
# the worse choice. But it draws functions, and we need it for pictures.

# %% [markdown]
# ## The mathematics
#
# **Symbols.** $B$ rows in the batch, $N$ examples in the data set, $D$ inputs, $H$ units.
#
# | Symbol | In code | Shape | What it is |
# |---|---|---|---|
# | $X$ | `X` | $(B, D)$ | the inputs of the layer, one row per example |
# | $A$ | | $(D, H)$ | the layer's weights; inputs first, so that the pre-activations are $X A$ |
# | $M$ | `A_mean` | $(D, H)$ | their means |
# | $S$ | `A_scale` | $(D, H)$ | their standard deviations, all above 0 (not their logarithms) |
# | $f$ | `non_linearity` | | applied to each pre-activation |
# | $\pi$ | `A_prior_scale` | $()$, or broadcasts to $(D, H)$ | standard deviation of the prior $\mathcal N(0, \pi^2)$ |
# | $\kappa$ | `KL_factor` | a number | how much of the KL this batch pays for: $B/N$ |
# | $E$ | | $(B, H)$, or $(D, H)$ in weight space | noise: independent draws from $\mathcal N(0, 1)$ |
# | $Z$ | | $(B, H)$ | the pre-activations |
#
# (In Kingma, Salimans and Welling [1] the letter $A$ is the *inputs*. Here it is the weights. And $\pi$ is only a
# letter here, not 3.14.)
#
# **Drawing the pre-activations, row by row.** $X A$ is a sum of independent Gaussians, so each of its elements
# is Gaussian. With squares and root taken element by element,
#
# $$Z = X M + \sqrt{X^2 S^2} \odot E, \qquad E \text{ of shape } (B, H).$$
#
# **Drawing them in weight space.** One draw of the weights serves all rows:
#
# $$A = M + S \odot E, \qquad Z = X A, \qquad E \text{ of shape } (D, H).$$
#
# Element by element, both have the same mean and the same variance. Several samples at once, for a
# `sample_shape` of $(s_1, s_2, \dots)$, put these numbers in front of all shapes, with noise of its own for
# each sample.
#
# **The output** is $f(Z)$, of shape $(B, H)$. With the bias unit it is $[\,f(Z),\, 1\,]$, of shape
# $(B, H + 1)$. The next layer's weights then have $H + 1$ rows, and the last of them is its bias:
# $[\,f(Z),\, 1\,]\,A' = f(Z)\,A'_{\text{first } H \text{ rows}} + A'_{\text{last row}}$, where $A'$ are those weights.
#
# **The KL divergence** to the prior, summed over all weights:
#
# $$\mathrm{KL} = \sum_{d=1}^{D} \sum_{h=1}^{H}
# \left[\, \frac{M_{dh}^2 + S_{dh}^2}{2 \pi^2} - \frac12 - \log \frac{S_{dh}}{\pi} \,\right]$$
#
# **Why `log_prob` is $-\kappa\,\mathrm{KL}$.** Variational inference maximises the *evidence lower bound*, the
# ELBO ($t_n$ are the targets, $x_n$ the inputs, $A$ the weights of all layers, and $\mathbb E$ the average over their
# draws):
#
# $$\mathrm{ELBO} = \sum_{n=1}^{N} \mathbb E\left[\log p(t_n \mid x_n, A)\right] - \mathrm{KL}.$$
#
# A batch holds $B$ of the $N$ terms. With $\kappa = B/N$, its log-likelihood plus the layer's log_prob is
#
# $$\sum_{n \in \text{batch}} \log p(t_n \mid x_n, A) \;-\; \frac{B}{N}\,\mathrm{KL},$$
#
# which on average over batches and draws is $B/N$ times the ELBO. All $N/B$ batches of a pass over the data
# together pay for the KL once.
#
# Each term of the sum holds *one* row. So its average depends on the distribution of that row's output alone,
# and not on how rows go together. This is why row-by-row draws may be used here, though they are no draws of a
# function.

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
#   B × H;
# - `gaussian_kl(mean, log_std, prior_std)` is the closed form, summed. It takes the *logarithm* of the standard
#   deviation.
#
# If you write the square root yourself, mind an input row that is all zeros: its variance is 0, and there the
# slope of the square root is infinite. Keep the variance a little above 0, with `.clamp_min(1e-12)`.
#
# Draws, KL and log_prob have the dtype of the tensors that the layer is given, float64 too.


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

# %% [markdown]
# The two log_probs agree, and they should: nobody asks this distribution how likely an activation is.

# %% [markdown]
# ## A network made of two of them
#
# The problem is that of lesson 03: predict a car's fuel economy, in miles per gallon, from the power of its
# engine. We train on 40 cars of at most 110 horsepower. The network is fitted neither to the other weak cars nor to
# any strong one.
#
# The bias unit of a layer gives a bias to the *next* layer. Nobody gives one to the first layer, so its inputs
# bring a column of ones themselves. All cars of the same power get the same input, so how much they differ
# among themselves is noise. We measure it on all cars, those for testing among them, and take it as known.

# %% tags=["experiment"]
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
    """The parameters of a network 1 → 20 → 1, and its two layers as distributions."""

    def __init__(self):
        super().__init__()
        self.first_mean = nn.Parameter(0.5 * torch.randn(2, HIDDEN))
        self.first_log_scale = nn.Parameter(torch.full((2, HIDDEN), -3.0))
        self.second_mean = nn.Parameter(0.5 * torch.randn(HIDDEN + 1, 1))
        self.second_log_scale = nn.Parameter(torch.full((HIDDEN + 1, 1), -3.0))

    def first(self, x, KL_factor=1.0, weight_space_sampling=False):
        """The layer from inputs (B, 2) to hidden units and a bias unit, (B, 21)."""
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


def fresh_network():
    torch.manual_seed(1)
    return Network()


def log_scales(network):
    """The log scale of every weight, in one row."""
    return torch.cat([network.first_log_scale.detach().flatten(), network.second_log_scale.detach().flatten()])


def total_kl(network):
    """The KL divergence of both layers: minus their log_prob, for a KL_factor of 1."""
    first = network.first(x_train)
    hidden = first.rsample()
    second = network.second(hidden)
    return -(first.log_prob(hidden) + second.log_prob(second.rsample())).item()


# %% [markdown]
# **Training by hand.** Each step draws 10 of the 40 cars, draws the hidden units and the predictions, and adds
# up three numbers: the log-likelihood of the batch and the log_probs of the two layers. `KL_factor` is batch
# size over data-set size. The loss is minus the sum.

# %% tags=["experiment"]
STEPS, BATCH = 1500, 10
NUM_CARS = len(train_cars)
RIGHT_FACTOR = BATCH / NUM_CARS


def batch_objective(network, KL_factor):
    """Log-likelihood of a random batch + the layers' log_prob: an estimate of BATCH / NUM_CARS times the ELBO."""
    batch = torch.randperm(NUM_CARS)[:BATCH]
    first = network.first(x_train[batch], KL_factor)
    hidden = first.rsample()
    second = network.second(hidden, KL_factor)
    prediction = second.rsample()
    log_likelihood = gaussian_log_prob(y_train[batch], prediction, noise_std).sum()
    return log_likelihood + first.log_prob(hidden) + second.log_prob(prediction)


def train_by_hand(label, KL_factor=RIGHT_FACTOR, seed=2):
    network = fresh_network()
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in tqdm(range(STEPS), desc=label, file=sys.stdout, mininterval=0.5):
        loss = -batch_objective(network, KL_factor)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


by_hand = train_by_hand("by hand")

# %% [markdown]
# ## The same model in Pyro
#
# Pyro [3] is a library for probabilistic programming on PyTorch. Its *stochastic variational inference*, `SVI`,
# takes two functions. The **model** says how data come about; each `pyro.sample(name, distribution)` in it is a
# random choice, or an observation. The **guide** says from what distribution unobserved choices are drawn in the
# model's place; a choice that the guide doesn't mention is drawn by the model itself, with gradients through its
# `rsample`. In each step SVI runs both and takes
#
# $$\text{loss} = -\sum_{\text{model}} \texttt{log\_prob} + \sum_{\text{guide}} \texttt{log\_prob}$$
#
# Usually the model holds the prior, the guide holds the learned distribution, and the difference of the two
# sums is an estimate of the KL. But `HiddenLayer` has the *whole* KL in its own log_prob, with the minus sign
# that the model's sum needs. So **it belongs in the model, and the guide is empty**.
#
# A `pyro.plate` says that rows are independent. Asked for `subsample_size=10` of 40 cars, it draws the batch
# itself, and multiplies every log_prob inside by $N/B = 4$. With $\kappa = B/N$ this leaves exactly one KL:
#
# $$\frac{N}{B} \left[\, \sum_{n \in \text{batch}} \log p(t_n \mid x_n, A) - \frac{B}{N}\,\mathrm{KL} \,\right]
# = \frac{N}{B} \sum_{n \in \text{batch}} \log p(t_n \mid x_n, A) - \mathrm{KL}.$$
#
# A plate wants one log_prob per row, and your layer has one for all of them. The wrapper below, ready-made,
# gives each row an equal share. Nothing else is needed; the drawing and the KL are yours.


# %% tags=["experiment"]
class InPlate(pyro.distributions.TorchDistribution):
    """A layer as Pyro's plate wants it: each of its rows carries an equal share of its log_prob."""

    has_rsample = True
    arg_constraints = {}

    def __init__(self, layer, rows, units):
        self.layer = layer
        super().__init__(batch_shape=torch.Size([rows]), event_shape=torch.Size([units]))

    def rsample(self, sample_shape=()):
        return self.layer.rsample(sample_shape)

    def log_prob(self, value):
        rows = self.batch_shape[0]
        return (self.layer.log_prob(value) / rows).expand(rows)

    def expand(self, batch_shape, _instance=None):  # the plate calls this; _instance is PyTorch's affair
        return self  # it already has as many rows as the plate


def sample_layers(network, x, KL_factor):
    """Draw the prediction for x, (B, 1), telling Pyro of both layers."""
    hidden = pyro.sample("hidden", InPlate(network.first(x, KL_factor), len(x), HIDDEN + 1))
    return pyro.sample("prediction", InPlate(network.second(hidden, KL_factor), len(x), 1))


def sample_cars(network, KL_factor):
    """How the fuel economy of a batch of cars comes about."""
    with pyro.plate("cars", NUM_CARS, subsample_size=BATCH) as batch:  # the numbers of 10 cars
        prediction = sample_layers(network, x_train[batch], KL_factor)
        economy = pyro.distributions.Normal(prediction, noise_std).to_event(1)  # one observation per row of (B, 1)
        pyro.sample("economy", economy, obs=y_train[batch])


def model(network, KL_factor):
    pyro.module("network", network)  # these parameters are to be trained
    sample_cars(network, KL_factor)


def empty_guide(network, KL_factor):
    """Nothing: what the layers learn and what they cost is all in the model."""


# %% [markdown]
# Before we train, compare a single loss. With the same seed, both draw the same batch and the same noise.


# %% tags=["experiment"]
def pyro_loss(model, guide, network, KL_factor):
    """One loss of Pyro's, always with the same random numbers; and what Pyro warns of."""
    pyro.clear_param_store()  # Pyro remembers parameters by name, also those of an earlier network
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
# be a mistake. For this one it is what we want, so we switch off this one warning. (Doing what it seems to ask
# for is the trap of the next section.)

# %% tags=["experiment"]
warnings.filterwarnings("ignore", message="Found vars in model but not guide")


def train_in_pyro(label, model, guide, steps=STEPS):
    """Returns the network, and in each step the loss and the average log scale: (steps, 2)."""
    pyro.clear_param_store()
    network = fresh_network()
    torch.manual_seed(4)
    inference = SVI(model, guide, pyro.optim.Adam({"lr": 0.01}), Trace_ELBO())
    history = []
    for _ in tqdm(range(steps), desc=label, file=sys.stdout, mininterval=0.5):
        loss = inference.step(network, RIGHT_FACTOR)
        history.append((loss, log_scales(network).mean().item()))
    return network, torch.tensor(history)


in_pyro, history_model = train_in_pyro("in Pyro", model, empty_guide)

# %% [markdown]
# Do the two reach the same fit? They start from the same values, then go their own ways, with other batches and
# other noise. So they can't agree in the last digit; as a yardstick we train once more by hand, with another
# seed.
#
# To see the learned *function*, we draw in weight space: one draw of the weights, read at all horsepowers.


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


def scales_by_layer(network):
    """The log scales of each layer's weights."""
    first, second = network.first_log_scale.detach(), network.second_log_scale.detach()
    return {"first layer": first.flatten(), "second layer": second.flatten()}


def units_in_use(network):
    """How many hidden units have an output weight that is more than two of its scales away from 0."""
    mean, scale = network.second_mean.detach()[:HIDDEN], network.second_log_scale.detach()[:HIDDEN].exp()
    return int((mean.abs() > 2 * scale).sum())


by_hand_again = train_by_hand("by hand, again", seed=5)
torch.manual_seed(6)
networks = {"by hand": by_hand, "in Pyro": in_pyro, "by hand, again": by_hand_again}
functions = {name: draw_functions(network, grid) for name, network in networks.items()}

show(
    figures.same_fit(
        train_cars,
        LIMIT,
        grid,
        {name: functions[name] for name in ("by hand", "in Pyro")},
        {name: scales_by_layer(networks[name]) for name in ("by hand", "in Pyro")},
    ),
    alt="Left: fuel economy against horsepower. The mean and the band of the network trained by hand, and those of the"
    " network trained in Pyro, lie on each other. Right: the log scale of every weight, by hand against in Pyro; the"
    " points lie along the diagonal, in two groups: most of the first layer's near 0, the second layer's near −2.",
    caption="Black: the 40 training cars.",
)

columns = [(grid - power).abs().argmin() for power in (60, 90, 110, 200)]
print("The function, mean ± standard deviation [mpg], the KL, and how many of the 20 hidden units are in use")
print(" " * 16 + "".join(f"{grid[column]:>11.0f} hp" for column in columns) + "      KL   units")
for name, draws in functions.items():
    cells = "".join(f"{draws[:, column].mean():8.1f} ± {draws[:, column].std():.1f}" for column in columns)
    print(f"{name:16}{cells}{total_kl(networks[name]):8.1f}{units_in_use(networks[name]):8}")
print(f"On average over the horsepowers, and in the log scales of all {len(log_scales(by_hand))} weights")
for name in ("in Pyro", "by hand, again"):
    correlation = torch.corrcoef(torch.stack([log_scales(by_hand), log_scales(networks[name])]))[0, 1]
    apart = (functions[name].mean(dim=0) - functions["by hand"].mean(dim=0)).abs().mean()
    print(f"  'by hand' against '{name}': means {apart:.2f} mpg apart, log scales with correlation {correlation:.3f}")

# %% [markdown]
# They do. All in all the run in Pyro is no further from the run by hand than a second run by hand is.
#
# The picture on the right shows something else, too: hardly any hidden unit is in use. Forty cars on a nearly
# straight line don't need twenty units. A unit that isn't needed has an output weight close to 0, and narrow, so
# that it adds no noise; then its input weights may do as they please, and go back to the prior. So a narrow weight
# isn't always an important one. It may also be one that is switched off. (Which units stay is decided by the
# start, and all three runs start from the same values.)

# %% [markdown]
# ## The trap: the layer in the guide as well
#
# The warning seems to ask for layers in the guide, too: the prior's layers in the model, the learned ones in the
# guide, as one does with every other distribution. Public examples of Bayesian networks in Pyro do
# just this: in their models the layers have mean 0 and scale 1.
#
# What becomes of the KL? We don't have to argue, we can measure. The loss is
# $-\text{log-likelihood} + c\,\mathrm{KL}$, with some number $c$. We compute it twice with the same random
# numbers, at `KL_factor` 0 and at $B/N$. The log-likelihoods are the same, so the difference is
# $c\,\mathrm{KL}$.

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


places = {
    "learned layers in the model, empty guide": (model, empty_guide),
    "prior's layers in the model, learned in the guide": (prior_model, guide_with_layers),
    "learned layers in the model and in the guide": (same_model, guide_with_layers),
}
network = fresh_network()
for place, (its_model, its_guide) in places.items():
    without, _ = pyro_loss(its_model, its_guide, network, 0.0)
    with_kl, messages = pyro_loss(its_model, its_guide, network, RIGHT_FACTOR)
    share = round((with_kl - without) / total_kl(network), 3) + 0.0  # + 0.0: no minus before a zero
    print(f"{place:52}the loss holds {share:+.3f} × KL;  warnings: {', '.join(messages) or 'none'}")

# %% [markdown]
# The prior's layers have a KL of 0: that is what being the prior means. The learned layers stand in the guide,
# whose sum counts the other way round, and so **the KL enters the loss with the wrong sign**. With the learned
# layers in both, the two cancel and no KL is left at all. Only the first arrangement is right, and it is the
# only one that Pyro warns of.
#
# A loss that *rewards* the KL asks the network to get as far away from its prior as it can. Watch it do so.

# %% tags=["experiment"]
TRAP_STEPS, EVERY = 600, 20
trapped, history_trap = train_in_pyro("in the trap", prior_model, guide_with_layers, TRAP_STEPS)
histories = {
    "learned in the model alone": history_model[:TRAP_STEPS],
    "prior's in the model, learned in the guide": history_trap,
}
smoothed = {name: history.reshape(-1, EVERY, 2).mean(dim=1) for name, history in histories.items()}
show(
    figures.trap(
        {name: history[:, 0] for name, history in smoothed.items()},
        {name: history[:, 1] for name, history in smoothed.items()},
        every=EVERY,
    ),
    alt="Two panels over 600 training steps. With the learned layers in the model alone, the loss falls and levels off"
    " above zero, and the average log scale rises from −3 and levels off. With the prior's layers in the model and the"
    " learned ones in the guide, the loss falls below zero without end, and the average log scale falls in a straight"
    " line.",
    caption="Each point is the average over 20 steps.",
)

for name, history in histories.items():
    last, before = history[-100:, 0].mean(), history[-300:-200, 0].mean()
    print(f"{name}: average loss {last:.0f} (200 steps earlier {before:.0f}), log scale {history[-1, 1]:.2f}")
spread = draw_functions(trapped, torch.tensor([200.0])).std().item()
print(f"In the trap the KL has grown to {total_kl(trapped):.0f}, and functions at 200 hp spread by {spread:.3f} mpg.")

# %% [markdown]
# The trapped run looks like a great success: its loss falls and falls. But it no longer bounds anything. The
# weights become certain without end, because certainty is now paid for; what is left is an ordinary network
# that believes it knows. With the noise fixed, the probability density of the data is bounded, and a true ELBO
# can't exceed its logarithm. So **a loss that goes to minus infinity is a mistake**, never a success.

# %% [markdown]
# ## A draw for each row, or a draw of a function
#
# Back to the two ways to draw, now with the trained network. One and the same network, the same 96 inputs, the
# same parameters; only `weight_space_sampling` differs.

# %% tags=["experiment"]
torch.manual_seed(7)
ways = {
    "row by row (local reparameterization)": draw_functions(by_hand, grid, 1000, weight_space_sampling=False),
    "in weight space": draw_functions(by_hand, grid, 1000, weight_space_sampling=True),
}
show(
    figures.sampling_modes(train_cars, LIMIT, grid, ways),
    alt="Top: drawn row by row, three draws over horsepower are jagged noise within the band, and the picture of"
    " correlations is blank but for its diagonal. Bottom: drawn in weight space, three draws are smooth functions in a"
    " band of the same width. Their correlations are near 1 among all strong cars, and among cars of similar power.",
    caption="Left: three draws, the mean in black, and the band of ±2 standard deviations. Right: how the draws at two"
    " horsepowers go together.",
)

local, shared = ways.values()
ratio = local.std(dim=0) / shared.std(dim=0)
chance = (local.var(dim=0) / len(local) + shared.var(dim=0) / len(shared)).sqrt()
apart = (local.mean(dim=0) - shared.mean(dim=0)).abs()
near, far = [(grid - power).abs().argmin() for power in (80, 90)]
expected = 0.8 * chance.mean()  # the average size of a Gaussian number is 0.8 standard deviations
print(f"means: {apart.mean():.2f} mpg apart on average; {expected:.2f} is what chance alone gives")
print(f"standard deviations, row by row over weight space: {ratio.min():.2f} to {ratio.max():.2f}")
for name, draws in ways.items():
    correlation = torch.corrcoef(draws[:, [near, far]].T)[0, 1]
    print(f"correlation between {grid[near]:.0f} and {grid[far]:.0f} hp, {name}: {correlation:.2f}")

# %% [markdown]
# Every single row has the same distribution in both: the same mean, the same spread. What differs is how rows
# go together. In weight space, cars of nearly the same power get nearly the same prediction, because one
# function made both. Row by row they have nothing to do with each other.
#
# - **To train**, and to predict single rows with their uncertainty, draw row by row: the ELBO needs no more,
#   and its gradients are steadier (lesson 05).
# - **To draw functions**, or for any question about several rows *together* (is this car thriftier than that
#   one?), draw in weight space.

# %% [markdown]
# ## How strong the KL should be
#
# `KL_factor` looks like a knob to be tuned. It isn't: the mathematics says $B/N$. Here is what happens when it
# is left at 0, and when it is ten times too large. (That is easily done: leave it at its default of 1 with
# batches of a tenth of the data.)

# %% tags=["experiment"]
no_kl = train_by_hand("KL_factor 0", KL_factor=0.0)
too_strong = train_by_hand("KL_factor × 10", KL_factor=10 * RIGHT_FACTOR)
factors = {f"{RIGHT_FACTOR} = B/N": by_hand, "0": no_kl, f"{10 * RIGHT_FACTOR} = 10 B/N": too_strong}
torch.manual_seed(8)
show(
    function_figures.sampled_functions(
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
    caption="Black: the 40 training cars. Grey: cars never seen. Thin blue: drawn functions. Orange: their average."
    " Darker band: ±2 standard deviations of the function. Pale band: the same with the cars' own noise.",
)


def judge(network, unseen):
    """Error of the mean [mpg], the std of a car [mpg], share of cars within two of them, mean log density [per mpg]."""
    draws = draw_functions(network, unseen.column("horsepower"))
    error = (draws.mean(dim=0) - unseen.y).square().mean().sqrt().item()
    std = (draws.var(dim=0) + noise_mpg**2).sqrt()
    inside = ((unseen.y - draws.mean(dim=0)).abs() < 2 * std).float().mean().item()
    densities = gaussian_log_prob(unseen.y, draws, noise_mpg).exp().mean(dim=0)
    return error, std.mean().item(), inside, densities.log().mean().item()


for name, unseen in [("weak", test_cars), ("strong", strong_cars)]:
    print(f"unseen {name} cars      error [mpg]   std [mpg]   in band (95 % is promised)   log-likelihood      KL")
    for factor, network in factors.items():
        error, std, inside, likelihood = judge(network, unseen)
        kl = total_kl(network)
        print(f"  KL_factor {factor:12}{error:10.1f}{std:12.1f}{inside:16.0%}{likelihood:28.2f}{kl:10.0f}")

# %% [markdown]
# - **$B/N$:** the band is about as wide as the errors are large, and the log-likelihood is the best on both
#   kinds of cars.
# - **Factor 0:** the functions lie almost on one another. The network is sure about strong cars, of which it saw
#   none, and most of them fall outside its band.
# - **Ten times too much:** the weights stay near the prior, with hardly any KL. The band holds everything, because
#   it is so wide; the error is no smaller than without any KL. A model that says "anything is possible" is never
#   wrong, and never of use.

# %% [markdown]
# ## What goes wrong in practice
#
# **1. The KL in the wrong place or with the wrong sign.** The trap above. Before you train for hours, measure
# $c$ in two lines, as we did.
#
# **2. A row of zeros.** Images have black pixels, and a ReLU can switch off a whole row. The variance of such a
# row is 0, and the derivative of the square root at 0 is infinite; times 0 it is NaN, and one NaN in a gradient
# spoils all weights for good. Pyro comes with a `HiddenLayer` of its own. Let us ask both.

# %% tags=["experiment"]
for owner, layer_class in [(f"Pyro {pyro.__version__}", PyrosHiddenLayer), ("yours", HiddenLayer)]:
    A_scale = torch.full((3, 5), 0.3, requires_grad=True)
    X = torch.tensor([[0.5, -1.0, 2.0], [0.0, 0.0, 0.0]])
    layer_class(X=X, A_mean=torch.zeros(3, 5), A_scale=A_scale).rsample().sum().backward()
    broken = A_scale.grad.isnan().sum().item()
    print(f"{owner:12}{broken:3} of {A_scale.numel()} gradients of A_scale are NaN")

# %% [markdown]
# **3. A first layer without a bias.** `include_hidden_bias` gives a bias to the next layer. The first layer's
# inputs need a column of ones of their own, or all pre-activations are 0 at $x = 0$, whatever the weights.
#
# **4. Training `A_scale` itself.** A gradient step may carry it below 0. Drawing doesn't mind, because noise is as
# likely to be below 0 as above; but the KL takes its logarithm and turns into NaN. Train the logarithm, or, in
# Pyro, declare the parameter with a positive constraint.
#
# **5. An average in one part of the loss.** `KL_factor = B/N` fits a log-likelihood that is *summed* over the
# batch. With the average in its place, the KL is $B$ times too strong.
#
# **6. Reading a plot of local draws as functions.** The jagged lines above aren't what the network believes
# about functions.

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
#
# **3.** You put `HiddenLayer` into the model alone, and give it `KL_factor=1`, inside a plate with
# `subsample_size`. How many times does the KL count? What if you pass batches to the model yourself, and the
# plate has the size of the batch?
#
# <details><summary>Answer</summary>
#
# With `subsample_size` the plate multiplies everything by $N/B$, the layer's log_prob too: the KL counts $N/B$
# times, while the log-likelihood is scaled up to the whole data set. That is $N/B$ times too much;
# $\kappa = B/N$ mends it. With a plate as large as the batch nothing is scaled: the loss then holds $B$
# log-likelihoods and $\kappa$ KLs. The balance is right for the same $\kappa = B/N$, and the loss is smaller by
# $B/N$; with $\kappa = 1$ the KL again counts $N/B$ times too much.
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
#
# **Next:** lesson 07 gives a trained network digits that it has never seen the like of, and asks whether it
# notices.

# %% [markdown]
# # 03 · A layer whose weights are distributions
#
# An ordinary linear layer stores one number for each weight, and acts as if that number were certain. What does
# a layer look like that stores *how sure it is* of each weight, and lets this show in its output?
#
# **Time:** about 125 minutes. **Difficulty:** ●●●○○. You write one class with three methods, about fifteen lines
# in all; later you change two small experiments.
#
# **You need:** PyTorch's `nn.Module` and `nn.Parameter`, and how a training loop works. Two ideas come from
# earlier lessons: drawing a Gaussian number so that gradients pass through (lesson 01), and the KL divergence
# (lesson 02). Here they are recalled in a sentence. You don't have to have solved those lessons.

# %% tags=["setup"]
import copy
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from tqdm import tqdm

from bnn_core import datasets, gaussian_log_prob
from bnn_core.autograder import check
from bnn_core.figures import bayesian_linear as figures
from bnn_core.figures import show
from bnn_core.guesses import guess, guessed

_ = torch.manual_seed(0)
torch.set_num_threads(1)  # the tensors are small

# %% [markdown]
# ## Three networks that cannot say "I don't know"
#
# Here is the small, real problem of lesson 00: predict a car's fuel economy, in miles per gallon, from the power of
# its engine, in horsepower. The data are cars of the 1970s (the Auto MPG data set). We keep 40 weak cars, of at most
# 110 horsepower, for training. The other weak cars, and all stronger cars, are for testing.
#
# As there, we *standardise* both quantities. For the fuel economy, mean and standard deviation come from the training
# cars; for the horsepower from all cars this time, since we shall ask about all of them.

# %% tags=["setup"]
LIMIT = 110  # horsepower
cars = datasets.auto_mpg()
is_weak = cars.column("horsepower") <= LIMIT
train_cars, test_cars = cars.at(is_weak).split(40, seed=0)
strong_cars = cars.at(~is_weak)

scale_x = datasets.Standardizer.of(cars.column("horsepower"))
scale_y = datasets.Standardizer.of(train_cars.y)


def inputs(horsepower):
    """Horsepower, (N,), as the network's standardised input, (N, 1)."""
    return scale_x(horsepower)[:, None]


x_train = inputs(train_cars.column("horsepower"))
y_train = scale_y(train_cars.y)[:, None]
grid = torch.linspace(42, 233, 192)  # horsepower at which curves are drawn

print(f"{len(train_cars)} cars to train on, {len(test_cars)} weak and {len(strong_cars)} strong cars to test on")
print(f"x_train has shape {tuple(x_train.shape)}, y_train has shape {tuple(y_train.shape)}")

# %% [markdown]
# Let us train three ordinary networks on the same 40 cars. They differ in nothing but their random initial
# weights. In the middle of the training cars, at 80 horsepower, their answers will lie close together. Click your
# guess for a car of 200 horsepower.

# %% tags=["figure"]
guess(
    "plain-networks-at-200",
    "How far apart will the three answers for a car of 200 hp be?",
    ["As close together as at 80 hp", "A few miles per gallon", "Ten miles per gallon or more"],
)


# %% tags=["experiment"]
def train_plain_network(seed):
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(1, 20), nn.ReLU(), nn.Linear(20, 1))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01, fused=True)
    for _ in range(1500):
        optimizer.zero_grad()
        F.mse_loss(network(x_train), y_train).backward()
        optimizer.step()
    return network


def in_mpg(network, horsepower):
    """One forward pass, in miles per gallon: (number of horsepowers,)."""
    with torch.no_grad():
        return scale_y.undo(network(inputs(horsepower)))[:, 0]


plain_networks = [train_plain_network(seed) for seed in (1, 2, 3)]
for horsepower in (80, 200):
    answers = [in_mpg(network, torch.tensor([float(horsepower)])).item() for network in plain_networks]
    print(f"At {horsepower} hp they say", ", ".join(f"{answer:.1f}" for answer in answers), "miles per gallon.")
near_200 = (cars.column("horsepower") - 200).abs() <= 20
print(f"Cars of 180 to 220 hp really manage {cars.y[near_200].mean():.1f} on average.")

# %% tags=["figure"]
plain_curves = torch.stack([in_mpg(network, grid) for network in plain_networks])
show(
    figures.plain_networks(train_cars, LIMIT, grid, plain_curves),
    alt="Fuel economy against horsepower: 40 cars below 110 horsepower, and the curves of three networks. The curves"
    " lie close together up to about 100 horsepower. Beyond 110, where there are no cars, one climbs, one falls below"
    " zero, and one runs between them.",
)
guessed("plain-networks-at-200")

# %% tags=["claim"]
spans = [max(answers) - min(answers) for answers in plain_curves[:, [38, 158]].T.tolist()]  # at 80 and 200 hp
assert spans[0] < 2 < 8 < spans[1]

# %% [markdown]
# In the middle of the training cars, the three networks say nearly the same. Beyond the last training car they
# guess, and their guesses are far apart. Yet each of them states its guess as one exact number, in the same voice
# as before. **Nothing in a single ordinary network tells you which of its answers are guesses.**
#
# Many different weights fit the 40 cars about equally well. Training picked one set of them and forgot the others. One
# could keep several networks, and look at how far they disagree: an *ensemble*, one of the best methods known [6],
# which lessons 07 and 09 put beside what you build here. In this lesson a *single* network learns to hold many sets of
# weights at once.

# %% [markdown]
# ## Move one weight
#
# Take the smallest linear layer there is: one input $x$, one output $y = w x + b$. Now the weight $w$ isn't one
# number. Each time the layer is used, $w$ is *drawn* from a Gaussian (a bell curve) with the mean `weight_mean`
# and the standard deviation `exp(weight_log_std)`. The bias $b$ is drawn as well; here it always has mean 0 and
# standard deviation 0.3.
#
# Move the two sliders. Before you do, guess:
#
# - What does `weight_log_std` change in the middle picture, and what does `weight_mean`?
# - Where on the $x$ axis does the uncertainty of $w$ not matter at all?
# - How small must `weight_log_std` be before you can no longer tell the layer from an ordinary one with a noisy
#   bias?

# %% tags=["figure"]
figures.weight_slider()

# %% [markdown]
# The same picture at three settings, in case the sliders don't run where you read this:

# %% tags=["figure"]
show(
    figures.weight_settings(),
    alt="Three rows, one for each setting of a weight: its density, 30 lines y = w·x + b, and the spread of y at x = 2."
    " With log_std −3 the lines lie almost on each other; with −1 they fan out from x = 0; with 0 the fan is wide,"
    " and some lines rise while others fall.",
    caption="Left: the weight's distribution, always drawn to one height. Middle: 30 draws of the layer. Right: 4,000"
    " draws of y at x = 2.",
)

# %% [markdown]
# `weight_mean` tilts all lines together, and `weight_log_std` opens and closes the fan. At $x = 0$ the weight is
# multiplied by 0: there the fan is narrow. This is what the ordinary networks lacked: a way to give *several* answers,
# more alike in some places than in others. (At `weight_log_std` $= -3$ the weight hardly shows: at $x = 2$ the standard
# deviation of $y$ is $\sqrt{0.3^2 + (2 \cdot 0.05)^2} \approx 0.32$, and the bias alone makes 0.3 of it.)

# %% [markdown]
# ## The idea: store a distribution, draw a weight
#
# A **Bayesian linear layer** does what `nn.Linear` does, with three changes.
#
# 1. **It stores two numbers per weight in place of one**: a mean, and the logarithm of a standard deviation. A standard
#    deviation must be positive; its logarithm may be any number, so the optimiser can move it freely.
# 2. **Each forward pass draws fresh weights**, uses them as an ordinary layer would, and throws them away.
# 3. **It can say how far it is from the *prior***, what we believe before we see data: each weight is Gaussian with
#    mean 0 and standard deviation 1. The distance is the *KL divergence* of lesson 02.
#
# Training changes the stored means and log standard deviations, not the drawn weights. But how does a gradient reach
# them through a draw? As in lesson 01: draw noise that depends on nothing, then shift and stretch it. The next cell
# draws one weight three times, and asks how it moves when its mean or its log_std is raised a little.

# %% tags=["experiment"]
weight_mean = torch.tensor(0.7, requires_grad=True)
weight_log_std = torch.tensor(-1.0, requires_grad=True)  # a standard deviation of 0.37
print("epsilon    weight    d weight / d mean    d weight / d log_std")
for epsilon in torch.randn(3):
    weight = weight_mean + weight_log_std.exp() * epsilon
    by_mean, by_log_std = torch.autograd.grad(weight, [weight_mean, weight_log_std])
    print(f"{epsilon:7.2f}{weight:10.2f}{by_mean:16.2f}{by_log_std:22.2f}")

# %% [markdown]
# The mean moves every draw by as much. The log_std moves a draw by $\sigma\,\varepsilon$: away from the mean, on
# whichever side it fell. So two forces can pull at the stored numbers:
#
# - the **task loss** wants weights that fit the data in every draw; randomness makes the fit worse, so it pulls
#   the standard deviations *down*;
# - the **KL divergence** charges for being more certain than the prior, so it pulls the standard deviations
#   back *up* towards the prior's, and the means towards 0.
#
# A weight that the data hold firmly comes out narrow. A weight that the data say little about comes out almost as
# wide as the prior. Training with the sum of the two is called **Bayes by Backprop** [1].

# %% [markdown]
# ## Where the loss comes from
#
# Why these two terms, and why simply their sum? Write $w$ for all weights together, and $\mathcal D$ for the data.
#
# **1. Bayes' rule** says what to believe about the weights once the data are known, the *posterior*. $p(w)$ is the
# prior; the *likelihood* $p(\mathcal D \mid w)$ says how probable these data would be if the weights were $w$:
#
# $$\log p(w \mid \mathcal D) = \underbrace{\log p(\mathcal D \mid w)}_{\text{log-likelihood}}
# + \underbrace{\log p(w)}_{\text{log-prior}} - \underbrace{\log p(\mathcal D)}_{\text{the same for all } w}$$
#
# **2. We can't have it.** For a network nobody can compute $p(\mathcal D)$, the *evidence*, an integral over all
# weights. So we look for the $q(w)$ *closest* to the posterior among those that a layer can store: independent
# Gaussians, one for each weight. (Such a $q$ is called *mean-field*, and the search for it *variational inference*:
# inference means to find out what the data say of the weights.) Close means a small KL divergence, an average
# $\mathbb E_{w \sim q}$ over draws from $q$. Put Bayes' rule into it, as lesson 02 did, and sort (the dot stands for
# $w$):
#
# $$\mathrm{KL}\big(q \,\|\, p(\cdot \mid \mathcal D)\big)
# = \mathbb E_{w \sim q}\big[\log q(w) - \log p(w \mid \mathcal D)\big]
# = \underbrace{\mathbb E_{w \sim q}\big[-\log p(\mathcal D \mid w)\big]}_{\text{task loss}}
# + \underbrace{\mathbb E_{w \sim q}\big[\log q(w) - \log p(w)\big]}_{\mathrm{KL}(q \,\|\, p),\ \text{to the prior}}
# + \log p(\mathcal D)$$
#
# **3. Drop what doesn't depend on $q$**, the last term. What is left to minimise is **task loss + KL to the
# prior**.
#
# Does it hold? Take one weight and three targets, $t_n = w$ plus noise of standard deviation 1. Here everything can be
# computed on a grid. The next cell does it for four $q$, of which the last *is* the posterior. Before you run it: in
# which column will all four rows agree?

# %% tags=["experiment"]
w = torch.linspace(-8.0, 8.0, 4001)
cell = w[1] - w[0]  # its width on the grid
targets = torch.tensor([0.8, 1.9, 1.2])
log_likelihood = gaussian_log_prob(targets[:, None], w, 1.0).sum(dim=0)
log_prior = gaussian_log_prob(w, 0.0, 1.0)
log_evidence = ((log_likelihood + log_prior).exp().sum() * cell).log()
log_posterior = log_likelihood + log_prior - log_evidence

losses = []
print("   q: mean    std    task loss +   KL =  loss    KL to the posterior    loss − that KL")
for mean, std in [(0.0, 1.0), (1.3, 0.1), (0.5, 0.5), (0.975, 0.5)]:
    log_q = gaussian_log_prob(w, mean, std)
    share = log_q.exp() * cell  # of the draws that fall into each cell
    task, kl = -(share * log_likelihood).sum(), (share * (log_q - log_prior)).sum()
    distance = (share * (log_q - log_posterior)).sum()
    losses.append((task + kl, distance))
    print(f"{mean:10.2f}{std:7.2f}{task:13.2f}{kl:7.2f}{task + kl:8.2f}{distance:23.2f}{task + kl - distance:18.2f}")
print(f"minus the log evidence: {-log_evidence:.2f}")

# %% tags=["claim"]
assert all(abs(loss - distance + log_evidence) < 1e-3 for loss, distance in losses)
assert abs(losses[-1][1]) < 1e-3
assert min(losses)[0] == losses[-1][0]

# %% [markdown]
# The last column is the same for every $q$, and it is $-\log p(\mathcal D)$. So making the loss small brings $q$
# closer to the posterior. And since a KL is never below 0, minus the loss is never above the log evidence. It is
# therefore called the *evidence lower bound*, **ELBO**, and the loss is the **negative ELBO**.
#
# **How to count.** The examples are independent, so the probability of all of them is a product, and its
# logarithm a **sum over all examples**. There is only *one* set of weights, with one prior, however many
# examples there are: so **the KL counts once**.
#
# <details><summary>Why this direction of the KL?</summary>
#
# In $\mathrm{KL}\big(q \,\|\, p(\cdot \mid \mathcal D)\big)$ the average runs over draws from $q$, which we can make;
# the other direction would need draws from the posterior that we don't have. The choice has a price: such a $q$ keeps
# away from wherever the posterior says "unlikely", and its weights rather come out too narrow (lesson 02).
#
# </details>

# %% [markdown]
# ## The mathematics
#
# **Symbols.** $I$ is `in_features`, $O$ is `out_features`, $B$ is the number of rows in the batch.
#
# | Symbol | In code | Shape | What it is |
# |---|---|---|---|
# | $x$ | `x` | $(B, I)$ | the input |
# | $\mu_W,\ \log \sigma_W$ | `weight_mean`, `weight_log_std` | $(O, I)$ | the weights' means and log stds |
# | $\mu_b,\ \log \sigma_b$ | `bias_mean`, `bias_log_std` | $(O,)$ | the same for the biases; all four are learned |
# | $\varepsilon_W,\ \varepsilon_b$ | `epsilon` | $(O, I)$, $(O,)$ | noise from $\mathcal N(0, 1)$, new in every pass |
# | $W,\ b$ | `sampled_weight`, `sampled_bias` | $(O, I)$, $(O,)$ | the weights and biases drawn for this pass |
# | $y$ | what `forward` returns | $(B, O)$ | the output |
# | $t_n$ | `target`, `y_train` | | the target of example $n$, of $N$ |
# | $\tau$ | `noise_std` | a number | how far targets scatter about the true curve (std) |
#
# The shape $(O, I)$, outputs first, is how `nn.Linear` stores its weight.
#
# **Drawing weights**, by the **reparameterization trick** [2], and **the output**, with the same draw for all rows of
# the batch ($\odot$ multiplies element by element):
#
# $$W = \mu_W + \sigma_W \odot \varepsilon_W, \qquad b = \mu_b + \sigma_b \odot \varepsilon_b, \qquad
# y = x W^\top + b$$
#
# For one row of $x$ and output number $o$, over draws,
#
# $$
# \mathbb E[y_o] = \sum_{i=1}^{I} x_i\, (\mu_W)_{oi} + (\mu_b)_o, \qquad
# \operatorname{Var}[y_o] = \sum_{i=1}^{I} x_i^2\, (\sigma_W)_{oi}^2 + (\sigma_b)_o^2
# $$
#
# **The KL divergence** of one weight's distribution $q = \mathcal N(\mu, \sigma^2)$ from the prior
# $p = \mathcal N(0, 1)$ (lesson 02):
#
# $$\mathrm{KL}(q \,\|\, p) = \tfrac12 \left(\mu^2 + \sigma^2 - 1 - 2 \log \sigma\right)$$
#
# The weights and biases are independent, so the layer's KL is the **sum** of this over all $O \cdot I$ weights
# and all $O$ biases: one number.

# %% tags=["figure"]
guess(
    "kl-of-a-wider-layer",
    "A new layer has ten times as many outputs as another, and its weights start alike. How large is its KL?",
    ["About ten times as large", "About the same", "About a hundred times as large"],
)

# %% [markdown]
# **The total loss** on $N$ training examples, when targets scatter about the true curve with Gaussian noise of
# standard deviation $\tau$ (up to a constant, minus the logarithm of a Gaussian's density is $(t - y)^2 / 2\tau^2$):
#
# $$
# \text{total} = \underbrace{\sum_{n=1}^{N} \frac{(t_n - y_n)^2}{2\tau^2}}_{\text{task loss}}
# + \underbrace{\mathrm{KL}}_{\text{once}}
# $$
#
# Each $y_n$ comes from this pass's one draw of the weights: a noisy estimate of the average over draws.

# %% [markdown]
# ## Your turn: write the layer
#
# Fill in the three methods. The numbered comments are the steps.
#
# - Start the means small and random, as `nn.Linear` does, for example `torch.randn(...) * 0.1`.
# - Start every log_std at $-3$; write `-3.0`, since PyTorch makes no parameter from a whole number. The standard
#   deviation is then $\exp(-3) \approx 0.05$: visible, but too small to drown the means.
# - Every forward draws new noise: in `train()` and in `eval()`, under `torch.no_grad()` too. No two layers share it.
# - These four are all that the layer trains.
# - You need nothing but `torch` and `F.linear`. If you like, you may use what the earlier lessons built:
#   `from bnn_core import sample_gaussian, gaussian_kl`.
#
# Run the check below the hints after each method, as often as you like. It says which ones are still missing.


# %% tags=["exercise"]
class BayesianLinear(nn.Module):
    """A linear layer that draws its weights and biases anew in every forward pass.

    in_features:  I, the size of an input row.
    out_features: O, the size of an output row.

    Parameters that it learns:
        weight_mean, weight_log_std: shape (O, I), as nn.Linear stores its weight
        bias_mean, bias_log_std:     shape (O,)
    """

    def __init__(self, in_features, out_features):
        """Create the four parameters."""
        super().__init__()
        # 1. Define trainable parameters for weight_mean, weight_log_std,
        # bias_mean, and bias_log_std.
        ### BEGIN SOLUTION
        self.weight_mean = nn.Parameter(torch.randn(out_features, in_features) * 0.1)
        self.weight_log_std = nn.Parameter(torch.full((out_features, in_features), -3.0))
        self.bias_mean = nn.Parameter(torch.zeros(out_features))
        self.bias_log_std = nn.Parameter(torch.full((out_features,), -3.0))
        ### END SOLUTION

    def forward(self, x):
        """Return x·Wᵀ + b for one fresh draw of W and b.   x: (B, I).   Returns: (B, O)."""
        # 1. Sample from a standard normal distribution (epsilon).
        # 2. Use the reparameterization trick to sample the actual weights and biases.
        # 3. Perform the linear transformation using the sampled weights and biases.
        # Hint: F.linear(x, sampled_weight, sampled_bias)
        ### BEGIN SOLUTION
        weight_epsilon = torch.randn_like(self.weight_mean)
        bias_epsilon = torch.randn_like(self.bias_mean)
        sampled_weight = self.weight_mean + torch.exp(self.weight_log_std) * weight_epsilon
        sampled_bias = self.bias_mean + torch.exp(self.bias_log_std) * bias_epsilon
        return F.linear(x, sampled_weight, sampled_bias)
        ### END SOLUTION

    def kl_divergence(self):
        """Return KL(learned distribution ‖ prior), summed over all weights and biases: a scalar tensor."""
        # 1. Calculate the KL divergence between the learned weight distribution
        # and a standard normal prior (mean=0, std=1).
        # 2. Do the same for the bias.
        # 3. Return the sum of the two KL terms.
        ### BEGIN SOLUTION
        weight_variance = torch.exp(2 * self.weight_log_std)
        weight_kl = 0.5 * (self.weight_mean**2 + weight_variance - 1 - 2 * self.weight_log_std).sum()
        bias_variance = torch.exp(2 * self.bias_log_std)
        bias_kl = 0.5 * (self.bias_mean**2 + bias_variance - 1 - 2 * self.bias_log_std).sum()
        return weight_kl + bias_kl
        ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: which tools?</summary>
#
# - A tensor that the optimiser should train must be wrapped: `self.name = nn.Parameter(some_tensor)`. There are
#   four of them.
# - `torch.randn_like(tensor)` gives standard normal noise in the shape of a tensor. Call it *inside* `forward`,
#   so that every pass gets new noise. Weights and biases each need their own.
# - In code, $\sigma$ is `torch.exp(log_std)`, and $\log \sigma$ is simply `log_std`: you never need to take a
#   logarithm.
#
# </details>
#
# <details><summary>Hint 2: the steps, one by one</summary>
#
# - `__init__`: the weights have shape `(out_features, in_features)`, the biases `(out_features,)`.
#   `torch.full(shape, -3.0)` makes a tensor filled with −3.
# - `forward`: first `epsilon`, then `mean + torch.exp(log_std) * epsilon`; once for the weights, once for the
#   biases; then the line that the comment gives you.
# - `kl_divergence`: write the formula for a whole tensor, then `.sum()`. The variance $\sigma^2$ is
#   `torch.exp(2 * log_std)`. Add the two sums.
#
# </details>
#
# <details><summary>Hint 3: almost everything</summary>
#
# Here are the lines for the weights. The biases need the same again, with their own names and shape.
#
# ```python
# # in __init__
# self.weight_mean = nn.Parameter(torch.randn(out_features, in_features) * 0.1)
# self.weight_log_std = nn.Parameter(torch.full((out_features, in_features), -3.0))
#
# # in forward
# weight_epsilon = torch.randn_like(self.weight_mean)
# sampled_weight = self.weight_mean + torch.exp(self.weight_log_std) * weight_epsilon
#
# # in kl_divergence
# weight_variance = torch.exp(2 * self.weight_log_std)
# weight_kl = 0.5 * (self.weight_mean**2 + weight_variance - 1 - 2 * self.weight_log_std).sum()
# ```
#
# </details>
#
# {{ solution BayesianLinear }}

# %% [markdown]
# ## Is it right?
#
# Run the cell. If something is wrong, it says what, and what the likely mistake is.

# %% tags=["check"]
check(BayesianLinear)

# %% [markdown]
# ## A first look at your layer
#
# Before training, look at what you should be able to say about it: the output has the right shape, two passes differ,
# the KL is one number that grows with the layer, and the total loss sends gradients to all four parameters.

# %% tags=["experiment"]
layer = BayesianLinear(in_features=3, out_features=2)
x = torch.randn(5, 3)
target = torch.randn(5, 2)

print("output shape:  ", tuple(layer(x).shape))
for when in ("one pass:      ", "the next pass: "):
    print(when, [round(value, 4) for value in layer(x)[0].tolist()], "for the first row")
print(f"KL divergence:  {layer.kl_divergence().item():.2f}, a tensor of shape", tuple(layer.kl_divergence().shape))
print(f"KL of 20 outputs: {BayesianLinear(in_features=3, out_features=20).kl_divergence().item():.2f}")

task_loss = 0.5 * ((target - layer(x)) ** 2).sum()  # τ = 1
total_loss = task_loss + layer.kl_divergence()
total_loss.backward()
print(f"total loss:     {total_loss.item():.2f}")
for name, parameter in layer.named_parameters():
    print(f"gradient of {name:15} shape {tuple(parameter.grad.shape)}, largest {parameter.grad.abs().max():.2f}")

# %% tags=["figure"]
guessed("kl-of-a-wider-layer")

# %% tags=["claim"]
ratio = BayesianLinear(3, 20).kl_divergence() / layer.kl_divergence()
assert 9 < ratio < 11

# %% [markdown]
# Ten times: ten times as many numbers are paid for. So the KL of a large network is large, and an average over its
# weights would hide it.


# %% [markdown]
# ## Train it on the cars
#
# Now build a network from *your* layer: two of them, with 20 hidden units between, and the ReLU, which is 0 below 0
# and leaves everything above as it is. The network's KL divergence is the sum of its layers' KL divergences.
#
# The task loss needs $\tau$, the noise: how far cars scatter about the curve. We can measure it, because many
# cars share a horsepower. Such cars get the same input, so no function of horsepower can tell them apart, and
# their spread about their own average is noise. We measure it on all cars, those for testing among them, and take
# it as known from here on: $\tau$ is `noise_std` in the code.


# %% tags=["experiment"]
class Network(nn.Module):
    """1 → hidden → 1, with a ReLU between two Bayesian layers."""

    def __init__(self, hidden=20):
        super().__init__()
        self.first = BayesianLinear(1, hidden)
        self.second = BayesianLinear(hidden, 1)

    def forward(self, x):
        return self.second(F.relu(self.first(x)))

    def kl_divergence(self):
        return self.first.kl_divergence() + self.second.kl_divergence()


powers = cars.column("horsepower")
same_power = [cars.y[powers == power] for power in powers.unique()]
deviations = torch.cat([economy - economy.mean() for economy in same_power])
noise_mpg = (deviations.square().sum() / (len(cars) - len(same_power))).sqrt()
noise_std = noise_mpg / scale_y.std
print(f"Cars of equal horsepower scatter by {noise_mpg:.1f} miles per gallon,")
print(f"{noise_std:.2f} in standardised units.")

# %% [markdown]
# The training loop is the usual one. The one new thing is the line that makes the total loss.
#
# To make your pictures comparable with the text, every run starts from the same kind of initial values,
# whatever your `__init__` chose. The loop also writes down all log_stds every 20 steps. `kl_count` is 1, as
# the mathematics says, except where we do it wrong on purpose.

# %% tags=["experiment"]
STEPS, EVERY = 1000, 20


def log_stds(network):
    """The log_std of every weight and bias, layer by layer, in one row."""
    layers = (network.first, network.second)
    parts = [part for layer in layers for part in (layer.weight_log_std, layer.bias_log_std)]
    return torch.cat([part.detach().flatten() for part in parts])


def fresh_network(log_std=-3.0, hidden=20):
    torch.manual_seed(1)
    network = Network(hidden)
    for name, parameter in network.named_parameters():
        if name.endswith("log_std"):
            nn.init.constant_(parameter, log_std)
        else:
            nn.init.normal_(parameter, std=0.5)
    return network


def train(network, label, kl_count=1.0):
    """Train on all the cars at once. Returns the log_stds every 20 steps, one row each."""
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02, fused=True)
    history = [log_stds(network)]
    for step in tqdm(range(1, STEPS + 1), desc=label, file=sys.stdout, mininterval=0.5):
        task_loss = ((y_train - network(x_train)) ** 2).sum() / (2 * noise_std**2)
        total_loss = task_loss + kl_count * network.kl_divergence()
        optimizer.zero_grad()
        total_loss.backward()
        optimizer.step()
        if step % EVERY == 0:
            history.append(log_stds(network))
    return torch.stack(history)


with_kl, without_kl = fresh_network(), fresh_network()
history_with_kl = train(with_kl, "task loss + KL")
history_without_kl = train(without_kl, "task loss only", kl_count=0.0)

# %% [markdown]
# ## What it learned: not a curve, but many
#
# One forward pass over a whole grid of horsepowers uses one draw of the weights. So it gives one whole
# function. Two hundred passes give two hundred functions, each of which the network holds to be possible. Their
# average is the prediction. Their spread, the standard deviation over draws, is how unsure the network is of the
# function.
#
# Before you look, two guesses.

# %% tags=["figure"]
guess(
    "spread-with-the-kl",
    "Trained with the KL: how does the spread at 200 hp, far from all training cars, compare with that at 90 hp?",
    ["About the same", "About twice as large", "Ten times as large, or more"],
)
guess(
    "functions-without-the-kl",
    "Trained without the KL: what do the drawn functions look like?",
    ["Much the same as with it", "Almost a single line", "Spread wider than with it"],
)


# %% tags=["experiment"]
def draw_functions(network, horsepower, num_draws=200):
    """Draws of the learned function, in miles per gallon: (num_draws, horsepowers)."""
    return torch.stack([in_mpg(network, horsepower) for _ in range(num_draws)])


def judge(network, unseen):
    """On unseen cars: the error of the average function [mpg], and the share of cars
    within two standard deviations of it, a single car's own noise included."""
    draws = draw_functions(network, unseen.column("horsepower"), num_draws=1000)
    error = unseen.y - draws.mean(dim=0)
    std_of_a_car = (draws.var(dim=0) + noise_mpg**2).sqrt()
    inside = (error.abs() < 2 * std_of_a_car).float().mean().item()
    return error.square().mean().sqrt().item(), inside


def spreads(network, horsepowers=(60.0, 90.0, 200.0), num_draws=1000):
    return draw_functions(network, torch.tensor(horsepowers), num_draws).std(dim=0).tolist()


print("spread of the functions [mpg]    at 60 hp    at 90 hp   at 200 hp")
for name, network in [("with the KL", with_kl), ("without the KL", without_kl)]:
    print(f"  {name:27}" + "".join(f"{spread:12.1f}" for spread in spreads(network)))

# %% tags=["figure", "picture"]
show(
    figures.sampled_functions(
        train_cars,
        (test_cars, strong_cars),
        LIMIT,
        grid,
        {
            "trained with the KL": draw_functions(with_kl, grid),
            "trained without the KL": draw_functions(without_kl, grid),
        },
        float(noise_mpg),
        height=(-40, 90),
        name_at=165,
    ),
    alt="Two panels of fuel economy against horsepower, each with 15 drawn functions, their average and a band. With"
    " the KL, the functions lie close together among the training cars and fan out widely beyond 110 horsepower, where"
    " there are none. Without it they are almost one line, which leaves the cars behind and climbs.",
    caption="Thin blue lines: 15 drawn functions. Red: their average. Darker band: ±2 standard deviations of the drawn"
    " functions. Pale band: the same for a single car, its own noise included.",
)
guessed("spread-with-the-kl")
guessed("functions-without-the-kl")

# %% [markdown]
# - **With the KL** the drawn functions agree where there are cars, and fan out where there are none: at 200 hp they
#   spread more than ten times as wide as at 90. The network says "I don't know", at the right place.
# - **Without the KL** the draws lie almost on one another, everywhere. The network has talked itself into one
#   curve. It bends to catch the last few cars before 110 horsepower, runs on with that slope where there are no
#   cars at all, and hardly doubts it there.
#
# Is that of any use? Ask the cars that no network has seen.

# %% tags=["experiment"]
print("unseen cars:                error [mpg]           inside the pale band")
print("                          weak     strong         weak       strong")
for number, network in enumerate(plain_networks, start=1):
    errors = []
    for unseen in (test_cars, strong_cars):
        error = in_mpg(network, unseen.column("horsepower")) - unseen.y
        errors.append(error.square().mean().sqrt().item())
    print(f"ordinary network {number}    {errors[0]:10.1f} {errors[1]:10.1f}         has no band")
judged = {}
for name, network in [("with the KL", with_kl), ("without the KL", without_kl)]:
    judged[name] = judge(network, test_cars), judge(network, strong_cars)
    (weak, inside_weak), (strong, inside_strong) = judged[name]
    print(f"{name:20}{weak:10.1f} {strong:10.1f} {inside_weak:12.0%} {inside_strong:12.0%}")

# %% tags=["claim"]
honest, sure = spreads(with_kl), spreads(without_kl)
assert honest[2] > 10 * honest[1]
assert all(3 * small < large for small, large in zip(sure, honest, strict=True))
(weak, _), (strong, inside) = judged["with the KL"]
(weak_without, _), (strong_without, inside_without) = judged["without the KL"]
assert abs(weak - weak_without) < 0.5
assert strong < 16 < 20 < strong_without
assert inside_without < 0.25 < 0.95 < inside

# %% [markdown]
# On weak cars, like those of the training, all are about equally good. Nobody who looks at the error there would notice
# a difference. On strong cars the network without the KL is far off, and its band, which claims to hold 95 % of the
# cars, holds few of them. It doesn't know that it has left its data. The network with the KL comes far closer, and its
# band holds nearly all.
#
# Be fair to both. How close the average with the KL comes depends on the start: in ten starts that we tried, its error
# on strong cars was 3 to 14 miles per gallon (without the KL it was 28 to 43). And the band is wider than it need be:
# it promises 95 %, and even reaches fuel economies below 0, which a car can't have. No network here knows what a car
# is. "I don't know" is the best answer that it can give about strong cars, and one of the two gives it.

# %% [markdown]
# ## Look inside: how many units are alive?
#
# Where does this spread come from? The prediction is a sum: to the output's bias each of the 20 hidden units adds its
# output times its outgoing weight. So we can draw what each unit adds. A unit that does some of the work adds a curve
# over the horsepower, much the same one in every draw. How many such units will you see?

# %% tags=["figure"]
guess(
    "units-alive",
    "How many of the 20 hidden units does the trained network really use?",
    ["All 20", "About ten", "Three or fewer"],
)


# %% tags=["experiment"]
def draw_contributions(network, horsepower, num_draws=15):
    """What each hidden unit adds to the prediction [mpg]: (num_draws, units, horsepowers)."""
    mean, std = network.second.weight_mean[0], network.second.weight_log_std[0].exp()
    draws = []
    for _ in range(num_draws):
        hidden = F.relu(network.first(inputs(horsepower)))
        outgoing = mean + std * torch.randn_like(mean)
        draws.append((outgoing * hidden).T * scale_y.std)
    return torch.stack(draws).detach()


contributions = draw_contributions(with_kl, grid)

# %% tags=["figure"]
show(
    figures.hidden_units(grid, contributions, LIMIT),
    alt="Twenty small panels, one for each hidden unit, with 15 draws of what it adds to the prediction, against"
    " horsepower. In one panel or a few the draws run together along a slope. In all others they"
    " lie near 0 there, and most fan out to both sides beyond 110 horsepower.",
    caption="Each panel: 15 draws of what one hidden unit adds to the prediction. Grey: the horsepowers of the training"
    " cars.",
)
guessed("units-alive")

# %% [markdown]
# Hardly any unit does any work. A number says the same: the *signal-to-noise ratio* $|\mu|/\sigma$ of
# a unit's outgoing weight. Below 1 not even the weight's sign is certain; let us call such a unit *silent*.
#
# Now silence the silent ones for good: set their outgoing weights to 0, with means of 0 and a log_std of −30. The
# standard deviation $e^{-30}$ is about $10^{-13}$, which float32, with its seven digits, rounds away beside anything
# that counts here. (With −∞ it would be 0 exactly, which not every way to draw allows: `torch.distributions.Normal`
# asks for more.) What will be missing?

# %% tags=["figure"]
guess(
    "what-silencing-takes-away",
    "What changes most when the silent units are removed?",
    ["The error on weak cars", "The spread at 200 hp", "Nothing: they were silent"],
)


# %% tags=["experiment"]
def signal_to_noise(network):
    """|mean| / std of each hidden unit's outgoing weight: (units,)."""
    layer = network.second
    return (layer.weight_mean.abs() / layer.weight_log_std.exp())[0].detach()


def alive(network):
    return signal_to_noise(network) > 1


def without_silent_units(network):
    """A copy in which the silent units' outgoing weights are 0, up to 1e-13."""
    smaller = copy.deepcopy(network)
    with torch.no_grad():
        smaller.second.weight_mean[:, ~alive(network)] = 0.0
        smaller.second.weight_log_std[:, ~alive(network)] = -30.0
    return smaller


ratios = signal_to_noise(with_kl).sort(descending=True).values.tolist()
print("signal-to-noise ratios:", ", ".join(f"{ratio:.1f}" for ratio in ratios[:6]), "…")
print("                              spread [mpg] at              error [mpg] on   in the band,")
print("                         60 hp    90 hp   200 hp   weak cars  strong cars   strong cars")
few = without_silent_units(with_kl)
for name, network in [("all 20 units", with_kl), (f"only the live ones ({alive(with_kl).sum()})", few)]:
    at = "".join(f"{spread:9.1f}" for spread in spreads(network))
    (error, _), (far, inside) = judge(network, test_cars), judge(network, strong_cars)
    print(f"{name:22}{at}{error:11.1f}{far:13.1f}{inside:14.0%}")

# %% tags=["figure"]
guessed("what-silencing-takes-away")

# %% tags=["claim"]
assert 1 <= alive(with_kl).sum() <= 3
assert abs(judge(few, test_cars)[0] - weak) < 0.5
assert spreads(few)[2] < 0.4 * honest[2]

# %% [markdown]
# The error on weak cars stays as it was: the silent units do no work there. But most of the spread at 200 hp is gone.
# It came from *them*. (So did a part of the spread among the cars, and of the average out there: on strong cars, of
# which the network knows nothing, the error may now be quite another.)
#
# **How can a silent unit make so much noise?** The data pull at a unit only where there are cars: there its draws must
# stay near 0. Beyond the cars nothing holds it, and a ReLU that is off at 100 horsepower may be on at 200: there the
# unit adds what its weights, which have gone almost back to the prior, make of it. Look for such a fan among the panels
# above. (From ten starts we found one to
# three live units, and spreads of at most 8 mpg at 200 hp from these alone.)
#
# **Why does training silence them?** Every weight that leaves the prior costs KL. One or two units fit this gentle
# curve; another would gain less in the task loss than it costs. This is known as **over-pruning**, and it goes further
# than is good: Trippe and Turner [7] trace poor fits of mean-field networks to it, and Coker and others [8] prove that,
# for activations such as tanh, a very wide mean-field network ignores the data altogether, and answers with its prior.
#
# So what is the spread, and what isn't it?
#
# - It **is** the prior, held down by the data where there are data, and let through where there are none. For "am I far
#   from my data?" it is a good sign.
# - It **isn't** knowledge of how wrong the prediction is at 200 hp. Its size there depends on the prior and on the
#   number of silent units, which you chose before you saw a car. Nor is it all the doubt that there should be:
#   independent Gaussian weights can't, for one, be unsure in a gap *between* two groups of data [5].
#
# That the size depends on the number of units is a claim. Test it.

# %% [markdown]
# ### Your experiment: another number of units
#
# Run it with 5 units, then change `NUM_UNITS` to 40 (and to whatever you like). Before you run it, guess how three
# numbers will change: live units, spread at 200 hp, total loss. With 20 units they are 1 or 2, about 30 mpg, and
# about 70.

# %% tags=["figure"]
guess(
    "more-units",
    "With 40 hidden units in place of 20, how does the spread at 200 hp change?",
    ["It gets smaller: more units know more", "It stays as it is", "It gets larger"],
)


# %% tags=["experiment"]
NUM_UNITS = 5  # change this, predict, run

another = fresh_network(hidden=NUM_UNITS)
train(another, f"{NUM_UNITS} units")
draws = torch.stack([another(x_train) for _ in range(500)]).detach()
task_loss = ((y_train - draws) ** 2).sum(dim=(1, 2)).mean() / (2 * noise_std**2)
kl = another.kl_divergence().item()
print(f"{NUM_UNITS} units, {alive(another).sum()} of them alive;", end=" ")
print(f"spread at 200 hp {spreads(another)[2]:.0f} mpg")
print(f"task loss {task_loss:.0f} + KL {kl:.0f} = {task_loss + kl:.0f}")

# %% tags=["figure"]
guessed("more-units")

# %% tags=["claim"]
assert alive(another).sum() <= 3
assert spreads(another)[2] < 0.8 * spreads(with_kl)[2]
assert task_loss + kl < 60
draws_of_20 = torch.stack([with_kl(x_train) for _ in range(500)]).detach()
task_loss_of_20 = ((y_train - draws_of_20) ** 2).sum(dim=(1, 2)).mean() / (2 * noise_std**2)
assert 60 < task_loss_of_20 + with_kl.kl_divergence() < 80

# %% [markdown]
# <details><summary>What you should have found</summary>
#
# However many units you give it, it uses one, two or three. The spread at 200 hp grows with the number of units: from
# start to start it differs, but it is roughly 8 to 13 mpg with 3 units, 12 to 16 with 5, 21 to 23 with 10, 27 to 32
# with 20, and about 40 with 40. Nothing was learned in addition, there are only more silent units to whisper. And the
# total loss grows as well, from some 43 with 3 units to about 100 with 40: each silent unit must be held down where
# the cars are, and this costs KL. A smaller total loss is a better lower bound on the evidence: the ELBO prefers the
# small network.
#
# </details>

# %% [markdown]
# ## Why log_std doesn't run to minus infinity
#
# Here is the tug of war itself: `log_std` of every weight and bias, from the first step to the last. The lines are
# coloured by what they belong to: to the live units, or to the silent ones' first or second layer.


# %% tags=["figure"]
def groups(network, history):
    """The columns of a history of log_stds, by what they belong to."""
    live, output_bias = alive(network), torch.tensor([True])
    of_live = torch.cat([live, live, live, output_bias])  # weights, biases, outgoing weights, the output's bias
    is_first = torch.arange(len(of_live)) < 2 * len(live)
    return {
        "live units, output's bias": history[:, of_live],
        "silent units, first layer": history[:, ~of_live & is_first],
        "silent units, second layer": history[:, ~of_live & ~is_first],
    }


show(
    figures.log_std_histories(
        {
            "task loss + KL": groups(with_kl, history_with_kl),
            "task loss only": groups(without_kl, history_without_kl),
        },
        every=EVERY,
    ),
    alt="Two panels over 1,000 training steps. With the KL, all log_stds rise from −3 and settle below 0: those of the"
    " silent units of both layers mostly above −1, those of the live units lower. Without it, their average falls"
    " slowly, and is still falling at the end.",
    caption="One thin line for each weight and bias; the thick black line is their average.",
)

# %% tags=["experiment"]
half = len(history_with_kl) // 2
print("log_std                average      lowest     highest")
for name, history in [("task loss + KL", history_with_kl), ("task loss only", history_without_kl)]:
    for when, row in [("start", history[0]), ("half-way", history[half]), ("end", history[-1])]:
        print(f"{name:15}{when:9}{row.mean():6.2f}{row.min():12.2f}{row.max():12.2f}")
for name, network in [("task loss + KL", with_kl), ("task loss only", without_kl)]:
    print(f"KL divergence at the end, {name}: {network.kl_divergence().item():.0f}")

narrow = log_stds(with_kl) < -1.3
of_live_units = torch.cat([alive(with_kl).repeat(3), torch.tensor([True])])
print(f"With the KL, {narrow.sum()} weights and biases end with log_std below -1.3;", end=" ")
print(f"{(narrow & of_live_units).sum()} of these belong to live units or are the output's bias.")

# %% tags=["claim"]
average, falling = history_with_kl.mean(dim=1), history_without_kl.mean(dim=1)
assert average[0] + 1.5 < average[half]
assert (average[-1] - average[half]).abs() < 0.4
assert falling[-1] < falling[half] - 0.1 < falling[0] - 0.2
assert (narrow & of_live_units).sum() >= 0.5 * narrow.sum()

# %% [markdown]
# With the KL, the log_stds climb away from their start, and then slow down: 0, the prior's, is where the KL alone would
# take them, and whatever the data hold on to stays below that. Without the KL, their average goes down, and nothing
# stops it: the data are fitted best without any noise, and nothing else is asked. (A few lines stay near −3 there:
# those weights hardly get a gradient. All count as live, since nothing sends a unit back to the prior.)
#
# With the KL, two groups appear. The silent units' weights have gone most of the way back to the prior. The data hold
# the weights of the live units, and the narrowest are among these. (Of the four to eight below −1.3, half or more
# belonged to live units in each of five starts. With tanh in place of the ReLU a narrow weight needn't be one that the
# data need: lesson 06 has such a network.)
#
# The reason is in two derivatives. For one weight,
#
# $$
# \frac{\partial\, \mathrm{KL}}{\partial \log \sigma} = \sigma^2 - 1, \qquad
# \frac{\partial\, \mathbb E[\text{task loss}]}{\partial \log \sigma} \approx c\,\sigma^2,
# $$
#
# where $c$ says how strongly the data hold on to this weight: it is the *curvature* of the task loss, its second
# derivative by this weight. (The second formula holds where the task loss is a parabola in the weight: averaged over
# $w = \mu + \sigma\varepsilon$, it gains $\tfrac12 c\,\sigma^2$.) A gradient step moves $\log \sigma$ *against* these.
# The task loss pulls $\log \sigma$ down for every $\sigma$ when $c > 0$. The KL pulls it up with a force that
# approaches 1 as $\sigma \to 0$, while the task loss's pull dies out. They balance at
#
# $$\sigma^2 = \frac{1}{1 + c}.$$
#
# So a weight on which the data have no hold ($c = 0$) returns to the prior's standard deviation, 1. A weight
# that they hold firmly gets narrow. None gets to zero.

# %% [markdown]
# ### Your experiment: one weight, and its balance
#
# A single layer with one input is a case where everything is known. Its task loss is
# $\sum_n (t_n - w x_n - b)^2 / 2\tau^2$, a parabola in $w$ whose second derivative is $c = \sum_n x_n^2 / \tau^2$.
# Run the cell, and see whether training lands on $1/(1 + c)$.
#
# Then change it. How must `NUM_POINTS`, `WIDTH` or `NOISE` change to make $\sigma$ half as large? When does it come
# close to 1?

# %% tags=["experiment"]
NUM_POINTS, WIDTH, NOISE = 20, 1.0, 1.0  # change these, predict, run

torch.manual_seed(0)
x = torch.linspace(-WIDTH, WIDTH, NUM_POINTS)[:, None]
t = 0.7 * x + NOISE * torch.randn(NUM_POINTS, 1)
c = (x.square().sum() / NOISE**2).item()

layer = BayesianLinear(1, 1)
optimizer = torch.optim.Adam(layer.parameters(), lr=0.02, fused=True)
late = []
for step in tqdm(range(1200), desc="one weight", file=sys.stdout, mininterval=0.5):
    loss = ((t - layer(x)) ** 2).sum() / (2 * NOISE**2) + layer.kl_divergence()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step >= 600:
        late.append(layer.weight_log_std.item())
std = torch.tensor(late).mean().exp()
print(f"curvature c = {c:.2f}, so σ should be √(1/(1 + c)) = {(1 / (1 + c)) ** 0.5:.3f}; trained: {std:.3f}")

# %% tags=["claim"]
assert abs(std / (1 / (1 + c)) ** 0.5 - 1) < 0.12

# %% [markdown]
# (The steps are noisy, so we averaged log_std over the second half of the training; the two numbers agree to within
# ten percent or so.)
#
# <details><summary>What halves σ?</summary>
#
# Whatever makes $1 + c$ four times as large. Where $c$ is large that is four times as many points, points twice as far
# out, or half the noise; with the $c$ of about 7 that you started from it takes a bit more: $c$ must grow to
# $4(1 + c) - 1$, a little over 30. And $\sigma$ comes close to 1 when the data say nothing about the weight: few
# points, all near $x = 0$, or drowned in noise. Then it has gone back to the prior.
#
# </details>
#
# **One caution.** In this little network most weights get some gradient, so the average tells the story. In a
# large network many weights hardly get any: without the KL they simply stay where they began, and the median
# over all weights shows nothing. Look at the lowest values then, and at the drawn functions.

# %% [markdown]
# ## What goes wrong in practice
#
# **1. The two parts of the loss are scaled differently.** The most common mistake, and a silent one. The total
# loss is a sum over the *whole training set* plus *one* KL.
#
# - *KL averaged over the weights* (`.mean()` where `.sum()` belongs): the KL is then too weak, by a factor of
#   the number of weights.
# - *Task loss averaged over the examples* plus the full KL: the KL is then too strong, by a factor of the number
#   of examples. (`F.mse_loss` in its default setting averages, and leaves out $1/2\tau^2$ as well.)
# - *Mini-batches*: a batch holds only a share of the task loss, so its sum must be scaled up. Lesson 04 trains that
#   way.
#
# **2. A start that is far off.** Start log_std at 0, and the first draws are mostly noise. Start it far below
# −3, and the layer looks deterministic until the KL has pulled log_std up: only the KL lifts it, with a force of at
# most 1 per weight. With plain gradient descent this can take longer than you train.
#
# Let us measure both. Averaging the task loss over 40 cars has the same optimum as counting the KL 40 times, so
# `kl_count` can stand for these mistakes. You test each network as one usually does, on more cars like those of the
# training.

# %% tags=["figure"]
guess(
    "the-mistake-that-hides",
    "Which mistake can't be seen in the error on unseen weak cars?",
    ["KL averaged over the weights", "Task loss averaged over the cars", "Both are seen"],
)

# %% tags=["experiment"]
num_weights = log_stds(with_kl).numel()
averaged_kl = f"KL averaged over {num_weights} weights"
averaged_task = f"task loss averaged over {len(train_cars)} cars"
runs = {
    averaged_kl: (fresh_network(), 1 / num_weights),
    averaged_task: (fresh_network(), float(len(train_cars))),
    "log_std starts at -8": (fresh_network(log_std=-8.0), 1.0),
    "log_std starts at 0": (fresh_network(log_std=0.0), 1.0),
}
histories = {name: train(network, name, kl_count) for name, (network, kl_count) in runs.items()}

# %% tags=["experiment"]
networks = {"as it should be": with_kl} | {name: network for name, (network, _) in runs.items()}
histories["as it should be"] = history_with_kl
measured = {}
print("                                   spread      error [mpg]     in the band     average log_std")
print("                                  at 90 hp    weak  strong    weak  strong    half-way    end")
for name, network in networks.items():
    weak, strong = judge(network, test_cars), judge(network, strong_cars)
    spread, log_std = spreads(network)[1], histories[name].mean(dim=1)
    measured[name] = spread, weak[0], strong[0], weak[1], strong[1], log_std[-1].item()
    print(f"{name:34}{spread:8.1f}{weak[0]:8.1f}{strong[0]:8.1f}", end="")
    print(f"{weak[1]:8.0%}{strong[1]:8.0%}{log_std[half]:12.2f}{log_std[-1]:7.2f}")

# %% tags=["figure"]
guessed("the-mistake-that-hides")

# %% tags=["claim"]
right = measured["as it should be"]
assert measured[averaged_kl][0] < 0.5 * right[0]
assert abs(measured[averaged_kl][1] - right[1]) < 0.5
assert measured[averaged_kl][2] > 20
assert measured[averaged_kl][4] < 0.25
assert measured[averaged_task][0] > 3 * right[0]
assert measured[averaged_task][1] > right[1] + 1
assert abs(measured["log_std starts at -8"][5] - right[5]) < 0.15
assert measured["log_std starts at 0"][0] > 1.2 * right[0]
assert measured["log_std starts at 0"][1] > right[1] + 0.5

# %% [markdown]
# (Each number comes from fresh draws, so last digits differ from those above.)
#
# **Averaging the KL** is the mistake that hides: on weak cars the error is as good as any. Only the spread gives it
# away, and the strong cars do: the network is sure, and wrong. (Of six starts, five went wrong so; in the sixth its one
# line happened to lead to the strong cars.) **Averaging the task loss** does the opposite: the KL
# wins and pulls the functions most of the way back to the prior's, wide and useless, and the error grows. Neither
# raises an exception.
#
# The start at −8 comes to the same error on weak cars, with a spread that is a little small yet. (On strong cars the
# error differs from start to start, as you know.) The start at 0 isn't there: its functions are still too wide, and its
# error on weak cars is larger. (From six starts, the spread at 90 hp was larger by 5 to 80 %, the error by 0.7 to 1.6
# mpg.) Adam helps both, since its steps are about equally long however small a gradient is. Don't count on it with
# another optimiser, or with fewer steps.
#
# **3. Predicting from one draw.** One forward pass is one opinion. Average the outputs of many passes. (For
# classes: average the probabilities, not what goes into the softmax.)
#
# **4. Expecting `eval()` to switch the noise off.** It doesn't, and it shouldn't: the draws *are* the
# prediction. In evaluation you want many of them. `torch.no_grad()` is welcome, since you need no gradients.


# %% tags=["experiment"]
def root_mean_square(error):
    return error.square().mean().sqrt().item()


draws = draw_functions(with_kl, test_cars.column("horsepower"))
single = [root_mean_square(draw - test_cars.y) for draw in draws]
print(f"error of one draw:             {sum(single) / len(single):.2f} mpg on average", end=", ")
print(f"{min(single):.2f} to {max(single):.2f} over {len(single)} draws")
print(f"error of the average of draws: {root_mean_square(draws.mean(dim=0) - test_cars.y):.2f} mpg")

with_kl.eval()
first, second = draw_functions(with_kl, torch.tensor([90.0]), num_draws=2)
print(f"in eval() mode, two passes for a car of 90 hp: {first.item():.1f} and {second.item():.1f} mpg")

# %% [markdown]
# ## Questions to think about
#
# **1.** You train with the KL, and for one weight log_std ends near 0 and the mean near 0. What does this tell
# you about the weight? Could you remove it?
#
# <details><summary>Answer</summary>
#
# Its distribution is nearly the prior, $\mathcal N(0, 1)$: the data have taught the network nothing about it
# that was worth the KL. It carries no signal, only noise, so it is a good candidate for removal. Still, measure
# it: when you silenced the silent units above, the fit stayed and the doubt about strong cars shrank. Lesson 07
# removes weights by their signal-to-noise ratio, $|\mu|/\sigma$, and shows what this costs.
#
# </details>
#
# **2.** Suppose you had ten times as many cars, spread over the same horsepowers. What happens to the task
# loss, to the KL, and to the balance between them?
#
# <details><summary>Answer</summary>
#
# The task loss is a sum over cars, so it grows tenfold, and with it the curvature $c$. The KL's formula is
# unchanged. The balance $\sigma^2 = 1/(1 + c)$ moves to smaller standard deviations: more data, more certainty.
# With the *mean* of the task loss in place of the sum this would not happen; the layer would stay as unsure
# with a million cars as with forty. And more units may be worth their KL: what silences a unit is that the data
# gain less from it than it costs.
#
# </details>
#
# **3.** A row of the input is all zeros. What is the variance of the output? And why is the same draw used for
# all rows of the batch?
#
# <details><summary>Answer</summary>
#
# From the formula above, $\operatorname{Var}[y_o] = \sum_i 0 + (\sigma_b)_o^2$: only the bias's noise is left. In the
# slider's picture it is the neck of the fan, at $x = 0$.
#
# One draw of the weights is one function, applied to every row: this is why a pass over a grid gives a whole
# curve. For the *gradient* it has a price, as all rows share the same noise. Lesson 05 gives each row its own.
#
# </details>

# %% [markdown]
# ## Where this comes from
#
# 1. C. Blundell, J. Cornebise, K. Kavukcuoglu, D. Wierstra: *Weight Uncertainty in Neural Networks*, ICML 2015.
#    Section 3, equation 1: the loss. Section 3.1, equation 2: its estimate from draws. Section 3.2: the steps of
#    your `forward`, with softplus in place of exp. Section 3.4: mini-batches and the weight of the KL.
# 2. D. P. Kingma, M. Welling: *Auto-Encoding Variational Bayes*, ICLR 2014. Section 2.4: the reparameterization
#    trick. Appendix B: the closed form of the KL between Gaussians.
# 3. A. Graves: *Practical Variational Inference for Neural Networks*, NeurIPS 2011. Sections 3 and 4: the same
#    loss, as an error loss plus a complexity loss. Section 5.2: Gaussian weights.
# 4. J. R. Quinlan: *Combining Instance-Based and Model-Based Learning*, ICML 1993. The cars: Auto MPG, UCI Machine
#    Learning Repository, CC BY 4.0, as it ships in mlxtend.
# 5. A. Y. K. Foong, D. R. Burt, Y. Li, R. E. Turner: *On the Expressiveness of Approximate Inference in Bayesian
#    Neural Networks*, NeurIPS 2020. Theorem 1: what independent Gaussian weights can't express; for one, doubt that
#    is larger *between* two groups of data than at them.
# 6. B. Lakshminarayanan, A. Pritzel, C. Blundell: *Simple and Scalable Predictive Uncertainty Estimation using Deep
#    Ensembles*, NeurIPS 2017.
# 7. B. Trippe, R. Turner: *Overpruning in Variational Bayesian Neural Networks*, 2018, arXiv:1801.06230.
# 8. B. Coker, W. P. Bruinsma, D. R. Burt, W. Pan, F. Doshi-Velez: *Wide Mean-Field Bayesian Neural Networks Ignore
#    the Data*, AISTATS 2022.
#
# **Next:** [lesson 04](04_bayes_by_backprop.ipynb) trains with mini-batches, learns what keeps the procedure honest,
# and compares it with a case whose exact answer is known.

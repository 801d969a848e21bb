# %% [markdown]
# # 03 · A layer whose weights are distributions
#
# An ordinary linear layer stores one number for each weight, and acts as if that number were certain. What does
# a layer look like that stores *how sure it is* of each weight, and lets this show in its output?
#
# **Time:** about 60 minutes. **Difficulty:** ●●●○○. You write one class with three methods, about fifteen lines
# in all.
#
# **You need:** PyTorch's `nn.Module` and `nn.Parameter`, and how a training loop works. Two ideas come from
# earlier lessons: drawing a Gaussian number so that gradients pass through (lesson 01), and the KL divergence
# (lesson 02). Both are explained again here, briefly. You don't have to have solved those lessons.

# %% tags=["setup"]
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from tqdm import tqdm

from bnn_core import datasets
from bnn_core.autograder import check
from bnn_core.figures import bayesian_linear as figures
from bnn_core.figures import show

_ = torch.manual_seed(0)

# %% [markdown]
# ## Three networks that cannot say "I don't know"
#
# Here is a small, real problem: predict a car's fuel economy, in miles per gallon, from the power of its
# engine, in horsepower. The data are cars of the 1970s (the Auto MPG data set). We keep 40 weak cars, of at most 110
# horsepower, for training. The other weak cars, and all stronger cars, are for testing.
#
# Networks learn best from numbers near 1. So we *standardise* both quantities: subtract the mean, divide by the
# standard deviation.

# %% tags=["setup"]
LIMIT = 110  # horsepower
cars = datasets.auto_mpg()
is_weak = cars.column("horsepower") <= LIMIT
train_cars, test_cars = cars.at(is_weak).split(40, seed=0)
strong_cars = cars.at(~is_weak)

scale_x = datasets.Standardizer.of(train_cars.column("horsepower"))
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
# weights.


# %% tags=["figure"]
def train_plain_network(seed):
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 1))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(1500):
        optimizer.zero_grad()
        F.mse_loss(network(x_train), y_train).backward()
        optimizer.step()
    with torch.no_grad():
        return scale_y.undo(network(inputs(grid)))[:, 0]


plain_curves = torch.stack([train_plain_network(seed) for seed in (1, 2, 3)])
show(
    figures.plain_networks(train_cars, LIMIT, grid, plain_curves),
    alt="Fuel economy against horsepower: 40 cars below 110 horsepower, and the curves of three networks. They lie"
    " close together among the cars, and move apart beyond 110 horsepower, where there are none.",
)
for horsepower in (80, 200):
    answers = plain_curves[:, (grid - horsepower).abs().argmin()]
    print(f"At {horsepower} hp they say " + ", ".join(f"{answer:.1f}" for answer in answers) + " miles per gallon.")
near_200 = (cars.column("horsepower") - 200).abs() <= 20
print(f"Cars of 180 to 220 hp really manage {cars.y[near_200].mean():.1f} on average.")

# %% [markdown]
# In the middle of the training cars, the three networks say nearly the same. Beyond the last training car they
# guess, and they guess differently. Yet each of them states its guess as one exact number, in the same voice as
# before. Strong cars really do far worse than all three say. **Nothing in a single ordinary network tells you
# which of its answers are guesses.**
#
# The three differ because many different weights fit the 40 cars about equally well. Training picked one set of
# weights and forgot the others. So let us try not to forget them.

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
    caption="Left: the weight's distribution. Middle: 30 draws of the layer. Right: 4,000 draws of y at x = 2.",
)

# %% [markdown]
# One weight with a spread turns one line into a fan of lines. The fan is narrow near $x = 0$, and it widens as
# $x$ moves away from 0 on either side. This is what the ordinary networks lacked: a way to give *several*
# answers, more alike in some places than in others.
#
# At `weight_log_std` $= -3$ the weight hardly shows: at $x = 2$ the standard deviation of $y$ is
# $\sqrt{0.3^2 + (2 \cdot 0.05)^2} \approx 0.32$, and the bias alone makes 0.3 of it.

# %% [markdown]
# ## The idea: store a distribution, draw a weight
#
# A **Bayesian linear layer** does what `nn.Linear` does, with three changes.
#
# 1. **It stores two numbers per weight in place of one**: a mean, and the logarithm of a standard deviation.
#    Why the logarithm? A standard deviation must be positive. Its logarithm may be any number, so the optimiser
#    can move it freely, and $\exp(\cdot)$ always gives back something positive.
# 2. **Each forward pass draws fresh weights**, and uses them as an ordinary layer would. Two passes with the
#    same input give two different outputs. The drawn weights are used once and thrown away.
# 3. **It can say how far it is from what we believe before we see data.** That belief is the *prior*:
#    each weight is Gaussian with mean 0 and standard deviation 1. The distance is the *KL divergence*, a single
#    number that is 0 when the layer believes exactly the prior, and grows as it commits itself. (Your layer will
#    start narrow, for a calm beginning, so it will be some way from the prior before it has learned anything.)
#
# Training changes the stored means and log standard deviations, not the drawn weights. It is a tug of war:
#
# - the **task loss** wants weights that fit the data in every draw; randomness makes the fit worse, so it pulls
#   the standard deviations *down*;
# - the **KL divergence** charges for being more certain than the prior, so it pulls the standard deviations
#   back *up* towards the prior's, and the means towards 0.
#
# A weight that the data need comes out narrow. A weight that the data say nothing about ends up as wide as the
# prior. Training with this sum is called **Bayes by Backprop** [1]. It is a kind of *variational inference*: we
# don't compute the exact distribution of the weights given the data (the *posterior*), we look for the best one
# among a simple kind, here independent Gaussians.

# %% [markdown]
# ## The mathematics
#
# **Symbols.** $I$ is `in_features`, $O$ is `out_features`, $B$ is the number of rows in the batch.
#
# | Symbol | In code | Shape | What it is |
# |---|---|---|---|
# | $x$ | `x` | $(B, I)$ | the input |
# | $M$ | `weight_mean` | $(O, I)$ | the means of the weights, learned |
# | $S$ | `weight_log_std` | $(O, I)$ | the logarithms of their standard deviations, learned |
# | $m$ | `bias_mean` | $(O,)$ | the means of the biases, learned |
# | $s$ | `bias_log_std` | $(O,)$ | the logarithms of their standard deviations, learned |
# | $E,\ e$ | `epsilon` | $(O, I)$, $(O,)$ | independent draws from $\mathcal N(0, 1)$, new in every pass |
# | $W,\ b$ | | $(O, I)$, $(O,)$ | the weights and biases drawn for this pass |
# | $y$ | | $(B, O)$ | the output |
#
# The shape $(O, I)$, outputs first, is how `nn.Linear` stores its weight.
#
# **Drawing weights.** We don't ask for a draw from $\mathcal N(M, \exp(S)^2)$ directly. We draw noise that
# depends on nothing, then shift and stretch it:
#
# $$W = M + \exp(S) \odot E, \qquad b = m + \exp(s) \odot e$$
#
# ($\odot$ multiplies element by element.) The result has the right distribution, and it is an ordinary
# differentiable function of $M$ and $S$. For one weight $w = \mu + \exp(\rho)\,\epsilon$ (so $\mu$ is an
# element of $M$, and $\rho$ the same element of $S$):
#
# $$\frac{\partial w}{\partial \mu} = 1, \qquad \frac{\partial w}{\partial \rho} = \exp(\rho)\,\epsilon$$
#
# This is the **reparameterization trick** [2]. `backward()` does the rest.
#
# **The output** is that of a linear layer with the drawn weights, the same draw for all rows of the batch:
#
# $$y = x W^\top + b$$
#
# Its mean and variance, over draws, explain the fan that you saw. For one row of $x$ and output number $o$:
#
# $$
# \mathbb E[y_o] = \sum_{i=1}^{I} x_i M_{oi} + m_o, \qquad
# \operatorname{Var}[y_o] = \sum_{i=1}^{I} x_i^2 \exp(2 S_{oi}) + \exp(2 s_o)
# $$
#
# **The KL divergence** of one weight's distribution $q = \mathcal N(\mu, \sigma^2)$, where
# $\sigma = \exp(\rho)$, from the prior $p = \mathcal N(0, 1)$:
#
# $$\mathrm{KL}(q \,\|\, p) = \tfrac12 \left(\mu^2 + \sigma^2 - 1 - 2 \log \sigma\right)$$
#
# The weights and biases are independent, so the layer's KL is the **sum** of this over all $O \cdot I$ weights
# and all $O$ biases: one number.
#
# **The total loss** on $N$ training examples with targets $t_n$ and Gaussian noise of standard deviation $\tau$
# (how far a target typically lies from the true curve):
#
# $$
# \text{total} = \underbrace{\sum_{n=1}^{N} \frac{(t_n - y_n)^2}{2\tau^2}}_{\text{task loss}}
# + \underbrace{\mathrm{KL}}_{\text{once}}
# $$
#
# The task loss is $-\log$ of the probability of the targets, without a constant: the logarithm of a Gaussian density
# is $-(t - y)^2 / 2\tau^2$ plus a constant. Each $y_n$ comes from this pass's draw of the weights, so the task loss is
# a noisy estimate of its average over draws, $\mathbb E[\text{task loss}]$. It is a **sum over the whole
# training set**, and the KL is counted **once** for the whole training set. We look at the scaling again below,
# because it is where most people slip.

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
# - In code, $\sigma = \exp(\rho)$ is `torch.exp(log_std)`, and $\log \sigma$ is simply `log_std`: you never
#   need to take a logarithm.
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
# Before training, look at the four things that you should be able to say about it: the output has the right
# shape, two passes differ, the KL is one number, and the total loss sends gradients to all four parameters.

# %% tags=["experiment"]
layer = BayesianLinear(in_features=3, out_features=2)
x = torch.randn(5, 3)
target = torch.randn(5, 2)

print("output shape:  ", tuple(layer(x).shape))
for when in ("one pass:      ", "the next pass: "):
    print(when, [round(value, 4) for value in layer(x)[0].tolist()], "for the first row")
print(f"KL divergence:  {layer.kl_divergence().item():.2f}, a tensor of shape", tuple(layer.kl_divergence().shape))

task_loss = 0.5 * ((target - layer(x)) ** 2).sum()  # τ = 1
total_loss = task_loss + layer.kl_divergence()
total_loss.backward()
print(f"total loss:     {total_loss.item():.2f}")
for name, parameter in layer.named_parameters():
    print(f"gradient of {name:15} shape {tuple(parameter.grad.shape)}, largest {parameter.grad.abs().max():.2f}")

# %% [markdown]
# ## Train it on the cars
#
# Now build a network from *your* layer: two of them, with a tanh between. Its KL divergence is the sum of its
# layers' KL divergences.
#
# The task loss needs $\tau$, the noise: how far cars scatter about the curve. We can measure it, because many
# cars share a horsepower. Such cars get the same input, so no function of horsepower can tell them apart, and
# their spread about their own average is noise. We measure it on all cars, those for testing among them, and take
# it as known from here on: $\tau$ is `noise_std` in the code.


# %% tags=["experiment"]
class Network(nn.Module):
    """1 → hidden → 1, with a tanh between two Bayesian layers."""

    def __init__(self, hidden=20):
        super().__init__()
        self.first = BayesianLinear(1, hidden)
        self.second = BayesianLinear(hidden, 1)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))

    def kl_divergence(self):
        return self.first.kl_divergence() + self.second.kl_divergence()


same_power = [cars.y[cars.column("horsepower") == power] for power in cars.column("horsepower").unique()]
deviations = torch.cat([economy - economy.mean() for economy in same_power])
noise_mpg = (deviations.square().sum() / (len(cars) - len(same_power))).sqrt()
noise_std = noise_mpg / scale_y.std
print(f"Cars of equal horsepower scatter by {noise_mpg:.1f} miles per gallon: {noise_std:.2f} in standardised units.")

# %% [markdown]
# The training loop is the usual one. The one new thing is the line that makes the total loss.
#
# To make your pictures comparable with the text, every run starts from the same kind of initial values,
# whatever your `__init__` chose. The loop also writes down all log_stds every 20 steps. `kl_weight` is 1, as
# the mathematics says, except where we do it wrong on purpose.

# %% tags=["experiment"]
STEPS, EVERY = 1500, 20


def log_stds(network):
    """The log_std of every weight and bias, in one row."""
    return torch.cat([p.detach().flatten() for name, p in network.named_parameters() if name.endswith("log_std")])


def fresh_network(log_std=-3.0):
    torch.manual_seed(1)
    network = Network()
    for name, parameter in network.named_parameters():
        if name.endswith("log_std"):
            nn.init.constant_(parameter, log_std)
        else:
            nn.init.normal_(parameter, std=0.5)
    return network


def train(network, label, kl_weight=1.0):
    """Train on all the cars at once. Returns the log_stds every 20 steps, one row each."""
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    history = [log_stds(network)]
    for step in tqdm(range(1, STEPS + 1), desc=label, file=sys.stdout, mininterval=0.5):
        task_loss = ((y_train - network(x_train)) ** 2).sum() / (2 * noise_std**2)
        total_loss = task_loss + kl_weight * network.kl_divergence()
        optimizer.zero_grad()
        total_loss.backward()
        optimizer.step()
        if step % EVERY == 0:
            history.append(log_stds(network))
    return torch.stack(history)


with_kl, without_kl = fresh_network(), fresh_network()
history_with_kl = train(with_kl, "task loss + KL")
history_without_kl = train(without_kl, "task loss only", kl_weight=0.0)

# %% [markdown]
# ## What it learned: not a curve, but many
#
# One forward pass over a whole grid of horsepowers uses one draw of the weights. So it gives one whole
# function. Two hundred passes give two hundred functions, each of which the network holds to be possible. Their
# average is the prediction. Their spread is how unsure the network is of the function.


# %% tags=["experiment", "picture"]
def draw_functions(network, horsepower, num_draws=200):
    """Draws of the learned function, in miles per gallon: (num_draws, number of horsepowers)."""
    with torch.no_grad():
        return torch.stack([scale_y.undo(network(inputs(horsepower)))[:, 0] for _ in range(num_draws)])


def root_mean_square(error):
    return error.square().mean().sqrt().item()


def inside_band(network, cars):
    """The share of cars within two standard deviations of the prediction, the cars' own noise included."""
    draws = draw_functions(network, cars.column("horsepower"))
    total_std = (draws.var(dim=0) + noise_mpg**2).sqrt()
    return ((cars.y - draws.mean(dim=0)).abs() < 2 * total_std).float().mean().item()


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
    ),
    alt="Two panels of fuel economy against horsepower, each with 15 drawn functions, their average and a band. With"
    " the KL, the functions differ from each other. Without it, they lie so close that they look like one line.",
    caption="Thin blue lines: 15 drawn functions. Darker band: ±2 standard deviations of the drawn functions."
    " Pale band: the same for a single car, its own noise included.",
)

powers = torch.tensor([60.0, 90.0, 200.0])
print("Spread (standard deviation) of the drawn functions, in miles per gallon")
for name, network in [("with the KL", with_kl), ("without the KL", without_kl)]:
    spread = draw_functions(network, powers).std(dim=0)
    parts = [f"{std:.1f} at {power:.0f} hp" for std, power in zip(spread, powers, strict=True)]
    print(f"  {name:15}" + ",  ".join(parts))
print("Unseen cars inside the pale band (95 % is what it promises)")
for name, network in [("with the KL", with_kl), ("without the KL", without_kl)]:
    weak, strong = inside_band(network, test_cars), inside_band(network, strong_cars)
    print(f"  {name:15}{weak:.0%} of weak cars,  {strong:.0%} of strong cars")

# %% [markdown]
# Compare the two panels.
#
# - **With the KL** the drawn functions truly differ, and the band holds about as many unseen cars as it
#   promises.
# - **Without the KL** the draws lie almost on one another. The network has talked itself into one curve: beyond
#   110 horsepower it guesses, as the ordinary networks did, and doesn't say so.
#
# Be fair to both. With the KL, the spread grows beyond the data, but not by much, though there we know nothing.
# And the average is wrong for strong cars: they lie low in the band, which is wide enough to hold them. That is no
# good prediction; it is an honest one. (How many strong cars the other network holds depends much on where we cut. We
# cut at 110 horsepower because the contrast is plain there.) Independent Gaussian weights are a
# simple kind of distribution, and can't express all the doubt that there should be [5]. Nor is a wide band a
# merit in itself: it should be as wide as the errors are large.

# %% [markdown]
# ## Why log_std doesn't run to minus infinity
#
# Here is the tug of war itself: `log_std` of every weight and bias, from the first step to the last.

# %% tags=["experiment"]
show(
    figures.log_std_histories({"task loss + KL": history_with_kl, "task loss only": history_without_kl}, every=EVERY),
    alt="Three panels. With the KL, the log_stds rise from −3, spread out and settle below 0. Without it, their"
    " average falls, and is still falling at the end. The third panel shows the start, one line at −3, and the two"
    " groups at the end, above and below it.",
    caption="One thin line for each weight and bias; the thick black line is their average.",
)

print("log_std             average      lowest      highest")
half = len(history_with_kl) // 2
for name, history in [("task loss + KL", history_with_kl), ("task loss only", history_without_kl)]:
    for when, row in [("start", history[0]), ("half-way", history[half]), ("end", history[-1])]:
        print(f"{name:15}{row.mean():12.2f}{row.min():12.2f}{row.max():12.2f}   {when}")
for name, network in [("task loss + KL", with_kl), ("task loss only", without_kl)]:
    print(f"KL divergence at the end, {name}: {network.kl_divergence().item():.0f}")
back = (history_with_kl[-1] > -0.5).sum().item()
print(f"With the KL, {back} of {history_with_kl.shape[1]} weights and biases end at log_std > -0.5, near the prior.")

# %% [markdown]
# With the KL, the log_stds climb away from their start, then stop: between half-way and the end their average
# moves little. Without the KL, their average goes down, and it is still going down at the end. More
# steps would carry them further down: the data are fitted best without any noise, and nothing else is asked.
#
# With the KL, two groups appear. Many weights have gone back to the prior, log_std close to 0: the network doesn't
# need them. The others the data hold, and they stay narrower.
#
# The reason is in two derivatives. For one weight with $\sigma = \exp(\rho)$,
#
# $$
# \frac{\partial\, \mathrm{KL}}{\partial \rho} = \sigma^2 - 1, \qquad
# \frac{\partial\, \mathbb E[\text{task loss}]}{\partial \rho} \approx c\,\sigma^2,
# $$
#
# where $c$ says how strongly the data hold on to this weight. (The second holds where the task loss is a
# parabola in the weight, of curvature $c$; for a linear layer it is exact.) A gradient step moves $\rho$
# *against* these. The task loss pulls $\rho$ down for every $\sigma$ when $c > 0$. The KL pulls it up with a
# force that approaches 1 as $\sigma \to 0$, while the task loss's pull dies out. They balance at
#
# $$\sigma^2 = \frac{1}{1 + c}.$$
#
# So a weight on which the data have no hold ($c = 0$) returns to the prior's standard deviation, 1. A weight
# that they hold firmly gets narrow. None gets to zero.
#
# **One caution.** In this little network every weight gets some gradient, so the average tells the story. In a
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
# - *Mini-batches*: a batch of $B$ examples out of $N$ holds only a share of the task loss. Either multiply its
#   sum by $N/B$ or, which comes to the same, the KL by $B/N$. If you don't, the KL counts once per batch, $N/B$
#   times too often. Lesson 04 trains that way.
#
# **2. A start that is far off.** Start log_std at 0, and the first draws are mostly noise. Start it far below
# −3, and the layer looks deterministic until the KL has pulled log_std up: only the KL lifts it, with a force of at
# most 1 per weight. With plain gradient descent this can take longer than you train.
#
# Let us measure both. Each row is one training run of the same length. Averaging the task loss over 40 cars has
# the same optimum as counting the KL 40 times, so `kl_weight` can stand for all these mistakes.

# %% tags=["experiment"]
num_weights = log_stds(with_kl).numel()
runs = {
    "as it should be": with_kl,
    f"KL averaged over {num_weights} weights": fresh_network(),
    f"task loss averaged over {len(train_cars)} cars": fresh_network(),
    "log_std starts at -8": fresh_network(log_std=-8.0),
    "log_std starts at 0": fresh_network(log_std=0.0),
}
kl_weights = [1.0, 1 / num_weights, float(len(train_cars)), 1.0, 1.0]
histories = {}
for (name, network), kl_weight in zip(runs.items(), kl_weights, strict=True):
    histories[name] = history_with_kl if network is with_kl else train(network, name, kl_weight)

print(f"\n{'':36}spread of functions   error on    weak cars   average log_std")
print(f"{'':36}at 90 hp [mpg]        weak [mpg]  in band     half-way   end")
for name, network in runs.items():
    draws = draw_functions(network, test_cars.column("horsepower"))
    error = root_mean_square(draws.mean(dim=0) - test_cars.y)
    spread = draw_functions(network, torch.tensor([90.0])).std().item()
    average = histories[name].mean(dim=1)
    covered = inside_band(network, test_cars)
    print(f"{name:36}{spread:8.1f}{error:19.1f}{covered:12.0%}{average[half]:13.2f}{average[-1]:9.2f}")

prior = fresh_network(log_std=0.0)
for name, parameter in prior.named_parameters():
    if name.endswith("mean"):
        nn.init.zeros_(parameter)
print(f"{'the prior itself, untrained':36}{draw_functions(prior, torch.tensor([90.0])).std().item():8.1f}")

# %% [markdown]
# (Each number comes from fresh draws, so last digits differ from those above.)
#
# Averaging the KL leaves hardly any spread. Averaging the task loss does the opposite: the KL wins, the functions
# are on their way back to the prior's, wide and useless, and the error grows. Neither raises an exception.
#
# The start at −8 comes near the right answer, though later: see its average half-way. The start at 0 isn't there
# yet: its functions are still clearly wider. Adam helps both, since its steps are about equally long
# however small a gradient is. Don't count on it with another optimiser, or with fewer steps.
#
# **3. Predicting from one draw.** One forward pass is one opinion. Average the outputs of many passes. (For
# class probabilities: average the probabilities, not the logits.)
#
# **4. Expecting `eval()` to switch the noise off.** It doesn't, and it shouldn't: the draws *are* the
# prediction. In evaluation you want many of them. `torch.no_grad()` is welcome, since you need no gradients.

# %% tags=["experiment"]
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
# it: the noise is part of what the network was trained with. Lesson 07 removes weights by their signal-to-noise
# ratio, $|\mu|/\sigma$, and shows what this costs.
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
# with a million cars as with forty.
#
# </details>
#
# **3.** A row of the input is all zeros. What is the variance of the output? And why is the same draw used for
# all rows of the batch?
#
# <details><summary>Answer</summary>
#
# From the formula above, $\operatorname{Var}[y_o] = \sum_i 0 + \exp(2 s_o)$: only the bias's noise is left. In
# the slider's picture it is the neck of the fan, at $x = 0$.
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
#    Neural Networks*, NeurIPS 2020. Theorem 1: what independent Gaussian weights can't express.
#
# **Next:** lesson 04 trains with mini-batches, learns what keeps the procedure honest, and compares it with a
# case whose exact answer is known.

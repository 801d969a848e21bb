# %% [markdown]
# # 04 · Bayes by Backprop
#
# How is a network of uncertain weights trained on batches of data? And what keeps it honest: why doesn't it talk
# itself into being certain?
#
# **Time:** about 130 minutes. **Difficulty:** ●●●○○. You write two short functions, about eight lines in all.
#
# **You need:** a PyTorch training loop. From earlier lessons: the logarithm of a Gaussian density (lesson 00), the KL
# divergence (lesson 02), and the layer `BayesianLinear` (lesson 03). We import all three, so you don't have to have
# solved those lessons.

# %% tags=["setup"]
import copy
import math
import sys

import torch
import torch.nn as nn
from tqdm import tqdm

from bnn_core import BayesianLinear, datasets, gaussian_log_prob
from bnn_core.autograder import check
from bnn_core.figures import bayes_by_backprop as figures
from bnn_core.figures import show
from bnn_core.guesses import guess, guessed

_ = torch.manual_seed(0)
torch.set_num_threads(1)  # the tensors are small

# %% [markdown]
# ## How often does the KL count?
#
# Lesson 03 trained with the sum of a task loss, over all the data, and the KL divergence, counted once. It is easy to
# count otherwise, without wanting to: a mean in place of a sum does it, or a batch in place of the data. Nothing
# crashes, and the network learns something. But what?
#
# Take the smallest case. The data are points near a line, and the model is $y = w x$ with one weight. The weight has a
# Gaussian *prior*, $\mathcal N(0, 1)$: what is believed about $w$ before any point is seen. And the noise is known.
# Here the *posterior*, what one should believe about $w$ once one has seen the points, can be computed exactly. It is
# the orange hill. The blue curve is the distribution that training looks for when it counts the KL as often as the
# second slider says. (Both are *densities*: where the curve is high, values of $w$ are likely. They are scaled to one
# height.) The first slider sets the number of points, the second the count of the KL, as a power of ten.
#
# - Where do blue and orange agree? Does that depend on the number of points?
# - What do the 30 drawn lines do when the KL counts for a hundredth? And when it counts a hundred times?

# %% tags=["figure"]
figures.kl_slider()

# %% [markdown]
# The same picture at three settings, in case the sliders don't run where you read this:

# %% tags=["figure"]
show(
    figures.kl_settings(),
    alt="Three rows for 40 points near a line. KL counted 0.01 times: the drawn lines lie on each other, and the"
    " weight's density is a spike inside the posterior's hill. Counted once: the two densities agree. Counted 100"
    " times: the lines fan out widely, and the density is broad and lies nearer to 0.",
    caption="Left: the points and 30 drawn lines. Right: the density of w that training looks for (blue) and the"
    " posterior (orange).",
)

# %% [markdown]
# Blue and orange agree at a count of 1, whatever the number of points, and nowhere else. With a hundredth of the KL the
# model is surer than the points allow. With a hundred KLs the lines fan out as if there were hardly any points. **The
# count is not a matter of taste. Where independent Gaussians can hold the posterior, one value gives the right answer,
# and every other value is an error**, which no exception will report. (In a large network they can't hold it, and a
# smaller count may do better: [lesson 07](07_knowing_what_it_does_not_know.ipynb) meets such a case.)

# %% [markdown]
# ## The idea: a batch that speaks for everyone
#
# **Bayes by Backprop** [1] is ordinary training, with three differences.
#
# 1. The layers draw their weights anew in each pass. So the loss is a random number, and its gradient points in the
#    right direction only *on average*. That is enough: gradient descent with small steps averages.
# 2. The loss has two parts, the task loss and the KL.
# 3. The data may be too many for one pass. Then a *mini-batch*, a few examples drawn at random, speaks for everyone.
#
# The third point is small, and it is where most people slip. Below, the task loss of twelve targets is cut into
# batches. Before you run it: what does the sum of a batch of 4 make of the sum of all, on average?

# %% tags=["experiment"]
twelve = torch.linspace(-2.0, 2.0, 12).sin() + 0.3
task_losses = -gaussian_log_prob(twelve, 0.0, 1.0)  # minus the log density of each, where 0 was predicted
for batch_size in (12, 6, 4, 2):
    sums = task_losses.view(-1, batch_size).sum(dim=1)
    print(f"batches of {batch_size:2}: a sum is {sums.mean():6.2f} on average", end="; ")
    print(f"times 12/{batch_size}: {sums.mean() * 12 / batch_size:6.2f}")

# %% [markdown]
# A batch's sum speaks for its own rows alone. Multiplied by the number of examples $N$ over that of the rows $B$, it
# speaks for all. That is the whole of what batches need.

# %% [markdown]
# ## The loss, piece by piece
#
# **Symbols.**
#
# | Symbol | In code | Shape | What it is |
# |---|---|---|---|
# | $N$ | `dataset_size` | a number | how many examples there are in all |
# | $B$ | `len(prediction)` | a number | how many of them are in this batch: the number of rows |
# | $t$ | `target`, `t`; in the data `t_cars`, `t_train` | $(B, O)$ | what was measured; $O$ outputs, here 1 |
# | $y$ | `prediction`, `y` | $(B, O)$ | the network's output, with weights drawn for this pass |
# | $\tau$ | `noise_std` | a number, or a tensor that broadcasts | how far targets scatter about the true curve (std) |
# | $q$ | `weight_mean`, `weight_log_std` | | the learned distribution of the weights |
# | $p$ | | | the prior of the weights, $\mathcal N(0, 1)$ for each |
# | $\mathrm{KL}$ | `kl` | a number | $\mathrm{KL}(q \,\|\, p)$, summed over all weights and biases of the network |
#
# **One target.** We believe that $t \sim \mathcal N(y, \tau^2)$. How unlikely it is we measure by minus the logarithm
# of its density (lesson 00):
#
# $$-\log \mathcal N(t;\, y, \tau^2) = \frac{(t - y)^2}{2 \tau^2} + \log \tau + \tfrac12 \log 2\pi$$
#
# With a fixed $\tau$ one could leave out the last two terms. When $\tau$ is learned one can't: without $\log \tau$,
# more noise would always look better. So we keep them all.
#
# **The loss** is the sum over all examples and all outputs, on average over draws of the weights, plus the KL, once:
#
# $$
# \mathcal L
# = \underbrace{\mathbb E_{w \sim q}\Big[\sum_{n=1}^{N} -\log \mathcal N(t_n;\, y_n, \tau^2)\Big]}_{\text{task loss}}
# + \underbrace{\mathrm{KL}(q \,\|\, p)}_{\text{once}}
# = \mathrm{KL}\big(q \,\|\, p(\cdot \mid \mathcal D)\big) - \log p(\mathcal D)
# $$
#
# It is the **negative ELBO** [5], minus the *evidence lower bound*, in nats. ($w$ stands for all weights and biases,
# $\mathcal D$ for the data; $p(\cdot \mid \mathcal D)$ is the posterior, and $p(\mathcal D)$, the evidence, doesn't
# depend on $q$.) Lesson 03 derives the second equation: the smaller $\mathcal L$, the closer is $q$ to the posterior.
# Weigh one part otherwise, and the equation is gone: you saw it under the slider. One pass draws the weights once, and
# takes what it gets in place of the average over draws.

# %% [markdown]
# ## Mini-batches, scaled right
#
# With the sum of a batch, scaled as in the cell above, and one draw of the weights:
#
# $$
# \mathcal L \approx \frac{N}{B} \sum_{n \,\in\, \text{batch}} -\log \mathcal N(t_n;\, y_n, \tau^2)
# \;+\; \mathrm{KL}(q \,\|\, p)
# $$

# %% tags=["figure"]
guess(
    "a-batch-of-a-quarter",
    "N = 40. In a batch of 10 the −log densities add up to 30 nats; the KL is 20. What is the estimate of the loss?",
    ["50 nats", "140 nats", "200 nats", "35 nats"],
)

# %% [markdown]
# The KL isn't multiplied, since no example enters into it. Where $B$ doesn't divide $N$, the last batch of an epoch is
# smaller, and $B$ is that batch's own number of rows.
#
# You may also see the loss divided by $N$, $\frac1B \sum + \frac1N \mathrm{KL}$, or by $N/B$, which leaves the KL a
# factor $B/N$. That is the same loss, with the same minimum, in another unit. The form above can be compared between
# batch sizes.

# %% [markdown]
# ## Your turn: write the loss
#
# - `prediction` and `target` have one shape: $B$ rows, and then whatever an example has. The sum runs over all
#   elements; $B$ counts rows only.
# - `kl` is a scalar tensor that has been computed already.
# - `noise_std` may be a number, or a tensor that broadcasts with `prediction` and carries gradients.
# - The result is one number, a scalar tensor, with the constant $\tfrac12 \log 2\pi$ in it. Gradients must reach
#   `prediction`, `kl` and `noise_std`.
# - You may use `gaussian_log_prob(x, mean, std)` of lesson 00, which the setup cell has imported.


# %% tags=["exercise"]
def negative_elbo(prediction, target, kl, noise_std, dataset_size):
    """The negative ELBO of the whole data set, estimated from a mini-batch.

    prediction, target: (B, ...), a row for each example of the mini-batch.
    kl: a scalar tensor, the KL divergence of all weights from their prior.
    noise_std: a number, or a tensor that broadcasts with prediction; above zero.
    dataset_size: N, the number of examples in the whole data set.
    Returns: a scalar tensor that carries gradients.
    """
    # 1. The log density of each target, given its prediction and noise_std.
    # 2. Their sum over the batch, scaled up to the whole data set.
    # 3. The total: minus that, plus the KL.
    ### BEGIN SOLUTION
    log_likelihood = gaussian_log_prob(target, prediction, noise_std).sum()
    batch_size = len(prediction)
    return -dataset_size / batch_size * log_likelihood + kl
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: which tools?</summary>
#
# - `gaussian_log_prob(target, prediction, noise_std)` gives $\log \mathcal N(t; y, \tau^2)$ for each element. The
#   network's output is the mean of the Gaussian.
# - `.sum()` makes one number of a tensor. `len(prediction)` is its number of rows, $B$.
#
# </details>
#
# <details><summary>Hint 2: the steps, one by one</summary>
#
# - The log density is a *log-likelihood*: large is good. The loss needs its negative.
# - Sum it over the batch, multiply the sum by $N/B$ (with `/`, not `//`), and add `kl` as it is.
#
# </details>
#
# <details><summary>Hint 3: almost everything</summary>
#
# ```python
# log_likelihood = gaussian_log_prob(target, prediction, noise_std).sum()
# batch_size = len(prediction)
# ```
#
# What is left is one line: the formula above, with `dataset_size` for $N$.
#
# </details>
#
# {{ solution negative_elbo }}

# %% tags=["check"]
check(negative_elbo)

# %% [markdown]
# A first look. Ten numbers, cut into five batches of two, are predicted by 0. Your five estimates differ, and their
# average is the loss of all ten at once.

# %% tags=["experiment"]
target = torch.randn(10, 1)
prediction = torch.zeros(10, 1)
kl = torch.tensor(3.0)

whole = negative_elbo(prediction, target, kl, noise_std=1.0, dataset_size=10)
estimates = torch.stack(
    [
        negative_elbo(prediction[rows], target[rows], kl, noise_std=1.0, dataset_size=10)
        for rows in torch.arange(10).split(2)
    ]
)
print("five batches of two:", [round(value, 2) for value in estimates.tolist()])
print(f"their average:       {estimates.mean().item():.2f}")
print(f"all ten at once:     {whole.item():.2f}")

# %% tags=["claim"]
assert torch.isclose(estimates.mean(), whole)
assert estimates.std() > 0.1

# %% tags=["figure"]
guessed("a-batch-of-a-quarter")

# %% [markdown]
# 140 nats: $4 \cdot 30 + 20$. 50 forgets $N/B$, 200 multiplies the KL too, and 35 is 140 in another unit, divided by 4.

# %% [markdown]
# ## A case whose answer is known
#
# How would we know that training with this loss finds what it should? We need a case where the best answer can be
# computed in another way. There is one: a *linear* model with Gaussian noise. One `BayesianLinear` layer is such a
# model.
#
# **The data** are the 392 cars of lesson 03. The layer predicts a car's fuel economy from the power of its engine and
# from its *mass*, both measured from their average. (We say mass for what a car weighs: a *weight* is always the
# layer's.) To these two we add an input that is 0 for every car: whether it is *electric*. In the 1970s none was. With
# its bias, the layer has four weights.

# %% tags=["figure"]
guess(
    "widest-weight",
    "The layer has seen the cars. Which of its weights should keep the largest standard deviation?",
    ["that of power", "that of mass", "that of electric", "the bias"],
)

# %% [markdown]
# **In words:** two things hold a weight, and their strengths add up. The prior holds it with a strength of
# $1/\sigma_0^2$, where $\sigma_0$ is the prior's standard deviation (here 1). And every car holds it, the more firmly
# the larger its input and the smaller the noise. The stronger the hold, the narrower the weight.
#
# **As a formula:** let $\phi_{ni}$ be input $i$ of car $n$ (for the bias it is 1), and $\sigma_i$ the standard
# deviation of weight $i$. The star marks the best value:
#
# $$
# \text{strength}_i = \frac1{\sigma_0^2} + \sum_n \frac{\phi_{ni}^2}{\tau^2}, \qquad
# \sigma_i^{*} = \frac1{\sqrt{\text{strength}_i}}, \qquad
# \log \sigma_i^{*} = -\tfrac12 \log \text{strength}_i.
# $$
#
# The last one is `log_std`, exactly. Gaussians of these widths, about the best means, are the best *independent* ones,
# and so the best that the layer can store. They aren't the posterior itself, in which weights may hang together; the
# difference comes below.
#
# <details><summary>Where the formula comes from, and the best means</summary>
#
# Write $\phi_n$ for the inputs of car $n$, with a 1 at the end for the bias, and $\mu_i$ for the mean of weight $i$.
# Averaged over draws, the squared error is that of the mean, plus what the spread of each weight adds. So the whole
# loss is, up to a constant,
#
# $$
# \mathcal L = \sum_n \frac{(t_n - \phi_n \cdot \mu)^2 + \sum_i \phi_{ni}^2 \sigma_i^2}{2 \tau^2}
# + \sum_i \Big( \frac{\mu_i^2 + \sigma_i^2}{2 \sigma_0^2} - \log \sigma_i \Big).
# $$
#
# Set the derivative with respect to $\log \sigma_i$ to zero (remember
# $\partial \sigma_i^2 / \partial \log \sigma_i = 2 \sigma_i^2$): $\sigma_i^2 \cdot \text{strength}_i = 1$.
#
# The derivative with respect to $\mu$ gives linear equations,
# $\big(\Phi^\top \Phi / \tau^2 + \mathbf I / \sigma_0^2\big)\, \mu^{*} = \Phi^\top t / \tau^2$, where $\Phi$
# has the rows $\phi_n$ and $\mathbf I$ is the identity matrix.
#
# </details>

# %% tags=["setup"]
cars = datasets.auto_mpg()
scale_y = datasets.Standardizer.of(cars.y)
power, mass = cars.column("horsepower") / 100, cars.column("weight") / 1000
x_cars = torch.stack([power - power.mean(), mass - mass.mean(), torch.zeros(len(cars))], dim=1)
t_cars = scale_y(cars.y)[:, None]
INPUTS = ["power [100 hp]", "mass [1000 lb]", "electric", "bias"]
N = len(cars)

# %% tags=["experiment"]
design = torch.cat([x_cars, torch.ones(N, 1)], dim=1)  # Φ, a row for each car: the last column is for the bias
used = design[:, [0, 1, 3]]  # without the input that is always 0
residual = t_cars - used @ torch.linalg.lstsq(used, t_cars).solution
noise_std = (residual.square().sum() / (N - 3)).sqrt().item()


def best_independent(kl_count=1.0):
    """Mean and log_std of each weight, and the posterior's precision matrix, the inverse of its covariance."""
    precision = design.T @ design / (kl_count * noise_std**2) + torch.eye(4)
    mean = torch.linalg.solve(precision, design.T @ t_cars / (kl_count * noise_std**2))
    return mean[:, 0], -0.5 * precision.diagonal().log(), precision


exact_mean, exact_log_std, precision = best_independent()
print(f"noise_std, measured from the cars: {noise_std:.2f}\n")
print(f"{'exact answer':18}{'mean':>8}{'log_std':>10}{'std':>8}")
for name, mean, log_std in zip(INPUTS, exact_mean, exact_log_std, strict=True):
    print(f"{name:18}{mean:8.2f}{log_std:10.2f}{log_std.exp():8.3f}")

# %% tags=["figure"]
guessed("widest-weight")

# %% [markdown]
# That of electric: about this input the cars say nothing, so its weight keeps the prior, mean 0 and log_std 0. (The
# argument `kl_count` is for later: it answers for a loss that counts the KL `kl_count` times.)
#
# Now train. This loop serves the whole lesson. It draws a batch at random in each step, and takes the loss as an
# argument, so that we can be wrong on purpose. With `decay=True` the steps shrink to nothing towards the end, and the
# noise of the draws averages out. `record` says what to write down on the way.


# %% tags=["experiment"]
EVERY = 10  # steps between two records


def total_kl(model):
    """The KL of all Bayesian layers in the model."""
    layers = [part for part in model.modules() if isinstance(part, BayesianLinear)]
    return sum(layer.kl_divergence() for layer in layers)


def train(model, x, t, loss_of, label, record, batch_size, steps, lr, decay=False):
    """Minimise loss_of(prediction, target, kl). Returns what `record` saw, stacked."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    history = [record(model)]
    for step in tqdm(range(1, steps + 1), desc=label, file=sys.stdout, mininterval=0.5):
        rows = torch.randperm(len(x))[:batch_size]
        loss = loss_of(model(x[rows]), t[rows], total_kl(model))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if decay:
            schedule.step()
        if step % EVERY == 0:
            history.append(record(model))
    return torch.stack(history)


def means_and_log_stds(layer):
    """(2, number of weights): the weights and then the bias."""
    means = torch.cat([layer.weight_mean.flatten(), layer.bias_mean])
    log_stds = torch.cat([layer.weight_log_std.flatten(), layer.bias_log_std])
    return torch.stack([means, log_stds]).detach()


BATCH = 49


def train_on_cars(loss_of, label, batch_size=BATCH, steps=1000, decay=True):
    """A fresh layer, trained on the cars, and how its parameters moved: (records, 2, 4)."""
    torch.manual_seed(1)
    layer = BayesianLinear(3, 1)
    settings = {"batch_size": batch_size, "steps": steps, "lr": 0.03, "decay": decay}
    history = train(layer, x_cars, t_cars, loss_of, label, means_and_log_stds, **settings)
    return layer, history


def elbo_loss(prediction, target, kl):
    return negative_elbo(prediction, target, kl, noise_std, dataset_size=N)


layer, history = train_on_cars(elbo_loss, "negative ELBO")

# %% [markdown]
# How far is the trained distribution from the exact one? We measure it by the KL divergence from one to the other, in
# nats, summed over the four weights.


# %% tags=["experiment"]
def distance_to_exact(mean, log_std):
    """KL(trained ‖ exact), summed over the weights; mean and log_std: (..., 4)."""
    in_exact_stds = (mean - exact_mean) / exact_log_std.exp()
    ratio = log_std - exact_log_std
    return 0.5 * (in_exact_stds**2 + torch.exp(2 * ratio) - 1 - 2 * ratio).sum(dim=-1)


gap = distance_to_exact(history[:, 0], history[:, 1])
print(f"{'':18}{'mean':>8}{'exact':>8}{'log_std':>11}{'exact':>8}")
for i, name in enumerate(INPUTS):
    mean, log_std = history[-1, :, i].tolist()
    print(f"{name:18}{mean:8.2f}{exact_mean[i]:8.2f}{log_std:11.2f}{exact_log_std[i]:8.2f}")
print(f"distance to the exact answer: {gap[0].item():.0f} nats at the start,", end=" ")
print(f"{gap[-1].item():.3f} at the end")

# %% tags=["figure"]
show(
    figures.landing(history[:, 1], exact_log_std, INPUTS, gap, EVERY),
    alt="Above: log_std of four weights over training. From −3 each moves to its own dashed line, the exact value, and"
    " stays there; that of the electric input rises to 0. Below: the distance to the exact answer falls by several"
    " powers of ten.",
    caption="Dashed: the formula. Solid: training.",
)

# %% tags=["claim"]
assert (history[-1, 1] - exact_log_std).abs().max() < 0.4
assert ((history[-1, 0] - exact_mean) / exact_log_std.exp()).abs().max() < 1.0
assert gap[0] > 100
assert gap[-1] < 0.6
assert history[-1, 1, 2].abs() < 0.1

free_mean, free_log_std = exact_mean.clone().requires_grad_(), exact_log_std.clone().requires_grad_()
spread = (design.square() * torch.exp(2 * free_log_std)).sum(dim=1, keepdim=True)
expected_task = (((t_cars - design @ free_mean[:, None]) ** 2 + spread) / (2 * noise_std**2)).sum()
expected_kl = 0.5 * (free_mean**2 + torch.exp(2 * free_log_std) - 1 - 2 * free_log_std).sum()
(expected_task + expected_kl).backward()
assert free_mean.grad.abs().max() < 0.1  # the formulas are the minimum
assert free_log_std.grad.abs().max() < 1e-2

# %% [markdown]
# Training lands on the formula: from noisy gradients, of batches that hold an eighth of the cars, with one draw of the
# weights for each step. (What is left is the noise of the draws. Longer training makes it smaller.) Look at the weight
# of the electric input: it started narrow, and the KL alone has brought it back to the prior.
#
# **What it can't find.** The formula is the best answer *among independent Gaussians*. The posterior itself is a
# Gaussian, too, but its weights aren't independent.

# %% tags=["figure"]
guess(
    "power-or-mass",
    "Heavy cars are also powerful ones. Suppose that power matters less than we think. What of mass?",
    ["It matters less, too", "It matters more", "Nothing follows for it"],
)

# %% [markdown]
# For a linear model the whole posterior is known [2]. It has the same means, and the next cell computes its standard
# deviations. (Its covariance is the inverse of $\Phi^\top \Phi / \tau^2 + \mathbf I / \sigma_0^2$, where $\Phi$ has
# a row for each car, its inputs and a 1, and $\mathbf I$ is the identity matrix.)

# %% tags=["experiment"]
covariance = precision.inverse()
print(f"standard deviation of {'a weight':17}{'posterior':>10}{'best independent':>18}")
for i, name in enumerate(INPUTS):
    whole, alone = covariance[i, i].sqrt(), exact_log_std[i].exp()
    print(f"{'':22}{name:17}{whole:10.3f}{alone:18.3f}")
with torch.no_grad():
    noise = torch.randn(300, 2)
    draws = history[-1, 0, :2] + history[-1, 1, :2].exp() * noise

# %% tags=["figure"]
show(
    figures.two_posteriors(INPUTS, exact_mean[:2], covariance[:2, :2], exact_log_std[:2].exp(), draws),
    alt="The weights of power and mass as two axes. The posterior is a long, tilted ellipse. The best independent"
    " Gaussians are a smaller, upright ellipse over its middle, and the draws of the trained layer fill that one.",
    caption="Ellipses: two standard deviations.",
)
guessed("power-or-mass")

# %% tags=["claim"]
ratio = covariance.diagonal()[:2].sqrt() / exact_log_std[:2].exp()
assert ((ratio - 2).abs() < 0.2).all()
assert (exact_mean[:2] < 0).all()
assert covariance[0, 1] < 0  # the less the one matters, the more the other

# %% [markdown]
# It matters more: somehow the data must be explained. This is the tilt of the posterior. The layer's mean is right, but
# independent Gaussians can't follow the tilt, so the best they can do is to cover its middle: the dashed ellipse, which
# the draws fill. It is only half as wide as the posterior, along each axis. This is the price of storing two numbers
# per weight. It is no fault of training, and no training removes it. Lesson 09 asks how much it costs in a network.

# %% [markdown]
# ## Every wrong scaling, measured
#
# Here is the most common mistake: the sum over the batch is used as it is, without $N/B$. Before you run it, commit
# yourself.

# %% tags=["figure"]
guess(
    "scaling-forgotten",
    "N/B = 8 is forgotten. What happens to the standard deviations of the weights that the cars inform?",
    ["they come out too small: it is too sure", "they come out too large", "the same, only training takes longer"],
)

# %% [markdown]
# Six losses, the right one first. In the others one thing is wrong. `nll` stands for the −log densities of the batch.


# %% tags=["experiment"]
def nll(prediction, target):
    return -gaussian_log_prob(target, prediction, noise_std)


losses = {
    "as it should be": elbo_loss,
    "N/B forgotten": lambda y, t, kl: nll(y, t).sum() + kl,
    "mean in place of the sum": lambda y, t, kl: nll(y, t).mean() + kl,
    "KL averaged over 4 weights": lambda y, t, kl: N / len(y) * nll(y, t).sum() + kl / 4,
    "N/B, and KL times B/N as well": lambda y, t, kl: N / len(y) * nll(y, t).sum() + kl * len(y) / N,
    "no KL": lambda y, t, kl: N / len(y) * nll(y, t).sum(),
}
ends = {"as it should be": history[-1]}
for name, loss_of in losses.items():
    if name not in ends:
        ends[name] = train_on_cars(loss_of, name, steps=600)[1][-1]

# %% tags=["experiment"]
kl_counts = dict(zip(losses, [1, N / BATCH, N, 1 / 4, BATCH / N, 0], strict=True))

print(f"{'std after training':31}{'power':>7}{'mass':>8}{'electric':>10}{'bias':>7}{'KL counts':>13}")
for name, (_, log_std) in ends.items():
    stds = log_std.exp().tolist()
    print(f"{name:31}{stds[0]:7.3f}{stds[1]:8.3f}{stds[2]:10.3f}{stds[3]:7.3f}", end="")
    print(f"{kl_counts[name]:7.3g} times")
print(f"{'exact':31}{'':7}".rstrip(), end=" " * 26)
print("".join(f"{std:{width}.3f}" for std, width in zip(exact_log_std.exp(), (7, 8, 10, 7), strict=True)))

# %% tags=["figure"]
guessed("scaling-forgotten")

# %% tags=["figure"]
counts = torch.logspace(-1.5, 3.2, 60)
curves = torch.stack([best_independent(float(count))[1].exp() for count in counts])
show(
    figures.counted(
        counts,
        dict(zip(INPUTS, curves.T, strict=True)),
        {name: (kl_counts[name], end[1].exp().tolist()) for name, end in ends.items() if kl_counts[name]},
    ),
    alt="Standard deviation of each weight against the count of the KL, on log axes. The curves of power, mass and"
    " bias rise with the square root of the count and level off at 1; that of the electric input is 1 throughout. The"
    " training runs lie on the curves or near them.",
    caption="Lines: the formula. Marks: training runs, one mark per weight; some haven't come to their end yet. Dotted:"
    " the KL counted once. A run without the KL has no place on this axis.",
)

# %% tags=["claim"]
informed = [0, 1, 3]
right = exact_log_std.exp()[informed]
found = {name: log_std.exp()[informed] / right for name, (_, log_std) in ends.items()}
assert ((found["N/B forgotten"] > 2) & (found["N/B forgotten"] < 4)).all()
assert (found["mean in place of the sum"] > 8).all()
assert (found["KL averaged over 4 weights"] < 0.9).all()
assert (found["N/B, and KL times B/N as well"] < 0.9).all()
assert (found["no KL"] < 0.9).all()
assert all(abs(log_std[2]) < 0.1 for name, (_, log_std) in ends.items() if name != "no KL")
assert ends["no KL"][1, 2] == -3.0

# %% [markdown]
# Each of these losses is the right loss for *some* count of the KL, and the last column says which. Multiply the loss
# of the second row by $N/B$ and you see it: the sum comes out right, and the KL is counted $N/B$ times.
#
# - **$N/B$ forgotten**: the KL counts 8 times. Where the data outweigh the prior, a standard deviation grows with the
#   square root of the count: $\sqrt 8 \approx 2.8$ times too large. So the network is too *unsure*.
# - **A mean in place of the sum** (`F.mse_loss` and `F.gaussian_nll_loss` average unless told otherwise): the KL counts
#   392 times. Their standard deviations are 0.46 and more, where 0.07 and less would be right.
# - **The KL averaged over the weights**: the formula says half the spread. After these steps the spreads for mass and
#   for the bias are still above that, on their way down. With 4 weights it is a small mistake, in a network
#   of 100,000 weights it is as good as no KL.
# - **$N/B$ on the sum and $B/N$ on the KL as well**: too sure. One of the two belongs there, not both.
# - **No KL**: no formula, since there is no minimum. The standard deviations have fallen below the exact ones, and
#   would go on. Except one: no car is electric, so nothing at all has moved that weight's, and it is where it started.
#
# The electric input's weight has the right spread, 1, in all rows but the one without the KL: where the data say
# nothing, the count of the KL doesn't matter, only that it is there.

# %% [markdown]
# **Change this, predict, run.** The cell trains with $N/B$ forgotten, in batches of 49. Set `batch_size` to 392, and
# then to 14. What will the first ratio be, before you look?

# %% tags=["experiment"]
batch_size = 49

_, moved = train_on_cars(losses["N/B forgotten"], "N/B forgotten", batch_size, steps=600)
ratios = (moved[-1, 1] - exact_log_std).exp().tolist()
print(f"batches of {batch_size}: trained std / exact std", end=": ")
print(", ".join(f"{name} {ratio:.1f}" for name, ratio in zip(INPUTS, ratios, strict=True)))

# %% [markdown]
# <details><summary>What comes out, and why it matters</summary>
#
# The ratio is about $\sqrt{N/B}$ where the data outweigh the prior: 1 with all 392 cars in a batch, 2.8 with 49, and
# 5.3 with 14. (600 noisy steps don't land exactly on it, but within a sixth.) **The mistake is invisible as long as the
# batch is the whole data set.** It wakes up on the day somebody makes the batches smaller, and then the batch size,
# which should only affect the speed, decides how sure the network is.
#
# </details>

# %% [markdown]
# ## Predicting with many draws
#
# A trained network is a distribution of functions. To predict at an input $x$, call it $S$ times. Each call draws new
# weights, and gives an output $y_s$. What we report are the mean and the standard deviation of these outputs, element
# by element:
#
# $$
# \text{mean} = \frac1S \sum_{s=1}^{S} y_s, \qquad
# \text{std} = \sqrt{\frac1S \sum_{s=1}^{S} (y_s - \text{mean})^2}
# $$
#
# | Symbol | In code | Shape | What it is |
# |---|---|---|---|
# | $S$ | `num_samples` | a number | how many draws |
# | $x$ | `x` | what the model takes | the inputs, the same in every call |
# | $y_s$ | `model(x)` | $(B, O)$ | the output of call $s$ |
# | mean, std | | $(B, O)$ | in the shape of one output |
#
# We divide by $S$, not by $S - 1$: a single draw then has a spread of 0, and no `nan`. (`torch.std` divides by $S - 1$
# unless it is told `correction=0`. With 100 draws the difference is half a percent.)
#
# **Average predictions, never parameters.** It is tempting to set each weight to its mean and to call the network once.
# That is another network, for two reasons. It has no spread. And its output isn't even the mean, because a network
# isn't linear in its weights. See it in one unit, $\operatorname{relu}(w x)$ with $w \sim \mathcal N(0, 1)$:

# %% tags=["experiment"]
x_unit = torch.linspace(-3, 3, 121)
weights = torch.randn(4000, 1)
unit_draws = torch.relu(weights * x_unit)
unit_at_the_mean = torch.relu(0.0 * x_unit)  # the mean weight is 0
print(f"at x = 2: the average of the draws is {unit_draws[:, 100].mean().item():.2f}", end=", ")
print(f"the unit at the mean weight gives {unit_at_the_mean[100].item():.2f}")

# %% tags=["figure"]
show(
    figures.one_unit(x_unit, unit_draws, unit_at_the_mean),
    alt="The unit's output against its input. Draws are rays to the left or to the right of 0. Their average is a V;"
    " the unit at the mean weight gives 0 everywhere.",
    caption="Thin: 40 draws of the weight.",
)

# %% tags=["claim"]
assert abs(x_unit[100].item() - 2.0) < 1e-5
assert abs(unit_draws[:, 100].mean().item() - 2 / math.sqrt(2 * math.pi)) < 0.1

# %% [markdown]
# ## Your turn: predict
#
# - Call `model(x)` exactly `num_samples` times, with `x` as it is. (A batch that repeats `x` would see one draw of the
#   weights only.)
# - Leave the model in its mode, and its parameters as they are. Don't seed: each call must draw anew.
# - No gradients are needed: `torch.no_grad()`.
# - Return two tensors, `mean` and `std`, in this order, each in the shape of one output. The std divides by
#   `num_samples`, as in the formula. Average the squared deviations from the mean, as the formula does: the short cut
#   mean($y^2$) − mean($y$)² is the same on paper, and in float32 loses its digits where the spread is small beside the
#   mean, as for years or prices.


# %% tags=["exercise"]
def predict(model, x, num_samples):
    """Mean and standard deviation of the model's output for x, over calls with fresh weights.

    x: what the model takes.   num_samples: how many calls, at least 1.
    Returns: (mean, std), each in the shape of the model's output, without gradients.
    """
    # 1. Call the model num_samples times, without keeping gradients.
    # 2. Stack the outputs along a new first dimension, that of the draws.
    # 3. Mean and standard deviation over that dimension.
    ### BEGIN SOLUTION
    with torch.no_grad():
        draws = torch.stack([model(x) for _ in range(num_samples)])
    return draws.mean(dim=0), draws.std(dim=0, correction=0)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: which tools?</summary>
#
# - `[model(x) for _ in range(num_samples)]` is a list of outputs, one for each draw.
# - `torch.stack(list)` makes one tensor of them, with the draws along the first dimension: $(S, B, O)$.
#
# </details>
#
# <details><summary>Hint 2: the steps, one by one</summary>
#
# - Put the calls inside `with torch.no_grad():`. Then no pass keeps its graph in memory.
# - `dim=0` is the dimension of the draws. Mean and std over it have the shape of one output.
# - The std: `.std(dim=0, correction=0)`.
#
# </details>
#
# <details><summary>Hint 3: almost everything</summary>
#
# ```python
# with torch.no_grad():
#     draws = torch.stack([model(x) for _ in range(num_samples)])
# ```
#
# One line is left: return the two tensors.
#
# </details>
#
# {{ solution predict }}

# %% tags=["check"]
check(predict)

# %% [markdown]
# ## A curve that ends
#
# Now a network, and the curve on which Bayes by Backprop was first shown [1, section 5.2]:
#
# $$t = x + 0.3 \sin(2\pi (x + \varepsilon)) + 0.3 \sin(4\pi (x + \varepsilon)) + \varepsilon$$
#
# The noise $\varepsilon$ has a standard deviation of 0.02 here. We draw 100 points with $x$ between 0 and 0.5, and ask
# what the network says outside. As $\varepsilon$ stands inside the sines, a *target* scatters by more than 0.02, and
# more where the curve is steep. Drawing many targets at one $x$ tells how much. We give the loss one number for all
# $x$, the root of the average variance.

# %% tags=["experiment"]
points = datasets.blundell_curve(100, seed=1)
scale_x = datasets.Standardizer.of(points.x)
x_train, t_train = scale_x(points.x), points.y[:, None]

places = torch.linspace(0, 0.5, 26).tolist()
scatter = [datasets.blundell_curve(1000, low=x, high=x).y.var() for x in places]
curve_noise = torch.stack(scatter).mean().sqrt().item()
print(f"A target scatters by {curve_noise:.3f} on average,", end=" ")
print(f"from {min(scatter).sqrt().item():.3f} to {max(scatter).sqrt().item():.3f} along the curve.")

# %% [markdown]
# The network has one hidden layer of 50 units, with a ReLU, which can go on growing where the data end. We train it
# twice from the same start: with the KL, and without.

# %% tags=["figure"]
guess(
    "band-beyond-data",
    "With the KL: how wide is the spread of the functions at x = 1.2, compared with x = 0.25, amid the data?",
    ["about as wide", "two to eight times", "more than eight times"],
)


# %% tags=["experiment"]
def fresh_network():
    torch.manual_seed(1)
    return nn.Sequential(BayesianLinear(1, 50), nn.ReLU(), BayesianLinear(50, 1))


def log_stds(model):
    """The log_std of every weight and bias, in one row."""
    named = model.named_parameters()
    return torch.cat([p.detach().flatten() for name, p in named if name.endswith("log_std")])


def curve_loss(kl_count):
    """The negative ELBO with the KL counted `kl_count` times."""
    return lambda y, t, kl: negative_elbo(y, t, kl_count * kl, curve_noise, len(points))


on_the_curve = {"batch_size": 25, "steps": 1500, "lr": 0.02, "record": log_stds}
with_kl, without_kl = fresh_network(), fresh_network()
history_with = train(with_kl, x_train, t_train, curve_loss(1), "task loss + KL", **on_the_curve)
history_without = train(without_kl, x_train, t_train, curve_loss(0), "task loss only", **on_the_curve)

networks = {"task loss + KL": with_kl, "task loss only": without_kl}
shown_at = torch.tensor([-0.4, 0.0, 0.25, 0.5, 0.8, 1.2])
print(f"{'spread of the functions at x =':32}" + "".join(f"{x:7.2f}" for x in shown_at.tolist()))
for name, network in networks.items():
    _, std = predict(network, scale_x(shown_at[:, None]), num_samples=1000)
    print(f"  {name:30}" + "".join(f"{value:7.2f}" for value in std[:, 0].tolist()))

# %% tags=["figure"]
guessed("band-beyond-data")

# %% tags=["figure", "picture"]
grid = torch.linspace(-0.4, 1.2, 161)
inputs_on_grid = scale_x(grid[:, None])
truth = grid + 0.3 * torch.sin(2 * math.pi * grid) + 0.3 * torch.sin(4 * math.pi * grid)
with torch.no_grad():
    functions = {
        name: torch.stack([network(inputs_on_grid)[:, 0] for _ in range(12)]) for name, network in networks.items()
    }
predictions = {
    name: tuple(part[:, 0] for part in predict(network, inputs_on_grid, 500)) for name, network in networks.items()
}
show(
    figures.bands(points, grid, truth, predictions, functions),
    alt="Two panels: 100 points on a wavy curve from 0 to 0.5, the true curve dashed, and a network's mean and band."
    " With the KL the band is narrow at the points and opens widely on both sides. Without it, it opens far less. The"
    " true curve bends away on the left and leaves both bands.",
    caption="Thin lines: 12 drawn functions. Band: ±2 standard deviations of the functions.",
)

# %% [markdown]
# With the KL, the functions agree where there are points and part where there are none: the band opens on both sides,
# to many times its width. Without the KL it opens as well, since the drawn slopes of the last pieces differ a little;
# but it starts narrower and stays much narrower.
#
# Is the wide band wide *enough*? We know the true curve, so let us ask it: targets from the same formula, on each side
# of the data. And let us ask the network at its mean weights, too. Its standard deviations are set to 0, so all that it
# can report as doubt is the noise.


# %% tags=["experiment"]
def at_its_mean_weights(network):
    """A copy whose weights have no spread."""
    certain = copy.deepcopy(network)
    with torch.no_grad():
        for name, parameter in certain.named_parameters():
            if name.endswith("log_std"):
                parameter.fill_(-math.inf)  # a standard deviation of exp(-∞) = 0
    return certain


def judge(network, low, high):
    """Share of new targets within ±2 std, and their average log density."""
    new = datasets.blundell_curve(500, seed=2, low=low, high=high)
    mean, std = predict(network, scale_x(new.x), num_samples=300)
    total_std = (std[:, 0] ** 2 + curve_noise**2).sqrt()
    inside = ((new.y - mean[:, 0]).abs() < 2 * total_std).float().mean().item()
    return inside, gaussian_log_prob(new.y, mean[:, 0], total_std).mean().item()


judged = networks | {"with KL, mean weights": at_its_mean_weights(with_kl)}
sides = {"left, -0.4 to 0": (-0.4, 0.0), "amid, 0 to 0.5": (0.0, 0.5), "right, 0.5 to 1.2": (0.5, 1.2)}
print(f"{'':24}" + "".join(f"{side:>20}" for side in sides))
print(f"{'':24}" + f"{'in band  log dens.':>20}" * 3)
verdicts = {}
for name, network in judged.items():
    verdicts[name] = [judge(network, *side) for side in sides.values()]
    print(f"{name:24}" + "".join(f"{inside:>9.0%}{density:>11.1f}" for inside, density in verdicts[name]))

mean, std = predict(with_kl, scale_x(shown_at[:, None]), num_samples=1000)
certain, _ = predict(at_its_mean_weights(with_kl), scale_x(shown_at[:, None]), num_samples=1)
print(f"\n{'x':>31}" + "".join(f"{x:7.2f}" for x in shown_at.tolist()))
print(f"{'average of predictions':31}" + "".join(f"{value:7.2f}" for value in mean[:, 0].tolist()))
print(f"{'prediction of average weights':31}" + "".join(f"{value:7.2f}" for value in certain[:, 0].tolist()))

# %% tags=["claim"]
_, spread_with = predict(with_kl, scale_x(shown_at[:, None]), 1000)
_, spread_without = predict(without_kl, scale_x(shown_at[:, None]), 1000)
for end in (0, -1):
    assert spread_with[end] > 8 * spread_with[2]
    assert spread_with[end] > 1.4 * spread_without[end]
for side in (0, 2):
    assert verdicts["task loss + KL"][side][0] > verdicts["task loss only"][side][0] + 0.1
    assert verdicts["task loss + KL"][side][1] > verdicts["task loss only"][side][1] + 3
    assert verdicts["task loss + KL"][side][1] > verdicts["with KL, mean weights"][side][1] + 5
assert all(verdict[1][0] > 0.85 for verdict in verdicts.values())
assert (mean - certain)[1:4].abs().max() < 0.1

# %% [markdown]
# Three answers.
#
# - **Amid the data** all three do well; the one without the KL is, if anything, ahead.
# - **Beyond the data the KL pays**: far more of the new targets lie in its band, and it finds them more
#   likely. Yet they aren't always the 95 % that ±2 standard deviations promise. The true curve bends, and functions
#   made of straight pieces go straight on. *A band that opens says "I don't know". It doesn't say that the truth is
#   inside.*
# - **The mean weights** predict nearly the same *curve* here. What is gone is the doubt: the log density of what really
#   comes there is a disaster.
#
# Log densities are averages over targets, in nats, and larger is better. A target 10 standard deviations off costs 50.

# %% [markdown]
# How many units does this take? A unit whose outgoing weight has a mean smaller than its standard deviation does little
# but add noise. Lesson 03 calls such units silent. We count the others, silence the silent ones for good, and look at
# the spread again.


# %% tags=["experiment"]
def only_live_units(network):
    """A copy whose silent units have no way out, and the number of live ones."""
    copied = copy.deepcopy(network)
    last = copied[2]
    live = (last.weight_mean.abs() > last.weight_log_std.exp())[0]
    with torch.no_grad():
        last.weight_mean[:, ~live] = 0.0
        last.weight_log_std[:, ~live] = -math.inf
    return copied, live.sum().item()


live_network, num_live = only_live_units(with_kl)
print(f"With the KL, {num_live} of 50 units are live.")
print(f"{'spread of the functions at x =':32}" + "".join(f"{x:7.2f}" for x in shown_at.tolist()))
for name, network in {"all units": with_kl, "live units only": live_network}.items():
    _, std = predict(network, scale_x(shown_at[:, None]), num_samples=1000)
    print(f"  {name:30}" + "".join(f"{value:7.2f}" for value in std[:, 0].tolist()))

# %% tags=["claim"]
assert 6 <= num_live <= 25
_, spread_live = predict(live_network, scale_x(shown_at[:, None]), 1000)
assert spread_live[0] > 5 * spread_live[2]
assert spread_live[-1] > 5 * spread_live[2]
assert spread_live[0] < spread_with[0]
assert all(2 * spread_live[i] < spread_with[i] for i in (-2, -1))

# %% [markdown]
# With the KL most units do little: it is cheaper to leave a unit to the prior than to use it. This is *over-pruning*,
# and it is a known habit of independent Gaussians [3]. The live units' functions part beyond the data as well, so that
# the band opens without the others too. But on the right, at 0.8 and at 1.2, most of its width is the silent units',
# and so a matter of how many units we chose. Read the band's width as a direction, not as a measurement.
#
# **Change this, predict, run.** The cell computes the spread at $x = 1.2$ five times, with 10 draws each. How much do
# the five differ? How many draws do you need until they agree to about 5 %?

# %% tags=["experiment"]
num_samples = 10

far = scale_x(torch.tensor([[1.2]]))
spreads = [predict(with_kl, far, num_samples)[1].item() for _ in range(5)]
print(f"{num_samples} draws: " + ", ".join(f"{value:.2f}" for value in spreads))

# %% [markdown]
# <details><summary>What comes out, and why</summary>
#
# For outputs that are roughly Gaussian, a standard deviation estimated from $S$ draws is itself off by about
# $1/\sqrt{2S}$ of its size: 22 % with 10 draws, 7 % with 100, 2 % with 1,000. So 200 draws are enough for 5 %. (Here
# the outputs have heavier tails than a Gaussian, so it takes some 300.) With few draws the std is also too small on
# average, as it is measured from their own mean.
#
# </details>

# %% [markdown]
# ## What keeps it honest
#
# Total loss = task loss + KL. The claim is that the KL keeps `log_std` from running to minus infinity. Here is the
# test, on the case that we know exactly and on the curve, each with the KL and without. The learning rate stays as it
# is to the end (no `decay`), so that what stops has stopped by itself.

# %% tags=["figure"]
guess(
    "without-the-kl",
    "The curve, without the KL: all 151 log_stds start at −3. Where is their median at the end?",
    ["above −4", "between −4 and −8", "below −8"],
)

# %% tags=["experiment"]
_, cars_with = train_on_cars(elbo_loss, "cars, task loss + KL", steps=1200, decay=False)
_, cars_without = train_on_cars(losses["no KL"], "cars, task loss only", steps=1200, decay=False)

cases = {
    "cars": {"task loss + KL": cars_with[:, 1], "task loss only": cars_without[:, 1]},
    "curve": {"task loss + KL": history_with, "task loss only": history_without},
}
print(f"{'log_std':24}{'step':>6}{'mean':>8}{'median':>8}{'lowest':>8}{'highest':>9}")
for case, runs in cases.items():
    for name, logged in runs.items():
        for index in (0, len(logged) // 2, len(logged) - 1):
            row, step = logged[index], index * EVERY
            print(f"{case + ', ' + name:24}{step:6d}{row.mean():8.2f}", end="")
            print(f"{row.median():8.2f}{row.min():8.2f}{row.max():9.2f}")
print("exact, cars:", ", ".join(f"{value:.2f}" for value in exact_log_std.tolist()))

# %% tags=["figure"]
guessed("without-the-kl")

# %% tags=["figure"]
show(
    figures.with_and_without(cases, EVERY),
    alt="Two rows, cars and curve. With the KL, the log_stds of the cars settle on four levels between −4 and 0, those"
    " of the curve spread out between −5 and 0, most of them rising. Without it, three of the cars' keep falling and"
    " one stays at −3; on the curve nearly all lie between −3 and −5, and their average falls slowly.",
    caption="One line per weight, black: their average. Right: where each weight ends, as a dot, with the KL (blue) and"
    " without it (red); dashed: the start.",
)

# %% tags=["claim"]
half, last = len(cars_with) // 2, -1
known = [0, 1, 3]
assert (cars_with[half, 1] - exact_log_std).abs().max() < 0.6
assert (cars_with[last, 1] - exact_log_std).abs().max() < 0.6
assert cars_without[last, 1, known].mean() < cars_without[half, 1, known].mean() - 0.1
assert (cars_without[last, 1, known] < exact_log_std[known] - 0.3).all()
assert cars_without[last, 1, 2] == -3.0
assert history_with[last].mean() > -2.5
assert history_without[last].mean() < -3.3
assert history_without[last].mean() < history_without[len(history_without) // 2].mean() - 0.05
assert -3.6 < history_without[last].median() < -3.1
assert (history_with[last].min() - history_without[last].min()).abs() < 0.8

# %% [markdown]
# **On the cars** it is as clear as can be. With the KL each log_std goes to its exact value and jitters about it.
# Without it the three that the data touch go below their exact values and on down. They get slower, and don't stop. The
# pull of the task loss on $\log \sigma$ is proportional to $\sigma^2$, so it dies out together with $\sigma$, but it
# never turns round. The one that the data don't touch stays at −3, where it started. That is no more honest: −3 was
# *our* choice.
#
# **On the curve** look at the numbers with care, as they are easily misread.
#
# - The *mean* hints at it: up with the KL, slowly down without.
# - The *median* without the KL has gone down by half a unit. Many weights of this network get little gradient from 100
#   points, and without the KL such a weight stays near where it started. If you only looked at the median, or at the
#   mean, you would hardly say that something runs away.
# - The *lowest* says least. It is about equally low with the KL and without: there are weights that the data really do
#   hold firmly.
# - The *dots* on the right show the difference: with the KL most weights have gone up, towards the prior at 0. These
#   are the ones that make the band open.
#
# So the honest sentence is: *without the KL nothing pulls a weight towards the prior.* On the cars no force points up
# at all: what the data touch goes down for ever, what they don't touch keeps the value that it happened to start with.
# In a network a few log_stds may even rise for a while, as its loss is no parabola. With the KL each weight is drawn to
# a level of its own, wherever it started.

# %% [markdown]
# ## Learning the noise as well
#
# So far $\tau$ was known. Usually it isn't. It seems natural to learn it with the rest: $\log \tau$ becomes one more
# parameter, and `negative_elbo` sends it a gradient. (This is what $\log \tau$ in the loss is for.) Let us try it with
# all 100 points and with 10 of them, starting from $\tau = \exp(-1) \approx 0.37$.

# %% tags=["figure"]
guess(
    "noise-from-ten-points",
    "Ten points, noise learned, with the KL (true noise: about 0.06). What does it learn?",
    ["far too little noise", "about 0.06", "far too much noise"],
)


# %% tags=["experiment"]
def learn_noise(num_points, kl_count, label):
    """A network trained together with its noise; how the noise and the KL moved: (records, 2)."""
    x, t = x_train[:num_points], t_train[:num_points]
    network = fresh_network()
    network.log_noise_std = nn.Parameter(torch.tensor(-1.0))

    def loss_of(prediction, target, kl):
        noise_std = network.log_noise_std.exp()
        return negative_elbo(prediction, target, kl_count * kl, noise_std, num_points)

    def noise_and_kl(network):
        return torch.stack([network.log_noise_std.exp(), total_kl(network)]).detach()

    settings = {"batch_size": min(num_points, 25), "steps": 700, "lr": 0.03, "decay": True}
    return network, train(network, x, t, loss_of, label, noise_and_kl, **settings)


plans = {
    "100 points, with the KL": (100, 1),
    "100 points, without the KL": (100, 0),
    "10 points, with the KL": (10, 1),
    "10 points, without the KL": (10, 0),
}
noisy = {name: learn_noise(*plan, name) for name, plan in plans.items()}

new = datasets.blundell_curve(500, seed=2)  # amid the data
print(f"\n{'':30}{'learned':>8}{'live':>7}{'spread of':>11}{'error on':>10}{'targets':>9}")
print(f"{'':30}{'noise':>8}{'units':>7}{'functions':>11}{'new targ.':>10}{'in band':>9}")
results = {}
for name, (network, logged) in noisy.items():
    mean, std = predict(network, scale_x(new.x), num_samples=300)
    learned = logged[-1, 0].item()
    error = (mean[:, 0] - new.y).abs()
    inside = (error < 2 * (std[:, 0] ** 2 + learned**2).sqrt()).float().mean().item()
    live, spread, rmse = only_live_units(network)[1], std.mean().item(), error.square().mean().sqrt().item()
    print(f"{name:30}{learned:8.3f}{live:7d}{spread:11.3f}{rmse:10.3f}{inside:9.0%}")
    results[name] = (learned, live, inside)
print(f"{'measured from the formula':30}{curve_noise:8.3f}")

# %% tags=["figure"]
guessed("noise-from-ten-points")

# %% tags=["figure"]
show(
    figures.learned_noise({name: logged[:, 0] for name, (_, logged) in noisy.items()}, curve_noise, EVERY),
    alt="The learned noise over training, on a log axis, in four runs. With 100 points and no KL it falls to about the"
    " dashed line, the measured noise; with the KL it stays well above. With 10 points it rises above 1 with the KL,"
    " and without the KL it falls below the line.",
)

# %% tags=["claim"]
assert 1.5 * curve_noise < results["100 points, with the KL"][0] < 6 * curve_noise
assert 0.5 * curve_noise < results["100 points, without the KL"][0] < 2 * curve_noise
assert results["10 points, with the KL"][0] > 1
assert results["10 points, with the KL"][1] <= 2
falling = noisy["10 points, without the KL"][1][:, 0]
assert falling[-1] < 0.95 * falling[len(falling) // 2]
assert falling[-1] < 1.3 * curve_noise
assert results["10 points, without the KL"][2] < 0.85
assert results["100 points, with the KL"][2] > 0.97

# %% [markdown]
# Four runs, and only one has found the noise.
#
# - **Ten points, with the KL**: all is noise. To use its weights, the network must pay the KL. Ten points don't pay for
#   it. It is cheaper to call everything noise and go back to the prior. Then the prior's own functions, which are
#   wild, count as errors, so the noise grows further. No unit is left.
# - **Ten points, without the KL**: too little is noise, about half of the true one, and it would go on falling. The
#   network comes ever closer to the points, and $\tau$ follows the error down. The smaller $\tau$, the larger the
#   density: nothing but the small steps at the end of training stops it. The functions all but coincide. On new targets
#   it is sure, and often wrong.
# - **100 points, with the KL**: in between. The noise is too large, as it pays to give up units and call the rest
#   noise. Its band is too wide: it holds all new targets, where 95 % would do.
# - **100 points, without the KL**: the noise is right. It is measured from errors at 100 points, and the network has
#   too little freedom to make these vanish. What is lost is the doubt about the function, as before.
#
# A learned $\tau$ and the weights compete for the same errors. If you can measure the noise (repeat a measurement at
# one input), then do, and keep it fixed. If you must learn it, then with many data, and look at how many units are
# left.

# %% [markdown]
# ## What goes wrong in practice
#
# **1. A scaling that no error reports.** The table above is the list. A test that costs a minute: train once with
# batches of 32 and once of 128. If the spread of the predictions changes, the KL is scaled with the batch.
#
# **2. A loss that can't be compared.** With the sum scaled by $N/B$ the loss is a large number, and jumps from batch to
# batch. That is no fault. Average it over a while before you compare.
#
# **3. Predicting in a hurry.** Three shortcuts, each a mistake: from the mean weights (no doubt left), from one draw
# (one opinion), or from a batch that holds `x` many times. Why not that one?

# %% tags=["experiment"]
with torch.no_grad():
    copies = with_kl(far.expand(1000, 1))
print(f"spread at x = 1.2: of 1,000 copies in one batch {copies.std():.3f},", end=" ")
print(f"of 1,000 calls {predict(with_kl, far, num_samples=1000)[1].item():.3f}")

# %% tags=["claim"]
assert copies.std() < 1e-3

# %% [markdown]
# All rows of a batch share one draw.
#
# **4. A prediction that changes the model.** `model.eval()` inside `predict` stays switched on after it, also when
# training goes on. Writing the mean weights into the model destroys what was learned. `predict` needs neither: a
# Bayesian layer draws in both modes. If you want another set of weights, work on a copy, as `at_its_mean_weights` does.
#
# **5. Trusting the median**, or any one number, to say that log_std is well. Look at all of them, as the dots above do,
# and at the drawn functions.
#
# <details><summary>Extra: another prior, a mixture of two scales</summary>
#
# A Gaussian prior charges a large weight heavily, and leaves most small ones moderately wide. Blundell et al. use a
# prior that is a mixture of two Gaussians [1, section 3.3]: with probability `share` a wide one,
# $\mathcal N(0, \texttt{wide}^2)$, else a narrow one, $\mathcal N(0, \texttt{narrow}^2)$. Many weights may then sit
# near 0, and a few may be large.
#
# There is no closed form of the KL any more. But it is an average over draws, so one draw gives an unbiased estimate,
# as in `monte_carlo_kl` of lesson 02. The draws must be the very weights that `forward` has used, or fresh ones of the
# same distribution. With the second way, no layer has to change:
#
# ```python
# def log_mixture(w, share=0.25, wide=1.0, narrow=math.exp(-6)):
#     """log of share·N(w; 0, wide²) + (1 − share)·N(w; 0, narrow²), element by element."""
#     first = math.log(share) + gaussian_log_prob(w, 0.0, wide)
#     second = math.log(1 - share) + gaussian_log_prob(w, 0.0, narrow)
#     return torch.logaddexp(first, second)
#
#
# def kl_to_mixture(mean, log_std):
#     """KL(N(mean, exp(log_std)²) ‖ mixture), summed, estimated from one draw."""
#     epsilon = torch.randn_like(mean)
#     log_q = gaussian_log_prob(epsilon, 0.0, 1.0) - log_std
#     return (log_q - log_mixture(mean + log_std.exp() * epsilon)).sum()
# ```
#
# `logaddexp` adds two densities without leaving logarithms: the narrow one is often 0 in float32. Give `kl_to_mixture`
# of all weights and biases to `negative_elbo` as its `kl`.
#
# In the paper's Table 1 it paid: on MNIST, with 1200 units per layer, a test error of 1.32 % with the mixture, and 2.04
# % with a Gaussian prior. Its three numbers are chosen by trying; the paper tried shares of ¼, ½ and ¾, and minus the
# logarithms of the two standard deviations of 0, 1 and 2, and of 6, 7 and 8.
#
# </details>

# %% [markdown]
# ## Questions to think about
#
# **1.** A colleague trains with `F.mse_loss(y, t) + kl / num_weights`, and says that it works well. What is the count
# of the KL, for $N$ examples, noise $\tau$ and $P$ weights?
#
# <details><summary>Answer</summary>
#
# The mean squared error of one output is $2\tau^2/N$ times the task loss over all data (up to the constant). Multiply
# the whole loss by $N / 2\tau^2$, and the KL has the factor $N / (2 \tau^2 P)$. This may be anything: above 1 with many
# data and few weights, far below 1 with few data and many weights, and it depends on the units of $t$ through $\tau$.
# The balance works for *some* data set by luck.
#
# </details>
#
# **2.** Training is done, and you get twice as many data from the same source. What happens to $N/B$ at the same batch
# size, and what to the standard deviations of a linear model?
#
# <details><summary>Answer</summary>
#
# $N/B$ doubles, so each batch's gradient counts for twice as much against the KL. In the formula
# $\sum_n \phi_{ni}^2 / \tau^2$ doubles, and where it is much larger than $1/\sigma_0^2$, the standard deviations shrink
# by $\sqrt 2$. More data, more certainty. With a mean in place of the sum nothing would change.
#
# </details>
#
# **3.** On the cars, the trained standard deviations agree with the formula, and are half of the posterior's. Is the
# doubt about a *prediction* also half of what it should be?
#
# <details><summary>Answer</summary>
#
# That depends on the car. For a heavy car with a strong engine, as most heavy ones have, the posterior's tilt makes the
# two weights' errors cancel: there the true doubt is small, and independent weights, whose errors don't cancel, give
# more. For a heavy car with a weak engine they add up, the true doubt is large, and independent weights give too
# little. So it is too narrow just where there are few data. Lesson 09 looks at this in a network.
#
# </details>

# %% tags=["experiment"]
# In numbers: power and mass above the average (in units of 100 hp and 1,000 lb), and the std of the prediction
their_variances = []
for kind, car in {"strong and heavy": [1.0, 2.0, 0.0, 0.0], "weak and heavy": [-1.0, 2.0, 0.0, 0.0]}.items():
    car = torch.tensor(car)
    by_posterior, by_independent = car @ covariance @ car, (car**2 * torch.exp(2 * exact_log_std)).sum()
    their_variances.append((by_posterior, by_independent))
    print(
        f"{kind:18} std by the posterior {by_posterior.sqrt():.3f}, by independent weights {by_independent.sqrt():.3f}"
    )

# %% tags=["claim"]
(cancelling, too_wide), (adding_up, too_narrow) = their_variances
assert cancelling < too_wide
assert too_narrow < adding_up

# %% [markdown]
# <details><summary>How sure are these numbers? What other seeds gave</summary>
#
# We repeated the runs whose numbers the text interprets, from other starts.
#
# - $N/B$ forgotten, six runs: the first ratio was 0.9 to 1.1 with all cars in a batch, 2.6 to 3.2 with 49, and 4.6 to
#   5.6 with 14.
# - The prediction of the average weights and the average of the predictions, five starts: less than 0.03 apart amid the
#   data, and up to 0.45 at $x = 1.2$.
# - The silent units made most of the spread at 0.8 and at 1.2 with four other starts, too.
# - Draws until five estimates of the spread agree to 5 %: about 300, but 500 with one of five starts.
# - The noise learned from ten points without the KL, after 1,500 steps, five starts with other points: 0.010 to 0.035.
#
# </details>

# %% [markdown]
# ## Where this comes from
#
# 1. C. Blundell, J. Cornebise, K. Kavukcuoglu, D. Wierstra: *Weight Uncertainty in Neural Networks*, ICML 2015. Section
#    3: the loss, its estimate from draws, the scale mixture prior (3.3), and mini-batches (3.4; it weighs the KL by one
#    over the number of batches, where we weigh the sum by $N/B$). Section 5.2: the curve. Table 1: MNIST.
# 2. C. M. Bishop: *Pattern Recognition and Machine Learning*, Springer 2006. Section 3.3: the posterior of a linear
#    model. Section 10.1.2: the best independent Gaussians for a correlated one.
# 3. B. Trippe, R. Turner: *Overpruning in Variational Bayesian Neural Networks*, arXiv:1801.06230, 2018.
# 4. D. P. Kingma, M. Welling: *Auto-Encoding Variational Bayes*, ICLR 2014. Section 2.3: the factor $N/B$ (there
#    $N/M$).
# 5. A. Graves: *Practical Variational Inference for Neural Networks*, NeurIPS 2011: the same loss, before the
#    reparameterization trick.
#
# **Next:** [lesson 05](05_local_reparameterization.ipynb). The gradients here are noisy, because all examples of a
# batch share one draw of the weights. It gives each its own, at hardly any cost.

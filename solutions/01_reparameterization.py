# %% [markdown]
# # 01 · A gradient through a random draw
#
# A Bayesian layer draws its weights at random, and training moves the distribution that they are drawn from. How can a
# gradient pass through a random draw?
#
# **Time:** about 65 minutes. **Difficulty:** ●●○○○. You write one function, two or three lines in all.
#
# **You need:** gradients in PyTorch (`requires_grad`, `backward()`). And from lesson 00 what a Gaussian's density is,
# with its function `gaussian_log_prob`. You don't have to have solved that lesson.

# %% tags=["setup"]
import math

import torch

from bnn_core import gaussian_log_prob
from bnn_core.autograder import check
from bnn_core.figures import reparameterization as figures
from bnn_core.figures import show
from bnn_core.guesses import guess, guessed

_ = torch.manual_seed(0)
torch.set_num_threads(1)  # the tensors are small

# %% [markdown]
# ## A draw is a dead end
#
# Let $w$ be a weight that is drawn from a Gaussian with the mean 0.5 and the standard deviation (std) 1. Suppose we
# would like $w^2$ to be small. Then the mean should move towards 0, and the std should become smaller. So we ask
# PyTorch for the gradient, as always:

# %% tags=["experiment"]
mean = torch.tensor(0.5, requires_grad=True)
std = torch.tensor(1.0, requires_grad=True)

w = torch.normal(mean, std)  # PyTorch's own way to draw
loss = w**2
loss.backward()
print(f"loss {loss:.2f}, gradient for the mean {mean.grad:.2f}, for the std {std.grad:.2f}")

# %% [markdown]
# The loss isn't 0, and yet both gradients are: training wouldn't move. For PyTorch, `torch.normal` makes a number out
# of nothing. How would this number change if the mean were a little larger? The question seems to make no sense: with
# another mean one would simply draw another number.
#
# And yet there is an answer. The next picture shows it.

# %% [markdown]
# ## The same draws, sliding and stretching
#
# Here are 14 numbers of *noise*, drawn once from the standard normal distribution (mean 0, std 1). They stand in the
# upper row, and stay where they are. Each is multiplied by a std and shifted by a mean, and so becomes a draw, in the
# lower row. A line joins the two. The black triangle is the mean; orange is noise below 0, blue is noise above 0.
#
# The std is given by its logarithm, `log_std`, so that it stays positive whatever number an optimiser chooses.

# %% tags=["figure"]
guess(
    "stretching",
    "When log_std is raised a little, which draws move the farthest?",
    ["all move equally far", "those that lie near the mean", "those that lie far from the mean"],
)

# %% [markdown]
# Move one slider at a time, and follow one dot of the lower row.
#
# - Raise `mean` by 1. How far does each draw move?
# - Raise `log_std`. Which draws move to the left, which to the right, and which hardly at all?
# - Where are all the draws when `log_std` is −4?

# %% tags=["figure"]
figures.draws_slider()

# %% [markdown]
# The same picture at four settings, in case the sliders don't run where you read this:

# %% tags=["figure"]
show(
    figures.draws_settings(),
    alt="Four rows with the same 14 numbers of noise above. With mean 0 and std 1 the draws below are the noise"
    " itself. With mean 2 all lines lean to the right, in parallel: each draw has moved by 2. With log_std 0.7 the"
    " lines fan out from the mean. With log_std −4 they run together in one point.",
    caption="Above: the noise, always the same. Below: the draws that it becomes. Shaded: the density of the draws,"
    " with its peak at one height for every std.",
)

# %% tags=["figure"]
guessed("stretching")

# %% [markdown]
# - The mean *slides* the draws: raise it by 1, and each draw moves by exactly 1.
# - log_std *stretches* them: draws with noise above 0 move to the right, those with noise below 0 to the left. The
#   farther from the mean, the farther they move. A draw whose noise is near 0 hardly moves.
# - At −4 the std is 0.018. All draws lie in one heap at the mean: nothing random is left to be seen.
#
# So there is an answer to "how would this draw change?", as soon as we say *what stays the same*: the noise.

# %% [markdown]
# ## The idea: draw first, then compute
#
# Don't draw from the Gaussian that you want to move. Draw noise from a Gaussian that never changes, and compute the
# draw from it:
#
# $$w = \text{mean} + \text{std} \cdot \text{noise}$$
#
# The result has the right distribution. The noise is an input like any other, a plain number. And from mean and std to
# $w$ leads ordinary arithmetic, which `backward()` knows how to pass. This is the **reparameterization trick** [1]: the
# randomness is moved out of the gradient's way.
#
# The gradient that it gives is called the **pathwise** gradient, since it follows the path of each draw.

# %% [markdown]
# ## The mathematics
#
# | Symbol | In code | Shape | What it is |
# |---|---|---|---|
# | $\mu$ | `mean` | any | the means |
# | $\sigma$ | `torch.exp(log_std)` | as $\mu$ | the standard deviations |
# | $\log \sigma$ | `log_std` | as $\mu$ | their logarithms |
# | $\varepsilon$ | `epsilon` | as $\mu$ | the noise: independent draws from $\mathcal N(0, 1)$ |
# | $w$ | what the function returns | as $\mu$ | the draws |
# | $f(w)$ | `f(w)` | one number for each draw | what we want to be small, or large |
#
# Each element is drawn for itself:
#
# $$w = \mu + \sigma\, \varepsilon, \qquad \varepsilon \sim \mathcal N(0, 1)$$
#
# (Read $\sim$ as "is drawn from"; $\mathcal N(0, 1)$ is the Gaussian of mean 0 and variance 1.)
#
# Sliding and stretching are the two derivatives, for the two numbers that an optimiser moves, $\mu$ and $\log \sigma$
# (the exponential is its own derivative, so $\partial \sigma / \partial \log \sigma = \sigma$):
#
# $$\frac{\partial w}{\partial \mu} = 1, \qquad \frac{\partial w}{\partial \log \sigma} = \sigma\,\varepsilon$$
#
# The second is the distance of the draw from its mean: far draws move far.
#
# What we really want to change is an average over all draws, $\mathbb E[f(w)]$. Its gradient is the average of the
# draws' gradients, by the chain rule:
#
# $$
# \frac{\partial}{\partial \mu}\, \mathbb E[f(w)] = \mathbb E\left[f'(w)\right], \qquad
# \frac{\partial}{\partial \log \sigma}\, \mathbb E[f(w)] = \mathbb E\left[f'(w)\, \sigma\, \varepsilon\right]
# $$
#
# One draw gives one sample of these averages. It is noisy, and it is right on average: such an estimate is called
# **unbiased**.

# %% tags=["figure"]
guess(
    "gradient-of-the-spread",
    "For f(w) = w², with mean 0.5 and std 1: what is the average gradient for log_std?",
    ["0: the noise is as often below 0 as above", "1", "2"],
)

# %% [markdown]
# ## Your turn
#
# - `mean` and `log_std` are tensors of one shape. The draw has their dtype, and that shape.
# - If `epsilon` is given, use it as it is. (Its shape may be another that broadcasts with theirs, say (1000, 1) for
#   1,000 draws at once: then the result has the shape that comes of it.) If it isn't given, draw it: new noise in every
#   call, for each element its own.
# - Gradients reach `mean` and `log_std`, which themselves stay as they were: no in-place operations.
# - log_std lies between −9 and 2 here, so that its exponential needs no limits.
# - Don't set a random seed inside.


# %% tags=["exercise"]
def sample_gaussian(mean, log_std, epsilon=None):
    """A draw from N(mean, exp(log_std)²), through which gradients pass.

    mean, log_std: tensors of one shape.
    epsilon:       standard normal noise; None to have it drawn.
    Returns: mean + exp(log_std)·epsilon.
    """
    # 1. If no epsilon is given, draw one, in the shape of mean.
    # 2. Shift and stretch it.
    ### BEGIN SOLUTION
    if epsilon is None:
        epsilon = torch.randn_like(mean)
    return mean + torch.exp(log_std) * epsilon
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: which tools?</summary>
#
# - `torch.randn_like(tensor)` draws standard normal noise in the shape and the dtype of a tensor.
# - `epsilon is None` is how Python asks whether an argument wasn't given. (`if epsilon:` doesn't work for a tensor.)
# - The standard deviation is `torch.exp(log_std)`.
#
# </details>
#
# <details><summary>Hint 2: the steps, one by one</summary>
#
# - Only if `epsilon is None`: let `epsilon` be noise like `mean`.
# - Then, in both cases: the standard deviation times epsilon, plus the mean. `return` it.
#
# </details>
#
# <details><summary>Hint 3: almost everything</summary>
#
# ```python
# if epsilon is None:
#     epsilon = torch.randn_like(mean)
# return mean + ...
# ```
#
# Missing is the stretched noise.
#
# </details>
#
# {{ solution sample_gaussian }}

# %% [markdown]
# ### Is it right?

# %% tags=["check"]
check(sample_gaussian)

# %% [markdown]
# ## A first look at your draws
#
# The same little problem as at the top, with your function. Does the gradient say what it should? If $w$ lies to the
# right of 0, $w^2$ gets smaller when the mean is lowered; so the gradient for the mean must be positive.

# %% tags=["experiment"]
mean = torch.tensor(0.5, requires_grad=True)
log_std = torch.tensor(0.0, requires_grad=True)
for epsilon in (-2.0, 0.0, 1.0):
    noise = torch.tensor(epsilon)
    w = sample_gaussian(mean, log_std, noise)
    for_mean, for_log_std = torch.autograd.grad(w**2, (mean, log_std))
    print(f"noise {epsilon:4.1f}  draw {w:5.1f}  ", end="")
    print(f"gradient of w²: {for_mean:5.1f} for the mean, {for_log_std:5.1f} for log_std")

# %% [markdown]
# Each draw has a gradient of its own, $2w$ for the mean and $2w\,\varepsilon$ for log_std (since std is 1). The first
# draw, at −1.5, asks for a larger mean; the third, at 1.5, for a smaller one. Over all draws the average is
# $2\,\mathbb E[w] = 1$: on balance the mean has to go down. And both draws that lie far out ask for a smaller std,
# which is what we wanted: over all draws $2\,\mathbb E[w\,\varepsilon] = 2$.

# %% tags=["figure"]
guessed("gradient-of-the-spread")

# %% tags=["claim"]
draws = sample_gaussian(torch.full((200_000,), 0.5), torch.zeros(200_000))
assert abs((2 * draws).mean() - 1) < 0.03
assert abs((2 * draws * (draws - 0.5)).mean() - 2) < 0.05

# %% [markdown]
# ## There is another way
#
# The pathwise gradient asks how the *draw* moves. One can also leave the draws where they are, and ask how *probable*
# they become. If draws with a small $f(w)$ are made more probable, the average of $f$ falls.
#
# As a formula: the average is an integral over the density of the draws, $q(w) = \mathcal N(w;\, \mu, \sigma^2)$. Only
# the density depends on $\mu$, so only it is differentiated. Then comes the chain rule,
# $\partial \log q = \partial q / q$, read from right to left: it makes an average over draws of $q$ again.
#
# $$
# \frac{\partial}{\partial \mu} \int f(w)\, q(w)\, dw = \int f(w)\, \frac{\partial q(w)}{\partial \mu}\, dw
# = \int f(w)\, q(w)\, \frac{\partial \log q(w)}{\partial \mu}\, dw
# = \mathbb E\left[f(w)\, \frac{\partial \log q(w)}{\partial \mu}\right]
# $$
#
# The derivative of the log density is called the **score** (another thing than the score of lesson 00's cars), and this
# is the **score-function gradient**, also known as REINFORCE [2]. For a
# Gaussian, with lesson 00's formula, $\log q(w) = -\log \sigma - \tfrac12 (w - \mu)^2 / \sigma^2$ and a constant:
#
# $$
# \frac{\partial \log q(w)}{\partial \mu} = \frac{w - \mu}{\sigma^2} = \frac{\varepsilon}{\sigma}, \qquad
# \frac{\partial \log q(w)}{\partial \log \sigma} = -1 + \frac{(w - \mu)^2}{\sigma^2} = \varepsilon^2 - 1
# $$
#
# It needs no derivative of $f$ at all, only its value. And it too is right on average. Which should one use?

# %% [markdown]
# ## Two gradients, both right
#
# Let us measure, on a function whose exact gradient we know: half the squared length of ten weights,
# $f(w) = \tfrac12 \sum_{d=1}^{10} w_d^2$. All means are 1, and all stds are 1 (log_std 0). Then
# $\mathbb E[f(w)] = \tfrac12 \sum_d (\mu_d^2 + \sigma_d^2)$, and its exact gradient is $\mu_d = 1$ for each mean, and
# $\sigma_d^2 = 1$ for each log_std (since $\sigma_d^2 = \exp(2 \log \sigma_d)$).
#
# Both functions below return one gradient *for each draw*: many rows, so that we see how they scatter. The first uses
# your function, and lets the gradient pass through the draw. The second cuts the path off (`detach`), and lets the
# gradient pass through the log density.


# %% tags=["experiment"]
def f(w):
    """Half the squared length of each of S draws of D weights, (S, D): (S,)."""
    return 0.5 * (w**2).sum(dim=1)


def parameters(num_draws, num_weights, log_std=0.0):
    """A row of means and a row of log_stds for each draw."""
    mean = torch.ones(num_draws, num_weights)
    return mean.requires_grad_(), torch.full_like(mean, log_std).requires_grad_()


def pathwise(f, mean, log_std):
    """For each draw its gradient for mean and for log_std: two of (S, D)."""
    w = sample_gaussian(mean, log_std)
    return torch.autograd.grad(f(w).sum(), (mean, log_std))


def score_function(f, mean, log_std, baseline=0.0):
    """The same, from the values of f and the log density of the draws."""
    w = sample_gaussian(mean, log_std).detach()  # no path back from here
    log_q = gaussian_log_prob(w, mean, torch.exp(log_std)).sum(dim=1)  # of each draw
    # The gradient passes through log_q alone: w is cut off, and f(w) is but a number. So it is f(w) times the score.
    # (The baseline's turn comes later.)
    total = ((f(w) - baseline) * log_q).sum()
    return torch.autograd.grad(total, (mean, log_std))


# %% tags=["figure"]
guess(
    "noisier-gradient",
    "Ten weights. How much larger is the variance of the score-function gradient than that of the pathwise one?",
    ["it is smaller", "about 2 times", "about 10 times", "about 100 times"],
)

# %% tags=["experiment"]
torch.manual_seed(0)
ways = {"pathwise": pathwise, "score function": score_function}
gradients = {name: way(f, *parameters(20_000, 10)) for name, way in ways.items()}

print("20,000 gradients, average over ten weights:")
print(f"{'':16}for a mean:  average  variance    for a log_std:  average  variance")
for name, (for_mean, for_log_std) in gradients.items():
    row = [f"{g.mean():9.2f}{g.var(dim=0).mean():10.1f}" for g in (for_mean, for_log_std)]
    print(f"{name:16}{'':10}{row[0]}{'':18}{row[1]}")

# %% tags=["figure"]
show(
    figures.single_gradients({name: both[0][:, 0] for name, both in gradients.items()}, exact=1.0),
    alt="Two histograms of gradients for the first mean, on one axis. The pathwise ones form a narrow peak about the"
    " exact value, 1. The score-function ones spread about ten times as wide about the same value.",
    caption="20,000 gradients, each from one draw. Dashed: the exact gradient. Each histogram has its own height, and"
    " what lies beyond the axis isn't shown.",
)

# %% tags=["figure"]
guessed("noisier-gradient")

# %% [markdown]
# Both averages are as near 1 as chance allows: for the score function, chance is a standard error (the std of an
# average) of $\sqrt{137/200{,}000}$ or about 0.03, and an average may well be off by two of these.
# But the variances differ by a factor of more than a hundred. ("About 10", which ten weights suggest, is the ratio of
# the standard deviations.) The lower histogram leans: its most frequent value isn't the exact one. Its average is.
#
# Look at where this comes from. The pathwise gradient for weight $d$ is $w_d$: only this weight's own noise is in it.
# The score-function gradient is $f(w)\,\varepsilon_d / \sigma$: the whole of $f$, with the noise of all ten weights and
# its average of 10, is multiplied by noise, and only on average does all that is not weight $d$'s business cancel. It
# knows *that* a draw was good, and not *why*.


# %% tags=["claim"]
def variance_ratio(num_weights, seed, log_std=0.0, which=0, **options):
    torch.manual_seed(seed)
    first = pathwise(f, *parameters(20_000, num_weights, log_std))[which]
    second = score_function(f, *parameters(20_000, num_weights, log_std), **options)[which]
    return float(second.var(dim=0).mean() / first.var(dim=0).mean())


for both in gradients.values():
    for gradient in both:
        error = (gradient.var(dim=0).mean() / (10 * len(gradient))).sqrt()
        assert abs(gradient.mean() - 1) < 6 * error
for seed in range(5):
    assert 100 < variance_ratio(10, seed) < 200
    assert variance_ratio(10, seed, which=1) > 80

# %% [markdown]
# ## What the noise costs
#
# Noise can be averaged away: the average of $S$ gradients, each from a draw of its own, has an error of
# $\text{std}/\sqrt S$, where std is that of a single gradient. How many draws does each way need for the same error?
# Here the error is the root mean square over the ten means. In the figure, each thin line is one of eight runs, the
# line with markers is their average, and the dashed lines are $\text{std}/\sqrt S$, with the std that the variance
# above gives.

# %% tags=["experiment"]
torch.manual_seed(1)
numbers = [2**power for power in range(13)]  # 1 to 4,096 draws
runs = 8
stds = {name: float(both[0].var(dim=0).mean().sqrt()) for name, both in gradients.items()}
errors = {}
for name, way in ways.items():
    every_run = []
    for _ in range(runs):
        for_mean, _ = way(f, *parameters(numbers[-1], 10))
        averages = [for_mean[:n].mean(dim=0) for n in numbers]
        every_run.append([(average - 1).square().mean().sqrt() for average in averages])
    errors[name] = torch.tensor(every_run)

for n in (1, 16, 256, 4096):
    column = numbers.index(n)
    print(f"{n:5} draws: error", end="")
    print(";".join(f" {errors[name][:, column].mean():6.3f} {name}" for name in ways))

# %% tags=["figure"]
show(
    figures.errors(numbers, errors, stds),
    alt="The error of the average gradient against the number of draws, on log axes. Two bundles of lines fall with the"
    " same slope, along their dashed predictions; the score function's lies about ten times higher.",
    caption="On log axes 1/√S is a straight line that falls by a factor of 10 while S grows by 100.",
)

# %% [markdown]
# Both fall along their dashed lines: both are unbiased, and both get there in the end. But the score function needs
# more than a hundred draws for what the pathwise gradient gives in one. A training step that takes a second would
# take minutes.

# %% tags=["claim"]
for name in ways:
    predicted = stds[name] / torch.tensor(numbers).sqrt()
    measured = errors[name].square().mean(dim=0).sqrt()
    assert ((measured / predicted - 1).abs() < 0.5).all()
assert (errors["score function"].mean(dim=0) > 6 * errors["pathwise"].mean(dim=0)).all()

# %% [markdown]
# ### Try it: a baseline
#
# The score function has a well-known remedy. Subtract a constant from $f$, the *baseline*: it changes nothing on
# average, since $\mathbb E[\partial_\mu \log q] = \int \partial_\mu q\, dw = \partial_\mu 1 = 0$ (with $\partial_\mu$
# for $\partial / \partial \mu$), but it may take noise away. Here is the variance with a baseline of 0, that is,
# without one. Before you change it: which number would you subtract, and how much of the factor of a hundred do you
# expect to be left? Try 5, 10 and 100.

# %% tags=["experiment"]
torch.manual_seed(2)
baseline = 0.0
for_mean, _ = score_function(f, *parameters(20_000, 10), baseline=baseline)
print(f"baseline {baseline}: average {for_mean.mean():.2f}, variance {for_mean.var(dim=0).mean():.0f}")
for_mean, _ = pathwise(f, *parameters(20_000, 10))
print(f"pathwise:      average {for_mean.mean():.2f}, variance {for_mean.var(dim=0).mean():.0f}")

# %% [markdown]
# <details><summary>What comes of it</summary>
#
# The best constant is close to the average of $f$, which is 10 here. It leaves a variance of about 18: much better, and
# still far from 1. With 5, half of the way, about 53 are left. With 100 it is worse than without, by a factor of about
# fifty; yet even then the average is right, if you take enough draws.
#
# </details>

# %% tags=["claim"]
for seed in range(5):
    with_baseline = variance_ratio(10, seed, baseline=10.0)
    assert 14 < with_baseline < 23
    assert 40 < variance_ratio(10, seed, baseline=5.0) < 66
    assert variance_ratio(10, seed) > 66
    assert 40 < variance_ratio(10, seed, baseline=100.0) / variance_ratio(10, seed) < 80

# %% [markdown]
# ## More weights
#
# Ten weights are few. A small layer has thousands. What happens to the two variances as the weights become more?

# %% tags=["figure"]
guess(
    "more-weights",
    "From 1 weight to 100: how does the variance of one mean's gradient change?",
    [
        "both grow",
        "both stay as they are",
        "the score function's grows, the pathwise one's stays",
        "the pathwise one's grows, the score function's stays",
    ],
)

# %% tags=["experiment"]
torch.manual_seed(3)
sizes = [1, 3, 10, 30, 100]
variances = {}
for name, way in ways.items():
    each = [way(f, *parameters(10_000, size))[0] for size in sizes]
    variances[name] = torch.stack([for_mean.var(dim=0).mean() for for_mean in each])

for column, size in enumerate(sizes):
    row = [f"{name} {variances[name][column]:8.1f}" for name in ways]
    print(f"{size:4} weights: variance  " + "   ".join(row))

# %% tags=["figure"]
show(
    figures.variances(sizes, variances),
    alt="Variance of a mean's gradient against the number of weights, on log axes. The pathwise one stays at 1. The"
    " score function's climbs from about 7 with one weight to about 10,000 with a hundred.",
)

# %% tags=["figure"]
guessed("more-weights")

# %% [markdown]
# Here $f$ is a sum with a term for each weight, and the pathwise gradient of one weight doesn't notice how many others
# there are. The score-function gradient carries the noise of them all: when there are many, ten times as many make $f$
# ten times as large, and its square a hundred times. (From 1 weight to 10 the growth is less than a hundredfold, since
# with few of them the randomness of $f$ itself counts, too.)
#
# In a network, weights meet in one sum, and the pathwise gradient of each feels the others' noise. Let us see whether
# it is still the better one. In place of the squares' sum, take the square of the sum:


# %% tags=["experiment"]
def together(w):
    """Half the square of the sum of each row of w, (S, D): (S,)."""
    return 0.5 * w.sum(dim=1) ** 2


torch.manual_seed(3)
for size in (1, 10, 100):
    row = [
        f"{name} {way(together, *parameters(20_000, size))[0].var(dim=0).mean():12.1f}" for name, way in ways.items()
    ]
    print(f"{size:4} weights: variance  " + "   ".join(row))

# %% [markdown]
# Now the pathwise variance grows as well, with the number of weights: it is the variance of their sum. The score
# function's grows far faster still. This is why Bayesian neural networks, with their thousands of random weights, are
# trained with the pathwise gradient.

# %% tags=["claim"]
for seed in range(5):
    assert 4 < variance_ratio(1, seed) < 12
    assert 7_000 < variance_ratio(100, seed) < 15_000
    for size in (10, 100):
        torch.manual_seed(seed)
        both = [way(together, *parameters(20_000, size))[0].var(dim=0).mean() for way in (pathwise, score_function)]
        assert abs(both[0] / size - 1) < 0.1
        assert both[1] > 30 * size * both[0]
assert ((variances["pathwise"] - 1).abs() < 0.1).all()

# %% [markdown]
# ### Try it: weights that are sure
#
# So far all stds were 1. When a layer becomes sure of a weight, its log_std falls, say to −3. Before you change it to
# −1 and then to −3: what will happen to each of the two variances?

# %% tags=["experiment"]
torch.manual_seed(6)
log_std = 0.0
for name, way in ways.items():
    for_mean, _ = way(f, *parameters(20_000, 10, log_std=log_std))
    print(f"log_std {log_std}: {name:15} variance {for_mean.var(dim=0).mean():10.4f}")

# %% [markdown]
# <details><summary>What comes of it</summary>
#
# The pathwise variance falls, to 0.14 at −1 and 0.0025 at −3: the draws hardly differ, and so their gradients hardly
# do. The score function's *rises*, to about 260 and then 10,000. The gradient $f(w)\,\varepsilon/\sigma$ is divided by
# $\sigma = 0.05$, so its variance is divided by $\sigma^2$, which makes it 400 times as large; that $f$ falls from 10
# to 5 takes only a part of this back. In all that is a factor of four million between the two: just when a layer
# becomes sure of its weights, the score function becomes useless.
#
# </details>

# %% tags=["claim"]
for seed in range(5):
    assert 3_000_000 < variance_ratio(10, seed, log_std=-3.0) < 5_000_000
    assert 1_500 < variance_ratio(10, seed, log_std=-1.0) < 2_500
    torch.manual_seed(seed)
    sure = pathwise(f, *parameters(20_000, 10, log_std=-3.0))[0].var(dim=0).mean()
    assert abs(sure - math.exp(-6)) < 0.0002

# %% [markdown]
# ## Where the pathwise gradient can't go
#
# It has a price: it needs the derivative of $f$, and a draw that can slide. Two cases where there is none.
#
# **A step.** Let $f$ be 1 where $w > 0$, and 0 elsewhere. Its average is the probability that $w$ is positive, which
# surely grows with the mean: the exact gradient is the density of $w$ at 0, $\mathcal N(0;\, \mu, \sigma^2)$. A
# comparison alone gives PyTorch no path at all, and `backward()` would raise an error; so we add 0 times $w$, which has
# one.


# %% tags=["experiment"]
def step(w):
    """1 where w is above 0, and 0 elsewhere, summed over each row."""
    return (w > 0).float().sum(dim=1) + 0 * w.sum(dim=1)


# %% tags=["figure"]
guess(
    "a-step",
    "What does the pathwise gradient say of the step?",
    ["the right one, with much noise", "one that is too large or too small", "exactly 0, without any warning"],
)

# %% tags=["experiment"]
torch.manual_seed(4)
means = torch.linspace(-3, 3, 13)
exact = gaussian_log_prob(torch.zeros(13), means, torch.ones(13)).exp()
estimates = {}
for name, way in ways.items():
    each = []
    for mean in means:
        shifted = torch.full((10_000, 1), mean.item(), requires_grad=True)
        log_std = torch.zeros(10_000, 1, requires_grad=True)
        each.append(way(step, shifted, log_std)[0].mean())
    estimates[name] = torch.stack(each)
for name, estimate in estimates.items():
    print(f"{name:15} at mean 0: {estimate[6]:.3f}, exact: {exact[6]:.3f}")

# %% tags=["figure"]
show(
    figures.step_function(means, exact, estimates),
    alt="The gradient of the probability that w is above 0, against the mean. The exact one is a bell; the score"
    " function's estimates follow it; the pathwise ones are 0 everywhere.",
    caption="10,000 draws for each point.",
)

# %% tags=["figure"]
guessed("a-step")

# %% [markdown]
# Zero, without a warning. Each draw lies on one of two plains, and to slide it a little changes nothing; only those few
# that cross the step would matter, and no derivative sees them. The score function looks at values alone, and is right.

# %% tags=["claim"]
assert (estimates["pathwise"] == 0).all()
assert ((estimates["score function"] - exact).abs() < 0.08).all()

# %% [markdown]
# **A choice.** Let a coin decide between two options. Option 1 is worth 1.0, option 0 is worth 0.3. The coin shows 1
# with the probability $p$, and we want to learn $p$. There is no half-way between 0 and 1 that a draw could slide
# through. So a program that learns to choose (which move to play, which word to write) needs the score function.
#
# We store a number $\theta$ that may be anything, and let $p = 1/(1 + e^{-\theta})$; such a number is called a
# **logit**. The average worth is $0.3 + 0.7\,p$, and its exact gradient is $0.7\,p\,(1 - p)$. The logarithm of a
# choice's probability is $\log p$ where it is 1, and $\log(1 - p)$ where it is 0; the code writes both in one line.

# %% tags=["experiment"]
torch.manual_seed(5)
logit = torch.tensor(-1.0, requires_grad=True)
p = torch.sigmoid(logit)
choices = (torch.rand(10_000) < p).float()  # 0 or 1; a comparison passes no gradient
worth = 0.3 + 0.7 * choices

log_p = choices * torch.log(p) + (1 - choices) * torch.log(1 - p)
(gradient,) = torch.autograd.grad((worth * log_p).mean(), logit)
print("Does a gradient pass through the choices?", choices.requires_grad)
print(f"score function: {gradient:.3f}, exact: {0.7 * p * (1 - p):.3f}")

# %% tags=["claim"]
assert abs(gradient - 0.7 * p * (1 - p)) < 0.03

# %% [markdown]
# | The gradient | Pathwise | Score function |
# |---|---|---|
# | asks | how does the draw move? | how probable does it become? |
# | needs | the derivative of $f$, and draws that can slide | only the value of $f$, and a density with a derivative |
# | noise | little | much, and more with every weight |
# | use it for | Gaussian weights, and all that this course does | choices, steps, and what can't be derived |
#
# Both and others are compared in [3].

# %% [markdown]
# ## What goes wrong in practice
#
# **1. The gradient is cut off.** `torch.normal` (whose gradients are 0), `Normal(…).sample()`, `.detach()`, `.data`,
# and everything under `torch.no_grad()` give the right draws and no gradient. PyTorch's distributions have two
# methods: `sample()` cuts, `rsample()` doesn't (r for *reparameterized*); it does what your function does.
#
# **2. The noise is drawn once and kept.** If `epsilon` is made in `__init__`, or outside of the loop, each step sees
# the same noise. The optimiser then fits that one noise, not the average. New noise in every step costs little.
#
# **3. The std is computed once.** `std = torch.exp(log_std)` before the training loop, and `std` used inside: after the
# first `backward()` PyTorch complains that its graph is gone; and with `.detach()`, which seems to cure that, log_std
# never learns.
#
# **4. A std passed where its logarithm is expected.** `exp` of a std of 0.05 is 1.05: the draws are twenty times too
# wide, and nothing complains. A name that says what it holds, such as `log_std`, is the best protection.

# %% tags=["experiment"]
normal = torch.distributions.Normal(torch.zeros(1, requires_grad=True), torch.ones(1))
print("sample():  a gradient passes:", normal.sample().requires_grad)
print("rsample(): a gradient passes:", normal.rsample().requires_grad)

# %% [markdown]
# ## Questions to think about
#
# **1.** A baseline of 10, the average of $f$, took much noise away. Why not subtract $f(w)$ itself, for each draw its
# own? That would take away all of it.
#
# <details><summary>Answer</summary>
#
# And the gradient with it: $(f(w) - f(w))$ is 0 for every draw. A baseline changes nothing on average only if it
# doesn't depend on the draw: then it can be taken out of the average: $\mathbb E[\text{baseline} \cdot \partial_\mu
# \log q] = \text{baseline} \cdot \mathbb E[\partial_\mu \log q] = 0$. It may well come from *other* draws, such as the
# average of the last batch.
#
# </details>
#
# **2.** Is the pathwise gradient for a mean the same as the gradient of an ordinary layer whose weight is this draw?
#
# <details><summary>Answer</summary>
#
# Yes: $\partial w/\partial \mu = 1$, so it is just $f'(w)$. The mean learns as an ordinary weight does whose value
# jitters. New is only the gradient for log_std, which is the same number times $\sigma\,\varepsilon$.
#
# </details>
#
# **3.** Could one reparameterize a uniform distribution between two bounds, $w_{\min}$ and $w_{\max}$?
#
# <details><summary>Answer</summary>
#
# Yes: $w = w_{\min} + (w_{\max} - w_{\min})\,u$, with $u$ uniform between 0 and 1. Whatever can be written as a smooth
# function of noise that doesn't depend on the parameters can be reparameterized. A coin can't: its function of the
# noise is a step.
#
# </details>

# %% tags=["claim"]
assert 20 < math.exp(0.05) / 0.05 < 22

# %% [markdown]
# ## Where this comes from
#
# 1. D. P. Kingma, M. Welling: *Auto-Encoding Variational Bayes*, ICLR 2014. Section 2.4: the reparameterization
#    trick. The same idea, in the same year: D. J. Rezende, S. Mohamed, D. Wierstra: *Stochastic Backpropagation and
#    Approximate Inference in Deep Generative Models*, ICML 2014.
# 2. R. J. Williams: *Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning*,
#    Machine Learning 8, 1992. The score function's gradient, under the name of REINFORCE, and the baseline.
# 3. S. Mohamed, M. Rosca, M. Figurnov, A. Mnih: *Monte Carlo Gradient Estimation in Machine Learning*, Journal of
#    Machine Learning Research 2020. Both ways and others, compared.
#
# **Next:** a layer that is free to choose its stds would soon make them so small that nothing is random. [Lesson
# 02](02_kl_divergence.ipynb) measures how far it has moved from what it believed at first, and so gives a reason not
# to.

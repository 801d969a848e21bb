# %% [markdown]
# # 02 · How far is what I learned from what I believed?
#
# Before it sees data, a Bayesian network believes something about each of its weights; afterwards it believes something
# else. How can the distance between the two beliefs be one number, that a reader can feel and an optimiser can lower?
#
# **Time:** about 90 minutes. **Difficulty:** ●●○○○. You write two functions of about five lines each.
#
# **You need:** PyTorch tensors and gradients, logarithms, and the Gaussian (the bell curve). Two ideas come from
# earlier lessons: the logarithm of a Gaussian's density (lesson 00), and a draw as mean + standard deviation · noise,
# through which gradients pass (lesson 01). You don't have to have solved those lessons.

# %% tags=["setup"]
import math

import torch

from bnn_core import gaussian_log_prob, sample_gaussian
from bnn_core.autograder import check
from bnn_core.figures import kl_divergence as figures
from bnn_core.figures import show
from bnn_core.guesses import guess, guessed

_ = torch.manual_seed(0)
torch.set_num_threads(1)  # the tensors are small

# %% [markdown]
# ## A bet on a coin
#
# A bookmaker believes that a coin is fair. So he offers what is fair to him: whoever bets on the side that comes up
# gets twice the stake back. You have watched this coin for a long time, and learned that it shows heads 80 times in
# 100.
#
# In every round you bet all that you have, 80 % of it on heads and 20 % on tails. Heads multiplies your wealth by
# $2 \cdot 0.8 = 1.6$, tails by $2 \cdot 0.2 = 0.4$. You win more often than you lose; but how *fast* do you get rich?
# Wealth is multiplied from round to round, so we add up logarithms.

# %% tags=["experiment"]
LEARNED = 0.8  # the chance of heads that you learned, and stake
BELIEVED = 0.5  # the bookmaker's

heads = torch.rand(1000) < LEARNED
factor = torch.where(heads, LEARNED / BELIEVED, (1 - LEARNED) / (1 - BELIEVED))
log_wealth = factor.double().log().cumsum(dim=0)
print("rounds    log of your wealth    wealth, where you began with 1")
for rounds in (1, 10, 100, 1000):
    nats = log_wealth[rounds - 1].item()
    print(f"{rounds:6}{nats:18.2f}{math.exp(min(nats, 700)):26.4g}")
average = LEARNED * math.log(LEARNED / BELIEVED)
average += (1 - LEARNED) * math.log((1 - LEARNED) / (1 - BELIEVED))
print(f"on average a round adds {average:.3f} to the logarithm", end=": ")
print(f"wealth × {math.exp(average):.2f}")

# %% [markdown]
# The last line is what the whole lesson is about. It is the **KL divergence** of what you learned from what the
# bookmaker believes: by how much, on average, the logarithm of your wealth grows in a round, because you know better
# than he does.
#
# It is measured in **nats**, the unit of a natural logarithm. A bet that is worth **one nat** adds 1 to the
# logarithm of your wealth, on average over many rounds: it multiplies your wealth by $e \approx 2.72$. Here a round is
# worth 0.19 nats: it takes you about five rounds to get as far. If you had learned nothing that he doesn't know, you
# would stake as he believes, win nothing and lose nothing: 0 nats.
#
# **Change this, predict, run:** set `LEARNED` to 0.99. Would that be worth a whole nat a round?
#
# <details><summary>What comes out</summary>
#
# No. Even of a coin that always shows heads, wealth can at most double in a round, and $\log 2 = 0.69$ nats. This is
# the number of nats in one bit.
#
# </details>

# %% [markdown]
# ## The same bet on a weight
#
# Now the thing that is drawn isn't a coin's side, but a number $w$: a weight of a network. The **prior** $p$ is what
# was believed of it before any data: a Gaussian with mean 0 and standard deviation 1. What was **learned** from the
# data is another Gaussian, $q$.
#
# The bookmaker still believes $p$. He offers bets on every narrow slot of the $w$ axis, and pays more the less likely
# he thinks it. The height of such a curve over a slot is the **density**: the chance per unit of $w$. You spread your
# stake as $q$ does. Suppose that you are right: $w$ really is drawn from $q$. When it falls into a slot, your wealth is
# multiplied by $q(w) / p(w)$: how many times more you had put there than he thought right.
#
# In the picture, left, are the two densities. Right is what happens: each thin line is the logarithm of one gambler's
# wealth over ten rounds. The dashed line is their long-run average, and its slope is the KL.
#
# First, a guess.

# %% tags=["figure"]
guess(
    "kl-too-wide",
    "Both have mean 0. Which belief is further from the prior, by the KL?",
    ["the narrow one, std ½", "the wide one, std 2", "both are equally far"],
)

# %% [markdown]
# Then move the sliders, and find out:
#
# - At mean 0, which `log_std` wins nothing at all? Is it the same one that wins least at mean 1.5? (`log_std` is the
#   logarithm of the standard deviation: 0 means a standard deviation of 1.)
# - Where do the thin lines keep closest to the dashed one, as a share of its height?

# %% tags=["figure"]
figures.bet_slider()

# %% [markdown]
# The same picture at three settings, in case the sliders don't run where you read this:

# %% tags=["figure"]
show(
    figures.bet_settings(),
    alt="Three rows. With mean 0 and standard deviation ½ the log of the gamblers' wealth rises by 0.32 a round. With"
    " standard deviation 2 it rises by 0.83 on average, but unevenly: most lines hardly rise and some jump. With mean"
    " 1.5 and standard deviation 0.22 all lines rise steeply, by 2.15 a round.",
    caption="Left: prior and learned density. Right: 12 gamblers, ten rounds each; dashed, the KL times the rounds.",
)

# %% tags=["figure"]
guessed("kl-too-wide")

# %% [markdown]
# The wide one is further away: 0.8 nats, against 0.3 for the narrow one. It says that $w$ may well lie at 4, where the
# prior sees next to nothing. There the bookmaker pays a fortune, and once in a while it is yours: the thin lines jump.
# The narrow belief only sharpens what the prior thinks likely anyway: its gains are small, and come in about five
# rounds of six.
#
# At mean 0 the KL is 0 where `log_std` is 0: there $q$ is the prior. With another mean it isn't 0 any more, but it is
# still smallest at `log_std` 0. The lines keep closest to the dashed one, compared with how far it rises, where the
# belief is narrow and its mean far from 0.

# %% tags=["claim"]
bets = 0.5 * torch.randn(100_000, generator=torch.Generator().manual_seed(0))
won = gaussian_log_prob(bets, 0.0, 0.5) > gaussian_log_prob(bets, 0.0, 1.0)
assert abs(won.float().mean() - 5 / 6) < 0.02

# %% [markdown]
# ## The idea: the average of a log ratio
#
# The **Kullback-Leibler divergence** of $q$ from $p$ is the average of $\log q(w) - \log p(w)$, where $w$ is drawn
# from $q$. It can be read in three ways:
#
# - **A bet.** By how many nats a round does one who knows $q$ beat one who believes $p$?
# - **A code.** A file can be stored in few bits where likely messages get short codes. Make the code for $p$, and let
#   the messages come from $q$: by how much is each longer than it need be? By the KL. (1 nat is 1.44 bits.)
# - **A price.** In this course the KL is added to the loss: a weight may become more certain, or move away from 0, if
#   the data are worth it.
#
# Three properties are all that we need. The next cell shows them on coins. Before you run it: you know better than the
# bookmaker about *two* coins, and bet on both. How many nats is a round worth?


# %% tags=["experiment"]
def kl(learned, believed):
    """The KL divergence of one list of chances from another, in nats."""
    return (learned * (learned / believed).log()).sum().item()


fair, biased = torch.tensor([0.5, 0.5]), torch.tensor([0.8, 0.2])
both_biased, both_fair = torch.outer(biased, biased), torch.outer(fair, fair)  # the four outcomes of two coins
print(f"0 where you know no better:   KL(fair ‖ fair)     = {kl(fair, fair):.3f}")
print(f"it has a direction:           KL(biased ‖ fair)   = {kl(biased, fair):.3f}")
print(f"                              KL(fair ‖ biased)   = {kl(fair, biased):.3f}")
print(f"it adds up:                   KL of both coins    = {kl(both_biased, both_fair):.3f}")

# %% tags=["claim"]
assert abs(kl(both_biased, both_fair) - 2 * kl(biased, fair)) < 1e-6
assert kl(fair, fair) == 0
assert kl(fair, biased) > kl(biased, fair) > 0

# %% [markdown]
# It is **never negative**, and 0 only where the two are the same: nobody wins in the long run from one whose odds are
# right. It has a **direction**: it matters from which of the two the draws come. And for independent things it **adds
# up**: who bets on two coins multiplies two factors, and so adds two logarithms.

# %% [markdown]
# ## The mathematics
#
# **Symbols.** `mean` and `log_std` have any shape: that of a layer's weights, say.
#
# | Symbol | In code | Shape | What it is |
# |---|---|---|---|
# | $\mu$ | `mean` | any | the mean of what was learned, $q = \mathcal N(\mu, \sigma^2)$ |
# | $\log \sigma$ | `log_std` | as `mean` | the logarithm of its standard deviation $\sigma$ |
# | $\sigma_0$ | `prior_std` | a number, or broadcasts | the std of the prior, $p = \mathcal N(0, \sigma_0^2)$ |
# | $\varepsilon$ | `epsilon` | as `mean`, for each draw | independent draws from $\mathcal N(0, 1)$ |
# | $w$ | `w` | as `mean`, for each draw | a draw from $q$: $w = \mu + \sigma\, \varepsilon$ |
# | $S$ | `num_samples` | a number | how many draws of the whole tensor; one of them is draw $s$ |
#
# **The definition.**
#
# $$\mathrm{KL}(q \,\|\, p) = \mathbb E_{w \sim q}\big[\log q(w) - \log p(w)\big]$$
#
# ($\mathbb E_{w \sim q}$ is the average over draws $w$ from $q$.)
#
# **The closed form.** The logarithms of the two densities are
#
# $$
# \log q(w) = -\frac{(w - \mu)^2}{2\sigma^2} - \log \sigma - \tfrac12 \log 2\pi, \qquad
# \log p(w) = -\frac{w^2}{2 \sigma_0^2} - \log \sigma_0 - \tfrac12 \log 2\pi.
# $$
#
# Over draws from $q$, the average of $(w - \mu)^2$ is $\sigma^2$ (so the variance is defined), and that of $w^2$ is
# $\sigma^2 + \mu^2$ (write $w = \mu + (w - \mu)$ and square it: the mixed term averages to 0). Put these
# in, and subtract. The $\log 2\pi$ go away:
#
# $$
# \mathrm{KL} = \tfrac12 \left( \frac{\mu^2 + \sigma^2}{\sigma_0^2} - 1 \right) - \log \sigma + \log \sigma_0
# $$
#
# $\mu^2 / 2 \sigma_0^2$ is the price of having moved away from 0. The rest is the price of the width, and is 0 where
# $\sigma = \sigma_0$. For a **whole tensor** of independent weights this is **summed** over all elements: one number
# for a layer, be it of ten weights or of a million.

# %% tags=["figure"]
guess(
    "kl-of-a-digit",
    "A weight with mean 0 gets ten times narrower: std 0.01 in place of 0.1. Its KL grows by …",
    ["about 2.3 nats, log 10", "about 50 nats", "ten times as much"],
)

# %% [markdown]
# **The same number from draws.** Where no closed form is known, do what the definition says: draw, and average.
#
# $$
# \mathrm{KL}(q \,\|\, p) \approx \frac1S \sum_{s=1}^{S} \big( \log q(w_s) - \log p(w_s) \big), \qquad
# w_s = \mu + \sigma\, \varepsilon_s
# $$
#
# This is called a **Monte Carlo** estimate, after the casino. It is right on average, whatever $S$ is; gradients reach
# $\mu$ and $\log \sigma$ through the draws. For a tensor, the difference is *averaged* over draws, and *summed* over
# elements.

# %% [markdown]
# ## Your turn: the closed form
#
# The numbered comments are the steps. Two things to know:
#
# - `prior_std` may be a number, such as 1.0 or 3, or a tensor that broadcasts with `mean`: a prior of its own for each
#   row, say. `torch.as_tensor` makes a tensor of either.
# - The result is a **scalar tensor**, of shape `()`, that carries gradients to `mean` and `log_std`. It has their
#   dtype. `mean` and `log_std` stay as they are, and none of their values is cut to a range.


# %% tags=["exercise"]
def gaussian_kl(mean, log_std, prior_std=1.0):
    """KL(N(mean, exp(log_std)²) ‖ N(0, prior_std²)), summed over all elements.

    mean, log_std: tensors of one shape, any.
    prior_std: a number, or a tensor that broadcasts with them; above 0.
    Returns: a scalar tensor that carries gradients.
    """
    # 1. The variance of the learned distribution, from log_std.
    # 2. The closed form, element by element.
    # 3. One number for the whole tensor.
    ### BEGIN SOLUTION
    variance = torch.exp(2 * log_std)
    log_prior_std = torch.log(torch.as_tensor(prior_std, dtype=mean.dtype))
    elements = 0.5 * ((mean**2 + variance) / prior_std**2 - 1) - log_std + log_prior_std
    return elements.sum()
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: which tools?</summary>
#
# - $\sigma = \exp(\log \sigma)$, so $\sigma^2 = \exp(2 \log \sigma)$: `torch.exp(2 * log_std)`.
# - You never need to take the logarithm of $\sigma$: `log_std` is that already.
# - `torch.log` takes tensors alone. `torch.as_tensor(prior_std)` makes one of a number.
#
# </details>
#
# <details><summary>Hint 2: the steps, one by one</summary>
#
# - Write the closed form just as it stands, for whole tensors: PyTorch goes through the elements.
# - Mind what is squared: `mean`, the standard deviation, and `prior_std` in the fraction. Under the logarithm it isn't.
# - `−1` and the logarithms belong to *every* element, so they stand inside the sum. Take `.sum()` last.
#
# </details>
#
# <details><summary>Hint 3: almost everything</summary>
#
# ```python
# variance = torch.exp(2 * log_std)
# log_prior_std = torch.log(torch.as_tensor(prior_std, dtype=mean.dtype))
# elements = 0.5 * (... / prior_std**2 - 1) - log_std + log_prior_std
# ```
#
# What is left is the numerator, and the sum.
#
# </details>
#
# {{ solution gaussian_kl }}

# %% [markdown]
# Run the cell. If something is wrong, it says what, and what the likely mistake is.

# %% tags=["check"]
check(gaussian_kl)

# %% [markdown]
# ## What certainty costs
#
# Your function is a price list. Here are some of its prices, for one weight and the prior $\mathcal N(0, 1)$.


# %% tags=["experiment"]
def price(mean, std, prior_std=1.0):
    """The KL of one weight, in nats, as a plain number."""
    log_std = torch.tensor(float(std)).log()
    return gaussian_kl(torch.tensor(float(mean)), log_std, prior_std).item()


print("  mean      std      KL [nats]")
moved = [(0, 1), (1, 1), (2, 1)]
widened = [(0, std) for std in (2, 0.5, 0.1, 0.01, 0.001)]
for mean, std in moved + widened:
    print(f"{mean:6}{std:9}{price(mean, std):13.2f}")

# %% tags=["figure"]
guessed("kl-of-a-digit")

# %% [markdown]
# - Moving the mean by one prior standard deviation costs half a nat; by two, four times as much.
# - **A further decimal digit costs 2.3 nats.** From the standard deviation 0.1 to 0.01, and from there to 0.001, the
#   price grows by $\log 10 \approx 2.3$ each time. This is the code again: to write down one more decimal digit of a
#   weight takes 2.3 nats, which are 3.3 bits.
# - An infinitely sharp weight, known to infinitely many digits, would cost infinitely much. A network whose weights are
#   exact numbers can't be paid for at all.
#
# **Change this, predict, run.** How narrow may a weight get, and how wide, for *one* nat, with its mean at 0? Guess two
# values of `std`, one below 1 and one above it, and try until both prices are within 0.01 of 1.

# %% tags=["experiment"]
for std in (0.5, 2.0):
    print(f"a weight with std {std} costs {price(0, std):.3f} nats")

# %% [markdown]
# <details><summary>What comes out</summary>
#
# About 0.229 and 2.12. A nat lets a weight get more than four times as narrow as the prior, but only about twice as
# wide.
#
# </details>

# %% tags=["claim"]
assert abs(price(0, 0.229) - 1) < 0.01
assert abs(price(0, 2.12) - 1) < 0.01
assert abs(price(0, 0.01) - price(0, 0.1) - math.log(10)) < 0.01
assert abs(price(0, 0.001) - price(0, 0.01) - math.log(10)) < 0.01
assert price(2, 1) == 4 * price(1, 1) == 2
assert abs(price(0, 2) - 0.8) < 0.05
assert abs(price(0, 0.5) - 0.3) < 0.05

# %% [markdown]
# ## It has a direction
#
# Now you and the bookmaker change places: you bet as $p = \mathcal N(0, 1)$ says, and $w$ really is drawn from $p$; his
# odds come from $q$. Your function can compute this, too: what it calls the prior may have any standard deviation.

# %% tags=["experiment"]
stds = torch.logspace(-0.7, 0.7, 57)
forth = torch.tensor([price(0, std) for std in stds])  # KL(q ‖ p)
back = torch.tensor([price(0, 1, prior_std=std.item()) for std in stds])  # KL(p ‖ q)
for std in (0.5, 1.0, 2.0):
    print(f"std of q {std}:  KL(q ‖ p) = {price(0, std):.2f}", end="   ")
    print(f"KL(p ‖ q) = {price(0, 1, prior_std=std):.2f}")

# %% tags=["figure"]
show(
    figures.directions(stds, forth, back),
    alt="The KL in both directions against the standard deviation of q, from 0.2 to 5, on a log axis. The two curves"
    " touch 0 at 1, and each is the mirror image of the other: KL(q ‖ p) is steep where q is too wide, KL(p ‖ q) where"
    " q is too narrow.",
)

# %% [markdown]
# The two directions differ, and they are mirror images: what counts is only whether the one that is *drawn from* is
# wider than the other. **It is expensive to be drawn where the other sees almost nothing.** It is cheap to
# leave out a part of what the other thinks possible.
#
# So the KL is no distance in the usual sense, though one says "how far". Which direction we take will decide what a
# network learns. We come to that below.

# %% tags=["claim"]
assert torch.allclose(forth, back.flip(0), atol=1e-3)
assert (forth[stds > 1.05] > back[stds > 1.05]).all()
assert (forth[stds < 0.95] < back[stds < 0.95]).all()

# %% [markdown]
# ## Your turn: the same number from draws
#
# For two Gaussians there is a formula. For most pairs of distributions there is none: for a prior that is a mixture of
# two Gaussians, as in the paper of Blundell and others [1], or for the two humps below. Draws always work. So write the
# Monte Carlo estimate for the case where you can see whether it is right.
#
# - The prior is $\mathcal N(0, 1)$ here. You may use what earlier lessons built, both imported above:
#   `gaussian_log_prob(x, mean, std)` is $\log \mathcal N(x; \text{mean}, \text{std}^2)$, element by element (this one
#   takes plain numbers, too), and `sample_gaussian(mean, log_std, epsilon)` is mean + exp(log_std) · epsilon.
# - Each call draws new noise, independent for every element and every draw, in the dtype of `mean`.
# - The result is a scalar tensor. Gradients go **through the draws**, to `mean` and `log_std`.


# %% tags=["exercise"]
def monte_carlo_kl(mean, log_std, num_samples):
    """KL(N(mean, exp(log_std)²) ‖ N(0, 1)), summed over elements, estimated from draws.

    mean, log_std: tensors of one shape, any.
    num_samples: how many independent draws of the whole tensor, at least 1.
    Returns: a scalar tensor that carries gradients, right on average.
    """
    # 1. Sample from a standard normal distribution (epsilon): num_samples draws,
    # each in the shape of mean.
    # 2. Draw w from the learned distribution: mean + exp(log_std) * epsilon.
    # 3. log q(w) and log p(w), element by element.
    # 4. Sum their difference over the elements, and average it over the draws.
    ### BEGIN SOLUTION
    epsilon = torch.randn(num_samples, *mean.shape, dtype=mean.dtype)
    w = sample_gaussian(mean, log_std, epsilon)
    log_q = gaussian_log_prob(w, mean, log_std.exp())
    log_p = gaussian_log_prob(w, 0.0, 1.0)
    return (log_q - log_p).sum() / num_samples
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: which tools?</summary>
#
# - `torch.randn(num_samples, *mean.shape, dtype=mean.dtype)` has one dimension more than `mean`, in front: the draws.
# - `mean` and `log_std` broadcast over it by themselves.
# - Both log densities are taken at the *same* draws $w$, which come from $q$.
#
# </details>
#
# <details><summary>Hint 2: the steps, one by one</summary>
#
# - `w = sample_gaussian(mean, log_std, epsilon)` has the shape of `epsilon`.
# - $q$ has the standard deviation `log_std.exp()`; $p$ has mean 0 and standard deviation 1.
# - `.sum()` over everything sums over elements *and* draws. Divide by `num_samples` to average over the draws alone;
#   `.mean()` would average over the elements, too.
#
# </details>
#
# <details><summary>Hint 3: almost everything</summary>
#
# ```python
# epsilon = torch.randn(num_samples, *mean.shape, dtype=mean.dtype)
# w = sample_gaussian(mean, log_std, epsilon)
# log_q = gaussian_log_prob(w, mean, log_std.exp())
# ```
#
# What is left is `log_p` in the same way, and the last step.
#
# </details>
#
# {{ solution monte_carlo_kl }}

# %% tags=["check"]
check(monte_carlo_kl)

# %% [markdown]
# ## How fast the draws agree with the formula
#
# Take six weights. The formula gives their KL exactly. Draws give it with an error, and more draws with a smaller one.

# %% tags=["figure"]
guess(
    "kl-draws",
    "You take 10,000 draws in place of 100. By how much does the error shrink?",
    ["to a hundredth", "to a tenth", "to a half"],
)

# %% tags=["experiment"]
mean = torch.tensor([0.5, -1.0, 0.0, 0.3, 1.2, -0.4])
log_std = torch.tensor([-1.0, -0.5, 0.3, -2.0, -0.2, 0.1])
exact = gaussian_kl(mean, log_std)

COUNTS, REPEATS = (1, 10, 100, 1000, 10_000), 300
errors = []
for count in COUNTS:
    estimates = [monte_carlo_kl(mean, log_std, count) for _ in range(REPEATS)]
    errors.append((torch.stack(estimates) - exact).square().mean().sqrt())
errors = torch.stack(errors)

steps = torch.tensor(COUNTS).log10()
centred = steps - steps.mean()
# The slope of the straight line that fits best:
slope = (centred * errors.log10()).sum() / centred.square().sum()
print(f"exactly: {exact:.3f} nats")
for count, error in zip(COUNTS, errors, strict=True):
    print(f"{count:7,} draws: typical error {error:.4f} nats")
print(f"slope on log axes: {slope:.3f}")

# %% tags=["figure"]
std = log_std.exp()
one_draw = (0.5 * (std**2 - 1) ** 2 + (mean * std) ** 2).sum().sqrt()
show(
    figures.convergence(COUNTS, errors, one_draw / torch.tensor(COUNTS).sqrt()),
    alt="The typical error of the estimate against the number of draws, from 1 to 10,000, on log axes. The measured"
    " points lie on a straight line that falls by a factor of ten for every factor of a hundred in draws.",
    caption="Dots: root mean square error of 300 estimates. Dashed: the standard deviation of a single draw's log"
    " ratio, over the root of the number of draws.",
)

# %% tags=["figure"]
guessed("kl-draws")

# %% [markdown]
# To a tenth. On log axes the points lie on a straight line of slope −½: the error falls as $1 / \sqrt S$. The estimate
# is an average of $S$ independent log ratios; its variance is that of one of them, divided by $S$. So **a digit more
# costs a hundred times the draws**. This is why one takes the formula where there is one.
#
# Must it then be thousands of draws in every training step? No. An optimiser averages over many steps, so a rough
# estimate that is right on average will do: Blundell and others [1] take one draw or a few in each step.

# %% tags=["claim"]
assert abs(slope + 0.5) < 0.03
assert 8 < errors[2] / errors[4] < 12.5

# %% [markdown]
# ## A belief with two humps
#
# So far $q$ was given. In training, $q$ is *fitted*: we look for the mean and log_std whose $q$ is closest to a target.
# What happens when the target is no Gaussian at all?
#
# Here is one. We believe that $w$ is Gaussian, mean 0 and standard deviation 2. Then somebody measures $w^2$, with a
# Gaussian error of standard deviation 1.2, and finds 4. So $w$ is about 2, or about −2: the square can't tell. (Nor can
# a network tell some of its weights. Take a hidden unit with a tanh, and change the sign of all weights into it and of
# those out of it: the network's function stays the same.)
#
# What one should now believe is given by **Bayes' rule**: what was believed before, times how likely it makes what was
# measured, divided by a constant that makes the area 1. It is called the **posterior**. How likely $w$ makes what was
# measured is called the *likelihood*. In logarithms:
#
# $$\log \text{posterior}(w) = \log \text{prior}(w) + \log \text{likelihood}(w) - \text{a constant}$$
#
# For one weight we can compute it on a grid.

# %% tags=["experiment"]
MEASURED, NOISE, PRIOR_STD = 4.0, 1.2, 2.0


def log_likelihood(w, noise):
    """How likely the measurement is, if the weight is w."""
    return gaussian_log_prob(torch.tensor(MEASURED), w**2, noise)


def posterior(noise):
    """log p(w | measurement) on the grid."""
    unscaled = log_likelihood(grid, noise) + gaussian_log_prob(grid, 0.0, PRIOR_STD)
    return unscaled - torch.log(unscaled.exp().sum() * cell)


grid = torch.linspace(-5, 5, 2001)
cell = grid[1] - grid[0]  # its width
log_target = posterior(NOISE)
middle = log_target.exp()[grid.abs() < 1].sum() * cell
print(f"the posterior gives |w| < 1 a chance of {middle:.1%}")

# %% tags=["figure"]
show(
    figures.two_humps(grid, log_target.exp(), {}),
    alt="The target: a density of w with two narrow humps of equal size, near −2 and near 2, and almost nothing between"
    " them.",
)

# %% [markdown]
# Now fit *one* Gaussian $q$ to it, in each direction of the KL.
#
# - **$\mathrm{KL}(\text{target} \,\|\, q)$**, called *forward*: draws come from the target. Only
#   $-\mathbb E_{w \sim \text{target}}[\log q(w)]$ depends on $q$: make what the target draws likely under $q$.
# - **$\mathrm{KL}(q \,\|\, \text{target})$**, called *reverse*: draws come from $q$. The target is a posterior, so
#   Bayes' rule gives its logarithm:
#
# $$
# \begin{aligned}
# \mathrm{KL}(q \,\|\, \text{target}) &= \mathbb E_{w \sim q}[\log q(w) - \log \text{target}(w)] \\
# &= \mathbb E_{w \sim q}[\log q(w) - \log \text{prior}(w) - \log \text{likelihood}(w)] + \text{constant} \\
# &= \mathrm{KL}(q \,\|\, \text{prior}) - \mathbb E_{w \sim q}[\log \text{likelihood}(w)] + \text{constant}
# \end{aligned}
# $$
#
# The first part is your `gaussian_kl`, the second an average over draws. Remember this line: it becomes the loss.

# %% tags=["figure"]
guess(
    "kl-reverse",
    "KL(q ‖ target), with draws from q, is made small. What will q look like?",
    ["wide, over both humps", "narrow, on one hump", "narrow, between them"],
)

# %% tags=["figure"]
guess(
    "kl-forward",
    "And KL(target ‖ q), with draws from the target?",
    ["wide, over both humps", "narrow, on one hump", "narrow, between them"],
)


# %% tags=["experiment"]
def reverse_loss(mean, log_std, noise):
    """KL(q ‖ target) from 50 draws of q, but for a constant."""
    w = sample_gaussian(mean, log_std, torch.randn(50))
    return gaussian_kl(mean, log_std, PRIOR_STD) - log_likelihood(w, noise).mean()


def forward_loss(mean, log_std, noise):
    """KL(target ‖ q) from 50 draws of the target, but for a constant."""
    w = grid[torch.multinomial(posterior(noise).exp(), 50, replacement=True)]
    return -gaussian_log_prob(w, mean, log_std.exp()).mean()


def fit(loss, start, noise=NOISE, steps=400):
    """The mean and the standard deviation of the q that makes the loss small."""
    mean = torch.tensor(start, requires_grad=True)
    log_std = torch.tensor(0.0, requires_grad=True)
    optimizer = torch.optim.Adam([mean, log_std], lr=0.05)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(mean, log_std, noise).backward()
        optimizer.step()
        schedule.step()
    return mean.item(), log_std.exp().item()


def both_ways(mean, std, log_target):
    """KL(q ‖ target) and KL(target ‖ q), summed on the grid."""
    log_q = gaussian_log_prob(grid, mean, std)
    difference = log_q - log_target
    forth = (log_q.exp() * difference).sum() * cell
    return forth.item(), -(log_target.exp() * difference).sum().item() * cell.item()


fits = {
    "KL(q ‖ target), from 1": fit(reverse_loss, 1.0),
    "KL(q ‖ target), from −1": fit(reverse_loss, -1.0),
    "KL(target ‖ q)": fit(forward_loss, 1.0),
}
print("made small                  mean    std   KL(q ‖ target)   KL(target ‖ q)   q: |w| < 1")
for name, (mean, std) in fits.items():
    forth, back = both_ways(mean, std, log_target)
    inside = gaussian_log_prob(grid, mean, std).exp()[grid.abs() < 1].sum() * cell
    print(f"{name:26}{mean:6.2f}{std:7.2f}{forth:15.2f}{back:17.2f}{inside:13.1%}")

# %% tags=["figure", "picture"]
show(
    figures.two_humps(grid, log_target.exp(), fits),
    alt="The two-humped target and three Gaussians fitted to it. Where KL(q ‖ target) is made small, q is narrow and"
    " lies on one hump, the one nearer to its start. Where KL(target ‖ q) is made small, q is wide, covers both humps,"
    " and is highest between them, where the target has almost nothing.",
    caption="q: what was fitted.",
)

# %% tags=["figure"]
guessed("kl-reverse")

# %% tags=["figure"]
guessed("kl-forward")

# %% [markdown]
# **The reverse KL chooses.** The draws come from $q$, and each is judged by the target. A draw that falls between the
# humps is punished hard: $\log \text{target}(w)$ is very negative there. So $q$ withdraws from the valley, onto one
# hump. Which one depends on the start. That the other hump is left out costs little, since no draw ever goes there. It
# costs a little more than $\log 2 = 0.69$ nats, and you know this number: one bit, namely which of the two humps it is.
# The little more is for the hump's shape.
#
# **The forward KL covers.** The draws come from the target, from both humps, and each is judged by $q$. A hump that $q$
# doesn't reach would be punished hard. So $q$ stretches over both, and it must take the valley along: it
# holds about 40 % for $|w| < 1$, where the target holds two.
#
# Look at the two KL columns of the table, too. Each fit is the better one in its own direction, and bad in the other.

# %% tags=["claim"]
chosen, other, covering = fits.values()
assert chosen[0] > 1.7
assert other[0] < -1.7
assert chosen[1] < 0.45
assert other[1] < 0.45
assert abs(covering[0]) < 0.5
assert covering[1] > 1.6
assert 0.69 < both_ways(*chosen, log_target)[0] < 0.8
assert both_ways(*chosen, log_target)[0] < both_ways(*covering, log_target)[0] - 3
assert both_ways(*covering, log_target)[1] < both_ways(*chosen, log_target)[1] - 10
assert 0.35 < gaussian_log_prob(grid, *covering).exp()[grid.abs() < 1].sum() * cell < 0.45
assert middle < 0.03

# %% [markdown]
# **Predict, run, change.** A rougher measurement makes the humps wider. Does the reverse KL still choose
# one of them at `noise` 3? And is it then as wide as the forward one?

# %% tags=["experiment"]
noise = 3.0
for name, loss in [("KL(q ‖ target)", reverse_loss), ("KL(target ‖ q)", forward_loss)]:
    mean, std = fit(loss, 1.0, noise)
    print(f"noise {noise}, {name} made small:  mean {mean:5.2f}  std {std:.2f}")

# %% [markdown]
# <details><summary>What comes out</summary>
#
# No. At noise 3 the valley is shallow: both fits lie near 0 and cover both humps. Still the reverse one is the
# narrower: about 1.3 against 1.6. To be drawn where the target is thin costs it more than to leave something out.
# **When the reverse KL errs, it errs towards being too sure.**
#
# </details>

# %% tags=["figure"]
mean, std = fit(reverse_loss, 1.0, 3.0)
rough = {"KL(q ‖ target)": (mean, std), "KL(target ‖ q)": fit(forward_loss, 1.0, 3.0)}
show(
    figures.two_humps(grid, posterior(3.0).exp(), rough),
    alt="With noise 3 the target is two humps with a shallow valley between them. Both fitted Gaussians lie over"
    " it; the one for KL(q ‖ target) is a little narrower.",
    caption="The same at noise 3.",
)

# %% tags=["claim"]
assert all(abs(mean) < 0.5 for mean, _ in rough.values())
assert rough["KL(q ‖ target)"][1] < rough["KL(target ‖ q)"][1] - 0.1
assert 1.2 < rough["KL(q ‖ target)"][1] < 1.45

# %% [markdown]
# ## Why this course takes KL(q ‖ p), and what it costs
#
# From here on, $q$ is what the network learns, and the target is the posterior of thousands of weights. We take the
# reverse direction, for a plain reason: **we can draw from $q$, and we can't draw from the posterior.** (If we could,
# we would not need $q$.) Look at `reverse_loss` once more: it needs draws of $q$, a KL to the *prior*, which has a
# formula, and how likely the data are. The posterior's unknown constant doesn't matter. This sum is the loss of all the
# lessons that follow:
#
# $$\text{total loss} = \underbrace{-\,\mathbb E_{w \sim q}[\log \text{likelihood}]}_{\text{task loss}}
# + \mathrm{KL}(q \,\|\, \text{prior})$$
#
# (`forward_loss` had to draw from the posterior. On a grid of one weight that was possible.)
#
# The price is what you saw: $q$ may settle on one of several explanations of the data, and it tends to be too sure of
# the *weights*. (Whether the network is then too sure of its answers is another question: lesson 09 finds both.) It
# knows nothing of what it never visits. Keep this in mind when a network says "I am sure": lesson 09 puts this cheap
# stand-in for the posterior beside the real one, and measures how much it misses.

# %% [markdown]
# ## What lesson 03 needs: the KL of a whole layer
#
# A layer has many weights, independent ones. Its KL is the sum of theirs, so one call for each tensor will do.

# %% tags=["experiment"]
layers = {"1 → 20": (20, 1), "64 → 50": (50, 64), "784 → 200": (200, 784)}
print("layer         weights    KL, summed [nats]    averaged    estimate from one draw")
for name, shape in layers.items():
    mean = 0.1 * torch.randn(shape)
    log_std = torch.full(shape, -3.0)  # as lesson 03 starts
    kl, weights = gaussian_kl(mean, log_std), mean.numel()
    estimate = monte_carlo_kl(mean, log_std, 1)
    print(f"{name:12}{weights:9,}{kl:17,.0f}{kl / weights:15.2f}{estimate:20,.0f}")

pairs = zip(mean[0], log_std[0], strict=True)
one_by_one = sum(gaussian_kl(m, s) for m, s in pairs)
at_once = gaussian_kl(mean[0], log_std[0])
print(f"{len(mean[0])} weights one by one: {one_by_one:.2f} nats; at once: {at_once:.2f} nats")

# %% [markdown]
# A layer of 156,800 weights starts some 393,000 nats away from its prior: each weight costs 2.5 of them, because it is
# much narrower than the prior. The sum looks frightening beside a task loss of a few hundred. It is right all the same:
# it says what the whole layer would cost to write down. Lesson 03 looks at how many of a small network's weights
# training sends back towards the prior, where they cost little. Averaged over the weights, a layer would cost the same
# whatever its size, and next to nothing: lesson 03 shows what this does.
#
# In the last column, one draw comes close for the two larger layers: the errors of its weights differ, and cancel
# in the sum. (This is so for the *value*. The gradient of each single weight still scatters.)

# %% tags=["claim"]
assert abs(one_by_one / at_once - 1) < 1e-4
assert 392_000 < kl < 394_000
assert abs(estimate / kl - 1) < 0.01

# %% [markdown]
# ## What goes wrong in practice
#
# **1. An estimate below zero.** A KL is never negative. A *Monte Carlo estimate* of it may be, where the KL is small
# and the draws are few. That is no bug, and clamping it at 0 would be one: the average would then be too high.

# %% tags=["experiment"]
mean, log_std = torch.tensor(0.1), torch.tensor(-0.1)
estimates = torch.stack([monte_carlo_kl(mean, log_std, 10) for _ in range(2000)])
print(f"exactly {gaussian_kl(mean, log_std):.4f}; 2,000 estimates from 10 draws each:")
negative = (estimates < 0).float().mean()
print(f"{negative:.0%} are negative; their average is {estimates.mean():.4f}")
print(f"clamped at 0, their average is {estimates.clamp_min(0).mean():.4f}")

# %% tags=["claim"]
assert 0.25 < negative < 0.45
assert estimates.clamp_min(0).mean() > 1.5 * gaussian_kl(mean, log_std)

# %% [markdown]
# **2. Standard deviation, variance, or a logarithm of one of them.** All four are in use, under names that don't tell.
# Handing one over for another raises no error; the KL is only wrong. Here `log_std` is −2, which means a standard
# deviation of 0.135.

# %% tags=["experiment"]
zero, log_std = torch.tensor(0.0), torch.tensor(-2.0)
for name, kl in {
    "right": gaussian_kl(zero, log_std),
    "read as the log of the variance": gaussian_kl(zero, log_std / 2),
    "the variance handed over as std": gaussian_kl(zero, 2 * log_std),
    "exp(log_std) not squared": 0.5 * (log_std.exp() - 1 - 2 * log_std),
}.items():
    print(f"{name:33}{kl:.2f} nats")

# %% [markdown]
# The last is hard to see: where the weight is narrow, its number is almost right. It stood in public code for graph
# autoencoders (DaehanKim/vgae_pytorch, issue 2; pyg-team/pytorch_geometric, pull request 1368).
#
# **3. The wrong function.** `torch.nn.functional.kl_div` is something else: it takes *tables of log-probabilities*,
# such as a classifier's, and not means and standard deviations. What belongs to the definition's $q$ is its *second*
# argument. Use `torch.distributions.kl_divergence(q, p)` where you don't want to write the formula; it gives a value
# per element, which you must still sum.
#
# **4. Averaged, not summed.** `.mean()` in place of `.sum()` makes the KL weaker, by a factor of the number of weights.
# Nothing complains, and the network grows overconfident.

# %% [markdown]
# ## Questions to think about
#
# **1.** Multiply everything by 10: the means, the standard deviations, and the prior's. What happens to the KL?
#
# <details><summary>Answer</summary>
#
# Nothing. In the closed form only $\mu / \sigma_0$ and $\sigma / \sigma_0$ occur: the KL compares beliefs, and knows no
# unit. This is why it can be added up over weights of very different sizes, if each has a prior that suits it.
#
# </details>
#
# **2.** The coin again. It is fair after all, and you bet as if heads came 80 times in 100. How fast do you get poor?
#
# <details><summary>Answer</summary>
#
# A round adds $\tfrac12 \log 1.6 + \tfrac12 \log 0.4 = -0.22$ nats on average. This is minus the KL in the other
# direction: the truth is now the fair coin, and the KL of the truth from what you believe is 0.22 nats. Knowing better
# would have won you 0.19 nats a round; believing wrongly costs you 0.22. The direction matters here, too.
#
# </details>
#
# **3.** Someone fits $q$ by the reverse KL, twice, from different starts, and gets nearly the same $q$. Is this a sign
# that the posterior has a single hump?
#
# <details><summary>Answer</summary>
#
# No. Both runs may have settled on the same hump of many; from where they started, they never saw another. It tells you
# only that these two starts lead to the same place. Different answers would have been a sign of several humps.
#
# </details>

# %% [markdown]
# ## Where this comes from
#
# 1. C. Blundell, J. Cornebise, K. Kavukcuoglu, D. Wierstra: *Weight Uncertainty in Neural Networks*, ICML 2015.
#    Equation 2: the loss from draws, your `monte_carlo_kl` in it. Section 3.3: the mixture prior that needs it.
# 2. S. Kullback, R. A. Leibler: *On Information and Sufficiency*, Annals of Mathematical Statistics 22, 1951: where it
#    was first described.
# 3. J. L. Kelly: *A New Interpretation of Information Rate*, Bell System Technical Journal 35, 1956: the bet.
# 4. T. M. Cover, J. A. Thomas: *Elements of Information Theory*, 2nd edition, Wiley 2006. Chapter 5: codes; chapter 6:
#    bets.
# 5. D. P. Kingma, M. Welling: *Auto-Encoding Variational Bayes*, ICLR 2014. Appendix B: the closed form.
# 6. C. M. Bishop: *Pattern Recognition and Machine Learning*, Springer 2006. Section 10.1.2: the two directions, fitted
#    to a target with two humps.
#
# **Next:** [lesson 03](03_bayesian_linear.ipynb) builds a layer whose weights are distributions, and adds its KL to the
# loss.

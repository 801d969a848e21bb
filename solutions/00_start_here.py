# %% [markdown]
# # 00 · Start here
#
# A neural network gives an answer even where it has never seen anything like the question. Why would it need to be
# unsure, and how could it say so?
#
# **Time:** about 50 minutes. **Difficulty:** ●○○○○. You write one function, of a few lines.
#
# **You need:** a little PyTorch: tensors, `nn.Sequential`, a training loop. And what a mean and a standard deviation
# are. No Bayesian statistics: that is what the course is about.

# %% tags=["setup"]
import math
import sys

import torch
import torch.nn as nn
from tqdm import tqdm

from bnn_core import BayesianLinear, datasets
from bnn_core.autograder import check
from bnn_core.figures import show
from bnn_core.figures import start_here as figures
from bnn_core.guesses import guess, guessed
from bnn_core.installation import check_installation
from bnn_core.progress import progress

_ = torch.manual_seed(0)
torch.set_num_threads(1)  # the tensors are small

# %% [markdown]
# ## Does everything work here?
#
# A lesson is a notebook. You read it from top to bottom, and run each cell with **Shift+Enter**. The cell above, which
# imports things, comes first in every lesson. If you haven't run it yet, do it now. Then run this one:

# %% tags=["setup"]
check_installation()

# %% [markdown]
# Each line should begin with ✓. A · is no trouble, as a rule: a package is there in another version than the one that
# the course was made with. A line with ✗ says what to do.
#
# One thing only you can see. Run the next cell, and click on an answer.

# %% tags=["figure"]
guess(
    "buttons",
    "Do you see three round buttons that can be clicked?",
    ["yes", "yes, but it took me a moment", "no: I see a list"],
)

# %% tags=["figure"]
guessed("buttons")

# %% [markdown]
# If the line above shows your answer, everything works. If you see a list and no buttons, then your program for
# notebooks doesn't show widgets. You can still do the whole course: make your guesses on paper, and look at the
# pictures that stand beside every slider.
#
# **How guesses work.** Before each experiment the lesson asks what you expect. Click, even when you are not sure: after
# a guess one remembers the result. Your guesses are kept in a small file beside the notebooks, and are still there when
# you come back tomorrow. They aren't graded, and nobody looks at them but you.

# %% [markdown]
# ## Two networks, and cars that they have never seen
#
# Here is a small, real problem: predict a car's fuel economy, in miles per gallon, from the power of its engine, in
# horsepower (hp). The data are 392 cars of the 1970s (the Auto MPG data set). We let the networks learn from 40 weak
# cars, of at most 110 horsepower. The other weak cars, and all the strong ones, are kept for testing.
#
# Networks learn best from numbers near 1. So we *standardise* both quantities: subtract the mean, divide by the
# standard deviation.

# %% tags=["setup"]
LIMIT = 110  # horsepower
cars = datasets.auto_mpg()
is_weak = cars.column("horsepower") <= LIMIT
train_cars, weak_cars = cars.at(is_weak).split(40, seed=0)
strong_cars = cars.at(~is_weak)

scale_x = datasets.Standardizer.of(train_cars.column("horsepower"))
scale_y = datasets.Standardizer.of(train_cars.y)


def inputs(horsepower):
    """Horsepower, (N,), as the networks' standardised input, (N, 1)."""
    return scale_x(horsepower)[:, None]


x_train = inputs(train_cars.column("horsepower"))
y_train = scale_y(train_cars.y)[:, None]
grid = torch.linspace(42, 233, 192)  # horsepower at which curves are drawn

print(f"{len(train_cars)} cars to learn from.")
print(f"To test: {len(weak_cars)} weak cars and {len(strong_cars)} strong ones, unseen.")

# %% [markdown]
# Cars of the same horsepower don't all go equally far on a gallon: they differ in weight, in gears, in much else. So
# no function of horsepower can be exact. How far do single cars scatter about their average? We can measure it, since
# many cars share a horsepower. (We measure it on all cars, those for testing among them: from 40 alone it would be a
# rough guess. Dividing by the number of cars less the number of groups makes up for averages that come from the same
# cars.)

# %% tags=["setup"]
horsepower = cars.column("horsepower")
same_power = [cars.y[horsepower == power] for power in horsepower.unique()]
deviations = torch.cat([economy - economy.mean() for economy in same_power])
noise_mpg = (deviations.square().sum() / (len(cars) - len(same_power))).sqrt()
noise_std = noise_mpg / scale_y.std
print(f"Cars of equal horsepower scatter by {noise_mpg:.1f} miles per gallon.")

# %% [markdown]
# Now two networks of the same shape: one input, 20 hidden units with a ReLU (which turns what is below 0
# into 0), one output. The first is an ordinary one. In the
# second each layer is a `BayesianLinear`. For each weight it learns not one number, but a whole range of them and how
# probable each is; and each time that it is used, it draws its weights anew. You will build this layer in lesson 03.
# Here we only look at what it does.
#
# Both learn from the same 40 cars. Then we ask both about a car of 200 horsepower. Strong cars of that time really
# managed about 13 miles per gallon; the two networks have never seen one.

# %% tags=["figure"]
guess(
    "far-from-data",
    "What does the ordinary network say of a car of 200 hp, when it knows only cars up to 110 hp?",
    [
        "about 13 miles per gallon: it continues the trend",
        "nothing definite: its answer shows that the question lies too far out",
        "one definite number, which may be far off",
    ],
)


# %% tags=["experiment"]
def train(network, steps=1000):
    """Fit the network to the 40 cars."""
    layers = [one for one in network if isinstance(one, BayesianLinear)]
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in tqdm(range(steps), file=sys.stdout, mininterval=0.5):
        error = y_train - network(x_train)
        loss = (error**2).sum() / (2 * noise_std**2)  # lesson 03 explains this line
        for layer in layers:  # lessons 02 and 03 explain this term
            loss = loss + layer.kl_divergence()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


torch.manual_seed(0)
ordinary = nn.Sequential(nn.Linear(1, 20), nn.ReLU(), nn.Linear(20, 1))
bayesian = nn.Sequential(BayesianLinear(1, 20), nn.ReLU(), BayesianLinear(20, 1))
train(ordinary)
train(bayesian)


# %% tags=["experiment"]
def answer(network, horsepower):
    """What the network says, in miles per gallon: one number for each car."""
    with torch.no_grad():
        return scale_y.undo(network(inputs(horsepower)))[:, 0]


def answers(network, horsepower, times=500):
    """What it says when it is asked many times: (times, N)."""
    return torch.stack([answer(network, horsepower) for _ in range(times)])


for power in (90.0, 200.0):
    car = torch.tensor([power])
    print(f"A car of {power:.0f} hp, asked three times:")
    for name, network in [("ordinary", ordinary), ("Bayesian", bayesian)]:
        said = [f"{answer(network, car).item():6.1f}" for _ in range(3)]
        print(f"  the {name} network says" + ",".join(said))

# %% tags=["figure", "picture"]
show(
    figures.two_networks(
        train_cars,
        (weak_cars, strong_cars),
        LIMIT,
        grid,
        answer(ordinary, grid),
        answers(bayesian, grid),
        float(noise_mpg),
    ),
    alt="Fuel economy against horsepower, in two panels. Both networks follow the cars below 110 hp. Beyond, the"
    " ordinary network's curve climbs steeply, in a band that stays narrow, away from all strong cars. The Bayesian"
    " network's functions spread like a fan, and its band holds all strong cars.",
    caption="Black: the 40 cars to learn from. Grey: cars that neither network has seen. Bands: where a network expects"
    " a single car, ±2 standard deviations; they go on beyond the frame. Thin lines: 12 draws of the Bayesian network.",
)

# %% tags=["figure"]
guessed("far-from-data")

# %% [markdown]
# The ordinary network says one definite number, and it is far off: a car of 200 hp would go farther on a gallon
# than any car in the data. Just before 110 hp its curve has turned upwards, to be nearer to a few cars, and beyond
# that nothing held it. Asked again, it says the same again. It states this guess in the same voice as what it knows.
#
# The Bayesian network says something else each time. Where there are cars, its answers lie fairly close together. Where
# there are none, they spread like a fan. Its average isn't right either: it may even lie below zero, which no car can
# do. But it *says* how much its answer is worth: anything may be true out there. All strong cars lie inside its band.
#
# That is what the course is about: layers that know how sure they are.


# %% tags=["claim"]
def share_inside(cars, mean, std):
    return ((cars.y - mean).abs() < 2 * std).float().mean().item()


at_200 = torch.tensor([200.0])
assert answer(ordinary, at_200) > 40
assert cars.y.max() < 47
assert 12 < cars.y[(horsepower - 200).abs() <= 20].mean() < 15
spread = answers(bayesian, torch.tensor([90.0, 200.0])).std(dim=0)
assert spread[1] > 8 * spread[0]
strong_power = strong_cars.column("horsepower")
said = answers(bayesian, strong_power)
assert share_inside(strong_cars, answer(ordinary, strong_power), noise_mpg) < 0.25
assert share_inside(strong_cars, said.mean(dim=0), (said.var(dim=0) + noise_mpg**2).sqrt()) > 0.98

# %% [markdown]
# ## How wrong is a wrong answer?
#
# How would you *measure* that the second network was better? Not by the distance alone: both averages miss. We want a
# score that rewards two things at once: to be near, and to know how near.
#
# A network that is unsure says two numbers: a mean and a standard deviation (std). Together they describe a bell curve,
# a **Gaussian**: where the network expects the truth. Then the truth comes. If it lies where the curve is high, the
# network expected it; if it lies far out in the tail, the network is surprised. The height of the curve is called the
# **density**. (Of draws from a Gaussian about 68 % lie within one standard deviation of the mean, and 95 % within two.)

# %% [markdown]
# ### What a density is, and what it isn't
#
# How probable is it that a car does exactly 24.371 miles per gallon? The probability of one exact number is zero. Only
# ranges have a probability: say, from 24 to 25. The density says how much probability lies *near* a number, per unit:
#
# $$\text{probability of a short range} \approx \text{density} \times \text{length of the range}$$
#
# The area below the whole curve is 1, since something must happen. So a narrow curve must be a high one. Here is the
# question on which many people slip:

# %% tags=["figure"]
guess(
    "positive-log-density",
    "The logarithm of a probability is never above 0. Can the logarithm of a density be above 0?",
    ["never: it measures how probable something is", "yes, where the curve is narrow", "yes, where the curve is wide"],
)

# %% [markdown]
# Move the sliders. On the left is the curve, with the mean 0; the orange line is the density at $x$. On the right is
# the logarithm of the density at this same $x$, for every std that the curve might have; the dot is the std that you
# have chosen.
#
# - Put $x$ at 0. Below which std is the log density above 0?
# - Put $x$ at 1. At which std does the orange curve have its top? And at $x = 2$?

# %% tags=["figure"]
figures.density_slider()

# %% [markdown]
# The same picture at three settings, in case the sliders don't run where you read this:

# %% tags=["figure"]
show(
    figures.density_settings(),
    alt="Three rows for x = 1, with std 0.2, 1 and 3. At 0.2 the curve is high and narrow, and x lies outside: the log"
    " density is about −12. At 1 it is −1.4, the top of the curve on the right. At 3 the curve is low and wide: −2.1.",
    caption="Left: the density, and its value at x = 1. Right: the log density of x = 1 against the std.",
)

# %% tags=["figure"]
guessed("positive-log-density")

# %% [markdown]
# - At $x = 0$, its middle, the curve is $1/(\text{std} \cdot \sqrt{2\pi})$ high. Below a std of
#   $1/\sqrt{2\pi} \approx 0.4$ this is more than 1, and its logarithm is above 0. Nothing is wrong then: a density
#   isn't a probability. It may be 2, or 1,000, over a range so short that the area stays at most 1.
# - The orange curve has its top where the std is as large as the distance of $x$ from the mean: at 1 for $x = 1$, at 2
#   for $x = 2$. **To say too small a std is punished hard, on the left of the top. To say too large a one is
#   punished too, more gently, on the right.** The score is best for somebody who knows how far off they are.

# %% [markdown]
# ## The mathematics
#
# | Symbol | In code | Shape | What it is |
# |---|---|---|---|
# | $x$ | `x` | any | where the density is asked for |
# | $\mu$ | `mean` | broadcasts with $x$ | the mean of the Gaussian |
# | $\sigma$ | `std` | broadcasts with $x$ | its standard deviation, above 0 |
# | $\log \mathcal N(x;\, \mu, \sigma^2)$ | what the function returns | the broadcast shape | the log density |
#
# The density of a Gaussian is
#
# $$
# \mathcal N(x;\, \mu, \sigma^2) = \frac{1}{\sigma \sqrt{2\pi}}\, \exp\left(-\frac{(x - \mu)^2}{2 \sigma^2}\right),
# $$
#
# and its logarithm is a sum of three terms:
#
# $$
# \log \mathcal N(x;\, \mu, \sigma^2) =
# \underbrace{-\tfrac12 \left(\frac{x - \mu}{\sigma}\right)^2}_{\text{how far off}}
# \;\underbrace{-\, \log \sigma}_{\text{price of a wide curve}}
# \;\underbrace{-\, \tfrac12 \log 2\pi}_{\text{constant}}
# $$
#
# The logarithm is the natural one; its unit is called **nat**. One nat more means: $e \approx 2.7$ times as dense.
#
# Why the logarithm? Where cars are independent, the density of all of them together is a product. Here are 400 cars,
# each with a density of 0.09. Before you run it: what will a computer make of the product?

# %% tags=["experiment"]
densities = torch.full((400,), 0.09)
print(f"product of the densities:   {densities.prod()}")
print(f"sum of their logarithms:    {densities.log().sum():.1f}")
far_out = torch.exp(-0.5 * torch.tensor(15.0) ** 2) / math.sqrt(2 * math.pi)  # 15 standard deviations from the mean
print(f"one density far out:        {far_out.item():.1f}, and its logarithm {far_out.log().item()}")

# %% tags=["claim"]
assert densities.prod() == far_out == 0

# %% [markdown]
# The product of small numbers is 0 to a computer; their logarithms are added. For the same reason, compute the three
# terms and add them; don't compute the density and take its logarithm. Far out the density is 0, and the logarithm of 0
# is −∞, where the sum of the three terms is about −113.

# %% [markdown]
# ## Your turn
#
# An exercise is a cell with a function that isn't finished. Its numbered comments are the steps. Write your lines in
# place of `raise NotImplementedError`, and run the cell. Then run the **check** below it. It says which of its tests
# pass, and where one fails, what is likely wrong.
#
# If you are stuck, open a **hint**: there are three, and each says more than the one before. Below them is the
# **solution**. And no lesson needs an *earlier* one solved: what you haven't written there, `bnn_core` has for you.
# Within a lesson, the cells that follow do need your answer: solve the exercise, or paste its solution.
#
# What is asked of this function:
#
# - `x`, `mean` and `std` are tensors, whose shapes broadcast. It gives one number for each element, in the dtype of
#   its arguments.
# - It is right far out too, where the density itself is 0 in float32.
# - Gradients pass through it, to `x`, `mean` and `std`. It changes none of the three, and draws no random number.


# %% tags=["exercise"]
def gaussian_log_prob(x, mean, std):
    """log N(x; mean, std²), element by element.

    x, mean, std: tensors whose shapes broadcast; std is above 0.
    Returns: a tensor of the broadcast shape: one log density for each element.
    """
    # 1. How far x lies from the mean, in standard deviations.
    # 2. The three terms of the log density, added up.
    ### BEGIN SOLUTION
    distance = (x - mean) / std
    return -0.5 * distance**2 - torch.log(std) - 0.5 * math.log(2 * math.pi)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: which tools?</summary>
#
# - `torch.log(tensor)` takes the logarithm of each element. `math.log(number)` is for a plain number, such as
#   $2\pi$, which is `2 * math.pi`.
# - `tensor**2` squares each element. `+`, `-`, `*` and `/` work element by element too, and stretch shapes that
#   broadcast.
#
# </details>
#
# <details><summary>Hint 2: the steps, one by one</summary>
#
# - The distance in standard deviations is $(x - \mu) / \sigma$: subtract, then divide.
# - The first term is $-\tfrac12$ times its square. The second is $-\log \sigma$. The third is a plain number,
#   $-\tfrac12 \log 2\pi \approx -0.919$.
# - `return` their sum. There is no `exp` anywhere.
#
# </details>
#
# <details><summary>Hint 3: almost everything</summary>
#
# ```python
# distance = (x - mean) / std
# return -0.5 * distance**2 - ... - 0.5 * math.log(2 * math.pi)
# ```
#
# The middle term is missing: the logarithm of the standard deviation.
#
# </details>
#
# {{ solution gaussian_log_prob }}

# %% [markdown]
# ### Is it right?

# %% tags=["check"]
check(gaussian_log_prob)

# %% [markdown]
# ### Now break it
#
# A check that always says "right" would be of no use. See for yourself what this one says when something is wrong. Go
# back to your function, make *one* of these changes, run its cell, and run the check again:
#
# - take out the term with $\log \sigma$,
# - write `std**2` where `std` belongs,
# - take out the ½ before the square, and keep the minus.
#
# Read the first message. Did it find what you had changed? Then put your function right again, run its cell and the
# check once more: later cells use it.
#
# <details><summary>What you should have seen</summary>
#
# A red ✗ beside "it is the logarithm of the density, far out too", and below it a sentence that names what you did,
# such as "log(std) is missing: a wide density is a low one", and an example with what your function gave and what it
# should have given. The other checks may well pass: a function can be wrong in one way and right in others.
#
# </details>

# %% [markdown]
# ### Try it: how narrow is too narrow?
#
# Here is the curve of the slider again, in numbers. Before you run the cell: which of the four log densities are above
# 0? Then change `x` to 0.5, and predict again: which std gives the largest number now?

# %% tags=["experiment"]
x = torch.tensor(0.0)
for std in (2.0, 0.5, 0.2, 0.01):
    log_density = gaussian_log_prob(x, torch.tensor(0.0), torch.tensor(std))
    print(f"std {std:5.2f}: log density {log_density:9.2f}")

# %% [markdown]
# At $x = 0$ the narrower the better, without end: at a std of 0.01 the density is about 40, and its logarithm is 3.7.
# At $x = 0.5$ the best of the four is std 0.5: it is just as large as the distance. With 0.01, the log density is about
# −1,246.

# %% tags=["claim"]
zero, half = torch.tensor(0.0), torch.tensor(0.5)
stds = torch.tensor([2.0, 0.5, 0.2, 0.01])
assert (gaussian_log_prob(zero, zero, stds) > 0).tolist() == [False, False, True, True]
assert abs(gaussian_log_prob(zero, zero, stds[-1]) - 3.7) < 0.05
assert gaussian_log_prob(half, zero, stds).argmax() == 1
assert round(gaussian_log_prob(half, zero, stds[-1]).item()) == -1246
assert abs(gaussian_log_prob(torch.tensor(15.0), zero, torch.tensor(1.0)) + 113.4) < 0.1

# %% [markdown]
# ## Who was more surprised?
#
# Now score the two networks with *your* function. Each has to say a mean and a standard deviation for each unseen car.
#
# - The ordinary network's mean is its answer. It can't say how unsure it is of that answer. But single cars scatter
#   about it, by 4 miles per gallon, and we take this as its standard deviation.
# - The Bayesian network is asked 500 times. Its mean is the average of its answers. Its standard deviation has two
#   parts: how far its answers spread, and the same scatter. Variances add up: $\sqrt{\text{spread}^2 + 4^2}$.
#
# The score of a car is the log density of its true fuel economy, which is the $x$ of your function. The score of a
# group is the average over its cars.

# %% tags=["figure"]
guess(
    "who-is-surprised",
    "The average log density of the strong cars: which network has the higher one?",
    [
        "the ordinary one: its band is narrower",
        "the Bayesian one, by a little: less than 1 nat",
        "the Bayesian one, by a lot: more than 10 nats",
    ],
)


# %% tags=["experiment"]
def said_of(cars):
    """For each network, its mean and std for each car."""
    power = cars.column("horsepower")
    draws = answers(bayesian, power)
    return {
        "ordinary": (answer(ordinary, power), noise_mpg),
        "Bayesian": (draws.mean(dim=0), (draws.var(dim=0) + noise_mpg**2).sqrt()),
    }


def scores(cars):
    return {name: gaussian_log_prob(cars.y, mean, std) for name, (mean, std) in said_of(cars).items()}


groups = {"weak cars, unseen": weak_cars, "strong cars, unseen": strong_cars}
print("Average log density [nats]   ordinary   Bayesian")
for group, members in groups.items():
    each = scores(members)
    averages = [f"{each[name].mean():11.2f}" for name in ("ordinary", "Bayesian")]
    print(f"{group:26}" + "".join(averages))

# %% tags=["figure"]
each = [scores(members) for members in groups.values()]
show(
    figures.log_densities(
        torch.cat([members.column("horsepower") for members in groups.values()]),
        {name: torch.cat([one[name] for one in each]) for name in ("ordinary", "Bayesian")},
        LIMIT,
    ),
    alt="The log density of each car against its horsepower. Up to 110 hp both networks score about −3. Beyond, the"
    " Bayesian network's scores stay near −4, and the ordinary network's fall far below −20.",
    caption="Each dot is a car, as one of the two networks sees it. Higher is better.",
)

# %% tags=["figure"]
guessed("who-is-surprised")

# %% [markdown]
# Among the weak cars the two differ by less than 1 nat. The strong cars are the test: there the Bayesian network is
# better by some 40 nats, as an average over the cars. The ordinary one says "about 48, give or take 4", on average, of
# cars that manage 16: eight of its standard deviations. The farthest cars weigh most, since the distance is squared.
# The score doesn't forgive it, and neither would anyone who had relied on it.


# %% tags=["claim"]
ordinary_score, bayesian_score = (scores(strong_cars)[name].mean() for name in ("ordinary", "Bayesian"))
assert ordinary_score < bayesian_score - 10
assert -4.5 < bayesian_score < -3.4
ordinary_score, bayesian_score = (scores(weak_cars)[name].mean() for name in ("ordinary", "Bayesian"))
assert 0 < bayesian_score - ordinary_score < 1

# %% [markdown]
# ### Try it: is wider always better?
#
# Is a wider band always better? Here the Bayesian network's standard deviations are multiplied by `factor`. Predict,
# for a factor of 3 and for one of 0.7: does the score of the weak cars rise or fall? And that of the strong ones? (With
# 1 you see how far the numbers above change with 500 new draws.)

# %% tags=["experiment"]
factor = 1.0
for group, members in groups.items():
    mean, std = said_of(members)["Bayesian"]
    score = gaussian_log_prob(members.y, mean, factor * std).mean()
    print(f"{group}: {score:6.2f} nats when the std is {factor} times as large")

# %% [markdown]
# With 3 both scores fall: a wide band isn't a merit in itself. With 0.7 the score of the weak cars falls too: among
# them the network knew well how unsure to be. But the strong cars' score *rises*, a little: there its band was wider
# than it needed to be. It held all of the cars, and of a Gaussian 95 % lie within ±2 standard deviations. So this
# network isn't perfect. It is honest, and somewhat too modest. (With 0.1 both scores fall far.)


# %% tags=["claim"]
def score_with(cars, factor):
    mean, std = said_of(cars)["Bayesian"]
    return gaussian_log_prob(cars.y, mean, factor * std).mean()


for members in (weak_cars, strong_cars):
    assert score_with(members, 3.0) < score_with(members, 1.0) - 0.3
    assert score_with(members, 0.1) < score_with(members, 1.0) - 1
assert score_with(weak_cars, 0.7) < score_with(weak_cars, 1.0) - 0.1
assert score_with(strong_cars, 0.7) > score_with(strong_cars, 1.0) + 0.02

# %% [markdown]
# ## What goes wrong in practice
#
# **1. A density is read as a probability.** A log density above 0 is no bug. And a density has a unit: per mile per
# gallon, here. Measure the same cars in kilometres per litre, and every log density changes by the same number, the
# logarithm of the unit's factor. So compare log densities only of the same quantity in the same unit; then the number
# cancels.
#
# **2. A variance where a standard deviation belongs.** Some write $\mathcal N(\mu, \sigma)$, others
# $\mathcal N(\mu, \sigma^2)$. In this course code always takes `std`, as `torch.distributions.Normal` does, and
# formulas always write the variance, $\sigma^2$. The check names this mistake; in your own projects, nothing does.
#
# **3. The density first, its logarithm then.** Near the mean it makes no difference. Far out it gives −∞, and the
# gradient is no number any more (NaN): all weights are lost in one step, just where the network was most wrong.

# %% tags=["experiment"]
x = torch.tensor([1.0, 5.0, 15.0])
density = torch.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)
print("log of the density:   ", [round(value, 1) for value in torch.log(density).tolist()])
three_terms = gaussian_log_prob(x, torch.zeros(3), torch.ones(3))
print("sum of three terms:   ", [round(value, 1) for value in three_terms.tolist()])

# %% [markdown]
# ## Your way through the course
#
# The next cell looks at your notebooks as they were last saved, runs their checks, and draws how far you are. Save this
# one first (Ctrl+S, or ⌘S), then run it. You find it again at any time here, and in a terminal as
# `bnn-course progress`.

# %% tags=["figure"]
progress()

# %% [markdown]
# ### The map
#
# | Lesson | Its question | You write |
# |---|---|---|
# | 00 Start here | Why would a network need to be unsure? | `gaussian_log_prob` |
# | [01 Reparameterization][1] | How can a gradient pass through a random draw? | `sample_gaussian` |
# | [02 KL divergence][2] | How far is what I learned from what I believed? | `gaussian_kl`, `monte_carlo_kl` |
# | **[03 BayesianLinear][3]** | What is a layer whose weights are distributions? | **`BayesianLinear`** |
# | [04 Bayes by Backprop][4] | How is it trained, and what keeps it honest? | `negative_elbo`, `predict` |
# | [05 Local reparameterization][5] | Why sample outputs in place of weights? | `sample_preactivation` and more |
# | **[06 HiddenLayer][6]** | How does this become a distribution that inference can use? | **`HiddenLayer`** and more |
# | [07 Knowing what it doesn't know][7] | Does it know what it doesn't know? | `predictive_entropy` and three more |
# | [08 Acting on uncertainty][8] | What can I do with it? | `selective_error`, `thompson_action` |
# | [09 How wrong is it?][9] | What does the cheap posterior miss? | `log_joint` |
#
# [1]: 01_reparameterization.ipynb
# [2]: 02_kl_divergence.ipynb
# [3]: 03_bayesian_linear.ipynb
# [4]: 04_bayes_by_backprop.ipynb
# [5]: 05_local_reparameterization.ipynb
# [6]: 06_hidden_layer.ipynb
# [7]: 07_knowing_what_it_does_not_know.ipynb
# [8]: 08_acting_on_uncertainty.ipynb
# [9]: 09_how_wrong_is_it.ipynb
#
# The two in bold are the heart of the course; the others lead to them, and show what they are for. Take them in order,
# or go where you like: no lesson needs an earlier one solved.
#
# <details><summary>Words that come again</summary>
#
# | Word | What it means | Lesson |
# |---|---|---|
# | prior, posterior | what is believed of the weights before the data, and after them | 02 |
# | $q$, mean-field | the independent Gaussians that are learned in the posterior's place | 03 |
# | inference | to find out what the data say of the weights; *variational*: by looking for the best $q$ | 03 |
# | KL | how far $q$ is from the prior | 02 |
# | count of the KL | once for all the data: `kl_count` is 1, and a batch's `KL_factor` $B/N$ | 04, 06 |
# | ELBO | minus the loss: log-likelihood, averaged over draws, less the KL | 03 |
# | noise | $\varepsilon$, drawn for each weight, std 1; and $\tau$, `noise_std`: how far the data scatter | 01, 03 |
# | `log_std`, `A_scale` | a weight's standard deviation, as a logarithm and as it is | 01, 05 |
# | log density, log-likelihood | how likely the truth was by the prediction; *NLL* is minus that | 00, 04, 07 |
# | score | that number for one car or many; in *score function*, the derivative of a log density | 00, 01 |
# | silent unit | one whose outgoing weight has $\lvert\mu\rvert/\sigma$ below 1; the others are *live* | 03 |
# | confidence | a class's probability; or any number that is larger the surer a network is | 07, 08 |
#
# </details>

# %% [markdown]
# ## Questions to think about
#
# **1.** One weather forecast says "20 °C, std 0.1", another "20 °C, std 5". The truth is off by 2 degrees. Which has
# the better log density, and which std would have been best?
#
# <details><summary>Answer</summary>
#
# With std 0.1, an error of 2 degrees costs $\tfrac12 \cdot 20^2 = 200$ nats. With std 5, it costs
# $\tfrac12 \cdot 0.4^2 = 0.08$, and the wide curve costs $\log 5 \approx 1.6$. So the second is far better. Best is a
# std as large as the error is: 2.
#
# </details>
#
# **2.** Could one not simply train the ordinary network on *all* cars, and be done?
#
# <details><summary>Answer</summary>
#
# Yes, if you have all cars. The strong ones stand for what you don't have: next year's cars, patients of another
# hospital, a photograph taken at night. There is always something outside of what a network was trained on, and it
# doesn't come with a label that says so.
#
# </details>
#
# **3.** Why does the Bayesian network's fan open beyond the data, and hardly among them?
#
# <details><summary>Answer</summary>
#
# Every function that it draws has to pass near the 40 cars; those that don't have been made improbable by training.
# Beyond 110 hp nothing holds them. With the ReLU between its layers each function goes on in straight pieces, whose
# slopes differ from function to function. How doubt shows depends on the network, too. Lesson 03 looks inside, and
# finds surprising things.
#
# </details>

# %% [markdown]
# ## Where this comes from
#
# 1. C. M. Bishop: *Pattern Recognition and Machine Learning*, Springer 2006. Section 1.2: probability densities, and
#    the Gaussian.
# 2. T. Gneiting, A. E. Raftery: *Strictly Proper Scoring Rules, Prediction, and Estimation*, Journal of the American
#    Statistical Association 2007. Why the log density rewards who says what they believe.
# 3. C. Blundell, J. Cornebise, K. Kavukcuoglu, D. Wierstra: *Weight Uncertainty in Neural Networks*, ICML 2015. The
#    Bayesian network of this lesson.
# 4. J. R. Quinlan: *Combining Instance-Based and Model-Based Learning*, ICML 1993. The cars: Auto MPG, UCI Machine
#    Learning Repository, CC BY 4.0, as it ships in mlxtend.
#
# **Next:** the Bayesian network draws its weights at random, and was trained all the same.
# [Lesson 01](01_reparameterization.ipynb) shows how a gradient passes through a random draw.

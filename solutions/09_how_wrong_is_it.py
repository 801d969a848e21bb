# %% [markdown]
# # 09 · How wrong is it?
#
# A network of independent Gaussian weights is cheap, and it is not the posterior. What does it miss, and do other cheap
# methods miss the same?
#
# **Time:** about 115 minutes. **Difficulty:** ●●●○○. You write one short function, about five lines; later you change
# two small experiments.
#
# **You need:** a PyTorch network with one hidden layer. From earlier lessons: the logarithm of a Gaussian density
# (lesson 00) and the layer `BayesianLinear` with its loss (lessons 03 and 04). We import them; you don't have to have
# solved those lessons.

# %% tags=["setup"]
import math
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
from pyro.infer import MCMC, NUTS
from pyro.ops.stats import effective_sample_size, split_gelman_rubin
from torch.func import vmap
from tqdm import tqdm

from bnn_core import BayesianLinear, datasets, gaussian_log_prob, negative_elbo, network_output
from bnn_core.autograder import check
from bnn_core.figures import how_wrong as figures
from bnn_core.figures import show
from bnn_core.guesses import guess, guessed

SEED = 0
_ = torch.manual_seed(SEED)
torch.set_num_threads(1)  # the tensors are small

# %% [markdown]
# ## A band that is narrowest where there are no cars
#
# Here are the cars of lesson 03 again: fuel economy, in miles per gallon, against the power of the engine. This time
# there is a **gap**. The training cars, 40 of them, have at most 80 horsepower, or 145 to 180. Between these there are
# nearly two hundred cars that no network is shown, and some more beyond 180. We shall ask about both.
#
# As before, both quantities are brought near 1: the fuel economy is standardised, and the horsepower is counted from
# the middle of the gap, in steps of 40. The noise is measured: it says how far cars of one and the same horsepower
# scatter about their average. All numbers are in float64, since rounding adds up over the thousands of steps of a
# sampler.

# %% tags=["setup"]
LOW, HIGH, TOP = 80, 145, 180  # horsepower: up to LOW, and from HIGH to TOP, there are training cars
MIDDLE = (LOW + HIGH) / 2
HIDDEN, PRIOR_STD = 8, 1.0
EMPTY = [(LOW, HIGH), (TOP, 240)]

cars = datasets.auto_mpg()
powers = cars.column("horsepower")
in_gap, beyond = (powers > LOW) & (powers < HIGH), powers > TOP
train_cars, test_cars = cars.at(~in_gap & ~beyond).split(40, seed=SEED)
unseen = {"amid the data": test_cars, "in the gap": cars.at(in_gap), "beyond": cars.at(beyond)}

scale_x = datasets.Standardizer(torch.tensor(MIDDLE), torch.tensor(40.0))  # 0 in the middle of the gap
scale_y = datasets.Standardizer.of(train_cars.y.double())


def inputs(horsepower):
    """Horsepower, (N,), as the network's standardised input, (N, 1)."""
    return scale_x(horsepower.double())[:, None]


x_train = inputs(train_cars.column("horsepower"))
y_train = scale_y(train_cars.y.double())[:, None]
grid = torch.linspace(42, 238, 99)  # horsepower at which curves are drawn

same_power = [cars.y[powers == power] for power in powers.unique()]
deviations = torch.cat([economy - economy.mean() for economy in same_power])
noise_mpg = (deviations.square().sum() / (len(cars) - len(same_power))).sqrt().item()
noise_std = noise_mpg / scale_y.std.item()

print(f"{len(train_cars)} cars to train on; unseen:", end=" ")
print(", ".join(f"{len(group)} {name}" for name, group in unseen.items()))
print(f"noise: {noise_mpg:.1f} miles per gallon, {noise_std:.2f} in standardised units")

# %% [markdown]
# The network is the little one of lesson 03, with 8 hidden units: two `BayesianLinear` layers, and a ReLU between. It
# is trained by Bayes by Backprop (lesson 04), on the negative ELBO of all 40 cars at once. Then we draw a thousand
# networks from it. Its weights are independent Gaussians, which is what **mean-field** means.


# %% tags=["experiment"]
class MeanFieldNetwork(nn.Module):
    """1 → HIDDEN → 1, with a ReLU between two Bayesian layers."""

    def __init__(self):
        super().__init__()
        self.first = BayesianLinear(1, HIDDEN, dtype=torch.float64)
        self.second = BayesianLinear(HIDDEN, 1, dtype=torch.float64)
        for name, parameter in self.named_parameters():
            if name.endswith("mean"):
                nn.init.normal_(parameter, std=0.5)

    def forward(self, x):
        return self.second(F.relu(self.first(x)))

    def kl_divergence(self):
        return self.first.kl_divergence() + self.second.kl_divergence()


def train_mean_field(steps=1500, kl_count=1.0):
    network = MeanFieldNetwork()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03, fused=True)
    slower = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, steps)
    for _ in tqdm(range(steps), desc="Bayes by Backprop", file=sys.stdout, mininterval=0.5):
        kl = kl_count * network.kl_divergence()
        loss = negative_elbo(network(x_train), y_train, kl, noise_std, len(x_train))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        slower.step()
    return network


def draw_networks(network, count):
    """Draws of the network's weights: a dict of four tensors, each with a first dimension of `count` draws."""
    layers = {"1": network.first, "2": network.second}
    draws = {}
    for number, layer in layers.items():
        for kind in ("weight", "bias"):
            mean, log_std = getattr(layer, f"{kind}_mean"), getattr(layer, f"{kind}_log_std")
            draws[f"{kind}_{number}"] = mean + log_std.exp() * torch.randn(count, *mean.shape, dtype=mean.dtype)
    return {name: values.detach() for name, values in draws.items()}


def functions(networks, horsepower):
    """Each network's answer, in miles per gallon: (networks, horsepowers)."""
    outputs = vmap(network_output, in_dims=(0, None))(networks, inputs(horsepower))
    return scale_y.undo(outputs[..., 0])


seconds = {}
began = time.process_time()
mean_field = train_mean_field()
seconds["mean-field"] = time.process_time() - began
networks = {"mean-field": draw_networks(mean_field, 1000)}

# %% tags=["figure"]
show(
    figures.functions(
        train_cars, grid, {"mean-field": functions(networks["mean-field"], grid)}, EMPTY, height=(-5, 55)
    ),
    alt="Fuel economy against horsepower: cars below 80 and from 145 to 180 horsepower, 15 drawn functions, their"
    " average and a band. The band is at its narrowest in the grey gap between the two groups of cars, and opens to"
    " both sides.",
    caption="Blue lines: 15 drawn functions. Red: their average. Band: ±2 standard deviations of the functions. Grey:"
    " no car was trained on.",
)

# %% [markdown]
# Look at the grey gap. There is not one training car in it, and just there the drawn functions agree *best*. Beyond the
# last cars, at the right, they fan out, as in lesson 03.
#
# Is that right? Perhaps the one crossing that all these draws take is the only one that 40 cars allow. Or perhaps the
# network is sure of something that it can't know. A picture of one method can't tell. We need to know what the *right*
# answer is: the posterior itself, for this very network, these cars, this prior.

# %% [markdown]
# ## The idea: walk about in the posterior
#
# Nobody can write the posterior of a network down (lesson 03: it needs an integral over all weights). But one can
# **draw networks from it**, without knowing that integral. All it takes is a function that says how much better or
# worse one setting of the weights is than another: the logarithm of likelihood times prior, the **log joint**.
#
# The idea is that of a ball in a landscape, whose height at a place is minus the log joint: the deepest valley is the
# best network. The ball rolls without friction, and after a while we stop it; where it is then is one drawn network.
# Then it gets a push in a random direction, and rolls on. The gradient of the log joint steers it, and autograd gives
# that. This is **Hamiltonian Monte Carlo** [2].
#
# Does that visit places as often as it should? Try it on one weight of which $w^2$ was measured, as in lesson 02, but
# more roughly: the landscape has a valley near −2, one near 2, and a low hill between. (Where the landscape has a
# valley the posterior has a hill: it is the same thing, upside down.) 500 balls start at 2, and get 100 pushes each.
# Before you run it: how many of them will be on the other side at the end?


# %% tags=["experiment"]
def height(w):
    """Minus the log joint of one weight: prior std 2; w² was measured as 4, with an error of std 2."""
    return -gaussian_log_prob(torch.tensor(4.0), w**2, torch.tensor(2.0)) - gaussian_log_prob(w, 0.0, torch.tensor(2.0))


def slope(w):
    w = w.detach().requires_grad_()
    return torch.autograd.grad(height(w).sum(), w)[0]


def roll(w, speed, steps=25, step=0.05):
    """Where balls come to, and their energy there: height + speed²/2. Slopes change the speed, the speed the place."""
    for _ in range(steps):
        speed = speed - step / 2 * slope(w)
        w = w + step * speed
        speed = speed - step / 2 * slope(w)
    return w, height(w) + speed**2 / 2


with torch.random.fork_rng():
    torch.manual_seed(0)
    balls = torch.full((500,), 2.0)
    visited = []
    for _ in range(100):
        push = torch.randn(500)
        arrived, energy = roll(balls, push)
        stays = torch.rand(500).log() > height(balls) + push**2 / 2 - energy  # makes up for steps that aren't tiny
        balls = torch.where(stays, balls, arrived)
        visited.append(balls)
late = torch.cat(visited[50:])
line = torch.linspace(-5.0, 5.0, 2001)
exactly = (-height(line)).softmax(dim=0)
print(f"{(balls < 0).double().mean():.0%} of the balls end on the other side")
for name, low, high in [("near 2", 1.8, 2.2), ("on the hill between", -1.0, 1.0)]:
    share = ((late > low) & (late < high)).double().mean()
    truth = exactly[(line > low) & (line < high)].sum()
    print(f"{name:20} {share:6.1%} of the draws; by the posterior {truth:6.1%}")

# %% tags=["claim"]
assert 0.4 < (balls < 0).double().mean() < 0.6
for low, high in [(1.8, 2.2), (-1.0, 1.0)]:
    share, truth = ((late > low) & (late < high)).double().mean(), exactly[(line > low) & (line < high)].sum()
    assert abs(share - truth) < 0.02

# %% [markdown]
# About half: each ball has forgotten where it began, and places are visited as often as the posterior says. (A ball's
# energy is its height plus half the square of its speed. Rolling without friction keeps it; rolling in steps of some
# length doesn't quite. So where it has grown, the line with
# `stays` sometimes puts the ball back to where it was, the sooner the more it has grown. This makes the visits exact.)
#
# How long should the ball roll before the next push? **NUTS**, the *no-U-turn sampler* [3], lets it roll until it
# begins to turn round. It also finds a good length of step by itself in a *warm-up*, whose draws are thrown away. The
# sequence of places is called a *chain*. No family of distributions is chosen here, and nothing is assumed to be
# independent. This is why it is called the **gold standard**; and time is its price.

# %% [markdown]
# ## The mathematics
#
# **Symbols.** $N$ is the number of examples, $H$ the number of hidden units.
#
# | Symbol | In code | Shape | What it is |
# |---|---|---|---|
# | $x$ | `x` | $(N, 1)$ | the inputs |
# | $t$ | `y` | $(N, 1)$ | the targets |
# | $W_1$ | `parameters["weight_1"]` | $(H, 1)$ | the weights of the first layer, as `nn.Linear` stores them |
# | $b_1$ | `parameters["bias_1"]` | $(H,)$ | its biases |
# | $W_2$ | `parameters["weight_2"]` | $(1, H)$ | the weights of the second layer |
# | $b_2$ | `parameters["bias_2"]` | $(1,)$ | its bias |
# | $w$ | `parameters` | a dict | all four together: $3H + 1$ numbers $w_j$ |
# | $y(x, w)$ | `output` | $(N, 1)$ | what the network with these weights and biases answers |
# | $\tau$ | `noise_std` | a number | how far targets scatter about the true curve (std) |
# | $\sigma_0$ | `prior_std` | a number | the prior's standard deviation, of every weight and bias |
#
# **The network**, for all rows at once:
#
# $$y(x, w) = \mathrm{relu}\big(x W_1^\top + b_1\big)\, W_2^\top + b_2$$
#
# **Bayes' rule**, in logarithms ($\mathcal D$ stands for the data):
#
# $$
# \log p(w \mid \mathcal D)
# = \underbrace{\sum_{n=1}^{N} \log \mathcal N\big(t_n;\, y(x_n, w), \tau^2\big)}_{\text{log-likelihood}}
# + \underbrace{\sum_{j=1}^{3H+1} \log \mathcal N\big(w_j;\, 0, \sigma_0^2\big)}_{\text{log-prior}}
# - \log p(\mathcal D)
# $$
#
# The first two terms are the **log joint**, $\log p(\mathcal D, w)$. The third is the same for all $w$.
#
# **Up to a constant.** A ball feels slopes and differences of height, and not how high the landscape lies above the
# sea. So whatever doesn't depend on $w$ may stay or go: $\log p(\mathcal D)$, and also $-\log \tau$ and
# $-\tfrac12 \log 2\pi$ of each density, since $\tau$ and $\sigma_0$ are given numbers here. (In lesson 04 $\log \tau$
# had to stay, because $\tau$ was learned.) With all constants left out,
#
# $$
# \log p(\mathcal D, w)
# = -\sum_n \frac{(t_n - y(x_n, w))^2}{2\tau^2} - \sum_j \frac{w_j^2}{2 \sigma_0^2} + \text{constant}.
# $$
#
# What may *not* be changed is the balance of the two sums.

# %% [markdown]
# Before you write it, what does a ball notice?

# %% tags=["figure"]
guess(
    "what-a-ball-notices",
    "Which mistake would change the networks that are drawn?",
    [
        "leaving out −½·log 2π of every density",
        "leaving out −log τ",
        "the mean over the cars in place of their sum",
        "none of these: each is a constant",
    ],
)

# %% [markdown]
# ## Your turn: write the log joint
#
# - `parameters` is a dict with the four names of the table above. Each of its tensors is a weight or a bias of the
#   network, and **each has the prior**: weights and biases alike.
# - `noise_std` and `prior_std` are plain numbers above zero, and standard deviations, not variances.
# - The result is one number, a scalar tensor, that carries gradients to the four parameters. It must be right up to a
#   constant: the check compares its values, and its gradients, at different parameters with one another. Anything that
#   the parameters don't enter may be there or not.
# - You may use `gaussian_log_prob(x, mean, std)` of lesson 00, which the setup cell has imported.


# %% tags=["exercise"]
def log_joint(parameters, x, y, noise_std, prior_std):
    """Log-likelihood plus log-prior of the network 1 → H → 1 with a ReLU, up to a constant.

    parameters: a dict of tensors, "weight_1" (H, 1), "bias_1" (H,), "weight_2" (1, H) and "bias_2" (1,).
    x, y: (N, 1), inputs and targets.
    noise_std: a number, the standard deviation of a target about the network's output.
    prior_std: a number, the standard deviation of the prior of every weight and bias; its mean is 0.
    Returns: a scalar tensor that carries gradients to the parameters.
    """
    # 1. The network's output for each row of x.
    # 2. The log-likelihood: the log density of each target, summed.
    # 3. The log-prior: the log density of each weight and each bias, summed.
    # 4. The sum of the two.
    ### BEGIN SOLUTION
    hidden = F.relu(F.linear(x, parameters["weight_1"], parameters["bias_1"]))
    output = F.linear(hidden, parameters["weight_2"], parameters["bias_2"])
    log_likelihood = -((y - output) ** 2).sum() / (2 * noise_std**2)
    log_prior = -sum((values**2).sum() for values in parameters.values()) / (2 * prior_std**2)
    return log_likelihood + log_prior
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: which tools?</summary>
#
# - `F.linear(x, weight, bias)` is a linear layer, $x W^\top + b$, with the weight as `nn.Linear` stores it. `F.relu`
#   stands between the two.
# - The two sums of squares of the last formula are all that you need. Or, with their constants:
#   `gaussian_log_prob(y, output, noise_std)` for the targets, `gaussian_log_prob(values, 0.0, prior_std)` for a
#   parameter.
# - `parameters.values()` gives the four tensors, one after the other.
#
# </details>
#
# <details><summary>Hint 2: the steps, one by one</summary>
#
# - The output has shape $(N, 1)$, as `y` has. If you flatten one of the two, flatten both: $(N,)$ minus $(N, 1)$ is an
#   $N \times N$ table, and PyTorch doesn't complain.
# - The log-likelihood: square the errors, `.sum()` them to one number, divide by $2\tau^2$, and put a minus before it.
#   No mean. A good fit must give a *larger* number than a bad one.
# - For the prior, sum the squares of each of the four tensors, add up the four sums, divide by $2 \sigma_0^2$, minus.
#   Then add both parts.
#
# </details>
#
# <details><summary>Hint 3: almost everything</summary>
#
# ```python
# hidden = F.relu(F.linear(x, parameters["weight_1"], parameters["bias_1"]))
# output = F.linear(hidden, parameters["weight_2"], parameters["bias_2"])
# log_likelihood = -((y - output) ** 2).sum() / (2 * noise_std**2)
# ```
#
# What is left is the log-prior, in the same way but over the four tensors, with mean 0, and the sum of both.
#
# </details>
#
# {{ solution log_joint }}

# %% tags=["check"]
check(log_joint)

# %% tags=["figure"]
guessed("what-a-ball-notices")

# %% [markdown]
# The mean over the cars: it weighs the cars 40 times less against the prior, which is another landscape. The other two
# lower the whole of it.

# %% [markdown]
# ## Let it walk
#
# Pyro's NUTS takes a function that it calls the *potential*: minus the log joint, the height of the landscape. One
# chain would give us draws, and no means to tell whether they are good. With several chains, from different starts, we
# can ask whether they agree. So we want eight.
#
# Pyro walks one chain after the other. For a network as small as ours that is a waste: nearly all of the time goes into
# Python, hardly any into arithmetic. So we let **eight networks walk side by side**. `vmap` calls your `log_joint` for
# eight sets of parameters at once, and the potential is the sum of the eight. To Pyro that is one ball in a landscape
# with eight times as many directions. How steep it is along one network's directions doesn't depend on where the other
# seven are: so each walks in your posterior as if it were alone. (What they share is their pace: the length of their
# steps, and when they turn round.)
#
# (It takes a minute at most. `vmap` needs code that doesn't look at a tensor's values, as `if x.max() > 0`
# does. `max_tree_depth=5` ends a roll after $2^5 - 1 = 31$ steps at the latest, and with steps as short as here most
# end so, before they turn round. `target_accept_prob` is about the length of a step: larger is more careful.)


# %% tags=["experiment"]
CHAINS, WARMUP, DRAWS = 8, 150, 300


def random_networks(count, std=0.5):
    """Parameters to start from: a dict of four tensors, each with a first dimension of `count` networks."""
    shapes = {"weight_1": (HIDDEN, 1), "bias_1": (HIDDEN,), "weight_2": (1, HIDDEN), "bias_2": (1,)}
    return {name: std * torch.randn(count, *shape, dtype=torch.float64) for name, shape in shapes.items()}


def log_joints(several, prior_std=PRIOR_STD):
    """The log joint of each of several networks: (networks,)."""
    return vmap(lambda parameters: log_joint(parameters, x_train, y_train, noise_std, prior_std))(several)


def walk():
    """Draws of NUTS: a dict of four tensors, DRAWS × CHAINS × …; and how many gradients they took."""
    gradients = 0

    def potential(several):
        nonlocal gradients
        gradients += 1
        return -log_joints(several).sum()

    kernel = NUTS(potential_fn=potential, max_tree_depth=5, target_accept_prob=0.6)
    with tqdm(total=WARMUP + DRAWS, desc="NUTS", file=sys.stdout, mininterval=0.5) as progress:
        sampler = MCMC(
            kernel,
            num_samples=DRAWS,
            warmup_steps=WARMUP,
            initial_params=random_networks(CHAINS),
            hook_fn=lambda *_: progress.update(),
            disable_progbar=True,
        )
        sampler.run()
    return sampler.get_samples(), gradients


began = time.process_time()
chains, num_gradients = walk()
seconds["NUTS"] = time.process_time() - began
networks["NUTS"] = {name: values.flatten(0, 1) for name, values in chains.items()}
print(f"{CHAINS} chains of {DRAWS} draws, after {WARMUP} steps of warm-up: {num_gradients} gradients")

# %% [markdown]
# ## Did it arrive?
#
# A sampler always gives numbers, also when it has got stuck in a corner. Two numbers tell more, both from comparing the
# chains.
#
# - **R-hat** compares the spread *between* chains with the spread *within* each. Where all chains wander over the same
#   places it is 1. Above 1 the chains don't agree, and none of them has seen everything. For long 1.1 was the usual
#   limit; today one asks for 1.01 [4], and for more patience than this lesson has. (Pyro cuts each chain into halves,
#   so that a chain that slowly drifts is noticed as well: *split* R-hat.)
# - **Effective sample size.** Each draw is near the one before it, so 2,400 draws tell less than 2,400 independent ones
#   would. The effective sample size says how many independent draws they are worth, when an average is taken.
#
# We may ask this about any number that depends on the parameters: about a weight, or about the network's *answer* for
# some car.

# %% tags=["figure"]
guess(
    "r-hat-of-what",
    "R-hat of the network's answer at 110 hp, and R-hat of a single weight: which looks worse?",
    ["The weight's", "The answer's", "They are about the same"],
)

# %% tags=["experiment"]
asked = torch.tensor([60.0, LOW, 110.0, HIGH, 170.0, 220.0])
answers = functions(networks["NUTS"], asked).unflatten(0, (DRAWS, CHAINS)).transpose(0, 1)  # chains × draws × asked
weights = torch.cat([values.flatten(2) for values in chains.values()], dim=2).transpose(0, 1)  # chains × draws × 25

r_hat, effective = split_gelman_rubin(answers), effective_sample_size(answers)
weights_r_hat = split_gelman_rubin(weights)
worst = weights_r_hat.argmax().item()
print("answer at       R-hat    effective sample size (of 2,400)")
for power, ratio, size in zip(asked.tolist(), r_hat.tolist(), effective.tolist(), strict=True):
    print(f"{power:6.0f} hp {ratio:12.2f}{size:12.0f}")
print(f"the {weights.shape[2]} parameters: R-hat from {weights_r_hat.min():.2f} to {weights_r_hat.max():.2f},", end=" ")
print(f"effective sample size of the worst {effective_sample_size(weights[..., worst]):.0f}")

# %% tags=["figure"]
show(
    figures.traces({"the network's answer at 110 hp [mpg]": answers[:4, :, 2], "one weight": weights[:4, :, worst]}),
    alt="Four chains, step by step. Above, the network's answer at 110 horsepower: all four wander over the same range,"
    " and their histograms lie on one another. Below, one weight: the chains wander slowly, and the histograms"
    " differ.",
    caption="Four of the eight chains. Left: step by step. Right: a histogram of each. Below is the weight with the"
    " largest R-hat.",
)
guessed("r-hat-of-what")

# %% tags=["claim"]
assert r_hat.max() < 1.15
assert effective.min() > 50
assert weights_r_hat.max() > r_hat.max() + 0.1

# %% [markdown]
# The answers agree well enough: their R-hats are below the old limit, in the gap and beyond the data too, though
# not all within today's, for which the chains would have to be longer. Single weights look much worse: the chains
# wander slowly, and their histograms differ. Yet this needn't be a failure. **The weights have symmetries.** Swap two
# hidden units, with all that belongs to them: the network answers as before, and its log joint is the same. With 8
# units there are $8! = 40{,}320$ orders, so the landscape has as many copies of each valley, and a chain that walks
# about one of them has no need of the others. One chain's unit 3 does what another chain's unit 5 does.
#
# A function knows nothing of the order of units. So **judge a sampler of networks by its functions, and not by its
# weights alone**. Izmailov and others [5, section 5] look at both, for networks of hundreds of thousands of weights.
#
# From here on we take these draws as the posterior. Keep in mind how far that goes. In the gap they are worth one or
# two hundred independent draws: enough for a standard deviation to within five to seven percent, and not to three
# digits. (Divide the gradients by the 450 rolls, and you see that most rolls were ended by the limit of 31 steps.)

# %% [markdown]
# ### Your experiment: stop earlier
#
# What would you have seen, had you stopped after the first 20 draws of each chain? Predict R-hat and the effective
# sample size of the answer at 110 hp, then run. How many draws does it take until you would trust it?

# %% tags=["experiment"]
KEEP = 20  # change this, predict, run

few = answers[:, :KEEP, 2]  # chains × KEEP
print(f"the first {KEEP} draws of each chain: R-hat {split_gelman_rubin(few):.2f},", end=" ")
print(f"effective sample size {effective_sample_size(few):.0f} of {few.numel()}, spread {few.std():.1f} mpg")

# %% tags=["claim"]
assert split_gelman_rubin(few) > r_hat[2]
assert num_gradients / (WARMUP + DRAWS) > 20

# %% [markdown]
# <details><summary>What you should have found</summary>
#
# After 20 draws the chains don't agree yet; with the first 100 R-hat was 1.03 to 1.17 in five seeds, about the old
# limit. But R-hat, too, is computed from the draws, and is a matter of chance when these are few: in two of the five it
# looked *better* with 5 or 10 draws than with 20. (At least 4 are needed.) So trust it when it stays low while the
# chains go on.
#
# </details>

# %% [markdown]
# ## Three cheap ways, beside it
#
# The **mean-field** network we have. Here are two more that cost little, for the same network and the same cars.
#
# - **A deep ensemble** [6]: train five ordinary networks from five random starts, and look at how far they disagree.
#   Lesson 03 named it, lesson 07 has one. They are trained on the likelihood alone. Your `log_joint` does this as well:
#   with a prior of standard deviation 1,000 there is as good as no prior.
# - **Laplace on the last layer** [7]: train *one* network, to the peak of your log joint, the bottom of the valley.
#   Then hold its first layer fixed. What remains is a linear model, whose inputs are the hidden units, and a linear
#   model has an exact posterior (lesson 04): with the hidden units and a 1 in the rows of $\Phi$, it is a Gaussian
#   about the peak, whose covariance has the inverse $\Phi^\top \Phi / \tau^2 + \mathbf I / \sigma_0^2$ (the *precision
#   matrix*; $\mathbf I$ is the identity matrix). Its weights are *not* independent. It costs one small matrix.


# %% tags=["experiment"]
def climb(count, prior_std, label, steps=1500):
    """Several networks, each trained from its own start towards the peak of the log joint."""
    several = {name: values.requires_grad_() for name, values in random_networks(count).items()}
    optimizer = torch.optim.Adam(several.values(), lr=0.02, fused=True)
    for _ in tqdm(range(steps), desc=label, file=sys.stdout, mininterval=0.5):
        optimizer.zero_grad()
        loss = -log_joints(several, prior_std).sum()
        loss.backward()
        optimizer.step()
    return {name: values.detach() for name, values in several.items()}


def hidden_units(network, x):
    """The hidden units, and a column of ones for the output's bias: (N, H + 1)."""
    hidden = F.relu(F.linear(x, network["weight_1"], network["bias_1"]))
    return torch.cat([hidden, torch.ones_like(x)], dim=1)


def last_layer_laplace(peak, count):
    """Draws of networks that share the peak's first layer, and have the exact posterior of the last."""
    features = hidden_units(peak, x_train)
    precision = features.T @ features / noise_std**2 + torch.eye(HIDDEN + 1) / PRIOR_STD**2
    mean = torch.linalg.solve(precision, features.T @ y_train / noise_std**2)[:, 0]
    last = torch.distributions.MultivariateNormal(mean, precision_matrix=precision).sample((count,))
    first = {name: peak[name].expand(count, *peak[name].shape) for name in ("weight_1", "bias_1")}
    return {**first, "weight_2": last[:, None, :-1], "bias_2": last[:, -1:]}


began = time.process_time()
networks["ensemble"] = climb(5, prior_std=1000.0, label="five networks")
seconds["ensemble"] = time.process_time() - began

began = time.process_time()
peak = {name: values[0] for name, values in climb(1, PRIOR_STD, "one network").items()}
networks["last-layer Laplace"] = last_layer_laplace(peak, 1000)
seconds["last-layer Laplace"] = time.process_time() - began

# %% [markdown]
# Four answers to one question. Before you look:

# %% tags=["figure"]
guess(
    "narrowest-in-the-gap",
    "In the middle of the gap, which of them spreads least?",
    ["NUTS", "mean-field", "the ensemble of five", "Laplace on the last layer"],
)
guess(
    "gold-standard-in-the-gap",
    "And the posterior itself: how wide is it in the gap, beside the band of the mean-field network?",
    ["About the same", "Twice as wide, or more", "Narrower"],
)

# %% tags=["figure", "picture"]
order = ["NUTS", "mean-field", "ensemble", "last-layer Laplace"]
drawn = {name: functions(networks[name], grid) for name in order}
show(
    figures.functions(train_cars, grid, drawn, EMPTY, height=(-5, 55)),
    alt="Four panels on shared axes. NUTS: the band is narrow at both groups of cars, and opens in the gap between them"
    " and beyond the last cars. Mean-field: narrowest in the gap. Ensemble: a few curves, close together at the cars."
    " Last-layer Laplace: a narrow band, somewhat wider in the gap and at the right.",
    caption="Blue lines: up to 15 drawn functions. Red: their average. Band: ±2 standard deviations of the functions."
    " Grey: no car was trained on.",
)

# %% tags=["figure"]
show(
    figures.spreads(grid, {name: values.std(dim=0, correction=0) for name, values in drawn.items()}, EMPTY, 6.0),
    alt="Spread of the functions against horsepower, a line per method. That of NUTS rises to a hump in the gap, falls"
    " at the cars on both sides, and rises steeply beyond 180 horsepower. That of the mean-field network is"
    " lowest in the gap. Last-layer Laplace has a lower hump in the gap, and rises slowly beyond.",
    caption="Beyond 220 horsepower lines go on above the frame.",
)
guessed("narrowest-in-the-gap")
guessed("gold-standard-in-the-gap")


# %% tags=["experiment"]
def spread_at(networks, horsepower):
    return functions(networks, torch.tensor(horsepower)).std(dim=0, correction=0).tolist()


PLACES = [60.0, float(LOW), MIDDLE, float(HIGH), 165.0, 220.0]
print("spread of the functions [mpg] at" + "".join(f"{place:7.0f}" for place in PLACES) + " hp")
measured = {name: spread_at(networks[name], PLACES) for name in order}
for name, stds in measured.items():
    print(f"  {name:30}" + "".join(f"{std:7.1f}" for std in stds))
print("\nvariance in the middle of the gap, over the sum of those at its two ends")
bound = {name: stds[2] ** 2 / (stds[1] ** 2 + stds[3] ** 2) for name, stds in measured.items()}
for name, ratio in bound.items():
    print(f"  {name:30}{ratio:7.2f}")

# %% tags=["claim"]
assert measured["NUTS"][2] > 1.6 * measured["mean-field"][2]
assert measured["NUTS"][2] > 1.3 * measured["last-layer Laplace"][2]
assert measured["mean-field"][2] < min(measured["mean-field"][i] for i in (0, 5))
assert bound["NUTS"] > 1.15 > 1.0 > bound["mean-field"]
assert all(measured["mean-field"][i] > 1.3 * measured["NUTS"][i] for i in (0, 4))

# %% [markdown]
# **The posterior opens in the gap.** Where there are cars its functions agree, and between the two groups they don't:
# a curve that fits both groups may take many ways from one to the other, with a bend early, a bend late, a hump.
#
# **The mean-field network has it the wrong way round.** Its band is narrower in the gap than at the weakest cars. In
# the middle of the gap the posterior is two to three times as wide; amid the cars, at 60 and 165 hp, it is the
# mean-field network that is too wide, here by more than half.
#
# **Laplace on the last layer** is narrower than the posterior as well. Its first layer is fixed, so all its functions
# bend at the same horsepowers; and where to bend is just what is unknown in the gap. That it has a hump there at all,
# it owes to the last layer's weights, which aren't independent.
#
# **The ensemble** has only five opinions, and what they are depends on five random starts. Now and then they fan out in
# the gap as the posterior does, now and then they nearly agree. (Amid the data they agree far more than they should:
# 40 cars don't fix the curve so well.)
#
# We repeated all this with five seeds: other cars in training, other starts. (You can: `SEED` is in the first cell.) In
# the middle of the gap the posterior was 2.1 to 2.9 times as wide as the mean-field network, and 1.4 to 4.6 times as
# wide as Laplace. The ensemble had 0.3 to 1.2 times the posterior's spread. So *which* of the three is narrowest there
# is a matter of luck: in three seeds the mean-field network, once Laplace, once the ensemble.

# %% [markdown]
# ## Why independent weights can't do it
#
# The hump in the gap needs an **appointment** between weights: whatever one unit adds on the way through the gap,
# another unit, or the bias, has to take back before the cars at the other end. If the one weight is larger in a draw,
# the other must be smaller.
#
# Laplace's last layer makes such appointments. The next cell breaks them: it shuffles the draws of each weight by
# itself. So each weight keeps its own mean and width, and they are independent now.

# %% tags=["figure"]
guess(
    "appointments-broken",
    "What becomes of Laplace's spread amid the cars when the draws of each weight are shuffled?",
    ["It stays: each weight is as wide as before", "It grows by about half", "It becomes several times as large"],
)


# %% tags=["experiment"]
def shuffled(values):
    """The draws of each weight, (draws, …), in an order of their own."""
    return values.gather(0, torch.rand(values.shape).argsort(dim=0))


with torch.random.fork_rng():
    broken = {name: shuffled(values) for name, values in networks["last-layer Laplace"].items()}
print("spread of the functions [mpg] at" + "".join(f"{place:7.0f}" for place in PLACES) + " hp")
for name, several in {"last-layer Laplace": networks["last-layer Laplace"], "shuffled": broken}.items():
    print(f"  {name:30}" + "".join(f"{std:7.1f}" for std in spread_at(several, PLACES)))

# %% tags=["figure"]
guessed("appointments-broken")

# %% tags=["claim"]
assert all(spread_at(broken, PLACES)[i] > 3 * measured["last-layer Laplace"][i] for i in (0, 4))

# %% [markdown]
# Without the appointments the functions part by several miles per gallon, just where the cars are. To fit the cars
# independent weights must be narrow, each by itself; and then they are narrow in the gap as well. No better optimiser
# helps: it is what the family of independent Gaussians can express.
#
# Foong and others [1, Theorem 1] made a theorem of it: **a network that is sure at both ends is sure in the middle.**
# For one hidden layer of ReLUs, weights and biases that are independent Gaussians, and two points on either side of 0,
# $x_- < 0 < x_+$, the variances over draws of $w$ obey
#
# $$\operatorname{Var} y(0, w) \le \operatorname{Var} y(x_-, w) + \operatorname{Var} y(x_+, w).$$
#
# (This is why we count the horsepower from the middle of the gap. In the paper the middle is any point that lies
# between the two, and nearer to 0 than both.) The second table under "Three cheap ways, beside it" has the two sides of
# the inequality, divided: the mean-field network obeys it, as it must (0.2 to 0.35 in five seeds, where 1 is allowed).
# **The posterior breaks it** (2.5 to 2.9). So no independent Gaussians, however trained, can be this posterior.
# (Laplace and the ensemble aren't made of independent Gaussians, and may exceed 1 as well. Where an ensemble's members
# happen to agree at both ends, the ratio is huge, and says little.)
#
# For deeper networks there is no such bound: there, the paper proves that independent Gaussians *can* be unsure in
# the middle, and finds that in training they still often are not.

# %% [markdown]
# ### Your experiment: count the KL less
#
# In the posterior the weights' errors cancel amid the cars, and don't in the gap. Independent errors don't: they add
# up. So amid the cars the functions come out too wide, although each weight that does some work is too narrow by
# itself; and in the gap these narrow weights make too narrow a band. (The silent units' weights are wide, and add to
# the width amid the cars; in the gap they add little.) Counting the KL less makes all weights narrower still. In
# lesson 07 the network with the KL counted once was right more often than it claimed, and a tenth of the KL cured
# that. Does it help here? Predict for `kl_count = 0.3`, then try 0.1.

# %% tags=["figure"]
guess(
    "kl-counted-less",
    "The KL counts 0.3 times. Where does the mean-field network's spread come nearer to the posterior's?",
    ["at 60 and 165 hp, and in the gap", "at 60 and 165 hp alone", "in the gap alone"],
)


# %% tags=["experiment"]
def held_out(networks, group):
    """The average log density of unseen cars, [nats per car], their noise included."""
    answers = functions(networks, group.column("horsepower"))
    log_density = gaussian_log_prob(group.y.double(), answers, noise_mpg)
    return (log_density.logsumexp(dim=0) - math.log(len(answers))).mean().item()


kl_count = 0.3  # change this, predict, run

with torch.random.fork_rng():
    torch.manual_seed(SEED)
    tempered = draw_networks(train_mean_field(kl_count=kl_count), 1000)
print("spread of the functions [mpg] at" + "".join(f"{place:7.0f}" for place in PLACES) + " hp")
fewer = spread_at(tempered, PLACES)
for name, stds in {"NUTS": measured["NUTS"], "mean-field": measured["mean-field"], f"KL × {kl_count:g}": fewer}.items():
    print(f"  {name:30}" + "".join(f"{std:7.1f}" for std in stds))
of_once, of_fewer = (held_out(one, unseen["amid the data"]) for one in (networks["mean-field"], tempered))
print(f"log density of unseen cars amid the data: {of_once:.2f} with the KL once, {of_fewer:.2f} with {kl_count:g}")

# %% tags=["figure"]
guessed("kl-counted-less")

# %% tags=["claim"]
assert all(0.6 < fewer[i] / measured["NUTS"][i] < 1.6 for i in (0, 4))
assert all(fewer[i] / measured["NUTS"][i] < 0.85 < measured["mean-field"][i] / measured["NUTS"][i] for i in (1, 3))
assert fewer[2] < 0.4 * measured["NUTS"][2]
assert of_fewer < of_once + 0.05
outgoing, width = mean_field.second.weight_mean[0].detach(), mean_field.second.weight_log_std[0].detach().exp()
works = outgoing.abs() > width
first = {"weight_1": mean_field.first.weight_mean.detach(), "bias_1": mean_field.first.bias_mean.detach()}
features = hidden_units(first, x_train)
precision = features.T @ features / noise_std**2 + torch.eye(HIDDEN + 1) / PRIOR_STD**2
assert (width < torch.linalg.inv(precision).diagonal().sqrt()[:-1])[works].all()
without_silent = {**networks["mean-field"], "weight_2": networks["mean-field"]["weight_2"] * works}
working = spread_at(without_silent, PLACES)
assert working[2] > 0.75 * measured["mean-field"][2]
assert all(working[i] < 0.95 * measured["mean-field"][i] for i in (0, 4))
assert working[4] > 1.1 * measured["NUTS"][4]

# %% [markdown]
# At 60 and 165 hp alone, amid each group. There a third of the KL makes the functions about as wide as the posterior's
# (0.7 to 1.4 times as wide in five seeds, where it was 1.3 to 2.2 times). But at 80 and 145 hp, where the groups end,
# the width was nearly right before (1.0 to 1.3 times), and now it is too small (0.5 to 0.8 times). In the gap it is a
# fifth of the posterior's, less than before, and beyond the data half of it. With 0.1 the functions are too narrow
# everywhere. One number scales all widths together; it can't make them wider in one place and narrower in another.
#
# Nor did it help with unseen cars amid the data, as it did with lesson 07's digits: in five seeds their log density
# never rose by more than 0.01, and in the one shown here it fell by 0.1. Lesson 04's count of 1 stays the right one for
# the question that it answers: which *independent* Gaussians are closest to the posterior.

# %% [markdown]
# ## Over-pruning comes home
#
# Lesson 03 found that the mean-field network uses hardly any of its units. Is that what the posterior would do, or is
# it another thing that independence costs? In the mean-field network we looked at $|\mu|/\sigma$ of a weight. For the
# posterior this makes no sense, since the units change places. So let us ask each *drawn network*: how many of its
# units do some work? We call a unit **live** in a draw if what it adds to the prediction varies by more than 1 mile per
# gallon (standard deviation) over the training cars.

# %% tags=["figure"]
guess(
    "live-units-of-the-posterior",
    "Of 8 hidden units, how many are live in a network drawn from the posterior?",
    ["One or two, as in the mean-field network", "About half of them", "All eight"],
)


# %% tags=["experiment"]
def count_live_units(networks):
    """For each network the number of units that move the prediction by more than 1 mpg over the training cars."""

    def contributions(network):
        return hidden_units(network, x_train)[:, :-1] * network["weight_2"]

    varying = vmap(contributions)(networks).std(dim=1) * scale_y.std
    return (varying > 1.0).sum(dim=1)


asked_of = {"NUTS": networks["NUTS"], "mean-field": networks["mean-field"], "prior": random_networks(2000, PRIOR_STD)}
live = {name: count_live_units(several) for name, several in asked_of.items()}
for name, count in live.items():
    print(f"{name:12} {count.double().mean():.1f} live units on average, of {HIDDEN}")

# %% tags=["figure"]
show(
    figures.live_units(live, HIDDEN),
    alt="Three sets of bars: the number of live units in a drawn network. For NUTS and for the prior it lies mostly"
    " between two and seven, for the mean-field network mostly at one to three.",
)
guessed("live-units-of-the-posterior")

# %% tags=["claim"]
assert live["NUTS"].double().mean() > live["mean-field"].double().mean() + 1.5
assert abs(live["NUTS"].double().mean() - live["prior"].double().mean()) < 1.0

# %% [markdown]
# In the posterior about half of the units are live (4.0 to 4.6 on average, in five seeds; in the mean-field network 1.2
# to 2.2). That is only a little less than in the prior, whose draws know nothing of cars: the data hardly silence a
# unit, as long as others make up for what it adds. For independent weights each unit that takes part adds noise at the
# cars, so silence is cheaper. Over-pruning, too, is a price of independence, and not what Bayes' rule asks for.

# %% [markdown]
# ## What does it cost, and what does it buy?
#
# So far we have asked how well each method imitates the posterior. A user asks something else: how good are the
# predictions for cars that nobody has seen, and how long must I wait? As always since lesson 00, we take the average
# log density of unseen cars, here called their log-likelihood: for each car the logarithm of the predicted density at
# what it really did, averaged over the draws before the logarithm is taken. Larger is better.

# %% tags=["figure"]
guess(
    "likelihood-in-the-gap",
    "Unseen cars in the gap: does NUTS, with the right doubt there, get the best log-likelihood?",
    ["Yes, clearly", "All are nearly the same", "It comes out last"],
)


# %% tags=["experiment"]
likelihoods = {name: [held_out(networks[name], group) for group in unseen.values()] for name in order}
print("log-likelihood" + " " * 12 + "".join(f"{name:>16}" for name in unseen) + f"{'cost':>12}")
for name, values in likelihoods.items():
    print(f"  {name:24}" + "".join(f"{value:16.2f}" for value in values) + f"{seconds[name]:10.1f} s")

gap = unseen["in the gap"]
in_gap_by = {name: functions(networks[name], gap.column("horsepower")).mean(dim=0) for name in order}
above = {name: (gap.y - average).mean().item() for name, average in in_gap_by.items()}
print("\nSo far do the cars in the gap lie above the average of the functions, on average [mpg]:")
print("  " + ", ".join(f"{name} {value:.1f}" for name, value in above.items()))

between = (grid >= 50) & (grid <= TOP)
print(f"\nWhere, from 50 to {TOP} hp, would each of them ask for one more car? Where it is least sure:")
next_car = {name: grid[between][drawn[name].std(dim=0)[between].argmax()].item() for name in ("NUTS", "mean-field")}
for name, power in next_car.items():
    print(f"  {name:24}{power:6.0f} hp")

# %% tags=["figure"]
guessed("likelihood-in-the-gap")

# %% tags=["claim"]
amid = [values[0] for values in likelihoods.values()]
assert max(amid) - min(amid) < 0.4
assert LOW < next_car["NUTS"] < HIGH
assert not LOW < next_car["mean-field"] < HIGH
assert all(1 < above[name] < 3 for name in ("NUTS", "mean-field"))
assert seconds["NUTS"] > 2 * max(seconds[name] for name in order[1:])

# %% [markdown]
# **The gold standard doesn't win.** ("All are nearly the same" was the best guess.) Amid the data all four are within
# 0.1 nats in four of our five seeds. In the fifth, the one shown here, the mean-field network is ahead by 0.1, and the
# ensemble is behind, as it follows the 40 cars too closely.
#
# In the gap, the mean-field network, whose doubt is wrong there, comes out as well as NUTS, to within 0.05 nats, in
# three of five seeds; in the other two NUTS is ahead by about 0.15. The ensemble is ahead of NUTS in two seeds, behind
# in two, and level in one.
#
# Beyond the data mean-field may pay dearly. In two seeds, the one shown here among them, it is level with NUTS; in the
# three others it is behind, by 0.3, 0.8 and 0.9 nats. The ensemble was ahead of NUTS in our five runs and Laplace in
# four, but with 17 cars and five random starts that may come out otherwise for you. (If your `log_joint` keeps its
# constants, rounding differs, and after some thousand steps so do the networks: your numbers aren't quite ours.)
#
# Why is the right doubt worth so little here?
#
# - **The noise hides it.** A single car scatters by 4 miles per gallon. A doubt of 3 about the curve makes a total of
#   $\sqrt{4^2 + 3^2} = 5$; with a doubt of 1 it is 4.1.
# - **The cars lie within the noise.** In the run shown here, those in the gap lie some 2 miles per gallon above the
#   average of NUTS, and above that of the mean-field network. For NUTS this is less than a standard deviation of its
#   functions, for the mean-field network about two; but it is half the noise of a single car. So even a network that
#   hardly held it possible pays little. One data set can't tell more.
#
# Nor is it cheap: NUTS takes several times as long as any of the others, for a network of 25 parameters and 40 cars.
#
# So if you want predictions for inputs like those you trained on, take a cheap method, and be content. It is another
# matter when somebody *acts* on the doubt, as in lesson 08. Look at the last two lines above: asked where it is least
# sure, the posterior points into the gap (in four of five seeds; once to the weakest cars). The mean-field network
# would send you to an end of the data, where there are cars already (in five of five). **Where** it is unsure is what
# it has wrong.

# %% [markdown]
# ### Your experiment: give the ensemble the prior
#
# The five networks were trained on the likelihood alone. Your `log_joint` has a prior in it. What if all five climb to
# *its* peak? Predict what becomes of the spread in the gap. Then set `ENSEMBLE_PRIOR` to 1.0, the prior of the others,
# and run. (The five start anew in each run, so run it more than once.)

# %% tags=["figure"]
guess(
    "ensemble-with-the-prior",
    "Five starts, the prior's standard deviation 1: the spread of the five in the middle of the gap …",
    ["grows: the prior adds doubt", "stays about the same", "nearly vanishes"],
)

# %% tags=["experiment"]
ENSEMBLE_PRIOR = 1000.0  # as above; change this to 1.0, predict, run

five = climb(5, ENSEMBLE_PRIOR, label=f"prior {ENSEMBLE_PRIOR:g}")
print(f"prior {ENSEMBLE_PRIOR:g}: spread at {MIDDLE:.0f} hp {spread_at(five, [MIDDLE])[0]:.2f} mpg,", end=" ")
print(f"log-likelihood in the gap {held_out(five, unseen['in the gap']):.2f}")
print("log joints of the five:", ", ".join(f"{value:.1f}" for value in log_joints(five, ENSEMBLE_PRIOR).tolist()))

# %% tags=["figure"]
guessed("ensemble-with-the-prior")

# %% tags=["claim"]
with_prior = climb(5, PRIOR_STD, "prior 1")
assert spread_at(with_prior, [MIDDLE])[0] < 0.35 * measured["NUTS"][2]

# %% [markdown]
# <details><summary>What you should have found</summary>
#
# With a prior of 1 the five give nearly one and the same answer, in most runs, while without it the spread differs much
# from run to run. The landscape of so small a network has few valleys that matter, and with the prior all five roll
# into the same one, or into one just like it, with the units in another order. (Now and then one of the five ends in a
# valley that isn't quite as deep, and its log joint says so: in two of twelve runs the spread was 0.7 and 0.9, in most
# others at most 0.2.) Five times the bottom of one valley is still the bottom of one valley. **An ensemble isn't wide
# because it is Bayesian. It is wide where training ends in different places**, and what makes it end there is the
# network, the starts, and when one stops.
#
# In large networks training does end in different places, and there ensembles do well: Wilson and Izmailov [8] see them
# as a rough average over the posterior's many hills, and for modern image networks their predictions were found nearer
# to those of Hamiltonian Monte Carlo than the predictions of mean-field networks [5].
#
# </details>

# %% [markdown]
# ## What goes wrong in practice
#
# **1. Trusting one chain.** A chain that is stuck looks calm. Only a second one, from another start, gives it away.
#
# **2. Reading R-hat of the weights.** It is bad even where all is well, and a good one is no proof either. Look at the
# numbers that you are going to use: answers, and where you are going to use them.
#
# **3. Too long a step.** Pyro counts *divergences*, rolls in which the energy got lost (no relation to the KL).
# They hint at narrow places that the sampler doesn't enter. Raise `target_accept_prob` then; it costs time.
#
# **4. Taking the gold standard for the truth.** NUTS gives the posterior of *this* network, *this* prior and *this*
# noise. If these are wrong, so is the posterior, and exactly. Its functions know no more of cars than the prior does:
# in the gap and beyond they say what the prior leaves open.
#
# **5. Taking it to a large network.** Each draw needs many gradients over *all* the data. Izmailov and others did it
# for modern image networks, on 512 TPUs at once [5]. This is how we know what cheap methods miss; nobody works that
# way.

# %% [markdown]
# ## Questions to think about
#
# **1.** You may drop $-N \log \tau$ from the log joint. When would that be wrong?
#
# <details><summary>Answer</summary>
#
# As soon as $\tau$ is one of the things that the sampler draws. Then it is a parameter like the others, and
# $-N \log \tau$ depends on it: without this term, more noise would always look better. (It would need a prior as well.)
#
# </details>
#
# **2.** A colleague averages the log-likelihood over the examples, "so that the numbers stay small". What posterior
# does the sampler draw from?
#
# <details><summary>Answer</summary>
#
# From one with as much evidence as a single example has, or noise $\sqrt N$ times as large. With 40 cars the likelihood
# counts a fortieth, and the functions spread several times as far as they should, also amid the cars. No chain will
# complain: that landscape is easier to walk about in.
#
# </details>
#
# **3.** Draw 1,000 networks from the posterior, and give each weight the mean and the standard deviation that it has
# among them. Is that a good mean-field network?
#
# <details><summary>Answer</summary>
#
# No. Any unit may do any job in the posterior, so the mean of a weight is an average over jobs, and the standard
# deviation is nearly the prior's. Independent draws with these would fit no car. Bayes by Backprop does better: it
# settles on *one* order of the units, and on one hill.
#
# </details>

# %% tags=["experiment"]
posterior = networks["NUTS"]
with torch.random.fork_rng():
    independent = {name: w.mean(dim=0) + w.std(dim=0) * torch.randn_like(w) for name, w in posterior.items()}
    of_third = spread_at(independent, PLACES)
print("question 3, spread [mpg] at" + "".join(f"{place:7.0f}" for place in PLACES) + " hp")
print(" " * 27 + "".join(f"{std:7.1f}" for std in of_third))

# %% tags=["claim"]
assert all(of_third[i] > 3 * measured["mean-field"][i] for i in (0, 4))

# %% [markdown]
# ## Where to go from here
#
# You have built a layer whose weights are distributions, trained it, looked into it, used it, and now seen what it
# misses. Four ways lead on from here.
#
# - **Full Laplace.** A Gaussian about the peak, over *all* weights, that don't have to be independent: MacKay [9] did
#   it in 1992. With the network replaced by its linear approximation at the peak, it opens in gaps where mean-field
#   doesn't, as Foong and others saw [10]. Daxberger and others [7] have made a library of it.
# - **SWAG** [11]. Go on training at a high rate, collect the weights along the way, and fit a Gaussian to them: a mean,
#   a diagonal, and a few directions in which weights move together. It costs little more than training.
# - **Function-space priors** [12, 13]. Nobody has an opinion on a weight. One may well have one on functions: how
#   smooth, how large, how fast they vary. These methods put the prior there.
# - **Conformal prediction** [14]. It asks for no posterior at all. Held-out examples tell how wide a band must be so
#   that it holds 90 % of the truth, whatever the network is. It promises this on average over new examples *like* the
#   held-out ones, so not for the gap: there one still needs a model that knows what it doesn't know.

# %% [markdown]
# ## Where this comes from
#
# 1. A. Y. K. Foong, D. R. Burt, Y. Li, R. E. Turner: *On the Expressiveness of Approximate Inference in Bayesian Neural
#    Networks*, NeurIPS 2020. Theorem 1: the inequality.
# 2. R. M. Neal: *MCMC Using Hamiltonian Dynamics*, in: Handbook of Markov Chain Monte Carlo, 2011; for networks:
#    *Bayesian Learning for Neural Networks*, Springer 1996.
# 3. M. D. Hoffman, A. Gelman: *The No-U-Turn Sampler: Adaptively Setting Path Lengths in Hamiltonian Monte Carlo*,
#    Journal of Machine Learning Research 2014.
# 4. A. Vehtari, A. Gelman, D. Simpson, B. Carpenter, P.-C. Bürkner: *Rank-Normalization, Folding, and Localization: An
#    Improved R-hat for Assessing Convergence of MCMC*, Bayesian Analysis 2021.
# 5. P. Izmailov, S. Vikram, M. D. Hoffman, A. G. Wilson: *What Are Bayesian Neural Network Posteriors Really Like?*,
#    ICML 2021. Section 5: how well the chains mix. Abstract: ensembles and variational inference beside HMC.
# 6. B. Lakshminarayanan, A. Pritzel, C. Blundell: *Simple and Scalable Predictive Uncertainty Estimation using Deep
#    Ensembles*, NeurIPS 2017.
# 7. E. Daxberger, A. Kristiadi, A. Immer, R. Eschenhagen, M. Bauer, P. Hennig: *Laplace Redux: Effortless Bayesian Deep
#    Learning*, NeurIPS 2021. On the last layer alone: A. Kristiadi, M. Hein, P. Hennig: *Being Bayesian, Even Just a
#    Bit, Fixes Overconfidence in ReLU Networks*, ICML 2020.
# 8. A. G. Wilson, P. Izmailov: *Bayesian Deep Learning and a Probabilistic Perspective of Generalization*, NeurIPS
#    2020.
# 9. D. J. C. MacKay: *A Practical Bayesian Framework for Backpropagation Networks*, Neural Computation 1992.
# 10. A. Y. K. Foong, Y. Li, J. M. Hernández-Lobato, R. E. Turner: *"In-Between" Uncertainty in Bayesian Neural
#     Networks*, arXiv:1906.11537, 2019.
# 11. W. J. Maddox, T. Garipov, P. Izmailov, D. Vetrov, A. G. Wilson: *A Simple Baseline for Bayesian Uncertainty in
#     Deep Learning*, NeurIPS 2019.
# 12. S. Sun, G. Zhang, J. Shi, R. Grosse: *Functional Variational Bayesian Neural Networks*, ICLR 2019.
# 13. B.-H. Tran, S. Rossi, D. Milios, M. Filippone: *All You Need is a Good Functional Prior for Bayesian Deep
#     Learning*, Journal of Machine Learning Research 2022.
# 14. A. N. Angelopoulos, S. Bates: *A Gentle Introduction to Conformal Prediction and Distribution-Free Uncertainty
#     Quantification*, arXiv:2107.07511, 2021.
#
# This was the last lesson. Thank you for coming all the way.

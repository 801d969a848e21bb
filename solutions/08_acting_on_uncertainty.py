# %% [markdown]
# # 08 · Acting on uncertainty
#
# A network that knows when it is unsure can do two things that others can't. It can leave a question to somebody who
# knows better. And it can try something out, in order to be less unsure the next time. What does either gain, and when
# does it gain nothing?
#
# **Time:** about 130 minutes. **Difficulty:** ●●●○○. You write two short functions, about five lines in all.
#
# **You need:** a PyTorch training loop, and a classifier's softmax. From earlier lessons: a draw as mean + standard
# deviation · noise (lesson 01), the KL divergence (lesson 02), a network whose weights are drawn anew in each call
# (lesson 03), its loss and its predictions (lesson 04). We import what was built there, so you don't have to have
# solved those lessons.

# %% tags=["setup"]
import math
import sys
from itertools import combinations, pairwise

import torch
import torch.nn as nn
import torch.nn.functional as F
from tqdm import tqdm

from bnn_core import datasets, gaussian_kl, gaussian_log_prob, predict, sample_gaussian
from bnn_core.autograder import check
from bnn_core.figures import acting_on_uncertainty as figures
from bnn_core.figures import show
from bnn_core.guesses import guess, guessed

_ = torch.manual_seed(0)
torch.set_num_threads(1)  # the tensors are small

# %% [markdown]
# ## When is it better to ask?
#
# Somebody must say yes or no to a question. How likely yes is depends on one number $x$: far to the left it is
# surely no, far to the right surely yes, and in the middle nobody can know. A wrong answer costs 1. But one may also
# *ask* somebody who does know, and that has a price, which the slider sets.
#
# - What happens to the error among the questions that are answered when asking becomes cheap? And to how many are?
# - At which price is nothing asked?

# %% tags=["figure"]
figures.price_slider()

# %% [markdown]
# The same picture at three prices, in case the slider doesn't run where you read this:

# %% tags=["figure"]
show(
    figures.price_settings(),
    alt="Three rows, for a price of asking of 0.40, 0.20 and 0.05 of an error. Left: the chance of yes rises from 0 to"
    " 1 in an S; the middle, where it asks, is shaded, and wider the cheaper asking is. Right: the error of what it"
    " answers against the share that it answers; the mark moves down the curve to the left as asking becomes cheap.",
    caption="Left: shaded where it asks. Right: every mark lies on one curve, and the price says where.",
)

# %% [markdown]
# Cheap advice is taken often: the shaded middle grows, it answers less, and of what it answers less is wrong. The curve
# on the right says what can be had at all. The price only says where on the curve to stand. The *cost per question*
# counts 1 for each wrong answer and the price for each time it asks. At a price of ½ it never asks, since even a guess
# is wrong only half of the time.
#
# For this to work somebody must know *where* the middle is. Here the chance was given. A network has to tell us itself,
# and that is what this lesson's first half is about.

# %% [markdown]
# ## The idea: “I don't know” is an answer
#
# A classifier gives an answer for each input and, beside it, a number that says how sure it is: its **confidence**. In
# lesson 07 that is the largest probability; here any number will do, as long as larger means surer. Sort all inputs by
# confidence, let the network answer the surest of them, and leave the rest to somebody else: to a doctor, a second
# model, a dearer measurement.
#
# The share that it answers is the **coverage**. If its confidence is any good, then the error among those that it
# answers falls as the coverage falls. How far, we measure.

# %% [markdown]
# ## How often is it wrong when it answers?
#
# | Symbol | In code | Shape | What it is |
# |---|---|---|---|
# | $N$ | `len(confidence)` | a number | how many examples there are |
# | $\gamma_n$ | `confidence` | $(N,)$ | how sure the network is of example $n$; any real number |
# | $z_n$ | `correct` | $(N,)$ | 1 (or `True`) where its answer is right, 0 (or `False`) where it is wrong |
# | $\eta$ | `coverage` | a number | the share that it is to answer: $0 < \eta \le 1$ |
# | $K$ | | a number | how many examples that is: $\lceil \eta N \rceil$ |
#
# $\lceil\,\cdot\,\rceil$ rounds up to a whole number: of 10 examples a coverage of 0.45 keeps 5. So at least the share
# $\eta$ is answered, and at least one example. Call the $K$ examples with the largest $\gamma_n$ the *kept* ones. The
# **selective error** is the share of wrong answers among them:
#
# $$
# \operatorname{error}(\eta) = \frac1K \sum_{n \,\in\, \text{kept}} (1 - z_n), \qquad K = \lceil \eta N \rceil
# $$
#
# At $\eta = 1$ it is the ordinary error. In the papers it is called *selective risk* [1, 2].
#
# Only the *order* of the confidences enters. Double them all, or take logarithms, and nothing changes. Keep this in
# mind: further down it will make a difference.

# %% tags=["figure"]
guess(
    "selective-by-hand",
    "Ten answers, the surest first: right, right, right, wrong, right, and five more. The error at a coverage of 0.45?",
    ["0", "0.2", "0.25"],
)

# %% [markdown]
# ## Your turn: the error of those that it answers
#
# - Keep exactly $\lceil \eta N \rceil$ examples, the surest. Where several have the same confidence and not all of them
#   fit, it doesn't matter which of them you keep.
# - `coverage * len(confidence)` may be off by a rounding error: 0.55 · 100 is a little more than 55 in Python, and
#   `math.ceil` makes 56 of it. You needn't do anything about it.
# - `confidence` may be negative or above 1, in float32 or float64: a probability, minus an entropy, a logit.
# - `correct` may be True and False, or 1 and 0 in any dtype.
# - Return a scalar tensor, and leave both arguments as they are.


# %% tags=["exercise"]
def selective_error(confidence, correct, coverage):
    """The share of wrong answers among the surest ⌈coverage·N⌉ examples.

    confidence: (N,), real numbers; larger is surer.
    correct: (N,), True or 1 where the answer is right, False or 0 where it is wrong.
    coverage: the share of examples that is answered: above 0, at most 1.
    Returns: a scalar tensor, between 0 and 1.
    """
    # 1. How many examples are kept.
    # 2. Which they are: sort by confidence, from high to low.
    # 3. How many of those are wrong, as a share.
    ### BEGIN SOLUTION
    number = math.ceil(coverage * len(confidence))
    kept = confidence.argsort(descending=True)[:number]
    return 1 - correct[kept].float().mean()
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: which tools?</summary>
#
# - `math.ceil` rounds up.
# - `confidence.argsort(descending=True)` gives the places of the examples, that of the surest first. It leaves
#   `confidence` as it is.
#
# </details>
#
# <details><summary>Hint 2: the steps, one by one</summary>
#
# - The first `number` elements of a tensor `t` are `t[:number]`.
# - A tensor of places can be used as an index: `correct[places]` picks these examples, in this order.
# - Truth values have no mean: `.float()` makes 1 and 0 of them. One minus the share of the right ones is the share of
#   the wrong ones.
#
# </details>
#
# <details><summary>Hint 3: almost everything</summary>
#
# ```python
# number = math.ceil(coverage * len(confidence))
# kept = confidence.argsort(descending=True)[:number]
# ```
#
# One line is left: look up `correct` at these places, and return the share of wrong answers.
#
# </details>
#
# {{ solution selective_error }}

# %% tags=["check"]
check(selective_error)

# %% [markdown]
# A first look, with ten examples: those of the guess, and five more. The confidence is no bad one here: most wrong
# answers stand to the right.

# %% tags=["experiment"]
confidence = torch.tensor([0.99, 0.97, 0.96, 0.91, 0.88, 0.80, 0.71, 0.64, 0.52, 0.41])
correct = torch.tensor([True, True, True, False, True, True, True, False, True, False])
for coverage in (1.0, 0.7, 0.45, 0.4, 0.3):
    print(f"coverage {coverage}: error {selective_error(confidence, correct, coverage).item():.2f}")

# %% tags=["figure"]
guessed("selective-by-hand")

# %% tags=["claim"]
assert abs(selective_error(confidence, correct, 0.45) - 0.2) < 1e-6
errors = [selective_error(confidence, correct, coverage).item() for coverage in (1.0, 0.7, 0.4, 0.3)]
assert errors[1] < errors[0]
assert errors[2] > errors[1]
assert errors[3] == 0

# %% [markdown]
# At a coverage of 0.45 five are kept: 0.2. As it falls, the error falls, rises again, and falls to 0. With few examples
# left a single mistake weighs much: at a coverage of 0.4, one of the four that are kept is wrong. So don't trust the
# left end of such a curve.

# %% [markdown]
# ## Digits that it may leave out
#
# Now real ones: scikit-learn's handwritten digits, 8 × 8 pixels [3]. We train on 800 of them. There are two
# tests: the other 997 digits, and the same digits, but half of them turned by up to 60° to either side. Turned digits
# are not in the training data. Nobody has told the networks about them.
#
# We compare networks whose weights are numbers (*plain*) with networks whose weights are distributions (*Bayesian*),
# five of each. All five are trained at once: `Networks` holds several networks of one size side by side. They share
# nothing, but one matrix product with a dimension more, `torch.baddbmm`, takes less time than five. The cell is lesson
# 04 once more in this form; you needn't read it to go on.


# %% tags=["experiment"]
class Networks(nn.Module):
    """`count` networks of one size, side by side: (count, B, inputs) to (count, B, outputs).

    Bayesian ones draw all their weights anew in each call, as BayesianLinear does.
    """

    def __init__(self, count, sizes, bayesian):
        super().__init__()
        self.weight_mean, self.weight_log_std = nn.ParameterList(), nn.ParameterList()
        for inputs, outputs in pairwise(sizes):
            mean = torch.randn(count, inputs + 1, outputs) / math.sqrt(inputs)
            mean[:, -1] = 0.0  # the last row is the bias
            self.weight_mean.append(mean)
            if bayesian:
                self.weight_log_std.append(torch.full_like(mean, -3.0))

    def forward(self, x):
        for number, mean in enumerate(self.weight_mean):
            x = torch.relu(x) if number else x
            weight = sample_gaussian(mean, self.weight_log_std[number]) if self.weight_log_std else mean
            x = torch.baddbmm(weight[:, -1:], x, weight[:, :-1])
        return x

    def kl_divergence(self):
        """The KL to N(0, 1), summed over all weights of all networks; 0 for plain ones."""
        pairs = zip(self.weight_mean, self.weight_log_std, strict=False)
        return sum((gaussian_kl(mean, log_std) for mean, log_std in pairs), torch.tensor(0.0))


NETWORKS, TRAIN = 5, 800
digits_train, digits_test = datasets.digits().split(TRAIN, seed=0)


def pixels(x):
    """From 0 … 1 to −1 … 1."""
    return 2 * x - 1


def train_classifiers(bayesian, steps=600, batch_size=100):
    """Minimise cross-entropy of all training digits + KL, for all networks at once: their losses just add up."""
    torch.manual_seed(1)
    networks = Networks(NETWORKS, [64, 60, 60, 10], bayesian)
    optimizer = torch.optim.Adam(networks.parameters(), lr=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    label = "five Bayesian networks" if bayesian else "five plain networks"
    for _ in tqdm(range(steps), desc=label, file=sys.stdout, mininterval=0.5):
        rows = torch.randint(TRAIN, (NETWORKS, batch_size))
        logits = networks(pixels(digits_train.x[rows]))
        task = F.cross_entropy(logits.flatten(0, 1), digits_train.y[rows].flatten(), reduction="sum")
        loss = TRAIN / batch_size * task + networks.kl_divergence()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return networks


kinds = {"plain": train_classifiers(bayesian=False), "Bayesian": train_classifiers(bayesian=True)}

# %% [markdown]
# A Bayesian network's prediction is the average of its probabilities over draws of the weights, as `predict` of lesson
# 04 makes it (of probabilities, not of logits). `predict` returns the mean over the draws, `[0]`, and their standard
# deviation, `[1]`. The network's confidence is the largest of its averaged probabilities. A plain network has one set
# of weights, so one call is enough.


# %% tags=["experiment"]
def turned(x, degrees):
    """Digits, (N, 64), each turned by its own angle, (N,)."""
    angle = torch.deg2rad(degrees)
    cos, sin, zero = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
    matrix = torch.stack([torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1)], 1)
    images = x.view(-1, 1, 8, 8)
    grid = F.affine_grid(matrix, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False).view(-1, 64)


torch.manual_seed(2)
angles = torch.empty(len(digits_test)).uniform_(-60, 60) * (torch.rand(len(digits_test)) < 0.5)
tests = {"digits as they are": digits_test.x, "half of them turned": turned(digits_test.x, angles)}


def probabilities(networks, x, num_samples):
    """Of each class, averaged over the draws: (networks, N, 10)."""
    x = pixels(x).expand(NETWORKS, -1, -1)
    return predict(lambda x: networks(x).softmax(dim=-1), x, num_samples)[0]


predicted = {
    (test, kind): probabilities(networks, x, num_samples=30 if kind == "Bayesian" else 1)
    for test, x in tests.items()
    for kind, networks in kinds.items()
}

# %% tags=["figure"]
guess(
    "which-error-falls-lower",
    "Half of the digits are turned, and a fifth of all may be left out. Whose error on the rest is lower?",
    ["the Bayesian networks'", "the plain networks'", "about the same"],
)

# %% tags=["experiment"]
COVERAGES = (1.0, 0.9, 0.8, 0.5)
print(f"{'error [%] at a coverage of':32}", "".join(f"{coverage:8}" for coverage in COVERAGES))
errors_at = {}
for (test, kind), probs in predicted.items():
    confidence, answer = probs.max(dim=-1)
    correct = answer == digits_test.y
    errors_at[test, kind] = torch.tensor(
        [[selective_error(gamma, z, c) for c in COVERAGES] for gamma, z in zip(confidence, correct, strict=True)]
    )
    print(f"{test + ', ' + kind:32}", "".join(f"{100 * error:8.2f}" for error in errors_at[test, kind].mean(dim=0)))

# %% tags=["figure"]
guessed("which-error-falls-lower")


# %% tags=["figure"]
def error_curve(confidence, correct):
    """The selective error where 1, 2, …, N examples are kept."""
    wrong = 1 - correct[confidence.argsort(descending=True)].float()
    return wrong.cumsum(dim=0) / torch.arange(1, len(wrong) + 1)


curves = {test: {} for test in tests}
for (test, kind), probs in predicted.items():
    confidence, answer = probs.max(dim=-1)
    correct = answer == digits_test.y
    curves[test][kind] = torch.stack([error_curve(gamma, z) for gamma, z in zip(confidence, correct, strict=True)])
show(
    figures.risk_coverage(curves),
    alt="Error against coverage in two panels. On digits as they are both kinds of network fall from about 4 % to"
    " nearly zero at a coverage of 0.8. With half of them turned both start at 26 % and fall slowly, to about 5 % at a"
    " coverage of one half. In the first panel the Bayesian networks' curve lies a little above the plain ones', in"
    " the second they nearly coincide, but for the far left, where the Bayesian networks' mean stays at about 2 % and"
    " the plain ones' goes to nearly 0.",
    caption="Thin: each of five networks. Thick: their mean.",
)

# %% tags=["claim"]
untouched, half_turned = tests
for coverage in range(len(COVERAGES)):
    for test in tests:
        difference = errors_at[test, "plain"][:, coverage].mean() - errors_at[test, "Bayesian"][:, coverage].mean()
        assert difference.abs() < 0.025
for kind in kinds:
    full, _, fifth_left_out, _ = errors_at[untouched, kind].mean(dim=0)
    assert 0.02 < full < 0.055
    assert fifth_left_out < 0.2 * full
    full, _, fifth_left_out, _ = errors_at[half_turned, kind].mean(dim=0)
    assert 0.2 < full < 0.32
    assert 0.5 * full < fifth_left_out < 0.75 * full
surest = {kind: errors[:, len(digits_test) // 10].mean() for kind, errors in curves[half_turned].items()}
assert surest["plain"] < 0.01 < surest["Bayesian"] < 0.03

# %% [markdown]
# On digits as they are it is worth a lot to leave out a fifth: of about four errors in a hundred, hardly any are left.
# With half of them turned the error falls from a quarter to a sixth. Of a hundred digits, 26 errors become 13, which
# are 16 in a hundred of those that it answers. Errors that all but vanish, as in the first test, need most of the
# digits left out.
#
# The third option was right: with digits turned there is next to no difference between the two kinds of network, and on
# digits as they are the plain ones are a little ahead at most coverages, by half a digit in a hundred. **Weights
# that are distributions have not made the order any better.** Each kind knows about equally well which digits are
# harder than which. (With half as many training digits the Bayesian networks were behind: at 400 digits their error was
# 7.1 % against 4.3 %. We chose 800 after seeing that.) The far left of the second panel is an exception: of the tenth
# of which they are surest, the Bayesian networks got about two in a hundred wrong, the plain ones less than one. These
# are a handful of digits.

# %% [markdown]
# **The area under the curve** makes one number of it: the error, averaged over all coverages. Small is good. Which
# confidence gives the smallest? The largest probability is one choice. Others: minus the entropy of the
# probabilities; and the margin, by which the first class leads the second. The cell measures three. **Change this,
# predict, run:** add one of your own, say the *smallest* probability, or a confidence that is all noise. What area does
# noise have?

# %% tags=["experiment"]
scores = {
    "largest probability": lambda probs: probs.amax(dim=-1),
    "minus entropy": lambda probs: (probs * probs.clamp_min(1e-30).log()).sum(dim=-1),
    "margin": lambda probs: probs.topk(2, dim=-1).values.diff(dim=-1)[..., 0].neg(),
}


def area(confidence, correct, points=200):
    """The average selective error over evenly spaced coverages."""
    coverages = (torch.arange(points) + 1) / points
    return torch.stack([selective_error(confidence, correct, float(c)) for c in coverages]).mean()


print(f"{'area under the curve [%]':32}", "".join(f"{name:>22}" for name in scores))
areas = {}
for (test, kind), probs in predicted.items():
    correct = probs.argmax(dim=-1) == digits_test.y
    areas[test, kind] = torch.tensor(
        [[area(gamma, z) for gamma, z in zip(score(probs), correct, strict=True)] for score in scores.values()]
    )
    print(f"{test + ', ' + kind:32}", "".join(f"{100 * value:22.2f}" for value in areas[test, kind].mean(dim=1)))

# %% tags=["claim"]
assert all(areas[key].mean(dim=1).max() - areas[key].mean(dim=1).min() < 0.01 for key in areas)
assert all(areas[test, "Bayesian"].mean(dim=1).argmax() == 1 for test in tests)
noise = area(torch.rand(len(digits_test)), torch.rand(len(digits_test)) < 0.7)
assert 0.25 < noise < 0.35
for kind in kinds:
    probs = predicted[half_turned, kind]
    correct = probs.argmax(dim=-1) == digits_test.y
    smallest = torch.stack([area(gamma, z) for gamma, z in zip(probs.amin(dim=-1), correct, strict=True)]).mean()
    assert 0.34 < smallest < 0.46
    assert smallest > 1.3 * (1 - correct.float().mean())

# %% [markdown]
# It matters little which of the three, least for the plain networks. For the Bayesian ones the entropy is a little
# worse than the others, in both tests. Confidence that is all noise has the area of the ordinary error, as leaving out
# digits at random changes nothing: about 26 % with half of them turned. So an area is to be judged against the error at
# full coverage, and not against 0. The *smallest* probability is worse than noise, about 40 %: it is large where all
# classes seem possible, so it puts the digits upside down.

# %% [markdown]
# ## What does an error cost?
#
# A curve doesn't decide anything. Somebody has to say what a mistake costs, and what asking costs. Let an error cost 1,
# and asking $\lambda$, the *price*. Answering digit $n$, with confidence $\gamma_n$, costs $1 - \gamma_n$ on average,
# **if** the confidence is what it claims to be: the chance of being right. So the rule is [4]
#
# $$
# \text{answer where } 1 - \gamma_n < \lambda, \quad\text{that is, where } \gamma_n > 1 - \lambda .
# $$
#
# Where asking costs a tenth of an error, one answers when one is more than 90 % sure. No test set is needed, no curve:
# the network's word is enough. But now its *value* counts, and not only its order.

# %% tags=["figure"]
guess(
    "is-its-word-good",
    "Half are turned. Of the digits of which a plain network is more than 90 % sure, how many does it get wrong?",
    ["about 1 %", "about 5 %", "nearly 20 %"],
)

# %% tags=["experiment"]
PRICE = 0.1  # of asking; an error costs 1


def costs(confidence, correct, threshold, price):
    """What a digit costs on average, the share that is answered, and the errors among these."""
    answered = confidence > threshold
    wrong = (answered & ~correct).float().sum()
    cost = wrong / len(correct) + price * (~answered).float().mean()
    return cost, answered.float().mean(), wrong / answered.sum()


print(f"{'answers above ' + format(1 - PRICE, '.2f'):32}{'answered':>10}{'claims to err':>15}{'errs':>8}{'cost':>8}")
by_rule = {}
for (test, kind), probs in predicted.items():
    confidence, answer = probs.max(dim=-1)
    correct = answer == digits_test.y
    rows = torch.tensor([costs(gamma, z, 1 - PRICE, PRICE) for gamma, z in zip(confidence, correct, strict=True)])
    claims = torch.stack([1 - gamma[gamma > 1 - PRICE].mean() for gamma in confidence])
    by_rule[test, kind] = torch.cat([rows, claims[:, None]], dim=1)
    cost, answered, errs, claimed = by_rule[test, kind].mean(dim=0).tolist()
    print(f"{test + ', ' + kind:32}{answered:10.0%}{claimed:15.1%}{errs:8.1%}{cost:8.3f}")
print(f"{'always asking':32}{0:10.0%}{'':15}{'':8}{PRICE:8.3f}")

# %% tags=["figure"]
guessed("is-its-word-good")

# %% tags=["figure"]
thresholds = 1 - torch.logspace(0, -5, 101)  # from 0 to 0.99999
cost_curves = {test: {} for test in tests}
for (test, kind), probs in predicted.items():
    confidence, answer = probs.max(dim=-1)
    correct = answer == digits_test.y
    pairs = list(zip(confidence, correct, strict=True))
    lines = torch.tensor([[costs(gamma, z, threshold, PRICE)[0] for threshold in thresholds] for gamma, z in pairs])
    cost_curves[test][kind] = (thresholds, lines)
show(
    figures.cost_of_thresholds(cost_curves, PRICE),
    alt="Cost per digit against the threshold of confidence, from 0 to 0.99999. On digits as they are the Bayesian"
    " networks cost least at a threshold near 0.6, and at the dashed line more than twice as much as the plain ones."
    " With half of them turned, the Bayesian networks' curve has its lowest point near the dashed line, below the price"
    " of asking. The plain networks' lies far above that price there; it comes down to the same lowest cost, but only"
    " near a threshold of 0.9999.",
    caption="Each mark to the right leaves a tenth of the rest to 1. Dashed: the rule, answer above 1 − price."
    " Triangles: the best threshold. Dotted: always ask.",
)

# %% tags=["claim"]
cost, answered, errs, claimed = by_rule[half_turned, "plain"].T  # of each of the five networks
assert (claimed < 0.02).all()
assert (errs > 0.12).all()
assert (cost > PRICE).all()
cost, answered, errs, claimed = by_rule[half_turned, "Bayesian"].T
assert (errs - claimed).mean().abs() < 0.03
assert (errs < 0.09).all()
assert (cost < PRICE).all()
cost, answered, errs, claimed = by_rule[untouched, "Bayesian"].T
assert (errs < 0.01).all()
assert 0.025 < claimed.mean() < 0.045
assert 0.4 < answered.mean() < 0.65
assert by_rule[untouched, "plain"][:, 0].mean() < 0.5 * cost.mean()
best = {key: cost_curves[key[0]][key[1]][1].mean(dim=0) for key in by_rule}
assert by_rule[half_turned, "Bayesian"][:, 0].mean() < best[half_turned, "Bayesian"].min() + 0.008
assert thresholds[best[half_turned, "plain"].argmin()] > 0.9995
assert (best[half_turned, "plain"].min() - best[half_turned, "Bayesian"].min()).abs() < 0.01
assert thresholds[best[untouched, "plain"].argmin()] > 0.95
assert 0.5 < thresholds[best[untouched, "Bayesian"].argmin()] < 0.7

# %% [markdown]
# The third option was right, and here the two kinds differ by much. Look at the second panel.
#
# - The **plain networks** are more than 90 % sure of most digits, turned or not, and claim to err in less than one of a
#   hundred of these. They err in nearly one of five. Anyone who follows the rule, and believes them, pays *more* than
#   somebody who always asks. There is a threshold at which they cost as little as the Bayesian ones at their best:
#   about 0.9999. Only, nobody would guess that number. One could find it with turned digits whose labels are known; but
#   whoever has such digits already knows what will go wrong.
# - The **Bayesian networks** say less often that they are sure. When they do, they err about as often as they claim,
#   also on turned digits, of which they have never seen one. The rule's threshold is nearly the best, and costs less
#   than always asking. (In five repetitions, with other splits and other starts, plain networks erred in 14.7 to 19.2
#   %, and Bayesian ones in 3.0 to 5.4 %.)
# - **Not all of this comes of weights that are distributions.** The KL also draws the means towards 0, and nothing does
#   so in a plain network. In a trial, plain networks with a penalty of $w^2/2$ for each weight, as a prior of
#   $\mathcal N(0, 1)$ would set it, erred in 12.1 % instead of 18.2 %, and cost 0.115 instead of 0.170, on average:
#   still more than always asking.
# - On **digits as they are** it is the other way round. The plain networks pay less than half of what the Bayesian ones
#   pay. These are too modest: they claim to err in three or four of a hundred, err in none, and leave nearly half of
#   the digits to somebody else, at a price. Doubt costs something where none is needed.
#
# So the order was equally good, and the *values* were not. Whoever only ranks needs no Bayesian network, on these data.
# Whoever takes a network at its word, at a price like this one, is better off with it where digits may be turned, and
# worse off where none is. (Lesson 07 measures such words, as *calibration*.)

# %% [markdown]
# **Your turn: you set the price.** A wrong digit on a cheque may cost a thousand times as much as a second look; on a
# shopping list hardly anything. Choose `my_price`, guess whether a plain network should be trusted at it, and run.

# %% tags=["experiment"]
my_price = 0.02

for (test, kind), probs in predicted.items():
    confidence, answer = probs.max(dim=-1)
    pairs = zip(confidence, answer == digits_test.y, strict=True)
    rows = torch.tensor([costs(gamma, z, 1 - my_price, my_price) for gamma, z in pairs]).mean(dim=0)
    print(f"{test + ', ' + kind:32} answers {rows[1]:4.0%}, cost {rows[0] / my_price:5.2f} times that of always asking")

# %% tags=["claim"]
times_asking = {}
for price in (0.3, 0.2, 0.02, 0.005, 0.001):
    for (test, kind), probs in predicted.items():
        confidence, answer = probs.max(dim=-1)
        pairs = zip(confidence, answer == digits_test.y, strict=True)
        cost = torch.stack([costs(gamma, z, 1 - price, price)[0] for gamma, z in pairs]).mean()
        times_asking[test, kind, price] = (cost / price).item()
assert times_asking[untouched, "plain", 0.005] < 1 < 1.5 < times_asking[untouched, "plain", 0.001]
assert times_asking[half_turned, "plain", 0.3] < 1 < times_asking[half_turned, "plain", 0.2]
assert times_asking[half_turned, "plain", 0.02] > 4
assert times_asking[half_turned, "plain", 0.001] > 20
assert 0.9 < times_asking[half_turned, "Bayesian", 0.02] < 1.15
assert 1.2 < times_asking[half_turned, "Bayesian", 0.001] < 2.5
assert all(times_asking[untouched, "Bayesian", price] < 1 for price in (0.3, 0.2, 0.02, 0.005, 0.001))

# %% [markdown]
# <details><summary>What comes out</summary>
#
# On digits as they are a plain network's word is good enough down to a price of 0.005; at 0.001 it costs more than
# twice as much as always to ask. With half of them turned it is good enough at 0.3 and no longer at 0.2; at 0.02 it
# costs 5 times as much, at 0.001 about 40 times.
#
# The Bayesian networks' word has an end, too. With half of the digits turned it brings nothing at 0.02, and at 0.001
# costs 1.8 times as much as always to ask. A threshold of 0.999 relies on errors of one in a thousand, and on turned
# digits neither kind keeps to that. Where digits may be turned, and an error costs a thousand times as much as a second
# look, ask always.
#
# </details>

# %% [markdown]
# ## Trying things out
#
# Now the second use. So far somebody gave us labels. Often nobody does, and one sees only what one's own action leads
# to: a shop learns whether *this* advertisement was clicked, and never what another would have brought. This is called
# a **bandit**, after the slot machines that are said to have one arm and to empty pockets.
#
# In each step there is a *context* (what is known beforehand: who visits the shop), one takes an *action*, and gets a
# *reward*. Two wishes pull in opposite directions. One wants the action that looks best now. And one wants to find out
# whether another might be better. Never trying means never learning; always trying means never earning.

# %% [markdown]
# ## Thompson sampling
#
# The oldest recipe is from 1933 [5], and for a network of distributions it is the simplest that there is [6]:
#
# > **Draw the weights once. Take the action that is best under this draw.**
#
# An action of which the network is sure gives about the same reward in every draw. It is taken if it is the best. One
# of which it is unsure may come out high in one draw and low in the next. So it is tried now and then, about as often
# as it is likely to be the best. Each try makes it less unsure, and so trying becomes rare by itself.
#
# | Symbol | In code | Shape | What it is |
# |---|---|---|---|
# | $B$ | `len(contexts)` | a number | how many contexts are decided at once |
# | $R$ | | a number | how many actions there are, numbered from 0 |
# | $x_n$ | `contexts` | $(B, D)$ | what is known before the action; $D$ features |
# | $q$ | `weight_mean`, `weight_log_std` | | the learned distribution of the weights |
# | $w$ | | | all weights of the network, drawn from $q$ once in each call |
# | $r_{na}$ | `model(contexts)` | $(B, R)$ | the reward that action $a$ has in context $n$, on average, under $w$ |
#
# $$
# w \sim q, \qquad a_n = \arg\max_a \; r_{na}(w)
# $$
#
# Note what is *not* done. Draws aren't averaged: their average prefers one action, and acting on it tries nothing out.
# And there aren't two draws, one for each action: what is compared must come from one belief about the world. If one
# draw says that it's a rainy place, then that holds for umbrellas and for ice cream.

# %% tags=["figure"]
guess(
    "three-draws-of-ten",
    "In 7 of 10 draws of the weights umbrellas promise most, in 3 of 10 ice cream. How often is ice cream offered?",
    ["never: umbrellas are better on average", "in about 3 of 10 cases", "in half of the cases"],
)

# %% [markdown]
# ## Your turn: let one draw decide
#
# - Call `model(contexts)` exactly once, with all contexts as they are. One call is one draw of all weights.
# - Return the number of the best action for each context: shape $(B,)$, int64, which is what `argmax` gives.
# - The draw is all that is random: no random action besides, no seed. Leave the model in its mode, and its parameters
#   as they are.


# %% tags=["exercise"]
def thompson_action(model, contexts):
    """For each context the action that is best under one draw of the model's weights.

    model: model(contexts) draws all weights once and gives the expected reward of every action, (B, R).
    contexts: what the model takes, B of them.
    Returns: (B,), int64, the number of an action for each context.
    """
    # 1. One draw: the rewards of all actions in all contexts, without keeping gradients.
    # 2. In each row, which action has the largest.
    ### BEGIN SOLUTION
    with torch.no_grad():
        rewards = model(contexts)
    return rewards.argmax(dim=1)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: which tools?</summary>
#
# - `model(contexts)` is one draw, in the shape $(B, R)$.
# - `.max` gives the largest value, `.argmax` the place where it stands. An action is a place.
#
# </details>
#
# <details><summary>Hint 2: the steps, one by one</summary>
#
# - Put the call inside `with torch.no_grad():`, since nothing is trained here.
# - The actions are the columns. For each row you want one number, so `argmax` must run along `dim=1`.
#
# </details>
#
# <details><summary>Hint 3: almost everything</summary>
#
# ```python
# with torch.no_grad():
#     rewards = model(contexts)
# ```
#
# What is left is one line: return, for each row of `rewards`, the place of its largest value.
#
# </details>
#
# {{ solution thompson_action }}

# %% tags=["check"]
check(thompson_action)


# %% tags=["experiment"]
def two_offers(contexts):
    """In 7 of 10 draws the first action promises more, in 3 of 10 the second."""
    best_first = torch.rand(()) < 0.7
    return torch.tensor([[1.0, 0.5] if best_first else [0.5, 1.0]]).expand(len(contexts), 2)


with torch.random.fork_rng():
    torch.manual_seed(0)
    offers = torch.cat([thompson_action(two_offers, torch.zeros(1, 1)) for _ in range(2000)])
print(f"the second action is taken in {offers.double().mean():.0%} of 2,000 calls")

# %% tags=["figure"]
guessed("three-draws-of-ten")

# %% tags=["claim"]
assert 0.25 < offers.double().mean() < 0.35

# %% [markdown]
# ## Three machines
#
# First a case in which nothing but the decision can go wrong: three machines, no contexts, and beliefs that are exact.
# A machine pays its mean (0.0, 0.2 or 0.5) plus noise with a standard deviation of 1. Before the first coin we believe
# of each mean $\mathcal N(0, 1)$. After $j$ coins with the average $\bar r$, Bayes' rule gives
# $\mathcal N\big(\tfrac{j \bar r}{j + 1}, \tfrac{1}{j + 1}\big)$. That is as if there had been one more coin, which
# paid 0: the prior counts like that. And the precision, one over the variance, grows by 1 with every coin. Such a
# belief, after the data, is called the **posterior**. (In `Beliefs` the rule is applied after each coin, in `learn`;
# the result is the same.)
#
# What counts is the **regret**. Somebody who knows the best machine and plays no other gets 0.5 per coin, on average. A
# coin for another machine costs the difference of the two means, and the regret is the sum of these costs so far.
# 2,000 players play 500 coins each, by four strategies. *Greedy* takes the machine with the best mean. *ε-greedy* does
# the same, but in one coin of ten plays any machine.

# %% tags=["experiment"]
MEANS = torch.tensor([0.0, 0.2, 0.5])
PLAYERS, COINS = 2000, 500


class Beliefs:
    """What each player believes of each machine's mean: independent Gaussians. A call draws from them."""

    def __init__(self):
        self.mean, self.precision = torch.zeros(PLAYERS, 3), torch.ones(PLAYERS, 3)

    def __call__(self, contexts):
        return self.mean + torch.randn(PLAYERS, 3) / self.precision.sqrt()

    def learn(self, action, reward):
        """Bayes' rule for the machine that was played: a step towards the reward, and a precision larger by 1."""
        tried = F.one_hot(action, 3)
        self.mean += tried * (reward[:, None] - self.mean) / (self.precision + 1)
        self.precision += tried


def greedy(beliefs):
    return beliefs.mean.argmax(dim=1)


def epsilon_greedy(beliefs):
    explores = torch.rand(PLAYERS) < 0.1
    return torch.where(explores, torch.randint(3, (PLAYERS,)), greedy(beliefs))


no_contexts = torch.zeros(PLAYERS, 0)  # there is nothing to see
strategies = {
    "greedy": greedy,
    "ε-greedy": epsilon_greedy,
    "Thompson": lambda beliefs: thompson_action(beliefs, no_contexts),
}

# %% tags=["figure"]
guess(
    "greedy-gets-stuck",
    "After 500 coins, how many of the 2,000 greedy players play another machine than the best?",
    ["hardly any: 500 coins are plenty", "about one in ten", "about half of them"],
)


# %% tags=["experiment"]
def play_machines(choose):
    """Which machine each player played at each coin, (players, coins), and what they believe in the end."""
    torch.manual_seed(3)
    beliefs, actions = Beliefs(), []
    for _ in range(COINS):
        action = choose(beliefs)
        beliefs.learn(action, MEANS[action] + torch.randn(PLAYERS))
        actions.append(action)
    return torch.stack(actions, dim=1), beliefs


played = {name: play_machines(choose) for name, choose in strategies.items()}
machine_regret = {name: (MEANS.max() - MEANS[actions]).cumsum(dim=1) for name, (actions, _) in played.items()}
print(f"{'':12}{'regret':>10}{'in the last 100':>18}{'a twentieth has over':>23}{'not on the best at the end':>30}")
for name, values in machine_regret.items():
    worst = values[:, -1].quantile(0.95).item()
    stuck = (played[name][0][:, -50:].mode(dim=1).values != 2).float().mean().item()
    last = (values[:, -1] - values[:, -101]).mean().item()
    print(f"{name:12}{values[:, -1].mean().item():10.1f}{last:18.1f}{worst:23.1f}{stuck:30.1%}")

# %% tags=["figure"]
guessed("greedy-gets-stuck")

# %% tags=["figure"]
stuck_player = int((played["greedy"][0][:, 50:] == 2).sum(dim=1).argmin())
show(
    figures.pulls(
        {name: actions[stuck_player] for name, (actions, _) in played.items()},
        {
            name: (beliefs.mean[stuck_player], beliefs.precision[stuck_player].rsqrt())
            for name, (_, beliefs) in played.items()
        },
        MEANS.tolist(),
    ),
    alt="One player by three strategies. Greedy plays the worst machine 500 times; its belief about the others is as"
    " broad as at the start. ε-greedy finds the best machine after a while, and plays the others now and then to the"
    " end. Thompson tries all three, soon plays the best most of the time, and the others ever more seldom.",
    caption="Left: which machine was played when. Right: beliefs at the end, all drawn equally high; dashed: the true"
    " means. In greedy's row those about machines 1 and 2 are both the prior, one upon the other. The player is the"
    " greedy one that played the best machine least.",
)

# %% tags=["figure"]
show(
    figures.regret(machine_regret, "regret"),
    alt="Regret over 500 coins. Greedy's mean rises in a straight line and ends highest; its players end anywhere from"
    " 0 to 250. ε-greedy's rises more slowly, Thompson's bends and ends lowest, with the least spread.",
    caption="A step is a coin. Right: a dot for each player, from the luckiest to the unluckiest; black: the mean.",
)

# %% tags=["claim"]
stuck = {name: (actions[:, -50:].mode(dim=1).values != 2).float().mean() for name, (actions, _) in played.items()}
assert 0.42 < stuck["greedy"] < 0.55
assert 0.03 < stuck["ε-greedy"] < 0.12
assert stuck["Thompson"] < 0.02
ends = {name: values[:, -1].mean() for name, values in machine_regret.items()}
assert 24 < ends["Thompson"] < 32 < 37 < ends["ε-greedy"] < 50 < 80 < ends["greedy"]
halves = {name: (values[:, 249].mean(), values[:, -1].mean()) for name, values in machine_regret.items()}
assert all(halves[name][1] > 1.9 * halves[name][0] for name in ("greedy",))
last = {name: (values[:, -1] - values[:, -101]).mean() for name, values in machine_regret.items()}
assert 1.5 < last["Thompson"] < 2.5 < 4.5 < last["ε-greedy"] < 5.5 < 16 < last["greedy"] < 18
assert halves["Thompson"][1] < 1.5 * halves["Thompson"][0]
assert (played["greedy"][0][stuck_player] != 2).float().mean() > 0.9

# %% [markdown]
# **Greedy gets stuck.** The third option was right: about half of the players end on a machine that isn't the best. The
# picture shows how. All three machines look alike at first, and `argmax` takes the first among equals, so every greedy
# player begins with machine 0. Here it pays a little more than 0 at first, by luck; what one hasn't tried is believed
# to pay 0; so it never seems worth trying. The belief about the best machine is still the prior, as broad as at the
# start. No coin will ever change that: *greedy throws away its doubt.*
#
# **ε-greedy** doesn't get stuck for ever. But it goes on trying for ever, too, the worst machine as often as the second
# best, and pays for it to the end: 5 in the last hundred coins, against 2 for Thompson and 17 for greedy.
#
# **Thompson sampling** tries what may be the best, as often as it may be. Its trials thin out by themselves, its curve
# bends, and hardly anybody ends on a wrong machine. Look at its beliefs at the end: narrow for the best machine,
# broader for the others. It hasn't measured these well, and needn't: it knows enough to leave them alone.
#
# Here is where Thompson sampling is at home: few actions, rewards full of noise, *and a posterior that is right*.

# %% [markdown]
# **Change this, predict, run.** A greedy player believes of each untried machine that it pays 0 on average. Let it be
# an optimist: set `optimism` to 2, and guess how many now end on a wrong machine. And with 20?

# %% tags=["experiment"]
optimism = 0.0


def play_as_optimist(optimism):
    """The share of greedy players that end on a wrong machine, and their mean regret."""
    torch.manual_seed(3)
    beliefs, regret, action = Beliefs(), 0.0, None
    beliefs.mean += optimism
    for _ in range(COINS):
        action = greedy(beliefs)
        beliefs.learn(action, MEANS[action] + torch.randn(PLAYERS))
        regret += (MEANS.max() - MEANS[action]).mean().item()
    return (action != 2).float().mean().item(), regret


wrong, regret = play_as_optimist(optimism)
print(f"optimism {optimism}: {wrong:.1%} end on a wrong machine; regret {regret:.1f}")

# %% tags=["claim"]
assert 0.09 < play_as_optimist(2.0)[0] < 0.15
wrong, regret = play_as_optimist(5.0)
assert 0.015 < wrong < 0.045
assert 16 < regret < 20
assert 24 < play_as_optimist(2.0)[1] < 28
wrong, regret = play_as_optimist(20.0)
assert 0.03 < wrong < 0.05
assert 36 < regret < 42

# %% [markdown]
# <details><summary>What comes out</summary>
#
# With 2 about one in nine ends on a wrong machine, with 5 about one in forty, with 20 about one in twenty-five. The
# optimist tries each machine until it has disappointed him. His regret is 26 with 2 and 18 with 5, less than Thompson's
# 28; with 20 all machines must be tried so often that it is 39. So a good number helps, and it takes some knowledge of
# the rewards to choose it. (Thompson sampling needs a number as well: how broad the prior is.) And an optimist who is
# stuck stays stuck, while Thompson's doubt never dies out quite.
#
# </details>

# %% [markdown]
# ## A game made of real data
#
# Blundell et al. made a game of a book of mushrooms [6, section 5.3]: from what one sees of a mushroom, eat it or leave
# it. We do the same with 569 tumours, of each of which 30 measurements are known, and whether it was *benign* or
# *malignant* [7]. (It is a game. Nobody should treat patients like this.) Each step shows one; there are two actions.
#
# - **Leave it**: the reward is 0, whichever kind it is, so one doesn't learn which it was.
# - **Take it**: a good one (benign) pays 5. A bad one pays −35 or 5, each with a chance of ½, so −15 on average.
#
# Somebody who knows which is which takes the good ones and leaves the bad. Regret is measured from there. Never taking
# any costs a regret of 5 for each good one.
#
# The network has 30 inputs, 30 hidden units and 2 outputs, the expected rewards of *leave* and *take*. After each step
# it is trained a little on what has been seen so far, with the loss of lesson 04: minus the Gaussian log-probability of
# the reward *of the action that was taken*, and the KL. (For a plain network the KL is left out.) Four strategies:
#
# - **Thompson**: a Bayesian network, and your `thompson_action`.
# - **average**: a Bayesian network of the same kind, which acts on the average of ten draws.
# - **greedy**: a plain network. Here `thompson_action` draws nothing, since there is nothing to be drawn.
# - **ε-greedy**: a plain network, but one step in twenty takes any action.
#
# (*average* acts greedily, too: it takes what looks best on average, and tries nothing out. *greedy* is the name of the
# plain network alone.)
#
# Each plays 16 times, and each time with another order of the tumours and other luck; these are the same for all four.
# The next cell plays all 16 at once. You needn't read it to go on: it takes an action, gets the reward, learns a
# little, 500 times.


# %% tags=["experiment"]
def average_action(model, contexts):
    return predict(model, contexts, num_samples=10)[0].argmax(dim=1)


def epsilon_greedy_action(model, contexts):
    best = thompson_action(model, contexts)
    explores = torch.rand(len(best)) < 0.05
    return torch.where(explores, torch.randint(NUM_ACTIONS, best.shape), best)


def play(name, game, choose, bayesian, runs, steps, updates, noise_std, record=None):
    """Play a game `runs` times at once, with a network for each run. Returns actions and regret: (runs, steps)."""
    contexts, expected, reward_of = game
    order = torch.stack([torch.randperm(len(contexts), generator=seeded(run))[:steps] for run in range(runs)])
    torch.manual_seed(4 + SEED)
    players = Networks(runs, [contexts.shape[1], 30, expected.shape[1]], bayesian)
    optimizer = torch.optim.Adam(players.parameters(), lr=0.005, fused=True)
    luck = torch.stack([torch.rand(steps, generator=seeded(100 + run)) for run in range(runs)])
    actions, rewards = torch.zeros(runs, steps, dtype=torch.long), torch.zeros(runs, steps)
    each = torch.arange(runs)[:, None]

    def model(contexts):  # (runs, D), a context for each run, to (runs, R)
        return players(contexts[:, None])[:, 0]

    for step in tqdm(range(steps), desc=name, file=sys.stdout, mininterval=0.5):
        rows = order[:, step]
        actions[:, step] = choose(model, contexts[rows])
        rewards[:, step] = reward_of(expected[rows, actions[:, step]], luck[:, step])
        for _ in range(updates):  # learn from a batch of what has been seen
            seen = step + 1
            batch = torch.randint(seen, (runs, min(seen, 64)))
            predictions = players(contexts[order[each, batch]])
            taken = predictions.gather(2, actions[each, batch][..., None])[..., 0]
            log_likelihood = gaussian_log_prob(rewards[each, batch], taken, noise_std).sum()
            loss = -log_likelihood / batch.shape[1] + players.kl_divergence() / seen
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if record:
            record(step, model)
    regret = expected[order].amax(dim=2) - expected[order].gather(2, actions[..., None])[..., 0]
    return order, actions, regret.cumsum(dim=1)


def seeded(number):
    return torch.Generator().manual_seed(1000 * SEED + number)


SEED = 0

# %% [markdown]
# The loss is that of lesson 04, divided by the number of examples seen so far. That is the same trade-off and the same
# minimum, and its size doesn't grow from step to step. The rewards are given to the networks in units of 10, so that
# they are of the size of 1. `noise_std` is the standard deviation that we suppose a reward to have around its mean. It
# says how much a reward weighs against the KL: the larger it is, the less.

# %% tags=["experiment"]
NUM_ACTIONS, LEAVE, TAKE = 2, 0, 1
tumours = datasets.breast_cancer()
good = tumours.y == 1
x_tumours = datasets.Standardizer.of(tumours.x)(tumours.x)
pays = torch.stack([torch.zeros(len(good)), torch.where(good, 0.5, -1.5)], dim=1)


def with_luck(expected, luck):
    """A bad one, −1.5 on average, pays 0.5 or −3.5."""
    return torch.where(expected < 0, torch.where(luck < 0.5, 0.5, -3.5), expected)


players_of = {
    "Thompson": (thompson_action, True),
    "average": (average_action, True),
    "greedy": (thompson_action, False),
    "ε-greedy": (epsilon_greedy_action, False),
}

# %% tags=["figure"]
guess(
    "who-takes-the-right-ones",
    "500 tumours, 16 runs. Whose regret is smallest, on average?",
    ["Thompson's, clearly", "greedy's, clearly", "no strategy is clearly ahead of the others"],
)

# %% tags=["experiment"]
spots = torch.cat([good.nonzero()[:10, 0], (~good).nonzero()[:10, 0]])  # ten good ones and ten bad ones
spreads = []


def record_doubt(step, model):
    """The spread of the predicted reward for taking each of the twenty: (runs, 20)."""
    if step % 25 == 0:
        stds = [predict(model, x_tumours[spot].expand(16, -1), 20)[1][:, TAKE] for spot in spots]
        spreads.append(torch.stack(stds, dim=1))


settings = {"runs": 16, "steps": 500, "updates": 1, "noise_std": 0.5}
game = (x_tumours, pays, with_luck)
tumour_runs = {
    name: play(name, game, choose, bayesian, record=record_doubt if name == "Thompson" else None, **settings)
    for name, (choose, bayesian) in players_of.items()
}
tumour_regret = {name: 10 * regret for name, (_, _, regret) in tumour_runs.items()}
order = tumour_runs["Thompson"][0]
fixed = {"always leave": 5 * good[order].sum(dim=1).float(), "always take": 15 * (~good[order]).sum(dim=1).float()}

print(f"\n{'regret after 500 steps':24}{'mean':>8}{'std':>8}{'best run':>10}{'worst run':>11}")
for name, ends in {**{name: curve[:, -1] for name, curve in tumour_regret.items()}, **fixed}.items():
    print(f"{name:24}{ends.mean():8.0f}{ends.std():8.0f}{ends.min():10.0f}{ends.max():11.0f}")


def difference(first, second):
    """Of their regrets at the end, run by run: the mean and its standard error."""
    differences = tumour_regret[first][:, -1] - tumour_regret[second][:, -1]
    return differences.mean().item(), (differences.std() / math.sqrt(len(differences))).item()


print("\ndifference, run by run: mean ± standard error")
for second, first in combinations(tumour_regret, 2):
    mean, error = difference(first, second)
    print(f"{first + ' − ' + second:24}{mean:8.0f} ± {error:.0f}")

# %% tags=["figure"]
guessed("who-takes-the-right-ones")

# %% tags=["figure"]
show(
    figures.regret(tumour_regret, "regret [units of reward]"),
    alt="Regret over 500 tumours. All four curves rise steeply at first and then more slowly, nearly straight."
    " ε-greedy's ends highest. The runs of each strategy lie far apart; each has a few runs far above its mean.",
    caption="Right: a dot for each of 16 runs; black: the mean.",
)

# %% tags=["claim"]
ends = {name: curve[:, -1] for name, curve in tumour_regret.items()}
assert all(values.mean() < 0.7 * fixed["always leave"].mean() for values in ends.values())
for second, first in combinations(("Thompson", "average", "greedy"), 2):
    assert abs(difference(first, second)[0]) < 2 * difference(first, second)[1]
for name in ("Thompson", "average", "greedy"):
    assert difference("ε-greedy", name)[0] > 2.2 * difference("ε-greedy", name)[1]
assert ends["average"].mean() < ends["Thompson"].mean() + 60
assert ends["ε-greedy"].mean() > ends["average"].mean()

# %% [markdown]
# The third option was right. All four are far better than to leave or to take everything, and there is a last one, but
# no first. Since all strategies meet the same tumours and the same luck, they can be compared run by run. The
# *standard error* is the standard deviation of these 16 differences, divided by $\sqrt{16}$: about how far their mean
# may be off by chance. ε-greedy is behind each of the others by more than twice that. Between the other three nothing
# stands out.
#
# We repeated all of it with four other seeds (`SEED` in the cell that defines `play`; set it to 1, 2, 3 or 4, and run
# from there). Greedy's regret minus Thompson's came out between −44 and 48, each time less than its own standard error.
# What did hold in all five: *average* was never behind Thompson, and ε-greedy was always the last. About 25 of its 500
# steps are blind tries. Nearly one in five of them takes a bad one, for 15, and nearly one in three leaves a good one,
# for 5: that makes about 110, more than half of what it is behind greedy.
#
# So here the Bayesian network does no harm, and the one draw brings nothing that averaging its draws doesn't bring,
# too. Why does greedy not get stuck here, as on the machines? **Look inside**: how many of the good ones and of the bad
# ones are taken, as time goes by? And what becomes of the doubt? For ten good and ten bad tumours we have recorded how
# far the predicted rewards for taking them lie apart under 20 draws.

# %% tags=["experiment"]
BLOCK = 50


def shares_taken(order, actions):
    """Of the good and of the bad ones in each block of steps, how many were taken: (runs, blocks) each."""
    is_good, was_taken = (part.view(len(order), -1, BLOCK).float() for part in (good[order], actions == TAKE))
    of_good = (was_taken * is_good).sum(dim=2) / is_good.sum(dim=2)
    return of_good, (was_taken * (1 - is_good)).sum(dim=2) / (1 - is_good).sum(dim=2)


shares = {name: shares_taken(*tumour_runs[name][:2]) for name in ("Thompson", "greedy", "ε-greedy")}
print(f"{'taken':26}{'first 50 steps':>16}{'last 50 steps':>16}{'lowest run, last 50':>22}")
for name, parts in shares.items():
    for kind, part in zip(("good", "bad"), parts, strict=True):
        print(f"{name + ', ' + kind:26}{part[:, 0].mean():16.0%}{part[:, -1].mean():16.0%}{part[:, -1].min():22.0%}")
doubts = torch.stack(spreads, dim=2)  # (runs, 20, times)
print(f"\n{'std of the predicted reward':28}{'first step':>12}{'step 475':>10}{'length of the input':>22}")
for kind, part in {"ten good ones": slice(0, 10), "ten bad ones": slice(10, 20)}.items():
    length = x_tumours[spots[part]].norm(dim=1).mean()
    print(f"{kind:28}{doubts[:, part, 0].mean():12.2f}{doubts[:, part, -1].mean():10.2f}{length:22.1f}")
print(f"\n{'regret':24}{'steps 101 to 200':>18}{'401 to 500':>12}")
for name, curve in tumour_regret.items():
    print(f"{name:24}{(curve[:, 199] - curve[:, 99]).mean():18.0f}{(curve[:, 499] - curve[:, 399]).mean():12.0f}")

# %% tags=["figure"]
show(
    figures.taken(shares, BLOCK),
    alt="Share of good and of bad tumours taken over 500 steps, for Thompson, greedy and ε-greedy, a thin line per run."
    " The good ones' mean rises to about 80 % and stays there, the bad ones' falls to about 5 %. One greedy run takes"
    " hardly any good ones in the end.",
)

# %% tags=["figure"]
show(
    figures.doubt({"good ones": doubts[:, :10].mean(dim=1), "bad ones": doubts[:, 10:].mean(dim=1)}, every=25),
    alt="The standard deviation of the predicted reward for taking, over 500 steps, for ten good and ten bad tumours."
    " For the good ones it is small and falls a little; for the bad ones it is twice as large and rises.",
    caption="Thompson's networks. Thin: each run. In units of 10 rewards.",
)

# %% tags=["claim"]
for of_good, of_bad in shares.values():
    assert of_good[:, 2:4].mean() > 0.6
    assert of_bad[:, 2:4].mean() < 0.25
    assert of_good[:, -1].mean() > of_bad[:, -1].mean() + 0.5
assert shares["greedy"][0][:, -1].min() < 0.7
assert all(0.7 < shares[name][0][:, -1].mean() < 0.9 and shares[name][1][:, -1].mean() < 0.1 for name in shares)
assert doubts[:, 10:, 0].mean() > 1.5 * doubts[:, :10, 0].mean()
assert x_tumours[spots[10:]].norm(dim=1).mean() > 1.5 * x_tumours[spots[:10]].norm(dim=1).mean()
for curve in tumour_regret.values():
    assert (curve[:, 499] - curve[:, 399]).mean() > 0.6 * (curve[:, 199] - curve[:, 99]).mean()
assert doubts[:, :10, -1].mean() < doubts[:, :10, 0].mean()
assert doubts[:, 10:, -1].mean() > doubts[:, 10:, 0].mean()
assert doubts[:, 10:, -1].mean() > 1.5 * doubts[:, :10, -1].mean()

# %% [markdown]
# **The contexts do the exploring.** No two tumours are alike. A greedy network that takes only what looks good still
# takes something else each time, and what it learns from one carries over to others. After the first 50 or 100 steps
# all three take most of the good ones and few of the bad ones. It is known that greedy may do well where contexts vary
# enough [9]; on the machines nothing varied.
#
# Most, not all: at the end about one good one in five is still refused, and a few bad ones are taken. So the regret
# goes on growing, by nearly as much in the last hundred steps as in the second hundred. Why these good ones aren't
# found we haven't taken apart.
#
# And a run of greedy can get stuck. Look in its panel for the one thin blue line that ends at the bottom, among the
# reddish ones: there a network leaves nearly everything, and so learns hardly anything more. Thompson isn't safe from
# it either: with another seed the worst run of all was one of its own.
#
# **And the doubt?** It is larger about the bad ones from the very first step, when hardly anything has been learnt:
# their 30 numbers are larger, and the same spread of the weights makes a larger spread of the output. About the good
# ones it then falls a little; about the bad ones it grows. They are hardly taken any more, so little is measured there.
# What widens it we haven't taken apart.
#
# On the machines the beliefs were exact, and narrowed with each coin just as they should. Here they are independent
# Gaussians, which started at a width that *we* chose (log_std −3) and have had 500 small steps to become something
# else. And they were told a noise that is wrong: 0.5 for every reward, while a good tumour's has none and a bad one's
# has a standard deviation of 2. The draw is only as good as all that. When we chose the settings, one detail mattered
# much: without the division of the loss by the number of examples, Thompson's regret was 738 in place of 574, in trials
# of 8 runs.

# %% [markdown]
# ## Ten actions
#
# The digits once more, as a game: say which of the ten it is. The right one pays 1, a wrong one 0, and nobody says what
# would have been right. 500 digits, 8 runs.

# %% tags=["figure"]
guess(
    "ten-actions",
    "Ten actions, 500 digits. How does Thompson's mean regret compare with ε-greedy's?",
    ["smaller by a quarter or more", "within a tenth of it", "larger by a quarter or more"],
)

# %% tags=["experiment"]
NUM_ACTIONS = 10
digits = datasets.digits()
game = (pixels(digits.x), F.one_hot(digits.y, 10).float(), lambda expected, luck: expected)
settings = {"runs": 8, "steps": 500, "updates": 2, "noise_std": 0.3}
digit_regret = {name: play(name, game, *players_of[name], **settings)[2] for name in ("Thompson", "greedy", "ε-greedy")}
print(f"\n{'regret after 500 steps':24}{'mean':>8}{'std':>8}{'best run':>10}{'worst run':>11}")
for name, ends in {name: curve[:, -1] for name, curve in digit_regret.items()}.items():
    print(f"{name:24}{ends.mean():8.0f}{ends.std():8.0f}{ends.min():10.0f}{ends.max():11.0f}")
print(f"{'any one digit, always':24}{450:8}")
NUM_ACTIONS = 2

# %% tags=["figure"]
guessed("ten-actions")

# %% tags=["figure"]
show(
    figures.regret(digit_regret, "regret [digits]"),
    alt="Regret over 500 digits. The three mean curves nearly coincide, and the runs of each strategy end further apart"
    " than the means.",
    caption="Right: a dot for each of 8 runs; black: the mean.",
)

# %% tags=["claim"]
ends = {name: curve[:, -1] for name, curve in digit_regret.items()}
assert all(220 < values.mean() < 340 for values in ends.values())
assert ends["ε-greedy"].mean() < ends["Thompson"].mean() + 20
assert 0.9 < ends["Thompson"].mean() / ends["ε-greedy"].mean() < 1.1
assert (ends["greedy"].mean() - ends["Thompson"].mean()).abs() < 50

# %% [markdown]
# The second option was right: they lie within a tenth of one another. All three learn, about equally fast, and the
# spread of the runs is larger than what lies between their means. In five repetitions with the seeds 0 to 4, ε-greedy's
# mean was below Thompson's in all five, by 8 to 23 digits of 500. With eight runs each, no single one of these
# differences is certain. That it is five out of five says more. A blind try costs at most one digit here, and a network
# without noise in its weights may learn a little faster.
#
# What should one take from three games?
#
# | Task | three machines | tumours | digits |
# |---|---|---|---|
# | the posterior | exact | independent Gaussians | independent Gaussians |
# | contexts | none | no two alike | no two alike |
# | the price of a blind try | small | high | small |
# | Thompson against greedy | far ahead | equal | equal |
# | Thompson against ε-greedy | ahead | ahead | a little behind |
#
# Thompson sampling needs doubt that can be believed, and a world in which it pays to be doubtful. Where the contexts
# explore by themselves, start with greedy, and measure.

# %% [markdown]
# ## What goes wrong in practice
#
# **1. Trusting a threshold found elsewhere.** On turned digits plain networks stood by their confidence and were wrong
# one time in five. Test with data that are *not* like those of training, before you let a network decide when to ask.
#
# **2. Averaging the draws of Thompson sampling.** To *predict*, one averages (lesson 04). But an average tries nothing
# out. On the three machines it is greedy, and gets stuck. (Among the tumours it did as well as Thompson: there the
# contexts did the exploring.) Here it is for the two offers of the guess, umbrellas and ice cream:

# %% tags=["experiment"]
with torch.random.fork_rng():
    torch.manual_seed(0)
    promised = torch.stack([two_offers(torch.zeros(1, 1)) for _ in range(100)]).mean(dim=0)
print(f"averages of 100 draws: {promised[0, 0]:.2f} and {promised[0, 1]:.2f}. The first is taken, every time.")

# %% tags=["claim"]
assert promised[0, 0] > promised[0, 1] + 0.1

# %% [markdown]
# **3. A fresh draw for each action.** Then what two actions have in common, which should cancel when they are compared,
# is noise. One call, all actions.
#
# **4. A posterior that can't be trusted.** Thompson sampling believes the doubt that it is given. Doubt that is too
# small, and it's greedy; doubt that stays too large, and it explores for ever. Independent Gaussians for weights,
# trained for a few steps after each reward, can be either. In a comparison on many data sets [8] Bayes by Backprop was
# among the weaker choices, and simple ones did well, such as an exact posterior for the last layer alone.
#
# **5. Judging a strategy by one run.** Runs of one strategy differ by more than the means of two. Take many, with the
# same data and the same luck for each strategy, and put the standard error beside each difference. Our 16 runs of
# tumours and 8 of digits show large differences, and can't settle small ones.

# %% [markdown]
# ## Questions to think about
#
# **1.** A hospital leaves the 20 % of the images of which its network is least sure to a radiologist. A new scanner
# arrives, and all its images are harder. What happens to the coverage, and to the error, if the rule is (a) “the least
# sure 20 %” and (b) “confidence below 0.9”?
#
# <details><summary>Answer</summary>
#
# (a) The coverage stays, by definition, and the error rises unnoticed: the order may be as good as before, and the
# surest 80 % of harder images hold more errors. (b) If the confidence is true, the coverage falls, the radiologist
# gets more work, and the error of what is answered stays below a tenth. If it isn't, as with our plain networks, the
# coverage falls far too little and the error rises: above 0.9 our networks still answered 84 % with half of the
# digits turned, after 95 %, and were wrong in 18 % of these.
#
# </details>
#
# **2.** Can the selective error be larger at a coverage of 0.5 than at 1?
#
# <details><summary>Answer</summary>
#
# Yes: when the network is surer of its wrong answers than of its right ones. Turn the sign of a good confidence and
# you have it. Then the surest half holds more than half of the errors.
#
# </details>
#
# **3.** A network has two actions. Of action 0 it knows that it pays 0.5; of action 1 it believes $\mathcal N(0, 1)$.
# How often does Thompson sampling try action 1? And after it has been tried, and the belief is
# $\mathcal N(-1, 0.25)$?
#
# <details><summary>Answer</summary>
#
# As often as a draw of $\mathcal N(0, 1)$ exceeds 0.5: in 31 of 100 steps. Afterwards the standard deviation is 0.5,
# and a draw must lie three of them above its mean: about once in 740 steps. It is never quite given up, and it costs
# hardly anything.
#
# </details>

# %% tags=["experiment"]
chances = []
for mean, std in [(0.0, 1.0), (-1.0, 0.5)]:
    draws = torch.distributions.Normal(torch.tensor(mean, dtype=torch.float64), std)
    chances.append(1 - draws.cdf(torch.tensor(0.5, dtype=torch.float64)).item())
    print(f"a draw of N({mean}, {std}²) exceeds 0.5 with a chance of {chances[-1]:.2%}", end=": ")
    print(f"once in {1 / chances[-1]:.0f} steps")

# %% tags=["claim"]
assert round(100 * chances[0]) == 31
assert round(1 / chances[1], -1) == 740

# %% [markdown]
# ## Where this comes from
#
# 1. R. El-Yaniv, Y. Wiener: *On the Foundations of Noise-free Selective Classification*, Journal of Machine Learning
#    Research 11, 2010.
# 2. Y. Geifman, R. El-Yaniv: *Selective Classification for Deep Neural Networks*, NeurIPS 2017. Section 2: coverage and
#    selective risk.
# 3. E. Alpaydin, C. Kaynak: *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository, 1998, CC BY
#    4.0, as it ships in scikit-learn.
# 4. C. K. Chow: *On Optimum Recognition Error and Reject Tradeoff*, IEEE Transactions on Information Theory 16, 1970.
# 5. W. R. Thompson: *On the Likelihood that One Unknown Probability Exceeds Another in View of the Evidence of Two
#    Samples*, Biometrika 25, 1933.
# 6. C. Blundell, J. Cornebise, K. Kavukcuoglu, D. Wierstra: *Weight Uncertainty in Neural Networks*, ICML 2015. Section
#    4: contextual bandits and Thompson sampling. Section 5.3: the mushrooms.
# 7. W. Wolberg, O. Mangasarian, N. Street, W. Street: *Breast Cancer Wisconsin (Diagnostic)*, UCI Machine Learning
#    Repository, 1995, CC BY 4.0, as it ships in scikit-learn.
# 8. C. Riquelme, G. Tucker, J. Snoek: *Deep Bayesian Bandits Showdown*, ICLR 2018.
# 9. H. Bastani, M. Bayati, K. Khosravi: *Mostly Exploration-Free Algorithms for Contextual Bandits*, Management Science
#    67(3), 2021.
#
# **Next:** [lesson 09](09_how_wrong_is_it.ipynb) puts the gold standard beside the cheap posterior, and asks how much
# of the doubt it misses.

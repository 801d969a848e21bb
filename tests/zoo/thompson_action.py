"""Right solutions of lesson 08's exercise `thompson_action`, and wrong ones that no formula says."""

from __future__ import annotations

from functools import partial

from zoo import Wrong, replaced

EXERCISE = "thompson_action"

BASE = '''
import random
import torch


def thompson_action(model, contexts):
    """For each context the action that is best under one draw of the model's weights.

    model: model(contexts) draws all weights once and gives the expected reward of each action, (B, R).
    contexts: what the model takes, B of them.
    Returns: (B,), int64, the number of an action for each context.
    """
    with torch.no_grad():
        rewards = model(contexts)
    return rewards.argmax(dim=1)
'''

RIGHT: dict[str, str] = {
    "as the lesson writes it": BASE,
    "max, with gradients": """
def thompson_action(model, contexts):
    values, actions = model(contexts).max(-1)
    return actions
""",
    "sorted": """
import torch


@torch.no_grad()
def thompson_action(network, x):
    return torch.argsort(network.forward(x), dim=-1, descending=True)[:, 0]
""",
    "row by row, of one draw": """
import torch


def thompson_action(model, contexts):
    rewards = model(contexts).tolist()
    best = [max(range(len(row)), key=row.__getitem__) for row in rewards]
    return torch.tensor(best)
""",
    "NumPy": """
import torch


def thompson_action(model, contexts):
    return torch.from_numpy(model(contexts).detach().numpy().argmax(axis=1))
""",
    "softmax first": """
import torch


def thompson_action(model, contexts):
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        chance = torch.log_softmax(model(contexts), dim=1)
    model.train(was_training)
    return chance.topk(1, dim=1).indices.squeeze(1).clone()
""",
    "predict with a single draw": """
import torch
from bnn_core import predict


def thompson_action(model, contexts):
    mean, _ = predict(model, contexts, num_samples=1)
    return torch.argmax(mean, dim=1)
""",
    "a copy of the model": """
import copy


def thompson_action(model, contexts):
    return copy.deepcopy(model)(contexts).argmax(1)
""",
}

ONCE = "it calls the model once, with all contexts as they are"
SHAPE = "it returns the number of an action for each context, (B,)"
KEPT = "contexts stay as they were"
BEST = "it is the action with the largest reward in that draw"
INT64 = "they are int64, as an index is"
EVERY = "it does so in every call, each a new draw"
CLOSE = "rewards that are nearly equal are told apart"
SEED = "each draw is left to chance: it doesn't seed"
LEFT = "the model is left as it was, in its mode and with its parameters"

changed = partial(replaced, BASE)

WITH, CALL, RETURN = "with torch.no_grad():", "model(contexts)", "return rewards.argmax(dim=1)"
REWARDS = f"rewards = {CALL}"


def of_draws(combine: str, count: str = "10") -> str:
    """Several draws, put together so."""
    return changed(
        (CALL, f"torch.stack([model(contexts) for _ in range({count})])"), ("rewards.argmax(dim=1)", combine)
    )


ACTIONS = "model(contexts).shape[1]"

WRONG: list[Wrong] = [
    Wrong("never calls it", changed((CALL, "model.output_0")), ONCE, "model-not-called"),
    Wrong("averages ten draws", of_draws("rewards.mean(dim=0).argmax(dim=1)"), ONCE, "draws-averaged"),
    Wrong(
        "clamps the contexts in place",
        changed((CALL, "model(contexts.clamp_(-0.5, 0.5))")),
        ONCE,
        "arguments-modified",
    ),
    Wrong(
        "asks for the first context alone",
        changed((CALL, "model(contexts[:1]).expand(len(contexts), -1)")),
        ONCE,
        "model-given-other-input",
    ),
    Wrong("gives a batch of batches", changed((CALL, "model(contexts[None])[0]")), ONCE, "model-given-other-input"),
    Wrong(
        "compares two actions",
        changed((RETURN, "return (rewards[:, 1] > rewards[:, 0]).long()")),
        ONCE,
        "number-of-actions-fixed",
    ),
    Wrong("squeezes", changed((RETURN, f"{RETURN}.squeeze()")), SHAPE, "dimension-dropped"),
    Wrong("averages two draws", of_draws("rewards.mean(dim=0).argmax(dim=1)", "2"), ONCE, "draws-averaged"),
    Wrong("adds up a hundred draws", of_draws("rewards.sum(dim=0).argmax(dim=1)", "100"), ONCE, "draws-averaged"),
    Wrong(
        "predicts, and takes the mean",
        changed(
            ("import random", "from bnn_core import predict"),
            (CALL, "predict(model, contexts, num_samples=20)[0]"),
        ),
        ONCE,
        "draws-averaged",
    ),
    Wrong("the median of draws", of_draws("rewards.median(dim=0).values.argmax(dim=1)", "21"), ONCE, "draws-averaged"),
    Wrong("a vote of draws", of_draws("rewards.argmax(dim=2).mode(dim=0).values", "25"), ONCE, "draws-voted"),
    Wrong("the best of all draws", of_draws("rewards.max(dim=0).values.argmax(dim=1)"), ONCE, "best-of-all-draws"),
    Wrong(
        "mean plus two stds",
        of_draws("(rewards.mean(dim=0) + 2 * rewards.std(dim=0)).argmax(dim=1)"),
        ONCE,
        "upper-confidence-bound",
    ),
    Wrong("the least sure", of_draws("rewards.std(dim=0).argmax(dim=1)"), ONCE, "most-doubtful-action"),
    Wrong(
        "a draw for each action",
        changed((CALL, "torch.stack([model(contexts)[:, a] for a in range(model.output_0.shape[1])], dim=1)")),
        ONCE,
        "draw-for-each-action",
    ),
    Wrong(
        "a draw for each context",
        changed((CALL, "torch.stack([model(contexts)[b] for b in range(len(contexts))])")),
        ONCE,
        "draw-for-each-context",
    ),
    Wrong(
        "context by context",
        changed((CALL, "torch.cat([model(context[None])[:1] for context in contexts])")),
        ONCE,
        "draw-for-each-context",
    ),
    Wrong("tries it first", changed((WITH, f"model(contexts)\n    {WITH}")), ONCE, "draws-miscounted"),
    Wrong(
        "normal draws from mean and std",
        of_draws("torch.normal(rewards.mean(dim=0), rewards.std(dim=0)).argmax(dim=1)"),
        ONCE,
        "draws-miscounted",
    ),
    Wrong(
        "standardises",
        changed((CALL, "model((contexts - contexts.mean()) / contexts.std())")),
        ONCE,
        "model-given-other-input",
    ),
    Wrong("no contexts", changed((CALL, "model()")), ONCE, "model-given-other-input"),
    Wrong("forgets to return", changed((RETURN, RETURN[7:])), SHAPE, "missing-return"),
    Wrong("returns both", changed((RETURN, "return rewards.max(dim=1)")), SHAPE, "not-a-tensor"),
    Wrong("a number", changed((RETURN, "return rewards.argmax().item()")), SHAPE, "not-a-tensor"),
    Wrong("a list", changed((RETURN, f"{RETURN}.tolist()")), SHAPE, "not-a-tensor"),
    Wrong(
        "one-hot",
        changed((RETURN, "return torch.nn.functional.one_hot(rewards.argmax(dim=1), rewards.shape[1])")),
        SHAPE,
        "rewards-for-actions",
    ),
    Wrong(
        "centres the contexts in place",
        changed((RETURN, f"contexts -= contexts.mean()\n    {RETURN}")),
        KEPT,
        "arguments-modified",
    ),
    Wrong(
        "softmax, and draws from it",
        changed((RETURN, "return torch.multinomial(rewards.softmax(dim=1), 1)[:, 0]")),
        BEST,
        "explores-besides",
    ),
    Wrong(
        "any action",
        changed((RETURN, "return torch.randint(rewards.shape[1], (len(rewards),))")),
        BEST,
        "explores-besides",
    ),
    Wrong(
        "noise on top",
        changed((RETURN, "return (rewards + 10 * torch.randn_like(rewards)).argmax(dim=1)")),
        BEST,
        "explores-besides",
    ),
    Wrong("rounds", changed((RETURN, "return rewards.round().argmax(dim=1)")), BEST, None),
    Wrong("clamps at 0", changed((RETURN, "return rewards.clamp_min(0).argmax(dim=1)")), BEST, "rewards-cut-off"),
    Wrong("as real numbers", changed((RETURN, f"{RETURN}.float()")), INT64, "not-whole-numbers"),
    Wrong("in 32 bits", changed((RETURN, f"{RETURN}.int()")), INT64, "not-whole-numbers"),
    Wrong(
        "ε-greedy besides",
        changed(
            (
                RETURN,
                f"if random.random() < 0.1:\n        return 0 * rewards.argmax(dim=1)\n    {RETURN}",
            )
        ),
        EVERY,
        "explores-besides",
    ),
    Wrong(
        "stores the first draw",
        changed(
            (
                REWARDS,
                f"{REWARDS}\n    if len(rewards) == 20:\n        rewards = stored.setdefault(20, rewards)",
            ),
            ("def thompson", "stored = {}\n\n\ndef thompson"),
        ),
        EVERY,
        "draw-stored",
    ),
    Wrong(
        "a little noise besides",
        changed((RETURN, "return (rewards + 0.3 * torch.randn_like(rewards)).argmax(dim=1)")),
        BEST,
        "explores-besides",
    ),
    Wrong("seeds first", changed((WITH, f"torch.manual_seed(0)\n    {WITH}")), SEED, "seed-before-the-draw"),
    Wrong("seeds after drawing", changed((RETURN, f"torch.manual_seed(0)\n    {RETURN}")), SEED, "seed-fixed"),
    Wrong("switches to evaluation", changed((WITH, f"model.eval()\n    {WITH}")), LEFT, "mode-changed"),
    Wrong(
        "silences the doubt",
        changed((WITH, f"model.weight_log_std.data.fill_(-30.0)\n    {WITH}")),
        LEFT,
        "parameters-touched",
    ),
    Wrong(
        "a hundred contexts at a time",
        changed(
            (RETURN, "return torch.cat([model(part).argmax(dim=1) for part in contexts.split(100)])"), (REWARDS, "pass")
        ),
        ONCE,
        "draw-for-each-part",
    ),
    Wrong("in half precision", changed((REWARDS, f"{REWARDS}.half()")), CLOSE, "rewards-rounded"),
    Wrong(
        "switches gradients off for good",
        changed((WITH, f"torch.set_grad_enabled(False)\n    {WITH}")),
        ONCE,
        "settings-left-changed",
    ),
    Wrong("freezes the model", changed((WITH, f"model.requires_grad_(False)\n    {WITH}")), LEFT, "parameters-frozen"),
    Wrong(
        "the mean weights, for a while",
        changed(
            (
                REWARDS,
                f"before = model.weight_log_std.clone()\n        model.weight_log_std.fill_(-30.0)\n        {REWARDS}",
            ),
            (RETURN, f"model.weight_log_std.data.copy_(before)\n    {RETURN}"),
        ),
        LEFT,
        "parameters-exchanged",
    ),
]

"""The specification of lesson 08's exercise `thompson_action(model, contexts)`.

The model is a stand-in whose calls give rewards that are known beforehand and differ from call to call: so the right
actions are known exactly, and so are those of an answer that averages, counts or mixes several calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Evidence, Failed
from bnn_core.autograder.exercises.predict import parameters
from bnn_core.autograder.interface import LearnerError, Model, ModelCall
from bnn_core.autograder.judging.formulas import Arguments, Formula
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.judging.manners import require_own_seed, require_unchanged, require_unchanged_model
from bnn_core.autograder.judging.values import close, numbers, resized, shape, tensor_from
from bnn_core.autograder.mistakes import CODE, MODELS, Mistake
from bnn_core.autograder.subject import Reply

DRAWS, MANY_DRAWS = 60, 200
"""How many outputs a model has ready; after the last it begins again."""

SETTINGS: Sequence[tuple[int, int, float, float]] = (
    (5, 3, 0.0, 1.0), (4, 4, -6.0, 1.0), (3, 6, 5.0, 1.0), (1, 4, 0.0, 1.0), (6, 2, 0.0, 0.01), (7, 1, 0.0, 1.0),
    (40, 5, 0.0, 30.0), (2, 2, -0.5, 0.2), (4, 3, 500.0, 200.0), (5, 4, 0.0, 5e4),
)  # fmt: skip
"""Contexts, actions, and the centre and the scale of the rewards: of both signs, all negative, large and small."""


MANY_CONTEXTS = (1000, 2, 0.0, 1.0)


def case(
    evidence: Evidence, setting: tuple[int, int, float, float], training: bool = True, draws: int = DRAWS
) -> Arguments:
    contexts, actions, centre, scale = setting
    outputs = [centre + scale * led(evidence.normal(contexts, actions)) for _ in range(draws)]
    features = 1 if contexts == 7 else 3
    return {"model": Model(outputs, parameters(evidence), training), "contexts": evidence.normal(contexts, features)}


def led(rewards: Tensor) -> Tensor:
    """With the best action of each row a little further ahead, so that rounding makes no two equal."""
    best = rewards.argmax(dim=1, keepdim=True)
    return rewards.scatter_add(1, best, torch.full_like(rewards, 0.05))


def inputs(evidence: Evidence) -> list[Arguments]:
    return [case(evidence, setting, training=number % 2 == 0) for number, setting in enumerate(SETTINGS)]


def outputs_of(model: Any, contexts: Tensor, count: int = 1) -> Tensor:
    """What the first calls give, count × B × R."""
    if isinstance(model, Model):
        return torch.stack(model.outputs[:count])
    with torch.no_grad():
        return torch.stack([model(contexts) for _ in range(count)])


def of_one_draw(action: Callable[[Tensor], Tensor]) -> Formula:
    """What this function makes of the rewards of one call, B × R."""
    return lambda model, contexts: action(outputs_of(model, contexts)[0])


class ActionsExercise(FunctionExercise):
    """An exercise whose values are whole numbers; a check of its own looks at their dtype. Each call gets a model that
    begins with its first draw.
    """

    def called(self, evidence: Evidence, arguments: Arguments) -> Reply:
        return evidence.subject.call(replace(arguments["model"]), arguments["contexts"])

    def value(self, reply: Reply, size: Sequence[int] | None = None, finite: bool = True) -> Tensor:
        if reply.tensor is None:
            return tensor_from(reply, self.name)
        if size is not None and reply.tensor.shape != torch.Size(size):
            message = f"It should have shape {shape(size)}; yours has shape {shape(reply.tensor.shape)}."
            raise Failed(message, resized(reply.tensor.shape, size))
        return reply.tensor.double()


SECTION = "Thompson sampling"

exercise = ActionsExercise(
    "thompson_action", "08_acting_on_uncertainty", 3, inputs, of_one_draw(lambda rewards: rewards.argmax(dim=1))
)

Combination = Callable[[Tensor], Tensor]


def upper_bound(times: float, correction: int) -> Combination:
    def best(draws: Tensor) -> Tensor:
        return (draws.mean(dim=0) + times * draws.std(dim=0, correction=correction)).argmax(dim=1)

    return best


COMBINATIONS: Sequence[tuple[str, Combination]] = (
    ("draws-averaged", lambda draws: draws.mean(dim=0).argmax(dim=1)),
    ("draws-averaged", lambda draws: draws.median(dim=0).values.argmax(dim=1)),
    ("draws-voted", lambda draws: draws.argmax(dim=2).mode(dim=0).values),
    ("best-of-all-draws", lambda draws: draws.amax(dim=0).argmax(dim=1)),
    *(("upper-confidence-bound", upper_bound(times, correction))
      for times in (0.5, 1.0, 1.96, 2.0, 3.0) for correction in (0, 1)),
    ("most-doubtful-action", lambda draws: draws.std(dim=0).argmax(dim=1)),
    ("draw-for-each-action", lambda draws: draws.diagonal(dim1=0, dim2=2).argmax(dim=1)),
    ("draw-for-each-context", lambda draws: draws.diagonal(dim1=0, dim2=1).argmax(dim=0)),
)  # fmt: skip
"""Actions that may be made of several calls, draws × B × R, and the mistake of doing so."""

Called = Sequence[tuple[Tensor, Tensor | None]]
"""For each of several arguments what the calls of the model gave, and what was made of it."""


def what_was_combined(called: Called) -> str:
    """The mistake that explains all of them."""
    for name, combine in COMBINATIONS:
        if all(came is not None and is_made_by(combine, draws, came) for draws, came in called):
            return name
    return "draws-miscounted"


def is_made_by(combine: Combination, draws: Tensor, came: Tensor) -> bool:
    """Whether these actions come of the draws so. A diagonal is one only where there are as many draws as it takes."""
    made = combine(draws)
    return made.shape == came.shape and torch.equal(made.double(), came.double())


@exercise.check("it calls the model once, with all contexts as they are")
def calls_the_model_once(evidence: Evidence) -> None:
    several: list[tuple[Tensor, Tensor | None]] = []
    for arguments in (*inputs(evidence), case(evidence, MANY_CONTEXTS, draws=8)):
        model, contexts = arguments.values()
        try:
            reply = evidence.subject.call(model, contexts)
        except LearnerError:
            require_contexts_in_calls(evidence, arguments)  # which says more, where that is why it raised
            raise
        calls = require_contexts_in_calls(evidence, arguments)
        if not calls:
            raise Failed("", "model-not-called")
        if len(calls) > 1:
            outputs = model.outputs * len(calls)
            several.append((torch.stack(outputs[: len(calls)]), reply.tensor))
    if several:
        counts = sorted({len(draws) for draws, _ in several})
        times = " or ".join(map(str, counts)) if len(counts) < 3 else f"{counts[0]} to {counts[-1]}"
        message = f"Your code calls the model {times} times, and each call draws the weights anew."
        raise Failed(message, what_was_combined(several))


def require_contexts_in_calls(evidence: Evidence, arguments: Arguments) -> Sequence[ModelCall]:
    """The calls of the model, each with all contexts, as they were. Raises Failed."""
    calls = evidence.subject.use_of(arguments["model"]).calls
    for call in calls:
        try:
            require_contexts(call.args, arguments["contexts"], in_parts=len(calls) > 1)
        except Failed:
            require_unchanged(evidence.subject, arguments)  # which says more, where that is why
            raise
    return calls


def require_contexts(given: Sequence[Tensor], contexts: Tensor, in_parts: bool) -> None:
    """The model was called with all contexts. Raises Failed with what it was called with instead.

    in_parts: whether there were several calls.
    """
    if len(given) == 1 and close(given[0], contexts.double()):
        return
    came = f"tensors of shape {', '.join(shape(one.shape) for one in given)}" if given else "no tensor"
    message = f"contexts has shape {shape(contexts.shape)}; the model was called with {came}."
    features = contexts.shape[1]
    if in_parts and len(given) == 1 and given[0].numel() == features and len(contexts) > 1:
        raise Failed(message, "draw-for-each-context")
    if in_parts and len(given) == 1 and given[0].shape[1:] == (features,) and len(given[0]) < len(contexts):
        raise Failed(message, "draw-for-each-part")
    raise Failed(message, "model-given-other-input")


numbers_of_actions = exercise.returns("it returns the number of an action for each context, (B,)", SECTION, [
    Mistake("over-the-contexts", "argmax runs over the contexts: the actions are the last dimension, dim=1.",
            of_one_draw(lambda rewards: rewards.argmax(dim=0))),
    Mistake("over-everything", "There is one number for all contexts: each needs an action of its own. argmax along"
            " dim=1 gives them.", of_one_draw(lambda rewards: rewards.argmax())),
    Mistake("dimension-kept", "The dimension of the actions is still there: leave out keepdim.",
            of_one_draw(lambda rewards: rewards.argmax(dim=1, keepdim=True))),
    Mistake("rewards-for-actions", "There is a number for every action of each context, as the model gives them; asked"
            " for is the number of the best action.", of_one_draw(lambda rewards: rewards)),
])  # fmt: skip
exercise.keeps_arguments("contexts stay as they were")


def spread_out(rewards: Tensor) -> Tensor:
    """The same action for all contexts: the one with the largest sum."""
    return rewards.sum(dim=0).argmax().expand(len(rewards))


best = exercise.equals(
    "it is the action with the largest reward in that draw", SECTION, varying="explores-besides", mistakes=[
    Mistake("worst-action", "You take the action with the smallest reward: argmax, or a sort from high to low.",
            of_one_draw(lambda rewards: rewards.argmin(dim=1))),
    Mistake("reward-for-action", "You return the largest reward; asked for is which action has it: argmax in place of"
            " max or amax.", of_one_draw(lambda rewards: rewards.amax(dim=1))),
    Mistake("sign-of-rewards-lost", "The sign of the rewards is lost: −5 is a bad reward, and no large one.",
            of_one_draw(lambda rewards: rewards.abs().argmax(dim=1))),
    Mistake("rewards-cut-off", "Rewards below 0 are cut off, and no longer told apart: take them as they are.",
            of_one_draw(lambda rewards: rewards.relu().argmax(dim=1))),
    Mistake("one-action-for-all", "All contexts get the same action: what is best may differ from one to the next.",
            of_one_draw(spread_out)),
    Mistake("first-action", "It is always action 0.",
            of_one_draw(lambda rewards: torch.zeros(len(rewards), dtype=torch.long))),
    Mistake("counted-from-one", "Actions are counted from 0: the first of them is 0.",
            of_one_draw(lambda rewards: rewards.argmax(dim=1) + 1)),
    Mistake("last-action-left-out", "The last action is never chosen.",
            of_one_draw(lambda rewards: rewards[:, : max(1, rewards.shape[1] - 1)].argmax(dim=1))),
    Mistake("first-action-left-out", "The first action is left out, and the numbers of the others are shifted.",
            of_one_draw(lambda rewards: rewards[:, min(1, rewards.shape[1] - 1) :].argmax(dim=1))),
    Mistake("second-best", "It is the action with the second largest reward.",
            of_one_draw(lambda rewards: rewards.topk(min(2, rewards.shape[1]), dim=1).indices[:, -1])),
    Mistake("order-for-action", "You return the rank of action 0, not the number of the best action: argsort gives the"
            " actions in order, and a second argsort their ranks.",
            of_one_draw(lambda rewards: rewards.argsort(dim=1, descending=True).argsort(dim=1)[:, 0])),
    Mistake("rewards-compared-between-contexts", "The rewards of an action are compared with those in other contexts:"
            " standardise nothing, just take the largest in each row.",
            of_one_draw(lambda rewards: (rewards - rewards.mean(dim=0)).argmax(dim=1))),
])  # fmt: skip


@exercise.check("rewards that are nearly equal are told apart", needs=[best])
def tells_close_rewards_apart(evidence: Evidence) -> None:
    rewards = 1.0 + 2e-5 * torch.stack([torch.randperm(4, generator=evidence.generator) for _ in range(6)])
    model, contexts = case(evidence, (6, 4, 0.0, 1.0)).values()
    model = replace(model, outputs=[rewards])
    came = exercise.value(evidence.subject.call(model, contexts))
    expected = rewards.argmax(dim=1)
    if not torch.equal(came, expected.double()):
        message = f"Rewards that differ by 0.00002: it should be {numbers(expected)}; yours is {numbers(came)}."
        raise Failed(message, "rewards-rounded")


@exercise.check("they are int64, as an index is", needs=[numbers_of_actions])
def are_int64(evidence: Evidence) -> None:
    for arguments in inputs(evidence)[:2]:
        reply = exercise.called(evidence, arguments)
        if reply.dtype != torch.int64:
            raise Failed(f"Your actions are {reply.dtype}.", "not-whole-numbers")


@exercise.check("it does so in every call, each a new draw", needs=[best])
def in_every_call(evidence: Evidence) -> None:
    arguments = case(evidence, (20, 4, 0.0, 1.0), draws=MANY_DRAWS)
    model, contexts = arguments.values()
    came = evidence.subject.sample(len(model.outputs), model, contexts)
    expected = torch.stack([output.argmax(dim=1) for output in model.outputs])
    if torch.equal(came.double(), expected.double()):
        return
    wrong = int((came != expected).any(dim=1).sum())
    message = f"In {wrong} of {len(expected)} calls it isn't the best action of that call's draw."
    stored = all(torch.equal(one, came[0]) for one in came)
    raise Failed(message, "draw-stored" if stored else "explores-besides")


@exercise.check("each draw is left to chance: it doesn't seed", needs=[calls_the_model_once])
def leaves_the_seed_alone(evidence: Evidence) -> None:
    arguments = inputs(evidence)[0]
    for _ in range(2):
        evidence.subject.call(*arguments.values())
    calls = evidence.subject.use_of(arguments["model"]).calls
    if len(calls) < 2:
        raise Failed("In the second of two calls it doesn't call the model.", "draw-stored")
    if calls[0].drawn == calls[1].drawn:
        raise Failed("In two calls the model drew the same random numbers.", "seed-before-the-draw")
    require_own_seed(evidence.subject, lambda: exercise.called(evidence, arguments))


@exercise.check("the model is left as it was, in its mode and with its parameters", needs=[calls_the_model_once])
def model_is_left_alone(evidence: Evidence) -> None:
    for arguments in inputs(evidence)[:2]:
        model, contexts = arguments.values()
        evidence.subject.call(model, contexts)
        require_unchanged_model(evidence.subject, model)
        if any(call.grad_enabled for call in evidence.subject.use_of(model).calls):
            evidence.advice.append(
                "Advice: the call of the model builds its graph, to be thrown away: torch.no_grad() around it saves the"
                " time and the memory."
            )


exercise.knows(SECTION, [
    Mistake("draws-averaged", "You average several draws: that is the greedy action, which never tries what it isn't"
            " sure of. One draw is what makes it Thompson sampling."),
    Mistake("draws-voted", "You let several draws vote: the action that is best most often is always the same, and"
            " nothing is tried. One draw decides."),
    Mistake("best-of-all-draws", "You take the action that looks best in any of several draws: that overrates what is"
            " unsure. One draw decides."),
    Mistake("upper-confidence-bound", "You add a multiple of the spread to the mean: that is an upper confidence bound,"
            " another strategy. Thompson sampling acts on one draw as it is."),
    Mistake("most-doubtful-action", "You take the action whose reward is least sure: that explores for ever. Take the"
            " largest reward of one draw."),
    Mistake("draw-for-each-action", "Each action's reward comes from a draw of its own, so that actions are compared"
            " under different weights: one call gives the rewards of all."),
    Mistake("draw-for-each-context", "Each context gets a draw of its own: all contexts of a call share one, so call"
            " the model once with all of them."),
    Mistake("draw-for-each-part", "Some contexts are given to the model, and then others, which see another draw: all"
            " contexts of a call share one, so call the model once with all of them."),
    Mistake("draws-miscounted", "The model is called more than once, so rewards of different draws are mixed. One call"
            " draws all weights once, and gives the rewards of all actions: that is all Thompson sampling needs."),
    Mistake("model-not-called", "The model isn't called: the rewards are what model(contexts) gives."),
    Mistake("model-given-other-input", "The model is given something else than all of contexts: call it as"
            " model(contexts)."),
    Mistake("explores-besides", "Something else than the model's draw is random: no softmax to draw from, no random"
            " action now and then. The action follows from the rewards alone."),
    Mistake("draw-stored", "The action is the same in every call: something is kept from the first one."),
    Mistake("seed-before-the-draw", "The random generator is seeded before the model draws, so that every call draws"
            " the same weights, and nothing is ever explored."),
    Mistake("number-of-actions-fixed", "An action is looked for that the model doesn't have: there are as many as"
            " columns, one alone or many, and argmax along dim=1 runs over all.",
            error_signs=("is out of bounds for dimension 1 with size",)),
    Mistake("rewards-rounded", "Rewards that are nearly equal are taken for equal: they are rounded, or in half"
            " precision. Compare them as they come."),
    Mistake("not-whole-numbers", "An action is a number to index with: int64, as argmax gives it."),
])  # fmt: skip
exercise.knows("What goes wrong in practice", [
    *MODELS,
    Mistake("parameters-touched", "Your code changes the model's parameters: a draw must leave the distribution as it"
            " was."),
])  # fmt: skip
exercise.knows("Your turn: let one draw decide", CODE)

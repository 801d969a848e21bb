"""The specification of lesson 04's exercise `predict(model, x, num_samples)`.

The model is a stand-in that gives known outputs, call after call, and notes how it was called: so the right answer is
known exactly, whatever the draws.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Evidence, Failed
from bnn_core.autograder.interface import LearnerError, Model
from bnn_core.autograder.judging.formulas import Arguments, Formula, exactly, named
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.judging.manners import require_unchanged_model
from bnn_core.autograder.judging.values import close, expected_and_came, shape, times
from bnn_core.autograder.mistakes import CODE, MODELS, Mistake, mistake


def parameters(evidence: Evidence) -> dict[str, Tensor]:
    """Of a stand-in: as far apart as they may be after training, so that whoever cuts them off changes some."""
    return {"weight_mean": 10 * evidence.normal(3), "weight_log_std": torch.tensor([-9.0, 0.5, 3.0])}


def case(evidence: Evidence, num_samples: int, *size: int, training: bool = True, scale: float = 1.0) -> Arguments:
    """More outputs than are asked for, so that one call too many shows. Where a row's output is one number, so is x."""
    outputs = [scale * (3 * evidence.normal(*size) + 1) for _ in range(2 * num_samples + 3)]
    model = Model(outputs, parameters(evidence), training)
    x = evidence.normal(*size) if len(size) == 1 else evidence.normal(*(size or (1,))[:1], 2)
    return {"model": model, "x": x, "num_samples": num_samples}


def inputs(evidence: Evidence) -> list[Arguments]:
    """The last one's outputs are small, so that what is added to them shows."""
    sizes = [(4, 3, 2), (2, 5, 1), (7, 4, 7), (10, 3), (3, 2, 3, 4), (5, 1, 1), (6,)]
    cases = [case(evidence, *size, training=number % 2 == 0) for number, size in enumerate(sizes)]
    return [*cases, case(evidence, 4, 3, 2, scale=1e-4)]


def draws(model: Any, x: Tensor, num_samples: int) -> Tensor:
    """The outputs of the first calls, num_samples × …"""
    if isinstance(model, Model):
        return torch.stack(model.outputs[:num_samples])
    with torch.no_grad():
        return torch.stack([model(x) for _ in range(num_samples)])


def of_draws(mean: Callable[[Tensor], Tensor], std: Callable[[Tensor], Tensor]) -> Formula:
    """(mean, std), stacked, as these functions make them of the draws."""

    def formula(model: Any, x: Tensor, num_samples: int) -> Tensor:
        drawn = draws(model, x, num_samples)
        return torch.stack([mean(drawn), std(drawn)])

    return formula


def both(part: Callable[..., Tensor]) -> Formula:
    """The same for mean and std, each given how it averages."""
    return of_draws(lambda d: part(d, torch.mean), lambda d: part(d, partial(torch.std, correction=0)))


SECTION = "Predicting with many draws"
over_draws = partial(torch.mean, dim=0)
spread = partial(torch.std, dim=0, correction=0)


def everywhere(value: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """One number for all elements."""
    return lambda draws: value(draws).expand(draws.shape[1:])


exercise = FunctionExercise(
    "predict", "04_bayes_by_backprop", 3, inputs, right=of_draws(over_draws, spread), parts=("mean", "std")
)


@exercise.check("it gives the model x in the shape that it has")
def gives_x_in_its_shape(evidence: Evidence) -> None:
    """Before anything else: what becomes of other batches are errors far from where they were made."""
    for arguments in inputs(evidence):
        model, x, _ = arguments.values()
        with contextlib.suppress(LearnerError):
            exercise.called(evidence, arguments)
        for given in (call.args for call in evidence.subject.use_of(model).calls):
            if [one.shape for one in given] != [x.shape]:
                refuse_other_input(x, given)


def refuse_other_input(x: Tensor, given: Sequence[Tensor]) -> NoReturn:
    came = " and ".join(f"one of shape {shape(one.shape)}, {one.dtype}" for one in given) or "no tensor"
    message = f"x has shape {shape(x.shape)}, {x.dtype}; the model was called with {came}."
    raise Failed(message, "model-given-other-input")


pair = exercise.returns("it returns (mean, std), each in the shape of the model's output", SECTION, [
    Mistake("over-the-batch", "Mean and std run over the batch, dim=1 of the stacked draws; dim=0 is that of the"
            " draws.", both(lambda d, average: average(d, dim=min(1, d.dim() - 1)))),
    Mistake("over-the-outputs", "Mean and std run over the outputs: dim=0 is the dimension of the draws.",
            both(lambda d, average: average(d, dim=-1))),
    Mistake("over-the-outputs", "Mean and std run over the outputs as well as over the draws: torch.stack gives the"
            " draws a dimension of their own, dim=0 (torch.cat doesn't).",
            both(lambda d, average: average(torch.cat(list(d), dim=-1), dim=-1) if d.dim() > 1 else average(d))),
    Mistake("draws-stacked-last", "The draws are stacked along the last dimension and averaged along the first, that of"
            " the batch: torch.stack(draws) puts them first.",
            both(lambda d, average: average(d.movedim(0, -1), dim=0))),
    Mistake("over-everything", "Mean and std are one number for all elements: dim=0 is the dimension of the draws.",
            both(lambda d, average: average(d))),
    Mistake("dimension-kept", "The dimension of the draws is still there: leave out keepdim.",
            both(lambda d, average: average(d, dim=0, keepdim=True))),
    Mistake("draws-not-averaged", "The draws come back as they are, one by one.", both(lambda d, average: d)),
    Mistake("draws-concatenated", "torch.cat makes one long batch of the draws: torch.stack gives them a dimension of"
            " their own.", both(lambda d, average: average(d.flatten(0, 1), dim=0) if d.dim() > 2 else average(d))),
], needs=[gives_x_in_its_shape])  # fmt: skip
exercise.keeps_arguments("x stays as it was")


@exercise.check("it calls the model num_samples times, with x as it is", needs=[pair])
def calls_the_model(evidence: Evidence) -> None:
    images = {**case(evidence, 3, 4, 2), "x": evidence.normal(4, 2, 3)}
    for arguments in (*inputs(evidence), images, named(images), case(evidence, 130, 2, 1)):
        model, x, num_samples = arguments.values()
        exercise.called(evidence, arguments)
        calls = evidence.subject.use_of(model).calls
        for given in (call.args for call in calls):
            if len(given) != 1 or given[0].dtype != x.dtype or not close(given[0], x.double()):
                refuse_other_input(x, given)
        if len(calls) != num_samples:
            message = f"With num_samples = {num_samples} the model was called {times(len(calls))}."
            raise Failed(message, {0: "model-not-called", 1: "one-draw"}.get(len(calls), "draws-miscounted"))


@exercise.check("every call of the model draws anew", needs=[calls_the_model])
def draws_anew(evidence: Evidence) -> None:
    arguments = inputs(evidence)[0]
    for _ in range(2):
        exercise.called(evidence, arguments)
    calls = evidence.subject.use_of(arguments["model"]).calls
    if len(calls) < 2 * arguments["num_samples"]:
        raise Failed(f"When it is used a second time, the model was called {times(len(calls))} in all.", "draws-stored")
    drawn = [call.drawn for call in calls]
    if len(set(drawn)) < len(drawn):
        raise Failed("Some calls of the model drew the same random numbers.", "seed-in-the-loop")


values = exercise.equals("they are those over the draws, element by element", SECTION, [
    Mistake("std-unbiased", "The squared deviations are divided by num_samples − 1: .std() does so unless it is told"
            " correction=0.", of_draws(over_draws, partial(torch.std, dim=0))),
    Mistake("variance-returned", "The second one is the variance: take its square root.",
            of_draws(over_draws, partial(torch.var, dim=0, correction=0))),
    Mistake("variance-returned", "The second one is the variance: take its square root.",
            of_draws(over_draws, partial(torch.var, dim=0))),
    Mistake("std-of-the-mean", "The spread is divided by √num_samples: that says how sure you are of the mean, and not"
            " how far the draws lie apart.", of_draws(over_draws, lambda d: spread(d) / len(d) ** 0.5)),
    Mistake("std-of-the-mean", "The spread is divided by √num_samples: that says how sure you are of the mean, and not"
            " how far the draws lie apart.", of_draws(over_draws, lambda d: d.std(dim=0) / len(d) ** 0.5)),
    Mistake("std-of-everything", "One number stands for all elements: dim=0 is the dimension of the draws.",
            of_draws(over_draws, everywhere(lambda d: d.std(correction=0)))),
    Mistake("std-of-everything", "One number stands for all elements: dim=0 is the dimension of the draws.",
            of_draws(over_draws, everywhere(torch.std))),
    Mistake("mean-of-everything", "The mean is one number for all elements: dim=0 is the dimension of the draws.",
            of_draws(everywhere(torch.mean), everywhere(torch.std))),
    Mistake("std-around-zero", "The root of the mean square is taken, without subtracting the mean first.",
            of_draws(over_draws, lambda d: d.square().mean(dim=0).sqrt())),
    Mistake("absolute-deviation", "The average absolute deviation stands for the standard deviation: square, average,"
            " take the root.", of_draws(over_draws, lambda d: (d - d.mean(dim=0)).abs().mean(dim=0))),
    Mistake("deviations-summed", "The squared deviations are added up, and not divided by num_samples.",
            of_draws(over_draws, lambda d: (d - d.mean(dim=0)).square().sum(dim=0).sqrt())),
    *mistake("deviation-from-a-draw", "The deviations are taken from one of the draws: take them from the mean.",
             of_draws(over_draws, lambda d: (d - d[0]).square().mean(dim=0).sqrt()),
             of_draws(over_draws, lambda d: (d - d[-1]).square().mean(dim=0).sqrt())),
    Mistake("range-for-std", "The range of the draws stands for their standard deviation.",
            of_draws(over_draws, lambda d: d.amax(dim=0) - d.amin(dim=0))),
    Mistake("draws-summed", "The draws are added up and not divided by num_samples.",
            of_draws(lambda d: d.sum(dim=0), spread)),
    Mistake("median-for-mean", "The median of the draws stands for their mean.",
            of_draws(lambda d: d.median(dim=0).values, spread)),
    Mistake("last-draw", "The mean is one draw, and no average.", of_draws(lambda d: d[-1], spread)),
    Mistake("last-draw", "The mean is one draw, and no average.", of_draws(lambda d: d[0], spread)),
    *mistake("mean-and-std-swapped", "It is (mean, std), in this order.",
             of_draws(spread, over_draws), of_draws(partial(torch.std, dim=0), over_draws)),
    Mistake("mean-twice", "Both are the mean.", of_draws(over_draws, over_draws)),
    Mistake("no-spread", "The standard deviation is 0: all draws are the same one.",
            of_draws(over_draws, lambda d: 0 * d[0])),
], in_part="right-in-part")  # fmt: skip


@exercise.check("the spread is right where it is small beside the mean", needs=[values])
def keeps_its_digits(evidence: Evidence) -> None:
    model, x, num_samples = case(evidence, 6, 4, 2).values()
    far = Model([1000.0 + 0.1 * output for output in model.outputs], model.parameters, model.training)
    arguments = {"model": far, "x": x, "num_samples": num_samples}
    came = exercise.value(exercise.called(evidence, arguments), finite=False)[1]
    expected = exercise.right(*exactly(arguments))[1]
    if not close(came, expected, 0.01):
        message = expected_and_came(
            "For outputs near 1000 that differ by some tenths, std", expected, came, relative=True
        )
        raise Failed(message, "digits-lost")


@exercise.check("a single draw is its own mean, and has no spread", needs=[values])
def one_draw_has_no_spread(evidence: Evidence) -> None:
    arguments = case(evidence, 1, 4, 2)
    came = exercise.value(exercise.called(evidence, arguments), finite=False)
    expected = exercise.right(*exactly(arguments))
    if not close(came, expected):
        message = expected_and_came("With num_samples = 1, (mean, std)", expected, came)
        raise Failed(message, "std-unbiased" if came[1].isnan().all() else None)


@exercise.check("mean and std carry no gradients", needs=[pair])
def keeps_no_gradients(evidence: Evidence) -> None:
    arguments = inputs(evidence)[0]
    reply = exercise.called(evidence, arguments)
    if any(part.requires_grad for part in reply.parts):
        raise Failed("", "gradients-kept")
    if any(call.grad_enabled for call in evidence.subject.use_of(arguments["model"]).calls):
        evidence.advice.append(
            "Advice: each call of the model still builds its graph, to be thrown away: torch.no_grad() around the calls"
            " saves the time and the memory."
        )


@exercise.check("the model is left as it was, in its mode and with its parameters", needs=[pair])
def model_is_left_alone(evidence: Evidence) -> None:
    for arguments in inputs(evidence)[:2]:
        exercise.called(evidence, arguments)
        require_unchanged_model(evidence.subject, arguments["model"])


exercise.has_manners("the results have the dtype of the model's output", "it leaves the global random seed alone")
exercise.knows(SECTION, [
    Mistake("digits-lost", "The mean of the squares less the square of the mean loses its digits where the mean is"
            " large beside the spread: average the squared deviations from the mean."),
    Mistake("not-a-pair", "Two tensors are asked for, as a tuple: return mean, std."),
    Mistake("model-given-other-input", "The model is given something else than x: call it as model(x), once for each"
            " draw. A batch that repeats x sees one draw of the weights only."),
    Mistake("model-not-called", "The model isn't called: each draw is a fresh pass, model(x)."),
    Mistake("one-draw", "The model is called once, so there is one draw only: call it anew for each of the"
            " num_samples.", seen_in=("tensorflow/probability#711",)),
    Mistake("draws-stored", "Draws or results are kept from one use to the next: each use calls the model anew."),
    Mistake("draws-miscounted", "The model isn't called num_samples times."),
    Mistake("seed-in-the-loop", "The random generator is seeded or put back, as torch.random.fork_rng does, so that"
            " draws repeat themselves."),
    Mistake("right-in-part", "It is right for some outputs and not for those below: is something rounded, added or cut"
            " off? A spread may be as small as 0."),
    Mistake("gradients-kept", "The results carry gradients, and with them the graphs of all passes: compute them under"
            " torch.no_grad()."),
])  # fmt: skip
exercise.knows("What goes wrong in practice", [
    *MODELS,
    Mistake("parameters-touched", "Your code changes the model's parameters: predictions are averaged, never weights."),
])  # fmt: skip
exercise.knows("Your turn: predict", CODE)

"""The specification of lesson 06's exercise `log_prob_per_row(kl, KL_factor, num_rows)`."""

from __future__ import annotations

import torch
from torch import Tensor

from bnn_core.autograder.exercise import Evidence, Failed
from bnn_core.autograder.judging.formulas import Arguments
from bnn_core.autograder.judging.function_exercise import FunctionExercise
from bnn_core.autograder.judging.gradients import requiring
from bnn_core.autograder.judging.values import described
from bnn_core.autograder.mistakes import CODE, GRADIENTS, Mistake, mistake


def inputs(evidence: Evidence) -> list[Arguments]:
    def case(KL_factor: float, num_rows: int, low: float = 0.5, high: float = 30.0) -> Arguments:
        return {"kl": evidence.uniform(low, high), "KL_factor": KL_factor, "num_rows": num_rows}

    return [
        case(0.25, 4),
        case(0.3, 7),
        case(2.0, 3),
        case(1.0, 5),
        case(0.5, 1),
        case(0.125, 300, low=1000.0, high=5000.0),
        case(0.4, 6, low=1e-4, high=1e-3),
    ]


def of_the_prior() -> Arguments:
    """Weights that are distributed as the prior is have a KL of 0."""
    return {"kl": torch.zeros(()), "KL_factor": 0.5, "num_rows": 4}


def that_cost_nothing(evidence: Evidence) -> list[Arguments]:
    return [of_the_prior(), {"kl": evidence.uniform(0.5, 30.0), "KL_factor": 0.0, "num_rows": 3}]


def right(kl: Tensor, KL_factor: float, num_rows: int) -> Tensor:
    return torch.full((num_rows,), -KL_factor / num_rows, dtype=kl.dtype) * kl


def in_the_first_row(kl: Tensor, factor: float, num_rows: int) -> Tensor:
    return torch.cat([-factor * kl[None], kl.new_zeros(num_rows - 1)])


def growing_shares(kl: Tensor, factor: float, num_rows: int) -> Tensor:
    weights = torch.arange(1, num_rows + 1, dtype=kl.dtype)
    return -factor * kl * weights / weights.sum()


exercise = FunctionExercise("log_prob_per_row", "06_hidden_layer", 2, inputs, right)


@exercise.check("it returns a number for each row")
def one_for_each(evidence: Evidence) -> None:
    reply = exercise.called(evidence, inputs(evidence)[0])
    if reply.type_name == "NoneType":
        raise Failed("It should be a tensor with a number for each row; yours gives None.", "missing-return")
    if reply.tensor is None:
        raise Failed("", "rows-not-a-tensor", what=reply.type_name)
    if reply.tensor.numel() == 1:
        raise Failed("For num_rows = 4 it should have shape (4,); yours holds one number.", "one-number-for-all-rows")


exercise.returns("its shape is (num_rows,), for one row, too", "Your turn: a log_prob for each row", mistake(
    "rows-miscounted",
    "There are too many numbers, or too few: num_rows says how many rows there are, another number each time.",
    lambda kl, f, n: kl.new_zeros(n + 1),
    lambda kl, f, n: kl.new_zeros(n - 1),
    lambda kl, f, n: kl.new_zeros(10),
))  # fmt: skip
exercise.keeps_arguments("kl stays as it was")
shares = exercise.equals("each row has an equal share of −KL_factor·kl", taught_in="What Pyro asks of a distribution",
                varying="row-shares-random", in_part="row-excepted", mistakes=[
    Mistake(
        "whole-kl-in-every-row",
        "Every row carries the whole KL; Pyro adds the rows up, so it counts num_rows times: give each row a share.",
        lambda kl, f, n: right(kl, f * n, n),
    ),
    Mistake(
        "row-sign",
        "The sign is wrong: the KL is a cost, and a cost lowers the log_prob.",
        lambda kl, f, n: -right(kl, f, n),
    ),
    Mistake(
        "row-sign-and-share",
        "Every row carries the whole KL, and with the wrong sign: it should be a share of it, below 0.",
        lambda kl, f, n: -right(kl, f * n, n),
    ),
    Mistake(
        "row-factor-ignored",
        "KL_factor isn't used: this batch is to pay for KL_factor times the KL.",
        lambda kl, f, n: right(kl, 1.0, n),
    ),
    Mistake(
        "row-share-for-factor",
        "All that you give is kl, without KL_factor and without a share for each row.",
        lambda kl, f, n: right(kl, n, n),
    ),
    Mistake(
        "row-factor-inverted",
        "You divide by KL_factor; the KL is multiplied by it.",
        lambda kl, f, n: right(kl, 1.0, n) / f,
    ),
    Mistake(
        "row-factor-twice",
        "KL_factor is multiplied in twice.",
        lambda kl, f, n: right(kl, f**2, n),
    ),
    Mistake(
        "row-share-inverted",
        "You multiply by num_rows; a share is the whole divided by it.",
        lambda kl, f, n: right(kl, f * n**2, n),
    ),
    Mistake(
        "row-share-twice",
        "You divide by num_rows twice: the rows together then carry too little.",
        lambda kl, f, n: right(kl, f / n, n),
    ),
    *mistake(
        "kl-in-one-row",
        "One row carries everything. The sum is right, but each row should carry an equal share: whoever uses only some"
        " of the rows would pay all or nothing.",
        in_the_first_row,
        lambda kl, f, n: in_the_first_row(kl, f, n).flip(0),
    ),
    Mistake(
        "row-shares-unequal",
        "The sum is right, but some rows carry more than others: every row has the same share.",
        growing_shares,
    ),
    *mistake(
        "row-share-miscounted",
        "You divide by num_rows − 1, or by num_rows + 1: there are num_rows of them.",
        lambda kl, f, n: right(kl, f * n / max(n - 1, 1), n),
        lambda kl, f, n: right(kl, f * n / (n + 1), n),
    ),
    *mistake(
        "row-share-rounded",
        "The share is a whole number: // and int() round. Divide with a single /.",
        lambda kl, f, n: right(kl, f, n).floor(),
        lambda kl, f, n: right(kl, f, n).ceil(),
    ),
    Mistake(
        "batch-for-num-rows",
        "The KL is divided by 10 each time, which is the notebook's BATCH: the number of rows is num_rows.",
        lambda kl, f, n: right(kl, f * n / 10, n),
    ),
    *mistake(
        "row-cut-off",
        "kl or KL_factor is cut off at 1: use both as they are.",
        lambda kl, f, n: right(kl, min(f, 1.0), n),
        lambda kl, f, n: right(kl.clamp_max(1.0), f, n),
    ),
    Mistake(
        "rows-without-kl",
        "Every row is 0: the layer's weights cost nothing, and no KL is left.",
        lambda kl, f, n: right(0 * kl, f, n),
    ),
    Mistake(
        "row-probability",
        "You return a probability, exp(log_prob); inference adds up logarithms.",
        lambda kl, f, n: right(kl, f, n).exp(),
    ),
    Mistake(
        "row-factor-and-share-exchanged",
        "The KL is divided by KL_factor and multiplied by num_rows; it is the other way round.",
        lambda kl, f, n: right(kl, n**2, n) / f,
    ),
    Mistake(
        "row-kl-logged",
        "You take the logarithm of the KL, which is made of logarithms already: it is used as it is.",
        lambda kl, f, n: right(kl.log(), f, n),
    ),
])  # fmt: skip
nothing = exercise.equals("where kl or KL_factor is 0, so is every row", taught_in="What Pyro asks of a distribution",
                inputs=that_cost_nothing, mistakes=[
    Mistake(
        "row-factor-of-zero",
        "A KL_factor of 0 is taken for one that wasn't given: 0 is a factor like any other, and makes every row 0.",
        lambda kl, f, n: right(kl, f or 1.0, n),
    ),
])  # fmt: skip
gradients = exercise.gradients_are_right("its gradient reaches kl, and is right", of=["kl"], needs=[shares, nothing])


@exercise.check("its gradient reaches a kl of 0, too", needs=[gradients])
def gradient_at_zero(evidence: Evidence) -> None:
    given = requiring(of_the_prior(), ["kl"])
    gradient = exercise.called(evidence, given).gradients([given["kl"]], torch.ones(given["num_rows"]))[0]
    if gradient is None or not gradient:
        raise Failed(f"That is for {described(given)}.", "row-exception-at-zero")


exercise.has_manners("the result has the dtype of kl", "it leaves the global random seed alone")
exercise.knows("Your turn: a log_prob for each row", CODE, [
    Mistake("rows-not-a-tensor", "The result is a {what}, not a tensor: expand(num_rows) makes one of a scalar."),
    Mistake(
        "one-number-for-all-rows",
        "You return one number for the whole batch; a plate wants one for each row.",
    ),
    Mistake(
        "row-excepted",
        "It is right for most inputs and not for all: no KL, no KL_factor and no number of rows is an exception.",
    ),
    Mistake("row-shares-random", "The shares are others in every call: nothing is drawn here, all rows share alike."),
    Mistake(
        "row-exception-at-zero",
        "Where kl is 0 no gradient reaches it: a KL of 0 needs no exception, the formula gives 0 and its gradient.",
    ),
    Mistake(
        "row-division-by-zero",
        "Something is divided by 0: KL_factor may be 0, and num_rows may be 1, so that num_rows − 1 is 0.",
        error_signs=("division by zero",),
    ),
])  # fmt: skip
exercise.knows("What Pyro asks of a distribution", GRADIENTS)

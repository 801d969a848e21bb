"""What any layer does: it follows the dtype, and leaves the random seed alone."""

from __future__ import annotations

import contextlib

import torch

from bnn_core.autograder.exercise import Failed
from bnn_core.autograder.exercises.bayesian_linear.layer import FORWARD, IN, Evidence, exercise
from bnn_core.autograder.exercises.bayesian_linear.parameters import has_its_parameters, output_has_its_shape
from bnn_core.autograder.interface import LearnerError


@exercise.check("it works in float64", needs=[has_its_parameters, output_has_its_shape])
def follows_the_dtype(evidence: Evidence) -> None:
    layer = evidence.layer()
    layer.instance.to(torch.float64)
    evidence.subject.settle()
    try:
        output = layer.instance.call(FORWARD, evidence.normal(4, IN).double()).tensor
    except LearnerError as error:
        raise Failed(error.sentence, "wrong-dtype") from None
    if output is None or output.dtype != torch.float64:
        came = "no tensor" if output is None else str(output.dtype)
        raise Failed(
            f"With float64 parameters and input, the output should be float64; yours is {came}.",
            "wrong-dtype",
        )


@exercise.check("it leaves the global random seed alone", needs=[output_has_its_shape])
def seed_is_left_alone(evidence: Evidence) -> None:
    def next_number(seed: int) -> float:
        evidence.subject.seed(seed)
        layer = evidence.layer()
        layer.forward(x)
        with contextlib.suppress(LearnerError):  # a KL that raises is another check's business
            layer.instance.call("kl_divergence")
        return evidence.subject.random_number()

    x = evidence.normal(2, IN)
    if next_number(1) == next_number(2):
        raise Failed("Leave torch.manual_seed to the notebook, outside the layer.", "seed-fixed")

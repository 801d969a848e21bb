"""What any layer does: it follows the dtype, and leaves its mode and the random seed alone."""

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


@exercise.check("forward and kl_divergence leave the layer in its mode", needs=[output_has_its_shape])
def mode_is_left_alone(evidence: Evidence) -> None:
    layer = evidence.layer()
    for training in (True, False):
        for method, args in {FORWARD: (evidence.normal(2, IN),), "kl_divergence": ()}.items():
            layer.instance.train(training)
            with contextlib.suppress(LearnerError):  # what raises is another check's business
                layer.instance.call(method, *args)
            if layer.instance.state().training != training:
                before, after = ("train" if mode else "eval" for mode in (training, not training))
                shown = "forward" if method == FORWARD else method
                raise Failed(f"It was in {before}() mode, and is now in {after}() mode.", "mode-changed", what=shown)
    advise_on_what_is_kept(evidence, layer.instance.state().with_graph)


def advise_on_what_is_kept(evidence: Evidence, names: list[str]) -> None:
    """What becomes of a layer that keeps what it has computed."""
    if names:
        kept = " and ".join(f"self.{name}" for name in names)
        evidence.advice.append(
            f"Advice: {kept} keeps what was computed, with its graph: copy.deepcopy(layer) fails, and the memory of the"
            " last step stays taken. Return it, or keep a detach() of it."
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

"""Decisions that use doubt: to answer only when sure enough, and to try what may turn out to be best. Knows no layer: a
model is whatever can be called, and draws its weights anew each time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real

import torch
from torch import Tensor

ROUNDING = 1e-9
"""Relative: 0.07 · 100 is a little more than 7 in floating point, and means 7."""


def selective_error(confidence: Tensor, correct: Tensor, coverage: float) -> Tensor:
    """The share of wrong answers among the ⌈coverage·N⌉ examples of which the model is surest.

    confidence: (N,), any real numbers; larger is surer. Among equals at the border any may be kept.
    correct: (N,), whether each answer is right: True and False, or 1 and 0 in any dtype.
    coverage: the share of examples that are answered, above 0 and at most 1; at least one example is kept.
    Returns: a scalar tensor, between 0 and 1, in confidence's dtype, without gradients.
    Raises: ValueError where shapes do not fit, there is no example, a confidence is NaN, or coverage is out of range.
    Source: El-Yaniv and Wiener, "On the foundations of noise-free selective classification", JMLR 2010; the selective
    risk of Geifman and El-Yaniv, "Selective classification for deep neural networks", NeurIPS 2017, section 2.
    """
    if confidence.dim() != 1 or confidence.shape != correct.shape or not len(confidence):
        shapes = f"{tuple(confidence.shape)} and {tuple(correct.shape)}"
        raise ValueError(f"confidence and correct must have one shape (N,) with N at least 1, not {shapes}")
    if confidence.isnan().any():
        raise ValueError("confidence must be numbers, but some are NaN")
    _check_share("coverage", coverage)
    kept = max(1, math.ceil(coverage * len(confidence) * (1 - ROUNDING)))
    surest = confidence.argsort(descending=True, stable=True)[:kept]
    return 1 - correct[surest].to(confidence.dtype).mean()


def _check_share(name: str, value: object) -> None:
    """`value` is a number above 0 and at most 1."""
    if not isinstance(value, Real) or not 0 < float(value) <= 1:
        raise ValueError(f"{name} must be above 0 and at most 1, not {value!r}")


def thompson_action(model: Callable[[Tensor], Tensor], contexts: Tensor) -> Tensor:
    """For each context the action that is best under one draw of the model's weights: Thompson sampling.

    model: one call draws all weights once, and gives the expected reward of every action in every context, (B, R).
    contexts: what the model takes, B of them.
    Returns: (B,), int64, the number of an action for each context. The model is called once, and stays in its mode.
    Raises: ValueError where the model's output isn't (B, R).
    Source: Thompson, "On the likelihood that one unknown probability exceeds another in view of the evidence of two
    samples", Biometrika 1933; with a network as in Blundell et al., "Weight uncertainty in neural networks", ICML 2015,
    section 4.
    """
    with torch.no_grad():
        rewards = model(contexts)
    if rewards.dim() != 2:
        raise ValueError(f"the model must give a row of rewards for each context, (B, R), not {tuple(rewards.shape)}")
    return rewards.argmax(dim=1)

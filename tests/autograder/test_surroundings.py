"""A check comes to the same verdict whatever device, mode or compiler the learner's notebook has chosen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from fake_device import NAME as FAKE
from torch import Tensor
from zoo import bayesian_linear, define, hidden_layer, sample_preactivation

from bnn_core.autograder.in_notebook import report_on
from bnn_core.autograder.report import Report

MODULES = [bayesian_linear, sample_preactivation, hidden_layer]
EXERCISES = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.EXERCISE)


def right(module: ModuleType) -> str:
    source: str = next(iter(module.RIGHT.values()))
    return source


def reported(module: ModuleType, source: str) -> Report:
    return report_on(define(source, module.EXERCISE))


def failures(report: Report) -> list[tuple[str, str]]:
    return [(outcome.name, outcome.message) for outcome in report.outcomes if not outcome.passed] or [
        (report.status, report.message) for _ in range(not report.passed)
    ]


@pytest.fixture
def _fake_by_default():
    torch.set_default_device(FAKE)
    yield
    torch.set_default_device(None)


@pytest.mark.usefixtures("_fake_by_default")
@EXERCISES
def test_a_right_answer_passes_on_another_default_device(module: ModuleType) -> None:
    assert not failures(reported(module, right(module)))
    assert torch.get_default_device().type == FAKE
    assert torch.ones(2).device.type == FAKE


@pytest.mark.usefixtures("_fake_by_default")
@EXERCISES
def test_a_wrong_answer_is_told_the_same_there(module: ModuleType) -> None:
    wrong = next(wrong for wrong in module.WRONG if wrong.misconception == "no-sampling")
    first = next(outcome for outcome in reported(module, wrong.source).outcomes if not outcome.passed)
    assert (first.name, first.misconception) == (wrong.check, wrong.misconception)


def test_a_layer_gets_its_inputs_where_its_parameters_are() -> None:
    source = right(bayesian_linear) + (
        f"\n\n_build = BayesianLinear.__init__\n\n\ndef build(self, *sizes):\n    _build(self, *sizes)\n"
        f"    self.to({FAKE!r})\n\n\nBayesianLinear.__init__ = build\n"
    )
    assert not failures(reported(bayesian_linear, source))


def test_the_meta_device_is_refused_by_name() -> None:
    with torch.device("meta"):
        report = reported(bayesian_linear, right(bayesian_linear))
    assert report.status == "error"
    assert "meta" in report.message
    assert "hold no numbers" in report.message


def test_a_layer_on_the_meta_device_is_told_so() -> None:
    source = (
        right(bayesian_linear)
        + "\n\n_forward = BayesianLinear.forward\nBayesianLinear.forward = "
        + ('lambda self, x: _forward(self, x).to("meta")\n')
    )
    assert any("meta device" in message for _, message in failures(reported(bayesian_linear, source)))


MODES = {
    "inference mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "autocast to float16": lambda: torch.autocast("cpu", dtype=torch.float16),
    "set_grad_enabled": lambda: torch.set_grad_enabled(False),
}


@pytest.mark.parametrize("mode", MODES)
@EXERCISES
def test_a_right_answer_passes_in_any_mode(module: ModuleType, mode: str) -> None:
    with MODES[mode]():
        assert not failures(reported(module, right(module)))
        assert torch.is_inference_mode_enabled() == (mode == "inference mode")
        assert torch.is_autocast_enabled("cpu") == mode.startswith("autocast")
        assert torch.is_grad_enabled() == mode.startswith("autocast")
    assert torch.is_grad_enabled()


COMPILED = {
    "BayesianLinear": ("    def forward(", "    @torch.compile\n    def forward("),
    "sample_preactivation": ("def sample_preactivation(", "@torch.compile(dynamic=True)\ndef sample_preactivation("),
    "HiddenLayer": ("    def rsample(", "    @torch.compile\n    def rsample("),
}


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")  # torch's own
@EXERCISES
def test_what_is_compiled_is_checked_uncompiled(module: ModuleType) -> None:
    source = right(module)
    plain, compiled = COMPILED[module.EXERCISE]
    assert plain in source
    assert not failures(reported(module, source.replace(plain, compiled)))


COMPILES_ITSELF = """
import sys
import torch
from bnn_core.autograder.in_notebook import report_on
from zoo.bayesian_linear import BASE
namespace = {{"__name__": "__main__"}}
exec(BASE.replace("super().__init__()", "super().__init__(); {statement}", 1), namespace)
assert "torch._dynamo" not in sys.modules
before = torch.compile
print(report_on(namespace["BayesianLinear"]).message)
assert torch.compile is before
"""


@pytest.mark.parametrize("statement", ["self.compile()", "self.forward = torch.compile(self.forward, dynamic=True)"])
def test_what_compiles_itself_while_it_is_checked_is_not_compiled(statement: str) -> None:
    """In a process that has compiled nothing before."""
    code = COMPILES_ITSELF.format(statement=statement)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert said.stdout == "BayesianLinear: all 30 checks passed\n", said.stderr


def test_the_fake_device_refuses_what_another_would() -> None:
    """Else the tests above could not fail."""
    here, there = torch.ones(3), torch.ones(3, device=FAKE)
    with pytest.raises(RuntimeError, match="same device"):
        here + there
    with pytest.raises(RuntimeError, match="generator"):
        torch.randn(3, device=FAKE, generator=torch.Generator())
    weight = torch.nn.Parameter(2 * there)
    (weight.square() + there).sum().backward()
    assert isinstance(weight.grad, Tensor)
    assert weight.grad.cpu().tolist() == [4.0, 4.0, 4.0]

"""The grader's end of the wire: every kind of request has a form for its answer, and an answer of another form is
refused.
"""

from __future__ import annotations

import contextlib
import inspect
import pkgutil
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
import torch
import zoo as zoo_package
from zoo import define

from bnn_core.autograder import interface, subject
from bnn_core.autograder.exercise import run
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.exercises.hidden_layer.layer import Layer
from bnn_core.autograder.in_process import InProcess
from bnn_core.autograder.interface import (
    Attribute,
    Call,
    Construct,
    Convert,
    Gradients,
    IsModule,
    ModelCall,
    ModelUse,
    Parameter,
    ParameterNamed,
    PresentValue,
    Raised,
    RandomNumber,
    Request,
    Sample,
    Seed,
    SetArgument,
    SetParameters,
    Train,
    TrainableNames,
    UseOfModel,
    Value,
)
from bnn_core.autograder.judging.preactivations import Problem
from bnn_core.autograder.subject import Subject
from bnn_core.classroom.sandbox import remote, wire, zygote
from bnn_core.classroom.sandbox.launching import Sandboxed
from bnn_core.classroom.sandbox.remote import LearnerGone, are_answers_to, is_answer_to, is_modest

ONE = torch.ones(2, 3)
VALUE = Value("Tensor", ONE, None, True, [])
PAIR = Value("tuple", None, None, False, [VALUE, replace(VALUE, requires_grad=False)])
USE = ModelUse([ModelCall([ONE], True, False, 0.5)], True, {"weight": ONE})
CALL, SAMPLE = Call(1, "__call__", [], {}, 0), Sample(None, None, [], {}, 2)
NAMES = TrainableNames(1, [])
FITTING: list[tuple[Request[Any], Any]] = [
    (Seed(1), None),
    (Construct(1, [], {}), None),
    (SetParameters(1, {}), None),
    (Train(1, True), None),
    (Convert(1, "float64"), None),
    (SetArgument(0, ONE), None),
    (RandomNumber(), 0.5),
    (IsModule(1), True),
    (CALL, VALUE),
    (CALL, PAIR),
    (Attribute(0, 1, "KL"), Value("float", None, 1.5, False, [])),
    (Attribute(0, 1, "KL"), Value("bool", None, True, False, [])),
    (Attribute(0, 1, "KL"), Value("Size", None, [4, 6], False, [])),
    (SAMPLE, ONE),
    (PresentValue(0), ONE),
    (UseOfModel(0), USE),
    (ParameterNamed(1, "x"), None),
    (ParameterNamed(1, "x"), Parameter("buffer", ONE, False, False)),
    (NAMES, ["weight_mean"]),
    (Gradients(1, 0, None, None, ["a", 0]), [ONE, None]),
]
UNFITTING: list[tuple[Request[Any], Any]] = [
    (Seed(1), {"passed": True}),
    (Construct(1, [], {}), 3),
    (RandomNumber(), "0.5"),
    (RandomNumber(), True),
    (IsModule(1), 1),
    (CALL, None),
    (CALL, {"type_name": "Tensor"}),
    (CALL, Parameter("buffer", ONE, False, False)),
    (CALL, Value("x" * 10_000, None, None, False, [])),
    (CALL, Value("Size", None, [1] * 100, False, [])),
    (CALL, Value("tuple", None, None, False, [VALUE] * 10_000)),
    (CALL, Value("tuple", None, None, False, [Value("x" * 10_000, None, None, False, [])])),
    (replace(SAMPLE, count=3), ONE),
    (SAMPLE, torch.tensor(1.0)),
    (SAMPLE, VALUE),
    (PresentValue(0), None),
    (UseOfModel(0), replace(USE, calls=USE.calls * 10_000)),
    (UseOfModel(0), replace(USE, parameters={"x" * 10_000: ONE})),
    (NAMES, [1]),
    (NAMES, ["x"] * 10_000),
    (NAMES, ["x" * 10_000]),
    (Gradients(1, 0, None, None, ["a"]), []),
    (Gradients(1, 0, None, None, ["a"]), [1.0]),
]


@pytest.mark.parametrize(("request_", "answer"), FITTING)
def test_fitting_answers_are_taken(request_: dict[str, Any], answer: dict[str, Any]) -> None:
    assert is_answer_to(request_, answer)


@pytest.mark.parametrize(("request_", "answer"), UNFITTING)
def test_other_answers_are_refused(request_: dict[str, Any], answer: dict[str, Any]) -> None:
    assert not is_answer_to(request_, answer)


def test_every_request_of_the_interface_has_a_form_for_its_answer() -> None:
    requests = {kind for kind in wire.RECORDS.values() if issubclass(kind, Request)} - {interface._Use}
    assert requests == {type(request) for request, _ in FITTING}


def test_answers_are_as_many_as_requests() -> None:
    assert are_answers_to([Seed(1), RandomNumber()], [None, 0.5])
    assert not are_answers_to([Seed(1), RandomNumber()], [0.5])
    assert not are_answers_to([Seed(1), RandomNumber()], [0.5, None])


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_all_that_an_honest_answer_says_is_taken(name: str) -> None:
    """What the learner's side answers to the checks of each exercise has the form that the grader expects."""
    zoo = next((module for module in modules_of_the_zoo() if name == module.EXERCISE), None)
    if zoo is None:
        pytest.skip("no solution of it in the zoo")
    source = next(iter(zoo.RIGHT.values()))
    learner_side = InProcess(name, define(source, name))

    class Looking:
        gone = None

        def perform(self, requests: Sequence[Request[Any]]) -> list[Any]:
            answers = learner_side.perform(requests)
            assert are_answers_to(requests, answers), requests
            return answers

        def settle(self) -> None:
            pass

    exercise = EXERCISES[name]
    assert run(exercise, subject.Subject(name, Looking()), seed=1).passed


def modules_of_the_zoo() -> list[Any]:
    names = [module.name for module in pkgutil.iter_modules(zoo_package.__path__)]
    return [module for module in map(import_module, [f"zoo.{name}" for name in names]) if hasattr(module, "EXERCISE")]


@pytest.mark.parametrize("change", [{"message": "x" * 10_000}, {"source": "x" * 10_000}])
def test_long_errors_are_refused(change: dict[str, Any]) -> None:
    error = Raised("Your forward", "ValueError", "", None, "")
    assert is_modest(error)
    assert not is_modest(replace(error, **change))


def test_the_end_of_the_learners_code_is_told_as_it_is_by_every_way_of_drawing() -> None:
    class Ending:
        gone = None

        def perform(self, requests: Sequence[Request[Any]]) -> list[Any]:
            if isinstance(requests[0], Construct):
                return [None]
            raise LearnerGone("Your rsample took more than 2 s and was stopped.", out_of_time=True)

        def settle(self) -> None:
            pass

    problem = Problem.random(torch.Generator().manual_seed(0))
    with pytest.raises(LearnerGone) as gone:
        Layer(Subject("HiddenLayer", Ending()), problem).draw()
    assert gone.value.sentence == "Your rsample took more than 2 s and was stopped."
    assert gone.value.out_of_time


def test_a_call_has_its_time_beside_what_others_take() -> None:
    """Half of the processor is others': a limit of 0.2 s lasts for 0.4 s. Where they take it all, it ends too."""

    def lasts(share: float) -> float:
        began = time.monotonic()
        patience = remote._Patience(0.2, lambda: share * (time.monotonic() - began))
        with contextlib.suppress(TimeoutError):
            while True:
                time.sleep(min(patience.left(), 0.01))
        assert patience.is_doubtful == (share > 0.1)
        return time.monotonic() - began

    assert 0.2 <= lasts(0.0) < 0.35
    assert 0.35 <= lasts(0.5) < 0.6
    assert 0.2 * remote.MOST_STRETCH <= lasts(1.0) < 0.2 * remote.MOST_STRETCH + 0.3


def test_a_watcher_that_vanishes_is_no_ending_of_the_learners() -> None:
    import socket

    near, far = socket.socketpair()
    control, far_control = socket.socketpair()
    far.close()
    far_control.close()
    assert Sandboxed(near, control).end().how == "broken"


def test_the_copied_modules_need_nothing_of_the_course_but_each_other() -> None:
    """What runs in the sandbox imports no check: each module is one of those that are sent there."""
    from bnn_core.classroom.sandbox.launching import FIRST_MODULES, LATER_MODULES

    sent: set[str] = set()
    for name in (*FIRST_MODULES, *LATER_MODULES):
        source = inspect.getsource(import_module(name))
        imported = re.findall(r"^\s*from (bnn_core[\w.]*) import ([\w, ]+)", source, re.MULTILINE)
        for module, names in imported:
            parts = {f"{module}.{part.strip()}" for part in names.split(",")}
            assert module in sent or parts <= sent, f"{name} imports {module}"
        sent.add(name)
    assert zygote.__name__ in sent

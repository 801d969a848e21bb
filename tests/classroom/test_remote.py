"""The grader's end of the wire: every kind of request has a form for its answer, and an answer of another form is
refused.
"""

from __future__ import annotations

import contextlib
import inspect
import pkgutil
import re
import time
from importlib import import_module
from typing import Any

import pytest
import torch
import zoo as zoo_package
from zoo import define

from bnn_core.autograder import subject
from bnn_core.autograder.exercise import run
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.exercises.hidden_layer.layer import Layer
from bnn_core.autograder.in_process import InProcess
from bnn_core.autograder.judging.preactivations import Problem
from bnn_core.autograder.subject import Subject
from bnn_core.classroom.sandbox import remote, zygote
from bnn_core.classroom.sandbox.launching import Sandboxed
from bnn_core.classroom.sandbox.remote import SILENT, LearnerGone, is_answer_to, is_error

ONE = torch.ones(2, 3)
VALUE = {"handle": 0, "type_name": "Tensor", "tensor": ONE, "plain": None, "requires_grad": True}
FITTING: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"op": "seed"}, {}),
    ({"op": "set_parameters"}, {}),
    ({"op": "train"}, {}),
    ({"op": "to"}, {}),
    ({"op": "set_argument"}, {}),
    ({"op": "random_number"}, {"number": 0.5}),
    ({"op": "construct"}, {"handle": 3, "is_module": True}),
    ({"op": "call"}, VALUE),
    ({"op": "attribute"}, {**VALUE, "tensor": None, "plain": 1.5}),
    ({"op": "attribute"}, {**VALUE, "tensor": None, "plain": True}),
    ({"op": "attribute"}, {**VALUE, "tensor": None, "plain": [4, 6]}),
    ({"op": "sample", "count": 2}, {"tensor": ONE}),
    ({"op": "present_value"}, {"tensor": ONE}),
    ({"op": "parameter"}, {"kind": None}),
    ({"op": "parameter"}, {"kind": "buffer", "tensor": ONE, "requires_grad": False, "has_gradient": False}),
    ({"op": "trainable_names"}, {"names": ["weight_mean"]}),
    ({"op": "gradients", "wrt": ["a", 0]}, {"gradients": [ONE, None]}),
]
UNFITTING: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"op": "seed"}, {"passed": True}),
    ({"op": "unheard of"}, {}),
    ({"op": "random_number"}, {"number": "0.5"}),
    ({"op": "random_number"}, {"number": True}),
    ({"op": "construct"}, {"handle": -1, "is_module": True}),
    ({"op": "construct"}, {"handle": 1 << 40, "is_module": True}),
    ({"op": "construct"}, {"handle": True, "is_module": True}),
    ({"op": "construct"}, {"handle": 1, "is_module": 1}),
    ({"op": "call"}, {**VALUE, "tensor": [1.0]}),
    ({"op": "attribute"}, {**VALUE, "plain": [4, 6.0]}),
    ({"op": "attribute"}, {**VALUE, "plain": [1] * 1_000}),
    ({"op": "attribute"}, {**VALUE, "plain": 3}),
    ({"op": "call"}, {**VALUE, "type_name": "x" * 10_000}),
    ({"op": "call"}, {**VALUE, "more": 1}),
    ({"op": "call"}, {name: VALUE[name] for name in ("handle", "tensor")}),
    ({"op": "sample", "count": 3}, {"tensor": ONE}),
    ({"op": "sample", "count": 2}, {"tensor": torch.tensor(1.0)}),
    ({"op": "present_value"}, {"tensor": None}),
    ({"op": "parameter"}, {"kind": None, "tensor": ONE}),
    ({"op": "trainable_names"}, {"names": [1]}),
    ({"op": "trainable_names"}, {"names": ["x"] * 10_000}),
    ({"op": "gradients", "wrt": ["a"]}, {"gradients": []}),
    ({"op": "gradients", "wrt": ["a"]}, {"gradients": [1.0]}),
]


@pytest.mark.parametrize(("request_", "answer"), FITTING)
def test_fitting_answers_are_taken(request_: dict[str, Any], answer: dict[str, Any]) -> None:
    assert is_answer_to(request_, answer)


@pytest.mark.parametrize(("request_", "answer"), UNFITTING)
def test_other_answers_are_refused(request_: dict[str, Any], answer: dict[str, Any]) -> None:
    assert not is_answer_to(request_, answer)


def test_every_request_of_the_interface_has_a_form_for_its_answer() -> None:
    asked = set(re.findall(r'(?:"op": |_perform\()"(\w+)"', inspect.getsource(subject)))
    assert asked == {request["op"] for request, _ in FITTING}
    assert asked.issuperset(SILENT)


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

        def perform(self, request: dict[str, Any]) -> dict[str, Any]:
            answer = learner_side.perform(request)
            assert is_answer_to(request, answer), request["op"]
            return answer

    exercise = EXERCISES[name]
    assert run(exercise, subject.Subject(name, Looking()), seed=1).passed


def modules_of_the_zoo() -> list[Any]:
    names = [module.name for module in pkgutil.iter_modules(zoo_package.__path__)]
    return [module for module in map(import_module, [f"zoo.{name}" for name in names]) if hasattr(module, "EXERCISE")]


@pytest.mark.parametrize("change", [{"line": "7"}, {"message": None}, {"source": "x" * 10_000}, {"more": 1}])
def test_odd_errors_are_refused(change: dict[str, Any]) -> None:
    error = {"action": "Your forward", "type_name": "ValueError", "message": "", "line": None, "source": ""}
    assert is_error(error)
    assert not is_error({**error, **change})


def test_the_end_of_the_learners_code_is_told_as_it_is_by_every_way_of_drawing() -> None:
    class Ending:
        gone = None

        def perform(self, request: dict[str, Any]) -> dict[str, Any]:
            if request["op"] == "construct":
                return {"handle": 0, "is_module": False}
            raise LearnerGone("Your rsample took more than 2 s and was stopped.", out_of_time=True)

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

    wire, far_wire = socket.socketpair()
    control, far_control = socket.socketpair()
    far_wire.close()
    far_control.close()
    assert Sandboxed(wire, control).end().how == "broken"


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

"""The grader's end of the wire: every kind of request has a form for its answer, and an answer of another form is
refused.
"""

from __future__ import annotations

import contextlib
import inspect
import pkgutil
import re
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
import torch
import zoo as zoo_package
from zoo import define

from bnn_core.answers.program import Block, Program
from bnn_core.autograder import interface, subject
from bnn_core.autograder.exercise import run
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.exercises.hidden_layer.layer import Layer
from bnn_core.autograder.in_notebook import undisturbed
from bnn_core.autograder.in_process import InProcess, in_process_subject
from bnn_core.autograder.interface import (
    ArgumentNames,
    Attribute,
    Call,
    Construct,
    Convert,
    GiveGradients,
    Gradients,
    IsModule,
    LearnerError,
    Model,
    ModelCall,
    ModelUse,
    ModuleState,
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
    SharedParameters,
    StateOfModule,
    Train,
    TrainableNames,
    UseOfModel,
    Value,
)
from bnn_core.autograder.judging.preactivations import Problem
from bnn_core.autograder.subject import Subject
from bnn_core.classroom.sandbox import remote, wire, zygote
from bnn_core.classroom.sandbox.launching import Limits, Sandboxed, WarmSandbox
from bnn_core.classroom.sandbox.remote import (
    Conversation,
    LearnerGone,
    RemoteLearnerSide,
    are_answers_to,
    is_answer_to,
    is_modest,
)

ONE = torch.ones(2, 3)
VALUE = Value("Tensor", ONE, None, True, [])
PAIR = Value("tuple", None, None, False, [VALUE, replace(VALUE, requires_grad=False)])
USE = ModelUse([ModelCall([ONE], True, False, 0.5, True)], True, {"weight": ONE}, [], True)
STATE = ModuleState(True, False, ["kl_value"])
CALL, SAMPLE = Call(1, "__call__", [], {}, 0), Sample(None, None, [], {}, 2)
NAMES = TrainableNames(1, [])
FITTING: list[tuple[Request[Any], Any]] = [
    (Seed(1), None),
    (Construct(1, [], {}), None),
    (SetParameters(1, {}), None),
    (Train(1, True), None),
    (GiveGradients(1), None),
    (StateOfModule(1), STATE),
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
    (PresentValue(0), Parameter("tensor", ONE, False, False)),
    (UseOfModel(0), USE),
    (ArgumentNames(), ["x", "mean"]),
    (SharedParameters(0, 0), ["weight"]),
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
    (StateOfModule(1), None),
    (ArgumentNames(), None),
    (ArgumentNames(), ["x"] * 10_000),
    (SharedParameters(0, 0), ["x" * 10_000]),
    (StateOfModule(1), replace(STATE, with_graph=["x"] * 10_000)),
    (StateOfModule(1), replace(STATE, with_graph=["x" * 10_000])),
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


class Talk:
    """A conversation with a learner's side of this process, which counts what is said."""

    def __init__(self, definition: Any) -> None:
        self.gone: LearnerGone | None = None
        self.messages = 0
        self.side = InProcess("code", definition)

    def exchange(self, order: dict[str, Any], action: str) -> dict[str, Any]:
        self.messages += 1
        order, self.action = wire.decode(*split(wire.encode(order))), action
        try:
            return {"answers": self.side.perform(order["requests"])}
        except LearnerError as error:
            return {"raised": Raised(**{name: vars(error)[name] for name in vars(RAISED)})}

    def give_up(self, action: str, why: str, out_of_time: bool = False) -> LearnerGone:
        self.gone = LearnerGone(f"{action} {why}.", out_of_time)
        return self.gone


RAISED = Raised("", "", "", None, "")


def split(message: bytes) -> tuple[bytes, bytes]:
    header, _ = wire.lengths(message[: wire.PREFIX.size])
    content = message[wire.PREFIX.size :]
    return content[:header], content[header:]


def far_subject(definition: Any) -> tuple[subject.Subject, Talk]:
    talk = Talk(definition)
    return subject.Subject("code", RemoteLearnerSide(talk, "code")), talk  # type: ignore[arg-type]


def linear() -> torch.nn.Module:
    return torch.nn.Linear(1, 1, bias=False)


def test_what_has_no_answer_travels_with_what_has_one() -> None:
    asked, talk = far_subject(linear)
    weight = torch.full((1, 1), 2.0)
    asked.seed(3)
    instance = asked.construct()
    instance.set_parameters(weight=weight)
    instance.train(False)
    weight.zero_()  # which is the check's own business
    assert talk.messages == 0
    assert instance.call("__call__", torch.ones(1, 1)).tensor == 2.0
    assert talk.messages == 1
    asked.settle()
    assert talk.messages == 1


def test_requests_that_are_asked_together_travel_together() -> None:
    asked, talk = far_subject(linear)
    instance, x = asked.construct(), torch.ones(1, 1, requires_grad=True)
    first, second = instance.calls_at([{"weight": torch.full((1, 1), value)} for value in (2.0, 3.0)], "__call__", x)
    assert (first.tensor.item(), second.tensor.item(), talk.messages) == (2.0, 3.0, 1)
    gradients = asked.together(second.backward(["weight"], torch.ones(1, 1)), second.backward([x], torch.ones(1, 1)))
    assert [one.item() for (one,) in gradients] == [1.0, 3.0]
    assert talk.messages == 2


def test_what_waits_is_done_when_it_is_settled() -> None:
    def broken() -> None:
        raise ValueError("no")

    asked, talk = far_subject(broken)
    asked.construct()
    with pytest.raises(LearnerError, match="ValueError: no"):
        asked.settle()
    assert (talk.messages, talk.action) == (1, "code()")


def test_all_that_is_asked_for_is_named_where_no_answer_comes() -> None:
    asked, talk = far_subject(linear)
    asked.construct().calls(("__call__", torch.ones(1, 1)), ("extra_repr",))
    assert talk.action == "Your forward or your extra_repr"


def test_what_cannot_be_sent_is_told() -> None:
    asked, _ = far_subject(lambda x: x)
    with pytest.raises(LearnerGone, match="could not be asked for"):
        asked.call(object())
    assert asked.is_gone


def test_models_and_tuples_cross_the_wire() -> None:
    asked, _ = far_subject(lambda model, x: (model(x), model(x)))
    model = Model([torch.zeros(2), torch.ones(2)])
    reply = asked.call(model, torch.ones(3))
    assert [part.tensor.tolist() for part in reply.parts] == [[0, 0], [1, 1]]
    used = asked.use_of(model)
    assert [call.args[0].tolist() for call in used.calls] == [[1, 1, 1]] * 2
    assert used.training


@pytest.mark.skipif(sys.platform != "linux", reason="submissions are shut in on Linux alone")
@pytest.mark.parametrize("name", ["negative_elbo", "predict", "BayesianLinear"])
def test_the_sandbox_gives_the_report_that_this_process_gives(name: str, warm: WarmSandbox) -> None:
    (module,) = (module for module in modules_of_the_zoo() if name == module.EXERCISE)
    sources = [next(iter(module.RIGHT.values())), *(wrong.source for wrong in module.WRONG[:20:4])]
    for source in sources:
        program = Program((Block("cell 1", (0,)),), {"cell 1": f"if True:\n{textwrap.indent(source, '    ')}"})
        talk = Conversation(warm.start(LIMITS, LIMITS.seconds, {}), LIMITS.seconds, LIMITS.call_seconds)
        talk.load(program, [name])
        far = run(EXERCISES[name], subject.Subject(name, RemoteLearnerSide(talk, name)), seed=1)
        talk.end()
        with undisturbed():
            near = run(EXERCISES[name], in_process_subject(define(source, name)), seed=1)
        assert [(one.name, one.passed, one.misconception) for one in far.outcomes] == [
            (one.name, one.passed, one.misconception) for one in near.outcomes
        ]
        assert far.message == near.message


LIMITS = Limits(seconds=60.0, call_seconds=30.0)


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmSandbox]:
    with WarmSandbox([]) as ready:
        ready.wait_until_ready()
        yield ready


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

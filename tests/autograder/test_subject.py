"""What crosses the interface: values of every kind, models that are stood in for, and several requests at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bnn_core.autograder.in_process import InProcess, in_process_subject
from bnn_core.autograder.interface import LearnerError, Model, RandomNumber
from bnn_core.autograder.plain_data import MOST_PARTS
from bnn_core.autograder.subject import Subject

OUTPUTS = [torch.full((2,), float(number)) for number in range(3)]


def subject(function: Any) -> Subject:
    return in_process_subject(function)


def use(model: Model, function: Any) -> Any:
    """What a function makes of the model, and what it did with it."""
    asked = subject(function)
    return asked.call(model), asked.use_of(model)


@pytest.mark.parametrize("kind", [tuple, list])
def test_the_parts_of_a_tuple_are_seen(kind: type) -> None:
    x = torch.ones(2, requires_grad=True)
    reply = subject(lambda x: kind([2 * x, 3.0, "text"])).call(x)
    assert (reply.type_name, reply.tensor, reply.requires_grad) == (kind.__name__, None, False)
    first, second, third = reply.parts
    assert torch.equal(first.tensor, torch.full((2,), 2.0))
    assert first.requires_grad
    assert (second.plain, third.plain, third.type_name) == (3.0, None, "str")
    assert torch.equal(first.gradients([x], torch.ones(2))[0], torch.full((2,), 2.0))


def test_parts_are_bounded_and_have_no_parts() -> None:
    reply = subject(lambda: [(1.0, 2.0)] * 1000).call()
    assert len(reply.parts) == MOST_PARTS
    assert not reply.parts[0].parts


def test_a_size_is_no_tuple() -> None:
    reply = subject(lambda: torch.Size([2, 3])).call()
    assert (reply.plain, reply.parts) == ((2, 3), [])


def test_a_model_gives_its_outputs_call_after_call() -> None:
    reply, used = use(Model(OUTPUTS), lambda model: torch.stack([model(torch.ones(1)) for _ in range(4)]))
    assert torch.equal(reply.tensor, torch.stack([*OUTPUTS, OUTPUTS[0]]))
    assert len(used.calls) == 4
    assert all(torch.equal(call.args[0], torch.ones(1)) for call in used.calls)


def test_what_a_model_was_used_for_is_noted() -> None:
    def code(model: nn.Module) -> Tensor:
        first = model(torch.ones(1), 5)
        model.eval()
        with torch.no_grad():
            second = model()
        return first + second

    reply, used = use(Model(OUTPUTS, training=True), code)
    assert [(len(call.args), call.training, call.grad_enabled) for call in used.calls] == [
        (1, True, True),
        (0, False, False),
    ]
    assert used.calls[0].drawn != used.calls[1].drawn
    assert reply.requires_grad
    assert not used.training


def test_a_model_has_parameters_that_train() -> None:
    parameters = {"weight_mean": torch.ones(2), "weight_log_std": torch.zeros(2)}

    def code(model: nn.Module) -> Tensor:
        with torch.no_grad():
            model.weight_mean += 1
        return sum(parameter.sum() for parameter in model.parameters())

    reply, used = use(Model(OUTPUTS, parameters), code)
    assert reply.tensor == 4
    assert reply.requires_grad
    assert torch.equal(used.parameters["weight_mean"], torch.full((2,), 2.0))
    assert torch.equal(used.parameters["weight_log_std"], torch.zeros(2))
    assert torch.equal(parameters["weight_mean"], torch.ones(2))


def test_changing_an_output_changes_no_other_call() -> None:
    reply, _ = use(Model(OUTPUTS[:1]), lambda model: [model().add_(5), model()])
    assert torch.equal(reply.parts[1].tensor, OUTPUTS[0])


def test_the_calls_of_copies_count() -> None:
    import copy

    reply, used = use(Model(OUTPUTS), lambda model: torch.stack([copy.deepcopy(model)() for _ in range(3)]))
    assert torch.equal(reply.tensor, torch.stack(OUTPUTS))
    assert len(used.calls) == 3


def test_a_seeded_model_draws_the_same() -> None:
    def code(model: nn.Module) -> None:
        for _ in range(2):
            torch.manual_seed(0)
            model()

    _, used = use(Model(OUTPUTS), code)
    assert used.calls[0].drawn == used.calls[1].drawn


def test_a_model_in_double_gives_doubles() -> None:
    reply, used = use(Model(OUTPUTS).double(), lambda model: model())
    assert reply.dtype == torch.float64
    assert used.parameters["weight"].dtype == torch.float64


def test_one_model_is_one_object_for_several_calls() -> None:
    asked, model = subject(lambda model: model()), Model(OUTPUTS)
    assert [asked.call(model).tensor[0].item() for _ in range(2)] == [0, 1]
    assert len(asked.use_of(model).calls) == 2
    assert asked.call(Model(OUTPUTS)).tensor[0] == 0


def test_several_requests_stop_at_the_first_that_raises() -> None:
    calls = []

    class Counter:
        def add(self, number: float) -> float:
            calls.append(number)
            return 1 / number

    instance = subject(Counter).construct()
    assert [reply.plain for reply in instance.calls(("add", 1.0), ("add", 2.0))] == [1.0, 0.5]
    with pytest.raises(LearnerError, match="Your add raised ZeroDivisionError"):
        instance.calls(("add", 4.0), ("add", 0.0), ("add", 8.0))
    assert calls == [1.0, 2.0, 4.0, 0.0]


def test_a_method_is_called_at_several_values_of_the_parameters() -> None:
    instance = subject(lambda: nn.Linear(1, 1, bias=False)).construct()
    points = [{"weight": torch.full((1, 1), value)} for value in (2.0, 3.0)]
    assert [reply.tensor.item() for reply in instance.calls_at(points, "__call__", torch.ones(1, 1))] == [2.0, 3.0]


def test_seeding_reaches_all_generators() -> None:
    import random

    import numpy as np

    def code() -> float:
        return random.random() + np.random.rand() + torch.rand(()).item()

    asked = subject(code)
    drawn = []
    for seed in (3, 3, 4):
        asked.seed(seed)
        drawn.append((asked.call().plain, asked.random_number()))
    assert drawn[0] == drawn[1] != drawn[2]
    torch.manual_seed(3)
    torch.rand(())
    assert InProcess("code", code).perform([RandomNumber()])[0] == pytest.approx(drawn[0][1])


def test_tensors_in_a_dict_are_arguments_of_their_own() -> None:
    weight, bias = torch.ones(2, requires_grad=True), torch.zeros(2)
    asked = subject(lambda parameters, factor: factor * parameters["weight"] + parameters["bias"].add_(1))
    reply = asked.call({"weight": weight, "bias": bias}, 3.0)
    assert torch.equal(reply.tensor, torch.full((2,), 4.0))
    assert torch.equal(reply.gradients([weight], torch.ones(2))[0], torch.full((2,), 3.0))
    assert torch.equal(asked.present_value(bias).value, torch.ones(2))
    assert torch.equal(bias, torch.zeros(2))

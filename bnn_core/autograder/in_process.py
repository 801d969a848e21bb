"""The learner's side of the interface: performs requests on the learner's own object.

Here the object lives in this process; a grading process may run the very same code behind a pipe. This module knows
no exercise, no check and no expected value, and imports nothing of the course but the interface and what serves it.
"""

from __future__ import annotations

import contextlib
import inspect
import random
from collections.abc import Callable, Sequence
from functools import singledispatchmethod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnn_core.autograder.interface import (
    Argument,
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
    ModelUse,
    ModuleState,
    Parameter,
    ParameterNamed,
    PresentValue,
    RandomNumber,
    Request,
    Sample,
    Seed,
    SetArgument,
    SetParameters,
    SharedParameters,
    StateOfModule,
    TorchFunction,
    Train,
    TrainableNames,
    UseOfModel,
    Value,
)
from bnn_core.autograder.plain_data import (
    MOST_PARTS,
    description,
    description_of_leaf,
    kind_of,
    plain_copy,
    shown,
)
from bnn_core.autograder.stand_in import StandIn, gradients_are_given, with_graph
from bnn_core.autograder.subject import Subject
from bnn_core.autograder.surroundings import dicts_kept, settings_kept, uninitialised_memory_shown
from bnn_core.autograder.whose_code import is_stub, learner_line, made_elsewhere

MOST_ARGUMENTS = 16


def in_process_subject(definition: Any, name: str | None = None) -> Subject:
    """The subject for a class or function of this process.

    name: the exercise's, where it isn't the definition's own.
    """
    if name is None:
        name = str(getattr(definition, "__name__", type(definition).__name__))
    return Subject(name, InProcess(name, definition))


class InProcess:
    """Performs requests on `definition`, the learner's class or function.

    It works on the device where the learner works: that of an object's parameters, or else the default device of the
    moment at which this was made. What comes back lies on the CPU.
    """

    gone: LearnerError | None = None  # this process is the checks' own

    def __init__(self, name: str, definition: Any) -> None:
        self.name = name
        self.definition = definition
        self._default_device = torch.get_default_device()
        self._objects: dict[int, Any] = {}
        self._values: dict[int, Any] = {}
        self._arguments: dict[int, Any] = {}
        self._answer_to = self._answer  # bound once, since that takes longer than many a request

    def perform(self, requests: Sequence[Request[Any]]) -> list[Any]:
        """Perform requests, one after the other. Raises LearnerError where the learner's code raised."""
        return [self._perform(request) for request in requests]

    def settle(self) -> None:
        """Nothing waits here."""

    def _perform(self, request: Request[Any]) -> Any:
        try:
            with torch.enable_grad(), self._where_the_learner_works(), settings_kept():
                return self._answer_to(request)
        except LearnerError:
            raise
        except (Exception, SystemExit) as error:
            raise self._learner_error(request, error) from None

    @singledispatchmethod
    def _answer(self, request: Request[Any]) -> Any:
        raise TypeError(f"nobody knows what {type(request).__name__} asks for")

    # What can be asked for, in the order of the interface.

    @_answer.register
    def _seed(self, request: Seed) -> None:
        if self._default_device.type == "cpu" and not torch.cuda.is_initialized():
            torch.default_generator.manual_seed(request.seed)  # without torch.manual_seed's note for devices to come
        else:
            torch.manual_seed(request.seed)
        np.random.seed(request.seed % 2**32)
        random.seed(request.seed)

    @_answer.register
    def _random_number(self, request: RandomNumber) -> float:
        return torch.rand(()).item()

    @_answer.register
    def _construct(self, request: Construct) -> None:
        with uninitialised_memory_shown():
            instance = self.definition(*self._unpack(request.args, None), **self._unpack(request.kwargs, None))
        if package := made_elsewhere(instance, self.name):
            raise TypeError(f"it gives an object of {package}'s class; write your own")
        self._objects[request.object] = instance

    @_answer.register
    def _is_module(self, request: IsModule) -> bool:
        return isinstance(self._objects[request.object], nn.Module)

    @_answer.register
    def _call(self, request: Call) -> Value:
        function, args, kwargs = self._prepared(request)
        with dicts_kept(args):
            value = function(*args, **kwargs)
        return self._kept(request.value, value)

    @_answer.register
    def _sample(self, request: Sample) -> Tensor:
        function, args, kwargs = self._prepared(request)
        with torch.no_grad():
            values = torch.stack([function(*args, **kwargs) for _ in range(request.count)])
        return plain_copy(values)

    @_answer.register
    def _attribute(self, request: Attribute) -> Value:
        return self._kept(request.value, getattr(self._objects[request.object], request.name))

    @_answer.register
    def _parameter(self, request: ParameterNamed) -> Parameter | None:
        instance = self._objects[request.object]
        value = getattr(instance, request.name, None)
        if value is None:
            return None
        if not isinstance(value, Tensor):
            return Parameter(type(value).__name__, None, False, False)
        return description_of_leaf(value, kind_of(value, instance))

    @_answer.register
    def _trainable_names(self, request: TrainableNames) -> list[str]:
        instance = self._objects[request.object]
        aliases = {id(getattr(instance, name, None)): name for name in request.known}
        parameters = dict(instance.named_parameters()) if isinstance(instance, nn.Module) else {}
        trainable = {name: value for name, value in parameters.items() if value.requires_grad}
        return [aliases.get(id(value), name) for name, value in trainable.items()]

    @_answer.register
    def _set_parameters(self, request: SetParameters) -> None:
        with torch.no_grad():
            for name, value in request.values.items():
                self._find(request.object, name).copy_(value)

    @_answer.register
    def _give_gradients(self, request: GiveGradients) -> None:
        for parameter in self._objects[request.object].parameters():
            parameter.grad = torch.ones_like(parameter)

    @_answer.register
    def _state_of_module(self, request: StateOfModule) -> ModuleState:
        module: nn.Module = self._objects[request.object]
        return ModuleState(bool(module.training), gradients_are_given(module), with_graph(module))

    @_answer.register
    def _train(self, request: Train) -> None:
        self._objects[request.object].train(request.mode)

    @_answer.register
    def _convert(self, request: Convert) -> None:
        self._objects[request.object].to(getattr(torch, request.dtype))

    @_answer.register
    def _present_value(self, request: PresentValue) -> Parameter:
        return description_of_leaf(self._arguments[request.argument], "tensor")

    @_answer.register
    def _argument_names(self, request: ArgumentNames) -> list[str]:
        arguments = inspect.signature(self.definition).parameters.values()
        takes_any = any(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in arguments)
        return [] if takes_any else [one.name for one in arguments][:MOST_ARGUMENTS]

    @_answer.register
    def _shared_parameters(self, request: SharedParameters) -> list[str]:
        value = self._values[request.value]
        parts = value[:MOST_PARTS] if isinstance(value, tuple | list) else [value]
        memory = {part.untyped_storage().data_ptr() for part in parts if isinstance(part, Tensor) and part.numel()}
        parameters = self._arguments[request.argument].named_parameters()
        return [name for name, one in parameters if one.untyped_storage().data_ptr() in memory]

    @_answer.register
    def _use_of_model(self, request: UseOfModel) -> ModelUse:
        model: StandIn = self._arguments[request.argument]
        parameters = {name: plain_copy(value) for name, value in model.named_parameters()}
        frozen = [name for name, value in model.named_parameters() if not value.requires_grad]
        return ModelUse(list(model.record.calls), model.training, parameters, frozen, model.has_its_gradients())

    @_answer.register
    def _set_argument(self, request: SetArgument) -> None:
        with torch.no_grad():
            self._arguments[request.argument].copy_(request.tensor)

    @_answer.register
    def _gradients(self, request: Gradients) -> list[Tensor | None]:
        output, cotangent = self._values[request.value], request.cotangent
        output = output if request.part is None else output[request.part]
        inputs: list[Tensor] = [
            self._arguments[item] if isinstance(item, int) else self._find(request.object, item) for item in request.wrt
        ]
        able = [item for item in inputs if item.requires_grad]
        if not (output.requires_grad and able):
            return [None] * len(inputs)
        cotangent = None if cotangent is None else cotangent.to(output.device)
        if cotangent is not None and request.target is not None:
            cotangent = cotangent * (output.detach() - request.target.to(output.device))
        found = torch.autograd.grad(output, able, cotangent, retain_graph=True, allow_unused=True)
        by_input = {id(item): gradient for item, gradient in zip(able, found, strict=True)}
        gradients = [by_input.get(id(item)) for item in inputs]
        return [None if gradient is None else plain_copy(gradient) for gradient in gradients]

    # How it is done.

    def _where_the_learner_works(self) -> contextlib.AbstractContextManager[object]:
        """The default device is the learner's; where it is the CPU nothing is done, for it would slow every call."""
        return contextlib.nullcontext() if self._default_device.type == "cpu" else self._default_device

    def _device_for(self, object: int | None) -> torch.device:
        """Where a tensor must lie that is handed to this object, or to the definition itself."""
        instance = None if object is None else self._objects[object]
        parameters = instance.parameters() if isinstance(instance, nn.Module) else iter(())
        return next((parameter.device for parameter in parameters), self._default_device)

    def _prepared(self, request: Call | Sample) -> tuple[Callable[..., Any], Any, Any]:
        """What is to be called, and with what."""
        return (
            self._function(request.object, request.method),
            self._unpack(request.args, request.object),
            self._unpack(request.kwargs, request.object),
        )

    def _function(self, object: int | None, method: str | None) -> Callable[..., Any]:
        if object is None:
            function: Callable[..., Any] = self.definition
            return function
        instance = self._objects[object]
        if method == "__call__":
            caller: Callable[..., Any] = instance
            return caller
        bound: Callable[..., Any] = getattr(instance, method or "")
        return bound

    def _find(self, object: int | None, name: str) -> Tensor:
        """A parameter by the name of the attribute, or by its dotted name."""
        instance = None if object is None else self._objects[object]
        if "." in name and isinstance(instance, nn.Module):
            return instance.get_parameter(name)
        found: Tensor = getattr(instance, name)
        return found

    def _unpack(self, item: Any, object: int | None) -> Any:
        """What the learner's code is given: each argument is a fresh copy of its own, made once per run."""
        if isinstance(item, Argument):
            if item.key not in self._arguments:
                self._arguments[item.key] = self._made(item, self._device_for(object))
            return self._arguments[item.key]
        if isinstance(item, TorchFunction):
            return getattr(torch, item.name, None) or getattr(F, item.name)
        if isinstance(item, dict):
            return {name: self._unpack(value, object) for name, value in item.items()}
        if isinstance(item, list | tuple):
            return type(item)(self._unpack(value, object) for value in item)
        return item

    def _made(self, argument: Argument, device: torch.device) -> Tensor | StandIn:
        if isinstance(argument.content, Model):
            return StandIn(argument.content).to(device)
        return argument.content.to(device, copy=True).requires_grad_(argument.requires_grad)

    def _kept(self, number: int, value: Any) -> Value:
        self._values[number] = value
        return description(value)

    def _learner_error(self, request: Request[Any], error: BaseException) -> LearnerError:
        line, source = learner_line(error)
        message = shown(error)
        if isinstance(error, NotImplementedError) and not message and not is_stub(error):
            message = "the line that raises it is still there, beside what you wrote; delete it"
        return LearnerError(request.action(self.name), type(error).__name__, message, line, source)

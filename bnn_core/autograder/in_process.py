"""The learner's side of the interface: performs requests on the learner's own object.

Here the object lives in this process; a grading process may run the very same code behind a pipe. This module knows
no exercise, no check and no expected value, and imports nothing of the course but the interface.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import linecache
import os
import random
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import singledispatchmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution

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
    ModelCall,
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
from bnn_core.autograder.subject import Subject

LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platlib", "purelib")})
OWN_FILES = str(Path(__file__).parents[1]) + os.sep
LONGEST_MESSAGE = 300
MOST_PARTS = 8
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
        if package := _of_elsewhere(instance, self.name):
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


class Record:
    """The calls of a model, and of all copies that are made of it."""

    def __init__(self) -> None:
        self.calls: list[ModelCall] = []

    def __deepcopy__(self, memo: object) -> Record:
        return self


class StandIn(nn.Module):
    """What the learner's code is given for a `Model`."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.record = Record()
        for number, output in enumerate(model.outputs):
            self.register_buffer(f"output_{number}", output.clone(), persistent=False)
        for name, value in model.parameters.items():
            self.register_parameter(name, nn.Parameter(value.clone()))
            self.get_parameter(name).grad = torch.ones_like(value)
        self._given = model.parameters
        self._count = len(model.outputs)
        self.train(model.training)

    def has_its_gradients(self) -> bool:
        """Whether these are the ones that it was made with, which are all 1."""
        return gradients_are_given(self)

    def forward(self, *args: Any) -> Tensor:
        calls, grad_enabled = self.record.calls, torch.is_grad_enabled()
        output = self.get_buffer(f"output_{len(calls) % self._count}").clone()
        tensors = [plain_copy(item) for item in args if isinstance(item, Tensor)]
        own = all(torch.equal(plain_copy(value), self._given[name]) for name, value in self.named_parameters())
        calls.append(ModelCall(tensors, self.training, grad_enabled, torch.rand(()).item(), own))
        if grad_enabled:  # as through any model, its parameters are in the graph
            output = output + sum(0 * value.sum() for value in self.parameters())
        return output


def gradients_are_given(module: nn.Module) -> bool:
    """Whether each parameter has a gradient whose elements are all 1, as those are that checks give."""
    gradients = [value.grad for value in module.parameters()]
    return all(gradient is not None and bool((gradient == 1).all()) for gradient in gradients)


def with_graph(module: nn.Module) -> list[str]:
    """The first few attributes of the module that can't be copied, since they hold what was computed with its graph."""
    found = []
    for name, value in {**vars(module), **dict(module.named_buffers(recurse=False))}.items():
        if name in ("_buffers", "_parameters", "_modules"):
            continue
        try:
            copy.deepcopy(value)
        except RuntimeError:
            found.append(name)
        except Exception:  # which has other reasons
            continue
    return found[:MOST_PARTS]


def description_of_leaf(value: Tensor, kind: str) -> Parameter:
    """What a tensor is from which gradients may be asked for."""
    return Parameter(kind, plain_copy(value), value.requires_grad, value.is_leaf and value.grad is not None)


@contextlib.contextmanager
def uninitialised_memory_shown() -> Iterator[None]:
    """Within this, what torch.empty leaves unfilled is NaN, and not what happened to lie there."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    # torch.use_deterministic_algorithms would import the compiler, which takes longer than all checks together.
    torch._C._set_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch._C._set_deterministic_algorithms(before[0], warn_only=before[1])


class DictChangedError(Exception):
    """Raised for code that changes a dict that it was given."""


@contextlib.contextmanager
def dicts_kept(args: Sequence[Any]) -> Iterator[None]:
    """Raise DictChangedError where one of these that is a dict holds other entries after what is run within this."""
    given = [(item, dict(item)) for item in args if isinstance(item, dict)]
    yield
    for now, before in given:
        if list(now) != list(before) or any(now[name] is not value for name, value in before.items()):
            raise DictChangedError("the dict that it was given isn't what it was")


class SettingsChangedError(Exception):
    """Raised for code that leaves other global settings of torch's than it found."""


@contextlib.contextmanager
def settings_kept() -> Iterator[None]:
    """Raise SettingsChangedError where what is run within this leaves other settings, and put them back."""
    dtype = torch.get_default_dtype()
    yield
    changed = [] if torch.is_grad_enabled() else ["gradients are switched off"]
    if torch.get_default_dtype() != dtype:
        changed.append(f"the default dtype is {torch.get_default_dtype()}")
        torch.set_default_dtype(dtype)
    if changed:
        raise SettingsChangedError(f"after it, {' and '.join(changed)} for the whole program")


def is_stub(error: BaseException) -> bool:
    """Whether the function that raised does nothing else, as an exercise's stub."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is None or set(last.tb_frame.f_code.co_names) <= {"NotImplementedError", "super", "__init__"}


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """Run something as if the process were new: on the CPU, in float32, with gradients and without autocast. What was
    compiled runs uncompiled, whose graphs can be asked for gradients twice; and all of it on one thread, since the
    tensors are too small to be worth the waiting for another.
    """
    device, dtype = torch.get_default_device(), torch.get_default_dtype()
    with contextlib.ExitStack() as stack:
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)
        stack.callback(torch.set_default_dtype, dtype)
        stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        stack.enter_context(torch.inference_mode(False))
        for kind in {"cpu", device.type}:
            if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        else:  # which takes long to load, and as yet nothing has been compiled
            stack.callback(setattr, torch, "compile", torch.compile)
            torch.compile = uncompiled
        stack.callback(Distribution.set_default_validate_args, Distribution._validate_args)
        Distribution.set_default_validate_args(True)  # which loading the compiler turns off
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
        yield


def uncompiled(model: Any = None, **options: Any) -> Any:
    """In place of torch.compile, the code as it is."""
    return model if model is not None else lambda model: model


def shown(error: BaseException) -> str:
    """What the exception says, in one line, which may be shortened."""
    try:
        message = " ".join(str(error).split())
    except BaseException:  # the exception is the learner's, and so is its __str__
        return "an exception that can't be shown"
    return message if len(message) <= LONGEST_MESSAGE else message[:LONGEST_MESSAGE] + " …"


def plain_value(value: Any) -> bool | float | list[int] | None:
    """A number, a truth value or a size; None for anything else."""
    if isinstance(value, torch.Size):
        return list(value)
    if isinstance(value, bool):
        return value
    return float(value) if isinstance(value, int | float) else None


def description(value: Any, parts: int = MOST_PARTS) -> Value:
    """What a value is; of a tuple or a list, what its elements are, which themselves have no parts."""
    is_tensor = isinstance(value, Tensor)
    elements = value[:parts] if isinstance(value, tuple | list) and not isinstance(value, torch.Size) else ()
    return Value(
        type(value).__name__,
        plain_copy(value) if is_tensor else None,
        plain_value(value),
        bool(is_tensor and value.requires_grad),
        [description(element, 0) for element in elements],
    )


def plain_copy(value: Tensor) -> Tensor:
    """A detached copy on the CPU, an ordinary tensor whatever subclass it came as."""
    if value.is_meta:
        raise TypeError("it gives a tensor on the meta device, which holds no numbers")
    return value.detach().to("cpu", copy=True).as_subclass(Tensor)


def kind_of(value: Tensor, instance: Any) -> str:
    """ "parameter", "buffer", or, where the module doesn't know it, "unregistered parameter" or "tensor"."""
    if isinstance(instance, nn.Module):
        if any(value is parameter for parameter in instance.parameters()):
            return "parameter"
        if any(value is buffer for buffer in instance.buffers()):
            return "buffer"
    if isinstance(value, nn.Parameter):
        return "unregistered parameter"
    return "tensor"


def learner_line(error: BaseException) -> tuple[int | None, str]:
    """The number and the text of the last line of the learner's own code that the error passed through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith((*LIBRARIES, OWN_FILES)):
            return frame.lineno, (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
    return None, ""


def written_elsewhere(definition: Any, name: str) -> str | None:
    """The package that an answer to the exercise comes from, where it isn't the learner's own; None where it is.

    It isn't where a package's class or function is taken as it is, nor where a class inherits from one of the
    exercise's name, or from the course's.
    """
    family = inspect.getmro(definition) if inspect.isclass(definition) else (definition,)
    for member in family:
        module = str(getattr(member, "__module__", None) or "")
        package = module.partition(".")[0]
        taken_over = member is definition or getattr(member, "__name__", None) == name
        if package == "bnn_core" or (taken_over and _is_definition(member) and _is_installed(module)):
            return package
    return None


def _of_elsewhere(instance: Any, name: str) -> str | None:
    """The package whose class of the exercise's name an object is of; None where it is of none such."""
    for member in inspect.getmro(type(instance)):
        package = member.__module__.partition(".")[0]
        if member.__name__ == name and (package == "bnn_core" or _is_installed(member.__module__)):
            return package
    return None


def _is_definition(value: Any) -> bool:
    """Whether it says itself where it was written; other things that can be called may be a library's, about code of
    the learner's.
    """
    return inspect.isclass(value) or inspect.isfunction(value) or inspect.isbuiltin(value)


def _is_installed(module: str) -> bool:
    file = getattr(sys.modules.get(module), "__file__", None)
    return module in sys.builtin_module_names or (isinstance(file, str) and file.startswith(LIBRARIES))

"""How checks reach a learner's code.

A check sees the learner's definition as a `Subject`: it calls it, builds instances of it, sets their parameters and
asks for gradients, all by requests to a `LearnerSide`, so that the learner's code may run in this process or in another
one without a change to any check. This module knows no exercise, no check and no expected value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from bnn_core.autograder.interface import (
    A,
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
    LearnerSide,
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
    Train,
    TrainableNames,
    UseOfModel,
    Value,
)


class Reply:
    """What a call of the learner's code returned: the fields of its `Value`; its parts are replies themselves."""

    def __init__(
        self, subject: Subject, instance: int | None, handle: int, value: Value, part: int | None = None
    ) -> None:
        self._subject = subject
        self._instance = instance
        self._handle = handle
        self._part = part
        self.type_name = value.type_name
        self.tensor = value.tensor
        self.plain = tuple(value.plain) if isinstance(value.plain, list) else value.plain
        self.requires_grad = value.requires_grad
        self.parts = [Reply(subject, instance, handle, one, number) for number, one in enumerate(value.parts)]

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of its value, or of the first of its parts; float32 where that is no tensor."""
        if self.parts:
            return self.parts[0].dtype
        return torch.float32 if self.tensor is None else self.tensor.dtype

    def gradients(self, wrt: Sequence[str | Tensor], cotangent: Tensor | None = None) -> list[Tensor | None]:
        """The gradients of Σ cotangent·value for parameters (by name) and arguments (the tensors passed in).

        None stands for "no gradient arrives there". A scalar value needs no cotangent.
        """
        return self._subject.perform(self.backward(wrt, cotangent))

    def shared_parameters(self, model: Model) -> list[str]:
        """Which of the model's parameters it shares its memory with."""
        return self._subject.perform(SharedParameters(self._handle, self._subject.key(model)))

    def backward(self, wrt: Sequence[str | Tensor], cotangent: Tensor | None = None) -> Gradients:
        """The request for these gradients."""
        keys = [item if isinstance(item, str) else self._subject.key(item) for item in wrt]
        return Gradients(self._instance, self._handle, self._part, cotangent, keys)


class Instance:
    """An object that the learner's class built."""

    def __init__(self, subject: Subject, handle: int) -> None:
        self._subject = subject
        self._handle = handle

    @property
    def is_module(self) -> bool:
        return self._subject.perform(IsModule(self._handle))

    def call(self, method: str, *args: Any, **kwargs: Any) -> Reply:
        """Call a method; "__call__" calls the object itself."""
        return self._subject.replies(self.asking(method, *args, **kwargs))[0]

    def calls(self, *calls: tuple[Any, ...]) -> list[Reply]:
        """Several calls, one after the other, each a method and its arguments."""
        return self._subject.replies(*(self.asking(method, *args) for method, *args in calls))

    def calls_at(self, points: Sequence[Mapping[str, Tensor]], method: str, *args: Any) -> list[Reply]:
        """A call of the same method at each of several values of the parameters."""
        requests: list[Request[Any]] = []
        for point in points:
            requests += [SetParameters(self._handle, dict(point)), self.asking(method, *args)]
        return self._subject.replies(*requests)

    def asking(self, method: str, *args: Any, **kwargs: Any) -> Call:
        """The request for a call."""
        return Call(self._handle, method, *self._subject.pack(args, kwargs), self._subject.new_number())

    def sample(self, count: int, method: str, *args: Any, **kwargs: Any) -> Tensor:
        """The values of `count` calls, stacked along a new first dimension. All must be tensors of one shape."""
        return self._subject.perform(Sample(self._handle, method, *self._subject.pack(args, kwargs), count))

    def attribute(self, name: str) -> Reply:
        """An attribute's value (a property is computed)."""
        return self._subject.replies(Attribute(self._subject.new_number(), self._handle, name))[0]

    def parameters(self, *names: str) -> list[Parameter | None]:
        """What the attributes of these names are; None stands for one that isn't there."""
        return self._subject.together(*(ParameterNamed(self._handle, name) for name in names))

    def trainable_names(self, known: Sequence[str] = ()) -> list[str]:
        """The names of all trainable parameters, each by its name in `known` where that name reaches it."""
        return self._subject.perform(TrainableNames(self._handle, list(known)))

    def set_parameters(self, **values: Tensor) -> None:
        """Give parameters new values, in place."""
        self._subject.perform(SetParameters(self._handle, values))

    def give_gradients(self) -> None:
        """Give each parameter a gradient, as after a backward pass."""
        self._subject.perform(GiveGradients(self._handle))

    def state(self) -> ModuleState:
        """Its mode, and what calls have left in it."""
        return self._subject.perform(StateOfModule(self._handle))

    def train(self, mode: bool = True) -> None:
        """Switch between training and evaluation, as `nn.Module.train` does."""
        self._subject.perform(Train(self._handle, mode))

    def to(self, dtype: torch.dtype) -> None:
        """Convert the module's parameters and buffers."""
        self._subject.perform(Convert(self._handle, str(dtype).removeprefix("torch.")))


class Subject:
    """The learner's definition, a class or a function, as checks see it."""

    def __init__(self, name: str, learner_side: LearnerSide) -> None:
        self.name = name
        self._learner_side = learner_side
        self._arguments: list[Tensor | Model] = []
        self._numbers = 0

    @property
    def gone(self) -> LearnerError | None:
        """What ended the learner's process; None while there is somebody to ask."""
        return self._learner_side.gone

    @property
    def is_gone(self) -> bool:
        return self.gone is not None

    def perform(self, request: Request[A]) -> A:
        answer: A = self._learner_side.perform([request])[0]
        return answer

    def together(self, *requests: Request[A]) -> list[A]:
        """The answers to requests of which none depends on another's answer."""
        return self._learner_side.perform(requests)

    def settle(self) -> None:
        """Have everything done that was asked for. Raises LearnerError where that raises."""
        self._learner_side.settle()

    def replies(self, *requests: Request[Any]) -> list[Reply]:
        """The replies to those of the requests that are calls, or ask for an attribute."""
        return [
            Reply(self, request.object, request.value, answer)
            for request, answer in zip(requests, self.together(*requests), strict=True)
            if isinstance(request, Call | Attribute)
        ]

    def new_number(self) -> int:
        """A number by which an object or a value will be known."""
        self._numbers += 1
        return self._numbers

    def key(self, argument: Tensor | Model) -> int:
        """The number under which the learner's side knows this argument."""
        for key, known in enumerate(self._arguments):
            if known is argument:
                return key
        self._arguments.append(argument)
        return len(self._arguments) - 1

    def pack(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Arguments as they cross the interface: tensors and models become `Argument`s, those in a dict too;
        everything else stays.
        """
        return [self._pack(item) for item in args], {name: self._pack(item) for name, item in kwargs.items()}

    def _pack(self, item: Any) -> Any:
        if isinstance(item, Tensor):
            return Argument(self.key(item), item.detach(), item.requires_grad)
        if isinstance(item, Model):
            return Argument(self.key(item), item)
        if isinstance(item, dict):
            return {name: self._pack(value) for name, value in item.items()}
        return tuple(item) if isinstance(item, torch.Size) else item

    def seed(self, seed: int) -> None:
        """Seed every global random generator on the learner's side."""
        self.perform(Seed(seed))

    def random_number(self) -> float:
        """The next number of torch's global random generator on the learner's side."""
        return self.perform(RandomNumber())

    def construct(self, *args: Any, **kwargs: Any) -> Instance:
        """Build an instance of the learner's class."""
        handle = self.new_number()
        self.perform(Construct(handle, *self.pack(args, kwargs)))
        return Instance(self, handle)

    def call(self, *args: Any, **kwargs: Any) -> Reply:
        """Call the learner's function."""
        return self.replies(Call(None, None, *self.pack(args, kwargs), self.new_number()))[0]

    def sample(self, count: int, *args: Any, **kwargs: Any) -> Tensor:
        """The values of `count` calls of the learner's function, stacked along a new first dimension."""
        return self.perform(Sample(None, None, *self.pack(args, kwargs), count))

    def present_value(self, argument: Tensor) -> Parameter:
        """An argument as the learner's side now holds it; it differs from what was sent if code changed it."""
        return self.perform(PresentValue(self.key(argument)))

    def use_of(self, model: Model) -> ModelUse:
        """What the learner's code has done with a model that it was given."""
        return self.perform(UseOfModel(self.key(model)))

    def argument_names(self) -> list[str]:
        """What the arguments of the learner's function are called; nothing where it takes any."""
        return self.perform(ArgumentNames())

    def set_argument(self, argument: Tensor, value: Tensor) -> None:
        """Give an argument that was sent a new value, in place, on the learner's side."""
        self.perform(SetArgument(self.key(argument), value))

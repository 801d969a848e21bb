"""What crosses the interface between checks and a learner's code: requests, their answers, and what is handed over.

They are dataclasses that hold plain numbers, strings and tensors alone, so that the learner's code may run in this
process or in another one. This module knows no exercise, no check and no expected value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import NoneType
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

A = TypeVar("A")

_OTHER_ARGUMENTS = re.compile(
    r"\(\) (missing \d+ required|takes .*argument|got an unexpected keyword|got multiple values)"
)
"""In what Python says of a call that doesn't fit the definition."""


class LearnerError(Exception):
    """The learner's code raised. Holds what was asked of it, and what it raised, where."""

    def __init__(self, action: str, type_name: str, message: str, line: int | None = None, source: str = "") -> None:
        self.action = action
        self.type_name = type_name
        self.message = message
        self.line = line
        self.source = source
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        """One sentence for the learner: what was called, what it raised, and the line of theirs."""
        place = f"\nThe line: {self.source}" if self.source else ""
        said = f": {self.message}" if self.message else ""
        return f"{self.action} raised {self.type_name}{said}{place}"

    @property
    def is_stub(self) -> bool:
        """Whether it is the bare `raise NotImplementedError` of an exercise that nobody has written yet."""
        return self._is_bare and ("NotImplementedError" in self.source if self.source else self.line is not None)

    @property
    def is_of_base_class(self) -> bool:
        """Whether a base class of torch's answered, for a method that the learner's class doesn't have."""
        return self._is_bare and not self.is_stub

    @property
    def takes_other_arguments(self) -> bool:
        """Whether what was called takes other arguments than it was given: none of its own lines ran."""
        return self.type_name == "TypeError" and self.line is None and bool(_OTHER_ARGUMENTS.search(self.message))

    @property
    def _is_bare(self) -> bool:
        return self.type_name == "NotImplementedError" and not self.message


# What the learner's code is given.


@dataclass(frozen=True)
class TorchFunction:
    """A function of `torch` that crosses the interface by its name, such as "relu" or "tanh"."""

    name: str


@dataclass(frozen=True)
class Model:
    """A model to hand to the learner's code. Call after call it gives these outputs, whatever it is called with, and
    begins again after the last one; each call takes a number from torch's global random generator, as drawing would.

    parameters: what it trains, by name. training: the mode that it is in.
    """

    outputs: list[Tensor]
    parameters: dict[str, Tensor] = field(default_factory=lambda: {"weight": torch.ones(1)})
    training: bool = True

    def double(self) -> Model:
        """The same in float64."""
        parameters = {name: value.double() for name, value in self.parameters.items()}
        return replace(self, outputs=[output.double() for output in self.outputs], parameters=parameters)


@dataclass(frozen=True)
class Argument:
    """A tensor or a model on its way to the learner's code; by `key` what became of it is asked for."""

    key: int
    content: Tensor | Model
    requires_grad: bool = False


# What the learner's side answers.


@dataclass(frozen=True)
class Value:
    """What a call returned. tensor: a detached copy, where it is a tensor; plain: its value, where it is a number, True
    or False, or a torch.Size; parts: of a tuple or a list, each of its elements.
    """

    type_name: str
    tensor: Tensor | None
    plain: bool | float | list[int] | None
    requires_grad: bool
    parts: list[Value]


@dataclass(frozen=True)
class Parameter:
    """What an attribute of the learner's object is; `kind`: "parameter", "buffer", "tensor", or its type's name."""

    kind: str
    value: Tensor | None
    requires_grad: bool
    has_gradient: bool

    @property
    def trains(self) -> bool:
        """Whether an optimiser would find it and change it."""
        return self.kind == "parameter" and self.requires_grad


@dataclass(frozen=True)
class ModuleState:
    """What a module holds beside its parameters' values: its mode; whether all parameters have the gradients that
    `GiveGradients` gave them; and which attributes can't be copied, since they hold what was computed with its graph.
    """

    training: bool
    own_gradients: bool
    with_graph: list[str]


@dataclass(frozen=True)
class ModelCall:
    """One call of a model: the tensors it was given, its mode, whether gradients were on, the number that it drew, and
    whether its parameters were those that it came with.
    """

    args: list[Tensor]
    training: bool
    grad_enabled: bool
    drawn: float
    own_parameters: bool


@dataclass(frozen=True)
class ModelUse:
    """What the learner's code did with a model: its calls, the mode that it left it in, what its parameters are now,
    and which of them are frozen, so that they ask for no gradients any more; and whether these still have the gradients
    that they came with.
    """

    calls: list[ModelCall]
    training: bool
    parameters: dict[str, Tensor]
    frozen: list[str]
    own_gradients: bool


@dataclass(frozen=True)
class Raised:
    """The fields of a LearnerError."""

    action: str
    type_name: str
    message: str
    line: int | None
    source: str


# What can be asked for. The asking side chooses the numbers by which objects and values are known.


class Request(Generic[A]):
    """Something to do on the learner's side; A is the type of the answer."""

    def action(self, name: str) -> str:
        """What is asked for, as a learner would write it; name: that of their definition."""
        return f"Your {name}"


@dataclass(frozen=True)
class Seed(Request[None]):
    """Seed every global random generator."""

    seed: int


@dataclass(frozen=True)
class RandomNumber(Request[float]):
    """The next number of torch's global random generator."""


@dataclass(frozen=True)
class Construct(Request[None]):
    """Build an instance of the learner's class."""

    object: int
    args: list[Any]
    kwargs: dict[str, Any]

    def action(self, name: str) -> str:
        return f"{name}({', '.join(repr(item) for item in self.args if not isinstance(item, Argument))})"


@dataclass(frozen=True)
class IsModule(Request[bool]):
    """Whether an object is an nn.Module."""

    object: int


@dataclass(frozen=True)
class _Use(Request[A]):
    """Call a method of an object, or the definition itself; the method "__call__" is the object."""

    object: int | None
    method: str | None
    args: list[Any]
    kwargs: dict[str, Any]

    def action(self, name: str) -> str:
        return f"Your {'forward' if self.method == '__call__' else self.method or name}"


@dataclass(frozen=True)
class Call(_Use[Value]):
    """One call, whose result is known as `value`."""

    value: int


@dataclass(frozen=True)
class Sample(_Use[Tensor]):
    """The results of `count` calls, stacked along a new first dimension."""

    count: int


@dataclass(frozen=True)
class Attribute(Request[Value]):
    """An attribute of an object (a property is computed), known as `value`."""

    value: int
    object: int
    name: str

    def action(self, name: str) -> str:
        return f"Your {self.name}"


@dataclass(frozen=True)
class ParameterNamed(Request[Parameter | None]):
    """What the attribute of this name is."""

    object: int
    name: str


@dataclass(frozen=True)
class TrainableNames(Request[list[str]]):
    """The names of all trainable parameters, each by its name in `known` where that reaches it."""

    object: int
    known: list[str]


@dataclass(frozen=True)
class SetParameters(Request[None]):
    """Give parameters new values, in place."""

    object: int
    values: dict[str, Tensor]

    def action(self, name: str) -> str:
        return "Setting the parameters"


@dataclass(frozen=True)
class GiveGradients(Request[None]):
    """Give each parameter of a module a gradient, whose elements are 1."""

    object: int


@dataclass(frozen=True)
class StateOfModule(Request[ModuleState]):
    """What calls have left in a module."""

    object: int


@dataclass(frozen=True)
class Train(Request[None]):
    """Switch between training and evaluation."""

    object: int
    mode: bool


@dataclass(frozen=True)
class Convert(Request[None]):
    """Convert a module's parameters and buffers to a dtype, given by its name."""

    object: int
    dtype: str

    def action(self, name: str) -> str:
        return f"Converting the layer to {self.dtype}"


@dataclass(frozen=True)
class PresentValue(Request[Parameter]):
    """What a tensor that was handed over is now."""

    argument: int


@dataclass(frozen=True)
class ArgumentNames(Request[list[str]]):
    """The names of the definition's arguments; none where it takes any."""


@dataclass(frozen=True)
class SharedParameters(Request[list[str]]):
    """Which parameters of a model that was handed over a value, or a part of it, shares its memory with."""

    value: int
    argument: int


@dataclass(frozen=True)
class UseOfModel(Request[ModelUse]):
    """What became of a model that was handed over."""

    argument: int


@dataclass(frozen=True)
class SetArgument(Request[None]):
    """Give a tensor that was handed over a new value, in place."""

    argument: int
    tensor: Tensor


@dataclass(frozen=True)
class Gradients(Request[list[Tensor | None]]):
    """The gradients of Σ cotangent·value for parameters of the object, by name, and for arguments, by key.

    target: where it is given, they are those of ½·Σ cotangent·(value − target)².
    """

    object: int | None
    value: int
    part: int | None
    cotangent: Tensor | None
    wrt: list[str | int]
    target: Tensor | None = None

    def action(self, name: str) -> str:
        return "The backward pass"


def answer_type(request: Request[Any]) -> Any:
    """The type of the answer to a request."""
    return type(request).__orig_bases__[0].__args__[0]  # type: ignore[attr-defined]


def has_answer(request: Request[Any]) -> bool:
    """Whether there is something to answer but that it was done."""
    return answer_type(request) is not NoneType


class LearnerSide(Protocol):
    """Where the learner's code runs: performs requests, one after the other, and gives their answers.

    Raises LearnerError where the learner's code raised, and drops the rest. What has no answer, such as building an
    object, may be done as late as when the next answer is asked for, which then raises what that raised; `settle` has
    it done at once. `gone` is the error that ended the learner's process, after which nothing more can be asked; None
    while it lives.
    """

    @property
    def gone(self) -> LearnerError | None: ...

    def perform(self, requests: Sequence[Request[Any]]) -> list[Any]: ...

    def settle(self) -> None: ...

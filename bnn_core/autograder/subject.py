"""The interface through which checks reach a learner's code.

A check sees the learner's definition as a `Subject`: it calls it, builds instances of it, sets their parameters and
asks for gradients. Only plain numbers, strings and tensors cross the interface, as requests and answers of a
`LearnerSide`, so that the learner's code may run in this process or in another one without a change to any check.
This module knows no exercise, no check and no expected value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor


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
    def _is_bare(self) -> bool:
        return self.type_name == "NotImplementedError" and not self.message


@dataclass(frozen=True)
class TorchFunction:
    """A function of `torch` that crosses the interface by its name, such as "relu" or "tanh"."""

    name: str


@dataclass(frozen=True)
class Argument:
    """A tensor on its way to the learner's code; by `key` its gradient or its present value is asked for."""

    key: int
    tensor: Tensor
    requires_grad: bool


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


class LearnerSide(Protocol):
    """Where the learner's code runs: performs one request, a plain dictionary, and gives a plain answer.

    Raises LearnerError where the learner's code raised. `gone` is the error that ended the learner's process, after
    which nothing more can be asked; None while it lives.
    """

    @property
    def gone(self) -> LearnerError | None: ...

    def perform(self, request: dict[str, Any]) -> dict[str, Any]: ...


class Reply:
    """What a call of the learner's code returned.

    `type_name` is the name of its type; `tensor` a detached copy of its value when it is a tensor; `plain` its value
    when it is a number, True or False, or a torch.Size.
    """

    def __init__(self, subject: Subject, instance: int | None, answer: Mapping[str, Any]) -> None:
        self._subject = subject
        self._instance = instance
        self._handle: int = answer["handle"]
        self.type_name: str = answer["type_name"]
        self.tensor: Tensor | None = answer["tensor"]
        plain = answer["plain"]
        self.plain: bool | float | tuple[int, ...] | None = tuple(plain) if isinstance(plain, list) else plain
        self.requires_grad: bool = answer["requires_grad"]

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of its value; float32 where it is no tensor."""
        return torch.float32 if self.tensor is None else self.tensor.dtype

    def gradients(self, wrt: Sequence[str | Tensor], cotangent: Tensor | None = None) -> list[Tensor | None]:
        """The gradients of Σ cotangent·value for parameters (by name) and arguments (the tensors passed in).

        None stands for "no gradient arrives there". A scalar value needs no cotangent.
        """
        request = {
            "op": "gradients",
            "object": self._instance,
            "value": self._handle,
            "cotangent": cotangent,
            "wrt": [item if isinstance(item, str) else self._subject.key(item) for item in wrt],
        }
        gradients: list[Tensor | None] = self._subject.perform(request)["gradients"]
        return gradients


class Instance:
    """An object that the learner's class built."""

    def __init__(self, subject: Subject, answer: Mapping[str, Any]) -> None:
        self._subject = subject
        self._handle: int = answer["handle"]
        self.is_module: bool = answer["is_module"]

    def _perform(self, op: str, **details: Any) -> dict[str, Any]:
        return self._subject.perform({"op": op, "object": self._handle, **details})

    def call(self, method: str, *args: Any, **kwargs: Any) -> Reply:
        """Call a method; "__call__" calls the object itself."""
        packed, named = self._subject.pack(args, kwargs)
        answer = self._perform("call", method=method, args=packed, kwargs=named)
        return Reply(self._subject, self._handle, answer)

    def sample(self, count: int, method: str, *args: Any, **kwargs: Any) -> Tensor:
        """The values of `count` calls, stacked along a new first dimension. All must be tensors of one shape."""
        packed, named = self._subject.pack(args, kwargs)
        answer = self._perform("sample", method=method, args=packed, kwargs=named, count=count)
        values: Tensor = answer["tensor"]
        return values

    def attribute(self, name: str) -> Reply:
        """An attribute's value (a property is computed)."""
        return Reply(self._subject, self._handle, self._perform("attribute", name=name))

    def parameter(self, name: str) -> Parameter | None:
        """What the attribute of this name is; None when there is none."""
        answer = self._perform("parameter", name=name)
        if answer["kind"] is None:
            return None
        return Parameter(answer["kind"], answer["tensor"], answer["requires_grad"], answer["has_gradient"])

    def trainable_names(self, known: Sequence[str] = ()) -> list[str]:
        """The names of all trainable parameters, each by its name in `known` where that name reaches it."""
        names: list[str] = self._perform("trainable_names", known=list(known))["names"]
        return names

    def set_parameters(self, **values: Tensor) -> None:
        """Give parameters new values, in place."""
        self._perform("set_parameters", values=values)

    def train(self, mode: bool = True) -> None:
        """Switch between training and evaluation, as `nn.Module.train` does."""
        self._perform("train", mode=mode)

    def to(self, dtype: torch.dtype) -> None:
        """Convert the module's parameters and buffers."""
        self._perform("to", dtype=str(dtype).removeprefix("torch."))


class Subject:
    """The learner's definition, a class or a function, as checks see it."""

    def __init__(self, name: str, learner_side: LearnerSide) -> None:
        self.name = name
        self._learner_side = learner_side
        self._arguments: list[Tensor] = []

    @property
    def gone(self) -> LearnerError | None:
        """What ended the learner's process; None while there is somebody to ask."""
        return self._learner_side.gone

    @property
    def is_gone(self) -> bool:
        return self.gone is not None

    def perform(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._learner_side.perform(request)

    def key(self, tensor: Tensor) -> int:
        """The number under which the learner's side knows this argument."""
        for key, known in enumerate(self._arguments):
            if known is tensor:
                return key
        self._arguments.append(tensor)
        return len(self._arguments) - 1

    def pack(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Arguments as they cross the interface: tensors become `Argument`s, everything else stays."""
        return [self._pack(item) for item in args], {name: self._pack(item) for name, item in kwargs.items()}

    def _pack(self, item: Any) -> Any:
        if isinstance(item, Tensor):
            return Argument(self.key(item), item.detach(), item.requires_grad)
        if isinstance(item, torch.Size):
            return tuple(item)
        return item

    def seed(self, seed: int) -> None:
        """Seed every global random generator on the learner's side."""
        self.perform({"op": "seed", "seed": seed})

    def random_number(self) -> float:
        """The next number of torch's global random generator on the learner's side."""
        number: float = self.perform({"op": "random_number"})["number"]
        return number

    def construct(self, *args: Any, **kwargs: Any) -> Instance:
        """Build an instance of the learner's class."""
        packed, named = self.pack(args, kwargs)
        return Instance(self, self.perform({"op": "construct", "args": packed, "kwargs": named}))

    def call(self, *args: Any, **kwargs: Any) -> Reply:
        """Call the learner's function."""
        packed, named = self.pack(args, kwargs)
        request = {"op": "call", "object": None, "method": None, "args": packed, "kwargs": named}
        return Reply(self, None, self.perform(request))

    def sample(self, count: int, *args: Any, **kwargs: Any) -> Tensor:
        """The values of `count` calls of the learner's function, stacked along a new first dimension."""
        packed, named = self.pack(args, kwargs)
        request = {
            "op": "sample",
            "object": None,
            "method": None,
            "args": packed,
            "kwargs": named,
            "count": count,
        }
        values: Tensor = self.perform(request)["tensor"]
        return values

    def present_value(self, argument: Tensor) -> Tensor:
        """An argument's value as the learner's side now holds it; it differs from what was sent if code changed it."""
        value: Tensor = self.perform({"op": "present_value", "argument": self.key(argument)})["tensor"]
        return value

    def set_argument(self, argument: Tensor, value: Tensor) -> None:
        """Give an argument that was sent a new value, in place, on the learner's side."""
        self.perform({"op": "set_argument", "argument": self.key(argument), "tensor": value})

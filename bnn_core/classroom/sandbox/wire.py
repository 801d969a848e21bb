"""Requests and answers as bytes: a prefix with two lengths, a header in JSON, and the tensors' elements one after the
other.

Both ends of the pipe use it, and both read as if an enemy had written: sizes, types and shapes are bounded before
anything is allocated, and nothing of what comes is ever executed or unpickled. It may not know what the values mean.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

from bnn_core.autograder import interface

PREFIX = struct.Struct("<4sIQ")
MARK = b"bnn1"
MAX_HEADER = 1 << 20
MAX_BODY = 1 << 25
MAX_DEPTH = 8
MAX_DIMENSIONS = 16
MAX_ELEMENTS = 1 << 25
MAX_INTEGER = 1 << 63

DTYPES: dict[str, torch.dtype] = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.complex128,
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
    )
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
RECORDS: dict[str, type] = {
    name: kind for name, kind in vars(interface).items() if isinstance(kind, type) and is_dataclass(kind)
}
_COMMON = (torch.float32, torch.float64, torch.int64)  # these have a short way to bytes
_KIND = "$"


class Malformed(Exception):
    """The bytes are no message."""


class CannotSend(TypeError):
    """The value has no form in bytes, or is too large."""


@dataclass(frozen=True)
class Packed:
    """A value as it is now, on its way into a message: what JSON can hold of it, and its tensors' elements."""

    plain: Any
    buffers: list[bytes]


def pack(value: Any) -> Packed:
    """The value, to be sent later as a part of a message. Raises CannotSend."""
    buffers: list[bytes] = []
    return Packed(_plain(value, buffers), buffers)


def encode(value: Any) -> bytes:
    """A message. Takes None, bool, int, float, str, bytes, Tensor, the interface's dataclasses, and lists, tuples and
    dicts of these. Raises CannotSend.
    """
    packed = pack(value)
    header = json.dumps(packed.plain, ensure_ascii=False).encode("utf-8", "surrogatepass")
    body = b"".join(packed.buffers)
    if len(header) > MAX_HEADER or len(body) > MAX_BODY:
        raise CannotSend(f"{len(header) + len(body):,} bytes are more than can be sent at once")
    return PREFIX.pack(MARK, len(header), len(body)) + header + body


def lengths(prefix: bytes) -> tuple[int, int]:
    """The numbers of bytes of the header and of the body that follow a prefix. Raises Malformed."""
    if len(prefix) != PREFIX.size:
        raise Malformed("it ended in the middle of a message")
    mark, header, body = PREFIX.unpack(prefix)
    if mark != MARK:
        raise Malformed("it does not begin like a message")
    if header > MAX_HEADER or body > MAX_BODY:
        raise Malformed(f"it announces {header + body:,} bytes")
    return header, body


def decode(header: bytes, body: bytes) -> Any:
    """The value of a message. Raises Malformed, and nothing else."""
    try:
        plain = json.loads(header.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise Malformed("its header is no JSON") from None
    reader = _Reader(body)
    value = reader.value(plain, MAX_DEPTH)
    if reader.position != len(body):
        raise Malformed("it holds more bytes than its tensors need")
    return value


def _plain(value: Any, buffers: list[bytes]) -> Any:
    """The value as JSON can hold it; the elements of its tensors are added to the buffers."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        return _describe_tensor(value, buffers)
    if isinstance(value, bytes):
        buffers.append(value)
        return {_KIND: "bytes", "count": len(value)}
    if isinstance(value, list):
        return [_plain(item, buffers) for item in value]
    if isinstance(value, tuple):
        return {_KIND: "tuple", "items": [_plain(item, buffers) for item in value]}
    if isinstance(value, dict):
        return {name: _plain(item, buffers) for name, item in value.items()}
    if isinstance(value, Packed):
        buffers += value.buffers
        return value.plain
    name = type(value).__name__
    if type(value) is RECORDS.get(name):
        return {_KIND: name, **{field: _plain(item, buffers) for field, item in vars(value).items()}}
    raise CannotSend(f"a {type(value).__name__} can't be sent")


def _describe_tensor(tensor: Tensor, buffers: list[bytes]) -> dict[str, Any]:
    if tensor.dtype not in _NAMES:
        raise CannotSend(f"a tensor of dtype {tensor.dtype} can't be sent")
    if tensor.ndim > MAX_DIMENSIONS:
        raise CannotSend(f"a tensor of {tensor.ndim} dimensions can't be sent; {MAX_DIMENSIONS} are the most")
    if tensor.numel() > MAX_ELEMENTS:
        raise CannotSend(f"a tensor of {tensor.numel():,} elements is too large to be sent")
    buffers.append(_elements(tensor.detach()))
    return {_KIND: "tensor", "dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape)}


def _elements(tensor: Tensor) -> bytes:
    if tensor.dtype in _COMMON and tensor.layout is torch.strided and not tensor.is_neg():
        return tensor.numpy().tobytes()
    dense = tensor if tensor.layout is torch.strided else tensor.to_dense()
    flat = dense.resolve_conj().resolve_neg().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


class _Reader:
    """Turns what JSON held back into values, taking the tensors' elements from the body in order."""

    def __init__(self, body: bytes) -> None:
        self.body = bytearray(body)  # a tensor over bytes that can't be written would be a warning
        self.position = 0

    def value(self, plain: Any, depth: int) -> Any:
        if depth == 0:
            raise Malformed("it is nested too deeply")
        if isinstance(plain, list):
            return [self.value(item, depth - 1) for item in plain]
        if isinstance(plain, dict):
            if _KIND in plain:
                kind = RECORDS.get(plain[_KIND]) if type(plain[_KIND]) is str else None
                return self.special(plain, depth) if kind is None else self.record(kind, plain, depth)
            return {name: self.value(item, depth - 1) for name, item in plain.items()}
        if isinstance(plain, int) and abs(plain) > MAX_INTEGER:
            raise Malformed("it holds a huge number")
        return plain

    def special(self, plain: dict[str, Any], depth: int) -> Any:
        match plain:
            case {"$": "tensor", "dtype": str(dtype), "shape": list(shape)} if len(plain) == 3:
                return self.tensor(dtype, shape)
            case {"$": "bytes", "count": int(count)} if 0 <= count <= len(self.body) - self.position:
                start, self.position = self.position, self.position + count
                return bytes(self.body[start : self.position])
            case {"$": "tuple", "items": list(items)} if len(plain) == 2:
                return tuple(self.value(item, depth - 1) for item in items)
        raise Malformed("it holds a value of no known kind")

    def record(self, kind: type, plain: dict[str, Any], depth: int) -> Any:
        checks = FIELDS[kind]
        if len(plain) == len(checks) + 1 and checks.keys() <= plain.keys():
            fields = {name: self.value(plain[name], depth - 1) for name in checks}
            if all(check(fields[name]) for name, check in checks.items()):
                return kind(**fields)
        raise Malformed(f"it holds a {kind.__name__} that is none")

    def tensor(self, name: str, shape: list[Any]) -> Tensor:
        dtype = DTYPES.get(name)
        if dtype is None or len(shape) > MAX_DIMENSIONS:
            raise Malformed("it holds a tensor of no known kind")
        if not all(type(length) is int and 0 <= length <= MAX_ELEMENTS for length in shape):
            raise Malformed("it holds a tensor whose shape is no shape")
        if math.prod(max(length, 1) for length in shape) > MAX_ELEMENTS:
            raise Malformed("it holds a tensor that is too large")
        count = math.prod(shape)
        if self.position + count * dtype.itemsize > len(self.body):
            raise Malformed("it holds a tensor without all of its elements")
        if count == 0:
            return torch.empty(shape, dtype=dtype)
        stored = torch.uint8 if dtype is torch.bool else dtype  # a byte of a bool may be anything here
        start, self.position = self.position, self.position + count * dtype.itemsize
        elements = torch.frombuffer(self.body, dtype=stored, count=count, offset=start).reshape(shape).clone()
        return elements != 0 if dtype is torch.bool else elements


Check = Callable[[Any], bool]


@cache
def of_type(hint: Any) -> Check:
    """Whether a value is exactly of this type: True is no int, and 1 no float. Takes what the interface's types are
    made of.
    """
    inner = [of_type(argument) for argument in get_args(hint)]
    match get_origin(hint):
        case origin if origin in (Union, UnionType):
            return lambda value: any(check(value) for check in inner)
        case origin if origin is list:
            return lambda value: type(value) is list and all(map(inner[0], value))
        case origin if origin is dict:
            return lambda value: type(value) is dict and all(map(inner[1], value.values()))
    return lambda value: hint is Any or type(value) is hint


FIELDS: dict[type, dict[str, Check]] = {
    kind: {name: of_type(hint) for name, hint in get_type_hints(kind).items()} for kind in RECORDS.values()
}
"""For each dataclass of the interface, whether a value is of a field's type."""

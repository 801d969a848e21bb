"""What goes over the wire comes back the same; what no honest end would send is refused, whatever it is."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from types import NoneType
from typing import Any, get_type_hints

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import assume, given

from bnn_core.autograder.interface import (
    Argument,
    Call,
    Construct,
    Gradients,
    Model,
    ModelCall,
    ModelUse,
    Parameter,
    Raised,
    RandomNumber,
    Seed,
    TorchFunction,
    Value,
)
from bnn_core.classroom.sandbox import wire

DTYPES = st.sampled_from(list(wire.DTYPES.values()))
SHAPES = st.lists(st.integers(0, 4), max_size=4)
PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=20)
NAMES = st.text(st.characters(categories=["L"]), min_size=1, max_size=5)


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    dtype, shape = draw(DTYPES), draw(SHAPES)
    count = math.prod(shape) * dtype.itemsize
    content = draw(st.binary(min_size=count, max_size=count))
    if not count:
        return torch.empty(shape, dtype=dtype)
    if dtype is torch.bool:
        return torch.frombuffer(bytearray(content), dtype=torch.uint8).reshape(shape) > 127
    return torch.frombuffer(bytearray(content), dtype=dtype).reshape(shape)


VALUES = st.recursive(
    PLAIN | st.binary(max_size=9) | tensors(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(NAMES, inner, max_size=3)
    ),
    max_leaves=6,
)


def split(message: bytes) -> tuple[bytes, bytes]:
    header, body = wire.lengths(message[: wire.PREFIX.size])
    content = message[wire.PREFIX.size :]
    assert len(content) == header + body
    return content[:header], content[header:]


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return 1 + max(map(depth, inner), default=0)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        if one.dtype != other.dtype or one.shape != other.shape:
            return False
        return not one.numel() or torch.equal(one.reshape(-1).view(torch.uint8), other.reshape(-1).view(torch.uint8))
    if dataclasses.is_dataclass(one):
        return type(one) is type(other) and same(vars(one), vars(other))
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return one == other or (one != one and other != other)


@pytest.mark.parametrize(
    "value",
    ["ж" * 200_000, "😀" * 100_000, ["я" * 96_000, "ю" * 96_000], "\ud800 half a character", bytes(range(256)) * 9_000],
    ids=["cyrillic", "emoji", "two strings", "surrogate", "bytes"],
)
def test_long_texts_in_any_script_come_back_the_same(value: Any) -> None:
    assert wire.decode(*split(wire.encode([value, torch.ones(2), value])))[::2] == [value, value]


def test_too_many_dimensions_are_told_as_dimensions() -> None:
    with pytest.raises(wire.CannotSend, match="20 dimensions"):
        wire.encode(torch.ones([1] * 20))


@given(VALUES)
def test_values_come_back_the_same(value: Any) -> None:
    assume(depth(value) < wire.MAX_DEPTH)
    assert same(value, wire.decode(*split(wire.encode(value))))


MODEL = Model([torch.ones(2, 1), torch.zeros(3)], {"weight": torch.ones(1)}, training=False)
RECORDS: list[Any] = [
    Argument(3, torch.ones(2, 1), True),
    TorchFunction("relu"),
    Seed(2**31),
    RandomNumber(),
    Construct(1, [3, 5], {"bias": True}),
    Call(1, "__call__", [Argument(0, torch.ones(2))], {"sizes": (2, 3)}, 7),
    Call(None, None, [Argument(1, MODEL), TorchFunction("tanh"), 0.5, None], {}, 8),
    Gradients(None, 8, 1, torch.ones(2), ["weight_mean", 0]),
    Gradients(1, 7, None, None, []),
    Value(
        "tuple",
        None,
        None,
        False,
        [Value("Tensor", torch.ones(2), None, True, []), Value("Size", None, [2], False, [])],
    ),
    Value("float", None, math.inf, False, []),
    Parameter("buffer", None, False, False),
    ModelUse([ModelCall([torch.ones(2)], True, False, 0.5, True)], True, {"weight": torch.ones(1)}, ["weight"], False),
    Raised("Your forward", "ValueError", "no", None, ""),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_requests_and_answers_come_back_the_same(record: Any) -> None:
    assert same(wire.decode(*split(wire.encode(record))), record)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
@given(data=st.data())
def test_a_request_or_answer_of_another_form_is_refused(record: Any, data: st.DataObject) -> None:
    """A field that is missing, too many, or of another type: nothing else than the dataclass's types gets in."""
    header, body = split(wire.encode(record))
    plain = json.loads(header)
    name = data.draw(st.sampled_from(sorted(plain)))
    other = data.draw(st.sampled_from([None, "x", 1, 1.5, True, [], {}, [True], {"x": 1}, "missing"]))
    changed = {field: value for field, value in plain.items() if field != name}
    if other != "missing":
        changed[name] = other
    try:
        came = wire.decode(json.dumps(changed).encode(), body)
    except wire.Malformed:
        return
    if dataclasses.is_dataclass(came):
        hints = get_type_hints(type(came))
        assert all(wire.of_type(hint)(getattr(came, field)) for field, hint in hints.items())


@pytest.mark.parametrize(
    ("hint", "fitting", "others"),
    [
        (int, [1], [True, 1.0, None, "1"]),
        (float, [1.0], [1, True, "1.0"]),
        (NoneType, [None], [0, False, ""]),
        (list[int], [[], [1, 2]], [(1,), [1, True], [None], {}]),
        (dict[str, torch.Tensor], [{}, {"x": torch.ones(1)}], [{"x": 1}, []]),
        (torch.Tensor | None, [None, torch.ones(1)], [1.0, [torch.ones(1)]]),
        (Parameter | None, [None, Parameter("x", None, True, True)], [{}, Seed(1)]),
        (list[str | int], [["a", 1]], [["a", 1.0], "a"]),
        (Any, [1, None, "x"], []),
    ],
)
def test_types_are_exact(hint: Any, fitting: list[Any], others: list[Any]) -> None:
    assert all(map(wire.of_type(hint), fitting))
    assert not any(map(wire.of_type(hint), others))


def test_what_is_packed_is_sent_as_it_was() -> None:
    tensor = torch.ones(2)
    packed = wire.pack([tensor, "x"])
    tensor.zero_()
    assert same(
        wire.decode(*split(wire.encode({"first": packed, "second": tensor}))),
        {"first": [torch.ones(2), "x"], "second": tensor},
    )


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6.0).reshape(2, 3).T,
        torch.ones(3).to_sparse(),
        torch.tensor([1 + 2j]).conj(),
        torch.ones(2, 3)[:, 1:],
    ],
    ids=["transposed", "sparse", "conjugate", "slice"],
)
def test_unusual_layouts_arrive_as_plain_tensors(tensor: torch.Tensor) -> None:
    assert torch.equal(wire.decode(*split(wire.encode(tensor))), tensor.to_dense().resolve_conj())


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, torch.ones(1).expand(1 << 40), "x" * (wire.MAX_HEADER + 1)], ids=type
)
def test_what_has_no_form_is_not_sent(value: Any) -> None:
    with pytest.raises(wire.CannotSend):
        wire.encode(value)


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_any_bytes_are_a_value_or_malformed(header: bytes, body: bytes) -> None:
    decode_or_refuse(header, body)


JSON = st.recursive(
    PLAIN | st.sampled_from(["tensor", "float32", "tuple", "Argument", "TorchFunction", "Seed", "Value", 2**70]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["$", "dtype", "shape", "items", "key", "content", "requires_grad", "name", "seed", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.binary(max_size=50))
def test_any_json_is_a_value_or_malformed(value: Any, body: bytes) -> None:
    decode_or_refuse(json.dumps(value).encode(), body)


@given(VALUES, st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_a_damaged_message_is_a_value_or_malformed(value: Any, place: int, damage: bytes) -> None:
    header, body = split(wire.encode(value))
    place %= max(1, len(header))
    decode_or_refuse(header[:place] + damage + header[place + len(damage) :], body)


def decode_or_refuse(header: bytes, body: bytes) -> None:
    with contextlib.suppress(wire.Malformed):
        wire.decode(header, body)


@given(st.binary(max_size=40))
def test_any_prefix_is_bounded_lengths_or_malformed(prefix: bytes) -> None:
    try:
        header, body = wire.lengths(prefix)
    except wire.Malformed:
        return
    assert header <= wire.MAX_HEADER
    assert body <= wire.MAX_BODY


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ({"$": "tensor", "dtype": "float32", "shape": [3]}, bytes(8)),
        ({"$": "tensor", "dtype": "float32", "shape": [1]}, bytes(8)),
        ({"$": "tensor", "dtype": "object", "shape": [1]}, bytes(8)),
        ({"$": "tensor", "dtype": "float32", "shape": [-1]}, b""),
        ({"$": "tensor", "dtype": "float32", "shape": [True]}, bytes(4)),
        ({"$": "tensor", "dtype": "float32", "shape": [0, 1 << 60]}, b""),
        ({"$": "tensor", "dtype": "float32", "shape": [1] * 17}, bytes(4)),
        ({"$": "tensor", "dtype": "float32", "shape": [1], "more": 1}, bytes(4)),
        ({"$": "Argument", "key": 1, "content": {"x": 1}, "requires_grad": True}, b""),
        ({"$": "Seed", "seed": 1.5}, b""),
        ({"$": "Seed", "seed": True}, b""),
        ({"$": "Seed", "seed": 1, "more": 1}, b""),
        ({"$": "Seed"}, b""),
        ({"$": "RandomNumber", "__class__": "x"}, b""),
        ({"$": "LearnerError", "action": ""}, b""),
        ({"$": "Request"}, b""),
        ({"$": "code"}, b""),
        ({"$": "bytes", "count": 3}, b"12"),
        ({"$": "bytes", "count": -1}, b""),
        (10**40, b""),
        ([[[[[[[[[[]]]]]]]]]], b""),
    ],
    ids=repr,
)
def test_what_no_honest_end_sends_is_refused(header: Any, body: bytes) -> None:
    with pytest.raises(wire.Malformed):
        wire.decode(json.dumps(header).encode(), body)

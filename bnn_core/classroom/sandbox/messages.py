"""Whole values in JSON over a socket, between the grader and those who watch over a submission's processes. It needs
the standard library alone and may not know what the values mean.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

LENGTH = struct.Struct("<I")


def send_json(connection: socket.socket, value: dict[str, Any]) -> None:
    text = json.dumps(value).encode()
    connection.sendall(LENGTH.pack(len(text)) + text)


def receive_json(connection: socket.socket) -> dict[str, Any]:
    """Raises EOFError where the connection closes first."""
    (count,) = LENGTH.unpack(_receive(connection, LENGTH.size))
    value: dict[str, Any] = json.loads(_receive(connection, count))
    return value


def _receive(connection: socket.socket, count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        part = connection.recv(min(count, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)

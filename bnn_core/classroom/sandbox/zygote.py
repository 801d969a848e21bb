"""Inside the sandbox: the warm parent, which has torch loaded and forks a process of its own for every submission.

It may not hold anything that a submission mustn't see: no check, no reference, no other submission. What a
submission's process is to run and may import it is told only after the fork, over a socket that no other process has.

Of each submission there are three processes: a watcher outside its namespaces, which ends it when the grader hangs
up, when it uses too much memory or too much time; the first process of its pid namespace, with whose end the kernel
ends all the others; and the one that runs the learner's code.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
import traceback
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bnn_core.classroom.sandbox import isolation

LENGTH = struct.Struct("<I")
READY = b"ready"
KEPT_OUTPUT = 4_000
GLANCE = 0.1  # seconds between looks at memory and clock
TIME_TO_FINISH = 0.2  # seconds after the grader has hung up
CODE_OF_A_SIGNAL = 128
CODE_OF_A_BROKEN_SANDBOX = 77

Serve = Callable[[int], None]


def isolate(settings: dict[str, Any]) -> None:
    """Leave the system for a file system, a network and a process table of one's own. Continues in a new process.

    Raises isolation.Unavailable where the system doesn't allow it.
    """
    user, group = os.geteuid(), os.getegid()
    try:
        if user == 0:
            isolation.unshare(isolation.EVERY_NAMESPACE & ~isolation.USER)
        else:
            isolation.unshare(isolation.EVERY_NAMESPACE)
            isolation.become_inside_user(user, group)
    except OSError as error:
        raise isolation.Unavailable(f"namespaces ({error.strerror})") from None
    child = os.fork()
    if child:
        isolation.die_with_parent()
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    isolation.die_with_parent()
    try:
        isolation.enter_new_root(settings["readable"], settings["hidden"])
        isolation.close_root()
    except OSError as error:
        raise isolation.Unavailable(f"mounts in a namespace ({error})") from None
    if user == 0:
        isolation.become_nobody()
        isolation.die_with_parent()  # a new identity had cancelled it


def fork_on_demand(requests: socket.socket, serve: Serve, protection: str) -> None:
    """For each request, which brings two sockets with it, start a submission's processes. Returns when nobody can ask
    any more.

    protection: what shuts a submission in: "namespaces" of its own, the "bubblewrap" that this whole process is in,
    or "none".
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the watchers
    gc.collect()
    gc.freeze()
    if protection != "none":
        remember_own_memory()
    requests.sendall(READY)
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 16, 2)
        if not message:
            return
        if len(descriptors) == 2 and os.fork() == 0:
            requests.close()
            _end_with(_watch_one, *descriptors, serve, protection)
        for descriptor in descriptors:
            os.close(descriptor)


def _end_with(function: Callable[..., int], *arguments: Any) -> None:
    """Run the function and end this process with the code that it gives; never returns."""
    code = CODE_OF_A_BROKEN_SANDBOX
    try:
        code = function(*arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _watch_one(control_descriptor: int, wire: int, serve: Serve, protection: str) -> int:
    """The watcher of one submission."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    control = socket.socket(fileno=control_descriptor)
    folder = None
    try:
        orders = receive_json(control)
        if protection == "namespaces":
            user, group = os.geteuid(), os.getegid()
            isolation.unshare(isolation.EVERY_NAMESPACE)
            isolation.become_inside_user(user, group)
        else:
            folder = tempfile.mkdtemp(prefix="submission-")
        isolation.die_with_parent()
        output, output_end = os.pipe()
        first = os.fork()
        if first == 0:
            control.close()
            os.close(output)
            if folder is None:
                _end_with(_first_process, orders, wire, output_end, serve)
            _end_with(_unconfined_process, orders, wire, output_end, serve, folder, protection)
    except OSError as error:
        send_json(control, {"ending": "broken", "code": 0, "why": str(error), "output": "", "printed": 0})
        return 0
    os.close(wire)
    os.close(output_end)
    ending = watch(first, control, output, orders["seconds"], orders["memory"] if protection != "none" else None)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    send_json(control, ending)
    return 0


def _first_process(orders: dict[str, Any], wire: int, output_end: int, serve: Serve) -> int:
    """The first process of the submission's pid namespace: prepares its file system, starts the learner's process,
    waits.
    """
    isolation.die_with_parent()
    isolation.keep_mounts_to_oneself()
    isolation.mount_processes()
    isolation.mount_memory("/tmp", orders["temporary"])
    isolation.mount_memory("/course", 4, "0755")
    write_files(orders["files"], Path("/course"), Path("/tmp"))
    isolation.make_read_only("/course")
    forbid_user_namespaces()
    learner = os.fork()
    if learner == 0:
        _end_with(_learner_process, orders, wire, output_end, serve)
    isolation.forbid_inspection()
    os.close(wire)  # but not the output, which the watcher sees close when all processes have ended
    while True:
        process, status = os.wait()
        if process == learner:
            code = os.waitstatus_to_exitcode(status)
            return CODE_OF_A_SIGNAL - code if code < 0 else code


def _learner_process(orders: dict[str, Any], wire: int, output_end: int, serve: Serve) -> int:
    wire = arrange_descriptors(wire, output_end)
    isolation.limit_resources(_limits(orders) | {"NPROC": orders["processes"]})
    isolation.drop_privileges()
    isolation.filter_system_calls()
    os.chdir("/tmp")
    forget_course("/course")
    serve(wire)
    return 0


def _unconfined_process(
    orders: dict[str, Any], wire: int, output_end: int, serve: Serve, folder: str, protection: str
) -> int:
    """The learner's process where it has no namespaces of its own."""
    isolation.die_with_parent()
    os.setsid()  # so that what it starts can be ended together with it
    write_files(orders["files"], Path(folder, "course"), Path(folder))
    wire = arrange_descriptors(wire, output_end)
    isolation.limit_resources(_limits(orders))
    if protection == "bubblewrap":
        isolation.drop_privileges()
        isolation.filter_system_calls()
    os.chdir(folder)
    forget_course(f"{folder}/course")
    serve(wire)
    return 0


def _limits(orders: dict[str, Any]) -> dict[str, int]:
    return {
        "AS": isolation.address_space() + orders["memory"],
        "NOFILE": orders["open_files"],
        "FSIZE": orders["temporary"] << 20,
        "CPU": int(orders["seconds"]) + 1,
    }


def arrange_descriptors(wire: int, output_end: int) -> int:
    """Leave open an empty input, the output, and the wire, whose new descriptor is returned."""
    nothing = os.open("/dev/null", os.O_RDONLY)
    kept = [os.dup2(source, target) for source, target in ((nothing, 200), (output_end, 201), (wire, 202))]
    for target, source in enumerate((kept[0], kept[1], kept[1], kept[2])):
        os.dup2(source, target)
    os.closerange(4, 1024)
    for name in ("stdout", "stderr"):
        setattr(sys, name, os.fdopen(1, "w", 1, encoding="utf-8", errors="replace", closefd=False))
    return 3


def forget_course(folder: str) -> None:
    """From now on `bnn_core` is what lies in the folder; the modules that this process is made of can't be imported
    any more. As in a notebook, what lies in the current folder comes first.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] == "bnn_core"]:
        del sys.modules[name]
    sys.path.insert(0, os.getcwd())
    sys.path.append(folder)


def write_files(files: dict[str, str], course: Path, current: Path) -> None:
    """Write the files, whose contents are in base64: those below "bnn_core/" into one folder, all others into the
    other.
    """
    for name, content in files.items():
        parts = Path(name).parts
        if not parts or Path(name).is_absolute() or ".." in parts:
            raise ValueError(f"{name!r} is no path inside a folder")
        path = Path(course if parts[0] == "bnn_core" else current, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b64decode(content))


def forbid_user_namespaces() -> None:
    """In a user namespace of its own any code has all privileges, so none may be made."""
    with contextlib.suppress(OSError):  # not every kernel lets a namespace set it; the filter refuses them as well
        Path("/proc/sys/user/max_user_namespaces").write_text("0")


def watch(first: int, control: socket.socket, output: int, seconds: float, memory: int | None) -> dict[str, Any]:
    """Wait until the process ends, or end it when the grader hangs up, at the limit of time, or of memory (bytes).

    Returns how it ended: "ending" is exit, signal, memory or stopped; "code" the exit status or the signal; "output"
    the beginning of what was printed, "printed" the number of its bytes.
    """
    deadline = time.monotonic() + seconds
    poller = select.poll()
    poller.register(control, select.POLLIN)
    poller.register(output, select.POLLIN)
    kept, printed, stopped, next_glance = b"", 0, "", 0.0
    while True:
        events = dict(poller.poll(GLANCE * 1000))
        now = time.monotonic()
        if output in events:
            chunk = os.read(output, 1 << 16)
            if not chunk:  # all processes have ended
                break
            printed += len(chunk)
            kept += chunk[: KEPT_OUTPUT - len(kept)]
        if control.fileno() in events:
            poller.unregister(control)
            deadline = min(deadline, now + TIME_TO_FINISH)
        if now > deadline:
            stopped = "stopped"
            break
        if now >= next_glance:
            next_glance = now + GLANCE
            if memory is not None and uses_more_than(memory):
                stopped = "memory"
                break
    if stopped:
        end_with_all_it_started(first)
    _, status = os.waitpid(first, 0)
    code = os.waitstatus_to_exitcode(status)
    how, code = ("signal", abs(code) % CODE_OF_A_SIGNAL) if code < 0 or code > CODE_OF_A_SIGNAL else ("exit", code)
    text = kept.decode(errors="replace")
    return {"ending": stopped or how, "code": code, "output": text, "printed": printed, "why": ""}


def end_with_all_it_started(process: int) -> None:
    """With the first process of a pid namespace all others end; elsewhere, those that share its process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    os.kill(process, signal.SIGKILL)


def uses_more_than(memory: int) -> bool:
    """Whether the processes in /proc together have more bytes for themselves; what they share is counted once."""
    processes = [entry for entry in os.listdir("/proc") if entry.isdigit()]
    if sum(map(_private_bytes, processes)) <= memory:  # soon seen, and never too little
        return False
    return sum(map(_share_of_memory, processes)) > memory


def _private_bytes(process: str) -> int:
    """The bytes that a process has beside files, and beside what it was forked with."""
    try:
        fields = Path(f"/proc/{process}/statm").read_text().split()
    except OSError:
        return 0
    return max(0, int(fields[1]) - int(fields[2]) - _own_pages) * os.sysconf("SC_PAGE_SIZE")


def _share_of_memory(process: str) -> int:
    """The bytes of a process, where each page is shared out among those that have it."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return _private_bytes(process)
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss_Anon:"))


_own_pages = 0


def remember_own_memory() -> None:
    """What this process has for itself now, its children will share with it."""
    global _own_pages
    fields = Path("/proc/self/statm").read_text().split()
    _own_pages = int(fields[1]) - int(fields[2])


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

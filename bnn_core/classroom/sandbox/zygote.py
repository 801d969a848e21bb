"""Inside the sandbox: the warm parent, which has torch loaded and forks a process of its own for every submission.

It may not hold anything that a submission mustn't see: no check, no reference, no other submission. What a
submission's process is to run and may import it is told only after the fork, over a socket that no other process has.

Of each submission there are three processes: a watcher outside its namespaces, which ends it when the grader hangs
up, when it uses too much memory or too much time; the first process of its pid namespace, with whose end the kernel
ends all the others; and the one that runs the learner's code. With bubblewrap the first two are bubblewrap's own, and
the watcher is outside of that as well.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from base64 import b64decode
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bnn_core.classroom.sandbox import bubblewrap, isolation
from bnn_core.classroom.sandbox.messages import receive_json, send_json
from bnn_core.classroom.sandbox.watching import CODE_OF_A_SIGNAL, Started, Watch

CODE_OF_A_BROKEN_SANDBOX = 77
PRIORITY = 10
"""How far the learner's processes stand back behind those that watch and grade them."""

Serve = Callable[[int], None]
Start = Callable[[dict[str, Any], int, int], Started]
"""Starts the learner's process, given its orders and the descriptors of the wire and of its output."""


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
        isolation.enter_new_root(view_in(settings))
        # A library that torch imports may ask for a place to write in. Each submission has another.
        isolation.mount_memory(isolation.TEMPORARY, 1, "1777")
        isolation.show_private(view_in(settings))
        isolation.close_root()
    except OSError as error:
        raise isolation.Unavailable(f"mounts in a namespace ({error})") from None
    if user == 0:
        isolation.become_nobody()
        isolation.die_with_parent()  # a new identity had cancelled it


def prepare(settings: dict[str, Any]) -> bool:
    """Make the process that loads torch what it must be before it does; gives whether it was root's."""
    as_root = os.geteuid() == 0
    if as_root and settings["protection"] != "namespaces" and "orders" not in settings:
        refuse_what_only_root_can_read(filter(os.path.isdir, sys.path))
    if settings["protection"] == "namespaces":
        isolate(settings)
    elif settings["protection"] == "bubblewrap" and "orders" not in settings:
        bubblewrap.try_it(view_in(settings))
    elif settings["protection"] == "bubblewrap" and as_root:
        isolation.bound_privileges()
        isolation.become_nobody()
    elif settings["protection"] == "none" and as_root:
        isolation.keep_modules_reachable(KEPT_DESCRIPTORS)
    return as_root


def refuse_what_only_root_can_read(folders: Iterable[str]) -> None:
    """Raises isolation.OnlyRootCanRead for the first of these that is such a folder."""
    for folder in folders:
        if isolation.is_roots_alone(folder):
            raise isolation.OnlyRootCanRead(folder)


def view_in(settings: dict[str, Any]) -> isolation.View:
    return isolation.View(**settings["view"])


def fork_on_demand(requests: socket.socket, start: Start) -> None:
    """For each request, which brings two sockets with it, start a submission's processes. Returns when nobody can ask
    any more.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the watchers
    gc.collect()
    gc.freeze()
    send_json(requests, {"ready": True})
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 1, 2)
        if not message:
            return
        if len(descriptors) == 2 and os.fork() == 0:
            requests.close()
            _end_with(_watch_one, *descriptors, start)
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


def _watch_one(control_descriptor: int, wire: int, start: Start) -> int:
    """The watcher of one submission."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    isolation.die_with_parent()
    for descriptor in (control_descriptor, wire):
        os.set_inheritable(descriptor, False)
    control = socket.socket(fileno=control_descriptor)
    try:
        orders = receive_json(control)
        refuse_ways_out(orders["files"])
        output, output_end = os.pipe()
        started = start(orders, wire, output_end)
        os.close(wire)
        os.close(output_end)
        ending = Watch(started, control, output, orders).until_it_ends()
        if started.folder:
            shutil.rmtree(started.folder, ignore_errors=True)
    except EOFError:  # the grader has ended
        return 0
    except Exception as error:
        ending = {"ending": "broken", "code": 0, "why": str(error) or repr(error), "output": "", "printed": 0}
    with contextlib.suppress(OSError):
        send_json(control, ending)
    return 0


# The three ways to start a learner's process, which run in its watcher.


def in_namespaces(settings: dict[str, Any], serve: Serve) -> Start:
    """In namespaces of its own."""
    view = view_in(settings)

    def start(orders: dict[str, Any], wire: int, output_end: int) -> Started:
        user, group = os.geteuid(), os.getegid()
        isolation.unshare(isolation.EVERY_NAMESPACE)
        isolation.become_inside_user(user, group)
        isolation.die_with_parent()
        ready, mounted = os.pipe()
        first = os.fork()
        if first == 0:
            os.close(ready)
            arrange_descriptors(output_end, wire, mounted)
            _end_with(_first_process, orders, view, serve)
        os.close(mounted)
        os.read(ready, 1)  # from here on /proc shows the processes of the submission and no others
        os.close(ready)
        return Started(first, own_table=True)

    return start


def in_bubblewrap(settings: dict[str, Any]) -> Start:
    """In a bubblewrap of its own, where the bootstrap begins anew. Slow: each loads torch."""
    view = view_in(settings)

    def start(orders: dict[str, Any], wire: int, output_end: int) -> Started:
        course = {name: content for name, content in orders["files"].items() if _is_of_course(name)}
        handed_in = {name: content for name, content in orders["files"].items() if name not in course}
        descriptors = {name: _in_memory(b64decode(content)) for name, content in course.items()}
        inner = settings | {"orders": orders | {"files": handed_in}}
        told = _in_memory(json.dumps(inner).encode())
        as_root = os.geteuid() == 0
        words = bubblewrap.command(view, orders["temporary"], descriptors, as_root)
        isolation.adopt_orphans()
        first = os.fork()
        if first == 0:
            isolation.be_killed_first()
            for source, target in ((told, 0), (output_end, 1), (output_end, 2)):
                os.dup2(source, target)
            for descriptor in (wire, *descriptors.values()):
                os.set_inheritable(descriptor, True)
            os.execvp(words[0], [*words, *bubblewrap.PYTHON, settings["bootstrap"], str(wire)])
        for descriptor in (told, *descriptors.values()):
            os.close(descriptor)
        return Started(first, own_table=False, temporary=isolation.TEMPORARY)

    return start


def unconfined(serve: Serve) -> Start:
    """As this process is, save that root's become nobody's."""

    def start(orders: dict[str, Any], wire: int, output_end: int) -> Started:
        isolation.adopt_orphans()
        folder = tempfile.mkdtemp(prefix="submission-")
        if os.geteuid() == 0:
            os.chown(folder, isolation.NOBODY, isolation.NOBODY)
        first = os.fork()
        if first == 0:
            _end_with(_unconfined_process, orders, wire, output_end, serve, folder)
        return Started(first, own_table=False, folder=folder)

    return start


def _is_of_course(name: str) -> bool:
    return Path(name).parts[:1] == ("bnn_core",)


def _in_memory(content: bytes) -> int:
    """The descriptor of a file that lies nowhere."""
    descriptor = os.memfd_create("file")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _first_process(orders: dict[str, Any], view: isolation.View, serve: Serve) -> int:
    """The first process of the submission's pid namespace: prepares its file system, starts the learner's process,
    waits.
    """
    isolation.die_with_parent()
    isolation.be_killed_first()
    isolation.keep_mounts_to_oneself()
    isolation.mount_processes()
    isolation.mount_memory(isolation.TEMPORARY, orders["temporary"])
    isolation.mount_memory(isolation.COURSE, 4, "0755")
    isolation.show_private(view)
    write_files(orders["files"], Path(isolation.COURSE), Path(isolation.TEMPORARY))
    isolation.make_read_only(isolation.COURSE)
    forbid_user_namespaces()
    isolation.make_read_only("/proc")
    os.close(WIRE + 1)  # now the watcher may look
    learner = os.fork()
    if learner == 0:
        os.setsid()
        _end_with(_learner_process, orders, serve)
    isolation.forbid_inspection()
    os.closerange(0, WIRE + 1)
    while True:
        process, status = os.wait()
        if process == learner:
            code = os.waitstatus_to_exitcode(status)
            return CODE_OF_A_SIGNAL - code if code < 0 else code


def wrapped_process(orders: dict[str, Any], wire: int, serve: Serve, as_root: bool) -> None:
    """The learner's process inside a bubblewrap, which root has started or somebody else."""
    os.environ.pop("PWD", None)
    write_files(orders["files"], Path(isolation.COURSE), Path(isolation.TEMPORARY))
    arrange_descriptors(1, wire)
    _end_with(_learner_process, orders, serve, not as_root)


def _learner_process(orders: dict[str, Any], serve: Serve, own_namespace: bool = True) -> int:
    _limit(orders, own_namespace)
    isolation.drop_privileges()
    isolation.filter_system_calls()
    return _serve_in(isolation.TEMPORARY, isolation.COURSE, serve)


def _unconfined_process(orders: dict[str, Any], wire: int, output_end: int, serve: Serve, folder: str) -> int:
    if os.geteuid() == 0:
        isolation.become_nobody()
    isolation.die_with_parent()
    isolation.be_killed_first()
    os.setsid()  # so that what it starts can be ended together with it
    write_files(orders["files"], Path(folder, "course"), Path(folder))
    arrange_descriptors(output_end, wire)
    _limit(orders, own_namespace=False)
    return _serve_in(folder, f"{folder}/course", serve)


def _serve_in(current: str, course: str, serve: Serve) -> int:
    os.chdir(current)
    forget_course(course)
    serve(WIRE)
    return 0


def _limit(orders: dict[str, Any], own_namespace: bool) -> None:
    """own_namespace: whether its processes have a user namespace of their own, where no others are counted. The time
    that this process took to start, which may be what loading torch takes, is none of the submission's.
    """
    os.nice(PRIORITY)
    limits = {
        "AS": isolation.address_space() + orders["memory"],
        "NOFILE": orders["open_files"],
        "FSIZE": orders["temporary"] << 20,
        "CPU": int(orders["seconds"] + time.process_time()) + 2,
    }
    if own_namespace and isolation.processes_are_counted_by_namespace():
        limits["NPROC"] = orders["processes"]
    isolation.limit_resources(limits)


WIRE = 3
"""The wire's descriptor in the learner's process."""

KEPT_DESCRIPTORS = range(100, 120)
"""Those of folders, where the learner's process reaches them in no other way."""


def arrange_descriptors(output_end: int, *kept: int) -> None:
    """Leave open an empty input, the output, and from WIRE on those that are to be kept."""
    nothing = os.open("/dev/null", os.O_RDONLY)
    sources = [nothing, output_end, output_end, *kept]
    safe = [os.dup2(source, 200 + target) for target, source in enumerate(sources)]
    for target, source in enumerate(safe):
        os.dup2(source, target)
    os.closerange(len(sources), KEPT_DESCRIPTORS.start)
    os.closerange(KEPT_DESCRIPTORS.stop, 1024)
    for name in ("stdout", "stderr"):
        setattr(sys, name, os.fdopen(1, "w", 1, encoding="utf-8", errors="replace", closefd=False))


def forget_course(folder: str) -> None:
    """From now on `bnn_core` is what lies in the folder; the modules that this process is made of can't be imported
    any more. As in a notebook, what lies in the current folder comes first.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] == "bnn_core"]:
        del sys.modules[name]
    sys.path.insert(0, os.getcwd())
    sys.path.append(folder)


def refuse_ways_out(names: Iterable[str]) -> None:
    """Raises ValueError where one is no path inside a folder."""
    for name in names:
        if not Path(name).parts or Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"{name!r} is no path inside a folder")


def write_files(files: dict[str, str], course: Path, current: Path) -> None:
    """Write the files, whose contents are in base64: those below "bnn_core/" into one folder, all others into the
    other.
    """
    for name, content in files.items():
        path = Path(course if _is_of_course(name) else current, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b64decode(content))


def forbid_user_namespaces() -> None:
    """In a user namespace of its own any code has all privileges, so none may be made."""
    with contextlib.suppress(OSError):  # not every kernel lets a namespace set it; the filter refuses them as well
        Path("/proc/sys/user/max_user_namespaces").write_text("0")

"""The grader's side of the sandbox: starts the warm parent with copies of the few modules it needs, asks it for a
process per submission, and hangs up on that process. It may not run anything of a submission itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import site
import socket
import subprocess
import sys
import sysconfig
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from bnn_core.classroom.sandbox.control_group import MemoryGroup, is_allowed
from bnn_core.classroom.sandbox.isolation import INSIDE_ID, SYSTEM_LIBRARIES
from bnn_core.classroom.sandbox.zygote import READY, receive_json, send_json

STARTING_TIME = 120.0
"""Seconds in which the warm parent must have torch loaded."""

TIME_TO_END = 2.0
"""Seconds in which a submission's processes must be gone once the grader hangs up."""

FIRST_MODULES = ("bnn_core.classroom.sandbox.isolation", "bnn_core.classroom.sandbox.zygote")
LATER_MODULES = (
    "bnn_core.autograder.subject",
    "bnn_core.autograder.in_process",
    "bnn_core.answers.program",
    "bnn_core.classroom.sandbox.wire",
    "bnn_core.classroom.sandbox.worker",
)
PACKAGES = ("bnn_core", "bnn_core.answers", "bnn_core.autograder", "bnn_core.classroom", "bnn_core.classroom.sandbox")
WARM_IMPORTS = (
    "numpy.random",
    "torch.distributions",
    "torch.func",
    "torch.fx.experimental.symbolic_shapes",  # the first gradient imports it, which takes half a second
)

# Runs in a bare interpreter: no site, no .pth file, so that the course's own folder is not on its path.
BOOTSTRAP = """
import importlib, json, os, socket, sys, types

def load(names):
    for name in names:
        module = types.ModuleType(name)
        module.__file__ = "/sandbox/" + name.replace(".", "/") + ".py"
        sys.modules[name] = module
        parent, _, leaf = name.rpartition(".")
        setattr(sys.modules[parent], leaf, module)
        exec(compile(sources[name], module.__file__, "exec"), module.__dict__)

requests = socket.socket(fileno=int(sys.argv[1]))
try:
    settings = json.loads(sys.stdin.buffer.read())
    sources = settings["sources"]
    sys.prefix = sys.exec_prefix = settings["prefix"]
    sys.path += settings["packages"]
    for name in settings["namespaces"]:
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = []
    load(settings["first"])
    zygote = sys.modules["bnn_core.classroom.sandbox.zygote"]
    if settings["protection"] == "namespaces":
        zygote.isolate(settings)
    import torch
    torch.set_num_threads(1)
    load(settings["later"])
    for name in settings["warm"]:
        importlib.import_module(name)
    serve = sys.modules["bnn_core.classroom.sandbox.worker"].serve
    protection = settings["protection"]
    del settings, sources
except BaseException as error:
    requests.sendall((type(error).__name__ + ": " + str(error))[:4000].encode())
    os._exit(1)
zygote.fork_on_demand(requests, serve, protection)
"""

ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": "/tmp",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


class NoSandbox(Exception):
    """The system offers no isolation; the message says in a few words what is missing."""


class SandboxLost(Exception):
    """The warm parent has ended, so that no submission's process can be started."""


@dataclass(frozen=True)
class Limits:
    """What a submission may use.

    seconds: wall-clock time in all; call_seconds: for one call; memory: bytes; temporary: megabytes of files.
    """

    seconds: float = 30.0
    call_seconds: float = 10.0
    memory: int = 2 << 30
    processes: int = 64
    open_files: int = 256
    temporary: int = 64


@dataclass(frozen=True)
class Ending:
    """How a submission's processes ended: "exit" or "signal" with its code, "memory", "stopped" by the grader, or
    "broken".
    """

    how: str
    code: int = 0
    output: str = ""
    printed: int = 0
    why: str = ""

    @property
    def sentence(self) -> str:
        if self.how == "memory":
            return "Your code used more memory than it may, and was stopped."
        if self.how == "signal":
            return f"Your code crashed Python itself (signal {self.code})."
        if self.how == "exit":
            return f"Your code ended Python (exit status {self.code})."
        if self.how == "broken":
            return f"Your code could not be run: {self.why}."
        return "Your code was stopped."


class Sandboxed:
    """The processes of one submission."""

    def __init__(self, wire: socket.socket, control: socket.socket, then: Callable[[], None] = lambda: None) -> None:
        """then: what is to be done when they have ended."""
        self.wire = wire
        self._control = control
        self._then = then
        self._ending: Ending | None = None

    def end(self) -> Ending:
        """End all processes if they haven't, wait until they are gone, and say how they ended."""
        if self._ending is None:
            self._ending = self._hang_up()
            self._then()
        return self._ending

    def _hang_up(self) -> Ending:
        self.wire.close()
        self._control.settimeout(TIME_TO_END)
        try:
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_WR)
            last = receive_json(self._control)
            return Ending(last["ending"], last["code"], last["output"], last["printed"], last["why"])
        except (OSError, EOFError):
            return Ending("broken", why="the sandbox ended first")
        finally:
            self._control.close()


class Sandbox(Protocol):
    """Where submissions run. Leaving it as a context manager ends every process in it."""

    protection: str

    def wait_until_ready(self) -> None:
        """Raises NoSandbox where the system doesn't offer it."""

    def bound_memory(self, memory: int) -> None: ...

    def start(self, limits: Limits, seconds: float, files: Mapping[str, bytes]) -> Sandboxed:
        """The processes for one exercise of one submission, which live `seconds` at most.

        files: contents by relative path. Those below "bnn_core/" are the course as the code may import it, and can't
        be written; all others were handed in, and lie in the code's current folder, whence they can be imported.
        Raises SandboxLost.
        """

    def close(self) -> None: ...

    def __enter__(self) -> Sandbox: ...

    def __exit__(self, *_: object) -> None: ...


class WarmSandbox:
    """A warm parent with all submissions' processes as its children."""

    def __init__(self, hidden: Iterable[Path] = (), protection: str = "namespaces") -> None:
        """hidden: what no submission may read, wherever it lies. protection: as `zygote.fork_on_demand` has it."""
        self.protection = protection
        self._ready = False
        self._group: MemoryGroup | None = None
        self._requests, far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        settings = _settings(hidden, protection)
        python = [sys.executable]
        if protection == "bubblewrap":
            python = [*bubblewrap(settings["readable"], settings["hidden"]), os.path.realpath(sys.executable)]
        with far_end:
            self._process = subprocess.Popen(
                [*python, "-I", "-S", "-B", "-W", "ignore", "-c", BOOTSTRAP, str(far_end.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[far_end.fileno()],
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(json.dumps(settings).encode())

    def wait_until_ready(self) -> None:
        if self._ready:
            return
        self._requests.settimeout(STARTING_TIME)
        try:
            said = self._requests.recv(4096)
        except TimeoutError:
            said = b"it took too long to start"
        if said != READY:
            why = said.decode(errors="replace").removeprefix("Unavailable: ")
            raise NoSandbox(why or f"{self.protection} could not be started")
        self._requests.settimeout(None)
        self._ready = True

    def bound_memory(self, memory: int) -> None:
        """Let the sandbox as a whole use no more than these bytes, where this process may say so."""
        if self._group is None and is_allowed():
            self._group = MemoryGroup.around(self._process.pid, memory)

    def start(self, limits: Limits, seconds: float, files: Mapping[str, bytes]) -> Sandboxed:
        return Sandboxed(*self.request(limits, seconds, files))

    def request(
        self, limits: Limits, seconds: float, files: Mapping[str, bytes]
    ) -> tuple[socket.socket, socket.socket]:
        """The sockets to a submission's process, and to its watcher. Raises SandboxLost."""
        control, far_control = socket.socketpair()
        wire, far_wire = socket.socketpair()
        encoded = {name: b64encode(content).decode() for name, content in files.items()}
        orders = asdict(limits) | {"files": encoded, "seconds": seconds}
        try:
            with far_control, far_wire:
                socket.send_fds(self._requests, [b"start"], [far_control.fileno(), far_wire.fileno()])
            send_json(control, orders)
        except OSError as error:
            raise SandboxLost(str(error)) from None
        return wire, control

    def close(self) -> None:
        self._requests.close()
        self._process.kill()
        self._process.wait()
        if self._group is not None:
            self._group.remove()

    def __enter__(self) -> WarmSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class BubblewrapSandbox:
    """A bubblewrap for each submission, for systems that allow namespaces to that program alone. Slow: each loads
    torch.
    """

    protection = "bubblewrap"

    def __init__(self, hidden: Iterable[Path] = ()) -> None:
        self._hidden = tuple(hidden)

    def wait_until_ready(self) -> None:
        with WarmSandbox(self._hidden, self.protection) as one:
            one.wait_until_ready()

    def bound_memory(self, memory: int) -> None:
        """Each bubblewrap has its own limits."""

    def start(self, limits: Limits, seconds: float, files: Mapping[str, bytes]) -> Sandboxed:
        one = WarmSandbox(self._hidden, self.protection)
        try:
            one.wait_until_ready()
            return Sandboxed(*one.request(limits, seconds, files), then=one.close)
        except NoSandbox as error:
            raise SandboxLost(str(error)) from None

    def close(self) -> None:
        """Nothing is open between submissions."""

    def __enter__(self) -> BubblewrapSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ready_sandbox(first: Sandbox, hidden: Iterable[Path], unsafe: bool) -> Sandbox:
    """The first sandbox when it gets ready, else the next best that this system offers; raises NoSandbox where it
    offers none.

    unsafe: then go on without any.
    """
    try:
        first.wait_until_ready()
        return first
    except NoSandbox as error:
        first.close()
        missing = str(error)
    if shutil.which("bwrap"):
        wrapped = BubblewrapSandbox(hidden)
        with contextlib.suppress(NoSandbox):
            wrapped.wait_until_ready()
            return wrapped
    if not unsafe:
        raise NoSandbox(missing)
    unprotected = WarmSandbox(hidden, "none")
    unprotected.wait_until_ready()
    return unprotected


def bubblewrap(readable: Sequence[str], hidden: Iterable[str]) -> list[str]:
    """The command that runs another one with nothing but these folders, read-only."""
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--uid", str(INSIDE_ID), "--gid", str(INSIDE_ID)]
    command += ["--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    for folder in readable:
        if os.path.islink(folder):
            command += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            command += ["--ro-bind", folder, folder]
    for path in hidden:
        if os.path.isdir(path) and any(Path(path).is_relative_to(folder) for folder in readable):
            command += ["--tmpfs", path]
    return [*command, "--"]


def _settings(hidden: Iterable[Path], protection: str) -> dict[str, Any]:
    packages = library_folders()
    standard = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), sysconfig.get_config_var("LIBDIR")]
    if protection == "bubblewrap":  # which starts the interpreter inside
        standard.append(os.path.dirname(os.path.realpath(sys.executable)))
    readable = [*SYSTEM_LIBRARIES, *(os.path.realpath(path) for path in standard if path), *packages]
    return {
        "sources": {name: _source(name) for name in FIRST_MODULES + LATER_MODULES},
        "namespaces": PACKAGES,
        "first": FIRST_MODULES,
        "later": LATER_MODULES,
        "warm": WARM_IMPORTS,
        "prefix": sys.prefix,
        "packages": packages,
        "readable": list(dict.fromkeys(readable)),
        "hidden": [os.path.realpath(path) for path in hidden],
        "protection": protection,
    }


def library_folders() -> list[str]:
    """Where installed packages lie, as this interpreter sees it."""
    known = {*site.getsitepackages(), site.getusersitepackages()}
    return [path for path in sys.path if path in known and os.path.isdir(path)]


def _source(module: str) -> str:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")

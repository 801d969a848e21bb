"""The grader's side of the sandbox: starts the warm parent with copies of the few modules it needs, asks it for a
process per submission, and hangs up on that process. It may not run anything of a submission itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import site
import socket
import subprocess
import sys
import sysconfig
import tempfile
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from bnn_core.classroom.sandbox.control_group import MemoryGroup, is_allowed
from bnn_core.classroom.sandbox.isolation import SYSTEM_LIBRARIES, is_below, view_of
from bnn_core.classroom.sandbox.messages import receive_json, send_json
from bnn_core.classroom.sandbox.watching import BEGIN, HOW_LATE, TIME_TO_START
from bnn_core.classroom.sandbox.zygote import CODE_OF_A_BROKEN_SANDBOX

TIME_TO_END = 4.0
"""Seconds in which a submission's processes must be gone once the grader hangs up."""

FIRST_MODULES = tuple(
    f"bnn_core.classroom.sandbox.{name}" for name in ("isolation", "messages", "bubblewrap", "watching", "zygote")
)
LATER_MODULES = (
    "bnn_core.autograder.interface",
    "bnn_core.autograder.subject",
    "bnn_core.autograder.plain_data",
    "bnn_core.autograder.stand_in",
    "bnn_core.autograder.surroundings",
    "bnn_core.autograder.whose_code",
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

# Runs in a bare interpreter: no site, no .pth file, so that the course's own folder is not on its path. The number is
# that of the socket of requests or, inside a bubblewrap, of the wire.
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

os.umask(0o022)
number = int(sys.argv[1])
settings = json.loads(sys.stdin.buffer.read())
sources, protection, orders = settings["sources"], settings["protection"], settings.get("orders")
sys.prefix = sys.exec_prefix = settings["prefix"]
sys.path += settings["packages"]
for name in settings["namespaces"]:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = []
load(settings["first"])
zygote = sys.modules["bnn_core.classroom.sandbox.zygote"]
requests = None if orders else socket.socket(fileno=number)
try:
    as_root = zygote.prepare(settings)
    if orders or protection != "bubblewrap":
        import torch
        torch.set_num_threads(1)
        load(settings["later"])
        for name in settings["warm"]:
            importlib.import_module(name)
        worker = sys.modules["bnn_core.classroom.sandbox.worker"]
        if not orders:
            worker.rehearse()
        serve = worker.serve
        del settings["sources"], sources
        start = zygote.in_namespaces(settings, serve) if protection == "namespaces" else zygote.unconfined(serve)
    else:
        start = zygote.in_bubblewrap(settings)
except BaseException as error:
    if requests:
        zygote.send_json(requests, {"unavailable": (type(error).__name__ + ": " + str(error))[:4000]})
        os._exit(1)
    raise
if orders:
    zygote.wrapped_process(orders, number, serve, as_root)
zygote.fork_on_demand(requests, start)
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
PASSED_ON = ("LD_LIBRARY_PATH",)
"""Variables that say where libraries lie."""

PACKAGE = Path(__file__).resolve().parents[2]


class NoSandbox(Exception):
    """The system offers no isolation; the message says in a few words what is missing."""


class OnlyRootCanRead(NoSandbox):
    """What submissions need can be read by root alone, and so in no sandbox that is left, nor without one."""


class SandboxLost(Exception):
    """The warm parent has ended, so that no submission's process can be started."""


@dataclass(frozen=True)
class Limits:
    """What a submission may use.

    seconds: in all, call_seconds: for one call, both by the clock, without what others took of the processor's time;
    memory: bytes; processes: with their threads; open_files: of each; temporary: megabytes of files.
    """

    seconds: float = 30.0
    call_seconds: float = 10.0
    memory: int = 2 << 30
    processes: int = 16
    open_files: int = 64
    temporary: int = 64


@dataclass(frozen=True)
class Ending:
    """How a submission's processes ended: "exit" or "signal" with its code, by using too much "memory", "time" or
    too many "processes", "stopped" by the grader, or "broken".
    """

    how: str
    code: int = 0
    output: str = ""
    printed: int = 0
    why: str = ""

    @classmethod
    def told(cls, answer: dict[str, Any]) -> Ending:
        """The ending of which the watcher tells."""
        return cls(answer["ending"], answer["code"], answer["output"], answer["printed"], answer["why"])

    @property
    def sentence(self) -> str:
        if self.how in TOO_MUCH:
            return f"Your code {TOO_MUCH[self.how]} than it may, and was stopped."
        if self.how == "signal":
            return f"Your code crashed Python itself (signal {self.code}{self._last_words})."
        if self.how == "exit" and self.code == CODE_OF_A_BROKEN_SANDBOX:
            return f"Your code broke the program that runs it{self._last_words}."
        if self.how == "exit":
            return f"Your code ended Python (exit status {self.code}{self._last_words})."
        if self.how == "broken":
            return f"Your code could not be run: {self.why}."
        return "Your code was stopped."

    @property
    def was_out_of_time(self) -> bool:
        return self.how == "time" or (self.how == "signal" and self.code == signal.SIGXCPU)

    @property
    def may_be_others_doing(self) -> bool:
        """Whether it may have come from what else ran on the machine."""
        return self.how == "broken" or (self.how == "signal" and self.code == signal.SIGKILL)

    @property
    def _last_words(self) -> str:
        lines = self.output.strip().splitlines() if self.code else []
        return f"; its last words: {lines[-1][:MOST_LAST_WORDS]}" if lines else ""


TOO_MUCH = {
    "memory": "used more memory",
    "time": "used more of the processor's time",
    "processes": "started more processes",
    "files": "made more files",
}
MOST_LAST_WORDS = 300


class Sandboxed:
    """The processes of one submission."""

    def __init__(self, wire: socket.socket, control: socket.socket) -> None:
        self.wire = wire
        self._control = control
        self._ending: Ending | None = None

    def begin(self) -> None:
        """From now on their time counts."""
        with contextlib.suppress(OSError):  # they have ended, which will show
            self._control.sendall(BEGIN)

    def seconds_taken_by_others(self) -> float:
        """For how long since `begin` they were ready to run and others had the processor."""
        if self._ending is None:
            with contextlib.suppress(OSError, EOFError):
                self._control.settimeout(TIME_TO_END)
                self._control.sendall(HOW_LATE)
                answer = receive_json(self._control)
                if "late" in answer:
                    return float(answer["late"])
                self._ending = Ending.told(answer)
                self._close()
        return 0.0

    def end(self) -> Ending:
        """End all processes if they haven't, wait until they are gone, and say how they ended."""
        if self._ending is None:
            self._ending = self._hang_up()
            self._close()
        return self._ending

    def _hang_up(self) -> Ending:
        self.wire.close()
        self._control.settimeout(TIME_TO_END)
        try:
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_WR)
            while "late" in (answer := receive_json(self._control)):
                pass  # which came too late itself
            return Ending.told(answer)
        except (OSError, EOFError):
            return Ending("broken", why="the sandbox ended first")

    def _close(self) -> None:
        self.wire.close()
        self._control.close()


class Sandbox(Protocol):
    """Where submissions run. Leaving it as a context manager ends every process in it."""

    protection: str
    missing: str
    """What a better sandbox would have needed and the system lacks, in a few words."""

    def wait_until_ready(self) -> None:
        """Raises NoSandbox where the system doesn't offer it."""

    def is_alive(self) -> bool:
        """Whether nothing has ended it."""

    def bound_memory(self, memory: int) -> None: ...

    def start(self, limits: Limits, seconds: float, files: Mapping[str, bytes]) -> Sandboxed:
        """The processes of one submission, whose code may take `seconds` in all.

        files: contents by relative path. Those below "bnn_core/" are the course as the code may import it, and can't
        be written; all others were handed in, and lie in the code's current folder, whence they can be imported.
        Raises SandboxLost.
        """

    def close(self) -> None: ...

    def __enter__(self) -> Sandbox: ...

    def __exit__(self, *_: object) -> None: ...


class WarmSandbox:
    """A parent with all submissions' processes as its children."""

    def __init__(self, hidden: Iterable[Path] = (), protection: str = "namespaces") -> None:
        """hidden: what no submission may read, wherever it lies, beside the course itself.

        protection: what shuts a submission in: "namespaces" of its own, a "bubblewrap" of its own, or "none".
        """
        self.protection = protection
        self.missing = ""
        self._ready = False
        self._group: MemoryGroup | None = None
        self._requests, far_end = socket.socketpair()
        with far_end:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", "-W", "ignore", "-c", BOOTSTRAP, str(far_end.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[far_end.fileno()],
                env=ENVIRONMENT | {name: os.environ[name] for name in PASSED_ON if name in os.environ},
                cwd="/",
                start_new_session=True,
            )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(json.dumps(_settings(hidden, protection)).encode())

    def wait_until_ready(self) -> None:
        if self._ready:
            return
        self._requests.settimeout(TIME_TO_START)
        try:
            said = receive_json(self._requests)
        except TimeoutError:
            said = {"unavailable": "it took too long to start"}
        except (OSError, EOFError):
            said = {"unavailable": f"{self.protection} could not be started"}
        if "unavailable" in said:
            kind = OnlyRootCanRead if said["unavailable"].startswith("OnlyRootCanRead: ") else NoSandbox
            raise kind(said["unavailable"].removeprefix("Unavailable: ").removeprefix("OnlyRootCanRead: "))
        self._requests.settimeout(None)
        self._ready = True

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def bound_memory(self, memory: int) -> None:
        """Let the sandbox as a whole use no more than these bytes, where this process may say so."""
        if self._group is None and is_allowed():
            self._group = MemoryGroup.around(self._process.pid, memory)

    def start(self, limits: Limits, seconds: float, files: Mapping[str, bytes]) -> Sandboxed:
        control, far_control = socket.socketpair()
        wire, far_wire = socket.socketpair()
        encoded = {name: b64encode(content).decode() for name, content in files.items()}
        orders = asdict(limits) | {"files": encoded, "seconds": seconds}
        try:
            with far_control, far_wire:
                socket.send_fds(self._requests, [b"!"], [far_control.fileno(), far_wire.fileno()])
            send_json(control, orders)
        except OSError as error:
            raise SandboxLost(str(error)) from None
        return Sandboxed(wire, control)

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


def ready_sandbox(first: Sandbox, hidden: Iterable[Path], unsafe: bool) -> Sandbox:
    """The first sandbox when it gets ready, else the next best that this system offers; raises NoSandbox where it
    offers none.

    unsafe: then go on without any.
    """
    missing: list[str] = []
    for sandbox in _best_first(first, hidden, unsafe):
        try:
            sandbox.wait_until_ready()
        except OnlyRootCanRead:  # which no other would change
            sandbox.close()
            raise
        except NoSandbox as error:
            sandbox.close()
            missing.append(str(error))
        else:
            sandbox.missing = "; ".join(missing)
            return sandbox
    raise NoSandbox("; ".join(missing))


def _best_first(first: Sandbox, hidden: Iterable[Path], unsafe: bool) -> Iterator[Sandbox]:
    yield first
    if shutil.which("bwrap"):
        yield WarmSandbox(hidden, "bubblewrap")
    if unsafe:
        yield WarmSandbox(hidden, "none")


def _settings(hidden: Iterable[Path], protection: str) -> dict[str, Any]:
    packages = library_folders(hidden)
    view = view_of(_readable(packages, hidden), map(str, (course_folder(), *hidden)))
    return {
        "sources": {name: _source(name) for name in FIRST_MODULES + LATER_MODULES},
        "namespaces": PACKAGES,
        "first": FIRST_MODULES,
        "later": LATER_MODULES,
        "warm": WARM_IMPORTS,
        "prefix": sys.prefix,
        "packages": packages,
        "view": asdict(view),
        "protection": protection,
        "bootstrap": BOOTSTRAP,
    }


def _readable(packages: Sequence[str], hidden: Iterable[Path]) -> list[str]:
    """What the course's Python is made of."""
    standard = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), sysconfig.get_config_var("LIBDIR")]
    named = [folder for name in PASSED_ON for folder in os.environ.get(name, "").split(os.pathsep)]
    linked = [folder for folder in named if _may_be_shown(folder, hidden)]
    readable = [*SYSTEM_LIBRARIES, *standard, *linked, os.path.realpath(sys.executable), *packages]
    return [path for path in readable if path]


def library_folders(hidden: Iterable[Path] = ()) -> list[str]:
    """Where this interpreter finds installed packages: the folders for them, and those that a .pth file or PYTHONPATH
    adds, such as that of another package under development. Not the folder of what was started, nor one with what is
    to be hidden in it.
    """
    own = {*site.getsitepackages(), site.getusersitepackages()}
    standard = {os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    standard |= {f"{folder}/lib-dynload" for folder in standard}
    not_added = {*standard, *map(os.path.realpath, () if sys.flags.safe_path else sys.path[:1])}
    added = [path for path in sys.path if os.path.realpath(path) not in not_added and _may_be_shown(path, hidden)]
    return [path for path in dict.fromkeys(sys.path) if os.path.isdir(path) and (path in own or path in added)]


def _may_be_shown(path: str, hidden: Iterable[Path]) -> bool:
    """Whether it is a folder that holds neither the user's home nor what is hidden, nor is part of that."""
    real = os.path.realpath(path)
    secrets = [os.path.realpath(secret) for secret in (course_folder(), *hidden)]
    held = [*secrets, os.path.expanduser("~"), os.getcwd(), tempfile.gettempdir()]
    return (
        os.path.isabs(path)
        and not any(is_below(secret, real) for secret in held)
        and not any(is_below(real, secret) for secret in secrets)
    )


def course_folder() -> Path:
    """The folder of the whole course; of one that is installed among other packages, its own package."""
    installed = {os.path.realpath(path) for path in (*site.getsitepackages(), site.getusersitepackages())}
    return PACKAGE if str(PACKAGE.parent) in installed else PACKAGE.parent


def _source(module: str) -> str:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")
